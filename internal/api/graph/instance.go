package graph

import (
	"strings"
	"time"

	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Instances: unifiedRoleAssignmentScheduleInstance, unifiedRoleEligibilityScheduleInstance, and
// privilegedAccessGroupAssignmentScheduleInstance, privilegedAccessGroupEligibilityScheduleInstance
// (learn.microsoft.com/graph/api/resources, pages of these names).

func assignmentInstances(w words) grantSet {
	return grantSet{provider: w.provider, of: pim.Assignment, instances: true,
		kind: func(c *call) *kind[pim.Instance] { return &c.kindsOf(w.provider).assignmentInstance }}
}

func eligibilityInstances(w words) grantSet {
	return grantSet{provider: w.provider, of: pim.Eligibility, instances: true,
		kind: func(c *call) *kind[pim.Instance] { return &c.kindsOf(w.provider).eligibilityInstance }}
}

// scheduleIDName is the property of an instance that names its schedule.
func scheduleIDName(p pim.Provider, k pim.Kind) string {
	switch {
	case p == pim.Group && k == pim.Eligibility:
		return "eligibilityScheduleId"
	case p == pim.Group:
		return "assignmentScheduleId"
	case k == pim.Eligibility:
		return "roleEligibilityScheduleId"
	}
	return "roleAssignmentScheduleId"
}

func instanceProperties(w words, of pim.Kind) []odata.Property {
	return grantProperties(w,
		timeProperty("startDateTime", true),
		timeProperty("endDateTime", true),
		w.memberProperty(),
		w.idProperty(scheduleIDName(w.provider, of)),
	)
}

func instanceColumns(w words, of pim.Kind) listing.Columns {
	cs := grantColumns()
	cs[scheduleIDName(w.provider, of)] = scheduleIDColumn(w)
	cs["id"] = instanceIDColumn(w, of)
	cs["roleAssignmentOriginId"] = instanceIDColumn(w, of)
	return cs
}

// instanceIDColumn finds rows by their derived id. A row by a group may be had by other groups too, so it is loose.
func instanceIDColumn(w words, of pim.Kind) listing.Column {
	return listing.Column{Loose: true, Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		id, ok := v.(odata.String)
		if !ok || op != odata.Eq {
			return nil, false
		}
		if where, ok := byInstanceID(w, of, string(id)); ok {
			return where, true
		}
		return store.Or{}, true // nothing has such an id
	}}
}

// byInstanceID is the condition by which the rows with an instance's id are found, among few others.
func byInstanceID(w words, of pim.Kind, id string) (store.Filter, bool) {
	if w.provider == pim.Group {
		k, ok := parseGroupKey(id)
		return k.instance(), ok
	}
	k, ok := parseGrantID(id)
	return k.filter(), ok && k.kind == of
}

// period is from when until when an instance holds. A grant made outside PIM tells neither (reference graph-pim §8.1).
func period(i pim.Instance) (start, end time.Time) {
	if outside(i) {
		return time.Time{}, time.Time{}
	}
	return i.During.Start, i.During.End
}

func writeInstance(_ *call, o *object, i pim.Instance) {
	start, end := period(i)
	k := i.Schedule.Key
	appendGrant(o, "id", i)
	writeKey(o, k, i.Principal)
	o.Time("startDateTime", start)
	o.Time("endDateTime", end)
	if i.Schedule.Kind == pim.Assignment {
		o.Str("assignmentType", assignmentType(i))
	}
	o.Str("memberType", memberType(i))
	if i.Schedule.Kind == pim.Assignment && k.Provider == pim.Directory {
		appendGrant(o, "roleAssignmentOriginId", i)
	}
	o.Text(scheduleIDName(k.Provider, i.Schedule.Kind), scheduleID(i))
}

func instanceValue(_ *call, i pim.Instance, path []string) any {
	start, end := period(i)
	switch strings.Join(path, "/") {
	case "id", "roleAssignmentOriginId":
		return grantID(i)
	case "startDateTime":
		return listing.TimeValue(start)
	case "endDateTime":
		return listing.TimeValue(end)
	case "roleAssignmentScheduleId", "roleEligibilityScheduleId", "assignmentScheduleId", "eligibilityScheduleId":
		return scheduleID(i)
	}
	return grantValue(i, path)
}

func relateInstances(c *call, expands []odata.Expand, rows []pim.Instance) ([]related, error) {
	return relateGrantRows(c, true, expands, rows)
}
