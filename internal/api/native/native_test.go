package native_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/api/native"
	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/sample"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
)

// house is the sample organisation behind the surface. nora can activate Reports Reader, which opens a door, and aud
// may read everything.
type house struct {
	t     *testing.T
	app   *app.App
	org   sample.Organisation
	now   time.Time
	frame http.Handler
}

// tokens are bearer tokens by the key of a person, with what the token permits behind a slash: "nora/AuditLog.Read.All".
type tokens struct{ org sample.Organisation }

const readGrants = "RoleAssignmentSchedule.Read.Directory"

func (k tokens) Request(r *http.Request) (auth.Token, error) {
	text := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if text == "" {
		return auth.Token{}, &auth.Error{Reason: auth.Missing}
	}
	who, scopes, _ := strings.Cut(text, "/")
	t := auth.Token{Tenant: k.org.Tenant.ID, Object: k.org.People[who], Name: who, Scopes: strings.Fields(scopes)}
	if who == "app" {
		t.App, t.Object = true, k.org.Client
	}
	return t, nil
}

func newHouse(t *testing.T) *house {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &house{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	h.org = sample.Organise(sample.Options{Seed: 1, Created: h.now.Add(-time.Hour)})
	h.app = &app.App{
		Store: st, Index: access.New(), Now: func() time.Time { return h.now },
		Doors: []app.Binding{{Door: "reports", Provider: pim.Directory, Role: pim.ReportsReader, Scope: pim.Everywhere, Privilege: "reader"}},
	}
	plain := func(s string) (string, error) { return s, nil }
	err = sample.Load(t.Context(), h.app, h.org, sample.NewSecrets(h.org), sample.Hashes{Password: plain, Secret: strings.Clone})
	if err != nil {
		t.Fatal(err)
	}
	h.frame = api.New(api.Options{Verifier: tokens{h.org}, Callers: h.app, Now: func() time.Time { return h.now }}, native.New(h.app, h.app.Index))
	return h
}

// get asks as somebody, and returns the answer's JSON.
func (h *house) get(token, path string) (int, map[string]any) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://pim.test/portcullis/v1/"+path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.frame.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		h.t.Fatalf("%s: %v in %s", path, err, w.Body)
	}
	return w.Code, out
}

