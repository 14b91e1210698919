package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// What PIM's second iteration calls the resources of a provider: the tenant, its groups, and the nodes of the tree of resources.
// Later iterations have no list of these. Somebody reaches a place by having a row there, eligible ones included, or by a role
// that lets them read or write what others have there.

// Level is how much somebody may see and do at a place, as PIM's second iteration tells it (reference pim-v2 §3,
// governancePermission). The zero value is nothing.
type Level int

// The levels, each including those before it.
const (
	None Level = iota
	// UserRead: their own rows, because they have one there.
	UserRead
	// AdminRead: everybody's rows.
	AdminRead
	// AdminReadWrite: to give and take roles there.
	AdminReadWrite
)

// Reaching is what a caller may at a place.
type Reaching struct {
	Level Level
	// Active and Eligible say whether an active row, or an eligible one, of the caller or of a group that they are in, holds there
	// now; of resources also one above.
	Active, Eligible bool
}

// NodesByGovernanceID returns those of the nodes that are there, the root included, by resource.GovernanceID as it was asked for, in
// whatever letter case. It asks no right: it is for the names of what the caller sees.
func (a *App) NodesByGovernanceID(ctx context.Context, t pim.TenantID, ids []string) (map[string]resource.Node, error) {
	out := make(map[string]resource.Node, len(ids))
	asked := make(map[string][]string, len(ids))
	var ask []string
	for _, id := range ids {
		alias := strings.ToLower(id)
		switch {
		case alias == resource.GovernanceID(pim.Everywhere):
			out[id] = treeRoot(t)
		case asked[alias] == nil:
			ask = append(ask, alias)
			fallthrough
		default:
			asked[alias] = append(asked[alias], id)
		}
	}
	for some := range slices.Chunk(ask, most) {
		page, err := a.Store.Resources(ctx, store.Query{Tenant: t, Limit: most, Where: store.In{Field: store.FieldAlias, Values: some}})
		if err != nil {
			return nil, err
		}
		for _, n := range page.Rows {
			for _, id := range asked[resource.GovernanceID(n.Scope)] {
				out[id] = n
			}
		}
	}
	return out, nil
}

// Reach lists the nodes that the caller reaches, by scope unless another order is asked for: those at which they, or a group of
// theirs, are eligible for a role now or have one, what lies below these, and what contains those at which they have one. The root is
// not among them: Node tells whether they may read it. None of the tenant's people is refused: who reaches nothing is shown nothing.
func (a *App) Reach(ctx context.Context, by pim.Caller, q store.Query) (store.Page[resource.Node], error) {
	if err := a.counts(ctx, by, q.Tenant); err != nil {
		return store.Page[resource.Node]{}, err
	}
	eligible, err := a.eligibleBelow(ctx, by, q.Tenant, pim.Everywhere)
	if err != nil {
		return store.Page[resource.Node]{}, err
	}
	where := a.reached(by, q.Tenant, eligible)
	if where == nil {
		return store.Page[resource.Node]{Count: countOfNone(q)}, nil
	}
	q.Where = narrowed(q.Where, where)
	return a.Store.Resources(ctx, q)
}

// reached is the condition on the nodes that a caller reaches who is eligible at some scopes; nil: there are none.
func (a *App) reached(by pim.Caller, t pim.TenantID, eligible []pim.Scope) store.Filter {
	at := slices.Clone(eligible)
	for _, h := range by.Roles {
		if h.Provider == pim.Resource {
			at = append(at, h.Scope)
		}
	}
	if len(at) == 0 {
		return nil
	}
	slices.Sort(at)
	var above []string
	for _, s := range a.containersSeen(by, t) {
		above = append(above, string(s))
	}
	return store.Or{a.below(t, slices.Compact(at)...), store.In{Field: store.FieldScope, Values: above}}
}

// countOfNone is the count of an empty list.
func countOfNone(q store.Query) int {
	if q.Count {
		return 0
	}
	return -1
}

