package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// The tree that the hand-written tests use: a management group in another, a subscription, and names that begin alike.
const (
	corp = "/providers/Microsoft.Management/managementGroups/Corp"
	prod = "/providers/Microsoft.Management/managementGroups/Prod"
	sub  = "/subscriptions/11111111-2222-4333-8444-555555555555"
)

func node(t *testing.T, tenant pim.TenantID, path string, parent pim.Scope) resource.Node {
	t.Helper()
	n, err := resource.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	n.Tenant, n.Created = tenant, start()
	if n.Parent == "" {
		n.Parent = parent
	}
	return n
}

// tree is what of it lies where.
func tree(t *testing.T, tenant pim.TenantID) []resource.Node {
	t.Helper()
	at := func(path string) resource.Node { return node(t, tenant, path, pim.Scope(strings.ToLower(prod))) }
	return []resource.Node{
		node(t, tenant, corp, pim.Everywhere), node(t, tenant, prod, pim.Scope(strings.ToLower(corp))), at(sub),
		at(sub + "/resourceGroups/rg-1"), at(sub + "/resourceGroups/rg-1/providers/N.S/hosts/h"), at(sub + "/resourceGroups/rg-1-old"),
		at(sub + "/resourceGroups/rg-1.old/providers/N.S/hosts/h"), at(sub + "/resourceGroups/rg-10/providers/N.S/hosts/h"),
		at(sub + "/resourceGroups/rg-10"), at(sub + "/resourceGroups/rg-1/providers/N.S/hosts/h/disks/d"), at(sub + "/providers/N.S/zones/z"),
	}
}

func scope(path string) pim.Scope { return pim.Scope(strings.ToLower(path)) }

func scopesOf(ns []resource.Node) (ss []pim.Scope) {
	for _, n := range ns {
		ss = append(ss, n.Scope)
	}
	slices.Sort(ss)
	return ss
}

// keepsTree writes a tree in two tenants, looks for parts of it, and clears some in one.
func keepsTree(t *testing.T, s store.Store) {
	all := tree(t, tenant)
	must(t, s, store.Commit{Resources: all}, store.Commit{Resources: tree(t, "other")})
	group := sub + "/resourceGroups/rg-1"
	list := func(tn pim.TenantID, where store.Filter) []pim.Scope {
		t.Helper()
		var got []pim.Scope
		q := store.Query{Tenant: tn, Where: where, Limit: 2}
		for {
			p, err := s.Resources(t.Context(), q)
			want(t, "resources", err, nil)
			for _, n := range p.Rows {
				got = append(got, n.Scope)
			}
			if q.After = p.Next; len(p.Next) == 0 {
				break
			}
		}
		if !slices.IsSorted(got) {
			t.Errorf("got %q, want them in the order of their scopes", got)
		}
		return got
	}
	below := scopesOf([]resource.Node{all[3], all[4], all[9]})
	equal(t, "all", list(tenant, nil), scopesOf(all))
	equal(t, "below rg-1", list(tenant, store.Under{Field: store.FieldScope, Scopes: []pim.Scope{scope(group)}}), below)
	equal(t, "children", list(tenant, store.Is(store.FieldParent, scope(group))), scopesOf(all[4:5]))
	equal(t, "of a type", list(tenant, store.Is(store.FieldResourceType, "n.s/zones")), scopesOf(all[10:]))
	equal(t, "by name", list(tenant, store.Is(store.FieldDisplayName, "CORP")), scopesOf(all[:1]))
	by, err := s.ResourcesByScope(t.Context(), tenant, []pim.Scope{scope(corp), "/", "/nowhere"})
	want(t, "resources by scope", err, nil)
	equal(t, "resources by scope", by, all[:1])
	none, err := s.ResourcesByScope(t.Context(), tenant, nil)
	want(t, "no resources by scope", err, nil)
	equal(t, "no resources by scope", none, nil)

	again := all[3]
	again.Location = "here"
	rules := rulesAt(t, s, scope(group), scope(group)+"/providers/n.s/t/x", scope(group)+"0", pim.Everywhere)
	must(t, s, store.Commit{Cleared: []store.Place{{Tenant: tenant, Scope: scope(group)}, {Tenant: tenant, Scope: "/nowhere"}}, Resources: []resource.Node{again}})
	equal(t, "after clearing", list(tenant, nil), scopesOf(slices.Concat(all[:4], all[5:9], all[10:])))
	by, err = s.ResourcesByScope(t.Context(), tenant, []pim.Scope{scope(group)})
	want(t, "resources by scope", err, nil)
	equal(t, "what was written as it was cleared", by, []resource.Node{again})
	equal(t, "of another tenant", list("other", nil), scopesOf(all))
	left, err := s.Policies(t.Context(), tenant, rules)
	want(t, "policies", err, nil)
	if _, root := left[rules[3]]; len(left) != 2 || !root || left[rules[2]].Version != 1 {
		t.Errorf("of the policies %v there are %v, want the last two", rules, left)
	}
	for i, rule := range rules {
		other := rule
		other.Role, other.Provider = "writer", pim.Directory // of the same scope
		must(t, s, store.Commit{Policy: &store.PolicyEdit{Key: other, Policy: policy.Policy{Version: 1, Rules: policy.ForDirectoryRole()}}})
		rule.Role = ""
		there, err := s.PoliciesAt(t.Context(), rule)
		want(t, "policies at a scope", err, nil)
		if _, ok := there[rules[i]]; ok != (i > 1) || len(there) > 1 {
			t.Errorf("at %s there are the policies %v", rule.Scope, there)
		}
	}
	if err := s.Commit(t.Context(), store.Commit{Cleared: []store.Place{{Tenant: tenant}}}); err == nil {
		t.Error("clearing a place without a scope: got no error")
	}
	must(t, s, store.Commit{Cleared: []store.Place{{Tenant: tenant, Scope: pim.Everywhere}}})
	equal(t, "after clearing all", list(tenant, nil), nil)
	equal(t, "of another tenant", list("other", nil), scopesOf(all))
}

