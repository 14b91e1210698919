package portcullis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// One story is told in every dialect; what is kept of it must be the same (promise P7). A tongue knows how its dialect says
// what the story needs, and nothing of what follows.
type tongue struct {
	name     string
	provider pim.Provider
	role     pim.RoleID
	// brief says that the dialect has no words for the whole story, but for the brief one.
	brief bool
	// scene is what the dialect needs before the story: it is no part of it.
	scene func(w *wire)
	// rule edits the role's policy, all that is wanted at once.
	rule func(w *wire, r ruling)
	// ask sends a request for an eligibility or an assignment and returns its id; "" if it was refused.
	ask func(w *wire, a demand) string
	// answer decides a request; withdraw cancels one. Both say whether it was done.
	answer   func(w *wire, request string, approve bool, reason string) bool
	withdraw func(w *wire, kind pim.Kind, request string) bool
}

// ruling is what a role's policy shall say; what is zero stays as it is.
type ruling struct {
	// days bound an eligibility, hours an activation.
	days, hours int
	// reason says that an activation needs a reason and nothing else.
	reason bool
	// approver decides on activations.
	approver string
}

// demand is a request as the story makes it.
type demand struct {
	kind   pim.Kind
	action string
	who    string
	// length is an ISO 8601 duration; "" for what has none.
	length, reason string
	ticket         bool
}

// send makes a call with a JSON body and says whether it was accepted.
func (w *wire) send(method, target, body string) bool {
	w.Helper()
	rec := w.call(method, w.fill(target), http.Header{"Content-Type": {"application/json"}}, []byte(w.fill(body)))
	if rec.Code >= http.StatusInternalServerError {
		w.Fatalf("%s %s: %d %s", method, target, rec.Code, rec.Body)
	}
	return rec.Code < http.StatusMultipleChoices
}

// third are the rules of a ruling in the words that both dialects of the third iteration have: kind, id and members.
func (r ruling) third() [][3]string {
	var out [][3]string
	if r.days > 0 {
		out = append(out, [3]string{"Expiration", "Expiration_Admin_Eligibility", fmt.Sprintf(`"isExpirationRequired":true,"maximumDuration":"P%dD"`, r.days)})
	}
	if r.reason {
		out = append(out, [3]string{"Enablement", "Enablement_EndUser_Assignment", `"enabledRules":["Justification"]`})
	}
	if r.hours > 0 {
		out = append(out, [3]string{"Expiration", "Expiration_EndUser_Assignment", fmt.Sprintf(`"isExpirationRequired":true,"maximumDuration":"PT%dH"`, r.hours)})
	}
	if r.approver != "" {
		out = append(out, [3]string{"Approval", "Approval_EndUser_Assignment", `"setting":{"isApprovalRequired":true,"approvalStages":[{"approvalStageTimeOutInDays":1,
			"isApproverJustificationRequired":true,"primaryApprovers":[{"@odata.type":"#microsoft.graph.singleUser","userType":"User","userId":"${` + r.approver + `}","id":"${` + r.approver + `}",
			"description":"` + displayed(r.approver) + `"}]}]}`})
	}
	return out
}

// displayed is the display name of one of the people, by which every dialect describes an approver.
func displayed(name string) string { return strings.ToUpper(name[:1]) + name[1:] + " Doe" }

// third is how both dialects of the third iteration write schedule and ticket.
func (a demand) third() string {
	text := `"ticketInfo":{"ticketNumber":null,"ticketSystem":null}`
	if a.ticket {
		text = `"ticketInfo":{"ticketNumber":"4711","ticketSystem":"desk"}`
	}
	if a.length != "" {
		text += `,"scheduleInfo":{"startDateTime":null,"expiration":{"type":"AfterDuration","duration":"` + a.length + `"}}`
	}
	return text
}

