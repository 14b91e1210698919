package authzen_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/pim"
)

// stream is an answer that is written while it is read.
type stream struct {
	mu     sync.Mutex
	header http.Header
	status int
	text   bytes.Buffer
}

func (s *stream) Header() http.Header { return s.header }
func (s *stream) Flush()              {}

func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// take is what was written since.
func (s *stream) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.text.Reset()
	return s.text.String()
}

// watch opens a stream; ended is closed when it ends.
func (w *world) watch(as, query string) (s *stream, stop func(), ended <-chan struct{}) {
	ctx, cancel := context.WithCancel(w.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://pim.test/access/v1/watch?"+query, nil)
	r.Header.Set("Authorization", "Bearer "+as)
	s = &stream{header: http.Header{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.frame.ServeHTTP(s, r)
	}()
	return s, cancel, done
}

type event struct {
	Subject  string
	Decision bool
	Reason   string
	Until    time.Time
	At       time.Time
	Action   struct{ Name string }
	Resource struct{ Type, ID string }
}

func (w *world) events(s *stream) (all []event) {
	w.Helper()
	synctest.Wait()
	for part := range strings.SplitSeq(s.take(), "\n\n") {
		if part == "" || part == ":" {
			continue
		}
		data, ok := strings.CutPrefix(part, "event: decision\nid: c1\ndata: ")
		var e event
		if err := json.Unmarshal([]byte(data), &e); !ok || err != nil {
			w.Fatalf("got the event %q: %v", part, err)
		}
		all = append(all, e)
	}
	return all
}

// TestWatchTellsChanges is the story of one stream: the state first, then each change by a commit, by the clock at its exact instant,
// by a clock that is moved, and by a node that can no longer know.
func TestWatchTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		s, stop, ended := w.watch(asDoor, "subject="+account(1)+"&subject="+account(2)+"&subjectType=user&action=Directory%20Readers&resourceType=directory&resource=/")
		want := func(what string, subject string, yes bool, reason string) event {
			t.Helper()
			got := w.events(s)
			if len(got) != 1 || got[0].Subject != subject || got[0].Decision != yes || got[0].Reason != reason {
				t.Fatalf("%s: got %+v, want %v of %s for %s", what, got, yes, subject, reason)
			}
			return got[0]
		}
		if got := w.events(s); len(got) != 2 || got[0].Decision || got[1].Decision || s.header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("at first: got %+v %v, want two no", got, s.header)
		}
		grant := w.give(1, readers, pim.Everywhere, 1501*time.Millisecond)
		time.Sleep(10 * time.Millisecond)
		if e := want("a commit", account(1), true, "assignment"); !e.Until.Equal(grant.Window.End) {
			t.Errorf("until %v, want %v", e.Until, grant.Window.End)
		}
		w.give(3, readers, pim.Everywhere, 0) // nobody who is watched
		time.Sleep(1490 * time.Millisecond)
		if got := w.events(s); len(got) != 0 {
			t.Fatalf("before the end: got %+v", got)
		}
		time.Sleep(time.Millisecond)
		if e := want("at the end", account(1), false, "over"); !e.At.Equal(grant.Window.End) {
			t.Errorf("told at %v, want %v", e.At, grant.Window.End)
		}

		other := w.give(2, readers, pim.Everywhere, time.Hour)
		time.Sleep(10 * time.Millisecond)
		want("another commit", account(2), true, "assignment")
		w.move(time.Hour)
		time.Sleep(300 * time.Millisecond)
		want("after the clock was moved", account(2), false, "over")
		w.move(-time.Hour)
		time.Sleep(300 * time.Millisecond)
		want("after it was moved back", account(2), true, "assignment")

		w.grow(true)
		time.Sleep(300 * time.Millisecond)
		if got := w.events(s); len(got) != 2 || got[0].Reason != "stale" || got[1].Reason != "stale" || got[1].Decision {
			t.Fatalf("stale: got %+v, want two no", got)
		}
		w.grow(false)
		time.Sleep(300 * time.Millisecond)
		if got := w.events(s); len(got) != 2 || got[0].Decision || !got[1].Decision {
			t.Fatalf("fresh again: got %+v", got)
		}
		w.take(other)
		time.Sleep(10 * time.Millisecond)
		want("taken", account(2), false, "over")

		time.Sleep(16 * time.Second)
		synctest.Wait()
		if got := s.take(); got != ":\n\n" {
			t.Errorf("a quiet while: got %q, want a comment", got)
		}
		stop()
		<-ended
	})
}

