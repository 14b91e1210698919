package house

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/html"
)

// Person is somebody of the sample organisation, with what they know and their authenticator app.
type Person struct {
	ID                string `json:"id"`
	UserPrincipalName string `json:"userPrincipalName"`
	DisplayName       string `json:"displayName"`
	Password          string `json:"password"`
	TOTPSecret        string `json:"totpSecret"`

	mu   sync.Mutex
	last int64 // the step of the last code, for a code works once
}

const totpStep = 30 // seconds

// code is the next one-time code (RFC 6238). Where the app has shown all that the server takes now, it waits.
func (p *Person) code(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	step := max(time.Now().Unix()/totpStep, p.last+1)
	// The server forgives clocks that are one step ahead, no more.
	if early := time.Until(time.Unix((step-1)*totpStep, 0)); early > 0 {
		wait := time.NewTimer(early)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	p.last = step
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(p.TOTPSecret)
	if err != nil {
		return "", fmt.Errorf("secret of %s: %w", p.UserPrincipalName, err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000), nil
}

// Browser fills in forms as a person does in a browser without scripts. It keeps cookies, so that a second sign-in in it
// knows the person.
type Browser struct {
	client *http.Client
	person *Person
	// Asked are the steps of the pages that were shown, in order.
	Asked []string
	// Refuses makes the person say no to the device.
	Refuses bool
}

// NewBrowser opens a browser that knows nobody yet.
func (s *Server) NewBrowser(p *Person) *Browser {
	jar, _ := cookiejar.New(nil) // it fails for options alone
	return &Browser{client: &http.Client{Transport: s.Transport, Jar: jar}, person: p}
}

// page is what a browser shows: its address, its form's fields with their values, and its text.
type page struct {
	address *url.URL
	form    bool
	fields  url.Values
	text    string
}

const maxSteps = 10

// Enter types a device's code into the page that the device names and does what the pages ask, until none asks more.
func (b *Browser) Enter(ctx context.Context, address, code string) error {
	p, err := b.open(ctx, address)
	if err != nil {
		return err
	}
	for range maxSteps {
		if !p.form {
			return nil
		}
		step := p.fields.Get("step")
		if p.fields.Has("user_code") {
			step = "code"
			p.fields.Set("user_code", code)
		}
		b.Asked = append(b.Asked, step)
		if err := b.fill(ctx, step, p.fields); err != nil {
			return err
		}
		if p, err = b.post(ctx, p); err != nil {
			return err
		}
	}
	return fmt.Errorf("the sign-in does not end; it asked %q", b.Asked)
}

func (b *Browser) fill(ctx context.Context, step string, fields url.Values) error {
	var err error
	switch step {
	case "code":
	case "password":
		fields.Set("username", b.person.UserPrincipalName)
		fields.Set("password", b.person.Password)
	case "totp":
		var code string
		code, err = b.person.code(ctx)
		fields.Set("totp", code)
	case "confirm":
		fields.Set("answer", "allow")
		if b.Refuses {
			fields.Set("answer", "deny")
		}
	default:
		err = fmt.Errorf("the page asks for something unknown: %q", step)
	}
	return err
}

func (b *Browser) open(ctx context.Context, address string) (page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page{}, err
	}
	return b.do(r)
}

func (b *Browser) post(ctx context.Context, p page) (page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address.String(), strings.NewReader(p.fields.Encode()))
	if err != nil {
		return page{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func (b *Browser) do(r *http.Request) (page, error) {
	answer, err := b.client.Do(r)
	if err != nil {
		return page{}, err
	}
	defer answer.Body.Close()
	p, err := readPage(answer)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", r.Method, r.URL, answer.Status, p.text)
	}
	return p, err
}

// readPage finds the one form of a page. It posts to the page's own address.
func readPage(answer *http.Response) (page, error) {
	p := page{address: answer.Request.URL, fields: url.Values{}}
	tokens := html.NewTokenizer(io.LimitReader(answer.Body, 1<<20))
	var text []string
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			p.text = strings.Join(text, " ")
			if err := tokens.Err(); !errors.Is(err, io.EOF) {
				return p, err
			}
			return p, nil
		case html.TextToken:
			text = append(text, strings.Fields(string(tokens.Text()))...)
		case html.StartTagToken, html.SelfClosingTagToken:
			p.take(tokens.Token())
		case html.EndTagToken, html.CommentToken, html.DoctypeToken:
		}
	}
}

// take notes a form and its input fields. Buttons are left out: none was pressed yet.
func (p *page) take(tag html.Token) {
	switch tag.Data {
	case "form":
		p.form = true
	case "input":
		var name, value string
		for _, a := range tag.Attr {
			switch a.Key {
			case "name":
				name = a.Val
			case "value":
				value = a.Val
			}
		}
		if name != "" {
			p.fields.Set(name, value)
		}
	}
}
