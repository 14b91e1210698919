package governance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

const (
	anna  = "5c3e0000-0000-4000-8000-0000000000a1"
	staff = "5c3e0000-0000-4000-8000-0000000000b2"
)

// TestDefaultSettings: what a role shows that nobody has set (reference pim-v2 §6).
func TestDefaultSettings(t *testing.T) {
	const (
		noMFA   = `MfaRule {"mfaRequired":false}`
		reason  = `JustificationRule {"required":true}`
		telling = `NotificationRule {"policies":[{"deliveryMechanism":"email","setting":[` +
			`{"customreceivers":null,"isdefaultreceiverenabled":true,"notificationlevel":2,"recipienttype":2},` +
			`{"customreceivers":null,"isdefaultreceiverenabled":true,"notificationlevel":2,"recipienttype":0},` +
			`{"customreceivers":null,"isdefaultreceiverenabled":true,"notificationlevel":2,"recipienttype":1}]}]}`
	)
	want := map[governance.Collection][]string{
		governance.AdminEligible: {`ExpirationRule {"permanentAssignment":false,"maximumGrantPeriodInMinutes":525600}`, noMFA, telling},
		governance.AdminMember:   {`ExpirationRule {"permanentAssignment":false,"maximumGrantPeriodInMinutes":259200}`, noMFA, reason, telling},
		governance.UserEligible:  nil,
		governance.UserMember: {`ExpirationRule {"permanentAssignment":false,"maximumGrantPeriodInMinutes":480}`, noMFA, reason,
			`TicketingRule {"ticketingRequired":false}`,
			`ApprovalRule {"enabled":false,"isCriteriaSupported":false,"approvers":null,"businessFlowId":null,"hasNotificationPolicy":false}`,
			`AcrsRule {"acrsRequired":false,"acrs":null}`, telling},
	}
	for _, c := range governance.Collections() {
		if diff := cmp.Diff(want[c], shown(c, policy.ForResource())); diff != "" {
			t.Errorf("%s: %s", c, diff)
		}
	}
	if got := shown(governance.AdminMember, policy.ForDirectoryRole())[0]; !strings.Contains(got, `"permanentAssignment":true`) {
		t.Errorf("a role of the directory may be held for ever: got %s", got)
	}
}

func shown(c governance.Collection, r policy.Rules) []string {
	var out []string
	for _, s := range governance.Settings(c, policy.Policy{ID: "p", Rules: r}, nil) {
		out = append(out, s.RuleIdentifier+" "+s.Setting)
	}
	return out
}

