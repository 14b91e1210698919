package armauthorization

import (
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"portcullis/test/clients/house"
)

// given lists role assignments at a scope.
func (a *azure) given(t *testing.T, scope, filter string) []*armauthorization.RoleAssignment {
	t.Helper()
	return all(t, "role assignments", a.NewRoleAssignmentsClient().NewListForScopePager(scope,
		&armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: &filter}),
		func(page armauthorization.RoleAssignmentsClientListForScopeResponse) []*armauthorization.RoleAssignment {
			return page.Value
		})
}

func TestARoleAssignmentIsMadeListedAndDeleted(t *testing.T) {
	app, dan := sample.owner(t), sample.Someone(t, "dan")
	e := app.plants(t, "given")
	role := app.role(t, e.subscription, "Reader")
	assignments := app.NewRoleAssignmentsClient()
	name := newID()
	made, err := assignments.Create(t.Context(), e.data, name, roleFor(dan.ID, role), nil)
	must(t, "give a role", err)
	house.Equal(t, "id of the assignment", house.Value(made.ID), e.data+authorizationPath+"roleAssignments/"+name)
	house.Equal(t, "type of the principal", house.Value(made.Properties.PrincipalType), armauthorization.PrincipalTypeUser)

	again := roleFor(dan.ID, role)
	again.Properties.Description = new("Reads the orders")
	changed, err := assignments.Create(t.Context(), e.data, name, again, nil)
	must(t, "say why", err)
	house.Equal(t, "description", house.Value(changed.Properties.Description), "Reads the orders")
	_, err = assignments.Create(t.Context(), e.data, newID(), roleFor(dan.ID, role), nil)
	refused(t, "give it under another name", err, http.StatusConflict, "RoleAssignmentExists")
	_, err = assignments.Create(t.Context(), e.data, name, roleFor(sample.Someone(t, "sam").ID, role), nil)
	refused(t, "give another what has the name", err, http.StatusBadRequest, "RoleAssignmentUpdateNotPermitted")

	house.Rows(t, "assignments seen from above", app.given(t, e.subscription, principalIs(dan)), 1)
	house.Rows(t, "assignments seen from below", app.given(t, e.orders, "atScope() and assignedTo('"+dan.ID+"')"), 1)
	house.Rows(t, "assignments at or above the subscription", app.given(t, e.subscription, "atScope() and assignedTo('"+dan.ID+"')"), 0)
	roles, _ := app.within(t, e.id)
	inSubscription := all(t, "role assignments", roles.NewRoleAssignmentsClient().NewListForSubscriptionPager(nil),
		func(page armauthorization.RoleAssignmentsClientListForSubscriptionResponse) []*armauthorization.RoleAssignment {
			return page.Value
		})
	if len(inSubscription) < 2 { // the application's own at the root is one more
		t.Errorf("role assignments of the subscription: got %d, want Dan's and the owner's", len(inSubscription))
	}
	p := house.Rows(t, "what PIM says of it", app.holds(t, e.data, principalIs(dan)), 1)[0].Properties
	house.Equal(t, "how it is held", house.Value(p.AssignmentType), armauthorization.AssignmentTypeAssigned)
	house.Equal(t, "the assignment behind it", house.Value(p.OriginRoleAssignmentID), house.Value(made.ID))
	if p.EndDateTime != nil {
		t.Errorf("end of a plain assignment: got %s, want none", p.EndDateTime)
	}

	gone, err := assignments.Delete(t.Context(), e.data, name, nil)
	must(t, "take it", err)
	house.Equal(t, "what was taken", house.Value(gone.ID), house.Value(made.ID))
	_, err = assignments.Delete(t.Context(), e.data, name, nil)
	must(t, "take it again", err)
	_, err = assignments.Get(t.Context(), e.data, name, nil)
	refused(t, "read it", err, http.StatusNotFound, "RoleAssignmentNotFound")
	_, err = assignments.Create(t.Context(), e.data, newID(), roleFor(newID(), role), nil)
	refused(t, "give a role to nobody", err, http.StatusBadRequest, "PrincipalNotFound")
}

// Sam may give away roles, but Reader alone, by whatever way.
func TestWhoMayGiveOneRoleMayGiveNoOther(t *testing.T) {
	app, sam, dan := sample.owner(t), sample.Someone(t, "sam"), sample.Someone(t, "dan")
	e := app.plants(t, "delegated")
	reader, contributor := app.role(t, e.subscription, "Reader"), app.role(t, e.subscription, "Contributor")
	assignments := app.NewRoleAssignmentsClient()
	q := roleFor(sam.ID, app.role(t, e.subscription, "Role Based Access Control Administrator"))
	q.Properties.ConditionVersion = new("2.0")
	q.Properties.Condition = new("((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR " +
		"(@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + lastPart(reader) + "}))")
	_, err := assignments.Create(t.Context(), e.subscription, newID(), q, nil)
	must(t, "let Sam give one role", err)

	asSam := sample.signIn(t, sam)
	_, err = asSam.NewRoleAssignmentsClient().Create(t.Context(), e.web, newID(), roleFor(dan.ID, reader), nil)
	must(t, "give that role", err)
	_, err = asSam.NewRoleAssignmentsClient().Create(t.Context(), e.web, newID(), roleFor(dan.ID, contributor), nil)
	refused(t, "give another", err, http.StatusForbidden, "AuthorizationFailed")
	asSam.makesEligible(t, e.data, dan.ID, reader, "P10D")
	_, err = asSam.eligibility(t, e.data, ask{kind: armauthorization.RequestTypeAdminAssign, principal: dan.ID, role: contributor, duration: "P10D"})
	refused(t, "make eligible for another", err, http.StatusBadRequest, "AuthorizationFailed")
	q.Properties.Condition = new("@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] is not a condition")
	_, err = assignments.Create(t.Context(), e.web, newID(), q, nil)
	refused(t, "a condition that cannot be read", err, http.StatusBadRequest, "InvalidConditionExpression")
}

// Elevated access is for Global Administrators; owner, which every test begins with, shows that they get it.
func TestNobodyElseElevatesTheirAccess(t *testing.T) {
	app := sample.owner(t)
	for _, a := range []*azure{app, sample.signIn(t, sample.Someone(t, "bob"))} {
		_, err := a.NewGlobalAdministratorClient().ElevateAccess(t.Context(), nil)
		refused(t, "elevate access", err, http.StatusForbidden, "AuthorizationFailed")
	}
}

// Whoever may not read all may read what is theirs.
func TestListsOfOthersNeedARight(t *testing.T) {
	app, alice := sample.owner(t), sample.Someone(t, "alice")
	e := app.plants(t, "curious")
	pager := sample.signIn(t, alice).NewRoleAssignmentScheduleInstancesClient().NewListForScopePager(e.subscription, nil)
	_, err := pager.NextPage(t.Context())
	house.Contains(t, "what to do instead", refused(t, "list all", err, http.StatusForbidden, "InsufficientPermissions"), "asTarget()")
	house.Rows(t, "own assignments", sample.signIn(t, alice).holds(t, e.subscription, "asTarget()"), 0)
	pager = app.NewRoleAssignmentScheduleInstancesClient().NewListForScopePager(e.subscription,
		&armauthorization.RoleAssignmentScheduleInstancesClientListForScopeOptions{Filter: new("shoeSize eq 44")})
	_, err = pager.NextPage(t.Context())
	refused(t, "filter by what is not known", err, http.StatusBadRequest, "InvalidFilter")
}
