package portcullis_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/api/arm"
	"portcullis/internal/api/openapi"
	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
)

// TestARMConversations speaks what clients of Azure Resource Manager send: the shapes that the reference lists, and bad ones.
func TestARMConversations(t *testing.T) {
	conversations(t, "arm", func(route string) bool { return ofARM(route) && !notOfferedByARM(route) })
}

// notOfferedByARM says whether a route is there to refuse: alerts and access reviews, but for their lists, which are empty.
func notOfferedByARM(route string) bool {
	_, rest, _ := strings.Cut(route, " /providers/Microsoft.Authorization/")
	list := strings.HasPrefix(route, "GET ") && !strings.Contains(rest, "/")
	return !list && (strings.HasPrefix(rest, "roleManagementAlert") || strings.HasPrefix(rest, "accessReview"))
}

// ofARM says whether an operation is one of Azure Resource Manager's, which go by their whole address.
func ofARM(route string) bool { return strings.Contains(route, " /") }

// everything is what the one who sets the scene may do to resources.
type everything struct{}

func (everything) May(rbac.Operation, pim.Scope, abac.Attributes) rbac.Verdict { return rbac.Allowed }

// scenery sets the scene: a Global Administrator who may do everything to resources, too.
func (w *wire) scenery() pim.Caller {
	by := w.app.Caller(wireTenant, pim.Caller{MFA: true, Actor: pim.Actor{Principal: pim.PrincipalID(wireID(1)), Kind: pim.UserPrincipal}})
	by.Rights = everything{}
	return by
}

// armVars are names for roles of resources and for places of the tree that plant makes.
func armVars() map[string]string {
	vars := map[string]string{"works": wireID(71), "office": wireID(72)}
	for name, role := range map[string]string{"Owner": "Owner", "UserAccess": "User Access Administrator", "Reader": "Reader", "Contributor": "Contributor",
		"RoleAdmin": "Role Based Access Control Administrator"} {
		i := slices.IndexFunc(catalog.AzureRoles(), func(r *rbac.Role) bool { return r.Name == role })
		vars[name] = catalog.AzureRoles()[i].ID
	}
	vars["sub"] = "/subscriptions/" + vars["works"]
	vars["rg"] = vars["sub"] + "/resourceGroups/rg-1"
	vars["db"] = vars["rg"] + "/providers/Microsoft.Sql/servers/press/databases/recipes"
	vars["plant"] = "/providers/Microsoft.Management/managementGroups/plant"
	vars["pim"] = "providers/Microsoft.Authorization"
	return vars
}

// plant makes the tree of a "tree" line without a place: the management group plant with line in it, in that the subscription
// works with the resource groups rg-1, with a database in it, and rg-10, and beside line the subscription office.
func (w *wire) plant() {
	w.Helper()
	for _, line := range []string{
		"${plant} / Plant", "/providers/Microsoft.Management/managementGroups/line ${plant} Line 1",
		"${sub} /providers/Microsoft.Management/managementGroups/line Works", "/subscriptions/${office} ${plant} Office",
		"${rg}", "${sub}/resourceGroups/rg-10", "${rg}/providers/Microsoft.Sql/servers/press", "${db}",
	} {
		w.tree(strings.Fields(w.fill(line)))
	}
}

// tree makes a node: its id, what it is below, and its display name.
func (w *wire) tree(words []string) {
	w.Helper()
	if len(words) == 0 {
		w.plant()
		return
	}
	n, err := resource.ParseFor(wireTenant, words[0])
	if err == nil && len(words) > 1 {
		var above resource.Node
		above, err = resource.ParseFor(wireTenant, words[1])
		n.Parent, n.DisplayName = above.Scope, strings.Join(words[2:], " ")
	}
	if err == nil {
		_, _, err = w.app.PutNode(w.Context(), w.scenery(), n)
	}
	if err != nil {
		w.Fatalf("tree %v: %v", words, err)
	}
}

// resourceGrant makes somebody active, for ever and outside PIM, or eligible, for a year, at a place of the tree.
func (w *wire) resourceGrant(k pim.Kind, name string, role pim.RoleID, place string) {
	w.Helper()
	n, err := resource.ParseFor(wireTenant, strings.TrimPrefix(place, "root"))
	if err != nil {
		w.Fatal(err)
	}
	ask := pim.Ask{By: w.scenery(), Action: pim.AssignOutside, Kind: k, Justification: "the scene",
		Key: pim.Key{Tenant: wireTenant, Provider: pim.Resource, Scope: n.Scope, Role: role, Principal: pim.PrincipalID(w.vars[name])}}
	if k == pim.Eligibility {
		ask.Action = pim.AdminAssign
		ask.Schedule.Expiration = schedule.Expiration{Kind: schedule.AfterDateTime, End: w.time().Add(364 * 24 * time.Hour)}
	}
	if _, err := w.app.Do(w.Context(), ask); err != nil {
		w.Fatalf("grant %s to %s at %s: %v", role, name, place, err)
	}
}

