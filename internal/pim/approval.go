package pim

import (
	"time"

	"portcullis/internal/policy"
)

// StageStatus says how far a stage of an approval has come.
type StageStatus int

// The states of a stage. Stored: they may only be added to.
const (
	// Waiting: an earlier stage is open.
	Waiting StageStatus = iota
	InProgress
	Completed
	Lapsed
)

// Approval is what a request has to pass before it takes effect: stages, asked one after the other. One denial wins.
type Approval struct {
	Stages []Stage
}

// Stage is one step of an approval. Its setting is frozen when the request is made.
type Stage struct {
	ID      StageID
	Setting policy.Stage
	Status  StageStatus
	// Opened is zero while the stage waits; Escalates and Lapses are zero until it opens.
	Opened    time.Time
	Escalates time.Time
	Lapses    time.Time
	// Escalated says that the escalation approvers may decide too.
	Escalated bool
	Decisions []Decision
}

// Decision is one approver's answer.
type Decision struct {
	By Actor
	// Person is the human being behind the account where that is known: each counts once.
	Person        string
	At            time.Time
	Approved      bool
	Justification string
}

// Denied says whether an approver of the stage said no.
func (s Stage) Denied() bool {
	for _, d := range s.Decisions {
		if !d.Approved {
			return true
		}
	}
	return false
}

// Current returns the open stage, or nil.
func (a *Approval) Current() *Stage {
	if a == nil {
		return nil
	}
	for i := range a.Stages {
		if a.Stages[i].Status == InProgress {
			return &a.Stages[i]
		}
	}
	return nil
}

// DecidedBy says whether an account has answered a stage of the request.
func (r Request) DecidedBy(p PrincipalID) bool {
	if r.Approval == nil {
		return false
	}
	for _, s := range r.Approval.Stages {
		for _, d := range s.Decisions {
			if d.By.Principal == p {
				return true
			}
		}
	}
	return false
}
