package abac

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what is read.
const (
	// MaxLength is the longest condition in bytes, as it came and as String prints it.
	MaxLength = 8 << 10
	// MaxDepth is how deep brackets and negations may be nested.
	MaxDepth = 32
	// MaxValues is the largest set.
	MaxValues = 512
)

// Parse reads a condition. Blank text is no condition: nil. The error is an *Error.
func Parse(text string) (*Condition, error) {
	if len(text) > MaxLength {
		return nil, tooLong()
	}
	if !utf8.ValidString(text) {
		return nil, &Error{Detail: "not in UTF-8"}
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	if tokens[0].kind == end {
		return nil, nil
	}
	p := parser{tokens: tokens}
	root, err := p.whole()
	if err != nil {
		return nil, err
	}
	c := &Condition{root: root, text: root.String()}
	if len(c.text) > MaxLength {
		return nil, tooLong()
	}
	return c, nil
}

func tooLong() error {
	return &Error{At: MaxLength, Detail: fmt.Sprintf("a condition has %d bytes at most, written out", MaxLength)}
}

// Stored reads a condition that was kept. One that cannot be read never holds; whoever wants to know why asks Parse.
func Stored(text string) *Condition {
	c, err := Parse(text)
	if err != nil {
		return &Condition{root: node{kind: never}, text: text}
	}
	return c
}

// parser descends into brackets and negations only, so that MaxDepth bounds it.
type parser struct {
	tokens []token
	at     int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

// take returns the next token and goes on. The end is not gone beyond.
func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// skip goes on if the next token is of the kind.
func (p *parser) skip(k tokenKind) bool {
	if p.peek().kind != k {
		return false
	}
	p.at++
	return true
}

// wants is the refusal of a token where something else belongs.
func wants(what string, t token) error {
	found := "the end"
	switch {
	case t.kind == fact:
		found = "an attribute"
	case t.kind == quoted:
		found = "a text"
	case t.kind != end:
		found = fmt.Sprintf("%.40q", t.text)
	}
	return &Error{At: t.at, Detail: fmt.Sprintf("here belongs %s, not %s", what, found)}
}

func (p *parser) whole() (node, error) {
	n, err := p.expression()
	if err != nil {
		return node{}, err
	}
	if t := p.peek(); t.kind != end {
		return node{}, wants("AND, OR or the end", t)
	}
	return n, nil
}

// expression reads what is joined by OR.
func (p *parser) expression() (node, error) {
	return p.joined(or, anyOf, func() (node, error) { return p.joined(and, allOf, p.term) })
}

// joined reads parts with a sign between them. Brackets around parts that are joined in the same way change nothing and go.
func (p *parser) joined(sign tokenKind, kind nodeKind, part func() (node, error)) (node, error) {
	var parts []node
	for {
		n, err := part()
		if err != nil {
			return node{}, err
		}
		if n.kind == kind {
			parts = append(parts, n.parts...)
		} else {
			parts = append(parts, n)
		}
		if !p.skip(sign) {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return node{kind: kind, parts: parts}, nil
}

// term reads a negation, brackets, a function or a comparison.
func (p *parser) term() (node, error) {
	switch t := p.peek(); {
	case t.kind == not:
		return p.negation()
	case t.kind == bracket:
		return p.brackets()
	case t.kind == word && strings.EqualFold(t.text, "Exists"):
		p.take()
		return p.exists()
	case t.kind == word && strings.EqualFold(t.text, "ActionMatches"):
		p.take()
		return p.matches(action)
	case t.kind == word && strings.EqualFold(t.text, "SubOperationMatches"):
		p.take()
		return p.matches(subOperation)
	}
	return p.comparison()
}

// deeper counts a step down; whoever takes it calls the function returned when it is back.
func (p *parser) deeper() (back func(), err error) {
	if p.depth == MaxDepth {
		return nil, &Error{At: p.peek().at, Detail: fmt.Sprintf("more than %d brackets and negations within one another", MaxDepth)}
	}
	p.depth++
	return func() { p.depth-- }, nil
}

// negation counts as one step together with the brackets that follow it: String writes brackets after each.
func (p *parser) negation() (node, error) {
	inner := p.brackets
	if p.tokens[p.at+1].kind != bracket {
		back, err := p.deeper()
		if err != nil {
			return node{}, err
		}
		defer back()
		inner = p.term
	}
	p.take()
	n, err := inner()
	if err != nil {
		return node{}, err
	}
	return node{kind: noneOf, parts: []node{n}}, nil
}

func (p *parser) brackets() (node, error) {
	back, err := p.deeper()
	if err != nil {
		return node{}, err
	}
	defer back()
	p.take()
	n, err := p.expression()
	if err != nil {
		return node{}, err
	}
	if t := p.peek(); !p.skip(closingBracket) {
		return node{}, wants("AND, OR or a closing bracket", t)
	}
	return n, nil
}

func (p *parser) exists() (node, error) {
	t := p.take()
	if t.kind != fact {
		return node{}, wants("an attribute", t)
	}
	return node{kind: exists, attribute: Name(t.source, t.text)}, nil
}

// matches reads the pattern of a function, in braces.
func (p *parser) matches(kind nodeKind) (node, error) {
	if t := p.peek(); !p.skip(brace) {
		return node{}, wants("a text in braces", t)
	}
	t := p.take()
	if t.kind != quoted {
		return node{}, wants("a text in quotes", t)
	}
	pattern := NewPattern(t.text)
	if pattern.String() == "" {
		return node{}, &Error{At: t.at, Detail: "an empty pattern matches nothing"}
	}
	if t := p.peek(); !p.skip(closingBrace) {
		return node{}, wants("a closing brace", t)
	}
	return node{kind: kind, pattern: pattern}, nil
}

// comparison reads two operands with an operator between them, which says what their values are.
func (p *parser) comparison() (node, error) {
	left, err := p.side()
	if err != nil {
		return node{}, err
	}
	var c comparison
	if c.quantifier, c.operator, err = p.operator(); err != nil {
		return node{}, err
	}
	right, err := p.side()
	if err != nil {
		return node{}, err
	}
	if c.left, err = left.as(c); err != nil {
		return node{}, err
	}
	if c.right, err = right.as(c); err != nil {
		return node{}, err
	}
	return node{kind: compares, comparison: &c}, nil
}

// operator reads an operator and the prefix that says how sets are compared.
func (p *parser) operator() (quantifier, operator, error) {
	t, q := p.take(), quantifier{}
	if t.kind == word && p.skip(colon) {
		i := slices.IndexFunc(quantifiers, func(q quantifier) bool { return strings.EqualFold(q.name, t.text) })
		if i < 0 {
			return q, operator{}, wants("ForAnyOfAnyValues or another prefix of sets", t)
		}
		q, t = quantifiers[i], p.take()
	}
	i := slices.IndexFunc(operators, func(o operator) bool { return strings.EqualFold(o.name, t.text) })
	if t.kind != word || i < 0 {
		return q, operator{}, wants("an operator such as StringEquals", t)
	}
	return q, operators[i], nil
}

// side is an operand whose values cannot be read before the operator is known: an attribute or the tokens of its values.
type side struct {
	fact   token
	values []token
	at     int
}

func (p *parser) side() (side, error) {
	t := p.take()
	if t.kind == fact {
		return side{fact: t, at: t.at}, nil
	}
	if t.kind == quoted || t.kind == word {
		return side{values: []token{t}, at: t.at}, nil
	}
	if t.kind != brace {
		return side{}, wants("an attribute, a value or a function", t)
	}
	values, err := p.set()
	return side{values: values, at: t.at}, err
}

// set reads the values up to the closing brace.
func (p *parser) set() ([]token, error) {
	var values []token
	for {
		t := p.take()
		if t.kind != quoted && t.kind != word {
			return nil, wants("a value", t)
		}
		if len(values) == MaxValues {
			return nil, &Error{At: t.at, Detail: fmt.Sprintf("a set has %d values at most", MaxValues)}
		}
		values = append(values, t)
		if p.skip(closingBrace) {
			return values, nil
		}
		if t := p.take(); t.kind != comma {
			return nil, wants("a comma or a closing brace", t)
		}
	}
}

// as reads the operand as the comparison demands: values of its kind, once each, in order, and several only where the
// operator has a prefix that says how.
func (s side) as(c comparison) (operand, error) {
	if s.fact.kind == fact {
		return operand{attribute: Name(s.fact.source, s.fact.text)}, nil
	}
	values := make([]value, 0, len(s.values))
	for _, t := range s.values {
		v, ok := c.operator.kind.literal(t)
		if !ok {
			return operand{}, &Error{At: t.at, Detail: c.operator.name + " compares " + c.operator.kind.String()}
		}
		values = append(values, v)
	}
	slices.SortFunc(values, value.order)
	values = slices.CompactFunc(values, func(a, b value) bool { return a.order(b) == 0 })
	if c.quantifier.name == "" && len(values) > 1 {
		return operand{}, &Error{At: s.at, Detail: "several values need a prefix such as ForAnyOfAnyValues before the operator"}
	}
	return operand{values: values}, nil
}
