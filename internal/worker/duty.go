package worker

import (
	"context"
	"sync"
	"time"
)

// Leases are works that one of several workers does for all, by name; a store.Feed has them.
type Leases interface {
	// Lease makes one the holder's for a time, or keeps it so, and says whether it is; another's that has not ended stays the other's.
	Lease(ctx context.Context, name, holder string, length time.Duration) (bool, error)
	// Release ends the holder's leases at once.
	Release(ctx context.Context, holder string) error
}

// dutyName names the lease. Workers of other versions know it by that name.
const dutyName = "worker"

const (
	// A duty's lease is renewed each third of it, and is as good as over when a fifth of it is left: what is under way then has that
	// long to end.
	dutyRenew, dutyMargin = 3, 5
	// Who waits for another's lease asks ten times within one, so that what was given back does not lie about.
	dutyAsk = 10
	// releaseWithin bounds giving a lease back. If that fails it ends by itself.
	releaseWithin = 2 * time.Second
)

// duty is what one worker does for all: the clock's asks, and comparing targets with what was granted. It would do no harm if two
// did it, for all asks are decided by what is committed; it would only be done in vain.
type duty struct {
	*Worker
	failures int
}

// Leads says whether this worker does now what one does for all.
func (w *Worker) Leads() bool { return w.leads.Load() }

// runDuty does the work of one for all whenever it is this worker's.
func (w *Worker) runDuty(ctx context.Context) {
	if w.Leases == nil {
		w.leads.Store(true)
		defer w.leads.Store(false)
		w.serve(ctx)
		return
	}
	d := duty{Worker: w}
	for ctx.Err() == nil {
		// The lease begins with the answer at the earliest, so its end by this clock is never after that by the store's.
		began := time.Now()
		if d.lease(ctx, began.Add(d.limits().Duty/dutyRenew)) {
			d.hold(ctx, began)
			continue
		}
		if !wait(ctx, d.limits().Duty/dutyAsk, time.Time{}, nil) {
			return
		}
	}
}

// serve does the work of one for all, and returns when the context has ended and the work with it. It begins by looking at
// everything.
func (w *Worker) serve(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { w.runDeadlines(ctx) })
	if len(w.Connectors) > 0 {
		loops.Go(func() { w.runReconcile(ctx) })
	}
	loops.Wait()
}

// lease asks until a deadline for the lease, or to keep it, and says whether it is this worker's.
func (d *duty) lease(ctx context.Context, deadline time.Time) bool {
	call, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	held, err := d.Leases.Lease(call, dutyName, d.Holder, d.limits().Duty)
	if err != nil {
		d.failures++
		d.failed(ctx, "lease the work of one for all", d.failures, err)
		return false
	}
	d.failures = 0
	return held
}

// hold works until the context ends or the lease cannot be kept, and gives it back. The work has ended when it returns: before the
// lease has, by this machine's own clock.
func (d *duty) hold(ctx context.Context, began time.Time) {
	work, stop := context.WithCancel(ctx)
	defer stop()
	d.log().InfoContext(ctx, "this node sees to deadlines", "holder", d.Holder)
	d.leads.Store(true)
	var working sync.WaitGroup
	working.Go(func() { d.serve(work) })
	lost := d.keep(ctx, began, stop)
	working.Wait()
	d.leads.Store(false)
	d.stats.foreign.Store(0)
	d.stats.missing.Store(0)
	if lost {
		d.log().WarnContext(ctx, "the lease could not be renewed: another node sees to deadlines", "holder", d.Holder)
		return
	}
	d.giveBack(ctx)
}

// keep renews the lease until the context ends, and then stops the work. If it cannot be renewed in time the work is stopped too, and
// that is told.
func (d *duty) keep(ctx context.Context, began time.Time, stop func()) (lost bool) {
	defer stop()
	length := d.limits().Duty
	good := length - length/dutyMargin
	// A renewal that does not come back must not hold up the end.
	over := time.AfterFunc(time.Until(began.Add(good)), stop)
	defer over.Stop()
	next := time.Until(began.Add(length / dutyRenew))
	for {
		if !wait(ctx, next, time.Time{}, nil) {
			return false
		}
		again := time.Now()
		switch {
		case again.Sub(began) >= good:
			return true
		case d.lease(ctx, sooner(again.Add(length/dutyRenew), began.Add(good))):
			if !over.Reset(time.Until(again.Add(good))) {
				return true // too late: the work was stopped meanwhile
			}
			began, next = again, length/dutyRenew
		case ctx.Err() != nil:
			return false
		case d.failures == 0:
			return true // it is another's
		default:
			next = min(length/dutyAsk, time.Until(began.Add(good)))
		}
	}
}

func (d *duty) giveBack(ctx context.Context) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	if err := d.Leases.Release(call, d.Holder); err != nil {
		d.log().WarnContext(ctx, "the lease was not given back and ends by itself", "error", err)
	}
}
