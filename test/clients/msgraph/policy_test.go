package msgraph

import (
	"net/http"
	"testing"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

// A changed rule is read back as it was sent, in its own type; the other sixteen stay; the next request meets it.
func TestARuleIsChanged(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	role := app.role(t, "Knowledge Manager")
	app.makesEligible(t, alice, role, "P30D")
	app.ruled(t, role, demands("Justification"))

	rule := models.NewUnifiedRoleManagementPolicyExpirationRule()
	rule.SetId(new("Expiration_EndUser_Assignment"))
	rule.SetIsExpirationRequired(new(true))
	rule.SetMaximumDuration(duration(t, "PT2H"))
	app.ruled(t, role, rule)

	policy := app.policy(t, role)
	house.Rows(t, "rules of the policy", policy.GetRules(), 17)
	if policy.GetLastModifiedDateTime() == nil {
		t.Error("the policy does not say when it was changed")
	}
	item := app.Policies().RoleManagementPolicies().ByUnifiedRoleManagementPolicyId(house.Value(policy.GetId())).Rules().
		ByUnifiedRoleManagementPolicyRuleId("Expiration_EndUser_Assignment")
	got, err := item.Get(t.Context(), nil)
	must(t, "read the rule back", err)
	changed, ok := got.(models.UnifiedRoleManagementPolicyExpirationRuleable)
	if !ok {
		t.Fatalf("the rule: got %T, want an expiration rule", got)
	}
	house.Equal(t, "maximum duration", changed.GetMaximumDuration().String(), "PT2H")
	house.Equal(t, "expiration required", house.Value(changed.GetIsExpirationRequired()), true)
	house.Equal(t, "caller of the rule", house.Value(changed.GetTarget().GetCaller()), "EndUser")
	house.Equal(t, "level of the rule", house.Value(changed.GetTarget().GetLevel()), "Assignment")

	tooLong := activates(alice, role)
	tooLong.duration = "PT3H"
	g := sample.signIn(t, alice)
	_, err = g.assignment(t, tooLong)
	r := refused(t, "activate for too long", err, http.StatusBadRequest, policyFailed)
	house.Contains(t, "the message", r.message, "ExpirationRule")
	asLongAsMayBe := activates(alice, role)
	asLongAsMayBe.duration = "PT2H"
	activated, err := g.assignment(t, asLongAsMayBe)
	done(t, "activate for as long as may be", activated, err, "Provisioned")
}

// Approvers are sent and read back as the subject sets of v1.0, people and groups apart.
func TestApproversAreReadBack(t *testing.T) {
	app, ana := sample.application(t), sample.Someone(t, "ana")
	group := sample.Groups["payroll-approvers"].ID
	role := app.role(t, "Search Editor")
	rule, ok := demandsApproval(ana).(*models.UnifiedRoleManagementPolicyApprovalRule)
	if !ok {
		t.Fatal("not an approval rule")
	}
	members := models.NewGroupMembers()
	members.SetGroupId(&group)
	stage := rule.GetSetting().GetApprovalStages()[0]
	stage.SetPrimaryApprovers(append(stage.GetPrimaryApprovers(), members))
	app.ruled(t, role, rule)

	// The whole policy, in one call, takes another rule beside it and leaves this one alone.
	change := models.NewUnifiedRoleManagementPolicy()
	change.SetRules([]models.UnifiedRoleManagementPolicyRuleable{demands("Justification", "Ticketing")})
	_, err := app.Policies().RoleManagementPolicies().ByUnifiedRoleManagementPolicyId(house.Value(app.policy(t, role).GetId())).
		Patch(t.Context(), change, nil)
	must(t, "change the policy", err)

	for _, r := range app.policy(t, role).GetRules() {
		switch r := r.(type) {
		case models.UnifiedRoleManagementPolicyEnablementRuleable:
			if house.Value(r.GetId()) == "Enablement_EndUser_Assignment" {
				house.Equal(t, "what is demanded", text(t, r.GetEnabledRules()), `["Justification","Ticketing"]`)
			}
		case models.UnifiedRoleManagementPolicyApprovalRuleable:
			house.Equal(t, "approval required", house.Value(r.GetSetting().GetIsApprovalRequired()), true)
			stage := house.Rows(t, "stages", r.GetSetting().GetApprovalStages(), 1)[0]
			approvers := house.Rows(t, "approvers", stage.GetPrimaryApprovers(), 2)
			user, isUser := approvers[0].(models.SingleUserable)
			members, isGroup := approvers[1].(models.GroupMembersable)
			if !isUser || !isGroup {
				t.Fatalf("approvers: got %T and %T, want a user and a group", approvers[0], approvers[1])
			}
			house.Equal(t, "the user", house.Value(user.GetUserId()), ana.ID)
			house.Equal(t, "the group", house.Value(members.GetGroupId()), group)
		}
	}
}
