// Package clienttest is a person at the sign-in pages, for tests of what signs in by the device code: it opens the
// page, fills in its forms step by step, and allows or refuses what asks. It needs no browser, for the pages are plain
// forms.
package clienttest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pquerna/otp/totp"
)

// Person is somebody with an account. A Person keeps their cookies: who has proved a second factor need not again.
type Person struct {
	Account, Password string
	// TOTP is the shared secret of their codes, base32.
	TOTP string

	http *http.Client
	// signing keeps one sign-in after the other: two at once, each with the first page of a browser without cookies, would
	// take each other's.
	signing sync.Mutex
}

// New makes a person whose browser trusts the certificates of a file (PEM).
func New(account, password, secret, caFile string) (*Person, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return WithRoots(account, password, secret, pool)
}

// WithRoots is New with the certificates themselves.
func WithRoots(account, password, secret string, pool *x509.CertPool) (*Person, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &Person{Account: account, Password: password, TOTP: secret, http: &http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
	}}, nil
}

const (
	maxSteps = 8
	maxPage  = 1 << 20
)

var (
	fields = regexp.MustCompile(`<input[^>]*name="([a-z_]+)"[^>]*>`)
	value  = regexp.MustCompile(`value="([^"]*)"`)
	alert  = regexp.MustCompile(`role="alert">([^<]*)<`)
)

// Answer opens the page of a device, enters its code, signs in as far as the pages ask, and allows or refuses.
func (p *Person) Answer(ctx context.Context, page, code string, allow bool) error {
	p.signing.Lock()
	defer p.signing.Unlock()
	at, text, err := p.get(ctx, page)
	for range maxSteps {
		if err != nil {
			return err
		}
		form := hidden(text)
		switch {
		case strings.Contains(text, ">Done<"):
			return nil
		case strings.Contains(text, `name="user_code"`):
			form.Set("user_code", code)
		case strings.Contains(text, `name="password"`):
			form.Set("username", p.Account)
			form.Set("password", p.Password)
		case strings.Contains(text, `name="totp"`):
			digits, err := totp.GenerateCode(p.TOTP, time.Now())
			if err != nil {
				return err
			}
			form.Set("totp", digits)
		case strings.Contains(text, `name="answer"`):
			form.Set("answer", map[bool]string{true: "allow", false: "deny"}[allow])
		default:
			return fmt.Errorf("the page asks for something else:\n%s", text)
		}
		if at, text, err = p.post(ctx, at, form); err == nil {
			if complaint := alert.FindStringSubmatch(text); complaint != nil {
				return errors.New(html.UnescapeString(complaint[1]))
			}
		}
	}
	return errors.New("the sign-in goes on for ever")
}

func hidden(page string) url.Values {
	form := url.Values{}
	for _, tag := range fields.FindAllStringSubmatch(page, -1) {
		if v := value.FindStringSubmatch(tag[0]); v != nil && strings.Contains(tag[0], `type="hidden"`) {
			form.Set(tag[1], html.UnescapeString(v[1]))
		}
	}
	return form
}

func (p *Person) get(ctx context.Context, address string) (string, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", "", err
	}
	return p.do(r)
}

func (p *Person) post(ctx context.Context, address string, form url.Values) (string, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(r)
}

// Post posts to an address of the same server, and wants success.
func (p *Person) Post(ctx context.Context, address, kind, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	resp, err := p.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	return nil
}

// do returns where the browser is then, and what it shows.
func (p *Person) do(r *http.Request) (string, string, error) {
	resp, err := p.http.Do(r)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	return resp.Request.URL.String(), string(text), err
}
