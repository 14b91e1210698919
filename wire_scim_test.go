package portcullis_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"portcullis/internal/api/scim"
	"portcullis/internal/client/provision"
	"portcullis/internal/pim"
	"portcullis/internal/server"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
)

// TestSCIMConversations speaks the requests that RFC 7644 and Microsoft Entra's provisioning service show, and bad ones.
func TestSCIMConversations(t *testing.T) {
	conversations(t, "scim", func(route string) bool { return ofSCIM(route) && !strings.HasSuffix(route, "/Me") })
}

// ofSCIM says whether an operation is one of SCIM's, whose version is a part of the path.
func ofSCIM(route string) bool { return strings.Contains(route, " v2/") }

// addSources gives both tenants a directory source.
func (w *wire) addSources() {
	w.Helper()
	w.sources = map[string]string{}
	for name, tenant := range map[string]string{"source": wireTenant, "neighbour": foreignHouse} {
		made, err := server.Sources().Add(w.Context(), w.app, tenant, "Directory")
		if err != nil {
			w.Fatal(err)
		}
		w.sources[name], w.vars[name] = made.Secret, string(made.Object.ID)
	}
}

// TestSCIMGuardsItsRoutes walks every route: without a token, with a wrong one, with one of a person, with one that permits
// too little, and with those of another tenant, nothing is told and nothing is changed.
func TestSCIMGuardsItsRoutes(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	source := w.sources["source"]
	before := w.call(http.MethodGet, "/v1.0/users/"+w.vars["alice"], nil, nil).Body.String()
	for _, r := range scim.New(w.app, w.app.Store).Routes() {
		path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, w.vars["alice"])
		refused := func(what string, want int) {
			t.Helper()
			rec := w.call(r.Method, path, nil, []byte("{}"))
			if rec.Code != want || !strings.Contains(rec.Body.String(), "urn:ietf:params:scim:api:messages:2.0:Error") {
				t.Errorf("%s %s with %s: got %d with %s, want %d", r.Method, path, what, rec.Code, rec.Body, want)
			}
		}
		w.caller, w.may = "nobody", allPermissions()
		refused("no token", http.StatusUnauthorized)
		w.caller = "grace"
		refused("a person's token", http.StatusForbidden)
		w.caller, w.may = "robot", []string{"Directory.ReadWrite.All"}
		refused("too small a permission", http.StatusForbidden)
		w.caller = "forged"
		for what, token := range map[string]string{
			"an altered secret": source[:len(source)-1] + map[bool]string{true: "A", false: "B"}[source[len(source)-1] != 'A'],
			"no secret":         source[:strings.LastIndexByte(source, '_')+1],
			"another tenant's names before it": w.sources["neighbour"][:strings.LastIndexByte(w.sources["neighbour"], '_')] +
				source[strings.LastIndexByte(source, '_'):],
			"rubbish behind its prefix": "pimscim_AAAA_BBBB",
		} {
			w.sources["forged"] = token
			refused(what, http.StatusUnauthorized)
		}
		w.caller = "neighbour"
		rec := w.call(r.Method, path, nil, []byte("{}"))
		if body := rec.Body.String(); strings.Contains(body, "contoso") || strings.Contains(body, "Alice") || rec.Code >= 500 && !strings.HasSuffix(path, "/Me") {
			t.Errorf("%s %s by another tenant: got %d with %s", r.Method, path, rec.Code, body)
		}
	}
	w.caller, w.may = "grace", allPermissions()
	if after := w.call(http.MethodGet, "/v1.0/users/"+w.vars["alice"], nil, nil).Body.String(); after != before {
		t.Errorf("alice changed: got %s, want %s", after, before)
	}
	w.caller = "source"
	if rec := w.call(http.MethodGet, "/v1.0/users", nil, nil); rec.Code != http.StatusUnauthorized {
		t.Errorf("a source's token at Graph: got %d, want 401", rec.Code)
	}
}

