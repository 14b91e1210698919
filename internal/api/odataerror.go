package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api/odata"
	"portcullis/internal/auth"
	"portcullis/internal/store"
)

// ODataError is an error as the surfaces tell it that follow Microsoft Graph (reference graph-pim §10). It is printed as
// it is, and is the caller's business, not the log's.
type ODataError struct {
	Status  int
	Code    string
	Message string
	Header  http.Header
}

func (e *ODataError) Error() string { return e.Code + ": " + e.Message }

// Shown implements Shown.
func (e *ODataError) Shown() {}

// BadRequest is an error about what the caller sent.
func BadRequest(format string, args ...any) *ODataError {
	return &ODataError{Status: http.StatusBadRequest, Code: "BadRequest", Message: fmt.Sprintf(format, args...)}
}

// ODataErrorOf tells every error that is no dialect's own: what the frame refused, queries that make no sense, what passes
// by itself, and, without a word about it, whatever else is wrong here.
func ODataErrorOf(err error) *ODataError {
	if e, ok := errors.AsType[*ODataError](err); ok {
		return e
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return fromFault(f)
	}
	if e, ok := errors.AsType[*odata.Error](err); ok {
		return BadRequest("Invalid query: %s.", e.Error())
	}
	switch {
	case errors.Is(err, store.ErrCursor):
		return BadRequest("$skiptoken: not a token that this server gave for this list.")
	case Temporary(err):
		return &ODataError{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable",
			Message: "The service cannot answer now. Please retry again later.", Header: http.Header{"Retry-After": {Retry()}}}
	}
	return &ODataError{Status: http.StatusInternalServerError, Code: "InternalServerError",
		Message: "An unexpected error occurred. Give the request id to the administrators of this server."}
}

// fromFault tells what the frame refused.
func fromFault(f *Fault) *ODataError {
	e := &ODataError{Message: f.Detail, Header: http.Header{}}
	switch f.Problem {
	case Unauthenticated:
		e.Status, e.Code = http.StatusUnauthorized, "InvalidAuthenticationToken"
		challenge := auth.Challenge{}
		if bad, ok := errors.AsType[*auth.Error](f.Err); ok {
			challenge = bad.Challenge()
		}
		e.Header.Set("WWW-Authenticate", challenge.String())
	case MissingPermission:
		e.Status, e.Code = http.StatusForbidden, "Authorization_RequestDenied"
		if len(f.Needs) > 0 {
			e.Header.Set("WWW-Authenticate", auth.Challenge{Code: auth.InsufficientScope, Scopes: f.Needs}.String())
		}
	case NoSuchAddress:
		e.Status, e.Code = http.StatusNotFound, "ResourceNotFound"
	case NoSuchMethod:
		e.Status, e.Code = http.StatusMethodNotAllowed, "Request_BadRequest"
		e.Header.Set("Allow", strings.Join(f.Needs, ", "))
	case TooLarge:
		e.Status, e.Code = http.StatusRequestEntityTooLarge, "RequestEntityTooLarge"
	case BadEncoding:
		e.Status, e.Code = http.StatusUnsupportedMediaType, "UnsupportedMediaType"
	case BadBody:
		e.Status, e.Code = http.StatusBadRequest, "BadRequest"
	case TooMany:
		e.Status, e.Code, e.Message = http.StatusTooManyRequests, "TooManyRequests", "Please retry again later."
		e.Header.Set("Retry-After", strconv.Itoa(max(1, int(f.RetryAfter/time.Second))))
	case Broken:
		return ODataErrorOf(errors.New("broken"))
	}
	return e
}

// The envelope of errors.
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

// Answer prints the error for a call.
func (e *ODataError) Answer(r *Request, contentType string) Answer {
	inner := innerError{Date: r.Began.UTC().Format("2006-01-02T15:04:05"), RequestID: r.ID, ClientRequestID: r.ClientID}
	if e.Status == http.StatusTooManyRequests {
		inner.Code, inner.Status = "429", "429"
	}
	text, err := json.Marshal(errorEnvelope{errorBody{e.Code, e.Message, inner}})
	if err != nil { // texts do not fail to marshal
		text = []byte(`{"error":{"code":"InternalServerError"}}`)
	}
	header := e.Header
	if header == nil {
		header = http.Header{}
	}
	return Answer{Status: e.Status, Type: contentType, Header: header, Body: text}
}
