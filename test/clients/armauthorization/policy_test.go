package armauthorization

import (
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"portcullis/test/clients/house"
)

type (
	rule         = armauthorization.RoleManagementPolicyRuleClassification
	rolePolicy   = armauthorization.RoleManagementPolicy
	policyOfRole = armauthorization.RoleManagementPolicyAssignment
)

// binding finds the policy of a role at a scope, as this version of the SDK has to: it can ask for all of them alone.
func (a *azure) binding(t *testing.T, scope, role string) *policyOfRole {
	t.Helper()
	var found []*policyOfRole
	for _, b := range all(t, "policies", a.NewRoleManagementPolicyAssignmentsClient().NewListForScopePager(scope, nil),
		func(page armauthorization.RoleManagementPolicyAssignmentsClientListForScopeResponse) []*policyOfRole {
			return page.Value
		}) {
		if strings.EqualFold(lastPart(house.Value(b.Properties.RoleDefinitionID)), lastPart(role)) {
			found = append(found, b)
		}
	}
	return house.Rows(t, "policies of the role", found, 1)[0]
}

// ruled changes rules of a role's policy at a scope, and must succeed. It returns the policy as it is then.
func (a *azure) ruled(t *testing.T, scope, role string, changed ...rule) rolePolicy {
	t.Helper()
	got, err := a.rules(t, scope, lastPart(house.Value(a.binding(t, scope, role).Properties.PolicyID)), changed...)
	must(t, "change a policy", err)
	return got
}

func (a *azure) rules(t *testing.T, scope, name string, changed ...rule) (rolePolicy, error) {
	t.Helper()
	got, err := a.NewRoleManagementPoliciesClient().Update(t.Context(), scope, name,
		rolePolicy{Properties: &armauthorization.RoleManagementPolicyProperties{Rules: changed}}, nil)
	return got.RoleManagementPolicy, err
}

// demandsApproval is the rule that says who must agree to an activation.
func demandsApproval(approvers ...*person) rule {
	var list []*armauthorization.UserSet
	for _, p := range approvers {
		list = append(list, &armauthorization.UserSet{
			ID: &p.ID, Description: &p.DisplayName, UserType: new(armauthorization.UserTypeUser), IsBackup: new(false),
		})
	}
	return &armauthorization.RoleManagementPolicyApprovalRule{
		ID: new("Approval_EndUser_Assignment"), RuleType: new(armauthorization.RoleManagementPolicyRuleTypeRoleManagementPolicyApprovalRule),
		Setting: &armauthorization.ApprovalSettings{
			IsApprovalRequired: new(true), ApprovalMode: new(armauthorization.ApprovalModeSingleStage),
			ApprovalStages: []*armauthorization.ApprovalStage{{
				ApprovalStageTimeOutInDays: new(int32(1)), IsApproverJustificationRequired: new(true), PrimaryApprovers: list,
			}},
		},
	}
}

// demands is the rule that says what must be proved or said at an activation.
func demands(what ...armauthorization.EnablementRules) rule {
	r := &armauthorization.RoleManagementPolicyEnablementRule{
		ID: new("Enablement_EndUser_Assignment"), RuleType: new(armauthorization.RoleManagementPolicyRuleTypeRoleManagementPolicyEnablementRule),
		EnabledRules: []*armauthorization.EnablementRules{},
	}
	for _, w := range what {
		r.EnabledRules = append(r.EnabledRules, &w)
	}
	return r
}

// demandsContext is the rule that demands an authentication context at an activation.
func demandsContext(claim string) rule {
	return &armauthorization.RoleManagementPolicyAuthenticationContextRule{
		ID: new("AuthenticationContext_EndUser_Assignment"), IsEnabled: new(true), ClaimValue: &claim,
		RuleType: new(armauthorization.RoleManagementPolicyRuleTypeRoleManagementPolicyAuthenticationContextRule),
	}
}

// limits is a rule about how long something may be, in ISO 8601.
func limits(id, duration string, required bool) rule {
	return &armauthorization.RoleManagementPolicyExpirationRule{
		ID: &id, RuleType: new(armauthorization.RoleManagementPolicyRuleTypeRoleManagementPolicyExpirationRule),
		IsExpirationRequired: &required, MaximumDuration: &duration,
	}
}