// TestSCIMTokensAreWithdrawn: a second token works beside the first, and a removed source works no more from that instant.
func TestSCIMTokensAreWithdrawn(t *testing.T) {
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, open(t), &usage{routes: map[string]int{}})
			reads := func(token string, want int) {
				t.Helper()
				w.caller, w.sources["some"] = "some", token
				if rec := w.call(http.MethodGet, "/scim/v2/Users?count=1", nil, nil); rec.Code != want {
					t.Errorf("got %d with %s, want %d", rec.Code, rec.Body, want)
				}
			}
			renew := func(only bool) string {
				t.Helper()
				s, err := server.Sources().Renew(t.Context(), w.app, wireTenant, "directory", only)
				if err != nil {
					t.Fatal(err)
				}
				return s.Secret
			}
			first := w.sources["source"]
			second := renew(false)
			reads(first, http.StatusOK)
			reads(second, http.StatusOK)
			third := renew(false)
			reads(first, http.StatusUnauthorized)
			reads(second, http.StatusOK)
			reads(third, http.StatusOK)
			fourth := renew(true)
			reads(third, http.StatusUnauthorized)
			reads(fourth, http.StatusOK)
			if err := server.Sources().Remove(t.Context(), w.app, wireTenant, "Directory"); err != nil {
				t.Fatal(err)
			}
			reads(fourth, http.StatusUnauthorized)
		})
	}
}

// TestSCIMWithoutItsStore: a store that is gone is told as what passes by itself.
func TestSCIMWithoutItsStore(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, s, &usage{routes: map[string]int{}})
	w.caller = "robot"
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rec := w.call(http.MethodGet, "/scim/v2/Users", nil, nil)
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %v with %s, want 503 with Retry-After", rec.Code, rec.Header(), rec.Body)
	}
}

// wireSource is the scene's source as a program that loads files has it. It may call several times at once.
type wireSource struct {
	handler http.Handler
	token   string
}

// Call implements provision.Server.
func (s wireSource) Call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r := httptest.NewRequestWithContext(ctx, method, "https://"+wireHost+"/scim/v2"+path, bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.token)
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	if rec.Code >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	return json.Unmarshal(rec.Body.Bytes(), out)
}

// TestSCIMLoadsAFile: people and nested groups come in by bulk requests, several at once, and the same file again makes
// nothing twice. Of a user who is removed nothing is left from that instant: no membership, no role.
func TestSCIMLoadsAFile(t *testing.T) {
	const users, groups = 600, 40
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, open(t), &usage{routes: map[string]int{}})
			file := provision.Sample(users, groups, "contoso.example.com")
			loader := provision.Loader{Server: wireSource{w.handler, w.sources["source"]}}
			for round, want := range []provision.Report{
				{UsersMade: users, GroupsMade: groups}, {UsersThere: users, GroupsThere: groups},
			} {
				got, err := loader.Load(t.Context(), file)
				if err != nil || len(got.Failures) > 0 {
					t.Fatalf("round %d: got %+v, %v", round, got, err)
				}
				if want.Members = got.Members; !reflect.DeepEqual(got, want) || got.Members < users {
					t.Errorf("round %d: got %+v, want %+v with a member each at least", round, got, want)
				}
			}
			w.caller = "source"
			find := func(target, filter string) (found struct {
				TotalResults int
				Resources    []struct{ ID string }
			}) {
				t.Helper()
				rec := w.call(http.MethodGet, "/scim/v2/"+target+"?"+url.Values{"filter": {filter}, "excludedAttributes": {"members"}}.Encode(), nil, nil)
				if err := json.Unmarshal(rec.Body.Bytes(), &found); err != nil || rec.Code != http.StatusOK {
					t.Fatalf("%s: got %d with %s", filter, rec.Code, rec.Body)
				}
				return found
			}
			if got := find("Users", `employeeNumber sw "E"`).TotalResults; got != users {
				t.Errorf("users: got %d, want %d", got, users)
			}
			if got := find("Users", `userName ew "contoso.example.com" and manager pr and employeeNumber pr`).TotalResults; got != users-1 {
				t.Errorf("users with a manager: got %d, want %d", got, users-1)
			}
			id := find("Users", `externalId eq "u000007"`).Resources[0].ID
			who := pim.PrincipalID(id)
			w.vars["seven"] = id
			w.grant("seven", pim.DirectoryReaders, "/")
			above := func() int { return len(w.app.Index.GroupsAbove(w.time(), wireTenant, who)) }
			held := func() int { return len(w.app.Index.Held(w.time(), wireTenant, who)) }
			direct := find("Groups", `members eq "`+id+`"`).TotalResults
			if direct == 0 || above() < direct || held() == 0 {
				t.Errorf("before: in %d groups, below %d, with %d roles", direct, above(), held())
			}
			if rec := w.call(http.MethodDelete, "/scim/v2/Users/"+id, nil, nil); rec.Code != http.StatusNoContent {
				t.Fatalf("delete: got %d with %s", rec.Code, rec.Body)
			}
			if left := find("Groups", `members eq "`+id+`"`).TotalResults; left != 0 || above() != 0 || held() != 0 {
				t.Errorf("after: in %d groups, below %d, with %d roles; want none", left, above(), held())
			}
		})
	}
}
