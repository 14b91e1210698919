package resource_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

const (
	sub   = "11111111-2222-4333-8444-555555555555"
	upper = "AAAAAAAA-2222-4333-8444-555555555555"
	lower = "aaaaaaaa-2222-4333-8444-555555555555"
	group = "/subscriptions/" + sub + "/resourceGroups/rg-1"
	vault = group + "/providers/Microsoft.KeyVault/vaults/kv"
)

// TestPaths is what callers write and what it means: the path as it is shown (the scope is the same in lower case), the kind,
// the type, the name, and what contains it directly.
func TestPaths(t *testing.T) {
	for _, fact := range []struct {
		path, id string
		kind     resource.Kind
		typ      string
		name     string
		parent   string
	}{
		{"", "/", resource.Root, "", "", ""},
		{"/", "/", resource.Root, "", "", ""},
		{"///", "/", resource.Root, "", "", ""},
		{"/subscriptions/" + sub, "/subscriptions/" + sub, resource.Subscription, resource.SubscriptionType, sub, ""},
		{"subscriptions/" + sub + "/", "/subscriptions/" + sub, resource.Subscription, resource.SubscriptionType, sub, ""},
		{"//SUBSCRIPTIONS//" + upper, "/subscriptions/" + lower, resource.Subscription, resource.SubscriptionType, lower, ""},
		{"/providers/Microsoft.Subscription/subscriptions/" + sub, "/subscriptions/" + sub, resource.Subscription, resource.SubscriptionType, sub, ""},
		{"/Providers/microsoft.subscription/Subscriptions/" + sub + "/resourcegroups/rg-1", group, resource.Group, resource.GroupType, "rg-1", "/subscriptions/" + sub},
		{"/providers/Microsoft.Management/managementGroups/Corp", "/providers/Microsoft.Management/managementGroups/Corp", resource.ManagementGroup, resource.ManagementGroupType, "Corp", ""},
		{"/PROVIDERS/microsoft.management/MANAGEMENTGROUPS/Corp", "/providers/Microsoft.Management/managementGroups/Corp", resource.ManagementGroup, resource.ManagementGroupType, "Corp", ""},
		{"/subscriptions/" + sub + "/RESOURCEGROUPS/RG-1", "/subscriptions/" + sub + "/resourceGroups/RG-1", resource.Group, resource.GroupType, "RG-1", "/subscriptions/" + sub},
		{"/subscriptions/" + sub + "/resourceGroups/providers", "/subscriptions/" + sub + "/resourceGroups/providers", resource.Group, resource.GroupType, "providers", "/subscriptions/" + sub},
		{"/subscriptions/" + sub + "/resourceGroups/resourceGroups", "/subscriptions/" + sub + "/resourceGroups/resourceGroups", resource.Group, resource.GroupType, "resourceGroups", "/subscriptions/" + sub},
		{vault, vault, resource.Resource, "Microsoft.KeyVault/vaults", "kv", group},
		{"/subscriptions/" + sub + "/resourcegroups/rg-1/Providers/Microsoft.KeyVault/vaults/kv", vault, resource.Resource, "Microsoft.KeyVault/vaults", "kv", group},
		{vault + "/secrets/s", vault + "/secrets/s", resource.Resource, "Microsoft.KeyVault/vaults/secrets", "s", vault},
		{vault + "/secrets/s/versions/1", vault + "/secrets/s/versions/1", resource.Resource, "Microsoft.KeyVault/vaults/secrets/versions", "1", vault + "/secrets/s"},
		{vault + "/providers/Microsoft.Insights/settings/d", vault + "/providers/Microsoft.Insights/settings/d", resource.Resource, "Microsoft.Insights/settings", "d", vault},
		{vault + "/secrets/providers", vault + "/secrets/providers", resource.Resource, "Microsoft.KeyVault/vaults/secrets", "providers", vault},
		{vault + "/secrets/providers/versions/1", vault + "/secrets/providers/versions/1", resource.Resource, "Microsoft.KeyVault/vaults/secrets/versions", "1", vault + "/secrets/providers"},
		{"/subscriptions/" + sub + "/resourceGroups/providers/providers/N/t/n", "/subscriptions/" + sub + "/resourceGroups/providers/providers/N/t/n", resource.Resource, "N/t", "n", "/subscriptions/" + sub + "/resourceGroups/providers"},
		{"/subscriptions/" + sub + "/providers/Portcullis.Targets/hosts/h", "/subscriptions/" + sub + "/providers/Portcullis.Targets/hosts/h", resource.Resource, "Portcullis.Targets/hosts", "h", "/subscriptions/" + sub},
		{"/providers/Portcullis.Targets/hosts/h", "/providers/Portcullis.Targets/hosts/h", resource.Resource, "Portcullis.Targets/hosts", "h", "/"},
		{"/providers/Microsoft.Management/managementGroups/Corp/providers/N/t/n", "/providers/Microsoft.Management/managementGroups/Corp/providers/N/t/n", resource.Resource, "N/t", "n", "/providers/Microsoft.Management/managementGroups/Corp"},
		{group + "/providers/N/t/db:5432 (old)", group + "/providers/N/t/db:5432 (old)", resource.Resource, "N/t", "db:5432 (old)", group},
		{group + "/providers/N/t/Zürich", group + "/providers/N/t/Zürich", resource.Resource, "N/t", "Zürich", group},
	} {
		n, err := resource.Parse(fact.path)
		if err != nil {
			t.Errorf("%q: %v", fact.path, err)
			continue
		}
		want := resource.Node{Scope: pim.Scope(strings.ToLower(fact.id)), ID: fact.id, Kind: fact.kind, Type: fact.typ, Name: fact.name,
			Parent: pim.Scope(strings.ToLower(fact.parent))}
		if n.Scope != want.Scope || n.ID != want.ID || n.Kind != want.Kind || n.Type != want.Type || n.Name != want.Name || n.Parent != want.Parent {
			t.Errorf("%q:\n got %+v\nwant %+v", fact.path, n, want)
		}
		if kind := resource.KindOf(n.Scope); kind != fact.kind {
			t.Errorf("%q: by its scope a %d, want %d", fact.path, kind, fact.kind)
		}
	}
}

