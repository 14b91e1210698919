package access

import (
	"slices"
	"strings"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/pim"
)

// edit makes the next snapshot of a tenant. What it changes it copies first, once: chunks with its number are its own, and nodes
// are unpacked. Members of a group are the exception: new ones are appended behind the array that older snapshots see the
// beginning of, lest each new member of a large group copies all.
type edit struct {
	snapshot
	drafts map[uint32]*draft
	mine   treeEdit
	// conditions are those that were read for this edit, by their text: a tenant's grants have few of them.
	conditions map[string]*abac.Condition
}

func newEdit(before *snapshot) *edit {
	e := &edit{drafts: map[uint32]*draft{}}
	if before == nil {
		e.snapshot = snapshot{names: newNames(), nobody: new(node), walks: new(pool), tree: new(tree), edit: 1}
		return e
	}
	e.snapshot = *before
	e.edit++
	return e
}

// done returns the snapshot.
func (e *edit) done() *snapshot {
	if len(e.drafts) > 0 {
		e.chunks = slices.Clone(e.chunks)
	}
	for i, d := range e.drafts {
		before, after := e.node(i), d.pack()
		e.grants -= len(before.grants)
		if after != nil {
			e.grants += len(after.grants)
		}
		e.ownChunk(i).nodes[i%chunkSize] = after
	}
	e.drafts = nil
	s := e.snapshot
	return &s
}

func (e *edit) ownChunk(i uint32) *chunk {
	for int(i/chunkSize) >= len(e.chunks) {
		e.chunks = append(e.chunks, &chunk{edit: e.edit})
	}
	c := e.chunks[i/chunkSize]
	if c.edit != e.edit {
		c = &chunk{edit: e.edit, nodes: c.nodes}
		e.chunks[i/chunkSize] = c
	}
	return c
}

// own returns a principal for changing.
func (e *edit) own(i uint32) *draft {
	d := e.drafts[i]
	if d == nil {
		d = e.node(i).unpack()
		e.drafts[i] = d
	}
	return d
}

// ownGroup returns a principal's members for changing.
func (e *edit) ownGroup(i uint32) *group {
	d := e.own(i)
	switch {
	case d.group == nil:
		d.group = &group{name: []pim.PrincipalID{e.principalID(i)}}
	case !d.mine:
		g := *d.group
		d.group = &g
	}
	d.mine = true
	return d.group
}

// schedule puts a schedule in the place of what was known of it.
func (e *edit) schedule(s *pim.Schedule) {
	g, live := e.roughOf(s)
	if !live {
		id, known := e.findUID(string(s.ID))
		if i, there := e.findPrincipal(s.Key.Principal); known && there {
			e.own(i).forget(id)
		}
		return
	}
	d := e.own(e.principal(e.uid(string(s.Key.Principal))))
	d.forget(g.id)
	d.grants = append(d.grants, g)
}

// roughOf returns what a schedule gives; false if nothing.
func (e *edit) roughOf(s *pim.Schedule) (rough, bool) {
	if s.Ending != pim.NotEnded || s.Window.Start.IsZero() {
		return rough{}, false
	}
	g := rough{span: span{s.Window.Start.UnixMicro(), micros(s.Window.End, never)}}
	if s.Window.Recurrence != nil {
		g.span = spanOf(s.Window.Span())
		w := s.Window
		g.window = &w
	}
	assigned := s.Kind == pim.Assignment && s.Type == pim.Assigned
	g.activated = s.Kind == pim.Assignment && s.Type == pim.Activated
	if g.start >= g.end || s.Kind != pim.Eligibility && !assigned && !g.activated {
		return rough{}, false // it never holds, or nobody knows how to measure it
	}
	g.id, g.request = e.uid(string(s.ID)), e.uid(string(s.Request))
	if g.activated {
		g.eligibility = e.uid(string(s.Eligibility))
	}
	g.condition = e.conditionOf(s.Condition)
	number := e.role(role{s.Key.Provider, s.Key.Role})
	g.right, g.scope = assignmentOf(number), e.scope(s.Key.Scope)
	if s.Kind == pim.Eligibility {
		g.right = eligibilityOf(number)
	}
	return g, true
}

// conditionOf reads the condition of a grant; nil: it has none.
func (e *edit) conditionOf(text string) *abac.Condition {
	if text == "" {
		return nil
	}
	c, known := e.conditions[text]
	if !known {
		c = abac.Stored(text)
		if e.conditions == nil {
			e.conditions = map[string]*abac.Condition{}
		}
		e.conditions[strings.Clone(text)] = c
	}
	return c
}

// link puts a membership in the place of one between the same two by the same schedule.
func (e *edit) link(m pim.Membership) {
	e.unlink(m)
	if m.Group == "" || m.Member == "" {
		return
	}
	group, member := e.principal(e.uid(string(m.Group))), e.principal(e.uid(string(m.Member)))
	g := e.ownGroup(group)
	g.below = append(g.below, member)
	d := e.own(member)
	d.above = append(d.above, e.membershipOf(m, group))
}

func (e *edit) membershipOf(m pim.Membership, group uint32) membership {
	l := membership{to: group, span: span{micros(m.Window.Start, always), micros(m.Window.End, never)}}
	l.schedule = e.uid(string(m.Schedule))
	if m.Window.Recurrence != nil {
		w := m.Window
		l.span, l.window = spanOf(w.Span()), &w
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
	by, known := e.findUID(string(m.Schedule))
	// Few groups are above a member, and many members may be below a group: ask the member.
	if !ok || !known || !e.linked(member, group, by) {
		return
	}
	e.own(member).leave(group, by)
	g := e.ownGroup(group)
	g.below = without(g.below, member)
}

// linked says whether there is a membership by a schedule.
func (e *edit) linked(member, group uint32, by uid) bool {
	if d := e.drafts[member]; d != nil {
		return slices.ContainsFunc(d.above, func(m membership) bool { return m.to == group && m.schedule == by })
	}
	n := e.node(member)
	return slices.ContainsFunc(n.above, func(l edge) bool { return l.to == group && n.tie(&l).schedule == by })
}

// without returns a copy of the list with a number once less: older snapshots see the list itself.
func without(list []uint32, number uint32) []uint32 {
	at := slices.Index(list, number)
	if at < 0 {
		return list
	}
	return append(append(make([]uint32, 0, len(list)), list[:at]...), list[at+1:]...)
}

// sweep forgets what was over at now.
func (e *edit) sweep(now time.Time) {
	t := now.UnixMicro()
	for i := range uint32(len(e.chunks) * chunkSize) {
		n := e.node(i)
		if slices.ContainsFunc(n.grants, func(g grant) bool { return g.end <= t }) {
			d := e.own(i)
			d.grants = slices.DeleteFunc(d.grants, func(g rough) bool { return g.end <= t })
		}
		for j := range n.above {
			if n.above[j].end <= t {
				e.part(i, t)
				break
			}
		}
	}
}

// part forgets memberships that are over.
func (e *edit) part(member uint32, t int64) {
	d := e.own(member)
	for _, m := range d.above {
		if m.end <= t {
			g := e.ownGroup(m.to)
			g.below = without(g.below, member)
		}
	}
	d.above = slices.DeleteFunc(d.above, func(m membership) bool { return m.end <= t })
}