// ofResources says whether a scope of a "grant" line is a place of the tree: root is its root, for "/" is the directory.
func ofResources(scope string) bool {
	return scope == "root" || strings.HasPrefix(scope, "/subscriptions/") || strings.HasPrefix(scope, "/providers/")
}

var armDescription = sync.OnceValues(openapi.Load)

// checkARM holds rows against the published description at the version of the last call.
func (w *wire) checkARM(typ string, row any) []error {
	w.Helper()
	d, err := armDescription()
	if err != nil {
		w.Fatal(err)
	}
	return d.Check(typ, w.version, row)
}

// TestARMGuardsItsRoutes walks every route: without a token, with one that permits too little, without a version, with one that
// is none, by somebody without a role, and with a token of another tenant, nothing is told.
func TestARMGuardsItsRoutes(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.plant()
	at := strings.NewReplacer("{subscription}", w.vars["works"], "{group}", "rg-1", "{path...}", "Microsoft.Sql/servers/press")
	for _, r := range arm.New(w.app).Routes() {
		path := regexp.MustCompile(`\{[\w.]+\}`).ReplaceAllString(at.Replace(r.Pattern), w.vars["alice"])
		if strings.HasPrefix(path, "/"+w.vars["pim"]) {
			path = w.vars["sub"] + path
		}
		refused := func(what, target string, want int, code string) {
			t.Helper()
			rec := w.call(r.Method, target, nil, []byte("{}"))
			if rec.Code != want || r.Method != http.MethodHead && !strings.Contains(rec.Body.String(), `"code":"`+code) {
				t.Errorf("%s %s with %s: got %d with %s, want %d %s", r.Method, target, what, rec.Code, rec.Body, want, code)
			}
		}
		const version = "?api-version=2020-10-01"
		if r.Access.Open {
			continue
		}
		w.caller, w.may = "nobody", allPermissions()
		refused("no token", path+version, http.StatusUnauthorized, "AuthenticationFailed")
		if challenge := w.last.Header().Get("WWW-Authenticate"); !strings.Contains(challenge, `authorization_uri="https://`) || !strings.Contains(challenge, `error="invalid_token"`) {
			t.Errorf("%s %s without a token: got the challenge %s", r.Method, path, challenge)
		}
		w.caller, w.may = "grace", []string{"Nothing.Read"}
		refused("too small a permission", path+version, http.StatusForbidden, "AuthorizationFailed")
		w.may = allPermissions()
		refused("no version", path, http.StatusBadRequest, "MissingApiVersionParameter")
		refused("a bad version", path+"?api-version=latest", http.StatusBadRequest, "InvalidApiVersionParameter")
		for _, caller := range []string{"stranger", "gus"} {
			w.caller = caller
			rec := w.call(r.Method, path+version, http.Header{}, []byte("{}"))
			if body := rec.Body.String(); strings.Contains(body, "Alice") || strings.Contains(body, `"Works"`) || rec.Code >= 500 ||
				caller == "stranger" && (strings.Contains(body, "contoso") || strings.Contains(body, wireTenant)) {
				t.Errorf("%s %s by %s: got %d with %s", r.Method, path, caller, rec.Code, body)
			}
		}
	}
}

// TestARMPagesAreComplete follows every nextLink, whatever the size of the pages: each row comes once.
func TestARMPagesAreComplete(t *testing.T) {
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, open(t), &usage{routes: map[string]int{}})
			w.plant()
			w.resourceGrant(pim.Assignment, "owen", pim.RoleID(w.vars["Owner"]), w.vars["plant"])
			for _, role := range []string{"Reader", "Contributor"} {
				for _, who := range []string{"alice", "bob", "mia", "keepers"} {
					for _, at := range []string{"sub", "rg"} {
						w.resourceGrant(pim.Eligibility, who, pim.RoleID(w.vars[role]), w.vars[at])
					}
				}
			}
			w.caller = "owen"
			at := w.vars["rg"] + "/" + w.vars["pim"] + "/"
			for list, rows := range map[string]int{
				"roleEligibilitySchedules?": 16, "roleEligibilityScheduleInstances?": 16, "roleEligibilityScheduleRequests?": 16,
				"roleEligibilitySchedules?$filter=assignedTo('" + w.vars["bob"] + "')&": 8, "roleEligibilityScheduleInstances?$filter=roleDefinitionId eq '" + w.vars["Reader"] + "'&": 8,
				"roleAssignments?": 1, "roleAssignmentSchedules?": 1,
			} {
				target := at + list + "api-version=2020-10-01"
				want := w.pages(target)
				if len(want) != rows {
					t.Errorf("%s: got %d rows, want %d", list, len(want), rows)
				}
				for _, top := range []string{"1", "3", "5"} {
					if got := w.pages(target + "&$top=" + top); !slices.Equal(got, want) {
						t.Errorf("%s by %s: got %d rows, want %d", list, top, len(got), len(want))
					}
				}
			}
		})
	}
}

