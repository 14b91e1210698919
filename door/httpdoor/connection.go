package httpdoor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The pauses between attempts to connect, each twice as long as the one before and, so that doors do not come all at once, up to
// twice that by chance.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 2 * time.Second
)

// errSilent is why a connection is given up that says nothing.
var errSilent = errors.New("the server says nothing")

// connection is one call of a stream: what it asks about, and what it said of them before it was taken.
type connection struct {
	stream *stream
	began  time.Time
	ids    []string
	first  map[string]Decision
	events *events
	quiet  *time.Timer
	cancel context.CancelCauseFunc
	ctx    context.Context
	close  func() error
	ended  chan struct{}
	err    error // once ended
}

// run keeps the stream connected until its context ends, and cuts then what rests on it.
func (x *stream) run(ctx context.Context) {
	defer x.stop()
	var current *connection
	defer func() { current.end(nil) }()
	for pause := firstPause; ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			return
		case <-x.joined:
		case <-current.over():
			x.lost()
			x.door.options.Log.WarnContext(ctx, "a stream of decisions broke off", "error", current.err)
			if time.Since(current.began) > maxPause {
				pause = firstPause
			}
			current = nil
			pause = x.sleep(ctx, pause)
		}
		next, err := x.connect(ctx)
		if err != nil && ctx.Err() == nil {
			x.failed(err)
			level := slog.LevelWarn
			if pause > firstPause { // the same again
				level = slog.LevelDebug
			}
			x.door.options.Log.Log(ctx, level, "no stream of decisions", "error", err)
			if current == nil {
				x.want()
				pause = x.sleep(ctx, pause)
			}
		}
		if err == nil {
			old := current
			current = next
			x.swap(next)
			old.end(nil)
		}
	}
}

// sleep waits between two attempts, and returns the pause before the next.
func (x *stream) sleep(ctx context.Context, pause time.Duration) time.Duration {
	wait := time.NewTimer(pause + rand.N(pause)) //nolint:gosec // a pause is no secret
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
	return min(2*pause, maxPause)
}

// over is closed at the end of a connection; nil: there is none.
func (c *connection) over() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.ended
}

// end gives a connection up, and waits until nobody reads it any more.
func (c *connection) end(cause error) {
	if c == nil {
		return
	}
	c.cancel(cause)
	<-c.ended
}

// connect opens a connection for all subjects of the stream, and waits until it has told of each.
func (x *stream) connect(ctx context.Context) (*connection, error) {
	x.door.mu.Lock()
	ids, token := slices.Sorted(maps.Keys(x.subjects)), x.token
	// A node that is behind what was shown before shall not show less. It is asked for once: where no node comes to know of it, each
	// node's own bound on what it does not know has to do.
	x.token = ""
	x.door.mu.Unlock()
	c := &connection{stream: x, began: time.Now(), ids: ids, first: map[string]Decision{}, ended: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.quiet = time.AfterFunc(x.door.options.Timeout, func() { c.cancel(errSilent) })
	if err := c.begin(token); err != nil {
		err = cmp.Or(context.Cause(c.ctx), err)
		c.quiet.Stop()
		c.cancel(nil)
		return nil, err
	}
	return c, nil
}

// begin makes the call, and reads up to where all is told.
func (c *connection) begin(token string) error {
	x := c.stream
	answer, err := x.door.call(c.ctx, http.MethodGet, "/access/v1/watch?"+x.topic.query(c.ids), token, nil)
	if err != nil {
		return err
	}
	c.events, c.close = newEvents(answer.Body), answer.Body.Close
	for len(c.first) < len(c.ids) {
		id, decision, err := c.next()
		if err != nil {
			answer.Body.Close()
			return err
		}
		if slices.Contains(c.ids, id) {
			c.first[id] = decision
		}
	}
	return nil
}

// next reads one word of the server: of a subject, or of nobody.
func (c *connection) next() (id string, decision Decision, err error) {
	e, err := c.events.next()
	if err != nil || e.name != "decision" {
		return "", Decision{}, err
	}
	return readDecision(e.data)
}

// swap goes over to a new connection, which told of everybody.
func (x *stream) swap(c *connection) {
	x.door.mu.Lock()
	x.current, x.live = c, true
	cuts := map[string][]*hold{}
	for id, s := range x.subjects {
		decision, told := c.first[id]
		if !told { // joined meanwhile
			s.told = false
			x.want()
			continue
		}
		x.token = decision.Consistency
		cuts[reasonOf(decision)] = append(cuts[reasonOf(decision)], s.set(decision)...)
	}
	c.quiet.Reset(x.door.options.Silence)
	x.confirmed()
	x.tell()
	x.door.mu.Unlock()
	for why, holds := range cuts {
		cut(holds, why)
	}
	go c.follow()
}

// follow takes in what a connection says, up to its end.
func (c *connection) follow() {
	defer close(c.ended)
	defer c.close()
	defer c.quiet.Stop()
	for {
		id, decision, err := c.next()
		if err != nil {
			c.err = cmp.Or(context.Cause(c.ctx), err)
			c.cancel(nil)
			return
		}
		c.quiet.Reset(c.stream.door.options.Silence)
		c.stream.heard(c, id, decision)
	}
}

// heard takes in what a connection says of a subject, or that it lives.
func (x *stream) heard(c *connection, id string, decision Decision) {
	x.door.mu.Lock()
	if x.current != c { // another has taken its place
		x.door.mu.Unlock()
		return
	}
	x.confirmed()
	var holds []*hold
	if s := x.subjects[id]; s != nil && s.told {
		x.token = decision.Consistency
		holds = s.set(decision)
		x.tell()
	}
	x.door.mu.Unlock()
	cut(holds, reasonOf(decision))
}

func reasonOf(d Decision) string { return cmp.Or(d.Reason, "the server says no") }

// query is a question about several subjects as the stream takes it.
func (q Question) query(ids []string) string {
	v := url.Values{"subject": ids, "action": {q.Action}, "resourceType": {q.ResourceType}, "resource": {q.Resource}}
	if q.Subject.Type != "" {
		v.Set("subjectType", q.Subject.Type)
	}
	if q.DataAction {
		v.Set("dataAction", "true")
	}
	return v.Encode()
}

// readDecision reads the data of an event: of whom, and what.
func readDecision(data []byte) (id string, decision Decision, err error) {
	var in struct {
		Subject  string `json:"subject"`
		Decision bool   `json:"decision"`
		explanation
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return "", Decision{}, fmt.Errorf("the event is no decision: %w", err)
	}
	return in.Subject, in.decision(in.Decision), nil
}
