package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"portcullis/internal/store"
)

const (
	// writers is how many groups are written at once: while one waits for its round trip the other gathers.
	writers = 2
	// writeWithin bounds the writing of a group, whose callers may be gone.
	writeWithin = 30 * time.Second
	// connectWithin bounds an attempt to connect to one host, unless the URL says connect_timeout.
	connectWithin = 5 * time.Second
	// oldestPostgres is the least server_version_num.
	oldestPostgres = 150000
)

// plannerSettings are for statements that name all they want by key. The order in which they join is meant, from the
// arguments to what they name (SQLite keeps that of a CROSS JOIN anyway), each step by an index, and to plan them anew each
// time takes longer than to run them.
const plannerSettings = `SET join_collapse_limit = 1; SET from_collapse_limit = 1; SET enable_seqscan = off;
	SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan`

const (
	postgresNow      = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
	postgresSnapshot = `(SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin,
		` + postgresNow + ` AS now,
		extract(epoch FROM pg_postmaster_start_time())::text AS server) s`
)

// statementText names the text of a statement for one row, or for any number.
type statementText struct {
	*statement
	one bool
}

// postgresEngine has two pools. Cases and commits are short and found by index alone, whatever the planner believes
// about tables that have just been filled; lists are left to the planner.
type postgresEngine struct {
	queue      *queue
	hot        *pgxpool.Pool
	lists      *pgxpool.Pool
	statements [slots]statement
	writing    sync.WaitGroup
	log        *slog.Logger
	growth     growth
	herald     herald

	mu    sync.Mutex
	texts map[statementText]string // of the commits' statements
}

func openPostgres(ctx context.Context, o Options, log *slog.Logger) (engine, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// The error of the parser hides the password, but may tell other parts of the URL: it is not passed on.
		return nil, errors.New("the URL of the PostgreSQL database is not well formed")
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		// Of several hosts in the URL one that does not answer must not keep from the next.
		config.ConnConfig.ConnectTimeout = connectWithin
	}
	primaryOnly(&config.ConnConfig.Config)
	e := &postgresEngine{queue: newQueue(), statements: commitStatements(), texts: map[statementText]string{}, log: log, growth: newGrowth(), herald: newHerald()}
	for i := range e.statements {
		for _, one := range []bool{false, true} {
			e.texts[statementText{&e.statements[i], one}] = e.text(&e.statements[i], one)
		}
	}
	if err := e.open(ctx, config, o.Readers); err != nil {
		e.closePools()
		return nil, fmt.Errorf("the PostgreSQL database %s on %s cannot be used: %w",
			config.ConnConfig.Database, config.ConnConfig.Host, reason(fromPostgres(ctx, err)))
	}
	for range writers {
		e.writing.Go(e.run)
	}
	e.writing.Go(e.learn)
	e.writing.Go(e.announce)
	return e, nil
}

// reason shortens an error to one sentence: pgx tells of every address that it has tried, in several lines.
func reason(err error) error {
	if !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\t' })
	return fmt.Errorf("%w: %s", store.ErrUnavailable, strings.TrimPrefix(lines[len(lines)-1], store.ErrUnavailable.Error()+": "))
}

func (e *postgresEngine) open(ctx context.Context, config *pgxpool.Config, readers int) error {
	if err := e.prepareDatabase(ctx, config.ConnConfig); err != nil {
		return err
	}
	if readers <= 0 {
		readers = max(8, 2*runtime.GOMAXPROCS(0))
	}
	config.MaxConns = int32(min(readers, 1000))
	// The pools outlive the opening.
	background := context.WithoutCancel(ctx)
	var err error
	if e.lists, err = pgxpool.NewWithConfig(background, config.Copy()); err != nil {
		return err
	}
	hot := config.Copy()
	hot.MaxConns += writers
	hot.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, plannerSettings)
		return err
	}
	if e.hot, err = pgxpool.NewWithConfig(background, hot); err != nil {
		return err
	}
	return e.hot.Ping(ctx)
}

// prepareDatabase checks the server and brings the tables up to date. Several nodes may do so at once: one waits for the
// other.
func (e *postgresEngine) prepareDatabase(ctx context.Context, config *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*config)
	defer db.Close()
	var version int
	var encoding string
	err := db.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").
		Scan(&version, &encoding)
	switch {
	case err != nil:
		return err
	case version < oldestPostgres:
		return fmt.Errorf("it has version %d, and 15 is the oldest that will do", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("its encoding is %s, and only UTF8 will do", encoding)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return err
	}
	return migrate(ctx, db, goose.DialectPostgres, forPostgres, goose.WithSessionLocker(locker))
}

