package postgres_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"portcullis/internal/connector"
	"portcullis/internal/connector/postgres"
	"portcullis/internal/localpg/localpgtest"
)

// Whatever a session is doing, it ends.
func TestSessionsInEveryStateAreCut(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
	g.login(t, a.Account)
	must(t, c.Grant(t.Context(), a))
	states := map[string][]string{
		"idle":                nil,
		"in a transaction":    {"BEGIN", "SELECT n FROM " + quote(a.Privilege)},
		"in a failed one":     {"BEGIN"},
		"as the role":         {"SET ROLE " + quote(a.Privilege)},
		"listening":           {"LISTEN news"},
		"with a temp table":   {"CREATE TEMP TABLE mine (n int)"},
		"with a lock":         {"SELECT pg_advisory_lock(1)"},
		"with a named cursor": {"BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT n FROM " + quote(a.Privilege), "COMMIT"},
	}
	conns := make(map[string]*pgx.Conn)
	for state, statements := range states {
		conn, err := g.connect(t, a.Account)
		must(t, err)
		for _, s := range statements {
			_, err := conn.Exec(t.Context(), s)
			must(t, err)
		}
		conns[state] = conn
	}
	busy, err := g.connect(t, a.Account)
	must(t, err)
	slept := make(chan error, 1)
	go func() {
		_, err := busy.Exec(t.Context(), "SELECT pg_sleep(600)")
		slept <- err
	}()

	must(t, c.Revoke(t.Context(), a))
	wantCode(t, "running a query", <-slept, cutByAdmin)
	for state, conn := range conns {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		wantCode(t, state, err, cutByAdmin)
	}
}

// A person who keeps connecting gains nothing: whatever session is there after the revocation cannot use the privilege,
// and an owned login has none.
func TestReconnectingDuringTheRevocation(t *testing.T) {
	for _, owns := range []bool{false, true} {
		g := newTarget(t, localpgtest.Server(t))
		c := g.connector(t, postgres.Options{OwnsLogins: owns})
		a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
		g.login(t, a.Account)
		for range 5 {
			must(t, c.Grant(t.Context(), a))
			ctx, cancel := context.WithCancel(t.Context())
			var wait sync.WaitGroup
			in := make(chan *pgx.Conn, 1000)
			for range 4 {
				wait.Go(func() { g.storm(ctx, a, in) })
			}
			first := <-in
			err := c.Revoke(t.Context(), a)
			held, listErr := c.List(t.Context(), a.Account)
			cancel()
			wait.Wait()
			close(in)
			must(t, errors.Join(err, listErr))
			if !connector.Gone(held, a) {
				t.Errorf("owns=%v: got %+v, want it gone", owns, held)
			}
			if (session{first, a.Privilege}).Use(t.Context()) == nil {
				t.Errorf("owns=%v: a session from before goes on", owns)
			}
			for conn := range in {
				if (session{conn, a.Privilege}).Use(t.Context()) == nil {
					t.Errorf("owns=%v: a session uses the privilege after the revocation", owns)
				} else if owns && !conn.IsClosed() {
					t.Error("an owned login is inside after the revocation")
				}
				_ = conn.Close(t.Context()) // it may have been cut
			}
		}
	}
}

// storm connects as fast as it can, takes the role where it may, and keeps what it got.
func (g *target) storm(ctx context.Context, a connector.Access, in chan<- *pgx.Conn) {
	config, err := pgx.ParseConfig(g.url)
	if err != nil {
		return
	}
	config.User, config.Password = a.Account, password
	for i := 0; i < 20 && ctx.Err() == nil; i++ {
		// A connection that is being made is not given up: the server might have let it in.
		conn, err := pgx.ConnectConfig(context.WithoutCancel(ctx), config)
		if err != nil {
			continue
		}
		_, _ = conn.Exec(context.WithoutCancel(ctx), "SET ROLE "+quote(a.Privilege)) // refused after the revocation
		in <- conn
	}
}

