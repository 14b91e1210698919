package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx

	"portcullis/internal/localpg"
	"portcullis/internal/store"
)

// base is a database that others are copies of: the organisation with its eligibilities.
type base struct {
	organisation
	// eligible is how many of the pairs have an eligibility.
	eligible int
	example  example
}

const baseDatabase = "base"

// startPostgres starts a private server, with what any operator would set for one of this size.
func (b *bench) startPostgres(ctx context.Context) (err error) {
	b.pg, err = localpg.Start(ctx, localpg.Options{Fsync: true, Settings: map[string]string{
		"shared_buffers": "512MB", "max_wal_size": "4GB", "min_wal_size": "4GB", "log_line_prefix": "%d|",
		"track_commit_timestamp": "on", // rows 6a and 6b ask when something was committed
	}})
	if err != nil {
		return err
	}
	var version string
	if err := b.query(ctx, "postgres", "SELECT version()", &version); err != nil {
		return err
	}
	b.note("%s; fsync, full_page_writes and synchronous_commit on; shared_buffers 512MB, min_wal_size and max_wal_size 4GB (segments are used again, as on a server that has run for a while); the same server for both sides.", version)
	return nil
}

// exec runs statements in a database, one after the other.
func (b *bench) exec(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, b.pg.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%.60s: %w", s, err)
		}
	}
	return nil
}

func (b *bench) query(ctx context.Context, database, text string, into ...any) error {
	conn, err := pgx.Connect(ctx, b.pg.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx, text).Scan(into...)
}

// makeBase makes the database that all others are copies of. Its tables are those of sqlstore's migrations.
func (b *bench) makeBase(ctx context.Context) (*base, error) {
	o := newOrganisation(b.sized(2500, 1000))
	m := &base{organisation: o, eligible: o.pairs()}
	if err := b.pg.CreateDatabase(ctx, baseDatabase); err != nil {
		return nil, err
	}
	b.say("writing %d eligibilities of %d people", m.eligible, len(o.people))
	err := withStore(ctx, b.pg.URL(baseDatabase), func(st store.Store) error {
		if err := o.fill(ctx, st, m.eligible); err != nil {
			return err
		}
		b.say("written; copying")
		db, err := sql.Open("pgx", b.pg.URL(baseDatabase))
		if err != nil {
			return err
		}
		m.example, err = makeExample(ctx, st, db, o)
		return errors.Join(err, db.Close())
	})
	if err != nil {
		return nil, err
	}
	return m, b.exec(ctx, baseDatabase, "VACUUM ANALYZE", "CHECKPOINT")
}

// copyOf makes a database that is a copy of another, and drops it later.
func (b *bench) copyOf(ctx context.Context, from, name string) error {
	return b.exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)",
		"CREATE DATABASE "+name+" TEMPLATE "+from+" STRATEGY FILE_COPY", "CHECKPOINT")
}

func (b *bench) drop(ctx context.Context, names ...string) error {
	var errs []error
	for _, n := range names {
		errs = append(errs, b.pg.DropDatabase(ctx, n))
	}
	return errors.Join(errs...)
}
