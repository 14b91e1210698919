package api

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"portcullis/internal/pim"
)

// old is a surface whose dialect is on its way out.
type old struct {
	plain
	retirement *Retirement
}

func (o old) Retirement(*Request) *Retirement { return o.retirement }

var errGone = errors.New("gone")

func (o old) Problem(r *Request, err error) Answer {
	if errors.Is(err, errGone) {
		return Answer{Status: http.StatusGone, Body: []byte("gone")}
	}
	return o.plain.Problem(r, err)
}

// TestADialectOnItsWayOut: every answer says so, whatever it is; switched off, or for reading alone, calls are refused after it is
// known who calls, and counted all the same.
func TestADialectOnItsWayOut(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	end := time.Date(2026, 10, 28, 0, 0, 0, 0, time.UTC)
	read, write := []string{"A.Read"}, []string{"A.Write"}
	for _, c := range []struct {
		name, method, path, token string
		told                      Retirement
		status                    int
		counted                   string
	}{
		{"on", "GET", "/x/a", "alice", Retirement{}, http.StatusOK, "GET /x/a"},
		{"on, writing", "POST", "/x/a", "alice", Retirement{}, http.StatusOK, "POST /x/a"},
		{"reading alone", "GET", "/x/a", "alice", Retirement{Mode: ReadOnly}, http.StatusOK, "GET /x/a"},
		{"reading alone, asked for the head", "HEAD", "/x/a", "alice", Retirement{Mode: ReadOnly}, http.StatusOK, "GET /x/a"},
		{"reading alone, writing", "POST", "/x/a", "alice", Retirement{Mode: ReadOnly}, http.StatusGone, "POST /x/a"},
		{"off", "GET", "/x/a", "alice", Retirement{Mode: Off}, http.StatusGone, "GET /x/a"},
		{"off, without a token", "GET", "/x/a", "", Retirement{Mode: Off}, http.StatusBadRequest + int(Unauthenticated), ""},
		{"off, without permission", "DELETE", "/x/a", "alice", Retirement{Mode: Off}, http.StatusBadRequest + int(MissingPermission), ""},
		{"nothing there", "GET", "/x/b", "alice", Retirement{Mode: Off}, http.StatusBadRequest + int(NoSuchAddress), ""},
	} {
		r := c.told
		r.Dialect, r.Deprecated, r.Sunset, r.Successor = "old", at, end, "https://pim.example.com/new"
		r.Gone = func(*Request) error { return errGone }
		var counted []Use
		f := New(Options{Verifier: verifier{}, Callers: callers{}, Now: func() time.Time { return at }, Called: func(u Use) { counted = append(counted, u) }},
			old{plain{[]Route{
				{Method: "GET", Pattern: "/x/a", Access: Access{Delegated: read}, Handle: ok("done")},
				{Method: "POST", Pattern: "/x/a", Access: Access{Delegated: read}, Handle: ok("done")},
				{Method: "DELETE", Pattern: "/x/a", Access: Access{Delegated: write}, Handle: ok("done")},
			}}, &r})
		w := serve(t, f, c.method, c.path, c.token)
		if w.Code != c.status {
			t.Errorf("%s: got %d %s, want %d", c.name, w.Code, w.Body, c.status)
		}
		h := w.Header()
		if h.Get("Deprecation") != "@1772442000" || h.Get("Sunset") != "Wed, 28 Oct 2026 00:00:00 GMT" ||
			h.Get("Link") != `<https://pim.example.com/new>; rel="successor-version"` {
			t.Errorf("%s: got the headers %v", c.name, h)
		}
		var want []Use
		if c.counted != "" {
			want = []Use{{Tenant: "t", Dialect: "old", Route: c.counted, Principal: pim.PrincipalID(c.token), At: at}}
		}
		if !slices.Equal(counted, want) {
			t.Errorf("%s: got %v counted, want %v", c.name, counted, want)
		}
	}
}
