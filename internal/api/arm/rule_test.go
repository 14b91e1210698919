package arm

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// TestRulesAreComplete: the dialect lists each rule once, in an order of its own.
func TestRulesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range ruleOrder {
		rule, ok := wire.FindRule(name)
		if !ok || seen[name] {
			t.Errorf("%s: known %t, seen before %t", name, ok, seen[name])
		}
		if (wire.ARMRules{}).RuleType(rule.Kind) == (wire.ARMRules{}).RuleType(0) {
			t.Errorf("%s has no type", name)
		}
		seen[name] = true
	}
	if len(seen) != len(policy.All()) {
		t.Errorf("got %d rules, want %d", len(seen), len(policy.All()))
	}
}

func TestTruths(t *testing.T) {
	for in, want := range map[string]string{
		`{"isEnabled":"true"}`:                     `{"isEnabled":true}`,
		`{"IsDefault":"FALSE"}`:                    `{"IsDefault":false}`,
		`{"a":[{"isBackup":"True"}]}`:              `{"a":[{"isBackup":true}]}`,
		`{"isEnabled":"perhaps"}`:                  `{"isEnabled":"perhaps"}`,
		`{"justification":"true"}`:                 `{"justification":"true"}`,
		`{"isEnabled":true,"n":12345678901234567}`: `{"isEnabled":true,"n":12345678901234567}`,
		`{"isEnabled":"true"`:                      `{"isEnabled":"true"`,
		``:                                         ``,
	} {
		if got := string(truths([]byte(in))); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// refusedWell says whether an error is one that callers may see.
func refusedWell(err error) bool {
	if err == nil {
		return true
	}
	_, fault := errors.AsType[*api.Fault](err)
	_, refusal := errors.AsType[*pim.Refusal](err)
	_, told := errors.AsType[*problem](err)
	return fault || refusal || told
}

// FuzzPolicy: whatever comes as the rules of a policy is applied or refused, and what was applied is written and read back the same.
func FuzzPolicy(f *testing.F) {
	f.Add([]byte(`{"rules":[{"id":"Enablement_EndUser_Assignment","ruleType":"RoleManagementPolicyEnablementRule","enabledRules":["Ticketing"]}]}`))
	f.Add([]byte(`{"rules":[{"id":"Approval_EndUser_Assignment","setting":{"isApprovalRequired":"true","approvalStages":[{"primaryApprovers":[{"id":"5c3e0000-0000-4000-8000-000000000001","userType":"User"}]}]}}]}`))
	f.Add([]byte(`{"rules":[{"id":"PIMOnlyMode_Admin_Assignment","pimOnlyModeSettings":{"mode":"Enabled","excludes":[{"id":"5c3e0000-0000-4000-8000-000000000001","type":"Group"}]}}]}`))
	f.Add([]byte(`{"rules":[{"id":"Expiration_Admin_Assignment","maximumDuration":"P1D","exceptionMembers":[{"id":"5c3e0000-0000-4000-8000-000000000001","userType":"Group"}]}]}`))
	c := &call{version: "2024-09-01-preview"}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in policyIn
		err := api.DecodeBytes(truths(body), &in)
		rules := policy.ForResource()
		if err == nil {
			err = in.apply(&rules)
		}
		if !refusedWell(err) {
			t.Fatalf("got %v", err)
		}
		if err != nil || rules.Validate(time.Unix(0, 0), true) != nil {
			return
		}
		written := c.rules(rules)
		again := policyIn{}
		if err := json.Unmarshal(written, &again.Rules); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		other := policy.ForResource()
		if err := again.apply(&other); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if got := c.rules(other); !bytes.Equal(got, written) {
			t.Fatalf("got %s, want %s", got, written)
		}
	})
}

func FuzzDenyAssignment(f *testing.F) {
	f.Add([]byte(`{"denyAssignmentName":"x","permissions":[{"actions":["*/delete"]}],"principals":[{"id":"A"}],"denyAssignmentEffect":"audit"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in denyAssignmentIn
		err := api.DecodeBytes(truths(body), &in)
		if err == nil {
			_, err = in.toDenial("/", "x")
		}
		if !refusedWell(err) {
			t.Fatalf("got %v", err)
		}
	})
}
