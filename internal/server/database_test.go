package server_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"portcullis/internal/localpg"
	"portcullis/internal/sample"
)

// TestADatabaseThatGoesAway takes the database away from a running server, and gives it back.
func TestADatabaseThatGoesAway(t *testing.T) {
	pg, err := localpg.Start(t.Context(), localpg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := pg.CreateDatabase(t.Context(), "portcullis"); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	o := sampleOptions(dir)
	o.Settings.Database = pg.URL("portcullis")
	n := start(t, o)
	m, err := sample.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, _, body := n.read(n.PostForm(n.URL()+"/"+m.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {m.Client.ID}, "client_secret": {m.Client.Secret}, "scope": {n.URL() + "/.default"},
	}))
	token := accessToken(t, body)
	path := "/v1.0/users/" + m.People["alice"].ID
	if status, body := n.as(token, path); status != http.StatusOK {
		t.Fatalf("before: got %d %s", status, body)
	}

	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{path, "/readyz"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL()+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		status, header, body := n.read(n.Do(r))
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
			t.Errorf("%s without the database: got %d %s, Retry-After %q", address, status, body, header.Get("Retry-After"))
		}
	}
	if status, _, _ := n.get("/livez"); status != http.StatusOK {
		t.Errorf("livez without the database: got %d", status)
	}

	if err := pg.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		status, body := n.as(token, path)
		if status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("with the database again: got %d %s", status, body)
		}
	}
}
