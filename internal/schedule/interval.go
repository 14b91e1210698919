package schedule

import "time"

// Interval is a stretch of time from Start up to but not including End.
// A zero End means for ever. An End at or before the Start is an empty
// interval: it contains nothing and overlaps nothing.
type Interval struct{ Start, End time.Time }

// Contains tells whether t lies in the interval.
func (i Interval) Contains(t time.Time) bool {
	return !t.Before(i.Start) && (i.End.IsZero() || t.Before(i.End))
}

// Intersect is what both intervals share; false when that is nothing.
func (i Interval) Intersect(with Interval) (Interval, bool) {
	both := Interval{Start: later(i.Start, with.Start), End: earlierEnd(i.End, with.End)}
	if both.empty() {
		return Interval{}, false
	}
	return both, true
}

// Overlaps tells whether the intervals share an instant.
func (i Interval) Overlaps(with Interval) bool {
	_, ok := i.Intersect(with)
	return ok
}

func (i Interval) empty() bool { return !i.End.IsZero() && !i.Start.Before(i.End) }

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// earlierEnd is the earlier of two ends, where zero is for ever.
func earlierEnd(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
