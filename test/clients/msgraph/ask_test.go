package msgraph

import (
	"testing"
	"time"

	"github.com/microsoft/kiota-abstractions-go/serialization"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/policies"
	"github.com/microsoftgraph/msgraph-sdk-go/rolemanagement"

	"portcullis/test/clients/house"
)

// The actions that the stories ask for.
const (
	adminAssign    = models.ADMINASSIGN_UNIFIEDROLESCHEDULEREQUESTACTIONS
	adminExtend    = models.ADMINEXTEND_UNIFIEDROLESCHEDULEREQUESTACTIONS
	adminRemove    = models.ADMINREMOVE_UNIFIEDROLESCHEDULEREQUESTACTIONS
	selfActivate   = models.SELFACTIVATE_UNIFIEDROLESCHEDULEREQUESTACTIONS
	selfDeactivate = models.SELFDEACTIVATE_UNIFIEDROLESCHEDULEREQUESTACTIONS
	selfExtend     = models.SELFEXTEND_UNIFIEDROLESCHEDULEREQUESTACTIONS
)

// The names that the SDK's generator gives, in fewer words.
type (
	eligibilityQuery    = rolemanagement.DirectoryRoleEligibilityScheduleInstancesRequestBuilderGetQueryParameters
	eligibilityConfig   = rolemanagement.DirectoryRoleEligibilityScheduleInstancesRequestBuilderGetRequestConfiguration
	eligibilityRow      = models.UnifiedRoleEligibilityScheduleInstanceable
	myEligibilityQuery  = rolemanagement.DirectoryRoleEligibilityScheduleInstancesFilterByCurrentUserWithOnRequestBuilderGetQueryParameters
	myEligibilityConfig = rolemanagement.DirectoryRoleEligibilityScheduleInstancesFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration
	assignmentQuery     = rolemanagement.DirectoryRoleAssignmentScheduleInstancesRequestBuilderGetQueryParameters
	assignmentConfig    = rolemanagement.DirectoryRoleAssignmentScheduleInstancesRequestBuilderGetRequestConfiguration
	assignmentRow       = models.UnifiedRoleAssignmentScheduleInstanceable
	myAssignmentQuery   = rolemanagement.DirectoryRoleAssignmentScheduleInstancesFilterByCurrentUserWithOnRequestBuilderGetQueryParameters
	myAssignmentConfig  = rolemanagement.DirectoryRoleAssignmentScheduleInstancesFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration
	requestQuery        = rolemanagement.DirectoryRoleEligibilityScheduleRequestsRequestBuilderGetQueryParameters
	requestConfig       = rolemanagement.DirectoryRoleEligibilityScheduleRequestsRequestBuilderGetRequestConfiguration
	myRequestQuery      = rolemanagement.DirectoryRoleAssignmentScheduleRequestsFilterByCurrentUserWithOnRequestBuilderGetQueryParameters
	myRequestConfig     = rolemanagement.DirectoryRoleAssignmentScheduleRequestsFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration
	roleQuery           = rolemanagement.DirectoryRoleDefinitionsRequestBuilderGetQueryParameters
	roleConfig          = rolemanagement.DirectoryRoleDefinitionsRequestBuilderGetRequestConfiguration
	bindingQuery        = policies.RoleManagementPolicyAssignmentsRequestBuilderGetQueryParameters
	bindingConfig       = policies.RoleManagementPolicyAssignmentsRequestBuilderGetRequestConfiguration
)

// ask is what one person wants, for themselves or somebody else, at the whole directory.
type ask struct {
	action          models.UnifiedRoleScheduleRequestActions
	principal, role string
	// duration is in ISO 8601; empty: no schedule is sent.
	duration      string
	justification string
}

// lasting is a schedule that begins now and lasts for a duration in ISO 8601; empty: none.
func lasting(t *testing.T, text string) models.RequestScheduleable {
	t.Helper()
	if text == "" {
		return nil
	}
	expiration := models.NewExpirationPattern()
	expiration.SetTypeEscaped(new(models.AFTERDURATION_EXPIRATIONPATTERNTYPE))
	expiration.SetDuration(duration(t, text))
	schedule := models.NewRequestSchedule()
	schedule.SetExpiration(expiration)
	return schedule
}

