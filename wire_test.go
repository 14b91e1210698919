package portcullis_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/api/arm"
	"portcullis/internal/api/authzen"
	"portcullis/internal/api/graph"
	"portcullis/internal/api/native"
	"portcullis/internal/api/pimv1"
	"portcullis/internal/api/pimv2"
	"portcullis/internal/api/schematest"
	"portcullis/internal/api/scim"
	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
)

// Conversations: text files under testdata/wire that are spoken with the real server, on every engine.
//
// A file is a list of steps. A line says:
//
//	# …                   a comment
//	as alice mfa c1       who calls from now on; mfa and contexts are what their token proves; nobody: no token; source: a
//	                      directory source, neighbour: that of the other tenant
//	may A B               the permissions of their tokens from now on; all: every one
//	token expired         the next call's token is wrong in this way: expired, audience, issuer, altered, unsigned
//	clock +10m            PIM's time moves, and what falls due is done
//	grant p role scope    a Global Administrator makes p active without end (for the scene, not for the talk); a scope may
//	                      be a place in the tree of resources, whose root is written root
//	eligible p role scope the same for a year's eligibility at a place in the tree
//	tree path above name  makes a place in the tree; tree alone: those of wire_resources_test.go
//	> GET /path           a call; further lines with > are headers, the lines below are its body
//	< 200                 the answer's status; further lines with < are headers, the lines below its body, if that is told
//	check type a,b        the object in the answer conforms to the schema's type; with names, to these alone being selected
//	check [] type a,b     each row of the answer does
//
// In a wanted body "…" is any value, a text with * is a pattern, a member "…" permits others, and an element "…" at the end
// of a list permits more. "${name}" takes the value the first time and is that value from then on, in calls too.
// "body gzip" before the body of a call compresses it; "body 1100000" makes it so many bytes.

func TestMain(m *testing.M) { localpgtest.Main(m) }

// wireEngines are the stores that every conversation is spoken on.
func wireEngines() map[string]func(testing.TB) store.Store {
	open := func(t testing.TB, url string) store.Store {
		t.Helper()
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	return map[string]func(testing.TB) store.Store{
		"model":    func(testing.TB) store.Store { return &storetest.Model{} },
		"sqlite":   func(t testing.TB) store.Store { return open(t, t.TempDir()) },
		"postgres": func(t testing.TB) store.Store { return open(t, localpgtest.Database(t)) },
	}
}

func TestGraphConversations(t *testing.T) {
	conversations(t, "graph", func(route string) bool {
		return !ofSCIM(route) && !ofARM(route) && !ofOlder(route) && !ofAuthZEN(route) && !derivedRoute(route) && !refusingRoute(route)
	})
}

// conversations speaks those of a dialect. Each of its routes of which must is true is to have a good answer in one.
func conversations(t *testing.T, dialect string, must func(route string) bool) {
	files, err := filepath.Glob("testdata/wire/" + dialect + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	spoken := &usage{routes: map[string]int{}}
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					w := newWire(t, open(t), spoken)
					w.speak(file, string(text))
				})
			}
		})
	}
	if t.Failed() {
		return
	}
	for _, route := range slices.Sorted(maps.Keys(spoken.routes)) {
		if spoken.routes[route] == 0 && must(route) {
			t.Errorf("no conversation has a good answer of %s", route)
		}
	}
}

// derivedRoute says whether a route shares its handler with the list or item that it stands behind: counts, casts and
// navigations.
func derivedRoute(route string) bool {
	last := route[strings.LastIndexByte(route, '/')+1:]
	ofPIM := strings.Contains(route, roleManagement) || strings.Contains(route, privilegedAccess)
	return last == "$count" || strings.HasPrefix(last, "microsoft.graph.") || ofPIM && strings.Contains(route, "{id}/") &&
		slices.Contains([]string{"principal", "roleDefinition", "directoryScope", "appScope", "group", "activatedUsing", "targetSchedule", "approval"}, last)
}

// refusingRoute says whether a route is there to refuse alone: what the service refuses by name.
func refusingRoute(route string) bool {
	return route == "GET "+strings.TrimSuffix(privilegedAccess, "/") ||
		route == "GET "+privilegedAccess+"assignmentApprovals" || route == "GET "+roleManagement+"roleAssignmentApprovals"
}