// TestApply is a page of what settings do to rules.
func TestApply(t *testing.T) {
	check := func(c governance.Collection, rule, setting string, does func(*policy.Rules)) {
		t.Helper()
		got, want := policy.ForResource(), policy.ForResource()
		if err := governance.Apply(c, []governance.RuleSetting{{RuleIdentifier: rule, Setting: setting}}, &got); err != nil {
			t.Errorf("%s %s: %v", rule, setting, err)
			return
		}
		does(&want)
		if diff := cmp.Diff(want, got, cmp.Comparer(schedule.Duration.Equal)); diff != "" {
			t.Errorf("%s %s in %s: %s", rule, setting, c, diff)
		}
	}
	const aE, aM, uE, uM = governance.AdminEligible, governance.AdminMember, governance.UserEligible, governance.UserMember
	nothing := func(*policy.Rules) {}
	lasts := func(e *policy.Expiration, required bool, maximum string) {
		*e = policy.Expiration{Required: required, Maximum: schedule.MustDuration(maximum)}
	}
	// Minutes become days, hours or minutes; an activation never has days.
	check(aE, "ExpirationRule", `{"permanentAssignment":true,"maximumGrantPeriodInMinutes":129600}`,
		func(r *policy.Rules) { lasts(&r.AdminEligibility.Expiration, false, "P90D") })
	check(aM, "expirationrule", `{"permanentAssignment":false,"maximumGrantPeriodInMinutes":90.0}`,
		func(r *policy.Rules) { lasts(&r.AdminAssignment.Expiration, true, "PT90M") })
	check(uM, "ExpirationRule", `{"permanentAssignment":true,"maximumGrantPeriodInMinutes":1440}`,
		func(r *policy.Rules) { lasts(&r.EndUserAssignment.Expiration, true, "PT24H") })
	check(uM, "ExpirationRule", `{"maximumGrantPeriod":"02:00:00"}`, func(r *policy.Rules) { lasts(&r.EndUserAssignment.Expiration, true, "PT2H") })
	check(aE, "ExpirationRule", `{"permanentAssignment":true,"maximumGrantPeriod":"30.00:00:00"}`,
		func(r *policy.Rules) { lasts(&r.AdminEligibility.Expiration, false, "P30D") })
	// What has the length that stands keeps its form, and an absent length stands.
	check(aE, "ExpirationRule", `{"permanentAssignment":false,"maximumGrantPeriodInMinutes":525600}`, nothing)
	check(aE, "ExpirationRule", `{"permanentAssignment":true}`, func(r *policy.Rules) { r.AdminEligibility.Expiration.Required = false })
	// Single quotes, any letter case, members that nobody knows or that are missing.
	check(aM, "JustificationRule", `{'required':false}`, func(r *policy.Rules) { r.AdminAssignment.Enablement.Justification = false })
	check(uM, " MfaRule ", ` {"MFARequired":true,"more":[{"deep":1}]}`, func(r *policy.Rules) { r.EndUserAssignment.Enablement.MFA = true })
	check(uM, "JustificationRule", `{}`, func(r *policy.Rules) { r.EndUserAssignment.Enablement.Justification = false })
	check(uM, "TicketingRule", `{"ticketingRequired":true}`, func(r *policy.Rules) { r.EndUserAssignment.Enablement.Ticketing = true })
	check(uM, "AcrsRule", `{"acrsRequired":true,"acrs":"C1"}`, func(r *policy.Rules) { r.Context = policy.Context{Enabled: true, Value: "c1"} })
	check(uM, "AcrsRule", `{"acrsRequired":false,"acrs":""}`, nothing)
	// Approvers.
	approvers := func(r *policy.Rules) {
		r.Approval.Required = true
		r.Approval.Stages[0].Approvers = []policy.Approver{{Kind: policy.User, ID: anna, Description: "Anna"}, {Kind: policy.Group, ID: staff}}
	}
	check(uM, "ApprovalRule", `{"Enabled":true,"IsCriteriaSupported":true,"Approvers":[{"Id":"`+strings.ToUpper(anna)+`","Type":"User","DisplayName":"Anna","PrincipalName":"a@x","Email":""},`+
		`{"Id":"`+staff+`","Type":"group"}],"BusinessFlowId":"00000000-0000-0000-0000-000000000000","HasNotificationPolicy":true}`, approvers)
	for _, off := range []string{`{}`, `{"Approvers":[]}`, `{"enabled":false,"isCriteriaSupported":false,"approvers":null,"businessFlowId":null,"hasNotificationPolicy":false}`} {
		check(uM, "ApprovalRule", off, nothing)
	}
	// Notifications: each recipient by its number.
	check(uM, "NotificationRule", `{"policies":[{"deliveryMechanism":"email","setting":[`+
		`{"customreceivers":["o@x.example"],"isdefaultreceiverenabled":false,"notificationlevel":1,"recipienttype":2},{"recipienttype":0,"notificationlevel":0}]}]}`,
		func(r *policy.Rules) {
			r.EndUserAssignment.Notifications.Admins = policy.Notification{Level: policy.NotifyCritical, NoDefaults: true, Recipients: []string{"o@x.example"}}
			r.EndUserAssignment.Notifications.Requestor.Level = policy.NotifyNone
		})
	// What stands for nothing is kept.
	kept := func(c governance.Collection, rule, text string) {
		check(c, rule, text, func(r *policy.Rules) { r.Kept = map[string]string{string(c) + "/" + rule: text} })
	}
	kept(aE, "AttributeConditionRule", `{"condition":"x","conditionVersion":"2.0","conditionDescription":null,"enableEnforcement":true}`)
	kept(uE, "NotificationRule", `{"policies":[]}`)
	kept(aM, "ApprovalRule", `{"Enabled":true}`)
}

