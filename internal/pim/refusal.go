package pim

// Code says why the rules refused. Each dialect has one table from code to its own status and name.
type Code string

// The codes.
const (
	// InvalidRequest: members are missing or do not go together, or the action does not fit the kind.
	InvalidRequest Code = "invalid request"
	// InvalidSchedule: the times make no sense.
	InvalidSchedule Code = "invalid schedule"
	InvalidScope    Code = "invalid scope"
	InvalidPolicy   Code = "invalid policy"
	// ConflictingPolicy: MFA and an authentication context demanded together.
	ConflictingPolicy Code = "conflicting policy"
	UnknownRole       Code = "unknown role"
	UnknownPrincipal  Code = "unknown principal"
	UnknownRequest    Code = "unknown request"
	UnknownStage      Code = "unknown stage"
	// Unsuitable: this principal cannot hold this role at this scope.
	Unsuitable Code = "unsuitable principal"
	// Forbidden: the caller may not do that.
	Forbidden Code = "forbidden"
	// AlreadyThere: an equal grant exists.
	AlreadyThere Code = "already there"
	// NotThere: no grant to change or remove.
	NotThere Code = "not there"
	// AlreadyPending: an open request exists for the same key.
	AlreadyPending Code = "already pending"
	// TooShort: under five minutes.
	TooShort Code = "too short"
	// PolicyFailed: rules of the role's policy failed; Rules names them.
	PolicyFailed Code = "policy failed"
	// ContextMissing: the token does not prove the authentication context; Context names it.
	ContextMissing Code = "authentication context missing"
	// LastAdministrator: the tenant would be left without a usable administrator at some instant (P6).
	LastAdministrator Code = "last administrator"
	// NotCancelable: the request is in a final state.
	NotCancelable Code = "not cancelable"
	// AlreadyDecided: the stage was decided before.
	AlreadyDecided Code = "already decided"
	// RequestExists: the id that the caller chose for a request, or for a deny assignment, is taken.
	RequestExists Code = "request exists"
	// GrantFixed: the id that the caller chose for a grant made outside PIM is that of another one, which cannot become this
	// one: of another principal, role or scope, or made by PIM.
	GrantFixed Code = "grant fixed"
	// Constrained: a condition on the caller's own role forbids giving this role to this principal.
	Constrained Code = "constrained"
	// InvalidCondition: the condition cannot be read.
	InvalidCondition Code = "invalid condition"
	// UnknownScope: what the scope names is not there, or not for the caller.
	UnknownScope Code = "unknown scope"
	// UnknownGrant: the schedule, instance or role assignment is not there, or not for the caller.
	UnknownGrant Code = "unknown grant"
	// ScopeInUse: what is below must go first.
	ScopeInUse Code = "scope in use"
	// RoleInUse: grants of the role must go first. RoleNameTaken: another role of the tenant has the name.
	RoleInUse     Code = "role in use"
	RoleNameTaken Code = "role name taken"
	// DeniedByAssignment: a deny assignment forbids it, or the one in question is not for people to change.
	DeniedByAssignment Code = "denied by assignment"
	// OutsidePIM: the role's policy allows grants by PIM only.
	OutsidePIM Code = "outside pim"
	// JustificationMissing: an approver has to give a reason.
	JustificationMissing Code = "justification missing"
)

// PolicyRule names a family of policy rules that can fail.
type PolicyRule string

// The rules, as every dialect names them in messages (reference graph-pim §9).
const (
	ExpirationRule    PolicyRule = "ExpirationRule"
	JustificationRule PolicyRule = "JustificationRule"
	MFARule           PolicyRule = "MfaRule"
	TicketingRule     PolicyRule = "TicketingRule"
	EligibilityRule   PolicyRule = "EligibilityRule"
)

// Failure is one policy rule that failed, with the reason.
type Failure struct {
	Rule   PolicyRule
	Reason string
}

// Refusal is the rules' no. People may see it; nothing changed.
type Refusal struct {
	Code Code
	// Field is the part of the ask that is wrong, if one is, in the core's words: principal, role, scope, action,
	// justification, or the path of a schedule.Error. Dialects give it their own name.
	Field  string
	Detail string
	// Failures are the policy rules that failed, all of them.
	Failures []Failure
	// Context is the authentication context that is missing.
	Context string
}

func (r *Refusal) Error() string {
	s := string(r.Code)
	if r.Field != "" {
		s += " (" + r.Field + ")"
	}
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	return s
}

func refuse(code Code, field, detail string) *Refusal {
	return &Refusal{Code: code, Field: field, Detail: detail}
}
