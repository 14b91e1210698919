package idp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// tokens is the answer of the token endpoint (RFC 6749 §5.1), with what Entra adds.
type tokens struct {
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope,omitempty"`
	ExpiresIn    int64  `json:"expires_in"`
	ExtExpiresIn int64  `json:"ext_expires_in"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	ClientInfo   string `json:"client_info,omitempty"`
}

// registered are the claims that every token has.
type registered struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	Tenant    string `json:"tid"`
	Object    string `json:"oid"`
	Version   string `json:"ver"`
	ID        string `json:"uti"`
	JWTID     string `json:"jti"`
}

// presence are the claims about a person's sign-in.
type presence struct {
	AuthTime  int64    `json:"auth_time,omitempty"`
	Methods   []string `json:"amr,omitempty"`
	Contexts  []string `json:"acrs,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	Name      string   `json:"name,omitempty"`
	Preferred string   `json:"preferred_username,omitempty"`
}

// accessClaims are those of an access token (RFC 9068) under Entra's names.
type accessClaims struct {
	registered
	presence
	AppID   string `json:"appid"`
	Party   string `json:"azp"`
	AppName string `json:"app_displayname,omitempty"`
	// PartyACR is how the application proved itself: "0" not at all, "1" by a secret, "2" by a certificate or another
	// issuer's token.
	PartyACR string   `json:"azpacr"`
	Type     string   `json:"idtyp"`
	Scp      string   `json:"scp,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	UPN      string   `json:"upn,omitempty"`
	Unique   string   `json:"unique_name,omitempty"`
	standingClaims
}

// idClaims are those of an ID token (OpenID Connect Core §2).
type idClaims struct {
	registered
	presence
	Nonce     string `json:"nonce,omitempty"`
	Hash      string `json:"at_hash,omitempty"`
	Email     string `json:"email,omitempty"`
	GivenName string `json:"given_name,omitempty"`
	Family    string `json:"family_name,omitempty"`
	standingClaims
}

// grant is what a person's sign-in through an application gave, before it is turned into tokens.
type grant struct {
	Tenant  pim.TenantID
	Subject pim.PrincipalID
	Client  string
	Scopes  []string
	Nonce   string `json:",omitempty"`
	Proof   proof
	// Password is the fingerprint of the password they had: another ends the grant.
	Password string
}

// appTokens issues what an application gets for itself.
func (p *Provider) appTokens(ctx context.Context, c *client, scopes []string) (tokens, error) {
	w := p.readScopes(scopes)
	if w.resource == "" {
		return tokens{}, errResource(w)
	}
	o := c.object
	w.resource = w.audience(o.App.Permissions)
	a := accessClaims{
		registered: p.register(ctx, o, w.resource, string(o.ID)),
		AppID:      o.App.ClientID, Party: o.App.ClientID, AppName: o.DisplayName,
		PartyACR: acrOf(c), Type: "app", Roles: w.within(o.App.Permissions),
	}
	access, err := p.sign(ctx, a)
	if err != nil {
		return tokens{}, err
	}
	return p.answer(access), nil
}

// errResource refuses a resource that is another server's: a token for this one must not be carried there.
func errResource(w wish) error {
	return oidc.ErrInvalidScope().WithDescription("The resource %.200q is not one of this server's.", w.foreign)
}

// personTokens issues what an application gets for a person. scopes replace those of the grant where there are any.
// errRefused: the person may not sign in any more.
func (p *Provider) personTokens(ctx context.Context, c *client, g grant, scopes []string) (tokens, wish, error) {
	if len(scopes) == 0 {
		scopes = g.Scopes
	}
	w := p.readScopes(scopes)
	if w.resource == "" {
		return tokens{}, w, errResource(w)
	}
	o, _, err := p.personByID(ctx, g.Tenant, g.Subject, g.Password)
	if err != nil {
		return tokens{}, w, err
	}
	scp, told := w.grants(c.object.App.Permissions)
	a := accessClaims{
		registered: p.register(ctx, o, w.resource, string(o.ID)), presence: presenceOf(o, g.Proof),
		AppID: c.GetID(), Party: c.GetID(), AppName: c.object.DisplayName, PartyACR: acrOf(c),
		Type: "user", Scp: strings.Join(scp, " "), UPN: o.User.PrincipalName, Unique: o.User.PrincipalName,
	}
	a.standingClaims = p.standingOf(ctx, o)
	access, err := p.sign(ctx, a)
	if err != nil {
		return tokens{}, w, err
	}
	t := p.answer(access)
	t.Scope, t.ClientInfo = strings.Join(told, " "), clientInfo(o)
	if w.openID {
		t.IDToken, err = p.idToken(ctx, c, o, g, a, access)
	}
	return t, w, err
}

func (p *Provider) idToken(
	ctx context.Context, c *client, o directory.Object, g grant, a accessClaims, access string,
) (string, error) {
	hash, err := oidc.ClaimHash(access, jose.RS256)
	if err != nil {
		return "", fmt.Errorf("hash of the access token: %w", err)
	}
	return p.sign(ctx, idClaims{
		registered: p.register(ctx, o, c.GetID(), string(o.ID)), presence: a.presence, standingClaims: a.standingClaims,
		Nonce: g.Nonce, Hash: hash, Email: o.User.Mail, GivenName: o.User.GivenName, Family: o.User.Surname,
	})
}

func presenceOf(o directory.Object, proved proof) presence {
	acr := "1"
	if len(proved.Contexts) > 0 {
		acr = proved.Contexts[0]
	}
	return presence{
		AuthTime: proved.At.Unix(), Methods: proved.methods(), Contexts: proved.Contexts, ACR: acr,
		Name: o.DisplayName, Preferred: o.User.PrincipalName,
	}
}

func acrOf(c *client) string {
	switch {
	case c.signed:
		return "2"
	case c.proved:
		return "1"
	}
	return "0"
}

func (p *Provider) register(ctx context.Context, o directory.Object, audience, subject string) registered {
	now, id := p.Now(), newName()[:22]
	return registered{
		Issuer: placeOf(ctx).issuer(o.Tenant), Subject: subject, Audience: audience,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(p.AccessLifetime).Unix(),
		Tenant: string(o.Tenant), Object: string(o.ID), Version: "2.0", ID: id, JWTID: id,
	}
}

func (p *Provider) sign(ctx context.Context, claims any) (string, error) {
	key, err := p.ring.newest(ctx)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	token, err := crypto.Sign(claims, key.signer)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}

func (p *Provider) answer(access string) tokens {
	life := int64(p.AccessLifetime / time.Second)
	return tokens{TokenType: oidc.BearerToken, ExpiresIn: life, ExtExpiresIn: life, AccessToken: access}
}

// clientInfo tells MSAL under which name to keep the account.
func clientInfo(o directory.Object) string {
	b, err := json.Marshal(struct {
		UID  string `json:"uid"`
		UTID string `json:"utid"`
	}{string(o.ID), string(o.Tenant)})
	if err != nil { // two strings do not fail to marshal
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// invalidGrant turns a refused person into the answer of the token endpoint.
func invalidGrant(err error) error {
	if errors.Is(err, errRefused) {
		return oidc.ErrInvalidGrant().WithDescription("The sign-in is no longer valid. Sign in again.")
	}
	return err
}
