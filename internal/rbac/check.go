package rbac

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"portcullis/internal/abac"
)

// Bounds of what people may write; docs/divergences-arm.md names those that the service does not tell.
const (
	maxName        = 512
	maxDescription = 1024
	maxAssignable  = 2000
	maxEntries     = 100
	// maxPatterns is for all lists of a role or denial together.
	maxPatterns  = 4000
	maxPattern   = 512
	maxWildcards = 8
	maxNamed     = 1000
)

// Error says what is wrong with a role or a denial that somebody wrote.
type Error struct {
	// Field is the member that is wrong, such as "name", "assignable[0]" or "permissions[0].actions[2]".
	Field, Detail string
}

func (e *Error) Error() string { return e.Field + ": " + e.Detail }

// Check says whether the role may be a custom role. The error is an *Error.
func (r Role) Check() error {
	if err := checkWords(r.Name, r.Description); err != nil {
		return err
	}
	if err := r.checkAssignable(); err != nil {
		return err
	}
	return checkPermissions(r.Permissions)
}

const managementGroups = "/providers/microsoft.management/managementgroups/"

// checkAssignable keeps roles with data actions from management groups: below them nobody knows what data there is.
func (r Role) checkAssignable() error {
	if len(r.Assignable) == 0 || len(r.Assignable) > maxAssignable {
		return &Error{"assignable", fmt.Sprintf("from 1 to %d scopes", maxAssignable)}
	}
	groups, seen := 0, make(map[string]bool, len(r.Assignable))
	for i, scope := range r.Assignable {
		field := fmt.Sprintf("assignable[%d]", i)
		switch {
		case scope == "" || scope == "/":
			return &Error{field, "a custom role cannot be assignable at the root"}
		case seen[scope]:
			return &Error{field, "twice"}
		case strings.HasPrefix(scope, managementGroups):
			groups++
		}
		seen[scope] = true
		if groups > 1 {
			return &Error{field, "a second management group"}
		}
	}
	for i, p := range r.Permissions {
		if groups > 0 && len(p.DataActions) > 0 {
			return &Error{fmt.Sprintf("permissions[%d].dataActions", i), "a role with data actions cannot be assignable at a management group"}
		}
	}
	return nil
}

// Check says whether the denial may be written. The error is an *Error.
func (d Denial) Check() error {
	if err := checkWords(d.Name, d.Description); err != nil {
		return err
	}
	if !d.Everybody && len(d.Principals) == 0 {
		return &Error{"principals", "nobody is named"}
	}
	for _, l := range []struct {
		field string
		list  []Named
	}{{"principals", d.Principals}, {"except", d.Except}} {
		if len(l.list) > maxNamed {
			return &Error{l.field, fmt.Sprintf("at most %d", maxNamed)}
		}
	}
	if len(d.Permissions) == 0 {
		return &Error{"permissions", "nothing is denied"}
	}
	if err := checkCondition("condition", d.Condition, d.ConditionVersion); err != nil {
		return err
	}
	return checkPermissions(d.Permissions)
}

func checkWords(name, description string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return &Error{"name", "there is none"}
	case utf8.RuneCountInString(name) > maxName:
		return &Error{"name", fmt.Sprintf("at most %d characters", maxName)}
	case utf8.RuneCountInString(description) > maxDescription:
		return &Error{"description", fmt.Sprintf("at most %d characters", maxDescription)}
	}
	return nil
}

func checkPermissions(list []Permission) error {
	if len(list) > maxEntries {
		return &Error{"permissions", fmt.Sprintf("at most %d", maxEntries)}
	}
	patterns := 0
	for i, p := range list {
		at := fmt.Sprintf("permissions[%d].", i)
		if err := p.checkPatterns(at); err != nil {
			return err
		}
		if err := checkCondition(at+"condition", p.Condition, p.ConditionVersion); err != nil {
			return err
		}
		patterns += len(p.Actions) + len(p.NotActions) + len(p.DataActions) + len(p.NotDataActions)
	}
	if patterns > maxPatterns {
		return &Error{"permissions", fmt.Sprintf("more than %d actions", maxPatterns)}
	}
	return nil
}

func (p Permission) checkPatterns(at string) error {
	for _, l := range []struct {
		name string
		list []string
	}{{"actions", p.Actions}, {"notActions", p.NotActions}, {"dataActions", p.DataActions}, {"notDataActions", p.NotDataActions}} {
		for i, text := range l.list {
			if detail := wrongPattern(text); detail != "" {
				return &Error{fmt.Sprintf("%s%s[%d]", at, l.name, i), detail}
			}
		}
	}
	return nil
}

// wrongPattern leaves the alphabet free: published roles have colons, braces, dollars, and blanks at the end.
func wrongPattern(text string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return "an empty action"
	case len(text) > maxPattern:
		return fmt.Sprintf("at most %d bytes", maxPattern)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return "characters that cannot be printed"
	case strings.Count(text, "*") > maxWildcards:
		return fmt.Sprintf("at most %d wildcards", maxWildcards)
	}
	return ""
}

// checkCondition takes both versions that clients send for the same language.
func checkCondition(field, text, version string) error {
	if version != "" && version != "2.0" && version != "1.0" {
		return &Error{field + "Version", "2.0 is known"}
	}
	_, err := abac.Parse(text)
	if e, ok := errors.AsType[*abac.Error](err); ok {
		return &Error{field, e.Error()}
	}
	return err
}
