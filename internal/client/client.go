// Package client talks to a Portcullis server as the command line does: over its public interfaces alone, which are
// Microsoft Graph's words and the server's own small surface under /portcullis/v1.
//
// It signs people in by the device code (RFC 8628), keeps what they were given in a folder that only they can read,
// renews it, and steps up to a second factor or an authentication context where the server asks for one. A token is
// sent to nothing but the server it was given for: redirects are not followed, and links to other hosts are errors.
//
// Every call is bounded: in time by the context and a time-out for each try, in size by MaxAnswer. What may be repeated
// is, when the server asks for that (429, 503 with Retry-After), and longer by Call. What the server refuses is an *Error; a server that
// cannot be reached is an *Unreachable; ErrSignedOut says that somebody has to sign in.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxAnswer is the longest answer in bytes that is read.
const MaxAnswer = 16 << 20

// CommandLineID is the application that the command line signs people in with, unless told otherwise. A tenant has a
// public application with this client id.
const CommandLineID = "7f3c2a54-5d0e-4b1c-9a66-2e8d1c40b9a7"

const tryTimeout = 30 * time.Second

// Options say which server, and how to reach it. Server is required.
type Options struct {
	// Server is the origin: https://host or https://host:port.
	Server string
	// Tenant is a tenant's id or domain; empty: the one the server names first.
	Tenant string
	// CAFile is a file with certificates (PEM) that are trusted beside the machine's own; empty: none.
	CAFile string
	// ClientID is the application; empty: CommandLineID.
	ClientID string
	// Agent names the program to the server; empty: portcullis.
	Agent string
	// Now is the clock, and Sleep waits; nil: the real ones. Sleep returns the context's error when that ends first.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// Client is one server and whoever is signed in at it. It is for one goroutine, but for Call.
type Client struct {
	Options
	http *http.Client
	// mu holds for tokens, which are used and renewed by many calls at once.
	mu      sync.Mutex
	session *Session
	cache   *Cache
}

// New makes a client for somebody who is not signed in. The error says what is wrong with the options.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("the server's address %q must be https://host or https://host:port", o.Server)
	}
	o.Server = "https://" + strings.ToLower(u.Host)
	if o.ClientID == "" {
		o.ClientID = CommandLineID
	}
	if o.Agent == "" {
		o.Agent = "portcullis"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = Sleep
	}
	trust, err := trusted(o.CAFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trust}
	transport.ForceAttemptHTTP2 = true
	return &Client{Options: o, http: &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a token is carried nowhere
		},
	}}, nil
}

// trusted are the machine's own authorities and those of a file.
func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// Sleep waits, or returns the context's error when that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// reply is one answer, read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request with the person's token and reads a JSON answer into out, which may be nil. path is below the
// server's address and may have a query.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	return c.exchange(ctx, method, path, in, out, c.tokenAfter, briefly)
}

func pathOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}

// send sends a request, again where the server asks for that and repeating it is harmless.
func (c *Client) send(ctx context.Context, method, address, token, kind string, body []byte) (reply, error) {
	return c.sendWith(ctx, briefly, method, address, token, kind, body)
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds or a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(min(n, 86400)) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

func (c *Client) try(ctx context.Context, method, address, token, kind string, body []byte) (reply, error) {
	tryCtx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(tryCtx, method, address, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.Agent)
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		return reply{}, c.unreachable(ctx, err)
	}
	if len(text) > MaxAnswer {
		return reply{}, fmt.Errorf("the answer of %s is longer than %d bytes", c.Server, MaxAnswer)
	}
	return reply{resp.StatusCode, resp.Header, text}, nil
}

// unreachable wraps what went wrong on the way. The end of the caller's own context is passed on as it is.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// The address, which net/http repeats, may hold what was asked for; the cause is enough.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &Unreachable{Server: c.Server, Err: err}
}