func (e *postgresEngine) close() error {
	e.queue.close()
	close(e.growth.stop)
	close(e.herald.stop)
	e.writing.Wait()
	e.closePools()
	return nil
}

func (e *postgresEngine) closePools() {
	for _, p := range []*pgxpool.Pool{e.hot, e.lists} {
		if p != nil {
			p.Close()
		}
	}
}

// ping asks whether the database takes writes: a standby does not.
func (e *postgresEngine) ping(ctx context.Context) error {
	var recovering, readOnly bool
	err := e.lists.QueryRow(ctx, "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'").
		Scan(&recovering, &readOnly)
	if err == nil && (recovering || readOnly) {
		return fmt.Errorf("%w: the database takes no writes", store.ErrUnavailable)
	}
	return fromPostgres(ctx, err)
}

func (e *postgresEngine) words(s string) string {
	return strings.NewReplacer(shareWord, "FOR SHARE OF c", skipWord, "FOR UPDATE SKIP LOCKED", positionWord, "strpos",
		nowWord, postgresNow, snapshotWord, postgresSnapshot).Replace(s)
}

// source makes a table v of one array for each column. A single row is plain arguments, which cost half as much to run: a
// caller who is alone has single rows only.
func (e *postgresEngine) source(columns []column, one bool) string {
	if one {
		return values(columns)
	}
	return unnest(columns)
}

func (e *postgresEngine) args(columns []column, rows [][]any) ([]any, error) {
	if len(rows) == 1 {
		return rows[0][:len(columns):len(columns)], nil
	}
	return arrays(columns, rows)
}

// values is a table of one row.
func values(columns []column) string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = fmt.Sprintf("$%d::%s", i+1, strings.TrimSuffix(c.kind.postgres(), "[]"))
		if c.kind == text {
			cells[i] += ` COLLATE "C"`
		}
		cells[i] += " AS " + c.name
	}
	return "(SELECT " + strings.Join(cells, ", ") + ") v"
}

// unnest gives its texts the collation of the tables, without which a recursive query does not go with them.
func unnest(columns []column) string {
	arrays, cells := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		arrays[i] = fmt.Sprintf("$%d::%s", i+1, c.kind.postgres())
		cells[i] = "u." + c.name
		if c.kind == text {
			cells[i] += ` COLLATE "C" AS ` + c.name
		}
	}
	return "(SELECT " + strings.Join(cells, ", ") + " FROM unnest(" + strings.Join(arrays, ", ") + ") AS u(" + names(columns, "") + ")) v"
}

