package governance

import (
	"slices"
	"strings"

	"portcullis/internal/policy"
)

// RuleSetting is one rule of a role's settings (governanceRuleSetting): Setting is a text that holds JSON.
type RuleSetting struct {
	RuleIdentifier string `json:"ruleIdentifier"`
	Setting        string `json:"setting"`
}

// Collection is one of the four lists of rules that a role's settings have, by its name in JSON.
type Collection string

// The collections (reference pim-v2 §6). What stands in UserEligible binds nothing.
const (
	AdminEligible Collection = "adminEligibleSettings"
	AdminMember   Collection = "adminMemberSettings"
	UserEligible  Collection = "userEligibleSettings"
	UserMember    Collection = "userMemberSettings"
)

// Collections are the four in the order in which they are shown.
func Collections() []Collection {
	return []Collection{AdminEligible, AdminMember, UserEligible, UserMember}
}

// LifeCycle is the pair of words by which roleSettingsV2 knows the collection.
func (c Collection) LifeCycle() (caller, level string) {
	switch c {
	case AdminEligible:
		return "Admin", "Eligible"
	case AdminMember:
		return "Admin", "Member"
	case UserEligible:
		return "EndUser", "Eligible"
	case UserMember:
		return "EndUser", "Member"
	}
	return "", ""
}

// ParseLifeCycle finds a collection by that pair of words, in any letter case.
func ParseLifeCycle(caller, level string) (Collection, bool) {
	for _, c := range Collections() {
		a, b := c.LifeCycle()
		if strings.EqualFold(caller, a) && strings.EqualFold(level, b) {
			return c, true
		}
	}
	return "", false
}

// set are the rules that the collection stands for; nil: none.
func (c Collection) set(r *policy.Rules) *policy.Set {
	switch c {
	case AdminEligible:
		return &r.AdminEligibility
	case AdminMember:
		return &r.AdminAssignment
	case UserMember:
		return &r.EndUserAssignment
	case UserEligible:
	}
	return nil
}

// The identifiers of rules.
const (
	ruleExpiration    = "ExpirationRule"
	ruleMFA           = "MfaRule"
	ruleJustification = "JustificationRule"
	ruleTicketing     = "TicketingRule"
	ruleApproval      = "ApprovalRule"
	ruleContext       = "AcrsRule"
	ruleCondition     = "AttributeConditionRule"
	ruleNotification  = "NotificationRule"
)

// identifiers are those of all rules that there are, in the order in which they are shown.
func identifiers() []string {
	return []string{ruleExpiration, ruleMFA, ruleJustification, ruleTicketing, ruleApproval, ruleContext, ruleCondition, ruleNotification}
}

// Person is what the settings tell of an approver beside the id.
type Person struct{ DisplayName, PrincipalName, Email string }

// Settings are the rules of a policy as a collection shows them. names tells who an approver is; nil: nobody knows.
func Settings(c Collection, p policy.Policy, names func(id string) Person) []RuleSetting {
	out := []RuleSetting{}
	w := settingWriter{collection: c, policy: p, names: names}
	for _, id := range identifiers() {
		if text := w.text(id); text != "" {
			out = append(out, RuleSetting{id, text})
		}
	}
	return out
}

// Apply changes rules by what a collection is sent: each rule in the list replaces what stood for it, and what is not in the
// list stays (reference pim-v2 §6). The error is a *pim.Refusal with the code InvalidPolicy that names the rule and the reason;
// the rules may then be changed in part.
func Apply(c Collection, list []RuleSetting, r *policy.Rules) error {
	if !slices.Contains(Collections(), c) || len(list) > maxSettings {
		return invalid(c, "", "is not a collection, or has too many rules")
	}
	for _, s := range list {
		if err := apply(c, s, r); err != nil {
			return err
		}
	}
	settle(r)
	return nil
}
