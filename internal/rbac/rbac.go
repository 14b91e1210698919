// Package rbac says what a role of the resource provider allows (reference arm-pim §10): permissions with their wildcards,
// what conditions narrow, and what deny assignments forbid.
//
// The package is pure. Who holds which role, where and until when, is told to it.
package rbac

import (
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
}

// Operation is what somebody wants to do: an action of the control plane, such as "Microsoft.Compute/virtualMachines/read",
// or of the data plane.
type Operation struct {
	Action string
	Data   bool
}

// Denial is a deny assignment: whoever it names, and it does not except, may not do what its permissions match, whatever
// roles they hold.
type Denial struct {
	// ID is a lower-case UUID. Scope is where it forbids, and below unless NotBelow says otherwise.
	ID                string
	Scope             string
	Name, Description string
	NotBelow          bool
	// Everybody denies all principals; Principals are those named otherwise, and Except those it spares.
	Everybody          bool
	Principals, Except []Named
	Permissions        []Permission
	Condition          string
	ConditionVersion   string
	// Audit only tells what would be denied ("audit" in place of "enforced").
	Audit bool
	// System denials can be changed by nobody.
	System               bool
	Created, Updated     time.Time
	CreatedBy, UpdatedBy string
}

// Named is a principal as a denial names it. Type is User, Group or ServicePrincipal as it came.
type Named struct{ ID, Type string }

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
