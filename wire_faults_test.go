package portcullis_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api/arm"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// TestARMRefusesBadBodies sends every route that takes a body what is none: each is told so in the dialect's own words, or, where
// no body is needed, not looked at; never is it a fault of the server.
func TestARMRefusesBadBodies(t *testing.T) {
	deep := strings.Repeat(`{"properties":`, 70) + "1" + strings.Repeat("}", 70)
	wrong := `{"name": 5, "location": [], "tags": 7, "properties": {"roleDefinitionId": 5, "principalId": {}, "requestType": [], "scheduleInfo": "x",
		"rules": {}, "permissions": 7, "displayName": [], "roleName": 1, "assignableScopes": {}, "principals": "x", "reviewResult": 3}, "requests": {}, "query": 4, "nodes": 1}`
	bodies := []string{"", "[]", "5", `"x"`, "{", "\x00", "{}", `{"properties":[]}`, `{"properties":5}`, `{"properties":{}}`, wrong, deep, strings.Repeat(" ", 1<<20+1)}
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.plant()
	w.resourceGrant(pim.Assignment, "owen", pim.RoleID(w.vars["Owner"]), "root")
	w.caller = "owen"
	at := strings.NewReplacer("{subscription}", w.vars["works"], "{group}", "rg-1", "{path...}", "Microsoft.Sql/servers/press", "{name}", wireID(777), "{id}", wireID(777))
	for _, r := range arm.New(w.app).Routes() {
		if !slices.Contains([]string{http.MethodPut, http.MethodPost, http.MethodPatch}, r.Method) {
			continue
		}
		path := regexp.MustCompile(`\{[\w.]+\}`).ReplaceAllString(at.Replace(r.Pattern), w.vars["alice"])
		if strings.HasPrefix(path, "/"+w.vars["pim"]) && !strings.HasSuffix(path, "elevateAccess") {
			path = w.vars["sub"] + path
		}
		for _, body := range bodies {
			rec := w.call(r.Method, path+"?api-version=2020-10-01", http.Header{"Content-Type": {"application/json"}}, []byte(body))
			var told struct {
				Error struct{ Code, Message string }
			}
			switch {
			case rec.Code >= http.StatusInternalServerError:
				t.Errorf("%s %s with %.60q: got %d with %s", r.Method, path, body, rec.Code, rec.Body)
			case rec.Code < http.StatusBadRequest:
			case json.Unmarshal(rec.Body.Bytes(), &told) != nil || told.Error.Code == "" || told.Error.Message == "":
				t.Errorf("%s %s with %.60q: got %d with %s, want an error in the dialect's form", r.Method, path, body, rec.Code, rec.Body)
			}
		}
	}
}

// failing is a real store that, when told so, is gone at the moment of writing.
type failing struct {
	store.Store
	fails bool
}

func (f *failing) Commit(ctx context.Context, c store.Commit) error {
	if f.fails {
		return store.ErrUnavailable
	}
	return f.Store.Commit(ctx, c)
}

// writes are calls of each kind that changes something, in an order in which each can be done.
func armWrites() []struct{ method, path, body string } {
	const (
		pimVersion, rbac, tree = "?api-version=2020-10-01", "?api-version=2022-04-01", "?api-version=2021-04-01"
		days                   = `"scheduleInfo":{"expiration":{"type":"AfterDuration","duration":"P30D"}}`
		hour                   = `"scheduleInfo":{"expiration":{"type":"AfterDuration","duration":"PT1H"}}`
		reader                 = `"roleDefinitionId":"${sub}/${pim}/roleDefinitions/${Reader}","principalId":"${owen}"`
		id                     = "5c3e0000-0000-4000-8000-0000000077"
	)
	return []struct{ method, path, body string }{
		{http.MethodPut, "/subscriptions/" + id + "01" + tree, `{"displayName":"Other"}`},
		{http.MethodPut, "/providers/Microsoft.Management/managementGroups/annex" + tree, `{"properties":{"displayName":"Annex"}}`},
		{http.MethodPut, "/providers/Microsoft.Management/managementGroups/annex/subscriptions/" + id + "01" + tree, ""},
		{http.MethodPut, "/subscriptions/" + id + "01/resourceGroups/shelf" + tree, `{"location":"here"}`},
		{http.MethodPut, "/subscriptions/" + id + "01/resourceGroups/shelf/providers/Acme.Shop/kiosks/front" + tree, `{"location":"here"}`},
		{http.MethodPatch, "/subscriptions/" + id + "01/resourceGroups/shelf" + tree, `{"tags":{"a":"b"}}`},
		{http.MethodPut, "${sub}/${pim}/roleDefinitions/" + id + "02" + rbac, `{"properties":{"roleName":"Clerk","assignableScopes":["${sub}"],"permissions":[{"actions":["*/read"]}]}}`},
		{http.MethodPut, "${sub}/${pim}/roleAssignments/" + id + "03" + rbac, `{"properties":{"roleDefinitionId":"${sub}/${pim}/roleDefinitions/` + id + `02","principalId":"${bob}"}}`},
		{http.MethodPut, "${rg}/${pim}/denyAssignments/" + id + "04" + rbac, `{"properties":{"denyAssignmentName":"no","permissions":[{"actions":["Microsoft.Sql/*"]}],"principals":[{"id":"${gus}","type":"User"}]}}`},
		{http.MethodPut, "${sub}/${pim}/roleEligibilityScheduleRequests/" + id + "05" + pimVersion, `{"properties":{"requestType":"AdminAssign",` + reader + `,` + days + `}}`},
		{http.MethodPut, "${sub}/${pim}/roleAssignmentScheduleRequests/" + id + "06" + pimVersion, `{"properties":{"requestType":"SelfActivate","justification":"j",` + reader + `,` + hour + `}}`},
		{http.MethodPut, "${rg}/${pim}/roleAssignmentScheduleRequests/" + id + "07" + pimVersion,
			`{"properties":{"requestType":"SelfActivate","justification":"j",` + reader + `,"scheduleInfo":{"startDateTime":"2026-03-03T09:00:00Z","expiration":{"type":"AfterDuration","duration":"PT1H"}}}}`},
		{http.MethodPost, "${rg}/${pim}/roleAssignmentScheduleRequests/" + id + "07/cancel" + pimVersion, ""},
		{http.MethodDelete, "${rg}/${pim}/denyAssignments/" + id + "04" + rbac, ""},
		{http.MethodDelete, "${sub}/${pim}/roleAssignments/" + id + "03" + rbac, ""},
		{http.MethodDelete, "${sub}/${pim}/roleDefinitions/" + id + "02" + rbac, ""},
		{http.MethodPost, "/subscriptions/" + id + "01/resourceGroups/shelf/moveResources" + tree,
			`{"resources":["/subscriptions/` + id + `01/resourceGroups/shelf/providers/Acme.Shop/kiosks/front"],"targetResourceGroup":"${rg}"}`},
		{http.MethodDelete, "/subscriptions/" + id + "01/resourceGroups/shelf" + tree, ""},
		{http.MethodPost, "/providers/Portcullis.Resources/import" + tree, `{"nodes":[{"id":"/subscriptions/` + id + `08","displayName":"Brought"}]}`},
		{http.MethodDelete, "/subscriptions/" + id + "01" + tree, ""},
	}
}

