package app_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// short are the nodes of a site by short names.
func short() map[pim.Scope]string {
	return map[pim.Scope]string{"/": "root", corp: "corp", lab: "lab", one: "one", two: "two", rg: "rg-1", rgTen: "rg-10", dbServer: "server", database: "database"}
}

// nodeAt makes a node of tenant 1 by its path.
func nodeAt(t testing.TB, path string) resource.Node {
	t.Helper()
	n, err := resource.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	n.Tenant = tenantID(1)
	return n
}

// seen lists what a person sees, by short names and pages of two.
func (h *house) seen(n int) []string {
	h.Helper()
	names := []string{}
	q := store.Query{Tenant: tenantID(1), Limit: 2}
	for {
		page, err := h.Nodes(context.Background(), h.as(1, n), q)
		if err != nil {
			h.Fatal(err)
		}
		for _, r := range page.Rows {
			names = append(names, short()[r.Scope])
		}
		if q.After = page.Next; len(page.Next) == 0 {
			slices.Sort(names)
			return names
		}
	}
}

// TestWhoSeesWhatOfTheTree: who reads something sees it with all below it, and the containers above it, and nothing else, there or not.
func TestWhoSeesWhatOfTheTree(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		for n, want := range map[int][]string{
			1: {"corp", "database", "lab", "one", "rg-1", "rg-10", "server", "two"},
			2: {"corp", "database", "one", "rg-1", "rg-10", "server"}, // Reader of one
			3: {"corp", "database", "one", "rg-1", "server"},          // by a group at rg-1; to be eligible for more shows nothing
			4: {"corp", "database", "one", "rg-1", "server"},
			5: {}, // not at nine in the morning
		} {
			if got := h.seen(n); !slices.Equal(got, want) {
				t.Errorf("person %d sees %v, want %v", n, got, want)
			}
			for scope, name := range short() {
				_, err := h.Node(t.Context(), h.as(1, n), tenantID(1), scope)
				code := pim.Forbidden
				if slices.Contains(want, name) || name == "root" && len(want) > 0 {
					code = ""
				}
				if got := codeOf(t, err); got != code {
					t.Errorf("person %d asks for %s: got %q, want %q", n, name, got, code)
				}
			}
			code := map[bool]pim.Code{true: pim.UnknownScope, false: pim.Forbidden}[n <= 2]
			if _, err := h.Node(t.Context(), h.as(1, n), tenantID(1), nowhere); codeOf(t, err) != code {
				t.Errorf("person %d asks for what is not there: got %v, want %s", n, err, code)
			}
		}
		h.pass(3 * time.Hour)
		if got, want := h.seen(5), []string{"corp", "one", "rg-10"}; !slices.Equal(got, want) {
			t.Errorf("at noon person 5 sees %v, want %v", got, want)
		}
		if _, err := h.Node(t.Context(), h.as(1, 1), tenantID(2), corp); codeOf(t, err) != pim.Forbidden {
			t.Errorf("in another tenant: got %v, want forbidden", err)
		}
		if page, err := h.Nodes(t.Context(), h.as(1, 1), store.Query{Tenant: tenantID(2)}); codeOf(t, err) != pim.Forbidden || len(page.Rows) > 0 {
			t.Errorf("a list of another tenant: got %d rows, %v, want forbidden", len(page.Rows), err)
		}
	})
}

