package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// plain is a surface that tells problems as plain text.
type plain struct{ routes []Route }

func (plain) Prefixes() []string { return []string{"x"} }
func (p plain) Routes() []Route  { return p.routes }
func (plain) Problem(_ *Request, err error) Answer {
	status, body := http.StatusInternalServerError, "internal"
	if f, ok := errors.AsType[*Fault](err); ok && f.Problem != Broken {
		status, body = http.StatusBadRequest+int(f.Problem), f.Detail
	}
	if Temporary(err) {
		status, body = http.StatusServiceUnavailable, "later"
	}
	return Answer{Status: status, Type: "text/plain", Body: []byte(body)}
}

// verifier believes every token but the empty one, and takes it for the caller's name.
type verifier struct{}

func (verifier) Request(r *http.Request) (auth.Token, error) {
	raw, err := auth.Bearer(r)
	return auth.Token{Tenant: "t", Object: pim.PrincipalID(raw), App: raw == "robot", Scopes: []string{"A.Read"}, MFAAt: time.Now().Add(-time.Hour)}, err
}

type callers struct{}

func (callers) Caller(_ pim.TenantID, by pim.Caller) pim.Caller {
	by.Roles = []pim.HeldRole{{Role: "r"}}
	return by
}

func (callers) Counts(_ context.Context, _ pim.TenantID, p pim.PrincipalID) (bool, error) {
	return p != "gone", nil
}

func serve(t *testing.T, f *Frame, method, target, token string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "https://pim.example.com"+target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	f.ServeHTTP(rec, r)
	return rec
}

func ok(body string) Handler {
	return func(*Request) (Answer, error) { return Answer{Type: "text/plain", Body: []byte(body)}, nil }
}

func get(path string, a Access, h Handler) Route {
	return Route{Method: http.MethodGet, Pattern: path, Access: a, Handle: h}
}

func frameOf(log *strings.Builder, routes ...Route) *Frame {
	return New(Options{Verifier: verifier{}, Callers: callers{}, Log: slog.New(slog.NewTextHandler(log, nil))}, plain{routes})
}

func TestThePermissionGate(t *testing.T) {
	f := frameOf(new(strings.Builder),
		get("/x/read", Access{Delegated: []string{"a.read"}}, ok("read")),
		get("/x/other", Access{Delegated: []string{"B.Read"}, Application: []string{"A.Read"}}, ok("other")),
		get("/x/any", Access{Anybody: true}, ok("any")),
		get("/x/open", Access{Open: true}, ok("open")))
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/x/any", "gone", 400 + int(Unauthenticated)}, // deleted or disabled
		{"/x/read", "alice", 200}, {"/x/read", "robot", 400 + int(MissingPermission)}, {"/x/read", "", 400 + int(Unauthenticated)},
		{"/x/other", "alice", 400 + int(MissingPermission)}, {"/x/other", "robot", 200},
		{"/x/any", "alice", 200}, {"/x/any", "", 400 + int(Unauthenticated)}, {"/x/open", "", 200},
		{"/x/none", "alice", 400 + int(NoSuchAddress)}, {"/y", "alice", 404},
	} {
		if got := serve(t, f, "GET", c.path, c.token).Code; got != c.want {
			t.Errorf("GET %s as %q: got %d, want %d", c.path, c.token, got, c.want)
		}
	}
	if got := serve(t, f, "POST", "/x/read", "alice").Code; got != 400+int(NoSuchMethod) {
		t.Errorf("POST: got %d, want no such method", got)
	}
}

func TestTheCallerIsKnownToHandlers(t *testing.T) {
	var got pim.Caller
	f := frameOf(new(strings.Builder), get("/x/me", Access{Anybody: true}, func(r *Request) (Answer, error) {
		got = r.Caller
		return Answer{}, nil
	}))
	if code := serve(t, f, "GET", "/x/me", "alice").Code; code != http.StatusNoContent {
		t.Fatalf("got %d, want 204", code)
	}
	if got.Principal != "alice" || !got.MFA || got.Kind != pim.UserPrincipal || len(got.Roles) != 1 || got.Address == "" {
		t.Errorf("got %+v", got)
	}
	serve(t, f, "GET", "/x/me", "robot")
	if got.MFA || got.Kind != pim.ServicePrincipal {
		t.Errorf("an application: got %+v, want no second factor", got)
	}
}

// TestFaultsTellNothing: a panic and an unknown error end in 500 with a request id; what happened is in the log alone.
func TestFaultsTellNothing(t *testing.T) {
	var log strings.Builder
	f := frameOf(&log,
		get("/x/panic", Access{Open: true}, func(*Request) (Answer, error) { panic("secret one") }),
		get("/x/error", Access{Open: true}, func(*Request) (Answer, error) { return Answer{}, errors.New("secret two") }))
	for _, path := range []string{"/x/panic", "/x/error"} {
		rec := serve(t, f, "GET", path, "")
		id := rec.Header().Get("Request-Id")
		if rec.Code != 500 || id == "" || strings.Contains(rec.Body.String(), "secret") || !strings.Contains(log.String(), id) {
			t.Errorf("%s: got %d with %q and log %q", path, rec.Code, rec.Body, log.String())
		}
	}
	if !strings.Contains(log.String(), "secret one") || !strings.Contains(log.String(), "secret two") {
		t.Errorf("the log lacks what happened: %q", log.String())
	}
}

func TestWhatPassesByItselfIsTemporary(t *testing.T) {
	for _, err := range []error{store.ErrUnavailable, app.ErrClock, auth.ErrKeysUnavailable, context.DeadlineExceeded} {
		f := frameOf(new(strings.Builder), get("/x/a", Access{Open: true}, func(*Request) (Answer, error) { return Answer{}, err }))
		if got := serve(t, f, "GET", "/x/a", "").Code; got != http.StatusServiceUnavailable {
			t.Errorf("%v: got %d, want 503", err, got)
		}
	}
}

func TestACallEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := frameOf(new(strings.Builder), get("/x/slow", Access{Open: true}, func(r *Request) (Answer, error) {
			<-r.Context().Done()
			return Answer{}, r.Context().Err()
		}))
		began := time.Now()
		rec := serve(t, f, "GET", "/x/slow", "")
		if took := time.Since(began); rec.Code != http.StatusServiceUnavailable || took != defaultTimeout {
			t.Errorf("got %d after %s, want 503 after %s", rec.Code, took, defaultTimeout)
		}
	})
}

func TestClientRequestIDsThatCanBeSentBack(t *testing.T) {
	f := frameOf(new(strings.Builder), get("/x/a", Access{Open: true}, ok("a")))
	for id, same := range map[string]bool{"my-call": true, "": false, strings.Repeat("a", 200): false, "bad\x01id": false} {
		r := httptest.NewRequest("GET", "/x/a", nil)
		r.Header["Client-Request-Id"] = []string{id}
		rec := httptest.NewRecorder()
		f.ServeHTTP(rec, r)
		got := rec.Header().Get("Client-Request-Id")
		if (got == id) != same || !same && got != rec.Header().Get("Request-Id") {
			t.Errorf("%.20q: got %q", id, got)
		}
	}
}
