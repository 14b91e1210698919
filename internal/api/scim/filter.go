package scim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	parser "github.com/scim2/filter-parser/v2"

	"portcullis/internal/directory"
	"portcullis/internal/store"
)

// Filters (RFC 7644 §3.4.2.2). What the store can judge is compiled to its filters; the rest is judged here, over no
// more rows than maxScan.

// Bounds of a filter: its length in bytes, and how many brackets may stand within each other and terms beside each other.
const (
	maxFilter = 4096
	maxTerms  = 100
	maxNested = 16
)

// parseFilter reads a filter whose every attribute is one of the kind's.
func (k *kind) parseFilter(text string) (parser.Expression, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	malformed := invalidFilter("The filter is malformed: " + shortened(text))
	stripped, literals, ok := unquote(text)
	if !ok || len(text) > maxFilter || nested(stripped) > maxNested {
		return nil, malformed
	}
	e, err := parser.ParseFilter([]byte(stripped))
	if err != nil || !requote(e, literals) {
		return nil, malformed
	}
	terms := 0
	if err := k.check(e, &terms); err != nil {
		return nil, err
	}
	return e, nil
}

// unquote puts numbers in the place of texts, which the parser knows only without escapes.
func unquote(text string) (stripped string, literals []string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			b.WriteByte(text[i])
			continue
		}
		end := i + 1
		for ; end < len(text) && text[end] != '"'; end++ {
			if text[end] == '\\' {
				end++
			}
		}
		if end >= len(text) {
			return "", nil, false
		}
		var literal string
		if err := json.Unmarshal([]byte(text[i:end+1]), &literal); err != nil {
			return "", nil, false
		}
		b.WriteString(`"` + strconv.Itoa(len(literals)) + `"`)
		literals = append(literals, literal)
		i = end
	}
	return b.String(), literals, true
}

