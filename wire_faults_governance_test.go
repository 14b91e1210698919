package portcullis_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/pimv1"
	"portcullis/internal/api/pimv2"
	"portcullis/internal/pim"
	"portcullis/internal/store"
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

// TestPIMv2RegistersAllOrNothing: see writesAllOrNothing. The tenant is registered from the beginning.
func TestPIMv2RegistersAllOrNothing(t *testing.T) {
	writesAllOrNothing(t, func(w *wire) []writing {
		w.plant()
		w.resourceGrant(pim.Assignment, "grace", pim.RoleID(w.vars["Owner"]), w.vars["sub"])
		return []writing{
			{http.MethodPost, "grace: /beta/privilegedAccess/azureResources/resources/register", `{"externalId":"${sub}"}`},
			{http.MethodPost, "grace: /api/v2/privilegedAccess/aadGroups/resources/register", `{"externalId":"${keepers}"}`},
		}
	})
}

// carried is the body that carries alice's activation of the billing role over.
const carried = `{"provider":"directory","kind":"assignment","action":"selfActivate","scope":"/","role":"${billing}","principalId":"${alice}",
	"justification":"r","scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H"}}}`

// waits makes alice eligible for the billing role, which asks for approval.
func (w *wire) waits() {
	w.Helper()
	w.caller, w.mfa = "grace", true
	for _, c := range []writing{
		{http.MethodPut, "/beta/privilegedRoles/${billing}/settings", strings.Replace(ruling{hours: 4}.first(), `"approvalOnElevation":false`, `"approvalOnElevation":true`, 1)},
		{http.MethodPost, "/beta/privilegedAccess/aadRoles/roleAssignmentRequests", `{"type":"AdminAdd","assignmentState":"Eligible","resourceId":"${tenant}",
			"roleDefinitionId":"${billing}","subjectId":"${alice}","reason":"r","schedule":{"type":"Once","duration":"P30D"}}`},
	} {
		if !w.send(c.method, c.path, c.body) {
			w.Fatalf("%s %s: %s", c.method, c.path, w.last.Body)
		}
	}
}

// TestCarriedRequestsAllOrNothing: see writesAllOrNothing; carried again, the request is there already.
func TestCarriedRequestsAllOrNothing(t *testing.T) {
	writesAllOrNothing(t, func(w *wire) []writing {
		w.waits()
		return []writing{{http.MethodPost, "grace: /portcullis/v1/carriedRequests", carried}}
	})
}

