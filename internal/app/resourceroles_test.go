package app_test

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/store"
)

// customRole is a role of a site, by its number, that may restart databases.
func customRole(n int, name string, scopes ...pim.Scope) rbac.Role {
	r := rbac.Role{ID: id(1, 400+n), Name: name, Description: "restarts",
		Permissions: []rbac.Permission{{Actions: []string{"Microsoft.Sql/*/restart/action"}}}}
	for _, s := range scopes {
		r.Assignable = append(r.Assignable, string(s))
	}
	return r
}

func TestPutResourceRole(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		put := func(by int, r rbac.Role) (rbac.Role, error) {
			return h.PutResourceRole(t.Context(), h.as(1, by), tenantID(1), r)
		}
		upper := customRole(1, "Restarter", pim.Scope(strings.ToUpper(string(one))), one, rgTen)
		made, err := put(1, upper)
		if err != nil {
			t.Fatal(err)
		}
		want := customRole(1, "Restarter", one, rgTen)
		want.Created, want.Updated, want.CreatedBy, want.UpdatedBy = h.time(), h.time(), string(person(1, 1)), string(person(1, 1))
		if d := gocmp.Diff(want, made, gocmp.Comparer(rbac.Role.Equal)); d != "" {
			t.Errorf("made (-want +got):\n%s", d)
		}
		h.pass(1)
		data := customRole(2, "Reads blobs", corp)
		data.Permissions[0].DataActions = []string{"*"}
		empty := customRole(2, "Nothing", one)
		empty.Permissions = nil
		builtIn := customRole(2, "Owner of ours", one)
		builtIn.ID = string(owner)
		noUUID := customRole(2, "No UUID", one)
		noUUID.ID = "restarter"
		group := customRole(2, "A group", one)
		group.ID = string(person(1, 11))
		for _, c := range []struct {
			name string
			by   int
			r    rbac.Role
			want pim.Code
		}{
			{"by who may not", 2, customRole(2, "By a reader", one), pim.Forbidden},
			{"with nothing", 1, empty, pim.InvalidRequest},
			{"without scopes", 1, customRole(2, "Nowhere"), pim.InvalidRequest},
			{"without scopes, by who may not", 2, customRole(2, "Nowhere"), pim.Forbidden},
			{"at the root", 1, customRole(2, "Everywhere", "/"), pim.InvalidRequest},
			{"at the root, by its other name", 1, customRole(2, "Everywhere", "/providers/Microsoft.Management/managementGroups/"+pim.Scope(tenantID(1))), pim.InvalidRequest},
			{"at two management groups", 1, customRole(2, "Two", corp, lab), pim.InvalidRequest},
			{"data at a management group", 1, data, pim.InvalidRequest},
			{"where nothing is", 1, customRole(2, "Nowhere", nowhere), pim.UnknownScope},
			{"at no scope", 1, customRole(2, "Nowhere", "/subscriptions/x"), pim.InvalidRequest},
			{"under a taken name", 1, customRole(2, "RESTARTER", one), pim.RoleNameTaken},
			{"under the name of a built-in role", 1, customRole(2, "owner", one), pim.RoleNameTaken},
			{"under the id of a built-in role", 1, builtIn, pim.InvalidRequest},
			{"under no UUID", 1, noUUID, pim.InvalidRequest},
			{"under the id of a group", 1, group, pim.InvalidRequest},
			{"at a management group", 1, customRole(2, "Corp restarter", corp), ""},
			{"again", 1, customRole(1, "Restarter", one), ""},
			{"again, elsewhere", 1, customRole(1, "Restarter", two), ""},
		} {
			if _, err := put(c.by, c.r); codeOf(t, err) != c.want {
				t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			}
		}
		again, err := h.ResourceRole(t.Context(), h.as(1, 1), tenantID(1), pim.RoleID(made.ID))
		if err != nil || !again.Created.Equal(made.Created) || !again.Updated.After(made.Updated) {
			t.Errorf("written again: got %+v, %v", again, err)
		}
	})
}

