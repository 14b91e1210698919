package worker_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/notify"
	"portcullis/internal/notify/mailpittest"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/worker"
)

// The people of an office, and what is there. Dana has no mail address, and is reached at her principal name.
const (
	root  pim.PrincipalID = "00000001-0000-4000-8000-000000000011"
	sec   pim.PrincipalID = "00000001-0000-4000-8000-000000000012"
	anna  pim.PrincipalID = "00000001-0000-4000-8000-000000000013"
	bo    pim.PrincipalID = "00000001-0000-4000-8000-000000000014"
	cy    pim.PrincipalID = "00000001-0000-4000-8000-000000000015"
	dana  pim.PrincipalID = "00000001-0000-4000-8000-000000000016"
	gail  pim.PrincipalID = "00000001-0000-4000-8000-000000000017"
	duty  pim.PrincipalID = "00000001-0000-4000-8000-000000000021"
	sales pim.PrincipalID = "00000001-0000-4000-8000-000000000022"
)

// office is the real app on SQLite, with a clock that can be moved, and what sends its mails.
type office struct {
	*testing.T
	*app.App
	ahead atomic.Int64
	mails *worker.Mails
}

func newOffice(t *testing.T, folder string) *office {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: folder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o := &office{T: t}
	o.App = &app.App{Store: s, Index: access.New(), Now: func() time.Time { return time.Now().Add(time.Duration(o.ahead.Load())) }}
	o.mails = &worker.Mails{App: o.App, Store: s, ByPrincipalName: true, Now: o.Time, Holder: app.NewID()}
	o.Tell = o.mails.Wake
	return o
}

// found makes the office: who and what is there, and who administers it.
func (o *office) found() {
	o.Helper()
	c := store.Commit{Tenant: &directory.Tenant{ID: tenant, Name: "Contoso", Domain: "one.example", Created: time.Now()}}
	for id, name := range map[pim.PrincipalID]string{root: "Root", sec: "Sec", anna: "Anna Müller", bo: "Bo", cy: "Cy", dana: "Dana", gail: "Gail"} {
		first, _, _ := strings.Cut(strings.ToLower(name), " ")
		user := &directory.User{PrincipalName: first + "@corp.example", Mail: first + "@one.example", Type: "Member"}
		if id == dana {
			user.Mail = ""
		}
		c.Objects = append(c.Objects, directory.Object{Tenant: tenant, ID: id, Kind: directory.KindUser, Enabled: true, DisplayName: name, User: user})
	}
	for id, name := range map[pim.PrincipalID]string{duty: "Duty", sales: "Sales"} {
		c.Objects = append(c.Objects, directory.Object{Tenant: tenant, ID: id, Kind: directory.KindGroup, Enabled: true, DisplayName: name,
			Group: &directory.Group{SecurityEnabled: true}})
	}
	held := func(p pim.PrincipalID, provider pim.Provider, role pim.RoleID, at pim.Scope) {
		k := pim.Key{Tenant: tenant, Provider: provider, Scope: at, Role: role, Principal: p}
		c.Schedules = append(c.Schedules, pim.Schedule{ID: pim.ScheduleID(app.NewID()), Kind: pim.Assignment, Type: pim.Assigned, Open: true,
			Key: k, Window: schedule.Window{Start: o.Time().Add(-time.Hour)}, Created: o.Time()})
	}
	held(root, pim.Directory, pim.GlobalAdministrator, pim.Everywhere)
	held(sec, pim.Directory, pim.SecurityAdministrator, pim.Everywhere)
	held(gail, pim.Group, pim.Owner, pim.Scope(sales))
	c.Links = []directory.Link{{Tenant: tenant, Relation: directory.MemberOf, From: duty, To: dana}, {Tenant: tenant, Relation: directory.MemberOf, From: duty, To: anna}}
	if err := o.Store.Commit(o.Context(), c); err != nil {
		o.Fatal(err)
	}
	if err := o.Load(o.Context()); err != nil {
		o.Fatal(err)
	}
}

// rules sets the policy of a role.
func (o *office) rules(k pim.Key, change func(*policy.Rules)) {
	o.Helper()
	p := policy.Policy{Version: 1, Rules: policy.ForDirectoryRole()}
	change(&p.Rules)
	if err := o.Store.Commit(o.Context(), store.Commit{Policy: &store.PolicyEdit{Key: k.Policy(), Policy: p}}); err != nil {
		o.Fatal(err)
	}
}

