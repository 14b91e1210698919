package server

import (
	"context"
	"fmt"
	"strings"

	"portcullis/internal/api/scim"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/pim"
)

// Source is a directory elsewhere that keeps up a tenant by SCIM, as its operator is told of it.
type Source struct {
	Object directory.Object
	// Token is told once.
	Token string
}

// AddSource makes a directory source in a tenant, named by id or domain; empty: the oldest. Its name must be new.
func AddSource(ctx context.Context, a *app.App, tenant, name string) (Source, error) {
	t, err := findTenant(ctx, a.Store, tenant)
	if err != nil {
		return Source{}, err
	}
	have, err := a.Sources(ctx, t, scim.Permission)
	if err != nil {
		return Source{}, err
	}
	for _, o := range have {
		if strings.EqualFold(o.DisplayName, name) {
			return Source{}, fmt.Errorf("a source %q is there already; `pim scim source token` gives it another token", name)
		}
	}
	secret := idp.NewSecret()
	o, err := a.CreateSource(ctx, t, name, []string{scim.Permission}, idp.HashSecret(secret))
	if err != nil {
		return Source{}, err
	}
	token, err := scim.NewToken(t, o.App.ClientID, secret)
	return Source{Object: o, Token: token}, err
}

// Sources lists the directory sources of a tenant.
func Sources(ctx context.Context, a *app.App, tenant string) ([]directory.Object, error) {
	t, err := findTenant(ctx, a.Store, tenant)
	if err != nil {
		return nil, err
	}
	return a.Sources(ctx, t, scim.Permission)
}

// RenewSource gives a source a new token. The last one before it goes on to work, so that it can be replaced at leisure,
// unless only the new one shall.
func RenewSource(ctx context.Context, a *app.App, tenant, name string, only bool) (Source, error) {
	t, o, err := source(ctx, a, tenant, name)
	if err != nil {
		return Source{}, err
	}
	secret := idp.NewSecret()
	err = a.RenewSource(ctx, t, o.ID, func(hashes string) string {
		fresh := idp.HashSecret(secret)
		if last := strings.Fields(hashes); len(last) > 0 && !only {
			fresh += " " + last[0]
		}
		return fresh
	})
	if err != nil {
		return Source{}, err
	}
	token, err := scim.NewToken(t, o.App.ClientID, secret)
	return Source{Object: o, Token: token}, err
}

// RemoveSource deletes a source: its tokens work no more. The people and groups that it brought in stay.
func RemoveSource(ctx context.Context, a *app.App, tenant, name string) error {
	t, o, err := source(ctx, a, tenant, name)
	if err != nil {
		return err
	}
	return a.DeleteSource(ctx, t, o.ID)
}

// source finds a source by its name or id.
func source(ctx context.Context, a *app.App, tenant, name string) (pim.TenantID, directory.Object, error) {
	t, err := findTenant(ctx, a.Store, tenant)
	if err != nil {
		return "", directory.Object{}, err
	}
	have, err := a.Sources(ctx, t, scim.Permission)
	if err != nil {
		return "", directory.Object{}, err
	}
	for _, o := range have {
		if strings.EqualFold(o.DisplayName, name) || strings.EqualFold(string(o.ID), name) || strings.EqualFold(o.App.ClientID, name) {
			return t, o, nil
		}
	}
	return "", directory.Object{}, fmt.Errorf("there is no source %q in the tenant", name)
}
