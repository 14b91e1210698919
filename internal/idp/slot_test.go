package idp

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlots: more sign-ins at once than the memory allows wait a while, and are told so then.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Provider{slots: make(chan struct{}, 1)}
		leave, err := p.slot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := p.verifyPassword(t.Context(), "", ""); !errors.Is(err, errBusy) {
			t.Errorf("%v, want errBusy", err)
		}
		if got := time.Since(start); got != hashWait {
			t.Errorf("waited %s, want %s", got, hashWait)
		}
		go func() {
			time.Sleep(time.Second)
			leave()
		}()
		if leave, err := p.slot(t.Context()); err != nil {
			t.Errorf("a slot that becomes free is not given: %v", err)
		} else {
			leave()
		}
	})
}

// TestMeterIsBounded: whatever keys are counted, the memory is not filled.
func TestMeterIsBounded(t *testing.T) {
	now := time.Now()
	m := newMeter(time.Minute, 2, func() time.Time { return now })
	for i := range 3 * maxMetered {
		m.add(string(rune('a' + i)))
	}
	if len(m.counts) > maxMetered {
		t.Errorf("%d keys are kept, want %d at most", len(m.counts), maxMetered)
	}
	m.add("k")
	if m.full("k") {
		t.Error("full after one of two")
	}
	m.add("k")
	if !m.full("k") {
		t.Error("not full after two")
	}
	now = now.Add(time.Minute)
	if m.full("k") {
		t.Error("still full in the next window")
	}
}
