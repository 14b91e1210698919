package app_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// beside is another node over the same store, with the same time.
func (h *house) beside(s store.Store) *house {
	h.Helper()
	other := newHouse(h.TB, s)
	other.Now = h.time
	if err := other.Load(context.Background()); err != nil {
		h.Fatal(err)
	}
	return other
}

// TestP3NodesSeeWhatATokenNames: what one node has committed another sees once it has awaited the token of the first, and not
// necessarily before; a token that nobody gave out is not awaited for ever.
func TestP3NodesSeeWhatATokenNames(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		a := newHouse(t, s)
		a.settle(1)
		b := a.beside(s)
		for round := range 20 {
			k := key(1, 2+round%4, vault)
			ask := pim.Ask{By: a.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: k}
			a.must(ask)
			if err := b.Await(t.Context(), a.Token()); err != nil {
				t.Fatalf("await: %v", err)
			}
			if !b.holdsAt(k) {
				t.Fatalf("round %d: given at one node, awaited and not held at the other", round)
			}
			ask.Action = pim.RemoveOutside
			a.must(ask)
			if !b.holdsAt(k) {
				t.Fatalf("round %d: the other node knows by itself what it was not told: this proves nothing", round)
			}
			if err := b.Await(t.Context(), a.Token()); err != nil {
				t.Fatalf("await: %v", err)
			}
			if b.holdsAt(k) {
				t.Fatalf("round %d: removed at one node, awaited and held at the other", round)
			}
		}
		b.Bound = 50 * time.Millisecond
		for token, want := range map[string]error{
			"": app.ErrToken, "c": app.ErrToken, "x1": app.ErrToken, "c-1": app.ErrToken, "c1 ": app.ErrToken, "czzzzzzzzzzzzzzzz": app.ErrToken,
			"czzzzzzz": app.ErrBehind, "c0": nil, b.Token(): nil,
		} {
			if err := b.Await(t.Context(), token); !errors.Is(err, want) {
				t.Errorf("await %q: got %v, want %v", token, err, want)
			}
		}
	})
}

// TestNothingSlipsInAcrossNodes: one node gives somebody roles and memberships in the moment in which another deletes them.
func TestNothingSlipsInAcrossNodes(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		a := newHouse(t, s)
		a.settle(1)
		b := a.beside(s)
		ctx, tn := t.Context(), tenantID(1)
		for round := range 30 {
			u, err := a.CreateUser(ctx, a.as(1, 1), tn, app.NewUser{DisplayName: "Leaver", Enabled: true,
				User: directory.User{PrincipalName: fmt.Sprintf("leaver%d@t1.example.com", round), MailNickname: "leaver"}})
			a.fine("create", err)
			var all sync.WaitGroup
			for _, k := range []pim.Key{
				{Tenant: tn, Provider: pim.Directory, Scope: pim.Everywhere, Role: vault, Principal: u.ID},
				{Tenant: tn, Provider: pim.Group, Scope: pim.Scope(person(1, 11)), Role: pim.Member, Principal: u.ID},
			} {
				by := b.as(1, 1)
				all.Go(func() {
					_, _ = b.Do(ctx, pim.Ask{By: by, Action: pim.AssignOutside, Kind: pim.Assignment, Key: k}) // refused where the deletion came first
				})
			}
			by := a.as(1, 1)
			all.Go(func() {
				if err := a.DeleteUser(ctx, by, tn, u.ID); err != nil {
					t.Errorf("delete: %v", err)
				}
			})
			all.Wait()
			if got := a.live(func(k pim.Key) bool { return k.Principal == u.ID }); len(got) > 0 {
				t.Fatalf("round %d: somebody deleted has %v", round, got)
			}
			for name, node := range map[string]*house{"the one": a, "the other": b} {
				a.fine("catch up", node.CatchUp(ctx))
				if held := node.Index.Held(node.Time(), tn, u.ID); len(held) > 0 {
					t.Fatalf("round %d: at %s node somebody deleted holds %v", round, name, held)
				}
			}
		}
	})
}

// deaf is a store whose feed cannot be read while it is deaf.
type deaf struct {
	store.Store
	is atomic.Bool
}

