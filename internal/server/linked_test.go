package server_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"portcullis/internal/server"
)

// TestLinksOfMails: what a mail links to says by which command it is seen and decided, and nothing else.
func TestLinksOfMails(t *testing.T) {
	n := start(t, server.Options{Settings: settings(filepath.Join(t.TempDir(), "data"))})
	const id = "01a210e7-ee66-7322-87a0-62baa52685cf"
	for path, want := range map[string]string{
		"/requests/" + id:  "pim status " + id,
		"/approvals/" + id: "pim approve " + id,
		"/grants/" + id:    "pim roles",
	} {
		if status, header, body := n.get(path); status != http.StatusOK || !strings.Contains(body, want) || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: got %d %s %q, want %q as text", path, status, header.Get("Content-Type"), body, want)
		}
	}
	if status, _, body := n.get("/approvals/%3Cscript%3E"); status != http.StatusNotFound || strings.Contains(body, "script") {
		t.Errorf("no id: got %d %q, want 404 and nothing of what was asked", status, body)
	}
}
