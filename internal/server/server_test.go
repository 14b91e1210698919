package server_test

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
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/config"
	"portcullis/internal/server"
	"portcullis/internal/store"
)

// node is a server under test.
type node struct {
	*server.Server
	*http.Client
	t       *testing.T
	notices bytes.Buffer
	stop    context.CancelFunc
	done    chan error
	once    sync.Once
}

func settings(dir string) config.Settings {
	return config.Settings{Data: dir, Listen: []string{"127.0.0.1:0"}}
}

// start opens a server, serves it, and stops it at the end of the test.
func start(t *testing.T, o server.Options) *node {
	t.Helper()
	n := &node{t: t, done: make(chan error, 1)}
	o.Notices = &n.notices
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := server.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	n.Server = s
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	n.stop = cancel
	go func() { n.done <- s.Serve(ctx) }()
	t.Cleanup(n.end)
	n.Client = trusting(t, s.CAFile())
	return n
}

// end stops the server and waits for it.
func (n *node) end() {
	n.once.Do(func() {
		n.CloseIdleConnections()
		n.stop()
		if err := <-n.done; err != nil {
			n.t.Errorf("serve: %v", err)
		}
	})
}

// trusting is a client that trusts one authority and nobody else.
func trusting(t *testing.T, caFile string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", caFile)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
	}}
}

func (n *node) get(path string) (int, http.Header, string) {
	n.t.Helper()
	r, err := n.Get(n.URL() + path)
	return n.read(r, err)
}

func (n *node) read(r *http.Response, err error) (int, http.Header, string) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return r.StatusCode, r.Header, string(body)
}

func TestFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n := start(t, server.Options{Settings: settings(dir)})
	if status, _, body := n.get("/readyz"); status != http.StatusOK {
		t.Errorf("readyz: got %d %s", status, body)
	}
	if status, _, body := n.get("/livez"); status != http.StatusOK {
		t.Errorf("livez: got %d %s", status, body)
	}
	r, err := n.Get(n.URL() + "/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.ProtoMajor != 2 {
		t.Errorf("got %s, want HTTP/2", r.Proto)
	}
	password := regexp.MustCompile(`password\s+(\S+)`).FindStringSubmatch(n.notices.String())
	if password == nil || !strings.Contains(n.notices.String(), "admin@portcullis.local") || !strings.Contains(n.notices.String(), n.CAFile()) {
		t.Fatalf("the notice does not say how to sign in:\n%s", n.notices.String())
	}
	private(t, dir)

	n.end()
	again := start(t, server.Options{Settings: settings(dir)})
	if again.notices.Len() != 0 {
		t.Errorf("a second start tells of a first one:\n%s", again.notices.String())
	}
	if status, _, body := again.get("/readyz"); status != http.StatusOK {
		t.Errorf("readyz after a restart: got %d %s", status, body)
	}
}

