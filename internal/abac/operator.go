package abac

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// relation is what an operator asks of two values.
type relation int

const (
	equal relation = iota
	notEqual
	less
	lessEqual
	greater
	greaterEqual
	begins
	notBegins
	like
	notLike
)

// operator is a word between two operands.
type operator struct {
	name     string
	kind     valueKind
	relation relation
	// fold compares texts without regard to letter case.
	fold bool
}

// operators are all operators, as reference arm-pim §10 lists them.
var operators = []operator{
	{"StringEquals", text, equal, false},
	{"StringNotEquals", text, notEqual, false},
	{"StringStartsWith", text, begins, false},
	{"StringNotStartsWith", text, notBegins, false},
	{"StringLike", text, like, false},
	{"StringNotLike", text, notLike, false},
	{"StringEqualsIgnoreCase", text, equal, true},
	{"StringNotEqualsIgnoreCase", text, notEqual, true},
	{"StringStartsWithIgnoreCase", text, begins, true},
	{"StringNotStartsWithIgnoreCase", text, notBegins, true},
	{"StringLikeIgnoreCase", text, like, true},
	{"StringNotLikeIgnoreCase", text, notLike, true},
	{"NumericEquals", number, equal, false},
	{"NumericNotEquals", number, notEqual, false},
	{"NumericLessThan", number, less, false},
	{"NumericLessThanEquals", number, lessEqual, false},
	{"NumericGreaterThan", number, greater, false},
	{"NumericGreaterThanEquals", number, greaterEqual, false},
	{"DateTimeEquals", instant, equal, false},
	{"DateTimeNotEquals", instant, notEqual, false},
	{"DateTimeLessThan", instant, less, false},
	{"DateTimeLessThanEquals", instant, lessEqual, false},
	{"DateTimeGreaterThan", instant, greater, false},
	{"DateTimeGreaterThanEquals", instant, greaterEqual, false},
	{"TimeOfDayEquals", timeOfDay, equal, false},
	{"TimeOfDayNotEquals", timeOfDay, notEqual, false},
	{"TimeOfDayLessThan", timeOfDay, less, false},
	{"TimeOfDayLessThanEquals", timeOfDay, lessEqual, false},
	{"TimeOfDayGreaterThan", timeOfDay, greater, false},
	{"TimeOfDayGreaterThanEquals", timeOfDay, greaterEqual, false},
	{"BoolEquals", truth, equal, false},
	{"BoolNotEquals", truth, notEqual, false},
	{"GuidEquals", guid, equal, false},
	{"GuidNotEquals", guid, notEqual, false},
}

// holds says whether two values stand in the operator's relation.
func (o operator) holds(a, b value) bool {
	switch o.relation {
	case equal:
		return o.same(a, b)
	case notEqual:
		return !o.same(a, b)
	case less:
		return a.order(b) < 0
	case lessEqual:
		return a.order(b) <= 0
	case greater:
		return a.order(b) > 0
	case greaterEqual:
		return a.order(b) >= 0
	case begins:
		return beginsWith(a.text, b.text, o.fold)
	case notBegins:
		return !beginsWith(a.text, b.text, o.fold)
	case like:
		return isLike(a.text, b.text, o.fold)
	case notLike:
		return !isLike(a.text, b.text, o.fold)
	}
	return false
}

func (o operator) same(a, b value) bool {
	if o.fold {
		return strings.EqualFold(a.text, b.text)
	}
	return a.order(b) == 0
}

// quantifier says which values of two sets have to stand in the operator's relation. The zero value compares single values.
type quantifier struct {
	name                string
	allOfLeft, allRight bool
}

// quantifiers are the prefixes of operators: for any or all values on the left, any or all on the right.
var quantifiers = []quantifier{
	{"ForAnyOfAnyValues", false, false},
	{"ForAllOfAnyValues", true, false},
	{"ForAnyOfAllValues", false, true},
	{"ForAllOfAllValues", true, true},
}

func beginsWith(s, with string, fold bool) bool {
	if !fold {
		return strings.HasPrefix(s, with)
	}
	for with != "" {
		if s == "" {
			return false
		}
		a, n := utf8.DecodeRuneInString(s)
		b, m := utf8.DecodeRuneInString(with)
		if !sameRune(a, b, true) {
			return false
		}
		s, with = s[n:], with[m:]
	}
	return true
}

// isLike says whether a text is as the pattern has it: * is any run of characters, ? any one, and a backslash takes the
// meaning from what follows. Only the last * is ever tried again, so the work is bounded by the product of both lengths.
func isLike(s, pattern string, fold bool) bool {
	again, rest := -1, ""
	for p := 0; s != "" || p < len(pattern); {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			again, rest = p, s
			continue
		}
		if length, width, ok := step(s, pattern[p:], fold); ok {
			s, p = s[length:], p+width
			continue
		}
		if again < 0 || s == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
		s, p = rest, again
	}
	return true
}

// step compares the first character of a text with the first of a pattern, and says how many bytes each takes.
func step(s, pattern string, fold bool) (length, width int, ok bool) {
	if s == "" || pattern == "" {
		return 0, 0, false
	}
	a, length := utf8.DecodeRuneInString(s)
	if pattern[0] == '?' {
		return length, 1, true
	}
	escaped := 0
	if pattern[0] == '\\' && len(pattern) > 1 {
		escaped = 1
	}
	b, width := utf8.DecodeRuneInString(pattern[escaped:])
	return length, escaped + width, sameRune(a, b, fold)
}

func sameRune(a, b rune, fold bool) bool {
	if a == b || !fold {
		return a == b
	}
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}
