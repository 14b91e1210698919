package idp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

const pathDevice = "/device"

// deviceState is what is kept of a device that waits for a person (RFC 8628).
type deviceState struct {
	Tenant     pim.TenantID `json:",omitempty"`
	Client     string
	ClientName string
	Scopes     []string
	Demand     demand
	Created    time.Time
	Expires    time.Time
	// Denied or Grant say what the person answered.
	Denied bool   `json:",omitempty"`
	Grant  *grant `json:",omitempty"`
	Proved bool   `json:",omitempty"`
}

// deviceAnswer is the answer to a device (RFC 8628 §3.2), with the sentence that Entra's clients show.
type deviceAnswer struct {
	oidc.DeviceAuthorizationResponse
	Message string `json:"message"`
}

// DeviceAuthorization gives a device its codes.
func (s *server) DeviceAuthorization(ctx context.Context, r *op.ClientRequest[oidc.DeviceAuthorizationRequest]) (*op.Response, error) {
	scopes := scopesOf(r.Data.Scopes)
	if w := s.readScopes(scopes); w.resource == "" {
		return nil, errResource(w)
	}
	d, err := readDemand(r.Form)
	if err != nil {
		return nil, oidc.ErrInvalidRequest().WithDescription("%s", err)
	}
	c, at, now := r.Client.(*client), placeOf(ctx), s.Now()
	state := deviceState{
		Tenant: at.tenant, Client: c.GetID(), ClientName: c.object.DisplayName, Scopes: scopes, Demand: d,
		Created: now, Expires: now.Add(lifeDevice), Proved: c.proved,
	}
	device, user := newName(), newUserCode()
	if err := put(ctx, s.Store, kindDevice, device, state, state.Expires); err != nil {
		return nil, s.fault(ctx, err)
	}
	// The user's code leads to the hash of the device's: who types it learns nothing that redeems tokens.
	if err := put(ctx, s.Store, kindUserCode, plainCode(user), hashed(device), state.Expires); err != nil {
		return nil, s.fault(ctx, err)
	}
	page := at.origin + pathDevice
	return op.NewResponse(deviceAnswer{
		DeviceAuthorizationResponse: oidc.DeviceAuthorizationResponse{
			DeviceCode: device, UserCode: user, VerificationURI: page,
			VerificationURIComplete: page + "?user_code=" + url.QueryEscape(user),
			ExpiresIn:               int(lifeDevice / time.Second), Interval: max(1, int(s.DeviceInterval/time.Second)),
		},
		Message: fmt.Sprintf("To sign in, open the page %s in a browser and enter the code %s.", page, user),
	}), nil
}

// newUserCode returns eight letters that form no words, in two groups: 34 bits, which live for minutes and are guessed
// at ten times a minute.
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	code := make([]byte, 0, 9)
	for b := make([]byte, 1); len(code) < 9; {
		_, _ = rand.Read(b) // crypto/rand does not fail: it ends the program
		if len(code) == 4 {
			code = append(code, '-')
		}
		if int(b[0]) < 256/len(letters)*len(letters) {
			code = append(code, letters[int(b[0])%len(letters)])
		}
	}
	return string(code)
}

// plainCode is a user's code without what people add or change in typing it.
func plainCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ToUpper(typed))
}

// DeviceToken answers a device that asks whether its person is done (RFC 8628 §3.5).
func (s *server) DeviceToken(ctx context.Context, r *op.ClientRequest[oidc.DeviceAccessTokenRequest]) (*op.Response, error) {
	name := hashed(r.Data.DeviceCode)
	k, err := get[deviceState](ctx, s.Store, kindDevice, r.Data.DeviceCode, s.Now())
	if errors.Is(err, store.ErrNotFound) {
		return nil, oidc.ErrExpiredDeviceCode()
	}
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	c, state := r.Client.(*client), k.Value
	if state.Client != c.GetID() || placeOf(ctx).tenant != "" && state.Tenant != "" && placeOf(ctx).tenant != state.Tenant {
		return nil, oidc.ErrInvalidGrant().WithDescription("The device code belongs to another application.")
	}
	if state.Proved && !c.proved {
		return nil, invalidClient("The application must prove itself with its secret.")
	}
	switch {
	case state.Denied:
		return nil, oidc.ErrAccessDenied().WithDescription("The person refused.")
	case state.Grant == nil && s.polls.full(name):
		return nil, oidc.ErrSlowDown()
	case state.Grant == nil:
		s.polls.add(name)
		return nil, oidc.ErrAuthorizationPending()
	}
	if _, err := s.Store.TakeSecret(ctx, kindDevice, name, s.Now()); err != nil {
		return nil, s.lost(ctx, err)
	}
	return s.respond(ctx, c, *state.Grant, nil, newName())
}

