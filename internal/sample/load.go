package sample

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Hashes turn what people and applications sign in with into what is stored of it.
type Hashes struct {
	Password func(string) (string, error)
	Secret   func(string) string
}

// Secrets are what the parts and the client of one organisation sign in with.
type Secrets struct {
	// Passwords and TOTP are by the key of the person.
	Passwords, TOTP map[string]string
	// Client is the client application's secret.
	Client string
}

// NewSecrets makes random ones.
func NewSecrets(o Organisation) Secrets {
	s := Secrets{Passwords: map[string]string{}, TOTP: map[string]string{}, Client: rand.Text() + rand.Text()}
	for key := range o.People {
		s.Passwords[key] = rand.Text()
		var b [20]byte // RFC 4226 §4: 160 bits
		_, _ = rand.Read(b[:])
		s.TOTP[key] = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])
	}
	return s
}

// credentials hashes what everybody signs in with, on all processors: a password takes some thirty milliseconds.
func (o Organisation) credentials(s Secrets, h Hashes) ([]directory.Credential, error) {
	keys := slices.Sorted(maps.Keys(o.People))
	out := make([]directory.Credential, len(keys), len(keys)+1)
	errs := make([]error, len(keys))
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, key := range keys {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			hash, err := h.Password(s.Passwords[key])
			errs[i] = err
			out[i] = directory.Credential{Tenant: o.Tenant.ID, Principal: o.People[key], Password: hash, TOTPSecret: s.TOTP[key]}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return append(out, directory.Credential{Tenant: o.Tenant.ID, Principal: o.Client, Password: h.Secret(s.Client)}), nil
}

// Load brings the organisation into an empty tenant: its directory in one commit, with the first administrator, and
// everything else asked for by that administrator. store.ErrConflict: it is there already.
func Load(ctx context.Context, a *app.App, o Organisation, s Secrets, h Hashes) error {
	credentials, err := o.credentials(s, h)
	if err != nil {
		return err
	}
	err = a.Found(ctx, app.Founding{
		Tenant: o.Tenant, Objects: o.Objects, Links: o.Links, Credentials: credentials, Administrator: o.Administrator,
		Permissions: o.Permissions,
	})
	if err != nil {
		return err
	}
	if err := o.plant(ctx, a); err != nil {
		return err
	}
	for _, e := range o.Policies {
		if _, err := a.EditPolicy(ctx, o.giver(a, e.Key.Provider), e.Key, e.Edit); err != nil {
			return fmt.Errorf("rules of role %s: %w", e.Key.Role, err)
		}
	}
	for _, g := range o.Grants {
		if err := o.give(ctx, a, g); err != nil {
			return fmt.Errorf("role %s at %s for %s: %w", g.Key.Role, g.Key.Scope, g.Key.Principal, err)
		}
	}
	return nil
}

// Renew gives everybody of an organisation that is there already something new to sign in with.
func Renew(ctx context.Context, s store.Directory, o Organisation, secrets Secrets, h Hashes) error {
	fresh, err := o.credentials(secrets, h)
	if err != nil {
		return err
	}
	for _, c := range fresh {
		old, err := s.Credential(ctx, c.Tenant, c.Principal)
		if err != nil {
			return fmt.Errorf("credential of %s: %w", c.Principal, err)
		}
		if err := s.ReplaceCredential(ctx, old, c); err != nil {
			return fmt.Errorf("credential of %s: %w", c.Principal, err)
		}
	}
	return nil
}

// giver is who gives roles of a provider: the first administrator, or the owner of the resources.
func (o Organisation) giver(a *app.App, p pim.Provider) pim.Caller {
	if p == pim.Resource {
		return o.caller(a, o.Owner)
	}
	return o.caller(a, o.Administrator)
}

// caller is a person who is signed in with a second factor.
func (o Organisation) caller(a *app.App, who pim.PrincipalID) pim.Caller {
	for _, u := range o.Objects {
		if u.ID == who {
			return a.Caller(o.Tenant.ID, pim.Caller{
				Actor: pim.Actor{Principal: u.ID, Kind: pim.UserPrincipal, Name: u.DisplayName, Account: u.User.PrincipalName}, MFA: true,
			})
		}
	}
	return pim.Caller{}
}

func (o Organisation) give(ctx context.Context, a *app.App, g Grant) error {
	info := schedule.Info{Expiration: schedule.Expiration{Kind: schedule.NoExpiration}}
	if g.Duration != "" {
		d, err := schedule.ParseDuration(g.Duration)
		if err != nil {
			return err
		}
		info.Expiration = schedule.Expiration{Kind: schedule.AfterDuration, Duration: d}
	}
	_, err := a.Do(ctx, pim.Ask{
		By: o.giver(a, g.Key.Provider), Action: pim.AdminAssign, Kind: g.Kind, Key: g.Key, Schedule: info,
		Justification: "As agreed when the organisation was set up",
	})
	return err
}
