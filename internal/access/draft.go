package access

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// draft is a node unpacked, to be changed.
type draft struct {
	grants []rough
	above  []membership
	group  *group
	// mine says that the group is not one that older snapshots see.
	mine bool
}

// rough is a grant unpacked.
type rough struct {
	right right
	scope uint32
	span
	id, request uid
	// eligibility is what an activation rests on.
	activated   bool
	eligibility uid
	more
}

// membership is an edge unpacked.
type membership struct {
	to uint32
	span
	tie
}

// forget takes a schedule away.
func (d *draft) forget(id uid) {
	d.grants = slices.DeleteFunc(d.grants, func(g rough) bool { return g.id == id })
}

// leave takes the memberships in a group by a schedule away.
func (d *draft) leave(group uint32, by uid) {
	d.above = slices.DeleteFunc(d.above, func(m membership) bool { return m.to == group && m.schedule == by })
}

// unpack returns a draft of what is known of a principal.
func (n *node) unpack() *draft {
	d := &draft{grants: make([]rough, len(n.grants), len(n.grants)+1), above: make([]membership, len(n.above), len(n.above)+1), group: n.group()}
	for i := range n.grants {
		g := &n.grants[i]
		_, eligibility := n.ground(i)
		d.grants[i] = rough{
			right: g.right.plain(), scope: g.scope, span: g.span, id: g.id, request: n.request(i),
			activated: g.right.activated(), eligibility: eligibility, more: n.more(i),
		}
	}
	for i := range n.above {
		e := &n.above[i]
		d.above[i] = membership{e.to, e.span, n.tie(e)}
	}
	return d
}

// pack returns the draft as a node; nil: there is nothing to know.
func (d *draft) pack() *node {
	if len(d.grants) == 0 && len(d.above) == 0 && d.group == nil {
		return nil
	}
	n := &node{}
	if d.group != nil {
		n.unusual().group = d.group
	}
	d.packGrants(n)
	if len(d.above) > 0 {
		n.above = make([]edge, len(d.above))
	}
	by := n.places(len(d.above))
	for i := range d.above {
		m := &d.above[i]
		n.above[i] = edge{span: m.span, to: m.to, tie: n.addTie(m.tie, by)}
	}
	return n
}

// places returns what finds the place of a grant, so many times.
func (n *node) places(times int) func(uid) (int, bool) {
	if times <= few {
		return func(id uid) (int, bool) {
			i := slices.IndexFunc(n.grants, func(g grant) bool { return g.id == id })
			return i, i >= 0
		}
	}
	all := make(map[uid]int, len(n.grants))
	for i := range n.grants {
		all[n.grants[i].id] = i
	}
	return func(id uid) (int, bool) {
		i, there := all[id]
		return i, there
	}
}

func (d *draft) packGrants(n *node) {
	if len(d.grants) == 0 {
		return
	}
	slices.SortFunc(d.grants, func(a, b rough) int {
		return cmp.Or(cmp.Compare(a.right, b.right), cmp.Compare(a.scope, b.scope), cmp.Compare(a.start, b.start))
	})
	n.grants = make([]grant, len(d.grants))
	for i := range d.grants {
		g := &d.grants[i]
		n.grants[i] = grant{right: g.right, scope: g.scope, span: g.span, id: g.id}
		n.add(g.right.role(), g.scope)
	}
	d.packExtras(n)
}

// packExtras notes what grants have besides.
func (d *draft) packExtras(n *node) {
	var room [256]byte
	var places []uint32
	extra := room[:0]
	for i := range d.grants {
		if len(d.grants) > markEvery && i%markEvery == 0 {
			places = append(places, uint32(len(extra)))
		}
		extra = n.addExtra(extra, i, &d.grants[i])
	}
	if len(extra) > 0 {
		n.unusual().extra, n.rare.marks = string(extra), places
	}
}

// addExtra appends what a grant has besides, and notes it in the grant's right.
func (n *node) addExtra(to []byte, i int, g *rough) []byte {
	r := &n.grants[i].right
	switch g.request {
	case uid{}:
	case g.id:
		*r |= asRequested
	default:
		*r |= hasRequest
		to = append(to, g.request[:]...)
	}
	if g.activated {
		if place := n.expected(i); place >= 0 && n.grants[place].id == g.eligibility {
			*r |= restsOnOwn
		} else {
			*r |= restsOn
			to = append(to, g.eligibility[:]...)
		}
	}
	if g.more != (more{}) {
		*r |= hasMore
		to = binary.BigEndian.AppendUint32(to, uint32(len(n.unusual().more)))
		n.rare.more = append(n.rare.more, g.more)
	}
	return to
}

func (n *node) addTie(t tie, places func(uid) (int, bool)) uint32 {
	if t == (tie{}) {
		return 0
	}
	if t.window == nil {
		if place, there := places(t.schedule); there {
			return uint32(place+1) | byGrant
		}
	}
	n.unusual().ties = append(n.rare.ties, t)
	number := uint32(len(n.rare.ties))
	if t.window != nil {
		number |= recurs
	}
	return number
}

func (n *node) unusual() *rare {
	if n.rare == nil {
		n.rare = &rare{}
	}
	return n.rare
}
