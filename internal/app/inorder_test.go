package app_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// twin is a house over the model store whose ids are counted, so that two that do the same have the same.
func twin(t *testing.T) *house {
	h := newHouse(t, &storetest.Model{})
	n := 0
	h.NewID = func() string { n++; return id(7, n) }
	h.settle(1)
	h.grow(1)
	return h
}

// kept is all that a house keeps of tenant 1.
func (h *house) kept() map[string]any {
	h.Helper()
	return map[string]any{"requests": h.requests(1), "schedules": h.schedules(1), "effects": h.effects(1), "events": h.events(1)}
}

func differs(a, b *house) string {
	return cmp.Diff(a.kept(), b.kept(), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b schedule.Duration) bool { return a.Equal(b) }))
}

// some draws a row of asks about one case, most of them such as can be taken: what older dialects ask for at once, and whatever else.
func some(rt *rapid.T, h *house, k pim.Key, whom int) []pim.Ask {
	has := map[pim.Kind]bool{}
	for _, s := range h.schedules(1) {
		has[s.Kind] = has[s.Kind] || s.Key == k && s.Live(h.Time())
	}
	var asks []pim.Ask
	for range rapid.IntRange(1, 3).Draw(rt, "asks") {
		a := pim.Ask{By: h.as(1, 1), Key: k, Justification: "ticket 4711", Action: pim.AdminAssign,
			Kind:     rapid.SampledFrom([]pim.Kind{pim.Eligibility, pim.Assignment}).Draw(rt, "kind"),
			Schedule: lasting(time.Duration(rapid.IntRange(1, 8).Draw(rt, "hours")) * time.Hour)}
		later := rapid.IntRange(0, 3).Draw(rt, "later") == 0
		if later {
			a.Schedule.Start = h.Time().Add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "start")) * time.Minute)
		}
		switch {
		case rapid.IntRange(0, 9).Draw(rt, "anything") == 0:
			a.Action = rapid.SampledFrom([]pim.Action{pim.AdminAssign, pim.AdminUpdate, pim.AdminRemove, pim.AdminExtend, pim.AdminRenew,
				pim.SelfActivate, pim.SelfDeactivate, pim.SelfExtend, pim.SelfRenew}).Draw(rt, "action")
		case whom == 1 && has[pim.Eligibility] && !has[pim.Assignment]:
			a.Action, a.Kind = pim.SelfActivate, pim.Assignment
		case has[a.Kind]:
			a.Action = rapid.SampledFrom([]pim.Action{pim.AdminUpdate, pim.AdminRemove}).Draw(rt, "of what is there")
		}
		has[a.Kind] = a.Action != pim.AdminRemove
		asks = append(asks, a)
	}
	return asks
}

// TestInOrderIsOneAfterTheOther: asks in order leave exactly what the same asks leave that are asked one after the other at that
// instant, and one that would be refused refuses all, of which nothing is left but its audit.
func TestInOrderIsOneAfterTheOther(t *testing.T) {
	taken, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		at, by := twin(t), twin(t)
		for _, h := range []*house{at, by} {
			h.openRules()
		}
		whom := rapid.SampledFrom([]int{1, 1, 2, 4}).Draw(rt, "whom")
		k := rapid.SampledFrom([]pim.Key{
			key(1, whom, vault), key(1, whom, billing), key(1, whom, pim.GlobalAdministrator), groupKey(1, whom, 13, pim.Member), groupKey(1, whom, 13, pim.Owner),
			resourceKey(1, whom, contributor, rg), resourceKey(1, whom, owner, one),
		}).Draw(rt, "case")
		for range rapid.IntRange(1, 5).Draw(rt, "times") {
			asks := some(rt, at, k, whom)
			before := len(at.events(1))
			_, err := at.InOrder(t.Context(), asks)
			var oneErr error
			for _, a := range asks {
				a.By = by.Caller(tenantID(1), a.By) // whose rights may come of what was asked before; in order those at the beginning count
				if _, oneErr = by.Do(t.Context(), a); oneErr != nil {
					break
				}
			}
			if codeOf(t, err) != codeOf(t, oneErr) {
				rt.Fatalf("%+v: in order %v, one by one %v", asks, err, oneErr)
			}
			if err != nil {
				refused++
				events := at.events(1)
				if len(events) != before+1 {
					rt.Fatalf("refused in order: %d events, want one", len(events)-before)
				}
				return
			}
			taken++
			if d := differs(by, at); d != "" {
				rt.Fatalf("%+v: -one by one +in order\n%s", asks, d)
			}
			pass := time.Duration(rapid.IntRange(6, 600).Draw(rt, "minutes")) * time.Minute
			for _, h := range []*house{at, by} {
				h.pass(pass)
				h.tick()
			}
			if d := differs(by, at); d != "" {
				rt.Fatalf("%+v, and %s later: -one by one +in order\n%s", asks, pass, d)
			}
		}
	})
	if taken < 30 || refused < 5 {
		t.Errorf("%d rows of asks were taken and %d refused: too few to tell", taken, refused)
	}
}

