//go:build unix

package nodes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Load writes on one node and asks all of them, and keeps a History of it.
type Load struct {
	History
	// Writers is how many write at once, Askers how many ask each node at once. Zero: 3 and 2.
	Writers, Askers int
	// NoTokens has checks carry no consistency tokens.
	NoTokens bool
	// Seed is what the order of things comes from.
	Seed uint64

	cluster *Cluster
	stop    context.CancelFunc
	running sync.WaitGroup
	acked   atomic.Int64

	mu     sync.Mutex
	recent []*subject
	counts map[string]int // by node and what it answered
	faults []error
}

// subject is a case and the newest tokens that lead to what was answered about it.
type subject struct {
	Case
	held  bool // the writer's alone, as is wrote
	wrote int

	mu         sync.Mutex
	afterWrite *Write
	afterCheck *Check
	writeToken string
	checkToken string
}

const (
	writeEvery, askEvery = 5 * time.Millisecond, 2 * time.Millisecond
	// again is the pause before a node is called again that could not answer.
	again = 50 * time.Millisecond
	// mostWrites is after how many a writer takes up another case.
	mostWrites = 40
	// atOnce is how many cases a writer has in hand.
	atOnce = 4
	// recently is how many of the cases last written are asked about.
	recently = 8
)

// Start begins to write and ask.
func (l *Load) Start(ctx context.Context, c *Cluster) {
	if l.Writers == 0 {
		l.Writers, l.Askers = 3, 2
	}
	l.cluster, l.counts = c, map[string]int{}
	for _, w := range c.Ending {
		l.Wrote(w)
	}
	ctx, l.stop = context.WithCancel(ctx)
	share := len(c.Cases) / l.Writers
	for w := range l.Writers {
		dice := rand.New(rand.NewPCG(l.Seed, uint64(w)))
		mine := slices.Clone(c.Cases[w*share : (w+1)*share])
		dice.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
		l.running.Go(func() { l.write(ctx, dice, mine) })
	}
	for i, n := range c.Nodes {
		for a := range l.Askers {
			dice := rand.New(rand.NewPCG(l.Seed, uint64(100*(i+1)+a)))
			l.running.Go(func() { l.ask(ctx, dice, n) })
		}
	}
}

// Stop ends it once what runs has been answered.
func (l *Load) Stop() error {
	l.stop()
	l.running.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.faults...)
}

// Acknowledged is how many writes were answered so far.
func (l *Load) Acknowledged() int64 { return l.acked.Load() }

// Count is how often a node gave an answer: yes, no, stale, behind, unavailable or error.
func (l *Load) Count(node, what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[node+" "+what]
}

// Counts are all of them.
func (l *Load) Counts() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for k, n := range l.counts {
		all = append(all, fmt.Sprintf("%s %d", k, n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (l *Load) count(n *Node, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[n.Name+" "+what]++
}

// fault keeps what no fault of nodes, networks and databases explains.
func (l *Load) fault(err error) {
	const enough = 10
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) < enough {
		l.faults = append(l.faults, err)
	}
}

// pause waits a moment, and says whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (l *Load) write(ctx context.Context, dice *rand.Rand, cases []Case) {
	var hand []*subject
	for pause(ctx, writeEvery) {
		for len(hand) < atOnce && len(cases) > 0 {
			hand, cases = append(hand, &subject{Case: cases[0]}), cases[1:]
		}
		if len(hand) == 0 {
			l.fault(errors.New("every case was used"))
			return
		}
		i := dice.IntN(len(hand))
		s := hand[i]
		s.wrote++
		if sure := l.turn(ctx, s); !sure || s.wrote >= mostWrites {
			hand = slices.Delete(hand, i, i+1)
		}
	}
}

// turn grants what is not held and removes what is. It says whether every write was answered at once: later ones would not tell
// for sure what is held.
func (l *Load) turn(ctx context.Context, s *subject) (sure bool) {
	w := &Write{Case: s.Case, Grants: !s.held, Begun: time.Now()}
	sure = l.send(ctx, s, w)
	if w.Grants && w.Ended.IsZero() {
		// Whether it was made is not known, and it may yet be: what follows is a removal, whatever becomes of it.
		l.send(ctx, s, &Write{Case: s.Case, Begun: time.Now()})
		return false
	}
	s.held = w.Grants
	return sure
}

// send makes a write at the first node that takes it. A grant is tried once; a removal, which may be repeated, until it is
// answered.
func (l *Load) send(ctx context.Context, s *subject, w *Write) (sure bool) {
	defer func() {
		l.Wrote(w)
		l.touch(s)
	}()
	sure = true
	for i := 0; ; i++ {
		n := l.cluster.Nodes[i%len(l.cluster.Nodes)]
		w.Node = n.Name
		token, err := l.sendTo(ctx, n, w)
		if err == nil {
			w.Ended = time.Now()
			l.acked.Add(1)
			s.learnWrite(w, token)
			return sure
		}
		if refused := new(errAnswer); errors.As(err, &refused) && refused.status < http.StatusInternalServerError {
			l.fault(err)
			return false
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			sure, w.Repeated = false, true
			if w.Grants {
				return false
			}
		}
		if !pause(ctx, again) {
			return false
		}
	}
}

// sendTo lets what was begun come to an end, whatever the load does meanwhile.
func (l *Load) sendTo(ctx context.Context, n *Node, w *Write) (string, error) {
	c, err := n.caller()
	if err != nil {
		return "", err
	}
	return c.write(context.WithoutCancel(ctx), l.cluster.token, w)
}

func (l *Load) touch(s *subject) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = slices.DeleteFunc(l.recent, func(r *subject) bool { return r == s })
	l.recent = append(l.recent, s)
	l.recent = l.recent[max(0, len(l.recent)-recently):]
}

