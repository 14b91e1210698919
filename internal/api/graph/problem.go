package graph

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// problem is an error as it is told (reference graph-pim §10).
type problem struct {
	status  int
	code    string
	message string
	header  http.Header
}

func (p *problem) Error() string { return p.code + ": " + p.message }

// Shown marks the error as the caller's business, not the log's.
func (p *problem) Shown() {}

func badRequest(format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, code: "BadRequest", message: fmt.Sprintf(format, args...)}
}

func unsupported(message string) *problem {
	return &problem{status: http.StatusBadRequest, code: "Request_UnsupportedQuery", message: message}
}

func notFound(id string) *problem {
	return &problem{status: http.StatusNotFound, code: "Request_ResourceNotFound", message: fmt.Sprintf(
		"Resource '%.200s' does not exist or one of its queried reference-property objects are not present.", id)}
}

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
	}
}

// fromRefusal tells a refusal of the core.
func fromRefusal(r *pim.Refusal, fresh time.Duration) *problem {
	t, ok := refusals()[r.Code]
	if !ok { // a code that was added to the core alone
		t = told{http.StatusBadRequest, "InvalidRoleAssignmentRequest", "The request was refused.", true}
	}
	p := &problem{status: t.status, code: t.code, message: t.message, header: http.Header{}}
	switch {
	case r.Code == pim.PolicyFailed:
		p.message += policyFailures(r.Failures)
		if failed(r.Failures, pim.MFARule) {
			p.header.Set("WWW-Authenticate", auth.StepUp(fresh).String())
		}
	case r.Code == pim.ContextMissing:
		p.message += strings.ReplaceAll(url.QueryEscape(auth.Claims(r.Context)), "+", "%20")
		p.header.Set("WWW-Authenticate", auth.StepUp(fresh, r.Context).String())
	case t.detailed && r.Detail != "":
		p.message += " " + sentence(r.Field, r.Detail)
	}
	return p
}

func sentence(field, detail string) string {
	if field == "" {
		return detail
	}
	return member(field) + ": " + detail
}

// members are Graph's names for the parts of an ask that a refusal can name.
func members() map[string]string {
	return map[string]string{
		"principal": "principalId", "role": "roleDefinitionId", "scope": "directoryScopeId", "schedule": "scheduleInfo",
		"start": "scheduleInfo/startDateTime", "expiration": "scheduleInfo/expiration",
		"expiration.end": "scheduleInfo/expiration/endDateTime", "expiration.duration": "scheduleInfo/expiration/duration",
	}
}

// member is Graph's name for a part of an ask.
func member(field string) string {
	if name, ok := members()[field]; ok {
		return name
	}
	if strings.HasPrefix(field, "recurrence") {
		return "scheduleInfo/" + strings.ReplaceAll(field, ".", "/")
	}
	return field
}

func failed(list []pim.Failure, rule pim.PolicyRule) bool {
	for _, f := range list {
		if f.Rule == rule {
			return true
		}
	}
	return false
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
	p := s.problemOf(r, err)
	header := p.header
	if header == nil {
		header = http.Header{}
	}
	return api.Answer{Status: p.status, Type: contentType(minimal), Header: header, Body: envelope(r, p)}
}

func (s *Surface) problemOf(r *api.Request, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if f, ok := errors.AsType[*api.Fault](err); ok {
		return fromFault(r, f)
	}
	if refusal, ok := errors.AsType[*pim.Refusal](err); ok {
		return fromRefusal(refusal, r.FreshMFA)
	}
	if e, ok := errors.AsType[*odata.Error](err); ok {
		return badRequest("Invalid query: %s.", e.Error())
	}
	if e, ok := errors.AsType[*policy.Error](err); ok {
		code := pim.InvalidPolicy
		if e.Reason == policy.Conflict {
			code = pim.ConflictingPolicy
		}
		return fromRefusal(&pim.Refusal{Code: code, Field: e.Rule, Detail: e.Detail}, 0)
	}
	if e, ok := errors.AsType[*schedule.Error](err); ok {
		return fromRefusal(&pim.Refusal{Code: pim.InvalidSchedule, Field: e.Field, Detail: e.Detail}, 0)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return notFound(r.URL.Path)
	case errors.Is(err, store.ErrCursor):
		return badRequest("$skiptoken: not a token that this server gave for this list.")
	case errors.Is(err, store.ErrConflict):
		return &problem{status: http.StatusConflict, code: "Request_MultipleObjectsWithSameKeyValue", message: "Another object with the same name exists."}
	case api.Temporary(err):
		return &problem{status: http.StatusServiceUnavailable, code: "ServiceUnavailable",
			message: "The service cannot answer now. Please retry again later.", header: http.Header{"Retry-After": {api.Retry()}}}
	}
	return &problem{status: http.StatusInternalServerError, code: "InternalServerError",
		message: "An unexpected error occurred. Give the request id to the administrators of this server."}
}

