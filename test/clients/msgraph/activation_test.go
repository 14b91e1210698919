package msgraph

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

const policyFailed = "RoleAssignmentRequestPolicyValidationFailed"

// The main story: eligible, refused without a second factor, stepped up by the challenge, active, ended by hand, active
// again, and over when the hour is.
func TestAnEligiblePersonActivates(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	role := app.role(t, "Message Center Reader")
	eligibility := app.makesEligible(t, alice, role, "P30D")

	app.showsEligible(t, alice, role, eligibility)

	g := sample.signIn(t, alice)
	_, err := g.assignment(t, activates(alice, role))
	r := refused(t, "activate without a second factor", err, http.StatusBadRequest, policyFailed)
	if !strings.Contains(r.message, "MfaRule") || strings.Contains(r.message, "JustificationRule") {
		t.Errorf("the message names other rules than MfaRule: %s", r.message)
	}
	without := activates(alice, role)
	without.justification = ""
	_, err = g.assignment(t, without)
	r = refused(t, "activate without a second factor and a reason", err, http.StatusBadRequest, policyFailed)
	if !strings.Contains(r.message, "MfaRule") || !strings.Contains(r.message, "JustificationRule") {
		t.Errorf("the message does not name both rules: %s", r.message)
	}

	claims := claimsOf(t, r.wwwAuthenticate)
	if token := g.token(t, claims); !slices.Contains(token.Methods, "mfa") {
		t.Fatalf("methods after the step-up: got %q, want mfa among them", token.Methods)
	}

	got, err := g.assignment(t, activates(alice, role))
	done(t, "activate", got, err, "Provisioned")
	house.Equal(t, "target schedule", house.Value(got.GetTargetScheduleId()), house.Value(got.GetId()))
	house.Equal(t, "creator", creator(got), alice.ID)
	house.Equal(t, "duration as asked", got.GetScheduleInfo().GetExpiration().GetDuration().String(), "PT1H")
	house.Equal(t, "reason", house.Value(got.GetJustification()), "Ticket 4711")
	activeFor(t, g, role, eligibility)

	_, err = g.assignment(t, activates(alice, role))
	refused(t, "activate twice", err, http.StatusBadRequest, "RoleAssignmentExists")

	app.endsByHandAndByTime(t, g, alice, role)
}

// showsEligible checks what an administrator reads of an eligibility for thirty days.
func (g *graph) showsEligible(t *testing.T, p *person, role, schedule string) {
	t.Helper()
	row := house.Rows(t, "eligibilities", g.eligibilities(t, p, role, "roleDefinition", "principal"), 1)[0]
	house.Equal(t, "schedule of the eligibility", house.Value(row.GetRoleEligibilityScheduleId()), schedule)
	house.Equal(t, "name of the role", house.Value(row.GetRoleDefinition().GetDisplayName()), "Message Center Reader")
	if user, ok := row.GetPrincipal().(models.Userable); !ok {
		t.Errorf("principal: got %T, want a user", row.GetPrincipal())
	} else {
		house.Equal(t, "name of the principal", house.Value(user.GetDisplayName()), p.DisplayName)
	}
	if held := lasts(row); held != 30*24*time.Hour {
		t.Errorf("the eligibility lasts %s, want 30 days", held)
	}
}

// claimsOf checks the challenge of a refusal, for both kinds of clients, and returns the claims that it asks for.
func claimsOf(t *testing.T, header string) string {
	t.Helper()
	c := readChallenge(t, header)
	house.Equal(t, "error of the challenge", c["error"], "insufficient_user_authentication") // RFC 9470 §3
	if c["acr_values"] == "" || c["max_age"] == "" {
		t.Errorf("the challenge lacks acr_values or max_age: %s", header)
	}
	claims, err := base64.StdEncoding.DecodeString(c["claims"])
	if err != nil {
		t.Fatalf("claims of the challenge: %v", err)
	}
	return string(claims)
}

