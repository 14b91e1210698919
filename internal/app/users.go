package app

import (
	"context"
	"errors"
	"strings"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// NewUser is an account to be made.
type NewUser struct {
	DisplayName string
	Enabled     bool
	User        directory.User
	// Password is the first one; MustChange demands another at the first sign-in.
	Password   string
	MustChange bool
}

// Bounds of what an account is made of, in bytes.
const (
	shortestPassword, longestPassword = 8, 256
	longestName                       = 256
)

// CreateUser makes an account that can sign in. Refusals: Forbidden; InvalidRequest; AlreadyThere where the user
// principal name is taken.
func (a *App) CreateUser(ctx context.Context, by pim.Caller, t pim.TenantID, u NewUser) (directory.Object, error) {
	if !pim.MayWriteUsers(by) {
		return directory.Object{}, &pim.Refusal{Code: pim.Forbidden, Detail: "the caller holds no active role that manages users"}
	}
	if err := a.counts(ctx, by, t); err != nil {
		return directory.Object{}, err
	}
	if err := a.validUser(ctx, t, u); err != nil {
		return directory.Object{}, err
	}
	hash, err := a.HashPassword(u.Password)
	if err != nil {
		return directory.Object{}, err
	}
	facet := u.User
	if facet.Type == "" {
		facet.Type = "Member"
	}
	o := directory.Object{Tenant: t, ID: pim.PrincipalID(a.newID()), Kind: directory.KindUser, DisplayName: u.DisplayName,
		Enabled: u.Enabled, Created: a.Time(), User: &facet}
	err = a.commit(ctx, store.Commit{
		Outcome:     pim.Outcome{Events: []pim.Event{a.userEvent(by, o)}},
		Objects:     []directory.Object{o},
		Credentials: []directory.Credential{{Tenant: t, Principal: o.ID, Password: hash, MustChange: u.MustChange}},
	})
	if errors.Is(err, store.ErrConflict) {
		err = &pim.Refusal{Code: pim.AlreadyThere, Field: "userPrincipalName", Detail: "another account has this name"}
	}
	return o, err
}

// validUser says whether an account can be made so: its name ends in the tenant's own domain.
func (a *App) validUser(ctx context.Context, t pim.TenantID, u NewUser) error {
	bad := func(field, detail string) error {
		return &pim.Refusal{Code: pim.InvalidRequest, Field: field, Detail: detail}
	}
	name, domain, _ := strings.Cut(u.User.PrincipalName, "@")
	switch {
	case strings.TrimSpace(u.DisplayName) == "" || len(u.DisplayName) > longestName:
		return bad("displayName", "an account has a display name of at most 256 bytes")
	case name == "" || len(u.User.PrincipalName) > longestName || strings.ContainsFunc(u.User.PrincipalName, isSpaceOrControl):
		return bad("userPrincipalName", "the name is not of the form name@domain")
	case len(u.Password) < shortestPassword || len(u.Password) > longestPassword:
		return bad("passwordProfile", "a password has 8 to 256 bytes")
	}
	tenants, err := a.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		if tenant.ID == t && strings.EqualFold(tenant.Domain, domain) {
			return nil
		}
	}
	return bad("userPrincipalName", "the domain is not one of the tenant's")
}

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

func (a *App) userEvent(by pim.Caller, o directory.Object) pim.Event {
	return pim.Event{
		ID: pim.EventID(a.newID()), Tenant: o.Tenant, At: a.Time(), Activity: pim.DirectoryChanged, Success: true, By: by.Actor,
		Principal: o.Principal(), Details: []string{"user", "created"},
	}
}