const (
	roleManagement   = "roleManagement/directory/"
	privilegedAccess = "identityGovernance/privilegedAccess/group/"
)

// operation is a route whatever its version.
func operation(r api.Route) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(r.Pattern, "/"), "/")
	return r.Method + " " + path
}

// usage counts the good answers of each route.
type usage struct {
	mu     sync.Mutex
	routes map[string]int
}

// counting is a surface whose routes are counted.
type counting struct {
	api.Surface
	usage *usage
}

// Cut implements api.Cutter for surfaces that are one.
func (c counting) Cut(segments []string) (off, rest []string) {
	if cutter, ok := c.Surface.(api.Cutter); ok {
		return cutter.Cut(segments)
	}
	return nil, segments
}

func (c counting) Routes() []api.Route {
	routes := c.Surface.Routes()
	for i, r := range routes {
		name := operation(r)
		switch c.Surface.(type) {
		case *arm.Surface:
			name = r.Method + " " + r.Pattern
		case *pimv2.Surface:
			name = governanceOperation(r)
		case *pimv1.Surface:
			name = "v1 " + name
		case *authzen.Surface:
			name = "access" + strings.TrimPrefix(name, r.Method)
		}
		c.usage.mu.Lock()
		c.usage.routes[name] += 0
		c.usage.mu.Unlock()
		routes[i].Handle = func(call *api.Request) (api.Answer, error) {
			a, err := r.Handle(call)
			if err == nil {
				c.usage.mu.Lock()
				c.usage.routes[name]++
				c.usage.mu.Unlock()
			}
			return a, err
		}
	}
	return routes
}

// The scene: a tenant with people in it, and a neighbour.
const (
	wireTenant   = "8a6f1c2e-51d0-4f7b-9c3a-2f4e6d8b0a11"
	foreignHouse = "b1d7e0aa-3c44-4e55-8f66-7a8899aabbcc"
	wireIssuer   = "https://login.example.com/"
	wireAudience = "https://pim.example.com"
	wireHost     = "pim.example.com"
)

func wireID(n int) string { return fmt.Sprintf("5c3e0000-0000-4000-8000-%012d", n) }

// wirePeople are the users by number: grace is Global Administrator, pat Privileged Role Administrator, aud may read
// everything, ana approves, mia manages alice.
func wirePeople() map[string]int {
	return map[string]int{"grace": 1, "pat": 2, "aud": 3, "alice": 4, "bob": 5, "mia": 6, "ana": 7, "owen": 8, "gus": 9, "stranger": 90}
}

// wire is one conversation under way.
type wire struct {
	testing.TB
	app     *app.App
	handler http.Handler
	issuer  *wireSigner
	vars    map[string]string
	// sources are the tokens of the directory sources: source, and neighbour of the other tenant.
	sources map[string]string

	mu  sync.Mutex
	now time.Time

	caller   string
	mfa      bool
	contexts []string
	may      []string
	spoiled  string
	last     *httptest.ResponseRecorder
	version  string
}

