package migrate_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/migrate"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/sample"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// bare leaves an organisation its people, groups and units, and takes all that anybody may do.
func bare(o *sample.Organisation) {
	o.Grants, o.Policies, o.Tree = nil, nil, o.Tree[:1]
	o.Objects = slices.DeleteFunc(o.Objects, func(x directory.Object) bool { return x.Kind == directory.KindRole })
}

// other is an id of the organisation at another server.
func other[T ~string](id T) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(id)).String()
}

// told is what an organisation begins with, as another server would tell it, where people, groups, units and custom roles have other
// ids.
func told(o sample.Organisation, now time.Time) *migrate.Estate {
	e := &migrate.Estate{Origin: "https://pim.example.org", Tenant: string(o.Tenant.ID), Principals: map[string]migrate.Principal{},
		Roles: map[migrate.RoleRef]migrate.Role{}, Policies: map[migrate.Place]migrate.Policy{}}
	custom := map[pim.RoleID]pim.RoleID{}
	for _, x := range o.Objects {
		p := migrate.Principal{ID: other(x.ID), Name: x.DisplayName}
		switch x.Kind { //nolint:exhaustive // nobody holds anything as the others
		case directory.KindUser:
			p.Kind, p.Account = pim.UserPrincipal, x.User.PrincipalName
		case directory.KindGroup:
			p.Kind = pim.GroupPrincipal
		case directory.KindRole:
			ref := migrate.RoleRef{Provider: pim.Directory, Role: pim.RoleID(other(x.ID))}
			custom[pim.RoleID(x.ID)] = ref.Role
			body, _ := json.Marshal(map[string]any{"displayName": x.DisplayName, "isEnabled": true, "rolePermissions": []any{map[string]any{"allowedResourceActions": x.Role.Actions}}})
			e.Roles[ref] = migrate.Role{RoleRef: ref, Name: x.DisplayName, Custom: true, Definition: body}
			continue
		default:
			continue
		}
		e.Principals[p.ID] = p
	}
	for _, n := range o.Tree {
		e.Scopes = append(e.Scopes, migrate.Scope{ID: n.ID, Parent: string(n.Parent), Name: n.DisplayName})
	}
	place := func(k pim.RoleKey) migrate.Place {
		p := migrate.Place{Provider: k.Provider, Scope: k.Scope, Role: cmp.Or(custom[k.Role], k.Role)}
		if unit, ok := k.Scope.Unit(); ok {
			p.Scope = pim.AdministrativeUnit(other(unit))
		}
		if k.Provider == pim.Group {
			p.Scope = pim.Scope(other(k.Scope))
		}
		return p
	}
	known := func(p pim.Provider, r pim.RoleID) {
		ref := migrate.RoleRef{Provider: p, Role: r}
		if _, ok := e.Roles[ref]; !ok {
			e.Roles[ref] = migrate.Role{RoleRef: ref}
		}
	}
	for _, g := range o.Grants {
		k := g.Key
		out := migrate.Grant{Place: place(pim.RoleKey{Provider: k.Provider, Scope: k.Scope, Role: k.Role}), Principal: other(k.Principal), Kind: g.Kind, Start: now}
		known(k.Provider, out.Role)
		if g.Duration != "" {
			out.End = schedule.MustDuration(g.Duration).AddTo(now)
		}
		e.Grants = append(e.Grants, out)
	}
	for _, p := range o.Policies {
		at := place(p.Key)
		known(at.Provider, at.Role)
		r := policy.ForDirectoryRole()
		if p.Key.Provider == pim.Resource {
			r = policy.ForResource()
		}
		_ = p.Edit(&r) // they are constants of the sample
		for i := range r.Approval.Stages[0].Approvers {
			a := &r.Approval.Stages[0].Approvers[i]
			a.ID = other(a.ID)
		}
		e.Policies[at] = migrate.Policy{Rules: r}
	}
	return e
}

// units leads from the units as they are told to those of the organisation.
func units(o sample.Organisation) map[string]string {
	out := map[string]string{}
	for _, id := range o.Units {
		out[other(id)] = string(id)
	}
	return out
}

