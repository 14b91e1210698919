package idp_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

func ids(list ...pim.PrincipalID) []pim.PrincipalID { return list }

// TestManyGroupsAreToldElsewhere: two hundred stand in the token, of more it says where to ask, and both are as they are
// at the moment that the token is issued.
func TestManyGroupsAreToldElsewhere(t *testing.T) {
	var groups []pim.PrincipalID
	w := newWorld(t, func(o *idp.Options) {
		o.Standing = func(pim.TenantID, pim.PrincipalID) idp.Standing { return idp.Standing{Groups: groups} }
	})
	_, config := w.oauth()
	token := w.tokens(w.browser(), "bob@contoso.example")
	for _, n := range []int{0, 1, 200, 201, 3} {
		groups = nil
		var want any
		for i := range n {
			groups = append(groups, pim.PrincipalID(fmt.Sprintf("group-%d", i)))
		}
		if n > 0 && n <= 200 {
			list := make([]any, n)
			for i, g := range groups {
				list[i] = string(g)
			}
			want = list
		}
		var err error
		if token, err = config.TokenSource(w.context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err != nil {
			t.Fatal(err)
		}
		id, _ := token.Extra("id_token").(string)
		for _, raw := range []string{token.AccessToken, id} {
			got := claims(t, raw)
			if diff := cmp.Diff(want, got["groups"]); diff != "" {
				t.Errorf("%d groups (-want +got):\n%s", n, diff)
			}
			var names, sources any
			if n > 200 {
				names = map[string]any{"groups": "src1"}
				sources = map[string]any{"src1": map[string]any{"endpoint": w.url + "/v1.0/users/" + string(bob) + "/getMemberObjects"}}
			}
			if diff := cmp.Diff([]any{names, sources}, []any{got["_claim_names"], got["_claim_sources"]}); diff != "" {
				t.Errorf("%d groups: where they are told (-want +got):\n%s", n, diff)
			}
		}
	}
}

func TestUserInfo(t *testing.T) {
	w := newWorld(t)
	token := w.tokens(w.browser(), "alice@contoso.example").AccessToken
	_, answer := w.post("/"+string(contoso)+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {appSecret},
	})
	application, _ := answer["access_token"].(string)
	ask := func(method, path, header string) (int, string, map[string]any) {
		r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		resp, err := w.server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), w.json(resp)
	}
	for _, path := range []string{"/oidc/userinfo", "/" + string(contoso) + "/openid/userinfo", "/common/openid/userinfo"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			status, _, got := ask(method, path, "Bearer "+token)
			want := map[string]any{
				"sub": string(alice), "name": "Alice", "email": "alice@contoso.example", "preferred_username": "alice@contoso.example",
			}
			if diff := cmp.Diff(want, got); status != http.StatusOK || diff != "" {
				t.Errorf("%s %s: got %d (-want +got):\n%s", method, path, status, diff)
			}
		}
	}
	refused := func(what, header, code string) {
		t.Helper()
		status, challenge, got := ask(http.MethodGet, "/oidc/userinfo", header)
		if status != http.StatusUnauthorized || got["error"] != code || challenge == "" || got["sub"] != nil {
			t.Errorf("%s: got %d %q %v, want 401 %s", what, status, challenge, got, code)
		}
	}
	refused("no token", "", "invalid_request")
	refused("another scheme", "Basic "+base64.StdEncoding.EncodeToString([]byte("a:b")), "invalid_request")
	refused("altered", "Bearer "+token[:len(token)-8]+"AAAAAAAA", "invalid_token")
	refused("an application's", "Bearer "+application, "invalid_token")
	if status, _, _ := ask(http.MethodGet, "/oidc/userinfo?access_token="+token, ""); status != http.StatusUnauthorized {
		t.Errorf("a token in the address: got %d, want 401", status)
	}
	w.disable(alice)
	refused("a disabled person's", "Bearer "+token, "invalid_token")
	w.pass(w.provider.AccessLifetime * 2)
	refused("expired", "Bearer "+token, "invalid_token")
}

