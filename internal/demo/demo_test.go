package demo_test

import (
	"bytes"
	"strings"
	"testing"

	"portcullis/internal/demo"
)

func TestTheStoryIsTrue(t *testing.T) {
	for _, kind := range []demo.Kind{demo.Postgres, demo.Web} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := demo.Run(t.Context(), demo.Options{Out: &out, Door: kind, Once: true})
			t.Log(out.String())
			if err != nil {
				t.Fatal(err)
			}
			for _, words := range []string{"JustificationRule", "MfaRule", "PendingApproval", "held: false", "her session:", "approvalRequested"} {
				if !strings.Contains(out.String(), words) {
					t.Errorf("the story does not tell of %q", words)
				}
			}
			if strings.Contains(out.String(), "\x1b[") {
				t.Error("the story is in colour where there is no terminal")
			}
		})
	}
}
