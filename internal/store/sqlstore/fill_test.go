package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
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
			fillAgain(t, x.driver, x.source, `UPDATE events SET action = 0, kind = 0, success = false, end_at = 9223372036854775807, actor_kind = 0,
				actor_name = '', actor_account = '', subject_id = '', subject = '', subject_kind = 0, role_name = '', detail = ''`, fillEvents)
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

// TestOldNodesAreFilled: rows from before the alias get the one that new ones have.
func TestOldNodesAreFilled(t *testing.T) {
	folder := t.TempDir()
	database := localpgtest.Database(t)
	for _, x := range []struct{ name, url, driver, source string }{
		{"sqlite", folder, "sqlite", filepath.Join(folder, "portcullis.db")},
		{"postgres", database, "pgx", database},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := opened(t, x.url)
			var nodes []resource.Node
			for _, tenant := range []pim.TenantID{"t", "u"} {
				for i := range fillSize/2 + 3 {
					n := resource.Node{Tenant: tenant, Scope: pim.Scope(fmt.Sprintf("/subscriptions/%d", i)), Kind: resource.Subscription}
					nodes = append(nodes, n)
				}
			}
			if err := s.Commit(t.Context(), store.Commit{Resources: nodes}); err != nil {
				t.Fatal(err)
			}
			fillAgain(t, x.driver, x.source, "UPDATE resources SET alias = ''", fillAliases)
			for _, n := range []resource.Node{nodes[0], nodes[7], nodes[fillSize/2+3], nodes[len(nodes)-1]} {
				page, err := s.Resources(t.Context(), store.Query{Tenant: n.Tenant, Where: store.Is(store.FieldAlias, resource.GovernanceID(n.Scope))})
				if err != nil || len(page.Rows) != 1 || page.Rows[0].Scope != n.Scope {
					t.Errorf("%s of %s: got %v, %v", n.Scope, n.Tenant, page.Rows, err)
				}
			}
			page, err := s.Resources(t.Context(), store.Query{Tenant: "t", Where: store.Is(store.FieldAlias, nil), Count: true})
			if err != nil || page.Count != 0 {
				t.Errorf("got %d nodes without an alias, %v", page.Count, err)
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

// fillAgain gives columns what they have when they are made, and fills them as their migration does.
func fillAgain(t *testing.T, driver, source, empty string, fill func(context.Context, *sql.Tx) error) {
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
	_, err = tx.ExecContext(t.Context(), empty)
	if err == nil {
		err = fill(t.Context(), tx)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
}
