package app_test

import (
	"slices"
	"testing"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/store"
)

// denialOf is a deny assignment of a site, by its number.
func denialOf(n int, s pim.Scope, action string, principals ...int) rbac.Denial {
	d := rbac.Denial{ID: id(1, 500+n), Scope: string(s), Name: "no " + action, Permissions: []rbac.Permission{{Actions: []string{action}}}}
	for _, p := range principals {
		d.Principals = append(d.Principals, rbac.Named{ID: string(person(1, p)), Type: "User"})
	}
	return d
}

// What a deny assignment forbids no role allows, from its commit on until it is taken away, after a start too.
func TestDenialsForbid(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		read := access.ResourceQuestion{Tenant: tenantID(1), Principal: person(1, 2), Scope: database,
			Operation: rbac.Operation{Action: "Microsoft.Sql/servers/databases/read"}}
		verdict := func(ix *access.Index) rbac.Verdict { return ix.Allowed(h.Time(), read).Verdict }
		if got := verdict(h.Index); got != rbac.Allowed {
			t.Fatalf("before: got %v, want %v", got, rbac.Allowed)
		}
		made, created, err := h.PutDenial(t.Context(), h.as(1, 1), tenantID(1), denialOf(1, rg, "Microsoft.Sql/*", 11))
		if err != nil || !created || made.CreatedBy != string(person(1, 1)) {
			t.Fatalf("got %+v, %v, %v", made, created, err)
		}
		restarted := &app.App{Store: h.Store, Index: access.New(), Now: h.Now}
		if err := restarted.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, ix := range map[string]*access.Index{"denied": h.Index, "after a start": restarted.Index} {
			if got := verdict(ix); got != rbac.Denied {
				t.Errorf("%s: got %v, want %v", name, got, rbac.Denied)
			}
		}
		made.Except = []rbac.Named{{ID: string(person(1, 2)), Type: "User"}}
		if _, created, err = h.PutDenial(t.Context(), h.as(1, 1), tenantID(1), made); err != nil || created {
			t.Fatalf("written anew: got %v, %v", created, err)
		}
		if got := verdict(h.Index); got != rbac.Allowed {
			t.Errorf("excepted: got %v, want %v", got, rbac.Allowed)
		}
		if gone, err := h.DeleteDenial(t.Context(), h.as(1, 1), tenantID(1), rg, made.ID); err != nil || gone.Name != made.Name {
			t.Errorf("taken away: got %+v, %v", gone, err)
		}
		if _, err := h.DeleteDenial(t.Context(), h.as(1, 1), tenantID(1), rg, made.ID); codeOf(t, err) != pim.UnknownGrant {
			t.Errorf("taken away again: got %v, want %q", err, pim.UnknownGrant)
		}
		told := 0
		for _, e := range h.events(1) {
			if thing, _, _ := e.Changes(); thing == "denial" {
				told++
			}
		}
		if told != 3 {
			t.Errorf("events of the deny assignment: got %d, want 3", told)
		}
	})
}

func TestPutDenial(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		everybody := denialOf(2, corp, "Microsoft.Sql/*/delete")
		everybody.Principals = []rbac.Named{{ID: rbac.Everyone, Type: "SystemDefined"}}
		nobody := denialOf(2, corp, "Microsoft.Sql/*")
		locksOut := denialOf(2, "/", "*", 1)
		audits := denialOf(3, "/", "*", 1)
		audits.Audit = true
		unnamed := denialOf(2, corp, "Microsoft.Sql/*", 2)
		unnamed.Name = " "
		for _, c := range []struct {
			name string
			by   int
			d    rbac.Denial
			want pim.Code
		}{
			{"by who may not", 2, denialOf(1, rg, "Microsoft.Sql/*", 2), pim.Forbidden},
			{"by who may not, where nothing is", 2, denialOf(1, nowhere, "Microsoft.Sql/*", 2), pim.Forbidden},
			{"where nothing is", 1, denialOf(1, nowhere, "Microsoft.Sql/*", 2), pim.UnknownScope},
			{"at no scope", 1, denialOf(1, "/subscriptions/x", "Microsoft.Sql/*", 2), pim.InvalidScope},
			{"of nobody", 1, nobody, pim.InvalidRequest},
			{"without a name", 1, unnamed, pim.InvalidRequest},
			{"of somebody unknown", 1, denialOf(1, rg, "Microsoft.Sql/*", 99), pim.UnknownPrincipal},
			{"of a unit", 1, denialOf(1, rg, "Microsoft.Sql/*", 21), pim.InvalidRequest},
			{"that locks out who makes it", 1, locksOut, pim.InvalidRequest},
			{"that would, but only tells", 1, audits, ""},
			{"of one", 1, denialOf(1, rg, "Microsoft.Sql/*", 2), ""},
			{"of everybody", 1, everybody, ""},
			{"under an id that is taken elsewhere", 1, denialOf(1, rgTen, "Microsoft.Sql/*", 2), pim.RequestExists},
		} {
			if _, _, err := h.PutDenial(t.Context(), h.as(1, c.by), tenantID(1), c.d); codeOf(t, err) != c.want {
				t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			}
		}
	})
}

