package pimv2

import (
	"portcullis/internal/api/governance"
	"portcullis/internal/api/wire"
)

// Settings in the second form that the service's own host has, with one list of life cycles (reference pim-v2 §10).

// lifeCycles is the name of the list.
const lifeCycles = "lifeCycleManagement"

// lifeCycle is a collection of rules in this form. The operation is always "ALL", and not listened to.
type lifeCycle struct {
	Caller string                   `json:"caller"`
	Level  string                   `json:"level"`
	Value  []governance.RuleSetting `json:"value"`
}

func writeLifeCycles(_ *call, o *object, r setting) {
	writeSettingKey(o, r)
	if !o.Member(lifeCycles) {
		return
	}
	o.B = wire.AppendEach(o.B, governance.Collections(), func(b []byte, c governance.Collection) []byte {
		caller, level := c.LifeCycle()
		e := wire.New(b, nil)
		e.Str("caller", caller)
		e.Str("operation", "ALL")
		e.Str("level", level)
		e.Name("value")
		e.B = appendRules(e.B, governance.Settings(c, r.policy, r.person))
		return e.End()
	})
}
