package app_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// What random lives do with resources.

// Conditions that grants in random lives have.
const (
	someCondition  = "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'blobs'"
	otherCondition = "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'queues'"
)

// grow gives a tenant the tree of a site, with person 1 as Owner of everything, and tells the index.
func (h *house) grow(tenant int) {
	h.Helper()
	root := pim.Schedule{ID: pim.ScheduleID(id(tenant, 915)), Kind: pim.Assignment, Type: pim.Assigned, Open: true,
		Key: resourceKey(tenant, 1, owner, pim.Everywhere), Window: schedule.Window{Start: h.Time()}, Created: h.Time()}
	h.plant(tenant, root)
	h.Index.Publish(access.Change{Schedules: []pim.Schedule{root}})
	nodes, err := h.Store.Resources(context.Background(), store.Query{Tenant: tenantID(tenant), Limit: 1000})
	if err != nil {
		h.Fatal(err)
	}
	h.Index.Publish(access.Change{Resources: []access.ResourceChange{{Tenant: tenantID(tenant), Containers: nodes.Rows}}})
}

func (l *life) place() pim.Scope {
	return rapid.SampledFrom([]pim.Scope{corp, lab, one, two, rg, rgTen, dbServer, database}).Draw(l.rt, "place")
}

func (l *life) resourceRole() pim.RoleID {
	return rapid.SampledFrom([]pim.RoleID{contributor, contributor, owner, reader}).Draw(l.rt, "role of resources")
}

// beginResources makes people and a group eligible at wide scopes, some under a condition; at one of them somebody has to approve.
func (l *life) beginResources() {
	for _, whom := range []int{2, 4, 5, 11, 12} {
		a := l.giving(l.tenant, whom, contributor, rapid.SampledFrom([]pim.Scope{corp, one, rg}).Draw(l.rt, "eligible at"))
		a.Schedule = lasting(time.Duration(rapid.IntRange(1, 10).Draw(l.rt, "eligible for hours")) * time.Hour)
		if rapid.IntRange(0, 3).Draw(l.rt, "under a condition") == 0 {
			a.Condition = someCondition
		}
		l.must(a)
	}
	l.editResourcePolicy(one, true, 4)
}

func (l *life) editResourcePolicy(at pim.Scope, approval bool, hours int) {
	_, err := l.EditPolicy(context.Background(), l.as(l.tenant, 1), resourceKey(l.tenant, 1, contributor, at).Policy(), func(r *policy.Rules) error {
		r.EndUserAssignment.Expiration.Maximum = schedule.FromTime(time.Duration(hours) * time.Hour)
		r.Approval.Required = approval
		r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{
			{Kind: policy.User, ID: string(person(l.tenant, 5))}, {Kind: policy.Group, ID: string(person(l.tenant, 12))},
		}}}
		return nil
	})
	if _, ok := errors.AsType[*pim.Refusal](err); err != nil && !ok {
		l.rt.Fatal(err)
	}
}

// activateResource lets somebody activate a role at a place that may be narrower than where they are eligible.
func (l *life) activateResource() {
	a := l.activatingAt(l.tenant, rapid.IntRange(2, 5).Draw(l.rt, "activates"), contributor, l.place(),
		time.Duration(rapid.IntRange(5, 480).Draw(l.rt, "minutes"))*time.Minute)
	if rapid.IntRange(0, 3).Draw(l.rt, "later") == 0 {
		a.Schedule.Start = l.Time().Add(time.Duration(rapid.IntRange(1, 300).Draw(l.rt, "start")) * time.Minute)
	}
	if rapid.IntRange(0, 3).Draw(l.rt, "under a condition") == 0 {
		a.Condition = someCondition
	}
	l.try(a)
}

// askOfResource makes a random request about roles of resources.
func (l *life) askOfResource() {
	whom := rapid.SampledFrom([]int{2, 3, 4, 5, 11, 12}).Draw(l.rt, "whom")
	a := pim.Ask{
		Action: rapid.SampledFrom([]pim.Action{
			pim.AdminAssign, pim.AdminUpdate, pim.AdminUpdate, pim.AdminRemove, pim.AdminExtend, pim.AdminRenew, pim.SelfDeactivate, pim.SelfExtend, pim.SelfRenew,
		}).Draw(l.rt, "action"),
		Kind:          rapid.SampledFrom([]pim.Kind{pim.Eligibility, pim.Eligibility, pim.Assignment}).Draw(l.rt, "kind"),
		Justification: "ticket 4711", Schedule: l.times(),
		Key:       resourceKey(l.tenant, whom, l.resourceRole(), l.place()),
		Condition: rapid.SampledFrom([]string{"", "", someCondition, otherCondition}).Draw(l.rt, "condition"),
	}
	by := rapid.SampledFrom([]int{1, 1, 1, 2, 5}).Draw(l.rt, "by")
	switch a.Action { //nolint:exhaustive // the others are asked by administrators
	case pim.SelfDeactivate, pim.SelfExtend, pim.SelfRenew:
		by = whom
	}
	if a.Action == pim.SelfDeactivate {
		a.Kind = pim.Assignment
	}
	a.By = l.as(l.tenant, by)
	l.try(a)
}

