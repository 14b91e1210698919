package policy_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

var anchor = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func TestDefaultsMakeSense(t *testing.T) {
	for name, r := range map[string]policy.Rules{
		"role": policy.ForDirectoryRole(), "group": policy.ForGroup(), "role of resources": policy.ForResource(),
	} {
		if err := r.Validate(anchor, name != "role"); err != nil {
			t.Errorf("the default of a %s: %v", name, err)
		}
	}
}

func TestDefaultFacts(t *testing.T) {
	role, group, resource := policy.ForDirectoryRole(), policy.ForGroup(), policy.ForResource()
	facts := []struct {
		what      string
		got, want any
	}{
		{"eligibility of a role may be permanent", role.AdminEligibility.Expiration.Required, false},
		{"eligibility of a group ends", group.AdminEligibility.Expiration.Required, true},
		{"eligibility lasts a year", role.AdminEligibility.Expiration.Maximum.String(), "P365D"},
		{"assignment lasts half a year", role.AdminAssignment.Expiration.Maximum.String(), "P180D"},
		{"assignment needs a reason", role.AdminAssignment.Enablement, policy.Enablement{Justification: true}},
		{"activation of a role needs a reason and a second factor", role.EndUserAssignment.Enablement, policy.Enablement{MFA: true, Justification: true}},
		{"activation of a group needs a reason", group.EndUserAssignment.Enablement, policy.Enablement{Justification: true}},
		{"activation lasts eight hours", role.EndUserAssignment.Expiration.Maximum.String(), "PT8H"},
		{"activation needs nobody's approval", role.Approval.Required, false},
		{"there is one approval stage", len(role.Approval.Stages), 1},
		{"a stage waits a day", role.Approval.Stages[0].Timeout(), 24 * time.Hour},
		{"eligibility for a role of resources ends", resource.AdminEligibility.Expiration, policy.Expiration{Required: true, Maximum: schedule.MustDuration("P365D")}},
		{"assignment of a role of resources ends", resource.AdminAssignment.Expiration, policy.Expiration{Required: true, Maximum: schedule.MustDuration("P180D")}},
		{"activation of a role of resources needs a reason", resource.EndUserAssignment.Enablement, policy.Enablement{Justification: true}},
		{"a role of resources may be given outside PIM", resource.PIMOnly.Mode, policy.PIMOnlyDisabled},
		{"a stage needs one approval", role.Approval.Stages[0].Quorum(), 1},
	}
	for _, f := range facts {
		if !cmp.Equal(f.got, f.want) {
			t.Errorf("%s: got %v, want %v", f.what, f.got, f.want)
		}
	}
}

func someone(kind policy.ApproverKind, id string, n int) []policy.UserSet {
	return slices.Repeat([]policy.UserSet{{Kind: kind, ID: id}}, n)
}

func TestAnEditOfACloneLeavesTheRules(t *testing.T) {
	r := policy.ForResource()
	r.AdminEligibility.Expiration.Exceptions = someone(policy.User, "u", 1)
	r.PIMOnly.Excluded = []policy.Excluded{{Kind: policy.ExcludedUser, ID: "u"}}
	r.Kept = map[string]string{"a": "b"}
	c := r.Clone()
	if !cmp.Equal(c, r) {
		t.Errorf("the clone differs: %v", cmp.Diff(r, c))
	}
	c.AdminEligibility.Expiration.Exceptions[0].ID = "x"
	c.PIMOnly.Excluded[0].ID = "x"
	c.Kept["a"] = "x"
	c.Approval.Stages[0].TimeoutDays = 9
	if r.AdminEligibility.Expiration.Exceptions[0].ID != "u" || r.PIMOnly.Excluded[0].ID != "u" || r.Approval.Stages[0].TimeoutDays != 1 || r.Kept["a"] != "b" {
		t.Errorf("the rules were edited with their clone: %+v", r)
	}
}

