package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
)

// get asks for the page as somebody, straight.
func (o *office) get(who string) func() (int, string) {
	return func() (int, string) {
		o.Helper()
		r := o.request(o.page.URL + "/")
		if who != "" {
			r.Header.Set("Remote-User", o.People[who].UserPrincipalName)
		}
		return o.read(http.DefaultClient.Do(r))
	}
}

// live opens the stream as nora.
func (o *office) live() *held {
	o.Helper()
	r := o.request(o.page.URL + "/live")
	r.Header.Set("Remote-User", o.People["nora"].UserPrincipalName)
	return o.holds(r)
}

// The door opens on activation, holds as long as it lasts, and at its end is shut and has cut what was held.
func TestThePageOpensAndCloses(t *testing.T) {
	o := openOffice(t)
	o.becomes("nobody", http.StatusUnauthorized, o.get(""))
	o.becomes("while nora is eligible", http.StatusForbidden, o.get("nora"))
	o.activates()
	body := o.becomes("activated", http.StatusOK, o.get("nora"))
	if !strings.Contains(body, "until 2") {
		t.Errorf("the page does not tell until when it is open: %s", body)
	}
	if status, _ := o.get("alice")(); status != http.StatusForbidden {
		t.Errorf("alice, who holds nothing: got %d", status)
	}
	h := o.live()
	o.passes("PT59M")
	h.says()
	h.says()
	o.passes("PT1H")
	h.isCut()
	o.becomes("after the end", http.StatusForbidden, o.get("nora"))
	o.passes("PT0S")
}

// What an administrator takes is gone at once, long before its end.
func TestThePageClosesWhenTheGrantIsTaken(t *testing.T) {
	o := openOffice(t)
	o.activates()
	o.becomes("activated", http.StatusOK, o.get("nora"))
	h := o.live()
	o.asks("pat", "roleEligibilityScheduleRequests", "adminRemove")
	h.isCut()
	o.becomes("taken", http.StatusForbidden, o.get("nora"))
}

// What Envoy would ask by the configuration in ../envoy, with the method of the request that it asks about.
func TestWhatEnvoyAsks(t *testing.T) {
	text, err := os.ReadFile("../envoy/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := yaml.Parser().Unmarshal(text); err != nil {
		t.Fatalf("envoy.yaml: %v", err)
	}
	_, rest, _ := bytes.Cut(text, []byte("path_override: "))
	gate, _, _ := strings.Cut(string(rest), "\n")
	o := openOffice(t)
	asks := func(method string) func() (int, string) {
		return func() (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), method, o.URL+gate, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+o.token(""))
			r.Header.Set("Portcullis-Subject", o.People["nora"].ID)
			return o.read(o.client.Do(r))
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		o.becomes(method+" while nora is eligible", http.StatusForbidden, asks(method))
	}
	o.activates()
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		o.becomes(method+" when she is active", http.StatusOK, asks(method)) // Envoy takes no other status for a yes
	}
}

// The program serves until it is told to stop, also while somebody holds a stream.
func TestTheProgram(t *testing.T) {
	o := openOffice(t)
	o.activates()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(o.Client.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := settings{
		listen: o.freeAddress(), pim: o.URL, ca: o.CAFile, tenant: o.TenantID, client: o.Client.ID, secretFile: secret, role: reportsReader,
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, s) }()
	as := func(path string) *http.Request {
		r := o.request("http://" + s.listen + path)
		r.Header.Set("Remote-User", o.People["nora"].UserPrincipalName)
		return r
	}
	o.becomes("once it serves", http.StatusOK, func() (int, string) {
		answer, err := http.DefaultClient.Do(as("/"))
		if err != nil {
			return 0, err.Error()
		}
		return o.read(answer, nil)
	})
	h := o.holds(as("/live"))
	stop()
	h.isCut()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("got %v", err)
		}
	case <-time.After(within):
		t.Error("the program does not stop")
	}
	s.secretFile = filepath.Join(t.TempDir(), "none")
	if err := run(t.Context(), s); err == nil {
		t.Error("it runs without a secret")
	}
}