// putRoleAssignment writes or deletes a role assignment under one of a few names.
func (l *life) putRoleAssignment() {
	l.try(pim.Ask{
		By:     l.as(l.tenant, rapid.SampledFrom([]int{1, 1, 2}).Draw(l.rt, "by")),
		Action: rapid.SampledFrom([]pim.Action{pim.AssignOutside, pim.AssignOutside, pim.RemoveOutside}).Draw(l.rt, "action"),
		Kind:   pim.Assignment, Target: pim.ScheduleID(id(l.tenant, rapid.IntRange(700, 702).Draw(l.rt, "name"))),
		Key:       resourceKey(l.tenant, rapid.IntRange(2, 5).Draw(l.rt, "whom"), l.resourceRole(), l.place()),
		Condition: rapid.SampledFrom([]string{"", someCondition, otherCondition}).Draw(l.rt, "condition"),
	})
}

// changeResources edits a policy, or moves a part of the tree.
func (l *life) changeResources() {
	if rapid.Bool().Draw(l.rt, "policy") {
		l.editResourcePolicy(rapid.SampledFrom([]pim.Scope{corp, one, rg}).Draw(l.rt, "policy at"), rapid.Bool().Draw(l.rt, "approval"), rapid.IntRange(1, 8).Draw(l.rt, "hours"))
		return
	}
	_, err := l.MoveNode(context.Background(), l.as(l.tenant, 1), tenantID(l.tenant), rapid.SampledFrom([]pim.Scope{one, two, lab}).Draw(l.rt, "moves"),
		rapid.SampledFrom([]pim.Scope{corp, lab, pim.Everywhere}).Draw(l.rt, "onto"))
	if _, ok := errors.AsType[*pim.Refusal](err); err != nil && !ok {
		l.rt.Fatalf("a move: fault: %v", err)
	}
}

// below says that an activation is no wider than what it rests on: neither in its place nor in its condition.
func below(l *life, eligibility, activation pim.Schedule) {
	k := activation.Key
	if k.Provider != pim.Resource {
		return
	}
	wide := eligibility.Key.Scope
	if wide != k.Scope && !slices.Contains(l.Index.Above(k.Tenant, k.Scope), wide) {
		l.rt.Fatalf("activation %s holds at %s, which is not below %s, where its eligibility is", activation.ID, k.Scope, wide)
	}
	if activation.Condition != eligibility.Condition {
		l.rt.Fatalf("activation %s is under %q, its eligibility under %q", activation.ID, activation.Condition, eligibility.Condition)
	}
}

// twoNames asks twice at once for what can be there once: requests with one id by different people, and role assignments with one
// name.
func twoNames(h *house, round int) {
	h.Helper()
	ask := func(a pim.Ask) func() error {
		return func() error {
			_, err := h.Do(h.Context(), a)
			return err
		}
	}
	request := func(whom int) func() error {
		a := h.giving(1, whom, reader, two)
		a.Request, a.Schedule = pim.RequestID(id(1, 10_000+2*round)), lasting(5*time.Minute)
		return ask(a)
	}
	taken := atOnce(request(3), request(4))
	if got := count(h, taken, pim.RequestExists); got != 1 {
		h.Fatalf("round %d: %d of two requests with one id were taken: %v", round, got, taken)
	}
	put := func(whom int) func() error {
		return ask(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment,
			Key: resourceKey(1, whom, reader, lab), Target: pim.ScheduleID(id(1, 10_001+2*round))})
	}
	taken = atOnce(put(3), put(4))
	if got := count(h, taken, pim.GrantFixed); got != 1 {
		h.Fatalf("round %d: %d of two role assignments with one name were taken: %v", round, got, taken)
	}
	for _, whom := range []int{3, 4} {
		err := ask(pim.Ask{By: h.as(1, 1), Action: pim.RemoveOutside, Kind: pim.Assignment, Key: resourceKey(1, whom, reader, lab)})()
		if _, ok := errors.AsType[*pim.Refusal](err); err != nil && !ok {
			h.Fatal(err)
		}
	}
}
