package pimv1

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// TestRowFacts: what a person has of a role, read from one row, whatever the order in which its grants are met.
func TestRowFacts(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	grant := func(k pim.Kind, m pim.MemberType, end time.Time) pim.Instance {
		return pim.Instance{Schedule: pim.Schedule{Kind: k}, Member: m, During: schedule.Interval{End: end}}
	}
	eligible, byGroupToo := grant(pim.Eligibility, pim.Direct, time.Time{}), grant(pim.Eligibility, pim.ByGroup, time.Time{})
	forAWhile, longer, forEver := grant(pim.Assignment, pim.Direct, noon), grant(pim.Assignment, pim.ByGroup, noon.Add(time.Hour)), grant(pim.Assignment, pim.Direct, time.Time{})
	for _, f := range []struct {
		grants            []pim.Instance
		elevated, expires bool
		at                time.Time
		says              string
	}{
		{[]pim.Instance{eligible}, false, false, time.Time{}, ""},
		{[]pim.Instance{eligible, forAWhile}, true, true, noon, ""},
		{[]pim.Instance{eligible, byGroupToo, forAWhile, longer}, true, true, noon.Add(time.Hour), ""},
		{[]pim.Instance{forAWhile, forEver, longer}, true, false, time.Time{}, ""},
		{[]pim.Instance{byGroupToo}, false, false, time.Time{}, byGroup},
		{[]pim.Instance{longer}, true, true, noon.Add(time.Hour), byGroup},
	} {
		for range 2 {
			var r assignmentRow
			for _, i := range f.grants {
				r.add(i)
			}
			if r.Elevated != f.elevated || r.Expires.IsZero() == f.expires || !r.Expires.Equal(f.at) || r.message() != f.says {
				t.Errorf("%d grants: got elevated %t until %v, %q, want %t until %v, %q", len(f.grants), r.Elevated, r.Expires, r.message(), f.elevated, f.at, f.says)
			}
			slices.Reverse(f.grants)
		}
	}
}

// TestHoursAreReadToTheMinute: what is written as hours reads back as the same minutes.
func TestHoursAreReadToTheMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.IntRange(30, mostHours*60).Draw(t, "minutes")) * time.Minute
		got, ok := parseHours(formatHours(want))
		if !ok || got != want || lasting(minutes(got)) != want {
			t.Fatalf("%v is written %s and reads %v, %t", want, formatHours(want), got, ok)
		}
	})
	for text, want := range map[string]string{"2": "PT120M", "0.5": "PT30M", "1.5": "PT90M", "24": "PT1440M", "0.49": "", "0": "", "-1": "", "NaN": "", "Inf": "", "two": "", "1e9": "", "": ""} {
		d, ok := parseHours(text)
		if ok != (want != "") || ok && minutes(d).String() != want {
			t.Errorf("%q: got %v, %t, want %q", text, d, ok, want)
		}
	}
}

// TestStatesHaveWords: each state of a request is told by a word of the dialect, and found by it.
func TestStatesHaveWords(t *testing.T) {
	for s := pim.PendingApproval; s <= pim.TimedOut; s++ {
		for _, a := range []*pim.Approval{nil, {}} {
			r := pim.Request{Status: s, Approval: a}
			if word := requestStatus(r); !slices.Contains(requestStatuses(), word) {
				t.Errorf("state %d: got %q, no word of the dialect", s, word)
			}
			if word := approvalState(r); !slices.Contains(approvalStates(), word) {
				t.Errorf("state %d: got %q, no member of the enumeration", s, word)
			}
		}
	}
}

// TestWhatIsLogged: the words of requestType for what gives and takes roles, in this dialect and in others.
func TestWhatIsLogged(t *testing.T) {
	event := func(a pim.Activity, action pim.Action, k pim.Kind, reason string) pim.Event {
		return pim.Event{Activity: a, Action: action, Kind: k, Reason: reason, End: time.Unix(1, 0)}
	}
	const done = pim.CompletedRequest
	for _, f := range []struct {
		event pim.Event
		want  string
	}{
		{event(done, pim.AdminAssign, pim.Eligibility, "hired"), assigned},
		{event(done, pim.AdminAssign, pim.Eligibility, makingEligible), assigned},
		{event(done, pim.AdminAssign, pim.Assignment, makingPermanent+": why"), activated},
		{event(done, pim.AdminUpdate, pim.Assignment, makingEligible), deactivated},
		{event(done, pim.AdminRemove, pim.Assignment, makingEligible), deactivated},
		{event(done, pim.AdminRemove, pim.Eligibility, removing), unassigned},
		{event(done, pim.SelfActivate, pim.Assignment, ""), activated},
		{event(done, pim.SelfDeactivate, pim.Assignment, ""), deactivated},
		{event(pim.Ended, pim.SelfActivate, pim.Assignment, ""), deactivated},
		{event(pim.Ended, pim.AdminAssign, pim.Eligibility, ""), unassigned},
		{event(pim.AssignedOutside, pim.AssignOutside, pim.Assignment, ""), assigned},
		{event(pim.RemovedOutside, pim.RemoveOutside, pim.Assignment, ""), unassigned},
	} {
		if got := eventType(f.event); got != f.want || !slices.Contains(eventTypes(), got) {
			t.Errorf("%+v: got %s, want %s", f.event, got, f.want)
		}
		if gives := f.want == assigned || f.want == activated; ends(f.event).IsZero() == gives {
			t.Errorf("%+v: got the end %v", f.event, ends(f.event))
		}
	}
}

