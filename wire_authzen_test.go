package portcullis_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"portcullis/internal/api/authzen"
	"portcullis/internal/pim"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
)

// ofAuthZEN says whether an operation is one of AuthZEN's surface.
func ofAuthZEN(route string) bool { return strings.HasPrefix(route, "access ") }

// TestAuthZENConversations speaks every operation but the stream, whose tests are in its package: a recorder would wait for its end.
func TestAuthZENConversations(t *testing.T) {
	conversations(t, "authzen", func(route string) bool { return ofAuthZEN(route) && route != "access v1/watch" })
}

// TestAuthZENGuardsItsRoutes walks every route: without a token, with one that permits too little, by a person without a role, and by
// another tenant, nothing is told about anybody.
func TestAuthZENGuardsItsRoutes(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.grant("alice", pim.RoleID(w.vars["billing"]), "/")
	body := w.fill(`{"subject": {"type": "user", "id": "${alice}"}, "action": {"name": "Billing Administrator"}, "resource": {"type": "directory", "id": "/"}}`)
	for _, r := range authzen.New(w.app, w.app.Index).Routes() {
		if r.Access.Open {
			continue
		}
		target := r.Pattern
		if strings.HasSuffix(target, "/watch") || strings.HasSuffix(target, "/gate") {
			target += "?resource=/&subject=" + w.vars["alice"] + "&action=" + url.QueryEscape("Billing Administrator")
		}
		if !r.Check || !r.Access.Anybody {
			t.Errorf("%s: not counted as a check, or closed to whoever asks about themselves", r.Pattern)
		}
		for _, caller := range []struct {
			name, why string
			want      int
			may       []string
		}{
			{"nobody", "without a token", http.StatusUnauthorized, nil},
			{"robot", "without the permission", http.StatusForbidden, []string{"RoleManagement.Read.All", "Directory.Read.All"}},
			{"grace", "as an administrator without the permission", http.StatusForbidden, []string{"RoleManagement.Read.All"}},
			{"bob", "without a role", http.StatusForbidden, []string{authzen.Permission}},
		} {
			w.caller, w.may = caller.name, caller.may
			rec := w.call(r.Method, target, nil, []byte(body))
			if rec.Code != caller.want || strings.Contains(rec.Body.String(), "decision") || rec.Header().Get("Portcullis-Reason") != "" {
				t.Errorf("%s %s %s: got %d with %s, want %d", r.Method, r.Pattern, caller.why, rec.Code, rec.Body, caller.want)
			}
		}
		if strings.HasSuffix(r.Pattern, "/watch") {
			continue // it would go on
		}
		w.caller, w.may = "stranger", []string{authzen.Permission}
		rec := w.call(r.Method, target, nil, []byte(body))
		if text := rec.Body.String(); strings.Contains(text, `"decision":true`) || strings.Contains(strings.ToLower(text), "contoso") || rec.Code >= 500 ||
			strings.HasSuffix(r.Pattern, "/gate") && rec.Code == http.StatusOK {
			t.Errorf("%s %s by another tenant: got %d with %s", r.Method, r.Pattern, rec.Code, text)
		}
	}
}

// TestAuthZENWithoutItsStore: what is in memory is answered though the store is gone, as long as the node counts as fresh, and ends at
// its instant (promise P3).
func TestAuthZENWithoutItsStore(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, s, &usage{routes: map[string]int{}})
	w.speak("scene", `as grace mfa
> POST /v1.0/roleManagement/directory/roleAssignmentScheduleRequests
{"action": "adminAssign", "justification": "a while", "roleDefinitionId": "${billing}", "directoryScopeId": "/", "principalId": "${alice}",
 "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "PT1H"}}}
< 201
`)
	ask := func(want string) {
		t.Helper()
		w.caller, w.may = "robot", []string{authzen.Permission}
		body := w.fill(`{"subject": {"type": "user", "id": "${alice}"}, "action": {"name": "Billing Administrator"}, "resource": {"type": "directory", "id": "/"}}`)
		if rec := w.call(http.MethodPost, "/access/v1/evaluation", nil, []byte(body)); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("got %d with %s, want %s", rec.Code, rec.Body, want)
		}
	}
	ask(`"decision":true`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ask(`"decision":true`)
	w.mu.Lock()
	w.now = w.now.Add(time.Hour)
	w.mu.Unlock()
	ask(`"decision":false`)
}

// TestAuthZENWatchesOverTheWire opens a stream at a real server, by HTTP/2 and TLS, and has it tell the state at once and then a grant.
func TestAuthZENWatchesOverTheWire(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	web := httptest.NewUnstartedServer(w.handler)
	web.Config.ReadTimeout, web.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	web.EnableHTTP2 = true
	web.StartTLS()
	defer web.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.caller, w.may = "robot", []string{authzen.Permission}
	query := url.Values{"subject": {w.vars["alice"]}, "action": {"Billing Administrator"}, "resource": {"/"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/access/v1/watch?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token())
	res, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	next := func(want ...string) {
		t.Helper()
		var text strings.Builder
		room := make([]byte, 4096)
		for !strings.HasSuffix(text.String(), "\n\n") {
			n, err := res.Body.Read(room)
			text.Write(room[:n])
			if err != nil {
				t.Fatalf("the stream ended: %v after %q", err, text.String())
			}
		}
		for _, part := range want {
			if !strings.Contains(text.String(), part) {
				t.Fatalf("got the event %q, want %s in it", text.String(), part)
			}
		}
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d %v", res.StatusCode, res.Header)
	}
	next("event: decision\n", `"decision":false`, `"reason":"none"`)
	w.grant("alice", pim.RoleID(w.vars["billing"]), "/")
	next(`"decision":true`, `"reason":"assignment"`)
}
