package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"portcullis/internal/connector"
)

// Steps of a [connector.Held.Via] that are no roles.
const (
	// BySuperuser is the attribute that needs no membership.
	BySuperuser = "(superuser)"
	// ByUnknown is a way that the server confirms and the memberships do not explain.
	ByUnknown = "(unknown)"
)

// List implements [connector.Connector]. For everybody it lists each role that can log in, and each that cannot but has no
// members and so may be an owned login that is shut. Superusers hold every privilege, the connector's own login included.
func (c *Connector) List(ctx context.Context, account string) ([]connector.Held, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if account != "" {
		if err := checkName("account", account); err != nil {
			return nil, err
		}
	}
	var m *memberships
	err := repeat(ctx, func() error {
		options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		return pgx.BeginTxFunc(ctx, c.pool, options, func(tx pgx.Tx) (err error) {
			m, err = c.read(ctx, tx, account)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: list: %w", err)
	}
	return c.held(m, account), nil
}

// memberships are the roles that matter to a list, and how they hang together.
type memberships struct {
	// roles are in the order of their names, so that one state of the server makes one list.
	roles []*role
	// confirmed are the pairs of account and privilege for which the server's pg_has_role says yes.
	confirmed map[[2]uint32]bool
}

type role struct {
	oid      uint32
	name     string
	super    bool
	own      bool
	enters   bool
	group    bool
	until    pgtype.Timestamptz
	sessions int
	of       []uint32 // direct memberships
}

// reach is every role that matters: the account in question, the privileges, and all that these are members of, at any
// depth. UNION drops what was seen, so that it ends even on a cycle, which the server does not allow.
const reach = `
	WITH RECURSIVE reach(oid) AS (
		SELECT oid FROM pg_roles WHERE $1 = '' OR rolname::text = $1 OR rolname::text = ANY ($2::text[])
		UNION
		SELECT m.roleid FROM pg_auth_members m JOIN reach ON m.member = reach.oid
	)`

func (c *Connector) read(ctx context.Context, tx pgx.Tx, account string) (*memberships, error) {
	m := &memberships{confirmed: make(map[[2]uint32]bool)}
	if err := m.readRoles(ctx, tx, account, c.privileges); err != nil {
		return nil, err
	}
	if err := m.readEdges(ctx, tx, account, c.privileges); err != nil {
		return nil, err
	}
	return m, m.readConfirmed(ctx, tx, account, c.privileges)
}

func (m *memberships) readRoles(ctx context.Context, tx pgx.Tx, account string, privileges []string) error {
	rows, err := tx.Query(ctx, reach+`
		SELECT a.oid, a.rolname::text, a.rolsuper, a.rolname IN (session_user, current_user), a.rolcanlogin, a.rolvaliduntil,
		       `+hasMembers+`, coalesce(s.n, 0)
		FROM pg_roles a JOIN reach ON reach.oid = a.oid
		LEFT JOIN (SELECT usesysid, count(*) AS n FROM pg_stat_activity WHERE pid <> pg_backend_pid() GROUP BY usesysid) s
		       ON s.usesysid = a.oid
		ORDER BY a.rolname`, account, privileges)
	if err != nil {
		return err
	}
	var r role
	_, err = pgx.ForEachRow(rows, []any{&r.oid, &r.name, &r.super, &r.own, &r.enters, &r.until, &r.group, &r.sessions}, func() error {
		found := r
		m.roles = append(m.roles, &found)
		return nil
	})
	return err
}

func (m *memberships) readEdges(ctx context.Context, tx pgx.Tx, account string, privileges []string) error {
	// From version 16 on there is a row for each grantor.
	rows, err := tx.Query(ctx, reach+`
		SELECT m.member, array_agg(DISTINCT m.roleid) FROM pg_auth_members m JOIN reach ON m.member = reach.oid
		GROUP BY m.member`, account, privileges)
	if err != nil {
		return err
	}
	groups := make(map[uint32][]uint32)
	var member uint32
	var of []uint32
	_, err = pgx.ForEachRow(rows, []any{&member, &of}, func() error {
		groups[member] = slices.Clone(of)
		return nil
	})
	for _, r := range m.roles {
		r.of = groups[r.oid]
	}
	return err
}

func (m *memberships) readConfirmed(ctx context.Context, tx pgx.Tx, account string, privileges []string) error {
	rows, err := tx.Query(ctx, `
		SELECT a.oid, p.oid FROM pg_roles a CROSS JOIN pg_roles p
		WHERE ($1 = '' OR a.rolname::text = $1) AND p.rolname::text = ANY ($2::text[]) AND a.oid <> p.oid
		  AND pg_has_role(a.oid, p.oid, 'MEMBER')`, account, privileges)
	if err != nil {
		return err
	}
	var pair [2]uint32
	_, err = pgx.ForEachRow(rows, []any{&pair[0], &pair[1]}, func() error {
		m.confirmed[pair] = true
		return nil
	})
	return err
}

func (c *Connector) held(m *memberships, account string) []connector.Held {
	var held []connector.Held
	for _, privilege := range m.roles {
		if !slices.Contains(c.privileges, privilege.name) {
			continue
		}
		ways := m.ways(privilege)
		for _, r := range m.roles {
			if r != privilege && (r.name == account || account == "" && c.isAccount(r)) {
				held = append(held, c.heldBy(m, r, privilege, ways)...)
			}
		}
	}
	if rest := c.rest(m, account); len(held) == 0 && rest != nil {
		held = append(held, *rest)
	}
	slices.SortFunc(held, func(a, b connector.Held) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Privilege, b.Privilege), compareVia(a.Via, b.Via))
	})
	return held
}

