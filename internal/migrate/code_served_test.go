package migrate_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"portcullis/internal/api/governance"
	"portcullis/internal/catalog"
	"portcullis/internal/migrate"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/sample"
)

// What is advised is what a server takes: calls of the older iterations are told to a server in the words that Translate gives, as
// a program would that was rewritten by it, and do what they did.
func TestAdviceIsServed(t *testing.T) {
	h := newHouse(t, 71, func(*sample.Organisation) {})
	tenant, alice, bob := string(h.Tenant.ID), string(h.People["alice"]), string(h.People["bob"])
	shift, role := string(h.Groups["night-shift"]), string(pim.ReportsReader)
	shop := string(resource.SubscriptionScope(h.Subscriptions["shop"]))
	shopID := resource.GovernanceID(pim.Scope(shop))
	reader := shop + "/providers/Microsoft.Authorization/roleDefinitions/" + string(catalog.Reader)
	member := governance.RoleDefinitionID(pim.RoleKey{Provider: pim.Group, Scope: pim.Scope(shift), Role: pim.Member})

	callers := map[string]*caller{"pat": h.as("pat"), "alice": h.as("alice"), "aud": h.as("aud")}
	policy := ""
	// does makes the calls that are advised, and returns the answers.
	does := func(who, call string, body any) []map[string]any {
		t.Helper()
		method, address, _ := strings.Cut(call, " ")
		c := migrate.Call{Method: method, Address: address}
		if body != nil {
			var err error
			if c.Body, err = json.Marshal(body); err != nil {
				t.Fatal(err)
			}
		}
		advice, err := migrate.Translate(t.Context(), c, &migrate.Known{Scopes: []string{shop}})
		if err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		if len(advice.New) == 0 {
			t.Errorf("%s: nothing is advised", call)
		}
		var answers []map[string]any
		for _, n := range advice.New {
			address := strings.NewReplacer("{guid}", uuid.NewString(), "{policyId}", policy[strings.LastIndexByte(policy, '/')+1:]).Replace(n.Address)
			text := strings.NewReplacer("{me}", string(h.People[who]), "{reason}", "the story").Replace(string(n.Body))
			var in, out any
			if text != "" {
				in = json.RawMessage(text)
			}
			if err := callers[who].Call(t.Context(), n.Method, address, in, &out); err != nil {
				t.Errorf("%s becomes %s %s %s: %v", call, n.Method, address, text, err)
			}
			answer, _ := out.(map[string]any) // what has no body is none
			answers = append(answers, answer)
			if found := policyIn(answer); found != "" {
				policy = found
			}
		}
		return answers
	}
	rows := func(what string, answers []map[string]any, want int) {
		t.Helper()
		got := 0
		for _, a := range answers {
			list, _ := a["value"].([]any) // no list: no rows
			got += len(list)
		}
		if got != want {
			t.Errorf("%s: got %d rows, want %d", what, got, want)
		}
	}
	type fields map[string]any
	ask := func(kind, state, resource, role, subject string) fields {
		return fields{"type": kind, "assignmentState": state, "resourceId": resource, "roleDefinitionId": role, "subjectId": subject, "reason": "the story",
			"schedule": fields{"type": "Once", "startDateTime": nil, "duration": "PT8H"}}
	}
	requests := func(provider string) string {
		return "POST /beta/privilegedAccess/" + provider + "/roleAssignmentRequests"
	}
	list := func(provider, filter string) string {
		return "GET /beta/privilegedAccess/" + provider + "/roleAssignments?$expand=subject,roleDefinition($expand=resource)&$filter=" + filter
	}

	// Directory roles.
	does("pat", requests("aadRoles"), ask("AdminAdd", "Eligible", tenant, role, alice))
	eligible := list("aadRoles", "resourceId eq '"+tenant+"' and subjectId eq '"+alice+"' and assignmentState eq 'Eligible'")
	rows("eligible for a directory role", does("pat", eligible, nil), 1)
	does("alice", requests("aadRoles")+"?evaluateOnly=true", ask("UserAdd", "Active", tenant, role, alice))
	does("alice", requests("aadRoles"), ask("UserAdd", "Active", tenant, role, alice))
	rows("active herself", does("alice", list("aadRoles", "(subject/id eq '"+alice+"') and (assignmentState eq 'Active')"), nil), 1)
	rows("her requests", does("alice", "GET /beta/privilegedAccess/aadRoles/roleAssignmentRequests?$filter=subjectId eq '"+alice+"'", nil), 2)
	does("pat", "GET /beta/privilegedAccess/aadRoles/roleDefinitions/"+role, nil)
	does("pat", "GET /beta/privilegedAccess/aadRoles/resources/"+tenant+"/roleDefinitions?$filter=displayName eq 'Reports Reader'&$select=id,displayName", nil)
	does("pat", "GET /beta/privilegedAccess/aadRoles/roleAssignmentRequests?$filter=status/subStatus eq 'PendingAdminDecision'", nil)

	// Groups.
	does("pat", requests("aadGroups"), ask("AdminAdd", "Eligible", shift, member, bob))
	rows("eligible for a group", does("pat", list("aadGroups", "resourceId eq '"+shift+"' and roleDefinitionId eq '"+member+"' and subjectId eq '"+bob+"' and assignmentState eq 'Eligible'"), nil), 1)
	does("pat", "GET /api/v2/privilegedAccess/aadGroups/resources/"+shift, nil)

	// Resources.
	does("pat", requests("azureResources"), ask("AdminAdd", "Eligible", shopID, reader, alice))
	does("pat", requests("azureResources")+"?evaluateOnly=true", ask("AdminUpdate", "Eligible", shopID, reader, alice))
	rows("eligible for a role of resources", does("pat", list("azureResources", "resourceId eq '"+shopID+"' and subjectId eq '"+alice+"' and assignmentState eq 'Eligible'"), nil), 1)
	rows("eligible herself", does("alice", list("azureResources", "subjectId eq '"+alice+"' and assignmentState eq 'Eligible'"), nil), 1)
	does("alice", requests("azureResources"), ask("UserAdd", "Active", shopID, reader, alice))
	does("pat", "GET /beta/privilegedAccess/azureResources/resources", nil)
	does("pat", "GET /beta/privilegedAccess/azureResources/resources/"+shopID, nil)
	does("pat", "GET /beta/privilegedAccess/azureResources/resources/"+shopID+"/roleDefinitions", nil)

	// Settings, of each: found, and changed.
	change := fields{"userMemberSettings": []fields{
		{"ruleIdentifier": "ExpirationRule", "setting": `{"permanentAssignment":false,"maximumGrantPeriodInMinutes":120}`},
		{"ruleIdentifier": "ApprovalRule", "setting": `{"Enabled":true,"Approvers":[{"Id":"` + bob + `","Type":"User"}]}`},
		{"ruleIdentifier": "NotificationRule", "setting": `{"policies":[{"deliveryMechanism":"email","setting":[{"customreceivers":null,"isdefaultreceiverenabled":false,"notificationlevel":2,"recipienttype":0}]}]}`},
	}}
	for provider, at := range map[string][2]string{"aadRoles": {tenant, role}, "aadGroups": {shift, member}, "azureResources": {shopID, reader}} {
		settings := " /beta/privilegedAccess/" + provider + "/roleSettings/1?$filter=resourceId eq '" + at[0] + "' and roleDefinitionId eq '" + at[1] + "'"
		rows("settings of "+provider, does("pat", "GET"+settings, nil), 1)
		does("pat", "PATCH"+settings, change)
	}

	// The first iteration.
	does("pat", "POST /beta/privilegedRoleAssignments", fields{"userId": bob, "roleId": role})
	does("pat", "GET /beta/privilegedRoles/"+role+"/assignments", nil)
	does("alice", "GET /beta/privilegedRoleAssignments/my", nil)
	does("alice", "GET /beta/privilegedApproval", nil)
	does("aud", "GET /beta/privilegedOperationEvents", nil)
	does("pat", "PUT /beta/privilegedRoles/"+role+"/settings", fields{"elevationDuration": "PT4H", "mfaOnElevation": false, "approvalOnElevation": false})
}

