package pim_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
)

// versionOf gives each case a version of its own, so that a mixed-up one is seen.
func versionOf(k pim.Key) int64 {
	n := int64(1)
	for _, c := range string(k.Provider) + string(k.Scope) + string(k.Role) + string(k.Principal) {
		n = n*31%9973 + int64(c)
	}
	return n
}

// crowd tells of people who hold what they can by groups within groups.
func crowd(t *testing.T, rt *rapid.T) *pimtest.Story {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Door("Reader", "db", "reader")
	s.Group("inner", "ana", "ben")
	s.Group("outer", "inner", "cy")
	s.Group("tier-1")
	s.As("root").MakesEligible("outer", "Reader")
	s.As("root").MakesEligible("inner", "member of tier-1", "for 2400h")
	s.As("root").MakesEligible("cy", "member of tier-1", "for 2400h")
	s.As("root").MakesEligible("tier-1", "Writer")
	for _, who := range []string{"ana", "ben", "cy"} {
		for _, what := range []string{"Reader", "member of tier-1", "Writer"} {
			if !rapid.Bool().Draw(rt, who+" activates "+what) {
				continue
			}
			if what == "Writer" && !s.World.Holds(pim.Key{Provider: pim.Group, Scope: "tier-1", Role: pim.Member, Principal: pim.PrincipalID(who)}, s.Now) {
				continue
			}
			times := []string{"for 1h", "for 3h", "from 1h"}
			if what == "Writer" {
				times = times[:2] // the membership may be over an hour later
			}
			s.As(who).Activates(what, rapid.SampledFrom(times).Draw(rt, "time"), "ticket 4711")
		}
	}
	if rapid.Bool().Draw(rt, "beside") {
		s.As("root").Asks(pim.AssignOutside, pim.Assignment, "ana", "member of outer")
	}
	s.After("10m")
	return s
}

func TestTogetherEndsEachThingOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := crowd(t, rt)
		var keys []pim.Key
		for _, x := range s.World.Schedules {
			if x.Live(s.Now) && x.Key.Role != pim.GlobalAdministrator && !slices.Contains(keys, x.Key) {
				keys = append(keys, x.Key)
			}
		}
		slices.SortFunc(keys, func(a, b pim.Key) int { return int(versionOf(a) - versionOf(b)) })
		var outs []pim.Outcome
		for _, k := range keys {
			action := rapid.SampledFrom([]pim.Action{0, 0, pim.Depart, pim.RemoveOutside}).Draw(rt, "ask")
			if action == 0 {
				continue
			}
			ask := pim.Ask{By: pim.Caller{Actor: pim.Actor{Principal: "root", Kind: pim.UserPrincipal}, Roles: []pim.HeldRole{
				{Provider: pim.Directory, Role: pim.GlobalAdministrator, Scope: pim.Everywhere}}},
				Action: action, Kind: pim.Assignment, Key: k}
			c := s.World.Case(ask.Needs())
			c.Version = versionOf(k)
			for i := range c.Dependents {
				c.Dependents[i].Version = versionOf(c.Dependents[i].Schedule.Key)
			}
			out, err := pim.Decide(s.Now, c, ask, s.World.NewID)
			if err == nil { // else there was nothing to remove
				outs = append(outs, out)
			}
		}
		joined := pim.Together(outs)
		onceEach(rt, joined)
		s.World.Keep(joined)
		nothingRestsOnAir(rt, s)
	})
}

// onceEach says that an outcome names everything once.
func onceEach(t *rapid.T, o pim.Outcome) {
	once := map[any]bool{}
	see := func(what any) {
		if once[what] {
			t.Fatalf("%+v is there twice", what)
		}
		once[what] = true
	}
	for _, x := range o.Schedules {
		see(x.ID)
	}
	for _, r := range o.More {
		see(r.ID)
	}
	for _, e := range o.Effects {
		see(e.ID)
	}
	for _, x := range slices.Concat(o.Touches, o.Relies) {
		see(x.Key)
		if x.Version != versionOf(x.Key) {
			t.Fatalf("%+v is touched with the version of another", x)
		}
	}
	for _, e := range o.Events {
		see(e.ID)
		if e.Activity == pim.Ended {
			see("ended " + string(e.Schedule))
		}
	}
	for _, x := range o.Schedules {
		if !once[x.Key] {
			t.Fatalf("the case of %+v is not touched", x)
		}
	}
}

// nothingRestsOnAir is promise P2 on all that a world holds.
func nothingRestsOnAir(t *rapid.T, s *pimtest.Story) {
	for _, x := range s.World.Schedules {
		if x.Type != pim.Activated || !x.Live(s.Now) {
			continue
		}
		at := x.Window.Start
		if at.Before(s.Now) {
			at = s.Now
		}
		ground := s.World.Schedules[x.Eligibility]
		if run, ok := ground.Window.At(at); !ok || ground.Ending != pim.NotEnded || !run.End.IsZero() && x.Window.End.After(run.End) {
			t.Fatalf("%+v outlives its eligibility %+v", x, ground)
		}
		member := x.Key.Principal
		for _, g := range x.Via {
			holds := slices.ContainsFunc(slices.Collect(s.World.Edges()), func(m pim.Membership) bool {
				run, ok := m.At(at)
				return ok && m.Member == member && m.Group == g && (run.End.IsZero() || !x.Window.End.After(run.End))
			})
			if !holds {
				t.Fatalf("%+v outlives the membership of %s in %s", x, member, g)
			}
			member = g
		}
	}
	for _, e := range s.World.Effects {
		if x := s.World.Schedules[e.Schedule]; x.Ending != pim.NotEnded && (e.State == pim.EffectPending || e.State == pim.Usable) {
			t.Fatalf("the door %s stays open for %+v", e.ID, x)
		}
	}
}
