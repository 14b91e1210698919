package idp_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

const claimsC1 = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`

func TestCodeFlowWithUnmodifiedLibraries(t *testing.T) {
	w := newWorld(t, func(o *idp.Options) {
		o.Standing = func(in pim.TenantID, who pim.PrincipalID) idp.Standing {
			if in != contoso || who != alice {
				t.Errorf("asked for the standing of %s in %s, want that of %s in %s", who, in, alice, contoso)
			}
			return idp.Standing{Groups: []pim.PrincipalID{team, above}, Roles: []pim.RoleID{pim.GlobalReader}}
		}
	})
	provider, config := w.oauth()
	address, verifier := w.authorize(config)
	b := w.browser().open(address).signIn("Alice@Contoso.example")
	if got := b.result("state"); got != "state-1" {
		t.Errorf("state is %q, want state-1", got)
	}
	token, err := config.Exchange(w.context(), b.result("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: app}).Verify(w.context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	if id.Nonce != "nonce-1" || id.Subject != string(alice) {
		t.Errorf("nonce %q and subject %q, want nonce-1 and %s", id.Nonce, id.Subject, alice)
	}
	proved, err := w.verifier.Token(t.Context(), token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if proved.Tenant != contoso || proved.Object != alice || proved.App || proved.ClientID != app ||
		proved.Account != "alice@contoso.example" || proved.Name != "Alice" || !proved.MFAAt.IsZero() {
		t.Errorf("token proves %+v", proved)
	}
	if diff := cmp.Diff(permissions, proved.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{string(team), string(above)}, proved.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	place := map[string]any{
		"groups": []any{string(team), string(above)}, "wids": []any{string(pim.GlobalReader)}, "_claim_names": nil,
	}
	wantClaims(t, token.AccessToken, place)
	wantClaims(t, raw, place)
	wantClaims(t, token.AccessToken, map[string]any{
		"aud": w.url, "iss": w.url + "/" + string(contoso) + "/v2.0", "ver": "2.0", "appid": app, "azp": app,
		"upn": "alice@contoso.example", "unique_name": "alice@contoso.example", "sub": string(alice), "acr": "1",
		"idtyp": "user", "app_displayname": "App 1", "preferred_username": "alice@contoso.example",
	})
	if token.Extra("client_info") == nil || token.Extra("ext_expires_in") == nil {
		t.Error("client_info or ext_expires_in is missing")
	}
}

func wantClaims(t *testing.T, token string, want map[string]any) {
	t.Helper()
	got := claims(t, token)
	for name, v := range want {
		if diff := cmp.Diff(v, got[name]); diff != "" {
			t.Errorf("claim %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRefreshRotatesAndReuseEndsTheFamily(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	first := w.tokens(w.browser(), "alice@contoso.example")
	renew := func(refresh string) (*oauth2.Token, error) {
		return config.TokenSource(w.context(), &oauth2.Token{RefreshToken: refresh}).Token()
	}
	second, err := renew(first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if second.RefreshToken == first.RefreshToken {
		t.Error("the refresh token was not rotated")
	}
	w.restart()
	third, err := renew(second.RefreshToken)
	if err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	wantOAuthError(t, "a used token", second.RefreshToken, renew, "invalid_grant")
	wantOAuthError(t, "the living token of a family that was ended", third.RefreshToken, renew, "invalid_grant")
}

func wantOAuthError(t *testing.T, what, refresh string, renew func(string) (*oauth2.Token, error), want string) {
	t.Helper()
	_, err := renew(refresh)
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refused.ErrorCode != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestRefreshEndsWithPasswordAccountAndTime(t *testing.T) {
	for name, end := range map[string]func(*world){
		"password": func(w *world) {
			c := w.credential(alice)
			c.Password = "$argon2id$another"
			w.commit(store.Commit{Credentials: []directory.Credential{c}})
		},
		"account": func(w *world) {
			list, err := w.store.ObjectsByID(w.t.Context(), contoso, []pim.PrincipalID{alice})
			if err != nil {
				w.t.Fatal(err)
			}
			list[0].Enabled = false
			w.commit(store.Commit{Objects: list})
		},
		"time": func(w *world) { w.pass(15 * 24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, config := w.oauth()
			had := w.tokens(w.browser(), "alice@contoso.example")
			end(w)
			wantOAuthError(t, "refresh", had.RefreshToken, func(s string) (*oauth2.Token, error) {
				return config.TokenSource(w.context(), &oauth2.Token{RefreshToken: s}).Token()
			}, "invalid_grant")
		})
	}
}

func TestDeviceCodeWithUnmodifiedLibrary(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	device, err := config.DeviceAuth(w.context(), oauth2.SetAuthURLParam("claims", claimsC1))
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser().open(device.VerificationURI).shows("user_code").fill("user_code", strings.ToLower(device.UserCode))
	b.signIn("alice@contoso.example").shows("totp").fill("totp", w.code(w.now()))
	if !strings.Contains(b.text, "App 1") {
		t.Errorf("the page does not say which application asks:\n%s", b.text)
	}
	b.fill("answer", "allow")
	token, err := config.DeviceAccessToken(w.context(), device)
	if err != nil {
		t.Fatal(err)
	}
	proved, err := w.verifier.Token(t.Context(), token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if proved.Object != alice || !proved.FreshMFA(w.now(), time.Hour) || !proved.HasContext("c1") {
		t.Errorf("token proves %+v, want alice with a fresh second factor in c1", proved)
	}
	if token.RefreshToken == "" {
		t.Error("no refresh token")
	}
	if _, err := config.DeviceAccessToken(w.context(), device); err == nil {
		t.Error("the device code worked twice")
	}
}

func TestDeviceFacts(t *testing.T) {
	w := newWorld(t)
	ask := func(code string) string {
		_, m := w.post("/"+string(contoso)+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {app}, "device_code": {code},
		})
		text, _ := m["error"].(string)
		return text
	}
	begin := func() map[string]any {
		_, m := w.post("/organizations/oauth2/v2.0/devicecode", url.Values{"client_id": {app}, "scope": {"openid User.Read"}})
		return m
	}
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	m := begin()
	code, user := m["device_code"].(string), m["user_code"].(string)
	if !strings.Contains(m["message"].(string), user) {
		t.Errorf("message %q lacks the code", m["message"])
	}
	check("before the answer", ask(code), "authorization_pending")
	check("too soon after", ask(code), "slow_down")
	w.browser().open(m["verification_uri_complete"].(string)).fill().signIn("frank@fabrikam.example").fill("answer", "deny")
	check("refused", ask(code), "access_denied")
	again := w.browser().open(w.url+"/device").fill("user_code", user)
	if again.status != http.StatusBadRequest {
		t.Errorf("a code that was answered: status %d, want 400", again.status)
	}
	m = begin()
	w.pass(16 * time.Minute)
	check("after its time", ask(m["device_code"].(string)), "expired_token")
	check("made up", ask("nonsense"), "expired_token")
	_, m = w.post("/"+string(contoso)+"/oauth2/v2.0/token?x=1", url.Values{
		"grant_type": {"device_code"}, "client_id": {app}, "device_code": {begin()["device_code"].(string)},
	})
	check("under the name that MSAL for Go sends", m["error"].(string), "authorization_pending")
	b := w.browser().open(w.url + "/device")
	for range 12 {
		b.fill("user_code", "BBBB-BBBB")
	}
	if b.status != http.StatusTooManyRequests {
		t.Errorf("many wrong codes: status %d, want 429", b.status)
	}
}

func TestClientCredentials(t *testing.T) {
	w := newWorld(t)
	for name, style := range map[string]oauth2.AuthStyle{"form": oauth2.AuthStyleInParams, "basic": oauth2.AuthStyleInHeader} {
		t.Run(name, func(t *testing.T) {
			c := clientcredentials.Config{
				ClientID: app, ClientSecret: appSecret, AuthStyle: style,
				TokenURL: w.url + "/contoso.example/oauth2/v2.0/token?client-request-id=1",
				Scopes:   []string{w.url + "/.default", "openid", "offline_access", "profile", "Unknown.Scope"},
				EndpointParams: url.Values{
					"claims": {`{"access_token":{"xms_cc":{"values":["CP1"]}}}`}, "client_info": {"1"},
				},
			}
			token, err := c.Token(w.context())
			if err != nil {
				t.Fatal(err)
			}
			proved, err := w.verifier.Token(t.Context(), token.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			if !proved.App || proved.Object != appObject || proved.Account != app || !proved.MFAAt.IsZero() {
				t.Errorf("token proves %+v", proved)
			}
			if diff := cmp.Diff(permissions, proved.Scopes); diff != "" {
				t.Errorf("roles (-want +got):\n%s", diff)
			}
			wantClaims(t, token.AccessToken, map[string]any{"idtyp": "app", "oid": string(appObject), "scp": nil, "amr": nil})
			if token.RefreshToken != "" || token.Extra("id_token") != nil {
				t.Error("an application got a refresh or ID token")
			}
		})
	}
}

func TestStepUp(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	proved := func(token *oauth2.Token) auth.Token {
		t.Helper()
		p, err := w.verifier.Token(t.Context(), token.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	plain := w.tokens(b, "alice@contoso.example")
	if p := proved(plain); !p.MFAAt.IsZero() || len(p.Contexts) != 0 {
		t.Errorf("a plain sign-in proves %+v", p)
	}
	_, config := w.oauth()
	address, verifier := w.authorize(config, "claims", claimsC1)
	b.open(address).shows("totp")
	if b.forms[0].Has("password") {
		t.Error("a person who is signed in is asked for the password")
	}
	b.fill("totp", w.code(w.now()))
	token, err := config.Exchange(w.context(), b.result("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if p := proved(token); !p.FreshMFA(w.now(), time.Minute) || !p.HasContext("c1") {
		t.Errorf("after the step-up: %+v", p)
	}
	wantClaims(t, token.AccessToken, map[string]any{
		"amr": []any{"pwd", "mfa"}, "acrs": []any{"c1"}, "acr": "c1",
	})
	// The proof is fresh: no page, whatever the demand is called.
	for _, demand := range [][]string{
		{"claims", claimsC1},
		{"claims", `{"id_token":{"amr":{"essential":true,"values":["mfa"]}}}`},
		{"acr_values", "c2 c3"},
		{"max_age", "600"},
		{"prompt", "none"},
	} {
		if address, _ := w.authorize(config, demand...); b.open(address).answer == nil || b.result("code") == "" {
			t.Errorf("%v: a page is shown although the proof is fresh", demand)
		}
	}
	// Half an hour later it is not.
	w.pass(31 * time.Minute)
	address, _ = w.authorize(config, "acr_values", "mfa")
	b.open(address).shows("totp")
	// Demands of their own for a new sign-in.
	for _, demand := range [][]string{{"max_age", "600"}, {"prompt", "login"}, {"login_hint", "bob@contoso.example"}} {
		address, _ = w.authorize(config, demand...)
		b.open(address).shows("password")
	}
	address, _ = w.authorize(config, "prompt", "none", "max_age", "600")
	if got := b.open(address).result("error"); got != "login_required" {
		t.Errorf("prompt=none with an old sign-in: %q, want login_required", got)
	}
	address, _ = w.authorize(config, "prompt", "none", "acr_values", "c1")
	if got := b.open(address).result("error"); got != "interaction_required" {
		t.Errorf("prompt=none without a fresh factor: %q, want interaction_required", got)
	}
}

func TestRefreshStepsUpOnlyWithFreshProof(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	plain := w.tokens(b, "alice@contoso.example")
	renew := func(refresh, claims string) map[string]any {
		_, m := w.post("/"+string(contoso)+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"refresh_token"}, "client_id": {app}, "refresh_token": {refresh}, "claims": {claims},
			"scope": {"https://graph.microsoft.com/.default"},
		})
		return m
	}
	if got := renew(plain.RefreshToken, claimsC1)["error"]; got != "interaction_required" {
		t.Errorf("a refresh without a second factor: %v, want interaction_required", got)
	}
	_, config := w.oauth()
	address, verifier := w.authorize(config, "acr_values", "mfa")
	b.open(address).fill("totp", w.code(w.now()))
	strong, err := config.Exchange(w.context(), b.result("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	m := renew(strong.RefreshToken, claimsC1)
	access, _ := m["access_token"].(string)
	wantClaims(t, access, map[string]any{"acrs": []any{"c1"}, "aud": "https://graph.microsoft.com"})
	w.pass(31 * time.Minute)
	if got := renew(m["refresh_token"].(string), claimsC1)["error"]; got != "interaction_required" {
		t.Errorf("a refresh with an old second factor: %v, want interaction_required", got)
	}
}

func TestFirstSignInChangesThePassword(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config)
	b := w.browser().open(address).signIn("carol@contoso.example").shows("new_password")
	for _, bad := range [][2]string{
		{"short", "short"}, {"long enough, this", "but not the same"}, {password, password}, {"carol and more of it", "carol and more of it"},
	} {
		b.fill("new_password", bad[0], "new_password_again", bad[1]).shows("new_password")
		if b.status != http.StatusUnprocessableEntity {
			t.Errorf("new password %q: status %d, want 422", bad[0], b.status)
		}
	}
	b.fill("new_password", "another good password", "new_password_again", "another good password")
	if b.result("code") == "" {
		t.Error("no code after the change")
	}
	old := w.browser().open(address).signIn("carol@contoso.example")
	if old.status != http.StatusUnprocessableEntity {
		t.Errorf("the old password: status %d, want 422", old.status)
	}
}

func TestEnrolment(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config, "claims", claimsC1)
	b := w.browser().open(address).signIn("bob@contoso.example").shows("totp")
	_, rest, _ := strings.Cut(b.text, `aria-labelledby="secret-label">`)
	shown, _, _ := strings.Cut(rest, "<")
	secret := strings.ReplaceAll(shown, " ", "")
	if !strings.Contains(b.text, "<svg") || len(secret) != 32 {
		t.Fatalf("the page shows no picture or no secret (%q)", secret)
	}
	b.fill("totp", "000000").shows("totp")
	if !strings.Contains(b.text, shown) {
		t.Error("after a wrong code the page shows another secret")
	}
	code, err := idp.TOTPCode(secret, w.now())
	if err != nil {
		t.Fatal(err)
	}
	if b.fill("totp", code).result("code") == "" {
		t.Error("no code after the enrolment")
	}
	if got := w.credential(bob); got.TOTPSecret != secret || got.TOTPStep == 0 {
		t.Errorf("stored %+v, want the secret and the step that was used", got)
	}
}

func TestFormPost(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config, "response_mode", "form_post")
	b := w.browser().open(address)
	// Browsers hold the redirect that follows a form to its page's policy too.
	if !strings.Contains(b.policy, "form-action 'self' http://localhost:54321") {
		t.Errorf("policy %q does not let the form lead to the application", b.policy)
	}
	b.signIn("bob@contoso.example").shows("code")
	if b.forms[0].Get("state") != "state-1" || !strings.Contains(b.text, `action="`+loopBack+`"`) {
		t.Errorf("the form does not go to the application with its state:\n%s", b.text)
	}
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	token := w.tokens(b, "alice@contoso.example")
	raw, _ := token.Extra("id_token").(string)
	out := w.url + "/" + string(contoso) + "/oauth2/v2.0/logout"
	b.open(out).shows("csrf")
	_, config := w.oauth()
	address, _ := w.authorize(config, "prompt", "none")
	if b.open(address).result("code") == "" {
		t.Error("a link alone signs out")
	}
	b.open(out).send(url.Values{"csrf": {"wrong"}})
	if b.status != http.StatusForbidden {
		t.Errorf("a foreign form: status %d, want 403", b.status)
	}
	b.open(out + "?" + url.Values{
		"id_token_hint": {raw}, "post_logout_redirect_uri": {"http://localhost:1/bye"}, "state": {"s"},
	}.Encode())
	if b.answer == nil || b.answer.String() != "http://localhost:1/bye?state=s" {
		t.Errorf("after the sign-out the browser is at %v", b.answer)
	}
	if got := b.open(address).result("error"); got != "login_required" {
		t.Errorf("after the sign-out: %q, want login_required", got)
	}
	w.tokens(b, "alice@contoso.example")
	b.open(out + "?client_id=" + web + "&post_logout_redirect_uri=https://evil.example").fill()
	if b.answer != nil || b.open(address).result("error") != "login_required" {
		t.Error("the form did not sign out, or sent the browser to an address that is not registered")
	}
}

// TestRestartLosesNothing: what was begun before a restart, or on another node, is finished after it.
func TestRestartLosesNothing(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	device, err := config.DeviceAuth(w.context())
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser().open(w.url + "/device")
	w.restart()
	b.fill("user_code", device.UserCode).shows("password")
	w.restart()
	b.signIn("bob@contoso.example")
	w.restart()
	b.fill("answer", "allow")
	address, verifier := w.authorize(config)
	code := b.open(address).result("code")
	w.restart()
	if _, err := config.DeviceAccessToken(w.context(), device); err != nil {
		t.Errorf("device: %v", err)
	}
	if _, err := config.Exchange(w.context(), code, oauth2.VerifierOption(verifier)); err != nil {
		t.Errorf("code: %v", err)
	}
}

func TestRefreshOfManyAtOnce(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	had := w.tokens(w.browser(), "bob@contoso.example")
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 12 {
		wg.Go(func() {
			if _, err := config.TokenSource(w.context(), &oauth2.Token{RefreshToken: had.RefreshToken}).Token(); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 12 renewed with one token, want 1", won.Load())
	}
}

// TestOneFormForBothFactors: a program may send the code along with the password.
func TestOneFormForBothFactors(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	address, _ := w.authorize(config)
	b := w.browser().open(address).fill("username", "alice@contoso.example", "password", password, "totp", "000000")
	if b.status != http.StatusUnprocessableEntity {
		t.Errorf("with a wrong code: %d, want 422", b.status)
	}
	b.fill("username", "alice@contoso.example", "password", password, "totp", w.code(w.now()))
	if b.result("code") == "" {
		t.Fatal("no code with both factors right")
	}
	address, _ = w.authorize(config, "acr_values", "c1", "prompt", "none")
	if b.open(address).result("code") == "" {
		t.Error("the second factor was not taken")
	}
}
