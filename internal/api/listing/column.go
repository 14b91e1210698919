package listing

import (
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/store"
)

// A Column says how a property is compared by the store. False: the store cannot.
type Column struct {
	// Compare makes the condition for a comparison. Nil: the property only sorts.
	Compare func(odata.Op, odata.Literal) (store.Filter, bool)
	// Text names the column for startswith and contains; empty: neither, unless Call makes their conditions.
	Text store.Field
	Call func(function, text string) (store.Filter, bool)
	// Any makes the condition that one of a collection's elements fulfils another. Nil: the store cannot.
	Any func(odata.Any) (store.Filter, bool)
	// Order names the column for sorting; empty: it does not sort.
	Order store.Field
	// Loose says that the condition may let further rows pass, which the filter itself then leaves out.
	Loose bool
}

// Columns are the properties of a set that its store knows, by path.
type Columns map[string]Column

// Compile is the widest condition of the store that loses no row of which the filter is true; nil when there is none.
// exact says that it keeps no others either.
func (cs Columns) Compile(e odata.Expr) (f store.Filter, exact bool) {
	w := compiler{cs, true}
	f, ok := w.bound(e, true)
	if !ok {
		return nil, e == nil
	}
	return f, w.exact
}

type compiler struct {
	columns Columns
	exact   bool
}

// bound is at least as true as e when wide, at most when not. False: nothing can be said.
func (w *compiler) bound(e odata.Expr, wide bool) (store.Filter, bool) {
	switch e := e.(type) {
	case nil:
		return nil, false
	case odata.And:
		terms, all := w.bounds(e, wide)
		return store.And(terms), len(terms) > 0 && (wide || all)
	case odata.Or:
		terms, all := w.bounds(e, wide)
		return store.Or(terms), len(terms) > 0 && (!wide || all)
	case odata.Not:
		f, ok := w.bound(e.X, !wide)
		return store.Not{Filter: f}, ok
	case odata.Compare:
		return w.loosely(e.Path, wide)(w.columns.compare(e.Path, e.Op, e.Value))
	case odata.In:
		return w.loosely(e.Path, wide)(w.columns.in(e))
	case odata.Call:
		if !wide {
			// Of an absent text the function is neither true nor false, nor is its negation; the store knows no third.
			w.exact = false
		}
		return w.kept(w.columns.call(e))
	case odata.Any:
		if c := w.columns[e.Path.Name()]; c.Any != nil {
			return w.loosely(e.Path, wide)(c.Any(e))
		}
	case odata.All:
	}
	return w.kept(nil, false)
}

// loosely keeps a condition on a loose column only where more rows do no harm.
func (w *compiler) loosely(p odata.Path, wide bool) func(store.Filter, bool) (store.Filter, bool) {
	return func(f store.Filter, ok bool) (store.Filter, bool) {
		if w.columns[p.Name()].Loose {
			w.exact = false
			ok = ok && wide
		}
		return w.kept(f, ok)
	}
}

func (w *compiler) kept(f store.Filter, ok bool) (store.Filter, bool) {
	if !ok {
		w.exact = false
	}
	return f, ok
}

func (w *compiler) bounds(terms []odata.Expr, wide bool) (list []store.Filter, all bool) {
	for _, t := range terms {
		if f, ok := w.bound(t, wide); ok {
			list = append(list, f)
		}
	}
	return list, len(list) == len(terms)
}

func (cs Columns) compare(p odata.Path, op odata.Op, v odata.Literal) (store.Filter, bool) {
	c, ok := cs[p.Name()]
	if !ok || c.Compare == nil || p.Wrap != odata.Plain {
		return nil, false
	}
	return c.Compare(op, v)
}

func (cs Columns) in(e odata.In) (store.Filter, bool) {
	any := store.Or{}
	for _, v := range e.Values {
		f, ok := cs.compare(e.Path, odata.Eq, v)
		if !ok {
			return nil, false
		}
		any = append(any, f)
	}
	return any, true
}

