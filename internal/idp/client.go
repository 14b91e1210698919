package idp

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// client is an application as the library sees it.
type client struct {
	object directory.Object
	// redirects are the registered addresses and, where it may be, the loopback address of this request.
	redirects []string
	// proved says that the application proved itself in this request, by its secret or an assertion.
	proved bool
	// signed says that it did so by an assertion.
	signed bool
}

// public says whether the application may do without its secret: what runs on people's machines keeps none.
func (c *client) public() bool { return c.object.App.Public || c.object.App.LoopbackRedirects }

func (c *client) GetID() string                    { return c.object.App.ClientID }
func (c *client) RedirectURIs() []string           { return c.redirects }
func (c *client) PostLogoutRedirectURIs() []string { return c.object.App.Redirects }

// ApplicationType is native for public clients, whose redirects may be loopback addresses and schemes of their own.
func (c *client) ApplicationType() op.ApplicationType {
	if c.public() {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

// AuthMethod is none unless the application proved itself in this request: client credentials need that.
func (c *client) AuthMethod() oidc.AuthMethod {
	if c.proved {
		return oidc.AuthMethodPost
	}
	return oidc.AuthMethodNone
}

func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c *client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{
		oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials, oidc.GrantTypeDeviceCode,
	}
}

func (c *client) LoginURL(id string) string            { return pathSignIn + "?id=" + url.QueryEscape(id) }
func (c *client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (c *client) IDTokenLifetime() time.Duration       { return 0 } // the library issues none: issue does
func (c *client) DevMode() bool                        { return false }
func (c *client) IsScopeAllowed(string) bool           { return true } // what is not permitted is passed over later
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c *client) ClockSkew() time.Duration             { return 0 }
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(s []string) []string { return s }
}

func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(s []string) []string { return s }
}

// admits says whether a redirect address is one of the application's: exactly registered, or a loopback address of any
// port where the application takes those (RFC 8252 §7.3).
func (c *client) admits(redirect string) bool {
	if slices.Contains(c.object.App.Redirects, redirect) {
		return true
	}
	return c.object.App.LoopbackRedirects && loopback(redirect)
}

func loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" {
		return false
	}
	host := u.Hostname()
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// app finds an application by its client id, in one tenant or, with none, in any: the oldest tenant's then. The error
// wraps store.ErrNotFound for one that is not there or not enabled.
func (p *Provider) app(ctx context.Context, tenant pim.TenantID, clientID string) (*client, error) {
	list, err := p.apps(ctx, tenant, clientID)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// apps is app for all the tenants that know the application, the oldest first; the list is not empty.
func (p *Provider) apps(ctx context.Context, tenant pim.TenantID, clientID string) ([]*client, error) {
	tenants, err := p.tenantsFor(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("find the application: %w", err)
	}
	var list []*client
	for _, t := range tenants {
		o, err := p.one(ctx, t, directory.KindServicePrincipal, store.FieldClientID, strings.ToLower(clientID))
		if err != nil {
			return nil, fmt.Errorf("find the application: %w", err)
		}
		if o != nil && o.Enabled && o.App != nil {
			list = append(list, &client{object: *o, redirects: o.App.Redirects})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("application %w", store.ErrNotFound)
	}
	return list, nil
}

// tenantsFor lists the tenant or, with none, all of them, the oldest first.
func (p *Provider) tenantsFor(ctx context.Context, tenant pim.TenantID) ([]pim.TenantID, error) {
	if tenant != "" {
		return []pim.TenantID{tenant}, nil
	}
	list, err := p.Store.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b directory.Tenant) int { return a.Created.Compare(b.Created) })
	ids := make([]pim.TenantID, len(list))
	for i, t := range list {
		ids[i] = t.ID
	}
	return ids, nil
}

// one finds the object of a kind with a value; nil: none.
func (p *Provider) one(
	ctx context.Context, t pim.TenantID, kind directory.Kind, field store.Field, value string,
) (*directory.Object, error) {
	if value == "" {
		return nil, nil
	}
	page, err := p.Store.Objects(ctx, store.Query{
		Tenant: t, Limit: 1,
		Where: store.And{store.Is(store.FieldObjectKind, int(kind)), store.Is(field, value)},
	})
	if err != nil {
		return nil, err
	}
	if len(page.Rows) == 0 {
		return nil, nil
	}
	return &page.Rows[0], nil
}

// provesSecret says whether a secret is the application's.
func (p *Provider) provesSecret(ctx context.Context, c *client, secret string) (bool, error) {
	cred, err := p.credential(ctx, c.object)
	if err != nil {
		return false, err
	}
	return VerifySecret(cred.Password, secret), nil
}