// approvals demands two stages: Bo, whom Cy stands in for after an hour, and then the group Duty, to which Anna belongs.
func approvals(r *policy.Rules) {
	r.Approval.Required, r.Approval.Mode = true, policy.Serial
	r.Approval.Stages = []policy.Stage{
		{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.User, ID: string(bo)}}, Escalation: true, EscalationMinutes: 60,
			Escalated: []policy.Approver{{Kind: policy.User, ID: string(cy)}}},
		{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.Group, ID: string(duty)}}},
	}
}

func deskOf(p pim.PrincipalID) pim.Key {
	return pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: desk, Principal: p}
}

func (o *office) asks(by pim.PrincipalID, ask pim.Ask) pim.Outcome {
	o.Helper()
	ask.By = o.Caller(tenant, pim.Caller{MFA: true, Actor: pim.Actor{Principal: by, Kind: pim.UserPrincipal, Name: o.name(by)}})
	ask.Justification = cmp.Or(ask.Justification, "a customer waits")
	out, err := o.Do(o.Context(), ask)
	if err != nil {
		o.Fatalf("action %v of %s: %v", ask.Action, by, err)
	}
	return out
}

func (o *office) name(p pim.PrincipalID) string {
	objects, err := o.Store.ObjectsByID(o.Context(), tenant, []pim.PrincipalID{p})
	if err != nil || len(objects) != 1 {
		o.Fatal(len(objects), err)
	}
	return objects[0].DisplayName
}

func lasting(d time.Duration) schedule.Info {
	return schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.FromTime(d)}}
}

// passes lets time pass; the clock asks what falls due on the way, at its instant.
func (o *office) passes(d time.Duration) {
	o.Helper()
	end := o.Time().Add(d)
	for {
		due, next, err := o.Store.Due(o.Context(), o.Time(), 100)
		if err != nil {
			o.Fatal(err)
		}
		for _, one := range due {
			ask := pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Key: one.Key, Action: pim.ScheduleDue, Target: one.Schedule, Request: one.Request}
			if one.Request != "" {
				ask.Action = pim.RequestDue
			}
			for _, err := range o.DoAll(o.Context(), []pim.Ask{ask}) {
				if err != nil {
					o.Fatal(err)
				}
			}
		}
		switch {
		case len(due) > 0:
		case next.IsZero() || next.After(end):
			o.ahead.Add(int64(max(0, end.Sub(o.Time()))))
			return
		default:
			o.ahead.Add(int64(max(0, next.Sub(o.Time()))))
		}
	}
}

// post gives the office a mail server.
func (o *office) post(options notify.Options) {
	o.Helper()
	p, err := notify.New(options)
	if err != nil {
		o.Fatal(err)
	}
	w, err := notify.NewWriter("https://pim.one.example", p.Domain())
	if err != nil {
		o.Fatal(err)
	}
	o.mails.Post, o.mails.Writer = p, w
}

func mailpit(s *mailpittest.Server) notify.Options {
	return notify.Options{Host: s.Host, Port: s.Port, CAs: s.CA, User: mailpittest.User, Password: mailpittest.Password,
		From: "Portcullis <pim@one.example>", Timeout: 10 * time.Second}
}

// works sends mails until the test ends, or what it returns is called.
func (o *office) works() (stop func()) {
	ctx, cancel := context.WithCancel(o.Context())
	ended := make(chan error, 1)
	m := o.mails
	go func() { ended <- m.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			o.Error(err)
		}
	}
	return stop
}

// await returns the mails once they are as wanted.
func (o *office) await(what string, want func([]pim.Mail) bool) []pim.Mail {
	o.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var mails []pim.Mail
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		p, err := o.Store.Mails(o.Context(), store.Query{Tenant: tenant, Limit: 1000})
		if err != nil {
			o.Fatal(err)
		}
		if mails = p.Rows; want(mails) {
			return mails
		}
	}
	o.Fatalf("%s: it does not come to that: %+v", what, mails)
	return nil
}

// settled says that nothing is left to be sent.
func settled(mails []pim.Mail) bool {
	return !slices.ContainsFunc(mails, func(m pim.Mail) bool { return !m.Due.IsZero() })
}

