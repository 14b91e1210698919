package api

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/auth"
	"portcullis/internal/pim"
)

// Frame serves surfaces. Make one with New; its options are set before first use and never changed.
type Frame struct {
	Options

	mux      *http.ServeMux
	names    map[string]names   // by lower-case prefix: two dialects spell the same word in their own ways
	surfaces map[string]Surface // by lower-case prefix
	longest  int                // segments of the longest prefix
	// exact are the routes without wildcards by method and path, which most calls spell as they are: these need no search.
	exact    map[string]map[string]*mounted
	methods  []string
	limiter  *limiter        // nil: no limits
	stopping context.Context //nolint:containedctx // it ends with Stop, and lives as long as the frame
	stop     context.CancelFunc
}

// Options say what a frame serves and by what it judges. Verifier and Callers are required.
type Options struct {
	Verifier Verifier
	Callers  Completer
	// FreshMFA is how long a second factor counts as proved: 12 hours when zero.
	FreshMFA time.Duration
	// Timeout bounds one call: 30 s when zero.
	Timeout time.Duration
	// Now is the real clock, by which tokens are judged; nil means time.Now.
	Now func() time.Time
	// Origin tells scheme and host that the caller used; nil: those of the request itself.
	Origin func(*http.Request) string
	// Address tells the caller's network address; nil: that of the connection.
	Address func(*http.Request) string
	// Consistency is what nodes tell one another by; nil: there is one node, and no tokens.
	Consistency Consistency
	// Called is told of each call of a retiring dialect whose caller is known, answered or refused; nil: nobody is. It does not
	// wait for anything.
	Called func(Use)
	// Limits bound how many calls are served; nil: nothing does. Refused is told which limit refused a call; nil: nobody is.
	Limits  *Limits
	Refused func(Limited)
	// Answered is told of each call of a surface before its answer is sent, with the status; a part of a batch is a call. Nil:
	// nobody is.
	Answered func(*Request, Surface, int)
	Log      *slog.Logger
}

const (
	defaultFreshMFA = 12 * time.Hour
	defaultTimeout  = 30 * time.Second
	retryAfter      = 5 * time.Second
)

