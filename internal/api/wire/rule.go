package wire

import (
	"encoding/json"
	"net/mail"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// The rules of a policy, by the names of package policy: their members, and how callers change them.

// Words are what dialects say differently about rules.
type Words interface {
	// RuleType is what the type of a rule is called, and TypeMember the member that tells it.
	RuleType(policy.RuleKind) string
	TypeMember() string
	// Text writes a text that may be empty.
	Text(o *Object, name, v string)
	// Approver is the form in which one approver goes out.
	Approver(policy.Approver) map[string]any
	// ApproverKind is what an approver that came in is; zero: none of those that there are.
	ApproverKind(Approver) policy.ApproverKind
	// Stage adds to a stage of an approval what only the dialect has. It may return it as it is.
	Stage(Stage) any
}

// ruleType is what both dialects call the type of a rule, behind what each puts before it.
func ruleType(k policy.RuleKind) string {
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

// WriteRule writes the members of a rule behind its id and type, but for its target.
func WriteRule(o *Object, w Words, rule policy.Rule, rules policy.Rules) {
	set := rules.SetOf(rule)
	switch rule.Kind { //nolint:exhaustive // what one dialect alone has, it writes itself
	case policy.ExpirationRule:
		o.Bool("isExpirationRequired", set.Expiration.Required)
		o.Text("maximumDuration", set.Expiration.Maximum.String())
	case policy.EnablementRule:
		o.Texts("enabledRules", enabledRules(set.Enablement))
	case policy.NotificationRule:
		writeNotification(o, rule.Recipient, *set.Notifications.For(rule.Recipient))
	case policy.ApprovalRule:
		if o.Member("setting") {
			o.B = append(o.B, MustJSON(fromApproval(w, rules.Approval))...)
		}
	case policy.ContextRule:
		o.Bool("isEnabled", rules.Context.Enabled)
		w.Text(o, "claimValue", rules.Context.Value)
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

func writeNotification(o *Object, to policy.Recipient, n policy.Notification) {
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

// Target tells whom a rule binds: the caller (Admin, EndUser) and the level (Eligibility, Assignment).
func Target(r policy.Rule) (caller, level string) {
	caller, level = "Admin", "Assignment"
	if r.Side == policy.EndUser {
		caller = "EndUser"
	}
	if r.Level == policy.Eligibility {
		level = "Eligibility"
	}
	return caller, level
}

type approvalOut struct {
	Required             bool   `json:"isApprovalRequired"`
	RequiredForExtension bool   `json:"isApprovalRequiredForExtension"`
	Justification        bool   `json:"isRequestorJustificationRequired"`
	Mode                 string `json:"approvalMode"`
	Stages               []any  `json:"approvalStages"`
}

// Stage is a stage of an approval setting as it goes out.
type Stage struct {
	TimeOutInDays int              `json:"approvalStageTimeOutInDays"`
	Justification bool             `json:"isApproverJustificationRequired"`
	Escalation    int              `json:"escalationTimeInMinutes"`
	Escalates     bool             `json:"isEscalationEnabled"`
	Primary       []map[string]any `json:"primaryApprovers"`
	Escalated     []map[string]any `json:"escalationApprovers"`
	// Minimum is ours: the schema has no word for how many must agree. It is left out where one is enough.
	Minimum int `json:"minimum,omitempty"`
}

func fromApproval(w Words, a policy.Approval) approvalOut {
	out := approvalOut{
		Required: a.Required, RequiredForExtension: a.RequiredForExtension, Justification: !a.NoRequestorJustification,
		Mode: approvalModes()[a.Mode], Stages: []any{},
	}
	stages := a.Stages
	if len(stages) == 0 { // clients index the first one without a look
		stages = []policy.Stage{{TimeoutDays: 1}}
	}
	for _, s := range stages {
		stage := Stage{
			TimeOutInDays: max(s.TimeoutDays, 1), Justification: !s.NoApproverJustification, Escalation: s.EscalationMinutes,
			Escalates: s.Escalation, Primary: fromApprovers(w, s.Approvers), Escalated: fromApprovers(w, s.Escalated),
		}
		if s.Quorum() > 1 {
			stage.Minimum = s.Quorum()
		}
		out.Stages = append(out.Stages, w.Stage(stage))
	}
	return out
}

func fromApprovers(w Words, list []policy.Approver) []map[string]any {
	out := []map[string]any{}
	for _, a := range list {
		out = append(out, w.Approver(a))
	}
	return out
}

// Rule is one rule as callers send it. Members that are absent or null keep what is stored.
type Rule struct {
	ID string `json:"id"`
	// ODataType and RuleType are the names of its type in the two dialects; each looks at its own.
	ODataType string `json:"@odata.type"`
	RuleType  string `json:"ruleType"`

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
	TimeOutInDays *int        `json:"approvalStageTimeOutInDays"`
	Justification *bool       `json:"isApproverJustificationRequired"`
	Escalation    *int        `json:"escalationTimeInMinutes"`
	Escalates     *bool       `json:"isEscalationEnabled"`
	Primary       *[]Approver `json:"primaryApprovers"`
	Escalated     *[]Approver `json:"escalationApprovers"`
	Minimum       *int        `json:"minimum"`
}

// Approver is one approver as callers of either dialect send it.
type Approver struct {
	ODataType   string `json:"@odata.type"`
	UserType    string `json:"userType"`
	ID          string `json:"id"`
	UserID      string `json:"userId"`
	GroupID     string `json:"groupId"`
	Description string `json:"description"`
	IsBackup    bool   `json:"isBackup"`
}

// FindRule finds one of the rules that every policy has, without letter case.
func FindRule(name string) (policy.Rule, bool) {
	for _, r := range policy.All() {
		if strings.EqualFold(r.Name, name) {
			return r, true
		}
	}
	return policy.Rule{}, false
}

// InvalidPolicy refuses what makes no policy.
func InvalidPolicy(field, detail string) error {
	return &pim.Refusal{Code: pim.InvalidPolicy, Field: field, Detail: detail}
}

// Apply changes one rule. The error is a *pim.Refusal.
func (in Rule) Apply(w Words, r *policy.Rules) error {
	rule, ok := FindRule(in.ID)
	if !ok {
		return InvalidPolicy("rules", "there is no rule of this id")
	}
	sent := in.RuleType
	if w.TypeMember() == "@odata.type" {
		sent = strings.TrimPrefix(in.ODataType, GraphType)
	}
	if sent != "" && !strings.EqualFold(sent, w.RuleType(rule.Kind)) {
		return InvalidPolicy(rule.Name, w.TypeMember()+" is not that of the rule")
	}
	set := r.SetOf(rule)
	switch rule.Kind { //nolint:exhaustive // what one dialect alone has, it applies itself
	case policy.ExpirationRule:
		return in.applyExpiration(rule.Name, &set.Expiration)
	case policy.EnablementRule:
		return in.applyEnablement(rule.Name, &set.Enablement)
	case policy.NotificationRule:
		return in.applyNotification(rule.Name, set.Notifications.For(rule.Recipient))
	case policy.ApprovalRule:
		return in.Setting.apply(w, rule.Name, &r.Approval)
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

func (in Rule) applyExpiration(name string, e *policy.Expiration) error {
	take(&e.Required, in.IsExpirationRequired)
	if in.MaximumDuration == nil || *in.MaximumDuration == "" {
		return nil
	}
	d, err := schedule.ParseDuration(*in.MaximumDuration)
	if err != nil {
		return InvalidPolicy(name, err.Error())
	}
	e.Maximum = d
	return nil
}

func (in Rule) applyEnablement(name string, e *policy.Enablement) error {
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
			return InvalidPolicy(name, "enabledRules has MultiFactorAuthentication, Justification and Ticketing only")
		}
	}
	return nil
}

func (in Rule) applyNotification(name string, n *policy.Notification) error {
	if in.NotificationLevel != nil {
		i := IndexFold(notificationLevels(), *in.NotificationLevel)
		if i < 0 {
			return InvalidPolicy(name, "notificationLevel is All, Critical or None")
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
			return InvalidPolicy(name, "notificationRecipients are mail addresses")
		}
	}
	n.Recipients = *in.NotificationRecipients
	return nil
}

// IndexFold is where a word stands in a list, without letter case; -1: nowhere.
func IndexFold(list []string, word string) int {
	for i, s := range list {
		if strings.EqualFold(s, word) {
			return i
		}
	}
	return -1
}

func (in *approvalIn) apply(w Words, name string, a *policy.Approval) error {
	if in == nil {
		return nil
	}
	take(&a.Required, in.Required)
	take(&a.RequiredForExtension, in.RequiredForExtension)
	if in.Justification != nil {
		a.NoRequestorJustification = !*in.Justification
	}
	if in.Mode != nil && *in.Mode != "" {
		i := IndexFold(approvalModes(), *in.Mode)
		if i < 0 {
			return InvalidPolicy(name, "approvalMode is SingleStage, Serial, Parallel or NoApproval")
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
		if err := s.apply(w, name, &stages[i]); err != nil {
			return err
		}
	}
	if len(stages) == 0 { // an empty list asks for nobody in particular, not for no stage at all
		stages = []policy.Stage{{TimeoutDays: 1}}
	}
	a.Stages = stages
	return nil
}

func (in stageIn) apply(w Words, name string, s *policy.Stage) error {
	take(&s.TimeoutDays, in.TimeOutInDays)
	if in.Justification != nil {
		s.NoApproverJustification = !*in.Justification
	}
	take(&s.EscalationMinutes, in.Escalation)
	take(&s.Escalation, in.Escalates)
	take(&s.Minimum, in.Minimum)
	var err error
	if in.Primary != nil {
		if s.Approvers, err = ToApprovers(w, name, *in.Primary); err != nil {
			return err
		}
	}
	if in.Escalated != nil {
		s.Escalated, err = ToApprovers(w, name, *in.Escalated)
	}
	return err
}

// ToApprovers reads approvers of the rule of that name. The error is a *pim.Refusal.
func ToApprovers(w Words, name string, list []Approver) ([]policy.Approver, error) {
	out := make([]policy.Approver, len(list))
	for i, a := range list {
		kind := w.ApproverKind(a)
		if kind == 0 {
			return nil, InvalidPolicy(name, "an approver is a user, a group or the requestor's manager")
		}
		out[i] = policy.Approver{Kind: kind, Description: a.Description, Backup: a.IsBackup}
		if kind == policy.RequestorManager {
			continue
		}
		if out[i].ID = strings.ToLower(a.id(kind)); !IsGUID(out[i].ID) {
			return nil, InvalidPolicy(name, "an approver's id is not a GUID")
		}
	}
	return out, nil
}

func (a Approver) id(k policy.ApproverKind) string {
	switch {
	case k == policy.User && a.UserID != "":
		return a.UserID
	case k == policy.Group && a.GroupID != "":
		return a.GroupID
	}
	return a.ID
}

// Rules are the rules of a policy's edit; those that are not named stay.
type Rules[R any] []R

// UnmarshalJSON refuses more rules than a policy could have.
func (in *Rules[R]) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, (*[]R)(in)); err != nil {
		return err
	}
	if len(*in) > 2*len(policy.All()) {
		return &api.Fault{Problem: api.BadBody, Detail: "The body has more rules than there are."}
	}
	return nil
}
