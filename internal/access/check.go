package access

import (
	"cmp"
	"slices"
	"time"

	"portcullis/internal/pim"
)

// asking is one question being answered about one principal.
type asking struct {
	*snapshot
	now  time.Time
	t    int64 // now
	root uint32
	// groups is nil until the groups above the root are needed.
	groups *walk
	// soonest is when the first of what was found not to hold may begin to.
	soonest int64
}

func (s *snapshot) asking(now time.Time, root uint32) asking {
	return asking{snapshot: s, now: now, t: now.UnixMicro(), root: root, soonest: never}
}

// above walks to the groups, once. Walks are kept, because most questions about members of groups need one for a moment.
func (a *asking) above() *walk {
	if a.groups == nil {
		a.groups = a.walks.get()
		a.groups.up(a.snapshot, a.now, a.t, a.root)
		a.soonest = min(a.soonest, a.groups.soonest)
	}
	return a.groups
}

func (a *asking) done() {
	if a.groups != nil {
		a.groups.clear()
		a.walks.put(a.groups)
		a.groups = nil
	}
}

// found is the best answer so far.
type found struct {
	held   bool
	reason Reason
	end    int64
	node   *node // has the grant
	place  int   // of the grant
	at     int   // place in the walk of the group that has the grant; own: the principal itself
}

const own = -1

func (s *snapshot) check(now time.Time, q Question) Answer {
	root, ok := s.findPrincipal(q.Principal)
	if !ok {
		return Answer{}
	}
	key := role{q.Provider, q.Role}
	number, ok := s.roles.find(s.hashRole(key), key)
	if !ok {
		return Answer{}
	}
	var room [depth]uint32
	w := want(number, s.places(room[:0], q.Provider, q.Scope))
	return s.checkAt(now, root, &w)
}

// checkAt answers a question about a role at scopes.
func (s *snapshot) checkAt(now time.Time, root uint32, w *wanted) Answer {
	a := s.asking(now, root)
	defer a.done()
	var best found
	n := s.node(root)
	if !n.misses(&w.filter) {
		a.consider(&best, n, w, never, own)
	}
	if !best.held && len(n.above) > 0 {
		reached := a.above().reached
		for i := range reached {
			if r := &reached[i]; !r.node.misses(&w.filter) {
				a.consider(&best, r.node, w, r.end, i)
			}
		}
	}
	return a.answer(best)
}

// consider looks at a node's grants of one role at scopes, for somebody who is what the node is until end.
func (a *asking) consider(best *found, n *node, w *wanted, end int64, at int) {
	held, eligible := n.runs(w.role)
	if held.from == eligible.to {
		return
	}
	for _, scope := range w.places {
		for i, to := n.within(held, scope); i < to; i++ {
			best.take(a.measure(n, i, end, at))
		}
		if best.held || best.reason >= NotActivated {
			continue
		}
		for i, to := n.within(eligible, scope); i < to; i++ {
			if _, ok := n.holds(i, a.now, a.t); ok {
				best.take(found{reason: NotActivated})
			}
		}
	}
}

// take keeps the better of both: what is held longer, else what is nearer to being held.
func (best *found) take(f found) {
	switch {
	case f.held && (!best.held || f.end > best.end):
		*best = f
	case !f.held && !best.held && f.reason > best.reason:
		*best = f
	}
}

// measure says what an assignment is worth now.
func (a *asking) measure(n *node, i int, until int64, at int) found {
	end, ok := n.holds(i, a.now, a.t)
	if !ok {
		a.soonest = min(a.soonest, n.next(i, a.now, a.t))
		if a.t < n.grants[i].end {
			return found{reason: Later}
		}
		return found{reason: Over}
	}
	reason := ByAssignment
	if n.grants[i].right.activated() {
		rest, ok := a.rest(n, i, at)
		if !ok {
			return found{reason: Undermined}
		}
		end, reason = min(end, rest), ByActivation
	}
	return found{held: true, end: min(end, until), node: n, place: i, at: at, reason: reason}
}

// rest says until when that on which an activation rests holds: its eligibility, and each membership on the way to the
// group that has it. A group's activation rests on what that group is a member of.
func (a *asking) rest(n *node, i, at int) (end int64, ok bool) {
	place, id := n.ground(i)
	if place >= 0 {
		return a.restOn(n, place, &n.grants[i])
	}
	if place := n.eligibility(id, n.grants[i].right.role()); place >= 0 {
		return a.restOn(n, place, &n.grants[i])
	}
	if at == own {
		return a.restAbove(id, &n.grants[i])
	}
	of := a.asking(a.now, a.above().reached[at].number)
	defer of.done()
	end, ok = of.restAbove(id, &n.grants[i])
	a.soonest = min(a.soonest, of.soonest)
	return end, ok
}

