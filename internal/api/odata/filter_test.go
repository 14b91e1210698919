package odata

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	guid      = "4a89574f-0b0f-4d9a-9b5f-3a0c2f1f7f10"
	upperGuid = "4A89574F-0B0F-4D9A-9B5F-3A0C2F1F7F10"
)

// The filters that the reference quotes, as clients write them, and what they print as.
func TestFilterFacts(t *testing.T) {
	check := func(text, want string) {
		t.Helper()
		e, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if got := e.String(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
	same := func(text string) { t.Helper(); check(text, text) }

	// Graph: comparisons, logic, lists.
	same("principalId eq '" + guid + "'")
	same("appScopeId eq null")
	same("appScopeId ne null")
	same("principalId eq '1' and roleDefinitionId eq '2' and directoryScopeId eq '/'")
	same("scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '" + guid + "'")
	same("scopeType eq 'Group' and scopeId eq '" + guid + "' and roleDefinitionId eq 'member'")
	same("groupId eq '1' and targetScheduleId eq 'g_member_1'")
	same("status eq 'PendingApproval'")
	same("assignmentType eq 'Activated'")
	same("createdBy/user/id eq '1'")
	same("principal/id eq '1'")
	same("startswith(principal/displayName,'A')")
	same("startswith(displayName,'A')")
	same("isof(principal,'microsoft.graph.user')")
	same("isof(principal,'microsoft.graph.user') and roleDefinitionId eq '1'")
	check("(isof(principal,microsoft.graph.user) and roleDefinitionId eq '1')",
		"isof(principal,'microsoft.graph.user') and roleDefinitionId eq '1'")
	same("tolower(roleDefinition/displayName) eq 'x'")
	check("tolower(roleDefinition/displayName) eq tolower('Global Reader')",
		"tolower(roleDefinition/displayName) eq 'global reader'")
	check("contains(ToUpper(displayName), 'X')", "contains(toupper(displayName),'X')")
	same("createdDateTime ge 2026-01-01T00:00:00Z and createdDateTime lt 2026-02-01T00:00:00Z")
	check("startDateTime ge 2026-01-01T02:00:00.1234567+02:00", "startDateTime ge 2026-01-01T00:00:00.123456Z")
	check("startDateTime ge 2026-01-01T02:00:00 02:00 and a eq 1", "startDateTime ge 2026-01-01T00:00:00Z and a eq 1")
	check("startDateTime gt 2026-01-01", "startDateTime gt 2026-01-01T00:00:00Z")
	check("startDateTime gt 2026-01-01t10:00z", "startDateTime gt 2026-01-01T10:00:00Z")
	same("targetResources/any(t:t/id eq '1')")
	check("targetResources/any(t: t/displayName eq 'x' or startswith(T/displayName, 'y'))",
		"targetResources/any(t:t/displayName eq 'x' or startswith(t/displayName,'y'))")
	same("principalIds/any(a:a eq '1')")
	same("notificationRecipients/any()")
	same("approvalStages/all(s:s/primaryApprovers/any(p:p/userId eq '1' and s/open eq true))")
	same("loggedByService eq 'PIM' and activityDateTime ge 2026-01-01T00:00:00Z")
	same("initiatedBy/user/userPrincipalName eq 'a@b.example'")
	check("status in ('a','b' , 'c')", "status in ('a','b','c')")
	same("isBuiltIn eq true")
	check("isBuiltIn", "isBuiltIn eq true")
	check("not isBuiltIn", "not (isBuiltIn eq true)")
	check("not(a eq 'b')", "not (a eq 'b')")
	check("not startswith(a,'b') and c eq 'd'", "not startswith(a,'b') and c eq 'd'")
	check("startswith(a,'b') eq true", "startswith(a,'b')")
	check("startswith(a,'b') eq false", "not startswith(a,'b')")
	check("true ne contains(a,'b')", "not contains(a,'b')")
	check("a eq 1 or b eq 2 and c eq 3", "a eq 1 or b eq 2 and c eq 3")
	check("(a eq 1 or b eq 2) and c eq 3", "(a eq 1 or b eq 2) and c eq 3")
	check("a eq 1 or (b eq 2 or (c eq 3))", "a eq 1 or b eq 2 or c eq 3")
	check("'x' eq name", "name eq 'x'")
	check("3 lt incidentCount", "incidentCount gt 3")
	check("incidentCount le -1.50", "incidentCount le -1.5")
	check("a eq -0", "a eq 0")
	check("a eq 1E+2", "a eq 100")
	same("a eq 1e+20")
	same("a eq duration'PT8H'")
	check("a eq duration'P1DT0.5S'", "a eq duration'PT24H0.5S'")
	check("a eq Duration'P2W6D'", "a eq duration'PT480H'")
	check("a eq microsoft.graph.riskLevel'high'", "a eq 'high'")
	check("a eq guid'"+upperGuid+"'", "a eq "+guid)
	check("principalId eq "+upperGuid, "principalId eq "+guid)
	same("displayName eq 'O''Neil''s'")
	same("displayName eq ''")
	same("displayName eq ''''")
	same("displayName eq 'a (b) and c'") // brackets and words within quotes are text
	check("in/not eq 'x'", "in/not eq 'x'")

	// ARM.
	same("asTarget()")
	same("assignedto('" + guid + "')")
	check("atScope() and principalId eq '1'", "atScope() and principalId eq '1'")
	check("(principalId eq '1') and atScope()", "principalId eq '1' and atScope()")
	same("atScope() and assignedTo('" + upperGuid + "')")
	check("roleName eq 'X'", "roleName eq 'X'")
	check("resourceType eq 'subscription' or resourceType eq 'resourcegroup'",
		"resourceType eq 'subscription' or resourceType eq 'resourcegroup'")
	check("resourceType+eq+'Sub+scription'", "resourceType eq 'Sub+scription'")
	check("a ge 2026-01-01T00:00:00Z+and+b eq 1", "a ge 2026-01-01T00:00:00Z and b eq 1")
	check("a ge 2026-01-01+and+b eq 1", "a ge 2026-01-01T00:00:00Z and b eq 1")

	// PIM v2, as az-pim-cli and the export sample send it.
	check("(subject/id eq '1') and (assignmentState eq 'Eligible')", "subject/id eq '1' and assignmentState eq 'Eligible'")
	same("status/subStatus eq 'PendingAdminDecision'")
	same("registeredDateTime ne null")
	same("contains(tolower(displayName),'x')")
	check("  ((resourceId eq '1'))\t", "resourceId eq '1'")
	same("requestType eq 'x' and creationDateTime ge 2026-01-01T00:00:00Z and creationDateTime le 2026-01-02T00:00:00Z")
}

func TestFilterTree(t *testing.T) {
	got, err := ParseFilter("a/b eq 'x' and not (c in (1,null) or t/any(v:v/z gt 2026-01-01T00:00:00Z)) and f(" + guid + ")")
	if err != nil {
		t.Fatal(err)
	}
	path := func(segments ...string) Path { return Path{Segments: segments} }
	want := And{
		Compare{path("a", "b"), Eq, String("x")},
		Not{Or{
			In{path("c"), []Literal{Number(1), Null{}}},
			Any{path("t"), "v", Compare{path("v", "z"), Gt, Time{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}},
		}},
		Call{"f", []Operand{Guid(guid)}},
	}
	if diff := cmp.Diff(Expr(want), got); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if e, err := ParseFilter("  "); e != nil || err != nil {
		t.Errorf("blank filter: got %v, %v, want nil, nil", e, err)
	}
}

// Every refusal is an *Error that names the option, and the place where there is one.
func TestFilterRefused(t *testing.T) {
	check := func(text, detail string) {
		t.Helper()
		e, err := ParseFilter(text)
		var refusal *Error
		if !errors.As(err, &refusal) {
			t.Errorf("%.60q: got %v, %v, want an *Error", text, e, err)
			return
		}
		if refusal.Option != "$filter" || !strings.Contains(refusal.Detail, detail) {
			t.Errorf("%.60q: got %v, want %q", text, err, detail)
		}
	}
	check("a eq", "at position 5: the text ends too early")
	check("a eq 'x", "at position 6: a string that does not end")
	check("a eq 'x''", "at position 6: a string that does not end")
	check("(a eq 1", "at position 8: a closing bracket is missing")
	check("a eq 1)", "at position 7: a bracket closes that was not opened")
	check(")(", "at position 1")
	check("a eq 1 b eq 2", "at position 8: not expected here")
	check("a eq 1 and", "ends too early")
	check("and a eq 1", "at position 1: not expected here")
	check("a EQ 1", "at position 3")
	check("a like 'x'", "at position 3")
	check("a eq 1 AND b eq 2", "at position 8")
	check("a has 'x'", "at position 3")
	check("a add 1 eq 2", "at position 3")
	check("a eq b", "a property and a value")
	check("1 eq 1", "two values")
	check("'x'", "a value is no condition")
	check("true", "a value is no condition")
	check("()", "not expected here")
	check("a in ()", "not expected here")
	check("a in ('x'", "closing bracket")
	check("a in (b)", "values between")
	check("'a' in ('a')", "a property on its left")
	check("asTarget() eq 'x'", "true or false")
	check("asTarget() gt true", "true or false")
	check("startswith(a)", "startswith takes")
	check("startswith('a',b)", "startswith takes")
	check("startswith(a,1)", "startswith takes")
	check("isof('x')", "isof takes")
	check("isof(a,1)", "isof takes")
	check("tolower(tolower(a)) eq 'x'", "tolower takes")
	check("tolower(asTarget()) eq 'x'", "a condition is no argument")
	check("f(x:x eq 1)", "a variable outside any and all")
	check("a/all()", "all takes")
	check("a/any(x)", "any takes")
	check("a/any(x/y:x eq 1)", "any takes")
	check("a/any(x:x/any(X:X eq 1))", "the name of another")
	check("a/count() eq 1", "only any and all")
	check("a/$count eq 1", "at position 3: a character that has no meaning here")
	check("a eq \"x\"", "at position 6")
	check("a eq 'x'; drop table t", "at position 9")
	check("a eq 12x", "not a number")
	check("a eq 1e999", "out of range")
	check("a eq --1", "not a number")
	check("a eq INF", "a property and a value")
	check("a eq 2026-13-01", "not a time that exists")
	check("a ge 2026-01-01T00:00:00", "with its offset")
	check("a ge 2026-01-01T", "not a number, a guid or a time")
	check("a ge 0000-01-01T00:00:00+14:00", "not a time that exists")
	check("a eq "+guid+"0", "not a number")
	check("a eq duration'P1M'", "wrongly written")
	check("a eq duration'P1H'", "wrongly written")
	check("a eq duration'PT'", "wrongly written")
	check("a eq duration'P99999999999D'", "out of range")
	check("a eq geography'x'", "unknown type")
	check("a\x00 eq 1", "at position 2: control character")
	check("a eq 'x\x00'", "control character")
	check("a eq 'x\xff'", "UTF-8")
	check("ä eq 1", "at position 1: a character that has no meaning here")
	check(strings.Repeat("(", 10_000), "longer than 4096 bytes")
	check(strings.Repeat("(", 4000), "at position 33: more than 32 levels deep")
	check(strings.Repeat("not ", 1000)+"a", "more than 32 levels deep")
	check(strings.Repeat("(", 33)+"a eq 1"+strings.Repeat(")", 33), "more than 32 levels deep")
	check(strings.Repeat("not(a eq 1) and not a eq 1 and ", 20)+strings.Repeat("(", 33)+"a", "more than 32 levels deep")
	check(strings.Repeat("a/any(v:", 40), "more than 32 levels deep")
	check("a eq '"+strings.Repeat("x", 5000)+"'", "longer than 4096 bytes")
	check(strings.Repeat("n", 200)+" eq 1", "a name longer than 128 bytes")
}

// The deepest and the longest filters that are taken.
func TestFilterBounds(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("(", 32) + "a eq 1" + strings.Repeat(")", 32),
		strings.Repeat("not ", 32) + "a eq 1",
		strings.Repeat("not(", 32) + "a eq 1" + strings.Repeat(")", 32),
		"(not(a eq 1)) and " + strings.Repeat("not a eq 1 and ", 200) + "a eq 1",
		strings.Repeat("a eq 1 or ", 408) + "a eq 1",
	} {
		e, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%.40s… (%d bytes): %v", text, len(text), err)
			continue
		}
		if _, err := ParseFilter(e.String()); err != nil && len(e.String()) <= MaxFilter {
			t.Errorf("%.40s… printed: %v", text, err)
		}
	}
}

// A refusal repeats names but never values, which may be secrets or somebody's data.
func TestRefusalsHideValues(t *testing.T) {
	for _, text := range []string{"a eq 's3cret' x", "a eq 's3cret", "'s3cret' eq 's3cret'", "a in ('s3cret',b)", "f('s3cret') eq 1"} {
		_, err := ParseFilter(text)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want a refusal without the value", text, err)
		}
	}
}

