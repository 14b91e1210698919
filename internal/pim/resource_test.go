package pim_test

import (
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// Conditions that the stories know.
const (
	onlyBlobs   = "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'blobs'"
	blobsAgain  = "( @resource[microsoft.storage/storageAccounts:name]   stringequals 'blobs' )"
	onlyQueues  = "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'queues'"
	brokenWords = "@Resource[ StringEquals"
)

// site tells of places: two resource groups in one subscription, and another subscription.
func site(t *testing.T) *pimtest.Story {
	t.Helper()
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Resources("/one/rg-1/db", "/one/rg-10", "/two/rg-2")
	return s
}

// amiras finds the live schedule of amira at a place by its type.
func amiras(t *testing.T, s *pimtest.Story, place string, kind pim.Kind, typ pim.AssignmentType) pim.Schedule {
	t.Helper()
	for _, x := range s.World.Schedules {
		k := x.Key
		if k.Principal == "amira" && k.Provider == pim.Resource && k.Scope == pim.Scope(place) && x.Kind == kind && x.Type == typ && x.Live(s.Now) {
			return x
		}
	}
	t.Fatalf("amira has nothing such on %s", place)
	return pim.Schedule{}
}

func TestEligibleAtASubscriptionActiveAtOneGroupOfIt(t *testing.T) {
	s := site(t)
	s.Door("Contributor on /one/rg-1/db", "db", "writer")
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h")
	s.HoldsNot("amira", "Contributor on /one/rg-1")
	s.As("amira").WithoutMFA().Activates("Contributor on /one/rg-1", "for 2h", "ticket 4711") // no second factor by default
	s.Holds("amira", "Contributor on /one/rg-1")
	s.Holds("amira", "Contributor on /one/rg-1/db")
	s.HoldsNot("amira", "Contributor on /one/rg-10")
	s.HoldsNot("amira", "Contributor on /one")
	s.DoorIs("amira", "db", pim.EffectPending)
	s.As("amira").Cannot(pim.AlreadyThere).Activates("Contributor on /one/rg-1", "for 1h", "again")
	s.As("amira").Activates("Contributor on /one/rg-10", "for 1h", "there too")
	s.As("amira").Cannot(pim.TooShort).Asks(pim.SelfDeactivate, pim.Assignment, "amira", "Contributor on /one/rg-1")
	s.After("5m")
	s.As("amira").Deactivates("Contributor on /one/rg-1")
	s.HoldsNot("amira", "Contributor on /one/rg-1/db")
	s.Holds("amira", "Contributor on /one/rg-10")
	s.After("1h")
	s.HoldsNot("amira", "Contributor on /one/rg-10")
}

func TestAnActivationIsNeverWider(t *testing.T) {
	s := site(t)
	s.As("root").MakesEligible("amira", "Contributor on /one/rg-1", "for 2400h")
	for _, place := range []string{"/", "/one", "/one/rg-10", "/two", "/two/rg-2"} {
		s.As("amira").Cannot(pim.PolicyFailed).Activates("Contributor on "+place, "for 1h", "ticket 4711")
		if f := s.Refused.Failures; len(f) != 1 || f[0].Rule != pim.EligibilityRule {
			t.Errorf("on %s: %v failed, want the EligibilityRule", place, f)
		}
	}
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Reader on /one/rg-1", "for 1h", "ticket 4711")
	s.As("amira").Activates("Contributor on /one/rg-1/db", "for 1h", "ticket 4711")
}

func TestAGroupIsEligibleAndItsMembersActivate(t *testing.T) {
	s := site(t)
	s.Group("ops", "amira", "bo")
	s.GroupIs("ops", func(g *pim.GroupFacts) { g.RoleAssignable = false }) // only directory roles ask for that
	s.As("root").MakesEligible("ops", "Contributor on /one", "for 2400h")
	s.As("amira").Activates("Contributor on /one/rg-1", "for 8h", "ticket 4711")
	s.Holds("amira", "Contributor on /one/rg-1")
	s.HoldsNot("bo", "Contributor on /one/rg-1")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "member of ops")
	s.HoldsNot("amira", "Contributor on /one/rg-1")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Contributor on /one/rg-1", "for 1h", "again")
}

