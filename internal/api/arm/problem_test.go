package arm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/auth"
	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/store"
)

// aCall is a call by alice for a request at a subscription.
func aCall(t *testing.T) *api.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "https://pim.example.com"+under("roleEligibilityScheduleRequests/n"), nil)
	r.SetPathValue("name", "N")
	return &api.Request{Request: r, ID: "id", Origin: "https://pim.example.com", Scope: "/subscriptions/s", FreshMFA: time.Hour,
		Caller: pim.Caller{Actor: pim.Actor{Principal: "a", Name: "Alice"}}}
}

func TestEveryRefusalIsTold(t *testing.T) {
	table, codes := refusals(), pimtest.Codes(t)
	for _, c := range codes {
		if _, ok := table[c]; !ok {
			t.Errorf("the code %q of the core has no line in the table", c)
		}
		p := fromRefusal(aCall(t), &pim.Refusal{Code: c, Context: "c1", Failures: []pim.Failure{{Rule: pim.MFARule}}})
		if p.Code == "" || p.Message == "" || strings.Contains(p.Message, "%s") || p.Status < 400 || p.Status >= 500 {
			t.Errorf("%q: got %d %q %q", c, p.Status, p.Code, p.Message)
		}
	}
	if len(table) != len(codes) {
		t.Errorf("the table has %d lines, the core %d codes", len(table), len(codes))
	}
}

func TestProblems(t *testing.T) {
	const unauthorized = "The client 'Alice' with object id 'a' does not have authorization to perform action "
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   string
		says   string
	}{
		{"rules that failed", &pim.Refusal{Code: pim.PolicyFailed, Failures: []pim.Failure{{Rule: pim.EligibilityRule}, {Rule: pim.ExpirationRule}}},
			400, "RoleAssignmentRequestPolicyValidationFailed", `The following policy rules failed: ["EligibilityRule","ExpirationRule"]`},
		{"a right by name", &pim.Refusal{Code: pim.Forbidden, Field: pim.ReadRoleAssignments}, 403, "AuthorizationFailed", unauthorized + "'" + pim.ReadRoleAssignments + "' over scope '/subscriptions/s' or the scope is invalid."},
		{"a right by the call", &pim.Refusal{Code: pim.Forbidden}, 403, "AuthorizationFailed", unauthorized + "'Microsoft.Authorization/roleEligibilityScheduleRequests/write'"},
		{"a name that is taken", &pim.Refusal{Code: pim.RequestExists}, 409, "RoleAssignmentRequestExists", "A role assignment request with Id: n already exists"},
		{"wrapped", fmt.Errorf("while: %w", &pim.Refusal{Code: pim.InvalidSchedule, Field: "expiration.end", Detail: "is over"}), 400,
			"InvalidRoleAssignmentRequestSchedule", "scheduleInfo.expiration.endDateTime: is over"},
		{"a bad policy", &pim.Refusal{Code: pim.InvalidPolicy, Field: "R", Detail: "d"}, 400, "InvalidPolicy", "The policy is invalid."},
		{"not there", store.ErrNotFound, 404, "ResourceNotFound", ""},
		{"there already", store.ErrConflict, 409, "Conflict", ""},
		{"no cursor of the list", store.ErrCursor, 400, "InvalidSkipToken", ""},
		{"a store that is gone", fmt.Errorf("read: %w", store.ErrUnavailable), 503, "ServerBusy", ""},
		{"a fault", errors.New("secret"), 500, "InternalServerError", "request id id"},
		{"a panic", &api.Fault{Problem: api.Broken}, 500, "InternalServerError", ""},
		{"too much", &api.Fault{Problem: api.TooLarge, Detail: "d"}, 413, "RequestContentTooLarge", "d"},
		{"too often", &api.Fault{Problem: api.TooMany, RetryAfter: 7 * time.Second}, 429, "TooManyRequests", ""},
		{"another encoding", &api.Fault{Problem: api.BadEncoding, Detail: "d"}, 415, "UnsupportedMediaType", "d"},
		{"no token", &api.Fault{Problem: api.Unauthenticated, Err: &auth.Error{Reason: auth.Missing}}, 401, "AuthenticationFailed", ""},
		{"nobody's token", &api.Fault{Problem: api.Unauthenticated, Err: &auth.Error{Reason: auth.NoAccount}}, 401, "InvalidAuthenticationToken", ""},
		{"no such method", &api.Fault{Problem: api.NoSuchMethod, Needs: []string{"GET"}, Detail: "d"}, 405, "MethodNotAllowed", "d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := New(nil).Problem(aCall(t), c.err)
			var got struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal(a.Body, &got); err != nil {
				t.Fatal(err)
			}
			if a.Status != c.status || got.Error.Code != c.code || !strings.Contains(got.Error.Message, c.says) || strings.Contains(got.Error.Message, "secret") {
				t.Errorf("got %d %+v, want %d %s %s", a.Status, got.Error, c.status, c.code, c.says)
			}
			if again := a.Header.Get("Retry-After") != ""; again != (c.status == 503 || c.status == 429) {
				t.Errorf("Retry-After: got %v", a.Header)
			}
		})
	}
}

// TestWhereTokensComeFrom: the challenge names the issuer that is configured, or the one at the host that was called.
func TestWhereTokensComeFrom(t *testing.T) {
	for authority, want := range map[string]string{"": "https://pim.example.com/organizations", "https://login.example.com/t": "https://login.example.com/t"} {
		s := &Surface{Authority: authority}
		a := s.Problem(aCall(t), &api.Fault{Problem: api.Unauthenticated, Err: &auth.Error{Reason: auth.Expired}})
		if got := a.Header.Get("WWW-Authenticate"); !strings.Contains(got, `authorization_uri="`+want+`"`) || !strings.Contains(got, `error="invalid_token"`) {
			t.Errorf("%q: got %s, want %s in it", authority, got, want)
		}
	}
}
