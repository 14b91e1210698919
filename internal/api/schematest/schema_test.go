package schematest_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"portcullis/internal/api/schematest"
)

// object reads JSON the way a test of a server would.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("test object: %v", err)
	}
	return m
}

const request = `{
	"@odata.context": "https://pim.example/v1.0/$metadata#roleManagement/directory/roleAssignmentScheduleRequests/$entity",
	"id": "0d2c5f0a-8a53-4ad5-9f1f-6a4f7d0a5a11", "status": "Provisioned",
	"createdDateTime": "2026-01-02T03:04:05.1234567Z", "completedDateTime": "2026-01-02T03:04:06.7Z",
	"approvalId": null, "customData": null, "action": "selfActivate",
	"principalId": "p", "roleDefinitionId": "r", "directoryScopeId": "/", "appScopeId": null,
	"isValidationOnly": false, "targetScheduleId": "s", "justification": "ticket 4711",
	"createdBy": {"application": null, "device": null, "user": {"displayName": null, "id": "p"}},
	"scheduleInfo": {
		"startDateTime": "2026-01-02T03:04:06Z", "recurrence": null,
		"expiration": {"type": "afterDuration", "endDateTime": null, "duration": "PT4H"}},
	"ticketInfo": {"ticketNumber": null, "ticketSystem": null}
}`

const approvalRule = `{
	"@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
	"id": "Approval_EndUser_Assignment",
	"target": {"caller": "EndUser", "operations": ["all"], "level": "Assignment", "inheritableSettings": [], "enforcedSettings": []},
	"setting": {
		"isApprovalRequired": true, "isApprovalRequiredForExtension": false, "isRequestorJustificationRequired": true,
		"approvalMode": "SingleStage",
		"approvalStages": [{
			"approvalStageTimeOutInDays": 1, "isApproverJustificationRequired": true, "escalationTimeInMinutes": 0,
			"isEscalationEnabled": false, "escalationApprovers": [],
			"primaryApprovers": [{"@odata.type": "#microsoft.graph.singleUser", "userId": "u", "description": null}]}]}
}`

const betaApproval = `{
	"id": "a", "steps@odata.context": "c",
	"steps": [{
		"id": "a", "displayName": null, "reviewedDateTime": null, "reviewResult": "NotReviewed", "status": "InProgress",
		"assignedToMe": true, "justification": "", "reviewedBy": {"id": "u", "displayName": null, "userPrincipalName": "a@b"}}]
}`

const assignment = `{
	"id": "i", "appScopeId": null, "condition": null, "directoryScopeId": "/", "principalId": "p",
	"principalOrganizationId": "t", "roleDefinitionId": "r", "appScope": null,
	"principal": {"@odata.type": "#microsoft.graph.user", "id": "p", "displayName": "Amira"},
	"roleDefinition": {
		"id": "r", "description": null, "displayName": "Role", "isBuiltIn": true, "isEnabled": true, "resourceScopes": ["/"],
		"rolePermissions": [{"allowedResourceActions": ["a/b"], "condition": null, "excludedResourceActions": []}],
		"templateId": "r", "version": null}
}`

func TestAnObjectThatConforms(t *testing.T) {
	for _, c := range []struct{ name, version, typeName, text string }{
		{"a request", "v1.0", "unifiedRoleAssignmentScheduleRequest", request},
		{"a rule of a policy, as its abstract base", "v1.0", "unifiedRoleManagementPolicyRule", approvalRule},
		{"a rule of a policy, as itself", "v1.0", "unifiedRoleManagementPolicyApprovalRule", approvalRule},
		{"an approval of beta with an open complex value", "beta", "approval", betaApproval},
		{"an assignment with expanded properties", "v1.0", "unifiedRoleAssignment", assignment},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, err := range schematest.Load(c.version).Check(c.typeName, object(t, c.text)) {
				t.Error(err)
			}
		})
	}
}

