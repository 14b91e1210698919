package catalog_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"portcullis/internal/catalog"
)

// rfc9562 is a UUID in lower case, of a version and the variant that RFC 9562 §4 defines.
var rfc9562 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestTheCatalogueIsComplete(t *testing.T) {
	roles := catalog.Roles()
	if got, want := len(roles), 145; got != want {
		t.Errorf("roles: got %d, want %d", got, want)
	}
	ids, names := map[string]bool{}, map[string]bool{}
	privileged, system := 0, 0
	for _, r := range roles {
		if ids[r.ID] || names[r.DisplayName] {
			t.Errorf("%s %q occurs twice", r.ID, r.DisplayName)
		}
		ids[r.ID], names[r.DisplayName] = true, true
		if r.Privileged {
			privileged++
		}
		if r.AssignedBySystem {
			system++
		}
	}
	if privileged != 35 || system != 3 {
		t.Errorf("got %d privileged and %d assigned by the system, want 35 and 3", privileged, system)
	}
	byName := func(a, b catalog.Role) int {
		return strings.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName))
	}
	if !slices.IsSortedFunc(roles, byName) {
		t.Error("roles are not sorted by display name")
	}
}

func TestEachRoleIsWellFormed(t *testing.T) {
	for _, r := range catalog.Roles() {
		if !rfc9562.MatchString(r.ID) {
			t.Errorf("%s: id %q is not a UUID", r.DisplayName, r.ID)
		}
		if r.TemplateID != r.ID {
			t.Errorf("%s: template %s, want its own id %s", r.DisplayName, r.TemplateID, r.ID)
		}
		if n := len(r.Description); n == 0 || n > 120 || !strings.HasSuffix(r.Description, ".") {
			t.Errorf("%s: description of %d bytes, want a sentence of 1 to 120: %q", r.DisplayName, n, r.Description)
		}
		if !slices.IsSorted(r.Actions) || len(slices.Compact(slices.Clone(r.Actions))) != len(r.Actions) {
			t.Errorf("%s: actions are not sorted and unique", r.DisplayName)
		}
		for _, a := range r.Actions {
			if !strings.HasPrefix(a, "microsoft.") || strings.Count(a, "/") < 2 {
				t.Errorf("%s: action %q, want namespace/entity/…/task", r.DisplayName, a)
			}
		}
		for _, id := range r.Inherits {
			if _, ok := catalog.ByID(id); !ok || id == r.ID {
				t.Errorf("%s inherits from %s, which is not another role", r.DisplayName, id)
			}
		}
	}
}

func TestFixedIDsNameTheirRoles(t *testing.T) {
	for id, want := range map[string]string{
		catalog.GlobalAdministrator:             "Global Administrator",
		catalog.PrivilegedRoleAdministrator:     "Privileged Role Administrator",
		catalog.GlobalReader:                    "Global Reader",
		catalog.SecurityAdministrator:           "Security Administrator",
		catalog.SecurityReader:                  "Security Reader",
		catalog.SecurityOperator:                "Security Operator",
		catalog.UserAdministrator:               "User Administrator",
		catalog.GroupsAdministrator:             "Groups Administrator",
		catalog.IdentityGovernanceAdministrator: "Identity Governance Administrator",
		catalog.DirectoryReaders:                "Directory Readers",
		catalog.DirectoryWriters:                "Directory Writers",
		catalog.ReportsReader:                   "Reports Reader",
		catalog.ComplianceAdministrator:         "Compliance Administrator",
		catalog.ApplicationAdministrator:        "Application Administrator",
		catalog.CloudApplicationAdministrator:   "Cloud Application Administrator",
	} {
		for _, spelt := range []string{id, strings.ToUpper(id)} {
			r, ok := catalog.ByID(spelt)
			if !ok || r.DisplayName != want || r.ID != id {
				t.Errorf("ByID(%q): got %q with id %q, want %q with id %q", spelt, r.DisplayName, r.ID, want, id)
			}
		}
	}
	for _, id := range []string{"", "Global Administrator", "62e90394-69f5-4237-9190-012177145e11"} {
		if r, ok := catalog.ByID(id); ok {
			t.Errorf("ByID(%q): got %q, want none", id, r.DisplayName)
		}
	}
}

func TestWhichScopesARoleTakes(t *testing.T) {
	const user = "a0b1b346-4d3e-4e8b-98f8-753987be4970"
	for _, c := range []struct {
		role, id string
		want     []catalog.ScopeKind
	}{
		{"Global Administrator", catalog.GlobalAdministrator, []catalog.ScopeKind{catalog.TenantScope, catalog.AdministrativeUnitScope}},
		{"User Administrator", catalog.UserAdministrator, []catalog.ScopeKind{catalog.TenantScope, catalog.AdministrativeUnitScope}},
		{"Application Administrator", catalog.ApplicationAdministrator, []catalog.ScopeKind{catalog.TenantScope, catalog.AdministrativeUnitScope, catalog.ObjectScope}},
		{"Groups Administrator", catalog.GroupsAdministrator, []catalog.ScopeKind{catalog.TenantScope, catalog.AdministrativeUnitScope, catalog.ObjectScope}},
		{"User, which nobody assigns", user, nil},
	} {
		r, _ := catalog.ByID(c.id)
		var got []catalog.ScopeKind
		for _, kind := range []catalog.ScopeKind{catalog.NoScope, catalog.TenantScope, catalog.AdministrativeUnitScope, catalog.ObjectScope} {
			if r.TakesScope(kind) {
				got = append(got, kind)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s takes %v, want %v", c.role, got, c.want)
		}
	}
}
