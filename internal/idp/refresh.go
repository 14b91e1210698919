package idp

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/store"
)

// newRefresh begins a family and returns its first token. A token is the family's name and a secret.
func (p *Provider) newRefresh(ctx context.Context, family string, g grant, proved bool) (string, error) {
	now, secret := p.Now(), newName()
	state := refreshState{Grant: g, Secret: hashed(secret), Created: now, Proved: proved}
	if err := put(ctx, p.Store, kindRefresh, family, state, p.refreshEnd(now, now)); err != nil {
		return "", err
	}
	return family + "." + secret, nil
}

// refreshEnd is when a family that began at created and is used now ends.
func (p *Provider) refreshEnd(created, now time.Time) time.Time {
	end, limit := now.Add(p.RefreshIdle), created.Add(p.RefreshLimit)
	if limit.Before(end) {
		return limit
	}
	return end
}

// RefreshToken renews tokens (RFC 6749 §6). Every use gives a new refresh token; one that was used before ends the
// family, for it was stolen from or by somebody (RFC 9700 §4.14.2). Scopes may name another resource of this server, as
// Entra's clients do: what the application may do bounds both.
func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	family, secret, _ := strings.Cut(r.Data.RefreshToken, ".")
	had, err := get[refreshState](ctx, s.Store, kindRefresh, family, s.Now())
	if errors.Is(err, store.ErrNotFound) {
		return nil, oidc.ErrInvalidGrant().WithDescription("The refresh token is wrong, has expired or was revoked.")
	}
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	c, g := r.Client.(*client), had.Value.Grant
	if g.Client != c.GetID() || !s.tenantFits(ctx, g) {
		return nil, oidc.ErrInvalidGrant().WithDescription("The refresh token belongs to another application.")
	}
	if had.Value.Proved && !c.proved {
		return nil, invalidClient("The application must prove itself.")
	}
	if subtle.ConstantTimeCompare([]byte(hashed(secret)), []byte(had.Value.Secret)) != 1 {
		if err := drop(ctx, s.Store, kindRefresh, family); err != nil {
			return nil, s.fault(ctx, err)
		}
		return nil, oidc.ErrInvalidGrant().WithDescription("The refresh token was used already. Sign in again.")
	}
	if g.Proof, err = s.stepUp(r, g.Proof); err != nil {
		return nil, err
	}
	t, err := s.issue(ctx, c, g, scopesOf(r.Data.Scopes), "")
	if err != nil {
		return nil, err
	}
	if t.RefreshToken, err = s.rotate(ctx, had); err != nil {
		return nil, err
	}
	return op.NewResponse(t), nil
}

// Revocation ends the family of a refresh token (RFC 7009). One that is not known is as good as revoked. Access tokens
// cannot be called back, and end soon.
func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	family, secret, _ := strings.Cut(r.Data.Token, ".")
	had, err := get[refreshState](ctx, s.Store, kindRefresh, family, s.Now())
	if errors.Is(err, store.ErrNotFound) {
		return op.NewResponse(struct{}{}), nil
	}
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	c, g := r.Client.(*client), had.Value.Grant
	if g.Client != c.GetID() || !s.tenantFits(ctx, g) || had.Value.Proved && !c.proved ||
		subtle.ConstantTimeCompare([]byte(hashed(secret)), []byte(had.Value.Secret)) != 1 {
		return nil, oidc.ErrInvalidGrant().WithDescription("The refresh token belongs to another application, or was used already.")
	}
	if err := drop(ctx, s.Store, kindRefresh, family); err != nil {
		return nil, s.fault(ctx, err)
	}
	return op.NewResponse(struct{}{}), nil
}

// rotate replaces a family's token.
func (s *server) rotate(ctx context.Context, had kept[refreshState]) (string, error) {
	after, secret := had.Value, newName()
	after.Secret = hashed(secret)
	err := swap(ctx, s.Store, kindRefresh, had, after, s.refreshEnd(after.Created, s.Now()))
	if err != nil {
		return "", s.lost(ctx, err)
	}
	return had.name + "." + secret, nil
}

// stepUp adds the authentication contexts that a refresh asks for, if the sign-in that it renews still bears them.
// Otherwise the person has to do something.
func (s *server) stepUp(r *op.ClientRequest[oidc.RefreshTokenRequest], had proof) (proof, error) {
	d, err := readDemand(r.Form)
	if err != nil {
		return had, oidc.ErrInvalidRequest().WithDescription("%s", err)
	}
	now := s.Now()
	if !d.metBy(had, now, now, s.MFAAge) {
		return had, oidc.ErrInteractionRequired().WithDescription("A fresh second factor is required. Sign in again.")
	}
	if len(d.Contexts) > 0 {
		had.Contexts = d.Contexts
	}
	return had, nil
}

// scopesOf drops the empty texts that the library reads from an absent or doubled scope.
func scopesOf(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// refreshState is what is kept of a family of refresh tokens: one sign-in, one family, one living token.
type refreshState struct {
	Grant grant
	// Secret is the hash of the living token's second half.
	Secret  string
	Created time.Time
	// Proved says that the application proved itself, and must again.
	Proved bool
}
