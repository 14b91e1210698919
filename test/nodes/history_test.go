package nodes_test

import (
	"fmt"
	"testing"
	"time"

	"portcullis/test/nodes"
)

var midnight = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// at is an instant of a made-up history; 0 is no instant.
func at(second int) time.Time {
	if second == 0 {
		return time.Time{}
	}
	return midnight.Add(time.Duration(second) * time.Second)
}

// told makes up a history of one case.
type told struct {
	nodes.History
	writes []*nodes.Write
	checks []*nodes.Check
}

var one = nodes.Case{Principal: "amira", Role: "billing"}

func (h *told) write(grants bool, begun, ended, until int) *told {
	w := &nodes.Write{Case: one, Node: "a", Grants: grants, Begun: at(begun), Ended: at(ended), Until: at(until)}
	h.writes = append(h.writes, w)
	h.Wrote(w)
	return h
}

func (h *told) grants(begun, ended int) *told       { return h.write(true, begun, ended, 0) }
func (h *told) removes(begun, ended int) *told      { return h.write(false, begun, ended, 0) }
func (h *told) grantsTo(u int) *told                { return h.write(true, 1, 2, u) }
func (h *told) asks(held bool, begun, e int) *told  { return h.ask(held, "b", begun, e, nil, nil) }
func (h *told) asksA(held bool, begun, e int) *told { return h.ask(held, "a", begun, e, nil, nil) }

// after asks with the token of a write, counted from 0; then with the token of a check.
func (h *told) after(write int, held bool, begun, ended int) *told {
	return h.ask(held, "b", begun, ended, h.writes[write], nil)
}

func (h *told) then(check int, held bool, begun, ended int) *told {
	return h.ask(held, "c", begun, ended, nil, h.checks[check])
}

func (h *told) ask(held bool, node string, begun, ended int, w *nodes.Write, c *nodes.Check) *told {
	check := &nodes.Check{Case: one, Node: node, Held: held, Begun: at(begun), Ended: at(ended), AfterWrite: w, AfterCheck: c}
	h.checks = append(h.checks, check)
	h.Checked(check)
	return h
}

// again says that the newest write was made more than once.
func (h *told) again() *told {
	h.writes[len(h.writes)-1].Repeated = true
	return h
}

func begins() *told { return &told{} }

