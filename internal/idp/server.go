package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/auth"
	"portcullis/internal/store"
)

// server is what the library asks of a provider: the library reads and checks requests and writes answers, server
// decides. Its context carries the place.
type server struct {
	op.UnimplementedServer
	*Provider
}

// Keys answers the published keys (RFC 7517 §5).
func (s *server) Keys(ctx context.Context, _ *op.Request[struct{}]) (*op.Response, error) {
	set, err := s.ring.set(ctx)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	return op.NewResponse(set), nil
}

// Discovery answers the provider's metadata (OpenID Connect Discovery §3, RFC 8414 §2).
func (s *server) Discovery(ctx context.Context, _ *op.Request[struct{}]) (*op.Response, error) {
	at := placeOf(ctx)
	d := &oidc.DiscoveryConfiguration{
		// Entra's clients know that the real tenant takes this text's place.
		Issuer:                           at.origin + "/{tenantid}/v2.0",
		AuthorizationEndpoint:            at.base() + "/oauth2/v2.0/authorize",
		TokenEndpoint:                    at.base() + "/oauth2/v2.0/token",
		DeviceAuthorizationEndpoint:      at.base() + "/oauth2/v2.0/devicecode",
		EndSessionEndpoint:               at.base() + "/oauth2/v2.0/logout",
		JwksURI:                          at.base() + "/discovery/v2.0/keys",
		UserinfoEndpoint:                 at.origin + "/oidc/userinfo",
		RevocationEndpoint:               at.base() + "/oauth2/v2.0/revoke",
		ScopesSupported:                  []string{scopeOpenID, "profile", "email", scopeOffline},
		ResponseTypesSupported:           []string{string(oidc.ResponseTypeCode)},
		ResponseModesSupported:           []string{"query", "fragment", "form_post"},
		GrantTypesSupported:              (&client{}).GrantTypes(),
		SubjectTypesSupported:            []string{"public"},
		IDTokenSigningAlgValuesSupported: []string{"RS256"},
		TokenEndpointAuthMethodsSupported: []oidc.AuthMethod{
			oidc.AuthMethodPost, oidc.AuthMethodBasic, oidc.AuthMethodPrivateKeyJWT, oidc.AuthMethodNone,
		},
		TokenEndpointAuthSigningAlgValuesSupported: assertionAlgorithmNames(),
		ACRValuesSupported:                         []string{methodMFA, "c1", "c2", "c3"},
		ClaimsParameterSupported:                   true,
		ClaimsSupported: []string{
			"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "acrs", "amr", "nonce", "oid", "tid", "name",
			"preferred_username", "email", "groups", "wids",
		},
		CodeChallengeMethodsSupported: []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
	}
	if at.tenant != "" {
		d.Issuer = at.issuer(at.tenant)
	}
	return op.NewResponse(d), nil
}

// VerifyAuthRequest finds the application and judges the redirect address.
func (s *server) VerifyAuthRequest(ctx context.Context, r *op.Request[oidc.AuthRequest]) (*op.ClientRequest[oidc.AuthRequest], error) {
	list, err := s.apps(ctx, placeOf(ctx).tenant, r.Data.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, oidc.ErrInvalidRequestRedirectURI().WithDescription("The application is not known in this organisation.")
	}
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	at := slices.IndexFunc(list, func(c *client) bool { return c.admits(r.Data.RedirectURI) })
	if at < 0 {
		return nil, oidc.ErrInvalidRequestRedirectURI().WithDescription(
			"The redirect address is not registered for the application.")
	}
	c := list[at]
	c.redirects = append(slices.Clone(c.redirects), r.Data.RedirectURI)
	return &op.ClientRequest[oidc.AuthRequest]{Request: r, Client: c}, nil
}

// Authorize starts a sign-in and sends the browser to its page. Refusals go to the application's redirect address.
func (s *server) Authorize(ctx context.Context, r *op.ClientRequest[oidc.AuthRequest]) (*op.Redirect, error) {
	in, err := s.interactionOf(ctx, r)
	if err != nil {
		return nil, err
	}
	browser, cookie := browserOf(r.Header)
	in.Browser = hashed(browser)
	if slices.Contains(r.Data.Prompt, oidc.PromptNone) {
		return s.silently(ctx, r, in)
	}
	id := newName()
	if err := put(ctx, s.Store, kindInteraction, id, in, in.Created.Add(lifeInteraction)); err != nil {
		return nil, s.fault(ctx, err)
	}
	to := op.NewRedirect(r.Client.LoginURL(id))
	if cookie != nil {
		to.Header.Add("Set-Cookie", cookie.String())
	}
	return to, nil
}

