package server

import (
	"context"
	"os"

	"portcullis/internal/app"
	"portcullis/internal/config"
	"portcullis/internal/notify"
	"portcullis/internal/worker"
)

// mailsKept is for how many days a mail is shown that has come to its end.
const mailsKept = 30

// maxAuthorities bounds the file of certificates of the mail server's authorities.
const maxAuthorities = 1 << 20

// openMail has people told what happens, where the settings say by which mail server. A server that is down keeps nobody
// from starting.
func (s *Server) openMail(context.Context) error {
	m := s.settings.Mail
	if m.Host == "" {
		return nil
	}
	s.App.Tell = s.tell
	if s.settings.NoWorker {
		return nil // other nodes send
	}
	post, err := s.post(m)
	if err != nil {
		return unable(ExitSettings, "mail: %w", err)
	}
	writer, err := notify.NewWriter(s.url, post.Domain())
	if err != nil {
		return unable(ExitFailure, "mail: %w", err)
	}
	at, daily, err := m.DigestTime()
	if err != nil {
		return unable(ExitSettings, "mail.digest: %w", err)
	}
	s.mails = &worker.Mails{
		App: s.App, Store: s.Store, Post: post, Writer: writer, ByPrincipalName: m.UserPrincipalNames,
		Daily: daily, DailyAt: at, Holder: app.NewID(), Now: s.App.Time, Log: s.Log,
	}
	return nil
}

func (s *Server) post(m config.Mail) (*notify.Post, error) {
	password, err := m.Secret()
	if err != nil {
		return nil, err
	}
	o := notify.Options{Host: m.Host, Port: m.Port, User: m.User, Password: password, From: m.From}
	switch m.TLS {
	case config.ImplicitTLS:
		o.Security = notify.ImplicitTLS
	case config.NoTLS:
		o.Security = notify.Plain
	default:
		o.Security = notify.StartTLS
	}
	if m.CAFile != "" {
		if info, err := os.Stat(m.CAFile); err != nil || info.Size() > maxAuthorities {
			return nil, unable(ExitSettings, "caFile: %s cannot be read, or is too large to be certificates", m.CAFile)
		}
		if o.CAs, err = os.ReadFile(m.CAFile); err != nil {
			return nil, err
		}
	}
	return notify.New(o)
}

// tell says that something is to be told.
func (s *Server) tell() {
	if s.mails != nil {
		s.mails.Wake()
	}
}

// forgetMails deletes those that came to their end long ago.
func (s *Server) forgetMails(ctx context.Context) error {
	return purge(func() (int, error) { return s.Store.PurgeMails(ctx, s.App.Time().AddDate(0, 0, -mailsKept), tidyLimit) })
}