// fromFault tells what the frame refused.
func fromFault(r *api.Request, f *api.Fault) *problem {
	p := &problem{message: f.Detail, header: http.Header{}}
	switch f.Problem {
	case api.Unauthenticated:
		p.status, p.code = http.StatusUnauthorized, "InvalidAuthenticationToken"
		challenge := auth.Challenge{}
		if bad, ok := errors.AsType[*auth.Error](f.Err); ok {
			challenge = bad.Challenge()
		}
		p.header.Set("WWW-Authenticate", challenge.String())
	case api.MissingPermission:
		missingPermission(r, f, p)
	case api.NoSuchAddress:
		p.status, p.code = http.StatusNotFound, "ResourceNotFound"
	case api.NoSuchMethod:
		p.status, p.code = http.StatusMethodNotAllowed, "Request_BadRequest"
		p.header.Set("Allow", strings.Join(f.Needs, ", "))
	case api.TooLarge:
		p.status, p.code = http.StatusRequestEntityTooLarge, "RequestEntityTooLarge"
	case api.BadEncoding:
		p.status, p.code = http.StatusUnsupportedMediaType, "UnsupportedMediaType"
	case api.BadBody:
		p.status, p.code = http.StatusBadRequest, "BadRequest"
	case api.TooMany:
		p.status, p.code, p.message = http.StatusTooManyRequests, "TooManyRequests", "Please retry again later."
		p.header.Set("Retry-After", strconv.Itoa(max(1, int(f.RetryAfter/time.Second))))
	case api.Broken:
		p.status, p.code = http.StatusInternalServerError, "InternalServerError"
		p.message = "An unexpected error occurred. Give the request id to the administrators of this server."
	}
	return p
}

// nested is the text that PIM's own back end puts into the message (reference graph-pim §10).
type nested struct {
	Code        string   `json:"errorCode"`
	Message     string   `json:"message"`
	Annotations []string `json:"instanceAnnotations"`
}

// missingPermission tells of a token without the scope: PIM's sets in the nested form, which a client takes apart.
func missingPermission(r *api.Request, f *api.Fault, p *problem) {
	p.status, p.code = http.StatusForbidden, "Authorization_RequestDenied"
	if len(f.Needs) > 0 {
		p.header.Set("WWW-Authenticate", auth.Challenge{Code: auth.InsufficientScope, Scopes: f.Needs}.String())
	}
	if len(f.Needs) > 0 && ofPIM(r.URL.Path) {
		p.code = "UnknownError"
		p.message = string(mustJSON(nested{"PermissionScopeNotGranted", f.Detail, []string{}}))
	}
}

func ofPIM(path string) bool {
	return strings.Contains(path, "/roleManagement/directory/role") || strings.Contains(path, "/policies/roleManagement")
}

// The envelope of errors, which is the same for all of Graph.
type (
	errorEnvelope struct {
		Error errorBody `json:"error"`
	}
	errorBody struct {
		Code    string     `json:"code"`
		Message string     `json:"message"`
		Inner   innerError `json:"innerError"`
	}
	innerError struct {
		Code            string `json:"code,omitempty"`
		Date            string `json:"date"`
		RequestID       string `json:"request-id"`
		ClientRequestID string `json:"client-request-id"`
		Status          string `json:"status,omitempty"`
	}
)

func envelope(r *api.Request, p *problem) []byte {
	inner := innerError{Date: r.Began.UTC().Format("2006-01-02T15:04:05"), RequestID: r.ID, ClientRequestID: r.ClientID}
	if p.status == http.StatusTooManyRequests {
		inner.Code, inner.Status = "429", "429"
	}
	return mustJSON(errorEnvelope{errorBody{p.code, p.message, inner}})
}

var _ api.Shown = (*problem)(nil)
