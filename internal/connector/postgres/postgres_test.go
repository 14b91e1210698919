package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portcullis/internal/connector"
	"portcullis/internal/connector/connectortest"
	"portcullis/internal/connector/postgres"
	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
)

func TestMain(m *testing.M) { localpgtest.Main(m) }

// target is a database with two privileges, each of which may read one table, seen as its superuser.
type target struct {
	server     *localpg.Server
	url        string
	privileges [2]string
	logins     map[string]bool // to be dropped after the test
}

func newTarget(t *testing.T, s *localpg.Server) *target {
	t.Helper()
	suffix := strings.ToLower(rand.Text()[:8])
	target := &target{server: s, url: s.URL("postgres"), logins: make(map[string]bool)}
	for i, name := range []string{"dba", "Reader; \"x\""} {
		name += suffix
		target.privileges[i] = name
		target.exec(t, "CREATE ROLE "+quote(name), "CREATE TABLE "+quote(name)+" (n int)",
			"GRANT SELECT ON "+quote(name)+" TO "+quote(name))
	}
	t.Cleanup(func() { target.drop(t) })
	return target
}

// drop removes what was granted before those who granted it.
func (g *target) drop(t *testing.T) {
	drop := func(login string) {
		g.exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+strings.ReplaceAll(login, "'", "''")+"'",
			"DROP ROLE IF EXISTS "+quote(login))
	}
	for login := range g.logins {
		if !strings.HasPrefix(login, modestPrefix) {
			drop(login)
		}
	}
	for _, p := range g.privileges {
		g.exec(t, "DROP TABLE "+quote(p), "DROP ROLE IF EXISTS "+quote(p))
	}
	for login := range g.logins {
		if strings.HasPrefix(login, modestPrefix) {
			drop(login)
		}
	}
}

const modestPrefix = "connector_"

// exec runs statements as the superuser, on a connection of its own.
func (g *target) exec(t *testing.T, statements ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, g.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// asks runs a query as the superuser that answers with one text.
func (g *target) asks(t *testing.T, query string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), g.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var got string
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&got); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got
}

const password = "swordfish"

func (g *target) login(t *testing.T, name string) {
	t.Helper()
	g.logins[name] = true
	g.exec(t, "CREATE ROLE "+quote(name)+" LOGIN PASSWORD '"+password+"'")
}

// connect signs in as a person would with psql.
func (g *target) connect(t *testing.T, login string) (*pgx.Conn, error) {
	t.Helper()
	u, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(login, password)
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) }) // it may have been cut
	return conn, nil
}

// session is a person who reads the table of a privilege.
type session struct {
	conn      *pgx.Conn
	privilege string
}

func (s session) Use(ctx context.Context) error {
	_, err := s.conn.Exec(ctx, "SELECT n FROM "+quote(s.privilege))
	return err
}

func (g *target) enter(t *testing.T, account, privilege string) (connectortest.Session, error) {
	t.Helper()
	// An owned login gets its password from the site, which is what the test is here.
	if g.asks(t, "SELECT count(*)::text FROM pg_authid WHERE rolname::text = $1 AND rolpassword IS NULL", account) == "1" {
		g.logins[account] = true
		g.exec(t, "ALTER ROLE "+quote(account)+" PASSWORD '"+password+"'")
	}
	conn, err := g.connect(t, account)
	if err != nil {
		return nil, err
	}
	s := session{conn, privilege}
	if err := s.Use(t.Context()); err != nil {
		return nil, errors.Join(err, conn.Close(t.Context()))
	}
	return s, nil
}

