package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"portcullis/internal/store"
)

// own says whether an error needs no translation.
func own(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCursor)
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", store.ErrUnavailable, err) }

// fromPostgres turns an error of pgx into one of package store, the context's, or leaves it a fault.
func fromPostgres(ctx context.Context, err error) error {
	if err == nil || own(err) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fromPostgresCode(e)
	}
	_, refused := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	switch {
	case refused, network, pgconn.SafeToRetry(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, puddle.ErrClosedPool), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled):
		return unavailable(err)
	}
	return err
}

// fromPostgresCode reads the SQLSTATE (PostgreSQL, Appendix A).
func fromPostgresCode(e *pgconn.PgError) error {
	switch e.Code {
	case "40001", "40P01", // serialization failure, deadlock: the other one went first
		"22012": // division by zero: the version test of a plan, see exactly
		return fmt.Errorf("%w: %w", store.ErrStale, e)
	case "23505": // unique violation
		return fmt.Errorf("%w: %w", store.ErrConflict, e)
	case "25006", // read-only transaction: a standby, or a full disk that an operator has reacted to
		"57P01", "57P02", "57P03", "57P05", // shutdown, crash, cannot connect now, idle session ended
		"58030", // I/O error
		"57014", // canceled by a timeout of the server's
		"55P03": // lock not available
		return unavailable(e)
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "53": // connection, insufficient resources (disk full, too many connections)
		return unavailable(e)
	}
	return e
}

// fromSQLite does the same for SQLite's result codes.
func fromSQLite(ctx context.Context, err error) error {
	if err == nil || own(err) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
		return unavailable(err)
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w: %w", store.ErrConflict, err)
	}
	switch e.Code() & 0xff { // the primary result code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM:
		return unavailable(err)
	}
	return err
}
