package odata

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// The grammar. One token decides each branch, so participle never goes back. What a sentence means is decided by
// builder afterwards: the grammar knows operands, not which of them are paths, functions or values.
type (
	orNode struct {
		Terms []*andNode `parser:"@@ ( Or @@ )*"`
	}
	andNode struct {
		Terms []*notNode `parser:"@@ ( And @@ )*"`
	}
	notNode struct {
		Nots  []string  `parser:"@Not*"`
		Group *orNode   `parser:"( Open @@ Close"`
		Term  *termNode `parser:"| @@ )"`
	}
	termNode struct {
		Left  *operandNode   `parser:"@@"`
		Op    string         `parser:"( @Op"`
		Right *operandNode   `parser:"@@"`
		In    []*operandNode `parser:"| In Open @@ ( Comma @@ )* Close )?"`
	}
	operandNode struct {
		Pos   lexer.Position
		Value *lexer.Token `parser:"( @( String | Number | Bool | Null | Time | Duration | Guid )"`
		Path  []string     `parser:"| @Name ( Slash @Name )*"`
		Call  *callNode    `parser:"  @@? )"`
	}
	callNode struct {
		Open string     `parser:"@Open"`
		Args []*argNode `parser:"( @@ ( Comma @@ )* )? Close"`
	}
	argNode struct {
		Head *operandNode `parser:"@@"`
		Body *orNode      `parser:"( Colon @@ )?"`
	}
)

// grammar builds the parser once; it does not change and serves all goroutines. It panics only when the grammar above
// is wrong.
var grammar = sync.OnceValue(func() *participle.Parser[orNode] {
	return participle.MustBuild[orNode](participle.Lexer(definition{}))
})

// ParseFilter reads the text of a $filter. Blank text is no filter: nil. The error is an *Error.
func ParseFilter(text string) (Expr, error) { return parseFilter("$filter", text) }

func parseFilter(option, text string) (Expr, error) {
	toks, err := scan(option, text)
	if err != nil {
		return nil, err
	}
	if len(toks.list) == 1 {
		return nil, nil
	}
	peeking, err := lexer.Upgrade(toks)
	if err != nil {
		return nil, refuse(option, "not understood")
	}
	root, err := grammar().ParseFromLexer(peeking)
	if err != nil {
		return nil, syntaxError(option, text, err)
	}
	b := builder{option: option}
	return b.or(root)
}

func syntaxError(option, text string, err error) error {
	var pe participle.Error
	if !errors.As(err, &pe) {
		return refuse(option, "not understood")
	}
	at := pe.Position().Offset
	if at >= len(text) {
		return refuseAt(option, at, "the text ends too early")
	}
	return refuseAt(option, at, "not expected here")
}

// builder turns what the grammar read into a tree. vars are the names of the lambdas around.
type builder struct {
	option string
	vars   []string
}

func (b *builder) or(n *orNode) (Expr, error) {
	terms := make([]Expr, len(n.Terms))
	for i, t := range n.Terms {
		x, err := b.and(t)
		if err != nil {
			return nil, err
		}
		terms[i] = x
	}
	return either(terms), nil
}

func (b *builder) and(n *andNode) (Expr, error) {
	terms := make([]Expr, len(n.Terms))
	for i, t := range n.Terms {
		x, err := b.not(t)
		if err != nil {
			return nil, err
		}
		terms[i] = x
	}
	return Join(terms...), nil
}

func (b *builder) not(n *notNode) (x Expr, err error) {
	if n.Group != nil {
		x, err = b.or(n.Group)
	} else {
		x, err = b.term(n.Term)
	}
	if err != nil {
		return nil, err
	}
	for range n.Nots {
		x = Not{x}
	}
	return x, nil
}

