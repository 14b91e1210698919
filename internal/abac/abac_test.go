package abac_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"portcullis/internal/abac"
	"portcullis/internal/catalog"
)

const (
	owner      = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	reader     = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	write      = "Microsoft.Authorization/roleAssignments/write"
	remove     = "Microsoft.Authorization/roleAssignments/delete"
	delegation = `((!(ActionMatches{'` + write + `'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{` + reader + `, 12675fd7-7f59-493f-9201-f7944860a2f1})) AND ((!(ActionMatches{'` + remove + `'})) OR (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{acdd72a7338548efbd42f606fba81ae7}))`
)

// attributes reads "Request x=a|b; Resource y=" into attributes: several values stand between bars.
func attributes(t testing.TB, text string) abac.Attributes {
	t.Helper()
	known := abac.Attributes{}
	sources := map[string]abac.Source{"Request": abac.Request, "Resource": abac.Resource, "Principal": abac.Principal, "Environment": abac.Environment}
	for part := range strings.SplitSeq(text, "; ") {
		if part == "" {
			continue
		}
		name, values, ok := strings.Cut(part, "=")
		source, name, ok2 := strings.Cut(name, " ")
		if !ok || !ok2 || sources[source] == 0 {
			t.Fatalf("attributes: %q", part)
		}
		known[abac.Name(sources[source], name)] = strings.Split(values, "|")
	}
	return known
}

func parse(t testing.TB, text string) *abac.Condition {
	t.Helper()
	c, err := abac.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return c
}

