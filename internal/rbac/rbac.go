// Package rbac says what a role of the resource provider allows (reference arm-pim §10): permissions with their wildcards,
// what conditions narrow, and what deny assignments forbid.
//
// The package is pure. Who holds which role, where and until when, is told to it.
package rbac

import (
	"slices"
	"time"

	"portcullis/internal/abac"
)

// Permission is one entry of a role: what it allows on the control plane (Actions without NotActions) and on the data plane
// (DataActions without NotDataActions), as far as its condition holds. What one entry leaves out another may give.
type Permission struct {
	Actions, NotActions         []string
	DataActions, NotDataActions []string
	// Condition is in the language of package abac; empty: none. ConditionVersion is "2.0" where there is one.
	Condition, ConditionVersion string
}

// Role is a role definition of the resource provider.
type Role struct {
	// ID is a lower-case UUID: the same in every tenant for built-in roles.
	ID                string
	Name, Description string
	BuiltIn           bool
	// Assignable are the scopes at and below which the role can be held, in lower case. Built-in roles have "/".
	Assignable       []string
	Permissions      []Permission
	Created, Updated time.Time
	// CreatedBy and UpdatedBy are object ids; empty for built-in roles.
	CreatedBy, UpdatedBy string

	compiled compiled
}

// Compiled returns the role ready for quick answers. A role that is not compiled gives the same answers, slowly.
// A compiled role may be used by many at once; neither it nor what it refers to is to be changed.
func (r Role) Compiled() *Role {
	r.compiled = compile(r.Permissions)
	return &r
}

// Equal says whether two definitions are the same, compiled or not.
func (r Role) Equal(o Role) bool {
	return r.ID == o.ID && r.Name == o.Name && r.Description == o.Description && r.BuiltIn == o.BuiltIn &&
		slices.Equal(r.Assignable, o.Assignable) && slices.EqualFunc(r.Permissions, o.Permissions, Permission.Equal) &&
		r.Created.Equal(o.Created) && r.Updated.Equal(o.Updated) && r.CreatedBy == o.CreatedBy && r.UpdatedBy == o.UpdatedBy
}

// Equal says whether two entries are written in the same way.
func (p Permission) Equal(o Permission) bool {
	return slices.Equal(p.Actions, o.Actions) && slices.Equal(p.NotActions, o.NotActions) &&
		slices.Equal(p.DataActions, o.DataActions) && slices.Equal(p.NotDataActions, o.NotDataActions) &&
		p.Condition == o.Condition && p.ConditionVersion == o.ConditionVersion
}

// Operation is what somebody wants to do: an action of the control plane, such as "Microsoft.Compute/virtualMachines/read",
// or of the data plane.
type Operation struct {
	Action string
	Data   bool
	// SubOperation is which part of the action it is, where conditions tell parts apart; empty: none.
	SubOperation string
}

// Verdict is the answer to whether an operation is allowed. The zero value is no.
type Verdict int

// The verdicts.
const (
	// NotAllowed: no role in force allows it.
	NotAllowed Verdict = iota
	// Constrained: a role would allow it, and a condition does not hold.
	Constrained
	// Denied: a deny assignment forbids it.
	Denied
	Allowed
)

// Grant is a role that somebody holds at or above the scope in question.
type Grant struct {
	Role *Role
	// Condition is that of the assignment itself.
	Condition *abac.Condition
}
