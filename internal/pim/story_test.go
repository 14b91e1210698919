package pim_test

import (
	"testing"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/policy"
)

// approvalBy makes a role ask one of the named people for approval.
func approvalBy(names ...string) func(*policy.Rules) {
	return func(r *policy.Rules) {
		r.Approval.Required = true
		r.Approval.Stages = []policy.Stage{stageOf(names...)}
	}
}

func stageOf(names ...string) policy.Stage {
	s := policy.Stage{TimeoutDays: 1}
	for _, n := range names {
		s.Approvers = append(s.Approvers, policy.Approver{Kind: policy.User, ID: n})
	}
	return s
}

func TestActivationIsForAReasonAndATime(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").MakesEligible("amira", "Billing reader")
	s.HoldsNot("amira", "Billing reader")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Billing reader", "for 2h")
	s.As("amira").WithoutMFA().Cannot(pim.PolicyFailed).Activates("Billing reader", "for 2h", "ticket 4711")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Billing reader", "for 9h", "ticket 4711")
	s.As("bo").Cannot(pim.PolicyFailed).Activates("Billing reader", "for 2h", "ticket 4711")
	s.As("amira").Activates("Billing reader", "for 2h", "ticket 4711")
	s.Holds("amira", "Billing reader")
	s.As("amira").Cannot(pim.AlreadyThere).Activates("Billing reader", "for 1h", "again")
	s.After("2h")
	s.HoldsNot("amira", "Billing reader")
	s.Audited(pim.Ended)
	s.As("amira").Activates("Billing reader", "for 1h", "again")
	s.Holds("amira", "Billing reader")
}

func TestEveryFailedRuleIsNamed(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Billing reader", func(r *policy.Rules) { r.EndUserAssignment.Enablement.Ticketing = true })
	s.As("amira").WithoutMFA().Cannot(pim.PolicyFailed).Activates("Billing reader", "for 9h")
	want := []pim.PolicyRule{pim.EligibilityRule, pim.ExpirationRule, pim.JustificationRule, pim.MFARule, pim.TicketingRule}
	for i, f := range s.Refused.Failures {
		if i >= len(want) || f.Rule != want[i] {
			t.Fatalf("failures are %v, want %v", s.Refused.Failures, want)
		}
	}
	if len(s.Refused.Failures) != len(want) {
		t.Errorf("failures are %v, want %v", s.Refused.Failures, want)
	}
}

func TestApprovalComesBeforePower(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Billing reader", approvalBy("bo", "amira"))
	s.As("root").MakesEligible("amira", "Billing reader")
	s.As("amira").Activates("Billing reader", "for 2h", "ticket 4711")
	s.Status("amira", "Billing reader", pim.PendingApproval)
	s.HoldsNot("amira", "Billing reader")
	s.As("amira").Cannot(pim.AlreadyPending).Activates("Billing reader", "for 2h", "ticket 4711")
	s.As("amira").Cannot(pim.Forbidden).Approves("amira", "Billing reader")
	s.As("cleo").Cannot(pim.Forbidden).Approves("amira", "Billing reader")
	s.As("bo").AsApp().Cannot(pim.Forbidden).Approves("amira", "Billing reader")
	s.As("bo").Cannot(pim.JustificationMissing).Approves("amira", "Billing reader", "")
	s.After("3h")
	s.As("bo").Approves("amira", "Billing reader")
	s.Holds("amira", "Billing reader")
	s.As("bo").Cannot(pim.AlreadyDecided).Approves("amira", "Billing reader")
	s.After("1h59m")
	s.Holds("amira", "Billing reader") // the time counts from the approval
	s.After("1m")
	s.HoldsNot("amira", "Billing reader")
}

func TestADenialWins(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Billing reader", func(r *policy.Rules) {
		approvalBy("bo", "cleo", "dan")(r)
		r.Approval.Stages[0].Minimum = 2
	})
	s.As("root").MakesEligible("amira", "Billing reader")
	s.As("amira").Activates("Billing reader", "for 2h", "ticket 4711")
	s.As("bo").Approves("amira", "Billing reader")
	s.Status("amira", "Billing reader", pim.PendingApproval)
	s.As("bo").Cannot(pim.AlreadyDecided).Approves("amira", "Billing reader")
	s.As("cleo").Denies("amira", "Billing reader")
	s.Status("amira", "Billing reader", pim.Denied)
	s.As("dan").Cannot(pim.AlreadyDecided).Approves("amira", "Billing reader")
	s.HoldsNot("amira", "Billing reader")
}