// requote puts the texts back.
func requote(e parser.Expression, literals []string) bool {
	switch e := e.(type) {
	case *parser.AttributeExpression:
		text, ok := e.CompareValue.(string)
		if !ok {
			return true
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= len(literals) {
			return false
		}
		e.CompareValue = literals[n]
		return true
	case *parser.LogicalExpression:
		return requote(e.Left, literals) && requote(e.Right, literals)
	case *parser.NotExpression:
		return requote(e.Expression, literals)
	case *parser.ValuePath:
		return requote(e.ValueFilter, literals)
	}
	return false
}

// nested is how many brackets stand within each other.
func nested(text string) int {
	depth, most := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(', '[':
			depth++
			most = max(most, depth)
		case ')', ']':
			depth--
		}
	}
	return most
}

// check refuses attributes that are not there and values that they cannot have.
func (k *kind) check(e parser.Expression, terms *int) error {
	if *terms++; *terms > maxTerms {
		return invalidFilter(fmt.Sprintf("The filter has more than %d terms.", maxTerms))
	}
	switch e := e.(type) {
	case *parser.AttributeExpression:
		a, ok := k.resolve(e.AttributePath, "")
		if !ok || a.is("groups") {
			return invalidFilter("There is no attribute " + shortened(e.AttributePath.String()) + " to filter by.")
		}
		return checkTerm(a, e)
	case *parser.ValuePath:
		return k.checkValuePath(e, terms)
	case *parser.LogicalExpression:
		if err := k.check(e.Left, terms); err != nil {
			return err
		}
		return k.check(e.Right, terms)
	case *parser.NotExpression:
		return k.check(e.Expression, terms)
	}
	return invalidFilter("The filter is of an unknown kind.")
}

// checkValuePath checks the filter between the square brackets of a path, whose attributes are parts of the one before.
func (k *kind) checkValuePath(e *parser.ValuePath, terms *int) error {
	a, ok := k.resolve(e.AttributePath, "")
	if !ok || !a.HasSubAttributes() || a.sub != nil || a.is("groups") {
		return invalidFilter("There is no attribute " + shortened(e.AttributePath.String()) + " with parts to filter by.")
	}
	return a.inner().check(e.ValueFilter, terms)
}

// inner is a kind whose attributes are the parts of a complex attribute.
func (a attribute) inner() *kind {
	k := &kind{name: a.Name()}
	k.core.Attributes = a.SubAttributes()
	return k
}

func checkTerm(a attribute, e *parser.AttributeExpression) error {
	leaf := a.leaf()
	if e.Operator == parser.PR || e.CompareValue == nil && (e.Operator == parser.EQ || e.Operator == parser.NE) {
		return nil
	}
	ok := false
	switch v := e.CompareValue.(type) {
	case bool:
		ok = leaf.AttributeType() == "boolean" && (e.Operator == parser.EQ || e.Operator == parser.NE)
	case string:
		switch leaf.AttributeType() {
		case "string", "reference":
			ok = true
		case "dateTime":
			_, err := time.Parse(time.RFC3339, v)
			ok = err == nil
		case "boolean":
			b, isBool := normalBool(v).(bool)
			ok = isBool && (e.Operator == parser.EQ || e.Operator == parser.NE)
			e.CompareValue = b
		}
	}
	if !ok {
		return invalidFilter("The attribute " + shortened(e.AttributePath.String()) + " cannot be compared so.")
	}
	return nil
}

// holds says whether a resource passes a filter that was checked; nil: every one does.
func (k *kind) holds(e parser.Expression, r resource) bool {
	switch e := e.(type) {
	case nil:
		return true
	case *parser.AttributeExpression:
		a, ok := k.resolve(e.AttributePath, "")
		return ok && holdsTerm(a, e, a.values(r))
	case *parser.ValuePath:
		a, ok := k.resolve(e.AttributePath, "")
		if !ok {
			return false
		}
		for _, v := range elements(a.container(r)[a.Name()]) {
			if a.inner().holds(e.ValueFilter, v) {
				return true
			}
		}
		return false
	case *parser.LogicalExpression:
		if e.Operator == parser.AND {
			return k.holds(e.Left, r) && k.holds(e.Right, r)
		}
		return k.holds(e.Left, r) || k.holds(e.Right, r)
	case *parser.NotExpression:
		return !k.holds(e.Expression, r)
	}
	return false
}

// elements are the objects that a value consists of.
func elements(v any) []resource {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []resource
	for _, each := range list {
		if m, ok := each.(resource); ok {
			out = append(out, m)
		}
	}
	return out
}

func holdsTerm(a attribute, e *parser.AttributeExpression, values []any) bool {
	switch {
	case e.Operator == parser.PR:
		return len(values) > 0
	case e.CompareValue == nil:
		return (len(values) == 0) == (e.Operator == parser.EQ)
	case e.Operator == parser.NE:
		equal := *e
		equal.Operator = parser.EQ
		return !holdsTerm(a, &equal, values)
	}
	for _, v := range values {
		if holdsValue(a.leaf().CaseExact(), e, v) {
			return true
		}
	}
	return false
}

func holdsValue(exact bool, e *parser.AttributeExpression, have any) bool {
	switch want := e.CompareValue.(type) {
	case bool:
		return have == want
	case string:
		if at, ok := have.(time.Time); ok {
			then, err := time.Parse(time.RFC3339, want)
			return err == nil && ordered(e.Operator, at.Compare(then))
		}
		text, ok := have.(string)
		if !ok {
			return false
		}
		if !exact {
			text, want = strings.ToLower(text), strings.ToLower(want)
		}
		return holdsText(e.Operator, text, want)
	}
	return false
}

func holdsText(op parser.CompareOperator, have, want string) bool {
	switch op {
	case parser.CO:
		return strings.Contains(have, want)
	case parser.SW:
		return strings.HasPrefix(have, want)
	case parser.EW:
		return strings.HasSuffix(have, want)
	case parser.EQ, parser.NE, parser.GT, parser.GE, parser.LT, parser.LE, parser.PR:
	}
	return ordered(op, strings.Compare(have, want))
}

func ordered(op parser.CompareOperator, order int) bool {
	switch op {
	case parser.EQ:
		return order == 0
	case parser.GT:
		return order > 0
	case parser.GE:
		return order >= 0
	case parser.LT:
		return order < 0
	case parser.LE:
		return order <= 0
	case parser.NE, parser.PR, parser.CO, parser.SW, parser.EW:
	}
	return false
}

// compiled is a filter as the store judges it.
type compiled struct {
	// where lets all rows through that pass, and perhaps more; nil: all.
	where store.Filter
	// exact says that it lets no others through.
	exact bool
}

// compile turns a filter into one of the store. The store knows memberships only as members tells it: which groups
// somebody is in.
func (k *kind) compile(e parser.Expression, members func(string) (store.Filter, error)) (compiled, error) {
	switch e := e.(type) {
	case nil:
		return compiled{exact: true}, nil
	case *parser.AttributeExpression:
		return k.compileTerm(e, members)
	case *parser.ValuePath:
		// members[value eq "x"] is how some ask who is in a group.
		inner, ok := e.ValueFilter.(*parser.AttributeExpression)
		if ok && strings.EqualFold(e.AttributePath.String(), "members") && strings.EqualFold(inner.AttributePath.String(), "value") {
			return k.compileTerm(&parser.AttributeExpression{AttributePath: e.AttributePath, Operator: inner.Operator, CompareValue: inner.CompareValue}, members)
		}
		return compiled{}, nil
	case *parser.NotExpression:
		inner, err := k.compile(e.Expression, members)
		if err != nil || !inner.exact || inner.where == nil {
			return compiled{}, err
		}
		return compiled{store.Not{Filter: inner.where}, true}, nil
	case *parser.LogicalExpression:
		left, err := k.compile(e.Left, members)
		if err != nil {
			return compiled{}, err
		}
		right, err := k.compile(e.Right, members)
		if err != nil {
			return compiled{}, err
		}
		return joined(e.Operator, left, right), nil
	}
	return compiled{}, nil
}

func joined(op parser.LogicalOperator, left, right compiled) compiled {
	exact := left.exact && right.exact
	switch {
	case op == parser.AND && left.where != nil && right.where != nil:
		return compiled{store.And{left.where, right.where}, exact}
	case op == parser.AND && left.where != nil:
		return compiled{left.where, exact}
	case op == parser.AND:
		return compiled{right.where, exact}
	case left.where != nil && right.where != nil:
		return compiled{store.Or{left.where, right.where}, exact}
	}
	return compiled{nil, exact}
}

// columns are the attributes that the store keeps in columns of their own.
func (k *kind) columns() map[string]store.Field {
	c := map[string]store.Field{
		"id": store.FieldID, "externalId": store.FieldExternalID, "displayName": store.FieldDisplayName, "meta.created": store.FieldCreated,
	}
	if k.object == directory.KindUser {
		c["userName"], c["active"] = store.FieldPrincipalName, store.FieldEnabled
	}
	return c
}

// path is the attribute's name with that of its part.
func (a attribute) path() string {
	if a.sub != nil {
		return a.Name() + "." + a.sub.Name()
	}
	return a.Name()
}

func (k *kind) compileTerm(e *parser.AttributeExpression, members func(string) (store.Filter, error)) (compiled, error) {
	a, ok := k.resolve(e.AttributePath, "")
	if !ok {
		return compiled{}, nil
	}
	if id, isText := e.CompareValue.(string); a.is("members") && a.leaf().Name() == "value" && isText && e.Operator == parser.EQ {
		where, err := members(id)
		return compiled{where, err == nil}, err
	}
	field, ok := k.columns()[a.path()]
	if !ok || a.extension != "" || e.CompareValue == nil || e.Operator == parser.PR {
		return compiled{}, nil
	}
	ops := map[parser.CompareOperator]store.Op{parser.EQ: store.Eq, parser.NE: store.Ne, parser.SW: store.Prefix, parser.CO: store.Contains}
	value := e.CompareValue
	if text, isText := value.(string); isText && a.leaf().AttributeType() == "dateTime" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return compiled{}, nil
		}
		value = at.UTC().Truncate(time.Microsecond)
		if !value.(time.Time).Equal(at) {
			return compiled{}, nil
		}
		ops = map[parser.CompareOperator]store.Op{parser.EQ: store.Eq, parser.NE: store.Ne, parser.GT: store.Gt, parser.GE: store.Ge, parser.LT: store.Lt, parser.LE: store.Le}
	}
	op, ok := ops[e.Operator]
	if !ok {
		return compiled{}, nil
	}
	// The store finds parts of texts without letter case.
	exact := !a.leaf().CaseExact() || op != store.Prefix && op != store.Contains
	return compiled{store.Compare{Field: field, Op: op, Value: value}, exact}, nil
}
