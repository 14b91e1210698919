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
	// missed is when changes may have been missed last.
	missed time.Time
	// changes counts commits that may have made something in it wrong.
	changes uint64
	// standings tell of objects that left lately, so that a grant decided before and committed after is found. It is looked through
	// when it has grown to room.
	standings map[account]standing
	room      int
}

// standing is what became of an object by its latest change.
type standing struct {
	at time.Time
	// left: deleted or disabled; gone: deleted.
	left, gone bool
}

// An ask takes no longer than longestAsk: what changed before that need not be remembered. leastRoom bounds how much is
// remembered anyway.
const longestAsk, leastRoom = 10 * time.Minute, 10_000

type account struct {
	tenant    pim.TenantID
	principal pim.PrincipalID
}

// Counts says whether the account behind a token is in the tenant and enabled: a token outlives neither. ErrStale: this node cannot
// know.
func (a *App) Counts(ctx context.Context, t pim.TenantID, p pim.PrincipalID) (bool, error) {
	if err := a.Fresh(); err != nil {
		return false, err
	}
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

// changed takes in a change.
func (s *accounts) changed(c store.Change) {
	s.cleared(c)
	if len(c.Objects)+len(c.Deleted) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	for _, o := range c.Deleted {
		s.note(o, true)
	}
	for _, o := range c.Objects {
		s.note(o, !o.Deleted.IsZero())
	}
}

// forget says that changes may have been missed.
func (s *accounts) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	s.missed = time.Now()
	clear(s.found)
}

// blind says whether changes may have been missed since asks began that still run.
func (s *accounts) blind() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !s.missed.IsZero() && time.Since(s.missed) < longestAsk
}

// hasLeftNow is what hasLeft says, by the store.
func (a *App) hasLeftNow(ctx context.Context, c pim.Case) (bool, error) {
	now, err := a.Store.Case(ctx, pim.Need{Key: c.Key})
	return err == nil && (c.Principal.Enabled && !now.Principal.Enabled || c.ScopeKnown && !now.ScopeKnown), err
}

// note remembers what a change made of an object.
func (s *accounts) note(o directory.Object, gone bool) {
	who := account{o.Tenant, o.ID}
	delete(s.found, who)
	if !gone && o.Enabled {
		delete(s.standings, who)
		return
	}
	s.stand(who, standing{time.Now(), true, gone})
}

// stand remembers a standing. Whoever calls holds the lock.
func (s *accounts) stand(who account, as standing) {
	if s.standings == nil {
		s.standings = map[account]standing{}
	}
	s.standings[who] = as
	if len(s.standings) > max(s.room, leastRoom) {
		maps.DeleteFunc(s.standings, func(_ account, l standing) bool { return as.at.Sub(l.at) > longestAsk })
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
	left := a.accounts.hasLeft(c)
	if !left && a.accounts.blind() {
		var err error
		if left, err = a.hasLeftNow(ctx, c); err != nil {
			return err
		}
	}
	if !left {
		return a.slippedAway(ctx, ask, c)
	}
	depart := pim.Ask{By: ask.By, Action: pim.Depart, Kind: pim.Assignment, Key: c.Key}
	_, err := a.together(ctx, []pim.Ask{depart}, store.Commit{})
	return err
}
