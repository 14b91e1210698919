// Package postgres is the connector to PostgreSQL, 15 or later. A privilege is a database role, an account is a login, and
// holding a privilege is being a member of the role.
//
// # What a grant does
//
// Grant makes the login a member of the role, without the admin option. Where the connector owns the logins
// ([Options.OwnsLogins]) it also creates a login that is missing, gives it the LOGIN attribute, and sets VALID UNTIL to the
// end of the access. How such a login authenticates stays the site's business: the connector sets no password.
//
// PostgreSQL keeps one VALID UNTIL for a login, not one for each membership. With several privileges it is the latest end
// asked for while they last. It bounds password sign-in only; that is why it is a net below the revocation and no more.
//
// # What a revocation does
//
// Revoke takes the direct membership, whoever granted it, and from version 16 on what the login passed on to others by an
// admin option (before, the server does not know who passed on what; List shows what is left). An owned login that is left with no other of the connector's privileges loses LOGIN, and VALID UNTIL becomes now. All this is
// one transaction. Then the sessions are ended and watched until they are gone:
//
//   - An owned login with nothing left has every session ended, also one that was about to begin. List shows it as a Held
//     without a privilege until it can neither get in nor is inside.
//   - Any other login has the sessions ended that are there once the revocation is committed. A session that used SET ROLE
//     keeps the role after the membership is gone, and PostgreSQL does not tell which sessions did. So all of them go, also
//     for somebody who holds another privilege and connects again. A session begun later cannot take the role.
//
// A process that dies between the commit and the end of the sessions leaves sessions behind; the next Revoke finds no
// membership but ends them. A connector that has once seen that through does not do it again for the same access, so that a
// revocation that stays open because of a second path (see below) does not cut its person off at each attempt.
//
// # What List reports
//
// It reads every path: memberships through other roles, and superusers, who need none. [connector.Gone] stays false while
// there is one, although Revoke did all it could. The server's own pg_has_role has the first word; the graph of memberships
// explains it.
//
// # What stays with the site
//
// Objects and SECURITY DEFINER functions that a person made while holding the role; sessions on hot standbys, and those of a
// login that somebody dropped while it was connected; privileges granted to the login and not to a role; what a login may do
// by its own CREATEROLE attribute.
//
// # Rights
//
// The connector's own login is a superuser, or has CREATEROLE (from version 16 on also ADMIN OPTION on each privilege and on
// each existing login it owns) and is a member of pg_signal_backend. With pg_read_all_stats it does not take PostgreSQL's own
// workers for sessions about to begin, which delays some revocations by a second. All processes use the same login, and nobody
// else does. From version 16 on a login that is no superuser cannot take a membership that a superuser granted besides: Revoke
// does the rest and returns [connector.ErrConfiguration].
package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"portcullis/internal/connector"
)

// Options say which server, and what on it is in the connector's care.
type Options struct {
	// URL is a connection string as libpq takes it. All connectors to one server must name the same database, because
	// they exclude one another with advisory locks, which belong to a database.
	URL string
	// Privileges are the database roles in the connector's care. It touches no others.
	Privileges []string
	// OwnsLogins gives the connector the LOGIN and VALID UNTIL attributes of every account it is asked about. It must not
	// be set where accounts have other business on the server than what is granted here.
	OwnsLogins bool
	// Timeout bounds each call; zero is 30 seconds.
	Timeout time.Duration
	// ConnectTimeout bounds each attempt to connect; zero is what the URL says, or else 5 seconds.
	ConnectTimeout time.Duration
	// CutWithin bounds how long Revoke waits for sessions to end; zero is 10 seconds.
	CutWithin time.Duration
}

// Connector is a connection to one server. It connects when it is first used.
type Connector struct {
	pool       *pgxpool.Pool
	privileges []string
	owns       bool
	timeout    time.Duration
	cutWithin  time.Duration

	mu  sync.Mutex
	cut map[connector.Access]bool // revocations whose sessions this connector saw end
}

