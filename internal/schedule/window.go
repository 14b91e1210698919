// Package schedule says when something holds: it turns a schedule as asked
// for (a start, an expiration, perhaps a recurrence) into a concrete Window,
// and answers of a Window whether it holds at an instant and when that
// changes next.
//
// It is pure: it looks at no clock, no file and no setting of the machine;
// the time zone database is embedded. Instants come out in UTC, those that
// Resolve makes are whole microseconds. Every method is total for values that
// Resolve or Validate took, and takes a bounded number of steps. The policy's
// maximum, and the stored and spoken forms, are others' work.
package schedule

import "time"

// Window is when something holds. Without a Recurrence that is from Start
// up to but not including End, for ever if End is zero. With one it is the
// time covered by the occurrences of the series, each of the given Length,
// as far as it lies between Start and End; occurrences that touch or overlap
// are one hold. The zero value never holds, nor does a Window whose End is not
// after its Start, nor one whose recurrence does not validate.
//
// Whoever stores a Window must keep all five fields.
type Window struct {
	Start, End time.Time
	Length     Duration    // of each occurrence; zero without a recurrence
	Recurrence *Recurrence // nil for one stretch of time

	// Anchor is an instant that shows, in the range's time zone, the time of
	// day at which occurrences begin. Zero means that Start shows it; Resolve
	// sets it only where Start does not, because the window begins in the
	// middle of an occurrence or at one that daylight saving moved.
	Anchor time.Time
}

// maxMeetings bounds the search of two recurrences for a common instant.
const maxMeetings = 400

// Span is the stretch of time outside of which the Window never holds; an
// empty interval if it holds nowhere.
func (w Window) Span() Interval {
	if w.Recurrence == nil {
		return w.bounds()
	}
	s, ok := w.series()
	if !ok {
		return never()
	}
	iv, ok := w.bounds().Intersect(Interval{Start: s.start(0), End: s.end()})
	if !ok {
		return never()
	}
	return iv
}

// Contains tells whether the Window holds at t.
func (w Window) Contains(t time.Time) bool {
	if !w.bounds().Contains(t) {
		return false
	}
	if w.Recurrence == nil {
		return true
	}
	s, ok := w.series()
	return ok && s.covers(s.last(t), t)
}

// At is the hold in force at t: from the instant at which the Window began
// to hold until the one at which it ceases to; false if it does not hold.
// A hold is one occurrence or several that touch. One that goes on for 400
// occurrences, or that outlasts a hundred years of summer time where only
// that could interrupt it, is taken to last as long as the series.
func (w Window) At(t time.Time) (Interval, bool) {
	if !w.bounds().Contains(t) {
		return Interval{}, false
	}
	if w.Recurrence == nil {
		return w.bounds(), true
	}
	s, ok := w.series()
	if !ok {
		return Interval{}, false
	}
	k := s.last(t)
	if !s.covers(k, t) {
		return Interval{}, false
	}
	iv := Interval{Start: s.start(s.holdFirst(k, w.Start)), End: s.holdEnd(k)}
	return iv.Intersect(w.bounds())
}

// Next is the first hold that begins after t; false if there is none.
func (w Window) Next(t time.Time) (Interval, bool) {
	if t.Before(w.Start) {
		if iv, ok := w.At(w.Start); ok {
			return iv, true
		}
		t = w.Start
	}
	if w.Recurrence == nil {
		return Interval{}, false
	}
	s, ok := w.series()
	if !ok {
		return Interval{}, false
	}
	k := s.last(t)
	if s.covers(k, t) {
		k = s.holdLast(k)
	}
	if k+1 >= s.count {
		return Interval{}, false
	}
	return w.At(s.start(k + 1))
}

// NextChange is the first instant strictly after t at which the answer of
// Contains changes; false if it never does.
func (w Window) NextChange(t time.Time) (time.Time, bool) {
	if iv, ok := w.At(t); ok {
		return iv.End, !iv.End.IsZero()
	}
	iv, ok := w.Next(t)
	return iv.Start, ok
}

// Over tells whether the Window neither holds at t nor ever will again.
func (w Window) Over(t time.Time) bool {
	if w.Contains(t) {
		return false
	}
	_, ok := w.Next(t)
	return !ok
}

// Until is the Window cut at end. A zero end changes nothing, and neither
// does one that is later than the Window's own.
func (w Window) Until(end time.Time) Window {
	w.End = earlierEnd(w.End, end)
	return w
}

// Overlaps tells whether there is an instant at which both Windows hold. It
// never misses one. Two recurrences that have passed one another some
// hundreds of times are said to overlap, also if they never will.
func (w Window) Overlaps(with Window) bool {
	a, ok := w.occurrences()
	if !ok {
		return false
	}
	b, ok := with.occurrences()
	if !ok {
		return false
	}
	t := later(w.Start, with.Start)
	for range maxMeetings {
		x, ok := a.from(t)
		if !ok {
			return false
		}
		y, ok := b.from(t)
		if !ok {
			return false
		}
		if x.Overlaps(y) {
			return true
		}
		t = later(x.Start, y.Start)
	}
	return true
}

// occurrences are the single occurrences of a Window, not joined to holds.
type occurrences struct {
	bounds Interval
	series *series // nil for one stretch of time
}

func (w Window) occurrences() (occurrences, bool) {
	o := occurrences{bounds: w.bounds()}
	if w.Recurrence == nil {
		return o, true
	}
	s, ok := w.series()
	o.series = &s
	return o, ok
}

// from is what an occurrence leaves from t on: the latest one in force at t,
// else the next.
func (o occurrences) from(t time.Time) (Interval, bool) {
	since := Interval{Start: t}
	if o.series == nil {
		return o.bounds.Intersect(since)
	}
	s := o.series
	k := s.last(t)
	if !s.covers(k, t) {
		k++
	}
	if k >= s.count {
		return Interval{}, false
	}
	left, ok := o.bounds.Intersect(Interval{Start: s.start(k), End: s.reach(k)})
	if !ok {
		return Interval{}, false
	}
	return left.Intersect(since)
}

// bounds is the Window without its recurrence. A Window without a Start is
// nobody's decision and empty.
func (w Window) bounds() Interval {
	if w.Start.IsZero() {
		return never()
	}
	return Interval{Start: w.Start, End: w.End}
}

// never is an empty interval.
func never() Interval {
	epoch := time.Unix(0, 0).UTC()
	return Interval{Start: epoch, End: epoch}
}

// series prepares the recurrence for questions; false if it is none.
func (w Window) series() (series, bool) {
	anchor := w.Anchor
	if anchor.IsZero() {
		anchor = w.Start
	}
	return newSeries(*w.Recurrence, anchor, w.Length)
}
