package access_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// oracle answers what the index answers, by looking at everything.
type oracle struct {
	schedules map[pim.ScheduleID]pim.Schedule
	edges     map[[4]string]access.Edge
	trees     map[pim.TenantID]*oracleTree
	// dense draws are of one tenant, few people and resources alone, and most of them hold.
	dense bool
}

func newOracle() *oracle {
	o := &oracle{map[pim.ScheduleID]pim.Schedule{}, map[[4]string]access.Edge{}, map[pim.TenantID]*oracleTree{}, false}
	for _, t := range tenants {
		o.trees[t] = newOracleTree()
	}
	return o
}

func edgeKey(e access.Edge) [4]string {
	return [4]string{string(e.Tenant), string(e.Group), string(e.Member), string(e.Schedule)}
}

// forever is later than any end in these tests.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func orForever(t time.Time) time.Time {
	if t.IsZero() {
		return forever
	}
	return t
}

func orNone(t time.Time) time.Time {
	if t.Equal(forever) {
		return time.Time{}
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// groups returns the groups above a principal, with the end of the way that holds longest.
func (o *oracle) groups(now time.Time, t pim.TenantID, p pim.PrincipalID) map[pim.PrincipalID]time.Time {
	ends := map[pim.PrincipalID]time.Time{}
	for changed := true; changed; {
		changed = false
		for _, e := range o.edges {
			from, member := ends[e.Member]
			if e.Member == p {
				from, member = forever, true
			}
			in, holds := e.At(now)
			if e.Tenant != t || !member || !holds {
				continue
			}
			end := earlier(from, orForever(in.End))
			if known, there := ends[e.Group]; !there || known.Before(end) {
				ends[e.Group], changed = end, true
			}
		}
	}
	return ends
}

// ownHold says until when a schedule holds, with all that it rests on.
func (o *oracle) ownHold(now time.Time, s pim.Schedule) (time.Time, bool) {
	in, ok := s.Window.At(now)
	if !ok || s.Ending != pim.NotEnded || s.Kind != pim.Assignment {
		return time.Time{}, false
	}
	end := orForever(in.End)
	if s.Type != pim.Activated {
		return end, true
	}
	e, ok := o.schedules[s.Eligibility]
	in, holds := e.Window.At(now)
	same := e.Key.Tenant == s.Key.Tenant && e.Key.Provider == s.Key.Provider && e.Key.Role == s.Key.Role
	same = same && (s.Key.Provider != pim.Resource || o.trees[s.Key.Tenant].contains(e.Key.Scope, s.Key.Scope))
	if !ok || !holds || !same || e.Ending != pim.NotEnded || e.Kind != pim.Eligibility {
		return time.Time{}, false
	}
	end = earlier(end, orForever(in.End))
	if e.Key.Principal == s.Key.Principal {
		return end, true
	}
	way, member := o.groups(now, s.Key.Tenant, s.Key.Principal)[e.Key.Principal]
	return earlier(end, way), member
}

// check returns until when the role is held, and by which schedules that hold so long.
func (o *oracle) check(now time.Time, q access.Question) (end time.Time, by []pim.ScheduleID) {
	groups := o.groups(now, q.Tenant, q.Principal)
	best := map[bool]time.Time{}
	ids := map[bool][]pim.ScheduleID{}
	for _, s := range o.schedules {
		scope := s.Key.Scope == q.Scope || q.Provider == pim.Directory && s.Key.Scope == "/" ||
			q.Provider == pim.Resource && o.trees[q.Tenant].contains(s.Key.Scope, q.Scope)
		if s.Key.Tenant != q.Tenant || s.Key.Provider != q.Provider || s.Key.Role != q.Role || !scope {
			continue
		}
		own := s.Key.Principal == q.Principal
		way, member := groups[s.Key.Principal]
		if own {
			way, member = forever, true
		}
		end, holds := o.ownHold(now, s)
		if end = earlier(end, way); !member || !holds || end.Before(best[own]) {
			continue
		}
		if end.After(best[own]) {
			best[own], ids[own] = end, nil
		}
		ids[own] = append(ids[own], s.ID)
	}
	if len(ids[true]) > 0 {
		return best[true], ids[true]
	}
	return best[false], ids[false]
}

func (o *oracle) members(now time.Time, t pim.TenantID, group pim.PrincipalID) []pim.PrincipalID {
	var all []pim.PrincipalID
	for _, p := range people {
		if _, ok := o.groups(now, t, p)[group]; ok {
			all = append(all, p)
		}
	}
	return all
}

func (o *oracle) held(now time.Time, t pim.TenantID, p pim.PrincipalID) []pim.HeldRole {
	groups := o.groups(now, t, p)
	groups[p] = forever
	ends := map[pim.HeldRole]time.Time{}
	for _, s := range o.schedules {
		way, member := groups[s.Key.Principal]
		end, holds := o.ownHold(now, s)
		k := pim.HeldRole{Provider: s.Key.Provider, Role: s.Key.Role, Scope: s.Key.Scope}
		if end = earlier(end, way); s.Key.Tenant == t && member && holds && end.After(ends[k]) {
			ends[k] = end
		}
	}
	var all []pim.HeldRole
	for k, end := range ends {
		k.Until = orNone(end)
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b pim.HeldRole) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Scope, b.Scope))
	})
	return all
}

