package pimv2

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// looseIDs are literals that a key equality takes as an id where a plain comparison does not: with blanks, or within a longer id.
var looseIDs = regexp.MustCompile(`'[^']*[\s/][^']*'`)

// FuzzNarrow: what the keys of a filter narrow a list to is what the whole filter lets pass of everything, for assignments and for
// settings; and no filter, however odd, is a fault of the server.
func FuzzNarrow(f *testing.F) {
	h := modelHouse(f, 4)
	h.holdMany(60, 4)
	roles := catalog.Roles()
	edited := pim.RoleKey{Tenant: houseTenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.RoleID(roles[7].ID)}
	h.must(h.store.Commit(f.Context(), store.Commit{Policy: &store.PolicyEdit{Key: edited, Policy: policy.Policy{Version: 1, Rules: policy.ForDirectoryRole()}}}))
	for _, filter := range []string{
		"subjectId eq '" + person(1) + "'", "subject/id eq '" + person(1) + "' and assignmentState eq 'Active'",
		"roleDefinition/resource/id eq '" + houseTenant + "' and roleDefinitionId eq '" + roles[0].ID + "'",
		"resourceId eq '" + houseTenant + "' and (isDefault eq false or roleDefinitionId eq '" + roles[1].ID + "')",
		"resourceId eq '" + governance.ResourceID(placed(f, 1)) + "' and subjectId eq '" + person(1) + "'",
		"not (isDefault eq true) and roleDefinitionId in ('" + roles[7].ID + "','" + roles[8].ID + "')", "isDefault ne true or isDefault ne false",
		"assignmentState eq 'Active' and assignmentState eq 'Eligible'", "subjectId eq null", "subjectId eq ''", "roleDefinitionId eq ''", "resourceId eq ''", "id eq '" + numbered("f1000000", 3) + "_x'",
		"memberType eq 'Direct' and linkedEligibleRoleAssignmentId ne null", "roleDefinitionId eq 'x/" + roles[0].ID + "'",
		"startswith(subject/displayName, 'person-00001')", strings.Repeat("(", 300) + "isDefault eq true", "roleDefinitionId eq '\x00'",
		"subjectId eq '" + person(1) + "' and subjectId eq '" + person(2) + "'", "roleDefinition/displayName eq 'Owner' or subjectId eq '" + person(3) + "'",
	} {
		for p := range byte(3) {
			f.Add(p, filter)
		}
	}
	f.Fuzz(func(t *testing.T, provider byte, filter string) {
		in := *h
		in.TB = t
		in.narrows(governance.Providers()[int(provider)%3], filter)
	})
}

// calling is a call of a list with a filter.
func (h *house) calling(p pim.Provider, filter string) *call {
	in := httptest.NewRequestWithContext(h.Context(), http.MethodGet, "/", nil)
	in.URL.RawQuery = "$filter=" + url.QueryEscape(filter)
	s := New(h.app, h.store, Options{})
	var c *call
	_, err := s.as(hostRoot, p, func(got *call) (api.Answer, error) { c = got; return api.Answer{}, nil })(h.call(in))
	h.must(err)
	return c
}

func (h *house) narrows(p pim.Provider, filter string) {
	h.Helper()
	c := h.calling(p, filter)
	if q, err := c.Query(c.kinds.assignment.Schema); err == nil {
		k := &c.kinds.assignment
		all := rowsOf(h, k, c.assignments(target{}), nil)
		want, err := k.Sifted(c, odata.Query{Filter: q.Filter}, all)
		h.known(filter, err)
		if t, err := c.narrow(q.Filter); h.known(filter, err) {
			h.agree(p, filter, ids(k.Key, want), ids(k.Key, rowsOf(h, k, c.assignments(t), t.rest)))
		}
	}
	if q, err := c.Query(c.kinds.setting.Schema); err == nil {
		k := &c.kinds.setting
		t, err := c.narrow(q.Filter)
		if !h.known(filter, err) {
			return
		}
		found, err := c.settings(t)
		if !h.known(filter, err) || p != pim.Directory {
			return
		}
		got, err := k.Sifted(c, odata.Query{Filter: t.rest}, found)
		h.must(err)
		all, err := c.settings(target{})
		h.must(err)
		want, err := k.Sifted(c, odata.Query{Filter: q.Filter}, all)
		h.must(err)
		h.agree(p, filter, ids(k.Key, want), ids(k.Key, got))
	}
}

// rowsOf are all rows of a list that a filter lets pass.
func rowsOf(h *house, k *kind[row], a assignments, filter odata.Expr) []row {
	h.Helper()
	var out []row
	q := store.Query{Tenant: houseTenant, Limit: listing.ScanSize}
	for {
		page, err := a.fetch(q)
		h.must(err)
		rows, err := k.Sifted(a.call, odata.Query{Filter: filter}, page.Rows)
		h.must(err)
		out = append(out, rows...)
		if q.After = page.Next; len(page.Next) == 0 {
			return out
		}
	}
}

func ids[T any](key func(T) string, rows []T) map[string]bool {
	out := map[string]bool{}
	for _, r := range rows {
		out[key(r)] = true
	}
	return out
}

