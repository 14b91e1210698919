// Package sqlstore keeps what package store promises on SQLite, in one data folder, and on PostgreSQL 15 or newer.
//
// Both engines run the same SQL text with $n arguments; the few words that differ are put in by the engine (see
// statement.go). The stored form of each noun is here, in the file of that noun, with its table in migrations.
//
// Writes are gathered: commits that arrive while others are written wait a moment and are then written together. On
// SQLite that is one transaction with a savepoint for each; on PostgreSQL one pipelined batch in one round trip, whose
// number of statements does not grow with the group. A commit on its own is written at once. Cases are read likewise.
package sqlstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"portcullis/internal/store"
)

// Options say where the store is.
type Options struct {
	// URL is "postgres://…" or "postgresql://…", or the path of a data folder, which is made if it is not there.
	URL string
	// Logger hears of what no caller is told; nil: nobody does.
	Logger *slog.Logger
	// Readers bounds the connections that read at once; 0: a number that suits the machine.
	Readers int
}

// Store implements store.Store.
type Store struct {
	db     engine
	log    *slog.Logger
	closed atomic.Bool
	// texts are those of the questions that make a case, by name; completed are texts with their table of arguments.
	texts, completed sync.Map
	gathering        *gathering
}

var _ store.Store = (*Store)(nil)

// Open connects, brings the tables up to date and returns the store. Its errors are one sentence for an operator: what
// cannot be reached or written, and why. The context bounds opening alone.
func Open(ctx context.Context, o Options) (*Store, error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var db engine
	var err error
	switch {
	case o.URL == "":
		return nil, fmt.Errorf("the store needs a data folder or the URL of a PostgreSQL database")
	case strings.HasPrefix(o.URL, "postgres://"), strings.HasPrefix(o.URL, "postgresql://"):
		db, err = openPostgres(ctx, o, log)
	case strings.Contains(o.URL, "://"):
		return nil, fmt.Errorf("the store can be a data folder or a postgres:// URL, nothing else")
	default:
		db, err = openSQLite(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	return &Store{db: db, log: log, gathering: newGathering()}, nil
}

// Close waits for the commits that are being written and ends all connections. Every later call fails with
// store.ErrUnavailable.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.gathering.close()
	return s.db.close()
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	return s.fault("ping the store", s.check(s.db.ping(ctx)))
}

// check makes every error of a closed store one of unavailability.
func (s *Store) check(err error) error {
	if err != nil && s.closed.Load() {
		return errClosed
	}
	return err
}

var errClosed = fmt.Errorf("%w: it is closed", store.ErrUnavailable)

// fault says what was being done when an error came up.
func (s *Store) fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, s.check(err))
}
