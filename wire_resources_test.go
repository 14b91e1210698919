package portcullis_test

import (
	"net/http"
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
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
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
