package portcullis_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/pimv1"
	"portcullis/internal/api/pimv2"
	"portcullis/internal/pim"
	"portcullis/internal/store/storetest"
)

// keys are one role of each provider of PIM's second iteration.
func governed() map[pim.Provider]pim.RoleKey {
	vars := armVars()
	return map[pim.Provider]pim.RoleKey{
		pim.Directory: {Tenant: wireTenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: "b0f54661-2d74-4c50-afa3-1ec803f12efe"},
		pim.Group:     {Tenant: wireTenant, Provider: pim.Group, Scope: pim.Scope(wireID(21)), Role: pim.Member},
		pim.Resource:  {Tenant: wireTenant, Provider: pim.Resource, Scope: pim.Scope(vars["sub"]), Role: pim.RoleID(vars["Reader"])},
	}
}

// named fills the names of what a provider's key is about, in an address or a body.
func named(k pim.RoleKey, text string) string {
	return strings.NewReplacer("{base}", "/beta/privilegedAccess/"+governance.Provider(k.Provider), "{resource}", governance.ResourceID(k),
		"{role}", governance.RoleDefinitionID(k), "{setting}", governance.SettingID(k)).Replace(text)
}

var settingOf = regexp.MustCompile(`(?i)(roleSettings(v2)?/)\{\w+\}`)

// TestPIMv2RefusesBadBodies: see refusesBadBodies.
func TestPIMv2RefusesBadBodies(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.plant()
	w.resourceGrant(pim.Assignment, "grace", pim.RoleID(w.vars["Owner"]), "root")
	keys := governed()
	w.refusesBadBodies(pimv2.New(w.app, w.app.Store, pimv2.Options{}).Routes(), func(pattern string) string {
		k := keys[pim.Directory]
		for p, of := range keys {
			if strings.Contains(pattern, "/"+governance.Provider(p)) {
				k = of
			}
		}
		pattern = settingOf.ReplaceAllString(pattern, "${1}"+governance.SettingID(k))
		return wildcard.ReplaceAllString(strings.ReplaceAll(pattern, "{resource}", governance.ResourceID(k)), wireID(777))
	},
		`{"type":5,"assignmentState":[],"subjectId":{},"resourceId":7,"roleDefinitionId":true,"schedule":"x","reason":{},"decision":1,"externalId":[],
		"adminEligibleSettings":{},"userMemberSettings":"x","lifeCycleManagement":5}`,
		`{"type":"UserAdd","assignmentState":"Active","subjectId":null,"resourceId":null,"roleDefinitionId":null,"schedule":null,"reason":null}`,
		`{"schedule":{"type":[],"startDateTime":5,"endDateTime":{},"duration":7},"type":"AdminAdd","assignmentState":"Eligible"}`,
		`{"adminEligibleSettings":[null],"adminMemberSettings":[5],"userEligibleSettings":[{}],"userMemberSettings":[{"ruleIdentifier":5,"setting":{}}]}`,
		`{"lifeCycleManagement":[null,{},{"caller":5,"level":[],"operation":{},"value":"x"}]}`,
	)
}

// TestPIMv1RefusesBadBodies: see refusesBadBodies.
func TestPIMv1RefusesBadBodies(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	role := w.vars["billing"]
	w.refusesBadBodies(pimv1.New(w.app, w.app.Store, pimv1.Options{}).Routes(), func(pattern string) string {
		id := wireID(777)
		switch {
		case strings.HasPrefix(pattern, "/beta/privilegedRoles/"):
			id = role
		case strings.HasPrefix(pattern, "/beta/privilegedRoleAssignments/"):
			id = w.vars["alice"] + "_" + role
		}
		return wildcard.ReplaceAllString(pattern, id)
	},
		`{"userId":5,"roleId":[],"type":{},"assignmentState":7,"schedule":"x","duration":{},"reason":[],"ticketNumber":5,"approvalState":{},"approverIds":{},
		"elevationDuration":7,"mfaOnElevation":"x","minElevationDuration":"soon","tenantSetupInfo":5}`,
		`{"userId":null,"roleId":null,"type":null,"assignmentState":null,"schedule":null,"duration":null,"elevationDuration":null,"approverIds":[null]}`,
		`{"roleId":"${billing}","type":"UserAdd","assignmentState":"Active","duration":"-5","reason":"r"}`,
		`{"roleId":"${billing}","type":"UserAdd","assignmentState":"Active","duration":"NaN","reason":"r"}`,
		`{"roleId":"${billing}","type":"UserAdd","assignmentState":"Active","duration":"1e300","reason":"r"}`,
		`{"duration":"Infinity"}`,
	)
}

