package graph

import (
	"slices"

	"portcullis/internal/api"
)

// The permissions by which routes are opened (reference graph-pim §3 and §4.1).
var (
	rasRead   = []string{"RoleAssignmentSchedule.Read.Directory"}
	rasWrite  = []string{"RoleAssignmentSchedule.ReadWrite.Directory"}
	rasRemove = []string{"RoleAssignmentSchedule.Remove.Directory"}
	resRead   = []string{"RoleEligibilitySchedule.Read.Directory"}
	resWrite  = []string{"RoleEligibilitySchedule.ReadWrite.Directory"}
	resRemove = []string{"RoleEligibilitySchedule.Remove.Directory"}
	rmRead    = []string{"RoleManagement.Read.Directory"}
	rmWrite   = []string{"RoleManagement.ReadWrite.Directory"}
	rmAll     = []string{"RoleManagement.Read.All"}
	rmpRead   = []string{"RoleManagementPolicy.Read.Directory"}
	rmpWrite  = []string{"RoleManagementPolicy.ReadWrite.Directory"}
	dirRead   = []string{"Directory.Read.All"}
	dirWrite  = []string{"Directory.ReadWrite.All"}
)

// both is the same list for people and for applications.
func both(lists ...[]string) api.Access {
	all := slices.Concat(lists...)
	return api.Access{Delegated: all, Application: all}
}

// people is a list for people alone: applications are refused.
func people(lists ...[]string) api.Access { return api.Access{Delegated: slices.Concat(lists...)} }

// directoryRead is what opens reading of directory objects, beside a least permission.
func directoryRead(least ...string) api.Access {
	return both(least, dirRead, dirWrite)
}

func usersRead() api.Access {
	return directoryRead("User.Read.All", "User.ReadBasic.All", "User.ReadWrite.All")
}

func usersWrite() api.Access { return both([]string{"User.ReadWrite.All"}, dirWrite) }

func groupsRead() api.Access {
	return directoryRead("GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "GroupMember.ReadWrite.All")
}

func applicationsRead() api.Access {
	return directoryRead("Application.Read.All", "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy")
}

func unitsRead() api.Access {
	return directoryRead("AdministrativeUnit.Read.All", "AdministrativeUnit.ReadWrite.All")
}

func meRead() api.Access {
	return people([]string{"User.Read", "User.ReadWrite", "User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All"}, dirRead, dirWrite)
}

func organizationRead() api.Access {
	return both([]string{"User.Read", "Organization.Read.All", "Organization.ReadWrite.All"}, dirRead, dirWrite)
}

func domainsRead() api.Access {
	return directoryRead("Domain.Read.All", "Domain.ReadWrite.All")
}

func contextsRead() api.Access {
	return both([]string{"Policy.Read.All", "Policy.Read.ConditionalAccess", "Policy.ReadWrite.ConditionalAccess", "AuthenticationContext.Read.All"})
}

func roleDefinitionsRead() api.Access   { return both(rmRead, rmAll, rmWrite, dirRead, dirWrite) }
func roleDefinitionsWrite() api.Access  { return both(rmWrite, dirWrite) }
func assignmentGrantsRead() api.Access  { return both(rasRead, rasWrite, rmAll, rmRead, rmWrite) }
func eligibilityGrantsRead() api.Access { return both(resRead, resWrite, rmAll, rmRead, rmWrite) }
func policiesRead() api.Access          { return both(rmpRead, rmAll, rmRead, rmWrite, rmpWrite) }
func policiesWrite() api.Access         { return both(rmpWrite, rmWrite) }

func roleAssignmentsRead() api.Access {
	return api.Access{
		Delegated:   slices.Concat(rmRead, rmAll, rmWrite, dirRead, dirWrite),
		Application: slices.Concat(rmRead, rmWrite, dirRead, dirWrite),
	}
}

// Requests are readable with permission to write or to remove only: so the service and the permission data say.
func assignmentRequestsRead() api.Access    { return both(rasWrite, rmWrite, rasRemove) }
func eligibilityRequestsRead() api.Access   { return both(resWrite, rmWrite, resRemove) }
func assignmentRequestsCreate() api.Access  { return both(rasWrite, rmWrite, rasRemove, resRemove) }
func eligibilityRequestsCreate() api.Access { return both(resWrite, rmWrite, resRemove) }
func assignmentRequestsCancel() api.Access  { return both(rasWrite, rmWrite) }
func eligibilityRequestsCancel() api.Access { return both(resWrite, rmWrite) }

func approvalsRead() api.Access   { return people(rasRead, rasWrite) }
func approvalsDecide() api.Access { return people(rasWrite) }

func schedulesMixedRead() api.Access {
	return api.Access{
		Delegated:   slices.Concat([]string{"PrivilegedAccess.ReadWrite.AzureAD"}, rmRead, rmWrite),
		Application: slices.Concat([]string{"PrivilegedAccess.Read.AzureAD"}, rmRead, rmWrite),
	}
}