func TestAConditionIsCopied(t *testing.T) {
	s := site(t)
	s.As("root").Cannot(pim.InvalidCondition).MakesEligible("amira", "Contributor on /one", "for 2400h", "under "+brokenWords)
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h", "under "+onlyBlobs)
	s.As("amira").Cannot(pim.InvalidCondition).Activates("Contributor on /one/rg-1", "for 1h", "ticket 1", "under "+onlyQueues)
	s.As("amira").Activates("Contributor on /one/rg-1", "for 1h", "ticket 1")
	s.As("amira").Activates("Contributor on /one/rg-10", "for 1h", "ticket 1", "under "+blobsAgain)
	for _, place := range []string{"/one/rg-1", "/one/rg-10"} {
		got := amiras(t, s, place, pim.Assignment, pim.Activated)
		if got.Condition != onlyBlobs || got.ConditionVersion != "2.0" {
			t.Errorf("the activation on %s is under %q of version %q, want that of the eligibility", place, got.Condition, got.ConditionVersion)
		}
	}
	if got := s.Request("amira", "Contributor on /one/rg-10").Condition; got != blobsAgain {
		t.Errorf("the request reads %q, want it as it was asked", got)
	}
}

// The condition of an eligibility changes: what rests on it is under the new one, and an update that names none leaves it.
func TestAnUpdateChangesTheCondition(t *testing.T) {
	s := site(t)
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h", "under "+onlyBlobs)
	s.As("amira").Activates("Contributor on /one/rg-1", "for 8h", "ticket 1")
	s.As("root").Asks(pim.AdminUpdate, pim.Eligibility, "amira", "Contributor on /one", "under "+onlyQueues)
	end := s.Now.Add(2400 * time.Hour)
	eligibility := amiras(t, s, "/one", pim.Eligibility, pim.Assigned)
	if eligibility.Condition != onlyQueues || !eligibility.Window.End.Equal(end) {
		t.Errorf("the eligibility is under %q until %s, want the new condition and the old end %s", eligibility.Condition, eligibility.Window.End, end)
	}
	if got := amiras(t, s, "/one/rg-1", pim.Assignment, pim.Activated); got.Condition != onlyQueues || got.Eligibility != eligibility.ID {
		t.Errorf("the activation is under %q and rests on %s, want what it rests on", got.Condition, got.Eligibility)
	}
	s.As("root").Asks(pim.AdminExtend, pim.Eligibility, "amira", "Contributor on /one", "for 3000h")
	if got := amiras(t, s, "/one", pim.Eligibility, pim.Assigned); got.Condition != onlyQueues {
		t.Errorf("extended it is under %q, want the condition that it had", got.Condition)
	}
	s.As("root").Cannot(pim.InvalidCondition).Asks(pim.AdminAssign, pim.Eligibility, "amira", "Vault", "for 1h", "under "+onlyBlobs)
}

// A door asks no conditions, so that it stays shut for what holds under one.
func TestWhatHoldsUnderAConditionOpensNoDoor(t *testing.T) {
	s := site(t)
	s.Door("Contributor on /one/rg-1", "db", "writer")
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h", "under "+onlyBlobs)
	s.As("amira").Activates("Contributor on /one/rg-1", "for 1h", "ticket 1")
	if len(s.World.Effects) > 0 {
		t.Errorf("it opens %v", s.World.Effects)
	}
	s.After("1h")
	s.As("root").Asks(pim.AdminRemove, pim.Eligibility, "amira", "Contributor on /one")
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h")
	s.As("amira").Activates("Contributor on /one/rg-1", "for 8h", "ticket 1")
	s.DoorIs("amira", "db", pim.EffectPending)
	s.After("1m")
	s.As("root").Asks(pim.AdminUpdate, pim.Eligibility, "amira", "Contributor on /one", "under "+onlyBlobs)
	s.DoorIs("amira", "db", pim.Revoking)

	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "bo", "Contributor on /one/rg-1", "named x")
	s.DoorIs("bo", "db", pim.EffectPending)
	s.After("1m")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "bo", "Contributor on /one/rg-1", "named x", "under "+onlyBlobs)
	s.DoorIs("bo", "db", pim.Revoking)
	s.After("1m")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "bo", "Contributor on /one/rg-1", "named x")
	s.DoorIs("bo", "db", pim.EffectPending)
}

