package odata

import (
	"errors"
	"io"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"
)

// The tokens of a filter and of a function segment.
const (
	tokName lexer.TokenType = iota + 1
	tokString
	tokNumber
	tokBool
	tokNull
	tokTime
	tokDuration
	tokGuid
	tokOp
	tokAnd
	tokOr
	tokNot
	tokIn
	tokOpen
	tokClose
	tokComma
	tokSlash
	tokColon
	tokEquals
)

func symbols() map[string]lexer.TokenType {
	return map[string]lexer.TokenType{
		"EOF": lexer.EOF, "Name": tokName, "String": tokString, "Number": tokNumber, "Bool": tokBool, "Null": tokNull,
		"Time": tokTime, "Duration": tokDuration, "Guid": tokGuid, "Op": tokOp, "And": tokAnd, "Or": tokOr,
		"Not": tokNot, "In": tokIn, "Open": tokOpen, "Close": tokClose, "Comma": tokComma, "Slash": tokSlash,
		"Colon": tokColon, "Equals": tokEquals,
	}
}

// keyword is the token of a word that is not a name; keywords are in lower case.
func keyword(word string) (lexer.TokenType, bool) {
	switch word {
	case "and":
		return tokAnd, true
	case "or":
		return tokOr, true
	case "not":
		return tokNot, true
	case "in":
		return tokIn, true
	case "eq", "ne", "gt", "ge", "lt", "le":
		return tokOp, true
	case "true", "false":
		return tokBool, true
	case "null":
		return tokNull, true
	}
	return 0, false
}

func punctuation(c byte) lexer.TokenType {
	switch c {
	case '(':
		return tokOpen
	case ')':
		return tokClose
	case ',':
		return tokComma
	case '/':
		return tokSlash
	case ':':
		return tokColon
	case '=':
		return tokEquals
	}
	return 0
}

// tokens is the scanned text; it hands itself to participle.
type tokens struct {
	list []lexer.Token
	next int
}

func (t *tokens) Next() (lexer.Token, error) {
	tok := t.list[min(t.next, len(t.list)-1)]
	t.next++
	return tok, nil
}

// definition tells participle the names of our tokens. Lexing happens before, in scan.
type definition struct{}

func (definition) Symbols() map[string]lexer.TokenType { return symbols() }

func (definition) Lex(string, io.Reader) (lexer.Lexer, error) {
	return nil, errors.New("odata: tokens come from scan")
}

// A scanner cuts text into tokens. It counts levels as it goes, so that nothing that recurses sees deep text.
type scanner struct {
	option string
	text   string
	pos    int
	out    []lexer.Token
	nots   []int // negations pending at each open bracket
	depth  int
}

// scan refuses text that is too long, too deep or made of unknown characters. The last token is EOF.
func scan(option, text string) (*tokens, error) {
	if err := checkText(option, text, MaxFilter); err != nil {
		return nil, err
	}
	s := &scanner{option: option, text: text, nots: []int{0}, out: make([]lexer.Token, 0, 8+len(text)/5)}
	for s.skipBlanks(); s.pos < len(text); s.skipBlanks() {
		if err := s.token(); err != nil {
			return nil, err
		}
	}
	if len(s.nots) > 1 {
		return nil, refuseAt(option, len(text), "a closing bracket is missing")
	}
	s.emit(lexer.EOF, "", len(text))
	return &tokens{list: s.out}, nil
}

// skipBlanks also takes a '+' for a blank: some SDKs encode the plus that already stood for one.
func (s *scanner) skipBlanks() {
	for s.pos < len(s.text) && (isBlank(s.text[s.pos]) || s.text[s.pos] == '+') {
		s.pos++
	}
}

func (s *scanner) emit(kind lexer.TokenType, value string, at int) {
	s.out = append(s.out, lexer.Token{Type: kind, Value: value, Pos: lexer.Position{Offset: at, Line: 1, Column: at + 1}})
}

func (s *scanner) token() error {
	c := s.text[s.pos]
	switch {
	case c == '\'':
		return s.quoted(tokString, s.pos)
	case punctuation(c) != 0:
		s.emit(punctuation(c), s.text[s.pos:s.pos+1], s.pos)
		s.pos++
	case (isDigit(c) || isNameStart(c)) && isGuid(s.text[s.pos:]):
		s.emit(tokGuid, strings.ToLower(s.text[s.pos:s.pos+36]), s.pos)
		s.pos += 36
	case isDigit(c), c == '-':
		if err := s.numeral(); err != nil {
			return err
		}
	case isNameStart(c):
		if err := s.word(); err != nil {
			return err
		}
	default:
		return refuseAt(s.option, s.pos, "a character that has no meaning here")
	}
	return s.level()
}

