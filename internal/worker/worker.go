// Package worker does what is due: it makes the clock's asks, and carries effects to the doors outside until reading the
// target back proves them (promise P8).
//
// Nothing rests on the worker's punctuality but the outside: who holds a role is computed at the moment of asking
// (promise P3). Several workers may run on one store. An effect is leased to one of them at a time, and taken over by
// another when the lease ends without news; what was half done is done again, which connectors promise to be harmless.
// The clock's asks, and comparing targets with what was granted, are one worker's for all: it holds a lease that it renews, and that
// another takes over, looking at everything at once, when it is given back or ends.
//
// The worker sleeps until the next thing is due or somebody wakes it. In between it looks once a minute, for what other
// processes have written.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/connector"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Asker decides the clock's asks. The app is one.
type Asker interface {
	// DoAll decides and commits each ask by itself; the result has an error, or nil, for each.
	DoAll(context.Context, []pim.Ask) []error
}

// Store is what the worker needs of a store.Store.
type Store interface {
	store.Work
	Effects(context.Context, store.Query) (store.Page[pim.Effect], error)
	GroupsAbove(ctx context.Context, t pim.TenantID, member pim.PrincipalID) ([]directory.Link, error)
	Tenants(context.Context) ([]directory.Tenant, error)
}

// Worker does what is due. Its fields are set before Run and never changed.
type Worker struct {
	App   Asker
	Store Store
	// Connectors are the doors that are configured, by name.
	Connectors map[string]connector.Connector
	// Align asks for what doors are owed or owe since before the start; nil means that nobody does. It is called again now and then,
	// and does nothing where nothing is left to ask.
	Align func(context.Context) error
	// Leases tell which of several processes on the store makes the clock's asks, aligns and compares; nil: this one, for there are no
	// others.
	Leases Leases
	// Holder names this process among all that work on the store, and no other, not even its predecessor.
	Holder string
	// Now is PIM's time; nil means time.Now.
	Now func() time.Time
	// Offset is by how much PIM's time is ahead of real time, which is what doors are told in; nil means nothing.
	Offset func() time.Duration
	// NewID makes the ids of audit events; nil means app.NewID.
	NewID func() string
	Log   *slog.Logger // nil means slog.Default
	Observer
	Limits

	stats   counters
	signals signals
	leads   atomic.Bool
}

// Limits bound the work. Zero values mean what is said.
type Limits struct {
	// Batch is how many of the clock's asks are made together: 1000. Two batches are in hand at once, so that one is read
	// while the other is written.
	Batch int
	// Lease is for how long an effect is this worker's: 30 s. It is given up before, so that no two have it in hand.
	Lease time.Duration
	// Duty is for how long it is this worker's to do what one does for all: 10 s. It is kept as long as the worker runs and can renew it.
	Duty time.Duration
	// Claim is how many effects are leased at once: 256.
	Claim int
	// PerDoor is how many effects of one door are in hand at once: 8. A slow door holds up nobody else's.
	PerDoor int
	// Call bounds what is done at a door for one effect: 20 s, and never more than two thirds of the lease.
	Call time.Duration
	// StuckAfter is how many tries in a row make an effect stuck: 8. It is tried on.
	StuckAfter int
	// Poll is the longest sleep: 1 min.
	Poll time.Duration
	// Reconcile is how often targets are compared with what was granted: 5 min.
	Reconcile time.Duration
}

// patience bounds a call of the store or the app.
const patience = time.Minute

