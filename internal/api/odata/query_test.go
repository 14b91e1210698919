package odata

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parseRaw(t *testing.T, raw string) (Query, error) {
	t.Helper()
	values, err := Values(raw)
	if err != nil {
		return Query{}, err
	}
	return Parse(values)
}

func pointer[T any](v T) *T { return &v }

func TestQueryFacts(t *testing.T) {
	name := func(segments ...string) Path { return Path{Segments: segments} }
	status := Compare{name("status"), Eq, String("PendingApproval")}
	for _, fact := range []struct {
		raw  string
		want Query
	}{
		{"", Query{}},
		{"api-version=2020-10-01&$format=json&tenantId=x", Query{}},
		{"%24filter=status+eq+%27PendingApproval%27", Query{Filter: status}},
		{"filter=status%20eq%20'PendingApproval'", Query{Filter: status}},
		{"$Filter%20=%20(status eq 'PendingApproval')", Query{Filter: status}},
		{"$filter=&$top=&$expand=&$orderby=+&$count=", Query{}},
		{"$select=id,PrincipalId, principalid ,*", Query{Select: []string{"id", "PrincipalId", "*"}}},
		{"$orderby=createdDateTime desc,principal/displayName+ASC, tolower(displayName)", Query{OrderBy: []Order{
			{name("createdDateTime"), true}, {name("principal", "displayName"), false},
			{Path{Segments: []string{"displayName"}, Wrap: ToLower}, false}}}},
		{"$top=0", Query{Top: pointer(0)}},
		{"$top=5&$skip=10&$count=TRUE", Query{Top: pointer(5), Skip: 10, Count: true}},
		{"$top=1000", Query{Top: pointer(999)}},
		{"$top=99999999999999999999999", Query{Top: pointer(999)}},
		{"$count=false", Query{}},
		{"$skipToken=abc", Query{SkipToken: "abc"}},
		{"$search=%22displayName:abc%22", Query{Search: `"displayName:abc"`}},
		{"$expand=*", Query{Expand: []Expand{{Path: "*"}}}},
		{"$expand=roleDefinition, principal,activatedUsing", Query{Expand: []Expand{
			{Path: "roleDefinition"}, {Path: "principal"}, {Path: "activatedUsing"}}}},
		{"$expand=roleDefinition($select=id,displayName),principal", Query{Expand: []Expand{
			{"roleDefinition", Query{Select: []string{"id", "displayName"}}}, {Path: "principal"}}}},
		{"$expand=policy($expand=rules($select=id))", Query{Expand: []Expand{
			{"policy", Query{Expand: []Expand{{"rules", Query{Select: []string{"id"}}}}}}}}},
		{"$expand=policy($expand=rules,effectiveRules)", Query{Expand: []Expand{
			{"policy", Query{Expand: []Expand{{Path: "rules"}, {Path: "effectiveRules"}}}}}}},
		{"$expand=linkedEligibleRoleAssignment%2Csubject%2CscopedResource%2CroleDefinition%28%24expand%3Dresource%29",
			Query{Expand: []Expand{{Path: "linkedEligibleRoleAssignment"}, {Path: "subject"}, {Path: "scopedResource"},
				{"roleDefinition", Query{Expand: []Expand{{Path: "resource"}}}}}}},
		{"$expand=steps( $filter = status eq 'PendingApproval' ; TOP=2;$orderby=a desc;$count=true;$skip=1;)", Query{Expand: []Expand{
			{"steps", Query{Filter: status, Top: pointer(2), OrderBy: []Order{{name("a"), true}}, Count: true, Skip: 1}}}}},
	} {
		got, err := parseRaw(t, fact.raw)
		if err != nil {
			t.Errorf("%s: %v", fact.raw, err)
			continue
		}
		if diff := cmp.Diff(fact.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fact.raw, diff)
		}
	}
}

