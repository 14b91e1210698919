package odata

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Query is what a caller asks of a set. The zero value asks for everything.
type Query struct {
	Filter    Expr     // nil for everything
	Select    []string // names as sent until Schema.Check; "*" is possible
	Expand    []Expand
	OrderBy   []Order
	Top       *int // rows of a page, 0 to MaxTop; nil when not asked
	Skip      int
	SkipToken string
	Count     bool
	Search    string // as sent: "displayName:abc", quotes included
}

// An Order is one key of $orderby.
type Order struct {
	Path Path
	Desc bool
}

func (o Order) String() string {
	if o.Desc {
		return o.Path.String() + " desc"
	}
	return o.Path.String()
}

// Values cuts the raw query of a URL into options. It differs from (*url.URL).Query in that a ';' is a character like
// others, which nested $expand needs, and in that a broken escape is an *Error and not a pair left out.
func Values(rawQuery string) (url.Values, error) {
	values := url.Values{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, refuse("query", "an escape that is not %% and two hexadecimal digits")
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, refuse("query", "an escape that is not %% and two hexadecimal digits")
		}
		values.Add(key, value)
	}
	return values, nil
}

// Parse reads the system query options among the values and leaves all others to the caller. An option without a value
// is not there. The error is an *Error: an option given twice, malformed, past its bound, or one of OData's that would
// change the answer and is not supported ($apply, $compute, $deltatoken).
func Parse(values url.Values) (Query, error) {
	var q Query
	seen := map[string]bool{}
	for _, key := range slices.Sorted(mapKeys(values)) {
		name := optionName(key)
		if !isOption(name) {
			continue
		}
		option := "$" + name
		if seen[name] || len(values[key]) > 1 {
			return Query{}, refuse(option, "given more than once")
		}
		seen[name] = true
		if len(values[key]) == 0 {
			continue
		}
		if err := q.set(option, values[key][0], 1); err != nil {
			return Query{}, err
		}
	}
	return q, nil
}

func mapKeys(values url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range values {
			if !yield(k) {
				return
			}
		}
	}
}

// optionName is the name of an option in lower case without its dollar. Blanks around it occur in documentation that
// people copy from.
func optionName(key string) string {
	return strings.ToLower(strings.TrimPrefix(strings.TrimSpace(key), "$"))
}

func isOption(name string) bool {
	switch name {
	case "filter", "select", "expand", "orderby", "top", "skip", "skiptoken", "count", "search",
		"apply", "compute", "deltatoken":
		return true
	}
	return false
}

// set reads one option, whose name is in lower case with its dollar, into q. depth is the level of $expand it stands in,
// from 1.
func (q *Query) set(option, text string, depth int) (err error) {
	if err := checkText(option, text, MaxOption); err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	switch option {
	case "$filter":
		q.Filter, err = parseFilter(option, text)
	case "$select":
		q.Select, err = parseSelect(text)
	case "$expand":
		q.Expand, err = parseExpand(text, depth)
	case "$orderby":
		q.OrderBy, err = parseOrderBy(text)
	case "$top":
		q.Top, err = parseTop(text)
	case "$skip":
		q.Skip, err = parseSkip(text)
	case "$skiptoken":
		q.SkipToken = text
	case "$count":
		q.Count, err = parseCount(text)
	case "$search":
		q.Search = text
	default:
		err = refuse(option, "not supported")
	}
	return err
}

func parseSelect(text string) ([]string, error) {
	var names []string
	for i, item := range splitTop(text, ',') {
		name := strings.TrimSpace(item)
		if name != "*" && !isPath(name) {
			return nil, refuse("$select", "entry %d is not the name of a property", i+1)
		}
		if i >= MaxItems {
			return nil, refuse("$select", "more than %d entries", MaxItems)
		}
		same := func(other string) bool { return strings.EqualFold(other, name) }
		if !slices.ContainsFunc(names, same) {
			names = append(names, name)
		}
	}
	return names, nil
}

// isPath says whether s is names joined by '/'.
func isPath(s string) bool {
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || len(segment) > maxName || !isNameStart(segment[0]) {
			return false
		}
		for i := range len(segment) {
			if !isNameByte(segment[i]) {
				return false
			}
		}
	}
	return true
}

func parseOrderBy(text string) ([]Order, error) {
	var orders []Order
	for i, item := range splitTop(text, ',') {
		if i >= MaxItems {
			return nil, refuse("$orderby", "more than %d entries", MaxItems)
		}
		order, ok := parseOrder(item)
		if !ok {
			return nil, refuse("$orderby", "entry %d is not a property with asc or desc", i+1)
		}
		orders = append(orders, order)
	}
	return orders, nil
}

func parseOrder(item string) (Order, bool) {
	words := strings.FieldsFunc(item, func(r rune) bool { return r == '+' || r < 0x80 && isBlank(byte(r)) })
	var order Order
	switch {
	case len(words) == 2 && strings.EqualFold(words[1], "desc"):
		order.Desc = true
	case len(words) == 2 && strings.EqualFold(words[1], "asc"), len(words) == 1:
	default:
		return Order{}, false
	}
	name := words[0]
	for _, w := range [...]Wrap{ToLower, ToUpper} {
		prefix := Path{Wrap: w}.String()[:len("tolower(")]
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) && strings.HasSuffix(name, ")") {
			name, order.Path.Wrap = name[len(prefix):len(name)-1], w
			break
		}
	}
	order.Path.Segments = strings.Split(name, "/")
	return order, isPath(name)
}

func parseTop(text string) (*int, error) {
	n, err := parseCardinal("$top", text)
	if err != nil {
		return nil, err
	}
	n = min(n, MaxTop)
	return &n, nil
}

func parseSkip(text string) (int, error) {
	n, err := parseCardinal("$skip", text)
	if err == nil && n > MaxSkip {
		err = refuse("$skip", "more than %d", MaxSkip)
	}
	return n, err
}

// parseCardinal reads digits; more of them than an int holds are a very large number.
func parseCardinal(option, text string) (int, error) {
	if !allDigits(text) {
		return 0, refuse(option, "not a number from 0 up")
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		n = MaxSkip + 1
	}
	return n, nil
}

func parseCount(text string) (bool, error) {
	switch {
	case strings.EqualFold(text, "true"):
		return true, nil
	case strings.EqualFold(text, "false"):
		return false, nil
	}
	return false, refuse("$count", "neither true nor false")
}

// splitTop cuts s at sep where it stands outside brackets and quotes.
func splitTop(s string, sep byte) []string {
	var parts []string
	depth, from, quoted := 0, 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == sep && depth <= 0:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// options prints the query as the options of an $expand, in one order.
func (q Query) options() []string {
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+"="+value)
		}
	}
	if q.Filter != nil {
		add("$filter", q.Filter.String())
	}
	add("$select", strings.Join(q.Select, ","))
	add("$expand", printed(q.Expand))
	add("$orderby", printed(q.OrderBy))
	if q.Top != nil {
		add("$top", strconv.Itoa(*q.Top))
	}
	if q.Skip > 0 {
		add("$skip", strconv.Itoa(q.Skip))
	}
	if q.Count {
		add("$count", "true")
	}
	add("$search", q.Search)
	return out
}

func printed[T fmt.Stringer](list []T) string {
	words := make([]string, len(list))
	for i, x := range list {
		words[i] = x.String()
	}
	return strings.Join(words, ",")
}
