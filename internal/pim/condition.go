package pim

import "portcullis/internal/abac"

// conditionVersion is that of the language of conditions.
const conditionVersion = "2.0"

// readable says whether the condition of the ask can be read (reference arm-pim §6, §10). Only roles of resources have any. What
// takes a grant has no use for one.
func (d *decision) readable() error {
	switch {
	case d.a.Action.takes() || d.a.Action == SelfDeactivate:
		d.a.Condition, d.a.ConditionVersion = "", ""
	case d.a.Condition == "":
		d.a.ConditionVersion = ""
	case d.c.Key.Provider != Resource:
		return refuse(InvalidCondition, "condition", "only roles of resources have conditions")
	case d.a.ConditionVersion == "":
		d.a.ConditionVersion = conditionVersion
	case d.a.ConditionVersion != conditionVersion && d.a.ConditionVersion != "1.0":
		return refuse(InvalidCondition, "conditionVersion", "conditions are of the version 2.0")
	}
	if d.a.Condition == "" {
		return nil
	}
	if _, err := abac.Parse(d.a.Condition); err != nil {
		return refuse(InvalidCondition, "condition", err.Error())
	}
	return nil
}