// TestWhatCanBeMade is a table of facts: who may make what, where.
func TestWhatCanBeMade(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		deep := func(n *resource.Node) { n.Parent = "/providers/microsoft.management/managementgroups/l5" }
		for i, parent := range []pim.Scope{lab, "l1", "l2", "l3"} { // corp, lab, l1…l4 are six
			if !strings.HasPrefix(string(parent), "/") {
				parent = resource.ManagementGroupScope(string(parent))
			}
			n := nodeAt(t, string(resource.ManagementGroupScope(fmt.Sprint("l", i+1))))
			n.Parent = parent
			if _, _, err := h.PutNode(t.Context(), h.as(1, 1), n); err != nil {
				t.Fatalf("level %d: %v", i, err)
			}
		}
		const sub3, rgNew = "/subscriptions/00000000-0000-4000-8000-000000000003", string(one) + "/resourceGroups/new"
		for _, fact := range []struct {
			what string
			by   int
			path string
			edit func(*resource.Node)
			want pim.Code
		}{
			{"a subscription in the root", 1, sub3, nil, ""},
			{"one in another parent that is there", 1, sub3, func(n *resource.Node) { n.Parent = lab }, ""},
			{"one in a management group that is not there", 1, sub3, deep, pim.UnknownScope},
			{"one in a subscription", 1, sub3, func(n *resource.Node) { n.Parent = one }, pim.InvalidRequest},
			{"a management group at the seventh level", 1, "/providers/Microsoft.Management/managementGroups/x", func(n *resource.Node) { n.Parent = resource.ManagementGroupScope("l4") }, pim.InvalidRequest},
			{"one within itself", 1, string(corp), func(n *resource.Node) { n.Parent = lab }, pim.InvalidRequest},
			{"the root", 1, "/providers/Microsoft.Management/managementGroups/" + id(1, 0), nil, pim.InvalidScope},
			{"a management group by a stranger", 2, "/providers/Microsoft.Management/managementGroups/x", nil, pim.Forbidden},
			{"a resource group by a reader", 2, rgNew, nil, pim.Forbidden},
			{"a resource group by its owner", 1, rgNew, nil, ""},
			{"a resource group in nothing", 1, "/subscriptions/00000000-0000-4000-8000-00000000000f/resourceGroups/a", nil, pim.UnknownScope},
			{"a resource by a contributor", 4, string(rg) + "/providers/Acme.Shop/kiosks/k", nil, ""},
			{"a resource elsewhere by the same", 4, string(rgTen) + "/providers/Acme.Shop/kiosks/k", nil, pim.Forbidden},
			{"a child of nothing", 4, string(rg) + "/providers/Acme.Shop/kiosks/none/doors/d", nil, pim.UnknownScope},
			{"a child", 4, string(rg) + "/providers/Acme.Shop/kiosks/k/doors/d", nil, ""},
			{"an extension", 4, string(rg) + "/providers/Acme.Shop/kiosks/k/providers/Acme.Watch/eyes/e", nil, ""},
			{"a role assignment", 1, string(rg) + "/providers/Microsoft.Authorization/roleAssignments/a", nil, pim.InvalidScope},
			{"a bad name", 1, string(one) + "/resourceGroups/ends.", nil, pim.InvalidScope},
			{"too long a name", 1, string(one) + "/resourceGroups/" + strings.Repeat("x", 91), nil, pim.InvalidScope},
			{"too many tags", 1, rgNew, func(n *resource.Node) {
				n.Tags = map[string]string{}
				for i := range 51 {
					n.Tags[fmt.Sprint(i)] = ""
				}
			}, pim.InvalidRequest},
			{"what is no object", 1, string(rg) + "/providers/Acme.Shop/kiosks/k", func(n *resource.Node) { n.Further = []byte("[1]") }, pim.InvalidRequest},
			{"a title with a control character", 1, sub3, func(n *resource.Node) { n.DisplayName = "a\nb" }, pim.InvalidRequest},
		} {
			n := nodeAt(t, fact.path)
			if fact.edit != nil {
				fact.edit(&n)
			}
			if _, _, err := h.PutNode(t.Context(), h.as(1, fact.by), n); codeOf(t, err) != fact.want {
				t.Errorf("%s: got %v, want %q", fact.what, err, fact.want)
			}
		}
	})
}

