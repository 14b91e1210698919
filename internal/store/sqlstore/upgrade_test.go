package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
)

// recordedVersion is the version of the tables of the oldest program that may run beside this one while nodes are replaced one by one.
const recordedVersion = 7

// A program of the first version works on one connection, which it keeps while the tables are brought up to date under it and a node
// of this version works beside it. Each reads what the other wrote, and the node of this version learns that the other has written.
func TestRollingUpgrade(t *testing.T) {
	url := localpgtest.Database(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := new(storetest.Model)
	tell := func(steps []step, stores ...store.Store) {
		t.Helper()
		for _, one := range steps {
			for _, s := range stores {
				if err := one.do(t.Context(), s); err != nil {
					t.Fatalf("%s: %v", one.name, err)
				}
			}
		}
	}
	if err := sqlstore.MigrateTo(t.Context(), db, true, recordedVersion); err != nil {
		t.Fatal(err)
	}
	old, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close(context.WithoutCancel(t.Context()))
	recorded := func(name string) []recordedStep {
		return readRecorded(t, filepath.Join("testdata", "upgrade", name))
	}
	replay(t, old, recorded("v7-first.txt"))
	tell(firstSteps(), want)

	s := open(t, url)
	defer s.Close()
	before := placeOf(t, s)
	tell(newSteps(), s, want)
	readAlike(t, "what the old program wrote before", s, want)
	fed := changesBehind(t, s, before, false)
	if len(fed) == 0 {
		t.Error("the new program's own commits are not in its feed")
	}

	after := placeOf(t, s)
	replay(t, old, recorded("v7-beside.txt"))
	tell(besideSteps(), want)
	changesBehind(t, s, after, true)
	readAlike(t, "what the old program wrote beside it", s, want)

	// Filled anew, it follows the feed again, until the old program writes the next time.
	anew := placeOf(t, s)
	tell([]step{commits("the new program goes on where the old one stopped", ends(7, "old-7", "over"))}, s, want)
	fed = changesBehind(t, s, anew, false)
	if !slices.ContainsFunc(fed, func(c store.Change) bool {
		return slices.ContainsFunc(c.Schedules, func(s pim.Schedule) bool { return s.ID == "old-7" && s.Ending == pim.Removed })
	}) {
		t.Errorf("got %+v in the feed, want the end of what the old program gave", fed)
	}
	readAlike(t, "at the end", s, want)
}

// What was recorded is what the story says, so that neither is changed alone.
func TestRecordedStepsAreTheStory(t *testing.T) {
	for name, steps := range map[string][]step{"v7-first.txt": firstSteps(), "v7-beside.txt": besideSteps()} {
		var got, want []string
		for _, r := range readRecorded(t, filepath.Join("testdata", "upgrade", name)) {
			got = append(got, r.name)
			if len(r.batches) == 0 {
				t.Errorf("%s: nothing was recorded for %q", name, r.name)
			}
		}
		for _, s := range steps {
			want = append(want, s.name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: steps (-story +recorded):\n%s", name, diff)
		}
	}
}

func placeOf(t *testing.T, s store.Store) store.FeedPlace {
	t.Helper()
	p, err := s.FeedPlace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// changesBehind reads the feed from a place, and checks whether it says that something may be missing.
func changesBehind(t *testing.T, s store.Store, at store.FeedPlace, lost bool) []store.Change {
	t.Helper()
	page, err := s.Changes(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if page.Lost != lost {
		t.Errorf("changes may be missing: got %v, want %v", page.Lost, lost)
	}
	return page.Changes
}

// readAlike asks a store all that the model is asked too.
func readAlike(t *testing.T, when string, s, model store.Store) {
	t.Helper()
	alike := cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b schedule.Duration) bool { return a.Equal(b) }),
		cmpopts.IgnoreUnexported(rbac.Denial{})}
	for _, r := range readings() {
		got, err := r.read(t.Context(), s)
		if err != nil {
			t.Fatalf("%s: %s: %v", when, r.name, err)
		}
		want, err := r.read(t.Context(), model)
		if err != nil {
			t.Fatalf("%s: %s: the model: %v", when, r.name, err)
		}
		if diff := cmp.Diff(want, got, alike...); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", when, r.name, diff)
		}
	}
}
