package pim_test

import (
	"slices"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/policy"
)

// A member who activates membership of a group that may activate a role takes two steps, and loses the second with the
// first (promise P2 along the whole path).
func TestAnActivatedMembershipCarriesWhatTheGroupHolds(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1")
	s.Door("Reader", "db", "reader")
	s.As("root").MakesEligible("amira", "member of tier-1", "for 2400h")
	s.As("root").MakesEligible("tier-1", "Reader")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Reader", "for 4h", "ticket 4711")
	s.As("amira").Activates("member of tier-1", "for 2h", "ticket 4711")
	s.Holds("amira", "member of tier-1")
	s.As("amira").Activates("Reader", "for 4h", "ticket 4711")
	s.Holds("amira", "Reader")
	if got := s.Last.Schedules[0].Window.End; !got.Equal(s.Now.Add(2 * time.Hour)) {
		t.Errorf("the role ends at %s, want with the membership", got)
	}
	if len(s.Last.Relies) != 2 {
		t.Errorf("the activation relies on %v, want the group's eligibility and the membership", s.Last.Relies)
	}
	s.After("10m")
	s.As("amira").Deactivates("member of tier-1")
	s.HoldsNot("amira", "Reader")
	s.DoorIs("amira", "db", pim.Revoking)
	s.Audited(pim.Ended)
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Reader", "for 1h", "again")
	s.As("amira").Activates("member of tier-1", "for 1h", "again")
	s.As("amira").Activates("Reader", "for 1h", "again")
	s.WithoutClock("1h")
	s.HoldsNot("amira", "Reader")
}

// Whatever ends a membership ends what rests on it in the same outcome: here each way after the other.
func TestEveryEndOfAMembershipCutsThePathsThatGoByIt(t *testing.T) {
	for name, end := range map[string]func(*pimtest.Story){
		"an administrator removes it": func(s *pimtest.Story) {
			s.As("root").Asks(pim.AdminRemove, pim.Assignment, "amira", "member of tier-1")
		},
		"outside PIM": func(s *pimtest.Story) {
			s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "member of tier-1")
		},
		"the person leaves": func(s *pimtest.Story) {
			s.As("root").Asks(pim.Depart, pim.Assignment, "amira", "member of tier-1")
		},
		"further up": func(s *pimtest.Story) {
			s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "tier-1", "member of tier-0")
		},
		"the eligibility of the group": func(s *pimtest.Story) {
			s.As("root").Asks(pim.AdminRemove, pim.Eligibility, "tier-0", "Reader")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := pimtest.Tell(t, "2026-03-02T09:00Z")
			s.Group("tier-1", "amira", "bo")
			s.Group("tier-0", "tier-1")
			s.Door("Reader", "db", "reader")
			s.As("root").MakesEligible("tier-0", "Reader")
			s.As("amira").Activates("Reader", "for 4h", "ticket 4711")
			s.As("bo").Activates("Reader", "for 4h", "ticket 4711")
			s.After("10m")
			end(s)
			s.HoldsNot("amira", "Reader")
			s.DoorIs("amira", "db", pim.Revoking)
			if len(s.Last.Touches) == 0 {
				t.Error("the version of the activation's case is not raised")
			}
			both := name == "further up" || name == "the eligibility of the group"
			if holds := s.World.Holds(pim.Key{Provider: pim.Directory, Role: "reader", Principal: "bo"}, s.Now); holds == both {
				t.Errorf("bo holds the role: %v, want %v", holds, !both)
			}
		})
	}
}

