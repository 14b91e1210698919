package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

func usesTable() table {
	return table{name: "uses", key: 4, columns: append(texts("tenant", "dialect", "application", "route"),
		column{"calls", number}, column{"first_at", number}, column{"last_at", number})}
}

// mostUses bounds how many of a tenant are listed.
const mostUses = 10_000

// AddUses implements store.Uses.
func (s *Store) AddUses(ctx context.Context, uses []store.Use) error {
	add := usesTable().insert()
	// The engines have different names for the lesser and the greater of two numbers. SQLite needs a WHERE between a SELECT and ON
	// CONFLICT to tell it from a join's ON.
	add.text += ` WHERE true ON CONFLICT (tenant, dialect, application, route) DO UPDATE SET calls = uses.calls + excluded.calls,
		first_at = CASE WHEN excluded.first_at < uses.first_at THEN excluded.first_at ELSE uses.first_at END,
		last_at = CASE WHEN excluded.last_at > uses.last_at THEN excluded.last_at ELSE uses.last_at END`
	rows := useRows(uses)
	if len(rows) == 0 {
		return nil
	}
	return s.fault("add uses", s.db.apply(ctx, plan{{&add, rows}}))
}

// useRows are the rows of uses, each key once, for PostgreSQL changes a row once in a statement, and in one order, so that two
// nodes which add at once do not wait for each other in a circle.
func useRows(uses []store.Use) [][]any {
	var sum []store.Use
	for _, u := range uses {
		u.Tenant, u.Dialect = pim.TenantID(plain(string(u.Tenant))), plain(u.Dialect)
		u.Application, u.Route = plain(u.Application), plain(u.Route)
		sum = append(sum, u)
	}
	slices.SortStableFunc(sum, compareUses)
	var rows [][]any
	for i, u := range sum {
		first, last := u.First.UnixMicro(), u.Last.UnixMicro()
		if i > 0 && compareUses(sum[i-1], u) == 0 {
			before := rows[len(rows)-1]
			before[4] = before[4].(int64) + u.Count
			before[5], before[6] = min(before[5].(int64), first), max(before[6].(int64), last)
			continue
		}
		rows = append(rows, []any{string(u.Tenant), u.Dialect, u.Application, u.Route, u.Count, first, last})
	}
	return rows
}

func compareUses(a, b store.Use) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Dialect, b.Dialect), cmp.Compare(a.Application, b.Application), cmp.Compare(a.Route, b.Route))
}

// Uses implements store.Uses.
func (s *Store) Uses(ctx context.Context, t pim.TenantID) ([]store.Use, error) {
	var out []store.Use
	err := s.db.browse(ctx, question{
		sql: fmt.Sprintf("SELECT %s FROM uses WHERE tenant = $1 ORDER BY last_at DESC, dialect, application, route LIMIT %d",
			usesTable().list(""), mostUses),
		args: []any{string(t)},
		each: func(row scan) error {
			var u store.Use
			var tenant string
			var first, last int64
			err := row(&tenant, &u.Dialect, &u.Application, &u.Route, &u.Count, &first, &last)
			u.Tenant, u.First, u.Last = pim.TenantID(tenant), instant(first), instant(last)
			out = append(out, u)
			return err
		}})
	return out, s.fault("read uses", err)
}
