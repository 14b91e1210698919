package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/directory"
	"portcullis/internal/store"
)

const millionDatabase = "million"

// million measures rows 1f, 1h, 5a and 5b.
func (b *bench) million(ctx context.Context) error {
	size := largeEstate(b.sized(1, 10))
	e, err := newEstate(size, time.Now())
	if err != nil {
		return err
	}
	if err := b.pg.CreateDatabase(ctx, millionDatabase); err != nil {
		return err
	}
	b.say("writing %d people, %d teams, %d places", len(e.people), len(e.teams), len(e.places))
	err = withStore(ctx, b.pg.URL(millionDatabase), func(st store.Store) error {
		if err := e.fillWhere(ctx, st); err != nil {
			return err
		}
		if b.wanted("1h") {
			return b.whileWritten(ctx, st, e)
		}
		return e.fillGrants(ctx, st)
	})
	if err != nil {
		return err
	}
	if err := b.exec(ctx, millionDatabase, "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return err
	}
	if b.wanted("5a", "5b+") {
		if err := b.starts(ctx, e); err != nil {
			return err
		}
	}
	if b.wanted("1f", "1f+", "1f0", "5b") {
		if err := b.inProcess(ctx, size, e); err != nil {
			return err
		}
	}
	return b.drop(ctx, millionDatabase)
}

// oracled is how many questions are put to the oracle where there are a million grants to look at for each.
const oracled = 2000

// whileWritten measures row 1h: a server is asked while the grants are written by another process, this one.
func (b *bench) whileWritten(ctx context.Context, st store.Store, e *estate) error {
	list := e.questions(oracled)
	want := e.oracle(list, e.began.UnixMicro())
	server, err := b.start(ctx, "written", filepath.Join(b.dir, "written"), b.pg.URL(millionDatabase), true)
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			_ = server.stop() // another error is told
		}
	}()
	token, err := b.issuer.application(evaluationPermission)
	if err != nil {
		return err
	}
	w := &writing{server: server, requests: e.evaluations(token, list), want: want}
	idle, err := w.ask(ctx, b.lasting(3*time.Second, time.Second))
	if err != nil {
		return err
	}
	b.say("writing %d grants while a server is asked", len(e.held))
	began := time.Now()
	var fillErr error
	busy, err := w.askWhile(ctx, func() { fillErr = e.fillGrants(ctx, st) })
	took := time.Since(began)
	if err := errors.Join(err, fillErr); err != nil {
		return err
	}
	left, behind, err := w.settle(ctx)
	if err != nil {
		return err
	}
	b.note("1h: %d questions by four clients without a pause. Those that the oracle answers with no, when all is written, must never be answered"+
		" with yes; %s after everything was written at the latest all must be answered as the oracle does.", len(list), settleWithin)
	b.measured("1h", []float64{float64(w.wrong.Load() + int64(left))}, fmt.Sprintf("before: %s", idle), fmt.Sprintf("while %d grants are written, %.0f a second: %s",
		len(e.held), float64(len(e.held))/took.Seconds(), busy), fmt.Sprintf("wrong meanwhile %d; wrong after %s: %d of %d", w.wrong.Load(), ms(behind), left, len(list)))
	stopped = true
	return server.stop()
}

// writing asks a server to which grants come.
type writing struct {
	server   *process
	requests [][]byte
	want     []bool
	wrong    atomic.Int64
}

func (w *writing) ask(ctx context.Context, last time.Duration) (load, error) {
	return w.askWhile(ctx, func() { _ = sleepUntil(ctx, time.Now().Add(last)) }) // the context's end ends the asking, too
}

// askWhile asks from four connections until something is done.
func (w *writing) askWhile(ctx context.Context, do func()) (load, error) {
	var done atomic.Bool
	took := make([][]time.Duration, 4)
	errs := make([]error, len(took))
	cpu, began := w.server.cpu(), time.Now()
	var all sync.WaitGroup
	for i := range took {
		c, err := w.server.dial(ctx)
		if err != nil {
			return load{}, err
		}
		defer c.close()
		all.Go(func() {
			for n := i; !done.Load() && errs[i] == nil; n++ {
				var t time.Duration
				t, errs[i] = w.one(c, n%len(w.requests))
				took[i] = append(took[i], t)
			}
		})
	}
	do()
	done.Store(true)
	all.Wait()
	return summary(slices.Concat(took...), time.Since(began), w.server.cpu()-cpu), errors.Join(errs...)
}

// one asks once: a yes to what is never held is wrong.
func (w *writing) one(c *client, n int) (time.Duration, error) {
	began := time.Now()
	got, err := evaluated(c, w.requests[n])
	if got && !w.want[n] {
		w.wrong.Add(1)
	}
	return time.Since(began), err
}

// evaluated is the decision that a request is answered with.
func evaluated(c *client, request []byte) (bool, error) {
	status, body, err := c.do(request)
	if err != nil {
		return false, err
	}
	if status != http.StatusOK {
		return false, fmt.Errorf("%d %.300s", status, body)
	}
	return bytes.Contains(body, []byte(yes)), nil
}