// TestApplyRefuses: the refusal names the collection, the rule and the reason.
func TestApplyRefuses(t *testing.T) {
	for _, f := range []struct{ rule, setting, field string }{
		{"UnknownRule", `{}`, "userMemberSettings"},
		{"", `{}`, "userMemberSettings"},
		{"MfaRule", ``, "userMemberSettings/MfaRule"},
		{"MfaRule", `null`, "userMemberSettings/MfaRule"},
		{"MfaRule", `[]`, "userMemberSettings/MfaRule"},
		{"MfaRule", `{"mfaRequired":`, "userMemberSettings/MfaRule"},
		{"MfaRule", `{"mfaRequired":"yes"}`, "userMemberSettings/MfaRule"},
		{"MfaRule", `{"mfaRequired":true} {}`, "userMemberSettings/MfaRule"},
		{"MfaRule", "{\"x\":\"\xff\"}", "userMemberSettings/MfaRule"},
		{"MfaRule", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "userMemberSettings/MfaRule"},
		{"MfaRule", `{"x":"` + strings.Repeat("x", 70_000) + `"}`, "userMemberSettings/MfaRule"},
		{"ExpirationRule", `{"maximumGrantPeriodInMinutes":-5}`, "userMemberSettings/ExpirationRule"},
		{"ExpirationRule", `{"maximumGrantPeriodInMinutes":1.5}`, "userMemberSettings/ExpirationRule"},
		{"ExpirationRule", `{"maximumGrantPeriodInMinutes":1e300}`, "userMemberSettings/ExpirationRule"},
		{"ExpirationRule", `{"maximumGrantPeriodInMinutes":"480"}`, "userMemberSettings/ExpirationRule"},
		{"ExpirationRule", `{"maximumGrantPeriod":"8 hours"}`, "userMemberSettings/ExpirationRule"},
		{"ApprovalRule", `{"Enabled":true,"Approvers":[{"Id":"anna","Type":"User"}]}`, "userMemberSettings/ApprovalRule"},
		{"ApprovalRule", `{"Enabled":true,"Approvers":[{"Id":"` + anna + `","Type":"Robot"}]}`, "userMemberSettings/ApprovalRule"},
		{"NotificationRule", `{"policies":[{"deliveryMechanism":"pigeon"}]}`, "userMemberSettings/NotificationRule"},
		{"NotificationRule", `{"policies":[{"setting":[{"notificationlevel":2}]}]}`, "userMemberSettings/NotificationRule"},
		{"NotificationRule", `{"policies":[{"setting":[{"recipienttype":3}]}]}`, "userMemberSettings/NotificationRule"},
		{"NotificationRule", `{"policies":[{"setting":[{"recipienttype":0,"notificationlevel":3}]}]}`, "userMemberSettings/NotificationRule"},
		{"NotificationRule", `{"policies":[{"setting":[{"recipienttype":0,"customreceivers":["nobody"]}]}]}`, "userMemberSettings/NotificationRule"},
		{"AttributeConditionRule", `{"condition":"` + strings.Repeat("x", 5000) + `"}`, "userMemberSettings/AttributeConditionRule"},
	} {
		r := policy.ForResource()
		err := governance.Apply(governance.UserMember, []governance.RuleSetting{{RuleIdentifier: f.rule, Setting: f.setting}}, &r)
		refusal, ok := errors.AsType[*pim.Refusal](err)
		if !ok || refusal.Code != pim.InvalidPolicy || refusal.Field != f.field || refusal.Detail == "" {
			t.Errorf("%s %.60s: got %v", f.rule, f.setting, err)
		}
	}
	r := policy.ForResource()
	if err := governance.Apply("settings", nil, &r); err == nil {
		t.Error("there is no fifth collection")
	}
}

