package pim

import (
	"strings"
	"time"
)

// EffectState says how far something outside has come to be as it should.
type EffectState int

// The states of an effect. Stored: they may only be added to.
const (
	_ EffectState = iota
	// EffectPending: the door is to be opened.
	EffectPending
	// Usable: the door was opened, and reading the target back proved it.
	Usable
	// Revoking: the door is to be closed.
	Revoking
	// Gone: the door was closed, and reading the target back proved it.
	Gone
)

// Effect is something that must be so outside: one account's privilege on one target, opened when a schedule starts
// to hold and closed when it ends. It is written in the commit of the decision and carried out afterwards, at least
// once, until the target itself proves it.
type Effect struct {
	// ID is natural: schedule, occurrence and door, and for whom where a group has the grant. The same opening twice is one
	// effect.
	ID       string
	Tenant   TenantID
	Schedule ScheduleID
	Key      Key
	Door     string
	Account  string
	// Privilege is what the door calls the role.
	Privilege string
	// Until is when the door shuts by itself where the target can; zero: no end.
	Until time.Time
	State EffectState
	// Decided is when the present intent was decided; Due when it is tried next; zero for settled effects.
	Decided time.Time
	Due     time.Time
	// Attempts counts tries at the present intent. Stuck effects failed for good or for long; they stay open, are
	// tried on and are shown.
	Attempts int
	Stuck    bool
	// Problem is the last failure, safe to show; empty once settled.
	Problem string
	// UsableAt and GoneAt are when reading back proved it. Zero: not yet.
	UsableAt time.Time
	GoneAt   time.Time
}

// MemberSuffix ends the ID of an effect by which a group's grant opens a door for a member.
func MemberSuffix(member PrincipalID) string { return "/" + string(member) }

// Holder is for whom an effect opens a door: whoever has the grant, or the member of the group that has it.
func (e Effect) Holder() PrincipalID {
	if strings.HasSuffix(e.ID, "/"+e.Door+"/"+e.Privilege) {
		return e.Key.Principal
	}
	return PrincipalID(e.ID[strings.LastIndexByte(e.ID, '/')+1:])
}

// For says whether an effect opens a door for a principal: by its own grant, or as a member of the group that has it.
func (e Effect) For(p PrincipalID) bool {
	return e.Key.Principal == p || strings.HasSuffix(e.ID, MemberSuffix(p))
}

// Door binds a role to something outside: whoever holds the role at the scope gets the privilege.
type Door struct {
	Name      string
	Provider  Provider
	Role      RoleID
	Scope     Scope
	Privilege string
	// Account is the name that the case's principal goes by on the target.
	Account string
}
