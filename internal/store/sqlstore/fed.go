package sqlstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The feed is written with every commit and read by every node, so that its JSON is put together and taken apart here, by hand.
// What a text has beyond plain letters is left to package json.

// appendRows appends rows under a name, if there are any, to an object.
func appendRows(to []byte, name string, rows [][]any) []byte {
	if len(rows) == 0 {
		return to
	}
	to = appendName(to, name)
	for i, row := range rows {
		to = append(to, separator(i))
		for j, cell := range row {
			to = appendCell(append(to, separator(j)), cell)
		}
		to = append(to, ']')
	}
	return append(to, ']')
}

// separator goes before the element of a list with that number.
func separator(i int) byte {
	if i == 0 {
		return '['
	}
	return ','
}

func appendName(to []byte, name string) []byte {
	if to[len(to)-1] != '{' {
		to = append(to, ',')
	}
	return append(append(append(to, '"'), name...), '"', ':')
}

func appendCell(to []byte, cell any) []byte {
	switch v := cell.(type) {
	case string:
		return appendText(to, v)
	case int64:
		return strconv.AppendInt(to, v, 10)
	case bool:
		return strconv.AppendBool(to, v)
	case *int64:
		if v != nil {
			return strconv.AppendInt(to, *v, 10)
		}
	}
	return append(to, "null"...)
}

func appendText(to []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			b, _ := json.Marshal(s) // a text has no errors
			return append(to, b...)
		}
	}
	return append(append(append(to, '"'), s...), '"')
}

// fedText is JSON that is being read.
type fedText struct {
	text string
	at   int
}

var errFed = errors.New("it is not JSON of the form that is expected")

// next is the next character that is no space; zero: there is none.
func (f *fedText) next() byte {
	for ; f.at < len(f.text); f.at++ {
		switch c := f.text[f.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// has takes a character if it is the next.
func (f *fedText) has(c byte) bool {
	if f.next() != c {
		return false
	}
	f.at++
	return true
}

// list reads what stands between two brackets, an element at a time.
func (f *fedText) list(open, end byte, element func() error) error {
	if !f.has(open) {
		return errFed
	}
	if f.has(end) {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if f.has(end) {
			return nil
		}
		if !f.has(',') {
			return errFed
		}
	}
}

// skip passes over the next value.
func (f *fedText) skip() error {
	for depth := 0; ; {
		switch f.next() {
		case 0:
			return errFed
		case '"':
			if err := f.quoted(); err != nil {
				return err
			}
		case '[', '{':
			depth++
			f.at++
		case ']', '}':
			depth--
			f.at++
		case ',', ':':
			if depth == 0 {
				return errFed
			}
			f.at++
		default:
			f.bare()
		}
		if depth < 0 {
			return errFed
		}
		if depth == 0 {
			return nil
		}
	}
}

// bare takes a number, or one of the words.
func (f *fedText) bare() string {
	from := f.at
	for ; f.at < len(f.text); f.at++ {
		if strings.IndexByte(" \t\r\n,:]}[{\"", f.text[f.at]) >= 0 {
			break
		}
	}
	return f.text[from:f.at]
}

// quoted passes over a text with its quotes.
func (f *fedText) quoted() error {
	for f.at++; f.at < len(f.text); f.at++ {
		switch f.text[f.at] {
		case '\\':
			f.at++
		case '"':
			f.at++
			return nil
		}
	}
	return errFed
}

// string reads a text. It is a copy, lest something small keeps a whole row of the feed.
func (f *fedText) string() (string, error) {
	if f.next() != '"' {
		return "", errFed
	}
	from := f.at
	if err := f.quoted(); err != nil {
		return "", err
	}
	whole := f.text[from:f.at]
	if plain := whole[1 : len(whole)-1]; strings.IndexByte(plain, '\\') < 0 {
		return strings.Clone(plain), nil
	}
	var s string
	err := json.Unmarshal([]byte(whole), &s)
	return s, err
}

// scan reads the cells of a row. Those that are not there leave what they would be read into as it is, and those that nobody knows
// are passed over.
func (f *fedText) scan(into ...any) error {
	n := 0
	return f.list('[', ']', func() error {
		n++
		if n > len(into) {
			return f.skip()
		}
		return f.cell(into[n-1])
	})
}

func (f *fedText) cell(into any) (err error) {
	if p, ok := into.(*string); ok {
		*p, err = f.string()
		return err
	}
	if c := f.next(); c == '"' {
		return errFed
	}
	word := f.bare()
	switch p := into.(type) {
	case *int64:
		*p, err = strconv.ParseInt(word, 10, 64)
	case *bool:
		if *p = word == "true"; !*p && word != "false" {
			err = errFed
		}
	case **int64:
		if *p = nil; word != "null" {
			*p = new(int64)
			**p, err = strconv.ParseInt(word, 10, 64)
		}
	default:
		err = fmt.Errorf("a cell of the feed cannot be read into a %T", into)
	}
	return err
}

// readRows reads a list of rows.
func readRows[T any](f *fedText, into *[]T, read func(scan) (T, error)) error {
	return f.list('[', ']', func() error {
		v, err := read(f.scan)
		*into = append(*into, v)
		return err
	})
}