// verdict is how both dialects of the third iteration write a decision.
func verdict(approve bool, reason string) string {
	result := "Deny"
	if approve {
		result = "Approve"
	}
	return `"reviewResult":"` + result + `","justification":"` + reason + `"`
}

// graphTongue is that of Microsoft Graph, whose two providers differ in their addresses and in how they name role and scope.
func graphTongue(name string, p pim.Provider, role pim.RoleID) tongue {
	root, sets, names := "/v1.0/"+roleManagement, "role", `"roleDefinitionId":"`+string(role)+`","directoryScopeId":"/"`
	approvals, policies := "/beta/"+roleManagement+"roleAssignmentApprovals/", `scopeId eq '/' and scopeType eq 'DirectoryRole'`
	if p == pim.Group {
		root, sets, names = "/v1.0/"+privilegedAccess, "", `"accessId":"`+string(role)+`","groupId":"${keepers}"`
		approvals, policies = "/beta/"+privilegedAccess+"assignmentApprovals/", `scopeId eq '${keepers}' and scopeType eq 'Group'`
	}
	set := func(k pim.Kind) string {
		name := sets + "EligibilityScheduleRequests"
		if k == pim.Assignment {
			name = sets + "AssignmentScheduleRequests"
		}
		if sets == "" {
			name = strings.ToLower(name[:1]) + name[1:]
		}
		return root + name
	}
	return tongue{
		name: name, provider: p, role: role, scene: func(*wire) {},
		rule: func(w *wire, r ruling) {
			w.send(http.MethodGet, "/v1.0/policies/roleManagementPolicyAssignments?$filter="+policies+" and roleDefinitionId eq '"+string(role)+"'", "")
			policy := w.first("policyId")
			var rules []string
			for _, t := range r.third() {
				rules = append(rules, `{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicy`+t[0]+`Rule","id":"`+t[1]+`",`+t[2]+`}`)
			}
			w.must(http.MethodPatch, "/v1.0/policies/roleManagementPolicies/"+policy, `{"rules":[`+strings.Join(rules, ",")+`]}`)
		},
		ask: func(w *wire, a demand) string {
			action := strings.ToLower(a.action[:1]) + a.action[1:]
			if !w.send(http.MethodPost, set(a.kind), `{"action":"`+action+`","principalId":"${`+a.who+`}",`+names+`,"justification":"`+a.reason+`",`+a.third()+`}`) {
				return ""
			}
			return w.member("id")
		},
		answer: func(w *wire, request string, approve bool, reason string) bool {
			return w.send(http.MethodPatch, approvals+request+"/steps/"+request, `{`+verdict(approve, reason)+`}`)
		},
		withdraw: func(w *wire, k pim.Kind, request string) bool {
			return w.send(http.MethodPost, set(k)+"/"+request+"/cancel", "")
		},
	}
}

