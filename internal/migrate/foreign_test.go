package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/client"
	"portcullis/internal/pim"
)

// Here stands what other servers do and a Portcullis does not.

// foreign is a server that answers by what an address contains: the first that does counts. An answer that is a number is a status.
type foreign struct {
	answers [][2]string
	mu      sync.Mutex
	asked   []string
}

func (f *foreign) Origin() string { return "https://foreign.example.org" }

func (f *foreign) Call(_ context.Context, method, path string, _, out any) error {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, method+" "+plain)
	text := "404"
	for _, a := range f.answers {
		if strings.Contains(plain, a[0]) {
			text = a[1]
			break
		}
	}
	var status int
	if n, err := fmt.Sscanf(text, "%d", &status); err == nil && n == 1 {
		return &client.Error{Status: status, Code: "Foreign"}
	}
	return json.Unmarshal([]byte(text), out)
}

const (
	empty      = `{"value":[]}`
	foreignID  = "0f6f43b8-e404-4cc1-8b07-6f4d39b43b06"
	foreignSub = "/subscriptions/aaaaaaaa-0000-4000-8000-000000000001"
	foreignMG  = "/providers/Microsoft.Management/managementGroups/"
)

func noteCodes(list []Note) string {
	var out []string
	for _, n := range list {
		out = append(out, n.Code)
	}
	return strings.Join(out, " ")
}

// TestForeignGraph: a server that lists nothing of groups without a filter, whose rows hold now and then, or within an application.
func TestForeignGraph(t *testing.T) {
	schedule := func(id, more string) string {
		return fmt.Sprintf(`{"id":%q,"principalId":%q,"roleDefinitionId":"R","directoryScopeId":"/administrativeUnits/ABC","memberType":"Direct","createdUsing":"q",%s}`, id, strings.ToUpper(foreignID), more)
	}
	f := &foreign{answers: [][2]string{
		{"/v1.0/organization", `{"value":[{"id":"T"}]}`},
		{"directory/roleDefinitions", `{"value":[{"id":"R","displayName":"Reader","isBuiltIn":true},{"id":"C","displayName":"Mine","isBuiltIn":false,"rolePermissions":[]},{"id":"X","isBuiltIn":true}]}`},
		{"directory/roleEligibilitySchedules", `{"value":[` + strings.Join([]string{
			schedule("a", `"scheduleInfo":{"startDateTime":"2026-01-02T03:04:05Z","expiration":{"type":"afterDuration","duration":"PT3H"}},"principal":{"@odata.type":"#microsoft.graph.servicePrincipal","displayName":"App","appId":"P"}`),
			schedule("b", `"scheduleInfo":{"recurrence":{"pattern":{"type":"daily","interval":1},"range":{"type":"noEnd","startDate":"2026-01-01"}},"expiration":{"type":"afterDuration","duration":"PT1H"}}`),
			schedule("c", `"appScopeId":"/x"`),
			`{"id":"d","principalId":"g","roleDefinitionId":"R","directoryScopeId":"/","memberType":"Inherited"}`,
		}, ",") + `]}`},
		{"directory/roleAssignmentScheduleRequests?$expand=principal&$filter=status eq 'PendingApproval'",
			`{"value":[{"id":"Q","action":"selfActivate","principalId":"p","roleDefinitionId":"R","directoryScopeId":"/","justification":"j","ticketInfo":{"ticketNumber":"1","ticketSystem":"s"},
				"createdBy":{"user":{"id":"other"}},"scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H"}}},{"id":"z","action":"dance"}]}`},
		{"directory/", empty},
		{"/v1.0/groups", `{"value":[{"id":"G","displayName":"Group"},{"id":"H","displayName":"Other"}]}`},
		{"group/eligibilitySchedules?$expand=principal&$filter=groupId eq 'G'", `{"value":[{"id":"e","principalId":"p","groupId":"G","accessId":"member","memberType":"direct"}]}`},
		{"$filter=groupId eq", empty},
		{"group/", "400"},
		{"scopeId eq 'h'", "404"},
		{"roleManagementPolicyAssignments", empty},
		{"getByIds", `{"value":[{"@odata.type":"#microsoft.graph.servicePrincipal","id":"` + foreignID + `","displayName":"App","appId":"P"}]}`},
	}}
	e, err := ReadV3(t.Context(), f, ReadOptions{Providers: []pim.Provider{pim.Directory, pim.Group}, Parallel: 1})
	if err != nil {
		t.Fatalf("%v after %s", err, strings.Join(f.asked, "\n"))
	}
	if len(e.Grants) != 2 || e.Grants[0].Scope != pim.AdministrativeUnit("abc") || e.Grants[0].End.Sub(e.Grants[0].Start) != 3*time.Hour || e.Grants[0].Outside ||
		e.Grants[1].Place != (Place{pim.Group, "g", pim.Member}) || !e.Grants[1].Outside {
		t.Errorf("the grants are %+v", e.Grants)
	}
	if p := e.Principals[foreignID]; p.Kind != pim.ServicePrincipal || p.Account != "P" {
		t.Errorf("the application is %+v", p)
	}
	if len(e.Roles) != 3 || !e.Roles[RoleRef{pim.Directory, "c"}].Custom || e.Roles[RoleRef{pim.Directory, "c"}].Definition == nil {
		t.Errorf("the roles are %+v", e.Roles)
	}
	if len(e.Requests) != 1 || e.Requests[0].By != "other" || e.Requests[0].Action != pim.SelfActivate || e.Requests[0].Ticket.System != "s" {
		t.Errorf("the requests are %+v", e.Requests)
	}
	if got := noteCodes(e.Notes); got != "AppScope Recurrence UnknownAction" {
		t.Errorf("the notes are %s: %+v", got, e.Notes)
	}
}

