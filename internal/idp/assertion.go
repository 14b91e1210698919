package idp

import (
	"context"
	"crypto/sha1" // names certificates, as clients do: nothing rests on it
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Client assertions (RFC 7523 §2.2, §3; OpenID Connect Core §9): an application proves itself by a token that it signed
// with the key of a registered certificate, or by one that another issuer made out to it. The first kind works once, for
// the application makes a new one each time; the second is kept and used again until it ends, as by a job that gets one
// from what runs it.

const (
	maxAssertion = 16 << 10
	// maxAssertionLife is how far its end may lie ahead; clients choose ten minutes or an hour.
	maxAssertionLife = 24 * time.Hour
	assertionSkew    = time.Minute
)

// assertionAlgorithms are the signatures that applications may choose.
func assertionAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256}
}

// foreignAlgorithms are those that other issuers may.
func foreignAlgorithms() []jose.SignatureAlgorithm {
	return append(assertionAlgorithms(), jose.RS384, jose.RS512, jose.PS384, jose.PS512, jose.ES384, jose.ES512, jose.EdDSA)
}

func assertionAlgorithmNames() []string {
	var names []string
	for _, a := range assertionAlgorithms() {
		names = append(names, string(a))
	}
	return names
}

// assertion is one that was read but proves nothing yet.
type assertion struct {
	raw    string
	token  *jwt.JSONWebToken
	claims jwt.Claims
	// resource is what a token is asked for with it.
	resource string
}

var errAssertion = errors.New("the assertion does not prove the application")

// readAssertion reads an assertion of bounded size.
func readAssertion(raw, resource string) (assertion, error) {
	a := assertion{raw: raw, resource: resource}
	if len(raw) > maxAssertion {
		return a, errAssertion
	}
	var err error
	if a.token, err = jwt.ParseSigned(raw, foreignAlgorithms()); err != nil || len(a.token.Headers) != 1 {
		return a, errAssertion
	}
	if err := a.token.UnsafeClaimsWithoutVerification(&a.claims); err != nil {
		return a, errAssertion
	}
	return a, nil
}

// verifyAssertion finds the application that an assertion proves. id may be empty: then the subject tells. All
// assertions that prove nothing are answered alike.
func (p *Provider) verifyAssertion(ctx context.Context, id, raw, resource string) (*client, error) {
	a, err := readAssertion(raw, resource)
	if err != nil {
		return nil, wrongAssertion()
	}
	if id == "" {
		id = a.claims.Subject
	}
	list, err := p.apps(ctx, placeOf(ctx).tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, wrongAssertion()
	}
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	for _, c := range list {
		err := p.proves(ctx, c, a)
		if err == nil {
			c.proved, c.signed = true, true
			return c, nil
		}
		if !errors.Is(err, errAssertion) {
			return nil, p.fault(ctx, err)
		}
	}
	return nil, wrongAssertion()
}

func wrongAssertion() error {
	return invalidClient("The application is not known, or its assertion does not prove it.")
}

// proves checks everything about an assertion. errAssertion: it does not prove the application.
func (p *Provider) proves(ctx context.Context, c *client, a assertion) error {
	own := strings.EqualFold(a.claims.Subject, c.GetID()) && strings.EqualFold(a.claims.Issuer, c.GetID())
	if !own {
		return p.provesForeign(ctx, c, a)
	}
	if !p.signedBy(c, a) || !p.timely(a) || !slices.ContainsFunc(a.claims.Audience, p.audienceOf(ctx, c)) {
		return errAssertion
	}
	return p.useUp(ctx, c, a)
}

// signedBy says whether one of the application's certificates signed the assertion.
func (p *Provider) signedBy(c *client, a assertion) bool {
	h := a.token.Headers[0]
	if !slices.Contains(assertionAlgorithms(), jose.SignatureAlgorithm(h.Algorithm)) {
		return false
	}
	for _, k := range c.object.App.Keys {
		cert, err := k.Parse()
		if err != nil || !k.Counts(cert, p.Now()) || !names(h, k, cert) {
			continue
		}
		if err := a.token.Claims(cert.PublicKey); err == nil {
			return true
		}
	}
	return false
}

// names says whether a header means the certificate: by one of its fingerprints, in one of the spellings that clients
// have for it, by the id it was registered under, or by nothing at all.
func names(h jose.Header, k directory.AppKey, c *x509.Certificate) bool {
	short, long := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
	spellings := func(sum []byte) []string {
		return []string{
			base64.RawURLEncoding.EncodeToString(sum), base64.URLEncoding.EncodeToString(sum), base64.StdEncoding.EncodeToString(sum),
			hex.EncodeToString(sum), strings.ToUpper(hex.EncodeToString(sum)),
		}
	}
	told := false
	for _, hint := range []struct {
		text any
		list []string
	}{
		{h.KeyID, append(append(spellings(short[:]), spellings(long[:])...), k.ID)},
		{h.ExtraHeaders["x5t"], spellings(short[:])},
		{h.ExtraHeaders["x5t#S256"], spellings(long[:])},
	} {
		text, _ := hint.text.(string)
		if text != "" && slices.Contains(hint.list, text) {
			return true
		}
		told = told || text != ""
	}
	return !told
}