var (
	tenants = []pim.TenantID{"t1", "t2"}
	// people may each be a member of each. Their ids are ordered, and of all kinds: UUIDs, UUIDs that are not kept as such, other texts.
	people = []pim.PrincipalID{"11111111-1111-4111-8111-111111111111", "22222222-AAAA-4222-8222-222222222222", "a", "b",
		"ff6e6f20-5555-4944-ff00-000000000001"}
	providers = []pim.Provider{pim.Directory, pim.Group, pim.Resource}
	roles     = []pim.RoleID{"r1", "r2"}
	monday    = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
)

func scopesOf(p pim.Provider) []pim.Scope {
	if p == pim.Resource {
		return resourceScopes
	}
	return []pim.Scope{"/", "/administrativeUnits/u", "/o"}
}

func hour(h int) time.Time { return monday.Add(time.Duration(h) * time.Hour) }

func drawInterval(t *rapid.T) schedule.Interval {
	i := schedule.Interval{Start: hour(rapid.IntRange(0, 40).Draw(t, "start"))}
	if rapid.Bool().Draw(t, "ends") {
		i.End = i.Start.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "hours")) * time.Hour)
	}
	return i
}

func drawWindow(t *rapid.T) schedule.Window {
	i := drawInterval(t)
	w := schedule.Window{Start: i.Start, End: i.End}
	if rapid.IntRange(0, 3).Draw(t, "recurs") == 0 {
		w.Length = schedule.MustDuration(rapid.SampledFrom([]string{"PT1H", "PT8H", "PT30H"}).Draw(t, "length"))
		w.Recurrence = &schedule.Recurrence{
			Pattern: schedule.Pattern{Type: schedule.Daily, Interval: rapid.IntRange(1, 2).Draw(t, "every")},
			Range:   schedule.Range{Type: schedule.NoEnd, StartDate: schedule.Date{Year: 2026, Month: time.March, Day: i.Start.Day()}},
		}
	}
	return w
}

func (o *oracle) drawWindow(t *rapid.T) schedule.Window {
	w := drawWindow(t)
	if o.dense && w.Recurrence == nil {
		w.Start = hour(w.Start.Hour() % 6)
		if !w.End.IsZero() {
			w.End = w.Start.Add(30 * time.Hour)
		}
	}
	return w
}

func (o *oracle) people() []pim.PrincipalID {
	if o.dense {
		return people[:3]
	}
	return people
}

func drawScheduleID(t *rapid.T, label string) pim.ScheduleID {
	n := rapid.IntRange(0, 11).Draw(t, label)
	if n%2 == 0 {
		return pim.ScheduleID(fmt.Sprintf("%08x-7777-4000-8000-%012x", n, n))
	}
	return pim.ScheduleID(fmt.Sprint("s", n))
}

