package idp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/net/html"
	"golang.org/x/oauth2"

	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

const (
	contoso  pim.TenantID = "11111111-1111-4111-8111-111111111111"
	fabrikam pim.TenantID = "22222222-2222-4222-8222-222222222222"

	alice pim.PrincipalID = "aaaaaaaa-0000-4000-8000-000000000001" // has a second factor
	bob   pim.PrincipalID = "aaaaaaaa-0000-4000-8000-000000000002" // has none
	carol pim.PrincipalID = "aaaaaaaa-0000-4000-8000-000000000003" // must change her password
	dan   pim.PrincipalID = "aaaaaaaa-0000-4000-8000-000000000004" // is disabled
	frank pim.PrincipalID = "bbbbbbbb-0000-4000-8000-000000000001" // belongs to fabrikam
	team  pim.PrincipalID = "aaaaaaaa-0000-4000-8000-000000000011"
	above pim.PrincipalID = "aaaaaaaa-0000-4000-8000-000000000012"

	appObject pim.PrincipalID = "aaaaaaaa-0000-4000-8000-000000000021"
	webObject pim.PrincipalID = "aaaaaaaa-0000-4000-8000-000000000022"

	// app is confidential and runs on people's machines too; web is confidential alone; foreign is fabrikam's alone.
	app     = "cccccccc-0000-4000-8000-000000000001"
	web     = "cccccccc-0000-4000-8000-000000000002"
	foreign = "cccccccc-0000-4000-8000-000000000003"

	appSecret = "app secret with ü and +%"
	webSecret = "web-secret"
	webBack   = "https://web.example/back"
	loopBack  = "http://localhost:54321/cb"
	password  = "correct horse battery"
)

var (
	permissions = []string{"User.Read", "RoleManagement.ReadWrite.Directory", "user_impersonation"}
	// hashOfPassword is made once: hashing is slow on purpose.
	hashOfPassword = sync.OnceValues(func() (string, error) { return idp.HashPassword(password) })
)

// world is a provider on a real HTTPS server with two organisations.
type world struct {
	t        testing.TB
	url      string
	server   *httptest.Server
	store    *memory
	provider *idp.Provider
	verifier *auth.Verifier
	options  idp.Options
	logs     *syncBuffer
	offset   atomic.Int64
	handler  atomic.Pointer[idp.Provider]
	aliceKey string
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newWorld(t testing.TB, change ...func(*idp.Options)) *world {
	t.Helper()
	w := &world{t: t, store: &memory{}, logs: &syncBuffer{}, aliceKey: idp.NewTOTPSecret()}
	w.server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.handler.Load().ServeHTTP(rw, r)
	}))
	t.Cleanup(w.server.Close)
	w.url = w.server.URL
	w.fill()
	w.options = idp.Options{
		PublicURL: w.url, Store: w.store, Dir: t.TempDir(), Now: w.now, DeviceInterval: time.Second,
		Logger: slog.New(slog.NewTextHandler(w.logs, nil)),
	}
	for _, c := range change {
		c(&w.options)
	}
	w.restart()
	return w
}