// A session that does not end keeps the revocation open, for a bounded time at each attempt.
func TestSessionThatDoesNotEnd(t *testing.T) {
	for _, owns := range []bool{false, true} {
		g := newTarget(t, localpgtest.Server(t))
		c := g.connector(t, postgres.Options{OwnsLogins: owns, CutWithin: 200 * time.Millisecond})
		a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
		g.login(t, a.Account)
		must(t, c.Grant(t.Context(), a))
		conn, err := g.connect(t, a.Account)
		must(t, err)
		var text string
		must(t, conn.QueryRow(t.Context(), "SELECT pg_backend_pid()::text").Scan(&text))
		pid, err := strconv.Atoi(text)
		must(t, err)
		must(t, syscall.Kill(pid, syscall.SIGSTOP))
		for range 2 {
			if err := c.Revoke(t.Context(), a); err == nil || errors.Is(err, connector.ErrConfiguration) {
				t.Errorf("owns=%v: got %v, want an error that passes", owns, err)
			}
		}
		if held := list(t, c, a.Account); owns && connector.Gone(held, a) {
			t.Errorf("got %+v, want it not gone", held)
		}
		must(t, syscall.Kill(pid, syscall.SIGCONT))
		must(t, g.connector(t, postgres.Options{OwnsLogins: owns}).Revoke(t.Context(), a))
		if held := list(t, c, a.Account); !connector.Gone(held, a) {
			t.Errorf("owns=%v: got %+v, want it gone", owns, held)
		}
	}
}

// Two processes have the same access in hand while an administrator of the target changes the same login.
func TestTwoProcessesAndAnAdministrator(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	login := g.modest(t)
	one := g.connector(t, postgres.Options{URL: login, OwnsLogins: true})
	two := g.connector(t, postgres.Options{URL: login, OwnsLogins: true})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0], Until: time.Now().Add(time.Hour)}
	must(t, two.Grant(t.Context(), a))
	g.logins[a.Account] = true
	admin, err := pgx.Connect(t.Context(), g.url)
	must(t, err)
	defer admin.Close(context.WithoutCancel(t.Context()))

	done := make(chan struct{})
	var administrator, workers sync.WaitGroup
	administrator.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				// It loses some of its own races; that is its business.
				_, _ = admin.Exec(t.Context(), "ALTER ROLE "+quote(a.Account)+" CONNECTION LIMIT "+strconv.Itoa(10+i%10))
				_, _ = admin.Exec(t.Context(), "SELECT pg_sleep(0.002)")
			}
		}
	})
	errs := make([]error, 2)
	for i, c := range []*postgres.Connector{one, two} {
		workers.Go(func() {
			for range 15 {
				errs[i] = errors.Join(errs[i], c.Grant(t.Context(), a), c.Revoke(t.Context(), a))
			}
		})
	}
	workers.Wait()
	close(done)
	administrator.Wait()
	must(t, errors.Join(errs...))
	for _, c := range []*postgres.Connector{one, two} {
		if held := list(t, c, a.Account); !connector.Gone(held, a) {
			t.Errorf("got %+v, want it gone", held)
		}
	}
}

// A stranger who knows the name of a login and hangs in the middle of signing in does not hold up a revocation for long.
func TestHalfOpenConnectionDoesNotHoldUpARevocation(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{OwnsLogins: true})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
	g.login(t, a.Account)
	must(t, c.Grant(t.Context(), a))
	conn, err := net.Dial("tcp", g.server.Addr())
	must(t, err)
	defer conn.Close()
	frontend := pgproto3.NewFrontend(conn, conn)
	frontend.Send(&pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersion30,
		Parameters:      map[string]string{"user": a.Account, "database": "postgres"},
	})
	must(t, frontend.Flush())
	if got, err := frontend.Receive(); err != nil {
		t.Fatal(err)
	} else if _, asked := got.(*pgproto3.AuthenticationSASL); !asked {
		t.Fatalf("got %T, want to be asked for the password", got)
	}
	must(t, c.Revoke(t.Context(), a))
	if held := list(t, c, a.Account); !connector.Gone(held, a) {
		t.Errorf("got %+v, want it gone", held)
	}
}
