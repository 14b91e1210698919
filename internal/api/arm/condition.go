package arm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Conditions on the rows of the tree, in the two languages that clients write them in: the $filter of lists of resources
// (resourceType eq 'a/b' and tagName eq 'c') and the where of Resource Graph's queries (type =~ 'a/b' and tags['c'] == 'd').
// The grammar is one, the operators differ.

// Bounds of what is read.
const (
	longestQuery = 32 << 10
	deepestQuery = 32
)

// token is a piece of such a text. kind is the first of: word, text, number, end, or the sign itself.
type token struct {
	kind  string
	value string
	at    int
}

const (
	wordToken   = "word"
	textToken   = "text"
	numberToken = "number"
	endToken    = "end"
)

// tokens takes a text apart. Two quotes within a text mean one, and escapes says that a backslash means what follows it.
func tokens(text string, escapes bool) ([]token, error) {
	if len(text) > longestQuery {
		return nil, fmt.Errorf("it has more than %d bytes", longestQuery)
	}
	var out []token
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case strings.HasPrefix(text[i:], "//"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				end = len(text) - i
			}
			i += end
		case c == '\'' || c == '"':
			value, next, err := quoted(text, i, escapes)
			if err != nil {
				return nil, err
			}
			out = append(out, token{textToken, value, i})
			i = next
		case isDigit(c):
			from := i
			for i < len(text) && (isDigit(text[i]) || text[i] == '.' && i+1 < len(text) && isDigit(text[i+1])) {
				i++
			}
			out = append(out, token{numberToken, text[from:i], from})
		case isLetter(c):
			from := i
			for i < len(text) && (isLetter(text[i]) || isDigit(text[i])) {
				i++
			}
			out = append(out, token{wordToken, text[from:i], from})
		default:
			sign := signAt(text[i:])
			if sign == "" {
				return nil, fmt.Errorf("at byte %d: %.4q is not expected", i, text[i:])
			}
			out = append(out, token{sign, sign, i})
			i += len(sign)
		}
	}
	return append(out, token{endToken, "", len(text)}), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}

// signAt is the longest sign that a text begins with.
func signAt(text string) string {
	for _, s := range []string{"==", "=~", "!=", "!~", "<=", ">=", "(", ")", "[", "]", ",", "|", ".", "=", "<", ">", "!", "~", "-"} {
		if strings.HasPrefix(text, s) {
			return s
		}
	}
	return ""
}

