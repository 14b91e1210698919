package armauthorization

import (
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"portcullis/test/clients/house"
)

func TestADenyAssignmentWinsOverARole(t *testing.T) {
	app, bob := sample.owner(t), sample.Someone(t, "bob")
	e := app.plants(t, "denial")
	_, err := app.NewRoleAssignmentsClient().Create(t.Context(), e.subscription, newID(), roleFor(bob.ID, app.role(t, e.subscription, "Contributor")), nil)
	must(t, "give a role", err)
	asBob := sample.signIn(t, bob)
	must(t, "write before", asBob.puts(t, e.orders))

	id := e.data + authorizationPath + "denyAssignments/" + newID()
	_, resources := app.within(t, e.id)
	poller, err := resources.NewClient().BeginCreateOrUpdateByID(t.Context(), id, versionDenials, armresources.GenericResource{
		Properties: map[string]any{
			"denyAssignmentName": "Closed for stocktaking", "description": "Nobody writes",
			"permissions":       []any{map[string]any{"actions": []string{"*/write"}}},
			"principals":        []any{map[string]string{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}},
			"excludePrincipals": []any{map[string]string{"id": sample.Client.ObjectID, "type": "ServicePrincipal"}},
		},
	}, nil)
	done(t, "deny", poller, err)
	message := refused(t, "write as all others", asBob.puts(t, e.orders), http.StatusForbidden, "DenyAssignmentAuthorizationFailed")
	house.Contains(t, "the action that is denied", message, ownType+"/write")
	must(t, "write elsewhere", asBob.puts(t, e.web+"/providers/"+ownType+"/other"))
	must(t, "write as one who is excepted", app.puts(t, e.orders))

	denials := app.NewDenyAssignmentsClient()
	got, err := denials.GetByID(t.Context(), id, nil)
	must(t, "read it", err)
	house.Equal(t, "its name", house.Value(got.Properties.DenyAssignmentName), "Closed for stocktaking")
	house.Equal(t, "its scope", house.Value(got.Properties.Scope), e.data)
	house.Equal(t, "whom it means", house.Value(house.Rows(t, "principals", got.Properties.Principals, 1)[0].Type), "SystemDefined")
	list := func(scope, filter string) []*armauthorization.DenyAssignment {
		t.Helper()
		return all(t, "deny assignments", denials.NewListForScopePager(scope, &armauthorization.DenyAssignmentsClientListForScopeOptions{Filter: &filter}),
			func(page armauthorization.DenyAssignmentsClientListForScopeResponse) []*armauthorization.DenyAssignment {
				return page.Value
			})
	}
	house.Rows(t, "deny assignments that reach the database", list(e.orders, "atScope()"), 1)
	house.Rows(t, "deny assignments by name", list(e.subscription, "denyAssignmentName eq 'Closed for stocktaking'"), 1)
	house.Rows(t, "deny assignments that reach the other resource group", list(e.web, "atScope()"), 0)

	gone, err := resources.NewClient().BeginDeleteByID(t.Context(), id, versionDenials, nil)
	done(t, "lift it", gone, err)
	must(t, "write afterwards", asBob.puts(t, e.orders))
	_, err = denials.GetByID(t.Context(), id, nil)
	refused(t, "read what was lifted", err, http.StatusNotFound, "DenyAssignmentNotFound")
}
