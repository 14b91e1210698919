package access

import (
	"sync/atomic"
	"time"

	"portcullis/internal/pim"
)

// walk finds the groups above a principal at an instant. It is used again and again, so that a check needs no new room.
type walk struct {
	reached []reach
	// place holds, by the number of the group, its place in reached, from one; zero: not reached.
	place []uint32
	// queue holds places whose own groups are to be looked at; own: the principal itself.
	queue []int32
}

// reach is a group that was reached.
type reach struct {
	node, group uint32
	from        int32 // place of the group before it on the way; own: none
	end         int64 // until when the way there holds: of several ways, the one that holds longest
}

// up fills an empty walk.
func (w *walk) up(s *snapshot, now time.Time, t int64, root uint32) {
	if need := int(s.groups) + 1; len(w.place) < need {
		w.place = make([]uint32, need+need/4)
	}
	w.queue = append(w.queue, own)
	for i := 0; i < len(w.queue); i++ {
		at, n, end := w.queue[i], root, int64(never)
		if at != own {
			n, end = w.reached[at].node, w.reached[at].end
		}
		above := s.node(n).above
		for i := range above {
			e := &above[i]
			if until, ok := e.holds(now, t); ok {
				w.reach(e.to, s.node(e.to).group, at, min(end, until))
			}
		}
	}
}

// reach notes a way to a group. A group is looked at again only when a way is found that holds longer, which happens at
// most once for each end that a membership has; so circles end.
func (w *walk) reach(n, group uint32, from int32, end int64) {
	if p := w.place[group]; p != 0 {
		if r := &w.reached[p-1]; r.end < end {
			r.from, r.end = from, end
			w.queue = append(w.queue, int32(p-1))
		}
		return
	}
	w.reached = append(w.reached, reach{n, group, from, end})
	w.place[group] = uint32(len(w.reached))
	w.queue = append(w.queue, int32(len(w.reached)-1))
}

func (w *walk) clear() {
	for _, r := range w.reached {
		w.place[r.group] = 0
	}
	w.reached, w.queue = w.reached[:0], w.queue[:0]
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

// related lists all principals that a principal is connected with now, one step after the other.
func (s *snapshot) related(now time.Time, p pim.PrincipalID, step func(*node) []edge) []pim.PrincipalID {
	root, ok := s.findPrincipal(p)
	if !ok {
		return nil
	}
	t := now.UnixMicro()
	var ids []pim.PrincipalID
	pass := func(e *edge) bool {
		_, ok := e.holds(now, t)
		return ok
	}
	s.spread(root, step, pass, func(i uint32) {
		ids = append(ids, s.principals.keys[i])
	})
	return sortedIDs(ids)
}

// spread visits once each node that can be reached by edges that may be passed.
func (s *snapshot) spread(root uint32, step func(*node) []edge, pass func(*edge) bool, visit func(uint32)) {
	seen := map[uint32]bool{}
	for queue := []uint32{root}; len(queue) > 0; queue = queue[1:] {
		edges := step(s.node(queue[0]))
		for i := range edges {
			e := &edges[i]
			if !seen[e.to] && pass(e) {
				seen[e.to] = true
				visit(e.to)
				queue = append(queue, e.to)
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
	look := func(i uint32) {
		n := s.node(i)
		for i := range n.grants {
			next = min(next, n.grants[i].next(now, t))
		}
		for i := range n.above {
			next = min(next, n.above[i].next(now, t))
		}
	}
	again := false
	s.spread(root, (*node).up, func(e *edge) bool { return e.start < e.end && t < e.end }, func(i uint32) {
		again = again || i == root
		look(i)
	})
	if !again {
		look(root)
	}
	return instant(next)
}
