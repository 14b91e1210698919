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

const rulePrefix = "RoleManagementPolicy"

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

// ruleWords are what this dialect says about rules.
type ruleWords struct{}

var _ wire.Words = ruleWords{}

func (ruleWords) TypeMember() string { return "ruleType" }

// Text writes also an empty text.
func (ruleWords) Text(o *wire.Object, name, v string) { o.Str(name, v) }

func (ruleWords) RuleType(k policy.RuleKind) string {
	switch k {
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
	case policy.PIMOnlyRule:
		return rulePrefix + "PimOnlyModeRule"
	}
	return rulePrefix + "Rule"
}

func (ruleWords) Stage(s wire.Stage) any { return s }

// Approver writes a UserSet.
func (ruleWords) Approver(a policy.Approver) map[string]any {
	return map[string]any{"id": wire.Optional(a.ID), "description": wire.Optional(a.Description), "isBackup": a.Backup, "userType": userType(a.Kind)}
}

// userType is the kind of an approver. The last one is ours: the dialect has no word for a manager.
func userType(k policy.ApproverKind) string {
	switch k {
	case policy.User:
		return "User"
	case policy.Group:
		return "Group"
	case policy.RequestorManager:
		return "RequestorManager"
	}
	return ""
}

func (ruleWords) ApproverKind(a wire.Approver) policy.ApproverKind {
	for _, k := range []policy.ApproverKind{policy.User, policy.Group, policy.RequestorManager} {
		if strings.EqualFold(a.UserType, userType(k)) {
			return k
		}
	}
	return 0
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
	wire.WriteRule(&o, ruleWords{}, rule, rules)
	if c.since(withNewer) {
		writeNewer(&o, rule, rules)
	}
	o.Str("id", rule.Name)
	o.Str("ruleType", ruleWords{}.RuleType(rule.Kind))
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

// writeNewer writes the members that only newer versions have.
func writeNewer(o *wire.Object, rule policy.Rule, rules policy.Rules) {
	switch rule.Kind { //nolint:exhaustive // the others have no newer members
	case policy.ExpirationRule:
		members := []map[string]any{}
		for _, e := range rules.SetOf(rule).Expiration.Exceptions {
			members = append(members, ruleWords{}.Approver(e))
		}
		o.Raw("exceptionMembers", wire.MustJSON(members))
	case policy.PIMOnlyRule:
		o.Raw("pimOnlyModeSettings", wire.MustJSON(fromPIMOnly(rules.PIMOnly)))
	}
}

// pimOnlySettings are PIMOnlyModeSettings.
type pimOnlySettings struct {
	Mode     string     `json:"mode"`
	Excludes []excluded `json:"excludes"`
	Types    []string   `json:"excludedAssignmentTypes"`
}

// excluded is a UsersOrServicePrincipalSet.
type excluded struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	DisplayName string `json:"displayName"`
}

func pimOnlyModes() []string { return []string{"Disabled", "Enabled", "ReportOnly"} }

// excludedKinds are the words for the kinds, which count from one.
func excludedKinds() []string { return []string{"User", "Group", "ServicePrincipal"} }

const (
	applicationsAsTarget    = "ServicePrincipalsAsTarget"
	applicationsAsRequestor = "ServicePrincipalsAsRequestor"
)

func fromPIMOnly(p policy.PIMOnly) pimOnlySettings {
	out := pimOnlySettings{Mode: pimOnlyModes()[p.Mode], Excludes: []excluded{}, Types: []string{}}
	for _, e := range p.Excluded {
		out.Excludes = append(out.Excludes, excluded{e.ID, excludedKinds()[e.Kind-1], e.Name})
	}
	if p.ToApplications {
		out.Types = append(out.Types, applicationsAsTarget)
	}
	if p.ByApplications {
		out.Types = append(out.Types, applicationsAsRequestor)
	}
	return out
}

// ruleIn is one rule as callers send it. What it says of its target is not listened to: clients are known to be wrong there.
type ruleIn struct {
	wire.Rule
	Exceptions *[]wire.Approver `json:"exceptionMembers"`
	PIMOnly    *pimOnlyIn       `json:"pimOnlyModeSettings"`
}

type pimOnlyIn struct {
	Mode     *string     `json:"mode"`
	Excludes *[]excluded `json:"excludes"`
	Types    *[]string   `json:"excludedAssignmentTypes"`
}

// apply changes one rule. The error is a *pim.Refusal.
func (in ruleIn) apply(r *policy.Rules) error {
	newest := policy.PIMOnlyModeRule()
	if strings.EqualFold(in.ID, newest.Name) {
		if in.RuleType != "" && !strings.EqualFold(in.RuleType, ruleWords{}.RuleType(newest.Kind)) {
			return wire.InvalidPolicy(newest.Name, "ruleType is not that of the rule")
		}
		return in.PIMOnly.apply(newest.Name, &r.PIMOnly)
	}
	if err := in.Apply(ruleWords{}, r); err != nil || in.Exceptions == nil {
		return err
	}
	rule, _ := wire.FindRule(in.ID)
	if rule.Kind != policy.ExpirationRule {
		return nil
	}
	members, err := wire.ToApprovers(ruleWords{}, rule.Name, *in.Exceptions)
	if err == nil {
		r.SetOf(rule).Expiration.Exceptions = members
	}
	return err
}

func (in *pimOnlyIn) apply(name string, p *policy.PIMOnly) error {
	if in == nil {
		return nil
	}
	if in.Mode != nil {
		mode := wire.IndexFold(pimOnlyModes(), *in.Mode)
		if mode < 0 {
			return wire.InvalidPolicy(name, "mode is Disabled, Enabled or ReportOnly")
		}
		p.Mode = policy.PIMOnlyMode(mode)
	}
	if in.Excludes != nil {
		p.Excluded = make([]policy.Excluded, len(*in.Excludes))
		for i, e := range *in.Excludes {
			kind, id := wire.IndexFold(excludedKinds(), e.Type)+1, strings.ToLower(e.ID)
			if kind == 0 || !wire.IsGUID(id) {
				return wire.InvalidPolicy(name, "what is excluded is a User, a Group or a ServicePrincipal with its id")
			}
			p.Excluded[i] = policy.Excluded{Kind: policy.ExcludedKind(kind), ID: id, Name: e.DisplayName}
		}
	}
	if in.Types == nil {
		return nil
	}
	p.ToApplications, p.ByApplications = false, false
	for _, word := range *in.Types {
		switch {
		case strings.EqualFold(word, applicationsAsTarget):
			p.ToApplications = true
		case strings.EqualFold(word, applicationsAsRequestor):
			p.ByApplications = true
		default:
			return wire.InvalidPolicy(name, "excludedAssignmentTypes has "+applicationsAsTarget+" and "+applicationsAsRequestor+" only")
		}
	}
	return nil
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