// comparisons are facts about the attribute x of the request, in the order: its values, the rest of the comparison, whether it holds.
var comparisons = []struct {
	x, rest string
	want    bool
}{
	{"a", "StringEquals 'a'", true},
	{"a", "StringEquals 'A'", false},
	{"a", "StringEquals 'b'", false},
	{"a", "STRINGEQUALS 'a'", true},
	{"a'b", "StringEquals 'a''b'", true},
	{`a\b`, `StringEquals 'a\b'`, true},
	{"", "StringEquals ''", true},
	{"a", "StringNotEquals 'a'", false},
	{"a", "StringNotEquals 'A'", true},
	{"a", "StringNotEquals 'b'", true},
	{"logs/1", "StringStartsWith 'logs/'", true},
	{"logs/1", "StringStartsWith 'Logs/'", false},
	{"log", "StringStartsWith 'logs/'", false},
	{"logs/1", "StringStartsWith ''", true},
	{"logs/1", "StringNotStartsWith 'logs/'", false},
	{"logs/1", "StringNotStartsWith 'other'", true},
	{"logs/1", "StringLike 'logs/*'", true},
	{"logs/1", "StringLike 'logs/?'", true},
	{"logs/", "StringLike 'logs/?'", false},
	{"logs/12", "StringLike 'logs/?'", false},
	{"logs/1", "StringLike '*'", true},
	{"", "StringLike '*'", true},
	{"abcabd", "StringLike 'a*bd'", true},
	{"abcabd", "StringLike '*ab'", false},
	{"a*c", `StringLike 'a\*c'`, true},
	{"abc", `StringLike 'a\*c'`, false},
	{"a?c", `StringLike 'a\?c'`, true},
	{"abc", `StringLike 'a\?c'`, false},
	{`a\c`, `StringLike 'a\\c'`, true},
	{`a\`, `StringLike 'a\'`, true},
	{"é", "StringLike '?'", true},
	{"ABC", "StringLike 'a*'", false},
	{"logs/1", "StringNotLike 'logs/*'", false},
	{"data/1", "StringNotLike 'logs/*'", true},
	{"ServicePrincipal", "StringEqualsIgnoreCase 'serviceprincipal'", true},
	{"É", "StringEqualsIgnoreCase 'é'", true},
	{"User", "StringEqualsIgnoreCase 'serviceprincipal'", false},
	{"A", "StringNotEqualsIgnoreCase 'a'", false},
	{"A", "StringNotEqualsIgnoreCase 'b'", true},
	{"LOGS/1", "StringStartsWithIgnoreCase 'logs/'", true},
	{"LOGS", "StringStartsWithIgnoreCase 'logs/'", false},
	{"data", "StringStartsWithIgnoreCase 'logs/'", false},
	{"LOGS/1", "StringNotStartsWithIgnoreCase 'logs/'", false},
	{"data", "StringNotStartsWithIgnoreCase 'logs/'", true},
	{"LOGS/1", "StringLikeIgnoreCase 'l*/?'", true},
	{"LOGS/1", "StringLikeIgnoreCase 'm*'", false},
	{"LOGS/1", "StringNotLikeIgnoreCase 'l*'", false},
	{"LOGS/1", "StringNotLikeIgnoreCase 'm*'", true},

	{"5", "NumericEquals 5", true},
	{"05", "NumericEquals 5", true},
	{"-5", "NumericEquals -5", true},
	{"6", "NumericEquals 5", false},
	{"five", "NumericEquals 5", false},
	{"5", "NumericNotEquals 5", false},
	{"6", "NumericNotEquals 5", true},
	{"six", "NumericNotEquals 5", false},
	{"4", "NumericLessThan 5", true},
	{"5", "NumericLessThan 5", false},
	{"-10", "NumericLessThan 5", true},
	{"5", "NumericLessThanEquals 5", true},
	{"6", "NumericLessThanEquals 5", false},
	{"10", "NumericGreaterThan 9", true},
	{"9", "NumericGreaterThan 9", false},
	{"9", "NumericGreaterThanEquals 9", true},
	{"8", "NumericGreaterThanEquals 9", false},

	{"2026-03-02T10:00:00+01:00", "DateTimeEquals '2026-03-02T09:00:00Z'", true},
	{"2026-03-02T09:00:00.0000001Z", "DateTimeEquals '2026-03-02T09:00:00Z'", false},
	{"yesterday", "DateTimeEquals '2026-03-02T09:00:00Z'", false},
	{"2026-03-02T09:00:00.0000001Z", "DateTimeNotEquals '2026-03-02T09:00:00Z'", true},
	{"2026-03-02T09:00:00Z", "DateTimeNotEquals '2026-03-02T09:00:00Z'", false},
	{"yesterday", "DateTimeNotEquals '2026-03-02T09:00:00Z'", false},
	{"2026-03-02T08:59:59.9Z", "DateTimeLessThan '2026-03-02T09:00:00Z'", true},
	{"2026-03-02T09:00:00Z", "DateTimeLessThan '2026-03-02T09:00:00Z'", false},
	{"2026-03-02T09:00:00Z", "DateTimeLessThanEquals '2026-03-02T09:00:00Z'", true},
	{"2026-03-02T09:00:01Z", "DateTimeLessThanEquals '2026-03-02T09:00:00Z'", false},
	{"2026-03-02T09:00:01Z", "DateTimeGreaterThan '2026-03-02T09:00:00Z'", true},
	{"1969-03-02T09:00:01Z", "DateTimeGreaterThan '2026-03-02T09:00:00Z'", false},
	{"2026-03-02T09:00:00Z", "DateTimeGreaterThanEquals '2026-03-02T09:00:00.0Z'", true},
	{"2026-03-02T08:59:59Z", "DateTimeGreaterThanEquals '2026-03-02T09:00:00Z'", false},

	{"09:00", "TimeOfDayEquals '09:00:00'", true},
	{"09:00:01", "TimeOfDayEquals '09:00'", false},
	{"2026-03-02T10:00:00+01:00", "TimeOfDayEquals '09:00'", true},
	{"09:01", "TimeOfDayNotEquals '09:00'", true},
	{"09:00", "TimeOfDayNotEquals '09:00'", false},
	{"9 o'clock", "TimeOfDayNotEquals '09:00'", false},
	{"08:59", "TimeOfDayLessThan '09:00'", true},
	{"09:00", "TimeOfDayLessThan '09:00'", false},
	{"09:00", "TimeOfDayLessThanEquals '09:00'", true},
	{"09:00:00.5", "TimeOfDayLessThanEquals '09:00'", false},
	{"2026-03-02T17:30:00Z", "TimeOfDayGreaterThan '09:00'", true},
	{"2026-03-02T07:30:00Z", "TimeOfDayGreaterThan '09:00'", false},
	{"09:00", "TimeOfDayGreaterThanEquals '09:00'", true},
	{"08:00", "TimeOfDayGreaterThanEquals '09:00'", false},

	{"true", "BoolEquals true", true},
	{"True", "boolequals TRUE", true},
	{"false", "BoolEquals true", false},
	{"yes", "BoolEquals true", false},
	{"false", "BoolNotEquals true", true},
	{"true", "BoolNotEquals true", false},
	{"yes", "BoolNotEquals true", false},

	{owner, "GuidEquals " + owner, true},
	{owner, "GuidEquals '" + strings.ToUpper(owner) + "'", true},
	{strings.ReplaceAll(owner, "-", ""), "GuidEquals " + owner, true},
	{owner, "GuidEquals '" + strings.ReplaceAll(owner, "-", "") + "'", true},
	{reader, "GuidEquals " + owner, false},
	{"owner", "GuidEquals " + owner, false},
	{reader, "GuidNotEquals " + owner, true},
	{owner, "GuidNotEquals " + owner, false},
	{"owner", "GuidNotEquals " + owner, false},

	{"a|b", "ForAnyOfAnyValues:StringEquals {'b', 'c'}", true},
	{"a|b", "ForAnyOfAnyValues:StringEquals {'c', 'd'}", false},
	{"a|b", "foranyofanyvalues : stringequals {'b'}", true},
	{"b", "ForAnyOfAnyValues:StringEquals 'b'", true},
	{"a|b", "ForAllOfAnyValues:StringEquals {'a', 'b', 'c'}", true},
	{"a|d", "ForAllOfAnyValues:StringEquals {'a', 'b', 'c'}", false},
	{"a|10", "ForAllOfAnyValues:NumericNotEquals {3}", false},
	{"a|10", "ForAnyOfAnyValues:NumericNotEquals {3}", true},
	{"10|30", "ForAnyOfAllValues:NumericGreaterThan {5, 20}", true},
	{"10|15", "ForAnyOfAllValues:NumericGreaterThan {5, 20}", false},
	{"25|30", "ForAllOfAllValues:NumericGreaterThan {5, 20}", true},
	{"10|30", "ForAllOfAllValues:NumericGreaterThan {5, 20}", false},
	{"a|b", "ForAllOfAllValues:StringNotEquals {'c', 'd'}", true},
	{"a|b", "ForAllOfAllValues:StringNotEquals {'a', 'd'}", false},
	{"logs/1|data", "ForAllOfAnyValues:StringLike {'logs/*', 'd*'}", true},
	{reader + "|" + owner, "ForAllOfAnyValues:GuidEquals{acdd72a7338548efbd42f606fba81ae7, '" + owner + "'}", true},
	// Several values do not compare where nothing says how.
	{"a|b", "StringEquals 'a'", false},
	{"a|b", "StringNotEquals 'c'", false},
	// A set of one is one value.
	{"a", "StringEquals {'a'}", true},
	// Two attributes.
	{"a", "StringEquals @Principal[y]", true},
	{"b", "StringEquals @Principal[y]", false},
	{"*", "StringLike @Principal[y]", false},
	{"a", "StringEquals @Principal[none]", false},
	{"a", "StringNotEquals @Principal[none]", false},
}

func TestComparisonsOfAnAttribute(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range comparisons {
		text := "@Request[x] " + c.rest
		condition := parse(t, text)
		q := abac.Question{Attributes: attributes(t, "Request x="+c.x+"; Principal y=a")}
		if got := condition.Holds(q); got != c.want {
			t.Errorf("x = %s: %s: got %t, want %t", c.x, text, got, c.want)
		}
		if got := parse(t, "!("+text+")").Holds(q); got == c.want {
			t.Errorf("x = %s: !(%s): got %t, want %t", c.x, text, got, !c.want)
		}
		// What is missing makes each of them false, the negative ones as well.
		for _, missing := range []abac.Attributes{nil, {}, {abac.Name(abac.Resource, "x"): {c.x}}, {abac.Name(abac.Request, "x"): {}}} {
			if condition.Holds(abac.Question{Attributes: missing}) {
				t.Errorf("x is missing from %v: %s holds", missing, text)
			}
		}
		_, operator, _ := strings.Cut(condition.String(), "] ")
		seen[strings.TrimRight(operator[:strings.IndexByte(operator, ' ')], " ")] = true
	}
	for _, kind := range []string{"Numeric", "DateTime", "TimeOfDay"} {
		for _, relation := range []string{"Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"} {
			if !seen[kind+relation] {
				t.Errorf("no fact about %s%s", kind, relation)
			}
		}
	}
	for _, relation := range []string{"Equals", "NotEquals", "StartsWith", "NotStartsWith", "Like", "NotLike"} {
		for _, operator := range []string{"String" + relation, "String" + relation + "IgnoreCase"} {
			if !seen[operator] {
				t.Errorf("no fact about %s", operator)
			}
		}
	}
	for _, operator := range []string{"BoolEquals", "BoolNotEquals", "GuidEquals", "GuidNotEquals"} {
		if !seen[operator] {
			t.Errorf("no fact about %s", operator)
		}
	}
}

func TestWhatHolds(t *testing.T) {
	const yes, no = "@Request[yes] BoolEquals true", "@Request[no] BoolEquals true"
	const tags = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags"
	for _, c := range []struct {
		action, part, about, text string
		want                      bool
	}{
		{"", "", "", "", true},
		{"", "", "", " \r\n\t", true},
		{"", "", "", yes, true},
		{"", "", "", no, false},
		{"", "", "", yes + " AND " + no, false},
		{"", "", "", yes + " && " + yes + " and " + yes, true},
		{"", "", "", no + " OR " + yes, true},
		{"", "", "", no + " || " + no + " or " + no, false},
		{"", "", "", "NOT " + no, true},
		{"", "", "", "!" + no, true},
		{"", "", "", "not not !(" + no + ")", true},
		// AND binds tighter than OR, on either side.
		{"", "", "", yes + " OR " + yes + " AND " + no, true},
		{"", "", "", no + " AND " + yes + " OR " + yes, true},
		{"", "", "", "(" + yes + " OR " + yes + ") AND " + no, false},
		{"", "", "", no + " AND (" + yes + " OR " + yes + ")", false},
		// A negation ends with what follows it.
		{"", "", "", "!" + no + " AND " + no, false},
		{"", "", "", "!(" + no + " AND " + no + ")", true},

		{write, "", "", "ActionMatches{'" + write + "'}", true},
		{strings.ToUpper(write), "", "", "actionmatches { 'microsoft.authorization/*/WRITE' }", true},
		{write, "", "", "ActionMatches{'Microsoft.Authorization/*'}", true},
		{write, "", "", "ActionMatches{'Microsoft.Authorization'}", false},
		{"", "", "", "ActionMatches{'*'}", true},
		{"x/read", "Blob.List", "", "SubOperationMatches{'blob.list'}", true},
		{"x/read", "Blob.List", "", "SubOperationMatches{'Blob.Read.WithTagConditions'}", false},
		{"x/read", "", "", "SubOperationMatches{'*'}", false},
		{"x/read", "", "", "!(ActionMatches{'x/read'} AND !SubOperationMatches{'Blob.List'})", false},
		{"x/read", "Blob.List", "", "!(ActionMatches{'x/read'} AND !SubOperationMatches{'Blob.List'})", true},
		{"x/read", "Blob.List", "", "@Request[subOperation] ForAnyOfAnyValues:StringEqualsIgnoreCase {'blob.list', 'Blob.Read'}", true},
		{"x/read", "", "", "@Request[subOperation] ForAnyOfAnyValues:StringEqualsIgnoreCase {'blob.list'}", false},
		{"x/read", "Blob.List", "", "Exists @Request[subOperation]", true},
		{"x/read", "Blob.List", "", "Exists @Resource[subOperation]", false},
		{"x/read", "", "Request subOperation=Blob.List", "@Request[SUBOPERATION] StringEquals 'Blob.List'", true},

		{"", "", "Resource a/b:C=1", "Exists @Resource[A/B:c]", true},
		{"", "", "Resource a/b:C=1", "exists @RESOURCE[ A/B:c ]", true},
		{"", "", "Resource a/b:C=1", "NOT Exists @Resource[a/b:c]", false},
		{"", "", "Resource a/b:C=1", "Exists @Request[a/b:c]", false},
		{"", "", "Resource a/b:C=1", "Not Exists @Principal[a/b:c]", true},
		{"", "", "Environment Microsoft.Network/privateEndpoints=/subscriptions/1", "@Environment[Microsoft.Network/privateEndpoints] StringEqualsIgnoreCase '/SUBSCRIPTIONS/1'", true},
		{"", "", "Environment UtcNow=2026-03-02T09:00:00Z", "@Environment[utcnow] DateTimeGreaterThan '2026-01-01T00:00:00Z' AND @Environment[UtcNow] TimeOfDayLessThan '18:00'", true},
		{"", "", "Principal Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project=Baker|Cascade", "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project] ForAnyOfAnyValues:StringEquals {'Cascade'}", true},
		// The key of a tag keeps its letter case where its name says so.
		{"", "", "Resource " + tags + ":Project<$key_case_sensitive$>=Cascade", "@Resource[" + tags + ":Project<$key_case_sensitive$>] StringEquals 'Cascade'", true},
		{"", "", "Resource " + tags + ":Project<$key_case_sensitive$>=Cascade", "@Resource[" + strings.ToLower(tags) + ":Project<$KEY_case_sensitive$>] StringEquals 'Cascade'", true},
		{"", "", "Resource " + tags + ":Project<$key_case_sensitive$>=Cascade", "@Resource[" + tags + ":project<$key_case_sensitive$>] StringEquals 'Cascade'", false},
		{"", "", "Resource " + tags + ":Project=Cascade", "@Resource[" + tags + ":project] StringEquals 'Cascade'", true},
		{"", "", "Request " + tags + "&$keys$&=Project|Program", "@Request[" + tags + "&$keys$&] ForAllOfAnyValues:StringEquals {'Project', 'Program'}", true},
		{"", "", "Request " + tags + "[x]&$keys$&=Project", "@Request[" + tags + "[x]&$keys$&] ForAnyOfAnyValues:StringEquals {'Project'}", true},
		{"", "", "Resource HasObotoken=true", "@Resource[HasObotoken] boolequals true", true},
		{"", "", "", "@Resource[HasObotoken] boolequals true", false},

		// Values may stand on the left, and on both sides.
		{"", "", "Request x=a", "'a' StringEquals @Request[x]", true},
		{"", "", "Request x=a", "{'a', 'b'} ForAllOfAnyValues:StringEquals @Request[x]", false},
		{"", "", "", "{'a', 'b'} ForAllOfAnyValues:StringEquals {'b', 'a', 'c'}", true},
		{"", "", "", "5 NumericLessThan 6", true},

		// Delegation, as the catalogue writes it.
		{"Microsoft.Compute/disks/read", "", "", delegation, true},
		{write, "", "", delegation, false},
		{write, "", "Request Microsoft.Authorization/roleAssignments:RoleDefinitionId=" + reader, delegation, true},
		{write, "", "Request Microsoft.Authorization/roleAssignments:RoleDefinitionId=" + owner, delegation, false},
		{write, "", "Resource Microsoft.Authorization/roleAssignments:RoleDefinitionId=" + reader, delegation, false},
		{remove, "", "Resource Microsoft.Authorization/roleAssignments:RoleDefinitionId=" + reader, delegation, true},
		{remove, "", "Resource Microsoft.Authorization/roleAssignments:RoleDefinitionId=" + owner, delegation, false},
	} {
		about := attributes(t, c.about)
		about[abac.Name(abac.Request, "yes")] = []string{"true"}
		about[abac.Name(abac.Request, "no")] = []string{"false"}
		q := abac.Question{Action: c.action, SubOperation: c.part, Attributes: about}
		if got := parse(t, c.text).Holds(q); got != c.want {
			t.Errorf("%s of %q with %s: %s: got %t, want %t", c.action, c.part, c.about, c.text, got, c.want)
		}
	}
}

func TestWhatIsNoCondition(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("(", n) + "Exists @Request[x]" + strings.Repeat(")", n) }
	for _, c := range []struct {
		text string
		at   int
		want string
	}{
		{"(", 1, "an attribute, a value or a function, not the end"},
		{"@Request[x] StringEquals", 24, "not the end"},
		{"@Request[x] StringEquals 'a", 25, "the quote is not closed"},
		{"@Request[x] StringEquals 'a' 'b'", 29, "AND, OR or the end, not a text"},
		{"(@Request[x] StringEquals 'a'", 29, "a closing bracket"},
		{"@Request[x] StringEquals 'a')", 28, `not ")"`},
		{"@Request[x] StringEquals 'a' AND", 32, "not the end"},
		{"@Request[x] StringEquals 'a' & @Request[x] StringEquals 'a'", 29, `'&' has no meaning here`},
		{"@Request[x] Equals 'a'", 12, `an operator such as StringEquals, not "Equals"`},
		{"@Request[x] ForSomeValues:StringEquals {'a'}", 12, "another prefix of sets"},
		{"@Request[x] ForAnyOfAnyValues:{'a'}", 30, "an operator"},
		{"@Request[x] StringEquals {'a', 'b'}", 25, "several values need a prefix"},
		{"@Request[x] ForAnyOfAnyValues:StringEquals {}", 44, "a value"},
		{"@Request[x] ForAnyOfAnyValues:StringEquals {'a'", 47, "a comma or a closing brace"},
		{"@Request[x] ForAnyOfAnyValues:StringEquals {'a',}", 48, "a value"},
		{"@Request[x] ForAnyOfAnyValues:StringEquals {@Request[y]}", 44, "a value, not an attribute"},
		{"@Request[x] StringEquals a", 25, "StringEquals compares texts in quotes"},
		{"@Request[x] NumericEquals '5'", 26, "whole numbers"},
		{"@Request[x] NumericEquals 5x", 26, "whole numbers"},
		{"@Request[x] NumericEquals 9223372036854775808", 26, "whole numbers"},
		{"@Request[x] BoolEquals 'true'", 23, "true and false"},
		{"@Request[x] GuidEquals 8e3af657", 23, "GUIDs"},
		{"@Request[x] GuidEquals '8e3af657-a8ff-443c-a75c-2fe8c4bcb63g'", 23, "GUIDs"},
		{"@Request[x] GuidEquals 8e3af657a-8ff-443c-a75c-2fe8c4bcb635", 23, "GUIDs"},
		{"@Request[x] DateTimeEquals '2026-03-02'", 27, "instants"},
		{"@Request[x] TimeOfDayEquals '25:00'", 28, "times of day"},
		{"@Request[] StringEquals 'a'", 8, "the attribute has no name"},
		{"@Request[x StringEquals 'a'", 8, "the square bracket is not closed"},
		{"@Request[x\n] StringEquals 'a'", 10, "on one line"},
		{"@Caller[x] StringEquals 'a'", 0, "an attribute begins with"},
		{"@Request", 0, "an attribute begins with"},
		{"Exists 'x'", 7, "an attribute"},
		{"ActionMatches('x')", 13, "a text in braces"},
		{"ActionMatches{x}", 14, "a text in quotes"},
		{"ActionMatches{''}", 14, "an empty pattern"},
		{"ActionMatches{'x', 'y'}", 17, "a closing brace"},
		{"\xff", 0, "not in UTF-8"},
		{deep(abac.MaxDepth + 1), abac.MaxDepth, "more than 32"},
		{strings.Repeat("!", abac.MaxDepth+1) + "Exists @Request[x]", abac.MaxDepth, "more than 32"},
		{strings.Repeat("(", abac.MaxLength), abac.MaxDepth, "more than 32"},
		{strings.Repeat("!", abac.MaxLength), abac.MaxDepth, "more than 32"},
		{strings.Repeat(" ", abac.MaxLength+1), abac.MaxLength, "8192 bytes at most"},
		{"@Request[x] ForAnyOfAnyValues:NumericEquals {1" + strings.Repeat(",1", abac.MaxValues) + "}", 45 + 2*abac.MaxValues, "512 values at most"},
		// Written out it is longer than a condition may be.
		{"!ActionMatches{'x'}" + strings.Repeat("&&!ActionMatches{'x'}", (abac.MaxLength-19)/21), abac.MaxLength, "written out"},
	} {
		got, err := abac.Parse(c.text)
		problem, ok := errors.AsType[*abac.Error](err)
		if !ok {
			t.Errorf("Parse(%.60q): got %v, %v; want an *abac.Error", c.text, got, err)
			continue
		}
		if problem.At != c.at || !strings.Contains(problem.Error(), c.want) {
			t.Errorf("Parse(%.60q): got %v, want at byte %d: …%s…", c.text, err, c.at, c.want)
		}
		if abac.Stored(c.text).Holds(abac.Question{Action: "x"}) {
			t.Errorf("%.60q cannot be read, and holds once stored", c.text)
		}
	}
	if _, err := abac.Parse(deep(abac.MaxDepth)); err != nil {
		t.Errorf("%d brackets: %v", abac.MaxDepth, err)
	}
}

