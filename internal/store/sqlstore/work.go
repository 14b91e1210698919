package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Due implements store.Work.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]store.Due, time.Time, error) {
	var due []store.Due
	var next time.Time
	at := stamp(now)
	list := func(table string, into func(id string) store.Due) question {
		return question{
			sql: "SELECT due, id, tenant, provider, scope, role, principal FROM " + table +
				" WHERE due IS NOT NULL AND due <= $1 ORDER BY due, tenant, id LIMIT $2",
			args: []any{at, int64(limit)},
			each: func(row scan) error {
				var t int64
				var id string
				var k keyCells
				if err := row(&t, &id, &k.tenant, &k.provider, &k.scope, &k.role, &k.principal); err != nil {
					return err
				}
				d := into(id)
				d.At, d.Key = instant(t), k.key()
				due = append(due, d)
				return nil
			}}
	}
	err := s.db.ask(ctx,
		list("schedules", func(id string) store.Due { return store.Due{Schedule: pim.ScheduleID(id)} }),
		list("requests", func(id string) store.Due { return store.Due{Request: pim.RequestID(id)} }),
		nextQuestion("schedules", "due", at, &next),
		nextQuestion("requests", "due", at, &next),
	)
	if err != nil {
		return nil, time.Time{}, s.fault("read what is due", err)
	}
	slices.SortStableFunc(due, func(a, b store.Due) int { return a.At.Compare(b.At) })
	return due[:min(len(due), max(limit, 0))], next, nil
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
			if t := instant(n); next.IsZero() || t.Before(*next) {
				*next = t
			}
			return nil
		}}
}

// errNobody is a fault of the program: an effect without a lease has no holder, so nobody can hold one.
var errNobody = errors.New("a claim needs the name of its holder")

// ClaimEffects implements store.Work.
func (s *Store) ClaimEffects(ctx context.Context, holder string, now, until time.Time, limit int) ([]pim.Effect, time.Time, error) {
	if holder == "" {
		return nil, time.Time{}, errNobody
	}
	var effects []pim.Effect
	err := s.db.alter(ctx, question{
		sql: `UPDATE effects SET holder = $1, lease = $2, wake = $2 WHERE (tenant, id) IN (
				SELECT tenant, id FROM effects WHERE wake IS NOT NULL AND wake <= $3 ORDER BY wake, tenant, id LIMIT $4
				{{skip locked}})
			RETURNING ` + effectsTable().list(""),
		args: []any{plain(holder), stamp(until), stamp(now), int64(limit)},
		each: func(row scan) error {
			e, err := scanEffect(row)
			effects = append(effects, e)
			return err
		}})
	if err != nil {
		return nil, time.Time{}, s.fault("claim effects", err)
	}
	slices.SortFunc(effects, func(a, b pim.Effect) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
	var next time.Time
	if err := s.db.ask(ctx, nextQuestion("effects", "wake", stamp(now), &next)); err != nil {
		// What was claimed is the caller's all the same; not knowing the next, it asks again when the leases end.
		return effects, until, nil
	}
	return effects, next, nil
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
	events := eventsTable().insert()
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
