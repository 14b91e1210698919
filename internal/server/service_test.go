package server_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api/arm"
	"portcullis/internal/api/authzen"
	"portcullis/internal/api/scim"
	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/config"
	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/sample"
	"portcullis/internal/server"
	"portcullis/internal/store"
)

// askingDoor is a door at a server, and the store as its operator opens it beside the server.
type askingDoor struct {
	*payroll
	operator *app.App
	client   string
}

func openAskingDoor(t *testing.T, o server.Options) *askingDoor {
	t.Helper()
	d := &askingDoor{payroll: &payroll{node: start(t, o)}}
	var err error
	if d.manifest, err = sample.ReadManifest(o.Settings.Data); err != nil {
		t.Fatal(err)
	}
	if d.operator, err = server.OpenStore(t.Context(), o.Settings, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.operator.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// signIn gets a token by a secret, for a scope; empty: it is refused.
func (d *askingDoor) signIn(secret, scope string) string {
	d.t.Helper()
	status, _, body := d.read(d.PostForm(d.URL()+"/"+d.manifest.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {d.client}, "client_secret": {secret}, "scope": {scope},
	}))
	if status == http.StatusUnauthorized && strings.Contains(body, "invalid_client") {
		return ""
	}
	return accessToken(d.t, body)
}

// call makes a call with a token.
func (d *askingDoor) call(token, method, path, body string) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.URL()+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	status, _, answer := d.read(d.Do(r))
	return status, answer
}

// may asks whether alice holds the role.
func (d *askingDoor) may(token string) (int, bool) {
	d.t.Helper()
	status, body := d.call(token, http.MethodPost, "/access/v1/evaluation", `{"subject":{"type":"user","id":"`+
		d.manifest.People["alice"].UserPrincipalName+`"},"action":{"name":"`+helpdesk+`"},"resource":{"type":"directory","id":"/"}}`)
	var got struct{ Decision bool }
	if err := json.Unmarshal([]byte(body), &got); status == http.StatusOK && err != nil {
		d.t.Fatalf("%v: %s", err, body)
	}
	return status, got.Decision
}

func (d *askingDoor) says(when, token string, want bool) {
	d.t.Helper()
	if status, got := d.may(token); status != http.StatusOK || got != want {
		d.t.Errorf("%s: got %d %v, want %v", when, status, got, want)
	}
}

// TestADoorIsAnApplication: what the operator makes at the store of a server that runs asks, does so by the secrets that it has, and
// is refused when it is removed.
func TestADoorIsAnApplication(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"SQLite": func(*testing.T) string { return "" },
		"PostgreSQL": func(t *testing.T) string {
			pg := localpgtest.Private(t, localpg.Options{})
			if err := pg.CreateDatabase(t.Context(), "portcullis"); err != nil {
				t.Fatal(err)
			}
			return pg.URL("portcullis")
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := sampleOptions(filepath.Join(t.TempDir(), "data"))
			o.Settings.Database = database(t)
			d := openAskingDoor(t, o)
			doors, everywhere := server.Doors(), d.URL()+"/.default"
			made, err := doors.Add(t.Context(), d.operator, d.manifest.TenantID, "Payroll page")
			if err != nil {
				t.Fatal(err)
			}
			d.client = made.Object.App.ClientID
			token := d.signIn(made.Secret, everywhere)
			d.says("at first", token, false)
			d.activate()
			d.says("after the activation", token, true)

			renew := func(only bool) string {
				t.Helper()
				s, err := doors.Renew(t.Context(), d.operator, d.manifest.TenantID, "payroll PAGE", only)
				if err != nil {
					t.Fatal(err)
				}
				return s.Secret
			}
			second := renew(false)
			d.says("by the secret before the newest", d.signIn(made.Secret, everywhere), true)
			d.says("by the second secret", d.signIn(second, everywhere), true)
			third := renew(true)
			if d.signIn(made.Secret, everywhere) != "" || d.signIn(second, everywhere) != "" {
				t.Error("an old secret works beside the only one")
			}
			d.says("by the only secret", d.signIn(third, everywhere), true)
			d.says("by a token of before", token, true)

			if err := doors.Remove(t.Context(), d.operator, d.manifest.TenantID, string(made.Object.ID)); err != nil {
				t.Fatal(err)
			}
			if d.signIn(third, everywhere) != "" {
				t.Error("a door that was removed signs in")
			}
			d.refused(token)
			d.audited(made.Object.ID)
		})
	}
}

