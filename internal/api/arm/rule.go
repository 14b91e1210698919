package arm

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"portcullis/internal/api/wire"
	"portcullis/internal/policy"
)

// The rules of a policy: RoleManagementPolicyRule and its kinds (reference arm-pim §9).

// ruleOrder is the order in which this dialect lists the rules.
var ruleOrder = []string{
	policy.RuleEnablementAdminEligibility, policy.RuleExpirationAdminEligibility,
	policy.RuleNotificationAdminAdminEligibility, policy.RuleNotificationRequestorAdminEligibility, policy.RuleNotificationApproverAdminEligibility,
	policy.RuleEnablementAdminAssignment, policy.RuleExpirationAdminAssignment,
	policy.RuleNotificationAdminAdminAssignment, policy.RuleNotificationRequestorAdminAssignment, policy.RuleNotificationApproverAdminAssignment,
	policy.RuleApprovalEndUserAssignment, policy.RuleContextEndUserAssignment,
	policy.RuleEnablementEndUserAssignment, policy.RuleExpirationEndUserAssignment,
	policy.RuleNotificationAdminEndUserAssignment, policy.RuleNotificationRequestorEndUserAssignment, policy.RuleNotificationApproverEndUserAssignment,
}

// withNewer is the first version that knows the newest rule and members.
const withNewer = "2024-09-01"

// rules writes the rules as a version of the dialect has them.
func (c *call) rules(rules policy.Rules) []byte {
	b := []byte{'['}
	for i, name := range ruleOrder {
		if i > 0 {
			b = append(b, ',')
		}
		rule, _ := wire.FindRule(name)
		b = c.appendRule(b, rule, rules)
	}
	if c.since(withNewer) {
		b = c.appendRule(append(b, ','), policy.PIMOnlyModeRule(), rules)
	}
	return append(b, ']')
}

func (c *call) appendRule(b []byte, rule policy.Rule, rules policy.Rules) []byte {
	o := wire.New(b, nil)
	wire.WriteRule(&o, wire.ARMRules{}, rule, rules)
	if c.since(withNewer) {
		wire.ARMRules{}.WriteNewer(&o, rule, rules)
	}
	o.Str("id", rule.Name)
	o.Str("ruleType", wire.ARMRules{}.RuleType(rule.Kind))
	caller, level := wire.Target(rule)
	o.Name("target")
	t := wire.New(o.B, nil)
	t.Str("caller", caller)
	t.Texts("operations", []string{"All"})
	t.Str("level", level)
	t.Null("targetObjects", "inheritableSettings", "enforcedSettings")
	o.B = t.End()
	return o.End()
}

// truths turns the texts "true" and "false" into what they say where a name says that the value is a truth: clients send both
// (reference arm-pim §1). Anything that is no JSON is left to be refused by whoever reads it.
func truths(body []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return body
	}
	settle(v)
	out, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return out
}

// settle turns texts into truths within a value.
func settle(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			settle(e)
		}
	case map[string]any:
		for name, value := range v {
			text, isText := value.(string)
			at := slices.Index([]string{"false", "true"}, strings.ToLower(text))
			if isText && at >= 0 && strings.HasPrefix(strings.ToLower(name), "is") {
				v[name] = at == 1
				continue
			}
			settle(value)
		}
	}
}