// armTongue is that of Azure Resource Manager.
func armTongue() tongue {
	const version = "?api-version=2020-10-01"
	role := armVars()["Reader"]
	set := func(k pim.Kind) string {
		if k == pim.Assignment {
			return "${sub}/${pim}/roleAssignmentScheduleRequests/"
		}
		return "${sub}/${pim}/roleEligibilityScheduleRequests/"
	}
	asked := 0
	return tongue{
		name: "arm", provider: pim.Resource, role: pim.RoleID(role),
		scene: func(w *wire) {
			w.plant()
			w.resourceGrant(pim.Assignment, "grace", pim.RoleID(w.vars["Owner"]), w.vars["sub"])
		},
		rule: func(w *wire, r ruling) {
			w.send(http.MethodGet, "${sub}/${pim}/roleManagementPolicies"+version+"&$filter=roleDefinitionId eq '/${pim}/roleDefinitions/"+role+"'", "")
			policy := w.first("id")
			var rules []string
			for _, t := range r.third() {
				rules = append(rules, `{"ruleType":"RoleManagementPolicy`+t[0]+`Rule","id":"`+t[1]+`",`+t[2]+`}`)
			}
			w.must(http.MethodPatch, policy+version, `{"properties":{"rules":[`+strings.Join(rules, ",")+`]}}`)
		},
		ask: func(w *wire, a demand) string {
			asked++
			name := fmt.Sprintf("a7000000-0000-4000-8000-%012d", asked)
			if !w.send(http.MethodPut, set(a.kind)+name+version, `{"properties":{"requestType":"`+a.action+`","principalId":"${`+a.who+`}","roleDefinitionId":"${sub}/${pim}/roleDefinitions/`+
				role+`","justification":"`+a.reason+`",`+a.third()+`}}`) {
				return ""
			}
			return name
		},
		answer: func(w *wire, request string, approve bool, reason string) bool {
			return w.send(http.MethodPut, "/${pim}/roleAssignmentApprovals/"+request+"/stages/"+request+"?api-version=2021-01-01-preview",
				`{"properties":{`+verdict(approve, reason)+`}}`)
		},
		withdraw: func(w *wire, k pim.Kind, request string) bool {
			return w.send(http.MethodPost, set(k)+request+"/cancel"+version, "")
		},
	}
}

// secondTongue is that of PIM's second iteration, which has no words for deciding: approvers use those of the third, told by like.
func secondTongue(like tongue, scope pim.Scope) tongue {
	key := pim.RoleKey{Tenant: wireTenant, Provider: like.provider, Scope: scope, Role: like.role}
	root := "/beta/privilegedAccess/" + governance.Provider(like.provider) + "/"
	types := map[string]string{"AdminAssign": "AdminAdd", "SelfActivate": "UserAdd", "SelfDeactivate": "UserRemove"}
	out := like
	out.name = "v2 " + governance.Provider(like.provider)
	out.rule = func(w *wire, r ruling) {
		w.send(http.MethodGet, root+"roleSettings?$filter=resourceId eq '"+governance.ResourceID(key)+"' and roleDefinitionId eq '"+governance.RoleDefinitionID(key)+"'", "")
		w.must(http.MethodPatch, root+"roleSettings/"+w.first("id"), r.second())
	}
	out.ask = func(w *wire, a demand) string {
		kind, state, plan := types[a.action], "Eligible", "null"
		if kind == "" {
			kind = a.action
		}
		if a.kind == pim.Assignment {
			state = "Active"
		}
		if a.length != "" {
			plan = `{"type":"Once","startDateTime":null,"endDateTime":null,"duration":"` + a.length + `"}`
		}
		if !w.send(http.MethodPost, root+"roleAssignmentRequests", `{"type":"`+kind+`","assignmentState":"`+state+`","subjectId":"${`+a.who+`}","resourceId":"`+
			governance.ResourceID(key)+`","roleDefinitionId":"`+governance.RoleDefinitionID(key)+`","reason":"`+a.reason+`","schedule":`+plan+`,`+a.flatTicket()+`}`) {
			return ""
		}
		return w.member("id")
	}
	out.withdraw = func(w *wire, _ pim.Kind, request string) bool {
		return w.send(http.MethodPost, root+"roleAssignmentRequests/"+request+"/cancel", "")
	}
	return out
}

