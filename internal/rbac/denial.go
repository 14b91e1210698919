package rbac

import (
	"slices"
	"strings"
	"time"

	"portcullis/internal/abac"
)

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

	compiled  compiled
	condition *abac.Condition
}

// Compiled returns the denial ready for quick answers, as Role.Compiled does.
func (d Denial) Compiled() *Denial {
	d.compiled = compile(d.Permissions)
	d.condition = binding(d.Condition)
	return &d
}

// binding reads a condition of a denial. One that cannot be read leaves the denial in force for everything: what a denial's
// condition takes away from it would be allowed.
func binding(text string) *abac.Condition {
	c, err := abac.Parse(text)
	if err != nil {
		return nil
	}
	return c
}

// Equal says whether two denials are the same, compiled or not.
func (d Denial) Equal(o Denial) bool {
	return d.ID == o.ID && d.Scope == o.Scope && d.Name == o.Name && d.Description == o.Description &&
		d.NotBelow == o.NotBelow && d.Everybody == o.Everybody && d.Audit == o.Audit && d.System == o.System &&
		slices.Equal(d.Principals, o.Principals) && slices.Equal(d.Except, o.Except) &&
		slices.EqualFunc(d.Permissions, o.Permissions, Permission.Equal) &&
		d.Condition == o.Condition && d.ConditionVersion == o.ConditionVersion &&
		d.Created.Equal(o.Created) && d.Updated.Equal(o.Updated) && d.CreatedBy == o.CreatedBy && d.UpdatedBy == o.UpdatedBy
}

// Everyone is the id by which clients name all principals.
const Everyone = "00000000-0000-0000-0000-000000000000"

// Names says whether the denial is about a principal: it is named, itself or by a group that it is in, and not excepted in
// either way. above says whether the principal is in a group now, directly or by other groups; nil: it is in none.
func (d *Denial) Names(principal string, above func(group string) bool) bool {
	named := d.Everybody || slices.ContainsFunc(d.Principals, func(n Named) bool {
		return n.ID == Everyone || strings.EqualFold(n.Type, "SystemDefined") || n.is(principal, above)
	})
	return named && !slices.ContainsFunc(d.Except, func(n Named) bool { return n.is(principal, above) })
}

// is says whether the name stands for the principal or a group that it is in.
func (n Named) is(principal string, above func(group string) bool) bool {
	return strings.EqualFold(n.ID, principal) || above != nil && above(n.ID)
}

// HoldsAt says whether the denial reaches a scope that is, or lies below, the denial's own.
func (d *Denial) HoldsAt(scope string) bool { return !d.NotBelow || d.Scope == scope }

// forbids says whether the denial forbids the operation to a principal that it is about.
func (d *Denial) forbids(op Operation, q abac.Question) bool {
	if d.Audit {
		return false
	}
	entries, condition := d.compiled.entries, d.condition
	if !d.compiled.of(d.Permissions) {
		entries, condition = compile(d.Permissions).entries, binding(d.Condition)
	}
	for i := range entries {
		if entries[i].matches(op) && entries[i].binds(q) && condition.Holds(q) {
			return true
		}
	}
	return false
}

// Named is a principal as a denial names it. Type is User, Group or ServicePrincipal as it came.
type Named struct{ ID, Type string }
