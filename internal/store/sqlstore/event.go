package sqlstore

import (
	"cmp"
	"fmt"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// eventsTable leaves the sequence number to the database.
func eventsTable() table {
	columns := append(eventColumns(), askedColumns()...)
	return table{name: "events", key: 2, columns: append(columns, column{"canonical", binary}, column{"leaf", binary})}
}

// eventInsert marks events as those of a program that feeds what it changes.
func eventInsert() statement {
	t := eventsTable()
	return statement{columns: t.columns, text: fmt.Sprintf("INSERT INTO %s (%s, fed) SELECT %s, TRUE FROM %s",
		t.name, t.list(""), t.list("v."), rowsWord)}
}

// askedColumns are what the log is asked by and doc has as well.
func askedColumns() []column {
	return []column{
		{"action", number},
		{"kind", number},
		{"success", truth},
		{"end_at", number},
		{"actor_kind", number},
		{"actor_name", text},
		{"actor_account", text},
		{"subject_id", text},
		{"subject", text},
		{"subject_kind", number},
		{"role_name", text},
		{"detail", text},
	}
}

// askedCells are the values of these columns. principal is that of the case.
func askedCells(f storedEvent, principal string) []any {
	who, detail := f.Principal.principal(), ""
	if len(f.Details) > 1 {
		detail = f.Details[0] + " " + f.Details[1]
	}
	return []any{
		int64(f.Action), int64(f.Kind), f.Success, endStamp(optionalInstant(f.End)),
		int64(f.By.Kind), fold(f.By.Name), fold(f.By.Account),
		plain(cmp.Or(string(who.ID), principal)), fold(who.Name), int64(who.Kind), fold(f.RoleName), plain(detail),
	}
}

func eventColumns() []column {
	return []column{
		{"tenant", text},
		{"id", text},
		{"at", number},
		{"activity", number},
		{"actor", text},
		{"provider", text},
		{"scope", text},
		{"role", text},
		{"principal", text},
		{"request", text},
		{"schedule", text},
		{"doc", text},
	}
}

// storedEvent is what is kept of an event beside the columns.
type storedEvent struct {
	Success   bool             `json:"ok,omitempty"`
	Reason    string           `json:"why,omitempty"`
	By        storedActor      `json:"by"`
	Action    int              `json:"act,omitempty"`
	Kind      int              `json:"kind,omitempty"`
	KeyTenant string           `json:"kt,omitempty"`
	Principal *storedPrincipal `json:"who,omitempty"`
	RoleName  string           `json:"role,omitempty"`
	Start     *int64           `json:"s,omitempty"`
	End       *int64           `json:"e,omitempty"`
	Ticket    *storedTicket    `json:"ticket,omitempty"`
	Details   []string         `json:"more,omitempty"`
}

type storedPrincipal struct {
	ID             string `json:"id,omitempty"`
	Kind           int    `json:"k,omitempty"`
	Name           string `json:"n,omitempty"`
	Account        string `json:"a,omitempty"`
	Enabled        bool   `json:"e,omitempty"`
	Manager        string `json:"m,omitempty"`
	Person         string `json:"p,omitempty"`
	RoleAssignable bool   `json:"r,omitempty"`
}

func fromPrincipal(p pim.Principal) *storedPrincipal {
	if p == (pim.Principal{}) {
		return nil
	}
	return &storedPrincipal{string(p.ID), int(p.Kind), p.Name, p.Account, p.Enabled, string(p.Manager), p.Person, p.RoleAssignable}
}

func (s *storedPrincipal) principal() pim.Principal {
	if s == nil {
		return pim.Principal{}
	}
	return pim.Principal{
		ID: pim.PrincipalID(s.ID), Kind: pim.PrincipalKind(s.Kind), Name: s.Name, Account: s.Account, Enabled: s.Enabled,
		Manager: pim.PrincipalID(s.Manager), Person: s.Person, RoleAssignable: s.RoleAssignable,
	}
}

func eventRow(entry store.Entry) ([]any, error) {
	e := entry.Event
	form := storedEvent{
		Success: e.Success, Reason: e.Reason, By: fromActor(e.By), Action: int(e.Action), Kind: int(e.Kind),
		KeyTenant: string(e.Key.Tenant), Principal: fromPrincipal(e.Principal), RoleName: e.RoleName,
		Start: optionalStamp(e.Start), End: optionalStamp(e.End), Ticket: fromTicket(e.Ticket), Details: e.Details,
	}
	d, err := doc(form)
	row := []any{string(e.Tenant), plain(string(e.ID)), stamp(e.At), int64(e.Activity), plain(string(e.By.Principal))}
	row = append(row, keyValues(e.Key)...)
	canonical := entry.Canonical
	if canonical == nil {
		canonical = []byte{}
	}
	row = append(row, plain(string(e.Request)), plain(string(e.Schedule)), d)
	row = append(row, askedCells(form, string(e.Key.Principal))...)
	return append(row, canonical, entry.Leaf[:]), err
}

func scanEvent(s scan, before ...any) (pim.Event, error) {
	var k keyCells
	var id, actor, request, sched, d string
	var at, activity int64
	err := s(append(before, &k.tenant, &id, &at, &activity, &actor, &k.provider, &k.scope, &k.role, &k.principal, &request,
		&sched, &d)...)
	if err != nil {
		return pim.Event{}, err
	}
	var f storedEvent
	err = undoc(d, &f)
	e := pim.Event{
		ID: pim.EventID(id), Tenant: pim.TenantID(k.tenant), At: instant(at), Activity: pim.Activity(activity),
		Success: f.Success, Reason: f.Reason, By: f.By.actor(), Request: pim.RequestID(request), Action: pim.Action(f.Action),
		Kind: pim.Kind(f.Kind), Key: k.key(), Schedule: pim.ScheduleID(sched), Principal: f.Principal.principal(),
		RoleName: f.RoleName, Start: optionalInstant(f.Start), End: optionalInstant(f.End), Ticket: f.Ticket.ticket(),
		Details: f.Details,
	}
	// An event about no case has a key without a tenant.
	e.Key.Tenant = pim.TenantID(f.KeyTenant)
	return e, err
}
