package pim

import (
	"time"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// NoticeKind says what somebody is told.
type NoticeKind int

// The kinds of notices. Stored: they may only be added to.
const (
	_ NoticeKind = iota
	// NoticeEligible and NoticeActive: an administrator made somebody eligible for a role, or gave it.
	NoticeEligible
	NoticeActive
	// NoticeActivated: an activation holds.
	NoticeActivated
	// NoticeApprovalAsked: an activation waits for an approver; also told to those whom a stage escalates to.
	NoticeApprovalAsked
	// NoticeApproved and NoticeDenied: a request was decided.
	NoticeApproved
	NoticeDenied
	// NoticeLapsed: nobody decided in time.
	NoticeLapsed
	// NoticeWithdrawn: the request was taken back.
	NoticeWithdrawn
	// NoticeFailed: what a request needed was gone.
	NoticeFailed
	// NoticeEndIsNear and NoticeEnded: of an assigned grant.
	NoticeEndIsNear
	NoticeEnded
	// NoticeExtensionAsked and NoticeRenewalAsked: the holder asks an administrator.
	NoticeExtensionAsked
	NoticeRenewalAsked
	// NoticeExtended, NoticeRenewed and NoticeChanged: an administrator gave a grant other times.
	NoticeExtended
	NoticeRenewed
	NoticeChanged
	// NoticeOutside: a directory role was given outside PIM.
	NoticeOutside
	// NoticeWaiting: what waits for an approver, once a day. No event stands behind it.
	NoticeWaiting
)

// AsksForAction says whether whoever is told has something to do: the level Critical sends nothing else.
func (k NoticeKind) AsksForAction() bool {
	switch k {
	case NoticeApprovalAsked, NoticeExtensionAsked, NoticeRenewalAsked, NoticeWaiting:
		return true
	case NoticeEligible, NoticeActive, NoticeActivated, NoticeApproved, NoticeDenied, NoticeLapsed, NoticeWithdrawn,
		NoticeFailed, NoticeEndIsNear, NoticeEnded, NoticeExtended, NoticeRenewed, NoticeChanged, NoticeOutside:
		return false
	default:
		return false
	}
}

// Notice says that an event is to be told. It is committed with the event; who is told, by name and address, is found
// out when it is sent.
type Notice struct {
	// ID is that of the event: the same notice twice is one.
	ID     string
	Tenant TenantID
	At     time.Time
	Kind   NoticeKind
	// To are those to tell, by the rules of the role's policy.
	To []Audience
	// Key and Grant are what it is about.
	Key   Key
	Grant Kind
	// Principal is who is concerned, by name; RoleName and Place are those of the role and of the scope. Place is empty
	// for the whole tenant; either may be left for the sender to find.
	Principal, RoleName, Place string
	// By is who did it, Reason why, with the words of whoever gave a reason last.
	By     Actor
	Reason string
	Ticket Ticket
	// Start and End are the window that is told of. Zero: none is, or no end.
	Start, End time.Time
	// Lasts is for how long an activation is asked for that waits for its approval, where not until an instant.
	Lasts    time.Duration
	Request  RequestID
	Schedule ScheduleID
	// Stage is the one to decide, and Lapses until when.
	Stage  StageID
	Lapses time.Time
}

// Audience is one of the three kinds of recipients, as a notification rule sets it.
type Audience struct {
	Who policy.Recipient
	// NoDefaults leaves all but the further addresses out.
	NoDefaults bool
	// Further are mail addresses.
	Further []string
}

// notices follow from the outcome's events about its own case. Who leaves the directory is told nothing, and what ends
// because something else did is told by that.
func (d *decision) notices() {
	if d.a.Action == Depart {
		return
	}
	for i := range d.out.Events {
		e := &d.out.Events[i]
		if e.Key != d.c.Key {
			continue
		}
		kind, to := d.tells(e)
		if audiences := d.audiences(kind, e, to); len(audiences) > 0 {
			d.out.Notices = append(d.out.Notices, d.notice(kind, e, audiences))
		}
	}
}

func (d *decision) notice(kind NoticeKind, e *Event, to []Audience) Notice {
	n := Notice{
		ID: string(e.ID), Tenant: e.Tenant, At: e.At, Kind: kind, To: to, Key: e.Key, Grant: e.Kind,
		Principal: e.Principal.Name, RoleName: e.RoleName, Place: d.c.Onto.Name, By: e.By, Reason: e.Reason, Ticket: e.Ticket,
		Start: e.Start, End: e.End, Request: e.Request, Schedule: e.Schedule,
	}
	if s, ok := d.madeBy(e); ok {
		n.Schedule, n.Start, n.End = s.ID, s.Window.Start, s.Window.End
	}
	if kind == NoticeEnded && e.Activity == CompletedRequest {
		n.End = e.At // it was removed before its own end
	}
	if len(e.Details) == 2 && e.Details[0] == "stage" {
		n.Stage = StageID(e.Details[1])
	}
	if r := d.out.Request; kind == NoticeApprovalAsked && r != nil && r.ID == e.Request {
		n.asksFor(*r)
	}
	return n
}

// asksFor tells what a request that waits for approval asks for, and until when it can be decided.
func (n *Notice) asksFor(r Request) {
	if r.Asked.Start.After(n.At) {
		n.Start = r.Asked.Start
	}
	switch r.Asked.Expiration.Kind {
	case schedule.AfterDuration:
		n.Lasts = r.Asked.Expiration.Duration.AddTo(n.At).Sub(n.At)
	case schedule.AfterDateTime:
		n.End = r.Asked.Expiration.End
	case schedule.NotSpecified, schedule.NoExpiration:
		n.Lasts = r.Maximum.AddTo(n.At).Sub(n.At)
	}
	for _, s := range r.Approval.Stages {
		if s.ID == n.Stage {
			n.Lapses = s.Lapses
		}
	}
}

// Pending is what somebody who can decide a request is told of it.
func Pending(r Request) Notice {
	n := Notice{Tenant: r.Key.Tenant, At: r.Created, Kind: NoticeApprovalAsked, Key: r.Key, Grant: r.Kind, By: r.By,
		Reason: r.Justification, Ticket: r.Ticket, Request: r.ID}
	if s := r.Approval.Current(); s != nil {
		n.Stage = s.ID
		n.asksFor(r)
	}
	return n
}

// madeBy finds the schedule that the event's request has made in this outcome.
func (d *decision) madeBy(e *Event) (Schedule, bool) {
	if e.Request == "" || e.Schedule != "" {
		return Schedule{}, false
	}
	for _, s := range d.out.Schedules {
		if s.Request == e.Request && s.Ending == NotEnded {
			return s, true
		}
	}
	return Schedule{}, false
}

// audiences leaves out whom the policy does not want told.
func (d *decision) audiences(kind NoticeKind, e *Event, to []policy.Recipient) []Audience {
	var out []Audience
	set := d.c.Policy.Rules.Set(policy.Admin, policy.Assignment)
	switch {
	case e.Action == SelfActivate:
		set = d.c.Policy.Rules.Set(policy.EndUser, policy.Assignment)
	case e.Kind == Eligibility:
		set = d.c.Policy.Rules.Set(policy.Admin, policy.Eligibility)
	}
	for _, who := range to {
		rule := set.Notifications.For(who)
		off := rule.Level == policy.NotifyNone || rule.Level == policy.NotifyCritical && !kind.AsksForAction()
		if off || rule.NoDefaults && len(rule.Recipients) == 0 {
			continue
		}
		out = append(out, Audience{Who: who, NoDefaults: rule.NoDefaults, Further: rule.Recipients})
	}
	return out
}

// tells says what is told of an event, and to whom (reference graph-pim §17). Nobody: nothing is.
func (d *decision) tells(e *Event) (NoticeKind, []policy.Recipient) {
	switch e.Activity {
	case Requested:
		return requestTells(e)
	case CompletedRequest:
		return d.completionTells(e)
	case ApprovalRequested, EscalatedApproval:
		return NoticeApprovalAsked, []policy.Recipient{policy.ToApprovers}
	case Approved:
		if d.a.Action == Approve && d.out.Request != nil && (d.out.Request.Status == Provisioned || d.out.Request.Status == Granted) {
			return NoticeApproved, toDecided()
		}
	case DeniedByApprover:
		if d.a.Action != Deny { // an administrator's no to an extension: the others had nothing to decide
			return NoticeDenied, toRequestor()
		}
		return NoticeDenied, toDecided()
	case LapsedRequest:
		return NoticeLapsed, toDecided()
	case CanceledRequest:
		return d.cancelTells(e)
	case FailedRequest:
		return NoticeFailed, toRequestor()
	case EndIsNear:
		return NoticeEndIsNear, toHolder()
	case Ended:
		if d.expiredNow(e.Schedule) {
			return NoticeEnded, toHolder()
		}
	case AssignedOutside:
		// Memberships of groups made outside PIM are the directory's everyday business.
		if e.Key.Provider == Directory {
			return NoticeOutside, toAdmins()
		}
	case Refused, Started, PolicyChanged, DoorOpened, DoorClosed, DoorStuck, DirectoryChanged, TenantCreated, RemovedOutside,
		MailStuck, ChangedOutside, DoorsAligned:
	}
	return 0, nil
}

func toAdmins() []policy.Recipient    { return []policy.Recipient{policy.ToAdmins} }
func toRequestor() []policy.Recipient { return []policy.Recipient{policy.ToRequestor} }
func toHolder() []policy.Recipient    { return []policy.Recipient{policy.ToAdmins, policy.ToRequestor} }
func toDecided() []policy.Recipient {
	return []policy.Recipient{policy.ToRequestor, policy.ToApprovers}
}

// requestTells is what is told of a request that was taken: an administrator's is a decision already.
func requestTells(e *Event) (NoticeKind, []policy.Recipient) {
	switch e.Action {
	case AdminAssign:
		if e.Kind == Eligibility {
			return NoticeEligible, toHolder()
		}
		return NoticeActive, toHolder()
	case AdminUpdate:
		return NoticeChanged, toHolder()
	case AdminExtend:
		return NoticeExtended, toHolder()
	case AdminRenew:
		return NoticeRenewed, toHolder()
	case SelfExtend:
		return NoticeExtensionAsked, []policy.Recipient{policy.ToApprovers}
	case SelfRenew:
		return NoticeRenewalAsked, []policy.Recipient{policy.ToApprovers}
	case AdminRemove, SelfActivate, SelfDeactivate, Cancel, Approve, Deny, ScheduleDue, RequestDue, AssignOutside,
		RemoveOutside, Depart, Aftermath, Rerooted, Realign:
	}
	return 0, nil
}

// completionTells is what is told of a request that took effect. The requestor of an approved one has just been told that.
func (d *decision) completionTells(e *Event) (NoticeKind, []policy.Recipient) {
	switch {
	case e.Action == SelfActivate && d.a.Action == Approve:
		return NoticeActivated, toAdmins()
	case e.Action == SelfActivate:
		return NoticeActivated, toHolder()
	case e.Action == AdminRemove:
		return NoticeEnded, toRequestor()
	default:
		return 0, nil
	}
}

// cancelTells is what is told of a request that somebody asked to cancel; those that fall with a grant are told by that.
func (d *decision) cancelTells(e *Event) (NoticeKind, []policy.Recipient) {
	r := d.out.Request
	switch {
	case d.a.Action != Cancel || r == nil || r.ID != e.Request:
		return 0, nil
	case r.Status == Denied:
		return NoticeDenied, toRequestor()
	case r.Approval != nil || r.Action == SelfExtend || r.Action == SelfRenew:
		return NoticeWithdrawn, toDecided()
	default:
		return NoticeWithdrawn, toRequestor()
	}
}

// expiredNow says whether the outcome ends an assigned grant by its own end.
func (d *decision) expiredNow(id ScheduleID) bool {
	for _, s := range d.out.Schedules {
		if s.ID == id {
			return s.Ending == Expired && s.Type == Assigned
		}
	}
	return false
}

// Deciders are the approvers that the stage of a request asks now: those it names, and the escalation approvers once it has
// escalated. standIn says that those who administer the role decide, for it names nobody who could. requester is the
// principal that the request is for. A request without an approval is for administrators.
func (r Request) Deciders(id StageID, requester Principal) (named []policy.Approver, standIn bool) {
	if r.Approval == nil {
		return nil, true
	}
	for _, s := range r.Approval.Stages {
		if id != "" && s.ID != id || id == "" && s.Status == Waiting {
			continue
		}
		asked, nobody := s.asks(requester)
		named, standIn = append(named, asked...), standIn || nobody
	}
	return named, standIn
}

// MayBeAsked says whether an account can be asked to decide a request at all: it is enabled, and not that of whoever the
// request is for or who made it (promise P5).
func MayBeAsked(r Request, requester, actor Principal) bool {
	return actor.Enabled && actor.Kind == UserPrincipal && !ownRequest(r, requester, actor)
}

// noticesOf are those that tell an event.
func noticesOf(e Event, all []Notice) (of []Notice) {
	for _, n := range all {
		if n.ID == string(e.ID) {
			of = append(of, n)
		}
	}
	return of
}
