package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/worker"
)

// settles lets each ask end what was due, all but those that skip names.
func (h *house) settles(skip ...pim.ScheduleID) {
	h.asks.follow = func(asks []pim.Ask) []error {
		var done []pim.Schedule
		for _, a := range asks {
			if a.Target != "" && !slices.Contains(skip, a.Target) {
				done = append(done, scheduleDue(a.Target, time.Time{}))
			}
			if a.Request != "" {
				h.store.commit(store.Commit{Outcome: pim.Outcome{More: []pim.Request{requestDue(a.Request, time.Time{})}}})
			}
		}
		h.store.plan(done...)
		return make([]error, len(asks))
	}
}

func requestDue(id pim.RequestID, due time.Time) pim.Request {
	return pim.Request{ID: id, Key: scheduleDue("", due).Key, Status: pim.PendingApproval, Due: due}
}

// The clock asks at the instant itself, not at the next poll, and by nobody's name.
func TestTheClockAsksAtTheInstant(t *testing.T) {
	inHouse(t, func(h *house) {
		start := time.Now()
		first, second := start.Add(1234567*time.Microsecond), start.Add(3*time.Hour+time.Microsecond)
		h.store.plan(scheduleDue("s1", first), scheduleDue("s2", second))
		h.store.commit(store.Commit{Outcome: pim.Outcome{More: []pim.Request{requestDue("r1", second)}}})
		h.worker("a", nil)
		h.after(4 * time.Hour)
		for s, at := range map[pim.ScheduleID]time.Time{"s1": first, "s2": second} {
			got := h.asks.asked(s)
			if len(got) != 1 || got[0].Before(at) || got[0].Sub(at) > 10*time.Microsecond {
				t.Errorf("%s: asked at %v, want once at %v", s, got, at)
			}
		}
		for _, a := range h.asks.calls[1] {
			want := pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Key: scheduleDue("", second).Key, Action: pim.ScheduleDue, Target: "s2"}
			if a.Request != "" {
				want.Action, want.Target, want.Request = pim.RequestDue, "", "r1"
			}
			if fmt.Sprint(a) != fmt.Sprint(want) {
				t.Errorf("got ask %+v, want %+v", a, want)
			}
		}
	})
}

// What was planned meanwhile is due when Wake says so, without waiting for the poll.
func TestWakeInterruptsTheSleep(t *testing.T) {
	inHouse(t, func(h *house) {
		w, _ := h.worker("a", nil)
		h.after(time.Second)
		at := time.Now().Add(5 * time.Second)
		h.store.plan(scheduleDue("s", at))
		w.Wake(time.Now())
		h.after(6 * time.Second)
		if got := h.asks.asked("s"); len(got) != 1 || got[0].Sub(at) > 10*time.Microsecond {
			t.Errorf("asked at %v, want at %v", got, at)
		}
	})
}

// What falls due after the worker looks anyway wakes nobody: most commits plan for hours ahead.
func TestWhatIsDueLaterWakesNobody(t *testing.T) {
	inHouse(t, func(h *house) {
		h.store.plan(scheduleDue("s", time.Now().Add(30*time.Second)))
		w, _ := h.worker("a", nil)
		h.after(time.Second)
		before := h.store.calls.Load()
		for range 100 {
			w.Wake(time.Now().Add(8 * time.Hour))
			w.Wake(time.Now().Add(time.Minute))
			h.after(10 * time.Millisecond)
		}
		if got := h.store.calls.Load() - before; got != 0 {
			t.Errorf("got %d calls of the store, want none", got)
		}
		at := time.Now().Add(10 * time.Second)
		h.store.plan(scheduleDue("sooner", at))
		w.Wake(at)
		h.after(11 * time.Second)
		if got := h.asks.asked("sooner"); len(got) != 1 || got[0].Sub(at) > 10*time.Microsecond {
			t.Errorf("asked at %v, want at %v", got, at)
		}
		before = h.store.calls.Load()
		w.Wake(time.Time{})
		h.after(time.Second)
		if got := h.store.calls.Load() - before; got == 0 {
			t.Error("the clock was moved, and the worker did not look")
		}
	})
}

