package app_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/store"
)

// giving is an ask of person 1, who is Owner of everything, to make somebody eligible for a while.
func (h *house) giving(tenant, whom int, r pim.RoleID, at pim.Scope) pim.Ask {
	return pim.Ask{By: h.as(tenant, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: resourceKey(tenant, whom, r, at),
		Schedule: lasting(100 * 24 * time.Hour), Justification: "on call"}
}

// activatingAt is somebody's ask to activate a role of resources.
func (h *house) activatingAt(tenant, whom int, r pim.RoleID, at pim.Scope, d time.Duration) pim.Ask {
	a := h.activation(tenant, whom, r, d)
	a.Key = resourceKey(tenant, whom, r, at)
	return a
}

// refusing says how an ask is refused; empty: it is taken.
func (h *house) refusing(a pim.Ask) pim.Code {
	h.Helper()
	_, err := h.Do(context.Background(), a)
	return codeOf(h.TB, err)
}

// hasAt says whether person 4 of tenant 1 has a role of resources now.
func (h *house) hasAt(r pim.RoleID, at pim.Scope) bool {
	return slices.ContainsFunc(h.Index.Held(h.Time(), tenantID(1), person(1, 4)), func(held pim.HeldRole) bool {
		return held.Provider == pim.Resource && held.Role == r && (held.Scope == at || slices.Contains(h.Index.Above(tenantID(1), at), held.Scope))
	})
}

func TestAChosenIDIsTakenOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		named := func(a pim.Ask, name string) pim.Ask {
			a.Request = pim.RequestID(name)
			return a
		}
		first, second := id(1, 700), id(1, 701)
		h.must(named(h.giving(1, 2, contributor, one), first))
		for what, a := range map[string]pim.Ask{
			"the same again":                   named(h.giving(1, 2, contributor, one), first),
			"of another":                       named(h.giving(1, 4, contributor, one), first),
			"elsewhere":                        named(h.giving(1, 2, reader, two), first),
			"of another kind":                  named(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: resourceKey(1, 4, reader, two), Schedule: lasting(time.Hour), Justification: "x"}, first),
			"that of a grant since ever":       named(h.giving(1, 4, owner, lab), id(1, 301)),
			"that of a membership":             named(h.giving(1, 4, owner, lab), id(1, 910)),
			"that of an activation's own base": named(h.activatingAt(1, 2, contributor, rg, time.Hour), first),
		} {
			if got := h.refusing(a); got != pim.RequestExists {
				t.Errorf("a request with an id, %s: %q, want %q", what, got, pim.RequestExists)
			}
		}
		put := func(whom int, r pim.RoleID, at pim.Scope, name string) pim.Code {
			return h.refusing(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: resourceKey(1, whom, r, at), Target: pim.ScheduleID(name), Description: "by hand"})
		}
		for what, fact := range map[string]struct{ got, want pim.Code }{
			"new":                        {put(4, reader, two, second), ""},
			"the same again":             {put(4, reader, two, second), ""},
			"of another":                 {put(5, reader, two, second), pim.GrantFixed},
			"elsewhere":                  {put(4, reader, lab, second), pim.GrantFixed},
			"a request's":                {put(4, reader, lab, first), pim.GrantFixed},
			"of a membership":            {put(4, reader, lab, id(1, 910)), pim.GrantFixed},
			"another name, same tuple":   {put(4, reader, two, id(1, 702)), pim.AlreadyThere},
			"a grant that is there then": {h.refusing(named(h.giving(1, 4, owner, lab), second)), pim.RequestExists},
		} {
			if fact.got != fact.want {
				t.Errorf("a role assignment with a name, %s: %q, want %q", what, fact.got, fact.want)
			}
		}
		// Nothing of what was there before was touched.
		for _, x := range h.schedules(1) {
			if x.ID == pim.ScheduleID(id(1, 301)) && x.Key.Role != owner || x.ID == pim.ScheduleID(id(1, 910)) && x.Key.Provider != pim.Group {
				t.Errorf("a grant was written over: %+v", x)
			}
		}
	})
}

// A grant that is written again under the name that it had, and twice at once, is one.
func TestARoleAssignmentIsMadeAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		put := func() error {
			_, err := h.Do(context.Background(), pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment,
				Key: resourceKey(1, 4, reader, two), Target: pim.ScheduleID(id(1, 700))})
			return err
		}
		for range 3 {
			for _, err := range atOnce(put, put, put) {
				if err != nil {
					t.Fatal(err)
				}
			}
			if !h.hasAt(reader, two) {
				t.Fatal("what was given does not hold")
			}
			h.must(pim.Ask{By: h.as(1, 1), Action: pim.RemoveOutside, Kind: pim.Assignment, Key: resourceKey(1, 4, reader, two), Target: pim.ScheduleID(id(1, 700))})
			if h.hasAt(reader, two) {
				t.Fatal("what was taken holds")
			}
			h.pass(time.Minute)
		}
	})
}

