package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

const (
	// maxClaims is how often in a row effects are leased.
	maxClaims = 16
	// So many times what is leased at once is enough: that is worked off before more is leased. If that takes longer than a
	// moment, a door is slow, and what is due at others may stand behind.
	enough, moment = 4, time.Second
	// So many times what is leased at once may wait here for one door; the leases of more than that simply run out.
	mostWaiting = 8
)

// runEffects leases effects when they are due and has them carried out.
func (w *Worker) runEffects(ctx context.Context) {
	d := dispatcher{Worker: w, doors: map[string]*door{}, inHand: map[effectKey]bool{}, done: make(chan result)}
	defer d.stop()
	claim := true
	var next time.Time
	for ctx.Err() == nil {
		if claim {
			next = d.look(ctx)
		}
		d.start(ctx)
		claim, next = d.await(ctx, next)
	}
}

// look leases what is due, and says when to look again.
func (d *dispatcher) look(ctx context.Context) time.Time {
	d.last = time.Now()
	d.signals.effects.sleeping(time.Time{})
	next, err := d.claim(ctx, d.now())
	if err != nil {
		d.failures++
		d.failed(ctx, "lease effects", d.failures, err)
		return d.planned(d.now().Add(pause(firstPause, d.failures)))
	}
	d.failures = 0
	return d.planned(next)
}

// await returns when something has happened, and whether that needs another look.
func (d *dispatcher) await(ctx context.Context, next time.Time) (claim bool, _ time.Time) {
	d.signals.effects.sleeping(next)
	timer := time.NewTimer(d.sleep(next))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, next
	case <-timer.C:
		return true, next
	case <-d.signals.effects.heard:
		// Another look, but not before the lull is over. What is in hand goes on meanwhile: doors shall not wait for it.
		return false, sooner(next, d.now().Add(max(0, lull-time.Since(d.last))))
	case r := <-d.done:
		d.finish(r)
		// Nothing needs to be read to know when this one is due again, unless it was changed meanwhile.
		return r.changed || d.more && d.waiting() < d.limits().Claim, sooner(next, r.due)
	}
}

// dispatcher knows which effects this worker has. It belongs to one goroutine.
type dispatcher struct {
	*Worker
	doors   map[string]*door
	inHand  map[effectKey]bool // waiting or being carried out
	done    chan result
	running sync.WaitGroup
	// last is when it last looked, in real time, and failures is how often in a row it looked in vain.
	last     time.Time
	failures int
	// more says that not all that is due was leased.
	more bool
}

type effectKey struct {
	tenant pim.TenantID
	id     string
}

func keyOf(e pim.Effect) effectKey { return effectKey{e.Tenant, e.ID} }

// door is the work at one door.
type door struct {
	waiting []leased
	// busy are the accounts in hand: two goroutines at one account would undo each other's work.
	busy map[string]bool
}

// leased is an effect that is ours until an instant of real time.
type leased struct {
	pim.Effect
	until time.Time
}

// result is what became of one turn of an effect.
type result struct {
	effect pim.Effect
	// due is when it is tried next; zero: it is settled, or the lease runs out.
	due time.Time
	// changed says that it was given another intent meanwhile, so that it waits to be claimed again.
	changed bool
}

// claim leases what is due, until enough is in line, and says when to look again.
func (d *dispatcher) claim(ctx context.Context, now time.Time) (next time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	limits := d.limits()
	d.more = false
	for range maxClaims {
		until := time.Now().Add(limits.Lease) // before the store's lease begins, so never after it ends
		effects, next, err := d.Store.ClaimEffects(ctx, d.Holder, now, now.Add(limits.Lease), limits.Claim)
		if err != nil {
			return time.Time{}, err
		}
		taken := 0
		for _, e := range effects {
			if d.take(leased{e, until}) {
				taken++
			}
		}
		switch {
		case len(effects) < limits.Claim:
			return next, nil
		case taken > 0 && d.waiting() >= enough*limits.Claim:
			d.more = true
			return now.Add(moment), nil
		}
	}
	d.more = true
	return now, nil
}

