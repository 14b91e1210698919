package auth

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The error codes of challenges.
const (
	InvalidToken      = "invalid_token"      // RFC 6750 §3.1
	InsufficientScope = "insufficient_scope" // RFC 6750 §3.1
	// InsufficientAuthentication asks for a step-up (RFC 9470 §3).
	InsufficientAuthentication = "insufficient_user_authentication"
	// InsufficientClaims is how Entra's clients know that the challenge carries claims.
	InsufficientClaims = "insufficient_claims"
)

// Challenge is a WWW-Authenticate header for bearer tokens. The zero value says no more than that one is needed.
type Challenge struct {
	// Realm and AuthorizationURI tell where tokens come from; empty: not told.
	Realm, AuthorizationURI string
	// Code is an error code of above; empty: there was no token.
	Code, Description string
	Scopes            []string
	// ACRValues are the authentication contexts that are asked for (RFC 9470 §3).
	ACRValues []string
	// MaxAge is how long ago the authentication may have been, in whole seconds; nil: not told.
	MaxAge *time.Duration
	// Claims is the claims request (OpenID Connect Core §5.5) that a client shall pass on, as JSON; it is sent in
	// base64, as Entra's clients expect it.
	Claims string
}

// String returns the value of the header.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString("Bearer")
	sep := " "
	add := func(name, value string) {
		if value == "" {
			return
		}
		b.WriteString(sep + name + `="` + quoted(value) + `"`)
		sep = ", "
	}
	add("realm", c.Realm)
	add("authorization_uri", c.AuthorizationURI)
	add("error", c.Code)
	add("error_description", c.Description)
	add("scope", strings.Join(c.Scopes, " "))
	add("acr_values", strings.Join(c.ACRValues, " "))
	if c.MaxAge != nil {
		add("max_age", strconv.FormatInt(int64(*c.MaxAge/time.Second), 10))
	}
	if c.Claims != "" {
		add("claims", base64.StdEncoding.EncodeToString([]byte(c.Claims)))
	}
	return b.String()
}

// quoted makes a text safe inside a quoted string (RFC 9110 §5.6.4): whatever a challenge is built from, it ends no
// header line.
func quoted(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r > '~':
			return -1
		case r == '"' || r == '\\':
			return '\''
		}
		return r
	}, s)
}

// StepUp is the challenge for fresh proof of a second factor, in the authentication contexts named, if any (RFC 9470
// §3). Clients of Entra's kind follow its claims, others its acr_values and max_age.
func StepUp(maxAge time.Duration, contexts ...string) Challenge {
	acr := contexts
	if len(acr) == 0 {
		acr = []string{"mfa"}
	}
	return Challenge{
		Code: InsufficientAuthentication, Description: "A fresh second factor is required.",
		ACRValues: acr, MaxAge: &maxAge, Claims: Claims(contexts...),
	}
}

// Claims is the claims request that leads to a token with these authentication contexts or, with none, with a second
// factor. A single context is spelt as Entra spells it, for clients cut it out of messages.
func Claims(contexts ...string) string {
	switch len(contexts) {
	case 0:
		return `{"access_token":{"amr":{"essential":true, "values":["mfa"]}}}`
	case 1:
		return `{"access_token":{"acrs":{"essential":true, "value":` + jsonText(contexts[0]) + `}}}`
	}
	list := make([]string, len(contexts))
	for i, c := range contexts {
		list[i] = jsonText(c)
	}
	return `{"access_token":{"acrs":{"essential":true, "values":[` + strings.Join(list, ",") + `]}}}`
}

// EscapedClaims is a claims request as the messages of errors carry it, behind "&claims=".
func EscapedClaims(contexts ...string) string {
	return strings.ReplaceAll(url.QueryEscape(Claims(contexts...)), "+", "%20")
}

func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // no string fails to marshal
		return `""`
	}
	return string(b)
}
