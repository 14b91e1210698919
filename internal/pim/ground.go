package pim

import (
	"errors"
	"slices"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// ground is what an activation rests on: an eligibility, its own or that of a group, and until when it bears.
type ground struct {
	eligibility Schedule
	version     int64
	policy      policy.Policy
	path        []Membership // to the group that has it
	until       time.Time    // zero: no end
}

// wish is what an activation asks of its ground.
type wish struct {
	window schedule.Window
	// named is the eligibility that is meant; empty: any.
	named ScheduleID
	// condition must be that of the eligibility; empty: whichever that is.
	condition string
}

// bestGround finds what the ask's activation rests on, and lets its policy bind. Who names an eligibility of resources gives no
// more than a hint: clients name instances and assignments there (reference arm-pim §6).
func (d *decision) bestGround(w schedule.Window) (ground, bool, error) {
	want := wish{window: w, named: d.a.Eligibility, condition: d.a.Condition}
	g, ok := d.ground(want)
	if !ok && want.named != "" && d.c.Key.Provider == Resource {
		want.named = ""
		g, ok = d.ground(want)
	}
	if !ok {
		want.condition = ""
		if _, otherwise := d.ground(want); otherwise {
			return g, false, refuse(InvalidCondition, "condition", "an activation has the condition of its eligibility")
		}
		return g, false, nil
	}
	return g, true, d.bindBy(g)
}

// bindBy lets the policy bind of the scope at which the principal is eligible: to activate at a narrower scope asks for no less
// than to activate at the wide one.
func (d *decision) bindBy(g ground) error {
	if d.c.Key.Provider != Resource || g.eligibility.Key.Scope == d.c.Key.Scope {
		return nil
	}
	if g.policy.Rules.EndUserAssignment.Expiration.Maximum.IsZero() {
		return errors.New("the policy of the scope of an eligibility was not read")
	}
	d.c.Policy = g.policy
	return nil
}

// ground finds the eligibility that bears best.
func (d *decision) ground(want wish) (ground, bool) {
	ways := waysUp(d.c.Memberships, d.c.Key.Principal, want.window.Start)
	var best ground
	found := false
	for _, b := range d.c.Backing {
		s := b.Schedule
		way, ok := ways[s.Key.Principal]
		if !ok || want.named != "" && s.ID != want.named || s.Kind != Eligibility || s.Ending != NotEnded || !d.covers(s.Key.Scope) {
			continue
		}
		if want.condition != "" && !abac.Equal(s.Condition, want.condition) {
			continue
		}
		run, ok := s.Window.At(want.window.Start)
		if !ok {
			continue
		}
		g := ground{eligibility: s, version: b.Version, policy: b.Policy, path: way.path, until: earlier(run.End, way.until)}
		if !found || d.better(g, best, want.window.End) {
			best, found = g, true
		}
	}
	return best, found
}

// better says whether one ground bears better than another an activation that ends at an instant: longer, as far as that
// matters; else without a condition, then nearer, where it is about resources; else longer.
func (d *decision) better(g, best ground, end time.Time) bool {
	bears, bore := earlier(g.until, end), earlier(best.until, end)
	if !bears.Equal(bore) {
		return later(bears, bore)
	}
	if d.c.Key.Provider == Resource {
		if free := g.eligibility.Condition == ""; free != (best.eligibility.Condition == "") {
			return free
		}
		if near, nearest := d.distance(g), d.distance(best); near != nearest {
			return near < nearest
		}
	}
	return later(g.until, best.until)
}

// distance is how far above the case's scope a ground is.
func (d *decision) distance(g ground) int {
	return slices.Index(d.c.Wider, g.eligibility.Key.Scope) // the own scope is not among them: -1
}
