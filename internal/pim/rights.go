package pim

import (
	"errors"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
)

// The operations on resources by which PIM's own administration is allowed there (reference arm-pim §6, §9, §10).
const (
	ReadRoleAssignments   = "Microsoft.Authorization/roleAssignments/read"
	WriteRoleAssignments  = "Microsoft.Authorization/roleAssignments/write"
	DeleteRoleAssignments = "Microsoft.Authorization/roleAssignments/delete"
	ReadPolicies          = "Microsoft.Authorization/roleManagementPolicies/read"
	WritePolicies         = "Microsoft.Authorization/roleManagementPolicies/write"
	ReadRoleDefinitions   = "Microsoft.Authorization/roleDefinitions/read"
	WriteRoleDefinitions  = "Microsoft.Authorization/roleDefinitions/write"
	DeleteRoleDefinitions = "Microsoft.Authorization/roleDefinitions/delete"
	ReadDenials           = "Microsoft.Authorization/denyAssignments/read"
	WriteDenials          = "Microsoft.Authorization/denyAssignments/write"
	DeleteDenials         = "Microsoft.Authorization/denyAssignments/delete"
)

// MayDo says whether the caller may do an operation of the control plane to what a scope of resources names. Whether anything is
// there does not matter. Applications are judged by their roles like people.
func MayDo(by Caller, action string, at Scope) error { return mayDo(by, action, at, nil) }

func mayDo(by Caller, action string, at Scope, about abac.Attributes) error {
	verdict := rbac.NotAllowed
	if by.Rights != nil {
		verdict = by.Rights.May(rbac.Operation{Action: action}, at, about)
	}
	switch verdict {
	case rbac.Allowed:
		return nil
	case rbac.Denied:
		return refuse(DeniedByAssignment, action, "a deny assignment forbids this")
	case rbac.Constrained:
		return refuse(Constrained, action, "a condition on the caller's role does not hold")
	case rbac.NotAllowed:
	}
	return refuse(Forbidden, action, "the caller holds no active role that allows this here")
}

// MayGive says whether the caller may give the principal of a key, which is of a kind, its role of resources, or change what it
// has of it. A condition on the caller's own role may leave only some roles and principals to give (reference arm-pim §10,
// "Conditions"): then the refusal is Constrained for the others.
func MayGive(by Caller, k Key, kind PrincipalKind) error {
	return mayDo(by, WriteRoleAssignments, k.Scope, delegated(abac.Request, k, kind))
}

// MayTake says whether the caller may take its role of resources from the principal of a key.
func MayTake(by Caller, k Key, kind PrincipalKind) error {
	return mayDo(by, DeleteRoleAssignments, k.Scope, delegated(abac.Resource, k, kind))
}

// delegated are the facts by which conditions delegate the giving and taking of roles. What a policy is about has no principal.
func delegated(source abac.Source, k Key, kind PrincipalKind) abac.Attributes {
	about := abac.Attributes{
		abac.Name(source, "Microsoft.Authorization/roleAssignments:RoleDefinitionId"): {string(k.Role)},
	}
	if k.Principal != "" {
		about[abac.Name(source, "Microsoft.Authorization/roleAssignments:PrincipalId")] = []string{string(k.Principal)}
	}
	if word := kind.word(); word != "" {
		about[abac.Name(source, "Microsoft.Authorization/roleAssignments:PrincipalType")] = []string{word}
	}
	return about
}

// word is what conditions call a kind of principals.
func (k PrincipalKind) word() string {
	switch k {
	case UserPrincipal:
		return "User"
	case GroupPrincipal:
		return "Group"
	case ServicePrincipal:
		return "ServicePrincipal"
	}
	return ""
}

// MayEditPolicy says whether the caller may edit the policy of a role: as one who administers the role, or, of resources, by the
// operation for policies. Who may give only some roles loosens no rules of the others. onto are the facts of the group that the
// key's scope names. It returns a refusal.
func MayEditPolicy(by Caller, k RoleKey, onto GroupFacts) error {
	if k.Provider != Resource {
		if !MayAdminister(by, k.of(""), onto) {
			return refuse(Forbidden, "", "the caller holds no active role that may read this")
		}
		return nil
	}
	err := MayGive(by, k.of(""), 0)
	if refused, ok := errors.AsType[*Refusal](err); ok && refused.Code == Forbidden {
		return MayDo(by, WritePolicies, k.Scope)
	}
	return err
}

// ValidRules says whether rules make sense for a role. The error is a *policy.Error.
func ValidRules(now time.Time, k RoleKey, r policy.Rules) error {
	if k.Provider == Resource && k.Scope == Everywhere && r.PIMOnly.Mode == policy.PIMOnlyEnabled {
		// A Global Administrator's way back to resources is a grant outside PIM at the root.
		return &policy.Error{Rule: policy.RulePIMOnlyAdminAssignment, Detail: "roles can always be given outside PIM at the root"}
	}
	return r.Validate(now, k.Provider != Directory)
}

// MayReadPolicy says whether the caller may read the policy of any role that a key names, beside those that concern them.
func MayReadPolicy(by Caller, k RoleKey, onto GroupFacts) bool {
	return MayReadAt(by, k.of(""), onto) || k.Provider == Resource && MayDo(by, ReadPolicies, k.Scope) == nil
}

// of is the key of a principal's case under the policy.
func (k RoleKey) of(p PrincipalID) Key {
	return Key{Tenant: k.Tenant, Provider: k.Provider, Scope: k.Scope, Role: k.Role, Principal: p}
}

// MayElevate says whether the caller may take the role that gives roles at every scope of resources of the tenant.
func MayElevate(by Caller) error {
	if holds(by, GlobalAdministrator) {
		return nil
	}
	return refuse(Forbidden, "", "only an active Global Administrator may take access to all resources")
}