func TestStagesAreAskedOneAfterTheOther(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Is("amira", func(p *pim.Principal) { p.Manager = "mia" })
	s.Person("mia")
	s.Group("security", "sam", "amira")
	s.Policy("Vault", func(r *policy.Rules) {
		r.Approval.Required, r.Approval.Mode = true, policy.Serial
		r.Approval.Stages = []policy.Stage{
			{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.RequestorManager}}},
			{TimeoutDays: 2, Minimum: 1, Approvers: []policy.Approver{{Kind: policy.Group, ID: "security"}}},
		}
	})
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.As("sam").Cannot(pim.AlreadyDecided).Approves("amira", "Vault") // the second stage is not open yet
	s.As("mia").Approves("amira", "Vault")
	s.HoldsNot("amira", "Vault")
	s.As("amira").Cannot(pim.Forbidden).Approves("amira", "Vault") // a member of the approving group
	s.As("sam").Approves("amira", "Vault")
	s.Holds("amira", "Vault")
}

func TestAnApprovalEscalatesAndLapses(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Vault", func(r *policy.Rules) {
		approvalBy("bo")(r)
		r.Approval.Stages[0].Escalation, r.Approval.Stages[0].EscalationMinutes = true, 30
		r.Approval.Stages[0].Escalated = []policy.Approver{{Kind: policy.User, ID: "chief"}}
	})
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.As("chief").Cannot(pim.Forbidden).Approves("amira", "Vault")
	s.After("30m")
	s.As("chief").Approves("amira", "Vault")
	s.Holds("amira", "Vault")
	s.After("2h")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.After("24h")
	s.Status("amira", "Vault", pim.TimedOut)
	s.As("bo").Cannot(pim.AlreadyDecided).Approves("amira", "Vault")
}

func TestSomebodysSecondAccountIsTheSamePerson(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Vault", approvalBy("adm-amira", "bo"))
	same := func(p *pim.Principal) { p.Person = "E0042" }
	s.Is("amira", same)
	s.Is("adm-amira", same)
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.As("adm-amira").Cannot(pim.Forbidden).Approves("amira", "Vault")
	s.As("bo").Approves("amira", "Vault")
}

func TestWithoutNamedApproversTheAdministratorsDecide(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Vault", approvalBy())
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.As("bo").Cannot(pim.Forbidden).Approves("amira", "Vault")
	s.As("root").Approves("amira", "Vault")
	s.Holds("amira", "Vault")
}

func TestEligibilityThroughGroupsAtAnyDepth(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1", "amira")
	s.Group("ops", "tier-1")
	s.Group("everybody", "ops")
	s.World.Memberships = append(s.World.Memberships, pim.Membership{Group: "tier-1", Member: "everybody"}) // a circle
	s.As("root").MakesEligible("everybody", "Vault")
	s.As("bo").Cannot(pim.PolicyFailed).Activates("Vault", "for 1h", "open it")
	s.As("amira").Activates("Vault at /administrativeUnits/u1", "for 1h", "open it")
	s.Holds("amira", "Vault")
	if got, want := len(s.Last.Schedules[0].Via), 3; got != want {
		t.Errorf("the way goes through %d groups, want %d", got, want)
	}
}

func TestAnActivationEndsWithTheMembershipItRestsOn(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("ops")
	s.MemberUntil("ops", "amira", "30m")
	s.As("root").MakesEligible("ops", "Vault", "for ever")
	s.As("amira").Activates("Vault", "for 8h", "open it")
	s.After("29m")
	s.Holds("amira", "Vault")
	s.After("1m")
	s.HoldsNot("amira", "Vault")
}

func TestRemovingAnEligibilityEndsWhatRestsOnIt(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("ops", "amira", "bo")
	s.Door("Vault", "db", "vault_admin")
	s.As("root").MakesEligible("ops", "Vault")
	s.As("amira").Activates("Vault", "for 8h", "open it")
	s.As("bo").Activates("Vault", "for 8h", "open it", "from 1h")
	s.DoorIs("amira", "db", pim.EffectPending)
	s.As("root").Asks(pim.AdminRemove, pim.Eligibility, "ops", "Vault")
	s.HoldsNot("amira", "Vault")
	s.DoorIs("amira", "db", pim.Revoking)
	s.Status("bo", "Vault", pim.Failed)
	s.After("1h")
	s.HoldsNot("bo", "Vault")
}

