package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/connector"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/worker"
)

// pendingSchedules writes activations, of people who are not in the directory, that end one after the other from an
// instant on.
func pendingSchedules(count int, from time.Time) string {
	return fmt.Sprintf(`INSERT INTO schedules (tenant, id, provider, scope, role, principal, kind, type, ending, kept, start_at, end_at,
			until_at, ended, request, eligibility, created, modified, is_open, due, doc)
		SELECT '%[1]s', id, 'directory', '/', '62e90394-69f5-4237-9190-012177145e10', 'c0000000-0000-4000-8000-' || lpad(to_hex(n / 10), 12, '0'),
			2, 2, 0, true, %[3]d, due, due, -9223372036854775808, id, '', %[3]d, -9223372036854775808, true, due, ''
		FROM (SELECT n, 'd0000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0') AS id, %[4]d + n::bigint * 1000000 AS due
			FROM generate_series(1, %[2]d) AS n) x`,
		tenant, count, time.Now().Add(-time.Hour).UnixMicro(), from.UnixMicro())
}

// pendingEffects gives each of them a door that is to be tried again later.
func pendingEffects(door string) string {
	return fmt.Sprintf(`INSERT INTO effects (tenant, id, provider, scope, role, principal, schedule, state, stuck, decided, due, doc, wake)
		SELECT tenant, id || '/%[1]s/admin', provider, scope, role, principal, id, 1, false, start_at, due,
			'{"door":"%[1]s","acc":"' || id || '","priv":"admin"}', due FROM schedules WHERE principal LIKE 'c0000000%%'`, door)
}

// logLines counts the statements of a database in PostgreSQL's log.
func (b *bench) logLines(database string) (n int, _ error) {
	f, err := os.Open(filepath.Join(b.pg.Dir(), "server.log"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), database+"|LOG:  ")
		if ok && (strings.HasPrefix(rest, "execute ") || strings.HasPrefix(rest, "statement: ")) {
			n++
		}
	}
	return n, lines.Err()
}

// door is a target in memory that notes when the worker came to shut it.
type door struct {
	mu   sync.Mutex
	shut map[string]time.Time // by account
}

// Grant implements connector.Connector.
func (d *door) Grant(context.Context, connector.Access) error { return nil }

// Revoke implements connector.Connector.
func (d *door) Revoke(_ context.Context, a connector.Access) error {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.shut[a.Account]; !ok {
		d.shut[a.Account] = now
	}
	return nil
}

// List implements connector.Connector.
func (d *door) List(context.Context, string) ([]connector.Held, error) { return nil, nil }

func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.shut)
}

const (
	doorName  = "bench"
	dueSecond = 550
)

// lateness measures row 3b.
func (b *bench) lateness(ctx context.Context, base *base) error {
	const name = "pending"
	seconds, pending := b.sized(30, 10), b.sized(1_000_000, 100_000)
	count := dueSecond * seconds
	if count > base.eligible {
		return errUsedUp
	}
	if err := b.copyOf(ctx, baseDatabase, name); err != nil {
		return err
	}
	b.say("writing %d pending schedules and effects", pending)
	later := time.Now().UTC().Truncate(time.Microsecond).Add(2 * time.Hour)
	if err := b.exec(ctx, name, pendingSchedules(pending, later), pendingEffects("elsewhere"), "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return err
	}
	var late []time.Duration
	err := withStore(ctx, b.pg.URL(name), func(st store.Store) (err error) {
		began := time.Now()
		late, err = b.watchEnds(ctx, st, base, ends{count: count, first: began.Add(time.Duration(count/1000+25) * time.Second), apart: time.Second / dueSecond})
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(late)
	decided, err := b.decidedLate(ctx, name)
	if err != nil {
		return err
	}
	b.note("3b: a real worker with its default limits in this process, rows in PostgreSQL, one door in memory, an account each; from the end of"+
		" an activation to the call of Revoke. %d other schedules and as many effects are due later.", pending)
	b.measured("3b", []float64{percentile(late, 99).Seconds() * 1000},
		fmt.Sprintf("%d ends at %d a second, p50 %s, p99 %s, the latest %s; of that until it was decided: %s", len(late), dueSecond,
			ms(percentile(late, 50)), ms(percentile(late, 99)), ms(late[len(late)-1]), decided))
	return b.drop(ctx, name)
}

// decidedLate says how late the clock's asks were decided.
func (b *bench) decidedLate(ctx context.Context, name string) (string, error) {
	var p50, p99 float64
	err := b.query(ctx, name, `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY e.decided - s.until_at) / 1000,
			percentile_cont(0.99) WITHIN GROUP (ORDER BY e.decided - s.until_at) / 1000
		FROM effects e JOIN schedules s ON s.tenant = e.tenant AND s.id = e.schedule WHERE e.state >= 3`, &p50, &p99)
	return fmt.Sprintf("p50 %s, p99 %s", figure(p50, " ms"), figure(p99, " ms")), err
}

// ends are activations that end one after the other.
type ends struct {
	count int
	// first is the end of the first, and apart how long after one the next ends.
	first time.Time
	apart time.Duration
	// meanwhile is done once the worker runs; nil is nothing.
	meanwhile func(*app.App) error
}

// of is when one ends.
func (e ends) of(n int) time.Time {
	return e.first.UTC().Add(time.Duration(n) * e.apart).Truncate(time.Microsecond)
}

// watchEnds has a worker shut the doors of activations that end one after the other, and says how late it was for each.
func (b *bench) watchEnds(ctx context.Context, st store.Store, base *base, e ends) ([]time.Duration, error) {
	began := time.Now().UTC().Truncate(time.Microsecond)
	err := base.commitAll(ctx, st, e.count, func(n int) pim.Outcome { return base.activation(n, began, e.of(n), doorName) })
	if err != nil {
		return nil, err
	}
	d := &door{shut: map[string]time.Time{}}
	a := &app.App{Store: st, Index: access.New()}
	if err := a.Load(ctx); err != nil {
		return nil, err
	}
	w := b.worker(a, st, map[string]connector.Connector{doorName: d})
	stop := running(ctx, w)
	defer stop()
	if time.Until(e.first) < time.Second {
		return nil, errors.New("the machine is slower than this program thought: the first ends have passed")
	}
	b.say("waiting for %d ends", e.count)
	stopProfile, err := profileTo(b.profileFile("lateness"))
	if err != nil {
		return nil, err
	}
	defer stopProfile()
	if e.meanwhile != nil {
		if err := e.meanwhile(a); err != nil {
			return nil, err
		}
	}
	if err := until(ctx, e.of(e.count).Add(2*time.Minute), func() bool { return d.count() == e.count }); err != nil {
		return nil, fmt.Errorf("%d of %d doors were shut: %w", d.count(), e.count, err)
	}
	late := make([]time.Duration, e.count)
	for n := range e.count {
		late[n] = d.shut[numbered(grantKind, n)].Sub(e.of(n))
	}
	return late, nil
}

func (b *bench) worker(a *app.App, st store.Store, doors map[string]connector.Connector) *worker.Worker {
	return &worker.Worker{App: a, Store: st, Connectors: doors, Holder: app.NewID(), Log: discard()}
}

// running runs a worker until the function that it returns has been called, which waits for its end.
func running(ctx context.Context, w *worker.Worker) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx) // it has a holder
	}()
	return func() {
		cancel()
		<-done
	}
}

// until polls a condition.
func until(ctx context.Context, deadline time.Time, holds func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			return errors.New("it took too long")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