func newWire(t testing.TB, s store.Store, u *usage) *wire {
	t.Helper()
	w := &wire{TB: t, issuer: wireSigners(), vars: map[string]string{}, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), may: allPermissions(), caller: "grace", mfa: true}
	w.app = &app.App{Store: s, Index: access.New(), Now: w.time, HashPassword: idp.HashPassword}
	if err := w.app.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.addSources()
	verifier, err := auth.New(auth.Options{
		Issuers: []auth.Issuer{
			{URL: wireIssuer + wireTenant, Tenant: wireTenant, Keys: w.issuer},
			{URL: wireIssuer + foreignHouse, Tenant: foreignHouse, Keys: w.issuer},
		},
		Audiences: []string{wireAudience},
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens := scim.Tokens{Next: verifier, Secrets: s, Verify: idp.VerifySecret}
	w.handler = api.New(api.Options{Verifier: tokens, Callers: w.app}, counting{graph.New(w.app, s, w.app), u}, counting{scim.New(w.app, s), u},
		counting{arm.New(w.app), u}, counting{pimv2.New(w.app, s, retiringV2()), u}, counting{pimv1.New(w.app, s, pimv1.Options{}), u},
		native.New(w.app, w.app.Index), counting{authzen.New(w.app, w.app.Index), u})
	return w
}

func (w *wire) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// settle founds the tenant and its neighbour.
func (w *wire) settle() {
	w.Helper()
	for _, tenant := range []string{wireTenant, foreignHouse} {
		admin := "grace"
		if tenant == foreignHouse {
			admin = "stranger"
		}
		f := w.founding(pim.TenantID(tenant), admin)
		if err := w.app.Found(w.Context(), f); err != nil {
			w.Fatal(err)
		}
	}
	for name, n := range wirePeople() {
		w.vars[name] = wireID(n)
	}
	w.vars["tenant"], w.vars["keepers"], w.vars["staff"], w.vars["north"], w.vars["robot"] =
		wireTenant, wireID(21), wireID(22), wireID(31), wireID(41)
	w.vars["billing"], w.vars["helpdesk"], w.vars["ga"] =
		"b0f54661-2d74-4c50-afa3-1ec803f12efe", "729827e3-9c14-49f7-bb1b-9608f156bbb8", string(pim.GlobalAdministrator)
	w.vars["readers"] = string(pim.DirectoryReaders)
	maps.Copy(w.vars, armVars())
	w.grant("pat", pim.PrivilegedRoleAdministrator, "/")
	w.grant("aud", pim.GlobalReader, "/")
}

func (w *wire) founding(tenant pim.TenantID, admin string) app.Founding {
	f := app.Founding{Tenant: directory.Tenant{ID: tenant, Name: "Contoso", Domain: "contoso.example.com", Created: w.now},
		Administrator: pim.PrincipalID(wireID(wirePeople()[admin]))}
	if tenant == foreignHouse {
		f.Tenant.Name, f.Tenant.Domain = "Fabrikam", "fabrikam.example.com"
	}
	for _, name := range slices.Sorted(maps.Keys(wirePeople())) {
		if (name == "stranger") == (tenant == foreignHouse) {
			f.Objects = append(f.Objects, w.person(tenant, name, f.Tenant.Domain))
		}
	}
	if tenant == foreignHouse {
		return f
	}
	object := func(n int, k directory.Kind, name string) directory.Object {
		return directory.Object{Tenant: tenant, ID: pim.PrincipalID(wireID(n)), Kind: k, DisplayName: name, Enabled: true, Created: w.now}
	}
	keepers, staff := object(21, directory.KindGroup, "Keepers"), object(22, directory.KindGroup, "Staff")
	keepers.Group = &directory.Group{MailNickname: "keepers", SecurityEnabled: true, RoleAssignable: true}
	staff.Group = &directory.Group{MailNickname: "staff", SecurityEnabled: true, Types: []string{"Unified"}, MailEnabled: true}
	robot := object(41, directory.KindServicePrincipal, "Robot")
	robot.App = &directory.App{ClientID: wireID(42)}
	f.Objects = append(f.Objects, keepers, staff, object(31, directory.KindAdministrativeUnit, "North"), robot)
	link := func(r directory.Relation, from, to int) {
		f.Links = append(f.Links, directory.Link{Tenant: tenant, Relation: r, From: pim.PrincipalID(wireID(from)), To: pim.PrincipalID(wireID(to))})
	}
	link(directory.MemberOf, 21, 5)  // bob keeps
	link(directory.MemberOf, 22, 21) // keepers are staff
	link(directory.MemberOf, 22, 4)  // and so is alice
	link(directory.OwnerOf, 21, 8)
	link(directory.OwnerOf, 41, 8)
	link(directory.UnitMember, 31, 4)
	return f
}

func (w *wire) person(tenant pim.TenantID, name, domain string) directory.Object {
	u := &directory.User{PrincipalName: name + "@" + domain, Mail: name + "@" + domain, MailNickname: name,
		GivenName: strings.ToUpper(name[:1]) + name[1:], Surname: "Doe", JobTitle: "Clerk", Type: "Member"}
	if name == "alice" {
		u.Manager = pim.PrincipalID(wireID(wirePeople()["mia"]))
	}
	return directory.Object{Tenant: tenant, ID: pim.PrincipalID(wireID(wirePeople()[name])), Kind: directory.KindUser,
		DisplayName: u.GivenName + " Doe", Enabled: true, Created: w.now, User: u}
}

func (w *wire) grant(name string, role pim.RoleID, scope pim.Scope) {
	w.Helper()
	by := w.app.Caller(wireTenant, pim.Caller{MFA: true, Actor: pim.Actor{Principal: pim.PrincipalID(wireID(1)), Kind: pim.UserPrincipal}})
	_, err := w.app.Do(w.Context(), pim.Ask{
		By: by, Action: pim.AdminAssign, Kind: pim.Assignment, Justification: "the scene",
		Key: pim.Key{Tenant: wireTenant, Provider: pim.Directory, Scope: scope, Role: role, Principal: pim.PrincipalID(w.vars[name])},
	})
	if err != nil {
		w.Fatalf("grant %s to %s: %v", role, name, err)
	}
}

// pass moves PIM's time and does what falls due.
func (w *wire) pass(d time.Duration) {
	w.Helper()
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
	for range 20 {
		due, _, err := w.app.Store.Due(w.Context(), w.time(), 100)
		if err != nil {
			w.Fatal(err)
		}
		if len(due) == 0 {
			return
		}
		asks := make([]pim.Ask, len(due))
		for i, d := range due {
			asks[i] = pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Action: pim.ScheduleDue, Target: d.Schedule,
				Request: d.Request, Key: d.Key}
			if d.Request != "" {
				asks[i].Action = pim.RequestDue
			}
		}
		for _, err := range w.app.DoAll(w.Context(), asks) {
			if err != nil {
				w.Fatal(err)
			}
		}
	}
	w.Fatal("something is due for ever")
}