func TestQueryRefused(t *testing.T) {
	check := func(raw, option, detail string) {
		t.Helper()
		q, err := parseRaw(t, raw)
		var refusal *Error
		if !errors.As(err, &refusal) {
			t.Errorf("%.80s: got %v, %v, want an *Error", raw, q, err)
			return
		}
		if refusal.Option != option || !strings.Contains(refusal.Detail, detail) {
			t.Errorf("%.80s: got %q %q, want %q %q", raw, refusal.Option, refusal.Detail, option, detail)
		}
	}
	check("$filter=a eq 1&$filter=b eq 1", "$filter", "more than once")
	check("$filter=a eq 1&filter=b eq 1", "$filter", "more than once")
	check("$TOP=1&$top=1", "$top", "more than once")
	check("$filter=%zz", "query", "escape")
	check("%zz=1", "query", "escape")
	check("$top=-1", "$top", "not a number")
	check("$top=ten", "$top", "not a number")
	check("$top=1.5", "$top", "not a number")
	check("$skip=-1", "$skip", "not a number")
	check("$skip=1000001", "$skip", "more than 1000000")
	check("$skip=99999999999999999999999", "$skip", "more than 1000000")
	check("$count=1", "$count", "neither")
	check("$select=a,,b", "$select", "entry 2")
	check("$select=a;b", "$select", "entry 1")
	check("$select=a b", "$select", "entry 1")
	check("$select=a/", "$select", "entry 1")
	check("$select="+strings.Repeat("a,", 300)+"a", "$select", "more than 128")
	check("$select=%00", "$select", "control character")
	check("$search=%ff", "$search", "UTF-8")
	check("$search="+strings.Repeat("a", 5000), "$search", "longer than 4096")
	check("$orderby=a down", "$orderby", "entry 1")
	check("$orderby=a desc b", "$orderby", "entry 1")
	check("$orderby=a,,b", "$orderby", "entry 2")
	check("$orderby=tolower(a", "$orderby", "entry 1")
	check("$orderby=length(a)", "$orderby", "entry 1")
	check("$apply=groupby((a))", "$apply", "not supported")
	check("$deltatoken=x", "$deltatoken", "not supported")

	check("$expand=a(", "$expand", "at position 3: brackets")
	check("$expand=a)", "$expand", "at position 2: brackets")
	check("$expand=a('", "$expand", "do not match")
	check("$expand=a()b", "$expand", "text behind its options")
	check("$expand=*($select=id)", "$expand", "entry 1")
	check("$expand=a,A", "$expand", "entry 2 is given more than once")
	check("$expand=a,", "$expand", "entry 2")
	check("$expand=a/$ref", "$expand", "entry 1")
	check("$expand=a($skiptoken=x)", "$expand", "in a: an option that is not known")
	check("$expand=a($levels=max)", "$expand", "in a: an option that is not known")
	check("$expand=a(b)", "$expand", "in a: an option that is not known")
	check("$expand=a($top=1;top=2)", "$expand", "in a: $top: given more than once")
	check("$expand=a($filter=b like 'c')", "$expand", "in a: $filter: at position 3")
	check("$expand=a($expand=b($top=-1))", "$expand", "in a: in b: $top: not a number")
	check("$expand=a($expand=b($expand=c($expand=d($expand=e))))", "$expand", "more than 4 levels deep")
	check("$expand="+strings.Repeat("a($expand=", 300)+strings.Repeat(")", 300), "$expand", "more than 4 levels deep")
	check("$expand="+strings.Repeat("(", 10_000), "$expand", "longer than 4096")
	check("$expand="+strings.Repeat("(", 4_000), "$expand", "brackets")
	check("$expand=%00", "$expand", "control character")
}

// net/url would lose the whole $expand at the raw semicolon.
func TestValuesKeepSemicolons(t *testing.T) {
	raw := "$expand=policy($expand=rules;$select=id)&$top=1"
	if _, err := url.ParseQuery(raw); err == nil {
		t.Error("net/url takes a raw semicolon by now: Values may go")
	}
	q, err := parseRaw(t, raw)
	if err != nil || len(q.Expand) != 1 || len(q.Expand[0].Query.Select) != 1 || q.Top == nil {
		t.Errorf("got %+v, %v, want expand with select, and top", q, err)
	}
}

func TestNextLink(t *testing.T) {
	for _, fact := range []struct{ base, want string }{
		{"https://pim.example:8443/v1.0/x", "https://pim.example:8443/v1.0/x?$skiptoken=T"},
		{"https://h/x?$filter=a eq 'ü b'&$top=5&$skip=10&%24skiptoken=old&skipToken=o&api-version=1&flag&bad=%zz",
			"https://h/x?$filter=a%20eq%20%27%C3%BC%20b%27&$top=5&api-version=1&flag&$skiptoken=T"},
		{"https://h/f(on='principal')?$expand=a($select=b;$top=1)#frag",
			"https://h/f(on='principal')?$expand=a%28$select%3Db%3B$top%3D1%29&$skiptoken=T"},
		{"https://user:secret@h/x?a=1%2B1+2", "https://h/x?a=1%2B1%202&$skiptoken=T"},
	} {
		base := mustURL(t, fact.base)
		if got := NextLink(base, "T"); got != fact.want {
			t.Errorf("%s:\n got %s\nwant %s", fact.base, got, fact.want)
		}
		if base.Fragment != "" && !strings.HasSuffix(fact.base, base.Fragment) {
			t.Errorf("%s: base was changed to %s", fact.base, base)
		}
	}
}

