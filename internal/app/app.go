// Package app is the one way in and out: it reads a case, lets package pim decide, and commits what follows, whole or
// not at all. It is the only writer. The read side stands beside it: lists of requests, schedules and what they mean
// now, of policies, roles and the directory, each shown to those who may see it.
package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/audit"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// ErrClock says that the clock was set back further than can be tolerated: nothing is granted until it has caught up.
// Answer 503 with Retry-After.
var ErrClock = errors.New("the clock was set back: nothing is granted until it has caught up")

// App decides and keeps. Its fields are set before first use and never changed.
type App struct {
	Store store.Store
	// Index knows who holds what now; every commit is applied to it before Do returns.
	Index *access.Index
	// Doors are the bindings of roles to targets outside.
	Doors []Binding
	// Now is the clock; nil means time.Now. It may be shifted in sample mode.
	Now func() time.Time
	// NewID makes UUIDs; nil means random ones in the order of time (version 7).
	NewID func() string
	// HashPassword makes the form in which a person's password is kept.
	HashPassword func(string) (string, error)
	// Wake tells the worker that something falls due at an instant; nil means nobody.
	Wake func(at time.Time)
	// Tell says that notices were committed; nil means that nobody sends them, so that none is kept.
	Tell func()
	// Bound is how old what this node knows of others' commits may be: 5 s when zero.
	Bound time.Duration
	// Synchronise is told the time by the store's clock, read between two instants of this machine's; nil: nobody is.
	Synchronise func(store, began, ended time.Time)
	// Filling is called before memory is filled, and what it returns afterwards; nil: nobody is.
	Filling func() (filled func())
	Log     *slog.Logger
	Observer

	clock     clock
	accounts  accounts
	alignment alignment
	doubt     doubt
	feed      feed
}

// attempts bounds how often an ask is decided again because its case changed meanwhile.
const attempts = 50

// Do decides an ask and commits what follows. The error is a *pim.Refusal, store.ErrUnavailable, ErrClock, or a fault.
// A refusal of somebody's ask is audited before it is returned.
func (a *App) Do(ctx context.Context, ask pim.Ask) (_ pim.Outcome, err error) {
	ctx, end := a.deciding(ctx, ask)
	defer func() { end(err) }()
	now, err := a.clock.at(a.now(), grants(ask.Action))
	if err != nil {
		return pim.Outcome{}, err
	}
	for range attempts {
		out, err := a.try(ctx, now, ask)
		if !errors.Is(err, store.ErrStale) {
			return out, err
		}
		if err := ctx.Err(); err != nil {
			return pim.Outcome{}, err
		}
	}
	return pim.Outcome{}, store.ErrUnavailable
}

func (a *App) try(ctx context.Context, now time.Time, ask pim.Ask) (pim.Outcome, error) {
	c, err := a.Store.Case(ctx, ask.Needs())
	if errors.Is(err, store.ErrNotFound) {
		return pim.Outcome{}, &pim.Refusal{Code: pim.UnknownRequest}
	}
	if err != nil {
		return pim.Outcome{}, err
	}
	if err := a.abreast(ctx, c, ask); err != nil {
		return pim.Outcome{}, err
	}
	a.complete(&c)
	if err := a.know(ctx, &c, ask); err != nil {
		return pim.Outcome{}, err
	}
	out, err := pim.Decide(now, c, ask, a.newID)
	if (err != nil || !out.Changed()) && !ask.By.Clock {
		// The answer tells what was read, which this node may not have met in the feed yet: the token that goes with it shall cover it.
		if behind := a.CatchUp(ctx); behind != nil {
			return pim.Outcome{}, behind
		}
	}
	if err != nil {
		return pim.Outcome{}, a.refused(ctx, now, c, ask, err)
	}
	if !out.Changed() {
		return out, nil
	}
	if err := a.commit(ctx, store.Commit{Outcome: out}); err != nil {
		if out.NewRequest && ask.Request != "" {
			err = a.taken(ctx, now, c, ask, err)
		}
		return pim.Outcome{}, err
	}
	if err := a.slipped(ctx, ask, c); err != nil {
		return pim.Outcome{}, err
	}
	a.aftermath(ctx, []pim.Key{out.Key}, []pim.Ask{ask})
	return out, nil
}

// taken finds out whether a commit failed because the id that the caller chose for a request is taken, and refuses the ask then: by
// another request, or by a grant that no request made. Any other failure passes as it is.
func (a *App) taken(ctx context.Context, now time.Time, c pim.Case, ask pim.Ask, err error) error {
	switch {
	case errors.Is(err, store.ErrConflict):
	case !errors.Is(err, store.ErrStale):
		return err
	default:
		page, failed := a.Store.Schedules(ctx, store.Query{Tenant: c.Key.Tenant, Limit: 1, Where: store.Is(store.FieldID, string(ask.Request))})
		if failed != nil {
			return failed
		}
		if len(page.Rows) == 0 || page.Rows[0].Key == c.Key {
			return err
		}
	}
	return a.refused(ctx, now, c, ask, &pim.Refusal{Code: pim.RequestExists, Field: "request", Detail: "the id is taken"})
}