// ReachGroups lists the groups that the caller reaches, by id unless another order is asked for. Who reads the rows of groups reaches
// all, those that can hold directory roles only where they may read these; everybody reaches the groups that they own, are a member
// of, or have a row for.
func (a *App) ReachGroups(ctx context.Context, by pim.Caller, q store.Query) (store.Page[directory.Object], error) {
	if err := a.counts(ctx, by, q.Tenant); err != nil {
		return store.Page[directory.Object]{}, err
	}
	where := store.And{store.Is(store.FieldObjectKind, int(directory.KindGroup))}
	switch {
	case pim.MayRead(by, pim.Group) && pim.ReadsEveryGroup(by):
	case pim.MayRead(by, pim.Group):
		strong, err := a.roleAssignable(ctx, q.Tenant)
		if err != nil {
			return store.Page[directory.Object]{}, err
		}
		own, err := a.groupsOf(ctx, by, q.Tenant)
		if err != nil {
			return store.Page[directory.Object]{}, err
		}
		foreign := slices.DeleteFunc(strong, func(id string) bool { return slices.Contains(own, id) })
		where = append(where, store.Not{Filter: store.In{Field: store.FieldID, Values: foreign}})
	default:
		own, err := a.groupsOf(ctx, by, q.Tenant)
		if err != nil {
			return store.Page[directory.Object]{}, err
		}
		where = append(where, store.In{Field: store.FieldID, Values: own})
	}
	if q.Where != nil {
		where = append(where, q.Where)
	}
	q.Where = where
	return a.Store.Objects(ctx, q)
}

