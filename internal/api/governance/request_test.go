package governance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// TestTypes: each action that makes a request has a word of its own, in any letter case (reference pim-v2 §13.3).
func TestTypes(t *testing.T) {
	seen := map[string]bool{}
	for a := pim.AdminAssign; a <= pim.Realign; a++ {
		name := governance.TypeName(a)
		if (name != "") != a.MakesRequest() || seen[name] && name != "" {
			t.Errorf("action %d: got %q", a, name)
		}
		seen[name] = true
		for _, word := range []string{name, strings.ToLower(name), " " + strings.ToUpper(name)} {
			if got, ok := governance.ParseType(word); a.MakesRequest() && (got != a || !ok) {
				t.Errorf("%q: got %d, %t, want %d", word, got, ok, a)
			}
		}
	}
	for _, word := range []string{"", "Admin", "adminAssign", "selfActivate"} {
		if got, ok := governance.ParseType(word); ok || got != 0 {
			t.Errorf("%q is no type: got %d", word, got)
		}
	}
	for k, name := range map[pim.Kind]string{pim.Eligibility: "Eligible", pim.Assignment: "Active"} {
		if got, ok := governance.ParseState(strings.ToUpper(governance.StateName(k))); got != k || !ok || governance.StateName(k) != name {
			t.Errorf("%s: got %d, %t", name, got, ok)
		}
	}
	if _, ok := governance.ParseState("Revoked"); ok || governance.StateName(0) != "" {
		t.Error("there are two states only")
	}
}

func TestSubStatus(t *testing.T) {
	for _, f := range []struct {
		action      pim.Action
		core        pim.Status
		status, sub string
	}{
		{pim.SelfActivate, pim.PendingApproval, "InProgress", "PendingApproval"},
		{pim.SelfExtend, pim.PendingAdminDecision, "InProgress", "PendingAdminDecision"},
		{pim.AdminAssign, pim.Granted, "InProgress", "Granted"},
		{pim.AdminAssign, pim.Provisioned, "Closed", "Provisioned"},
		{pim.SelfExtend, pim.Provisioned, "Closed", "Provisioned"},
		{pim.AdminRemove, pim.Revoked, "Closed", "Revoked"},
		{pim.SelfDeactivate, pim.Revoked, "Closed", "Revoked"},
		{pim.AdminAssign, pim.Revoked, "Closed", "Canceled"}, // an eligibility that was cancelled before it began
		{pim.SelfActivate, pim.Denied, "Closed", "Denied"},
		{pim.SelfRenew, pim.Denied, "Closed", "AdminDenied"},
		{pim.SelfRenew, pim.Canceled, "Closed", "Canceled"},
		{pim.SelfActivate, pim.Failed, "Closed", "Failed"},
		{pim.SelfActivate, pim.TimedOut, "Closed", "TimedOut"},
	} {
		status, sub := governance.SubStatus(pim.Request{Action: f.action, Status: f.core})
		if status != f.status || sub != f.sub {
			t.Errorf("%s %d: got %s %s, want %s %s", governance.TypeName(f.action), f.core, status, sub, f.status, f.sub)
		}
		for list, word := range map[string]string{"": sub, "status": status} {
			states := governance.ParseSubStatus(strings.ToLower(word))
			if list != "" {
				states = governance.ParseStatus(strings.ToUpper(word))
			}
			found := false
			for _, s := range states {
				found = found || s == f.core
			}
			if !found {
				t.Errorf("%q finds %v, and so not %d", word, states, f.core)
			}
		}
	}
	if got := governance.ParseSubStatus("PendingEvaluation"); len(got) != 0 {
		t.Errorf("no request here is PendingEvaluation: got %v", got)
	}
	if n := len(governance.SubStatuses()); n != 18 {
		t.Errorf("got %d words, want the 18 of reference pim-v2 §5", n)
	}
}

