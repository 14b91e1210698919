package graph

import (
	"errors"
	"testing"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// refusedWell says whether an error of a decoder is one that a caller is told: anything else would be a 500.
func refusedWell(err error) bool {
	return err == nil || errors.As(err, new(*api.Fault)) || errors.As(err, new(*pim.Refusal)) || errors.As(err, new(*problem))
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"action":"selfActivate","principalId":"p","roleDefinitionId":"r","directoryScopeId":"/","scheduleInfo":{"startDateTime":"2026-01-01T00:00:00+01:00","expiration":{"type":"afterDuration","duration":"PT1H"}}}`))
	f.Add([]byte(`{"action":"adminAssign","principalId":"p","roleDefinitionId":"r","directoryScopeId":"/administrativeUnits/5c3e0000-0000-4000-8000-000000000031","scheduleInfo":{"recurrence":{"pattern":{"type":"weekly","interval":1,"daysOfWeek":["monday"]},"range":{"type":"noEnd","startDate":"2026-01-01"}}}}`))
	f.Add([]byte(`{"action":"adminAssign","principalId":"p","groupId":"5c3e0000-0000-4000-8000-000000000021","accessId":"Owner"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in requestIn
		if err := api.DecodeBytes(body, &in); err != nil {
			if !refusedWell(err) {
				t.Fatalf("got %v", err)
			}
			return
		}
		for _, p := range []pim.Provider{pim.Directory, pim.Group} {
			ask, err := in.toAsk(pim.Caller{}, "t", p, pim.Assignment)
			if !refusedWell(err) {
				t.Fatalf("got %v", err)
			}
			if err == nil && (ask.Key.Scope == "" || ask.Key.Role == "" || ask.Key.Principal == "" || ask.Action == 0) {
				t.Fatalf("%s became an ask without a key or an action: %+v", body, ask)
			}
		}
	})
}

func FuzzDecodePolicy(f *testing.F) {
	f.Add([]byte(`{"rules":[{"id":"Approval_EndUser_Assignment","setting":{"approvalStages":[{"primaryApprovers":[{"userId":"5c3e0000-0000-4000-8000-000000000007"}]}]}}]}`))
	f.Add([]byte(`{"rules":[{"id":"Enablement_EndUser_Assignment","enabledRules":["Ticketing"]},{"id":"Expiration_Admin_Eligibility","maximumDuration":"P1D"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in policyIn
		err := api.DecodeBytes(body, &in)
		if err == nil {
			rules := policy.ForDirectoryRole()
			if err = in.apply(&rules); err == nil {
				for _, r := range rulesOf(policyRow{policy: policy.Policy{Rules: rules}}) {
					c := testCall()
					o := wire.New(nil, nil)
					writeRule(c, &o, r)
				}
			}
		}
		if !refusedWell(err) {
			t.Fatalf("got %v", err)
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"requests":[{"id":1,"method":"GET","url":"/me"},{"id":"2","method":"GET","url":"//x/../y?z","dependsOn":["1"]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in batchIn
		err := api.DecodeBytes(body, &in)
		if err == nil {
			var order []int
			if order, err = in.order(); err == nil && len(order) != len(in.Requests) {
				t.Fatalf("%s: %d of %d parts have a place", body, len(order), len(in.Requests))
			}
			for _, p := range in.Requests {
				if r, bad := testCall().subrequest(p); bad == nil && r.URL.Host != "" {
					t.Fatalf("%s leads to another host: %s", p.URL, r.URL)
				}
			}
		}
		if !refusedWell(err) {
			t.Fatalf("got %v", err)
		}
	})
}

func FuzzDecodeRole(f *testing.F) {
	f.Add([]byte(`{"displayName":"a","isEnabled":true,"rolePermissions":[{"allowedResourceActions":["a/b"]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in roleIn
		err := api.DecodeBytes(body, &in)
		if err == nil {
			err = in.apply(&directory.Object{})
		}
		if !refusedWell(err) {
			t.Fatalf("got %v", err)
		}
	})
}

func FuzzDecision(f *testing.F) {
	f.Add([]byte(`{"reviewResult":"Approve","justification":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in wire.Answer
		if err := api.DecodeBytes(body, &in); !refusedWell(err) {
			t.Fatalf("got %v", err)
		}
		if action, ok := in.Action(); ok != (action == pim.Approve || action == pim.Deny) {
			t.Fatalf("got %v, %t", action, ok)
		}
	})
}

func FuzzSearch(f *testing.F) {
	f.Add(`"displayName:a" AND "mail:b" OR "c"`)
	f.Fuzz(func(_ *testing.T, s string) {
		searchTerms(s)
		matchesSearch(s, func([]string) any { return "abc" })
	})
}