func (cs Columns) call(e odata.Call) (store.Filter, bool) {
	if len(e.Args) != 2 {
		return nil, false
	}
	path, isPath := e.Args[0].(odata.Path)
	text, isText := e.Args[1].(odata.String)
	c := cs[path.Name()]
	if !isPath || !isText || c.Text == "" && c.Call == nil || path.Wrap != odata.Plain {
		return nil, false
	}
	if c.Call != nil {
		return c.Call(e.Name, string(text))
	}
	switch e.Name {
	case "startswith":
		return store.Compare{Field: c.Text, Op: store.Prefix, Value: string(text)}, true
	case "contains":
		return store.Compare{Field: c.Text, Op: store.Contains, Value: string(text)}, true
	}
	return nil, false
}

// SortedBy is the store's order for $orderby.
func (cs Columns) SortedBy(orders []odata.Order) ([]store.Order, error) {
	var out []store.Order
	for _, o := range orders {
		c := cs[o.Path.Name()]
		if c.Order == "" {
			return nil, api.BadRequest("$orderby: property '%s' does not sort here.", o.Path.Name())
		}
		out = append(out, store.Order{Field: c.Order, Desc: o.Desc})
	}
	return out, nil
}

// Every is the condition that all of some are fulfilled. Those that are nil ask for nothing; nil: none asks for anything.
func Every(filters ...store.Filter) store.Filter {
	var all store.And
	for _, f := range filters {
		if f != nil {
			all = append(all, f)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

// OpOf is the store's name of an operator.
func OpOf(op odata.Op) store.Op {
	switch op {
	case odata.Eq:
		return store.Eq
	case odata.Ne:
		return store.Ne
	case odata.Gt:
		return store.Gt
	case odata.Ge:
		return store.Ge
	case odata.Lt:
		return store.Lt
	case odata.Le:
		return store.Le
	}
	return store.Eq // Schema.Check gives no other
}

// IDColumn compares ids, which are kept in lower case.
func IDColumn(f store.Field) Column {
	return Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		switch v := v.(type) {
		case odata.String:
			return store.Compare{Field: f, Op: OpOf(op), Value: strings.ToLower(string(v))}, true
		case odata.Null:
			return store.Compare{Field: f, Op: OpOf(op), Value: nil}, true
		}
		return nil, false
	}}
}

// TextColumn compares texts for people.
func TextColumn(f store.Field) Column {
	return Column{Text: f, Order: f, Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		switch v := v.(type) {
		case odata.String:
			return store.Compare{Field: f, Op: OpOf(op), Value: string(v)}, true
		case odata.Null:
			return store.Compare{Field: f, Op: OpOf(op), Value: nil}, true
		}
		return nil, false
	}}
}

// BoolColumn compares truth values.
func BoolColumn(f store.Field) Column {
	return Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		b, ok := v.(odata.Bool)
		return store.Compare{Field: f, Op: OpOf(op), Value: bool(b)}, ok
	}}
}

// TimeColumn compares instants.
func TimeColumn(f store.Field) Column {
	return Column{Order: f, Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		switch v := v.(type) {
		case odata.Time:
			return store.Compare{Field: f, Op: OpOf(op), Value: v.At}, true
		case odata.Null:
			return store.Compare{Field: f, Op: OpOf(op), Value: nil}, true
		}
		return nil, false
	}}
}

// WordColumn compares words that stand for numbers of the core; a word may stand for several, or for none.
func WordColumn(f store.Field, numbers func(word string) []int) Column {
	return Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		word, ok := v.(odata.String)
		if !ok || op != odata.Eq && op != odata.Ne {
			return nil, false
		}
		any := store.Or{}
		for _, n := range numbers(string(word)) {
			any = append(any, store.Is(f, n))
		}
		if op == odata.Ne {
			return store.Not{Filter: any}, true
		}
		return any, true
	}}
}