// settleWithin is how old what a node knows may be.
const settleWithin = 5 * time.Second

// settle asks everything again and again until all answers are right, for settleWithin at most.
func (w *writing) settle(ctx context.Context) (wrong int, took time.Duration, _ error) {
	c, err := w.server.dial(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	for began := time.Now(); ; {
		if wrong, err = differences(c, w.requests, w.want, 1); err != nil {
			return wrong, 0, err
		}
		if took = time.Since(began); wrong == 0 || took > settleWithin {
			return wrong, took, nil
		}
	}
}

// starts measures rows 5a and the second half of 5b.
func (b *bench) starts(ctx context.Context, e *estate) error {
	list := e.questions(oracled)
	want := e.oracle(list, e.began.UnixMicro())
	token, err := b.issuer.application(evaluationPermission)
	if err != nil {
		return err
	}
	requests := e.evaluations(token, list)
	var ours, plain, peak []float64
	rows := 0
	for round := range rounds {
		b.say("starts with %d grants, round %d of %d", len(e.held), round+1, rounds)
		var took time.Duration
		var bare time.Duration
		var resident float64
		if rows, bare, err = b.bareLoad(ctx, e.began); err != nil {
			return err
		}
		if took, resident, err = b.startOnce(ctx, requests, want); err != nil {
			return err
		}
		ours, plain, peak = append(ours, took.Seconds()), append(plain, bare.Seconds()), append(peak, resident)
	}
	b.note("5a: from the start of the process until /readyz says so, and then every one of %d questions must be answered as the oracle does. The bare"+
		" load reads the rows that memory is filled with (live schedules, memberships, names) in one connection through pgx, scanned into variables and"+
		" forgotten: %d rows. It has no process to start.", oracled, rows)
	b.measured("5a", each(plain, ours, ratio), fmt.Sprintf("ready after %s s, bare load %s s for %d rows, %.2f million a second", figureList(ours),
		figureList(plain), rows, float64(rows)/median(plain)/1e6))
	b.measured("5b+", peak, "peak resident memory (VmHWM) when it is ready, as the kernel tells it")
	return nil
}

func (b *bench) startOnce(ctx context.Context, requests [][]byte, want []bool) (took time.Duration, peak float64, err error) {
	began := time.Now()
	server, err := b.start(ctx, "million", filepath.Join(b.dir, "million"), b.pg.URL(millionDatabase), true)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	c, err := server.dial(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	var status int
	var failed error
	err = until(ctx, began.Add(2*time.Minute), func() bool {
		status, _, failed = c.do(get("/readyz", ""))
		return failed != nil || status == http.StatusOK
	})
	if err := errors.Join(err, failed); err != nil {
		return 0, 0, fmt.Errorf("the server is not ready: %d: %w", status, err)
	}
	took, peak = time.Since(began), server.peak()
	wrong, err := differences(c, requests, want, 1)
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%d of %d answers are wrong", wrong, len(want))
	}
	return took, peak, err
}

// peak is the most memory that the process has held so far, in megabytes; zero where nobody tells.
func (p *process) peak() float64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	kilobytes, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return 0
	}
	return kilobytes * 1024 / 1e6
}

// bareLoad reads what memory is filled with and keeps nothing.
func (b *bench) bareLoad(ctx context.Context, now time.Time) (rows int, took time.Duration, err error) {
	conn, err := pgx.Connect(ctx, b.pg.URL(millionDatabase))
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	began := time.Now()
	var g grantRow
	var from, to, linked, name, application, external string
	for _, q := range []struct {
		text string
		args []any
		into []any
	}{
		{"SELECT " + grantColumns + " FROM schedules WHERE ending = 0 AND end_at > $1", []any{now.UnixMicro()}, []any{&g.tenant, &g.id, &g.provider, &g.scope,
			&g.role, &g.principal, &g.kind, &g.typ, &g.ending, &g.kept, &g.start, &g.end, &g.until, &g.ended, &g.request, &g.eligibility, &g.created,
			&g.modified, &g.open, &g.due, &g.doc}},
		{"SELECT tenant, relation, from_id, to_id, schedule, start_at, end_at, doc FROM links WHERE relation = $1", []any{int(directory.MemberOf)},
			[]any{&g.tenant, &g.kind, &from, &to, &linked, &g.start, &g.end, &g.doc}},
		{"SELECT tenant, id, kind, principal_name, client_id, external_id FROM objects", nil, []any{&g.tenant, &g.id, &g.kind, &name, &application, &external}},
	} {
		found, err := conn.Query(ctx, q.text, q.args...)
		if err != nil {
			return 0, 0, err
		}
		for found.Next() {
			if err := found.Scan(q.into...); err != nil {
				found.Close()
				return 0, 0, err
			}
			rows++
		}
		if found.Close(); found.Err() != nil {
			return 0, 0, found.Err()
		}
	}
	return rows, time.Since(began), nil
}