// endsByHandAndByTime ends an activation that began just now, activates again, and lets the hour pass.
func (g *graph) endsByHandAndByTime(t *testing.T, own *graph, p *person, role string) {
	t.Helper()
	deactivation := ask{action: selfDeactivate, principal: p.ID, role: role}
	_, err := own.assignment(t, deactivation)
	refused(t, "deactivate at once", err, http.StatusBadRequest, "ActiveDurationTooShort")
	sample.After(t, 6*time.Minute)
	got, err := own.assignment(t, deactivation)
	done(t, "deactivate", got, err, "Revoked")
	house.Rows(t, "active assignments after deactivation", g.holds(t, p, role), 0)

	got, err = own.assignment(t, activates(p, role))
	done(t, "activate again", got, err, "Provisioned")
	house.Rows(t, "active assignments", g.holds(t, p, role), 1)
	sample.After(t, time.Hour)
	house.Rows(t, "active assignments after an hour", g.holds(t, p, role), 0)
	house.Rows(t, "eligibilities after an hour", g.eligibilities(t, p, role), 1)
}

// activeFor checks that a person sees their own activation and what it rests on.
func activeFor(t *testing.T, g *graph, role, eligibility string) {
	t.Helper()
	got, err := g.RoleManagement().Directory().RoleAssignmentScheduleInstances().FilterByCurrentUserWithOn(new("principal")).
		GetAsFilterByCurrentUserWithOnGetResponse(t.Context(), &myAssignmentConfig{QueryParameters: &myAssignmentQuery{
			Filter: new("roleDefinitionId eq '" + role + "' and assignmentType eq 'Activated'"),
			Expand: []string{"roleDefinition($select=id,displayName)", "activatedUsing", "principal"},
		}})
	must(t, "list one's own activations", err)
	row := house.Rows(t, "one's own activations", got.GetValue(), 1)[0]
	house.Equal(t, "member type", house.Value(row.GetMemberType()), "Direct")
	house.Equal(t, "role", house.Value(row.GetRoleDefinition().GetId()), role)
	if using := row.GetActivatedUsing(); using == nil {
		t.Error("activatedUsing was not expanded")
	} else {
		house.Equal(t, "what the activation rests on", house.Value(using.GetRoleEligibilityScheduleId()), eligibility)
	}
	if held := lasts(row); held != time.Hour {
		t.Errorf("the activation lasts %s, want 1h", held)
	}
}

var parameter = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// readChallenge takes a WWW-Authenticate header for bearer tokens apart.
func readChallenge(t *testing.T, header string) map[string]string {
	t.Helper()
	rest, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		t.Fatalf("WWW-Authenticate: got %q, want a challenge for a bearer token", header)
	}
	c := map[string]string{}
	for _, m := range parameter.FindAllStringSubmatch(rest, -1) {
		c[m[1]] = m[2]
	}
	return c
}

// A role may demand an authentication context. The refusal carries the claims in its message, as clients look for them.
func TestARoleDemandsAnAuthenticationContext(t *testing.T) {
	app, bob := sample.application(t), sample.Someone(t, "bob")
	role := app.role(t, "Search Administrator")
	app.makesEligible(t, bob, role, "P30D")
	refused(t, "demand a context beside a second factor", app.rule(t, role, demandsContext("c1")), http.StatusBadRequest, "MfaAndAcrsConflict")
	app.ruled(t, role, demands("Justification"))
	app.ruled(t, role, demandsContext("c1"))

	g := sample.signIn(t, bob)
	_, err := g.assignment(t, activates(bob, role))
	r := refused(t, "activate without the context", err, http.StatusBadRequest, "RoleAssignmentRequestAcrsValidationFailed")
	_, encoded, ok := strings.Cut(r.message, "&claims=")
	if !ok {
		t.Fatalf("the message carries no claims: %s", r.message)
	}
	claims, err := url.QueryUnescape(encoded)
	if err != nil {
		t.Fatalf("claims in the message: %v", err)
	}
	house.Equal(t, "claims", claims, `{"access_token":{"acrs":{"essential":true, "value":"c1"}}}`)

	if token := g.token(t, claims); !strings.Contains(text(t, token.Contexts), `"c1"`) {
		t.Fatalf("contexts after the step-up: got %v, want c1 among them", token.Contexts)
	}
	got, err := g.assignment(t, activates(bob, role))
	done(t, "activate with the context", got, err, "Provisioned")
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