// New makes a frame that serves the surfaces. It panics when two routes are the same, which is an error of the program.
func New(o Options, surfaces ...Surface) *Frame {
	if o.FreshMFA == 0 {
		o.FreshMFA = defaultFreshMFA
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Origin == nil {
		o.Origin = origin
	}
	if o.Address == nil {
		o.Address = remoteAddress
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Frame{Options: o, mux: http.NewServeMux(), names: map[string]names{}, surfaces: map[string]Surface{}, exact: map[string]map[string]*mounted{}}
	f.stopping, f.stop = context.WithCancel(context.Background())
	if o.Limits != nil {
		f.limiter = newLimiter(*o.Limits)
	}
	var all []*mounted
	for _, s := range surfaces {
		all = append(all, f.mount(s)...)
	}
	for _, m := range all {
		f.mountExactly(m)
	}
	return f
}

func (f *Frame) mount(s Surface) (all []*mounted) {
	spelling := names{}
	for _, p := range s.Prefixes() {
		spelling.learn(p)
		f.names[strings.ToLower(p)] = spelling
		f.surfaces[strings.ToLower(p)] = s
		f.longest = max(f.longest, strings.Count(p, "/")+1)
	}
	for _, route := range s.Routes() {
		spelling.learn(route.Pattern)
		if _, cuts := s.(Cutter); !cuts { // what is cut off has names of people's own
			spelling.qualify(route.Pattern)
		}
		if !contains(f.methods, route.Method) {
			f.methods = append(f.methods, route.Method)
		}
		m := &mounted{f, s, route, route.Method + " " + route.Pattern}
		f.mux.Handle(m.pattern, m)
		all = append(all, m)
	}
	slices.Sort(f.methods)
	return all
}

// mountExactly notes the routes whose address, spelt as the pattern is, can be nothing else.
func (f *Frame) mountExactly(m *mounted) {
	pattern := m.route.Pattern
	if _, cuts := m.surface.(Cutter); cuts || strings.ContainsAny(pattern, "{(") {
		return
	}
	a, _, ok := f.address(pattern)
	ours := slices.ContainsFunc(m.surface.Prefixes(), func(p string) bool { return strings.ToLower(p) == f.prefix(pattern) })
	if !ok || !ours || "/"+strings.Join(a.segments, "/") != pattern {
		return
	}
	if f.exact[m.route.Method] == nil {
		f.exact[m.route.Method] = map[string]*mounted{}
	}
	f.exact[m.route.Method][pattern] = m
}

// exactly finds the route of a call whose address is spelt as the route is; nil: look closer.
func (f *Frame) exactly(r *http.Request) *mounted {
	if r.URL.RawPath != "" {
		return nil
	}
	return f.exact[r.Method][r.URL.Path]
}

func origin(r *http.Request) string {
	if r.TLS == nil {
		return "http://" + r.Host
	}
	return "https://" + r.Host
}

func remoteAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// exchange carries what the frame knows of a call from ServeHTTP through the mux.
type exchange struct {
	http.ResponseWriter
	call *Request
}

// address brings an escaped path to the form of the routes of the surface that its first segments name; nil: none.
func (f *Frame) address(escaped string) (address, Surface, bool) {
	prefix := f.prefix(escaped)
	a, ok := f.names[prefix].normal(escaped)
	s := f.surfaces[prefix]
	if c, cuts := s.(Cutter); cuts && ok {
		a.off, a.segments = c.Cut(a.segments)
	}
	return a, s, ok
}

// prefix is the longest prefix of a surface that an address begins with, in lower case; empty: none.
func (f *Frame) prefix(escaped string) string {
	found, at := "", ""
	for i, segment := range firstSegments(escaped, f.longest) {
		if i > 0 {
			at += "/"
		}
		at += segment
		if f.surfaces[at] != nil {
			found = at
		}
	}
	return found
}

// ServeHTTP serves one call.
func (f *Frame) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.Serve(w, r) {
		http.NotFound(w, r)
	}
}

// Serve serves one call, if its address belongs to one of the surfaces; else it does nothing and returns false.
func (f *Frame) Serve(w http.ResponseWriter, r *http.Request) bool {
	if m := f.exactly(r); m != nil {
		f.serveExactly(w, r, m)
		return true
	}
	a, s, ok := f.address(r.URL.EscapedPath())
	if s == nil {
		return false
	}
	call := f.call(w, r, s)
	ctx := within(r.Context(), f.Timeout)
	defer ctx.end()
	defer f.guard(w, call, s)
	r2 := r.WithContext(ctx)
	r2.URL = a.apply(r.URL)
	r2.RequestURI = ""
	call.Request, call.Arguments = r2, a.arguments
	call.retire(s)
	if len(a.off) > 0 {
		call.Scope = "/" + strings.Join(a.off, "/")
	}
	if _, pattern := f.mux.Handler(r2); !ok || pattern == "" {
		f.write(w, call, s.Problem(call, f.unknown(r2, ok)))
		return true
	}
	f.mux.ServeHTTP(&exchange{w, call}, r2)
	return true
}

// serveExactly serves a call whose route is known, by the same steps.
func (f *Frame) serveExactly(w http.ResponseWriter, r *http.Request, m *mounted) {
	call := f.call(w, r, m.surface)
	ctx := within(r.Context(), f.Timeout)
	defer ctx.end()
	defer f.guard(w, call, m.surface)
	r2 := r.WithContext(ctx)
	r2.RequestURI, r2.Pattern = "", m.pattern
	call.Request = r2
	call.retire(m.surface)
	m.answer(w, call)
}

// call is what the frame knows of a call at its beginning.
func (f *Frame) call(w http.ResponseWriter, r *http.Request, s Surface) *Request {
	call := &Request{
		Request: r, Sent: r.URL, ID: newID(), Origin: f.Origin(r), Again: f, Began: f.Now(), FreshMFA: f.FreshMFA,
		writer: w, surface: s, whole: r.Context(),
	}
	call.ClientID = clientID(r, call.ID)
	return call
}

// retire finds out how it stands with the dialect of a call.
func (r *Request) retire(s Surface) {
	if old, ok := s.(Retiring); ok {
		r.retirement = old.Retirement(r)
	}
}

// unknown is the fault of an address that no route has, or none with this method.
func (f *Frame) unknown(r *http.Request, wellFormed bool) *Fault {
	var there []string
	for _, m := range f.methods {
		other := *r
		other.Method = m
		if _, pattern := f.mux.Handler(&other); wellFormed && pattern != "" {
			there = append(there, m)
		}
	}
	if len(there) > 0 {
		return &Fault{Problem: NoSuchMethod, Detail: "The method " + printable(r.Method) + " is not offered here.", Needs: there}
	}
	return &Fault{Problem: NoSuchAddress, Detail: "There is nothing at this address."}
}

// guard turns a panic into an answer, so that one broken call ends nobody else's.
func (f *Frame) guard(w http.ResponseWriter, call *Request, s Surface) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares this very value
		panic(p)
	}
	f.Log.ErrorContext(call.Context(), "panic", "request", call.ID, "path", call.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	f.write(w, call, s.Problem(call, &Fault{Problem: Broken}))
}

