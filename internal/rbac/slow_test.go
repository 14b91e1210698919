package rbac_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"portcullis/internal/abac"
	"portcullis/internal/rbac"
)

// slowly is a second evaluator, written from the definition and not for speed: it shares nothing with Decide, compiles nothing,
// and walks the tree and the groups in ways of its own. Conditions are answered by the function given.
func (w world) slowly(f fact, holds func(condition string, denial bool, f fact) bool) rbac.Verdict {
	for _, d := range w.denials {
		here := strings.EqualFold(d.Scope, f.scope)
		if d.Audit || !here && (d.NotBelow || !w.contains(d.Scope, f.scope)) {
			continue
		}
		named := d.Everybody || w.isAmong(f.who, d.Principals)
		for _, n := range d.Principals {
			named = named || n.ID == rbac.Everyone
		}
		if !named || w.isAmong(f.who, d.Except) {
			continue
		}
		for _, p := range d.Permissions {
			if slowMatch(p, f.op) && holds(p.Condition, true, f) && holds(d.Condition, true, f) {
				return rbac.Denied
			}
		}
	}
	matched := false
	for _, h := range w.holds {
		if !w.contains(h.scope, f.scope) || h.who != f.who && !w.isIn(f.who, h.who, nil) {
			continue
		}
		for _, p := range h.role.Permissions {
			if !slowMatch(p, f.op) {
				continue
			}
			matched = true
			if holds(p.Condition, false, f) && holds(h.condition, false, f) {
				return rbac.Allowed
			}
		}
	}
	if matched {
		return rbac.Constrained
	}
	return rbac.NotAllowed
}

// isAmong says whether one of the list is the principal or a group above it.
func (w world) isAmong(who string, list []rbac.Named) bool {
	for _, n := range list {
		if strings.EqualFold(n.ID, who) || w.isIn(who, n.ID, nil) {
			return true
		}
	}
	return false
}

// isIn follows members downwards from the group.
func (w world) isIn(who, group string, seen []string) bool {
	for _, s := range seen {
		if s == group {
			return false
		}
	}
	for name, members := range w.members {
		for _, m := range members {
			if strings.EqualFold(name, group) && (m == who || w.isIn(who, m, append(seen, group))) {
				return true
			}
		}
	}
	return false
}

// contains goes down: segment by segment of the path, or by what was put under the outer scope.
func (w world) contains(outer, inner string) bool {
	if outer == "/" || outer == inner || strings.HasPrefix(inner, outer+"/") {
		return true
	}
	for child, parent := range w.under {
		if parent == outer && w.contains(child, inner) {
			return true
		}
	}
	return false
}

func slowMatch(p rbac.Permission, op rbac.Operation) bool {
	in, out := p.Actions, p.NotActions
	if op.Data {
		in, out = p.DataActions, p.NotDataActions
	}
	return slowAny(in, op.Action) && !slowAny(out, op.Action)
}

func slowAny(patterns []string, action string) bool {
	for _, p := range patterns {
		p = strings.ReplaceAll(regexp.QuoteMeta(strings.Trim(p, " ")), `\*`, ".*")
		expression, made := expressions.Load(p)
		if !made {
			expression, _ = expressions.LoadOrStore(p, regexp.MustCompile("(?is)^"+p+"$"))
		}
		if expression.(*regexp.Regexp).MatchString(action) {
			return true
		}
	}
	return false
}

// expressions are kept, because to make one takes longer than all else here.
var expressions sync.Map

// condition is a condition with two faces: its text, for Parse, and its meaning, told by this test.
type condition struct {
	text  string
	means func(f fact) bool
}

// TestDecideAgreesWithASlowEvaluator makes worlds from few words, so that things meet, and asks each a few questions.
func TestDecideAgreesWithASlowEvaluator(t *testing.T) {
	met := map[rbac.Verdict]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := maker{T: t, conditions: map[string]condition{"": {"", func(fact) bool { return true }}}}
		w := m.world()
		for range 4 {
			f := m.fact()
			for _, f.who = range people {
				for _, f.scope = range scopes {
					want := w.slowly(f, func(text string, _ bool, f fact) bool { return m.conditions[text].means(f) })
					for _, compiled := range []bool{false, true} {
						if got := w.decide(f, compiled); got != want {
							t.Fatalf("%+v\nin %+v\ngot %s (compiled: %t), want %s", f, w, spell(got), compiled, spell(want))
						}
					}
					met[want]++
				}
			}
		}
	})
	t.Logf("answers: %v", met)
	for _, v := range verdicts {
		if met[v] == 0 {
			t.Errorf("no question was answered %s; the worlds prove little", spell(v))
		}
	}
}

