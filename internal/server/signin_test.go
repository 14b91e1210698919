package server_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"portcullis/internal/app"
	"portcullis/internal/sample"
	"portcullis/internal/server"
)

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"`)

// submit fills in the form of a page as a person does, and returns the next page or where the browser is sent.
func (n *node) submit(page, at string, fields map[string]string) (next, body, location string) {
	n.t.Helper()
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	for k, v := range fields {
		form.Set(k, v)
	}
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", n.URL())
	answer, err := n.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer.Request.URL.String(), string(text), answer.Header.Get("Location")
}

func TestTheFirstAdministratorSignsIn(t *testing.T) {
	theFirstAdministratorSignsIn(t, start(t, server.Options{Settings: settings(filepath.Join(t.TempDir(), "data"))}))
}

// theFirstAdministratorSignsIn by what the first start told, sets a password, and looks around. It returns the token.
func theFirstAdministratorSignsIn(t *testing.T, n *node) string {
	t.Helper()
	notice := n.notices.String()
	told := func(what string) string {
		m := regexp.MustCompile(what + `\s+(\S+)`).FindStringSubmatch(notice)
		if m == nil {
			t.Fatalf("the notice tells no %s:\n%s", what, notice)
		}
		return m[1]
	}
	// The browser stops at the client's own address.
	const back = "http://127.0.0.1:9/back"
	n.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), back) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	tenant := told("tenant ")
	at := n.URL() + "/" + tenant + "/oauth2/v2.0/authorize?" + url.Values{
		"client_id": {app.CommandLineClientID}, "redirect_uri": {back}, "response_type": {"code"}, "state": {"s"}, "nonce": {"n"},
		"scope":          {"openid " + n.URL() + "/.default"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
	r, err := n.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	next, body, _ := n.submit(string(page), r.Request.URL.String(), map[string]string{"username": told("account"), "password": told("password")})
	if !strings.Contains(body, "new_password") {
		t.Fatalf("the first sign-in does not ask for a new password: %s\n%s", next, body)
	}
	fresh := rand.Text()
	_, body, location := n.submit(body, next, map[string]string{"new_password": fresh, "new_password_again": fresh})
	sent, err := url.Parse(location)
	if err != nil || sent.Query().Get("code") == "" {
		t.Fatalf("sent to %q, %v:\n%s", location, err, body)
	}
	status, _, text := n.read(n.PostForm(n.URL()+"/"+tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {app.CommandLineClientID}, "code": {sent.Query().Get("code")},
		"redirect_uri": {back}, "code_verifier": {verifier},
	}))
	if status != http.StatusOK {
		t.Fatalf("token endpoint: %d %s", status, text)
	}
	token := accessToken(t, text)
	if status, text := n.as(token, "/v1.0/me"); status != http.StatusOK || !strings.Contains(text, told("account")) {
		t.Errorf("me: got %d %s", status, text)
	}
	// The first administrator may read everything, being Global Administrator.
	if status, text := n.as(token, "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances"); status != http.StatusOK || !strings.Contains(text, "62e90394-69f5-4237-9190-012177145e10") {
		t.Errorf("instances: got %d %s", status, text)
	}
	if status, text := n.password(tenant, told("account"), fresh); status == http.StatusOK {
		t.Errorf("a server without the sample took the password grant: %s", text)
	}
	return token
}

// as reads an address with a token.
func (n *node) as(token, path string) (int, string) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.URL()+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	status, _, body := n.read(n.Do(r))
	return status, body
}

// password asks for a token with the password grant.
func (n *node) password(tenant, account, password string) (int, string) {
	n.t.Helper()
	form := url.Values{
		"grant_type": {"password"}, "username": {account}, "password": {password}, "client_id": {app.CommandLineClientID},
		"scope": {n.URL() + "/.default"},
	}
	status, _, body := n.read(n.PostForm(n.URL()+"/"+tenant+"/oauth2/v2.0/token", form))
	return status, body
}

func TestProgramsUseTheSample(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n := start(t, sampleOptions(dir))
	m, err := sample.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.URL != n.URL() || m.CAFile != n.CAFile() || !strings.HasPrefix(m.Issuer, n.URL()+"/"+m.TenantID) {
		t.Errorf("the manifest leads elsewhere: %s %s %s", m.URL, m.CAFile, m.Issuer)
	}
	token := func(o sample.Manifest, form url.Values) string {
		t.Helper()
		form.Set("client_id", o.Client.ID)
		form.Set("client_secret", o.Client.Secret)
		if !form.Has("scope") {
			form.Set("scope", n.URL()+"/.default")
		}
		_, _, body := n.read(n.PostForm(n.URL()+"/"+o.TenantID+"/oauth2/v2.0/token", form))
		return accessToken(t, body)
	}
	client := token(m, url.Values{"grant_type": {"client_credentials"}})
	public := token(m, url.Values{"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}})
	for key, p := range m.People {
		form := url.Values{"grant_type": {"password"}, "username": {p.UserPrincipalName}, "password": {p.Password}, "totp": {"123456"}}
		if status, body := n.as(token(m, form), "/v1.0/me"); status != http.StatusOK || !strings.Contains(body, p.ID) {
			t.Errorf("%s: got %d %s", key, status, body)
		}
	}
	for _, path := range []string{
		"/v1.0/users/" + m.People["alice"].ID, "/v1.0/groups/" + m.Groups["operators"].ID,
		"/v1.0/directory/administrativeUnits/" + m.AdministrativeUnits["osaka"].ID, "/v1.0/servicePrincipals/" + m.Client.ObjectID,
		"/v1.0/users/" + m.People["alice"].ID + "/manager",
	} {
		for _, as := range []string{client, public} {
			if status, body := n.as(as, path); status != http.StatusOK {
				t.Errorf("%s: got %d %s", path, status, body)
			}
		}
	}
	// Promise P10: the neighbour's application sees nothing of this tenant.
	other := token(*m.Neighbour, url.Values{"grant_type": {"client_credentials"}})
	if status, body := n.as(other, "/v1.0/users/"+m.People["alice"].ID); status != http.StatusNotFound {
		t.Errorf("the neighbour sees alice: got %d %s", status, body)
	}
	for _, who := range []string{"alice", "bob"} {
		for _, list := range []string{"roleEligibilityScheduleInstances", "roleAssignmentScheduleInstances"} {
			path := "/v1.0/roleManagement/directory/" + list + "?$filter=" + url.QueryEscape("principalId eq '"+m.People[who].ID+"'")
			if status, body := n.as(client, path); status != http.StatusOK || !strings.Contains(body, `"value":[]`) {
				t.Errorf("%s of %s: got %d %s", list, who, status, body)
			}
		}
	}
}

// accessToken is the token of an answer of the token endpoint.
func accessToken(t *testing.T, answer string) string {
	t.Helper()
	var got struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Access == "" {
		t.Fatalf("no token: %s", answer)
	}
	return got.Access
}