// openRules lets memberships of group 13 be given as freely as directory roles.
func (h *house) openRules() {
	h.Helper()
	for _, k := range []pim.Key{groupKey(1, 1, 13, pim.Member), groupKey(1, 1, 13, pim.Owner)} {
		if _, err := h.EditPolicy(context.Background(), h.as(1, 1), k.Policy(), func(r *policy.Rules) error {
			r.AdminEligibility.Expiration.Required, r.AdminAssignment.Expiration.Required = false, false
			return nil
		}); err != nil {
			h.Fatal(err)
		}
	}
}

// TestStateChangesInOneCommit is what AdminUpdate with the other state means in the older dialects: the new row first, then the
// removal of the old, in one commit, both ways.
func TestStateChangesInOneCommit(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		counted := &commitCounter{Store: s}
		h := newHouse(t, counted)
		h.settle(1)
		h.grow(1)
		for name, k := range map[string]pim.Key{
			"directory": key(1, 2, vault), "group": groupKey(1, 2, 13, pim.Owner), "resource": resourceKey(1, 2, contributor, rg),
		} {
			change := func(to, from pim.Kind) []pim.Outcome {
				t.Helper()
				h.pass(time.Hour)
				before := counted.commits
				outs, err := h.InOrder(t.Context(), []pim.Ask{
					{By: h.as(1, 1), Action: pim.AdminAssign, Kind: to, Key: k, Schedule: lasting(48 * time.Hour), Justification: "moved"},
					{By: h.as(1, 1), Action: pim.AdminRemove, Kind: from, Key: k, Justification: "moved"},
				})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if counted.commits != before+1 {
					t.Errorf("%s: %d commits, want one", name, counted.commits-before)
				}
				return outs
			}
			h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: k, Schedule: lasting(24 * time.Hour), Justification: "hired"})
			outs := change(pim.Eligibility, pim.Assignment)
			if outs[0].Request.Status != pim.Provisioned || outs[1].Request.Status != pim.Revoked || h.holdsAt(k) {
				t.Errorf("%s: to eligible: got %d and %d, held: %v", name, outs[0].Request.Status, outs[1].Request.Status, h.holdsAt(k))
			}
			change(pim.Assignment, pim.Eligibility)
			if !h.holdsAt(k) {
				t.Errorf("%s: back to active: not held", name)
			}
			var live []pim.Kind
			for _, s := range h.schedules(1) {
				if s.Key == k && s.Live(h.Time()) {
					live = append(live, s.Kind)
				}
			}
			if len(live) != 1 || live[0] != pim.Assignment {
				t.Errorf("%s: live are %v, want one assignment", name, live)
			}
		}
	})
}

// commitCounter counts commits.
type commitCounter struct {
	store.Store
	commits int
}

func (c *commitCounter) Commit(ctx context.Context, commit store.Commit) error {
	c.commits++
	return c.Store.Commit(ctx, commit)
}

// TestInOrderAllOrNothing: where the second is refused, the store fails, or all of it is only to be validated, nothing of the first
// is there.
func TestInOrderAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		f := &faulty{Store: s}
		h := newHouse(t, f)
		h.settle(1)
		k := key(1, 2, vault)
		give := pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: k, Schedule: lasting(48 * time.Hour), Justification: "on call"}
		take := pim.Ask{By: h.as(1, 1), Action: pim.AdminRemove, Kind: pim.Assignment, Key: k, Justification: "moved"}
		active := give
		active.Kind = pim.Assignment
		nothing := func(what string, events int) {
			t.Helper()
			if got := fmt.Sprint(len(h.requests(1)), len(h.events(1))); got != fmt.Sprint(0, events) {
				t.Errorf("%s: got %s requests and events, want 0 and %d", what, got, events)
			}
			for _, s := range h.schedules(1) {
				if s.Key == k {
					t.Errorf("%s: the schedule %v is there", what, s)
				}
			}
			if h.holdsAt(k) {
				t.Errorf("%s: the role is held", what)
			}
		}
		_, err := h.InOrder(t.Context(), []pim.Ask{give, take})
		if code := codeOf(t, err); code != pim.NotThere {
			t.Errorf("remove what is not there: got %q", code)
		}
		nothing("the second is refused", 1)
		f.fail = true
		if _, err := h.InOrder(t.Context(), []pim.Ask{give, active}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("with a failing store: got %v, want unavailable", err)
		}
		f.fail = false
		nothing("the store fails", 1)
		check := []pim.Ask{give, active}
		for i := range check {
			check[i].ValidationOnly = true
		}
		outs, err := h.InOrder(t.Context(), check)
		if err != nil || len(outs) != 2 || outs[1].Request == nil || !outs[1].ValidationOnly {
			t.Errorf("validated: got %v, %v", outs, err)
		}
		nothing("validated", 1)
		again := give
		again.ValidationOnly = true
		if _, err := h.InOrder(t.Context(), []pim.Ask{again, again}); codeOf(t, err) != pim.AlreadyThere {
			t.Errorf("validated twice: got %v, want %q", err, pim.AlreadyThere)
		}
		nothing("validated twice", 1)
		give.Request = pim.RequestID(id(1, 800))
		if _, err := h.InOrder(t.Context(), []pim.Ask{give, active}); err != nil {
			t.Fatal(err)
		}
		give.Key, active.Key = key(1, 3, vault), key(1, 3, vault)
		if _, err := h.InOrder(t.Context(), []pim.Ask{give, active}); codeOf(t, err) != pim.RequestExists {
			t.Errorf("with an id that is taken: got %v, want %q", err, pim.RequestExists)
		}
	})
}

