//go:build unix

package localpg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
)

func standbyOf(t *testing.T, primary *localpg.Server) *localpg.Server {
	t.Helper()
	s, err := primary.Standby(t.Context(), localpg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// What was committed before a crash of the primary is there once the standby is promoted, whenever the crash comes.
func TestStandbyHasEveryCommit(t *testing.T) {
	primary := localpgtest.Private(t, localpg.Options{})
	exec1(t, primary.URL("postgres"), "CREATE TABLE kept (n int)")
	standby := standbyOf(t, primary)

	if got := query(t, standby.URL("postgres"), "SELECT pg_is_in_recovery()::text"); got != "true" {
		t.Errorf("standby in recovery: got %s, want true", got)
	}
	acknowledged := make(chan int)
	go func() { acknowledged <- insertUntilError(t.Context(), primary.URL("postgres")) }()
	awaitRows(t, standby.URL("postgres"), 100)
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	want := <-acknowledged
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec1(t, standby.URL("postgres"), "CREATE TABLE writable (n int)")
	var got int
	conn, err := pgx.Connect(t.Context(), standby.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := conn.QueryRow(t.Context(), "SELECT max(n) FROM kept").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != want && got != want+1 { // the one after the last answer may have come through
		t.Errorf("rows after the fail-over: got %d, want %d or one more", got, want)
	}
}

// insertUntilError commits the numbers from 1 and returns the last one whose commit was answered.
func insertUntilError(ctx context.Context, url string) (last int) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for n := 1; ; n++ {
		if _, err := conn.Exec(ctx, "INSERT INTO kept VALUES ($1)", n); err != nil {
			return n - 1
		}
	}
}

func awaitRows(t *testing.T, url string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for got := 0; got < n; {
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM kept").Scan(&got); err != nil {
			t.Fatalf("%d of %d rows: %v", got, n, err)
		}
	}
}

// A primary whose standby is gone answers no commit, and shows nobody what waits.
func TestPrimaryWaitsForItsStandby(t *testing.T) {
	primary := localpgtest.Private(t, localpg.Options{})
	exec1(t, primary.URL("postgres"), "CREATE TABLE kept (n int)")
	standby := standbyOf(t, primary)
	if err := standby.Kill(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), primary.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "INSERT INTO kept VALUES (1)")
		answer <- err
	}()
	const waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	deadline := time.Now().Add(time.Minute)
	for query(t, primary.URL("postgres"), waiting) != "1" {
		if time.Now().After(deadline) {
			t.Fatal("the commit does not wait for the standby")
		}
	}
	if got := query(t, primary.URL("postgres"), "SELECT count(*)::text FROM kept"); got != "0" {
		t.Errorf("rows seen while the commit waits: got %s, want 0", got)
	}
	if err := standby.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("the commit once the standby is back: %v", err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPromotingAPrimaryIsAnError(t *testing.T) {
	if err := localpgtest.Server(t).Promote(t.Context()); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a refusal", err)
	}
}