// drawSchedule draws a new state of one of a few schedules; its key never changes.
func (o *oracle) drawSchedule(t *rapid.T) pim.Schedule {
	id := drawScheduleID(t, "id")
	s, known := o.schedules[id]
	if !known {
		s = pim.Schedule{ID: id, Kind: pim.Assignment, Type: pim.Assigned, Key: pim.Key{
			Tenant:    rapid.SampledFrom(tenants).Draw(t, "tenant"),
			Provider:  rapid.SampledFrom(providers).Draw(t, "provider"),
			Role:      rapid.SampledFrom(roles).Draw(t, "role"),
			Principal: rapid.SampledFrom(o.people()).Draw(t, "principal"),
		}}
		if o.dense {
			s.Key.Tenant, s.Key.Provider = "t1", pim.Resource
		}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			s.Kind = pim.Eligibility
		case 1:
			s.Type = pim.Activated
			s.Eligibility = drawScheduleID(t, "eligibility")
			// A role and tenant of its own would never fit the eligibility.
			if e, ok := o.schedules[s.Eligibility]; ok {
				s.Key.Tenant, s.Key.Provider, s.Key.Role = e.Key.Tenant, e.Key.Provider, e.Key.Role
			}
		}
		s.Key.Scope = rapid.SampledFrom(scopesOf(s.Key.Provider)).Draw(t, "scope")
	}
	if s.Key.Provider == pim.Resource {
		s.Condition = rapid.SampledFrom(conditionTexts).Draw(t, "condition")
	}
	s.Request = rapid.SampledFrom([]pim.RequestID{"", "q", "33333333-3333-4333-8333-333333333333", pim.RequestID(id)}).Draw(t, "request")
	s.Window = o.drawWindow(t)
	s.Ending = rapid.SampledFrom([]pim.Ending{pim.NotEnded, pim.NotEnded, pim.NotEnded, pim.Expired, pim.Removed}).Draw(t, "ending")
	return s
}

func (o *oracle) drawEdge(t *rapid.T) access.Edge {
	tenant := tenants[0]
	if !o.dense {
		tenant = rapid.SampledFrom(tenants).Draw(t, "tenant")
	}
	return access.Edge{Tenant: tenant, Membership: pim.Membership{
		Group:  rapid.SampledFrom(o.people()).Draw(t, "group"),
		Member: rapid.SampledFrom(o.people()).Draw(t, "member"),
		// Several between the same two, by different schedules, which may be the member's own or anybody's; some of none.
		Schedule: rapid.SampledFrom([]pim.ScheduleID{"", "m1", "m2", drawScheduleID(t, "schedule of the edge")}).Draw(t, "by"),
		Window:   o.drawWindow(t),
	}}
}

// step makes one change in both, or several at once.
func (o *oracle) step(t *rapid.T, ix *access.Index) {
	if rapid.IntRange(0, 13).Draw(t, "step") == 0 {
		if err := ix.Fill(o.load); err != nil {
			t.Fatalf("Fill: %v", err)
		}
		return
	}
	var changes []access.Change
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		changes = append(changes, o.change(t))
	}
	ix.Publish(changes...)
}

// change draws a change, and makes it in the oracle.
func (o *oracle) change(t *rapid.T) (c access.Change) {
	switch rapid.IntRange(0, 11).Draw(t, "change") {
	default:
		for range rapid.IntRange(1, 3).Draw(t, "schedules") {
			s := o.drawSchedule(t)
			o.schedules[s.ID] = s
			c.Schedules = append(c.Schedules, s)
		}
	case 5, 6, 7:
		for range rapid.IntRange(1, 3).Draw(t, "edges") {
			e := o.drawEdge(t)
			o.edges[edgeKey(e)] = e
			c.Links = append(c.Links, e)
		}
	case 8:
		e := o.drawEdge(t)
		delete(o.edges, edgeKey(e))
		c.Unlinks = []access.Edge{e}
	case 9, 10, 11:
		tenant := tenants[0]
		if !o.dense {
			tenant = rapid.SampledFrom(tenants).Draw(t, "tenant of resources")
		}
		c.Resources = []access.ResourceChange{o.trees[tenant].change(t, tenant)}
	}
	return c
}

func (o *oracle) load(l *access.Loader) error {
	for _, s := range o.schedules {
		if err := l.Schedule(s); err != nil {
			return err
		}
	}
	for _, e := range o.edges {
		if err := l.Link(e); err != nil {
			return err
		}
	}
	for tenant, tree := range o.trees {
		if err := tree.load(l, tenant); err != nil {
			return err
		}
	}
	return nil
}

