package native

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
)

// carriedIn is a request of somebody else's that waits for a decision at another server.
type carriedIn struct {
	Provider      string         `json:"provider"`
	Kind          string         `json:"kind"`
	Action        string         `json:"action"`
	Scope         string         `json:"scope"`
	Role          string         `json:"role"`
	PrincipalID   string         `json:"principalId"`
	Justification string         `json:"justification"`
	ScheduleInfo  *wire.Schedule `json:"scheduleInfo"`
	TicketInfo    struct {
		Number string `json:"ticketNumber"`
		System string `json:"ticketSystem"`
	} `json:"ticketInfo"`
}

// carryPermissions are those that open requests of a provider for writing.
func carryPermissions(p pim.Provider) []string {
	switch p {
	case pim.Group:
		return []string{"PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup"}
	case pim.Resource:
		return []string{auth.UserImpersonation}
	case pim.Directory:
	}
	return []string{"RoleAssignmentSchedule.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory"}
}

// ask is the core's ask. The error may be shown.
func (in carriedIn) ask(by pim.Caller, t pim.TenantID) (pim.Ask, error) {
	action, ok := wire.ParseAction(in.Action)
	if !ok {
		return pim.Ask{}, api.BadRequest("'action' is selfActivate, selfExtend or selfRenew.")
	}
	kind := map[string]pim.Kind{"assignment": pim.Assignment, "eligibility": pim.Eligibility}[strings.ToLower(in.Kind)]
	if kind == 0 {
		return pim.Ask{}, api.BadRequest("'kind' is assignment or eligibility.")
	}
	provider := pim.Provider(strings.ToLower(in.Provider))
	if provider != pim.Directory && provider != pim.Group && provider != pim.Resource {
		return pim.Ask{}, api.BadRequest("'provider' is directory, group or resource.")
	}
	scope := pim.Scope(strings.ToLower(in.Scope))
	if unit, ok := strings.CutPrefix(string(scope), "/administrativeunits/"); ok && provider == pim.Directory {
		scope = pim.AdministrativeUnit(unit)
	}
	when, err := in.ScheduleInfo.Info()
	return pim.Ask{
		By: by, Carried: true, Action: action, Kind: kind, Schedule: when, Justification: in.Justification,
		Key:    pim.Key{Tenant: t, Provider: provider, Scope: scope, Role: pim.RoleID(strings.ToLower(in.Role)), Principal: pim.PrincipalID(strings.ToLower(in.PrincipalID))},
		Ticket: pim.Ticket{Number: in.TicketInfo.Number, System: in.TicketInfo.System},
	}, err
}

// carry takes a request over from another server.
func (s *Surface) carry(r *api.Request) (api.Answer, error) {
	var in carriedIn
	if err := api.Decode(r, &in); err != nil {
		return api.Answer{}, err
	}
	ask, err := in.ask(r.Caller, r.Tenant)
	if err != nil {
		return api.Answer{}, err
	}
	if needs := carryPermissions(ask.Key.Provider); !r.Token.Permits(needs...) {
		return api.Answer{}, &api.Fault{Problem: api.MissingPermission, Needs: needs,
			Detail: "Authorization failed due to missing permission scope " + strings.Join(needs, ",") + "."}
	}
	out, err := s.app.Do(r.Context(), ask)
	if err != nil {
		return api.Answer{}, err
	}
	body, err := json.Marshal(map[string]string{"id": string(out.Request.ID)})
	if err != nil {
		return api.Answer{}, fmt.Errorf("write the answer: %w", err)
	}
	return api.Answer{Status: http.StatusCreated, Type: "application/json;charset=utf-8", Body: body}, nil
}
