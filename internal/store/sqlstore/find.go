package sqlstore

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// A planner that is to return rows by id, and only the first of them, likes to walk along the primary key until it has enough:
// through all rows, where few match. SQLite does not know how many do, and PostgreSQL is wrong about columns that go together,
// such as provider and scope. So a condition that an index answers is asked of that index alone, for the ids.

// finder is an index by which rows of a list are found.
type finder struct {
	field store.Field
	// given are the conditions that limit the index: they must be among those of the query.
	given []string
	// open says that the index has open requests only, so that it answers for the states in which they are open.
	open bool
	// guessed says that a planner that knows the data does as well without.
	guessed bool
	// unless are columns by which fewer rows are found, where some of their values are asked for.
	unless []store.Field
}

// onResources limits an index to the resource provider.
const onResources = "provider = '" + string(pim.Resource) + "'"

// conditions compiles the filter of a list, whose rows have the tenant that is the first argument.
func (c *compiler) conditions(table string, finders []finder, where store.Filter) (string, error) {
	conjuncts, err := flatten(nil, where, 0)
	if err != nil {
		return "", err
	}
	texts := []string{"tenant = $1"}
	var left []store.Filter
	for _, f := range conjuncts {
		// For one value, any planner takes the index that has it, in the order of ids.
		if one, ok := f.(store.Compare); !ok || slices.ContainsFunc(finders, func(x finder) bool { return x.field == one.Field && !x.guessed }) {
			left = append(left, f)
			continue
		}
		t, err := c.compile(f, 1)
		if err != nil {
			return "", err
		}
		texts = append(texts, t)
	}
	given := texts
	finders = slices.DeleteFunc(slices.Clone(finders), func(x finder) bool {
		return slices.ContainsFunc(conjuncts, func(f store.Filter) bool { return pins(f, x.unless) })
	})
	for _, f := range left {
		t, ok := c.find(table, finders, f, given)
		if !ok {
			if t, err = c.compile(f, 1); err != nil {
				return "", err
			}
		}
		texts = append(texts, t)
	}
	return strings.Join(texts, " AND "), nil
}

// pins says whether a condition leaves some values of one of the columns only.
func pins(f store.Filter, columns []store.Field) bool {
	switch f := f.(type) {
	case store.Compare:
		return f.Op == store.Eq && slices.Contains(columns, f.Field)
	case store.In:
		return slices.Contains(columns, f.Field)
	}
	return false
}

// flatten lists what must hold together.
func flatten(into []store.Filter, f store.Filter, depth int) ([]store.Filter, error) {
	and, ok := f.(store.And)
	switch {
	case f == nil:
		return into, nil
	case !ok:
		return append(into, f), nil
	case depth > maxDepth:
		return nil, tooDeep()
	}
	var err error
	for _, g := range and {
		if into, err = flatten(into, g, depth+1); err != nil {
			return nil, err
		}
	}
	return into, nil
}

// find makes a condition one on the ids that an index has for it; false where none has.
func (c *compiler) find(table string, finders []finder, f store.Filter, given []string) (string, bool) {
	for _, x := range finders {
		if x.guessed && c.db.knowsData() || slices.ContainsFunc(x.given, func(g string) bool { return !slices.Contains(given, g) }) {
			continue
		}
		var s sought
		if !s.add(x, f, 0) {
			continue
		}
		return c.fromIndex(table, x, s), true
	}
	return "", false
}

// sought are the values of a column that a condition holds for.
type sought struct {
	equal []string
	below []pim.Scope
	open  []string // states of requests
}

// add adds what a condition holds for; false: it holds for something else too.
func (s *sought) add(x finder, f store.Filter, depth int) bool {
	switch f := f.(type) {
	case store.Or:
		for _, g := range f {
			if depth > maxDepth || !s.add(x, g, depth+1) {
				return false
			}
		}
		return len(f) > 0
	case store.In:
		s.equal = append(s.equal, f.Values...)
		return f.Field == x.field && !x.open
	case store.Under:
		scopes := widest(f.Scopes)
		s.below = append(s.below, scopes...)
		if slices.Contains(scopes, pim.Everywhere) || len(scopes) > fewScopes && alike(scopes) {
			return false // too many rows to gather
		}
		return f.Field == x.field && !x.open
	case store.Compare:
		return f.Field == x.field && f.Op == store.Eq && s.addOne(x, f.Value)
	}
	return false
}

func (s *sought) addOne(x finder, v any) bool {
	switch r := reflect.ValueOf(v); {
	case v == nil:
		return false
	case x.open && r.CanInt():
		s.open = append(s.open, strconv.FormatInt(r.Int(), 10))
		return pim.Status(r.Int()).Open()
	case !x.open && r.Kind() == reflect.String:
		s.equal = append(s.equal, r.String())
		return r.String() != ""
	}
	return false
}

// fromIndex asks an index for ids. What it is limited to is repeated, for that is how a planner knows that it may be used.
func (c *compiler) fromIndex(table string, x finder, s sought) string {
	id, column := c.fields[store.FieldID].column, c.fields[x.field].column
	where := append([]string{"s.tenant = $1"}, x.given...)
	if x.open {
		where = append(where, "is_open", column+" IN ("+strings.Join(s.open, ", ")+")")
		return c.db.among(id, "SELECT s."+id+" FROM "+table+" s WHERE "+strings.Join(where, " AND "))
	}
	var ways []string
	way := func(values []string, how string) {
		c.args = append(c.args, c.db.list(values))
		ways = append(ways, fmt.Sprintf("SELECT s.%s FROM %s CROSS JOIN %s s WHERE %s AND %s",
			id, c.db.values(len(c.args)), table, strings.Join(where, " AND "), strings.ReplaceAll(how, "column", "s."+column)))
	}
	var equal, below []string
	for _, v := range s.equal {
		if v != "" { // none equals no value
			equal = append(equal, plain(v))
		}
	}
	for _, v := range widest(s.below) {
		equal, below = append(equal, plain(string(v))), append(below, plain(string(v)))
	}
	slices.Sort(equal)
	way(slices.Compact(equal), "column = v.value")
	if len(below) > 0 {
		way(below, "column >= v.value || '/' AND column < v.value || '0'")
	}
	return c.db.among(id, strings.Join(ways, " UNION ALL "))
}
