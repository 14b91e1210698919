package app_test

import (
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// TestCarriedRequests: what waits for a decision at another server is made to wait here by who administers the role, judged like the
// person's own but for what only they can prove; and it is decided by others than both.
func TestCarriedRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.eligible(1, 2, vault)
		h.eligible(1, 4, vault)
		rules := func(approval bool) {
			t.Helper()
			if _, err := h.EditPolicy(t.Context(), h.as(1, 1), key(1, 2, vault).Policy(), func(r *policy.Rules) error {
				r.EndUserAssignment.Enablement.MFA, r.Approval.Required = true, approval
				r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{
					{Kind: policy.User, ID: id(1, 1)}, {Kind: policy.User, ID: id(1, 2)}, {Kind: policy.User, ID: id(1, 3)}}}}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		carry := func(by, whom int) pim.Ask {
			a := h.activation(1, whom, vault, time.Hour)
			a.By, a.Carried = h.as(1, by), true
			a.By.MFA = false // whether whoever carries has proved one says nothing of whom it is for
			return a
		}
		refused := func(a pim.Ask, want pim.Code) {
			t.Helper()
			if _, err := h.Do(t.Context(), a); codeOf(t, err) != want {
				t.Errorf("action %d of %s by %s: got %v, want %q", a.Action, a.Key.Principal, a.By.Principal, err, want)
			}
		}
		rules(false)
		refused(carry(1, 2), pim.InvalidRequest) // it would be active at once, without anybody's decision
		rules(true)
		refused(carry(3, 2), pim.Forbidden)    // who does not administer the role
		refused(carry(2, 2), pim.Forbidden)    // nobody carries their own
		refused(carry(1, 3), pim.PolicyFailed) // not eligible
		silent := carry(1, 2)
		silent.Justification = ""
		refused(silent, pim.PolicyFailed)
		ending := carry(1, 2)
		ending.Action = pim.SelfDeactivate
		refused(ending, pim.InvalidRequest)
		given := carry(1, 2)
		given.Action = pim.AdminAssign
		refused(given, pim.InvalidRequest)

		r := h.must(carry(1, 2)).Request
		if r.Status != pim.PendingApproval || r.Key.Principal != person(1, 2) || r.By.Principal != person(1, 1) {
			t.Fatalf("got %+v, want one of person 2 that waits, made by person 1", r)
		}
		refused(carry(1, 2), pim.AlreadyPending)
		answer := func(by int) pim.Ask {
			return pim.Ask{By: h.as(1, by), Action: pim.Approve, Kind: pim.Assignment, Key: r.Key, Request: r.ID, Justification: "yes"}
		}
		refused(answer(1), pim.Forbidden)
		refused(answer(2), pim.Forbidden)
		h.must(answer(3))
		if !h.holds(2, vault) {
			t.Error("what was approved does not hold")
		}
	})
}

// TestOneRequestIsAnsweredOnce: an administrator's extension that is meant as the answer to a request is refused once that does not
// wait any more, by another answer or because it was withdrawn.
func TestOneRequestIsAnsweredOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		k := key(1, 2, vault)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: k, Schedule: lasting(10 * 24 * time.Hour), Justification: "on call"})
		asks := func() pim.RequestID {
			return h.must(pim.Ask{By: h.as(1, 2), Action: pim.SelfExtend, Kind: pim.Eligibility, Key: k, Schedule: lasting(12 * 24 * time.Hour), Justification: "still"}).Request.ID
		}
		answer := func(r pim.RequestID, days int) pim.Ask {
			return pim.Ask{By: h.as(1, 1), Action: pim.AdminExtend, Kind: pim.Eligibility, Key: k, Answers: r,
				Schedule: lasting(time.Duration(days) * 24 * time.Hour), Justification: "yes"}
		}
		refused := func(a pim.Ask) {
			t.Helper()
			if _, err := h.Do(t.Context(), a); codeOf(t, err) != pim.AlreadyDecided {
				t.Errorf("got %v, want %q", err, pim.AlreadyDecided)
			}
		}
		r := asks()
		h.must(answer(r, 12))
		refused(answer(r, 13))
		r = asks()
		h.must(pim.Ask{By: h.as(1, 2), Action: pim.Cancel, Kind: pim.Eligibility, Key: k, Request: r})
		refused(answer(r, 13))
		h.must(answer("", 13))
	})
}
