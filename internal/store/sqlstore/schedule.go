package sqlstore

import (
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

func schedulesTable() table {
	return table{name: "schedules", key: 2, columns: []column{
		{"tenant", text},
		{"id", text},
		{"provider", text},
		{"scope", text},
		{"role", text},
		{"principal", text},
		{"kind", number},
		{"type", number},
		{"ending", number},
		{"kept", truth},
		{"start_at", number},
		{"end_at", number},
		{"until_at", number},
		{"ended", number},
		{"request", text},
		{"eligibility", text},
		{"created", number},
		{"modified", number},
		{"is_open", truth},
		{"due", optional},
		{"doc", text},
	}}
}

// storedSchedule is what is kept of a schedule beside the columns: nothing for most.
type storedSchedule struct {
	Length     string            `json:"l,omitempty"`
	Recurrence *storedRecurrence `json:"r,omitempty"`
	Anchor     *int64            `json:"a,omitempty"`
	Via        []string          `json:"v,omitempty"`

	Condition        string `json:"if,omitempty"`
	ConditionVersion string `json:"ifv,omitempty"`
	Description      string `json:"text,omitempty"`
	CreatedBy        string `json:"by,omitempty"`
	ModifiedBy       string `json:"mod,omitempty"`
}

// namedUpsert writes schedules whose ids callers may have chosen: one that another case has stays as it is, and the commit is
// stale. Of two commits in a group with one such id neither passes, so that each is tried alone.
func namedUpsert() statement {
	s := schedulesTable().upsert()
	s.exact, s.key = true, 0
	s.text += ` WHERE schedules.principal = excluded.principal AND schedules.scope = excluded.scope
		AND schedules.role = excluded.role AND schedules.provider = excluded.provider`
	return s
}

// kept says whether a decision about its key looks at the schedule: it lives, or it is one that may be renewed.
// Migrations rest on the same rule.
func kept(s pim.Schedule) bool {
	return s.Ending == pim.NotEnded || s.Ending == pim.Expired && s.Type == pim.Assigned
}

func scheduleRow(s pim.Schedule) ([]any, error) {
	f := storedSchedule{
		Length: s.Window.Length.String(), Recurrence: fromRecurrence(s.Window.Recurrence), Anchor: optionalStamp(s.Window.Anchor),
		Condition: s.Condition, ConditionVersion: s.ConditionVersion, Description: s.Description,
		CreatedBy: string(s.CreatedBy), ModifiedBy: string(s.ModifiedBy),
	}
	for _, v := range s.Via {
		f.Via = append(f.Via, string(v))
	}
	d, err := doc(f)
	row := append([]any{string(s.Key.Tenant), plain(string(s.ID))}, keyValues(s.Key)...)
	return append(row, int64(s.Kind), int64(s.Type), int64(s.Ending), kept(s), stamp(s.Window.Start), endStamp(s.End()),
		endStamp(s.Window.End), stamp(s.Ended), plain(string(s.Request)), plain(string(s.Eligibility)), stamp(s.Created),
		stamp(s.Modified), s.Open, optionalStamp(s.Due), d), err
}

func scanSchedule(s scan, before ...any) (pim.Schedule, error) {
	var k keyCells
	var id, request, eligibility, d string
	var kind, typ, ending, start, end, until, ended, created, modified int64
	var keep, open bool
	var due *int64
	err := s(append(before, &k.tenant, &id, &k.provider, &k.scope, &k.role, &k.principal, &kind, &typ, &ending, &keep,
		&start, &end, &until, &ended, &request, &eligibility, &created, &modified, &open, &due, &d)...)
	if err != nil {
		return pim.Schedule{}, err
	}
	r := pim.Schedule{
		ID: pim.ScheduleID(id), Key: k.key(), Kind: pim.Kind(kind), Type: pim.AssignmentType(typ),
		Window:  schedule.Window{Start: instant(start), End: instant(until)},
		Request: pim.RequestID(request), Eligibility: pim.ScheduleID(eligibility), Created: instant(created),
		Modified: instant(modified), Ending: pim.Ending(ending), Ended: instant(ended), Open: open,
		Due: optionalInstant(due),
	}
	return r, completeSchedule(&r, d)
}

func completeSchedule(r *pim.Schedule, d string) error {
	if d == "" {
		return nil
	}
	var f storedSchedule
	if err := undoc(d, &f); err != nil {
		return err
	}
	length, err := duration(f.Length)
	r.Window.Length, r.Window.Recurrence, r.Window.Anchor = length, f.Recurrence.recurrence(), optionalInstant(f.Anchor)
	r.Condition, r.ConditionVersion, r.Description = f.Condition, f.ConditionVersion, f.Description
	r.CreatedBy, r.ModifiedBy = pim.PrincipalID(f.CreatedBy), pim.PrincipalID(f.ModifiedBy)
	for _, v := range f.Via {
		r.Via = append(r.Via, pim.PrincipalID(v))
	}
	return err
}
