package idp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// The cookies. The prefix keeps other hosts and plain HTTP from setting them (RFC 6265bis §4.1.3.2). They are lax, for
// a sign-in begins with a link from another site.
const (
	cookieSession = "__Host-pim-session"
	// cookieBrowser ties sign-ins and forms to the browser they were begun in.
	cookieBrowser = "__Host-pim-browser"
	// sessionTouch is how exactly the last use of a session is kept.
	sessionTouch = time.Minute
)

// session is a browser in which somebody has signed in.
type session struct {
	Tenant  pim.TenantID
	Person  pim.PrincipalID
	Proof   proof
	Created time.Time
	Seen    time.Time
	// Password is the fingerprint of the password they had: another ends the session.
	Password string
	// Enrol is the secret of a second factor that is being set up.
	Enrol string `json:",omitempty"`

	// id is the cookie's value; empty: nobody is signed in.
	id string
}

func cookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func cookieOf(h http.Header, name string) string {
	c, err := (&http.Request{Header: h}).Cookie(name)
	if err != nil || len(c.Value) != nameLength {
		return ""
	}
	return c.Value
}

// browserOf returns the value of the browser's cookie; where it has none, a new one to set.
func browserOf(h http.Header) (string, *http.Cookie) {
	if value := cookieOf(h, cookieBrowser); value != "" {
		return value, nil
	}
	c := cookie(cookieBrowser, newName())
	return c.Value, c
}

// sessionOf reads the browser's session; the zero value where nobody is signed in any more.
func (p *Provider) sessionOf(ctx context.Context, h http.Header) (session, error) {
	id := cookieOf(h, cookieSession)
	if id == "" {
		return session{}, nil
	}
	now := p.Now()
	k, err := get[session](ctx, p.Store, kindSession, id, now)
	if errors.Is(err, store.ErrNotFound) {
		return session{}, nil
	}
	if err != nil {
		return session{}, err
	}
	s := k.Value
	s.id = id
	_, _, err = p.personByID(ctx, s.Tenant, s.Person, s.Password)
	if errors.Is(err, errRefused) {
		return session{}, nil
	}
	if err != nil {
		return session{}, err
	}
	if now.Sub(s.Seen) >= sessionTouch {
		s.Seen = now
		return s, p.saveSession(ctx, s)
	}
	return s, nil
}

// saveSession keeps a session under the id it has.
func (p *Provider) saveSession(ctx context.Context, s session) error {
	end, limit := s.Seen.Add(p.SessionIdle), s.Created.Add(p.SessionLimit)
	if limit.Before(end) {
		end = limit
	}
	return put(ctx, p.Store, kindSession, s.id, s, end)
}

// renewSession gives a session a new id, for the old one was known before the person proved who they are, and sets its
// cookie.
func (p *Provider) renewSession(ctx context.Context, w http.ResponseWriter, s session) (session, error) {
	old := s.id
	s.id, s.Seen = newName(), p.Now()
	if err := p.saveSession(ctx, s); err != nil {
		return s, err
	}
	http.SetCookie(w, cookie(cookieSession, s.id))
	if old == "" {
		return s, nil
	}
	return s, drop(ctx, p.Store, kindSession, old)
}

// endSession forgets a session and its cookie.
func (p *Provider) endSession(ctx context.Context, w http.ResponseWriter, s session) error {
	gone := cookie(cookieSession, "")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	if s.id == "" {
		return nil
	}
	return drop(ctx, p.Store, kindSession, s.id)
}

// formToken is the hidden field of a form: only this server, asked by the browser that holds the cookie, can give it,
// and it is good for one purpose.
func formToken(browser, purpose string) string {
	m := hmac.New(sha256.New, []byte(browser))
	m.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// formFits says whether a form was given to this browser for the purpose. A request from another site brings no
// cookie, and what another site wrote brings no token; a browser that says where it comes from must say here.
func formFits(r *http.Request, purpose string) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	browser := cookieOf(r.Header, cookieBrowser)
	want := formToken(browser, purpose)
	return browser != "" && hmac.Equal([]byte(want), []byte(r.PostForm.Get("csrf")))
}
