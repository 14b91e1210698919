// Package native is Portcullis' own small surface, for what no dialect of Microsoft's has words for: how far the
// outside has come, what the audit log tells of one request, and whether somebody holds a role at this moment.
//
// It only reads. All addresses are below /portcullis/v1 and answer JSON; names are camelCase, ids those of the other
// surfaces, instants UTC with up to six digits of a second. Members may be added to answers, none is taken away.
//
//	GET /portcullis/v1/effects  schedule=ID  principal=me|ID  state=pending|usable|revoking|gone  stuck=true|false
//	    {"value":[{…}],"nextLink":…}: what doors were told and what they proved. To readers everybody's, to others
//	    their own, by the order of effects' ids.
//	GET /portcullis/v1/events   request=ID  schedule=ID  principal=me|ID
//	    {"value":[{…}],"nextLink":…}: the audit log in the order of time. For the roles that may read it.
//	GET /portcullis/v1/check    role=ID  scope=/…  principal=me|ID
//	    {"held":…,"until":…,…}: whether the principal holds a directory role now, computed from intervals as the
//	    server's own gates do. Oneself always; others only for those who may read everybody's grants.
//
// Lists take top=N (100, at most 999) and are followed by nextLink, which ends with the list.
//
// # Permissions
//
// A person's token needs one of the delegated permissions, an application's one of the application permissions. They
// are those of Graph (reference graph-pim §4.1), so that no client has to be given new ones:
//
//	effects, check   RoleAssignmentSchedule.Read.Directory, RoleAssignmentSchedule.ReadWrite.Directory,
//	                 RoleManagement.Read.Directory, RoleManagement.ReadWrite.Directory, RoleManagement.Read.All
//	events           AuditLog.Read.All, Directory.Read.All
//
// Errors have the envelope of Graph: {"error":{"code","message","innerError":{"date","request-id",…}}}.
package native

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Application is what the surface asks of the application; *app.App is one.
type Application interface {
	Time() time.Time
	Effects(context.Context, pim.Caller, store.Query) (store.Page[pim.Effect], error)
	Events(context.Context, pim.Caller, store.Query) (store.Page[pim.Event], error)
}

// Checker answers who holds what now; *access.Index is one.
type Checker interface {
	Check(now time.Time, q access.Question) access.Answer
}

// Surface serves the addresses. Make one with New.
type Surface struct {
	app   Application
	check Checker
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
	log := []string{"AuditLog.Read.All", "Directory.Read.All"}
	get := func(name string, permissions []string, h api.Handler) api.Route {
		return api.Route{
			Method: http.MethodGet, Pattern: "/portcullis/v1/" + name,
			Access: api.Access{Delegated: permissions, Application: permissions}, Handle: h,
		}
	}
	return []api.Route{
		get("effects", grants, s.effects),
		get("events", log, s.events),
		get("check", grants, s.checkRole),
	}
}

func answer(status int, v any) (api.Answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return api.Answer{}, fmt.Errorf("write the answer: %w", err)
	}
	return api.Answer{Status: status, Type: "application/json;charset=utf-8", Body: body}, nil
}

// instant is a time as it is written; nil is none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