// findsAliases: a node is found by the id that is made of its scope, alone and among others, and goes with it.
func findsAliases(t *testing.T, s store.Store) {
	all := tree(t, tenant)
	all[1].Registered = start()
	must(t, s, store.Commit{Resources: all}, store.Commit{Resources: tree(t, "other")[:2]})
	find := func(what string, tn pim.TenantID, where store.Filter, want ...resource.Node) {
		t.Helper()
		p, err := s.Resources(t.Context(), store.Query{Tenant: tn, Where: where})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		equal(t, what, p.Rows, want)
	}
	of := func(n resource.Node) string { return resource.GovernanceID(n.Scope) }
	find("one", tenant, store.Is(store.FieldAlias, of(all[1])), all[1])
	find("several", tenant, store.In{Field: store.FieldAlias, Values: []string{of(all[3]), of(all[0]), "", "nobody's"}}, all[0], all[3])
	find("with another condition", tenant, store.And{store.Is(store.FieldAlias, of(all[3])), store.Is(store.FieldResourceKind, resource.Subscription)})
	find("of another tenant", "other", store.In{Field: store.FieldAlias, Values: []string{of(all[0]), of(all[3])}}, tree(t, "other")[0])
	find("none", tenant, store.Is(store.FieldAlias, nil))
	must(t, s, store.Commit{Cleared: []store.Place{{Tenant: tenant, Scope: all[1].Scope}}})
	find("what is gone", tenant, store.Is(store.FieldAlias, of(all[1])))
}

// rulesAt writes a policy of a role of resources at each of some scopes.
func rulesAt(t *testing.T, s store.Store, scopes ...pim.Scope) (keys []pim.RoleKey) {
	t.Helper()
	for _, at := range scopes {
		k := pim.RoleKey{Tenant: tenant, Provider: pim.Resource, Scope: at, Role: "reader"}
		p := policy.Policy{Version: 1, Rules: policy.ForResource()}
		must(t, s, store.Commit{Policy: &store.PolicyEdit{Key: k, Policy: p}})
		keys = append(keys, k)
	}
	return keys
}