func (g *target) connector(t *testing.T, o postgres.Options) *postgres.Connector {
	t.Helper()
	if o.URL == "" {
		o.URL = g.url
	}
	if o.Privileges == nil {
		o.Privileges = g.privileges[:]
	}
	c, err := postgres.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// modest makes a login with no more rights than the package says that the connector needs, and returns its URL.
func (g *target) modest(t *testing.T) string {
	t.Helper()
	name := modestPrefix + strings.ToLower(rand.Text()[:8])
	g.login(t, name)
	g.exec(t, "ALTER ROLE "+name+" CREATEROLE", "GRANT pg_signal_backend TO "+name)
	if g.asks(t, "SELECT (current_setting('server_version_num')::int >= 160000)::text") == "true" {
		for _, p := range g.privileges {
			g.exec(t, "GRANT "+quote(p)+" TO "+name+" WITH ADMIN OPTION, INHERIT FALSE, SET FALSE")
		}
	}
	u, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, password)
	return u.String()
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func TestSuite(t *testing.T) {
	for _, modest := range []bool{false, true} {
		for _, owns := range []bool{false, true} {
			t.Run(fmt.Sprintf("modest=%v,owns=%v", modest, owns), func(t *testing.T) {
				t.Parallel()
				server := localpgtest.Private(t, localpg.Options{})
				connectortest.Run(t, func(t *testing.T) connectortest.Harness { return harness(t, server, modest, owns) })
			})
		}
	}
}

func harness(t *testing.T, server *localpg.Server, modest, owns bool) connectortest.Harness {
	g := newTarget(t, server)
	o := postgres.Options{OwnsLogins: owns}
	if modest {
		o.URL = g.modest(t)
	}
	account := g.login
	if owns {
		account = func(_ *testing.T, name string) { g.logins[name] = true }
	}
	return connectortest.Harness{
		Connector:     g.connector(t, o),
		Privileges:    g.privileges,
		Account:       account,
		MakesAccounts: owns,
		CarriesUntil:  owns,
		LongestName:   63,
		Enter:         g.enter,
		Down: func(t *testing.T) {
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
		},
		Up: func(t *testing.T) {
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func wantCode(t *testing.T, about string, err error, want string) {
	t.Helper()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != want {
		t.Errorf("%s: got %v, want SQLSTATE %s", about, err, want)
	}
}

const (
	permissionDenied = "42501"
	notPermitted     = "28000" // role is not permitted to log in
	wrongPassword    = "28P01" // what the server says of a right one after VALID UNTIL
	cutByAdmin       = "57P01"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, c *postgres.Connector, account string) []connector.Held {
	t.Helper()
	held, err := c.List(t.Context(), account)
	must(t, err)
	return held
}

func unique(name string) string { return name + strings.ToLower(rand.Text()[:6]) }

// The story of a person whose login is the site's: the door is the table.
func TestPersonWithALoginOfTheSite(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0], Until: time.Now().Add(time.Hour)}
	g.login(t, a.Account)

	before, err := g.connect(t, a.Account)
	must(t, err)
	wantCode(t, "before", session{before, a.Privilege}.Use(t.Context()), permissionDenied)

	must(t, c.Grant(t.Context(), a))
	must(t, session{before, a.Privilege}.Use(t.Context()))
	if held := list(t, c, a.Account); !connector.Usable(held, connector.Access{Account: a.Account, Privilege: a.Privilege}) {
		t.Fatalf("got %+v, want it usable", held)
	}

	must(t, c.Revoke(t.Context(), a))
	wantCode(t, "the running session", session{before, a.Privilege}.Use(t.Context()), cutByAdmin)
	if held := list(t, c, a.Account); !connector.Gone(held, a) || len(held) > 0 {
		t.Errorf("got %+v, want nothing", held)
	}
	after, err := g.connect(t, a.Account)
	must(t, err)
	wantCode(t, "after", session{after, a.Privilege}.Use(t.Context()), permissionDenied)
}

// The story of a person whose login is the connector's: the door is the server.
func TestPersonWithALoginOfOurs(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{OwnsLogins: true})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0], Until: time.Now().Add(time.Hour)}
	g.logins[a.Account] = true
	g.exec(t, "CREATE ROLE "+quote(a.Account)+" NOLOGIN PASSWORD '"+password+"'")

	_, err := g.connect(t, a.Account)
	wantCode(t, "before", err, notPermitted)

	must(t, c.Grant(t.Context(), a))
	if held := list(t, c, a.Account); len(held) != 1 || !held[0].Until.Equal(a.Until.Truncate(time.Microsecond)) {
		t.Errorf("got %+v, want it until %v", held, a.Until)
	}
	during, err := g.enter(t, a.Account, a.Privilege)
	must(t, err)

	must(t, c.Revoke(t.Context(), a))
	wantCode(t, "the running session", during.Use(t.Context()), cutByAdmin)
	_, err = g.connect(t, a.Account)
	wantCode(t, "after", err, wrongPassword)
	const state = "SELECT concat(rolcanlogin, ' ', rolvaliduntil <= now()) FROM pg_roles WHERE rolname = $1"
	if got := g.asks(t, state, a.Account); got != "f t" {
		t.Errorf("LOGIN and VALID UNTIL passed: got %q, want %q", got, "f t")
	}
}

