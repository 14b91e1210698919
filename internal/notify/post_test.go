package notify_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"portcullis/internal/notify"
	"portcullis/internal/notify/mailpittest"
)

func letter(id, address string) notify.Letter {
	return notify.Letter{MessageID: id + "@example.com", Address: address, Name: "Bö", Subject: "PIM: Grüße", Text: "plain ü\n", HTML: "<p>rich ü</p>"}
}

func options(s *mailpittest.Server) notify.Options {
	return notify.Options{Host: s.Host, Port: s.Port, CAs: s.CA, User: mailpittest.User, Password: mailpittest.Password,
		From: "PIM <pim@example.com>", Timeout: 10 * time.Second}
}

func send(t *testing.T, o notify.Options, letters ...notify.Letter) []error {
	t.Helper()
	p, err := notify.New(o)
	if err != nil {
		t.Fatal(err)
	}
	line, err := p.Connect(t.Context())
	if err != nil {
		return []error{err}
	}
	defer line.Close()
	errs := make([]error, len(letters))
	for i, l := range letters {
		errs[i] = line.Send(l)
	}
	return errs
}

// A real server that demands STARTTLS and a password takes letters on one connection, and shows both parts of them.
func TestARealServerTakesLetters(t *testing.T) {
	t.Parallel()
	s := mailpittest.Start(t, "--smtp-allowed-recipients", "@example[.]com$")
	errs := send(t, options(s), letter("one", "bo@example.com"), letter("none", "x@elsewhere.org"), letter("two", "cy@example.com"))
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("got %v, want the first and the last letter taken", errs)
	}
	if f, ok := errors.AsType[*notify.Failure](errs[1]); !ok || !f.Lasting || f.Everyone {
		t.Errorf("a recipient that the server refuses for good: got %v", errs[1])
	}
	got := s.Messages(t)
	if len(got) != 2 || got[0].To != "bo@example.com" || got[1].To != "cy@example.com" {
		t.Fatalf("the server has %+v", got)
	}
	m := got[0]
	if m.MessageID != "one@example.com" || m.Subject != "PIM: Grüße" || strings.TrimSpace(m.Text) != "plain ü" || !strings.Contains(m.HTML, "<p>rich ü</p>") {
		t.Errorf("the server shows %+v", m)
	}
	if h := m.Header["Auto-Submitted"]; len(h) != 1 || h[0] != "auto-generated" {
		t.Errorf("got Auto-Submitted %q", h)
	}
	for what, change := range map[string]func(*notify.Options){
		"a wrong password":      func(o *notify.Options) { o.Password = "wrong" },
		"an unknown authority":  func(o *notify.Options) { o.CAs = nil },
		"another name":          func(o *notify.Options) { o.Host = "localhost." },
		"no encryption":         func(o *notify.Options) { o.Security, o.User = notify.Plain, "" },
		"TLS from the start":    func(o *notify.Options) { o.Security = notify.ImplicitTLS },
		"nobody at the address": func(o *notify.Options) { o.Port = mailpittest.FreePort(t) },
	} {
		o := options(s)
		change(&o)
		errs := send(t, o, letter("never", "bo@example.com"))
		f, ok := errors.AsType[*notify.Failure](errs[0])
		if !ok || f.Lasting || !f.Everyone {
			t.Errorf("%s: got %v, want a failure that concerns everyone", what, errs[0])
		}
		if errs[0] != nil && (strings.Contains(errs[0].Error(), mailpittest.Password) || strings.Contains(errs[0].Error(), "wrong")) {
			t.Errorf("%s: the error shows the password: %v", what, errs[0])
		}
	}
	if got := s.Messages(t); len(got) != 2 {
		t.Errorf("the server has %d letters, want the two", len(got))
	}
}

// odd is a server that answers as it is told.
type odd struct {
	rcpt func(to string) error
	data func() error
}

func (o *odd) NewSession(*smtp.Conn) (smtp.Session, error) { return &oddSession{o}, nil }

type oddSession struct{ *odd }

func (*oddSession) Reset()                               {}
func (*oddSession) Logout() error                        { return nil }
func (*oddSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *oddSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.rcpt == nil {
		return nil
	}
	return s.rcpt(to)
}

