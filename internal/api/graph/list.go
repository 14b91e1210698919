package graph

import (
	"net/http"
	"slices"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
)

// kind is one entity type: what may be asked of its rows, and how they are written.
type kind[T any] struct {
	// set is the path of the set that its rows belong to, as contexts tell it; typ the name of its type.
	set, typ string
	schema   *odata.Schema
	columns  listing.Columns
	// key is a row's id.
	key func(T) string
	// write writes the structural properties.
	write func(*call, *object, T)
	// value is the value of a property of the row itself, for filters that are finished in memory; nil for none.
	value func(*call, T, []string) any
	// deep, where it is set, gives values of related objects too, for a page of rows.
	deep func(*call, []T) (func(i int, path []string) any, error)
	// relate loads what is expanded, for all rows at once.
	relate func(*call, []odata.Expand, []T) ([]related, error)
	// subtype, where it is set, tells a row's own type and set: then every row carries its type.
	subtype func(T) (typ, set string)
}

// related is one expanded navigation property: its JSON for each row, nil for null.
type related struct {
	name string
	at   func(i int) []byte
	// context, where it is set, is the context of a contained collection.
	context func(i int) string
}

// encode writes rows as JSON objects. All share one buffer.
func encode[T any](c *call, k *kind[T], q odata.Query, typed bool, rows []T) ([][]byte, error) {
	out := make([][]byte, len(rows))
	ends := make([]int, 0, len(rows))
	buffer, err := appendRows(make([]byte, 0, len(rows)*rowSize), c, k, q, typed, rows, func(b []byte) []byte {
		ends = append(ends, len(b))
		return b
	})
	if err != nil {
		return nil, err
	}
	from := 0
	for i, end := range ends {
		out[i], from = buffer[from:end:end], end
	}
	return out, nil
}

// rowSize is what a row takes, about: a guess too low costs a copy.
const rowSize = 600

// appendRows writes rows one after the other; after each the buffer is shown to done, which may add to it.
func appendRows[T any](b []byte, c *call, k *kind[T], q odata.Query, typed bool, rows []T, done func([]byte) []byte) ([]byte, error) {
	var more []related
	if len(q.Expand) > 0 && len(rows) > 0 {
		var err error
		if more, err = k.relate(c, q.Expand, rows); err != nil {
			return nil, err
		}
	}
	sel := listing.Selected(q)
	var o object // one for all rows: it escapes into the writers
	for i, row := range rows {
		typ, set := k.typ, k.set
		if k.subtype != nil {
			typ, set = k.subtype(row)
		}
		address := ""
		if c.meta == full && k.key != nil {
			address = set + "/" + k.key(row)
		}
		o = c.begin(b, sel, typ, typed || k.subtype != nil, address)
		k.write(c, &o, row)
		for _, r := range more {
			c.appendRelated(&o, r, i)
		}
		b = done(o.End())
	}
	return b, nil
}

func (c *call) appendRelated(o *object, r related, i int) {
	if r.context != nil && c.meta != none {
		o.Name(r.name + "@odata.context")
		o.B = api.AppendText(o.B, c.base()+"/$metadata#"+r.context(i))
	}
	o.Name(r.name)
	o.B = wire.AppendRaw(o.B, r.at(i))
}

// list answers with a page of a set.
func list[T any](c *call, k *kind[T], fetch listing.Fetcher[T]) (api.Answer, error) {
	q, err := c.query(k.schema)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := listing.Read(c.Tenant, setOf(c, k), q, c.count, fetch)
	if err != nil {
		return api.Answer{}, err
	}
	return finish(c, k, q, p)
}

// finish writes the rows of a page.
func finish[T any](c *call, k *kind[T], q odata.Query, p listing.Page[T]) (api.Answer, error) {
	rows, next, total := p.Rows, p.Next, p.Total
	if c.count {
		return number(total), nil
	}
	o := newObject(make([]byte, 0, 512+len(rows)*rowSize), nil)
	if c.meta != none {
		o.Name("@odata.context")
		set := k.set
		if c.function {
			set = "Collection(" + k.typ + ")"
		}
		o.B = api.AppendText(o.B, c.base()+"/$metadata#"+set+listing.Shape(q))
	}
	if q.Count && total >= 0 {
		o.Name("@odata.count")
		o.B = wire.AppendInt(o.B, total)
	}
	if next != "" {
		o.Name("@odata.nextLink")
		o.B = api.AppendText(o.B, odata.NextLink(c.address(), next))
	}
	o.Name("value")
	o.B = append(o.B, '[')
	b, err := appendRows(o.B, c, k, q, c.function, rows, func(b []byte) []byte { return append(b, ',') })
	if err != nil {
		return api.Answer{}, err
	}
	if len(rows) > 0 {
		b = b[:len(b)-1] // the comma behind the last row
	}
	return c.json(http.StatusOK, append(b, ']', '}')), nil
}

