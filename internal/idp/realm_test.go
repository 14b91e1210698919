package idp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/idp"
)

func TestDiscovery(t *testing.T) {
	w := newWorld(t)
	own := "/" + string(contoso)
	for path, base := range map[string]string{
		own + "/v2.0/.well-known/openid-configuration?":            own,
		"/Contoso.example/v2.0/.well-known/openid-configuration":   own,
		own + "/.well-known/openid-configuration":                  own,
		"/.well-known/openid-configuration":                        own,
		"/common/v2.0/.well-known/openid-configuration":            "/common",
		"/organizations/v2.0/.well-known/openid-configuration?x=1": "/organizations",
	} {
		status, m := w.get(path)
		issuer := w.url + base + "/v2.0"
		if base != own {
			issuer = w.url + "/{tenantid}/v2.0"
		}
		for name, want := range map[string]any{
			"issuer":                        issuer,
			"authorization_endpoint":        w.url + base + "/oauth2/v2.0/authorize",
			"token_endpoint":                w.url + base + "/oauth2/v2.0/token",
			"device_authorization_endpoint": w.url + base + "/oauth2/v2.0/devicecode",
			"end_session_endpoint":          w.url + base + "/oauth2/v2.0/logout",
			"jwks_uri":                      w.url + base + "/discovery/v2.0/keys",
			"subject_types_supported":       []any{"public"}, "response_types_supported": []any{"code"},
			"id_token_signing_alg_values_supported": []any{"RS256"}, "code_challenge_methods_supported": []any{"S256"},
			"token_endpoint_auth_methods_supported": []any{"client_secret_post", "client_secret_basic", "private_key_jwt", "none"},
		} {
			if diff := cmp.Diff(want, m[name]); diff != "" {
				t.Errorf("%s %d: %s (-want +got):\n%s", path, status, name, diff)
			}
		}
	}
	if status, m := w.get("/nowhere/v2.0/.well-known/openid-configuration"); status != http.StatusBadRequest || m["error"] != "invalid_tenant" {
		t.Errorf("unknown tenant: %d %v, want 400 invalid_tenant", status, m)
	}
	if _, m := w.get(own + "/discovery/v2.0/keys"); len(m["keys"].([]any)) != 1 {
		t.Errorf("keys: %v, want one", m)
	} else if k := m["keys"].([]any)[0].(map[string]any); k["kid"] == "" || k["use"] != "sig" || k["alg"] != "RS256" || k["d"] != nil {
		t.Errorf("published key: %v", k)
	}
}

func TestRealmInstanceAndMetadata(t *testing.T) {
	w := newWorld(t, func(o *idp.Options) { o.Aliases = []string{"login.microsoftonline.com"} })
	host := w.url[len("https://"):]
	check := func(path string, status int, want map[string]any) {
		t.Helper()
		got, m := w.get(path)
		if got != status {
			t.Errorf("%s: status %d, want %d", path, got, status)
		}
		for name, v := range want {
			if diff := cmp.Diff(v, m[name]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", path, name, diff)
			}
		}
	}
	check("/common/userrealm/bob@contoso.example?api-version=1.0", 200, map[string]any{
		"ver": "1.0", "account_type": "Managed", "domain_name": "contoso.example", "cloud_instance_name": host,
	})
	check("/common/userrealm/nobody@contoso.example?api-version=1.0", 200, map[string]any{"account_type": "Managed"})
	check("/"+string(contoso)+"/UserRealm/bob@elsewhere.example", 200, map[string]any{"account_type": "Unknown"})
	check("/common/discovery/instance?api-version=1.1&authorization_endpoint="+
		url.QueryEscape("https://login.microsoftonline.com/contoso.example/oauth2/v2.0/authorize"), 200, map[string]any{
		"tenant_discovery_endpoint": w.url + "/contoso.example/v2.0/.well-known/openid-configuration", "api-version": "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": host, "preferred_cache": host, "aliases": []any{host, "login.microsoftonline.com"},
		}},
	})
	check("/common/discovery/instance?authorization_endpoint=https://evil.example/common", 400,
		map[string]any{"error": "invalid_instance"})
	check("/metadata/endpoints?api-version=2022-09-01", 200, map[string]any{
		"name": "Portcullis", "resourceManager": w.url, "microsoftGraphResourceId": w.url,
	})
	resp, err := w.server.Client().Get(w.url + "/metadata/endpoints?api-version=2019-05-01")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list) != 1 {
		t.Errorf("an old version: %v with %d clouds, want a list of one", err, len(list))
	}
}

// TestAliases: requests under another host name are answered with links and issuers of that name, and its tokens hold.
func TestAliases(t *testing.T) {
	w := newWorld(t, func(o *idp.Options) { o.Aliases = []string{"login.microsoftonline.com"} })
	under := func(host, path string, form url.Values) map[string]any {
		t.Helper()
		method := http.MethodGet
		if form != nil {
			method = http.MethodPost
		}
		r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, bodyOf(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := w.server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return w.json(resp)
	}
	path := "/" + string(contoso) + "/v2.0/.well-known/openid-configuration"
	issuer := "https://login.microsoftonline.com/" + string(contoso) + "/v2.0"
	if got := under("LOGIN.microsoftonline.com", path, nil)["issuer"]; got != issuer {
		t.Errorf("issuer under the alias is %v, want %s", got, issuer)
	}
	if got := under("evil.example", path, nil)["issuer"]; got != w.url+"/"+string(contoso)+"/v2.0" {
		t.Errorf("issuer under a name that is not configured is %v", got)
	}
	m := under("login.microsoftonline.com", "/"+string(contoso)+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {appSecret},
		"scope": {"https://management.core.windows.net//.default"},
	})
	access, _ := m["access_token"].(string)
	wantClaims(t, access, map[string]any{"iss": issuer, "aud": "https://management.core.windows.net"})
	if _, err := w.verifier.Token(t.Context(), access); err != nil {
		t.Errorf("its token: %v", err)
	}
}

