package graph

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis/internal/api"
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
		p := fromRefusal(&pim.Refusal{Code: c, Context: "c1", Failures: []pim.Failure{{Rule: pim.MFARule}}}, time.Hour, directoryWords())
		if p.Code == "" || p.Message == "" || p.Status < 400 || p.Status >= 600 {
			t.Errorf("%q: got %d %q %q", c, p.Status, p.Code, p.Message)
		}
		if p.Status >= 500 {
			t.Errorf("%q: got %d, but clients repeat calls that fail so", c, p.Status)
		}
	}
	if len(table) != len(codes) {
		t.Errorf("the table has %d lines, the core %d codes", len(table), len(codes))
	}
}

func TestPolicyFailuresNameAllRules(t *testing.T) {
	got := fromRefusal(&pim.Refusal{Code: pim.PolicyFailed, Failures: []pim.Failure{
		{Rule: pim.ExpirationRule, Reason: "The duration in the request is greater than maximum allowed duration"},
		{Rule: pim.JustificationRule, Reason: "Justification is required"},
	}}, time.Hour, directoryWords()).Message
	want := "The following policy rules failed: ExpirationRule - The duration in the request is greater than maximum allowed duration, " +
		"JustificationRule - Justification is required"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestStepUp: clients cut the claims out of the message, or follow the header.
func TestStepUp(t *testing.T) {
	p := fromRefusal(&pim.Refusal{Code: pim.ContextMissing, Context: "c1"}, time.Hour, directoryWords())
	_, claims, ok := strings.Cut(p.Message, "&claims=")
	if want := `%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22essential%22%3Atrue%2C%20%22value%22%3A%22c1%22%7D%7D%7D`; !ok || claims != want {
		t.Errorf("claims: got %s, want %s", claims, want)
	}
	p = fromRefusal(&pim.Refusal{Code: pim.PolicyFailed, Failures: []pim.Failure{{Rule: pim.MFARule}}}, time.Hour, directoryWords())
	if h := p.Header.Get("WWW-Authenticate"); !strings.Contains(h, "insufficient_user_authentication") || !strings.Contains(h, "claims=") || !strings.Contains(h, `max_age="3600"`) {
		t.Errorf("header: got %s", h)
	}
	p = fromRefusal(&pim.Refusal{Code: pim.PolicyFailed, Failures: []pim.Failure{{Rule: pim.TicketingRule}}}, time.Hour, directoryWords())
	if h := p.Header.Get("WWW-Authenticate"); h != "" {
		t.Errorf("a missing ticket needs no step-up: got %s", h)
	}
}

func TestThrottling(t *testing.T) {
	s := New(nil, nil, nil)
	r := &api.Request{Request: &http.Request{}, ID: "i", ClientID: "c"}
	a := s.Problem(r, &api.Fault{Problem: api.TooMany, RetryAfter: 7 * time.Second})
	var e struct {
		Error struct {
			Code       string
			InnerError struct{ Code, Status string }
		}
	}
	if err := json.Unmarshal(a.Body, &e); err != nil {
		t.Fatal(err)
	}
	if a.Status != 429 || a.Header.Get("Retry-After") != "7" || e.Error.Code != "TooManyRequests" || e.Error.InnerError.Code != "429" || e.Error.InnerError.Status != "429" {
		t.Errorf("got %d %v %+v", a.Status, a.Header, e)
	}
}
