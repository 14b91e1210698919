package wire_test

import (
	"testing"

	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// TestStepFacts: which step an id means, and what is told of it.
func TestStepFacts(t *testing.T) {
	done := pim.Stage{ID: "r", Status: pim.Completed, Decisions: []pim.Decision{{Approved: true, Justification: "first"}}}
	open := pim.Stage{ID: "s2", Status: pim.InProgress}
	denied := pim.Stage{ID: "s3", Status: pim.Completed, Decisions: []pim.Decision{{Justification: "no"}, {Approved: true, Justification: "late"}}}
	waiting := pim.Stage{ID: "s4"}
	r := pim.Request{ID: "r", Approval: &pim.Approval{Stages: []pim.Stage{done, open, denied, waiting, {ID: "s5", Status: pim.Lapsed}}}}
	steps := wire.StepsOf(r, true)
	for _, f := range []struct{ id, found, status, result, why string }{
		{"R", "s2", "InProgress", "open", ""}, // the approval's own id means the open step
		{"S2", "s2", "InProgress", "open", ""},
		{"s3", "s3", "Completed", "no", "no"}, // a denial settles it, whatever came after
		{"s4", "s4", "Initializing", "open", ""},
		{"s5", "s5", "Expired", "open", ""},
		{"s9", "", "", "", ""},
	} {
		s, ok := wire.FindStep(r, steps, f.id)
		if ok != (f.found != "") || s.ID != f.found {
			t.Errorf("%s: got %q, %t, want %q", f.id, s.ID, ok, f.found)
		}
		if !ok {
			continue
		}
		if s.Status() != f.status || s.Result("yes", "no", "open") != f.result || s.Decision().Justification != f.why {
			t.Errorf("%s: got %s, %s, %q, want %s, %s, %q", f.id, s.Status(), s.Result("yes", "no", "open"), s.Decision().Justification, f.status, f.result, f.why)
		}
		if s.Mine != (f.status == "InProgress") {
			t.Errorf("%s: got mine %t", f.id, s.Mine)
		}
	}
	r.Approval.Stages[1].Status = pim.Completed
	if s, ok := wire.FindStep(r, wire.StepsOf(r, true), "r"); !ok || s.ID != "r" || s.Result("yes", "no", "open") != "yes" {
		t.Errorf("without an open step the approval's id means the first: got %q, %t", s.ID, ok)
	}
	for word, want := range map[string]pim.Action{"approve": pim.Approve, "Approved": pim.Approve, "DENY": pim.Deny, "denied": pim.Deny, "": 0, "maybe": 0} {
		if got, ok := (wire.Answer{ReviewResult: word}).Action(); got != want || ok != (want != 0) {
			t.Errorf("%q: got %v, %t, want %v", word, got, ok, want)
		}
	}
}
