package access_test

import (
	"fmt"
	"testing"

	"portcullis/internal/access"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
)

// landscape fills an index with a tree of resources: ten management groups below one another in twos, ten subscriptions in each, and
// resource groups. Each person has four roles at resource groups and is in one group of a hundred; each group has a role at a
// subscription, and the first group at the root, too.
func landscape(tb testing.TB, grants int) *access.Index {
	tb.Helper()
	ix := access.New()
	err := ix.Fill(func(l *access.Loader) error {
		for g := range 10 {
			n := resource.Node{Tenant: "t1", Scope: managementGroup(g), Parent: pim.Everywhere, Kind: resource.ManagementGroup}
			if g > 0 {
				n.Parent = managementGroup(g / 2)
			}
			if err := l.Container(n); err != nil {
				return err
			}
		}
		for s := range 100 {
			n := resource.Node{Tenant: "t1", Scope: subscription(s), Parent: managementGroup(s % 10), Kind: resource.Subscription}
			if err := l.Container(n); err != nil {
				return err
			}
		}
		if err := l.Denial("t1", rbac.Denial{ID: "d", Scope: string(managementGroup(1)), Everybody: true,
			Permissions: []rbac.Permission{{Actions: []string{"Microsoft.Sql/*"}}}}); err != nil {
			return err
		}
		return holdersOf(l, grants)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return ix
}

func holdersOf(l *access.Loader, grants int) error {
	give := func(n int, p pim.PrincipalID, role string, at pim.Scope) error {
		return l.Schedule(pim.Schedule{ID: pim.ScheduleID(fmt.Sprintf("%08x-7777-4000-8000-%012x", n, n)), Kind: pim.Assignment, Type: pim.Assigned,
			Key:    pim.Key{Tenant: "t1", Provider: pim.Resource, Scope: at, Role: pim.RoleID(role), Principal: p},
			Window: schedule.Window{Start: hour(0)}})
	}
	held := []string{catalog.Reader, catalog.Contributor, catalog.Reader, catalog.UserAccessAdministrator}
	for p := range grants / 4 {
		for i, role := range held {
			if err := give(p*4+i, personID(p), role, resourceGroup(p*7+i)); err != nil {
				return err
			}
		}
		if err := l.Link(member(personID(p), groupID(p/100), 0)); err != nil {
			return err
		}
	}
	for g := range grants / 400 {
		if err := give(grants+g, groupID(g), catalog.Reader, subscription(g%100)); err != nil {
			return err
		}
	}
	return give(2*grants, groupID(0), catalog.Reader, pim.Everywhere)
}

func managementGroup(i int) pim.Scope {
	return resource.ManagementGroupScope(fmt.Sprint("mg-", i))
}
func subscription(i int) pim.Scope {
	return resource.SubscriptionScope(fmt.Sprintf("%08x-5555-4000-8000-%012x", i, i))
}
func resourceGroup(i int) pim.Scope {
	return subscription(i%100) + pim.Scope(fmt.Sprintf("/resourcegroups/rg-%d", i%50_000))
}

func may(p int, action string, at pim.Scope) access.ResourceQuestion {
	return access.ResourceQuestion{Tenant: "t1", Principal: personID(p), Operation: rbac.Operation{Action: action}, Scope: at}
}

// TestRightsNeedNoRoom: a question about rights makes no garbage, whatever the way to the answer, as long as no condition has to be
// asked.
func TestRightsNeedNoRoom(t *testing.T) {
	ix := landscape(t, 4_000)
	now := hour(1)
	const read, write = "Microsoft.Sql/servers/databases/read", "Microsoft.Compute/virtualMachines/write"
	database := resourceGroup(8) + "/providers/microsoft.sql/servers/s/databases/d"
	for name, c := range map[string]struct {
		q    access.ResourceQuestion
		want rbac.Verdict
	}{
		"at a resource of a resource group": {may(1, write, database), rbac.Allowed},
		"by a group at the root":            {may(1, "Microsoft.Compute/virtualMachines/read", managementGroup(9)), rbac.Allowed},
		"denied above":                      {may(1, read, database), rbac.Denied},
		"no such right":                     {may(1, write, resourceGroup(9)), rbac.NotAllowed},
		"nobody":                            {may(99_999, write, database), rbac.NotAllowed},
	} {
		if got := ix.Allowed(now, c.q).Verdict; got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		rights := ix.Rights(now, "t1", c.q.Principal)
		if got := rights.May(c.q.Operation, c.q.Scope, nil); got != c.want {
			t.Errorf("%s, by rights: got %v, want %v", name, got, c.want)
		}
		if got := testing.AllocsPerRun(1000, func() { ix.Allowed(now, c.q) }); got != 0 {
			t.Errorf("%s: got %v allocations, want none", name, got)
		}
		if got := testing.AllocsPerRun(1000, func() { rights.May(c.q.Operation, c.q.Scope, nil) }); got != 0 {
			t.Errorf("%s, by rights: got %v allocations, want none", name, got)
		}
		role := access.Question{Tenant: "t1", Principal: c.q.Principal, Provider: pim.Resource, Role: catalog.Contributor, Scope: c.q.Scope}
		if got := testing.AllocsPerRun(1000, func() { ix.Check(now, role) }); got != 0 {
			t.Errorf("%s, of a role: got %v allocations, want none", name, got)
		}
	}
}

func BenchmarkRights(b *testing.B) {
	const grants = 200_000
	before := heap()
	ix := landscape(b, grants)
	size := heap() - before
	now := hour(1)
	questions := make([]access.ResourceQuestion, 1<<14)
	for i := range questions {
		p := i * 7919 % (grants / 4)
		questions[i] = may(p, "Microsoft.Compute/virtualMachines/write", resourceGroup(p*7+i%8)+"/providers/microsoft.compute/virtualmachines/v")
	}
	b.Run("allowed", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			ix.Allowed(now, questions[i%len(questions)])
		}
		b.ReportMetric(float64(size)/grants, "B/grant")
	})
	b.Run("rights", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			q := &questions[i%len(questions)]
			ix.Rights(now, q.Tenant, q.Principal).May(q.Operation, q.Scope, nil)
		}
	})
	b.Run("role", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			q := &questions[i%len(questions)]
			ix.Check(now, access.Question{Tenant: q.Tenant, Principal: q.Principal, Provider: pim.Resource, Role: catalog.Contributor, Scope: q.Scope})
		}
	})
	b.Run("move", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			ix.Publish(access.Change{Resources: []access.ResourceChange{{Tenant: "t1", Containers: []resource.Node{
				{Tenant: "t1", Scope: subscription(i % 100), Parent: managementGroup(i / 100 % 10), Kind: resource.Subscription}}}}})
		}
	})
}
