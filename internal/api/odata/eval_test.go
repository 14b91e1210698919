package odata

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustTime(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// instances is a set that has a property of every kind.
func instances() Schema {
	user := []Property{
		{Name: "id", Kind: KindID, Filterable: true, Sortable: true},
		{Name: "displayName", Kind: KindText, Filterable: true, Sortable: true},
		{Name: "secret", Kind: KindString},
	}
	rules := Schema{Properties: []Property{{Name: "id", Kind: KindString, Filterable: true}}}
	policy := Schema{Properties: user, Navigations: []Navigation{{"rules", &rules}, {"effectiveRules", &rules}}}
	return Schema{
		Properties: []Property{
			{Name: "id", Kind: KindID, Filterable: true, Sortable: true},
			{Name: "justification", Kind: KindString, Filterable: true, Sortable: true},
			{Name: "displayName", Kind: KindText, Filterable: true},
			{Name: "status", Kind: KindEnum, Filterable: true, Values: []string{"Provisioned", "PendingApproval"}},
			{Name: "isBuiltIn", Kind: KindBool, Filterable: true},
			{Name: "incidentCount", Kind: KindNumber, Filterable: true, Sortable: true},
			{Name: "startDateTime", Kind: KindTime, Filterable: true, Sortable: true},
			{Name: "maximum", Kind: KindDuration, Filterable: true},
			{Name: "principal", Kind: KindComplex, Filterable: true, Properties: user},
			{Name: "groupTypes", Kind: KindCollection, Filterable: true, Element: KindEnum},
			{Name: "targets", Kind: KindCollection, Filterable: true, Properties: user},
			{Name: "hidden", Kind: KindString},
		},
		Navigations: []Navigation{{"policy", &policy}, {"roleDefinition", nil}, {"activatedUsing", &rules}},
		Functions:   []Function{{"asTarget", nil}, {"assignedTo", []Kind{KindID}}},
		Searchable:  true,
	}
}

// row gets a document of nested maps and lists the way a set would.
func row(doc map[string]any) func([]string) any {
	return func(path []string) any {
		var at any = doc
		for _, name := range path {
			m, ok := at.(map[string]any)
			if !ok {
				return nil
			}
			at = m[name]
		}
		if list, ok := at.([]map[string]any); ok {
			var out []func([]string) any
			for _, m := range list {
				out = append(out, row(m))
			}
			return out
		}
		return at
	}
}

type status string

func sampleRow(t testing.TB) func([]string) any {
	return row(map[string]any{
		"id": upperGuid, "justification": "Ticket 1", "displayName": "Ärzte Ohne Grenzen", "status": status("Provisioned"),
		"isBuiltIn": true, "incidentCount": 3, "startDateTime": mustTime(t, "2026-01-01T00:00:00Z"), "maximum": 8 * time.Hour,
		"principal":  map[string]any{"@odata.type": "#microsoft.graph.user", "id": "p1", "displayName": "Amira O'Neil"},
		"groupTypes": []any{"Unified", nil},
		"targets":    []map[string]any{{"id": "t1", "displayName": "One"}, {"id": "T2"}},
	})
}

func TestEvalFacts(t *testing.T) {
	schema, get := instances(), sampleRow(t)
	check := func(text string, want bool) {
		t.Helper()
		e, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		q, err := schema.Check(Query{Filter: e})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if got, err := Eval(q.Filter, get); got != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	check("", true)
	check("ID eq '"+guid+"'", true)
	check("id eq "+guid, true)
	check("id ne '"+guid+"'", false)
	check("id in ('x',"+guid+")", true)
	check("startswith(id,'4a89')", true)
	check("justification eq 'Ticket 1'", true)
	check("justification eq 'ticket 1'", false)
	check("tolower(justification) eq 'ticket 1'", true)
	check("toupper(justification) eq 'TICKET 1'", true)
	check("tolower(justification) eq 'Ticket 1'", false)
	check("contains(tolower(justification),'KET')", false)
	check("justification gt 'Ticket 0' and justification lt 'Ticket 2'", true)
	check("endswith(justification,' 1')", true)
	check("displayName eq 'ärzte ohne grenzen'", true)
	check("contains(displayName,'OHNE')", true)
	check("status eq 'provisioned'", true)
	check("status in ('pendingapproval')", false)
	check("status eq 'Unheard'", false)
	check("isBuiltIn", true)
	check("not isBuiltIn", false)
	check("isBuiltIn ne false", true)
	check("incidentCount gt 2 and incidentCount le 3 and incidentCount ne 3.5", true)
	check("4 gt incidentCount", true)
	check("incidentCount lt 3", false)
	check("startDateTime ge 2026-01-01T01:00:00+01:00", true)
	check("startDateTime gt '2026-01-01T00:00:00Z'", false)
	check("startDateTime le '2026-01-01'", true)
	check("maximum eq duration'PT480M' and maximum lt 'P1D'", true)
	check("principal/id eq 'P1' and principal/displayName eq 'amira o''neil'", true)
	check("principal ne null", true)
	check("isof(principal,'microsoft.graph.user')", true)
	check("isof(principal,'#Microsoft.Graph.User')", true)
	check("isof(principal,'microsoft.graph.group')", false)
	check("groupTypes/any(g:g eq 'unified')", true)
	check("groupTypes/any(g:g eq null)", true)
	check("groupTypes/all(g:g eq 'unified')", false)
	check("groupTypes/any()", true)
	check("targets/any(t:t/id eq 't2' and t/displayName eq null)", true)
	check("targets/all(t:startswith(t/id,'T'))", true)
	check("targets/any(t:t/id eq 't1' and t/displayName eq 'two')", false)
	check("targets/any(t:t/id eq 't1' and isBuiltIn)", true)
	check("targets/any(id:id/id eq 't1')", true)
	// A null within a lambda made the lambda null, so that neither it nor its negation was true.
	check("targets/any(t:startswith(t/displayName,'absent'))", false)
	check("not targets/any(t:startswith(t/displayName,'absent'))", true)
	check("targets/all(t:startswith(t/displayName,'o'))", false)
	check("not targets/all(t:startswith(t/displayName,'o'))", true)
}

// The rules of OData for what is absent.
func TestEvalNulls(t *testing.T) {
	schema, get := instances(), row(nil)
	check := func(text string, want bool) {
		t.Helper()
		e, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		q, err := schema.Check(Query{Filter: e})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Eval(q.Filter, get); got != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	check("id eq null", true)
	check("id ne null", false)
	check("id eq 'x'", false)
	check("id ne 'x'", true)
	check("not (id eq 'x')", true)
	check("id in ('x',null)", true)
	check("id in ('x')", false)
	check("incidentCount gt 0", false)
	check("incidentCount le 0", false)
	check("not (incidentCount gt 0)", true)
	check("isBuiltIn", false)
	check("isBuiltIn ne true", true)
	check("startswith(id,'x')", false)
	check("not startswith(id,'x')", false) // null, not false, so that its negation is not true
	check("not startswith(id,'x') or id eq null", true)
	check("tolower(justification) eq null", true)
	check("isof(principal,'a')", false)
	check("not isof(principal,'a')", true)
	check("targets/any()", false)
	check("targets/any(t:t/id ne 'x')", false)
	check("targets/all(t:t/id eq 'x')", true)
	check("principal eq null", true)
	check("principal/id eq null", true)
}

// A set may keep its values in types of its own.
func TestEvalNamedTypes(t *testing.T) {
	type flag bool
	for _, fact := range []struct {
		value any
		text  string
	}{
		{status("x"), "v eq 'x'"}, {flag(true), "v"}, {int64(5), "v eq 5"}, {uint8(5), "v eq 5"}, {float32(0.5), "v eq 0.5"},
		{5, "v gt 4.5"}, {time.Minute, "v eq duration'PT60S'"}, {[]any{status("x")}, "v/any(e:e eq 'x')"}, {nil, "v eq null"},
	} {
		e, err := ParseFilter(fact.text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Eval(e, func([]string) any { return fact.value }); !got || err != nil {
			t.Errorf("%s of %T: got %v, %v, want true", fact.text, fact.value, got, err)
		}
	}
}

// Faults of the program, which a checked filter over a true getter does not meet.
func TestEvalFaults(t *testing.T) {
	get := sampleRow(t)
	for _, text := range []string{
		"id eq 1", "isBuiltIn eq 'x'", "startDateTime eq 'x'", "startswith(incidentCount,'x')", "id/any(x:x eq 1)",
		"maximum eq 1", "incidentCount eq true",
	} {
		e, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Eval(e, get); err == nil || got {
			t.Errorf("%s: got %v, %v, want a fault", text, got, err)
		}
	}
	for _, e := range []Expr{Call{"asTarget", nil}, Not{Call{"startsWith2", nil}}} {
		if got, err := Eval(e, get); got || !errors.Is(err, ErrFunction) {
			t.Errorf("%v: got %v, %v, want ErrFunction", e, got, err)
		}
	}
	for _, e := range []Expr{Call{"contains", nil}, Call{"isof", []Operand{String("a"), String("b")}}, Compare{Path: Path{Segments: []string{"id"}}, Value: String("a")}} {
		if got, err := Eval(e, get); got || err == nil {
			t.Errorf("%v: got %v, %v, want a fault", e, got, err)
		}
	}
}

func TestCheckFacts(t *testing.T) {
	q, err := parseRaw(t, "$filter=PRINCIPAL/ID eq "+upperGuid+" and Status eq 'PENDINGAPPROVAL' and astarget() and ASSIGNEDTO("+guid+
		")&$select=ID,principal/DisplayName,Policy,*&$orderby=StartDateTime desc,tolower(Justification)&$expand=POLICY($expand=*;$select=ID),*&$search=x")
	if err != nil {
		t.Fatal(err)
	}
	before := q.Filter.String()
	got, err := instances().Check(q)
	if err != nil {
		t.Fatal(err)
	}
	want := Query{
		Filter: And{
			Compare{Path{Segments: []string{"principal", "id"}, Kind: KindID}, Eq, String(guid)},
			Compare{Path{Segments: []string{"status"}, Kind: KindEnum}, Eq, String("PendingApproval")},
			Call{"asTarget", nil},
			Call{"assignedTo", []Operand{String(guid)}},
		},
		Select: []string{"id", "principal/displayName", "policy", "*"},
		OrderBy: []Order{{Path{Segments: []string{"startDateTime"}, Kind: KindTime}, true},
			{Path{Segments: []string{"justification"}, Wrap: ToLower, Kind: KindString}, false}},
		Expand: []Expand{
			{"policy", Query{Select: []string{"id"}, Expand: []Expand{{Path: "rules"}, {Path: "effectiveRules"}}}},
			{Path: "roleDefinition"}, {Path: "activatedUsing"},
		},
		Search: "x",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checked (-want +got):\n%s", diff)
	}
	if after := q.Filter.String(); after != before || q.Select[0] != "ID" || q.OrderBy[0].Path.Segments[0] != "StartDateTime" {
		t.Errorf("the query given was changed: %v", q)
	}
}

func TestCheckRefused(t *testing.T) {
	check := func(raw, option, detail string) {
		t.Helper()
		q, err := parseRaw(t, raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			return
		}
		q, err = instances().Check(q)
		var refusal *Error
		if !errors.As(err, &refusal) {
			t.Errorf("%s: got %v, %v, want an *Error", raw, q, err)
			return
		}
		if refusal.Option != option || !strings.Contains(refusal.Detail, detail) {
			t.Errorf("%s: got %q %q, want %q %q", raw, refusal.Option, refusal.Detail, option, detail)
		}
	}
	filter := func(text, detail string) { t.Helper(); check("$filter="+text, "$filter", detail) }
	filter("id eq 'x' and nope eq 1", `at position 15: property "nope" is not known here`)
	filter("tolower(nope) eq 'x'", `at position 1: property "nope"`)
	filter("principal/nope eq 1", `"principal/nope" is not known`)
	filter("id/x eq 1", "not known")
	filter("hidden eq 'x'", `"hidden" does not filter`)
	filter("principal/secret eq 'x'", "does not filter")
	filter("id eq 1", "does not suit")
	filter("id eq true", "does not suit")
	filter("id gt 'x'", "does not compare so")
	filter("status lt 'x'", "does not compare so")
	filter("isBuiltIn gt false", "does not compare so")
	filter("incidentCount gt null", "does not compare so")
	filter("incidentCount eq '1'", "does not suit")
	filter("startDateTime eq 'x'", "does not suit")
	filter("startDateTime eq '2026-01-01T00:00:00'", "does not suit")
	filter("startDateTime eq 1", "does not suit")
	filter("isBuiltIn eq 'true'", "does not suit")
	filter("id", "does not suit")
	filter("maximum eq 5", "does not suit")
	filter("principal eq 'x'", "does not suit")
	filter("principal in (null)", "takes no list")
	filter("groupTypes eq null", "does not suit")
	filter("id in ('x',1)", "value 2")
	filter("tolower(incidentCount) eq 'x'", "is no text")
	filter("startswith(incidentCount,'x')", "is no text")
	filter("isof(id,'x')", "is no object")
	filter("id/any(x:x eq 1)", "is no collection")
	filter("nope/any()", "not known")
	filter("targets/any(t:t/nope eq 1)", "not known")
	filter("targets/any(t:t/secret eq '1')", "does not filter")
	filter("groupTypes/any(g:g/x eq '1')", "not known")
	filter("groupTypes/any(g:g eq 1)", "does not suit")
	filter("t/id eq 'x' or targets/any(t:t/id eq 'x')", "not known")
	filter("not asApprover()", `function "asApprover" is not known here`)
	filter("asTarget('x')", "takes 0 arguments")
	filter("assignedTo()", "takes 1 arguments")
	filter("assignedTo(1)", "argument 1 does not suit")
	filter("assignedTo(null)", "argument 1 does not suit")
	filter("assignedTo(id)", "argument 1 does not suit")
	check("$select=id,nope", "$select", `entry 2: property "nope"`)
	check("$orderby=nope", "$orderby", "not known")
	check("$orderby=status", "$orderby", "does not sort")
	check("$orderby=principal", "$orderby", "does not sort")
	check("$orderby=tolower(startDateTime)", "$orderby", "is no text")
	check("$expand=nope", "$expand", `entry 1: "nope" is not known here`)
	check("$expand=roleDefinition($select=id)", "$expand", "in roleDefinition: $select: entry 1")
	check("$expand=policy($expand=rules($filter=nope eq 1))", "$expand", "in policy: in rules: $filter: at position 1")
	check("$expand=activatedUsing($search=x)", "$expand", "in activatedUsing: $search: not offered here")
}
