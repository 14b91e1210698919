package access_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"portcullis/internal/abac"
	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

// oracleTree is what an oracle knows of a tenant's resources.
type oracleTree struct {
	parents map[pim.Scope]pim.Scope
	roles   map[pim.RoleID]rbac.Role
	denials map[string]rbac.Denial
}

func newOracleTree() *oracleTree {
	return &oracleTree{map[pim.Scope]pim.Scope{}, map[pim.RoleID]rbac.Role{}, map[string]rbac.Denial{}}
}

const (
	groupA   pim.Scope = "/providers/microsoft.management/managementgroups/a"
	groupB   pim.Scope = "/providers/microsoft.management/managementgroups/b"
	subOne   pim.Scope = "/subscriptions/00000000-0000-4000-8000-000000000001"
	subTwo   pim.Scope = "/subscriptions/00000000-0000-4000-8000-000000000002"
	subGroup           = subOne + "/resourcegroups/rg-1"
	likeIt             = subOne + "/resourcegroups/rg-10"
	server             = subGroup + "/providers/microsoft.sql/servers/s"
	database           = server + "/databases/d"
)

var (
	containers     = []pim.Scope{groupA, groupB, subOne, subTwo}
	resourceScopes = []pim.Scope{"/", groupA, groupB, subOne, subTwo, subGroup, likeIt, server, database}
	// fixedParents are those that paths tell.
	fixedParents = map[pim.Scope]pim.Scope{subGroup: subOne, likeIt: subOne, server: subGroup, database: server}
)

// contains says whether a scope lies at or below another, step by step up.
func (o *oracleTree) contains(wide, narrow pim.Scope) bool {
	for range 100 { // there may be circles
		if narrow == wide {
			return true
		}
		if fixed, ok := fixedParents[narrow]; ok {
			narrow = fixed
		} else {
			narrow = o.parents[narrow]
		}
	}
	return wide == "/"
}

// The conditions that grants, roles and denials may have, with what they mean.
var conditions = map[string]func(op rbac.Operation, about abac.Attributes, now time.Time) bool{
	"": func(rbac.Operation, abac.Attributes, time.Time) bool { return true },
	"@Request[Ns/thing:Color] StringEquals 'red'": func(_ rbac.Operation, about abac.Attributes, _ time.Time) bool {
		return red(about)
	},
	"!(ActionMatches{'A/x/write'}) OR (@Request[Ns/thing:Color] StringEquals 'red')": func(op rbac.Operation, about abac.Attributes, _ time.Time) bool {
		return !strings.EqualFold(op.Action, "A/x/write") || red(about)
	},
	"@Environment[UtcNow] DateTimeLessThan '2026-03-03T00:00:00Z'": func(_ rbac.Operation, _ abac.Attributes, now time.Time) bool {
		return now.Before(hour(24))
	},
	unreadable: nil,
}

const unreadable = "this is no condition ("

