// Package api is what all surfaces share: the one way from bytes to a handler and back.
//
// A surface is one dialect. It lists its routes with the permissions that each demands, and prints its own errors; it
// knows nothing of its siblings. The Frame does the rest for all of them, so that no handler can forget a step: it
// brings addresses to one form without redirects, names each call with a request id, bounds bodies in size and depth
// and decompresses them, finds out who calls, holds the token against the route's permissions, bounds the time of a
// call, and answers 500 with nothing but a request id when a handler fails or panics.
//
// Which of its rows a caller may see and what they may do is decided by the application, not here.
package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"portcullis/internal/auth"
	"portcullis/internal/pim"
)

// Surface is one dialect.
type Surface interface {
	// Prefixes are how all its addresses begin, such as "v1.0" or "beta/privilegedAccess"; of several surfaces the longest one
	// counts. It answers for unknown addresses below them.
	Prefixes() []string
	// Routes are its operations. They do not change.
	Routes() []Route
	// Problem prints an error: a *Fault, a *pim.Refusal, an error of the stores or the application, or a fault in this
	// program, of which it tells nothing.
	Problem(*Request, error) Answer
}

// Cutter is a surface whose addresses begin with something of any length, such as the scope of Azure Resource Manager.
type Cutter interface {
	// Cut takes apart the segments of an address, unescaped and without empty ones: what is cut off, and what is left to be
	// found among the routes.
	Cut(segments []string) (off, rest []string)
}

// Route is one operation of a surface.
type Route struct {
	Method string
	// Pattern is a path in the form of http.ServeMux, without a method. Its literal segments are the spellings that
	// callers' letter case is folded to. A function segment is written with its brackets and without its arguments:
	// "filterByCurrentUser()".
	Pattern string
	Access  Access
	Handle  Handler
	// Check says that it answers a question from memory: such calls have limits of their own (Limits.Checks).
	Check bool
	// Uncompleted says that the handler finds out which roles the caller holds (Request.Complete), where it judges by them at all.
	Uncompleted bool
}

// Access says which permissions let a token through. Any one of a list is enough.
type Access struct {
	// Delegated are permissions of a person's token (scp), Application those of an application's own (roles). Callers
	// of a kind whose list is empty are refused.
	Delegated, Application []string
	// ApplicationAny lets every application's token through whatever it carries: what it may do is told by its roles.
	ApplicationAny bool
	// NotMadeFor are audiences of other APIs: a token that is made out to none but these opens nothing here, whatever it carries.
	NotMadeFor []string
	// Anybody lets every valid token through.
	Anybody bool
	// Open needs no token at all.
	Open bool
}

// Handler serves one operation. Its error is printed by the surface.
type Handler func(*Request) (Answer, error)

// Answer is what goes back. A zero Status means 200, or 204 without a body.
type Answer struct {
	Status int
	// Type is the content type of the body.
	Type   string
	Header http.Header
	Body   []byte
	// Stream, where it is set, writes the body piece by piece, for answers that are too long to be held. It is called after
	// the headers are sent, and its context is not bounded by the time of a call: it bounds each of its steps. Its error
	// breaks the connection, so that nobody takes a part for the whole.
	Stream func(context.Context, io.Writer) error
	// Endless says that the stream goes on until its context ends: a server that stops ends it (Frame.Stop) and does not wait.
	Endless bool
	// Done is called once the body is sent and not needed any more; nil: nobody is.
	Done func()
}

// Request is one call. Its http.Request has an address in the form of the routes.
type Request struct {
	*http.Request
	// ID is this server's name for the call, and ClientID the caller's, or the same.
	ID, ClientID string
	// Caller is who calls, with the roles they hold now; zero on open routes.
	Caller pim.Caller
	Tenant pim.TenantID
	// Token is what the caller's token proves.
	Token auth.Token
	// FreshMFA is how long a second factor counts as proved.
	FreshMFA time.Duration
	// Sent is the address as the caller wrote it; links to further pages repeat it.
	Sent *url.URL
	// Scope is what a Cutter cut off the front of the address, as sent but for doubled slashes and escapes: "" or "/a/b".
	Scope string
	// Arguments are those of the function segment, as sent between its brackets.
	Arguments string
	// Origin is scheme and host that the caller used.
	Origin string
	// Again serves another call within this one, such as a part of a batch, through all the same steps.
	Again http.Handler
	// Began is when the call came, by the real clock.
	Began time.Time

	writer  http.ResponseWriter
	surface Surface
	route   *mounted // nil until one is found
	// retirement is that of the dialect, where it has one.
	retirement *Retirement
	// whole is the context of the call without the bound on its time, for answers that are streamed.
	whole context.Context //nolint:containedctx // a Request lives as long as its call
}

// Problem is why the frame itself refuses a call.
type Problem int

// The problems. The zero value is a fault in this program.
const (
	Broken Problem = iota
	// Unauthenticated: no token, or one that proves nothing. The Fault wraps an *auth.Error.
	Unauthenticated
	// MissingPermission: the token carries none of Needs.
	MissingPermission
	NoSuchAddress
	NoSuchMethod
	TooLarge
	// BadEncoding: the body is compressed in a way that is not known.
	BadEncoding
	// BadBody: the body is not the JSON that is wanted.
	BadBody
	TooMany
)

// Fault is the frame's own refusal. Its text may be shown.
type Fault struct {
	Problem Problem
	Detail  string
	// Needs are the permissions one of which was missing, or the methods that there are.
	Needs []string
	// RetryAfter says when to come again; for TooMany.
	RetryAfter time.Duration
	// Err is what lies behind; it is not shown.
	Err error
}

func (f *Fault) Error() string { return f.Detail }

func (f *Fault) Unwrap() error { return f.Err }

// Verifier proves tokens; *auth.Verifier is one.
type Verifier interface {
	Request(*http.Request) (auth.Token, error)
}

// Completer knows the roles that callers hold now; *app.App is one.
type Completer interface {
	// Caller completes what a token proves with the roles that the account holds now.
	Caller(pim.TenantID, pim.Caller) pim.Caller
	// Counts says whether the account behind a token is in the tenant and enabled: a token outlives neither.
	Counts(context.Context, pim.TenantID, pim.PrincipalID) (bool, error)
}
