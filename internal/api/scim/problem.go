package scim

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// The kinds of errors (RFC 7644 §3.12, table 9) that are told here.
const (
	kindFilter     = "invalidFilter"
	kindTooMany    = "tooMany"
	kindUniqueness = "uniqueness"
	kindMutability = "mutability"
	kindSyntax     = "invalidSyntax"
	kindPath       = "invalidPath"
	kindNoTarget   = "noTarget"
	kindValue      = "invalidValue"
)

// problem is an error as it is told (RFC 7644 §3.12).
type problem struct {
	status int
	kind   string
	detail string
	header http.Header
}

func (p *problem) Error() string {
	return strings.TrimSpace(strconv.Itoa(p.status) + " " + p.kind + ": " + p.detail)
}

// Shown implements api.Shown.
func (p *problem) Shown() {}

func bad(kind, detail string) *problem {
	return &problem{status: http.StatusBadRequest, kind: kind, detail: detail}
}

func invalidValue(detail string) *problem  { return bad(kindValue, detail) }
func invalidFilter(detail string) *problem { return bad(kindFilter, detail) }

// errorBody is how an error is written.
type errorBody struct {
	Schemas []string `json:"schemas"`
	Kind    string   `json:"scimType,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Status  string   `json:"status"`
}

func (p *problem) body() errorBody {
	return errorBody{[]string{"urn:ietf:params:scim:api:messages:2.0:Error"}, p.kind, p.detail, strconv.Itoa(p.status)}
}

// Problem prints an error.
func (s *Surface) Problem(_ *api.Request, err error) api.Answer {
	p := problemOf(err)
	a, err := answer(p.status, p.header, p.body())
	if err != nil { // texts do not fail to marshal
		return api.Answer{Status: http.StatusInternalServerError}
	}
	return a
}

func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if f, ok := errors.AsType[*api.Fault](err); ok {
		return fromFault(f)
	}
	if r, ok := errors.AsType[*pim.Refusal](err); ok {
		return fromRefusal(r)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &problem{status: http.StatusNotFound, detail: "There is no such resource."}
	case errors.Is(err, store.ErrConflict):
		return &problem{status: http.StatusConflict, kind: kindUniqueness, detail: "Another resource has this name."}
	case errors.Is(err, store.ErrCursor):
		return invalidValue("The list has changed its order; begin again at startIndex 1.")
	case api.Temporary(err):
		return &problem{status: http.StatusServiceUnavailable, detail: "The service cannot answer now. Please retry again later.",
			header: http.Header{"Retry-After": {api.Retry()}}}
	}
	return &problem{status: http.StatusInternalServerError,
		detail: "An unexpected error occurred. Give the Request-Id to the administrators of this server."}
}

// fromRefusal tells a refusal of the core.
func fromRefusal(r *pim.Refusal) *problem {
	detail := r.Detail
	if r.Field != "" && detail != "" {
		detail = attributeOf(r.Field) + ": " + detail
	}
	if detail == "" {
		detail = "The request was refused: " + string(r.Code) + "."
	}
	switch r.Code {
	case pim.Forbidden, pim.Constrained, pim.DeniedByAssignment:
		return &problem{status: http.StatusForbidden, detail: "This caller may not do that."}
	case pim.LastAdministrator:
		return &problem{status: http.StatusForbidden, detail: detail}
	case pim.AlreadyThere, pim.RequestExists, pim.RoleNameTaken:
		return &problem{status: http.StatusConflict, kind: kindUniqueness, detail: detail}
	case pim.UnknownPrincipal, pim.UnknownRole, pim.UnknownRequest, pim.UnknownStage, pim.UnknownScope, pim.UnknownGrant:
		return &problem{status: http.StatusNotFound, detail: "There is no such resource."}
	case pim.NotThere:
		return bad(kindNoTarget, detail)
	case pim.InvalidRequest, pim.InvalidSchedule, pim.InvalidScope, pim.InvalidPolicy, pim.ConflictingPolicy, pim.Unsuitable,
		pim.AlreadyPending, pim.TooShort, pim.PolicyFailed, pim.ContextMissing, pim.NotCancelable, pim.AlreadyDecided,
		pim.JustificationMissing, pim.GrantFixed, pim.InvalidCondition, pim.ScopeInUse, pim.RoleInUse, pim.OutsidePIM:
	}
	return invalidValue(detail)
}

// attributeOf is SCIM's name for what a refusal is about, which names things as Graph does.
func attributeOf(field string) string {
	names := map[string]string{
		"userPrincipalName": "userName", "mail": "emails", "otherMails": "emails", "givenName": "name.givenName", "surname": "name.familyName",
		"jobTitle": "title", "officeLocation": "addresses", "mobilePhone": "phoneNumbers", "businessPhones": "phoneNumbers",
		"employeeId": "employeeNumber", "principal": "members",
	}
	if name, ok := names[field]; ok {
		return name
	}
	return field
}

// fromFault tells what the frame refused.
func fromFault(f *api.Fault) *problem {
	p := &problem{detail: f.Detail, header: http.Header{}}
	switch f.Problem {
	case api.Unauthenticated:
		p.status = http.StatusUnauthorized
		challenge := auth.Challenge{}
		if e, ok := errors.AsType[*auth.Error](f.Err); ok {
			challenge = e.Challenge()
		}
		p.header.Set("WWW-Authenticate", challenge.String())
	case api.MissingPermission:
		p.status = http.StatusForbidden
		p.header.Set("WWW-Authenticate", auth.Challenge{Code: auth.InsufficientScope, Scopes: f.Needs}.String())
	case api.NoSuchAddress:
		p.status = http.StatusNotFound
	case api.NoSuchMethod:
		p.status = http.StatusMethodNotAllowed
		p.header.Set("Allow", strings.Join(f.Needs, ", "))
	case api.TooLarge:
		p.status = http.StatusRequestEntityTooLarge
	case api.BadEncoding:
		p.status = http.StatusUnsupportedMediaType
	case api.BadBody:
		p.status, p.kind = http.StatusBadRequest, kindSyntax
	case api.TooMany:
		p.status = http.StatusTooManyRequests
		p.header.Set("Retry-After", strconv.Itoa(max(1, int(f.RetryAfter/time.Second))))
	case api.Broken:
		return problemOf(errors.New("broken"))
	}
	return p
}
