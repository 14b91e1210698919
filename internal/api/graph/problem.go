package graph

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/wire"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// problem is an error as it is told (reference graph-pim §10).
type problem = api.ODataError

func badRequest(format string, args ...any) *problem { return api.BadRequest(format, args...) }

func unsupported(message string) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "Request_UnsupportedQuery", Message: message}
}

func notFound(id string) *problem { return listing.NotFound(id) }

// told is how a code of the core is told.
type told struct {
	status  int
	code    string
	message string
	// detailed has the refusal's own words behind the message.
	detailed bool
}

// refusals returns the one table from the core's codes to Graph's (reference graph-pim §10). A test walks all codes.
// Clients search for the messages without detail, so these are exact.
func refusals() map[pim.Code]told {
	const bad, absent = http.StatusBadRequest, http.StatusNotFound
	return map[pim.Code]told{
		pim.InvalidRequest:  {bad, "InvalidRoleAssignmentRequest", "The role assignment request is invalid.", true},
		pim.InvalidSchedule: {bad, "InvalidRoleAssignmentRequestSchedule", "The schedule of the role assignment request is invalid.", true},
		pim.InvalidScope:    {bad, "InvalidScope", "The scope is invalid.", true},
		pim.InvalidPolicy:   {bad, "InvalidPolicy", "The policy is invalid.", true},
		pim.ConflictingPolicy: {bad, "MfaAndAcrsConflict",
			"Multi-factor authentication and an authentication context cannot be required together.", true},
		pim.UnknownRole:      {absent, "RoleNotFound", "The role is not found.", false},
		pim.UnknownPrincipal: {absent, "SubjectNotFound", "The subject is not found.", false},
		pim.UnknownRequest:   {absent, "RoleAssignmentRequestNotFound", "The role assignment request is not found.", false},
		pim.UnknownStage:     {absent, "ResourceNotFound", "The approval step is not found.", false},
		pim.Unsuitable:       {bad, "Request_BadRequest", "The principal cannot hold this role at this scope.", true},
		pim.Forbidden:        {http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", false},
		pim.AlreadyThere:     {bad, "RoleAssignmentExists", "The Role assignment already exists.", false},
		pim.NotThere:         {bad, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.", false},
		pim.AlreadyPending:   {bad, "PendingRoleAssignmentRequest", "There is already an existing pending Role assignment request.", false},
		pim.TooShort:         {bad, "ActiveDurationTooShort", "The Active duration is too short. Miniumum Required is 5 minutes.", false},
		pim.PolicyFailed:     {bad, "RoleAssignmentRequestPolicyValidationFailed", "The following policy rules failed: ", false},
		pim.ContextMissing: {bad, "RoleAssignmentRequestAcrsValidationFailed",
			"The required authentication context is missing from the token. &claims=", false},
		pim.LastAdministrator: {bad, "CannotDeleteLastAdminAssignment",
			"The last administrator of the tenant cannot be removed or limited in time.", false},
		pim.NotCancelable:        {bad, "RequestCannotBeCancelled", "The request is in a final state and cannot be cancelled.", false},
		pim.AlreadyDecided:       {http.StatusConflict, "Conflict", "The approval was decided already.", false},
		pim.JustificationMissing: {bad, "InvalidRequest", "Justification is required.", false},
		pim.RequestExists:        {http.StatusConflict, "Conflict", "The id is taken.", false},
		// What follows is said about resources alone.
		pim.Constrained:        {http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", false},
		pim.InvalidCondition:   {bad, "Request_BadRequest", "The condition is invalid.", true},
		pim.UnknownScope:       {absent, "ResourceNotFound", "The scope is not found.", false},
		pim.UnknownGrant:       {absent, "ResourceNotFound", "The grant is not found.", false},
		pim.ScopeInUse:         {http.StatusConflict, "Conflict", "The scope is in use.", true},
		pim.RoleInUse:          {bad, "Request_BadRequest", "The role is in use.", false},
		pim.RoleNameTaken:      {http.StatusConflict, "Conflict", "The name is taken.", false},
		pim.DeniedByAssignment: {http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", false},
		pim.OutsidePIM:         {bad, "Request_BadRequest", "The role is given by PIM alone.", false},
		pim.GrantFixed:         {http.StatusConflict, "Conflict", "The id is taken.", false},
	}
}

// fromRefusal tells a refusal of the core, in the words of a provider.
func fromRefusal(r *pim.Refusal, fresh time.Duration, w words) *problem {
	t, ok := refusals()[r.Code]
	if !ok { // a code that was added to the core alone
		t = told{http.StatusBadRequest, "InvalidRoleAssignmentRequest", "The request was refused.", true}
	}
	p := &problem{Status: t.status, Code: t.code, Message: t.message, Header: http.Header{}}
	switch {
	case r.Code == pim.PolicyFailed:
		p.Message += policyFailures(r.Failures)
		if wire.Failed(r.Failures, pim.MFARule) {
			p.Header.Set("WWW-Authenticate", auth.StepUp(fresh).String())
		}
	case r.Code == pim.ContextMissing:
		p.Message += auth.EscapedClaims(r.Context)
		p.Header.Set("WWW-Authenticate", auth.StepUp(fresh, r.Context).String())
	case t.detailed && r.Detail != "":
		p.Message += " " + w.sentence(r.Field, r.Detail)
	}
	return p
}

// sentence is a refusal's own words, with the name of what is wrong before them.
func sentence(field, detail string) string { return directoryWords().sentence(field, detail) }

func (w words) sentence(field, detail string) string {
	if field == "" {
		return detail
	}
	return w.member(field) + ": " + detail
}

// members are Graph's names for the parts of an ask that a refusal can name.
func members() map[string]string {
	return map[string]string{
		"principal": "principalId", "schedule": "scheduleInfo",
		"start": "scheduleInfo/startDateTime", "expiration": "scheduleInfo/expiration",
		"expiration.end": "scheduleInfo/expiration/endDateTime", "expiration.duration": "scheduleInfo/expiration/duration",
	}
}

// member is Graph's name for a part of an ask.
func (w words) member(field string) string {
	if name, ok := members()[field]; ok {
		return name
	}
	if name, ok := w.names[field]; ok {
		return name
	}
	if strings.HasPrefix(field, "recurrence") {
		return "scheduleInfo/" + strings.ReplaceAll(field, ".", "/")
	}
	return field
}

// policyFailures tells the failed policy rules in the message, which clients search for the rules' names (reference graph-pim
// §10 and §24, points 15 and 21).
func policyFailures(list []pim.Failure) string {
	words := make([]string, len(list))
	for i, f := range list {
		words[i] = string(f.Rule) + " - " + f.Reason
	}
	return strings.Join(words, ", ")
}

// Problem prints an error as Graph does.
func (s *Surface) Problem(r *api.Request, err error) api.Answer {
	return s.problemOf(r, err).Answer(r, listing.ContentType(listing.Minimal))
}

func (s *Surface) problemOf(r *api.Request, err error) *problem {
	if f, ok := errors.AsType[*api.Fault](err); ok {
		return fromFault(r, f)
	}
	if refusal, ok := errors.AsType[*pim.Refusal](err); ok {
		return fromRefusal(refusal, r.FreshMFA, wordsAt(r.URL.Path))
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return notFound(r.URL.Path)
	case errors.Is(err, store.ErrConflict):
		return &problem{Status: http.StatusConflict, Code: "Request_MultipleObjectsWithSameKeyValue", Message: "Another object with the same name exists."}
	}
	return api.ODataErrorOf(err)
}

// fromFault tells what the frame refused: of a token without the scope PIM's sets in the nested form, which a client
// takes apart.
func fromFault(r *api.Request, f *api.Fault) *problem {
	p := api.ODataErrorOf(f)
	if f.Problem == api.MissingPermission && len(f.Needs) > 0 && ofPIM(r.URL.Path) {
		p.Code = "UnknownError"
		p.Message = string(wire.MustJSON(nested{"PermissionScopeNotGranted", f.Detail, []string{}}))
	}
	return p
}

// nested is the text that PIM's own back end puts into the message (reference graph-pim §10).
type nested struct {
	Code        string   `json:"errorCode"`
	Message     string   `json:"message"`
	Annotations []string `json:"instanceAnnotations"`
}

func ofPIM(path string) bool {
	return strings.Contains(path, "/roleManagement/directory/role") || strings.Contains(path, "/policies/roleManagement") ||
		strings.Contains(path, "/privilegedAccess/group")
}
