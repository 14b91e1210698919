package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// watched is a store that keeps the commits that pass through it.
type watched struct {
	store.Store
	mu      sync.Mutex
	commits []store.Commit
}

func (w *watched) Commit(ctx context.Context, c store.Commit) error {
	err := w.Store.Commit(ctx, c)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.commits = append(w.commits, c)
	}
	return err
}

// take returns the commits since the last time.
func (w *watched) take() []store.Commit {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.commits
	w.commits = nil
	return out
}

// live lists the schedules and requests of the first tenant that concern a principal or scope and are not over.
func (h *house) live(concerned func(pim.Key) bool) []string {
	h.Helper()
	var out []string
	for _, s := range h.schedules(1) {
		if concerned(s.Key) && s.Live(h.Time()) {
			out = append(out, fmt.Sprintf("schedule %s %s", s.Key.Role, s.ID))
		}
	}
	for _, r := range h.requests(1) {
		if concerned(r.Key) && r.Status.Open() {
			out = append(out, fmt.Sprintf("request %s %s", r.Key.Role, r.ID))
		}
	}
	return out
}

func (h *house) wantCode(what string, err error, code pim.Code) {
	h.Helper()
	var r *pim.Refusal
	if !errors.As(err, &r) || r.Code != code {
		h.Errorf("%s: got %v, want %q", what, err, code)
	}
}

func (h *house) fine(what string, err error) {
	h.Helper()
	if err != nil {
		h.Fatalf("%s: %v", what, err)
	}
}

// TestWhoLeavesLosesEverythingInTheSameCommit: a person with every sort of grant is disabled, a group and a unit are
// deleted. What they held and waited for ends in the commit that takes them out, and comes back with none of them.
func TestWhoLeavesLosesEverythingInTheSameCommit(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		w := &watched{Store: s}
		h := newHouse(t, w)
		h.settle(1)
		ctx, tn := t.Context(), tenantID(1)
		h.eligible(1, 2, vault)
		h.must(h.activation(1, 2, vault, 2*time.Hour))
		later := lasting(time.Hour)
		later.Start = h.Time().Add(24 * time.Hour)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Assignment, Key: key(1, 2, billing), Schedule: later, Justification: "planned"})
		unit := key(1, 3, vault)
		unit.Scope = pim.AdministrativeUnit(string(person(1, 21)))
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: unit})
		w.take()

		_, err := h.UpdateUser(ctx, h.as(1, 1), tn, person(1, 2), func(o *directory.Object) error {
			o.Enabled = false
			return nil
		})
		h.fine("disable", err)
		commits := w.take()
		if len(commits) != 1 || len(commits[0].Objects) != 1 {
			t.Fatalf("disabling took %d commits, want one with the object", len(commits))
		}
		// The eligibility, its activation, the planned assignment and the membership of group 11; and the doors.
		ended := 0
		for _, s := range commits[0].Schedules {
			if s.Ending != pim.NotEnded {
				ended++
			}
		}
		if ended != 4 {
			t.Errorf("got %d schedules ended in that commit, want 4: %+v", ended, commits[0].Schedules)
		}
		of := func(n int) func(pim.Key) bool { return func(k pim.Key) bool { return k.Principal == person(1, n) } }
		if got := h.live(of(2)); len(got) > 0 {
			t.Errorf("a disabled person has %v", got)
		}
		if yes, err := h.Counts(ctx, tn, person(1, 2)); err != nil || yes {
			t.Errorf("a disabled account counts: %v %v", yes, err)
		}
		if groups := h.Index.GroupsAbove(h.Time(), tn, person(1, 2)); len(groups) > 0 {
			t.Errorf("a disabled person is in %v", groups)
		}
		_, err = h.UpdateUser(ctx, h.as(1, 1), tn, person(1, 2), func(o *directory.Object) error {
			o.Enabled = true
			return nil
		})
		h.fine("enable", err)
		if got := h.live(of(2)); len(got) > 0 || h.holds(2, vault) {
			t.Errorf("enabling gave %v back", got)
		}
		if yes, err := h.Counts(ctx, tn, person(1, 2)); err != nil || !yes {
			t.Errorf("an enabled account does not count: %v %v", yes, err)
		}

		w.take()
		h.fine("delete group 12", h.DeleteGroup(ctx, h.as(1, 1), tn, person(1, 12)))
		if commits = w.take(); len(commits) != 1 || len(commits[0].Schedules) != 2 {
			t.Errorf("deleting a group of two members: got %d commits", len(commits))
		}
		if got := h.live(func(k pim.Key) bool { return k.Scope == pim.Scope(person(1, 12)) }); len(got) > 0 {
			t.Errorf("a deleted group has %v", got)
		}
		h.fine("delete unit 21", h.DeleteUnit(ctx, h.as(1, 1), tn, person(1, 21)))
		if got := h.live(of(3)); len(got) != 1 { // group 11
			t.Errorf("after the unit is gone, person 3 has %v, want group 11 alone", got)
		}
	})
}

