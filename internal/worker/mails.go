package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/notify"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Teller knows who is to be told, and of what. The app is one.
type Teller interface {
	Addressees(context.Context, pim.Notice) ([]directory.Object, error)
	NamesOf(context.Context, pim.Notice) (pim.Notice, error)
	Moot(context.Context, pim.Notice) (bool, error)
	WaitingFor(context.Context, pim.TenantID, pim.PrincipalID) ([]pim.Notice, error)
	TellWaiting(ctx context.Context, t pim.TenantID, day time.Time) error
}

// MailStore is what sending mails needs of a store.Store.
type MailStore interface {
	store.Mails
	Tenants(context.Context) ([]directory.Tenant, error)
}

// Mails sends what people are to be told: it finds the recipients of each notice, and hands one mail for each address to
// the mail server. A mail is sent at least once: if the process dies between the server's yes and the note of it, it is
// sent once more, under the same Message-ID. Several may run on one store. Its fields are set before Run and never changed.
type Mails struct {
	App    Teller
	Store  MailStore
	Post   *notify.Post
	Writer *notify.Writer
	// ByPrincipalName reaches people without a mail address at their user principal name.
	ByPrincipalName bool
	// Daily has approvers told each day, so long after midnight UTC, what waits for them.
	Daily   bool
	DailyAt time.Duration
	// Holder names this process among all that work on the store, and no other, not even its predecessor.
	Holder string
	// Now is PIM's time; nil means time.Now.
	Now func() time.Time
	// NewID makes the ids of audit events; nil means app.NewID.
	NewID func() string
	Log   *slog.Logger // nil means slog.Default
	MailLimits

	signals signals
	stats   mailCounters
	// planned is the last day whose digest was committed, and unreached counts the failures to reach the server in a row.
	// They belong to the loop.
	planned   time.Time
	unreached int
}

// MailLimits bound the work. Zero values mean what is said.
type MailLimits struct {
	// Claim is how many mails are leased, and sent on one connection, at once: 64.
	Claim int
	// Lease is for how long a mail is this process': 2 min. It is given up before.
	Lease time.Duration
	// StuckAfter is how many tries in a row make a mail stuck: 8. It is tried on.
	StuckAfter int
	// GiveUpAfter is when a mail that nobody takes is not tried any more: 5 days, as RFC 5321 §4.5.4.1 has it.
	GiveUpAfter time.Duration
	// Poll is the longest sleep: 1 min.
	Poll time.Duration
}

func (l MailLimits) withDefaults() MailLimits {
	orDefault(&l.Claim, 64)
	orDefault(&l.Lease, 2*time.Minute)
	orDefault(&l.StuckAfter, 8)
	orDefault(&l.GiveUpAfter, 5*24*time.Hour)
	orDefault(&l.Poll, time.Minute)
	return l
}

// MailStats count what was done since the start.
type MailStats struct {
	// Sent were taken by the mail server, Failed are tries that were not, Stuck are mails that got stuck.
	Sent, Failed, Stuck int64
}

type mailCounters struct{ sent, failed, stuck atomic.Int64 }

// Stats returns the counts.
func (m *Mails) Stats() MailStats {
	return MailStats{Sent: m.stats.sent.Load(), Failed: m.stats.failed.Load(), Stuck: m.stats.stuck.Load()}
}

// Wake says that notices were committed. It never waits, and may be called before Run.
func (m *Mails) Wake() { m.signals.ready().mails.raise(time.Time{}) }

// Run sends until the context ends, and returns when the letter in hand is settled. The error is nil, or says that it
// cannot begin.
func (m *Mails) Run(ctx context.Context) error {
	if m.Holder == "" {
		return ErrNoHolder
	}
	m.signals.ready()
	failures := 0
	for {
		last := time.Now()
		next, err := m.runOnce(ctx, m.now())
		if err != nil {
			failures++
			next = m.now().Add(pause(firstPause, failures))
			m.failed(ctx, failures, err)
		} else {
			failures = 0
		}
		poll := m.withDefaults().Poll
		sleep := min(poll, max(0, sooner(next, m.now().Add(poll)).Sub(m.now())))
		heard := m.signals.mails.heard
		if m.unreached > 0 {
			heard = nil // whatever is committed meanwhile, the server is not asked before its pause is over
		}
		if !wait(ctx, sleep, last, heard) {
			return nil
		}
	}
}

