package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"portcullis/internal/abac"
	"portcullis/internal/catalog"
	"portcullis/internal/rbac"
)

func TestTheAzureCatalogueIsComplete(t *testing.T) {
	roles := catalog.AzureRoles()
	if got, want := len(roles), 928; got != want {
		t.Errorf("roles: got %d, want %d", got, want)
	}
	ids, names := map[string]bool{}, map[string]bool{}
	entries, conditions, patterns, wild := 0, 0, 0, 0
	for _, r := range roles {
		if ids[r.ID] || names[strings.ToLower(r.Name)] {
			t.Errorf("%s %q occurs twice", r.ID, r.Name)
		}
		ids[r.ID], names[strings.ToLower(r.Name)] = true, true
		for _, p := range r.Permissions {
			entries++
			if p.Condition != "" {
				conditions++
			}
			for _, a := range slices.Concat(p.Actions, p.NotActions, p.DataActions, p.NotDataActions) {
				patterns++
				if abac.NewPattern(a).Wild() {
					wild++
				}
			}
		}
	}
	// 899 roles have one entry, the 29 others 47 together.
	if entries != 946 || conditions != 31 {
		t.Errorf("got %d entries and %d conditions, want 946 and 31", entries, conditions)
	}
	if patterns < 11000 || wild < 2500 {
		t.Errorf("got %d patterns, %d of them with wildcards; want 11,000 and 2,500 at least", patterns, wild)
	}
	byName := func(a, b *rbac.Role) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) }
	if !slices.IsSortedFunc(roles, byName) {
		t.Error("roles are not sorted by name")
	}
}

func TestEachAzureRoleIsWellFormed(t *testing.T) {
	for _, r := range catalog.AzureRoles() {
		if len(r.ID) != 36 || r.ID != strings.ToLower(r.ID) {
			t.Errorf("%s: id %q", r.Name, r.ID)
		}
		if !r.BuiltIn || !slices.Equal(r.Assignable, []string{"/"}) {
			t.Errorf("%s: built in %t, assignable at %q; want true, /", r.Name, r.BuiltIn, r.Assignable)
		}
		if found, ok := catalog.AzureRole(strings.ToUpper(r.ID)); !ok || found != r {
			t.Errorf("AzureRole(%s): got %v, want %s", strings.ToUpper(r.ID), found, r.Name)
		}
		// What the catalogue has, people may write in roles of their own.
		own := *r
		own.BuiltIn, own.Assignable = false, []string{"/subscriptions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}
		if err := own.Check(); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	if r, ok := catalog.AzureRole("8e3af657-a8ff-443c-a75c-2fe8c4bcb636"); ok {
		t.Errorf("got %s, want none", r.Name)
	}
}

func TestFixedIDsNameTheirAzureRoles(t *testing.T) {
	for id, want := range map[string]string{
		catalog.Owner:                   "Owner",
		catalog.Contributor:             "Contributor",
		catalog.Reader:                  "Reader",
		catalog.UserAccessAdministrator: "User Access Administrator",
		catalog.RBACAdministrator:       "Role Based Access Control Administrator",
	} {
		if r, ok := catalog.AzureRole(id); !ok || r.Name != want {
			t.Errorf("AzureRole(%s): got %v, want %s", id, r, want)
		}
	}
}

func TestOperationsByNamespaceAndType(t *testing.T) {
	providers := catalog.AzureOperations()
	if len(providers) < 150 {
		t.Errorf("got %d namespaces, want 150 at least", len(providers))
	}
	total, previous := 0, ""
	seen := map[string]bool{}
	check := func(o catalog.AzureOperation, under string) {
		total++
		key := strings.ToLower(o.Name)
		if o.Data {
			key += " (data)"
		}
		if seen[key] {
			t.Errorf("%s occurs twice", key)
		}
		seen[key] = true
		if strings.Contains(o.Name, "*") || o.Name != strings.TrimSpace(o.Name) || !strings.HasPrefix(strings.ToLower(o.Name), strings.ToLower(under)+"/") {
			t.Errorf("operation %q under %s", o.Name, under)
		}
	}
	for _, p := range providers {
		if name := strings.ToLower(p.Namespace); name <= previous {
			t.Errorf("%s follows %s", name, previous)
		} else {
			previous = name
		}
		for _, o := range p.Operations {
			check(o, p.Namespace)
		}
		for _, k := range p.Types {
			if len(k.Operations) == 0 || k.Name == "" {
				t.Errorf("%s/%s has no operations", p.Namespace, k.Name)
			}
			for _, o := range k.Operations {
				check(o, p.Namespace+"/"+k.Name)
			}
		}
	}
	if total < 3500 {
		t.Errorf("got %d operations, want 3,500 at least", total)
	}
}

func TestAnOperationIsFoundInItsPlace(t *testing.T) {
	for _, c := range []struct {
		namespace, kind string
		want            catalog.AzureOperation
	}{
		{"Microsoft.Authorization", "roleAssignments", catalog.AzureOperation{Name: "Microsoft.Authorization/roleAssignments/write"}},
		{"Microsoft.Compute", "virtualMachines", catalog.AzureOperation{Name: "Microsoft.Compute/virtualMachines/start/action"}},
		{"Microsoft.Storage", "storageAccounts/blobServices/containers/blobs", catalog.AzureOperation{Name: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", Data: true}},
		{"Pinecone.VectorDb", "", catalog.AzureOperation{Name: "Pinecone.VectorDb/register/action"}},
	} {
		var found []catalog.AzureOperation
		for _, p := range catalog.AzureOperations() {
			if p.Namespace != c.namespace {
				continue
			}
			found = append(found, p.Operations...)
			if c.kind == "" {
				continue
			}
			i := slices.IndexFunc(p.Types, func(k catalog.AzureType) bool { return strings.EqualFold(k.Name, c.kind) })
			if i < 0 {
				t.Errorf("%s has no type %s", c.namespace, c.kind)
				continue
			}
			found = p.Types[i].Operations
		}
		if !slices.ContainsFunc(found, func(o catalog.AzureOperation) bool {
			return strings.EqualFold(o.Name, c.want.Name) && o.Data == c.want.Data
		}) {
			t.Errorf("%s/%s: %v is not in %v", c.namespace, c.kind, c.want, found)
		}
	}
}
