package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// oldRequest is governanceRoleAssignmentRequest as callers send it, with what the second iteration's own host knows beside.
type oldRequest struct {
	ResourceID                     string               `json:"resourceId"`
	RoleDefinitionID               string               `json:"roleDefinitionId"`
	SubjectID                      string               `json:"subjectId"`
	Type                           string               `json:"type"`
	AssignmentState                string               `json:"assignmentState"`
	Reason                         string               `json:"reason"`
	Schedule                       *governance.Schedule `json:"schedule"`
	LinkedEligibleRoleAssignmentID string               `json:"linkedEligibleRoleAssignmentId"`
	TicketNumber                   string               `json:"ticketNumber"`
	TicketSystem                   string               `json:"ticketSystem"`
	ScopedResourceID               string               `json:"scopedResourceId"`
	Condition                      string               `json:"condition"`
	ConditionVersion               string               `json:"conditionVersion"`
	ConditionDescription           string               `json:"conditionDescription"`
}

// requests translates a call of roleAssignmentRequests.
func (t *translation) requests(ctx context.Context, known *Known) error {
	switch {
	case t.method == http.MethodPost && t.id == "":
		return t.ask(ctx, known)
	case t.action == "cancel":
		return t.cancel(ctx, known)
	case t.action == "updaterequest":
		return t.decide(ctx, known)
	case t.id != "":
		return t.request(ctx, known)
	}
	if err := t.resolve(ctx, known, t.q.resource, t.q.role); err != nil {
		return err
	}
	for _, kind := range t.q.kinds() {
		if t.provider == pim.Resource {
			t.armGrants(requestSet(t.provider, kind))
		} else {
			t.graphGrants(requestSet(t.provider, kind), kind)
		}
	}
	if len(t.q.kinds()) > 1 {
		t.changed("assignmentState", "Requests for eligible and for active roles are two lists.")
	}
	return nil
}

// kindsOf are the kinds that a request may be of: what the server says, or both.
func (t *translation) kindsOf(ctx context.Context, known *Known) ([]pim.Kind, oldRequest, error) {
	r, ok, err := known.request(ctx, t.provider, t.id)
	if err != nil {
		return nil, r, err
	}
	if k, is := governance.ParseState(r.AssignmentState); ok && is {
		t.q.resource, t.q.role = r.ResourceID, r.RoleDefinitionID
		return []pim.Kind{k}, r, t.resolve(ctx, known, r.ResourceID, r.RoleDefinitionID)
	}
	t.changed("assignmentState", "Requests for eligible and for active roles stand in two sets: call the one that the request is in.")
	return []pim.Kind{pim.Assignment, pim.Eligibility}, r, nil
}

func (t *translation) request(ctx context.Context, known *Known) error {
	kinds, _, err := t.kindsOf(ctx, known)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		t.addAt(http.MethodGet, requestSet(t.provider, k)+"/"+t.id, nil)
	}
	t.sameID()
	return nil
}

// sameID says what becomes of a request's id.
func (t *translation) sameID() {
	t.changed("id", "A Portcullis knows a request by the same id in all iterations; elsewhere its id is another.")
}

func (t *translation) cancel(ctx context.Context, known *Known) error {
	kinds, _, err := t.kindsOf(ctx, known)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		t.addAt(http.MethodPost, requestSet(t.provider, k)+"/"+t.id+"/cancel", nil)
	}
	t.sameID()
	if t.provider == pim.Resource {
		t.changed("status", "The answer is 200 instead of 204.")
	}
	return nil
}

// addAt adds a call on a set of the provider: for resources at the scope.
func (t *translation) addAt(method, path string, body any) {
	if t.provider == pim.Resource {
		t.addARM(method, t.needScope(), path, body)
		return
	}
	t.add(method, graphRoot(t.provider)+path, body)
}

// ask translates the making of a request.
func (t *translation) ask(ctx context.Context, known *Known) error {
	r, err := readBody[oldRequest](t.Old.Body)
	if err != nil {
		return err
	}
	action, ok := governance.ParseType(r.Type)
	if !ok {
		return fmt.Errorf("the body's type %q is none of the nine kinds of requests", r.Type)
	}
	kind, ok := governance.ParseState(r.AssignmentState)
	if !ok {
		return fmt.Errorf("the body's assignmentState %q is neither Eligible nor Active", r.AssignmentState)
	}
	t.q.resource, t.q.role = first(r.ResourceID, t.q.resource), r.RoleDefinitionID
	if err := t.resolve(ctx, known, t.q.resource, r.RoleDefinitionID); err != nil {
		return err
	}
	if err := t.askWith(action, kind, r); err != nil {
		return err
	}
	if action == pim.AdminUpdate {
		t.changed("AdminUpdate", "An update that turns an eligible row into an active one, or back, is two requests: adminAssign of the new one, then adminRemove of the old.")
	}
	return nil
}

