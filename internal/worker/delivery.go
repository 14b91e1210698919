package worker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/notify"
	"portcullis/internal/pim"
)

// delivery is one batch of mails under way, on one connection.
type delivery struct {
	*Mails
	until   time.Time
	line    *notify.Line
	losses  int
	down    *notify.Failure // the server cannot be reached, so nobody else tries
	tenants map[pim.TenantID]string
}

// mostLosses is how often in a batch a lost connection is opened again.
const mostLosses = 3

// timeLeft says whether the lease lasts for one more letter, and for noting it.
func (d *delivery) timeLeft() bool {
	return time.Until(d.until) > min(2*d.Post.Timeout()+linger, d.withDefaults().Lease/2)
}

// address finds the recipients of a notice, and makes a mail for each address.
func (d *delivery) address(ctx context.Context, m pim.Mail) {
	more, err := d.addressed(ctx, m.Notice)
	if err != nil {
		d.notSent(ctx, m, &notify.Failure{Err: err})
		return
	}
	now := d.now()
	m.State, m.Due, m.Settled, m.Problem, m.Stuck = pim.MailOver, time.Time{}, now, "", false
	var events []pim.Event
	for _, one := range more {
		if one.Stuck {
			d.stats.stuck.Add(1)
			events = append(events, pim.MailEvent(now, one, d.newID))
		}
	}
	d.settle(ctx, m, more, events)
}

// addressed are the mails of a notice, one for each address: people first, then the further addresses of its audiences.
func (d *delivery) addressed(ctx context.Context, n pim.Notice) ([]pim.Mail, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if moot, err := d.App.Moot(ctx, n); moot || err != nil {
		return nil, err
	}
	n, err := d.App.NamesOf(ctx, n)
	if err != nil {
		return nil, err
	}
	people, err := d.App.Addressees(ctx, n)
	if err != nil {
		return nil, err
	}
	now := d.now()
	var mails []pim.Mail
	seen := map[string]bool{}
	to := n.To
	n.To = nil // of no more use, and there may be a thousand mails
	for _, r := range append(d.reached(people), further(to)...) {
		address, key, ok := notify.Address(r.Address)
		if !ok {
			address, key = r.Address, strings.ToLower(r.Address)
		}
		if seen[key] || len(mails) == notify.MostRecipients {
			continue
		}
		seen[key] = true
		mail := n.Addressed(now, address, key, r.Name, r.Of)
		if !ok {
			mail.State, mail.Due, mail.Settled, mail.Stuck = pim.MailGivenUp, time.Time{}, now, true
			mail.Problem = "this is no mail address"
		}
		mails = append(mails, mail)
	}
	return mails, nil
}

func (d *delivery) reached(people []directory.Object) (out []notify.Recipient) {
	for _, o := range people {
		if r, ok := notify.Reach(o, d.ByPrincipalName); ok {
			out = append(out, r)
		}
	}
	return out
}

func further(audiences []pim.Audience) (out []notify.Recipient) {
	for _, a := range audiences {
		for _, address := range a.Further {
			out = append(out, notify.Recipient{Address: address})
		}
	}
	return out
}

// send hands a mail to the server, and notes what came of it.
func (d *delivery) send(ctx context.Context, m pim.Mail) {
	letter, ok, err := d.letter(ctx, m)
	switch {
	case err != nil:
		d.notSent(ctx, m, &notify.Failure{Err: err})
	case !ok:
		m.State, m.Due, m.Settled, m.Problem, m.Stuck = pim.MailOver, time.Time{}, d.now(), "", false
		d.settle(ctx, m, nil, nil)
	default:
		d.handOver(ctx, m, letter)
	}
}