// TestForeignResources: a server that shows no management groups and no whole tree, and takes one role in a filter.
func TestForeignResources(t *testing.T) {
	const reader, owner = "acdd72a7-3385-48ef-bd42-f606fba81ae7", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	row := func(id, scope, role, member string) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"properties":{"scope":%q,"roleDefinitionId":"%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":%q,"principalType":"User",
			"memberType":%q,"startDateTime":"2026-01-02T03:04:05Z","endDateTime":null,"condition":null,"roleEligibilityScheduleRequestId":"q","expandedProperties":{"principal":{"displayName":"Nora"}}}}`,
			id, id, scope, foreignSub, role, foreignID, member)
	}
	const at = foreignSub + "/providers/Microsoft.Authorization/"
	rules := func(role string) string {
		return fmt.Sprintf(`{"value":[{"properties":{"scope":%q,"roleDefinitionId":"%sroleDefinitions/%s","policyAssignmentProperties":{"policy":{"lastModifiedDateTime":"2026-01-01T00:00:00Z"}},
			"effectiveRules":[{"id":"Expiration_EndUser_Assignment","ruleType":"RoleManagementPolicyExpirationRule","isExpirationRequired":true,"maximumDuration":"PT2H",
				"exceptionMembers":[{"id":%q,"userType":"User"}]},
			{"id":"PimOnlyMode_Admin_Assignment","ruleType":"RoleManagementPolicyPimOnlyModeRule","pimOnlyModeSettings":{"mode":"Enabled","excludes":[{"id":%q,"type":"ServicePrincipal","displayName":"App"}],"excludedAssignmentTypes":["ServicePrincipalsAsTarget"]}},
			{"id":"Something_New","ruleType":"New"}]}}]}`, foreignSub, at, role, foreignID, "1f5ba9a6-cd61-4cef-8d77-f3e4fdbabd28")
	}
	f := &foreign{answers: [][2]string{
		{"/tenants?", `{"value":[{"tenantId":"T"}]}`}, {"/descendants", "403"},
		{"/resourceGroups", `{"value":[{"id":"` + foreignSub + `/resourceGroups/Vault","name":"Vault"}]}`}, {"/resources?", empty},
		{"/subscriptions?", `{"value":[{"id":"` + foreignSub + `","displayName":"Payroll"}]}`},
		{"roleManagementPolicyAssignments?$filter=roleDefinitionId eq '" + at + "roleDefinitions/" + reader + "'", rules(reader)},
		{"roleManagementPolicyAssignments?$filter=roleDefinitionId eq '" + at + "roleDefinitions/" + owner + "'", empty},
		{"roleManagementPolicyAssignments", "400"},
		{at + "roleDefinitions/" + owner, `{"name":"` + owner + `","properties":{"roleName":"Mine","type":"CustomRole","assignableScopes":["/"]}}`},
		{at + "roleEligibilitySchedules", `{"value":[` + row("a", foreignSub, reader, "Direct") + `,` + row("b", foreignSub, owner, "Direct") + `,` + row("c", foreignMG+"t", reader, "Inherited") + `]}`},
		{at, empty},
		{"/providers/Microsoft.Authorization/roleDefinitions", `{"value":[{"name":"` + reader + `","properties":{"roleName":"Reader","type":"BuiltInRole"}}]}`},
		{"/providers/Microsoft.Authorization/role", "403"},
	}}
	e, err := ReadV3(t.Context(), &foreign{}, ReadOptions{Providers: []pim.Provider{pim.Resource}, Resources: f})
	if err != nil {
		t.Fatalf("%v after %s", err, strings.Join(f.asked, "\n"))
	}
	if len(e.Grants) != 2 || e.Grants[0].Scope != foreignSub || e.Grants[0].Outside || e.Principals[foreignID].Name != "Nora" || len(e.Scopes) != 2 || e.Scopes[1].ID != foreignSub+"/resourceGroups/Vault" {
		t.Errorf("read %+v with %+v", e.Grants, e.Scopes)
	}
	if d := e.Roles[RoleRef{pim.Resource, owner}]; !d.Custom || d.Definition == nil || d.Name != "Mine" {
		t.Errorf("the role is %+v", d)
	}
	p := e.Policies[Place{pim.Resource, foreignSub, reader}]
	if set := p.Rules.EndUserAssignment.Expiration; p.Default || set.Maximum.String() != "PT2H" || len(set.Exceptions) != 1 || len(p.Rules.PIMOnly.Excluded) != 1 || !p.Rules.PIMOnly.ToApplications {
		t.Errorf("the rules are %+v", p)
	}
	if got := noteCodes(e.Notes); got != "Rule TreeNotShown" {
		t.Errorf("the notes are %s: %+v", got, e.Notes)
	}
}

// TestForeignSettings: what the second iteration says of roles, in all its shapes.
func TestForeignSettings(t *testing.T) {
	row := func(id, more string) string {
		return fmt.Sprintf(`{"id":%q,"resourceId":"T","roleDefinitionId":"R","subjectId":%q,"memberType":"Direct","assignmentState":"eligible",%s}`, id, foreignID, more)
	}
	f := &foreign{answers: [][2]string{
		{"/roleAssignments", `{"value":[` + strings.Join([]string{
			row("a", `"scopedResourceId":"U","conditionDescription":"only there"`), row("b", `"scopedResourceId":"O","scopedResource":{"id":"O","type":"application"}`),
			row("c", `"scopedResourceId":"V","scopedResource":{"id":"V","type":"x","externalId":"/administrativeUnits/V"}`), row("d", `"scopedResourceId":null`),
		}, ",") + `]}`},
		{"/roleAssignmentRequests", `{"value":[{"id":"q","resourceId":"T","roleDefinitionId":"R","subjectId":"p","assignmentState":"Active","type":"UserAdd","reason":"r","status":{"status":"InProgress","subStatus":"PendingApproval"},"schedule":{"type":"Once","duration":"PT1H"}},
			{"id":"x","type":"UserAdd","status":{"subStatus":"Provisioned"}},{"id":"y","type":"Sing","assignmentState":"Active","status":{"subStatus":"Granted"}}]}`},
		{"/roleDefinitions", `{"value":[{"id":"R","resourceId":"T","templateId":"4a5d8f65-41da-4de4-8968-e035b65339cf","displayName":"Reports Reader"}]}`},
		{"/roleSettings", `{"value":[{"id":"s","resourceId":"T","roleDefinitionId":"R","isDefault":false,"lifeCycleManagement":[{"caller":"EndUser","level":"Member","operation":"ALL","value":[
			{"ruleIdentifier":"MfaRule","setting":"{\"mfaRequired\":true}"},{"ruleIdentifier":"AcrsRule","setting":"{\"acrsRequired\":true,\"acrs\":\"c1\"}"},
			{"ruleIdentifier":"AttributeConditionRule","setting":"{\"condition\":null,\"enableEnforcement\":false}"}]}]}]}`},
		{"aadRoles/resources", `{"value":[{"id":"T","externalId":"T","type":"Directory"}]}`},
	}}
	e, err := ReadV2(t.Context(), f, ReadOptions{Providers: []pim.Provider{pim.Directory}})
	if err != nil {
		t.Fatal(err)
	}
	scopes := map[string]pim.Scope{"a": pim.AdministrativeUnit("u"), "b": "/o", "c": pim.AdministrativeUnit("v"), "d": "/"}
	for _, g := range e.Grants {
		if g.Scope != scopes[g.ID] || g.Role != "4a5d8f65-41da-4de4-8968-e035b65339cf" {
			t.Errorf("%s is at %s", g.ID, g.Scope)
		}
	}
	if len(e.Grants) != 4 || len(e.Requests) != 1 || e.Requests[0].Asked.Expiration.Duration.String() != "PT1H" {
		t.Errorf("read %+v, %+v", e.Grants, e.Requests)
	}
	for at, p := range e.Policies {
		if !p.Rules.Context.Enabled || p.Rules.EndUserAssignment.Enablement.MFA || p.Rules.Kept != nil {
			t.Errorf("the rules at %+v are %+v", at, p)
		}
	}
	if got := noteCodes(e.Notes); got != "ConditionDescription UnknownAction MfaAndContext" {
		t.Errorf("the notes are %s: %+v", got, e.Notes)
	}
	f.answers = [][2]string{{"/api/v2/", "503"}}
	if _, err := ReadV2(t.Context(), f, ReadOptions{Providers: []pim.Provider{pim.Directory}}); err == nil || statusOf(err) != http.StatusServiceUnavailable {
		t.Errorf("the form that tells more is down, and the reading ends with %v", err)
	}
}

// TestForeignFirst: whoever is active for a while may be active, and requests of the caller's own say Self.
func TestForeignFirst(t *testing.T) {
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	f := &foreign{answers: [][2]string{
		{"/settings", `{"id":"R","approverIds":["` + foreignID + `","U"],"elevationDuration":"PT3H","mfaOnElevation":true,"approvalOnElevation":true,"notificationToUserOnElevation":false}`},
		{"/beta/privilegedRoles", `{"value":[{"id":"R","name":"Reader"}]}`},
		{"/beta/privilegedRoleAssignments", `{"value":[{"id":"a","userId":"U","roleId":"R","isElevated":false,"expirationDateTime":null},{"id":"b","userId":"V","roleId":"R","isElevated":true,"expirationDateTime":"` + tomorrow + `"},{"id":"c","userId":"W","roleId":"R","isElevated":true,"expirationDateTime":null}]}`},
		{"eq 'RequestedApproval'", `{"value":[{"id":"q","userId":"Self","roleId":"R","type":"UserAdd","assignmentState":"Active","duration":"1.5","status":"RequestedApproval","schedule":{"type":"activation","startDateTime":null}}]}`},
		{"eq 'Scheduled'", `{"value":[{"id":"r","userId":"U","roleId":"R","type":"AdminAdd","assignmentState":"Eligible","status":"Scheduled","schedule":{"type":"assignment","startDateTime":"` + tomorrow + `","duration":"PT0S"}},{"id":"s","userId":"U","roleId":"R","type":"x","status":"Scheduled"}]}`},
		{"/v1.0/me", `{"id":"ME"}`},
		{"getByIds", `{"value":[{"@odata.type":"#microsoft.graph.group","id":"` + foreignID + `","displayName":"Group"}]}`},
	}}
	e, err := ReadV1(t.Context(), f, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	for _, g := range e.Grants {
		held = append(held, fmt.Sprint(g.Principal, " ", g.Kind, " ", g.Activated, " ", !g.End.IsZero()))
	}
	if got := strings.Join(held, " "); got != "u 1 false false v 1 false false v 2 true true w 2 false false" {
		t.Errorf("they hold %s", got)
	}
	p := e.Policies[v1Place("R")]
	if s := p.Rules.Approval.Stages[0]; p.Default || !p.Rules.Approval.Required || len(s.Approvers) != 2 || s.Approvers[0].Kind == s.Approvers[1].Kind || p.Rules.EndUserAssignment.Expiration.Maximum.String() != "PT3H" {
		t.Errorf("the rules are %+v", p)
	}
	if len(e.Requests) != 2 || e.Requests[0].Principal != "me" || e.Requests[0].Asked.Expiration.Duration.String() != "PT1H30M" || e.Requests[1].Status != pim.Granted {
		t.Errorf("the requests are %+v", e.Requests)
	}
	if got := noteCodes(e.Notes); got != "UnknownAction EligibilityAssumed EndNotTold EndNotTold RulesNotTold" {
		t.Errorf("the notes are %s: %+v", got, e.Notes)
	}
}

// TestAnalyse: each item counts once, by the worst that is said of it.
func TestAnalyse(t *testing.T) {
	e, _ := twins()
	e.Taken = noon
	e.Grants = append(e.Grants,
		Grant{Place: e.Grants[0].Place, Principal: amiraThere, Kind: pim.Eligibility, Start: noon, ID: "for ever"},
		Grant{Place: e.Grants[0].Place, Principal: amiraThere, Kind: pim.Assignment, End: noon.AddDate(2, 0, 0), ID: "two years"},
		Grant{Place: e.Grants[0].Place, Principal: amiraThere, Kind: pim.Assignment, End: noon.Add(time.Hour), Activated: true},
		Grant{Place: e.Grants[0].Place, Principal: amiraThere, Kind: pim.Assignment, Outside: true},
	)
	e.Grants[1].Outside = true
	e.Requests = []Request{{ID: "q", Status: pim.PendingApproval}, {ID: "r", Status: pim.Granted}}
	e.Scopes = []Scope{{ID: "/a"}, {ID: "/b"}}
	e.Roles[RoleRef{pim.Directory, "mine"}] = Role{RoleRef: RoleRef{pim.Directory, "mine"}, Custom: true}
	e.Notes = []Note{{Changed, "resource /a", "Locked", ""}, {Lost, "settings of x: y", "Rule", ""}, {Unresolved, "assignment x", "RoleNotTold", ""}, {Lost, "schedule y", "Recurrence", ""}, {Changed, "request q", "Odd", ""}}
	a := Analyse(e)
	var counts []string
	for _, c := range a.Counts {
		counts = append(counts, fmt.Sprintf("%s %d %d %d %d of %d", c.Kind, c.Same, c.Changed, c.Lost, c.Unresolved, c.All()))
	}
	want := []string{
		"scopes 1 1 0 0 of 2", "roles 2 1 0 0 of 3", "settings 0 0 1 0 of 1", "eligibilities 2 1 0 0 of 3", "assignments 0 1 1 1 of 3",
		"activations 0 1 0 0 of 1", "made outside PIM 2 0 0 0 of 2", "open requests 1 1 0 0 of 2",
	}
	if strings.Join(counts, "\n") != strings.Join(want, "\n") {
		t.Errorf("the counts are\n%s\nwant\n%s", strings.Join(counts, "\n"), strings.Join(want, "\n"))
	}
	if a.Lossless() || a.Notes[0].Severity != Unresolved || !strings.Contains(noteCodes(a.Notes), "BeyondRules BeyondRules") {
		t.Errorf("the notes are %+v", a.Notes)
	}
}
