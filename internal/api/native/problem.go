package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// problem is an error as it is told.
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

// The envelope of errors.
type (
	envelope struct {
		Error body `json:"error"`
	}
	body struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   inner  `json:"innerError"`
	}
	inner struct {
		Date            string `json:"date"`
		RequestID       string `json:"request-id"`
		ClientRequestID string `json:"client-request-id"`
	}
)

// Problem prints an error.
func (s *Surface) Problem(r *api.Request, err error) api.Answer {
	p := problemOf(err)
	text, err := json.Marshal(envelope{body{p.code, p.message, inner{
		Date: r.Began.UTC().Format("2006-01-02T15:04:05"), RequestID: r.ID, ClientRequestID: r.ClientID,
	}}})
	if err != nil { // texts do not fail to marshal
		text = []byte(`{"error":{"code":"InternalServerError"}}`)
	}
	header := p.header
	if header == nil {
		header = http.Header{}
	}
	return api.Answer{Status: p.status, Type: "application/json;charset=utf-8", Header: header, Body: text}
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
	if e, ok := errors.AsType[*odata.Error](err); ok {
		return badRequest("Invalid query: %s.", e.Error())
	}
	switch {
	case errors.Is(err, store.ErrCursor):
		return badRequest("$skiptoken: not a token that this server gave for this list.")
	case errors.Is(err, store.ErrNotFound):
		return &problem{status: http.StatusNotFound, code: "ResourceNotFound", message: "There is no such thing."}
	case api.Temporary(err):
		return &problem{status: http.StatusServiceUnavailable, code: "ServiceUnavailable",
			message: "The service cannot answer now. Please retry again later.", header: http.Header{"Retry-After": {api.Retry()}}}
	}
	return broken()
}

func broken() *problem {
	return &problem{status: http.StatusInternalServerError, code: "InternalServerError",
		message: "An unexpected error occurred. Give the request id to the administrators of this server."}
}

// fromRefusal tells a refusal of the core. Nothing is changed here, so that reading is all that can be refused.
func fromRefusal(r *pim.Refusal) *problem {
	if r.Code == pim.Forbidden {
		return &problem{status: http.StatusForbidden, code: "Authorization_RequestDenied",
			message: "Insufficient privileges to complete the operation."}
	}
	return badRequest("The request was refused: %s.", r.Code)
}

// fromFault tells what the frame refused.
func fromFault(f *api.Fault) *problem {
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
		p.status, p.code = http.StatusForbidden, "Authorization_RequestDenied"
		if len(f.Needs) > 0 {
			p.header.Set("WWW-Authenticate", auth.Challenge{Code: auth.InsufficientScope, Scopes: f.Needs}.String())
		}
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
		return broken()
	}
	return p
}

var _ api.Shown = (*problem)(nil)
