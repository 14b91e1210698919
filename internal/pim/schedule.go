package pim

import (
	"time"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// Kind says whether a schedule lets a principal activate a role or have it. The zero value is neither.
type Kind int

// The kinds of schedules and requests. Stored: they may only be added to.
const (
	_ Kind = iota
	Eligibility
	Assignment
)

// AssignmentType says how an assignment came about.
type AssignmentType int

// The types of assignments; eligibilities are always Assigned. Stored: they may only be added to.
const (
	_ AssignmentType = iota
	// Assigned by an administrator.
	Assigned
	// Activated by the principal, out of an eligibility.
	Activated
)

// Ending says why a schedule is over. The zero value: it is not.
type Ending int

// The reasons. Stored: they may only be added to.
const (
	NotEnded Ending = iota
	// Expired: its own end came. It may be renewed for thirty days.
	Expired
	// Removed by an administrator or, for activations, deactivated by the principal.
	Removed
	// Replaced by a schedule with other times.
	Replaced
	// Undermined: what it rested on is gone, such as the eligibility of an activation.
	Undermined
	// Departed: its principal, or what its scope names, has left the directory.
	Departed
)

// Schedule is an eligibility or an assignment with its whole time span: a grant is an interval. What it means at an
// instant is computed from its window and from what it rests on; nothing has to happen for it to end.
type Schedule struct {
	ID   ScheduleID
	Key  Key
	Kind Kind
	Type AssignmentType
	// Window is when the schedule holds: never longer than what it rests on allowed when it was made (promise P2).
	Window schedule.Window
	// Request is the one that made the schedule; empty for a grant made outside PIM.
	Request RequestID
	// Eligibility is the schedule that an activation rests on, and Via the groups between its principal and ours, the
	// nearest first.
	Eligibility ScheduleID
	Via         []PrincipalID
	// Condition narrows what the grant gives, for roles of resources; see package abac. Empty: nothing is narrowed.
	Condition, ConditionVersion string
	// Description is free text of a grant made outside PIM. CreatedBy is who asked for the grant, where that is kept;
	// ModifiedBy is who changed one made outside PIM.
	Description           string
	CreatedBy, ModifiedBy PrincipalID
	Created               time.Time
	// Modified is zero until a change.
	Modified time.Time
	Ending   Ending
	// Ended is the instant from which an ended schedule holds no more.
	Ended time.Time
	// Open says whether the clock's last ask found the schedule holding: the state that effects were told.
	Open bool
	// Due is when the clock asks next: the next change of the window or the next reminder. Zero: never.
	Due time.Time
}

// GoesBy says whether the schedule is an activation whose path from its principal to what it rests on goes by a membership
// of the member in the group.
func (s Schedule) GoesBy(member, group PrincipalID) bool {
	if s.Type != Activated {
		return false
	}
	at := s.Key.Principal
	for _, g := range s.Via {
		if at == member && g == group {
			return true
		}
		at = g
	}
	return false
}

// Membership returns who is made a member of which group; false if the schedule is anything else.
func (s Schedule) Membership() (Membership, bool) {
	if s.Kind != Assignment || !s.Key.membership() {
		return Membership{}, false
	}
	return Membership{Group: PrincipalID(s.Key.Scope), Member: s.Key.Principal, Schedule: s.ID, Window: s.Window}, true
}

// Live says whether the schedule is not ended: it holds, or will hold.
func (s Schedule) Live(now time.Time) bool {
	return s.Ending == NotEnded && !s.Window.Over(now)
}

// Holds says whether the schedule holds at an instant, by itself. What it rests on is asked of the access index.
func (s Schedule) Holds(now time.Time) bool {
	return s.Ending == NotEnded && s.Window.Contains(now)
}

// EndsSoonest is the first instant at which somebody may end what holds at an instant: what has started runs for
// policy.MinimumDuration at least. Zero: nothing runs then.
func (s Schedule) EndsSoonest(now time.Time) time.Time {
	run, ok := s.Window.At(now)
	if !ok {
		return time.Time{}
	}
	return run.Start.Add(policy.MinimumDuration)
}

// End is the last instant of the whole span: the earlier of the window's end and the actual end. Zero: none.
func (s Schedule) End() time.Time {
	if s.Ending != NotEnded && (s.Window.End.IsZero() || s.Ended.Before(s.Window.End)) {
		return s.Ended
	}
	return s.Window.End
}
