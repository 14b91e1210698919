package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"

	"portcullis/internal/migrate"
)

// TestWhatIsLeftOfACopyIsTold: what is not as at the source, and what one can do about it.
func TestWhatIsLeftOfACopyIsTold(t *testing.T) {
	lost := migrate.Note{Severity: migrate.Lost, Item: "schedule 1", Code: "Recurrence", Detail: "it holds again and again"}
	difference := migrate.Difference{Aspect: migrate.InRules, Provider: "directory", Role: "r", RoleName: "Reader", Rule: "definition", Source: "a besides", Target: "nothing besides"}
	for name, c := range map[string]struct {
		report    migrate.Report
		accept    []string
		err, hint string
		shown     string
	}{
		"nothing is left": {report: migrate.Report{Steps: []migrate.Step{{Name: "rules", There: 2}}, Notes: []migrate.Note{{Severity: migrate.Changed, Item: "request 1", Code: "C"}}},
			shown: "rules  2      0     0"},
		"refused": {report: migrate.Report{Refused: []migrate.Refused{{Item: "x", Code: "OneAtATime", Detail: "one at a time"}}},
			err: "the target is not yet as the source: 1 refused", shown: "refused  x: one at a time (OneAtATime)"},
		"differs": {report: migrate.Report{Differs: []migrate.Difference{difference}}, err: "the target is not yet as the source: 1 otherwise at the target and left so",
			hint: "Write over what differs with --overwrite.", shown: "rules     directory Reader, what it allows\n          source: a besides\n          target: nothing besides"},
		"lost":           {report: migrate.Report{Notes: []migrate.Note{lost}}, err: "the target is not yet as the source: one thing is lost or points nowhere", hint: acceptHint, shown: "lost  schedule 1"},
		"lost, as known": {report: migrate.Report{Notes: []migrate.Note{lost}}, accept: []string{"recurrence"}, shown: "lost  schedule 1"},
	} {
		var text bytes.Buffer
		p := pair{origin: origin{accept: c.accept}}
		err := p.tellCopy(&console{out: colorprofile.NewWriter(&text, nil), err: &text}, c.report)
		f, _ := errors.AsType[*failure](err)
		if f == nil {
			f = &failure{}
		}
		got := ""
		if f.err != nil {
			got = f.err.Error()
		}
		if got != c.err || f.hint != c.hint || c.err != "" && f.code != exitDiffers {
			t.Errorf("%s: got %q, %q and code %d, want %q and %q", name, got, f.hint, f.code, c.err, c.hint)
		}
		if !strings.Contains(text.String(), c.shown) {
			t.Errorf("%s: shown is\n%s\nwant %q in it", name, text.String(), c.shown)
		}
	}
}