// SET ROLE survives the loss of the membership, so the session must not survive the revocation, even where the login goes
// on holding another privilege and may come back for that.
func TestSessionWithAnotherPrivilegeIsCutOnce(t *testing.T) {
	for _, owns := range []bool{false, true} {
		g := newTarget(t, localpgtest.Server(t))
		c := g.connector(t, postgres.Options{OwnsLogins: owns})
		lost := connector.Access{Account: unique("amira"), Privilege: g.privileges[0], Until: time.Now().Add(time.Hour)}
		kept := lost
		kept.Privilege = g.privileges[1]
		g.login(t, lost.Account)
		must(t, c.Grant(t.Context(), kept))
		must(t, c.Grant(t.Context(), lost))
		conn, err := g.connect(t, lost.Account)
		must(t, err)
		_, err = conn.Exec(t.Context(), "SET ROLE "+quote(lost.Privilege))
		must(t, err)

		must(t, c.Revoke(t.Context(), lost))
		wantCode(t, "the session with SET ROLE", session{conn, lost.Privilege}.Use(t.Context()), cutByAdmin)
		again, err := g.enter(t, kept.Account, kept.Privilege)
		must(t, err)
		held := list(t, c, lost.Account)
		if !connector.Gone(held, lost) || !connector.Usable(held, connector.Access{Account: kept.Account, Privilege: kept.Privilege, Until: map[bool]time.Time{true: kept.Until}[owns]}) {
			t.Errorf("owns=%v: got %+v, want only %q", owns, held, kept.Privilege)
		}
		must(t, c.Revoke(t.Context(), lost))
		if err := again.Use(t.Context()); err != nil {
			t.Errorf("owns=%v: a session for the other privilege was cut by a repeated revocation: %v", owns, err)
		}
	}
}

// A process that died after the commit left a session behind. Another one repeats the revocation.
func TestSessionLeftByACrashIsCut(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
	g.login(t, a.Account)
	must(t, g.connector(t, postgres.Options{}).Grant(t.Context(), a))
	left, err := g.enter(t, a.Account, a.Privilege)
	must(t, err)
	g.exec(t, "REVOKE "+quote(a.Privilege)+" FROM "+quote(a.Account))
	must(t, g.connector(t, postgres.Options{}).Revoke(t.Context(), a))
	wantCode(t, "the session left behind", left.Use(t.Context()), cutByAdmin)
}

// An owned login with nothing left is out only when it can no longer get in and nobody is inside.
func TestOwnedLoginThatIsStillInsideIsNotGone(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{OwnsLogins: true})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
	g.login(t, a.Account)
	conn, err := g.connect(t, a.Account)
	must(t, err)
	if held := list(t, c, a.Account); connector.Gone(held, a) || len(held) != 1 || held[0].Sessions != 1 || held[0].Blocked {
		t.Errorf("can get in: got %+v, want one session and no privilege", held)
	}
	g.exec(t, "ALTER ROLE "+quote(a.Account)+" NOLOGIN")
	if held := list(t, c, a.Account); connector.Gone(held, a) || len(held) != 1 || !held[0].Blocked {
		t.Errorf("is inside: got %+v, want one session, blocked, and no privilege", held)
	}
	must(t, c.Revoke(t.Context(), a))
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the session goes on")
	}
	if held := list(t, c, a.Account); len(held) != 0 {
		t.Errorf("got %+v, want nothing", held)
	}
}

