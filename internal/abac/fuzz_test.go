package abac_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"portcullis/internal/abac"
	"portcullis/internal/catalog"
)

// FuzzParse: nothing makes Parse panic; what it reads, String prints, and Parse reads the same from that.
func FuzzParse(f *testing.F) {
	for _, r := range catalog.AzureRoles() {
		for _, p := range r.Permissions {
			f.Add(p.Condition)
		}
	}
	for _, c := range comparisons {
		f.Add("@Request[x] " + c.rest)
	}
	f.Add("!!(NOT Exists @Resource[a/tags[x]&$keys$&] OR SubOperationMatches{'Blob.List'}) && @Environment[UtcNow] TimeOfDayLessThan '18:00'")
	f.Add("@Request[x] DateTimeEquals '0000-01-01T00:00:00+01:00'")
	questions := []abac.Question{
		{},
		{Action: write, SubOperation: "Blob.List", Attributes: attributes(f, "Request x=a|b; Resource x=5; Principal x="+owner+"; Environment x=true")},
		{Action: "a", Attributes: attributes(f, "Request x=a; Resource x=2026-03-02T09:00:00Z; Principal x=09:00; Environment x=")},
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := abac.Parse(text)
		if err != nil {
			problem, ok := errors.AsType[*abac.Error](err)
			if !ok || problem.At < 0 || problem.At > len(text) {
				t.Fatalf("Parse(%q): got %v, want an *abac.Error within the text", text, err)
			}
			return
		}
		again, err := abac.Parse(c.String())
		if err != nil {
			t.Fatalf("Parse(%q) prints %q: %v", text, c, err)
		}
		if again.String() != c.String() || !abac.Equal(text, c.String()) {
			t.Fatalf("Parse(%q) prints %q, and that %q", text, c, again)
		}
		for _, q := range questions {
			if c.Holds(q) != again.Holds(q) {
				t.Fatalf("%q and %q answer %+v differently", text, c, q)
			}
		}
	})
}

// FuzzPattern compares patterns of actions with regular expressions.
func FuzzPattern(f *testing.F) {
	f.Add("Microsoft.Authorization/*/read", "Microsoft.Authorization/roleAssignments/read")
	f.Add("*ab*ab*", "abab")
	f.Add("a**", "A")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if !short(pattern) || !short(name) {
			return
		}
		expression := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(pattern)), `\*`, `.*`)
		want := regexp.MustCompile(`(?is)^` + expression + `$`).MatchString(name)
		if got := abac.NewPattern(pattern).Matches(name); got != want {
			t.Errorf("%q matches %q: got %t, want %t", pattern, name, got, want)
		}
	})
}

// FuzzLike compares StringLike with regular expressions.
func FuzzLike(f *testing.F) {
	f.Add("logs/*", "logs/1", false)
	f.Add(`a\*b?\`, `a*bc\`, true)
	f.Add("*a*?b", "aaab", true)
	f.Fuzz(func(t *testing.T, pattern, text string, fold bool) {
		operator, flags := "StringLike", `(?s)^`
		if fold {
			operator, flags = "StringLikeIgnoreCase", `(?is)^`
		}
		c, err := abac.Parse("@Request[x] " + operator + " '" + strings.ReplaceAll(pattern, "'", "''") + "'")
		if err != nil || !short(pattern) || !short(text) {
			return
		}
		var expression strings.Builder
		for i := 0; i < len(pattern); i++ {
			switch b := pattern[i]; {
			case b == '*':
				expression.WriteString(".*")
			case b == '?':
				expression.WriteString(".")
			case b == '\\' && i+1 < len(pattern):
				i++
				expression.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
			default:
				expression.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
			}
		}
		want := regexp.MustCompile(flags + expression.String() + `$`).MatchString(text)
		got := c.Holds(abac.Question{Attributes: abac.Attributes{abac.Name(abac.Request, "x"): {text}}})
		if got != want {
			t.Errorf("%q is like %q, letter case apart %t: got %t, want %t", text, pattern, fold, got, want)
		}
	})
}

// short keeps to what both sides fold alike, and the regular expressions small.
func short(s string) bool {
	return len(s) < 200 && !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
