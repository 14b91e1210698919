package armauthorization

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/managementgroups/armmanagementgroups"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/subscription/armsubscription"

	"portcullis/test/clients/house"
)

// estate is a small tree of one story: two management groups, one in the other, a subscription in that, two resource groups, and a
// database in one of them. Fields are the ids of scopes.
type estate struct {
	top, unit    string
	id           string // of the subscription, as clients take it
	subscription string
	data, web    string
	orders       string
}

const ownType = "Own.Things/databases"

// plants makes the tree of a story. The name is told once.
func (a *azure) plants(t *testing.T, name string) estate {
	t.Helper()
	e := estate{top: a.managementGroup(t, name+"-top", ""), unit: a.managementGroup(t, name+"-unit", name+"-top")}
	poller, err := a.aliases.BeginCreate(t.Context(), name, armsubscription.PutAliasRequest{
		Properties: &armsubscription.PutAliasRequestProperties{
			DisplayName: new("Subscription of " + name), Workload: new(armsubscription.WorkloadProduction),
			AdditionalProperties: &armsubscription.PutAliasRequestAdditionalProperties{ManagementGroupID: &e.unit},
		},
	}, nil)
	made := done(t, "make a subscription", poller, err)
	e.id = house.Value(made.Properties.SubscriptionID)
	e.subscription = "/subscriptions/" + e.id
	e.data, e.web = a.resourceGroup(t, e.id, "Data"), a.resourceGroup(t, e.id, "Web")
	e.orders = e.data + "/providers/" + ownType + "/orders"
	must(t, "make a database", a.puts(t, e.orders))
	return e
}

// managementGroup makes a management group in another; empty: at the top. It returns its id.
func (a *azure) managementGroup(t *testing.T, name, parent string) string {
	t.Helper()
	request := armmanagementgroups.CreateManagementGroupRequest{
		Properties: &armmanagementgroups.CreateManagementGroupProperties{DisplayName: new("The group " + name)},
	}
	if parent != "" {
		request.Properties.Details = &armmanagementgroups.CreateManagementGroupDetails{
			Parent: &armmanagementgroups.CreateParentGroupInfo{ID: new(managementGroup(parent))},
		}
	}
	poller, err := a.groups.NewClient().BeginCreateOrUpdate(t.Context(), name, request, nil)
	return house.Value(done(t, "make a management group", poller, err).ID)
}

func managementGroup(name string) string {
	return "/providers/Microsoft.Management/managementGroups/" + name
}

// resourceGroup makes a resource group and returns its id.
func (a *azure) resourceGroup(t *testing.T, subscription, name string) string {
	t.Helper()
	_, resources := a.within(t, subscription)
	made, err := resources.NewResourceGroupsClient().CreateOrUpdate(t.Context(), name, armresources.ResourceGroup{Location: new("global")}, nil)
	must(t, "make a resource group", err)
	return house.Value(made.ID)
}

// puts writes a resource of the site's own kind, which takes the right to write such.
func (a *azure) puts(t *testing.T, id string) error {
	t.Helper()
	_, resources := a.within(t, "any")
	poller, err := resources.NewClient().BeginCreateOrUpdateByID(t.Context(), id, versionOwnThings, armresources.GenericResource{
		Location: new("global"), Properties: map[string]any{"engine": "postgresql"},
	}, nil)
	if err != nil {
		return err
	}
	_, err = poller.PollUntilDone(t.Context(), nil)
	return err
}