func TestScopesAndAudiences(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ scope, aud, scp string }{
		{w.url + "/.default", w.url, "User.Read RoleManagement.ReadWrite.Directory user_impersonation"},
		{"", w.url, ""},
		{"openid profile", w.url, ""},
		{"User.Read", "https://graph.microsoft.com", "User.Read"},
		{"user.read Unknown.Read", "https://graph.microsoft.com", "User.Read"},
		{"https://graph.microsoft.com/.default", "https://graph.microsoft.com", "User.Read RoleManagement.ReadWrite.Directory"},
		{"https://graph.microsoft.com/RoleManagement.ReadWrite.Directory openid", "https://graph.microsoft.com", "RoleManagement.ReadWrite.Directory"},
		{"00000003-0000-0000-c000-000000000000/.default", "https://graph.microsoft.com", "User.Read RoleManagement.ReadWrite.Directory"},
		{"https://management.azure.com//.default", "https://management.azure.com", "user_impersonation"},
		{"https://management.azure.com/user_impersonation", "https://management.azure.com", "user_impersonation"},
		{"https://api.azrbac.mspim.azure.com/.default", "https://api.azrbac.mspim.azure.com", "user_impersonation"},
		{"01fc33a7-78ba-4d2f-a4b7-768e336e890e/.default", "https://api.azrbac.mspim.azure.com", "user_impersonation"},
		{"https://api.azrbac.mspim.azure.com/RoleManagement.ReadWrite.Directory", "https://api.azrbac.mspim.azure.com", ""},
		{"https://management.core.windows.net/.default https://vault.example/.default", "https://management.core.windows.net", "user_impersonation"},
	} {
		w.options.Sample = true
		w.restart()
		_, m := w.post("/organizations/oauth2/v2.0/token", url.Values{
			"grant_type": {"password"}, "client_id": {app}, "username": {"bob@contoso.example"}, "password": {password},
			"scope": {c.scope},
		})
		access, ok := m["access_token"].(string)
		if !ok {
			t.Errorf("%q: %v", c.scope, m)
			continue
		}
		got := claims(t, access)
		scp, _ := got["scp"].(string)
		if got["aud"] != c.aud || scp != c.scp {
			t.Errorf("%q: aud %v and scp %q, want %s and %q", c.scope, got["aud"], scp, c.aud, c.scp)
		}
	}
}

func TestPasswordGrantOfTheSample(t *testing.T) {
	w := newWorld(t, func(o *idp.Options) { o.Sample = true })
	ask := func(more ...string) (int, map[string]any) {
		f := url.Values{
			"grant_type": {"password"}, "client_id": {app}, "client_secret": {appSecret},
			"username": {"alice@contoso.example"}, "password": {password}, "scope": {"openid offline_access " + w.url + "/.default"},
		}
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return w.post("/"+string(contoso)+"/oauth2/v2.0/token", f)
	}
	_, m := ask("totp", "123456", "claims", claimsC1)
	access, _ := m["access_token"].(string)
	proved, err := w.verifier.Token(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	if !proved.FreshMFA(w.now(), time.Minute) || !proved.HasContext("c1") || m["id_token"] == nil || m["refresh_token"] == nil {
		t.Errorf("with totp: %+v", proved)
	}
	if _, m = ask("totp", w.code(w.now())); m["access_token"] == nil {
		t.Errorf("with a real code: %v", m)
	}
	_, m = ask()
	access, _ = m["access_token"].(string)
	if proved, err = w.verifier.Token(t.Context(), access); err != nil || !proved.MFAAt.IsZero() {
		t.Errorf("without totp: %v, second factor at %v", err, proved.MFAAt)
	}
	for name, c := range map[string]struct {
		change []string
		code   string
	}{
		"wrong password":     {[]string{"password", "wrong"}, "invalid_grant"},
		"unknown person":     {[]string{"username", "nobody@contoso.example"}, "invalid_grant"},
		"must change":        {[]string{"username", "carol@contoso.example"}, "invalid_grant"},
		"wrong totp":         {[]string{"totp", "000000"}, "invalid_grant"},
		"wrong secret":       {[]string{"client_secret", "wrong"}, "invalid_client"},
		"demand without mfa": {[]string{"claims", claimsC1}, "interaction_required"},
	} {
		if _, m := ask(c.change...); m["error"] != c.code {
			t.Errorf("%s: %v, want %s", name, m, c.code)
		}
	}
}

func TestOwns(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]bool{
		"/common/oauth2/v2.0/token": true, "/X/OAuth2/V2.0/Authorize": true, "/signin": true, "/signin/style.css": true,
		"/device": true, "/common/device": true, "/metadata/endpoints": true, "/oauth2/token": true, "/oauth2/keys": true,
		"/.well-known/openid-configuration": true, "/x/userrealm/a@b": true,
		"/v1.0/me": false, "/v1.0/oauth2/v2.0/token": false, "/beta/.well-known/openid-configuration": false, "/": false,
		"/subscriptions/x/providers/y": false, "/x/userrealm/a/b": false, "/signin/../x": false, "/x": false,
	} {
		if got := w.provider.Owns(path); got != want {
			t.Errorf("Owns(%q) is %v, want %v", path, got, want)
		}
	}
}
