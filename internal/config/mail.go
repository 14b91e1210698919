package config

import (
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// Mail says how people are told of what happens. Without a host nobody is, and nothing is kept to be told.
type Mail struct {
	// Host is the mail server that takes the mails, Port its port. Zero: 587, or 465 with tls.
	Host string `koanf:"host"`
	Port int    `koanf:"port"`
	// TLS is starttls (the default; a server that does not offer it gets nothing), tls from the first byte, or none, which
	// is for a server on this machine.
	TLS string `koanf:"tls"`
	// CAFile holds certificates, in PEM, of authorities to believe instead of those of the system.
	CAFile string `koanf:"caFile"`
	// User signs in with the password. Empty: nobody signs in.
	User string `koanf:"user"`
	// Password is the user's; PasswordFile is a file that holds it.
	Password     string `koanf:"password"`
	PasswordFile string `koanf:"passwordFile"`
	// From is the sender: an address, or a name with an address in angle brackets.
	From string `koanf:"from"`
	// UserPrincipalNames says that people without a mail address are reached at their user principal name.
	UserPrincipalNames bool `koanf:"userPrincipalNames"`
	// Digest is when approvers are told daily what waits for them, in UTC. Empty: 07:00; off: never.
	Digest string `koanf:"digest"`
}

// The ways in which mails are protected on their way to the server.
const (
	StartTLS    = "starttls"
	ImplicitTLS = "tls"
	NoTLS       = "none"
)

// noDigest is the value of Digest that sends none.
const noDigest = "off"

func (m Mail) withDefaults() Mail {
	m.TLS, m.Digest = or(m.TLS, StartTLS), or(m.Digest, "07:00")
	if m.Port == 0 {
		m.Port = 587
		if m.TLS == ImplicitTLS {
			m.Port = 465
		}
	}
	return m
}

func (m Mail) validate() []error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("mail."+format, args...)) }
	if m.Host == "" {
		if m.From != "" || m.User != "" || m.Password != "" || m.PasswordFile != "" {
			bad("host: missing; it is the mail server that takes the mails")
		}
		return wrong
	}
	if strings.ContainsAny(m.Host, " /@:") && !strings.HasPrefix(m.Host, "[") && strings.Count(m.Host, ":") < 2 {
		bad("host: %q must be a host name without a port", m.Host)
	}
	if m.Port < 1 || m.Port > 65535 {
		bad("port: %d is no port", m.Port)
	}
	if !oneOf(m.TLS, StartTLS, ImplicitTLS, NoTLS) {
		bad("tls: %q is none of starttls, tls, none", m.TLS)
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		bad("from: %q is no mail address", m.From)
	}
	if m.Password != "" && m.PasswordFile != "" {
		bad("password: set password or passwordFile, one of them")
	}
	if (m.User == "") != (m.Password == "" && m.PasswordFile == "") {
		bad("user: user and password come together")
	}
	if m.User != "" && m.TLS == NoTLS {
		bad("tls: a password is not sent without encryption")
	}
	if _, _, err := m.DigestTime(); err != nil {
		bad("digest: %w", err)
	}
	return wrong
}

// DigestTime is how long after midnight, UTC, the daily digest is sent; false: never.
func (m Mail) DigestTime() (time.Duration, bool, error) {
	text := or(m.Digest, "07:00")
	if text == noDigest {
		return 0, false, nil
	}
	at, err := time.Parse("15:04", text)
	if err != nil {
		return 0, false, fmt.Errorf("%q must be a time of day such as 07:00, or off", text)
	}
	return at.Sub(at.Truncate(24 * time.Hour)), true, nil
}

// Secret is the password of the user, read from its file where it is kept there.
func (m Mail) Secret() (string, error) {
	text, err := secret(m.Password, m.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("mail.passwordFile: %w", err)
	}
	return text, nil
}
