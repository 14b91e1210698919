package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/connector"
)

// Revoke implements [connector.Connector]. It refuses the connector's own login.
func (c *Connector) Revoke(ctx context.Context, a connector.Access) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.check(a); err != nil {
		return err
	}
	if err := c.revoke(ctx, a); err != nil {
		return fmt.Errorf("postgres: revoke %q of %q: %w", a.Privilege, a.Account, err)
	}
	return nil
}

// revoke does all it can before it returns what it could not do: a membership that stays is no reason to let a session
// that hangs on another go on.
func (c *Connector) revoke(ctx context.Context, a connector.Access) error {
	var l *login
	var left error
	err := c.change(ctx, a.Account, func(ctx context.Context, tx pgx.Tx) (err error) {
		l, left, err = c.take(ctx, tx, a)
		return err
	})
	if err != nil || l == nil {
		return errors.Join(err, left)
	}
	out := c.out(l)
	if out || !c.wasCut(a) {
		if err := c.cutSessions(ctx, l.oid, out); err != nil {
			return errors.Join(left, err)
		}
		if left == nil {
			c.remember(a)
		}
	}
	return left
}

// out says whether a login with nothing left to it must be out of the server altogether.
func (c *Connector) out(l *login) bool { return c.owns && !l.others && !l.super }

// take removes the membership and shuts an owned login with nothing left. What people must mend is returned as left, beside
// what was done; err undoes all. The login is nil where there is none.
func (c *Connector) take(ctx context.Context, tx pgx.Tx, a connector.Access) (l *login, left, err error) {
	if left, err = c.privilegeExists(ctx, tx, a.Privilege); err != nil {
		return nil, nil, err
	}
	l, err = c.readLogin(ctx, tx, a)
	if err != nil || l == nil {
		return nil, left, err
	}
	if l.own {
		return nil, nil, refuse("account", a.Account, "is the connector's own login")
	}
	if l.super {
		left = errors.Join(left, refuse("account", a.Account, "is a superuser, whom no revocation stops"))
	}
	notRemoved, err := c.removeMembership(ctx, tx, a, l)
	if err != nil {
		return nil, nil, err
	}
	if c.out(l) && l.open {
		if _, err := tx.Exec(ctx, "ALTER ROLE "+quote(a.Account)+" NOLOGIN VALID UNTIL 'now'"); err != nil {
			return nil, nil, err
		}
	}
	return l, errors.Join(left, notRemoved), nil
}

// privilegeExists returns as missing that the role is not there. It may have been dropped, and its memberships with it, or
// renamed, and its memberships live on. An empty role of the old name, made by hand, lets the revocation end.
func (c *Connector) privilegeExists(ctx context.Context, tx pgx.Tx, privilege string) (missing, err error) {
	var exists bool
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname::text = $1)", privilege).Scan(&exists)
	if err == nil && !exists {
		missing = refuse("privilege", privilege, "does not exist; it was dropped or renamed")
	}
	return missing, err
}

// removeMembership takes the direct membership from each of its grantors. What this connector may not take stays, and is
// returned as left.
func (c *Connector) removeMembership(ctx context.Context, tx pgx.Tx, a connector.Access, l *login) (left, err error) {
	rows, err := tx.Query(ctx, `
		SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.roleid LEFT JOIN pg_roles g ON g.oid = m.grantor
		WHERE m.member = $1 AND p.rolname::text = $2`, l.oid, a.Privilege)
	if err != nil {
		return nil, err
	}
	grantors, err := pgx.CollectRows(rows, pgx.RowTo[*string])
	if err != nil || len(grantors) == 0 {
		return nil, err
	}
	// The sessions are to be ended now, whatever this connector saw end before.
	c.forget(a)
	for _, grantor := range grantors {
		revoke := "REVOKE " + quote(a.Privilege) + " FROM " + quote(a.Account)
		// Up to version 15 a membership is one row and the grantor a remark that may name a role no longer there.
		if l.version >= 160000 && grantor != nil {
			revoke += " GRANTED BY " + quote(*grantor)
		}
		err := classify(pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error {
			_, err := nested.Exec(ctx, revoke+" CASCADE")
			return err
		}))
		if err != nil && !errors.Is(err, connector.ErrConfiguration) {
			return nil, err
		}
		left = errors.Join(left, err)
	}
	return left, nil
}