func (d *delivery) handOver(ctx context.Context, m pim.Mail, letter notify.Letter) {
	err := d.connect(ctx)
	if err == nil {
		err = d.line.Send(letter)
	}
	failure, failed := errors.AsType[*notify.Failure](err)
	if failed && failure.Everyone && d.line != nil {
		d.losses++
		d.hangUp()
		if d.losses >= mostLosses {
			d.cannotReach(ctx, failure)
		}
	}
	if failed {
		if ctx.Err() == nil {
			d.notSent(ctx, m, failure)
		}
		return // told to stop meanwhile: whether the server took it is not known
	}
	d.unreached = 0
	d.stats.sent.Add(1)
	m.State, m.Due, m.Settled, m.Problem, m.Stuck = pim.MailSent, time.Time{}, d.now(), "", false
	d.settle(ctx, m, nil, nil)
}

// letter writes a mail; false: there is nothing to tell any more.
func (d *delivery) letter(ctx context.Context, m pim.Mail) (notify.Letter, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n := m.Notice
	if moot, err := d.App.Moot(ctx, n); moot || err != nil {
		return notify.Letter{}, false, err
	}
	var waiting []pim.Notice
	if n.Kind == pim.NoticeWaiting {
		var err error
		waiting, err = d.App.WaitingFor(ctx, n.Tenant, m.To)
		if len(waiting) == 0 || err != nil {
			return notify.Letter{}, false, err
		}
	}
	name, err := d.organisation(ctx, n.Tenant)
	if err != nil {
		return notify.Letter{}, false, err
	}
	letter, err := d.Writer.Write(m, name, waiting)
	return letter, err == nil, err
}

func (d *delivery) organisation(ctx context.Context, t pim.TenantID) (string, error) {
	if d.tenants == nil {
		list, err := d.Store.Tenants(ctx)
		if err != nil {
			return "", err
		}
		d.tenants = map[pim.TenantID]string{}
		for _, tenant := range list {
			d.tenants[tenant.ID] = tenant.Name
		}
	}
	return d.tenants[t], nil
}

// connect opens the line, if none is open.
func (d *delivery) connect(ctx context.Context) error {
	switch {
	case d.down != nil:
		return d.down
	case d.line != nil:
		return nil
	}
	line, err := d.Post.Connect(ctx)
	if failure, ok := errors.AsType[*notify.Failure](err); ok && ctx.Err() == nil {
		d.cannotReach(ctx, failure)
	}
	d.line = line
	return err
}

// cannotReach has the rest of the batch wait. It is told loudly the first time.
func (d *delivery) cannotReach(ctx context.Context, failure *notify.Failure) {
	d.down = failure
	d.unreached++
	level := slog.LevelDebug
	if d.unreached == 1 {
		level = slog.LevelWarn
	}
	d.log().Log(ctx, level, "mails cannot be sent; it is tried again", "failures", d.unreached, "problem", shown(failure))
}

func (d *delivery) hangUp() {
	if d.line != nil {
		d.line.Close()
		d.line = nil
	}
}

// notSent says when a mail is tried next. It is told in the audit log once that it is stuck.
func (d *delivery) notSent(ctx context.Context, m pim.Mail, failure *notify.Failure) {
	now, limits := d.now(), d.withDefaults()
	d.stats.failed.Add(1)
	m.Attempts++
	m.Problem = shown(failure)
	m.Due = now.Add(pause(firstPause, m.Attempts))
	// The log does not tell whose mail it is: the store does, to those who may see it.
	level := slog.LevelWarn
	if d.down != nil {
		level = slog.LevelDebug // said once for all
	}
	d.log().Log(ctx, level, "a mail was not sent", "notice", m.Notice.ID, "attempts", m.Attempts, "problem", m.Problem)
	if failure.Lasting || now.Sub(m.Notice.At) > limits.GiveUpAfter {
		m.State, m.Due, m.Settled = pim.MailGivenUp, time.Time{}, now
	}
	var events []pim.Event
	if !m.Stuck && (m.State == pim.MailGivenUp || m.Attempts >= limits.StuckAfter) {
		m.Stuck = true
		d.stats.stuck.Add(1)
		events = []pim.Event{pim.MailEvent(now, m, d.newID)}
	}
	d.settle(ctx, m, nil, events)
}

// release gives back what was not begun.
func (d *delivery) release(ctx context.Context, mails []pim.Mail) {
	for _, m := range mails {
		d.settle(ctx, m, nil, nil)
	}
}
