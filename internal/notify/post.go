package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// Security says how the way to the mail server is protected. The zero value is StartTLS.
type Security int

// The ways.
const (
	// StartTLS demands STARTTLS (RFC 3207): a server that does not offer it gets nothing.
	StartTLS Security = iota
	// ImplicitTLS speaks TLS from the first byte (RFC 8314).
	ImplicitTLS
	// Plain is unprotected, and never signs in.
	Plain
)

// Options say which mail server takes the mails.
type Options struct {
	Host     string
	Port     int
	Security Security
	// CAs are PEM certificates of the authorities to believe; empty: those of the system.
	CAs []byte
	// User and Password sign in (RFC 4954). Empty user: nobody does.
	User, Password string
	// From is the sender, as in a header.
	From string
	// Timeout bounds connecting, and the handing over of each mail. Zero: 30 s.
	Timeout time.Duration
}

// Post hands letters to one mail server. Make it with New.
type Post struct {
	o    Options
	from *netmail.Address
	tls  *tls.Config
}

// New makes a post. It connects to nobody yet.
func New(o Options) (*Post, error) {
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("the sender %q is no mail address", o.From)
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	p := &Post{o: o, from: from, tls: &tls.Config{ServerName: o.Host, MinVersion: tls.VersionTLS12}}
	if len(o.CAs) > 0 {
		p.tls.RootCAs = x509.NewCertPool()
		if !p.tls.RootCAs.AppendCertsFromPEM(o.CAs) {
			return nil, errors.New("the file of authorities holds no certificate in PEM")
		}
	}
	return p, nil
}

// Domain is that of the sender.
func (p *Post) Domain() string { return p.from.Address[strings.LastIndexByte(p.from.Address, '@')+1:] }

// Timeout is the most that handing over one letter takes, and that connecting takes.
func (p *Post) Timeout() time.Duration { return p.o.Timeout }

// Failure says why a letter was not taken.
type Failure struct {
	// Lasting: the server will never take this letter, and said so (RFC 5321 §4.2.1, 5yz).
	Lasting bool
	// Everyone: no letter goes now, so that the connection is of no more use.
	Everyone bool
	Err      error
}

func (f *Failure) Error() string { return f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

// Line is a connection to the server, signed in, on which letters are handed over one after the other.
type Line struct {
	post   *Post
	client *mail.Client
	conn   net.Conn
	stop   func() bool // of what cuts it
}

// Connect opens a line, which the end of the context cuts. Whoever got it closes it. The error is a *Failure.
func (p *Post) Connect(ctx context.Context) (*Line, error) {
	l := &Line{post: p}
	options := []mail.Option{
		mail.WithPort(p.o.Port), mail.WithTimeout(p.o.Timeout), mail.WithTLSConfig(p.tls), mail.WithoutNoop(),
		mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			return l.dial(ctx, dialing, network, address)
		}),
	}
	switch p.o.Security {
	case StartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case ImplicitTLS:
		options = append(options, mail.WithSSL())
	case Plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if p.o.User != "" {
		options = append(options, mail.WithUsername(p.o.User), mail.WithPassword(p.o.Password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	var err error
	if l.client, err = mail.NewClient(p.o.Host, options...); err == nil {
		err = l.open(ctx)
	}
	if err != nil {
		return nil, &Failure{Everyone: true, Err: fmt.Errorf("the mail server %s: %w", net.JoinHostPort(p.o.Host, fmt.Sprint(p.o.Port)), err)}
	}
	return l, nil
}

// dial connects, and has the end of the line's context cut the connection. The other context is that of dialing alone.
func (l *Line) dial(ctx, dialing context.Context, network, address string) (net.Conn, error) {
	var err error
	if l.post.o.Security == ImplicitTLS {
		l.conn, err = (&tls.Dialer{Config: l.post.tls}).DialContext(dialing, network, address)
	} else {
		l.conn, err = new(net.Dialer).DialContext(dialing, network, address)
	}
	if err == nil {
		conn := l.conn
		l.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	return l.conn, err
}

func (l *Line) open(ctx context.Context) error {
	err := l.client.DialWithContext(ctx)
	if err != nil {
		l.cut()
	}
	return err
}

func (l *Line) cut() {
	if l.stop != nil && l.stop() {
		_ = l.conn.Close() // nothing more is said on it
	}
}

// Close ends the line.
func (l *Line) Close() {
	_ = l.client.Close() // what was handed over was acknowledged before
	l.cut()
}

// Send hands over a letter. Nil: the server took it. The error is a *Failure; where it says nothing of the server's answer,
// the server may have taken the letter all the same.
func (l *Line) Send(letter Letter) error {
	m, err := l.post.message(letter)
	if err != nil {
		return &Failure{Lasting: true, Err: err}
	}
	err = l.client.Send(m)
	if err == nil || m.IsDelivered() {
		return nil
	}
	failed := &Failure{Err: errors.New(told(err))}
	refused, ok := errors.AsType[*mail.SendError](err)
	if !ok {
		failed.Everyone = true
		return failed
	}
	switch code := refused.ErrorCode(); {
	case refused.Reason == mail.ErrGetRcpts || refused.Reason == mail.ErrNoUnencoded:
		failed.Lasting = true
	case code < 400, code == 421, refused.Reason == mail.ErrSMTPMailFrom:
		failed.Everyone = true // nobody answers, the server closes, or does not like the sender
	case code >= 500:
		failed.Lasting = true
	}
	return failed
}

// told is what an error says of the server's answer, without what the letter tells itself.
func told(err error) string {
	text, _, _ := strings.Cut(err.Error(), ", affected ")
	return text
}

// message puts a letter into the form of RFC 5322, in plain text and HTML (RFC 2046 §5.1.4). The header of RFC 3834 keeps
// machines from answering.
func (p *Post) message(letter Letter) (*mail.Msg, error) {
	address, _, ok := Address(letter.Address)
	if !ok {
		return nil, fmt.Errorf("%q is no mail address", line(letter.Address, mostName))
	}
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	m.FromMailAddress(p.from)
	// Package mail writes a backslash beside letters that are not ASCII in a way that nobody can read, itself included.
	name := strings.ReplaceAll(letter.Name, `\`, "/")
	m.ToMailAddress(&netmail.Address{Name: name, Address: address})
	m.Subject(line(letter.Subject, mostTitle+len("PIM: ")))
	m.SetMessageIDWithValue(letter.MessageID)
	m.SetDate()
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetBodyString(mail.TypeTextPlain, letter.Text)
	m.AddAlternativeString(mail.TypeTextHTML, letter.HTML)
	return m, nil
}