// TestWhatIsPutIsReadBack: with its spelling as it was first written, and everything that came with it; the same again changes
// nothing and tells nothing.
func TestWhatIsPutIsReadBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		n := nodeAt(t, string(rg)+"/providers/Acme.Shop/kiosks/Front Door")
		n.Location, n.Tags, n.Further = "hall", map[string]string{"Stage": "prod"}, []byte(`{"properties":{"b":2,"a":[1]},"kind":"big"}`)
		made, created, err := h.PutNode(t.Context(), h.as(1, 4), n)
		if err != nil || !created {
			t.Fatalf("got %v, created %v", err, created)
		}
		told := len(h.events(1))
		again := n
		again.ID, again.Scope = strings.ToLower(n.ID), n.Scope
		if _, created, err = h.PutNode(t.Context(), h.as(1, 4), again); err != nil || created || len(h.events(1)) != told {
			t.Errorf("the same again: got %v, created %v, and %d events more", err, created, len(h.events(1))-told)
		}
		got, err := h.Node(t.Context(), h.as(1, 4), tenantID(1), n.Scope)
		if diff := cmp.Diff(made, got); err != nil || diff != "" || got.ID != n.ID || got.Parent != rg || string(got.Further) != string(n.Further) {
			t.Errorf("read back: %v\n%s\n%+v", err, diff, got)
		}
		h.pass(time.Minute)
		after, err := h.EditNode(t.Context(), h.as(1, 4), tenantID(1), n.Scope, func(n *resource.Node) error {
			n.Tags, n.Location = nil, "yard"
			return nil
		})
		if err != nil || after.Location != "yard" || after.Created != made.Created || !after.Modified.After(made.Modified) {
			t.Errorf("edited: got %+v, %v", after, err)
		}
		events := h.events(1)
		e := events[len(events)-1]
		kind, what, changes := e.Changes()
		want := []pim.Change{{Name: "location", Old: "hall", New: "yard"}, {Name: "tags.Stage", Old: "prod"}}
		if kind != "resource" || what != "changed" || e.Key.Scope != n.Scope || e.By.Principal != person(1, 4) || !cmp.Equal(changes, want) {
			t.Errorf("told: %+v", e)
		}
	})
}

// liveScopes lists the short names of the scopes at which tenant 1 has live grants of resources.
func (h *house) liveScopes() []string {
	var out []string
	for _, s := range h.schedules(1) {
		if s.Key.Provider == pim.Resource && s.Live(h.Time()) {
			out = append(out, short()[s.Key.Scope])
		}
	}
	slices.Sort(out)
	return out
}

