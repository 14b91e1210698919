package pimv2

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
)

// route is one operation below a provider, as both forms have it.
type route struct {
	method string
	path   string
	handle handler
	// hostOnly says that the service's own host alone has it.
	hostOnly bool
}

func get(path string, h handler) route  { return route{method: http.MethodGet, path: path, handle: h} }
func post(path string, h handler) route { return route{method: http.MethodPost, path: path, handle: h} }
func patch(path string, h handler) route {
	return route{method: http.MethodPatch, path: path, handle: h}
}

// onHost is a route that the service's own host alone has.
func onHost(r route) route {
	r.hostOnly = true
	return r
}

// counted is a list and its $count.
func counted(path string, h handler) []route {
	return []route{get(path, h), get(path+"/$count", func(c *call) (api.Answer, error) {
		c.CountOnly = true
		return h(c)
	})}
}

// inBoth is a set at its two places: below the provider, and below a resource (reference pim-v2 §2).
func inBoth(set string, routes func(path string) []route) []route {
	return append(routes("/"+set), routes("/resources/{resource}/"+set)...)
}

// led are the routes from an item to what it leads to.
func led(path string, names []string, to func(name string) handler) []route {
	var out []route
	for _, n := range names {
		out = append(out, get(path+"/"+n, to(n)))
	}
	return out
}

// table is what every provider offers (reference pim-v2 §2 and §10).
func table() []route {
	var t []route
	for _, part := range [][]route{
		resourceRoutes(), roleDefinitionRoutes(), assignmentRoutes(), requestRoutes(), settingRoutes(),
	} {
		t = append(t, part...)
	}
	return t
}

// Routes are all operations in both forms, for each provider and for the old name of one.
func (s *Surface) Routes() []api.Route {
	var out []api.Route
	for _, root := range []string{graphRoot, hostRoot} {
		base := root + "/privilegedAccess"
		out = append(out, api.Route{Method: http.MethodGet, Pattern: base, Access: access(root, http.MethodGet, governance.Providers()...),
			Handle: s.as(root, "", listProviders)})
		for _, p := range governance.Providers() {
			out = append(out, s.below(root, base+"/"+governance.Provider(p), p)...)
		}
		out = append(out, s.below(root, base+"/pimforazurerbac", pim.Resource)...)
	}
	return out
}

// below are the routes of one provider.
func (s *Surface) below(root, base string, p pim.Provider) []api.Route {
	out := []api.Route{{Method: http.MethodGet, Pattern: base, Access: access(root, http.MethodGet, p), Handle: s.as(root, p, getProvider)}}
	for _, r := range table() {
		if r.hostOnly && root != hostRoot {
			continue
		}
		out = append(out, api.Route{Method: r.method, Pattern: base + r.path, Access: access(root, r.method, p), Handle: s.as(root, p, r.handle)})
	}
	return out
}

// access is which permissions open an operation (reference pim-v2 §2): applications may read alone. The service's own host also
// takes the one permission of tokens that are made out to it, or to Azure Resource Manager (§10); these open nothing of Graph.
func access(root, method string, providers ...pim.Provider) api.Access {
	var a api.Access
	for _, p := range providers {
		read, write := "PrivilegedAccess.Read."+suffix(p), "PrivilegedAccess.ReadWrite."+suffix(p)
		a.Delegated = append(a.Delegated, write)
		if method == http.MethodGet {
			a.Delegated = append(a.Delegated, read)
			a.Application = append(a.Application, read, write)
		}
	}
	if root == hostRoot {
		a.Delegated = append(a.Delegated, auth.UserImpersonation)
		return a
	}
	a.NotMadeFor = auth.BesidesGraph()
	return a
}

// suffix is how the names of a provider's permissions end.
func suffix(p pim.Provider) string {
	switch p {
	case pim.Directory:
		return "AzureAD"
	case pim.Group:
		return "AzureADGroup"
	case pim.Resource:
	}
	return "AzureResources"
}

func resourceRoutes() []route {
	out := counted("/resources", listResources)
	return append(out,
		get("/resources/{resource}", getResource),
		get("/resources/{resource}/parent", getParent),
		post("/resources/register", register),
	)
}

func roleDefinitionRoutes() []route {
	return inBoth("roleDefinitions", func(set string) []route {
		out := append(counted(set, listRoleDefinitions), get(set+"/{id}", getRoleDefinition))
		return append(out, led(set+"/{id}", []string{"resource", "roleSetting"}, navigateRoleDefinition)...)
	})
}

func assignmentRoutes() []route {
	return inBoth("roleAssignments", func(set string) []route {
		out := append(counted(set, listAssignments), get(set+"/{id}", getAssignment),
			get(set+"/export", exportAssignments), get(set+"/export()", exportAssignments))
		return append(out, led(set+"/{id}", assignmentNavigations(), navigateAssignment)...)
	})
}

// assignmentNavigations are what an assignment leads to.
func assignmentNavigations() []string {
	return []string{"resource", "roleDefinition", "subject", "linkedEligibleRoleAssignment", "scopedResource"}
}
