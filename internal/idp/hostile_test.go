package idp_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"portcullis/internal/idp"
	"portcullis/internal/store"
)

// TestTokenEndpointRefuses is a page of requests that get no token.
func TestTokenEndpointRefuses(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	b := w.browser()
	fresh := func() (code, verifier string) {
		address, verifier := w.authorize(config)
		if b.open(address); b.answer == nil {
			b.signIn("bob@contoso.example")
		}
		return b.result("code"), verifier
	}
	form := func(pairs ...string) url.Values {
		f := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	redeem := func(change ...string) url.Values {
		code, verifier := fresh()
		f := form("grant_type", "authorization_code", "client_id", app, "code", code, "code_verifier", verifier,
			"redirect_uri", loopBack)
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	expired := redeem()
	w.pass(6 * time.Minute)
	for _, c := range []struct {
		name, tenant string
		form         url.Values
		status       int
		code         string
	}{
		{"expired code", string(contoso), expired, 400, "invalid_grant"},
		{"wrong verifier", string(contoso), redeem("code_verifier", strings.Repeat("a", 43)), 400, "invalid_grant"},
		{"no verifier", string(contoso), redeem("code_verifier", ""), 400, "invalid_grant"},
		{"other redirect", string(contoso), redeem("redirect_uri", "http://localhost:1/cb"), 400, "invalid_grant"},
		{"another application's code", string(contoso), redeem("client_id", web, "client_secret", webSecret), 400, "invalid_grant"},
		{"at another tenant", string(fabrikam), redeem(), 400, "invalid_grant"},
		{"wrong secret", string(contoso), redeem("client_secret", "wrong"), 401, "invalid_client"},
		{"unknown application", string(contoso), redeem("client_id", foreign), 401, "invalid_client"},
		{"unknown tenant", "33333333-3333-4333-8333-333333333333", redeem(), 400, "invalid_tenant"},
		{"made-up code", string(contoso), redeem("code", "made-up"), 400, "invalid_grant"},
		{"client assertion", string(contoso), form("grant_type", "client_credentials", "client_assertion", "x",
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), 401, "invalid_client"},
		{"no secret", string(contoso), form("grant_type", "client_credentials", "client_id", app), 400, "invalid_client"},
		{"no secret, confidential", string(contoso), form("grant_type", "client_credentials", "client_id", web), 401, "invalid_client"},
		{"another's resource", string(contoso), form("grant_type", "client_credentials", "client_id", app,
			"client_secret", appSecret, "scope", "https://vault.example/.default"), 400, "invalid_scope"},
		{"secret of the same application elsewhere", string(contoso), form("grant_type", "client_credentials",
			"client_id", app, "client_secret", "another"), 401, "invalid_client"},
		{"password grant without the sample", string(contoso), form("grant_type", "password", "client_id", app,
			"username", "bob@contoso.example", "password", password), 400, "unsupported_grant_type"},
		{"no grant", string(contoso), form("client_id", app), 400, "invalid_request"},
		{"made-up refresh token", string(contoso), form("grant_type", "refresh_token", "client_id", app,
			"refresh_token", "a.b"), 400, "invalid_grant"},
		{"oversized", string(contoso), form("grant_type", strings.Repeat("a", 80<<10)), 400, "invalid_request"},
	} {
		status, got := w.post("/"+c.tenant+"/oauth2/v2.0/token", c.form)
		if status != c.status || got["error"] != c.code {
			t.Errorf("%s: %d %v, want %d %s", c.name, status, got, c.status, c.code)
		}
		if got["access_token"] != nil {
			t.Errorf("%s: a token was issued", c.name)
		}
	}
	if resp, err := w.server.Client().Get(w.url + "/common/oauth2/v2.0/token"); err != nil {
		t.Error(err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET of the token endpoint: %d, want 405", resp.StatusCode)
	}
}

func TestCodeWorksOnceAndItsThiefEndsWhatItGave(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, verifier := w.authorize(config)
	code := w.browser().open(address).signIn("bob@contoso.example").result("code")
	token, err := config.Exchange(w.context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Exchange(w.context(), code, oauth2.VerifierOption(verifier))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || refused.ErrorCode != "invalid_grant" {
		t.Errorf("second use: %v, want invalid_grant", err)
	}
	wantOAuthError(t, "the refresh token of the first use", token.RefreshToken, func(s string) (*oauth2.Token, error) {
		return config.TokenSource(w.context(), &oauth2.Token{RefreshToken: s}).Token()
	}, "invalid_grant")
}

func TestCodeOfManyAtOnceWorksOnce(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	b := w.browser()
	for range 10 {
		address, verifier := w.authorize(config)
		if b.open(address); b.answer == nil {
			b.signIn("bob@contoso.example")
		}
		code := b.result("code")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 8 {
			wg.Go(func() {
				if _, err := config.Exchange(w.context(), code, oauth2.VerifierOption(verifier)); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("%d of 8 redeemed one code, want 1", won)
		}
	}
}

// TestAuthorizeRefuses is a page of requests that start no sign-in: told to a person when the redirect address is not
// the application's, else to the application.
func TestAuthorizeRefuses(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	for _, c := range []struct {
		name   string
		change []string
		// code is what the application is told; empty: a person is told with the status.
		code   string
		status int
	}{
		{"unregistered redirect", []string{"redirect_uri", "https://evil.example/cb"}, "", 400},
		{"loopback look-alike", []string{"redirect_uri", "http://localhost.evil.example/cb"}, "", 400},
		{"loopback with a user", []string{"redirect_uri", "http://localhost@evil.example/cb"}, "", 400},
		{"no redirect", []string{"redirect_uri", ""}, "", 400},
		{"loopback for one that has none", []string{"client_id", web}, "", 400},
		{"unknown application", []string{"client_id", "dddddddd-0000-4000-8000-000000000001"}, "", 400},
		{"foreign application", []string{"client_id", foreign}, "", 400},
		{"no PKCE", []string{"code_challenge", ""}, "invalid_request", 0},
		{"plain PKCE", []string{"code_challenge_method", "plain"}, "invalid_request", 0},
		{"default PKCE method", []string{"code_challenge_method", ""}, "invalid_request", 0},
		{"implicit", []string{"response_type", "id_token token"}, "unauthorized_client", 0},
		{"request object", []string{"request", "x.y.z"}, "request_not_supported", 0},
		{"response mode", []string{"response_mode", "web_message"}, "invalid_request", 0},
		{"claims that are no JSON", []string{"claims", "{"}, "invalid_request", 0},
		{"another's resource", []string{"scope", "https://vault.example/.default"}, "invalid_scope", 0},
		{"prompt none with others", []string{"prompt", "none login"}, "invalid_request", 0},
		{"nobody signed in", []string{"prompt", "none"}, "login_required", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, _ := w.authorize(config)
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			for i := 0; i < len(c.change); i += 2 {
				q.Set(c.change[i], c.change[i+1])
			}
			u.RawQuery = q.Encode()
			b := w.browser().open(u.String())
			if c.code == "" {
				if b.status != c.status || b.answer != nil || !strings.Contains(b.text, "<html") {
					t.Errorf("status %d, sent to %v; want a page with %d", b.status, b.answer, c.status)
				}
				return
			}
			if got := b.result("error"); got != c.code || b.result("state") != "state-1" {
				t.Errorf("the application is told %q with state %q, want %q", got, b.result("state"), c.code)
			}
		})
	}
	if b := w.browser().open(w.url + "/nowhere.example/oauth2/v2.0/authorize"); b.status != http.StatusNotFound {
		t.Errorf("unknown tenant: %d, want 404", b.status)
	}
}

func TestWrongNameAndPasswordAnswerAlike(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config)
	var texts []string
	for _, try := range [][2]string{
		{"bob@contoso.example", "wrong"}, {"nobody@contoso.example", password}, {"dan@contoso.example", password},
		{"frank@fabrikam.example", password}, {"", ""}, {"bob@contoso.example", strings.Repeat("x", 4000)},
	} {
		b := w.browser().open(address).fill("username", try[0], "password", try[1])
		if b.status != http.StatusUnprocessableEntity {
			t.Errorf("%v: status %d, want 422", try, b.status)
		}
		_, text, _ := strings.Cut(b.text, `role="alert">`)
		text, _, _ = strings.Cut(text, "<")
		texts = append(texts, text)
	}
	for _, text := range texts {
		if text != texts[0] || text == "" {
			t.Errorf("the answers differ: %q", texts)
			break
		}
	}
}

func TestLockout(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config)
	try := func(password string) bool {
		b := w.browser().open(address).fill("username", "bob@contoso.example", "password", password)
		return b.answer != nil
	}
	for range 5 {
		try("wrong")
	}
	if try(password) {
		t.Error("the right password works while the account is locked")
	}
	w.pass(31 * time.Second)
	try("wrong")
	w.pass(31 * time.Second)
	if try(password) {
		t.Error("the second lock is no longer than the first")
	}
	w.pass(30 * time.Second)
	if !try(password) {
		t.Error("the right password does not work after the lock")
	}
	if c := w.credential(bob); c.Failures != 0 || !c.LockedUntil.IsZero() {
		t.Errorf("after the right password: %+v, want no failures", c)
	}
}

// TestGuessesAtOnce: however many guesses come at once, no more are looked at than the lock allows.
func TestGuessesAtOnce(t *testing.T) {
	w := newWorld(t, func(o *idp.Options) { o.Sample, o.HashSlots = true, 8 })
	guess := func(password string) map[string]any {
		_, m := w.post("/"+string(contoso)+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"password"}, "client_id": {app}, "username": {"bob@contoso.example"}, "password": {password},
			"scope": {"openid"},
		})
		return m
	}
	var wg sync.WaitGroup
	for range 24 {
		wg.Go(func() { guess("wrong") })
	}
	wg.Wait()
	if got := w.credential(bob).Failures; got != 5 {
		t.Errorf("%d failures were counted, want 5: the rest came while the account was locked", got)
	}
	if m := guess(password); m["error"] != "invalid_grant" {
		t.Errorf("the right password while locked: %v, want invalid_grant", m)
	}
}

func TestTOTPWorksOnceAndItsGuessesLock(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config, "acr_values", "mfa")
	code := w.code(w.now())
	if w.browser().open(address).signIn("alice@contoso.example").fill("totp", code).result("code") == "" {
		t.Fatal("a right code does not work")
	}
	b := w.browser().open(address).signIn("alice@contoso.example").fill("totp", code)
	if b.status != http.StatusUnprocessableEntity {
		t.Errorf("a used code: status %d, want 422", b.status)
	}
	b.fill("totp", w.code(w.now().Add(-30*time.Second)))
	if b.status != http.StatusUnprocessableEntity {
		t.Errorf("a code older than the last one: status %d, want 422", b.status)
	}
	b.fill("totp", w.code(w.now().Add(-5*time.Minute)))
	// The password alone opens no further guesses.
	for range 2 {
		w.browser().open(address).signIn("alice@contoso.example").shows("totp").fill("totp", "000000")
	}
	w.browser().open(address).signIn("alice@contoso.example").shows("password")
	w.pass(40 * time.Second)
	if w.browser().open(address).signIn("alice@contoso.example").fill("totp", w.code(w.now())).result("code") == "" {
		t.Error("a right code does not work after the lock")
	}
}

