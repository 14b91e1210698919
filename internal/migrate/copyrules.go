package migrate

import (
	"context"
	"fmt"
	"maps"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// The rules of a copy. They are written before the grants, so that these are held against them. A grant that its own rules would
// refuse (it was made before them) is only taken where the rules are written wider first, and narrowed behind it.

// ruling is what is to be done about the rules of a place.
type ruling struct {
	at, to     Place
	want, have policy.Rules
	// untouched says that nobody has changed what the target has.
	untouched bool
}

// findRulings finds the places at which the source has rules that count.
func (c *copying) findRulings() {
	for p := range c.source.ruled() {
		to, ok := c.m.place(p)
		if !ok {
			continue // the mapping has noted why
		}
		want, missing := c.m.rules(c.source.policyAt(p))
		for _, id := range missing {
			c.note(Unresolved, c.placeItem(p), "ApproverNotAtTarget", "the rules name "+id+", who is not at the target")
		}
		have, told := c.target.Policies[to]
		c.rulings = append(c.rulings, ruling{p, to, want, c.target.policyAt(to), !told || have.Default})
	}
}

func (c *copying) placeItem(p Place) string {
	name := c.source.Roles[RoleRef{p.Provider, p.Role}].Name
	if name == "" {
		name = string(p.Role)
	}
	return fmt.Sprintf("rules: %s %s at %s", p.Provider, name, p.Scope)
}

// widened makes the rules wider of those places where a grant that is to be written would be refused.
func (c *copying) widened() (string, int, []task) {
	c.findRulings() // the roles that they are of have been made
	c.wide = map[Place]policy.Rules{}
	if !c.o.Widen {
		return "rules made wider", 0, nil
	}
	narrow := c.tooNarrow()
	var tasks []task
	for _, r := range c.rulings {
		if !narrow[r.at] {
			continue
		}
		wide := widen(r.want)
		mine := r.isWide()
		if !mine && !r.untouched && !c.o.Overwrite && len(differingRules(r.at.Provider, r.want, r.have)) > 0 {
			continue
		}
		c.wide[r.at] = r.want
		if !mine {
			tasks = append(tasks, task{item: c.placeItem(r.at) + ", wider", do: func(ctx context.Context) error { return c.putRules(ctx, r.to, wide) }})
		}
	}
	return "rules made wider", len(c.wide) - len(tasks), tasks
}

// isWide says whether the target has the rules that a copy makes, which was then stopped before it made them narrow again.
func (r ruling) isWide() bool { return len(differingRules(r.at.Provider, widen(r.want), r.have)) == 0 }

// widen lets rules allow every assignment by an administrator, however long.
func widen(r policy.Rules) policy.Rules {
	r = r.Clone()
	r.AdminEligibility.Expiration.Required = false
	r.AdminAssignment.Expiration.Required = false
	return r
}

// tooNarrow are the places with grants that the target lacks and their own rules refuse.
func (c *copying) tooNarrow() map[Place]bool {
	o := CompareOptions{Now: c.now, WithoutActivations: c.o.LeaveActivations}
	have, out := holds(c.target, o), map[Place]bool{}
	for at, list := range holds(c.source, o) {
		to, ok := c.m.cell(at)
		if !ok {
			continue
		}
		missing, _ := apart(list, have[to])
		for _, h := range missing {
			if p := at.bound(); !allowed(c.source.policyAt(p), at.kind, h, c) {
				out[p] = true
			}
		}
	}
	return out
}

func allowed(r policy.Rules, k pim.Kind, h hold, c *copying) bool {
	level := policy.Assignment
	if k == pim.Eligibility {
		level = policy.Eligibility
	}
	e := r.Set(policy.Admin, level).Expiration
	if !e.Required {
		return true
	}
	start := c.now
	if h.from.After(start) {
		start = h.from
	}
	return !h.until.IsZero() && (e.Maximum.IsZero() || !h.until.After(e.Maximum.AddTo(start)))
}

// rules writes the rules of all other places.
func (c *copying) rules() (string, int, []task) {
	there := 0
	var tasks []task
	for _, r := range c.rulings {
		if _, later := c.wide[r.at]; later || r.to.Provider == pim.Resource && r.to.Scope == pim.Everywhere {
			continue
		}
		differing := differingRules(r.at.Provider, r.want, r.have)
		switch {
		case len(differing) == 0:
			there++
		case r.untouched || c.o.Overwrite || c.o.Widen && r.isWide():
			tasks = append(tasks, task{item: c.placeItem(r.at), do: func(ctx context.Context) error { return c.putRules(ctx, r.to, r.want) }})
		default:
			for _, d := range differing {
				c.report.Differs = append(c.report.Differs, Difference{
					Aspect: InRules, Provider: r.at.Provider, Scope: r.at.Scope, Role: r.at.Role, Rule: d.rule, Source: d.source, Target: d.target,
					RoleName: c.source.Roles[RoleRef{r.at.Provider, r.at.Role}].Name,
				})
			}
		}
	}
	return "rules", there, tasks
}

// narrowed writes the rules that were made wider as they are to be.
func (c *copying) narrowed() (string, int, []task) {
	var tasks []task
	for p := range maps.Keys(c.wide) {
		to, _ := c.m.place(p) // it was one of the rulings
		tasks = append(tasks, task{item: c.placeItem(p), do: func(ctx context.Context) error { return c.putRules(ctx, to, c.wide[p]) }})
	}
	return "rules made narrow again", 0, tasks
}
