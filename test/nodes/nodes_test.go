//go:build unix

package nodes_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"portcullis/test/cable"
	"portcullis/test/nodes"
)

func TestMain(m *testing.M) { nodes.Main(m) }

const (
	// bound is the age of what a node answers by, at most: shorter than the product's, so that this takes less time.
	bound = 2 * time.Second
	// soon is within what something happens, on any machine.
	soon = 2 * time.Minute
	// runsVariable is how often the story with every fault is told; `make soak` sets it.
	runsVariable = "PORTCULLIS_TEST_RUNS"
	runs         = 2
)

// rules are what holds always. Ends are known as exactly as the nodes know the database's time.
var rules = nodes.Rules{Bound: bound, Clock: 100 * time.Millisecond}

// story is a cluster under load.
type story struct {
	*testing.T
	*nodes.Cluster
	*nodes.Load
}

func begin(t *testing.T, o nodes.Options, l *nodes.Load) *story {
	t.Helper()
	s := &story{t, nodes.New(t, o), l}
	s.Start(t.Context(), s.Cluster)
	return s
}

// eventually polls until something is so.
func (s *story) eventually(what string, is func() bool) {
	s.Helper()
	deadline := time.Now().Add(soon)
	for tick := time.NewTicker(20 * time.Millisecond); !is(); <-tick.C {
		if time.Now().After(deadline) {
			s.Fatalf("not within %v: %s; so far: %s", soon, what, s.Counts())
		}
	}
}

// works waits until writes are answered and every node has said yes and no to what it was asked.
func (s *story) works(writes int64) {
	s.Helper()
	const enough = 20
	written, before := s.Acknowledged(), map[string]int{}
	for _, n := range s.Nodes {
		for _, what := range []string{"yes", "no"} {
			before[n.Name+what] = s.Count(n.Name, what)
		}
	}
	s.eventually(fmt.Sprintf("%d writes, and answers of every node", writes), func() bool {
		return s.Acknowledged() >= written+writes && !slices.ContainsFunc(s.Nodes, func(n *nodes.Node) bool {
			return s.Count(n.Name, "yes") < before[n.Name+"yes"]+enough || s.Count(n.Name, "no") < before[n.Name+"no"]+enough
		})
	})
}

