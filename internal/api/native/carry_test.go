package native_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// carry sends a body as somebody, and returns the answer's JSON.
func (h *house) carry(token, body string) (int, map[string]any) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://pim.test/portcullis/v1/carriedRequests", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.frame.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		h.t.Fatalf("%v in %s", err, w.Body)
	}
	return w.Code, out
}

// alice is alice's key of a role.
func (h *house) alice(k pim.RoleKey) pim.Key {
	return pim.Key{Tenant: k.Tenant, Provider: k.Provider, Scope: k.Scope, Role: k.Role, Principal: h.org.People["alice"]}
}

// waiting makes alice eligible for a role, which asks for eve's approval.
func (h *house) waiting(k pim.RoleKey) {
	h.t.Helper()
	by := func(key string) pim.Caller {
		return h.app.Caller(h.org.Tenant.ID, pim.Caller{MFA: true, Actor: pim.Actor{Principal: h.org.People[key], Kind: pim.UserPrincipal}})
	}
	if _, err := h.app.EditPolicy(h.t.Context(), by("pat"), k, func(r *policy.Rules) error {
		r.Approval.Required, r.Approval.Mode = true, policy.SingleStage
		r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.User, ID: string(h.org.People["eve"])}}}}
		return nil
	}); err != nil {
		h.t.Fatal(err)
	}
	ask := pim.Ask{By: by("pat"), Action: pim.AdminAssign, Kind: pim.Eligibility, Justification: "as agreed", Key: h.alice(k),
		Schedule: schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("P3D")}}}
	if _, err := h.app.Do(h.t.Context(), ask); err != nil {
		h.t.Fatal(err)
	}
}

// carried is a body that names alice's activation of a role, as changes leave it.
func (h *house) carried(k pim.RoleKey, changes map[string]any) string {
	h.t.Helper()
	in := map[string]any{
		"provider": k.Provider, "kind": "assignment", "action": "selfActivate", "scope": k.Scope, "role": k.Role, "principalId": h.org.People["alice"],
		"justification": "the month's close", "scheduleInfo": map[string]any{"expiration": map[string]any{"type": "afterDuration", "duration": "PT1H"}},
		"ticketInfo": map[string]any{"ticketNumber": "4711", "ticketSystem": "desk"},
	}
	maps.Copy(in, changes)
	body, err := json.Marshal(in)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(body)
}

const (
	writeRoles  = "RoleAssignmentSchedule.ReadWrite.Directory"
	writeGroups = "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup"
	writeAll    = writeRoles + " " + writeGroups + " user_impersonation"
)

// keys are a role of each provider that alice is eligible for and that asks for approval.
func (h *house) keys() map[pim.Provider]pim.RoleKey {
	out := map[pim.Provider]pim.RoleKey{
		pim.Directory: {Tenant: h.org.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.ReportsReader},
		pim.Group:     {Tenant: h.org.Tenant.ID, Provider: pim.Group, Scope: pim.Scope(h.org.Groups["data-stewards"]), Role: pim.Member},
		pim.Resource:  {Tenant: h.org.Tenant.ID, Provider: pim.Resource, Scope: h.org.Tree[len(h.org.Tree)-1].Scope, Role: catalog.Reader},
	}
	for _, k := range out {
		h.waiting(k)
	}
	return out
}

// TestRequestsAreCarriedOver: of each provider, once, with what was said there.
func TestRequestsAreCarriedOver(t *testing.T) {
	h := newHouse(t)
	for p, k := range h.keys() {
		permission := map[pim.Provider]string{pim.Directory: writeRoles, pim.Group: writeGroups, pim.Resource: "user_impersonation"}[p]
		if status, got := h.carry("pat/"+strings.Replace(writeAll, permission, "", 1), h.carried(k, nil)); status != 403 || codeOf(got) != "Authorization_RequestDenied" {
			t.Errorf("%s without %s: %d %v", p, permission, status, got)
		}
		status, got := h.carry("pat/"+permission, h.carried(k, map[string]any{"scope": strings.ToUpper(string(k.Scope))}))
		if status != http.StatusCreated {
			t.Fatalf("%s: %d %v", p, status, got)
		}
		page, err := h.app.Store.Requests(t.Context(), store.Query{Tenant: h.org.Tenant.ID, Limit: 2, Where: store.Is(store.FieldID, got["id"])})
		if err != nil || len(page.Rows) != 1 {
			t.Fatalf("%s: %v, %v", p, page.Rows, err)
		}
		r := page.Rows[0]
		if r.Status != pim.PendingApproval || r.Key != h.alice(k) || r.By.Principal != h.org.People["pat"] || r.Action != pim.SelfActivate ||
			r.Justification != "the month's close" || r.Ticket != (pim.Ticket{Number: "4711", System: "desk"}) || r.Asked.Expiration.Duration.String() != "PT1H" {
			t.Errorf("%s: the request is %+v", p, r)
		}
		if status, got := h.carry("pat/"+permission, h.carried(k, nil)); status != 400 || codeOf(got) != "AlreadyPending" {
			t.Errorf("%s carried twice: %d %v", p, status, got)
		}
	}
}

