// Package native is Portcullis' own small surface, for what no dialect of Microsoft's has words for: how far the
// outside has come, what the audit log tells of one request, whether somebody holds a role or may do an action at this
// moment, and who may decide a request.
//
// It reads, but for what is carried over from another server. All addresses are below /portcullis/v1 and answer JSON; names are camelCase, ids those of the other
// surfaces, instants UTC with up to six digits of a second. Members may be added to answers, none is taken away.
//
//	GET /portcullis/v1/effects  schedule=ID  principal=me|ID  state=pending|usable|revoking|gone  stuck=true|false
//	    {"value":[{…}],"nextLink":…}: what doors were told and what they proved. To readers everybody's, to others
//	    their own, by the order of effects' ids.
//	GET /portcullis/v1/events   request=ID  schedule=ID  principal=me|ID
//	    {"value":[{…}],"nextLink":…}: the audit log in the order of time. For the roles that may read it.
//	GET /portcullis/v1/events.csv  $filter=…  $orderby=activityDateTime [desc]
//	    the audit log as a table (RFC 4180), streamed: the rows of Graph's auditLogs/directoryAudits with its filter, the
//	    latest first, to their end. Cells that a spreadsheet would take for a formula begin with an apostrophe. A broken
//	    connection means that rows are missing. Columns may be added, at the end.
//	GET /portcullis/v1/mails    state=unaddressed|waiting|sent|over|givenUp  stuck=true|false
//	    {"value":[{…}],"nextLink":…}: who was told what by mail, and what could not be sent, the latest first, for thirty
//	    days after their end. For the roles that may read the audit log.
//	GET /portcullis/v1/check    role=ID  scope=/…  principal=me|ID
//	    {"held":…,"until":…,…}: whether the principal holds a directory role now, computed from intervals as the
//	    server's own gates do. Oneself always; others only for those who may read everybody's grants.
//	GET /portcullis/v1/allowed  action=…  data=true|false  scope=/…  principal=me|ID
//	    {"allowed":…,"verdict":"allowed|denied|constrained|none","until":…,…}: whether the principal may do an action (of the
//	    data plane, where data is true) to the resource at the scope now, by all roles held there and above, conditions and
//	    deny assignments. Whether anything is there does not matter. Oneself always; others only for those who may read role
//	    assignments at the scope.
//	GET /portcullis/v1/approvers  request=ID
//	    {"value":[{"id","displayName","userPrincipalName"}],"more":…}: the people who may decide the request's open
//	    stages now, by name, groups taken apart and never whoever asked; more says that there are others. For whoever may
//	    see the request: its principal, its maker, its approvers and readers. Empty where it waits for no approval.
//	GET /portcullis/v1/dialects  dialect=NAME
//	    {"value":[{"dialect","mode":"on|readOnly|off","applicationId","applicationName","route","count","firstDateTime",
//	    "lastDateTime"}]}: who calls what of the dialects that are on their way out, refused calls included, at most
//	    10,000 rows, those called last; a dialect that nobody has called is there with the count 0. For the roles that may
//	    read the audit log. Calls of other nodes are there after some ten seconds.
//
//	POST /portcullis/v1/carriedRequests  {"provider":"directory|group|resource","kind":"assignment|eligibility",
//	    "action":"selfActivate|selfExtend|selfRenew","scope","role","principalId","justification",
//	    "scheduleInfo":{…},"ticketInfo":{…}}
//	    201 {"id":…}: makes the request that somebody made at another server, where it waits for a decision, so that it waits
//	    here: as whoever administers the role, and not for oneself. Schedule and ticket are those of Graph. It is refused
//	    where the role's rules ask for nobody's decision. Errors name the core's code: AlreadyPending is one to go on at.
//
// Lists take top=N (100, at most 999) and are followed by nextLink, which ends with the list.
//
// # Permissions
//
// A person's token needs one of the delegated permissions, an application's one of the application permissions. They
// are those of Graph (reference graph-pim §4.1), so that no client has to be given new ones:
//
//	effects, check, allowed
//	                 RoleAssignmentSchedule.Read.Directory, RoleAssignmentSchedule.ReadWrite.Directory,
//	                 RoleManagement.Read.Directory, RoleManagement.ReadWrite.Directory, RoleManagement.Read.All
//	approvers        these, PrivilegedAssignmentSchedule.Read.AzureADGroup,
//	                 PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup
//	carriedRequests  those for writing requests of the provider: RoleAssignmentSchedule.ReadWrite.Directory or
//	                 RoleManagement.ReadWrite.Directory, PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup,
//	                 user_impersonation; people alone
//	events(.csv), mails, dialects  AuditLog.Read.All, Directory.Read.All
//
// Errors have the envelope of Graph: {"error":{"code","message","innerError":{"date","request-id",…}}}.
package native

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Application is what the surface asks of the application; *app.App is one.
type Application interface {
	Do(context.Context, pim.Ask) (pim.Outcome, error)
	Time() time.Time
	Effects(context.Context, pim.Caller, store.Query) (store.Page[pim.Effect], error)
	Events(context.Context, pim.Caller, store.Query) (store.Page[pim.Event], error)
	Mails(context.Context, pim.Caller, store.Query) (store.Page[pim.Mail], error)
	Deciders(context.Context, pim.Caller, pim.TenantID, pim.RequestID) (app.Deciders, error)
}

