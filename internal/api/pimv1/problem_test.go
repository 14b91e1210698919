package pimv1

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
)

func TestEveryRefusalIsTold(t *testing.T) {
	table := refusals()
	codes := pimtest.Codes(t)
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
}

// TestFailuresAreToldOneAtATime: the second factor last, with a challenge that is no use before.
func TestFailuresAreToldOneAtATime(t *testing.T) {
	failed := func(rules ...pim.PolicyRule) *pim.Refusal {
		r := &pim.Refusal{Code: pim.PolicyFailed}
		for _, rule := range rules {
			r.Failures = append(r.Failures, pim.Failure{Rule: rule})
		}
		return r
	}
	for _, fact := range []struct {
		refusal   *pim.Refusal
		status    int
		says      string
		challenge bool
	}{
		{failed(pim.MFARule, pim.EligibilityRule), http.StatusBadRequest, "not eligible", false},
		{failed(pim.MFARule, pim.JustificationRule), http.StatusBadRequest, "Requestor reason is missing.", false},
		{failed(pim.TicketingRule, pim.JustificationRule), http.StatusBadRequest, "Requestor reason is missing.", false},
		{failed(pim.TicketingRule), http.StatusBadRequest, "GenericElevateUserToRoleAssignments: ", false},
		{failed(pim.ExpirationRule), http.StatusBadRequest, "longer", false},
		{failed(pim.MFARule), http.StatusForbidden, "Elevation requires Multi-Factor Authentication.", true},
		{failed(), http.StatusBadRequest, "settings of the role", false},
		{&pim.Refusal{Code: pim.ContextMissing, Context: "c1"}, http.StatusBadRequest, "&claims=%7B%22access_token%22", true},
		{&pim.Refusal{Code: pim.InvalidSchedule, Field: "start"}, http.StatusBadRequest, startText, false},
		{&pim.Refusal{Code: pim.InvalidSchedule, Field: "expiration.end", Detail: "is not after the start"}, http.StatusBadRequest, "expiration.end: is not after the start", false},
		{&pim.Refusal{Code: "new in the core", Detail: "why"}, http.StatusBadRequest, "why", false},
	} {
		p := fromRefusal(fact.refusal, time.Hour)
		if p.Status != fact.status || !strings.Contains(p.Message, fact.says) || (p.Header.Get("WWW-Authenticate") != "") != fact.challenge {
			t.Errorf("%v: got %d %q %v, want %d with %q, challenge %t", fact.refusal, p.Status, p.Message, p.Header, fact.status, fact.says, fact.challenge)
		}
	}
}
