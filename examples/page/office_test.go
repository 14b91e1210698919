package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/config"
	"portcullis/internal/sample"
	"portcullis/internal/server"
)

// reportsReader is the role that the examples ask about. Nora is eligible for it, and activates it without a reason.
const reportsReader = "4a5d8f65-41da-4de4-8968-e035b65339cf"

// office is a real server with the sample organisation, and the page behind its door.
type office struct {
	*testing.T
	sample.Manifest
	client *http.Client // of the server
	page   *httptest.Server
	stop   func() // the server, at the latest at the end of the test
}

// openOffice starts both, and stops them at the end of the test.
func openOffice(t *testing.T) *office {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := server.Open(t.Context(), server.Options{
		Settings: config.Settings{Data: dir, Listen: []string{"127.0.0.1:0"}}, Sample: &server.Sample{Seed: 1},
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Notices: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	o := &office{T: t}
	o.stop = sync.OnceFunc(func() {
		if o.client != nil {
			o.client.CloseIdleConnections()
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(o.stop)
	if o.Manifest, err = sample.ReadManifest(dir); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(o.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	o.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	door, err := open(settings{pim: o.URL, ca: o.CAFile, tenant: o.TenantID, client: o.Client.ID, role: "Reports Reader"}, o.Client.Secret)
	if err != nil {
		t.Fatal(err)
	}
	o.page = httptest.NewServer(door.Handler(page()))
	t.Cleanup(func() {
		door.Close()
		o.page.Close()
	})
	return o
}

// read reads an answer whole.
func (o *office) read(r *http.Response, err error) (int, string) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		o.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// token signs somebody in, or the application for nobody.
func (o *office) token(who string) string {
	o.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if who != "" {
		person := o.People[who]
		form = url.Values{"grant_type": {"password"}, "username": {person.UserPrincipalName}, "password": {person.Password}, "totp": {"123456"}}
	}
	form.Set("client_id", o.Client.ID)
	form.Set("client_secret", o.Client.Secret)
	form.Set("scope", o.URL+"/.default")
	status, body := o.read(o.client.PostForm(o.URL+"/"+o.TenantID+"/oauth2/v2.0/token", form))
	var in struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &in); err != nil || status != http.StatusOK {
		o.Fatalf("token: %d %s", status, body)
	}
	return in.Token
}

// asks makes a request of PIM as somebody, about nora and the role.
func (o *office) asks(who, set, action string) {
	o.Helper()
	body := `{"action":"` + action + `","principalId":"` + o.People["nora"].ID + `","roleDefinitionId":"` + reportsReader + `","directoryScopeId":"/",
		"justification":"for the story","scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H"}}}`
	r, err := http.NewRequestWithContext(o.Context(), http.MethodPost, o.URL+"/v1.0/roleManagement/directory/"+set, strings.NewReader(body))
	if err != nil {
		o.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+o.token(who))
	r.Header.Set("Content-Type", "application/json")
	if status, body := o.read(o.client.Do(r)); status != http.StatusCreated {
		o.Fatalf("%s: got %d %s", action, status, body)
	}
}

func (o *office) activates() {
	o.Helper()
	o.asks("nora", "roleAssignmentScheduleRequests", "selfActivate")
}

// passes moves PIM's time to after an offset from the real one.
func (o *office) passes(offset string) {
	o.Helper()
	status, body := o.read(o.client.Post(o.URL+"/sample/clock", "application/json", strings.NewReader(`{"offset":"`+offset+`"}`)))
	if status != http.StatusOK {
		o.Fatalf("clock: got %d %s", status, body)
	}
}

// within is how long a test waits for what happens at once.
const within = 30 * time.Second

// becomes waits for a page to answer with a status.
func (o *office) becomes(when string, want int, ask func() (int, string)) string {
	o.Helper()
	deadline := time.After(within)
	for {
		status, body := ask()
		if status == want {
			return body
		}
		select {
		case <-deadline:
			o.Fatalf("%s: got %d %s, want %d", when, status, body, want)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// held is an answer that goes on.
type held struct {
	*office
	lines chan string
	ended chan error
}

// holds opens an answer that goes on, and follows it.
func (o *office) holds(r *http.Request) *held {
	o.Helper()
	answer, err := http.DefaultClient.Do(r) //nolint:bodyclose // by whoever follows it
	if err != nil {
		o.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		o.Fatalf("%s: got %s", r.URL, answer.Status)
	}
	h := &held{o, make(chan string, 1000), make(chan error, 1)}
	go func() {
		defer answer.Body.Close()
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			h.lines <- lines.Text()
		}
		h.ended <- lines.Err()
	}()
	h.says()
	return h
}

// says waits for the next line.
func (h *held) says() {
	h.Helper()
	select {
	case <-h.lines:
	case err := <-h.ended:
		h.Fatalf("the held connection ended: %v", err)
	case <-time.After(within):
		h.Fatal("the held connection says nothing")
	}
}

// isCut waits for the connection to be broken, and tells how long that took.
func (h *held) isCut() {
	h.Helper()
	began := time.Now()
	select {
	case err := <-h.ended:
		if err == nil {
			h.Error("the held connection was ended as if all were said")
		}
		h.Logf("cut within %s", time.Since(began).Round(time.Millisecond))
	case <-time.After(within):
		h.Fatal("the held connection goes on")
	}
}

// request is one to a page.
func (o *office) request(address string) *http.Request {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), http.MethodGet, address, nil)
	if err != nil {
		o.Fatal(err)
	}
	return r
}

// freeAddress is a free address of this machine.
func (o *office) freeAddress() string {
	o.Helper()
	l, err := new(net.ListenConfig).Listen(o.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		o.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
