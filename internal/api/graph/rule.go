package graph

import (
	"encoding/json"
	"net/mail"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
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
func (r ruleRow) ruleType() string {
	switch r.rule.Kind {
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
	rules := r.rules
	set := rules.SetOf(r.rule)
	switch r.rule.Kind {
	case policy.ExpirationRule:
		o.Bool("isExpirationRequired", set.Expiration.Required)
		o.Text("maximumDuration", set.Expiration.Maximum.String())
	case policy.EnablementRule:
		o.Texts("enabledRules", enabledRules(set.Enablement))
	case policy.NotificationRule:
		writeNotification(o, r.rule.Recipient, *set.Notifications.For(r.rule.Recipient))
	case policy.ApprovalRule:
		if o.Member("setting") {
			o.B = append(o.B, wire.MustJSON(fromApproval(rules.Approval, c.beta))...)
		}
	case policy.ContextRule:
		o.Bool("isEnabled", rules.Context.Enabled)
		o.Text("claimValue", rules.Context.Value)
	}
	if o.Member("target") {
		o.B = append(o.B, wire.MustJSON(fromTarget(r.rule, c.beta))...)
	}
}

func enabledRules(e policy.Enablement) []string {
	var out []string
	if e.MFA {
		out = append(out, "MultiFactorAuthentication")
	}
	if e.Justification {
		out = append(out, "Justification")
	}
	if e.Ticketing {
		out = append(out, "Ticketing")
	}
	return out
}

func writeNotification(o *object, to policy.Recipient, n policy.Notification) {
	o.Str("notificationType", "Email")
	o.Str("recipientType", recipientName(to))
	o.Str("notificationLevel", notificationLevels()[n.Level])
	o.Bool("isDefaultRecipientsEnabled", !n.NoDefaults)
	o.Texts("notificationRecipients", n.Recipients)
}

func recipientName(to policy.Recipient) string {
	switch to {
	case policy.ToAdmins:
		return "Admin"
	case policy.ToRequestor:
		return "Requestor"
	case policy.ToApprovers:
		return "Approver"
	}
	return ""
}

func notificationLevels() []string { return []string{"All", "Critical", "None"} }

func approvalModes() []string { return []string{"SingleStage", "Serial", "Parallel", "NoApproval"} }

// The forms in which target and approval setting go out.
type (
	targetOut struct {
		Caller      string   `json:"caller"`
		Operations  []string `json:"operations"`
		Level       string   `json:"level"`
		Inheritable []string `json:"inheritableSettings"`
		Enforced    []string `json:"enforcedSettings"`
	}
	approvalOut struct {
		Required             bool   `json:"isApprovalRequired"`
		RequiredForExtension bool   `json:"isApprovalRequiredForExtension"`
		Justification        bool   `json:"isRequestorJustificationRequired"`
		Mode                 string `json:"approvalMode"`
		Stages               []any  `json:"approvalStages"`
	}
	stageOut struct {
		TimeOutInDays int              `json:"approvalStageTimeOutInDays"`
		Justification bool             `json:"isApproverJustificationRequired"`
		Escalation    int              `json:"escalationTimeInMinutes"`
		Escalates     bool             `json:"isEscalationEnabled"`
		Primary       []map[string]any `json:"primaryApprovers"`
		Escalated     []map[string]any `json:"escalationApprovers"`
		// Minimum is ours: the schema has no word for how many must agree. It is left out where one is enough.
		Minimum int `json:"minimum,omitempty"`
	}
	// betaStageOut is the stage of beta, which knows one member more.
	betaStageOut struct {
		stageOut
		Visibility *string `json:"approverInformationVisibility"`
	}
)

// fromTarget tells whom the rule binds; the two versions spell the one operation differently (reference graph-pim §1).
func fromTarget(r policy.Rule, beta bool) targetOut {
	t := targetOut{Caller: "Admin", Operations: []string{"all"}, Level: "Assignment", Inheritable: []string{}, Enforced: []string{}}
	if beta {
		t.Operations = []string{"All"}
	}
	if r.Side == policy.EndUser {
		t.Caller = "EndUser"
	}
	if r.Level == policy.Eligibility {
		t.Level = "Eligibility"
	}
	return t
}

func fromApproval(a policy.Approval, beta bool) approvalOut {
	out := approvalOut{
		Required: a.Required, RequiredForExtension: a.RequiredForExtension, Justification: !a.NoRequestorJustification,
		Mode: approvalModes()[a.Mode], Stages: []any{},
	}
	stages := a.Stages
	if len(stages) == 0 { // clients index the first one without a look
		stages = []policy.Stage{{TimeoutDays: 1}}
	}
	for _, s := range stages {
		stage := stageOut{
			TimeOutInDays: max(s.TimeoutDays, 1), Justification: !s.NoApproverJustification, Escalation: s.EscalationMinutes,
			Escalates: s.Escalation, Primary: fromApprovers(s.Approvers, beta), Escalated: fromApprovers(s.Escalated, beta),
		}
		if s.Quorum() > 1 {
			stage.Minimum = s.Quorum()
		}
		if beta {
			out.Stages = append(out.Stages, betaStageOut{stageOut: stage})
		} else {
			out.Stages = append(out.Stages, stage)
		}
	}
	return out
}

// fromApprovers tells approvers in the form of the version (reference graph-pim §11.3).
func fromApprovers(list []policy.Approver, beta bool) []map[string]any {
	out := []map[string]any{}
	for _, a := range list {
		m := map[string]any{"@odata.type": "#microsoft.graph." + approverType(a.Kind)}
		idName := ""
		switch a.Kind {
		case policy.User:
			idName = "userId"
		case policy.Group:
			idName = "groupId"
		case policy.RequestorManager:
			if !beta {
				m["managerLevel"] = 1
			}
		}
		if beta {
			m["isBackup"] = a.Backup
		}
		if idName != "" {
			if beta {
				idName = "id"
			}
			m[idName] = a.ID
			m["description"] = optional(a.Description)
		}
		out = append(out, m)
	}
	return out
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

// ruleIn is one rule as callers send it. Members that are absent or null keep what is stored.
type ruleIn struct {
	ID   string `json:"id"`
	Type string `json:"@odata.type"`

	IsExpirationRequired *bool   `json:"isExpirationRequired"`
	MaximumDuration      *string `json:"maximumDuration"`

	EnabledRules *[]string `json:"enabledRules"`

	NotificationLevel          *string   `json:"notificationLevel"`
	IsDefaultRecipientsEnabled *bool     `json:"isDefaultRecipientsEnabled"`
	NotificationRecipients     *[]string `json:"notificationRecipients"`

	IsEnabled  *bool   `json:"isEnabled"`
	ClaimValue *string `json:"claimValue"`

	Setting *approvalIn `json:"setting"`
}

type approvalIn struct {
	Required             *bool      `json:"isApprovalRequired"`
	RequiredForExtension *bool      `json:"isApprovalRequiredForExtension"`
	Justification        *bool      `json:"isRequestorJustificationRequired"`
	Mode                 *string    `json:"approvalMode"`
	Stages               *[]stageIn `json:"approvalStages"`
}

type stageIn struct {
	TimeOutInDays *int          `json:"approvalStageTimeOutInDays"`
	Justification *bool         `json:"isApproverJustificationRequired"`
	Escalation    *int          `json:"escalationTimeInMinutes"`
	Escalates     *bool         `json:"isEscalationEnabled"`
	Primary       *[]approverIn `json:"primaryApprovers"`
	Escalated     *[]approverIn `json:"escalationApprovers"`
	Minimum       *int          `json:"minimum"`
}

type approverIn struct {
	Type        string `json:"@odata.type"`
	ID          string `json:"id"`
	UserID      string `json:"userId"`
	GroupID     string `json:"groupId"`
	Description string `json:"description"`
	IsBackup    bool   `json:"isBackup"`
}

func findRule(name string) (policy.Rule, bool) {
	for _, r := range policy.All() {
		if strings.EqualFold(r.Name, name) {
			return r, true
		}
	}
	return policy.Rule{}, false
}

// apply changes one rule. The error is a *pim.Refusal.
func (in ruleIn) apply(r *policy.Rules) error {
	rule, ok := findRule(in.ID)
	if !ok {
		return invalidPolicy("rules", "there is no rule of this id")
	}
	want := ruleRow{rule: rule}.ruleType()
	if in.Type != "" && !strings.EqualFold(strings.TrimPrefix(in.Type, "#microsoft.graph."), want) {
		return invalidPolicy(rule.Name, "@odata.type is not that of the rule")
	}
	set := r.SetOf(rule)
	switch rule.Kind {
	case policy.ExpirationRule:
		return in.applyExpiration(rule.Name, &set.Expiration)
	case policy.EnablementRule:
		return in.applyEnablement(rule.Name, &set.Enablement)
	case policy.NotificationRule:
		return in.applyNotification(rule.Name, set.Notifications.For(rule.Recipient))
	case policy.ApprovalRule:
		return in.Setting.apply(rule.Name, &r.Approval)
	case policy.ContextRule:
		take(&r.Context.Enabled, in.IsEnabled)
		take(&r.Context.Value, in.ClaimValue)
	}
	return nil
}

// take sets what is there.
func take[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (in ruleIn) applyExpiration(name string, e *policy.Expiration) error {
	take(&e.Required, in.IsExpirationRequired)
	if in.MaximumDuration == nil || *in.MaximumDuration == "" {
		return nil
	}
	d, err := schedule.ParseDuration(*in.MaximumDuration)
	if err != nil {
		return invalidPolicy(name, err.Error())
	}
	e.Maximum = d
	return nil
}

func (in ruleIn) applyEnablement(name string, e *policy.Enablement) error {
	if in.EnabledRules == nil {
		return nil
	}
	*e = policy.Enablement{}
	for _, word := range *in.EnabledRules {
		switch strings.ToLower(word) {
		case "multifactorauthentication":
			e.MFA = true
		case "justification":
			e.Justification = true
		case "ticketing":
			e.Ticketing = true
		default:
			return invalidPolicy(name, "enabledRules has MultiFactorAuthentication, Justification and Ticketing only")
		}
	}
	return nil
}

func (in ruleIn) applyNotification(name string, n *policy.Notification) error {
	if in.NotificationLevel != nil {
		i := indexFold(notificationLevels(), *in.NotificationLevel)
		if i < 0 {
			return invalidPolicy(name, "notificationLevel is All, Critical or None")
		}
		n.Level = policy.NotificationLevel(i)
	}
	if in.IsDefaultRecipientsEnabled != nil {
		n.NoDefaults = !*in.IsDefaultRecipientsEnabled
	}
	if in.NotificationRecipients == nil {
		return nil
	}
	for _, r := range *in.NotificationRecipients {
		if a, err := mail.ParseAddress(r); err != nil || a.Address != r {
			return invalidPolicy(name, "notificationRecipients are mail addresses")
		}
	}
	n.Recipients = *in.NotificationRecipients
	return nil
}

func indexFold(list []string, word string) int {
	for i, s := range list {
		if strings.EqualFold(s, word) {
			return i
		}
	}
	return -1
}

func (in *approvalIn) apply(name string, a *policy.Approval) error {
	if in == nil {
		return nil
	}
	take(&a.Required, in.Required)
	take(&a.RequiredForExtension, in.RequiredForExtension)
	if in.Justification != nil {
		a.NoRequestorJustification = !*in.Justification
	}
	if in.Mode != nil && *in.Mode != "" {
		i := indexFold(approvalModes(), *in.Mode)
		if i < 0 {
			return invalidPolicy(name, "approvalMode is SingleStage, Serial, Parallel or NoApproval")
		}
		a.Mode = policy.Mode(i)
	}
	if in.Stages == nil {
		return nil
	}
	stages := make([]policy.Stage, len(*in.Stages))
	for i, s := range *in.Stages {
		stages[i] = policy.Stage{TimeoutDays: 1}
		if i < len(a.Stages) {
			stages[i] = a.Stages[i]
		}
		if err := s.apply(name, &stages[i]); err != nil {
			return err
		}
	}
	if len(stages) == 0 { // an empty list asks for nobody in particular, not for no stage at all
		stages = []policy.Stage{{TimeoutDays: 1}}
	}
	a.Stages = stages
	return nil
}

func (in stageIn) apply(name string, s *policy.Stage) error {
	take(&s.TimeoutDays, in.TimeOutInDays)
	if in.Justification != nil {
		s.NoApproverJustification = !*in.Justification
	}
	take(&s.EscalationMinutes, in.Escalation)
	take(&s.Escalation, in.Escalates)
	take(&s.Minimum, in.Minimum)
	var err error
	if in.Primary != nil {
		if s.Approvers, err = toApprovers(name, *in.Primary); err != nil {
			return err
		}
	}
	if in.Escalated != nil {
		s.Escalated, err = toApprovers(name, *in.Escalated)
	}
	return err
}

func toApprovers(name string, list []approverIn) ([]policy.Approver, error) {
	out := make([]policy.Approver, len(list))
	for i, a := range list {
		kind := a.kind()
		if kind == 0 {
			return nil, invalidPolicy(name, "an approver is singleUser, groupMembers or requestorManager")
		}
		out[i] = policy.Approver{Kind: kind, Description: a.Description, Backup: a.IsBackup}
		if kind == policy.RequestorManager {
			continue
		}
		if out[i].ID = strings.ToLower(a.id(kind)); !isGUID(out[i].ID) {
			return nil, invalidPolicy(name, "an approver's id is not a GUID")
		}
	}
	return out, nil
}

// kind is told by the type or, without one, by which id is there.
func (a approverIn) kind() policy.ApproverKind {
	for _, k := range []policy.ApproverKind{policy.User, policy.Group, policy.RequestorManager} {
		if strings.EqualFold(strings.TrimPrefix(a.Type, "#microsoft.graph."), approverType(k)) {
			return k
		}
	}
	switch {
	case a.Type != "":
		return 0
	case a.UserID != "":
		return policy.User
	case a.GroupID != "":
		return policy.Group
	}
	return 0
}

func (a approverIn) id(k policy.ApproverKind) string {
	switch {
	case k == policy.User && a.UserID != "":
		return a.UserID
	case k == policy.Group && a.GroupID != "":
		return a.GroupID
	}
	return a.ID
}

// UnmarshalJSON takes a rule; a lone text is no rule, which the standard decoder would say less clearly.
func (in *policyIn) UnmarshalJSON(b []byte) error {
	type plain policyIn
	if err := json.Unmarshal(b, (*plain)(in)); err != nil {
		return err
	}
	if len(in.Rules) > 2*len(policy.All()) {
		return &api.Fault{Problem: api.BadBody, Detail: "The body has more rules than there are."}
	}
	return nil
}
