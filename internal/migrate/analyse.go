package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

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
		a.worst[headOf(n.Item)] = max(a.worst[headOf(n.Item)], n.Severity)
	}
	a.scopes()
	a.roles()
	a.settings()
	a.grants()
	a.requests()
	slices.SortStableFunc(a.notes, func(x, y Note) int {
		return cmp.Or(cmp.Compare(y.Severity, x.Severity), cmp.Compare(x.Code, y.Code), cmp.Compare(x.Item, y.Item))
	})
	out := Analysis{Notes: a.notes}
	for _, kind := range kindsCounted() {
		c := a.counts[kind]
		c.Kind = kind
		out.Counts = append(out.Counts, c)
	}
	return out
}

// headOf is the item of which something is a part.
func headOf(item string) string {
	head, _, _ := strings.Cut(item, ": ")
	return head
}

func kindsCounted() []string {
	return []string{"scopes", "roles", "settings", "eligibilities", "assignments", "activations", "made outside PIM", "open requests"}
}

// analysis is an Analysis in the making. worst is what becomes of each item of which anything is said and that is not yet counted.
type analysis struct {
	e      *Estate
	notes  []Note
	counts map[string]Count
	worst  map[string]Severity
}

// add counts an item.
func (a *analysis) add(kind string, s Severity) {
	if a.counts == nil {
		a.counts = map[string]Count{}
	}
	c := a.counts[kind]
	switch s {
	case Changed:
		c.Changed++
	case Lost:
		c.Lost++
	case Unresolved:
		c.Unresolved++
	default:
		c.Same++
	}
	a.counts[kind] = c
}

// item counts an item by the worst that is said of it, also under other names, and s.
func (a *analysis) item(kind string, s Severity, names ...string) {
	for _, name := range names {
		s = max(s, a.worst[name])
		delete(a.worst, name)
	}
	a.add(kind, s)
}

// rest counts what is noted of a kind and was not read into the estate.
func (a *analysis) rest(kind string, prefixes ...string) {
	for name, s := range a.worst {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			a.add(kind, s)
			delete(a.worst, name)
		}
	}
}

// changed notes that an item changes its meaning.
func (a *analysis) changed(item, code, detail string) Severity {
	a.notes = append(a.notes, Note{Changed, item, code, detail})
	return Changed
}

func (a *analysis) scopes() {
	for _, s := range a.e.Scopes {
		a.item("scopes", 0, "resource "+s.ID)
	}
	a.rest("scopes", "resource /")
}

func (a *analysis) roles() {
	for ref, d := range a.e.Roles {
		if ref.Provider == pim.Group {
			continue
		}
		s := Severity(0)
		if d.Custom && d.Definition == nil {
			s = a.changed(roleItem(ref, d.Name), "RoleNotDefined", "the tenant made it, and the source does not tell what it allows: the target must have one of this id or name")
		}
		a.item("roles", s, roleItem(ref, ""), roleItem(ref, d.Name))
	}
	a.rest("roles", "role definition ")
}

func (a *analysis) settings() {
	for at := range a.e.Policies {
		a.item("settings", 0, settingsItem(at))
	}
	a.rest("settings", "settings ")
}

// settingsItem names the rules of a role at a place.
func settingsItem(at Place) string {
	return fmt.Sprintf("settings of %s %s at %s", at.Provider, at.Role, at.Scope)
}

// grants counts who may activate and who has what.
func (a *analysis) grants() {
	said := maps.Clone(a.worst) // of one row of the first iteration two grants come
	for _, g := range a.e.Grants {
		s := a.grant(g)
		for _, word := range []string{"assignment ", "schedule "} {
			if name := word + g.ID; g.ID != "" {
				s = max(s, said[name])
				delete(a.worst, name)
			}
		}
		a.add(kindOfGrant(g), s)
	}
	a.rest("assignments", "assignment ", "schedule ")
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
func (a *analysis) grant(g Grant) Severity {
	item := a.itemOf(g)
	if g.Activated {
		return a.changed(item, "ActivationBecomesAssignment", "it was activated: it is carried over as an assignment that ends at the same time, or left to be activated again")
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
	if start.Before(a.e.Taken) {
		start = a.e.Taken // it is given anew from now on
	}
	switch {
	case g.End.IsZero():
		return a.changed(item, "BeyondRules", "it has no end, which its role's rules no longer allow: the rules have to be widened while it is carried over")
	case !set.Expiration.Maximum.IsZero() && set.Expiration.Maximum.AddTo(start).Before(g.End):
		return a.changed(item, "BeyondRules", "it lasts longer than its role's rules allow: the rules have to be widened while it is carried over")
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
		item, s := "request "+q.ID, Severity(0)
		if q.Status != pim.Granted {
			p := a.e.Principals[q.Principal]
			s = a.changed(item, "CarriedRequest", fmt.Sprintf("%s, %s %s at %s: it waits for a decision, and will wait at the target as made by whoever carries it over",
				cmp.Or(p.Account, p.Name, q.Principal), q.Provider, cmp.Or(a.e.Roles[RoleRef{q.Provider, q.Role}].Name, string(q.Role)), q.Scope))
		}
		a.item("open requests", s, item)
	}
	a.rest("open requests", "request ")
}