// TestWhatIsDeletedTakesAllWithIt: what lies below goes, and what was held, waited for and forbidden there, in one commit.
func TestWhatIsDeletedTakesAllWithIt(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		asked := pim.Request{ID: pim.RequestID(id(1, 400)), Key: resourceKey(1, 3, owner, database), Kind: pim.Eligibility, Action: pim.SelfExtend,
			Status: pim.PendingAdminDecision, Created: h.now, Due: h.now.Add(time.Hour), By: h.as(1, 3).Actor}
		waits := store.Commit{Outcome: pim.Outcome{Key: asked.Key, Request: &asked, NewRequest: true}}
		if err := s.Commit(t.Context(), waits); err != nil {
			t.Fatal(err)
		}
		rules := []pim.RoleKey{resourceKey(1, 0, reader, database).Policy(), resourceKey(1, 0, reader, rgTen).Policy()}
		for _, k := range rules {
			if _, err := h.EditPolicy(t.Context(), h.as(1, 1), k, func(r *policy.Rules) error { r.EndUserAssignment.Enablement.Ticketing = true; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		for _, fact := range []struct {
			by    int
			scope pim.Scope
			want  pim.Code
		}{
			{4, rgTen, pim.Forbidden}, {4, nowhere, pim.Forbidden}, {1, nowhere, pim.UnknownScope}, {1, "/", pim.ScopeInUse},
			{1, corp, pim.ScopeInUse}, {1, lab, pim.ScopeInUse}, {4, rg, ""}, {1, two, ""}, {1, lab, ""},
		} {
			if err := h.DeleteNode(t.Context(), h.as(1, fact.by), tenantID(1), fact.scope); codeOf(t, err) != fact.want {
				t.Errorf("person %d deletes %s: got %v, want %q", fact.by, fact.scope, err, fact.want)
			}
		}
		if got, want := h.seen(1), []string{"corp", "one", "rg-10"}; !slices.Equal(got, want) {
			t.Errorf("left: %v, want %v", got, want)
		}
		if got, want := h.liveScopes(), []string{"corp", "one", "rg-10", "root"}; !slices.Equal(got, want) {
			t.Errorf("held at %v, want %v", got, want)
		}
		for _, r := range h.requests(1) {
			if r.ID == asked.ID && r.Status.Open() {
				t.Errorf("the request at the database waits on")
			}
		}
		if left, err := s.Policies(t.Context(), tenantID(1), rules); err != nil || len(left) != 1 || left[rules[1]].Version == 0 {
			t.Errorf("the rules that are left: %v, %v", left, err)
		}
		if got := h.Index.ContainersBelow(tenantID(1), "/"); !slices.Equal(got, []pim.Scope{corp, one}) {
			t.Errorf("the index knows %v", got)
		}
		deleted := map[string]bool{}
		for _, e := range h.events(1) {
			if _, what, _ := e.Changes(); what == "deleted" {
				deleted[short()[e.Key.Scope]] = true
			}
		}
		if want := map[string]bool{"rg-1": true, "server": true, "database": true, "two": true, "lab": true}; !maps.Equal(deleted, want) {
			t.Errorf("told to be deleted: %v, want %v", deleted, want)
		}
		if got := len(all(h, h.Store.Schedules, 2)); got == 0 {
			t.Error("the other tenant lost its grants")
		}
	})
}

// TestABigSubtreeGoesInSteps: many more nodes than one commit takes, each with its grants.
func TestABigSubtreeGoesInSteps(t *testing.T) {
	h := site(t, open(t, t.TempDir()))
	var nodes []resource.Node
	for i := range 1300 {
		nodes = append(nodes, nodeAt(t, fmt.Sprintf("%s/providers/Acme.Shop/kiosks/k%d", rgTen, i)))
	}
	if n, err := h.ImportTree(t.Context(), h.as(1, 1), tenantID(1), nodes); err != nil || n != 1300 {
		t.Fatalf("import: got %d, %v", n, err)
	}
	if err := h.Store.Commit(t.Context(), store.Commit{Outcome: pim.Outcome{Schedules: []pim.Schedule{
		givenAt(1, 50, pim.Assignment, 5, reader, nodes[1299].Scope, schedule.Window{Start: h.now}),
		givenAt(1, 51, pim.Eligibility, 5, owner, nodes[0].Scope, schedule.Window{Start: h.now}),
	}}}); err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteNode(t.Context(), h.as(1, 1), tenantID(1), rgTen); err != nil {
		t.Fatal(err)
	}
	page, err := h.Store.Resources(t.Context(), store.Query{Tenant: tenantID(1), Where: store.Under{Field: store.FieldScope, Scopes: []pim.Scope{rgTen}}})
	if err != nil || len(page.Rows) > 0 {
		t.Errorf("left: %d rows, %v", len(page.Rows), err)
	}
	if got := h.liveScopes(); slices.Contains(got, "") || slices.Contains(got, "rg-10") {
		t.Errorf("held at %v", got)
	}
	deleted := 0
	for _, e := range h.events(1) {
		if _, what, _ := e.Changes(); what == "deleted" {
			deleted++
		}
	}
	if deleted != 1301 {
		t.Errorf("told of %d deletions, want 1301", deleted)
	}
}

// activated is an activation of person 2 that rests on an eligibility.
func activated(h *house, n int, r pim.RoleID, at pim.Scope, on int) pim.Schedule {
	s := givenAt(1, n, pim.Assignment, 2, r, at, schedule.Window{Start: h.now, End: h.now.Add(8 * time.Hour)})
	s.Type, s.Eligibility = pim.Activated, pim.ScheduleID(id(1, 300+on))
	s.Due = s.Window.End
	return s
}

// TestActivationsFallWithTheirPlaceInTheTree: a subscription that leaves the management group at which somebody is eligible takes
// along what was activated there by that, and nothing else.
func TestActivationsFallWithTheirPlaceInTheTree(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		h.Doors = nil
		onCorp := givenAt(1, 20, pim.Eligibility, 2, contributor, corp, schedule.Window{Start: h.now})
		onLab := givenAt(1, 21, pim.Eligibility, 2, owner, lab, schedule.Window{Start: h.now})
		onTwo := givenAt(1, 22, pim.Eligibility, 2, reader, two, schedule.Window{Start: h.now})
		c := store.Commit{Outcome: pim.Outcome{Schedules: []pim.Schedule{onCorp, onLab, onTwo,
			activated(h, 30, contributor, two, 20), activated(h, 31, owner, two, 21), activated(h, 32, reader, two, 22),
			activated(h, 33, contributor, one, 20)}}}
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := h.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		left := func() (out []string) {
			for _, s := range h.schedules(1) {
				if s.Type == pim.Activated && s.Live(h.Time()) {
					out = append(out, string(s.ID[len(s.ID)-2:]))
				}
			}
			return out
		}
		for _, fact := range []struct {
			by     int
			onto   pim.Scope
			scope  pim.Scope
			want   pim.Code
			lasted []string
		}{
			{2, corp, two, pim.Forbidden, []string{"30", "31", "32", "33"}},
			{1, two, one, pim.InvalidRequest, []string{"30", "31", "32", "33"}},
			{1, resource.ManagementGroupScope("none"), two, pim.UnknownScope, []string{"30", "31", "32", "33"}},
			{1, lab, nowhere, pim.UnknownScope, []string{"30", "31", "32", "33"}},
			{1, corp, two, "", []string{"30", "32", "33"}}, // from lab into corp: still below corp
			{1, "/", lab, "", []string{"30", "32", "33"}},  // lab is empty now
			{1, "/", two, "", []string{"32", "33"}},        // out of corp
			{1, "/", two, "", []string{"32", "33"}},
			{1, lab, corp, "", []string{"32", "33"}}, // corp with one goes below lab
		} {
			if _, err := h.MoveNode(t.Context(), h.as(1, fact.by), tenantID(1), fact.scope, fact.onto); codeOf(t, err) != fact.want {
				t.Errorf("person %d moves %s into %s: got %v, want %q", fact.by, short()[fact.scope], fact.onto, err, fact.want)
			}
			if got := left(); !slices.Equal(got, fact.lasted) {
				t.Errorf("%s in %s: %v last, want %v", short()[fact.scope], fact.onto, got, fact.lasted)
			}
		}
		for _, s := range h.schedules(1) {
			if s.ID == pim.ScheduleID(id(1, 330)) && s.Ending != pim.Undermined {
				t.Errorf("ended as %d, want undermined", s.Ending)
			}
		}
		if got := h.Index.Above(tenantID(1), one); !slices.Equal(got, []pim.Scope{corp, lab, "/"}) {
			t.Errorf("above one: %v", got)
		}
	})
}