// findsUnder compares what is listed below a few scopes, and below so many that a store may look in another way, with what
// the paths say.
func findsUnder(t *testing.T, s store.Store) {
	var commits []store.Commit
	var scopes []pim.Scope
	for i := range 200 {
		// Ones that begin alike, and paths of many lengths.
		at := pim.Scope(fmt.Sprintf("/subscriptions/%03d/x%s", i/2, strings.Repeat("y", i%60)))
		scopes = append(scopes, at)
		k := pim.Key{Tenant: tenant, Provider: pim.Resource, Scope: at, Role: "role", Principal: pim.PrincipalID(fmt.Sprintf("p-%d", i%3))}
		c := Activation(k, 0, fmt.Sprintf("id-%03d", i), start())
		if i%5 == 0 {
			c.Schedules[0].Ending, c.Schedules[0].Ended = pim.Expired, start()
		}
		commits = append(commits, c, store.Commit{Resources: []resource.Node{{Tenant: tenant, Scope: at, Parent: "/", Kind: resource.Resource}}})
	}
	for _, err := range s.CommitAll(t.Context(), commits) {
		want(t, "commit all", err, nil)
	}
	var alike, unlike []pim.Scope
	for i := range 90 {
		alike, unlike = append(alike, pim.Scope(fmt.Sprintf("/subscriptions/%03d", i))), append(unlike, scopes[2*i])
	}
	for name, under := range map[string][]pim.Scope{
		"none": nil, "an empty one": {""}, "the root": {"/"}, "the root and others": append(slices.Clone(alike), "/"), "one": {"/subscriptions/007"},
		"one in another": {"/subscriptions/007/xy", "/subscriptions/007", scopes[40]}, "a part of a name": {"/subscriptions/00"},
		"many alike": alike, "many of many lengths": unlike,
	} {
		where := store.Under{Field: store.FieldScope, Scopes: under}
		live := store.And{store.Is(store.FieldProvider, pim.Resource), store.LiveAt(start())}
		somebody := store.In{Field: store.FieldPrincipal, Values: []string{"p-0", "p-1"}}
		expect := func(f store.Filter) []pim.ScheduleID {
			var ids []pim.ScheduleID
			for _, c := range commits {
				for _, s := range c.Schedules {
					if ok, err := scheduleFields(s).holds(f); err != nil {
						t.Fatal(err)
					} else if ok {
						ids = append(ids, s.ID)
					}
				}
			}
			return ids
		}
		for _, f := range []store.Filter{
			where, append(live, where), append(live, somebody, where), store.And{live[0], where}, store.Not{Filter: where},
			append(live, store.Or{where, store.In{Field: store.FieldScope, Values: []string{string(scopes[3]), "/", ""}}}),
			append(live, store.Or{where, store.Is(store.FieldPrincipal, "p-2")}),
		} {
			p, err := s.Schedules(t.Context(), store.Query{Tenant: tenant, Where: f, Limit: 1000, Count: true})
			want(t, "schedules", err, nil)
			var got []pim.ScheduleID
			for _, r := range p.Rows {
				got = append(got, r.ID)
			}
			equal(t, name, got, expect(f))
			equal(t, name+": count", p.Count, len(got))
		}
		p, err := s.Requests(t.Context(), store.Query{Tenant: tenant, Where: store.And{live[0], where}, Limit: 1000})
		want(t, "requests", err, nil)
		equal(t, name+": requests", len(p.Rows), len(expect(where)))
		n, err := s.Resources(t.Context(), store.Query{Tenant: tenant, Where: where, Limit: 1000})
		want(t, "resources", err, nil)
		equal(t, name+": nodes", len(n.Rows), len(expect(where)))
	}
	for _, f := range []store.Filter{store.Under{Field: store.FieldKind, Scopes: []pim.Scope{"/"}}, store.Under{Field: store.FieldParent}} {
		if _, err := s.Schedules(t.Context(), store.Query{Tenant: tenant, Where: f}); err == nil {
			t.Errorf("%+v: got no error", f)
		}
	}
}

func onScope(at pim.Scope, who pim.PrincipalID) pim.Key {
	return pim.Key{Tenant: tenant, Provider: pim.Resource, Scope: at, Role: "role", Principal: who}
}

