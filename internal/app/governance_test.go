package app_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// reaches lists the nodes that a person reaches, by short names and pages of two, and holds their count against the pages.
func (h *house) reaches(n int, where store.Filter) []string {
	h.Helper()
	names := []string{}
	q := store.Query{Tenant: tenantID(1), Where: where, Limit: 2, Count: true}
	for count := 0; ; {
		page, err := h.Reach(context.Background(), h.as(1, n), q)
		if err != nil {
			h.Fatal(err)
		}
		if len(q.After) == 0 {
			count = page.Count
		}
		for _, r := range page.Rows {
			names = append(names, short()[r.Scope])
		}
		if q.After = page.Next; len(page.Next) == 0 {
			if count != len(names) {
				h.Errorf("person %d: counted %d of %v", n, count, names)
			}
			slices.Sort(names)
			return names
		}
	}
}

// TestWhoReachesWhichResource: a row at a place, active or eligible, opens it and what lies below; an active one also what contains it.
func TestWhoReachesWhichResource(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		everything := []string{"corp", "database", "lab", "one", "rg-1", "rg-10", "server", "two"}
		for n, want := range map[int][]string{
			1: everything, 2: everything, 3: everything, // eligible at corp by a group
			4: {"corp", "database", "one", "rg-1", "server"}, // active at rg-1 by a group; a Reader of lab tomorrow
			5: {"database", "server"},                        // eligible at the server
		} {
			if got := h.reaches(n, nil); !slices.Equal(got, want) {
				t.Errorf("person %d reaches %v, want %v", n, got, want)
			}
		}
		alias := func(s pim.Scope) store.Filter { return store.Is(store.FieldAlias, resource.GovernanceID(s)) }
		if got := h.reaches(5, alias(database)); !slices.Equal(got, []string{"database"}) {
			t.Errorf("by its id: got %v", got)
		}
		if got := h.reaches(5, alias(rg)); len(got) > 0 {
			t.Errorf("what is not reached, by its id: got %v", got)
		}
		h.pass(4 * time.Hour)
		if got, want := h.reaches(5, nil), []string{"corp", "database", "one", "rg-10", "server"}; !slices.Equal(got, want) {
			t.Errorf("person 5 reaches in the afternoon %v, want %v", got, want)
		}
		q := store.Query{Tenant: tenantID(2)}
		if _, err := h.Reach(t.Context(), h.as(1, 1), q); codeOf(t, err) != pim.Forbidden {
			t.Errorf("another tenant's: got %v, want %q", err, pim.Forbidden)
		}
	})
}

// TestWhatACallerMayAtAPlace is a page of facts.
func TestWhatACallerMayAtAPlace(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		robot := directory.Object{Tenant: tenantID(1), ID: person(1, 6), Kind: directory.KindServicePrincipal, DisplayName: "Robot", Enabled: true,
			Created: h.Time(), App: &directory.App{ClientID: id(1, 66)}}
		if err := s.Commit(t.Context(), store.Commit{Objects: []directory.Object{robot}}); err != nil {
			t.Fatal(err)
		}
		h.eligible(1, 2, vault)
		own := pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: groupKey(1, 3, 13, pim.Owner)}
		h.must(own)
		tenant, group, unknown := place(pim.Directory, pim.Everywhere), groupKey(1, 0, 13, "").Policy(), place(pim.Group, "nobody's")
		crew := groupKey(1, 0, 11, "").Policy()
		at := func(s pim.Scope) pim.RoleKey { return place(pim.Resource, s) }
		for _, fact := range []struct {
			who  int
			at   pim.RoleKey
			want app.Reaching
		}{
			{1, at(database), app.Reaching{Level: app.AdminReadWrite, Active: true}},
			{1, at("/"), app.Reaching{Level: app.AdminReadWrite, Active: true}},
			{1, at(nowhere), app.Reaching{Level: app.AdminReadWrite, Active: true}},
			{2, at(one), app.Reaching{Level: app.AdminRead, Active: true, Eligible: true}},
			{2, at(lab), app.Reaching{Level: app.UserRead, Eligible: true}},
			{2, at("/"), app.Reaching{}},
			{3, at(rg), app.Reaching{Level: app.AdminRead, Active: true, Eligible: true}},
			{4, at(one), app.Reaching{}},
			{4, at(lab), app.Reaching{}},
			{5, at(database), app.Reaching{Level: app.UserRead, Eligible: true}},
			{5, at(rg), app.Reaching{}},
			{5, at(rgTen), app.Reaching{}},
			{6, at(rg), app.Reaching{}},
			{1, tenant, app.Reaching{Level: app.AdminReadWrite, Active: true}},
			{2, tenant, app.Reaching{Level: app.UserRead, Eligible: true}},
			{3, tenant, app.Reaching{}},
			{6, tenant, app.Reaching{Level: app.AdminRead}},
			{1, group, app.Reaching{Level: app.AdminReadWrite}},
			{2, group, app.Reaching{}},
			{3, group, app.Reaching{Level: app.AdminReadWrite, Active: true}},
			{6, group, app.Reaching{Level: app.AdminRead}},
			{2, crew, app.Reaching{Level: app.UserRead, Active: true}},
			{5, unknown, app.Reaching{}},
		} {
			by := h.as(1, fact.who)
			if fact.who == 6 {
				by.Kind = pim.ServicePrincipal
			}
			got, err := h.MayReach(t.Context(), by, fact.at)
			if err != nil || got != fact.want {
				t.Errorf("person %d at %s: got %+v, %v, want %+v", fact.who, fact.at.Scope, got, err, fact.want)
			}
		}
		if _, err := h.MayReach(t.Context(), h.as(2, 1), at(one)); codeOf(t, err) != pim.Forbidden {
			t.Errorf("of another tenant: got %v, want %q", err, pim.Forbidden)
		}
		h.pass(4 * time.Hour)
		if got, err := h.MayReach(t.Context(), h.as(1, 5), at(rgTen)); err != nil || got != (app.Reaching{Level: app.AdminRead, Active: true}) {
			t.Errorf("person 5 in the afternoon: got %+v, %v", got, err)
		}
	})
}

