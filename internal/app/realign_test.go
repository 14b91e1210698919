package app_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// inside are the accounts for which a door of a tenant is open, or about to be, each once, ordered.
func (h *house) inside(tenant int, door string) []string {
	h.Helper()
	in := map[string]bool{}
	for _, e := range h.effects(tenant) {
		if e.Door == door && (e.State == pim.EffectPending || e.State == pim.Usable) {
			in[e.Account] = true
		}
	}
	return slices.Sorted(maps.Keys(in))
}

func (h *house) wantInside(when, door string, want ...string) {
	h.Helper()
	if got := h.inside(1, door); !slices.Equal(got, want) {
		h.Errorf("%s: the door %s is open for %v, want %v", when, door, got, want)
	}
}

// belonging is an ask of person 1 to put somebody into a group, or take them out.
func (h *house) belonging(what pim.Action, n, group int) pim.Ask {
	return pim.Ask{By: h.as(1, 1), Action: what, Kind: pim.Assignment, Key: groupKey(1, n, group, pim.Member), Justification: "on call"}
}

// Group 12 holds what opens a door: each way in which somebody comes to be in it, or leaves, opens and shuts the door for them.
func TestDoorsOfMembersFollowTheGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		ctx := context.Background()
		h.wantInside("before", "db")
		give := pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: key(1, 12, vault), Justification: "on call", Schedule: lasting(48 * time.Hour)}
		h.must(give)
		h.wantInside("given to the group", "db", "p2", "p3", "p4")

		h.must(h.belonging(pim.RemoveOutside, 3, 11))
		h.wantInside("taken out further down", "db", "p2", "p4")
		member := h.belonging(pim.AdminAssign, 5, 11)
		member.Schedule = lasting(2 * time.Hour)
		member.Schedule.Start = h.Time().Add(time.Hour)
		h.must(member)
		h.wantInside("a member from later on", "db", "p2", "p4")
		h.pass(time.Hour)
		h.tick()
		h.wantInside("the membership begins", "db", "p2", "p4", "p5")
		h.pass(2 * time.Hour)
		h.tick()
		h.wantInside("the membership ends", "db", "p2", "p4")

		disable := func(o *directory.Object) error { o.Enabled = false; return nil }
		if _, err := h.UpdateUser(ctx, h.as(1, 1), tenantID(1), person(1, 4), disable); err != nil {
			t.Fatal(err)
		}
		h.wantInside("an account is disabled", "db", "p2")
		h.must(h.belonging(pim.AssignOutside, 3, 12))
		h.wantInside("somebody is put in", "db", "p2", "p3")
		if err := h.DeleteUser(ctx, h.as(1, 1), tenantID(1), person(1, 3)); err != nil {
			t.Fatal(err)
		}
		h.wantInside("somebody leaves", "db", "p2")
		h.must(h.belonging(pim.RemoveOutside, 11, 12))
		h.wantInside("the group below is taken out", "db")
		h.must(h.belonging(pim.AssignOutside, 2, 12))
		h.wantInside("one of it is put in by themselves", "db", "p2")
		h.pass(48 * time.Hour)
		h.tick()
		h.wantInside("the grant ends", "db")
		h.must(give)
		h.wantInside("it is given again", "db", "p2")
		if err := h.DeleteGroup(ctx, h.as(1, 1), tenantID(1), person(1, 12)); err != nil {
			t.Fatal(err)
		}
		h.wantInside("the group is deleted", "db")
	})
}

