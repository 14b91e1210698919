package pimv2

import (
	"strings"
	"testing"

	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
)

// TestRoleIDs is a page of facts: which role an id names at a resource.
func TestRoleIDs(t *testing.T) {
	const guid = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	azure := pim.RoleKey{Tenant: "t", Provider: pim.Resource, Scope: "/subscriptions/5c3e0000-0000-4000-8000-000000000071/resourcegroups/rg-1"}
	group := pim.RoleKey{Tenant: "t", Provider: pim.Group, Scope: "5c3e0000-0000-4000-8000-000000000021"}
	directory := pim.RoleKey{Tenant: "t", Provider: pim.Directory, Scope: pim.Everywhere}
	owner := group
	owner.Role = pim.Owner
	other := owner
	other.Scope = "5c3e0000-0000-4000-8000-000000000022"
	check := func(at pim.RoleKey, id string, want pim.RoleID, known bool) {
		t.Helper()
		if got, ok := roleID(at, id); got != want || ok != known {
			t.Errorf("%s at %s %s: got %q %v, want %q %v", id, at.Provider, at.Scope, got, ok, want, known)
		}
	}
	check(directory, guid, guid, true)
	check(directory, " "+strings.ToUpper(guid)+" ", guid, true)
	check(azure, guid, guid, true)
	check(azure, "/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/"+strings.ToUpper(guid), guid, true)
	check(azure, "/providers/Microsoft.Authorization/roleDefinitions/"+guid+"/", guid, true)
	check(azure, "", "", false)
	check(azure, "///", "", false)
	check(group, "member", pim.Member, true)
	check(group, "OWNER", pim.Owner, true)
	check(group, governance.RoleDefinitionID(owner), pim.Owner, true)
	check(group, strings.ToUpper(governance.RoleDefinitionID(owner)), pim.Owner, true)
	check(group, governance.RoleDefinitionID(other), "", false) // the owner of another group
	check(group, guid, "", false)
	check(group, "", "", false)
}

// TestAzureRoleIDs says under what a role's own id stands.
func TestAzureRoleIDs(t *testing.T) {
	for scope, want := range map[pim.Scope]string{
		"/": "/providers/Microsoft.Authorization/roleDefinitions/r",
		"/providers/microsoft.management/managementgroups/plant": "/providers/Microsoft.Authorization/roleDefinitions/r",
		"/subscriptions/s": "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/r",
		"/subscriptions/s/resourcegroups/g/providers/n": "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/r",
	} {
		if got := azureRoleID(pim.RoleKey{Provider: pim.Resource, Scope: scope, Role: "r"}); got != want {
			t.Errorf("at %s: got %s, want %s", scope, got, want)
		}
	}
}

// TestOneIDNamesOneRole: the ids that the dialect gives the roles of a resource lead back to them, and no two are the same,
// whatever the resource.
func TestOneIDNamesOneRole(t *testing.T) {
	seen := map[string]pim.RoleKey{}
	for _, scope := range []pim.Scope{"5c3e0000-0000-4000-8000-000000000021", "5c3e0000-0000-4000-8000-000000000022"} {
		for _, r := range groupSides(pim.RoleKey{Tenant: "t", Provider: pim.Group, Scope: scope}) {
			id := governance.RoleDefinitionID(r.key)
			if before, ok := seen[id]; ok {
				t.Errorf("%s is both %v and %v", id, before, r.key)
			}
			seen[id] = r.key
			at := r.key
			at.Role = ""
			if got, ok := roleID(at, id); !ok || got != r.key.Role {
				t.Errorf("%s at %s: got %q %v, want %q", id, scope, got, ok, r.key.Role)
			}
		}
	}
}
