package arm

import (
	"strings"
	"testing"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// FuzzRequest: whatever is sent as a request becomes an ask that names what it is about, or is refused in words for callers.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"properties":{"principalId":"5c3e0000-0000-4000-8000-000000000004","roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","requestType":"SelfActivate","scheduleInfo":{"startDateTime":"2026-03-02T09:00:00.0000000Z","expiration":{"type":"AfterDuration","endDateTime":null,"duration":"PT480M"}}}}`,
		`{"Properties":{"PrincipalId":"5c3e0000-0000-4000-8000-000000000004","RoleDefinitionId":"acdd72a7-3385-48ef-bd42-f606fba81ae7","RequestType":"adminassign","ScheduleInfo":{"Expiration":{"Type":"null","Duration":""}},"IsValidationOnly":false}}`,
		`{"properties":{"principalId":"5c3e0000-0000-4000-8000-000000000004","roleDefinitionId":"acdd72a7-3385-48ef-bd42-f606fba81ae7","requestType":"AdminRemove"}`,
		`{"properties":{"requestType":"AdminUpdate","scheduleInfo":{"recurrence":{"pattern":{"type":"weekly"}}},"ticketInfo":{"ticketNumber":"","ticketSystem":null}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in requestIn
		err := api.DecodeBytes(truths(mend(body)), &in)
		if !refusedWell(err) {
			t.Fatalf("got %v", err)
		}
		if err != nil {
			return
		}
		in.Properties.Linked = "" // which is looked for
		for _, s := range sides() {
			ask, err := in.toAsk(&call{Request: &api.Request{Tenant: "t"}}, resource.Node{Scope: "/subscriptions/s"}, s.kind)
			if !refusedWell(err) {
				t.Fatalf("got %v", err)
			}
			if err == nil && (ask.Action == 0 || ask.Kind != s.kind || !wire.IsGUID(string(ask.Key.Role)) || !wire.IsGUID(string(ask.Key.Principal)) ||
				ask.Key.Provider != pim.Resource || ask.Key.Scope != "/subscriptions/s") {
				t.Fatalf("%s became an ask without a key or an action: %+v", body, ask)
			}
		}
	})
}

// FuzzBatch: a part of a batch is a call on this host under an address of this dialect that is no batch, or refused.
func FuzzBatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"GET", "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"}, {"PUT", "subscriptions/x"}, {"POST", "//batch/?api-version=2020-06-01"},
		{"POST", "https://pim.example.com/BATCH"}, {"GET", "https://elsewhere.example.com/subscriptions"}, {"get it", "/tenants"}, {"GET", "/%62atch"}, {"GET", "/subscriptions/../v1.0/users"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, method, address string) {
		c := &call{Request: aCall(t), Surface: &Surface{}}
		r, err := c.subrequest(partIn{Method: method, URL: address})
		if !refusedWell(err) {
			t.Fatalf("got %v", err)
		}
		if err != nil {
			return
		}
		first, rest, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
		if r.URL.Host != "" || r.Host != c.Host || strings.EqualFold(first, "batch") && strings.Trim(rest, "/") == "" {
			t.Fatalf("%s %s became a call of %s on %q", method, address, r.URL, r.Host)
		}
	})
}
