// Package authzen answers doors: whether somebody may, now (OpenID Authorization API 1.0, https://openid.net/specs/authorization-api-1_0.html;
// sections are named by their titles). It only reads, from memory.
//
//	POST /access/v1/evaluation       {"subject","action","resource","context"} → {"decision","context"}
//	POST /access/v1/evaluations      the same for up to 1,000 "evaluations", with defaults at the top, all as of one instant;
//	                                 options.evaluations_semantic: execute_all, deny_on_first_deny, permit_on_first_permit
//	POST /access/v1/search/subject   who may do the action to the resource, page by page: {"page","context","results"}
//	POST /access/v1/search/resource  at which scopes the subject may do the action: those at which the role that allows it is held
//	POST /access/v1/search/action    which roles the subject holds at the resource, and which operations of its type it may do
//	GET  /.well-known/authzen-configuration  where all this is; open to everybody
//	GET  /access/v1/watch            a stream (server-sent events) of decisions and of how they change
//	     /access/v1/gate             200 or 403, with any method, for proxies that ask before they let a request through
//
// # What a question names
//
// A subject is an object id, a user principal name, a client id or an external id. Its type, where it is user, group, servicePrincipal
// or application, has to fit; any other type, such as identity, fits all.
//
// An action is a role, by its name or id, or an Azure action, which has a slash in it: of the data plane where
// action.properties.dataAction is true. In the directory and of groups there are roles alone ("member" and "owner" of a group).
//
// A resource is a scope. Of type directory: "/", "/administrativeUnits/{id}" or "/{object id}". Of type group: the group's object id. Of
// type azure or resource: a path of Azure Resource Manager; a role is held there if it is held there or above. Of any other type, such
// as todo or route: what resource.properties.scope names, in one of these forms ("/" is the directory's for roles, and the root of
// resources for Azure actions).
//
// # What an answer says
//
// context.reason is assignment or activation of a yes; of a no notActivated, later, over, undermined, none, denied, constrained,
// unknownSubject, unknownAction, unknownResource; stale where this node cannot know, behind where it does not come to see what
// context.consistencyToken in the question names, and forbidden of one of several evaluations that the caller may not ask. There may
// come more. context.until says up to when a yes certainly stays, nextChange when a no may change by itself, if nothing is committed
// meanwhile; neither is there where it is never. at is the instant that the answer is about, and consistencyToken what this node saw.
// chain says by what it is held: eligibility, request, assignment or activation, each group on the way (membership), and the scope.
//
// Every decision is answered with 200. 400 is a malformed question, 401 and 403 are about the caller. Searches on a node that cannot
// know are answered with 503, for an empty list would be believed.
//
// # Who may ask
//
// Everybody about themselves. About others whoever has the permission AccessEvaluation.Read.All, delegated or of an application; people
// need a role besides that lets them read who holds what there.
//
// # Watch
//
//	subject=NAME (repeated, at most 100)  subjectType  action  resourceType  resource  dataAction=true|false
//
// One question for all subjects, or, without action and resource, every role that each of them holds. The event is "decision":
// {"subject","decision","reason","until","nextChange","consistencyToken","at"}, with "action" and "resource" where everything is watched.
// First comes one for each subject (or role), then one at each change: by a commit, by the clock at its exact instant, or because this
// node can no longer know (stale). What cannot be foreseen, because a condition looks at the time, is looked at four times a second.
// After a broken connection the state is sent anew, whatever Last-Event-ID says. A comment comes every 15 seconds. The stream ends when
// the caller may not watch any more. An account can have 64 at once.
//
// # Gate
//
//	subject=NAME  subjectType  action  resourceType  resource  dataAction=true|false
//
// The subject may be in the header Portcullis-Subject instead. The answer has no body: 200 with Portcullis-Until, Portcullis-Reason and
// Portcullis-Consistency, or 403 with Portcullis-Reason. A parameter that is not known or comes twice is refused with 400, so that
// nobody can add to the question.
package authzen

import (
	"context"
	"net/http"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
)

// Permission lets callers ask about others.
const Permission = auth.EvaluationPermission

// Application is what the surface asks of the application; *app.App is one.
type Application interface {
	// Time is PIM's time.
	Time() time.Time
	// Fresh is nil where this node can know; else nobody holds anything.
	Fresh() error
	Token() string
	Await(ctx context.Context, token string) error
	Roles(context.Context, pim.TenantID) ([]app.RoleDefinition, error)
}

// Index answers who holds what now; *access.Index is one.
type Index interface {
	Find(pim.TenantID, string) (pim.PrincipalID, pim.PrincipalKind, bool)
	Check(time.Time, access.Question) access.Answer
	Allowed(time.Time, access.ResourceQuestion) access.ResourceAnswer
	Held(time.Time, pim.TenantID, pim.PrincipalID) []pim.HeldRole
	Holders(now time.Time, q access.Question, after pim.PrincipalID, limit int) []access.Holder
	ResourceHolders(now time.Time, q access.ResourceQuestion, after pim.PrincipalID, limit int) []access.Holder
	GroupsAbove(time.Time, pim.TenantID, pim.PrincipalID) []pim.PrincipalID
	Members(time.Time, pim.TenantID, pim.PrincipalID) []pim.PrincipalID
	NextChange(time.Time, pim.TenantID, pim.PrincipalID) time.Time
	Changed(pim.TenantID) <-chan struct{}
	ResourceRole(pim.TenantID, pim.RoleID) (*rbac.Role, bool)
	ResourceRoles(pim.TenantID) []*rbac.Role
}

// Surface serves the addresses. Make one with New.
type Surface struct {
	app   Application
	index Index
	roles roles
	rooms rooms

	streams streams

	// Checked is told the reason of each decision of an evaluation or a gate; nil: nobody is. It is set before first use and waits
	// for nothing.
	Checked func(reason string)
}

// New makes the surface.
func New(a Application, ix Index) *Surface {
	return &Surface{
		app: a, index: ix, roles: roles{list: a.Roles, now: time.Now},
		streams: streams{of: map[access.Account]int{}},
	}
}

var _ api.Surface = (*Surface)(nil)

const (
	base      = "/access/v1/"
	wellKnown = ".well-known/authzen-configuration"
)

// Prefixes are the first segments of the addresses.
func (s *Surface) Prefixes() []string { return []string{"access", wellKnown} }

// Routes are the operations.
func (s *Surface) Routes() []api.Route {
	route := func(method, name string, h api.Handler) api.Route {
		return api.Route{
			Method: method, Pattern: base + name, Handle: h, Check: true, Uncompleted: true,
			Access: api.Access{Anybody: true, Delegated: []string{Permission}, Application: []string{Permission}},
		}
	}
	routes := []api.Route{
		route(http.MethodPost, "evaluation", s.evaluation),
		route(http.MethodPost, "evaluations", s.evaluations),
		route(http.MethodPost, "search/subject", s.searchSubject),
		route(http.MethodPost, "search/resource", s.searchResource),
		route(http.MethodPost, "search/action", s.searchAction),
		route(http.MethodGet, "watch", s.watch),
		{Method: http.MethodGet, Pattern: "/" + wellKnown, Access: api.Access{Open: true}, Handle: s.metadata},
	}
	// Envoy asks with the method of the request that it asks about.
	for _, method := range []string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	} {
		routes = append(routes, route(method, "gate", s.gate))
	}
	return routes
}
