package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"portcullis/internal/client/clienttest"
	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/sample"
)

// TestClientCommands runs the scripts in testdata/script/client against `pim serve --sample`, with a PostgreSQL as the
// door of the role Reports Reader. A script is at the server from its start; `as PERSON` makes what follows theirs.
// `attended PERSON COMMAND …` runs a command while the person does what it shows on the sign-in pages, and leaves what
// it wrote in the files stdout and stderr. `calls PATH` makes the sample's application read an address.
func TestClientCommands(t *testing.T) { runClientScripts(t, "testdata/script/client") }

// TestClientCommandsLater is TestClientCommands for scripts that move PIM's time, which nobody else must feel. They know
// `passes DURATION`.
func TestClientCommandsLater(t *testing.T) { runClientScripts(t, "testdata/script/later") }

func runClientScripts(t *testing.T, dir string) {
	t.Helper()
	s := serve(t)
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PIM_SERVER", s.URL)
			e.Setenv("PIM_CA", s.CAFile)
			e.Setenv("TZ", "UTC")
			e.Setenv("ROOT", s.folder)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"as":       s.as,
			"attended": s.attended,
			"valid":    valid,
			"id":       id,
			"pending":  pending,
			"passes":   s.passes,
			"calls":    s.calls,
		},
	})
}

// served is the server that all scripts use.
type served struct {
	sample.Manifest
	folder string
	mu     sync.Mutex
	people map[string]*clienttest.Person
}

