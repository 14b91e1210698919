package access

import (
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
// question's principal is not looked at.
func (ix *Index) Holders(now time.Time, q Question, after pim.PrincipalID, limit int) []Holder {
	s := ix.snapshot(q.Tenant)
	if s == nil {
		return nil
	}
	return s.holders(after, limit, func(p pim.PrincipalID) (time.Time, bool) {
		q.Principal = p
		a := s.check(now, q)
		return a.Until, a.Held
	})
}

// ResourceHolders lists who may do an operation to a resource now, as Holders does.
func (ix *Index) ResourceHolders(now time.Time, q ResourceQuestion, after pim.PrincipalID, limit int) []Holder {
	s := ix.snapshot(q.Tenant)
	if s == nil {
		return nil
	}
	return s.holders(after, limit, func(p pim.PrincipalID) (time.Time, bool) {
		q.Principal = p
		a := s.allowed(now, q)
		return a.Until, a.Verdict == rbac.Allowed
	})
}

func (s *snapshot) holders(after pim.PrincipalID, limit int, ask func(pim.PrincipalID) (time.Time, bool)) []Holder {
	var all []Holder
	for _, p := range slices.Sorted(slices.Values(s.principals.keys)) {
		if len(all) >= limit {
			break
		}
		if until, ok := ask(p); ok && p > after {
			all = append(all, Holder{Principal: p, Until: until})
		}
	}
	return all
}
