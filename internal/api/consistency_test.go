package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"portcullis/internal/app"
)

// sight is a node that sees what "c7" names and comes to see nothing later.
type sight struct{ awaited []string }

func (*sight) Token() string { return "c7" }

func (s *sight) Await(_ context.Context, token string) error {
	s.awaited = append(s.awaited, token)
	switch token {
	case "c7":
		return nil
	case "c9":
		return app.ErrBehind
	}
	return app.ErrToken
}

// TestConsistencyTokens: whatever may have written something tells what to see, also where it is refused; a call that names a token is
// served once this node sees that, and nobody who may not call has anything awaited.
func TestConsistencyTokens(t *testing.T) {
	const behind, malformed, refused = http.StatusServiceUnavailable, 400 + int(BadBody), 400 + int(MissingPermission)
	for _, fact := range []struct {
		method, path, token, names string
		status                     int
		waits, tells, handled      bool
	}{
		{"GET", "/x/read", "alice", "", 200, false, false, true},
		{"GET", "/x/read", "alice", "c7", 200, true, false, true},
		{"GET", "/x/read", "alice", "c9", behind, true, false, false},
		{"GET", "/x/read", "alice", "made up", malformed, true, false, false},
		{"POST", "/x/write", "alice", "", 200, false, true, true},
		{"POST", "/x/write", "alice", "c7", 200, true, true, true},
		{"POST", "/x/write", "alice", "c9", behind, true, true, false},
		{"DELETE", "/x/write", "alice", "", 200, false, true, true},
		{"PUT", "/x/others", "alice", "c7", refused, false, true, false},
		{"POST", "/x/write", "", "c7", 400 + int(Unauthenticated), false, false, false},
		{"POST", "/x/write", "gone", "c7", 400 + int(Unauthenticated), false, false, false},
		{"POST", "/x/question", "alice", "", 200, false, false, true}, // it writes nothing
		{"POST", "/x/question", "alice", "c9", behind, true, false, false},
		{"GET", "/x/open", "", "c9", 200, false, false, true}, // the same for everybody, and of no tenant
	} {
		handled := false
		h := func(*Request) (Answer, error) { handled = true; return Answer{Body: []byte("x")}, nil }
		anybody := Access{Anybody: true}
		node := &sight{}
		f := New(Options{Verifier: verifier{}, Callers: callers{}, Consistency: node}, plain{[]Route{
			get("/x/read", anybody, h), get("/x/open", Access{Open: true}, h),
			{Method: http.MethodPost, Pattern: "/x/write", Access: anybody, Handle: h}, {Method: http.MethodDelete, Pattern: "/x/write", Access: anybody, Handle: h},
			{Method: http.MethodPut, Pattern: "/x/others", Access: Access{Delegated: []string{"B.ReadWrite"}}, Handle: h},
			{Method: http.MethodPost, Pattern: "/x/question", Access: anybody, Handle: h, Check: true},
		}})
		r := httptest.NewRequestWithContext(t.Context(), fact.method, "https://pim.example.com"+fact.path, nil)
		if fact.token != "" {
			r.Header.Set("Authorization", "Bearer "+fact.token)
		}
		var waits []string
		if fact.names != "" {
			r.Header.Set(ConsistencyHeader, fact.names)
		}
		if fact.waits {
			waits = []string{fact.names}
		}
		rec := httptest.NewRecorder()
		f.ServeHTTP(rec, r)
		told := rec.Header().Get(ConsistencyHeader)
		if rec.Code != fact.status || !slices.Equal(node.awaited, waits) || (told == "c7") != fact.tells || told != "" && told != "c7" || handled != fact.handled {
			t.Errorf("%s %s as %q with %q: got %d, awaited %q, told %q, handled %v; want %d, %q, %v, %v",
				fact.method, fact.path, fact.token, fact.names, rec.Code, node.awaited, told, handled, fact.status, waits, fact.tells, fact.handled)
		}
	}
}