// An eligibility of a membership carries the whole chain: the membership activated from it, and the role activated by that.
func TestAnEligibilityOfMembershipUnderminesTheWholeChain(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1")
	s.Group("on-call", "amira")
	s.As("root").MakesEligible("on-call", "member of tier-1", "for 2400h")
	s.As("root").MakesEligible("tier-1", "Reader")
	s.As("amira").Activates("member of tier-1", "for 4h", "ticket 4711")
	s.As("amira").Activates("Reader", "for 3h", "ticket 4711")
	s.After("10m")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "member of on-call")
	s.HoldsNot("amira", "member of tier-1")
	s.HoldsNot("amira", "Reader")

	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", "member of on-call")
	s.As("amira").Activates("member of tier-1", "for 4h", "ticket 4711")
	s.As("amira").Activates("Reader", "for 3h", "ticket 4711")
	s.As("root").Asks(pim.AdminRemove, pim.Eligibility, "on-call", "member of tier-1")
	s.HoldsNot("amira", "member of tier-1")
	s.HoldsNot("amira", "Reader")
}

func TestAShortenedMembershipCutsWhatRestsOnIt(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1")
	s.Door("Reader", "db", "reader")
	s.As("root").Assigns("amira", "member of tier-1", "for 24h", "on call")
	s.As("root").MakesEligible("tier-1", "Reader")
	s.As("amira").Activates("Reader", "for 4h", "ticket 4711")
	s.After("10m")
	s.As("root").Asks(pim.AdminUpdate, pim.Assignment, "amira", "member of tier-1", "until 1h", "shorter")
	s.Holds("amira", "Reader")
	s.Holds("amira", "member of tier-1")
	s.WithoutClock("59m")
	s.Holds("amira", "Reader")
	s.WithoutClock("1m")
	s.HoldsNot("amira", "Reader")
	s.After("0s")
	s.DoorIs("amira", "db", pim.Revoking)
}

// Two grants of one membership may stand beside each other: what rests on it goes on as long as one of them does.
func TestAnotherGrantOfTheSameMembershipKeepsWhatRestsOnIt(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1")
	s.As("root").MakesEligible("amira", "member of tier-1", "for 2400h")
	s.As("root").MakesEligible("tier-1", "Reader")
	s.As("amira").Activates("member of tier-1", "for 4h", "ticket 4711")
	s.As("amira").Activates("Reader", "for 4h", "ticket 4711")
	s.After("10m")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", "member of tier-1")
	s.As("amira").Deactivates("member of tier-1")
	s.Holds("amira", "member of tier-1")
	s.Holds("amira", "Reader")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "member of tier-1")
	s.HoldsNot("amira", "Reader")
}

// A planned activation falls with the planned membership that it would have come by.
func TestAPlannedMembershipTakesWhatIsPlannedOnIt(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1")
	s.As("root").MakesEligible("amira", "member of tier-1", "for 2400h")
	s.As("root").MakesEligible("tier-1", "Reader")
	s.As("amira").Activates("member of tier-1", "from 2h", "for 4h", "ticket 4711")
	s.As("amira").Activates("Reader", "from 3h", "for 1h", "ticket 4711")
	s.As("amira").Cancels("amira", "member of tier-1")
	s.Status("amira", "Reader", pim.Failed)
	s.After("3h")
	s.HoldsNot("amira", "Reader")
}

