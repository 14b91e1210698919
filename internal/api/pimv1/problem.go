package pimv1

import (
	"errors"
	"net/http"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/wire"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// The dialect tells errors by their texts (reference pim-v2 §11); its codes are few.

type problem = api.ODataError

func badRequest(text string) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "BadRequest", Message: text}
}

func forbidden(text string) *problem {
	return &problem{Status: http.StatusForbidden, Code: "Forbidden", Message: text}
}

// told is how a code of the core is told.
type told struct {
	status  int
	message string
	// detailed has the refusal's own words behind the message.
	detailed bool
}

// refusals returns the one table from the core's codes to the texts of this dialect. A test walks all codes.
func refusals() map[pim.Code]told {
	const bad, no = http.StatusBadRequest, http.StatusForbidden
	return map[pim.Code]told{
		pim.InvalidRequest:       {bad, "The request is invalid.", true},
		pim.InvalidSchedule:      {bad, "The schedule is invalid.", true},
		pim.InvalidScope:         {bad, "The scope is invalid.", true},
		pim.InvalidPolicy:        {bad, "The settings are invalid.", true},
		pim.ConflictingPolicy:    {bad, "Multi-factor authentication and an authentication context cannot be required together.", true},
		pim.UnknownRole:          {bad, "The role is not found.", false},
		pim.UnknownPrincipal:     {bad, "The user is not found.", false},
		pim.UnknownRequest:       {bad, "Request with request ID not found.", false},
		pim.UnknownStage:         {bad, "The approval has no such step.", false},
		pim.Unsuitable:           {bad, "The user cannot hold this role.", true},
		pim.Forbidden:            {no, "Insufficient privileges to complete the operation.", false},
		pim.AlreadyThere:         {bad, "A schedule already exists for this user, role and schedule type.", false},
		pim.NotThere:             {bad, "The role assignment does not exist.", false},
		pim.AlreadyPending:       {bad, "A pending approval already exists for this user, role and approval type.", false},
		pim.TooShort:             {bad, "The role has to be active for at least five minutes.", false},
		pim.PolicyFailed:         {bad, "The settings of the role do not allow this.", false},
		pim.ContextMissing:       {bad, "The required authentication context is missing from the token. &claims=", false},
		pim.LastAdministrator:    {bad, "The last administrator of the tenant cannot be removed or limited in time.", false},
		pim.NotCancelable:        {bad, "Cancellation can be done only on status Scheduled and PendingApproval.", false},
		pim.AlreadyDecided:       {bad, "The approval was decided already.", false},
		pim.JustificationMissing: {bad, "Approver reason is missing.", false},
		pim.RequestExists:        {http.StatusConflict, "The id is taken.", false},
		// What follows is said about resources alone.
		pim.Constrained:        {no, "Insufficient privileges to complete the operation.", false},
		pim.InvalidCondition:   {bad, "The condition is invalid.", false},
		pim.UnknownScope:       {bad, "The scope is not found.", false},
		pim.UnknownGrant:       {bad, "The grant is not found.", false},
		pim.ScopeInUse:         {http.StatusConflict, "The scope is in use.", false},
		pim.RoleInUse:          {bad, "The role is in use.", false},
		pim.RoleNameTaken:      {http.StatusConflict, "The name is taken.", false},
		pim.DeniedByAssignment: {no, "Insufficient privileges to complete the operation.", false},
		pim.OutsidePIM:         {bad, "The role is given by PIM alone.", false},
		pim.GrantFixed:         {http.StatusConflict, "The id is taken.", false},
	}
}

// fromRefusal tells a refusal of the core.
func fromRefusal(r *pim.Refusal, fresh time.Duration) *problem {
	t, ok := refusals()[r.Code]
	if !ok { // a code that was added to the core alone
		t = told{http.StatusBadRequest, "The request was refused.", true}
	}
	p := &problem{Status: t.status, Code: "BadRequest", Message: t.message, Header: http.Header{}}
	if t.status == http.StatusForbidden {
		p.Code = "Forbidden"
	}
	switch {
	case r.Code == pim.PolicyFailed:
		return fromFailures(r.Failures, fresh, p)
	case r.Code == pim.ContextMissing:
		p.Code = "RoleAssignmentRequestAcrsValidationFailed"
		p.Message += auth.EscapedClaims(r.Context)
		p.Header.Set("WWW-Authenticate", auth.StepUp(fresh, r.Context).String())
	case r.Code == pim.InvalidSchedule && r.Field == "start":
		p.Message = startText
	case t.detailed && r.Detail != "":
		p.Message += " " + sentence(r.Field, r.Detail)
	}
	return p
}

// startText is said of a start that is missing or cannot be.
const startText = "Schedule start date must be specified and should be greater than Now."

func sentence(field, detail string) string {
	if field == "" {
		return detail
	}
	return field + ": " + detail
}

// fromFailures tells one rule that failed, as the dialect does: the second factor last, for a challenge is no use while something
// else is wrong.
func fromFailures(failed []pim.Failure, fresh time.Duration, p *problem) *problem {
	texts := []struct {
		rule pim.PolicyRule
		text string
	}{
		{pim.EligibilityRule, "The user is not eligible for the role."},
		{pim.ExpirationRule, "The duration is longer than the settings of the role allow."},
		{pim.JustificationRule, "Requestor reason is missing."},
		{pim.TicketingRule, "GenericElevateUserToRoleAssignments: Tickting information is required and not supplied in the activation process."},
	}
	for _, t := range texts {
		if wire.Failed(failed, t.rule) {
			p.Message = t.text
			return p
		}
	}
	if wire.Failed(failed, pim.MFARule) {
		p = forbidden("Elevation requires Multi-Factor Authentication.")
		p.Header = http.Header{"Www-Authenticate": {auth.StepUp(fresh).String()}}
	}
	return p
}

// isForbidden says whether an error is the core's refusal of somebody who may not.
func isForbidden(err error) bool { return wire.Refused(err, pim.Forbidden) }

// failsOn says whether a rule of the role is the one that would be told.
func failsOn(err error, rule pim.PolicyRule) bool {
	r, ok := errors.AsType[*pim.Refusal](err)
	return ok && r.Code == pim.PolicyFailed && wire.Failed(r.Failures, rule) && !wire.Failed(r.Failures, pim.EligibilityRule)
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
		return listing.NotFound(r.URL.Path)
	}
	return api.ODataErrorOf(err)
}
