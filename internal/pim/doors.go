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

// openDoors writes the effects by which a schedule that has begun to hold opens its doors. A door asks no conditions: what holds
// under one opens none.
func (d *decision) openDoors(s Schedule, have []Effect) {
	run, ok := s.Window.At(d.now)
	if !ok || s.Kind != Assignment || s.Condition != "" || d.c.Principal.Kind == GroupPrincipal {
		return
	}
	name := occurrence(s, run.Start)
	for _, door := range d.c.Doors {
		id := name + "/" + door.Name + "/" + door.Privilege
		if door.Account == "" {
			continue
		}
		if e := effectByID(have, id); e != nil {
			if e.State == Revoking { // a grant that was made again under the id that it had
				e.Until = run.End
				d.out.Effects = append(d.out.Effects, d.intend(*e, EffectPending))
			}
			continue
		}
		d.out.Effects = append(d.out.Effects, Effect{
			ID: id, Tenant: s.Key.Tenant, Schedule: s.ID, Key: s.Key,
			Door: door.Name, Account: door.Account, Privilege: door.Privilege,
			Until: run.End, State: EffectPending, Decided: d.now, Due: d.now,
		})
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
