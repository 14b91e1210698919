package pim

import (
	"time"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// Action says what a request asks for. The zero value asks for nothing and is refused.
type Action int

// The actions of both kinds of requests. Stored: they may only be added to.
const (
	_ Action = iota
	AdminAssign
	AdminUpdate
	AdminRemove
	AdminExtend
	AdminRenew
	SelfActivate
	SelfDeactivate
	SelfExtend
	SelfRenew

	// Cancel, Approve and Deny are asked about a request and make none.
	Cancel
	Approve
	Deny

	// ScheduleDue and RequestDue are asked by the clock.
	ScheduleDue
	RequestDue

	// AssignOutside and RemoveOutside give and take an active assignment outside PIM, as writing to the directory does:
	// no rule of the role's policy binds them, and they make no request.
	AssignOutside
	RemoveOutside
	// Depart ends all that a case holds, because its principal, or what its scope names, leaves the directory.
	Depart

	// Aftermath is asked by the clock as soon as something has been committed that others may rest on: activations that were
	// made between its reading and its commit rest on it all the same, and fall too.
	Aftermath

	// Rerooted is asked where the tree of resources changes: activations fall whose eligibility is not above them any more.
	Rerooted
	// Realign is asked where it may have changed for whom a case's grants open which doors: those of a group open them for its
	// members, those of resources for what lies below them.
	Realign
)

// Status says how far a request has come. The zero value is none.
type Status int

// The states. Stored: they may only be added to.
const (
	_ Status = iota
	PendingApproval
	PendingAdminDecision
	// Granted: accepted, to start later.
	Granted
	// Provisioned: decided and held in Portcullis. Whether a door outside has opened is told by its effect.
	Provisioned
	Revoked
	Denied
	Canceled
	// Failed: what it needed was gone when its time came.
	Failed
	// TimedOut: nobody decided in time.
	TimedOut
)

// Open says whether a request in this state can still change.
func (s Status) Open() bool {
	switch s {
	case PendingApproval, PendingAdminDecision, Granted:
		return true
	case Provisioned, Revoked, Denied, Canceled, Failed, TimedOut:
		return false
	default:
		return false
	}
}

// Ticket is a reference into a ticket system.
type Ticket struct {
	Number, System string
	// Submitter and Approver are told by old clients and kept as they came.
	Submitter, Approver string
}

// Actor is who made an ask, as the audit log and requests remember them.
type Actor struct {
	Principal PrincipalID
	Kind      PrincipalKind
	// Name and Account are the display name, and the user principal name or application id, at that time.
	Name, Account string
	// Address is the network address the ask came from.
	Address string
	// Clock says that nobody asked: time did.
	Clock bool
}

// Request is an ask that was taken, frozen once submitted, and what became of it.
type Request struct {
	ID     RequestID
	Key    Key
	Kind   Kind
	Action Action
	Status Status
	// Asked is the schedule as it was asked for, read back as it came.
	Asked schedule.Info
	// Start is when what was asked for takes effect: the time of provisioning, or the later start. Zero while that is
	// open, and for removals.
	Start         time.Time
	Justification string
	Ticket        Ticket
	By            Actor
	Created       time.Time
	// Completed is zero until the request is done.
	Completed time.Time
	// Target is the schedule that the request made or was to make; empty for removals.
	Target ScheduleID
	// Eligibility is what an activation rests on.
	Eligibility ScheduleID
	// Condition and ConditionVersion are as they were asked for.
	Condition, ConditionVersion string
	// Approval is nil unless the request has to pass one.
	Approval *Approval
	// Maximum is the policy's maximum at the time of asking: what an approved activation may last.
	Maximum schedule.Duration
	// PolicyVersion is the version of the policy that was decided by.
	PolicyVersion int64
	// Due is when the clock asks about the request: a stage escalates or lapses. Zero: never.
	Due time.Time
}

// AsksManager says whether a stage of the request's approval is for the requestor's manager.
func (r Request) AsksManager() bool {
	if r.Approval == nil {
		return false
	}
	for _, s := range r.Approval.Stages {
		for _, a := range append(append([]policy.Approver(nil), s.Setting.Approvers...), s.Setting.Escalated...) {
			if a.Kind == policy.RequestorManager {
				return true
			}
		}
	}
	return false
}
