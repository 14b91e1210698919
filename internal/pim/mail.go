package pim

import "time"

// MailState says how far a mail has come.
type MailState int

// The states. Stored: they may only be added to.
const (
	_ MailState = iota
	// MailUnaddressed: a notice whose recipients are still to be found.
	MailUnaddressed
	// MailWaiting: to be sent to its address.
	MailWaiting
	// MailSent: a mail server took it.
	MailSent
	// MailOver: a notice whose recipients were found, or a mail that has nothing to tell any more.
	MailOver
	// MailGivenUp: it cannot be sent, and is not tried any more.
	MailGivenUp
)

// Mail is a notice on its way: first as it was committed, without an address, then once for each address. It is sent at
// least once, each time under the same Message-ID.
type Mail struct {
	// ID is natural: that of the notice, and for an addressed mail the address too.
	ID     string
	Notice Notice
	// Address is empty until the recipients were found; Name is the recipient's, and To their id where they have one.
	Address string
	Name    string
	To      PrincipalID
	State   MailState
	// Due is when it is tried next; zero: never.
	Due time.Time
	// Attempts counts tries. Stuck mails failed for good or for long, and are shown.
	Attempts int
	Stuck    bool
	// Problem is the last failure, safe to show; empty once sent.
	Problem string
	// Settled is when it came to its end; zero: not yet.
	Settled time.Time
}

// NewMail is a notice as it is committed.
func NewMail(n Notice) Mail {
	return Mail{ID: n.ID, Notice: n, State: MailUnaddressed, Due: n.At}
}

// Addressed is the mail that tells a notice to one address. ids of addresses that differ in letter case alone are equal.
func (n Notice) Addressed(at time.Time, address, key, name string, to PrincipalID) Mail {
	return Mail{ID: n.ID + "/" + key, Notice: n, Address: address, Name: name, To: to, State: MailWaiting, Due: at}
}

// MailEvent is the audit entry of a mail that cannot be sent.
func MailEvent(now time.Time, m Mail, newID func() string) Event {
	n := m.Notice
	e := Event{
		ID: EventID(newID()), Tenant: n.Tenant, At: now, Activity: MailStuck, Reason: m.Problem, By: Actor{Clock: true},
		Key: n.Key, Kind: n.Grant, Request: n.Request, Schedule: n.Schedule, RoleName: n.RoleName,
		Principal: Principal{ID: n.Key.Principal, Name: n.Principal}, Details: []string{"notice", n.ID},
	}
	if m.Address != "" {
		e.Details = append(e.Details, "address", m.Address)
	}
	return e
}
