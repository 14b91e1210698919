package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portcullis/internal/pim"
	"portcullis/internal/sample"
)

// told is what a person's tokens say of them.
type told struct {
	Groups []string `json:"groups"`
	Roles  []string `json:"wids"`
}

// standing is a node with the sample whose people sign in.
type standing struct {
	*node
	manifest sample.Manifest
}

// signIn returns a person's access token and what it and the ID token say, which must be the same.
func (s *standing) signIn(who string) (string, told) {
	s.t.Helper()
	person := s.manifest.People[who]
	status, _, text := s.read(s.PostForm(s.URL()+"/"+s.manifest.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"password"}, "client_id": {s.manifest.Client.ID}, "username": {person.UserPrincipalName}, "password": {person.Password},
		"totp": {"123456"}, "scope": {"openid " + s.URL() + "/.default"},
	}))
	var answer struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		s.t.Fatalf("sign in: %d %s", status, text)
	}
	var says [2]told
	for i, token := range []string{answer.Access, answer.ID} {
		parts := strings.Split(token, ".")
		body, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
		if err == nil {
			err = json.Unmarshal(body, &says[i])
		}
		if err != nil {
			s.t.Fatalf("read a token: %v", err)
		}
	}
	if fmt.Sprint(says[0]) != fmt.Sprint(says[1]) {
		s.t.Errorf("the access token says %v, the ID token %v", says[0], says[1])
	}
	return answer.Access, says[0]
}

// ask makes a request of PIM for groups.
func (s *standing) ask(token, set, body string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL()+"/v1.0/identityGovernance/privilegedAccess/group/"+set, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	if status, _, text := s.read(s.Do(r)); status != http.StatusCreated {
		s.t.Fatalf("%s: got %d %s, want 201", set, status, text)
	}
}

func (s *standing) pass(offset string) {
	s.t.Helper()
	status, _, text := s.read(s.Post(s.URL()+"/sample/clock", "application/json", strings.NewReader(`{"offset":"`+offset+`"}`)))
	if status != http.StatusOK {
		s.t.Fatalf("clock: got %d %s", status, text)
	}
}

// TestTokensTellActivations: a member by PIM is one in tokens too, in the groups above, and in what these hold, from the
// activation to its end.
func TestTokensTellActivations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n := start(t, sampleOptions(dir))
	m, err := sample.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &standing{n, m}
	desk, operators := m.Groups["service-desk"].ID, m.Groups["operators"].ID
	wants := func(when string, is bool) string {
		t.Helper()
		token, says := s.signIn("mia")
		for _, c := range []struct {
			what string
			got  bool
		}{
			{"the group", slices.Contains(says.Groups, desk)},
			{"the group above", slices.Contains(says.Groups, operators)},
			{"the role of the group above", slices.Contains(says.Roles, string(pim.DirectoryReaders))},
		} {
			if c.got != is {
				t.Errorf("%s: %s is told: %t, want %t", when, c.what, c.got, is)
			}
		}
		if kestrel := m.Groups["project-kestrel"].ID; !slices.Contains(says.Groups, kestrel) {
			t.Errorf("%s: a plain membership is not told: %v", when, says.Groups)
		}
		return token
	}
	wants("before", false)
	pat, _ := s.signIn("pat")
	s.ask(pat, "eligibilityScheduleRequests", `{"action":"adminAssign","accessId":"member","groupId":"`+desk+`","principalId":"`+m.People["mia"].ID+`",
		"justification":"cover","scheduleInfo":{"expiration":{"type":"afterDuration","duration":"P30D"}}}`)
	mia := wants("while eligible", false)
	s.ask(mia, "assignmentScheduleRequests", `{"action":"selfActivate","accessId":"member","groupId":"`+desk+`","principalId":"`+m.People["mia"].ID+`",
		"justification":"on call","scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT2H"}}}`)
	wants("while active", true)
	s.pass("PT1H59M")
	wants("a minute before the end", true)
	s.pass("PT2H1M")
	wants("after the end", false)
}

// TestNoTokensTellAnotherTenant: the neighbour's people are in none of the sample's groups.
func TestNoTokensTellAnotherTenant(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n := start(t, sampleOptions(dir))
	m, err := sample.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &standing{n, *m.Neighbour}
	_, says := s.signIn("otto")
	if want := []string{m.Neighbour.Groups["crew"].ID}; !slices.Equal(says.Groups, want) {
		t.Errorf("got groups %v, want %v", says.Groups, want)
	}
}
