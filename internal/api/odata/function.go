package odata

import (
	"strings"

	"github.com/alecthomas/participle/v2/lexer"
)

// An Argument is one of a function segment. Name is empty for a lone value, which is a key.
type Argument struct {
	Name  string
	Value Literal
}

// Arguments are in the order sent.
type Arguments []Argument

// Get is the value of the named argument; names compare without letter case.
func (a Arguments) Get(name string) (Literal, bool) {
	for _, arg := range a {
		if strings.EqualFold(arg.Name, name) {
			return arg.Value, true
		}
	}
	return nil, false
}

// Text is Get for text: a string or a bare guid.
func (a Arguments) Text(name string) (string, bool) {
	v, _ := a.Get(name)
	switch v := v.(type) {
	case String:
		return string(v), true
	case Guid:
		return string(v), true
	}
	return "", false
}

// String prints the arguments as they stand between the brackets.
func (a Arguments) String() string {
	words := make([]string, len(a))
	for i, arg := range a {
		words[i] = arg.Value.String()
		if arg.Name != "" {
			words[i] = arg.Name + "=" + words[i]
		}
	}
	return strings.Join(words, ",")
}

// ParseFunction reads a path segment, percent-decoded and with its arguments' slashes in it, of the form
// name(arg='value',…) or name('key'). ok is false for a segment without brackets, which is then a plain name and no
// error. The error is an *Error whose Option is "path".
func ParseFunction(segment string) (name string, args Arguments, ok bool, err error) {
	if !strings.Contains(segment, "(") || !isNameStart(segment[0]) {
		return "", nil, false, nil
	}
	toks, err := scan("path", segment)
	if err != nil {
		return "", nil, true, err
	}
	list := toks.list
	if len(list) < 4 || list[0].Type != tokName || list[1].Type != tokOpen || list[len(list)-2].Type != tokClose {
		return "", nil, true, refuse("path", "not a function with its arguments")
	}
	name = list[0].Value
	if list = list[2 : len(list)-2]; len(list) == 0 {
		return name, nil, true, nil
	}
	for len(args) < MaxItems {
		arg, n, err := argument(list)
		if err != nil {
			return "", nil, true, err
		}
		if _, twice := args.Get(arg.Name); twice {
			return "", nil, true, refuseAt("path", list[0].Pos.Offset, "an argument given more than once")
		}
		args = append(args, arg)
		if n == len(list) {
			return name, args, true, nil
		}
		if list[n].Type != tokComma || n+1 == len(list) {
			return "", nil, true, refuseAt("path", list[n].Pos.Offset, "not expected here")
		}
		list = list[n+1:]
	}
	return "", nil, true, refuse("path", "more than %d arguments", MaxItems)
}

// argument reads the first argument of a list that is not empty, and says how many tokens it took.
func argument(list []lexer.Token) (Argument, int, error) {
	var arg Argument
	n := 0
	if len(list) > 2 && list[0].Type == tokName && list[1].Type == tokEquals {
		arg.Name, n = list[0].Value, 2
	}
	value, ok := literal(list[n])
	if !ok {
		return arg, 0, refuseAt("path", list[n].Pos.Offset, "a value in quotes is expected")
	}
	arg.Value = value
	return arg, n + 1, nil
}
