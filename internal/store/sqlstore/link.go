package sqlstore

import (
	"context"
	"fmt"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

func linksTable() table {
	return table{name: "links", key: 4, columns: []column{
		{"tenant", text},
		{"relation", number},
		{"from_id", text},
		{"to_id", text},
		{"start_at", number},
		{"end_at", number},
	}}
}

func linkRow(l directory.Link) []any {
	return []any{
		string(l.Tenant), int64(l.Relation), plain(string(l.From)), plain(string(l.To)), stamp(l.During.Start),
		endStamp(l.During.End),
	}
}

func scanLink(s scan, before ...any) (directory.Link, error) {
	var tenant, from, to string
	var relation, start, end int64
	err := s(append(before, &tenant, &relation, &from, &to, &start, &end)...)
	return directory.Link{
		Tenant: pim.TenantID(tenant), Relation: directory.Relation(relation), From: pim.PrincipalID(from),
		To: pim.PrincipalID(to), During: schedule.Interval{Start: instant(start), End: instant(end)},
	}, err
}

// Links implements store.Directory.
func (s *Store) Links(ctx context.Context, t pim.TenantID, r directory.Relation, from, to pim.PrincipalID) ([]directory.Link, error) {
	sql := "SELECT " + linksTable().list("") + " FROM links WHERE tenant = $1 AND relation = $2 AND from_id = $3 ORDER BY to_id"
	end := from
	switch {
	case from != "" && to != "":
		return nil, fmt.Errorf("list links: one end must be empty")
	case from == "":
		sql = "SELECT " + linksTable().list("") + " FROM links WHERE tenant = $1 AND relation = $2 AND to_id = $3 ORDER BY from_id"
		end = to
	}
	links, err := s.links(ctx, sql, string(t), int64(r), plain(string(end)))
	return links, s.fault("list links", err)
}

func (s *Store) links(ctx context.Context, sql string, args ...any) (links []directory.Link, err error) {
	err = s.db.browse(ctx, question{sql: sql, args: args, each: func(row scan) error {
		l, err := scanLink(row)
		links = append(links, l)
		return err
	}})
	return links, err
}

// upward finds every edge on the ways up from the rows (tenant, id), each with the id it started from. UNION drops what
// is found again, so circles end.
const upward = `
	WITH RECURSIVE up(root, tenant, relation, from_id, to_id, start_at, end_at) AS (
		SELECT v.id, l.tenant, l.relation, l.from_id, l.to_id, l.start_at, l.end_at
		FROM {{rows}} CROSS JOIN links l
		WHERE l.tenant = v.tenant AND l.relation = 1 AND l.to_id = v.id
		UNION
		SELECT u.root, l.tenant, l.relation, l.from_id, l.to_id, l.start_at, l.end_at
		FROM up u CROSS JOIN links l
		WHERE l.tenant = u.tenant AND l.relation = 1 AND l.to_id = u.from_id)
	SELECT root, tenant, relation, from_id, to_id, start_at, end_at FROM up`

// GroupsAbove implements store.Directory.
func (s *Store) GroupsAbove(ctx context.Context, t pim.TenantID, member pim.PrincipalID) ([]directory.Link, error) {
	links, err := s.links(ctx, `
		WITH RECURSIVE up(tenant, relation, from_id, to_id, start_at, end_at) AS (
			SELECT tenant, relation, from_id, to_id, start_at, end_at FROM links
			WHERE tenant = $1 AND relation = 1 AND to_id = $2
			UNION
			SELECT l.tenant, l.relation, l.from_id, l.to_id, l.start_at, l.end_at
			FROM up u CROSS JOIN links l
			WHERE l.tenant = u.tenant AND l.relation = 1 AND l.to_id = u.from_id)
		SELECT tenant, relation, from_id, to_id, start_at, end_at FROM up ORDER BY from_id, to_id`,
		string(t), plain(string(member)))
	return links, s.fault("list the groups above "+string(member), err)
}

// MembersBelow implements store.Directory.
func (s *Store) MembersBelow(ctx context.Context, t pim.TenantID, group pim.PrincipalID) ([]directory.Link, error) {
	links, err := s.links(ctx, `
		WITH RECURSIVE down(tenant, relation, from_id, to_id, start_at, end_at) AS (
			SELECT tenant, relation, from_id, to_id, start_at, end_at FROM links
			WHERE tenant = $1 AND relation = 1 AND from_id = $2
			UNION
			SELECT l.tenant, l.relation, l.from_id, l.to_id, l.start_at, l.end_at
			FROM down d CROSS JOIN links l
			WHERE l.tenant = d.tenant AND l.relation = 1 AND l.from_id = d.to_id)
		SELECT tenant, relation, from_id, to_id, start_at, end_at FROM down ORDER BY from_id, to_id`,
		string(t), plain(string(group)))
	return links, s.fault("list the members below "+string(group), err)
}
