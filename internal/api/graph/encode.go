package graph

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
)

// selection is what $select asks for, by property. Nil is everything.
type selection map[string]bool

// selected is the selection of a query. The id is always among it, as clients rely on.
func selected(q odata.Query) selection {
	if len(q.Select) == 0 {
		return nil
	}
	s := selection{"id": true}
	for _, name := range q.Select {
		if name == "*" {
			return nil
		}
		first, _, _ := strings.Cut(name, "/")
		s[first] = true
	}
	return s
}

// object appends one JSON object member by member, without reflection, leaving out what is not selected. Lists of a
// thousand rows are written with it; test files hold it against encoding/json.
type object struct {
	b    []byte
	sel  selection
	open bool // a member was written
}

func newObject(b []byte, sel selection) object { return object{b: append(b, '{'), sel: sel} }

// member begins a member, if it is selected.
func (o *object) member(name string) bool {
	if o.sel != nil && !o.sel[name] {
		return false
	}
	o.name(name)
	return true
}

// name begins a member that is not subject to selection: an annotation, or an expanded object.
func (o *object) name(name string) {
	if o.open {
		o.b = append(o.b, ',')
	}
	o.open = true
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) end() []byte { return append(o.b, '}') }

// text writes a text, or null for the empty one.
func (o *object) text(name, v string) {
	if o.member(name) {
		o.b = appendText(o.b, v)
	}
}

func appendText(b []byte, v string) []byte {
	if v == "" {
		return append(b, "null"...)
	}
	return api.AppendText(b, v)
}

// str writes a text, also the empty one.
func (o *object) str(name, v string) {
	if o.member(name) {
		o.b = api.AppendText(o.b, v)
	}
}

// time writes an instant, or null for none.
func (o *object) time(name string, t time.Time) {
	if o.member(name) {
		o.b = appendTime(o.b, t)
	}
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return api.AppendTime(b, t)
}

func (o *object) bool(name string, v bool) {
	if o.member(name) {
		o.b = api.AppendBool(o.b, v)
	}
}

func (o *object) int(name string, v int) {
	if o.member(name) {
		o.b = appendInt(o.b, v)
	}
}

func appendInt(b []byte, v int) []byte { return strconv.AppendInt(b, int64(v), 10) }

func (o *object) null(names ...string) {
	for _, name := range names {
		if o.member(name) {
			o.b = append(o.b, "null"...)
		}
	}
}

// texts writes a list of texts, an empty one for none.
func (o *object) texts(name string, list []string) {
	if o.member(name) {
		o.b = appendTexts(o.b, list)
	}
}

func appendTexts(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = api.AppendText(b, s)
	}
	return append(b, ']')
}

// grantID writes the id of an instance, which needs no escapes.
func (o *object) grantID(name string, i pim.Instance) {
	if o.member(name) {
		o.b = append(appendGrantID(append(o.b, '"'), i), '"')
	}
}

// raw writes JSON; nil is null.
func (o *object) raw(name string, v []byte) {
	if o.member(name) {
		o.b = appendRaw(o.b, v)
	}
}

func appendRaw(b, v []byte) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return append(b, v...)
}

func appendList(b []byte, rows [][]byte) []byte {
	b = append(b, '[')
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r...)
	}
	return append(b, ']')
}

// begin starts the object of an entity: with its type where that is not clear from the context, and with all of
// OData's words for callers who want them.
func (c *call) begin(b []byte, sel selection, typ string, typed bool, address string) object {
	o := newObject(b, sel)
	if c.meta == full || typed && c.meta != none {
		o.name("@odata.type")
		o.b = api.AppendText(o.b, "#microsoft.graph."+typ)
	}
	if c.meta == full && address != "" {
		o.name("@odata.id")
		o.b = api.AppendText(o.b, c.base()+"/"+address)
	}
	return o
}

// entity is the answer with one object.
func (c *call) entity(status int, set string, q odata.Query, row []byte) api.Answer {
	if c.meta == none {
		return c.json(status, row)
	}
	o := newObject(make([]byte, 0, len(row)+200), nil)
	o.name("@odata.context")
	o.b = api.AppendText(o.b, c.base()+"/$metadata#"+set+shape(q)+"/$entity")
	if len(row) > 2 {
		o.b = append(o.b, ',')
	}
	return c.json(status, append(o.b, row[1:]...))
}

// shape is what a context tells of $select and $expand: (principalId,roleDefinition()).
func shape(q odata.Query) string {
	list := append([]string(nil), q.Select...)
	for _, e := range q.Expand {
		inner := shape(e.Query)
		if inner == "" {
			inner = "()"
		}
		list = append(list, e.Path+inner)
	}
	if len(list) == 0 {
		return ""
	}
	return "(" + strings.Join(list, ",") + ")"
}

// mustJSON writes a small wire struct. It cannot fail: such structs hold texts, numbers, booleans and lists of these.
func mustJSON(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("graph: " + err.Error())
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