var _ connector.Connector = (*Connector)(nil)

// New checks the options. Its errors are [connector.ErrConfiguration] and never show the password.
func New(o Options) (*Connector, error) {
	if len(o.Privileges) == 0 {
		return nil, fmt.Errorf("postgres: no privileges are named: %w", connector.ErrConfiguration)
	}
	for _, p := range o.Privileges {
		if err := checkPrivilege(p); err != nil {
			return nil, err
		}
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w: %w", connector.ErrConfiguration, err)
	}
	config.ConnConfig.ConnectTimeout = firstSet(o.ConnectTimeout, config.ConnConfig.ConnectTimeout, 5*time.Second)
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "portcullis"
	}
	// The context only serves to connect ahead, which a pool without a minimum does not do.
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w: %w", connector.ErrConfiguration, err)
	}
	return &Connector{
		pool:       pool,
		privileges: slices.Clone(o.Privileges),
		owns:       o.OwnsLogins,
		timeout:    firstSet(o.Timeout, 30*time.Second),
		cutWithin:  firstSet(o.CutWithin, 10*time.Second),
		cut:        make(map[connector.Access]bool),
	}, nil
}

func firstSet(durations ...time.Duration) time.Duration {
	for _, d := range durations {
		if d > 0 {
			return d
		}
	}
	return 0
}

// Close ends the connections, after the calls that use them.
func (c *Connector) Close() { c.pool.Close() }

// change runs do in a transaction that no other connector's change of this account overlaps, and repeats it where it failed
// for a reason that passes: do must bear that.
func (c *Connector) change(ctx context.Context, account string, do func(context.Context, pgx.Tx) error) error {
	return repeat(ctx, func() error {
		return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
			// A revocation that a crash of the target takes back would be none.
			if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = on"); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", lockClass, lockKey(account)); err != nil {
				return err
			}
			return do(ctx, tx)
		})
	})
}

// lockClass sets the connector's advisory locks apart from others. Running connectors must agree on it.
const lockClass int32 = 0x504f5254

func lockKey(account string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(account)) // a hash takes every write
	return int32(h.Sum32())
}

// login is what the server says about an account.
type login struct {
	oid     uint32
	super   bool
	own     bool // the connector's own
	inherit bool // uses what it is a member of without SET ROLE
	enters  bool // has LOGIN
	open    bool // has LOGIN, or a VALID UNTIL that has not passed
	group   bool // has members
	others  bool // is a direct member of a privilege other than the one in question
	version int  // of the server
}

// hasMembers says whether anybody gets what is granted to the role a. From version 16 on whoever creates a role is a member
// of it, who may administer it but neither inherits from it nor takes it; before, there are no such options.
const hasMembers = `
	EXISTS (SELECT FROM pg_auth_members g WHERE g.roleid = a.oid
	        AND (coalesce((to_jsonb(g) ->> 'inherit_option')::boolean, true) OR coalesce((to_jsonb(g) ->> 'set_option')::boolean, true)))`

// readLogin returns a nil login where the account does not exist.
func (c *Connector) readLogin(ctx context.Context, tx pgx.Tx, a connector.Access) (*login, error) {
	var l login
	err := tx.QueryRow(ctx, `
		SELECT a.oid, a.rolsuper, a.rolname IN (session_user, current_user), a.rolinherit, a.rolcanlogin,
		       a.rolcanlogin OR coalesce(a.rolvaliduntil, 'infinity') > now(),
		       `+hasMembers+`,
		       EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.roleid
		               WHERE m.member = a.oid AND p.rolname::text = ANY ($2::text[]) AND p.rolname::text <> $3),
		       current_setting('server_version_num')::int
		FROM pg_roles a WHERE a.rolname::text = $1`, a.Account, c.privileges, a.Privilege).
		Scan(&l.oid, &l.super, &l.own, &l.inherit, &l.enters, &l.open, &l.group, &l.others, &l.version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &l, err
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