// TestCarriedRequestsAreOfTheirTenant: nobody without a token, and no administrator of another tenant, makes a request here.
func TestCarriedRequestsAreOfTheirTenant(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.waits()
	before := w.everythingKept()
	for who, want := range map[string]int{"nobody": http.StatusUnauthorized, "stranger": http.StatusBadRequest} {
		w.caller = who
		if w.send(http.MethodPost, "/portcullis/v1/carriedRequests", carried); w.last.Code != want {
			t.Errorf("by %s: got %d with %s, want %d", who, w.last.Code, w.last.Body, want)
		}
	}
	if diff := cmp.Diff(before, w.everythingKept()); diff != "" {
		t.Errorf("it left something (-before +after):\n%s", diff)
	}
	w.caller = "grace"
	if !w.send(http.MethodPost, "/portcullis/v1/carriedRequests", carried) {
		t.Errorf("by who administers the role: %s", w.last.Body)
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

// without are calls that read, each of which answers well with the store there.
type without struct {
	*wire
	store *storetest.Watched
	// good counts the calls that had a good answer, and cut the answers that were wanted while the store was gone.
	good, cut int
}

// olderScene has somebody eligible and active in each provider, with their requests.
func olderScene(t *testing.T, s store.Store) *without {
	t.Helper()
	w := &without{store: storetest.Watch(s)}
	w.wire = newWire(t, w.store, &usage{routes: map[string]int{}})
	w.plant()
	w.resourceGrant(pim.Assignment, "grace", pim.RoleID(w.vars["Owner"]), "root")
	for _, k := range governed() {
		for _, i := range []int{0, 1, 3} {
			c := governanceWrites()[i]
			who, path, _ := strings.Cut(named(k, c.path), ": ")
			w.caller, w.mfa = who, true
			rec := w.call(c.method, w.fill(path), http.Header{"Content-Type": {"application/json"}}, []byte(w.fill(named(k, c.body))))
			if rec.Code >= http.StatusMultipleChoices {
				t.Fatalf("%s %s: got %d with %s", c.method, path, rec.Code, rec.Body)
			}
		}
	}
	w.caller = "grace"
	return w
}

// first is the id of the first row of a list.
func (w *without) first(target string) string {
	w.Helper()
	var page struct{ Value []struct{ ID string } }
	rec := w.call(http.MethodGet, strings.ReplaceAll(target, " ", "%20"), nil, nil)
	if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || len(page.Value) == 0 {
		w.Fatalf("%s: got %d with %s, want a row", target, rec.Code, rec.Body)
	}
	return page.Value[0].ID
}

// reads asks for an address with the store gone from each of its questions on. Each time the caller is told to come again, or gets the
// same as before; an export that has begun may break off.
func (w *without) reads(target string) {
	w.Helper()
	target = strings.ReplaceAll(target, " ", "%20")
	ask := func() (rec *httptest.ResponseRecorder, broken bool) {
		defer func() {
			if r := recover(); r != nil {
				if err, ok := r.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					panic(r)
				}
				broken = true
			}
		}()
		return w.call(http.MethodGet, target, nil, nil), false
	}
	w.store.Since()
	good, _ := ask()
	by, questions := w.store.Since()
	if good.Code != http.StatusOK {
		return
	}
	w.good++
	for k := range questions {
		w.store.GoneAfter(k)
		got, broken := ask()
		w.store.GoneAfter(-1)
		switch {
		case broken && strings.Contains(target, "/export"):
		case got != nil && got.Code == http.StatusServiceUnavailable && got.Header().Get("Retry-After") != "":
		default:
			w.Errorf("%s with the store gone at question %d of %d (%v): got %d with %.300s, want 503 with Retry-After", target, k+1, questions, by, w.last.Code, w.last.Body)
		}
		w.cut++
	}
	if again, _ := ask(); again.Body.String() != good.Body.String() {
		w.Errorf("%s with the store back: got %s, want %s", target, again.Body, good.Body)
	}
}

// TestPIMv2WithoutItsStore: wherever in the making of an answer the store goes away, nobody takes what was read for the whole: never is
// an empty list told for one that could not be read, which would say that nobody is eligible.
func TestPIMv2WithoutItsStore(t *testing.T) {
	w := olderScene(t, &storetest.Model{})
	keys := map[string]pim.RoleKey{"": governed()[pim.Directory]}
	ids := map[string]*strings.Replacer{"": strings.NewReplacer()}
	for p, k := range governed() {
		at := governance.ResourceID(k)
		row := w.first(named(k, "{base}/roleAssignments?$filter=assignmentState eq 'Active' and resourceId eq '{resource}' and subjectId eq '"+w.vars["alice"]+"'"))
		request := w.first(named(k, "{base}/roleAssignmentRequests?$filter=resourceId eq '{resource}'"))
		keys[governance.Provider(p)] = k
		ids[governance.Provider(p)] = strings.NewReplacer("roleAssignments/{id}", "roleAssignments/"+row, "roleAssignmentRequests/{id}", "roleAssignmentRequests/"+request,
			"roleDefinitions/{id}", "roleDefinitions/"+governance.RoleDefinitionID(k), "roleSettings/{id}", "roleSettings/"+governance.SettingID(k),
			"roleSettingsV2/{id}", "roleSettingsV2/"+governance.SettingID(k), "{resource}", at)
	}
	for _, r := range pimv2.New(w.app, w.app.Store, pimv2.Options{}).Routes() {
		if r.Method != http.MethodGet || strings.Contains(r.Pattern, "pimforazurerbac") {
			continue
		}
		_, rest, _ := strings.Cut(r.Pattern, "/privilegedAccess/")
		provider, path, _ := strings.Cut(rest, "/")
		target := ids[provider].Replace(r.Pattern)
		filter := "$filter=resourceId eq '" + governance.ResourceID(keys[provider]) + "'"
		switch {
		case strings.HasPrefix(path, "roleDefinitions"), strings.HasPrefix(path, "roleSettings") && !strings.Contains(path, "{id}"):
			target += "?" + filter
		case strings.HasSuffix(path, "roleAssignments"):
			target += "?$expand=subject,roleDefinition($expand=resource,roleSetting),resource,scopedResource,linkedEligibleRoleAssignment&" + filter
		case path == "resources":
			target += "?$expand=parent&$select=id,permissions,roleAssignmentCount,roleDefinitionCount"
		}
		w.reads(target)
	}
	for _, k := range governed() {
		w.reads(named(k, "{base}/roleSettings?$filter=resourceId eq '{resource}' and (isDefault eq false or roleDefinitionId eq '{role}')"))
	}
	if w.good < 150 || w.cut < 500 {
		t.Errorf("%d routes were read, %d times without a store: too few to tell", w.good, w.cut)
	}
}

// TestPIMv1WithoutItsStore: the same of the first iteration.
func TestPIMv1WithoutItsStore(t *testing.T) {
	w := olderScene(t, &storetest.Model{})
	row := w.vars["alice"] + "_" + w.vars["billing"]
	request, event := w.first("/beta/privilegedRoleAssignmentRequests"), w.first("/beta/privilegedOperationEvents")
	ids := strings.NewReplacer("privilegedRoles/{id}", "privilegedRoles/"+w.vars["billing"], "{assignment}", row, "privilegedRoleAssignments/{id}", "privilegedRoleAssignments/"+row,
		"privilegedRoleAssignmentRequests/{id}", "privilegedRoleAssignmentRequests/"+request, "privilegedOperationEvents/{id}", "privilegedOperationEvents/"+event)
	for _, r := range pimv1.New(w.app, w.app.Store, pimv1.Options{}).Routes() {
		if r.Method == http.MethodGet {
			w.reads(ids.Replace(r.Pattern))
		}
	}
	w.reads("/beta/privilegedRoleAssignments?$expand=roleInfo&$filter=isElevated eq true")
	if w.good < 20 || w.cut < 50 {
		t.Errorf("%d routes were read, %d times without a store: too few to tell", w.good, w.cut)
	}
}

// TestOlderDialectsWithTheClockBehind: with the clock set back no request is decided, and all can be read.
func TestOlderDialectsWithTheClockBehind(t *testing.T) {
	w := olderScene(t, &storetest.Model{})
	w.app.SawTime(w.now.Add(time.Hour))
	writes := []writing{
		{http.MethodPost, "/beta/privilegedRoleAssignments", `{"userId":"${bob}","roleId":"${billing}"}`},
		{http.MethodPost, "/beta/privilegedRoleAssignments/${alice}_${billing}/makePermanent", `{"reason":"r"}`},
	}
	lists := []string{"/beta/privilegedRoleAssignments", "/beta/privilegedRoleAssignmentRequests", "/beta/privilegedRoles"}
	for _, k := range governed() {
		c := governanceWrites()[1]
		_, path, _ := strings.Cut(named(k, c.path), ": ")
		writes = append(writes, writing{c.method, path, named(k, strings.ReplaceAll(c.body, "${alice}", "${bob}"))})
		for _, set := range []string{"roleAssignments", "roleAssignmentRequests", "resources", "roleSettings?$filter=resourceId eq '{resource}' and isDefault eq false"} {
			lists = append(lists, named(k, "{base}/"+set))
		}
	}
	before := w.everythingKept()
	for _, c := range writes {
		rec := w.call(c.method, w.fill(c.path), http.Header{"Content-Type": {"application/json"}}, []byte(w.fill(c.body)))
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s with the clock set back: got %d %v with %s, want 503 with Retry-After", c.method, c.path, rec.Code, rec.Header(), rec.Body)
		}
	}
	if diff := cmp.Diff(before, w.everythingKept()); diff != "" {
		t.Errorf("with the clock set back something was kept (-before +after):\n%s", diff)
	}
	for _, target := range lists {
		if rec := w.call(http.MethodGet, strings.ReplaceAll(target, " ", "%20"), nil, nil); rec.Code != http.StatusOK {
			t.Errorf("%s with the clock set back: got %d with %s, want 200", target, rec.Code, rec.Body)
		}
	}
}

