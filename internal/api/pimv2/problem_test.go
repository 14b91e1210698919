package pimv2

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/policy"
)

func TestEveryRefusalIsTold(t *testing.T) {
	table, codes := refusals(), pimtest.Codes(t)
	for _, c := range codes {
		if _, ok := table[c]; !ok {
			t.Errorf("the code %q of the core has no line in the table", c)
		}
		p := fromRefusal(&pim.Refusal{Code: c, Context: "c1", Failures: []pim.Failure{{Rule: pim.MFARule}}}, time.Hour)
		if p.Code == "" || p.Message == "" || p.Status < 400 || p.Status >= 500 {
			t.Errorf("%q: got %d %q %q", c, p.Status, p.Code, p.Message)
		}
	}
	if len(table) != len(codes) {
		t.Errorf("the table has %d lines, the core %d codes", len(table), len(codes))
	}
	if p := fromRefusal(&pim.Refusal{Code: "new", Detail: "why"}, 0); p.Status != http.StatusBadRequest || !strings.HasSuffix(p.Message, " why") {
		t.Errorf("a code that the table does not know: got %d %q", p.Status, p.Message)
	}
}

// TestMessages: clients cut these apart (reference pim-v2 §9).
func TestMessages(t *testing.T) {
	for _, f := range []struct {
		refusal   pim.Refusal
		code      string
		message   string
		challenge string
	}{
		{pim.Refusal{Code: pim.PolicyFailed, Failures: []pim.Failure{{Rule: pim.EligibilityRule, Reason: "r"}, {Rule: pim.ExpirationRule}}},
			"RoleAssignmentRequestPolicyValidationFailed", `The following policy rules failed: ["EligibilityRule","ExpirationRule"]`, ""},
		{pim.Refusal{Code: pim.PolicyFailed, Failures: []pim.Failure{{Rule: pim.MFARule}}},
			"RoleAssignmentRequestPolicyValidationFailed", `The following policy rules failed: ["MfaRule"]`, "insufficient_user_authentication"},
		{pim.Refusal{Code: pim.ContextMissing, Context: "c1"}, "RoleAssignmentRequestAcrsValidationFailed",
			"&claims=%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22essential%22%3Atrue%2C%20%22value%22%3A%22c1%22%7D%7D%7D", "claims="},
		{pim.Refusal{Code: pim.NotThere}, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.", ""},
		{pim.Refusal{Code: pim.AlreadyPending}, "PendingRoleAssignmentRequest", "There is already an existing pending Role assignment request.", ""},
		{pim.Refusal{Code: pim.InvalidSchedule, Field: "expiration.end", Detail: "is not after the start"}, "InvalidRoleAssignmentRequest",
			"The role assignment request is invalid. schedule/endDateTime: is not after the start", ""},
		{pim.Refusal{Code: pim.InvalidPolicy, Field: policy.RuleApprovalEndUserAssignment, Detail: "why"}, "InvalidRoleSetting",
			"The role setting is invalid. userMemberSettings/ApprovalRule: why", ""},
	} {
		p := fromRefusal(&f.refusal, time.Hour)
		if p.Status != http.StatusBadRequest || p.Code != f.code || p.Message != f.message || !strings.Contains(p.Header.Get("WWW-Authenticate"), f.challenge) {
			t.Errorf("%s: got %d %s %q %v, want %s %q", f.refusal.Code, p.Status, p.Code, p.Message, p.Header, f.code, f.message)
		}
		if f.challenge == "" && p.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: nothing is to be proved anew: got %v", f.refusal.Code, p.Header)
		}
	}
}