// groupsOf are the ids of the groups that the caller owns, is a member of, or has a row for, itself or by other groups.
func (a *App) groupsOf(ctx context.Context, by pim.Caller, t pim.TenantID) ([]string, error) {
	now := a.Time()
	holders := a.withGroups(now, t, by.Principal)
	ids := slices.Clone(holders[1:])
	for _, h := range by.Roles {
		if h.Provider == pim.Group {
			ids = append(ids, string(h.Scope))
		}
	}
	q := store.Query{Tenant: t, Limit: most, Where: mine(now, pim.Group, 0, holders)}
	for {
		page, err := a.Store.Schedules(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Rows {
			if s.Holds(now) {
				ids = append(ids, string(s.Key.Scope))
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			slices.Sort(ids)
			return slices.Compact(ids), nil
		}
	}
}

// mine is the condition on schedules of a provider that hold for one of the holders about now; of the zero kind, of either.
func mine(now time.Time, p pim.Provider, k pim.Kind, holders []string) store.And {
	where := store.And{store.Is(store.FieldProvider, string(p)), store.In{Field: store.FieldPrincipal, Values: holders}, store.LiveAt(now),
		store.Compare{Field: store.FieldStart, Op: store.Le, Value: now}}
	if k != 0 {
		where = append(where, store.Is(store.FieldKind, int(k)))
	}
	return where
}

// MayReach says what the caller may at the place that a key names, whether something is there or not; the key's role does not matter.
// An application never gives directory roles and memberships in the words of the second iteration, so that these are its to read at
// most. Refusal: Forbidden, to who does not belong to the tenant.
func (a *App) MayReach(ctx context.Context, by pim.Caller, at pim.RoleKey) (Reaching, error) {
	each, err := a.MayReachEach(ctx, by, []pim.RoleKey{at})
	if err != nil {
		return Reaching{}, err
	}
	return each[0], nil
}

// MayReachEach is MayReach for several places of one provider of a tenant, in their order, with as many questions to the store as for
// one.
func (a *App) MayReachEach(ctx context.Context, by pim.Caller, at []pim.RoleKey) ([]Reaching, error) {
	if len(at) == 0 {
		return nil, nil
	}
	if err := a.counts(ctx, by, at[0].Tenant); err != nil {
		return nil, err
	}
	groups, err := a.groupsOfKeys(ctx, at)
	if err != nil {
		return nil, err
	}
	eligible, err := a.eligibleAt(ctx, by, at)
	if err != nil {
		return nil, err
	}
	out := make([]Reaching, len(at))
	for i, place := range at {
		r := &out[i]
		concerns := a.concerning(place)
		r.Active = slices.ContainsFunc(by.Roles, func(h pim.HeldRole) bool { return concerns(h.Provider, h.Scope) })
		r.Eligible = slices.ContainsFunc(eligible, func(s pim.Scope) bool { return concerns(place.Provider, s) })
		k, onto := pim.Key{Tenant: place.Tenant, Provider: place.Provider, Scope: place.Scope}, groups[place.Scope]
		switch {
		case administersPlace(by, k, onto):
			r.Level = AdminReadWrite
		case pim.MayReadAt(by, k, onto):
			r.Level = AdminRead
		case r.Active || r.Eligible:
			r.Level = UserRead
		}
	}
	return out, nil
}

// administersPlace says whether the caller may give any role at the place of a key.
func administersPlace(by pim.Caller, k pim.Key, onto pim.GroupFacts) bool {
	if k.Provider != pim.Resource {
		return !by.App() && pim.MayAdminister(by, k, onto)
	}
	refusal, refused := asRefusal(pim.MayGive(by, k, 0))
	// A condition leaves some roles to give, though not this one of nobody's.
	return !refused || refusal.Code == pim.Constrained
}

// concerning tells which rows are at a place, or above it, by their provider and scope.
func (a *App) concerning(at pim.RoleKey) func(pim.Provider, pim.Scope) bool {
	scopes := []string{string(at.Scope)}
	if at.Provider == pim.Resource {
		scopes = a.atOrAbove(at.Tenant, at.Scope)
	}
	return func(p pim.Provider, s pim.Scope) bool {
		// The place of directory roles is the tenant, and all scopes are within it.
		return p == at.Provider && (p == pim.Directory || slices.Contains(scopes, string(s)))
	}
}

// eligibleAt are the scopes at which the caller, or a group that they are in, is eligible for a role now: of one place those at it or
// above it, of several all.
func (a *App) eligibleAt(ctx context.Context, by pim.Caller, at []pim.RoleKey) ([]pim.Scope, error) {
	now, p := a.Time(), at[0].Provider
	where := mine(now, p, pim.Eligibility, a.withGroups(now, at[0].Tenant, by.Principal))
	switch {
	case len(at) > 1 || p == pim.Directory:
	case p == pim.Group:
		where = append(where, store.Is(store.FieldScope, string(at[0].Scope)))
	case p == pim.Resource:
		where = append(where, store.In{Field: store.FieldScope, Values: a.atOrAbove(at[0].Tenant, at[0].Scope)})
	}
	var scopes []pim.Scope
	q := store.Query{Tenant: at[0].Tenant, Limit: most, Where: where}
	for {
		page, err := a.Store.Schedules(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Rows {
			if s.Holds(now) {
				scopes = append(scopes, s.Key.Scope)
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			slices.Sort(scopes)
			return slices.Compact(scopes), nil
		}
	}
}

// Register notes since when a place is under PIM by name (reference pim-v2 §7); that binds nothing, and once is enough. The tenant
// and the root always are. It needs an active row at the place or the right to give roles there. Refusals: Forbidden, then
// UnknownScope where nothing is.
func (a *App) Register(ctx context.Context, by pim.Caller, at pim.RoleKey) error {
	reach, err := a.MayReach(ctx, by, at)
	switch {
	case err != nil:
		return err
	case !reach.Active && reach.Level != AdminReadWrite:
		return &pim.Refusal{Code: pim.Forbidden, Detail: "the caller has no active role at this place"}
	}
	switch at.Provider {
	case pim.Directory:
		return nil
	case pim.Group:
		return a.registerGroup(ctx, by, at)
	case pim.Resource:
		return a.registerNode(ctx, by, at)
	}
	return unknownNode()
}

// registered is the change that registering is.
func registered(now time.Time) pim.Change {
	return pim.Change{Name: "registeredDateTime", New: now.Format(time.RFC3339Nano)}
}

func (a *App) registerGroup(ctx context.Context, by pim.Caller, at pim.RoleKey) error {
	return a.write(ctx, func(now time.Time) (writing, error) {
		before, version, err := a.versioned(ctx, at.Tenant, pim.PrincipalID(at.Scope), directory.KindGroup)
		if _, unknown := asRefusal(err); unknown {
			return writing{}, unknownNode()
		}
		if err != nil || !before.Group.Registered.IsZero() {
			return writing{}, err
		}
		after := before.Clone()
		after.Group.Registered = now
		return a.changed(by, now, before, &after, version, registered(now)), nil
	})
}

func (a *App) registerNode(ctx context.Context, by pim.Caller, at pim.RoleKey) error {
	if at.Scope == pim.Everywhere {
		return nil
	}
	return a.writeTree(ctx, by, at.Tenant, func(p *planting) error {
		if err := p.read(ctx, []resource.Node{{Scope: at.Scope}}); err != nil {
			return err
		}
		before, there := p.nodes[at.Scope]
		if !there {
			return unknownNode()
		}
		if !before.Registered.IsZero() {
			return nil
		}
		after := before
		after.Registered = p.now
		p.note(after, before, "changed", []pim.Change{registered(p.now)})
		return nil
	})
}