// serve starts the server, with its door.
func serve(t *testing.T) *served {
	t.Helper()
	dir := t.TempDir()
	settings := filepath.Join(dir, "settings.yaml")
	if err := os.WriteFile(settings, []byte(doorSettings(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command("pim", "serve", "--sample", "--config", settings, "--data", data, "--listen", "127.0.0.1:0", "--log-level", "warn")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ends with %v", err)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) { // polls another process
		m, err := sample.ReadManifest(data)
		if err == nil {
			return &served{Manifest: m, folder: dir, people: map[string]*clienttest.Person{}}
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// doorSettings are the settings for a door that lets in whoever holds Reports Reader.
func doorSettings(t *testing.T) string {
	t.Helper()
	pg := localpgtest.Private(t, localpg.Options{})
	conn, err := pgx.Connect(t.Context(), pg.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range []string{"CREATE ROLE report_readers", "CREATE ROLE nora LOGIN"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf(`doors:
  - name: reports
    type: postgres
    url: %q
    bindings:
      - role: Reports Reader
        privilege: report_readers
`, pg.URL("postgres"))
}

// person is somebody at the sign-in pages; the same one for all scripts, for a one-time code works once.
func (s *served) person(key string) (*clienttest.Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.people[key]; ok {
		return p, nil
	}
	one, ok := s.People[key]
	if !ok {
		return nil, fmt.Errorf("nobody is called %s; there are %v", key, slices.Sorted(maps.Keys(s.People)))
	}
	p, err := clienttest.New(one.UserPrincipalName, one.Password, one.TOTPSecret, s.CAFile)
	if err == nil {
		s.people[key] = p
	}
	return p, err
}

func (s *served) as(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("PIM_CONFIG_DIR", ts.MkAbs(args[0]))
	ts.Setenv("ME", s.People[args[0]].UserPrincipalName)
}

// attended runs a command whose sign-ins somebody answers.
func (s *served) attended(ts *testscript.TestScript, neg bool, args []string) {
	p, err := s.person(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[1], args[2:]...)
	for _, name := range []string{"PATH", "HOME", "TZ", "PIM_SERVER", "PIM_CA", "PIM_TENANT", "PIM_CONFIG_DIR", "TMPDIR", "GOCOVERDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := os.Create(ts.MkAbs("stdout"))
	ts.Check(err)
	defer out.Close()
	notes, err := os.Create(ts.MkAbs("stderr"))
	ts.Check(err)
	defer notes.Close()
	cmd.Stdout = out
	shown, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	answered := answer(ctx, p, io.TeeReader(shown, notes))
	err = cmd.Wait()
	ts.Logf("%v: %v; the person: %v", args, err, answered)
	if (err != nil) != neg || answered != nil {
		text, _ := os.ReadFile(ts.MkAbs("stderr"))
		ts.Fatalf("%v ended with %v; the person: %v\n%s", args, err, answered, text)
	}
}

// passes moves PIM's time.
func (s *served) passes(ts *testscript.TestScript, _ bool, args []string) {
	p, err := s.person("grace")
	ts.Check(err)
	ts.Check(p.Post(context.Background(), s.URL+"/sample/clock", "application/json", fmt.Sprintf(`{"offset":%q}`, args[0])))
}

// calls makes the sample's application read an address.
func (s *served) calls(ts *testscript.TestScript, _ bool, args []string) {
	web := &http.Client{Timeout: 30 * time.Second}
	roots := x509.NewCertPool()
	text, err := os.ReadFile(s.CAFile)
	ts.Check(err)
	roots.AppendCertsFromPEM(text)
	web.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer web.CloseIdleConnections()
	answer, err := web.PostForm(s.URL+"/"+s.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.Client.ID}, "client_secret": {s.Client.Secret}, "scope": {s.URL + "/.default"},
	})
	ts.Check(err)
	defer answer.Body.Close()
	var token struct {
		Access string `json:"access_token"`
	}
	ts.Check(json.NewDecoder(answer.Body).Decode(&token))
	r, err := http.NewRequest(http.MethodGet, s.URL+args[0], http.NoBody)
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+token.Access)
	got, err := web.Do(r)
	ts.Check(err)
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s", args[0], got.Status)
	}
}

// answer does what a command shows, until it has no more to say.
func answer(ctx context.Context, p *clienttest.Person, shown io.Reader) error {
	var failed error
	for lines := bufio.NewScanner(shown); lines.Scan(); {
		page, code, ok := strings.Cut(strings.TrimSpace(lines.Text()), "?user_code=")
		if !ok || failed != nil {
			continue
		}
		failed = p.Answer(ctx, page, code, true)
	}
	return failed
}

// valid wants the standard output of the last command to be JSON, and each path that is named to lead to something:
// "valid 0.role=Reader" wants a text, "valid 0.until" wants something that is not null.
func valid(ts *testscript.TestScript, neg bool, args []string) {
	var all any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &all))
	for _, arg := range args {
		path, want, exact := strings.Cut(arg, "=")
		at := all
		for name := range strings.SplitSeq(path, ".") {
			at = within(at, name)
		}
		if got := fmt.Sprint(at); at == nil || exact && got != want {
			ts.Fatalf("%s is %v, want %q", path, at, want)
		}
	}
	if neg {
		ts.Fatalf("valid cannot be negated")
	}
}

// id sets ID to what a path in the last command's JSON leads to.
func id(ts *testscript.TestScript, _ bool, args []string) {
	var at any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &at))
	for name := range strings.SplitSeq(args[0], ".") {
		at = within(at, name)
	}
	ts.Setenv("ID", fmt.Sprint(at))
}

// pending waits for a request that waits for the person, and sets ID to it.
func pending(ts *testscript.TestScript, _ bool, _ []string) {
	for range 200 {
		ts.Check(ts.Exec("pim", "requests", "--to-approve", "--json"))
		var list []requestView
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &list))
		if len(list) == 1 {
			ts.Setenv("ID", list[0].ID)
			return
		}
		time.Sleep(50 * time.Millisecond) // polls another process, up to a deadline
	}
	ts.Fatalf("nothing waits for the person")
}

func within(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[name]
	case []any:
		var i int
		if _, err := fmt.Sscan(name, &i); err == nil && i < len(v) {
			return v[i]
		}
	}
	return nil
}
