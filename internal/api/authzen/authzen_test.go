package authzen_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/api/authzen"
	"portcullis/internal/app"
	"portcullis/internal/pim"
)

// Checked is told every decision; it has to wait for nothing.
func (w *world) checked(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reasons = append(w.reasons, reason)
}

type decided struct {
	Decision bool
	Context  struct {
		Reason           string
		Until            time.Time
		NextChange       time.Time
		At               time.Time
		ConsistencyToken string
		Chain            []struct{ Kind, ID string }
	}
}

func (w *world) decide(body string) decided {
	w.Helper()
	rec := w.ask(http.MethodPost, "/access/v1/evaluation", body)
	var d decided
	if err := json.Unmarshal(rec.Body.Bytes(), &d); err != nil || rec.Code != http.StatusOK {
		w.Fatalf("%s: got %d with %s", body, rec.Code, rec.Body)
	}
	return d
}

// TestANodeThatCannotKnowSaysNo: stale nodes and nodes that are behind deny, whatever they remember, and say so; searches, whose empty
// answer would be believed, say that they cannot answer now.
func TestANodeThatCannotKnowSaysNo(t *testing.T) {
	w := newWorld(t, 3)
	w.surface.Checked = w.checked
	w.give(1, readers, pim.Everywhere, 0)
	withToken := func(token string) string {
		return strings.TrimSuffix(question(1, readers), "}") + `,"context":{"consistencyToken":"` + token + `"}}`
	}
	w.behind["c9"] = true
	for _, fact := range []struct {
		stale  bool
		body   string
		yes    bool
		reason string
	}{
		{false, question(1, readers), true, "assignment"},
		{true, question(1, readers), false, "stale"},
		{false, withToken("c1"), true, "assignment"},
		{false, withToken("c9"), false, "behind"},
		{true, question(2, readers), false, "stale"},
		{false, question(2, readers), false, "none"},
		{false, question(4, readers), false, "unknownSubject"},
	} {
		w.grow(fact.stale)
		if d := w.decide(fact.body); d.Decision != fact.yes || d.Context.Reason != fact.reason {
			t.Errorf("stale %v, %s: got %+v, want %v for %s", fact.stale, fact.body, d, fact.yes, fact.reason)
		}
	}
	want := []string{"assignment", "stale", "assignment", "behind", "stale", "none", "unknownSubject"}
	if !slices.Equal(w.reasons, want) {
		t.Errorf("counted %v, want %v", w.reasons, want)
	}
	batch := `{"evaluations":[` + withToken("c9") + "," + question(1, readers) + "," + withToken("c9") + `]}`
	rec := w.ask(http.MethodPost, "/access/v1/evaluations", batch)
	if got := strings.Count(rec.Body.String(), `"behind"`); got != 2 || !strings.Contains(rec.Body.String(), `"assignment"`) {
		t.Errorf("a batch of which two are behind: got %s", rec.Body)
	}
	search := `{"subject":{"type":"user"},"action":{"name":"Directory Readers"},"resource":{"type":"directory","id":"/"}`
	for _, fact := range []struct {
		stale bool
		body  string
		want  int
	}{
		{false, search + "}", http.StatusOK}, {true, search + "}", http.StatusServiceUnavailable},
		{false, search + `,"context":{"consistencyToken":"c9"}}`, http.StatusServiceUnavailable},
		{false, search + `,"context":{"consistencyToken":"x"}}`, http.StatusBadRequest},
	} {
		w.grow(fact.stale)
		if rec := w.ask(http.MethodPost, "/access/v1/search/subject", fact.body); rec.Code != fact.want {
			t.Errorf("stale %v, %s: got %d with %s, want %d", fact.stale, fact.body, rec.Code, rec.Body, fact.want)
		}
	}
	w.grow(true)
	if rec := w.ask(http.MethodGet, "/access/v1/gate?subject="+account(1)+"&action=Directory%20Readers&resource=/", ""); rec.Code != http.StatusForbidden ||
		rec.Header().Get("Portcullis-Reason") != "stale" {
		t.Errorf("a stale gate: got %d %v", rec.Code, rec.Header())
	}
}

// TestAnAnswerSaysWhenItChanges: until and nextChange are exact, and at the instant it is so.
func TestAnAnswerSaysWhenItChanges(t *testing.T) {
	w := newWorld(t, 2)
	s := w.give(1, readers, pim.Everywhere, time.Hour)
	d := w.decide(question(1, readers))
	if !d.Decision || !d.Context.Until.Equal(s.Window.End) || d.Context.At.IsZero() || d.Context.ConsistencyToken != "c1" {
		t.Errorf("got %+v, want yes until %v", d, s.Window.End)
	}
	if chain := fmt.Sprint(d.Context.Chain); chain != "[{assignment "+string(s.ID)+"} {scope /}]" {
		t.Errorf("got the chain %s", chain)
	}
	w.move(time.Hour)
	if d := w.decide(question(1, readers)); d.Decision || !d.Context.Until.IsZero() || len(d.Context.Chain) > 0 {
		t.Errorf("at the end: got %+v, want no", d)
	}
}

