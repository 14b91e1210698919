package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver named sqlite

	"portcullis/internal/store"
)

// sqliteFile is the name of the database in the data folder.
const sqliteFile = "portcullis.db"

// sqliteNow is the time in microseconds, of which SQLite knows whole milliseconds.
const sqliteNow = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"

// sqliteSnapshot says that there is one writer.
const sqliteSnapshot = "(SELECT 0 AS xmin, 0 AS now, '' AS server) s"

// sqliteEngine has one connection that writes and a pool of those that read.
type sqliteEngine struct {
	queue   *queue
	writing *sql.DB
	reading *sql.DB
	writer  *sqliteWriter
	stopped chan struct{}

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // of the reading pool
}

// maxPrepared bounds the statements that are kept prepared: lists have as many texts as callers think of filters.
const maxPrepared = 256

func openSQLite(ctx context.Context, o Options) (engine, error) {
	if err := makeDatabase(o.URL); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(filepath.Join(o.URL, sqliteFile))
	if err != nil {
		return nil, err
	}
	e := &sqliteEngine{queue: newQueue(), stopped: make(chan struct{}), prepared: map[string]*sql.Stmt{}}
	if e.writing, err = sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate")); err != nil {
		return nil, err
	}
	e.writing.SetMaxOpenConns(1)
	if e.reading, err = sql.Open("sqlite", sqliteDSN(path, "_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(err, e.writing.Close())
	}
	readers := o.Readers
	if readers <= 0 {
		readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	e.reading.SetMaxOpenConns(readers)
	e.reading.SetMaxIdleConns(readers)
	if err := e.start(ctx); err != nil {
		err = fmt.Errorf("the database %s cannot be opened: %w", path, fromSQLite(ctx, err))
		return nil, errors.Join(err, e.reading.Close(), e.writing.Close())
	}
	return e, nil
}

// makeDatabase makes the folder and the file with the permissions they shall have. SQLite gives its own files beside
// the database those of the database.
func makeDatabase(folder string) error {
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(filepath.Join(folder, sqliteFile), os.O_RDWR|os.O_CREATE, 0o600); err == nil {
			err = f.Close()
		}
	}
	if err == nil {
		return nil
	}
	reason := err
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		reason = e.Err
	}
	return fmt.Errorf("the data folder %s cannot be written: %w", folder, reason)
}

// sqliteDSN asks for durable commits: in WAL mode that takes synchronous=FULL.
func sqliteDSN(path, more string) string {
	pragmas := "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
		"&_pragma=cache_size(-32000)&_pragma=temp_store(MEMORY)"
	u := url.URL{Scheme: "file", Path: path, RawQuery: pragmas + "&" + more}
	return u.String()
}

func (e *sqliteEngine) start(ctx context.Context) error {
	if err := migrate(ctx, e.writing, goose.DialectSQLite3, forSQLite); err != nil {
		return err
	}
	// The connection outlives the opening.
	conn, err := e.writing.Conn(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	e.writer = newSQLiteWriter(conn)
	go e.run()
	return nil
}

// run writes until the queue is closed.
func (e *sqliteEngine) run() {
	defer close(e.stopped)
	for {
		jobs, more := e.queue.gather()
		if !more {
			return
		}
		e.writer.write(jobs)
	}
}

func (e *sqliteEngine) close() error {
	e.queue.close()
	<-e.stopped
	// Closing the database closes its prepared statements too.
	return errors.Join(e.writer.close(), e.writing.Close(), e.reading.Close())
}

// listen hears of nobody: no other node writes.
func (e *sqliteEngine) listen(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

func (e *sqliteEngine) ping(ctx context.Context) error {
	err := e.browse(ctx, question{sql: "SELECT count(*) FROM tenants", each: func(row scan) error {
		var n int64
		return row(&n)
	}})
	if err != nil {
		return err
	}
	// Taking the write lock proves that the file can be written.
	return e.submit(ctx, func(*sqliteWriter) error { return nil })
}

func (e *sqliteEngine) words(s string) string {
	return strings.NewReplacer(shareWord, "", skipWord, "", positionWord, "instr", nowWord, sqliteNow, snapshotWord, sqliteSnapshot).Replace(s)
}

// source makes a table v of a JSON array of arrays.
func (e *sqliteEngine) source(columns []column, _ bool) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = fmt.Sprintf("value->>%d AS %s", i, c.name)
	}
	return "(SELECT " + strings.Join(parts, ", ") + " FROM json_each($1)) v"
}

