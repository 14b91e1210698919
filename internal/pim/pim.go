// Package pim holds the nouns and the rules of privileged identity management.
//
// Nobody holds a privilege; people are eligible for roles and activate them for a reason and a bounded time. The
// nouns: a Principal may have a Role at a Scope, by a Schedule (an eligibility or an assignment, with its window). A
// Request asks for a change of schedules; it may have to pass an Approval. Everything known about one principal, role
// and scope is a Case. Decide says what follows when an Ask is made about a case at an instant: an Outcome, which is
// the request, the schedules, the effects on the outside and the audit events, all to be committed at once.
//
// The package is pure. It reads nothing, has no clock and makes no ids of its own: everything comes in as an argument
// and leaves in the result. A deadline is an ask that the clock makes.
package pim

import "strings"

// TenantID names a tenant: a lower-case UUID.
type TenantID string

// PrincipalID names a user, a group or a service principal: a lower-case UUID.
type PrincipalID string

// RoleID names a role definition: a lower-case UUID, or "member" or "owner" for groups.
type RoleID string

// RequestID names a request: a lower-case UUID. A schedule made by a request has the same id.
type RequestID string

// ScheduleID names a schedule: the id of the request that made it, or the id of an assignment made outside PIM.
type ScheduleID string

// StageID names one stage of an approval. The first stage's id is the request's id.
type StageID string

// EventID names an audit event: a lower-case UUID.
type EventID string

// Provider says which kind of role is meant.
type Provider string

// The providers. Stored: they may only be added to.
const (
	Directory Provider = "directory"
	Group     Provider = "group"
	Resource  Provider = "resource"
)

// Scope is where a role holds: "/" for the whole tenant, "/administrativeUnits/{id}", "/{objectId}" for one object;
// a group's id for the group provider; the resource path for the resource provider. Always lower case except for
// "/administrativeUnits", so that equal scopes are equal texts.
type Scope string

// Everywhere is the scope of the whole tenant.
const Everywhere Scope = "/"

// AdministrativeUnit returns the scope of one administrative unit.
func AdministrativeUnit(id string) Scope { return unitPrefix + Scope(strings.ToLower(id)) }

const unitPrefix Scope = "/administrativeUnits/"

// Unit returns the id of the administrative unit that the scope names, if it names one.
func (s Scope) Unit() (string, bool) {
	return strings.CutPrefix(string(s), string(unitPrefix))
}

// Object returns the id of the single object that the scope names, if it names one.
func (s Scope) Object() (string, bool) {
	id, ok := strings.CutPrefix(string(s), "/")
	if !ok || id == "" || strings.Contains(id, "/") {
		return "", false
	}
	return id, true
}

// Key says what a case is about: one principal, role and scope. It is the unit of concurrency: every commit raises the
// version of its case.
type Key struct {
	Tenant    TenantID
	Provider  Provider
	Scope     Scope
	Role      RoleID
	Principal PrincipalID
}

// RoleKey says what a policy is about.
type RoleKey struct {
	Tenant   TenantID
	Provider Provider
	Scope    Scope
	Role     RoleID
}

// membership says whether the case is about a member of a group, so that what rests on its grants is more than their
// activations: every path that goes by that membership.
func (k Key) membership() bool { return k.Provider == Group && k.Role == Member }

// Policy returns the key of the policy that binds the case: for directory roles one per role in the tenant, for
// groups one per group and side, for resources one per scope and role.
func (k Key) Policy() RoleKey {
	r := RoleKey{Tenant: k.Tenant, Provider: k.Provider, Scope: k.Scope, Role: k.Role}
	if k.Provider == Directory {
		r.Scope = Everywhere
	}
	return r
}

// The directory roles that the rules themselves know (reference graph-pim §2). Catalogue ids are the same in every
// tenant.
const (
	GlobalAdministrator         RoleID = "62e90394-69f5-4237-9190-012177145e10"
	PrivilegedRoleAdministrator RoleID = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	GlobalReader                RoleID = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	SecurityAdministrator       RoleID = "194ae4cb-b126-40b2-bd5b-6091b380977d"
	SecurityReader              RoleID = "5d6b6bb7-de71-4623-b4af-96380a352509"
	SecurityOperator            RoleID = "5f2222b1-57c3-48ba-8ad5-d4759f1fde6f"
	UserAdministrator           RoleID = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	GroupsAdministrator         RoleID = "fdd7a751-b60b-444a-984c-02652fe8fa1c"
	IdentityGovernanceAdmin     RoleID = "45d8d3c5-c802-45c6-b32a-1d70b5e1e86e"
	DirectoryReaders            RoleID = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	DirectoryWriters            RoleID = "9360feb5-f418-4baa-8175-e2a00bac4301"
	ReportsReader               RoleID = "4a5d8f65-41da-4de4-8968-e035b65339cf"
	ComplianceAdministrator     RoleID = "17315797-102d-40b4-93e0-432062caca18"

	ApplicationAdministrator              RoleID = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	CloudApplicationAdministrator         RoleID = "158c047a-c907-4556-b7ef-446551a6b5f7"
	PrivilegedAuthenticationAdministrator RoleID = "7be44c8a-adaf-4e2a-84d6-ab2649e08a13"

	Member RoleID = "member"
	Owner  RoleID = "owner"
)