func TestPoliciesOfResources(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		ctx := context.Background()
		at := func(r pim.RoleID, scope pim.Scope) pim.RoleKey {
			return pim.RoleKey{Tenant: tenantID(1), Provider: pim.Resource, Scope: scope, Role: r}
		}
		edit := func(n int, k pim.RoleKey, change func(*policy.Rules)) pim.Code {
			t.Helper()
			_, err := h.EditPolicy(ctx, h.as(1, n), k, func(r *policy.Rules) error {
				change(r)
				return nil
			})
			return codeOf(t, err)
		}
		justified := func(r *policy.Rules) { r.AdminEligibility.Enablement.Justification = true }
		pimOnly := func(r *policy.Rules) {
			r.PIMOnly = policy.PIMOnly{Mode: policy.PIMOnlyEnabled, Excluded: []policy.Excluded{{Kind: policy.ExcludedUser, ID: string(person(1, 2)), Name: "Two"}}}
		}
		for what, fact := range map[string]struct{ got, want pim.Code }{
			"the owner":              {edit(1, at(contributor, one), justified), ""},
			"a reader":               {edit(2, at(contributor, one), justified), pim.Forbidden},
			"a contributor":          {edit(4, at(contributor, rg), justified), pim.Forbidden},
			"of no role":             {edit(1, at("0000", one), justified), pim.UnknownRole},
			"nowhere":                {edit(1, at(contributor, nowhere), justified), pim.UnknownScope},
			"nowhere, by nobody":     {edit(5, at(contributor, nowhere), justified), pim.Forbidden},
			"PIM only":               {edit(1, at(contributor, two), pimOnly), ""},
			"PIM only at the root":   {edit(1, at(contributor, "/"), pimOnly), pim.InvalidPolicy},
			"an approval of nobody":  {edit(1, at(contributor, two), func(r *policy.Rules) { r.Approval.Required = true }), pim.InvalidPolicy},
			"a permanent activation": {edit(1, at(contributor, two), func(r *policy.Rules) { r.EndUserAssignment.Expiration.Required = false }), pim.InvalidPolicy},
		} {
			if fact.got != fact.want {
				t.Errorf("an edit by %s: %q, want %q", what, fact.got, fact.want)
			}
		}
		read := func(n int, keys ...pim.RoleKey) (map[pim.RoleKey]policy.Policy, pim.Code) {
			t.Helper()
			got, err := h.Policies(ctx, h.as(1, n), keys)
			return got, codeOf(t, err)
		}
		got, _ := read(1, at(contributor, one), at(contributor, rg), at(contributor, two))
		if !got[at(contributor, one)].Rules.AdminEligibility.Enablement.Justification || got[at(contributor, rg)].Version != 0 {
			t.Errorf("a policy is of its scope alone, and there before it is edited: %+v", got)
		}
		if rule := got[at(contributor, two)].Rules.PIMOnly; rule.Mode != policy.PIMOnlyEnabled || len(rule.Excluded) != 1 {
			t.Errorf("read back: %+v", rule)
		}
		for what, fact := range map[string]struct {
			n    int
			key  pim.RoleKey
			want pim.Code
		}{
			"a reader":                            {2, at(owner, rg), ""},
			"a reader, elsewhere":                 {2, at(owner, two), pim.Forbidden},
			"who is eligible there":               {3, at(owner, rg), ""},
			"who is eligible above":               {3, at(owner, database), ""},
			"who is eligible below":               {3, at(owner, corp), pim.Forbidden},
			"who is eligible by a group":          {3, at(contributor, two), ""},
			"who is eligible for another role":    {3, at(reader, two), pim.Forbidden},
			"who is eligible, where nothing is":   {5, at(reader, dbServer+"/databases/none"), pim.UnknownScope},
			"the owner, where nothing is":         {1, at(owner, nowhere), pim.UnknownScope},
			"somebody, where nothing is":          {5, at(owner, nowhere), pim.Forbidden},
			"a Global Administrator of another":   {4, at(owner, two), pim.Forbidden},
			"who holds a role by a group's group": {3, at(contributor, rg), ""},
		} {
			if _, got := read(fact.n, fact.key); got != fact.want {
				t.Errorf("%s reads the policy: %q, want %q", what, got, fact.want)
			}
		}
		// The rule binds.
		put := pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: resourceKey(1, 4, contributor, two)}
		if got := h.refusing(put); got != pim.OutsidePIM {
			t.Errorf("a grant outside PIM: %q, want %q", got, pim.OutsidePIM)
		}
		put.Key.Principal = person(1, 2)
		h.must(put)
	})
}

