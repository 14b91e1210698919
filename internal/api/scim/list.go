package scim

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	lib "github.com/elimity-com/scim"
	parser "github.com/scim2/filter-parser/v2"

	"portcullis/internal/api"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Lists (RFC 7644 §3.4.2). Pages are by number in SCIM and by key in the store: where a page ends is remembered, so that
// who reads one page after the other walks the list once.

const (
	defaultCount = 100
	maxCount     = 1000
	// maxGroups is the most groups in a page that shows their members.
	maxGroups = 100
	// maxScan is the most rows that are looked at for a filter or an order that the store does not know.
	maxScan = 20_000
	// maxIndex is the last row of a list that a page can begin at.
	maxIndex = 1_000_000
)

func tooMany() error {
	return bad(kindTooMany, fmt.Sprintf("More than %d resources would have to be looked at. Narrow the filter, or filter and sort by id, externalId, userName, displayName, active or meta.created.", maxScan))
}

// query is what a list is asked for.
type query struct {
	filter     parser.Expression
	text       string
	sortBy     *attribute
	descending bool
	start      int
	count      int
}

// queryOf reads the parameters of a list.
func (k *kind) queryOf(v url.Values) (query, error) {
	q := query{text: v.Get("filter"), start: 1, count: defaultCount}
	var err error
	if q.filter, err = k.parseFilter(q.text); err != nil {
		return q, err
	}
	for name, to := range map[string]*int{"startIndex": &q.start, "count": &q.count} {
		if text := v.Get(name); text != "" {
			if *to, err = strconv.Atoi(text); err != nil {
				return q, invalidValue(name + " is a whole number.")
			}
		}
	}
	q.start, q.count = max(1, q.start), min(max(0, q.count), maxCount)
	if q.start > maxIndex {
		return q, tooMany()
	}
	if text := v.Get("sortBy"); text != "" {
		p, err := parsePath(text)
		if err != nil {
			return q, err
		}
		a, ok := k.resolve(p.AttributePath, "")
		if !ok || p.ValueExpression != nil || a.is("groups") || a.is("members") {
			return q, invalidValue("There is no attribute " + shortened(text) + " to sort by.")
		}
		q.sortBy = &a
	}
	switch order := v.Get("sortOrder"); strings.ToLower(order) {
	case "", "ascending":
	case "descending":
		q.descending = true
	default:
		return q, invalidValue("sortOrder is ascending or descending.")
	}
	return q, nil
}

// listed serves the list of the call's kind.
func (c *call) listed() (lib.Page, error) {
	v := c.URL.Query()
	q, err := c.k.queryOf(v)
	if err != nil {
		return lib.Page{}, c.failed(err)
	}
	found, total, err := c.find(q, v)
	if err == nil {
		c.made, err = list(c.k, v, found, total, q.start)
	}
	if err != nil {
		return lib.Page{}, c.failed(err)
	}
	return lib.Page{Resources: []lib.Resource{}}, nil
}

// list is a page as it is told.
func list(k *kind, v url.Values, found []resource, total, start int) (*reply, error) {
	p, err := projectionOf(k, v)
	if err != nil {
		return nil, err
	}
	shown := make([]any, len(found))
	for i, r := range found {
		shown[i] = p.apply(r)
	}
	return &reply{http.StatusOK, resource{
		"schemas": []string{listResponse}, "totalResults": total, "startIndex": start, "itemsPerPage": len(shown), "Resources": shown,
	}}, nil
}

// find reads a page and says how many there are in all.
func (c *call) find(q query, v url.Values) ([]resource, int, error) {
	withMembers := c.k == c.s.groups && wanted(v, "members")
	if withMembers {
		q.count = min(q.count, maxGroups)
	}
	judged, err := c.k.compile(q.filter, c.groupsWith)
	if err != nil {
		return nil, 0, err
	}
	in := store.Query{Tenant: c.Tenant, Where: store.And{store.Is(store.FieldObjectKind, int(c.k.object))}}
	if judged.where != nil {
		in.Where = store.And{in.Where, judged.where}
	}
	field, sorted := store.Field(""), q.sortBy == nil
	if q.sortBy != nil && q.sortBy.extension == "" {
		field, sorted = c.k.columns()[q.sortBy.path()], true
		if field != "" {
			in.Order = []store.Order{{Field: field, Desc: q.descending}}
		}
	}
	if !judged.exact || !sorted || q.sortBy != nil && field == "" {
		return c.scan(q, in, withMembers)
	}
	objects, total, err := c.page(q, in)
	if err != nil {
		return nil, 0, err
	}
	found, err := c.told(objects, withMembers)
	return found, total, err
}