// restart makes a new provider on the same store and keys.
func (w *world) restart() {
	w.t.Helper()
	p, err := idp.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	var issuers []auth.Issuer
	for _, pattern := range p.IssuerPatterns() {
		issuers = append(issuers, auth.Issuer{URL: pattern, Keys: p.VerificationKeys()})
	}
	w.verifier, err = auth.New(auth.Options{Issuers: issuers, Audiences: p.Audiences(), Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.provider = p
	w.handler.Store(p)
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func (w *world) pass(d time.Duration) { w.offset.Add(int64(d)) }

func (w *world) fill() {
	w.t.Helper()
	hash, err := hashOfPassword()
	if err != nil {
		w.t.Fatal(err)
	}
	born := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tenant := range []directory.Tenant{
		{ID: fabrikam, Name: "Fabrikam", Domain: "fabrikam.example", Created: born.Add(time.Hour)},
		{ID: contoso, Name: "Contoso", Domain: "contoso.example", Created: born},
	} {
		w.commit(store.Commit{Tenant: &tenant})
	}
	var all store.Commit
	person := func(t pim.TenantID, id pim.PrincipalID, name string, enabled bool, c directory.Credential) {
		c.Tenant, c.Principal, c.Password = t, id, hash
		all.Credentials = append(all.Credentials, c)
		all.Objects = append(all.Objects, directory.Object{
			Tenant: t, ID: id, Kind: directory.KindUser, Enabled: enabled,
			DisplayName: strings.ToUpper(name[:1]) + name[1:strings.Index(name, "@")],
			User:        &directory.User{PrincipalName: name, Mail: name, Type: "Member"},
		})
	}
	person(contoso, alice, "alice@contoso.example", true, directory.Credential{TOTPSecret: w.aliceKey})
	person(contoso, bob, "bob@contoso.example", true, directory.Credential{})
	person(contoso, carol, "carol@contoso.example", true, directory.Credential{MustChange: true})
	person(contoso, dan, "dan@contoso.example", false, directory.Credential{})
	person(fabrikam, frank, "frank@fabrikam.example", true, directory.Credential{})
	application := func(t pim.TenantID, id pim.PrincipalID, a directory.App, secret string) {
		all.Credentials = append(all.Credentials, directory.Credential{Tenant: t, Principal: id, Password: idp.HashSecret(secret)})
		all.Objects = append(all.Objects, directory.Object{
			Tenant: t, ID: id, Kind: directory.KindServicePrincipal, DisplayName: "App " + a.ClientID[35:], Enabled: true, App: &a,
		})
	}
	application(contoso, appObject, directory.App{ClientID: app, LoopbackRedirects: true, Permissions: permissions}, appSecret)
	application(contoso, webObject, directory.App{
		ClientID: web, Redirects: []string{webBack}, Permissions: permissions[:1],
	}, webSecret)
	application(fabrikam, "bbbbbbbb-0000-4000-8000-000000000021", directory.App{
		ClientID: app, LoopbackRedirects: true, Permissions: permissions[:1],
	}, "another")
	application(fabrikam, "bbbbbbbb-0000-4000-8000-000000000022", directory.App{
		ClientID: foreign, LoopbackRedirects: true, Permissions: permissions,
	}, "foreign")
	w.commit(all)
}

// context makes the OpenID libraries use the server's certificate.
func (w *world) context() context.Context {
	return oidc.ClientContext(w.t.Context(), w.server.Client())
}

func (w *world) post(path string, form url.Values) (int, map[string]any) {
	w.t.Helper()
	resp, err := w.server.Client().PostForm(w.url+path, form)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, w.json(resp)
}

func (w *world) get(path string) (int, map[string]any) {
	w.t.Helper()
	resp, err := w.server.Client().Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, w.json(resp)
}

func (w *world) json(resp *http.Response) map[string]any {
	w.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		w.t.Fatalf("the answer is no JSON object: %v\n%s", err, body)
	}
	return m
}

// claims reads a token without checking it, as Terraform does.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *world) code(at time.Time) string {
	w.t.Helper()
	code, err := idp.TOTPCode(w.aliceKey, at)
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

// provider and configuration of the OpenID library for the application.
func (w *world) oauth() (*oidc.Provider, *oauth2.Config) {
	w.t.Helper()
	p, err := oidc.NewProvider(w.context(), w.url+"/"+string(contoso)+"/v2.0")
	if err != nil {
		w.t.Fatal(err)
	}
	scopes := []string{"openid", "profile", "offline_access", w.url + "/.default"}
	return p, &oauth2.Config{ClientID: app, Endpoint: p.Endpoint(), RedirectURL: loopBack, Scopes: scopes}
}

// browser is a person's browser: it keeps cookies, shows one page, and follows links within the server.
type browser struct {
	*world
	client *http.Client
	at     *url.URL
	status int
	text   string
	policy string
	forms  []url.Values
	// answer is the application's address that the browser was sent to.
	answer *url.URL
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &browser{world: w}
	b.client = &http.Client{Transport: w.server.Client().Transport, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if "https://"+r.URL.Host != w.url {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

func (b *browser) open(address string) *browser {
	b.t.Helper()
	resp, err := b.client.Get(address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.see(resp)
	return b
}

// fill fills in the page's form and sends it. Fields are name and value in turn.
func (b *browser) fill(fields ...string) *browser {
	b.t.Helper()
	if len(b.forms) == 0 {
		b.t.Fatalf("no form on the page %s (%d):\n%s", b.at, b.status, b.text)
	}
	form := url.Values{}
	for k, v := range b.forms[0] {
		form[k] = v
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.send(form)
}

func (b *browser) send(form url.Values) *browser {
	b.t.Helper()
	resp, err := b.client.PostForm(b.at.String(), form)
	if err != nil {
		b.t.Fatal(err)
	}
	b.see(resp)
	return b
}

func (b *browser) see(resp *http.Response) {
	b.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.at, b.status, b.text, b.forms, b.answer = resp.Request.URL, resp.StatusCode, string(body), nil, nil
	if to := resp.Header.Get("Location"); to != "" {
		if b.answer, err = url.Parse(to); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return
	}
	b.checkPage(resp)
	doc, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "form" {
			b.forms = append(b.forms, fieldsOf(n))
		}
	}
}

// checkPage holds every page to the rules of all pages.
func (b *browser) checkPage(resp *http.Response) {
	b.t.Helper()
	csp := resp.Header.Get("Content-Security-Policy")
	b.policy = csp
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			b.t.Errorf("policy of %s is %q, want %s", b.at, csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(b.text, "style=") || strings.Contains(b.text, " onload") {
		b.t.Errorf("page %s needs inline styles or scripts", b.at)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		b.t.Errorf("Cache-Control of %s is %q, want no-store", b.at, got)
	}
	for _, c := range resp.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
			b.t.Errorf("cookie %s is not protected: %+v", c.Name, c)
		}
	}
}

func fieldsOf(form *html.Node) url.Values {
	fields := url.Values{}
	for n := range form.Descendants() {
		if n.Type != html.ElementNode || n.Data != "input" {
			continue
		}
		var name, value string
		for _, a := range n.Attr {
			switch a.Key {
			case "name":
				name = a.Val
			case "value":
				value = a.Val
			}
		}
		fields.Set(name, value)
	}
	return fields
}

// shows fails unless the page's form has the field.
func (b *browser) shows(field string) *browser {
	b.t.Helper()
	if len(b.forms) == 0 || !b.forms[0].Has(field) {
		b.t.Fatalf("page %s (%d) has no field %s:\n%s", b.at, b.status, field, b.text)
	}
	return b
}

// signIn fills in name and password.
func (b *browser) signIn(name string) *browser {
	b.t.Helper()
	return b.shows("password").fill("username", name, "password", password)
}

// result returns a parameter of the answer that the application got.
func (b *browser) result(name string) string {
	b.t.Helper()
	if b.answer == nil {
		b.t.Fatalf("the application has no answer; page %s (%d):\n%s", b.at, b.status, b.text)
	}
	if q := b.answer.Query(); q.Has(name) {
		return q.Get(name)
	}
	fragment, err := url.ParseQuery(b.answer.Fragment)
	if err != nil {
		b.t.Fatal(err)
	}
	return fragment.Get(name)
}

// authorize returns the address that starts a sign-in, with more parameters in turn, and the verifier.
func (w *world) authorize(c *oauth2.Config, more ...string) (address, verifier string) {
	w.t.Helper()
	verifier = oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oidc.Nonce("nonce-1")}
	for i := 0; i < len(more); i += 2 {
		options = append(options, oauth2.SetAuthURLParam(more[i], more[i+1]))
	}
	return c.AuthCodeURL("state-1", options...), verifier
}

// tokens signs a person in and returns their tokens.
func (w *world) tokens(b *browser, name string) *oauth2.Token {
	w.t.Helper()
	_, c := w.oauth()
	address, verifier := w.authorize(c)
	b.open(address)
	if b.answer == nil {
		b.signIn(name)
	}
	t, err := c.Exchange(w.context(), b.result("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

func bodyOf(form url.Values) io.Reader {
	if form == nil {
		return http.NoBody
	}
	return strings.NewReader(form.Encode())
}