// allPermissions are those that any route asks for.
func allPermissions() []string {
	set := map[string]bool{}
	for _, r := range slices.Concat(graph.New(&app.App{}, nil, nil).Routes(), scim.New(nil, nil).Routes(), arm.New(&app.App{}).Routes(),
		pimv2.New(&app.App{}, nil, pimv2.Options{}).Routes(), pimv1.New(&app.App{}, nil, pimv1.Options{}).Routes(),
		authzen.New(&app.App{}, nil).Routes()) {
		for _, p := range append(r.Access.Delegated, r.Access.Application...) {
			set[p] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// wireSigner is a small issuer: a key, and tokens signed with it.
type wireSigner struct {
	private *rsa.PrivateKey
	public  *jose.JSONWebKey
}

var wireSigners = sync.OnceValue(func() *wireSigner {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return &wireSigner{key, &jose.JSONWebKey{Key: &key.PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}
})

func (s *wireSigner) Key(_ context.Context, kid string) (*jose.JSONWebKey, error) {
	if kid != "k1" {
		return nil, auth.ErrNoKey
	}
	return s.public, nil
}

func (s *wireSigner) sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: s.private, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// token is the present caller's, spoiled as told.
func (w *wire) token() string {
	w.Helper()
	if token, ok := w.sources[w.caller]; ok {
		return token
	}
	now := time.Now()
	tenant := wireTenant
	if w.caller == "stranger" {
		tenant = foreignHouse
	}
	claims := map[string]any{
		"iss": wireIssuer + tenant, "aud": wireAudience, "tid": tenant, "oid": w.vars[w.caller], "sub": w.vars[w.caller],
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Unix(),
		"name": w.caller, "upn": w.caller + "@contoso.example.com", "amr": []string{"pwd"}, "acrs": w.contexts,
	}
	if w.mfa {
		claims["amr"] = []string{"pwd", "mfa"}
	}
	if w.caller == "robot" {
		claims["idtyp"], claims["roles"], claims["appid"] = "app", w.may, wireID(42)
	} else {
		claims["scp"] = strings.Join(w.may, " ")
	}
	spoiled := w.spoiled
	w.spoiled = ""
	switch spoiled {
	case "expired":
		claims["exp"] = now.Add(-time.Hour).Unix()
	case "audience":
		claims["aud"] = "https://elsewhere.example.com"
	case "issuer":
		claims["iss"] = "https://elsewhere.example.com/"
	case "altered":
		token := w.issuer.sign(w, claims)
		claims["oid"] = w.vars["grace"]
		return token[:strings.LastIndexByte(token, '.')-3] + "AAA" + token[strings.LastIndexByte(token, '.'):]
	case "unsigned":
		return "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."
	}
	return w.issuer.sign(w, claims)
}

// call sends one call and keeps the answer.
func (w *wire) call(method, target string, header http.Header, body []byte) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), method, "https://"+wireHost+"/", bytes.NewReader(body))
	path, query, _ := strings.Cut(target, "?")
	r.URL.RawQuery = query
	var err error
	if r.URL.Path, err = url.PathUnescape(path); err != nil {
		w.Fatalf("path %s: %v", path, err)
	}
	r.URL.RawPath = path
	maps.Copy(r.Header, header)
	if w.caller != "nobody" && r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+w.token())
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	w.last = rec
	w.version = "v1.0"
	if strings.HasPrefix(strings.ToLower(strings.TrimLeft(path, "/")), "beta") {
		w.version = "beta"
	}
	if v := olderVersion(path); v != "" {
		w.version = v
	}
	if v := r.URL.Query().Get("api-version"); v != "" {
		w.version = v
	}
	return rec
}

