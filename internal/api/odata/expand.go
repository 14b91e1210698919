package odata

import (
	"errors"
	"strings"
)

// An Expand asks for related objects beside each row.
type Expand struct {
	Path  string // a navigation property, or "*" for all of them
	Query Query  // what of them; never with a SkipToken
}

// String prints the entry as $expand writes it: policy($expand=rules($select=id)).
func (e Expand) String() string {
	options := e.Query.options()
	if len(options) == 0 {
		return e.Path
	}
	return e.Path + "(" + strings.Join(options, ";") + ")"
}

// parseExpand reads a list whose entries stand on the given level, from 1.
func parseExpand(text string, depth int) ([]Expand, error) {
	if depth > MaxExpandDepth {
		return nil, refuse("$expand", "more than %d levels deep", MaxExpandDepth)
	}
	if at := unbalanced(text); at >= 0 {
		return nil, refuseAt("$expand", at, "brackets or quotes that do not match")
	}
	var list []Expand
	for i, item := range splitTop(text, ',') {
		if i >= MaxItems {
			return nil, refuse("$expand", "more than %d entries", MaxItems)
		}
		e, err := parseExpandItem(strings.TrimSpace(item), i+1, depth)
		if err != nil {
			return nil, err
		}
		for _, other := range list {
			if strings.EqualFold(other.Path, e.Path) {
				return nil, refuse("$expand", "entry %d is given more than once", i+1)
			}
		}
		list = append(list, e)
	}
	return list, nil
}

func parseExpandItem(item string, n, depth int) (Expand, error) {
	path, rest, nested := strings.Cut(item, "(")
	path = strings.TrimSpace(path)
	if path != "*" && !isPath(path) {
		return Expand{}, refuse("$expand", "entry %d is not the name of a navigation property", n)
	}
	e := Expand{Path: path}
	if !nested {
		return e, nil
	}
	options, ok := strings.CutSuffix(rest, ")")
	if !ok || path == "*" {
		return Expand{}, refuse("$expand", "entry %d has text behind its options, or options behind *", n)
	}
	if err := e.Query.setNested(options, depth); err != nil {
		return Expand{}, within(path, err)
	}
	return e, nil
}

// setNested reads the options between the brackets of an entry that stands on the given level.
func (q *Query) setNested(options string, depth int) error {
	seen := map[string]bool{}
	for _, option := range splitTop(options, ';') {
		key, value, ok := strings.Cut(option, "=")
		name := optionName(key)
		switch {
		case strings.TrimSpace(option) == "":
			continue
		case !ok || !isOption(name) || name == "skiptoken":
			return refuse("$expand", "an option that is not known between brackets")
		case seen[name]:
			return refuse("$"+name, "given more than once")
		}
		seen[name] = true
		if err := q.set("$"+name, value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// within says in which entry of $expand an error lies.
func within(path string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Option == "$expand" {
		return refuse("$expand", "in %s: %s", path, e.Detail)
	}
	return refuse("$expand", "in %s: %s: %s", path, e.Option, e.Detail)
}

// unbalanced is the offset at which brackets and quotes stop matching, or -1.
func unbalanced(s string) int {
	depth, quote := 0, -1
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'' && quote < 0:
			quote = i
		case c == '\'':
			quote = -1
		case quote >= 0:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return i
			}
		}
	}
	if quote >= 0 {
		return quote
	}
	if depth > 0 {
		return len(s)
	}
	return -1
}