// known says that there is no error; one that is none of the dialect's own answers fails the test.
func (h *house) known(filter string, err error) bool {
	h.Helper()
	if err == nil {
		return true
	}
	if p := problemOf(&api.Request{}, err); p.Status < http.StatusBadRequest || p.Status >= http.StatusInternalServerError {
		h.Errorf("%q: got %d for %v", filter, p.Status, err)
	}
	return false
}

// agree compares two ways to the same rows. What is read at a place of the tree is shown there, wherever it is held, and a role by
// more names than the id of the dialect.
func (h *house) agree(p pim.Provider, filter string, want, got map[string]bool) {
	h.Helper()
	for id := range want {
		if !got[id] {
			h.Errorf("%s %q: %s is missed", p, filter, id)
		}
	}
	if p == pim.Directory && !looseIDs.MatchString(filter) && !maps.Equal(want, got) {
		h.Errorf("%s %q: got %v, want %v", p, filter, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// TestHostileQueries: queries of any depth and size are refused in the dialect's words, or answered.
func TestHostileQueries(t *testing.T) {
	h := modelHouse(t, 3)
	h.holdMany(12, 3)
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	deep := func(n int, open, core, shut string) string {
		return strings.Repeat(open, n) + core + strings.Repeat(shut, n)
	}
	for i, query := range []string{
		"$filter=" + deep(10_000, "(", "subjectId eq 'x'", ")"), "$filter=" + deep(10_000, "not (", "subjectId eq 'x'", ")"),
		"$filter=" + strings.TrimSuffix(strings.Repeat("subjectId eq 'x' and ", 5000), " and "),
		"$filter=" + strings.TrimSuffix(strings.Repeat("isDefault eq false or ", 5000), " or "),
		"$filter=roleDefinitionId in (" + many(20_000, "'x'") + ")", "$filter=resourceId eq '" + strings.Repeat("x", 50_000) + "'",
		"$filter=resourceId eq '\x00'", "$filter=subjectId eq '\x00'", "$filter=roleDefinitionId eq '\xff\xfe'", "$filter=displayName eq '\x00'",
		"$filter=id eq '" + strings.Repeat("_", 1000) + "'", "$filter=startDateTime gt 9999-99-99T99:99:99Z", "$filter=resourceId eq", "$filter=$filter",
		"$expand=" + deep(200, "resource($expand=", "parent", ")"), "$expand=" + deep(8, "parent($expand=", "parent", ")"), "$expand=" + many(1000, "subject"),
		"$expand=" + deep(20, "linkedEligibleRoleAssignment($expand=", "subject", ")"), "$expand=resource($filter=id eq '\x00')", "$expand=(((",
		"$orderby=" + many(2000, "startDateTime desc"), "$orderby=subject/displayName,roleDefinition/displayName,id desc", "$orderby=\x00", "$orderby=" + strings.Repeat("a/", 2000) + "b",
		"$select=" + many(20_000, "id"), "$top=-1", "$top=99999999999999999999", "$skip=99999999999999999999", "$skip=1000000000", "$top=0&$count=true",
		"$skiptoken=" + strings.Repeat("A", 20_000), "$skiptoken=\x00", "$skiptoken=!!!!", "$count=maybe", "$search=x", "$apply=aggregate($count as n)", "%zz=1",
	} {
		for _, p := range governance.Providers() {
			for _, set := range []string{"roleAssignments", "roleAssignmentRequests", "roleDefinitions", "roleSettings", "resources", "roleAssignments/export"} {
				rec := h.get(address(p, "/"+set, query))
				if rec.Code >= http.StatusInternalServerError {
					t.Errorf("%s/%s, query %d (%.60q): got %d with %.300s", p, set, i, query, rec.Code, rec.Body)
				}
			}
		}
	}
}

// TestHostileIDs: an id is looked for, whatever it is made of.
func TestHostileIDs(t *testing.T) {
	h := modelHouse(t, 3)
	h.holdMany(12, 3)
	resources := map[pim.Provider]string{pim.Directory: houseTenant, pim.Group: numbered("c0000000", 1), pim.Resource: governance.ResourceID(placed(t, 1))}
	for p, at := range resources {
		for _, id := range []string{strings.Repeat("_", 1000), at + strings.Repeat("_", 1000), at + "_\x00", "\x00", "\xff\xfe", strings.Repeat("x", 30_000),
			"'; DROP TABLE schedules; --", "%", " ", "_", at + "_" + at, "..", "member", fmt.Sprintf("%s_%s_%s", at, at, at)} {
			for _, path := range []string{
				"/roleSettings/%s", "/roleSettingsV2/%s", "/roleAssignments/%s", "/roleAssignments/%s/subject", "/roleAssignmentRequests/%s", "/roleDefinitions/%s?$filter=resourceId+eq+'" + at + "'",
				"/resources/%s", "/resources/%s/parent", "/resources/%s/roleAssignments", "/resources/%s/roleSettings", "/resources/%s/roleDefinitions", "/resources/" + at + "/roleSettings/%s",
			} {
				target := "/api/v2/privilegedAccess/" + governance.Provider(p) + strings.Replace(path, "%s", url.PathEscape(id), 1)
				rec := h.get(target)
				if rec.Code >= http.StatusInternalServerError || rec.Code == http.StatusOK && rec.Body.Len() == 0 {
					t.Errorf("%.150s: got %d with %.300s", target, rec.Code, rec.Body)
				}
			}
		}
	}
}
