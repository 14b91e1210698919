package sqlstore

import (
	"cmp"
	"context"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// mailsTable is what is written of a mail. The lease columns (wake, holder, lease) belong to the claim.
func mailsTable() table {
	return table{name: "mails", key: 2, columns: []column{
		{"tenant", text},
		{"id", text},
		{"kind", number},
		{"address", text},
		{"state", number},
		{"stuck", truth},
		{"created", number},
		{"due", optional},
		{"settled", optional},
		{"doc", text},
	}}
}

// storedMail is what is kept of a mail beside the columns.
type storedMail struct {
	Notice   string           `json:"of,omitempty"`
	Audience []storedAudience `json:"to,omitempty"`
	Provider string           `json:"pr,omitempty"`
	Scope    string           `json:"sc,omitempty"`
	RoleID   string           `json:"ri,omitempty"`
	Holder   string           `json:"hi,omitempty"`
	Grant    int              `json:"k,omitempty"`
	Who      string           `json:"who,omitempty"`
	Role     string           `json:"role,omitempty"`
	Place    string           `json:"at,omitempty"`
	By       storedActor      `json:"by"`
	Reason   string           `json:"why,omitempty"`
	Ticket   *storedTicket    `json:"ticket,omitempty"`
	Start    *int64           `json:"s,omitempty"`
	End      *int64           `json:"e,omitempty"`
	Request  string           `json:"req,omitempty"`
	Schedule string           `json:"sched,omitempty"`
	Stage    string           `json:"stage,omitempty"`
	Lasts    int64            `json:"for,omitempty"` // microseconds
	Lapses   *int64           `json:"till,omitempty"`
	// Of an addressed mail.
	Address  string `json:"adr,omitempty"`
	Name     string `json:"n,omitempty"`
	To       string `json:"p,omitempty"`
	Attempts int    `json:"try,omitempty"`
	Problem  string `json:"bad,omitempty"`
}

type storedAudience struct {
	Who        int      `json:"w,omitempty"`
	NoDefaults bool     `json:"x,omitempty"`
	Further    []string `json:"f,omitempty"`
}

func mailRow(m pim.Mail) ([]any, error) {
	n := m.Notice
	stored := storedMail{
		Provider: string(n.Key.Provider), Scope: string(n.Key.Scope), RoleID: string(n.Key.Role),
		Holder: string(n.Key.Principal), Grant: int(n.Grant), Who: n.Principal, Role: n.RoleName, Place: n.Place,
		By: fromActor(n.By), Reason: n.Reason, Ticket: fromTicket(n.Ticket), Start: optionalStamp(n.Start),
		End: optionalStamp(n.End), Request: string(n.Request), Schedule: string(n.Schedule), Stage: string(n.Stage),
		Lasts: n.Lasts.Microseconds(), Lapses: optionalStamp(n.Lapses),
		Address: m.Address, Name: m.Name, To: string(m.To), Attempts: m.Attempts, Problem: m.Problem,
	}
	if n.ID != m.ID {
		stored.Notice = n.ID
	}
	for _, a := range n.To {
		stored.Audience = append(stored.Audience, storedAudience{int(a.Who), a.NoDefaults, a.Further})
	}
	d, err := doc(stored)
	return []any{string(n.Tenant), plain(m.ID), int64(n.Kind), fold(m.Address), int64(m.State), m.Stuck, stamp(n.At),
		optionalStamp(m.Due), optionalStamp(m.Settled), d}, err
}

func scanMail(s scan, before ...any) (pim.Mail, error) {
	var tenant, id, address, d string
	var kind, state, created int64
	var due, settled *int64
	var stuck bool
	if err := s(append(before, &tenant, &id, &kind, &address, &state, &stuck, &created, &due, &settled, &d)...); err != nil {
		return pim.Mail{}, err
	}
	var f storedMail
	err := undoc(d, &f)
	n := pim.Notice{
		ID: cmp.Or(f.Notice, id), Tenant: pim.TenantID(tenant), At: instant(created), Kind: pim.NoticeKind(kind),
		Key: pim.Key{Tenant: pim.TenantID(tenant), Provider: pim.Provider(f.Provider), Scope: pim.Scope(f.Scope),
			Role: pim.RoleID(f.RoleID), Principal: pim.PrincipalID(f.Holder)},
		Grant: pim.Kind(f.Grant), Principal: f.Who, RoleName: f.Role, Place: f.Place, By: f.By.actor(), Reason: f.Reason,
		Ticket: f.Ticket.ticket(), Start: optionalInstant(f.Start), End: optionalInstant(f.End),
		Request: pim.RequestID(f.Request), Schedule: pim.ScheduleID(f.Schedule), Stage: pim.StageID(f.Stage),
		Lasts: time.Duration(f.Lasts) * time.Microsecond, Lapses: optionalInstant(f.Lapses),
	}
	for _, a := range f.Audience {
		n.To = append(n.To, pim.Audience{Who: policy.Recipient(a.Who), NoDefaults: a.NoDefaults, Further: a.Further})
	}
	return pim.Mail{
		ID: id, Notice: n, Address: f.Address, Name: f.Name, To: pim.PrincipalID(f.To), State: pim.MailState(state),
		Due: optionalInstant(due), Attempts: f.Attempts, Stuck: stuck, Problem: f.Problem, Settled: optionalInstant(settled),
	}, err
}

// mailInsert writes new mails. One that is there already is the same, and stays as far as it has come.
func mailInsert() statement {
	t := mailsTable()
	columns := append(t.columns[:len(t.columns):len(t.columns)], column{"wake", optional})
	return statement{columns: t.columns, text: "INSERT INTO mails (" + names(columns, "") + ") SELECT " + t.list("v.") +
		", v.due FROM " + rowsWord + " WHERE true ON CONFLICT (tenant, id) DO NOTHING"}
}

// Mails implements store.Mails.
func (s *Store) Mails(ctx context.Context, q store.Query) (store.Page[pim.Mail], error) {
	return page(ctx, s, q, list[pim.Mail]{table: mailsTable(), scan: scanMail, fields: map[store.Field]field{
		store.FieldID:      {"id", exactText},
		store.FieldKind:    {"kind", numeric},
		store.FieldMail:    {"address", foldedText},
		store.FieldState:   {"state", numeric},
		store.FieldStuck:   {"stuck", flag},
		store.FieldCreated: {"created", moment},
	}})
}

// ClaimMails implements store.Mails.
func (s *Store) ClaimMails(ctx context.Context, holder string, now, until time.Time, limit int) ([]pim.Mail, time.Time, error) {
	l := lease{holder, now, until, limit}
	return claim(ctx, s, mailsTable(), scanMail, l, func(a, b pim.Mail) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Notice.Tenant, b.Notice.Tenant), cmp.Compare(a.ID, b.ID))
	})
}