// Of several eligibilities the one without a condition is taken, then the nearest, as long as it bears to the end.
func TestWhichEligibilityBears(t *testing.T) {
	s := site(t)
	s.As("root").MakesEligible("amira", "Contributor on /", "for 2400h", "named at-root")
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h", "named at-one")
	s.As("root").MakesEligible("amira", "Contributor on /one/rg-1", "for 2400h", "named at-rg", "under "+onlyBlobs)
	s.As("root").MakesEligible("amira", "Contributor on /one/rg-10", "for 1h", "named briefly")
	for place, want := range map[string]pim.ScheduleID{"/one/rg-1": "at-one", "/one/rg-10": "at-one", "/two/rg-2": "at-root"} {
		s.As("amira").Activates("Contributor on "+place, "for 8h", "ticket 4711")
		if got := amiras(t, s, place, pim.Assignment, pim.Activated).Eligibility; got != want {
			t.Errorf("on %s the activation rests on %s, want %s", place, got, want)
		}
	}
}

// To activate at a narrower scope asks for no less than to activate where one is eligible.
func TestTheWideScopesPolicyBindsBelow(t *testing.T) {
	s := site(t)
	s.Policy("Contributor on /one", func(r *policy.Rules) {
		approvalBy("bo")(r)
		r.EndUserAssignment.Expiration.Maximum = schedule.MustDuration("PT1H")
		r.EndUserAssignment.Enablement.Ticketing = true
	})
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h")
	s.As("root").MakesEligible("amira", "Contributor on /one/rg-10", "for 2400h")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Contributor on /one/rg-1", "for 2h", "ticket 4711")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Contributor on /one/rg-1", "for 1h", "why not")
	s.As("amira").Activates("Contributor on /one/rg-1", "ticket 4711")
	s.Status("amira", "Contributor on /one/rg-1", pim.PendingApproval)
	s.As("root").Cannot(pim.Forbidden).Approves("amira", "Contributor on /one/rg-1")
	s.As("bo").Approves("amira", "Contributor on /one/rg-1")
	s.Holds("amira", "Contributor on /one/rg-1")
	s.After("1h")
	s.HoldsNot("amira", "Contributor on /one/rg-1")
	s.As("amira").Activates("Contributor on /one/rg-10", "for 8h", "eligible there itself")
	s.Holds("amira", "Contributor on /one/rg-10")
}

func TestWhatRestsOnAWiderEligibilityEndsWithIt(t *testing.T) {
	s := site(t)
	s.Door("Contributor on /one/rg-1", "db", "writer")
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h")
	s.As("root").MakesEligible("amira", "Contributor on /one/rg-10", "for 2400h")
	s.As("amira").Activates("Contributor on /one/rg-1", "for 8h", "ticket 1")
	s.As("amira").Activates("Contributor on /one/rg-1/db", "from 1h", "for 2h", "ticket 1")
	s.As("amira").Activates("Contributor on /one/rg-10", "for 8h", "ticket 1")
	s.As("root").Asks(pim.AdminRemove, pim.Eligibility, "amira", "Contributor on /one")
	s.HoldsNot("amira", "Contributor on /one/rg-1")
	s.Holds("amira", "Contributor on /one/rg-10")
	s.Status("amira", "Contributor on /one/rg-1/db", pim.Failed)
	s.DoorIs("amira", "db", pim.Revoking)
	s.After("2h")
	s.HoldsNot("amira", "Contributor on /one/rg-1/db")
}

// An activation that was committed between the reading and the commit of what ends its eligibility falls afterwards.
func TestTheAftermathReachesBelow(t *testing.T) {
	s := site(t)
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h")
	s.As("amira").Activates("Contributor on /one/rg-1", "for 8h", "ticket 1")
	eligibility := amiras(t, s, "/one", pim.Eligibility, pim.Assigned)
	eligibility.Ending, eligibility.Ended = pim.Removed, s.Now
	s.World.Schedules[eligibility.ID] = eligibility
	ask := pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Action: pim.Aftermath, Key: eligibility.Key}
	out, err := pim.Decide(s.Now, s.World.Case(ask.Needs()), ask, s.World.NewID)
	if err != nil {
		t.Fatal(err)
	}
	s.World.Keep(out)
	s.HoldsNot("amira", "Contributor on /one/rg-1")
}

