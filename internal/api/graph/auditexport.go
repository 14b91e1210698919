package graph

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// exportWithin bounds the reading of one page.
const exportWithin = 30 * time.Second

// ExportAudits answers with the audit log as a table of comma-separated values (RFC 4180), in the words of directoryAudits:
// the same filter and order, without pages. It holds one page at a time, however long the log is, and reads on behind the last
// row, so that what is written meanwhile makes it neither repeat nor lose one. It is a handler for the surface that offers it.
func (s *Surface) ExportAudits(r *api.Request) (api.Answer, error) {
	return s.as(false, exportAudits)(r)
}

func exportAudits(c *call) (api.Answer, error) {
	if err := auditReader(c); err != nil {
		return api.Answer{}, err
	}
	k := c.auditKind()
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	if q.Top != nil || q.Skip != 0 || q.SkipToken != "" || q.Count || len(q.Select) > 0 || len(q.Expand) > 0 {
		return api.Answer{}, badRequest("An export takes $filter and $orderby alone.")
	}
	x := &export{call: c, filter: q.Filter}
	x.query = store.Query{Tenant: c.Tenant, Limit: listing.ScanSize, Order: []store.Order{{Field: store.FieldAt, Desc: true}}}
	x.query.Where, x.exact = k.Columns.Compile(q.Filter)
	if len(q.OrderBy) > 0 {
		if x.query.Order, err = k.Columns.SortedBy(q.OrderBy); err != nil {
			return api.Answer{}, err
		}
	}
	// The first page is read before anything is answered: what cannot be read is then told as an error.
	if err := x.read(c.Context()); err != nil {
		return api.Answer{}, err
	}
	return api.Answer{
		Status: http.StatusOK, Type: "text/csv;charset=utf-8;header=present", Stream: x.write,
		Header: http.Header{"Content-Disposition": {`attachment; filename="directoryAudits.csv"`}},
	}, nil
}

// export is a table in the making.
type export struct {
	call   *call
	filter odata.Expr
	exact  bool
	query  store.Query
	page   store.Page[pim.Event]
}

func (x *export) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, exportWithin)
	defer cancel()
	var err error
	x.page, err = x.call.app.Events(ctx, x.call.Caller, x.query)
	return err
}

// write writes page after page.
func (x *export) write(ctx context.Context, w io.Writer) error {
	var piece bytes.Buffer
	table := csv.NewWriter(&piece)
	table.UseCRLF = true
	if err := table.Write(auditHeader()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	for {
		if err := x.rows(table); err != nil {
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

func (x *export) rows(table *csv.Writer) error {
	for _, e := range x.page.Rows {
		if !x.exact {
			ok, err := odata.Eval(x.filter, func(path []string) any { return auditValue(x.call, e, path) })
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		if err := table.Write(auditCells(x.call, &e)); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	table.Flush()
	return table.Error()
}

// auditHeader names the columns. Others read tables by them: they may only be added to, at the end.
func auditHeader() []string {
	return []string{
		"id", "activityDateTime", "activityDisplayName", "category", "result", "resultReason", "loggedByService", "operationType", "correlationId",
		"initiatedByUserId", "initiatedByUserDisplayName", "initiatedByUserPrincipalName", "initiatedByIpAddress",
		"initiatedByAppId", "initiatedByAppDisplayName", "initiatedByServicePrincipalId",
		"principalType", "principalId", "principalDisplayName", "principalUserPrincipalName",
		"roleId", "roleDisplayName", "scopeType", "scopeId", "startDateTime", "endDateTime", "ticketNumber", "ticketSystem", "additionalDetails",
	}
}

func auditCells(c *call, e *pim.Event) []string {
	n := c.auditNames.named(e)
	user, app := e.By, pim.Actor{}
	if !byUser(e.By) {
		user, app = pim.Actor{}, e.By
		app.Name = appName(e.By)
	}
	who, role, place := principalTarget(e), roleTarget(e), scopeTarget(e)
	cells := []string{
		auditPrefix + string(e.ID), timeText(e.At), n.name, auditCategory(n, e), auditResult(e), auditReason(e), n.service(), n.operation, correlation(e),
		string(user.Principal), user.Name, user.Account, e.By.Address,
		app.Account, app.Name, string(app.Principal),
		who.typ, who.id, who.name, who.account,
		role.id, role.name, place.typ, place.id, timeText(e.Start), timeText(e.End), e.Ticket.Number, e.Ticket.System,
		string(appendPairs(nil, "key", "value", auditDetails(e))),
	}
	for i, s := range cells {
		cells[i] = wire.PlainCell(s)
	}
	return cells
}