// TestNothingSlipsInWhileSomebodyLeaves: somebody is given roles and memberships in the moment in which they are deleted.
func TestNothingSlipsInWhileSomebodyLeaves(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		ctx, tn := t.Context(), tenantID(1)
		for round := range 30 {
			u, err := h.CreateUser(ctx, h.as(1, 1), tn, app.NewUser{DisplayName: "Leaver", Enabled: true,
				User: directory.User{PrincipalName: fmt.Sprintf("leaver%d@t1.example.com", round), MailNickname: "leaver"}})
			h.fine("create", err)
			by := h.as(1, 1)
			var all sync.WaitGroup
			for i, k := range []pim.Key{
				{Tenant: tn, Provider: pim.Directory, Scope: pim.Everywhere, Role: vault, Principal: u.ID},
				{Tenant: tn, Provider: pim.Directory, Scope: pim.Everywhere, Role: billing, Principal: u.ID},
				{Tenant: tn, Provider: pim.Group, Scope: pim.Scope(person(1, 11)), Role: pim.Member, Principal: u.ID},
			} {
				all.Go(func() {
					ask := pim.Ask{By: by, Action: pim.AssignOutside, Kind: pim.Assignment, Key: k}
					if i == 1 {
						ask.Action, ask.Kind = pim.AdminAssign, pim.Eligibility
						ask.Schedule, ask.Justification = lasting(time.Hour), "soon"
					}
					_, _ = h.Do(ctx, ask) // refused where the deletion came first
				})
			}
			all.Go(func() {
				if err := h.DeleteUser(ctx, by, tn, u.ID); err != nil {
					t.Errorf("delete: %v", err)
				}
			})
			all.Wait()
			if got := h.live(func(k pim.Key) bool { return k.Principal == u.ID }); len(got) > 0 {
				t.Fatalf("round %d: somebody deleted has %v", round, got)
			}
			links, err := h.Store.Links(ctx, tn, directory.MemberOf, "", u.ID)
			if h.fine("links", err); len(links) > 0 {
				t.Fatalf("round %d: somebody deleted is in a group", round)
			}
		}
	})
}

// TestNothingSlipsIntoAGroupThatGoes: members come while their group is deleted.
func TestNothingSlipsIntoAGroupThatGoes(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		ctx, tn := t.Context(), tenantID(1)
		by := h.as(1, 1)
		for round := range 20 {
			g, err := h.CreateGroup(ctx, by, tn, app.NewGroup{DisplayName: "Short-lived", Owners: []pim.PrincipalID{person(1, 1)},
				Group: directory.Group{MailNickname: "short", SecurityEnabled: true}})
			h.fine("create", err)
			var all sync.WaitGroup
			for n := 2; n <= 4; n++ {
				all.Go(func() {
					m := app.MembershipChange{AddMembers: []pim.PrincipalID{person(1, n)}}
					_, _ = h.UpdateGroup(ctx, by, tn, g.ID, nil, m) // refused where the deletion came first
				})
				all.Go(func() {
					_, _ = h.Do(ctx, pim.Ask{By: by, Action: pim.AdminAssign, Kind: pim.Eligibility, Schedule: lasting(time.Hour), Justification: "soon",
						Key: pim.Key{Tenant: tn, Provider: pim.Group, Scope: pim.Scope(g.ID), Role: pim.Owner, Principal: person(1, n)}})
				})
			}
			all.Go(func() {
				if err := h.DeleteGroup(ctx, by, tn, g.ID); err != nil {
					t.Errorf("delete: %v", err)
				}
			})
			all.Wait()
			if got := h.live(func(k pim.Key) bool { return k.Scope == pim.Scope(g.ID) }); len(got) > 0 {
				t.Fatalf("round %d: a deleted group has %v", round, got)
			}
			found, err := h.Store.ObjectsByID(ctx, tn, []pim.PrincipalID{g.ID})
			if h.fine("read", err); len(found) > 0 {
				t.Fatalf("round %d: a change after the deletion brought the group back", round)
			}
		}
	})
}

