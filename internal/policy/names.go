package policy

// The rule names, as every dialect spells them (reference graph-pim §11.2): seventeen, and one for roles of resources only
// (reference arm-pim §9).
// Stored and sent: they may only be added to.
const (
	RuleExpirationAdminEligibility             = "Expiration_Admin_Eligibility"
	RuleEnablementAdminEligibility             = "Enablement_Admin_Eligibility"
	RuleNotificationAdminAdminEligibility      = "Notification_Admin_Admin_Eligibility"
	RuleNotificationRequestorAdminEligibility  = "Notification_Requestor_Admin_Eligibility"
	RuleNotificationApproverAdminEligibility   = "Notification_Approver_Admin_Eligibility"
	RuleExpirationAdminAssignment              = "Expiration_Admin_Assignment"
	RuleEnablementAdminAssignment              = "Enablement_Admin_Assignment"
	RuleNotificationAdminAdminAssignment       = "Notification_Admin_Admin_Assignment"
	RuleNotificationRequestorAdminAssignment   = "Notification_Requestor_Admin_Assignment"
	RuleNotificationApproverAdminAssignment    = "Notification_Approver_Admin_Assignment"
	RuleExpirationEndUserAssignment            = "Expiration_EndUser_Assignment"
	RuleEnablementEndUserAssignment            = "Enablement_EndUser_Assignment"
	RuleApprovalEndUserAssignment              = "Approval_EndUser_Assignment"
	RuleContextEndUserAssignment               = "AuthenticationContext_EndUser_Assignment"
	RuleNotificationAdminEndUserAssignment     = "Notification_Admin_EndUser_Assignment"
	RuleNotificationRequestorEndUserAssignment = "Notification_Requestor_EndUser_Assignment"
	RuleNotificationApproverEndUserAssignment  = "Notification_Approver_EndUser_Assignment"

	RulePIMOnlyAdminAssignment = "PIMOnlyMode_Admin_Assignment"
)

// RuleKind says which type of rule stands behind a name.
type RuleKind int

// The types of rules. The zero value is none.
const (
	_ RuleKind = iota
	ExpirationRule
	EnablementRule
	NotificationRule
	ApprovalRule
	ContextRule
	// PIMOnlyRule is that of roles of resources only.
	PIMOnlyRule
)

// Rule tells where a named rule lives: its type, whose requests it binds, and for notifications who is told.
type Rule struct {
	Name      string
	Kind      RuleKind
	Side      Side
	Level     Level
	Recipient Recipient
}

var ruleTable = []Rule{
	{RuleExpirationAdminEligibility, ExpirationRule, Admin, Eligibility, 0},
	{RuleEnablementAdminEligibility, EnablementRule, Admin, Eligibility, 0},
	{RuleNotificationAdminAdminEligibility, NotificationRule, Admin, Eligibility, ToAdmins},
	{RuleNotificationRequestorAdminEligibility, NotificationRule, Admin, Eligibility, ToRequestor},
	{RuleNotificationApproverAdminEligibility, NotificationRule, Admin, Eligibility, ToApprovers},
	{RuleExpirationAdminAssignment, ExpirationRule, Admin, Assignment, 0},
	{RuleEnablementAdminAssignment, EnablementRule, Admin, Assignment, 0},
	{RuleNotificationAdminAdminAssignment, NotificationRule, Admin, Assignment, ToAdmins},
	{RuleNotificationRequestorAdminAssignment, NotificationRule, Admin, Assignment, ToRequestor},
	{RuleNotificationApproverAdminAssignment, NotificationRule, Admin, Assignment, ToApprovers},
	{RuleExpirationEndUserAssignment, ExpirationRule, EndUser, Assignment, 0},
	{RuleEnablementEndUserAssignment, EnablementRule, EndUser, Assignment, 0},
	{RuleApprovalEndUserAssignment, ApprovalRule, EndUser, Assignment, 0},
	{RuleContextEndUserAssignment, ContextRule, EndUser, Assignment, 0},
	{RuleNotificationAdminEndUserAssignment, NotificationRule, EndUser, Assignment, ToAdmins},
	{RuleNotificationRequestorEndUserAssignment, NotificationRule, EndUser, Assignment, ToRequestor},
	{RuleNotificationApproverEndUserAssignment, NotificationRule, EndUser, Assignment, ToApprovers},
}

// All returns the seventeen rules that every policy has, in the order of reference graph-pim §11.2.
func All() []Rule { return append([]Rule(nil), ruleTable...) }

// PIMOnlyModeRule is the rule that policies of roles of resources have beside the seventeen.
func PIMOnlyModeRule() Rule {
	return Rule{Name: RulePIMOnlyAdminAssignment, Kind: PIMOnlyRule, Side: Admin, Level: Assignment}
}

// SetOf returns the set that holds the named rule, for reading and for an edit in place.
// Approval, context and PIM-only rules stand beside the sets, in Rules itself.
func (r *Rules) SetOf(rule Rule) *Set {
	switch {
	case rule.Level == Eligibility:
		return &r.AdminEligibility
	case rule.Side == Admin:
		return &r.AdminAssignment
	default:
		return &r.EndUserAssignment
	}
}

// For returns the notification rule for a kind of recipient.
func (n *Notifications) For(to Recipient) *Notification {
	switch to {
	case ToAdmins:
		return &n.Admins
	case ToRequestor:
		return &n.Requestor
	case ToApprovers:
		return &n.Approvers
	default:
		return nil
	}
}
