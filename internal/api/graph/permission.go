package graph

import (
	"slices"

	"portcullis/internal/api"
	"portcullis/internal/pim"
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
	rmpgRead  = []string{"RoleManagementPolicy.Read.AzureADGroup"}
	rmpgWrite = []string{"RoleManagementPolicy.ReadWrite.AzureADGroup"}
	pasRead   = []string{"PrivilegedAssignmentSchedule.Read.AzureADGroup"}
	pasWrite  = []string{"PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup"}
	pasRemove = []string{"PrivilegedAssignmentSchedule.Remove.AzureADGroup"}
	pesRead   = []string{"PrivilegedEligibilitySchedule.Read.AzureADGroup"}
	pesWrite  = []string{"PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup"}
	pesRemove = []string{"PrivilegedEligibilitySchedule.Remove.AzureADGroup"}
	pagRead   = []string{"PrivilegedAccess.Read.AzureADGroup"}
	pagWrite  = []string{"PrivilegedAccess.ReadWrite.AzureADGroup"}
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

func groupsWrite() api.Access { return both([]string{"Group.ReadWrite.All"}, dirWrite) }

func groupsCreate() api.Access {
	return both([]string{"Group.ReadWrite.All", "Group.Create"}, dirWrite)
}

func membersWrite() api.Access {
	return both([]string{"GroupMember.ReadWrite.All", "Group.ReadWrite.All"}, dirWrite)
}

func unitsWrite() api.Access { return both([]string{"AdministrativeUnit.ReadWrite.All"}, dirWrite) }

func applicationsWrite() api.Access { return both([]string{"Application.ReadWrite.All"}, dirWrite) }

// rolesWrite opens what gives and takes roles outside PIM.
func rolesWrite() api.Access { return both(rmWrite) }

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

func roleDefinitionsRead() api.Access  { return both(rmRead, rmAll, rmWrite, dirRead, dirWrite) }
func roleDefinitionsWrite() api.Access { return both(rmWrite, dirWrite) }

// Policies of directory roles and of groups share their addresses. What opens either opens the address; which of them a
// token is for is tested again once it is known whose policy is meant.
func policiesRead() api.Access {
	return both(policyPermissions(pim.Directory, false), policyPermissions(pim.Group, false))
}

func policiesWrite() api.Access {
	return both(policyPermissions(pim.Directory, true), policyPermissions(pim.Group, true))
}

// policyPermissions are those for the policies of one provider.
func policyPermissions(p pim.Provider, write bool) []string {
	switch {
	case p == pim.Group && write:
		return rmpgWrite
	case p == pim.Group:
		return slices.Concat(rmpgRead, rmpgWrite)
	case write:
		return slices.Concat(rmpWrite, rmWrite)
	}
	return slices.Concat(rmpRead, rmAll, rmRead, rmWrite, rmpWrite)
}

func roleAssignmentsRead() api.Access {
	return api.Access{
		Delegated:   slices.Concat(rmRead, rmAll, rmWrite, dirRead, dirWrite),
		Application: slices.Concat(rmRead, rmWrite, dirRead, dirWrite),
	}
}

// roleAccess is what opens the sets of a provider's roles.
type roleAccess struct {
	assignments, eligibilities kindAccess
	approvals, decide          api.Access
}

// kindAccess is what opens the schedules, instances and requests of one kind.
type kindAccess struct {
	grants, requests, create, cancel api.Access
	// write are the permissions to create everything; without them a token may only remove.
	write []string
}

// accessTo is what opens the sets of a provider's roles (reference graph-pim §3.1 and §3.3). Requests of directory roles
// are readable with permission to write or to remove only: so the service and the permission data say.
func accessTo(p pim.Provider) roleAccess {
	if p == pim.Group {
		return roleAccess{
			assignments: kindAccess{both(pasRead, pasWrite, pagRead, pagWrite), both(pasRead, pasWrite), both(pasWrite, pasRemove),
				both(pasWrite), pasWrite},
			eligibilities: kindAccess{both(pesRead, pesWrite), both(pesRead, pesWrite), both(pesWrite, pesRemove), both(pesWrite), pesWrite},
			approvals:     people(pasRead, pasWrite), decide: people(pasWrite),
		}
	}
	return roleAccess{
		assignments: kindAccess{both(rasRead, rasWrite, rmAll, rmRead, rmWrite), both(rasWrite, rmWrite, rasRemove),
			both(rasWrite, rmWrite, rasRemove, resRemove), both(rasWrite, rmWrite), slices.Concat(rasWrite, rmWrite)},
		eligibilities: kindAccess{both(resRead, resWrite, rmAll, rmRead, rmWrite), both(resWrite, rmWrite, resRemove),
			both(resWrite, rmWrite, resRemove), both(resWrite, rmWrite), slices.Concat(resWrite, rmWrite)},
		approvals: people(rasRead, rasWrite), decide: people(rasWrite),
	}
}

func schedulesMixedRead() api.Access {
	return api.Access{
		Delegated:   slices.Concat([]string{"PrivilegedAccess.ReadWrite.AzureAD"}, rmRead, rmWrite),
		Application: slices.Concat([]string{"PrivilegedAccess.Read.AzureAD"}, rmRead, rmWrite),
	}
}
