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
	d := &draft{grants: make([]rough, len(n.grants), len(n.grants)+1), above: make([]membership, len(n.above), len(n.above)+1), group: n.group}
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
	n := &node{group: d.group}
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
	size := 0
	for i := range d.grants {
		size += d.rightOf(i, own).size()
	}
	n.grants = make([]grant, len(d.grants))
	if size > 0 {
		n.extra = make([]byte, 0, size)
	}
	for i := range d.grants {
		if size > 0 && len(d.grants) > markEvery && i%markEvery == 0 {
			n.unusual().marks = append(n.rare.marks, uint32(len(n.extra)))
		}
		g := &d.grants[i]
		n.grants[i] = grant{right: d.rightOf(i, own), scope: g.scope, span: g.span, id: g.id}
		n.roles |= roleBit(g.right.role())
		n.addExtra(g, n.grants[i].right, own)
	}
}

// addExtra appends what a grant has besides.
func (n *node) addExtra(g *rough, r right, own eligibilities) {
	if r&hasRequest != 0 {
		n.extra = append(n.extra, g.request[:]...)
	}
	if r&restsOnOwn != 0 {
		place, _ := own.find(g)
		n.extra = append(n.extra, byte(place))
	}
	if r&restsOn != 0 {
		n.extra = append(n.extra, g.eligibility[:]...)
	}
	if r&hasMore != 0 {
		n.extra = binary.BigEndian.AppendUint32(n.extra, uint32(len(n.unusual().more)))
		n.rare.more = append(n.rare.more, g.more)
	}
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

// rightOf is the right of a grant with what it has besides.
func (d *draft) rightOf(i int, own eligibilities) right {
	g := &d.grants[i]
	r := g.right
	if g.request != (uid{}) {
		r |= hasRequest
	}
	if g.activated {
		if _, found := own.find(g); found {
			r |= restsOnOwn
		} else {
			r |= restsOn
		}
	}
	if g.more != (more{}) {
		r |= hasMore
	}
	return r
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
