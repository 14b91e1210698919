package idp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

const pathSignIn = "/signin"

// interaction is a sign-in in progress: what an application or a device asked for, and the browser it goes on in.
type interaction struct {
	// Browser is the hash of the browser's cookie.
	Browser string
	// Tenant is empty when the person's name decides.
	Tenant     pim.TenantID `json:",omitempty"`
	Origin     string
	Client     string
	ClientName string
	Scopes     []string
	Nonce      string `json:",omitempty"`
	Demand     demand
	Hint       string `json:",omitempty"`
	Created    time.Time

	// Of an authorization request:
	Redirect  string            `json:",omitempty"`
	State     string            `json:",omitempty"`
	Mode      oidc.ResponseMode `json:",omitempty"`
	Challenge string            `json:",omitempty"`
	// Of a device: the name under which its code is kept, and whether the person said yes.
	Device string `json:",omitempty"`

	id string
}

// grant is what the sign-in gives once its demand is met.
func (in interaction) grant(s session) grant {
	g := grant{
		Tenant: s.Tenant, Subject: s.Person, Client: in.Client, Scopes: in.Scopes, Nonce: in.Nonce,
		Proof: s.Proof, Password: s.Password,
	}
	g.Proof.Contexts = in.Demand.Contexts
	return g
}

// step is what a person has to do next. Its text is the form's field.
type step string

const (
	stepPassword step = "password"
	stepChange   step = "change"
	stepTOTP     step = "totp"
	stepEnrol    step = "enrol"
	stepConfirm  step = "confirm"
	stepDone     step = "done"
)

// step says what is to be done next in a sign-in.
func (p *Provider) step(ctx context.Context, in interaction, s session) (step, error) {
	if s.id == "" || in.Tenant != "" && in.Tenant != s.Tenant || !in.Demand.identity(s.Proof, in.Created) {
		return stepPassword, nil
	}
	o, c, err := p.personByID(ctx, s.Tenant, s.Person, s.Password)
	if errors.Is(err, errRefused) {
		return stepPassword, nil
	}
	if err != nil {
		return "", err
	}
	// A session that is older than this sign-in may be somebody else's than the one that is hinted at.
	if in.Hint != "" && s.Proof.At.Before(in.Created) && !strings.EqualFold(in.Hint, o.User.PrincipalName) {
		return stepPassword, nil
	}
	if ok, err := p.fits(ctx, in, o); err != nil || !ok {
		return stepPassword, err
	}
	switch {
	case c.MustChange:
		return stepChange, nil
	case in.Demand.metBy(s.Proof, in.Created, p.Now(), p.MFAAge):
		if in.Device != "" {
			return stepConfirm, nil
		}
		return stepDone, nil
	case c.TOTPSecret == "":
		return stepEnrol, nil
	}
	return stepTOTP, nil
}

// fits says whether a person may go on with a sign-in: their own tenant knows the application and its redirect address.
func (p *Provider) fits(ctx context.Context, in interaction, o directory.Object) (bool, error) {
	c, err := p.app(ctx, o.Tenant, in.Client)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return in.Device != "" || c.admits(in.Redirect), nil
}

// signIn serves the pages of a sign-in.
func (p *Provider) signIn(w http.ResponseWriter, r *http.Request, at place, _ string) {
	ctx := context.WithValue(r.Context(), placeKey{}, at)
	in, err := p.interactionFor(r)
	if errors.Is(err, store.ErrNotFound) {
		p.showError(w, r, http.StatusBadRequest, "This sign-in has expired or was begun in another browser. Start again.")
		return
	}
	if err != nil {
		p.showFault(w, r, err)
		return
	}
	s, err := p.sessionOf(ctx, r.Header)
	if err != nil {
		p.showFault(w, r, err)
		return
	}
	if err := p.advance(ctx, w, r, in, s); err != nil {
		p.showFault(w, r, err)
	}
}

// interactionFor reads the sign-in that a request is about. Another browser's, or none, is store.ErrNotFound.
func (p *Provider) interactionFor(r *http.Request) (interaction, error) {
	id := r.URL.Query().Get("id")
	k, err := get[interaction](r.Context(), p.Store, kindInteraction, id, p.Now())
	if err != nil {
		return interaction{}, err
	}
	if browser := cookieOf(r.Header, cookieBrowser); browser == "" || hashed(browser) != k.Value.Browser {
		return interaction{}, store.ErrNotFound
	}
	k.Value.id = id
	return k.Value, nil
}

// advance takes what was posted and shows the next page, or finishes.
func (p *Provider) advance(ctx context.Context, w http.ResponseWriter, r *http.Request, in interaction, s session) error {
	now, err := p.step(ctx, in, s)
	if err != nil {
		return err
	}
	var complaint string
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil || !formFits(r, in.id) {
			p.showError(w, r, http.StatusForbidden, "This form was not sent by its own page. Go back and try again.")
			return nil
		}
		// A form of an earlier step, sent again, is not taken for this one's.
		if r.PostForm.Get("step") == string(now) {
			if now == stepConfirm {
				return p.answerDevice(ctx, w, r, in, s)
			}
			if s, complaint, err = p.take(ctx, w, r, now, in, s); err != nil {
				return err
			}
			if now, err = p.step(ctx, in, s); err != nil {
				return err
			}
			if now == stepPassword && complaint == "" {
				complaint = "This account does not belong to the organisation, or the application is not known there."
			}
		}
	}
	if now == stepDone {
		return p.finish(ctx, w, r, in, s)
	}
	return p.showStep(ctx, w, r, now, in, s, complaint)
}

