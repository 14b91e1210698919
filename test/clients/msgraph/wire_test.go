package msgraph

import (
	"net/http"
	"testing"

	"portcullis/test/clients/house"
)

// unknownID is nobody's.
const unknownID = "00000000-1111-4222-8333-444444444444"

func TestUnknownIDs(t *testing.T) {
	app, ctx := sample.application(t), t.Context()
	directory := app.RoleManagement().Directory()
	check := func(what string, err error, code string) {
		t.Helper()
		refused(t, what, err, http.StatusNotFound, code)
	}
	const nothing = "Request_ResourceNotFound"
	_, err := app.Users().ByUserId(unknownID).Get(ctx, nil)
	check("a user", err, nothing)
	_, err = app.Groups().ByGroupId(unknownID).Get(ctx, nil)
	check("a group", err, nothing)
	_, err = directory.RoleDefinitions().ByUnifiedRoleDefinitionId(unknownID).Get(ctx, nil)
	check("a role definition", err, nothing)
	_, err = directory.RoleEligibilitySchedules().ByUnifiedRoleEligibilityScheduleId(unknownID).Get(ctx, nil)
	check("an eligibility's schedule", err, nothing)
	_, err = directory.RoleAssignmentSchedules().ByUnifiedRoleAssignmentScheduleId(unknownID).Get(ctx, nil)
	check("an assignment's schedule", err, nothing)
	_, err = directory.RoleEligibilityScheduleInstances().ByUnifiedRoleEligibilityScheduleInstanceId(unknownID).Get(ctx, nil)
	check("an eligibility's instance", err, nothing)
	_, err = directory.RoleAssignmentScheduleInstances().ByUnifiedRoleAssignmentScheduleInstanceId(unknownID).Get(ctx, nil)
	check("an assignment's instance", err, nothing)
	_, err = app.Policies().RoleManagementPolicies().ByUnifiedRoleManagementPolicyId("DirectoryRole_"+sample.TenantID+"_"+unknownID).Get(ctx, nil)
	check("a policy", err, nothing)
	const noRequest = "RoleAssignmentRequestNotFound"
	_, err = directory.RoleEligibilityScheduleRequests().ByUnifiedRoleEligibilityScheduleRequestId(unknownID).Get(ctx, nil)
	check("an eligibility's request", err, noRequest)
	_, err = directory.RoleAssignmentScheduleRequests().ByUnifiedRoleAssignmentScheduleRequestId(unknownID).Get(ctx, nil)
	check("an assignment's request", err, noRequest)
	err = directory.RoleAssignmentScheduleRequests().ByUnifiedRoleAssignmentScheduleRequestId(unknownID).Cancel().Post(ctx, nil)
	check("cancel a request", err, noRequest)

	alice, role := sample.Someone(t, "alice"), app.role(t, "Guest Inviter")
	_, err = app.eligibility(t, ask{action: adminAssign, principal: unknownID, role: role, duration: "P1D"})
	check("make nobody eligible", err, "SubjectNotFound")
	_, err = app.eligibility(t, ask{action: adminAssign, principal: alice.ID, role: unknownID, duration: "P1D"})
	check("make somebody eligible for no role", err, "RoleNotFound")
}

// The SDK compresses every body unless it is told not to. It is not told.
func TestBodiesTravelCompressed(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	app.makesEligible(t, alice, app.role(t, "Virtual Visits Administrator"), "P30D")
	house.Equal(t, "compressed bodies", app.wire.compressed.Load(), 1)
	house.Equal(t, "bodies that were refused for being so", app.wire.refused.Load(), 0)
}