func TestWhoMayAdministerAGroup(t *testing.T) {
	const group = "g1"
	plain, strong := pim.GroupFacts{ID: group}, pim.GroupFacts{ID: group, RoleAssignable: true}
	owner := pim.HeldRole{Provider: pim.Group, Role: pim.Owner, Scope: group}
	check := func(who string, held pim.HeldRole, wantPlain, wantStrong bool) {
		t.Helper()
		by := pim.Caller{Actor: pim.Actor{Kind: pim.UserPrincipal}, Roles: []pim.HeldRole{held}}
		k := pim.Key{Provider: pim.Group, Scope: group, Role: pim.Member}
		if got := pim.MayAdminister(by, k, plain); got != wantPlain {
			t.Errorf("%s administers a group: %v, want %v", who, got, wantPlain)
		}
		if got := pim.MayAdminister(by, k, strong); got != wantStrong {
			t.Errorf("%s administers a role-assignable group: %v, want %v", who, got, wantStrong)
		}
	}
	role := func(r pim.RoleID, at pim.Scope) pim.HeldRole {
		return pim.HeldRole{Provider: pim.Directory, Role: r, Scope: at}
	}
	check("a Global Administrator", role(pim.GlobalAdministrator, "/"), true, true)
	check("a Privileged Role Administrator", role(pim.PrivilegedRoleAdministrator, "/"), true, true)
	check("an owner", owner, true, true)
	check("the owner of another", pim.HeldRole{Provider: pim.Group, Role: pim.Owner, Scope: "g2"}, false, false)
	check("a member", pim.HeldRole{Provider: pim.Group, Role: pim.Member, Scope: group}, false, false)
	for _, r := range []pim.RoleID{pim.DirectoryWriters, pim.GroupsAdministrator, pim.IdentityGovernanceAdmin, pim.UserAdministrator} {
		check("a writer of groups", role(r, "/"), true, false)
		check("a writer of groups in a unit", role(r, pim.AdministrativeUnit("u")), false, false)
	}
	check("a reader", role(pim.GlobalReader, "/"), false, false)
	writer := pim.Caller{Actor: pim.Actor{Kind: pim.UserPrincipal}, Roles: []pim.HeldRole{role(pim.GroupsAdministrator, "/")}}
	if pim.MayAdminister(writer, pim.Key{Provider: pim.Group, Scope: group}, pim.GroupFacts{}) {
		t.Error("a writer of groups administers a group that is not there")
	}
}

func TestWhoCanBelongToAGroup(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("strong")
	s.Group("inner")
	s.Group("plain", "inner")
	s.GroupIs("plain", func(g *pim.GroupFacts) { g.RoleAssignable = false })
	s.Group("dynamic")
	s.GroupIs("dynamic", func(g *pim.GroupFacts) { g.Dynamic = true })
	s.Is("robot", func(p *pim.Principal) { p.Kind = pim.ServicePrincipal })
	check := func(kind pim.Kind, whom, as string, want pim.Code) {
		t.Helper()
		a := s.As("root")
		if want != "" {
			a = a.Cannot(want)
		}
		a.Asks(pim.AdminAssign, kind, whom, as, "for 24h", "needed")
	}
	check(pim.Assignment, "amira", "member of strong", "")
	check(pim.Assignment, "robot", "member of strong", "")
	check(pim.Assignment, "robot", "owner of strong", "")
	check(pim.Eligibility, "robot", "member of strong", pim.Unsuitable)
	check(pim.Assignment, "inner", "member of strong", pim.Unsuitable)
	check(pim.Eligibility, "inner", "member of strong", "")
	check(pim.Eligibility, "inner", "owner of strong", pim.Unsuitable)
	check(pim.Assignment, "strong", "member of plain", "")
	check(pim.Assignment, "plain", "member of plain", pim.Unsuitable)
	check(pim.Assignment, "plain", "member of inner", pim.Unsuitable) // inner can be assigned to roles
	check(pim.Assignment, "amira", "member of dynamic", pim.Unsuitable)
	check(pim.Eligibility, "amira", "owner of dynamic", pim.Unsuitable)
	check(pim.Assignment, "amira", "member of nowhere", pim.InvalidScope)
	check(pim.Assignment, "amira", "member of plain", "")
	s.As("amira").Cannot(pim.Forbidden).Asks(pim.AssignOutside, pim.Assignment, "bo", "member of plain")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", "owner of plain")
	s.As("amira").Asks(pim.AssignOutside, pim.Assignment, "bo", "member of plain")
	s.As("amira").Cannot(pim.AlreadyThere).Asks(pim.AssignOutside, pim.Assignment, "bo", "member of plain")
	s.As("amira").Asks(pim.RemoveOutside, pim.Assignment, "bo", "member of plain")
	s.As("amira").Cannot(pim.NotThere).Asks(pim.RemoveOutside, pim.Assignment, "bo", "member of plain")
}

