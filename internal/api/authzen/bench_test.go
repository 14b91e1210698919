package authzen_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
)

// sink is a writer that keeps nothing, with a header that is used again.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }

// body is a body that is read again and again.
type body struct{ strings.Reader }

func (*body) Close() error { return nil }

// handle sends bodies of the same length, one after the other.
func handle(b *testing.B, h http.Handler, path string, texts ...string) {
	b.Helper()
	rec := httptest.NewRecorder()
	request := func() *http.Request {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "https://pim.test"+path, strings.NewReader(texts[0]))
		r.Header.Set("Authorization", "Bearer "+asDoor)
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	if h.ServeHTTP(rec, request()); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "true") {
		b.Fatalf("got %d with %s", rec.Code, rec.Body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		r, s, in := request(), &sink{http.Header{}}, &body{}
		r.Body = in
		for n := 0; pb.Next(); n++ {
			in.Reset(texts[n%len(texts)])
			clear(s.header)
			h.ServeHTTP(s, r)
		}
	})
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used, which other load on the machine changes less than the time that passes.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkHandler measures the handlers with all steps of the frame, but without net/http, whose share is the same for all: the
// echo is the yardstick.
func BenchmarkHandler(b *testing.B) {
	w := newWorld(b, 1000)
	const db = "/subscriptions/5c3e0000-0000-4000-8000-000000000071/resourcegroups/rg-1/providers/microsoft.sql/servers/press/databases/recipes"
	for n := range 1000 {
		w.give(n+1, readers, pim.Everywhere, 0)
		w.give(n+1, catalog.Contributor, "/subscriptions/5c3e0000-0000-4000-8000-000000000071", 0)
	}
	const named = `{"subject":{"type":"user","id":"person7@contoso.example.com"},"action":{"name":"Directory Readers"},"resource":{"type":"directory","id":"/"}}`
	b.Run("echo", func(b *testing.B) {
		handle(b, http.HandlerFunc(echo), "/", `{"decision":true,`+named[1:])
	})
	b.Run("role", func(b *testing.B) { handle(b, w.frame, "/access/v1/evaluation", named) })
	b.Run("resourceRole", func(b *testing.B) {
		handle(b, w.frame, "/access/v1/evaluation", `{"subject":{"type":"user","id":"`+string(person(7))+`"},"action":{"name":"Contributor"},"resource":{"type":"azure","id":"`+db+`"}}`)
	})
	b.Run("inManyGroups", func(b *testing.B) { // a subject of 200 groups, the last of which holds it
		handle(b, w.frame, "/access/v1/evaluation", `{"subject":{"type":"user","id":"`+string(w.crowded(8))+`"},"action":{"name":"Owner"},"resource":{"type":"azure","id":"`+db+`"}}`)
	})
	b.Run("manyPlaces", func(b *testing.B) { // as in an estate, nothing of which is at hand in the processor
		texts := make([]string, 8192)
		for n := range texts {
			texts[n] = fmt.Sprintf(`{"subject":{"type":"user","id":"%s"},"action":{"name":"Contributor"},"resource":{"type":"azure","id":"%s/resourceGroups/rg-%05d/providers/Microsoft.Sql/servers/s-%06d"}}`,
				person(n%1000+1), "/subscriptions/5c3e0000-0000-4000-8000-000000000071", n/20, n)
		}
		handle(b, w.frame, "/access/v1/evaluation", texts...)
	})
	b.Run("operation", func(b *testing.B) {
		handle(b, w.frame, "/access/v1/evaluation", `{"subject":{"type":"user","id":"`+string(person(7))+`"},"action":{"name":"Microsoft.Sql/servers/databases/read"},"resource":{"type":"azure","id":"`+db+`"}}`)
	})
	b.Run("decoded", func(b *testing.B) { // an escape keeps the scan from it
		handle(b, w.frame, "/access/v1/evaluation", strings.Replace(named, "person7", `\u0070erson7`, 1))
	})
	b.Run("fifty", func(b *testing.B) {
		all := strings.Repeat(named+",", 50)
		handle(b, w.frame, "/access/v1/evaluations", `{"evaluations":[`+all[:len(all)-1]+`]}`)
	})
}

// crowded puts somebody into 200 groups, one of which is an owner of a subscription.
func (w *world) crowded(n int) pim.PrincipalID {
	var c access.Change
	for g := range 200 {
		group := person(2000 + g)
		c.Names = append(c.Names, access.Name{Account: access.Account{Tenant: tenant, ID: group}, Kind: pim.GroupPrincipal})
		c.Links = append(c.Links, access.Edge{Tenant: tenant, Membership: pim.Membership{Group: group, Member: person(n)}})
	}
	w.index.Publish(c)
	w.give(2199, catalog.Owner, "/subscriptions/5c3e0000-0000-4000-8000-000000000071", 0)
	return person(n)
}

func echo(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	var v any
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err == nil {
		text, err = json.Marshal(v)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the caller may have gone away
}