// TestNoChangeOfAnObjectIsLost: many change one group at once, each something else.
func TestNoChangeOfAnObjectIsLost(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		ctx, tn := t.Context(), tenantID(1)
		by := h.as(1, 1)
		u, err := h.CreateUser(ctx, by, tn, app.NewUser{DisplayName: "Busy", Enabled: true, User: directory.User{PrincipalName: "busy@t1.example.com"}})
		h.fine("create", err)
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				_, err := h.UpdateUser(ctx, by, tn, u.ID, func(o *directory.Object) error {
					o.User.OtherMails = append(o.User.OtherMails, fmt.Sprint(i))
					return nil
				})
				if err != nil {
					t.Errorf("update: %v", err)
				}
			})
		}
		all.Wait()
		found, err := h.Store.ObjectsByID(ctx, tn, []pim.PrincipalID{u.ID})
		h.fine("read", err)
		if len(found) != 1 || len(found[0].User.OtherMails) != 12 {
			t.Errorf("got %+v, want 12 mails", found)
		}
	})
}

// TestWritingToTheDirectory: who may, what is kept, what is told.
func TestWritingToTheDirectory(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.settle(2)
		ctx, tn := t.Context(), tenantID(1)
		admin, nobody := h.as(1, 1), h.as(1, 5)
		rename := func(o *directory.Object) error { o.DisplayName = "Renamed"; return nil }
		disable := func(o *directory.Object) error { o.Enabled = false; return nil }

		_, err := h.UpdateUser(ctx, admin, tn, person(1, 1), disable)
		h.wantCode("the last administrator disables themself", err, pim.LastAdministrator)
		h.wantCode("the last administrator is deleted", h.DeleteUser(ctx, admin, tn, person(1, 1)), pim.LastAdministrator)
		_, err = h.UpdateUser(ctx, admin, tn, person(2, 2), rename)
		h.wantCode("somebody of another tenant", err, pim.UnknownPrincipal)
		_, err = h.UpdateUser(ctx, nobody, tn, person(1, 2), rename)
		h.wantCode("a user by nobody", err, pim.Forbidden)
		_, err = h.UpdateGroup(ctx, nobody, tn, person(1, 99), rename, app.MembershipChange{})
		h.wantCode("an unknown group by nobody", err, pim.Forbidden)
		_, err = h.UpdateUnit(ctx, nobody, tn, person(1, 21), rename, app.MembershipChange{})
		h.wantCode("a unit by nobody", err, pim.Forbidden)
		_, err = h.CreateApplication(ctx, nobody, tn, app.NewApplication{DisplayName: "Mine"})
		h.wantCode("an application by nobody", err, pim.Forbidden)
		_, err = h.RestoreObject(ctx, nobody, tn, person(1, 2))
		h.wantCode("restoring by nobody", err, pim.Forbidden)

		before := len(h.events(1))
		h.pass(time.Minute)
		o, err := h.UpdateUser(ctx, admin, tn, person(1, 2), rename)
		h.fine("rename", err)
		if !o.Modified.Equal(h.Time()) {
			t.Errorf("modified: got %v, want %v", o.Modified, h.Time())
		}
		h.pass(time.Minute)
		same, err := h.UpdateUser(ctx, admin, tn, person(1, 2), rename)
		if h.fine("rename again", err); !same.Modified.Equal(o.Modified) {
			t.Errorf("a change to what is so already raised modified to %v", same.Modified)
		}
		events := h.events(1)[before:]
		if len(events) != 1 {
			t.Fatalf("got %d events, want one", len(events))
		}
		kind, what, changes := events[0].Changes()
		if want := []pim.Change{{Name: "displayName", Old: "Person 2", New: "Renamed"}}; kind != "user" || what != "changed" || !slices.Equal(changes, want) {
			t.Errorf("got %s %s %v, want %v", kind, what, changes, want)
		}

		lenient := app.MembershipChange{AddMembers: []pim.PrincipalID{person(1, 2), person(1, 5)}, RemoveMembers: []pim.PrincipalID{person(1, 4)}, Lenient: true}
		g, err := h.UpdateGroup(ctx, admin, tn, person(1, 11), named, lenient)
		if h.fine("members, some so already", err); g.Modified.Before(h.Time()) {
			t.Errorf("members changed, and modified is %v", g.Modified)
		}
		lenient.Lenient = false
		_, err = h.UpdateGroup(ctx, admin, tn, person(1, 11), nil, lenient)
		h.wantCode("members that are so already", err, pim.NotThere)
		members := h.Index.Members(h.Time(), tn, person(1, 11))
		if want := []pim.PrincipalID{person(1, 2), person(1, 3), person(1, 5)}; !slices.Equal(members, want) {
			t.Errorf("members: got %v, want %v", members, want)
		}

		h.fine("delete", h.DeleteUser(ctx, admin, tn, person(1, 3)))
		_, err = h.RestoreObject(ctx, admin, tn, person(1, 3))
		h.fine("restore", err)
		h.fine("delete again", h.DeleteUser(ctx, admin, tn, person(1, 3)))
		h.pass(app.BinTime)
		_, err = h.RestoreObject(ctx, h.as(1, 1), tn, person(1, 3))
		h.wantCode("restore after thirty days", err, pim.UnknownPrincipal)
		h.fine("delete another", h.DeleteUser(ctx, h.as(1, 1), tn, person(1, 4)))
		bin, err := h.Store.Bin(ctx, store.Query{Tenant: tn})
		if h.fine("bin", err); len(bin.Rows) != 1 || bin.Rows[0].ID != person(1, 4) {
			t.Errorf("got %v in the bin, want person 4 alone: what was there for thirty days goes with the next", bin.Rows)
		}
	})
}