// TestOlderDialectsTakeAnyID: an id is looked for in every store, whatever it is made of; so is what a body or a filter names.
func TestOlderDialectsTakeAnyID(t *testing.T) {
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			w := olderScene(t, open(t))
			routes := append(pimv2.New(w.app, w.app.Store, pimv2.Options{}).Routes(), pimv1.New(w.app, w.app.Store, pimv1.Options{}).Routes()...)
			for _, id := range []string{strings.Repeat("_", 1000), "a\x00b", "\xff\xfe", "%", strings.Repeat("x", 5000), "'; DROP TABLE schedules; --", w.vars["works"] + "_\x00"} {
				for _, r := range routes {
					if !strings.Contains(r.Pattern, "{") || strings.HasPrefix(r.Pattern, "/api/") {
						continue
					}
					target := wildcard.ReplaceAllLiteralString(r.Pattern, url.PathEscape(id))
					if rec := w.call(r.Method, target, http.Header{"Content-Type": {"application/json"}}, []byte(`{"reason":"r"}`)); rec.Code >= http.StatusInternalServerError {
						t.Errorf("%s %.100s: got %d with %.300s", r.Method, target, rec.Code, rec.Body)
					}
				}
				for _, k := range governed() {
					for _, part := range []string{"roleAssignments?$filter=subjectId eq '", "roleAssignments?$filter=resourceId eq '", "roleAssignmentRequests?$filter=id eq '",
						"resources?$filter=displayName eq '", "resources?$filter=externalId eq '", "roleSettings?$filter=resourceId eq '{resource}' and roleDefinitionId eq '"} {
						target := named(k, "{base}/"+part) + url.QueryEscape(strings.ReplaceAll(id, "'", "''")) + "'"
						if rec := w.call(http.MethodGet, strings.ReplaceAll(target, " ", "%20"), nil, nil); rec.Code >= http.StatusInternalServerError {
							t.Errorf("%.150s: got %d with %.300s", target, rec.Code, rec.Body)
						}
					}
					text, err := json.Marshal(map[string]string{"type": "AdminAdd", "assignmentState": "Eligible", "resourceId": id, "roleDefinitionId": id, "subjectId": id, "reason": id})
					if err != nil {
						t.Fatal(err)
					}
					if rec := w.call(http.MethodPost, named(k, "{base}/roleAssignmentRequests"), http.Header{"Content-Type": {"application/json"}}, text); rec.Code >= http.StatusInternalServerError {
						t.Errorf("a request with %.50q: got %d with %.300s", id, rec.Code, rec.Body)
					}
				}
			}
		})
	}
}
