package access

import (
	"math/bits"
	"sync/atomic"
	"time"

	"portcullis/internal/pim"
)

// walk finds the groups above a principal at an instant. It is used again and again, so that a check needs no new room.
type walk struct {
	reached []reach
	// slots hold places in reached, from one, by the number of the group, by open addressing; zero: free. Those in use are a power
	// of two, and at least twice as many as groups are reached.
	slots []uint32
	shift int
	// queue holds places whose own groups are to be looked at.
	queue []int32
	// soonest is when the first of the memberships that were met and do not hold may begin to.
	soonest int64
	// firstEnd is when the first of the ways ends.
	firstEnd int64
}

// reach is a group that was reached.
type reach struct {
	node   *node
	end    int64 // until when the way there holds: of several ways, the one that holds longest
	number uint32
	from   int32 // place of the group before it on the way; own: none
}

const fewestSlots = 32

// up fills an empty walk.
func (w *walk) up(s *snapshot, now time.Time, t int64, root uint32) {
	w.soonest, w.firstEnd = never, never
	n := s.node(root)
	w.prepare(len(n.above))
	w.step(s, n, now, t, own, never)
	for i := 0; i < len(w.queue); i++ {
		at := w.queue[i]
		r := w.reached[at]
		w.step(s, r.node, now, t, at, r.end)
	}
}

// step looks at the groups that a node is in.
func (w *walk) step(s *snapshot, n *node, now time.Time, t int64, at int32, end int64) {
	for i := range n.above {
		e := &n.above[i]
		until, ok := n.tied(e, now, t)
		if !ok {
			w.soonest = min(w.soonest, n.nextTied(e, now, t))
			continue
		}
		w.firstEnd = min(w.firstEnd, until)
		w.reach(s, e.to, at, min(end, until))
	}
}

// reach notes a way to a group. A group is looked at again only when a way is found that holds longer, which happens at
// most once for each end that a membership has; so circles end.
func (w *walk) reach(s *snapshot, number uint32, from int32, end int64) {
	slot := w.slot(number)
	if p := w.slots[slot]; p != 0 {
		if r := &w.reached[p-1]; r.end < end {
			r.from, r.end = from, end
			if len(r.node.above) > 0 {
				w.queue = append(w.queue, int32(p-1))
			}
		}
		return
	}
	n := s.node(number)
	w.reached = append(w.reached, reach{n, end, number, from})
	w.slots[slot] = uint32(len(w.reached))
	if len(n.above) > 0 {
		w.queue = append(w.queue, int32(len(w.reached)-1))
	}
	if 2*len(w.reached) >= len(w.slots) {
		w.grow()
	}
}

// slot is the one of a group, or the one that is free for it.
func (w *walk) slot(number uint32) uint32 {
	mask := uint32(len(w.slots) - 1)
	i := number * 0x9e3779b1 >> w.shift
	for {
		p := w.slots[i]
		if p == 0 || w.reached[p-1].number == number {
			return i
		}
		i = (i + 1) & mask
	}
}

// prepare makes room for so many groups to begin with.
func (w *walk) prepare(groups int) {
	n := fewestSlots
	for n <= 2*groups {
		n *= 2
	}
	if cap(w.slots) < n {
		w.slots = make([]uint32, n)
	}
	w.slots = w.slots[:n]
	w.shift = 32 - bits.TrailingZeros(uint(n))
}

func (w *walk) grow() {
	n := len(w.slots)
	clear(w.slots)
	w.prepare(n)
	for i := range w.reached {
		w.slots[w.slot(w.reached[i].number)] = uint32(i + 1)
	}
}

func (w *walk) clear() {
	clear(w.slots)
	clear(w.reached)
	w.slots, w.reached, w.queue = w.slots[:0], w.reached[:0], w.queue[:0]
}

// find returns the place of a group in reached; -1: it was not.
func (w *walk) find(number uint32) int {
	for i := range w.reached {
		if w.reached[i].number == number {
			return i
		}
	}
	return -1
}

// pool keeps walks that are not in use, for as many questions at once as are usual. A sync.Pool would lose them now and
// then, and with them the promise that a check needs no new room.
type pool struct {
	places [32]atomic.Pointer[walk]
}

func (p *pool) get() *walk {
	for i := range p.places {
		if p.places[i].Load() != nil {
			if w := p.places[i].Swap(nil); w != nil {
				return w
			}
		}
	}
	return new(walk)
}

func (p *pool) put(w *walk) {
	for i := range p.places {
		if p.places[i].CompareAndSwap(nil, w) {
			return
		}
	}
}

// groupsAbove lists the groups that a principal is in now.
func (s *snapshot) groupsAbove(now time.Time, p pim.PrincipalID) []pim.PrincipalID {
	root, ok := s.findPrincipal(p)
	if !ok || len(s.node(root).above) == 0 {
		return nil
	}
	a := s.asking(now, root)
	defer a.done()
	var ids []pim.PrincipalID
	for i := range a.above().reached {
		ids = append(ids, a.groups.reached[i].node.group().name[0])
	}
	return sortedIDs(ids)
}

// members lists who is in a group now.
func (s *snapshot) members(now time.Time, group pim.PrincipalID) []pim.PrincipalID {
	root, ok := s.findPrincipal(group)
	if !ok {
		return nil
	}
	t := now.UnixMicro()
	var ids []pim.PrincipalID
	s.spread([]uint32{root}, func(in, member uint32) bool { return s.isIn(in, member, now, t) }, func(i uint32) {
		ids = append(ids, s.principalID(i))
	})
	return sortedIDs(ids)
}

// isIn says whether somebody is directly in a group.
func (s *snapshot) isIn(group, member uint32, now time.Time, t int64) bool {
	n := s.node(member)
	for i := range n.above {
		if e := &n.above[i]; e.to == group {
			if _, ok := n.tied(e, now, t); ok {
				return true
			}
		}
	}
	return false
}

// spread visits once each principal below some by memberships that may be passed. Where there is a circle, they are visited, too.
func (s *snapshot) spread(from []uint32, pass func(group, member uint32) bool, visit func(uint32)) {
	seen := map[uint32]bool{}
	for queue := from; len(queue) > 0; queue = queue[1:] {
		g := s.node(queue[0]).group()
		if g == nil {
			continue
		}
		for _, m := range g.below {
			if !seen[m] && pass(queue[0], m) {
				seen[m] = true
				visit(m)
				queue = append(queue, m)
			}
		}
	}
}

// nextChange looks at everything that the principal has or will have anything to do with: more than decides, never less.
func (s *snapshot) nextChange(now time.Time, p pim.PrincipalID) time.Time {
	root, ok := s.findPrincipal(p)
	if !ok {
		return time.Time{}
	}
	t := now.UnixMicro()
	next := int64(never)
	seen := map[uint32]bool{root: true}
	for queue := []uint32{root}; len(queue) > 0; queue = queue[1:] {
		n := s.node(queue[0])
		for i := range n.grants {
			next = min(next, n.next(i, now, t))
		}
		for i := range n.above {
			e := &n.above[i]
			next = min(next, n.nextTied(e, now, t))
			if e.start < e.end && t < e.end && !seen[e.to] {
				seen[e.to] = true
				queue = append(queue, e.to)
			}
		}
	}
	return instant(next)
}
