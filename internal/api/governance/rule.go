package governance

import (
	"strings"
	"time"

	"portcullis/internal/api/wire"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// The rules as they are shown: texts that hold JSON (reference pim-v2 §6 and §13.5).

// The members of the rules, by their names as they are written.
type (
	expirationOut struct {
		Permanent bool  `json:"permanentAssignment"`
		Minutes   int64 `json:"maximumGrantPeriodInMinutes"`
	}
	mfaOut struct {
		Required bool `json:"mfaRequired"`
	}
	justificationOut struct {
		Required bool `json:"required"`
	}
	ticketingOut struct {
		Required bool `json:"ticketingRequired"`
	}
	contextOut struct {
		Required bool    `json:"acrsRequired"`
		Value    *string `json:"acrs"`
	}
	approvalOut struct {
		Enabled       bool          `json:"Enabled"`
		Criteria      bool          `json:"IsCriteriaSupported"`
		Approvers     []approverOut `json:"Approvers"`
		BusinessFlow  string        `json:"BusinessFlowId"`
		Notifications bool          `json:"HasNotificationPolicy"`
	}
	approverOut struct {
		ID            string `json:"Id"`
		Type          string `json:"Type"`
		DisplayName   string `json:"DisplayName"`
		PrincipalName string `json:"PrincipalName"`
		Email         string `json:"Email"`
	}
	notificationOut struct {
		Policies []mechanismOut `json:"policies"`
	}
	mechanismOut struct {
		Mechanism string         `json:"deliveryMechanism"`
		Setting   []recipientOut `json:"setting"`
	}
	recipientOut struct {
		Receivers []string `json:"customreceivers"`
		Defaults  bool     `json:"isdefaultreceiverenabled"`
		Level     int      `json:"notificationlevel"`
		Recipient int      `json:"recipienttype"`
	}
)

// untouchedApproval is how the rule is written that nobody has set: in another letter case than all others.
const untouchedApproval = `{"enabled":false,"isCriteriaSupported":false,"approvers":null,"businessFlowId":null,"hasNotificationPolicy":false}`

// settingWriter writes the rules of one collection.
type settingWriter struct {
	collection Collection
	policy     policy.Policy
	names      func(id string) Person
}

// text is a rule's setting; empty: the collection does not show the rule.
func (w settingWriter) text(id string) string {
	rules := w.policy.Rules
	set := w.collection.set(&rules)
	kept := rules.Kept[keptKey(w.collection, id)]
	if set == nil || !w.collection.has(id) {
		return kept
	}
	switch id {
	case ruleExpiration:
		permanent := !set.Expiration.Required && w.collection != UserMember
		return text(expirationOut{permanent, minutesOf(set.Expiration.Maximum)})
	case ruleMFA:
		// Where an authentication context is demanded too, the core knows the context alone.
		return text(mfaOut{set.Enablement.MFA || w.collection == UserMember && rules.Context.Enabled && kept != ""})
	case ruleJustification:
		if w.collection != AdminEligible || set.Enablement.Justification {
			return text(justificationOut{set.Enablement.Justification})
		}
	case ruleTicketing:
		if w.collection == UserMember || set.Enablement.Ticketing {
			return text(ticketingOut{set.Enablement.Ticketing})
		}
	case ruleApproval:
		return w.approval(rules.Approval)
	case ruleContext:
		return text(contextOut{rules.Context.Enabled, wire.Optional(rules.Context.Value)})
	case ruleNotification:
		return notification(set.Notifications)
	}
	return ""
}

func text(v any) string { return string(wire.MustJSON(v)) }

// has says whether the collection has a rule that stands for something here; others are kept as they come.
func (c Collection) has(id string) bool {
	switch id {
	case ruleApproval, ruleContext:
		return c == UserMember
	case ruleCondition:
		return false
	}
	return c != UserEligible
}

// anchor is the instant from which durations of the calendar are counted in minutes: at the beginning of a year that is none of
// 366 days, so that a year is 365 of them and a month 31.
func anchor() time.Time { return time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }

// minutesOf is how many whole minutes a duration has; what is less than one counts as one.
func minutesOf(d schedule.Duration) int64 {
	if d.IsZero() {
		return 0
	}
	return max((d.AddTo(anchor()).Unix()-anchor().Unix())/60, 1)
}

// approval writes the approvers of the first stage: no other can be told, and no approver but users and groups.
func (w settingWriter) approval(a policy.Approval) string {
	var approvers []policy.Approver
	if len(a.Stages) > 0 {
		approvers = a.Stages[0].Approvers
	}
	if !a.Required && len(approvers) == 0 {
		return untouchedApproval
	}
	out := approvalOut{Enabled: a.Required, Criteria: true, Approvers: []approverOut{}, BusinessFlow: derived("businessflow", w.policy.ID), Notifications: true}
	for _, p := range approvers {
		if told(p.Kind) {
			out.Approvers = append(out.Approvers, w.approver(p))
		}
	}
	return text(out)
}

// told says whether an approver of that kind can be told.
func told(k policy.ApproverKind) bool { return k == policy.User || k == policy.Group }

func (w settingWriter) approver(a policy.Approver) approverOut {
	out := approverOut{ID: a.ID, Type: approverTypes()[a.Kind-1], DisplayName: a.Description}
	if w.names == nil {
		return out
	}
	p := w.names(a.ID)
	if p.DisplayName != "" {
		out.DisplayName = p.DisplayName
	}
	out.PrincipalName, out.Email = p.PrincipalName, p.Email
	return out
}

// approverTypes are the words for the kinds of approvers, which count from one.
func approverTypes() []string { return []string{"User", "Group"} }

// recipients are the kinds of recipients by their numbers: 0, 1 and 2.
func recipients() []policy.Recipient {
	return []policy.Recipient{policy.ToRequestor, policy.ToApprovers, policy.ToAdmins}
}

// levels are the levels of notifications by their numbers: 0, 1 and 2.
func levels() []policy.NotificationLevel {
	return []policy.NotificationLevel{policy.NotifyNone, policy.NotifyCritical, policy.NotifyAll}
}

func notification(n policy.Notifications) string {
	mechanism := mechanismOut{Mechanism: "email"}
	for _, number := range []int{2, 0, 1} {
		to := *n.For(recipients()[number])
		out := recipientOut{Defaults: !to.NoDefaults, Recipient: number}
		for i, level := range levels() {
			if level == to.Level {
				out.Level = i
			}
		}
		if len(to.Recipients) > 0 {
			out.Receivers = to.Recipients
		}
		mechanism.Setting = append(mechanism.Setting, out)
	}
	return text(notificationOut{[]mechanismOut{mechanism}})
}

// keptKey is by what a setting is kept that binds nothing.
func keptKey(c Collection, id string) string { return string(c) + "/" + id }

// RuleName is what a rule of a policy is called here, with its collection; a name that is none is given back.
func RuleName(name string) string {
	rule, ok := wire.FindRule(name)
	if !ok {
		return name
	}
	c := UserMember
	switch {
	case rule.Level == policy.Eligibility:
		c = AdminEligible
	case rule.Side == policy.Admin:
		c = AdminMember
	}
	id := ruleMFA
	switch rule.Kind { //nolint:exhaustive // the others are not of the seventeen
	case policy.ExpirationRule:
		id = ruleExpiration
	case policy.NotificationRule:
		id = ruleNotification
	case policy.ApprovalRule:
		id = ruleApproval
	case policy.ContextRule:
		id = ruleContext
	}
	return strings.Join([]string{string(c), id}, "/")
}
