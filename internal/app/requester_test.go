package app_test

import (
	"testing"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// TestAManagerWhoHasLeft: a stage for the requestor's manager falls to the administrators once that manager is disabled, and
// not before.
func TestAManagerWhoHasLeft(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		ctx, tn := t.Context(), tenantID(1)
		root, manager := h.as(1, 1), h.as(1, 3)
		_, err := h.UpdateUser(ctx, root, tn, person(1, 2), func(o *directory.Object) error {
			o.User.Manager = person(1, 3)
			return nil
		})
		h.fine("name a manager", err)
		_, err = h.EditPolicy(ctx, root, pim.Key{Tenant: tn, Provider: pim.Directory, Scope: pim.Everywhere, Role: vault}.Policy(), func(r *policy.Rules) error {
			r.Approval.Required = true
			r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.RequestorManager}}}}
			return nil
		})
		h.fine("edit the policy", err)
		h.eligible(1, 2, vault)
		r := h.must(h.activation(1, 2, vault, time.Hour)).Request

		may := func(by pim.Caller) bool {
			t.Helper()
			can, err := h.MayDecide(ctx, by, *r)
			h.fine("may decide", err)
			return can
		}
		if may(root) || !may(manager) {
			t.Errorf("while the manager is there: root may %t, the manager %t, want the manager alone", may(root), may(manager))
		}
		_, err = h.UpdateUser(ctx, root, tn, person(1, 3), func(o *directory.Object) error {
			o.Enabled = false
			return nil
		})
		h.fine("disable the manager", err)
		if !may(root) {
			t.Error("nobody may decide once the manager has left")
		}
		approve := pim.Ask{By: root, Action: pim.Approve, Kind: pim.Assignment, Key: r.Key, Request: r.ID, Justification: "instead of the manager"}
		if got := h.must(approve).Request.Status; got != pim.Provisioned {
			t.Errorf("approved by whoever stands in: got status %d, want provisioned", got)
		}
	})
}