func TestJudge(t *testing.T) {
	const yes, no = true, false
	within5 := nodes.Rules{Bound: 5 * time.Second}
	always := nodes.Rules{Bound: 5 * time.Second, Always: true}
	for _, f := range []struct {
		name          string
		rules         nodes.Rules
		history       *told
		stale, missed int
	}{
		{"nothing happened", within5, begins(), 0, 0},
		{"no before anything", within5, begins().asks(no, 1, 2), 0, 0},
		{"yes before anything", within5, begins().asks(yes, 1, 2), 1, 0},
		{"yes during the grant", within5, begins().grants(1, 4).asks(yes, 2, 3), 0, 0},
		{"no during the grant", within5, begins().grants(1, 4).asks(no, 2, 3), 0, 0},
		{"yes answered before the grant began", within5, begins().grants(5, 6).asks(yes, 2, 3), 1, 0},

		// Without a token a node may lag by the bound and no more.
		{"old yes within the bound", within5, begins().grants(1, 2).removes(3, 4).asks(yes, 8, 9), 0, 0},
		{"old yes at the bound", within5, begins().grants(1, 2).removes(3, 4).asks(yes, 9, 10), 0, 0},
		{"old yes behind the bound", within5, begins().grants(1, 2).removes(3, 4).asks(yes, 10, 11), 1, 0},
		{"old no within the bound", within5, begins().grants(1, 2).asks(no, 3, 4), 0, 0},
		{"old no behind the bound", within5, begins().grants(1, 2).asks(no, 8, 9), 0, 1},
		{"old yes, asked long before it was answered", within5, begins().grants(1, 2).removes(3, 4).asks(yes, 5, 60), 0, 0},
		{"the node that wrote knows at once", within5, begins().grants(1, 2).removes(3, 4).asksA(yes, 5, 6), 1, 0},
		{"the same, held to what was answered", always, begins().grants(1, 2).removes(3, 4).asks(yes, 5, 6), 1, 0},
		{"the newest is known", always, begins().grants(1, 2).removes(3, 4).grants(5, 6).asks(yes, 7, 8).asks(no, 7, 8), 0, 1},

		// With a token it knows at least what the token knew.
		{"yes with the token of the grant, removed since", within5, begins().grants(1, 2).removes(3, 4).after(0, yes, 5, 6), 0, 0},
		{"yes with the token of the removal", within5, begins().grants(1, 2).removes(3, 4).after(1, yes, 5, 6), 1, 0},
		{"no with the token of the grant", within5, begins().grants(1, 2).after(0, no, 3, 4), 0, 1},
		{"no with the token of the grant, while removed", within5, begins().grants(1, 2).removes(3, 6).after(0, no, 4, 5), 0, 0},
		{"yes with the token of the removal, while granted again", within5, begins().grants(1, 2).removes(3, 4).grants(5, 9).after(1, yes, 6, 7), 0, 0},
		{"yes with the token of a no", within5, begins().grants(1, 2).removes(3, 8).after(0, no, 4, 5).then(0, yes, 6, 7), 1, 0},
		{"yes with the token of an old no", within5, begins().grants(2, 3).asks(no, 1, 4).then(0, yes, 4, 5), 0, 0},
		{"no with the token of a yes", within5, begins().grants(1, 8).asks(yes, 2, 3).then(0, no, 3, 4), 0, 1},
		{"by a token of a token", within5, begins().grants(1, 2).removes(3, 8).after(0, no, 4, 5).then(0, no, 5, 6).then(1, yes, 6, 7), 1, 0},

		// What was never answered may come true at any time, or never.
		{"grant without an answer", within5, begins().grants(1, 0).asks(yes, 20, 21).asks(no, 22, 23), 0, 0},
		{"grant without an answer, then removed", within5, begins().grants(1, 0).removes(2, 3).after(1, yes, 20, 21), 0, 0},
		{"removal without an answer", within5, begins().grants(1, 2).removes(3, 0).asks(no, 20, 21).then(0, yes, 22, 23), 0, 0},
		{"removal without an answer, then answered", within5, begins().grants(1, 2).removes(3, 0).removes(4, 5).after(2, yes, 20, 21), 1, 0},
		{"yes with the token of a no in doubt", within5, begins().grants(1, 2).removes(3, 8).again().after(0, no, 4, 5).then(0, yes, 6, 7), 0, 0},
		{"yes with the token of a no behind the doubt", within5, begins().grants(1, 2).removes(3, 8).again().after(0, no, 9, 10).then(0, yes, 11, 12), 1, 0},

		// Ends need nobody to tell of them.
		{"yes before the end", within5, begins().grantsTo(6).asks(yes, 5, 6), 0, 0},
		{"yes from the end on", within5, begins().grantsTo(6).asks(yes, 6, 7), 1, 0},
		{"no before the end", within5, begins().grantsTo(30).asks(no, 20, 21), 0, 1},
		{"no from the end on", within5, begins().grantsTo(6).asks(no, 7, 8), 0, 0},
		{"yes at the end, by a clock off by a second", nodes.Rules{Clock: time.Second}, begins().grantsTo(6).asks(yes, 6, 7), 0, 0},
		{"yes a second after it", nodes.Rules{Clock: time.Second}, begins().grantsTo(6).asks(yes, 7, 8), 1, 0},
	} {
		v := f.history.Judge(f.rules)
		if len(v.Stale) != f.stale || len(v.Missed) != f.missed {
			t.Errorf("%s: got %d stale and %d missed, want %d and %d\n%v", f.name, len(v.Stale), len(v.Missed), f.stale, f.missed, v)
		}
	}
}

// A verdict counts what it has looked at, and cases are apart.
func TestJudgeCounts(t *testing.T) {
	h := begins().grants(1, 2).asks(true, 3, 4).asks(false, 1, 2)
	other := nodes.Case{Principal: "bo", Role: "billing"}
	h.Checked(&nodes.Check{Case: other, Node: "b", Held: true, Begun: at(3), Ended: at(4)})
	v := h.Judge(nodes.Rules{Bound: time.Second})
	if got, want := fmt.Sprint(v.Writes, v.Yeses, v.Noes, len(v.Stale), len(v.Missed)), "1 2 1 1 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