// step is one line that says something, with the lines of text below it.
type step struct {
	line int
	text string
	more []string // further lines of the same sort
	body string
}

var stepWords = []string{"as ", "may ", "token ", "clock ", "grant ", "eligible ", "tree", "check ", "> ", "< "}

func steps(text string) []step {
	var out []step
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case slices.ContainsFunc(stepWords, func(w string) bool { return strings.HasPrefix(line, w) }):
			last := len(out) - 1
			if last >= 0 && out[last].body == "" && (line[0] == '>' || line[0] == '<') && out[last].text[0] == line[0] && out[last].line+len(out[last].more)+1 == i+1 {
				out[last].more = append(out[last].more, line[2:])
				continue
			}
			out = append(out, step{line: i + 1, text: line})
		case len(out) > 0:
			out[len(out)-1].body += line + "\n"
		}
	}
	return out
}

func (w *wire) speak(file, text string) {
	w.Helper()
	for _, s := range steps(text) {
		at := fmt.Sprintf("%s:%d: %s", file, s.line, s.text)
		word, rest, _ := strings.Cut(s.text, " ")
		words := strings.Fields(rest)
		switch word {
		case "as":
			w.caller, w.mfa, w.contexts = words[0], slices.Contains(words, "mfa"), nil
			for _, c := range words[1:] {
				if c != "mfa" {
					w.contexts = append(w.contexts, c)
				}
			}
		case "may":
			if w.may = words; words[0] == "all" {
				w.may = allPermissions()
			}
		case "token":
			w.spoiled = words[0]
		case "clock":
			d, err := time.ParseDuration(strings.TrimPrefix(words[0], "+"))
			if err != nil {
				w.Fatalf("%s: %v", at, err)
			}
			w.pass(d)
		case "tree":
			w.tree(strings.Fields(w.fill(rest)))
		case "eligible":
			w.resourceGrant(pim.Eligibility, words[0], pim.RoleID(w.fill(words[1])), w.fill(words[2]))
		case "grant":
			if scope := w.fill(words[2]); ofResources(scope) {
				w.resourceGrant(pim.Assignment, words[0], pim.RoleID(w.fill(words[1])), scope)
				continue
			}
			w.grant(words[0], pim.RoleID(w.fill(words[1])), pim.Scope(w.fill(words[2])))
		case ">":
			w.ask(at, s)
		case "<":
			w.expect(at, s)
		case "check":
			w.check(at, words)
		}
		if w.Failed() {
			return
		}
	}
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

func (w *wire) fill(s string) string {
	return variable.ReplaceAllStringFunc(s, func(v string) string {
		name := v[2 : len(v)-1]
		if value, ok := w.vars[name]; ok {
			return value
		}
		return v
	})
}

func (w *wire) ask(at string, s step) {
	w.Helper()
	method, target, ok := strings.Cut(strings.TrimPrefix(s.text, "> "), " ")
	if !ok {
		w.Fatalf("%s: no method and path", at)
	}
	header := http.Header{}
	for _, line := range s.more {
		k, v, _ := strings.Cut(line, ":")
		header.Set(k, w.fill(strings.TrimSpace(v)))
	}
	body := []byte(strings.TrimSpace(w.fill(s.body)))
	if form, rest, ok := strings.Cut(string(body), "\n"); ok || strings.HasPrefix(form, "body ") {
		switch n, err := strconv.Atoi(strings.TrimPrefix(form, "body ")); {
		case form == "body gzip":
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, err1 := io.WriteString(z, rest)
			if err := errors.Join(err1, z.Close()); err != nil {
				w.Fatal(err)
			}
			body = b.Bytes()
			header.Set("Content-Encoding", "gzip")
		case strings.HasPrefix(form, "body ") && err == nil:
			body = []byte(`{"justification":"` + strings.Repeat("a", n) + `"}`)
		}
	}
	target = strings.ReplaceAll(w.fill(target), " ", "%20")
	if next, ok := strings.CutPrefix(target, "https://"+wireHost); ok {
		target = next
	}
	w.call(method, target, header, body)
}

func (w *wire) expect(at string, s step) {
	w.Helper()
	want := strings.TrimSpace(strings.TrimPrefix(s.text, "< "))
	if got := strconv.Itoa(w.last.Code); got != want {
		w.Fatalf("%s\ngot status %s with %s", at, got, w.last.Body)
	}
	for _, line := range s.more {
		k, v, _ := strings.Cut(line, ":")
		if got := w.last.Header().Get(k); !w.matchText(strings.TrimSpace(v), got) {
			w.Errorf("%s\nheader %s: got %q, want %q", at, k, got, strings.TrimSpace(v))
		}
	}
	body := strings.TrimSpace(s.body)
	if body == "" {
		return
	}
	if body[0] != '{' && body[0] != '[' {
		if got := w.last.Body.String(); !w.matchText(body, got) {
			w.Errorf("%s\ngot body %q, want %q", at, got, body)
		}
		return
	}
	var wanted, got any
	if err := json.Unmarshal([]byte(body), &wanted); err != nil {
		w.Fatalf("%s: the wanted body is no JSON: %v", at, err)
	}
	if err := json.Unmarshal(w.last.Body.Bytes(), &got); err != nil {
		w.Fatalf("%s: the answer is no JSON: %v\n%s", at, err, w.last.Body)
	}
	if err := w.match("", wanted, got); err != nil {
		w.Errorf("%s\n%v\nin %s", at, err, w.last.Body)
	}
}

const whatever = "…"

// match holds a value against a wanted one.
func (w *wire) match(path string, want, got any) error {
	switch want := want.(type) {
	case string:
		return w.matchString(path, want, got)
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: got %v, want an object", path, got)
		}
		_, open := want[whatever]
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if _, known := want[k]; !known && !open {
				return fmt.Errorf("%s/%s: got %v, want no such member", path, k, m[k])
			}
		}
		for _, k := range slices.Sorted(maps.Keys(want)) {
			v, there := m[k]
			if k == whatever {
				continue
			}
			if !there {
				return fmt.Errorf("%s/%s: missing, want %v", path, k, want[k])
			}
			if err := w.match(path+"/"+k, want[k], v); err != nil {
				return err
			}
		}
		return nil
	case []any:
		return w.matchList(path, want, got)
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		return fmt.Errorf("%s: got %v, want %v", path, got, want)
	}
	return nil
}

