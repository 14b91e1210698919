package pim

import "slices"

// rerooted ends the activations of a case whose eligibility is not at its scope or at one that contains it from now on: the tree
// of resources changes above it.
func (d *decision) rerooted() error {
	for _, s := range d.c.Schedules {
		if s.Type != Activated || !s.Live(d.now) || d.reaches(s.Eligibility) {
			continue
		}
		dep := Dependent{Schedule: s, Version: d.c.Version, Principal: d.c.Principal, Effects: d.c.Effects}
		for i, r := range d.c.Requests {
			if r.ID == s.Request && r.Status == Granted {
				dep.Request = &d.c.Requests[i]
			}
		}
		d.undermine(dep)
	}
	return nil
}

// reaches says whether an eligibility is among those of the case that reach its scope.
func (d *decision) reaches(id ScheduleID) bool {
	return slices.ContainsFunc(d.c.Backing, func(b Backing) bool {
		at := b.Schedule.Key.Scope
		return b.Schedule.ID == id && (at == d.c.Key.Scope || slices.Contains(d.a.Within, at))
	})
}
