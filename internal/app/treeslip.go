package app

import (
	"context"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// cleared notes which scopes of resources a change clears and which it makes, so that a grant there that was decided before and
// committed after is found.
func (s *accounts) cleared(c store.Change) {
	if len(c.Cleared)+len(c.Resources) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range c.Cleared {
		s.stand(account{p.Tenant, pim.PrincipalID(p.Scope)}, standing{time.Now(), true, true})
	}
	for _, n := range c.Resources {
		delete(s.standings, account{n.Tenant, pim.PrincipalID(n.Scope)})
	}
}

// scopeGone says whether what a key names, or what contained it by its path, was cleared lately. Whoever calls holds the lock.
func (s *accounts) scopeGone(k pim.Key) bool {
	if k.Provider != pim.Resource {
		return false
	}
	for at, ok := k.Scope, true; ok; at, ok = resource.Above(at) {
		if s.standings[account{k.Tenant, pim.PrincipalID(at)}].gone {
			return true
		}
	}
	return false
}

// slippedAway takes an activation back that was decided before the tree of resources changed above it, and committed after: its
// eligibility is not above it any more. Either this sees the tree as it is now, or whoever changes it sees the activation.
func (a *App) slippedAway(ctx context.Context, ask pim.Ask, c pim.Case) error {
	if c.Key.Provider != pim.Resource || ask.Action != pim.SelfActivate && ask.Action != pim.Approve {
		return nil
	}
	wide := a.Index.Above(c.Key.Tenant, c.Key.Scope)
	if !slices.ContainsFunc(c.Wider, func(s pim.Scope) bool { return !slices.Contains(wide, s) }) {
		return nil
	}
	_, err := a.Do(ctx, pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Action: pim.Rerooted, Kind: pim.Assignment, Key: c.Key, Within: wide})
	return err
}
