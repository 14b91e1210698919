package native_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// asks lets Reports Reader be activated only after each of the stages has agreed, one after the other.
func (h *house) asks(stages ...[]policy.Approver) {
	h.t.Helper()
	grace := h.app.Caller(h.org.Tenant.ID, pim.Caller{MFA: true, Actor: pim.Actor{Principal: h.org.People["grace"], Kind: pim.UserPrincipal}})
	k := pim.RoleKey{Tenant: h.org.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.ReportsReader}
	_, err := h.app.EditPolicy(h.t.Context(), grace, k, func(r *policy.Rules) error {
		r.Approval.Required, r.Approval.NoRequestorJustification = true, true
		r.Approval.Mode, r.Approval.Stages = policy.Serial, nil
		for _, approvers := range stages {
			r.Approval.Stages = append(r.Approval.Stages, policy.Stage{TimeoutDays: 1, Approvers: approvers})
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestApproversAreToldByName: whoever may see a request reads who may decide its open stage: groups taken apart, nora's
// own account never among them, though she is named herself.
func TestApproversAreToldByName(t *testing.T) {
	h := newHouse(t)
	user := func(key string) policy.Approver {
		return policy.Approver{Kind: policy.User, ID: string(h.org.People[key])}
	}
	group := policy.Approver{Kind: policy.Group, ID: string(h.org.Groups["payroll-approvers"])}
	h.asks([]policy.Approver{user("nora"), group, user("eve")}, []policy.Approver{})
	r := h.activate().Request
	told := func(token string) []string {
		t.Helper()
		status, got := h.get(token+"/"+readGrants, "approvers?request="+strings.ToUpper(string(r.ID)))
		if status != http.StatusOK || got["more"] != false {
			t.Fatalf("as %s: %d %v", token, status, got)
		}
		var ids []string
		for _, row := range got["value"].([]any) {
			p := row.(map[string]any)
			if p["displayName"] == "" || !strings.Contains(p["userPrincipalName"].(string), "@") {
				t.Errorf("got %v, want a name and an account", p)
			}
			ids = append(ids, p["id"].(string))
		}
		return slices.Sorted(slices.Values(ids))
	}
	ids := func(keys ...string) []string {
		var out []string
		for _, k := range keys {
			out = append(out, string(h.org.People[k]))
		}
		return slices.Sorted(slices.Values(out))
	}
	for _, who := range []string{"nora", "aud", "ana", "eve"} {
		if got, want := told(who), ids("ana", "ben", "eve"); !slices.Equal(got, want) {
			t.Errorf("the first stage, told to %s: got %v, want %v", who, got, want)
		}
	}
	if status, got := h.get("alice/"+readGrants, "approvers?request="+string(r.ID)); status != http.StatusNotFound {
		t.Errorf("told to somebody else: %d %v, want 404", status, got)
	}
	ana := h.app.Caller(h.org.Tenant.ID, pim.Caller{MFA: true, Actor: pim.Actor{Principal: h.org.People["ana"], Kind: pim.UserPrincipal}})
	decide := func(by pim.Caller, a pim.Action) {
		t.Helper()
		if _, err := h.app.Do(t.Context(), pim.Ask{By: by, Action: a, Kind: pim.Assignment, Key: r.Key, Request: r.ID, Justification: "j"}); err != nil {
			t.Fatal(err)
		}
	}
	decide(ana, pim.Approve)
	if got, want := told("nora"), ids("grace", "pat"); !slices.Equal(got, want) {
		t.Errorf("the second stage names nobody, so administrators decide: got %v, want %v", got, want)
	}
	decide(h.app.Caller(h.org.Tenant.ID, pim.Caller{Actor: pim.Actor{Principal: h.org.People["pat"], Kind: pim.UserPrincipal}}), pim.Deny)
	if got := told("nora"); len(got) != 0 {
		t.Errorf("a denied request waits for %v, want nobody", got)
	}
	for path, want := range map[string]int{"approvers": 400, "approvers?request=" + string(r.ID) + "&x=y": 400,
		"approvers?request=00000000-0000-4000-8000-000000000000": 404} {
		if status, got := h.get("nora/"+readGrants, path); status != want {
			t.Errorf("%s: %d %v, want %d", path, status, got, want)
		}
	}
}

// TestManyApproversAreBounded: of a large group two hundred are told, and that there are more.
func TestManyApproversAreBounded(t *testing.T) {
	h := newHouse(t)
	const crowd = 230
	id := func(n int) pim.PrincipalID { return pim.PrincipalID(fmt.Sprintf("5c3e0000-0000-4000-8000-%012d", n)) }
	object := func(n int, k directory.Kind) directory.Object {
		return directory.Object{Tenant: h.org.Tenant.ID, ID: id(n), Kind: k, DisplayName: fmt.Sprintf("Number %03d", n), Enabled: n != 1, Created: h.now}
	}
	group := object(0, directory.KindGroup)
	group.Enabled, group.Group = true, &directory.Group{MailNickname: "crowd", SecurityEnabled: true}
	objects, links := []directory.Object{group}, []directory.Link(nil)
	for n := 1; n <= crowd; n++ {
		o := object(n, directory.KindUser)
		o.User = &directory.User{PrincipalName: fmt.Sprintf("n%d@%s", n, h.org.Tenant.Domain)}
		objects = append(objects, o)
		links = append(links, directory.Link{Tenant: h.org.Tenant.ID, Relation: directory.MemberOf, From: group.ID, To: o.ID})
	}
	if err := h.app.ImportDirectory(t.Context(), pim.Actor{}, h.org.Tenant.ID, objects, links, nil); err != nil {
		t.Fatal(err)
	}
	h.asks([]policy.Approver{{Kind: policy.Group, ID: string(group.ID)}})
	r := h.activate().Request
	status, got := h.get("nora/"+readGrants, "approvers?request="+string(r.ID))
	rows, _ := got["value"].([]any)
	if status != http.StatusOK || len(rows) != 200 || got["more"] != true {
		t.Fatalf("%d: got %d people and more %v, want 200 and more", status, len(rows), got["more"])
	}
	// By name, and without the first, whose account is disabled.
	if first := rows[0].(map[string]any)["displayName"]; first != "Number 002" {
		t.Errorf("the first is %v, want Number 002", first)
	}
}