func duration(t *testing.T, text string) *serialization.ISODuration {
	t.Helper()
	d, err := serialization.ParseISODuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// assignment asks for an active assignment, or the end of one.
func (g *graph) assignment(t *testing.T, a ask) (models.UnifiedRoleAssignmentScheduleRequestable, error) {
	t.Helper()
	r := models.NewUnifiedRoleAssignmentScheduleRequest()
	r.SetAction(&a.action)
	r.SetPrincipalId(&a.principal)
	r.SetRoleDefinitionId(&a.role)
	r.SetDirectoryScopeId(new("/"))
	r.SetScheduleInfo(lasting(t, a.duration))
	r.SetJustification(&a.justification)
	return g.RoleManagement().Directory().RoleAssignmentScheduleRequests().Post(t.Context(), r, nil)
}

// eligibility asks for an eligibility, or the end of one.
func (g *graph) eligibility(t *testing.T, a ask) (models.UnifiedRoleEligibilityScheduleRequestable, error) {
	t.Helper()
	return g.RoleManagement().Directory().RoleEligibilityScheduleRequests().Post(t.Context(), a.eligibility(t), nil)
}

func (a ask) eligibility(t *testing.T) *models.UnifiedRoleEligibilityScheduleRequest {
	t.Helper()
	r := models.NewUnifiedRoleEligibilityScheduleRequest()
	r.SetAction(&a.action)
	r.SetPrincipalId(&a.principal)
	r.SetRoleDefinitionId(&a.role)
	r.SetDirectoryScopeId(new("/"))
	r.SetScheduleInfo(lasting(t, a.duration))
	r.SetJustification(&a.justification)
	return r
}

// makesEligible is an administrator's act that must succeed; it returns the request's id.
func (g *graph) makesEligible(t *testing.T, p *person, role, duration string) string {
	t.Helper()
	got, err := g.eligibility(t, ask{action: adminAssign, principal: p.ID, role: role, duration: duration})
	done(t, "make "+p.UserPrincipalName+" eligible", got, err, "Provisioned")
	return house.Value(got.GetId())
}

// request is what both kinds of requests have.
type request interface {
	GetId() *string
	GetStatus() *string
}

// done checks that a request was taken and has come that far.
func done(t *testing.T, what string, r request, err error, status string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %s", what, explain(err))
	}
	if got := house.Value(r.GetStatus()); got != status {
		t.Fatalf("%s: got status %q, want %q", what, got, status)
	}
}

// creator is the person who made a request; empty: no person did.
func creator(r interface{ GetCreatedBy() models.IdentitySetable }) string {
	if by := r.GetCreatedBy(); by != nil && by.GetUser() != nil {
		return house.Value(by.GetUser().GetId())
	}
	return ""
}

// lasts is how long an instance lasts.
func lasts(row interface {
	GetStartDateTime() *time.Time
	GetEndDateTime() *time.Time
}) time.Duration {
	return house.Value(row.GetEndDateTime()).Sub(house.Value(row.GetStartDateTime()))
}

// activates is what a person asks who wants a role for an hour.
func activates(p *person, role string) ask {
	return ask{action: selfActivate, principal: p.ID, role: role, duration: "PT1H", justification: "Ticket 4711"}
}

// role finds a role by its name.
func (g *graph) role(t *testing.T, name string) string {
	t.Helper()
	got, err := g.RoleManagement().Directory().RoleDefinitions().Get(t.Context(), &roleConfig{
		QueryParameters: &roleQuery{Filter: new("displayName eq '" + name + "'")},
	})
	must(t, "find the role "+name, err)
	if n := len(got.GetValue()); n != 1 {
		t.Fatalf("roles named %q: got %d, want 1", name, n)
	}
	return house.Value(got.GetValue()[0].GetId())
}

// filterOf names one principal's rows of one role.
func filterOf(p *person, role string) *string {
	return new("principalId eq '" + p.ID + "' and roleDefinitionId eq '" + role + "'")
}

// eligibilities lists a person's eligibilities for a role.
func (g *graph) eligibilities(t *testing.T, p *person, role string, expand ...string) []eligibilityRow {
	t.Helper()
	got, err := g.RoleManagement().Directory().RoleEligibilityScheduleInstances().Get(t.Context(), &eligibilityConfig{
		QueryParameters: &eligibilityQuery{Filter: filterOf(p, role), Expand: expand},
	})
	must(t, "list eligibilities", err)
	return got.GetValue()
}

// holds lists a person's active assignments of a role.
func (g *graph) holds(t *testing.T, p *person, role string, expand ...string) []assignmentRow {
	t.Helper()
	got, err := g.RoleManagement().Directory().RoleAssignmentScheduleInstances().Get(t.Context(), &assignmentConfig{
		QueryParameters: &assignmentQuery{Filter: filterOf(p, role), Expand: expand},
	})
	must(t, "list active assignments", err)
	return got.GetValue()
}

// must checks that a call succeeded.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %s", what, explain(err))
	}
}

// policy finds a role's policy, with its rules.
func (g *graph) policy(t *testing.T, role string) models.UnifiedRoleManagementPolicyable {
	t.Helper()
	return g.policyBy(t, "scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '"+role+"'")
}