// timely says whether an assertion holds now. It must have an end, and not a distant one.
func (p *Provider) timely(a assertion) bool {
	now, c := p.Now(), a.claims
	return c.Expiry != nil && !c.Expiry.Time().After(now.Add(maxAssertionLife)) &&
		c.ValidateWithLeeway(jwt.Expected{Time: now}, assertionSkew) == nil
}

// audienceOf says whether a name is one of the token endpoint that was called, or of the issuer there.
func (p *Provider) audienceOf(ctx context.Context, c *client) func(string) bool {
	at := placeOf(ctx)
	return func(name string) bool {
		segment, ok := strings.CutPrefix(name, at.origin+"/")
		if !ok {
			return false
		}
		for _, end := range []string{"/oauth2/v2.0/token", "/oauth2/token", "/v2.0"} {
			if s, ok := strings.CutSuffix(segment, end); ok {
				return p.leadsTo(ctx, at, s, c.object.Tenant)
			}
		}
		return segment == "oauth2/token"
	}
}

// leadsTo says whether a segment of an address stands for the tenant, or for all of them where the address that was
// called does too.
func (p *Provider) leadsTo(ctx context.Context, at place, segment string, t pim.TenantID) bool {
	if segment = strings.ToLower(segment); segment == segmentCommon || segment == segmentOrganizations {
		return segment == at.segment
	}
	found, err := p.tenant(ctx, segment)
	return err == nil && segment != "" && found.ID == t
}

// useUp remembers an assertion until it ends. One that was used before is refused, unless it asks for another of this
// server's resources: MSAL for JavaScript keeps an assertion for some minutes and gets one token for each with it.
func (p *Provider) useUp(ctx context.Context, c *client, a assertion) error {
	name := a.claims.ID
	if name == "" {
		name = hashed(a.raw)
	}
	key := hashed(strings.Join([]string{string(c.object.Tenant), string(c.object.ID), a.resource, name}, "\x00"))
	err := p.Store.AddSecret(ctx, kindAssertion, key, nil, a.claims.Expiry.Time().Add(2*assertionSkew), p.Now())
	if errors.Is(err, store.ErrStale) {
		return errAssertion
	}
	if err != nil {
		return fmt.Errorf("use up an assertion: %w", err)
	}
	return nil
}

// provesForeign checks the token of an issuer that the application trusts. An issuer whose keys cannot be had is a
// fault that wraps auth.ErrKeysUnavailable.
func (p *Provider) provesForeign(ctx context.Context, c *client, a assertion) error {
	for _, t := range c.object.App.Trusts {
		if t.Issuer != a.claims.Issuer || t.Subject != a.claims.Subject || t.Check() != nil {
			continue
		}
		if !p.timely(a) || !slices.ContainsFunc(a.claims.Audience, func(s string) bool { return slices.Contains(t.Audiences, s) }) {
			continue
		}
		key, err := p.trusted.keys(t.Issuer).Key(ctx, a.token.Headers[0].KeyID)
		if errors.Is(err, auth.ErrNoKey) {
			continue
		}
		if err != nil {
			return fmt.Errorf("verify a token of %s: %w", t.Issuer, err)
		}
		if key.Algorithm != "" && key.Algorithm != a.token.Headers[0].Algorithm {
			continue
		}
		if err := a.token.Claims(key.Key); err == nil {
			return nil
		}
	}
	return errAssertion
}

// trusted keeps the keys of the issuers that applications trust. Only those that are registered are ever asked.
type trusted struct {
	client *http.Client
	now    func() time.Time

	mu   sync.Mutex
	from map[string]auth.Keys
}

// maxTrusted bounds the issuers whose keys are kept. Of more, any one is forgotten and fetched again.
const maxTrusted = 256

func (t *trusted) keys(issuer string) auth.Keys {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.from[issuer]; k != nil {
		return k
	}
	if t.from == nil {
		t.from = map[string]auth.Keys{}
	}
	if len(t.from) >= maxTrusted {
		for some := range t.from {
			delete(t.from, some)
			break
		}
	}
	k := auth.NewRemote(auth.RemoteOptions{Issuer: issuer, Client: t.client, Now: t.now})
	t.from[issuer] = k
	return k
}

// noRedirects keeps an issuer from sending this server elsewhere.
func noRedirects(*http.Request, []*http.Request) error {
	return errors.New("the issuer answers with a redirect")
}