// A commit that the worker's look may have missed wakes it even if it is due late: what is sooner is not known yet.
func TestAWakeDuringALookIsHeard(t *testing.T) {
	inHouse(t, func(h *house) {
		w, _ := h.worker("a", nil)
		h.after(time.Second)
		at := time.Now().Add(time.Second)
		settle := h.asks.follow
		h.asks.follow = func(asks []pim.Ask) []error {
			errs := settle(asks)
			h.store.plan(scheduleDue("next", at.Add(5*time.Second)))
			w.Wake(at.Add(5 * time.Second))
			return errs
		}
		h.store.plan(scheduleDue("first", at))
		w.Wake(at)
		h.after(7 * time.Second)
		if got := h.asks.asked("next"); len(got) == 0 || got[0].Sub(at.Add(5*time.Second)) > 10*time.Microsecond {
			t.Errorf("asked at %v, want at %v", got, at.Add(5*time.Second))
		}
	})
}

// Nothing is due for an hour: a few statements a minute, not one each second.
func TestIdleWorkIsCheap(t *testing.T) {
	inHouse(t, func(h *house) {
		h.worker("a", nil)
		h.after(time.Second)
		before := h.store.calls.Load()
		h.after(time.Hour)
		if got := (h.store.calls.Load() - before) / 60; got > 6 {
			t.Errorf("got %d calls of the store a minute, want 6 at most", got)
		}
	})
}

// Many wakes at once, as from many commits, are one look.
func TestManyWakesAreFewLooks(t *testing.T) {
	inHouse(t, func(h *house) {
		w, _ := h.worker("a", nil)
		h.after(time.Second)
		before := h.store.calls.Load()
		for range 1000 {
			w.Wake(time.Now())
			h.after(time.Millisecond)
		}
		if got := h.store.calls.Load() - before; got > 220 {
			t.Errorf("got %d calls of the store in a second of wakes, want some 200", got)
		}
	})
}

// Thousands of deadlines at once go in batches, two at a time.
func TestDeadlinesAreDrainedInBatches(t *testing.T) {
	inHouse(t, func(h *house) {
		at := time.Now().Add(time.Minute)
		var all []pim.Schedule
		for i := range 2500 {
			s := scheduleDue(pim.ScheduleID(fmt.Sprint("s", i)), at)
			s.Key.Principal = pim.PrincipalID(fmt.Sprint("p", i))
			all = append(all, s)
		}
		h.store.plan(all...)
		meeting := &meeting{clockAsks: h.asks, takes: time.Millisecond}
		w, _ := h.worker("a", func(w *worker.Worker) { w.App = meeting })
		h.after(time.Minute + time.Second)
		if meeting.most != 2 {
			t.Errorf("got %d batches in hand at once, want 2", meeting.most)
		}
		var got []int
		for _, c := range h.asks.calls {
			got = append(got, len(c))
		}
		if fmt.Sprint(got) != "[1000 1000 500]" {
			t.Errorf("got batches of %v", got)
		}
		if got := w.Stats().Asked; got != 2500 {
			t.Errorf("asked %d, want 2500", got)
		}
	})
}

// meeting takes a while for each batch, and notes how many are in hand at once, and whether they share a case.
type meeting struct {
	*clockAsks
	takes  time.Duration
	mu     sync.Mutex
	now    int
	most   int
	inHand map[pim.Key]int
	shared bool
}

func (m *meeting) DoAll(ctx context.Context, asks []pim.Ask) []error {
	m.enter(asks, 1)
	defer m.enter(asks, -1)
	time.Sleep(m.takes)
	return m.clockAsks.DoAll(ctx, asks)
}

func (m *meeting) enter(asks []pim.Ask, by int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += by
	m.most = max(m.most, m.now)
	if m.inHand == nil {
		m.inHand = map[pim.Key]int{}
	}
	of := map[pim.Key]bool{}
	for _, a := range asks {
		if of[a.Key] {
			continue
		}
		of[a.Key] = true
		m.inHand[a.Key] += by
		m.shared = m.shared || m.inHand[a.Key] > 1
	}
}

// Batches that are in hand at once have no case in common: they would spoil each other's commits.
func TestBatchesAtOnceShareNoCase(t *testing.T) {
	inHouse(t, func(h *house) {
		var all []pim.Schedule
		for i := range 100 {
			s := scheduleDue(pim.ScheduleID(fmt.Sprint("s", i)), time.Now())
			s.Key.Principal = pim.PrincipalID(fmt.Sprint("p", i%7))
			all = append(all, s)
		}
		h.store.plan(all...)
		meeting := &meeting{clockAsks: h.asks, takes: time.Millisecond}
		w, _ := h.worker("a", func(w *worker.Worker) { w.App, w.Batch = meeting, 5 })
		h.after(100 * time.Millisecond)
		if got := w.Stats().Asked; got != 100 || meeting.most != 2 || meeting.shared {
			t.Errorf("asked %d, want 100; %d batches at once, want 2; a case in both: %v", got, meeting.most, meeting.shared)
		}
	})
}