// mounted is a route in the mux.
type mounted struct {
	frame   *Frame
	surface Surface
	route   Route
	pattern string // of the mux, with the method
}

func (m *mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, ok := w.(*exchange)
	if !ok { // only the frame's own ServeHTTP calls the mux
		http.Error(w, "misused", http.StatusInternalServerError)
		return
	}
	x.call.Request = r // now with the values of the pattern's wildcards
	m.answer(x.ResponseWriter, x.call)
}

func (m *mounted) answer(w http.ResponseWriter, call *Request) {
	call.route = m
	answer, err := m.serve(call)
	if err != nil {
		m.frame.report(call, err)
		answer = m.surface.Problem(call, err)
	}
	m.frame.write(w, call, answer)
	if answer.Done != nil {
		answer.Done()
	}
}

func (m *mounted) serve(call *Request) (Answer, error) {
	if !m.route.Access.Open {
		if err := m.frame.identify(call); err != nil {
			return Answer{}, m.frame.limitFailure(call, err)
		}
		if err := m.limit(call); err != nil {
			return Answer{}, err
		}
		if err := m.route.Access.permit(call); err != nil {
			return Answer{}, err
		}
		if err := m.frame.await(call); err != nil {
			return Answer{}, err
		}
		// The second gate, which the application judges by.
		if !m.route.Uncompleted {
			call.Caller = m.frame.Callers.Caller(call.Tenant, call.Caller)
		}
	}
	if err := m.frame.retiring(m, call); err != nil {
		return Answer{}, err
	}
	return m.route.Handle(call)
}

// identify finds out who calls.
func (f *Frame) identify(call *Request) error {
	token, err := f.Verifier.Request(call.Request)
	if bad, ok := errors.AsType[*auth.Error](err); ok {
		return &Fault{Problem: Unauthenticated, Detail: bad.Error(), Err: bad}
	}
	if err != nil {
		return err
	}
	// Whoever was deleted or disabled is refused at once, whatever their token says.
	counts, err := f.Callers.Counts(call.Context(), token.Tenant, token.Object)
	if err != nil {
		return err
	}
	if !counts {
		gone := &auth.Error{Reason: auth.NoAccount}
		return &Fault{Problem: Unauthenticated, Detail: gone.Error(), Err: gone}
	}
	call.Token, call.Tenant = token, token.Tenant
	kind := pim.UserPrincipal
	if token.App {
		kind = pim.ServicePrincipal
	}
	call.Caller = pim.Caller{
		Actor: pim.Actor{
			Principal: token.Object, Kind: kind, Name: token.Name, Account: token.Account,
			Address: f.Address(call.Request),
		},
		MFA: token.FreshMFA(call.Began, f.FreshMFA), Contexts: token.Contexts,
	}
	return nil
}