// TestWhatIsNotCarriedOver is a page of what is refused, and how.
func TestWhatIsNotCarriedOver(t *testing.T) {
	h := newHouse(t)
	k := h.keys()[pim.Directory]
	free := k // a role that asks for nobody's approval
	free.Role = pim.GlobalAdministrator
	h.waiting(free)
	open := h.app.Caller(h.org.Tenant.ID, pim.Caller{MFA: true, Actor: pim.Actor{Principal: h.org.People["pat"], Kind: pim.UserPrincipal}})
	if _, err := h.app.EditPolicy(t.Context(), open, free, func(r *policy.Rules) error { r.Approval.Required = false; return nil }); err != nil {
		t.Fatal(err)
	}
	with := func(name string, v any) string { return h.carried(k, map[string]any{name: v}) }
	const pat, bad, denied = "pat/" + writeAll, "BadRequest", "Authorization_RequestDenied"
	for name, c := range map[string]struct {
		token, body string
		status      int
		code        string
	}{
		"nothing":                     {pat, "", 400, bad},
		"no JSON":                     {pat, "{", 400, bad},
		"a list":                      {pat, "[]", 400, bad},
		"another provider":            {pat, with("provider", "mail"), 400, bad},
		"another kind":                {pat, with("kind", "wish"), 400, bad},
		"a kind of another form":      {pat, with("kind", 1), 400, bad},
		"no word for an action":       {pat, with("action", "dance"), 400, bad},
		"an administrator's action":   {pat, with("action", "adminAssign"), 400, "InvalidRequest"},
		"an end that nobody decides":  {pat, with("action", "selfDeactivate"), 400, "InvalidRequest"},
		"a schedule of another form":  {pat, with("scheduleInfo", "soon"), 400, bad},
		"a length that is none":       {pat, with("scheduleInfo", map[string]any{"expiration": map[string]any{"type": "afterDuration", "duration": "soon"}}), 400, "InvalidSchedule"},
		"no reason":                   {pat, with("justification", ""), 400, "PolicyFailed"},
		"nobody":                      {pat, with("principalId", ""), 400, "InvalidRequest"},
		"somebody unknown":            {pat, with("principalId", "00000000-0000-4000-8000-000000000000"), 400, "UnknownPrincipal"},
		"who is not eligible":         {pat, with("principalId", h.org.People["bob"]), 400, "PolicyFailed"},
		"a role without approval":     {pat, h.carried(free, nil), 400, "InvalidRequest"},
		"one's own":                   {pat, with("principalId", h.org.People["pat"]), 403, denied},
		"by who is asked for":         {"alice/" + writeAll, with("kind", "assignment"), 403, denied},
		"by who administers nothing":  {"bob/" + writeAll, with("kind", "assignment"), 403, denied},
		"with a permission to read":   {"pat/" + readGrants, with("kind", "assignment"), 403, denied},
		"by an application":           {"app/" + writeAll, with("kind", "assignment"), 403, denied},
		"a permission of groups only": {"pat/" + writeGroups, with("kind", "assignment"), 403, denied},
	} {
		if status, got := h.carry(c.token, c.body); status != c.status || codeOf(got) != c.code {
			t.Errorf("%s: %d %v, want %d %s", name, status, got, c.status, c.code)
		}
	}
	page, err := h.app.Store.Requests(t.Context(), store.Query{Tenant: h.org.Tenant.ID, Limit: 10, Where: store.Is(store.FieldStatus, int(pim.PendingApproval))})
	if err != nil || len(page.Rows) != 0 {
		t.Errorf("what was refused left %v, %v", page.Rows, err)
	}
}