// compareVia puts the direct hold first, then the shorter way.
func compareVia(a, b []string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), slices.Compare(a, b))
}

// isAccount tells a login, or one that was shut, from a group of logins.
func (c *Connector) isAccount(r *role) bool {
	return r.enters || !r.group && !strings.HasPrefix(r.name, "pg_") && !slices.Contains(c.privileges, r.name)
}

// ways is, for each role from which the privilege can be reached, the shortest way there: the role itself first, the
// privilege left out. A superuser may take any role.
func (m *memberships) ways(privilege *role) map[uint32][]string {
	ways := map[uint32][]string{privilege.oid: nil}
	members := make(map[uint32][]*role)
	next := []uint32{privilege.oid}
	for _, r := range m.roles {
		for _, of := range r.of {
			members[of] = append(members[of], r)
		}
		if r.super && r != privilege {
			ways[r.oid] = []string{r.name, BySuperuser}
			next = append(next, r.oid)
		}
	}
	for len(next) > 0 {
		from := next[0]
		next = next[1:]
		for _, r := range members[from] {
			if _, seen := ways[r.oid]; !seen {
				ways[r.oid] = append([]string{r.name}, ways[from]...)
				next = append(next, r.oid)
			}
		}
	}
	return ways
}

// heldBy is an entry for each first step by which an account comes to a privilege: whoever takes all these steps away has
// taken the privilege away.
func (c *Connector) heldBy(m *memberships, r, privilege *role, ways map[uint32][]string) []connector.Held {
	var held []connector.Held
	add := func(via []string) {
		held = append(held, connector.Held{
			Account: r.name, Privilege: privilege.name, Until: c.until(r), Direct: via == nil, Via: via,
			Blocked: !r.enters, Sessions: r.sessions,
		})
	}
	for _, of := range r.of {
		if way, reaches := ways[of]; reaches {
			add(way)
		}
	}
	if r.super {
		add([]string{BySuperuser})
	}
	if len(held) == 0 && m.confirmed[[2]uint32{r.oid, privilege.oid}] {
		add([]string{ByUnknown})
	}
	if r.own && len(held) > 0 {
		// From version 16 on whoever creates a login may administer it, and so reaches all that the login holds. That the
		// connector's own login can come by the privilege is said once, not once for each person.
		return []connector.Held{slices.MinFunc(held, func(a, b connector.Held) int { return compareVia(a.Via, b.Via) })}
	}
	return held
}

// rest says that an owned login holds nothing but can get in or is inside.
func (c *Connector) rest(m *memberships, account string) *connector.Held {
	for _, r := range m.roles {
		if c.owns && r.name == account && !r.own && (r.enters || r.sessions > 0) {
			return &connector.Held{Account: r.name, Until: c.until(r), Blocked: !r.enters, Sessions: r.sessions}
		}
	}
	return nil
}

// until is the end that the server keeps for an owned login. The ends of other logins are not the connector's to read
// anything into.
func (c *Connector) until(r *role) time.Time {
	switch {
	case !c.owns || !r.until.Valid || r.until.InfinityModifier == pgtype.Infinity:
		return time.Time{}
	case r.until.InfinityModifier == pgtype.NegativeInfinity:
		return time.Unix(0, 0).UTC() // long over, and not the zero time, which is never
	default:
		return r.until.Time.UTC()
	}
}
