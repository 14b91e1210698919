package api

import (
	"net/http"
	"strconv"
	"time"

	"portcullis/internal/pim"
)

// Retiring is a surface whose dialect is on its way out. Its answers say so, who still calls it is counted, and it can be
// switched off.
type Retiring interface {
	// Retirement says how it stands with the part of the dialect that a call belongs to; nil: with this part nothing is.
	Retirement(*Request) *Retirement
}

// Retirement is what is told of a dialect that is on its way out: by the headers Deprecation (RFC 9745), Sunset (RFC 8594) and
// Link with the relation successor-version (RFC 5829 §3.3).
type Retirement struct {
	// Dialect names the dialect, or the part of one that is switched by itself, such as "v2/aadRoles".
	Dialect string
	// Deprecated is since when it should not be used any more, Sunset from when on it may be gone; zero: not told.
	Deprecated, Sunset time.Time
	// Successor is the address of what to call instead; empty: not told.
	Successor string
	// Mode is how far the operator has it still served.
	Mode Mode
	// Gone is the refusal of a call that is switched off; required where Mode is not On.
	Gone func(*Request) error
}

// tell writes the headers.
func (r *Retirement) tell(h http.Header) {
	if !r.Deprecated.IsZero() {
		h.Set("Deprecation", "@"+strconv.FormatInt(r.Deprecated.Unix(), 10))
	}
	if !r.Sunset.IsZero() {
		h.Set("Sunset", r.Sunset.UTC().Format(http.TimeFormat))
	}
	if r.Successor != "" {
		h.Add("Link", "<"+r.Successor+`>; rel="successor-version"`)
	}
}

// Mode is how far a retiring dialect is still served. The zero value is on.
type Mode int

// The modes.
const (
	On Mode = iota
	ReadOnly
	Off
)

// String is how a mode is written in settings and answers.
func (m Mode) String() string {
	switch m {
	case On:
		return "on"
	case ReadOnly:
		return "readOnly"
	case Off:
		return "off"
	}
	return "unknown"
}

// Use is one call of a retiring dialect.
type Use struct {
	Tenant pim.TenantID
	// Dialect is the name in its Retirement, and Route the method and pattern.
	Dialect, Route string
	// Application is the client id of the application that calls, or through which a person does; empty: unknown.
	Application string
	Principal   pim.PrincipalID
	At          time.Time
}

// retiring counts a call of a retiring dialect and refuses it where that is switched off.
func (f *Frame) retiring(m *mounted, call *Request) error {
	r := call.retirement
	if r == nil {
		return nil
	}
	if f.Called != nil && call.Tenant != "" {
		f.Called(Use{Tenant: call.Tenant, Dialect: r.Dialect, Route: m.route.Method + " " + m.route.Pattern,
			Application: call.Token.ClientID, Principal: call.Caller.Principal, At: f.Now()})
	}
	reads := m.route.Method == http.MethodGet || m.route.Method == http.MethodHead
	if r.Mode == Off || r.Mode == ReadOnly && !reads {
		return r.Gone(call)
	}
	return nil
}