// arrays turns rows into columns.
func arrays(columns []column, rows [][]any) ([]any, error) {
	args := make([]any, len(columns))
	for i, c := range columns {
		var err error
		switch c.kind {
		case text:
			args[i], err = cells[string](rows, i)
		case number:
			args[i], err = cells[int64](rows, i)
		case optional:
			args[i], err = cells[*int64](rows, i)
		case truth:
			args[i], err = cells[bool](rows, i)
		case binary:
			args[i], err = cells[[]byte](rows, i)
		}
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return args, nil
}

func cells[T any](rows [][]any, at int) ([]T, error) {
	cs := make([]T, len(rows))
	for i, r := range rows {
		v, ok := r[at].(T)
		if !ok {
			return nil, fmt.Errorf("a %T does not go there", r[at])
		}
		cs[i] = v
	}
	return cs, nil
}

func (e *postgresEngine) in(column string, argument int) string {
	return fmt.Sprintf("%s = ANY($%d::text[])", column, argument)
}

func (e *postgresEngine) values(argument int) string {
	return fmt.Sprintf(`(SELECT u COLLATE "C" AS value FROM unnest($%d::text[]) u) v`, argument)
}

// An array is what the planner cannot look into: it takes the query to return a few rows, and finds them by the column.
func (e *postgresEngine) among(column, query string) string {
	return column + " = ANY (ARRAY(" + query + "))"
}

func (e *postgresEngine) knowsData() bool { return true }

func (e *postgresEngine) list(values []string) any { return values }

// ask sends all questions in one round trip, within one transaction that sees one state of the database.
func (e *postgresEngine) ask(ctx context.Context, questions ...question) error {
	if len(questions) == 1 {
		return e.query(ctx, e.hot, questions[0])
	}
	b := &pgx.Batch{}
	b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	for _, q := range questions {
		b.Queue(q.sql, q.args...)
	}
	b.Queue("COMMIT")
	results := e.hot.SendBatch(ctx, b)
	_, err := results.Exec()
	for _, q := range questions {
		if err != nil {
			break
		}
		var rows pgx.Rows
		rows, err = results.Query()
		err = eachPostgresRow(rows, err, q.each)
	}
	return fromPostgres(ctx, errors.Join(err, results.Close()))
}

func (e *postgresEngine) browse(ctx context.Context, q question) error {
	return e.query(ctx, e.lists, q)
}

// stream reads rows as they come, without asking pgx about each cell, with one text for all those of a row.
func (e *postgresEngine) stream(ctx context.Context, q stream) error {
	rows, err := e.lists.Query(ctx, q.sql, q.args...)
	if err != nil {
		return fromPostgres(ctx, err)
	}
	defer rows.Close()
	row := newLiveRow(q.columns)
	var room []byte
	for rows.Next() {
		raw, formats := rows.RawValues(), rows.FieldDescriptions()
		room = room[:0]
		for i, c := range q.columns {
			if c.kind == text {
				room = append(room, raw[i]...)
				continue
			}
			if row.numbers[i], err = numberIn(raw[i], formats[i].Format); err != nil {
				return err
			}
		}
		all := string(room)
		for i, c := range q.columns {
			if c.kind == text {
				row.texts[i], all = all[:len(raw[i])], all[len(raw[i]):]
			}
		}
		if err := q.each(row); err != nil {
			return err
		}
	}
	return fromPostgres(ctx, rows.Err())
}

// numberIn reads a bigint, which comes as a text where the URL of the database wants it so.
func numberIn(raw []byte, format int16) (int64, error) {
	if format != pgx.BinaryFormatCode {
		return strconv.ParseInt(string(raw), 10, 64)
	}
	n := uint64(0)
	for _, b := range raw {
		n = n<<8 | uint64(b)
	}
	return int64(n), nil
}

func (e *postgresEngine) alter(ctx context.Context, q question) error {
	q.sql = e.words(q.sql)
	return e.query(ctx, e.hot, q)
}

func (e *postgresEngine) query(ctx context.Context, pool *pgxpool.Pool, q question) error {
	rows, err := pool.Query(ctx, q.sql, q.args...)
	return fromPostgres(ctx, eachPostgresRow(rows, err, q.each))
}

func eachPostgresRow(rows pgx.Rows, err error, each func(scan) error) error {
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

func (e *postgresEngine) apply(ctx context.Context, p plan) error {
	return fromPostgres(ctx, e.send(ctx, p))
}

// text gives a statement its arrays of arguments. Where every row must have its effect, the statement divides by zero if
// one has not: in a pipelined batch that is what makes all the rest fail.
func (e *postgresEngine) text(s *statement, one bool) string {
	key := statementText{s, one}
	e.mu.Lock()
	t, ok := e.texts[key]
	e.mu.Unlock()
	if ok {
		return t
	}
	t = e.words(replaceRows(s.text, e.source(s.columns, one)))
	if !s.exact {
		return t
	}
	if !s.selects {
		t += " RETURNING 1"
	}
	want := "1"
	if !one {
		want = "cardinality($1::" + s.columns[0].kind.postgres() + ")"
	}
	return "WITH done AS (" + t + `)
		SELECT 1 / (CASE WHEN (SELECT count(*) FROM done) = ` + want + ` THEN 1 ELSE 0 END)`
}

// send writes a plan in one round trip and one transaction: a pipelined batch is one.
func (e *postgresEngine) send(ctx context.Context, p plan) error {
	b := &pgx.Batch{}
	for _, s := range p {
		rows := s.last()
		args, err := e.args(s.columns, rows)
		if err != nil {
			return err
		}
		b.Queue(e.text(s.statement, len(rows) == 1), args...)
	}
	if b.Len() == 0 {
		return nil
	}
	results := e.hot.SendBatch(ctx, b)
	var err error
	for range p {
		if _, err = results.Exec(); err != nil {
			break
		}
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (e *postgresEngine) commit(ctx context.Context, c *change) error {
	return e.queue.submit(ctx, &job{change: c})
}

// run is a writer: it writes what waits until the queue is closed.
func (e *postgresEngine) run() {
	var left []*job // taken, but not to be written together with those before
	for {
		jobs := left
		if len(jobs) == 0 {
			var more bool
			if jobs, more = e.queue.gather(); !more {
				return
			}
		} else {
			jobs = e.queue.waiting(jobs)
		}
		left = e.writeTogether(jobs)
	}
}

// writeTogether writes the first job and all that go together with it, and returns the others.
func (e *postgresEngine) writeTogether(jobs []*job) (left []*job) {
	g := newGroup()
	var members []*job
	for _, j := range jobs {
		if g.take(j.change) {
			members = append(members, j)
		} else {
			left = append(left, j)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeWithin)
	defer cancel()
	errs := e.write(ctx, g.members)
	kept := left[:0]
	for _, j := range left {
		if outdatedByAny(j.change, g.members, errs) {
			j.done <- store.ErrStale
			continue
		}
		kept = append(kept, j)
	}
	for i, j := range members {
		j.done <- errs[i]
	}
	return kept
}

// outdatedByAny spares a round trip for commits that cannot succeed any more, such as that of the second of two approvers.
func outdatedByAny(c *change, written []*change, errs []error) bool {
	for i, w := range written {
		if errs[i] == nil && c.outdated(w) {
			return true
		}
	}
	return false
}

// write writes a group. If it fails, those that are stale are sorted out and the rest is tried again, one by one if
// nothing else helps.
func (e *postgresEngine) write(ctx context.Context, members []*change) []error {
	errs := make([]error, len(members))
	if len(members) == 0 {
		return errs
	}
	err := fromPostgres(ctx, e.send(ctx, merge(&e.statements, members)))
	switch {
	case err == nil:
		e.growth.add(members)
		e.herald.tell(members)
		return errs
	case len(members) == 1:
		errs[0] = atWriting(err)
		return errs
	case errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil:
		for i := range errs {
			errs[i] = atWriting(err)
		}
		return errs
	}
	e.log.DebugContext(ctx, "a group of commits is tried again", "size", len(members), "error", err)
	return e.writeRest(ctx, members)
}

// atWriting makes the end of the writer's own time an outage: the caller's context has nothing to do with it.
func atWriting(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: a write took longer than %s", store.ErrUnavailable, writeWithin)
	}
	return err
}

func (e *postgresEngine) writeRest(ctx context.Context, members []*change) []error {
	errs, err := e.sift(ctx, members)
	var rest []*change
	var at []int
	for i, m := range members {
		if errs[i] == nil {
			rest, at = append(rest, m), append(at, i)
		}
	}
	if err != nil || len(rest) == len(members) {
		for i, m := range rest {
			errs[at[i]] = e.write(ctx, []*change{m})[0]
		}
		return errs
	}
	for i, err := range e.write(ctx, rest) {
		errs[at[i]] = err
	}
	return errs
}

// sift finds the members of a failed group that are stale for sure: versions only rise. It also finds those whose new
// request is there already.
func (e *postgresEngine) sift(ctx context.Context, members []*change) ([]error, error) {
	errs := make([]error, len(members))
	number0 := column{"n", number}
	var versions, requests [][]any
	for i, m := range members {
		for _, at := range []slot{raiseVersions, checkRelied} {
			for _, r := range m.rows[at] {
				versions = append(versions, append([]any{int64(i)}, r...))
			}
		}
		for _, r := range m.rows[newRequests] {
			requests = append(requests, []any{int64(i), r[0], r[1]})
		}
	}
	found := func(as error) func(scan) error {
		return func(row scan) error {
			var n int64
			err := row(&n)
			if err == nil && errs[n] == nil {
				errs[n] = as
			}
			return err
		}
	}
	var qs []question
	add := func(sql string, columns []column, rows [][]any, each func(scan) error) error {
		if len(rows) == 0 {
			return nil
		}
		args, err := e.args(columns, rows)
		qs = append(qs, question{replaceRows(sql, e.source(columns, len(rows) == 1)), args, each})
		return err
	}
	err := errors.Join(
		add(`SELECT v.n FROM {{rows}} LEFT JOIN cases c ON `+sameKey("c")+` WHERE COALESCE(c.version, 0) <> v.version`,
			append([]column{number0}, casesTable().columns...), versions, found(store.ErrStale)),
		add(`SELECT v.n FROM {{rows}} CROSS JOIN requests q WHERE q.tenant = v.tenant AND q.id = v.id`,
			[]column{number0, {"tenant", text}, {"id", text}}, requests, found(store.ErrConflict)),
	)
	if err == nil && len(qs) > 0 {
		err = e.ask(ctx, qs...)
	}
	return errs, err
}

// bulkBatch is how many commits of a bulk are written in one batch.
const bulkBatch = 1000

func (e *postgresEngine) commitAll(ctx context.Context, cs []*change) []error {
	errs := make([]error, len(cs))
	left := make([]int, len(cs))
	for i := range cs {
		left[i] = i
	}
	for len(left) > 0 {
		g := newGroup()
		var members, others []int
		for _, i := range left {
			if len(g.members) < bulkBatch && g.take(cs[i]) {
				members = append(members, i)
			} else {
				others = append(others, i)
			}
		}
		for j, err := range e.write(ctx, g.members) {
			errs[members[j]] = err
		}
		left = others
	}
	return errs
}
