package migrate_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis/internal/api/governance"
	"portcullis/internal/migrate"
	"portcullis/internal/pim"
	"portcullis/internal/sample"
)

// lively is a house in which somebody is active, somebody waits for an approver, and something is planned.
func lively(t *testing.T) (*house, *caller) {
	t.Helper()
	h := newHouse(t, 1, func(*sample.Organisation) {})
	pat, alice, amira := h.as("pat"), h.as("alice"), h.as("amira")
	tomorrow := time.Now().Add(24 * time.Hour).UTC()
	ask := func(c *caller, set, action, who string, role pim.RoleID, start *time.Time, length string) {
		t.Helper()
		expiration := map[string]any{"type": "afterDuration", "duration": length}
		in := map[string]any{"action": action, "principalId": h.People[who], "roleDefinitionId": role, "directoryScopeId": "/", "justification": "for the test",
			"scheduleInfo": map[string]any{"startDateTime": start, "expiration": expiration}}
		if err := c.Call(t.Context(), http.MethodPost, "/v1.0/roleManagement/directory/"+set, in, nil); err != nil {
			t.Fatalf("%s %s for %s: %v", action, role, who, err)
		}
	}
	ask(pat, "roleEligibilityScheduleRequests", "adminAssign", "alice", pim.ReportsReader, nil, "P30D")
	ask(alice, "roleAssignmentScheduleRequests", "selfActivate", "alice", pim.ReportsReader, nil, "PT1H")
	ask(pat, "roleEligibilityScheduleRequests", "adminAssign", "bob", pim.ReportsReader, &tomorrow, "P30D")
	var payroll pim.RoleID
	for _, x := range h.Objects {
		if x.DisplayName == "Payroll Administrator" {
			payroll = pim.RoleID(x.ID)
		}
	}
	ask(amira, "roleAssignmentScheduleRequests", "selfActivate", "amira", payroll, nil, "PT1H")
	group := map[string]any{"action": "adminAssign", "principalId": h.People["alice"], "groupId": h.Groups["data-stewards"], "accessId": "member", "justification": "for the test",
		"scheduleInfo": map[string]any{"expiration": map[string]any{"type": "afterDuration", "duration": "P10D"}}}
	if err := pat.Call(t.Context(), http.MethodPost, "/v1.0/identityGovernance/privilegedAccess/group/eligibilityScheduleRequests", group, nil); err != nil {
		t.Fatal(err)
	}
	return h, pat
}

