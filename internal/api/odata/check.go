package odata

import (
	"slices"
	"strings"
)

// checker holds one filter against a schema. vars are the variables of the lambdas around, the innermost last.
type checker struct {
	schema Schema
	vars   []element
}

// element is what a variable stands for: a property whose Kind and Properties are those of the collection's elements.
type element struct {
	name string
	of   Property
}

func (c *checker) expr(e Expr) (Expr, error) {
	switch e := e.(type) {
	case nil:
		return nil, nil
	case And:
		terms, err := c.terms(e)
		return And(terms), err
	case Or:
		terms, err := c.terms(e)
		return Or(terms), err
	case Not:
		x, err := c.expr(e.X)
		return Not{x}, err
	case Compare:
		return c.compare(e)
	case In:
		return c.in(e)
	case Call:
		return c.call(e)
	case Any:
		path, x, err := c.lambda(e.Path, e.Var, e.X)
		return Any{path, e.Var, x}, err
	case All:
		path, x, err := c.lambda(e.Path, e.Var, e.X)
		return All{path, e.Var, x}, err
	}
	return nil, refuse("$filter", "a condition of an unknown kind") // Expr would have got a new type
}

func (c *checker) terms(list []Expr) ([]Expr, error) {
	out := make([]Expr, len(list))
	for i, t := range list {
		x, err := c.expr(t)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

func refusePath(p Path, format string, args ...any) error {
	return refuseAt("$filter", p.offset(), format, args...)
}

// path resolves names; a variable of a lambda comes before a property of the same name.
func (c *checker) path(p Path) (Path, Property, error) {
	if len(p.Segments) == 0 {
		return p, Property{}, refuse("$filter", "a path without a name")
	}
	var found Property
	segments, ok := []string(nil), false
	if v, bound := c.variable(p.Segments[0]); bound {
		found, ok = v.of, true
		if rest := p.Segments[1:]; len(rest) > 0 {
			segments, found, ok = resolve(v.of.Properties, rest)
		}
		segments = append([]string{v.name}, segments...)
	} else {
		segments, found, ok = resolve(c.schema.Properties, p.Segments)
	}
	switch {
	case !ok:
		return p, found, refusePath(p, "property %q is not known here", p.Name())
	case !found.Filterable:
		return p, found, refusePath(p, "property %q does not filter", p.Name())
	case p.Wrap != Plain && !found.Kind.isText():
		return p, found, refusePath(p, "property %q is no text", p.Name())
	}
	p.Segments, p.Kind = segments, found.Kind
	return p, found, nil
}

func (c *checker) variable(name string) (element, bool) {
	for _, v := range slices.Backward(c.vars) {
		if v.name == name {
			return v, true
		}
	}
	return element{}, false
}

func (c *checker) compare(e Compare) (Expr, error) {
	path, p, err := c.path(e.Path)
	if err != nil {
		return nil, err
	}
	value, ok := fit(p, e.Value)
	if !ok {
		return nil, refusePath(path, "the value does not suit property %q", path.Name())
	}
	_, null := value.(Null)
	switch {
	case e.Op == Eq || e.Op == Ne:
	case e.Op < Eq || e.Op > Le || null || !ordered(p.Kind):
		return nil, refusePath(path, "property %q does not compare so", path.Name())
	}
	return Compare{path, e.Op, value}, nil
}

func ordered(k Kind) bool {
	switch k {
	case KindString, KindText, KindNumber, KindTime, KindDuration:
		return true
	case KindUnknown, KindID, KindEnum, KindBool, KindComplex, KindCollection:
	}
	return false
}

func (c *checker) in(e In) (Expr, error) {
	path, p, err := c.path(e.Path)
	if err != nil {
		return nil, err
	}
	if p.Kind == KindComplex {
		return nil, refusePath(path, "property %q takes no list", path.Name())
	}
	values := make([]Literal, len(e.Values))
	for i, v := range e.Values {
		var ok bool
		if values[i], ok = fit(p, v); !ok {
			return nil, refusePath(path, "value %d does not suit property %q", i+1, path.Name())
		}
	}
	return In{path, values}, nil
}

// fit is the literal in the type of the property's kind, false when there is none.
func fit(p Property, v Literal) (Literal, bool) {
	if _, null := v.(Null); null {
		return v, p.Kind != KindCollection
	}
	switch p.Kind {
	case KindString, KindText, KindID:
		return fitText(v)
	case KindEnum:
		word, ok := v.(String)
		for _, spelling := range p.Values {
			if lowerASCII(spelling) == lowerASCII(string(word)) {
				return String(spelling), ok
			}
		}
		return word, ok
	case KindBool:
		_, ok := v.(Bool)
		return v, ok
	case KindNumber:
		_, ok := v.(Number)
		return v, ok
	case KindTime:
		if text, ok := v.(String); ok {
			return parsed(parseTime(strings.TrimSpace(string(text))))
		}
		_, ok := v.(Time)
		return v, ok
	case KindDuration:
		if text, ok := v.(String); ok {
			return parsed(parseDuration(strings.TrimSpace(string(text))))
		}
		_, ok := v.(Duration)
		return v, ok
	case KindUnknown, KindComplex, KindCollection:
	}
	return nil, false
}

func fitText(v Literal) (Literal, bool) {
	switch v := v.(type) {
	case String:
		return v, true
	case Guid:
		return String(v), true
	}
	return nil, false
}

func parsed[T Literal](v T, ok bool) (Literal, bool) { return v, ok }

func (c *checker) call(e Call) (Expr, error) {
	switch e.Name {
	case "startswith", "endswith", "contains":
		return c.textCall(e)
	case "isof":
		return c.isof(e)
	}
	for _, f := range c.schema.Functions {
		if strings.EqualFold(f.Name, e.Name) {
			return c.dialectCall(f, e)
		}
	}
	return nil, refuse("$filter", "function %q is not known here", e.Name)
}

func (c *checker) textCall(e Call) (Expr, error) {
	if len(e.Args) == 2 {
		path, isPath := e.Args[0].(Path)
		text, isText := e.Args[1].(String)
		if isPath && isText {
			path, p, err := c.path(path)
			if err == nil && !p.Kind.isText() {
				err = refusePath(path, "property %q is no text", path.Name())
			}
			return Call{e.Name, []Operand{path, text}}, err
		}
	}
	return nil, refuse("$filter", "%s takes a property and a string", e.Name)
}

func (c *checker) isof(e Call) (Expr, error) {
	if len(e.Args) == 2 {
		path, isPath := e.Args[0].(Path)
		typ, isText := e.Args[1].(String)
		if isPath && isText {
			path, p, err := c.path(path)
			if err == nil && p.Kind != KindComplex {
				err = refusePath(path, "property %q is no object", path.Name())
			}
			return Call{e.Name, []Operand{path, typ}}, err
		}
	}
	return nil, refuse("$filter", "isof takes a property and the name of a type")
}

func (c *checker) dialectCall(f Function, e Call) (Expr, error) {
	if len(e.Args) != len(f.Args) {
		return nil, refuse("$filter", "function %q takes %d arguments", f.Name, len(f.Args))
	}
	var args []Operand
	for i, a := range e.Args {
		v, ok := a.(Literal)
		if ok {
			v, ok = fit(Property{Kind: f.Args[i]}, v)
		}
		if _, null := v.(Null); !ok || null {
			return nil, refuse("$filter", "function %q: argument %d does not suit", f.Name, i+1)
		}
		args = append(args, v)
	}
	return Call{f.Name, args}, nil
}

func (c *checker) lambda(path Path, name string, x Expr) (Path, Expr, error) {
	path, p, err := c.path(path)
	if err != nil {
		return path, nil, err
	}
	if p.Kind != KindCollection {
		return path, nil, refusePath(path, "property %q is no collection", path.Name())
	}
	if x == nil {
		return path, nil, nil
	}
	of := Property{Kind: p.Element, Filterable: true}
	if len(p.Properties) > 0 {
		of = Property{Kind: KindComplex, Properties: p.Properties, Filterable: true}
	}
	c.vars = append(c.vars, element{name, of})
	x, err = c.expr(x)
	c.vars = c.vars[:len(c.vars)-1]
	return path, x, err
}
