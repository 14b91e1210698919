package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// notice has every field filled.
func notice(id string, t pim.TenantID) pim.Notice {
	k := caseKey(1)
	k.Tenant = t
	return pim.Notice{
		ID: id, Tenant: t, At: start(), Kind: pim.NoticeActivated, Key: k, Grant: pim.Assignment,
		To: []pim.Audience{
			{Who: policy.ToAdmins, NoDefaults: true, Further: []string{"SOC@example.com", "b@example.com"}}, {Who: policy.ToRequestor},
		},
		Principal: "Alice \x00 Müller", RoleName: "Reader", Place: "Sales",
		By:     pim.Actor{Principal: alice, Kind: pim.UserPrincipal, Name: "Alice", Account: "alice@example.com", Address: "192.0.2.1"},
		Reason: "a customer waits", Ticket: pim.Ticket{Number: "4711", System: "desk"}, Start: start(), End: start().Add(time.Hour),
		Request: "request", Schedule: "schedule", Stage: "stage", Lasts: 90 * time.Minute, Lapses: start().Add(time.Minute),
	}
}

func commitNotices(t *testing.T, s store.Store, notices ...pim.Notice) {
	t.Helper()
	must(t, s, store.Commit{Outcome: pim.Outcome{Notices: notices}})
}

func listMails(t *testing.T, s store.Store, where store.Filter) []pim.Mail {
	t.Helper()
	p, err := s.Mails(t.Context(), store.Query{Tenant: tenant, Where: where})
	want(t, "mails", err, nil)
	return p.Rows
}

// A commit's notices are there with it, once, and become a mail for each address.
func keepsMails(t *testing.T, s store.Store) {
	n := notice("event", tenant)
	c := Activation(caseKey(1), 0, "one", start())
	c.Notices = []pim.Notice{n, notice("event", "other")}
	must(t, s, c)
	first := pim.NewMail(n)
	equal(t, "as committed", listMails(t, s, nil), []pim.Mail{first})
	stale := Activation(caseKey(1), 0, "two", start())
	stale.Notices = []pim.Notice{notice("never", tenant)}
	want(t, "a stale commit", s.Commit(t.Context(), stale), store.ErrStale)
	again := n
	again.Reason = "told again"
	commitNotices(t, s, again)
	equal(t, "told again", listMails(t, s, nil), []pim.Mail{first})

	now := start().Add(time.Minute)
	got, next, err := s.ClaimMails(t.Context(), "one", now, now.Add(time.Minute), 10)
	want(t, "claim", err, nil)
	if len(got) != 2 || !next.Equal(now.Add(time.Minute)) {
		t.Fatalf("got %d mails and next %s, want both tenants' and the end of the lease", len(got), next)
	}
	over := first
	over.State, over.Due, over.Settled = pim.MailOver, time.Time{}, now
	more := []pim.Mail{
		n.Addressed(now, "alice@example.com", "alice@example.com", "Alice", alice), n.Addressed(now, "SOC@example.com", "soc@example.com", "", ""),
	}
	entry := store.Entry{Event: pim.Event{ID: "stuck", Tenant: tenant, At: now, Activity: pim.MailStuck}}
	want(t, "settle by another", s.SettleMail(t.Context(), "two", over, more, nil), store.ErrStale)
	want(t, "settle", s.SettleMail(t.Context(), "one", over, more, []store.Entry{entry}), nil)
	want(t, "settle again", s.SettleMail(t.Context(), "one", over, nil, nil), store.ErrStale)
	equal(t, "addressed", listMails(t, s, store.Is(store.FieldState, pim.MailWaiting)), more)
	equal(t, "by address", listMails(t, s, store.Is(store.FieldMail, "soc@EXAMPLE.com")), more[1:])
	events, err := s.Events(t.Context(), store.Query{Tenant: tenant, Where: store.Is(store.FieldActivity, pim.MailStuck)})
	want(t, "events", err, nil)
	if len(events.Rows) != 1 {
		t.Errorf("got %d events of the settling, want 1", len(events.Rows))
	}
	failsAndEnds(t, s, now, more)
}

// failsAndEnds has a mail fail, be stuck, be sent, and be forgotten.
func failsAndEnds(t *testing.T, s store.Store, now time.Time, more []pim.Mail) {
	t.Helper()
	_, _, err := s.ClaimMails(t.Context(), "two", now, now.Add(time.Hour), 10)
	want(t, "claim the addressed", err, nil)
	failed := more[0]
	failed.Attempts, failed.Stuck, failed.Problem, failed.Due = 8, true, "nobody answers", now.Add(time.Minute)
	want(t, "fail", s.SettleMail(t.Context(), "two", failed, nil, nil), nil)
	equal(t, "stuck", listMails(t, s, store.Is(store.FieldStuck, true)), []pim.Mail{failed})
	sent := more[1]
	sent.State, sent.Due, sent.Settled = pim.MailSent, time.Time{}, now.Add(time.Second)
	want(t, "send", s.SettleMail(t.Context(), "two", sent, []pim.Mail{more[0]}, nil), nil)
	equal(t, "what is there stays", listMails(t, s, store.Is(store.FieldStuck, true)), []pim.Mail{failed})

	purge := func(at time.Time, limit, wanted int) {
		t.Helper()
		n, err := s.PurgeMails(t.Context(), at, limit)
		want(t, "purge", err, nil)
		if n != wanted {
			t.Errorf("purged %d mails, want %d", n, wanted)
		}
	}
	purge(now.Add(-time.Nanosecond), 10, 0)
	purge(now, 10, 1)
	purge(now.Add(time.Hour), 0, 0)
	purge(now.Add(time.Hour), 10, 1)
	equal(t, "left", listMails(t, s, nil), []pim.Mail{failed})
}

// Each mail is leased to one holder, until the lease ends or is given back.
func leasesMails(t *testing.T, s store.Store) {
	const n = 50
	for i := range n {
		commitNotices(t, s, notice(fmt.Sprintf("event-%02d", i), tenant))
	}
	until := start().Add(time.Minute)
	var mu sync.Mutex
	held := map[string]string{}
	var holders []func() error
	for _, holder := range []string{"one", "two", "three"} {
		holders = append(holders, func() error {
			for range 10 {
				mails, _, err := s.ClaimMails(t.Context(), holder, start(), until, 7)
				if err != nil {
					return err
				}
				mu.Lock()
				for _, m := range mails {
					if other := held[m.ID]; other != "" {
						t.Errorf("%s was leased to %s and %s", m.ID, other, holder)
					}
					held[m.ID] = holder
				}
				mu.Unlock()
			}
			return nil
		})
	}
	race(t, nil, holders...)
	if len(held) != n {
		t.Errorf("got %d mails leased, want %d", len(held), n)
	}
	mails, _, err := s.ClaimMails(t.Context(), "four", until, until.Add(time.Minute), n)
	want(t, "claim after the leases", err, nil)
	if len(mails) != n {
		t.Errorf("got %d mails when the leases were over, want %d", len(mails), n)
	}
	_, _, err = s.ClaimMails(t.Context(), "", until, until, n)
	if err == nil {
		t.Error("a claim without a holder: got no error")
	}
}