// level keeps count of brackets and negations after each token. A negation before a bracket counts with the bracket,
// so that printing a tree never makes it deeper than the text it came from.
func (s *scanner) level() error {
	last := len(s.nots) - 1
	tok := s.out[len(s.out)-1]
	switch tok.Type {
	case tokOpen:
		if n := len(s.out); n > 1 && s.out[n-2].Type == tokNot {
			s.nots[last]--
			s.depth--
		}
		s.nots = append(s.nots, 0)
		s.depth++
	case tokClose:
		if last == 0 {
			return refuseAt(s.option, tok.Pos.Offset, "a bracket closes that was not opened")
		}
		s.depth -= s.nots[last] + 1
		s.nots = s.nots[:last]
	case tokAnd, tokOr, tokComma:
		s.depth -= s.nots[last]
		s.nots[last] = 0
	case tokNot:
		s.nots[last]++
		s.depth++
	case lexer.EOF: // comes after the last token and opens nothing
	}
	if s.depth > MaxDepth {
		return refuseAt(s.option, tok.Pos.Offset, "more than %d levels deep", MaxDepth)
	}
	return nil
}

// quoted reads a string whose opening quote is at s.pos and whose token begins at start.
func (s *scanner) quoted(kind lexer.TokenType, start int) error {
	body, n := quotedText(s.text[s.pos:])
	if n == 0 {
		return refuseAt(s.option, s.pos, "a string that does not end")
	}
	s.emit(kind, body, start)
	s.pos += n
	return nil
}

// quotedText is the string that s begins with, quotes undoubled, and its length in s; 0 when it does not end.
func quotedText(s string) (string, int) {
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			i++
			continue
		}
		return strings.ReplaceAll(s[1:i], "''", "'"), i + 1
	}
	return "", 0
}

// numeral reads a number, a date or a time.
func (s *scanner) numeral() error {
	rest := s.text[s.pos:]
	kind, n := tokTime, timeLength(rest)
	if n == 0 {
		kind, n = tokNumber, numberLength(rest)
	}
	if n == 0 || n < len(rest) && (isNameByte(rest[n]) || rest[n] == '-' || rest[n] == ':') {
		return refuseAt(s.option, s.pos, "not a number, a guid or a time with its offset")
	}
	s.emit(kind, rest[:n], s.pos)
	s.pos += n
	return nil
}

func numberLength(s string) int {
	n := 0
	digits := func() bool {
		from := n
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		return n > from
	}
	if n < len(s) && s[n] == '-' {
		n++
	}
	if !digits() {
		return 0
	}
	if n < len(s) && s[n] == '.' {
		n++
		if !digits() {
			return 0
		}
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		n++
		if n < len(s) && (s[n] == '-' || s[n] == '+') {
			n++
		}
		if !digits() {
			return 0
		}
	}
	return n
}

// word reads a name, a keyword, or a literal that begins with the name of its type.
func (s *scanner) word() error {
	start := s.pos
	for s.pos < len(s.text) && isNameByte(s.text[s.pos]) {
		s.pos++
	}
	word := s.text[start:s.pos]
	if len(word) > maxName {
		return refuseAt(s.option, start, "a name longer than %d bytes", maxName)
	}
	if s.pos < len(s.text) && s.text[s.pos] == '\'' {
		return s.typed(word, start)
	}
	kind, ok := keyword(word)
	if !ok || s.inPath() {
		kind = tokName
	}
	s.emit(kind, word, start)
	return nil
}

// inPath says whether the word just read is a segment of a path, where keywords are names.
func (s *scanner) inPath() bool {
	before := len(s.out) > 0 && s.out[len(s.out)-1].Type == tokSlash
	return before || s.pos < len(s.text) && s.text[s.pos] == '/'
}

// typed reads duration'PT1H', guid'…' and members of enumerations, which are written microsoft.graph.name'member'.
func (s *scanner) typed(word string, start int) error {
	body, _ := quotedText(s.text[s.pos:])
	switch {
	case strings.EqualFold(word, "duration"):
		return s.quoted(tokDuration, start)
	case strings.EqualFold(word, "guid") && len(body) == 36 && isGuid(body):
		err := s.quoted(tokGuid, start)
		s.out[len(s.out)-1].Value = strings.ToLower(body)
		return err
	case strings.Contains(word, "."):
		return s.quoted(tokString, start)
	}
	return refuseAt(s.option, start, "a literal of an unknown type")
}
