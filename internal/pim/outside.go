package pim

import (
	"slices"

	"portcullis/internal/schedule"
)

// outside gives or takes an active assignment as writing to the directory does. Who may do so by PIM may do so here, and
// the grant is marked by having no request.
func (d *decision) outside() error {
	for _, check := range []func() error{d.wellFormed, d.mayAsk, d.known, d.suitable} {
		if err := check(); err != nil {
			return err
		}
	}
	if d.a.Kind != Assignment {
		return refuse(InvalidRequest, "action", "outside PIM there are no eligibilities")
	}
	if d.a.Action == RemoveOutside {
		return d.removeOutside()
	}
	if len(d.live(Assignment, Assigned)) > 0 {
		return refuse(AlreadyThere, "", "an equal grant exists")
	}
	s := Schedule{
		ID: ScheduleID(d.newID()), Key: d.c.Key, Kind: Assignment, Type: Assigned,
		Window: schedule.Window{Start: d.now}, Created: d.now, Open: true,
	}
	d.out.Schedules = append(d.out.Schedules, s)
	d.openDoors(s, d.c.Effects)
	d.outsideEvent(AssignedOutside, s)
	return nil
}

// removeOutside takes every active assignment of the case, however it came about: who is taken out of the directory's
// own list must not be found in it. A directory elsewhere, which knows nothing of PIM, takes only what it gave. The five-minute rule is PIM's and does not bind here.
func (d *decision) removeOutside() error {
	live := append(d.live(Assignment, Assigned), d.live(Assignment, Activated)...)
	if d.a.OutsideOnly {
		live = slices.DeleteFunc(live, func(s Schedule) bool { return s.Request != "" })
	}
	if len(live) == 0 {
		return refuse(NotThere, "", "there is no such grant to remove")
	}
	if d.c.Key.guarded() && d.c.Actor.SamePerson(d.c.Principal) {
		return refuse(Unsuitable, "principal", "Removing self from Global Administrator built-in role is not allowed")
	}
	return d.endAll(live, Removed, func(s Schedule) { d.outsideEvent(RemovedOutside, s) })
}

// depart ends all that the case holds and waits for. Whoever asks for it has been found to be allowed to take the
// principal, or what the scope names, out of the directory.
func (d *decision) depart() error {
	var live []Schedule
	for _, s := range d.c.Schedules {
		if s.Live(d.now) {
			live = append(live, s)
		}
	}
	for _, r := range d.c.Requests {
		if r.Status.Open() {
			d.fail(&r, "who or what it was for has left the directory")
			d.out.More = append(d.out.More, r)
		}
	}
	return d.endAll(live, Departed, func(s Schedule) {
		d.scheduleEvent(Ended, s)
		d.out.Events[len(d.out.Events)-1].Reason = "who or what it was for has left the directory"
	})
}

// endAll ends schedules of the case and what rests on them, and tells of each.
func (d *decision) endAll(live []Schedule, why Ending, tell func(Schedule)) error {
	var ended []ScheduleID
	for _, s := range live {
		ended = append(ended, s.ID)
		tell(d.end(s, why, d.c.Effects))
		if why != Departed {
			d.withdrawPlanned(s)
		}
	}
	d.undermineResting(ended)
	d.cutPaths()
	if why != Departed {
		d.failPending(ended)
	}
	return d.keepsAdministrator(ended, nil)
}

// outsideEvent tells of a grant that no request stands behind.
func (d *decision) outsideEvent(what Activity, s Schedule) {
	e := d.newEvent(what)
	e.Schedule, e.Reason, e.Start, e.End = s.ID, d.a.Justification, s.Window.Start, s.End()
	d.out.Events = append(d.out.Events, e)
}
