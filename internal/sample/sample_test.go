package sample_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/sample"
)

func options(seed uint64) sample.Options {
	return sample.Options{Seed: seed, Permissions: []string{"A.Read", "B.Write"}, Created: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
}

func count(o sample.Organisation, kind directory.Kind) int {
	n := 0
	for _, x := range o.Objects {
		if x.Kind == kind {
			n++
		}
	}
	return n
}

func TestTheOrganisation(t *testing.T) {
	o := sample.Organise(options(1))
	check := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %d, want %d", what, got, want)
		}
	}
	check("people", count(o, directory.KindUser), 200)
	check("groups", count(o, directory.KindGroup), 25)
	check("groups by key", len(o.Groups), 25)
	check("units", count(o, directory.KindAdministrativeUnit), 6)
	check("service principals", count(o, directory.KindServicePrincipal), 5)
	check("custom roles", count(o, directory.KindRole), 1)
	check("parts", len(o.People), 15)
	eligible := 0
	for _, g := range o.Grants {
		if g.Kind == pim.Eligibility {
			eligible++
		}
	}
	check("eligibilities", eligible, 47)
	check("assignments", len(o.Grants)-eligible, 5)
	kinds := map[resource.Kind]int{}
	for _, n := range o.Tree {
		kinds[n.Kind]++
	}
	check("management groups", kinds[resource.ManagementGroup], 2)
	check("subscriptions", kinds[resource.Subscription], 3)
	check("resource groups", kinds[resource.Group], 4)
	check("resources", kinds[resource.Resource], 5)
}

func TestTheSameSeedMakesTheSameOrganisation(t *testing.T) {
	a, b, c := sample.Organise(options(1)), sample.Organise(options(1)), sample.Organise(options(2))
	if diff := cmp.Diff(a.Objects, b.Objects); diff != "" {
		t.Errorf("objects of equal seeds differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Links, b.Links, cmp.AllowUnexported()); diff != "" {
		t.Errorf("links of equal seeds differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.People, b.People); diff != "" {
		t.Errorf("people of equal seeds differ:\n%s", diff)
	}
	if a.Tenant.ID == c.Tenant.ID || a.Client == c.Client {
		t.Error("another seed makes the same ids")
	}
	if n := sample.Neighbour(options(1)); n.Tenant.ID == a.Tenant.ID || n.Tenant.Domain == a.Tenant.Domain {
		t.Error("the neighbour is the same tenant")
	}
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestObjectsMakeSense(t *testing.T) {
	for _, o := range []sample.Organisation{sample.Organise(options(7)), sample.Neighbour(options(7))} {
		ids, accounts := map[pim.PrincipalID]directory.Object{}, map[string]bool{}
		for _, x := range o.Objects {
			if !uuid.MatchString(string(x.ID)) || x.Tenant != o.Tenant.ID || x.DisplayName == "" {
				t.Errorf("object %+v has no proper id, tenant or name", x)
			}
			if _, twice := ids[x.ID]; twice {
				t.Errorf("id %s is there twice", x.ID)
			}
			ids[x.ID] = x
			if x.Kind != directory.KindUser {
				continue
			}
			if accounts[x.User.PrincipalName] {
				t.Errorf("account %s is there twice", x.User.PrincipalName)
			}
			accounts[x.User.PrincipalName] = true
		}
		for _, l := range o.Links {
			if ids[l.From].ID == "" || ids[l.To].ID == "" || l.Tenant != o.Tenant.ID {
				t.Errorf("link %+v leads nowhere", l)
			}
		}
		for _, g := range o.Grants {
			if ids[g.Key.Principal].ID == "" {
				t.Errorf("grant %+v is nobody's", g)
			}
		}
	}
}

func TestManagersAreATree(t *testing.T) {
	o := sample.Organise(options(3))
	manager := map[pim.PrincipalID]pim.PrincipalID{}
	tops := 0
	for _, x := range o.Objects {
		if x.Kind != directory.KindUser {
			continue
		}
		manager[x.ID] = x.User.Manager
		if x.User.Manager == "" {
			tops++
		}
	}
	if tops != 1 {
		t.Errorf("got %d people without a manager, want 1", tops)
	}
	for id := range manager {
		steps := 0
		for at := id; manager[at] != ""; at = manager[at] {
			if steps++; steps > 10 {
				t.Fatalf("above %s the managers go in a circle", id)
			}
		}
	}
	if manager[o.People["alice"]] != o.People["mia"] {
		t.Error("mia does not manage alice")
	}
}

func TestAliceAndBobAreEligibleForNothing(t *testing.T) {
	o := sample.Organise(options(1))
	above := map[pim.PrincipalID]bool{o.People["alice"]: true, o.People["bob"]: true}
	for changed := true; changed; {
		changed = false
		for _, l := range o.Links {
			if l.Relation == directory.MemberOf && above[l.To] && !above[l.From] {
				above[l.From], changed = true, true
			}
		}
	}
	for _, g := range o.Grants {
		if above[g.Key.Principal] {
			t.Errorf("alice or bob would get role %s by %s", g.Key.Role, g.Key.Principal)
		}
	}
}