// place is the key of a place of tenant 1.
func place(p pim.Provider, s pim.Scope) pim.RoleKey {
	return pim.RoleKey{Tenant: tenantID(1), Provider: p, Scope: s}
}

// TestWhoReachesWhichGroup: their own by any row, and all to who reads the rows of all.
func TestWhoReachesWhichGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		plain := directory.Object{Tenant: tenantID(1), ID: person(1, 14), Kind: directory.KindGroup, DisplayName: "Plain", Enabled: true, Created: h.Time(),
			Group: &directory.Group{SecurityEnabled: true}}
		if err := s.Commit(t.Context(), store.Commit{Objects: []directory.Object{plain}}); err != nil {
			t.Fatal(err)
		}
		outside := func(k pim.Key) {
			t.Helper()
			h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: k})
		}
		outside(key(1, 5, pim.UserAdministrator))
		outside(groupKey(1, 4, 14, pim.Owner))
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: groupKey(1, 12, 13, pim.Member),
			Schedule: lasting(48 * time.Hour), Justification: "on call"})
		list := func(n int, where store.Filter) (got []int) {
			t.Helper()
			q := store.Query{Tenant: tenantID(1), Where: where, Limit: 2}
			for {
				page, err := h.ReachGroups(t.Context(), h.as(1, n), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range page.Rows {
					for _, number := range []int{11, 12, 13, 14} {
						if o.ID == person(1, number) {
							got = append(got, number)
						}
					}
				}
				if q.After = page.Next; len(page.Next) == 0 {
					return got
				}
			}
		}
		for n, want := range map[int][]int{
			1: {11, 12, 13, 14},
			2: {11, 12, 13}, // eligible for 13 by 12, where they are by 11
			4: {12, 13, 14},
			5: {14}, // reads those that cannot hold roles
		} {
			if got := list(n, nil); !slices.Equal(got, want) {
				t.Errorf("person %d reaches the groups %v, want %v", n, got, want)
			}
		}
		if got := list(1, store.Is(store.FieldDisplayName, "plain")); !slices.Equal(got, []int{14}) {
			t.Errorf("by its name: got %v", got)
		}
		if _, err := h.ReachGroups(t.Context(), h.as(2, 1), store.Query{Tenant: tenantID(1)}); codeOf(t, err) != pim.Forbidden {
			t.Errorf("of another tenant: got %v, want %q", err, pim.Forbidden)
		}
	})
}

// TestRegister: once, by whoever is active there or administers it, and nothing else about the place changes.
func TestRegister(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		group := groupKey(1, 0, 13, "").Policy()
		at := func(s pim.Scope) pim.RoleKey { return place(pim.Resource, s) }
		for _, fact := range []struct {
			who  int
			at   pim.RoleKey
			want pim.Code
		}{
			{2, at(one), ""}, {1, at(lab), ""}, {1, at("/"), ""}, {5, at(dbServer), pim.Forbidden}, {2, at(lab), pim.Forbidden}, {1, at(nowhere), pim.UnknownScope},
			{5, at(nowhere), pim.Forbidden}, {1, group, ""}, {2, group, pim.Forbidden}, {1, place(pim.Group, "nobody's"), pim.UnknownScope},
			{1, place(pim.Directory, "/"), ""}, {2, place(pim.Directory, "/"), pim.Forbidden},
		} {
			if got := codeOf(t, h.Register(t.Context(), h.as(1, fact.who), fact.at)); got != fact.want {
				t.Errorf("person %d at %s: got %q, want %q", fact.who, fact.at.Scope, got, fact.want)
			}
		}
		since, told := h.Time(), len(h.events(1))
		h.pass(time.Hour)
		for _, k := range []pim.RoleKey{at(one), group} {
			if err := h.Register(t.Context(), h.as(1, 1), k); err != nil {
				t.Error(err)
			}
		}
		if got := len(h.events(1)); got != told {
			t.Errorf("registering again made %d events", got-told)
		}
		if _, _, err := h.PutNode(t.Context(), h.as(1, 1), func() resource.Node { n := nodeAt(t, string(one)); n.DisplayName = "Production"; return n }()); err != nil {
			t.Fatal(err)
		}
		_, err := h.UpdateGroup(t.Context(), h.as(1, 1), tenantID(1), person(1, 13), func(o *directory.Object) error {
			o.DisplayName, o.Group = "Crew", &directory.Group{MailNickname: "crew", SecurityEnabled: true, RoleAssignable: true}
			return nil
		}, app.MembershipChange{})
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := h.NodesByGovernanceID(t.Context(), tenantID(1), []string{resource.GovernanceID(one), resource.GovernanceID(rg)})
		if err != nil || !nodes[resource.GovernanceID(one)].Registered.Equal(since) || !nodes[resource.GovernanceID(rg)].Registered.IsZero() {
			t.Errorf("got %+v, %v, want one registered since %s", nodes, err, since)
		}
		groups, err := s.ObjectsByID(t.Context(), tenantID(1), []pim.PrincipalID{person(1, 13)})
		if err != nil || !groups[0].Group.Registered.Equal(since) || groups[0].DisplayName != "Crew" {
			t.Errorf("got %+v, %v, want it registered since %s", groups, err, since)
		}
	})
}

