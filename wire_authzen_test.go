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

// questions are a good call of each operation of AuthZEN but the stream's and the metadata, about alice and a role.
func (w *wire) questions(role string) map[string]writing {
	subject, action, where := `"subject":{"type":"user","id":"${alice}"}`, `"action":{"name":"`+role+`"}`, `"resource":{"type":"directory","id":"/"}`
	gate := "/access/v1/gate?resource=/&subject=${alice}&action=" + url.QueryEscape(w.fill(role))
	all := map[string]writing{
		"evaluation":      {http.MethodPost, "/access/v1/evaluation", "{" + subject + "," + action + "," + where + "}"},
		"evaluations":     {http.MethodPost, "/access/v1/evaluations", "{" + subject + "," + where + `,"evaluations":[{"action":{"name":"${billing}"}},{` + action + "}]}"},
		"search subject":  {http.MethodPost, "/access/v1/search/subject", `{"subject":{"type":"user"},` + action + "," + where + "}"},
		"search resource": {http.MethodPost, "/access/v1/search/resource", "{" + subject + "," + action + `,"resource":{"type":"directory"}}`},
		"search action":   {http.MethodPost, "/access/v1/search/action", "{" + subject + "," + where + "}"},
		"gate":            {http.MethodGet, gate, ""}, "gate post": {http.MethodPost, gate, ""},
	}
	for name, c := range all {
		all[name] = writing{c.method, w.fill(c.path), w.fill(c.body)}
	}
	return all
}

// TestAuthZENRefusesWhatIsNoQuestion: every operation that takes a body says so of what is none, with 4xx and a text; a decision is
// never made of it, nor is it a fault of the server. As it should be it is answered.
func TestAuthZENRefusesWhatIsNoQuestion(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.caller, w.may = "robot", []string{authzen.Permission}
	refused := func(what string, c writing, header http.Header, want int) {
		t.Helper()
		rec := w.call(c.method, c.path, header, []byte(c.body))
		if rec.Code != want || strings.Contains(rec.Body.String(), "decision\"") || strings.Contains(rec.Body.String(), "results") ||
			rec.Header().Get("Portcullis-Reason") != "" || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/plain") || rec.Body.Len() == 0 {
			t.Errorf("%s %s %s with %.60q: got %d with %s, want %d", what, c.method, c.path, c.body, rec.Code, rec.Body, want)
		}
	}
	deep := strings.Repeat(`{"subject":`, 200) + "1" + strings.Repeat("}", 200)
	for name, good := range w.questions("Billing Administrator") {
		if rec := w.call(good.method, good.path, nil, []byte(good.body)); rec.Code != http.StatusOK && !strings.HasPrefix(name, "gate") {
			t.Errorf("%s as it should be: got %d with %s", name, rec.Code, rec.Body)
		}
		if good.body == "" {
			continue
		}
		for _, body := range []string{
			"", "null", "[]", "5", `"x"`, "{", "\x00", "{}", deep, good.body[:len(good.body)-1], good.body + "{}",
			`{"subject":5}`, `{"subject":"x","action":"x","resource":"x"}`, `{"subject":[],"action":[],"resource":[]}`,
			strings.Replace(good.body, `"type":"`, `"type":7,"was":"`, 1), strings.Replace(good.body, `"resource":{`, `"resource":null,"was":{`, 1),
			strings.Replace(good.body, `"type":"`, `"type":"","was":"`, 1), strings.Replace(good.body, `"resource":{`, `"context":{"consistencyToken":1},"resource":{`, 1),
			strings.Replace(good.body, `"resource":{`, `"context":{"consistencyToken":"made up"},"resource":{`, 1),
			strings.Replace(good.body, `"type":"`, `"type":"`+strings.Repeat("x", 5000), 1),
		} {
			refused(name, writing{good.method, good.path, body}, nil, http.StatusBadRequest)
		}
		refused(name, writing{good.method, good.path, strings.Repeat(" ", 1<<20+1)}, nil, http.StatusRequestEntityTooLarge)
		refused(name, good, http.Header{"Content-Encoding": {"br"}}, http.StatusUnsupportedMediaType)
	}
	long := strings.Repeat("x", 5000)
	for _, query := range []string{
		"", "?", "?%zz", "?subject=a;b", "?subject=a", "?subject=a&action=x", "?subject=a&action=x&resource=", "?subject=a&subject=b&action=x&resource=/&resource=/",
		"?subject=a&action=x&resource=/&dataAction=1", "?subject=a&action=x&resource=/&Subject=b", "?subject=a&action=x&resource=/&context=1",
		"?subject=" + long + "&action=x&resource=/", "?subject=a&subjectType=" + long + "&action=x&resource=/", "?subject=a&action=" + long + "&resource=/",
		"?subject=a&action=x&resource=/" + long, "?subject=a&action=x&resourceType=" + long + "&resource=/", "?subject=" + strings.Repeat(long, 20),
	} {
		refused("gate", writing{method: http.MethodGet, path: "/access/v1/gate" + query}, nil, http.StatusBadRequest)
		if query != "?subject=a" { // that watches everything
			refused("watch", writing{method: http.MethodGet, path: "/access/v1/watch" + query}, nil, http.StatusBadRequest)
		}
	}
	refused("watch of too many", writing{method: http.MethodGet, path: "/access/v1/watch?action=x&resource=/" + strings.Repeat("&subject=a", 101)}, nil, http.StatusBadRequest)
}

// TestAuthZENWhereItsStoreFails: a question that needs the store, because its role is one that people of the tenant have named, or because
// nobody knows who asks, is answered with 503 and when to come again, without a decision: also the second of several, behind a first
// that is answered from memory.
func TestAuthZENWhereItsStoreFails(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, s, &usage{routes: map[string]int{}})
	w.grant("alice", pim.RoleID(w.vars["billing"]), "/")
	w.caller, w.may = "robot", []string{authzen.Permission}
	fromMemory := w.questions("${billing}")
	if rec := w.call(http.MethodPost, "/access/v1/evaluation", nil, []byte(fromMemory["evaluation"].body)); rec.Code != http.StatusOK {
		t.Fatalf("before: got %d with %s", rec.Code, rec.Body)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	unavailable := func(what string, c writing) {
		t.Helper()
		rec := w.call(c.method, c.path, nil, []byte(c.body))
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" || rec.Header().Get("Portcullis-Reason") != "" ||
			strings.Contains(rec.Body.String(), "decision") || strings.Contains(rec.Body.String(), "results") {
			t.Errorf("%s: got %d %v with %s, want 503", what, rec.Code, rec.Header(), rec.Body)
		}
	}
	for name, c := range w.questions("Keeper of keys") {
		if name != "search action" { // which names no role
			unavailable(name, c)
		}
	}
	unavailable("watch", writing{method: http.MethodGet, path: "/access/v1/watch?resource=/&subject=alice&action=Keeper+of+keys"})
	for name, c := range fromMemory {
		if rec := w.call(c.method, c.path, nil, []byte(c.body)); rec.Code != http.StatusOK {
			t.Errorf("%s, from memory: got %d with %s", name, rec.Code, rec.Body)
		}
	}
	w.caller = "aud" // who has not called before
	for name, c := range fromMemory {
		unavailable(name+" by somebody unknown", c)
	}
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
