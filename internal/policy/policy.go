// Package policy says what a role demands of those who are assigned to it or activate it.
//
// A policy belongs to one role at one scope and holds seventeen rules under fixed names (reference graph-pim §11.2):
// how long a grant may last, what must be proved or said, who must approve, and who is told. The package is pure: it
// holds rules, their defaults and the test that a changed policy still makes sense. What follows from a rule for a
// given request is decided in package pim.
package policy

import (
	"time"

	"portcullis/internal/schedule"
)

// Level says which of the two kinds of grant a rule binds.
type Level int

// The two levels. The zero value is neither.
const (
	_ Level = iota
	Eligibility
	Assignment
)

// Side says whose request a rule set binds: an administrator's or the person's own.
type Side int

// The two sides. The zero value is neither.
const (
	_ Side = iota
	Admin
	EndUser
)

// Policy is the rules of one role, with its version.
type Policy struct {
	// ID is the last part of the policy's address in every dialect: a UUID that never changes.
	ID string
	// Version grows by one with each edit. Zero: never edited, and not stored yet.
	Version int64
	// Modified and ModifiedBy tell the last edit; zero for a policy that was never edited.
	Modified       time.Time
	ModifiedBy     string
	ModifiedByName string
	Rules          Rules
}

// Rules are the seventeen rules. Admins make people eligible or active, end users activate: the fourth combination
// (an end user's eligibility) does not exist in any dialect.
type Rules struct {
	AdminEligibility  Set
	AdminAssignment   Set
	EndUserAssignment Set
	// Approval and Context bind activation only.
	Approval Approval
	Context  Context
	// PIMOnly binds grants outside PIM, of roles of resources only.
	PIMOnly PIMOnly
	// Kept are settings that older dialects send and read back, and that bind nothing, by what these call them.
	Kept map[string]string
}

// Set is the five rules that exist for each combination of side and level.
type Set struct {
	Expiration    Expiration
	Enablement    Enablement
	Notifications Notifications
}

// Expiration bounds how long a grant may last.
type Expiration struct {
	// Required forbids grants without an end. Where it is false the maximum binds nothing for administrators.
	Required bool
	// Maximum is the longest span, measured on the calendar from the grant's start. Zero: no maximum.
	Maximum schedule.Duration
	// Exceptions are people and groups, with everybody in them, whom the rule does not bind. Their activations end all the
	// same, within LongestActivation.
	Exceptions []UserSet
}

// Enablement lists what must be proved or said.
type Enablement struct {
	MFA           bool
	Justification bool
	Ticketing     bool
}

// Context demands an authentication context (reference: authenticationContextClassReference) in the caller's token.
type Context struct {
	Enabled bool
	// Value is c1 to c99.
	Value string
}

// Recipient says which group of people a notification rule tells.
type Recipient int

// The three kinds of recipients.
const (
	_ Recipient = iota
	ToAdmins
	ToRequestor
	ToApprovers
)

// NotificationLevel says which mails are sent.
type NotificationLevel int

// The levels. The zero value sends everything, as the default of every role does.
const (
	NotifyAll NotificationLevel = iota
	NotifyCritical
	NotifyNone
)

// Notifications are the three notification rules of a set.
type Notifications struct {
	Admins, Requestor, Approvers Notification
}

// Notification says who is told beside, or instead of, the default recipients.
type Notification struct {
	Level NotificationLevel
	// NoDefaults leaves the default recipients out.
	NoDefaults bool
	// Recipients are further mail addresses.
	Recipients []string
}

// Mode says how the stages of an approval follow each other.
type Mode int

// The modes of the schema. Stages are always asked one after the other: Parallel opens all at once.
const (
	SingleStage Mode = iota
	Serial
	Parallel
	NoApproval
)

// Approval demands that others agree to an activation.
type Approval struct {
	Required bool
	// RequiredForExtension extends the demand to extensions asked for by the holder.
	RequiredForExtension bool
	// NoRequestorJustification frees the requestor from giving a reason. (The schema's member says the opposite and is
	// true by default, so that the zero value here is the default.)
	NoRequestorJustification bool
	Mode                     Mode
	// Stages has at least one entry in every stored policy.
	Stages []Stage
}

// Stage is the setting of one approval stage.
type Stage struct {
	// TimeoutDays is how long the stage waits, in days of 24 hours. Zero counts as one.
	TimeoutDays int
	// NoApproverJustification frees approvers from giving a reason.
	NoApproverJustification bool
	// Escalation asks the escalation approvers too, once EscalationMinutes have passed.
	Escalation        bool
	EscalationMinutes int
	Approvers         []Approver
	Escalated         []Approver
	// Minimum is how many must agree. Zero counts as one.
	Minimum int
}

// ApproverKind says how an approver is found.
type ApproverKind int

// The kinds of approvers. The zero value approves nothing.
const (
	_ ApproverKind = iota
	// User is one person.
	User
	// Group is every member of a group, at the time of the decision.
	Group
	// RequestorManager is the requestor's manager.
	RequestorManager
)

// UserSet names people, as Approver does, where they are no approvers.
type UserSet = Approver

// Approver names one approver of a stage.
type Approver struct {
	Kind ApproverKind
	// ID is the user's or the group's object id; empty for the manager.
	ID string
	// Description is free text that callers send and read back.
	Description string
	// Backup approvers are asked only where no other approver of the stage can decide.
	Backup bool
}

// Timeout is how long the stage waits before it lapses.
func (s Stage) Timeout() time.Duration {
	return time.Duration(max(s.TimeoutDays, 1)) * 24 * time.Hour
}

// Quorum is how many must agree, at least one.
func (s Stage) Quorum() int { return max(s.Minimum, 1) }

// Set returns the rules that bind a request of that side and level.
// End users have no eligibility rules: their requests to extend one are bound by the administrators' rules.
func (r Rules) Set(s Side, l Level) Set {
	switch {
	case l == Eligibility:
		return r.AdminEligibility
	case s == Admin:
		return r.AdminAssignment
	default:
		return r.EndUserAssignment
	}
}