// policyIn is the id of the policy that a list of policy assignments tells first.
func policyIn(answer map[string]any) string {
	list, _ := answer["value"].([]any)
	if len(list) == 0 {
		return ""
	}
	row, _ := list[0].(map[string]any)
	if properties, ok := row["properties"].(map[string]any); ok {
		row = properties
	}
	id, _ := row["policyId"].(string)
	return id
}

// What ids stand for is asked of the server that gave them: a request is withdrawn by one call, in the set that it is in, and the
// calls name scope and role as the third iteration knows them.
func TestAdviceAsksTheServerThatGaveTheIDs(t *testing.T) {
	h := newHouse(t, 73, func(*sample.Organisation) {})
	pat := h.as("pat")
	shop := resource.SubscriptionScope(h.Subscriptions["shop"])
	key := pim.RoleKey{Tenant: h.Tenant.ID, Provider: pim.Resource, Scope: shop, Role: pim.RoleID(catalog.Reader)}
	const requests = "/beta/privilegedAccess/azureResources/roleAssignmentRequests"
	var made struct{ ID string }
	err := pat.Call(t.Context(), "POST", requests, map[string]any{"type": "AdminAdd", "assignmentState": "Eligible", "resourceId": governance.ResourceID(key),
		"roleDefinitionId": governance.RoleDefinitionID(key), "subjectId": h.People["alice"], "reason": "next year",
		"schedule": map[string]any{"type": "Once", "startDateTime": h.App.Time().AddDate(0, 0, 7), "duration": "P30D"}}, &made)
	if err != nil {
		t.Fatal(err)
	}
	known := &migrate.Known{Server: pat}
	for _, c := range []struct {
		call, want string
	}{
		{"GET " + requests + "?$filter=resourceId eq '" + governance.ResourceID(key) + "' and roleDefinitionId eq '" + governance.RoleDefinitionID(key) + "' and assignmentState eq 'Eligible'",
			string(shop) + "/providers/Microsoft.Authorization/roleEligibilityScheduleRequests?api-version=2020-10-01&$filter=atScope()%20and%20roleDefinitionId%20eq%20'" +
				string(shop) + "/providers/Microsoft.Authorization/roleDefinitions/" + string(catalog.Reader) + "'"},
		{"GET " + requests + "/" + made.ID, string(shop) + "/providers/Microsoft.Authorization/roleEligibilityScheduleRequests/" + made.ID + "?api-version=2020-10-01"},
		{"POST " + requests + "/" + made.ID + "/cancel", string(shop) + "/providers/Microsoft.Authorization/roleEligibilityScheduleRequests/" + made.ID + "/cancel?api-version=2020-10-01"},
	} {
		method, address, _ := strings.Cut(c.call, " ")
		advice, err := migrate.Translate(t.Context(), migrate.Call{Method: method, Address: address}, known)
		if err != nil {
			t.Fatalf("%s: %v", c.call, err)
		}
		if len(advice.New) != 1 || !strings.EqualFold(advice.New[0].Address, c.want) {
			t.Errorf("%s: got %+v, want %s alone", c.call, advice.New, c.want)
			continue
		}
		if err := pat.Call(t.Context(), advice.New[0].Method, advice.New[0].Address, nil, nil); err != nil {
			t.Errorf("%s becomes %s: %v", c.call, advice.New[0].Address, err)
		}
	}
}
