package server

import (
	"context"
	"fmt"
	"strings"

	"portcullis/internal/api/authzen"
	"portcullis/internal/api/scim"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/pim"
)

// Service is an application by which a program elsewhere works for a tenant, as its operator is told of it.
type Service struct {
	Object directory.Object
	// Secret is what it proves itself by. It is told once.
	Secret string
}

// Services are those of one kind: Sources or Doors. Tenants are named by id or domain; empty: the oldest. Services are named by
// their name or id.
type Services struct {
	kind, permission string
	// another is the command that gives one another secret.
	another string
	spell   func(t pim.TenantID, clientID, secret string) (string, error)
}

// Sources are directories elsewhere that keep up a tenant by SCIM. What they prove themselves by is a token that says whose it is.
func Sources() Services {
	return Services{kind: "source", permission: scim.Permission, another: "pim scim source token", spell: scim.NewToken}
}

// Doors are programs that ask by AuthZEN whether somebody may, and may do nothing else. They get tokens by their client secret.
func Doors() Services {
	return Services{kind: "door", permission: authzen.Permission, another: "pim door secret",
		spell: func(_ pim.TenantID, _, secret string) (string, error) { return secret, nil }}
}

// Add makes a service. Its name must be new.
func (s Services) Add(ctx context.Context, a *app.App, tenant, name string) (Service, error) {
	t, have, err := s.in(ctx, a, tenant)
	if err != nil {
		return Service{}, err
	}
	for _, o := range have {
		if strings.EqualFold(o.DisplayName, name) {
			return Service{}, fmt.Errorf("a %s %q is there already; `%s` gives it another secret", s.kind, name, s.another)
		}
	}
	secret := idp.NewSecret()
	o, err := a.CreateService(ctx, t, name, []string{s.permission}, idp.HashSecret(secret))
	if err != nil {
		return Service{}, err
	}
	told, err := s.spell(t, o.App.ClientID, secret)
	return Service{Object: o, Secret: told}, err
}

// List lists the services of a tenant.
func (s Services) List(ctx context.Context, a *app.App, tenant string) ([]directory.Object, error) {
	_, have, err := s.in(ctx, a, tenant)
	return have, err
}

// Renew gives a service a new secret. The last one before it goes on to work, so that it can be replaced at leisure,
// unless only the new one shall.
func (s Services) Renew(ctx context.Context, a *app.App, tenant, name string, only bool) (Service, error) {
	t, o, err := s.find(ctx, a, tenant, name)
	if err != nil {
		return Service{}, err
	}
	secret := idp.NewSecret()
	err = a.RenewService(ctx, t, o.ID, func(hashes string) string {
		fresh := idp.HashSecret(secret)
		if last := strings.Fields(hashes); len(last) > 0 && !only {
			fresh += " " + last[0]
		}
		return fresh
	})
	if err != nil {
		return Service{}, err
	}
	told, err := s.spell(t, o.App.ClientID, secret)
	return Service{Object: o, Secret: told}, err
}

// Remove deletes a service: its secrets and tokens work no more. The people and groups that a source brought in stay.
func (s Services) Remove(ctx context.Context, a *app.App, tenant, name string) error {
	t, o, err := s.find(ctx, a, tenant, name)
	if err != nil {
		return err
	}
	return a.DeleteService(ctx, t, o.ID)
}

func (s Services) in(ctx context.Context, a *app.App, tenant string) (pim.TenantID, []directory.Object, error) {
	t, err := findTenant(ctx, a.Store, tenant)
	if err != nil {
		return "", nil, err
	}
	have, err := a.Services(ctx, t, s.permission)
	return t, have, err
}

func (s Services) find(ctx context.Context, a *app.App, tenant, name string) (pim.TenantID, directory.Object, error) {
	t, have, err := s.in(ctx, a, tenant)
	if err != nil {
		return "", directory.Object{}, err
	}
	for _, o := range have {
		if strings.EqualFold(o.DisplayName, name) || strings.EqualFold(string(o.ID), name) || strings.EqualFold(o.App.ClientID, name) {
			return t, o, nil
		}
	}
	return "", directory.Object{}, fmt.Errorf("there is no %s %q in the tenant", s.kind, name)
}