// named gives a group of the house what a group must have.
func named(o *directory.Object) error {
	o.Group.MailNickname = "group"
	return nil
}

// TestPrivilegesAreNotHandedOn: a User Administrator may write accounts, but not become somebody who has privileges.
func TestPrivilegesAreNotHandedOn(t *testing.T) {
	h := newHouse(t, open(t, t.TempDir()))
	h.settle(1)
	ctx, tn := t.Context(), tenantID(1)
	h.HashPassword = func(s string) (string, error) { return "hash of " + s, nil }
	h.must(pim.Ask{By: h.as(1, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: key(1, 5, pim.UserAdministrator)})
	plain, err := h.CreateUser(ctx, h.as(1, 5), tn, app.NewUser{DisplayName: "Plain", Enabled: true, User: directory.User{PrincipalName: "plain@t1.example.com"}})
	h.fine("create", err)
	password := &app.NewPassword{Password: "a long enough one"}
	manager := func(o *directory.Object) error { o.User.Manager = person(1, 5); return nil }
	for _, c := range []struct {
		what string
		who  pim.PrincipalID
		may  bool
	}{
		{"nobody in particular", plain.ID, true},
		{"the administrator", person(1, 1), false},
		{"a member of a group that can hold roles", person(1, 2), false},
		{"themself", person(1, 5), true},
	} {
		_, err := h.ResetUser(ctx, h.as(1, 5), tn, c.who, nil, password)
		if (err == nil) != c.may {
			t.Errorf("new password of %s: got %v, want allowed %v", c.what, err, c.may)
		}
		if c.who != person(1, 5) {
			if _, err = h.UpdateUser(ctx, h.as(1, 5), tn, c.who, manager); (err == nil) != c.may {
				t.Errorf("new manager of %s: got %v, want allowed %v", c.what, err, c.may)
			}
		}
	}
	h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Justification: "helps out",
		Key:      pim.Key{Tenant: tn, Provider: pim.Directory, Scope: pim.Everywhere, Role: vault, Principal: plain.ID},
		Schedule: schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.FromTime(time.Hour)}}})
	_, err = h.ResetUser(ctx, h.as(1, 5), tn, plain.ID, nil, password)
	h.wantCode("new password of somebody eligible", err, pim.Forbidden)
}
