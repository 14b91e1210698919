package app

import (
	"context"
	"maps"
	"sync"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// accounts remembers which accounts behind callers were found to be there and enabled, so that each call can be refused
// from the instant of a commit that deletes or disables its caller, without a look into the store each time.
type accounts struct {
	mu sync.RWMutex
	// found holds accounts that count. Only who proves a token is looked up, so there are no more than callers.
	found map[account]struct{}
	// changes counts commits that may have made something in it wrong.
	changes uint64
	// standings tell of objects that changed lately which are left, so that a grant decided before and committed after is
	// found. It is looked through when it has grown to room.
	standings map[account]standing
	room      int
}

// standing is what became of an object by its latest change that is known. Commits may be told of in another order than
// they were made in: version says which came last.
type standing struct {
	version int64
	at      time.Time
	// left: deleted or disabled; gone: deleted.
	left, gone bool
}

// An ask takes no longer than longestAsk: what changed before that need not be remembered. leastRoom bounds how much is
// remembered anyway.
const longestAsk, leastRoom = time.Hour, 10_000

type account struct {
	tenant    pim.TenantID
	principal pim.PrincipalID
}

// Counts says whether the account behind a token is in the tenant and enabled: a token outlives neither.
func (a *App) Counts(ctx context.Context, t pim.TenantID, p pim.PrincipalID) (bool, error) {
	who := account{t, p}
	a.accounts.mu.RLock()
	_, known := a.accounts.found[who]
	changes := a.accounts.changes
	a.accounts.mu.RUnlock()
	if known {
		return true, nil
	}
	objects, err := a.Store.ObjectsByID(ctx, t, []pim.PrincipalID{p})
	if err != nil || len(objects) == 0 || !objects[0].Enabled || objects[0].Principal().ID == "" {
		return false, err
	}
	a.accounts.mu.Lock()
	defer a.accounts.mu.Unlock()
	// What was read before a commit is not remembered after it.
	if a.accounts.changes == changes {
		if a.accounts.found == nil {
			a.accounts.found = map[account]struct{}{}
		}
		a.accounts.found[who] = struct{}{}
	}
	return true, nil
}

// changed takes in a commit. The accounts that it is about are forgotten even if it failed, for nobody can know then what
// it did.
func (s *accounts) changed(c store.Commit, failed bool) {
	s.cleared(c, failed)
	if len(c.Objects)+len(c.Deleted) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	for _, list := range [][]directory.Object{c.Deleted, c.Objects} {
		for _, o := range list {
			delete(s.found, account{o.Tenant, o.ID})
		}
	}
	if failed {
		return
	}
	versions := make(map[pim.Key]int64, len(c.Touches))
	for _, t := range c.Touches {
		versions[t.Key] = t.Version + 1
	}
	for _, o := range c.Deleted {
		s.note(o, versions, true)
	}
	for _, o := range c.Objects {
		s.note(o, versions, !o.Deleted.IsZero())
	}
}

// note remembers what a commit made of an object, unless a later one is known. What has no version was made anew.
func (s *accounts) note(o directory.Object, versions map[pim.Key]int64, gone bool) {
	who := account{o.Tenant, o.ID}
	version, versioned := versions[objectKey(o.Tenant, o.ID)]
	if !versioned && !gone && o.Enabled {
		delete(s.standings, who)
		return
	}
	if versioned && s.standings[who].version > version {
		return
	}
	if s.standings == nil {
		s.standings = map[account]standing{}
	}
	now := time.Now()
	s.standings[who] = standing{version, now, gone || !o.Enabled, gone}
	if len(s.standings) > max(s.room, leastRoom) {
		maps.DeleteFunc(s.standings, func(_ account, l standing) bool { return now.Sub(l.at) > longestAsk })
		s.room = 2 * len(s.standings)
	}
}

// hasLeft says whether what a case is about was there, and its principal enabled, when the case was read, and is not now.
func (s *accounts) hasLeft(c pim.Case) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c.Principal.Enabled && s.standings[account{c.Key.Tenant, c.Key.Principal}].left || s.scopeGone(c.Key) {
		return true
	}
	scope := pim.PrincipalID(c.Key.Scope)
	if unit, ok := c.Key.Scope.Unit(); ok {
		scope = pim.PrincipalID(unit)
	} else if object, ok := c.Key.Scope.Object(); ok {
		scope = pim.PrincipalID(object)
	}
	return s.standings[account{c.Key.Tenant, scope}].gone
}

// slipped takes away again what an ask gave that was decided before its principal, or what its scope names, left, and
// committed after. Either this sees that it has left, or whoever makes it leave sees what was given.
func (a *App) slipped(ctx context.Context, ask pim.Ask, c pim.Case) error {
	if !grants(ask.Action) {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // whoever asked may be gone, and yet this belongs to what they did
	if !a.accounts.hasLeft(c) {
		return a.slippedAway(ctx, ask, c)
	}
	depart := pim.Ask{By: ask.By, Action: pim.Depart, Kind: pim.Assignment, Key: c.Key}
	_, err := a.together(ctx, []pim.Ask{depart}, store.Commit{})
	return err
}
