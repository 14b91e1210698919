package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"portcullis/internal/sample"
)

// TestAnEndNeedsNoWorker is promise P3 from outside: with the worker stopped, every answer says that a grant is over from
// the instant of its end.
func TestAnEndNeedsNoWorker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	o := sampleOptions(dir)
	o.Settings.NoWorker = true
	n := start(t, o)
	m, err := sample.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	nora := m.People["nora"]
	_, _, body := n.read(n.PostForm(n.URL()+"/"+m.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"password"}, "username": {nora.UserPrincipalName}, "password": {nora.Password},
		"client_id": {m.Client.ID}, "client_secret": {m.Client.Secret}, "scope": {n.URL() + "/.default"},
	}))
	token := accessToken(t, body)

	const reportsReader = "4a5d8f65-41da-4de4-8968-e035b65339cf"
	ask := fmt.Sprintf(`{"action":"selfActivate","principalId":%q,"roleDefinitionId":%q,"directoryScopeId":"/",
		"scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H"}}}`, nora.ID, reportsReader)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		n.URL()+"/v1.0/roleManagement/directory/roleAssignmentScheduleRequests", strings.NewReader(ask))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	if status, _, body := n.read(n.Do(r)); status != http.StatusCreated {
		t.Fatalf("activate: got %d %s", status, body)
	}

	instances := "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')?$filter=" +
		url.QueryEscape("roleDefinitionId eq '"+reportsReader+"'")
	shows := func(offset string, want bool) {
		t.Helper()
		if status, _, body := n.read(n.Post(n.URL()+"/sample/clock", "application/json", strings.NewReader(`{"offset":"`+offset+`"}`))); status != http.StatusOK {
			t.Fatalf("clock: got %d %s", status, body)
		}
		_, body := n.as(token, "/portcullis/v1/check?role="+reportsReader)
		var check struct{ Held bool }
		if err := json.Unmarshal([]byte(body), &check); err != nil || check.Held != want {
			t.Errorf("%s on, the check says %s", offset, body)
		}
		_, body = n.as(token, instances)
		var list struct{ Value []any }
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Value) == 1 != want {
			t.Errorf("%s on, the list says %s", offset, body)
		}
	}
	shows("PT0S", true)
	shows("PT59M", true)
	shows("PT61M", false)
	shows("P400D", false)
}