// permit holds the token against the route's permissions.
func (a Access) permit(call *Request) error {
	if call.Token.MadeFor(a.NotMadeFor) {
		err := &auth.Error{Reason: auth.WrongAudience}
		return &Fault{Problem: Unauthenticated, Detail: err.Error(), Err: err}
	}
	if a.Anybody {
		return nil
	}
	if a.ApplicationAny && call.Token.App {
		return nil
	}
	needs := a.Delegated
	if call.Token.App {
		needs = a.Application
	}
	if call.Token.Permits(needs...) {
		return nil
	}
	detail := "Authorization failed due to missing permission scope " + strings.Join(needs, ",") + "."
	if len(needs) == 0 {
		detail = "This operation is not offered to callers of this kind."
	}
	return &Fault{Problem: MissingPermission, Detail: detail, Needs: needs}
}

// report logs what is a fault of ours; refusals are the caller's own business.
func (f *Frame) report(call *Request, err error) {
	if _, ok := errors.AsType[*Fault](err); ok {
		return
	}
	if _, ok := errors.AsType[*pim.Refusal](err); ok {
		return
	}
	if Temporary(err) {
		f.Log.WarnContext(call.Context(), "unavailable", "request", call.ID, "path", call.URL.Path, "error", err)
		return
	}
	if call.Context().Err() == nil && !Expected(err) {
		f.Log.ErrorContext(call.Context(), "failed", "request", call.ID, "path", call.URL.Path, "error", err)
	}
}

// write sends an answer with the headers that every answer has.
func (f *Frame) write(w http.ResponseWriter, call *Request, a Answer) {
	h := w.Header()
	for k, v := range a.Header {
		h[k] = v
	}
	if r := call.retirement; r != nil {
		r.tell(h)
	}
	f.consistent(h, call)
	one := headers(h)
	one.set("Request-Id", call.ID)
	one.set("Client-Request-Id", call.ClientID)
	one.set("Cache-Control", "no-store")
	one.set("X-Content-Type-Options", "nosniff")
	if a.Status == 0 {
		a.Status = http.StatusOK
		if a.Body == nil && a.Stream == nil {
			a.Status = http.StatusNoContent
		}
	}
	if a.Type != "" {
		one.set("Content-Type", a.Type)
	}
	if f.Answered != nil && call.surface != nil {
		f.Answered(call, call.surface, a.Status)
	}
	if a.Stream != nil {
		f.stream(w, call, a)
		return
	}
	if a.Status != http.StatusNoContent {
		one.set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	if _, err := w.Write(a.Body); err != nil && a.Status != http.StatusNoContent {
		f.Log.DebugContext(call.Context(), "the caller went away", "request", call.ID, "error", err)
	}
}

// oneByOne sets headers of one value each, whose names are spelt canonically, with room for all of them at once.
type oneByOne struct {
	header http.Header
	values []string
}

func headers(h http.Header) oneByOne { return oneByOne{h, make([]string, 0, 6)} }

func (o *oneByOne) set(name, value string) {
	o.values = append(o.values, value)
	n := len(o.values)
	o.header[name] = o.values[n-1 : n : n]
}

// Retry is how long callers shall wait after a temporary failure, for Retry-After in seconds.
func Retry() string { return strconv.Itoa(int(retryAfter / time.Second)) }

// clientID is the caller's own name for the call, if it is one that can be sent back.
func clientID(r *http.Request, otherwise string) string {
	id := r.Header.Get("Client-Request-Id")
	if id == "" || len(id) > 128 || printable(id) != id {
		return otherwise
	}
	return id
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s[:min(len(s), 256)])
}

// newID makes a random UUID (RFC 9562 §5.4).
func newID() string {
	var b [16]byte
	// It names and protects nothing, so the quick generator of the runtime, which is seeded well, will do.
	binary.LittleEndian.PutUint64(b[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
