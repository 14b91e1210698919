package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Due implements store.Work.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]store.Due, time.Time, error) {
	var due []store.Due
	var next time.Time
	err := s.db.ask(ctx, question{dueText, []any{stamp(now), int64(limit)}, func(row scan) error {
		var what, t int64
		var id string
		var k keyCells
		if err := row(&what, &t, &id, &k.tenant, &k.provider, &k.scope, &k.role, &k.principal); err != nil {
			return err
		}
		switch d := (store.Due{At: instant(t), Key: k.key()}); what {
		case dueLater:
			next = earlier(next, d.At)
		case dueSchedule:
			d.Schedule = pim.ScheduleID(id)
			due = append(due, d)
		default:
			d.Request = pim.RequestID(id)
			due = append(due, d)
		}
		return nil
	}})
	if err != nil {
		return nil, time.Time{}, s.fault("read what is due", err)
	}
	slices.SortStableFunc(due, func(a, b store.Due) int { return a.At.Compare(b.At) })
	return due[:min(len(due), max(limit, 0))], next, nil
}

// What a row of dueText is.
const (
	dueSchedule = iota
	dueRequest
	dueLater
)

// dueText asks everything in one statement: it is what an idle worker asks now and then.
var dueText = strings.Join([]string{
	dueNow("schedules", dueSchedule), dueNow("requests", dueRequest), dueNext("schedules"), dueNext("requests"),
}, " UNION ALL ")

func dueNow(table string, what int) string {
	return fmt.Sprintf(`SELECT * FROM (SELECT %d AS what, due, id, tenant, provider, scope, role, principal FROM %s
		WHERE due IS NOT NULL AND due <= $1 ORDER BY due, tenant, id LIMIT $2) %[2]s_now`, what, table)
}

func dueNext(table string) string {
	return fmt.Sprintf(`SELECT * FROM (SELECT %d AS what, due, '' AS id, tenant, provider, scope, role, principal FROM %s
		WHERE due IS NOT NULL AND due > $1 ORDER BY due LIMIT 1) %[2]s_next`, dueLater, table)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// nextQuestion finds the earliest of a column after an instant, and keeps it if it is earlier than what next is.
func nextQuestion(table, column string, after int64, next *time.Time) question {
	return question{
		sql: "SELECT " + column + " FROM " + table + " WHERE " + column + " IS NOT NULL AND " + column + " > $1 ORDER BY " +
			column + " LIMIT 1",
		args: []any{after},
		each: func(row scan) error {
			var n int64
			if err := row(&n); err != nil {
				return err
			}
			*next = earlier(*next, instant(n))
			return nil
		}}
}

// errNobody is a fault of the program: an effect without a lease has no holder, so nobody can hold one.
var errNobody = errors.New("a claim needs the name of its holder")

// ClaimEffects implements store.Work.
func (s *Store) ClaimEffects(ctx context.Context, holder string, now, until time.Time, limit int) ([]pim.Effect, time.Time, error) {
	l := lease{holder, now, until, limit}
	return claim(ctx, s, effectsTable(), scanEffect, l, func(a, b pim.Effect) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
}

// lease is what a claim asks for: up to limit rows that are due at now, for the holder alone until it ends.
type lease struct {
	holder     string
	now, until time.Time
	limit      int
}

// claim leases rows of a table that has wake, holder and lease, and says when the next falls due.
func claim[T any](ctx context.Context, s *Store, t table, scanRow func(scan, ...any) (T, error), l lease, compare func(a, b T) int) ([]T, time.Time, error) {
	if l.holder == "" {
		return nil, time.Time{}, errNobody
	}
	var rows []T
	err := s.db.alter(ctx, question{
		sql: "UPDATE " + t.name + ` SET holder = $1, lease = $2, wake = $2 WHERE (tenant, id) IN (
				SELECT tenant, id FROM ` + t.name + ` WHERE wake IS NOT NULL AND wake <= $3 ORDER BY wake, tenant, id LIMIT $4
				{{skip locked}})
			RETURNING ` + t.list(""),
		args: []any{plain(l.holder), stamp(l.until), stamp(l.now), int64(l.limit)},
		each: func(row scan) error {
			r, err := scanRow(row)
			rows = append(rows, r)
			return err
		}})
	if err != nil {
		return nil, time.Time{}, s.fault("claim "+t.name, err)
	}
	slices.SortFunc(rows, compare)
	var next time.Time
	if err := s.db.ask(ctx, nextQuestion(t.name, "wake", stamp(l.now), &next)); err != nil {
		// What was claimed is the caller's all the same; not knowing the next, it asks again when the leases end.
		return rows, l.until, nil
	}
	return rows, next, nil
}

// Settle implements store.Work.
func (s *Store) Settle(ctx context.Context, holder string, before, after pim.Effect, entries []store.Entry) error {
	if holder == "" {
		return errNobody
	}
	row, err := effectRow(after)
	if err != nil {
		return err
	}
	key := []any{string(before.Tenant), plain(before.ID)}
	if row[0] != key[0] || row[1] != key[1] {
		return s.fault("settle an effect", store.ErrStale)
	}
	settle, release := settleStatement(), releaseStatement()
	p := plan{{&settle, [][]any{append(row, plain(holder), stamp(before.Decided), int64(before.State))}}}
	events := eventInsert()
	rows := step{statement: &events}
	for _, e := range entries {
		r, err := eventRow(e)
		if err != nil {
			return err
		}
		rows.rows = append(rows.rows, r)
	}
	if len(rows.rows) > 0 {
		p = append(p, rows)
	}
	err = s.db.apply(ctx, p)
	if errors.Is(err, store.ErrStale) {
		// The holder is done with its old intent, so the new one need not wait until the lease ends.
		if e := s.db.apply(ctx, plan{{&release, [][]any{append(key, plain(holder))}}}); e != nil {
			s.log.WarnContext(ctx, "a lease was not given back and ends by itself", "effect", before.ID, "error", e)
		}
	}
	return s.fault("settle an effect", err)
}

func settleStatement() statement {
	t := effectsTable()
	return statement{
		exact:   true,
		columns: append(t.columns, column{"holder", text}, column{"was_decided", number}, column{"was_state", number}),
		text: `UPDATE effects SET state = v.state, stuck = v.stuck, decided = v.decided, due = v.due, doc = v.doc,
				wake = v.due, holder = '', lease = NULL
			FROM {{rows}} WHERE effects.tenant = v.tenant AND effects.id = v.id AND effects.holder = v.holder
				AND effects.decided = v.was_decided AND effects.state = v.was_state`,
	}
}

func releaseStatement() statement {
	return statement{
		columns: texts("tenant", "id", "holder"),
		text: `UPDATE effects SET wake = effects.due, holder = '', lease = NULL
			FROM {{rows}} WHERE effects.tenant = v.tenant AND effects.id = v.id AND effects.holder = v.holder`,
	}
}
