// Package idp is the embedded OpenID provider: it signs people and applications in and issues the tokens that package
// auth verifies. It is meant for the laptop, the test and the small site; a larger one configures its own issuer.
//
// # What it speaks
//
// OpenID Connect Core, OAuth 2.0 with the authorization code and PKCE (S256 is required of everybody), the device code
// (RFC 8628), client credentials and rotating refresh tokens; a refresh token that is used twice ends its whole family,
// and so does revoking it (RFC 7009). Applications prove themselves by a secret (in the form or by HTTP Basic), or by an
// assertion (RFC 7523) signed with a registered certificate or issued by a trusted issuer. Paths are those of Entra, so
// that its client libraries work unmodified:
//
//	/{tenant}/oauth2/v2.0/authorize, token, devicecode, logout, revoke
//	/{tenant}/v2.0/.well-known/openid-configuration, /{tenant}/.well-known/openid-configuration
//	/{tenant}/discovery/v2.0/keys
//	/{tenant}/discovery/instance, /{tenant}/userrealm/{upn}, /metadata/endpoints
//	/oidc/userinfo, /{tenant}/openid/userinfo
//
// where {tenant} is a tenant's id, its domain, or "common" or "organizations", which leave it to the person's name.
// The default tenant is also at /.well-known/openid-configuration and /oauth2/authorize, token, devicecode, keys and
// logout. The issuer is ORIGIN/{tenant id}/v2.0. All tenants share the same keys: a token is bound to its tenant by
// iss and tid, which auth compares.
//
// An application acts as a public client, without its secret, if it is public or has loopback redirects, for then it
// runs on people's machines: with PKCE, the device code and refresh; client credentials always need the secret.
//
// # Pages
//
// Sign-in pages are plain forms that need no script; a program can drive them with a cookie jar. Every form posts to
// the address of its page and carries its hidden fields csrf and step along. The fields people fill in:
//
//	/device   user_code
//	/signin   username, password      (step "password"; totp may be sent along)
//	          new_password, new_password_again  (step "change": first sign-in)
//	          totp                    (steps "totp" and "enrol")
//	          answer=allow or deny    (step "confirm": device code only)
//
// # What it keeps
//
// Accounts and credentials are the directory's. Sign-ins in progress, sessions, codes, device codes and refresh tokens
// are in the store's vault, under hashes of their names: who reads the database cannot use them. So they survive a
// restart and serve many nodes. Vault kinds: idp.interaction, idp.session, idp.code, idp.device, idp.usercode,
// idp.refresh, idp.decoy, idp.assertion, and idp.keys where signing keys are kept there (VaultKeys).
package idp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Store is what the provider reads and writes; store.Store has it all.
type Store interface {
	Tenants(context.Context) ([]directory.Tenant, error)
	Objects(context.Context, store.Query) (store.Page[directory.Object], error)
	ObjectsByID(ctx context.Context, t pim.TenantID, ids []pim.PrincipalID) ([]directory.Object, error)
	Credential(ctx context.Context, t pim.TenantID, principal pim.PrincipalID) (directory.Credential, error)
	ReplaceCredential(ctx context.Context, before, after directory.Credential) error
	store.Vault
}

// Options say how the provider works. PublicURL and Store are required, and one of Dir and Keys.
type Options struct {
	// PublicURL is the origin that clients know: https://host or https://host:port.
	PublicURL string
	// Aliases are other host names, with a port if it is not 443, that requests come under. They are answered with
	// links and issuers of that host.
	Aliases []string
	Store   Store
	// Dir is the folder of the signing keys; it is made if need be. Keys replaces it.
	Dir  string
	Keys KeyStore
	// DefaultTenant is the tenant of paths that name none; empty: the oldest.
	DefaultTenant pim.TenantID
	// Sample also admits the password grant, and 123456 as a one-time code in it. For trying out only.
	Sample bool
	// Standing tells which groups a person is in and which directory roles they hold everywhere, both by PIM's time and at
	// once, for their tokens to say so. Nil: tokens say nothing of either.
	Standing func(pim.TenantID, pim.PrincipalID) Standing
	// Issuers fetches the keys of the issuers whose tokens applications prove themselves by; nil: one that follows no
	// redirects, with a time-out of 5 s.
	Issuers *http.Client
	// MFAAge is how long ago a second factor may have been proved to count for a new demand: 30 min when zero. It must
	// not exceed what the verifier takes for fresh, or clients would step up in vain.
	MFAAge time.Duration
	// AccessLifetime is how long access and ID tokens hold: 1 h when zero.
	AccessLifetime time.Duration
	// RefreshIdle and RefreshLimit end a refresh token that is not used, or at all: 14 and 90 days when zero.
	RefreshIdle, RefreshLimit time.Duration
	// SessionIdle and SessionLimit end a browser's session likewise: 2 h and 12 h when zero.
	SessionIdle, SessionLimit time.Duration
	// DeviceInterval is how often a device may ask: 5 s when zero.
	DeviceInterval time.Duration
	// RotateKeys is how long a signing key is used: 30 days when zero.
	RotateKeys time.Duration
	// HashSlots is how many passwords are hashed at once, 19 MiB each: the number of processors, 2 at least, when zero.
	HashSlots int
	Logger    *slog.Logger
	// Now is the real clock.
	Now func() time.Time
}

