package httpdoor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ClientCredentials gets access tokens with the id and the secret of an application (RFC 6749 §4.4), and keeps each until a fifth of its
// life is left. Fields are set before first use. Its method Token is an Options.Token.
type ClientCredentials struct {
	// URL is the token endpoint: https://pim.example.org/{tenant}/oauth2/v2.0/token.
	URL string
	// ID and Secret are those of the application.
	ID, Secret string
	// Scope is what the token is for: https://pim.example.org/.default.
	Scope string
	// Client makes the calls; nil means one of its own. Redirects are not followed.
	Client *http.Client
	// Now is the clock by which tokens grow old; nil means [time.Now].
	Now func() time.Time

	once   sync.Once
	turn   chan struct{} // held by whoever looks at what follows
	client *http.Client
	token  string
	// renew is when a new one is asked for, and over when the old one is of no use any more.
	renew, over time.Time
}

const (
	// tokenWithin bounds one call for a token.
	tokenWithin = 10 * time.Second
	// renewAgain is how long a token that still holds is used after its issuer could not be asked for the next one.
	renewAgain = 5 * time.Second
	// maxLife is the longest that a token is kept, in seconds, whatever its issuer says.
	maxLife = 24 * 60 * 60
)

// Token returns a token that holds. While a new one is got, others wait for it as long as their own contexts last.
func (c *ClientCredentials) Token(ctx context.Context) (string, error) {
	c.once.Do(func() {
		c.turn = make(chan struct{}, 1)
		c.client = plainClient(c.Client)
		if c.Now == nil {
			c.Now = time.Now
		}
	})
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	now := c.Now()
	if c.token != "" && now.Before(c.renew) {
		return c.token, nil
	}
	token, life, err := c.ask(ctx)
	switch {
	case err == nil:
		c.token, c.renew, c.over = token, now.Add(life*4/5), now.Add(life)
	case c.token != "" && now.Before(c.over):
		c.renew = now.Add(renewAgain)
	default:
		return "", err
	}
	return c.token, nil
}

func (c *ClientCredentials) ask(ctx context.Context) (string, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenWithin)
	defer cancel()
	if _, err := readURL(c.URL); err != nil {
		return "", 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, strings.NewReader(url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {c.Secret}, "scope": {c.Scope},
	}.Encode()))
	if err != nil {
		return "", 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := c.client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return "", 0, err
	}
	var in struct {
		Token   string `json:"access_token"`
		Expires int64  `json:"expires_in"`
		Error   string `json:"error"`
	}
	if err := json.Unmarshal(text, &in); err != nil || answer.StatusCode != http.StatusOK || in.Token == "" {
		return "", 0, fmt.Errorf("the token endpoint answered %s %.64q", answer.Status, in.Error)
	}
	return in.Token, time.Duration(min(max(in.Expires, 0), maxLife)) * time.Second, nil
}