func (b *builder) term(n *termNode) (Expr, error) {
	left, err := b.operand(n.Left)
	if err != nil {
		return nil, err
	}
	switch {
	case n.In != nil:
		return b.in(n, left)
	case n.Right != nil:
		right, err := b.operand(n.Right)
		if err != nil {
			return nil, err
		}
		return b.compare(n, left, right)
	}
	switch left := left.(type) {
	case condition:
		return left.x, nil
	case Path:
		return Compare{left, Eq, Bool(true)}, nil
	}
	return nil, b.refuse(n.Left, "a value is no condition")
}

// condition is an operand that is itself a filter: a function or a lambda.
type condition struct{ x Expr }

func (condition) operand() {}

func (c condition) String() string { return c.x.String() }

func (b *builder) refuse(n *operandNode, format string, args ...any) error {
	return refuseAt(b.option, n.Pos.Offset, format, args...)
}

func (b *builder) in(n *termNode, left Operand) (Expr, error) {
	path, ok := left.(Path)
	if !ok {
		return nil, b.refuse(n.Left, "in takes a property on its left")
	}
	values := make([]Literal, len(n.In))
	for i, v := range n.In {
		value, err := b.operand(v)
		if err != nil {
			return nil, err
		}
		if values[i], ok = value.(Literal); !ok {
			return nil, b.refuse(v, "in takes values between its brackets")
		}
	}
	return In{path, values}, nil
}

// compare brings the property to the left. A function compared with true or false is the function or its negation.
func (b *builder) compare(n *termNode, left, right Operand) (Expr, error) {
	op := operator(n.Op)
	if _, ok := left.(Literal); ok {
		left, right, op = right, left, op.mirrored()
	}
	value, ok := right.(Literal)
	if !ok {
		return nil, b.refuse(n.Left, "a comparison takes a property and a value")
	}
	switch left := left.(type) {
	case Path:
		return Compare{left, op, value}, nil
	case condition:
		truth, ok := value.(Bool)
		switch {
		case ok && op == Eq && bool(truth), ok && op == Ne && !bool(truth):
			return left.x, nil
		case ok && (op == Eq || op == Ne):
			return Not{left.x}, nil
		}
		return nil, b.refuse(n.Left, "a function compares with eq or ne and true or false")
	}
	return nil, b.refuse(n.Left, "a comparison of two values")
}

func operator(word string) Op {
	for op := Eq; op <= Le; op++ {
		if op.String() == word {
			return op
		}
	}
	return 0 // the scanner would have to call something else an operator
}

func (b *builder) operand(n *operandNode) (Operand, error) {
	switch {
	case n.Value != nil:
		v, ok := literal(*n.Value)
		if !ok && n.Value.Type == tokTime {
			return nil, b.refuse(n, "not a time that exists, with its offset: Z, +hh:mm or -hh:mm")
		}
		if !ok {
			return nil, b.refuse(n, "a value out of range or wrongly written")
		}
		return v, nil
	case n.Call == nil:
		return b.path(n), nil
	case len(n.Path) == 1:
		return b.call(n)
	}
	return b.lambda(n)
}

// path spells the variable of a lambda as the lambda did.
func (b *builder) path(n *operandNode) Path {
	if v, ok := b.variable(n.Path[0]); ok {
		n.Path[0] = v
	}
	return Path{Segments: n.Path, at: n.Pos.Offset + 1}
}

func (b *builder) variable(name string) (string, bool) {
	for _, v := range b.vars {
		if strings.EqualFold(v, name) {
			return v, true
		}
	}
	return "", false
}

func (b *builder) call(n *operandNode) (Operand, error) {
	args := make([]Operand, len(n.Call.Args))
	for i, a := range n.Call.Args {
		if a.Body != nil {
			return nil, b.refuse(a.Head, "a variable outside any and all")
		}
		arg, err := b.operand(a.Head)
		if err != nil {
			return nil, err
		}
		if _, ok := arg.(condition); ok {
			return nil, b.refuse(a.Head, "a condition is no argument")
		}
		args[i] = arg
	}
	name := strings.ToLower(n.Path[0])
	switch name {
	case "tolower", "toupper":
		return b.wrap(n, name, args)
	case "isof":
		return b.isof(n, args)
	case "startswith", "endswith", "contains":
		if len(args) != 2 {
			return nil, b.refuse(n, "%s takes a property and a string", name)
		}
		_, path := args[0].(Path)
		if _, text := args[1].(String); !path || !text {
			return nil, b.refuse(n, "%s takes a property and a string", name)
		}
		return condition{Call{name, args}}, nil
	}
	if len(args) == 0 {
		args = nil
	}
	return condition{Call{n.Path[0], args}}, nil
}