// restOn says until when an eligibility holds that an activation rests on.
func (a *asking) restOn(n *node, eligibility int, g *grant) (end int64, ok bool) {
	if !a.covers(&n.grants[eligibility], g) {
		return 0, false
	}
	if end, ok = n.holds(eligibility, a.now, a.t); !ok {
		a.soonest = min(a.soonest, n.next(eligibility, a.now, a.t))
	}
	return end, ok
}

// restAbove looks for the eligibility among those of the groups above the root.
func (a *asking) restAbove(id uid, g *grant) (end int64, ok bool) {
	if len(a.node(a.root).above) == 0 {
		return 0, false
	}
	for _, r := range a.above().reached {
		if i := r.node.eligibility(id, g.right.role()); i >= 0 {
			end, ok := a.restOn(r.node, i, g)
			return min(end, r.end), ok
		}
	}
	return 0, false
}

// covers says whether an eligibility contains the scope of an activation that rests on it: what was moved in the tree of
// resources since may lie elsewhere.
func (s *snapshot) covers(e, g *grant) bool {
	if e.scope == g.scope || e.scope == everywhere || s.roles.keys[g.right.role()].provider != pim.Resource {
		return true
	}
	wide := s.scopes.keys[e.scope]
	for at := range s.tree.upwards(s.scopes.keys[g.scope]) {
		if at == wide {
			return true
		}
	}
	return false
}

// eligibility is the place of an eligibility of a role; none: -1.
func (n *node) eligibility(id uid, number uint32) int {
	if n.roles&roleBit(number) == 0 {
		return -1
	}
	r := eligibilityOf(number)
	for i := n.search(r, 0); i < len(n.grants) && n.grants[i].right.plain() == r; i++ {
		if n.grants[i].id == id {
			return i
		}
	}
	return -1
}

func (a *asking) answer(f found) Answer {
	if !f.held {
		return Answer{Reason: f.reason, Next: instant(a.soonest)}
	}
	out := Answer{Held: true, Until: instant(f.end), Reason: f.reason, Ground: Ground{a.snapshot, f.node, f.place}}
	out.Scope = a.scopes.keys[f.node.grants[f.place].scope]
	if f.at != own {
		out.Via = a.way(f.at)
	}
	return out
}

// way returns the groups from the principal to a place in the walk. One group is a way that the group itself keeps, so
// that the most usual way needs no room of its own.
func (a *asking) way(at int) []pim.PrincipalID {
	reached := a.above().reached
	if r := &reached[at]; r.from == own {
		return r.node.group().name
	}
	var way []pim.PrincipalID
	for ; at != own; at = int(reached[at].from) {
		way = append(way, reached[at].node.group().name[0])
	}
	slices.Reverse(way)
	return way
}

func (s *snapshot) held(now time.Time, p pim.PrincipalID) []pim.HeldRole {
	root, ok := s.findPrincipal(p)
	if !ok {
		return nil
	}
	a := s.asking(now, root)
	defer a.done()
	type place struct{ role, scope uint32 }
	ends := map[place]int64{}
	collect := func(n *node, until int64, at int) {
		for i := range n.grants {
			g := &n.grants[i]
			if g.right.eligibility() {
				continue
			}
			f := a.measure(n, i, until, at)
			k := place{g.right.role(), g.scope}
			if end, there := ends[k]; f.held && (!there || f.end > end) {
				ends[k] = f.end
			}
		}
	}
	n := s.node(root)
	collect(n, never, own)
	if len(n.above) > 0 {
		for i, r := range a.above().reached {
			collect(r.node, r.end, i)
		}
	}
	roles := make([]pim.HeldRole, 0, len(ends))
	for k, end := range ends {
		r := s.roles.keys[k.role]
		roles = append(roles, pim.HeldRole{Provider: r.provider, Role: r.id, Scope: s.scopes.keys[k.scope], Until: instant(end)})
	}
	slices.SortFunc(roles, func(a, b pim.HeldRole) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Scope, b.Scope))
	})
	return roles
}