// firstTongue is that of PIM's first iteration, which speaks of directory roles and people alone.
func firstTongue(like tongue) tongue {
	role := "/beta/privilegedRoles/" + string(like.role)
	const asked = "/beta/privilegedRoleAssignmentRequests"
	out := like
	out.name, out.brief = "v1", true
	out.rule = func(w *wire, r ruling) { w.must(http.MethodPut, role+"/settings", r.first()) }
	out.ask = func(w *wire, a demand) string {
		switch a.action {
		case "SelfDeactivate":
			return w.done(http.MethodPost, role+"/selfDeactivate", "")
		case "AdminRemove":
			return w.done(http.MethodDelete, "/beta/privilegedRoleAssignments/${"+a.who+"}_"+string(like.role), "")
		}
		kind := `"type":"AdminAdd","assignmentState":"Eligible"`
		if a.kind == pim.Assignment {
			kind = `"type":"UserAdd","assignmentState":"Active"`
		}
		length, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(a.length, "PT")))
		if err != nil {
			w.Fatal(err)
		}
		if !w.send(http.MethodPost, asked, `{"userId":"${`+a.who+`}","roleId":"`+string(like.role)+`","reason":"`+a.reason+`",`+kind+
			`,"duration":"`+strconv.FormatFloat(length.Hours(), 'f', -1, 64)+`",`+a.flatTicket()+`}`) {
			return ""
		}
		return w.member("id")
	}
	out.answer = func(w *wire, request string, approve bool, reason string) bool {
		state := "denied"
		if approve {
			state = "approved"
		}
		return w.send(http.MethodPatch, "/beta/privilegedApproval/"+request, `{"approvalState":"`+state+`","approverReason":"`+reason+`"}`)
	}
	out.withdraw = func(w *wire, _ pim.Kind, request string) bool {
		return w.send(http.MethodPost, asked+"/"+request+"/cancel", "")
	}
	return out
}

// done makes a call whose answer is no request; "" if it was refused.
func (w *wire) done(method, target, body string) string {
	w.Helper()
	if !w.send(method, target, body) {
		return ""
	}
	return "done"
}

// first is a ruling as the settings of a role, which are told all at once.
func (r ruling) first() string {
	approvers := ""
	if r.approver != "" {
		approvers = `"${` + r.approver + `}"`
	}
	return fmt.Sprintf(`{"minElevationDuration":"PT0S","maxElavationDuration":"PT0S","elevationDuration":"PT%dH","notificationToUserOnElevation":true,
		"ticketingInfoOnElevation":false,"mfaOnElevation":false,"isMfaOnElevationConfigurable":true,"lastGlobalAdmin":false,
		"approvalOnElevation":%t,"approverIds":[%s]}`, r.hours, r.approver != "", approvers)
}

// second is a ruling as a change of role settings.
func (r ruling) second() string {
	setting := func(identifier, members string) string {
		return `{"ruleIdentifier":"` + identifier + `","setting":` + strconv.Quote(members) + `}`
	}
	var admin, user []string
	if r.days > 0 {
		admin = append(admin, setting("ExpirationRule", fmt.Sprintf(`{"permanentAssignment":false,"maximumGrantPeriodInMinutes":%d}`, r.days*24*60)))
	}
	if r.reason {
		user = append(user, setting("MfaRule", `{"mfaRequired":false}`), setting("JustificationRule", `{"required":true}`), setting("TicketingRule", `{"ticketingRequired":false}`))
	}
	if r.hours > 0 {
		user = append(user, setting("ExpirationRule", fmt.Sprintf(`{"permanentAssignment":true,"maximumGrantPeriodInMinutes":%d}`, r.hours*60)))
	}
	if r.approver != "" {
		user = append(user, setting("ApprovalRule", `{"Enabled":true,"Approvers":[{"Id":"${`+r.approver+`}","Type":"User","DisplayName":"`+displayed(r.approver)+`"}]}`))
	}
	var parts []string
	if len(admin) > 0 {
		parts = append(parts, `"adminEligibleSettings":[`+strings.Join(admin, ",")+`]`)
	}
	if len(user) > 0 {
		parts = append(parts, `"userMemberSettings":[`+strings.Join(user, ",")+`]`)
	}
	return `{` + strings.Join(parts, ",") + `}`
}

// flatTicket is how the older iterations write a ticket.
func (a demand) flatTicket() string {
	if a.ticket {
		return `"ticketNumber":"4711","ticketSystem":"desk"`
	}
	return `"ticketNumber":null,"ticketSystem":null`
}

