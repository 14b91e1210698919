package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// keepsFeed tells whoever reads on behind a place what was committed since, all of it, and nothing else.
func keepsFeed(t *testing.T, s store.Store) {
	place, err := s.FeedPlace(t.Context())
	want(t, "the end of an empty feed", err, nil)
	equal(t, "nothing yet", fedSince(t, s, &place), nil)

	first := Activation(caseKey(1), 0, "first", start())
	stale := Activation(caseKey(1), 7, "stale", start())
	refused := store.Commit{Entries: Activation(caseKey(9), 0, "refused", start()).Entries}
	must(t, s, first, refused)
	want(t, "a stale commit", s.Commit(t.Context(), stale), store.ErrStale)
	got := fedSince(t, s, &place)
	if len(got) != 1 || len(got[0].Schedules) != 1 {
		t.Fatalf("got %d changes of one commit that changes something, one that is stale and one that only tells: %+v", len(got), got)
	}
	equal(t, "a schedule", got[0].Schedules, first.Schedules)
	equal(t, "what falls due", got[0].Due, store.ChangeOf(first).Due)

	ended := Activation(caseKey(1), 1, "first", start())
	ended.NewRequest, ended.Entries = false, nil
	ended.Schedules[0].Ending, ended.Schedules[0].Ended = pim.Removed, start().Add(time.Hour)
	group := directory.Object{Tenant: tenant, ID: "g", Kind: directory.KindGroup, DisplayName: "G", Enabled: true, Created: start(), Group: &directory.Group{}}
	link := directory.Link{Tenant: tenant, Relation: directory.MemberOf, From: "g", To: "p"}
	node := resource.Node{Tenant: tenant, Scope: "/subscriptions/s", ID: "/subscriptions/S", Kind: resource.Subscription, Parent: pim.Everywhere, Created: start()}
	made := store.Commit{Objects: []directory.Object{group}, Links: []directory.Link{link}, Resources: []resource.Node{node},
		Tenant: &directory.Tenant{ID: tenant, Name: "T", Domain: "t.test", Created: start()}}
	gone := store.Commit{Deleted: []directory.Object{group}, Unlinks: []directory.Link{link}, Cleared: []store.Place{{Tenant: tenant, Scope: "/subscriptions/s"}}}
	moved := store.Commit{Outcome: pim.Outcome{Key: caseKey(1), Version: 2, Effects: ended.Effects}}
	must(t, s, ended, made, gone, moved)
	got = fedSince(t, s, &place)
	if len(got) != 4 {
		t.Fatalf("got %d changes of four commits: %+v", len(got), got)
	}
	if e := got[0].Schedules[0]; e.ID != "first" || e.Key != caseKey(1) || e.Ending != pim.Removed {
		t.Errorf("an ended schedule: got %+v", e)
	}
	equal(t, "an object", got[1].Objects, made.Objects)
	equal(t, "a link", got[1].Links, made.Links)
	equal(t, "a node", got[1].Resources, made.Resources)
	equal(t, "a tenant", got[1].Tenants, []pim.TenantID{tenant})
	if d := got[2].Deleted; len(d) != 1 || d[0].ID != "g" || d[0].Kind != directory.KindGroup {
		t.Errorf("a deleted object: got %+v", d)
	}
	if u := got[2].Unlinks; len(u) != 1 || u[0].From != "g" || u[0].To != "p" || u[0].Relation != directory.MemberOf {
		t.Errorf("a link that went: got %+v", u)
	}
	equal(t, "what was cleared", got[2].Cleared, gone.Cleared)
	equal(t, "doors that moved with their grant", got[0].Doors, nil)
	equal(t, "doors that moved without", got[3].Doors, []pim.Key{caseKey(1)})
	equal(t, "nothing more", fedSince(t, s, &place), nil)
}

// fedSince reads on.
func fedSince(t *testing.T, s store.Store, place *store.FeedPlace) []store.Change {
	t.Helper()
	page, err := s.Changes(t.Context(), *place)
	want(t, "changes", err, nil)
	if page.Lost {
		t.Fatal("the feed says that something was lost")
	}
	for _, c := range page.Changes {
		if c.Number > page.Place.Head {
			t.Errorf("change %d is beyond the head %d", c.Number, page.Place.Head)
		}
	}
	*place = page.Place
	return page.Changes
}

