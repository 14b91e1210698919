package armauthorization

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"portcullis/test/clients/house"
)

// The SDK's names, in fewer words.
type (
	requestType        = armauthorization.RequestType
	eligibilityRequest = armauthorization.RoleEligibilityScheduleRequest
	assignmentRequest  = armauthorization.RoleAssignmentScheduleRequest
	eligibilityRow     = armauthorization.RoleEligibilityScheduleInstance
	assignmentRow      = armauthorization.RoleAssignmentScheduleInstance
)

// ask is what one person wants, for themselves or somebody else, at a scope.
type ask struct {
	kind            requestType
	principal, role string
	// duration is in ISO 8601; empty: no schedule is sent.
	duration      string
	start         *time.Time // nil: now
	justification string
}

func (q ask) eligibility() eligibilityRequest {
	p := &armauthorization.RoleEligibilityScheduleRequestProperties{
		PrincipalID: &q.principal, RoleDefinitionID: &q.role, RequestType: &q.kind, Justification: &q.justification,
	}
	if q.duration != "" {
		p.ScheduleInfo = &armauthorization.RoleEligibilityScheduleRequestPropertiesScheduleInfo{
			StartDateTime: q.start,
			Expiration: &armauthorization.RoleEligibilityScheduleRequestPropertiesScheduleInfoExpiration{
				Type: new(armauthorization.TypeAfterDuration), Duration: &q.duration,
			},
		}
	}
	return eligibilityRequest{Properties: p}
}

func (q ask) assignment() assignmentRequest {
	p := &armauthorization.RoleAssignmentScheduleRequestProperties{
		PrincipalID: &q.principal, RoleDefinitionID: &q.role, RequestType: &q.kind, Justification: &q.justification,
	}
	if q.duration != "" {
		p.ScheduleInfo = &armauthorization.RoleAssignmentScheduleRequestPropertiesScheduleInfo{
			StartDateTime: q.start,
			Expiration: &armauthorization.RoleAssignmentScheduleRequestPropertiesScheduleInfoExpiration{
				Type: new(armauthorization.TypeAfterDuration), Duration: &q.duration,
			},
		}
	}
	return assignmentRequest{Properties: p}
}

// activates is what a person asks who wants a role for an hour.
func activates(p *person, role string) ask {
	return ask{kind: armauthorization.RequestTypeSelfActivate, principal: p.ID, role: role, duration: "PT1H", justification: "Ticket 4711"}
}

// eligibility asks for an eligibility, or the end of one.
func (a *azure) eligibility(t *testing.T, scope string, q ask) (eligibilityRequest, error) {
	t.Helper()
	got, err := a.NewRoleEligibilityScheduleRequestsClient().Create(t.Context(), scope, newID(), q.eligibility(), nil)
	return got.RoleEligibilityScheduleRequest, err
}

// assignment asks for an active assignment, or the end of one.
func (a *azure) assignment(t *testing.T, scope string, q ask) (assignmentRequest, error) {
	t.Helper()
	got, err := a.NewRoleAssignmentScheduleRequestsClient().Create(t.Context(), scope, newID(), q.assignment(), nil)
	return got.RoleAssignmentScheduleRequest, err
}

// makesEligible is an administrator's act that must succeed; it returns the schedule's id.
func (a *azure) makesEligible(t *testing.T, scope string, principal, role, duration string) string {
	t.Helper()
	got, err := a.eligibility(t, scope, ask{kind: armauthorization.RequestTypeAdminAssign, principal: principal, role: role, duration: duration})
	must(t, "make eligible", err)
	house.Equal(t, "status of the eligibility's request", house.Value(got.Properties.Status), armauthorization.StatusProvisioned)
	return house.Value(got.Properties.TargetRoleEligibilityScheduleID)
}

// asked checks that a request was taken and has come that far.
func asked(t *testing.T, what string, r assignmentRequest, err error, status armauthorization.Status) {
	t.Helper()
	must(t, what, err)
	if got := house.Value(r.Properties.Status); got != status {
		t.Fatalf("%s: got status %q, want %q", what, got, status)
	}
}

// eligibilities lists instances of the caller's own eligibilities at a scope.
func (a *azure) eligibilities(t *testing.T, scope string) []*eligibilityRow {
	t.Helper()
	return all(t, "eligibilities", a.NewRoleEligibilityScheduleInstancesClient().NewListForScopePager(scope,
		&armauthorization.RoleEligibilityScheduleInstancesClientListForScopeOptions{Filter: new("asTarget()")}),
		func(page armauthorization.RoleEligibilityScheduleInstancesClientListForScopeResponse) []*eligibilityRow {
			return page.Value
		})
}

// holds lists instances of active assignments at a scope.
func (a *azure) holds(t *testing.T, scope, filter string) []*assignmentRow {
	t.Helper()
	return all(t, "active assignments", a.NewRoleAssignmentScheduleInstancesClient().NewListForScopePager(scope,
		&armauthorization.RoleAssignmentScheduleInstancesClientListForScopeOptions{Filter: &filter}),
		func(page armauthorization.RoleAssignmentScheduleInstancesClientListForScopeResponse) []*assignmentRow {
			return page.Value
		})
}

// requests lists requests for active assignments at a scope.
func (a *azure) requests(t *testing.T, scope, filter string) []*assignmentRequest {
	t.Helper()
	return all(t, "requests", a.NewRoleAssignmentScheduleRequestsClient().NewListForScopePager(scope,
		&armauthorization.RoleAssignmentScheduleRequestsClientListForScopeOptions{Filter: &filter}),
		func(page armauthorization.RoleAssignmentScheduleRequestsClientListForScopeResponse) []*assignmentRequest {
			return page.Value
		})
}

// principalIs names one principal's rows.
func principalIs(p *person) string { return "principalId eq '" + p.ID + "'" }

// role finds a role by its name at a scope, and returns its id there.
func (a *azure) role(t *testing.T, scope, name string) string {
	t.Helper()
	found := all(t, "roles", a.NewRoleDefinitionsClient().NewListPager(scope, &armauthorization.RoleDefinitionsClientListOptions{
		Filter: new("roleName eq '" + name + "'"),
	}), func(page armauthorization.RoleDefinitionsClientListResponse) []*armauthorization.RoleDefinition {
		return page.Value
	})
	return house.Value(house.Rows(t, "roles named "+name, found, 1)[0].ID)
}

// lastPart is the name at the end of an id.
func lastPart(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// mayNotWrite checks that a caller may not write a resource.
func (a *azure) mayNotWrite(t *testing.T, id string) {
	t.Helper()
	message := refused(t, "write "+id, a.puts(t, id), http.StatusForbidden, "AuthorizationFailed")
	house.Contains(t, "the action that is missing", message, ownType+"/write")
}
