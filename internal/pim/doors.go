package pim

import (
	"strconv"
	"time"
)

// occurrence names one opening of a schedule: a recurrent one opens again and again.
func occurrence(s Schedule, start time.Time) string {
	if s.Window.Recurrence == nil {
		return string(s.ID)
	}
	return string(s.ID) + "/" + strconv.FormatInt(start.Unix(), 10)
}

// openDoors writes the effects by which a schedule that has begun to hold opens its doors. What a group holds opens them for its
// members, by Realign: they are nobody's until the commit is known.
func (d *decision) openDoors(s Schedule, have []Effect) {
	if d.c.Principal.Kind == GroupPrincipal {
		return
	}
	for _, e := range d.wanted(s, d.c.Doors, "") {
		d.open(e, effectByID(have, e.ID))
	}
}

// wanted are the effects that have to be there while a schedule holds, for the principal or for the member that is named. A door
// asks no conditions: what holds under one opens none.
func (d *decision) wanted(s Schedule, doors []Door, member PrincipalID) []Effect {
	run, ok := s.Window.At(d.now)
	if !ok || s.Kind != Assignment || s.Ending != NotEnded || s.Condition != "" {
		return nil
	}
	name := occurrence(s, run.Start)
	var out []Effect
	for _, door := range doors {
		if door.Account == "" {
			continue
		}
		id := name + "/" + door.Name + "/" + door.Privilege
		if member != "" {
			id += MemberSuffix(member)
		}
		out = append(out, Effect{
			ID: id, Tenant: s.Key.Tenant, Schedule: s.ID, Key: s.Key,
			Door: door.Name, Account: door.Account, Privilege: door.Privilege,
			Until: run.End, State: EffectPending, Decided: d.now, Due: d.now,
		})
	}
	return out
}

// open writes an effect that is wanted. One that is there stays as it is, but for one that is being closed: the grant was made
// again under the id that it had, or the member is back.
func (d *decision) open(want Effect, have *Effect) {
	switch {
	case have == nil:
		d.out.Effects = append(d.out.Effects, want)
	case have.State == Revoking:
		again := *have
		again.Until = want.Until
		d.out.Effects = append(d.out.Effects, d.intend(again, EffectPending))
	}
}

// realign opens the doors that the case's grants open now and that are not open, and shuts those that they do not open any more:
// members have come or left, or what the grants reach has changed.
func (d *decision) realign() error {
	holders := d.c.Holders
	if d.c.Principal.Kind != GroupPrincipal {
		holders = []Holder{{Doors: d.c.Doors}}
	}
	have := make(map[string]*Effect, len(d.c.Effects))
	for i := range d.c.Effects {
		have[d.c.Effects[i].ID] = &d.c.Effects[i]
	}
	wanted := map[string]bool{}
	for _, s := range d.c.Schedules {
		for _, h := range holders {
			for _, e := range d.wanted(s, h.Doors, h.Principal) {
				wanted[e.ID] = true
				d.open(e, have[e.ID])
			}
		}
	}
	for _, e := range d.c.Effects {
		if !wanted[e.ID] && (e.State == EffectPending || e.State == Usable) {
			d.out.Effects = append(d.out.Effects, d.intend(e, Revoking))
		}
	}
	d.doorsEvents()
	return nil
}

// doorsEvents tells of each grant by which doors are opened or shut how many are.
func (d *decision) doorsEvents() {
	type count struct{ opens, shuts int }
	counts := map[ScheduleID]count{}
	var order []ScheduleID
	for _, e := range d.out.Effects {
		n, known := counts[e.Schedule]
		if !known {
			order = append(order, e.Schedule)
		}
		if e.State == Revoking {
			n.shuts++
		} else {
			n.opens++
		}
		counts[e.Schedule] = n
	}
	for _, id := range order {
		e := d.newEvent(DoorsAligned)
		e.Schedule = id
		e.Details = []string{"to be opened", strconv.Itoa(counts[id].opens), "to be closed", strconv.Itoa(counts[id].shuts)}
		d.out.Events = append(d.out.Events, e)
	}
}

func effectByID(list []Effect, id string) *Effect {
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}

// shutDoors turns the effects of a schedule to closing, all but those of the occurrence that is kept open.
func (d *decision) shutDoors(id ScheduleID, have []Effect, keep string) {
	for _, e := range have {
		if e.Schedule != id || e.State != EffectPending && e.State != Usable {
			continue
		}
		if keep != "" && len(e.ID) > len(keep) && e.ID[:len(keep)+1] == keep+"/" {
			continue
		}
		d.out.Effects = append(d.out.Effects, d.intend(e, Revoking))
	}
}

// moveDoors gives the open effects of a schedule its new end.
func (d *decision) moveDoors(s Schedule, have []Effect) {
	run, ok := s.Window.At(d.now)
	for _, e := range have {
		if !ok || e.Schedule != s.ID || e.State != EffectPending && e.State != Usable {
			continue
		}
		e.Until = run.End
		d.out.Effects = append(d.out.Effects, d.intend(e, EffectPending))
	}
}

// intend gives an effect a new intent, to be carried out from now on.
func (d *decision) intend(e Effect, state EffectState) Effect {
	e.State, e.Decided, e.Due = state, d.now, d.now
	e.Attempts, e.Stuck, e.Problem = 0, false, ""
	return e
}