func (d *dispatcher) waiting() int {
	n := 0
	for _, at := range d.doors {
		n += len(at.waiting)
	}
	return n
}

// take puts an effect in line. One that is in hand already comes again because it was changed: what is being done to it
// cannot be settled any more, and then it is claimed anew.
func (d *dispatcher) take(e leased) bool {
	if d.inHand[keyOf(e.Effect)] {
		return false
	}
	at := d.doors[e.Door]
	if at == nil {
		at = &door{busy: map[string]bool{}}
		d.doors[e.Door] = at
	}
	if len(at.waiting) >= mostWaiting*d.limits().Claim {
		return false
	}
	d.inHand[keyOf(e.Effect)] = true
	at.waiting = append(at.waiting, e)
	return true
}

// start begins what can be begun.
func (d *dispatcher) start(ctx context.Context) {
	now := time.Now()
	for _, at := range d.doors {
		rest := at.waiting[:0]
		for _, e := range at.waiting {
			switch {
			case e.until.Sub(now) < d.limits().Lease/3:
				delete(d.inHand, keyOf(e.Effect)) // it waited too long: whoever leases it next has the time
			case len(at.busy) >= d.limits().PerDoor || at.busy[e.Account]:
				rest = append(rest, e)
			default:
				at.busy[e.Account] = true
				d.begin(ctx, e)
			}
		}
		at.waiting = rest
	}
}

func (d *dispatcher) begin(ctx context.Context, e leased) {
	d.running.Go(func() {
		r := d.turn(ctx, e)
		select {
		case d.done <- r:
		case <-ctx.Done():
		}
	})
}

func (d *dispatcher) finish(r result) {
	delete(d.inHand, keyOf(r.effect))
	delete(d.doors[r.effect.Door].busy, r.effect.Account)
}

func (d *dispatcher) stop() { d.running.Wait() }

// turn carries out one effect once, and writes what became of it. It ends before the lease does.
func (w *Worker) turn(ctx context.Context, e leased) result {
	ctx, cancel := context.WithDeadline(ctx, e.until)
	defer cancel()
	// Time must be left to write down what became of it, above all that it failed: else it would never be stuck.
	deadline := e.until.Add(-w.limits().Lease / 6)
	if call := time.Now().Add(w.limits().Call); call.Before(deadline) {
		deadline = call
	}
	began := w.now()
	ctx, end := w.span(ctx, "effect", "door", e.Door)
	var err error
	code := ""
	defer func() { end(code, err) }()
	after, events := w.carry(ctx, e.Effect, deadline)
	if after.Attempts > e.Attempts {
		code = "failed"
	}
	if ctx.Err() != nil && after.Attempts == e.Attempts && after.State == e.State {
		return result{effect: e.Effect} // stopped, not failed
	}
	err = w.Store.Settle(ctx, w.Holder, e.Effect, after, app.Entries(events))
	switch {
	case errors.Is(err, store.ErrStale):
		return result{effect: e.Effect, changed: true}
	case err != nil:
		if ctx.Err() == nil {
			w.log().ErrorContext(ctx, "cannot settle an effect", "effect", e.ID, "door", e.Door, "error", err)
		}
		return result{effect: e.Effect} // it is done again when the lease ends
	}
	w.count(e.Effect, after)
	w.carried(e.Effect, after, began)
	return result{effect: e.Effect, due: after.Due}
}

func (w *Worker) count(before, after pim.Effect) {
	switch {
	case after.State == pim.Usable:
		w.stats.opened.Add(1)
	case after.State == pim.Gone:
		w.stats.closed.Add(1)
	case after.Attempts > before.Attempts:
		w.stats.failed.Add(1)
	}
	if after.Stuck && !before.Stuck {
		w.stats.stuck.Add(1)
	}
}
