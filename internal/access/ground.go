package access

import "portcullis/internal/pim"

// Ground is the schedule by which something is held. The zero value: it is not held. Ids are put into words when they are asked
// for, so that a check needs no room.
type Ground struct {
	from  *snapshot
	node  *node
	place int
}

// Schedule is the schedule's id.
func (g Ground) Schedule() pim.ScheduleID { return pim.ScheduleID(g.text(g.schedule())) }

// Eligibility is the id of the one that an activation rests on; empty for other schedules.
func (g Ground) Eligibility() pim.ScheduleID { return pim.ScheduleID(g.text(g.eligibility())) }

// Request is the id of the one that made the schedule; empty for a grant made outside PIM.
func (g Ground) Request() pim.RequestID { return pim.RequestID(g.text(g.request())) }

// AppendSchedule appends what Schedule returns.
func (g Ground) AppendSchedule(to []byte) []byte { return g.append(to, g.schedule()) }

// AppendEligibility appends what Eligibility returns.
func (g Ground) AppendEligibility(to []byte) []byte { return g.append(to, g.eligibility()) }

// AppendRequest appends what Request returns.
func (g Ground) AppendRequest(to []byte) []byte { return g.append(to, g.request()) }

func (g Ground) schedule() uid {
	if g.node == nil {
		return uid{}
	}
	return g.node.grants[g.place].id
}

func (g Ground) eligibility() uid {
	if g.node == nil {
		return uid{}
	}
	_, id := g.node.ground(g.place)
	return id
}

func (g Ground) request() uid {
	if g.node == nil {
		return uid{}
	}
	return g.node.request(g.place)
}

func (g Ground) text(u uid) string {
	if u == (uid{}) {
		return ""
	}
	return g.from.text(u)
}

func (g Ground) append(to []byte, u uid) []byte {
	if u == (uid{}) {
		return to
	}
	return g.from.append(to, u)
}