// Provider is the embedded OpenID provider. It is safe for concurrent use.
type Provider struct {
	Options
	origin  string
	aliases map[string]bool
	ring    *KeyRing
	library http.Handler
	slots   chan struct{}
	decoy   string
	polls   *meter
	guesses *meter
	pages   *pages
	trusted *trusted
	// own verifies the tokens that this provider issued.
	own *auth.Verifier
}

// New makes a provider and, at the first start, its signing key. The error says which option is wrong, or why the keys
// cannot be read.
func New(o Options) (*Provider, error) {
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("public address %q: must be https://host or https://host:port", o.PublicURL)
	}
	if o.Store == nil {
		return nil, errors.New("sign-in needs a store")
	}
	o = o.withDefaults()
	p := &Provider{Options: o, origin: "https://" + strings.ToLower(u.Host), aliases: map[string]bool{}}
	for _, a := range o.Aliases {
		p.aliases[strings.ToLower(a)] = true
	}
	if p.pages, err = newPages(); err != nil {
		return nil, err
	}
	if o.Keys == nil {
		if o.Dir == "" {
			return nil, errors.New("sign-in needs a folder for its keys")
		}
		o.Keys = FileKeys(o.Dir)
	}
	if p.ring, err = newKeyRing(o); err != nil {
		return nil, err
	}
	p.trusted = &trusted{client: o.Issuers, now: o.Now}
	if err := p.trustItself(); err != nil {
		return nil, err
	}
	p.slots = make(chan struct{}, o.HashSlots)
	// Half the interval, so that a device whose clock jitters is not slowed down.
	p.polls = newMeter(o.DeviceInterval/2, 1, o.Now)
	p.guesses = newMeter(guessWindow, guessesPerWindow, o.Now)
	// Who is not there is answered as slowly as who is: their password is compared with this one.
	if p.decoy, err = HashPassword(NewOneTimePassword()); err != nil {
		return nil, err
	}
	p.library = op.RegisterServer(&server{Provider: p}, op.Endpoints{
		Authorization:       op.NewEndpoint(pathAuthorize),
		Token:               op.NewEndpoint(pathToken),
		DeviceAuthorization: op.NewEndpoint(pathDeviceCode),
		JwksURI:             op.NewEndpoint(pathKeys),
		Revocation:          op.NewEndpoint(pathRevoke),
	}, op.WithServerCORSOptions(nil))
	return p, nil
}

func (o Options) withDefaults() Options {
	for d, value := range map[*time.Duration]time.Duration{
		&o.MFAAge:         30 * time.Minute,
		&o.AccessLifetime: time.Hour,
		&o.RefreshIdle:    14 * 24 * time.Hour,
		&o.RefreshLimit:   90 * 24 * time.Hour,
		&o.SessionIdle:    2 * time.Hour,
		&o.SessionLimit:   12 * time.Hour,
		&o.DeviceInterval: 5 * time.Second,
		&o.RotateKeys:     30 * 24 * time.Hour,
	} {
		if *d == 0 {
			*d = value
		}
	}
	if o.HashSlots <= 0 {
		o.HashSlots = max(2, runtime.GOMAXPROCS(0))
	}
	if o.Issuers == nil {
		o.Issuers = &http.Client{Timeout: 5 * time.Second, CheckRedirect: noRedirects}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	clock := o.Now
	if clock == nil {
		clock = time.Now
	}
	o.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	return o
}

// Handler serves everything that Owns says is the provider's.
func (p *Provider) Handler() http.Handler { return p }

// IssuerPattern is the issuer of the public address, with {tid} in the tenant's place: what auth takes as an issuer's
// address.
func (p *Provider) IssuerPattern() string { return p.origin + "/{tid}/v2.0" }

// IssuerPatterns are the issuers under the public address and under every alias.
func (p *Provider) IssuerPatterns() []string {
	list := []string{p.IssuerPattern()}
	for _, a := range p.Aliases {
		list = append(list, "https://"+strings.ToLower(a)+"/{tid}/v2.0")
	}
	return list
}

// Audiences are all that a token of this provider can be made out to.
func (p *Provider) Audiences() []string {
	list := []string{p.origin}
	for _, a := range p.Aliases {
		list = append(list, "https://"+strings.ToLower(a))
	}
	return append(list, publicResources()...)
}

// VerificationKeys are the public keys of the tokens, for auth: no network is involved.
func (p *Provider) VerificationKeys() *KeyRing { return p.ring }
