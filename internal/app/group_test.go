package app_test

import (
	"slices"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// check asks whether the key's principal holds its role, and why not.
func (h *house) check(k pim.Key) access.Answer {
	return h.Index.Check(h.Time(), access.Question{Tenant: k.Tenant, Principal: k.Principal, Provider: k.Provider, Role: k.Role, Scope: k.Scope})
}

// links are the grants by which somebody is linked to group 13 of tenant 1.
func (h *house) links(r directory.Relation) []pim.PrincipalID {
	h.Helper()
	found, err := h.Store.Links(h.Context(), tenantID(1), r, person(1, 13), "")
	if err != nil {
		h.Fatal(err)
	}
	var who []pim.PrincipalID
	for _, l := range found {
		if l.Schedule == "" {
			h.Errorf("the link %+v follows from no grant", l)
		}
		who = append(who, l.To)
	}
	return who
}

// open says which doors are open, or to be opened, for person n of tenant 1.
func (h *house) open(n int) (doors []string) {
	h.Helper()
	for _, e := range h.effects(1) {
		if e.Key.Principal == person(1, n) && (e.State == pim.EffectPending || e.State == pim.Usable) {
			doors = append(doors, e.Door)
		}
	}
	slices.Sort(doors)
	return doors
}

func (h *house) join(n int, d time.Duration) pim.Ask {
	a := h.activation(1, n, vault, d)
	a.Key = groupKey(1, n, 13, pim.Member)
	return a
}

// A member for a time holds what the group holds for that time, may activate what the group may, and loses both at the same
// instant, with every door (promises P2 and P3).
func TestMembershipForATime(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.Doors = append(h.Doors, app.Binding{Door: "share", Provider: pim.Group, Role: pim.Member, Scope: groupKey(1, 0, 13, pim.Member).Scope, Privilege: "write"})
		h.settle(1)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: groupKey(1, 2, 13, pim.Member),
			Schedule: lasting(30 * 24 * time.Hour), Justification: "on call"})
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: key(1, 13, billing), Justification: "the group's own"})
		h.eligible(1, 13, vault)
		if got := h.links(directory.MemberOf); len(got) > 0 {
			t.Errorf("an eligible member is listed as one: %v", got)
		}

		h.must(h.join(2, 4*time.Hour))
		if got := h.links(directory.MemberOf); !slices.Equal(got, []pim.PrincipalID{person(1, 2)}) {
			t.Errorf("members of the group: got %v, want person 2", got)
		}
		if got := h.check(key(1, 2, billing)); !got.Held || !got.Until.Equal(h.Time().Add(4*time.Hour)) || !slices.Equal(got.Via, []pim.PrincipalID{person(1, 13)}) {
			t.Errorf("the role of the group: got %+v, want it for four hours by the group", got)
		}
		out := h.must(h.activation(1, 2, vault, 8*time.Hour))
		if got := out.Schedules[0].Window.End; !got.Equal(h.Time().Add(4 * time.Hour)) {
			t.Errorf("the activation by the group ends at %s, want with the membership", got)
		}
		if got := h.open(2); !slices.Equal(got, []string{"db", "share"}) {
			t.Errorf("open doors: got %v, want both", got)
		}

		h.pass(10 * time.Minute)
		leave := h.join(2, 0)
		leave.Action = pim.SelfDeactivate
		h.must(leave)
		h.gone("deactivated")

		// The next time it ends by the clock: nobody has to look at it.
		h.must(h.join(2, time.Hour))
		h.must(h.activation(1, 2, vault, time.Hour))
		h.pass(time.Hour)
		if h.check(key(1, 2, vault)).Held || h.check(key(1, 2, billing)).Held || h.check(groupKey(1, 2, 13, pim.Member)).Held {
			t.Error("what ended by the clock is held until somebody looks")
		}
		h.tick()
		h.gone("ended by the clock")
	})
}

