package app

import (
	"context"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// place is a scope of a provider that names what leaves the directory.
type place struct {
	provider pim.Provider
	scope    pim.Scope
}

// departures are the asks by which a principal loses all that it holds and waits for, and by which all is lost that others
// hold at the places.
func (a *App) departures(ctx context.Context, by pim.Caller, now time.Time, t pim.TenantID, p pim.PrincipalID, places ...place) ([]pim.Ask, error) {
	where := []store.Filter{store.Is(store.FieldPrincipal, string(p))}
	for _, at := range places {
		// The last condition says nothing new; it lets a store take the index of what is not held everywhere.
		where = append(where, store.And{store.Is(store.FieldProvider, string(at.provider)), store.Is(store.FieldScope, string(at.scope)),
			store.Compare{Field: store.FieldScope, Op: store.Ne, Value: string(pim.Everywhere)}})
	}
	return a.departing(ctx, by, now, t, where)
}

// departing are the asks by which all is lost that matches one of the conditions.
func (a *App) departing(ctx context.Context, by pim.Caller, now time.Time, t pim.TenantID, where []store.Filter) ([]pim.Ask, error) {
	var asks []pim.Ask
	seen := map[pim.Key]bool{}
	for _, w := range where { // one after the other, as there is an index for each
		keys, err := a.concerned(ctx, now, t, w)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if !seen[k] {
				seen[k] = true
				asks = append(asks, pim.Ask{By: by, Action: pim.Depart, Kind: pim.Assignment, Key: k})
			}
		}
	}
	return asks, nil
}

// concerned are the keys of the live schedules and open requests that match.
func (a *App) concerned(ctx context.Context, now time.Time, t pim.TenantID, where store.Filter) ([]pim.Key, error) {
	var keys []pim.Key
	schedules := store.Query{Tenant: t, Limit: most, Where: store.And{where, store.LiveAt(now)}}
	for {
		page, err := a.Store.Schedules(ctx, schedules)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Rows {
			keys = append(keys, s.Key)
		}
		if schedules.After = page.Next; len(page.Next) == 0 {
			break
		}
	}
	open := store.Or{}
	for _, s := range []pim.Status{pim.PendingApproval, pim.PendingAdminDecision, pim.Granted} {
		open = append(open, store.Is(store.FieldStatus, int(s)))
	}
	requests := store.Query{Tenant: t, Limit: most, Where: store.And{where, open}}
	for {
		page, err := a.Store.Requests(ctx, requests)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Rows {
			keys = append(keys, r.Key)
		}
		if requests.After = page.Next; len(page.Next) == 0 {
			return keys, nil
		}
	}
}

// looks bounds how often it is looked whether something slipped in.
const looks = 3

// departed looks once more after somebody has left: what was granted between the reading and the commit goes too.
func (a *App) departed(ctx context.Context, by pim.Caller, t pim.TenantID, p pim.PrincipalID, places ...place) error {
	return a.untilNone(ctx, func(ctx context.Context) ([]pim.Ask, error) { return a.departures(ctx, by, a.Time(), t, p, places...) })
}

// untilNone asks what is found until nothing is.
func (a *App) untilNone(ctx context.Context, find func(context.Context) ([]pim.Ask, error)) error {
	ctx = context.WithoutCancel(ctx) // whoever asked may be gone, and yet this belongs to what they did
	for range looks {
		asks, err := find(ctx)
		if err != nil || len(asks) == 0 {
			return err
		}
		if _, err := a.together(ctx, asks, store.Commit{}); err != nil {
			return err
		}
	}
	return nil
}

// privileged says whether a principal holds a directory role or may come to hold one: by a schedule of its own, or as
// member or owner, eligible ones included, of a group that can hold roles.
func (a *App) privileged(ctx context.Context, t pim.TenantID, p pim.PrincipalID) (bool, error) {
	now := a.Time()
	groups := a.Index.GroupsAbove(now, t, p)
	q := store.Query{Tenant: t, Limit: most, Where: store.And{store.Is(store.FieldPrincipal, string(p)), store.LiveAt(now)}}
	for {
		page, err := a.Store.Schedules(ctx, q)
		if err != nil {
			return false, err
		}
		for _, s := range page.Rows {
			switch s.Key.Provider {
			case pim.Directory, pim.Resource:
				return true, nil
			case pim.Group:
				group := pim.PrincipalID(s.Key.Scope)
				groups = append(append(groups, group), a.Index.GroupsAbove(now, t, group)...)
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			break
		}
	}
	slices.Sort(groups)
	objects, err := a.Store.ObjectsByID(ctx, t, slices.Compact(groups))
	for _, o := range objects {
		if o.GroupFacts().RoleAssignable {
			return true, err
		}
	}
	return false, err
}
