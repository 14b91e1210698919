package access

import "portcullis/internal/pim"

// Ground is the schedule by which something is held. The zero value: it is not held. Ids are put into words when they are asked
// for, so that a check needs no room.
type Ground struct{ grant *grant }

// Schedule is the schedule's id.
func (g Ground) Schedule() pim.ScheduleID {
	if g.grant == nil {
		return ""
	}
	return g.grant.id
}

// Eligibility is the one that an activation rests on; empty for other schedules.
func (g Ground) Eligibility() pim.ScheduleID {
	if g.grant == nil || g.grant.more == nil {
		return ""
	}
	return g.grant.more.eligibility
}

// Request is the one that made the schedule; empty for a grant made outside PIM.
func (g Ground) Request() pim.RequestID {
	if g.grant == nil {
		return ""
	}
	return g.grant.request
}
