package rbac

import (
	"slices"
	"strings"

	"portcullis/internal/abac"
)

// compiled is the permissions of a role or a denial, ready to be asked.
type compiled struct {
	// from is what was compiled: whoever copies a role and gives it other permissions has not compiled these.
	from    []Permission
	entries []entry
}

// of says whether these are the permissions that were compiled.
func (c compiled) of(list []Permission) bool {
	return len(list) == len(c.entries) && (len(list) == 0 || &list[0] == &c.from[0])
}

// entry is one permission.
type entry struct {
	control, data plane
	condition     *abac.Condition
	// unreadable says that there is a condition and it could not be read; condition then never holds.
	unreadable bool
}

// plane is what an entry allows on the control plane or on the data plane.
type plane struct{ allowed, left patterns }

func compile(list []Permission) compiled {
	c := compiled{from: list, entries: make([]entry, len(list))}
	for i, p := range list {
		condition, err := abac.Parse(p.Condition)
		if err != nil {
			condition = abac.Stored(p.Condition)
		}
		c.entries[i] = entry{
			control:    plane{patternsOf(p.Actions), patternsOf(p.NotActions)},
			data:       plane{patternsOf(p.DataActions), patternsOf(p.NotDataActions)},
			condition:  condition,
			unreadable: err != nil,
		}
	}
	return c
}

// matches says whether the entry is about the operation, whatever its condition says.
func (e *entry) matches(op Operation) bool {
	side := &e.control
	if op.Data {
		side = &e.data
	}
	return side.allowed.match(op.Action) && !side.left.match(op.Action)
}

// binds says whether the entry of a denial is in force; see binding.
func (e *entry) binds(q abac.Question) bool { return e.unreadable || e.condition.Holds(q) }

// patterns are a list of actions: those without wildcard in order, and the others.
type patterns struct{ exact, wild []abac.Pattern }

func patternsOf(list []string) patterns {
	var p patterns
	for _, text := range list {
		pattern := abac.NewPattern(text)
		switch {
		case pattern.String() == "":
			// An empty line in a list is nothing that anybody could do.
		case pattern.Wild():
			p.wild = append(p.wild, pattern)
		default:
			p.exact = append(p.exact, pattern)
		}
	}
	slices.SortFunc(p.exact, func(a, b abac.Pattern) int { return strings.Compare(a.String(), b.String()) })
	return p
}

func (p *patterns) match(action string) bool {
	for i := range p.wild {
		if p.wild[i].Matches(action) {
			return true
		}
	}
	_, found := slices.BinarySearchFunc(p.exact, action, abac.Pattern.Compare)
	return found
}
