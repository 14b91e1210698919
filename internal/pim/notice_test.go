package pim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/policy"
)

// told writes the notices since the last time as "kind: who who", further addresses after a plus, "only" where the
// default recipients are left out.
func told(s *pimtest.Story) []string {
	names := map[pim.NoticeKind]string{
		pim.NoticeEligible: "eligible", pim.NoticeActive: "active", pim.NoticeActivated: "activated",
		pim.NoticeApprovalAsked: "approval asked", pim.NoticeApproved: "approved", pim.NoticeDenied: "denied",
		pim.NoticeLapsed: "lapsed", pim.NoticeWithdrawn: "withdrawn", pim.NoticeFailed: "failed",
		pim.NoticeEndIsNear: "end is near", pim.NoticeEnded: "ended", pim.NoticeExtensionAsked: "extension asked",
		pim.NoticeRenewalAsked: "renewal asked", pim.NoticeExtended: "extended", pim.NoticeRenewed: "renewed",
		pim.NoticeChanged: "changed", pim.NoticeOutside: "outside",
	}
	who := map[policy.Recipient]string{policy.ToAdmins: "admins", policy.ToRequestor: "requestor", policy.ToApprovers: "approvers"}
	var out []string
	for _, n := range s.World.Notices {
		var to []string
		for _, a := range n.To {
			w := who[a.Who]
			if a.NoDefaults {
				w = "only"
			}
			for _, f := range a.Further {
				w += "+" + f
			}
			to = append(to, w)
		}
		out = append(out, names[n.Kind]+": "+strings.Join(to, " "))
	}
	s.World.Notices = nil
	return out
}

