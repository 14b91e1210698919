package pim

import (
	"time"

	"portcullis/internal/schedule"
)

// cutPaths ends or cuts the activations whose path goes by a membership that the outcome ends or shortens, and what rests
// on those in turn (promise P2). It comes after whatever else changes schedules. What is cut may be a membership itself,
// so it looks until nothing changes; each change makes something shorter, so that ends.
func (d *decision) cutPaths() {
	for changed := true; changed; {
		changed = d.c.Key.membership() && d.cutAt(d.c.Key.Principal, PrincipalID(d.c.Key.Scope), d.ownWindows())
		for i := range d.out.Schedules {
			s := d.out.Schedules[i]
			m, ok := s.Membership()
			if !ok || s.Key == d.c.Key {
				continue
			}
			// Other grants of the same membership are not in the case: to end more than is needed is the safe side.
			var left []schedule.Window
			if s.Ending == NotEnded {
				left = []schedule.Window{s.Window}
			}
			changed = d.cutAt(m.Member, m.Group, left) || changed
		}
	}
}

// aftermath ends or cuts what rests on the case and should not: activations that were decided while it had what it has no
// more. Their commits rely on its version, so none comes later.
func (d *decision) aftermath() error {
	for _, dep := range d.c.Dependents {
		k := dep.Schedule.Key
		// An activation may be narrower than its eligibility; in groups nothing is.
		mine := k.Provider == d.c.Key.Provider && k.Role == d.c.Key.Role && (k.Provider != Group || k.Scope == d.c.Key.Scope)
		ground, ok := d.scheduleByID(dep.Schedule.Eligibility)
		gone := !ok || !ground.Live(d.now)
		if mine && gone && dep.Schedule.Live(d.now) {
			d.undermine(dep)
		}
	}
	d.cutPaths()
	return nil
}

// ownWindows are the windows of the case's memberships, as they are after the outcome.
func (d *decision) ownWindows() []schedule.Window {
	var left []schedule.Window
	seen := map[ScheduleID]bool{}
	for _, list := range [][]Schedule{d.out.Schedules, d.c.Schedules} {
		for _, s := range list {
			if s.Key == d.c.Key && s.Kind == Assignment && !seen[s.ID] && s.Ending == NotEnded {
				left = append(left, s.Window)
			}
			seen[s.ID] = true
		}
	}
	return left
}

// cutAt lets the activations whose path goes by a membership hold no longer than what is left of it, and says whether it
// changed any.
func (d *decision) cutAt(member, group PrincipalID, left []schedule.Window) (changed bool) {
	for _, dep := range d.c.Dependents {
		dep.Schedule = d.present(dep.Schedule)
		s := dep.Schedule
		if !s.GoesBy(member, group) || !s.Live(d.now) {
			continue
		}
		at := s.Window.Start
		if at.Before(d.now) {
			at = d.now
		}
		end, holds := longest(left, at)
		switch {
		case !holds:
			d.undermine(dep)
		case later(s.Window.End, end):
			d.shorten(dep, end)
		default:
			continue
		}
		changed = true
	}
	return changed
}

// longest says until when the windows hold that hold at an instant: the one that holds longest.
func longest(windows []schedule.Window, at time.Time) (end time.Time, holds bool) {
	for _, w := range windows {
		if run, ok := w.At(at); ok && (!holds || later(run.End, end)) {
			end, holds = run.End, true
		}
	}
	return end, holds
}

// shorten gives an activation an earlier end, and its doors with it.
func (d *decision) shorten(dep Dependent, end time.Time) {
	s := dep.Schedule
	d.touch(s.Key, dep.Version)
	s.Window, s.Modified = s.Window.Until(end), d.now
	s.Due = nextDue(d.now, s)
	d.put(s)
	d.moveDoors(s, dep.Effects)
}
