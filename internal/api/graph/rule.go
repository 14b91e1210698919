package graph

import (
	"strings"

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
func (r ruleRow) ruleType() string { return ruleWords{}.RuleType(r.rule.Kind) }

func ruleProperties() []odata.Property {
	return append([]odata.Property{idProperty("id")}, plainProperties("target", "isExpirationRequired", "maximumDuration", "enabledRules",
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
	wire.WriteRule(o, ruleWords{c.beta}, r.rule, r.rules)
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

// ruleWords are what Microsoft Graph says about rules, by version.
type ruleWords struct{ beta bool }

var _ wire.Words = ruleWords{}

func (ruleWords) TypeMember() string { return "@odata.type" }

// Text writes null for an empty text.
func (ruleWords) Text(o *wire.Object, name, v string) { o.Text(name, v) }

func (ruleWords) RuleType(k policy.RuleKind) string {
	switch k { //nolint:exhaustive // the others are not of this dialect
	case policy.ExpirationRule:
		return rulePrefix + "ExpirationRule"
	case policy.EnablementRule:
		return rulePrefix + "EnablementRule"
	case policy.NotificationRule:
		return rulePrefix + "NotificationRule"
	case policy.ApprovalRule:
		return rulePrefix + "ApprovalRule"
	case policy.ContextRule:
		return rulePrefix + "AuthenticationContextRule"
	}
	return rulePrefix + "Rule"
}

// betaStage is the stage of beta, which knows one member more.
type betaStage struct {
	wire.Stage
	Visibility *string `json:"approverInformationVisibility"`
}

func (w ruleWords) Stage(s wire.Stage) any {
	if w.beta {
		return betaStage{Stage: s}
	}
	return s
}

// Approver tells an approver in the form of the version (reference graph-pim §11.3).
func (w ruleWords) Approver(a policy.Approver) map[string]any {
	m := map[string]any{"@odata.type": "#microsoft.graph." + approverType(a.Kind)}
	idName := ""
	switch a.Kind {
	case policy.User:
		idName = "userId"
	case policy.Group:
		idName = "groupId"
	case policy.RequestorManager:
		if !w.beta {
			m["managerLevel"] = 1
		}
	}
	if w.beta {
		m["isBackup"] = a.Backup
	}
	if idName != "" {
		if w.beta {
			idName = "id"
		}
		m[idName] = a.ID
		m["description"] = wire.Optional(a.Description)
	}
	return m
}

func approverType(k policy.ApproverKind) string {
	switch k {
	case policy.User:
		return "singleUser"
	case policy.Group:
		return "groupMembers"
	case policy.RequestorManager:
		return "requestorManager"
	}
	return ""
}

// ApproverKind is told by the type or, without one, by which id is there.
func (ruleWords) ApproverKind(a wire.Approver) policy.ApproverKind {
	for _, k := range []policy.ApproverKind{policy.User, policy.Group, policy.RequestorManager} {
		if strings.EqualFold(strings.TrimPrefix(a.ODataType, "#microsoft.graph."), approverType(k)) {
			return k
		}
	}
	switch {
	case a.ODataType != "":
		return 0
	case a.UserID != "":
		return policy.User
	case a.GroupID != "":
		return policy.Group
	}
	return 0
}
