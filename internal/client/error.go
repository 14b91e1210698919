package client

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ErrSignedOut says that nobody is signed in, or that the sign-in has ended: somebody has to sign in.
var ErrSignedOut = errors.New("nobody is signed in")

// Error is what the server refused, in its words.
type Error struct {
	Status int
	// Code and Message are the server's own (reference graph-pim §10).
	Code, Message string
	// RequestID is the server's name for the call, by which its log can be searched.
	RequestID string
	// StepUp is what a sign-in has to prove for the call to be taken; nil: proving more does not help.
	StepUp *Demand
}

func (e *Error) Error() string {
	switch {
	case e.Message != "":
		return e.Message
	case e.Code != "":
		return e.Code
	}
	return fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
}

// Temporary says whether the same call may be taken later.
func (e *Error) Temporary() bool { return e.Status == http.StatusTooManyRequests || e.Status >= 500 }

// Unreachable says that the server could not be asked, or its answer not be read.
type Unreachable struct {
	Server string
	Err    error
}

func (u *Unreachable) Error() string { return fmt.Sprintf("%s cannot be reached: %v", u.Server, u.Err) }

func (u *Unreachable) Unwrap() error { return u.Err }

// Demand is what a sign-in has to prove.
type Demand struct {
	// Claims is a claims request (OpenID Connect Core §5.5), and ACRValues and MaxAge those of RFC 9470 §3.
	Claims    string
	ACRValues string
	MaxAge    string
}

// MFA is the demand for a second factor.
func MFA() *Demand { return &Demand{ACRValues: "mfa"} }

func (d *Demand) fill(form url.Values) {
	if d == nil {
		return
	}
	for name, value := range map[string]string{"claims": d.Claims, "acr_values": d.ACRValues, "max_age": d.MaxAge} {
		if value != "" {
			form.Set(name, value)
		}
	}
}

// errorOf reads a refusal: Graph's envelope, whose message may again be JSON with an error in it.
func errorOf(r reply) *Error {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Inner   struct {
				RequestID string `json:"request-id"`
			} `json:"innerError"`
		} `json:"error"`
	}
	e := &Error{Status: r.status, RequestID: r.header.Get("Request-Id")}
	if json.Unmarshal(r.body, &body) == nil {
		e.Code, e.Message = body.Error.Code, body.Error.Message
		if e.RequestID == "" {
			e.RequestID = body.Error.Inner.RequestID
		}
	}
	var nested struct {
		Code    string `json:"errorCode"`
		Message string `json:"message"`
	}
	if json.Unmarshal([]byte(e.Message), &nested) == nil && nested.Code != "" {
		e.Code, e.Message = nested.Code, nested.Message
	}
	e.StepUp = demandOf(r.header)
	if message, claims, ok := strings.Cut(e.Message, "&claims="); ok {
		e.Message = strings.TrimSpace(message)
		if text, err := url.QueryUnescape(claims); err == nil && e.StepUp == nil {
			e.StepUp = &Demand{Claims: text}
		}
	}
	return e
}

// demandOf reads a step-up challenge (RFC 9470 §3), or that of Entra's kind; nil: the header is no such.
func demandOf(h http.Header) *Demand {
	for _, header := range h.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		p := parameters(rest)
		if p["error"] != "insufficient_user_authentication" && p["error"] != "insufficient_claims" {
			continue
		}
		d := &Demand{ACRValues: p["acr_values"], MaxAge: p["max_age"]}
		if claims, err := base64.StdEncoding.DecodeString(p["claims"]); err == nil {
			d.Claims = string(claims)
		}
		return d
	}
	return nil
}

// parameters reads name="value" pairs (RFC 9110 §11.2). What cannot be read ends the list.
func parameters(text string) map[string]string {
	out := map[string]string{}
	for len(out) < 32 {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			return out
		}
		var value strings.Builder
		if quoted, isQuoted := strings.CutPrefix(rest, `"`); isQuoted {
			rest = unquote(quoted, &value)
		} else if token, after, more := strings.Cut(rest, ","); more {
			value.WriteString(token)
			rest = "," + after
		} else {
			value.WriteString(rest)
			rest = ""
		}
		out[strings.ToLower(strings.TrimSpace(name))] = value.String()
		text = strings.TrimLeft(rest, ", ")
	}
	return out
}

// unquote reads the rest of a quoted string and returns what follows it.
func unquote(text string, value *strings.Builder) string {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return text[i+1:]
		case '\\':
			if i++; i < len(text) {
				value.WriteByte(text[i])
			}
		default:
			value.WriteByte(text[i])
		}
	}
	return ""
}