func TestShorteningAnEligibilityShortensWhatRestsOnIt(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").MakesEligible("amira", "Vault", "for ever")
	s.As("amira").Activates("Vault at /administrativeUnits/u1", "for 8h", "open it")
	s.As("root").Asks(pim.AdminUpdate, pim.Eligibility, "amira", "Vault", "for 1h")
	s.Holds("amira", "Vault")
	s.After("1h")
	s.HoldsNot("amira", "Vault")
}

func TestFiveMinutes(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Cannot(pim.TooShort).Activates("Vault", "for 4m59s", "open it")
	s.As("amira").Activates("Vault", "for 5m", "open it")
	s.As("amira").Cannot(pim.TooShort).Deactivates("Vault")
	s.As("root").Cannot(pim.TooShort).Asks(pim.AdminRemove, pim.Assignment, "amira", "Vault")
	s.After("4m59s")
	s.As("amira").Cannot(pim.TooShort).Deactivates("Vault")
	s.After("1s")
	s.HoldsNot("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.After("5m")
	s.As("amira").Deactivates("Vault")
	s.HoldsNot("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
}

func TestAPlannedActivationStartsByItself(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Door("Vault", "db", "vault_admin")
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "from 2h", "maintenance")
	s.Status("amira", "Vault", pim.Granted)
	s.HoldsNot("amira", "Vault")
	s.As("amira").Cannot(pim.AlreadyThere).Activates("Vault", "for 1h", "now")
	s.WithoutClock("2h")
	s.Holds("amira", "Vault") // whether or not anybody looks at the clock
	s.After("0s")
	s.Status("amira", "Vault", pim.Provisioned)
	s.DoorIs("amira", "db", pim.EffectPending)
	s.After("1h")
	s.DoorIs("amira", "db", pim.Revoking)
	s.HoldsNot("amira", "Vault")
}

func TestAPlannedActivationCanBeCanceled(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "from 2h", "maintenance")
	s.As("bo").Cannot(pim.UnknownRequest).Cancels("amira", "Vault")
	s.As("amira").Cancels("amira", "Vault")
	s.Status("amira", "Vault", pim.Canceled)
	s.As("amira").Cannot(pim.NotCancelable).Cancels("amira", "Vault")
	s.After("3h")
	s.HoldsNot("amira", "Vault")
}

func TestExtendingAndRenewing(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").MakesEligible("amira", "Vault", "for 480h")
	s.As("amira").Cannot(pim.InvalidRequest).Asks(pim.SelfExtend, pim.Eligibility, "amira", "Vault", "for 480h", "more")
	s.After("240h")
	s.As("amira").Asks(pim.SelfExtend, pim.Eligibility, "amira", "Vault", "for 480h", "more")
	s.Status("amira", "Vault", pim.PendingAdminDecision)
	mine := s.Request("amira", "Vault").ID
	s.As("amira").Cannot(pim.AlreadyPending).Asks(pim.SelfExtend, pim.Eligibility, "amira", "Vault", "for 480h", "more")
	s.As("root").Cannot(pim.InvalidSchedule).Asks(pim.AdminExtend, pim.Eligibility, "amira", "Vault", "for 1h")
	s.As("root").Asks(pim.AdminExtend, pim.Eligibility, "amira", "Vault", "for 480h")
	if got := s.World.Requests[mine].Status; got != pim.Provisioned {
		t.Errorf("the person's own request has status %d, want Provisioned", got)
	}
	s.After("600h")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Vault", "for 1h", "open it")
	s.As("amira").Cannot(pim.NotThere).Asks(pim.SelfExtend, pim.Eligibility, "amira", "Vault", "for 480h", "more")
	s.As("amira").Asks(pim.SelfRenew, pim.Eligibility, "amira", "Vault", "for 480h", "once more")
	s.As("root").Cancels("amira", "Vault")
	s.Status("amira", "Vault", pim.Denied)
	s.As("root").Asks(pim.AdminRenew, pim.Eligibility, "amira", "Vault", "for 48h")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.Holds("amira", "Vault")
	s.After("1000h")
	s.As("root").Cannot(pim.NotThere).Asks(pim.AdminRenew, pim.Eligibility, "amira", "Vault", "for 48h")
}

func TestNobodyAnswersTheirOwnExtension(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").Assigns("pat", "Global Administrator", "helps out")
	s.As("root").MakesEligible("pat", "Vault", "for 48h")
	s.As("pat").Asks(pim.SelfExtend, pim.Eligibility, "pat", "Vault", "for 96h", "more")
	s.As("pat").Cannot(pim.Forbidden).Asks(pim.AdminExtend, pim.Eligibility, "pat", "Vault", "for 96h")
	s.As("root").Asks(pim.AdminExtend, pim.Eligibility, "pat", "Vault", "for 96h")
}