// held counts the schedules that a house keeps, by whose and what they are.
func (h *house) held(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	q := store.Query{Tenant: h.Tenant.ID, Limit: 1000}
	for {
		page, err := h.Store.Schedules(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Rows {
			if s.Ending == pim.NotEnded {
				out[fmt.Sprint(s.Key.Provider, s.Key.Scope, s.Key.Role, s.Key.Principal, s.Kind, s.Window.End.UTC().Format(time.RFC3339))]++
			}
		}
		if q.After = page.Next; q.After == nil {
			return out
		}
	}
}

// step is how a step of a copy went.
func step(r migrate.Report, name string) migrate.Step {
	for _, s := range r.Steps {
		if s.Name == name {
			return s
		}
	}
	return migrate.Step{Name: name}
}

// TestAnOrganisationIsCopied carries the sample organisation to a server that has the same people under other ids, twice, with a
// target that cannot answer now and then.
func TestAnOrganisationIsCopied(t *testing.T) {
	source := sample.Organise(sample.Options{Seed: 1, Created: time.Now()})
	h := newHouse(t, 1, bare)
	pat := h.as("pat") // owns the resources; gets the directory too
	h.patAdministers(t)
	e := told(source, time.Now().UTC().Truncate(time.Second))
	target := &migrate.Estate{Tenant: string(h.Tenant.ID), Scopes: []migrate.Scope{{ID: h.Tree[0].ID}}}
	ctx := t.Context()
	if err := migrate.Lookup(ctx, pat, e, target); err != nil {
		t.Fatal(err)
	}
	m := migrate.Match(e, target, migrate.Overrides{Units: units(source)})
	if len(m.Notes) > 0 {
		t.Errorf("the mapping notes %+v", m.Notes)
	}
	before := h.held(t)
	var calls, pauses atomic.Int32
	pat.before = func(*http.Request) int {
		switch n := calls.Add(1); {
		case n%7 == 0:
			return http.StatusTooManyRequests
		case n%11 == 0:
			return http.StatusInternalServerError
		}
		return 0
	}
	o := migrate.CopyOptions{Widen: true, Sleep: func(context.Context, time.Duration) error { pauses.Add(1); return nil }}
	report, err := migrate.Copy(ctx, pat, e, target, m, o)
	if err != nil || len(report.Refused)+len(report.Differs) > 0 {
		t.Fatalf("the copy ends with %v, and refused %+v, %+v", err, report.Refused, report.Differs)
	}
	if pauses.Load() == 0 {
		t.Error("the copy never waited for a target that cannot answer")
	}
	for name, want := range map[string]int{"roles": 1, "eligibilities": eligible(source), "assignments": len(source.Grants) - eligible(source)} {
		if got := step(report, name); got.Made != want {
			t.Errorf("%s: %+v, want %d made", name, got, want)
		}
	}
	after := h.held(t)
	made := 0
	for what, n := range after {
		if n -= before[what]; n > 1 {
			t.Errorf("%s is there %d times", what, n)
		} else {
			made += n
		}
	}
	if made != len(source.Grants) {
		t.Errorf("the target has %d grants more than before, want %d", made, len(source.Grants))
	}

	// Somebody else might copy the same at the same time: all of it is there then, and nothing is made twice.
	pat.before = nil
	if err := migrate.Lookup(ctx, pat, e, target); err != nil {
		t.Fatal(err)
	}
	m = migrate.Match(e, target, migrate.Overrides{Units: units(source)})
	report, err = migrate.Copy(ctx, pat, e, target, m, o)
	if err != nil || len(report.Refused)+len(report.Differs) > 0 {
		t.Fatalf("the second copy ends with %v, and refused %+v, %+v", err, report.Refused, report.Differs)
	}
	if got := h.held(t); !maps.Equal(got, after) {
		t.Errorf("the second copy changed what the target has: %+v", report.Steps)
	}
}

func eligible(o sample.Organisation) int {
	n := 0
	for _, g := range o.Grants {
		if g.Kind == pim.Eligibility {
			n++
		}
	}
	return n
}

// patAdministers makes Pat a global administrator.
func (h *house) patAdministers(t *testing.T) {
	t.Helper()
	by := h.App.Caller(h.Tenant.ID, pim.Caller{Actor: pim.Actor{Principal: h.Administrator, Kind: pim.UserPrincipal}, MFA: true})
	_, err := h.App.Do(t.Context(), pim.Ask{By: by, Action: pim.AdminAssign, Kind: pim.Assignment, Justification: "to copy",
		Schedule: schedule.Info{Expiration: schedule.Expiration{Kind: schedule.NoExpiration}},
		Key:      pim.Key{Tenant: h.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.GlobalAdministrator, Principal: h.People["pat"]}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatRulesWouldRefuse carries a grant without an end under rules that want one: told, or taken while the rules are wider; and one
// that the target has with another end: told, or changed.
func TestWhatRulesWouldRefuse(t *testing.T) {
	h := newHouse(t, 1, bare)
	pat := h.as("pat")
	h.patAdministers(t)
	ctx := t.Context()
	at := migrate.Place{Provider: pim.Resource, Scope: h.Tree[0].Scope, Role: catalog.Reader}
	ana, ben := string(h.People["ana"]), string(h.People["ben"])
	e := &migrate.Estate{Tenant: string(h.Tenant.ID), Roles: map[migrate.RoleRef]migrate.Role{{Provider: pim.Resource, Role: catalog.Reader}: {Name: "Reader"}},
		Principals: map[string]migrate.Principal{ana: {ID: ana, Kind: pim.UserPrincipal}, ben: {ID: ben, Kind: pim.UserPrincipal}},
		Grants: []migrate.Grant{
			{Place: at, Principal: ana, Kind: pim.Eligibility},
			{Place: at, Principal: ben, Kind: pim.Eligibility, End: time.Now().AddDate(0, 0, 30).UTC()},
		}}
	copied := func(o migrate.CopyOptions) (migrate.Report, []migrate.Difference) {
		t.Helper()
		read := func() (*migrate.Estate, migrate.Mapping) {
			target, m, err := migrate.ReadTarget(ctx, pat, e, migrate.Overrides{}, migrate.ReadOptions{Providers: []pim.Provider{pim.Resource}})
			if err != nil {
				t.Fatal(err)
			}
			return target, m
		}
		target, m := read()
		report, err := migrate.Copy(ctx, pat, e, target, m, o)
		if err != nil {
			t.Fatal(err)
		}
		target, m = read()
		differences := migrate.Compare(e, target, m, migrate.CompareOptions{Now: time.Now()})
		// Pat owns all resources here, and the source knows nothing of that.
		return report, slices.DeleteFunc(differences, func(d migrate.Difference) bool { return d.Principal == string(h.People["pat"]) })
	}
	if report, left := copied(migrate.CopyOptions{}); len(report.Refused) != 1 || report.Refused[0].Code != "RoleAssignmentRequestPolicyValidationFailed" || len(left) != 1 {
		t.Errorf("under its rules: refused %+v, and %v differ", report.Refused, left)
	}
	if report, left := copied(migrate.CopyOptions{Widen: true}); report.Made() != 3 || len(report.Refused)+len(left) > 0 {
		t.Errorf("with wider rules: %+v, and %v differ; want three writings, and the rules as they were", report, left)
	}
	e.Grants[1].End = e.Grants[1].End.AddDate(0, 0, -5)
	if report, left := copied(migrate.CopyOptions{}); report.Made() != 0 || len(report.Differs) != 1 || len(left) != 1 {
		t.Errorf("another end: %+v, and %v differ", report, left)
	}
	if report, left := copied(migrate.CopyOptions{Overwrite: true}); report.Made() != 1 || len(report.Differs)+len(left) > 0 {
		t.Errorf("another end, to be overwritten: %+v, and %v differ", report, left)
	}
}

// approvedBy is the rules of a provider that ask for somebody's approval.
func approvedBy(p pim.Provider, who string) migrate.Policy {
	r := map[pim.Provider]policy.Rules{pim.Directory: policy.ForDirectoryRole(), pim.Group: policy.ForGroup(), pim.Resource: policy.ForResource()}[p]
	r.Approval.Required = true
	r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.User, ID: who}}}}
	return migrate.Policy{Rules: r}
}

