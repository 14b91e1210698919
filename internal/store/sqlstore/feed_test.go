package sqlstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
)

func feedKey(n int) pim.Key {
	return pim.Key{Tenant: "t", Provider: pim.Directory, Scope: pim.Everywhere, Role: "r", Principal: pim.PrincipalID(fmt.Sprint("p", n))}
}

func commitOne(t *testing.T, s *sqlstore.Store, n int) {
	t.Helper()
	if err := s.Commit(t.Context(), storetest.Activation(feedKey(n), 0, fmt.Sprint("id", n), time.Now())); err != nil {
		t.Fatal(err)
	}
}

func readOn(t *testing.T, s *sqlstore.Store, place *store.FeedPlace) []store.Change {
	t.Helper()
	page, err := s.Changes(t.Context(), *place)
	if err != nil {
		t.Fatal(err)
	}
	if page.Lost {
		t.Fatal("the feed says that something was lost")
	}
	*place = page.Place
	return page.Changes
}

// slow is a transaction that has taken a number of the feed and is not over.
func slow(t *testing.T, url string) pgx.Tx {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `INSERT INTO leases (name, holder, until_at) VALUES ('slow', 'slow', 0)`); err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), `INSERT INTO changes (made, doc) VALUES (0, '[{"t":[["slow"]]}]')`)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// TestANumberThatComesLate: what becomes visible behind higher numbers is read when it does, and until then nothing behind it counts
// as reached.
func TestANumberThatComesLate(t *testing.T) {
	url := localpgtest.Database(t)
	s := open(t, url)
	defer s.Close()
	commitOne(t, s, 0)
	place, err := s.FeedPlace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tx := slow(t, url)
	commitOne(t, s, 1)
	if got := readOn(t, s, &place); len(got) != 1 {
		t.Fatalf("got %d changes beside one that is not over, want 1", len(got))
	}
	late := place.Head
	if len(place.Gaps) != 1 || place.Reached(late) || !place.Reached(place.Gaps[0].Number-1) {
		t.Fatalf("with a number missing: %+v", place)
	}
	begun, err := s.FeedPlace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(begun.Gaps) != 1 || begun.Reached(late) {
		t.Errorf("who begins meanwhile does not know of the number that is missing: %+v", begun)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*store.FeedPlace{&place, &begun} {
		if got := readOn(t, s, p); len(got) != 1 || len(got[0].Tenants) != 1 || got[0].Tenants[0] != "slow" {
			t.Errorf("what came late: got %+v", got)
		}
		if !p.Reached(late) || len(p.Gaps) > 0 {
			t.Errorf("after it came: %+v", *p)
		}
	}
}

// TestANumberThatNeverComes: a number whose transaction was undone is waited for as long as that could still be over, not longer.
func TestANumberThatNeverComes(t *testing.T) {
	url := localpgtest.Database(t)
	s := open(t, url)
	defer s.Close()
	place, err := s.FeedPlace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tx := slow(t, url)
	commitOne(t, s, 1)
	readOn(t, s, &place)
	if place.Reached(place.Head) {
		t.Fatalf("reached although a number is missing: %+v", place)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := readOn(t, s, &place); len(got) != 0 || !place.Reached(place.Head) {
		t.Errorf("after it was undone: %+v, %+v", got, place)
	}
}

// TestAnotherRunOfTheServer: after a restart nobody relies on numbers of before.
func TestAnotherRunOfTheServer(t *testing.T) {
	pg := localpgtest.Private(t, localpg.Options{})
	if err := pg.CreateDatabase(t.Context(), "feed"); err != nil {
		t.Fatal(err)
	}
	s := open(t, pg.URL("feed"))
	defer s.Close()
	commitOne(t, s, 1)
	place, err := s.FeedPlace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := pg.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	var page store.FeedPage
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if page, err = s.Changes(t.Context(), place); err == nil {
			break
		}
	}
	if err != nil || !page.Lost {
		t.Errorf("after a restart of the server: got %+v, %v, want lost", page, err)
	}
}

// TestNodesHearOfCommits: a store listens to others' commits and not to its own.
func TestNodesHearOfCommits(t *testing.T) {
	url := localpgtest.Database(t)
	a, b := open(t, url), open(t, url)
	defer a.Close()
	defer b.Close()
	ctx, stop := context.WithCancel(t.Context())
	heard, ended := make(chan struct{}, 100), make(chan error, 1)
	go func() { ended <- b.Listen(ctx, func() { heard <- struct{}{} }) }()
	wait := func(what string) {
		t.Helper()
		select {
		case <-heard:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: nothing was heard", what)
		}
	}
	wait("at the beginning")
	commitOne(t, b, 1)
	commitOne(t, a, 2)
	wait("after another's commit")
	select {
	case <-heard:
		t.Error("its own commit was heard, too")
	default:
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("listening ended with %v", err)
	}
}

// TestANumberOfATransactionThatBeganLast: PostgreSQL's xmax is one behind the newest transaction that is over, and so no bound of those
// that have begun: one at or above it may hold a number.
func TestANumberOfATransactionThatBeganLast(t *testing.T) {
	url := localpgtest.Database(t)
	s := open(t, url)
	defer s.Close()
	commitOne(t, s, 0)
	place, err := s.FeedPlace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	early, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := early.Exec(t.Context(), `SELECT pg_current_xact_id()`); err != nil {
		t.Fatal(err)
	}
	late := slow(t, url) // begins behind it, and has the lower number
	if _, err := early.Exec(t.Context(), `INSERT INTO changes (made, doc) VALUES (0, '[{"t":[["early"]]}]')`); err != nil {
		t.Fatal(err)
	}
	if err := early.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	begun, err := s.FeedPlace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	readOn(t, s, &place)
	for _, p := range []*store.FeedPlace{&place, &begun} {
		readOn(t, s, p) // it is still waited for at the second look
		if p.Reached(p.Head) {
			t.Errorf("reached although a number is missing: %+v", *p)
		}
	}
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*store.FeedPlace{&place, &begun} {
		if got := readOn(t, s, p); len(got) != 1 || len(got[0].Tenants) != 1 || got[0].Tenants[0] != "slow" {
			t.Errorf("what came late: got %+v", got)
		}
	}
}
