package access

import (
	"encoding/binary"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// snapshot is all that is known of one tenant at one commit. It is never changed once published.
type snapshot struct {
	names
	// chunks hold the nodes by number, so that a change copies few of them. Who has only a name has none: they know nothing of nobody.
	chunks []*chunk
	nobody *node
	handles
	walks *pool
	// tree is what is known of resources; never nil.
	tree *tree
	// grants is how many there are.
	grants int
	// edit numbers the snapshot: what bears its number was made for it.
	edit uint64
}

const chunkSize = 256

type chunk struct {
	edit  uint64
	nodes [chunkSize]*node
}

// node is one principal, packed: see draft for what is in it.
type node struct {
	grants []grant // ordered by right and scope
	// extra is what some of the grants have besides, in their order.
	extra string
	above []edge // memberships in groups
	// roles has a bit for each role that there is a grant of, by the rest of its number: most questions end here.
	roles uint64
	rare  *rare // nil for most
}

// group is what a principal has that has members; nil: it has none.
func (n *node) group() *group {
	if n.rare == nil {
		return nil
	}
	return n.rare.group
}

// group is what a principal with members has.
type group struct {
	// name is the group's id, as a way of one step.
	name []pim.PrincipalID
	// below has a member once for each of its memberships, whose times the member knows.
	below []uint32
}

// rare is what few nodes have.
type rare struct {
	*group
	more []more
	ties []tie
	// marks are the places in extra of each grant whose place is a multiple of markEvery.
	marks []uint32
}

// markEvery bounds how far the place of what a grant has besides is counted.
const markEvery = 32

// edge is a membership.
type edge struct {
	span
	to uint32
	// tie is the place of the edge's tie, from one, and whether it recurs; zero: it has none.
	tie uint32
}

// recurs says that an edge's span is only the outermost bound.
const recurs = 1 << 31

// tie is what is looked at of few edges on the way of a question.
type tie struct {
	schedule uid
	window   *schedule.Window // set for memberships that recur
}

func (n *node) tie(e *edge) tie {
	if e.tie == 0 {
		return tie{}
	}
	return n.rare.ties[e.tie&^recurs-1]
}

// tied returns until when the membership holds, if it holds.
func (n *node) tied(e *edge, now time.Time, t int64) (end int64, ok bool) {
	if !e.contains(t) {
		return 0, false
	}
	if e.tie&recurs == 0 {
		return e.end, true
	}
	in, ok := n.tie(e).window.At(now)
	return min(e.end, micros(in.End, never)), ok
}

// nextTied is the first instant after now at which the membership begins or ceases to hold.
func (n *node) nextTied(e *edge, now time.Time, t int64) int64 {
	if e.tie&recurs == 0 {
		return e.next(t)
	}
	return nextOf(n.tie(e).window, now)
}

func nextOf(w *schedule.Window, now time.Time) int64 {
	if at, ok := w.NextChange(now); ok {
		return at.UnixMicro()
	}
	return never
}

// grant is one schedule. Its right's lowest bits say what else it has.
type grant struct {
	right right
	scope uint32
	span
	id uid
}

// right is the number of a role, whether it is held or may be activated, and, of a grant, what else there is.
type right uint32

// What a grant may have besides, in this order.
const (
	hasRequest right = 1 << iota // the request's id
	restsOnOwn                   // one byte: the place of the eligibility among the node's grants
	restsOn                      // the eligibility's id
	hasMore                      // four bytes: the place in more
	rightBits  = 4
)

func assignmentOf(role uint32) right  { return right(role) << (rightBits + 1) }
func eligibilityOf(role uint32) right { return assignmentOf(role) | 1<<rightBits }

func (r right) eligibility() bool { return r>>rightBits&1 == 1 }
func (r right) activated() bool   { return r&(restsOn|restsOnOwn) != 0 }
func (r right) role() uint32      { return uint32(r >> (rightBits + 1)) }

// plain leaves out what else there is.
func (r right) plain() right { return r >> rightBits << rightBits }

const (
	idSize    = len(uid{})
	placeSize = 4
	// ownPlaces are those that a byte can hold: an activation on an eligibility further behind tells its id.
	ownPlaces = 1 << 8
)

// size is how many bytes a grant has besides.
func (r right) size() int {
	n := 0
	if r&hasRequest != 0 {
		n += idSize
	}
	if r&restsOnOwn != 0 {
		n++
	}
	if r&restsOn != 0 {
		n += idSize
	}
	if r&hasMore != 0 {
		n += placeSize
	}
	return n
}

// more is what few grants have.
type more struct {
	// window is set for grants that recur: the span is then only the outermost bound.
	window *schedule.Window
	// condition narrows what the role gives; nil: nothing does. One that cannot be read lets nothing pass.
	condition *abac.Condition
}

// extraOf returns what a grant has besides.
func (n *node) extraOf(i int) string {
	from, at := 0, 0
	if n.rare != nil && n.rare.marks != nil {
		from = i / markEvery * markEvery
		at = int(n.rare.marks[i/markEvery])
	}
	for ; from < i; from++ {
		at += n.grants[from].right.size()
	}
	return n.extra[at : at+n.grants[i].right.size()]
}

// request is the id of the request that made a grant.
func (n *node) request(i int) (id uid) {
	if n.grants[i].right&hasRequest != 0 {
		copy(id[:], n.extraOf(i))
	}
	return id
}

// ground is the eligibility that an activation rests on: its place among the node's grants, or -1, and its id.
func (n *node) ground(i int) (place int, id uid) {
	r := n.grants[i].right
	if !r.activated() {
		return -1, uid{}
	}
	x := n.extraOf(i)
	if r&hasRequest != 0 {
		x = x[idSize:]
	}
	if r&restsOnOwn != 0 {
		return int(x[0]), n.grants[x[0]].id
	}
	copy(id[:], x)
	return -1, id
}

func (n *node) more(i int) more {
	if n.grants[i].right&hasMore == 0 {
		return more{}
	}
	x := n.extraOf(i)
	var place [placeSize]byte
	copy(place[:], x[len(x)-placeSize:])
	return n.rare.more[binary.BigEndian.Uint32(place[:])]
}

// holds says until when a grant holds by itself, if it holds.
func (n *node) holds(i int, now time.Time, t int64) (end int64, ok bool) {
	g := &n.grants[i]
	if !g.contains(t) {
		return 0, false
	}
	if g.right&hasMore != 0 {
		if w := n.more(i).window; w != nil {
			in, ok := w.At(now)
			return min(g.end, micros(in.End, never)), ok
		}
	}
	return g.end, true
}

// next is the first instant after now at which a grant begins or ceases to hold.
func (n *node) next(i int, now time.Time, t int64) int64 {
	g := &n.grants[i]
	if g.right&hasMore != 0 {
		if w := n.more(i).window; w != nil {
			return nextOf(w, now)
		}
	}
	return g.next(t)
}

// node returns what is known of a principal.
func (s *snapshot) node(i uint32) *node {
	if int(i/chunkSize) < len(s.chunks) {
		if n := s.chunks[i/chunkSize].nodes[i%chunkSize]; n != nil {
			return n
		}
	}
	return s.nobody
}

// run returns the places of the grants of a right at a scope.
func (n *node) run(r right, scope uint32) (from, to int) {
	from = n.search(r, scope)
	to = from
	for to < len(n.grants) && n.grants[to].right.plain() == r && n.grants[to].scope == scope {
		to++
	}
	return from, to
}

// runAnywhere returns the places of the grants of a right at all scopes.
func (n *node) runAnywhere(r right) (from, to int) {
	from = n.search(r, 0)
	to = from
	for to < len(n.grants) && n.grants[to].right.plain() == r {
		to++
	}
	return from, to
}

func roleBit(role uint32) uint64 { return 1 << (role % 64) }

// knows says whether there is any grant of the role.
func (n *node) knows(role uint32) bool {
	if n.roles&roleBit(role) == 0 {
		return false
	}
	i := n.search(assignmentOf(role), 0)
	return i < len(n.grants) && n.grants[i].right.role() == role
}

// search returns the place of the first grant that is not before the right and scope.
func (n *node) search(r right, scope uint32) int {
	lo, hi := 0, len(n.grants)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		g := &n.grants[mid]
		if p := g.right.plain(); p < r || p == r && g.scope < scope {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
