package app

import (
	"context"
	"sync"

	"portcullis/internal/access"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// readLive reads what the index is filled with.
func (a *App) readLive(ctx context.Context, l *access.Loader) error {
	now := a.Time()
	return atOnce(ctx,
		func(ctx context.Context) error { return a.Store.LiveSchedules(ctx, now, l.Schedule) },
		func(ctx context.Context) error {
			return a.Store.LiveLinks(ctx, func(link directory.Link) error {
				return l.Link(access.Edge{Tenant: link.Tenant, Membership: link.Membership()})
			})
		},
		func(ctx context.Context) error {
			return a.Store.LiveNames(ctx, func(o directory.Object) error {
				if n, ok := indexName(o); ok {
					return l.Name(n)
				}
				return nil
			})
		},
		func(ctx context.Context) error {
			return a.Store.LiveResources(ctx, l.Container, l.ResourceRole,
				func(d store.Denial) error { return l.Denial(d.Tenant, d.Denial) })
		})
}

// atOnce does everything at once. The first error ends the rest, and is returned.
func atOnce(ctx context.Context, all ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first error
	var once sync.Once
	var doing sync.WaitGroup
	for _, do := range all {
		doing.Go(func() {
			if err := do(ctx); err != nil {
				once.Do(func() { first = err })
				cancel()
			}
		})
	}
	doing.Wait()
	return first
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
