package sqlstore

import (
	"context"
	"database/sql"
	"io/fs"
	"testing/fstest"

	"github.com/pressly/goose/v3"
)

// MigrateFirst brings an empty database to the first state that tables ever had.
func MigrateFirst(ctx context.Context, db *sql.DB, postgres bool) error {
	return MigrateTo(ctx, db, postgres, 1)
}

// MigrateTo brings an empty database to the state that tables had at a version.
func MigrateTo(ctx context.Context, db *sql.DB, postgres bool, version int) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	some := fstest.MapFS{}
	for _, name := range names[:version] { // in the order of their numbers
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return err
		}
		some[name] = &fstest.MapFile{Data: text}
	}
	dialect, words := goose.DialectSQLite3, forSQLite
	if postgres {
		dialect, words = goose.DialectPostgres, forPostgres
	}
	return migrateBy(ctx, some, db, dialect, words)
}