// TestWhatWaitsIsCarriedOver carries requests of each provider that wait for an approver or an administrator: once, and what cannot be is
// told.
func TestWhatWaitsIsCarriedOver(t *testing.T) {
	h := newHouse(t, 1, bare)
	pat := h.as("pat")
	h.patAdministers(t)
	ctx := t.Context()
	id := func(key string) string { return string(h.People[key]) }
	hour := schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("PT1H")}}
	month := schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("P30D")}}
	e := &migrate.Estate{Tenant: string(h.Tenant.ID), Principals: map[string]migrate.Principal{}, Policies: map[migrate.Place]migrate.Policy{}, Roles: map[migrate.RoleRef]migrate.Role{}}
	for _, key := range []string{"ana", "ben", "eve"} {
		e.Principals[id(key)] = migrate.Principal{ID: id(key), Kind: pim.UserPrincipal}
	}
	group := h.Groups["data-stewards"]
	e.Principals[string(group)] = migrate.Principal{ID: string(group), Kind: pim.GroupPrincipal}
	for _, at := range []migrate.Place{
		{Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.ReportsReader}, {Provider: pim.Group, Scope: pim.Scope(group), Role: pim.Member},
		{Provider: pim.Resource, Scope: h.Tree[0].Scope, Role: catalog.Reader},
	} {
		e.Policies[at] = approvedBy(at.Provider, id("eve"))
		e.Roles[migrate.RoleRef{Provider: at.Provider, Role: at.Role}] = migrate.Role{Name: "A role"}
		e.Grants = append(e.Grants,
			migrate.Grant{Place: at, Principal: id("ana"), Kind: pim.Eligibility, End: time.Now().AddDate(0, 0, 60).UTC()},
			migrate.Grant{Place: at, Principal: id("ben"), Kind: pim.Eligibility, End: time.Now().AddDate(0, 0, 5).UTC()})
		e.Requests = append(e.Requests,
			migrate.Request{Place: at, ID: "1", Principal: id("ana"), Kind: pim.Assignment, Action: pim.SelfActivate, Status: pim.PendingApproval, Asked: hour, Reason: "the close", Ticket: pim.Ticket{Number: "4711"}},
			migrate.Request{Place: at, ID: "2", Principal: id("ben"), Kind: pim.Eligibility, Action: pim.SelfExtend, Status: pim.PendingAdminDecision, Asked: month, Reason: "still here"},
			migrate.Request{Place: at, ID: "3", Principal: id("eve"), Kind: pim.Assignment, Action: pim.SelfActivate, Status: pim.PendingApproval, Asked: hour, Reason: "who is not eligible"})
	}
	copied := func() (migrate.Report, []migrate.Difference) {
		t.Helper()
		read := func() (*migrate.Estate, migrate.Mapping) {
			target, m, err := migrate.ReadTarget(ctx, pat, e, migrate.Overrides{}, migrate.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return target, m
		}
		target, m := read()
		report, err := migrate.Copy(ctx, pat, e, target, m, migrate.CopyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		target, m = read()
		return report, slices.DeleteFunc(migrate.Compare(e, target, m, migrate.CompareOptions{Now: time.Now()}), func(d migrate.Difference) bool {
			return d.Source == "no" // what the house has by itself
		})
	}
	for n, made := range []int{6, 0} {
		report, left := copied()
		if got := step(report, "requests"); got.Made != made || got.There != 6-made || got.Refused != 3 || n > 0 && report.Made() > 0 {
			t.Errorf("copy %d: %+v", n, report.Steps)
		}
		for _, r := range report.Refused {
			if r.Code != "PolicyFailed" || r.Detail == "" {
				t.Errorf("copy %d refused %+v, want what cannot be activated", n, r)
			}
		}
		if len(left) != 3 || left[0].Aspect != migrate.InRequests || left[0].Principal != id("eve") {
			t.Errorf("after copy %d differ %v", n, left)
		}
	}
	e.Requests = slices.DeleteFunc(e.Requests, func(r migrate.Request) bool { return r.ID == "3" })
	if report, left := copied(); len(report.Refused)+len(left)+report.Made() > 0 {
		t.Errorf("without what is refused: %+v, and %v differ", report, left)
	}
}

// TestSeveralStretches carries one who has a role for some hours and is to have it again: the target takes one assignment at a time, and
// what it does not take is told until it does.
func TestSeveralStretches(t *testing.T) {
	h := newHouse(t, 1, bare)
	pat := h.as("pat")
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Second)
	ana := string(h.People["ana"])
	e := &migrate.Estate{Tenant: string(h.Tenant.ID), Principals: map[string]migrate.Principal{ana: {ID: ana, Kind: pim.UserPrincipal}},
		Roles: map[migrate.RoleRef]migrate.Role{{Provider: pim.Resource, Role: catalog.Reader}: {Name: "Reader"}}}
	at := migrate.Place{Provider: pim.Resource, Scope: h.Tree[0].Scope, Role: catalog.Reader}
	for _, day := range []int{3, 0} {
		e.Grants = append(e.Grants, migrate.Grant{Place: at, Principal: ana, Kind: pim.Assignment, Start: now.AddDate(0, 0, day), End: now.AddDate(0, 0, day+1)})
	}
	for n, made := range []int{1, 0} {
		target, m, err := migrate.ReadTarget(ctx, pat, e, migrate.Overrides{}, migrate.ReadOptions{Providers: []pim.Provider{pim.Resource}})
		if err != nil {
			t.Fatal(err)
		}
		report, err := migrate.Copy(ctx, pat, e, target, m, migrate.CopyOptions{})
		if err != nil || report.Made() != made || len(report.Refused) != 1 || report.Refused[0].Code != "OneAtATime" {
			t.Errorf("copy %d ends with %v: %+v", n, err, report)
		}
	}
}

