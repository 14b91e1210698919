package client_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"portcullis/internal/client"
)

// program is the sample's client application, which does what no command does: set the rules of a group.
type program struct {
	world
	http  *http.Client
	token string
}

func (w world) program() *program {
	w.t.Helper()
	ca, err := os.ReadFile(w.CAFile)
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	p := &program{world: w, http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {w.Client.ID}, "client_secret": {w.Client.Secret}, "scope": {w.URL + "/.default"}}
	var answer struct {
		Token string `json:"access_token"`
	}
	p.do(http.MethodPost, "/"+w.TenantID+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", []byte(form.Encode()), &answer)
	p.token = answer.Token
	return p
}

func (p *program) do(method, path, typ string, body []byte, into any) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+path, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", typ)
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusMultipleChoices {
		p.t.Fatalf("%s %s: got %s", method, path, res.Status)
	}
	if into == nil {
		return
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		p.t.Fatal(err)
	}
}

// membersNeed lets membership of a group be activated only with the approval of a person.
func (p *program) membersNeed(group, approver string) {
	p.t.Helper()
	var page struct {
		Value []struct {
			ID string `json:"policyId"`
		} `json:"value"`
	}
	filter := url.QueryEscape("scopeType eq 'Group' and scopeId eq '" + group + "' and roleDefinitionId eq 'member'")
	p.do(http.MethodGet, "/v1.0/policies/roleManagementPolicyAssignments?$filter="+filter, "", nil, &page)
	if len(page.Value) != 1 {
		p.t.Fatalf("the group has policies %+v", page)
	}
	rule := fmt.Sprintf(`{"setting": {"isApprovalRequired": true, "approvalStages": [{"primaryApprovers": [{"@odata.type": "#microsoft.graph.singleUser", "userId": %q}]}]}}`, approver)
	p.do(http.MethodPatch, "/v1.0/policies/roleManagementPolicies/"+page.Value[0].ID+"/rules/Approval_EndUser_Assignment", "application/json", []byte(rule), nil)
}

// TestMembershipIsAskedForAndApproved: alice, whom pat has made eligible, activates her membership of a group; bob decides.
func TestMembershipIsAskedForAndApproved(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	pat, alice, bob := w.signedIn("pat"), w.signedIn("alice"), w.signedIn("bob")
	groups, err := pat.GroupsNamed(ctx, "project kestrel")
	if err != nil || len(groups) != 1 {
		t.Fatalf("groups named so: %v, %v", groups, err)
	}
	group := groups[0].ID
	w.program().membersNeed(group, bob.Session().ObjectID)
	month := &client.Schedule{Expiration: &client.Expiration{Type: "afterDuration", Duration: "P30D"}}
	ask := client.Ask{Action: "adminAssign", PrincipalID: alice.Session().ObjectID, RoleID: "member", ScopeID: group, Justification: "new warehouse", Schedule: month}
	if made, err := pat.Submit(ctx, client.GroupEligibility, ask); err != nil || !made.In("Provisioned") || made.Kind != client.GroupEligibility || made.RoleID != "member" || made.ScopeID != group {
		t.Fatalf("pat's request is %+v, %v", made, err)
	}
	eligible, err := alice.EligibleInGroups(ctx)
	if err != nil || len(eligible) != 1 || !eligible[0].OfGroup || eligible[0].Role.Name != "Member" || eligible[0].Scope.Name != "Project Kestrel" {
		t.Fatalf("alice is eligible for %+v, %v", eligible, err)
	}
	if rules, err := alice.GroupRules(ctx, group, "member"); err != nil || !rules.Approval || !rules.Justification || rules.MFA || len(rules.Stages) != 1 {
		t.Errorf("the rules are %+v, %v", rules, err)
	}
	ask.Action, ask.Schedule = "selfActivate", &client.Schedule{Expiration: &client.Expiration{Type: "afterDuration", Duration: "PT1H"}}
	r, err := alice.Submit(ctx, eligible[0].Kind(client.Assignment), ask)
	if err != nil || !r.Pending() || r.Kind != client.GroupAssignment {
		t.Fatalf("alice's request is %+v, %v", r, err)
	}
	if d, err := alice.Deciders(ctx, r.ID); err != nil || d.More || len(d.People) != 1 || d.People[0].Name != "Bob Sutherland" {
		t.Errorf("it waits for %+v, %v", d, err)
	}
	list, err := bob.Requests(ctx, client.GroupAssignment, client.ToApprove, "PendingApproval", 10)
	if err != nil || len(list) != 1 || list[0].ID != r.ID || list[0].Principal.Name != "Alice Nakamura" || list[0].Scope.Name != "Project Kestrel" {
		t.Fatalf("bob sees %+v, %v", list, err)
	}
	steps, err := bob.Approval(ctx, client.GroupAssignment, r.ID)
	if err != nil || len(steps) != 1 || !steps[0].Mine {
		t.Fatalf("the approval is %+v, %v", steps, err)
	}
	if err := bob.Decide(ctx, client.GroupAssignment, r.ID, steps[0].ID, true, "agreed"); err != nil {
		t.Fatal(err)
	}
	if r, err = alice.Request(ctx, client.GroupAssignment, r.ID); err != nil || !r.In("Provisioned") || r.TargetID != r.ID {
		t.Errorf("the request is %+v, %v", r, err)
	}
	active, err := alice.ActiveInGroups(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, g := range active {
		if g.ScopeID == group {
			found = g.Activated() && g.ScheduleID() == r.ID && g.End != nil
		}
	}
	if !found {
		t.Errorf("active are %+v, want the membership for an hour", active)
	}
}
