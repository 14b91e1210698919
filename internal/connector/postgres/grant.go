package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/connector"
)

// Grant implements [connector.Connector]. Besides what the interface says it refuses, with [connector.ErrConfiguration], a
// superuser, the connector's own login, a role with members (they would all get in) and, where it does not own the logins,
// one that cannot log in.
func (c *Connector) Grant(ctx context.Context, a connector.Access) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.check(a); err != nil {
		return err
	}
	c.forget(a)
	err := c.change(ctx, a.Account, func(ctx context.Context, tx pgx.Tx) error {
		l, err := c.readLogin(ctx, tx, a)
		if err != nil {
			return err
		}
		if err := c.grantable(a, l); err != nil {
			return err
		}
		if c.owns {
			if err := c.open(ctx, tx, a, l); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, "GRANT "+quote(a.Privilege)+" TO "+quote(a.Account)+withOptions(l))
		return err
	})
	if err != nil {
		return fmt.Errorf("postgres: grant %q to %q: %w", a.Privilege, a.Account, err)
	}
	return nil
}

// withOptions makes a membership usable that was there before without use. From version 16 on there are such, and a grant
// leaves alone the options that it does not name.
func withOptions(l *login) string {
	switch {
	case l == nil || l.version < 160000:
		return ""
	case l.inherit:
		return " WITH INHERIT TRUE, SET TRUE"
	default:
		return " WITH INHERIT FALSE, SET TRUE"
	}
}

func (c *Connector) grantable(a connector.Access, l *login) error {
	switch {
	case l == nil && c.owns:
		return nil
	case l == nil:
		return refuse("account", a.Account, "does not exist")
	case l.own:
		return refuse("account", a.Account, "is the connector's own login")
	case l.super:
		return refuse("account", a.Account, "is a superuser")
	case l.group:
		return refuse("account", a.Account, "has members")
	case !l.enters && !c.owns:
		return refuse("account", a.Account, "cannot log in")
	default:
		return nil
	}
}

// open lets an owned login in until the end of the access, or until the later end of another one that it holds.
func (c *Connector) open(ctx context.Context, tx pgx.Tx, a connector.Access, l *login) error {
	until, err := literal(a.Until)
	if err != nil {
		return err
	}
	if l == nil {
		_, err := tx.Exec(ctx, "CREATE ROLE "+quote(a.Account)+" LOGIN VALID UNTIL "+until)
		return err
	}
	if l.others && l.enters {
		var later bool
		err := tx.QueryRow(ctx, `SELECT coalesce(rolvaliduntil, 'infinity') > `+until+`::timestamptz FROM pg_roles WHERE oid = $1`,
			l.oid).Scan(&later)
		if err != nil || later {
			return err
		}
	}
	_, err = tx.Exec(ctx, "ALTER ROLE "+quote(a.Account)+" LOGIN VALID UNTIL "+until)
	return err
}

// literal is a time as an SQL literal, because these statements take no parameters. It is made of digits and signs alone.
func literal(t time.Time) (string, error) {
	if t.IsZero() {
		return "'infinity'", nil
	}
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return "", fmt.Errorf("the end of the access is in the year %d: %w", t.Year(), connector.ErrConfiguration)
	}
	return t.Format("'2006-01-02 15:04:05.000000+00'"), nil
}