// Eligible at a subscription whose policy asks for approval: activated at one group of it, approved by whoever gives roles there.
func TestAnActivationBelowIsApproved(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		h.Doors = append(h.Doors, app.Binding{Door: "writer", Provider: pim.Resource, Role: contributor, Scope: database, Privilege: "writer"})
		ctx := context.Background()
		h.must(h.giving(1, 4, contributor, one))
		_, err := h.EditPolicy(ctx, h.as(1, 1), resourceKey(1, 4, contributor, one).Policy(), func(r *policy.Rules) error {
			r.Approval.Required = true
			// Person 1 has no manager who could decide.
			r.Approval.Stages[0].Approvers = []policy.Approver{{Kind: policy.User, ID: string(person(1, 3))}}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r := h.must(h.activatingAt(1, 4, contributor, rg, time.Hour)).Request
		if r.Status != pim.PendingApproval {
			t.Fatalf("the activation has status %d, want it to wait", r.Status)
		}
		for n, want := range map[int]bool{1: false, 2: false, 3: true, 4: false, 5: false} {
			got, err := h.MayDecide(ctx, h.as(1, n), *r)
			if err != nil || got != want {
				t.Errorf("person %d may decide: %v %v, want %v", n, got, err, want)
			}
			_, err = h.Request(ctx, h.as(1, n), tenantID(1), pim.Resource, pim.Assignment, r.ID)
			if sees := n <= 4; (err == nil) != sees { // the owner, the reader, the approver, the requestor
				t.Errorf("person %d sees the request: %v, want %v", n, err, sees)
			}
		}
		page, err := h.Requests(ctx, h.as(1, 3), pim.Resource, pim.Assignment, app.ForMe, store.Query{Tenant: tenantID(1)})
		if err != nil || len(page.Rows) != 1 {
			t.Errorf("the approver has %d requests to decide, want 1 (%v)", len(page.Rows), err)
		}
		h.must(pim.Ask{By: h.as(1, 3), Action: pim.Approve, Request: r.ID, Key: r.Key, Kind: r.Kind, Justification: "fine"})
		if !h.hasAt(contributor, database) {
			t.Error("the approved activation does not hold")
		}
		if e := h.effects(1); len(e) != 1 || e[0].Door != "writer" || e[0].State != pim.EffectPending {
			t.Errorf("doors: %+v, want the one of the database below to be opened", e)
		}
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminRemove, Kind: pim.Eligibility, Key: resourceKey(1, 4, contributor, one)})
		if h.hasAt(contributor, rg) && slices.ContainsFunc(h.schedules(1), func(s pim.Schedule) bool { return s.Request == r.ID && s.Live(h.Time()) }) {
			t.Error("the activation outlives its eligibility")
		}
		if e := h.effects(1); e[0].State != pim.Revoking {
			t.Errorf("the door is in state %d, want it to close", e[0].State)
		}
	})
}

// Where a stage finds nobody, those decide who may give the role at the scope: as many as can, and no others.
func TestAdministratorsOfAScopeDecide(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		ctx := context.Background()
		people, err := h.Store.ObjectsByID(ctx, tenantID(1), []pim.PrincipalID{person(1, 4)})
		if err != nil || len(people) != 1 {
			t.Fatal(people, err)
		}
		people[0].User.Manager = ""
		if err := h.Store.Commit(ctx, store.Commit{Objects: people}); err != nil {
			t.Fatal(err)
		}
		h.must(h.giving(1, 4, contributor, one))
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: resourceKey(1, 11, owner, rg)})
		_, err = h.EditPolicy(ctx, h.as(1, 1), resourceKey(1, 4, contributor, one).Policy(), func(r *policy.Rules) error {
			r.Approval.Required = true
			r.Approval.Stages[0].Approvers = []policy.Approver{{Kind: policy.RequestorManager}}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r := h.must(h.activatingAt(1, 4, contributor, rg, time.Hour)).Request
		got, err := h.Deciders(ctx, h.as(1, 1), tenantID(1), r.ID)
		var names []string
		for _, p := range got.People {
			names = append(names, p.DisplayName)
		}
		if want := []string{"Person 1", "Person 2", "Person 3"}; err != nil || !slices.Equal(names, want) {
			t.Errorf("deciders: %v %v, want the Owners at the scope and above, %v", names, err, want)
		}
		h.must(pim.Ask{By: h.as(1, 2), Action: pim.Approve, Request: r.ID, Key: r.Key, Kind: r.Kind, Justification: "fine"})
	})
}