// gone says that person 2 of tenant 1 has nothing by group 13, and that the check says why.
func (h *house) gone(why string) {
	h.Helper()
	if got := h.links(directory.MemberOf); len(got) > 0 {
		h.Errorf("%s: the group still has members %v", why, got)
	}
	if got := h.check(key(1, 2, billing)); got.Held || got.Reason != access.NoGrant {
		h.Errorf("%s: the group's role: got %+v, want no grant", why, got)
	}
	if got := h.check(key(1, 2, vault)); got.Held {
		h.Errorf("%s: the role activated by way of the group: got %+v, want none", why, got)
	}
	if got := h.check(groupKey(1, 2, 13, pim.Member)); got.Held || got.Reason != access.NotActivated {
		h.Errorf("%s: the membership: got %+v, want not activated", why, got)
	}
	if got := h.open(2); len(got) > 0 {
		h.Errorf("%s: the doors %v are open", why, got)
	}
	fresh := app.App{Store: h.Store, Index: access.New(), Now: h.Now}
	if err := fresh.Load(h.Context()); err != nil {
		h.Fatal(err)
	}
	if got, want := fresh.Index.Held(h.Time(), tenantID(1), person(1, 2)), h.Index.Held(h.Time(), tenantID(1), person(1, 2)); !slices.Equal(got, want) {
		h.Errorf("%s: a fresh start knows %v, want %v", why, got, want)
	}
}

// Whoever activates by way of a membership and whoever takes that membership at the same moment cannot pass each other: no
// activation is left that rests on nothing.
func TestAMembershipThatGoesWhileItIsUsed(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.eligible(1, 13, pim.ReportsReader)
		k := groupKey(1, 2, 13, pim.Member)
		outside := func(a pim.Action) func() error {
			return func() error {
				_, err := h.Do(h.Context(), pim.Ask{By: h.as(1, 1), Action: a, Kind: pim.Assignment, Key: k})
				return err
			}
		}
		for round := range rounds {
			if err := outside(pim.AssignOutside)(); err != nil {
				t.Fatal(err)
			}
			errs := atOnce(
				func() error {
					_, err := h.Do(h.Context(), h.activation(1, 2, pim.ReportsReader, time.Hour))
					return err
				},
				outside(pim.RemoveOutside),
			)
			if errs[1] != nil {
				t.Fatalf("round %d: %v", round, errs[1])
			}
			count(h, errs[:1], pim.PolicyFailed)
			for _, x := range h.schedules(1) {
				if x.Type == pim.Activated && x.Live(h.Time()) {
					t.Fatalf("round %d: %+v rests on a membership that is gone", round, x)
				}
			}
		}
	})
}

// Owners see and administer their group, whatever roles they have; who may write groups does so but for those that can hold
// roles.
func TestOwnersSeeAndAdministerTheirGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: groupKey(1, 3, 13, pim.Owner)})
		if got := h.links(directory.OwnerOf); !slices.Equal(got, []pim.PrincipalID{person(1, 3)}) {
			t.Fatalf("owners: got %v, want person 3", got)
		}
		h.must(pim.Ask{By: h.as(1, 3), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: groupKey(1, 2, 13, pim.Member),
			Schedule: lasting(24 * time.Hour), Justification: "on call"})
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: key(1, 5, pim.GroupsAdministrator), Justification: "groups"})
		rows := func(n, group int) (int, error) {
			page, err := h.Grants(t.Context(), h.as(1, n), app.GrantQuery{Provider: pim.Group, Kind: pim.Eligibility, View: app.Everybody,
				Query: store.Query{Tenant: tenantID(1), Where: store.Is(store.FieldScope, id(1, group))}})
			return len(page.Rows), err
		}
		if n, err := rows(3, 13); n != 1 || err != nil {
			t.Errorf("the owner sees %d rows, %v, want one", n, err)
		}
		for who, n := range map[string]int{"a stranger": 4, "a writer of groups": 5} {
			if _, err := rows(n, 13); count(h, []error{err}, pim.Forbidden) > 0 {
				t.Errorf("%s sees the rows of a group that can hold roles", who)
			}
		}
		all := app.GrantQuery{Provider: pim.Group, Kind: pim.Assignment, View: app.Everybody, Query: store.Query{Tenant: tenantID(1)}}
		page, err := h.Grants(t.Context(), h.as(1, 5), all)
		if err != nil || len(page.Rows) > 0 {
			t.Errorf("a writer of groups sees %v, %v of groups that can all hold roles, want none", page.Rows, err)
		}
		if page, err = h.Grants(t.Context(), h.as(1, 1), all); err != nil || len(page.Rows) == 0 {
			t.Errorf("an administrator sees no rows of groups: %v", err)
		}
		if _, err := rows(3, 11); count(h, []error{err}, pim.Forbidden) > 0 {
			t.Error("an owner sees the rows of another's group")
		}
		policies := groupKey(1, 0, 13, pim.Member).Policy()
		if _, err := h.Policies(t.Context(), h.as(1, 3), []pim.RoleKey{policies}); err != nil {
			t.Errorf("the owner reads the policy: %v", err)
		}
		if _, err := h.Policies(t.Context(), h.as(1, 4), []pim.RoleKey{policies}); count(h, []error{err}, pim.Forbidden) > 0 {
			t.Error("a stranger reads the policy")
		}
		_, err = h.Do(t.Context(), pim.Ask{By: h.as(1, 5), Action: pim.AssignOutside, Kind: pim.Assignment, Key: groupKey(1, 4, 13, pim.Member)})
		if count(h, []error{err}, pim.Forbidden) > 0 {
			t.Error("a writer of groups changes one that can hold roles")
		}
	})
}

