// Package mailpittest gives tests a real mail server: Mailpit, built from its module (test/peers), which demands STARTTLS
// and a password, takes every mail and shows what it has. Where it cannot be built or started the test fails and says why.
package mailpittest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The credentials that a server demands.
const (
	User     = "portcullis"
	Password = "correct-horse"
)

// Server is a mail server of one test.
type Server struct {
	Host string
	Port int
	// CA is the PEM certificate to believe.
	CA  []byte
	api string
}

// Message is a mail that the server took.
type Message struct {
	ID        string
	MessageID string
	Subject   string
	To        string
	Text      string
	HTML      string
	Header    map[string][]string
}

// Start builds Mailpit and starts it with further arguments. It stops with the test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	dir := t.TempDir()
	program := build(t, dir)
	ca, key := certificate(t)
	s := &Server{Host: "127.0.0.1", Port: FreePort(t), CA: ca}
	web := FreePort(t)
	s.api = fmt.Sprintf("http://127.0.0.1:%d/", web)
	for name, text := range map[string][]byte{"cert.pem": ca, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(context.Background(), program, append([]string{ //nolint:gosec // the arguments are the test's own
		"--smtp", fmt.Sprintf("127.0.0.1:%d", s.Port), "--listen", fmt.Sprintf("127.0.0.1:%d", web), "--disable-version-check",
		"--smtp-tls-cert", filepath.Join(dir, "cert.pem"), "--smtp-tls-key", filepath.Join(dir, "key.pem"), "--smtp-require-starttls",
		"--smtp-disable-rdns", "--quiet",
	}, args...)...)
	cmd.Env = append(os.Environ(), "MP_SMTP_AUTH_FILE="+passwords(t, dir), "TMPDIR="+dir)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Mailpit: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it keeps nothing
		<-ended
	})
	s.await(t, ended, &said)
	return s
}

// passwords writes the file of who may send.
func passwords(t testing.TB, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "users")
	if err := os.WriteFile(file, []byte(User+":"+Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// build makes the program from its pinned module.
func build(t testing.TB, dir string) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "portcullis").Output()
	if err != nil {
		t.Fatalf("find this module's folder: %v", err)
	}
	program := filepath.Join(dir, "mailpit")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join(strings.TrimSpace(string(root)), "test", "peers"),
		"-o", program, "github.com/axllent/mailpit") //nolint:gosec // the folder is this module's own
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the tests need the mail server Mailpit, which could not be built from the module in test/peers: %v\n%s", err, out)
	}
	return program
}

// FreePort is a port of the loopback address that was free a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// await returns when the server answers.
func (s *Server) await(t testing.TB, ended <-chan error, said *bytes.Buffer) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case err := <-ended:
			t.Fatalf("Mailpit ended at once: %v\n%s", err, said)
		case <-tick.C:
		}
		if s.answers(t.Context()) {
			return
		}
	}
	t.Fatal("Mailpit does not answer")
}

func (s *Server) answers(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api+"readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(s.Host, fmt.Sprint(s.Port)))
	if err != nil {
		return false
	}
	_ = c.Close() // it was only to see whether somebody listens
	return answer.StatusCode == http.StatusOK
}

// certificate makes a certificate for the loopback address that is its own authority, and its key.
func certificate(t testing.TB) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail server of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// call asks the server's API.
func (s *Server) call(t testing.TB, method, path string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.api+"api/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("Mailpit: %s %s: %s", method, path, answer.Status)
	}
	if into == nil {
		return
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// Messages are all that the server has, the oldest first.
func (s *Server) Messages(t testing.TB) []Message {
	t.Helper()
	var list struct {
		Messages []struct{ ID string } `json:"messages"`
	}
	s.call(t, http.MethodGet, "messages?limit=1000", &list)
	out := make([]Message, 0, len(list.Messages))
	for i := len(list.Messages) - 1; i >= 0; i-- {
		var m struct {
			ID, MessageID, Subject, Text, HTML string
			To                                 []struct{ Name, Address string }
		}
		s.call(t, http.MethodGet, "message/"+list.Messages[i].ID, &m)
		one := Message{ID: m.ID, MessageID: m.MessageID, Subject: m.Subject, Text: m.Text, HTML: m.HTML}
		for _, to := range m.To {
			one.To += to.Address
		}
		s.call(t, http.MethodGet, "message/"+m.ID+"/headers", &one.Header)
		out = append(out, one)
	}
	return out
}

// Forget deletes all that the server has.
func (s *Server) Forget(t testing.TB) {
	t.Helper()
	s.call(t, http.MethodDelete, "messages", nil)
}
