// Package migrate carries what one server of privileged identity management holds to another, and proves that nothing was lost.
//
// An Estate is what a server holds: who may activate or has which role where, under which rules, and what is still asked for. It
// is read from a server that speaks PIM's first, second or third iteration, or from files that somebody exported; always through
// what the server offers to everybody, never from a store. Analyse tells what of a source maps, what changes its meaning and what
// has no counterpart. Copy writes to a Portcullis whatever it lacks of a source, in the words of the third iteration: it looks
// first, so that it can be stopped at any point and run again. Verify compares two estates and lists each difference.
package migrate

import (
	"context"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// Server is what a server offers to everybody, called as somebody who may.
type Server interface {
	// Origin is scheme and host of the server.
	Origin() string
	// Call sends a request to a path, with its query, below the origin, and reads the JSON answer into out, which may be nil. What
	// may be repeated is repeated where the server asks for it. The error is a *client.Error with the server's code and words, or
	// says why there was no answer.
	Call(ctx context.Context, method, path string, in, out any) error
}

// Estate is what a server holds, in the ids of that server.
type Estate struct {
	// Origin is the server's address, or where the files are; Tenant its tenant's id, where it tells.
	Origin, Tenant string
	// Taken is when it was read.
	Taken time.Time
	// Principals are those whom anything here names, by id.
	Principals map[string]Principal
	// Scopes are the tree of resources, what contains something before what it contains.
	Scopes []Scope
	// Roles are the role definitions that anything here names.
	Roles    map[RoleRef]Role
	Grants   []Grant
	Policies map[Place]Policy
	Requests []Request
	// Notes are what was met while reading that does not map as it is.
	Notes []Note
}

// Principal is somebody who holds, may hold or decides something.
type Principal struct {
	ID string
	// Kind is user, group or servicePrincipal.
	Kind pim.PrincipalKind
	// Name is the display name, Account the user principal name or the application's id; either may be empty.
	Name, Account string
}

// Scope is a place in the tree of resources.
type Scope struct {
	// ID is its path as the server spells it, Parent the path of what contains it; empty: the root, or what the path tells.
	ID, Parent string
	Name       string
}

// RoleRef names a role definition: a template's or role's GUID, or member or owner of groups.
type RoleRef struct {
	Provider pim.Provider
	Role     pim.RoleID
}

// Role is a role definition.
type Role struct {
	RoleRef
	Name string
	// Custom says that the tenant made it. Definition is then its body in the words of the third iteration, where the source tells
	// it; nil: the target must have a role of this id or name.
	Custom     bool
	Definition []byte
}

// Place is a role at a scope, of which a policy is: the scope is written as the core writes it.
type Place struct {
	Provider pim.Provider
	Scope    pim.Scope
	Role     pim.RoleID
}

// Grant is that somebody is eligible for a role, or has it.
type Grant struct {
	Place
	Principal string
	Kind      pim.Kind
	// Activated says that it came of an eligibility, Outside that it was made outside PIM.
	Activated, Outside bool
	// Start is when it began or will; zero: not told. End is when it ends; zero: never.
	Start, End                  time.Time
	Condition, ConditionVersion string
	// ID is the server's own.
	ID string
}

// Policy is the rules of a role at a scope.
type Policy struct {
	Rules policy.Rules
	// Default says that nobody has changed them.
	Default bool
}

// Request is an ask that is still open: it waits for an approver or an administrator, or for its start.
type Request struct {
	Place
	ID        string
	Principal string
	Kind      pim.Kind
	Action    pim.Action
	Status    pim.Status
	Asked     schedule.Info
	Reason    string
	Ticket    pim.Ticket
	// By is who made it; empty: the principal.
	By string
}

// Severity says how a note changes what is carried over. The zero value is none.
type Severity int

// The severities.
const (
	_ Severity = iota
	// Changed: it is carried over and means something else there.
	Changed
	// Lost: it has no counterpart, and is not carried over.
	Lost
	// Unresolved: it points to something that the source does not tell, or the target does not have.
	Unresolved
)

// Note says what of an item does not map as it is.
type Note struct {
	Severity Severity
	// Item names the item: its kind and id, and what of it. Code is a word that scripts can go by, Detail a sentence.
	Item, Code, Detail string
}

// Progress says how far a step has come. Total is zero where it is not known.
type Progress struct {
	Step        string
	Done, Total int
}
