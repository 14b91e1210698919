package governance

import (
	"strings"

	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// The words of requests (governanceRoleAssignmentRequest, reference pim-v2 §4 and §13.3).

// types are the words for the actions, in the order of pim's constants.
func types() []string {
	return []string{"", "AdminAdd", "AdminUpdate", "AdminRemove", "AdminExtend", "AdminRenew", "UserAdd", "UserRemove", "UserExtend", "UserRenew"}
}

// Types are the words for what a request asks for.
func Types() []string { return types()[1:] }

// TypeName is the word for what a request asks for; empty for what makes no request.
func TypeName(a pim.Action) string {
	if names := types(); a > 0 && int(a) < len(names) {
		return names[a]
	}
	return ""
}

// ParseType reads a type in any letter case.
func ParseType(s string) (pim.Action, bool) {
	i := wire.IndexFold(types(), strings.TrimSpace(s))
	return pim.Action(max(i, 0)), i > 0
}

// The words for the kinds of grants.
const (
	stateEligible = "Eligible"
	stateActive   = "Active"
)

// StateName is the assignment state that a kind of grant has.
func StateName(k pim.Kind) string {
	switch k {
	case pim.Eligibility:
		return stateEligible
	case pim.Assignment:
		return stateActive
	}
	return ""
}

// ParseState reads an assignment state in any letter case.
func ParseState(s string) (pim.Kind, bool) {
	switch s = strings.TrimSpace(s); {
	case strings.EqualFold(s, stateEligible):
		return pim.Eligibility, true
	case strings.EqualFold(s, stateActive):
		return pim.Assignment, true
	}
	return 0, false
}
