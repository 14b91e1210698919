package abac

import "strings"

// nodeKind is a kind of condition within a condition. The zero value never holds.
type nodeKind int

const (
	never nodeKind = iota
	allOf
	anyOf
	noneOf
	action
	subOperation
	exists
	compares
)

// node is a condition within a condition.
type node struct {
	kind nodeKind
	// parts are those of allOf and anyOf, two or more, and the one of noneOf.
	parts      []node
	pattern    Pattern
	attribute  Attribute
	comparison *comparison
}

// holds descends no deeper than the brackets and negations of the text.
func (n *node) holds(q *Question) bool {
	switch n.kind {
	case never:
		return false
	case allOf:
		return n.first(q, false) < 0
	case anyOf:
		return n.first(q, true) >= 0
	case noneOf:
		return n.first(q, true) < 0
	case action:
		return n.pattern.Matches(q.Action)
	case subOperation:
		return q.SubOperation != "" && n.pattern.Matches(q.SubOperation)
	case exists:
		return len(q.values(n.attribute)) > 0 || q.isSubOperation(n.attribute)
	case compares:
		return n.comparison.holds(q)
	}
	return false
}

// first is the place of the first part whose answer this is, or -1.
func (n *node) first(q *Question, answer bool) int {
	for i := range n.parts {
		if n.parts[i].holds(q) == answer {
			return i
		}
	}
	return -1
}

// String prints only the brackets that Parse needs, and those around what is negated.
func (n *node) String() string {
	switch n.kind {
	case never:
		return ""
	case allOf:
		return n.joined(" AND ")
	case anyOf:
		return n.joined(" OR ")
	case noneOf:
		return "!(" + n.parts[0].String() + ")"
	case action:
		return "ActionMatches{" + text.print(value{text: n.pattern.String()}) + "}"
	case subOperation:
		return "SubOperationMatches{" + text.print(value{text: n.pattern.String()}) + "}"
	case exists:
		return "Exists " + n.attribute.String()
	case compares:
		return n.comparison.String()
	}
	return ""
}

func (n *node) joined(sign string) string {
	parts := make([]string, len(n.parts))
	for i := range n.parts {
		parts[i] = n.parts[i].String()
		if n.kind == allOf && n.parts[i].kind == anyOf {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, sign)
}

// comparison is two operands with an operator between them.
type comparison struct {
	left, right operand
	quantifier  quantifier
	operator    operator
}

// operand is an attribute, or the values of a condition.
type operand struct {
	attribute Attribute
	values    []value
}

// holds says whether the values stand in the relation, as the quantifier has it. Where a side has no value, or one without
// quantifier has several, nothing holds.
func (c *comparison) holds(q *Question) bool {
	left, right := c.left.known(q), c.right.known(q)
	if left.len() == 0 || right.len() == 0 {
		return false
	}
	if c.quantifier.name == "" && (left.len() > 1 || right.len() > 1) {
		return false
	}
	for i := range left.len() {
		a, ok := left.at(i, c.operator.kind)
		if holds := ok && c.ofRight(a, right); holds != c.quantifier.allOfLeft {
			return holds
		}
	}
	return c.quantifier.allOfLeft
}

// ofRight says whether a value of the left stands in the relation with any, or with all, of the right.
func (c *comparison) ofRight(a value, right known) bool {
	for i := range right.len() {
		b, ok := right.at(i, c.operator.kind)
		if holds := ok && c.operator.holds(a, b); holds != c.quantifier.allRight {
			return holds
		}
	}
	return c.quantifier.allRight
}

func (c *comparison) String() string {
	prefix := ""
	if c.quantifier.name != "" {
		prefix = c.quantifier.name + ":"
	}
	return c.print(c.left) + " " + prefix + c.operator.name + " " + c.print(c.right)
}

func (c *comparison) print(o operand) string {
	if o.attribute.Source != 0 {
		return o.attribute.String()
	}
	printed := make([]string, len(o.values))
	for i, v := range o.values {
		printed[i] = c.operator.kind.print(v)
	}
	if c.quantifier.name == "" {
		return strings.Join(printed, "")
	}
	return "{" + strings.Join(printed, ", ") + "}"
}

// known are the values of an operand: those of the condition, those of an attribute in their written form, or the
// sub-operation of the question.
type known struct {
	values []value
	texts  []string
	one    string
}

func (o *operand) known(q *Question) known {
	if o.attribute.Source == 0 {
		return known{values: o.values}
	}
	k := known{texts: q.values(o.attribute)}
	if len(k.texts) == 0 && q.isSubOperation(o.attribute) {
		k.one = q.SubOperation
	}
	return k
}

func (k known) len() int {
	if k.one != "" {
		return 1
	}
	return len(k.values) + len(k.texts)
}

// at reads a value; false where it is not of the kind.
func (k known) at(i int, kind valueKind) (value, bool) {
	switch {
	case k.one != "":
		return kind.read(k.one)
	case k.texts != nil:
		return kind.read(k.texts[i])
	}
	return k.values[i], true
}
