package msgraph

import (
	"net/http"
	"slices"
	"testing"

	"github.com/microsoftgraph/msgraph-sdk-go/directoryobjects"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

// makeUser makes somebody who can sign in with name and password.
func (g *graph) makeUser(t *testing.T, name string) *person {
	t.Helper()
	p := &person{UserPrincipalName: name + "@" + sample.Domain, DisplayName: name, Password: "It is " + name + ", really!"}
	user := models.NewUser()
	user.SetDisplayName(&name)
	user.SetMailNickname(&name)
	user.SetUserPrincipalName(&p.UserPrincipalName)
	user.SetAccountEnabled(new(true))
	user.SetPasswordProfile(password(p.Password))
	got, err := g.Users().Post(t.Context(), user, nil)
	must(t, "make the user "+name, err)
	p.ID = house.Value(got.GetId())
	return p
}

// password is one that need not be changed at the next sign-in.
func password(text string) models.PasswordProfileable {
	p := models.NewPasswordProfile()
	p.SetPassword(&text)
	p.SetForceChangePasswordNextSignIn(new(false))
	return p
}

// reference points to a directory object, to be added to a list.
func reference(p *person) models.ReferenceCreateable {
	r := models.NewReferenceCreate()
	r.SetOdataId(&addresses(p)[0])
	return r
}

func TestAUserIsMadeChangedDeletedAndRestored(t *testing.T) {
	app, mia, ctx := sample.application(t), sample.Someone(t, "mia"), t.Context()
	p := app.makeUser(t, "frida")
	me, err := sample.signIn(t, p).Me().Get(ctx, nil)
	must(t, "read me", err)
	house.Equal(t, "me", house.Value(me.GetId()), p.ID)

	change := models.NewUser()
	change.SetJobTitle(new("Beekeeper"))
	_, err = app.Users().ByUserId(p.ID).Patch(ctx, change, nil)
	must(t, "change the user", err)
	manager := models.NewReferenceUpdate()
	manager.SetOdataId(&addresses(mia)[0])
	must(t, "give a manager", app.Users().ByUserId(p.ID).Manager().Ref().Put(ctx, manager, nil))
	above, err := app.Users().ByUserId(p.ID).Manager().Get(ctx, nil)
	must(t, "read the manager", err)
	house.Equal(t, "the manager", house.Value(above.GetId()), mia.ID)
	got, err := app.Users().ByUserId(p.UserPrincipalName).Get(ctx, nil)
	must(t, "read the user", err)
	house.Equal(t, "title", house.Value(got.GetJobTitle()), "Beekeeper")

	role := app.role(t, "Message Center Reader")
	app.makesEligible(t, p, role, "P30D")
	must(t, "delete the user", app.Users().ByUserId(p.ID).Delete(ctx, nil))
	_, err = app.Users().ByUserId(p.ID).Get(ctx, nil)
	refused(t, "read the deleted user", err, http.StatusNotFound, "Request_ResourceNotFound")
	deleted, err := app.Directory().DeletedItems().GraphUser().Get(ctx, nil)
	must(t, "list deleted users", err)
	if !slices.ContainsFunc(deleted.GetValue(), func(u models.Userable) bool { return house.Value(u.GetId()) == p.ID }) {
		t.Error("the deleted user is not among deleted items")
	}

	// Who comes back has nothing of what they had.
	back, err := app.Directory().DeletedItems().ByDirectoryObjectId(p.ID).Restore().Post(ctx, nil)
	must(t, "restore the user", err)
	house.Equal(t, "who comes back", house.Value(back.GetId()), p.ID)
	house.Rows(t, "eligibilities after the restoration", app.eligibilities(t, p, role), 0)
	must(t, "delete the user again", app.Users().ByUserId(p.ID).Delete(ctx, nil))
	must(t, "delete the user for good", app.Directory().DeletedItems().ByDirectoryObjectId(p.ID).Delete(ctx, nil))
	_, err = app.Directory().DeletedItems().ByDirectoryObjectId(p.ID).Get(ctx, nil)
	refused(t, "read what is deleted for good", err, http.StatusNotFound, "Request_ResourceNotFound")
}

// Who is disabled loses everything at once, and gets nothing back by being enabled.
func TestADisabledUserLosesEverything(t *testing.T) {
	app := sample.application(t)
	p := app.makeUser(t, "gerda")
	role := app.role(t, "Message Center Reader")
	app.makesEligible(t, p, role, "P30D")
	group := app.makeGroup(t, "gerdas", with([]*person{p}, nil))
	house.Equal(t, "members", text(t, app.members(t, group)), text(t, []string{p.ID}))
	for _, enabled := range []bool{false, true} {
		change := models.NewUser()
		change.SetAccountEnabled(&enabled)
		_, err := app.Users().ByUserId(p.ID).Patch(t.Context(), change, nil)
		must(t, "change the account", err)
		house.Rows(t, "eligibilities", app.eligibilities(t, p, role), 0)
		house.Rows(t, "members", app.members(t, group), 0)
	}
}

func TestAGroupIsMadeChangedAndDeleted(t *testing.T) {
	app, ctx := sample.application(t), t.Context()
	alice, bob, owen := sample.Someone(t, "alice"), sample.Someone(t, "bob"), sample.Someone(t, "owen")
	id := app.makeGroup(t, "bees", with([]*person{alice}, []*person{owen}))
	group := app.Groups().ByGroupId(id)
	house.Equal(t, "owners", text(t, app.owners(t, id)), text(t, []string{owen.ID}))
	must(t, "add a member", group.Members().Ref().Post(ctx, reference(bob), nil))
	err := group.Members().Ref().Post(ctx, reference(bob), nil)
	refused(t, "add a member twice", err, http.StatusBadRequest, "Request_BadRequest")
	house.Rows(t, "members", app.members(t, id), 2)
	must(t, "remove a member", group.Members().ByDirectoryObjectId(alice.ID).Ref().Delete(ctx, nil))
	house.Equal(t, "members", text(t, app.members(t, id)), text(t, []string{bob.ID}))

	// Owen owns it: he may write it. Alice may not.
	err = sample.signIn(t, alice).Groups().ByGroupId(id).Members().Ref().Post(ctx, reference(alice), nil)
	refused(t, "add oneself", err, http.StatusForbidden, "Authorization_RequestDenied")
	must(t, "add a member as the owner", sample.signIn(t, owen).Groups().ByGroupId(id).Members().Ref().Post(ctx, reference(alice), nil))
	change := models.NewGroup()
	change.SetDescription(new("Those with hives"))
	_, err = group.Patch(ctx, change, nil)
	must(t, "change the group", err)
	got, err := group.Get(ctx, nil)
	must(t, "read the group", err)
	house.Equal(t, "description", house.Value(got.GetDescription()), "Those with hives")
	must(t, "delete the group", group.Delete(ctx, nil))
	_, err = group.Get(ctx, nil)
	refused(t, "read the deleted group", err, http.StatusNotFound, "Request_ResourceNotFound")
	house.Rows(t, "memberships of a deleted group", app.memberships(t, id), 0)
}

// A permanent assignment outside PIM has no request and no end, and PIM lists it.
func TestAnAssignmentOutsidePIM(t *testing.T) {
	app, alice, ctx := sample.application(t), sample.Someone(t, "alice"), t.Context()
	role := app.role(t, "Directory Readers")
	asked := models.NewUnifiedRoleAssignment()
	asked.SetPrincipalId(&alice.ID)
	asked.SetRoleDefinitionId(&role)
	asked.SetDirectoryScopeId(new("/"))
	assignments := app.RoleManagement().Directory().RoleAssignments()
	made, err := assignments.Post(ctx, asked, nil)
	must(t, "assign", err)
	row := house.Rows(t, "active assignments", app.holds(t, alice, role), 1)[0]
	house.Equal(t, "id of the instance", house.Value(row.GetId()), house.Value(made.GetId()))
	house.Equal(t, "how it is held", house.Value(row.GetAssignmentType()), "Assigned")
	if row.GetEndDateTime() != nil {
		t.Errorf("an assignment outside PIM ends at %s", row.GetEndDateTime())
	}
	_, err = assignments.Post(ctx, asked, nil)
	refused(t, "assign twice", err, http.StatusBadRequest, "Request_BadRequest")
	members, err := app.DirectoryRoles().ByDirectoryRoleId(role).Members().Get(ctx, nil)
	must(t, "list holders of the role", err)
	if !slices.Contains(ids(members.GetValue()), alice.ID) {
		t.Error("Alice is not among those who hold the role")
	}
	must(t, "take the assignment", assignments.ByUnifiedRoleAssignmentId(house.Value(made.GetId())).Delete(ctx, nil))
	house.Rows(t, "active assignments afterwards", app.holds(t, alice, role), 0)
}

// The older way to hold a role is a view on the same assignments.
func TestADirectoryRoleHasMembers(t *testing.T) {
	app, bob, ctx := sample.application(t), sample.Someone(t, "bob"), t.Context()
	role := app.role(t, "Message Center Privacy Reader")
	members := app.DirectoryRoles().ByDirectoryRoleId(role).Members()
	must(t, "add a holder", members.Ref().Post(ctx, reference(bob), nil))
	house.Rows(t, "active assignments", app.holds(t, bob, role), 1)
	got, err := members.Get(ctx, nil)
	must(t, "list holders", err)
	house.Equal(t, "holders", text(t, ids(got.GetValue())), text(t, []string{bob.ID}))
	must(t, "remove a holder", members.ByDirectoryObjectId(bob.ID).Ref().Delete(ctx, nil))
	house.Rows(t, "active assignments afterwards", app.holds(t, bob, role), 0)
}

func TestARoleOfOnesOwn(t *testing.T) {
	app, ctx := sample.application(t), t.Context()
	definitions := app.RoleManagement().Directory().RoleDefinitions()
	permission := models.NewUnifiedRolePermission()
	permission.SetAllowedResourceActions([]string{"microsoft.directory/users/basic/read"})
	role := models.NewUnifiedRoleDefinition()
	role.SetDisplayName(new("Hive Keeper"))
	role.SetIsEnabled(new(true))
	role.SetRolePermissions([]models.UnifiedRolePermissionable{permission})
	made, err := definitions.Post(ctx, role, nil)
	must(t, "make a role", err)
	house.Equal(t, "built in", house.Value(made.GetIsBuiltIn()), false)
	item := definitions.ByUnifiedRoleDefinitionId(house.Value(made.GetId()))
	change := models.NewUnifiedRoleDefinition()
	change.SetDisplayName(new("Head Hive Keeper"))
	_, err = item.Patch(ctx, change, nil)
	must(t, "change the role", err)
	house.Equal(t, "id of the changed role", app.role(t, "Head Hive Keeper"), house.Value(made.GetId()))
	must(t, "delete the role", item.Delete(ctx, nil))
	_, err = item.Get(ctx, nil)
	refused(t, "read the deleted role", err, http.StatusNotFound, "Request_ResourceNotFound")
}

func TestAnAdministrativeUnit(t *testing.T) {
	app, ctx := sample.application(t), t.Context()
	alice, sam := sample.Someone(t, "alice"), sample.Someone(t, "sam")
	asked := models.NewAdministrativeUnit()
	asked.SetDisplayName(new("Apiary"))
	made, err := app.Directory().AdministrativeUnits().Post(ctx, asked, nil)
	must(t, "make a unit", err)
	unit := app.Directory().AdministrativeUnits().ByAdministrativeUnitId(house.Value(made.GetId()))
	must(t, "add a member", unit.Members().Ref().Post(ctx, reference(alice), nil))
	members, err := unit.Members().Get(ctx, nil)
	house.Equal(t, "the member", house.Value(house.Rows(t, "members", listed(t, "members", members, err), 1)[0].GetId()), alice.ID)

	// A role within the unit alone.
	role := app.role(t, "User Administrator")
	assignment := models.NewUnifiedRoleAssignment()
	assignment.SetPrincipalId(&sam.ID)
	assignment.SetRoleDefinitionId(&role)
	assignment.SetDirectoryScopeId(new("/administrativeUnits/" + house.Value(made.GetId())))
	given, err := app.RoleManagement().Directory().RoleAssignments().Post(ctx, assignment, nil)
	must(t, "assign within the unit", err)
	row := house.Rows(t, "active assignments", app.holds(t, sam, role, "directoryScope"), 1)[0]
	house.Equal(t, "scope", house.Value(row.GetDirectoryScope().GetId()), house.Value(made.GetId()))
	must(t, "take the assignment", app.RoleManagement().Directory().RoleAssignments().ByUnifiedRoleAssignmentId(house.Value(given.GetId())).Delete(ctx, nil))
	must(t, "remove a member", unit.Members().ByDirectoryObjectId(alice.ID).Ref().Delete(ctx, nil))
	must(t, "delete the unit", unit.Delete(ctx, nil))
	_, err = unit.Get(ctx, nil)
	refused(t, "read the deleted unit", err, http.StatusNotFound, "Request_ResourceNotFound")
}

func TestObjectsAreFoundByTheirIDs(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	body := directoryobjects.NewGetByIdsPostRequestBody()
	body.SetIds([]string{alice.ID, sample.Groups["service-desk"].ID, unknownID})
	body.SetTypes([]string{"user", "group"})
	got, err := app.DirectoryObjects().GetByIds().PostAsGetByIdsPostResponse(t.Context(), body, nil)
	must(t, "get by ids", err)
	kinds := map[string]int{}
	for _, o := range house.Rows(t, "objects", got.GetValue(), 2) {
		kinds[house.Value(o.GetOdataType())]++
	}
	house.Equal(t, "kinds of objects", text(t, kinds), `{"#microsoft.graph.group":1,"#microsoft.graph.user":1}`)
}