// heardWithin is within what time a server has to have heard of what the operator did beside it.
const heardWithin = 5 * time.Second

// refused waits until the server has heard that the door is removed.
func (d *askingDoor) refused(token string) {
	d.t.Helper()
	began := time.Now()
	for status := 0; status != http.StatusUnauthorized; status, _ = d.may(token) {
		if time.Since(began) > heardWithin {
			d.t.Fatalf("%s after the door was removed the server answers it with %d", heardWithin, status)
		}
		time.Sleep(time.Millisecond) // polls a server, up to a deadline
	}
	d.t.Logf("refused %s after it was removed", time.Since(began).Round(time.Millisecond))
}

// audited wants all that the operator did with the door in the audit log.
func (d *askingDoor) audited(door pim.PrincipalID) {
	d.t.Helper()
	page, err := d.Store.Events(d.t.Context(), store.Query{Tenant: pim.TenantID(d.manifest.TenantID), Limit: 1000})
	if err != nil {
		d.t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range page.Rows {
		if e.Principal.ID == door && e.By.Name == "Operator" && e.Success {
			got[strings.Join(e.Details[:min(2, len(e.Details))], " ")]++
		}
	}
	want := map[string]int{"application created": 1, "application changed": 2, "application deleted": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		d.t.Errorf("in the audit log (-want +got):\n%s", diff)
	}
}

// TestADoorAsksAndDoesNothingElse: whatever a door asks a token for, it is for asking alone, and every operation of every dialect
// refuses it.
func TestADoorAsksAndDoesNothingElse(t *testing.T) {
	o := sampleOptions(filepath.Join(t.TempDir(), "data"))
	o.Settings.Limits = config.Limits{Calls: config.Rates{Caller: -1, Tenant: -1}, Failures: -1}
	d := openAskingDoor(t, o)
	made, err := server.Doors().Add(t.Context(), d.operator, "", "Payroll page")
	if err != nil {
		t.Fatal(err)
	}
	d.client = made.Object.App.ClientID
	var token string
	for _, resource := range []string{auth.GraphAudience, auth.ManagementAudience, auth.PIMAudience, auth.DoorAudience, d.URL()} {
		token = d.signIn(made.Secret, resource+"/.default")
		d.says("for "+resource, token, false)
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil || !strings.Contains(string(claims), `"aud":"`+auth.DoorAudience+`"`) || !strings.Contains(string(claims), `"roles":["`+authzen.Permission+`"]`) {
			t.Errorf("asked for %s: got %s, %v", resource, claims, err)
		}
	}
	asSource, err := scim.NewToken(made.Object.Tenant, d.client, made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := d.call(asSource, http.MethodGet, "/scim/v2/Users", ""); status != http.StatusForbidden {
		t.Errorf("a door's secret as the token of a directory source: got %d with %.200s", status, body)
	}
	walked, named := 0, regexp.MustCompile(`\{[\w.]+\}`)
	for _, s := range d.Surfaces() {
		for _, r := range s.Routes() {
			if _, asks := s.(*authzen.Surface); asks || r.Access.Open {
				continue
			}
			path := named.ReplaceAllString(r.Pattern, d.manifest.People["alice"].ID)
			if _, resources := s.(*arm.Surface); resources {
				path += "?api-version=2020-10-01"
			}
			walked++
			if status, body := d.call(token, r.Method, path, "{}"); status != http.StatusUnauthorized && status != http.StatusForbidden {
				t.Errorf("%s %s: got %d with %.200s", r.Method, r.Pattern, status, body)
			}
		}
	}
	t.Logf("%d operations refuse it", walked)
}
