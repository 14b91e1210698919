package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis/internal/pim"
)

// Analysis reports item by item what of a source maps to the third iteration, what changes its meaning, and what has no
// counterpart.
type Analysis struct {
	// Counts are how many items of each kind there are, in a fixed order.
	Counts []Count
	// Notes say what of an item does not map as it is: the worst first.
	Notes []Note
}

// Count counts the items of a kind by what becomes of them. One of which several things are said counts as the worst of them.
type Count struct {
	Kind       string `json:"kind"`
	Same       int    `json:"same"`
	Changed    int    `json:"changed"`
	Lost       int    `json:"lost"`
	Unresolved int    `json:"unresolved"`
}

// All is how many items there are.
func (c Count) All() int { return c.Same + c.Changed + c.Lost + c.Unresolved }

// Lossless says that nothing is lost, and nothing points nowhere.
func (a Analysis) Lossless() bool {
	return !slices.ContainsFunc(a.Notes, func(n Note) bool { return n.Severity == Lost || n.Severity == Unresolved })
}

// Analyse reports on a source.
func Analyse(e *Estate) Analysis {
	a := analysis{e: e, notes: slices.Clone(e.Notes), worst: map[string]Severity{}}
	for _, n := range e.Notes {
		a.worst[n.Item] = max(a.worst[n.Item], n.Severity)
	}
	a.roles()
	a.grants(e.Taken)
	a.requests()
	a.count("scopes", len(e.Scopes), "resource ")
	a.count("settings", len(e.Policies), "settings of ", "rule ")
	// What is left are things that could not be told apart, or are no items.
	slices.SortStableFunc(a.notes, func(x, y Note) int {
		return cmp.Or(cmp.Compare(y.Severity, x.Severity), cmp.Compare(x.Code, y.Code), cmp.Compare(x.Item, y.Item))
	})
	slices.SortStableFunc(a.counts, func(x, y Count) int { return cmp.Compare(rank(x.Kind), rank(y.Kind)) })
	return Analysis{Counts: a.counts, Notes: a.notes}
}

func kindsCounted() []string {
	return []string{"scopes", "roles", "settings", "eligibilities", "assignments", "activations", "made outside PIM", "open requests"}
}

func rank(kind string) int { return slices.Index(kindsCounted(), kind) }

// analysis is an Analysis in the making. worst is what becomes of each item of which anything is said.
type analysis struct {
	e      *Estate
	notes  []Note
	counts []Count
	worst  map[string]Severity
}

func (a *analysis) note(s Severity, item, code, format string, args ...any) {
	a.notes = append(a.notes, Note{s, item, code, fmt.Sprintf(format, args...)})
	a.worst[item] = max(a.worst[item], s)
}

// count counts n items of a kind, of which those are noted whose names begin so. What is lost or unresolved is not among the n: it
// was not read into the estate.
func (a *analysis) count(kind string, n int, prefixes ...string) {
	c := Count{Kind: kind}
	for item, s := range a.worst {
		// What is said of a part counts for the whole.
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(item, p) }) {
			continue
		}
		switch s {
		case Changed:
			c.Changed++
		case Lost:
			c.Lost++
		case Unresolved:
			c.Unresolved++
		}
	}
	c.Same = max(0, n-c.Changed)
	a.counts = append(a.counts, c)
}

func (a *analysis) roles() {
	n := 0
	for ref, d := range a.e.Roles {
		if ref.Provider == pim.Group {
			continue
		}
		n++
		if d.Custom && d.Definition == nil {
			a.note(Changed, roleItem(ref, d.Name), "RoleNotDefined", "the tenant made it, and the source does not tell what it allows: the target must have one of this id or name")
		}
	}
	a.count("roles", n, string(pim.Directory)+" role ", string(pim.Resource)+" role ", "role definition ")
}

// grants counts who may activate and who has what, each by its own note.
func (a *analysis) grants(now time.Time) {
	counts := map[string]*Count{}
	for _, kind := range kindsCounted()[3:7] {
		counts[kind] = &Count{Kind: kind}
	}
	for _, g := range a.e.Grants {
		s := a.grant(g, now)
		for _, word := range []string{"assignment ", "schedule "} {
			if g.ID != "" {
				s = max(s, a.worst[word+g.ID])
			}
		}
		c := counts[kindOfGrant(g)]
		if s == Changed {
			c.Changed++
		} else {
			c.Same++
		}
	}
	for item, s := range a.worst { // what was not read into the estate
		if strings.HasPrefix(item, "schedule ") || strings.HasPrefix(item, "assignment ") {
			c := counts["assignments"]
			switch s {
			case Lost:
				c.Lost++
			case Unresolved:
				c.Unresolved++
			case Changed:
			}
		}
	}
	for _, kind := range kindsCounted()[3:7] {
		a.counts = append(a.counts, *counts[kind])
	}
}

func kindOfGrant(g Grant) string {
	switch {
	case g.Kind == pim.Eligibility:
		return "eligibilities"
	case g.Activated:
		return "activations"
	case g.Outside:
		return "made outside PIM"
	}
	return "assignments"
}

// grant says what changes of one grant.
func (a *analysis) grant(g Grant, now time.Time) Severity {
	item := a.itemOf(g)
	if g.Activated {
		a.note(Changed, item, "ActivationBecomesAssignment", "it was activated: it is carried over as an assignment that ends at the same time, or left to be activated again")
		return Changed
	}
	rules := a.e.policyAt(g.bound())
	set := rules.AdminAssignment
	if g.Kind == pim.Eligibility {
		set = rules.AdminEligibility
	}
	if g.Outside || !set.Expiration.Required {
		return 0
	}
	start := g.Start
	if start.Before(now) {
		start = now // it is given anew from now on
	}
	switch {
	case g.End.IsZero():
		a.note(Changed, item, "BeyondRules", "it has no end, which its role's rules no longer allow: the rules have to be widened while it is carried over")
		return Changed
	case !set.Expiration.Maximum.IsZero() && set.Expiration.Maximum.AddTo(start).Before(g.End):
		a.note(Changed, item, "BeyondRules", "it lasts longer than its role's rules allow: the rules have to be widened while it is carried over")
		return Changed
	}
	return 0
}

func (a *analysis) itemOf(g Grant) string {
	p := a.e.Principals[g.Principal]
	role := cmp.Or(a.e.Roles[RoleRef{g.Provider, g.Role}].Name, string(g.Role))
	return fmt.Sprintf("%s: %s, %s %s at %s", aspectOf(g.Kind), cmp.Or(p.Account, p.Name, g.Principal), g.Provider, role, g.Scope)
}

func (a *analysis) requests() {
	for _, q := range a.e.Requests {
		if q.Status != pim.Granted {
			a.note(Changed, "request "+q.ID, "AskAgain", "it waits for a decision; nobody else can ask for them, so they have to ask again")
		}
	}
	a.count("open requests", len(a.e.Requests), "request ")
}