// failed logs a failure of the store: loudly the first time, for the store itself says so at every call.
func (m *Mails) failed(ctx context.Context, failures int, err error) {
	switch {
	case ctx.Err() != nil:
	case failures == 1:
		m.log().ErrorContext(ctx, "cannot see to mails", "error", err)
	default:
		m.log().DebugContext(ctx, "cannot see to mails", "error", err, "failures", failures)
	}
}

// runOnce sends all that is due at now or becomes due meanwhile, and says when it wants to run again.
func (m *Mails) runOnce(ctx context.Context, now time.Time) (next time.Time, err error) {
	daily, err := m.plan(ctx, now)
	if err != nil {
		return time.Time{}, err
	}
	for {
		claim, cancel := context.WithTimeout(ctx, patience)
		limits := m.withDefaults()
		until := time.Now().Add(limits.Lease) // before the store's lease begins, so never after it ends
		mails, next, err := m.Store.ClaimMails(claim, m.Holder, now, now.Add(limits.Lease), limits.Claim)
		cancel()
		if err != nil {
			return time.Time{}, err
		}
		if len(mails) == 0 {
			return sooner(next, daily), nil
		}
		m.batch(ctx, mails, until)
		if m.unreached > 0 {
			return m.now().Add(pause(firstPause, m.unreached)), nil
		}
		if err := ctx.Err(); err != nil {
			return time.Time{}, err
		}
		now = m.now()
	}
}

// plan commits the digest of the day when its time has come, and says when it wants to do so next. Other processes do the
// same, and the first one wins: it is one notice a tenant, under the name of the day, so that no lease is needed.
func (m *Mails) plan(ctx context.Context, now time.Time) (next time.Time, err error) {
	if !m.Daily {
		return time.Time{}, nil
	}
	day := now.UTC().Truncate(24 * time.Hour)
	switch {
	case now.Before(day.Add(m.DailyAt)):
		return day.Add(m.DailyAt), nil
	case m.planned.Equal(day):
		return day.Add(24*time.Hour + m.DailyAt), nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tenants, err := m.Store.Tenants(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for _, t := range tenants {
		if err := m.App.TellWaiting(ctx, t.ID, day); err != nil {
			return time.Time{}, err
		}
	}
	m.planned = day
	return day.Add(24*time.Hour + m.DailyAt), nil
}

// batch finds the recipients of leased notices, and sends leased mails.
func (m *Mails) batch(ctx context.Context, mails []pim.Mail, until time.Time) {
	work, stop := lingering(ctx)
	defer stop()
	d := delivery{Mails: m, until: until}
	defer d.hangUp()
	for i, one := range mails {
		switch {
		case ctx.Err() != nil || !d.timeLeft():
			d.release(work, mails[i:])
			return
		case one.State == pim.MailUnaddressed:
			d.address(work, one)
		default:
			d.send(work, one)
		}
	}
}

// linger is how long the letter in hand may take when the process is told to stop.
const linger = 5 * time.Second

// lingering is a context that ends a moment after another one.
func lingering(ctx context.Context) (context.Context, func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(linger)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-work.Done():
		}
	})
	return work, func() { stop(); cancel() }
}

func (m *Mails) now() time.Time {
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	return now().UTC().Truncate(time.Microsecond)
}

func (m *Mails) newID() string {
	if m.NewID == nil {
		return app.NewID()
	}
	return m.NewID()
}

func (m *Mails) log() *slog.Logger {
	if m.Log == nil {
		return slog.Default()
	}
	return m.Log
}

// settle writes what became of a mail. It is tried for as long as the store cannot be reached and the lease lasts: a mail
// that was sent and is not noted is sent again.
func (d *delivery) settle(ctx context.Context, after pim.Mail, more []pim.Mail, events []pim.Event) {
	for failures := 1; ; failures++ {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), linger)
		err := d.Store.SettleMail(call, d.Holder, after, more, app.Entries(events))
		cancel()
		switch {
		case err == nil:
			return
		case errors.Is(err, store.ErrStale):
			d.log().WarnContext(ctx, "a mail was taken over by another process: it may be sent twice", "mail", after.ID)
			return
		case !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil, time.Now().After(d.until):
			d.log().ErrorContext(ctx, "cannot settle a mail", "mail", after.ID, "error", err)
			return
		}
		if !wait(ctx, pause(firstPause/4, failures), time.Time{}, nil) {
			return
		}
	}
}
