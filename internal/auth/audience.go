package auth

// The names of the two APIs that clients with built-in addresses ask tokens for (reference client-requirements §3). A token
// for this server's own address is for both.
const (
	GraphAudience      = "https://graph.microsoft.com"
	GraphApplication   = "00000003-0000-0000-c000-000000000000"
	ManagementAudience = "https://management.azure.com"
	// ClassicAudience is that of what Azure Resource Manager came after.
	ClassicAudience = "https://management.core.windows.net"
)

// UserImpersonation is the one permission of a person's token for Azure Resource Manager: what they may do there is told by their
// roles.
const UserImpersonation = "user_impersonation"

// GraphAudiences are the names of Microsoft Graph.
func GraphAudiences() []string { return []string{GraphAudience, GraphApplication} }

// ManagementAudiences are the names of Azure Resource Manager.
func ManagementAudiences() []string { return []string{ManagementAudience, ClassicAudience} }
