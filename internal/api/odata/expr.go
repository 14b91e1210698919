package odata

import (
	"slices"
	"strings"
)

// An Expr is a filter: one of And, Or, Not, Compare, In, Call, Any and All. A nil Expr is no filter: everything.
type Expr interface {
	// String prints the filter in OData's syntax; it reads back to an equal tree.
	String() string
	expr()
}

// And is true when all of its terms are. It has two terms or more, none of them an And.
type And []Expr

// Or is true when one of its terms is. It has two terms or more, none of them an Or.
type Or []Expr

// Not is true when X is false.
type Not struct{ X Expr }

// Compare holds a property against a literal.
type Compare struct {
	Path  Path
	Op    Op
	Value Literal
}

// In is true when the property equals one of the values.
type In struct {
	Path   Path
	Values []Literal
}

// Call is a function that says yes or no: startswith, endswith, contains, isof, or one of a dialect's own, such as
// asTarget(). The names of the first four are in lower case; a dialect's is as sent until Schema.Check.
type Call struct {
	Name string
	Args []Operand
}

// Any is true when X holds for an element of the collection at Path. Paths in X that begin with Var mean the element.
// Var is empty and X nil for any(), which asks whether there is an element at all.
type Any struct {
	Path Path
	Var  string
	X    Expr
}

// All is true when X holds for every element of the collection at Path.
type All struct {
	Path Path
	Var  string
	X    Expr
}

func (And) expr()     {}
func (Or) expr()      {}
func (Not) expr()     {}
func (Compare) expr() {}
func (In) expr()      {}
func (Call) expr()    {}
func (Any) expr()     {}
func (All) expr()     {}

// Op is an operator of comparison.
type Op uint8

// The operators. The zero value is none of them.
const (
	Eq Op = iota + 1
	Ne
	Gt
	Ge
	Lt
	Le
)

func (o Op) String() string {
	switch o {
	case Eq:
		return "eq"
	case Ne:
		return "ne"
	case Gt:
		return "gt"
	case Ge:
		return "ge"
	case Lt:
		return "lt"
	case Le:
		return "le"
	}
	return "op?"
}

// mirrored is the operator for swapped sides.
func (o Op) mirrored() Op {
	switch o {
	case Gt:
		return Lt
	case Ge:
		return Le
	case Lt:
		return Gt
	case Le:
		return Ge
	case Eq, Ne:
	}
	return o
}

// Wrap is a function around a path.
type Wrap uint8

// The wraps.
const (
	Plain Wrap = iota
	ToLower
	ToUpper
)

// A Path leads to a property: principal/displayName, tolower(roleDefinition/displayName).
type Path struct {
	Segments []string
	Wrap     Wrap
	Kind     Kind // what Schema.Check found there; KindUnknown before

	at int // offset in the text plus one; 0 where the path was not read from text
}

// Equal compares all but the place in the text.
func (p Path) Equal(q Path) bool {
	return p.Wrap == q.Wrap && p.Kind == q.Kind && slices.Equal(p.Segments, q.Segments)
}

// Name is the path without its wrap, segments joined by '/'.
func (p Path) Name() string { return strings.Join(p.Segments, "/") }

func (p Path) String() string {
	switch p.Wrap {
	case ToLower:
		return "tolower(" + p.Name() + ")"
	case ToUpper:
		return "toupper(" + p.Name() + ")"
	case Plain:
	}
	return p.Name()
}

func (p Path) offset() int { return p.at - 1 }

// An Operand is what a function takes: a Path or a Literal.
type Operand interface {
	String() string
	operand()
}

func (Path) operand() {}

func (x And) String() string { return joined(x, " and ") }

func (x Or) String() string { return joined(x, " or ") }

// joined brackets a disjunction within a conjunction; the grammar needs no other brackets between the two.
func joined(terms []Expr, word string) string {
	var b strings.Builder
	for i, t := range terms {
		if i > 0 {
			b.WriteString(word)
		}
		if _, or := t.(Or); or {
			b.WriteString("(" + t.String() + ")")
		} else {
			b.WriteString(t.String())
		}
	}
	return b.String()
}

// String brackets everything but a function: in OData `not` binds tighter than comparison.
func (x Not) String() string {
	switch x.X.(type) {
	case Call, Any, All:
		return "not " + x.X.String()
	}
	return "not (" + x.X.String() + ")"
}

func (x Compare) String() string {
	return x.Path.String() + " " + x.Op.String() + " " + x.Value.String()
}

func (x In) String() string {
	values := make([]string, len(x.Values))
	for i, v := range x.Values {
		values[i] = v.String()
	}
	return x.Path.String() + " in (" + strings.Join(values, ",") + ")"
}

func (x Call) String() string {
	args := make([]string, len(x.Args))
	for i, a := range x.Args {
		args[i] = a.String()
	}
	return x.Name + "(" + strings.Join(args, ",") + ")"
}

func (x Any) String() string { return lambda(x.Path, "any", x.Var, x.X) }

func (x All) String() string { return lambda(x.Path, "all", x.Var, x.X) }

func lambda(path Path, word, name string, x Expr) string {
	if x == nil {
		return path.Name() + "/" + word + "()"
	}
	return path.Name() + "/" + word + "(" + name + ":" + x.String() + ")"
}

// Join is the conjunction of the terms, nil ones (everything) left out.
func Join(terms ...Expr) Expr {
	var all And
	for _, t := range terms {
		switch t := t.(type) {
		case nil:
		case And:
			all = append(all, t...)
		default:
			all = append(all, t)
		}
	}
	return oneOrAnd(all)
}

func oneOrAnd(terms And) Expr {
	switch len(terms) {
	case 0:
		return nil
	case 1:
		return terms[0]
	}
	return terms
}

// either is the disjunction of one term or more.
func either(terms []Expr) Expr {
	var any Or
	for _, t := range terms {
		if or, ok := t.(Or); ok {
			any = append(any, or...)
		} else {
			any = append(any, t)
		}
	}
	if len(any) == 1 {
		return any[0]
	}
	return any
}

// TextOf is what a text in quotes says, or an id without them; empty for all else.
func TextOf(v Literal) string {
	switch v := v.(type) {
	case String:
		return string(v)
	case Guid:
		return string(v)
	}
	return ""
}

// Terms are the conditions that must all hold for e to hold; none for nil.
func Terms(e Expr) []Expr {
	switch e := e.(type) {
	case nil:
		return nil
	case And:
		return slices.Clone(e)
	}
	return []Expr{e}
}

// Pinned is the value that e demands of the property at path by a plain `path eq value` among its terms, so that a
// dialect can find a filter it insists on. Names compare without letter case. Null is not a value.
func Pinned(e Expr, path ...string) (Literal, bool) {
	for _, t := range Terms(e) {
		c, ok := t.(Compare)
		if !ok || c.Op != Eq || c.Path.Wrap != Plain {
			continue
		}
		if _, null := c.Value.(Null); !null && slices.EqualFunc(c.Path.Segments, path, strings.EqualFold) {
			return c.Value, true
		}
	}
	return nil, false
}
