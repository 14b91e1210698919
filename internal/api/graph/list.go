package graph

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/store"
)

// Bounds of lists.
const (
	// pageSize is the rows of a page that nobody asked a size for; odata.MaxTop is the most.
	pageSize = 100
	// scanSize is how many rows are read at once where the filter is finished in memory, and maxScans how often that is
	// done for one page.
	scanSize = 1000
	maxScans = 200
)

// kind is one entity type: what may be asked of its rows, and how they are written.
type kind[T any] struct {
	// set is the path of the set that its rows belong to, as contexts tell it; typ the name of its type.
	set, typ string
	schema   *odata.Schema
	columns  columns
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
	sel := selected(q)
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

// fetcher reads a page of a store's list.
type fetcher[T any] func(store.Query) (store.Page[T], error)

// list answers with a page of a set.
func list[T any](c *call, k *kind[T], fetch fetcher[T]) (api.Answer, error) {
	q, err := c.query(k.schema)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := newPager(c, k, q)
	if err != nil {
		return api.Answer{}, err
	}
	if err := p.read(fetch); err != nil {
		return api.Answer{}, err
	}
	return finish(c, k, q, p.rows, p.next, p.total)
}

// finish writes the rows of a page. next is the skip token of the following one, total the number of all rows or -1.
func finish[T any](c *call, k *kind[T], q odata.Query, rows []T, next string, total int) (api.Answer, error) {
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
		o.B = api.AppendText(o.B, c.base()+"/$metadata#"+set+shape(q))
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

// pager reads one page of a set from a store. Where the store can decide the whole filter, that is one read; else it
// reads on and finishes the filter in memory, for a bounded while: a page may then be short and still have a next one.
type pager[T any] struct {
	call  *call
	kind  *kind[T]
	query odata.Query

	where store.Filter
	exact bool
	order []store.Order
	limit int
	skip  int
	after store.Cursor
	// offset counts rows behind after that were dealt with; only where the filter is finished in memory.
	offset  int
	scanned bool

	rows  []T
	next  string
	total int
}

func newPager[T any](c *call, k *kind[T], q odata.Query) (*pager[T], error) {
	p := &pager[T]{call: c, kind: k, query: q, limit: pageSize, skip: q.Skip, total: -1}
	if q.Top != nil {
		p.limit = *q.Top
	}
	if c.count {
		p.limit, p.query.Count = 0, true
	}
	var err error
	p.where, p.exact = k.columns.compile(q.Filter)
	if p.order, err = k.columns.order(q.OrderBy); err != nil {
		return nil, err
	}
	return p, p.continued(q.SkipToken)
}

// The kinds of skip tokens: a page of the store, or a place within one.
const (
	tokenPage = "p"
	tokenScan = "s"
)

func (p *pager[T]) continued(token string) error {
	if token == "" {
		return nil
	}
	parts, err := odata.DecodeToken(token)
	if err != nil {
		return err
	}
	bad := badRequest("$skiptoken: not a token that this server gave for this list.")
	switch {
	case len(parts) > 1 && parts[0] == tokenPage && p.direct():
		p.after = parts[1:]
	case len(parts) > 1 && parts[0] == tokenScan:
		p.scanned = true // also where $skip alone was the reason, which the link no longer has
		p.offset, err = strconv.Atoi(parts[1])
		if err != nil || p.offset < 0 || p.offset > scanSize {
			return bad
		}
		p.after, p.skip = parts[2:], 0
	default:
		return bad
	}
	return nil
}

// direct says whether a page of the store is a page of the answer.
func (p *pager[T]) direct() bool { return p.exact && p.query.Skip == 0 && !p.scanned }

func (p *pager[T]) read(fetch fetcher[T]) error {
	if !p.direct() {
		return p.scan(fetch)
	}
	page, err := fetch(store.Query{
		Tenant: p.call.Tenant, Where: p.where, Order: p.order, After: p.after, Limit: max(p.limit, 1), Count: p.query.Count,
	})
	if err != nil {
		return err
	}
	p.total = page.Count
	if p.query.Count && page.Count < 0 {
		if err := p.counted(fetch); err != nil {
			return err
		}
	}
	if p.limit == 0 {
		return nil
	}
	p.rows = page.Rows
	if len(page.Next) > 0 {
		p.next = odata.EncodeToken(append([]string{tokenPage}, page.Next...)...)
	}
	return nil
}

// counted counts the rows of a list that its store does not count.
func (p *pager[T]) counted(fetch fetcher[T]) error {
	other := *p
	other.limit, other.after, other.offset, other.rows, other.skip = 0, nil, 0, nil, 0
	if err := other.scan(fetch); err != nil {
		return err
	}
	p.total = other.total
	return nil
}

func (p *pager[T]) scan(fetch fetcher[T]) error {
	if p.query.Count && p.total < 0 && (len(p.after) > 0 || p.offset > 0) {
		if err := p.counted(fetch); err != nil {
			return err
		}
	}
	counting := p.query.Count && p.total < 0
	matched := 0
	for range maxScans {
		page, err := fetch(store.Query{Tenant: p.call.Tenant, Where: p.where, Order: p.order, After: p.after, Limit: scanSize})
		if err != nil {
			return err
		}
		full, err := p.sift(page.Rows, &matched, counting)
		if err != nil {
			return err
		}
		if full && !counting {
			return nil
		}
		if len(page.Next) == 0 {
			if counting {
				p.total = matched
			}
			return nil
		}
		p.after, p.offset = page.Next, 0
	}
	if counting {
		return unsupported("This filter leaves too many rows to count; narrow it by principal, role or scope.")
	}
	if p.next == "" {
		p.next = p.place(0)
	}
	return nil
}

// sift takes from the rows of one page of the store those that match and are not skipped. True when no more are wanted;
// the place behind the last one is then the next page's.
func (p *pager[T]) sift(rows []T, matched *int, counting bool) (bool, error) {
	value, err := p.kind.values(p.call, p.query.Filter, rows)
	if err != nil {
		return false, err
	}
	for i := min(p.offset, len(rows)); i < len(rows); i++ {
		ok, err := odata.Eval(p.query.Filter, func(path []string) any { return value(i, path) })
		if err != nil {
			return false, err
		}
		switch {
		case !ok:
			continue
		case p.skip > 0:
			*matched++
			p.skip--
			continue
		case len(p.rows) >= p.limit:
			if p.next == "" && p.limit > 0 {
				p.next = p.place(i)
			}
			if !counting {
				return true, nil
			}
		default:
			p.rows = append(p.rows, rows[i])
		}
		*matched++
	}
	return false, nil
}

func (p *pager[T]) place(offset int) string {
	return odata.EncodeToken(append([]string{tokenScan, strconv.Itoa(offset)}, p.after...)...)
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
	if rows, err = sifted(c, k, q, rows); err != nil {
		return api.Answer{}, err
	}
	from, err := placeIn(q)
	if err != nil {
		return api.Answer{}, err
	}
	limit := pageSize
	if q.Top != nil {
		limit = *q.Top
	}
	total := len(rows)
	rows = rows[min(from, total):]
	next := ""
	if limit > 0 && len(rows) > limit {
		next = odata.EncodeToken(tokenScan, strconv.Itoa(from+limit))
	}
	return finish(c, k, q, rows[:min(limit, len(rows))], next, total)
}

func placeIn(q odata.Query) (int, error) {
	if q.SkipToken == "" {
		return q.Skip, nil
	}
	parts, err := odata.DecodeToken(q.SkipToken)
	if err != nil {
		return 0, err
	}
	if len(parts) == 2 && parts[0] == tokenScan {
		if n, err := strconv.Atoi(parts[1]); err == nil && n >= 0 {
			return n, nil
		}
	}
	return 0, badRequest("$skiptoken: not a token that this server gave for this list.")
}

// sifted is the rows that match, sorted as asked.
func sifted[T any](c *call, k *kind[T], q odata.Query, rows []T) ([]T, error) {
	value, err := k.values(c, q.Filter, rows)
	if err != nil {
		return nil, err
	}
	var out []T
	for i := range rows {
		ok, err := odata.Eval(q.Filter, func(path []string) any { return value(i, path) })
		if err != nil {
			return nil, err
		}
		if ok && matchesSearch(q.Search, func(path []string) any { return k.value(c, rows[i], path) }) {
			out = append(out, rows[i])
		}
	}
	slices.SortStableFunc(out, func(a, b T) int {
		for _, o := range q.OrderBy {
			n := compareValues(k.value(c, a, o.Path.Segments), k.value(c, b, o.Path.Segments))
			if o.Desc {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	return out, nil
}

func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(strings.ToLower(a), strings.ToLower(b))
		}
	case time.Time:
		if b, ok := b.(time.Time); ok {
			return a.Compare(b)
		}
	case bool:
		if b, ok := b.(bool); ok && a != b {
			if a {
				return 1
			}
			return -1
		}
		return 0
	}
	return cmp.Compare(boolInt(a != nil), boolInt(b != nil))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
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