func TestOneGrantOfEachKind(t *testing.T) {
	s := site(t)
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 24h")
	s.As("root").Cannot(pim.AlreadyThere).MakesEligible("amira", "Contributor on /one", "from 48h", "for 24h")
	s.As("root").Assigns("amira", "Contributor on /one", "for 24h", "ticket 1")
	s.As("root").Cannot(pim.AlreadyThere).Assigns("amira", "Contributor on /one", "for 24h", "ticket 1")
	s.As("root").Assigns("amira", "Contributor on /one/rg-1", "for 24h", "ticket 1") // another scope, another grant
	s.As("root").Cannot(pim.PolicyFailed).Assigns("bo", "Contributor on /one", "for ever", "ticket 1")
	s.As("root").Cannot(pim.PolicyFailed).MakesEligible("bo", "Contributor on /one", "for ever")
}

func TestExtendAndRenew(t *testing.T) {
	s := site(t)
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 100h", "under "+onlyBlobs)
	s.As("amira").Asks(pim.SelfExtend, pim.Eligibility, "amira", "Contributor on /one", "for 200h", "still on call")
	s.Status("amira", "Contributor on /one", pim.PendingAdminDecision)
	r := s.Request("amira", "Contributor on /one")
	check := func(who string, want bool) {
		t.Helper()
		p := s.World.Principals[s.Person(who)]
		if got := pim.CanDecide(s.Now, r, s.World.Principals["amira"], p, s.As(who).Caller(), nil); got != want {
			t.Errorf("%s can decide on the extension: %v, want %v", who, got, want)
		}
	}
	check("root", true)
	check("bo", false)
	check("amira", false)
	s.As("root").Asks(pim.AdminExtend, pim.Eligibility, "amira", "Contributor on /one", "for 200h", "fine")
	if got := s.World.Requests[r.ID].Status; got != pim.Provisioned {
		t.Errorf("the request to extend has status %d, want it settled", got)
	}
	s.After("200h")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Contributor on /one", "for 1h", "ticket 1")
	s.As("amira").Asks(pim.SelfRenew, pim.Eligibility, "amira", "Contributor on /one", "for 100h", "again")
	s.As("root").Asks(pim.AdminRenew, pim.Eligibility, "amira", "Contributor on /one", "for 100h", "fine")
	if got := amiras(t, s, "/one", pim.Eligibility, pim.Assigned).Condition; got != onlyBlobs {
		t.Errorf("renewed it is under %q, want the condition that it had", got)
	}
	s.As("amira").Activates("Contributor on /one/rg-1", "for 1h", "ticket 1")
}

func TestAnExtensionIsDenied(t *testing.T) {
	s := site(t)
	s.As("root").Assigns("amira", "Contributor on /one", "for 100h", "ticket 1")
	s.As("amira").Asks(pim.SelfExtend, pim.Assignment, "amira", "Contributor on /one", "for 200h", "still on call")
	s.As("bo").Cannot(pim.UnknownRequest).Cancels("amira", "Contributor on /one")
	s.As("root").Cancels("amira", "Contributor on /one")
	s.Status("amira", "Contributor on /one", pim.Denied)
}

// A stage that asks the manager of somebody who has none is decided by whoever may give the role there.
func TestAdministratorsOfTheScopeStandIn(t *testing.T) {
	s := site(t)
	s.Delegates("ada", "/one", "")
	s.Delegates("tom", "/two", "")
	s.Delegates("con", "/one", "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR "+
		"@Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'Group'")
	s.Policy("Contributor on /one", func(r *policy.Rules) {
		r.Approval.Required = true
		r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.RequestorManager}}}}
	})
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 2400h")
	s.As("amira").Activates("Contributor on /one/rg-1", "for 1h", "ticket 1")
	for _, who := range []string{"tom", "con", "bo", "amira"} {
		s.As(who).Cannot(pim.Forbidden).Approves("amira", "Contributor on /one/rg-1")
	}
	s.As("ada").Approves("amira", "Contributor on /one/rg-1")
	s.Holds("amira", "Contributor on /one/rg-1")
}