// groupPolicy finds the policy of a side of a group, member or owner, with its rules.
func (g *graph) groupPolicy(t *testing.T, group, side string) models.UnifiedRoleManagementPolicyable {
	t.Helper()
	return g.policyBy(t, "scopeId eq '"+group+"' and scopeType eq 'Group' and roleDefinitionId eq '"+side+"'")
}

func (g *graph) policyBy(t *testing.T, filter string) models.UnifiedRoleManagementPolicyable {
	t.Helper()
	got, err := g.Policies().RoleManagementPolicyAssignments().Get(t.Context(), &bindingConfig{QueryParameters: &bindingQuery{
		Filter: &filter, Expand: []string{"policy($expand=rules)"},
	}})
	must(t, "find the policy", err)
	binding := house.Rows(t, "policies", got.GetValue(), 1)[0]
	p := binding.GetPolicy()
	if p == nil {
		t.Fatal("the policy was not expanded")
	}
	house.Equal(t, "policy of the assignment", house.Value(p.GetId()), house.Value(binding.GetPolicyId()))
	return p
}

// ruled changes one rule of a role's policy, and must succeed.
func (g *graph) ruled(t *testing.T, role string, rule models.UnifiedRoleManagementPolicyRuleable) {
	t.Helper()
	must(t, "change the rule "+house.Value(rule.GetId()), g.rule(t, role, rule))
}

func (g *graph) rule(t *testing.T, role string, rule models.UnifiedRoleManagementPolicyRuleable) error {
	t.Helper()
	return g.change(t, g.policy(t, role), rule)
}

// memberRuled changes one rule of the policy for a group's members, and must succeed.
func (g *graph) memberRuled(t *testing.T, group string, rule models.UnifiedRoleManagementPolicyRuleable) {
	t.Helper()
	must(t, "change the rule "+house.Value(rule.GetId()), g.change(t, g.groupPolicy(t, group, "member"), rule))
}

func (g *graph) change(t *testing.T, p models.UnifiedRoleManagementPolicyable, rule models.UnifiedRoleManagementPolicyRuleable) error {
	t.Helper()
	_, err := g.Policies().RoleManagementPolicies().ByUnifiedRoleManagementPolicyId(house.Value(p.GetId())).
		Rules().ByUnifiedRoleManagementPolicyRuleId(house.Value(rule.GetId())).Patch(t.Context(), rule, nil)
	return err
}

// demands is the rule that says what must be proved or said at an activation.
func demands(what ...string) models.UnifiedRoleManagementPolicyRuleable {
	rule := models.NewUnifiedRoleManagementPolicyEnablementRule()
	rule.SetId(new("Enablement_EndUser_Assignment"))
	rule.SetEnabledRules(what)
	return rule
}

// singleUsers are people as approvers.
func singleUsers(people ...*person) []models.SubjectSetable {
	var subjects []models.SubjectSetable
	for _, p := range people {
		user := models.NewSingleUser()
		user.SetUserId(&p.ID)
		user.SetDescription(&p.DisplayName)
		subjects = append(subjects, user)
	}
	return subjects
}

// stage is a stage of an approval, which lapses after a day.
func stage(approvers ...models.SubjectSetable) *models.UnifiedApprovalStage {
	s := models.NewUnifiedApprovalStage()
	s.SetApprovalStageTimeOutInDays(new(int32(1)))
	s.SetIsApproverJustificationRequired(new(true))
	s.SetPrimaryApprovers(approvers)
	return s
}

// demandsApproval is the rule that says who must agree to an activation.
func demandsApproval(approvers ...*person) models.UnifiedRoleManagementPolicyRuleable {
	return demandsStages(stage(singleUsers(approvers...)...))
}

// demandsStages is the rule that says who must agree to an activation, stage by stage.
func demandsStages(stages ...models.UnifiedApprovalStageable) models.UnifiedRoleManagementPolicyRuleable {
	setting := models.NewApprovalSettings()
	setting.SetIsApprovalRequired(new(true))
	setting.SetApprovalMode(new("SingleStage"))
	if len(stages) > 1 {
		setting.SetApprovalMode(new("Serial"))
	}
	setting.SetApprovalStages(stages)
	rule := models.NewUnifiedRoleManagementPolicyApprovalRule()
	rule.SetId(new("Approval_EndUser_Assignment"))
	rule.SetSetting(setting)
	return rule
}

// demandsContext is the rule that demands an authentication context at an activation.
func demandsContext(value string) models.UnifiedRoleManagementPolicyRuleable {
	rule := models.NewUnifiedRoleManagementPolicyAuthenticationContextRule()
	rule.SetId(new("AuthenticationContext_EndUser_Assignment"))
	rule.SetIsEnabled(new(true))
	rule.SetClaimValue(&value)
	return rule
}