func TestValidateFacts(t *testing.T) {
	facts := []struct {
		what string
		edit func(*policy.Rules)
		rule string // empty: it makes sense
		why  policy.Reason
	}{
		{"a shorter activation", func(r *policy.Rules) { r.EndUserAssignment.Expiration.Maximum = schedule.MustDuration("PT1H45M") }, "", 0},
		{"exceptions", func(r *policy.Rules) { r.AdminEligibility.Expiration.Exceptions = someone(policy.User, "u", 100) }, "", 0},
		{"too many exceptions", func(r *policy.Rules) { r.AdminEligibility.Expiration.Exceptions = someone(policy.Group, "g", 101) }, policy.RuleExpirationAdminEligibility, policy.Invalid},
		{"an exception without an id", func(r *policy.Rules) { r.EndUserAssignment.Expiration.Exceptions = someone(policy.User, "", 1) }, policy.RuleExpirationEndUserAssignment, policy.Invalid},
		{"a manager as exception", func(r *policy.Rules) {
			r.AdminAssignment.Expiration.Exceptions = someone(policy.RequestorManager, "m", 1)
		}, policy.RuleExpirationAdminAssignment, policy.Invalid},
		{"PIM only", func(r *policy.Rules) {
			r.PIMOnly = policy.PIMOnly{Mode: policy.PIMOnlyEnabled, Excluded: []policy.Excluded{{Kind: policy.ExcludedApplication, ID: "a", Name: "A"}}}
		}, "", 0},
		{"an unknown mode", func(r *policy.Rules) { r.PIMOnly.Mode = 3 }, policy.RulePIMOnlyAdminAssignment, policy.Invalid},
		{"an exclusion of nobody", func(r *policy.Rules) {
			r.PIMOnly.Excluded = []policy.Excluded{{Kind: policy.ExcludedUser}}
		}, policy.RulePIMOnlyAdminAssignment, policy.Invalid},
		{"an exclusion of no kind", func(r *policy.Rules) { r.PIMOnly.Excluded = []policy.Excluded{{ID: "a"}} }, policy.RulePIMOnlyAdminAssignment, policy.Invalid},
		{"too many exclusions", func(r *policy.Rules) {
			r.PIMOnly.Excluded = slices.Repeat([]policy.Excluded{{Kind: policy.ExcludedUser, ID: "a"}}, 101)
		}, policy.RulePIMOnlyAdminAssignment, policy.Invalid},
		{"settings that bind nothing", func(r *policy.Rules) { r.Kept = map[string]string{"a": strings.Repeat("x", 32<<10-1)} }, "", 0},
		{"too long ones", func(r *policy.Rules) { r.Kept = map[string]string{"a": strings.Repeat("x", 32<<10)} }, "kept", policy.Invalid},
		{"too many", func(r *policy.Rules) {
			r.Kept = map[string]string{}
			for i := range 65 {
				r.Kept[strconv.Itoa(i)] = ""
			}
		}, "kept", policy.Invalid},
		{"a day", func(r *policy.Rules) { r.EndUserAssignment.Expiration.Maximum = schedule.MustDuration("PT24H") }, "", 0},
		{"more than a day", func(r *policy.Rules) { r.EndUserAssignment.Expiration.Maximum = schedule.MustDuration("PT25H") }, policy.RuleExpirationEndUserAssignment, policy.Invalid},
		{"under five minutes", func(r *policy.Rules) { r.EndUserAssignment.Expiration.Maximum = schedule.MustDuration("PT4M") }, policy.RuleExpirationEndUserAssignment, policy.Invalid},
		{"an activation without end", func(r *policy.Rules) { r.EndUserAssignment.Expiration.Required = false }, policy.RuleExpirationEndUserAssignment, policy.Invalid},
		{"a required end without maximum", func(r *policy.Rules) { r.AdminEligibility.Expiration = policy.Expiration{Required: true} }, policy.RuleExpirationAdminEligibility, policy.Invalid},
		{"no maximum where none is required", func(r *policy.Rules) { r.AdminAssignment.Expiration = policy.Expiration{} }, "", 0},
		{"a context alone", func(r *policy.Rules) {
			r.EndUserAssignment.Enablement.MFA = false
			r.Context = policy.Context{Enabled: true, Value: "c1"}
		}, "", 0},
		{"a context beside MFA", func(r *policy.Rules) { r.Context = policy.Context{Enabled: true, Value: "c1"} }, policy.RuleContextEndUserAssignment, policy.Conflict},
		{"a context without value", func(r *policy.Rules) { r.Context = policy.Context{Enabled: true} }, policy.RuleContextEndUserAssignment, policy.Invalid},
		{"a disabled context with any value", func(r *policy.Rules) { r.Context = policy.Context{Value: "whatever"} }, "", 0},
		{"no stage", func(r *policy.Rules) { r.Approval.Stages = nil }, policy.RuleApprovalEndUserAssignment, policy.Invalid},
		{"two stages in one", func(r *policy.Rules) { r.Approval.Stages = make([]policy.Stage, 2) }, policy.RuleApprovalEndUserAssignment, policy.Invalid},
		{"two stages in a row", func(r *policy.Rules) {
			r.Approval.Mode, r.Approval.Stages = policy.Serial, make([]policy.Stage, 2)
		}, "", 0},
		{"nine stages", func(r *policy.Rules) {
			r.Approval.Mode, r.Approval.Stages = policy.Serial, make([]policy.Stage, 9)
		}, policy.RuleApprovalEndUserAssignment, policy.Invalid},
		{"escalation to nobody", func(r *policy.Rules) { r.Approval.Stages[0].Escalation = true }, policy.RuleApprovalEndUserAssignment, policy.Invalid},
		{"a year's time-out", func(r *policy.Rules) { r.Approval.Stages[0].TimeoutDays = 365 }, policy.RuleApprovalEndUserAssignment, policy.Invalid},
	}
	for _, f := range facts {
		r := policy.ForDirectoryRole()
		f.edit(&r)
		err := r.Validate(anchor, false)
		bad, ok := errors.AsType[*policy.Error](err)
		switch {
		case f.rule == "" && err != nil:
			t.Errorf("%s: %v", f.what, err)
		case f.rule != "" && (!ok || bad.Rule != f.rule || bad.Reason != f.why):
			t.Errorf("%s: got %v, want the rule %s", f.what, err, f.rule)
		}
	}
}