// SettleMail implements store.Mails.
func (s *Store) SettleMail(ctx context.Context, holder string, m pim.Mail, more []pim.Mail, entries []store.Entry) error {
	if holder == "" {
		return errNobody
	}
	row, err := mailRow(m)
	if err != nil {
		return err
	}
	settle, insert, events := mailSettle(), mailInsert(), eventInsert()
	p := plan{{&settle, [][]any{append(row, plain(holder))}}}
	made := step{statement: &insert}
	for _, other := range more {
		r, err := mailRow(other)
		if err != nil {
			return err
		}
		made.rows = append(made.rows, r)
	}
	told := step{statement: &events}
	for _, e := range entries {
		r, err := eventRow(e)
		if err != nil {
			return err
		}
		told.rows = append(told.rows, r)
	}
	for _, next := range []step{made, told} {
		if len(next.rows) > 0 {
			p = append(p, next)
		}
	}
	return s.fault("settle a mail", s.db.apply(ctx, p))
}

func mailSettle() statement {
	t := mailsTable()
	return statement{
		exact: true, columns: append(t.columns, column{"holder", text}),
		text: `UPDATE mails SET state = v.state, stuck = v.stuck, due = v.due, settled = v.settled, doc = v.doc,
				wake = v.due, holder = '', lease = NULL
			FROM {{rows}} WHERE mails.tenant = v.tenant AND mails.id = v.id AND mails.holder = v.holder`,
	}
}

// PurgeMails implements store.Mails.
func (s *Store) PurgeMails(ctx context.Context, before time.Time, limit int) (int, error) {
	n := 0
	err := s.db.alter(ctx, question{
		sql: `DELETE FROM mails WHERE (tenant, id) IN (
				SELECT tenant, id FROM mails WHERE settled IS NOT NULL AND settled <= $1 ORDER BY settled LIMIT $2)
			RETURNING id`,
		args: []any{stamp(before), int64(limit)},
		each: func(row scan) error {
			var id string
			n++
			return row(&id)
		}})
	return n, s.fault("purge mails", err)
}
