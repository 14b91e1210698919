package migrate

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// CompareOptions say how two estates are held against each other.
type CompareOptions struct {
	// Now is the instant at which it is asked who holds what: what is over by then counts as gone on both sides. Zero: the present
	// is not known, and nothing is over.
	Now time.Time
	// WithoutActivations leaves out what people activated themselves, which ends by itself before long.
	WithoutActivations bool
}

// Aspect says in what the answers of source and target differ. Scripts go by these words: they may only be added to.
type Aspect string

// The aspects: who may activate, who has, under which rules, and what is asked for.
const (
	InEligibility Aspect = "eligible"
	InActivity    Aspect = "active"
	InRules       Aspect = "rules"
	InRequests    Aspect = "request"
)

// Difference is one question to which source and target answer differently. Ids are those of the source where it knows them, else
// those of the target.
type Difference struct {
	Aspect    Aspect
	Provider  pim.Provider
	Scope     pim.Scope
	Role      pim.RoleID
	Principal string
	// RoleName and Name say the role and the principal in words, where anybody told them.
	RoleName, Name string
	// Rule is the rule that differs, of InRules: "definition" for what a custom role allows, which no scope is of.
	Rule string
	// Source and Target are the answers, for people.
	Source, Target string
}

// String is the difference on one line.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %s: the source says %s, the target %s", d.Aspect, d.Question(), d.Source, d.Target)
}

// Question is what both were asked, in words.
func (d Difference) Question() string {
	what := fmt.Sprintf("%s %s", d.Provider, cmp.Or(d.RoleName, string(d.Role)))
	if d.Scope != "" {
		what += fmt.Sprintf(" at %s", d.Scope)
	}
	switch d.Rule {
	case "":
		what = cmp.Or(d.Name, d.Principal) + ", " + what
	case inDefinition:
		what += ", what it allows"
	default:
		what += ", rule " + d.Rule
	}
	return what
}

// cell is one question: may, or has, somebody a role at a scope?
type cell struct {
	Place
	principal string
	kind      pim.Kind
}

// hold is a stretch of time in which the answer is yes: from zero (now) until zero (for ever).
type hold struct {
	from, until        time.Time
	condition, version string
}

// precision is how near two ends are that count as equal: servers keep what they were told to different fractions of a second.
const precision = time.Second

func near(a, b time.Time) bool {
	if a.IsZero() || b.IsZero() {
		return a.IsZero() && b.IsZero()
	}
	return a.Sub(b).Abs() < precision
}

func (h hold) equal(g hold) bool {
	return near(h.from, g.from) && near(h.until, g.until) && h.condition == g.condition && h.version == g.version
}

func (h hold) String() string {
	out := "for ever"
	if !h.until.IsZero() {
		out = "until " + h.until.UTC().Format(time.RFC3339)
	}
	if !h.from.IsZero() {
		out = "from " + h.from.UTC().Format(time.RFC3339) + " " + out
	}
	if h.condition != "" {
		out += " under a condition"
	}
	return out
}

// holds are the answers of an estate. What is planned counts as it was asked for.
func holds(e *Estate, o CompareOptions) map[cell][]hold {
	out := map[cell][]hold{}
	add := func(c cell, h hold) {
		if !h.until.IsZero() && !h.until.After(o.Now) {
			return
		}
		if !h.from.After(o.Now) {
			h.from = time.Time{}
		}
		if h.condition == "" {
			h.version = ""
		}
		out[c] = append(out[c], h)
	}
	for _, g := range e.Grants {
		if g.Activated && o.WithoutActivations {
			continue
		}
		add(cell{g.Place, g.Principal, g.Kind}, hold{g.Start, g.End, g.Condition, g.ConditionVersion})
	}
	for _, r := range e.Requests {
		if w, ok := r.planned(o.Now); ok && (r.Action != pim.SelfActivate || !o.WithoutActivations) {
			add(cell{r.Place, r.Principal, r.Kind}, hold{from: w.Start, until: w.End})
		}
	}
	for c, list := range out {
		out[c] = joined(list)
	}
	return out
}

// planned is when somebody will hold what was asked for and only waits for its start.
func (r Request) planned(now time.Time) (schedule.Window, bool) {
	gives := r.Action == pim.AdminAssign || r.Action == pim.SelfActivate
	if r.Status != pim.Granted || !gives || r.Asked.Recurrence != nil || !r.Asked.Start.After(now) {
		return schedule.Window{}, false
	}
	w, err := schedule.Resolve(now, r.Asked)
	return w, err == nil
}