// Each fact changes one thing in an object that conforms, and names where the one difference is found.
func TestAnObjectThatDiffers(t *testing.T) {
	const (
		requestType = "unifiedRoleAssignmentScheduleRequest"
		ruleType    = "unifiedRoleManagementPolicyRule"
	)
	for _, c := range []struct{ name, version, typeName, text, old, new, want string }{
		{"property missing", "v1.0", requestType, request, `"approvalId": null,`, ``, "approvalId: missing"},
		{"inherited property missing", "v1.0", requestType, request, `"id": "0d2c5f0a-8a53-4ad5-9f1f-6a4f7d0a5a11",`, ``, "id: missing"},
		{"property of nobody", "v1.0", requestType, request, `"approvalId"`, `"approvedBy": "x", "approvalId"`, "approvedBy: not a property"},
		{"property in other case", "v1.0", requestType, request, `"approvalId": null`, `"approvalId": null, "ApprovalId": null`, "ApprovalId: not a property"},
		{"null where none is allowed", "v1.0", requestType, request, `"status": "Provisioned"`, `"status": null`, "status: null"},
		{"number for a text", "v1.0", requestType, request, `"principalId": "p"`, `"principalId": 7`, "principalId: got 7"},
		{"text for a boolean", "v1.0", requestType, request, `"isValidationOnly": false`, `"isValidationOnly": "false"`, "isValidationOnly: got"},
		{"enum member in other case", "v1.0", requestType, request, `"selfActivate"`, `"SelfActivate"`, "action: got"},
		{"nested enum", "v1.0", requestType, request, `"afterDuration"`, `"AfterDuration"`, "scheduleInfo/expiration/type: got"},
		{"nested property missing", "v1.0", requestType, request, `"recurrence": null,`, ``, "scheduleInfo/recurrence: missing"},
		{"nested property of nobody", "v1.0", requestType, request, `"ticketSystem"`, `"ticketApproverIdentityId": null, "ticketSystem"`, "ticketInfo/ticketApproverIdentityId: not"},
		{"complex value that is a text", "v1.0", requestType, request, `{"ticketNumber": null, "ticketSystem": null}`, `"4711"`, "ticketInfo: got"},
		{"time without zone", "v1.0", requestType, request, `03:04:06.7Z`, `03:04:06.7`, "completedDateTime: got"},
		{"time with offset", "v1.0", requestType, request, `03:04:06.7Z`, `03:04:06.7+00:00`, "completedDateTime: got"},
		{"time with eight digits", "v1.0", requestType, request, `05.1234567Z`, `05.12345678Z`, "createdDateTime: got"},
		{"duration without T", "v1.0", requestType, request, `"PT4H"`, `"P4H"`, "scheduleInfo/expiration/duration: got"},
		{"duration of nothing", "v1.0", requestType, request, `"PT4H"`, `"PT"`, "scheduleInfo/expiration/duration: got"},
		{"beta's ticket in v1.0's form", "beta", requestType, request, `x`, `x`, "ticketInfo/ticketApproverIdentityId: missing"},
		{"abstract type unsaid", "v1.0", ruleType, approvalRule, `"@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",`, ``, "object: unifiedRoleManagementPolicyRule is abstract"},
		{"type said that is another", "v1.0", ruleType, approvalRule, `PolicyApprovalRule`, `PolicyAssignment`, "object: @odata.type"},
		{"type said without namespace", "v1.0", ruleType, approvalRule, `#microsoft.graph.unified`, `unified`, "object: @odata.type"},
		{"type said in beta's namespace", "v1.0", ruleType, approvalRule, `#microsoft.graph.unified`, `#microsoft.graph.beta.unified`, "object: @odata.type"},
		{"enum in a collection", "v1.0", ruleType, approvalRule, `["all"]`, `["All"]`, "target/operations[0]: got"},
		{"null in a collection", "v1.0", ruleType, approvalRule, `["all"]`, `[null]`, "target/operations[0]: null"},
		{"text for a collection", "v1.0", ruleType, approvalRule, `["all"]`, `"all"`, "target/operations: got"},
		{"half a number", "v1.0", ruleType, approvalRule, `"escalationTimeInMinutes": 0`, `"escalationTimeInMinutes": 0.5`, "setting/approvalStages[0]/escalationTimeInMinutes: got"},
		{"beta's approver in v1.0", "v1.0", ruleType, approvalRule, `"userId": "u"`, `"userId": "u", "isBackup": false`, "setting/approvalStages[0]/primaryApprovers[0]/isBackup: not"},
		{"v1.0's stages in beta", "beta", "approval", betaApproval, `"steps": [`, `"stages": [`, "stages: not a property"},
		{"expanded object of the wrong type", "v1.0", "unifiedRoleAssignment", assignment, `graph.user"`, `graph.unifiedRoleDefinition"`, "principal: @odata.type"},
		{"expanded object without id", "v1.0", "unifiedRoleAssignment", assignment, `"id": "p", `, ``, "principal/id: missing"},
		{"expanded user with a misspelt name", "v1.0", "unifiedRoleAssignment", assignment, `"displayName": "Amira"`, `"displayname": "Amira"`, "principal/displayname: not"},
		{"expanded role without a property", "v1.0", "unifiedRoleAssignment", assignment, `"isEnabled": true, `, ``, "roleDefinition/isEnabled: missing"},
		{"null for a collection that takes none", "v1.0", "unifiedRoleAssignment", assignment, `"resourceScopes": ["/"]`, `"resourceScopes": null`, "roleDefinition/resourceScopes: null"},
		{"type unknown", "v1.0", "approvalStep", `{}`, `x`, `x`, `object: the schema of v1.0 has no object type "approvalStep"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.ReplaceAll(c.text, c.old, c.new)
			if c.old != "x" && text == c.text {
				t.Fatalf("%q does not occur in the object", c.old)
			}
			errs := schematest.Load(c.version).Check(c.typeName, object(t, text))
			found := slices.ContainsFunc(errs, func(err error) bool { return strings.HasPrefix(err.Error(), c.want) })
			if !found {
				t.Errorf("got %v, want an error that starts with %q", errs, c.want)
			}
			for _, err := range errs {
				if c.old != "x" && len(errs) > 2 {
					t.Errorf("one change found as %d differences: %v", len(errs), err)
				}
			}
		})
	}
}

func TestSelectedProperties(t *testing.T) {
	s := schematest.Load("v1.0")
	for _, c := range []struct {
		name, text string
		selected   []string
		want       string
	}{
		{"exactly those", `{"id":"i","principalId":"p"}`, []string{"id", "principalId"}, ""},
		{"one missing", `{"id":"i"}`, []string{"id", "principalId"}, "principalId: missing"},
		{"one too many", `{"id":"i","principalId":"p"}`, []string{"id"}, "principalId: not selected"},
		{"within what is expanded", `{"id":"i","roleDefinition":{"displayName":"d"}}`, []string{"id", "roleDefinition/displayName"}, ""},
		{"too much of what is expanded", `{"id":"i","roleDefinition":{"id":"r","displayName":"d"}}`, []string{"id", "roleDefinition/displayName"}, "roleDefinition/id: not selected"},
		{"expanded whole", `{"id":"i","roleDefinition":{"id":"r"}}`, []string{"id"}, "roleDefinition/description: missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			errs := s.CheckSelected("unifiedRoleAssignment", object(t, c.text), c.selected...)
			if c.want == "" {
				for _, err := range errs {
					t.Error(err)
				}
				return
			}
			if len(errs) == 0 || !strings.HasPrefix(errs[0].Error(), c.want) {
				t.Errorf("got %v, want %q", errs, c.want)
			}
		})
	}
}

func TestFlagsAreWrittenWithCommas(t *testing.T) {
	s := schematest.Load("beta")
	for text, want := range map[string]int{"user": 0, "user,group": 0, "user, group": 1, "user,Group": 1, "": 1} {
		errs := s.CheckSelected("unifiedRoleDefinition", map[string]any{"allowedPrincipalTypes": text}, "allowedPrincipalTypes")
		if len(errs) != want {
			t.Errorf("allowedPrincipalTypes %q: got %v, want %d errors", text, errs, want)
		}
	}
}

func TestNumbersKeptAsText(t *testing.T) {
	s := schematest.Load("beta")
	for n, want := range map[json.Number]int{"3": 0, "3.5": 1, "3000000000": 1} {
		errs := s.CheckSelected("unifiedRoleManagementAlert", map[string]any{"incidentCount": n}, "incidentCount")
		if len(errs) != want {
			t.Errorf("incidentCount %s: got %v, want %d errors", n, errs, want)
		}
	}
}

// Every reference in the files leads somewhere, and every line of ancestors ends.
func TestTheSchemaIsClosed(t *testing.T) {
	for _, version := range []string{"v1.0", "beta"} {
		s := schematest.Load(version)
		names := slices.Collect(s.TypeNames())
		if len(names) < 160 {
			t.Errorf("%s: %d types, want at least 160", version, len(names))
		}
		for _, name := range names {
			for _, refs := range []map[string]schematest.Ref{s.Properties(name), s.Navigation(name)} {
				for p, ref := range refs {
					primitive := strings.HasPrefix(ref.Type, "Edm.")
					if !primitive && !slices.Contains(names, ref.Type) {
						t.Errorf("%s: %s/%s is of type %s, which the schema does not have", version, name, p, ref.Type)
					}
				}
			}
		}
	}
}

func TestBetaStandsOnV1(t *testing.T) {
	v1, beta := schematest.Load("v1.0"), schematest.Load("beta")
	if got := v1.Properties("unifiedRoleDefinition")["isPrivileged"]; got.Type != "" {
		t.Errorf("v1.0 isPrivileged: got %v, want none", got)
	}
	if got := beta.Properties("unifiedRoleDefinition")["isPrivileged"].String(); got != "Edm.Boolean?" {
		t.Errorf("beta isPrivileged: got %s, want Edm.Boolean?", got)
	}
	if got, want := beta.Properties("unifiedRoleEligibilitySchedule"), v1.Properties("unifiedRoleEligibilitySchedule"); !maps.Equal(got, want) {
		t.Errorf("a type that only v1.0 has: beta got %v, want %v", got, want)
	}
	if _, kept := beta.Navigation("approval")["stages"]; kept {
		t.Error("beta's approval kept a property of v1.0's form")
	}
	if got := v1.Members("expirationPatternType"); !slices.Equal(got, []string{"notSpecified", "noExpiration", "afterDateTime", "afterDuration"}) {
		t.Errorf("members of expirationPatternType: got %v", got)
	}
}
