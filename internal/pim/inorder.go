package pim

import (
	"cmp"
	"slices"
)

// After is the case as it will be once an outcome of it has been committed, so that another ask about it can be decided before: with
// what the outcome makes, changes and ends, of its own and of what rests on it. The versions stay those that were read, for the
// commit tests these. Requests that the outcome closes stay in sight, closed.
func (c Case) After(o Outcome) Case {
	c.Schedules, c.Requests, c.Effects = slices.Clone(c.Schedules), slices.Clone(c.Requests), slices.Clone(c.Effects)
	for _, r := range o.requests() {
		if r.Key == c.Key {
			c.Requests = upsert(c.Requests, r, func(r Request) RequestID { return r.ID })
		}
	}
	for _, e := range o.Effects {
		if e.Key == c.Key {
			c.Effects = upsert(c.Effects, e, func(e Effect) string { return e.ID })
		}
	}
	for _, s := range o.Schedules {
		if s.Key == c.Key {
			c.Schedules = upsert(c.Schedules, s, func(s Schedule) ScheduleID { return s.ID })
		}
	}
	// Of ended grants a case knows those that can be renewed.
	c.Schedules = slices.DeleteFunc(c.Schedules, func(s Schedule) bool {
		return s.Ending != NotEnded && (s.Ending != Expired || s.Type != Assigned)
	})
	c.groundsAfter(o)
	c.membershipsAfter(o)
	c.dependentsAfter(o)
	return c
}

// requests are all that an outcome makes and changes.
func (o Outcome) requests() []Request {
	if o.Request == nil {
		return o.More
	}
	return append([]Request{*o.Request}, o.More...)
}

// upsert puts a row into a list that is ordered by id, in the place of what had the id.
func upsert[T any, ID cmp.Ordered](list []T, row T, id func(T) ID) []T {
	i, there := slices.BinarySearchFunc(list, id(row), func(t T, want ID) int { return cmp.Compare(id(t), want) })
	if there {
		list[i] = row
		return list
	}
	return slices.Insert(list, i, row)
}

// groundsAfter brings up to date what can be activated from, and who administers the tenant: both are told by assigned grants of
// the case's own key.
func (c *Case) groundsAfter(o Outcome) {
	c.Backing, c.Administrators = slices.Clone(c.Backing), slices.Clone(c.Administrators)
	for _, s := range o.Schedules {
		if s.Key != c.Key || s.Type != Assigned {
			continue
		}
		c.Backing = slices.DeleteFunc(c.Backing, func(b Backing) bool { return b.Schedule.ID == s.ID })
		c.Administrators = slices.DeleteFunc(c.Administrators, func(a Standing) bool { return a.Schedule == s.ID })
		if s.Ending != NotEnded {
			continue
		}
		if s.Kind == Eligibility {
			c.Backing = upsert(c.Backing, Backing{Schedule: s, Version: c.Version}, func(b Backing) ScheduleID { return b.Schedule.ID })
		}
		if c.Key.guarded() && c.Principal.Kind == UserPrincipal && c.Principal.Enabled {
			standing := Standing{Schedule: s.ID, Kind: s.Kind, During: s.Window}
			c.Administrators = upsert(c.Administrators, standing, func(a Standing) ScheduleID { return a.Schedule })
		}
	}
}

// membershipsAfter brings the ways up from the principal up to date, where the case itself is about one of their steps. What is
// above a group that the principal comes to be in is not known: no way is longer than it was.
func (c *Case) membershipsAfter(o Outcome) {
	c.Memberships = slices.Clone(c.Memberships)
	for _, s := range o.Schedules {
		m, ok := s.Membership()
		if !ok {
			continue
		}
		version := int64(-1)
		c.Memberships = slices.DeleteFunc(c.Memberships, func(old Membership) bool {
			if old.Group != m.Group || old.Member != m.Member || old.Schedule != m.Schedule {
				return false
			}
			version = old.Version
			return true
		})
		if s.Key == c.Key {
			version = c.Version
		}
		if m.Version = version; s.Ending == NotEnded && version >= 0 {
			c.Memberships = append(c.Memberships, m)
		}
	}
}

