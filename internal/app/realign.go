package app

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// alignment says whether all doors are known to be in line with what is held, but for what is to be looked at once more.
type alignment struct {
	reached atomic.Bool
	again   secondLook
}

// Align asks about all cases that open doors, or did, whether these are as they should be, unless that was done since the start
// and every question since could be asked: then it asks about those alone that other nodes' commits may have moved since. One node
// calls it now and then for all. What was committed before the last process ended may not have reached the doors, and other roles may
// be bound to them now.
func (a *App) Align(ctx context.Context) error {
	seen := a.alignment.again.take()
	reached := a.alignment.reached.Swap(true)
	var err error
	if reached && !seen.tooMuch {
		err = a.alignSeen(ctx, seen)
	} else {
		err = a.alignAll(ctx)
	}
	if err != nil {
		a.alignment.reached.Store(false)
	}
	return err
}

func (a *App) alignAll(ctx context.Context) error {
	if len(a.Doors) == 0 {
		return nil
	}
	tenants, err := a.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		keys := map[pim.Key]bool{}
		if err := a.bound(ctx, t.ID, a.Doors, keys); err != nil {
			return err
		}
		if err := a.realign(ctx, keys); err != nil {
			return err
		}
	}
	return nil
}

// aligned asks about the cases whose doors a commit may have changed without knowing it. A failure is logged, not told: what was
// asked for is done. It is made good by Align.
func (a *App) aligned(ctx context.Context, c store.Commit) {
	if len(a.Doors) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx) // whoever asked may be gone, and yet this belongs to what they did
	keys := map[pim.Key]bool{}
	a.ofGrants(c, keys)
	a.ofMembers(c, keys)
	err := a.ofTree(ctx, c, keys)
	if err = errors.Join(err, a.realign(ctx, keys)); err != nil {
		a.alignment.reached.Store(false)
		if a.Log != nil {
			a.Log.ErrorContext(ctx, "doors could not be brought in line with what is held; it is tried again", "error", err)
		}
	}
}

// realign asks about cases until nothing is left to do: what was decided by the index as it was may have been committed after
// somebody else who changed the index found nothing to do.
func (a *App) realign(ctx context.Context, keys map[pim.Key]bool) error {
	var failed []error
	for _, k := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		if err := ctx.Err(); err != nil {
			return err // once, not for each of what is left
		}
		ask := pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Action: pim.Realign, Kind: pim.Assignment, Key: k}
		for range attempts {
			out, err := a.Do(ctx, ask)
			if err != nil {
				failed = append(failed, err)
			}
			if err != nil || !out.Changed() {
				break
			}
		}
	}
	return errors.Join(failed...)
}

func compareKeys(a, b pim.Key) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Scope, b.Scope),
		cmp.Compare(a.Role, b.Role), cmp.Compare(a.Principal, b.Principal))
}

// ofGrants adds the cases of grants that were made or changed: those of groups, which open doors for others, and those of resources
// that open one further down, or did when they were decided: that may have gone meanwhile, or lie elsewhere.
func (a *App) ofGrants(c store.Commit, keys map[pim.Key]bool) {
	now := a.Time()
	for _, s := range c.Schedules {
		if s.Kind != pim.Assignment || s.Ending != pim.NotEnded || keys[s.Key] {
			continue
		}
		doors := a.bindings(s.Key)
		below := func(b Binding) bool { return s.Key.Provider == pim.Resource && b.Scope != s.Key.Scope }
		astray := func(e pim.Effect) bool {
			bound := func(b Binding) bool { return b.Door == e.Door && b.Privilege == e.Privilege }
			return e.Schedule == s.ID && e.State == pim.EffectPending && !slices.ContainsFunc(doors, bound)
		}
		if slices.ContainsFunc(doors, below) || slices.ContainsFunc(c.Effects, astray) ||
			len(doors) > 0 && len(a.Index.Members(now, s.Key.Tenant, s.Key.Principal)) > 0 {
			keys[s.Key] = true
		}
	}
}

// ofMembers adds the cases by which groups open doors, where it changes who is in them, or what is known of who is.
func (a *App) ofMembers(c store.Commit, keys map[pim.Key]bool) {
	type group struct {
		tenant pim.TenantID
		id     pim.PrincipalID
	}
	now := a.Time()
	groups := map[group]bool{}
	above := func(t pim.TenantID, id pim.PrincipalID) {
		for _, g := range a.Index.GroupsAbove(now, t, id) {
			groups[group{t, g}] = true
		}
	}
	for _, links := range [][]directory.Link{c.Links, c.Unlinks} {
		for _, l := range links {
			if l.Relation == directory.MemberOf && !groups[group{l.Tenant, l.From}] {
				groups[group{l.Tenant, l.From}] = true
				above(l.Tenant, l.From)
			}
		}
	}
	for _, o := range c.Objects {
		if o.Principal().ID != "" {
			above(o.Tenant, o.ID)
		}
	}
	for g := range groups {
		// What it holds by a group above it is of that one's case: then this one is asked about in vain.
		for _, held := range a.Index.Held(now, g.tenant, g.id) {
			k := pim.Key{Tenant: g.tenant, Provider: held.Provider, Scope: held.Scope, Role: held.Role, Principal: g.id}
			if len(a.bindings(k)) > 0 {
				keys[k] = true
			}
		}
	}
}

