package migrate

import (
	"strings"

	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// appendRules writes those of a policy's rules that only accepts (nil: all) as a list, in the words that the third iteration has
// for a provider: Microsoft Graph's for directory roles and groups, Azure Resource Manager's of version 2024-09-01 for roles of
// resources, with the rule and the members that these alone have. An edit of a policy takes such a list.
func appendRules(b []byte, p pim.Provider, rules policy.Rules, only func(policy.Rule) bool) []byte {
	list := policy.All()
	if p == pim.Resource {
		list = append(list, policy.PIMOnlyModeRule())
	}
	return appendListed(b, p, rules, list, only, p == pim.Resource)
}

// appendListed is appendRules for a list of rules; newer says whether version 2024-09-01 is spoken.
func appendListed(b []byte, p pim.Provider, rules policy.Rules, list []policy.Rule, only func(policy.Rule) bool, newer bool) []byte {
	b = append(b, '[')
	first := true
	for _, rule := range list {
		if only != nil && !only(rule) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendRule(b, p, rule, rules, newer)
	}
	return append(b, ']')
}

func appendRule(b []byte, p pim.Provider, rule policy.Rule, rules policy.Rules, newer bool) []byte {
	w := wordsFor(p)
	o := wire.New(b, nil)
	o.Name(w.TypeMember())
	o.B = wire.AppendText(o.B, w.RuleType(rule.Kind))
	o.Str("id", rule.Name)
	wire.WriteRule(&o, w, rule, rules)
	if newer {
		appendNewer(&o, rule, rules)
	}
	return o.End()
}

// appendNewer writes what version 2024-09-01 of Azure Resource Manager has beside what both know (reference arm-pim §9).
func appendNewer(o *wire.Object, rule policy.Rule, rules policy.Rules) {
	switch rule.Kind { //nolint:exhaustive // the others have no newer members
	case policy.ExpirationRule:
		members := []map[string]any{}
		for _, e := range rules.SetOf(rule).Expiration.Exceptions {
			members = append(members, armWords{}.Approver(e))
		}
		o.Raw("exceptionMembers", wire.MustJSON(members))
	case policy.PIMOnlyRule:
		o.Raw("pimOnlyModeSettings", wire.MustJSON(fromPIMOnly(rules.PIMOnly)))
	}
}

// pimOnlySettings are PIMOnlyModeSettings.
type pimOnlySettings struct {
	Mode     string          `json:"mode"`
	Excludes []pimOnlyExcept `json:"excludes"`
	Types    []string        `json:"excludedAssignmentTypes"`
}

// pimOnlyExcept is a UsersOrServicePrincipalSet.
type pimOnlyExcept struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	DisplayName string `json:"displayName"`
}

func fromPIMOnly(p policy.PIMOnly) pimOnlySettings {
	modes := map[policy.PIMOnlyMode]string{policy.PIMOnlyDisabled: "Disabled", policy.PIMOnlyEnabled: "Enabled", policy.PIMOnlyReportOnly: "ReportOnly"}
	kinds := map[policy.ExcludedKind]string{policy.ExcludedUser: "User", policy.ExcludedGroup: "Group", policy.ExcludedApplication: "ServicePrincipal"}
	out := pimOnlySettings{Mode: modes[p.Mode], Excludes: []pimOnlyExcept{}, Types: []string{}}
	for _, e := range p.Excluded {
		out.Excludes = append(out.Excludes, pimOnlyExcept{e.ID, kinds[e.Kind], e.Name})
	}
	if p.ToApplications {
		out.Types = append(out.Types, "ServicePrincipalsAsTarget")
	}
	if p.ByApplications {
		out.Types = append(out.Types, "ServicePrincipalsAsRequestor")
	}
	return out
}

func wordsFor(p pim.Provider) wire.Words {
	if p == pim.Resource {
		return armWords{}
	}
	return graphWords{}
}

// typeOfRule is what both call the type of a rule, behind what each puts before it.
func typeOfRule(k policy.RuleKind) string {
	switch k {
	case policy.ExpirationRule:
		return "ExpirationRule"
	case policy.EnablementRule:
		return "EnablementRule"
	case policy.NotificationRule:
		return "NotificationRule"
	case policy.ApprovalRule:
		return "ApprovalRule"
	case policy.ContextRule:
		return "AuthenticationContextRule"
	case policy.PIMOnlyRule:
		return "PimOnlyModeRule"
	}
	return "Rule"
}

// graphWords are Microsoft Graph's, of version 1.0.
type graphWords struct{}

const graphType = "#microsoft.graph."

func (graphWords) TypeMember() string { return "@odata.type" }

func (graphWords) RuleType(k policy.RuleKind) string {
	return graphType + "unifiedRoleManagementPolicy" + typeOfRule(k)
}

func (graphWords) Text(o *wire.Object, name, v string) { o.Text(name, v) }

func (graphWords) Stage(s wire.Stage) any { return s }

func (graphWords) Approver(a policy.Approver) map[string]any {
	m := map[string]any{"description": wire.Optional(a.Description)}
	switch a.Kind {
	case policy.User:
		m["@odata.type"], m["userId"] = graphType+"singleUser", a.ID
	case policy.Group:
		m["@odata.type"], m["groupId"] = graphType+"groupMembers", a.ID
	case policy.RequestorManager:
		return map[string]any{"@odata.type": graphType + "requestorManager", "managerLevel": 1}
	}
	return m
}

func (graphWords) ApproverKind(a wire.Approver) policy.ApproverKind {
	switch {
	case strings.HasSuffix(a.ODataType, "singleUser") || a.UserID != "":
		return policy.User
	case strings.HasSuffix(a.ODataType, "groupMembers") || a.GroupID != "":
		return policy.Group
	case strings.HasSuffix(a.ODataType, "requestorManager"):
		return policy.RequestorManager
	}
	return 0
}

// armWords are Azure Resource Manager's.
type armWords struct{}

func (armWords) TypeMember() string { return "ruleType" }

func (armWords) RuleType(k policy.RuleKind) string { return "RoleManagementPolicy" + typeOfRule(k) }

func (armWords) Text(o *wire.Object, name, v string) { o.Str(name, v) }

func (armWords) Stage(s wire.Stage) any { return s }

func (armWords) Approver(a policy.Approver) map[string]any {
	return map[string]any{"id": wire.Optional(a.ID), "description": wire.Optional(a.Description), "isBackup": a.Backup, "userType": userTypes()[a.Kind]}
}

func userTypes() map[policy.ApproverKind]string {
	return map[policy.ApproverKind]string{policy.User: "User", policy.Group: "Group", policy.RequestorManager: "RequestorManager"}
}

func (armWords) ApproverKind(a wire.Approver) policy.ApproverKind {
	for k, name := range userTypes() {
		if strings.EqualFold(a.UserType, name) {
			return k
		}
	}
	return 0
}