// private checks that nobody but the owner can read anything in the data folder.
func private(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPlainHTTPIsRefused(t *testing.T) {
	n := start(t, server.Options{Settings: settings(t.TempDir())})
	status, _, body := n.read(n.Get(strings.Replace(n.URL(), "https://", "http://", 1) + "/livez"))
	if status != http.StatusBadRequest {
		t.Errorf("got %d %s, want 400", status, body)
	}
}

func TestUnableToStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	used := t.TempDir()
	n := start(t, server.Options{Settings: settings(used)})
	occupied := strings.TrimPrefix(n.URL(), "https://")
	for _, c := range []struct {
		name string
		edit func(*config.Settings)
		code server.Code
		want string
	}{
		{"a folder that is a file", func(s *config.Settings) { s.Data = file }, server.ExitUnusable, "the data folder " + file},
		{"a folder below a file", func(s *config.Settings) { s.Data = filepath.Join(file, "x") }, server.ExitUnusable, "cannot be made"},
		{"a folder in use", func(s *config.Settings) { s.Data = used }, server.ExitUnusable, "another server runs on it"},
		{"a database that is down", func(s *config.Settings) { s.Database = "postgres://u:geheim@127.0.0.1:1/x?connect_timeout=2" }, server.ExitUnusable, "127.0.0.1"},
		{"a port in use", func(s *config.Settings) { s.Listen = []string{occupied} }, server.ExitFailure, "cannot listen at " + occupied},
		{"a certificate that is not there", func(s *config.Settings) { s.TLS = config.TLS{Certificate: file, Key: file} }, server.ExitSettings, "tls: the certificate cannot be read"},
		{"a secret that is not there", func(s *config.Settings) { s.DatabaseFile = filepath.Join(file, "x") }, server.ExitSettings, "databaseFile"},
		{"a role that is not there", func(s *config.Settings) {
			s.Doors = []config.Door{{Name: "d", Type: "postgres", URL: "postgres://h/x", Bindings: []config.Binding{{Role: "Nobody", Privilege: "p"}}}}
		}, server.ExitSettings, `door "d": there are 0 roles "Nobody"`},
		{"a group that is not there", func(s *config.Settings) {
			s.Doors = []config.Door{{Name: "d", Type: "postgres", URL: "postgres://h/x", Bindings: []config.Binding{{Provider: "group", Scope: "None", Privilege: "p"}}}}
		}, server.ExitSettings, `there are 0 groups "None"`},
		{"a tenant that is not there", func(s *config.Settings) {
			s.Doors = []config.Door{{Name: "d", Type: "postgres", Tenant: "x.y", URL: "postgres://h/x", Bindings: []config.Binding{{Role: "r", Privilege: "p"}}}}
		}, server.ExitSettings, `there is no tenant "x.y"`},
	} {
		s := settings(t.TempDir())
		c.edit(&s)
		got, err := server.Open(t.Context(), server.Options{Settings: s})
		if err == nil {
			t.Errorf("%s: the server started", c.name)
			if err := got.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		u, ok := errors.AsType[*server.Unable](err)
		if !ok || u.Code != c.code || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: got %v\nwant code %d and %q", c.name, err, c.code, c.want)
		}
	}
}

func TestAClockThatWasSetBackStartsNothing(t *testing.T) {
	dir := t.TempDir()
	start(t, server.Options{Settings: settings(dir)}).end()
	back := func() time.Time { return time.Now().Add(-time.Hour) }
	_, err := server.Open(t.Context(), server.Options{Settings: settings(dir), Now: back})
	u, ok := errors.AsType[*server.Unable](err)
	if !ok || u.Code != server.ExitClock || !strings.Contains(err.Error(), "set the clock right") {
		t.Errorf("got %v, want the clock's exit code", err)
	}
	start(t, server.Options{Settings: settings(dir)})
}

func TestTheCertificateIsRenewed(t *testing.T) {
	var mu sync.Mutex
	ahead := time.Duration(0)
	n := start(t, server.Options{Settings: settings(t.TempDir()), Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}})
	end := func() time.Time {
		r, err := n.Get(n.URL() + "/livez")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		n.CloseIdleConnections()
		return r.TLS.PeerCertificates[0].NotAfter
	}
	first := end()
	if again := end(); !again.Equal(first) {
		t.Errorf("a new certificate for each connection: %v, then %v", first, again)
	}
	mu.Lock()
	ahead = 61 * 24 * time.Hour
	mu.Unlock()
	n.Transport.(*http.Transport).TLSClientConfig.Time = func() time.Time { return time.Now().Add(61 * 24 * time.Hour) }
	if later := end(); !later.After(first.Add(24 * time.Hour)) {
		t.Errorf("sixty-one days on the certificate still ends on %v", later)
	}
}

func TestTenants(t *testing.T) {
	n := start(t, server.Options{Settings: settings(t.TempDir())})
	admin, err := server.AddTenant(t.Context(), n.App, config.Tenant{Name: "Second", Domain: "second.example", Administrator: "root"})
	if err != nil || admin.Account != "root@second.example" || admin.Password == "" {
		t.Fatalf("got %+v, %v", admin, err)
	}
	if _, err := server.AddTenant(t.Context(), n.App, config.Tenant{Name: "Again", Domain: "Second.example", Administrator: "root"}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the same domain again: got %v, want a conflict", err)
	}
	events, err := n.Store.Events(t.Context(), store.Query{Tenant: admin.Tenant})
	if err != nil || len(events.Rows) != 4 { // the tenant, the administrator's grant, and two objects
		t.Errorf("got %d audit entries (%v), want 4", len(events.Rows), err)
	}
}

