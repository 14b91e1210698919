package portcullis_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/edm"
	"portcullis/internal/api/pimv2"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store/storetest"
)

// Retirement implements api.Retiring for surfaces that are.
func (c counting) Retirement(r *api.Request) *api.Retirement {
	if old, ok := c.Surface.(api.Retiring); ok {
		return old.Retirement(r)
	}
	return nil
}

// retiringV2 tells the dates of the second iteration.
func retiringV2() pimv2.Options {
	return pimv2.Options{Deprecated: time.Date(2025, 10, 27, 0, 0, 0, 0, time.UTC), Sunset: time.Date(2026, 10, 28, 0, 0, 0, 0, time.UTC)}
}

// ofOlder says whether an operation is one of the first or second iteration.
func ofOlder(route string) bool {
	return strings.HasPrefix(route, "v1 ") || strings.HasPrefix(route, "v2 ")
}

// olderVersion is the schema of an address of the first or second iteration; empty: it is none.
func olderVersion(path string) string {
	path = strings.ToLower(strings.TrimLeft(path, "/"))
	switch {
	case strings.HasPrefix(path, "beta/privileged"):
		return edm.Older
	case strings.HasPrefix(path, "api/v2/"):
		return edm.Host
	}
	return ""
}

// governanceOperation is a route of the second iteration, whatever its form and provider.
func governanceOperation(r api.Route) string {
	_, path, _ := strings.Cut(r.Pattern, "/privilegedAccess")
	segments := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 2)
	if len(segments) > 0 && segments[0] != "" {
		segments[0] = "{provider}"
	}
	return "v2 " + r.Method + " privilegedAccess/" + strings.Join(segments, "/")
}

// TestPIMv2Conversations speaks every documented operation of the second iteration, in both forms and for all providers, and the
// shapes that its callers send.
func TestPIMv2Conversations(t *testing.T) {
	conversations(t, "pimv2", func(route string) bool {
		return strings.HasPrefix(route, "v2 ") && !derivedOfGovernance(route)
	})
}

// derivedOfGovernance says whether a route shares its handler with another one: counts, the form of export with brackets, and what
// lies below a resource but for its lists and items.
func derivedOfGovernance(route string) bool {
	last := route[strings.LastIndexByte(route, '/')+1:]
	return last == "$count" || last == "export()" ||
		strings.Contains(route, "/resources/{resource}/") && strings.Contains(route, "{id}/")
}

// TestPIMv2GuardsItsRoutes walks every route: without a token, with one that permits too little, with one for another provider, by
// another tenant, and by an application where it would write, nothing is told or done.
func TestPIMv2GuardsItsRoutes(t *testing.T) {
	w := newWire(t, &storetest.Model{}, &usage{routes: map[string]int{}})
	w.plant()
	for _, r := range pimv2.New(w.app, w.app.Store, pimv2.Options{}).Routes() {
		path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, w.vars["alice"])
		at := r.Method + " " + path
		status := func(caller, what string, want int, may ...string) {
			t.Helper()
			w.caller, w.may = caller, may
			if rec := w.call(r.Method, path, nil, []byte("{}")); rec.Code != want {
				t.Errorf("%s %s: got %d with %s, want %d", at, what, rec.Code, rec.Body, want)
			}
		}
		status("nobody", "without a token", http.StatusUnauthorized)
		status("grace", "without permission", http.StatusForbidden, "Nothing.Read")
		for _, provider := range []string{"AzureResources", "AzureAD", "AzureADGroup"} {
			if permission := "PrivilegedAccess.ReadWrite." + provider; !slices.Contains(r.Access.Delegated, permission) {
				status("grace", "with "+permission, http.StatusForbidden, permission)
			}
		}
		if r.Method != http.MethodGet {
			status("robot", "by an application", http.StatusForbidden, r.Access.Delegated...)
			for _, permission := range r.Access.Delegated {
				if strings.Contains(permission, ".Read.") {
					t.Errorf("%s: %s lets write", at, permission)
				}
			}
		}
		w.caller, w.may = "stranger", allPermissions()
		rec := w.call(r.Method, path, http.Header{}, []byte("{}"))
		if body := strings.ToLower(rec.Body.String()); strings.Contains(body, "contoso") || strings.Contains(body, wireTenant) ||
			strings.Contains(body, "alice doe") || rec.Code >= 500 {
			t.Errorf("%s by another tenant: got %d with %s", at, rec.Code, rec.Body)
		}
	}
}

// TestPIMv2ServesItsSchema walks the published model of the second iteration from the set privilegedAccess: each navigation,
// action and function, and each set, is either served or a row of the table in docs/divergences-v2.md with a reason.
func TestPIMv2ServesItsSchema(t *testing.T) {
	text, err := os.ReadFile("docs/divergences-v2.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\|$").FindAllStringSubmatch(string(text), -1) {
		told[row[1]] = false
	}
	routes := pimv2.New(&app.App{}, nil, pimv2.Options{}).Routes()
	for root, version := range map[string]string{"/beta": edm.Older, "/api/v2": edm.Host} {
		m, err := edm.Load(version)
		if err != nil {
			t.Fatal(err)
		}
		s := served{T: t, model: m, told: told, routes: map[string]bool{}}
		for _, r := range routes {
			s.routes[r.Method+" "+regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, "{}")] = true
		}
		for set := range m.Sets {
			if strings.HasPrefix(set, "governance") || set == "privilegedAccess" {
				s.wants(http.MethodGet, root+"/"+set, set)
			}
		}
		for _, provider := range []string{"azureResources", "aadRoles", "aadGroups", "pimforazurerbac"} {
			s.walk(root+"/privilegedAccess/"+provider, "privilegedAccess", 3)
		}
	}
	for about, needed := range told {
		if !needed {
			t.Errorf("docs/divergences-v2.md tells of %s, which is served or not in the schema", about)
		}
	}
}

