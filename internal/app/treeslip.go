package app

import (
	"context"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// cleared notes which scopes of resources a commit clears and which it makes, so that a grant there that was decided before and
// committed after is found.
func (s *accounts) cleared(c store.Commit, failed bool) {
	if failed || len(c.Cleared)+len(c.Resources) == 0 {
		return
	}
	versions := make(map[pim.Key]int64, len(c.Touches))
	for _, t := range c.Touches {
		versions[t.Key] = t.Version + 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standings == nil {
		s.standings = map[account]standing{}
	}
	now := time.Now()
	note := func(t pim.TenantID, scope pim.Scope, gone bool) {
		who, version := account{t, pim.PrincipalID(scope)}, versions[nodeKey(t, scope)]
		if have, known := s.standings[who]; gone || known && have.version <= version {
			s.standings[who] = standing{version, now, gone, gone}
		}
	}
	for _, p := range c.Cleared {
		note(p.Tenant, p.Scope, true)
	}
	for _, n := range c.Resources {
		note(n.Tenant, n.Scope, false)
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
