package graph

import (
	"context"
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// ExportAudits answers with the audit log as a table of comma-separated values (RFC 4180), in the words of directoryAudits:
// the same filter and order, without pages. It is a handler for the surface that offers it.
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
	t, err := c.auditTable(k, q)
	if err == nil {
		err = t.Begin(c.Context())
	}
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{
		Status: http.StatusOK, Type: "text/csv;charset=utf-8;header=present", Stream: t.Write,
		Header: http.Header{"Content-Disposition": {`attachment; filename="directoryAudits.csv"`}},
	}, nil
}

// auditTable is the table of what a query asks for.
func (c *call) auditTable(k *kind[pim.Event], q odata.Query) (*listing.Table[pim.Event], error) {
	where, exact := k.Columns.Compile(q.Filter)
	if exact {
		q.Filter = nil
	}
	order := []store.Order{{Field: store.FieldAt, Desc: true}}
	if len(q.OrderBy) > 0 {
		var err error
		if order, err = k.Columns.SortedBy(q.OrderBy); err != nil {
			return nil, err
		}
	}
	return &listing.Table[pim.Event]{
		Header: auditHeader(), Query: store.Query{Tenant: c.Tenant, Limit: listing.ScanSize, Where: where, Order: order},
		Read: func(ctx context.Context, page store.Query) (store.Page[pim.Event], error) {
			return c.app.Events(ctx, c.Caller, page)
		},
		Cells: func(_ context.Context, rows []pim.Event) ([][]string, error) {
			rows, err := k.Sifted(c, odata.Query{Filter: q.Filter}, rows)
			cells := make([][]string, len(rows))
			for i := range rows {
				cells[i] = auditCells(c, &rows[i])
			}
			return cells, err
		},
	}, nil
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
	return []string{
		auditPrefix + string(e.ID), timeText(e.At), n.name, auditCategory(n, e), auditResult(e), auditReason(e), n.service(), n.operation, correlation(e),
		string(user.Principal), user.Name, user.Account, e.By.Address,
		app.Account, app.Name, string(app.Principal),
		who.typ, who.id, who.name, who.account,
		role.id, role.name, place.typ, place.id, timeText(e.Start), timeText(e.End), e.Ticket.Number, e.Ticket.System,
		string(appendPairs(nil, "key", "value", auditDetails(e))),
	}
}
