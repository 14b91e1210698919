package sqlstore_test

import (
	"net/url"
	"testing"
	"time"

	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// A URL that names a primary and its standby finds the one that takes writes, in whichever order they stand, and finds the other once
// that was promoted: what was acknowledged before is there, and work goes on.
func TestPostgresFailsOver(t *testing.T) {
	t.Parallel()
	primary := localpgtest.Private(t, localpg.Options{})
	if err := primary.CreateDatabase(t.Context(), "portcullis"); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby(t.Context(), localpg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	var stores []store.Store
	for _, hosts := range []string{standby.Addr() + "," + primary.Addr(), primary.Addr() + "," + standby.Addr()} {
		u, err := url.Parse(primary.URL("portcullis"))
		if err != nil {
			t.Fatal(err)
		}
		u.Host = hosts
		s := open(t, u.String())
		defer s.Close()
		stores = append(stores, s)
	}
	activates := func(s store.Store, n int) error {
		return s.Commit(t.Context(), storetest.Activation(upgradeKey(n), 0, string(upgradeKey(n).Principal), upgradeStart()))
	}
	for n, s := range stores {
		if err := activates(s, n); err != nil {
			t.Fatalf("before the fail-over: %v", err)
		}
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	for n, s := range stores {
		if err := activates(s, 2+n); err == nil {
			t.Error("a commit without a primary: got no error")
		}
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n, s := range stores {
		deadline := time.Now().Add(30 * time.Second)
		for err := activates(s, 4+n); err != nil; err = activates(s, 4+n) {
			if time.Now().After(deadline) {
				t.Fatalf("after the fail-over: %v", err)
			}
		}
		for k := range 2 {
			c, err := s.Case(t.Context(), pim.Need{Key: upgradeKey(k)})
			if err != nil || c.Version != 1 {
				t.Errorf("what was committed before: got version %d, %v, want 1", c.Version, err)
			}
		}
	}
}
