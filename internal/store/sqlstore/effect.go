package sqlstore

import (
	"portcullis/internal/pim"
)

// effectsTable is what a commit writes of an effect. The lease columns (wake, holder, lease) belong to the claim.
func effectsTable() table {
	return table{name: "effects", key: 2, columns: []column{
		{"tenant", text},
		{"id", text},
		{"provider", text},
		{"scope", text},
		{"role", text},
		{"principal", text},
		{"schedule", text},
		{"state", number},
		{"stuck", truth},
		{"decided", number},
		{"due", optional},
		{"doc", text},
	}}
}

// storedEffect is what is kept of an effect beside the columns.
type storedEffect struct {
	Door      string `json:"door,omitempty"`
	Account   string `json:"acc,omitempty"`
	Privilege string `json:"priv,omitempty"`
	Until     *int64 `json:"until,omitempty"`
	Attempts  int    `json:"n,omitempty"`
	Problem   string `json:"bad,omitempty"`
	UsableAt  *int64 `json:"use,omitempty"`
	GoneAt    *int64 `json:"gone,omitempty"`
}

func effectRow(e pim.Effect) ([]any, error) {
	d, err := doc(storedEffect{
		Door: e.Door, Account: e.Account, Privilege: e.Privilege, Until: optionalStamp(e.Until), Attempts: e.Attempts,
		Problem: e.Problem, UsableAt: optionalStamp(e.UsableAt), GoneAt: optionalStamp(e.GoneAt),
	})
	row := append([]any{string(e.Tenant), plain(e.ID)}, keyValues(e.Key)...)
	return append(row, plain(string(e.Schedule)), int64(e.State), e.Stuck, stamp(e.Decided), optionalStamp(e.Due), d), err
}

// scanEffect reads an effect. The tenant of its key is its own.
func scanEffect(s scan, before ...any) (pim.Effect, error) {
	var k keyCells
	var id, sched, d string
	var state, decided int64
	var stuck bool
	var due *int64
	err := s(append(before, &k.tenant, &id, &k.provider, &k.scope, &k.role, &k.principal, &sched, &state, &stuck, &decided,
		&due, &d)...)
	if err != nil {
		return pim.Effect{}, err
	}
	var f storedEffect
	err = undoc(d, &f)
	return pim.Effect{
		ID: id, Tenant: pim.TenantID(k.tenant), Schedule: pim.ScheduleID(sched), Key: k.key(), Door: f.Door, Account: f.Account,
		Privilege: f.Privilege, Until: optionalInstant(f.Until), State: pim.EffectState(state), Decided: instant(decided),
		Due: optionalInstant(due), Attempts: f.Attempts, Stuck: stuck, Problem: f.Problem, UsableAt: optionalInstant(f.UsableAt),
		GoneAt: optionalInstant(f.GoneAt),
	}, err
}

// effectUpsert gives an effect its new intent. A lease goes on: while one holder works on a door no other shall.
func effectUpsert() statement {
	t := effectsTable()
	s := t.upsert()
	columns := append(t.columns[:len(t.columns):len(t.columns)], column{"wake", optional})
	s.text = "INSERT INTO effects (" + names(columns, "") + ") SELECT " + t.list("v.") + ", v.due FROM " + rowsWord + `
		WHERE true ON CONFLICT (tenant, id) DO UPDATE SET provider = excluded.provider, scope = excluded.scope,
		role = excluded.role, principal = excluded.principal, schedule = excluded.schedule, state = excluded.state,
		stuck = excluded.stuck, decided = excluded.decided, due = excluded.due, doc = excluded.doc,
		wake = CASE WHEN excluded.due < effects.lease THEN effects.lease ELSE excluded.due END`
	return s
}
