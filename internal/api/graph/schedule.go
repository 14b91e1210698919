package graph

import (
	"strings"
	"time"

	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Schedules: unifiedRoleAssignmentSchedule, unifiedRoleEligibilitySchedule, and privilegedAccessGroupAssignmentSchedule,
// privilegedAccessGroupEligibilitySchedule (learn.microsoft.com/graph/api/resources, pages of these names).

func assignmentSchedules(w words) grantSet {
	return grantSet{provider: w.provider, of: pim.Assignment,
		kind: func(c *call) *kind[pim.Instance] { return &c.kindsOf(w.provider).assignmentSchedule }}
}

func eligibilitySchedules(w words) grantSet {
	return grantSet{provider: w.provider, of: pim.Eligibility,
		kind: func(c *call) *kind[pim.Instance] { return &c.kindsOf(w.provider).eligibilitySchedule }}
}

func scheduleProperties(w words) []odata.Property {
	return grantProperties(w,
		exactProperty("createdUsing"),
		timeProperty("createdDateTime", true),
		timeProperty("modifiedDateTime", false),
		enumProperty("status", "Provisioned", "Granted"),
		w.memberProperty(),
		timePathProperty("scheduleInfo"),
	)
}

// exactProperty is an identifier whose letter case counts, because some of its values are base64.
func exactProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindString, Filterable: true}
}

// timePathProperty is scheduleInfo, whose start callers filter and sort by.
func timePathProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindComplex, Filterable: true, Properties: []odata.Property{
		timeProperty("startDateTime", true),
		{Name: "expiration", Kind: odata.KindComplex, Filterable: true, Properties: []odata.Property{
			enumProperty("type", "notSpecified", "noExpiration", "afterDateTime", "afterDuration"),
			timeProperty("endDateTime", true),
		}},
	}}
}

func scheduleColumns(w words) listing.Columns {
	cs := grantColumns()
	cs["id"] = scheduleIDColumn(w)
	cs["createdUsing"] = guidOrExact(store.FieldRequest)
	cs["scheduleInfo/startDateTime"] = listing.Column{Order: store.FieldStart}
	cs["scheduleInfo/expiration/endDateTime"] = listing.Column{Order: store.FieldEnd}
	return cs
}

// scheduleID is a schedule's id on the wire. A grant of a directory role made outside PIM has that of its assignment
// (reference graph-pim §2).
func scheduleID(i pim.Instance) string {
	switch {
	case i.Schedule.Key.Provider == pim.Group:
		return groupSchedule(i.Schedule.Key, i.Schedule.ID).String()
	case outside(i):
		return grantID(i)
	}
	return string(i.Schedule.ID)
}

// byScheduleID is the condition by which the rows with a schedule's id are found.
func byScheduleID(w words, id string) store.Filter {
	if w.provider == pim.Group {
		k, ok := parseGroupKey(id)
		if !ok || k.member != "" {
			return store.Or{} // nothing has such an id
		}
		return k.schedule()
	}
	if k, ok := parseGrantID(id); ok {
		return listing.Every(k.filter(), store.Is(store.FieldRequest, nil))
	}
	return listing.Every(store.Is(store.FieldID, strings.ToLower(id)), store.Not{Filter: store.Is(store.FieldRequest, nil)})
}

// side is the condition for the side of the group that an id names.
func (k groupKey) side() store.And {
	return store.And{store.Is(store.FieldScope, string(k.group)), store.Is(store.FieldRole, string(k.access))}
}

// schedule is the condition by which the rows with a schedule's id are found.
func (k groupKey) schedule() store.Filter { return append(k.side(), store.Is(store.FieldID, k.guid)) }

// instance is the condition by which the row with an instance's id is found.
func (k groupKey) instance() store.Filter {
	outside := store.Is(store.FieldRequest, nil)
	where := append(k.side(), store.Or{
		store.And{store.Is(store.FieldID, k.guid), outside},
		store.And{store.Is(store.FieldID, turned(k.guid)), store.Not{Filter: outside}},
	})
	if k.member != "" {
		return append(where, store.Is(store.FieldMember, int(pim.ByGroup)), store.Is(store.FieldPrincipal, string(k.member)))
	}
	return append(where, store.Is(store.FieldMember, int(pim.Direct)))
}

func scheduleIDColumn(w words) listing.Column {
	return listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		id, ok := v.(odata.String)
		if !ok || op != odata.Eq {
			return nil, false
		}
		return byScheduleID(w, string(id)), true
	}}
}