// interactionOf reads what an authorization request asks for.
func (s *server) interactionOf(ctx context.Context, r *op.ClientRequest[oidc.AuthRequest]) (interaction, error) {
	q := r.Data
	switch {
	case q.RequestParam != "":
		return interaction{}, oidc.ErrRequestNotSupported()
	case q.CodeChallenge == "":
		return interaction{}, oidc.ErrInvalidRequest().WithDescription("PKCE is required: code_challenge is missing.")
	case q.CodeChallengeMethod != oidc.CodeChallengeMethodS256:
		return interaction{}, oidc.ErrInvalidRequest().WithDescription("PKCE is required with the method S256.")
	}
	switch q.ResponseMode {
	case "", oidc.ResponseModeQuery, oidc.ResponseModeFragment, oidc.ResponseModeFormPost:
	default:
		return interaction{}, oidc.ErrInvalidRequest().WithDescription("The response mode is not supported.")
	}
	if w := s.readScopes(q.Scopes); w.resource == "" {
		return interaction{}, errResource(w)
	}
	d, err := readDemand(r.Form)
	if err != nil {
		return interaction{}, oidc.ErrInvalidRequest().WithDescription("%s", err)
	}
	c, at := r.Client.(*client), placeOf(ctx)
	return interaction{
		Tenant: at.tenant, Origin: at.origin, Client: c.GetID(), ClientName: c.object.DisplayName,
		Scopes: q.Scopes, Nonce: q.Nonce, Demand: d, Hint: q.LoginHint, Created: s.Now(),
		Redirect: q.RedirectURI, State: q.State, Mode: q.ResponseMode, Challenge: q.CodeChallenge,
	}, nil
}

// silently answers prompt=none: at once, or with the error that says what a person would have to do.
func (s *server) silently(ctx context.Context, r *op.ClientRequest[oidc.AuthRequest], in interaction) (*op.Redirect, error) {
	session, err := s.sessionOf(ctx, r.Header)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	step, err := s.step(ctx, in, session)
	switch {
	case err != nil:
		return nil, s.fault(ctx, err)
	case step == stepPassword:
		return nil, oidc.ErrLoginRequired().WithDescription("Nobody is signed in.")
	case step != stepDone:
		return nil, oidc.ErrInteractionRequired().WithDescription("The person has to do something on a page.")
	}
	address, err := s.finishCode(ctx, in, session)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	return op.NewRedirect(address), nil
}

// VerifyClient authenticates an application by its secret or an assertion, or takes it as a public client.
func (s *server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	c, err := s.proveClient(ctx, r)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (s *server) proveClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (*client, error) {
	if r.Data.ClientAssertion == "" {
		return s.verifyClient(ctx, r.Data.ClientID, r.Data.ClientSecret)
	}
	asked := s.readScopes(strings.Fields(r.Form.Get("scope")))
	return s.verifyAssertion(ctx, r.Data.ClientID, r.Data.ClientAssertion, asked.resource)
}

func (p *Provider) verifyClient(ctx context.Context, id, secret string) (*client, error) {
	list, err := p.apps(ctx, placeOf(ctx).tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, invalidClient("The application is not known, or its secret is wrong.")
	}
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	if secret == "" {
		if !list[0].public() {
			return nil, invalidClient("The application must prove itself.")
		}
		return list[0], nil
	}
	for _, c := range list {
		if c.proved, err = p.provesSecret(ctx, c, secret); err != nil {
			return nil, p.fault(ctx, err)
		}
		if c.proved {
			return c, nil
		}
	}
	return nil, invalidClient("The application is not known, or its secret is wrong.")
}

func invalidClient(text string) error {
	return op.NewStatusError(oidc.ErrInvalidClient().WithDescription("%s", text), http.StatusUnauthorized)
}

// codeState is what is kept of an authorization code.
type codeState struct {
	Grant     grant
	Redirect  string
	Challenge string
	// Spent says that the code was used, and Family, hashed, which refresh tokens it led to.
	Spent  bool   `json:",omitempty"`
	Family string `json:",omitempty"`
}

// CodeExchange redeems an authorization code (RFC 6749 §4.1.3). It works once: whoever brings it again, or with the
// wrong verifier, ends it and what was issued for it.
func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	code, err := get[codeState](ctx, s.Store, kindCode, r.Data.Code, s.Now())
	if errors.Is(err, store.ErrNotFound) {
		return nil, oidc.ErrInvalidGrant().WithDescription("The code is wrong or has expired.")
	}
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	c := r.Client.(*client)
	if code.Value.Grant.Client != c.GetID() || !s.tenantFits(ctx, code.Value.Grant) {
		return nil, oidc.ErrInvalidGrant().WithDescription("The code belongs to another application.")
	}
	if code.Value.Spent {
		return nil, s.codeAgain(ctx, code.Value)
	}
	after, family := code.Value, newName()
	after.Spent, after.Family = true, hashed(family)
	if err := swap(ctx, s.Store, kindCode, code, after, s.Now().Add(lifeSpent)); err != nil {
		return nil, s.lost(ctx, err)
	}
	if r.Data.RedirectURI != code.Value.Redirect {
		return nil, oidc.ErrInvalidGrant().WithDescription("The redirect address is another than before.")
	}
	challenge := &oidc.CodeChallenge{Challenge: code.Value.Challenge, Method: oidc.CodeChallengeMethodS256}
	if err := op.AuthorizeCodeChallenge(r.Data.CodeVerifier, challenge); err != nil {
		return nil, oidc.ErrInvalidGrant().WithDescription("The code verifier is wrong.")
	}
	return s.respond(ctx, c, code.Value.Grant, nil, family)
}