func TestOneFormForAllSpellings(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" ((Exists @request[ A/B:c ])) ", "Exists @Request[a/b:c]"},
		{"exists @Resource[t:Key<$key_case_sensitive$>]", "Exists @Resource[t:Key<$key_case_sensitive$>]"},
		{"! ACTIONMATCHES {'A/Read '}", "!(ActionMatches{'a/read'})"},
		{"!!suboperationmatches{'X'}", "!(!(SubOperationMatches{'x'}))"},
		{"((1 numericequals 01 && (2 NUMERICEQUALS 2 and 3 NumericEquals 3)))", "1 NumericEquals 1 AND 2 NumericEquals 2 AND 3 NumericEquals 3"},
		{"(1 NumericEquals 1||2 NumericEquals 2)&&3 NumericEquals 3", "(1 NumericEquals 1 OR 2 NumericEquals 2) AND 3 NumericEquals 3"},
		{"(1 NumericEquals 1&&2 NumericEquals 2)||3 NumericEquals 3", "1 NumericEquals 1 AND 2 NumericEquals 2 OR 3 NumericEquals 3"},
		{"@Request[x]ForAnyOfAnyValues:StringEquals{'b','a','b'}", "@Request[x] ForAnyOfAnyValues:StringEquals {'a', 'b'}"},
		{"@Request[x] ForAnyOfAnyValues:StringEquals 'it''s'", "@Request[x] ForAnyOfAnyValues:StringEquals {'it''s'}"},
		{"@Request[x] StringEquals {'a'}", "@Request[x] StringEquals 'a'"},
		{"@Request[x] GuidEquals '8E3AF657A8FF443CA75C2FE8C4BCB635'", "@Request[x] GuidEquals 8e3af657-a8ff-443c-a75c-2fe8c4bcb635"},
		{"@Request[x] BoolEquals TRUE", "@Request[x] BoolEquals true"},
		{"@Request[x] DateTimeEquals '2026-03-02T10:00:00.500+01:00'", "@Request[x] DateTimeEquals '2026-03-02T09:00:00.5Z'"},
		{"@Request[x] TimeOfDayEquals '09:00'", "@Request[x] TimeOfDayEquals '09:00:00'"},
	} {
		if got := parse(t, c.text).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.text, got, c.want)
		}
		if got := parse(t, c.want).String(); got != c.want {
			t.Errorf("%s: read again it is %s", c.want, got)
		}
	}
}

func TestWhichTextsAreTheSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"", "  ", true},
		{"", "Exists @Request[x]", false},
		{"Exists @Request[x]", "( exists @REQUEST[X] )", true},
		{"Exists @Request[x]", "Exists @Resource[x]", false},
		{"@Request[x] GuidEquals " + owner, "@Request[x] GuidEquals '" + strings.ToUpper(strings.ReplaceAll(owner, "-", "")) + "'", true},
		{"@Request[x] ForAnyOfAnyValues:StringEquals {'a','b'}", "@Request[x] ForAnyOfAnyValues:StringEquals {'b','a'}", true},
		{"@Request[x] ForAnyOfAnyValues:StringEquals {'a','b'}", "@Request[x] ForAllOfAnyValues:StringEquals {'a','b'}", false},
		{"@Request[x] StringEquals 'a'", "@Request[x] StringEquals 'A'", false},
		{"Exists @Request[x] AND Exists @Request[y]", "Exists @Request[x]&&Exists @Request[y]", true},
		{"Exists @Request[x] AND Exists @Request[y]", "Exists @Request[y] AND Exists @Request[x]", false},
		{"nonsense", "nonsense", true},
		{"nonsense", "nonsense ", false},
		{"nonsense", "", false},
		{"", "nonsense", false},
	} {
		if got := abac.Equal(c.a, c.b); got != c.want {
			t.Errorf("Equal(%q, %q): got %t, want %t", c.a, c.b, got, c.want)
		}
		if got := abac.Equal(c.b, c.a); got != c.want {
			t.Errorf("Equal(%q, %q): got %t, want %t", c.b, c.a, got, c.want)
		}
	}
}

