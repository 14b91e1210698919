package wire

import (
	"strings"

	"portcullis/internal/policy"
)

// ARMRules are what Azure Resource Manager says about rules (reference arm-pim §9, RoleManagementPolicyRule and its kinds).
type ARMRules struct{}

var _ Words = ARMRules{}

// RuleType is the name of a rule's type.
func (ARMRules) RuleType(k policy.RuleKind) string { return "RoleManagementPolicy" + ruleType(k) }

// TypeMember is the schema's own.
func (ARMRules) TypeMember() string { return "ruleType" }

// Text writes also an empty text.
func (ARMRules) Text(o *Object, name, v string) { o.Str(name, v) }

// Stage adds nothing.
func (ARMRules) Stage(s Stage) any { return s }

// Approver writes a UserSet.
func (ARMRules) Approver(a policy.Approver) map[string]any {
	return map[string]any{"id": Optional(a.ID), "description": Optional(a.Description), "isBackup": a.Backup, "userType": armApprover(a.Kind)}
}

// armApprover is the kind of an approver. The last one is ours: the dialect has no word for a manager.
func armApprover(k policy.ApproverKind) string {
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

// ApproverKind is told by the kind of the user set.
func (ARMRules) ApproverKind(a Approver) policy.ApproverKind {
	for _, k := range approverKinds() {
		if strings.EqualFold(a.UserType, armApprover(k)) {
			return k
		}
	}
	return 0
}

// WriteNewer writes the members that only version 2024-09-01 and later ones have.
func (w ARMRules) WriteNewer(o *Object, rule policy.Rule, rules policy.Rules) {
	switch rule.Kind { //nolint:exhaustive // the others have no newer members
	case policy.ExpirationRule:
		o.Raw("exceptionMembers", MustJSON(fromApprovers(w, rules.SetOf(rule).Expiration.Exceptions)))
	case policy.PIMOnlyRule:
		o.Raw("pimOnlyModeSettings", MustJSON(fromPIMOnly(rules.PIMOnly)))
	}
}

// pimOnlyOut are PIMOnlyModeSettings.
type pimOnlyOut struct {
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

func fromPIMOnly(p policy.PIMOnly) pimOnlyOut {
	out := pimOnlyOut{Mode: pimOnlyModes()[p.Mode], Excludes: []excluded{}, Types: []string{}}
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

// ARMRule is one rule as callers of Azure Resource Manager send it. What it says of its target is not listened to: clients are
// known to be wrong there.
type ARMRule struct {
	Rule
	Exceptions *[]Approver `json:"exceptionMembers"`
	PIMOnly    *pimOnlyIn  `json:"pimOnlyModeSettings"`
}

type pimOnlyIn struct {
	Mode     *string     `json:"mode"`
	Excludes *[]excluded `json:"excludes"`
	Types    *[]string   `json:"excludedAssignmentTypes"`
}

// Apply changes one rule. The error is a *pim.Refusal.
func (in ARMRule) Apply(r *policy.Rules) error {
	newest := policy.PIMOnlyModeRule()
	if strings.EqualFold(in.ID, newest.Name) {
		if in.RuleType != "" && !strings.EqualFold(in.RuleType, ARMRules{}.RuleType(newest.Kind)) {
			return InvalidPolicy(newest.Name, "ruleType is not that of the rule")
		}
		return in.PIMOnly.apply(newest.Name, &r.PIMOnly)
	}
	if err := in.Rule.Apply(ARMRules{}, r); err != nil || in.Exceptions == nil {
		return err
	}
	rule, _ := FindRule(in.ID) // Apply has found it
	if rule.Kind != policy.ExpirationRule {
		return nil
	}
	members, err := ToApprovers(ARMRules{}, rule.Name, *in.Exceptions)
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
		mode := IndexFold(pimOnlyModes(), *in.Mode)
		if mode < 0 {
			return InvalidPolicy(name, "mode is Disabled, Enabled or ReportOnly")
		}
		p.Mode = policy.PIMOnlyMode(mode)
	}
	if in.Excludes != nil {
		p.Excluded = make([]policy.Excluded, len(*in.Excludes))
		for i, e := range *in.Excludes {
			kind, id := IndexFold(excludedKinds(), e.Type)+1, strings.ToLower(e.ID)
			if kind == 0 || !IsGUID(id) {
				return InvalidPolicy(name, "what is excluded is a User, a Group or a ServicePrincipal with its id")
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
			return InvalidPolicy(name, "excludedAssignmentTypes has "+applicationsAsTarget+" and "+applicationsAsRequestor+" only")
		}
	}
	return nil
}
