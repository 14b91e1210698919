package pim

import "time"

// Reminders come this long before the end of an assigned grant (reference graph-pim §9).
var reminders = [...]time.Duration{14 * 24 * time.Hour, 24 * time.Hour}

// nextDue is when the clock has to ask about a schedule: at the next change of its window or the next reminder.
func nextDue(now time.Time, s Schedule) time.Time {
	due, _ := s.Window.NextChange(now)
	if s.Type != Assigned || s.Window.End.IsZero() {
		return due
	}
	for _, before := range reminders {
		if at := s.Window.End.Add(-before); at.After(now) && at.After(s.Window.Start) {
			due = earlier(due, at)
		}
	}
	return due
}

// scheduleDue is the clock's ask about a schedule: it begins or ceases to hold, or its end is near. Whether anybody
// holds the role does not wait for this: it is computed from the window at any time. What follows here is what others
// have to be told.
func (d *decision) scheduleDue() error {
	s, ok := d.scheduleByID(d.a.Target)
	if !ok || s.Ending != NotEnded {
		return nil
	}
	was := s
	holds := s.Window.Contains(d.now)
	switch {
	case s.Window.Over(d.now):
		s.Ending, s.Ended, s.Open, s.Modified = Expired, s.Window.End, false, d.now
		s.Due = time.Time{}
		d.shutDoors(s.ID, d.c.Effects, "")
		d.scheduleEvent(Ended, s)
	case holds:
		d.opens(&s)
	default:
		d.closes(&s)
	}
	if s.Ending == NotEnded {
		s.Due = nextDue(d.now, s)
		d.remind(was)
	}
	d.out.Schedules = append(d.out.Schedules, s)
	return nil
}

func (d *decision) scheduleByID(id ScheduleID) (Schedule, bool) {
	for _, s := range d.c.Schedules {
		if s.ID == id {
			return s, true
		}
	}
	return Schedule{}, false
}

// opens tells doors and people that an occurrence has begun, if they have not been told.
func (d *decision) opens(s *Schedule) {
	run, _ := s.Window.At(d.now)
	d.shutDoors(s.ID, d.c.Effects, occurrence(*s, run.Start))
	if s.Open && !run.Start.After(s.Modified) && !run.Start.After(s.Created) {
		return
	}
	s.Open, s.Modified = true, d.now
	d.openDoors(*s, d.c.Effects)
	d.scheduleEvent(Started, *s)
	for _, r := range d.c.Requests {
		if r.ID == s.Request && r.Status == Granted {
			r.Status, r.Completed, r.Due = Provisioned, d.now, time.Time{}
			d.out.More = append(d.out.More, r)
			d.event(CompletedRequest, r, s)
		}
	}
}

// closes tells doors and people that an occurrence is over, and others are to come.
func (d *decision) closes(s *Schedule) {
	if !s.Open {
		return
	}
	s.Open, s.Modified = false, d.now
	d.shutDoors(s.ID, d.c.Effects, "")
	d.scheduleEvent(Ended, *s)
}

// remind tells that the end of a grant is near, when that is what the clock was set to.
func (d *decision) remind(s Schedule) {
	if s.Type != Assigned || s.Window.End.IsZero() {
		return
	}
	for _, before := range reminders {
		if s.Due.Equal(s.Window.End.Add(-before)) && s.Due.After(s.Window.Start) {
			d.scheduleEvent(EndIsNear, s)
		}
	}
}

// requestDue is the clock's ask about a request: a stage escalates or lapses, or what was waited for is over.
func (d *decision) requestDue() error {
	r, err := d.asked()
	if err != nil {
		return nil // gone: nothing is due
	}
	switch r.Status {
	case PendingApproval:
		d.approvalDue(r)
	case PendingAdminDecision:
		if d.now.Before(r.Due) {
			return nil
		}
		d.lapse(r)
	case Granted:
		d.plannedDue(r)
	case Provisioned, Revoked, Denied, Canceled, Failed, TimedOut:
		if r.Due.IsZero() {
			return nil
		}
		r.Due = time.Time{}
	default:
		return nil
	}
	d.out.Request = r
	return nil
}

func (d *decision) lapse(r *Request) {
	r.Status, r.Completed, r.Due = TimedOut, d.now, time.Time{}
	d.event(LapsedRequest, *r, nil)
}

func (d *decision) approvalDue(r *Request) {
	for i := range r.Approval.Stages {
		s := &r.Approval.Stages[i]
		if s.Status != InProgress {
			continue
		}
		if !d.now.Before(s.Lapses) {
			s.Status = Lapsed
			d.lapse(r)
			return
		}
		if s.Setting.Escalation && !s.Escalated && !d.now.Before(s.Escalates) {
			s.Escalated = true
			d.event(EscalatedApproval, *r, nil, "stage", string(s.ID))
		}
	}
	r.Due = r.Approval.due()
}

// plannedDue looks at a request whose start has come: its schedule holds, or was undermined before.
func (d *decision) plannedDue(r *Request) {
	s, ok := d.scheduleByID(r.Target)
	switch {
	case ok && s.Ending == NotEnded && d.now.Before(s.Window.Start):
		r.Due = s.Window.Start
	case ok && (s.Ending == NotEnded || s.Ending == Expired):
		r.Status, r.Completed, r.Due = Provisioned, d.now, time.Time{}
		d.event(CompletedRequest, *r, &s)
	default:
		d.fail(r, "what the request rested on was removed before its start")
	}
}
