// Package auth finds out who calls: it turns the access token of a request into a Token whose every word is proved.
//
// It believes the issuers it was told of and nobody else: the embedded one, whose keys it is given, and OpenID
// Connect issuers such as Entra or Keycloak, whose keys it fetches (RFC 7517) and keeps. A token is a signed JWT
// (RFC 7519, RFC 9068) with asymmetric signature, exact issuer, an audience of ours, and a time in which it holds.
//
// A check does no I/O while the issuer's keys are at hand. What was verified is remembered under the SHA-256 of the
// whole token until the token ends (an LRU of bounded size), for a signature check costs some fifty times the look
// up; a remembered token still needs its key to be published and the time to be right.
//
// What a caller may do is told by the roles they hold, which package access knows; auth only proves who they are, what
// their token permits and how freshly they proved a second factor. Times are those of the real clock.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portcullis/internal/pim"
)

const (
	// maxToken is the longest token that is looked at, in bytes: more than any proxy lets pass in one header.
	maxToken    = 16 << 10
	defaultSkew = time.Minute
	maxSkew     = 5 * time.Minute
	// defaultCache holds some 16 MiB of tokens.
	defaultCache = 8192
)

// algorithms are the signatures that are believed: asymmetric ones only, so that no key that is published can sign.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Options say whom to believe.
type Options struct {
	Issuers []Issuer
	// Audiences are the names of this server that a token may be made out to, compared exactly.
	Audiences []string
	// Skew is how far the clocks of issuer and server may differ: 60 s when zero, 5 min at most.
	Skew time.Duration
	// CacheSize is how many verified tokens are remembered: 8192 when zero, none when negative.
	CacheSize int
	Now       func() time.Time
}

// Issuer is one issuer that is believed.
type Issuer struct {
	// URL is the exact value of iss. It may contain "{tid}": then iss must carry the tenant of the token's tid claim
	// in its place, and that is the tenant.
	URL string
	// Tenant is where the issuer's subjects belong. Required unless URL contains "{tid}".
	Tenant pim.TenantID
	// Audiences are accepted from this issuer besides those of the options.
	Audiences []string
	// Keys are the issuer's keys where they are at hand. Nil: they are fetched and kept; see Remote.
	Keys Keys
	// KeysURL is where keys are fetched from; empty: where the issuer's discovery document says.
	KeysURL string
	// Client fetches keys; nil: one with a time-out of 5 s.
	Client *http.Client
	// ObjectClaim names the claim that holds the principal's id. Empty: oid, or sub where there is none.
	ObjectClaim string
	// MFAMethods are the values of amr (RFC 8176) that prove a second factor; nil: see DefaultMFAMethods.
	MFAMethods []string
}

// DefaultMFAMethods returns the values of amr that prove a second factor unless the issuer is configured otherwise.
func DefaultMFAMethods() []string { return []string{"mfa", "ngcmfa", "otp", "fido", "hwk"} }

// Keys is where an issuer's public keys come from.
type Keys interface {
	// Key returns the key with that id. Equal pointers mean an unchanged key. ErrNoKey: the issuer has none of that
	// id. ErrKeysUnavailable: nobody can tell now.
	Key(ctx context.Context, kid string) (*jose.JSONWebKey, error)
}

var (
	// ErrNoKey says that an issuer publishes no such key.
	ErrNoKey = errors.New("the issuer has no such key")
	// ErrKeysUnavailable says that the issuer's keys cannot be had now: a fault, not the token's. Answer 503.
	ErrKeysUnavailable = errors.New("the keys of the issuer cannot be fetched")
)

// Verifier verifies access tokens. It is safe for concurrent use.
type Verifier struct {
	exact     map[string]*issuer
	patterns  []*issuer
	audiences map[string]bool
	skew      time.Duration
	seen      *cache
	now       func() time.Time
}

type issuer struct {
	Issuer
	external  bool
	audiences map[string]bool
	mfa       map[string]bool
}

// New makes a verifier. The error says which option is wrong.
func New(o Options) (*Verifier, error) {
	v := &Verifier{
		exact: map[string]*issuer{}, audiences: setOf(o.Audiences), skew: o.Skew, now: o.Now,
	}
	if v.now == nil {
		v.now = time.Now
	}
	switch {
	case v.skew == 0:
		v.skew = defaultSkew
	case v.skew < 0 || v.skew > maxSkew:
		return nil, fmt.Errorf("clock skew %s: must be between 0 and %s", v.skew, maxSkew)
	}
	switch {
	case o.CacheSize == 0:
		v.seen = newCache(defaultCache)
	case o.CacheSize > 0:
		v.seen = newCache(o.CacheSize)
	}
	for _, i := range o.Issuers {
		if err := v.add(i); err != nil {
			return nil, fmt.Errorf("issuer %q: %w", i.URL, err)
		}
	}
	return v, nil
}

