package policy

import (
	"fmt"
	"regexp"
	"time"

	"portcullis/internal/schedule"
)

// Bounds of what a policy may hold: a policy is read at every decision, so it stays small.
const (
	maxStages     = 8
	maxApprovers  = 100
	maxExceptions = 100
	maxRecipients = 100
	maxTimeout    = 30           // days
	maxEscalation = 30 * 24 * 60 // minutes
	maxKept       = 64
	maxKeptBytes  = 32 << 10 // names and texts together
)

// Reason says in what way a policy makes no sense.
type Reason int

// The reasons. Dialects give Conflict a code of its own (MfaAndAcrsConflict); the rest is an invalid policy.
const (
	Invalid Reason = iota
	Conflict
)

// Error says which rule of an edited policy makes no sense, and why. The caller must change the edit.
type Error struct {
	Reason Reason
	Rule   string
	Detail string
}

func (e *Error) Error() string { return e.Rule + ": " + e.Detail }

var contextValue = regexp.MustCompile(`^c[1-9][0-9]?$`)

// Validate says whether the rules make sense. The anchor is the instant from which calendar durations are compared.
// Policies of groups and of roles of resources must name an approver when they demand approval (needApprovers); for
// directory roles the administrators stand in (reference graph-pim §11.3, arm-pim §8).
func (r Rules) Validate(anchor time.Time, needApprovers bool) error {
	for _, s := range []struct {
		rule string
		set  Set
	}{
		{RuleExpirationAdminEligibility, r.AdminEligibility},
		{RuleExpirationAdminAssignment, r.AdminAssignment},
		{RuleExpirationEndUserAssignment, r.EndUserAssignment},
	} {
		if err := s.set.validate(anchor, s.rule); err != nil {
			return err
		}
	}
	if err := r.validateActivation(anchor); err != nil {
		return err
	}
	if err := r.PIMOnly.validate(); err != nil {
		return err
	}
	if err := r.validateKept(); err != nil {
		return err
	}
	return r.Approval.validate(needApprovers)
}

// validateKept bounds what is kept for others: it is read with the rest at every decision.
func (r Rules) validateKept() error {
	bytes := 0
	for name, text := range r.Kept {
		bytes += len(name) + len(text)
	}
	if len(r.Kept) > maxKept || bytes > maxKeptBytes {
		return &Error{Rule: "kept", Detail: fmt.Sprintf("settings that bind nothing are kept up to %d, of %d bytes together", maxKept, maxKeptBytes)}
	}
	return nil
}

func (r Rules) validateActivation(anchor time.Time) error {
	e := r.EndUserAssignment.Expiration
	if !e.Required || e.Maximum.IsZero() {
		return &Error{Rule: RuleExpirationEndUserAssignment, Detail: "an activation must end: the rule needs a maximum duration"}
	}
	if e.Maximum.Longer(LongestActivation(), anchor) {
		return &Error{Rule: RuleExpirationEndUserAssignment, Detail: "the maximum duration of an activation is at most one day"}
	}
	if !r.Context.Enabled {
		return nil
	}
	if !contextValue.MatchString(r.Context.Value) {
		return &Error{Rule: RuleContextEndUserAssignment, Detail: "an enabled authentication context needs a claim value c1 to c99"}
	}
	if r.EndUserAssignment.Enablement.MFA {
		return &Error{Reason: Conflict, Rule: RuleContextEndUserAssignment,
			Detail: "multi-factor authentication and an authentication context cannot be demanded together"}
	}
	return nil
}

func (s Set) validate(anchor time.Time, rule string) error {
	if s.Expiration.Required && s.Expiration.Maximum.IsZero() {
		return &Error{Rule: rule, Detail: "a required expiration needs a maximum duration"}
	}
	if !s.Expiration.Maximum.IsZero() && schedule.FromTime(MinimumDuration).Longer(s.Expiration.Maximum, anchor) {
		return &Error{Rule: rule, Detail: "the maximum duration is at least five minutes"}
	}
	if err := validExceptions(s.Expiration.Exceptions, rule); err != nil {
		return err
	}
	for _, n := range []Notification{s.Notifications.Admins, s.Notifications.Requestor, s.Notifications.Approvers} {
		if len(n.Recipients) > maxRecipients {
			return &Error{Rule: rule, Detail: fmt.Sprintf("a notification rule has at most %d further recipients", maxRecipients)}
		}
	}
	return nil
}

func validExceptions(list []UserSet, rule string) error {
	if len(list) > maxExceptions {
		return &Error{Rule: rule, Detail: fmt.Sprintf("an expiration rule has at most %d exceptions", maxExceptions)}
	}
	for _, e := range list {
		if e.Kind != User && e.Kind != Group || e.ID == "" {
			return &Error{Rule: rule, Detail: "an exception is a user or a group, named by its id"}
		}
	}
	return nil
}

// LongestActivation is the longest that an activation may last, whatever a policy says.
func LongestActivation() schedule.Duration { return schedule.MustDuration("P1D") }

// MinimumDuration is the shortest active assignment, and how long one must have run before it may be ended
// (reference graph-pim §9).
const MinimumDuration = 5 * time.Minute

func (a Approval) validate(needApprovers bool) error {
	bad := func(format string, args ...any) error {
		return &Error{Rule: RuleApprovalEndUserAssignment, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(a.Stages) == 0:
		return bad("there must be at least one approval stage")
	case len(a.Stages) > maxStages:
		return bad("there are at most %d approval stages", maxStages)
	case a.Mode == SingleStage && len(a.Stages) != 1:
		return bad("the mode SingleStage has exactly one stage")
	}
	for _, s := range a.Stages {
		switch {
		case s.TimeoutDays < 0 || s.TimeoutDays > maxTimeout:
			return bad("a stage waits for at most %d days", maxTimeout)
		case s.EscalationMinutes < 0 || s.EscalationMinutes > maxEscalation:
			return bad("a stage escalates after at most %d minutes", maxEscalation)
		case len(s.Approvers) > maxApprovers || len(s.Escalated) > maxApprovers:
			return bad("a stage names at most %d approvers", maxApprovers)
		case s.Minimum < 0 || s.Minimum > maxApprovers:
			return bad("the minimum of approvals is between 1 and %d", maxApprovers)
		case s.Escalation && len(s.Escalated) == 0:
			return bad("a stage that escalates names its escalation approvers")
		case needApprovers && a.Required && len(s.Approvers) == 0:
			return bad("a required approval names at least one approver")
		}
	}
	return nil
}
