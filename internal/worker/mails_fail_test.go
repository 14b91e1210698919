package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/notify"
	"portcullis/internal/notify/mailpittest"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
	"portcullis/internal/worker"
)

// stuckEvents are the entries of the audit log that tell of mails.
func (o *office) stuckEvents() []pim.Event {
	o.Helper()
	p, err := o.Store.Events(o.Context(), store.Query{Tenant: tenant, Where: store.Is(store.FieldActivity, pim.MailStuck)})
	if err != nil {
		o.Fatal(err)
	}
	return p.Rows
}

func (o *office) makesEligible(p pim.PrincipalID) {
	o.Helper()
	o.asks(root, pim.Ask{Action: pim.AdminAssign, Kind: pim.Eligibility, Key: deskOf(p), Schedule: lasting(24 * time.Hour)})
}

// A server that is down: the mails back off, are shown as stuck and told of once, and go when it is there again.
func TestMailServerIsDown(t *testing.T) {
	t.Parallel()
	o := newOffice(t, t.TempDir())
	o.found()
	b := &inbox{port: mailpittest.FreePort(t)}
	o.post(b.options())
	o.mails.StuckAfter = 3
	defer o.works()()
	o.makesEligible(anna)
	addressed := func(mails []pim.Mail) []pim.Mail {
		return slices.DeleteFunc(slices.Clone(mails), func(m pim.Mail) bool { return m.Address == "" })
	}
	stuck := o.await("stuck", func(mails []pim.Mail) bool {
		list := addressed(mails)
		return len(list) == 3 && !slices.ContainsFunc(list, func(m pim.Mail) bool { return !m.Stuck })
	})
	for _, m := range addressed(stuck) {
		if m.State != pim.MailWaiting || m.Attempts < 3 || m.Due.IsZero() || !strings.Contains(m.Problem, "connection refused") {
			t.Errorf("got %+v, want it stuck, tried on, with the reason", m)
		}
	}
	b.serve(t, b.port)
	for _, m := range addressed(o.await("sent", settled)) {
		if m.State != pim.MailSent || m.Stuck || m.Problem != "" || m.Settled.IsZero() {
			t.Errorf("got %+v, want it sent", m)
		}
	}
	if got := b.got(); len(got) != 3 {
		t.Errorf("got %q, want three mails", got)
	}
	events := o.stuckEvents()
	if len(events) != 3 || events[0].Success || events[0].Reason == "" || events[0].Key != deskOf(anna) {
		t.Errorf("got the events %+v, want one for each mail", events)
	}
	if got := o.mails.Stats(); got.Sent != 3 || got.Stuck != 3 || got.Failed < 9 {
		t.Errorf("got %+v", got)
	}
}

// Of several recipients one is refused for good and one for a while, one address is none, and one is that of a person in
// other letters: nobody keeps the others from being told, and nobody is told twice.
func TestMailsToOddRecipients(t *testing.T) {
	t.Parallel()
	o := newOffice(t, t.TempDir())
	o.found()
	o.rules(deskOf(anna), func(r *policy.Rules) {
		r.AdminEligibility.Notifications.Admins.Recipients = []string{"ROOT@one.example", "gone@one.example", "full@one.example", "no address", "soc@one.example"}
		r.AdminEligibility.Notifications.Requestor = policy.Notification{NoDefaults: true, Recipients: []string{"soc@one.example"}}
	})
	b := &inbox{}
	full := 0
	b.asked = func(to string) error {
		switch {
		case to == "gone@one.example":
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
		case to == "full@one.example" && full == 0:
			full++
			return &smtp.SMTPError{Code: 452, Message: "mailbox full"}
		}
		return nil
	}
	b.serve(t, 0)
	o.post(b.options())
	defer o.works()()
	o.makesEligible(anna)
	mails := o.await("all settled", settled)
	var got []string
	for _, m := range b.got() {
		to, _, _ := strings.Cut(m, " ")
		got = append(got, to)
	}
	slices.Sort(got)
	if want := []string{"full@one.example", "root@one.example", "sec@one.example", "soc@one.example"}; !slices.Equal(got, want) {
		t.Errorf("got mails to %q, want %q", got, want)
	}
	bad := slices.DeleteFunc(mails, func(m pim.Mail) bool { return !m.Stuck })
	if len(bad) != 2 || len(o.stuckEvents()) != 2 {
		t.Fatalf("got %+v and %d events, want two mails stuck and told", bad, len(o.stuckEvents()))
	}
	for _, m := range bad {
		want := map[string]string{"gone@one.example": "no such mailbox", "no address": "no mail address"}[m.Address]
		if m.State != pim.MailGivenUp || want == "" || !strings.Contains(m.Problem, want) {
			t.Errorf("got %+v, want it given up with the reason", m)
		}
	}
}

// What was decided before it was told needs nobody's decision any more.
func TestMootMails(t *testing.T) {
	t.Parallel()
	o := newOffice(t, t.TempDir())
	o.found()
	o.rules(deskOf(anna), approvals)
	b := &inbox{}
	b.serve(t, 0)
	o.post(b.options())
	o.makesEligible(anna)
	out := o.asks(anna, pim.Ask{Action: pim.SelfActivate, Kind: pim.Assignment, Key: deskOf(anna), Schedule: lasting(time.Hour)})
	o.asks(anna, pim.Ask{Action: pim.Cancel, Kind: pim.Assignment, Key: deskOf(anna), Request: out.Request.ID})
	defer o.works()()
	o.await("all settled", settled)
	got := b.got()
	slices.Sort(got)
	// Three of the eligibility, two of the withdrawal; none that asks.
	if len(got) != 5 {
		t.Errorf("got %q, want five mails", got)
	}
}

