package sqlstore

import (
	"context"
	"fmt"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

func linksTable() table {
	return table{name: "links", key: 5, columns: []column{
		{"tenant", text},
		{"relation", number},
		{"from_id", text},
		{"to_id", text},
		{"schedule", text},
		{"start_at", number},
		{"end_at", number},
		{"doc", text},
	}}
}

// storedWindow is what is kept of a link's window beside the columns: nothing for most.
type storedWindow struct {
	Length     string            `json:"l,omitempty"`
	Recurrence *storedRecurrence `json:"r,omitempty"`
	Anchor     *int64            `json:"a,omitempty"`
}

func linkRow(l directory.Link) ([]any, error) {
	w := l.Window
	d, err := doc(storedWindow{w.Length.String(), fromRecurrence(w.Recurrence), optionalStamp(w.Anchor)})
	return append(linkKey(l), stamp(w.Start), endStamp(w.End), d), err
}

func linkKey(l directory.Link) []any {
	return []any{
		string(l.Tenant), int64(l.Relation), plain(string(l.From)), plain(string(l.To)), plain(string(l.Schedule)),
	}
}

func scanLink(s scan, before ...any) (directory.Link, error) {
	var tenant, from, to, made, d string
	var relation, start, end int64
	err := s(append(before, &tenant, &relation, &from, &to, &made, &start, &end, &d)...)
	if err != nil {
		return directory.Link{}, err
	}
	l := directory.Link{
		Tenant: pim.TenantID(tenant), Relation: directory.Relation(relation), From: pim.PrincipalID(from),
		To: pim.PrincipalID(to), Schedule: pim.ScheduleID(made),
		Window: schedule.Window{Start: instant(start), End: instant(end)},
	}
	return l, completeLink(&l, d)
}

func completeLink(l *directory.Link, d string) error {
	if d == "" {
		return nil
	}
	var f storedWindow
	if err := undoc(d, &f); err != nil {
		return err
	}
	length, err := duration(f.Length)
	l.Window.Length, l.Window.Recurrence, l.Window.Anchor = length, f.Recurrence.recurrence(), optionalInstant(f.Anchor)
	return err
}

// Links implements store.Directory.
func (s *Store) Links(ctx context.Context, t pim.TenantID, r directory.Relation, from, to pim.PrincipalID) ([]directory.Link, error) {
	sql := "SELECT " + linksTable().list("") + " FROM links WHERE tenant = $1 AND relation = $2 AND from_id = $3 ORDER BY to_id, schedule"
	end := from
	switch {
	case from != "" && to != "":
		return nil, fmt.Errorf("list links: one end must be empty")
	case from == "":
		sql = "SELECT " + linksTable().list("") + " FROM links WHERE tenant = $1 AND relation = $2 AND to_id = $3 ORDER BY from_id, schedule"
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

// upward finds every edge on the ways up from the rows (tenant, id), each with the id it started from and the version of
// the membership's case. UNION drops what is found again, so circles end.
const upward = `
	WITH RECURSIVE up(root, tenant, relation, from_id, to_id, schedule, start_at, end_at, doc) AS (
		SELECT v.id, l.tenant, l.relation, l.from_id, l.to_id, l.schedule, l.start_at, l.end_at, l.doc
		FROM {{rows}} CROSS JOIN links l
		WHERE l.tenant = v.tenant AND l.relation = 1 AND l.to_id = v.id
		UNION
		SELECT u.root, l.tenant, l.relation, l.from_id, l.to_id, l.schedule, l.start_at, l.end_at, l.doc
		FROM up u CROSS JOIN links l
		WHERE l.tenant = u.tenant AND l.relation = 1 AND l.to_id = u.from_id)
	SELECT u.root, COALESCE((SELECT c.version FROM cases c WHERE c.tenant = u.tenant AND c.principal = u.to_id
			AND c.role = 'member' AND c.scope = u.from_id AND c.provider = 'group'), 0),
		u.tenant, u.relation, u.from_id, u.to_id, u.schedule, u.start_at, u.end_at, u.doc FROM up u`

// GroupsAbove implements store.Directory.
func (s *Store) GroupsAbove(ctx context.Context, t pim.TenantID, member pim.PrincipalID) ([]directory.Link, error) {
	links, err := s.links(ctx, `
		WITH RECURSIVE up(tenant, relation, from_id, to_id, schedule, start_at, end_at, doc) AS (
			SELECT tenant, relation, from_id, to_id, schedule, start_at, end_at, doc FROM links
			WHERE tenant = $1 AND relation = 1 AND to_id = $2
			UNION
			SELECT l.tenant, l.relation, l.from_id, l.to_id, l.schedule, l.start_at, l.end_at, l.doc
			FROM up u CROSS JOIN links l
			WHERE l.tenant = u.tenant AND l.relation = 1 AND l.to_id = u.from_id)
		SELECT tenant, relation, from_id, to_id, schedule, start_at, end_at, doc FROM up ORDER BY from_id, to_id, schedule`,
		string(t), plain(string(member)))
	return links, s.fault("list the groups above "+string(member), err)
}

// MembersBelow implements store.Directory.
func (s *Store) MembersBelow(ctx context.Context, t pim.TenantID, group pim.PrincipalID) ([]directory.Link, error) {
	links, err := s.links(ctx, `
		WITH RECURSIVE down(tenant, relation, from_id, to_id, schedule, start_at, end_at, doc) AS (
			SELECT tenant, relation, from_id, to_id, schedule, start_at, end_at, doc FROM links
			WHERE tenant = $1 AND relation = 1 AND from_id = $2
			UNION
			SELECT l.tenant, l.relation, l.from_id, l.to_id, l.schedule, l.start_at, l.end_at, l.doc
			FROM down d CROSS JOIN links l
			WHERE l.tenant = d.tenant AND l.relation = 1 AND l.from_id = d.to_id)
		SELECT tenant, relation, from_id, to_id, schedule, start_at, end_at, doc FROM down ORDER BY from_id, to_id, schedule`,
		string(t), plain(string(group)))
	return links, s.fault("list the members below "+string(group), err)
}
