package app_test

import (
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// The worker is told the first instant of what a commit plans, and is left alone by one that plans nothing.
func TestTheWorkerIsToldWhatFallsDue(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		var woken []time.Time
		h.Wake = func(at time.Time) { woken = append(woken, at) }
		told := func(what string, want time.Time) {
			t.Helper()
			if len(woken) != 1 || !woken[0].Equal(want) {
				t.Errorf("%s: woken for %v, want once for %v", what, woken, want)
			}
			woken = nil
		}
		h.eligible(1, 2, vault)
		h.eligible(1, 3, billing)
		woken = nil
		out := h.must(h.activation(1, 3, billing, 2*time.Hour))
		told("an activation without a door", out.Schedules[0].Window.End)
		h.must(h.activation(1, 2, vault, 2*time.Hour))
		told("an activation that opens a door", h.time())

		ask := h.activation(1, 2, pim.GlobalAdministrator, time.Hour)
		if _, err := h.Do(t.Context(), ask); err == nil {
			t.Fatal("an activation without eligibility was granted")
		}
		if len(woken) != 0 {
			t.Errorf("a refusal: woken for %v, want never", woken)
		}
	})
}