// TestPIMv2RefusesWhatCannotBe: what is said well and cannot be is refused by name, and changes nothing.
func TestPIMv2RefusesWhatCannotBe(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.plant()
	w.resourceGrant(pim.Assignment, "grace", pim.RoleID(w.vars["Owner"]), "root")
	w.caller, w.mfa = "grace", true
	const requests = "POST {base}/roleAssignmentRequests"
	add := func(resource, role, subject, plan string) string {
		return `{"type":"AdminAdd","assignmentState":"Eligible","resourceId":"` + resource + `","roleDefinitionId":"` + role + `","subjectId":"` + subject +
			`","reason":"r","schedule":` + plan + `}`
	}
	const plan = `{"type":"Once","startDateTime":null,"duration":"P30D"}`
	settings := func(setting string) string { return `{"userMemberSettings":[` + setting + `]}` }
	for p, k := range governed() {
		before := w.everythingKept()
		for _, c := range []struct{ call, body, code string }{
			{requests, add(wireID(777), "{role}", "${alice}", plan), "ResourceNotFound|RoleNotFound"},
			{requests, add("{resource}", wireID(777), "${alice}", plan), "RoleNotFound"},
			{requests, add("{resource}", "{role}", wireID(777), plan), "SubjectNotFound"},
			{requests, add("{resource}", "{role}", "${stranger}", plan), "SubjectNotFound"},
			{requests, add("{resource}", "{role}", "${alice}", `{"type":"Once","startDateTime":"2026-05-01T00:00:00Z","endDateTime":"2026-04-01T00:00:00Z"}`), "InvalidRoleAssignmentRequest|RoleAssignmentRequestPolicyValidationFailed"},
			{requests, add("{resource}", "{role}", "${alice}", `{"type":"Once","duration":"soon"}`), "InvalidRoleAssignmentRequest"},
			{requests, add("{resource}", "{role}", "${alice}", `{"type":"Weekly","duration":"P1D"}`), "InvalidRoleAssignmentRequest"},
			{requests, strings.Replace(add("{resource}", "{role}", "${alice}", plan), "AdminAdd", "AdminGrant", 1), "InvalidRoleAssignmentRequest"},
			{requests, strings.Replace(add("{resource}", "{role}", "${alice}", plan), "Eligible", "Dormant", 1), "InvalidRoleAssignmentRequest"},
			{requests, strings.Replace(add("{resource}", "{role}", "${alice}", plan), "AdminAdd", "AdminRemove", 1), "RoleAssignmentDoesNotExist"},
			{"POST {base}/roleAssignmentRequests/" + wireID(777) + "/cancel", "", "RoleAssignmentRequestNotFound"},
			{"POST {base}/roleAssignmentRequests/" + wireID(777) + "/updateRequest", `{"decision":"AdminDenied","reason":"no","assignmentState":"Eligible"}`, "RoleAssignmentRequestNotFound"},
			{"PATCH {base}/roleSettings/" + wireID(777), `{}`, "RoleSettingNotFound"},
			{"PATCH {base}/roleSettings/{setting}", settings(`{"ruleIdentifier":"GravityRule","setting":"{}"}`), "InvalidRoleSetting"},
			{"PATCH {base}/roleSettings/{setting}", settings(`{"ruleIdentifier":"ExpirationRule","setting":"{"}`), "InvalidRoleSetting"},
			{"PATCH {base}/roleSettings/{setting}", settings(`{"ruleIdentifier":"ExpirationRule","setting":"[]"}`), "InvalidRoleSetting"},
			{"PATCH {base}/roleSettings/{setting}", settings(`{"ruleIdentifier":"ExpirationRule","setting":"{\"maximumGrantPeriodInMinutes\":\"many\"}"}`), "InvalidRoleSetting"},
			{"PATCH {base}/roleSettings/{setting}", settings(`{"ruleIdentifier":"ExpirationRule","setting":"{\"maximumGrantPeriodInMinutes\":-5}"}`), "InvalidRoleSetting"},
			{"PATCH {base}/roleSettings/{setting}", settings(`{"ruleIdentifier":"MfaRule","setting":"{\"mfaRequired\":3}"}`), "InvalidRoleSetting"},
		} {
			method, target, _ := strings.Cut(named(k, c.call), " ")
			if w.send(method, target, named(k, c.body)) {
				t.Errorf("%s %s with %s: got %d, want a refusal", method, target, c.body, w.last.Code)
				continue
			}
			var told struct {
				Error struct{ Code string }
			}
			if err := json.Unmarshal(w.last.Body.Bytes(), &told); err != nil || !strings.Contains("|"+c.code+"|", "|"+told.Error.Code+"|") {
				t.Errorf("%s %s with %s: got %d with %s, want %s", method, target, named(k, c.body), w.last.Code, w.last.Body, c.code)
			}
			if w.last.Code != http.StatusBadRequest && told.Error.Code != "ResourceNotFound" {
				t.Errorf("%s %s with %s: got %d, want 400", method, target, c.body, w.last.Code)
			}
		}
		after := w.everythingKept()
		if len(after.Requests) != len(before.Requests) || len(after.Schedules) != len(before.Schedules) {
			t.Errorf("%s: something refused was kept", p)
		}
	}
}

