package migrate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"portcullis/internal/client"
	"portcullis/internal/client/clienttest"
	"portcullis/internal/config"
	"portcullis/internal/idp"
	"portcullis/internal/sample"
	"portcullis/internal/server"
)

// house is a real server with one organisation.
type house struct {
	*server.Server
	sample.Organisation
	secrets sample.Secrets
	t       *testing.T
}

// newHouse serves an organisation: the sample's, which the seed gives its ids, as change leaves it.
func newHouse(t *testing.T, seed uint64, change func(*sample.Organisation)) *house {
	t.Helper()
	o := server.Options{
		Settings: config.Settings{Data: t.TempDir(), Listen: []string{"127.0.0.1:0"}}, Notices: t.Output(),
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	s, err := server.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Organisation: sample.Organise(sample.Options{Seed: seed, Created: s.App.Time()}), t: t}
	change(&h.Organisation)
	h.secrets = sample.NewSecrets(h.Organisation)
	err = sample.Load(t.Context(), s.App, h.Organisation, h.secrets, sample.Hashes{Password: idp.HashPassword, Secret: idp.HashSecret})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	// The start after it gives the tenant's command line its permissions.
	if h.Server, err = server.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return h
}

// as is the house called by somebody of its people, who has proved a second factor.
func (h *house) as(key string) *caller {
	h.t.Helper()
	var account string
	for _, x := range h.Objects {
		if x.ID == h.People[key] {
			account = x.User.PrincipalName
		}
	}
	person, err := clienttest.New(account, h.secrets.Passwords[key], h.secrets.TOTP[key], h.CAFile())
	if err != nil {
		h.t.Fatal(err)
	}
	answered := make(chan error, 1)
	c, err := client.NewCache(filepath.Join(h.t.TempDir(), "sessions")).SignedOut(client.Options{
		Server: h.URL(), Tenant: h.Tenant.Domain, CAFile: h.CAFile(), Now: time.Now,
		Sleep: func(ctx context.Context, _ time.Duration) error {
			select {
			case err := <-answered:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	tell := func(p client.Prompt) {
		go func() { answered <- person.Answer(h.t.Context(), p.Address, p.Code, true) }()
	}
	if err := c.SignIn(h.t.Context(), client.MFA(), tell); err != nil {
		h.t.Fatalf("%s signs in: %v", key, err)
	}
	pem, err := os.ReadFile(h.CAFile())
	if err != nil {
		h.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &caller{origin: h.URL(), token: c.Session().Access, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// caller is somebody who calls a house, as migrate.Server does.
type caller struct {
	origin, token string
	http          *http.Client
	// before sees a request before it goes out; an answer above zero is given in the server's place.
	before func(*http.Request) int
}

func (c *caller) Origin() string { return c.origin }

func (c *caller) Call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, c.Origin()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	if c.before != nil {
		if status := c.before(r); status > 0 {
			return &client.Error{Status: status}
		}
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		var e struct {
			Error struct{ Code, Message string }
		}
		_ = json.Unmarshal(text, &e) // else the status says it
		return &client.Error{Status: resp.StatusCode, Code: e.Error.Code, Message: e.Error.Message}
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, out)
}