func (w *wire) matchList(path string, want []any, got any) error {
	list, ok := got.([]any)
	if !ok {
		return fmt.Errorf("%s: got %v, want a list", path, got)
	}
	if n := len(want); n > 0 && want[n-1] == whatever && len(list) >= n-1 {
		want, list = want[:n-1], list[:n-1]
	}
	if len(want) != len(list) {
		return fmt.Errorf("%s: got %d elements, want %d", path, len(list), len(want))
	}
	for i := range want {
		if err := w.match(fmt.Sprintf("%s[%d]", path, i), want[i], list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *wire) matchString(path, want string, got any) error {
	if want == whatever {
		return nil
	}
	text, ok := got.(string)
	if !ok || !w.matchText(want, text) {
		return fmt.Errorf("%s: got %v, want %s", path, got, w.fill(want))
	}
	return nil
}

// matchText holds a text against a pattern, and takes what a new variable stands for.
func (w *wire) matchText(want, got string) bool {
	if m := variable.FindStringSubmatch(want); m != nil && m[0] == want {
		if _, known := w.vars[m[1]]; !known {
			w.vars[m[1]] = got
			return true
		}
	}
	pattern := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(w.fill(want)), `\*`, ".*") + "$"
	return regexp.MustCompile(pattern).MatchString(got)
}

var wireSchemas = sync.OnceValue(func() map[string]schematest.Schema {
	schemas := map[string]schematest.Schema{}
	for _, version := range []string{"v1.0", "beta", "older", "host"} {
		schemas[version] = schematest.Load(version)
	}
	return schemas
})

// check holds the last answer against the published schema.
func (w *wire) check(at string, words []string) {
	w.Helper()
	var got map[string]any
	if err := json.Unmarshal(w.last.Body.Bytes(), &got); err != nil {
		w.Fatalf("%s: %v", at, err)
	}
	rows := []any{got}
	if words[0] == "[]" {
		words = words[1:]
		rows, _ = got["value"].([]any)
		if len(rows) == 0 {
			w.Errorf("%s: no rows to check", at)
		}
	}
	for _, row := range rows {
		object, _ := row.(map[string]any)
		var errs []error
		if strings.Contains(w.version, "-") {
			errs = w.checkARM(words[0], row)
		} else if len(words) > 1 {
			errs = wireSchemas()[w.version].CheckSelected(words[0], object, strings.Split(words[1], ",")...)
		} else {
			errs = wireSchemas()[w.version].Check(words[0], object)
		}
		for _, err := range errs {
			w.Errorf("%s: %v", at, err)
		}
	}
}

// TestGraphGuardsItsRoutes walks every route: without a token, with one that permits too little, and with one of another
// tenant, nothing is told.
func TestGraphGuardsItsRoutes(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	alice := w.vars["alice"]
	for _, r := range graph.New(w.app, w.app.Store, w.app).Routes() {
		path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, alice)
		path = strings.ReplaceAll(path, "filterByCurrentUser()", "filterByCurrentUser(on='principal')")
		path = strings.ReplaceAll(path, "()", "(x='y')")
		w.caller, w.may = "nobody", allPermissions()
		if got := w.call(r.Method, path, nil, nil).Code; got != http.StatusUnauthorized && !r.Access.Open {
			t.Errorf("%s %s without a token: got %d, want 401", r.Method, path, got)
		}
		if !r.Access.Anybody && !r.Access.Open {
			w.caller, w.may = "grace", []string{"Nothing.Read"}
			if got := w.call(r.Method, path, nil, nil).Code; got != http.StatusForbidden {
				t.Errorf("%s %s without permission: got %d, want 403", r.Method, path, got)
			}
		}
		w.caller, w.may = "stranger", allPermissions()
		rec := w.call(r.Method, path, http.Header{}, []byte("{}"))
		if body := rec.Body.String(); strings.Contains(body, "contoso") || strings.Contains(body, wireTenant) ||
			rec.Code < 300 && strings.Contains(body, "Alice") {
			t.Errorf("%s %s by another tenant: got %d with %s", r.Method, path, rec.Code, body)
		}
		if rec.Code >= 500 {
			t.Errorf("%s %s by another tenant: got %d with %s", r.Method, path, rec.Code, rec.Body)
		}
	}
}

