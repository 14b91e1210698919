package portcullis_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// One story is told in every dialect; what is kept of it must be the same (promise P7). A tongue knows how its dialect says
// what the story needs, and nothing of what follows.
type tongue struct {
	provider pim.Provider
	role     pim.RoleID
	// scene is what the dialect needs before the story: it is no part of it.
	scene func(w *wire)
	// rule edits one rule of the role's policy; members are those of the rule but for its names.
	rule func(w *wire, id, kind, members string)
	// ask sends a request for an eligibility or an assignment and returns its id; "" if it was refused.
	ask func(w *wire, kind pim.Kind, action, who, schedule, reason, ticket string) string
	// answer decides a request; withdraw cancels one. Both say whether it was done.
	answer   func(w *wire, request, result, reason string) bool
	withdraw func(w *wire, kind pim.Kind, request string) bool
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

// graphTongue is that of Microsoft Graph, whose two providers differ in their addresses and in how they name role and scope.
func graphTongue(p pim.Provider, role pim.RoleID) tongue {
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
		provider: p, role: role, scene: func(*wire) {},
		rule: func(w *wire, id, kind, members string) {
			w.send(http.MethodGet, "/v1.0/policies/roleManagementPolicyAssignments?$filter="+policies+" and roleDefinitionId eq '"+string(role)+"'", "")
			policy := w.first("policyId")
			if !w.send(http.MethodPatch, "/v1.0/policies/roleManagementPolicies/"+policy,
				`{"rules":[{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicy`+kind+`Rule","id":"`+id+`",`+members+`}]}`) {
				w.Fatalf("rule %s: %s", id, w.last.Body)
			}
		},
		ask: func(w *wire, k pim.Kind, action, who, schedule, reason, ticket string) string {
			action = strings.ToLower(action[:1]) + action[1:]
			if !w.send(http.MethodPost, set(k), `{"action":"`+action+`","principalId":"${`+who+`}",`+names+`,"justification":"`+reason+
				`","scheduleInfo":`+schedule+`,"ticketInfo":`+ticket+`}`) {
				return ""
			}
			return w.member("id")
		},
		answer: func(w *wire, request, result, reason string) bool {
			return w.send(http.MethodPatch, approvals+request+"/steps/"+request, `{"reviewResult":"`+result+`","justification":"`+reason+`"}`)
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
		provider: pim.Resource, role: pim.RoleID(role),
		scene: func(w *wire) {
			w.plant()
			w.resourceGrant(pim.Assignment, "grace", pim.RoleID(w.vars["Owner"]), w.vars["sub"])
		},
		rule: func(w *wire, id, kind, members string) {
			w.send(http.MethodGet, "${sub}/${pim}/roleManagementPolicies"+version+"&$filter=roleDefinitionId eq '/${pim}/roleDefinitions/"+role+"'", "")
			if !w.send(http.MethodPatch, w.first("id")+version,
				`{"properties":{"rules":[{"ruleType":"RoleManagementPolicy`+kind+`Rule","id":"`+id+`",`+members+`}]}}`) {
				w.Fatalf("rule %s: %s", id, w.last.Body)
			}
		},
		ask: func(w *wire, k pim.Kind, action, who, schedule, reason, ticket string) string {
			asked++
			name := fmt.Sprintf("a7000000-0000-4000-8000-%012d", asked)
			if !w.send(http.MethodPut, set(k)+name+version, `{"properties":{"requestType":"`+action+`","principalId":"${`+who+`}","roleDefinitionId":"${sub}/${pim}/roleDefinitions/`+
				role+`","justification":"`+reason+`","scheduleInfo":`+schedule+`,"ticketInfo":`+ticket+`}}`) {
				return ""
			}
			return name
		},
		answer: func(w *wire, request, result, reason string) bool {
			return w.send(http.MethodPut, "/${pim}/roleAssignmentApprovals/"+request+"/stages/"+request+"?api-version=2021-01-01-preview",
				`{"properties":{"reviewResult":"`+result+`","justification":"`+reason+`"}}`)
		},
		withdraw: func(w *wire, k pim.Kind, request string) bool {
			return w.send(http.MethodPost, set(k)+request+"/cancel"+version, "")
		},
	}
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

const (
	days  = `{"startDateTime":null,"expiration":{"type":"AfterDuration","duration":"P30D"}}`
	hours = `{"startDateTime":null,"expiration":{"type":"AfterDuration","duration":"PT2H"}}`
	none  = `{"ticketNumber":null,"ticketSystem":null}`
	desk  = `{"ticketNumber":"4711","ticketSystem":"desk"}`
)

// tell tells the story: time passes before each step, so that records can be put in order by their times.
func (s tongue) tell(w *wire) {
	w.Helper()
	step := func(who string, ok bool, do func() bool) {
		w.Helper()
		w.pass(time.Minute)
		w.caller, w.mfa = who, true
		if got := do(); got != ok {
			w.Fatalf("a step of %s: got %v with %s, want %v", who, got, w.last.Body, ok)
		}
	}
	last := ""
	ask := func(k pim.Kind, action, schedule, reason, ticket string) func() bool {
		return func() bool {
			id := s.ask(w, k, action, "alice", schedule, reason, ticket)
			if id != "" {
				last = id
			}
			return id != ""
		}
	}
	rule := func(id, kind, members string) {
		step("grace", true, func() bool { s.rule(w, id, kind, members); return true })
	}
	rule("Expiration_Admin_Eligibility", "Expiration", `"isExpirationRequired":true,"maximumDuration":"P365D"`)
	rule("Enablement_EndUser_Assignment", "Enablement", `"enabledRules":["Justification"]`)
	rule("Expiration_EndUser_Assignment", "Expiration", `"isExpirationRequired":true,"maximumDuration":"PT4H"`)
	step("alice", false, ask(pim.Assignment, "SelfActivate", hours, "not eligible yet", none))
	step("bob", false, ask(pim.Eligibility, "AdminAssign", days, "nobody asked bob", none))
	step("grace", true, ask(pim.Eligibility, "AdminAssign", days, "month end", desk))
	step("grace", false, ask(pim.Eligibility, "AdminAssign", days, "again", desk))
	step("alice", false, ask(pim.Assignment, "SelfActivate", hours, "", none))
	step("alice", true, ask(pim.Assignment, "SelfActivate", hours, "close the books", desk))
	w.pass(10 * time.Minute)
	step("alice", true, ask(pim.Assignment, "SelfDeactivate", hours, "done", none))
	rule("Approval_EndUser_Assignment", "Approval", `"setting":{"isApprovalRequired":true,"approvalStages":[{"approvalStageTimeOutInDays":1,"isApproverJustificationRequired":true,
		"primaryApprovers":[{"@odata.type":"#microsoft.graph.singleUser","userType":"User","userId":"${ana}","id":"${ana}"}]}]}`)
	step("alice", true, ask(pim.Assignment, "SelfActivate", hours, "with leave", none))
	step("alice", false, ask(pim.Assignment, "SelfActivate", hours, "twice", none))
	step("alice", false, func() bool { return s.answer(w, last, "Approve", "my own") })
	step("bob", false, func() bool { return s.answer(w, last, "Approve", "not asked") })
	step("ana", true, func() bool { return s.answer(w, last, "Approve", "go on") })
	w.pass(3 * time.Hour) // it ends by itself
	step("alice", true, ask(pim.Assignment, "SelfActivate", hours, "once more", none))
	step("ana", true, func() bool { return s.answer(w, last, "Deny", "enough") })
	step("alice", true, ask(pim.Assignment, "SelfActivate", hours, "please", none))
	step("alice", true, func() bool { return s.withdraw(w, pim.Assignment, last) })
	step("alice", true, ask(pim.Assignment, "SelfActivate", hours, "nobody answers", none))
	w.pass(25 * time.Hour) // nobody answered
	step("grace", true, ask(pim.Eligibility, "AdminExtend", `{"expiration":{"type":"AfterDuration","duration":"P60D"}}`, "longer", none))
	step("alice", true, ask(pim.Assignment, "SelfActivate", hours, "the last", none))
	step("ana", true, func() bool { return s.answer(w, last, "Approve", "the last") })
	w.pass(10 * time.Minute)
	step("grace", true, ask(pim.Eligibility, "AdminRemove", hours, "moved on", none))
	w.pass(time.Hour)
}

// records are what is kept of a story, with provider, scope, role and all ids erased: ids are numbered as they are met.
func (s tongue) records(w *wire) []string {
	w.Helper()
	of := store.And{store.Is(store.FieldProvider, string(s.provider)), store.Is(store.FieldRole, string(s.role))}
	var out []string
	seen := map[string]string{}
	add := func(record any) {
		b, err := json.Marshal(record)
		if err != nil {
			w.Fatal(err)
		}
		text := anyID.ReplaceAllStringFunc(string(b), func(id string) string {
			for name, n := range wirePeople() {
				if id == wireID(n) {
					return name
				}
			}
			if seen[id] == "" {
				seen[id] = fmt.Sprintf("id-%d", len(seen)+1)
			}
			return seen[id]
		})
		out = append(out, text)
	}
	// What the scene needed was there before the story began.
	later := func(f store.Field) store.Filter {
		return append(of[:len(of):len(of)], store.Compare{Field: f, Op: store.Gt, Value: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)})
	}
	q := store.Query{Tenant: wireTenant, Where: later(store.FieldCreated), Limit: 1000, Order: []store.Order{{Field: store.FieldCreated}}}
	requests, err := w.app.Store.Requests(w.Context(), q)
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range requests.Rows {
		r.Key = erased(r.Key)
		add(r)
	}
	schedules, err := w.app.Store.Schedules(w.Context(), q)
	if err != nil {
		w.Fatal(err)
	}
	for _, v := range schedules.Rows {
		v.Key = erased(v.Key)
		add(v)
	}
	q.Where, q.Order = later(store.FieldAt), []store.Order{{Field: store.FieldAt}}
	events, err := w.app.Store.Events(w.Context(), q)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range events.Rows {
		e.Key, e.RoleName = erased(e.Key), ""
		if e.Activity == pim.Refused { // whose words beside the code name rights, which are the provider's own
			e.Reason = refusalCode.FindString(e.Reason)
		}
		add(e)
	}
	return out
}

func erased(k pim.Key) pim.Key {
	return pim.Key{Tenant: k.Tenant, Principal: k.Principal}
}

var anyID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// refusalCode is what a refusal's text begins with.
var refusalCode = regexp.MustCompile(`^[^:(]*[^:( ]`)

// TestP7OneStoryInEveryDialect: a story told through Microsoft Graph, for roles and for groups, and through Azure Resource
// Manager leaves records that are equal once provider, scope and role are erased.
func TestP7OneStoryInEveryDialect(t *testing.T) {
	tongues := map[string]tongue{
		"graph groups": graphTongue(pim.Group, pim.Member),
		"arm":          armTongue(),
	}
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			told := func(s tongue) []string {
				w := newWire(t, open(t), &usage{routes: map[string]int{}})
				s.scene(w)
				s.tell(w)
				return s.records(w)
			}
			want := told(graphTongue(pim.Directory, "b0f54661-2d74-4c50-afa3-1ec803f12efe"))
			if len(want) < 40 {
				t.Fatalf("the story left %d records only", len(want))
			}
			for name, s := range tongues {
				if diff := cmp.Diff(want, told(s)); diff != "" {
					t.Errorf("%s differs from graph roles (-roles +%s):\n%s", name, name, diff)
				}
			}
		})
	}
}