// joined makes one of holds that touch or overlap under the same condition. A hold within one without a condition says nothing new.
func joined(list []hold) []hold {
	slices.SortFunc(list, func(a, b hold) int {
		return cmp.Or(cmp.Compare(a.condition, b.condition), a.from.Compare(b.from))
	})
	out := list[:0]
	for _, h := range list {
		if len(out) > 0 {
			last := &out[len(out)-1]
			if last.condition == h.condition && last.version == h.version && (last.until.IsZero() || !h.from.After(last.until)) {
				if !last.until.IsZero() && (h.until.IsZero() || h.until.After(last.until)) {
					last.until = h.until
				}
				continue
			}
		}
		out = append(out, h)
	}
	return out
}

func tellHolds(list []hold) string {
	if len(list) == 0 {
		return "no"
	}
	texts := make([]string, len(list))
	for i, h := range list {
		texts[i] = h.String()
	}
	return strings.Join(texts, ", ")
}

// Compare asks both estates, for every principal, role and scope that either of them names: may they activate it, have they it,
// until when, and under which rules? It returns the questions that are answered differently, in a fixed order. Nothing: they are
// equal.
func Compare(source, target *Estate, m Mapping, o CompareOptions) []Difference {
	c := comparison{source: source, target: target, m: m, o: o}
	c.compareHolds()
	c.compareRules()
	c.compareRoles()
	c.compareRequests()
	slices.SortFunc(c.out, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Aspect, b.Aspect), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Role, b.Role),
			cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Rule, b.Rule))
	})
	return c.out
}

type comparison struct {
	source, target *Estate
	m              Mapping
	o              CompareOptions
	out            []Difference
}

func (c *comparison) add(aspect Aspect, e *Estate, p Place, principal, rule, source, target string) {
	c.out = append(c.out, Difference{
		Aspect: aspect, Provider: p.Provider, Scope: p.Scope, Role: p.Role, Principal: principal, Rule: rule, Source: source, Target: target,
		RoleName: e.Roles[RoleRef{p.Provider, p.Role}].Name, Name: cmp.Or(e.Principals[principal].Account, e.Principals[principal].Name),
	})
}

func aspectOf(k pim.Kind) Aspect {
	if k == pim.Eligibility {
		return InEligibility
	}
	return InActivity
}

func (c *comparison) compareHolds() {
	have := holds(c.target, c.o)
	for at, list := range holds(c.source, c.o) {
		to, ok := c.m.cell(at)
		if !ok {
			c.add(aspectOf(at.kind), c.source, at.Place, at.principal, "", tellHolds(list), "no: it has no counterpart there")
			continue
		}
		if !slices.EqualFunc(list, have[to], hold.equal) {
			c.add(aspectOf(at.kind), c.source, at.Place, at.principal, "", tellHolds(list), tellHolds(have[to]))
		}
		delete(have, to)
	}
	for at, list := range have {
		c.add(aspectOf(at.kind), c.target, at.Place, at.principal, "", "no", tellHolds(list))
	}
}

// cell is a question about the source as it is asked of the target.
func (m Mapping) cell(c cell) (cell, bool) {
	to, known := m.Principals[c.principal]
	place, ok := m.place(c.Place)
	return cell{place, to, c.kind}, ok && known
}

// bound is the place whose policy binds grants at a place.
func (p Place) bound() Place {
	if p.Provider == pim.Directory {
		p.Scope = pim.Everywhere
	}
	return p
}

// policyAt are the rules at a place: where nothing is told, those that nobody has changed.
func (e *Estate) policyAt(p Place) policy.Rules {
	if have, ok := e.Policies[p]; ok {
		return have.Rules
	}
	switch p.Provider {
	case pim.Group:
		return policy.ForGroup()
	case pim.Resource:
		return policy.ForResource()
	case pim.Directory:
	}
	return policy.ForDirectoryRole()
}

// ruled are the places at which an estate has rules that count: those that somebody has changed, and those where somebody holds
// something.
func (e *Estate) ruled() map[Place]bool {
	out := map[Place]bool{}
	for p, have := range e.Policies {
		if !have.Default {
			out[p] = true
		}
	}
	for _, g := range e.Grants {
		out[g.bound()] = true
	}
	for p := range out {
		if p.Provider == pim.Resource && p.Scope == pim.Everywhere {
			delete(out, p) // the root has no policies
		}
	}
	return out
}

func (c *comparison) compareRules() {
	others := c.target.ruled()
	for p := range c.source.ruled() {
		to, ok := c.m.place(p)
		if !ok {
			c.add(InRules, c.source, p, "", "all", "some", "none: it has no counterpart there")
			continue
		}
		delete(others, to)
		want, missing := c.m.rules(c.source.policyAt(p))
		for _, id := range missing {
			c.add(InRules, c.source, p, "", "all", "that "+id+" is named", "nothing: that one has no counterpart there")
		}
		for _, d := range differingRules(p.Provider, want, c.target.policyAt(to)) {
			c.add(InRules, c.source, p, "", d.rule, d.source, d.target)
		}
	}
	for p := range others {
		for _, d := range differingRules(p.Provider, (&Estate{}).policyAt(p), c.target.policyAt(p)) {
			c.add(InRules, c.target, p, "", d.rule, d.source, d.target)
		}
	}
}