func TestFormsOfOthersAreRefused(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config)
	b := w.browser().open(address)
	form := url.Values{"username": {"bob@contoso.example"}, "password": {password}, "step": {"password"}}
	if b.send(form); b.status != http.StatusForbidden {
		t.Errorf("without the token: %d, want 403", b.status)
	}
	other := w.browser().open(address)
	form.Set("csrf", other.forms[0].Get("csrf"))
	if b.send(form); b.status != http.StatusForbidden {
		t.Errorf("with another browser's token: %d, want 403", b.status)
	}
	// A link to a sign-in that was begun elsewhere leads nowhere.
	if thief := w.browser().open(other.at.String()); thief.status != http.StatusBadRequest {
		t.Errorf("another browser's sign-in: %d, want 400", thief.status)
	}
	device := w.browser().open(w.url + "/device")
	if device.send(url.Values{"user_code": {"BBBBBBBB"}}); device.status != http.StatusForbidden {
		t.Errorf("device page without the token: %d, want 403", device.status)
	}
	// A form that is sent from another site says so.
	b = w.browser().open(address)
	form = b.forms[0]
	form.Set("username", "bob@contoso.example")
	form.Set("password", password)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.at.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if b.see(resp); b.status != http.StatusForbidden {
		t.Errorf("from another site: %d, want 403", b.status)
	}
}