// told are objects as they are told.
func (c *call) told(objects []directory.Object, withMembers bool) ([]resource, error) {
	out := make([]resource, len(objects))
	if c.k == c.s.users {
		for i, o := range objects {
			out[i] = c.user(o)
		}
		return out, nil
	}
	var members map[pim.PrincipalID][]any
	if withMembers {
		var err error
		if members, err = c.members(objects); err != nil {
			return nil, err
		}
	}
	for i, o := range objects {
		out[i] = c.group(o, members[o.ID])
	}
	return out, nil
}

// page reads a page that the store can judge and sort.
func (c *call) page(q query, in store.Query) ([]directory.Object, int, error) {
	in.Count, in.Limit = true, max(1, q.count)
	place := fmt.Sprintf("%s\x00%s\x00%s\x00%v\x00", c.Tenant, c.k.name, q.text, in.Order)
	skip := q.start - 1
	if skip > 0 {
		if at, ok := c.s.places.get(place, skip); ok {
			in.After, skip = at, 0
		}
	}
	for skip > 0 {
		step := in
		step.Limit, step.Count = min(skip, maxCount), false
		page, err := c.s.read.Objects(c.Context(), step)
		if err != nil {
			return nil, 0, err
		}
		if skip -= len(page.Rows); skip > 0 && len(page.Next) == 0 {
			return c.beyond(in)
		}
		if in.After = page.Next; len(page.Next) == 0 {
			return c.beyond(in)
		}
	}
	page, err := c.s.read.Objects(c.Context(), in)
	if err != nil {
		return nil, 0, err
	}
	if q.count == 0 {
		return nil, page.Count, nil
	}
	if len(page.Next) > 0 {
		c.s.places.put(place, q.start-1+len(page.Rows), page.Next)
	}
	return page.Rows, page.Count, nil
}

// beyond is a page behind the end of the list.
func (c *call) beyond(in store.Query) ([]directory.Object, int, error) {
	in.After, in.Limit = nil, 1
	page, err := c.s.read.Objects(c.Context(), in)
	return nil, page.Count, err
}

// scan reads all that may pass, judges and sorts it here.
func (c *call) scan(q query, in store.Query, withMembers bool) ([]resource, int, error) {
	in.Limit, in.Order = maxCount, nil
	mentions := strings.Contains(strings.ToLower(q.text), "members")
	var all []resource
	for seen := 0; ; {
		page, err := c.s.read.Objects(c.Context(), in)
		if err != nil {
			return nil, 0, err
		}
		if seen += len(page.Rows); seen > maxScan {
			return nil, 0, tooMany()
		}
		some, err := c.told(page.Rows, withMembers || mentions)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range some {
			if c.k.holds(q.filter, r) {
				all = append(all, r)
			}
		}
		if in.After = page.Next; len(page.Next) == 0 {
			break
		}
	}
	if q.sortBy != nil {
		slices.SortStableFunc(all, q.compare)
	}
	from := min(q.start-1, len(all))
	return all[from:min(from+q.count, len(all))], len(all), nil
}

// compare sorts by an attribute: of several values the first, and those without behind all others (RFC 7644 §3.4.2.3).
func (q query) compare(a, b resource) int {
	x, y := q.sortBy.values(a), q.sortBy.values(b)
	order := 0
	switch {
	case len(x) == 0 || len(y) == 0:
		order = cmp.Compare(min(1, len(y)), min(1, len(x)))
	default:
		order = compareValues(q.sortBy.leaf().CaseExact(), x[0], y[0])
	}
	if q.descending {
		return -order
	}
	return order
}

