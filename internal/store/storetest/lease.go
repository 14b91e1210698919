package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"portcullis/internal/store"
)

// leasesNames: a lease is one holder's until it ends by the store's clock or is given back, and then whoever's asks first.
func leasesNames(t *testing.T, s store.Store) {
	lease := func(name, holder string, length time.Duration, wanted bool) {
		t.Helper()
		got, err := s.Lease(t.Context(), name, holder, length)
		want(t, "lease", err, nil)
		if got != wanted {
			t.Errorf("lease of %q for %q: got %v, want %v", name, holder, got, wanted)
		}
	}
	lease("work", "one", time.Hour, true)
	lease("work", "two", time.Hour, false)
	lease("work", "One", time.Hour, false)
	lease("work", "one", time.Hour, true)
	lease("Work", "two", time.Hour, true)
	lease("odd \x00 \xff ü", "one", time.Hour, true)
	lease("odd \x00 \xff ü", "two", time.Hour, false)

	want(t, "give back what is another's", s.Release(t.Context(), "three"), nil)
	lease("work", "two", time.Hour, false)
	want(t, "give back", s.Release(t.Context(), "one"), nil)
	lease("work", "two", time.Hour, true)
	lease("work", "one", time.Hour, false)
	lease("odd \x00 \xff ü", "two", time.Hour, true)
	want(t, "give both back", s.Release(t.Context(), "two"), nil)
	lease("Work", "three", time.Hour, true)

	lease("work", "one", 0, true) // over at once
	lease("work", "two", time.Hour, true)
	lease("work", "two", -time.Hour, true)
	lease("work", "one", time.Hour, true)
	for _, err := range []error{s.Release(t.Context(), ""), second(s.Lease(t.Context(), "free", "", time.Hour))} {
		if err == nil {
			t.Error("a lease without a holder: got no error")
		}
	}
	leaseEnds(t, s)
	leasesOnce(t, s)
}

func second(_ bool, err error) error { return err }

// leaseEnds: a lease lasts as long as was said, and no longer.
func leaseEnds(t *testing.T, s store.Store) {
	t.Helper()
	// A store's clock may know whole milliseconds alone.
	const length, exact = 50 * time.Millisecond, time.Millisecond
	began := time.Now()
	held, err := s.Lease(t.Context(), "short", "one", length)
	want(t, "lease", err, nil)
	answered := time.Now()
	for taken := false; held && !taken; {
		if time.Since(answered) > 10*time.Second {
			t.Fatal("a lease of 50 ms lasts after 10 s")
		}
		taken, err = s.Lease(t.Context(), "short", "two", time.Hour)
		want(t, "lease what another holds", err, nil)
	}
	if got := time.Since(began); got < length-exact {
		t.Errorf("another got the lease after %s, want not before %s", got, length)
	}
}

// leasesOnce: of several that ask at once one gets it.
func leasesOnce(t *testing.T, s store.Store) {
	t.Helper()
	for round := range 20 {
		name := fmt.Sprintf("round %d", round)
		var holders atomic.Int32
		var all []func() error
		for i := range 6 {
			all = append(all, func() error {
				held, err := s.Lease(t.Context(), name, fmt.Sprintf("holder %d", i), time.Hour)
				if held {
					holders.Add(1)
				}
				return err
			})
		}
		race(t, nil, all...)
		if got := holders.Load(); got != 1 {
			t.Fatalf("%s: got %d holders, want 1", name, got)
		}
	}
}
