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

// cases counts questions about cases.
type cases struct {
	store.Store
	asked int
}

func (c *cases) Case(ctx context.Context, n pim.Need) (pim.Case, error) {
	c.asked++
	return c.Store.Case(ctx, n)
}