func compareValues(exact bool, a, b any) int {
	switch a := a.(type) {
	case time.Time:
		if b, ok := b.(time.Time); ok {
			return a.Compare(b)
		}
	case string:
		if b, ok := b.(string); ok && exact {
			return strings.Compare(a, b)
		} else if ok {
			return strings.Compare(strings.ToLower(a), strings.ToLower(b))
		}
	case bool:
		if b, ok := b.(bool); ok && a != b {
			return map[bool]int{true: 1, false: -1}[a]
		}
	}
	return 0
}

// searched serves a search by POST (RFC 7644 §3.4.3): over one kind, or over both.
func (s *Surface) searched(k *kind) api.Handler {
	return func(r *api.Request) (api.Answer, error) {
		body, err := bodyOf(r)
		if err != nil {
			return api.Answer{}, err
		}
		v, err := searchOf(body)
		if err != nil {
			return api.Answer{}, err
		}
		if k == nil {
			return s.searchAll(r, v)
		}
		q, err := k.queryOf(v)
		if err != nil {
			return api.Answer{}, err
		}
		c := &call{Request: r, s: s, k: k}
		found, total, err := c.find(q, v)
		if err != nil {
			return api.Answer{}, err
		}
		page, err := list(k, v, found, total, q.start)
		if err != nil {
			return api.Answer{}, err
		}
		return answer(page.status, nil, page.body)
	}
}

// searchOf reads the body of a search as the parameters of a list.
func searchOf(body []byte) (url.Values, error) {
	in, err := object(body)
	if err != nil {
		return nil, err
	}
	_, schemas := member(in, "schemas")
	if list, ok := schemas.([]any); !ok || len(list) != 1 || list[0] != searchRequest {
		return nil, bad(kindSyntax, "The schemas of a search are "+searchRequest+" alone.")
	}
	v := url.Values{}
	for _, name := range []string{"attributes", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex", "count"} {
		_, value := member(in, name)
		switch value := value.(type) {
		case nil:
		case string:
			v.Set(name, value)
		case fmt.Stringer: // a number as it is written
			v.Set(name, value.String())
		case []any:
			var parts []string
			for _, each := range value {
				text, ok := each.(string)
				if !ok {
					return nil, bad(kindSyntax, name+" is a list of texts.")
				}
				parts = append(parts, text)
			}
			v.Set(name, strings.Join(parts, ","))
		default:
			return nil, bad(kindSyntax, "The value of "+name+" has the wrong type.")
		}
	}
	return v, nil
}

// searchAll searches users and groups at once: first come the users. A kind whose attributes the filter does not name has
// none that pass.
func (s *Surface) searchAll(r *api.Request, v url.Values) (api.Answer, error) {
	var found []any
	total, start, valid := 0, 1, 0
	var refused error
	for _, k := range []*kind{s.users, s.groups} {
		q, err := k.queryOf(v)
		if err != nil {
			refused = err
			continue
		}
		valid++
		start = q.start
		q.start, q.count = max(1, q.start-total), max(0, q.count-len(found))
		c := &call{Request: r, s: s, k: k}
		some, n, err := c.find(q, v)
		if err != nil {
			return api.Answer{}, err
		}
		page, err := list(k, v, some, n, 1)
		if err != nil {
			return api.Answer{}, err
		}
		shown, _ := page.body["Resources"].([]any)
		found, total = append(found, shown...), total+n
	}
	if valid == 0 {
		return api.Answer{}, refused
	}
	if found == nil {
		found = []any{}
	}
	return answer(http.StatusOK, nil, resource{
		"schemas": []string{listResponse}, "totalResults": total, "startIndex": start, "itemsPerPage": len(found), "Resources": found,
	})
}

// places remembers where pages of lists end, in the store's terms. The zero value is ready.
type places struct {
	mu sync.Mutex
	at map[string]store.Cursor
}

// mostPlaces bounds what is remembered; then all is forgotten, and lists are walked from their beginning again.
const mostPlaces = 512

func (p *places) get(list string, rows int) (store.Cursor, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.at[list+strconv.Itoa(rows)]
	return at, ok
}

func (p *places) put(list string, rows int, at store.Cursor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil || len(p.at) >= mostPlaces {
		p.at = map[string]store.Cursor{}
	}
	p.at[list+strconv.Itoa(rows)] = at
}