func TestPathsThatAreNoScopes(t *testing.T) {
	for name, path := range map[string]string{
		"half a subscription":              "/subscriptions",
		"a subscription that is no UUID":   "/subscriptions/prod",
		"half a resource group":            "/subscriptions/" + sub + "/resourceGroups",
		"a word":                           "/tenants",
		"a type without a namespace":       group + "/vaults/kv",
		"a type without a name":            vault + "/secrets",
		"a namespace alone":                group + "/providers/N",
		"a namespace and a type":           group + "/providers/N/t",
		"an unfinished extension":          vault + "/providers/N/t",
		"providers for a type":             vault + "/providers/N",
		"half a management group":          "/providers/Microsoft.Management/managementGroups",
		"a type below a management group":  "/providers/Microsoft.Management/managementGroups/a/b/c",
		"a step upwards":                   group + "/../rg-2",
		"a step on the spot":               group + "/./x",
		"a control character":              group + "\n",
		"bytes that are no text":           "/subscriptions/" + sub + "/resourceGroups/\xff",
		"more bytes than a path may have":  "/" + strings.Repeat("a/", 1100),
		"more segments than one may have":  group + "/providers/N" + strings.Repeat("/t/n", 11),
		"a longer name than one may have":  group + "/providers/N/t/" + strings.Repeat("n", 261),
		"a query":                          "/subscriptions/" + sub + "?x/y",
		"a subscription below another one": "/subscriptions/" + sub + "/subscriptions/" + sub,
	} {
		if n, err := resource.Parse(path); err == nil {
			t.Errorf("%s, %q: got %+v, want an error", name, path, n)
		}
	}
	deepest := group + "/providers/N" + strings.Repeat("/t/n", 10)
	if _, err := resource.Parse(deepest); err != nil {
		t.Errorf("the deepest path: %v", err)
	}
}

// TestTheRootHasANameInItsTenant: clients call the root management group by the tenant's id.
func TestTheRootHasANameInItsTenant(t *testing.T) {
	for path, want := range map[string]string{
		"/providers/Microsoft.Management/managementGroups/" + sub:                      "/",
		"/providers/microsoft.management/managementgroups/" + sub + "/providers/N/t/n": "/providers/n/t/n",
		"/providers/Microsoft.Management/managementGroups/" + upper:                    "/providers/microsoft.management/managementgroups/" + lower,
		"/subscriptions/" + sub: "/subscriptions/" + sub,
		"":                      "/",
	} {
		if n, err := resource.ParseFor(sub, path); err != nil || n.Scope != pim.Scope(want) || n.Tenant != sub {
			t.Errorf("%q: got %+v, %v, want %s", path, n, err, want)
		}
	}
}