func (d *deaf) Changes(ctx context.Context, p store.FeedPlace) (store.FeedPage, error) {
	if d.is.Load() {
		return store.FeedPage{}, store.ErrUnavailable
	}
	return d.Store.Changes(ctx, p)
}

// TestP3AStaleNode: a node that cannot read the feed says within its bound that it does not know, to callers too, and goes on by itself
// once it can. A node that is the only one to write is never stale.
func TestP3AStaleNode(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &deaf{Store: open(t)}
			h := newHouse(t, s)
			h.settle(1)
			h.Bound = 300 * time.Millisecond
			h.fine("load", h.Load(t.Context()))
			h.fine("fresh", h.Fresh())
			s.is.Store(true)
			alone := name == "sqlite"
			stale := func() bool { return errors.Is(h.Fresh(), app.ErrStale) }
			if !alone && !eventually(stale) {
				t.Fatal("a node that has not read the feed for ten seconds calls itself fresh")
			}
			if _, err := h.Counts(t.Context(), tenantID(1), person(1, 1)); alone != (err == nil) {
				t.Errorf("a caller at a node that cannot know: %v", err)
			}
			s.is.Store(false)
			if !eventually(func() bool { return !stale() }) {
				t.Error("still stale although the feed can be read again")
			}
		})
	}
}

// eventually waits for ten seconds at most.
func eventually(is func() bool) bool {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return true
		}
	}
	return false
}

// TestANodeThatWasAwayForLong reads everything anew where the feed does not go back far enough.
func TestANodeThatWasAwayForLong(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		a := newHouse(t, s)
		a.settle(1)
		b := a.beside(s)
		k, gone := key(1, 2, vault), key(1, 3, vault)
		give := func(k pim.Key) pim.Ask {
			return pim.Ask{By: a.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: k}
		}
		a.must(give(gone))
		a.fine("catch up", b.CatchUp(t.Context()))
		take := give(gone)
		take.Action = pim.RemoveOutside
		a.must(take)
		a.must(give(k))
		if _, err := s.PurgeChanges(t.Context(), time.Now().Add(time.Hour), 1000); err != nil {
			t.Fatal(err)
		}
		a.fine("catch up", b.CatchUp(t.Context()))
		if !b.holdsAt(k) || b.holdsAt(gone) {
			t.Errorf("after a long absence: what was given is held: %v, what was taken is held: %v", b.holdsAt(k), b.holdsAt(gone))
		}
		q := access.Question{Tenant: tenantID(1), Principal: k.Principal, Provider: k.Provider, Role: k.Role, Scope: k.Scope}
		if got, want := b.Index.Check(b.Time(), q), a.Index.Check(a.Time(), q); got.Schedule() != want.Schedule() {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// TestNothingSlipsInWhileANodeReadsEverythingAnew: a node that decides to give somebody something, misses in the feed that another node
// deletes them, and commits then, takes it back.
func TestNothingSlipsInWhileANodeReadsEverythingAnew(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		a := newHouse(t, s)
		a.settle(1)
		between := &faulty{Store: s}
		b := a.beside(between)
		ctx, tn := t.Context(), tenantID(1)
		u, err := a.CreateUser(ctx, a.as(1, 1), tn, app.NewUser{DisplayName: "Leaver", Enabled: true,
			User: directory.User{PrincipalName: "leaver@t1.example.com", MailNickname: "leaver"}})
		a.fine("create", err)
		by := a.as(1, 1)
		between.leaving = func() {
			between.leaving = nil
			a.fine("delete", a.DeleteUser(ctx, by, tn, u.ID))
			a.must(pim.Ask{By: by, Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 2, vault)}) // the newest change is never forgotten
			if _, err := s.PurgeChanges(ctx, time.Now().Add(time.Hour), 1000); err != nil {
				t.Error(err)
			}
		}
		k := pim.Key{Tenant: tn, Provider: pim.Directory, Scope: pim.Everywhere, Role: vault, Principal: u.ID}
		if _, err := b.Do(ctx, pim.Ask{By: b.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: k}); err != nil {
			t.Logf("refused: %v", err)
		}
		if got := a.live(func(k pim.Key) bool { return k.Principal == u.ID }); len(got) > 0 {
			t.Errorf("somebody deleted has %v", got)
		}
	})
}
