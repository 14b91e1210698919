package policy

import (
	"fmt"
	"slices"
)

// PIMOnlyMode says what becomes of grants outside PIM.
type PIMOnlyMode int

// The modes. Stored: they may only be added to.
const (
	// PIMOnlyDisabled allows them.
	PIMOnlyDisabled PIMOnlyMode = iota
	// PIMOnlyEnabled refuses them.
	PIMOnlyEnabled
	// PIMOnlyReportOnly allows those that it would refuse, and has the audit log say so.
	PIMOnlyReportOnly
)

// PIMOnly says whether a role of resources may be given outside PIM (reference arm-pim §9).
type PIMOnly struct {
	Mode PIMOnlyMode
	// Excluded may be given the role outside PIM: principals, and whoever is in a group that is one.
	Excluded []Excluded
	// ToApplications excludes every application that is given the role, ByApplications everybody to whom one gives it.
	ToApplications, ByApplications bool
}

// ExcludedKind says what is excluded. The zero value is nothing.
type ExcludedKind int

// The kinds. Stored: they may only be added to.
const (
	_ ExcludedKind = iota
	ExcludedUser
	ExcludedGroup
	ExcludedApplication
)

// Excluded is one whom the mode does not bind.
type Excluded struct {
	Kind ExcludedKind
	ID   string
	// Name is what callers called it, and is read back.
	Name string
}

const maxExcluded = 100

func (p PIMOnly) validate() error {
	bad := func(format string, args ...any) error {
		return &Error{Rule: RulePIMOnlyAdminAssignment, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case p.Mode < PIMOnlyDisabled || p.Mode > PIMOnlyReportOnly:
		return bad("the mode is unknown")
	case len(p.Excluded) > maxExcluded:
		return bad("at most %d are excluded", maxExcluded)
	case slices.ContainsFunc(p.Excluded, func(e Excluded) bool { return e.ID == "" || e.Kind < ExcludedUser || e.Kind > ExcludedApplication }):
		return bad("what is excluded is a user, a group or a service principal, named by its id")
	}
	return nil
}