func TestWhatLiesWithinWhat(t *testing.T) {
	for _, fact := range []struct {
		narrow, wide string
		want         bool
	}{
		{group, "/", true},
		{"/", "/", true},
		{"/", group, false},
		{group, group, true},
		{vault, group, true},
		{group, vault, false},
		{group + "0", group, false},
		{group, group + "0", false},
		{group + "0/providers/n/t/n", group, false},
		{vault + "/secrets/s", vault, true},
		{vault + "2", vault, false},
		{group, "/subscriptions/" + sub, true},
		{group, "/subscriptions/" + lower, false},
		{"/subscriptions/" + sub, "/providers/microsoft.management/managementgroups/corp", false},
	} {
		narrow, wide := pim.Scope(strings.ToLower(fact.narrow)), pim.Scope(strings.ToLower(fact.wide))
		if got := resource.Within(narrow, wide); got != fact.want {
			t.Errorf("%s within %s: got %v, want %v", narrow, wide, got, fact.want)
		}
	}
}

// drawScope makes any scope that callers may name.
func drawScope(t *rapid.T) resource.Node {
	name := rapid.SampledFrom([]string{"a", "A", "b", "rg-1", "rg-10", "providers", "resourceGroups", "subscriptions", "t.x"})
	path := rapid.SampledFrom([]string{"", "/subscriptions/" + sub, group, "/subscriptions/" + sub + "/resourceGroups/providers",
		"/providers/Microsoft.Management/managementGroups/corp"}).Draw(t, "base")
	for range rapid.IntRange(0, 2).Draw(t, "extensions") {
		path += "/providers/" + name.Draw(t, "namespace")
		for range rapid.IntRange(1, 3).Draw(t, "depth") {
			typ := name.Filter(func(s string) bool { return s != "providers" }).Draw(t, "type")
			path += "/" + typ + "/" + name.Draw(t, "name")
		}
	}
	n, err := resource.Parse(path)
	if err != nil {
		t.Fatalf("%q: %v", path, err)
	}
	return n
}

// TestWhatIsAboveContains: what Above tells contains a scope by Within, and so does whatever is above that; it is a scope itself,
// and Parse says the same of it.
func TestWhatIsAboveContains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawScope(t)
		for at := n; ; {
			above, ok := resource.Above(at.Scope)
			if ok != (at.Kind == resource.Group || at.Kind == resource.Resource) || above != at.Parent {
				t.Fatalf("above %s: got %q, %v; parsed %q", at.Scope, above, ok, at.Parent)
			}
			if !ok {
				return
			}
			if !resource.Within(n.Scope, above) || above == at.Scope || above != "/" && resource.Within(above, at.Scope) {
				t.Fatalf("%s is above %s, and does not contain it", above, at.Scope)
			}
			up, err := resource.Parse(string(above))
			if err != nil || up.Scope != above {
				t.Fatalf("above %s is %q, which is no scope: %v", at.Scope, above, err)
			}
			at = up
		}
	})
}

// TestWithinIsAnOrder: containment is transitive, and two that contain each other are the same.
func TestWithinIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawScope(t).Scope, drawScope(t).Scope, drawScope(t).Scope
		if resource.Within(a, b) && resource.Within(b, c) && !resource.Within(a, c) {
			t.Fatalf("%s in %s in %s, and not in it", a, b, c)
		}
		if resource.Within(a, b) && resource.Within(b, a) && a != b {
			t.Fatalf("%s and %s contain each other", a, b)
		}
	})
}

// FuzzParse: a path is refused, or comes to a scope that is the same however often it is read, in any letter case.
func FuzzParse(f *testing.F) {
	for _, path := range []string{"", "/", group, vault, vault + "/providers/N/t/n", "/providers/Microsoft.Subscription/subscriptions/" + upper,
		"/providers/Microsoft.Management/managementGroups/Corp/providers/N/t/n", "//a//b", "/providers/\u212a/t/\u0130", "/subscriptions/" + sub + "/providers/providers/providers/providers"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		n, err := resource.Parse(path)
		if err != nil {
			return
		}
		for _, again := range []string{string(n.Scope), n.ID} {
			m, err := resource.Parse(again)
			if err != nil || m.Scope != n.Scope || m.Kind != n.Kind || m.Parent != n.Parent || !strings.EqualFold(m.Type, n.Type) {
				t.Fatalf("%q comes to %+v, and %q to %+v, %v", path, n, again, m, err)
			}
		}
		if resource.KindOf(n.Scope) != n.Kind {
			t.Fatalf("%q is a %d, and its scope %s a %d", path, n.Kind, n.Scope, resource.KindOf(n.Scope))
		}
		if above, ok := resource.Above(n.Scope); ok && (above != n.Parent || !resource.Within(n.Scope, above)) {
			t.Fatalf("above %s is %s, parsed %s", n.Scope, above, n.Parent)
		}
	})
}