// feedsWhatIsKept follows the feed while many write: at the end whoever followed knows what is kept, and has never seen an older
// state of a case after a newer one. What a writer has been told is done, is in what is read from then on.
func feedsWhatIsKept(t *testing.T, s store.Store) {
	const writers = 6
	place, err := s.FeedPlace(t.Context())
	want(t, "the end of the feed", err, nil)
	known := map[pim.Key]int64{} // when it was modified
	var mu sync.Mutex
	read := func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		page, err := s.Changes(ctx, place)
		if err != nil {
			return err
		}
		if page.Lost {
			return errors.New("lost")
		}
		for _, c := range page.Changes {
			for _, one := range c.Schedules {
				next := one.Modified.UnixMicro()
				if before := known[one.Key]; next < before {
					return fmt.Errorf("case %s went back", one.Key.Principal)
				}
				known[one.Key] = next
			}
		}
		place = page.Place
		return nil
	}
	var all sync.WaitGroup
	problems := make(chan error, writers)
	for w := range writers {
		all.Go(func() {
			for n := range rounds() / 4 {
				k := caseKey(n % 5) // they meet
				if err := writeOn(t.Context(), s, k, fmt.Sprintf("w%d-%d", w, n), read); err != nil {
					problems <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(problems)
	for err := range problems {
		t.Fatal(err)
	}
	want(t, "the last reading", read(t.Context()), nil)
	page, err := s.Schedules(t.Context(), store.Query{Tenant: tenant, Limit: 1000})
	want(t, "schedules", err, nil)
	for _, one := range page.Rows {
		if got := known[one.Key]; got != one.Modified.UnixMicro() {
			t.Errorf("case %s: followed to %d, kept is %d", one.Key.Principal, got, one.Modified.UnixMicro())
		}
	}
}

// writeOn raises a case's only schedule by a microsecond, however often it takes, then reads the feed.
func writeOn(ctx context.Context, s store.Store, k pim.Key, name string, read func(context.Context) error) error {
	for {
		have, err := s.Case(ctx, pim.Need{Key: k})
		if err != nil {
			return err
		}
		c := Activation(k, have.Version, name, start())
		c.Schedules[0].ID = pim.ScheduleID("of-" + string(k.Principal))
		c.Schedules[0].Modified = start().Add(time.Duration(have.Version+1) * time.Microsecond)
		switch err := s.Commit(ctx, c); {
		case errors.Is(err, store.ErrStale):
			continue
		case err != nil:
			return err
		}
		return read(ctx)
	}
}

// forgetsChanges says so to whoever was behind what was forgotten, and to nobody else.
func forgetsChanges(t *testing.T, s store.Store) {
	old, err := s.FeedPlace(t.Context())
	want(t, "the end of the feed", err, nil)
	for n := range 5 {
		must(t, s, Activation(caseKey(n), 0, fmt.Sprint(n), start()))
	}
	now, err := s.FeedPlace(t.Context())
	want(t, "the end of the feed", err, nil)
	n, err := s.PurgeChanges(t.Context(), time.Now().Add(-time.Hour), 100)
	want(t, "purge what is older", err, nil)
	equal(t, "what is older", n, 0)
	if _, err = s.PurgeChanges(t.Context(), time.Now().Add(time.Hour), 100); err != nil {
		t.Fatal(err)
	}
	page, err := s.Changes(t.Context(), old)
	want(t, "read behind what was forgotten", err, nil)
	if !page.Lost {
		t.Errorf("nothing says that changes are missing: %+v", page)
	}
	equal(t, "who was not behind", fedSince(t, s, &now), nil)
	must(t, s, Activation(caseKey(9), 0, "9", start()))
	if got := fedSince(t, s, &now); len(got) != 1 {
		t.Errorf("after a purge: got %+v, want one change", got)
	}
}
