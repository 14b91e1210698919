// Package pimv2 speaks PIM's second iteration: privilegedAccess and the governance types of Microsoft Graph's beta, which their
// vendor switched off, and the same at /api/v2/privilegedAccess, as the service's own host had it and real callers use it
// (reference pim-v2 §2–§10).
//
// It is a translator like its siblings: a call becomes an ask or a query of the application, and no rule of PIM is decided here.
// A resource, a role definition, an assignment, a request and a setting are each a view of what the core knows under other ids;
// package governance has the words and the ids. Every known difference stands in docs/divergences-v2.md.
package pimv2

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Application is what the dialect asks of the application; *app.App is one.
type Application interface {
	Do(context.Context, pim.Ask) (pim.Outcome, error)
	InOrder(context.Context, []pim.Ask) ([]pim.Outcome, error)
	Time() time.Time
	Requests(context.Context, pim.Caller, pim.Provider, pim.Kind, app.View, store.Query) (store.Page[pim.Request], error)
	Request(context.Context, pim.Caller, pim.TenantID, pim.Provider, pim.Kind, pim.RequestID) (pim.Request, error)
	Grants(context.Context, pim.Caller, app.GrantQuery) (store.Page[pim.Instance], error)
	Grant(context.Context, pim.Caller, pim.TenantID, pim.Provider, pim.Kind, pim.ScheduleID) (pim.Instance, error)
	ResourceGrants(context.Context, pim.Caller, app.ResourceQuery) (store.Page[pim.Instance], error)
	ResourceGrant(ctx context.Context, by pim.Caller, t pim.TenantID, k pim.Kind, instances bool, scope pim.Scope, id pim.ScheduleID) (pim.Instance, error)
	ResourceRequests(context.Context, pim.Caller, app.ResourceQuery) (store.Page[pim.Request], error)
	ResourceRequest(context.Context, pim.Caller, pim.TenantID, pim.Kind, pim.RequestID) (pim.Request, error)
	Roles(context.Context, pim.TenantID) ([]app.RoleDefinition, error)
	ResourceRoles(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope, below bool) ([]rbac.Role, error)
	ResourceRolesByID(t pim.TenantID, ids []pim.RoleID) map[pim.RoleID]rbac.Role
	Policies(context.Context, pim.Caller, []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error)
	EditedPolicies(context.Context, pim.Caller, pim.RoleKey) (map[pim.RoleKey]policy.Policy, error)
	EditPolicy(context.Context, pim.Caller, pim.RoleKey, func(*policy.Rules) error) (policy.Policy, error)

	Tenant(context.Context, pim.TenantID) (directory.Tenant, error)
	Node(context.Context, pim.Caller, pim.TenantID, pim.Scope) (resource.Node, error)
	NodesByScope(context.Context, pim.TenantID, []pim.Scope) (map[pim.Scope]resource.Node, error)
	NodesByGovernanceID(context.Context, pim.TenantID, []string) (map[string]resource.Node, error)
	Reach(context.Context, pim.Caller, store.Query) (store.Page[resource.Node], error)
	ReachGroups(context.Context, pim.Caller, store.Query) (store.Page[directory.Object], error)
	MayReach(context.Context, pim.Caller, pim.RoleKey) (app.Reaching, error)
	MayReachEach(context.Context, pim.Caller, []pim.RoleKey) ([]app.Reaching, error)
	Register(context.Context, pim.Caller, pim.RoleKey) error
}

// Directory is who and what is there; a store.Store is one.
type Directory interface {
	ObjectsByID(context.Context, pim.TenantID, []pim.PrincipalID) ([]directory.Object, error)
}

// Options say how the dialect stands with each of its providers.
type Options struct {
	// Modes are on where nothing is said.
	Modes map[pim.Provider]api.Mode
	// Deprecated and Sunset are told to callers; zero: not.
	Deprecated, Sunset time.Time
}

// Surface serves the dialect. Make one with New.
type Surface struct {
	Options

	app       Application
	directory Directory
	kinds     *kinds
}

// New makes the surface.
func New(a Application, d Directory, o Options) *Surface {
	return &Surface{Options: o, app: a, directory: d, kinds: newKinds()}
}

var (
	_ api.Surface  = (*Surface)(nil)
	_ api.Retiring = (*Surface)(nil)
)

// The roots of the two forms: that of Microsoft Graph, and that of the service's own host.
const (
	graphRoot = "/beta"
	hostRoot  = "/api/v2"
)

// Prefixes are the two forms.
func (s *Surface) Prefixes() []string {
	return []string{"beta/privilegedAccess", "api/v2/privilegedAccess"}
}

// call is one call as the handlers of this dialect see it.
type call struct {
	listing.Call
	*Surface
	// provider is the one in the address.
	provider pim.Provider
	// host says that the call came in the form of the service's own host, which shows more members.
	host bool
	// now is the one instant by which the answer is written.
	now time.Time
	// seen are the nodes of the tree that were read for the answer.
	seen map[pim.Scope]resource.Node
}

// handler is what a route of this dialect runs.
type handler func(*call) (api.Answer, error)

// as makes the handler of one form and provider.
func (s *Surface) as(root string, p pim.Provider, h handler) api.Handler {
	return func(r *api.Request) (api.Answer, error) {
		return h(&call{Call: listing.NewCall(r, root), Surface: s,
			provider: p, host: root == hostRoot, now: s.app.Time(), seen: map[pim.Scope]resource.Node{}})
	}
}

// id is the value of the path's wildcard of that name, as ids are kept: lower case, and without the blanks that a client leaves.
func (c *call) id(name string) string { return strings.ToLower(strings.TrimSpace(c.PathValue(name))) }

// name is what the whole dialect goes by where its calls are counted.
const name = "v2"

// Name is what the dialect goes by there, by provider.
func Name(p pim.Provider) string { return name + "/" + governance.Provider(p) }

// Retirement says how the dialect stands with the provider that a call names.
func (s *Surface) Retirement(r *api.Request) *api.Retirement {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	at := slices.Index(segments, "privilegedAccess") + 1
	p, ok := pim.Provider(""), false
	if at < len(segments) {
		if p, ok = governance.ParseProvider(segments[at]); !ok {
			p = ""
		}
	}
	out := &api.Retirement{Dialect: name, Deprecated: s.Deprecated, Sunset: s.Sunset, Successor: r.Origin + successor(p), Gone: gone}
	if ok {
		out.Dialect, out.Mode = Name(p), s.Modes[p]
	}
	return out
}

// successor is where the same is said in the third iteration (reference pim-v2 §13.1).
func successor(p pim.Provider) string {
	switch p {
	case pim.Group:
		return "/v1.0/identityGovernance/privilegedAccess/group"
	case pim.Resource:
		return "/providers/Microsoft.Authorization"
	case pim.Directory:
	}
	return "/v1.0/roleManagement/directory"
}

// gone answers where an operator has switched the provider off, or for writing: never with an empty list, which would read as
// nobody being eligible.
func gone(*api.Request) error {
	return &api.ODataError{Status: http.StatusGone, Code: "Gone", Message: "This interface has been switched off here. Use the one that the Link header names."}
}