// member is a text of the last answer, and first one of the first row of its list.
func (w *wire) member(name string) string {
	w.Helper()
	var in map[string]any
	if err := json.Unmarshal(w.last.Body.Bytes(), &in); err != nil {
		w.Fatalf("%v: %s", err, w.last.Body)
	}
	text, _ := in[name].(string)
	return text
}

func (w *wire) first(name string) string {
	w.Helper()
	var in struct{ Value []map[string]any }
	if err := json.Unmarshal(w.last.Body.Bytes(), &in); err != nil || len(in.Value) != 1 {
		w.Fatalf("want one row, got %v %s", err, w.last.Body)
	}
	text, _ := in.Value[0][name].(string)
	return text
}

// must makes a call that the story takes for granted.
func (w *wire) must(method, target, body string) {
	w.Helper()
	if !w.send(method, target, body) {
		w.Fatalf("%s %s: %d %s", method, target, w.last.Code, w.last.Body)
	}
}

// telling is a story being told.
type telling struct {
	*wire
	in tongue
	// request is the last one that was accepted.
	request string
}

// step lets time pass before it, so that records can be put in order by their times.
func (t *telling) step(who string, ok bool, do func() bool) {
	t.Helper()
	t.pass(time.Minute)
	t.caller, t.mfa = who, true
	if got := do(); got != ok {
		t.Fatalf("a step of %s: got %v with %s, want %v", who, got, t.last.Body, ok)
	}
}

func (t *telling) rules(r ruling) {
	t.Helper()
	t.step("grace", true, func() bool { t.in.rule(t.wire, r); return true })
}

// asks is a request for alice, who may make it herself.
func (t *telling) asks(who string, ok bool, k pim.Kind, action, length, reason string, ticket bool) {
	t.Helper()
	t.step(who, ok, func() bool {
		id := t.in.ask(t.wire, demand{k, action, "alice", length, reason, ticket})
		if id != "" {
			t.request = id
		}
		return id != ""
	})
}

func (t *telling) decides(who string, ok, approve bool, reason string) {
	t.Helper()
	t.step(who, ok, func() bool { return t.in.answer(t.wire, t.request, approve, reason) })
}

func (t *telling) cancels(who string) {
	t.Helper()
	t.step(who, true, func() bool { return t.in.withdraw(t.wire, pim.Assignment, t.request) })
}

// The lengths of the stories. Iteration 1 tells hours, which become minutes.
const (
	month = "P30D"
	weeks = "PT43200M"
	hours = "PT120M"
	// unassign is the reason that iteration 1 gives for taking away, whose calls carry none.
	unassign = "Unassign"
)

// wholeStory is what every dialect of iterations 2 and 3 can tell.
func wholeStory(t *telling) {
	t.Helper()
	t.rules(ruling{days: 365})
	t.rules(ruling{reason: true})
	t.rules(ruling{hours: 4})
	t.asks("alice", false, pim.Assignment, "SelfActivate", hours, "not eligible yet", false)
	t.asks("bob", false, pim.Eligibility, "AdminAssign", month, "nobody asked bob", false)
	t.asks("grace", true, pim.Eligibility, "AdminAssign", month, "month end", true)
	t.asks("grace", false, pim.Eligibility, "AdminAssign", month, "again", true)
	t.asks("alice", false, pim.Assignment, "SelfActivate", hours, "", false)
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "close the books", true)
	t.pass(10 * time.Minute)
	t.asks("alice", true, pim.Assignment, "SelfDeactivate", "", "done", false)
	t.rules(ruling{approver: "ana"})
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "with leave", false)
	t.asks("alice", false, pim.Assignment, "SelfActivate", hours, "twice", false)
	t.decides("alice", false, true, "my own")
	t.decides("bob", false, true, "not asked")
	t.decides("ana", true, true, "go on")
	t.pass(3 * time.Hour) // it ends by itself
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "once more", false)
	t.decides("ana", true, false, "enough")
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "please", false)
	t.cancels("alice")
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "nobody answers", false)
	t.pass(25 * time.Hour) // nobody answered
	t.asks("grace", true, pim.Eligibility, "AdminExtend", "P60D", "longer", false)
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "the last", false)
	t.decides("ana", true, true, "the last")
	t.pass(10 * time.Minute)
	t.asks("grace", true, pim.Eligibility, "AdminRemove", "", "moved on", false)
	t.pass(time.Hour)
}

