package odata

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// ErrFunction is within the error of Eval for a function that only a dialect understands.
var ErrFunction = errors.New("function not known to the evaluator")

// typeSegment is what Eval asks the getter for, behind the path of an object, to decide isof. A leading '#' in the
// answer is as good as none.
const typeSegment = "@odata.type"

// truth is a condition's value; functions of an absent text are neither true nor false, and so is their negation.
type truth int8

const (
	no      truth = -1
	unknown truth = 0
	yes     truth = 1
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// scope holds the elements that the variables of the lambdas around stand for, and what the row itself gets.
type scope struct {
	get    func(path []string) any
	name   string
	parent *scope
}

// Eval decides the filter for one row; a nil filter is true of every row. get gives the row's values: nil for an absent
// one, else a string, bool, number, time.Time or time.Duration, a []any of such for a collection of plain values, and
// a []func([]string) any for a collection of objects. Letter case counts as the kinds in a checked tree say, and in
// an unchecked one it does.
//
// Nulls follow OData: eq and ne treat null as a value like others, the other operators are false of it, and a text
// function of null is null, which a filter takes for false. The error is a fault in the program: a value whose type
// is not the literal's, as only an unchecked tree can bring about, or a function of a dialect (ErrFunction).
func Eval(e Expr, get func(path []string) any) (bool, error) {
	if e == nil {
		return true, nil
	}
	t, err := eval(e, &scope{get: get})
	return t == yes && err == nil, err
}

func (s *scope) value(p Path) any {
	v := s.lookup(p.Segments)
	if p.Wrap != Plain {
		if text, ok := plain(v).(string); ok {
			return p.Wrap.apply(text)
		}
	}
	return plain(v)
}

func (s *scope) lookup(path []string) any {
	for ; s.parent != nil; s = s.parent {
		if len(path) > 0 && path[0] == s.name {
			return s.get(path[1:])
		}
	}
	return s.get(path)
}

// plain brings named types to the handful that compare knows.
func plain(v any) any {
	switch v := v.(type) {
	case nil, string, bool, float64, time.Time, time.Duration, []any, []func([]string) any:
		return v
	case int:
		return float64(v)
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.String:
		return r.String()
	case r.Kind() == reflect.Bool:
		return r.Bool()
	case r.CanInt():
		return float64(r.Int())
	case r.CanUint():
		return float64(r.Uint())
	case r.CanFloat():
		return r.Float()
	}
	return v
}

func eval(e Expr, s *scope) (truth, error) {
	switch e := e.(type) {
	case And:
		return fold(e, s, no)
	case Or:
		return fold(e, s, yes)
	case Not:
		t, err := eval(e.X, s)
		return -t, err
	case Compare:
		t, err := compareValue(s.value(e.Path), e.Op, e.Value, e.Path)
		return truthOf(t), err
	case In:
		v := s.value(e.Path)
		for _, l := range e.Values {
			if t, err := compareValue(v, Eq, l, e.Path); t || err != nil {
				return truthOf(t), err
			}
		}
		return no, nil
	case Call:
		return call(e, s)
	case Any:
		return quantify(e.Path, e.Var, e.X, s, yes)
	case All:
		return quantify(e.Path, e.Var, e.X, s, no)
	}
	return no, fmt.Errorf("odata: evaluate %T: unknown condition", e)
}

// fold is the disjunction (for yes) or conjunction (for no) of the terms, which stops at the value that settles it.
func fold(terms []Expr, s *scope, settles truth) (truth, error) {
	result := -settles
	for _, t := range terms {
		v, err := eval(t, s)
		if err != nil || v == settles {
			return v, err
		}
		if v == unknown {
			result = unknown
		}
	}
	return result, nil
}

func quantify(path Path, name string, x Expr, s *scope, settles truth) (truth, error) {
	elements, err := elementsOf(s.lookup(path.Segments), path)
	if err != nil || x == nil {
		return truthOf(len(elements) > 0), err
	}
	for _, get := range elements {
		v, err := eval(x, &scope{get: get, name: name, parent: s})
		if v == unknown {
			v = no // any and all are true or false, never null (OData 4.01, URL conventions, "Lambda Operators")
		}
		if err != nil || v == settles {
			return v, err
		}
	}
	return -settles, nil
}

func elementsOf(v any, path Path) ([]func([]string) any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []func([]string) any:
		return v, nil
	case []any:
		out := make([]func([]string) any, len(v))
		for i, value := range v {
			out[i] = func([]string) any { return value }
		}
		return out, nil
	}
	return nil, fmt.Errorf("odata: evaluate %s: %T is no collection", path.Name(), v)
}