// commit writes an outcome with its audit entries, and makes it known.
func (a *App) commit(ctx context.Context, c store.Commit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Whoever asked may leave meanwhile. What is being written is waited for all the same, lest it holds in the store and the index
	// does not know (promise P3); the store bounds the time.
	ctx = context.WithoutCancel(ctx)
	if err := a.certain(ctx); err != nil {
		return err
	}
	a.nameRoles(c.Events)
	c = a.withNotices(withLinks(c))
	c.Entries = Entries(c.Events)
	writing, end := a.span(ctx, "commit")
	err := a.Store.Commit(writing, c)
	end("", err)
	if errors.Is(err, store.ErrUnavailable) {
		a.doubted(c)
	}
	if err != nil {
		return err
	}
	if err := a.follow(ctx, c); err != nil {
		return err
	}
	a.aligned(ctx, c)
	return nil
}

// follow makes commits known that were written, and with them all that were committed before: what is looked at afterwards knows of
// them. ErrUnavailable: they are written, and not known here yet.
func (a *App) follow(ctx context.Context, cs ...store.Commit) error {
	ctx, cancel := context.WithTimeout(ctx, followWithin)
	defer cancel()
	for _, c := range cs {
		if !store.ChangeOf(c).Nothing() {
			err := a.CatchUp(ctx)
			if err != nil {
				a.alignment.reached.Store(false) // nobody asks now about the doors that they may have moved
			}
			return err
		}
	}
	return nil
}

// followWithin bounds the reading of what was written.
const followWithin = 10 * time.Second

// refused audits a refusal and passes it on. A fault in the program passes as it is.
func (a *App) refused(ctx context.Context, now time.Time, c pim.Case, ask pim.Ask, err error) error {
	refusal, ok := errors.AsType[*pim.Refusal](err)
	if !ok || ask.By.Clock || ask.ValidationOnly || c.Key.Tenant == "" {
		return err
	}
	event := pim.RefusalEvent(now, c, ask, refusal, a.newID)
	out := store.Commit{Outcome: pim.Outcome{Events: []pim.Event{event}}}
	if err := a.commit(ctx, out); err != nil {
		return err
	}
	return refusal
}

// Entries gives events the form in which they are logged.
func Entries(events []pim.Event) []store.Entry {
	out := make([]store.Entry, len(events))
	for i, e := range events {
		bytes := audit.Canonical(e)
		out[i] = store.Entry{Event: e, Canonical: bytes, Leaf: audit.Leaf(bytes)}
	}
	return out
}

func (a *App) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

func (a *App) newID() string {
	if a.NewID == nil {
		return NewID()
	}
	return a.NewID()
}

// grants says whether an action may give somebody something: such asks wait while the clock is behind.
func grants(a pim.Action) bool {
	switch a {
	case pim.AdminAssign, pim.AdminUpdate, pim.AdminExtend, pim.AdminRenew, pim.SelfActivate, pim.SelfExtend,
		pim.SelfRenew, pim.Approve, pim.AssignOutside:
		return true
	case pim.AdminRemove, pim.SelfDeactivate, pim.Cancel, pim.Deny, pim.ScheduleDue, pim.RequestDue, pim.RemoveOutside,
		pim.Depart, pim.Aftermath, pim.Rerooted, pim.Realign:
		return false
	default:
		return true
	}
}

// clock makes time go forwards only: what has expired stays expired when the machine's clock is set back.
type clock struct {
	mu   sync.Mutex
	high time.Time
}

// tolerance is how far back the clock may go unnoticed: small steps are usual where it is disciplined from outside.
const tolerance = 2 * time.Second

// at returns the instant to decide by: now, or the latest instant seen if that is later.
func (c *clock) at(now time.Time, grant bool) (time.Time, error) {
	now = now.UTC().Truncate(time.Microsecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !now.Before(c.high) {
		c.high = now
		return now, nil
	}
	if grant && c.high.Sub(now) > tolerance {
		return time.Time{}, ErrClock
	}
	return c.high, nil
}

// SawTime tells the clock of an instant that was certainly reached, such as that of the newest audit entry at start.
func (a *App) SawTime(t time.Time) { _, _ = a.clock.at(t, false) }

// ResetClock forgets the latest instant: for the sample, whose time can be moved at will.
func (a *App) ResetClock() {
	a.clock.mu.Lock()
	defer a.clock.mu.Unlock()
	a.clock.high = time.Time{}
}

// Time is the instant by which decisions and lists are made now.
func (a *App) Time() time.Time {
	now, _ := a.clock.at(a.now(), false)
	return now
}
