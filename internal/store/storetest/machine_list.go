package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// lister is one of the lists, whatever its rows are.
type lister struct {
	name   string
	fields fields // of a row with nothing in it: which fields there are, and of what kind
	// all reads every page of a query from both stores and compares them.
	all func(*rapid.T, context.Context, store.Query)
}

func (m *machine) lists() []lister {
	return []lister{
		{"requests", requestFields(pim.Request{}), func(t *rapid.T, ctx context.Context, q store.Query) {
			comparePages(t, ctx, q, m.real.Requests, m.model.Requests)
		}},
		{"schedules", scheduleFields(pim.Schedule{}), func(t *rapid.T, ctx context.Context, q store.Query) {
			comparePages(t, ctx, q, m.real.Schedules, m.model.Schedules)
		}},
		{"effects", effectFields(pim.Effect{}), func(t *rapid.T, ctx context.Context, q store.Query) {
			comparePages(t, ctx, q, m.real.Effects, m.model.Effects)
		}},
		{"events", eventFields(pim.Event{}), func(t *rapid.T, ctx context.Context, q store.Query) {
			comparePages(t, ctx, q, m.real.Events, m.model.Events)
		}},
		{"objects", objectFields(directory.Object{}), func(t *rapid.T, ctx context.Context, q store.Query) {
			comparePages(t, ctx, q, m.real.Objects, m.model.Objects)
		}},
		{"resources", nodeFields(resource.Node{}), func(t *rapid.T, ctx context.Context, q store.Query) {
			comparePages(t, ctx, q, m.real.Resources, m.model.Resources)
		}},
		{"denials", denialFields(store.Denial{}), func(t *rapid.T, ctx context.Context, q store.Query) {
			comparePages(t, ctx, q, m.real.Denials, m.model.Denials)
		}},
		{"bin", binFields(directory.Object{}), func(t *rapid.T, ctx context.Context, q store.Query) {
			comparePages(t, ctx, q, m.real.Bin, m.model.Bin)
		}},
	}
}

type pages[T any] func(context.Context, store.Query) (store.Page[T], error)

func comparePages[T any](t *rapid.T, ctx context.Context, q store.Query, real, model pages[T]) {
	t.Helper()
	r := q
	for {
		got, gotErr := real(ctx, r)
		want, wantErr := model(ctx, q)
		same(t, fmt.Sprintf("list %+v", q), got.Rows, want.Rows, gotErr, wantErr)
		same(t, "count", got.Count, want.Count, nil, nil)
		if (len(got.Next) == 0) != (len(want.Next) == 0) {
			t.Fatalf("list %+v: got next %q, want %q", q, got.Next, want.Next)
		}
		if len(want.Next) == 0 {
			return
		}
		r.After, q.After = got.Next, want.Next
	}
}

func (m *machine) list(t *rapid.T, ctx context.Context) {
	l := pick(t, m.lists(), "list")
	q := store.Query{Tenant: m.tenant(t), Where: m.filter(t, l.fields, 3), Limit: rapid.IntRange(0, 3).Draw(t, "limit"),
		Count: rapid.Bool().Draw(t, "count")}
	if _, ok := l.fields[store.FieldProvider]; ok && rapid.Bool().Draw(t, "of resources") {
		q.Where = m.indexed(t, l.fields)
	}
	names := slices.Sorted(maps.Keys(l.fields))
	for range rapid.IntRange(0, 3).Draw(t, "orders") {
		q.Order = append(q.Order, store.Order{Field: pick(t, names, "order"), Desc: rapid.Bool().Draw(t, "desc")})
	}
	l.all(t, ctx, q)
}

