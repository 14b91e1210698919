// Package pimv1 speaks PIM's first iteration: privilegedRoles and what belongs to it in Microsoft Graph's beta of 2016 to 2021,
// which their vendor switched off (reference pim-v2 §11). It knows directory roles and people alone, one row for each person and
// role.
//
// It is a translator like its siblings: a call becomes an ask or a query of the application, and no rule of PIM is decided here.
// Every known difference stands in docs/divergences-v1.md.
package pimv1

import (
	"context"
	"net/http"
	"strings"
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
	InOrder(context.Context, []pim.Ask) ([]pim.Outcome, error)
	Time() time.Time
	Requests(context.Context, pim.Caller, pim.Provider, pim.Kind, app.View, store.Query) (store.Page[pim.Request], error)
	Request(context.Context, pim.Caller, pim.TenantID, pim.Provider, pim.Kind, pim.RequestID) (pim.Request, error)
	Grants(context.Context, pim.Caller, app.GrantQuery) (store.Page[pim.Instance], error)
	Roles(context.Context, pim.TenantID) ([]app.RoleDefinition, error)
	Events(context.Context, pim.Caller, store.Query) (store.Page[pim.Event], error)
	Policies(context.Context, pim.Caller, []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error)
	EditPolicy(context.Context, pim.Caller, pim.RoleKey, func(*policy.Rules) error) (policy.Policy, error)
}

// Directory is who and what is there; a store.Store is one.
type Directory interface {
	ObjectsByID(context.Context, pim.TenantID, []pim.PrincipalID) ([]directory.Object, error)
}

// Options say how the dialect stands.
type Options struct {
	Mode api.Mode
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

const root = "/beta"

// Name is what the dialect goes by where its calls are counted.
const Name = "v1"

// Prefixes are its sets.
func (s *Surface) Prefixes() []string {
	return []string{"beta/privilegedRoles", "beta/privilegedRoleAssignments", "beta/privilegedRoleAssignmentRequests",
		"beta/privilegedApproval", "beta/privilegedOperationEvents", "beta/privilegedSignupStatus"}
}

// call is one call as the handlers of this dialect see it.
type call struct {
	listing.Call
	*Surface
	// now is the one instant by which the answer is written.
	now time.Time
}

// handler is what a route of this dialect runs.
type handler func(*call) (api.Answer, error)

// as makes the handler of a route.
func (s *Surface) as(h handler) api.Handler {
	return func(r *api.Request) (api.Answer, error) {
		return h(&call{Call: listing.NewCall(r, root), Surface: s, now: s.app.Time()})
	}
}

// id is the value of the path's wildcard of that name, as ids are kept.
func (c *call) id(name string) string { return strings.ToLower(c.PathValue(name)) }

// Retirement says how the dialect stands.
func (s *Surface) Retirement(r *api.Request) *api.Retirement {
	return &api.Retirement{Dialect: Name, Deprecated: s.Deprecated, Sunset: s.Sunset, Successor: r.Origin + "/v1.0/roleManagement/directory",
		Mode: s.Mode, Gone: gone}
}

// gone answers where an operator has switched the dialect off, or for writing, as the service answered a tenant that had moved on
// (reference pim-v2 §9).
func gone(*api.Request) error {
	return &api.ODataError{Status: http.StatusBadRequest, Code: "TenantEnabledInAadRoleMigration",
		Message: "The endpoints of privileged roles have been switched off here. Use the interface that the Link header names."}
}