// ofTree adds the cases by which doors are opened to something below what was changed in the tree, or were.
func (a *App) ofTree(ctx context.Context, c store.Commit, keys map[pim.Key]bool) error {
	if len(c.Resources)+len(c.Cleared) == 0 {
		return nil
	}
	changed := map[pim.TenantID]map[pim.Scope]bool{}
	note := func(t pim.TenantID, s pim.Scope) {
		if changed[t] == nil {
			changed[t] = map[pim.Scope]bool{}
		}
		changed[t][s] = true
	}
	for _, n := range c.Resources {
		note(n.Tenant, n.Scope)
	}
	for _, p := range c.Cleared {
		note(p.Tenant, p.Scope)
	}
	for t, scopes := range changed {
		var touched []Binding
		for _, b := range a.Doors {
			// Of all that was changed on the way up from the door, the lowest is on its way before and after.
			way := append([]pim.Scope{b.Scope}, a.Index.Above(t, b.Scope)...)
			if b.Provider == pim.Resource && slices.ContainsFunc(way, func(s pim.Scope) bool { return scopes[s] }) {
				touched = append(touched, b)
			}
		}
		if err := a.bound(ctx, t, touched, keys); err != nil {
			return err
		}
	}
	return nil
}

// bound adds the cases of a tenant that open doors by any of the bindings, and those by which the same doors are open.
func (a *App) bound(ctx context.Context, t pim.TenantID, bindings []Binding, keys map[pim.Key]bool) error {
	doors := map[string]bool{}
	providers := map[pim.Provider]bool{}
	for _, b := range bindings {
		if b.Tenant != "" && b.Tenant != t {
			continue
		}
		doors[b.Door], providers[b.Provider] = true, true
		if err := a.holding(ctx, t, b, keys); err != nil {
			return err
		}
	}
	if len(doors) == 0 {
		return nil
	}
	return a.standingOpen(ctx, t, providers, doors, keys)
}

// holding adds the cases whose grants open a door by a binding.
func (a *App) holding(ctx context.Context, t pim.TenantID, b Binding, keys map[pim.Key]bool) error {
	scopes := []string{string(b.Scope)}
	switch b.Provider {
	case pim.Directory:
		scopes = append(scopes, string(pim.Everywhere))
	case pim.Resource:
		scopes = a.atOrAbove(t, b.Scope)
	case pim.Group:
	}
	q := store.Query{Tenant: t, Limit: most, Where: store.And{
		store.Is(store.FieldProvider, string(b.Provider)), store.Is(store.FieldRole, string(b.Role)), store.Is(store.FieldKind, int(pim.Assignment)),
		store.In{Field: store.FieldScope, Values: scopes}, store.LiveAt(a.Time()),
	}}
	for {
		page, err := a.Store.Schedules(ctx, q)
		if err != nil {
			return err
		}
		for _, s := range page.Rows {
			keys[s.Key] = true
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return nil
		}
	}
}

// standingOpen adds the cases by which doors are open, or about to be.
func (a *App) standingOpen(ctx context.Context, t pim.TenantID, providers map[pim.Provider]bool, doors map[string]bool, keys map[pim.Key]bool) error {
	q := store.Query{Tenant: t, Limit: most, Where: store.Or{
		store.Is(store.FieldState, int(pim.EffectPending)), store.Is(store.FieldState, int(pim.Usable)),
	}}
	for {
		page, err := a.Store.Effects(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range page.Rows {
			if doors[e.Door] && providers[e.Key.Provider] {
				keys[e.Key] = true
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return nil
		}
	}
}

// abreast makes known what was committed before a case was read, where it is asked whether its doors are in line and what tells that
// is not in the case: who is in a group, and where resources lie. Else what another node has just aligned by what it committed would
// look wrong, and be turned back for a moment: for ever, if this node were gone before it looked again.
func (a *App) abreast(ctx context.Context, c pim.Case, ask pim.Ask) error {
	if ask.Action != pim.Realign || c.Principal.Kind != pim.GroupPrincipal && c.Key.Provider != pim.Resource {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, followWithin)
	defer cancel()
	return a.CatchUp(ctx)
}

// knowDoors leaves of a case's doors those out that lead to what is not there, and, where it is asked whether doors are in line,
// finds for whom a group opens them.
func (a *App) knowDoors(ctx context.Context, c *pim.Case, ask pim.Ask) error {
	if len(c.Doors) == 0 {
		return nil
	}
	gone, err := a.absent(ctx, c)
	if err != nil {
		return err
	}
	c.Doors = slices.DeleteFunc(c.Doors, func(d pim.Door) bool { return gone[d.Scope] })
	if ask.Action != pim.Realign || c.Principal.Kind != pim.GroupPrincipal {
		return nil
	}
	bindings := slices.DeleteFunc(a.bindings(c.Key), func(b Binding) bool { return gone[b.Scope] })
	for members := range slices.Chunk(a.Index.Members(a.Time(), c.Key.Tenant, c.Key.Principal), most) {
		objects, err := a.Store.ObjectsByID(ctx, c.Key.Tenant, members)
		if err != nil {
			return err
		}
		for _, o := range objects {
			if p := o.Principal(); p.Enabled && p.ID != "" && p.Kind != pim.GroupPrincipal {
				c.Holders = append(c.Holders, pim.Holder{Principal: p.ID, Doors: doorsOf(bindings, p)})
			}
		}
	}
	slices.SortFunc(c.Holders, func(a, b pim.Holder) int { return cmp.Compare(a.Principal, b.Principal) })
	return nil
}

// absent are the scopes below that of a case of resources to which doors lead, and which are not there.
func (a *App) absent(ctx context.Context, c *pim.Case) (map[pim.Scope]bool, error) {
	if c.Key.Provider != pim.Resource {
		return nil, nil
	}
	gone := map[pim.Scope]bool{}
	for _, d := range c.Doors {
		if d.Scope != c.Key.Scope && d.Scope != pim.Everywhere {
			gone[d.Scope] = true
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	there, err := a.Store.ResourcesByScope(ctx, c.Key.Tenant, slices.Sorted(maps.Keys(gone)))
	for _, n := range there {
		delete(gone, n.Scope)
	}
	return gone, err
}
