package arm

import (
	"net/http"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"portcullis/internal/api/openapi"
	"portcullis/internal/app"
)

// whole are the addresses by full id that the description writes as one parameter.
var whole = map[string]string{
	"/{roleDefinitionFullId}": "/{scope}" + under("roleDefinitions/{name}"),
	"/{roleAssignmentFullId}": "/{scope}" + under("roleAssignments/{name}"),
	"/{denyAssignmentFullId}": "/{scope}" + under("denyAssignments/{name}"),
	"/{resourceId}":           "/subscriptions/{subscriptionId}/resourceGroups/{group}/providers/{namespace}/{type}/{name}",
}

// routeOf finds the route of a published operation as the server would: without the scope, and without letter case.
func routeOf(s *Surface, routes []route, operation string) (route, bool) {
	method, address, _ := strings.Cut(operation, " ")
	if method == http.MethodHead { // which a route for GET serves too
		method = get
	}
	if full, ok := whole[address]; ok {
		address = full
	}
	segments := strings.Split(strings.Trim(address, "/"), "/")
	_, segments = s.Cut(segments)
	i := slices.IndexFunc(routes, func(r route) bool {
		return r.method == method && leads(strings.Split(strings.Trim(r.path, "/"), "/"), segments)
	})
	if i < 0 {
		return route{}, false
	}
	return routes[i], true
}

func leads(pattern, segments []string) bool {
	for i, p := range pattern {
		switch {
		case strings.HasSuffix(p, "...}"):
			return len(segments) > i
		case i >= len(segments):
			return false
		case strings.HasPrefix(p, "{") && strings.HasPrefix(segments[i], "{"):
		case !strings.EqualFold(p, segments[i]):
			return false
		}
	}
	return len(pattern) == len(segments)
}

// refusing says whether a route is there to say no in the right words alone.
func refusing(r route) bool {
	at := reflect.ValueOf(r.handle).Pointer()
	return at == reflect.ValueOf(refuseFeature).Pointer() || at == reflect.ValueOf(getNothing).Pointer() || at == reflect.ValueOf(deleteNothing).Pointer()
}

// notServed is a row of the table in docs/arm-not-served.md.
type notServed struct {
	operation, reason string
	met               bool
}

func (n *notServed) covers(operation string) bool {
	// Slashes are letters like others here.
	letters := strings.NewReplacer("/", ".")
	ok, err := path.Match(letters.Replace(n.operation), letters.Replace(operation))
	return ok && err == nil
}

func notServedTable(t *testing.T) []*notServed {
	t.Helper()
	text, err := os.ReadFile("../../../docs/arm-not-served.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []*notServed
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 2 || strings.Contains(cells[0], "--") || strings.TrimSpace(cells[0]) == "Operation" {
			continue
		}
		out = append(out, &notServed{strings.Trim(strings.TrimSpace(cells[0]), "`"), strings.TrimSpace(cells[1]), false})
	}
	return out
}

// TestEveryPublishedOperation is served, or listed as not served with the reason; and nothing is listed that is served.
func TestEveryPublishedOperation(t *testing.T) {
	d, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := New(&app.App{})
	routes, table := slices.Concat(s.table()...), notServedTable(t)
	for operation := range d.Operations {
		r, served := routeOf(s, routes, operation)
		served = served && !refusing(r)
		reason := ""
		for _, row := range table {
			if !row.covers(operation) {
				continue
			}
			row.met, reason = true, row.reason
			if served {
				t.Errorf("%s is served; docs/arm-not-served.md says it is not (%s)", operation, row.operation)
			}
		}
		if !served && reason == "" {
			t.Errorf("%s is neither served nor in docs/arm-not-served.md with a reason", operation)
		}
	}
	for _, row := range table {
		if !row.met {
			t.Errorf("docs/arm-not-served.md: no published operation is meant by %s", row.operation)
		}
	}
}
