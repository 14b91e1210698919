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
	above  []edge  // memberships in groups
	filter
	rare *rare // nil for most
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
	// extra is what some of the grants have besides, in their order.
	extra string
	more  []more
	ties  []tie
	// marks are the places in extra of each grant whose place is a multiple of markEvery.
	marks []uint32
}

// markEvery bounds how far the place of what a grant has besides is counted.
const markEvery = 32

// edge is a membership.
type edge struct {
	span
	to uint32
	// tie is the place of the edge's tie, from one, and what is said of it; zero: it has none.
	tie uint32
}

// What is said of a tie.
const (
	// recurs: the edge's span is only the outermost bound.
	recurs = 1 << 31
	// byGrant: the membership is by one of the member's own grants, of which this is the place, from one.
	byGrant  = 1 << 30
	tiePlace = byGrant - 1
)

// tie is what is looked at of few edges on the way of a question.
type tie struct {
	schedule uid
	window   *schedule.Window // set for memberships that recur
}

func (n *node) tie(e *edge) tie {
	switch {
	case e.tie == 0:
		return tie{}
	case e.tie&byGrant != 0:
		return tie{schedule: n.grants[e.tie&tiePlace-1].id}
	}
	return n.rare.ties[e.tie&tiePlace-1]
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
	hasRequest  right = 1 << iota // the request's id
	asRequested                   // nothing: the request's id is the grant's own
	restsOnOwn                    // nothing: it rests on the eligibility that is expected
	restsOn                       // the eligibility's id
	hasMore                       // four bytes: the place in more
	rightBits   = 5
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
)

// size is how many bytes a grant has besides.
func (r right) size() int {
	n := 0
	if r&hasRequest != 0 {
		n += idSize
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
	if n.rare.marks != nil {
		from = i / markEvery * markEvery
		at = int(n.rare.marks[i/markEvery])
	}
	for ; from < i; from++ {
		at += n.grants[from].right.size()
	}
	return n.rare.extra[at : at+n.grants[i].right.size()]
}

// request is the id of the request that made a grant.
func (n *node) request(i int) (id uid) {
	switch r := n.grants[i].right; {
	case r&asRequested != 0:
		return n.grants[i].id
	case r&hasRequest != 0:
		copy(id[:], n.extraOf(i))
	}
	return id
}

// ground is the eligibility that an activation rests on: its place among the node's grants, or -1, and its id.
func (n *node) ground(i int) (place int, id uid) {
	r := n.grants[i].right
	switch {
	case r&restsOnOwn != 0:
		place = n.expected(i)
		return place, n.grants[place].id
	case r&restsOn != 0:
		x := n.extraOf(i)
		if r&hasRequest != 0 {
			x = x[idSize:]
		}
		copy(id[:], x)
	}
	return -1, id
}

// expected is the place of the eligibility that an activation most likely rests on: of its role at its scope, or else the first of
// its role; -1: there is none.
func (n *node) expected(i int) int {
	g := &n.grants[i]
	_, eligible := n.runs(g.right.role())
	if at, to := n.within(eligible, g.scope); at < to {
		return at
	}
	if eligible.from < eligible.to {
		return eligible.from
	}
	return -1
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

// run is a stretch of a node's grants: those of one right, by scope.
type run struct{ from, to int }

// runs returns the grants of a role: those by which it is held, and behind them those by which it may be activated.
func (n *node) runs(role uint32) (held, eligible run) {
	held = n.runOf(assignmentOf(role), n.search(assignmentOf(role), 0))
	return held, n.runOf(eligibilityOf(role), held.to)
}

// runOf returns the grants of a right that begin at a place.
func (n *node) runOf(r right, from int) run {
	to := from
	for to < len(n.grants) && to-from <= fewOfRight && n.grants[to].right.plain() == r {
		to++
	}
	if to-from > fewOfRight {
		to = n.search(r+1<<rightBits, 0)
	}
	return run{from, to}
}

// fewOfRight are looked at one by one.
const fewOfRight = 8

// within returns the places of the grants at a scope.
func (n *node) within(r run, scope uint32) (from, to int) {
	from = r.from
	if r.to-r.from > fewOfRight {
		from = n.search(n.grants[from].right.plain(), scope)
	}
	for from < r.to && n.grants[from].scope < scope {
		from++
	}
	to = from
	for to < r.to && n.grants[to].scope == scope {
		to++
	}
	return from, to
}

// search returns the place of the first grant that is not before the right and scope.
func (n *node) search(r right, scope uint32) int {
	lo, hi := 0, len(n.grants)
	for key := keyOf(r, scope); lo < hi; {
		mid := int(uint(lo+hi) >> 1)
		if g := &n.grants[mid]; keyOf(g.right.plain(), g.scope) < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// keyOf is by what grants are ordered.
func keyOf(r right, scope uint32) uint64 { return uint64(r)<<32 | uint64(scope) }
