package wire

import (
	"portcullis/internal/pim"
)

// Actions are the actions of requests in the spelling of Microsoft Graph, in the order of the core's; the first is none. Azure
// Resource Manager begins them with a capital.
func Actions() []string {
	return []string{"", "adminAssign", "adminUpdate", "adminRemove", "adminExtend", "adminRenew", "selfActivate", "selfDeactivate",
		"selfExtend", "selfRenew"}
}

// ActionName is the name of an action; empty for one that makes no request.
func ActionName(a pim.Action) string {
	if names := Actions(); int(a) < len(names) {
		return names[a]
	}
	return ""
}

// ParseAction reads an action without letter case; false: it is none.
func ParseAction(s string) (pim.Action, bool) {
	i := IndexFold(Actions(), s)
	return pim.Action(max(i, 0)), i > 0
}

// ForAdministrators says whether it is for administrators to answer what an action asks for, rather than for approvers.
func ForAdministrators(a pim.Action) bool { return a == pim.SelfExtend || a == pim.SelfRenew }

// Removal says whether an action only takes away: it carries no schedule, and needs no more than permission to remove.
func Removal(a pim.Action) bool { return a == pim.AdminRemove || a == pim.SelfDeactivate }
