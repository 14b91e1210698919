package idp

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// trustItself makes the verifier of the provider's own tokens.
func (p *Provider) trustItself() error {
	var issuers []auth.Issuer
	for _, pattern := range p.IssuerPatterns() {
		issuers = append(issuers, auth.Issuer{URL: pattern, Keys: p.ring})
	}
	var err error
	p.own, err = auth.New(auth.Options{Issuers: issuers, Audiences: p.Audiences(), CacheSize: -1, Now: p.Now})
	if err != nil {
		return fmt.Errorf("verify own tokens: %w", err)
	}
	return nil
}

// person is what is told of the one who signed in (OpenID Connect Core §5.3.2).
type person struct {
	Subject   string `json:"sub"`
	Name      string `json:"name,omitempty"`
	GivenName string `json:"given_name,omitempty"`
	Family    string `json:"family_name,omitempty"`
	Email     string `json:"email,omitempty"`
	Preferred string `json:"preferred_username,omitempty"`
}

// userInfo tells who the person of an access token is (OpenID Connect Core §5.3). The token comes in its header alone.
func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request, _ place, _ string) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		writeOAuthError(w, http.StatusMethodNotAllowed, "invalid_request", "The request must be a GET or a POST.")
		return
	}
	o, err := p.bearer(r)
	refusal, refused := errors.AsType[*auth.Error](err)
	if errors.Is(err, errRefused) {
		refusal, refused = &auth.Error{Reason: auth.NoAccount}, true
	}
	switch {
	case refused:
		challenge := refusal.Challenge()
		w.Header().Set("WWW-Authenticate", challenge.String())
		writeOAuthError(w, refusal.Status(), cmp.Or(challenge.Code, "invalid_request"), refusal.Error())
	case err != nil:
		op.WriteError(w, r, p.fault(r.Context(), err), nil)
	default:
		writeJSON(w, http.StatusOK, person{
			Subject: string(o.ID), Name: o.DisplayName, GivenName: o.User.GivenName, Family: o.User.Surname,
			Email: o.User.Mail, Preferred: o.User.PrincipalName,
		})
	}
}

// bearer finds the person that a request carries an access token of. The error is an *auth.Error, errRefused for an
// application and for who is no longer there, or a fault.
func (p *Provider) bearer(r *http.Request) (directory.Object, error) {
	t, err := p.own.Request(r)
	if err != nil {
		return directory.Object{}, err
	}
	list, err := p.Store.ObjectsByID(r.Context(), t.Tenant, []pim.PrincipalID{t.Object})
	if err != nil {
		return directory.Object{}, fmt.Errorf("read a person: %w", err)
	}
	if t.App || len(list) == 0 || !list[0].Enabled || list[0].User == nil {
		return directory.Object{}, errRefused
	}
	return list[0], nil
}