func TestStatusDetails(t *testing.T) {
	yes, no := pim.Stage{Status: pim.Completed, Decisions: []pim.Decision{{Approved: true}}}, pim.Stage{Status: pim.Completed, Decisions: []pim.Decision{{}}}
	verdicts := func(stages ...pim.Stage) string {
		var out []string
		r := pim.Request{Action: pim.SelfActivate}
		if len(stages) > 0 {
			r.Approval = &pim.Approval{Stages: stages}
		}
		for _, d := range governance.StatusDetails(r) {
			out = append(out, d.Key+" "+d.Value)
		}
		return strings.Join(out, ", ")
	}
	const first = "EligibilityRule Grant, ExpirationRule Grant, MfaRule Grant, JustificationRule Grant, ActivationDayRule Grant, ApprovalRule "
	for want, stages := range map[string][][]pim.Stage{
		"Grant":   {nil, {yes}, {yes, yes}},
		"Pending": {{{Status: pim.InProgress}}, {yes, {Status: pim.Waiting}}, {{Status: pim.Completed}}},
		"Deny":    {{no}, {yes, no}, {{Status: pim.Lapsed}}},
	} {
		for _, s := range stages {
			if got := verdicts(s...); got != first+want {
				t.Errorf("%v: got %s, want %s", s, got, first+want)
			}
		}
	}
	for a, want := range map[pim.Action]int{pim.AdminAssign: 3, pim.AdminRenew: 3, pim.SelfExtend: 2, pim.AdminRemove: 0, pim.SelfDeactivate: 0} {
		if got := governance.StatusDetails(pim.Request{Action: a}); len(got) != want {
			t.Errorf("%s: got %v, want %d rules", governance.TypeName(a), got, want)
		}
	}
	got := string(governance.AppendStatus(nil, pim.Request{Action: pim.AdminRemove, Status: pim.Revoked}))
	if want := `{"status":"Closed","subStatus":"Revoked","statusDetails":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAppendSchedule: what is not set is written as the service writes it (reference pim-v2 §4).
func TestAppendSchedule(t *testing.T) {
	start, end := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	asked := func(e schedule.Expiration) pim.Request {
		return pim.Request{Action: pim.AdminAssign, Asked: schedule.Info{Expiration: e}, Start: start}
	}
	waiting := asked(schedule.Expiration{Kind: schedule.NoExpiration})
	waiting.Start = time.Time{}
	removal := asked(schedule.Expiration{Kind: schedule.NoExpiration})
	removal.Action = pim.SelfDeactivate
	for _, f := range []struct {
		request pim.Request
		want    string
		end     time.Time
	}{
		{asked(schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("PT480M")}),
			`{"type":"Once","startDateTime":"2026-03-02T09:00:00Z","endDateTime":"0001-01-01T00:00:00Z","duration":"PT480M"}`, start.Add(8 * time.Hour)},
		{asked(schedule.Expiration{Kind: schedule.AfterDateTime, End: end}),
			`{"type":"Once","startDateTime":"2026-03-02T09:00:00Z","endDateTime":"2026-06-01T00:00:00Z","duration":"PT0S"}`, end},
		{asked(schedule.Expiration{Kind: schedule.NoExpiration}),
			`{"type":"Once","startDateTime":"2026-03-02T09:00:00Z","endDateTime":null,"duration":"PT0S"}`, time.Time{}},
		{waiting, `{"type":"Once","startDateTime":null,"endDateTime":null,"duration":"PT0S"}`, time.Time{}},
		{asked(schedule.Expiration{}), "null", time.Time{}},
		{removal, "null", time.Time{}},
	} {
		if got := string(governance.AppendSchedule(nil, f.request)); got != f.want {
			t.Errorf("got %s, want %s", got, f.want)
		}
		if diff := cmp.Diff(f.end, governance.EndOf(f.request)); diff != "" {
			t.Errorf("%s ends: %s", f.want, diff)
		}
	}
}
