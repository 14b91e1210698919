//go:build unix

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// proxy is a real nginx, by the configuration in ../nginx, in front of the office's page.
type proxy struct {
	*office
	address string
	dir     string
	said    *said
	master  *os.Process
}

// said is what nginx writes.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// openProxy starts nginx in a folder of its own, and stops it at the end of the test.
func openProxy(t *testing.T) *proxy {
	t.Helper()
	program := findNginx(t)
	o := openOffice(t)
	p := &proxy{office: o, address: o.freeAddress(), said: &said{}}
	p.dir = t.TempDir()
	p.furnish()
	nginx := exec.Command(program, "-p", p.dir, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;")
	nginx.Stdout, nginx.Stderr = p.said, p.said
	nginx.SysProcAttr = unprivileged(t, p.dir)
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	p.master = nginx.Process
	ended := make(chan error, 1)
	go func() { ended <- nginx.Wait() }()
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("nginx: %v", err)
		}
		if t.Failed() {
			t.Logf("nginx said:\n%s", p.said)
		}
	})
	return p
}

func findNginx(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("nginx is not on this machine: `make test` as root on Debian installs it")
	return ""
}

// furnish makes what the configuration asks for, with the addresses of this test.
func (p *proxy) furnish() {
	p.Helper()
	text, err := os.ReadFile("../nginx/nginx.conf")
	if err != nil {
		p.Fatal(err)
	}
	server := strings.TrimPrefix(p.URL, "https://")
	conf := string(text)
	for _, c := range [][2]string{
		{"server 127.0.0.1:8443;", "server " + server + ";"}, {"Host localhost:8443", "Host " + server},
		{"server 127.0.0.1:8081;", "server " + strings.TrimPrefix(p.page.URL, "http://") + ";"}, {"listen 127.0.0.1:8080;", "listen " + p.address + ";"},
	} {
		if !strings.Contains(conf, c[0]) {
			p.Fatalf("nginx.conf does not say %q", c[0])
		}
		conf = strings.ReplaceAll(conf, c[0], c[1])
	}
	authority, err := os.ReadFile(p.CAFile)
	if err != nil {
		p.Fatal(err)
	}
	var users strings.Builder
	for _, who := range []string{"nora", "alice"} {
		users.WriteString(p.People[who].UserPrincipalName + ":{PLAIN}of-" + who + "\n")
	}
	if err := os.Mkdir(filepath.Join(p.dir, "html"), 0o700); err != nil {
		p.Fatal(err)
	}
	for name, text := range map[string]string{
		"nginx.conf": conf, "ca.pem": string(authority), "users": users.String(), "html/index.html": "The plain page.\n",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			p.Fatal(err)
		}
	}
	p.tokenIs(p.token(""))
}

// tokenIs writes the token that nginx asks with.
func (p *proxy) tokenIs(token string) {
	p.Helper()
	text := `proxy_set_header Authorization "Bearer ` + token + "\";\n"
	if err := os.WriteFile(filepath.Join(p.dir, "token.conf"), []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
}

// unprivileged has a program run as nobody where the test runs as root, and gives it the folder.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(nobody.Gid, 10, 32)
	if err := errors.Join(err, gidErr); err != nil {
		t.Fatal(err)
	}
	own := func(path string) error { return os.Chown(path, int(uid), int(gid)) }
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error { return errors.Join(err, own(path)) })
	if err := errors.Join(err, own(filepath.Dir(dir))); err != nil { // of the folders of this test alone
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// from is a request by way of nginx, with somebody's password.
func (p *proxy) from(who, path string) *http.Request {
	p.Helper()
	r := p.request("http://" + p.address + path)
	if who != "" {
		r.SetBasicAuth(p.People[who].UserPrincipalName, "of-"+who)
	}
	return r
}

func (p *proxy) get(who, path string) func() (int, string) {
	return func() (int, string) {
		p.Helper()
		r, err := http.DefaultClient.Do(p.from(who, path))
		if err != nil {
			return 0, err.Error() // nginx may not listen yet
		}
		return p.read(r, nil)
	}
}

// TestBehindNginx: the plain page opens on activation and is closed from its end on, by nginx alone; the watch closes the connection that
// was held.
func TestBehindNginx(t *testing.T) {
	p := openProxy(t)
	p.becomes("without a password", http.StatusUnauthorized, p.get("", "/"))
	p.becomes("while nora is eligible", http.StatusForbidden, p.get("nora", "/"))
	p.becomes("while nora is eligible, the stream", http.StatusForbidden, p.get("nora", "/live"))
	p.activates()
	if body := p.becomes("activated", http.StatusOK, p.get("nora", "/")); !strings.Contains(body, "plain page") {
		t.Errorf("got %s", body)
	}
	p.becomes("alice, who holds nothing", http.StatusForbidden, p.get("alice", "/"))
	h := p.holds(p.from("nora", "/live"))
	p.passes("PT59M")
	h.says()
	h.says()
	p.becomes("a minute before the end", http.StatusOK, p.get("nora", "/"))
	p.passes("PT1H")
	if status, _ := p.get("nora", "/")(); status != http.StatusForbidden {
		t.Errorf("from the end on: got %d, want 403 at once", status)
	}
	h.isCut()
	p.becomes("after the end, the stream", http.StatusForbidden, p.get("nora", "/live"))
	p.passes("PT0S")
}

// Nobody gets in by saying who they are in a header, by a wrong password, or past the question.
func TestNginxBelievesNobody(t *testing.T) {
	p := openProxy(t)
	p.activates()
	p.becomes("nora", http.StatusOK, p.get("nora", "/"))
	nora := p.People["nora"].UserPrincipalName
	for name, edit := range map[string]func(*http.Request){
		"a header of the gate":  func(r *http.Request) { r.Header.Set("Portcullis-Subject", nora) },
		"a header of the page":  func(r *http.Request) { r.Header.Set("Remote-User", nora) },
		"parameters":            func(r *http.Request) { r.URL.RawQuery = "subject=" + nora + "&action=Directory%20Readers" },
		"the stream, by header": func(r *http.Request) { r.URL.Path = "/live"; r.Header.Set("Remote-User", nora) },
	} {
		r := p.from("alice", "/")
		edit(r)
		if status, body := p.read(http.DefaultClient.Do(r)); status != http.StatusForbidden {
			t.Errorf("alice, with %s: got %d %s", name, status, body)
		}
	}
	r := p.request("http://" + p.address + "/")
	r.SetBasicAuth(nora, "wrong")
	if status, _ := p.read(http.DefaultClient.Do(r)); status != http.StatusUnauthorized {
		t.Errorf("nora with a wrong password: got %d", status)
	}
	if status, _ := p.get("nora", "/portcullis")(); status != http.StatusNotFound {
		t.Errorf("the question itself: got %d, want nothing to be there", status)
	}
}

// Without an answer the pages are shut, and nobody is asked for another password.
func TestNginxFailsClosed(t *testing.T) {
	p := openProxy(t)
	p.activates()
	p.becomes("nora", http.StatusOK, p.get("nora", "/"))
	p.tokenIs("of-another-server")
	if err := p.master.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.becomes("with a token that is not taken", http.StatusInternalServerError, p.get("nora", "/"))
	p.becomes("with a token that is not taken, the stream", http.StatusInternalServerError, p.get("nora", "/live"))
	p.tokenIs(p.token(""))
	if err := p.master.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.becomes("with another token", http.StatusOK, p.get("nora", "/"))
	p.stop()
	p.becomes("without a server", http.StatusInternalServerError, p.get("nora", "/"))
}