// climbsTree is what a decision about a resource rests on: whether it is there, what contains it, what may be activated there,
// and which activations rest on what is held above.
func climbsTree(t *testing.T, s store.Store) {
	host := scope(sub + "/resourceGroups/rg-1/providers/N.S/hosts/h")
	rg := scope(sub + "/resourceGroups/rg-1")
	eligible := func(id pim.ScheduleID, at pim.Scope, who pim.PrincipalID) pim.Schedule {
		return pim.Schedule{ID: id, Key: onScope(at, who), Kind: pim.Eligibility, Type: pim.Assigned, Window: schedule.Window{Start: start()}, Created: start()}
	}
	role := directory.Object{
		Tenant: tenant, ID: "role", Kind: directory.KindResourceRole, DisplayName: "Operator", Enabled: true, Created: start(),
		ResourceRole: &directory.ResourceRole{Assignable: []string{string(rg)}, Permissions: []rbac.Permission{{Actions: []string{"*"}}}},
	}
	foreign := eligible("elsewhere", scope(sub+"/resourceGroups/rg-10"), alice)
	active := activated("active", onScope(host, alice), "on-corp")
	must(t, s, store.Commit{
		Resources: tree(t, tenant), Objects: []directory.Object{role, User(tenant, alice)},
		Links: []directory.Link{memberBy("m", alice, "crew", schedule.Window{Start: start()})},
		Outcome: pim.Outcome{Key: onScope(scope(corp), "crew"), Schedules: []pim.Schedule{
			eligible("on-corp", scope(corp), "crew"), eligible("on-host", host, alice), eligible("on-root", "/", alice),
			eligible("below", host+"/disks/d", alice), foreign, active,
		}},
	})
	all := []pim.Scope{rg, scope(sub), scope(prod), scope(corp), "/"}
	for _, x := range []struct {
		at      pim.Scope
		known   bool
		wider   []pim.Scope
		backing []pim.ScheduleID
	}{
		{host, true, all, []pim.ScheduleID{"on-corp", "on-host", "on-root"}},
		{rg, true, all[1:], []pim.ScheduleID{"on-corp", "on-root"}},
		{scope(corp), true, all[4:], []pim.ScheduleID{"on-corp", "on-root"}},
		{"/", true, nil, []pim.ScheduleID{"on-root"}},
		{"/subscriptions/none", false, all[4:], []pim.ScheduleID{"on-root"}},
	} {
		needs := []pim.Need{{Key: onScope(x.at, alice), Actor: "bob", Backing: true}, {Key: caseKey(1), Backing: true}, {Key: onScope(x.at, alice), Clock: true}}
		cs, err := s.Cases(t.Context(), needs)
		want(t, "cases", err, nil)
		c := cs[0]
		equal(t, fmt.Sprintf("%s is there", x.at), c.ScopeKnown, x.known)
		equal(t, fmt.Sprintf("what contains %s", x.at), c.Wider, x.wider)
		var backing []pim.ScheduleID
		for _, b := range c.Backing {
			if backing = append(backing, b.Schedule.ID); b.Schedule.ID == "on-corp" && b.Version != 1 {
				t.Errorf("the version of what is held above: got %d, want 1", b.Version)
			}
		}
		equal(t, fmt.Sprintf("what may be activated at %s", x.at), backing, x.backing)
		equal(t, "role", c.Role, pim.Role{ID: "role", Name: "Operator", Enabled: true, Assignable: []pim.Scope{rg}})
		if len(cs[1].Backing) > 0 || cs[1].Role.ID != "" || cs[2].ScopeKnown {
			t.Errorf("got %+v and %+v, for the directory and for the clock", cs[1], cs[2])
		}
	}
	c, err := s.Case(t.Context(), pim.Need{Key: onScope(scope(corp), "crew"), Dependents: true})
	want(t, "case", err, nil)
	equal(t, "what rests on what is held above", c.Dependents, []pim.Dependent{{Schedule: active, Principal: User(tenant, alice).Principal()}})
	moved := node(t, tenant, prod, pim.Everywhere)
	must(t, s, store.Commit{Resources: []resource.Node{moved}})
	c, err = s.Case(t.Context(), pim.Need{Key: onScope(host, alice), Backing: true})
	want(t, "case", err, nil)
	equal(t, "what contains it after a move", c.Wider, []pim.Scope{rg, scope(sub), scope(prod), "/"})
	equal(t, "what may be activated after a move", len(c.Backing), 2)
	a, b := node(t, tenant, corp, moved.Scope), node(t, tenant, prod, scope(corp)) // nobody can make a circle; a store goes round none
	must(t, s, store.Commit{Resources: []resource.Node{a, b}})
	c, err = s.Case(t.Context(), pim.Need{Key: onScope(host, alice), Backing: true})
	want(t, "case", err, nil)
	equal(t, "what contains it in a circle", c.Wider, all)
}

