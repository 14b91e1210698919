package pimv2

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/store"
)

// The export of assignments (learn.microsoft.com/graph/api/governanceroleassignment-export): a table of comma-separated values in
// the form of the service's sample (reference pim-v2 §7), with two byte order marks before the header.

// exportWithin bounds the reading of one page.
const exportWithin = 30 * time.Second

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
	x := &export{assignments: c.assignments(t), query: store.Query{Tenant: c.Tenant, Limit: listing.ScanSize}}
	if q.Top != nil || q.Skip > 0 || q.SkipToken != "" || len(q.OrderBy) > 0 {
		p, err := x.assignments.page(q)
		if err != nil {
			return api.Answer{}, err
		}
		x.page.Rows, x.target.rest = p.Rows, nil
	} else {
		x.query.Where, _ = assignmentColumns(c.provider).Compile(t.rest)
		// The first page is read before anything is answered: what cannot be read is then told as an error.
		if err := x.read(c.Context()); err != nil {
			return api.Answer{}, err
		}
	}
	return api.Answer{Status: http.StatusOK, Type: "application/octet-stream", Stream: x.write}, nil
}

// export is a table in the making.
type export struct {
	assignments
	query store.Query
	page  store.Page[row]
}

// in makes the export read within a context: that of the call ends before a long answer does.
func (x *export) in(ctx context.Context) {
	request := *x.Request
	request.Request = request.WithContext(ctx)
	c := *x.call
	c.Request = &request
	x.call = &c
}

func (x *export) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, exportWithin)
	defer cancel()
	x.in(ctx)
	var err error
	x.page, err = x.fetch(x.query)
	return err
}

// write writes page after page.
func (x *export) write(ctx context.Context, w io.Writer) error {
	var piece bytes.Buffer
	piece.WriteString(byteOrderMark + byteOrderMark)
	table := csv.NewWriter(&piece)
	table.UseCRLF = true
	if err := table.Write(exportHeader()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	for {
		if err := x.rows(ctx, table); err != nil {
			return err
		}
		if _, err := w.Write(piece.Bytes()); err != nil {
			return fmt.Errorf("send the table: %w", err)
		}
		piece.Reset()
		if len(x.page.Next) == 0 {
			return nil
		}
		x.query.After = x.page.Next
		if err := x.read(ctx); err != nil {
			return err
		}
	}
}

// rows writes the rows of the page at hand.
func (x *export) rows(ctx context.Context, table *csv.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, exportWithin)
	defer cancel()
	x.in(ctx)
	rows, err := x.kinds.assignment.Sifted(x.call, odata.Query{Filter: x.target.rest}, x.page.Rows)
	if err != nil {
		return err
	}
	refs := make([]reference, len(rows))
	for i, r := range rows {
		refs[i] = r.reference()
	}
	subjects, err := x.subjects(of(refs, ofSubject))
	if err != nil {
		return err
	}
	roles, err := x.roles(of(refs, ofRole))
	if err != nil {
		return err
	}
	for i, r := range rows {
		if err := table.Write(cellsOf(r, subjects[refs[i].subject], roles[refs[i].key])); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	table.Flush()
	return table.Error()
}

// cellsOf are the cells of a row.
func cellsOf(r row, s subject, of role) []string {
	account, mail := accountOf(s)
	if mail == "" {
		mail = account
	}
	start, end := r.period()
	return []string{governance.StateName(r.Schedule.Kind), wire.PlainCell(s.DisplayName), wire.PlainCell(of.name), wire.PlainCell(mail), memberType(r.Member), cellOf(start), cellOf(end)}
}

func cellOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
