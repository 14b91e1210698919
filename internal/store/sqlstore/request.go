package sqlstore

import (
	"portcullis/internal/pim"
)

func requestsTable() table {
	return table{name: "requests", key: 2, columns: []column{
		{"tenant", text},
		{"id", text},
		{"provider", text},
		{"scope", text},
		{"role", text},
		{"principal", text},
		{"kind", number},
		{"action", number},
		{"status", number},
		{"is_open", truth},
		{"created", number},
		{"completed", number},
		{"target", text},
		{"eligibility", text},
		{"created_by", text},
		{"due", optional},
		{"doc", text},
	}}
}

// storedRequest is what is kept of a request beside the columns.
type storedRequest struct {
	Asked         *storedInfo     `json:"asked,omitempty"`
	Start         *int64          `json:"start,omitempty"`
	Justification string          `json:"why,omitempty"`
	Ticket        *storedTicket   `json:"ticket,omitempty"`
	By            storedActor     `json:"by"`
	Approval      *storedApproval `json:"approval,omitempty"`
	Maximum       string          `json:"max,omitempty"`
	PolicyVersion int64           `json:"pv,omitempty"`

	Condition        string `json:"if,omitempty"`
	ConditionVersion string `json:"ifv,omitempty"`
}

func requestRow(r pim.Request) ([]any, error) {
	d, err := doc(storedRequest{
		Asked: fromInfo(r.Asked), Start: optionalStamp(r.Start), Justification: r.Justification,
		Ticket: fromTicket(r.Ticket), By: fromActor(r.By), Approval: fromApproval(r.Approval),
		Maximum: r.Maximum.String(), PolicyVersion: r.PolicyVersion,
		Condition: r.Condition, ConditionVersion: r.ConditionVersion,
	})
	row := append([]any{string(r.Key.Tenant), plain(string(r.ID))}, keyValues(r.Key)...)
	return append(row, int64(r.Kind), int64(r.Action), int64(r.Status), r.Status.Open(), stamp(r.Created),
		stamp(r.Completed), plain(string(r.Target)), plain(string(r.Eligibility)), plain(string(r.By.Principal)),
		optionalStamp(r.Due), d), err
}

func scanRequest(s scan, before ...any) (pim.Request, error) {
	var k keyCells
	var id, target, eligibility, by, d string
	var kind, action, status, created, completed int64
	var open bool
	var due *int64
	err := s(append(before, &k.tenant, &id, &k.provider, &k.scope, &k.role, &k.principal, &kind, &action, &status, &open,
		&created, &completed, &target, &eligibility, &by, &due, &d)...)
	if err != nil {
		return pim.Request{}, err
	}
	var f storedRequest
	if err := undoc(d, &f); err != nil {
		return pim.Request{}, err
	}
	r := pim.Request{
		ID: pim.RequestID(id), Key: k.key(), Kind: pim.Kind(kind), Action: pim.Action(action), Status: pim.Status(status),
		Start: optionalInstant(f.Start), Justification: f.Justification, Ticket: f.Ticket.ticket(), By: f.By.actor(),
		Created: instant(created), Completed: instant(completed), Target: pim.ScheduleID(target),
		Eligibility: pim.ScheduleID(eligibility), Approval: f.Approval.approval(), PolicyVersion: f.PolicyVersion,
		Condition: f.Condition, ConditionVersion: f.ConditionVersion,
		Due: optionalInstant(due),
	}
	if r.Maximum, err = duration(f.Maximum); err != nil {
		return r, err
	}
	r.Asked, err = f.Asked.info()
	return r, err
}
