package storetest

import (
	"testing"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

func memberKey(member, group pim.PrincipalID) pim.Key {
	return pim.Key{Tenant: tenant, Provider: pim.Group, Scope: pim.Scope(group), Role: pim.Member, Principal: member}
}

// memberBy is a link that follows from a schedule.
func memberBy(id pim.ScheduleID, member, group pim.PrincipalID, w schedule.Window) directory.Link {
	return directory.Link{Tenant: tenant, Relation: directory.MemberOf, From: group, To: member, Schedule: id, Window: w}
}

func keepsLinksApart(t *testing.T, s store.Store) {
	nights := schedule.Window{
		Start: start(), Length: schedule.MustDuration("PT8H"), Anchor: start().Add(-time.Hour),
		Recurrence: &schedule.Recurrence{
			Pattern: schedule.Pattern{Type: schedule.Daily, Interval: 2},
			Range:   schedule.Range{Type: schedule.NoEnd, StartDate: schedule.Date{Year: 2026, Month: 3, Day: 2}, TimeZone: "Europe/Berlin"},
		},
	}
	plain := memberBy("", alice, "a", schedule.Window{})
	once := memberBy("s1", alice, "a", schedule.Window{Start: start(), End: start().Add(time.Hour)})
	again := memberBy("s2", alice, "a", nights)
	up := memberBy("s3", "a", "b", schedule.Window{Start: start()})
	circle := memberBy("s4", "b", "a", nights)
	must(t, s, store.Commit{Links: []directory.Link{again, plain, once, up, circle}})
	check := func(after string, all ...directory.Link) {
		t.Helper()
		above, err := s.GroupsAbove(t.Context(), tenant, alice)
		want(t, "groups above "+after, err, nil)
		equal(t, "groups above "+after, above, all)
		below, err := s.MembersBelow(t.Context(), tenant, "b")
		want(t, "members below "+after, err, nil)
		equal(t, "members below "+after, below, all)
		var live []directory.Link
		want(t, "live", s.LiveLinks(t.Context(), func(l directory.Link) error {
			live = append(live, l)
			return nil
		}), nil)
		if len(live) != len(all) {
			t.Errorf("live %s: got %d links, want %d", after, len(live), len(all))
		}
		c, err := s.Case(t.Context(), pim.Need{Key: memberKey(alice, "a")})
		want(t, "case "+after, err, nil)
		var edges []pim.Membership
		for _, l := range all {
			m := l.Membership()
			if m.Member == "a" {
				m.Version = 1
			}
			edges = append(edges, m)
		}
		equal(t, "the case's memberships "+after, c.Memberships, edges)
	}
	// The version of a membership is read with it.
	must(t, s, store.Commit{Outcome: pim.Outcome{Key: memberKey("a", "b")}})
	check("at first", plain, once, again, circle, up)
	longer := once
	longer.Window.End = time.Time{}
	must(t, s, store.Commit{Links: []directory.Link{longer}, Unlinks: []directory.Link{again}})
	check("after a change", plain, longer, circle, up)
	from, err := s.Links(t.Context(), tenant, directory.MemberOf, "", alice)
	want(t, "links", err, nil)
	equal(t, "links", from, []directory.Link{plain, longer})
	must(t, s, store.Commit{Unlinks: []directory.Link{plain, longer, circle, up}})
	check("at last")
}

// activated is an activation by way of groups.
func activated(id pim.ScheduleID, k pim.Key, eligibility pim.ScheduleID, via ...pim.PrincipalID) pim.Schedule {
	return pim.Schedule{
		ID: id, Key: k, Kind: pim.Assignment, Type: pim.Activated, Window: schedule.Window{Start: start(), End: start().Add(time.Hour)},
		Eligibility: eligibility, Via: via, Created: start(), Open: true, Request: pim.RequestID(id),
	}
}

// findsPaths is promise P2 along the whole path: what goes by a membership, and what goes by what goes by it.
func findsPaths(t *testing.T, s store.Store) {
	role := func(who pim.PrincipalID) pim.Key {
		return pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: "role", Principal: who}
	}
	all := []pim.Schedule{
		activated("by-inner", role(alice), "e1", "inner", "outer"),
		activated("by-outer-alone", role("cy"), "e1", "outer"),
		activated("membership", memberKey(alice, "tier"), "e2", "inner"),
		activated("by-membership", role(alice), "e3", "tier"),
		activated("of-another", role("bob"), "e3", "tier"),
		activated("own", role(alice), "e4"),
		activated("ended", role(alice), "e1", "inner", "outer"),
	}
	all[6].Ending, all[6].Ended = pim.Removed, start()
	window := schedule.Window{Start: start()}
	request := pim.Request{ID: "by-inner", Key: role(alice), Kind: pim.Assignment, Action: pim.SelfActivate, Status: pim.Granted, Created: start()}
	effect := pim.Effect{ID: "door", Tenant: tenant, Schedule: "by-membership", Key: role(alice), State: pim.Usable, Decided: start()}
	u := User(tenant, alice)
	must(t, s, store.Commit{
		Outcome: pim.Outcome{Key: role(alice), Schedules: all, More: []pim.Request{request}, Effects: []pim.Effect{effect}},
		Objects: []directory.Object{u},
		Links: []directory.Link{
			memberBy("m1", alice, "inner", window), memberBy("m2", "inner", "outer", window), memberBy("m3", "cy", "outer", window),
			memberBy("m4", "outer", "inner", window), // a circle
			memberBy("m5", alice, "tier", window), memberBy("m6", "bob", "tier", window),
		},
	})
	for _, x := range []struct {
		key  pim.Key
		want []pim.ScheduleID
	}{
		{memberKey(alice, "inner"), []pim.ScheduleID{"by-inner", "by-membership", "membership"}},
		{memberKey("inner", "outer"), []pim.ScheduleID{"by-inner"}},
		{memberKey("cy", "outer"), []pim.ScheduleID{"by-outer-alone"}},
		{memberKey(alice, "tier"), []pim.ScheduleID{"by-membership"}},
		{memberKey("bob", "tier"), []pim.ScheduleID{"of-another"}},
		{memberKey("bob", "inner"), nil},
		{role(alice), nil},
	} {
		needs := []pim.Need{{Key: x.key, Dependents: true}, {Key: caseKey(1), Dependents: true}, {Key: x.key}}
		cs, err := s.Cases(t.Context(), needs)
		want(t, "cases", err, nil)
		var ids []pim.ScheduleID
		for _, d := range cs[0].Dependents {
			ids = append(ids, d.Schedule.ID)
			if d.Schedule.Key == role(alice) && (d.Version != 1 || d.Principal.ID != alice) {
				t.Errorf("dependent %s: got version %d and principal %q, want 1 and alice", d.Schedule.ID, d.Version, d.Principal.ID)
			}
			if planned := d.Schedule.ID == "by-inner"; planned != (d.Request != nil) {
				t.Errorf("dependent %s: got the request %v", d.Schedule.ID, d.Request)
			}
			if open := d.Schedule.ID == "by-membership"; open != (len(d.Effects) == 1) {
				t.Errorf("dependent %s: got the effects %v", d.Schedule.ID, d.Effects)
			}
		}
		equal(t, "what rests on "+string(x.key.Principal)+" in "+string(x.key.Scope), ids, x.want)
		if n := len(cs[1].Dependents) + len(cs[2].Dependents); n > 0 {
			t.Errorf("got %d dependents of cases that have none, or did not ask", n)
		}
	}
}
