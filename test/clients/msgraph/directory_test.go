package msgraph

import (
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"portcullis/test/clients/house"
)

func TestTheDirectoryIsRead(t *testing.T) {
	app, alice, mia := sample.application(t), sample.Someone(t, "alice"), sample.Someone(t, "mia")
	if n := len(app.people(t)); n < 200 {
		t.Errorf("people: got %d, want 200 at least", n)
	}

	got, err := app.Users().Get(t.Context(), &users.UsersRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Filter: new("userPrincipalName eq '" + alice.UserPrincipalName + "'")},
	})
	must(t, "find a user", err)
	house.Equal(t, "the user found", house.Value(house.Rows(t, "users found", got.GetValue(), 1)[0].GetId()), alice.ID)
	user, err := app.Users().ByUserId(alice.UserPrincipalName).Get(t.Context(), nil)
	must(t, "read a user by name", err)
	house.Equal(t, "name of the user", house.Value(user.GetDisplayName()), alice.DisplayName)
	manager, err := app.Users().ByUserId(alice.ID).Manager().Get(t.Context(), nil)
	must(t, "read the manager", err)
	house.Equal(t, "the manager", house.Value(manager.GetId()), mia.ID)

	found, err := app.Groups().Get(t.Context(), &groups.GroupsRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{Filter: new("startswith(displayName,'Payroll')")},
	})
	must(t, "find a group", err)
	group := house.Rows(t, "groups found", found.GetValue(), 1)[0]
	house.Equal(t, "the group found", house.Value(group.GetId()), sample.Groups["payroll-approvers"].ID)
	members, err := app.Groups().ByGroupId(house.Value(group.GetId())).Members().Get(t.Context(), nil)
	must(t, "list members", err)
	ana, isThere := sample.Someone(t, "ana"), false
	for _, m := range members.GetValue() {
		u, ok := m.(models.Userable)
		isThere = isThere || ok && house.Value(u.GetId()) == ana.ID && house.Value(u.GetDisplayName()) == ana.DisplayName
	}
	if !isThere {
		t.Error("Ana is not among the members of the group")
	}
	above, err := app.Users().ByUserId(ana.ID).MemberOf().Get(t.Context(), nil)
	must(t, "list groups of a user", err)
	isThere = false
	for _, o := range above.GetValue() {
		g, ok := o.(models.Groupable)
		isThere = isThere || ok && house.Value(g.GetId()) == house.Value(group.GetId())
	}
	if !isThere {
		t.Error("the group is not among those that Ana is a member of")
	}
}

// Every set that callers of PIM read beside those of the stories, with the SDK's typed calls.
func TestTheOtherSetsAreRead(t *testing.T) {
	app, alice, ctx := sample.application(t), sample.Someone(t, "alice"), t.Context()
	directory := app.RoleManagement().Directory()
	units, err := app.Directory().AdministrativeUnits().Get(ctx, nil)
	unit := listed(t, "administrative units", units, err)[0]
	members, err := app.Directory().AdministrativeUnits().ByAdministrativeUnitId(house.Value(unit.GetId())).Members().Get(ctx, nil)
	listed(t, "members of an administrative unit", members, err)
	principals, err := app.ServicePrincipals().Get(ctx, nil)
	listed(t, "service principals", principals, err)
	organization, err := app.Organization().Get(ctx, nil)
	house.Equal(t, "id of the organization", house.Value(listed(t, "organization", organization, err)[0].GetId()), sample.TenantID)
	domains, err := app.Domains().Get(ctx, nil)
	house.Equal(t, "name of the domain", house.Value(listed(t, "domains", domains, err)[0].GetId()), sample.Domain)
	roles, err := app.DirectoryRoles().Get(ctx, nil)
	listed(t, "directory roles", roles, err)
	templates, err := app.DirectoryRoleTemplates().Get(ctx, nil)
	listed(t, "templates of directory roles", templates, err)
	object, err := app.DirectoryObjects().ByDirectoryObjectId(alice.ID).Get(ctx, nil)
	must(t, "a directory object", err)
	if _, ok := object.(models.Userable); !ok {
		t.Errorf("a directory object: got %T, want a user", object)
	}
	assignments, err := directory.RoleAssignments().Get(ctx, nil)
	listed(t, "role assignments", assignments, err)
	held, err := directory.RoleAssignmentSchedules().Get(ctx, nil)
	listed(t, "schedules of assignments", held, err)
	eligible, err := directory.RoleEligibilitySchedules().Get(ctx, nil)
	listed(t, "schedules of eligibilities", eligible, err)
}

// listed checks that a list was read and has rows.
func listed[T any](t *testing.T, what string, got interface{ GetValue() []T }, err error) []T {
	t.Helper()
	must(t, "list "+what, err)
	if len(got.GetValue()) == 0 {
		t.Fatalf("%s: got no rows", what)
	}
	return got.GetValue()
}

func TestRequestsAreReadAndCounted(t *testing.T) {
	app, alice, ctx := sample.application(t), sample.Someone(t, "alice"), t.Context()
	directory := app.RoleManagement().Directory()
	role := app.role(t, "Viva Pulse Administrator")
	id := app.makesEligible(t, alice, role, "P30D")
	requests, err := directory.RoleEligibilityScheduleRequests().Get(ctx, &requestConfig{QueryParameters: &requestQuery{
		Filter: filterOf(alice, role), Orderby: []string{"createdDateTime desc"}, Expand: []string{"targetSchedule", "principal", "roleDefinition"},
	}})
	must(t, "list requests for eligibilities", err)
	last := house.Rows(t, "requests for eligibilities", requests.GetValue(), 1)[0]
	if last.GetTargetSchedule() == nil || last.GetPrincipal() == nil || last.GetRoleDefinition() == nil {
		t.Fatal("the request lacks what was to be expanded")
	}
	house.Equal(t, "schedule of the request", house.Value(last.GetTargetSchedule().GetId()), id)
	house.Equal(t, "what made the schedule", house.Value(last.GetTargetSchedule().GetCreatedUsing()), id)
	principal, err := directory.RoleEligibilityScheduleRequests().ByUnifiedRoleEligibilityScheduleRequestId(house.Value(last.GetId())).Principal().Get(ctx, nil)
	must(t, "the principal of a request", err)
	house.Equal(t, "the principal of a request", house.Value(principal.GetId()), alice.ID)
	count, err := directory.RoleEligibilitySchedules().Count().Get(ctx, nil)
	must(t, "count schedules of eligibilities", err)
	if house.Value(count) < 39 {
		t.Errorf("schedules of eligibilities: got a count of %d, want what the sample gives at least", house.Value(count))
	}
}

func TestUsersAreSearched(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	headers := abstractions.NewRequestHeaders()
	headers.Add("ConsistencyLevel", "eventual")
	found, err := app.Users().Get(t.Context(), &users.UsersRequestBuilderGetRequestConfiguration{
		Headers: headers,
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{
			Search: new(`"displayName:` + alice.DisplayName + `"`), Count: new(true), Orderby: []string{"displayName"},
		},
	})
	must(t, "search users", err)
	house.Equal(t, "the user found", house.Value(house.Rows(t, "users found", found.GetValue(), 1)[0].GetId()), alice.ID)
}