// briefStory is what iteration 1 can tell of it: one setting of all rules at once, no extension, and no reason of one's own for what
// ends.
func briefStory(t *telling) {
	t.Helper()
	t.rules(ruling{hours: 4, reason: true})
	t.asks("alice", false, pim.Assignment, "SelfActivate", hours, "not eligible yet", false)
	t.asks("bob", false, pim.Eligibility, "AdminAssign", weeks, "nobody asked bob", false)
	t.asks("grace", true, pim.Eligibility, "AdminAssign", weeks, "month end", true)
	t.asks("grace", false, pim.Eligibility, "AdminAssign", weeks, "again", true)
	t.asks("alice", false, pim.Assignment, "SelfActivate", hours, "", false)
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "close the books", true)
	t.pass(10 * time.Minute)
	t.asks("alice", true, pim.Assignment, "SelfDeactivate", "", "", false)
	t.rules(ruling{hours: 4, reason: true, approver: "ana"})
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "with leave", false)
	t.asks("alice", false, pim.Assignment, "SelfActivate", hours, "twice", false)
	t.decides("alice", false, true, "my own")
	t.decides("ana", true, true, "go on")
	t.pass(3 * time.Hour) // it ends by itself
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "once more", false)
	t.decides("ana", true, false, "enough")
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "please", false)
	t.cancels("alice")
	t.asks("alice", true, pim.Assignment, "SelfActivate", hours, "nobody answers", false)
	t.pass(25 * time.Hour) // nobody answered
	t.asks("grace", true, pim.Eligibility, "AdminRemove", "", unassign, false)
	t.pass(time.Hour)
}

// records are what is kept of a story: as it is, but for ids that are made anew each time, which are numbered as they are met; and
// with provider, scope and role erased.
type records struct{ exact, erased []string }

func (s tongue) records(w *wire) records {
	w.Helper()
	of := store.And{store.Is(store.FieldProvider, string(s.provider)), store.Is(store.FieldRole, string(s.role))}
	// What the scene needed was there before the story began.
	later := func(f store.Field) store.Filter {
		return append(of[:len(of):len(of)], store.Compare{Field: f, Op: store.Gt, Value: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)})
	}
	var out records
	exact, erased := w.numbering(), w.numbering()
	q := store.Query{Tenant: wireTenant, Where: later(store.FieldCreated), Limit: 1000, Order: []store.Order{{Field: store.FieldCreated}}}
	for _, r := range listed(w, q, w.app.Store.Requests) {
		out.exact = append(out.exact, exact.text(r))
		r.Key = keyless(r.Key)
		out.erased = append(out.erased, erased.text(r))
	}
	for _, v := range listed(w, q, w.app.Store.Schedules) {
		out.exact = append(out.exact, exact.text(v))
		v.Key = keyless(v.Key)
		out.erased = append(out.erased, erased.text(v))
	}
	q.Where, q.Order = later(store.FieldAt), []store.Order{{Field: store.FieldAt}}
	for _, e := range listed(w, q, w.app.Store.Events) {
		out.exact = append(out.exact, exact.text(e))
		e.Key, e.RoleName = keyless(e.Key), ""
		if e.Activity == pim.Refused { // whose words beside the code name rights, which are the provider's own
			e.Reason = refusalCode.FindString(e.Reason)
		}
		out.erased = append(out.erased, erased.text(e))
	}
	return out
}

