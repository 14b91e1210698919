package listing

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
)

// Kind is one entity type: what may be asked of its rows, and how they are written.
type Kind[C Caller, T any] struct {
	// Set is the path of the set that its rows belong to, as contexts tell it; Type the name of its type.
	Set, Type string
	Schema    *odata.Schema
	Columns   Columns
	// Key is a row's id.
	Key func(T) string
	// Write writes the structural properties.
	Write func(C, *wire.Object, T)
	// Value is the value of a property of the row itself, for filters that are finished in memory; nil for none.
	Value func(C, T, []string) any
	// Deep, where it is set, gives values of related objects too, for a page of rows.
	Deep func(C, []T) (func(i int, path []string) any, error)
	// Relate loads what is expanded, for all rows at once.
	Relate func(C, []odata.Expand, []T) ([]Related, error)
	// Subtype, where it is set, tells a row's own type and set: then every row carries its type.
	Subtype func(T) (typ, set string)
}

// Related is one expanded navigation property: its JSON for each row, nil for null.
type Related struct {
	Name string
	At   func(i int) []byte
	// Context, where it is set, is the context of a contained collection.
	Context func(i int) string
}

// Encode writes rows as JSON objects. All share one buffer.
func Encode[C Caller, T any](c C, k *Kind[C, T], q odata.Query, typed bool, rows []T) ([][]byte, error) {
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
func appendRows[C Caller, T any](b []byte, c C, k *Kind[C, T], q odata.Query, typed bool, rows []T, done func([]byte) []byte) ([]byte, error) {
	var more []Related
	if len(q.Expand) > 0 && len(rows) > 0 {
		var err error
		if more, err = k.Relate(c, q.Expand, rows); err != nil {
			return nil, err
		}
	}
	sel := Selected(q)
	var o wire.Object // one for all rows: it escapes into the writers
	for i, row := range rows {
		typ, set := k.Type, k.Set
		if k.Subtype != nil {
			typ, set = k.Subtype(row)
		}
		address := ""
		if c.OData().Meta == Full && k.Key != nil {
			address = set + "/" + k.Key(row)
		}
		o = c.OData().Begin(b, sel, typ, typed || k.Subtype != nil, address)
		k.Write(c, &o, row)
		for _, r := range more {
			c.OData().appendRelated(&o, r, i)
		}
		b = done(o.End())
	}
	return b, nil
}

// List answers with a page of a set.
func List[C Caller, T any](c C, k *Kind[C, T], fetch Fetcher[T]) (api.Answer, error) {
	q, err := c.OData().Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := Read(c, k, q, fetch)
	if err != nil {
		return api.Answer{}, err
	}
	return Finish(c, k, q, p)
}

// Read reads a page of a set, for a query that was checked already and of which the caller may have decided a part.
func Read[C Caller, T any](c C, k *Kind[C, T], q odata.Query, fetch Fetcher[T]) (Page[T], error) {
	return read(c.OData().Tenant, k.of(c), q, c.OData().CountOnly, fetch)
}

// Finish writes the rows of a page.
func Finish[C Caller, T any](c C, k *Kind[C, T], q odata.Query, p Page[T]) (api.Answer, error) {
	rows, next, total := p.Rows, p.Next, p.Total
	if c.OData().CountOnly {
		return Number(total), nil
	}
	o := wire.New(make([]byte, 0, 512+len(rows)*rowSize), nil)
	if c.OData().Meta != None {
		o.Name("@odata.context")
		set := k.Set
		if c.OData().Function {
			set = "Collection(" + k.Type + ")"
		}
		o.B = api.AppendText(o.B, c.OData().Base()+"/$metadata#"+set+Shape(q))
	}
	if q.Count && total >= 0 {
		o.Name("@odata.count")
		o.B = wire.AppendInt(o.B, total)
	}
	if next != "" {
		o.Name("@odata.nextLink")
		o.B = api.AppendText(o.B, odata.NextLink(c.OData().Address(), next))
	}
	o.Name("value")
	o.B = append(o.B, '[')
	b, err := appendRows(o.B, c, k, q, c.OData().Function, rows, func(b []byte) []byte { return append(b, ',') })
	if err != nil {
		return api.Answer{}, err
	}
	if len(rows) > 0 {
		b = b[:len(b)-1] // the comma behind the last row
	}
	return c.OData().JSON(http.StatusOK, append(b, ']', '}')), nil
}

// All answers with a page of a set that is small enough to be at hand whole.
func All[C Caller, T any](c C, k *Kind[C, T], rows []T) (api.Answer, error) {
	q, err := c.OData().Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := k.PageOf(c, q, rows)
	if err != nil {
		return api.Answer{}, err
	}
	return Finish(c, k, q, p)
}

// PageOf takes one page out of rows.
func (k *Kind[C, T]) PageOf(c C, q odata.Query, rows []T) (Page[T], error) {
	return pageOf(k.of(c), q, rows, k.own(c))
}

// Sifted is the rows that match, sorted as asked.
func (k *Kind[C, T]) Sifted(c C, q odata.Query, rows []T) ([]T, error) {
	return sifted(k.of(c), q, rows, k.own(c))
}

// of is what may be asked of the rows.
func (k *Kind[C, T]) of(c C) set[T] {
	return set[T]{columns: k.Columns, values: func(filter odata.Expr, rows []T) (func(int, []string) any, error) {
		return k.values(c, filter, rows)
	}}
}

// own gives the values of a row's own properties.
func (k *Kind[C, T]) own(c C) func(T, []string) any {
	return func(row T, path []string) any { return k.Value(c, row, path) }
}

// values gives the values of rows for a filter.
func (k *Kind[C, T]) values(c C, filter odata.Expr, rows []T) (func(i int, path []string) any, error) {
	if k.Deep != nil && len(rows) > 0 && k.mentionsRelated(filter) {
		return k.Deep(c, rows)
	}
	return func(i int, path []string) any { return k.Value(c, rows[i], path) }, nil
}

// Ordered is rows sorted as asked, by the properties of related objects too.
func (k *Kind[C, T]) Ordered(c C, orders []odata.Order, rows []T) ([]T, error) {
	value := func(i int, path []string) any { return k.Value(c, rows[i], path) }
	if k.Deep != nil && slices.ContainsFunc(orders, func(o odata.Order) bool { return len(o.Path.Segments) > 1 }) {
		deep, err := k.Deep(c, rows)
		if err != nil {
			return nil, err
		}
		value = deep
	}
	at := make([]int, len(rows))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int {
		return compareBy(orders, func(path []string) any { return value(a, path) }, func(path []string) any { return value(b, path) })
	})
	out := make([]T, len(rows))
	for i, from := range at {
		out[i] = rows[from]
	}
	return out, nil
}