var conditionTexts = func() []string {
	var texts []string
	for text := range conditions {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}()

var color = abac.Name(abac.Request, "Ns/thing:Color")

func red(about abac.Attributes) bool { return slices.Contains(about[color], "red") }

func drawPermissions(t *rapid.T) []rbac.Permission {
	pattern := rapid.SampledFrom([]string{"*", "*", "*/read", "A/*", "a/X/*", "A/x/write", "A/*/read", "B/y"})
	list := func(label string, most int) []string { return rapid.SliceOfN(pattern, 0, most).Draw(t, label) }
	var all []rbac.Permission
	for range rapid.IntRange(1, 2).Draw(t, "permissions") {
		all = append(all, rbac.Permission{Actions: append(list("actions", 2), "*/x/*"), NotActions: list("not actions", 1), DataActions: list("data", 1),
			NotDataActions: list("not data", 1), Condition: rapid.SampledFrom(append([]string{"", "", ""}, conditionTexts...)).Draw(t, "condition of permission")})
	}
	return all
}

// change draws a change and makes it in the oracle.
func (o *oracleTree) change(t *rapid.T, tenant pim.TenantID) access.ResourceChange {
	c := access.ResourceChange{Tenant: tenant}
	switch rapid.IntRange(0, 11).Draw(t, "change") {
	case 0, 1, 2:
		for range rapid.IntRange(1, 3).Draw(t, "containers") {
			n := resource.Node{Tenant: tenant, Scope: rapid.SampledFrom(containers).Draw(t, "container"),
				Parent: rapid.SampledFrom([]pim.Scope{"", "/", groupA, groupB}).Draw(t, "parent")}
			n.Kind = resource.KindOf(n.Scope)
			o.parents[n.Scope] = cmp.Or(n.Parent, "/")
			c.Containers = append(c.Containers, n)
		}
		c.Containers = append(c.Containers, resource.Node{Tenant: tenant, Scope: subGroup, Parent: subOne, Kind: resource.Group})
	case 3:
		c.Gone = []pim.Scope{rapid.SampledFrom(resourceScopes).Draw(t, "gone")}
		delete(o.parents, c.Gone[0])
	case 4, 5:
		r := rbac.Role{ID: string(rapid.SampledFrom(roles).Draw(t, "custom role")), Permissions: drawPermissions(t)}
		o.roles[pim.RoleID(r.ID)] = r
		c.Roles = []rbac.Role{r}
	case 6:
		c.GoneRoles = []pim.RoleID{rapid.SampledFrom(roles).Draw(t, "gone role")}
		delete(o.roles, c.GoneRoles[0])
	case 7, 8, 9, 10:
		c.Denials = []rbac.Denial{drawDenial(t)}
		o.denials[c.Denials[0].ID] = c.Denials[0]
	case 11:
		c.GoneDenials = []string{fmt.Sprint("d", rapid.IntRange(0, 2).Draw(t, "gone denial"))}
		delete(o.denials, c.GoneDenials[0])
	}
	return c
}

func drawDenial(t *rapid.T) rbac.Denial {
	named := func(label string, most int) (list []rbac.Named) {
		for _, p := range rapid.SliceOfN(rapid.SampledFrom(people), 0, most).Draw(t, label) {
			list = append(list, rbac.Named{ID: string(p)})
		}
		return list
	}
	return rbac.Denial{
		ID:    fmt.Sprint("d", rapid.IntRange(0, 1).Draw(t, "denial")),
		Scope: string(rapid.SampledFrom(resourceScopes).Draw(t, "denied at")), NotBelow: rapid.Bool().Draw(t, "not below"),
		Everybody: rapid.Bool().Draw(t, "everybody"), Principals: named("denied", 2), Except: named("excepted", 1),
		Permissions: drawPermissions(t), Audit: rapid.IntRange(0, 3).Draw(t, "audit") == 0,
		Condition: rapid.SampledFrom(append([]string{"", "", ""}, conditionTexts...)).Draw(t, "condition of denial"),
	}
}

func (o *oracleTree) load(l *access.Loader, tenant pim.TenantID) error {
	for s, parent := range o.parents {
		if err := l.Container(resource.Node{Tenant: tenant, Scope: s, Parent: parent, Kind: resource.KindOf(s)}); err != nil {
			return err
		}
	}
	for _, r := range o.roles {
		if err := l.ResourceRole(tenant, r); err != nil {
			return err
		}
	}
	for _, d := range o.denials {
		if err := l.Denial(tenant, d); err != nil {
			return err
		}
	}
	return nil
}

func anyMatches(patterns []string, action string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return regexp.MustCompile("(?is)^" + strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*") + "$").MatchString(action)
	})
}

func entryMatches(p rbac.Permission, op rbac.Operation) bool {
	if op.Data {
		return anyMatches(p.DataActions, op.Action) && !anyMatches(p.NotDataActions, op.Action)
	}
	return anyMatches(p.Actions, op.Action) && !anyMatches(p.NotActions, op.Action)
}

// holds says whether a condition holds; ifUnreadable is what one is worth that cannot be read.
func conditionHolds(text string, op rbac.Operation, about abac.Attributes, now time.Time, ifUnreadable bool) bool {
	if text == unreadable {
		return ifUnreadable
	}
	return conditions[text](op, about, now)
}

