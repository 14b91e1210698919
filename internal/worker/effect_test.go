package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portcullis/internal/connector"
	"portcullis/internal/pim"
	"portcullis/internal/worker"
)

// house is a store, a door and workers.
type house struct {
	t     *testing.T
	store *ledger
	door  *target
	asks  *clockAsks
	doors map[string]connector.Connector
	// awake are the workers, to be woken by what is committed.
	awake []*worker.Worker
}

// inHouse runs a story in time that costs none.
func inHouse(t *testing.T, story func(*house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, store: newLedger(t), door: newTarget(), asks: &clockAsks{}}
		h.settles()
		h.doors = map[string]connector.Connector{"db": h.door}
		story(h)
		h.door.mu.Lock()
		defer h.door.mu.Unlock()
		if h.door.crowd != nil {
			t.Error(h.door.crowd)
		}
	})
}

// worker starts a worker, which is stopped at the end or before.
func (h *house) worker(name string, change func(*worker.Worker)) (w *worker.Worker, stop func()) {
	w = &worker.Worker{App: h.asks, Store: h.store, Connectors: h.doors, Holder: name, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if change != nil {
		change(w)
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	var stopped atomic.Bool
	stop = func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("worker %s ended with %v", name, err)
		}
	}
	h.t.Cleanup(stop)
	h.awake = append(h.awake, w)
	return w, stop
}

func (h *house) wake() {
	for _, w := range h.awake {
		w.Wake(time.Now())
	}
}

func (h *house) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wants is an effect that opens the door for an hour.
func (h *house) wants(id string) pim.Effect {
	return pim.Effect{
		ID: id + "/db/reader", Tenant: "t", Schedule: pim.ScheduleID(id), Door: "db", Account: id, Privilege: privileges()[0],
		Key:   pim.Key{Tenant: "t", Provider: pim.Directory, Scope: "/", Role: "r", Principal: pim.PrincipalID(id)},
		Until: time.Now().Add(time.Hour),
	}
}

// effect commits an effect that is to be opened.
func (h *house) effect(id string) pim.Effect {
	h.t.Helper()
	e := h.wants(id)
	h.intend(pim.EffectPending, e)
	return e
}

// intend commits effects with a new intent and wakes the workers.
func (h *house) intend(state pim.EffectState, effects ...pim.Effect) {
	h.t.Helper()
	h.store.intend(state, effects...)
	h.wake()
}

func (h *house) is(e pim.Effect, want pim.EffectState, stuck bool) pim.Effect {
	h.t.Helper()
	got := h.store.effect(e)
	if got.State != want || got.Stuck != stuck {
		h.t.Fatalf("effect %s: got state %v, stuck %v (%s), want %v, %v", e.ID, got.State, got.Stuck, got.Problem, want, stuck)
	}
	return got
}

func (h *house) told(e pim.Effect, want ...pim.Activity) {
	h.t.Helper()
	if got := h.store.told(e.Schedule); !slices.Equal(got, want) {
		h.t.Errorf("events of %s: got %v, want %v", e.ID, got, want)
	}
}

// P8, the plain way: what was granted is there, what ended is gone, and both are proved, told and done at once.
func TestP8GrantedThenGone(t *testing.T) {
	inHouse(t, func(h *house) {
		w, _ := h.worker("a", nil)
		h.after(time.Second)
		start := time.Now()
		e := h.effect("amira")
		w.Wake(time.Now())
		h.after(20 * time.Millisecond)
		got := h.is(e, pim.Usable, false)
		if d := got.UsableAt.Sub(start); d < 0 || d > 20*time.Millisecond || !got.Due.IsZero() {
			t.Errorf("usable after %v and due %v, want soon and never", d, got.Due)
		}
		if until, ok := h.door.end("amira"); !ok || !until.Equal(e.Until) {
			t.Errorf("target: got %v, %v, want the end %v", until, ok, e.Until)
		}
		h.intend(pim.Revoking, got)
		w.Wake(time.Now())
		h.after(20 * time.Millisecond)
		if got := h.is(e, pim.Gone, false); got.GoneAt.IsZero() {
			t.Error("gone without the time of the proof")
		}
		if _, ok := h.door.end("amira"); ok {
			t.Error("the target still holds it")
		}
		h.told(e, pim.DoorOpened, pim.DoorClosed)
		if got := w.Stats(); got.Opened != 1 || got.Closed != 1 || got.Failed != 0 {
			t.Errorf("stats: got %+v", got)
		}
	})
}

func TestTargetDownIsTriedAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.set(func() { h.door.down = true })
		h.worker("a", nil)
		e := h.effect("amira")
		h.after(3*time.Second + time.Millisecond)
		got := h.is(e, pim.EffectPending, false)
		// After the first failure within one second, and after the second within two.
		if got.Attempts < 3 || got.Problem != "grant: connection refused" {
			t.Errorf("got %d attempts, problem %q", got.Attempts, got.Problem)
		}
		h.door.set(func() { h.door.down = false })
		h.after(5 * time.Minute)
		if got := h.is(e, pim.Usable, false); got.Problem != "" {
			t.Errorf("usable with the problem %q", got.Problem)
		}
		h.told(e, pim.DoorOpened)
	})
}

// A revocation that cannot be proved stays open, is tried for ever, and is told once.
func TestP8RevocationThatIsNotProvedStaysOpen(t *testing.T) {
	inHouse(t, func(h *house) {
		h.worker("a", nil)
		e := h.effect("amira")
		h.after(time.Second)
		h.door.set(func() {
			h.door.other = []connector.Held{{Account: "amira", Privilege: e.Privilege, Via: []string{"admins"}}}
		})
		h.intend(pim.Revoking, h.is(e, pim.Usable, false))
		h.after(24 * time.Hour)
		got := h.is(e, pim.Revoking, true)
		if got.Problem != "revoked, but still held by way of admins" || !got.GoneAt.IsZero() {
			t.Errorf("got problem %q, gone at %v", got.Problem, got.GoneAt)
		}
		// At most five minutes apart.
		if want := 24 * 60 / 5; got.Attempts < want {
			t.Errorf("got %d attempts in a day, want %d or more", got.Attempts, want)
		}
		h.told(e, pim.DoorOpened, pim.DoorStuck)
		h.door.set(func() { h.door.other = nil })
		h.after(5 * time.Minute)
		h.is(e, pim.Gone, false)
		h.told(e, pim.DoorOpened, pim.DoorStuck, pim.DoorClosed)
	})
}

func TestWhatWaitingDoesNotMendIsStuckAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		w, _ := h.worker("a", nil)
		unknown, closed := h.wants("amira"), h.wants("bo")
		unknown.Privilege, closed.Door = "no such privilege", "elsewhere"
		h.intend(pim.EffectPending, unknown)
		h.intend(pim.EffectPending, closed)
		h.after(time.Second)
		h.is(unknown, pim.EffectPending, true)
		if got := h.is(closed, pim.EffectPending, true); !strings.HasPrefix(got.Problem, "the door is not configured") {
			t.Errorf("got problem %q", got.Problem)
		}
		h.after(time.Hour)
		h.told(unknown, pim.DoorStuck)
		h.told(closed, pim.DoorStuck)
		if got := h.store.effect(unknown).Attempts; got < 12 {
			t.Errorf("got %d attempts in an hour, want 12 or more", got)
		}
		if got := w.Stats().Stuck; got != 2 {
			t.Errorf("stuck: got %d, want 2", got)
		}
	})
}