// compareHolders asks both who holds what.
func (o *oracle) compareHolders(t *rapid.T, ix *access.Index, now time.Time, tenant pim.TenantID) {
	after, limit := rapid.SampledFrom(append(people, "", "5")).Draw(t, "after"), rapid.IntRange(0, 6).Draw(t, "limit")
	for _, provider := range providers {
		for _, role := range roles {
			for _, scope := range scopesOf(provider) {
				q := access.Question{Tenant: tenant, Provider: provider, Role: role, Scope: scope}
				var want []access.Holder
				for _, q.Principal = range people {
					if end, by := o.check(now, q); len(by) > 0 && q.Principal > after && len(want) < limit {
						want = append(want, access.Holder{Principal: q.Principal, Until: orNone(end)})
					}
				}
				if d := gocmp.Diff(want, ix.Holders(now, q, after, limit)); d != "" {
					t.Fatalf("%d holders after %q of %+v at %v (-want +got):\n%s", limit, after, q, now, d)
				}
			}
		}
	}
}

// compare asks both everything about one principal.
func (o *oracle) compare(t *rapid.T, ix *access.Index, now time.Time, tenant pim.TenantID, p pim.PrincipalID) {
	for _, provider := range providers {
		for _, role := range roles {
			for _, scope := range scopesOf(provider) {
				o.compareCheck(t, ix, now, access.Question{Tenant: tenant, Principal: p, Provider: provider, Role: role, Scope: scope})
			}
		}
	}
	want := slices.Collect(func(yield func(pim.PrincipalID) bool) {
		for _, q := range people {
			if _, ok := o.groups(now, tenant, p)[q]; ok && !yield(q) {
				return
			}
		}
	})
	for name, d := range map[string]string{
		"groups above": gocmp.Diff(want, ix.GroupsAbove(now, tenant, p), cmpopts.EquateEmpty()),
		"members":      gocmp.Diff(o.members(now, tenant, p), ix.Members(now, tenant, p), cmpopts.EquateEmpty()),
		"held":         gocmp.Diff(o.held(now, tenant, p), ix.Held(now, tenant, p), cmpopts.EquateEmpty()),
	} {
		if d != "" {
			t.Fatalf("%s of %s in %s at %v (-want +got):\n%s", name, p, tenant, now, d)
		}
	}
}

func (o *oracle) compareCheck(t *rapid.T, ix *access.Index, now time.Time, q access.Question) {
	end, by := o.check(now, q)
	got := ix.Check(now, q)
	switch {
	case got.Held != (len(by) > 0):
		t.Fatalf("%+v at %v: got %+v, want held %v", q, now, got, len(by) > 0)
	case !got.Held:
		if got.Reason >= access.ByAssignment || !got.Until.IsZero() || got.Schedule() != "" || got.Via != nil {
			t.Fatalf("%+v at %v: a no with reasons for a yes: %+v", q, now, got)
		}
		return
	case !orForever(got.Until).Equal(end), !slices.Contains(by, got.Schedule()):
		t.Fatalf("%+v at %v: got %+v, want until %v by one of %v", q, now, got, end, by)
	}
	o.checkWay(t, now, q, got)
}

// checkWay follows the groups from the principal to the schedule.
func (o *oracle) checkWay(t *rapid.T, now time.Time, q access.Question, got access.Answer) {
	o.checkTold(t, now, q, told{got.Schedule(), got.Eligibility(), got.Request(), got.Scope, got.Via})
}

// told is what an answer says of the schedule by which something is held.
type told struct {
	schedule, eligibility pim.ScheduleID
	request               pim.RequestID
	scope                 pim.Scope
	via                   []pim.PrincipalID
}