// TestARMWithoutItsStore: a store that is gone, and a clock that was set back, are told as what passes by itself.
func TestARMWithoutItsStore(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, s, &usage{routes: map[string]int{}})
	w.plant()
	w.resourceGrant(pim.Assignment, "owen", pim.RoleID(w.vars["Owner"]), w.vars["sub"])
	w.caller = "owen"
	later := func(rec *httptest.ResponseRecorder) {
		t.Helper()
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Body.String(), `"ServerBusy"`) {
			t.Errorf("got %d %v with %s, want 503 with Retry-After", rec.Code, rec.Header(), rec.Body)
		}
	}
	at := w.vars["sub"] + "/" + w.vars["pim"] + "/"
	w.app.SawTime(w.now.Add(time.Hour))
	body := w.fill(`{"properties": {"principalId": "${alice}", "roleDefinitionId": "${Reader}", "requestType": "AdminAssign",
		"scheduleInfo": {"expiration": {"type": "AfterDuration", "duration": "P1D"}}}}`)
	later(w.call(http.MethodPut, at+"roleEligibilityScheduleRequests/"+wireID(900)+"?api-version=2020-10-01", nil, []byte(body)))
	if got := w.call(http.MethodGet, at+"roleAssignments?api-version=2022-04-01", nil, nil).Code; got != http.StatusOK {
		t.Errorf("reading with the clock set back: got %d, want 200", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"roleAssignments", "roleEligibilitySchedules", "roleAssignmentScheduleRequests", "eligibleChildResources"} {
		later(w.call(http.MethodGet, at+list+"?api-version=2020-10-01", nil, nil))
	}
}

// asking counts what is asked of a store for lists.
type asking struct {
	store.Store
	asked int
}

func (a *asking) Requests(ctx context.Context, q store.Query) (store.Page[pim.Request], error) {
	a.asked++
	return a.Store.Requests(ctx, q)
}

func (a *asking) Schedules(ctx context.Context, q store.Query) (store.Page[pim.Schedule], error) {
	a.asked++
	return a.Store.Schedules(ctx, q)
}

func (a *asking) ObjectsByID(ctx context.Context, t pim.TenantID, ids []pim.PrincipalID) ([]directory.Object, error) {
	a.asked++
	return a.Store.ObjectsByID(ctx, t, ids)
}

func (a *asking) ResourcesByScope(ctx context.Context, t pim.TenantID, s []pim.Scope) ([]resource.Node, error) {
	a.asked++
	return a.Store.ResourcesByScope(ctx, t, s)
}

// TestARMListsAskForAllRowsAtOnce: however many rows a page has, the store is asked as often as for one.
func TestARMListsAskForAllRowsAtOnce(t *testing.T) {
	s := &asking{Store: &storetest.Model{}}
	w := newWire(t, s, &usage{routes: map[string]int{}})
	w.plant()
	for _, who := range []string{"alice", "bob", "mia", "ana", "gus", "keepers"} {
		for _, at := range []string{"sub", "rg", "db"} {
			w.resourceGrant(pim.Eligibility, who, pim.RoleID(w.vars["Reader"]), w.vars[at])
			w.resourceGrant(pim.Assignment, who, pim.RoleID(w.vars["Reader"]), w.vars[at])
		}
	}
	for _, list := range []string{"roleEligibilitySchedules", "roleEligibilityScheduleInstances", "roleEligibilityScheduleRequests", "roleAssignmentSchedules",
		"roleAssignmentScheduleInstances", "roleAssignments"} {
		target := w.vars["sub"] + "/" + w.vars["pim"] + "/" + list + "?api-version=2024-09-01-preview&$top="
		w.caller = "alice"
		one := w.rowsAndQuestions(s, target+"1")
		if all := w.rowsAndQuestions(s, target+"100"); one.rows != 1 || all.rows < 18 || all.asked > one.asked || one.asked > 5 {
			t.Errorf("%s: %d questions for %d rows, %d for %d", list, one.asked, one.rows, all.asked, all.rows)
		}
	}
}

type rowsAndQuestions struct{ rows, asked int }

func (w *wire) rowsAndQuestions(s *asking, target string) rowsAndQuestions {
	w.Helper()
	s.asked = 0
	rec := w.call(http.MethodGet, target, nil, nil)
	var page struct{ Value []json.RawMessage }
	if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || rec.Code != http.StatusOK {
		w.Fatalf("%s: got %d with %s", target, rec.Code, rec.Body)
	}
	return rowsAndQuestions{len(page.Value), s.asked}
}
