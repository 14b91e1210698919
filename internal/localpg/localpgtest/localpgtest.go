// Package localpgtest gives tests a real PostgreSQL: one server for a test binary, a fresh database for each call.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { localpgtest.Main(m) }
//
// A machine without PostgreSQL fails the test and says what to install. Nothing is skipped.
package localpgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"portcullis/internal/localpg"
)

// shared is the server of this test binary. A test binary has no other place that all its tests can see; the state is born
// and ends with the process.
var shared struct {
	sync.Mutex
	main   bool // Main runs the tests and stops the server after them
	server *localpg.Server
	err    error
}

// Main runs the tests, stops the shared server and exits. It is the body of TestMain.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	shared.Lock()
	shared.main = true
	shared.Unlock()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Server returns the shared server, started by the first who asks. Others use it at the same time: do not stop, kill or
// restart it, and give roles, which all databases share, names of your own.
func Server(t testing.TB) *localpg.Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.main {
		t.Fatal("the package needs: func TestMain(m *testing.M) { localpgtest.Main(m) }")
	}
	if shared.server == nil && shared.err == nil {
		// The server outlives the test that happens to need it first, so that test's context must not end it.
		shared.server, shared.err = localpg.Start(context.WithoutCancel(t.Context()), localpg.Options{})
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Private returns a server for this test alone, which it may kill and restart. It is stopped after the test.
func Private(t testing.TB, o localpg.Options) *localpg.Server {
	t.Helper()
	s, err := localpg.Start(t.Context(), o)
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

// Database makes an empty database on the shared server and returns the superuser's URL for it. It is dropped after the
// test, with whoever is still connected.
func Database(t testing.TB) (url string) {
	t.Helper()
	s := Server(t)
	name := "test_" + strings.ToLower(rand.Text()[:12])
	if err := s.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.DropDatabase(context.WithoutCancel(t.Context()), name); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}