// Two workers on one store: everything is done, and nothing by two at once, though some calls are slow.
func TestTwoWorkersShareTheWork(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.set(func() {
			h.door.pass = func(ctx context.Context, call string, a connector.Access) error {
				return pauseFor(ctx, time.Duration(len(a.Account)%3)*time.Second)
			}
		})
		var effects []pim.Effect
		for i := range 100 {
			effects = append(effects, h.effect("p"+strings.Repeat("x", i%7)+fmt.Sprint(i)))
		}
		// The second half is of the same accounts, with another privilege.
		for _, e := range effects[:50] {
			e.ID, e.Privilege = e.ID+"2", privileges()[1]
			h.intend(pim.EffectPending, e)
			effects = append(effects, e)
		}
		a, _ := h.worker("a", nil)
		b, _ := h.worker("b", nil)
		h.after(5 * time.Minute)
		for _, e := range effects {
			h.is(e, pim.Usable, false)
		}
		if got := h.door.count("grant"); got != len(effects) {
			t.Errorf("got %d grants for %d effects", got, len(effects))
		}
		if a.Stats().Opened+b.Stats().Opened != int64(len(effects)) {
			t.Errorf("opened %d and %d, want %d together", a.Stats().Opened, b.Stats().Opened, len(effects))
		}
	})
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// A worker that dies in the middle of an effect leaves it to another, once its lease has ended.
func TestAnotherTakesOverWhenTheLeaseEnds(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.set(func() {
			h.door.pass = func(ctx context.Context, call string, _ connector.Access) error {
				if call == "list" {
					return nil
				}
				return pauseFor(ctx, time.Minute)
			}
		})
		e := h.effect("amira")
		_, die := h.worker("a", nil)
		h.after(time.Second)
		die()
		h.door.set(func() { h.door.pass = nil })
		h.worker("b", nil)
		h.after(28 * time.Second)
		h.is(e, pim.EffectPending, false)
		h.after(2 * time.Second)
		h.is(e, pim.Usable, false)
		if got := h.store.effect(e).Attempts; got != 0 {
			t.Errorf("got %d failed attempts: being stopped is no failure", got)
		}
	})
}

// A door where every call hangs holds up neither another door nor, for longer than its limit, itself.
func TestASlowDoorHoldsUpNobodyElse(t *testing.T) {
	inHouse(t, func(h *house) {
		slow := newTarget()
		slow.pass = func(ctx context.Context, _ string, _ connector.Access) error { return pauseFor(ctx, time.Hour) }
		h.doors["slow"] = slow
		effects := make([]pim.Effect, 200)
		for i := range effects {
			effects[i] = h.wants(fmt.Sprint("s", i))
			effects[i].Door = "slow"
		}
		h.intend(pim.EffectPending, effects...)
		w, _ := h.worker("a", func(w *worker.Worker) { w.Claim = 8 })
		h.after(time.Second)
		for range 3 {
			e := h.wants(fmt.Sprint("amira", time.Now().UnixNano()))
			h.store.intend(pim.EffectPending, e)
			h.after(time.Minute + time.Second) // nobody wakes the worker
			h.is(e, pim.Usable, false)
		}
		slow.mu.Lock()
		defer slow.mu.Unlock()
		hanging := 0
		for _, n := range slow.inside {
			hanging += n
		}
		if hanging > 9 { // and one that reads it all to compare
			t.Errorf("got %d calls at once, want 8 and one list at most", hanging)
		}
		if slow.calls["grant"] < 16 {
			t.Errorf("got %d grants tried, want those that hang to be given up", slow.calls["grant"])
		}
		// Each is noted as a failure, however long it had waited here before.
		if got := w.Stats().Failed; got < int64(slow.calls["grant"]-8) {
			t.Errorf("got %d failures of %d grants", got, slow.calls["grant"])
		}
	})
}

// Many more effects than are leased at once are worked off without waiting for leases to end.
func TestManyEffectsAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.set(func() {
			h.door.pass = func(ctx context.Context, _ string, _ connector.Access) error {
				return pauseFor(ctx, 10*time.Millisecond)
			}
		})
		effects := make([]pim.Effect, 250)
		for i := range effects {
			effects[i] = h.wants(fmt.Sprint("p", i))
		}
		w, _ := h.worker("a", func(w *worker.Worker) { w.Claim = 8 })
		h.intend(pim.EffectPending, effects...)
		// Eight at a time, 20 ms each.
		h.after(700 * time.Millisecond)
		if got := w.Stats().Opened; got != int64(len(effects)) {
			t.Errorf("opened %d of %d", got, len(effects))
		}
	})
}

// A door that could not be opened before the end stays shut.
func TestP3NothingIsOpenedAfterItsEnd(t *testing.T) {
	inHouse(t, func(h *house) {
		e := h.effect("amira")
		h.after(time.Hour)
		h.worker("a", nil)
		h.after(time.Minute)
		h.is(e, pim.EffectPending, false)
		if got := h.door.count("grant"); got != 0 {
			t.Errorf("got %d grants after the end", got)
		}
		h.intend(pim.Revoking, h.store.effect(e))
		h.after(time.Minute)
		h.is(e, pim.Gone, false)
	})
}

