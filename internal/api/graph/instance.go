package graph

import (
	"strings"
	"time"

	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Instances: unifiedRoleAssignmentScheduleInstance and unifiedRoleEligibilityScheduleInstance
// (learn.microsoft.com/graph/api/resources, pages of these names).

func assignmentInstances() grantSet {
	return grantSet{kind: func(c *call) *kind[pim.Instance] { return &c.assignmentInstance }, of: pim.Assignment, instances: true}
}

func eligibilityInstances() grantSet {
	return grantSet{kind: func(c *call) *kind[pim.Instance] { return &c.eligibilityInstance }, of: pim.Eligibility, instances: true}
}

func instanceProperties(schedule string) []odata.Property {
	return grantProperties(
		timeProperty("startDateTime", true),
		timeProperty("endDateTime", true),
		enumProperty("memberType", "Direct", "Group", "Inherited"),
		exactProperty(schedule),
	)
}

func instanceColumns(of pim.Kind, schedule string) columns {
	cs := grantColumns()
	cs[schedule] = scheduleIDColumn()
	cs["id"] = instanceIDColumn(of)
	cs["roleAssignmentOriginId"] = instanceIDColumn(of)
	return cs
}

// instanceIDColumn finds rows by their derived id. A row by a group may be had by other groups too, so it is loose.
func instanceIDColumn(of pim.Kind) column {
	return column{loose: true, compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		id, ok := v.(odata.String)
		if !ok || op != odata.Eq {
			return nil, false
		}
		k, ok := parseGrantID(string(id))
		if !ok || k.kind != of {
			return store.Or{}, true // nothing has such an id
		}
		return k.filter(), true
	}}
}

// period is from when until when an instance holds. A grant made outside PIM tells neither (reference graph-pim §8.1).
func period(i pim.Instance) (start, end time.Time) {
	if outside(i) {
		return time.Time{}, time.Time{}
	}
	return i.During.Start, i.During.End
}

func writeAssignmentInstance(_ *call, o *object, i pim.Instance) {
	start, end := period(i)
	o.grantID("id", i)
	writeGrant(o, i)
	o.time("startDateTime", start)
	o.time("endDateTime", end)
	o.str("assignmentType", assignmentType(i.Schedule.Type))
	o.str("memberType", memberType(i.Member))
	o.grantID("roleAssignmentOriginId", i)
	o.text("roleAssignmentScheduleId", scheduleID(i))
}

func writeEligibilityInstance(_ *call, o *object, i pim.Instance) {
	start, end := period(i)
	o.grantID("id", i)
	writeGrant(o, i)
	o.time("startDateTime", start)
	o.time("endDateTime", end)
	o.str("memberType", memberType(i.Member))
	o.text("roleEligibilityScheduleId", scheduleID(i))
}

func instanceValue(_ *call, i pim.Instance, path []string) any {
	start, end := period(i)
	switch strings.Join(path, "/") {
	case "id", "roleAssignmentOriginId":
		return grantID(i)
	case "startDateTime":
		return timeValue(start)
	case "endDateTime":
		return timeValue(end)
	case "roleAssignmentScheduleId", "roleEligibilityScheduleId":
		return scheduleID(i)
	}
	return grantValue(i, path)
}

func relateInstances(c *call, expands []odata.Expand, rows []pim.Instance) ([]related, error) {
	return relateGrantRows(c, &c.eligibilityInstance, true, expands, rows)
}
