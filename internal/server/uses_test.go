package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api"
	"portcullis/internal/store"
)

// ledger is where counts are written, and out of order when told so.
type ledger struct {
	mu     sync.Mutex
	out    bool
	writes int
	counts map[string]int64
}

func (l *ledger) AddUses(_ context.Context, list []store.Use) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out {
		return store.ErrUnavailable
	}
	l.writes++
	for _, u := range list {
		l.counts[u.Dialect+" "+u.Application] += u.Count
	}
	return nil
}

func use(application string, at time.Time) api.Use {
	return api.Use{Tenant: "t", Dialect: "v1", Application: application, Route: "GET /beta/privilegedRoles", At: at}
}

// TestCallsAreCounted: every call of many at once is counted, also when the store could not be written for a while, and written
// now and then, not with each call.
func TestCallsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{counts: map[string]int64{}, out: true}
		s := &Server{uses: &uses{store: l}, Log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		var loop, calls sync.WaitGroup
		loop.Go(func() { s.keepUses(ctx) })
		for i := range 40 {
			calls.Go(func() {
				for range 25 {
					s.uses.called(use(fmt.Sprint("app-", i%2), time.Now()))
				}
			})
		}
		calls.Wait()
		time.Sleep(15 * time.Second)
		l.mu.Lock()
		l.out = false
		l.mu.Unlock()
		s.uses.called(use("", time.Now()))
		time.Sleep(time.Minute)
		stop()
		loop.Wait()
		if want := map[string]int64{"v1 app-0": 500, "v1 app-1": 500, "v1 ": 1}; !cmp.Equal(l.counts, want) || l.writes != 1 {
			t.Errorf("got %v in %d writes, want %v in one", l.counts, l.writes, want)
		}
		s.uses.called(use("app-0", time.Now()))
		if err := s.keepLastUses(); err != nil || l.counts["v1 app-0"] != 501 {
			t.Errorf("at the end: got %v and %v, want the last call written", l.counts, err)
		}
	})
}

// TestCountsHaveTheirTimes: of several calls the first and the last are told, whatever the order in which they are counted.
func TestCountsHaveTheirTimes(t *testing.T) {
	u := &uses{}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, later := range []time.Duration{time.Minute, 0, 3 * time.Minute, 2 * time.Minute} {
		u.called(use("a", at.Add(later)))
	}
	for _, got := range u.counted {
		if got.Count != 4 || !got.First.Equal(at) || !got.Last.Equal(at.Add(3*time.Minute)) {
			t.Errorf("got %+v", got)
		}
	}
}

// TestCountsAreBounded: somebody whose tokens name ever new applications fills no memory, and none of their calls is lost.
func TestCountsAreBounded(t *testing.T) {
	u := &uses{store: &ledger{out: true}}
	const calls = mostUses + 500
	for i := range calls {
		u.called(use(fmt.Sprint(i), time.Now()))
	}
	if err := u.keep(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want that the store is unavailable", err)
	}
	var total int64
	for _, c := range u.counted {
		total += c.Count
	}
	if len(u.counted) > mostUses+1 || total != calls {
		t.Errorf("got %d sorts of calls and %d calls, want at most %d and %d", len(u.counted), total, mostUses+1, calls)
	}
}

// TestIDsOfApplicationsAreSound: what an issuer elsewhere writes into a token must not make a database refuse all counts.
func TestIDsOfApplicationsAreSound(t *testing.T) {
	for id, want := range map[string]string{
		"": "", "A-1": "a-1", "two words": "", "\x00": "", "\xff": "", "ключ": "", strings.Repeat("x", 129): "",
		strings.Repeat("x", 128): strings.Repeat("x", 128),
	} {
		if got := applicationID(id); got != want {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
	}
}