// Checker answers who holds what now; *access.Index is one.
type Checker interface {
	Check(now time.Time, q access.Question) access.Answer
	Allowed(now time.Time, q access.ResourceQuestion) access.ResourceAnswer
}

// Surface serves the addresses. Make one with New.
type Surface struct {
	app   Application
	check Checker

	// ExportEvents serves events.csv, with the permissions of events; nil: it is not there. It is set before first use.
	ExportEvents api.Handler
	// Dialects are told of at dialects; nil: it is not there. It is set before first use.
	Dialects *Dialects
	// Checked is told the reason, or the verdict, of each answer of check and allowed; nil: nobody is. It is set before first use.
	Checked func(reason string)
}

func (s *Surface) checked(reason string) {
	if s.Checked != nil {
		s.Checked(reason)
	}
}

// checking marks a route that answers from memory.
func checking(r api.Route) api.Route {
	r.Check = true
	return r
}

// New makes the surface.
func New(a Application, c Checker) *Surface { return &Surface{app: a, check: c} }

var _ api.Surface = (*Surface)(nil)

// Prefixes are the first segments of the addresses.
func (s *Surface) Prefixes() []string { return []string{"portcullis"} }

// Routes are the operations.
func (s *Surface) Routes() []api.Route {
	grants := []string{
		"RoleAssignmentSchedule.Read.Directory", "RoleAssignmentSchedule.ReadWrite.Directory",
		"RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", "RoleManagement.Read.All",
	}
	approvals := slices.Concat(grants, []string{
		"PrivilegedAssignmentSchedule.Read.AzureADGroup", "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
	})
	log := []string{"AuditLog.Read.All", "Directory.Read.All"}
	get := func(name string, permissions []string, h api.Handler) api.Route {
		return api.Route{
			Method: http.MethodGet, Pattern: "/portcullis/v1/" + name,
			Access: api.Access{Delegated: permissions, Application: permissions}, Handle: h,
		}
	}
	routes := []api.Route{
		get("effects", grants, s.effects),
		get("events", log, s.events),
		get("mails", log, s.mails),
		checking(get("check", grants, s.checkRole)),
		checking(get("allowed", grants, s.checkAction)),
		get("approvers", approvals, s.approvers),
	}
	var carrying []string
	for _, p := range []pim.Provider{pim.Directory, pim.Group, pim.Resource} {
		carrying = append(carrying, carryPermissions(p)...)
	}
	routes = append(routes, api.Route{Method: http.MethodPost, Pattern: "/portcullis/v1/carriedRequests",
		Access: api.Access{Delegated: carrying}, Handle: s.carry})
	if s.ExportEvents != nil {
		routes = append(routes, get("events.csv", log, s.ExportEvents))
	}
	if s.Dialects != nil {
		routes = append(routes, get("dialects", log, s.dialects))
	}
	return routes
}

func answer(v any) (api.Answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return api.Answer{}, fmt.Errorf("write the answer: %w", err)
	}
	return api.Answer{Status: http.StatusOK, Type: "application/json;charset=utf-8", Body: body}, nil
}

// instant is a time as it is written; nil is none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