// maker draws worlds and facts.
type maker struct {
	*rapid.T
	conditions map[string]condition
}

const (
	mg = "/providers/microsoft.management/managementgroups/"
	rg = "/subscriptions/a/resourcegroups/"
)

var (
	people   = []string{"u1", "u2", "u3"}
	groups   = []string{"g1", "g2", "g3"}
	scopes   = []string{"/", mg + "m1", mg + "m2", "/subscriptions/a", "/subscriptions/b", rg + "rg", rg + "rg1", rg + "rg/providers/x/vm/1", rg + "rg/providers/x/vm/1/disk/1", rg + "rg/providers/x/vm/10"}
	segments = []string{"M.A", "m.a", "M.B", "vm", "disk", "read", "Read", "write", "x:y", "v", "*", "*", "**", "v*", "*m", "r*d"}
	actions  = []string{"M.A/vm/read", "m.a/vm/disk/READ", "M.A/read", "M.B/disk/write", "M.B/vm/x:y/read", "M.A/vm/write", "M.A", "v"}
	colours  = []string{"red", "Red", "blue", "5", "10"}
	facts    = []string{"a", "b", "c"}
)

func pick(m maker, from []string) string { return rapid.SampledFrom(from).Draw(m.T, "of") }

func chance(m maker, percent int) bool { return rapid.IntRange(1, 100).Draw(m.T, "chance") <= percent }

// some draws up to n of what is made.
func some[E any](m maker, least, most int, one func() E) []E {
	list := make([]E, rapid.IntRange(least, most).Draw(m.T, "many"))
	for i := range list {
		list[i] = one()
	}
	return list
}

func (m maker) world() world {
	w := world{
		under:   map[string]string{mg + "m2": pick(m, []string{"/", mg + "m1"}), "/subscriptions/a": pick(m, scopes[:3]), "/subscriptions/b": pick(m, scopes[:3])},
		members: map[string][]string{},
	}
	anybody := append(append([]string{}, people...), groups...)
	for _, g := range groups {
		w.members[g] = some(m, 0, 3, func() string { return pick(m, anybody) })
	}
	w.holds = some(m, 0, 5, func() held {
		return held{who: pick(m, anybody), scope: pick(m, scopes), role: rbac.Role{Permissions: m.permissions()}, condition: m.maybe()}
	})
	w.denials = some(m, 0, 3, func() rbac.Denial {
		named := func() rbac.Named { return rbac.Named{ID: pick(m, append(anybody, "U1", rbac.Everyone))} }
		return rbac.Denial{
			Scope: pick(m, scopes), NotBelow: chance(m, 30), Everybody: chance(m, 20), Audit: chance(m, 10),
			Principals: some(m, 0, 2, named), Except: some(m, 0, 1, named), Permissions: m.permissions(), Condition: m.maybe(),
		}
	})
	return w
}

func (m maker) permissions() []rbac.Permission {
	return some(m, 1, 3, func() rbac.Permission {
		return rbac.Permission{
			Actions: some(m, 0, 3, m.pattern), NotActions: some(m, 0, 1, m.pattern),
			DataActions: some(m, 0, 2, m.pattern), NotDataActions: some(m, 0, 1, m.pattern), Condition: m.maybe(),
		}
	})
}

func (m maker) pattern() string {
	switch {
	case chance(m, 10):
		return "*"
	case chance(m, 40):
		return pick(m, actions)
	}
	p := strings.Join(some(m, 1, 4, func() string { return pick(m, segments) }), "/")
	if chance(m, 5) {
		p = " " + p + " "
	}
	return p
}