// A stream outlives the time that one call may take, also where the store is asked on the way: for the caller's account, and for names
// of custom roles.
func TestWatchOutlivesACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s, stop, ended := w.watch(asDoor, "subject="+account(1)+"&action=Keeper%20of%20keys&resource=/")
		if got := w.events(s); len(got) != 1 || got[0].Decision {
			t.Fatalf("at first: got %+v", got)
		}
		time.Sleep(10 * time.Minute)
		w.events(s)
		w.give(1, custom, pim.Everywhere, 0)
		time.Sleep(10 * time.Millisecond)
		if got := w.events(s); len(got) != 1 || !got[0].Decision {
			t.Errorf("after ten minutes: got %+v, want a yes", got)
		}
		stop()
		<-ended
	})
}

// TestWatchOfEverything tells each role that a subject holds.
func TestWatchOfEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s, stop, ended := w.watch(asDoor, "subject="+string(person(1))+"&subject=nobody")
		if got := w.events(s); len(got) != 2 || got[0].Reason != "none" || got[1].Reason != "unknownSubject" {
			t.Fatalf("at first: got %+v", got)
		}
		w.give(1, readers, pim.Everywhere, 0)
		grant := w.give(1, custom, "/subscriptions/5c3e0000-0000-4000-8000-000000000071", time.Minute)
		time.Sleep(10 * time.Millisecond)
		got := w.events(s)
		if len(got) != 2 || !got[0].Decision || got[0].Action.Name != string(readers) || got[1].Resource.Type != "azure" || !got[1].Until.Equal(grant.Window.End) {
			t.Fatalf("after two grants: got %+v", got)
		}
		time.Sleep(time.Minute)
		if got := w.events(s); len(got) != 1 || got[0].Decision || got[0].Action.Name != string(custom) {
			t.Fatalf("at the end of one: got %+v", got)
		}
		stop()
		<-ended
	})
}

// TestWatchEndsWithTheRight: the stream ends when the account of the caller is gone, when the token ends, and when a person loses the
// role that let them ask.
func TestWatchEndsWithTheRight(t *testing.T) {
	const query = "subject=person2@contoso.example.com&action=Directory%20Readers&resource=/"
	asPerson := string(person(1)) + "/AccessEvaluation.Read.All"
	for name, fact := range map[string]struct {
		as   string
		lose func(w *world, held pim.Schedule)
	}{
		"account": {asDoor, func(w *world, _ pim.Schedule) {
			w.mu.Lock()
			w.gone[door] = true
			w.mu.Unlock()
			w.index.Publish(access.Change{GoneNames: []access.Account{{Tenant: tenant, ID: door}}})
		}},
		"token": {asDoor, func(w *world, _ pim.Schedule) {
			w.mu.Lock()
			w.until = time.Now()
			w.mu.Unlock()
			time.Sleep(20 * time.Second)
		}},
		"role": {asPerson, func(w *world, held pim.Schedule) { w.take(held) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2)
				held := w.give(1, pim.GlobalReader, pim.Everywhere, 0)
				s, stop, ended := w.watch(fact.as, query)
				defer stop()
				if got := w.events(s); len(got) != 1 {
					t.Fatalf("at first: got %+v", got)
				}
				fact.lose(w, held)
				time.Sleep(time.Second)
				select {
				case <-ended:
				default:
					t.Error("the stream goes on")
				}
			})
		})
	}
}

// TestStreamsAreBounded: an account has so many at once, and gets room again when one ends.
func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		var stops []func()
		open := func() int {
			s, stop, _ := w.watch(asDoor, "subject="+account(1))
			stops = append(stops, stop)
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.status
		}
		for n := range 64 {
			if got := open(); got != http.StatusOK {
				t.Fatalf("stream %d: got %d", n, got)
			}
		}
		if got := open(); got != http.StatusTooManyRequests {
			t.Errorf("one more: got %d, want 429", got)
		}
		stops[0]()
		synctest.Wait()
		if got := open(); got != http.StatusOK {
			t.Errorf("after one ended: got %d, want 200", got)
		}
		for _, stop := range stops {
			stop()
		}
		synctest.Wait()
	})
}