const (
	textRefused = "The user name or password is wrong, or the account is locked for a while."
	textCode    = "The code is wrong or was used already, or the account is locked for a while."
	textBusy    = "Too many people sign in at once. Try again in a moment."
)

// take does what a form of the step asks. The text is what is to be said to the person; the error is a fault.
func (p *Provider) take(
	ctx context.Context, w http.ResponseWriter, r *http.Request, now step, in interaction, s session,
) (session, string, error) {
	var err error
	text := textRefused
	switch now {
	case stepPassword:
		s, err = p.takePassword(ctx, w, r, in, s)
	case stepChange:
		s, text, err = p.takeChange(ctx, w, r, s)
	case stepTOTP:
		text = textCode
		s, err = p.takeTOTP(ctx, w, s, r.PostForm.Get("totp"))
	case stepEnrol:
		text = textCode
		s, err = p.takeEnrol(ctx, w, s, r.PostForm.Get("totp"))
	case stepConfirm, stepDone: // advance serves them
	}
	switch {
	case err == nil:
		return s, "", nil
	case errors.Is(err, errRefused):
		return s, text, nil
	case errors.Is(err, errBusy), errors.Is(err, store.ErrStale):
		return s, textBusy, nil
	}
	return s, "", err
}

func (p *Provider) takePassword(
	ctx context.Context, w http.ResponseWriter, r *http.Request, in interaction, old session,
) (session, error) {
	o, c, err := p.authenticate(ctx, in.Tenant, r.PostForm.Get("username"), r.PostForm.Get("password"))
	if err != nil {
		return old, err
	}
	proved := proof{}
	if code := r.PostForm.Get("totp"); code != "" && !c.MustChange {
		if c, err = p.checkTOTP(ctx, c, code); err != nil {
			return old, err
		}
		proved.MFA = true
	}
	proved.At = p.Now()
	return p.renewSession(ctx, w, session{
		Tenant: o.Tenant, Person: o.ID, Proof: proved, Created: proved.At, Password: fingerprint(c), id: old.id,
	})
}

// takeChange sets a new password. The text says what is wrong with it.
func (p *Provider) takeChange(ctx context.Context, w http.ResponseWriter, r *http.Request, s session) (session, string, error) {
	o, c, err := p.personByID(ctx, s.Tenant, s.Person, s.Password)
	if err != nil {
		return s, textRefused, err
	}
	password := r.PostForm.Get("new_password")
	text := weakness(password, r.PostForm.Get("new_password_again"), o.User.PrincipalName)
	if text == "" {
		var same bool
		if same, err = p.verifyPassword(ctx, c.Password, password); err != nil {
			return s, "", err
		}
		if same {
			text = "The password is the old one."
		}
	}
	if text != "" {
		return s, text, errRefused
	}
	if c, err = p.changePassword(ctx, c, password); err != nil {
		return s, "", err
	}
	s.Password = fingerprint(c)
	s, err = p.renewSession(ctx, w, s)
	return s, "", err
}

func (p *Provider) takeTOTP(ctx context.Context, w http.ResponseWriter, s session, code string) (session, error) {
	_, c, err := p.personByID(ctx, s.Tenant, s.Person, s.Password)
	if err != nil {
		return s, err
	}
	if _, err := p.checkTOTP(ctx, c, code); err != nil {
		return s, err
	}
	s.Proof = proof{At: p.Now(), MFA: true}
	return p.renewSession(ctx, w, s)
}

func (p *Provider) takeEnrol(ctx context.Context, w http.ResponseWriter, s session, code string) (session, error) {
	_, c, err := p.personByID(ctx, s.Tenant, s.Person, s.Password)
	if err != nil {
		return s, err
	}
	if s.Enrol == "" {
		return s, errRefused
	}
	if _, err := p.enrol(ctx, c, s.Enrol, code); err != nil {
		return s, err
	}
	s.Proof, s.Enrol = proof{At: p.Now(), MFA: true}, ""
	return p.renewSession(ctx, w, s)
}

// finish sends the browser back to the application with its code.
func (p *Provider) finish(ctx context.Context, w http.ResponseWriter, r *http.Request, in interaction, s session) error {
	// The sign-in is over: its page, asked for again, gives no second code.
	if _, err := p.Store.TakeSecret(ctx, kindInteraction, hashed(in.id), p.Now()); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			p.showError(w, r, http.StatusBadRequest, "This sign-in is over. Start again.")
			return nil
		}
		return err
	}
	address, err := p.finishCode(ctx, in, s)
	if err != nil {
		return err
	}
	if in.Mode == oidc.ResponseModeFormPost {
		return p.showFormPost(w, in, address)
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

// errorScreen turns a refusal of an authorization request that cannot be sent to the application into a page, for it is
// a person who sees it.
type errorScreen struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (e *errorScreen) WriteHeader(status int) {
	if e.status = status; status < http.StatusBadRequest {
		e.ResponseWriter.WriteHeader(status)
	}
}

func (e *errorScreen) Write(b []byte) (int, error) {
	if e.status < http.StatusBadRequest {
		return e.ResponseWriter.Write(b)
	}
	e.body = append(e.body, b...)
	return len(b), nil
}

var _ op.Server = (*server)(nil)
