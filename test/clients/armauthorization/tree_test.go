package armauthorization

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/managementgroups/armmanagementgroups"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armsubscriptions"

	"portcullis/test/clients/house"
)

func subscriptionRows(page armsubscriptions.ClientListResponse) []*armsubscriptions.Subscription {
	return page.Value
}

// sees says whether a caller's list of subscriptions has one.
func (a *azure) sees(t *testing.T, id string) bool {
	t.Helper()
	list := all(t, "subscriptions", a.subscriptions.NewClient().NewListPager(nil), subscriptionRows)
	return slices.ContainsFunc(list, func(s *armsubscriptions.Subscription) bool { return house.Value(s.SubscriptionID) == id })
}

func TestATreeIsPlantedReadAndFelled(t *testing.T) {
	app, alice := sample.owner(t), sample.Someone(t, "alice")
	e := app.plants(t, "tree")
	if !app.sees(t, e.id) {
		t.Error("the owner does not see the subscription")
	}
	if sample.signIn(t, alice).sees(t, e.id) {
		t.Error("somebody without a right sees the subscription")
	}
	got, err := app.subscriptions.NewClient().Get(t.Context(), e.id, nil)
	must(t, "read the subscription", err)
	house.Equal(t, "name of the subscription", house.Value(got.DisplayName), "Subscription of tree")
	house.Equal(t, "tenant of the subscription", house.Value(got.TenantID), sample.TenantID)
	house.Equal(t, "state of the subscription", house.Value(got.State), armsubscriptions.SubscriptionStateEnabled)
	tenants := all(t, "tenants", app.subscriptions.NewTenantsClient().NewListPager(nil),
		func(page armsubscriptions.TenantsClientListResponse) []*armsubscriptions.TenantIDDescription {
			return page.Value
		})
	house.Equal(t, "the tenant", house.Value(house.Rows(t, "tenants", tenants, 1)[0].TenantID), sample.TenantID)
	app.climbs(t, e)
	app.movesAndFells(t, e)
}

// climbs reads the tree from its management groups.
func (a *azure) climbs(t *testing.T, e estate) {
	t.Helper()
	groups := a.groups.NewClient()
	whole, err := groups.Get(t.Context(), lastPart(e.top), &armmanagementgroups.ClientGetOptions{
		Expand: new(armmanagementgroups.ManagementGroupExpandTypeChildren), Recurse: new(true),
	})
	must(t, "read a management group", err)
	unit := house.Rows(t, "children of the top", whole.Properties.Children, 1)[0]
	house.Equal(t, "child of the top", house.Value(unit.ID), e.unit)
	house.Equal(t, "child of the unit", house.Value(house.Rows(t, "children of the unit", unit.Children, 1)[0].ID), e.subscription)
	below := all(t, "descendants", groups.NewGetDescendantsPager(lastPart(e.top), nil),
		func(page armmanagementgroups.ClientGetDescendantsResponse) []*armmanagementgroups.DescendantInfo {
			return page.Value
		})
	house.Rows(t, "descendants", below, 2)
	entities := all(t, "entities", a.groups.NewEntitiesClient().NewListPager(&armmanagementgroups.EntitiesClientListOptions{
		Filter: new("name eq '" + e.id + "'"),
	}), func(page armmanagementgroups.EntitiesClientListResponse) []*armmanagementgroups.EntityInfo {
		return page.Value
	})
	p := house.Rows(t, "entities of that name", entities, 1)[0].Properties
	house.Equal(t, "parent of the entity", house.Value(p.Parent.ID), e.unit)
	var chain []string
	for _, name := range p.ParentNameChain {
		chain = append(chain, house.Value(name))
	}
	house.Equal(t, "parents of the entity", strings.Join(chain, " "), strings.Join([]string{sample.TenantID, lastPart(e.top), lastPart(e.unit)}, " "))
}

// movesAndFells moves what is in the tree, and deletes a part of it.
func (a *azure) movesAndFells(t *testing.T, e estate) {
	t.Helper()
	_, resources := a.within(t, e.id)
	moved := resources.NewClient()
	poller, err := moved.BeginMoveResources(t.Context(), "data", armresources.MoveInfo{Resources: []*string{&e.orders}, TargetResourceGroup: &e.web}, nil)
	done(t, "move a resource", poller, err)
	list := all(t, "resources", moved.NewListByResourceGroupPager("web", &armresources.ClientListByResourceGroupOptions{
		Filter: new("resourceType eq '" + ownType + "'"),
	}), func(page armresources.ClientListByResourceGroupResponse) []*armresources.GenericResourceExpanded {
		return page.Value
	})
	house.Equal(t, "where the resource is now", house.Value(house.Rows(t, "resources", list, 1)[0].ID), e.web+"/providers/"+ownType+"/orders")
	_, err = a.groups.NewManagementGroupSubscriptionsClient().Create(t.Context(), lastPart(e.top), e.id, nil)
	must(t, "move the subscription", err)
	deleted, err := a.groups.NewClient().BeginDelete(t.Context(), lastPart(e.unit), nil)
	done(t, "delete the empty management group", deleted, err)
	_, err = a.groups.NewClient().Get(t.Context(), lastPart(e.unit), nil)
	refused(t, "read what was deleted", err, http.StatusNotFound, "NotFound")

	gone, err := resources.NewResourceGroupsClient().BeginDelete(t.Context(), "WEB", nil)
	done(t, "delete a resource group", gone, err)
	there, err := resources.NewResourceGroupsClient().CheckExistence(t.Context(), "web", nil)
	must(t, "look whether it is there", err)
	if there.Success {
		t.Error("the resource group is there after it was deleted")
	}
	left := all(t, "resource groups", resources.NewResourceGroupsClient().NewListPager(nil),
		func(page armresources.ResourceGroupsClientListResponse) []*armresources.ResourceGroup {
			return page.Value
		})
	house.Equal(t, "what is left", house.Value(house.Rows(t, "resource groups", left, 1)[0].ID), e.data)
}

// Who has no right learns nothing of what is there; who has, learns that something is not.
func TestWhatIsNotThere(t *testing.T) {
	app := sample.owner(t)
	asAlice := sample.signIn(t, sample.Someone(t, "alice"))
	e, unknown := app.plants(t, "nowhere"), newID()
	for _, id := range []string{e.id, unknown} {
		_, err := asAlice.subscriptions.NewClient().Get(t.Context(), id, nil)
		refused(t, "read a subscription without a right", err, http.StatusForbidden, "AuthorizationFailed")
	}
	_, err := app.subscriptions.NewClient().Get(t.Context(), unknown, nil)
	refused(t, "read a subscription that is not there", err, http.StatusNotFound, "SubscriptionNotFound")
	_, resources := app.within(t, e.id)
	_, err = resources.NewResourceGroupsClient().Get(t.Context(), "attic", nil)
	refused(t, "read a resource group that is not there", err, http.StatusNotFound, "ResourceGroupNotFound")
	_, err = resources.NewClient().GetByID(t.Context(), e.data+"/providers/"+ownType+"/lost", versionOwnThings, nil)
	refused(t, "read a resource that is not there", err, http.StatusNotFound, "ResourceNotFound")
}
