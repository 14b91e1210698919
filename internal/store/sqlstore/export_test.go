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
	const name = "migrations/00001_house.sql"
	text, err := fs.ReadFile(migrations, name)
	if err != nil {
		return err
	}
	dialect, words := goose.DialectSQLite3, forSQLite
	if postgres {
		dialect, words = goose.DialectPostgres, forPostgres
	}
	return migrateBy(ctx, fstest.MapFS{name: &fstest.MapFile{Data: text}}, db, dialect, words)
}