// activate makes nora a Reports Reader for an hour.
func (h *house) activate() pim.Outcome {
	h.t.Helper()
	length, err := schedule.ParseDuration("PT1H")
	if err != nil {
		h.t.Fatal(err)
	}
	nora := h.org.People["nora"]
	out, err := h.app.Do(h.t.Context(), pim.Ask{
		By: pim.Caller{Actor: pim.Actor{Principal: nora, Kind: pim.UserPrincipal, Name: "Nora Petrov"}}, Action: pim.SelfActivate, Kind: pim.Assignment,
		Key:      pim.Key{Tenant: h.org.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.ReportsReader, Principal: nora},
		Schedule: schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: length}},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func TestEffectsTellHowFarDoorsHaveCome(t *testing.T) {
	h := newHouse(t)
	request := h.activate().Request
	nora, reader := "nora/"+readGrants, "aud/"+readGrants
	one := func(token, query string) map[string]any {
		t.Helper()
		status, got := h.get(token, "effects?"+query)
		rows, _ := got["value"].([]any)
		if status != http.StatusOK || len(rows) != 1 {
			t.Fatalf("effects?%s as %s: %d %v, want one row", query, token, status, got)
		}
		return rows[0].(map[string]any)
	}
	row := one(nora, "schedule="+string(request.Target))
	for name, want := range map[string]any{
		"state": "pending", "door": "reports", "account": "nora", "privilege": "reader", "usableDateTime": nil, "stuck": false,
		"scheduleId": string(request.Target), "roleDefinitionId": string(pim.ReportsReader), "untilDateTime": "2026-03-02T10:00:00Z",
	} {
		if row[name] != want {
			t.Errorf("%s is %v, want %v", name, row[name], want)
		}
	}
	h.settle(pim.Usable)
	if row = one(reader, "principal="+string(h.org.People["nora"])+"&state=usable"); row["usableDateTime"] != "2026-03-02T09:00:00Z" {
		t.Errorf("usableDateTime is %v", row["usableDateTime"])
	}
	one(nora, "principal=ME")
	for _, query := range []string{"principal=me&state=pending", "stuck=true", "schedule=00000000-0000-4000-8000-000000000000"} {
		if _, got := h.get(nora, "effects?"+query); len(got["value"].([]any)) != 0 {
			t.Errorf("effects?%s shows %v, want none", query, got)
		}
	}
	if _, got := h.get("alice/"+readGrants, "effects"); len(got["value"].([]any)) != 0 {
		t.Errorf("alice sees the doors of others: %v", got)
	}
}

// settle does what the worker would with everything that is due.
func (h *house) settle(state pim.EffectState) {
	h.t.Helper()
	ctx := h.t.Context()
	effects, _, err := h.app.Store.ClaimEffects(ctx, "test", h.now, h.now.Add(time.Minute), 10)
	if err != nil || len(effects) == 0 {
		h.t.Fatalf("claimed %v, %v", effects, err)
	}
	for _, before := range effects {
		after := before
		after.State, after.UsableAt, after.Due = state, h.now, time.Time{}
		if err := h.app.Store.Settle(ctx, "test", before, after, nil); err != nil {
			h.t.Fatal(err)
		}
	}
}

func TestEventsAreForThoseWhoMayReadTheLog(t *testing.T) {
	h := newHouse(t)
	id := string(h.activate().Request.ID)
	status, got := h.get("aud/AuditLog.Read.All", "events?request="+id+"&top=1")
	first, next := activities(got), got["nextLink"]
	if status != http.StatusOK || len(first) != 1 || next == nil {
		t.Fatalf("first page: %d %v", status, got)
	}
	link := next.(string)
	if !strings.HasPrefix(link, "https://pim.test/portcullis/v1/events?") {
		t.Fatalf("nextLink is %s", link)
	}
	all := first
	for link != "" {
		_, page := h.get("aud/AuditLog.Read.All", strings.TrimPrefix(link, "https://pim.test/portcullis/v1/"))
		all = append(all, activities(page)...)
		link, _ = page["nextLink"].(string)
	}
	for _, want := range []string{"requested", "completed"} {
		if !slices.Contains(all, want) {
			t.Errorf("the log tells %v, want %s among it", all, want)
		}
	}
	if status, got := h.get("alice/AuditLog.Read.All", "events?request="+id); status != http.StatusForbidden || codeOf(got) != "Authorization_RequestDenied" {
		t.Errorf("alice reads the log: %d %v", status, got)
	}
	if status, _ := h.get("app/AuditLog.Read.All", "events?top=1"); status != http.StatusOK {
		t.Errorf("an application with the permission: %d", status)
	}
}

func activities(page map[string]any) []string {
	var out []string
	rows, _ := page["value"].([]any)
	for _, r := range rows {
		out = append(out, r.(map[string]any)["activity"].(string))
	}
	return out
}

func codeOf(got map[string]any) string {
	e, _ := got["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

func TestCheckAsksTheIndexAtThisMoment(t *testing.T) {
	h := newHouse(t)
	nora := "nora/" + readGrants
	path := "check?role=" + string(pim.ReportsReader)
	check := func(token, path, reason string, held bool, until any) {
		t.Helper()
		status, got := h.get(token, path)
		if status != http.StatusOK || got["held"] != held || got["reason"] != reason || got["until"] != until {
			t.Errorf("%s: %d %v, want held %v for %s until %v", path, status, got, held, reason, until)
		}
	}
	check(nora, path, "notActivated", false, nil)
	h.activate()
	check(nora, path, "activation", true, "2026-03-02T10:00:00Z")
	check(nora, path+"&scope=/administrativeUnits/"+strings.ToUpper(string(h.org.Units["osaka"])), "activation", true, "2026-03-02T10:00:00Z")
	check("aud/"+readGrants, path+"&principal="+string(h.org.People["nora"]), "activation", true, "2026-03-02T10:00:00Z")
	check("app/"+readGrants, path+"&principal="+string(h.org.People["nora"]), "activation", true, "2026-03-02T10:00:00Z")
	check("alice/"+readGrants, path, "none", false, nil)
	if status, got := h.get("alice/"+readGrants, path+"&principal="+string(h.org.People["nora"])); status != http.StatusForbidden {
		t.Errorf("alice asks about nora: %d %v", status, got)
	}
	// No worker runs here: the end needs none (promise P3).
	h.now = h.now.Add(time.Hour)
	if _, got := h.get(nora, path); got["held"] != false {
		t.Errorf("at the instant of the end: %v", got)
	}
}

// What somebody may do to a resource is asked of the same index, with the roles, conditions and denials of this moment.
func TestAllowedAsksTheIndexAtThisMoment(t *testing.T) {
	h := newHouse(t)
	nora, aud := h.org.People["nora"], h.org.People["aud"]
	const group = "/subscriptions/00000000-0000-4000-8000-000000000001/resourcegroups/rg-1"
	give := func(n string, p pim.PrincipalID, role pim.RoleID, end time.Time) {
		h.app.Index.Publish(access.Change{Schedules: []pim.Schedule{{ID: pim.ScheduleID(n), Kind: pim.Assignment, Type: pim.Assigned,
			Window: schedule.Window{Start: h.now, End: end},
			Key:    pim.Key{Tenant: h.org.Tenant.ID, Provider: pim.Resource, Scope: group, Role: role, Principal: p}}}})
	}
	give("s1", nora, catalog.Contributor, h.now.Add(time.Hour))
	give("s2", aud, catalog.Reader, time.Time{})
	check := func(token, query, verdict string, until any) {
		t.Helper()
		path := "allowed?scope=" + strings.ToUpper(group) + "/providers/Microsoft.Sql/servers/s&" + query
		status, got := h.get(token, path)
		if status != http.StatusOK || got["allowed"] != (verdict == "allowed") || got["verdict"] != verdict || got["until"] != until {
			t.Errorf("%s: %d %v, want %s until %v", path, status, got, verdict, until)
		}
	}
	soon := "2026-03-02T10:00:00Z"
	check("nora/"+readGrants, "action=Microsoft.Sql/servers/write", "allowed", soon)
	check("nora/"+readGrants, "action=Microsoft.Sql/servers/write&data=true", "none", nil)
	check("nora/"+readGrants, "action=Microsoft.Authorization/roleAssignments/write", "none", nil)
	check("aud/"+readGrants, "action=microsoft.sql/servers/write&principal="+string(nora), "allowed", soon)
	check("aud/"+readGrants, "action=Microsoft.Sql/servers/read", "allowed", nil)
	check("alice/"+readGrants, "action=Microsoft.Sql/servers/read", "none", nil)
	if status, got := h.get("alice/"+readGrants, "allowed?action=x&scope="+group+"&principal="+string(nora)); status != http.StatusForbidden {
		t.Errorf("alice asks about nora: %d %v", status, got)
	}
	h.app.Index.Publish(access.Change{Resources: []access.ResourceChange{{Tenant: h.org.Tenant.ID, Denials: []rbac.Denial{{ID: "d", Scope: group, Everybody: true,
		Permissions: []rbac.Permission{{Actions: []string{"*/write"}}}}}}}})
	check("nora/"+readGrants, "action=Microsoft.Sql/servers/write", "denied", nil)
	h.now = h.now.Add(time.Hour)
	check("nora/"+readGrants, "action=Microsoft.Sql/servers/read", "none", nil)
}

// TestRefusals is a page of what is refused, and how.
func TestRefusals(t *testing.T) {
	h := newHouse(t)
	all := "aud/" + readGrants + " AuditLog.Read.All"
	for _, c := range []struct {
		token, path string
		status      int
		code        string
	}{
		{"", "effects", 401, "InvalidAuthenticationToken"},
		{"aud/User.Read", "effects", 403, "Authorization_RequestDenied"},
		{"aud/" + readGrants, "events", 403, "Authorization_RequestDenied"},
		{"app/User.Read", "check?role=x", 403, "Authorization_RequestDenied"},
		{all, "check", 400, "BadRequest"},
		{all, "allowed", 400, "BadRequest"},
		{all, "allowed?action=x&data=maybe", 400, "BadRequest"},
		{all, "allowed?action=x&scope=/subscriptions/x", 400, "BadRequest"},
		{all, "effects?stat=usable", 400, "BadRequest"},
		{all, "effects?state=open", 400, "BadRequest"},
		{all, "effects?stuck=maybe", 400, "BadRequest"},
		{all, "effects?state=gone&State=usable", 400, "BadRequest"},
		{all, "effects?top=0", 400, "BadRequest"},
		{all, "effects?top=many", 400, "BadRequest"},
		{all, "effects?$skiptoken=zzz", 400, "BadRequest"},
		{all, "events?$skiptoken=AQFhAWI", 400, "BadRequest"},
		{all, "effects?schedule=%zz", 400, "BadRequest"},
		{all, "effects?schedule=" + strings.Repeat("x", 5000), 400, "BadRequest"},
		{all, "doors", 404, "ResourceNotFound"},
	} {
		status, got := h.get(c.token, c.path)
		if status != c.status || codeOf(got) != c.code {
			t.Errorf("%.60s as %q: %d %v, want %d %s", c.path, c.token, status, got, c.status, c.code)
		}
	}
}

// TestFaultsTellNothing: what is wrong inside is told by a request id alone, and what passes is told to come again.
func TestFaultsTellNothing(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		err    error
		status int
	}{
		{store.ErrUnavailable, 503}, {app.ErrClock, 503}, {context.DeadlineExceeded, 503}, {store.ErrNotFound, 404},
		{http.ErrBodyNotAllowed, 500}, {&pim.Refusal{Code: pim.NotThere}, 400}, {&api.Fault{Problem: api.TooMany}, 429},
		{&api.Fault{Problem: api.Broken, Detail: "secret"}, 500}, {&api.Fault{Problem: api.NoSuchMethod, Needs: []string{"GET"}}, 405},
		{&api.Fault{Problem: api.TooLarge}, 413}, {&api.Fault{Problem: api.BadEncoding}, 415}, {&api.Fault{Problem: api.BadBody}, 400},
	} {
		got := native.New(h.app, h.app.Index).Problem(&api.Request{ID: "the-call"}, c.err)
		if got.Status != c.status || !strings.Contains(string(got.Body), "the-call") || strings.Contains(string(got.Body), "secret") {
			t.Errorf("%v: %d %s, want %d", c.err, got.Status, got.Body, c.status)
		}
		if temporary := c.status == 503 || c.status == 429; temporary != (got.Header.Get("Retry-After") != "") {
			t.Errorf("%v: Retry-After is %q", c.err, got.Header.Get("Retry-After"))
		}
	}
}

// TestEveryActivityHasAName: a log that says "unknown" tells nothing.
func TestEveryActivityHasAName(t *testing.T) {
	h := newHouse(t)
	h.activate()
	for link := "events?top=999"; link != ""; {
		_, page := h.get("aud/AuditLog.Read.All", link)
		if slices.Contains(activities(page), "unknown") {
			t.Fatalf("an event has no name: %v", page)
		}
		next, _ := page["nextLink"].(string)
		link = strings.TrimPrefix(next, "https://pim.test/portcullis/v1/")
	}
}