// served is a walk through the model.
type served struct {
	*testing.T
	model *edm.Model
	// told are the rows of the document, true where one was needed.
	told   map[string]bool
	routes map[string]bool
}

// wants demands a route, or that the document tells of what it is about.
func (s served) wants(method, path, about string) {
	s.Helper()
	if s.routes[method+" "+path] {
		return
	}
	if _, ok := s.told[about]; !ok {
		s.Errorf("%s %s: neither served nor told of as `%s`", method, path, about)
		return
	}
	s.told[about] = true
}

// walk follows what a type contains, some steps deep.
func (s served) walk(path, typ string, deep int) {
	s.Helper()
	s.wants(http.MethodGet, path, typ)
	if deep == 0 {
		return
	}
	for _, t := range s.model.Line(typ) {
		for name, to := range s.model.Types[t].Navigation {
			at := path + "/" + name
			s.wants(http.MethodGet, at, t+"/"+name)
			s.bound(at, to)
			if to.Collection && s.routes[http.MethodGet+" "+at] {
				s.bound(at+"/{}", edm.Ref{Type: to.Type})
				s.walk(at+"/{}", to.Type, deep-1)
			}
		}
	}
}

// bound demands the operations that are bound to a type or to a collection of it.
func (s served) bound(path string, on edm.Ref) {
	s.Helper()
	for method, list := range map[string][]edm.Operation{http.MethodPost: s.model.Actions, http.MethodGet: s.model.Functions} {
		for _, o := range list {
			if o.On.Type == on.Type && o.On.Collection == on.Collection {
				s.wants(method, path+"/"+o.Name, o.On.Type+"/"+o.Name)
			}
		}
	}
}

// TestPIMv2PagesAreComplete follows every nextLink, over both kinds of rows and whatever the size of the pages and whoever finishes
// the filter: each row comes once.
func TestPIMv2PagesAreComplete(t *testing.T) {
	for name, open := range wireEngines() {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, open(t), &usage{routes: map[string]int{}})
			w.plant()
			w.resourceGrant(pim.Assignment, "owen", pim.RoleID(w.vars["Owner"]), "root")
			for _, who := range []string{"alice", "bob", "mia", "keepers"} {
				for _, role := range []string{"billing", "helpdesk", "readers"} {
					w.grant(who, pim.RoleID(w.vars[role]), "/")
				}
				w.resourceGrant(pim.Eligibility, who, pim.RoleID(w.vars["Contributor"]), w.vars["sub"])
				w.resourceGrant(pim.Assignment, who, pim.RoleID(w.vars["Reader"]), w.vars["rg"])
			}
			for list, wanted := range map[string]int{
				"grace /beta/privilegedAccess/aadRoles/roleAssignments?$count=true":                                                     18,
				"grace /beta/privilegedAccess/aadRoles/roleAssignments?$filter=contains(roleDefinition/displayName,'billing')":          5,
				"grace /beta/privilegedAccess/aadRoles/roleAssignments?$orderby=subject/displayName desc,roleDefinition/displayName":    18,
				"bob /beta/privilegedAccess/aadRoles/roleAssignments?$filter=subjectId eq '${bob}'":                                     6,
				"bob /api/v2/privilegedAccess/azureResources/roleAssignments?$filter=subjectId eq '${bob}'":                             4,
				"owen /beta/privilegedAccess/azureResources/roleAssignments?$expand=subject,roleDefinition($expand=resource)":           9,
				"owen /beta/privilegedAccess/azureResources/roleAssignments?$filter=memberType eq 'Direct' and startDateTime ne null":   4,
				"owen /beta/privilegedAccess/azureResources/roleAssignments?$filter=assignmentState eq 'Active'&$count=true":            5,
				"owen /beta/privilegedAccess/azureResources/resources?$expand=parent&$count=true":                                       9,
				"owen /beta/privilegedAccess/azureResources/resources?$filter=contains(tolower(displayName),'r')":                       6,
				"owen /beta/privilegedAccess/azureResources/resources?$filter=type eq 'subscription' or type eq 'managementgroup'":      5,
				"grace /beta/privilegedAccess/aadGroups/resources?$orderby=displayName":                                                 2,
				"grace /beta/privilegedAccess/aadGroups/roleAssignments?$filter=resourceId eq '${keepers}' or resourceId eq '${staff}'": 5,
				"grace /beta/privilegedAccess/aadRoles/roleDefinitions?$filter=startswith(displayName,'g')&$orderby=displayName":        7,
			} {
				caller, target, _ := strings.Cut(w.fill(list), " ")
				w.caller = caller
				want := w.pages(target + "&$top=999")
				if len(want) != wanted {
					t.Errorf("%s: got %d rows, want %d: %v", list, len(want), wanted, want)
				}
				for _, top := range []string{"1", "2", "5"} {
					if got := w.pages(target + "&$top=" + top); !slices.Equal(got, want) {
						t.Errorf("%s by %s: got %d rows, want %d\n%v\n%v", list, top, len(got), len(want), got, want)
					}
				}
			}
		})
	}
}
