package openapi_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"portcullis/internal/api/openapi"
)

func load(t *testing.T) openapi.Description {
	t.Helper()
	d, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPublishedHoldsTogether: every schema that is named is there.
func TestPublishedHoldsTogether(t *testing.T) {
	d := load(t)
	if len(d.Operations) < 150 {
		t.Errorf("got %d operations", len(d.Operations))
	}
	names := regexp.MustCompile(`^[\[{]*(\w+)[\]}]*( since 20\d\d-\d\d-\d\d)?$`)
	known := func(where, typ string) {
		t.Helper()
		m := names.FindStringSubmatch(typ)
		switch {
		case typ == "", strings.Contains(typ, "|"):
		case m == nil:
			t.Errorf("%s: %q is no type", where, typ)
		case m[1] == strings.ToLower(m[1]) || typ == "date-time":
		default:
			if _, ok := d.Schemas[m[1]]; !ok {
				t.Errorf("%s: there is no schema %s", where, m[1])
			}
		}
	}
	for name, o := range d.Operations {
		for status, typ := range o {
			known(name+" "+status, typ)
		}
	}
	for name, s := range d.Schemas {
		known(name, s.Base)
		for member, typ := range s.Properties {
			if !strings.HasPrefix(typ, "date-time") && !strings.HasPrefix(typ, "iso8601-duration") {
				known(name+"/"+member, typ)
			}
		}
	}
}

func TestCheckFacts(t *testing.T) {
	d := load(t)
	facts := []struct{ typ, version, value, want string }{
		{"Permission", "2022-04-01", `{"actions":["*"],"notActions":[],"dataActions":[],"notDataActions":[]}`, ""},
		{"Permission", "2022-04-01", `{"actions":"*"}`, "/actions: got *, want a list"},
		{"Permission", "2022-04-01", `{"actions":[1]}`, "/actions[0]: got 1, want string"},
		{"Permission", "2022-04-01", `{"action":[]}`, "/action: Permission has no such member"},
		{"Permission", "2022-04-01", `{"condition":null}`, "/condition: Permission has it since 2022-05-01 only"},
		{"Permission", "2022-05-01-preview", `{"condition":null}`, ""},
		{"RoleAssignment", "2022-04-01", `{"id":"x","properties":{"principalId":"p","roleDefinitionId":"r","createdOn":"2026-03-02T09:00:00Z"}}`, ""},
		{"RoleAssignment", "2022-04-01", `{"id":"x","properties":{"principalId":null,"roleDefinitionId":"r"}}`, "/properties/principalId: got null, and it is required"},
		{"RoleAssignment", "2022-04-01", `{"id":"x","properties":{"principalId":"p"}}`, "/properties/roleDefinitionId: missing, and it is required"},
		{"RoleAssignmentProperties", "2022-04-01", `{"principalId":"p","roleDefinitionId":"r","principalType":"user"}`, "/principalType: got user, want one of *"},
		{"RoleAssignmentProperties", "2022-04-01", `{"principalId":"p","roleDefinitionId":"r","createdOn":"2026-03-02"}`, "/createdOn: got 2026-03-02, want date-time"},
		{"RoleManagementPolicyRule", "2020-10-01", `{"ruleType":"RoleManagementPolicyApprovalRule","setting":{"isApprovalRequired":true}}`, ""},
		{"RoleManagementPolicyRule", "2020-10-01", `{"ruleType":"RoleManagementPolicyApprovalRule","isEnabled":true}`, "/isEnabled: RoleManagementPolicyApprovalRule has no such member"},
		{"RoleManagementPolicyRule", "2020-10-01", `{"ruleType":"x"}`, "/ruleType: got x, which is no kind of RoleManagementPolicyRule*"},
		{"[EligibleChildResource]", "2020-10-01", `[{"id":"a","name":"b","type":"subscription"}]`, ""},
		{"ApprovalStage", "2020-10-01", `{"approvalStageTimeOutInDays":1.5}`, "/approvalStageTimeOutInDays: got 1.5, want int32"},
		{"Permission", "2022-04-01", `[]`, "value: got [], want an object of Permission"},
	}
	for _, f := range facts {
		var v any
		if err := json.Unmarshal([]byte(f.value), &v); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, err := range d.Check(f.typ, f.version, v) {
			got += err.Error()
		}
		if want, open := strings.CutSuffix(f.want, "*"); got != f.want && (!open || !strings.HasPrefix(got, want)) {
			t.Errorf("%s of %s at %s: got %q, want %q", f.value, f.typ, f.version, got, f.want)
		}
	}
}
