package portcullis_test

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portcullis/internal/api/edm"
	"portcullis/internal/api/pimv1"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store/storetest"
)

// TestPIMv1Conversations speaks every operation of PIM's first iteration: what its pages show, and bad input.
func TestPIMv1Conversations(t *testing.T) {
	conversations(t, "pimv1", func(route string) bool { return strings.HasPrefix(route, "v1 ") })
}

// TestPIMv1GuardsItsRoutes walks every route: without a token, with one that permits too little, with an application's own, and
// with one of another tenant, nothing is told.
func TestPIMv1GuardsItsRoutes(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	for _, r := range pimv1.New(w.app, w.app.Store, pimv1.Options{}).Routes() {
		path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, w.vars["alice"]+"_"+w.vars["billing"])
		for _, guard := range []struct {
			caller string
			may    []string
			want   int
		}{
			{"nobody", allPermissions(), http.StatusUnauthorized},
			{"grace", []string{"Nothing.Read"}, http.StatusForbidden},
			{"robot", allPermissions(), http.StatusForbidden},
		} {
			w.caller, w.may = guard.caller, guard.may
			if rec := w.call(r.Method, path, nil, []byte("{}")); rec.Code != guard.want {
				t.Errorf("%s %s by %s: got %d with %s, want %d", r.Method, path, guard.caller, rec.Code, rec.Body, guard.want)
			}
		}
		w.caller, w.may = "stranger", allPermissions()
		rec := w.call(r.Method, path, http.Header{}, []byte("{}"))
		if body := strings.ToLower(rec.Body.String()); rec.Code >= 500 || strings.Contains(body, "contoso") || strings.Contains(body, wireTenant) ||
			strings.Contains(body, "alice doe") {
			t.Errorf("%s %s by another tenant: got %d with %s", r.Method, path, rec.Code, rec.Body)
		}
	}
}

// TestPIMv1ServesItsSchema walks the published model of the first iteration: each set, its items, what these lead to, and the actions
// and functions of both are served. What hangs on an item is reached by its own set.
func TestPIMv1ServesItsSchema(t *testing.T) {
	m, err := edm.Load(edm.Older)
	if err != nil {
		t.Fatal(err)
	}
	s := served{T: t, model: m, routes: map[string]bool{}}
	for _, r := range pimv1.New(&app.App{}, nil, pimv1.Options{}).Routes() {
		s.routes[r.Method+" "+regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, "{}")] = true
	}
	sets := 0
	for set, typ := range m.Sets {
		if !strings.HasPrefix(typ, "privileged") || set == "privilegedAccess" {
			continue
		}
		sets++
		one := "/beta/" + set + "/{}"
		s.wants(http.MethodGet, "/beta/"+set, set)
		s.wants(http.MethodGet, one, typ)
		s.bound("/beta/"+set, edm.Ref{Type: typ, Collection: true})
		s.bound(one, edm.Ref{Type: typ})
		for name := range m.Types[typ].Navigation {
			s.wants(http.MethodGet, one+"/"+name, typ+"/"+name)
		}
	}
	if sets != 6 {
		t.Errorf("got %d sets of the first iteration, want 6", sets)
	}
}

// TestPIMv1PagesAreComplete follows every nextLink, whatever the size of the pages: each row of one person and one role comes once,
// though it is made of several grants, and groups and applications have none.
func TestPIMv1PagesAreComplete(t *testing.T) {
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, open(t), &usage{routes: map[string]int{}})
			people := []string{"alice", "bob", "mia", "ana", "owen", "gus"}
			for _, role := range []string{"billing", "helpdesk", "readers"} {
				for _, who := range append(people, "keepers", "robot") {
					w.grant(who, pim.RoleID(w.vars[role]), "/")
				}
				w.caller = "grace"
				for _, who := range people[:3] { // who are eligible too
					w.must(http.MethodPost, "/beta/privilegedRoleAssignmentRequests",
						`{"type":"AdminAdd","assignmentState":"Eligible","userId":"${`+who+`}","roleId":"${`+role+`}"}`)
				}
			}
			const set = "/beta/privilegedRoleAssignments"
			rows := map[string]int{
				set + "?": 21, set + "?$orderby=userId desc": 21, set + "?$filter=isElevated eq true and roleId ne '${billing}'": 15,
				set + "?$filter=userId eq '${bob}'": 3, "/beta/privilegedRoles/${billing}/assignments?": 6, set + "?$filter=roleId eq '${billing}' or userId eq '${bob}'": 8,
				"/beta/privilegedRoleAssignmentRequests?$filter=type eq 'AdminAdd' and assignmentState eq 'Eligible'": 9,
				"/beta/privilegedOperationEvents?$filter=userId eq '${alice}'&$orderby=creationDateTime":              6,
			}
			for target, many := range rows {
				want := w.pages(w.fill(target) + "&$top=999")
				if len(want) != many {
					t.Errorf("%s: got %d rows, want %d", target, len(want), many)
				}
				for _, top := range []string{"1", "2", "5"} {
					if got := w.pages(w.fill(target) + "&$top=" + top); !slices.Equal(got, want) {
						t.Errorf("%s by %s: got %d rows, want %d\n%v\n%v", target, top, len(got), len(want), got, want)
					}
				}
				w.call(http.MethodGet, strings.ReplaceAll(w.fill(target), " ", "%20")+"&$count=true&$top=1", nil, nil)
				if want := `"@odata.count":` + strconv.Itoa(many) + ","; !strings.Contains(w.last.Body.String(), want) {
					t.Errorf("%s: got %s, want %s", target, w.last.Body, want)
				}
			}
		})
	}
}
