package pimv2

import (
	"errors"
	"net/http"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/wire"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// problem is an error as it is told (reference pim-v2 §9).
type problem = api.ODataError

// told is how a code of the core is told.
type told struct {
	status  int
	code    string
	message string
	// detailed has the refusal's own words behind the message.
	detailed bool
}

// refusals returns the one table from the core's codes to those of this dialect (reference pim-v2 §9). A test walks all codes.
// Clients search for the messages without detail, so these are exact. Of requests, settings, roles and subjects that are not there
// the dialect says 400 where its successor says 404.
func refusals() map[pim.Code]told {
	const bad, forbidden, absent, conflict = http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict
	const request, denied = "InvalidRoleAssignmentRequest", "Authorization_RequestDenied"
	const invalid, privileges = "The role assignment request is invalid.", "Insufficient privileges to complete the operation."
	return map[pim.Code]told{
		pim.InvalidRequest:       {bad, request, invalid, true},
		pim.InvalidSchedule:      {bad, request, invalid, true},
		pim.InvalidScope:         {bad, request, invalid, true},
		pim.InvalidCondition:     {bad, request, invalid, true},
		pim.Unsuitable:           {bad, request, invalid, true},
		pim.InvalidPolicy:        {bad, "InvalidRoleSetting", "The role setting is invalid.", true},
		pim.ConflictingPolicy:    {bad, "InvalidRoleSetting", "The role setting is invalid.", true},
		pim.UnknownRole:          {bad, "RoleNotFound", "The role is not found.", false},
		pim.UnknownPrincipal:     {bad, "SubjectNotFound", "The subject is not found.", false},
		pim.UnknownRequest:       {bad, "RoleAssignmentRequestNotFound", "The role assignment request is not found.", false},
		pim.UnknownScope:         {absent, "ResourceNotFound", "The resource is not found.", false},
		pim.UnknownGrant:         {absent, "ResourceNotFound", "The role assignment is not found.", false},
		pim.UnknownStage:         {absent, "ResourceNotFound", "The stage of the approval is not found.", false},
		pim.Forbidden:            {forbidden, denied, privileges, false},
		pim.Constrained:          {forbidden, denied, privileges, false},
		pim.DeniedByAssignment:   {forbidden, denied, privileges, false},
		pim.AlreadyThere:         {bad, "RoleAssignmentExists", "The Role assignment already exists.", false},
		pim.NotThere:             {bad, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.", false},
		pim.AlreadyPending:       {bad, "PendingRoleAssignmentRequest", "There is already an existing pending Role assignment request.", false},
		pim.TooShort:             {bad, "ActiveDurationTooShort", "The Active duration is too short. The minimum is 5 minutes.", false},
		pim.PolicyFailed:         {bad, policiesFailed, "The following policy rules failed: ", false},
		pim.OutsidePIM:           {bad, policiesFailed, "The settings of the role permit assignments by PIM only.", false},
		pim.ContextMissing:       {bad, "RoleAssignmentRequestAcrsValidationFailed", "&claims=", false},
		pim.LastAdministrator:    {bad, request, "The last administrator cannot be removed or limited in time.", false},
		pim.NotCancelable:        {bad, "RequestCannotBeCancelled", "The request is in a final state and cannot be cancelled.", false},
		pim.AlreadyDecided:       {conflict, "Conflict", "The approval was decided already.", false},
		pim.JustificationMissing: {bad, request, "A reason is required.", false},
		pim.RequestExists:        {conflict, "Conflict", "The id is taken.", false},
		pim.GrantFixed:           {conflict, "Conflict", "The id is taken.", false},
		pim.ScopeInUse:           {conflict, "Conflict", "The resource is in use.", false},
		pim.RoleInUse:            {bad, request, "The role is in use.", false},
		pim.RoleNameTaken:        {conflict, "Conflict", "The name is taken.", false},
	}
}

const policiesFailed = "RoleAssignmentRequestPolicyValidationFailed"

// fromRefusal tells a refusal of the core.
func fromRefusal(r *pim.Refusal, fresh time.Duration) *problem {
	t, ok := refusals()[r.Code]
	if !ok { // a code that was added to the core alone
		t = told{http.StatusBadRequest, "InvalidRoleAssignmentRequest", "The role assignment request is invalid.", true}
	}
	p := &problem{Status: t.status, Code: t.code, Message: t.message, Header: http.Header{}}
	switch {
	case r.Code == pim.PolicyFailed:
		p.Message += string(wire.MustJSON(wire.FailedRules(r.Failures)))
		if wire.Failed(r.Failures, pim.MFARule) {
			p.Header.Set("WWW-Authenticate", auth.StepUp(fresh).String())
		}
	case r.Code == pim.ContextMissing:
		p.Message += auth.EscapedClaims(r.Context)
		p.Header.Set("WWW-Authenticate", auth.StepUp(fresh, r.Context).String())
	case t.detailed && r.Detail != "":
		p.Message += " " + sentence(r.Field, r.Detail)
	}
	return p
}

// sentence is a refusal's own words, with the name of what is wrong before them.
func sentence(field, detail string) string {
	if field == "" {
		return detail
	}
	if name, ok := members()[field]; ok {
		field = name
	}
	return governance.RuleName(field) + ": " + detail
}

// members are this dialect's names for the parts of an ask that a refusal can name.
func members() map[string]string {
	return map[string]string{
		"principal": "subjectId", "role": "roleDefinitionId", "scope": "resourceId", "action": "type", "justification": "reason",
		"start": "schedule/startDateTime", "expiration": "schedule", "expiration.end": "schedule/endDateTime",
		"expiration.duration": "schedule/duration",
	}
}

// Problem prints an error.
func (s *Surface) Problem(r *api.Request, err error) api.Answer {
	return problemOf(r, err).Answer(r, listing.ContentType(listing.Minimal))
}

func problemOf(r *api.Request, err error) *problem {
	if refusal, ok := errors.AsType[*pim.Refusal](err); ok {
		return fromRefusal(refusal, r.FreshMFA)
	}
	if errors.Is(err, store.ErrNotFound) {
		return fromRefusal(&pim.Refusal{Code: pim.UnknownScope}, 0)
	}
	return api.ODataErrorOf(err)
}

func isForbidden(err error) bool { return wire.Refused(err, pim.Forbidden) }

// isNotThere says whether an error tells that something is not there, or not for the caller.
func isNotThere(err error) bool {
	return errors.Is(err, store.ErrNotFound) || wire.Refused(err, pim.UnknownScope, pim.UnknownGrant)
}

func invalidRequest(member, detail string) error {
	return &pim.Refusal{Code: pim.InvalidRequest, Field: member, Detail: detail}
}