// askWith adds the request of an action.
func (t *translation) askWith(action pim.Action, kind pim.Kind, r oldRequest) error {
	in, err := scheduleOf(action, r)
	if err != nil {
		return err
	}
	var body any = t.graphRequest(action, r, in)
	method, path := http.MethodPost, requestSet(t.provider, kind)
	if t.provider == pim.Resource {
		body = armRequest{t.armProperties(action, r, in)}
		method, path = http.MethodPut, path+"/{guid}"
		if t.q.evaluate {
			method, path = http.MethodPost, path+"/validate"
		}
		t.changed("id", "{guid} is a new GUID that the program makes.")
	}
	t.addAt(method, path, body)
	if r.LinkedEligibleRoleAssignmentID != "" {
		t.changed("linkedEligibleRoleAssignmentId", "It is left out: the eligible row is found by scope, role and principal.")
	}
	if r.ConditionDescription != "" {
		t.lost("conditionDescription", "Conditions have no description.")
	}
	t.changed("status", "The state is one word, status, where status.subStatus was.")
	return nil
}

// scheduleOf is the schedule of a request; nil where an action takes none.
func scheduleOf(action pim.Action, r oldRequest) (json.RawMessage, error) {
	if wire.Removal(action) {
		return nil, nil
	}
	if r.Schedule == nil {
		if action == pim.SelfExtend || action == pim.SelfRenew {
			return nil, nil
		}
		return appendInfo(schedule.Info{Expiration: schedule.Expiration{Kind: schedule.NoExpiration}}), nil
	}
	in, err := r.Schedule.Info()
	if err != nil {
		return nil, fmt.Errorf("the body's schedule: %w", err)
	}
	return appendInfo(in), nil
}

// infoOut is a schedule as the third iteration takes it.
type infoOut struct {
	Start      *time.Time    `json:"startDateTime"`
	Expiration expirationOut `json:"expiration"`
}

type expirationOut struct {
	Type     string     `json:"type"`
	Duration string     `json:"duration,omitempty"`
	End      *time.Time `json:"endDateTime,omitempty"`
}

func appendInfo(in schedule.Info) json.RawMessage {
	out := infoOut{Expiration: expirationOut{Type: "noExpiration"}}
	if !in.Start.IsZero() {
		out.Start = &in.Start
	}
	switch in.Expiration.Kind {
	case schedule.AfterDuration:
		out.Expiration = expirationOut{Type: "afterDuration", Duration: in.Expiration.Duration.String()}
	case schedule.AfterDateTime:
		out.Expiration = expirationOut{Type: "afterDateTime", End: &in.Expiration.End}
	case schedule.NotSpecified, schedule.NoExpiration:
	}
	return writeBody(out)
}

// graphRequest is unifiedRole…ScheduleRequest and privilegedAccessGroup…ScheduleRequest.
type graphRequest struct {
	Action           string          `json:"action"`
	PrincipalID      string          `json:"principalId"`
	RoleDefinitionID string          `json:"roleDefinitionId,omitempty"`
	DirectoryScopeID string          `json:"directoryScopeId,omitempty"`
	GroupID          string          `json:"groupId,omitempty"`
	AccessID         string          `json:"accessId,omitempty"`
	Justification    string          `json:"justification,omitempty"`
	ScheduleInfo     json.RawMessage `json:"scheduleInfo,omitempty"`
	TicketInfo       *ticketInfo     `json:"ticketInfo,omitempty"`
	ValidationOnly   bool            `json:"isValidationOnly,omitempty"`
}

type ticketInfo struct {
	TicketNumber string `json:"ticketNumber"`
	TicketSystem string `json:"ticketSystem"`
}

func (r oldRequest) ticket() *ticketInfo {
	if r.TicketNumber == "" && r.TicketSystem == "" {
		return nil
	}
	return &ticketInfo{r.TicketNumber, r.TicketSystem}
}

