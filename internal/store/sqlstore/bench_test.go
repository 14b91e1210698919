package sqlstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
)

// engines runs a benchmark on both engines. PostgreSQL flushes to the disk as it does where somebody relies on it.
func engines(b *testing.B, bench func(*testing.B, *sqlstore.Store)) {
	b.Run("sqlite", func(b *testing.B) {
		s := open(b, b.TempDir())
		defer s.Close()
		bench(b, s)
	})
	b.Run("postgres", func(b *testing.B) {
		server := localpgtest.Private(b, localpg.Options{Fsync: true})
		if err := server.CreateDatabase(b.Context(), "bench"); err != nil {
			b.Fatal(err)
		}
		s := open(b, server.URL("bench"))
		defer s.Close()
		bench(b, s)
	})
}

func benchKey(n int64) pim.Key {
	return pim.Key{
		Tenant: "0b4f1c52-6ad5-4a2f-9d0e-0a9f5f0c0001", Provider: pim.Directory, Scope: "/", Role: pim.SecurityReader,
		Principal: pim.PrincipalID(fmt.Sprintf("5c1e64a0-0000-4000-8000-%012d", n)),
	}
}

func benchCommit(n int64) store.Commit {
	return storetest.Activation(benchKey(n), 0, fmt.Sprintf("7a000000-0000-4000-8000-%012d", n), time.Now())
}

// toldCommit is benchCommit with what it has people told.
func toldCommit(n int64) store.Commit {
	c := benchCommit(n)
	e := c.Events[1]
	c.Notices = []pim.Notice{{
		ID: string(e.ID), Tenant: e.Tenant, At: e.At, Kind: pim.NoticeActivated, Key: e.Key, Grant: e.Kind, By: e.By,
		To:        []pim.Audience{{Who: policy.ToAdmins}, {Who: policy.ToRequestor}},
		Principal: "Alice", RoleName: "Reader", Reason: "a customer waits", Start: e.Start, End: e.End, Request: e.Request, Schedule: e.Schedule,
	}}
	return c
}

func BenchmarkCommitAlone(b *testing.B)     { commitsAlone(b, benchCommit) }
func BenchmarkCommitAloneTold(b *testing.B) { commitsAlone(b, toldCommit) }

func commitsAlone(b *testing.B, commit func(int64) store.Commit) {
	engines(b, func(b *testing.B, s *sqlstore.Store) {
		n := int64(0)
		for b.Loop() {
			n++
			if err := s.Commit(b.Context(), commit(n)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCommit64(b *testing.B)     { commits64(b, benchCommit) }
func BenchmarkCommit64Told(b *testing.B) { commits64(b, toldCommit) }

func commits64(b *testing.B, commit func(int64) store.Commit) {
	engines(b, func(b *testing.B, s *sqlstore.Store) {
		var n atomic.Int64
		b.SetParallelism(32) // times the two processors
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := s.Commit(b.Context(), commit(n.Add(1))); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// fill makes cases with their people.
func fill(b *testing.B, s *sqlstore.Store, n int64) {
	b.Helper()
	for from := int64(0); from < n; from += 1000 {
		var cs []store.Commit
		for i := from; i < min(from+1000, n); i++ {
			c := benchCommit(i)
			c.Objects = []directory.Object{storetest.User(c.Key.Tenant, c.Key.Principal)}
			c.Links = []directory.Link{{Tenant: c.Key.Tenant, Relation: directory.MemberOf, From: "group", To: c.Key.Principal}}
			cs = append(cs, c)
		}
		for _, err := range s.CommitAll(b.Context(), cs) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

const filled = 20_000

func BenchmarkCommitAll1000(b *testing.B) {
	engines(b, func(b *testing.B, s *sqlstore.Store) {
		n := int64(0)
		for b.Loop() {
			var cs []store.Commit
			for range 1000 {
				n++
				cs = append(cs, benchCommit(n))
			}
			for _, err := range s.CommitAll(b.Context(), cs) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	})
}

func BenchmarkCases1(b *testing.B) {
	engines(b, func(b *testing.B, s *sqlstore.Store) {
		fill(b, s, filled)
		n := int64(0)
		for b.Loop() {
			n++
			k := benchKey(n % filled)
			if _, err := s.Case(b.Context(), pim.Need{Key: k, Actor: k.Principal, Backing: true}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCases1000(b *testing.B) {
	engines(b, func(b *testing.B, s *sqlstore.Store) {
		fill(b, s, filled)
		var needs []pim.Need
		for n := range int64(1000) {
			c := benchCommit(n)
			needs = append(needs, pim.Need{Key: pim.Key{Tenant: c.Key.Tenant}, Schedule: c.Schedules[0].ID, Clock: true})
		}
		for b.Loop() {
			if _, err := s.Cases(b.Context(), needs); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPage999(b *testing.B) {
	engines(b, func(b *testing.B, s *sqlstore.Store) {
		fill(b, s, filled)
		q := store.Query{Tenant: benchKey(0).Tenant, Where: store.LiveAt(time.Now()), Order: []store.Order{{Field: store.FieldCreated}}, Limit: 999}
		for b.Loop() {
			p, err := s.Schedules(b.Context(), q)
			if err != nil || len(p.Rows) == 0 {
				b.Fatal(len(p.Rows), err)
			}
			if q.After = p.Next; len(p.Next) == 0 {
				q.After = nil
			}
		}
	})
}