func TestARequiredApprovalOfAGroupNamesSomebody(t *testing.T) {
	r := policy.ForGroup()
	r.Approval.Required = true
	if err := r.Validate(anchor, true); err == nil {
		t.Error("a group's approval without approvers is accepted")
	}
	r.Approval.Stages[0].Approvers = []policy.Approver{{Kind: policy.User, ID: "u"}}
	if err := r.Validate(anchor, true); err != nil {
		t.Error(err)
	}
}

func TestAnEditInPlaceLeavesTheOriginal(t *testing.T) {
	r := policy.ForDirectoryRole()
	r.Approval.Stages[0].Approvers = []policy.Approver{{Kind: policy.User, ID: "u"}}
	r.AdminEligibility.Notifications.Admins.Recipients = []string{"a@example.com"}
	before := r.Clone()
	c := r.Clone()
	c.Approval.Stages[0].Approvers[0].ID = "v"
	c.Approval.Stages[0].Minimum = 2
	c.AdminEligibility.Notifications.Admins.Recipients[0] = "b@example.com"
	if diff := cmp.Diff(before, r); diff != "" {
		t.Errorf("the original changed (-before +after):\n%s", diff)
	}
}

func TestSeventeenRules(t *testing.T) {
	all := policy.All()
	if len(all) != 17 {
		t.Fatalf("there are %d rules, want 17", len(all))
	}
	seen := map[string]bool{}
	kinds := map[policy.RuleKind]int{}
	for _, r := range all {
		seen[r.Name] = true
		kinds[r.Kind]++
	}
	want := map[policy.RuleKind]int{policy.ExpirationRule: 3, policy.EnablementRule: 3, policy.NotificationRule: 9,
		policy.ApprovalRule: 1, policy.ContextRule: 1}
	if len(seen) != 17 || !cmp.Equal(kinds, want) {
		t.Errorf("rules by kind: %v of %d names, want %v of 17", kinds, len(seen), want)
	}
}
