package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// runDeadlines makes the clock's asks when they are due.
func (w *Worker) runDeadlines(ctx context.Context) {
	d := deadlines{Worker: w}
	failures := 0
	for {
		last := time.Now()
		w.signals.deadlines.sleeping(time.Time{})
		next, err := d.runOnce(ctx, w.now())
		if err != nil {
			failures++
			next = w.now().Add(pause(firstPause, failures))
			w.failed(ctx, "read what is due", failures, err)
		} else {
			failures = 0
		}
		next = w.planned(next)
		w.signals.deadlines.sleeping(next)
		if !wait(ctx, w.sleep(next), last, w.signals.deadlines.heard) {
			return
		}
	}
}

// failed logs a failure of the store: loudly the first time, for the store itself says so at every call.
func (w *Worker) failed(ctx context.Context, what string, failures int, err error) {
	switch {
	case ctx.Err() != nil:
	case failures == 1:
		w.log().ErrorContext(ctx, "cannot "+what, "error", err)
	default:
		w.log().DebugContext(ctx, "cannot "+what, "error", err, "failures", failures)
	}
}

// deadlines remembers what was asked and is still due, for that must wait: an ask that fails must not stop the others,
// nor be asked without a pause.
type deadlines struct {
	*Worker
	asked map[subject]asked
}

// subject is what the clock asks about.
type subject struct {
	tenant   pim.TenantID
	schedule pim.ScheduleID
	request  pim.RequestID
}

type asked struct {
	due   time.Time // as the store told it: another time is another deadline
	times int
	again time.Time
}

// runOnce makes all asks that are due at now or become due meanwhile, and says when it wants to run again.
func (d *deadlines) runOnce(ctx context.Context, now time.Time) (next time.Time, err error) {
	for {
		due, next, err := d.read(ctx, now)
		if err != nil {
			return time.Time{}, err
		}
		ready, again := d.sort(now, due)
		if len(ready) == 0 {
			return sooner(next, again), nil
		}
		d.askAll(ctx, now, ready)
		d.signals.effects.raise(now)
		if err := ctx.Err(); err != nil {
			return time.Time{}, err
		}
		now = d.now()
	}
}

// inHand is how many batches are asked at once: each is for the most part either read or written, and the database does
// one while it does the other.
const inHand = 2

// read lists enough to find full batches behind all that has to wait.
func (d *deadlines) read(ctx context.Context, now time.Time) ([]store.Due, time.Time, error) {
	call, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return d.Store.Due(call, now, inHand*d.limits().Batch+len(d.asked))
}

// sort forgets what is no longer due, and returns what can be asked, and when the first of the others can.
func (d *deadlines) sort(now time.Time, due []store.Due) (ready []store.Due, again time.Time) {
	still := make(map[subject]asked, len(d.asked))
	for _, one := range due {
		k := subjectOf(one)
		before, was := d.asked[k]
		if was && before.due.Equal(one.At) {
			still[k] = before
			if now.Before(before.again) {
				again = sooner(again, before.again)
				continue
			}
		}
		if len(ready) < inHand*d.limits().Batch {
			ready = append(ready, one)
		}
	}
	d.asked = still
	return ready, again
}

func subjectOf(d store.Due) subject { return subject{d.Key.Tenant, d.Schedule, d.Request} }

// askAll makes asks in batches that have no case in common. What would need one that is in another batch is left for the
// next time. What is due still after it was asked, with an error or without, is asked again after a pause.
func (d *deadlines) askAll(ctx context.Context, now time.Time, due []store.Due) {
	var batches [inHand][]store.Due
	in := make(map[pim.Key]int, len(due))
	n := 0
	for _, one := range due {
		if len(batches[n]) == d.limits().Batch {
			n++ // there are no more than fill them all
		}
		if other, taken := in[one.Key]; taken && other != n {
			continue
		}
		in[one.Key] = n
		batches[n] = append(batches[n], one)
		k := subjectOf(one)
		before := d.asked[k]
		before.due, before.times = one.At, before.times+1
		before.again = now.Add(pause(firstPause, before.times))
		d.asked[k] = before
	}
	var all sync.WaitGroup
	for _, b := range batches[1:] {
		if len(b) > 0 {
			all.Go(func() { d.ask(ctx, b) })
		}
	}
	d.ask(ctx, batches[0])
	all.Wait()
}

// ask makes the asks of a batch.
func (d *deadlines) ask(ctx context.Context, due []store.Due) {
	asks := make([]pim.Ask, len(due))
	for i, one := range due {
		asks[i] = askOf(one)
	}
	call, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	unavailable := 0
	for i, err := range d.App.DoAll(call, asks) {
		d.stats.asked.Add(1)
		d.Observer.asked(d.now().Sub(due[i].At), err)
		if err == nil {
			continue
		}
		d.stats.askFailed.Add(1)
		if errors.Is(err, store.ErrUnavailable) || call.Err() != nil {
			unavailable++
			continue
		}
		d.log().ErrorContext(ctx, "the clock's ask failed", "tenant", due[i].Key.Tenant, "schedule", due[i].Schedule,
			"request", due[i].Request, "due", due[i].At, "error", err)
	}
	if unavailable > 0 && ctx.Err() == nil {
		d.log().WarnContext(ctx, "the clock's asks have to wait for the store", "asks", unavailable)
	}
}

func askOf(d store.Due) pim.Ask {
	a := pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Key: d.Key}
	if d.Request != "" {
		a.Action, a.Request = pim.RequestDue, d.Request
		return a
	}
	a.Action, a.Target = pim.ScheduleDue, d.Schedule
	return a
}
