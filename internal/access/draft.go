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
	for i := range d.above {
		m := &d.above[i]
		n.above[i] = edge{span: m.span, to: m.to, tie: n.addTie(m.tie)}
	}
	return n
}

func (d *draft) packGrants(n *node) {
	if len(d.grants) == 0 {
		return
	}
	slices.SortFunc(d.grants, func(a, b rough) int {
		return cmp.Or(cmp.Compare(a.right, b.right), cmp.Compare(a.scope, b.scope), cmp.Compare(a.start, b.start))
	})
	own := d.eligibilities()
	n.grants = make([]grant, len(d.grants))
	var room [256]byte
	extra := room[:0]
	for i := range d.grants {
		g := &d.grants[i]
		if len(d.grants) > markEvery && i%markEvery == 0 {
			n.unusual().marks = append(n.rare.marks, uint32(len(extra)))
		}
		n.grants[i] = grant{right: g.right, scope: g.scope, span: g.span, id: g.id}
		n.roles |= roleBit(g.right.role())
		extra = n.addExtra(extra, i, g, own)
	}
	n.extra = string(extra)
}

// addExtra appends what a grant has besides, and notes it in the grant's right.
func (n *node) addExtra(to []byte, i int, g *rough, own eligibilities) []byte {
	r := &n.grants[i].right
	if g.request != (uid{}) {
		*r |= hasRequest
		to = append(to, g.request[:]...)
	}
	if g.activated {
		if place, found := own.find(g); found {
			*r |= restsOnOwn
			to = append(to, byte(place))
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

func (n *node) addTie(t tie) uint32 {
	if t == (tie{}) {
		return 0
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

// eligibilities finds those that a draft's own activations rest on, as far as their places can be told.
type eligibilities []rough

func (d *draft) eligibilities() eligibilities { return d.grants[:min(len(d.grants), ownPlaces)] }

// find returns the place of the eligibility that an activation rests on, if it is of the same role.
func (e eligibilities) find(activation *rough) (place int, found bool) {
	want := eligibilityOf(activation.right.role())
	place, _ = slices.BinarySearchFunc(e, want, func(g rough, r right) int { return cmp.Compare(g.right, r) })
	for ; place < len(e) && e[place].right == want; place++ {
		if e[place].id == activation.eligibility {
			return place, true
		}
	}
	return 0, false
}
