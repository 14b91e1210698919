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
	"net/url"
	"strings"
	"sync"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
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
	*api.Request
	*Surface
	*kinds
	beta bool
	meta metadata
	// view says whose rows a list shows.
	view app.View
	// ownToo lets callers who may not read everybody's rows have their own instead.
	ownToo bool
	// function says that the list is the result of a function: its rows then carry their type.
	function bool
	// count says that the call wants the number of rows alone.
	count bool
	// now is the one instant by which the answer is written.
	now time.Time
}

// metadata says how much of OData's own words an answer carries (OData JSON Format 4.01 §3).
type metadata int

const (
	minimal metadata = iota
	none
	full
)

func (m metadata) String() string {
	switch m {
	case none:
		return "none"
	case full:
		return "full"
	case minimal:
	}
	return "minimal"
}

func metadataOf(r *http.Request) metadata {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	switch {
	case strings.Contains(accept, "odata.metadata=none"):
		return none
	case strings.Contains(accept, "odata.metadata=full"):
		return full
	}
	return minimal
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
		return h(&call{Request: r, Surface: s, kinds: k, beta: beta, meta: metadataOf(r.Request), now: s.app.Time()})
	}
}

func (c *call) version() string {
	if c.beta {
		return "beta"
	}
	return "v1.0"
}

// base is the address of the version on the host that the caller used.
func (c *call) base() string { return c.Origin + "/" + c.version() }

// query reads and checks the query options.
func (c *call) query(schema *odata.Schema) (odata.Query, error) {
	values, err := odata.Values(c.URL.RawQuery)
	if err != nil {
		return odata.Query{}, err
	}
	q, err := odata.Parse(values)
	if err != nil {
		return odata.Query{}, err
	}
	return schema.Check(q)
}

// address is the absolute address of the call as it came.
func (c *call) address() *url.URL {
	u := *c.Sent
	if origin, err := url.Parse(c.Origin); err == nil {
		u.Scheme, u.Host = origin.Scheme, origin.Host
	}
	return &u
}

// id is the value of the path's wildcard of that name, as ids are kept.
func (c *call) id(name string) string { return strings.ToLower(c.PathValue(name)) }

// json is an answer with a JSON body.
func (c *call) json(status int, body []byte) api.Answer {
	return api.Answer{Status: status, Type: contentType(c.meta), Body: body, Header: http.Header{"Odata-Version": {"4.0"}}}
}

func contentType(m metadata) string {
	return "application/json;odata.metadata=" + m.String() + ";odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
}

func noContent() (api.Answer, error) { return api.Answer{Status: http.StatusNoContent}, nil }

func number(n int) api.Answer {
	return api.Answer{Status: http.StatusOK, Type: "text/plain;charset=utf-8", Body: wire.AppendInt(nil, n)}
}