type ruleDifference struct{ rule, source, target string }

// differingRules compares rules one by one, as they are written in a fixed form.
func differingRules(p pim.Provider, a, b policy.Rules) []ruleDifference {
	a, b = settled(a), settled(b)
	var out []ruleDifference
	for _, rule := range policy.All() {
		only := func(r policy.Rule) bool { return r.Name == rule.Name }
		x, y := appendRules(nil, p, a, only), appendRules(nil, p, b, only)
		if !bytes.Equal(x, y) || rule.Kind == policy.ExpirationRule && !slices.Equal(a.SetOf(rule).Expiration.Exceptions, b.SetOf(rule).Expiration.Exceptions) {
			out = append(out, ruleDifference{rule.Name, string(x), string(y)})
		}
	}
	if !slices.Equal(a.PIMOnly.Excluded, b.PIMOnly.Excluded) || a.PIMOnly.Mode != b.PIMOnly.Mode ||
		a.PIMOnly.ToApplications != b.PIMOnly.ToApplications || a.PIMOnly.ByApplications != b.PIMOnly.ByApplications {
		out = append(out, ruleDifference{policy.RulePIMOnlyAdminAssignment, fmt.Sprint(a.PIMOnly), fmt.Sprint(b.PIMOnly)})
	}
	return out
}

// settled brings rules that mean the same into the same form. What approvers are called is no rule.
func settled(r policy.Rules) policy.Rules {
	r = r.Clone()
	for _, s := range []*policy.Set{&r.AdminEligibility, &r.AdminAssignment, &r.EndUserAssignment} {
		s.Expiration.Maximum = canonical(s.Expiration.Maximum)
		s.Expiration.Exceptions = settledApprovers(s.Expiration.Exceptions)
		for _, to := range []policy.Recipient{policy.ToAdmins, policy.ToRequestor, policy.ToApprovers} {
			slices.Sort(s.Notifications.For(to).Recipients)
		}
	}
	for i := range r.Approval.Stages {
		s := &r.Approval.Stages[i]
		s.Approvers, s.Escalated = settledApprovers(s.Approvers), settledApprovers(s.Escalated)
		s.TimeoutDays, s.Minimum = max(s.TimeoutDays, 1), s.Quorum()
	}
	for i := range r.PIMOnly.Excluded {
		r.PIMOnly.Excluded[i].Name = ""
	}
	slices.SortFunc(r.PIMOnly.Excluded, func(a, b policy.Excluded) int { return cmp.Compare(a.ID, b.ID) })
	return r
}

func settledApprovers(list []policy.Approver) []policy.Approver {
	for i := range list {
		list[i].Description = ""
	}
	slices.SortFunc(list, func(a, b policy.Approver) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return slices.Compact(list)
}

// canonical is a duration in its shortest form. Months and years, which have no length of their own, stay as they are written.
func canonical(d schedule.Duration) schedule.Duration {
	if date, _, _ := strings.Cut(d.String(), "T"); strings.ContainsAny(date, "YM") {
		return d
	}
	return schedule.FromTime(d.AddTo(time.Time{}).Sub(time.Time{}))
}

// openRequests are the requests of an estate that wait for somebody's decision.
func openRequests(e *Estate) map[requestCell]int {
	out := map[requestCell]int{}
	for _, r := range e.Requests {
		if r.Status == pim.PendingApproval || r.Status == pim.PendingAdminDecision {
			out[requestCell{cell{r.Place, r.Principal, r.Kind}, r.Action}]++
		}
	}
	return out
}

type requestCell struct {
	cell
	action pim.Action
}

func (c *comparison) compareRequests() {
	have := openRequests(c.target)
	for at, n := range openRequests(c.source) {
		to, ok := c.m.cell(at.cell)
		there := requestCell{to, at.action}
		if !ok || have[there] != n {
			c.add(InRequests, c.source, at.Place, at.principal, "", waiting(n), waiting(have[there]))
		}
		delete(have, there)
	}
	for at, n := range have {
		c.add(InRequests, c.target, at.Place, at.principal, "", waiting(0), waiting(n))
	}
}

func waiting(n int) string {
	if n == 0 {
		return "none waits"
	}
	if n == 1 {
		return "one waits"
	}
	return fmt.Sprintf("%d wait", n)
}