func (e *sqliteEngine) args(_ []column, rows [][]any) ([]any, error) {
	b, err := json.Marshal(rows)
	if err != nil {
		return nil, fmt.Errorf("encode arguments: %w", err)
	}
	return []any{string(b)}, nil
}

func (e *sqliteEngine) in(column string, argument int) string {
	return fmt.Sprintf("%s IN (SELECT value FROM json_each($%d))", column, argument)
}

func (e *sqliteEngine) values(argument int) string {
	return fmt.Sprintf("(SELECT value FROM json_each($%d)) v", argument)
}

func (e *sqliteEngine) among(column, query string) string { return column + " IN (" + query + ")" }

func (e *sqliteEngine) knowsData() bool { return false }

func (e *sqliteEngine) list(values []string) any {
	b, err := json.Marshal(values)
	if err != nil {
		return "[]" // cannot be: texts always encode
	}
	return string(b)
}

// ask reads in one transaction, which sees one state of the database.
func (e *sqliteEngine) ask(ctx context.Context, questions ...question) error {
	if len(questions) == 1 {
		return e.browse(ctx, questions[0])
	}
	tx, err := e.reading.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fromSQLite(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	for _, q := range questions {
		s, err := e.prepare(ctx, q.sql)
		if err != nil {
			return fromSQLite(ctx, err)
		}
		var rows *sql.Rows
		if s == nil {
			rows, err = tx.QueryContext(ctx, q.sql, q.args...)
		} else {
			rows, err = tx.StmtContext(ctx, s).QueryContext(ctx, q.args...) //nolint:sqlclosecheck // ends with the transaction
		}
		if err := eachRow(rows, err, q.each); err != nil {
			return fromSQLite(ctx, err)
		}
	}
	return nil
}

func (e *sqliteEngine) browse(ctx context.Context, q question) error {
	s, err := e.prepare(ctx, q.sql) //nolint:sqlclosecheck // statements stay prepared until the database is closed
	if err != nil {
		return fromSQLite(ctx, err)
	}
	var rows *sql.Rows
	if s == nil {
		rows, err = e.reading.QueryContext(ctx, q.sql, q.args...)
	} else {
		rows, err = s.QueryContext(ctx, q.args...)
	}
	return fromSQLite(ctx, eachRow(rows, err, q.each))
}

func (e *sqliteEngine) stream(ctx context.Context, q stream) error {
	row := newLiveRow(q.columns)
	into := make([]any, len(q.columns))
	for i, c := range q.columns {
		if into[i] = &row.texts[i]; c.kind != text {
			into[i] = &row.numbers[i]
		}
	}
	return e.browse(ctx, question{q.sql, q.args, func(scan scan) error {
		if err := scan(into...); err != nil {
			return err
		}
		return q.each(row)
	}})
}

// prepare returns the prepared statement of a text, or nil if there are too many.
func (e *sqliteEngine) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	e.mu.Lock()
	s, full := e.prepared[text], len(e.prepared) >= maxPrepared
	e.mu.Unlock()
	if s != nil || full {
		return s, nil
	}
	s, err := e.reading.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if other := e.prepared[text]; other != nil {
		return other, s.Close() //nolint:sqlclosecheck // it is the one that is not kept
	}
	e.prepared[text] = s
	return s, nil
}

