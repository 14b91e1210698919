package sqlstore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
)

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, "portcullis.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		url, says string
		is        error
	}{
		{"", "needs a data folder", nil},
		{"mysql://x", "can be a data folder or a postgres:// URL", nil},
		{filepath.Join(file, "folder"), "the data folder " + file + "/folder cannot be written: not a directory", nil},
		{garbage, "cannot be opened", nil},
		{"postgres://u:secret@127.0.0.1:1/d?connect_timeout=5", "on 127.0.0.1 cannot be used", store.ErrUnavailable},
		{"postgres://u:secret@host:port/d", "not well formed", nil},
	} {
		_, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: x.url})
		if err == nil || !strings.Contains(err.Error(), x.says) || x.is != nil && !errors.Is(err, x.is) {
			t.Errorf("open %q: got %v, want %q", x.url, err, x.says)
			continue
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("open %q: got %q, which has a password or several lines", x.url, err)
		}
	}
}

func TestFilesAreForTheOwnerAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "data")
	s := open(t, folder)
	defer s.Close()
	if err := s.Commit(t.Context(), storetest.Activation(pim.Key{Tenant: "t", Principal: "p"}, 0, "id", time.Now())); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("got files %v, %v: want the database and its log", files, err)
	}
	for _, f := range append(files, folder) {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", f, info.Mode().Perm())
		}
	}
}

func TestSQLiteKeepsItsContents(t *testing.T)   { keepsContents(t, t.TempDir()) }
func TestPostgresKeepsItsContents(t *testing.T) { keepsContents(t, localpgtest.Database(t)) }

func keepsContents(t *testing.T, url string) {
	k := pim.Key{Tenant: "t", Provider: pim.Directory, Scope: "/", Role: "r", Principal: "p"}
	for version := range int64(3) {
		s := open(t, url)
		if err := s.Commit(t.Context(), storetest.Activation(k, version, fmt.Sprint(version), time.Now())); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Several nodes start at once on an empty database: one makes the tables, the others wait.
func TestNodesStartAtOnce(t *testing.T) {
	url := localpgtest.Database(t)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url, Readers: 2})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer s.Close()
			k := pim.Key{Tenant: "t", Provider: pim.Directory, Scope: "/", Role: "r", Principal: pim.PrincipalID(fmt.Sprint(n))}
			if err := s.Commit(t.Context(), storetest.Activation(k, 0, fmt.Sprint(n), time.Now())); err != nil {
				t.Errorf("commit: %v", err)
			}
		})
	}
	wg.Wait()
}

// The database dies under a running store and comes back: unavailable meanwhile, and well again by itself.
func TestPostgresGoesAndComesBack(t *testing.T) {
	server := localpgtest.Private(t, localpg.Options{})
	if err := server.CreateDatabase(t.Context(), "house"); err != nil {
		t.Fatal(err)
	}
	s := open(t, server.URL("house"))
	defer s.Close()
	commit := func(id string) error {
		k := pim.Key{Tenant: "t", Provider: pim.Directory, Scope: "/", Role: "r", Principal: pim.PrincipalID(id)}
		return s.Commit(t.Context(), storetest.Activation(k, 0, id, time.Now()))
	}
	if err := commit("before"); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := commit("meanwhile"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("commit while the database is down: got %v, want %v", err, store.ErrUnavailable)
		}
		if err := s.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ping while the database is down: got %v, want %v", err, store.ErrUnavailable)
		}
		_, err := s.Requests(t.Context(), store.Query{Tenant: "t"})
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("list while the database is down: got %v, want %v", err, store.ErrUnavailable)
		}
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for err := commit("after"); err != nil; err = commit("after") {
		if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrConflict) {
			break // it was committed and the answer was lost
		}
		if time.Now().After(deadline) {
			t.Fatalf("commit after the restart: %v", err)
		}
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("ping after the restart: %v", err)
	}
}
