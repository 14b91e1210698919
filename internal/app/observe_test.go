package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// TestDecisionsAreToldOf: an observer learns of every ask once, with the code it was refused with, and of the steps within.
func TestDecisionsAreToldOf(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.eligible(1, 2, vault)
		var told, open, steps []string
		h.Decided = func(action string, code pim.Code, took time.Duration) {
			if !slices.Contains(app.ActionNames(), action) {
				t.Errorf("the action %q is none of the names", action)
			}
			if alone := action != "scheduleDue"; alone != (took > 0) {
				t.Errorf("%s took %s", action, took)
			}
			told = append(told, strings.TrimSuffix(action+": "+string(code), ": "))
		}
		h.Span = func(ctx context.Context, name string, attributes ...string) (context.Context, func(string, error)) {
			steps = append(steps, fmt.Sprint(strings.Join(append(open, name), " > "), attributes))
			open = append(open, name)
			return ctx, func(string, error) { open = open[:len(open)-1] }
		}
		h.must(h.activation(1, 2, vault, time.Hour))
		var refusal *pim.Refusal
		if _, err := h.Do(t.Context(), h.activation(1, 3, vault, time.Hour)); !errors.As(err, &refusal) {
			t.Fatalf("somebody who is not eligible: got %v, want a refusal", err)
		}
		h.pass(2 * time.Hour)
		h.tick()
		want := []string{"selfActivate", "selfActivate: " + string(refusal.Code), "scheduleDue"}
		told = slices.DeleteFunc(told, func(s string) bool { return s == "aftermath" || s == "realign" })
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("told of (-want +got):\n%s", diff)
		}
		for _, step := range []string{"decide[action selfActivate]", "decide > commit[]", "commit[commits 1]"} {
			if !slices.Contains(steps, step) {
				t.Errorf("no step %q in %q", step, steps)
			}
		}
		if len(open) != 0 {
			t.Errorf("steps that did not end: %v", open)
		}
	})
}

func TestActionsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range app.ActionNames() {
		if n == "" || seen[n] {
			t.Errorf("the name %q is empty, or there twice", n)
		}
		seen[n] = true
	}
	if len(seen) != int(pim.Realign) {
		t.Errorf("got %d names for %d actions", len(seen), pim.Realign)
	}
}