func (v *Verifier) add(i Issuer) error {
	pattern := strings.Contains(i.URL, tenantPlace)
	switch {
	case i.URL == "":
		return errors.New("the address is missing")
	case !pattern && i.Tenant == "":
		return errors.New("the tenant is missing")
	case pattern && i.Tenant != "":
		return errors.New("the address carries the tenant, another is configured")
	case pattern && i.Keys == nil && i.KeysURL == "":
		return errors.New("an address with {tid} needs the address of the keys")
	}
	n := &issuer{Issuer: i, external: i.Keys == nil, audiences: setOf(i.Audiences)}
	if i.MFAMethods == nil {
		i.MFAMethods = DefaultMFAMethods()
	}
	n.mfa = setOf(i.MFAMethods)
	if n.Keys == nil {
		n.Keys = NewRemote(RemoteOptions{Issuer: i.URL, URL: i.KeysURL, Client: i.Client, Now: v.now})
	}
	if pattern {
		v.patterns = append(v.patterns, n)
		return nil
	}
	if v.exact[i.URL] != nil {
		return errors.New("configured twice")
	}
	v.exact[i.URL] = n
	return nil
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}

// Request verifies the bearer token of a request (RFC 6750 §2.1). The error is an *Error, or a fault that wraps
// ErrKeysUnavailable or the context's error.
func (v *Verifier) Request(r *http.Request) (Token, error) {
	raw, err := Bearer(r)
	if err != nil {
		return Token{}, err
	}
	return v.Token(r.Context(), raw)
}

// Bearer returns the token that a request carries in its Authorization header; in no other place is one looked for.
// The error is an *Error: Missing or Malformed.
func Bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return "", &Error{Reason: Malformed}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &Error{Reason: Missing}
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", &Error{Reason: Missing}
	}
	return token, nil
}

// Token verifies one token. Errors are those of Request. The slices of the result are shared: read them only.
func (v *Verifier) Token(ctx context.Context, raw string) (Token, error) {
	if raw == "" {
		return Token{}, &Error{Reason: Missing}
	}
	if len(raw) > maxToken {
		return Token{}, &Error{Reason: Malformed}
	}
	now := v.now()
	var room [2048]byte // most tokens fit, and need no other room
	hash := sha256.Sum256(append(room[:0], raw...))
	if t := v.remembered(ctx, hash); t != nil {
		return *t, v.holds(t, now)
	}
	e, err := v.verify(ctx, raw, now)
	if err != nil {
		return Token{}, err
	}
	if v.seen != nil {
		v.seen.put(hash, &e)
	}
	return e.token, nil
}

// remembered finds a token that was verified before and whose key is still the issuer's; nil: there is none.
func (v *Verifier) remembered(ctx context.Context, hash [32]byte) *Token {
	if v.seen == nil {
		return nil
	}
	e := v.seen.get(hash)
	if e == nil {
		return nil
	}
	key, err := e.from.Keys.Key(ctx, e.key.KeyID)
	if err != nil || key != e.key {
		return nil
	}
	return &e.token
}

// verify checks everything, the signature before anything that the token says of itself is told to the caller.
func (v *Verifier) verify(ctx context.Context, raw string, now time.Time) (entry, error) {
	jws, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return entry{}, unsigned(err)
	}
	var c claims
	if err := c.parse(jws.UnsafePayloadWithoutVerification()); err != nil {
		return entry{}, &Error{Reason: Malformed}
	}
	from := v.issuer(c)
	if from == nil {
		return entry{}, &Error{Reason: WrongIssuer}
	}
	key, err := from.key(ctx, jws.Signatures[0].Header)
	if err != nil {
		return entry{}, err
	}
	if _, err := jws.Verify(key); err != nil {
		return entry{}, &Error{Reason: BadSignature}
	}
	if !v.audience(from, c.Audience) {
		return entry{}, &Error{Reason: WrongAudience}
	}
	t, err := c.token(from)
	if err != nil {
		return entry{}, err
	}
	if err := v.holds(&t, now); err != nil {
		return entry{}, err
	}
	return entry{token: t, from: from, key: key}, nil
}

// unsigned tells a token whose signature algorithm is not believed, "none" among them, from one that is no JWT.
func unsigned(err error) error {
	if _, ok := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); ok {
		return &Error{Reason: BadSignature}
	}
	return &Error{Reason: Malformed}
}

func (v *Verifier) issuer(c claims) *issuer {
	if i := v.exact[c.Issuer]; i != nil {
		return i
	}
	if !pim.IsUUID(c.Tenant) {
		return nil
	}
	for _, i := range v.patterns {
		if strings.Replace(i.URL, tenantPlace, c.Tenant, 1) == c.Issuer {
			return i
		}
	}
	return nil
}

func (v *Verifier) audience(from *issuer, audience []string) bool {
	for _, a := range audience {
		if v.audiences[a] || from.audiences[a] {
			return true
		}
	}
	return false
}

func (v *Verifier) holds(t *Token, now time.Time) error {
	switch {
	case now.After(t.Expires.Add(v.skew)):
		return &Error{Reason: Expired}
	case now.Add(v.skew).Before(t.NotBefore):
		return &Error{Reason: NotYetValid}
	}
	return nil
}

func (i *issuer) key(ctx context.Context, h jose.Header) (*jose.JSONWebKey, error) {
	key, err := i.Keys.Key(ctx, h.KeyID)
	switch {
	case errors.Is(err, ErrNoKey):
		return nil, &Error{Reason: BadSignature}
	case err != nil:
		return nil, fmt.Errorf("verify a token of %s: %w", i.URL, err)
	case key.Algorithm != "" && key.Algorithm != h.Algorithm, key.Use != "" && key.Use != "sig", !key.IsPublic():
		// A key serves the one purpose that its issuer published it for.
		return nil, &Error{Reason: BadSignature}
	}
	return key, nil
}
