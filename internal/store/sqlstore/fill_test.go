package sqlstore

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// TestOldEventsAreFilled: rows from before the columns by which the log is asked get the values that new ones have.
func TestOldEventsAreFilled(t *testing.T) {
	folder := t.TempDir()
	database := localpgtest.Database(t)
	for _, x := range []struct{ name, url, driver, source string }{
		{"sqlite", folder, "sqlite", filepath.Join(folder, "portcullis.db")},
		{"postgres", database, "pgx", database},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := opened(t, x.url)
			end := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
			var entries []store.Entry
			for i := range fillSize + 3 {
				entries = append(entries, store.Entry{Event: pim.Event{
					ID: pim.EventID("e-" + strings.Repeat("x", i)), Tenant: "t", At: end, Activity: pim.Requested, Success: true, Action: pim.AdminAssign,
					Kind: pim.Eligibility, Key: pim.Key{Tenant: "t", Principal: "of the case"}, RoleName: "Reader", End: end,
					By: pim.Actor{Principal: "a", Kind: pim.UserPrincipal, Name: "Ann", Account: "Ann@x.example"}, Details: []string{"stage", "one"},
				}})
			}
			entries[0].Event.Principal = pim.Principal{ID: "who", Kind: pim.GroupPrincipal, Name: "Crew"}
			if err := s.Commit(t.Context(), store.Commit{Entries: entries}); err != nil {
				t.Fatal(err)
			}
			fillAgain(t, x.driver, x.source)
			all := store.And{
				store.Is(store.FieldAction, pim.AdminAssign), store.Is(store.FieldKind, pim.Eligibility), store.Is(store.FieldSuccess, true),
				store.Is(store.FieldEnd, end), store.Is(store.FieldActorKind, pim.UserPrincipal), store.Is(store.FieldActorName, "ann"),
				store.Is(store.FieldActorAccount, "ann@x.example"), store.Is(store.FieldRoleName, "reader"), store.Is(store.FieldDetail, "stage one"),
			}
			for _, y := range []struct {
				where store.Filter
				want  int
			}{
				{all, fillSize + 3},
				{append(all, store.Is(store.FieldSubjectID, "of the case")), fillSize + 2},
				{append(all, store.Is(store.FieldSubjectID, "who"), store.Is(store.FieldSubject, "crew"), store.Is(store.FieldSubjectKind, pim.GroupPrincipal)), 1},
			} {
				page, err := s.Events(t.Context(), store.Query{Tenant: "t", Where: y.where, Limit: 1, Count: true})
				if err != nil || page.Count != y.want {
					t.Errorf("%v: got %d rows, %v, want %d", y.where, page.Count, err, y.want)
				}
			}
		})
	}
}

func opened(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fillAgain gives the columns what they have when they are made, and fills them as the migration does.
func fillAgain(t *testing.T, driver, source string) {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.ExecContext(t.Context(), `UPDATE events SET action = 0, kind = 0, success = false, end_at = 9223372036854775807, actor_kind = 0,
		actor_name = '', actor_account = '', subject_id = '', subject = '', subject_kind = 0, role_name = '', detail = ''`)
	if err == nil {
		err = fillEvents(t.Context(), tx)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
}
