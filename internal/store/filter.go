package store

import (
	"time"

	"portcullis/internal/pim"
)

// Field names a column that lists can be filtered and sorted by. Which fields a list has is told beside them; any
// other is an error of the program.
type Field string

// The fields of requests, schedules, effects and events.
const (
	FieldID          Field = "id"
	FieldProvider    Field = "provider"
	FieldScope       Field = "scope"
	FieldRole        Field = "role"
	FieldPrincipal   Field = "principal"
	FieldKind        Field = "kind"        // requests, schedules: pim.Kind as int
	FieldAction      Field = "action"      // requests: pim.Action as int
	FieldStatus      Field = "status"      // requests: pim.Status as int
	FieldType        Field = "type"        // schedules: pim.AssignmentType as int
	FieldEnding      Field = "ending"      // schedules: pim.Ending as int
	FieldStart       Field = "start"       // schedules: of the window
	FieldEnd         Field = "end"         // schedules: of the whole span; none sorts last and compares greater than any
	FieldCreated     Field = "created"     // requests, schedules
	FieldCompleted   Field = "completed"   // requests
	FieldRequest     Field = "request"     // schedules: made by; events: about
	FieldTarget      Field = "target"      // requests: target schedule
	FieldEligibility Field = "eligibility" // schedules: activated from
	FieldCreatedBy   Field = "createdBy"   // requests: the actor's principal
	FieldSchedule    Field = "schedule"    // effects, events
	FieldState       Field = "state"       // effects
	FieldStuck       Field = "stuck"       // effects
	FieldAt          Field = "at"          // events
	FieldActivity    Field = "activity"    // events: pim.Activity as int
	FieldActor       Field = "actor"       // events: who asked

	// Of events also kind, action and end: that of what an event tells of.
	FieldSuccess      Field = "success"
	FieldActorKind    Field = "actorKind"    // who asked: pim.PrincipalKind as int, 0 for the clock and the operator
	FieldActorName    Field = "actorName"    // who asked: their display name then
	FieldActorAccount Field = "actorAccount" // who asked: their principal name or client id then
	FieldSubjectID    Field = "subjectID"    // whom an event is about, be it a case or a change of the directory
	FieldSubject      Field = "subject"      // whom an event is about: their display name then
	FieldSubjectKind  Field = "subjectKind"  // whom an event is about: pim.PrincipalKind as int
	FieldRoleName     Field = "roleName"     // which role an event is about: its name then
	FieldDetail       Field = "detail"       // the first of the details, name and value with a blank between
)

// The fields of directory objects.
const (
	FieldObjectKind    Field = "objectKind" // directory.Kind as int
	FieldDisplayName   Field = "displayName"
	FieldPrincipalName Field = "principalName" // users
	FieldMail          Field = "mail"          // users
	FieldMailNickname  Field = "mailNickname"  // users, groups
	FieldClientID      Field = "clientID"      // service principals
	FieldExternalID    Field = "externalID"
	FieldDeleted       Field = "deleted" // in the bin
	FieldEnabled       Field = "enabled"
)

// The fields of nodes of the tree of resources, beside scope and display name.
const (
	FieldParent       Field = "parent"
	FieldResourceKind Field = "resourceKind" // resource.Kind as int
	FieldResourceType Field = "resourceType" // in lower case
	FieldAlias        Field = "alias"        // resource.GovernanceID
)

// Op is a comparison.
type Op int

// The comparisons.
const (
	Eq Op = iota + 1
	Ne
	Lt
	Le
	Gt
	Ge
	// Prefix and Contains compare texts without letter case.
	Prefix
	Contains
)

// Filter is a condition on rows: one of And, Or, Not, Compare, In, Under.
// Texts compare without letter case in display and principal names, mail addresses and nicknames, and in the names and
// accounts that events tell; exactly elsewhere.
type Filter interface{ filter() }

// And holds when all hold; empty: always.
type And []Filter

// Or holds when one holds; empty: never.
type Or []Filter

// Not holds when the other does not.
type Not struct{ Filter Filter }

// Compare compares a column. Value is a string, int, bool or time.Time (ids and enumerations as they are, too), or nil
// for a column that is none. An empty text and a zero time are none; enumerations and flags never are. A value of another
// type than the column's is an error.
// A none compares unequal to every value and neither less nor greater, except FieldEnd, where no end is
// greater than any instant. Lt, Le, Gt and Ge with nil hold for nothing.
// Prefix and Contains are for texts; of the columns that compare exactly they fold A to Z alone.
type Compare struct {
	Field Field
	Op    Op
	Value any
}

// In holds when the column, a text, is one of the values. An empty value matches nothing.
type In struct {
	Field  Field
	Values []string
}

// Under holds when the column, a scope of resources and so a text that compares exactly, is one of the scopes or lies below one
// by its path, segment by segment. Everything that is not none lies below "/". An empty scope matches nothing.
type Under struct {
	Field  Field
	Scopes []pim.Scope
}

func (Under) filter()   {}
func (And) filter()     {}
func (Or) filter()      {}
func (Not) filter()     {}
func (Compare) filter() {}
func (In) filter()      {}

// Is is the comparison most callers want.
func Is(f Field, v any) Filter { return Compare{Field: f, Op: Eq, Value: v} }

// LiveAt holds for schedules that hold at t or will hold later.
func LiveAt(t time.Time) Filter {
	return And{Is(FieldEnding, 0), Or{Compare{FieldEnd, Gt, t}, Is(FieldEnd, nil)}}
}
