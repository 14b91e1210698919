package odata

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mustBeRefusal fails unless the error is one that may be shown.
func mustBeRefusal(t *testing.T, err error) {
	t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Option == "" || refusal.Detail == "" {
		t.Fatalf("got %#v, want an *Error", err)
	}
}

func FuzzFilter(f *testing.F) {
	for _, text := range []string{
		"", "asTarget()", "atScope() and principalId eq '1'", "(subject/id eq '1') and (assignmentState eq 'Eligible')",
		"isof(principal,'microsoft.graph.user')", "targetResources/any(t:t/id eq '1' or startswith(t/displayName,'a'))",
		"a ge 2026-01-01T00:00:00+02:00+and+b in (1,null,duration'P1DT1.5S')", "not (tolower(a/b) eq 'O''Neil') or 'x' eq c",
		guid + " eq id", "a eq -1.5e+20", "a eq microsoft.graph.x'y'", "not not a", strings.Repeat("(", 40), "a eq 'x", "\x00", "\xff",
	} {
		f.Add(text)
	}
	schema, get := instances(), sampleRow(f)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseFilter(text)
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		if e == nil {
			return
		}
		if ok, err := Eval(e, get); ok && err != nil {
			t.Fatal(err)
		}
		Relax(e, func(p Path) bool { return len(p.Segments) == 1 })
		if _, err := schema.Check(Query{Filter: e}); err != nil {
			mustBeRefusal(t, err)
		}
		printed := e.String()
		if len(printed) > MaxFilter {
			return // numbers, dates and variables print longer than they can be written
		}
		again, err := ParseFilter(printed)
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, printed, err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatalf("%q printed as %q (-want +got):\n%s", text, printed, diff)
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, text := range []string{
		"*", "roleDefinition,principal", "policy($expand=rules($select=id))", "roleDefinition($select=id,displayName),principal",
		"a($filter=b eq ');,(''' and c in (1,2);$top=5;$skip=3;$orderby=x desc,tolower(y);$count=true;$search=\"z\";select=q,*)",
		"a($expand=b($expand=c($expand=d)))", "a(", "a)", "a('", "a();", strings.Repeat("a($expand=", 50),
	} {
		f.Add(text)
	}
	schema := instances()
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(url.Values{"$expand": {text}})
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		if _, err := schema.Check(q); err != nil {
			mustBeRefusal(t, err)
		}
		written := printed(q.Expand)
		if len(written) > MaxOption {
			return
		}
		again, err := Parse(url.Values{"expand": {written}})
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, written, err)
		}
		if diff := cmp.Diff(q, again); diff != "" {
			t.Fatalf("%q printed as %q (-want +got):\n%s", text, written, diff)
		}
	})
}

func FuzzFunction(f *testing.F) {
	for _, text := range []string{
		"filterByCurrentUser(on='principal')", "directoryRoles(roletemplateid ='x')", "f(a='',b=" + guid + ",c=null)", "users('a''b')",
		"roleSchedules(directoryScopeId='/',appScopeId='',principalId='p',roleDefinitionId='r')", "f(", "f)", "f('", "()", "f(a=2026-01-01)",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		name, args, ok, err := ParseFunction(segment)
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		if !ok {
			if name != "" || args != nil {
				t.Fatalf("%q: got %q, %v of no function", segment, name, args)
			}
			return
		}
		written := name + "(" + args.String() + ")"
		if len(written) > MaxFilter {
			return
		}
		name2, args2, ok, err := ParseFunction(written)
		if err != nil || !ok || name2 != name {
			t.Fatalf("%q printed as %q: %q, %v, %v", segment, written, name2, ok, err)
		}
		if diff := cmp.Diff(args, args2); diff != "" {
			t.Fatalf("%q printed as %q (-want +got):\n%s", segment, written, diff)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add(EncodeToken("2026-01-01T00:00:00Z", guid))
	f.Add("AQU")
	f.Fuzz(func(t *testing.T, token string) {
		parts, err := DecodeToken(token)
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		again, err := DecodeToken(EncodeToken(parts...))
		if err != nil || !slices.Equal(again, parts) {
			t.Fatalf("%q: got %q, then %q, %v", token, parts, again, err)
		}
	})
}

func BenchmarkParseFilter(b *testing.B) {
	for _, bench := range []struct{ name, text string }{
		{"one", "principalId eq '" + guid + "'"},
		{"policy", "scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '" + guid + "'"},
		{"arm", "(principalId eq '" + guid + "') and atScope()"},
		{"lambda", "loggedByService eq 'PIM' and activityDateTime ge 2026-01-01T00:00:00Z and targetResources/any(t:t/id eq '" + guid + "')"},
		{"longest", strings.Repeat("a eq 1 or ", 408) + "a eq 1"},
		{"deepest", strings.Repeat("(", 32) + "a eq 1" + strings.Repeat(")", 32)},
		{"refused", strings.Repeat("(", 4000)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseFilter(bench.text); (err != nil) != (bench.name == "refused") {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEval(b *testing.B) {
	e, err := ParseFilter("principal/id eq 'p1' and status eq 'Provisioned' and startDateTime ge 2026-01-01T00:00:00Z")
	if err != nil {
		b.Fatal(err)
	}
	q, err := instances().Check(Query{Filter: e})
	if err != nil {
		b.Fatal(err)
	}
	get := sampleRow(b)
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := Eval(q.Filter, get); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
