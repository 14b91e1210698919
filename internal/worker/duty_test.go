package worker_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/worker"
)

// dutyLength is what a duty's lease is for by default.
const dutyLength = 10 * time.Second

// line is a worker's way to the leases, which can be cut: then it answers with an error, or does not answer at all.
type line struct {
	worker.Leases
	cut, silent atomic.Bool
	mu          sync.Mutex
	renewed     time.Time
}

func (l *line) Lease(ctx context.Context, name, holder string, length time.Duration) (bool, error) {
	switch {
	case l.silent.Load():
		<-ctx.Done()
		return false, ctx.Err()
	case l.cut.Load():
		return false, store.ErrUnavailable
	}
	held, err := l.Leases.Lease(ctx, name, holder, length)
	if held {
		l.mu.Lock()
		l.renewed = time.Now()
		l.mu.Unlock()
	}
	return held, err
}

func (l *line) Release(ctx context.Context, holder string) error {
	if l.cut.Load() || l.silent.Load() {
		return store.ErrUnavailable
	}
	return l.Leases.Release(ctx, holder)
}

// node is one of several workers on a store.
type node struct {
	*worker.Worker
	line *line
	asks *clockAsks
	stop func()
}

// nodes starts so many workers on the house's store, the first of which leads.
func (h *house) nodes(n int) []*node {
	h.t.Helper()
	var all []*node
	for i := range n {
		one := &node{line: &line{Leases: &h.store.Model}, asks: &clockAsks{follow: h.asks.follow}}
		one.Worker, one.stop = h.worker(string(rune('a'+i)), func(w *worker.Worker) { w.Leases, w.App = one.line, one.asks })
		all = append(all, one)
		h.after(time.Millisecond)
	}
	h.lead(all, 0)
	return all
}

// lead checks which one leads; -1: none does.
func (h *house) lead(all []*node, want int) {
	h.t.Helper()
	for i, n := range all {
		if got := n.Leads(); got != (i == want) {
			h.t.Errorf("node %d leads: got %v, want %v", i, got, i == want)
		}
	}
}

// dueNow plans a schedule that is due, and wakes all.
func (h *house) dueNow(id pim.ScheduleID) {
	h.t.Helper()
	h.store.plan(scheduleDue(id, time.Now()))
	h.wake()
}

// One node makes the clock's asks for all; when it stops another takes over within a moment, and looks at once.
func TestOneNodeMakesTheClocksAsks(t *testing.T) {
	inHouse(t, func(h *house) {
		all := h.nodes(3)
		h.dueNow("first")
		h.after(time.Second)
		if got := len(all[0].asks.asked("first")); got != 1 {
			t.Errorf("the one that leads asked %d times, want once", got)
		}
		h.after(10 * dutyLength)
		h.lead(all, 0)

		all[0].stop()
		h.store.plan(scheduleDue("second", time.Now())) // and nobody is woken
		stopped := time.Now()
		h.after(dutyLength/10 + 50*time.Millisecond)
		if all[1].Leads() == all[2].Leads() {
			t.Errorf("leading: got %v and %v, want one of them", all[1].Leads(), all[2].Leads())
		}
		asked := append(all[1].asks.asked("second"), all[2].asks.asked("second")...)
		if len(asked) != 1 || asked[0].Sub(stopped) > dutyLength/10+20*time.Millisecond {
			t.Errorf("got asked at %s, want once within a tenth of the lease after %s", asked, stopped)
		}
		if n := len(all[1].asks.asked("first")) + len(all[2].asks.asked("first")) + len(all[0].asks.asked("second")); n != 0 {
			t.Errorf("got %d asks of those who did not lead, want none", n)
		}
	})
}

// A node that cannot renew its lease has stopped before that ends, with an ask under way too; another leads once it has ended, and
// never are there two. When the line is mended the first one waits its turn.
func TestANodeThatCannotRenewStops(t *testing.T) {
	for name, cut := range map[string]func(*line, bool){
		"it is told so":      func(l *line, cut bool) { l.cut.Store(cut) },
		"it is told nothing": func(l *line, cut bool) { l.silent.Store(cut) },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				all := h.nodes(2)
				h.after(dutyLength)
				cut(all[0].line, true)
				began := all[0].line.renewed
				released := make(chan time.Time, 1)
				all[0].asks.await = func(ctx context.Context) {
					<-ctx.Done()
					released <- time.Now()
				}
				h.dueNow("late")
				var ended, taken time.Time
				for taken.IsZero() && time.Since(began) < 3*dutyLength {
					h.after(10 * time.Millisecond)
					first, second := all[0].Leads(), all[1].Leads()
					switch {
					case first && second:
						t.Fatal("two lead at once")
					case !first && ended.IsZero():
						ended = time.Now()
					}
					if second {
						taken = time.Now()
					}
				}
				if got := ended.Sub(began); got <= dutyLength/3 || got >= dutyLength {
					t.Errorf("the first stopped %s after it renewed, want before its lease of %s ended", got, dutyLength)
				}
				if at := <-released; at.After(began.Add(dutyLength)) {
					t.Errorf("an ask was under way until %s after the lease began", at.Sub(began))
				}
				if got := taken.Sub(began); got < dutyLength || got > dutyLength+dutyLength/10+50*time.Millisecond {
					t.Errorf("the second took over %s after the first renewed, want when the lease of %s ended", got, dutyLength)
				}
				h.after(time.Second)
				if got := len(all[1].asks.asked("late")); got != 1 {
					t.Errorf("the second asked %d times for what was late, want once", got)
				}
				cut(all[0].line, false)
				h.after(3 * dutyLength)
				h.lead(all, 1)
			})
		})
	}
}

// A single failure to renew changes nothing.
func TestANodeRenewsAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		all := h.nodes(2)
		for range 5 {
			h.after(dutyLength)
			all[0].line.cut.Store(true)
			h.after(dutyLength * 2 / 5)
			all[0].line.cut.Store(false)
			h.after(dutyLength / 5)
			h.lead(all, 0)
		}
	})
}

// A node that was stopped (SIGSTOP) for longer than its lease lets go of it as soon as it goes on.
func TestANodeWhoseLeaseIsAnothersStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, store: newLedger(t), door: newTarget(), asks: &clockAsks{}}
		h.settles()
		all := h.nodes(1)
		if err := h.store.Release(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if held, err := h.store.Lease(t.Context(), "worker", "z", time.Hour); !held || err != nil {
			t.Fatalf("lease: got %v, %v", held, err)
		}
		h.after(dutyLength / 2)
		h.lead(all, -1)
	})
}
