package sqlstore

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// fieldType says how a column is compared.
type fieldType int

const (
	exactText  fieldType = iota + 1 // empty is none
	foldedText                      // kept folded; empty is none
	numeric                         // an enumeration; never none
	moment                          // noTime is none
	ending                          // noEnd is none, and greater than any
	flag
)

// field is a column that a list can be filtered and sorted by.
type field struct {
	column string
	typ    fieldType
}

// compiler turns a filter into SQL with bound arguments. None is a value of the column, never NULL, so that conditions
// are true or false and NOT means what it says.
type compiler struct {
	fields map[store.Field]field
	db     engine
	args   []any
}

// maxDepth bounds the nesting of a filter: whoever makes filters from what callers send has bounds of their own.
const maxDepth = 100

func tooDeep() error { return fmt.Errorf("a filter is nested deeper than %d", maxDepth) }

func (c *compiler) bind(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

func (c *compiler) field(f store.Field) (field, error) {
	col, ok := c.fields[f]
	if !ok {
		return field{}, fmt.Errorf("this list has no field %q", f)
	}
	return col, nil
}

func (c *compiler) compile(f store.Filter, depth int) (string, error) {
	if depth > maxDepth {
		return "", tooDeep()
	}
	switch f := f.(type) {
	case nil:
		return "true", nil
	case store.And:
		return c.join(f, " AND ", "true", depth)
	case store.Or:
		return c.join(f, " OR ", "false", depth)
	case store.Not:
		s, err := c.compile(f.Filter, depth+1)
		return "NOT (" + s + ")", err
	case store.Compare:
		return c.compare(f)
	case store.In:
		return c.in(f)
	case store.Under:
		return c.under(f)
	default:
		return "", fmt.Errorf("unknown filter %T", f)
	}
}

func (c *compiler) join(fs []store.Filter, with, empty string, depth int) (string, error) {
	if len(fs) == 0 {
		return empty, nil
	}
	parts := make([]string, len(fs))
	for i, f := range fs {
		s, err := c.compile(f, depth+1)
		if err != nil {
			return "", err
		}
		parts[i] = s
	}
	return "(" + strings.Join(parts, with) + ")", nil
}

func (c *compiler) in(f store.In) (string, error) {
	col, err := c.field(f.Field)
	if err != nil {
		return "", err
	}
	if col.typ != exactText && col.typ != foldedText {
		return "", fmt.Errorf("the field %q is no text", f.Field)
	}
	values := make([]string, 0, len(f.Values))
	for _, v := range f.Values {
		if v != "" { // none equals no value
			values = append(values, col.textValue(v))
		}
	}
	c.args = append(c.args, c.db.list(values))
	return c.db.in(col.column, len(c.args)), nil
}

func (c *compiler) compare(f store.Compare) (string, error) {
	col, err := c.field(f.Field)
	if err != nil {
		return "", err
	}
	if f.Op < store.Eq || f.Op > store.Contains {
		return "", fmt.Errorf("unknown comparison %d", f.Op)
	}
	v, none, err := col.value(f.Value)
	switch {
	case err != nil:
		return "", fmt.Errorf("compare the field %q: %w", f.Field, err)
	case f.Op == store.Prefix || f.Op == store.Contains:
		return c.within(col, f.Op, v)
	case none:
		return c.compareNone(col, f.Op, v), nil
	}
	operator := [...]string{"", "=", "<>", "<", "<=", ">", ">="}[f.Op]
	var s string
	if n, ok := v.(int64); ok && col.typ == numeric {
		// There are few values, and an index on a part of the rows is of use only where the plan knows which.
		s = col.column + " " + operator + " " + strconv.FormatInt(n, 10)
	} else if p := pim.Provider(fmt.Sprint(v)); f.Field == store.FieldProvider && (p == pim.Directory || p == pim.Group || p == pim.Resource) {
		s = col.column + " " + operator + " '" + string(p) + "'" // for the same reason
	} else {
		s = col.column + " " + operator + " " + c.bind(v)
	}
	// None lies before every value as it is stored, but is not less than one.
	if f.Op == store.Lt || f.Op == store.Le {
		switch col.typ {
		case exactText, foldedText:
			s = "(" + s + " AND " + col.column + " <> '')"
		case moment:
			s = "(" + s + " AND " + col.column + " <> " + c.bind(noTime) + ")"
		case numeric, ending, flag:
		}
	}
	return s, nil
}

// compareNone compares with none: equal to itself, neither less nor greater than anything.
func (c *compiler) compareNone(col field, op store.Op, v any) string {
	switch op {
	case store.Eq:
		return col.column + " = " + c.bind(v)
	case store.Ne:
		return col.column + " <> " + c.bind(v)
	case store.Lt, store.Le, store.Gt, store.Ge, store.Prefix, store.Contains:
	}
	return "false"
}

// within compiles Prefix and Contains. Folded columns have an index that serves a range of prefixes. Columns that are
// kept exactly hold ids and the like: the letters A to Z are folded.
func (c *compiler) within(col field, op store.Op, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("the column %s is no text", col.column)
	}
	column := col.column
	if col.typ == exactText {
		column, s = "lower("+column+")", asciiLower(s)
	}
	if op == store.Contains {
		return c.db.words(positionWord) + "(" + column + ", " + c.bind(s) + ") > 0", nil
	}
	if s == "" {
		return "true", nil
	}
	from := column + " >= " + c.bind(s)
	if after, ok := successor(s); ok {
		return "(" + from + " AND " + column + " < " + c.bind(after) + ")", nil
	}
	return from, nil
}

// successor is the least text that is greater than every text with that prefix, by bytes; false if there is none.
func successor(prefix string) (string, bool) {
	runes := []rune(prefix)
	for i := len(runes) - 1; i >= 0; i-- {
		if r := runes[i] + 1; r == 0xD800 { // surrogates are no characters
			return string(runes[:i]) + "\uE000", true
		} else if r <= utf8.MaxRune {
			return string(runes[:i]) + string(r), true
		}
	}
	return "", false
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func (f field) textValue(s string) string {
	if f.typ == foldedText {
		return fold(s)
	}
	return plain(s)
}

// value turns a filter's value into that of the column; none says that it stands for none.
func (f field) value(v any) (value any, none bool, err error) {
	if v == nil {
		return f.none()
	}
	switch v := v.(type) {
	case time.Time:
		switch f.typ {
		case moment:
			return stamp(v), v.IsZero(), nil
		case ending:
			return endStamp(v), v.IsZero(), nil
		case exactText, foldedText, numeric, flag:
		}
	case bool:
		if f.typ == flag {
			return v, false, nil
		}
	}
	// The ids and enumerations of the core have types of their own.
	switch r := reflect.ValueOf(v); {
	case r.Kind() == reflect.String && (f.typ == exactText || f.typ == foldedText):
		return f.textValue(r.String()), r.String() == "", nil
	case r.CanInt() && f.typ == numeric:
		return r.Int(), false, nil
	}
	return nil, false, fmt.Errorf("a %T does not go with it", v)
}

func (f field) none() (any, bool, error) {
	switch f.typ {
	case exactText, foldedText:
		return "", true, nil
	case moment:
		return noTime, true, nil
	case ending:
		return noEnd, true, nil
	case numeric, flag:
	}
	return nil, false, fmt.Errorf("it is never none")
}