// What is brought in becomes grants once, however often it is brought in.
func TestImportedMembershipsAreGrants(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		robot := directory.Object{Tenant: tenantID(1), ID: person(1, 41), Kind: directory.KindServicePrincipal, DisplayName: "Robot",
			Enabled: true, App: &directory.App{ClientID: id(1, 42)}}
		link := func(r directory.Relation, from, to int) directory.Link {
			return directory.Link{Tenant: tenantID(1), Relation: r, From: person(1, from), To: person(1, to)}
		}
		links := []directory.Link{
			link(directory.MemberOf, 13, 41), link(directory.OwnerOf, 13, 4), link(directory.OwnerOf, 41, 4), link(directory.UnitMember, 21, 4),
			link(directory.MemberOf, 11, 2), // is one already
		}
		before := len(h.schedules(1))
		for range 2 {
			if err := h.ImportDirectory(t.Context(), pim.Actor{}, tenantID(1), []directory.Object{robot}, links, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(h.schedules(1)) - before; got != 2 {
			t.Errorf("got %d grants more, want two", got)
		}
		told := 0
		for _, e := range h.events(1) {
			if e.Activity == pim.AssignedOutside {
				told++
			}
		}
		if told != 2 {
			t.Errorf("%d grants outside PIM are told, want two", told)
		}
		if got := h.links(directory.MemberOf); !slices.Equal(got, []pim.PrincipalID{person(1, 41)}) {
			t.Errorf("members: got %v, want the robot", got)
		}
		plain, err := s.Links(t.Context(), tenantID(1), directory.OwnerOf, person(1, 41), "")
		if err != nil || len(plain) != 1 || plain[0].Schedule != "" {
			t.Errorf("owners of the application: got %v, %v, want one plain link", plain, err)
		}
		if !slices.Contains(h.Index.GroupsAbove(h.Time(), tenantID(1), person(1, 41)), person(1, 13)) {
			t.Error("the index does not know the new member")
		}
	})
}

// Two administrators who leave at once are judged together (promise P6): one of them has to stay.
func TestTheLastTwoAdministratorsCannotLeaveAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: key(1, 2, pim.GlobalAdministrator), Justification: "deputy"})
		leave := func(n int) pim.Ask {
			return pim.Ask{By: h.as(1, 1), Action: pim.Depart, Kind: pim.Assignment, Key: key(1, n, pim.GlobalAdministrator)}
		}
		_, err := h.Together(t.Context(), []pim.Ask{leave(1), leave(2)}, store.Commit{})
		if count(h, []error{err}, pim.LastAdministrator) > 0 {
			t.Error("both administrators left")
		}
		if !h.holds(1, pim.GlobalAdministrator) || !h.holds(2, pim.GlobalAdministrator) {
			t.Error("one of them left, though the whole was refused")
		}
		if _, err := h.Together(t.Context(), []pim.Ask{leave(2)}, store.Commit{}); err != nil {
			t.Errorf("one of two administrators leaves: %v", err)
		}
	})
}
