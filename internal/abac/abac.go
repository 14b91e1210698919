// Package abac reads and answers the conditions of role assignments: Azure's language for attribute-based access control,
// version 2.0 (reference arm-pim §10, "Conditions").
//
// A condition narrows what a role allows. It names the actions it is about by guards such as
// !(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) and compares attributes of the request, the resource,
// the principal and the environment. The package is pure: it is told the attributes, and knows no role and no scope.
package abac

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

// Condition is a condition that was read. Nil holds always.
type Condition struct{}

// Parse reads a condition.
func Parse(text string) (*Condition, error) { return nil, nil }

// Holds says whether the condition lets the question pass.
func (c *Condition) Holds(q Question) bool { return c == nil }
