package auth

import "slices"

// The names of the APIs that clients with built-in addresses ask tokens for (reference client-requirements §3). A token
// for this server's own address is for all of them.
const (
	GraphAudience      = "https://graph.microsoft.com"
	GraphApplication   = "00000003-0000-0000-c000-000000000000"
	ManagementAudience = "https://management.azure.com"
	// ClassicAudience is that of what Azure Resource Manager came after.
	ClassicAudience = "https://management.core.windows.net"
	// PIMAudience is the host that PIM's second iteration was spoken with beside Microsoft Graph, and PIMApplication its id
	// (reference pim-v2 §10).
	PIMAudience    = "https://api.azrbac.mspim.azure.com"
	PIMApplication = "01fc33a7-78ba-4d2f-a4b7-768e336e890e"
	// DoorAudience is what doors ask at, and nothing else is.
	DoorAudience = "api://portcullis/access"
)

// UserImpersonation is the one permission of a person's token for Azure Resource Manager, and for PIM's own host: what they may do
// there is told by their roles.
const UserImpersonation = "user_impersonation"

// EvaluationPermission lets callers ask whether others may. An application that has it alone is a door: its tokens are for
// DoorAudience.
const EvaluationPermission = "AccessEvaluation.Read.All"

// GraphAudiences are the names of Microsoft Graph.
func GraphAudiences() []string { return []string{GraphAudience, GraphApplication} }

// ManagementAudiences are the names of Azure Resource Manager.
func ManagementAudiences() []string { return []string{ManagementAudience, ClassicAudience} }

// PIMAudiences are the names of PIM's own host.
func PIMAudiences() []string { return []string{PIMAudience, PIMApplication} }

// BesidesGraph are the names of everything but Microsoft Graph: a token for these alone opens none of its addresses.
func BesidesGraph() []string {
	return slices.Concat(ManagementAudiences(), PIMAudiences(), doorAudiences())
}

// BesidesManagement is the same for Azure Resource Manager.
func BesidesManagement() []string {
	return slices.Concat(GraphAudiences(), PIMAudiences(), doorAudiences())
}

func doorAudiences() []string { return []string{DoorAudience} }
