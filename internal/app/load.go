package app

import (
	"context"

	"portcullis/internal/access"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// readLive reads what the index is filled with.
func (a *App) readLive(ctx context.Context, l *access.Loader) error {
	err := a.Store.Live(ctx, a.Time(), l.Schedule, func(link directory.Link) error {
		for _, e := range edges([]directory.Link{link}) {
			if err := l.Link(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = a.Store.LiveNames(ctx, func(o directory.Object) error {
		if n, ok := indexName(o); ok {
			return l.Name(n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.Store.LiveResources(ctx, l.Container, l.ResourceRole,
		func(d store.Denial) error { return l.Denial(d.Tenant, d.Denial) })
}

// indexName is by what a principal can be found; false for objects that are none.
func indexName(o directory.Object) (access.Name, bool) {
	p := o.Principal()
	n := access.Name{Account: access.Account{Tenant: o.Tenant, ID: o.ID}, Kind: p.Kind, ExternalID: o.ExternalID}
	if o.User != nil {
		n.UserPrincipalName = o.User.PrincipalName
	}
	if o.App != nil {
		n.ClientID = o.App.ClientID
	}
	return n, p.ID != ""
}

// resourceChanges are what a change is of the resources of each tenant.
func resourceChanges(c store.Change) map[pim.TenantID]*access.ResourceChange {
	var changes map[pim.TenantID]*access.ResourceChange
	of := func(t pim.TenantID) *access.ResourceChange {
		if changes == nil {
			changes = map[pim.TenantID]*access.ResourceChange{}
		}
		if changes[t] == nil {
			changes[t] = &access.ResourceChange{Tenant: t}
		}
		return changes[t]
	}
	for _, p := range c.Cleared {
		of(p.Tenant).Gone = append(of(p.Tenant).Gone, p.Scope)
	}
	for _, n := range c.Resources {
		of(n.Tenant).Containers = append(of(n.Tenant).Containers, n)
	}
	for _, o := range c.Deleted {
		if o.Kind == directory.KindResourceRole {
			of(o.Tenant).GoneRoles = append(of(o.Tenant).GoneRoles, pim.RoleID(o.ID))
		}
	}
	for _, o := range c.Objects {
		if r, ok := o.Definition(); ok {
			of(o.Tenant).Roles = append(of(o.Tenant).Roles, r)
		}
	}
	for _, d := range c.Undenied {
		of(d.Tenant).GoneDenials = append(of(d.Tenant).GoneDenials, d.ID)
	}
	for _, d := range c.Denials {
		of(d.Tenant).Denials = append(of(d.Tenant).Denials, d.Denial)
	}
	return changes
}