// Whoever is in a group sees how far the door is that the group's grant opens for them, and that of nobody else in it.
func TestMembersSeeTheirOwnDoors(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 12, vault)})
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 3, vault)})
		seen := func(when string, n int, want ...string) {
			t.Helper()
			page, err := h.Effects(t.Context(), h.as(1, n), store.Query{Tenant: tenantID(1), Limit: 100, Count: true})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range page.Rows {
				got = append(got, e.Account)
			}
			if slices.Sort(got); !slices.Equal(got, want) || page.Count != len(want) {
				t.Errorf("%s: person %d sees the doors of %v, %d in all, want %v", when, n, got, page.Count, want)
			}
		}
		seen("a reader", 1, "p2", "p3", "p3", "p4")
		seen("by a group in the group", 2, "p2")
		seen("by themselves, too", 3, "p3", "p3")
		seen("by the group", 4, "p4")
		seen("in no group", 5)
		page, err := h.Effects(t.Context(), h.as(1, 2), store.Query{Tenant: tenantID(1), Limit: 100, Where: store.Is(store.FieldPrincipal, string(person(1, 12)))})
		if err != nil || len(page.Rows) != 1 || page.Rows[0].Account != "p2" {
			t.Errorf("of all that the group opens a member sees %+v (%v), want their own door", page.Rows, err)
		}
		h.must(h.belonging(pim.RemoveOutside, 4, 12))
		seen("out of the group", 4)
		seen("still in it", 2, "p2")
	})
}

// A process that ended between a commit and the question about its doors is made good by the next one, which knows other bindings
// as well.
func TestAStartAlignsDoors(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		before := newHouse(t, s)
		before.Doors = nil
		before.settle(1)
		before.must(pim.Ask{By: before.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 12, vault)})
		before.must(pim.Ask{By: before.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 5, vault)})
		before.must(pim.Ask{By: before.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 5, billing)})
		before.wantInside("nothing is bound", "db")

		again := func(bindings ...app.Binding) *house {
			h := &house{TB: t, now: before.now}
			h.App = &app.App{Store: s, Index: access.New(), Now: h.time, Doors: bindings}
			if err := h.Load(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := h.Align(context.Background()); err != nil {
				t.Fatal(err)
			}
			return h
		}
		bound := app.Binding{Door: "db", Provider: pim.Directory, Role: vault, Scope: pim.Everywhere, Privilege: "vault_admin"}
		other := bound
		other.Role = billing
		again(bound).wantInside("a start", "db", "p2", "p3", "p4", "p5")
		n := len(before.events(1))
		again(bound)
		if got := len(before.events(1)); got != n {
			t.Errorf("a second start writes %d events", got-n)
		}
		again(other).wantInside("a start with another role bound", "db", "p5")
	})
}

// An activation whose end came while nobody asked stays the clock's to end, also when its eligibility gets other times before the
// clock has asked.
func TestTheClockShutsDoorsOfWhatEndedBeforeItsEligibilityChanged(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.eligible(1, 2, vault)
		h.must(h.activation(1, 2, vault, 5*time.Minute))
		h.wantInside("activated", "db", "p2")
		h.pass(10 * time.Minute)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminUpdate, Kind: pim.Eligibility, Key: key(1, 2, vault),
			Schedule: lasting(24 * time.Hour), Justification: "on call"})
		h.tick()
		h.wantInside("over", "db")
		for _, x := range h.schedules(1) {
			if x.Type == pim.Activated && (x.Ending != pim.Expired || x.Ended != h.Time().Add(-5*time.Minute)) {
				t.Errorf("the activation is %+v, want it expired five minutes ago", x)
			}
		}
	})
}