func TestTheCatalogueIsRead(t *testing.T) {
	conditions := 0
	for _, r := range catalog.AzureRoles() {
		for _, p := range r.Permissions {
			if p.Condition == "" {
				continue
			}
			conditions++
			c, err := abac.Parse(p.Condition)
			if err != nil {
				t.Errorf("%s: %v", r.Name, err)
				continue
			}
			if again := parse(t, c.String()); again.String() != c.String() {
				t.Errorf("%s: %s is read again as %s", r.Name, c, again)
			}
		}
	}
	if conditions != 31 {
		t.Errorf("got %d conditions, want 31", conditions)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"a/b", "A/B", true},
		{"a/b", "a/bc", false},
		{"a/b", "a", false},
		{" a/b ", "a/b", true},
		{"a/*", "a/", true},
		{"a/*", "a", false},
		{"*/read", "x/read", true},
		{"*/read", "read", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a/*/b/*/c", "a/x/b/y/c", true},
		{"a/*/b/*/c", "a/x/y/c", false},
		{"*b*", "abc", true},
		{"*b*", "ac", false},
		{"**", "x", true},
		{"*ab*ab*", "abab", true},
		{"*ab*ab*", "aba", false},
		// A letter that only Unicode takes for k is another name.
		{"k", "\u212a", false},
	} {
		if got := abac.NewPattern(c.pattern).Matches(c.name); got != c.want {
			t.Errorf("%q matches %q: got %t, want %t", c.pattern, c.name, got, c.want)
		}
	}
	if (abac.Pattern{}).Matches("a") {
		t.Error("the zero pattern matches a name")
	}
}

