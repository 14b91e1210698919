package access

import (
	"slices"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/pim"
)

// edit makes the next snapshot of a tenant. What it changes it copies first, once: chunks and nodes with its number are
// its own. Members of a group are the exception: new ones are appended behind the array that older snapshots see the
// beginning of, lest each new member of a large group copies all.
type edit struct {
	snapshot
	touched []*node
	mine    treeEdit
	// conditions are those that were read for this edit, by their text: a tenant's grants have few of them.
	conditions map[string]*abac.Condition
}

func newEdit(before *snapshot) *edit {
	if before == nil {
		return &edit{snapshot: snapshot{names: newNames(), walks: new(pool), tree: new(tree), edit: 1}}
	}
	e := &edit{snapshot: *before}
	e.edit++
	e.chunks = slices.Clone(before.chunks)
	return e
}

// done returns the snapshot, with what grew cut to size.
func (e *edit) done() *snapshot {
	for _, n := range e.touched {
		n.grants, n.above = tight(n.grants), tight(n.above)
	}
	e.touched = nil
	s := e.snapshot
	return &s
}

// tight returns the list without needless room behind it.
func tight[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	if cap(list)-len(list) > len(list)/8 {
		return append(make([]T, 0, len(list)), list...)
	}
	return list
}

// own returns a principal's node for changing.
func (e *edit) own(i uint32) *node {
	for int(i/chunkSize) >= len(e.chunks) {
		e.chunks = append(e.chunks, &chunk{edit: e.edit})
	}
	c := e.chunks[i/chunkSize]
	if c.edit != e.edit {
		c = &chunk{edit: e.edit, nodes: c.nodes}
		e.chunks[i/chunkSize] = c
	}
	n := c.nodes[i%chunkSize]
	if n != nil && n.edit == e.edit {
		return n
	}
	fresh := &node{edit: e.edit}
	if n != nil {
		fresh.grants, fresh.above, fresh.below, fresh.group = slices.Clone(n.grants), slices.Clone(n.above), n.below, n.group
	}
	c.nodes[i%chunkSize] = fresh
	e.touched = append(e.touched, fresh)
	return fresh
}

// schedule puts a schedule in the place of what was known of it.
func (e *edit) schedule(s *pim.Schedule) {
	g, live := e.grantOf(s)
	if !live {
		if i, known := e.findPrincipal(s.Key.Principal); known {
			e.own(i).forget(s.ID)
		}
		return
	}
	n := e.own(e.principal(s.Key.Principal))
	n.forget(s.ID)
	n.grants = slices.Insert(n.grants, n.search(g.right, g.scope), g)
}

// grantOf returns what a schedule gives; false if nothing.
func (e *edit) grantOf(s *pim.Schedule) (grant, bool) {
	if s.Ending != pim.NotEnded || s.Window.Start.IsZero() {
		return grant{}, false
	}
	g := grant{id: s.ID, request: s.Request, span: span{s.Window.Start.UnixMicro(), micros(s.Window.End, never)}}
	if s.Window.Recurrence != nil {
		g.span = spanOf(s.Window.Span())
		w := s.Window
		g.more = &more{window: &w}
	}
	if g.start >= g.end {
		return grant{}, false
	}
	assigned := s.Kind == pim.Assignment && s.Type == pim.Assigned
	activated := s.Kind == pim.Assignment && s.Type == pim.Activated
	switch {
	case s.Kind == pim.Eligibility, assigned:
	case activated:
		if g.more == nil {
			g.more = &more{}
		}
		g.more.activated, g.more.eligibility = true, e.shared(s.Key.Principal, s.Eligibility)
	default:
		return grant{}, false // neither an eligibility nor an assignment that anybody knows how to measure
	}
	if s.Condition != "" {
		e.narrow(&g, s.Condition)
	}
	number := e.role(role{s.Key.Provider, s.Key.Role})
	g.right, g.scope = assignmentOf(number), e.scope(s.Key.Scope)
	if s.Kind == pim.Eligibility {
		g.right = eligibilityOf(number)
	}
	return g, true
}