// dependentsAfter brings what rests on the case up to date.
func (c *Case) dependentsAfter(o Outcome) {
	c.Dependents = slices.Clone(c.Dependents)
	id := func(d Dependent) ScheduleID { return d.Schedule.ID }
	for _, s := range o.Schedules {
		i, known := slices.BinarySearchFunc(c.Dependents, s.ID, func(d Dependent, want ScheduleID) int { return cmp.Compare(id(d), want) })
		switch {
		case known:
			c.Dependents[i].Schedule = s
		case s.Key == c.Key && c.bears(s):
			// Only the case's own activations can be new: those of others are decided in cases of their own.
			c.Dependents = upsert(c.Dependents, Dependent{Schedule: s, Version: c.Version, Principal: c.Principal}, id)
		}
	}
	c.Dependents = slices.DeleteFunc(c.Dependents, func(d Dependent) bool { return d.Schedule.Ending != NotEnded })
	for i := range c.Dependents {
		c.Dependents[i].follow(o)
	}
}

// bears says whether an activation of the case rests on what the case holds itself.
func (c *Case) bears(s Schedule) bool {
	return s.Type == Activated && (slices.ContainsFunc(c.Schedules, func(e Schedule) bool { return e.ID == s.Eligibility && e.Kind == Eligibility }) ||
		c.Key.membership() && s.GoesBy(c.Key.Principal, PrincipalID(c.Key.Scope)))
}

// follow brings the effects and the request of what depends on the case up to date.
func (d *Dependent) follow(o Outcome) {
	d.Effects = slices.Clone(d.Effects)
	for _, e := range o.Effects {
		if e.Schedule == d.Schedule.ID {
			d.Effects = upsert(d.Effects, e, func(e Effect) string { return e.ID })
		}
	}
	for _, r := range o.requests() {
		if r.ID != d.Schedule.Request {
			continue
		}
		if d.Request = nil; r.Status.Open() {
			d.Request = &r
		}
	}
}

// InOrder joins the outcomes of asks about one case, each decided on what those before leave (After), so that they are committed all
// or not at all. Of what several of them write the last state is written; every event and notice is kept. The first request that
// one of them makes is the outcome's; those of the others, which must not have ids that callers chose, are among More.
func InOrder(outs []Outcome) Outcome {
	var j succession
	for _, o := range outs {
		if o.Changed() {
			j.out.Key, j.out.Version = o.Key, o.Version
			j.add(o)
		}
	}
	// A case that is changed is not relied on as well.
	j.out.Relies = slices.DeleteFunc(j.out.Relies, func(r Touch) bool {
		return r.Key == j.out.Key || slices.ContainsFunc(j.out.Touches, func(t Touch) bool { return t.Key == r.Key })
	})
	if i := slices.IndexFunc(j.requests, func(r Request) bool { return r.ID == j.made }); i >= 0 {
		j.out.Request, j.out.NewRequest = &j.requests[i], j.made != ""
		j.out.More = slices.Delete(slices.Clone(j.requests), i, i+1)
	} else {
		j.out.More = j.requests
	}
	return j.out
}

// succession is what outcomes of one case have come to one after the other.
type succession struct {
	out Outcome
	// requests are all that are written, and made is the first of them that is new; empty: none is.
	requests []Request
	made     RequestID
}

func (j *succession) add(o Outcome) {
	if o.NewRequest && j.made == "" {
		j.made = o.Request.ID
	}
	for _, r := range o.requests() {
		j.requests = last(j.requests, r, func(r Request) RequestID { return r.ID })
	}
	for _, s := range o.Schedules {
		j.out.Schedules = last(j.out.Schedules, s, func(s Schedule) ScheduleID { return s.ID })
	}
	for _, e := range o.Effects {
		j.out.Effects = last(j.out.Effects, e, func(e Effect) string { return e.ID })
	}
	for _, t := range o.Touches {
		j.out.Touches = last(j.out.Touches, t, func(t Touch) Key { return t.Key })
	}
	for _, t := range o.Relies {
		j.out.Relies = last(j.out.Relies, t, func(t Touch) Key { return t.Key })
	}
	j.out.Events = append(j.out.Events, o.Events...)
	j.out.Notices = append(j.out.Notices, o.Notices...)
}

// last puts a row into a list, in the place of what had its id.
func last[T any, ID comparable](list []T, row T, id func(T) ID) []T {
	if i := slices.IndexFunc(list, func(t T) bool { return id(t) == id(row) }); i >= 0 {
		list[i] = row
		return list
	}
	return append(list, row)
}
