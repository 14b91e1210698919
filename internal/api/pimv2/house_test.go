package pimv2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	index "portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/app"
	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

const houseTenant = "7e000000-0000-4000-8000-000000000001"

func numbered(kind string, n int) string { return fmt.Sprintf("%s-0000-4000-8000-%012d", kind, n) }

// house is the dialect with a real application behind it, without the frame.
type house struct {
	testing.TB
	app   *app.App
	store *storetest.Watched
	mux   *http.ServeMux
	// who calls.
	who pim.PrincipalID
}

// The ones who live there: reader reads everything, and nobody holds nothing.
const (
	reader = "ad000000-0000-4000-8000-000000000001"
	nobody = "ad000000-0000-4000-8000-000000000002"
)

// newHouse opens the dialect on a store, with people people and a tree of a management group, a subscription and as many resource
// groups. The instant is that of the machine.
func newHouse(t testing.TB, s store.Store, people int) *house {
	t.Helper()
	h := &house{TB: t, store: storetest.Watch(s), mux: http.NewServeMux(), who: reader}
	h.app = &app.App{Store: h.store, Index: index.New()}
	now := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	f := app.Founding{Tenant: directory.Tenant{ID: houseTenant, Name: "House", Domain: "house.example", Created: now}, Administrator: reader}
	user := func(id, name string) directory.Object {
		return directory.Object{Tenant: houseTenant, ID: pim.PrincipalID(id), Kind: directory.KindUser, DisplayName: name, Enabled: true, Created: now,
			User: &directory.User{PrincipalName: name + "@house.example", Mail: name + "@house.example", Type: "Member"}}
	}
	f.Objects = append(f.Objects, user(reader, "reader"), user(nobody, "nobody"))
	for i := range people {
		f.Objects = append(f.Objects, user(person(i), fmt.Sprintf("person-%05d", i)),
			directory.Object{Tenant: houseTenant, ID: pim.PrincipalID(numbered("c0000000", i)), Kind: directory.KindGroup, Enabled: true, Created: now,
				DisplayName: fmt.Sprintf("Group %05d", i), Group: &directory.Group{SecurityEnabled: true}},
			directory.Object{Tenant: houseTenant, ID: pim.PrincipalID(numbered("d0000000", i)), Kind: directory.KindAdministrativeUnit, Enabled: true,
				Created: now, DisplayName: fmt.Sprintf("Unit %05d", i)})
	}
	h.must(h.app.Found(t.Context(), f))
	var nodes []resource.Node
	add := func(parent pim.Scope, id string) {
		n, err := resource.Parse(id)
		h.must(err)
		if n.Tenant = houseTenant; n.Parent == "" {
			n.Parent = parent
		}
		nodes = append(nodes, n)
	}
	add("/", "/providers/Microsoft.Management/managementGroups/top")
	add(nodes[0].Scope, "/subscriptions/"+numbered("50000000", 0))
	for i := range people {
		add("", groupID(i))
	}
	h.must(s.Commit(t.Context(), store.Commit{Resources: nodes}))
	h.hold(pim.Schedule{ID: pim.ScheduleID(numbered("b2000000", 1)), Kind: pim.Assignment,
		Key: pim.Key{Provider: pim.Resource, Scope: pim.Everywhere, Role: pim.RoleID(catalog.Owner), Principal: reader}})
	for _, r := range New(h.app, h.store, Options{}).Routes() {
		h.mux.HandleFunc(r.Method+" "+r.Pattern, h.serve(r))
	}
	return h
}

func person(i int) string { return numbered("a0000000", i) }
func groupID(i int) string {
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/rg-%05d", numbered("50000000", 0), i)
}