func (m maker) fact() fact {
	f := fact{about: abac.Attributes{}}
	f.op = rbac.Operation{Action: pick(m, actions), Data: chance(m, 30), SubOperation: pick(m, []string{"", "List", "get"})}
	for _, name := range facts {
		if chance(m, 60) {
			f.about[abac.Name(abac.Request, name)] = some(m, 0, 3, func() string { return pick(m, colours) })
		}
	}
	return f
}

// maybe draws the text of a condition, most often none, and remembers its meaning.
func (m maker) maybe() string {
	if chance(m, 40) {
		return ""
	}
	c := m.condition(3)
	m.conditions[c.text] = c
	return c.text
}

func (m maker) condition(depth int) condition {
	kind := rapid.IntRange(0, 6).Draw(m.T, "kind")
	if depth == 0 {
		kind %= 4
	}
	switch kind {
	case 0:
		pattern := strings.TrimSpace(m.pattern())
		return condition{"ActionMatches{'" + pattern + "'}", func(f fact) bool { return slowAny([]string{pattern}, f.op.Action) }}
	case 1:
		return condition{"SubOperationMatches{'list'}", func(f fact) bool { return strings.EqualFold(f.op.SubOperation, "list") }}
	case 2:
		name := pick(m, facts)
		return condition{"Exists @Request[" + name + "]", func(f fact) bool { return len(values(f, name)) > 0 }}
	case 3:
		return m.compares()
	case 4:
		c := m.condition(depth - 1)
		return condition{pick(m, []string{"!", "NOT "}) + "(" + c.text + ")", func(f fact) bool { return !c.means(f) }}
	}
	a, b := m.condition(depth-1), m.condition(depth-1)
	if kind == 5 {
		return condition{"(" + a.text + ")" + pick(m, []string{" AND ", "&&"}) + "(" + b.text + ")", func(f fact) bool { return a.means(f) && b.means(f) }}
	}
	return condition{"(" + a.text + ")" + pick(m, []string{" or ", "||"}) + "(" + b.text + ")", func(f fact) bool { return a.means(f) || b.means(f) }}
}

func values(f fact, name string) []string { return f.about[abac.Name(abac.Request, name)] }

// compares draws a comparison of an attribute with a set, by one of the four prefixes or, with one value, none.
func (m maker) compares() condition {
	name, set := pick(m, facts), some(m, 1, 3, func() string { return pick(m, colours[:3]) })
	operator, pair := m.operator()
	prefix := pick(m, []string{"ForAnyOfAnyValues:", "ForAllOfAnyValues:", "ForAnyOfAllValues:", "ForAllOfAllValues:", ""})
	text := "{'" + strings.Join(set, "','") + "'}"
	if operator == "NumericLessThan" {
		set = []string{"7"}
		text = "{7}"
	}
	if prefix == "" {
		text, set = strings.Trim(text[:strings.IndexAny(text+",", ",")], "{}"), set[:1]
	}
	return condition{fmt.Sprintf("@Request[%s] %s%s %s", name, prefix, operator, text), func(f fact) bool {
		known := values(f, name)
		if prefix == "" {
			return len(known) == 1 && pair(known[0], set[0])
		}
		return quantified(known, strings.HasPrefix(prefix, "ForAll"), func(k string) bool {
			return quantified(set, strings.HasSuffix(prefix, "AllValues:"), func(s string) bool { return pair(k, s) })
		})
	}}
}

func quantified(list []string, all bool, one func(string) bool) bool {
	count := 0
	for _, v := range list {
		if one(v) {
			count++
		}
	}
	return count > 0 && (!all || count == len(list))
}

func (m maker) operator() (string, func(a, b string) bool) {
	switch rapid.IntRange(0, 4).Draw(m.T, "operator") {
	case 0:
		return "StringEquals", func(a, b string) bool { return a == b }
	case 1:
		return "StringNotEquals", func(a, b string) bool { return a != b }
	case 2:
		return "StringEqualsIgnoreCase", func(a, b string) bool { return strings.EqualFold(a, b) }
	case 3:
		return "StringStartsWith", func(a, b string) bool { return strings.Index(a, b) == 0 }
	}
	return "NumericLessThan", func(a, _ string) bool { return a == "5" }
}