// roleAllows is the verdict of one role under one condition.
func roleAllows(r rbac.Role, condition string, op rbac.Operation, about abac.Attributes, now time.Time) rbac.Verdict {
	v := rbac.NotAllowed
	for _, p := range r.Permissions {
		if !entryMatches(p, op) {
			continue
		}
		if conditionHolds(p.Condition, op, about, now, false) && conditionHolds(condition, op, about, now, false) {
			return rbac.Allowed
		}
		v = rbac.Constrained
	}
	return v
}

// denied says whether a deny assignment forbids an operation to somebody who is in groups.
func (o *oracleTree) denied(q access.ResourceQuestion, groups map[pim.PrincipalID]time.Time, now time.Time) bool {
	for _, d := range o.denials {
		is := func(n rbac.Named) bool {
			_, in := groups[pim.PrincipalID(n.ID)]
			return in || n.ID == string(q.Principal)
		}
		at := pim.Scope(d.Scope)
		reaches := at == q.Scope || !d.NotBelow && o.contains(at, q.Scope)
		names := (d.Everybody || slices.ContainsFunc(d.Principals, is)) && !slices.ContainsFunc(d.Except, is)
		if d.Audit || !reaches || !names || !conditionHolds(d.Condition, q.Operation, q.About, now, true) {
			continue
		}
		for _, p := range d.Permissions {
			if entryMatches(p, q.Operation) && conditionHolds(p.Condition, q.Operation, q.About, now, true) {
				return true
			}
		}
	}
	return false
}

// allowed answers a question about resources as the reference puts it, with until when, and by which schedules that allow it so long.
func (o *oracle) allowed(now time.Time, q access.ResourceQuestion) (v rbac.Verdict, end time.Time, by []pim.ScheduleID) {
	tree, groups := o.trees[q.Tenant], o.groups(now, q.Tenant, q.Principal)
	best := map[bool]time.Time{}
	ids := map[bool][]pim.ScheduleID{}
	any := false
	for _, s := range o.schedules {
		way, member := groups[s.Key.Principal]
		own := s.Key.Principal == q.Principal
		if own {
			way, member = forever, true
		}
		end, holds := o.ownHold(now, s)
		end = earlier(end, way)
		role, known := tree.roles[s.Key.Role]
		if s.Key.Tenant != q.Tenant || s.Key.Provider != pim.Resource || !member || !holds || !known || !tree.contains(s.Key.Scope, q.Scope) {
			continue
		}
		any = true
		one := roleAllows(role, s.Condition, q.Operation, q.About, now)
		v = max(v, one)
		if one == rbac.Allowed && !end.Before(best[own]) {
			if end.After(best[own]) {
				best[own], ids[own] = end, nil
			}
			ids[own] = append(ids[own], s.ID)
		}
	}
	own := len(ids[true]) > 0
	switch {
	case !any:
		return rbac.NotAllowed, time.Time{}, nil
	case tree.denied(q, groups, now):
		return rbac.Denied, time.Time{}, nil
	}
	return v, best[own], ids[own]
}

// permissions lists those of the roles that are held, by role.
func (o *oracle) permissions(now time.Time, t pim.TenantID, p pim.PrincipalID, at pim.Scope) []rbac.Permission {
	var all []rbac.Permission
	for _, id := range roles {
		role, known := o.trees[t].roles[id]
		if _, by := o.check(now, access.Question{Tenant: t, Principal: p, Provider: pim.Resource, Role: id, Scope: at}); known && len(by) > 0 {
			all = append(all, role.Permissions...)
		}
	}
	return all
}

var operations = []rbac.Operation{
	{Action: "A/x/read"}, {Action: "A/x/write"}, {Action: "a/X/y/READ"}, {Action: "B/y"}, {Action: "A/x/read", Data: true}, {Action: "B/y", Data: true},
}

