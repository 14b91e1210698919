package pim

import (
	"slices"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// outside gives or takes an active assignment as writing to the directory does, or writing role assignments of resources. Who
// may do so by PIM may do so here, and the grant is marked by having no request.
func (d *decision) outside() error {
	for _, check := range []func() error{d.wellFormed, d.mayAsk, d.known, d.suitable, d.readable, d.described} {
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
	return d.assignOutside()
}

func (d *decision) assignOutside() error {
	reported, err := d.pimOnly()
	if err != nil {
		return err
	}
	old, err := d.named()
	switch {
	case err != nil:
		return err
	case old.ID != "":
		old.Modified, old.ModifiedBy = d.now, d.a.By.Principal
		s := d.putOutside(old, ChangedOutside)
		if s.Condition != "" {
			d.shutDoors(s.ID, d.c.Effects, "")
		}
		d.openDoors(s, d.c.Effects)
	case d.heldAlready():
		return refuse(AlreadyThere, "", "an equal grant exists")
	default:
		d.openDoors(d.putOutside(d.outsideGrant(), AssignedOutside), d.c.Effects)
	}
	if reported {
		d.out.Events[len(d.out.Events)-1].Details = []string{"PIM-only mode", "report only"}
	}
	return nil
}

// putOutside gives a grant the words of the ask, and tells of it.
func (d *decision) putOutside(s Schedule, what Activity) Schedule {
	s.Condition, s.ConditionVersion, s.Description = d.a.Condition, d.a.ConditionVersion, d.a.Description
	d.out.Schedules = append(d.out.Schedules, s)
	d.outsideEvent(what, s)
	return s
}

// outsideGrant is a grant made outside PIM, under the id that the caller chose, if they did.
func (d *decision) outsideGrant() Schedule {
	s := Schedule{
		ID: d.a.Target, Key: d.c.Key, Kind: Assignment, Type: Assigned,
		Window: schedule.Window{Start: d.now}, Created: d.now, Open: true,
	}
	if s.ID == "" {
		s.ID = ScheduleID(d.newID())
	}
	if s.Key.Provider == Resource {
		s.CreatedBy = d.a.By.Principal
	}
	return s
}

// heldAlready says whether the case has such a grant. Of a role of resources an activation is one as long as it holds.
func (d *decision) heldAlready() bool {
	holds := func(s Schedule) bool { return s.Holds(d.now) }
	return len(d.live(Assignment, Assigned)) > 0 ||
		d.c.Key.Provider == Resource && slices.ContainsFunc(d.live(Assignment, Activated), holds)
}

// named is the grant made outside PIM that has the id which the caller chose, and is to be changed; zero: none has. The name of one
// that was removed is free again for the same principal, role and scope.
func (d *decision) named() (Schedule, error) {
	if d.a.Target == "" {
		return Schedule{}, nil
	}
	have, ok := d.scheduleByID(d.a.Target)
	if !ok && d.c.Named != nil && d.c.Named.ID == d.a.Target {
		have, ok = *d.c.Named, true
		have.Ending = Removed // of the case it is only what is not read any more
	}
	switch {
	case !ok:
		return Schedule{}, nil
	case have.Key != d.c.Key || have.Request != "" || have.Kind == Eligibility:
		return Schedule{}, refuse(GrantFixed, "target", "the id names another grant")
	case !have.Live(d.now):
		return Schedule{}, nil
	}
	return have, nil
}

// mostDescribed bounds the description of a grant, in bytes (reference arm-pim §10 has as many for role definitions).
const mostDescribed = 1024

func (d *decision) described() error {
	if len(d.a.Description) > mostDescribed {
		return refuse(InvalidRequest, "description", "a description has at most 1024 bytes")
	}
	return nil
}

// pimOnly refuses a grant outside PIM where the role's policy allows grants by PIM only, or says that it would (reference arm-pim
// §9).
func (d *decision) pimOnly() (reported bool, err error) {
	rule := d.c.Policy.Rules.PIMOnly
	switch {
	case d.c.Key.Provider != Resource || rule.Mode == policy.PIMOnlyDisabled || d.excluded(rule):
		return false, nil
	case rule.Mode == policy.PIMOnlyReportOnly:
		return true, nil
	}
	return false, refuse(OutsidePIM, "", "the role is given by PIM only")
}

func (d *decision) excluded(rule policy.PIMOnly) bool {
	if rule.ToApplications && d.c.Principal.Kind == ServicePrincipal || rule.ByApplications && d.a.By.App() {
		return true
	}
	ways := waysUp(d.c.Memberships, d.c.Key.Principal, d.now)
	return slices.ContainsFunc(rule.Excluded, func(e policy.Excluded) bool {
		_, above := ways[PrincipalID(e.ID)]
		return above
	})
}

// removeOutside takes every active assignment of the case, however it came about: who is taken out of the directory's
// own list must not be found in it. A directory elsewhere, which knows nothing of PIM, takes only what it gave. Of a role of
// resources only what holds is a role assignment, and one that is named goes alone. The five-minute rule is PIM's and does not
// bind here.
func (d *decision) removeOutside() error {
	live := append(d.live(Assignment, Assigned), d.live(Assignment, Activated)...)
	live = slices.DeleteFunc(live, func(s Schedule) bool {
		return d.a.OutsideOnly && s.Request != "" || d.a.Target != "" && s.ID != d.a.Target ||
			d.c.Key.Provider == Resource && !s.Holds(d.now)
	})
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