func quoted(text string, from int, escapes bool) (value string, next int, err error) {
	var b strings.Builder
	quote := text[from]
	for i := from + 1; i < len(text); i++ {
		switch c := text[i]; {
		case escapes && c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == quote && i+1 < len(text) && text[i+1] == quote:
			i++
			b.WriteByte(quote)
		case c == quote:
			return b.String(), i + 1, nil
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("at byte %d: a text without an end", from)
}

// row tells the value at a path of names: a string, float64, bool, map[string]any, []any, or nil for none.
type row func(path []string) any

// condition says whether a row is meant.
type condition func(row) bool

// reader reads tokens one after the other.
type reader struct {
	list  []token
	pos   int
	depth int
	// comparisons are the operators by their words and signs, in lower case.
	comparisons map[string]func(have any, want []string) bool
}

func (r *reader) peek() token { return r.list[r.pos] }

func (r *reader) next() token {
	t := r.list[r.pos]
	if r.pos < len(r.list)-1 {
		r.pos++
	}
	return t
}

// take reads a token if it is that word, in any letter case, or that sign.
func (r *reader) take(what string) bool {
	t := r.peek()
	if t.kind != textToken && t.kind != numberToken && t.kind != endToken && strings.EqualFold(t.value, what) {
		r.next()
		return true
	}
	return false
}

func (r *reader) unexpected() error {
	t := r.peek()
	if t.kind == endToken {
		return fmt.Errorf("at byte %d: it ends too early", t.at)
	}
	return fmt.Errorf("at byte %d: %.40q is not expected here", t.at, t.value)
}

func (r *reader) want(what string) error {
	if !r.take(what) {
		return r.unexpected()
	}
	return nil
}

// or reads conditions of which one is to hold.
func (r *reader) or() (condition, error) {
	if r.depth++; r.depth > deepestQuery {
		return nil, fmt.Errorf("it is nested deeper than %d", deepestQuery)
	}
	defer func() { r.depth-- }()
	return r.several("or", r.and, func(list []condition) condition {
		return func(x row) bool { return slices.ContainsFunc(list, func(c condition) bool { return c(x) }) }
	})
}

func (r *reader) and() (condition, error) {
	return r.several("and", r.one, func(list []condition) condition {
		return func(x row) bool { return !slices.ContainsFunc(list, func(c condition) bool { return !c(x) }) }
	})
}

func (r *reader) several(word string, one func() (condition, error), join func([]condition) condition) (condition, error) {
	var list []condition
	for {
		c, err := one()
		if err != nil {
			return nil, err
		}
		if list = append(list, c); !r.take(word) {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return join(list), nil
}

func (r *reader) one() (condition, error) {
	switch {
	case r.take("("):
		c, err := r.or()
		if err != nil {
			return nil, err
		}
		return c, r.want(")")
	case r.take("not"):
		c, err := r.nested(r.one)
		if err != nil {
			return nil, err
		}
		return func(x row) bool { return !c(x) }, nil
	}
	if t := r.peek(); t.kind == wordToken && r.list[min(r.pos+1, len(r.list)-1)].kind == "(" {
		return r.call()
	}
	return r.comparison()
}

// nested reads something that may hold itself again.
func (r *reader) nested(read func() (condition, error)) (condition, error) {
	if r.depth++; r.depth > deepestQuery {
		return nil, fmt.Errorf("it is nested deeper than %d", deepestQuery)
	}
	defer func() { r.depth-- }()
	return read()
}

// call reads a function: a test of a column, or one around the column of a comparison.
func (r *reader) call() (condition, error) {
	name := strings.ToLower(r.next().value)
	r.next() // the bracket
	switch name {
	case "isempty", "isnotempty", "isnull", "isnotnull":
		path, err := r.path()
		if err != nil {
			return nil, err
		}
		empty := name == "isempty" || name == "isnull"
		return func(x row) bool { return (textOf(x(path)) == "") == empty }, r.want(")")
	case "tolower", "toupper", "tostring":
		path, err := r.path()
		if err != nil {
			return nil, err
		}
		if err := r.want(")"); err != nil {
			return nil, err
		}
		shape := map[string]func(string) string{"tolower": strings.ToLower, "toupper": strings.ToUpper, "tostring": strings.Clone}[name]
		return r.compare(func(x row) any { return shape(textOf(x(path))) })
	case "substringof", "contains", "startswith", "endswith":
		return r.textCall(name)
	}
	r.pos -= 2
	return nil, r.unexpected()
}

// textCall reads contains(name,'x') and its like; substringof has its arguments the other way round.
func (r *reader) textCall(name string) (condition, error) {
	var path []string
	var want string
	var hasText bool
	var err error
	for i := range 2 {
		if i == 1 {
			if err := r.want(","); err != nil {
				return nil, err
			}
		}
		if t := r.peek(); t.kind == textToken {
			want, hasText = strings.ToLower(r.next().value), true
		} else if path, err = r.path(); err != nil {
			return nil, err
		}
	}
	if path == nil || !hasText {
		return nil, r.unexpected()
	}
	test := map[string]func(s, t string) bool{"substringof": strings.Contains, "contains": strings.Contains,
		"startswith": strings.HasPrefix, "endswith": strings.HasSuffix}[name]
	return func(x row) bool { return test(strings.ToLower(textOf(x(path))), want) }, r.want(")")
}

func (r *reader) comparison() (condition, error) {
	path, err := r.path()
	if err != nil {
		return nil, err
	}
	return r.compare(func(x row) any { return x(path) })
}

func (r *reader) compare(left func(row) any) (condition, error) {
	op := ""
	if r.take("!") {
		op = "!"
	}
	op += strings.ToLower(r.next().value)
	if strings.HasSuffix(op, "in") && r.take("~") {
		op += "~"
	}
	test, known := r.comparisons[op]
	if !known {
		r.pos--
		return nil, r.unexpected()
	}
	want, err := r.values(strings.Contains(op, "in") && !strings.Contains(op, "contains"))
	if err != nil {
		return nil, err
	}
	return func(x row) bool { return test(left(x), want) }, nil
}

// values reads what a column is compared with: one value, or a list of them.
func (r *reader) values(list bool) ([]string, error) {
	if !list {
		v, err := r.value()
		return []string{v}, err
	}
	if err := r.want("("); err != nil {
		return nil, err
	}
	var out []string
	for {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		if out = append(out, v); !r.take(",") {
			return out, r.want(")")
		}
	}
}

func (r *reader) value() (string, error) {
	t := r.peek()
	switch {
	case t.kind == textToken || t.kind == numberToken,
		t.kind == wordToken && (strings.EqualFold(t.value, "true") || strings.EqualFold(t.value, "false")):
		r.next()
		if t.kind == wordToken {
			return strings.ToLower(t.value), nil
		}
		return t.value, nil
	}
	return "", r.unexpected()
}

// path reads a column, and what is wanted of it: properties.a.b, tags['a b'].
func (r *reader) path() ([]string, error) {
	if r.peek().kind != wordToken {
		return nil, r.unexpected()
	}
	path := []string{r.next().value}
	for len(path) < deepestQuery {
		switch {
		case r.take("."):
			if r.peek().kind != wordToken {
				return nil, r.unexpected()
			}
			path = append(path, r.next().value)
		case r.take("["):
			if r.peek().kind != textToken {
				return nil, r.unexpected()
			}
			path = append(path, r.next().value)
			if err := r.want("]"); err != nil {
				return nil, err
			}
		default:
			return path, nil
		}
	}
	return nil, r.unexpected()
}

// textOf is a value as a text; none is empty.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		return strconv.Itoa(v)
	}
	return fmt.Sprint(v)
}
