package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"portcullis/internal/pim"
)

// tenantPlace stands for the tenant's id in an issuer's address.
const tenantPlace = "{tid}"

// Token is what a verified access token proves.
type Token struct {
	Issuer string
	Tenant pim.TenantID
	Object pim.PrincipalID
	// App says that an application speaks for itself (idtyp "app").
	App bool
	// ClientID is the application that the token was issued to.
	ClientID string
	// Audiences are whom the token is made out to, as it says (aud).
	Audiences []string
	// Scopes are what the token permits: scp of a person's token, roles of an application's.
	Scopes []string
	// MFAAt is when a second factor was proved; zero: never.
	MFAAt time.Time
	// AuthTime is when the person last proved who they are; zero: the issuer does not say.
	AuthTime time.Time
	// Contexts are the authentication contexts that were satisfied (acrs).
	Contexts []string
	// Groups are the ids of the person's groups, where the issuer tells them.
	Groups []string
	// Name and Account are the display name, and the user principal name or application id.
	Name, Account                string
	IssuedAt, NotBefore, Expires time.Time
	// ID is the token's own id.
	ID string
}

// DefaultMFABound is how long ago a second factor may have been proved to count as fresh.
const DefaultMFABound = time.Hour

// FreshMFA says whether the token proves a second factor no longer than bound ago; DefaultMFABound when zero. Times in
// the token are those of the real clock, so now must be too.
func (t Token) FreshMFA(now time.Time, bound time.Duration) bool {
	if bound == 0 {
		bound = DefaultMFABound
	}
	return !t.App && !t.MFAAt.IsZero() && now.Sub(t.MFAAt) <= bound
}

// HasContext says whether the token proves an authentication context.
func (t Token) HasContext(c string) bool {
	for _, have := range t.Contexts {
		if have == c {
			return true
		}
	}
	return false
}

// MadeFor says whether the token is made out to none but the audiences, of which slashes at the end and letter case do not count.
func (t Token) MadeFor(audiences []string) bool {
	if len(audiences) == 0 || len(t.Audiences) == 0 {
		return false
	}
	for _, have := range t.Audiences {
		if !slices.ContainsFunc(audiences, func(a string) bool { return strings.EqualFold(strings.TrimRight(have, "/"), a) }) {
			return false
		}
	}
	return true
}

// Permits says whether the token permits one of the scopes, compared without letter case.
func (t Token) Permits(any ...string) bool {
	for _, have := range t.Scopes {
		for _, want := range any {
			if strings.EqualFold(have, want) {
				return true
			}
		}
	}
	return false
}

// claims are the members of a token that count, under their registered names and those that Entra uses.
type claims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audience   strings1 `json:"aud"`
	Expires    instant  `json:"exp"`
	NotBefore  instant  `json:"nbf"`
	IssuedAt   instant  `json:"iat"`
	Tenant     string   `json:"tid"`
	Object     string   `json:"oid"`
	Type       string   `json:"idtyp"`
	AppID      string   `json:"appid"`
	Party      string   `json:"azp"`
	Client     string   `json:"client_id"`
	Scp        strings1 `json:"scp"`
	Scope      strings1 `json:"scope"`
	Roles      strings1 `json:"roles"`
	Groups     strings1 `json:"groups"`
	Methods    strings1 `json:"amr"`
	Contexts   strings1 `json:"acrs"`
	AuthTime   instant  `json:"auth_time"`
	Name       string   `json:"name"`
	AppName    string   `json:"app_displayname"`
	Account    string   `json:"upn"`
	UniqueName string   `json:"unique_name"`
	Preferred  string   `json:"preferred_username"`
	ID         string   `json:"uti"`
	JWTID      string   `json:"jti"`

	all map[string]json.RawMessage
}

// strings1 is a list of texts that may be written as one text.
type strings1 []string

// UnmarshalJSON takes a text, a list of texts, or null.
func (s *strings1) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		if one != "" {
			*s = strings1{one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// words splits the texts of the list at blanks, as scp and scope are written.
func (s strings1) words() []string {
	var out []string
	for _, part := range s {
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// instant is a NumericDate (RFC 7519 §2): seconds since 1970, perhaps with a fraction.
type instant struct{ time.Time }

// maxSeconds is the year 9999.
const maxSeconds = 253402300799

var errInstant = errors.New("not a time")

// UnmarshalJSON takes a number of seconds, or null.
func (i *instant) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if math.IsNaN(f) || f <= 0 || f > maxSeconds {
		return errInstant
	}
	whole, part := math.Modf(f)
	i.Time = time.Unix(int64(whole), int64(part*1e6)*1e3).UTC()
	return nil
}

func (c *claims) parse(payload []byte) error {
	if err := json.Unmarshal(payload, c); err != nil {
		return err
	}
	return json.Unmarshal(payload, &c.all)
}

// token tells what the claims of a verified token mean. The error is an *Error.
func (c claims) token(from *issuer) (Token, error) {
	// Entra and the embedded issuer always tell nbf; Keycloak and Dex tell iat alone, which bounds the token as well.
	start := c.NotBefore.Time
	if start.IsZero() && from.external {
		start = c.IssuedAt.Time
	}
	object := c.object(from.ObjectClaim)
	if c.Expires.IsZero() || start.IsZero() || object == "" {
		return Token{}, &Error{Reason: Malformed}
	}
	t := Token{
		Issuer: c.Issuer, Tenant: from.Tenant, Object: pim.PrincipalID(object), Audiences: c.Audience,
		App: c.Type == "app", ClientID: first(c.AppID, c.Party, c.Client),
		AuthTime: c.AuthTime.Time, Groups: c.Groups, Contexts: c.Contexts.words(),
		IssuedAt: c.IssuedAt.Time, NotBefore: start, Expires: c.Expires.Time, ID: first(c.ID, c.JWTID),
	}
	if t.Tenant == "" {
		t.Tenant = pim.TenantID(c.Tenant)
	}
	c.describe(&t, from)
	return t, nil
}

// describe fills in what differs between applications and people.
func (c claims) describe(t *Token, from *issuer) {
	if t.App {
		t.Scopes, t.Contexts = c.Roles, nil
		t.Name, t.Account = first(c.AppName, c.Name), t.ClientID
		return
	}
	if t.Scopes = c.Scp.words(); len(t.Scopes) == 0 && from.external {
		t.Scopes = c.Scope.words()
	}
	t.Name, t.Account = c.Name, first(c.Account, c.Preferred, c.UniqueName)
	for _, m := range c.Methods {
		if from.mfa[m] {
			t.MFAAt = c.AuthTime.Time
		}
	}
}

func (c claims) object(named string) string {
	id := first(c.Object, c.Subject)
	if named != "" {
		id = ""
		// A claim of another type leaves the id empty, which is refused.
		_ = json.Unmarshal(c.all[named], &id)
	}
	if lower := strings.ToLower(id); pim.IsUUID(lower) {
		return lower
	}
	return id
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