// TestInOrderWhatIsAskedWrongly: what no dialect may ask is a fault, and does nothing.
func TestInOrderWhatIsAskedWrongly(t *testing.T) {
	h := twin(t)
	ask := func(n int, a pim.Action, id pim.RequestID) pim.Ask {
		return pim.Ask{By: h.as(1, 1), Action: a, Kind: pim.Eligibility, Key: key(1, n, vault), Schedule: lasting(48 * time.Hour), Justification: "on call", Request: id}
	}
	for name, asks := range map[string][]pim.Ask{
		"two cases":       {ask(2, pim.AdminAssign, ""), ask(3, pim.AdminAssign, "")},
		"a later id":      {ask(2, pim.AdminAssign, ""), ask(2, pim.AdminUpdate, "x")},
		"outside of PIM":  {ask(2, pim.AssignOutside, "")},
		"of the clock":    {ask(2, pim.ScheduleDue, "")},
		"no known action": {ask(2, 0, "")},
	} {
		_, err := h.InOrder(t.Context(), asks)
		if _, refusal := errors.AsType[*pim.Refusal](err); err == nil || refusal {
			t.Errorf("%s: got %v, want a fault", name, err)
		}
	}
	if outs, err := h.InOrder(t.Context(), nil); err != nil || outs != nil {
		t.Errorf("nothing: got %v, %v", outs, err)
	}
	if n := len(h.requests(1)); n != 0 {
		t.Errorf("there are %d requests", n)
	}
}

// TestInOrderCarriesWhatRestsOnAGroup: an activation that a member made from a group's eligibility follows two changes of that in one
// commit, and falls once when it is taken and given anew.
func TestInOrderCarriesWhatRestsOnAGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.eligible(1, 11, vault)
		activation := pim.ScheduleID(h.must(h.activation(1, 2, vault, 8*time.Hour)).Request.ID)
		find := func() pim.Schedule {
			t.Helper()
			for _, s := range h.schedules(1) {
				if s.ID == activation {
					return s
				}
			}
			t.Fatal("the activation is gone")
			return pim.Schedule{}
		}
		of := func(a pim.Action, d time.Duration) pim.Ask {
			return pim.Ask{By: h.as(1, 1), Action: a, Kind: pim.Eligibility, Key: key(1, 11, vault), Schedule: lasting(d), Justification: "shorter"}
		}
		h.pass(10 * time.Minute)
		outs, err := h.InOrder(t.Context(), []pim.Ask{of(pim.AdminUpdate, 4*time.Hour), of(pim.AdminUpdate, 2*time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if got, end := find(), h.Time().Add(2*time.Hour); got.Eligibility != outs[1].Request.Target || !got.Window.End.Equal(end) || !h.holds(2, vault) {
			t.Errorf("after two changes: got %+v, want it on %s until %s", got, outs[1].Request.Target, end)
		}
		if _, err := h.InOrder(t.Context(), []pim.Ask{of(pim.AdminRemove, 0), of(pim.AdminAssign, 48*time.Hour)}); err != nil {
			t.Fatal(err)
		}
		ended := 0
		for _, e := range h.events(1) {
			if e.Schedule == activation && e.Activity == pim.Ended {
				ended++
			}
		}
		if got := find(); got.Ending != pim.Undermined || ended != 1 || h.holds(2, vault) {
			t.Errorf("taken and given anew: got %+v, told %d times, want it undermined and told once", got, ended)
		}
		if _, err := h.Do(t.Context(), h.activation(1, 2, vault, time.Hour)); err != nil {
			t.Errorf("from what was given anew: %v", err)
		}
	})
}

// TestP4InOrderAtOnce: of two that change somebody's state at once one does, and the other is told what is there now.
func TestP4InOrderAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		for round := range 20 {
			k := key(1, 2, vault)
			h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: k, Schedule: lasting(24 * time.Hour), Justification: "hired"})
			h.pass(10 * time.Minute)
			change := func() error {
				_, err := h.InOrder(t.Context(), []pim.Ask{
					{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: k, Schedule: lasting(48 * time.Hour), Justification: "moved"},
					{By: h.as(1, 1), Action: pim.AdminRemove, Kind: pim.Assignment, Key: k, Justification: "moved"},
				})
				return err
			}
			if taken := count(h, atOnce(change, change), pim.AlreadyThere); taken != 1 {
				t.Fatalf("round %d: %d changes were made, want one", round, taken)
			}
			h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminRemove, Kind: pim.Eligibility, Key: k, Justification: "gone"})
		}
	})
}