func (l *Load) ask(ctx context.Context, dice *rand.Rand, n *Node) {
	for pause(ctx, askEvery) {
		s := l.pick(dice)
		if s == nil {
			continue
		}
		what := l.askOne(ctx, dice, n, s)
		l.count(n, what)
		if what == "error" && !pause(ctx, again) {
			return
		}
	}
}

// pick prefers what was written last. In one case of four it is a grant about to end, or one that has just ended.
func (l *Load) pick(dice *rand.Rand) *subject {
	if dice.IntN(4) == 0 {
		now := time.Now()
		i, _ := slices.BinarySearchFunc(l.cluster.Ending, now, func(w *Write, t time.Time) int { return w.Until.Compare(t) })
		i = min(max(i+dice.IntN(3)-1, 0), len(l.cluster.Ending)-1)
		return &subject{Case: l.cluster.Ending[i].Case}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) == 0 {
		return nil
	}
	return l.recent[max(dice.IntN(len(l.recent)), dice.IntN(len(l.recent)))]
}

func (l *Load) askOne(ctx context.Context, dice *rand.Rand, n *Node, s *subject) string {
	c, err := n.caller()
	if err != nil {
		return "error"
	}
	check := &Check{Case: s.Case, Node: n.Name}
	token := ""
	if !l.NoTokens {
		token = s.know(dice, check)
	}
	check.Begun = time.Now()
	ask := c.evaluate
	if dice.IntN(3) == 0 {
		ask = c.check
	}
	o, err := ask(context.WithoutCancel(ctx), l.cluster.token, token, s.Case)
	check.Ended = time.Now()
	check.Held, check.Reason = o.held, o.reason
	switch {
	case err != nil:
		if refused := new(errAnswer); errors.As(err, &refused) && refused.status < http.StatusInternalServerError {
			l.fault(err)
		}
		return "error"
	case o.unknown:
		return o.reason
	}
	l.Checked(check)
	s.learnCheck(check, o.consistency)
	if o.held {
		return "yes"
	}
	return "no"
}

func (s *subject) learnWrite(w *Write, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token != "" {
		s.afterWrite, s.writeToken = w, token
	}
}

func (s *subject) learnCheck(c *Check, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token != "" {
		s.afterCheck, s.checkToken = c, token
	}
}

// know chooses what a check knows already: in one case of six nothing, else the newest write, or what another check has seen.
func (s *subject) know(dice *rand.Rand, c *Check) (token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch throw := dice.IntN(6); {
	case throw == 0:
		return ""
	case throw == 1 && s.afterCheck != nil:
		c.AfterCheck = s.afterCheck
		return s.checkToken
	}
	c.AfterWrite = s.afterWrite
	return s.writeToken
}
