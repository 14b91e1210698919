package access

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/rbac"
)

// Holder is somebody who holds what was asked for.
type Holder struct {
	Principal pim.PrincipalID
	// Kind is what it is; zero: nobody has said its name.
	Kind pim.PrincipalKind
	// Until is as in Answer.
	Until time.Time
}

// Holders lists who holds a role at a scope now, directly or by groups, ordered by id: those after an id, at most limit. The
// question's principal is not looked at. It looks at each principal of the tenant shortly, and at those closely who may hold it.
func (ix *Index) Holders(now time.Time, q Question, after pim.PrincipalID, limit int) []Holder {
	s := ix.snapshot(q.Tenant)
	if s == nil {
		return nil
	}
	key := role{q.Provider, q.Role}
	number, ok := s.roles.find(s.hashRole(key), key)
	if !ok {
		return nil
	}
	var room [depth]uint32
	w := want(number, s.places(room[:0], q.Provider, q.Scope))
	gives := func(n *node) bool {
		if n.misses(&w.filter) {
			return false
		}
		held, _ := n.runs(number)
		return slices.ContainsFunc(w.places, func(scope uint32) bool {
			from, to := n.within(held, scope)
			return from < to
		})
	}
	return s.holders(gives, after, limit, func(i uint32) (time.Time, bool) {
		a := s.checkAt(now, i, &w)
		return a.Until, a.Held
	})
}

// ResourceHolders lists who may do an operation to a resource now, as Holders does.
func (ix *Index) ResourceHolders(now time.Time, q ResourceQuestion, after pim.PrincipalID, limit int) []Holder {
	s := ix.snapshot(q.Tenant)
	if s == nil {
		return nil
	}
	var room [depth]uint32
	places := s.places(room[:0], pim.Resource, q.Scope)
	gives := func(n *node) bool {
		return slices.ContainsFunc(n.grants, func(g grant) bool {
			return !g.right.eligibility() && slices.Contains(places, g.scope)
		})
	}
	return s.holders(gives, after, limit, func(i uint32) (time.Time, bool) {
		q.Principal = s.principalID(i)
		a := s.allowed(now, q)
		return a.Until, a.Verdict == rbac.Allowed
	})
}

// holders asks about everybody whose grants, or those of their groups, may give it.
func (s *snapshot) holders(gives func(*node) bool, after pim.PrincipalID, limit int, ask func(uint32) (time.Time, bool)) []Holder {
	var may []uint32
	for chunk, c := range s.chunks {
		for i, n := range c.nodes {
			if n != nil && gives(n) {
				may = append(may, uint32(chunk*chunkSize+i))
			}
		}
	}
	s.spread(slices.Clone(may), func(uint32, uint32) bool { return true }, func(i uint32) { may = append(may, i) })
	if after != "" {
		may = slices.DeleteFunc(may, func(i uint32) bool { return s.compareID(i, string(after)) <= 0 })
	}
	slices.SortFunc(may, s.byID)
	var all []Holder
	for _, i := range slices.Compact(may) {
		if len(all) >= limit {
			break
		}
		until, ok := ask(i)
		if !ok {
			continue
		}
		h := Holder{Principal: s.principalID(i), Until: until}
		if c := s.calling(i); c != nil {
			h.Kind = pim.PrincipalKind(c.kind)
		}
		all = append(all, h)
	}
	return all
}

// byID orders principals by the text of their ids: that of UUIDs goes by their bytes.
func (s *snapshot) byID(a, b uint32) int {
	x, y := s.principals.keys[a], s.principals.keys[b]
	if x.other() || y.other() {
		return cmp.Compare(s.text(x), s.text(y))
	}
	return bytes.Compare(x[:], y[:])
}

func (s *snapshot) compareID(i uint32, with string) int {
	u := s.principals.keys[i]
	if v, ok := uidOf(with); ok && !u.other() {
		return bytes.Compare(u[:], v[:])
	}
	return cmp.Compare(s.text(u), with)
}