// TestGraphPagesAreComplete follows every nextLink, whatever the size of the pages and whoever finishes the filter: each
// row comes once.
func TestGraphPagesAreComplete(t *testing.T) {
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, open(t), &usage{routes: map[string]int{}})
			for _, role := range []string{"billing", "helpdesk", "readers"} {
				for _, who := range []string{"alice", "bob", "mia", "ana", "owen", "gus", "keepers"} {
					w.grant(who, pim.RoleID(w.vars[role]), "/")
				}
			}
			const set = "/v1.0/roleManagement/directory/roleAssignmentSchedules"
			w.caller = "bob"
			mine := set + "/filterByCurrentUser(on='principal')?"
			if got, want := w.pages(mine+"$top=1"), w.pages(mine+"$top=999"); len(want) != 6 || !slices.Equal(got, want) {
				t.Errorf("bob's own: got %d rows, want %d, which should be 6", len(got), len(want))
			}
			w.caller = "grace"
			if got, want := w.pages(set+"?$skip=2&$top=4"), w.pages(set+"?$top=999"); !slices.Equal(got, want[2:]) {
				t.Errorf("all but two: got %d rows, want %d", len(got), len(want)-2)
			}
			const members = "/v1.0/" + privilegedAccess + "assignmentSchedules"
			staff := members + "?$filter=groupId eq '" + w.vars["staff"] + "'&$count=true"
			if got, want := w.pages(staff+"&$top=1"), w.pages(staff); len(want) != 3 || !slices.Equal(got, want) {
				t.Errorf("those of a group: got %d rows, want %d, which should be 3", len(got), len(want))
			}
			for _, filter := range []string{
				"?", "?$filter=status eq 'Provisioned'", "?$filter=memberType eq 'Direct'", "?$orderby=createdDateTime desc",
				"?$filter=startswith(principal/displayName,'a')&$orderby=createdDateTime", "?$filter=principalId eq '" + w.vars["bob"] + "'",
			} {
				want := w.pages(set + filter + "&$top=999")
				if len(want) == 0 {
					t.Errorf("%s: no rows", filter)
				}
				for _, top := range []int{1, 2, 5} {
					got := w.pages(set + filter + "&$top=" + strconv.Itoa(top))
					if !slices.Equal(got, want) {
						t.Errorf("%s by %d: got %d rows, want %d\n%v\n%v", filter, top, len(got), len(want), got, want)
					}
				}
			}
		})
	}
}

