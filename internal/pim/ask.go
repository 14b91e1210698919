package pim

import (
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/rbac"
	"portcullis/internal/schedule"
)

// Caller is who asks: what their token proves, and the roles they hold at this moment.
type Caller struct {
	Actor
	// MFA says that the token proves a second factor freshly enough.
	MFA bool
	// Contexts are the authentication contexts (acrs) that the token proves.
	Contexts []string
	// Roles are the caller's own active roles, as the access index knows them now.
	Roles []HeldRole
	// Rights are what the caller may do to resources now; nil: nothing.
	Rights Rights
}

// Rights say what a caller may do to resources at one instant. Package access makes them from memory.
type Rights interface {
	// May says whether an operation is allowed on what the scope names; about are the facts that conditions may ask for.
	May(op rbac.Operation, at Scope, about abac.Attributes) rbac.Verdict
}

// App says whether the caller is an application: it does what its token permits, proves no second factor, and never
// acts for itself or decides an approval.
func (c Caller) App() bool { return c.Kind == ServicePrincipal }

// HeldRole is one role that a principal holds at an instant.
type HeldRole struct {
	Provider Provider
	Role     RoleID
	Scope    Scope
	// Until is when this may change; zero: no end.
	Until time.Time
}

// Ask is what somebody wants of a case, or what the clock found due.
type Ask struct {
	By     Caller
	Action Action
	// Kind says which kind of schedule is meant by the actions that make a request.
	Kind Kind
	// Key is what the ask is about; for cancel, approve, deny and the clock it is that of the request or schedule.
	Key Key
	// Schedule is when it shall hold.
	Schedule      schedule.Info
	Justification string
	Ticket        Ticket
	// ValidationOnly decides and stores nothing.
	ValidationOnly bool
	// Answers is the request to extend or renew that AdminExtend or AdminRenew answers, where the caller means one: it must still
	// wait. Empty: whichever waits is settled.
	Answers RequestID
	// Carried says that whoever administers the role carries over what the principal asked for at another server and waits there
	// for a decision. It is judged as the principal's own but for what only they could prove, and taken only where it waits for
	// somebody else's decision here too.
	Carried bool
	// Request is the one to cancel, approve or deny, or that the clock asks about. For actions that make a request it
	// is the id that the caller chose, or empty.
	Request RequestID
	// Target is the schedule that the clock asks about.
	Target ScheduleID
	// Stage is the approval stage that is meant; empty: the open one.
	Stage StageID
	// Eligibility is the eligibility to activate from where the caller names one; empty: the best one.
	Eligibility ScheduleID
	// Condition narrows what the grant gives, for roles of resources: the text of package abac; empty: none, or, for an
	// activation, that of the eligibility.
	Condition, ConditionVersion string
	// Description is free text that goes with a grant made outside PIM. Target is then the id that the caller chose for it.
	Description string
	// OutsideOnly says that RemoveOutside leaves what PIM gave, and takes only what was given outside it.
	OutsideOnly bool
	// Within are the scopes that contain that of the key from now on, for Rerooted.
	Within []Scope
}

// Needs says which facts a decision about the ask rests on.
func (a Ask) Needs() Need {
	n := Need{Key: a.Key, Actor: a.By.Principal}
	switch a.Action {
	case AdminAssign, AdminRenew, SelfExtend, SelfRenew, AssignOutside:
	case AdminUpdate, AdminExtend, AdminRemove:
		// What only adds an administrator cannot break P6; what ends or changes a grant may.
		n.Administrators = a.Key.guarded()
		n.Dependents = a.Kind == Eligibility || a.Key.membership()
	case SelfDeactivate:
		n.Dependents = a.Key.membership()
	case RemoveOutside, Depart:
		n.Administrators = a.Key.guarded()
		n.Dependents = true
	case Aftermath:
		n.Clock, n.Dependents = true, true
	case Rerooted:
		n.Backing = true
	case Realign:
		n.Clock = true
	case SelfActivate:
		n.Backing = true
	case Cancel, Approve, Deny:
		n.Request = a.Request
		n.Backing = a.Action == Approve
		n.Dependents = a.Action == Cancel
	case ScheduleDue:
		n.Schedule, n.Clock = a.Target, true
	case RequestDue:
		n.Request, n.Clock = a.Request, true
	}
	return n
}

// guarded says whether promise P6 watches over grants of this key.
func (k Key) guarded() bool {
	return k.Provider == Directory && k.Role == GlobalAdministrator && k.Scope == Everywhere
}

// AdministratorsKey is the case that stands for a tenant's whole set of administrators: it has a version and no rows.
func AdministratorsKey(t TenantID) Key {
	return Key{Tenant: t, Provider: Directory, Scope: Everywhere, Role: GlobalAdministrator}
}