func (o *oracle) checkTold(t *rapid.T, now time.Time, q access.Question, got told) {
	at := q.Principal
	for _, g := range got.via {
		member := false
		for _, e := range o.edges {
			_, holds := e.At(now)
			member = member || holds && e.Tenant == q.Tenant && e.Group == g && e.Member == at
		}
		if !member {
			t.Fatalf("%+v at %v: %s is no member of %s on the way %v", q, now, at, g, got.via)
		}
		at = g
	}
	s := o.schedules[got.schedule]
	if s.Key.Principal != at {
		t.Fatalf("%+v at %v: the way %v leads to %s, but %s names %s", q, now, got.via, at, s.ID, s.Key.Principal)
	}
	want := told{s.ID, "", s.Request, s.Key.Scope, got.via}
	if s.Type == pim.Activated {
		want.eligibility = s.Eligibility
	}
	if d := gocmp.Diff(want, got, gocmp.AllowUnexported(told{})); d != "" {
		t.Fatalf("%+v at %v, of the schedule (-want +got):\n%s", q, now, d)
	}
}

func TestTheIndexAnswersLikeAnOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix, o := access.New(), newOracle()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			o.step(t, ix)
		}
		sweep := rapid.IntRange(0, 60).Draw(t, "swept at")
		if rapid.Bool().Draw(t, "sweep") {
			ix.Sweep(hour(sweep))
		} else {
			sweep = 0
		}
		for h := sweep; h < 90; h += rapid.IntRange(1, 30).Draw(t, "later") {
			// Just before an hour, at it and after it.
			now := hour(h).Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "nanoseconds")))
			if h == sweep {
				now = hour(h)
			}
			for _, tenant := range tenants {
				o.compareHolders(t, ix, now, tenant)
				for _, p := range people {
					o.compare(t, ix, now, tenant, p)
				}
			}
		}
	})
}

// Until and NextChange promise that nothing changes before; so nothing may.
func TestNothingChangesBeforeItIsSaidTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix, o := access.New(), newOracle()
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			o.step(t, ix)
		}
		now := hour(rapid.IntRange(0, 60).Draw(t, "now"))
		for _, p := range people {
			next := orForever(ix.NextChange(now, "t1", p))
			if !next.After(now) {
				t.Fatalf("next change of %s: got %v, want later than %v", p, next, now)
			}
			held, groups := ix.Held(now, "t1", p), ix.GroupsAbove(now, "t1", p)
			for at := now; at.Before(next) && at.Before(hour(120)); at = at.Add(time.Hour) {
				if d := gocmp.Diff(held, ix.Held(at, "t1", p)); d != "" {
					t.Fatalf("%s holds otherwise at %v, before %v:\n%s", p, at, next, d)
				}
				if d := gocmp.Diff(groups, ix.GroupsAbove(at, "t1", p)); d != "" {
					t.Fatalf("%s is in other groups at %v, before %v:\n%s", p, at, next, d)
				}
			}
		}
	})
}

// eachQuestion asks all that can be asked of a role.
func eachQuestion(t pim.TenantID, p pim.PrincipalID, ask func(access.Question)) {
	for _, provider := range providers {
		for _, role := range roles {
			for _, scope := range scopesOf(provider) {
				ask(access.Question{Tenant: t, Principal: p, Provider: provider, Role: role, Scope: scope})
			}
		}
	}
}

// An answer stays as it is until it says that it may change, and that is later than now.
func TestAnAnswerStaysUntilItSaysItMayChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix, o := access.New(), newOracle()
		o.dense = rapid.Bool().Draw(t, "dense")
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			o.step(t, ix)
		}
		now := hour(rapid.IntRange(0, 60).Draw(t, "now"))
		stays := func(what any, may time.Time, same func(time.Time) bool) {
			if !orForever(may).After(now) {
				t.Fatalf("%+v at %v: it may change at %v", what, now, may)
			}
			for at := now; at.Before(orForever(may)) && at.Before(hour(120)); at = at.Add(time.Hour) {
				if !same(at) {
					t.Fatalf("%+v: at %v otherwise than at %v, which is before %v", what, at, now, may)
				}
			}
		}
		for _, p := range people {
			eachQuestion("t1", p, func(q access.Question) {
				a := ix.Check(now, q)
				if a.Held && !a.Next.IsZero() || !a.Held && !a.Until.IsZero() {
					t.Fatalf("%+v at %v: got %+v, which says both", q, now, a)
				}
				stays(q, later(a.Until, a.Next), func(at time.Time) bool { return ix.Check(at, q).Held == a.Held })
			})
		}
	})
}

// later is the one of two instants of which one at most is set.
func later(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}