// TestResourcesMoveAlone: with what lies below them, and without what was held at them.
func TestResourcesMoveAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		for _, fact := range []struct {
			by     int
			scopes []pim.Scope
			onto   pim.Scope
			want   pim.Code
		}{
			{4, []pim.Scope{dbServer}, rgTen, pim.Forbidden}, // no right at the other end
			{1, []pim.Scope{database}, rgTen, pim.InvalidRequest},
			{1, []pim.Scope{rg}, rgTen, pim.InvalidRequest},
			{1, nil, rgTen, pim.InvalidRequest},
			{1, []pim.Scope{dbServer}, two, pim.InvalidRequest},
			{1, []pim.Scope{dbServer}, nowhere, pim.UnknownScope},
			{1, []pim.Scope{rg + "/providers/microsoft.sql/servers/none"}, rgTen, pim.UnknownScope},
			{1, []pim.Scope{dbServer}, rg, pim.InvalidRequest},
		} {
			if _, err := h.MoveResources(t.Context(), h.as(1, fact.by), tenantID(1), fact.scopes, fact.onto); codeOf(t, err) != fact.want {
				t.Errorf("%v into %s: got %v, want %q", fact.scopes, fact.onto, err, fact.want)
			}
		}
		if err := h.ValidateMove(t.Context(), h.as(1, 1), tenantID(1), []pim.Scope{dbServer}, rgTen); err != nil {
			t.Errorf("would move: %v", err)
		}
		moved, err := h.MoveNode(t.Context(), h.as(1, 1), tenantID(1), dbServer, rgTen)
		if err != nil || moved.Scope != rgTen+"/providers/microsoft.sql/servers/s" || moved.Parent != rgTen {
			t.Fatalf("got %+v, %v", moved, err)
		}
		found, err := h.NodesByScope(t.Context(), tenantID(1), []pim.Scope{dbServer, database, moved.Scope, moved.Scope + "/databases/d"})
		if err != nil || len(found) != 2 || found[moved.Scope+"/databases/d"].Parent != moved.Scope {
			t.Errorf("there are %v, %v", found, err)
		}
		if got, want := h.liveScopes(), []string{"corp", "lab", "one", "rg-1", "rg-1", "rg-10", "root"}; !slices.Equal(got, want) {
			t.Errorf("held at %v, want %v", got, want)
		}
		// Another server of that name in the old place cannot follow.
		if _, _, err := h.PutNode(t.Context(), h.as(1, 1), nodeAt(t, string(dbServer))); err != nil {
			t.Fatal(err)
		}
		if _, err := h.MoveNode(t.Context(), h.as(1, 1), tenantID(1), dbServer, rgTen); codeOf(t, err) != pim.AlreadyThere {
			t.Errorf("onto another: got %v, want already there", err)
		}
	})
}

