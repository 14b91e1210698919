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
}

// above walks to the groups, once. Walks are kept, because most questions about members of groups need one for a moment.
func (a *asking) above() *walk {
	if a.groups == nil {
		a.groups = a.walks.get()
		a.groups.up(a.snapshot, a.now, a.t, a.root)
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
	end    int64
	grant  *grant
	at     int // place in the walk of the group that has the grant; own: the principal itself
	reason Reason
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
	places := s.places(room[:0], q.Provider, q.Scope)
	a := asking{snapshot: s, now: now, t: now.UnixMicro(), root: root}
	defer a.done()
	var best found
	look := func(n *node, end int64, at int) {
		for _, scope := range places {
			a.consider(&best, n, number, scope, end, at)
		}
	}
	n := s.node(root)
	if n.knows(number) {
		look(n, never, own)
	}
	if !best.held && len(n.above) > 0 {
		for i, r := range a.above().reached {
			if n := s.node(r.node); n.knows(number) {
				look(n, r.end, i)
			}
		}
	}
	return a.answer(best)
}

// consider looks at a node's grants of one role at one scope, for somebody who is what the node is until end.
func (a *asking) consider(best *found, n *node, number, scope uint32, end int64, at int) {
	grants := n.run(assignmentOf(number), scope)
	for i := range grants {
		best.take(a.measure(&grants[i], number, end, at))
	}
	if best.held || best.reason >= NotActivated {
		return
	}
	eligible := n.run(eligibilityOf(number), scope)
	for i := range eligible {
		if _, ok := eligible[i].holds(a.now, a.t); ok {
			best.take(found{reason: NotActivated})
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
func (a *asking) measure(g *grant, number uint32, until int64, at int) found {
	end, ok := g.holds(a.now, a.t)
	if !ok {
		if a.t < g.end {
			return found{reason: Later}
		}
		return found{reason: Over}
	}
	reason := ByAssignment
	if g.activated() {
		rest, ok := a.rest(g, number, at)
		if !ok {
			return found{reason: Undermined}
		}
		end, reason = min(end, rest), ByActivation
	}
	return found{held: true, end: min(end, until), grant: g, at: at, reason: reason}
}

// rest says until when that on which an activation rests holds: its eligibility, and each membership on the way to the
// group that has it. A group's activation rests on what that group is a member of.
func (a *asking) rest(g *grant, number uint32, at int) (end int64, ok bool) {
	if at == own {
		return a.restOf(g, number)
	}
	of := asking{snapshot: a.snapshot, now: a.now, t: a.t, root: a.above().reached[at].node}
	defer of.done()
	return of.restOf(g, number)
}

func (a *asking) restOf(g *grant, number uint32) (end int64, ok bool) {
	n := a.node(a.root)
	if e := n.eligibility(g.more.eligibility, number); e != nil {
		if !a.covers(e, g) {
			return 0, false
		}
		return e.holds(a.now, a.t)
	}
	if len(n.above) == 0 {
		return 0, false
	}
	for _, r := range a.above().reached {
		if e := a.node(r.node).eligibility(g.more.eligibility, number); e != nil {
			if !a.covers(e, g) {
				return 0, false
			}
			end, ok := e.holds(a.now, a.t)
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

func (n *node) eligibility(id pim.ScheduleID, number uint32) *grant {
	grants := n.runAnywhere(eligibilityOf(number))
	for i := range grants {
		if grants[i].id == id {
			return &grants[i]
		}
	}
	return nil
}

func (a *asking) answer(f found) Answer {
	if !f.held {
		return Answer{Reason: f.reason}
	}
	out := Answer{Held: true, Until: instant(f.end), Reason: f.reason, Scope: a.scopes.keys[f.grant.scope], Ground: Ground{f.grant}}
	if f.at != own {
		out.Via = a.way(f.at)
	}
	return out
}

// way returns the groups from the principal to a place in the walk. One group is a part of the list of all names, so
// that the most usual way needs no room of its own.
func (a *asking) way(at int) []pim.PrincipalID {
	reached := a.above().reached
	if r := reached[at]; r.from == own {
		return a.principals.keys[r.node : r.node+1 : r.node+1]
	}
	var way []pim.PrincipalID
	for ; at != own; at = int(reached[at].from) {
		way = append(way, a.principals.keys[reached[at].node])
	}
	slices.Reverse(way)
	return way
}

func (s *snapshot) held(now time.Time, p pim.PrincipalID) []pim.HeldRole {
	root, ok := s.findPrincipal(p)
	if !ok {
		return nil
	}
	a := asking{snapshot: s, now: now, t: now.UnixMicro(), root: root}
	defer a.done()
	type place struct{ role, scope uint32 }
	ends := map[place]int64{}
	collect := func(n *node, until int64, at int) {
		for i := range n.grants {
			g := &n.grants[i]
			if g.right.eligibility() {
				continue
			}
			f := a.measure(g, g.right.role(), until, at)
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
			collect(s.node(r.node), r.end, i)
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