// TestPIMv2WritesAllOrNothing: see writesAllOrNothing. Changing the state of an assignment gives and takes in one commit.
func TestPIMv2WritesAllOrNothing(t *testing.T) {
	for _, k := range governed() {
		t.Run(governance.Provider(k.Provider), func(t *testing.T) {
			writesAllOrNothing(t, func(w *wire) []writing {
				w.plant()
				w.resourceGrant(pim.Assignment, "grace", pim.RoleID(w.vars["Owner"]), w.vars["sub"])
				w.caller, w.mfa = "grace", true
				var out []writing
				for _, c := range governanceWrites() {
					out = append(out, writing{c.method, named(k, c.path), named(k, c.body)})
				}
				return out
			})
		})
	}
}

// governanceWrites are calls of each kind, in an order in which each can be done.
func governanceWrites() []writing {
	request := func(kind, state, plan string) string {
		return `{"type":"` + kind + `","assignmentState":"` + state + `","resourceId":"{resource}","roleDefinitionId":"{role}","subjectId":"${alice}","reason":"r","schedule":` + plan + `}`
	}
	const (
		requests = "{base}/roleAssignmentRequests"
		month    = `{"type":"Once","startDateTime":null,"endDateTime":null,"duration":"P30D"}`
		longer   = `{"type":"Once","startDateTime":null,"endDateTime":null,"duration":"P60D"}`
		hour     = `{"type":"Once","startDateTime":null,"endDateTime":null,"duration":"PT1H"}`
		later    = `{"type":"Once","startDateTime":"2026-03-03T09:00:00Z","endDateTime":null,"duration":"PT1H"}`
	)
	return []writing{
		{http.MethodPatch, "grace: {base}/roleSettings/{setting}", `{"userMemberSettings":[{"ruleIdentifier":"MfaRule","setting":"{\"mfaRequired\":false}"}],
			"adminMemberSettings":[{"ruleIdentifier":"ExpirationRule","setting":"{\"permanentAssignment\":true,\"maximumGrantPeriodInMinutes\":525600}"}]}`},
		{http.MethodPost, "grace: " + requests, request("AdminAdd", "Eligible", month)},
		{anew + http.MethodPost, "grace: " + requests, request("AdminUpdate", "Eligible", longer)},
		{http.MethodPost, "alice: " + requests, request("UserAdd", "Active", hour)},
		{pause, "10m", ""},
		{http.MethodPost, "alice: " + requests, request("UserRemove", "Active", "null")},
		{http.MethodPost, "alice: " + requests, request("UserAdd", "Active", later)},
		{http.MethodPost, "alice: " + requests + "/${made}/cancel", ""},
		{anew + http.MethodPost, "grace: " + requests, request("AdminUpdate", "Active", month)}, // from eligible to active
		{pause, "10m", ""},
		{anew + http.MethodPost, "grace: " + requests, request("AdminUpdate", "Eligible", month)},
		{pause, "480h", ""}, // it ends soon
		{http.MethodPost, "alice: " + requests, request("UserExtend", "Eligible", longer)},
		{http.MethodPost, "grace: " + requests + "/${made}/updateRequest", `{"decision":"AdminApproved","reason":"yes","assignmentState":"Eligible","schedule":` + longer + `}`},
		{http.MethodPost, "grace: " + requests, request("AdminRemove", "Eligible", "null")},
	}
}

// TestPIMv1WritesAllOrNothing: see writesAllOrNothing.
func TestPIMv1WritesAllOrNothing(t *testing.T) {
	writesAllOrNothing(t, func(w *wire) []writing {
		w.mfa = true
		const (
			asked, held = "/beta/privilegedRoleAssignmentRequests", "/beta/privilegedRoleAssignments"
			row, role   = held + "/${alice}_${billing}", "/beta/privilegedRoles/${billing}"
			soon        = `{"roleId":"${billing}","userId":"${alice}","type":"UserAdd","assignmentState":"Active","duration":"1","reason":"r"`
		)
		return []writing{
			{http.MethodPut, "grace: " + role + "/settings", ruling{hours: 4}.first()},
			{http.MethodPost, "grace: " + held, `{"userId":"${alice}","roleId":"${billing}"}`},
			{pause, "10m", ""},
			{http.MethodPost, "grace: " + row + "/makeEligible", ""},
			{http.MethodPost, "alice: " + asked, soon + `}`},
			{pause, "10m", ""},
			{http.MethodPost, "alice: " + role + "/selfDeactivate", ""},
			{http.MethodPost, "alice: " + asked, soon + `,"schedule":{"type":"activation","startDateTime":"2026-03-03T09:00:00Z"}}`},
			{http.MethodPost, "alice: " + asked + "/${made}/cancel", ""},
			{http.MethodPost, "grace: " + row + "/makePermanent", `{"reason":"r"}`},
			{pause, "10m", ""},
			{http.MethodDelete, "grace: " + row, ""},
		}
	})
}