// mustURL keeps the query as it came, raw blanks included, as a server sees it over HTTP/2.
func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	head, query, _ := strings.Cut(s, "?")
	query, fragment, _ := strings.Cut(query, "#")
	u, err := url.Parse(head)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery, u.Fragment = query, fragment
	return u
}

func TestTokens(t *testing.T) {
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"2026-01-01", "id", "\x00\xff'"}, make([]string, 16)} {
		token := EncodeToken(parts...)
		got, err := DecodeToken(token)
		if err != nil || !cmp.Equal(got, parts) {
			t.Errorf("%q: got %q, %v", parts, got, err)
		}
		if token != url.QueryEscape(token) {
			t.Errorf("%q: token %s needs escaping", parts, token)
		}
	}
	for _, token := range []string{
		"", "!", "AA", "Ag", "AQU", "AQVh", "AQ==", "AQ\n", "AR", EncodeToken(make([]string, 17)...),
		EncodeToken(strings.Repeat("x", 4000)), strings.Repeat("A", 10_000), "Af___________wE",
	} {
		got, err := DecodeToken(token)
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Option != "$skiptoken" {
			t.Errorf("%.20q: got %q, %v, want an *Error", token, got, err)
		}
	}
}

func TestFunctionFacts(t *testing.T) {
	check := func(segment, name string, want Arguments) {
		t.Helper()
		got, args, ok, err := ParseFunction(segment)
		if err != nil || !ok || got != name {
			t.Errorf("%s: got %q, %v, %v", segment, got, ok, err)
		}
		if diff := cmp.Diff(want, args); diff != "" {
			t.Errorf("%s (-want +got):\n%s", segment, diff)
		}
	}
	check("filterByCurrentUser(on='principal')", "filterByCurrentUser", Arguments{{"on", String("principal")}})
	check("FilterByCurrentUser( On = 'Principal' )", "FilterByCurrentUser", Arguments{{"On", String("Principal")}})
	check("directoryRoles(roleTemplateId='"+guid+"')", "directoryRoles", Arguments{{"roleTemplateId", String(guid)}})
	check("directoryRoles(roletemplateid ='x')", "directoryRoles", Arguments{{"roletemplateid", String("x")}})
	check("roleSchedules(directoryScopeId='/',appScopeId='',principalId='p',roleDefinitionId='r')", "roleSchedules", Arguments{
		{"directoryScopeId", String("/")}, {"appScopeId", String("")}, {"principalId", String("p")}, {"roleDefinitionId", String("r")}})
	check("users('a(b),''c=d')", "users", Arguments{{"", String("a(b),'c=d")}})
	check("users("+guid+")", "users", Arguments{{"", Guid(guid)}})
	check("range(from=2026-01-01T00:00:00Z,n=5,last=null)", "range", Arguments{
		{"from", Time{mustTime(t, "2026-01-01T00:00:00Z")}}, {"n", Number(5)}, {"last", Null{}}})
	check("microsoft.graph.delta()", "microsoft.graph.delta", nil)

	for _, plain := range []string{"", "roleAssignments", "('key')", "4(x)", "$count", "(", "a'b"} {
		if name, _, ok, err := ParseFunction(plain); ok || err != nil {
			t.Errorf("%s: got %q, %v, %v, want it to be no function", plain, name, ok, err)
		}
	}
	for _, broken := range []string{
		"f(", "f(on=principal)", "f(on='x'", "f(on='x)", "f(on='x'))", "f(on='x')g", "f(,)", "f(a='1',)", "f(a='1' b='2')",
		"f(a='1',A='2')", "f('1','2')", "f(a=)", "f(=1)", "f(a=b=1)", "f(a=f())", "f(\x00)", "f('\xff')", "f(on=\"x\")",
		"f" + strings.Repeat("(", 5000), "f(a=1e999)", "f(" + strings.Repeat("'a',", 300) + "'a')",
	} {
		name, args, _, err := ParseFunction(broken)
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Option != "path" || name != "" || args != nil {
			t.Errorf("%.40q: got %q, %v, %v, want an *Error", broken, name, args, err)
		}
	}
	_, args, _, _ := ParseFunction("f(A='x',b=" + guid + ",c=1)")
	for name, want := range map[string]string{"a": "x", "B": guid, "c": "", "d": ""} {
		if got, ok := args.Text(name); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", name, got, ok, want)
		}
	}
}
