package sqlstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// Tables that have grown from nothing are looked at, and not again while they are about as large.
func TestPostgresLooksAtGrownTables(t *testing.T) {
	url := localpgtest.Database(t)
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	looks := func() (n int) {
		t.Helper()
		// What autovacuum does is counted elsewhere.
		err := db.QueryRow(t.Context(), "SELECT analyze_count FROM pg_stat_user_tables WHERE relname = 'schedules'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	s := open(t, url)
	next := 0
	write := func(s store.Store, count int) {
		t.Helper()
		var cs []store.Commit
		for range count {
			k := pim.Key{Tenant: "t", Provider: pim.Directory, Scope: "/", Role: "r", Principal: pim.PrincipalID(fmt.Sprint(next))}
			cs = append(cs, storetest.Activation(k, 0, fmt.Sprint(next), time.Now()))
			next++
		}
		for _, err := range s.CommitAll(t.Context(), cs) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within 20 s", what)
			}
		}
	}
	write(s, 600)
	until("look at tables that have grown", func() bool { return looks() > 0 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := looks()
	s = open(t, url)
	write(s, 250) // enough to see whether they have grown, which they have not
	until("see whether tables have grown", func() (seen bool) {
		err := db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
			AND pid <> pg_backend_pid() AND state = 'idle' AND query SIMILAR TO '%relpages%|ANALYZE%')`).Scan(&seen)
		if err != nil {
			t.Fatal(err)
		}
		return seen
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := looks(); got != before {
		t.Errorf("got %d looks, want %d", got, before)
	}
}