// What is held by another path is reported and stays; Revoke takes what is direct and says no more than that.
func TestOtherPathsAreReported(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
	team, staff, boss := unique("team"), unique("staff"), unique("boss")
	g.login(t, a.Account)
	for _, group := range []string{staff, team, boss} {
		g.logins[group] = true
		g.exec(t, "CREATE ROLE "+group)
	}
	g.exec(t, "ALTER ROLE "+boss+" SUPERUSER")
	must(t, c.Grant(t.Context(), a))
	for _, path := range []struct {
		grant string
		via   []string
	}{
		{"GRANT " + quote(a.Privilege) + " TO " + staff + "; GRANT " + staff + " TO " + team + "; GRANT " + team + " TO " + quote(a.Account), []string{team, staff}},
		{"GRANT " + boss + " TO " + quote(a.Account), []string{boss, postgres.BySuperuser}},
	} {
		g.exec(t, strings.Split(path.grant, "; ")...)
		held := list(t, c, a.Account)
		if !slices.ContainsFunc(held, func(h connector.Held) bool { return !h.Direct && slices.Equal(h.Via, path.via) }) {
			t.Errorf("got %+v, want a way via %q", held, path.via)
		}
		if foreign := connector.Foreign(held, []connector.Access{a}); !slices.ContainsFunc(foreign, func(h connector.Held) bool { return slices.Equal(h.Via, path.via) }) {
			t.Errorf("got %+v foreign, want a way via %q", foreign, path.via)
		}
		must(t, c.Revoke(t.Context(), a))
		held = list(t, c, a.Account)
		if connector.Gone(held, a) || connector.Usable(held, a) {
			t.Errorf("got %+v, want it neither gone nor ours", held)
		}
	}
	for _, group := range []string{team, boss} {
		g.exec(t, "REVOKE "+group+" FROM "+quote(a.Account))
	}
	if held := list(t, c, a.Account); !connector.Gone(held, a) {
		t.Errorf("got %+v, want it gone", held)
	}
}

// From version 16 on a membership may be one that nobody can use. A grant makes it usable.
func TestUselessMembershipIsMadeUsable(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
	g.login(t, a.Account)
	options := ""
	if g.asks(t, "SELECT (current_setting('server_version_num')::int >= 160000)::text") == "true" {
		options = " WITH INHERIT FALSE, SET FALSE"
	}
	g.exec(t, "GRANT "+quote(a.Privilege)+" TO "+quote(a.Account)+options)
	must(t, c.Grant(t.Context(), a))
	_, err := g.enter(t, a.Account, a.Privilege)
	must(t, err)
}

func TestSuperusersAreReported(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{})
	for _, account := range []string{"", "postgres"} {
		held := list(t, c, account)
		for _, p := range g.privileges {
			if !slices.ContainsFunc(held, func(h connector.Held) bool {
				return h.Account == "postgres" && h.Privilege == p && !h.Direct && slices.Equal(h.Via, []string{postgres.BySuperuser})
			}) {
				t.Errorf("list %q: %q by superuser is missing: %+v", account, p, held)
			}
		}
	}
}

