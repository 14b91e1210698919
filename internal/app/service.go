package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Services are the applications by which programs elsewhere work for a tenant: directories that keep it up, doors that ask. The
// operator of the server makes them, at the machine itself: they ask no permission.

// operator is who acts at the machine itself.
func operator() pim.Caller { return pim.Caller{Actor: pim.Actor{Name: "Operator"}} }

// CreateService makes an application with these permissions, whose secret is kept as hash. Refusals: InvalidRequest.
func (a *App) CreateService(ctx context.Context, t pim.TenantID, name string, permissions []string, hash string) (directory.Object, error) {
	o := directory.Object{Tenant: t, ID: pim.PrincipalID(a.newID()), Kind: directory.KindServicePrincipal, DisplayName: name, Enabled: true,
		App: &directory.App{ClientID: a.newID(), Permissions: permissions}}
	if err := validApplication(o); err != nil {
		return directory.Object{}, err
	}
	if err := validObject(o); err != nil {
		return directory.Object{}, err
	}
	err := a.write(ctx, func(now time.Time) (writing, error) {
		o.Created, o.Modified = now, now
		w := a.made(operator(), o)
		w.with.Credentials = []directory.Credential{{Tenant: t, Principal: o.ID, Password: hash}}
		return w, nil
	})
	return o, err
}

// RenewService gives a service the secrets that fresh makes of the hashes of those that it has. Refusals: UnknownPrincipal.
func (a *App) RenewService(ctx context.Context, t pim.TenantID, id pim.PrincipalID, fresh func(hashes string) string) error {
	return a.write(ctx, func(now time.Time) (writing, error) {
		o, version, err := a.versioned(ctx, t, id, directory.KindServicePrincipal)
		if err != nil {
			return writing{}, err
		}
		have, err := a.Store.Credential(ctx, t, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return writing{}, err
		}
		after := o
		w := a.changed(operator(), now, o, &after, version, pim.Change{Name: "passwordCredentials"})
		w.with.Credentials = []directory.Credential{{Tenant: t, Principal: id, Password: fresh(have.Password)}}
		return w, nil
	})
}

// DeleteService puts a service into the bin; its secrets are lost in the same commit. What it brought in stays. Refusals:
// UnknownPrincipal.
func (a *App) DeleteService(ctx context.Context, t pim.TenantID, id pim.PrincipalID) error {
	return a.bin(ctx, operator(), t, id, directory.KindServicePrincipal, nil)
}

// Services lists the applications of a tenant that carry one permission and no other, in the order in which they were made.
func (a *App) Services(ctx context.Context, t pim.TenantID, permission string) ([]directory.Object, error) {
	q := store.Query{Tenant: t, Limit: most, Where: store.Is(store.FieldObjectKind, int(directory.KindServicePrincipal))}
	var out []directory.Object
	for {
		page, err := a.Store.Objects(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Rows {
			if o.App != nil && slices.Equal(o.App.Permissions, []string{permission}) {
				out = append(out, o)
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return out, nil
		}
	}
}