// Whoever holds a role above what a door leads to has its privilege, for as long as that lies there.
func TestDoorsFollowTheTree(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		ctx := context.Background()
		h.Doors = append(h.Doors,
			app.Binding{Door: "sql", Provider: pim.Resource, Role: contributor, Scope: database, Privilege: "writer"},
			app.Binding{Door: "audit", Provider: pim.Resource, Role: reader, Scope: two, Privilege: "reader"})
		if err := h.Align(ctx); err != nil {
			t.Fatal(err)
		}
		h.wantInside("group 12 is Contributor at rg-1", "sql", "p2", "p3", "p4")
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: resourceKey(1, 5, reader, lab)})
		h.must(h.giving(1, 5, contributor, one))
		h.must(h.activatingAt(1, 5, contributor, rg, time.Hour))
		h.wantInside("activated at the group", "sql", "p2", "p3", "p4", "p5")
		h.wantInside("given at the management group", "audit", "p5")
		h.pass(time.Hour)
		h.tick()
		h.wantInside("the activation ends", "sql", "p2", "p3", "p4")

		move := func(what, onto pim.Scope) {
			t.Helper()
			if _, err := h.MoveNode(ctx, h.as(1, 1), tenantID(1), what, onto); err != nil {
				t.Fatal(err)
			}
		}
		move(two, corp)
		h.wantInside("the subscription is moved away", "audit")
		move(two, lab)
		h.wantInside("and back", "audit", "p5")
		if err := h.DeleteNode(ctx, h.as(1, 1), tenantID(1), database); err != nil {
			t.Fatal(err)
		}
		h.wantInside("the database is deleted", "sql")
		h.must(h.activatingAt(1, 5, contributor, rg, time.Hour))
		h.wantInside("activated above what is gone", "sql")
		node, err := resource.Parse(string(database))
		if err != nil {
			t.Fatal(err)
		}
		node.Tenant = tenantID(1)
		if _, _, err := h.PutNode(ctx, h.as(1, 1), node); err != nil {
			t.Fatal(err)
		}
		h.wantInside("it is made again", "sql", "p2", "p3", "p4", "p5")
		if err := h.DeleteNode(ctx, h.as(1, 1), tenantID(1), rg); err != nil {
			t.Fatal(err)
		}
		h.wantInside("the group with all that is in it is deleted", "sql")
	})
}

// between does something once, before a commit that makes or changes a schedule.
type between struct {
	store.Store
	once func()
}

func (b *between) Commit(ctx context.Context, c store.Commit) error {
	if do := b.once; do != nil && len(c.Schedules) > 0 {
		b.once = nil
		do()
	}
	return b.Store.Commit(ctx, c)
}

// A grant that is decided before a subscription is moved out of its reach, and committed after, leaves no door open there.
func TestADoorMovesAwayWhileItIsOpened(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		h.Doors = append(h.Doors, app.Binding{Door: "audit", Provider: pim.Resource, Role: reader, Scope: two, Privilege: "reader"})
		h.Store = &between{s, func() {
			if _, err := h.MoveNode(t.Context(), h.as(1, 1), tenantID(1), two, corp); err != nil {
				t.Error(err)
			}
		}}
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: resourceKey(1, 5, reader, lab)})
		h.wantInside("the subscription is not below any more", "audit")
	})
}

// Memberships that come and go while the grant does leave no door as it should not be.
func TestDoorsWhileMembersComeAndGo(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		do := func(what pim.Action, k pim.Key) func() error {
			return func() error {
				_, err := h.Do(context.Background(), pim.Ask{By: h.as(1, 1), Action: what, Kind: pim.Assignment, Key: k})
				if codeOf(h.TB, err) != "" {
					return nil // there, or not there, already
				}
				return err
			}
		}
		for round := range 20 {
			atOnce(do(pim.AssignOutside, key(1, 12, vault)), do(pim.RemoveOutside, groupKey(1, 2, 11, pim.Member)),
				do(pim.AssignOutside, groupKey(1, 5, 12, pim.Member)), do(pim.RemoveOutside, groupKey(1, 3, 12, pim.Member)))
			h.wantAligned(1, fmt.Sprint("round ", round))
			atOnce(do(pim.AssignOutside, groupKey(1, 3, 12, pim.Member)), do(pim.RemoveOutside, groupKey(1, 5, 12, pim.Member)),
				do(pim.AssignOutside, groupKey(1, 2, 11, pim.Member)), do(pim.RemoveOutside, key(1, 12, vault)))
			h.wantAligned(1, fmt.Sprint("round ", round, ", back"))
		}
	})
}