// narrow gives a grant its condition.
func (e *edit) narrow(g *grant, text string) {
	if g.more == nil {
		g.more = &more{}
	}
	c, known := e.conditions[text]
	if !known {
		c = abac.Stored(text)
		if e.conditions == nil {
			e.conditions = map[string]*abac.Condition{}
		}
		e.conditions[text] = c
	}
	g.more.condition = c
}

// shared returns an id as the principal's own grants have it already, so that it is not kept twice.
func (e *edit) shared(p pim.PrincipalID, id pim.ScheduleID) pim.ScheduleID {
	if i, known := e.findPrincipal(p); known {
		grants := e.node(i).grants
		for j := range grants {
			if grants[j].id == id {
				return grants[j].id
			}
		}
	}
	return id
}

func (n *node) forget(id pim.ScheduleID) {
	n.grants = slices.DeleteFunc(n.grants, func(g grant) bool { return g.id == id })
}

// link puts a membership in the place of one between the same two by the same schedule.
func (e *edit) link(m pim.Membership) {
	e.unlink(m)
	if m.Group == "" || m.Member == "" {
		return
	}
	l := e.edgeOf(m)
	groupNumber, memberNumber := e.principal(m.Group), e.principal(m.Member)
	group := e.own(groupNumber)
	l.to = memberNumber
	group.below = append(group.below, l)
	if group.group == 0 {
		e.groups++
		group.group = e.groups
	}
	member := e.own(memberNumber)
	l.to = groupNumber
	member.above = append(member.above, l)
}

func (e *edit) edgeOf(m pim.Membership) edge {
	l := edge{span: span{micros(m.Window.Start, always), micros(m.Window.End, never)}}
	if m.Schedule != "" {
		l.by = &by{schedule: e.shared(m.Member, m.Schedule)}
	}
	if m.Window.Recurrence != nil {
		if l.by == nil {
			l.by = &by{}
		}
		w := m.Window
		l.span, l.recurs, l.by.window = spanOf(w.Span()), true, &w
	}
	return l
}

// unlink takes a membership away.
func (e *edit) unlink(m pim.Membership) {
	group, ok := e.findPrincipal(m.Group)
	if !ok {
		return
	}
	member, ok := e.findPrincipal(m.Member)
	// Few groups are above a member, and many members may be below a group: ask the member.
	if !ok || !slices.ContainsFunc(e.node(member).above, leadsTo(group, m.Schedule)) {
		return
	}
	e.own(member).above = slices.DeleteFunc(e.own(member).above, leadsTo(group, m.Schedule))
	e.own(group).below = without(e.own(group).below, leadsTo(member, m.Schedule))
}

func leadsTo(i uint32, by pim.ScheduleID) func(edge) bool {
	return func(e edge) bool { return e.to == i && e.same(by) }
}

// without returns a copy of the list without what drop names: older snapshots see the list itself.
func without(list []edge, drop func(edge) bool) []edge {
	kept := make([]edge, 0, len(list))
	for _, e := range list {
		if !drop(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// sweep forgets what was over at now.
func (e *edit) sweep(now time.Time) {
	t := now.UnixMicro()
	grantOver := func(g grant) bool { return g.end <= t }
	edgeOver := func(l edge) bool { return l.end <= t }
	for i := range uint32(len(e.principals.keys)) {
		n := e.node(i)
		if slices.ContainsFunc(n.grants, grantOver) || slices.ContainsFunc(n.above, edgeOver) {
			own := e.own(i)
			own.grants, own.above = slices.DeleteFunc(own.grants, grantOver), slices.DeleteFunc(own.above, edgeOver)
		}
		if slices.ContainsFunc(n.below, edgeOver) {
			e.own(i).below = without(e.node(i).below, edgeOver)
		}
	}
}