// namesScheduleOnce gives several cases a schedule of the same id, one after the other and at once.
func namesScheduleOnce(t *testing.T, s store.Store) {
	commit := func(id pim.ScheduleID, who pim.PrincipalID, version int64, text string) store.Commit {
		k := onScope("/", who)
		return store.Commit{Outcome: pim.Outcome{Key: k, Version: version, Schedules: []pim.Schedule{{
			ID: id, Key: k, Kind: pim.Assignment, Type: pim.Assigned, Window: schedule.Window{Start: start()}, Created: start(), Description: text,
		}}}}
	}
	must(t, s, commit("id", alice, 0, "first"), commit("id", alice, 1, "second"))
	want(t, "the id of another", s.Commit(t.Context(), commit("id", "bob", 0, "third")), store.ErrStale)
	c, err := s.Case(t.Context(), pim.Need{Key: onScope("/", "bob")})
	want(t, "case", err, nil)
	if c.Version != 0 || len(c.Schedules) != 0 {
		t.Errorf("got %+v of a commit that was refused", c)
	}
	foreign := commit("id", "bob", 0, "of another tenant")
	foreign.Key.Tenant, foreign.Schedules[0].Key.Tenant = "other", "other"
	must(t, s, foreign)
	p, err := s.Schedules(t.Context(), store.Query{Tenant: tenant})
	want(t, "schedules", err, nil)
	if len(p.Rows) != 1 || p.Rows[0].Key.Principal != alice || p.Rows[0].Description != "second" {
		t.Errorf("got %+v, want what alice has", p.Rows)
	}
	for n := range rounds() / 10 {
		id := pim.ScheduleID(fmt.Sprintf("race-%d", n))
		var racers []func() error
		for i := range 3 {
			c := commit(id, pim.PrincipalID(fmt.Sprintf("p-%d-%d", n, i)), 0, "")
			racers = append(racers, func() error { return s.Commit(t.Context(), c) })
		}
		if won := race(t, store.ErrStale, racers...); won != 1 {
			t.Fatalf("round %d: got %d who have the id, want 1", n, won)
		}
	}
}

// keepsDenials writes deny assignments, lists those of a scope, and takes one back.
func keepsDenials(t *testing.T, s store.Store) {
	denial := func(tn pim.TenantID, id, at string) store.Denial {
		return store.Denial{Tenant: tn, Denial: rbac.Denial{ID: id, Scope: at, Name: "No " + id, Everybody: true, Created: start()}}
	}
	a, b, c := denial(tenant, "a", "/"), denial(tenant, "b", "/sub/s"), denial(tenant, "c", "/sub/s/rg")
	must(t, s, store.Commit{Denials: []store.Denial{a, b, c, denial("other", "a", "/")}})
	list := func(where store.Filter) []store.Denial {
		t.Helper()
		p, err := s.Denials(t.Context(), store.Query{Tenant: tenant, Where: where})
		want(t, "denials", err, nil)
		return p.Rows
	}
	equal(t, "all", list(nil), []store.Denial{a, b, c})
	equal(t, "by id", list(store.Is(store.FieldID, "b")), []store.Denial{b})
	equal(t, "below", list(store.Under{Field: store.FieldScope, Scopes: []pim.Scope{"/sub/s"}}), []store.Denial{b, c})
	changed := a
	changed.Name, changed.Updated = "Nothing", start().Add(time.Second)
	must(t, s, store.Commit{Undenied: []store.Denial{b, a}, Denials: []store.Denial{changed}})
	equal(t, "after a change", list(nil), []store.Denial{changed, c})
	var live []string
	err := s.LiveResources(t.Context(), func(resource.Node) error { return nil }, func(pim.TenantID, rbac.Role) error { return nil },
		func(d store.Denial) error {
			live = append(live, string(d.Tenant)+" "+d.ID)
			return nil
		})
	want(t, "live resources", err, nil)
	slices.Sort(live)
	stop := errors.New("stop")
	err = s.LiveResources(t.Context(), func(resource.Node) error { return nil }, func(pim.TenantID, rbac.Role) error { return nil },
		func(store.Denial) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("live resources: got error %v, want that of the function it calls", err)
	}
	equal(t, "live", live, []string{"other a", "tenant a", "tenant c"})
}