func (s *story) does(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// knowsNot waits until a node says that it cannot know, to those who ask and to whoever asks whether it is ready.
func (s *story) knowsNot(n *nodes.Node) {
	s.Helper()
	before := s.Count(n.Name, "stale") + s.Count(n.Name, "unavailable")
	s.eventually("node "+n.Name+" answers that it cannot know", func() bool {
		return s.Count(n.Name, "stale")+s.Count(n.Name, "unavailable") > before+5
	})
	s.eventually("node "+n.Name+" is not ready", func() bool { return !n.Ready(s.Context()) })
}

// judge ends the load and decides about every check.
func (s *story) judge(r nodes.Rules) nodes.Verdict {
	s.Helper()
	s.does(s.Stop())
	v := s.Judge(r)
	s.Logf("%d writes, %d yeses, %d noes; %d stale yeses, %d missed; %s", v.Writes, v.Yeses, v.Noes, len(v.Stale), len(v.Missed), s.Counts())
	return v
}

// clean wants no wrong answer.
func (s *story) clean(v nodes.Verdict) {
	s.Helper()
	for what, list := range map[string][]nodes.Wrong{"a stale yes": v.Stale, "a no although it was held": v.Missed} {
		shown := map[string]bool{}
		for _, w := range list {
			if !shown[w.Node] { // one for each node tells enough
				shown[w.Node] = true
				s.Errorf("%s: %v\nhistory:%s", what, w, s.Of(w.Case, w.Begun, 150*time.Millisecond))
			}
		}
	}
}

// With tokens off, a node that hears late says yes to what was taken away: the checker finds it, or it would find nothing
// elsewhere. The same with tokens is right.
func TestWithoutTokensAYesCanBeStale(t *testing.T) {
	for _, tokens := range []bool{false, true} {
		t.Run(fmt.Sprintf("tokens %v", tokens), func(t *testing.T) {
			s := begin(t, nodes.Options{Clocks: []time.Duration{0, 0}, Bound: bound}, &nodes.Load{NoTokens: !tokens})
			s.Links[1].Primary.Delay(cable.Down, 60*time.Millisecond)
			s.works(400)
			v := s.judge(rules)
			s.clean(v)
			always := s.Judge(nodes.Rules{Bound: bound, Clock: rules.Clock, Always: true})
			t.Logf("as if every question had carried the newest token: %d stale yeses, %d missed", len(always.Stale), len(always.Missed))
			if !tokens && len(always.Stale) == 0 {
				t.Error("no stale yes was found where there must be some: the checker finds nothing")
			}
		})
	}
}

// Whatever befalls nodes, their network and their database: no yes to what was taken away before the token that the question
// carries, nor, without one, longer ago than the bound; and nothing ends late.
func TestNoStaleYes(t *testing.T) {
	n := runs
	if text := os.Getenv(runsVariable); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for run := range n {
		t.Run(strconv.Itoa(run), func(t *testing.T) { everyFault(t, uint64(run)) })
	}
}

// everyFault tells the story once. The seed chooses the order of the faults, and on which side of the others one clock is.
func everyFault(t *testing.T, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 1))
	off := 10 * time.Minute
	if seed%2 == 1 {
		off = -off
	}
	s := begin(t, nodes.Options{Clocks: []time.Duration{0, 0, off}, Bound: bound, Standby: true}, &nodes.Load{Seed: seed})
	s.works(50)
	faults := []struct {
		name string
		does func(*story)
	}{
		{"the node that writes is killed", func(s *story) { s.killed(s.Nodes[0]) }},
		{"another is killed", func(s *story) { s.killed(s.Nodes[1+dice.IntN(2)]) }},
		{"one stands still", func(s *story) { s.standsStill(s.Nodes[dice.IntN(3)]) }},
		{"one is cut from the database", func(s *story) { s.cutOff(dice.IntN(3), (*cable.Cable).Cut) }},
		{"one hears nothing from the database", func(s *story) {
			s.cutOff(dice.IntN(3), func(c *cable.Cable) { c.Stall(cable.Down) })
		}},
		{"the database fails over", (*story).failsOver},
	}
	dice.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for _, f := range faults {
		began, before := time.Now(), s.Acknowledged()
		f.does(s)
		s.works(50)
		t.Logf("%s %s: %v, %d writes", began.UTC().Format(time.TimeOnly), f.name, time.Since(began).Round(time.Millisecond), s.Acknowledged()-before)
	}
	s.clean(s.judge(rules))
}

func (s *story) killed(n *nodes.Node) {
	s.does(n.Kill())
	s.goOn(30)
	s.does(n.Start())
}

// goOn waits until so many further writes were answered.
func (s *story) goOn(writes int64) {
	s.Helper()
	want := s.Acknowledged() + writes
	s.eventually("writes", func() bool { return s.Acknowledged() >= want })
}

func (s *story) standsStill(n *nodes.Node) {
	s.does(n.Pause())
	until := time.Now().Add(bound + time.Second)
	s.eventually("the bound is over", func() bool { return time.Now().After(until) })
	s.does(n.Resume())
}

func (s *story) cutOff(node int, how func(*cable.Cable)) {
	n, l := s.Nodes[node], s.Links[node]
	for _, c := range l.All() {
		how(c)
	}
	s.knowsNot(n)
	for _, c := range l.All() {
		c.Mend()
	}
	s.eventually("node "+n.Name+" is ready again", func() bool { return n.Ready(s.Context()) })
}

func (s *story) failsOver() {
	s.does(s.Primary.Kill())
	s.does(s.Standby.Promote(s.Context()))
}
