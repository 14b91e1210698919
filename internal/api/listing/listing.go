// Package listing reads sets and writes entities as OData asks for them: what the store can decide of a filter it decides, and the
// rest is finished in memory, a bounded while for each page. The dialects that are OData share it; each brings its own rows,
// names and columns.
package listing

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
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Bounds of lists.
const (
	// PageSize is the rows of a page that nobody asked a size for; odata.MaxTop is the most.
	PageSize = 100
	// ScanSize is how many rows are read at once where the filter is finished in memory, and MaxScans how often that is
	// done for one page.
	ScanSize = 1000
	MaxScans = 200
)

// set is what may be asked of the rows of a set.
type set[T any] struct {
	// columns are the properties that the store knows.
	columns Columns
	// values gives the values of rows' properties, for a filter that is finished in memory.
	values func(filter odata.Expr, rows []T) (func(i int, path []string) any, error)
}

// Fetcher reads a page of a store's list.
type Fetcher[T any] func(store.Query) (store.Page[T], error)

// Page is one page of a set.
type Page[T any] struct {
	Rows []T
	// Next is the skip token of the following page; empty: there is none.
	Next string
	// Total is the number of all rows, where the query asks for it; else -1.
	Total int
}

// read reads one page of a set from a store. Where the store can decide the whole filter, that is one read; else it reads on
// and finishes the filter in memory: a page may then be short and still have a next one. With countOnly no rows are wanted.
func read[T any](t pim.TenantID, s set[T], q odata.Query, countOnly bool, fetch Fetcher[T]) (Page[T], error) {
	p := &pager[T]{tenant: t, set: s, query: q, limit: PageSize, skip: q.Skip, total: -1}
	if q.Top != nil {
		p.limit = *q.Top
	}
	if countOnly {
		p.limit, p.query.Count = 0, true
	}
	var err error
	p.where, p.exact = s.columns.Compile(q.Filter)
	if p.order, err = s.columns.SortedBy(q.OrderBy); err == nil {
		err = p.continued(q.SkipToken)
	}
	if err == nil {
		err = p.read(fetch)
	}
	return Page[T]{p.rows, p.next, p.total}, err
}

// pager is one page being read.
type pager[T any] struct {
	tenant pim.TenantID
	set    set[T]
	query  odata.Query

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
	bad := badToken()
	switch {
	case len(parts) > 1 && parts[0] == tokenPage && p.direct():
		p.after = parts[1:]
	case len(parts) > 1 && parts[0] == tokenScan:
		p.scanned = true // also where $skip alone was the reason, which the link no longer has
		p.offset, err = strconv.Atoi(parts[1])
		if err != nil || p.offset < 0 || p.offset > ScanSize {
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

func (p *pager[T]) read(fetch Fetcher[T]) error {
	if !p.direct() {
		return p.scan(fetch)
	}
	page, err := fetch(store.Query{
		Tenant: p.tenant, Where: p.where, Order: p.order, After: p.after, Limit: max(p.limit, 1), Count: p.query.Count,
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
func (p *pager[T]) counted(fetch Fetcher[T]) error {
	other := *p
	other.limit, other.after, other.offset, other.rows, other.skip = 0, nil, 0, nil, 0
	if err := other.scan(fetch); err != nil {
		return err
	}
	p.total = other.total
	return nil
}

func (p *pager[T]) scan(fetch Fetcher[T]) error {
	if p.query.Count && p.total < 0 && (len(p.after) > 0 || p.offset > 0) {
		if err := p.counted(fetch); err != nil {
			return err
		}
	}
	counting := p.query.Count && p.total < 0
	matched := 0
	for range MaxScans {
		page, err := fetch(store.Query{Tenant: p.tenant, Where: p.where, Order: p.order, After: p.after, Limit: ScanSize})
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
		return TooMany()
	}
	if p.next == "" {
		p.next = p.place(0)
	}
	return nil
}

// sift takes from the rows of one page of the store those that match and are not skipped. True when no more are wanted;
// the place behind the last one is then the next page's.
func (p *pager[T]) sift(rows []T, matched *int, counting bool) (bool, error) {
	value, err := p.set.values(p.query.Filter, rows)
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

// TooMany is the refusal to count more rows than can be looked through.
func TooMany() error {
	return &api.ODataError{Status: http.StatusBadRequest, Code: "Request_UnsupportedQuery",
		Message: "This filter leaves too many rows to count; narrow it by principal, role or scope."}
}

func badToken() error {
	return api.BadRequest("$skiptoken: not a token that this server gave for this list.")
}

// pageOf takes one page out of a set that is small enough to be at hand whole. value gives a row's own properties, for sorting.
func pageOf[T any](s set[T], q odata.Query, rows []T, value func(T, []string) any) (Page[T], error) {
	rows, err := sifted(s, q, rows, value)
	if err != nil {
		return Page[T]{}, err
	}
	from, err := placeIn(q)
	if err != nil {
		return Page[T]{}, err
	}
	limit := PageSize
	if q.Top != nil {
		limit = *q.Top
	}
	p := Page[T]{Total: len(rows)}
	rows = rows[min(from, len(rows)):]
	if limit > 0 && len(rows) > limit {
		p.Next = odata.EncodeToken(tokenScan, strconv.Itoa(from+limit))
	}
	p.Rows = rows[:min(limit, len(rows))]
	return p, nil
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
	return 0, badToken()
}

// sifted is the rows that match, sorted as asked.
func sifted[T any](s set[T], q odata.Query, rows []T, value func(T, []string) any) ([]T, error) {
	values, err := s.values(q.Filter, rows)
	if err != nil {
		return nil, err
	}
	var out []T
	for i := range rows {
		ok, err := odata.Eval(q.Filter, func(path []string) any { return values(i, path) })
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, rows[i])
		}
	}
	slices.SortStableFunc(out, func(a, b T) int {
		return compareBy(q.OrderBy, func(path []string) any { return value(a, path) }, func(path []string) any { return value(b, path) })
	})
	return out, nil
}

// compareBy compares two rows by the values of their properties.
func compareBy(orders []odata.Order, a, b func(path []string) any) int {
	for _, o := range orders {
		n := compareValues(a(o.Path.Segments), b(o.Path.Segments))
		if o.Desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
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
	case int:
		if b, ok := b.(int); ok {
			return cmp.Compare(a, b)
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

// Selected is the selection of a query. The id is always among it, as clients rely on.
func Selected(q odata.Query) wire.Selection {
	if len(q.Select) == 0 {
		return nil
	}
	s := wire.Selection{"id": true}
	for _, name := range q.Select {
		if name == "*" {
			return nil
		}
		first, _, _ := strings.Cut(name, "/")
		s[first] = true
	}
	return s
}

// Shape is what a context tells of $select and $expand: (principalId,roleDefinition()).
func Shape(q odata.Query) string {
	list := append([]string(nil), q.Select...)
	for _, e := range q.Expand {
		inner := Shape(e.Query)
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
