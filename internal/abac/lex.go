package abac

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// tokenKind is a kind of token. The zero value is the end of the text.
type tokenKind int

const (
	end tokenKind = iota
	bracket
	closingBracket
	brace
	closingBrace
	comma
	colon
	and
	or
	not
	// word is a name, a number or a GUID without quotes.
	word
	// quoted is a text between quotes, which are gone.
	quoted
	// fact is an attribute: source says whose, text is what stands between its brackets.
	fact
)

type token struct {
	kind   tokenKind
	text   string
	source Source
	// at is where the token begins, in bytes.
	at int
}

// signs are the tokens that are always spelt the same, the longer before what they begin with.
var signs = []struct {
	text string
	kind tokenKind
}{
	{"&&", and}, {"||", or}, {"!", not}, {"(", bracket}, {")", closingBracket}, {"{", brace}, {"}", closingBrace}, {",", comma}, {":", colon},
}

// words are the tokens that are spelt in any letter case.
var words = []struct {
	text string
	kind tokenKind
}{{"AND", and}, {"OR", or}, {"NOT", not}}

// sources are the names of the sources.
var sources = []struct {
	text   string
	source Source
}{{"Resource", Resource}, {"Request", Request}, {"Principal", Principal}, {"Environment", Environment}}

// lex cuts a text into tokens; the last is its end.
func lex(text string) ([]token, error) {
	var tokens []token
	for at := 0; ; {
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " \t\r\n"))
		t, length, err := next(text[at:])
		if err != nil {
			err.At += at
			return nil, err
		}
		t.at = at
		tokens = append(tokens, t)
		if t.kind == end {
			return tokens, nil
		}
		at += length
	}
}

// next reads the token with which the text begins, and says how many bytes it takes.
func next(text string) (token, int, *Error) {
	switch {
	case text == "":
		return token{}, 0, nil
	case text[0] == '\'':
		return lexQuoted(text)
	case text[0] == '@':
		return lexFact(text)
	}
	for _, s := range signs {
		if strings.HasPrefix(text, s.text) {
			return token{kind: s.kind, text: s.text}, len(s.text), nil
		}
	}
	length := 0
	for length < len(text) && wordByte(text[length]) {
		length++
	}
	if length == 0 {
		r, _ := utf8.DecodeRuneInString(text)
		return token{}, 0, &Error{Detail: fmt.Sprintf("%q has no meaning here", r)}
	}
	for _, w := range words {
		if strings.EqualFold(text[:length], w.text) {
			return token{kind: w.kind, text: w.text}, length, nil
		}
	}
	return token{kind: word, text: text[:length]}, length, nil
}

func wordByte(b byte) bool {
	b = lowerByte(b)
	return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

// lexQuoted reads a text between quotes. A quote within is written twice; backslashes are left to the operator.
func lexQuoted(text string) (token, int, *Error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 == len(text) || text[i+1] != '\'' {
			return token{kind: quoted, text: b.String()}, i + 1, nil
		}
		b.WriteByte('\'')
		i++
	}
	return token{}, 0, &Error{Detail: "the quote is not closed"}
}

// lexFact reads an attribute. Square brackets within its name come in pairs.
func lexFact(text string) (token, int, *Error) {
	open := strings.IndexByte(text, '[')
	source := Source(0)
	for _, s := range sources {
		if open > 0 && strings.EqualFold(text[1:open], s.text) {
			source = s.source
		}
	}
	if source == 0 {
		return token{}, 0, &Error{Detail: "an attribute begins with @Resource[, @Request[, @Principal[ or @Environment["}
	}
	for i, depth := open, 0; i < len(text); i++ {
		switch b := text[i]; {
		case b < ' ' || b == 0x7f:
			return token{}, 0, &Error{At: i, Detail: "the name of an attribute is on one line"}
		case b == '[':
			depth++
		case b == ']':
			depth--
		}
		if depth > 0 {
			continue
		}
		name := strings.TrimSpace(text[open+1 : i])
		if name == "" {
			return token{}, 0, &Error{At: open, Detail: "the attribute has no name"}
		}
		return token{kind: fact, text: name, source: source}, i + 1, nil
	}
	return token{}, 0, &Error{At: open, Detail: "the square bracket is not closed"}
}