// What people do, and who is told of it by the rules that nobody has changed.
func TestNotices(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		what string
		do   func(*pimtest.Story)
		want []string
	}{
		{"an administrator makes eligible", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 720h")
		}, []string{"eligible: admins requestor"}},
		{"an administrator assigns, from later on: told at once, and once", func(s *pimtest.Story) {
			s.As("root").Assigns("amira", "Reader", "from 24h", "until 480h", "because")
			s.After("48h")
		}, []string{"active: admins requestor"}},
		{"a grant comes to its end", func(s *pimtest.Story) {
			s.As("root").Assigns("amira", "Reader", "for 480h", "because")
			s.After("481h")
		}, []string{"active: admins requestor", "end is near: admins requestor", "end is near: admins requestor", "ended: admins requestor"}},
		{"a grant is removed", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 720h")
			s.As("root").Asks(pim.AdminRemove, pim.Eligibility, "amira", "Reader")
		}, []string{"eligible: admins requestor", "ended: requestor"}},
		{"a grant is given other times", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 720h")
			s.As("root").Asks(pim.AdminUpdate, pim.Eligibility, "amira", "Reader", "for 800h")
		}, []string{"eligible: admins requestor", "changed: admins requestor"}},
		{"the holder asks for more time, and gets it", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 240h")
			s.As("amira").Asks(pim.SelfExtend, pim.Eligibility, "amira", "Reader", "for 480h", "because")
			s.As("root").Asks(pim.AdminExtend, pim.Eligibility, "amira", "Reader", "for 480h", "granted")
		}, []string{"eligible: admins requestor", "extension asked: approvers", "extended: admins requestor"}},
		{"the holder asks to renew, and nobody answers", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 12h")
			s.After("13h")
			s.As("amira").Asks(pim.SelfRenew, pim.Eligibility, "amira", "Reader", "for 480h", "because")
			s.After("800h")
		}, []string{"eligible: admins requestor", "ended: admins requestor", "renewal asked: approvers", "lapsed: requestor approvers"}},
		{"an activation, and its end, of which nobody is told", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 7200h")
			s.As("amira").Activates("Reader", "for 2h", "because")
			s.After("3h")
		}, []string{"eligible: admins requestor", "activated: admins requestor"}},
		{"an activation is ended by its holder", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 7200h")
			s.As("amira").Activates("Reader", "for 2h", "because")
			s.After("1h")
			s.As("amira").Deactivates("Reader")
		}, []string{"eligible: admins requestor", "activated: admins requestor"}},
		{"what it rests on is removed: the removal is told", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 7200h")
			s.As("amira").Activates("Reader", "for 2h", "because")
			s.As("root").Asks(pim.AdminRemove, pim.Eligibility, "amira", "Reader")
		}, []string{"eligible: admins requestor", "activated: admins requestor", "ended: requestor"}},
		{"an approval in two stages", func(s *pimtest.Story) {
			asksTwo(s)
			s.As("bo").Approves("amira", "Reader")
			s.As("cy").Approves("amira", "Reader")
		}, []string{"eligible: admins requestor", "approval asked: approvers", "approval asked: approvers", "approved: requestor approvers", "activated: admins"}},
		{"a denial", func(s *pimtest.Story) {
			asksTwo(s)
			s.As("bo").Denies("amira", "Reader")
		}, []string{"eligible: admins requestor", "approval asked: approvers", "denied: requestor approvers"}},
		{"nobody decides, not even those it escalates to", func(s *pimtest.Story) {
			asksTwo(s)
			s.After("25h")
		}, []string{"eligible: admins requestor", "approval asked: approvers", "approval asked: approvers", "lapsed: requestor approvers"}},
		{"withdrawn", func(s *pimtest.Story) {
			asksTwo(s)
			s.As("amira").Cancels("amira", "Reader")
		}, []string{"eligible: admins requestor", "approval asked: approvers", "withdrawn: requestor approvers"}},
		{"an administrator refuses an extension", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 240h")
			s.As("amira").Asks(pim.SelfExtend, pim.Eligibility, "amira", "Reader", "for 480h", "because")
			s.As("root").Cancels("amira", "Reader")
		}, []string{"eligible: admins requestor", "extension asked: approvers", "denied: requestor"}},
		{"approved when the ground is gone", func(s *pimtest.Story) {
			asksTwo(s)
			s.World.Schedules = map[pim.ScheduleID]pim.Schedule{"root": s.World.Schedules["root"]}
			s.As("bo").Approves("amira", "Reader")
			s.As("cy").Approves("amira", "Reader")
		}, []string{"eligible: admins requestor", "approval asked: approvers", "approval asked: approvers", "failed: requestor"}},
		{"a role is given outside PIM", func(s *pimtest.Story) {
			s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", "Reader")
			s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "Reader")
		}, []string{"outside: admins"}},
		{"who leaves is told nothing", func(s *pimtest.Story) {
			asksTwo(s)
			s.As("root").Asks(pim.Depart, pim.Assignment, "amira", "Reader")
		}, []string{"eligible: admins requestor", "approval asked: approvers"}},
		{"only validated", func(s *pimtest.Story) {
			s.As("root").MakesEligible("amira", "Reader", "for 720h", "only validation")
		}, nil},
	} {
		t.Run(fact.what, func(t *testing.T) {
			t.Parallel()
			s := pimtest.Tell(t, "2026-03-02T09:00Z")
			fact.do(s)
			if diff := cmp.Diff(fact.want, told(s)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// asksTwo has amira wait for bo, who escalates to di after an hour, and then for cy.
func asksTwo(s *pimtest.Story) {
	s.Person("bo")
	s.Person("cy")
	s.Person("di")
	s.Policy("Reader", func(r *policy.Rules) {
		r.Approval.Required, r.Approval.Mode = true, policy.Serial
		r.Approval.Stages = []policy.Stage{
			{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.User, ID: "bo"}}, Escalation: true, EscalationMinutes: 60,
				Escalated: []policy.Approver{{Kind: policy.User, ID: "di"}}},
			{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.User, ID: "cy"}}},
		}
	})
	s.As("root").MakesEligible("amira", "Reader", "for 7200h")
	s.As("amira").Activates("Reader", "for 2h", "because")
}

// What the rules of the policy make of it: a page of facts about one event that asks for nothing and one that does.
func TestNoticeRules(t *testing.T) {
	t.Parallel()
	address := []string{"soc@example.com"}
	for _, fact := range []struct {
		rule           policy.Notification
		plain, actions string // who is told of an activation as an administrator, of an approval as an approver
	}{
		{policy.Notification{}, "admins", "approvers"},
		{policy.Notification{Recipients: address}, "admins+soc@example.com", "approvers+soc@example.com"},
		{policy.Notification{NoDefaults: true, Recipients: address}, "only+soc@example.com", "only+soc@example.com"},
		{policy.Notification{NoDefaults: true}, "", ""},
		{policy.Notification{Level: policy.NotifyNone}, "", ""},
		{policy.Notification{Level: policy.NotifyNone, Recipients: address}, "", ""},
		{policy.Notification{Level: policy.NotifyCritical}, "", "approvers"},
		{policy.Notification{Level: policy.NotifyCritical, NoDefaults: true, Recipients: address}, "", "only+soc@example.com"},
	} {
		t.Run(fmt.Sprint(fact.rule), func(t *testing.T) {
			t.Parallel()
			check := func(what string, required bool, want string) {
				s := pimtest.Tell(t, "2026-03-02T09:00Z")
				s.Person("bo")
				s.Policy("Reader", func(r *policy.Rules) {
					n := &r.EndUserAssignment.Notifications
					n.Admins, n.Approvers, n.Requestor = fact.rule, fact.rule, policy.Notification{Level: policy.NotifyNone}
					r.Approval.Required = required
				})
				s.As("root").MakesEligible("amira", "Reader", "for 7200h")
				told(s)
				s.As("amira").Activates("Reader", "for 2h", "because")
				var wants []string
				if want != "" {
					wants = []string{what + ": " + want}
				}
				if got := told(s); !slices.Equal(got, wants) {
					t.Errorf("%s: got %q, want %q", what, got, wants)
				}
			}
			check("activated", false, fact.plain)
			check("approval asked", true, fact.actions)
		})
	}
}