// guidOrExact compares ids that are GUIDs, kept in lower case, or base64.
func guidOrExact(f store.Field) listing.Column {
	return listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		switch v := v.(type) {
		case odata.String:
			id := string(v)
			if wire.IsGUID(id) {
				id = strings.ToLower(id)
			}
			return store.Compare{Field: f, Op: listing.OpOf(op), Value: id}, true
		case odata.Null:
			return store.Compare{Field: f, Op: listing.OpOf(op), Value: nil}, true
		}
		return nil, false
	}}
}

func writeSchedule(c *call, o *object, i pim.Instance) {
	s := i.Schedule
	o.Text("id", scheduleID(i))
	writeKey(o, s.Key, i.Principal)
	o.Text("createdUsing", string(s.Request))
	if outside(i) {
		o.Null("createdDateTime", "modifiedDateTime")
	} else {
		o.Time("createdDateTime", s.Created)
		o.Time("modifiedDateTime", s.Modified)
	}
	o.Str("status", scheduleStatus(c.now, s))
	if o.Member("scheduleInfo") {
		o.B = wire.AppendSchedule(o.B, infoOf(s.Window))
	}
	o.Str("memberType", memberType(i))
	if s.Kind == pim.Assignment {
		o.Str("assignmentType", assignmentType(i))
	}
}

// scheduleStatus is Granted while the schedule waits for its start (reference graph-pim §8.1).
func scheduleStatus(now time.Time, s pim.Schedule) string {
	if s.Window.Start.After(now) {
		return "Granted"
	}
	return "Provisioned"
}

// infoOf tells a window with a concrete end (reference graph-pim §24, point 6). A recurring one tells how long each
// occurrence lasts, for its end is the series' own.
func infoOf(w schedule.Window) schedule.Info {
	info := schedule.Info{Start: w.Start, Recurrence: w.Recurrence}
	switch {
	case w.Recurrence != nil:
		info.Expiration = schedule.Expiration{Kind: schedule.AfterDuration, Duration: w.Length}
	case w.End.IsZero():
		info.Expiration.Kind = schedule.NoExpiration
	default:
		info.Expiration = schedule.Expiration{Kind: schedule.AfterDateTime, End: w.End}
	}
	return info
}

func scheduleValue(c *call, i pim.Instance, path []string) any {
	s := i.Schedule
	switch strings.Join(path, "/") {
	case "id":
		return scheduleID(i)
	case "createdUsing":
		return listing.TextValue(string(s.Request))
	case "createdDateTime":
		if outside(i) {
			return nil
		}
		return listing.TimeValue(s.Created)
	case "modifiedDateTime":
		return listing.TimeValue(s.Modified)
	case "status":
		return scheduleStatus(c.now, s)
	case "scheduleInfo/startDateTime":
		return listing.TimeValue(s.Window.Start)
	case "scheduleInfo/expiration/type":
		return infoOf(s.Window).Expiration.Kind.String()
	case "scheduleInfo/expiration/endDateTime":
		return listing.TimeValue(infoOf(s.Window).Expiration.End)
	}
	return grantValue(i, path)
}

// relateSchedules loads what is expanded of schedules.
func relateSchedules(c *call, expands []odata.Expand, rows []pim.Instance) ([]related, error) {
	return relateGrantRows(c, false, expands, rows)
}

// relateGrantRows loads what is expanded of schedules or instances: activatedUsing is of their own sort.
func relateGrantRows(c *call, instances bool, expands []odata.Expand, rows []pim.Instance) ([]related, error) {
	refs := make([]reference, len(rows))
	for i, r := range rows {
		refs[i] = referenceOf(r)
	}
	out, err := relateReferences(c, expands, refs)
	if err != nil || len(rows) == 0 {
		return out, err
	}
	provider := rows[0].Schedule.Key.Provider
	eligibility := &c.kindsOf(provider).eligibilitySchedule
	if instances {
		eligibility = &c.kindsOf(provider).eligibilityInstance
	}
	for _, e := range expands {
		if e.Path != "activatedUsing" {
			continue
		}
		at, err := c.relateGrants(eligibility, grantSet{provider: provider, of: pim.Eligibility, instances: instances}, e.Query, len(rows),
			func(i int) (pim.ScheduleID, pim.PrincipalID) { return rows[i].Schedule.Eligibility, rows[i].Principal })
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: at})
	}
	return out, nil
}
