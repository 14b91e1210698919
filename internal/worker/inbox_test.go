package worker_test

import (
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"portcullis/internal/notify"
)

// inbox is a mail server that takes every mail, unless it is told to do something else first.
type inbox struct {
	port int
	// asked, where set, is called for each recipient; taken before a mail is taken, and held after, before the sender knows.
	asked       func(to string) error
	taken, held func() error

	mu    sync.Mutex
	mails []string // "address Message-ID" of each that was taken
}

// serve answers at a port, 0 for any, until the test ends.
func (b *inbox) serve(t *testing.T, port int) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	b.port = l.Addr().(*net.TCPAddr).Port
	s := smtp.NewServer(b)
	s.Domain = "localhost"
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(l) }() // it ends with the listener
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
}

func (b *inbox) options() notify.Options {
	return notify.Options{Host: "127.0.0.1", Port: b.port, Security: notify.Plain, From: "pim@one.example", Timeout: 10 * time.Second}
}

func (b *inbox) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.mails...)
}

func (b *inbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &delivering{inbox: b}, nil }

type delivering struct {
	*inbox
	to string
}

func (*delivering) Reset()                               {}
func (*delivering) Logout() error                        { return nil }
func (*delivering) Mail(string, *smtp.MailOptions) error { return nil }

func (d *delivering) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	if d.asked == nil {
		return nil
	}
	return d.asked(to)
}

func (d *delivering) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		return err
	}
	if d.taken != nil {
		if err := d.taken(); err != nil {
			return err
		}
	}
	d.mu.Lock()
	d.mails = append(d.mails, d.to+" "+strings.TrimSpace(m.Header.Get("Message-Id")))
	d.mu.Unlock()
	if d.held != nil {
		return d.held()
	}
	return nil
}