func TestHoldsAllocatesNothing(t *testing.T) {
	c := parse(t, delegation)
	q := abac.Question{Action: write, Attributes: attributes(t, "Request Microsoft.Authorization/roleAssignments:RoleDefinitionId="+reader)}
	if n := testing.AllocsPerRun(100, func() { c.Holds(q) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func BenchmarkHolds(b *testing.B) {
	q := abac.Question{Action: write, Attributes: attributes(b, "Request Microsoft.Authorization/roleAssignments:RoleDefinitionId="+reader+"; Request Microsoft.Authorization/roleAssignments:PrincipalType=ServicePrincipal; Resource path=logs/2026/03/02")}
	for name, text := range map[string]string{
		"guard":      "!(ActionMatches{'" + remove + "'})",
		"delegation": delegation,
		"like":       "@Resource[path] StringLikeIgnoreCase 'LOGS/*/03/*'",
	} {
		c := parse(b, text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !c.Holds(q) {
					b.Fatal("it does not hold")
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := abac.Parse(delegation); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParse() {
	c, err := abac.Parse("!(ActionMatches{'x/delete'}) OR @Resource[x:owner] StringEquals @Principal[name]")
	if err != nil {
		fmt.Println(err)
		return
	}
	about := abac.Attributes{abac.Name(abac.Resource, "x:owner"): {"amira"}, abac.Name(abac.Principal, "name"): {"bo"}}
	fmt.Println(c.Holds(abac.Question{Action: "x/read", Attributes: about}), c.Holds(abac.Question{Action: "x/delete", Attributes: about}))
	// Output: true false
}
