package client_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis/internal/client"
)

// TestExportAudit: who may read the log gets all of it as a table, counted on the way, or the part that was asked for.
func TestExportAudit(t *testing.T) {
	w := newWorld(t)
	aud := w.signedIn("aud")
	export := func(q client.AuditQuery) [][]string {
		t.Helper()
		var table bytes.Buffer
		counted := 0
		n, err := aud.ExportAudit(t.Context(), q, &table, func(entries int) { counted = entries })
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&table).ReadAll()
		if err != nil || len(rows)-1 != n || counted != n {
			t.Fatalf("got %d rows, %v; told %d, counted %d on the way", len(rows)-1, err, n, counted)
		}
		return rows[1:]
	}
	all := export(client.AuditQuery{})
	if len(all) < 10 || !strings.HasPrefix(all[0][0], "PIM_") || all[0][1] < all[len(all)-1][1] {
		t.Fatalf("got %d rows, the first %q: want many, the latest first", len(all), all[:min(1, len(all))])
	}
	for _, row := range export(client.AuditQuery{Filter: "activityDisplayName eq 'Add user' or activityDisplayName eq 'Add group'"}) {
		if row[2] != "Add user" && row[2] != "Add group" {
			t.Errorf("got %q among added users and groups", row[2])
		}
	}
	latest, err := time.Parse(time.RFC3339, all[0][1])
	if err != nil {
		t.Fatal(err)
	}
	if got := export(client.AuditQuery{From: latest.Add(time.Second)}); len(got) != 0 {
		t.Errorf("after the latest: got %d rows", len(got))
	}
	if got := export(client.AuditQuery{To: latest.Add(time.Second)}); len(got) != len(all) {
		t.Errorf("up to the latest: got %d rows, want %d", len(got), len(all))
	}
	if _, err := w.signedIn("ana").ExportAudit(t.Context(), client.AuditQuery{}, &bytes.Buffer{}, nil); statusOf(err) != http.StatusForbidden {
		t.Errorf("somebody without a role: got %v, want 403", err)
	}
	if _, err := aud.ExportAudit(t.Context(), client.AuditQuery{Filter: "nothing eq 1"}, &bytes.Buffer{}, nil); statusOf(err) != http.StatusBadRequest {
		t.Errorf("a filter that is none: got %v, want 400", err)
	}
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Status
	}
	return 0
}
