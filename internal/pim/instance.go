package pim

import "portcullis/internal/schedule"

// MemberType says by what way a principal has what a schedule gives.
type MemberType int

// The ways. The zero value is none.
const (
	_ MemberType = iota
	// Direct: the schedule names the principal itself.
	Direct
	// ByGroup: the principal is a member of a group that the schedule names.
	ByGroup
	// Inherited: it holds at a wider scope.
	Inherited
)

// Instance is what a schedule means for one principal: the schedule itself, or the row of a member of the group that
// it names. It is derived, never stored.
type Instance struct {
	Schedule Schedule
	// Principal is the schedule's own, or a member of that group.
	Principal PrincipalID
	Member    MemberType
	// During is the part in force at the time of asking; zero for a schedule that does not hold then.
	During schedule.Interval
}