// disable takes away the right to sign in.
func (w *world) disable(id pim.PrincipalID) {
	w.t.Helper()
	list, err := w.store.ObjectsByID(w.t.Context(), contoso, ids(id))
	if err != nil || len(list) != 1 {
		w.t.Fatalf("got %d objects and %v, want one", len(list), err)
	}
	o := list[0].Clone()
	o.Enabled = false
	w.commit(store.Commit{Objects: []directory.Object{o}})
}

// remove puts an object into the bin.
func (w *world) remove(id pim.PrincipalID) {
	w.t.Helper()
	list, err := w.store.ObjectsByID(w.t.Context(), contoso, ids(id))
	if err != nil || len(list) != 1 {
		w.t.Fatalf("got %d objects and %v, want one", len(list), err)
	}
	o := list[0].Clone()
	o.Deleted = w.now().UTC()
	w.commit(store.Commit{Objects: []directory.Object{o}})
}

func TestWhoIsGoneGetsNoTokens(t *testing.T) {
	for _, c := range []struct {
		name string
		id   pim.PrincipalID
		gone func(*world, pim.PrincipalID)
		// code is the answer to the person's refresh token.
		code string
	}{
		{"person disabled", bob, (*world).disable, "invalid_grant"},
		{"person deleted", bob, (*world).remove, "invalid_grant"},
		{"application disabled", appObject, (*world).disable, "invalid_client"},
		{"application deleted", appObject, (*world).remove, "invalid_client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(o *idp.Options) { o.Sample = true })
			_, config := w.oauth()
			had := w.tokens(w.browser(), "bob@contoso.example")
			c.gone(w, c.id)
			wantOAuthError(t, "refresh", had.RefreshToken, func(refresh string) (*oauth2.Token, error) {
				return config.TokenSource(w.context(), &oauth2.Token{RefreshToken: refresh}).Token()
			}, c.code)
			secret := url.Values{"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {appSecret}}
			_, got := w.post("/"+string(contoso)+"/oauth2/v2.0/token", secret)
			if issued := got["access_token"] != nil; issued != (c.id == bob) {
				t.Errorf("the application's own token: issued %t, want %t", issued, c.id == bob)
			}
			_, got = w.post("/"+string(contoso)+"/oauth2/v2.0/token", url.Values{
				"grant_type": {"password"}, "client_id": {app}, "username": {"bob@contoso.example"}, "password": {password},
			})
			if got["access_token"] != nil {
				t.Error("a person's token was issued")
			}
		})
	}
}

func TestRevocation(t *testing.T) {
	w := newWorld(t)
	_, config := w.oauth()
	had := w.tokens(w.browser(), "bob@contoso.example")
	revoke := func(id, token string) int {
		resp, err := w.server.Client().PostForm(w.url+"/"+string(contoso)+"/oauth2/v2.0/revoke", url.Values{"client_id": {id}, "token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	renew := func(refresh string) (*oauth2.Token, error) {
		return config.TokenSource(w.context(), &oauth2.Token{RefreshToken: refresh}).Token()
	}
	for _, c := range []struct {
		what, id, token string
		status          int
	}{
		{"an unknown token", app, "a.b", http.StatusOK},
		{"an access token", app, had.AccessToken, http.StatusOK},
		{"the wrong half", app, had.RefreshToken + "x", http.StatusBadRequest},
		{"an application that must prove itself", web, had.RefreshToken, http.StatusUnauthorized},
	} {
		if got := revoke(c.id, c.token); got != c.status {
			t.Errorf("%s: got %d, want %d", c.what, got, c.status)
		}
	}
	after, err := renew(had.RefreshToken)
	if err != nil {
		t.Fatalf("after what revoked nothing: %v", err)
	}
	if got := revoke(app, after.RefreshToken); got != http.StatusOK {
		t.Errorf("revoking: got %d, want 200", got)
	}
	wantOAuthError(t, "a revoked token", after.RefreshToken, renew, "invalid_grant")
}
