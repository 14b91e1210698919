package idp_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portcullis/internal/idp"
)

func (w *world) appToken() string {
	w.t.Helper()
	_, m := w.post("/"+string(contoso)+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {appSecret},
	})
	access, ok := m["access_token"].(string)
	if !ok {
		w.t.Fatalf("no token: %v", m)
	}
	return access
}

func keyFiles(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "signing-*.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestKeysSurviveAndRotate(t *testing.T) {
	w := newWorld(t)
	first := w.appToken()
	files := keyFiles(t, w.options.Dir)
	if len(files) != 1 {
		t.Fatalf("%d key files, want 1", len(files))
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600 (%v)", info.Mode(), err)
	}
	w.restart()
	if _, err := w.verifier.Token(t.Context(), first); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	w.pass(30*24*time.Hour - 20*time.Minute)
	old := w.appToken()
	w.pass(30 * time.Minute)
	fresh := w.appToken()
	if head(old) == head(fresh) {
		t.Error("the key was not rotated")
	}
	for name, token := range map[string]string{"old": old, "new": fresh} {
		if _, err := w.verifier.Token(t.Context(), token); err != nil {
			t.Errorf("%s key: %v", name, err)
		}
	}
	if _, m := w.get("/common/discovery/v2.0/keys"); len(m["keys"].([]any)) != 2 {
		t.Errorf("after the rotation: %v, want both keys", m)
	}
	w.pass(3 * time.Hour)
	w.appToken()
	if got := keyFiles(t, w.options.Dir); len(got) != 1 || got[0] == files[0] {
		t.Errorf("key files are %v, want the new one alone", got)
	}
}

func head(token string) string { h, _, _ := strings.Cut(token, "."); return h }

// TestKeysOfAnotherNode: a node believes at once what another that shares its keys has signed with a new one.
func TestKeysOfAnotherNode(t *testing.T) {
	w := newWorld(t)
	here := w.verifier
	w.pass(31 * 24 * time.Hour)
	w.restart() // another node, which makes the new key
	if _, err := here.Token(t.Context(), w.appToken()); err != nil {
		t.Error(err)
	}
}

func TestBadKeysAreNamed(t *testing.T) {
	w := newWorld(t)
	file := keyFiles(t, w.options.Dir)[0]
	for name, c := range map[string]struct {
		spoil func() error
		want  string
	}{
		"readable": {func() error { return os.Chmod(file, 0o644) }, "can be read by others"},
		"garbage":  {func() error { return os.WriteFile(file, []byte("x"), 0o600) }, "no PEM block"},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := idp.New(w.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]idp.Options{
		"no address":   {Store: &memory{}, Dir: t.TempDir()},
		"plain HTTP":   {PublicURL: "http://pim.example", Store: &memory{}, Dir: t.TempDir()},
		"with a path":  {PublicURL: "https://pim.example/x", Store: &memory{}, Dir: t.TempDir()},
		"no store":     {PublicURL: "https://pim.example", Dir: t.TempDir()},
		"no key store": {PublicURL: "https://pim.example", Store: &memory{}},
	} {
		if _, err := idp.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
