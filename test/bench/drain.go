package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// drain measures row 3c.
func (b *bench) drain(ctx context.Context, base *base) error {
	const prepared = "due"
	count := b.sized(100_000, 20_000)
	if count > base.eligible-1 {
		return errUsedUp
	}
	if err := b.copyOf(ctx, baseDatabase, prepared); err != nil {
		return err
	}
	b.say("writing %d activations that end at once", count)
	end := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Minute)
	err := withStore(ctx, b.pg.URL(prepared), func(st store.Store) error {
		return base.commitAll(ctx, st, count, func(n int) pim.Outcome { return base.activation(n, end.Add(-time.Hour), end, "") })
	})
	if err := errors.Join(err, b.exec(ctx, prepared, "VACUUM ANALYZE", "CHECKPOINT")); err != nil {
		return err
	}
	var ours, plain []float64
	for round := range rounds {
		one, err := b.drainOnce(ctx, base, prepared, count, b.drainOurs)
		if err != nil {
			return err
		}
		other, err := b.drainOnce(ctx, base, prepared, count, b.drainPlain)
		if err != nil {
			return err
		}
		b.say("ends at once, round %d of %d: %.0f/s, plain %.0f/s", round+1, rounds, one, other)
		ours, plain = append(ours, one), append(plain, other)
	}
	b.note("3c: the real worker in this process, alone on the store; the reference is one statement for each batch of 1,000 that changes the same" +
		" columns of schedules and cases and writes an audit entry of the same width, by two connections with SKIP LOCKED.")
	b.measured("3c", each(ours, plain, ratio), fmt.Sprintf("%d ends: Portcullis %s/s, bare SQL %s/s", count, figureList(ours), figureList(plain)))
	return b.drop(ctx, prepared)
}

func (b *bench) drainOnce(ctx context.Context, base *base, from string, count int,
	way func(context.Context, *base, string, int) (time.Duration, error),
) (perSecond float64, _ error) {
	const name = "draining"
	if err := b.copyOf(ctx, from, name); err != nil {
		return 0, err
	}
	took, err := way(ctx, base, name, count)
	if err != nil {
		return 0, err
	}
	var left int
	if err := b.query(ctx, name, fmt.Sprintf("SELECT count(*) FROM schedules WHERE due <= %d", time.Now().UnixMicro()), &left); err != nil {
		return 0, err
	}
	if left != 0 {
		return 0, fmt.Errorf("%d ends are left", left)
	}
	return float64(count) / took.Seconds(), b.drop(ctx, name)
}

// drainOurs has a worker end everything.
func (b *bench) drainOurs(ctx context.Context, _ *base, name string, count int) (took time.Duration, _ error) {
	err := withStore(ctx, b.pg.URL(name), func(st store.Store) error {
		a := &app.App{Store: st, Index: access.New()}
		if err := a.Load(ctx); err != nil {
			return err
		}
		stopProfile, err := profileTo(b.profileFile("drain"))
		if err != nil {
			return err
		}
		defer stopProfile()
		w := b.worker(a, st, nil)
		began := time.Now()
		stop := running(ctx, w)
		defer stop()
		err = until(ctx, began.Add(5*time.Minute), func() bool { return w.Stats().Asked >= int64(count) })
		took = time.Since(began)
		if failed := w.Stats().AskFailed; failed > 0 {
			err = errors.Join(err, fmt.Errorf("%d ends failed", failed))
		}
		return err
	})
	return took, err
}

// drainStatement ends a batch with the same changes of rows.
func (e example) drainStatement() string {
	ids := map[string]string{"id": "gen_random_uuid()::text", "at": "$1::bigint", "principal": "d.principal", "role": "d.role", "request": "d.request", "schedule": "d.id"}
	return `WITH d AS MATERIALIZED (SELECT tenant, id, provider, scope, role, principal, request, until_at FROM schedules
			WHERE due IS NOT NULL AND due <= $1 ORDER BY due, tenant, id LIMIT 1000 FOR UPDATE SKIP LOCKED),
		s AS (UPDATE schedules s SET ending = 1, ended = d.until_at, end_at = d.until_at, is_open = false, kept = false, modified = $1, due = NULL
			FROM d WHERE s.tenant = d.tenant AND s.id = d.id),
		c AS (UPDATE cases c SET version = c.version + 1 FROM d WHERE c.tenant = d.tenant AND c.principal = d.principal AND c.role = d.role
			AND c.scope = d.scope AND c.provider = d.provider),
		e AS (` + e.ended.insert(ids) + ` FROM d)
		SELECT count(*) FROM d`
}

// drainPlain has two connections end everything in batches.
func (b *bench) drainPlain(ctx context.Context, base *base, name string, _ int) (time.Duration, error) {
	var conns [2]*pgx.Conn
	for i := range conns {
		conn, err := pgx.Connect(ctx, b.pg.URL(name))
		if err != nil {
			return 0, err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		conns[i] = conn
	}
	var errs [2]error
	var all sync.WaitGroup
	began := time.Now()
	for i, conn := range conns {
		all.Go(func() {
			for n := 1; n > 0 && errs[i] == nil; {
				errs[i] = conn.QueryRow(ctx, base.example.drainStatement(), began.UnixMicro()).Scan(&n)
			}
		})
	}
	all.Wait()
	return time.Since(began), errors.Join(errs[:]...)
}