func TestPersonOfAnotherTenantIsRefused(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	b := w.browser()
	w.tokens(b, "bob@contoso.example")
	config.Endpoint.AuthURL = w.url + "/" + string(fabrikam) + "/oauth2/v2.0/authorize"
	address, _ := w.authorize(config)
	// The session of one tenant is none in another.
	b.open(address).signIn("bob@contoso.example").shows("password")
	if b.fill("username", "frank@fabrikam.example", "password", password).result("code") == "" {
		t.Error("the tenant's own person is refused")
	}
	// Where the name decides the tenant, that tenant must know the application and its redirect.
	config = &oauth2.Config{ClientID: web, RedirectURL: webBack, Scopes: []string{"openid"}, Endpoint: oauth2.Endpoint{
		AuthURL: w.url + "/organizations/oauth2/v2.0/authorize",
	}}
	address, _ = w.authorize(config)
	w.browser().open(address).signIn("frank@fabrikam.example").shows("password")
}

func TestConfidentialClientNeedsItsSecret(t *testing.T) {
	w := newWorld(t)
	p, _ := w.oauth()
	config := &oauth2.Config{
		ClientID: web, RedirectURL: webBack, Endpoint: p.Endpoint(), Scopes: []string{"openid", "offline_access", "User.Read", "Group.Read.All"},
	}
	address, verifier := w.authorize(config)
	code := w.browser().open(address).signIn("bob@contoso.example").result("code")
	if _, err := config.Exchange(w.context(), code, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a confidential client got tokens without its secret")
	}
	config.ClientSecret = webSecret
	token, err := config.Exchange(w.context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	wantClaims(t, token.AccessToken, map[string]any{
		"scp": "User.Read", "aud": "https://graph.microsoft.com", "azpacr": "1",
	})
	if got := token.Extra("scope"); got != "openid offline_access User.Read" {
		t.Errorf("scope is %q, want what was granted", got)
	}
	id, err := p.Verifier(&oidc.Config{ClientID: web}).Verify(w.context(), token.Extra("id_token").(string))
	if err != nil || id.Subject != string(bob) {
		t.Errorf("ID token: %v of %v", err, id)
	}
	config.ClientSecret = ""
	wantOAuthError(t, "refresh without the secret", token.RefreshToken, func(s string) (*oauth2.Token, error) {
		return config.TokenSource(w.context(), &oauth2.Token{RefreshToken: s}).Token()
	}, "invalid_client")
}

// TestDatabaseReadersCannotImpersonate: nothing that opens a door is in the vault, nor in the log.
func TestDatabaseReadersCannotImpersonate(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	b := w.browser()
	token := w.tokens(b, "alice@contoso.example")
	address, _ := w.authorize(config)
	code := b.open(address).result("code")
	device, err := config.DeviceAuth(w.context())
	if err != nil {
		t.Fatal(err)
	}
	_, refresh, _ := strings.Cut(token.RefreshToken, ".")
	family, _, _ := strings.Cut(token.RefreshToken, ".")
	open := map[string]string{
		"code": code, "refresh secret": refresh, "refresh family": family, "device code": device.DeviceCode,
		"user code": strings.ReplaceAll(device.UserCode, "-", ""), "password": password, "access token": token.AccessToken,
	}
	home, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(home) {
		open["cookie "+c.Name] = c.Value
	}
	if len(open) != 9 {
		t.Fatalf("%d secrets are looked for, want 9", len(open))
	}
	for what, text := range open {
		for _, row := range w.store.vault() {
			if strings.Contains(row, text) {
				t.Errorf("%s is in the vault: %s", what, row)
			}
		}
		if strings.Contains(w.logs.String(), text) {
			t.Errorf("%s is in the log", what)
		}
	}
}

func TestSessionEnds(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	b := w.browser()
	w.tokens(b, "bob@contoso.example")
	address, _ := w.authorize(config, "prompt", "none")
	signedIn := func() bool { return b.open(address).result("code") != "" }
	for range 7 { // used now and then, it lives on
		w.pass(100 * time.Minute)
		if !signedIn() {
			t.Fatal("a session that is used ended")
		}
	}
	w.pass(30 * time.Minute)
	if signedIn() {
		t.Error("the session outlives its limit")
	}
	b = w.browser()
	w.tokens(b, "bob@contoso.example")
	w.pass(121 * time.Minute)
	if signedIn() {
		t.Error("the session outlives its idle time")
	}
}

func TestStoreDown(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config)
	b := w.browser().open(address)
	w.store.down.Store(true)
	if b.fill("username", "bob@contoso.example", "password", password); b.status != http.StatusServiceUnavailable {
		t.Errorf("page: %d, want 503", b.status)
	}
	if strings.Contains(b.text, store.ErrUnavailable.Error()) {
		t.Error("the page shows the fault")
	}
	resp, err := w.server.Client().PostForm(w.url+"/"+string(contoso)+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := w.json(resp)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || m["error"] != "server_error" {
		t.Errorf("token endpoint: %d %v, want 503 server_error and Retry-After", resp.StatusCode, m)
	}
}
