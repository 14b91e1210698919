package idp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/directory"
)

const (
	grantPassword = "password"
	// sampleCode is taken for a one-time code in the sample, so that a program needs no clock.
	sampleCode = "123456"
)

// servePassword serves the password grant (RFC 6749 §4.3), which only the sample has, for programs that try it out. It
// says whether the request is one; without the sample the library answers that the grant is not supported.
func (p *Provider) servePassword(w http.ResponseWriter, r *http.Request) bool {
	if !p.Sample || r.PostForm.Get("grant_type") != grantPassword {
		return false
	}
	t, err := p.passwordTokens(r)
	if err != nil {
		op.WriteError(w, r, err, nil)
		return true
	}
	writeJSON(w, http.StatusOK, t)
	return true
}

func (p *Provider) passwordTokens(r *http.Request) (tokens, error) {
	ctx, form := r.Context(), r.PostForm
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		var err1, err2 error
		id, err1 = url.QueryUnescape(user)
		secret, err2 = url.QueryUnescape(password)
		if err1 != nil || err2 != nil {
			return tokens{}, invalidClient("The Authorization header cannot be read.")
		}
	}
	c, err := p.verifyClient(ctx, id, secret)
	if err != nil {
		return tokens{}, err
	}
	d, err := readDemand(form)
	if err != nil {
		return tokens{}, oidc.ErrInvalidRequest().WithDescription("%s", err)
	}
	o, cred, proved, err := p.passwordProof(ctx, form)
	if errors.Is(err, errRefused) {
		return tokens{}, oidc.ErrInvalidGrant().WithDescription(textRefused)
	}
	if err != nil {
		return tokens{}, p.fault(ctx, err)
	}
	if d.MFA && !proved.MFA {
		return tokens{}, oidc.ErrInteractionRequired().WithDescription("A second factor is required: send totp along.")
	}
	proved.Contexts = d.Contexts
	g := grant{
		Tenant: o.Tenant, Subject: o.ID, Client: c.GetID(), Scopes: strings.Fields(form.Get("scope")),
		Proof: proved, Password: fingerprint(cred),
	}
	return p.issue(ctx, c, g, nil, newName())
}

// passwordProof checks name, password and, if there is one, the one-time code.
func (p *Provider) passwordProof(ctx context.Context, form url.Values) (directory.Object, directory.Credential, proof, error) {
	o, cred, err := p.authenticate(ctx, placeOf(ctx).tenant, form.Get("username"), form.Get("password"))
	if err == nil && cred.MustChange {
		err = errRefused
	}
	code := form.Get("totp")
	if err == nil && code != "" && code != sampleCode {
		cred, err = p.checkTOTP(ctx, cred, code)
	}
	return o, cred, proof{At: p.Now(), MFA: code != ""}, err
}