// TestSecondFactorWaits: a second factor beside an authentication context is shown and binds once the context is withdrawn.
func TestSecondFactorWaits(t *testing.T) {
	r := policy.ForResource()
	apply := func(rule, setting string) {
		t.Helper()
		if err := governance.Apply(governance.UserMember, []governance.RuleSetting{{RuleIdentifier: rule, Setting: setting}}, &r); err != nil {
			t.Fatal(err)
		}
	}
	check := func(mfa, context bool, text string) {
		t.Helper()
		if r.EndUserAssignment.Enablement.MFA != mfa || r.Context.Enabled != context || !strings.Contains(strings.Join(shown(governance.UserMember, r), " "), text) {
			t.Errorf("got %t, %t and %v, want %t, %t and %s", r.EndUserAssignment.Enablement.MFA, r.Context.Enabled, shown(governance.UserMember, r), mfa, context, text)
		}
		if err := r.Validate(time.Now(), false); err != nil {
			t.Error(err)
		}
	}
	apply("MfaRule", `{"mfaRequired":true}`)
	check(true, false, `{"mfaRequired":true}`)
	apply("AcrsRule", `{"acrsRequired":true,"acrs":"c1"}`)
	check(false, true, `{"mfaRequired":true}`)
	apply("AcrsRule", `{"acrsRequired":false}`)
	check(true, false, `{"mfaRequired":true}`)
	apply("AcrsRule", `{"acrsRequired":true}`)
	apply("MfaRule", `{"mfaRequired":false}`)
	check(false, true, `{"mfaRequired":false}`)
	apply("AcrsRule", `{"acrsRequired":false}`)
	check(false, false, `{"mfaRequired":false}`)
}

// TestApproversThatCannotBeTold: a patch keeps the manager, further stages and who is a backup.
func TestApproversThatCannotBeTold(t *testing.T) {
	r := policy.ForResource()
	r.Approval = policy.Approval{Required: true, Mode: policy.Serial, Stages: []policy.Stage{
		{TimeoutDays: 3, Approvers: []policy.Approver{{Kind: policy.RequestorManager}, {Kind: policy.User, ID: anna, Backup: true, Description: "old"}}},
		{TimeoutDays: 2, Approvers: []policy.Approver{{Kind: policy.Group, ID: staff}}}}}
	people := func(string) governance.Person {
		return governance.Person{DisplayName: "Anna", PrincipalName: "anna@x", Email: "a@x"}
	}
	settings := governance.Settings(governance.UserMember, policy.Policy{ID: "p", Rules: r}, people)
	text := settings[4].Setting
	if !strings.HasPrefix(text, `{"Enabled":true,"IsCriteriaSupported":true,"Approvers":[{"Id":"`+anna+`","Type":"User","DisplayName":"Anna","PrincipalName":"anna@x","Email":"a@x"}],"BusinessFlowId":"`) {
		t.Errorf("got %s", text)
	}
	got := r.Clone()
	if err := governance.Apply(governance.UserMember, settings, &got); err != nil {
		t.Fatal(err)
	}
	want := r.Clone()
	want.Approval.Stages[0].Approvers = []policy.Approver{{Kind: policy.User, ID: anna, Backup: true, Description: "Anna"}, {Kind: policy.RequestorManager}}
	if diff := cmp.Diff(want, got, cmp.Comparer(schedule.Duration.Equal)); diff != "" {
		t.Error(diff)
	}
}

// TestSettingsComeBack: what a role shows, sent to any role, makes it show the same.
func TestSettingsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := anyRules(t), anyRules(t)
		for _, c := range governance.Collections() {
			p := policy.Policy{ID: "p", Rules: from}
			want := governance.Settings(c, p, nil)
			if err := governance.Apply(c, want, &to); err != nil {
				t.Fatalf("%s %v: %v", c, want, err)
			}
		}
		for _, c := range governance.Collections() {
			want, got := shown(c, from), shown(c, to)
			for _, w := range want {
				if !strings.Contains(strings.Join(got, "\n"), w) {
					t.Fatalf("%s: got %v, want %s", c, got, w)
				}
			}
		}
	})
}

