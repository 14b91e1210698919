package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Session is somebody who is signed in at a server.
type Session struct {
	Server   string `json:"server"`
	Tenant   string `json:"tenant"` // as it was asked for; empty: the server's first
	CAFile   string `json:"caFile,omitempty"`
	ClientID string `json:"clientId"`
	// Endpoint is where tokens come from, and Scope what they are for.
	Endpoint string `json:"tokenEndpoint"`
	Scope    string `json:"scope"`
	// Who is signed in, as the ID token tells.
	TenantID string `json:"tenantId"`
	ObjectID string `json:"objectId"`
	Account  string `json:"account"`
	Name     string `json:"name"`

	Access  string    `json:"accessToken"`
	Refresh string    `json:"refreshToken"`
	Expires time.Time `json:"expires"`
}

// Session is who is signed in; nil: nobody.
func (c *Client) Session() *Session { return c.session }

// early is how long before its end a token is no longer used: calls take their time.
const early = time.Minute

// token is an access token that holds for a while.
func (c *Client) token(ctx context.Context) (string, error) {
	if c.session == nil {
		return "", ErrSignedOut
	}
	if c.Now().Before(c.session.Expires.Add(-early)) {
		return c.session.Access, nil
	}
	return c.renewed(ctx, nil)
}

// renewed gets an access token by the refresh token. The error is ErrSignedOut when that has ended, or does not bear
// what is demanded.
func (c *Client) renewed(ctx context.Context, demand *Demand) (string, error) {
	if c.session == nil {
		return "", ErrSignedOut
	}
	if c.cache == nil {
		if err := c.refresh(ctx, demand); err != nil {
			return "", err
		}
		return c.session.Access, nil
	}
	// A refresh token works once, and a second use ends the sign-in: of several commands at once one renews, and the
	// others take what it got.
	unlock, err := c.cache.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	had := c.session.Access
	kept, err := c.cache.Load(c.session.Server, c.session.Tenant)
	if err != nil {
		return "", err
	}
	*c.session = *kept
	if demand == nil && kept.Access != had && c.Now().Before(kept.Expires.Add(-early)) {
		return kept.Access, nil
	}
	if err := c.refresh(ctx, demand); err != nil {
		return "", err
	}
	return c.session.Access, c.cache.save(c.session)
}

func (c *Client) refresh(ctx context.Context, demand *Demand) error {
	if c.session.Refresh == "" {
		return ErrSignedOut
	}
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {c.session.Refresh}, "client_id": {c.session.ClientID},
		"scope": {c.session.Scope},
	}
	demand.fill(form)
	t, err := c.askToken(ctx, c.session.Endpoint, form)
	if refused, ok := errors.AsType[*signInError](err); ok {
		return fmt.Errorf("%w: %w", ErrSignedOut, refused)
	}
	if err != nil {
		return err
	}
	return c.session.take(t, c.Now())
}

// tokens is the answer of a token endpoint (RFC 6749 §5.1).
type tokens struct {
	Access    string      `json:"access_token"`
	Refresh   string      `json:"refresh_token"`
	ID        string      `json:"id_token"`
	ExpiresIn json.Number `json:"expires_in"`
}

// signInError is what an endpoint of the sign-in refused (RFC 6749 §5.2).
type signInError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *signInError) Error() string {
	if e.Description != "" {
		return e.Description
	}
	return e.Code
}

// askToken posts to a token endpoint. The error is a *signInError for a refusal.
func (c *Client) askToken(ctx context.Context, endpoint string, form url.Values) (tokens, error) {
	var t tokens
	err := c.post(ctx, endpoint, form, &t)
	if err == nil && t.Access == "" {
		err = errors.New("the sign-in of the server gave no token")
	}
	return t, err
}

// post posts a form to an endpoint of the sign-in.
func (c *Client) post(ctx context.Context, endpoint string, form url.Values, out any) error {
	r, err := c.send(ctx, http.MethodPost, endpoint, "", "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return err
	}
	if r.status/100 == 2 {
		if err := json.Unmarshal(r.body, out); err != nil {
			return errors.New("the sign-in of the server answers something else than JSON")
		}
		return nil
	}
	refused := &signInError{}
	if json.Unmarshal(r.body, refused) == nil && refused.Code != "" && r.status < http.StatusInternalServerError {
		return refused
	}
	return errorOf(r)
}

// take fills in what a token endpoint gave. A refresh token that is not replaced goes on.
func (s *Session) take(t tokens, now time.Time) error {
	seconds, err := t.ExpiresIn.Int64()
	if err != nil || seconds < 0 {
		seconds = 0
	}
	s.Access, s.Expires = t.Access, now.Add(time.Duration(min(seconds, 86400))*time.Second).UTC()
	if t.Refresh != "" {
		s.Refresh = t.Refresh
	}
	if t.ID == "" {
		return nil
	}
	return s.identify(t.ID)
}

// identify reads who signed in. The token came from the issuer itself over TLS, so that its signature adds nothing
// (OpenID Connect Core §3.1.3.7, 6), and the server judges by the access token alone.
func (s *Session) identify(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("the ID token is malformed")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return errors.New("the ID token is malformed")
	}
	var claims struct {
		Subject string `json:"sub"`
		Object  string `json:"oid"`
		Tenant  string `json:"tid"`
		Name    string `json:"name"`
		Account string `json:"preferred_username"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return errors.New("the ID token is malformed")
	}
	if s.ObjectID = claims.Object; s.ObjectID == "" {
		s.ObjectID = claims.Subject
	}
	s.TenantID, s.Name, s.Account = claims.Tenant, claims.Name, claims.Account
	return nil
}
