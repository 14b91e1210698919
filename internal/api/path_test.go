package api

import (
	"net/url"
	"strings"
	"testing"
)

func testNames() names {
	n := names{}
	for _, p := range []string{
		"/v1.0/roleManagement/directory/roleAssignmentSchedules/filterByCurrentUser()", "/v1.0/users/{id}", "/v1.0/me",
		"/beta/roleManagement/directory/roleSchedules()", "/v1.0/directoryRoles()", "/v1.0/directoryRoles/{id}/members/$count", "/v1.0/groups/{id}/members/microsoft.graph.user",
	} {
		n.learn(p)
		n.qualify(p)
	}
	return n
}

// TestAddressesComeToOneForm is a page of facts: how callers write addresses, and what they mean.
func TestAddressesComeToOneForm(t *testing.T) {
	n := testNames()
	check := func(escaped, want, arguments string) {
		t.Helper()
		a, ok := n.normal(escaped)
		if !ok {
			t.Errorf("%s: refused, want %s", escaped, want)
			return
		}
		u := a.apply(&url.URL{})
		if u.EscapedPath() != want || a.arguments != arguments {
			t.Errorf("%s: got %s and %q, want %s and %q", escaped, u.EscapedPath(), a.arguments, want, arguments)
		}
	}
	check("/v1.0/me", "/v1.0/me", "")
	check("/V1.0/ME/", "/v1.0/me", "")
	check("//v1.0///roleManagement//directory/RoleAssignmentSchedules/", "/v1.0/roleManagement/directory/roleAssignmentSchedules", "")
	check("/v1.0/users('a@b')", "/v1.0/users/a@b", "")
	check("/v1.0/users('o''brien')", "/v1.0/users/o%27brien", "")
	check("/v1.0/users(4711)", "/v1.0/users/4711", "")
	check("/v1.0/users/o'brien@x", "/v1.0/users/o%27brien@x", "")
	check("/v1.0/users/('4711')", "/v1.0/users/4711", "")
	check("/v1.0/users%28%274711%27%29", "/v1.0/users/4711", "")
	check("/v1.0/Users/Group%20Of/members", "/v1.0/users/Group%20Of/members", "")
	check("/v1.0/users/a%2Fb", "/v1.0/users/a%2Fb", "")
	check("/v1.0/roleManagement/directory/roleAssignmentSchedules/FilterByCurrentUser(on='principal')",
		"/v1.0/roleManagement/directory/roleAssignmentSchedules/filterByCurrentUser%28%29", "on='principal'")
	check("/beta/roleManagement/directory/roleSchedules(directoryScopeId='/',appScopeId='')",
		"/beta/roleManagement/directory/roleSchedules%28%29", "directoryScopeId='/',appScopeId=''")
	check("/v1.0/directoryRoles(roletemplateid ='x')/Members", "/v1.0/directoryRoles%28%29/members", "roletemplateid ='x'")
	check("/v1.0/users/name(with)brackets", "/v1.0/users/name%28with%29brackets", "")
	check("/v1.0/users/odd(name)", "/v1.0/users/odd%28name%29", "")
	check("/v1.0/directoryRoles/x/members/$COUNT", "/v1.0/directoryRoles/x/members/$count", "")
	check("/v1.0/groups/x/members/microsoft.graph.User", "/v1.0/groups/x/members/microsoft.graph.user", "")
	check("/v1.0/roleManagement/directory/roleAssignmentSchedules/microsoft.graph.FilterByCurrentUser(on='principal')",
		"/v1.0/roleManagement/directory/roleAssignmentSchedules/filterByCurrentUser%28%29", "on='principal'")
	check("/beta/roleManagement/directory/graph.roleSchedules()", "/beta/roleManagement/directory/roleSchedules%28%29", "")
	check("/v1.0/groups/x/members/graph.user", "/v1.0/groups/x/members/microsoft.graph.user", "")
	check("/v1.0/groups/x/members/other.graph.user", "/v1.0/groups/x/members/other.graph.user", "")
	for _, bad := range []string{"/v1.0/../me", "/v1.0/./me", "/v1.0/%2e%2e/me", "/v1.0/%zz", "/" + strings.Repeat("a", maxPath+1), strings.Repeat("/a", 40)} {
		if a, ok := n.normal(bad); ok {
			t.Errorf("%.40s: got %v, want it refused", bad, a.segments)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/v1.0/users('a')", "//x//('')/%28", "/a(b='/')/c", "/%2e%2e/"} {
		f.Add(s)
	}
	n := testNames()
	f.Fuzz(func(t *testing.T, path string) {
		a, ok := n.normal(path)
		if !ok {
			return
		}
		once := a.apply(&url.URL{}).EscapedPath()
		if strings.Contains(once, "//") || strings.Contains(once, "/./") || strings.Contains(once, "/../") {
			t.Fatalf("%q became %q", path, once)
		}
	})
}
