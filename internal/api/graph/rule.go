package graph

import (
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/policy"
)

// The rules of a policy: unifiedRoleManagementPolicyRule and its five kinds (learn.microsoft.com/graph/api/resources,
// pages of these names).

const rulePrefix = "unifiedRoleManagementPolicy"

// ruleRow is one of the seventeen rules of a policy.
type ruleRow struct {
	rule  policy.Rule
	rules policy.Rules
	set   string
}

func rulesOf(r policyRow) []ruleRow {
	var rows []ruleRow
	for _, rule := range policy.All() {
		rows = append(rows, ruleRow{rule, r.policy.Rules, "policies/roleManagementPolicies('" + r.id() + "')/rules"})
	}
	return rows
}

// ruleType is the name of the rule's type.
func (r ruleRow) ruleType() string { return wire.GraphRules{}.RuleType(r.rule.Kind) }

func ruleProperties() []odata.Property {
	return append([]odata.Property{idProperty("id")}, listing.PlainProperties("target", "isExpirationRequired", "maximumDuration", "enabledRules",
		"notificationType", "recipientType", "notificationLevel", "isDefaultRecipientsEnabled", "notificationRecipients",
		"setting", "isEnabled", "claimValue")...)
}

func ruleValue(_ *call, r ruleRow, path []string) any {
	if len(path) == 1 && path[0] == "id" {
		return r.rule.Name
	}
	return nil
}

func writeRule(c *call, o *object, r ruleRow) {
	o.Str("id", r.rule.Name)
	wire.WriteRule(o, wire.GraphRules{Beta: c.beta}, r.rule, r.rules)
	if o.Member("target") {
		o.B = append(o.B, wire.MustJSON(fromTarget(r.rule, c.beta))...)
	}
}

type targetOut struct {
	Caller      string   `json:"caller"`
	Operations  []string `json:"operations"`
	Level       string   `json:"level"`
	Inheritable []string `json:"inheritableSettings"`
	Enforced    []string `json:"enforcedSettings"`
}

// fromTarget tells whom the rule binds; the two versions spell the one operation differently (reference graph-pim §1).
func fromTarget(r policy.Rule, beta bool) targetOut {
	t := targetOut{Operations: []string{"all"}, Inheritable: []string{}, Enforced: []string{}}
	t.Caller, t.Level = wire.Target(r)
	if beta {
		t.Operations = []string{"All"}
	}
	return t
}