// Two schedules may open the same door to the same account: it shuts with the last of them, at the latest end.
func TestTheSameAccessTwiceEndsWithTheLast(t *testing.T) {
	inHouse(t, func(h *house) {
		h.worker("a", nil)
		long, short := h.wants("amira"), h.wants("amira")
		short.ID, short.Schedule, short.Until = "short/db/reader", "short", long.Until.Add(-30*time.Minute)
		h.intend(pim.EffectPending, long, short)
		step := func() { h.after(time.Second) }
		step()
		h.is(long, pim.Usable, false)
		h.is(short, pim.Usable, false)
		if until, _ := h.door.end("amira"); !until.Equal(long.Until) {
			t.Errorf("the door ends at %v, want %v", until, long.Until)
		}
		h.intend(pim.Revoking, h.store.effect(long))
		step()
		h.is(long, pim.Gone, false)
		if until, ok := h.door.end("amira"); !ok || !until.Equal(short.Until) {
			t.Errorf("the door of who stays: got %v, %v, want %v", until, ok, short.Until)
		}
		if got := h.door.count("revoke"); got > 0 {
			t.Error("the door was shut for a moment to who stays")
		}
		h.intend(pim.Revoking, h.store.effect(short))
		step()
		h.is(short, pim.Gone, false)
		if _, ok := h.door.end("amira"); ok {
			t.Error("the door is open after the last end")
		}
	})
}

// Revoked while the grant is on its way: what was granted is taken back, by one worker at a time.
func TestAnotherIntentMeanwhile(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.set(func() {
			h.door.pass = func(ctx context.Context, _ string, _ connector.Access) error { return pauseFor(ctx, 5*time.Second) }
		})
		a, _ := h.worker("a", nil)
		b, _ := h.worker("b", nil)
		e := h.effect("amira")
		for i := range 60 {
			a.Wake(time.Now())
			b.Wake(time.Now())
			h.after(500 * time.Millisecond)
			if i == 2 {
				h.intend(pim.Revoking, h.store.effect(e))
			}
		}
		h.is(e, pim.Gone, false)
		if _, ok := h.door.end("amira"); ok {
			t.Error("the target holds what was revoked")
		}
		if got := h.door.count("revoke"); got != 1 {
			t.Errorf("revoked %d times, want once", got)
		}
	})
}

// Nobody wakes the worker when its own work turns out to be out of date: it looks again by itself.
func TestWhatWasChangedIsLookedAtAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.set(func() {
			h.door.pass = func(ctx context.Context, _ string, _ connector.Access) error { return pauseFor(ctx, time.Second) }
		})
		h.worker("a", nil)
		e := h.effect("amira")
		h.after(500 * time.Millisecond)
		h.intend(pim.Revoking, h.store.effect(e))
		h.after(4 * time.Second)
		h.is(e, pim.Gone, false)
	})
}

// Somebody is granted, elsewhere, what is being revoked here for another schedule of theirs: they have it in the end.
func TestGrantedElsewhereWhileRevoked(t *testing.T) {
	inHouse(t, func(h *house) {
		h.worker("a", nil)
		e, other := h.effect("amira"), h.wants("amira")
		h.after(time.Second)
		other.ID, other.Schedule = "other/db/reader", "other"
		h.door.set(func() {
			h.door.pass = func(_ context.Context, call string, _ connector.Access) error {
				if call == "revoke" {
					other.UsableAt = time.Now() // as another worker has left it
					h.store.intend(pim.Usable, other)
				}
				return nil
			}
		})
		h.intend(pim.Revoking, h.store.effect(e))
		h.after(time.Second)
		h.is(e, pim.Gone, false)
		if until, ok := h.door.end("amira"); !ok || !until.Equal(other.Until) {
			t.Errorf("the target holds %v, %v, want it until %v", until, ok, other.Until)
		}
	})
}