// TestAnImportGoesOnWhereItBrokeOff: whatever the order of its nodes; what is refused is named, and nothing of its step is written.
func TestAnImportGoesOnWhereItBrokeOff(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		var nodes []resource.Node
		for i := range 900 {
			nodes = append(nodes, nodeAt(t, fmt.Sprintf("%s/resourceGroups/g%03d", one, i)))
		}
		branch, leaf, sub := nodeAt(t, string(resource.ManagementGroupScope("branch"))), nodeAt(t, string(resource.ManagementGroupScope("a-leaf"))),
			nodeAt(t, "/subscriptions/00000000-0000-4000-8000-000000000009")
		branch.Parent, leaf.Parent, sub.Parent = corp, branch.Scope, leaf.Scope
		bad := nodeAt(t, string(one)+"/resourceGroups/g899/providers/Acme.Shop/kiosks/k")
		bad.Further = []byte("[]")
		nodes = append(nodes, bad, sub, leaf, branch)
		slices.Reverse(nodes[:400])
		n, err := h.ImportTree(t.Context(), h.as(1, 1), tenantID(1), nodes)
		if codeOf(t, err) != pim.InvalidRequest || !strings.Contains(err.Error(), bad.ID) || n != 500 {
			t.Fatalf("got %d, %v, want 500 and a refusal that names %s", n, err, bad.ID)
		}
		nodes[900].Further = nil
		if n, err = h.ImportTree(t.Context(), h.as(1, 1), tenantID(1), nodes); err != nil || n != 404 {
			t.Errorf("once more: got %d, %v, want 404", n, err)
		}
		told := len(h.events(1))
		if n, err = h.ImportTree(t.Context(), h.as(1, 1), tenantID(1), nodes); err != nil || n != 0 || len(h.events(1)) != told {
			t.Errorf("a third time: got %d, %v, want nothing", n, err)
		}
		if got := h.Index.Above(tenantID(1), sub.Scope); !slices.Equal(got, []pim.Scope{leaf.Scope, branch.Scope, corp, "/"}) {
			t.Errorf("above the new subscription: %v", got)
		}
		for by, want := range map[int]pim.Code{4: "", 5: pim.Forbidden} {
			if n, err := h.ImportTree(t.Context(), h.as(1, by), tenantID(1), []resource.Node{nodeAt(t, string(rg))}); codeOf(t, err) != want || n != 0 {
				t.Errorf("what is so already, by person %d: got %d, %v, want %q", by, n, err, want)
			}
		}
		if _, err := h.ImportTree(t.Context(), h.as(1, 1), tenantID(1), append(nodes, nodes[0])); codeOf(t, err) != pim.InvalidRequest {
			t.Errorf("twice the same: got %v", err)
		}
	})
}