func listed[T any](w *wire, q store.Query, list func(context.Context, store.Query) (store.Page[T], error)) []T {
	w.Helper()
	page, err := list(w.Context(), q)
	if err != nil {
		w.Fatal(err)
	}
	return page.Rows
}

// numbering turns ids into numbers as it meets them, but for those of the scene, which go by their names.
type numbering struct {
	w    *wire
	seen map[string]string
}

func (w *wire) numbering() numbering {
	n := numbering{w, map[string]string{}}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(w.vars))) {
		if id := w.vars[name]; anyID.FindString(id) == id {
			n.seen[id] = name
		}
	}
	return n
}

func (n numbering) text(record any) string {
	n.w.Helper()
	b, err := json.Marshal(record)
	if err != nil {
		n.w.Fatal(err)
	}
	return anyID.ReplaceAllStringFunc(string(b), func(id string) string {
		if n.seen[id] == "" {
			n.seen[id] = fmt.Sprintf("id-%d", len(n.seen)+1)
		}
		return n.seen[id]
	})
}

func keyless(k pim.Key) pim.Key {
	return pim.Key{Tenant: k.Tenant, Principal: k.Principal}
}

var anyID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// refusalCode is what a refusal's text begins with.
var refusalCode = regexp.MustCompile(`^[^:(]*[^:( ]`)

// tongues are all dialects, by what they speak of.
func tongues() []tongue {
	billing := pim.RoleID("b0f54661-2d74-4c50-afa3-1ec803f12efe")
	roles, groups, resources := graphTongue("graph roles", pim.Directory, billing), graphTongue("graph groups", pim.Group, pim.Member), armTongue()
	return []tongue{
		roles, secondTongue(roles, pim.Everywhere), firstTongue(roles),
		groups, secondTongue(groups, pim.Scope(wireID(21))),
		resources, secondTongue(resources, pim.Scope(armVars()["sub"])),
	}
}

// TestP7OneStoryInEveryDialect: the records that a story leaves are equal, whatever dialect it is told in: to the letter where two
// dialects speak of the same roles, and otherwise once provider, scope and role are erased. Every pair is compared.
func TestP7OneStoryInEveryDialect(t *testing.T) {
	stories := []struct {
		name  string
		brief bool
		tell  func(*telling)
		least int
	}{{"whole", false, wholeStory, 40}, {"brief", true, briefStory, 25}}
	for name, open := range wireEngines() {
		for _, story := range stories {
			t.Run(name+" "+story.name, func(t *testing.T) {
				var told []tongue
				left := map[string]records{}
				for _, s := range tongues() {
					if s.brief && !story.brief {
						continue
					}
					t.Run(s.name, func(t *testing.T) {
						w := newWire(t, open(t), &usage{routes: map[string]int{}})
						s.scene(w)
						story.tell(&telling{wire: w, in: s})
						left[s.name] = s.records(w)
						told = append(told, s)
					})
				}
				for i, a := range told {
					if got := len(left[a.name].exact); got < story.least {
						t.Errorf("the story left %d records only in %s", got, a.name)
					}
					for _, b := range told[:i] {
						want, got := left[b.name].erased, left[a.name].erased
						if a.provider == b.provider {
							want, got = left[b.name].exact, left[a.name].exact
						}
						if i, same := differs(want, got); !same {
							t.Errorf("%s differs from %s first in record %d of %d and %d (-%s +%s):\n%s", a.name, b.name, i, len(want), len(got),
								b.name, a.name, cmp.Diff(at(want, i), at(got, i)))
						}
					}
				}
			})
		}
	}
}

// differs finds the first place at which two lists differ: what follows differs in its numbers alone, mostly.
func differs(a, b []string) (int, bool) {
	for i := range max(len(a), len(b)) {
		if at(a, i) != at(b, i) {
			return i, false
		}
	}
	return 0, true
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
