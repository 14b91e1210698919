package worker

import (
	"context"
	"errors"
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
		next, err := d.runOnce(ctx, w.now())
		delay := w.sleep(next)
		if err != nil {
			failures++
			delay = min(w.limits().Poll, pause(firstPause, failures))
			w.failed(ctx, "read what is due", failures, err)
		} else {
			failures = 0
		}
		if !wait(ctx, delay, last, w.signals.deadlines) {
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
		d.ask(ctx, now, ready)
		raise(d.signals.effects)
		if err := ctx.Err(); err != nil {
			return time.Time{}, err
		}
		now = d.now()
	}
}

// read lists enough to find a full batch behind all that has to wait.
func (d *deadlines) read(ctx context.Context, now time.Time) ([]store.Due, time.Time, error) {
	call, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return d.Store.Due(call, now, d.limits().Batch+len(d.asked))
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
		if len(ready) < d.limits().Batch {
			ready = append(ready, one)
		}
	}
	d.asked = still
	return ready, again
}

func subjectOf(d store.Due) subject { return subject{d.Tenant, d.Schedule, d.Request} }

// ask makes asks. What is due still after that, with an error or without, is asked again after a pause.
func (d *deadlines) ask(ctx context.Context, now time.Time, due []store.Due) {
	asks := make([]pim.Ask, len(due))
	for i, one := range due {
		asks[i] = askOf(one)
		k := subjectOf(one)
		before := d.asked[k]
		before.due, before.times = one.At, before.times+1
		before.again = now.Add(pause(firstPause, before.times))
		d.asked[k] = before
	}
	call, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	unavailable := 0
	for i, err := range d.App.DoAll(call, asks) {
		d.stats.asked.Add(1)
		if err == nil {
			continue
		}
		d.stats.askFailed.Add(1)
		if errors.Is(err, store.ErrUnavailable) || call.Err() != nil {
			unavailable++
			continue
		}
		d.log().ErrorContext(ctx, "the clock's ask failed", "tenant", due[i].Tenant, "schedule", due[i].Schedule,
			"request", due[i].Request, "due", due[i].At, "error", err)
	}
	if unavailable > 0 && ctx.Err() == nil {
		d.log().WarnContext(ctx, "the clock's asks have to wait for the store", "asks", unavailable)
	}
}

func askOf(d store.Due) pim.Ask {
	a := pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Key: pim.Key{Tenant: d.Tenant}}
	if d.Request != "" {
		a.Action, a.Request = pim.RequestDue, d.Request
		return a
	}
	a.Action, a.Target = pim.ScheduleDue, d.Schedule
	return a
}
