package pim

import (
	"time"

	"portcullis/internal/schedule"
)

// newEvent makes an audit event about the case.
func (d *decision) newEvent(what Activity) Event {
	return Event{
		ID: EventID(d.newID()), Tenant: d.c.Key.Tenant, At: d.now, Activity: what, Success: true,
		By: d.a.By.Actor, Action: d.a.Action, Kind: d.a.Kind, Key: d.c.Key,
		Principal: d.c.Principal, RoleName: d.c.Role.Name,
	}
}

// event tells of a request, and of the window of a schedule: the one given, else the one that the request has made. The
// reason is the request's justification; details are name, value pairs.
func (d *decision) event(what Activity, r Request, s *Schedule, details ...string) {
	if d.a.ValidationOnly {
		return
	}
	e := d.newEvent(what)
	e.Request, e.Action, e.Kind = r.ID, r.Action, r.Kind
	e.Reason, e.Ticket = r.Justification, r.Ticket
	e.Success = what != LapsedRequest && what != FailedRequest
	if made, ok := d.scheduleByID(r.Target); ok && s == nil {
		s = &made
	}
	if s != nil {
		e.Schedule, e.Start, e.End = s.ID, s.Window.Start, s.End()
	}
	e.Details = details
	d.out.Events = append(d.out.Events, e)
}

// decisionEvent tells of an approver's answer, whose reason is the approver's own.
func (d *decision) decisionEvent(what Activity, r Request, s *Stage) {
	d.event(what, r, nil, "stage", string(s.ID))
	d.out.Events[len(d.out.Events)-1].Reason = d.a.Justification
}

// scheduleEvent tells what the clock found of a schedule.
func (d *decision) scheduleEvent(what Activity, s Schedule) {
	e := d.newEvent(what)
	e.Kind, e.Schedule, e.Request = s.Kind, s.ID, s.Request
	e.Start, e.End = s.Window.Start, s.End()
	e.Action = s.madeBy()
	d.out.Events = append(d.out.Events, e)
}

// madeBy is the action that makes schedules of this type, for events that are about no request.
func (s Schedule) madeBy() Action {
	if s.Type == Activated {
		return SelfActivate
	}
	return AdminAssign
}

// RefusalEvent is the audit entry of an ask that was refused. It names a request that the ask was about, and none that it would
// have made: the id that a caller chose may be that of somebody else's.
func RefusalEvent(now time.Time, c Case, a Ask, r *Refusal, newID func() string) Event {
	e := Event{
		ID: EventID(newID()), Tenant: c.Key.Tenant, At: now, Activity: Refused, Reason: r.Error(),
		By: a.By.Actor, Request: a.Needs().Request, Action: a.Action, Kind: a.Kind, Key: c.Key,
		Principal: c.Principal, RoleName: c.Role.Name, Ticket: a.Ticket,
	}
	if w, err := schedule.Resolve(now, a.Schedule); err == nil {
		e.Start, e.End = w.Start, w.End
	}
	return e
}

// EffectEvent is the audit entry of what became of an effect.
func EffectEvent(now time.Time, e Effect, what Activity, newID func() string) Event {
	return Event{
		ID: EventID(newID()), Tenant: e.Tenant, At: now, Activity: what, Success: what != DoorStuck,
		Reason: e.Problem, By: Actor{Clock: true}, Key: e.Key, Kind: Assignment, Schedule: e.Schedule,
		Principal: Principal{ID: e.Key.Principal},
		End:       e.Until,
		Details:   []string{"door", e.Door, "account", e.Account, "privilege", e.Privilege},
	}
}