// TestSettingsKeepWhatTheyDoNotSay: a replacement changes what this dialect has words for, and nothing else.
func TestSettingsKeepWhatTheyDoNotSay(t *testing.T) {
	yes, no := true, false
	before := policy.ForDirectoryRole()
	before.Approval.Stages[0].TimeoutDays = 3
	before.Context = policy.Context{Enabled: true, Value: "c1"}
	before.EndUserAssignment.Notifications.Requestor = policy.Notification{Level: policy.NotifyCritical, Recipients: []string{"soc@example.com"}}
	after := before.Clone()
	in := settingIn{Notify: &yes, Ticketing: &yes, MFA: &no, Approval: &yes}
	in.apply(schedule.MustDuration("PT2H"), nil, &after)
	if after.Approval.Stages[0].TimeoutDays != 3 || after.Context != before.Context || !after.EndUserAssignment.Enablement.Justification ||
		after.EndUserAssignment.Notifications.Requestor.Level != policy.NotifyCritical || after.AdminAssignment.Expiration.Maximum != before.AdminAssignment.Expiration.Maximum {
		t.Errorf("got %+v of %+v", after, before)
	}
	in.Notify = &no
	in.apply(schedule.MustDuration("PT2H"), []policy.Approver{}, &after)
	if tell := after.EndUserAssignment.Notifications.Requestor; tellsUser(tell) || len(tell.Recipients) != 1 {
		t.Errorf("the user is told no more, and others are: got %+v", tell)
	}
	none := policy.Rules{EndUserAssignment: policy.Set{Notifications: policy.Notifications{Requestor: policy.Notification{Level: policy.NotifyNone}}}}
	in.Notify = &yes
	in.apply(schedule.MustDuration("PT2H"), []policy.Approver{{Kind: policy.User, ID: "a"}}, &none)
	if !tellsUser(none.EndUserAssignment.Notifications.Requestor) || !slices.Equal(approverIDs(none.Approval), []string{"a"}) {
		t.Errorf("got %+v", none)
	}
}

// TestHowItRetires: what callers are told, and what is left of the dialect in each mode.
func TestHowItRetires(t *testing.T) {
	since := time.Date(2021, 5, 31, 0, 0, 0, 0, time.UTC)
	for _, mode := range []api.Mode{api.On, api.ReadOnly, api.Off} {
		r := New(nil, nil, Options{Mode: mode, Deprecated: since, Sunset: since}).Retirement(&api.Request{Origin: "https://pim.example.com"})
		if r.Mode != mode || r.Dialect != "v1" || !r.Deprecated.Equal(since) || !r.Sunset.Equal(since) ||
			r.Successor != "https://pim.example.com/v1.0/roleManagement/directory" {
			t.Errorf("%v: got %+v", mode, r)
		}
		p, ok := errors.AsType[*api.ODataError](r.Gone(nil))
		if !ok || p.Status != http.StatusBadRequest || p.Code != "TenantEnabledInAadRoleMigration" {
			t.Errorf("%v: got %v where it is switched off", mode, p)
		}
	}
}

// refusedWell says whether an error of a reader is one that a caller is told: anything else would be a 500.
func refusedWell(err error) bool {
	return err == nil || errors.As(err, new(*api.Fault)) || errors.As(err, new(*pim.Refusal)) || errors.As(err, new(*problem))
}

func FuzzSetups(f *testing.F) {
	f.Add("5c3e0000-0000-4000-8000-000000000004|b0f54661-2d74-4c50-afa3-1ec803f12efe|Permanent;a|b|Temporary")
	f.Add(";;|;||||;a|b|c|d")
	f.Fuzz(func(t *testing.T, text string) {
		items, err := parseSetups(text)
		if !refusedWell(err) || len(items) > mostSetups {
			t.Fatalf("%q: got %d items, %v", text, len(items), err)
		}
		for _, item := range items {
			if strings.ContainsAny(string(item.user)+string(item.role)+item.action, ";|") {
				t.Fatalf("%q: got %+v", text, item)
			}
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"duration":"2","reason":"r","ticketNumber":"234","ticketSystem":"s","schedule":{"startDateTime":"2018-02-08T02:35:17.903Z"},"type":"UserAdd","assignmentState":"Active","roleId":"88d8e3e3-8f55-4a1e-953a-9b9898b8876b"}`))
	f.Add([]byte(`{"type":"AdminAdd","assignmentState":"Eligible","roleId":"r","userId":"u","schedule":{"type":"assignment","startDateTime":"2018-02-08T02:35:17-07:00","endDateTime":"0001-01-01T00:00:00Z","duration":"PT0S"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in requestIn
		if err := api.DecodeBytes(body, &in); err != nil {
			if !refusedWell(err) {
				t.Fatalf("got %v", err)
			}
			return
		}
		action, state, err := in.wants()
		if !refusedWell(err) || err == nil && (action == 0 || state == 0) {
			t.Fatalf("%s: got %d, %d, %v", body, action, state, err)
		}
		if err != nil {
			return
		}
		in.Duration = "" // whose limits are read from the role's settings
		info, err := (&call{}).times(in, pim.Ask{Action: action})
		if !refusedWell(err) {
			t.Fatalf("%s: got %v", body, err)
		}
		r := pim.Request{Action: action, Asked: info}
		if text := string(appendSchedule(nil, r)); err == nil && !strings.HasPrefix(text, `{"type":"a`) {
			t.Fatalf("%s is written %s", body, text)
		}
		if hours := hoursOf(r); hours != "" {
			if _, err := strconv.ParseFloat(hours, 64); err != nil {
				t.Fatalf("%s has the hours %s", body, hours)
			}
		}
	})
}