func TestTermsAndPinned(t *testing.T) {
	e, err := ParseFilter("ScopeId eq '/' and scopeType eq null and asTarget() and (a eq 'x' or b eq 'y')")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(Terms(e)); got != 4 {
		t.Errorf("terms: got %d, want 4", got)
	}
	if v, ok := Pinned(e, "scopeId"); !ok || v != String("/") {
		t.Errorf("scopeId: got %v, %v, want '/'", v, ok)
	}
	for _, name := range []string{"scopeType", "a", "b", "c"} {
		if v, ok := Pinned(e, name); ok {
			t.Errorf("%s: got %v, want it not pinned", name, v)
		}
	}
	if got := Join(Terms(e)...); !cmp.Equal(got, e) {
		t.Errorf("joined terms: got %v, want %v", got, e)
	}
	if got := Terms(nil); got != nil {
		t.Errorf("terms of nil: got %v", got)
	}
}

// One parser serves all requests at once.
func TestFilterInParallel(t *testing.T) {
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			text := fmt.Sprintf("a%d eq %d and b/any(v:v eq 'x%d')", i, i, i)
			for range 100 {
				if e, err := ParseFilter(text); err != nil || e.String() != text {
					t.Errorf("%s: got %v, %v", text, e, err)
					return
				}
			}
		})
	}
	group.Wait()
}