// At most a thousand are told of one event, whoever is concerned first.
func TestMostRecipients(t *testing.T) {
	t.Parallel()
	o := newOffice(t, t.TempDir())
	o.found()
	var c store.Commit
	for i := range 1200 {
		id := pim.PrincipalID(fmt.Sprintf("00000002-0000-4000-8000-%012d", i))
		c.Objects = append(c.Objects, directory.Object{Tenant: tenant, ID: id, Kind: directory.KindUser, Enabled: true, DisplayName: "Many",
			User: &directory.User{PrincipalName: fmt.Sprintf("m%d@corp.example", i), Mail: fmt.Sprintf("m%d@one.example", i)}})
		c.Links = append(c.Links, directory.Link{Tenant: tenant, Relation: directory.MemberOf, From: duty, To: id})
	}
	if err := o.Store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := o.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.rules(deskOf(anna), func(r *policy.Rules) {
		r.Approval.Required = true
		r.Approval.Stages = []policy.Stage{{Approvers: []policy.Approver{{Kind: policy.Group, ID: string(duty)}}}}
	})
	b := &inbox{}
	b.serve(t, 0)
	o.post(b.options())
	defer o.works()()
	o.makesEligible(anna)
	o.asks(anna, pim.Ask{Action: pim.SelfActivate, Kind: pim.Assignment, Key: deskOf(anna), Schedule: lasting(time.Hour)})
	o.await("sent", func([]pim.Mail) bool { return len(b.got()) == 3+notify.MostRecipients })
	ids := map[string]bool{}
	for _, m := range b.got() {
		ids[m] = true
	}
	if len(ids) != 3+notify.MostRecipients {
		t.Errorf("got %d different mails, want %d", len(ids), 3+notify.MostRecipients)
	}
}

// Told to stop while the server thinks, the sender waits for its answer and notes it.
func TestMailsStopInOrder(t *testing.T) {
	t.Parallel()
	o := newOffice(t, t.TempDir())
	o.found()
	entered, release := make(chan struct{}, 3), make(chan struct{})
	b := &inbox{held: func() error { entered <- struct{}{}; <-release; return nil }}
	b.serve(t, 0)
	o.post(b.options())
	stop := o.works()
	o.makesEligible(anna)
	<-entered
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	stop()
	sent := 0
	p, err := o.Store.Mails(t.Context(), store.Query{Tenant: tenant})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.Rows {
		if m.State == pim.MailSent {
			sent++
		}
	}
	if len(b.got()) != 1 || sent != 1 {
		t.Errorf("the server took %q and %d are noted, want one", b.got(), sent)
	}
	// What was not begun was given back: another takes it at once.
	other := &worker.Mails{App: o.App, Store: o.Store, Post: o.mails.Post, Writer: o.mails.Writer, Now: o.Time, Holder: app.NewID()}
	o.mails = other
	defer o.works()()
	began := time.Now()
	o.await("the rest", settled)
	if len(b.got()) != 3 || time.Since(began) > 30*time.Second {
		t.Errorf("got %q after %s, want all three before any lease ends", b.got(), time.Since(began))
	}
}

// Once a day approvers are told what waits for them, by whichever process comes first; nobody is told of nothing.
func TestDigest(t *testing.T) {
	t.Parallel()
	server := mailpittest.Start(t)
	o := newOffice(t, t.TempDir())
	o.found()
	o.rules(deskOf(anna), approvals)
	o.post(mailpit(server))
	o.mails.Daily, o.mails.DailyAt = true, 7*time.Hour
	// One hour before seven.
	now := o.Time()
	o.ahead.Store(int64(now.Truncate(24*time.Hour).AddDate(0, 0, 1).Add(6 * time.Hour).Sub(now)))
	for _, p := range []pim.PrincipalID{anna, dana} {
		o.makesEligible(p)
		o.asks(p, pim.Ask{Action: pim.SelfActivate, Kind: pim.Assignment, Key: deskOf(p), Schedule: lasting(time.Hour)})
	}
	defer o.works()()
	o.told(server, "before the digest")
	other := &worker.Mails{App: o.App, Store: o.Store, Post: o.mails.Post, Writer: o.mails.Writer, Now: o.Time, Holder: app.NewID(), Daily: true, DailyAt: 7 * time.Hour}
	o.passes(70 * time.Minute) // Cy is asked too by then
	for _, m := range []*worker.Mails{o.mails, other} {
		m.Wake()
	}
	o.await("planned", func(mails []pim.Mail) bool {
		return slices.ContainsFunc(mails, func(m pim.Mail) bool {
			return m.Notice.Kind == pim.NoticeWaiting && m.Address != "" && m.State == pim.MailSent
		})
	})
	mine := o.mails
	o.mails = other
	defer o.works()()
	o.mails = mine
	var digests []string
	for _, line := range o.told(server, "digest") {
		if strings.Contains(line, "wait for your decision") {
			digests = append(digests, line)
		}
	}
	want := []string{"bo: 2 requests wait for your decision", "cy: 2 requests wait for your decision"}
	if !slices.Equal(digests, want) {
		t.Errorf("got %q, want %q", digests, want)
	}
}