func TestNodesByGovernanceID(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		of := resource.GovernanceID
		ids := []string{of(one), strings.ToUpper(of(rg)), of(rg), of("/"), "nothing", of(nowhere), ""}
		found, err := h.NodesByGovernanceID(t.Context(), tenantID(1), ids)
		got := map[string]pim.Scope{}
		for id, n := range found {
			got[id] = n.Scope
		}
		want := map[string]pim.Scope{of(one): one, strings.ToUpper(of(rg)): rg, of(rg): rg, of("/"): "/"}
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
		other, err := h.NodesByGovernanceID(t.Context(), tenantID(3), ids[:3])
		if err != nil || len(other) > 0 {
			t.Errorf("of a tenant without a tree: got %v, %v", other, err)
		}
	})
}

// TestRequestsOfEitherKind: a list over both kinds, and one of it.
func TestRequestsOfEitherKind(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		h.eligible(1, 2, vault)
		active := h.must(h.activation(1, 2, vault, time.Hour)).Request
		list := func(v app.View, k pim.Kind, by pim.Caller) (kinds []pim.Kind) {
			t.Helper()
			page, err := h.Requests(t.Context(), by, pim.Directory, k, v, store.Query{Tenant: tenantID(1), Order: []store.Order{{Field: store.FieldKind}}})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Rows {
				kinds = append(kinds, r.Kind)
			}
			return kinds
		}
		both := []pim.Kind{pim.Eligibility, pim.Assignment}
		for name, got := range map[string][]pim.Kind{
			"everybody's": list(app.Everybody, 0, h.as(1, 1)), "mine": list(app.Mine, 0, h.as(1, 2)),
			"of one kind": append(list(app.Mine, pim.Eligibility, h.as(1, 2)), list(app.ByMe, 0, h.as(1, 2))...),
		} {
			if !slices.Equal(got, both) {
				t.Errorf("%s: got %v, want %v", name, got, both)
			}
		}
		for _, k := range []pim.Kind{0, pim.Assignment} {
			if r, err := h.Request(t.Context(), h.as(1, 2), tenantID(1), pim.Directory, k, active.ID); err != nil || r.ID != active.ID {
				t.Errorf("one of kind %d: got %v, %v", k, r.ID, err)
			}
		}
		if _, err := h.Request(t.Context(), h.as(1, 2), tenantID(1), pim.Directory, pim.Eligibility, active.ID); codeOf(t, err) != pim.UnknownRequest {
			t.Errorf("one of the other kind: got %v, want %q", err, pim.UnknownRequest)
		}
	})
}

// TestUses: who may read the audit log of a tenant is told who calls what is on its way out.
func TestUses(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		use := store.Use{Tenant: tenantID(1), Dialect: "v2/aadRoles", Application: id(1, 66), Route: "GET /x", Count: 3, First: h.Time(), Last: h.Time()}
		other := use
		other.Tenant = tenantID(2)
		if err := h.AddUses(t.Context(), []store.Use{use, other}); err != nil {
			t.Fatal(err)
		}
		got, err := h.Uses(t.Context(), h.as(1, 1), tenantID(1))
		if err != nil || !cmp.Equal(got, []store.Use{use}) {
			t.Errorf("got %v, %v, want %v", got, err, use)
		}
		for who, by := range map[string]pim.Caller{"a reader of nothing": h.as(1, 2), "somebody of another tenant": h.as(2, 1)} {
			if got, err := h.Uses(t.Context(), by, tenantID(1)); codeOf(t, err) != pim.Forbidden || len(got) > 0 {
				t.Errorf("%s: got %v, %v, want %q", who, got, err, pim.Forbidden)
			}
		}
	})
}