// cutSessions ends sessions of a login and returns once they were seen to be gone: all of them if the login must be out,
// else those that are there when it is called.
func (c *Connector) cutSessions(ctx context.Context, login uint32, out bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.cutWithin)
	defer cancel()
	if out {
		if err := c.awaitStarting(ctx); err != nil {
			return err
		}
	}
	var pids []int32
	const all = `SELECT pid FROM pg_stat_activity WHERE usesysid = $1 AND pid <> pg_backend_pid()`
	if err := c.pids(ctx, &pids, all, login); err != nil {
		return err
	}
	for pause := 2 * time.Millisecond; len(pids) > 0; pause = min(2*pause, 100*time.Millisecond) {
		if err := c.terminate(ctx, login, pids); err != nil {
			return err
		}
		if err := wait(ctx, pause); err != nil {
			return fmt.Errorf("%d sessions have not ended: %w", len(pids), err)
		}
		var err error
		if out {
			err = c.pids(ctx, &pids, all, login)
		} else {
			err = c.pids(ctx, &pids, all+` AND pid = ANY ($2)`, login, pids)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// startsWithin bounds the wait for backends that are about to let somebody in.
const startsWithin = time.Second

// awaitStarting waits for the backends that were starting when it is called. One of them may have read LOGIN before the
// revocation was committed and not show itself in pg_stat_activity yet; it is seen by the lock on its first transaction,
// which spans both. One that takes longer is waiting for its client to authenticate and has not come to read LOGIN.
func (c *Connector) awaitStarting(ctx context.Context) error {
	const starting = `
		SELECT pid FROM pg_locks WHERE locktype = 'virtualxid' AND pid NOT IN (
			SELECT pid FROM pg_stat_activity
			WHERE usesysid IS NOT NULL OR coalesce(backend_type, 'client backend') <> 'client backend')`
	var pids []int32
	if err := c.pids(ctx, &pids, starting); err != nil {
		return err
	}
	for deadline := time.Now().Add(startsWithin); len(pids) > 0 && time.Now().Before(deadline); {
		if err := wait(ctx, 2*time.Millisecond); err != nil {
			return err
		}
		if err := c.pids(ctx, &pids, starting+` AND pid = ANY ($1)`, pids); err != nil {
			return err
		}
	}
	return nil
}

func (c *Connector) pids(ctx context.Context, pids *[]int32, query string, args ...any) error {
	return repeat(ctx, func() error {
		rows, err := c.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		*pids, err = pgx.CollectRows(rows, pgx.RowTo[int32])
		return err
	})
}

// terminate signals the sessions that are still the login's: the number of one that ended may be another's by now.
func (c *Connector) terminate(ctx context.Context, login uint32, pids []int32) error {
	return repeat(ctx, func() error {
		_, err := c.pool.Exec(ctx, `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE usesysid = $1 AND pid = ANY ($2) AND pid <> pg_backend_pid()`, login, pids)
		return err
	})
}

// mostRemembered bounds the memory of what was cut. Forgetting is safe: it costs one more cut.
const mostRemembered = 10_000

func key(a connector.Access) connector.Access {
	a.Until = a.Until.UTC().Truncate(time.Microsecond)
	return a
}

func (c *Connector) remember(a connector.Access) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cut) >= mostRemembered {
		clear(c.cut)
	}
	c.cut[key(a)] = true
}

func (c *Connector) forget(a connector.Access) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.cut, key(a))
}

func (c *Connector) wasCut(a connector.Access) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut[key(a)]
}