// expiration reads such a rule of a policy.
func expiration(t *testing.T, rules []rule, id string) *armauthorization.RoleManagementPolicyExpirationRule {
	t.Helper()
	for _, r := range rules {
		if e, ok := r.(*armauthorization.RoleManagementPolicyExpirationRule); ok && house.Value(e.ID) == id {
			return e
		}
	}
	t.Fatalf("the policy has no rule %s of its kind", id)
	return nil
}

const (
	longestEligibility = "Expiration_Admin_Eligibility"
	longestActivation  = "Expiration_EndUser_Assignment"
	policyFailed       = "RoleAssignmentRequestPolicyValidationFailed"
)

func TestAPolicyBelongsToOneScopeAndRole(t *testing.T) {
	app := sample.owner(t)
	e := app.plants(t, "ruled")
	alice := sample.Someone(t, "alice")
	reader := app.role(t, e.subscription, "Reader")

	b := app.binding(t, e.subscription, reader)
	house.Equal(t, "scope of the policy", house.Value(b.Properties.Scope), e.subscription)
	house.Equal(t, "role of the policy", house.Value(b.Properties.RoleDefinitionID), reader)
	house.Equal(t, "name of the role", house.Value(b.Properties.PolicyAssignmentProperties.RoleDefinition.DisplayName), "Reader")
	if n := len(b.Properties.EffectiveRules); n < 17 {
		t.Errorf("effective rules: got %d, want the 17 of the reference", n)
	}
	policies := app.NewRoleManagementPoliciesClient()
	name := lastPart(house.Value(b.Properties.PolicyID))
	before, err := policies.Get(t.Context(), e.subscription, name, nil)
	must(t, "read the policy", err)
	house.Rows(t, "rules", before.Properties.Rules, 17)
	house.Equal(t, "longest eligibility at first", house.Value(expiration(t, before.Properties.Rules, longestEligibility).MaximumDuration), "P365D")
	house.Equal(t, "longest activation at first", house.Value(expiration(t, before.Properties.Rules, longestActivation).MaximumDuration), "PT8H")

	forEver := ask{kind: armauthorization.RequestTypeAdminAssign, principal: alice.ID, role: reader, duration: "P400D"}
	_, err = app.eligibility(t, e.subscription, forEver)
	house.Contains(t, "the rules that failed", refused(t, "longer than the policy lets", err, http.StatusBadRequest, policyFailed), "ExpirationRule")

	after := app.ruled(t, e.subscription, reader, limits(longestEligibility, "P500D", true), limits(longestActivation, "PT2H", true))
	house.Rows(t, "rules after the change", after.Properties.Rules, 17)
	house.Equal(t, "longest eligibility", house.Value(expiration(t, after.Properties.Rules, longestEligibility).MaximumDuration), "P500D")
	house.Equal(t, "who changed it", house.Value(after.Properties.LastModifiedBy.ID), sample.Client.ObjectID)
	_, err = app.eligibility(t, e.subscription, forEver)
	must(t, "as long as the policy lets now", err)
	// The policy of a resource group in it is another.
	_, err = app.eligibility(t, e.web, forEver)
	refused(t, "longer than the policy of the resource group lets", err, http.StatusBadRequest, policyFailed)

	_, err = app.rules(t, e.subscription, name, limits("No_Such_Rule", "P1D", true))
	refused(t, "change a rule that is not there", err, http.StatusBadRequest, "InvalidPolicy")
	_, err = sample.signIn(t, alice).rules(t, e.subscription, name, demands())
	refused(t, "change a policy without a right", err, http.StatusForbidden, "AuthorizationFailed")
	_, err = policies.Delete(t.Context(), e.subscription, name, nil)
	must(t, "forget the changes", err)
	reset, err := policies.Get(t.Context(), e.subscription, name, nil)
	must(t, "read the policy", err)
	house.Equal(t, "longest eligibility afterwards", house.Value(expiration(t, reset.Properties.Rules, longestEligibility).MaximumDuration), "P365D")
}