// values gives the values of rows for a filter.
func (k *kind[T]) values(c *call, filter odata.Expr, rows []T) (func(i int, path []string) any, error) {
	if k.deep != nil && len(rows) > 0 && mentionsRelated(filter) {
		return k.deep(c, rows)
	}
	return func(i int, path []string) any { return k.value(c, rows[i], path) }, nil
}

// mentionsRelated says whether a filter asks for more than a row's own properties.
func mentionsRelated(e odata.Expr) bool {
	related := func(p odata.Path) bool {
		switch p.Segments[0] {
		case "principal", "roleDefinition", "group":
			return len(p.Segments) > 1 && p.Segments[1] != "id" || len(p.Segments) == 1
		}
		return false
	}
	switch e := e.(type) {
	case odata.And:
		return slices.ContainsFunc(e, mentionsRelated)
	case odata.Or:
		return slices.ContainsFunc(e, mentionsRelated)
	case odata.Not:
		return mentionsRelated(e.X)
	case odata.Compare:
		return related(e.Path)
	case odata.In:
		return related(e.Path)
	case odata.Call:
		for _, a := range e.Args {
			if p, ok := a.(odata.Path); ok && related(p) {
				return true
			}
		}
	case odata.Any, odata.All:
	}
	return false
}

// listAll answers with a page of a set that is small enough to be at hand whole.
func listAll[T any](c *call, k *kind[T], rows []T) (api.Answer, error) {
	q, err := c.query(k.schema)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := listing.All(setOf(c, k), q, searched(c, k, q, rows), own(c, k))
	if err != nil {
		return api.Answer{}, err
	}
	return finish(c, k, q, p)
}

// sifted is the rows that match, sorted as asked.
func sifted[T any](c *call, k *kind[T], q odata.Query, rows []T) ([]T, error) {
	return listing.Sifted(setOf(c, k), q, searched(c, k, q, rows), own(c, k))
}

// setOf is what may be asked of a kind's rows.
func setOf[T any](c *call, k *kind[T]) listing.Set[T] {
	return listing.Set[T]{Columns: k.columns, Values: func(filter odata.Expr, rows []T) (func(int, []string) any, error) {
		return k.values(c, filter, rows)
	}}
}

// own gives the values of a row's own properties.
func own[T any](c *call, k *kind[T]) func(T, []string) any {
	return func(row T, path []string) any { return k.value(c, row, path) }
}

// searched is the rows that $search lets pass.
func searched[T any](c *call, k *kind[T], q odata.Query, rows []T) []T {
	if q.Search == "" {
		return rows
	}
	var out []T
	for _, row := range rows {
		if matchesSearch(q.Search, func(path []string) any { return k.value(c, row, path) }) {
			out = append(out, row)
		}
	}
	return out
}

// decode reads the body of a call that answers with a row. What the answer shall hold is checked first: an error must
// not come after the deed.
func decode[T any](c *call, k *kind[T], into any) error {
	if _, err := c.query(k.schema); err != nil {
		return err
	}
	return api.Decode(c.Request, into)
}

// one answers with a single row.
func one[T any](c *call, k *kind[T], status int, row T) (api.Answer, error) {
	q, err := c.query(k.schema)
	if err != nil {
		return api.Answer{}, err
	}
	rows, err := encode(c, k, q, false, []T{row})
	if err != nil {
		return api.Answer{}, err
	}
	return c.entity(status, k.set, odata.Query{Select: q.Select, Expand: q.Expand}, rows[0]), nil
}

// navigate answers with what a navigation property of one row leads to.
func navigate[T any](c *call, k *kind[T], row T, name string) (api.Answer, error) {
	var schema odata.Schema
	for _, n := range k.schema.Navigations {
		if n.Name == name && n.Schema != nil {
			schema = *n.Schema
		}
	}
	q, err := c.query(&schema)
	if err != nil {
		return api.Answer{}, err
	}
	more, err := k.relate(c, []odata.Expand{{Path: name, Query: q}}, []T{row})
	if err != nil {
		return api.Answer{}, err
	}
	for _, r := range more {
		if b := r.at(0); r.name == name && b != nil {
			return c.entity(http.StatusOK, k.set+"/"+name, q, b), nil
		}
	}
	return api.Answer{}, notFound(k.key(row) + "/" + name)
}