// Doors are told real time, whatever PIM's time is.
func TestDoorsAreToldRealTime(t *testing.T) {
	inHouse(t, func(h *house) {
		const ahead = 400 * 24 * time.Hour
		h.worker("a", func(w *worker.Worker) {
			w.Now = func() time.Time { return time.Now().Add(ahead) }
			w.Offset = func() time.Duration { return ahead }
		})
		actual := time.Now().Add(time.Hour)
		e := h.wants("amira")
		e.Until = actual.Add(ahead)
		h.intend(pim.EffectPending, e)
		h.after(time.Minute)
		got := h.is(e, pim.Usable, false)
		if until, _ := h.door.end("amira"); !until.Equal(actual) {
			t.Errorf("the door ends at %v, want %v", until, actual)
		}
		if d := got.UsableAt.Sub(time.Now().Add(ahead)); d > 0 || d < -time.Minute-time.Second {
			t.Errorf("usable at %v, want PIM's time", got.UsableAt)
		}
	})
}

// Leases count in PIM's time, so they all end when that is moved. What is in hand is not begun a second time.
func TestTheClockIsMovedInTheMiddle(t *testing.T) {
	inHouse(t, func(h *house) {
		var ahead atomic.Int64
		offset := func() time.Duration { return time.Duration(ahead.Load()) }
		h.door.set(func() {
			h.door.pass = func(ctx context.Context, _ string, _ connector.Access) error { return pauseFor(ctx, 5*time.Second) }
		})
		h.worker("a", func(w *worker.Worker) {
			w.Now, w.Offset = func() time.Time { return time.Now().Add(offset()) }, offset
		})
		e := h.wants("amira")
		e.Until = time.Now().Add(10000 * time.Hour)
		h.intend(pim.EffectPending, e)
		h.after(time.Second)
		ahead.Store(int64(400 * time.Hour))
		h.wake()
		h.after(time.Minute)
		h.is(e, pim.Usable, false)
		if got := h.door.count("grant"); got != 1 {
			t.Errorf("granted %d times, want once", got)
		}
	})
}

// What nobody granted, and what was granted and is away, is reported.
func TestP8TargetsAreCompared(t *testing.T) {
	inHouse(t, func(h *house) {
		var log strings.Builder
		w, _ := h.worker("a", func(w *worker.Worker) { w.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		e := h.effect("amira")
		h.after(time.Minute)
		h.is(e, pim.Usable, false)
		h.after(5 * time.Minute)
		if got := w.Stats(); got.Foreign != 0 || got.Missing != 0 {
			t.Errorf("all is well, got %+v", got)
		}
		h.door.set(func() {
			clear(h.door.holds)
			h.door.holds[connector.Access{Account: "mallory", Privilege: "reader"}] = time.Time{}
		})
		h.after(5 * time.Minute)
		if got := w.Stats(); got.Foreign != 1 || got.Missing != 1 {
			t.Errorf("got %+v, want one foreign and one missing", got)
		}
		h.after(20 * time.Minute)
		for _, line := range []string{"nobody granted", "not held any more"} {
			if got := strings.Count(log.String(), line); got != 1 {
				t.Errorf("%q was logged %d times, want once:\n%s", line, got, log.String())
			}
		}
	})
}

func TestTheStoreIsDownForAWhile(t *testing.T) {
	inHouse(t, func(h *house) {
		h.store.down.Store(true)
		h.worker("a", nil)
		e := h.effect("amira")
		h.after(time.Minute)
		h.store.down.Store(false)
		h.after(5 * time.Minute)
		h.is(e, pim.Usable, false)
	})
}

func TestProblemsShowNoSecrets(t *testing.T) {
	inHouse(t, func(h *house) {
		h.door.set(func() {
			h.door.pass = func(context.Context, string, connector.Access) error {
				return errors.New("dial postgres://admin:hunter2@db:5432/x\nPassword=hunter2 secret: 'hunter 2' token=hunter2 " + strings.Repeat("é", 600))
			}
		})
		h.worker("a", nil)
		e := h.effect("amira")
		h.after(time.Second)
		got := h.store.effect(e).Problem
		if strings.Contains(got, "hunter") || strings.Contains(got, "\n") || len(got) > 510 || !strings.HasPrefix(got, "grant: dial postgres://***db:5432/x") {
			t.Errorf("got problem %q", got)
		}
	})
}

func TestAWorkerNeedsAName(t *testing.T) {
	w := &worker.Worker{}
	if err := w.Run(t.Context()); !errors.Is(err, worker.ErrNoHolder) {
		t.Errorf("got %v, want %v", err, worker.ErrNoHolder)
	}
}