// TestTheTreeStaysATree: whatever is made, moved and deleted by whoever at once, every node has a parent that is there, nothing lies
// within itself or deeper than it may, and the index knows the same tree as the store.
func TestTheTreeStaysATree(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			tenant := 0
			rapid.Check(t, func(rt *rapid.T) {
				tenant++
				h := newHouse(t, s)
				h.settle(tenant)
				grant := givenAt(tenant, 1, pim.Assignment, 1, owner, "/", schedule.Window{Start: h.now})
				if err := s.Commit(t.Context(), store.Commit{Outcome: pim.Outcome{Schedules: []pim.Schedule{grant}}}); err != nil {
					t.Fatal(err)
				}
				h.Index.Publish(access.Change{Schedules: []pim.Schedule{grant}})
				for range rapid.IntRange(1, 12).Draw(rt, "rounds") {
					var wait sync.WaitGroup
					for range rapid.IntRange(1, 3).Draw(rt, "at once") {
						step := drawStep(rt, h, tenant)
						wait.Go(func() {
							if _, refused := errors.AsType[*pim.Refusal](step()); !refused {
								return
							}
						})
					}
					wait.Wait()
				}
				wholeTree(rt, h, tenant)
			})
		})
	}
}

// drawStep draws a change of a small tree.
func drawStep(rt *rapid.T, h *house, tenant int) func() error {
	group := rapid.Custom(func(t *rapid.T) pim.Scope {
		return resource.ManagementGroupScope(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "group"))
	})
	anywhere := rapid.SampledFrom([]pim.Scope{one, two, rg, rgTen, dbServer, database})
	scope := rapid.OneOf(group, anywhere).Draw(rt, "scope")
	parent := rapid.OneOf(group, rapid.Just(pim.Everywhere)).Draw(rt, "parent")
	by, t := h.as(tenant, 1), tenantID(tenant)
	switch rapid.IntRange(0, 4).Draw(rt, "step") {
	case 0:
		return func() error { return h.DeleteNode(context.Background(), by, t, scope) }
	case 1:
		return func() error {
			_, err := h.MoveNode(context.Background(), by, t, scope, parent)
			return err
		}
	}
	n, err := resource.Parse(string(scope))
	if err != nil {
		rt.Fatal(err)
	}
	n.Tenant = t
	if n.Kind == resource.ManagementGroup || n.Kind == resource.Subscription {
		n.Parent = parent
	}
	return func() error {
		_, _, err := h.PutNode(context.Background(), by, n)
		return err
	}
}

func wholeTree(rt *rapid.T, h *house, tenant int) {
	page, err := h.Store.Resources(context.Background(), store.Query{Tenant: tenantID(tenant), Limit: 1000})
	if err != nil {
		rt.Fatal(err)
	}
	at := map[pim.Scope]resource.Node{}
	for _, n := range page.Rows {
		at[n.Scope] = n
	}
	var containers []pim.Scope
	for _, n := range page.Rows {
		levels := 0
		for up := n; up.Scope != ""; levels++ {
			parent, there := at[up.Parent]
			if up.Parent != pim.Everywhere && !there || levels > 20 {
				rt.Fatalf("above %s: %s is there: %v, at level %d", n.Scope, up.Parent, there, levels)
			}
			up = parent
		}
		if n.Kind == resource.ManagementGroup && levels > 6 {
			rt.Fatalf("%s is at level %d", n.Scope, levels)
		}
		if n.Kind == resource.ManagementGroup || n.Kind == resource.Subscription {
			containers = append(containers, n.Scope)
			if up := h.Index.Above(tenantID(tenant), n.Scope); up[0] != n.Parent {
				rt.Fatalf("the index has %s in %s, the store in %s", n.Scope, up[0], n.Parent)
			}
		}
	}
	if known := h.Index.ContainersBelow(tenantID(tenant), "/"); !slices.Equal(known, containers) {
		rt.Fatalf("the index knows %v, the store %v", known, containers)
	}
}