// A notice carries all that is told, and has the event's own id.
func TestNoticeTellsAll(t *testing.T) {
	t.Parallel()
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").MakesEligible("amira", "Reader", "for 7200h")
	s.As("amira").Activates("Reader", "for 2h", "ticket 4711")
	n := s.Last.Notices[0]
	e := s.World.Events[len(s.World.Events)-1]
	r := s.Request("amira", "Reader")
	want := pim.Notice{
		ID: string(e.ID), Tenant: pimtest.Tenant, At: s.Now, Kind: pim.NoticeActivated, Key: r.Key, Grant: pim.Assignment,
		To:        []pim.Audience{{Who: policy.ToAdmins}, {Who: policy.ToRequestor}},
		Principal: "amira", RoleName: "Reader", By: r.By, Reason: "ticket 4711", Ticket: pim.Ticket{Number: "4711"},
		Start: s.Now, End: s.Now.Add(2 * time.Hour), Request: r.ID, Schedule: r.Target,
	}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("notice (-want +got):\n%s", diff)
	}
}

func TestTogetherJoinsNotices(t *testing.T) {
	t.Parallel()
	out := func(id pim.EventID, k pim.PrincipalID) pim.Outcome {
		return pim.Outcome{Key: pim.Key{Principal: k}, Events: []pim.Event{{ID: id}, {ID: id + "x", Activity: pim.Ended, Schedule: "s"}},
			Schedules: []pim.Schedule{{ID: "s", Ending: pim.Removed}},
			Notices:   []pim.Notice{{ID: string(id)}, {ID: string(id) + "x"}}}
	}
	var got []string
	for _, n := range pim.Together([]pim.Outcome{out("a", "a"), out("b", "b")}).Notices {
		got = append(got, n.ID)
	}
	if want := []string{"a", "ax", "b"}; !slices.Equal(got, want) {
		t.Errorf("got the notices %q, want %q: what has ended already does not end again", got, want)
	}
}

// Who can be asked: never those whose request it is, under whatever account.
func TestDeciders(t *testing.T) {
	t.Parallel()
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	asksTwo(s)
	r := s.Request("amira", "Reader")
	requester := s.World.Principals["amira"]
	named := func(stage pim.StageID) string {
		list, standIn := s.Request("amira", "Reader").Deciders(stage, requester)
		var ids []string
		for _, a := range list {
			ids = append(ids, a.ID)
		}
		return fmt.Sprint(strings.Join(ids, " "), " ", standIn)
	}
	first, second := r.Approval.Stages[0].ID, r.Approval.Stages[1].ID
	for _, fact := range []struct {
		after string
		stage pim.StageID
		want  string
	}{
		{"0h", first, "bo false"}, {"0h", second, "cy false"}, {"0h", "", "bo false"}, {"2h", first, "bo di false"},
	} {
		s.After(fact.after)
		if got := named(fact.stage); got != fact.want {
			t.Errorf("after %s, stage %q: got %q, want %q", fact.after, fact.stage, got, fact.want)
		}
	}
	other := pim.Principal{ID: "amira2", Kind: pim.UserPrincipal, Enabled: true, Person: "E1"}
	requester.Person = "E1"
	for name, p := range map[string]pim.Principal{"herself": requester, "her other account": other, "an application": {ID: "app", Kind: pim.ServicePrincipal, Enabled: true},
		"disabled": {ID: "bo", Kind: pim.UserPrincipal}} {
		if pim.MayBeAsked(r, requester, p) {
			t.Errorf("%s may be asked", name)
		}
	}
	if !pim.MayBeAsked(r, requester, s.World.Principals["bo"]) {
		t.Error("bo may not be asked")
	}
}