// compareValue decides `v op l`.
func compareValue(v any, op Op, l Literal, p Path) (bool, error) {
	if _, null := l.(Null); null || v == nil {
		both := null && v == nil
		return op == Eq && both || op == Ne && !both, nil
	}
	order, err := orderOf(v, l, p.Kind)
	if err != nil {
		return false, fmt.Errorf("odata: evaluate %s: %w", p.Name(), err)
	}
	switch op {
	case Eq:
		return order == 0, nil
	case Ne:
		return order != 0, nil
	case Gt:
		return order > 0, nil
	case Ge:
		return order >= 0, nil
	case Lt:
		return order < 0, nil
	case Le:
		return order <= 0, nil
	}
	return false, fmt.Errorf("odata: evaluate %s: unknown operator", p.Name())
}

// orderOf is below, at or above 0 as v is before, at or after l.
func orderOf(v any, l Literal, kind Kind) (int, error) {
	switch v := v.(type) {
	case string:
		switch l := l.(type) {
		case String:
			return strings.Compare(kind.Folded(v), kind.Folded(string(l))), nil
		case Guid:
			return strings.Compare(lowerASCII(v), string(l)), nil
		}
	case bool:
		if l, ok := l.(Bool); ok {
			return int(truthOf(v)-truthOf(bool(l))) / 2, nil
		}
	case float64:
		if l, ok := l.(Number); ok {
			return cmp.Compare(v, float64(l)), nil
		}
	case time.Time:
		if l, ok := l.(Time); ok {
			return v.Compare(l.At), nil
		}
	case time.Duration:
		if l, ok := l.(Duration); ok {
			return cmp.Compare(v, time.Duration(l)), nil
		}
	}
	return 0, fmt.Errorf("%T does not compare with %T", v, l)
}

func call(e Call, s *scope) (truth, error) {
	match := textFunction(e.Name)
	if match == nil && e.Name != "isof" {
		return no, fmt.Errorf("odata: evaluate %s: %w", e.Name, ErrFunction)
	}
	if len(e.Args) != 2 {
		return no, fmt.Errorf("odata: evaluate %s: %d arguments", e.Name, len(e.Args))
	}
	path, isPath := e.Args[0].(Path)
	text, isText := e.Args[1].(String)
	if !isPath || !isText {
		return no, fmt.Errorf("odata: evaluate %s: takes a property and a string", e.Name)
	}
	if match == nil {
		return isof(s, path, string(text))
	}
	v := s.value(path)
	if v == nil {
		return unknown, nil
	}
	word, ok := v.(string)
	if !ok {
		return no, fmt.Errorf("odata: evaluate %s: %T is no text", path.Name(), v)
	}
	return truthOf(match(path.Kind.Folded(word), path.Kind.Folded(string(text)))), nil
}

func textFunction(name string) func(s, part string) bool {
	switch name {
	case "startswith":
		return strings.HasPrefix
	case "endswith":
		return strings.HasSuffix
	case "contains":
		return strings.Contains
	}
	return nil
}

// isof of an absent object is false, as OData has it, and not null.
func isof(s *scope, path Path, want string) (truth, error) {
	segments := append(append(make([]string, 0, len(path.Segments)+1), path.Segments...), typeSegment)
	typ, ok := plain(s.lookup(segments)).(string)
	return truthOf(ok && strings.EqualFold(strings.TrimPrefix(typ, "#"), strings.TrimPrefix(want, "#"))), nil
}
