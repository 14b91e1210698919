package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api/governance"
	"portcullis/internal/client"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

const (
	codeTenant = "8a6f1c2e-51d0-4f7b-9c3a-2f4e6d8b0a11"
	codeRole   = "b0f54661-2d74-4c50-afa3-1ec803f12efe"
	codeUser   = "5c3e0000-0000-4000-8000-000000000004"
	codeGroup  = "5c3e0000-0000-4000-8000-000000000021"
	codeSub    = "/subscriptions/5c3e0000-0000-4000-8000-000000000071"
	codeOther  = "11111111-2222-4333-8444-555555555555"
)

func codeMember() string {
	return governance.RoleDefinitionID(pim.RoleKey{Provider: pim.Group, Scope: codeGroup, Role: pim.Member})
}

// lines is advice as one reads it: a line a call, its body behind it.
func lines(a Advice) []string {
	var out []string
	for _, c := range a.New {
		line := c.Method + " " + c.Address
		if len(c.Body) > 0 {
			line += " " + string(c.Body)
		}
		out = append(out, line)
	}
	return out
}

func codes(a Advice) []string {
	var out []string
	for _, n := range a.Notes {
		out = append(out, n.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestTranslate(t *testing.T) {
	sub := resource.GovernanceID(codeSub)
	known := &Known{Scopes: []string{codeSub}}
	const (
		rows     = "/v1.0/roleManagement/directory/"
		groups   = "/v1.0/identityGovernance/privilegedAccess/group/"
		arm      = codeSub + "/providers/Microsoft.Authorization/"
		version  = "?api-version=2020-10-01"
		contribs = codeSub + "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"
	)
	check := func(call, body string, want ...string) {
		t.Helper()
		method, address, _ := strings.Cut(call, " ")
		a, err := Translate(t.Context(), Call{Method: method, Address: address, Body: []byte(body)}, known)
		if err != nil {
			t.Errorf("%s: %v", call, err)
			return
		}
		if diff := cmp.Diff(want, lines(a)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", call, diff)
		}
		if len(a.New) == 0 && !slices.ContainsFunc(a.Notes, func(n Note) bool { return n.Severity == Lost }) {
			t.Errorf("%s: there is no call, and no note says that it has no counterpart", call)
		}
	}

	// Lists: one of two, or both.
	check("GET /api/v2/privilegedAccess/aadroles/roleAssignments?%24expand=linkedEligibleRoleAssignment%2Csubject%2CscopedResource%2CroleDefinition%28%24expand%3Dresource%29&%24filter=%28subject%2Fid+eq+%27"+codeUser+"%27%29+and+%28assignmentState+eq+%27Eligible%27%29", "",
		"GET "+rows+"roleEligibilityScheduleInstances/filterByCurrentUser(on='principal')?$expand=principal,directoryScope,roleDefinition")
	check("GET /beta/privilegedAccess/aadRoles/resources/"+codeTenant+"/roleAssignments?$filter=roledefinitionID eq '"+codeRole+"'&$top=10&$count=true", "",
		"GET "+rows+"roleEligibilityScheduleInstances?$filter=roleDefinitionId%20eq%20'"+codeRole+"'&$top=10&$count=true",
		"GET "+rows+"roleAssignmentScheduleInstances?$filter=roleDefinitionId%20eq%20'"+codeRole+"'&$top=10&$count=true")
	check("GET /beta/privilegedAccess/aadGroups/roleAssignments?$filter=resourceId+eq+'"+codeGroup+"'+and+assignmentState+eq+'Active'+and+roleDefinitionId+eq+'"+codeMember()+"'&$expand=linkedEligibleRoleAssignment,resource", "",
		"GET "+groups+"assignmentScheduleInstances?$filter=groupId%20eq%20'"+codeGroup+"'%20and%20accessId%20eq%20'member'&$expand=activatedUsing,group")
	check("GET /beta/privilegedAccess/azureResources/roleAssignments?$filter=(roleDefinition/resource/id eq '"+sub+"')+and+(assignmentState eq 'Eligible')&$top=100", "",
		"GET "+arm+"roleEligibilityScheduleInstances"+version+"&$filter=atScope()")
	check("GET /beta/privilegedAccess/azureResources/roleAssignments?$filter=subjectId eq '"+codeUser+"' and assignmentState eq 'Active'", "",
		"GET /providers/Microsoft.Authorization/roleAssignmentScheduleInstances"+version+"&$filter=asTarget()")
	check("GET /beta/privilegedAccess/pimforazurerbac/resources/"+codeOther+"/roleAssignments?$filter=assignmentState eq 'Active'", "",
		"GET /{scope}/providers/Microsoft.Authorization/roleAssignmentScheduleInstances"+version+"&$filter=atScope()")

	// The host is the one that serves the third iteration, or that of the one server.
	check("GET https://api.azrbac.mspim.azure.com/api/v2/privilegedAccess/azureResources/resources/"+sub, "",
		"GET https://management.azure.com"+codeSub+"?api-version=2022-12-01")
	check("GET https://api.azrbac.mspim.azure.com/api/v2/privilegedAccess/aadGroups/resources/"+codeGroup, "",
		"GET https://graph.microsoft.com/v1.0/groups/"+codeGroup)
	check("GET https://pim.example.com/beta/privilegedAccess/aadRoles/roleDefinitions/"+codeRole+"?$filter=resourceId+eq+'"+codeTenant+"'", "",
		"GET https://pim.example.com"+rows+"roleDefinitions/"+codeRole)

	// Requests, by kind.
	check("POST /api/v2/privilegedAccess/aadroles/roleAssignmentRequests",
		`{"roleDefinitionId":"`+codeRole+`","resourceId":"`+codeTenant+`","subjectId":"`+codeUser+`","assignmentState":"Active","type":"UserAdd","reason":"config","ticketNumber":"7","ticketSystem":"desk","schedule":{"type":"Once","startDateTime":null,"endDateTime":null,"duration":"PT480M"},"linkedEligibleRoleAssignmentId":"x","scopedResourceId":""}`,
		`POST `+rows+`roleAssignmentScheduleRequests {"action":"selfActivate","principalId":"`+codeUser+`","roleDefinitionId":"`+codeRole+`","directoryScopeId":"/","justification":"config","scheduleInfo":{"startDateTime":null,"expiration":{"type":"afterDuration","duration":"PT480M"}},"ticketInfo":{"ticketNumber":"7","ticketSystem":"desk"}}`)
	check("POST /api/v2/privilegedAccess/aadGroups/roleAssignmentRequests?evaluateOnly=true",
		`{"RoleDefinitionId":"`+codeMember()+`","ResourceId":"`+codeGroup+`","SubjectId":"`+codeUser+`","AssignmentState":"eligible","Type":"adminAdd","Schedule":{"Type":"once","EndDateTime":"2026-06-01T00:00:00Z"}}`,
		`POST `+groups+`eligibilityScheduleRequests {"action":"adminAssign","principalId":"`+codeUser+`","groupId":"`+codeGroup+`","accessId":"member","scheduleInfo":{"startDateTime":null,"expiration":{"type":"afterDateTime","endDateTime":"2026-06-01T00:00:00Z"}},"isValidationOnly":true}`)
	check("POST /beta/privilegedAccess/azureResources/roleAssignmentRequests",
		`{"roleDefinitionId":"`+contribs+`","resourceId":"`+sub+`","subjectId":"`+codeUser+`","assignmentState":"Eligible","type":"AdminRemove","reason":"left"}`,
		`PUT `+arm+`roleEligibilityScheduleRequests/{guid}`+version+` {"properties":{"principalId":"`+codeUser+`","roleDefinitionId":"`+contribs+`","requestType":"AdminRemove","justification":"left"}}`)
	check("POST /beta/privilegedAccess/azureResources/roleAssignmentRequests?evaluateOnly=True",
		`{"roleDefinitionId":"`+contribs+`","resourceId":"`+sub+`","subjectId":"`+codeUser+`","assignmentState":"Active","type":"AdminAdd","schedule":{"type":"Once"}}`,
		`POST `+arm+`roleAssignmentScheduleRequests/{guid}/validate`+version+` {"properties":{"principalId":"`+codeUser+`","roleDefinitionId":"`+contribs+`","requestType":"AdminAssign","scheduleInfo":{"startDateTime":null,"expiration":{"type":"noExpiration"}}}}`)
	check("GET /beta/privilegedAccess/aadRoles/roleAssignmentRequests?$filter=status/subStatus+eq+'PendingAdminDecision'", "",
		"GET "+rows+"roleEligibilityScheduleRequests?$filter=status%20eq%20'PendingAdminDecision'",
		"GET "+rows+"roleAssignmentScheduleRequests?$filter=status%20eq%20'PendingAdminDecision'")
	check("POST /beta/privilegedAccess/aadRoles/roleAssignmentRequests('"+codeOther+"')/cancel", "",
		"POST "+rows+"roleAssignmentScheduleRequests/"+codeOther+"/cancel", "POST "+rows+"roleEligibilityScheduleRequests/"+codeOther+"/cancel")
	check("POST /beta/privilegedAccess/aadRoles/roleAssignmentRequests/"+codeOther+"/updateRequest", `{"decision":"AdminDenied","reason":"no"}`,
		"POST "+rows+"roleAssignmentScheduleRequests/"+codeOther+"/cancel", "POST "+rows+"roleEligibilityScheduleRequests/"+codeOther+"/cancel")

	// Settings.
	check("GET /beta/privilegedAccess/aadRoles/roleSettings?$filter=ResourceId eq '"+codeTenant+"'", "",
		"GET /v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId%20eq%20'/'%20and%20scopeType%20eq%20'DirectoryRole'&$expand=policy($expand=rules)")
	check("GET /api/v2/privilegedAccess/aadGroups/roleSettingsv2?$expand=roleDefinition($expand=resource)&$filter=(resource/id+eq+'"+codeGroup+"')", "",
		"GET /v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId%20eq%20'"+codeGroup+"'%20and%20scopeType%20eq%20'Group'&$expand=policy($expand=rules)")
	check("GET /api/v2/privilegedAccess/azureResources/roleSettings/"+sub+"_b24988ac-6180-42a0-ab88-20f7382dd24c", "",
		"GET "+arm+"roleManagementPolicyAssignments"+version+"&$filter=roleDefinitionId%20eq%20'"+contribs+"'")

	// What has no counterpart.
	check("GET /beta/privilegedAccess", "")
	check("POST /beta/privilegedAccess/azureResources/resources/register", `{"externalId":"`+codeSub+`"}`)
	check("GET /beta/privilegedAccess/aadRoles/resources", "")
	check("GET /beta/privilegedAccess/aadGroups/resources/"+codeGroup+"/roleDefinitions", "")

	// The first iteration.
	const forEver = `"justification":"{reason}","scheduleInfo":{"expiration":{"type":"noExpiration"}}}`
	check("POST /beta/privilegedRoles('"+codeRole+"')/selfActivate", `{"reason":"a call","duration":"1.5","ticketNumber":"7","ticketSystem":"desk"}`,
		`POST `+rows+`roleAssignmentScheduleRequests {"action":"selfActivate","principalId":"{me}","roleDefinitionId":"`+codeRole+`","directoryScopeId":"/","justification":"a call","scheduleInfo":{"expiration":{"duration":"PT90M","type":"afterDuration"}},"ticketInfo":{"ticketNumber":"7","ticketSystem":"desk"}}`)
	check("POST /beta/privilegedRoles/"+codeRole+"/selfDeactivate", "",
		`POST `+rows+`roleAssignmentScheduleRequests {"action":"selfDeactivate","principalId":"{me}","roleDefinitionId":"`+codeRole+`","directoryScopeId":"/"}`)
	check("POST /beta/privilegedRoleAssignments/"+codeUser+"_"+codeRole+"/makeEligible", "",
		`POST `+rows+`roleEligibilityScheduleRequests {"action":"adminAssign","principalId":"`+codeUser+`","roleDefinitionId":"`+codeRole+`","directoryScopeId":"/",`+forEver,
		`POST `+rows+`roleAssignmentScheduleRequests {"action":"adminRemove","principalId":"`+codeUser+`","roleDefinitionId":"`+codeRole+`","directoryScopeId":"/"}`)
	check("POST /beta/privilegedRoleAssignments", `{"userId":"`+codeUser+`","roleId":"`+codeRole+`"}`,
		`POST `+rows+`roleAssignmentScheduleRequests {"action":"adminAssign","principalId":"`+codeUser+`","roleDefinitionId":"`+codeRole+`","directoryScopeId":"/",`+forEver)
	check("GET /beta/privilegedRoleAssignments/my", "",
		"GET "+rows+"roleEligibilityScheduleInstances/filterByCurrentUser(on='principal')", "GET "+rows+"roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')")
	check("PATCH /beta/privilegedApproval/"+codeOther, `{"approvalState":"approved","approverReason":"fine"}`,
		`PATCH /beta/roleManagement/directory/roleAssignmentApprovals/`+codeOther+`/steps/{stepId} {"justification":"fine","reviewResult":"Approve"}`)
	check("GET /beta/privilegedOperationEvents?$filter=requestType eq 'Activate'", "",
		"GET /v1.0/auditLogs/directoryAudits?$filter=loggedByService%20eq%20'PIM'")
	check("POST /beta/privilegedSignupStatus/signUp", "")
	check("PUT /beta/privilegedRoles/"+codeRole+"/settings", `{"id":"x","elevationDuration":"PT2H","mfaOnElevation":true,"ticketingInfoOnElevation":false}`,
		"GET /v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId%20eq%20'/'%20and%20scopeType%20eq%20'DirectoryRole'%20and%20roleDefinitionId%20eq%20'"+codeRole+"'&$expand=policy($expand=rules)",
		`PATCH /v1.0/policies/roleManagementPolicies/{policyId} {"rules":[`+
			`{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_EndUser_Assignment","isExpirationRequired":true,"maximumDuration":"PT2H"},`+
			`{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyEnablementRule","id":"Enablement_EndUser_Assignment","enabledRules":["MultiFactorAuthentication","Justification"]}]}`)
}

// A change of settings becomes a change of the rules that it speaks of, and of no others.
func TestTranslateSettings(t *testing.T) {
	a, err := Translate(t.Context(), Call{Method: "PATCH", Address: "/beta/privilegedAccess/aadRoles/roleSettings/" + codeOther,
		Body: []byte(`{"UserMemberSettings":[{"RuleIdentifier":"ExpirationRule","Setting":"{\"permanentAssignment\":false,\"maximumGrantPeriodInMinutes\":120}"},{"ruleIdentifier":"AttributeConditionRule","setting":"{}"}],
		 "userEligibleSettings":[{"ruleIdentifier":"NotificationRule","setting":"{}"}]}`)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GET /v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId%20eq%20'/'%20and%20scopeType%20eq%20'DirectoryRole'%20and%20roleDefinitionId%20eq%20'{roleDefinitionId}'&$expand=policy($expand=rules)",
		`PATCH /v1.0/policies/roleManagementPolicies/{policyId} {"rules":[{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_EndUser_Assignment","isExpirationRequired":true,"maximumDuration":"PT2H"}]}`,
	}
	if diff := cmp.Diff(want, lines(a)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, code := range []string{"AttributeConditionRule", "NotificationRule", "roleDefinitionId"} {
		if !slices.Contains(codes(a), code) {
			t.Errorf("got notes %v, want %s among them", codes(a), code)
		}
	}
}

// asking is a server that answers what the second iteration tells of ids.
type asking struct {
	answers map[string]string
	asked   []string
}

func (*asking) Origin() string { return "https://pim.example.com" }

func (s *asking) Call(_ context.Context, _, path string, _, out any) error {
	s.asked = append(s.asked, path)
	answer, ok := s.answers[strings.TrimPrefix(path, "/beta/privilegedAccess/")]
	switch {
	case answer == "down":
		return &client.Error{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}
	case !ok:
		return &client.Error{Status: http.StatusNotFound, Code: "ResourceNotFound"}
	}
	return json.Unmarshal([]byte(answer), out)
}

// What an id stands for is asked of the server that gave it, once.
func TestTranslateAsksTheServer(t *testing.T) {
	const contributor = codeSub + "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"
	s := &asking{answers: map[string]string{
		"azureResources/resources/" + codeOther:                                  `{"externalId":"` + codeSub + `"}`,
		"azureResources/resources/" + codeOther + "/roleDefinitions/" + codeRole: `{"externalId":"` + contributor + `","displayName":"Contributor"}`,
		"azureResources/roleAssignmentRequests/" + codeGroup: `{"resourceId":"` + codeOther + `","roleDefinitionId":"` + codeRole + `","subjectId":"` + codeUser +
			`","type":"UserRenew","assignmentState":"Eligible"}`,
	}}
	a, err := Translate(t.Context(), Call{Method: "POST", Address: "/beta/privilegedAccess/azureResources/roleAssignmentRequests/" + codeGroup + "/updateRequest",
		Body: []byte(`{"decision":"AdminApproved","reason":"yes","assignmentState":"Eligible","schedule":{"type":"Once","startDateTime":"2026-03-02T09:00:00Z","duration":"P30D"}}`)}, &Known{Server: s})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`PUT ` + codeSub + `/providers/Microsoft.Authorization/roleEligibilityScheduleRequests/{guid}?api-version=2020-10-01 ` +
		`{"properties":{"principalId":"` + codeUser + `","roleDefinitionId":"` + contributor + `","requestType":"AdminRenew","justification":"yes",` +
		`"scheduleInfo":{"startDateTime":"2026-03-02T09:00:00Z","expiration":{"type":"afterDuration","duration":"P30D"}}}}`}
	if diff := cmp.Diff(want, lines(a)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(s.asked) != 3 {
		t.Errorf("asked %v, want three questions", s.asked)
	}
	s.answers["azureResources/resources/"+codeOther] = "down"
	if _, err := Translate(t.Context(), Call{Address: "/beta/privilegedAccess/azureResources/resources/" + codeOther}, &Known{Server: s}); err == nil {
		t.Error("a server that does not answer: got no error")
	}
}

func TestTranslateRefuses(t *testing.T) {
	for _, c := range []struct{ call, body, want string }{
		{"GET /v1.0/roleManagement/directory/roleDefinitions", "", ErrNotOlder.Error()},
		{"GET /v1.0/identityGovernance/privilegedAccess/group/assignmentScheduleInstances", "", ErrNotOlder.Error()},
		{"GET /beta/privilegedAccess/somewhere/resources", "", "no provider"},
		{"POST /beta/privilegedAccess/aadRoles/roleAssignmentRequests", "", "no body"},
		{"POST /beta/privilegedAccess/aadRoles/roleAssignmentRequests", "[1]", "no JSON of this call"},
		{"POST /beta/privilegedAccess/aadRoles/roleAssignmentRequests", `{"type":"AdminGive","assignmentState":"Active"}`, "none of the nine"},
		{"POST /beta/privilegedAccess/aadRoles/roleAssignmentRequests", `{"type":"AdminAdd","assignmentState":"Sleepy"}`, "neither Eligible nor Active"},
		{"POST /beta/privilegedAccess/aadRoles/roleAssignmentRequests/1/updateRequest", `{"decision":"Perhaps"}`, "neither AdminApproved nor AdminDenied"},
		{"POST /beta/privilegedRoleAssignmentRequests", `{"type":"UserRemove"}`, "neither UserAdd nor AdminAdd"},
		{"GET /beta/privilegedAccess/aadRoles/resources?$filter=%zz", "", "escape"},
		{"GET /" + strings.Repeat("x", maxAddress), "", "longer than"},
	} {
		method, address, _ := strings.Cut(c.call, " ")
		_, err := Translate(t.Context(), Call{Method: method, Address: address, Body: []byte(c.body)}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.100s %s: got %v, want an error with %q", c.call, c.body, err, c.want)
		}
	}
}

func TestReadCalls(t *testing.T) {
	const text = `# a log, a file of requests, and scripts
2026-03-02T09:00:00Z 10.0.0.1 "GET /beta/privilegedAccess/aadRoles/roleAssignments?$filter=subjectId eq 'x' and assignmentState eq 'Active'" 200 1234
2026-03-02T09:00:01Z GET /api/v2/privilegedAccess/aadGroups/resources HTTP/1.1 200
2026-03-02T09:00:02Z GET /v1.0/users HTTP/1.1 200
POST https://graph.microsoft.com/beta/privilegedAccess/aadRoles/roleAssignmentRequests HTTP/1.1
Content-Type: application/json

{
  "type": "UserAdd"
}

curl -s -X PATCH -H "Authorization: Bearer $TOKEN" \
  --data '{"a": "b c"}' \
  "https://graph.microsoft.com/beta/privilegedAccess/aadRoles/roleSettings/$id" | jq .
curl "https://graph.microsoft.com/beta/privilegedRoles" -d '{}'
$url = "https://graph.microsoft.com/beta/privilegedAccess/azureResources/resources?` + "`" + `$filter=(type+eq+'subscription')"
https://graph.microsoft.com/beta/privilegedRoleAssignments/my
https://graph.microsoft.com/v1.0/identityGovernance/privilegedAccess/group/assignmentSchedules
`
	calls, err := ReadCalls(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range calls {
		got = append(got, strings.TrimSpace(c.Method+" "+c.Address+" "+strings.Join(strings.Fields(string(c.Body)), " ")))
	}
	want := []string{
		"GET /beta/privilegedAccess/aadRoles/roleAssignments?$filter=subjectId eq 'x' and assignmentState eq 'Active'",
		"GET /api/v2/privilegedAccess/aadGroups/resources",
		`POST https://graph.microsoft.com/beta/privilegedAccess/aadRoles/roleAssignmentRequests { "type": "UserAdd" }`,
		`PATCH https://graph.microsoft.com/beta/privilegedAccess/aadRoles/roleSettings/$id {"a": "b c"}`,
		"POST https://graph.microsoft.com/beta/privilegedRoles {}",
		"GET https://graph.microsoft.com/beta/privilegedAccess/azureResources/resources?`$filter=(type+eq+'subscription')",
		"GET https://graph.microsoft.com/beta/privilegedRoleAssignments/my",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := ReadCalls(strings.NewReader(strings.Repeat("x", maxLine+1))); err == nil {
		t.Error("a line without end: got no error")
	}
}

func TestScan(t *testing.T) {
	files := fstest.MapFS{
		"a/activate.ps1":      {Data: []byte("Connect\nOpen-AzureADMSPrivilegedRoleAssignmentRequest -ProviderId aadRoles\n$u = \"https://graph.microsoft.com/beta/privilegedAccess/azureResources/resources\"\n")},
		"a/fine.go":           {Data: []byte("https://graph.microsoft.com/v1.0/identityGovernance/privilegedAccess/group/eligibilitySchedules\nPrivilegedAssignmentSchedule.Read.AzureADGroup\n\"Privileged Role Administrator\"\n")},
		"b/main.tf":           {Data: []byte("scopes = [\"PrivilegedAccess.ReadWrite.AzureAD\"]\n")},
		"b/old.js":            {Data: []byte("get(`/beta/privilegedRoles/${id}/selfActivate`)\nbase = 'https://api.azrbac.mspim.azure.com'\n")},
		"b/python.py":         {Data: []byte("url = f\"{root}/privilegedAccess/{provider}/roleAssignments\"\n")},
		"node_modules/x/i.js": {Data: []byte("privilegedAccess/aadRoles\n")},
		"program":             {Data: []byte("\x00privilegedAccess/aadRoles\n")},
		"c/aad.sh":            {Data: []byte("curl $B/privilegedAccess/aadGroups/resources\ncurl $B/privilegedAccess/AADROLES/resources\n")},
		"c/" + "long.txt":     {Data: []byte(strings.Repeat("y", maxScanned+1))},
	}
	var got, skipped []string
	err := Scan(t.Context(), files, func(f Finding) error {
		got = append(got, strings.Join([]string{f.File, string(rune('0' + f.Line)), f.What}, " "))
		if f.Instead == "" || f.Text == "" {
			t.Errorf("%s %d: got no text or nothing in its place", f.File, f.Line)
		}
		return nil
	}, func(name string) { skipped = append(skipped, name) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a/activate.ps1 2 second iteration, by its names in PowerShell or an SDK",
		"a/activate.ps1 3 second iteration, azureResources",
		"b/main.tf 1 a permission of the second iteration",
		"b/old.js 1 first iteration",
		"b/old.js 2 second iteration, its own host",
		"b/python.py 1 second iteration, its own host",
		"c/aad.sh 1 second iteration, aadGroups",
		"c/aad.sh 2 second iteration, aadRoles",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.Equal(skipped, []string{"c/long.txt"}) {
		t.Errorf("skipped %v, want the long one", skipped)
	}
	stop := errors.New("enough")
	if err := Scan(t.Context(), files, func(Finding) error { return stop }, func(string) {}); !errors.Is(err, stop) {
		t.Errorf("an error of who is told: got %v, want it back", err)
	}
}

// Whatever a line is, reading it and translating what it has neither fails the program nor makes a call without an address.
func FuzzCode(f *testing.F) {
	for _, s := range []string{
		"GET /beta/privilegedAccess/aadRoles/resources/x/roleAssignments?$filter=not (a eq 1) or contains(subject/displayName,'x')",
		`curl -X POST 'https://h/beta/privilegedAccess/azureResources/roleAssignmentRequests' -d '{"type":"UserAdd","assignmentState":"Active","schedule":{"duration":"PT1H"}}'`,
		`PATCH /beta/privilegedAccess/aadGroups/roleSettings/a_b {"userMemberSettings":[{"ruleIdentifier":"ApprovalRule","setting":"{'Enabled':true}"}]}`,
		"POST /beta/privilegedRoles('x')/selfActivate {}", "GET privilegedAccess", "privilegedApproval()", "'/privilegedAccess/aadRoles('",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		calls, _ := ReadCalls(strings.NewReader(text)) // what is read before an error counts
		for _, c := range calls {
			a, err := Translate(t.Context(), c, nil)
			if err != nil {
				continue
			}
			for _, n := range a.New {
				if n.Method == "" || n.Address == "" || len(n.Body) > 0 && !json.Valid(n.Body) {
					t.Errorf("%q: got %+v, want a call", text, n)
				}
			}
		}
	})
}