// A role that somebody holds, or is eligible for, is not deleted, nor taken away from where they hold it.
func TestResourceRolesInUseStay(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		put := func(r rbac.Role) error {
			_, err := h.PutResourceRole(t.Context(), h.as(1, 1), tenantID(1), r)
			return err
		}
		remove := func(by int) (rbac.Role, error) {
			return h.DeleteResourceRole(t.Context(), h.as(1, by), tenantID(1), pim.RoleID(id(1, 401)))
		}
		if err := put(customRole(1, "Restarter", corp)); err != nil {
			t.Fatal(err)
		}
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: resourceKey(1, 5, pim.RoleID(id(1, 401)), rg)})
		restart := access.ResourceQuestion{Tenant: tenantID(1), Principal: person(1, 5), Scope: database,
			Operation: rbac.Operation{Action: "Microsoft.Sql/servers/databases/restart/action"}}
		if got := h.Index.Allowed(h.Time(), restart).Verdict; got != rbac.Allowed {
			t.Errorf("restart, by who holds the role: got %v, want %v", got, rbac.Allowed)
		}
		for _, c := range []struct {
			name string
			r    rbac.Role
			want pim.Code
		}{
			{"elsewhere", customRole(1, "Restarter", lab), pim.RoleInUse},
			{"beside", customRole(1, "Restarter", rgTen), pim.RoleInUse},
			{"closer", customRole(1, "Restarter", one), ""},
			{"as close as can be", customRole(1, "Restarter", rg, rgTen), ""},
		} {
			if err := put(c.r); codeOf(t, err) != c.want {
				t.Errorf("moved %s: got %v, want %q", c.name, err, c.want)
			}
		}
		for by, want := range map[int]pim.Code{1: pim.RoleInUse, 2: pim.Forbidden, 5: pim.Forbidden} {
			if _, err := remove(by); codeOf(t, err) != want {
				t.Errorf("deleted in use by person %d: got %v, want %q", by, err, want)
			}
		}
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.RemoveOutside, Kind: pim.Assignment, Key: resourceKey(1, 5, pim.RoleID(id(1, 401)), rg)})
		if gone, err := remove(1); err != nil || gone.Name != "Restarter" {
			t.Errorf("deleted: got %+v, %v", gone, err)
		}
		if _, err := remove(1); codeOf(t, err) != pim.UnknownRole {
			t.Errorf("deleted again: got %v, want %q", err, pim.UnknownRole)
		}
		if err := put(customRole(2, "Beyond", two)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.DeleteResourceRole(t.Context(), h.as(1, 5), tenantID(1), pim.RoleID(id(1, 402))); codeOf(t, err) != pim.UnknownRole {
			t.Errorf("deleted by who cannot see it: got %v, want %q", err, pim.UnknownRole)
		}
		if _, err := h.DeleteResourceRole(t.Context(), h.as(1, 1), tenantID(1), owner); codeOf(t, err) != pim.InvalidRequest {
			t.Errorf("deleted built-in: got %v, want %q", err, pim.InvalidRequest)
		}
	})
}

func TestResourceRoles(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		for _, r := range []rbac.Role{
			customRole(1, "at corp", corp), customRole(2, "at one", one), customRole(3, "at rg-1", rg), customRole(4, "at two", two),
		} {
			if _, err := h.PutResourceRole(t.Context(), h.as(1, 1), tenantID(1), r); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			name  string
			by    int
			scope pim.Scope
			below bool
			want  string
			code  pim.Code
		}{
			{"at a management group", 1, corp, false, "at corp", ""},
			{"and below", 1, corp, true, "at corp, at one, at rg-1, at two", ""},
			{"at a subscription", 2, one, false, "at corp, at one", ""},
			{"at a subscription and below", 2, one, true, "at corp, at one, at rg-1", ""},
			{"at a resource", 2, database, false, "at corp, at one, at rg-1", ""},
			{"of the tenant", 1, "/", true, "at corp, at one, at rg-1, at two", ""},
			{"of the tenant, to who may read some", 2, "/", true, "at corp, at one, at rg-1", ""},
			{"of the tenant, to who may read none", 5, "/", true, "", ""},
			{"at a scope, to who may not read", 5, one, false, "", pim.Forbidden},
		} {
			roles, err := h.ResourceRoles(t.Context(), h.as(1, c.by), tenantID(1), c.scope, c.below)
			var custom []string
			builtIn := 0
			for _, r := range roles {
				if r.BuiltIn {
					builtIn++
				} else {
					custom = append(custom, r.Name)
				}
			}
			if got := strings.Join(custom, ", "); got != c.want || codeOf(t, err) != c.code || err == nil && builtIn < 900 {
				t.Errorf("%s: got %q and %d built-in ones, %v; want %q, %q", c.name, got, builtIn, err, c.want, c.code)
			}
		}
		if _, err := h.ResourceRole(t.Context(), h.as(1, 5), tenantID(1), pim.RoleID(id(1, 402))); codeOf(t, err) != pim.UnknownRole {
			t.Errorf("one, to who may not read it: got %v, want %q", err, pim.UnknownRole)
		}
		if r, err := h.ResourceRole(t.Context(), h.as(1, 5), tenantID(1), reader); err != nil || r.Name != "Reader" {
			t.Errorf("a built-in one: got %q, %v", r.Name, err)
		}
		restarted := &app.App{Store: h.Store, Index: access.New(), Now: h.Now}
		if err := restarted.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(restarted.ResourceRolesByID(tenantID(1), []pim.RoleID{pim.RoleID(id(1, 401)), owner, "nothing"})); got != 2 {
			t.Errorf("after a start: got %d of the roles, want 2", got)
		}
	})
}
