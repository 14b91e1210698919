package native_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/api"
	"portcullis/internal/api/native"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// TestDialectsTellWhoCallsThem: by dialect, application and operation, with those that nobody has called, to those who may read the
// audit log; of no other tenant.
func TestDialectsTellWhoCallsThem(t *testing.T) {
	h := newHouse(t)
	n := native.New(h.app, h.app.Index)
	n.Dialects = &native.Dialects{Modes: map[string]api.Mode{"v1": api.Off, "v2/aadRoles": api.ReadOnly, "v2/aadGroups": api.On}, Uses: h.app.Uses,
		Applications: h.app.Store.Objects}
	h.frame = api.New(api.Options{Verifier: tokens{h.org}, Callers: h.app, Now: func() time.Time { return h.now }}, n)
	at := func(d time.Duration) time.Time { return h.now.Add(d) }
	mine, other := h.org.Tenant.ID, pim.TenantID("10000000-0000-4000-8000-000000000001")
	err := h.app.Store.AddUses(t.Context(), []store.Use{
		{Tenant: mine, Dialect: "v2/aadRoles", Application: app.CommandLineClientID, Route: "GET /b", Count: 2, First: at(0), Last: at(time.Hour)},
		{Tenant: mine, Dialect: "v2/aadRoles", Application: app.CommandLineClientID, Route: "GET /a", Count: 1, First: at(0), Last: at(0)},
		{Tenant: mine, Dialect: "v2/aadRoles", Application: "gone", Route: "GET /a", Count: 7, First: at(0), Last: at(time.Second / 4)},
		{Tenant: mine, Dialect: "v1", Route: "GET /c", Count: 1, First: at(0), Last: at(0)},
		{Tenant: other, Dialect: "v1", Route: "GET /c", Count: 100, First: at(0), Last: at(0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	row := func(dialect, mode, application, name, route string, count float64, last any) map[string]any {
		first := any("2026-03-02T09:00:00Z")
		if count == 0 {
			first = nil
		}
		return map[string]any{"dialect": dialect, "mode": mode, "applicationId": application, "applicationName": name, "route": route, "count": count,
			"firstDateTime": first, "lastDateTime": last}
	}
	const nine, line = "2026-03-02T09:00:00Z", "Portcullis command line"
	want := []any{
		row("v1", "off", "", "", "GET /c", 1, nine),
		row("v2/aadGroups", "on", "", "", "", 0, nil),
		row("v2/aadRoles", "readOnly", "gone", "", "GET /a", 7, "2026-03-02T09:00:00.25Z"),
		row("v2/aadRoles", "readOnly", app.CommandLineClientID, line, "GET /a", 1, nine),
		row("v2/aadRoles", "readOnly", app.CommandLineClientID, line, "GET /b", 2, "2026-03-02T10:00:00Z"),
	}
	status, got := h.get("aud/AuditLog.Read.All", "dialects")
	if diff := cmp.Diff(any(want), got["value"]); status != http.StatusOK || diff != "" {
		t.Errorf("got %d (-want +got):\n%s", status, diff)
	}
	if _, got := h.get("aud/AuditLog.Read.All", "dialects?dialect=V1"); len(got["value"].([]any)) != 1 {
		t.Errorf("of one dialect: got %v", got)
	}
	for _, fact := range []struct {
		token, query string
		want         int
	}{
		{"alice/AuditLog.Read.All", "", http.StatusForbidden}, {"aud/User.Read", "", http.StatusForbidden}, {"", "", http.StatusUnauthorized},
		{"aud/AuditLog.Read.All", "?mode=on", http.StatusBadRequest}, {"app/AuditLog.Read.All", "", http.StatusOK},
	} {
		if status, _ := h.get(fact.token, "dialects"+fact.query); status != fact.want {
			t.Errorf("dialects%s as %s: got %d, want %d", fact.query, fact.token, status, fact.want)
		}
	}
}