// placed is a resource group as this dialect calls it.
func placed(t testing.TB, i int) pim.RoleKey {
	n, err := resource.Parse(groupID(i))
	if err != nil {
		t.Fatal(err)
	}
	return pim.RoleKey{Tenant: houseTenant, Provider: pim.Resource, Scope: n.Scope}
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// hold makes schedules that hold for half a year, and reads the access index anew.
func (h *house) hold(list ...pim.Schedule) {
	h.Helper()
	now := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	for from := 0; from < len(list); from += 1000 {
		part := list[from:min(from+1000, len(list))]
		for i := range part {
			s := &part[i]
			s.Key.Tenant, s.Created, s.Open, s.Request = houseTenant, now, true, pim.RequestID(s.ID)
			if s.Type == 0 {
				s.Type = pim.Assigned
			}
			s.Window = schedule.Window{Start: now, End: now.Add(180 * 24 * time.Hour)}
		}
		h.must(h.store.Commit(h.Context(), store.Commit{Outcome: pim.Outcome{Schedules: part}}))
	}
	h.app.Index = index.New()
	h.must(h.app.Load(h.Context()))
}

// holdMany gives as many rows in each provider, half of them eligible and half active by these.
func (h *house) holdMany(rows, people int) {
	h.Helper()
	directoryRoles, azure := catalog.Roles(), catalog.AzureRoles()
	var list []pim.Schedule
	for i := range rows / 2 {
		who := pim.PrincipalID(person(i % people))
		unit := pim.AdministrativeUnit(numbered("d0000000", i%people))
		for kind, key := range map[string]pim.Key{
			"e1000000": {Provider: pim.Directory, Scope: unit, Role: pim.RoleID(directoryRoles[i/people%len(directoryRoles)].ID), Principal: who},
			"e2000000": {Provider: pim.Group, Scope: pim.Scope(numbered("c0000000", i%people)), Role: pim.Member, Principal: pim.PrincipalID(person((i/people + i) % people))},
			"e3000000": {Provider: pim.Resource, Scope: placed(h, i%people).Scope, Role: pim.RoleID(azure[i/people%len(azure)].ID), Principal: who},
		} {
			eligible := pim.Schedule{ID: pim.ScheduleID(numbered(kind, i)), Kind: pim.Eligibility, Key: key}
			active := pim.Schedule{ID: pim.ScheduleID(numbered("f"+kind[1:], i)), Kind: pim.Assignment, Type: pim.Activated, Eligibility: eligible.ID, Key: key}
			list = append(list, eligible, active)
		}
	}
	h.hold(list...)
}

// call is a call as the frame hands it on.
func (h *house) call(in *http.Request) *api.Request {
	return &api.Request{Request: in, Sent: in.URL, Origin: "https://house.example", Tenant: houseTenant,
		Caller: h.app.Caller(houseTenant, pim.Caller{MFA: true, Actor: pim.Actor{Principal: h.who, Kind: pim.UserPrincipal}})}
}

// serve runs a handler as the frame would, but for what the frame does with tokens.
func (h *house) serve(r api.Route) http.HandlerFunc {
	return func(w http.ResponseWriter, in *http.Request) {
		call := h.call(in)
		a, err := r.Handle(call)
		if err != nil {
			a = New(h.app, h.store, Options{}).Problem(call, err)
		}
		maps.Copy(w.Header(), a.Header)
		if w.WriteHeader(a.Status); a.Stream == nil {
			_, _ = w.Write(a.Body)
			return
		}
		if err := a.Stream(in.Context(), w); err != nil {
			panic(errors.Join(http.ErrAbortHandler, err))
		}
	}
}

// address is one below a provider, with its query escaped.
func address(p pim.Provider, path, query string) string {
	values := url.Values{}
	if query != "" {
		for part := range bytes.SplitSeq([]byte(query), []byte("&")) {
			name, value, _ := bytes.Cut(part, []byte("="))
			values.Set(string(name), string(value))
		}
	}
	return "/api/v2/privilegedAccess/" + governance.Provider(p) + path + "?" + values.Encode()
}

func (h *house) get(target string) *httptest.ResponseRecorder {
	h.Helper()
	rec := httptest.NewRecorder()
	h.mux.ServeHTTP(rec, httptest.NewRequestWithContext(h.Context(), http.MethodGet, target, nil))
	return rec
}

func (h *house) good(target string) []byte {
	h.Helper()
	rec := h.get(target)
	if rec.Code != http.StatusOK {
		h.Fatalf("%s: got %d with %.500s", target, rec.Code, rec.Body)
	}
	return rec.Body.Bytes()
}

var _ io.Writer = (*tally)(nil)

// tally counts what is written, and the most that was written at once.
type tally struct {
	bytes, lines, most int
	each               func()
}

func (t *tally) Write(b []byte) (int, error) {
	t.bytes, t.lines, t.most = t.bytes+len(b), t.lines+bytes.Count(b, []byte("\r\n")), max(t.most, len(b))
	if t.each != nil {
		t.each()
	}
	return len(b), nil
}

func modelHouse(t testing.TB, people int) *house { return newHouse(t, &storetest.Model{}, people) }
