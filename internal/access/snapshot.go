package access

import (
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// snapshot is all that is known of one tenant at one commit. It is never changed once published.
type snapshot struct {
	names
	// chunks hold the nodes by number, so that a change copies few of them.
	chunks []*chunk
	walks  *pool
	// tree is what is known of resources; never nil.
	tree   *tree
	called map[pim.PrincipalID]*Name
	// grants is how many there are.
	grants int
	// groups is how many principals have or had members.
	groups uint32
	// edit numbers the snapshot: what bears its number was made for it.
	edit uint64
}

const chunkSize = 256

type chunk struct {
	edit  uint64
	nodes [chunkSize]*node
}

// node is one principal.
type node struct {
	grants []grant // ordered by right and scope, the earliest first
	above  []edge  // the groups it is a member of
	below  []edge  // its members
	edit   uint64
	group  uint32 // numbers the groups from one; zero: has no members
}

func (n *node) up() []edge   { return n.above }
func (n *node) down() []edge { return n.below }

// edge is one end of a membership.
type edge struct {
	to uint32
	// recurs says that the span is only the outermost bound.
	recurs bool
	span
	by *by // nil for a membership that follows from no schedule and does not recur; both ends share it
}

// by is what is looked at of few edges on the way of a question.
type by struct {
	schedule pim.ScheduleID
	window   *schedule.Window // set for memberships that recur
}

// same says whether an edge follows from a schedule.
func (e *edge) same(s pim.ScheduleID) bool {
	if e.by == nil {
		return s == ""
	}
	return e.by.schedule == s
}

// holds says until when the membership holds, if it holds.
func (e *edge) holds(now time.Time, t int64) (end int64, ok bool) {
	if !e.contains(t) {
		return 0, false
	}
	if !e.recurs {
		return e.end, true
	}
	in, ok := e.by.window.At(now)
	return min(e.end, micros(in.End, never)), ok
}

// next is the first instant after now at which the membership begins or ceases to hold.
func (e *edge) next(now time.Time, t int64) int64 {
	if !e.recurs {
		return e.span.next(t)
	}
	if at, ok := e.by.window.NextChange(now); ok {
		return at.UnixMicro()
	}
	return never
}

// right is the number of a role, and whether it is held or may be activated.
type right uint32

func assignmentOf(role uint32) right  { return right(role) << 1 }
func eligibilityOf(role uint32) right { return right(role)<<1 | 1 }

func (r right) eligibility() bool { return r&1 == 1 }
func (r right) role() uint32      { return uint32(r >> 1) }

// grant is one schedule.
type grant struct {
	right right
	scope uint32
	span
	id      pim.ScheduleID
	request pim.RequestID
	more    *more // nil for most
}

// more is what few grants have.
type more struct {
	// window is set for grants that recur: the span is then only the outermost bound.
	window *schedule.Window
	// activated says that the grant rests on an eligibility.
	activated   bool
	eligibility pim.ScheduleID
	// condition narrows what the role gives; nil: nothing does. One that cannot be read lets nothing pass.
	condition *abac.Condition
}

// holds says until when the grant holds by itself, if it holds.
func (g *grant) holds(now time.Time, t int64) (end int64, ok bool) {
	if !g.contains(t) {
		return 0, false
	}
	if g.more == nil || g.more.window == nil {
		return g.end, true
	}
	in, ok := g.more.window.At(now)
	return min(g.end, micros(in.End, never)), ok
}

func (g *grant) activated() bool { return g.more != nil && g.more.activated }

// next is the first instant after now at which the grant begins or ceases to hold.
func (g *grant) next(now time.Time, t int64) int64 {
	if g.more == nil || g.more.window == nil {
		return g.span.next(t)
	}
	if at, ok := g.more.window.NextChange(now); ok {
		return at.UnixMicro()
	}
	return never
}

// node returns what is known of a principal: whoever has a number has a node.
func (s *snapshot) node(i uint32) *node { return s.chunks[i/chunkSize].nodes[i%chunkSize] }

// run returns the grants of a right at a scope.
func (n *node) run(r right, scope uint32) []grant {
	from := n.search(r, scope)
	to := from
	for to < len(n.grants) && n.grants[to].right == r && n.grants[to].scope == scope {
		to++
	}
	return n.grants[from:to]
}

// runAnywhere returns the grants of a right at all scopes.
func (n *node) runAnywhere(r right) []grant {
	from := n.search(r, 0)
	to := from
	for to < len(n.grants) && n.grants[to].right == r {
		to++
	}
	return n.grants[from:to]
}

// knows says whether there is any grant of the role.
func (n *node) knows(role uint32) bool {
	i := n.search(assignmentOf(role), 0)
	return i < len(n.grants) && n.grants[i].right <= eligibilityOf(role)
}

// search returns the place of the first grant that is not before the right and scope.
func (n *node) search(r right, scope uint32) int {
	lo, hi := 0, len(n.grants)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if g := &n.grants[mid]; g.right < r || g.right == r && g.scope < scope {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