// codeAgain ends what a code led to, for one of the two that brought it has stolen it (RFC 6749 §4.1.2).
func (s *server) codeAgain(ctx context.Context, spent codeState) error {
	if err := s.Store.DeleteSecret(ctx, kindRefresh, spent.Family); err != nil {
		return s.fault(ctx, fmt.Errorf("revoke a family: %w", err))
	}
	return oidc.ErrInvalidGrant().WithDescription("The code was used already.")
}

// lost answers the slower of two that bring the same code or token at once.
func (p *Provider) lost(ctx context.Context, err error) error {
	if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) {
		return oidc.ErrInvalidGrant().WithDescription("It was used already.")
	}
	return p.fault(ctx, err)
}

// tenantFits says whether a grant may be redeemed at the tenant's address that was called.
func (p *Provider) tenantFits(ctx context.Context, g grant) bool {
	at := placeOf(ctx)
	return at.tenant == "" || at.tenant == g.Tenant
}

// respond issues the tokens of a grant; family names its refresh token if one was asked for.
func (s *server) respond(ctx context.Context, c *client, g grant, scopes []string, family string) (*op.Response, error) {
	t, err := s.issue(ctx, c, g, scopes, family)
	if err != nil {
		return nil, err
	}
	return op.NewResponse(t), nil
}

// issue is respond for those who write the answer themselves. The application is that of the person's own tenant,
// whose permissions are the bound.
func (p *Provider) issue(ctx context.Context, c *client, g grant, scopes []string, family string) (tokens, error) {
	proved, signed := c.proved && c.object.Tenant == g.Tenant, c.signed
	c, err := p.app(ctx, g.Tenant, g.Client)
	if errors.Is(err, store.ErrNotFound) {
		return tokens{}, oidc.ErrInvalidGrant().WithDescription("The application is not known in the person's organisation.")
	}
	if err != nil {
		return tokens{}, p.fault(ctx, err)
	}
	c.proved, c.signed = proved, signed && proved
	if !proved && !c.public() {
		return tokens{}, invalidClient("The application must prove itself.")
	}
	t, w, err := p.personTokens(ctx, c, g, scopes)
	if err != nil {
		return tokens{}, p.faultOr(ctx, invalidGrant(err))
	}
	if w.offline && family != "" {
		if t.RefreshToken, err = p.newRefresh(ctx, family, g, proved); err != nil {
			return tokens{}, p.fault(ctx, err)
		}
	}
	return t, nil
}

// ClientCredentialsExchange issues an application's own token (RFC 6749 §4.4).
func (s *server) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	t, err := s.appTokens(ctx, r.Client.(*client), r.Data.Scope)
	if err != nil {
		return nil, s.faultOr(ctx, err)
	}
	return op.NewResponse(t), nil
}

// fault logs what went wrong here and answers no more than that it did. A store that cannot be reached is a 503.
func (p *Provider) fault(ctx context.Context, err error) error {
	p.Logger.ErrorContext(ctx, "sign-in failed", "error", err)
	return op.NewStatusError(
		oidc.ErrServerError().WithDescription("The sign-in does not work now. Try again later."), statusOf(err))
}

// statusOf is the status of a fault.
func statusOf(err error) int {
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, auth.ErrKeysUnavailable) || errors.Is(err, errBusy) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// faultOr passes refusals on and treats any other error as a fault.
func (p *Provider) faultOr(ctx context.Context, err error) error {
	var refusal *oidc.Error
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return p.fault(ctx, err)
}

// finishCode makes the code for a finished sign-in and returns the address that carries it to the application.
func (p *Provider) finishCode(ctx context.Context, in interaction, s session) (string, error) {
	code := newName()
	state := codeState{Grant: in.grant(s), Redirect: in.Redirect, Challenge: in.Challenge}
	if err := put(ctx, p.Store, kindCode, code, state, p.Now().Add(lifeCode)); err != nil {
		return "", err
	}
	mode := in.Mode
	if mode == oidc.ResponseModeFormPost {
		mode = oidc.ResponseModeQuery
	}
	answer := &op.CodeResponseType{Code: code, State: in.State}
	address, err := op.AuthResponseURL(in.Redirect, oidc.ResponseTypeCode, mode, answer, oidc.NewEncoder())
	if err != nil {
		return "", fmt.Errorf("answer the application: %w", err)
	}
	return address, nil
}

// originOf returns scheme and host of an address, as a content security policy takes it.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Host == "" {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}
