package portcullis_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api"
	"portcullis/internal/api/arm"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// TestARMRefusesBadBodies: see refusesBadBodies.
func TestARMRefusesBadBodies(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.plant()
	w.resourceGrant(pim.Assignment, "owen", pim.RoleID(w.vars["Owner"]), "root")
	w.caller = "owen"
	at := strings.NewReplacer("{subscription}", w.vars["works"], "{group}", "rg-1", "{path...}", "Microsoft.Sql/servers/press", "{name}", wireID(777), "{id}", wireID(777))
	w.refusesBadBodies(arm.New(w.app).Routes(), func(pattern string) string {
		path := wildcard.ReplaceAllString(at.Replace(pattern), w.vars["alice"])
		if strings.HasPrefix(path, "/"+w.vars["pim"]) && !strings.HasSuffix(path, "elevateAccess") {
			path = w.vars["sub"] + path
		}
		return path + "?api-version=2020-10-01"
	}, `{"properties":[]}`, `{"properties":5}`, `{"properties":{}}`,
		`{"name": 5, "location": [], "tags": 7, "properties": {"roleDefinitionId": 5, "principalId": {}, "requestType": [], "scheduleInfo": "x",
		"rules": {}, "permissions": 7, "displayName": [], "roleName": 1, "assignableScopes": {}, "principals": "x", "reviewResult": 3}, "requests": {}, "query": 4, "nodes": 1}`)
}

var wildcard = regexp.MustCompile(`\{[\w.]+\}`)

// refusesBadBodies sends every route that takes a body what is none: each is told so in the dialect's own words, or, where no body is
// needed, not looked at; never is it a fault of the server.
func (w *wire) refusesBadBodies(routes []api.Route, address func(pattern string) string, more ...string) {
	w.Helper()
	deep := strings.Repeat(`{"properties":`, 70) + "1" + strings.Repeat("}", 70)
	bodies := append([]string{"", "[]", "5", `"x"`, "{", "\x00", "{}", "null", deep, strings.Repeat(" ", 1<<20+1)}, more...)
	for _, r := range routes {
		if !slices.Contains([]string{http.MethodPut, http.MethodPost, http.MethodPatch}, r.Method) {
			continue
		}
		path := address(r.Pattern)
		for _, body := range bodies {
			rec := w.call(r.Method, path, http.Header{"Content-Type": {"application/json"}}, []byte(w.fill(body)))
			var told struct {
				Error struct{ Code, Message string }
			}
			switch {
			case rec.Code >= http.StatusInternalServerError:
				w.Errorf("%s %s with %.60q: got %d with %s", r.Method, path, body, rec.Code, rec.Body)
			case rec.Code < http.StatusBadRequest:
			case json.Unmarshal(rec.Body.Bytes(), &told) != nil || told.Error.Code == "" || told.Error.Message == "":
				w.Errorf("%s %s with %.60q: got %d with %s, want an error in the dialect's form", r.Method, path, body, rec.Code, rec.Body)
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

// writing is a call that changes something. A path may begin with who calls: "alice: /beta/…".
type writing struct{ method, path, body string }

// pause lets time pass, for as long as the path says, instead of a call; anew is before a method whose call is a change of its own
// each time.
const (
	pause = "pause"
	anew  = "anew "
)

// armWrites are calls of each kind, in an order in which each can be done.
func armWrites() []writing {
	const (
		pimVersion, rbac, tree = "?api-version=2020-10-01", "?api-version=2022-04-01", "?api-version=2021-04-01"
		days                   = `"scheduleInfo":{"expiration":{"type":"AfterDuration","duration":"P30D"}}`
		hour                   = `"scheduleInfo":{"expiration":{"type":"AfterDuration","duration":"PT1H"}}`
		reader                 = `"roleDefinitionId":"${sub}/${pim}/roleDefinitions/${Reader}","principalId":"${owen}"`
		id                     = "5c3e0000-0000-4000-8000-0000000077"
	)
	return []writing{
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

// TestARMWritesAllOrNothing: see writesAllOrNothing.
func TestARMWritesAllOrNothing(t *testing.T) {
	writesAllOrNothing(t, func(w *wire) []writing {
		w.plant()
		w.resourceGrant(pim.Assignment, "owen", pim.RoleID(w.vars["Owner"]), "root")
		w.caller, w.mfa = "owen", true
		return armWrites()
	})
}

// writesAllOrNothing: where the store goes away in the middle of a write, the caller is told to come again, nothing of it is there,
// and the same call is then done as if it were the first time. A call that was done, sent once more, makes nothing twice.
func writesAllOrNothing(t *testing.T, scene func(*wire) []writing) {
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			f := &failing{Store: open(t)}
			w := newWire(t, f, &usage{routes: map[string]int{}})
			for _, c := range scene(w) {
				if c.method == pause {
					length, err := time.ParseDuration(c.path)
					if err != nil {
						t.Fatal(err)
					}
					w.pass(length)
					continue
				}
				if who, path, ok := strings.Cut(c.path, ": "); ok {
					w.caller, c.path = who, path
				}
				w.writesAllOrNothing(f, c)
			}
		})
	}
}

func (w *wire) writesAllOrNothing(f *failing, c writing) {
	w.Helper()
	method, again := strings.CutPrefix(c.method, anew)
	c.method = method
	send := func() int {
		rec := w.call(c.method, w.fill(c.path), http.Header{"Content-Type": {"application/json"}}, []byte(w.fill(c.body)))
		return rec.Code
	}
	before := w.everythingKept()
	f.fails = true
	if got := send(); got != http.StatusServiceUnavailable || w.last.Header().Get("Retry-After") == "" {
		w.Errorf("%s %s with the store gone: got %d with %s, want 503", c.method, c.path, got, w.last.Body)
	}
	f.fails = false
	if diff := cmp.Diff(before, w.everythingKept()); diff != "" {
		w.Errorf("%s %s with the store gone left something (-before +after):\n%s", c.method, c.path, diff)
	}
	if got := send(); got >= http.StatusMultipleChoices {
		w.Fatalf("%s %s again: got %d with %s", c.method, c.path, got, w.last.Body)
	}
	w.remember()
	done := w.everythingKept()
	if got := send(); got >= http.StatusInternalServerError {
		w.Errorf("%s %s once more: got %d with %s", c.method, c.path, got, w.last.Body)
	}
	now := w.everythingKept()
	if !again && (len(now.Schedules) != len(done.Schedules) || len(now.Requests) != len(done.Requests) || len(now.Nodes) != len(done.Nodes)) {
		w.Errorf("%s %s with %s once more made something twice", c.method, c.path, c.body)
	}
}

// remember keeps the id in the last answer, where it has one, as ${made}.
func (w *wire) remember() {
	var in struct{ ID string }
	if json.Unmarshal(w.last.Body.Bytes(), &in) == nil && in.ID != "" {
		w.vars["made"] = in.ID
	}
}

// kept is what a store has of a tenant.
type kept struct{ Objects, Nodes, Schedules, Requests, Denials, Events []string }

func (w *wire) everythingKept() kept {
	w.Helper()
	q := store.Query{Tenant: wireTenant, Limit: 1000}
	var k kept
	k.Objects = keptRows(w, &q, w.app.Store.Objects)
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
