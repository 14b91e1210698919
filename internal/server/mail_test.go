package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portcullis/internal/config"
	"portcullis/internal/notify/mailpittest"
	"portcullis/internal/sample"
	"portcullis/internal/server"
)

// withMail has a sample send by a mail server.
func withMail(t *testing.T, dir string, mail *mailpittest.Server) server.Options {
	t.Helper()
	files := t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": mail.CA, "password": []byte(mailpittest.Password + "\n")} {
		if err := os.WriteFile(filepath.Join(files, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := sampleOptions(dir)
	o.Settings.Mail = config.Mail{
		Host: mail.Host, Port: mail.Port, User: mailpittest.User, PasswordFile: filepath.Join(files, "password"),
		CAFile: filepath.Join(files, "ca.pem"), From: "PIM <pim@example.com>", Digest: "off",
	}
	return o
}

// A server that is given a mail server by its settings tells an activation that comes over the wire, and nothing of what
// the sample brought.
func TestAServerTellsPeople(t *testing.T) {
	mail := mailpittest.Start(t)
	dir := filepath.Join(t.TempDir(), "data")
	n := start(t, withMail(t, dir, mail))
	m, err := sample.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	nora := m.People["nora"]
	_, _, body := n.read(n.PostForm(n.URL()+"/"+m.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"password"}, "username": {nora.UserPrincipalName}, "password": {nora.Password},
		"client_id": {m.Client.ID}, "client_secret": {m.Client.Secret}, "scope": {n.URL() + "/.default"},
	}))
	ask := fmt.Sprintf(`{"action":"selfActivate","principalId":%q,"roleDefinitionId":"4a5d8f65-41da-4de4-8968-e035b65339cf","directoryScopeId":"/",
		"justification":"a report is due","scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H"}}}`, nora.ID)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		n.URL()+"/v1.0/roleManagement/directory/roleAssignmentScheduleRequests", strings.NewReader(ask))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+accessToken(t, body))
	r.Header.Set("Content-Type", "application/json")
	if status, _, body := n.read(n.Do(r)); status != http.StatusCreated {
		t.Fatalf("activate: got %d %s", status, body)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var own *mailpittest.Message
	for deadline := time.Now().Add(time.Minute); own == nil && time.Now().Before(deadline); <-tick.C {
		for _, m := range mail.Messages(t) {
			if strings.EqualFold(m.To, nora.UserPrincipalName) {
				own = &m
			}
			if !strings.Contains(m.Subject, "activated the role Reports Reader") {
				t.Errorf("a mail tells something else: %q to %s", m.Subject, m.To)
			}
		}
	}
	if own == nil {
		t.Fatal("nora is not told of her activation")
	}
	for _, part := range []string{"a report is due", n.URL() + "/requests/"} {
		if !strings.Contains(own.Text, part) || !strings.Contains(own.HTML, part) {
			t.Errorf("the mail does not say %q: %s", part, own.Text)
		}
	}
}

// Settings of mails that cannot be used keep the server from starting, and the reason names the file but no secret.
func TestMailSettingsThatCannotBeUsed(t *testing.T) {
	odd := filepath.Join(t.TempDir(), "odd")
	if err := os.WriteFile(odd, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, m := range map[string]config.Mail{
		"a password file that is not there": {Host: "localhost", From: "a@example.com", User: "u", PasswordFile: odd + "x"},
		"authorities that are not there":    {Host: "localhost", From: "a@example.com", CAFile: odd + "x"},
		"authorities that are none":         {Host: "localhost", From: "a@example.com", CAFile: odd},
	} {
		o := sampleOptions(filepath.Join(t.TempDir(), "data"))
		o.Settings.Mail = m
		s, err := server.Open(t.Context(), o)
		if err == nil {
			t.Errorf("%s: it starts", what)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if !strings.Contains(err.Error(), "mail") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
