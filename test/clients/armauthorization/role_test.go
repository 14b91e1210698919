package armauthorization

import (
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"portcullis/test/clients/house"
)

func roleRows(page armauthorization.RoleDefinitionsClientListResponse) []*armauthorization.RoleDefinition {
	return page.Value
}

func TestTheBuiltInRolesAreThere(t *testing.T) {
	app := sample.owner(t)
	e := app.plants(t, "catalogue")
	definitions := app.NewRoleDefinitionsClient()
	builtIn := all(t, "roles", definitions.NewListPager(e.subscription, &armauthorization.RoleDefinitionsClientListOptions{
		Filter: new("type eq 'BuiltInRole'"),
	}), roleRows)
	if len(builtIn) < 900 {
		t.Errorf("built-in roles: got %d, want the whole catalogue", len(builtIn))
	}
	reader := app.role(t, e.subscription, "Reader")
	house.Equal(t, "id of a role at a subscription", reader, e.subscription+authorizationPath+"roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7")
	got, err := definitions.GetByID(t.Context(), tenantRoles+lastPart(reader), nil)
	must(t, "read a role of the tenant", err)
	house.Equal(t, "name of the role", house.Value(got.Properties.RoleName), "Reader")
	house.Equal(t, "type of the role", house.Value(got.Properties.RoleType), "BuiltInRole")
	_, err = definitions.Get(t.Context(), e.subscription, newID(), nil)
	refused(t, "read a role that is not there", err, http.StatusNotFound, "RoleDefinitionDoesNotExist")
	operations, err := app.NewProviderOperationsMetadataClient().Get(t.Context(), "Microsoft.Authorization",
		&armauthorization.ProviderOperationsMetadataClientGetOptions{Expand: new("resourceTypes")})
	must(t, "read the operations of a provider", err)
	if len(operations.ResourceTypes) == 0 {
		t.Error("the provider has no types of resources")
	}
}

// custom is a role of the site's own.
func custom(name string, scope string, actions ...string) armauthorization.RoleDefinition {
	p := &armauthorization.Permission{Actions: []*string{}, NotActions: []*string{}}
	for _, a := range actions {
		p.Actions = append(p.Actions, &a)
	}
	return armauthorization.RoleDefinition{Properties: &armauthorization.RoleDefinitionProperties{
		RoleName: &name, Description: new("Made for a test"), RoleType: new("CustomRole"),
		AssignableScopes: []*string{&scope}, Permissions: []*armauthorization.Permission{p},
	}}
}

func TestACustomRoleIsMadeGivenChangedAndDeleted(t *testing.T) {
	app, alice := sample.owner(t), sample.Someone(t, "alice")
	e := app.plants(t, "custom")
	definitions, assignments := app.NewRoleDefinitionsClient(), app.NewRoleAssignmentsClient()
	id := newID()
	made, err := definitions.CreateOrUpdate(t.Context(), e.subscription, id, custom("Database keeper", e.subscription, ownType+"/read"), nil)
	must(t, "make a role", err)
	house.Equal(t, "type of the role", house.Value(made.Properties.RoleType), "CustomRole")
	house.Equal(t, "its id by its name", app.role(t, e.data, "Database keeper"), house.Value(made.ID))
	_, err = definitions.CreateOrUpdate(t.Context(), e.subscription, newID(), custom("Database keeper", e.subscription, "*/read"), nil)
	refused(t, "use a name again", err, http.StatusConflict, "RoleDefinitionWithSameNameExists")
	own := all(t, "custom roles", definitions.NewListPager(e.subscription, &armauthorization.RoleDefinitionsClientListOptions{
		Filter: new("type eq 'CustomRole'"),
	}), roleRows)
	house.Equal(t, "the custom role", house.Value(house.Rows(t, "custom roles", own, 1)[0].Name), id)

	asAlice := sample.signIn(t, alice)
	given, err := assignments.Create(t.Context(), e.data, newID(), roleFor(alice.ID, house.Value(made.ID)), nil)
	must(t, "give the role", err)
	asAlice.mayNotWrite(t, e.orders)
	_, err = definitions.CreateOrUpdate(t.Context(), e.subscription, id, custom("Database keeper", e.subscription, ownType+"/*"), nil)
	must(t, "change the role", err)
	must(t, "write after the change", asAlice.puts(t, e.orders))
	_, err = definitions.Delete(t.Context(), e.subscription, id, nil)
	refused(t, "delete a role that is held", err, http.StatusBadRequest, "RoleDefinitionHasAssignments")
	_, err = assignments.DeleteByID(t.Context(), house.Value(given.ID), nil)
	must(t, "take the role", err)
	_, err = definitions.Delete(t.Context(), e.subscription, id, nil)
	must(t, "delete the role", err)
	_, err = definitions.Get(t.Context(), e.subscription, id, nil)
	refused(t, "read what was deleted", err, http.StatusNotFound, "RoleDefinitionDoesNotExist")
}