// compareRights asks both everything about what one principal may do.
func (o *oracle) compareRights(t *rapid.T, ix *access.Index, now time.Time, tenant pim.TenantID, p pim.PrincipalID) {
	rights := ix.Rights(now, tenant, p)
	for _, scope := range resourceScopes {
		for _, op := range operations {
			for _, about := range []abac.Attributes{nil, {color: {"red"}}} {
				q := access.ResourceQuestion{Tenant: tenant, Principal: p, Operation: op, Scope: scope, About: about}
				want, end, by := o.allowed(now, q)
				got := ix.Allowed(now, q)
				if may := rights.May(op, scope, about); got.Verdict != want || may != want {
					t.Fatalf("%+v at %v: got %v and, by rights, %v, want %v", q, now, got.Verdict, may, want)
				}
				switch {
				case want != rbac.Allowed:
					if !got.Until.IsZero() || got.Schedule() != "" || got.Via != nil {
						t.Fatalf("%+v at %v: a no with reasons for a yes: %+v", q, now, got)
					}
				case orForever(got.Until).After(end), len(o.trees[tenant].denials) == 0 && orForever(got.Until).Before(end),
					!slices.Contains(by, got.Schedule()):
					t.Fatalf("%+v at %v: got %+v, want until %v by one of %v", q, now, got, end, by)
				default:
					o.checkTold(t, now, access.Question{Tenant: tenant, Principal: p}, told{got.Schedule(), got.Eligibility(), got.Request(), got.Scope, got.Via})
				}
			}
		}
		if d := gocmp.Diff(o.permissions(now, tenant, p, scope), ix.Permissions(now, tenant, p, scope), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("permissions of %s at %s at %v (-want +got):\n%s", p, scope, now, d)
		}
	}
}

// compareResourceHolders asks both who may do what.
func (o *oracle) compareResourceHolders(t *rapid.T, ix *access.Index, now time.Time) {
	for _, scope := range resourceScopes {
		for _, op := range operations {
			q := access.ResourceQuestion{Tenant: "t1", Operation: op, Scope: scope}
			var want, got []pim.PrincipalID
			for _, q.Principal = range people {
				if v, _, _ := o.allowed(now, q); v == rbac.Allowed {
					want = append(want, q.Principal)
				}
			}
			q.Principal = ""
			for after := pim.PrincipalID(""); ; {
				page := ix.ResourceHolders(now, q, after, 2)
				for _, h := range page {
					after = h.Principal
					got = append(got, after)
				}
				if len(page) < 2 {
					break
				}
			}
			if d := gocmp.Diff(want, got); d != "" {
				t.Fatalf("holders of %+v at %v (-want +got):\n%s", q, now, d)
			}
		}
	}
}

func (o *oracle) compareTree(t *rapid.T, ix *access.Index, tenant pim.TenantID) {
	tree := o.trees[tenant]
	for _, s := range resourceScopes {
		above := ix.Above(tenant, s)
		for _, w := range resourceScopes {
			got := slices.Contains(above, w) || w == s
			if want := tree.contains(w, s); got != want {
				t.Fatalf("%s above %s: got %v, want %v", w, s, got, want)
			}
		}
		var below []pim.Scope
		for _, c := range containers {
			if _, known := tree.parents[c]; known && tree.contains(s, c) {
				below = append(below, c)
			}
		}
		if _, known := tree.parents[s]; !known && s != "/" {
			below = nil
		}
		if d := gocmp.Diff(below, ix.ContainersBelow(tenant, s), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("containers below %s (-want +got):\n%s", s, d)
		}
	}
}

// What somebody may do to a resource is what a slow, obvious second evaluator says: wildcards, inheritance down the tree, roles
// that add up, conditions, activations as far as what they rest on holds, and denials that win.
func TestRightsAreThoseOfAnOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix, o := access.New(), newOracle()
		o.dense = true
		for _, id := range roles {
			r := rbac.Role{ID: string(id), Permissions: drawPermissions(t)}
			o.trees["t1"].roles[id] = r
			ix.Publish(access.Change{Resources: []access.ResourceChange{{Tenant: "t1", Roles: []rbac.Role{r}}}})
		}
		for range rapid.IntRange(5, 30).Draw(t, "steps") {
			o.step(t, ix)
		}
		for _, h := range []int{rapid.IntRange(0, 8).Draw(t, "early"), rapid.IntRange(8, 50).Draw(t, "late")} {
			now := hour(h).Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "nanoseconds")))
			for _, p := range o.people() {
				o.compareRights(t, ix, now, "t1", p)
			}
			o.compareResourceHolders(t, ix, now)
		}
		o.compareTree(t, ix, "t1")
	})
}

