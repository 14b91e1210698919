package pim

import "time"

// Activity says what an audit event tells. Dialects and exports give it their names.
type Activity int

// The activities. Stored: they may only be added to.
const (
	_ Activity = iota
	// Requested: a request was taken.
	Requested
	// ApprovalRequested: a stage of an approval was opened.
	ApprovalRequested
	// Approved and DeniedByApprover: an approver answered.
	Approved
	DeniedByApprover
	// CompletedRequest: the schedule of a request holds, or its removal is done.
	CompletedRequest
	// CanceledRequest: withdrawn, or refused by an administrator.
	CanceledRequest
	// LapsedRequest: nobody decided in time.
	LapsedRequest
	// FailedRequest: what it needed was gone.
	FailedRequest
	// Refused: an ask was refused; nothing changed.
	Refused
	// Started and Ended: the clock found that a schedule began or ceased to hold.
	Started
	Ended
	// EndIsNear: the end of a schedule is fourteen days or one day away.
	EndIsNear
	// Escalated: a stage asks its escalation approvers too.
	EscalatedApproval
	// PolicyChanged: the rules of a role were edited.
	PolicyChanged
	// DoorOpened and DoorClosed: reading the target back proved an effect.
	DoorOpened
	DoorClosed
	// DoorStuck: an effect cannot be carried out.
	DoorStuck
	// AssignedOutside: a grant was made outside PIM.
	AssignedOutside
	// DirectoryChanged: a user, group, unit or application was made, changed or deleted.
	DirectoryChanged
	// TenantCreated: the tenant began.
	TenantCreated
	// RemovedOutside: a grant was taken outside PIM.
	RemovedOutside
	// MailStuck: a notice cannot be sent.
	MailStuck
	// ChangedOutside: the condition or the description of a grant made outside PIM was changed.
	ChangedOutside
	// DoorsAligned: who is in a group, or what lies where in the tree of resources, has changed, so that a grant opens doors that it
	// did not open, or no longer those that it did. DoorOpened and DoorClosed tell of each.
	DoorsAligned
)

// Event is one entry of the audit log. It is committed together with what it tells (promise P1).
type Event struct {
	ID       EventID
	Tenant   TenantID
	At       time.Time
	Activity Activity
	// Success is false for refusals and failures.
	Success bool
	// Reason is the justification of the request, or the reason of the failure.
	Reason string
	By     Actor
	// Request ties all events of one request together.
	Request  RequestID
	Action   Action
	Kind     Kind
	Key      Key
	Schedule ScheduleID
	// Principal and Role name who and what it was about at that time.
	Principal Principal
	RoleName  string
	// Start and End are the window that the event tells of, where it tells of one. End zero: no end.
	Start, End time.Time
	Ticket     Ticket
	// Details are further facts in a fixed order: name, value, name, value; those of DirectoryChanged are ChangeDetails.
	Details []string
}
