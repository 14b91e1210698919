package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// settings translates a call of roleSettings, or of roleSettingsV2 of the second iteration's own host.
func (t *translation) settings(ctx context.Context, known *Known) error {
	resource, role := t.q.resource, t.q.role
	if t.id != "" {
		r, d, err := known.setting(ctx, t.provider, t.id)
		if err != nil {
			return err
		}
		resource, role = first(r, resource), first(d, role)
	}
	t.q.resource, t.q.role = resource, role
	if err := t.resolve(ctx, known, resource, role); err != nil {
		return err
	}
	if t.provider == pim.Resource && t.role == "" && t.id != "" && t.scope != "" && strings.HasSuffix(strings.ToLower(t.id), "_"+role) {
		// Behind the resource's id stands the role's own, as Azure Resource Manager has it.
		t.role = t.scope + armProvider + "roleDefinitions/" + role
	}
	t.policyAssignments()
	if t.method == http.MethodPatch || t.method == http.MethodPut {
		return t.changeSettings()
	}
	return nil
}

// policyAssignments finds the policies that are in place of settings.
func (t *translation) policyAssignments() {
	one := t.id != "" || t.q.role != ""
	if t.provider == pim.Resource {
		var where string
		if one {
			where = equals("roleDefinitionId", t.needRole())
		}
		t.addARM(http.MethodGet, t.needScope(), "roleManagementPolicyAssignments", nil, filterOption(where))
		t.armList()
	} else {
		kind, role := "DirectoryRole", ""
		if t.provider == pim.Group {
			kind = "Group"
		}
		if one {
			role = equals("roleDefinitionId", t.needRole())
		}
		t.add(http.MethodGet, policiesPath+"roleManagementPolicyAssignments", nil,
			filterOption(equals("scopeId", t.needScope()), equals("scopeType", kind), role), "$expand=policy($expand=rules)")
		t.unordered()
	}
	t.changed("roleSettings", "Settings are the rules of a policy, and a policy assignment says whose it is. A rule names what was a collection: "+
		"_Admin_Eligibility was adminEligibleSettings, _Admin_Assignment adminMemberSettings, _EndUser_Assignment userMemberSettings.")
}

// oldSettings is the body of a change of settings.
type oldSettings struct {
	AdminEligible []governance.RuleSetting `json:"adminEligibleSettings"`
	AdminMember   []governance.RuleSetting `json:"adminMemberSettings"`
	UserEligible  []governance.RuleSetting `json:"userEligibleSettings"`
	UserMember    []governance.RuleSetting `json:"userMemberSettings"`
	LifeCycle     []struct {
		Caller string                   `json:"caller"`
		Level  string                   `json:"level"`
		Value  []governance.RuleSetting `json:"value"`
	} `json:"lifeCycleManagement"`
}

// collections are the settings by their collection, those of roleSettingsV2 among them.
func (in oldSettings) collections() map[governance.Collection][]governance.RuleSetting {
	all := map[governance.Collection][]governance.RuleSetting{
		governance.AdminEligible: in.AdminEligible, governance.AdminMember: in.AdminMember,
		governance.UserEligible: in.UserEligible, governance.UserMember: in.UserMember,
	}
	for _, l := range in.LifeCycle {
		if c, ok := governance.ParseLifeCycle(l.Caller, l.Level); ok {
			all[c] = append(all[c], l.Value...)
		}
	}
	return all
}

// changeSettings adds the change of the policy, with those of its rules that the body speaks of.
func (t *translation) changeSettings() error {
	in, err := readBody[oldSettings](t.Old.Body)
	if err != nil {
		return err
	}
	rules, touched := untouched(t.provider), map[string]bool{}
	all := in.collections()
	for _, c := range governance.Collections() {
		for _, s := range all[c] {
			names := t.rulesOf(c, s)
			if names == nil {
				continue
			}
			if err := governance.Apply(c, []governance.RuleSetting{s}, &rules); err != nil {
				if r, ok := errors.AsType[*pim.Refusal](err); ok {
					return fmt.Errorf("the body's settings: %s", r.Detail)
				}
				return fmt.Errorf("the body's settings: %w", err)
			}
			for _, n := range names {
				touched[n] = true
			}
		}
	}
	if len(touched) == 0 {
		return nil
	}
	t.policy(appendListed(nil, t.provider, rules, policy.All(), func(r policy.Rule) bool { return touched[r.Name] }, false))
	return nil
}

// policy adds the change of the policy.
func (t *translation) policy(rules json.RawMessage) {
	const where = "roleManagementPolicies/{policyId}"
	if t.provider == pim.Resource {
		type properties struct {
			Rules json.RawMessage `json:"rules"`
		}
		t.add(http.MethodPatch, strings.TrimSuffix(t.needScope(), "/")+armProvider+where, map[string]properties{"properties": {rules}}, "api-version="+armVersion)
	} else {
		t.add(http.MethodPatch, policiesPath+where, map[string]json.RawMessage{"rules": rules})
	}
	t.changed("policyId", "{policyId} is the policyId that the first call tells. The answer is 200 with the policy instead of 204.")
}

// untouched are the rules that nobody has changed.
func untouched(p pim.Provider) policy.Rules {
	switch p {
	case pim.Directory:
		return policy.ForDirectoryRole()
	case pim.Group:
		return policy.ForGroup()
	case pim.Resource:
	}
	return policy.ForResource()
}

// The prefixes of rules, by what a setting is called.
func settingRules() map[string][]string {
	return map[string][]string{
		"expirationrule": {"Expiration"}, "mfarule": {"Enablement"}, "justificationrule": {"Enablement"}, "ticketingrule": {"Enablement"},
		"approvalrule": {"Approval"}, "acrsrule": {"AuthenticationContext", "Enablement"},
		"notificationrule": {"Notification_Admin", "Notification_Requestor", "Notification_Approver"},
	}
}

// rulesOf are the names of the rules that a setting is in the third iteration; nil: none, which is noted.
func (t *translation) rulesOf(c governance.Collection, s governance.RuleSetting) []string {
	suffix := map[governance.Collection]string{governance.AdminEligible: "_Admin_Eligibility", governance.AdminMember: "_Admin_Assignment",
		governance.UserMember: "_EndUser_Assignment"}[c]
	prefixes := settingRules()[strings.ToLower(s.RuleIdentifier)]
	if suffix == "" || prefixes == nil {
		t.lost(s.RuleIdentifier, fmt.Sprintf("%s of %s has no counterpart.", s.RuleIdentifier, c))
		return nil
	}
	var names []string
	for _, p := range prefixes {
		if name := p + suffix; slices.ContainsFunc(policy.All(), func(r policy.Rule) bool { return r.Name == name }) {
			names = append(names, name)
		}
	}
	if slices.Contains(prefixes, "Enablement") {
		t.changed("enabledRules", "What has to be proved or said is one list: name in enabledRules all that are to hold, also those that the body did not speak of.")
	}
	if strings.EqualFold(s.RuleIdentifier, "ApprovalRule") {
		t.changed("ApprovalRule", "BusinessFlowId, and the approvers' principal names and addresses, have no counterpart.")
	}
	return names
}
