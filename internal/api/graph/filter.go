package graph

import (
	"strings"

	"portcullis/internal/api/odata"
	"portcullis/internal/store"
)

// A column says how a property is compared by the store. False: the store cannot.
type column struct {
	// compare makes the condition for a comparison. Nil: the property only sorts.
	compare func(odata.Op, odata.Literal) (store.Filter, bool)
	// text names the column for startswith and contains; empty: neither, unless call makes their conditions.
	text store.Field
	call func(function, text string) (store.Filter, bool)
	// any makes the condition that one of a collection's elements fulfils another. Nil: the store cannot.
	any func(odata.Any) (store.Filter, bool)
	// order names the column for sorting; empty: it does not sort.
	order store.Field
	// loose says that the condition may let further rows pass, which the filter itself then leaves out.
	loose bool
}

// columns are the properties of a set that its store knows, by path.
type columns map[string]column

// compile is the widest condition of the store that loses no row of which the filter is true; nil when there is none.
// exact says that it keeps no others either.
func (cs columns) compile(e odata.Expr) (f store.Filter, exact bool) {
	w := compiler{cs, true}
	f, ok := w.bound(e, true)
	if !ok {
		return nil, e == nil
	}
	return f, w.exact
}

type compiler struct {
	columns columns
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
		if c := w.columns[e.Path.Name()]; c.any != nil {
			return w.loosely(e.Path, wide)(c.any(e))
		}
	case odata.All:
	}
	return w.kept(nil, false)
}

// loosely keeps a condition on a loose column only where more rows do no harm.
func (w *compiler) loosely(p odata.Path, wide bool) func(store.Filter, bool) (store.Filter, bool) {
	return func(f store.Filter, ok bool) (store.Filter, bool) {
		if w.columns[p.Name()].loose {
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

func (cs columns) compare(p odata.Path, op odata.Op, v odata.Literal) (store.Filter, bool) {
	c, ok := cs[p.Name()]
	if !ok || c.compare == nil || p.Wrap != odata.Plain {
		return nil, false
	}
	return c.compare(op, v)
}

func (cs columns) in(e odata.In) (store.Filter, bool) {
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

func (cs columns) call(e odata.Call) (store.Filter, bool) {
	if len(e.Args) != 2 {
		return nil, false
	}
	path, isPath := e.Args[0].(odata.Path)
	text, isText := e.Args[1].(odata.String)
	c := cs[path.Name()]
	if !isPath || !isText || c.text == "" && c.call == nil || path.Wrap != odata.Plain {
		return nil, false
	}
	if c.call != nil {
		return c.call(e.Name, string(text))
	}
	switch e.Name {
	case "startswith":
		return store.Compare{Field: c.text, Op: store.Prefix, Value: string(text)}, true
	case "contains":
		return store.Compare{Field: c.text, Op: store.Contains, Value: string(text)}, true
	}
	return nil, false
}

// order is the store's order for $orderby.
func (cs columns) order(orders []odata.Order) ([]store.Order, error) {
	var out []store.Order
	for _, o := range orders {
		c := cs[o.Path.Name()]
		if c.order == "" {
			return nil, badRequest("$orderby: property '%s' does not sort here.", o.Path.Name())
		}
		out = append(out, store.Order{Field: c.order, Desc: o.Desc})
	}
	return out, nil
}

func opOf(op odata.Op) store.Op {
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

// idColumn compares ids, which are kept in lower case.
func idColumn(f store.Field) column {
	return column{compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		switch v := v.(type) {
		case odata.String:
			return store.Compare{Field: f, Op: opOf(op), Value: strings.ToLower(string(v))}, true
		case odata.Null:
			return store.Compare{Field: f, Op: opOf(op), Value: nil}, true
		}
		return nil, false
	}}
}

// textColumn compares texts for people.
func textColumn(f store.Field) column {
	return column{text: f, order: f, compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		switch v := v.(type) {
		case odata.String:
			return store.Compare{Field: f, Op: opOf(op), Value: string(v)}, true
		case odata.Null:
			return store.Compare{Field: f, Op: opOf(op), Value: nil}, true
		}
		return nil, false
	}}
}

func boolColumn(f store.Field) column {
	return column{compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		b, ok := v.(odata.Bool)
		return store.Compare{Field: f, Op: opOf(op), Value: bool(b)}, ok
	}}
}

func timeColumn(f store.Field) column {
	return column{order: f, compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		switch v := v.(type) {
		case odata.Time:
			return store.Compare{Field: f, Op: opOf(op), Value: v.At}, true
		case odata.Null:
			return store.Compare{Field: f, Op: opOf(op), Value: nil}, true
		}
		return nil, false
	}}
}

// wordColumn compares words that stand for numbers of the core; a word may stand for several, or for none.
func wordColumn(f store.Field, numbers func(word string) []int) column {
	return column{compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
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

// scopeColumn compares scopes.
func scopeColumn(f store.Field) column {
	return column{compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		text, ok := v.(odata.String)
		if !ok {
			return nil, false
		}
		scope, _ := parseScope(string(text))
		return store.Compare{Field: f, Op: opOf(op), Value: string(scope)}, true
	}}
}