// mentionsRelated says whether a filter asks for more than a row's own properties and the ids of related objects.
func (k *Kind[C, T]) mentionsRelated(e odata.Expr) bool {
	return odata.Mentions(e, func(p odata.Path) bool {
		return slices.ContainsFunc(k.Schema.Navigations, func(n odata.Navigation) bool { return n.Name == p.Segments[0] }) &&
			(len(p.Segments) == 1 || p.Segments[1] != "id")
	})
}

// TextValue is a text as a value of Kind; nil for the empty one.
func TextValue(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// TimeValue is an instant as a value of Kind; nil for none.
func TimeValue(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// Decode reads the body of a call that answers with a row. What the answer shall hold is checked first: an error must
// not come after the deed.
func Decode[C Caller, T any](c C, k *Kind[C, T], into any) error {
	if _, err := c.OData().Query(k.Schema); err != nil {
		return err
	}
	return api.Decode(c.OData().Request, into)
}

// One answers with a single row.
func One[C Caller, T any](c C, k *Kind[C, T], status int, row T) (api.Answer, error) {
	q, err := c.OData().Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	rows, err := Encode(c, k, q, false, []T{row})
	if err != nil {
		return api.Answer{}, err
	}
	return c.OData().Entity(status, k.Set, odata.Query{Select: q.Select, Expand: q.Expand}, rows[0]), nil
}

// Navigate answers with what a navigation property of one row leads to.
func Navigate[C Caller, T any](c C, k *Kind[C, T], row T, name string) (api.Answer, error) {
	var schema odata.Schema
	for _, n := range k.Schema.Navigations {
		if n.Name == name && n.Schema != nil {
			schema = *n.Schema
		}
	}
	q, err := c.OData().Query(&schema)
	if err != nil {
		return api.Answer{}, err
	}
	more, err := k.Relate(c, []odata.Expand{{Path: name, Query: q}}, []T{row})
	if err != nil {
		return api.Answer{}, err
	}
	for _, r := range more {
		if b := r.At(0); r.Name == name && b != nil {
			return c.OData().Entity(http.StatusOK, k.Set+"/"+name, q, b), nil
		}
	}
	return api.Answer{}, NotFound(k.Key(row) + "/" + name)
}

// NotFound is the error for what is not there.
func NotFound(id string) *api.ODataError {
	return &api.ODataError{Status: http.StatusNotFound, Code: "Request_ResourceNotFound", Message: fmt.Sprintf(
		"Resource '%.200s' does not exist or one of its queried reference-property objects are not present.", id)}
}
