package app

import (
	"context"
	"slices"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// EditedPolicies returns the policies at a place that somebody edited, of whatever role: where roles are many, these are few. The
// key's own role does not matter. A role may be gone since. Refusals, to whoever may not read all policies there: Forbidden, for
// resources what pim.MayDo says; UnknownScope.
func (a *App) EditedPolicies(ctx context.Context, by pim.Caller, at pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	at.Role = ""
	if at.Provider == pim.Resource {
		if err := a.counts(ctx, by, at.Tenant); err != nil {
			return nil, err
		}
	}
	one := []pim.RoleKey{at}
	switch foreign, err := a.unreadable(ctx, by, one); {
	case err != nil:
		return nil, err
	case len(foreign) > 0 && at.Provider == pim.Resource:
		return nil, pim.MayDo(by, pim.ReadPolicies, at.Scope)
	case len(foreign) > 0:
		return nil, forbidden
	}
	if err := a.placesThere(ctx, one); err != nil {
		return nil, err
	}
	stored, err := a.Store.PoliciesAt(ctx, at)
	for k, p := range stored {
		stored[k] = completePolicy(k, p)
	}
	return stored, err
}

// groupsOfKeys reads the groups that keys of the group provider name, in one question for every thousand of them.
func (a *App) groupsOfKeys(ctx context.Context, keys []pim.RoleKey) (map[pim.Scope]pim.GroupFacts, error) {
	var ids []pim.PrincipalID
	for _, k := range keys {
		if k.Provider == pim.Group {
			ids = append(ids, pim.PrincipalID(k.Scope))
		}
	}
	out := make(map[pim.Scope]pim.GroupFacts, len(ids))
	for part := range slices.Chunk(unique(ids), most) {
		found, err := a.Store.ObjectsByID(ctx, keys[0].Tenant, part)
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			out[pim.Scope(o.ID)] = o.GroupFacts()
		}
	}
	return out, nil
}