func TestReminders(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").MakesEligible("amira", "Vault", "for 480h")
	count := func() (n int) {
		for _, e := range s.World.Events {
			if e.Activity == pim.EndIsNear {
				n++
			}
		}
		return n
	}
	for _, step := range []struct {
		after string
		want  int
	}{{"143h", 0}, {"1h", 1}, {"311h", 1}, {"1h", 2}, {"24h", 2}} {
		s.After(step.after)
		if got := count(); got != step.want {
			t.Fatalf("after %s at %s: %d reminders, want %d", step.after, s.Now, got, step.want)
		}
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	const role = "Global Administrator"
	s.As("root").Cannot(pim.LastAdministrator).Asks(pim.AdminRemove, pim.Assignment, "root", role)
	s.As("root").Cannot(pim.LastAdministrator).Asks(pim.AdminUpdate, pim.Assignment, "root", role, "for 48h", "less")
	s.As("root").Assigns("pat", role, "for 480h", "helps out") // a while is not for ever
	s.As("root").Cannot(pim.LastAdministrator).Asks(pim.AdminRemove, pim.Assignment, "root", role)
	s.As("root").MakesEligible("quin", role, "for ever") // can always get in alone
	s.As("root").Asks(pim.AdminRemove, pim.Assignment, "root", role)
	s.HoldsNot("root", role)
	s.As("pat").Cannot(pim.LastAdministrator).Asks(pim.AdminRemove, pim.Eligibility, "quin", role)
	s.Is("zoe", func(p *pim.Principal) { p.Enabled = false })
	s.As("pat").MakesEligible("zoe", role, "for ever")
	s.As("pat").Cannot(pim.LastAdministrator).Asks(pim.AdminRemove, pim.Eligibility, "quin", role) // disabled accounts help nobody
}

func TestWhoMayNotAdministerLearnsNothing(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("bo").Cannot(pim.Forbidden).MakesEligible("amira", "Vault")
	delete(s.World.Roles, "vault")
	s.As("bo").Cannot(pim.Forbidden).Asks(pim.AdminAssign, pim.Eligibility, "bo", "Vault")
	s.Is("root", func(p *pim.Principal) { p.Enabled = false })
	s.As("root").Cannot(pim.Forbidden).MakesEligible("amira", "Vault")
}

func TestWhoCanHoldWhat(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("plain", "amira")
	s.Is("plain", func(p *pim.Principal) { p.RoleAssignable = false })
	s.As("root").Cannot(pim.Unsuitable).MakesEligible("plain", "Vault")
	s.Is("robot", func(p *pim.Principal) { p.Kind = pim.ServicePrincipal })
	s.As("root").Cannot(pim.Unsuitable).MakesEligible("robot", "Vault")
	s.As("root").Assigns("robot", "Vault", "nightly job")
	s.As("root").Cannot(pim.AlreadyThere).Assigns("robot", "Vault", "nightly job")
	s.As("root").Cannot(pim.NotThere).Asks(pim.AdminRemove, pim.Eligibility, "robot", "Vault")
	s.As("root").Cannot(pim.InvalidRequest).Asks(pim.SelfActivate, pim.Eligibility, "root", "Vault")
}

func TestTheAuthenticationContextIsAskedLast(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Vault", func(r *policy.Rules) {
		r.EndUserAssignment.Enablement.MFA = false
		r.Context = policy.Context{Enabled: true, Value: "c1"}
	})
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Vault", "for 1h")
	s.As("amira").Cannot(pim.ContextMissing).Activates("Vault", "for 1h", "open it")
	if s.Refused.Context != "c1" {
		t.Errorf("the missing context is %q, want c1", s.Refused.Context)
	}
	s.As("amira").WithContext("c1").Activates("Vault", "for 1h", "open it")
	s.Holds("amira", "Vault")
}

func TestValidationChangesNothing(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Vault", "only validation")
	s.As("amira").Activates("Vault", "only validation", "open it")
	if r := s.Last.Request; r.Status != pim.Granted || r.Target != "" || s.Last.Changed() {
		t.Errorf("validation gives %+v, want a granted request without a target, and nothing to commit", r)
	}
	s.HoldsNot("amira", "Vault")
}