// Where a stage names nobody, the owners of the group stand in, but for the one who asks.
func TestOwnersStandInAsApprovers(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1")
	s.Policy("member of tier-1", func(r *policy.Rules) {
		r.Approval.Required = true
		r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.RequestorManager}}}}
	})
	for _, who := range []string{"amira", "bo"} {
		s.As("root").Asks(pim.AssignOutside, pim.Assignment, who, "owner of tier-1")
	}
	s.As("root").MakesEligible("amira", "member of tier-1", "for 2400h")
	s.As("amira").Activates("member of tier-1", "for 2h", "ticket 4711")
	s.As("amira").Cannot(pim.Forbidden).Approves("amira", "member of tier-1")
	s.As("cy").Cannot(pim.Forbidden).Approves("amira", "member of tier-1")
	s.As("bo").Approves("amira", "member of tier-1")
	s.Holds("amira", "member of tier-1")
}

func TestAGroupPolicyNamesItsApprovers(t *testing.T) {
	r := policy.ForGroup()
	r.Approval.Required = true
	if err := r.Validate(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), true); err == nil {
		t.Error("a required approval that names nobody is taken for a group")
	}
	if err := r.Validate(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), false); err != nil {
		t.Errorf("for a directory role the administrators stand in: got %v", err)
	}
}

// Making and taking grants outside PIM is bound by no policy and by no five minutes, and marked by having no request.
func TestOutsidePIM(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("bo").Cannot(pim.Forbidden).Asks(pim.AssignOutside, pim.Assignment, "amira", "Reader")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", "Reader")
	given := s.Last.Schedules[0]
	if given.Request != "" || !given.Window.End.IsZero() || s.Last.Request != nil {
		t.Errorf("the grant is %+v with the request %v, want no end and no request", given, s.Last.Request)
	}
	s.Audited(pim.AssignedOutside)
	s.Holds("amira", "Reader")
	s.As("root").Cannot(pim.InvalidRequest).Asks(pim.AssignOutside, pim.Eligibility, "bo", "Reader")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "Reader")
	s.HoldsNot("amira", "Reader")
	s.Audited(pim.RemovedOutside)

	s.As("root").MakesEligible("amira", "Reader")
	s.As("amira").Activates("Reader", "for 2h", "ticket 4711")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "Reader")
	s.HoldsNot("amira", "Reader")
	s.As("amira").Activates("Reader", "from 1h", "for 2h", "ticket 4712")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "Reader")
	s.Status("amira", "Reader", pim.Canceled)

	s.As("root").Cannot(pim.Unsuitable).Asks(pim.RemoveOutside, pim.Assignment, "root", "Global Administrator")
	s.As("root").Assigns("bo", "Global Administrator", "for 24h", "deputy")
	s.As("bo").Cannot(pim.LastAdministrator).Asks(pim.RemoveOutside, pim.Assignment, "root", "Global Administrator")
	s.As("bo").Cannot(pim.LastAdministrator).Asks(pim.Depart, pim.Assignment, "root", "Global Administrator")
}

// Who leaves loses what they hold and wait for, and what others hold by it.
func TestDeparting(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1", "amira")
	s.Policy("Reader", approvalBy("bo"))
	s.As("root").MakesEligible("tier-1", "Reader")
	s.As("root").MakesEligible("tier-1", "Writer")
	s.As("amira").Activates("Writer", "for 2h", "ticket 4711")
	s.As("amira").Activates("Reader", "for 2h", "ticket 4711")
	s.As("root").Asks(pim.Depart, pim.Assignment, "amira", "Reader")
	s.Status("amira", "Reader", pim.Failed)
	s.As("root").Asks(pim.Depart, pim.Assignment, "tier-1", "Writer")
	s.HoldsNot("amira", "Writer")
	for _, x := range s.World.Schedules {
		if x.Key.Role == "writer" && x.Ending == pim.NotEnded {
			t.Errorf("schedule %+v has not ended", x)
		}
	}
	if !slices.ContainsFunc(s.World.Events, func(e pim.Event) bool { return e.Activity == pim.Ended && e.Key.Principal == "tier-1" }) {
		t.Error("that the group's eligibility ended is not told")
	}
}