// TestCustomRolesAreHeldAgainstEachOther: what both sides define and define otherwise is found, told, and written over where that is wanted.
func TestCustomRolesAreHeldAgainstEachOther(t *testing.T) {
	h := newHouse(t, 1, bare)
	pat := h.as("pat")
	h.patAdministers(t)
	ctx := t.Context()
	resources, directories := migrate.RoleRef{Provider: pim.Resource, Role: "5c3e0000-0000-4000-8000-000000000001"}, migrate.RoleRef{Provider: pim.Directory, Role: "5c3e0000-0000-4000-8000-000000000002"}
	e := &migrate.Estate{Tenant: string(h.Tenant.ID), Roles: map[migrate.RoleRef]migrate.Role{}}
	define := func(ref migrate.RoleRef, name, format string, args ...any) {
		e.Roles[ref] = migrate.Role{RoleRef: ref, Name: name, Custom: true, Definition: fmt.Appendf(nil, format, args...)}
	}
	resource := func(actions string) {
		define(resources, "Vault keeper", `{"properties":{"roleName":"Vault keeper","description":"","assignableScopes":[%q],"permissions":[{"actions":%s,"notActions":["Microsoft.Sql/servers/delete"]}]}}`,
			h.Tree[0].ID, actions)
	}
	directory := func(actions string) {
		define(directories, "Name keeper", `{"displayName":"Name keeper","isEnabled":true,"rolePermissions":[{"allowedResourceActions":%s}]}`, actions)
	}
	resource(`["Microsoft.Sql/servers/read","Microsoft.Sql/servers/write"]`)
	directory(`["microsoft.directory/users/basic/update"]`)
	copied := func(o migrate.CopyOptions) (migrate.Report, []migrate.Difference) {
		t.Helper()
		target, m, err := migrate.ReadTarget(ctx, pat, e, migrate.Overrides{}, migrate.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		report, err := migrate.Copy(ctx, pat, e, target, m, o)
		if err != nil || len(report.Refused) > 0 {
			t.Fatalf("%v: %+v", err, report.Refused)
		}
		if target, m, err = migrate.ReadTarget(ctx, pat, e, migrate.Overrides{}, migrate.ReadOptions{}); err != nil {
			t.Fatal(err)
		}
		return report, slices.DeleteFunc(migrate.Compare(e, target, m, migrate.CompareOptions{}), func(d migrate.Difference) bool { return d.Rule == "" })
	}
	if report, left := copied(migrate.CopyOptions{}); report.Made() != 2 || len(left) > 0 {
		t.Errorf("made %d, and %v differ", report.Made(), left)
	}
	resource(`["microsoft.sql/servers/WRITE","Microsoft.Sql/servers/read"]`) // the same in other letters and another order
	if report, left := copied(migrate.CopyOptions{}); report.Made() != 0 || len(report.Differs)+len(left) > 0 {
		t.Errorf("made %d, and %v differ", report.Made(), left)
	}
	resource(`["Microsoft.Sql/servers/read"]`)
	directory(`["microsoft.directory/users/basic/update","microsoft.directory/groups/basic/update"]`)
	report, left := copied(migrate.CopyOptions{})
	if report.Made() != 0 || len(report.Differs) != 2 || len(left) != 2 || left[0].Source != "microsoft.directory/groups/basic/update besides" ||
		left[1].Target != "microsoft.sql/servers/write besides" || left[1].Source != "nothing besides" {
		t.Errorf("made %d, told %v, and %v differ", report.Made(), report.Differs, left)
	}
	if report, left := copied(migrate.CopyOptions{Overwrite: true}); report.Made() != 2 || len(report.Differs)+len(left) > 0 {
		t.Errorf("written over: %+v, and %v differ", report, left)
	}
}
