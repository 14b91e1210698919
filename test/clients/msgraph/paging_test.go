package msgraph

import (
	"errors"
	"sync"
	"testing"
	"time"

	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"portcullis/test/clients/house"
)

// people lists everybody in the directory, page by page.
func (g *graph) people(t *testing.T) []models.Userable {
	t.Helper()
	first, err := g.Users().Get(t.Context(), &users.UsersRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{
			Top: new(int32(60)), Select: []string{"id", "displayName", "userPrincipalName", "accountEnabled"},
		},
	})
	must(t, "list users", err)
	pages, err := core.NewPageIterator[models.Userable](first, g.adapter, models.CreateUserCollectionResponseFromDiscriminatorValue)
	must(t, "page through users", err)
	var all []models.Userable
	must(t, "page through users", pages.Iterate(t.Context(), func(u models.Userable) bool {
		all = append(all, u)
		return true
	}))
	return all
}

// askers is how many goroutines ask at once, and instances how many rows they make.
const (
	askers    = 16
	instances = 2500
)

// manyRoles are roles that no other story uses.
func manyRoles() []string {
	return []string{
		"AI Administrator", "Attack Payload Author", "Attribute Log Reader", "Cloud Device Administrator", "Edge Administrator",
		"Fabric Administrator", "Kaizala Administrator", "Network Administrator", "Office Apps Administrator",
		"Places Administrator", "Teams Reader", "Tenant Creator", "Viva Goals Administrator",
	}
}

// Everybody is made eligible for a dozen roles and one, by many callers at once, and the list is paged through with the
// SDK's own iterator: each row comes once, and the rows are as many as the server counts.
func TestPagingThroughManyInstances(t *testing.T) {
	app := sample.application(t)
	everybody := app.people(t)
	var asks []ask
	made := map[string]bool{}
	for _, name := range manyRoles() {
		role := app.role(t, name)
		made[role] = true
		for _, u := range everybody {
			asks = append(asks, ask{action: adminAssign, principal: house.Value(u.GetId()), role: role, duration: "P90D"})
		}
	}
	if len(asks) < instances {
		t.Fatalf("%d people are too few for %d instances", len(everybody), instances)
	}
	began := time.Now()
	makeAll(t, app, asks[:instances])
	t.Logf("made %d eligibilities in %s", instances, time.Since(began).Round(time.Millisecond))

	began = time.Now()
	first, err := app.RoleManagement().Directory().RoleEligibilityScheduleInstances().Get(t.Context(), &eligibilityConfig{
		QueryParameters: &eligibilityQuery{Count: new(true), Expand: []string{"principal", "roleDefinition"}},
	})
	must(t, "list instances", err)
	pages, err := core.NewPageIterator[eligibilityRow](first, app.adapter, models.CreateUnifiedRoleEligibilityScheduleInstanceCollectionResponseFromDiscriminatorValue)
	must(t, "page through instances", err)
	seen, ours := map[string]bool{}, 0
	must(t, "page through instances", pages.Iterate(t.Context(), func(row eligibilityRow) bool {
		// A member of an eligible group has the id of its own row, so ids are told apart by the schedule behind them too.
		id := house.Value(row.GetId()) + " " + house.Value(row.GetRoleEligibilityScheduleId())
		if seen[id] {
			t.Errorf("instance %s came twice", id)
		}
		seen[id] = true
		if made[house.Value(row.GetRoleDefinitionId())] {
			ours++
			if house.Value(row.GetPrincipal().GetId()) != house.Value(row.GetPrincipalId()) || house.Value(row.GetRoleDefinition().GetId()) != house.Value(row.GetRoleDefinitionId()) {
				t.Errorf("instance %s has somebody else's principal or role expanded", id)
			}
		}
		return true
	}))
	t.Logf("read %d instances, expanded, in %s", len(seen), time.Since(began).Round(time.Millisecond))
	house.Equal(t, "instances that were made", ours, instances)
	house.Equal(t, "instances in all, as counted by the server", house.Value(first.GetOdataCount()), int64(len(seen)))
}

// makeAll asks for eligibilities, many at once.
func makeAll(t *testing.T, app *graph, asks []ask) {
	t.Helper()
	todo := make(chan ask)
	failures := make(chan error, askers)
	var wait sync.WaitGroup
	for range askers {
		wait.Go(func() {
			var failed error
			for a := range todo {
				if failed == nil {
					got, err := app.eligibility(t, a)
					if err == nil && house.Value(got.GetStatus()) != "Provisioned" {
						err = errors.New("status " + house.Value(got.GetStatus()))
					}
					failed = err
				}
			}
			failures <- failed
		})
	}
	for _, a := range asks {
		todo <- a
	}
	close(todo)
	wait.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Fatalf("make someone eligible: %s", explain(err))
		}
	}
}