// A membership that somebody else granted, with the right to pass it on, ends with the revocation too. What was passed on
// ends where the server knows of it, and is reported where it does not.
func TestGrantsOfOthersAreTaken(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
	friend := connector.Access{Account: unique("bo"), Privilege: a.Privilege}
	other := unique("other")
	for _, login := range []string{a.Account, friend.Account, other} {
		g.login(t, login)
	}
	p := quote(a.Privilege)
	g.exec(t, "GRANT "+p+" TO "+other+" WITH ADMIN OPTION",
		"SET ROLE "+other, "GRANT "+p+" TO "+a.Account+" WITH ADMIN OPTION",
		"SET ROLE "+a.Account, "GRANT "+p+" TO "+friend.Account, "RESET ROLE")
	must(t, c.Grant(t.Context(), a))
	if held := list(t, c, a.Account); len(held) != 1 || !connector.Usable(held, a) {
		t.Errorf("got %+v, want one entry", held)
	}
	must(t, c.Revoke(t.Context(), a))
	if held := list(t, c, a.Account); !connector.Gone(held, a) {
		t.Errorf("got %+v, want it gone", held)
	}
	known := g.asks(t, "SELECT (current_setting('server_version_num')::int >= 160000)::text") == "true"
	if held := list(t, c, friend.Account); connector.Gone(held, friend) != known {
		t.Errorf("passed on: got %+v, want it gone: %v", held, known)
	}
	g.exec(t, "REVOKE "+p+" FROM "+other+" CASCADE")
}

// Whether a connector without a superuser's rights may take what a superuser granted depends on the server's version. Where
// it may not, it says so, and still cuts and shuts.
func TestGrantOfASuperuser(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{URL: g.modest(t), OwnsLogins: true})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0], Until: time.Now().Add(time.Hour)}
	g.logins[a.Account] = true
	must(t, c.Grant(t.Context(), a))
	during, err := g.enter(t, a.Account, a.Privilege)
	must(t, err)
	g.exec(t, "GRANT "+quote(a.Privilege)+" TO "+quote(a.Account))
	err = c.Revoke(t.Context(), a)
	held := list(t, c, a.Account)
	if gone := connector.Gone(held, a); gone != (err == nil) || err != nil && !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("got %v and gone %v: %+v", err, gone, held)
	}
	if connector.Usable(held, a) {
		t.Errorf("got %+v, want it not usable", held)
	}
	wantCode(t, "the running session", during.Use(t.Context()), cutByAdmin)
	_, err = g.connect(t, a.Account)
	wantCode(t, "after", err, wrongPassword)
}

func TestAccountsThatAreRefused(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{URL: g.modest(t), OwnsLogins: true})
	super, group, member := unique("super"), unique("group"), unique("member")
	for _, login := range []string{super, group, member} {
		g.login(t, login)
	}
	g.exec(t, "ALTER ROLE "+super+" SUPERUSER", "GRANT "+group+" TO "+member)
	own := g.asks(t, "SELECT max(rolname::text) FROM pg_roles WHERE rolname LIKE 'connector\\_%'")
	for _, account := range []string{super, group, own, "pg_monitor", "pg_not_there", "public", "none", g.privileges[1], "postgres"} {
		a := connector.Access{Account: account, Privilege: g.privileges[0]}
		if err := c.Grant(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("grant to %q: got %v, want %v", account, err, connector.ErrConfiguration)
		}
	}
	for _, account := range []string{super, own, "pg_monitor", g.privileges[1]} {
		a := connector.Access{Account: account, Privilege: g.privileges[0]}
		if err := c.Revoke(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("revoke of %q: got %v, want %v", account, err, connector.ErrConfiguration)
		}
		if got := g.asks(t, "SELECT bool_or(rolcanlogin)::text FROM pg_roles WHERE rolname IN ($1, $2)", account, member); got != "true" {
			t.Errorf("%q was shut", account)
		}
	}
}

