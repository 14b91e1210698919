package sqlstore

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Plans that were made while the tables were almost empty use any index. PostgreSQL looks at tables anew a minute after
// they have grown; a new tenant may have a hundred thousand rows by then. So the store itself sees, while it writes,
// whether a table has four times the size that it had when it was looked at, which costs next to nothing, and has those
// looked at that have: a table may begin to grow late, when a directory's members come in after its people. To look at
// them takes most of a second for large ones, and is done the more rarely the larger they are.
const (
	lookAfter  = 1000 // rows
	growthStep = 4
	// rest is the least time between two looks.
	rest = 2 * time.Second
)

// growth counts the rows of commits and tells when to look.
type growth struct {
	written atomic.Int64
	next    atomic.Int64
	look    chan struct{}
	stop    chan struct{}
}

func newGrowth() growth {
	return growth{look: make(chan struct{}, 1), stop: make(chan struct{})}
}

func (g *growth) add(changes []*change) {
	rows := 0
	for _, c := range changes {
		for _, list := range c.rows {
			rows += len(list)
		}
	}
	n := g.written.Add(int64(rows))
	was := g.next.Load()
	if n < max(was, lookAfter) || !g.next.CompareAndSwap(was, n+lookAfter) {
		return
	}
	select {
	case g.look <- struct{}{}:
	default: // one look is waiting already
	}
}

// learn looks at the tables until the engine is closed.
func (e *postgresEngine) learn() {
	whenever(e.growth.look, e.growth.stop, rest, func(ctx context.Context) {
		if err := e.lookAtGrown(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("the tables could not be looked at; queries may be slow for a minute", "error", err)
		}
	})
}

// whenever does something each time it is wanted, and rests in between, until it is stopped, which ends the context of what is being
// done.
func whenever(wanted, stop <-chan struct{}, rest time.Duration, do func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wanted:
		}
		do(ctx)
		pause := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// lookAtGrown has tables looked at that have several times the pages they had when they were last.
func (e *postgresEngine) lookAtGrown(ctx context.Context) error {
	rows, err := e.lists.Query(ctx, `SELECT t.name FROM unnest($1::text[]) t(name) JOIN pg_class c ON c.oid = to_regclass(t.name)
		WHERE pg_relation_size(c.oid) / current_setting('block_size')::int >= $2 * greatest(c.relpages, 1)`,
		[]string{"tenants", "cases", "requests", "schedules", "effects", "events", "mails", "policies", "objects", "links", "resources", "denials", "uses"}, growthStep)
	if err != nil {
		return err
	}
	grown, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(grown) == 0 {
		return err
	}
	_, err = e.lists.Exec(ctx, "ANALYZE "+strings.Join(grown, ", "))
	return err
}
