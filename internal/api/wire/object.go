// Package wire writes and reads what several dialects write and read alike: JSON objects without reflection, and the parts of
// requests and policies that Microsoft Graph and Azure Resource Manager share, each with its own words where they differ.
package wire

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
)

// GraphType is what Microsoft Graph puts before the names of its types.
const GraphType = "#microsoft.graph."

// Selection names the members that are wanted. Nil is everything.
type Selection map[string]bool

// Object appends one JSON object member by member, without reflection, leaving out what is not selected. Lists of a
// thousand rows are written with it; test files hold it against encoding/json.
type Object struct {
	// B is what was written so far; whoever writes a value by hand appends to it after Member or Name.
	B []byte
	// Sel is the selection.
	Sel  Selection
	open bool // a member was written
}

// New begins an object behind b.
func New(b []byte, sel Selection) Object { return Object{B: append(b, '{'), Sel: sel} }

// Member begins a member, if it is selected.
func (o *Object) Member(name string) bool {
	if o.Sel != nil && !o.Sel[name] {
		return false
	}
	o.Name(name)
	return true
}

// Name begins a member that is not subject to selection: an annotation, or an expanded object.
func (o *Object) Name(name string) {
	if o.open {
		o.B = append(o.B, ',')
	}
	o.open = true
	o.B = append(o.B, '"')
	o.B = append(o.B, name...)
	o.B = append(o.B, '"', ':')
}

// End ends the object and returns all that was written.
func (o *Object) End() []byte { return append(o.B, '}') }

// Text writes a text, or null for the empty one.
func (o *Object) Text(name, v string) {
	if o.Member(name) {
		o.B = AppendText(o.B, v)
	}
}

// AppendText appends a text, or null for the empty one.
func AppendText(b []byte, v string) []byte {
	if v == "" {
		return append(b, "null"...)
	}
	return api.AppendText(b, v)
}

// Str writes a text, also the empty one.
func (o *Object) Str(name, v string) {
	if o.Member(name) {
		o.B = api.AppendText(o.B, v)
	}
}

// Time writes an instant, or null for none.
func (o *Object) Time(name string, t time.Time) {
	if o.Member(name) {
		o.B = AppendTime(o.B, t)
	}
}

// AppendTime appends an instant, or null for none.
func AppendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return api.AppendTime(b, t)
}

// Bool writes a truth value.
func (o *Object) Bool(name string, v bool) {
	if o.Member(name) {
		o.B = api.AppendBool(o.B, v)
	}
}

// Int writes a number.
func (o *Object) Int(name string, v int) {
	if o.Member(name) {
		o.B = AppendInt(o.B, v)
	}
}

// AppendInt appends a number.
func AppendInt(b []byte, v int) []byte { return strconv.AppendInt(b, int64(v), 10) }

// Null writes members that are null.
func (o *Object) Null(names ...string) {
	for _, name := range names {
		if o.Member(name) {
			o.B = append(o.B, "null"...)
		}
	}
}

// Texts writes a list of texts, an empty one for none.
func (o *Object) Texts(name string, list []string) {
	if o.Member(name) {
		o.B = AppendTexts(o.B, list)
	}
}

// AppendTexts appends a list of texts.
func AppendTexts(b []byte, list []string) []byte { return AppendEach(b, list, api.AppendText) }

// Raw writes JSON; nil is null.
func (o *Object) Raw(name string, v []byte) {
	if o.Member(name) {
		o.B = AppendRaw(o.B, v)
	}
}

// AppendRaw appends JSON; nil is null.
func AppendRaw(b, v []byte) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return append(b, v...)
}

// AppendList appends a list of JSON values.
func AppendList(b []byte, rows [][]byte) []byte {
	return AppendEach(b, rows, func(b, r []byte) []byte { return append(b, r...) })
}

// AppendEach appends a list, each element as one appends it.
func AppendEach[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

// MustJSON writes a small wire struct. It cannot fail: such structs hold texts, numbers, booleans and lists of these.
func MustJSON(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("wire: " + err.Error())
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
