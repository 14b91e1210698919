package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// faulty is a real store that fails in mid-write: it does what it is told, or nothing, and says that it is not there.
type faulty struct {
	store.Store
	// lose writes and loses the answer; fail writes nothing; leaving is called in the middle of a write.
	lose, fail bool
	leaving    func()
}

func (f *faulty) Commit(ctx context.Context, c store.Commit) error {
	if f.leaving != nil {
		f.leaving()
	}
	if f.fail {
		return store.ErrUnavailable
	}
	if err := f.Store.Commit(ctx, c); err != nil || !f.lose {
		return err
	}
	return store.ErrUnavailable
}

func (f *faulty) CommitAll(ctx context.Context, all []store.Commit) []error {
	errs := f.Store.CommitAll(ctx, all)
	for i := range errs {
		if f.lose && errs[i] == nil {
			errs[i] = store.ErrUnavailable
		}
	}
	return errs
}

// holdsAt says whether the principal of a key of tenant 1 holds its role.
func (h *house) holdsAt(k pim.Key) bool {
	return h.Index.Check(h.Time(), access.Question{Tenant: tenantID(1), Principal: k.Principal, Provider: k.Provider, Role: k.Role, Scope: k.Scope}).Held
}

// refuses asks for what must be refused with a code.
func (h *house) refuses(code pim.Code, ask pim.Ask) {
	h.Helper()
	_, err := h.Do(context.Background(), ask)
	if refusal, ok := errors.AsType[*pim.Refusal](err); !ok || refusal.Code != code {
		h.Fatalf("got %v, want %q", err, code)
	}
}

// TestP3AnEndOfWhichTheAnswerWasLost: what ends in a write of which nobody learns whether it was done is denied from that instant,
// and asking again brings store and index together: for roles of the directory, of resources, and for memberships.
func TestP3AnEndOfWhichTheAnswerWasLost(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		f := &faulty{Store: s}
		h := newHouse(t, f)
		h.settle(1)
		h.grow(1)
		give := func(k pim.Key) pim.Ask {
			return pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: k}
		}
		for name, k := range map[string]pim.Key{
			"directory": key(1, 5, billing), "resource": resourceKey(1, 5, reader, one), "group": groupKey(1, 5, 13, pim.Member),
		} {
			// A gift of which the answer was lost: not there at first, and there once the store answers again.
			f.lose = true
			if _, err := h.Do(t.Context(), give(k)); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("%s: give with the answer lost: %v, want unavailable", name, err)
			}
			if h.holdsAt(k) {
				t.Errorf("%s: held although nobody knows whether it was given", name)
			}
			f.lose = false
			h.refuses(pim.AlreadyThere, give(k))
			if !h.holdsAt(k) {
				t.Errorf("%s: given and not held once the store answers again", name)
			}
			take := give(k)
			take.Action = pim.RemoveOutside
			f.lose = true
			if _, err := h.Do(t.Context(), take); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("%s: take with the answer lost: %v, want unavailable", name, err)
			}
			if h.holdsAt(k) {
				t.Errorf("%s: held although it may have been taken", name)
			}
			f.lose = false
			h.refuses(pim.NotThere, take)
			if h.holdsAt(k) {
				t.Errorf("%s: held although it was taken", name)
			}
		}
	})
}

// TestAWriteThatFailsChangesNothing: neither store nor index, and the same ask again is done once.
func TestAWriteThatFailsChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		f := &faulty{Store: s}
		h := newHouse(t, f)
		h.settle(1)
		h.grow(1)
		k := resourceKey(1, 5, reader, one)
		give := pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: k}
		h.must(give)
		take := give
		take.Action = pim.RemoveOutside
		f.fail = true
		if _, err := h.Do(t.Context(), take); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("got %v, want unavailable", err)
		}
		f.fail = false
		h.refuses(pim.AlreadyThere, give) // it is still there
		if !h.holdsAt(k) {
			t.Error("not held although nothing was taken")
		}
		h.must(take)
		if h.holdsAt(k) {
			t.Error("held although it was taken")
		}
	})
}

// TestP3ACallerWhoLeavesInMidWrite: what was committed is known to the index although whoever asked hung up meanwhile.
func TestP3ACallerWhoLeavesInMidWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		f := &faulty{Store: s}
		h := newHouse(t, f)
		h.settle(1)
		h.grow(1)
		k := resourceKey(1, 5, reader, one)
		give := pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: k}
		h.must(give)
		ctx, leave := context.WithTimeout(t.Context(), time.Hour)
		f.leaving = leave
		take := give
		take.Action = pim.RemoveOutside
		if _, err := h.Do(ctx, take); err != nil {
			t.Errorf("got %v, want the removal to be done", err)
		}
		f.leaving = nil
		if h.holdsAt(k) {
			t.Error("held although it was taken")
		}
		if _, err := h.Do(ctx, give); !errors.Is(err, context.Canceled) {
			t.Errorf("asked by somebody who has left: got %v, want nothing done", err)
		}
	})
}
