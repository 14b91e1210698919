package odata

import (
	"slices"
	"strings"
)

// Kind says what a property holds and how it compares.
type Kind uint8

// The kinds. The zero value is not known.
const (
	KindUnknown    Kind = iota
	KindString          // text, compared letter by letter
	KindText            // text for people, compared without letter case
	KindID              // an identifier, compared without letter case (ASCII); eq, ne, in and the text functions
	KindEnum            // a word of a closed set, compared like an identifier
	KindBool            // true or false
	KindNumber          // a number
	KindTime            // an instant
	KindDuration        // a length of time
	KindComplex         // an object with properties
	KindCollection      // a list: of objects when Properties are given, else of Element
)

func (k Kind) isText() bool {
	return k == KindString || k == KindText || k == KindID || k == KindEnum
}

// Folded is the form of s under which two values of the kind are equal: lower case for those that compare without
// letter case (ASCII letters only for identifiers and enumerations), else s itself.
func (k Kind) Folded(s string) string {
	switch k {
	case KindText:
		return strings.ToLower(s)
	case KindID, KindEnum:
		return lowerASCII(s)
	case KindUnknown, KindString, KindBool, KindNumber, KindTime, KindDuration, KindComplex, KindCollection:
	}
	return s
}

func lowerASCII(s string) string {
	upper := func(r rune) bool { return r >= 'A' && r <= 'Z' }
	if !strings.ContainsFunc(s, upper) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if upper(r) {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// A Property is one that a set declares.
type Property struct {
	Name       string // as the wire spells it
	Kind       Kind
	Filterable bool
	Sortable   bool
	Properties []Property // of a Complex, or of a Collection's elements
	Element    Kind       // of a Collection of plain values
	Values     []string   // of an Enum: the spellings; a literal takes them on. Words not among them match nothing
}

// A Navigation is what a set lets callers expand.
type Navigation struct {
	Name   string
	Schema *Schema // what may be asked within the brackets; nil for nothing
}

// A Function is a dialect's own condition, such as assignedTo('id').
type Function struct {
	Name string
	Args []Kind
}

// A Schema says what may be asked of a set. The zero value offers nothing.
type Schema struct {
	Properties  []Property
	Navigations []Navigation
	Functions   []Function
	Searchable  bool // whether $search is offered
}

// Check holds a query against the schema and gives it back with the wire's names in place of the caller's, with the
// kind in each Path, with literals in their kind's type (a guid for an ID as String, a string for a Time as Time, an
// enumeration's word in its spelling) and with * in Expand replaced by the navigations not named beside it. The query
// given is not changed. The error is an *Error: a name that is not declared or not filterable or sortable, a literal or
// an operator that does not suit the kind, an option not offered.
func (s Schema) Check(q Query) (Query, error) {
	var err error
	if q.Search != "" && !s.Searchable {
		return Query{}, refuse("$search", "not offered here")
	}
	c := checker{schema: s}
	if q.Filter, err = c.expr(q.Filter); err != nil {
		return Query{}, err
	}
	if q.Select, err = s.checkSelect(q.Select); err != nil {
		return Query{}, err
	}
	if q.OrderBy, err = s.checkOrderBy(q.OrderBy); err != nil {
		return Query{}, err
	}
	if q.Expand, err = s.checkExpand(q.Expand); err != nil {
		return Query{}, err
	}
	return q, nil
}

func (s Schema) checkSelect(names []string) ([]string, error) {
	out := slices.Clone(names)
	for i, name := range out {
		if name == "*" {
			continue
		}
		if n, ok := s.navigation(name); ok {
			out[i] = n.Name
			continue
		}
		segments, _, ok := resolve(s.Properties, strings.Split(name, "/"))
		if !ok {
			return nil, refuse("$select", "entry %d: property %q is not known here", i+1, name)
		}
		out[i] = strings.Join(segments, "/")
	}
	return out, nil
}

func (s Schema) checkOrderBy(orders []Order) ([]Order, error) {
	out := slices.Clone(orders)
	for i, o := range out {
		segments, p, ok := resolve(s.Properties, o.Path.Segments)
		switch {
		case !ok:
			return nil, refuse("$orderby", "entry %d: property %q is not known here", i+1, o.Path.Name())
		case !p.Sortable || p.Kind == KindComplex || p.Kind == KindCollection:
			return nil, refuse("$orderby", "entry %d: property %q does not sort", i+1, o.Path.Name())
		case o.Path.Wrap != Plain && !p.Kind.isText():
			return nil, refuse("$orderby", "entry %d: property %q is no text", i+1, o.Path.Name())
		}
		out[i].Path.Segments, out[i].Path.Kind = segments, p.Kind
	}
	return out, nil
}

func (s Schema) checkExpand(list []Expand) ([]Expand, error) {
	var out []Expand
	for i, e := range list {
		if e.Path == "*" {
			out = append(out, s.unnamed(list)...)
			continue
		}
		n, ok := s.navigation(e.Path)
		if !ok {
			return nil, refuse("$expand", "entry %d: %q is not known here", i+1, e.Path)
		}
		var of Schema
		if n.Schema != nil {
			of = *n.Schema
		}
		q, err := of.Check(e.Query)
		if err != nil {
			return nil, within(n.Name, err)
		}
		out = append(out, Expand{n.Name, q})
	}
	return out, nil
}

// unnamed is what * stands for beside the other entries.
func (s Schema) unnamed(list []Expand) []Expand {
	var out []Expand
	for _, n := range s.Navigations {
		named := func(e Expand) bool { return strings.EqualFold(e.Path, n.Name) }
		if !slices.ContainsFunc(list, named) {
			out = append(out, Expand{Path: n.Name})
		}
	}
	return out
}

func (s Schema) navigation(name string) (Navigation, bool) {
	for _, n := range s.Navigations {
		if strings.EqualFold(n.Name, name) {
			return n, true
		}
	}
	return Navigation{}, false
}

// resolve follows a path through objects and gives the wire's names and the property at its end.
func resolve(in []Property, path []string) ([]string, Property, bool) {
	var found Property
	out := make([]string, 0, len(path))
	for _, name := range path {
		i := slices.IndexFunc(in, func(p Property) bool { return strings.EqualFold(p.Name, name) })
		if i < 0 {
			return nil, Property{}, false
		}
		found = in[i]
		out = append(out, found.Name)
		in = nil
		if found.Kind == KindComplex {
			in = found.Properties
		}
	}
	return out, found, len(path) > 0
}
