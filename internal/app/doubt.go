package app

import (
	"context"
	"errors"
	"sync/atomic"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// doubt says that the store could not tell whether it had written something, so that the access index may be behind.
type doubt struct {
	there atomic.Bool
}

// doubted notes a commit whose end nobody knows, because the database went away before it had answered. What it would have changed
// or ended holds no more, as far as this process can say, and what it would have made does not hold yet (promise P3); before the
// next commit the index is read anew.
func (a *App) doubted(c store.Commit) {
	var over []pim.Schedule
	for _, s := range c.Schedules {
		if s.Ending == pim.NotEnded && !s.Modified.IsZero() {
			s.Ending = pim.Undermined // in the index alone
		}
		if s.Ending != pim.NotEnded {
			over = append(over, s)
		}
	}
	gone := withLinks(store.Commit{Outcome: pim.Outcome{Schedules: over}})
	// A container that was moved has nothing above it until it is known where it is; roles that were changed allow nothing.
	without := store.Change{Schedules: over, Unlinks: append(gone.Unlinks, c.Unlinks...), Cleared: c.Cleared, Denials: c.Denials, Deleted: c.Deleted}
	for _, n := range c.Resources {
		without.Cleared = append(without.Cleared, store.Place{Tenant: n.Tenant, Scope: n.Scope})
	}
	for _, o := range c.Objects {
		if o.Kind == directory.KindResourceRole {
			without.Deleted = append(without.Deleted, o)
		}
	}
	a.accounts.forget()
	a.publish([]store.Change{without})
	a.doubt.there.Store(true)
}

// certain fills the index if it never was, or anew if it may be behind. ErrUnavailable: that cannot be done now, and so nothing else can.
func (a *App) certain(ctx context.Context) error {
	if !a.doubt.there.Load() && a.feed.filled.Load() {
		return nil
	}
	if err := a.CatchUp(ctx); err != nil {
		return errors.Join(store.ErrUnavailable, err)
	}
	return nil
}
