package app_test

import (
	"context"
	"errors"
	"testing"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// dies is the store of a node that dies once its next commit is written.
type dies struct {
	store.Store
	dead bool
}

func (d *dies) Commit(ctx context.Context, c store.Commit) error {
	if d.dead {
		return store.ErrUnavailable
	}
	err := d.Store.Commit(ctx, c)
	d.dead = err == nil
	return err
}

func (d *dies) Case(ctx context.Context, n pim.Need) (pim.Case, error) {
	if d.dead {
		return pim.Case{}, store.ErrUnavailable
	}
	return d.Store.Case(ctx, n)
}

func (d *dies) Changes(ctx context.Context, p store.FeedPlace) (store.FeedPage, error) {
	if d.dead {
		return store.FeedPage{}, store.ErrUnavailable
	}
	return d.Store.Changes(ctx, p)
}

// A node takes somebody out of a group and dies before it has asked about the doors that the group opens; and one puts somebody in.
// The node that aligns doors for all finds that, and asks about nothing else.
func TestP8DoorsOfANodeThatDied(t *testing.T) {
	s := engines["postgres"](t)
	first := newHouse(t, s)
	first.settle(1)
	watched := &cases{Store: s}
	other := &house{TB: t, now: first.now}
	other.App = &app.App{Store: watched, Index: access.New(), Now: other.time, Doors: first.Doors}
	aligns := func(when string, asked int) {
		t.Helper()
		if err := errors.Join(other.CatchUp(t.Context()), other.Align(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got := watched.asked; got != asked {
			t.Errorf("%s: got %d questions about cases, want %d", when, got, asked)
		}
		watched.asked = 0
	}
	if err := other.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.must(pim.Ask{By: first.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 12, vault)})
	aligns("all", 1)
	aligns("nothing was committed", 0)
	first.must(pim.Ask{By: first.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 5, billing)})
	aligns("what opens no doors", 0)
	other.wantInside("before", "db", "p2", "p3", "p4")

	dying := func(n, group int, what pim.Action) {
		t.Helper()
		node := newHouse(t, &dies{Store: s})
		if err := node.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := node.Do(t.Context(), node.belonging(what, n, group))
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("the node that dies: got %v, want %v", err, store.ErrUnavailable)
		}
	}
	dying(3, 11, pim.RemoveOutside)
	other.wantInside("the node has died", "db", "p2", "p3", "p4")
	aligns("somebody was taken out", 3) // one in vain, of the group itself; the other until nothing is left
	other.wantInside("after a second look", "db", "p2", "p4")
	dying(5, 11, pim.AssignOutside)
	aligns("somebody was put in", 3)
	other.wantInside("after another", "db", "p2", "p4", "p5")
}

// stalls is the store of a node that is held up before it writes which doors it opens, and dies right after.
type stalls struct {
	dies
	meanwhile func()
}

func (s *stalls) Commit(ctx context.Context, c store.Commit) error {
	if len(c.Effects) == 0 || s.dead {
		return s.Store.Commit(ctx, c)
	}
	s.meanwhile()
	return s.dies.Commit(ctx, c)
}

// A node is about to open a door for a new member and is held up; another takes them out again, finds no door to shut, and has taken
// its second look when the first goes on, and dies. The door is found all the same.
func TestP8DoorsOfANodeThatWasHeldUp(t *testing.T) {
	s := engines["postgres"](t)
	h := newHouse(t, s)
	h.settle(1)
	h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 12, vault)})
	align := func() { h.fine("align", errors.Join(h.CatchUp(t.Context()), h.Align(t.Context()))) }
	align()
	late := newHouse(t, &stalls{dies: dies{Store: s}, meanwhile: func() {
		h.must(h.belonging(pim.RemoveOutside, 5, 11))
		align()
		h.wantInside("taken out again", "db", "p2", "p3", "p4")
	}})
	h.fine("load", late.Load(t.Context()))
	if _, err := late.Do(t.Context(), late.belonging(pim.AssignOutside, 5, 11)); err != nil && !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	h.wantInside("the node went on", "db", "p2", "p3", "p4", "p5")
	align()
	h.wantInside("after a second look", "db", "p2", "p3", "p4")
}

// A node that knows other bindings gives somebody a role: the node that aligns doors opens what it knows.
func TestP8DoorsOfANodeThatKnowsNone(t *testing.T) {
	s := engines["postgres"](t)
	h := newHouse(t, s)
	h.settle(1)
	align := func() { h.fine("align", errors.Join(h.CatchUp(t.Context()), h.Align(t.Context()))) }
	align()
	older := newHouse(t, s)
	older.Doors = nil
	h.fine("load", older.Load(t.Context()))
	older.must(pim.Ask{By: older.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 5, vault)})
	h.wantInside("given", "db")
	align()
	h.wantInside("aligned", "db", "p5")
}

// A node that does not know yet who was taken out of a group, or put in, leaves the doors as the node left them that does.
func TestDoorsAreNotTurnedBackByWhoKnowsLess(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		a := newHouse(t, s)
		a.settle(1)
		a.must(pim.Ask{By: a.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 12, vault)})
		b := a.beside(s)
		a.must(a.belonging(pim.RemoveOutside, 3, 11))
		a.must(a.belonging(pim.AssignOutside, 5, 11))
		a.wantInside("at the one node", "db", "p2", "p4", "p5")
		n := len(a.events(1))
		if err := b.Align(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.wantInside("at the other", "db", "p2", "p4", "p5")
		for _, e := range a.events(1)[n:] {
			t.Errorf("the other node writes %+v", e)
		}
	})
}

// A node that cannot read what it has written asks about the doors that this moved once it can.
func TestP8DoorsOfACommitThatWasNotFollowed(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		silent := &deaf{Store: s}
		h := newHouse(t, silent)
		h.settle(1)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 12, vault)})
		h.fine("align", h.Align(t.Context()))
		by := h.belonging(pim.RemoveOutside, 3, 11)
		silent.is.Store(true)
		if _, err := h.Do(t.Context(), by); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("while the feed cannot be read: got %v, want %v", err, store.ErrUnavailable)
		}
		h.wantInside("taken out, and not known", "db", "p2", "p3", "p4")
		silent.is.Store(false)
		h.fine("catch up", h.CatchUp(t.Context()))
		h.fine("align again", h.Align(t.Context()))
		h.wantInside("known", "db", "p2", "p4")
	})
}

// cases counts questions about cases.
type cases struct {
	store.Store
	asked int
}

func (c *cases) Case(ctx context.Context, n pim.Need) (pim.Case, error) {
	c.asked++
	return c.Store.Case(ctx, n)
}
