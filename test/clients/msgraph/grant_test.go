package msgraph

import (
	"net/http"
	"testing"
	"time"

	"portcullis/test/clients/house"
)

func TestAnEligibilityIsExtendedAndRemoved(t *testing.T) {
	app, bob := sample.application(t), sample.Someone(t, "bob")
	role := app.role(t, "Insights Analyst")
	first := app.makesEligible(t, bob, role, "P10D")
	_, err := app.eligibility(t, ask{action: adminAssign, principal: bob.ID, role: role, duration: "P10D"})
	refused(t, "assign twice", err, http.StatusBadRequest, "RoleAssignmentExists")

	// The person asks for more time, an administrator gives it.
	asBob := sample.signInWithMFA(t, bob)
	asked, err := asBob.eligibility(t, ask{
		action: selfExtend, principal: bob.ID, role: role, duration: "P20D", justification: "The project goes on",
	})
	done(t, "ask for an extension", asked, err, "PendingAdminDecision")
	extended, err := app.eligibility(t, ask{action: adminExtend, principal: bob.ID, role: role, duration: "P20D", justification: "Agreed"})
	done(t, "extend", extended, err, "Provisioned")
	asked, err = app.RoleManagement().Directory().RoleEligibilityScheduleRequests().
		ByUnifiedRoleEligibilityScheduleRequestId(house.Value(asked.GetId())).Get(t.Context(), nil)
	done(t, "the person's own request", asked, err, "Provisioned")
	row := house.Rows(t, "eligibilities after the extension", app.eligibilities(t, bob, role), 1)[0]
	house.Equal(t, "schedule after the extension", house.Value(row.GetRoleEligibilityScheduleId()), house.Value(extended.GetId()))
	if house.Value(extended.GetId()) == first {
		t.Error("the extension kept the schedule's id")
	}
	if held := lasts(row); held < 20*24*time.Hour {
		t.Errorf("the eligibility lasts %s, want 20 days at least", held)
	}

	// What is removed takes with it what rests on it.
	got, err := asBob.assignment(t, activates(bob, role))
	done(t, "activate", got, err, "Provisioned")
	sample.After(t, 6*time.Minute)
	removed, err := app.eligibility(t, ask{action: adminRemove, principal: bob.ID, role: role})
	done(t, "remove", removed, err, "Revoked")
	house.Equal(t, "target of the removal", house.Value(removed.GetTargetScheduleId()), "")
	house.Rows(t, "eligibilities after the removal", app.eligibilities(t, bob, role), 0)
	house.Rows(t, "active assignments after the removal", app.holds(t, bob, role), 0)
	_, err = app.eligibility(t, ask{action: adminRemove, principal: bob.ID, role: role})
	refused(t, "remove again", err, http.StatusBadRequest, "RoleAssignmentDoesNotExist")
	_, err = asBob.assignment(t, activates(bob, role))
	r := refused(t, "activate after the removal", err, http.StatusBadRequest, policyFailed)
	house.Contains(t, "the message", r.message, "EligibilityRule")
}

func TestAnActiveAssignmentIsGivenAndTaken(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	role := app.role(t, "Usage Summary Reports Reader")
	asked := ask{action: adminAssign, principal: alice.ID, role: role, duration: "P7D"}
	_, err := app.assignment(t, asked)
	r := refused(t, "assign without a reason", err, http.StatusBadRequest, policyFailed)
	house.Contains(t, "the message", r.message, "JustificationRule")
	asked.justification = "Stands in for a colleague"
	got, err := app.assignment(t, asked)
	done(t, "assign", got, err, "Provisioned")
	if by := got.GetCreatedBy(); by == nil || by.GetApplication() == nil || house.Value(by.GetApplication().GetId()) != sample.Client.ObjectID {
		t.Error("the request does not say which application made it")
	}
	row := house.Rows(t, "active assignments", app.holds(t, alice, role, "principal", "roleDefinition"), 1)[0]
	house.Equal(t, "how it is held", house.Value(row.GetAssignmentType()), "Assigned")

	removal := ask{action: adminRemove, principal: alice.ID, role: role}
	_, err = app.assignment(t, removal)
	refused(t, "remove at once", err, http.StatusBadRequest, "ActiveDurationTooShort")
	sample.After(t, 6*time.Minute)
	got, err = app.assignment(t, removal)
	done(t, "remove", got, err, "Revoked")
	house.Rows(t, "active assignments after the removal", app.holds(t, alice, role), 0)
}

func TestOnlyAdministratorsMakeEligible(t *testing.T) {
	pat, bob := sample.Someone(t, "pat"), sample.Someone(t, "bob")
	asPat, asBob := sample.signIn(t, pat), sample.signIn(t, bob)
	a := ask{action: adminAssign, principal: bob.ID, role: asPat.role(t, "Windows 365 Administrator"), duration: "P30D"}
	_, err := asBob.eligibility(t, a)
	refused(t, "make oneself eligible", err, http.StatusForbidden, "Authorization_RequestDenied")
	got, err := asPat.eligibility(t, a)
	done(t, "make eligible", got, err, "Provisioned")
	house.Equal(t, "creator", creator(got), pat.ID)
}

// Dan is eligible through the service desk, which is also one of the operators: two roles by two ways.
func TestAMemberOfAnEligibleGroupActivates(t *testing.T) {
	dan := sample.Someone(t, "dan")
	g := sample.signInWithMFA(t, dan)
	got, err := g.RoleManagement().Directory().RoleEligibilityScheduleInstances().FilterByCurrentUserWithOn(new("principal")).
		GetAsFilterByCurrentUserWithOnGetResponse(t.Context(), &myEligibilityConfig{
			QueryParameters: &myEligibilityQuery{Filter: new("memberType eq 'Group'"), Expand: []string{"roleDefinition"}},
		})
	must(t, "list one's eligibilities by groups", err)
	var role, schedule string
	for _, row := range house.Rows(t, "one's eligibilities by groups", got.GetValue(), 2) {
		house.Equal(t, "member type", house.Value(row.GetMemberType()), "Group")
		house.Equal(t, "principal", house.Value(row.GetPrincipalId()), dan.ID)
		if house.Value(row.GetRoleDefinition().GetDisplayName()) == "User Administrator" {
			role, schedule = house.Value(row.GetRoleDefinitionId()), house.Value(row.GetRoleEligibilityScheduleId())
		}
	}
	activated, err := g.assignment(t, activates(dan, role))
	done(t, "activate", activated, err, "Provisioned")
	activeFor(t, g, role, schedule)
}

// What is only tried out is judged like everything else, and leaves nothing.
func TestARequestIsOnlyValidated(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	role := app.role(t, "Yammer Administrator")
	r := ask{action: adminAssign, principal: alice.ID, role: role, duration: "P30D"}.eligibility(t)
	r.SetIsValidationOnly(new(true))
	got, err := app.RoleManagement().Directory().RoleEligibilityScheduleRequests().Post(t.Context(), r, nil)
	done(t, "validate", got, err, "Granted")
	house.Equal(t, "only validated", house.Value(got.GetIsValidationOnly()), true)
	house.Rows(t, "eligibilities", app.eligibilities(t, alice, role), 0)
	_, err = app.assignment(t, ask{action: adminRemove, principal: alice.ID, role: role})
	refused(t, "remove what is not there", err, http.StatusBadRequest, "RoleAssignmentDoesNotExist")
}
