package worker_test

import (
	"context"
	"testing"
	"time"

	"portcullis/internal/connector"
	"portcullis/internal/pim"
	"portcullis/internal/worker"
)

// TestWhatIsDoneIsToldOf: an observer learns how late the clock's asks are and how long doors took, the real app behind it.
func TestWhatIsDoneIsToldOf(t *testing.T) {
	onEachStore(t, func(s *site) {
		var late, opened, closed []time.Duration
		spans := map[string]int{}
		w := &worker.Worker{App: s.App, Store: s.Store, Connectors: map[string]connector.Connector{"db": s.door}, Holder: "a", Now: s.Time}
		w.Observer = worker.Observer{
			Asked: func(d time.Duration, err error) {
				if err != nil {
					t.Errorf("an ask failed: %v", err)
				}
				late = append(late, d)
			},
			Carried: func(before, after pim.Effect, began time.Time) {
				if began.Before(before.Due) || began.Sub(before.Due) > time.Second {
					t.Errorf("began at %s, due at %s", began, before.Due)
				}
				switch after.State {
				case pim.Usable:
					opened = append(opened, worker.Lapse(after))
				case pim.Gone:
					closed = append(closed, worker.Lapse(after))
				case pim.EffectPending, pim.Revoking:
					t.Errorf("a try ended as %v", after.State)
				}
			},
			Span: func(ctx context.Context, name string, _ ...string) (context.Context, func(string, error)) {
				return ctx, func(code string, err error) {
					if code != "" || err != nil {
						t.Errorf("%s failed: %s, %v", name, code, err)
					}
					spans[name]++
				}
			},
		}
		s.Wake = w.Wake
		ctx, cancel := context.WithCancel(s.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		s.do(admin, pim.AdminAssign, pim.Eligibility, 30*24*time.Hour)
		s.do(amira, pim.SelfActivate, pim.Assignment, time.Hour)
		s.after(time.Second)
		s.check("in between", true, true)
		s.after(2 * time.Hour)
		s.check("after the end", false, false)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(late) != 1 || late[0] < 0 || late[0] > time.Second {
			t.Errorf("the clock's asks were told as %v late, want one within a second", late)
		}
		for name, lapses := range map[string][]time.Duration{"usable": opened, "gone": closed} {
			if len(lapses) != 1 || lapses[0] < 0 || lapses[0] > time.Second {
				t.Errorf("lapses until %s: %v, want one within a second", name, lapses)
			}
		}
		if spans["effect"] != 2 {
			t.Errorf("spans: %v, want two effects", spans)
		}
	})
}

// TestLapses: how long somebody waited, or had what was theirs no more.
func TestLapses(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 2, 9, minute, 0, 0, time.UTC) }
	for _, c := range []struct {
		name string
		e    pim.Effect
		want time.Duration
	}{
		{"opened", pim.Effect{State: pim.Usable, Decided: at(0), UsableAt: at(2), Until: at(50)}, 2 * time.Minute},
		{"ended by itself, decided late", pim.Effect{State: pim.Gone, Until: at(10), Decided: at(14), GoneAt: at(15)}, 5 * time.Minute},
		{"taken before its end", pim.Effect{State: pim.Gone, Until: at(50), Decided: at(14), GoneAt: at(15)}, time.Minute},
		{"taken, without an end", pim.Effect{State: pim.Gone, Decided: at(14), GoneAt: at(15)}, time.Minute},
		{"still to come", pim.Effect{State: pim.EffectPending, Decided: at(0)}, 0},
		{"still to go", pim.Effect{State: pim.Revoking, Decided: at(0)}, 0},
		{"nothing", pim.Effect{}, 0},
	} {
		if got := worker.Lapse(c.e); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
