package pim

// Together joins the outcomes of asks about different cases, read as of one instant, so that they are committed all or
// not at all. What one of them has ended already, another one does not end again, and of two cuts the shorter one stays. None of them may make a request.
func Together(outs []Outcome) Outcome {
	j := joined{at: map[ScheduleID]int{}, doors: map[string]int{}, settled: map[RequestID]bool{}, touched: map[Key]bool{}}
	for _, o := range outs {
		if o.Key != (Key{}) && o.Changed() {
			j.touch(Touch{Key: o.Key, Version: o.Version})
		}
		for _, t := range o.Touches {
			j.touch(t)
		}
		j.add(o)
	}
	// A case that is changed is not relied on as well.
	for _, o := range outs {
		for _, r := range o.Relies {
			if !j.touched[r.Key] {
				j.touched[r.Key] = true
				j.out.Relies = append(j.out.Relies, r)
			}
		}
	}
	return j.out
}

// joined is what outcomes have come to together.
type joined struct {
	out Outcome
	// at and doors are the places of schedules and effects in the outcome.
	at      map[ScheduleID]int
	doors   map[string]int
	settled map[RequestID]bool
	touched map[Key]bool
}

func (j *joined) touch(t Touch) {
	if !j.touched[t.Key] {
		j.touched[t.Key] = true
		j.out.Touches = append(j.out.Touches, t)
	}
}

func (j *joined) add(o Outcome) {
	// over are the schedules that others have dealt with, at least as far as this outcome would.
	over := make(map[ScheduleID]bool, len(o.Schedules))
	for _, s := range o.Schedules {
		over[s.ID] = !j.schedule(s)
	}
	for _, e := range o.Effects {
		if !over[e.Schedule] {
			j.effect(e)
		}
	}
	settled := map[RequestID]bool{}
	for _, r := range o.More {
		if settled[r.ID] = j.settled[r.ID]; !settled[r.ID] {
			j.settled[r.ID] = true
			j.out.More = append(j.out.More, r)
		}
	}
	for _, e := range o.Events {
		ends := e.Activity == FailedRequest || e.Activity == CanceledRequest
		if e.Activity == Ended && over[e.Schedule] || ends && settled[e.Request] {
			continue
		}
		j.out.Events = append(j.out.Events, e)
		j.out.Notices = append(j.out.Notices, noticesOf(e, o.Notices)...)
	}
}

// schedule takes a schedule up, and says whether it adds to what there is: an end wins over a cut, and the earlier of two
// ends of a window over the later.
func (j *joined) schedule(s Schedule) bool {
	i, there := j.at[s.ID]
	if !there {
		j.at[s.ID] = len(j.out.Schedules)
		j.out.Schedules = append(j.out.Schedules, s)
		return true
	}
	have := &j.out.Schedules[i]
	if have.Ending != NotEnded || s.Ending == NotEnded && !later(have.Window.End, s.Window.End) {
		return false
	}
	*have = s
	return true
}

// effect takes an effect up, in the place of what there is of it: the schedule that it belongs to has got an earlier end.
func (j *joined) effect(e Effect) {
	if i, there := j.doors[e.ID]; there {
		j.out.Effects[i] = e
		return
	}
	j.doors[e.ID] = len(j.out.Effects)
	j.out.Effects = append(j.out.Effects, e)
}
