package arm

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// problem is an error as it is told (reference arm-pim §1, "Error envelope"). It is the caller's business, not the log's.
type problem struct {
	Status        int
	Code, Message string
	Header        http.Header
}

func (p *problem) Error() string { return p.Code + ": " + p.Message }

// Shown implements api.Shown.
func (p *problem) Shown() {}

// answer prints it.
func (p *problem) answer() api.Answer {
	o := wire.New(nil, nil)
	o.Name("error")
	e := wire.New(o.B, nil)
	e.Str("code", p.Code)
	e.Str("message", p.Message)
	o.B = e.End()
	return api.Answer{Status: p.Status, Type: contentType, Header: p.Header, Body: o.End()}
}

func invalidContent(detail string) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "InvalidRequestContent", Message: "The request content was invalid: " + detail}
}

// told is how a code of the core is told.
type told struct {
	status  int
	code    string
	message string
	// detailed has the refusal's own words behind the message.
	detailed bool
}

// refusals returns the one table from the core's codes to those of Azure Resource Manager (reference arm-pim §12). A test walks all
// codes. Clients search for codes and for the messages without detail, so these are exact. What one address says differently, its
// handler does.
func refusals() map[pim.Code]told {
	const bad, forbidden, absent, conflict = http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict
	const request, policies = "InvalidRoleAssignmentRequest", "RoleAssignmentRequestPolicyValidationFailed"
	return map[pim.Code]told{
		pim.InvalidRequest:       {bad, request, "The role assignment request is invalid:", true},
		pim.InvalidSchedule:      {bad, "InvalidRoleAssignmentRequestSchedule", "The schedule of the role assignment request is invalid:", true},
		pim.InvalidScope:         {bad, "InvalidScope", "The scope is invalid:", true},
		pim.InvalidPolicy:        {bad, "InvalidPolicy", "The policy is invalid.", true},
		pim.ConflictingPolicy:    {bad, "InvalidPolicy", "The policy is invalid.", true},
		pim.InvalidCondition:     {bad, "InvalidConditionExpression", "The condition is invalid:", true},
		pim.UnknownRole:          {absent, "RoleDefinitionDoesNotExist", "The specified role definition does not exist.", false},
		pim.UnknownPrincipal:     {bad, "SubjectNotFound", "The subject is not found.", false},
		pim.UnknownRequest:       {absent, "RoleAssignmentRequestNotFound", "The role assignment request is not found.", false},
		pim.UnknownGrant:         {absent, "RoleAssignmentNotFound", "The role assignment is not found.", false},
		pim.UnknownStage:         {absent, "ResourceNotFound", "The stage of the approval is not found.", false},
		pim.UnknownScope:         {absent, "ResourceNotFound", "The scope is not found.", false},
		pim.Unsuitable:           {bad, "InvalidPrincipalType", "The principal cannot hold this role at this scope:", true},
		pim.Forbidden:            {forbidden, "AuthorizationFailed", "does not have authorization to perform action", false},
		pim.Constrained:          {forbidden, "AuthorizationFailed", "does not have authorization, or a condition of its role is not fulfilled, to perform action", false},
		pim.DeniedByAssignment:   {forbidden, "DenyAssignmentAuthorizationFailed", "is kept by a deny assignment from performing action", false},
		pim.AlreadyThere:         {bad, "RoleAssignmentExists", "The Role assignment already exists.", false},
		pim.NotThere:             {bad, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.", false},
		pim.AlreadyPending:       {bad, "PendingRoleAssignmentRequest", "There is already an existing pending Role assignment request.", false},
		pim.TooShort:             {bad, "ActiveDurationTooShort", "The active duration is too short. The minimum is 5 minutes.", false},
		pim.PolicyFailed:         {bad, policies, "The following policy rules failed: ", false},
		pim.ContextMissing:       {bad, "RoleAssignmentRequestAcrsValidationFailed", "&claims=", false},
		pim.OutsidePIM:           {bad, policies, "The policy of the role permits assignments by PIM only.", false},
		pim.LastAdministrator:    {bad, "RoleAssignmentUpdateNotPermitted", "Cannot delete the last RBAC admin assignment.", false},
		pim.GrantFixed:           {bad, "RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.", false},
		pim.NotCancelable:        {bad, "RequestCannotBeCancelled", "The request is in a final state and cannot be cancelled.", false},
		pim.AlreadyDecided:       {conflict, "Conflict", "The approval was decided already.", false},
		pim.JustificationMissing: {bad, "InvalidRequestContent", "A justification is required.", false},
		pim.RequestExists:        {conflict, "RoleAssignmentRequestExists", "A role assignment request with Id: %s already exists", false},
		pim.ScopeInUse:           {conflict, "Conflict", "The scope is in use:", true},
		pim.RoleInUse:            {bad, "RoleDefinitionHasAssignments", "There are existing role assignments referencing the role.", false},
		pim.RoleNameTaken:        {conflict, "RoleDefinitionWithSameNameExists", "A custom role with the same name already exists in this directory. Use a different name.", false},
	}
}

// fromRefusal tells a refusal of the core.
func fromRefusal(r *api.Request, refusal *pim.Refusal) *problem {
	t, ok := refusals()[refusal.Code]
	if !ok { // a code that was added to the core alone
		t = told{http.StatusBadRequest, "BadRequest", "The request was refused:", true}
	}
	p := &problem{Status: t.status, Code: t.code, Message: t.message, Header: http.Header{}}
	switch code := refusal.Code; {
	case code == pim.PolicyFailed:
		p.Message += string(wire.MustJSON(wire.FailedRules(refusal.Failures)))
		if wire.Failed(refusal.Failures, pim.MFARule) {
			p.Header.Set("WWW-Authenticate", auth.StepUp(r.FreshMFA).String())
		}
	case code == pim.ContextMissing:
		p.Message += auth.EscapedClaims(refusal.Context)
		p.Header.Set("WWW-Authenticate", auth.StepUp(r.FreshMFA, refusal.Context).String())
	case t.status == http.StatusForbidden:
		p.Message = unauthorized(r, t.message, actionOf(r, refusal), scopeOf(r))
	case code == pim.RequestExists:
		p.Message = strings.Replace(p.Message, "%s", strings.ToLower(r.PathValue("name")), 1)
	case t.detailed && refusal.Detail != "":
		p.Message += " " + sentence(refusal.Field, refusal.Detail)
	}
	return p
}

// unauthorized is the message of AuthorizationFailed, which clients take apart. It is the same whether or not the scope is there.
func unauthorized(r *api.Request, what, action, scope string) string {
	return "The client '" + printable(r.Caller.Name) + "' with object id '" + string(r.Caller.Principal) + "' " + what + " '" + action + "' over scope '" + scope +
		"' or the scope is invalid. If access was recently granted, please refresh your credentials."
}

// actionOf is the operation that a refusal is about: the one it names, or the one that the call stands for.
func actionOf(r *api.Request, refusal *pim.Refusal) string {
	if strings.Contains(refusal.Field, "/") {
		return refusal.Field
	}
	verb := map[string]string{http.MethodGet: "read", http.MethodPut: "write", http.MethodPatch: "write", http.MethodDelete: "delete"}[r.Method]
	if verb == "" {
		verb = "action"
	}
	_, rest, _ := strings.Cut(r.URL.Path, under(""))
	collection, _, _ := strings.Cut(rest, "/")
	return authorization + "/" + collection + "/" + verb
}

func scopeOf(r *api.Request) string {
	if r.Scope == "" {
		return "/"
	}
	return r.Scope
}

// sentence is a refusal's own words, with the dialect's name of what is wrong before them.
func sentence(field, detail string) string {
	if field == "" {
		return detail
	}
	return member(field) + ": " + detail
}

// member is the dialect's name for a part of an ask that a refusal can name.
func member(field string) string {
	switch field {
	case "principal":
		return "principalId"
	case "role":
		return "roleDefinitionId"
	case "action":
		return "requestType"
	case "schedule":
		return "scheduleInfo"
	case "start":
		return "scheduleInfo.startDateTime"
	case "expiration":
		return "scheduleInfo.expiration"
	case "expiration.end":
		return "scheduleInfo.expiration.endDateTime"
	case "expiration.duration":
		return "scheduleInfo.expiration.duration"
	}
	return strings.ReplaceAll(field, "/", ".")
}

// Problem implements api.Surface.
func (s *Surface) Problem(r *api.Request, err error) api.Answer {
	a := s.problemOf(r, err).answer()
	addHeaders(r, &a)
	return a
}

func (s *Surface) problemOf(r *api.Request, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if f, ok := errors.AsType[*api.Fault](err); ok {
		return s.fromFault(r, f)
	}
	if refusal, ok := errors.AsType[*pim.Refusal](err); ok {
		return fromRefusal(r, refusal)
	}
	if e, ok := errors.AsType[*odata.Error](err); ok {
		return invalidFilter(e)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &problem{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "There is nothing at this address."}
	case errors.Is(err, store.ErrConflict):
		return &problem{Status: http.StatusConflict, Code: "Conflict", Message: "Something with the same name or id exists."}
	case errors.Is(err, store.ErrCursor):
		return badSkipToken()
	case api.Temporary(err):
		return &problem{Status: http.StatusServiceUnavailable, Code: "ServerBusy", Message: "The server cannot answer now. Please retry later.",
			Header: http.Header{"Retry-After": {api.Retry()}}}
	}
	return &problem{Status: http.StatusInternalServerError, Code: "InternalServerError",
		Message: "The server failed. Give the request id " + r.ID + " to its administrators."}
}

// fromFault tells what the frame refused.
func (s *Surface) fromFault(r *api.Request, f *api.Fault) *problem {
	p := &problem{Status: http.StatusBadRequest, Code: "InvalidRequestContent", Message: f.Detail, Header: http.Header{}}
	switch f.Problem {
	case api.Unauthenticated:
		p.Status = http.StatusUnauthorized
		bad, _ := errors.AsType[*auth.Error](f.Err)
		challenge := auth.Challenge{Code: auth.InvalidToken}
		if p.Code = "InvalidAuthenticationToken"; bad != nil {
			p.Code, challenge.Description = authCode(bad.Reason), bad.Error()
		}
		challenge.AuthorizationURI = s.authority(r)
		p.Header.Set("WWW-Authenticate", challenge.String())
	case api.MissingPermission:
		p.Status, p.Code = http.StatusForbidden, "AuthorizationFailed"
		if len(f.Needs) > 0 {
			p.Header.Set("WWW-Authenticate", auth.Challenge{Code: auth.InsufficientScope, Scopes: f.Needs}.String())
		}
	case api.NoSuchAddress:
		p.Status, p.Code = http.StatusNotFound, "InvalidResourceType"
	case api.NoSuchMethod:
		p.Status, p.Code = http.StatusMethodNotAllowed, "MethodNotAllowed"
		p.Header.Set("Allow", strings.Join(f.Needs, ", "))
	case api.TooLarge:
		p.Status, p.Code = http.StatusRequestEntityTooLarge, "RequestContentTooLarge"
	case api.BadEncoding:
		p.Status, p.Code = http.StatusUnsupportedMediaType, "UnsupportedMediaType"
	case api.BadBody:
		p = invalidContent(f.Detail)
	case api.TooMany:
		p.Status, p.Code, p.Message = http.StatusTooManyRequests, "TooManyRequests", "Too many requests. Please retry later."
		p.Header.Set("Retry-After", strconv.Itoa(max(1, int(f.RetryAfter/time.Second))))
	case api.Broken:
		return s.problemOf(r, errors.New("broken"))
	}
	return p
}

func authCode(r auth.Reason) string {
	switch r {
	case auth.Missing:
		return "AuthenticationFailed"
	case auth.Expired:
		return "ExpiredAuthenticationToken"
	case auth.WrongIssuer:
		return "InvalidAuthenticationTokenTenant"
	case auth.Malformed, auth.NotYetValid, auth.WrongAudience, auth.BadSignature, auth.NoAccount:
	}
	return "InvalidAuthenticationToken"
}

// authority is where tokens come from.
func (s *Surface) authority(r *api.Request) string {
	if s.Authority != "" {
		return s.Authority
	}
	return r.Origin + "/organizations"
}

// addHeaders adds what every answer of this dialect has (reference arm-pim §1, "Response headers").
func addHeaders(r *api.Request, a *api.Answer) {
	if a.Header == nil {
		a.Header = http.Header{}
	}
	set := a.Header.Set
	correlation := r.ID
	if sent := r.Header.Get("X-Ms-Correlation-Request-Id"); sent != "" && printable(sent) == sent {
		correlation = sent
	}
	set("X-Ms-Request-Id", r.ID)
	set("X-Ms-Correlation-Request-Id", correlation)
	set("X-Ms-Routing-Request-Id", "PORTCULLIS:"+r.Began.UTC().Format("20060102T150405Z")+":"+r.ID)
	set("Pragma", "no-cache")
	set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	if sent := r.Header.Get("X-Ms-Client-Request-Id"); sent != "" && printable(sent) == sent &&
		strings.EqualFold(r.Header.Get("X-Ms-Return-Client-Request-Id"), "true") {
		set("X-Ms-Client-Request-Id", sent)
	}
}

// refusalOf is the refusal of the rules that an error is, if it is one.
func refusalOf(err error) (*pim.Refusal, bool) { return errors.AsType[*pim.Refusal](err) }