// TestCustomRolesHaveNames: those of the directory are found by name without asking the store for each question.
func TestCustomRolesHaveNames(t *testing.T) {
	w := newWorld(t, 2)
	w.give(1, custom, pim.Everywhere, 0)
	for _, name := range []string{"Keeper of keys", "KEEPER OF KEYS", string(custom)} {
		if d := w.decide(question(1, pim.RoleID(name))); !d.Decision {
			t.Errorf("%s: got %+v, want yes", name, d)
		}
	}
	rec := w.ask(http.MethodPost, "/access/v1/search/action", `{"subject":{"type":"user","id":"`+account(1)+`"},"resource":{"type":"directory","id":"/"}}`)
	if !strings.Contains(rec.Body.String(), `"results":[{"name":"Keeper of keys"}]`) {
		t.Errorf("got %s", rec.Body)
	}
}

// TestABatchIsBounded: a thousand are answered, one more is refused as a whole.
func TestABatchIsBounded(t *testing.T) {
	w := newWorld(t, 2)
	for _, fact := range []struct{ n, want int }{{1000, http.StatusOK}, {1001, http.StatusBadRequest}} {
		all := strings.Repeat(question(1, readers)+",", fact.n)
		rec := w.ask(http.MethodPost, "/access/v1/evaluations", `{"evaluations":[`+all[:len(all)-1]+`]}`)
		if rec.Code != fact.want || rec.Code == http.StatusOK && strings.Count(rec.Body.String(), `"decision":false`) != fact.n {
			t.Errorf("%d evaluations: got %d, want %d", fact.n, rec.Code, fact.want)
		}
	}
}

// TestCallsShareNothing: many callers at once, whose bodies and answers go through the same rooms, are answered each about their own.
func TestCallsShareNothing(t *testing.T) {
	w := newWorld(t, 40)
	for n := 1; n <= 40; n += 2 {
		w.give(n, readers, pim.Everywhere, 0)
	}
	var all sync.WaitGroup
	for n := 1; n <= 40; n++ {
		all.Go(func() {
			for i := range 50 {
				body, want := question(n, readers), n%2 == 1
				if i%2 == 0 { // through the full decoder
					body = strings.Replace(body, "person", `\u0070erson`, 1)
				}
				if d := w.decide(body); d.Decision != want {
					t.Errorf("person %d: got %v, want %v", n, d.Decision, want)
				}
				several := `{"evaluations":[` + body + "," + question(n%40+1, readers) + `]}`
				rec := w.ask(http.MethodPost, "/access/v1/evaluations", several)
				if got := strings.Count(rec.Body.String(), `"decision":true`); got != 1 {
					t.Errorf("persons %d and %d: got %d yes of two, want 1: %s", n, n%40+1, got, rec.Body)
				}
			}
		})
	}
	all.Wait()
}

// TestPagesAreComplete: every holder comes once, whatever the length of the pages, and however many others there are between.
func TestPagesAreComplete(t *testing.T) {
	w := newWorld(t, 60)
	var want []string
	for n := 1; n <= 60; n++ {
		if n%3 == 0 {
			w.give(n, readers, pim.Everywhere, 0)
			want = append(want, string(person(n)))
		}
	}
	// An application holds it, too, which a search for users passes over.
	w.give(900, readers, pim.Everywhere, 0)
	for _, limit := range []int{1, 2, 7, 20, 1000} {
		var got []string
		token := ""
		for range 100 {
			rec := w.ask(http.MethodPost, "/access/v1/search/subject", fmt.Sprintf(
				`{"subject":{"type":"user"},"action":{"name":"Directory Readers"},"resource":{"type":"directory","id":"/"},"page":{"limit":%d,"token":%q}}`, limit, token))
			var page struct {
				Page    struct{ Next_token string } //nolint:revive // the member's name
				Results []struct{ ID string }
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || rec.Code != http.StatusOK {
				t.Fatalf("got %d with %s", rec.Code, rec.Body)
			}
			for _, r := range page.Results {
				got = append(got, r.ID)
			}
			if token = page.Page.Next_token; token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d: got %d holders, want %d: %v", limit, len(got), len(want), got)
		}
	}
}

var _ authzen.Application = (*app.App)(nil)