// wantAligned says that the doors of a tenant are open for exactly those who hold what opens them.
func (h *house) wantAligned(tenant int, when string) {
	h.Helper()
	if wrong := h.misaligned(tenant); wrong != "" {
		h.Errorf("%s: %s", when, wrong)
	}
}

// misaligned says which door is not open for exactly those who hold what opens it, by the access index; empty: none. Grants under a
// condition open none.
func (h *house) misaligned(tenant int) string {
	h.Helper()
	for _, b := range h.Doors {
		var want []string
		for n := 1; n <= 5; n++ {
			p := person(tenant, n)
			holders := append(h.Index.GroupsAbove(h.Time(), tenantID(tenant), p), p)
			if slices.ContainsFunc(h.schedules(tenant), func(x pim.Schedule) bool {
				at := x.Key.Scope == b.Scope || b.Provider == pim.Resource && slices.Contains(h.Index.Above(tenantID(tenant), b.Scope), x.Key.Scope)
				return x.Kind == pim.Assignment && x.Condition == "" && x.Key.Provider == b.Provider && x.Key.Role == b.Role && at &&
					slices.Contains(holders, x.Key.Principal) && x.Holds(h.Time())
			}) {
				want = append(want, fmt.Sprint("p", n))
			}
		}
		if got := h.inside(tenant, b.Door); !slices.Equal(got, want) {
			return fmt.Sprintf("the door %s is open for %v, want %v", b.Door, got, want)
		}
	}
	return ""
}

// give has an administrator give somebody, or a group, what opens a door, or lets them into a group that may: now, later or each day.
func (l *life) give() {
	whom := rapid.SampledFrom([]int{2, 3, 4, 5, 11, 12, 13}).Draw(l.rt, "gives")
	k := rapid.SampledFrom([]pim.Key{
		key(l.tenant, whom, vault), resourceKey(l.tenant, whom, contributor, rg), groupKey(l.tenant, whom, 12, pim.Member),
	}).Draw(l.rt, "what")
	l.try(pim.Ask{By: l.as(l.tenant, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: k, Schedule: l.times(), Justification: "on call"})
}

// unasked says what the clock will not ask in time about a schedule: it ended, or will begin or end, and nobody tells the doors;
// empty: nothing.
func (l *life) unasked(s pim.Schedule) string {
	if s.Ending != pim.NotEnded {
		return ""
	}
	change, changes := s.Window.NextChange(l.Time())
	if s.Window.Over(l.Time()) {
		change, changes = s.Window.Span().End, true
	}
	if changes && (s.Due.IsZero() || s.Due.After(change)) {
		return fmt.Sprintf("at %s the clock is to ask at %s about %+v, which changes at %s", l.Time(), s.Due, s, change)
	}
	return ""
}

// After any history of grants, memberships and moves, the doors are open for exactly those who hold what opens them.
func TestP8DoorsAreOpenForWhoHolds(t *testing.T) {
	lives(t, func(l *life) {
		if rapid.Bool().Draw(l.rt, "move") {
			what, onto := rapid.SampledFrom([]pim.Scope{one, two}).Draw(l.rt, "what"), rapid.SampledFrom([]pim.Scope{corp, lab, "/"}).Draw(l.rt, "onto")
			_, err := l.MoveNode(context.Background(), l.as(l.tenant, 1), tenantID(l.tenant), what, onto)
			codeOf(l.TB, err)
		}
		if rapid.Bool().Draw(l.rt, "give") {
			l.give()
		}
		for _, x := range l.schedules(l.tenant) {
			if missed := l.unasked(x); missed != "" {
				l.rt.Fatal(missed)
			}
		}
		l.tick()
		if wrong := l.misaligned(l.tenant); wrong != "" {
			l.rt.Fatal(wrong)
		}
	})
}
