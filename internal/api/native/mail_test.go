package native_test

import (
	"net/http"
	"testing"
	"time"

	"portcullis/internal/pim"
)

// What was told, and what could not be, is for those who may read the audit log.
func TestMailsAreForThoseWhoMayReadTheLog(t *testing.T) {
	h := newHouse(t)
	h.app.Tell = func() {}
	request := h.activate().Request
	status, got := h.get("aud/AuditLog.Read.All", "mails?state=unaddressed")
	rows, _ := got["value"].([]any)
	if status != http.StatusOK || len(rows) != 1 {
		t.Fatalf("got %d %v, want the notice of the activation", status, got)
	}
	row := rows[0].(map[string]any)
	if row["requestId"] != string(request.ID) || row["address"] != "" || row["stuck"] != false || row["createdDateTime"] != "2026-03-02T09:00:00Z" {
		t.Errorf("got %v", row)
	}

	claimed, _, err := h.app.Store.ClaimMails(t.Context(), "test", h.now, h.now.Add(time.Minute), 10)
	if err != nil || len(claimed) != 1 {
		t.Fatal(claimed, err)
	}
	m := claimed[0]
	m.Stuck, m.Problem, m.Attempts = true, "nobody answers", 8
	if err := h.app.Store.SettleMail(t.Context(), "test", m, nil, nil); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"stuck=true": 1, "stuck=false": 0, "state=sent": 0, "state=givenUp": 0, "": 1} {
		_, got := h.get("aud/AuditLog.Read.All", "mails?"+query)
		if rows, _ := got["value"].([]any); len(rows) != want {
			t.Errorf("mails?%s shows %v, want %d rows", query, got, want)
		}
	}
	for _, fact := range []struct {
		token, query string
		want         int
	}{
		{"alice/AuditLog.Read.All", "", http.StatusForbidden}, {"aud/User.Read", "", http.StatusForbidden},
		{"aud/AuditLog.Read.All", "state=lost", http.StatusBadRequest}, {"aud/AuditLog.Read.All", "stuck=maybe", http.StatusBadRequest},
		{"aud/AuditLog.Read.All", "address=x", http.StatusBadRequest},
	} {
		if status, _ := h.get(fact.token, "mails?"+fact.query); status != fact.want {
			t.Errorf("mails?%s as %s: got %d, want %d", fact.query, fact.token, status, fact.want)
		}
	}
}

// Without anybody to send it, nothing is kept to be told.
func TestNothingIsToldWithoutAMailServer(t *testing.T) {
	h := newHouse(t)
	if out := h.activate(); len(out.Notices) != 1 || out.Notices[0].Kind != pim.NoticeActivated {
		t.Errorf("got the notices %+v, want the core to make one", out.Notices)
	}
	if _, got := h.get("aud/AuditLog.Read.All", "mails"); len(got["value"].([]any)) != 0 {
		t.Errorf("got %v, want nothing kept", got)
	}
}