// filter draws a condition, now and then one that is an error.
func (m *machine) filter(t *rapid.T, have fields, depth int) store.Filter {
	n := rapid.IntRange(0, 10).Draw(t, "filter")
	if depth == 0 && n < 5 {
		n = 9
	}
	switch n {
	case 0:
		return nil
	case 1:
		return store.Not{Filter: m.filter(t, have, depth-1)}
	case 2, 3:
		var fs store.And
		for range rapid.IntRange(0, 2).Draw(t, "and") {
			fs = append(fs, m.filter(t, have, depth-1))
		}
		return fs
	case 4:
		var fs store.Or
		for range rapid.IntRange(0, 2).Draw(t, "or") {
			fs = append(fs, m.filter(t, have, depth-1))
		}
		return fs
	}
	f := pick(t, slices.Sorted(maps.Keys(have)), "field")
	kind := have[f].kind
	if n == 5 && (kind == textValue || kind == foldedValue) {
		in := store.In{Field: f}
		for range rapid.IntRange(0, 3).Draw(t, "in") {
			in.Values = append(in.Values, m.text(t))
		}
		return in
	}
	if scope, ok := have[store.FieldScope]; n == 10 && ok && scope.kind == textValue {
		return m.under(t)
	}
	return store.Compare{Field: f, Op: m.op(t, kind), Value: m.value(t, kind)}
}

// under draws some scopes, or so many of few lengths or of many that a store may look at them in another way.
func (m *machine) under(t *rapid.T) store.Filter {
	u := store.Under{Field: pick(t, []store.Field{store.FieldScope, store.FieldScope, store.FieldID}, "field")}
	for range rapid.IntRange(0, 3).Draw(t, "under") {
		u.Scopes = append(u.Scopes, pick(t, slices.Concat(m.nodes, m.nodes, []pim.Scope{"/", "", "/sub", "/sub/s/r", "/sub/s/rg/Ä", "alice"}), "scope"))
	}
	many := rapid.IntRange(0, 5).Draw(t, "many")
	for i := range 50 {
		switch many {
		case 0:
			u.Scopes = append(u.Scopes, pim.Scope(fmt.Sprintf("/sub/%02d", i)))
		case 1:
			u.Scopes = append(u.Scopes, pim.Scope("/sub/"+strings.Repeat("x", i)))
		}
	}
	return u
}

// indexed draws the conditions of the lists of the resource provider, for which a store may take other ways.
func (m *machine) indexed(t *rapid.T, have fields) store.Filter {
	all := store.And{store.Is(store.FieldProvider, pim.Resource)}
	if _, ok := have[store.FieldEnding]; ok {
		all = append(all, store.And{store.LiveAt(m.now(t))})
	}
	if _, ok := have[store.FieldStatus]; ok && rapid.Bool().Draw(t, "open") {
		all = append(all, store.Or{store.Is(store.FieldStatus, pim.PendingApproval), store.Is(store.FieldStatus, pim.Status(rapid.IntRange(1, 5).Draw(t, "status")))})
	}
	in := store.In{Field: store.FieldScope, Values: []string{"/", "", string(pick(t, m.nodes, "at"))}}
	all = append(all, pick(t, []store.Filter{in, m.under(t), store.Or{in, m.under(t)}, store.Or{m.under(t), store.Is(store.FieldScope, "/sub/t")},
		store.Is(store.FieldScope, pick(t, m.nodes, "where")), store.Is(store.FieldScope, nil), store.Not{Filter: in}}, "region"))
	if rapid.Bool().Draw(t, "of some") {
		all = append(all, store.In{Field: store.FieldPrincipal, Values: []string{string(m.principal(t)), "bob"}})
	}
	return all
}

func (m *machine) op(t *rapid.T, kind valueKind) store.Op {
	last := store.Ge
	if kind == textValue || kind == foldedValue {
		last = store.Contains
	}
	return store.Op(rapid.IntRange(int(store.Eq), int(last)).Draw(t, "op"))
}

func (m *machine) text(t *rapid.T) string {
	all := slices.Concat(words(), m.ids, []string{"id-", "/", "alice", "ALICE", "Alice@example.com", "directory"})
	return pick(t, all, "text")
}

func (m *machine) value(t *rapid.T, kind valueKind) any {
	switch kind {
	case textValue, foldedValue:
		if rapid.IntRange(0, 5).Draw(t, "none") == 0 {
			return nil
		}
		return m.text(t)
	case intValue:
		return rapid.IntRange(0, 4).Draw(t, "int")
	case boolValue:
		return rapid.Bool().Draw(t, "bool")
	case timeValue, endValue:
	}
	if rapid.IntRange(0, 5).Draw(t, "none") == 0 {
		return nil
	}
	return m.instant(t)
}