func anyRules(t *rapid.T) policy.Rules {
	r := policy.ForResource()
	yes := rapid.Bool()
	for _, s := range []*policy.Set{&r.AdminEligibility, &r.AdminAssignment, &r.EndUserAssignment} {
		s.Expiration = policy.Expiration{Required: yes.Draw(t, "required"), Maximum: schedule.MustDuration(
			rapid.SampledFrom([]string{"P1Y", "P1M", "P90D", "P1DT1H", "PT8H", "PT45M", "PT24H", "PT300S"}).Draw(t, "maximum"))}
		s.Enablement = policy.Enablement{MFA: yes.Draw(t, "mfa"), Justification: yes.Draw(t, "reason"), Ticketing: yes.Draw(t, "ticket")}
		for _, to := range []policy.Recipient{policy.ToAdmins, policy.ToRequestor, policy.ToApprovers} {
			n := s.Notifications.For(to)
			n.Level, n.NoDefaults = policy.NotificationLevel(rapid.IntRange(0, 2).Draw(t, "level")), yes.Draw(t, "defaults")
			n.Recipients = rapid.SampledFrom([][]string{nil, {"a@x.example"}, {"a@x.example", "b@x.example"}}).Draw(t, "receivers")
		}
	}
	r.AdminEligibility.Enablement.Justification, r.AdminEligibility.Enablement.Ticketing, r.AdminAssignment.Enablement.Ticketing = false, false, false
	r.Context = policy.Context{Enabled: yes.Draw(t, "context"), Value: "c3"}
	if r.Context.Enabled {
		r.EndUserAssignment.Enablement.MFA = false
	}
	r.Approval.Required = yes.Draw(t, "approval")
	if r.Approval.Required || yes.Draw(t, "approvers") {
		r.Approval.Stages[0].Approvers = []policy.Approver{{Kind: policy.User, ID: anna, Description: "Anna"}, {Kind: policy.Group, ID: staff, Description: "Staff"}}
	}
	return r
}

// FuzzSetting: whatever is sent as a setting is refused or taken, and what was taken can be shown and sent again.
func FuzzSetting(f *testing.F) {
	for _, seed := range []string{`{'required':false}`, `{"permanentAssignment":false,"maximumGrantPeriodInMinutes":129600}`, `{"maximumGrantPeriod":"365.00:00:00"}`,
		`{"Enabled":true,"Approvers":[{"Id":"` + anna + `","Type":"User","DisplayName":"O\'N"}]}`, `{"policies":[{"setting":[{"recipienttype":1}]}]}`, `{"acrs":'c1',"acrsRequired":true}`} {
		for i := range 8 {
			f.Add(uint8(i), seed)
		}
	}
	ids := []string{"ExpirationRule", "MfaRule", "JustificationRule", "TicketingRule", "ApprovalRule", "AcrsRule", "AttributeConditionRule", "NotificationRule"}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		for _, c := range governance.Collections() {
			r := policy.ForResource()
			if governance.Apply(c, []governance.RuleSetting{{RuleIdentifier: ids[int(which)%len(ids)], Setting: text}}, &r) != nil {
				continue
			}
			again := policy.ForResource()
			settings := governance.Settings(c, policy.Policy{Rules: r}, nil)
			if err := governance.Apply(c, settings, &again); err != nil {
				t.Errorf("%s %q: what was taken is refused as it is shown, %v: %v", c, text, settings, err)
			}
		}
	})
}

func TestRuleNames(t *testing.T) {
	for _, r := range policy.All() {
		name := governance.RuleName(r.Name)
		collection, id, ok := strings.Cut(name, "/")
		if !ok || !strings.HasSuffix(collection, "Settings") || !strings.HasSuffix(id, "Rule") {
			t.Errorf("%s: got %s", r.Name, name)
		}
	}
	if got := governance.RuleName("reason"); got != "reason" {
		t.Errorf("got %s", got)
	}
	for _, c := range governance.Collections() {
		caller, level := c.LifeCycle()
		if got, ok := governance.ParseLifeCycle(strings.ToUpper(caller), strings.ToLower(level)); got != c || !ok {
			t.Errorf("%s: got %s, %t", c, got, ok)
		}
	}
	if _, ok := governance.ParseLifeCycle("Admin", ""); ok {
		t.Error("a level is needed")
	}
}