// Asks that fail, or change nothing, are asked again after ever longer pauses, and never stop the others, even if they
// are more than one batch.
func TestAnAskThatFailsStopsNobody(t *testing.T) {
	inHouse(t, func(h *house) {
		at := time.Now()
		all := []pim.Schedule{scheduleDue("idle", at), scheduleDue("good", at.Add(time.Hour))}
		for i := range 30 {
			all = append(all, scheduleDue(pim.ScheduleID(fmt.Sprint("bad", i)), at))
		}
		h.store.plan(all...)
		var stays []pim.ScheduleID
		for _, s := range all {
			if s.ID != "good" {
				stays = append(stays, s.ID)
			}
		}
		h.settles(stays...)
		settle := h.asks.follow
		h.asks.follow = func(asks []pim.Ask) []error {
			errs := settle(asks)
			for i, a := range asks {
				if strings.HasPrefix(string(a.Target), "bad") {
					errs[i] = errors.New("this program is wrong")
				}
			}
			return errs
		}
		w, _ := h.worker("a", func(w *worker.Worker) { w.Batch = 10 })
		h.after(time.Hour + time.Second)
		if got := h.asks.asked("good"); len(got) != 1 || got[0].Sub(at.Add(time.Hour)) > time.Millisecond {
			t.Errorf("good: asked at %v, want once at its time", got)
		}
		for _, s := range []pim.ScheduleID{"bad7", "idle"} {
			got := h.asks.asked(s)
			if len(got) < 10 || len(got) > 150 {
				t.Errorf("%s: asked %d times in an hour", s, len(got))
			}
			for i := 1; i < len(got); i++ {
				if d := got[i].Sub(got[i-1]); d < 90*time.Millisecond || d > 5*time.Minute+time.Second {
					t.Errorf("%s: asked again after %v", s, d)
				}
			}
		}
		if got := w.Stats(); got.AskFailed == 0 {
			t.Errorf("stats: got %+v, want failures", got)
		}
	})
}

// A subject that had to wait after a failure does not wait when another deadline of its own comes.
func TestANewDeadlineDoesNotWaitForAnOldFailure(t *testing.T) {
	inHouse(t, func(h *house) {
		settle := h.asks.follow
		h.asks.follow = func([]pim.Ask) []error { return []error{errors.New("this program is wrong")} }
		h.store.plan(scheduleDue("s", time.Now()))
		w, _ := h.worker("a", nil)
		h.after(10 * time.Hour)
		failed := len(h.asks.asked("s"))
		h.asks.follow = settle
		at := time.Now()
		h.store.plan(scheduleDue("s", at))
		w.Wake(time.Now())
		h.after(time.Second)
		if got := h.asks.asked("s"); len(got) != failed+1 || got[failed].Sub(at) > 20*time.Millisecond {
			t.Errorf("asked at %v, want once more at %v", got[failed:], at)
		}
	})
}

// P3: the end needs no worker. With all of them stopped the answer is no at the instant; the target follows when one is
// back.
func TestP3TheEndNeedsNoWorker(t *testing.T) {
	inHouse(t, func(h *house) {
		ix := access.New()
		e := h.effect("amira")
		s := pim.Schedule{ID: e.Schedule, Key: e.Key, Kind: pim.Assignment, Type: pim.Assigned,
			Window: schedule.Window{Start: time.Now(), End: e.Until}}
		ix.Publish(access.Change{Schedules: []pim.Schedule{s}})
		q := access.Question{Tenant: "t", Principal: "amira", Provider: pim.Directory, Role: "r", Scope: "/"}
		h.store.plan(scheduleDue(e.Schedule, e.Until))
		_, stop := h.worker("a", nil)
		h.after(time.Minute)
		h.is(e, pim.Usable, false)
		stop()

		h.after(time.Until(e.Until) - time.Millisecond)
		if !ix.Check(time.Now(), q).Held {
			t.Error("not held a millisecond before the end")
		}
		h.after(2 * time.Millisecond)
		if got := ix.Check(time.Now(), q); got.Held || got.Reason != access.Over {
			t.Errorf("a millisecond after the end: got %+v", got)
		}
		h.is(e, pim.Usable, false)

		h.after(24 * time.Hour)
		settle := h.asks.follow
		h.asks.follow = func(asks []pim.Ask) []error {
			h.store.intend(pim.Revoking, h.store.effect(e))
			return settle(asks)
		}
		h.worker("b", nil)
		h.after(time.Second)
		h.is(e, pim.Gone, false)
	})
}
