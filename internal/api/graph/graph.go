// Package graph speaks Microsoft Graph, v1.0 and beta, for directory roles and for the members and owners of groups: role
// definitions, requests, schedules, instances, policies and approvals, and what of the directory PIM's callers use beside
// them. What Graph says of roles and of groups in different words stands in provider.go; all else serves both.
//
// It is a translator: it turns a call into an ask or a query of the application, and the outcome into the words of
// Graph. No rule of PIM is decided here. Names, types and nullability are those of the published schema; behaviour is
// that of the reference graph-pim, and every known difference stands in docs/divergences-graph.md, by its section.
//
// Whole classes of small things are done in one place: letter case and forms of addresses by the frame (package api),
// query options by api/odata, lists by list.go, related objects by relation.go, errors by problem.go.
package graph

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// Application is what the dialect asks of the application; *app.App is one.
type Application interface {
	Do(context.Context, pim.Ask) (pim.Outcome, error)
	Time() time.Time
	Requests(context.Context, pim.Caller, pim.Provider, pim.Kind, app.View, store.Query) (store.Page[pim.Request], error)
	Request(context.Context, pim.Caller, pim.TenantID, pim.Provider, pim.Kind, pim.RequestID) (pim.Request, error)
	Grants(context.Context, pim.Caller, app.GrantQuery) (store.Page[pim.Instance], error)
	Roles(context.Context, pim.TenantID) ([]app.RoleDefinition, error)
	Role(context.Context, pim.TenantID, pim.RoleID) (app.RoleDefinition, error)
	MayDecideEach(context.Context, pim.Caller, pim.TenantID, []pim.Request) ([]bool, error)
	Events(context.Context, pim.Caller, store.Query) (store.Page[pim.Event], error)
	Policies(context.Context, pim.Caller, []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error)
	EditPolicy(context.Context, pim.Caller, pim.RoleKey, func(*policy.Rules) error) (policy.Policy, error)
}

// Editor changes the directory: custom role definitions, users, groups, administrative units and applications. An edit
// is given the object as it is and may be called again. The refusals are told beside each function of *app.App, which is
// one.
type Editor interface {
	CreateRole(ctx context.Context, by pim.Caller, t pim.TenantID, edit func(*directory.Object) error) (app.RoleDefinition, error)
	UpdateRole(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.RoleID, edit func(*directory.Object) error) (app.RoleDefinition, error)
	DeleteRole(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.RoleID) error

	CreateUser(ctx context.Context, by pim.Caller, t pim.TenantID, u app.NewUser) (directory.Object, error)
	UpdateUser(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error) (directory.Object, error)
	ResetUser(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error, p *app.NewPassword) (directory.Object, error)
	DeleteUser(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error

	CreateGroup(ctx context.Context, by pim.Caller, t pim.TenantID, g app.NewGroup) (directory.Object, error)
	UpdateGroup(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error, m app.MembershipChange) (directory.Object, error)
	DeleteGroup(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error

	CreateUnit(ctx context.Context, by pim.Caller, t pim.TenantID, u app.NewUnit) (directory.Object, error)
	UpdateUnit(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error, m app.MembershipChange) (directory.Object, error)
	DeleteUnit(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error

	CreateApplication(ctx context.Context, by pim.Caller, t pim.TenantID, n app.NewApplication) (directory.Object, error)
	UpdateApplication(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error, m app.MembershipChange) (directory.Object, error)
	DeleteApplication(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error

	Deleted(ctx context.Context, q store.Query) (store.Page[directory.Object], error)
	RestoreObject(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) (directory.Object, error)
	PurgeObject(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error
}

// Directory is who and what is there; a store.Store is one.
type Directory interface {
	Tenants(context.Context) ([]directory.Tenant, error)
	Objects(context.Context, store.Query) (store.Page[directory.Object], error)
	ObjectsByID(context.Context, pim.TenantID, []pim.PrincipalID) ([]directory.Object, error)
	Links(ctx context.Context, t pim.TenantID, r directory.Relation, from, to pim.PrincipalID) ([]directory.Link, error)
	GroupsAbove(ctx context.Context, t pim.TenantID, member pim.PrincipalID) ([]directory.Link, error)
	MembersBelow(ctx context.Context, t pim.TenantID, group pim.PrincipalID) ([]directory.Link, error)
}

// Surface serves the dialect. Make one with New.
type Surface struct {
	app       Application
	directory Directory
	editor    Editor
	kinds     [2]*kinds // v1.0 and beta
	// descriptions of both versions are made when somebody first asks.
	descriptions [2]func() (*description, error)
}

// New makes the surface. Without an Editor everything but PIM can be read only.
func New(a Application, d Directory, r Editor) *Surface {
	s := &Surface{app: a, directory: d, editor: r, kinds: [2]*kinds{newKinds(false), newKinds(true)}}
	for i, beta := range []bool{false, true} {
		s.descriptions[i] = sync.OnceValues(func() (*description, error) { return s.describe(beta) })
	}
	return s
}

var _ api.Surface = (*Surface)(nil)

// Prefixes are the two versions.
func (s *Surface) Prefixes() []string { return []string{"v1.0", "beta"} }

// call is one call as the handlers of this dialect see it.
type call struct {
	listing.Call
	*Surface
	*kinds
	beta bool
	// view says whose rows a list shows.
	view app.View
	// ownToo lets callers who may not read everybody's rows have their own instead.
	ownToo bool
	// now is the one instant by which the answer is written.
	now time.Time
}

// handler is what a route of this dialect runs.
type handler func(*call) (api.Answer, error)

// as makes the handler of one version.
func (s *Surface) as(beta bool, h handler) api.Handler {
	k := s.kinds[0]
	if beta {
		k = s.kinds[1]
	}
	return func(r *api.Request) (api.Answer, error) {
		return h(&call{Call: listing.NewCall(r, "/"+versionName(beta)), Surface: s, kinds: k, beta: beta, now: s.app.Time()})
	}
}

func versionName(beta bool) string {
	if beta {
		return "beta"
	}
	return "v1.0"
}

// id is the value of the path's wildcard of that name, as ids are kept.
func (c *call) id(name string) string { return strings.ToLower(c.PathValue(name)) }

func noContent() (api.Answer, error) { return api.Answer{Status: http.StatusNoContent}, nil }
