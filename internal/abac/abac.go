// Package abac reads and answers the conditions of role assignments: Azure's language for attribute-based access control,
// version 2.0 (reference arm-pim §10, "Conditions").
//
// A condition narrows what a role allows. It names the actions it is about by guards such as
// !(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) and compares attributes of the request, the resource,
// the principal and the environment. The package is pure: it is told the attributes, and knows no role and no scope.
package abac

import (
	"fmt"
	"strings"
)

// Source says whose attribute is meant. The zero value is none.
type Source int

// The sources.
const (
	_ Source = iota
	Resource
	Request
	Principal
	Environment
)

// Attribute names one fact, as @Request[Microsoft.Authorization/roleAssignments:PrincipalId] does. Names are lower case.
type Attribute struct {
	Source Source
	// Name is what stands between the brackets, such as "microsoft.authorization/roleassignments:principalid".
	Name string
}

// Attributes are what is known when a condition is asked: one value or several for each attribute, numbers, truth values and
// times in their written form. What is not among them is missing, and a comparison with it does not hold.
type Attributes map[Attribute][]string

// Question is what a condition is asked about.
type Question struct {
	// Action is what is being done, and SubOperation which part of it, where it has parts.
	Action, SubOperation string
	Attributes           Attributes
}

// exactKey follows the key of a tag whose letter case counts.
const exactKey = "<$key_case_sensitive$>"

// Name makes an attribute of the name that stands between the brackets, written in any letter case. The key of a tag keeps its
// letters where the name says that they count: "….../tags:Project<$key_case_sensitive$>".
func Name(source Source, name string) Attribute {
	name = strings.TrimSpace(name)
	key := strings.IndexByte(name, ':')
	if exact := len(name) - len(exactKey); key >= 0 && exact > key && lower(name[exact:]) == exactKey {
		return Attribute{Source: source, Name: lower(name[:key]) + name[key:exact] + exactKey}
	}
	return Attribute{Source: source, Name: lower(name)}
}

// String is the attribute as conditions write it.
func (a Attribute) String() string {
	for _, s := range sources {
		if s.source == a.Source {
			return "@" + s.text + "[" + a.Name + "]"
		}
	}
	return ""
}

// values are those of an attribute; none if it is missing.
func (q *Question) values(a Attribute) []string { return q.Attributes[a] }

// isSubOperation says whether an attribute is the sub-operation, which is known without being told among the attributes.
func (q *Question) isSubOperation(a Attribute) bool {
	return q.SubOperation != "" && a.Source == Request && a.Name == "suboperation"
}

// Condition is a condition that was read. Nil holds always.
type Condition struct {
	root node
	// text is what String prints.
	text string
}

// Holds says whether the condition lets the question pass.
func (c *Condition) Holds(q Question) bool { return c == nil || c.root.holds(&q) }

// String prints the condition in one form for all spellings of it; Parse reads the same condition from it. Names of actions and
// attributes are in lower case.
func (c *Condition) String() string {
	if c == nil {
		return ""
	}
	return c.text
}

// Equal says whether two texts are the same condition, however they are spelt: letter case of names, blanks, needless
// brackets, and the order and form of the values of a set make no difference. Texts that cannot be read equal only themselves.
func Equal(a, b string) bool {
	if a == b {
		return true
	}
	first, err := Parse(a)
	if err != nil {
		return false
	}
	second, err := Parse(b)
	return err == nil && first.String() == second.String()
}

// Error says why a text is no condition.
type Error struct {
	// At is where in the text, in bytes from 0.
	At     int
	Detail string
}

func (e *Error) Error() string { return fmt.Sprintf("condition, at byte %d: %s", e.At, e.Detail) }
