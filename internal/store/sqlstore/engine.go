package sqlstore

import "context"

// scan reads the columns of the present row.
type scan func(into ...any) error

// question is a statement that returns rows. Each is called for every row; its error ends the reading.
type question struct {
	sql  string
	args []any
	each func(scan) error
}

// stream is a statement that returns very many rows of few columns.
type stream struct {
	sql     string
	args    []any
	columns []column
	// each is called for every row. The row is good until it returns, the texts in them for ever.
	each func(*liveRow) error
}

// liveRow is a row of a stream: each column's text or number is at its place.
type liveRow struct {
	texts   []string
	numbers []int64
}

func newLiveRow(columns []column) *liveRow {
	return &liveRow{make([]string, len(columns)), make([]int64, len(columns))}
}

// engine is what SQLite and PostgreSQL have in common. Errors are those of package store, the context's, or faults.
type engine interface {
	// ask reads all questions as of one instant, in one round trip.
	ask(ctx context.Context, questions ...question) error
	// browse reads one question that may return very many rows, or the rows of a list.
	browse(ctx context.Context, q question) error
	// stream reads one question of texts and numbers, none of them NULL, that returns as many rows as there are.
	stream(ctx context.Context, q stream) error
	// alter runs one writing statement that returns rows. Each may be called for rows that are not written in the end
	// only when alter returns an error.
	alter(ctx context.Context, q question) error
	// apply writes a plan whole or not at all.
	apply(ctx context.Context, p plan) error
	// commit writes one commit together with others that wait.
	commit(ctx context.Context, c *change) error
	// commitAll writes many commits; the result has an error or nil for each.
	commitAll(ctx context.Context, cs []*change) []error
	// source is the SQL of a table v of arguments, of one row or of any number, for reading, and args are its arguments.
	source(columns []column, one bool) string
	args(columns []column, rows [][]any) ([]any, error)
	// words returns a text with the engine's own words put in.
	words(sql string) string
	// in is a condition that a column is one of the values of the argument with that number.
	in(column string, argument int) string
	// values is a table v with one column, value, of the argument with that number.
	values(argument int) string
	// among is a condition that a column is among what a query returns, which is asked first.
	among(column, query string) string
	// knowsData says whether the planner knows how many rows a condition leaves.
	knowsData() bool
	// list is the argument for in and values.
	list(values []string) any
	// listen calls heard after commits of other processes until the context ends.
	listen(ctx context.Context, heard func()) error
	ping(ctx context.Context) error
	close() error
}
