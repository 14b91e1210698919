package worker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

const twin pim.PrincipalID = "00000001-0000-4000-8000-000000000018"

// addressees are the names of those whom a notice reaches, in their order.
func (o *office) addressees(n pim.Notice) string {
	o.Helper()
	objects, err := o.Addressees(o.Context(), n)
	if err != nil {
		o.Fatal(err)
	}
	var names []string
	for _, p := range objects {
		names = append(names, strings.ToLower(p.DisplayName))
	}
	return strings.Join(names, ", ")
}

// change edits a user.
func (o *office) change(p pim.PrincipalID, edit func(*directory.Object)) {
	o.Helper()
	objects, err := o.Store.ObjectsByID(o.Context(), tenant, []pim.PrincipalID{p})
	if err != nil || len(objects) != 1 {
		o.Fatal(len(objects), err)
	}
	edit(&objects[0])
	if err := o.Store.Commit(o.Context(), store.Commit{Objects: objects}); err != nil {
		o.Fatal(err)
	}
}

// Who is told, by who is there and who holds what: a page of facts.
func TestAddressees(t *testing.T) {
	t.Parallel()
	o := newOffice(t, t.TempDir())
	o.found()
	to := func(who policy.Recipient, k pim.Key) pim.Notice {
		return pim.Notice{Tenant: k.Tenant, Kind: pim.NoticeActivated, Key: k, To: []pim.Audience{{Who: who}}}
	}
	group := func(g pim.PrincipalID) pim.Key {
		return pim.Key{Tenant: tenant, Provider: pim.Group, Scope: pim.Scope(g), Role: pim.Member, Principal: anna}
	}
	foreign := deskOf(anna)
	foreign.Tenant = "another"
	off := to(policy.ToAdmins, deskOf(anna))
	off.To[0].NoDefaults = true
	both := to(policy.ToAdmins, deskOf(sec))
	both.To = append(both.To, pim.Audience{Who: policy.ToRequestor})
	for _, fact := range []struct {
		what string
		n    pim.Notice
		want string
	}{
		{"whoever is concerned", to(policy.ToRequestor, deskOf(anna)), "anna müller"},
		{"the members of a group that is concerned", to(policy.ToRequestor, deskOf(duty)), "anna müller, dana"},
		{"the holders of the three roles", to(policy.ToAdmins, deskOf(anna)), "root, sec"},
		{"each once, whoever is concerned first", both, "sec, root"},
		{"the owners of a group", to(policy.ToAdmins, group(sales)), "gail"},
		{"a group without owners has administrators", to(policy.ToAdmins, group(duty)), "root, sec"},
		{"nobody by default", off, ""},
		{"nobody of another tenant", to(policy.ToAdmins, foreign), ""},
		{"nobody of a request that is not there", to(policy.ToApprovers, deskOf(anna)), ""},
	} {
		if got := o.addressees(fact.n); got != fact.want {
			t.Errorf("%s: got %q, want %q", fact.what, got, fact.want)
		}
	}
	o.change(sec, func(u *directory.Object) { u.Enabled = false })
	if got := o.addressees(to(policy.ToAdmins, deskOf(anna))); got != "root" {
		t.Errorf("with a disabled administrator: got %q, want root alone", got)
	}
}

// Who is asked to decide: those who can, never whoever asks (promise P5), by whatever account or group.
func TestP5NobodyIsAskedAboutThemselves(t *testing.T) {
	t.Parallel()
	person := func(id pim.PrincipalID) policy.Approver { return policy.Approver{Kind: policy.User, ID: string(id)} }
	for _, fact := range []struct {
		what      string
		approvers []policy.Approver
		prepare   func(*office)
		want      string
	}{
		{"a group that she belongs to", []policy.Approver{{Kind: policy.Group, ID: string(duty)}}, nil, "dana"},
		{"she herself and another", []policy.Approver{person(anna), person(bo)}, nil, "bo"},
		{"another account of hers", []policy.Approver{person(twin), person(bo)}, func(o *office) {
			c := store.Commit{Objects: []directory.Object{{Tenant: tenant, ID: twin, Kind: directory.KindUser, Enabled: true, DisplayName: "Twin",
				User: &directory.User{PrincipalName: "twin@corp.example", EmployeeID: "E1"}}}}
			if err := o.Store.Commit(o.Context(), c); err != nil {
				o.Fatal(err)
			}
			o.change(anna, func(u *directory.Object) { u.User.EmployeeID = "E1" })
		}, "bo"},
		{"a disabled account", []policy.Approver{person(cy), person(bo)}, func(o *office) {
			o.change(cy, func(u *directory.Object) { u.Enabled = false })
		}, "bo"},
		{"her manager", []policy.Approver{{Kind: policy.RequestorManager}}, func(o *office) {
			o.change(anna, func(u *directory.Object) { u.User.Manager = gail })
		}, "gail"},
		{"a manager whom she does not have", []policy.Approver{{Kind: policy.RequestorManager}}, nil, "root"},
		{"nobody named", nil, nil, "root"},
	} {
		t.Run(fact.what, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, t.TempDir())
			o.found()
			if fact.prepare != nil {
				fact.prepare(o)
			}
			o.rules(deskOf(anna), func(r *policy.Rules) {
				r.Approval.Required = true
				r.Approval.Stages = []policy.Stage{{Approvers: fact.approvers}}
			})
			o.makesEligible(anna)
			out := o.asks(anna, pim.Ask{Action: pim.SelfActivate, Kind: pim.Assignment, Key: deskOf(anna), Schedule: lasting(time.Hour)})
			i := slices.IndexFunc(out.Notices, func(n pim.Notice) bool { return n.Kind == pim.NoticeApprovalAsked })
			if i < 0 {
				t.Fatalf("got the notices %+v, want one that asks", out.Notices)
			}
			if got := o.addressees(out.Notices[i]); got != fact.want {
				t.Errorf("got %q, want %q", got, fact.want)
			}
			waiting := pim.Notice{Tenant: tenant, Kind: pim.NoticeWaiting}
			if got := o.addressees(waiting); got != fact.want {
				t.Errorf("the digest goes to %q, want %q", got, fact.want)
			}
		})
	}
}

// Of stages that are asked all at once, each asks its own approvers.
func TestStagesAskTheirOwn(t *testing.T) {
	t.Parallel()
	o := newOffice(t, t.TempDir())
	o.found()
	o.rules(deskOf(anna), func(r *policy.Rules) {
		approvals(r)
		r.Approval.Mode = policy.Parallel
	})
	o.makesEligible(anna)
	out := o.asks(anna, pim.Ask{Action: pim.SelfActivate, Kind: pim.Assignment, Key: deskOf(anna), Schedule: lasting(time.Hour)})
	var got []string
	for _, n := range out.Notices {
		got = append(got, o.addressees(n))
	}
	if want := []string{"bo", "dana"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