// TestEveryIterationTellsTheSame reads one server in all its tongues: what they tell is the same, but for what one cannot say.
func TestEveryIterationTellsTheSame(t *testing.T) {
	h, pat := lively(t)
	ctx := t.Context()
	spoken, err := migrate.Speaks(ctx, pat, migrate.ReadOptions{})
	if err != nil || !slices.Equal(spoken, []migrate.Iteration{migrate.Third, migrate.Second, migrate.First}) {
		t.Fatalf("the server speaks %v, %v", spoken, err)
	}
	var steps []string // each of them is told once, until it is done
	third, err := migrate.Read(ctx, pat, migrate.ReadOptions{Progress: func(p migrate.Progress) {
		if len(steps) == 0 || steps[len(steps)-1] != p.Step {
			if slices.Contains(steps, p.Step) {
				t.Errorf("step %q is told again after %q", p.Step, steps)
			}
			steps = append(steps, p.Step)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := migrate.ReadV2(ctx, pat, migrate.ReadOptions{Parallel: 3})
	if err != nil {
		t.Fatal(err)
	}
	if len(third.Grants) < 480 || len(third.Policies) < 100 || len(third.Requests) == 0 || len(steps) < 5 || len(third.Notes)+len(second.Notes) > 0 {
		t.Fatalf("read %d grants, %d policies, %d requests in steps %v, with notes %v, %v", len(third.Grants), len(third.Policies), len(third.Requests), steps, third.Notes, second.Notes)
	}
	same(t, "the second iteration", third, second)
	if third.Tenant != string(h.Tenant.ID) || second.Tenant != third.Tenant {
		t.Errorf("the tenant is %q and %q, want %q", third.Tenant, second.Tenant, h.Tenant.ID)
	}
	if a := migrate.Analyse(second); !a.Lossless() || len(a.Counts) != 8 {
		t.Errorf("the second iteration loses %+v", a)
	}
	first, err := migrate.ReadV1(ctx, pat, migrate.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sameForPeople(t, third, first)
	t.Run("of one provider", func(t *testing.T) {
		e, err := migrate.ReadV2(ctx, pat, migrate.ReadOptions{Providers: []pim.Provider{pim.Resource}})
		if err != nil || e.Tenant != third.Tenant || len(e.Scopes) != len(second.Scopes) || e.Grants[0].Provider != pim.Resource {
			t.Errorf("read %+v, %v", e, err)
		}
	})
	t.Run("what waits is decided elsewhere", func(t *testing.T) { decidedElsewhere(t, h, second) })
	t.Run("what has no counterpart", func(t *testing.T) { noCounterpart(t, h, pat) })
}

// same checks that two readings of one server tell the same, also of how it came about.
func same(t *testing.T, what string, want, got *migrate.Estate) {
	t.Helper()
	for _, d := range migrate.Compare(want, got, migrate.Match(want, got, migrate.Overrides{}), migrate.CompareOptions{Now: time.Now()}) {
		t.Errorf("%s: %s", what, d)
	}
	how := func(e *migrate.Estate) (activated, outside int) {
		for _, g := range e.Grants {
			if g.Activated {
				activated++
			}
			if g.Outside {
				outside++
			}
		}
		return activated, outside
	}
	a, o := how(want)
	if b, p := how(got); a == 0 || a != b || o == 0 || o != p {
		t.Errorf("%s: %d activated and %d made outside, want %d and %d", what, b, p, a, o)
	}
	if len(want.Requests) != len(got.Requests) {
		t.Errorf("%s: requests %+v, want %+v", what, got.Requests, want.Requests)
	}
	for id, p := range want.Principals {
		if q := got.Principals[id]; q.Kind != p.Kind || q.Name != p.Name || p.Kind == pim.UserPrincipal && q.Account != p.Account {
			t.Errorf("%s: principal %+v, want %+v", what, q, p)
		}
	}
	for ref, r := range want.Roles {
		if got.Roles[ref].Name != r.Name && ref.Provider != pim.Group {
			t.Errorf("%s: role %+v, want %+v", what, got.Roles[ref], r)
		}
	}
}

// sameForPeople checks that the first iteration tells of what people hold in the whole tenant.
func sameForPeople(t *testing.T, third, first *migrate.Estate) {
	t.Helper()
	type fact struct {
		role pim.RoleID
		who  string
		kind pim.Kind
	}
	facts := func(e *migrate.Estate) map[fact]bool {
		out := map[fact]bool{}
		for _, g := range e.Grants {
			if g.Provider == pim.Directory && g.Scope == pim.Everywhere && third.Principals[g.Principal].Kind == pim.UserPrincipal && !g.Start.After(time.Now()) {
				out[fact{g.Role, g.Principal, g.Kind}] = true
			}
		}
		return out
	}
	want, got := facts(third), facts(first)
	for f := range want {
		// An assignment with an end reads as one that was activated.
		if !got[f] {
			t.Errorf("the first iteration does not tell %+v", f)
		}
	}
	for f := range got {
		if !want[f] && (f.kind != pim.Eligibility || !want[fact{f.role, f.who, pim.Assignment}]) {
			t.Errorf("the first iteration tells %+v", f)
		}
	}
	if a := migrate.Analyse(first); a.Lossless() || !slices.ContainsFunc(a.Notes, func(n migrate.Note) bool { return n.Code == "EndNotTold" }) {
		t.Errorf("the first iteration loses nothing: %+v", a)
	}
	for at, p := range first.Policies {
		if p.Rules.EndUserAssignment.Enablement != third.Policies[at].Rules.EndUserAssignment.Enablement && !p.Rules.EndUserAssignment.Enablement.MFA {
			continue // this iteration does not tell whether a reason is asked for
		}
		if p.Rules.Approval.Required != third.Policies[at].Rules.Approval.Required {
			t.Errorf("approval of %+v is told as %v", at, p.Rules.Approval.Required)
		}
	}
}

// decidedElsewhere: what waits for an approver at a server that tells it in the second iteration waits at another one, whose people have
// the same accounts and other ids, and somebody else approves it there.
func decidedElsewhere(t *testing.T, h *house, e *migrate.Estate) {
	ctx := t.Context()
	there := newHouse(t, 2, func(*sample.Organisation) {})
	pat := there.as("pat")
	by := migrate.Overrides{Units: map[string]string{}}
	for name, unit := range h.Units {
		by.Units[string(unit)] = string(there.Units[name])
	}
	copied := func() (migrate.Report, *migrate.Estate) {
		t.Helper()
		target, m, err := migrate.ReadTarget(ctx, pat, e, by, migrate.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		report, err := migrate.Copy(ctx, pat, e, target, m, migrate.CopyOptions{})
		if err != nil || len(report.Refused) > 0 {
			t.Fatalf("the copy ends with %v, and refused %+v", err, report.Refused)
		}
		return report, target
	}
	report, _ := copied()
	if got := step(report, "requests"); got.Made != 1 {
		t.Errorf("%+v, want one made", got)
	}
	report, target := copied()
	if got := step(report, "requests"); got.There != 1 || got.Made != 0 {
		t.Errorf("again: %+v, want one there", got)
	}
	i := slices.IndexFunc(target.Requests, func(r migrate.Request) bool { return r.Status == pim.PendingApproval })
	if i < 0 || target.Requests[i].Principal != string(there.People["amira"]) || target.Requests[i].By != string(there.People["pat"]) {
		t.Fatalf("what waits there: %+v", target.Requests)
	}
	r := target.Requests[i]
	key := pim.Key{Tenant: there.Tenant.ID, Provider: r.Provider, Scope: r.Scope, Role: r.Role, Principal: there.People["amira"]}
	ana := there.App.Caller(there.Tenant.ID, pim.Caller{MFA: true, Actor: pim.Actor{Principal: there.People["ana"], Kind: pim.UserPrincipal}})
	if _, err := there.App.Do(ctx, pim.Ask{By: ana, Action: pim.Approve, Kind: r.Kind, Key: key, Request: pim.RequestID(r.ID), Justification: "as there"}); err != nil {
		t.Fatal(err)
	}
	read, err := migrate.ReadV3(ctx, pat, migrate.ReadOptions{Providers: []pim.Provider{pim.Directory}})
	if err != nil || !slices.ContainsFunc(read.Grants, func(g migrate.Grant) bool {
		return g.Activated && g.Role == r.Role && g.Principal == string(there.People["amira"])
	}) {
		t.Errorf("what was approved is not active: %v", err)
	}
}

// noCounterpart: a rule that only the second iteration has is told to be lost.
func noCounterpart(t *testing.T, h *house, pat *caller) {
	ctx := t.Context()
	tenant := string(h.Tenant.ID)
	id := governance.SettingID(pim.RoleKey{Tenant: h.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.ReportsReader})
	in := map[string]any{"adminMemberSettings": []governance.RuleSetting{{RuleIdentifier: "AttributeConditionRule",
		Setting: `{"condition":"@Resource[a] StringEquals 'b'","conditionVersion":"2.0","enableEnforcement":true}`}}}
	if err := pat.Call(ctx, http.MethodPatch, "/beta/privilegedAccess/aadRoles/roleSettings/"+id, in, nil); err != nil {
		t.Fatal(err)
	}
	e, err := migrate.ReadV2(ctx, pat, migrate.ReadOptions{Providers: []pim.Provider{pim.Directory}})
	if err != nil || e.Tenant != tenant {
		t.Fatal(err)
	}
	if a := migrate.Analyse(e); a.Lossless() || a.Notes[0].Code != "NoCounterpart" || !strings.Contains(a.Notes[0].Item, "AttributeConditionRule") {
		t.Errorf("the notes are %+v", a.Notes)
	}
}

// TestReadingEnds where its caller ends it.
func TestReadingEnds(t *testing.T) {
	h := newHouse(t, 1, func(*sample.Organisation) {})
	pat := h.as("pat")
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	pat.before = func(*http.Request) int {
		if calls++; calls == 5 {
			cancel()
		}
		return 0
	}
	if _, err := migrate.ReadV2(ctx, pat, migrate.ReadOptions{Parallel: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
}