// devicePage takes a user's code and begins the sign-in that it stands for.
func (p *Provider) devicePage(w http.ResponseWriter, r *http.Request, at place, _ string) {
	browser, set := browserOf(r.Header)
	if set != nil {
		http.SetCookie(w, set)
	}
	if r.Method != http.MethodPost {
		p.showDevice(w, r, http.StatusOK, browser, r.URL.Query().Get("user_code"), "")
		return
	}
	if err := r.ParseForm(); err != nil || set != nil || !formFits(r, pathDevice) {
		p.showError(w, r, http.StatusForbidden, "This form was not sent by its own page. Go back and try again.")
		return
	}
	typed := r.PostForm.Get("user_code")
	from := addressOf(r)
	if p.guesses.full(from) {
		p.showDevice(w, r, http.StatusTooManyRequests, browser, "", "Too many wrong codes. Try again in a minute.")
		return
	}
	id, err := p.beginDevice(r.Context(), at, browser, typed)
	if errors.Is(err, store.ErrNotFound) {
		p.guesses.add(from)
		p.showDevice(w, r, http.StatusBadRequest, browser, "", "This code is not known. It may have expired.")
		return
	}
	if err != nil {
		p.showFault(w, r, err)
		return
	}
	http.Redirect(w, r, pathSignIn+"?id="+url.QueryEscape(id), http.StatusSeeOther)
}

func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// beginDevice begins the sign-in for a user's code. The error wraps store.ErrNotFound for one that is not known.
func (p *Provider) beginDevice(ctx context.Context, at place, browser, typed string) (string, error) {
	code, err := get[string](ctx, p.Store, kindUserCode, plainCode(typed), p.Now())
	if err != nil {
		return "", err
	}
	state, err := p.device(ctx, code.Value)
	if err != nil {
		return "", err
	}
	if state.Value.Grant != nil || state.Value.Denied {
		return "", store.ErrNotFound
	}
	v, id := state.Value, newName()
	return id, put(ctx, p.Store, kindInteraction, id, interaction{
		Browser: hashed(browser), Tenant: v.Tenant, Origin: at.origin, Client: v.Client, ClientName: v.ClientName,
		Scopes: v.Scopes, Demand: v.Demand, Created: p.Now(), Device: code.Value,
	}, v.Expires)
}

// device reads a device by the hash of its code.
func (p *Provider) device(ctx context.Context, name string) (kept[deviceState], error) {
	k := kept[deviceState]{name: name}
	var err error
	if k.raw, err = p.Store.GetSecret(ctx, kindDevice, name, p.Now()); err != nil {
		return k, fmt.Errorf("read a device: %w", err)
	}
	err = k.decode()
	return k, err
}

// answerDevice takes the person's answer to whether the device may have what it asks for.
func (p *Provider) answerDevice(ctx context.Context, w http.ResponseWriter, r *http.Request, in interaction, s session) error {
	k, err := p.device(ctx, in.Device)
	if errors.Is(err, store.ErrNotFound) {
		p.showError(w, r, http.StatusBadRequest, "The device's code has expired. Start again on the device.")
		return nil
	}
	if err != nil {
		return err
	}
	after, text := k.Value, "You are signed in on the other device. You may close this page."
	switch r.PostForm.Get("answer") {
	case "allow":
		g := in.grant(s)
		after.Grant = &g
	case "deny":
		after.Denied, text = true, "The device was refused. You may close this page."
	default:
		return p.showStep(ctx, w, r, stepConfirm, in, s, "Choose one.")
	}
	if k.Value.Grant != nil || k.Value.Denied {
		p.showError(w, r, http.StatusBadRequest, "The device's code was used already. Start again on the device.")
		return nil
	}
	b, err := encode(after)
	if err != nil {
		return err
	}
	if err := p.Store.SwapSecret(ctx, kindDevice, in.Device, k.raw, b, after.Expires); err != nil {
		return fmt.Errorf("answer a device: %w", err)
	}
	if err := drop(ctx, p.Store, kindInteraction, in.id); err != nil {
		return err
	}
	return p.showMessage(w, r, http.StatusOK, "Done", text)
}
