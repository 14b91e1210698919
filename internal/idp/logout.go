package idp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"portcullis/internal/store"
)

// purposeLogout ties the form of the sign-out page to it.
const purposeLogout = "logout"

// logout ends the browser's session (OpenID Connect RP-Initiated Logout). An application that shows the ID token of
// the one who is signed in is believed; otherwise the person is asked, for any page could lead here.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request, at place, _ string) {
	if err := r.ParseForm(); err != nil {
		p.showError(w, r, http.StatusBadRequest, "The request cannot be read.")
		return
	}
	ctx := context.WithValue(r.Context(), placeKey{}, at)
	s, err := p.sessionOf(ctx, r.Header)
	if err != nil {
		p.showFault(w, r, err)
		return
	}
	browser, set := browserOf(r.Header)
	if set != nil {
		http.SetCookie(w, set)
	}
	hint := p.hintOf(ctx, r.Form.Get("id_token_hint"))
	back, err := p.logoutAddress(ctx, at, hint, r.Form)
	if err != nil {
		p.showFault(w, r, err)
		return
	}
	posted := r.Method == http.MethodPost && r.PostForm.Get("csrf") != ""
	switch {
	case posted && !formFits(r, purposeLogout):
		p.showError(w, r, http.StatusForbidden, "This form was not sent by its own page. Go back and try again.")
		return
	case !posted && s.id != "" && hint.Object != string(s.Person):
		p.showLogout(w, r, browser, back)
		return
	}
	p.endAndLeave(w, r, s, back)
}

// endAndLeave ends the session and goes where it was asked to.
func (p *Provider) endAndLeave(w http.ResponseWriter, r *http.Request, s session, back string) {
	if err := p.endSession(r.Context(), w, s); err != nil {
		p.showFault(w, r, err)
		return
	}
	if back != "" {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return
	}
	if err := p.showMessage(w, r, http.StatusOK, "Signed out", "You are signed out. You may close this page."); err != nil {
		p.showFault(w, r, err)
	}
}

// hintOf reads an ID token of this provider, whether it has expired or not; the zero value for any other text.
func (p *Provider) hintOf(ctx context.Context, token string) registered {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return registered{}
	}
	key, err := p.ring.Key(ctx, jws.Signatures[0].Header.KeyID)
	if err != nil {
		return registered{}
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return registered{}
	}
	var claims registered
	if err := json.Unmarshal(payload, &claims); err != nil {
		return registered{}
	}
	return claims
}

// logoutAddress is where the browser goes after the sign-out: an address that is registered for the application, or
// nowhere.
func (p *Provider) logoutAddress(ctx context.Context, at place, hint registered, form url.Values) (string, error) {
	back, id := form.Get("post_logout_redirect_uri"), form.Get("client_id")
	if hint.Audience != "" {
		id = hint.Audience
	}
	if back == "" || id == "" {
		return "", nil
	}
	list, err := p.apps(ctx, at.tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	u, err := url.Parse(back)
	if err != nil || !slices.ContainsFunc(list, func(c *client) bool { return c.admits(back) }) {
		return "", nil
	}
	if state := form.Get("state"); state != "" {
		q := u.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
	}
	return u.String(), nil
}
