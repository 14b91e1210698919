package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"portcullis/internal/sample"
)

// caller makes the story's calls, and prints what is asked and answered.
type caller struct {
	http   *http.Client
	sample sample.Manifest
	talk   *talk
	tokens map[string]string // by the key of the person
}

func newCaller(m sample.Manifest, t *talk) (*caller, error) {
	text, err := os.ReadFile(m.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", m.CAFile)
	}
	return &caller{sample: m, talk: t, tokens: map[string]string{}, http: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true},
	}}, nil
}

// reply is an answer that may be a refusal.
type reply struct {
	status        int
	code, message string
	header        http.Header
	body          []byte
}

func (r reply) ok() bool { return r.status < http.StatusBadRequest }

// maxReply bounds an answer.
const maxReply = 4 << 20

func (c *caller) do(r *http.Request) (reply, error) {
	answer, err := c.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxReply))
	if err != nil {
		return reply{}, err
	}
	out := reply{status: answer.StatusCode, header: answer.Header, body: body}
	if out.ok() {
		return out, nil
	}
	var problem struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		problem.Error.Message = string(body) // not an answer of an API, and shown as it is
	}
	out.code, out.message = problem.Error.Code, problem.Error.Message
	return out, nil
}

// token asks for a token at the token endpoint.
func (c *caller) token(ctx context.Context, form url.Values) (string, error) {
	form.Set("client_id", c.sample.Client.ID)
	form.Set("client_secret", c.sample.Client.Secret)
	form.Set("scope", c.sample.URL+"/.default")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.sample.URL+"/"+c.sample.TenantID+"/oauth2/v2.0/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := c.do(r)
	if err != nil {
		return "", err
	}
	var out struct {
		Token       string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(answer.body, &out); err != nil || out.Token == "" {
		return "", fmt.Errorf("the token endpoint answered %d %s", answer.status, out.Description)
	}
	return out.Token, nil
}

// signIn signs a person in with their password and, for a second factor, the one-time code of this moment. claims is
// what a challenge asked for, if one did.
func (c *caller) signIn(ctx context.Context, key string, mfa bool, claims string) error {
	who, ok := c.sample.People[key]
	if !ok {
		return fmt.Errorf("nobody is called %s", key)
	}
	form := url.Values{"grant_type": {"password"}, "username": {who.UserPrincipalName}, "password": {who.Password}}
	how := "a password"
	if mfa {
		code, err := totp.GenerateCode(who.TOTPSecret, time.Now())
		if err != nil {
			return err
		}
		form.Set("totp", code)
		how = "a password and the one-time code " + code
	}
	if claims != "" {
		form.Set("claims", claims)
	}
	c.talk.asks(key, "signs in as %s with %s", who.UserPrincipalName, how)
	token, err := c.token(ctx, form)
	if err != nil {
		return fmt.Errorf("sign %s in: %w", key, err)
	}
	c.tokens[key] = token
	c.talk.gets("a token")
	return nil
}

// call asks the API as a person.
func (c *caller) call(ctx context.Context, who, method, path string, body any) (reply, error) {
	var text io.Reader
	shown := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		text, shown = bytes.NewReader(b), " "+short(string(b))
	}
	address, err := url.Parse(c.sample.URL + path)
	if err != nil {
		return reply{}, err
	}
	address.RawQuery = strings.ReplaceAll(address.RawQuery, " ", "%20")
	c.talk.asks(who, "%s %s%s", method, short(path), shown)
	r, err := http.NewRequestWithContext(ctx, method, address.String(), text)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Authorization", "Bearer "+c.tokens[who])
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.do(r)
	if err != nil {
		return reply{}, err
	}
	if !answer.ok() {
		c.talk.refused("%d %s: %s", answer.status, answer.code, short(answer.message))
	}
	return answer, nil
}

// get reads something that must be there.
func (c *caller) get(ctx context.Context, who, path string, into any) error {
	answer, err := c.call(ctx, who, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if !answer.ok() {
		return fmt.Errorf("GET %s: %d %s: %s", path, answer.status, answer.code, answer.message)
	}
	return json.Unmarshal(answer.body, into)
}

var challengeClaims = regexp.MustCompile(`claims="([^"]*)"`)

var errNoChallenge = errors.New("the refusal carries no challenge")

// claims are what a challenge asks the next token for.
func (r reply) claims() (string, error) {
	found := challengeClaims.FindStringSubmatch(r.header.Get("WWW-Authenticate"))
	if found == nil {
		return "", errNoChallenge
	}
	text, err := base64.StdEncoding.DecodeString(found[1])
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoChallenge, err)
	}
	return string(text), nil
}
