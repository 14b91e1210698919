package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Origin is scheme and host of the server.
func (c *Client) Origin() string { return c.Server }

// Call sends a request to a path, which may have a query, and reads the JSON answer into out, which may be nil. It is for those who
// read or write much: reading is repeated for as long as a few minutes where the server asks for it, fails or cannot be reached, and
// writing where the server turned it away at the door. The error is an *Error, an *Unreachable or ErrSignedOut. It is safe for
// concurrent use.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	return c.exchange(ctx, method, path, in, out, c.tokenAfter, patiently)
}

// tokenAfter is a token that holds for a while, and another one than the one that the server refused.
func (c *Client) tokenAfter(ctx context.Context, refused string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case refused == "":
		return c.token(ctx)
	case c.session != nil && c.session.Access != refused:
		return c.session.Access, nil // another call has renewed it
	}
	return c.renewed(ctx, nil)
}

// exchange sends a request and reads the answer. token gets a token, or another one than the one that the server refused.
func (c *Client) exchange(
	ctx context.Context, method, path string, in, out any, token func(ctx context.Context, refused string) (string, error), p persistence,
) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
	}
	bearer, err := token(ctx, "")
	if err != nil {
		return err
	}
	r, err := c.sendWith(ctx, p, method, c.Server+path, bearer, "application/json", body)
	if err != nil {
		return err
	}
	if r.status == http.StatusUnauthorized {
		// The server knows better than our clock: it may have been restarted with other keys.
		if bearer, err = token(ctx, bearer); err != nil {
			return err
		}
		if r, err = c.sendWith(ctx, p, method, c.Server+path, bearer, "application/json", body); err != nil {
			return err
		}
	}
	if r.status/100 != 2 {
		return errorOf(r)
	}
	if out == nil || len(bytes.TrimSpace(r.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.body, out); err != nil {
		return fmt.Errorf("the answer to %s %s is not the JSON that is expected: %w", method, pathOf(path), err)
	}
	return nil
}

// persistence bounds how often and how long a call is repeated.
type persistence struct {
	tries    int
	patience time.Duration
	// faults says that reading is repeated also where the server fails or cannot be reached.
	faults bool
}

var (
	// briefly is for somebody who waits, patiently for work that goes on for long.
	briefly   = persistence{tries: 4, patience: 20 * time.Second}
	patiently = persistence{tries: 8, patience: 5 * time.Minute, faults: true}
)

// longestPause is the longest wait that no server asked for.
const longestPause = 30 * time.Second

// again says whether a call that was answered so may be repeated: what was turned away at the door did nothing, and reading does
// nothing.
func (p persistence) again(method string, status int) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return method == http.MethodGet
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return method == http.MethodGet && p.faults
	}
	return false
}

// anew says whether a call that was not answered may be repeated.
func (p persistence) anew(method string, err error) bool {
	_, lost := errors.AsType[*Unreachable](err)
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return p.faults && method == http.MethodGet && lost && !distrusted
}

// pause is how long to wait after a try: what the server asks for, else ever longer.
func (p persistence) pause(h http.Header, now time.Time, try int) time.Duration {
	if asked, ok := retryAfter(h, now); ok {
		return asked
	}
	if !p.faults {
		return time.Duration(try) * time.Second
	}
	return min(time.Second<<(try-1), longestPause)
}

// sendWith sends a request, again where that is harmless and may help.
func (c *Client) sendWith(ctx context.Context, p persistence, method, address, token, kind string, body []byte) (reply, error) {
	waited := time.Duration(0)
	for try := 1; ; try++ {
		r, err := c.try(ctx, method, address, token, kind, body)
		repeat := err == nil && p.again(method, r.status) || err != nil && p.anew(method, err)
		if !repeat || try == p.tries {
			return r, err
		}
		pause := p.pause(r.header, c.Now(), try)
		if waited += pause; waited > p.patience {
			return r, err
		}
		if err := c.Sleep(ctx, pause); err != nil {
			return r, err
		}
	}
}
