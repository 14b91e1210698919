package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"portcullis/internal/app"
	"portcullis/internal/config"
	"portcullis/internal/sample"
)

// TestOlderDialectsAreSwitchedAndCounted: each says on every answer that it is on its way out, is served as far as the settings say,
// and whoever calls it, also in vain, is shown to those who may read the audit log, after a new start too.
func TestOlderDialectsAreSwitchedAndCounted(t *testing.T) {
	o := sampleOptions(filepath.Join(t.TempDir(), "data"))
	o.Settings.Dialects = config.Dialects{V1: config.Off, V2: config.Providers{AADGroups: config.ReadOnly}}
	n := start(t, o)
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{http.MethodGet, "/beta/privilegedAccess/aadRoles/resources", "", http.StatusOK, ""},
		{http.MethodGet, "/beta/privilegedAccess/aadGroups/resources", "", http.StatusOK, ""},
		{http.MethodPost, "/beta/privilegedAccess/aadGroups/roleAssignmentRequests", "{}", http.StatusGone, "Gone"},
		{http.MethodPost, "/api/v2/privilegedAccess/aadGroups/roleAssignmentRequests", "{}", http.StatusGone, "Gone"},
		{http.MethodGet, "/beta/privilegedRoles", "", http.StatusBadRequest, "TenantEnabledInAadRoleMigration"},
		{http.MethodGet, "/beta/privilegedRoles", "", http.StatusBadRequest, "TenantEnabledInAadRoleMigration"},
	} {
		status, header, text := n.ask(c.method, c.path, n.someone("aud"), c.body)
		if status != c.status || !strings.Contains(text, c.code) {
			t.Errorf("%s %s: got %d %s, want %d with %q", c.method, c.path, status, text, c.status, c.code)
		}
		sunset, deprecated := "Wed, 28 Oct 2026 00:00:00 GMT", "@1761523200"
		if strings.Contains(c.path, "privilegedRoles") {
			sunset, deprecated = "Mon, 31 May 2021 00:00:00 GMT", "@1622419200"
		}
		if header.Get("Sunset") != sunset || header.Get("Deprecation") != deprecated || !strings.Contains(header.Get("Link"), `rel="successor-version"`) {
			t.Errorf("%s %s: got Sunset %q, Deprecation %q and Link %q, want %q and %q", c.method, c.path,
				header.Get("Sunset"), header.Get("Deprecation"), header.Get("Link"), sunset, deprecated)
		}
	}
	want := map[string]int64{
		"v1 off " + app.CommandLineClientID + " GET /beta/privilegedRoles":                                                     2,
		"v2/aadGroups readOnly " + app.CommandLineClientID + " GET /beta/privilegedAccess/aadGroups/resources":                 1,
		"v2/aadGroups readOnly " + app.CommandLineClientID + " POST /beta/privilegedAccess/aadGroups/roleAssignmentRequests":   1,
		"v2/aadGroups readOnly " + app.CommandLineClientID + " POST /api/v2/privilegedAccess/aadGroups/roleAssignmentRequests": 1,
		"v2/aadRoles on " + app.CommandLineClientID + " GET /beta/privilegedAccess/aadRoles/resources":                         1,
		"v2/azureResources on  ": 0,
	}
	n.counts(want)
	if status, _, text := n.ask(http.MethodGet, "/portcullis/v1/dialects", n.someone("alice"), ""); status != http.StatusForbidden {
		t.Errorf("dialects as alice: got %d %s, want 403", status, text)
	}
	// What was counted since it was last written is written at the end.
	if status, _, text := n.ask(http.MethodGet, "/beta/privilegedRoles", n.someone("alice"), ""); status != http.StatusBadRequest {
		t.Errorf("got %d %s", status, text)
	}
	n.end()
	again := start(t, o)
	want["v1 off "+app.CommandLineClientID+" GET /beta/privilegedRoles"]++
	again.counts(want)
}

// TestATokenForPIMsHostOpensNothingElse: one that is made out to the host of PIM's second iteration alone is for that dialect, in
// the form of that host.
func TestATokenForPIMsHostOpensNothingElse(t *testing.T) {
	n := start(t, sampleOptions(filepath.Join(t.TempDir(), "data")))
	token := n.someone("aud", "01fc33a7-78ba-4d2f-a4b7-768e336e890e/.default")
	for path, want := range map[string]int{
		"/api/v2/privilegedAccess/aadRoles/resources": http.StatusOK,
		"/beta/privilegedAccess/aadRoles/resources":   http.StatusUnauthorized,
		"/v1.0/me":                              http.StatusUnauthorized,
		"/subscriptions?api-version=2022-12-01": http.StatusUnauthorized,
		"/portcullis/v1/dialects":               http.StatusForbidden,
		"/beta/privilegedRoles":                 http.StatusUnauthorized,
	} {
		if status, _, text := n.ask(http.MethodGet, path, token, ""); status != want {
			t.Errorf("%s: got %d %s, want %d", path, status, text, want)
		}
	}
}

// counts are the counted calls as the server shows them.
func (n *node) counts(want map[string]int64) {
	n.t.Helper()
	status, _, text := n.ask(http.MethodGet, "/portcullis/v1/dialects", n.someone("aud"), "")
	var list struct {
		Value []struct {
			Dialect, Mode, ApplicationID, ApplicationName, Route string
			Count                                                int64
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || status != http.StatusOK {
		n.t.Fatalf("dialects: %d %s", status, text)
	}
	if len(list.Value) != len(want) {
		n.t.Errorf("got %d rows in %s, want %d", len(list.Value), text, len(want))
	}
	for _, row := range list.Value {
		key := row.Dialect + " " + row.Mode + " " + row.ApplicationID + " " + row.Route
		if count, ok := want[key]; !ok || count != row.Count {
			n.t.Errorf("got %d calls of %s, want %d", row.Count, key, count)
		}
		if row.Count > 0 && row.ApplicationName == "" {
			n.t.Errorf("%s has no name", key)
		}
	}
}

// someone is a token of one of the sample's people, for this server unless another scope is given.
func (n *node) someone(key string, scope ...string) string {
	n.t.Helper()
	m, err := sample.ReadManifest(filepath.Dir(n.CAFile()))
	if err != nil {
		n.t.Fatal(err)
	}
	p := m.People[key]
	form := url.Values{
		"grant_type": {"password"}, "username": {p.UserPrincipalName}, "password": {p.Password}, "totp": {"123456"},
		"client_id": {app.CommandLineClientID}, "scope": append(scope, n.URL()+"/.default")[:1],
	}
	_, _, body := n.read(n.PostForm(n.URL()+"/"+m.TenantID+"/oauth2/v2.0/token", form))
	return accessToken(n.t, body)
}

// ask makes a call with a token.
func (n *node) ask(method, path, token, body string) (int, http.Header, string) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), method, n.URL()+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	return n.read(n.Do(r))
}
