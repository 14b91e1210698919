package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portcullis/internal/config"
)

// What is wrong with the settings of mails, in words that name the key.
func TestMailSettings(t *testing.T) {
	good := func() config.Mail { return config.Mail{Host: "smtp.example.com", From: "PIM <pim@example.com>"} }
	for _, fact := range []struct {
		what   string
		change func(*config.Mail)
		want   string // a part of the error; empty: none
	}{
		{"the least that works", func(*config.Mail) {}, ""},
		{"nothing at all", func(m *config.Mail) { *m = config.Mail{} }, ""},
		{"no host", func(m *config.Mail) { m.Host = "" }, "mail.host"},
		{"a host with a port", func(m *config.Mail) { m.Host = "smtp.example.com:25" }, "mail.host"},
		{"an IPv6 host", func(m *config.Mail) { m.Host = "::1" }, ""},
		{"a port that is none", func(m *config.Mail) { m.Port = 70000 }, "mail.port"},
		{"an unknown mode", func(m *config.Mail) { m.TLS = "maybe" }, "mail.tls"},
		{"no sender", func(m *config.Mail) { m.From = "" }, "mail.from"},
		{"a sender that breaks a line", func(m *config.Mail) { m.From = "a@example.com\r\nBcc: b@example.com" }, "mail.from"},
		{"a user without a password", func(m *config.Mail) { m.User = "u" }, "mail.user"},
		{"a password without a user", func(m *config.Mail) { m.PasswordFile = "f" }, "mail.user"},
		{"two passwords", func(m *config.Mail) { m.User, m.Password, m.PasswordFile = "u", "p", "f" }, "mail.password"},
		{"a password in the clear", func(m *config.Mail) { m.User, m.Password, m.TLS = "u", "p", config.NoTLS }, "mail.tls"},
		{"no digest", func(m *config.Mail) { m.Digest = "off" }, ""},
		{"a digest at no time", func(m *config.Mail) { m.Digest = "7 o'clock" }, "mail.digest"},
	} {
		m := good()
		fact.change(&m)
		err := config.Settings{Mail: m}.Validate()
		switch {
		case fact.want == "" && err != nil:
			t.Errorf("%s: %v", fact.what, err)
		case fact.want != "" && (err == nil || !strings.Contains(err.Error(), fact.want)):
			t.Errorf("%s: got %v, want %s", fact.what, err, fact.want)
		}
	}
	d := config.Settings{Mail: good()}.WithDefaults().Mail
	if at, on, err := d.DigestTime(); d.Port != 587 || d.TLS != config.StartTLS || at != 7*time.Hour || !on || err != nil {
		t.Errorf("got the defaults %+v, digest at %s (%v, %v)", d, at, on, err)
	}
}

// The password comes from its file, and no error shows it.
func TestMailPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (config.Mail{PasswordFile: file}).Secret(); got != "s3cret" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := (config.Mail{PasswordFile: file + "x"}).Secret(); err == nil {
		t.Error("a file that is not there: got no error")
	}
	err := config.Settings{Mail: config.Mail{Host: "h", Password: "s3cret"}}.Validate()
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want an error without the password", err)
	}
	text := filepath.Join(t.TempDir(), "pim.yaml")
	if err := os.WriteFile(text, []byte("mail:\n  hots: smtp.example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(text, nil, nil); err == nil || !strings.Contains(err.Error(), `"mail.host"`) {
		t.Errorf("an unknown key: got %v, want one that names mail.host", err)
	}
}
