package msgraph

import (
	"net/http"
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

// The SDK's batch: parts succeed and fail each for themselves.
func TestABatch(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	// What makes errors of parts is registered once for a program.
	if err := core.RegisterError(core.BatchRequestErrorRegistryKey, errorFactories); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = core.DeRegisterError(core.BatchRequestErrorRegistryKey) }() // it is registered
	role := app.role(t, "Teams Devices Administrator")

	batch := core.NewBatchRequest(app.adapter)
	add := func(info *abstractions.RequestInformation, err error) string {
		t.Helper()
		must(t, "make a part", err)
		item, err := batch.AddBatchRequestStep(*info)
		must(t, "add a part", err)
		return house.Value(item.GetId())
	}
	one := add(app.Users().ByUserId(alice.ID).ToGetRequestInformation(t.Context(), nil))
	nobody := add(app.Users().ByUserId(unknownID).ToGetRequestInformation(t.Context(), nil))
	r := ask{action: adminAssign, principal: alice.ID, role: role, duration: "P30D"}.eligibility(t)
	given := add(app.RoleManagement().Directory().RoleEligibilityScheduleRequests().ToPostRequestInformation(t.Context(), r, nil))

	got, err := batch.Send(t.Context(), app.adapter)
	must(t, "send the batch", err)
	house.Rows(t, "parts of the answer", got.GetResponses(), 3)
	house.Equal(t, "status of the part that makes something", got.GetStatusCodes()[given], http.StatusCreated)
	user, err := core.GetBatchResponseById[models.Userable](got, one, models.CreateUserFromDiscriminatorValue)
	must(t, "read a user in a batch", err)
	house.Equal(t, "the user", house.Value(user.GetUserPrincipalName()), alice.UserPrincipalName)
	made, err := core.GetBatchResponseById[models.UnifiedRoleEligibilityScheduleRequestable](
		got, given, models.CreateUnifiedRoleEligibilityScheduleRequestFromDiscriminatorValue)
	done(t, "make eligible in a batch", made, err, "Provisioned")
	house.Equal(t, "status of the part that finds nobody", got.GetStatusCodes()[nobody], http.StatusNotFound)
	_, err = core.GetBatchResponseById[models.Userable](got, nobody, models.CreateUserFromDiscriminatorValue)
	house.Contains(t, "the error of a part", explain(err), "Request_ResourceNotFound")
	house.Rows(t, "eligibilities after the batch", app.eligibilities(t, alice, role), 1)
}
