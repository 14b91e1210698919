package arm

import (
	"errors"
	"reflect"
	"testing"

	"portcullis/internal/api/wire"
)

const (
	anID      = "5c3e0000-0000-4000-8000-00000000000a"
	anIDUpper = "5C3E0000-0000-4000-8000-00000000000A"
)

func someWords() filterWords {
	return filterWords{functions: []string{"atScope", "asTarget", "assignedTo(id)"}, members: []string{"principalId", "roleDefinitionId", "roleName"}}
}

func TestFilter(t *testing.T) {
	type functions = map[string]string
	type members = map[string][]string
	children := filterWords{members: []string{"resourceType", "name"}, or: true}
	for _, c := range []struct {
		text  string
		words filterWords
		want  filter
	}{
		{"", someWords(), filter{functions{}, members{}}},
		{"  ", someWords(), filter{functions{}, members{}}},
		{"atScope()", someWords(), filter{functions{"atScope": ""}, members{}}},
		{"ATSCOPE( )", someWords(), filter{functions{"atScope": ""}, members{}}},
		{"assignedto('" + anIDUpper + "')", someWords(), filter{functions{"assignedTo": anID}, members{}}},
		{"assignedTo(" + anID + ")", someWords(), filter{functions{"assignedTo": anID}, members{}}},
		{"(principalId eq '" + anID + "')", someWords(), filter{functions{}, members{"principalId": {anID}}}},
		{"principalid eq " + anID, someWords(), filter{functions{}, members{"principalId": {anID}}}},
		{"((principalId eq '" + anID + "') and atScope()) and asTarget()", someWords(), filter{functions{"atScope": "", "asTarget": ""}, members{"principalId": {anID}}}},
		{"principalId+eq+'" + anID + "'+and+atScope()", someWords(), filter{functions{"atScope": ""}, members{"principalId": {anID}}}},
		{"roleName eq 'C++ isn''t + Java'", someWords(), filter{functions{}, members{"roleName": {"C++ isn't + Java"}}}},
		{"resourceType eq 'subscription' or resourceType eq 'resourcegroup'", children, filter{functions{}, members{"resourceType": {"subscription", "resourcegroup"}}}},
		{"(resourceType eq 'a' or resourceType eq 'b') and name eq 'c'", children, filter{functions{}, members{"resourceType": {"a", "b"}, "name": {"c"}}}},
	} {
		got, err := parseFilter(spaced(c.text), c.words)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
}

func TestFilterRefuses(t *testing.T) {
	for _, text := range []string{
		"asEverybody()", "atScope", "atScope(", "atScope('x')", "assignedTo()", "assignedTo('x')", "assignedTo('" + anID + "','" + anID + "')", "assignedTo(principalId)",
		"shoeSize eq '1'", "principalId", "principalId eq", "principalId eq 5", "principalId eq null", "principalId ne 'x'", "principalId eq ''", "tolower(principalId) eq 'x'",
		"not atScope()", "principalId in ('a','b')", "principalId eq 'a' or principalId eq 'b'", "principalId eq 'a' and principalId eq 'b'",
		"atScope() and atScope()", "principalId/x eq 'a'", "contains(roleName,'x')", "principalId eq 'a", "principalId eq 'a' and", "x/any(y:y eq 'a')",
	} {
		got, err := parseFilter(text, someWords())
		if p, ok := errors.AsType[*problem](err); !ok || p.Code != "InvalidFilter" || p.Status != 400 {
			t.Errorf("%s: got %+v, %v, want InvalidFilter", text, got, err)
		}
	}
	for _, text := range []string{"resourceType eq 'a' or name eq 'b'", "resourceType eq 'a' or atScope()", "(name eq 'a' or name eq 'b') and name eq 'c'"} {
		if got, err := parseFilter(text, filterWords{functions: []string{"atScope"}, members: []string{"resourceType", "name"}, or: true}); err == nil {
			t.Errorf("%s: got %+v, want a refusal", text, got)
		}
	}
}

// FuzzFilter: whatever is sent is read or refused with InvalidFilter, and what is read names nothing that the list does not have.
func FuzzFilter(f *testing.F) {
	for _, text := range []string{"", "atScope() and assignedTo('" + anID + "')", "(principalId+eq+'" + anID + "')", "resourceType eq 'a' or resourceType eq 'b'", "((((", "'", "a eq 'b''"} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, or bool) {
		words := someWords()
		words.or = or
		got, err := parseFilter(spaced(text), words)
		if err != nil {
			if p, ok := errors.AsType[*problem](err); !ok || p.Code != "InvalidFilter" {
				t.Fatalf("%q: got %v", text, err)
			}
			return
		}
		for name, argument := range got.functions {
			if takes := name == "assignedTo"; name != "atScope" && name != "asTarget" && !takes || takes != wire.IsGUID(argument) {
				t.Errorf("%q: got the function %s(%s)", text, name, argument)
			}
		}
		for name, values := range got.members {
			if name != "principalId" && name != "roleDefinitionId" && name != "roleName" || len(values) == 0 || len(values) > 1 && !or {
				t.Errorf("%q: got %s %q", text, name, values)
			}
		}
	})
}