func sampleOptions(dir string) server.Options {
	return server.Options{Settings: settings(dir), Sample: &server.Sample{Seed: 1}}
}

func TestTheSamplesClock(t *testing.T) {
	n := start(t, sampleOptions(t.TempDir()))
	move := func(body string) (int, string) {
		status, _, text := n.read(n.Post(n.URL()+"/sample/clock", "application/json", strings.NewReader(body)))
		return status, text
	}
	state := func() (offset string, now time.Time) {
		_, _, body := n.get("/sample/clock")
		var s struct {
			Offset string
			Now    time.Time
		}
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return s.Offset, s.Now
	}
	for _, c := range []struct {
		offset string
		want   time.Duration
	}{{"P400D", 400 * 24 * time.Hour}, {"-PT1H", -time.Hour}, {"20m", 20 * time.Minute}, {"-5m", -5 * time.Minute}, {"PT0S", 0}} {
		if status, body := move(`{"offset":"` + c.offset + `"}`); status != http.StatusOK {
			t.Errorf("%s: got %d %s", c.offset, status, body)
		}
		if _, now := state(); now.Sub(time.Now().Add(c.want)).Abs() > time.Minute {
			t.Errorf("%s: PIM's time is %v", c.offset, now)
		}
	}
	for _, bad := range []string{`{}`, `{"offset":"soon"}`, `{"offset":"P1000Y"}`, `{"offset":400}`, `x`, `{"offset":"--PT1H"}`} {
		if status, body := move(bad); status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s, want 400", bad, status, body)
		}
	}
	real := start(t, server.Options{Settings: settings(t.TempDir())})
	if status, _, _ := real.get("/sample/clock"); status != http.StatusNotFound {
		t.Errorf("a server without the sample has its clock: got %d", status)
	}
}

func TestTheSampleIsThereAtOnceAndStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	began := time.Now()
	n := start(t, sampleOptions(dir))
	t.Logf("started in %v", time.Since(began))
	private(t, dir)
	first, err := os.ReadFile(filepath.Join(dir, "sample.json"))
	if err != nil {
		t.Fatal(err)
	}
	n.end()

	o := sampleOptions(dir)
	o.Sample.ClockOffset = 24 * time.Hour
	n = start(t, o)
	if got := n.App.Time(); time.Until(got) < 23*time.Hour {
		t.Errorf("PIM's time is %v, want a day ahead", got)
	}
	n.end()
	second, err := os.ReadFile(filepath.Join(dir, "sample.json"))
	if err != nil {
		t.Fatal(err)
	}
	same := regexp.MustCompile(`"password": "[^"]+"|"totpSecret": "[^"]+"|"secret": "[^"]+"`)
	if a, b := same.FindAllString(string(first), -1), same.FindAllString(string(second), -1); len(a) < 30 || strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Error("a restart of the sample made other secrets")
	}
	if _, err := server.Open(t.Context(), server.Options{Settings: settings(dir), Sample: &server.Sample{Seed: 2}}); err == nil {
		t.Error("another sample started on the first one's folder")
	}
}

func TestCommandLineClientIsInEveryTenant(t *testing.T) {
	n := start(t, sampleOptions(t.TempDir()))
	tenants, err := n.Store.Tenants(t.Context())
	if err != nil || len(tenants) != 2 {
		t.Fatalf("got %d tenants (%v), want 2", len(tenants), err)
	}
	for _, tenant := range tenants {
		page, err := n.Store.Objects(t.Context(), store.Query{Tenant: tenant.ID, Where: store.Is(store.FieldClientID, app.CommandLineClientID)})
		if err != nil || len(page.Rows) != 1 || !page.Rows[0].App.Public {
			t.Errorf("%s: got %d command line applications (%v)", tenant.Domain, len(page.Rows), err)
		}
	}
}
