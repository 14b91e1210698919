package pim

import (
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// Need says which facts a decision rests on, so that a store can read them in one go.
type Need struct {
	Key Key
	// Request is the one that the ask is about; the key is then taken from it, and may be no more than the tenant.
	Request RequestID
	// Schedule is the one that the clock asks about; the key is then taken from it in the same way.
	Schedule ScheduleID
	// Actor is who asks: their groups matter where they decide.
	Actor PrincipalID
	// Clock needs the case's own schedules and requests only.
	Clock bool
	// Backing asks for the eligibilities of the principal at the scope and wider ones, of groups on the way up too.
	Backing bool
	// Dependents asks for the activations that rest on what the case holds.
	Dependents bool
	// Administrators asks for all that promise P6 is judged by.
	Administrators bool
}

// Case is everything known about one principal, role and scope when a decision is made.
type Case struct {
	Key Key
	// Version is raised by each commit. Zero: nothing is stored for this key yet.
	Version int64
	// Principal, Role and Actor are zero where they are not known.
	Principal Principal
	Role      Role
	Actor     Principal
	// ScopeKnown says that what the scope names is there. Wider are the scopes that contain it, the nearest first.
	ScopeKnown bool
	Wider      []Scope
	// Onto is the group that the scope names, where it names one.
	Onto GroupFacts
	// Fresh says that the commit which the outcome becomes a part of makes that group.
	Fresh  bool
	Policy policy.Policy
	// Schedules are those of this key: live ones, and ended ones that may still be renewed.
	Schedules []Schedule
	// Requests are the open ones of this key, and the one that the ask is about.
	Requests []Request
	// Backing are live eligibilities for the role that the principal can activate from: at this scope and wider ones,
	// own ones and those of groups.
	Backing []Backing
	// Memberships are all edges on the ways up from the principal and from the actor, each with the version of its case.
	Memberships []Membership
	// Dependents are live activations resting on eligibilities of this key and, where it is about members of a group, those
	// whose path goes by this membership; and whatever rests on those in turn.
	Dependents []Dependent
	// Administrators are the grants by which promise P6 is judged, those of this case included.
	Administrators []Standing
	// AdministratorsVersion is the version of AdministratorsKey, which every commit that P6 was judged for raises.
	AdministratorsVersion int64
	Doors                 []Door
	// Holders are the members of the group that is the principal, for Realign, each with the doors as they go by its name. The store
	// leaves it empty.
	Holders []Holder
	// Named is what has the id that the caller chose for a grant outside PIM: a schedule of whatever key, or what a request will
	// make. Nil: nothing has. The store leaves it empty.
	Named *Schedule
	// Effects are those of the case's schedules that are not gone.
	Effects []Effect
}

// Backing is an eligibility that an activation may rest on, with the version of its case.
type Backing struct {
	Schedule Schedule
	Version  int64
	// Policy binds activations from an eligibility at a wider scope of resources: that of the scope at which it is. The
	// store leaves it empty.
	Policy policy.Policy
}

// Dependent is an activation that rests on what the case holds, with what is needed to end it.
type Dependent struct {
	Schedule  Schedule
	Version   int64
	Principal Principal
	Effects   []Effect
	// Request is the one behind a planned activation, while it is open; else nil.
	Request *Request
}

// Standing is one way in which an enabled user is, or can become, Global Administrator without anybody's help.
type Standing struct {
	Schedule ScheduleID
	// Kind: eligibilities count only while the role's policy asks nobody for approval.
	Kind   Kind
	During schedule.Window
}

// Holder is somebody who holds what a group holds, by being a member now, directly or by other groups, and the account enabled.
type Holder struct {
	Principal PrincipalID
	Doors     []Door
}

// Touch names a case by its key and the version that was read.
type Touch struct {
	Key     Key
	Version int64
}