// A privilege that was renamed keeps its members, so its disappearance proves nothing. The owned login is shut all the same.
func TestRenamedPrivilegeIsNotGone(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{OwnsLogins: true})
	a := connector.Access{Account: unique("amira"), Privilege: g.privileges[0]}
	g.logins[a.Account] = true
	must(t, c.Grant(t.Context(), a))
	during, err := g.enter(t, a.Account, a.Privilege)
	must(t, err)
	other := unique("renamed")
	g.exec(t, "ALTER ROLE "+quote(a.Privilege)+" RENAME TO "+other)
	if err := c.Revoke(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("got %v, want %v", err, connector.ErrConfiguration)
	}
	wantCode(t, "the running session", during.Use(t.Context()), cutByAdmin)
	_, err = g.connect(t, a.Account)
	wantCode(t, "after", err, wrongPassword)
	g.exec(t, "ALTER ROLE "+other+" RENAME TO "+quote(a.Privilege))
	must(t, c.Revoke(t.Context(), a))
	if held := list(t, c, a.Account); !connector.Gone(held, a) {
		t.Errorf("got %+v, want it gone", held)
	}
}

// Several privileges share one VALID UNTIL: it never falls before the end of one that lasts.
func TestEndOfALoginIsTheLatest(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	c := g.connector(t, postgres.Options{OwnsLogins: true})
	noon := time.Date(2040, 3, 2, 12, 0, 0, 0, time.UTC)
	account := unique("amira")
	g.logins[account] = true
	steps := []struct{ asked, want time.Time }{
		{noon, noon}, {noon.Add(-time.Hour), noon}, {noon.Add(time.Hour), noon.Add(time.Hour)}, {time.Time{}, time.Time{}}, {noon, time.Time{}},
	}
	for i, s := range steps {
		a := connector.Access{Account: account, Privilege: g.privileges[i%2], Until: s.asked}
		must(t, c.Grant(t.Context(), a))
		held := list(t, c, account)
		if !held[0].Until.Equal(s.want) || !connector.Usable(held, a) {
			t.Errorf("step %d asks for %v: got %+v, want %v", i, s.asked, held, s.want)
		}
	}
	if err := c.Grant(t.Context(), connector.Access{Account: account, Privilege: g.privileges[0], Until: noon.AddDate(9000, 0, 0)}); !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("a year the target cannot be told: got %v, want %v", err, connector.ErrConfiguration)
	}
}

func TestTooFewRights(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	weak, account := unique("weak"), unique("amira")
	g.login(t, weak)
	g.login(t, account)
	u, err := url.Parse(g.url)
	must(t, err)
	a := connector.Access{Account: account, Privilege: g.privileges[0]}

	u.User = url.UserPassword(weak, password)
	c := g.connector(t, postgres.Options{URL: u.String()})
	if err := c.Grant(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("grant: got %v, want %v", err, connector.ErrConfiguration)
	}
	must(t, g.connector(t, postgres.Options{}).Grant(t.Context(), a))
	if err := c.Revoke(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("revoke: got %v, want %v", err, connector.ErrConfiguration)
	}
	if held := list(t, c, account); !connector.Usable(held, a) {
		t.Errorf("got %+v, want it still held", held)
	}

	u.User = url.UserPassword(weak, "open sesame")
	err = g.connector(t, postgres.Options{URL: u.String()}).Grant(t.Context(), a)
	if !errors.Is(err, connector.ErrConfiguration) || strings.Contains(err.Error(), "sesame") {
		t.Errorf("wrong password: got %v, want %v, without the password", err, connector.ErrConfiguration)
	}
	u.User, u.Path = url.UserPassword(weak, password), "/no such database"
	if err := g.connector(t, postgres.Options{URL: u.String()}).Grant(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("no such database: got %v, want %v", err, connector.ErrConfiguration)
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	for about, o := range map[string]postgres.Options{
		"no privileges":   {URL: "postgres://localhost"},
		"empty privilege": {URL: "postgres://localhost", Privileges: []string{"dba", ""}},
		"public":          {URL: "postgres://localhost", Privileges: []string{"public"}},
		"broken URL":      {URL: "postgres://u:sesame@localhost:port/x", Privileges: []string{"dba"}},
	} {
		_, err := postgres.New(o)
		if !errors.Is(err, connector.ErrConfiguration) || strings.Contains(fmt.Sprint(err), "sesame") {
			t.Errorf("%s: got %v, want %v, without a password", about, err, connector.ErrConfiguration)
		}
	}
}
