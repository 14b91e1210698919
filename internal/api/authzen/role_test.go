package authzen

import (
	"context"
	"errors"
	"testing"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/pim"
)

// TestAStoreThatDoesNotAnswerIsNotAskedByEveryQuestion: after a reading of custom roles that failed, questions are refused at once for a
// second; then one asks again, and what it reads counts.
func TestAStoreThatDoesNotAnswerIsNotAskedByEveryQuestion(t *testing.T) {
	now, asked := time.Unix(1000, 0), 0
	down := errors.New("down")
	r := roles{now: func() time.Time { return now }, list: func(context.Context, pim.TenantID) ([]app.RoleDefinition, error) {
		if asked++; asked == 1 {
			return nil, down
		}
		return []app.RoleDefinition{{Role: pim.Role{ID: "mine", Name: "Keeper"}}}, nil
	}}
	for range 3 {
		if _, err := r.customOf(t.Context(), "t"); !errors.Is(err, down) || asked != 1 {
			t.Fatalf("got %v after %d readings, want the failure of the first", err, asked)
		}
	}
	now = now.Add(rolesAgain)
	left, leave := context.WithCancel(t.Context())
	leave() // others wait for what is read all the same
	c, err := r.customOf(left, "t")
	if err != nil || c.byName["keeper"] != "mine" || asked != 2 {
		t.Errorf("a second later: got %+v, %v after %d readings", c, err, asked)
	}
	if _, err := r.customOf(t.Context(), "t"); err != nil || asked != 2 {
		t.Errorf("what was read was not remembered: %v, %d readings", err, asked)
	}
}
