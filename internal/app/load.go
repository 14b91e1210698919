package app

import (
	"context"

	"portcullis/internal/access"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Load fills the access index from the store. Until it has, nobody holds anything.
func (a *App) Load(ctx context.Context) error {
	return a.Index.Fill(func(l *access.Loader) error {
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
		return a.Store.LiveResources(ctx, l.Container, l.ResourceRole,
			func(d store.Denial) error { return l.Denial(d.Tenant, d.Denial) })
	})
}

// knowResources tells the access index what a commit changes of resources.
func (a *App) knowResources(c store.Commit) {
	for _, change := range resourceChanges(c) {
		a.Index.ChangeResources(*change)
	}
}

// resourceChanges are what a commit changes of the resources of each tenant.
func resourceChanges(c store.Commit) map[pim.TenantID]*access.ResourceChange {
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
