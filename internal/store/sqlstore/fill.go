package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// fills are what migrations do in Go after their text, by version: what columns need that can only be read from doc.
func fills() map[int64]func(context.Context, *sql.Tx) error {
	return map[int64]func(context.Context, *sql.Tx) error{5: fillEvents, 7: fillAliases}
}

// fillSize is how many rows are held at once.
const fillSize = 1000

// fillEvents writes the columns by which the audit log is asked into the rows that were there before them.
func fillEvents(ctx context.Context, tx *sql.Tx) error {
	set := ""
	for i, c := range askedColumns() {
		if i > 0 {
			set += ", "
		}
		set += fmt.Sprintf("%s = $%d", c.name, i+2)
	}
	for after := int64(0); ; {
		rows, err := eventsBehind(ctx, tx, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			args := append([]any{r.seq}, askedCells(r.form, r.principal)...)
			if _, err := tx.ExecContext(ctx, "UPDATE events SET "+set+" WHERE seq = $1", args...); err != nil {
				return fmt.Errorf("fill the event %d: %w", r.seq, err)
			}
			after = r.seq
		}
	}
}

// numbered is the stored form of an event with its place in the order of insertion.
type numbered struct {
	seq       int64
	principal string
	form      storedEvent
}

func eventsBehind(ctx context.Context, tx *sql.Tx, after int64) ([]numbered, error) {
	found, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT seq, principal, doc FROM events WHERE seq > $1 ORDER BY seq LIMIT %d", fillSize), after)
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	defer found.Close()
	var out []numbered
	for found.Next() {
		var r numbered
		var d string
		if err := found.Scan(&r.seq, &r.principal, &d); err != nil {
			return nil, fmt.Errorf("read the events: %w", err)
		}
		if err := undoc(d, &r.form); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, found.Err()
}

// fillAliases writes the ids by which nodes are known to PIM's second iteration into the rows that were there before them.
func fillAliases(ctx context.Context, tx *sql.Tx) error {
	for after := (place{}); ; {
		places, err := placesBehind(ctx, tx, after)
		if err != nil || len(places) == 0 {
			return err
		}
		for _, p := range places {
			_, err := tx.ExecContext(ctx, "UPDATE resources SET alias = $3 WHERE tenant = $1 AND scope = $2",
				p.tenant, p.scope, resource.GovernanceID(pim.Scope(p.scope)))
			if err != nil {
				return fmt.Errorf("fill the node %s: %w", p.scope, err)
			}
			after = p
		}
	}
}

// place is the key of a node.
type place struct{ tenant, scope string }

func placesBehind(ctx context.Context, tx *sql.Tx, after place) ([]place, error) {
	found, err := tx.QueryContext(ctx, fmt.Sprintf(`SELECT tenant, scope FROM resources WHERE (tenant, scope) > ($1, $2)
		ORDER BY tenant, scope LIMIT %d`, fillSize), after.tenant, after.scope)
	if err != nil {
		return nil, fmt.Errorf("read the nodes: %w", err)
	}
	defer found.Close()
	var out []place
	for found.Next() {
		var p place
		if err := found.Scan(&p.tenant, &p.scope); err != nil {
			return nil, fmt.Errorf("read the nodes: %w", err)
		}
		out = append(out, p)
	}
	return out, found.Err()
}
