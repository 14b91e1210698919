package pim

import (
	"time"

	"portcullis/internal/schedule"
)

// PrincipalKind says what a principal is. The zero value is none and holds nothing.
type PrincipalKind int

// The kinds of principals. Stored: they may only be added to.
const (
	_ PrincipalKind = iota
	UserPrincipal
	GroupPrincipal
	ServicePrincipal
)

// Principal is somebody or something that can hold a role. The zero value is an unknown principal.
type Principal struct {
	ID   PrincipalID
	Kind PrincipalKind
	// Name is the display name, for the audit log.
	Name string
	// Account is the user principal name or application id.
	Account string
	// Enabled is false for accounts that may not sign in: they decide nothing and count as nobody's administrator.
	Enabled bool
	// Manager is the user's manager, or empty.
	Manager PrincipalID
	// Person is shared by all accounts of one human being where the directory knows that; empty where it does not.
	Person string
	// RoleAssignable says of a group that it may hold directory roles.
	RoleAssignable bool
}

// SamePerson says whether two principals are one human being, as far as is known.
func (p Principal) SamePerson(q Principal) bool {
	return p.ID != "" && p.ID == q.ID || p.Person != "" && p.Person == q.Person
}

// GroupFacts are what the rules look at of the group whose members or owners a case is about. The zero value is no group.
type GroupFacts struct {
	ID   PrincipalID
	Name string
	// RoleAssignable groups may hold directory roles: only those who administer these may change them.
	RoleAssignable bool
	// Dynamic groups have the members that a rule names, and nobody else gives or takes a membership.
	Dynamic bool
}

// Membership is one edge from a member to a group, for a time. Groups may hold groups, in circles too. Between the same
// two there may be several, by different schedules.
type Membership struct {
	Group  PrincipalID
	Member PrincipalID
	// Schedule is the grant by which it is one.
	Schedule ScheduleID
	// Window is when it holds. One that has no start, and does not recur, holds from ever.
	Window schedule.Window
	// Version is that of the membership's case, where a case is read.
	Version int64
}

// At is the stretch of time in which the membership holds at t; false if it does not.
func (m Membership) At(t time.Time) (schedule.Interval, bool) {
	if m.Window.Start.IsZero() && m.Window.Recurrence == nil {
		always := schedule.Interval{End: m.Window.End}
		return always, always.Contains(t)
	}
	return m.Window.At(t)
}

// key is the case of the membership.
func (m Membership) key(t TenantID) Key {
	return Key{Tenant: t, Provider: Group, Scope: Scope(m.Group), Role: Member, Principal: m.Member}
}

// Role is a role definition as far as the rules care. The zero value is an unknown role.
type Role struct {
	ID      RoleID
	Name    string
	BuiltIn bool
	Enabled bool
	// ForUnits and ForObjects say whether the role can be held for one administrative unit or one object, and not for
	// the whole tenant only.
	ForUnits, ForObjects bool
	// Assignable are the scopes at and below which a custom role of resources can be held; nil: everywhere.
	Assignable []Scope
}

// takes says whether the role can be held at a directory scope.
func (r Role) takes(s Scope) bool {
	if _, ok := s.Unit(); ok {
		return r.ForUnits
	}
	if _, ok := s.Object(); ok {
		return r.ForObjects
	}
	return true
}
