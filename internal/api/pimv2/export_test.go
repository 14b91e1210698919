package pimv2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
)

// longHouse has so many people eligible for roles of the directory, on SQLite.
func longHouse(t testing.TB, rows int) *house {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	const people = 200
	h := newHouse(t, s, people)
	roles := catalog.Roles()
	list := make([]pim.Schedule, rows)
	for i := range list {
		list[i] = pim.Schedule{ID: pim.ScheduleID(numbered("e1000000", i)), Kind: pim.Eligibility, Key: pim.Key{Provider: pim.Directory,
			Scope: pim.AdministrativeUnit(numbered("d0000000", i/people)), Role: pim.RoleID(roles[i%len(roles)].ID), Principal: pim.PrincipalID(person(i % people))}}
	}
	h.hold(list...)
	return h
}

const everything = "/api/v2/privilegedAccess/aadRoles/roleAssignments/export?$filter=assignmentState%20eq%20'Eligible'"

// stream is the table of everything as it is sent.
func (h *house) stream() api.Answer {
	h.Helper()
	for _, r := range New(h.app, h.store, Options{}).Routes() {
		if path, _, _ := strings.Cut(everything, "?"); r.Pattern != path || r.Method != http.MethodGet {
			continue
		}
		in := httptest.NewRequestWithContext(h.Context(), http.MethodGet, everything, nil)
		a, err := r.Handle(h.call(in))
		h.must(err)
		return a
	}
	h.Fatalf("no route for %s", everything)
	return api.Answer{}
}

// exported sends a table and tells how long it was, and how much more than before was alive at most while it was sent.
func (h *house) exported() (sent tally, alive int64) {
	h.Helper()
	live := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) //nolint:gosec // no heap is that large
	}
	a, before := h.stream(), live()
	sent.each = func() { alive = max(alive, live()-before) }
	h.must(a.Stream(h.Context(), &sent))
	return sent, alive
}

// TestExportHoldsOnePage: ten times the rows make the export as much longer, and take no more memory.
func TestExportHoldsOnePage(t *testing.T) {
	const rows, megabytes = 3_000, 1 << 20
	few, aliveFew := longHouse(t, rows).exported()
	many, aliveMany := longHouse(t, 10*rows).exported()
	t.Logf("%d lines: %d bytes, at most %d in a piece, %d alive; %d lines: %d bytes, %d, %d",
		few.lines, few.bytes, few.most, aliveFew, many.lines, many.bytes, many.most, aliveMany)
	if few.lines != rows+1 || many.lines != 10*rows+1 {
		t.Errorf("got %d and %d lines, want the rows and a header", few.lines, many.lines)
	}
	if many.most > 2*few.most {
		t.Errorf("the longest piece of many rows has %d bytes, that of few %d", many.most, few.most)
	}
	if aliveMany > aliveFew+4*megabytes {
		t.Errorf("of %d rows %d bytes are alive at once, of %d rows %d", 10*rows, aliveMany, rows, aliveFew)
	}
}

// BenchmarkExport tells how long and how large the export of so many rows is, and what is alive while it is sent.
func BenchmarkExport(b *testing.B) {
	for _, rows := range []int{20_000, 200_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			h := longHouse(b, rows)
			_, alive := h.exported()
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				var sent tally
				h.must(h.stream().Stream(b.Context(), &sent))
				b.SetBytes(int64(sent.bytes))
			}
			b.ReportMetric(float64(alive)/(1<<20), "MB-alive")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		})
	}
}

// leaver is a caller who hangs up after some pieces.
type leaver struct {
	tally
	after int
}

var errHungUp = errors.New("the caller hung up")

func (l *leaver) Write(b []byte) (int, error) {
	if l.after--; l.after < 0 {
		return 0, errHungUp
	}
	return l.tally.Write(b)
}

// TestExportEndsWithItsCaller: nothing more is read for somebody who has gone.
func TestExportEndsWithItsCaller(t *testing.T) {
	h := longHouse(t, 5*listing.ScanSize)
	a := h.stream()
	h.store.Since()
	if err := a.Stream(t.Context(), &leaver{after: 2}); !errors.Is(err, errHungUp) {
		t.Errorf("a caller who hangs up: got %v, want that error", err)
	}
	if by, _ := h.store.Since(); by["Schedules"] != 2 {
		t.Errorf("for two pieces and a third that nobody takes the rows were read %d times more, want 2", by["Schedules"])
	}
	ctx, cancel := context.WithCancel(t.Context())
	a = h.stream()
	h.store.Since()
	if err := a.Stream(ctx, &tally{each: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller whose connection breaks: got %v, want that it was canceled", err)
	}
	if by, _ := h.store.Since(); by["Schedules"] > 1 {
		t.Errorf("with the connection broken the rows were read %d times more", by["Schedules"])
	}
}

// TestExportIsWholeOrBroken: wherever the store goes away, the caller is told so, in the answer or by a stream that breaks; never is a
// part taken for the whole.
func TestExportIsWholeOrBroken(t *testing.T) {
	h := longHouse(t, 3*listing.ScanSize)
	h.store.Since()
	whole := string(h.good(everything))
	_, questions := h.store.Since()
	for k := range questions {
		h.store.GoneAfter(k)
		rec, broken := h.tried(everything)
		h.store.GoneAfter(-1)
		switch {
		case rec.Code == http.StatusServiceUnavailable && rec.Header().Get("Retry-After") != "" && !broken:
		case rec.Code == http.StatusOK && broken && len(rec.Body.String()) < len(whole) && strings.HasPrefix(whole, rec.Body.String()):
		default:
			t.Errorf("the store gone at question %d of %d: got %d with %d of %d bytes, broken off: %v", k+1, questions, rec.Code, rec.Body.Len(), len(whole), broken)
		}
	}
	if got, broken := h.tried(everything); broken || got.Body.String() != whole {
		t.Error("with the store back the export is not what it was")
	}
}

// tried is an answer, and whether it was broken off.
func (h *house) tried(target string) (rec *httptest.ResponseRecorder, broken bool) {
	rec = httptest.NewRecorder()
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			if broken = errors.Is(r, http.ErrAbortHandler); !broken || !errors.Is(r, store.ErrUnavailable) {
				h.Errorf("%s: got %v", target, r)
			}
		default:
			panic(r)
		}
	}()
	h.mux.ServeHTTP(rec, httptest.NewRequestWithContext(h.Context(), http.MethodGet, target, nil))
	return rec, false
}