// pages are the rows of all pages of a list.
func (w *wire) pages(target string) []string {
	w.Helper()
	var rows []string
	for target != "" {
		rec := w.call(http.MethodGet, strings.ReplaceAll(target, " ", "%20"), nil, nil)
		var page struct {
			Value []json.RawMessage `json:"value"`
			Next  string            `json:"@odata.nextLink"`
			Plain string            `json:"nextLink"` // without OData
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || rec.Code != http.StatusOK {
			w.Fatalf("%s: got %d with %s", target, rec.Code, rec.Body)
		}
		for _, v := range page.Value {
			rows = append(rows, string(v))
		}
		target = strings.TrimPrefix(page.Next+page.Plain, "https://"+wireHost)
		if len(rows) > 1000 {
			w.Fatalf("%s goes on for ever", target)
		}
	}
	return rows
}

// TestGraphWithoutItsStore: a store that is gone, and a clock that was set back, are told as what passes by itself.
func TestGraphWithoutItsStore(t *testing.T) {
	later := func(w *wire, rec *httptest.ResponseRecorder) {
		w.Helper()
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Body.String(), `"ServiceUnavailable"`) {
			w.Errorf("got %d %v with %s, want 503 with Retry-After", rec.Code, rec.Header(), rec.Body)
		}
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, s, &usage{routes: map[string]int{}})
	w.app.SawTime(w.now.Add(time.Hour))
	body := w.fill(`{"action": "adminAssign", "justification": "j", "roleDefinitionId": "${billing}", "directoryScopeId": "/", "principalId": "${alice}",
		"scheduleInfo": {"expiration": {"type": "noExpiration"}}}`)
	later(w, w.call(http.MethodPost, "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests", nil, []byte(body)))
	if got := w.call(http.MethodGet, "/v1.0/users", nil, nil).Code; got != http.StatusOK {
		t.Errorf("reading with the clock set back: got %d, want 200", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	later(w, w.call(http.MethodGet, "/v1.0/users", nil, nil))
	later(w, w.call(http.MethodGet, "/v1.0/roleManagement/directory/roleAssignmentSchedules", nil, nil))
}
