package pim

import (
	"time"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// activate lets a principal have what it is eligible for: for a reason, a bounded time, after the checks and approvals
// that the role demands.
func (d *decision) activate() error {
	if err := d.nothingThere(); err != nil {
		return err
	}
	if d.a.Schedule.Recurrence != nil {
		return refuse(InvalidSchedule, "recurrence", "an activation does not recur: it is asked for each time")
	}
	w, err := d.window(d.activationRule())
	if err != nil {
		return err
	}
	ground, eligible, err := d.bestGround(w)
	if err != nil {
		return err
	}
	if w, err = d.window(d.activationRule()); err != nil { // by the policy of the ground
		return err
	}
	if err := d.activationRules(w, eligible); err != nil {
		return err
	}
	if d.a.Carried && !d.c.Policy.Rules.Approval.Required {
		return refuse(InvalidRequest, "action", "only what waits for a decision is carried over: this role asks for none")
	}
	r := d.newRequest(PendingApproval)
	r.Maximum, r.Eligibility = d.activationRule().maximum, ground.eligibility.ID
	d.event(Requested, r, &Schedule{Window: w})
	if d.c.Policy.Rules.Approval.Required {
		d.openApproval(&r)
	} else {
		d.stand(&r, ground, w)
	}
	d.take(r)
	return nil
}

// stand provisions an activation on the ground it rests on, cut to what that allows (P2).
func (d *decision) stand(r *Request, g ground, w schedule.Window) {
	if g.eligibility.Key != d.c.Key {
		d.out.Relies = append(d.out.Relies, Touch{Key: g.eligibility.Key, Version: g.version})
	}
	for _, m := range g.path {
		d.out.Relies = append(d.out.Relies, Touch{Key: m.key(d.c.Key.Tenant), Version: m.Version})
	}
	d.provision(r, Schedule{
		Type: Activated, Window: w.Until(g.until), Eligibility: g.eligibility.ID, Via: via(g.path),
		Condition: g.eligibility.Condition, ConditionVersion: g.eligibility.ConditionVersion,
	})
}

// nothingThere says that the principal neither has the role, nor will have, nor waits for it.
func (d *decision) nothingThere() error {
	if len(d.live(Assignment, Activated)) > 0 {
		return refuse(AlreadyThere, "", "the role is active, or will be")
	}
	for _, s := range d.live(Assignment, Assigned) {
		if s.Holds(d.now) {
			return refuse(AlreadyThere, "", "the role is assigned")
		}
	}
	if d.pending(Assignment, SelfActivate) != nil {
		return refuse(AlreadyPending, "", "an activation waits for approval")
	}
	return nil
}

// covers says whether the case's scope lies within another.
func (d *decision) covers(wide Scope) bool {
	return wide == d.c.Key.Scope || contains(d.c.Wider, wide)
}

// way is a path up from a principal to a group: the memberships on it, and until when all of them hold.
type way struct {
	path  []Membership
	until time.Time // zero: no end
}

// via are the groups on a way, the nearest first.
func via(path []Membership) []PrincipalID {
	var groups []PrincipalID
	for _, m := range path {
		groups = append(groups, m.Group)
	}
	return groups
}

// waysUp finds for every group above a principal the way that holds longest from an instant. The principal itself is
// above itself, for ever. Circles are no matter: a way is only replaced by one that holds longer.
func waysUp(edges []Membership, from PrincipalID, at time.Time) map[PrincipalID]way {
	ways := map[PrincipalID]way{from: {}}
	for changed := true; changed; {
		changed = false
		for _, e := range edges {
			below, ok := ways[e.Member]
			if !ok {
				continue
			}
			run, ok := e.At(at)
			if !ok {
				continue
			}
			until := earlier(below.until, run.End)
			if have, ok := ways[e.Group]; ok && !later(until, have.until) {
				continue
			}
			path := append(append([]Membership(nil), below.path...), e)
			ways[e.Group] = way{path: path, until: until}
			changed = true
		}
	}
	return ways
}

// earlier returns the earlier of two ends; zero is no end.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// later says whether end a is later than end b; zero is no end.
func later(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.After(b))
}

// deactivate ends one's own activation before its time.
func (d *decision) deactivate() error {
	live := d.live(Assignment, Activated)
	if len(live) == 0 {
		return refuse(NotThere, "", "there is no activation to end")
	}
	if err := d.ranLongEnough(live[0]); err != nil {
		return err
	}
	r := d.newRequest(Revoked)
	r.Asked, r.Completed = schedule.Info{}, d.now
	d.event(Requested, r, &live[0])
	for _, s := range live {
		d.end(s, Removed, d.c.Effects)
		d.withdrawPlanned(s)
	}
	d.cutPaths()
	d.event(CompletedRequest, r, &live[0])
	d.take(r)
	return nil
}

// withdrawPlanned cancels the request behind a schedule that had not started.
func (d *decision) withdrawPlanned(s Schedule) {
	for _, r := range d.c.Requests {
		if r.ID == s.Request && r.Status == Granted {
			r.Status, r.Completed, r.Due = Canceled, d.now, time.Time{}
			d.out.More = append(d.out.More, r)
			d.event(CanceledRequest, r, nil)
		}
	}
}

// tooShort is the five-minute minimum of active assignments.
func tooShort(w schedule.Window) error {
	length := w.End
	if w.Recurrence != nil {
		length = w.Length.AddTo(w.Start)
	}
	if !w.End.IsZero() && length.Sub(w.Start) < policy.MinimumDuration {
		return refuse(TooShort, "schedule", "an active assignment lasts at least five minutes")
	}
	return nil
}
