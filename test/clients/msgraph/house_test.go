// Package msgraph is a program on the unmodified Microsoft Graph SDK for Go, to show that it works with Portcullis as
// it does with the service it was made for. It is a module of its own, because what real clients pull in is no
// business of the product. TestMain builds the server, starts it with the sample organisation on a free port and an
// empty folder, and points the SDK at it as docs tell: the adapter's base address and valid host, the authority host
// and no instance discovery for azidentity, and a transport that trusts the server's own authority. Applications sign in
// with their secret, people by device code, for which the tests fill in the sign-in pages as a browser would. Calls are
// the SDK's typed ones where v1.0 has them, and go through its adapter with plain paths where only beta does; its
// middleware is the default one, so bodies travel compressed. Every test tells one story on roles of its own, in any
// order; PIM's time only ever moves forward. Go does not see that the server's source is an input of these tests: run
// them with -shuffle=on, as make test does, or -count=1, so that no result of yesterday's server is shown.
package msgraph

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// repository is where the server's module is, as seen from here.
const repository = "../../.."

const (
	startsWithin = 2 * time.Minute
	stopsWithin  = 30 * time.Second
)

// manifest is what the server tells programs about the sample organisation, as far as these tests need it.
type manifest struct {
	TenantID string `json:"tenantId"`
	Domain   string `json:"domain"`
	URL      string `json:"url"`
	CAFile   string `json:"caFile"`
	Client   struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
		// ObjectID is its service principal.
		ObjectID string `json:"objectId"`
	} `json:"client"`
	People map[string]*person             `json:"people"`
	Groups map[string]struct{ ID string } `json:"groups"`
}

// server is a running server.
type server struct {
	manifest
	transport *http.Transport
	process   *exec.Cmd
	ended     chan struct{} // closed when the process is gone
	output    *output

	mu     sync.Mutex
	offset time.Duration // of PIM's time
}

// sample is the server that all tests talk to. TestMain sets it before any of them runs.
var sample *server

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "portcullis-msgraph-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	s, err := start(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the server does not start:", err)
		return 1
	}
	sample = s
	code := m.Run()
	if err := s.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "the server does not stop:", err)
		code = 1
	}
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the server said:\n%s", s.output)
	}
	return code
}

// start builds the server, runs it and waits until it is ready.
func start(dir string) (*server, error) {
	program := filepath.Join(dir, "pim")
	build := exec.Command("go", "build", "-o", program, "portcullis/cmd/pim")
	build.Dir = repository
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build it: %w\n%s", err, text)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	s := &server{ended: make(chan struct{}), output: &output{}}
	s.process = exec.Command(program, "serve", "--sample", "--data", data, "--listen", address)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.process.Wait() // how it ended matters to stop alone, which looks at ProcessState
		close(s.ended)
	}()
	if err := s.ready(data); err != nil {
		return nil, errors.Join(fmt.Errorf("%w; it said:\n%s", err, s.output), s.stop())
	}
	return s, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// ready waits for the manifest, which the server writes once it can answer, and reads it.
func (s *server) ready(data string) error {
	file := filepath.Join(data, "sample.json")
	deadline := time.After(startsWithin)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		text, err := os.ReadFile(file)
		if err == nil {
			return s.read(text)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		select {
		case <-again.C:
		case <-s.ended:
			return fmt.Errorf("it ended: %s", s.process.ProcessState)
		case <-deadline:
			return fmt.Errorf("it wrote no %s within %s", file, startsWithin)
		}
	}
}

func (s *server) read(text []byte) error {
	if err := json.Unmarshal(text, &s.manifest); err != nil {
		return fmt.Errorf("sample.json: %w", err)
	}
	authority, err := os.ReadFile(s.CAFile)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return fmt.Errorf("%s holds no certificate", s.CAFile)
	}
	s.transport = http.DefaultTransport.(*http.Transport).Clone()
	s.transport.Proxy = nil
	s.transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return nil
}

// stop ends the process, and tells when it does not end well.
func (s *server) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(stopsWithin):
		err := s.process.Process.Kill()
		<-s.ended
		return errors.Join(fmt.Errorf("it did not stop within %s", stopsWithin), err)
	}
	if !s.process.ProcessState.Success() {
		return fmt.Errorf("it ended with: %s", s.process.ProcessState)
	}
	return nil
}

// after lets time pass for PIM.
func (s *server) after(t *testing.T, d time.Duration) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
	body, err := json.Marshal(map[string]string{"offset": s.offset.String()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/sample/clock", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := (&http.Client{Transport: s.transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("move the clock by %s: got %s, want 200", d, answer.Status)
	}
}

// output keeps what a process says. Only the last part is kept.
type output struct {
	mu   sync.Mutex
	text []byte
}

const maxOutput = 64 << 10

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if extra := len(o.text) - maxOutput; extra > 0 {
		o.text = append(o.text[:0], o.text[extra:]...)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimRight(string(o.text), "\n") + "\n"
}
