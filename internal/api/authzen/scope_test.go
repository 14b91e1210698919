package authzen

import (
	"strings"
	"testing"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

const (
	homeTenant = pim.TenantID("8a6f1c2e-51d0-4f7b-9c3a-2f4e6d8b0a11")
	aPlan      = "/subscriptions/5C3E0000-0000-4000-8000-00000000007a"
	aGroup     = aPlan + "/resourceGroups/Prod-1"
	aServer    = aGroup + "/providers/Microsoft.Sql/servers/press"
	aDivision  = "/providers/Microsoft.Management/managementGroups/Division-1"
)

// TestUsualPaths: how most paths are written is read without resource.ParseFor, and means the same.
func TestUsualPaths(t *testing.T) {
	for path, usual := range map[string]bool{
		aPlan: true, aGroup: true, aServer: true, aDivision: true, strings.ToUpper(aServer): true, strings.ToLower(aServer): true,
		aServer + "/databases/recipes":                       true,
		aServer + "/databases/providers":                     true,
		aPlan + "/providers/N/t/n":                           true,
		aDivision + "/providers/N/t/n":                       true,
		aGroup + "/providers/N/t/db:5432 (old)":              true,
		aGroup[:len(aGroup)-6] + "providers/providers/N/t/n": true,

		"/":                                   false,
		"":                                    false,
		aPlan + "/":                           false,
		"/" + aPlan:                           false,
		aPlan[1:]:                             false,
		aGroup + "//x":                        false,
		aGroup + "/./x":                       false,
		aGroup + "/..":                        false,
		aPlan + "/resourceGroups":             false,
		aServer + "/databases":                false,
		aServer + "/providers/N/t/n":          false,
		aGroup + "/providers/N/providers/N/t": false,
		aGroup + "/providers/N/t/Zürich":      false,
		aGroup + "/providers/N/t/" + "\u212a": false,
		aGroup + "/providers/N" + strings.Repeat("/t/n", 9):                                       false,
		"/subscriptions/prod":                                                                     false,
		"/providers/Portcullis.Targets/hosts/h":                                                   false,
		"/providers/Microsoft.Subscription" + aPlan:                                               false,
		"/providers/Microsoft.Management/managementGroups/" + strings.ToUpper(string(homeTenant)): false,
		"/providers/Microsoft.Management/managementGroups/a/b/c":                                  false,
	} {
		if _, ok := usualScope(homeTenant, path); ok != usual {
			t.Errorf("%q: usual %v, want %v", path, ok, usual)
		}
		sameAsParsed(t, path)
	}
}

func sameAsParsed(t *testing.T, path string) {
	t.Helper()
	n, err := resource.ParseFor(homeTenant, path)
	if got, ok := usualScope(homeTenant, path); ok && (err != nil || got != n.Scope) {
		t.Fatalf("%q: usually %q, parsed %q, %v", path, got, n.Scope, err)
	}
	if got, ok := scopeOf(homeTenant, path); ok != (err == nil && strings.HasPrefix(path, "/")) || ok && got != n.Scope {
		t.Fatalf("%q: got %q, %v; parsed %q, %v", path, got, ok, n.Scope, err)
	}
}

func FuzzUsualScope(f *testing.F) {
	for _, path := range []string{
		aPlan, aGroup, aServer, aDivision, aServer + "/databases/recipes", aServer + "/providers/N/t/n", aDivision + "/providers/N/t/n/providers/n",
		"/providers/Microsoft.Management/managementGroups/" + string(homeTenant) + "/providers/N/t/n", "/providers/Microsoft.Subscription" + aPlan,
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) { sameAsParsed(t, path) })
}

func BenchmarkScope(b *testing.B) {
	for name, path := range map[string]string{"usual": aServer, "lower": strings.ToLower(aServer), "unusual": aServer + "/providers/N/t/n"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := scopeOf(homeTenant, path); !ok {
					b.Fatal("no scope")
				}
			}
		})
	}
}
