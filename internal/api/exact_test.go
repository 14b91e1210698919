package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portcullis/internal/pim"
)

// TestAddressesSpeltExactly: an address that is spelt as its route is served as any other spelling of it is, through the same gates.
func TestAddressesSpeltExactly(t *testing.T) {
	var seen []string
	note := func(r *Request) (Answer, error) {
		seen = append(seen, r.URL.Path+" "+r.Pattern+" "+r.PathValue("id")+" "+string(r.Caller.Principal))
		return Answer{Body: []byte("x")}, nil
	}
	f := frameOf(new(strings.Builder),
		get("/x/Things", Access{Delegated: []string{"A.Read"}}, note),
		get("/x/Things/{id}", Access{Delegated: []string{"A.Read"}}, note),
		get("/x/Secrets", Access{Delegated: []string{"B.Read"}}, note),
	)
	if f.exact[http.MethodGet]["/x/Things"] == nil || f.exact[http.MethodGet]["/x/Things/{id}"] != nil {
		t.Fatalf("got the exact routes %v", f.exact)
	}
	for _, path := range []string{"/x/Things", "/X/things", "/x//Things/", "/x/%54hings"} {
		seen = nil
		rec := serve(t, f, http.MethodGet, path, "amira")
		if rec.Code != http.StatusOK || len(seen) != 1 || seen[0] != "/x/Things GET /x/Things  amira" {
			t.Errorf("%s: got %d and %q", path, rec.Code, seen)
		}
		if rec.Header().Get("Request-Id") == "" || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Content-Length") != "1" {
			t.Errorf("%s: got the headers %v", path, rec.Header())
		}
	}
	for _, path := range []string{"/x/Secrets", "/X/secrets"} {
		if rec := serve(t, f, http.MethodGet, path, "amira"); rec.Code != http.StatusBadRequest+int(MissingPermission) {
			t.Errorf("%s without the permission: got %d", path, rec.Code)
		}
		if rec := serve(t, f, http.MethodGet, path, ""); rec.Code != http.StatusBadRequest+int(Unauthenticated) {
			t.Errorf("%s without a token: got %d", path, rec.Code)
		}
		if rec := serve(t, f, http.MethodPost, path, "amira"); rec.Code != http.StatusBadRequest+int(NoSuchMethod) {
			t.Errorf("%s with another method: got %d", path, rec.Code)
		}
	}
}

// TestCompletingLater: a route that asks for the caller's roles itself has none before, and what it is told of them later is of that
// moment; a call that goes on for long is held against the gates again.
func TestCompletingLater(t *testing.T) {
	done := 0
	var before, after []pim.HeldRole
	var still []error
	permitted := "A.Read"
	h := func(r *Request) (Answer, error) {
		before = r.Caller.Roles
		r.Complete()
		after = r.Caller.Roles
		still = append(still, r.Still())
		r.route.route.Access.Delegated = []string{"B.Read"}
		still = append(still, r.Still())
		return Answer{Body: []byte("x"), Done: func() { done++ }}, nil
	}
	route := get("/x/late", Access{Delegated: []string{permitted}}, h)
	route.Uncompleted = true
	f := frameOf(new(strings.Builder), route)
	if rec := serve(t, f, http.MethodGet, "/x/late", "amira"); rec.Code != http.StatusOK || len(before) != 0 || len(after) != 1 || done != 1 {
		t.Errorf("got %d, roles %v and then %v, done %d times", rec.Code, before, after, done)
	}
	if len(still) != 2 || still[0] != nil || still[1] == nil {
		t.Errorf("whether the call may go on: got %v, want yes and then no", still)
	}
}

// TestAppendBody reads what Body reads, whatever is told of its length.
func TestAppendBody(t *testing.T) {
	for _, fact := range []struct {
		text   string
		length int64
		want   string
		fails  bool
	}{
		{"hello", 5, "a hello", false}, {"hello", -1, "a hello", false}, {"", 0, "a ", false}, {"hell", 5, "", true},
		{strings.Repeat("x", MaxBody+1), MaxBody + 1, "", true}, {strings.Repeat("x", MaxBody+1), -1, "", true},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fact.text))
		r.ContentLength = fact.length
		got, err := (&Request{Request: r, writer: httptest.NewRecorder()}).AppendBody([]byte("a "))
		if (err != nil) != fact.fails || err == nil && string(got) != fact.want {
			t.Errorf("%.10q of %d: got %.20q, %v", fact.text, fact.length, got, err)
		}
	}
}

func TestIDsAreUUIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		if !pim.IsUUID(id) || id[14] != '4' || !strings.Contains("89ab", id[19:20]) || seen[id] {
			t.Fatalf("got %s", id)
		}
		seen[id] = true
	}
}