// wrap is tolower or toupper: around a property it stays, around a string it is done at once.
func (b *builder) wrap(n *operandNode, name string, args []Operand) (Operand, error) {
	if len(args) == 1 {
		w := ToLower
		if name == "toupper" {
			w = ToUpper
		}
		switch arg := args[0].(type) {
		case String:
			return String(w.apply(string(arg))), nil
		case Path:
			if arg.Wrap == Plain {
				arg.Wrap, arg.at = w, n.Pos.Offset+1
				return arg, nil
			}
		}
	}
	return nil, b.refuse(n, "%s takes a property or a string", name)
}

func (w Wrap) apply(s string) string {
	switch w {
	case ToLower:
		return strings.ToLower(s)
	case ToUpper:
		return strings.ToUpper(s)
	case Plain:
	}
	return s
}

// isof takes the type in quotes, as Graph's callers send it, or bare, as OData writes it.
func (b *builder) isof(n *operandNode, args []Operand) (Operand, error) {
	if len(args) != 2 {
		return nil, b.refuse(n, "isof takes a property and the name of a type")
	}
	path, ok := args[0].(Path)
	if !ok || path.Wrap != Plain {
		return nil, b.refuse(n, "isof takes a property and the name of a type")
	}
	switch typ := args[1].(type) {
	case String:
		return condition{Call{"isof", []Operand{path, typ}}}, nil
	case Path:
		if typ.Wrap == Plain && len(typ.Segments) == 1 {
			return condition{Call{"isof", []Operand{path, String(typ.Segments[0])}}}, nil
		}
	}
	return nil, b.refuse(n, "isof takes a property and the name of a type")
}

func (b *builder) lambda(n *operandNode) (Operand, error) {
	last := len(n.Path) - 1
	word := strings.ToLower(n.Path[last])
	if word != "any" && word != "all" {
		return nil, b.refuse(n, "a function on a property; only any and all are known")
	}
	n.Path = n.Path[:last]
	path := b.path(n)
	args := n.Call.Args
	if len(args) == 0 && word == "any" {
		return condition{Any{Path: path}}, nil
	}
	if len(args) != 1 || args[0].Body == nil || len(args[0].Head.Path) != 1 || args[0].Head.Call != nil {
		return nil, b.refuse(n, "%s takes a variable, a colon and a condition", word)
	}
	name := args[0].Head.Path[0]
	if _, ok := b.variable(name); ok {
		return nil, b.refuse(args[0].Head, "a variable with the name of another")
	}
	b.vars = append(b.vars, name)
	x, err := b.or(args[0].Body)
	b.vars = b.vars[:len(b.vars)-1]
	if err != nil {
		return nil, err
	}
	if word == "any" {
		return condition{Any{path, name, x}}, nil
	}
	return condition{All{path, name, x}}, nil
}

// literal is the value of a token, false when it has none.
func literal(t lexer.Token) (Literal, bool) {
	switch t.Type {
	case tokString:
		return String(t.Value), true
	case tokGuid:
		return Guid(t.Value), true
	case tokBool:
		return Bool(t.Value == "true"), true
	case tokNull:
		return Null{}, true
	case tokNumber:
		f, err := strconv.ParseFloat(t.Value, 64)
		if f == 0 {
			f = 0 // no negative zero: it would print differently and compare equal
		}
		return Number(f), err == nil && !math.IsInf(f, 0)
	case tokTime:
		v, ok := parseTime(t.Value)
		return v, ok
	case tokDuration:
		v, ok := parseDuration(t.Value)
		return v, ok
	case lexer.EOF:
	}
	return nil, false
}
