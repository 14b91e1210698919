package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/store"
)

const sqliteFile = "portcullis.db"

// onSQLite measures row 2d.
func (b *bench) onSQLite(ctx context.Context) error {
	if !b.wanted("2d") {
		return nil
	}
	o := newOrganisation(b.sized(1000, 300))
	ours, reference := filepath.Join(b.dir, "sqlite"), filepath.Join(b.dir, "plain")
	b.say("writing %d eligibilities into SQLite", o.pairs())
	e, err := b.makeSQLite(ctx, o, ours)
	if err != nil {
		return fmt.Errorf("fill SQLite: %w", err)
	}
	if err := copyFile(filepath.Join(ours, sqliteFile), filepath.Join(reference, sqliteFile)); err != nil {
		return err
	}
	writer, err := newPlainWriter(ctx, filepath.Join(reference, sqliteFile), e, o)
	if err != nil {
		return err
	}
	defer writer.close()
	asks, err := b.freshActivations(o, o.pairs()-1)
	if err != nil {
		return err
	}
	server, err := b.start(ctx, "sqlite", ours, "", false)
	if err != nil {
		return err
	}
	return errors.Join(b.sqliteTurns(ctx, server, asks, writer), server.stop())
}

func (b *bench) makeSQLite(ctx context.Context, o organisation, folder string) (e example, err error) {
	err = withStore(ctx, folder, func(st store.Store) error {
		if err := o.fill(ctx, st, o.pairs()); err != nil {
			return err
		}
		db, err := sql.Open("sqlite", filepath.Join(folder, sqliteFile)+"?_pragma=busy_timeout(5000)")
		if err != nil {
			return err
		}
		e, err = makeExample(ctx, st, db, o)
		return errors.Join(err, db.Close())
	})
	return e, err
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (b *bench) sqliteTurns(ctx context.Context, server *process, asks *fresh, writer *plainWriter) error {
	last := b.lasting(6*time.Second, 2*time.Second)
	if _, err := server.drive(ctx, 64, time.Second, http.StatusCreated, asks.request); err != nil {
		return err
	}
	var ours, plain []float64
	var loads []load
	for round := range rounds {
		b.say("activations on SQLite, round %d of %d", round+1, rounds)
		l, err := server.drive(ctx, 64, last, http.StatusCreated, asks.request)
		if err != nil {
			return err
		}
		p, err := writer.drive(64, last)
		if err != nil {
			return err
		}
		ours, plain, loads = append(ours, l.perSecond), append(plain, p), append(loads, l)
	}
	b.note("2d: the reference is 64 goroutines that hand the same rows to one writer, without HTTP, reading or rules; modernc.org/sqlite on" +
		" both sides, WAL, synchronous=FULL, a savepoint each, up to 32 in a transaction.")
	b.measured("2d", each(ours, plain, ratio), fmt.Sprintf("Portcullis on SQLite, 64 clients: %s", median3(loads)),
		fmt.Sprintf("bare group commit: %s/s", figureList(plain)))
	return nil
}

// plainWriter writes the rows of activations on one connection, those that wait together in one transaction.
type plainWriter struct {
	organisation
	db      *sql.DB
	conn    *sql.Conn
	begin   map[string]*sql.Stmt
	inserts []plainInsert
	jobs    chan plainJob
	stopped chan struct{}
	next    atomic.Int64
}

// plainInsert is a prepared statement and its values; fill puts in the ids.
type plainInsert struct {
	*sql.Stmt
	row
	from map[string]string
}

type plainJob struct {
	ids  map[string]string
	done chan error
}

const plainGroup = 32

func newPlainWriter(ctx context.Context, file string, e example, o organisation) (*plainWriter, error) {
	pragmas := "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-32000)"
	w := &plainWriter{organisation: o, begin: map[string]*sql.Stmt{}, jobs: make(chan plainJob, 4*plainGroup), stopped: make(chan struct{})}
	var err error
	if w.db, err = sql.Open("sqlite", file+pragmas); err != nil {
		return nil, err
	}
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return nil, errors.Join(err, w.db.Close())
	}
	if err := w.prepare(ctx, e); err != nil {
		return nil, errors.Join(err, w.db.Close())
	}
	go w.run(ctx)
	return w, nil
}

func (w *plainWriter) prepare(ctx context.Context, e example) error {
	request, schedule, version, events := e.expressions("")
	rows, from := []row{e.request, e.schedule, e.version}, []map[string]string{request, schedule, version}
	rows, from = append(rows, e.events...), append(from, events...)
	for i, r := range rows {
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(r.columns)), ", ")
		text := "INSERT INTO " + r.table + " (" + strings.Join(r.columns, ", ") + ") VALUES (" + marks + ")"
		if r.table == "cases" {
			text += raised
		}
		s, err := w.conn.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		w.inserts = append(w.inserts, plainInsert{s, r, from[i]})
	}
	for _, text := range []string{"BEGIN IMMEDIATE", "COMMIT", "SAVEPOINT one", "RELEASE one"} {
		s, err := w.conn.PrepareContext(ctx, text) //nolint:sqlclosecheck // kept in the writer; its connection closes it
		if err != nil {
			return err
		}
		w.begin[text] = s
	}
	return nil
}

func (w *plainWriter) close() {
	close(w.jobs)
	<-w.stopped
	_ = w.conn.Close()
	_ = w.db.Close()
}

func (w *plainWriter) run(ctx context.Context) {
	defer close(w.stopped)
	for j := range w.jobs {
		group := []plainJob{j}
		for waiting := true; waiting && len(group) < plainGroup; {
			select {
			case more, ok := <-w.jobs:
				if waiting = ok; ok {
					group = append(group, more)
				}
			default:
				waiting = false
			}
		}
		err := w.write(ctx, group)
		for _, j := range group {
			j.done <- err
		}
	}
}

func (w *plainWriter) write(ctx context.Context, group []plainJob) error {
	if _, err := w.begin["BEGIN IMMEDIATE"].ExecContext(ctx); err != nil {
		return err
	}
	for _, j := range group {
		if _, err := w.begin["SAVEPOINT one"].ExecContext(ctx); err != nil {
			return err
		}
		for _, i := range w.inserts {
			if _, err := i.ExecContext(ctx, i.with(j.ids)...); err != nil {
				return err
			}
		}
		if _, err := w.begin["RELEASE one"].ExecContext(ctx); err != nil {
			return err
		}
	}
	_, err := w.begin["COMMIT"].ExecContext(ctx)
	return err
}

func (i plainInsert) with(ids map[string]string) []any {
	values := slices.Clone(i.values)
	for at, column := range i.columns {
		if name, ok := i.from[column]; ok {
			values[at] = ids[name]
		}
	}
	return values
}

// drive writes from so many goroutines for a while, and says how many a second.
func (w *plainWriter) drive(clients int, last time.Duration) (perSecond float64, _ error) {
	var done atomic.Int64
	errs := make([]error, clients)
	began := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for errs[i] == nil && time.Since(began) < last {
				if errs[i] = w.one(); errs[i] == nil {
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

func (w *plainWriter) one() error {
	n := int(w.next.Add(1) - 1)
	if n >= w.pairs()-1 {
		return errUsedUp
	}
	k, id := w.key(n), app.NewID()
	ids := map[string]string{"pid": string(k.Principal), "rid": string(k.Role), "q": id, "eid": numbered(eligibilityKind, n)}
	for i := range w.inserts {
		ids["v"+strconv.Itoa(i)] = app.NewID()
	}
	j := plainJob{ids: ids, done: make(chan error, 1)}
	w.jobs <- j
	return <-j.done
}
