package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// row is one row that the product wrote, so that a reference can write rows of the same width.
type row struct {
	table   string
	columns []string
	values  []any
}

// example are the rows of one real activation, and the audit entry of its end.
type example struct {
	request, schedule, version row
	events                     []row
	ended                      row
}

// makeExample activates the last pair, lets it end, and reads back what was written.
func makeExample(ctx context.Context, st store.Store, db *sql.DB, o organisation) (example, error) {
	var e example
	now := time.Now().Add(-4 * time.Hour) // its end lies in the past too: no server starts before the newest audit entry
	a := &app.App{Store: st, Index: access.New(), Now: func() time.Time { return now }}
	out, err := o.activate(ctx, a, o.pairs()-1)
	if err != nil {
		return e, fmt.Errorf("activate once: %w", err)
	}
	id := string(out.Request.ID)
	one := func(into *row, table, where string, args ...any) {
		var rows []row
		if err == nil {
			rows, err = readRows(ctx, db, table, where, args...)
		}
		if err == nil && len(rows) != 1 {
			err = fmt.Errorf("an activation wrote %d rows into %s", len(rows), table)
		}
		if err == nil {
			*into = rows[0]
		}
	}
	one(&e.request, "requests", "id = $1", id)
	one(&e.schedule, "schedules", "id = $1", id)
	one(&e.version, "cases", "principal = $1 AND role = $2", string(out.Key.Principal), string(out.Key.Role))
	if err != nil {
		return e, err
	}
	if e.events, err = readRows(ctx, db, "events", "request = $1", id); err != nil {
		return e, err
	}
	now = now.Add(3 * time.Hour)
	clock := pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Action: pim.ScheduleDue, Key: pim.Key{Tenant: tenant}, Target: pim.ScheduleID(id)}
	if err := a.DoAll(ctx, []pim.Ask{clock})[0]; err != nil {
		return e, fmt.Errorf("end once: %w", err)
	}
	one(&e.ended, "events", "schedule = $1 AND activity = $2", id, int(pim.Ended))
	return e, err
}

func readRows(ctx context.Context, db *sql.DB, table, where string, args ...any) ([]row, error) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table+" WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []row
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r := row{table, slices.Clone(columns), values}
		if i := slices.Index(r.columns, "seq"); i >= 0 { // the database numbers it
			r.columns, r.values = slices.Delete(r.columns, i, i+1), slices.Delete(r.values, i, i+1)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// insert is an INSERT of the row. What expressions name by column stands there, everything else as it was written.
func (r row) insert(expressions map[string]string) string {
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s", r.table, strings.Join(r.columns, ", "), r.list(expressions))
}

func (r row) list(expressions map[string]string) string {
	parts := make([]string, len(r.columns))
	for i, c := range r.columns {
		if e, ok := expressions[c]; ok {
			parts[i] = e
		} else {
			parts[i] = literal(r.values[i])
		}
	}
	return strings.Join(parts, ", ")
}

// literal is a value in PostgreSQL's SQL, without a colon: pgbench takes one for the beginning of a variable.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, ":", `\x3a`).Replace(v) + "'"
	case []byte:
		return "decode('" + hex.EncodeToString(v) + "', 'hex')"
	default:
		return fmt.Sprint(v)
	}
}