func (s *oddSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if s.data == nil {
		return nil
	}
	return s.data()
}

// serve starts an odd server, without encryption, and returns its options.
func serve(t *testing.T, o *odd) notify.Options {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(o)
	s.Domain = "localhost"
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(l) }() // it ends with the listener
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return notify.Options{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: notify.Plain, From: "pim@example.com", Timeout: 5 * time.Second}
}

// What a server's answers mean: a page of facts.
func TestWhatServersAnswer(t *testing.T) {
	t.Parallel()
	say := func(code int) func() error {
		return func() error { return &smtp.SMTPError{Code: code, Message: "as told"} }
	}
	for _, fact := range []struct {
		what              string
		o                 *odd
		lasting, everyone bool
	}{
		{"no such mailbox", &odd{rcpt: func(string) error { return say(550)() }}, true, false},
		{"mailbox full", &odd{rcpt: func(string) error { return say(452)() }}, false, false},
		{"content refused", &odd{data: say(554)}, true, false},
		{"try later", &odd{data: say(451)}, false, false},
		{"the service closes", &odd{data: say(421)}, false, true},
	} {
		o := serve(t, fact.o)
		errs := send(t, o, letter("one", "bo@example.com"), letter("two", "bo@example.com"))
		f, ok := errors.AsType[*notify.Failure](errs[0])
		if !ok || f.Lasting != fact.lasting || f.Everyone != fact.everyone || !strings.Contains(f.Error(), "as told") {
			t.Errorf("%s: got %v, want lasting %v, everyone %v, with the server's words", fact.what, errs[0], fact.lasting, fact.everyone)
		}
		if f, ok := errors.AsType[*notify.Failure](errs[1]); !fact.everyone && (!ok || f.Everyone) {
			t.Errorf("%s: the next letter on the connection: got %v", fact.what, errs[1])
		}
	}
}

// A server that does not offer STARTTLS gets nothing, above all no password.
func TestNothingGoesInTheClear(t *testing.T) {
	t.Parallel()
	o := serve(t, &odd{})
	o.Security, o.User, o.Password = notify.StartTLS, "user", "secret"
	if errs := send(t, o, letter("one", "bo@example.com")); errs[0] == nil || !strings.Contains(errs[0].Error(), "STARTTLS") {
		t.Errorf("got %v, want a word about STARTTLS", errs[0])
	}
}

// A server that never answers is given up, and so is one when the process is told to stop.
func TestSilence(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	o := notify.Options{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: notify.Plain, From: "pim@example.com", Timeout: 200 * time.Millisecond}
	if errs := send(t, o, letter("one", "bo@example.com")); errs[0] == nil {
		t.Error("nobody answered, and it was no failure")
	}
	o.Timeout = time.Hour
	p, err := notify.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Connect(ctx); err == nil {
		t.Error("the context ended, and it was no failure")
	}

	entered, release := make(chan struct{}), make(chan struct{})
	holding := &odd{data: func() error { close(entered); <-release; return nil }}
	o = serve(t, holding)
	defer close(release)
	o.Timeout = time.Hour
	if p, err = notify.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	line, err := p.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	go func() {
		<-entered
		cancel()
	}()
	var f *notify.Failure
	if err := line.Send(letter("one", "bo@example.com")); !errors.As(err, &f) || f.Lasting || !f.Everyone {
		t.Errorf("cut while the server held its answer: got %v", err)
	}
}

func TestSettingsOfThePost(t *testing.T) {
	t.Parallel()
	for what, o := range map[string]notify.Options{
		"no sender": {Host: "h"}, "authorities that are none": {Host: "h", From: "a@b.org", CAs: []byte("nothing")},
	} {
		if _, err := notify.New(o); err == nil {
			t.Errorf("%s: got no error", what)
		}
	}
	p, err := notify.New(notify.Options{Host: "h", From: "PIM <pim@mail.example.com>"})
	if err != nil || p.Domain() != "mail.example.com" {
		t.Errorf("got the domain %q, %v", p.Domain(), err)
	}
}