// TestARMWritesAllOrNothing: where the store goes away in the middle of a write, the caller is told to come again, nothing of it is
// there, and the same call is then done as if it were the first time. A call that was done, sent once more, makes nothing twice.
func TestARMWritesAllOrNothing(t *testing.T) {
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			f := &failing{Store: open(t)}
			w := newWire(t, f, &usage{routes: map[string]int{}})
			w.plant()
			w.resourceGrant(pim.Assignment, "owen", pim.RoleID(w.vars["Owner"]), "root")
			w.caller, w.mfa = "owen", true
			for _, c := range armWrites() {
				send := func() int {
					return w.call(c.method, w.fill(c.path), http.Header{"Content-Type": {"application/json"}}, []byte(w.fill(c.body))).Code
				}
				before := w.everythingKept()
				f.fails = true
				if got := send(); got != http.StatusServiceUnavailable || w.last.Header().Get("Retry-After") == "" {
					t.Errorf("%s %s with the store gone: got %d with %s, want 503", c.method, c.path, got, w.last.Body)
				}
				f.fails = false
				if diff := cmp.Diff(before, w.everythingKept()); diff != "" {
					t.Errorf("%s %s with the store gone left something (-before +after):\n%s", c.method, c.path, diff)
				}
				if got := send(); got >= http.StatusMultipleChoices {
					t.Fatalf("%s %s again: got %d with %s", c.method, c.path, got, w.last.Body)
				}
				done := w.everythingKept()
				if got := send(); got >= http.StatusInternalServerError {
					t.Errorf("%s %s once more: got %d with %s", c.method, c.path, got, w.last.Body)
				}
				if now := w.everythingKept(); len(now.Schedules) != len(done.Schedules) || len(now.Requests) != len(done.Requests) || len(now.Nodes) != len(done.Nodes) {
					t.Errorf("%s %s once more made something twice", c.method, c.path)
				}
			}
		})
	}
}

// kept is what a store has of a tenant's resources.
type kept struct{ Nodes, Schedules, Requests, Denials, Events []string }

func (w *wire) everythingKept() kept {
	w.Helper()
	q := store.Query{Tenant: wireTenant, Limit: 1000}
	var k kept
	k.Nodes = keptRows(w, &q, w.app.Store.Resources)
	k.Schedules = keptRows(w, &q, w.app.Store.Schedules)
	k.Requests = keptRows(w, &q, w.app.Store.Requests)
	k.Denials = keptRows(w, &q, w.app.Store.Denials)
	k.Events = keptRows(w, &q, w.app.Store.Events)
	return k
}

func keptRows[T any](w *wire, q *store.Query, list func(context.Context, store.Query) (store.Page[T], error)) []string {
	w.Helper()
	page, err := list(w.Context(), *q)
	if err != nil {
		w.Fatal(err)
	}
	var rows []string
	for _, r := range page.Rows {
		b, err := json.Marshal(r)
		if err != nil {
			w.Fatal(err)
		}
		rows = append(rows, string(b))
	}
	return rows
}