func (l Limits) withDefaults() Limits {
	orDefault(&l.Batch, 1000)
	orDefault(&l.Lease, 30*time.Second)
	orDefault(&l.Duty, 10*time.Second)
	orDefault(&l.Claim, 256)
	orDefault(&l.PerDoor, 8)
	orDefault(&l.Call, 20*time.Second)
	orDefault(&l.StuckAfter, 8)
	orDefault(&l.Poll, time.Minute)
	orDefault(&l.Reconcile, 5*time.Minute)
	l.Call = min(l.Call, l.Lease*2/3)
	return l
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Stats count what was done since the start, and what the last comparison with the targets found.
type Stats struct {
	// Asked are the clock's asks, AskFailed those that ended in an error.
	Asked, AskFailed int64
	// Opened and Closed are effects that were proved, Failed are tries that were not, Stuck are effects that got stuck.
	Opened, Closed, Failed, Stuck int64
	// Foreign is held on a target though nobody granted it; Missing was granted, and the target does not hold it.
	Foreign, Missing int64
}

type counters struct {
	asked, askFailed, opened, closed, failed, stuck, foreign, missing atomic.Int64
}

// Stats returns the counts.
func (w *Worker) Stats() Stats {
	c := &w.stats
	return Stats{
		Asked: c.asked.Load(), AskFailed: c.askFailed.Load(),
		Opened: c.opened.Load(), Closed: c.closed.Load(), Failed: c.failed.Load(), Stuck: c.stuck.Load(),
		Foreign: c.foreign.Load(), Missing: c.missing.Load(),
	}
}

// signals wake the loops.
type signals struct {
	once                      sync.Once
	deadlines, effects, mails signal
}

func (s *signals) ready() *signals {
	s.once.Do(func() {
		for _, one := range []*signal{&s.deadlines, &s.effects, &s.mails} {
			one.heard = make(chan struct{}, 1)
		}
	})
	return s
}

// signal wakes a loop. One that is not heard yet is enough.
type signal struct {
	heard chan struct{}
	mu    sync.Mutex
	// until is when the loop looks anyway, in PIM's time; zero: it is looking, and may have missed what was just written.
	until time.Time
}

// sleeping says that the loop looks again at an instant; zero: that it begins to look.
func (s *signal) sleeping(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = until
}

// raise wakes the loop unless it looks early enough anyway; zero: at once, whatever it waits for.
func (s *signal) raise(at time.Time) {
	s.mu.Lock()
	early := !at.IsZero() && !s.until.IsZero() && !at.Before(s.until)
	s.mu.Unlock()
	if early {
		return
	}
	select {
	case s.heard <- struct{}{}:
	default:
	}
}

// Wake says that something falls due at an instant of PIM's time that may not have been planned before, for something
// was committed. Zero says that the clock itself was moved, so that anything may be due. It never waits, and may be
// called before Run.
func (w *Worker) Wake(at time.Time) {
	s := w.signals.ready()
	s.deadlines.raise(at)
	s.effects.raise(at)
}

// ErrNoHolder says that the worker has no name to hold leases by.
var ErrNoHolder = errors.New("the worker needs a name of its own")

// Run works until the context ends, and returns when all that it began has ended. The error is nil, or says that it
// cannot begin.
func (w *Worker) Run(ctx context.Context) error {
	if w.Holder == "" {
		return ErrNoHolder
	}
	w.signals.ready()
	var loops sync.WaitGroup
	loops.Go(func() { w.runDuty(ctx) })
	loops.Go(func() { w.runEffects(ctx) })
	loops.Wait()
	return nil
}

func (w *Worker) limits() Limits { return w.withDefaults() }

func (w *Worker) now() time.Time {
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	return now().UTC().Truncate(time.Microsecond)
}

func (w *Worker) offset() time.Duration {
	if w.Offset == nil {
		return 0
	}
	return w.Offset()
}

func (w *Worker) newID() string {
	if w.NewID == nil {
		return app.NewID()
	}
	return w.NewID()
}

func (w *Worker) log() *slog.Logger {
	if w.Log == nil {
		return slog.Default()
	}
	return w.Log
}

// planned is when to look again, in PIM's time, where next is due next; zero: nothing is.
func (w *Worker) planned(next time.Time) time.Time { return sooner(next, w.now().Add(w.limits().Poll)) }

// sleep is how long to wait for an instant of PIM's time, which may be set back meanwhile.
func (w *Worker) sleep(until time.Time) time.Duration {
	return min(w.limits().Poll, max(0, until.Sub(w.now())))
}

// lull is the least time between two looks that were asked for by Wake, so that a burst of commits does not make the
// worker read the store once for each.
const lull = 10 * time.Millisecond

// wait returns when the time is over, somebody wakes the loop that last looked at an instant, or the context has ended,
// which is told.
func wait(ctx context.Context, d time.Duration, last time.Time, wake <-chan struct{}) (goOn bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-wake:
		return rest(ctx, last)
	}
}

// rest waits for the end of the lull.
func rest(ctx context.Context, last time.Time) (goOn bool) {
	timer := time.NewTimer(lull - time.Since(last))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// sooner is the earlier of two instants, where zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
