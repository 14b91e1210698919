package policy

import (
	"maps"
	"slices"
)

// Clone returns rules that share nothing with r, so that an edit in place leaves r as it is.
func (r Rules) Clone() Rules {
	for _, s := range []*Set{&r.AdminEligibility, &r.AdminAssignment, &r.EndUserAssignment} {
		s.Expiration.Exceptions = slices.Clone(s.Expiration.Exceptions)
		for _, to := range []Recipient{ToAdmins, ToRequestor, ToApprovers} {
			n := s.Notifications.For(to)
			n.Recipients = slices.Clone(n.Recipients)
		}
	}
	r.Kept = maps.Clone(r.Kept)
	r.PIMOnly.Excluded = slices.Clone(r.PIMOnly.Excluded)
	r.Approval.Stages = slices.Clone(r.Approval.Stages)
	for i := range r.Approval.Stages {
		s := &r.Approval.Stages[i]
		s.Approvers, s.Escalated = slices.Clone(s.Approvers), slices.Clone(s.Escalated)
	}
	return r
}
