package pim

import (
	"time"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// How long an expired grant may be renewed, and how long before its end it may be extended (reference graph-pim §9).
const (
	RenewWindow  = 30 * 24 * time.Hour
	ExtendWindow = 14 * 24 * time.Hour
)

// set are the rules that bind an administrator, as far as they bind for this principal.
func (d *decision) set() policy.Set {
	s := d.c.Policy.Rules.Set(policy.Admin, d.level())
	if d.excepted(s.Expiration) {
		s.Expiration = policy.Expiration{}
	}
	return s
}

func (d *decision) level() policy.Level {
	if d.a.Kind == Eligibility {
		return policy.Eligibility
	}
	return policy.Assignment
}

// assign makes a principal eligible or active, by an administrator.
func (d *decision) assign() error {
	w, err := d.window(bindingRule(d.set().Expiration))
	if err != nil {
		return err
	}
	for _, s := range d.live(d.a.Kind, Assigned) {
		// Of a role of resources there is one grant of each kind at a time (reference arm-pim §3).
		if d.a.Kind == Assignment || d.c.Key.Provider == Resource || s.Window.Overlaps(w) {
			return refuse(AlreadyThere, "", "an equal grant exists for that time")
		}
	}
	if err := d.adminRules(w); err != nil {
		return err
	}
	r := d.newRequest(Provisioned)
	d.event(Requested, r, &Schedule{Window: w})
	d.provision(&r, d.given(w, Schedule{}))
	d.take(r)
	return nil
}

// given is the grant that an administrator gives in the place of an old one. Where the ask names no condition that of the old
// one goes on: nothing is widened by being left out.
func (d *decision) given(w schedule.Window, old Schedule) Schedule {
	s := Schedule{Type: Assigned, Window: w, Condition: old.Condition, ConditionVersion: old.ConditionVersion}
	if d.a.Condition != "" {
		s.Condition, s.ConditionVersion = d.a.Condition, d.a.ConditionVersion
	}
	return s
}

// change gives a live grant other times, or a later end: a new schedule replaces the old one.
func (d *decision) change() error {
	live := d.live(d.a.Kind, Assigned)
	if len(live) == 0 {
		return refuse(NotThere, "", "there is no such grant to change")
	}
	old := live[0]
	w, err := d.window(bindingRule(d.set().Expiration))
	if err != nil {
		return err
	}
	if d.keepsTimes() {
		w = old.Window
	}
	// What runs already goes on from its first start.
	if old.Window.Start.Before(w.Start) && !d.a.Schedule.Start.After(d.now) && w.Recurrence == nil {
		w.Start = old.Window.Start
	}
	if d.a.Action == AdminExtend && !laterEnd(w, old.Window) {
		return refuse(InvalidSchedule, "schedule", "an extension ends later than what it extends")
	}
	for _, s := range live[1:] {
		if s.Window.Overlaps(w) {
			return refuse(AlreadyThere, "", "another grant exists for that time")
		}
	}
	if err := d.adminRules(w); err != nil {
		return err
	}
	return d.replace(old, w)
}

// keepsTimes says whether an update names no times, and is about the condition alone.
func (d *decision) keepsTimes() bool {
	in := d.a.Schedule
	return d.c.Key.Provider == Resource && d.a.Action == AdminUpdate && in.Start.IsZero() && in.Recurrence == nil &&
		in.Expiration.Kind == schedule.NotSpecified
}

func laterEnd(w, old schedule.Window) bool {
	return !old.End.IsZero() && (w.End.IsZero() || w.End.After(old.End))
}

// renew starts an expired grant anew.
func (d *decision) renew() error {
	if len(d.live(d.a.Kind, Assigned)) > 0 {
		return refuse(AlreadyThere, "", "the grant has not ended: extend it")
	}
	old, ok := d.expired()
	if !ok {
		return refuse(NotThere, "", "no such grant expired within the last thirty days")
	}
	w, err := d.window(bindingRule(d.set().Expiration))
	if err != nil {
		return err
	}
	if err := d.adminRules(w); err != nil {
		return err
	}
	if err := d.settlesOthers(); err != nil {
		return err
	}
	r := d.newRequest(Provisioned)
	d.event(Requested, r, &Schedule{Window: w})
	d.provision(&r, d.given(w, old))
	d.settle(ScheduleID(r.ID))
	d.take(r)
	return nil
}

// expired returns the assigned schedule that ended last by its own end, within the time for renewal.
func (d *decision) expired() (Schedule, bool) {
	var last Schedule
	for _, s := range d.c.Schedules {
		if s.Kind != d.a.Kind || s.Type != Assigned || s.Live(d.now) || s.Ending != Expired && s.Ending != NotEnded {
			continue
		}
		if end := s.End(); d.now.Sub(end) <= RenewWindow && (last.ID == "" || end.After(last.End())) {
			last = s
		}
	}
	return last, last.ID != ""
}

// replace ends a grant in favour of one with other times, and carries over or ends what rests on it. An activation whose own end has
// come is left to the clock, which has yet to end it.
func (d *decision) replace(old Schedule, w schedule.Window) error {
	if err := d.settlesOthers(); err != nil {
		return err
	}
	r := d.newRequest(Provisioned)
	d.event(Requested, r, &Schedule{Window: w})
	d.end(old, Replaced, d.c.Effects)
	d.provision(&r, d.given(w, old))
	fresh := d.out.Schedules[len(d.out.Schedules)-1]
	for _, dep := range d.c.Dependents {
		if dep.Schedule.Eligibility == old.ID && dep.Schedule.Live(d.now) {
			d.carry(dep, fresh)
		}
	}
	d.cutPaths()
	d.settle(fresh.ID)
	if err := d.keepsAdministrator([]ScheduleID{old.ID}, &fresh); err != nil {
		return err
	}
	d.take(r)
	return nil
}

// carry moves an activation onto the eligibility that replaces its own, cut to what that allows (P2), under its condition.
func (d *decision) carry(dep Dependent, onto Schedule) {
	s := dep.Schedule
	start := s.Window.Start
	if start.Before(d.now) {
		start = d.now
	}
	bound, ok := onto.Window.At(start)
	if !ok {
		d.undermine(dep)
		return
	}
	d.touch(s.Key, dep.Version)
	s.Eligibility, s.Modified = onto.ID, d.now
	s.Condition, s.ConditionVersion = onto.Condition, onto.ConditionVersion
	cut := s.Window.Until(bound.End)
	changed := !cut.End.Equal(s.Window.End)
	s.Window = cut
	s.Due = nextDue(d.now, s)
	d.put(s)
	switch {
	case s.Condition != "": // a door that was shut for it is not opened again: only the activation's own case knows its doors
		d.shutDoors(s.ID, dep.Effects, "")
	case changed:
		d.moveDoors(s, dep.Effects)
	}
}

// undermine ends an activation because what it rests on is gone.
func (d *decision) undermine(dep Dependent) {
	d.touch(dep.Schedule.Key, dep.Version)
	ended := d.end(dep.Schedule, Undermined, dep.Effects)
	e := d.newEvent(Ended)
	e.Action, e.Key, e.Kind, e.Schedule, e.Request = ended.madeBy(), ended.Key, ended.Kind, ended.ID, ended.Request
	if ended.Key.Role != d.c.Key.Role {
		e.RoleName = "" // the case does not know it
	}
	e.Principal, e.Reason = dep.Principal, "what it rested on was removed or shortened"
	e.Start, e.End = ended.Window.Start, d.now
	d.out.Events = append(d.out.Events, e)
	if dep.Request == nil {
		return
	}
	r := *dep.Request
	r.Status, r.Completed, r.Due = Failed, d.now, time.Time{}
	d.out.More = append(d.out.More, r)
	e.ID, e.Activity, e.Action, e.Success = EventID(d.newID()), FailedRequest, r.Action, false
	d.out.Events = append(d.out.Events, e)
}

// undermineResting ends the activations that rest on eligibilities which have ended.
func (d *decision) undermineResting(ended []ScheduleID) {
	for _, dep := range d.c.Dependents {
		dep.Schedule = d.present(dep.Schedule)
		if contains(ended, dep.Schedule.Eligibility) && dep.Schedule.Live(d.now) {
			d.undermine(dep)
		}
	}
}

// touch notes that another case changes too.
func (d *decision) touch(k Key, version int64) {
	if k == d.c.Key {
		return
	}
	for _, t := range d.out.Touches {
		if t.Key == k {
			return
		}
	}
	d.out.Touches = append(d.out.Touches, Touch{Key: k, Version: version})
}

// remove withdraws an eligibility, with all activations that rest on it, or ends an active assignment.
func (d *decision) remove() error {
	live := d.live(d.a.Kind, Assigned)
	if len(live) == 0 && d.a.Kind == Assignment {
		live = d.live(Assignment, Activated)
	}
	if len(live) == 0 {
		return refuse(NotThere, "", "there is no such grant to remove")
	}
	if d.a.Kind == Assignment {
		if err := d.ranLongEnough(live[0]); err != nil {
			return err
		}
	}
	r := d.newRequest(Revoked)
	r.Asked, r.Completed = schedule.Info{}, d.now
	d.event(Requested, r, &live[0])
	var ended []ScheduleID
	for _, s := range live {
		ended = append(ended, s.ID)
		d.end(s, Removed, d.c.Effects)
		d.withdrawPlanned(s)
	}
	d.undermineResting(ended)
	d.cutPaths()
	if err := d.keepsAdministrator(ended, nil); err != nil {
		return err
	}
	d.failPending(ended)
	d.event(CompletedRequest, r, &live[0])
	d.take(r)
	return nil
}

// ranLongEnough is the five-minute rule: what has started runs that long before anybody may end it.
func (d *decision) ranLongEnough(s Schedule) error {
	if s.EndsSoonest(d.now).After(d.now) {
		return refuse(TooShort, "", "an active assignment runs for at least five minutes")
	}
	return nil
}

// failPending ends the open requests that rest on, or ask about, grants which are being removed.
func (d *decision) failPending(ended []ScheduleID) {
	for _, r := range d.c.Requests {
		asks := r.Kind == d.a.Kind && (r.Action == SelfExtend || r.Action == SelfRenew)
		rests := r.Action == SelfActivate && contains(ended, r.Eligibility)
		if !asks && !rests || r.Status != PendingAdminDecision && r.Status != PendingApproval {
			continue
		}
		r.Status, r.Completed, r.Due = Failed, d.now, time.Time{}
		d.out.More = append(d.out.More, r)
		d.event(FailedRequest, r, nil)
	}
}

// settlesOthers refuses an administrator's answer to a request of their own (P5).
func (d *decision) settlesOthers() error {
	r := d.pending(d.a.Kind, SelfExtend, SelfRenew)
	switch {
	case r != nil && d.c.Actor.SamePerson(d.c.Principal):
		return refuse(Forbidden, "", "nobody decides on their own request")
	case d.a.Answers != "" && (r == nil || r.ID != d.a.Answers):
		return refuse(AlreadyDecided, "", "the request does not wait any more")
	}
	return nil
}

// settle completes the principal's own request to extend or renew that the administrator's action answers.
func (d *decision) settle(target ScheduleID) {
	r := d.pending(d.a.Kind, SelfExtend, SelfRenew)
	if r == nil {
		return
	}
	done := *r
	done.Status, done.Completed, done.Target, done.Due = Provisioned, d.now, target, time.Time{}
	d.out.More = append(d.out.More, done)
	d.event(Approved, done, nil)
}

// askAdministrator takes a request to extend or renew, which waits for an administrator's own action.
func (d *decision) askAdministrator() error {
	if d.pending(d.a.Kind, SelfExtend, SelfRenew) != nil {
		return refuse(AlreadyPending, "", "an open request exists already")
	}
	due, err := d.askedInTime()
	if err != nil {
		return err
	}
	if err := d.ownRules(); err != nil {
		return err
	}
	w, err := d.window(bindingRule(d.set().Expiration))
	if err != nil {
		return err
	}
	r := d.newRequest(PendingAdminDecision)
	r.Due = due
	d.event(Requested, r, &Schedule{Window: w})
	d.take(r)
	return nil
}

// askedInTime says until when an extension or renewal can still be decided.
func (d *decision) askedInTime() (time.Time, error) {
	live := d.live(d.a.Kind, Assigned)
	if d.a.Action == SelfRenew {
		old, ok := d.expired()
		if !ok || len(live) > 0 {
			return time.Time{}, refuse(NotThere, "", "no such grant expired within the last thirty days")
		}
		return old.End().Add(RenewWindow), nil
	}
	if len(live) == 0 {
		if len(d.live(d.a.Kind, Activated)) > 0 {
			return time.Time{}, refuse(InvalidRequest, "action", "an activation cannot be extended")
		}
		return time.Time{}, refuse(NotThere, "", "there is no such grant to extend")
	}
	end := live[0].Window.End
	if end.IsZero() || end.Sub(d.now) > ExtendWindow {
		return time.Time{}, refuse(InvalidRequest, "action", "a grant can be extended within fourteen days of its end")
	}
	return end, nil
}

func contains[T comparable](list []T, x T) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}