func eachRow(rows *sql.Rows, err error, each func(scan) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// submit queues a write that is no commit.
func (e *sqliteEngine) submit(ctx context.Context, do func(*sqliteWriter) error) error {
	return e.queue.submit(ctx, &job{do: do})
}

func (e *sqliteEngine) alter(ctx context.Context, q question) error {
	return e.submit(ctx, func(w *sqliteWriter) error { return w.query(e.words(q.sql), q.args, q.each) })
}

func (e *sqliteEngine) apply(ctx context.Context, p plan) error {
	return e.submit(ctx, func(w *sqliteWriter) error { return w.run(p) })
}

func (e *sqliteEngine) commit(ctx context.Context, c *change) error {
	return e.queue.submit(ctx, &job{change: c})
}

// bulkGroup is how many commits of a bulk are written in one transaction. Others wait meanwhile.
const bulkGroup = 500

func (e *sqliteEngine) commitAll(ctx context.Context, cs []*change) []error {
	errs := make([]error, 0, len(cs))
	for len(cs) > 0 {
		part := cs[:min(bulkGroup, len(cs))]
		cs = cs[len(part):]
		results := make([]error, len(part))
		err := e.submit(ctx, func(w *sqliteWriter) error {
			for i, c := range part {
				err := w.within(func() error { return w.run(merge(&w.statements, []*change{c})) })
				results[i] = fromSQLite(context.Background(), err)
			}
			return nil
		})
		if err != nil {
			// The results may still be written to by a writer that the caller left.
			errs = append(errs, slices.Repeat([]error{err}, len(part))...)
			continue
		}
		errs = append(errs, results...)
	}
	return errs
}

// sqliteWriter is the one connection that writes. Only its own goroutine uses it.
type sqliteWriter struct {
	conn       *sql.Conn
	statements [slots]statement
	prepared   map[string]*sql.Stmt
	// texts are the finished texts of the commits' statements.
	texts map[*statement]string
}

func newSQLiteWriter(conn *sql.Conn) *sqliteWriter {
	w := &sqliteWriter{conn: conn, statements: commitStatements(), prepared: map[string]*sql.Stmt{}, texts: map[*statement]string{}}
	for i := range w.statements {
		w.texts[&w.statements[i]] = w.text(&w.statements[i])
	}
	return w
}

func (w *sqliteWriter) close() error {
	var errs []error
	for _, s := range w.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// write does several jobs in one transaction, a savepoint each, and answers them.
func (w *sqliteWriter) write(jobs []*job) {
	errs := make([]error, len(jobs))
	err := w.begin()
	if err == nil {
		for i, j := range jobs {
			do := func() error { return w.do(j) }
			if len(jobs) == 1 {
				errs[i] = do()
			} else {
				errs[i] = w.within(do)
			}
		}
		if len(jobs) == 1 && errs[0] != nil {
			err = errs[0]
		} else {
			err = w.end()
		}
		if err != nil {
			_ = w.exec("ROLLBACK") // fails only where the transaction is over already
		}
	}
	for i, j := range jobs {
		if err != nil {
			errs[i] = err
		}
		j.done <- fromSQLite(context.Background(), errs[i])
	}
}

// begin and end fail only where the database cannot be written now; nothing is done then.
func (w *sqliteWriter) begin() error {
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return unavailable(err)
	}
	return nil
}

func (w *sqliteWriter) end() error {
	if err := w.exec("COMMIT"); err != nil {
		return unavailable(err)
	}
	return nil
}

func (w *sqliteWriter) do(j *job) error {
	if j.change != nil {
		return w.run(merge(&w.statements, []*change{j.change}))
	}
	return j.do(w)
}

// within undoes what a function has written if it fails.
func (w *sqliteWriter) within(do func() error) error {
	if err := w.exec("SAVEPOINT one"); err != nil {
		return err
	}
	err := do()
	if err != nil {
		if e := w.exec("ROLLBACK TO one"); e != nil {
			return errors.Join(err, e)
		}
	}
	return errors.Join(err, w.exec("RELEASE one"))
}

// run writes a plan, a row at a time.
func (w *sqliteWriter) run(p plan) error {
	for _, s := range p {
		text := w.text(s.statement)
		for _, row := range s.last() {
			if !s.exact {
				if err := w.exec(text, row...); err != nil {
					return err
				}
				continue
			}
			hits := 0
			if err := w.query(text, row, func(row scan) error { hits++; return nil }); err != nil {
				return err
			}
			if hits != 1 {
				return store.ErrStale
			}
		}
	}
	return nil
}

// text gives a statement its row of arguments and, where its effect matters, something to count.
func (w *sqliteWriter) text(s *statement) string {
	if t, ok := w.texts[s]; ok {
		return t
	}
	parts := make([]string, len(s.columns))
	for i, c := range s.columns {
		parts[i] = fmt.Sprintf("$%d AS %s", i+1, c.name)
	}
	t := strings.NewReplacer(shareWord, "", nowWord, sqliteNow, rowsWord, "(SELECT "+strings.Join(parts, ", ")+") v").Replace(s.text)
	if s.exact && !s.selects {
		t += " RETURNING 1"
	}
	return t
}

func (w *sqliteWriter) exec(text string, args ...any) error {
	s, err := w.prepare(text) //nolint:sqlclosecheck // statements stay prepared until the database is closed
	if err != nil {
		return err
	}
	_, err = s.ExecContext(context.Background(), args...)
	return err
}

func (w *sqliteWriter) query(text string, args []any, each func(scan) error) error {
	s, err := w.prepare(text) //nolint:sqlclosecheck // statements stay prepared until the database is closed
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), args...)
	return eachRow(rows, err, each)
}

func (w *sqliteWriter) prepare(text string) (*sql.Stmt, error) {
	if s := w.prepared[text]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), text)
	if err == nil {
		w.prepared[text] = s
	}
	return s, err
}