func TestDenials(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		everybody := denialOf(1, corp, "Microsoft.Sql/*/delete")
		everybody.Everybody, everybody.Except = true, []rbac.Named{{ID: string(person(1, 1)), Type: "User"}}
		for _, d := range []rbac.Denial{everybody, denialOf(2, one, "A/*", 11), denialOf(3, rg, "B/*", 2), denialOf(4, two, "C/*", 4)} {
			if _, _, err := h.PutDenial(t.Context(), h.as(1, 1), tenantID(1), d); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			name string
			by   int
			q    app.DenialQuery
			want []int
			code pim.Code
		}{
			{"all", 1, app.DenialQuery{Scope: "/"}, []int{1, 2, 3, 4}, ""},
			{"at, above and below", 2, app.DenialQuery{Scope: one}, []int{1, 2, 3}, ""},
			{"at or above", 2, app.DenialQuery{Scope: one, AtScope: true}, []int{1, 2}, ""},
			{"below a management group", 1, app.DenialQuery{Scope: lab}, []int{1, 4}, ""},
			{"of a name", 1, app.DenialQuery{Scope: "/", Name: "NO A/*"}, []int{2}, ""},
			{"of a principal", 1, app.DenialQuery{Scope: "/", Principal: person(1, 2)}, []int{3}, ""},
			{"of one that is excepted", 1, app.DenialQuery{Scope: "/", Principal: person(1, 1), Excepted: true}, []int{1}, ""},
			{"that concern somebody", 1, app.DenialQuery{Scope: "/", Assignee: person(1, 2)}, []int{1, 2, 3}, ""},
			{"that concern somebody excepted", 1, app.DenialQuery{Scope: "/", Assignee: person(1, 1)}, nil, ""},
			{"to who may not read", 5, app.DenialQuery{Scope: one}, nil, pim.Forbidden},
			{"where nothing is", 2, app.DenialQuery{Scope: nowhere, AtScope: true, Name: "x"}, nil, ""},
		} {
			c.q.Tenant = tenantID(1)
			page, err := h.Denials(t.Context(), h.as(1, c.by), c.q)
			var got []int
			for i := range 9 {
				if slices.ContainsFunc(page.Rows, func(d rbac.Denial) bool { return d.ID == id(1, 500+i) }) {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, c.want) || codeOf(t, err) != c.code {
				t.Errorf("%s: got %v, %v, want %v, %q", c.name, got, err, c.want, c.code)
			}
		}
		for _, c := range []struct {
			name  string
			by    int
			scope pim.Scope
			n     int
			want  pim.Code
		}{
			{"one", 2, rg, 3, ""},
			{"one, of the tenant", 2, "/", 3, ""},
			{"one at another scope", 2, one, 3, pim.UnknownGrant},
			{"one, to who may not read", 5, rg, 3, pim.Forbidden},
			{"none, to who may not read", 5, rg, 9, pim.Forbidden},
			{"none", 2, rg, 9, pim.UnknownGrant},
		} {
			if _, err := h.Denial(t.Context(), h.as(1, c.by), tenantID(1), c.scope, id(1, 500+c.n)); codeOf(t, err) != c.want {
				t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			}
		}
	})
}

// Who holds Global Administrator may give roles at every scope of resources, once they take that; nobody else may take it.
func TestElevateAccess(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		if got, err := h.PermissionsAt(t.Context(), h.as(1, 1), tenantID(1), one); err != nil || len(got) > 0 {
			t.Errorf("permissions before: got %v, %v, want none", got, err)
		}
		if err := h.ElevateAccess(t.Context(), h.as(1, 2), tenantID(1)); codeOf(t, err) != pim.Forbidden {
			t.Errorf("somebody else: got %v, want %q", err, pim.Forbidden)
		}
		for range 2 {
			if err := h.ElevateAccess(t.Context(), h.as(1, 1), tenantID(1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := pim.MayDo(h.as(1, 1), "Microsoft.Authorization/roleAssignments/write", one); err != nil {
			t.Errorf("elevated: got %v, want that roles may be given", err)
		}
		if got, err := h.PermissionsAt(t.Context(), h.as(1, 1), tenantID(1), one); err != nil || len(got) != 1 {
			t.Errorf("permissions: got %v, %v, want one", got, err)
		}
		told := 0
		for _, e := range h.events(1) {
			if e.Activity == pim.AssignedOutside && e.Key.Provider == pim.Resource {
				told++
			}
		}
		if told != 1 {
			t.Errorf("events of it: got %d, want 1", told)
		}
	})
}
