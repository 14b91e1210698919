package pimv2

import (
	"context"
	"net/http"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// The export of assignments (learn.microsoft.com/graph/api/governanceroleassignment-export): a table of comma-separated values in
// the form of the service's sample (reference pim-v2 §7), with two byte order marks before the header.

const byteOrderMark = "\xef\xbb\xbf"

func exportHeader() []string {
	return []string{"Assignment Level", "User Group Name", "Role Name", "Email", "Assignment Type",
		"Assignment Start Time (UTC)", "Assignment End Time (UTC)"}
}

// exportAssignments answers with the table of what the same call without export lists: all of it, or the page that $top, $skip or
// $orderby ask for.
func exportAssignments(c *call) (api.Answer, error) {
	q, err := c.Query(c.kinds.assignment.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	t, err := c.narrow(q.Filter)
	if err != nil {
		return api.Answer{}, err
	}
	a := c.assignments(t)
	x := &listing.Table[row]{Mark: byteOrderMark + byteOrderMark, Header: exportHeader(), Query: store.Query{Tenant: c.Tenant, Limit: listing.ScanSize}}
	x.Read = func(ctx context.Context, page store.Query) (store.Page[row], error) {
		within := a
		within.call = c.within(ctx)
		return within.fetch(page)
	}
	rest := t.rest
	x.Cells = func(ctx context.Context, rows []row) ([][]string, error) { return c.within(ctx).cells(rest, rows) }
	if q.Top != nil || q.Skip > 0 || q.SkipToken != "" || len(q.OrderBy) > 0 {
		var p listing.Page[row]
		p, err = a.page(q)
		x.Page.Rows, rest = p.Rows, nil
	} else {
		x.Query.Where, _ = assignmentColumns(c.provider).Compile(rest)
		err = x.Begin(c.Context())
	}
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{Status: http.StatusOK, Type: "application/octet-stream", Stream: x.Write}, nil
}

// within is the call as it reads one page within a context: its own ends before a long answer does, and what one page has seen of
// the tree may have changed by the next.
func (c *call) within(ctx context.Context) *call {
	request, out := *c.Request, *c
	request.Request = request.WithContext(ctx)
	out.Request, out.seen = &request, map[pim.Scope]resource.Node{}
	return &out
}

// cells are the cells of those rows that a filter lets pass.
func (c *call) cells(filter odata.Expr, rows []row) ([][]string, error) {
	rows, err := c.kinds.assignment.Sifted(c, odata.Query{Filter: filter}, rows)
	if err != nil {
		return nil, err
	}
	refs := references(rows, row.reference)
	subjects, err := c.subjects(of(refs, ofSubject))
	if err != nil {
		return nil, err
	}
	roles, err := c.roles(of(refs, ofRole))
	if err != nil {
		return nil, err
	}
	out := make([][]string, len(rows))
	for i, r := range rows {
		out[i] = cellsOf(r, subjects[refs[i].subject], roles[refs[i].key])
	}
	return out, nil
}

// cellsOf are the cells of a row.
func cellsOf(r row, s subject, of role) []string {
	account, mail := accountOf(s)
	if mail == "" {
		mail = account
	}
	start, end := r.period()
	return []string{governance.StateName(r.Schedule.Kind), s.DisplayName, of.name, mail, wire.MemberType(r.Member), cellOf(start), cellOf(end)}
}

func cellOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