// Mails about resources name the place, and go to those who may give the role there.
func TestNoticesOfResources(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		ctx := context.Background()
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: resourceKey(1, 5, owner, one)})
		for scope, want := range map[pim.Scope][]string{rg: {"Person 1", "Person 5"}, two: {"Person 1"}} {
			n := pim.Notice{Tenant: tenantID(1), Kind: pim.NoticeActive, Key: resourceKey(1, 4, contributor, scope), To: []pim.Audience{{Who: policy.ToAdmins}}}
			people, err := h.Addressees(ctx, n)
			var names []string
			for _, p := range people {
				names = append(names, p.DisplayName)
			}
			if err != nil || !slices.Equal(names, want) {
				t.Errorf("told of a grant at %s: %v %v, want %v", scope, names, err, want)
			}
			n, err = h.NamesOf(ctx, n)
			if err != nil || n.RoleName != "Contributor" || n.Place == "" || n.Principal != "Person 4" {
				t.Errorf("names: %+v %v", n, err)
			}
		}
	})
}

// A custom role is known by name wherever it is told of, and its scopes bind.
func TestACustomRoleOfResources(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		ctx := context.Background()
		const keeper = "c0000000-0000-4000-8000-000000000001"
		_, err := h.PutResourceRole(ctx, h.as(1, 1), tenantID(1), rbac.Role{ID: keeper, Name: "Keeper", Assignable: []string{string(one)},
			Permissions: []rbac.Permission{{Actions: []string{"Microsoft.Sql/*"}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := h.refusing(h.giving(1, 2, keeper, two)); got != pim.InvalidScope {
			t.Errorf("elsewhere: %q, want %q", got, pim.InvalidScope)
		}
		if got := h.refusing(h.giving(1, 2, "c0000000-0000-4000-8000-000000000002", one)); got != pim.UnknownRole {
			t.Errorf("another: %q, want %q", got, pim.UnknownRole)
		}
		h.must(h.giving(1, 2, keeper, one))
		h.must(h.activatingAt(1, 2, keeper, database, time.Hour))
		_, err = h.EditPolicy(ctx, h.as(1, 1), resourceKey(1, 2, keeper, rg).Policy(), func(*policy.Rules) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, e := range h.events(1) {
			if e.Key.Role != keeper {
				continue
			}
			told++
			if e.RoleName != "Keeper" {
				t.Errorf("event %d names the role %q", e.Activity, e.RoleName)
			}
		}
		if told < 5 {
			t.Errorf("only %d events tell of the role", told)
		}
	})
}

// Who takes access to everything finds it given once, whatever happens at the same time.
func TestElevatedAccessIsTakenOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		elevate := func() error { return h.ElevateAccess(context.Background(), h.as(1, 1), tenantID(1)) }
		for _, err := range atOnce(elevate, elevate, elevate) {
			if err != nil {
				t.Error(err)
			}
		}
		if got := len(h.schedules(1)); got != 6 { // five since ever
			t.Errorf("there are %d grants, want one more than before", got)
		}
		if err := h.ElevateAccess(context.Background(), h.as(1, 2), tenantID(1)); codeOf(t, err) != pim.Forbidden {
			t.Errorf("somebody else: %v", err)
		}
		if got := h.refusing(h.giving(1, 2, reader, "/")); got != "" {
			t.Errorf("with that access: %q", got)
		}
	})
}

// A foreign token proves nothing here, whatever it may do at home.
func TestRightsEndAtTheTenant(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		a := h.giving(1, 2, reader, one)
		a.By = h.as(2, 1)
		if got := h.refusing(a); got != pim.Forbidden {
			t.Errorf("the owner of another tenant: %q, want %q", got, pim.Forbidden)
		}
		_, err := h.EditPolicy(context.Background(), h.as(2, 1), a.Key.Policy(), func(*policy.Rules) error { return errors.New("shown") })
		if codeOf(t, err) != pim.Forbidden {
			t.Errorf("a policy: %v", err)
		}
		_, err = h.Policies(context.Background(), h.as(2, 1), []pim.RoleKey{a.Key.Policy()})
		if codeOf(t, err) != pim.Forbidden {
			t.Errorf("reading one: %v", err)
		}
	})
}