func (t *translation) graphRequest(action pim.Action, r oldRequest, in json.RawMessage) graphRequest {
	out := graphRequest{Action: wire.ActionName(action), PrincipalID: r.SubjectID, Justification: r.Reason, ScheduleInfo: in,
		TicketInfo: r.ticket(), ValidationOnly: t.q.evaluate}
	switch t.provider {
	case pim.Group:
		out.GroupID, out.AccessID = t.needScope(), t.needRole()
	case pim.Directory, pim.Resource:
		out.RoleDefinitionID, out.DirectoryScopeID = t.needRole(), "/"
		if r.ScopedResourceID != "" && r.ScopedResourceID != r.ResourceID {
			out.DirectoryScopeID = "/administrativeUnits/" + r.ScopedResourceID
			t.changed("scopedResourceId", "It is taken for an administrative unit; a role over one application has the scope /"+r.ScopedResourceID+".")
		}
	}
	return out
}

// armRequest is Role…ScheduleRequest of Azure Resource Manager.
type armRequest struct {
	Properties armProperties `json:"properties"`
}

type armProperties struct {
	PrincipalID      string          `json:"principalId"`
	RoleDefinitionID string          `json:"roleDefinitionId"`
	RequestType      string          `json:"requestType"`
	Justification    string          `json:"justification,omitempty"`
	ScheduleInfo     json.RawMessage `json:"scheduleInfo,omitempty"`
	TicketInfo       *ticketInfo     `json:"ticketInfo,omitempty"`
	Condition        string          `json:"condition,omitempty"`
	ConditionVersion string          `json:"conditionVersion,omitempty"`
}

func (t *translation) armProperties(action pim.Action, r oldRequest, in json.RawMessage) armProperties {
	name := wire.ActionName(action)
	return armProperties{PrincipalID: r.SubjectID, RoleDefinitionID: t.needRole(), RequestType: strings.ToUpper(name[:1]) + name[1:], Justification: r.Reason,
		ScheduleInfo: in, TicketInfo: r.ticket(), Condition: r.Condition, ConditionVersion: r.ConditionVersion}
}

// oldDecision is the body of updateRequest.
type oldDecision struct {
	Decision        string               `json:"decision"`
	Reason          string               `json:"reason"`
	AssignmentState string               `json:"assignmentState"`
	Schedule        *governance.Schedule `json:"schedule"`
}

// decide translates an administrator's answer to who asked to extend or renew: the third iteration has none, and the administrator
// extends or renews, or cancels.
func (t *translation) decide(ctx context.Context, known *Known) error {
	in, err := readBody[oldDecision](t.Old.Body)
	if err != nil {
		return err
	}
	kinds, r, err := t.kindsOf(ctx, known)
	if err != nil {
		return err
	}
	switch {
	case strings.EqualFold(in.Decision, "AdminDenied"):
		for _, k := range kinds {
			t.addAt(http.MethodPost, requestSet(t.provider, k)+"/"+t.id+"/cancel", nil)
		}
		t.changed("decision", "An administrator denies by cancelling the request; the reason is not kept.")
		return nil
	case !strings.EqualFold(in.Decision, "AdminApproved"):
		return fmt.Errorf("the body's decision %q is neither AdminApproved nor AdminDenied", in.Decision)
	}
	kind, ok := governance.ParseState(first(in.AssignmentState, r.AssignmentState))
	if !ok {
		return fmt.Errorf("the body's assignmentState %q is neither Eligible nor Active", in.AssignmentState)
	}
	action := pim.AdminExtend
	switch asked, _ := governance.ParseType(r.Type); asked { //nolint:exhaustive // any other cannot wait for an administrator
	case pim.SelfRenew:
		action = pim.AdminRenew
	case pim.SelfExtend:
	default:
		t.unresolved("type", "adminExtend answers a UserExtend; write adminRenew in its place to answer a UserRenew.")
	}
	if r.SubjectID == "" {
		t.unresolved("subjectId", "{principalId}, the role and the scope are those of the request that is answered.")
		r.SubjectID = "{principalId}"
	}
	r.Reason, r.Schedule, r.LinkedEligibleRoleAssignmentID, r.TicketNumber, r.TicketSystem = in.Reason, in.Schedule, "", "", ""
	t.Notes = withoutCode(t.Notes, "assignmentState")
	t.changed("decision", "An administrator approves by extending or renewing what was asked for.")
	return t.askWith(action, kind, r)
}

func withoutCode(notes []Note, code string) []Note {
	var out []Note
	for _, n := range notes {
		if n.Code != code {
			out = append(out, n)
		}
	}
	return out
}

// readBody reads the body of a call. What is not known in it is passed over.
func readBody[T any](body []byte) (T, error) {
	var out T
	if len(strings.TrimSpace(string(body))) == 0 {
		return out, fmt.Errorf("the call has no body, and what it asks for stands there")
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("the body is no JSON of this call: %w", err)
	}
	return out, nil
}
