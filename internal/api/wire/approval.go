package wire

import (
	"strings"

	"portcullis/internal/pim"
)

// Approvals of activations: what the dialects tell alike of their stages, which some call steps.

// Step is one stage of an approval as the caller sees it.
type Step struct {
	ID    string
	Stage pim.Stage
	// Mine says that the stage is open and the caller an approver of it.
	Mine bool
}

// StepsOf are the steps of a request's approval. mine says that the caller is an approver of what is open.
func StepsOf(r pim.Request, mine bool) []Step {
	steps := make([]Step, len(r.Approval.Stages))
	for i, s := range r.Approval.Stages {
		steps[i] = Step{ID: string(s.ID), Stage: s, Mine: mine && s.Status == pim.InProgress}
	}
	return steps
}

// FindStep returns the step of a request's approval with an id. The approval's own id means the open step, or the first one:
// clients use it as such.
func FindStep(r pim.Request, steps []Step, id string) (Step, bool) {
	own := strings.EqualFold(id, string(r.ID))
	for _, s := range steps {
		if strings.EqualFold(s.ID, id) && (s.Stage.Status == pim.InProgress || !own) {
			return s, true
		}
	}
	if !own || len(steps) == 0 {
		return Step{}, false
	}
	for _, s := range steps {
		if s.Stage.Status == pim.InProgress {
			return s, true
		}
	}
	return steps[0], true
}

// Decision is the answer that settled the step, or the latest; zero for none.
func (s Step) Decision() pim.Decision {
	if len(s.Stage.Decisions) == 0 {
		return pim.Decision{}
	}
	for _, d := range s.Stage.Decisions {
		if !d.Approved {
			return d
		}
	}
	return s.Stage.Decisions[len(s.Stage.Decisions)-1]
}

// Result is one of three words: those for approved, denied and neither yet.
func (s Step) Result(approved, denied, open string) string {
	switch {
	case s.Stage.Denied():
		return denied
	case s.Stage.Status == pim.Completed:
		return approved
	}
	return open
}

// Status is how far the step has come.
func (s Step) Status() string {
	switch s.Stage.Status {
	case pim.InProgress:
		return "InProgress"
	case pim.Completed:
		return "Completed"
	case pim.Lapsed:
		return "Expired"
	case pim.Waiting:
	}
	return "Initializing"
}

// Answer is what an approver sends.
type Answer struct {
	ReviewResult  string `json:"reviewResult"`
	Justification string `json:"justification"`
}

// Action is what the answer asks for; false: it says neither yes nor no.
func (in Answer) Action() (pim.Action, bool) {
	switch strings.ToLower(in.ReviewResult) {
	case "approve", "approved":
		return pim.Approve, true
	case "deny", "denied":
		return pim.Deny, true
	}
	return 0, false
}