// told returns what the server has got since the last time, as "who: subject", and checks each mail. The HTML parts can be
// looked at where `go test -artifacts` puts them.
func (o *office) told(s *mailpittest.Server, step string) []string {
	o.Helper()
	o.await(step, settled)
	var got []string
	for i, m := range s.Messages(o.T) {
		who, _, _ := strings.Cut(m.To, "@")
		subject, ok := strings.CutPrefix(m.Subject, "PIM: ")
		if !ok || m.MessageID == "" || strings.Join(m.Header["Auto-Submitted"], "") != "auto-generated" ||
			!strings.Contains(m.HTML, "https://pim.one.example/") || !strings.Contains(m.Text, "https://pim.one.example/") {
			o.Errorf("%s: a mail is not as it should be: %+v", step, m)
		}
		got = append(got, who+": "+subject)
		name := fmt.Sprintf("%s-%d.html", strings.ReplaceAll(step, " ", "-"), i)
		if err := os.WriteFile(filepath.Join(o.ArtifactDir(), name), []byte(m.HTML), 0o600); err != nil {
			o.Error(err)
		}
	}
	s.Forget(o.T)
	slices.Sort(got)
	return got
}

// A mail of each kind, through a story on the real app, read back from a real mail server.
func TestMailsOfEachKind(t *testing.T) {
	t.Parallel()
	server := mailpittest.Start(t)
	o := newOffice(t, t.TempDir())
	o.found()
	o.post(mailpit(server))
	o.rules(deskOf(anna), approvals)
	defer o.works()()
	k := deskOf(anna)
	activates := func() pim.RequestID {
		return o.asks(anna, pim.Ask{Action: pim.SelfActivate, Kind: pim.Assignment, Key: k, Schedule: lasting(2 * time.Hour), Ticket: pim.Ticket{Number: "4711", System: "desk"}}).Request.ID
	}
	answers := func(by pim.PrincipalID, what pim.Action, id pim.RequestID) {
		o.asks(by, pim.Ask{Action: what, Key: k, Kind: pim.Assignment, Request: id, Justification: "it is needed"})
	}
	const role = "the role Helpdesk Administrator"
	var request pim.RequestID
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"eligible", func() {
			o.asks(root, pim.Ask{Action: pim.AdminAssign, Kind: pim.Eligibility, Key: k, Schedule: lasting(20 * 24 * time.Hour)})
		}, []string{"anna: You were made eligible for " + role, "root: Anna Müller was made eligible for " + role, "sec: Anna Müller was made eligible for " + role}},
		{"approval asked", func() { request = activates() },
			[]string{"bo: Decide: Anna Müller asks to activate " + role}},
		{"escalated", func() { o.passes(2 * time.Hour) },
			[]string{"bo: Decide: Anna Müller asks to activate " + role, "cy: Decide: Anna Müller asks to activate " + role}},
		{"next stage", func() { answers(bo, pim.Approve, request) },
			[]string{"dana: Decide: Anna Müller asks to activate " + role}},
		{"approved", func() { answers(dana, pim.Approve, request) },
			[]string{"anna: Your request for " + role + " was approved", "root: Anna Müller activated " + role, "sec: Anna Müller activated " + role}},
		{"denied", func() {
			o.passes(3 * time.Hour)
			request = activates()
			o.await("asked", settled)
			answers(bo, pim.Deny, request)
		}, []string{"anna: Your request for " + role + " was denied", "bo: Decide: Anna Müller asks to activate " + role}},
		{"withdrawn", func() { request = activates(); o.await("asked", settled); answers(anna, pim.Cancel, request) },
			[]string{"anna: Your request for " + role + " was withdrawn", "bo: Anna Müller’s request for " + role + " was withdrawn", "bo: Decide: Anna Müller asks to activate " + role}},
		{"lapsed", func() {
			activates()
			o.await("asked", settled)
			o.passes(2 * time.Hour)
			o.await("escalated", settled)
			o.passes(23 * time.Hour)
		},
			[]string{"anna: Your request for " + role + " expired without a decision",
				"bo: Anna Müller’s request for " + role + " expired without a decision", "bo: Decide: Anna Müller asks to activate " + role, "bo: Decide: Anna Müller asks to activate " + role,
				"cy: Anna Müller’s request for " + role + " expired without a decision", "cy: Decide: Anna Müller asks to activate " + role}},
		{"end is near", func() { o.passes(5 * 24 * time.Hour) }, []string{
			"anna: Your eligibility for " + role + " ends on " + o.Time().AddDate(0, 0, 20).UTC().Format("2 January 2006"),
			"root: Anna Müller’s eligibility for " + role + " ends on " + o.Time().AddDate(0, 0, 20).UTC().Format("2 January 2006"),
			"sec: Anna Müller’s eligibility for " + role + " ends on " + o.Time().AddDate(0, 0, 20).UTC().Format("2 January 2006")}},
		{"extension asked", func() {
			o.passes(24 * time.Hour)
			o.asks(anna, pim.Ask{Action: pim.SelfExtend, Kind: pim.Eligibility, Key: k, Schedule: lasting(30 * 24 * time.Hour)})
		}, []string{"root: Decide: Anna Müller has asked to extend the eligibility for " + role}},
		{"extended", func() {
			o.asks(root, pim.Ask{Action: pim.AdminExtend, Kind: pim.Eligibility, Key: k, Schedule: lasting(30 * 24 * time.Hour)})
		}, []string{"anna: Your eligibility for " + role + " was extended", "root: Anna Müller’s eligibility for " + role + " was extended", "sec: Anna Müller’s eligibility for " + role + " was extended"}},
		{"other times", func() {
			o.asks(root, pim.Ask{Action: pim.AdminUpdate, Kind: pim.Eligibility, Key: k, Schedule: lasting(12 * time.Hour)})
		}, []string{"anna: Your eligibility for " + role + " was given other times", "root: Anna Müller’s eligibility for " + role + " was given other times", "sec: Anna Müller’s eligibility for " + role + " was given other times"}},
		{"ended", func() { o.passes(24 * time.Hour) },
			[]string{"anna: Your eligibility for " + role + " has ended", "root: Anna Müller’s eligibility for " + role + " has ended", "sec: Anna Müller’s eligibility for " + role + " has ended"}},
		{"renewal asked", func() {
			o.asks(anna, pim.Ask{Action: pim.SelfRenew, Kind: pim.Eligibility, Key: k, Schedule: lasting(30 * 24 * time.Hour)})
		}, []string{"root: Decide: Anna Müller has asked to renew the eligibility for " + role}},
		{"renewed", func() {
			o.asks(root, pim.Ask{Action: pim.AdminRenew, Kind: pim.Eligibility, Key: k, Schedule: lasting(30 * 24 * time.Hour)})
		}, []string{"anna: Your eligibility for " + role + " was renewed", "root: Anna Müller’s eligibility for " + role + " was renewed", "sec: Anna Müller’s eligibility for " + role + " was renewed"}},
		{"failed", func() {
			activates()
			o.await("asked", settled)
			o.asks(root, pim.Ask{Action: pim.AdminRemove, Kind: pim.Eligibility, Key: k})
		}, []string{"anna: Your eligibility for " + role + " has ended", "anna: Your request for " + role + " could not be fulfilled",
			"bo: Decide: Anna Müller asks to activate " + role}},
		{"active", func() {
			o.asks(root, pim.Ask{Action: pim.AdminAssign, Kind: pim.Assignment, Key: deskOf(bo), Schedule: lasting(24 * time.Hour)})
		}, []string{"bo: You were assigned " + role, "root: Bo was assigned " + role, "sec: Bo was assigned " + role}},
		{"outside", func() {
			o.asks(root, pim.Ask{Action: pim.AssignOutside, Kind: pim.Assignment, Key: deskOf(cy)})
		}, []string{"root: Cy was given " + role + " outside PIM", "sec: Cy was given " + role + " outside PIM"}},
		{"a group", func() {
			g := pim.Key{Tenant: tenant, Provider: pim.Group, Scope: pim.Scope(sales), Role: pim.Member, Principal: anna}
			o.asks(gail, pim.Ask{Action: pim.AdminAssign, Kind: pim.Eligibility, Key: g, Schedule: lasting(20 * 24 * time.Hour)})
			o.asks(anna, pim.Ask{Action: pim.SelfActivate, Kind: pim.Assignment, Key: g, Schedule: lasting(2 * time.Hour)})
		}, []string{"anna: You activated membership of Sales", "anna: You were made eligible for membership of Sales",
			"gail: Anna Müller activated membership of Sales", "gail: Anna Müller was made eligible for membership of Sales"}},
	} {
		step.do()
		got := o.told(server, step.name)
		if diff := gocmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}