func TestWhoAdministersResources(t *testing.T) {
	s := site(t)
	s.Delegates("ada", "/one", "")
	s.Is("robot", func(p *pim.Principal) { p.Kind = pim.ServicePrincipal })
	s.Delegates("robot", "/two", "")
	s.As("ada").MakesEligible("amira", "Contributor on /one/rg-1", "for 24h")
	s.As("ada").Cannot(pim.Forbidden).MakesEligible("amira", "Contributor on /two", "for 24h")
	s.As("ada").Cannot(pim.Forbidden).MakesEligible("amira", "Contributor on /", "for 24h")
	s.As("ada").Cannot(pim.UnknownScope).MakesEligible("amira", "Contributor on /one/gone", "for 24h")
	s.As("bo").Cannot(pim.Forbidden).MakesEligible("amira", "Contributor on /one/gone", "for 24h")
	// An application is judged by its roles, whatever its token permits.
	s.As("robot").AsApp().MakesEligible("amira", "Contributor on /two", "for 24h")
	s.As("robot").AsApp().Cannot(pim.Forbidden).MakesEligible("amira", "Contributor on /one", "for 24h")
	// Global Administrators have nothing here of themselves.
	s.As("root").Assigns("gus", "Global Administrator", "for ever", "ticket 1")
	s.As("gus").Cannot(pim.Forbidden).MakesEligible("amira", "Contributor on /two/rg-2", "for 24h")
	s.As("ada").Cannot(pim.Forbidden).Asks(pim.AdminRemove, pim.Eligibility, "amira", "Contributor on /two")
	s.As("ada").Asks(pim.AdminRemove, pim.Eligibility, "amira", "Contributor on /one/rg-1")
}

func TestWhoCanHoldARoleOfResources(t *testing.T) {
	s := site(t)
	s.Is("robot", func(p *pim.Principal) { p.Kind = pim.ServicePrincipal })
	s.As("root").Cannot(pim.Unsuitable).MakesEligible("robot", "Contributor on /one", "for 24h")
	s.As("root").Assigns("robot", "Contributor on /one", "for 24h", "ticket 1")
	s.RoleIs("Keeper on /one", func(r *pim.Role) { r.BuiltIn, r.Assignable = false, []pim.Scope{"/one/rg-1", "/two"} })
	s.As("root").Assigns("amira", "Keeper on /one/rg-1/db", "for 24h", "ticket 1")
	s.As("root").Assigns("amira", "Keeper on /two/rg-2", "for 24h", "ticket 1")
	s.As("root").Cannot(pim.InvalidScope).Assigns("amira", "Keeper on /one", "for 24h", "ticket 1")
	s.As("root").Cannot(pim.InvalidScope).Assigns("amira", "Keeper on /one/rg-10", "for 24h", "ticket 1")
	s.RoleIs("Keeper on /one", func(r *pim.Role) { r.Assignable = []pim.Scope{"/two"} })
	s.After("5m")
	s.As("root").Asks(pim.AdminRemove, pim.Assignment, "amira", "Keeper on /one/rg-1/db") // what is there can always be taken
	s.RoleIs("Nothing on /one", func(r *pim.Role) { *r = pim.Role{ID: r.ID} })            // not among the roles that are there
	s.As("root").Cannot(pim.UnknownRole).Assigns("bo", "Nothing on /one", "for 24h", "ticket 1")
}

// A request's id becomes its schedule's, so it must not be that of anything.
func TestAChosenIDIsFree(t *testing.T) {
	s := site(t)
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", "Reader on /one", "named x")
	s.As("root").Cannot(pim.RequestExists).MakesEligible("amira", "Reader on /one", "for 24h", "named x")
	s.As("root").MakesEligible("amira", "Reader on /one", "for 24h", "named x", "only validation")
	s.As("root").MakesEligible("amira", "Reader on /one", "for 24h", "named y")
	if got := s.Last.Request.ID; got != "y" {
		t.Errorf("the request is named %s, want what was chosen", got)
	}
}
