package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Prompt is what a person has to do to sign in on another device (RFC 8628 §3.3).
type Prompt struct {
	// Address is the page to open, and Code what to enter there; Complete leads there with the code filled in.
	Address, Code, Complete string
	// Expires is when the code ends.
	Expires time.Time
}

// provider is what the sign-in of a server says of itself (OpenID Connect Discovery §3).
type provider struct {
	Token  string `json:"token_endpoint"`
	Device string `json:"device_authorization_endpoint"`
}

// discover reads the discovery document. The error is an *Error for a tenant that is not there.
func (c *Client) discover(ctx context.Context) (provider, error) {
	address := c.Server + "/.well-known/openid-configuration"
	if c.Tenant != "" {
		address = c.Server + "/" + url.PathEscape(c.Tenant) + "/v2.0/.well-known/openid-configuration"
	}
	r, err := c.send(ctx, http.MethodGet, address, "", "", nil)
	if err != nil {
		return provider{}, err
	}
	var p provider
	if r.status != http.StatusOK {
		if c.Tenant != "" && r.status < http.StatusInternalServerError {
			return p, &Error{Status: r.status, Code: "invalid_tenant", Message: fmt.Sprintf("The server knows no tenant %q.", c.Tenant)}
		}
		return p, errorOf(r)
	}
	if err := json.Unmarshal(r.body, &p); err != nil {
		return p, fmt.Errorf("%s: the discovery document is not JSON", c.Server)
	}
	for _, endpoint := range []string{p.Token, p.Device} {
		if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
			return p, fmt.Errorf("%s offers no sign-in by device code", c.Server)
		}
	}
	return p, nil
}

// scopeAt are the scopes that are asked for: everything that the application may do at the server that issues the
// tokens, who it is that signs in, and that the sign-in lasts.
func scopeAt(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host + "/.default openid profile offline_access", nil
}

// device is the answer of the device endpoint (RFC 8628 §3.2), with the name that old servers give the address.
type device struct {
	Code     string      `json:"device_code"`
	UserCode string      `json:"user_code"`
	URI      string      `json:"verification_uri"`
	OldURI   string      `json:"verification_url"`
	Complete string      `json:"verification_uri_complete"`
	Expires  json.Number `json:"expires_in"`
	Interval json.Number `json:"interval"`
}

// ErrDenied and ErrExpired say how a sign-in ended without one.
var (
	ErrDenied  = errors.New("the sign-in was refused on the page")
	ErrExpired = errors.New("the code expired before anybody signed in")
)

// SignIn signs a person in by the device code: tell shows them what to do, and SignIn returns when they have done it.
// Demand is what they have to prove; nil: whatever the server asks of everybody. Errors are ErrDenied, ErrExpired, what
// the context ends with, an *Error, or an *Unreachable.
func (c *Client) SignIn(ctx context.Context, demand *Demand, tell func(Prompt)) error {
	p, err := c.discover(ctx)
	if err != nil {
		return err
	}
	scope, err := scopeAt(p.Token)
	if err != nil {
		return err
	}
	form := url.Values{"client_id": {c.ClientID}, "scope": {scope}}
	demand.fill(form)
	var d device
	if err := c.post(ctx, p.Device, form, &d); err != nil {
		return signInRefused(err)
	}
	deadline := c.Now().Add(seconds(d.Expires, 900))
	address := d.URI
	if address == "" {
		address = d.OldURI
	}
	tell(Prompt{Address: address, Code: d.UserCode, Complete: d.Complete, Expires: deadline})
	t, err := c.poll(ctx, p.Token, d, deadline)
	if err != nil {
		return err
	}
	s := &Session{
		Server: c.Server, Tenant: c.Tenant, CAFile: c.CAFile, ClientID: c.ClientID, Endpoint: p.Token, Scope: scope,
	}
	if err := s.take(t, c.Now()); err != nil {
		return err
	}
	c.session = s
	return c.keep()
}

// keep writes who is signed in, where there is a cache.
func (c *Client) keep() error {
	if c.cache == nil {
		return nil
	}
	unlock, err := c.cache.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return c.cache.save(c.session)
}

// poll asks until the person is done (RFC 8628 §3.4 and §3.5).
func (c *Client) poll(ctx context.Context, endpoint string, d device, deadline time.Time) (tokens, error) {
	interval := seconds(d.Interval, 5)
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d.Code}, "client_id": {c.ClientID},
	}
	for c.Now().Before(deadline) {
		if err := c.Sleep(ctx, interval); err != nil {
			return tokens{}, err
		}
		t, err := c.askToken(ctx, endpoint, form)
		refused, ok := errors.AsType[*signInError](err)
		switch {
		case err == nil:
			return t, nil
		case !ok:
			// A moment without network does not end a sign-in that takes minutes (RFC 8628 §3.5).
			if _, away := errors.AsType[*Unreachable](err); !away {
				return t, err
			}
			interval = min(2*interval, time.Minute)
		case refused.Code == "slow_down":
			interval += 5 * time.Second
		case refused.Code == "authorization_pending":
		case refused.Code == "access_denied":
			return t, ErrDenied
		case refused.Code == "expired_token":
			return t, ErrExpired
		default:
			return t, signInRefused(err)
		}
	}
	return tokens{}, ErrExpired
}

// seconds reads a number of seconds, at most an hour; otherwise for one that is none.
func seconds(n json.Number, otherwise int64) time.Duration {
	v, err := n.Int64()
	if err != nil || v <= 0 {
		v = otherwise
	}
	return time.Duration(min(v, 3600)) * time.Second
}

// signInRefused makes a refusal of the sign-in an *Error.
func signInRefused(err error) error {
	if refused, ok := errors.AsType[*signInError](err); ok {
		return &Error{Status: http.StatusBadRequest, Code: refused.Code, Message: refused.Error()}
	}
	return err
}

// StepUp proves what is demanded: silently, where the sign-in already bears it, and else by signing in once more. It is
// an error to come back as somebody else.
func (c *Client) StepUp(ctx context.Context, demand *Demand, tell func(Prompt)) error {
	before := c.session
	if before == nil {
		return ErrSignedOut
	}
	_, err := c.renewed(ctx, demand)
	if err == nil || !errors.Is(err, ErrSignedOut) {
		return err
	}
	was := before.ObjectID
	cache := c.cache
	c.cache = nil // nobody else is kept before it is known who came
	err = c.SignIn(ctx, demand, tell)
	c.cache = cache
	if err != nil {
		c.session = before
		return err
	}
	if !strings.EqualFold(c.session.ObjectID, was) {
		other := c.session.Account
		c.session = before
		return fmt.Errorf("%s signed in, but %s was asked to prove more", other, before.Account)
	}
	return c.keep()
}
