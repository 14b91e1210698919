package migrate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"portcullis/internal/migrate"
	"portcullis/internal/pim"
)

// saving is a server whose lists are saved as they come, each answer in a file.
type saving struct {
	migrate.Server
	files fstest.MapFS
}

func (s *saving) Call(ctx context.Context, method, path string, in, out any) error {
	var raw json.RawMessage
	if err := s.Server.Call(ctx, method, path, in, &raw); err != nil {
		return err
	}
	if !strings.Contains(path, "$top") && !strings.Contains(path, "%24top") {
		s.files[fmt.Sprintf("saved/%d.json", len(s.files)+1)] = &fstest.MapFile{Data: raw}
	}
	return json.Unmarshal(raw, out)
}

// TestSavedAnswersTellTheSame as the server from which they were saved.
func TestSavedAnswersTellTheSame(t *testing.T) {
	_, pat := lively(t)
	s := &saving{pat, fstest.MapFS{"readme.txt": {Data: []byte("not read")}}}
	live, err := migrate.ReadV2(t.Context(), s, migrate.ReadOptions{Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	saved, err := migrate.ReadFiles(s.files, migrate.ReadOptions{})
	if err != nil || len(saved.Notes) > 0 {
		t.Fatalf("read with notes %v, %v", saved, err)
	}
	same(t, "the files", live, saved)
	if saved.Tenant != live.Tenant || len(saved.Scopes) != len(live.Scopes) {
		t.Errorf("the files tell of tenant %s and %d scopes", saved.Tenant, len(saved.Scopes))
	}
	t.Run("an export", func(t *testing.T) { exported(t, pat, live) })
	t.Run("the first iteration", func(t *testing.T) {
		s := &saving{pat, fstest.MapFS{}}
		live, err := migrate.ReadV1(t.Context(), s, migrate.ReadOptions{Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		saved, err := migrate.ReadFiles(s.files, migrate.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range migrate.Compare(live, saved, migrate.Match(live, saved, migrate.Overrides{}), migrate.CompareOptions{Now: time.Now()}) {
			t.Error(d)
		}
	})
}

// exported reads the table that the server exports of its directory roles.
func exported(t *testing.T, pat *caller, live *migrate.Estate) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		pat.origin+"/api/v2/privilegedAccess/aadRoles/roleAssignments/export?$filter=resourceId%20eq%20'"+live.Tenant+"'", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+pat.token)
	resp, err := pat.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	table, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", resp.StatusCode, table, err)
	}
	e, err := migrate.ReadFiles(fstest.MapFS{"aadRoles.csv": {Data: table}}, migrate.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, g := range live.Grants {
		if g.Provider == pim.Directory {
			want++
		}
	}
	if len(e.Grants) != want || len(e.Roles) == 0 {
		t.Errorf("the export has %d grants of %d roles, want %d grants", len(e.Grants), len(e.Roles), want)
	}
	m := migrate.Match(e, live, migrate.Overrides{})
	for _, g := range e.Grants {
		if p := m.Principals[g.Principal]; p == "" && e.Principals[g.Principal].Kind == pim.UserPrincipal || m.Roles[migrate.RoleRef{Provider: g.Provider, Role: g.Role}] == "" {
			t.Errorf("%+v is not found again: %v", g, m.Notes)
		}
	}
}

const (
	resourcesFile = `{"@odata.context":"https://graph.microsoft.com/beta/$metadata#governanceResources","value":[
		{"id":"11111111-1111-4111-8111-111111111111","externalId":"/subscriptions/AAAAAAAA-0000-4000-8000-000000000001","type":"subscription","displayName":"Payroll","status":"Locked"}]}`
	rowsFile = `{"value":[{"id":"r1","resourceId":"11111111-1111-4111-8111-111111111111","roleDefinitionId":"d1","subjectId":"0F6F43B8-e404-4cc1-8b07-6f4d39b43b06","memberType":"User",
		"assignmentState":"Active","linkedEligibleRoleAssignmentId":"","startDateTime":null,"endDateTime":"0001-01-01T00:00:00Z"},
		{"id":"r2","resourceId":"11111111-1111-4111-8111-111111111111","roleDefinitionId":"d1","subjectId":"0f6f43b8-e404-4cc1-8b07-6f4d39b43b06","memberType":"Inherited","assignmentState":"Active"},
		{"id":"r3","resourceId":"22222222-1111-4111-8111-111111111111","roleDefinitionId":"d1","subjectId":"0f6f43b8-e404-4cc1-8b07-6f4d39b43b06","memberType":"Direct","assignmentState":"Active"},
		{"id":"r4","resourceId":"11111111-1111-4111-8111-111111111111","roleDefinitionId":"d2","subjectId":"0f6f43b8-e404-4cc1-8b07-6f4d39b43b06","memberType":"Direct","assignmentState":"Active"}]`
	definitionsFile = `[{"id":"D1","resourceId":"11111111-1111-4111-8111-111111111111","externalId":"/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/ACDD72A7-3385-48ef-bd42-f606fba81ae7","displayName":"Reader"}]`
	tableFile       = "\uFEFF\uFEFFAssignment Level,User Group Name,Role Name,Email,Assignment Type,Assignment Start Time (UTC),Assignment End Time (UTC)\r\n" +
		"Eligible,Nora,Reader,nora@example.org,Direct,2026-01-02T03:04:05Z,\r\nActive,Team,Reader,,Direct,1/2/2026 3:04:05 AM,2026-02-02 03:04:05\r\nActive,Owen,Reader,owen@example.org,Inherited,,\r\n"
)

// TestFilesAsTheyCome: whatever letter case, order and names they have.
func TestFilesAsTheyCome(t *testing.T) {
	e, err := migrate.ReadFiles(fstest.MapFS{
		"a/rows.json": {Data: []byte(rowsFile + "}")}, "b/roleDefinitions.json": {Data: []byte(definitionsFile)}, "z.json": {Data: []byte(resourcesFile)},
		"settings of my editor.json": {Data: []byte(`{"tabs":4}`)}, "Payroll.csv": {Data: []byte(tableFile)},
	}, migrate.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := migrate.Place{Provider: pim.Resource, Scope: "/subscriptions/aaaaaaaa-0000-4000-8000-000000000001", Role: "acdd72a7-3385-48ef-bd42-f606fba81ae7"}
	kinds := map[string]pim.Kind{"0f6f43b8-e404-4cc1-8b07-6f4d39b43b06": pim.Assignment, "nora@example.org": pim.Eligibility, "team": pim.Assignment}
	if len(e.Grants) != len(kinds) {
		t.Errorf("the grants are %+v", e.Grants)
	}
	for _, g := range e.Grants {
		if g.Place != at || g.Kind != kinds[g.Principal] || g.Outside != (g.Principal == "0f6f43b8-e404-4cc1-8b07-6f4d39b43b06") {
			t.Errorf("it has %+v", g)
		}
	}
	codes := map[string]migrate.Severity{}
	for _, n := range e.Notes {
		codes[n.Code] = n.Severity
	}
	if len(codes) != 4 || codes["ResourceNotTold"] != migrate.Unresolved || codes["RoleNotTold"] != migrate.Unresolved || codes["Locked"] != migrate.Changed || codes["ActivationNotTold"] != migrate.Changed {
		t.Errorf("the notes are %+v", e.Notes)
	}
	a := migrate.Analyse(e)
	if a.Lossless() || a.Notes[0].Severity != migrate.Unresolved || len(a.Notes) < 5 {
		t.Errorf("the analysis is %+v", a)
	}
}

// TestFilesThatAreNotWhole are refused, and so are those that cannot be read.
func TestFilesThatAreNotWhole(t *testing.T) {
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"nothing":         {fstest.MapFS{"x.txt": {Data: []byte("x")}}, "hold nothing"},
		"the last page":   {fstest.MapFS{"1.json": {Data: []byte(rowsFile + `,"@odata.nextLink":"https://x/y"}`)}}, "no file with the rest"},
		"a page between":  {fstest.MapFS{"1.json": {Data: []byte(rowsFile + `,"@odata.nextLink":"https://x/y"}`)}, "2.json": {Data: []byte(resourcesFile)}}, "not the rest"},
		"in other folder": {fstest.MapFS{"a/1.json": {Data: []byte(rowsFile + `,"@odata.nextLink":"https://x/y"}`)}, "b/2.json": {Data: []byte(rowsFile + "}")}}, "not the rest"},
		"rows":            {fstest.MapFS{"1.json": {Data: []byte(rowsFile + `,"@odata.count":5}`)}}, "4 of 5 rows"},
		"half of a file":  {fstest.MapFS{"1.json": {Data: []byte(rowsFile)}}, "no JSON"},
		"a wrong type":    {fstest.MapFS{"roleAssignments.json": {Data: []byte(`{"value":[{"id":7}]}`)}}, "no list of roleAssignments"},
		"a scope":         {fstest.MapFS{"1.json": {Data: []byte(`{"value":[{"id":"x","externalId":"nowhere","type":"subscription"}]}`)}}, "no path of a resource"},
		"of what":         {fstest.MapFS{"1.json": {Data: []byte(`{"value":[{"a":1},{"b":2}]}`)}}, "of what it is a list"},
		"whose table":     {fstest.MapFS{"Payroll.csv": {Data: []byte(tableFile)}}, "is called as the file is"},
		"no columns":      {fstest.MapFS{"aadRoles.csv": {Data: []byte("a,b\n1,2\n")}}, "has no column"},
		"an empty table":  {fstest.MapFS{"aadRoles.csv": {}}, "no line"},
		"a time":          {fstest.MapFS{"aadRoles.csv": {Data: []byte(strings.Replace(tableFile, "1/2/2026", "yesterday", 1))}}, "no time"},
		"a level":         {fstest.MapFS{"aadRoles.csv": {Data: []byte(strings.Replace(tableFile, "Eligible", "Perhaps", 1))}}, "not known"},
	} {
		if e, err := migrate.ReadFiles(c.files, migrate.ReadOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: read %+v, %v; want an error with %q", name, e, err, c.want)
		}
	}
}

// TestPagesFollowEachOther: the tenth after the ninth.
func TestPagesFollowEachOther(t *testing.T) {
	files := fstest.MapFS{"resources.json": {Data: []byte(resourcesFile)}, "d/roleDefinitions.json": {Data: []byte(definitionsFile)}}
	for i := 1; i <= 11; i++ {
		page := fmt.Sprintf(`{"@odata.count":11,"value":[{"id":"r%d","resourceId":"11111111-1111-4111-8111-111111111111","roleDefinitionId":"d1","subjectId":%q,"memberType":"Direct","assignmentState":"Active"}]`, i, nora)
		if i < 11 {
			page += fmt.Sprintf(`,"@odata.nextLink":"https://x/%d"`, i+1)
		}
		files[fmt.Sprintf("pages/roleAssignments-%d.json", i)] = &fstest.MapFile{Data: []byte(page + "}")}
	}
	if e, err := migrate.ReadFiles(files, migrate.ReadOptions{}); err != nil || len(e.Grants) != 11 {
		t.Errorf("read %+v, %v", e, err)
	}
}

// FuzzReadFiles: no file makes the reading fall over.
func FuzzReadFiles(f *testing.F) {
	f.Add([]byte(rowsFile+"}"), []byte(tableFile))
	f.Add([]byte(resourcesFile), []byte(definitionsFile))
	f.Add([]byte(`{"@odata.context":"#privilegedRoles('x')/settings","elevationDuration":"PT1H","approverIds":null}`), []byte("a"))
	f.Fuzz(func(t *testing.T, saved, table []byte) {
		files := fstest.MapFS{"1.json": {Data: saved}, "2.json": {Data: []byte(resourcesFile)}, "3.json": {Data: []byte(definitionsFile)}}
		if e, err := migrate.ReadFiles(files, migrate.ReadOptions{}); err == nil {
			migrate.Analyse(e)
		}
		_, _ = migrate.ReadFiles(fstest.MapFS{"aadRoles.csv": {Data: table}}, migrate.ReadOptions{}) // whatever it says
	})
}
