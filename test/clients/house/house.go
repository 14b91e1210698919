// Package house starts the server with the sample organisation for programs on SDKs that nobody here wrote, and is the people in
// it: they sign in with azidentity, and fill in the sign-in pages as one does in a browser without scripts. It is a module of its
// own, because what real clients pull in is no business of the product, and one, because each client is pointed at the server in
// the same way: the authority host and no instance discovery for azidentity, and a transport that trusts the server's own
// authority. It checks the facts that every program checks.
package house

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

// repository is where the server's module is, as seen from the folder of a client, where its tests run.
const repository = "../../.."

const (
	startsWithin = 2 * time.Minute
	stopsWithin  = 30 * time.Second
)

// Manifest is what the server tells programs about the sample organisation, as far as these tests need it.
type Manifest struct {
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
	People        map[string]*Person `json:"people"`
	Groups        map[string]Named   `json:"groups"`
	Subscriptions map[string]Named   `json:"subscriptions"`
}

// Named is what the manifest tells of a group or a subscription.
type Named struct {
	ID string `json:"id"`
}

// Server is a running server with the sample organisation.
type Server struct {
	Manifest
	// Transport trusts the server's own authority.
	Transport *http.Transport
	process   *exec.Cmd
	ended     chan struct{} // closed when the process is gone
	output    *output

	mu     sync.Mutex
	offset time.Duration // of PIM's time
}

// Run starts a server in a folder of its own, hands it to set, runs the tests and stops it. It returns the exit code of the tests.
// What the server said is shown where not all went well.
func Run(name string, m *testing.M, set func(*Server)) int {
	dir, err := os.MkdirTemp("", "portcullis-"+name+"-")
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
	set(s)
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
func start(dir string) (*Server, error) {
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
	s := &Server{ended: make(chan struct{}), output: &output{}}
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
func (s *Server) ready(data string) error {
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

func (s *Server) read(text []byte) error {
	if err := json.Unmarshal(text, &s.Manifest); err != nil {
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
	s.Transport = http.DefaultTransport.(*http.Transport).Clone()
	s.Transport.Proxy = nil
	s.Transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return nil
}

// stop ends the process, and tells when it does not end well.
func (s *Server) stop() error {
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

// After lets time pass for PIM.
func (s *Server) After(t *testing.T, d time.Duration) {
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
	answer, err := (&http.Client{Transport: s.Transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("move the clock by %s: got %s, want 200", d, answer.Status)
	}
}

// Now is PIM's time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.offset)
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