// What is allowed, or not, stays so until the answer says that it may change, as long as no condition asks for the time.
func TestWhatIsAllowedStaysSoUntilItMayChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix, o := access.New(), newOracle()
		o.dense = true
		for range rapid.IntRange(5, 30).Draw(t, "steps") {
			o.step(t, ix)
		}
		// The only condition on the time changes its mind then.
		now, last := hour(rapid.IntRange(0, 60).Draw(t, "now")), hour(120)
		if now.Before(hour(24)) {
			last = hour(24)
		}
		for _, p := range o.people() {
			for _, scope := range resourceScopes {
				for _, op := range operations {
					q := access.ResourceQuestion{Tenant: "t1", Principal: p, Operation: op, Scope: scope}
					a := ix.Allowed(now, q)
					may := orForever(later(a.Until, a.Next))
					if !may.After(now) || !a.Until.IsZero() && !a.Next.IsZero() {
						t.Fatalf("%+v at %v: got %+v", q, now, a)
					}
					for at := now; at.Before(may) && at.Before(last); at = at.Add(time.Hour) {
						if got := ix.Allowed(at, q).Verdict; (got == rbac.Allowed) != (a.Verdict == rbac.Allowed) {
							t.Fatalf("%+v: %v at %v, %v at %v, which is before %v", q, a.Verdict, now, got, at, may)
						}
					}
				}
			}
		}
	})
}

// Deny assignments name groups, and except them: who will be in such a group, or will leave one, is not promised more than until
// then.
func TestWhatIsAllowedEndsWithTheNextMoveBetweenGroups(t *testing.T) {
	to := func(group pim.PrincipalID) []rbac.Named { return []rbac.Named{{ID: string(group)}} }
	everything := []rbac.Permission{{Actions: []string{"*"}}}
	denied := rbac.Denial{ID: "d", Scope: "/", Principals: to("g"), Permissions: everything}
	excepted := rbac.Denial{ID: "d", Scope: "/", Everybody: true, Except: to("g"), Permissions: everything}
	from := member("a", "g", 9)
	from.Window.Start = hour(4)
	for _, c := range []struct {
		name        string
		denials     []rbac.Denial
		edge        access.Edge
		verdict     rbac.Verdict
		until, next time.Time
	}{
		{"nothing is denied", nil, member("a", "g", 4), rbac.Allowed, hour(20), time.Time{}},
		{"denied to a group from later on", []rbac.Denial{denied}, from, rbac.Allowed, hour(4), time.Time{}},
		{"denied to a group until later", []rbac.Denial{denied}, member("a", "g", 4), rbac.Denied, time.Time{}, hour(4)},
		{"a group is excepted, left later", []rbac.Denial{excepted}, member("a", "g", 4), rbac.Allowed, hour(4), time.Time{}},
		{"a group is excepted, joined later", []rbac.Denial{excepted}, from, rbac.Denied, time.Time{}, hour(4)},
	} {
		grant := grantOf("s", "a", 0, 20)
		grant.Key.Provider = pim.Resource
		ix := access.New()
		ix.Publish(access.Change{Schedules: []pim.Schedule{grant}, Links: []access.Edge{c.edge}, Resources: []access.ResourceChange{{
			Tenant: "t1", Roles: []rbac.Role{{ID: "r1", Permissions: everything}}, Denials: c.denials}}})
		got := ix.Allowed(hour(1), access.ResourceQuestion{Tenant: "t1", Principal: "a", Operation: operations[0], Scope: subOne})
		if got.Verdict != c.verdict || !got.Until.Equal(c.until) || !got.Next.Equal(c.next) {
			t.Errorf("%s: got %v until %v, next %v, want %v until %v, next %v", c.name, got.Verdict, got.Until, got.Next, c.verdict, c.until, c.next)
		}
	}
}
