package schedule

import "time"

const (
	// maxSteps bounds the walk along occurrences that touch.
	maxSteps = 400
	// clampDays: so many days before an occurrence another may begin that
	// ends later, because months were added to the 28th to the 31st of a
	// month and all stopped at the last day of a shorter one.
	clampDays = 4
	// maxChanges bounds the changes of the clocks, and the ends of years,
	// looked at along the way: a hundred years of summer time.
	maxChanges = 400
	// offsetSpan, in seconds, is how far two offsets from UTC are apart at
	// most, from -12 to +14 hours.
	offsetSpan = 26 * 3600
)

// series is a recurrence made ready: occurrences are numbered from 0 to
// count-1 and the day of each is computed directly from its number.
type series struct {
	pattern Pattern
	first   day       // the range's start date
	year    int       // of first
	month   int       // of first, from 0
	week0   day       // the day on which the week of first begins
	offsets []int     // weekly: the days' distances from the begin of the week
	on      [7]bool   // relative: the days of the week that count
	skip    int       // occurrences of the first period that are before first
	count   int       // of occurrences
	endless bool      // the count is only where the calendar ends
	clock   wallClock // at which each begins
	loc     *time.Location
	length  Duration

	// slack is by how many seconds occurrences last longer than the widest
	// gap on the calendar. If it is not negative, holes can only come from
	// changes of the clocks by more than that.
	slack int64
}

func newSeries(r Recurrence, anchor time.Time, length Duration) (series, bool) {
	length.nanos -= length.nanos % int64(time.Microsecond)
	if r.Validate() != nil || length.IsZero() {
		return series{}, false
	}
	loc, err := zone(r.Range.TimeZone)
	if err != nil {
		return series{}, false
	}
	s := series{
		pattern: r.Pattern, first: r.Range.StartDate.day(),
		year: r.Range.StartDate.Year, month: int(r.Range.StartDate.Month) - 1,
		loc: loc, clock: wallClockOf(anchor.In(loc)), length: length,
	}
	s.setPeriods()
	s.setCount(r.Range)
	s.slack = length.shortest() - int64(s.widestGap())*secondsPerDay
	return s, s.count > 0
}

// setPeriods finds what the first period holds and how much of it is too early.
func (s *series) setPeriods() {
	if s.pattern.usesDays() {
		for _, d := range s.pattern.DaysOfWeek {
			s.on[d] = true
		}
	}
	switch s.pattern.Type {
	case Daily:
	case Weekly:
		begin := s.pattern.FirstDayOfWeek
		into := (int(s.first.weekday()) - int(begin) + 7) % 7
		s.week0 = s.first - day(into)
		for o := range 7 {
			if s.on[(int(begin)+o)%7] {
				s.offsets = append(s.offsets, o)
				if o < into {
					s.skip++
				}
			}
		}
	case AbsoluteMonthly, RelativeMonthly, AbsoluteYearly, RelativeYearly:
		if s.day(0) < s.first {
			s.skip = 1
		}
	}
}

func (s *series) setCount(r Range) {
	last := dayNumber(lastYear, time.December, 31)
	if r.Type == EndDate {
		last = min(last, r.EndDate.day())
	}
	s.count = s.notBefore(last + 1)
	switch r.Type {
	case Numbered:
		s.count = min(s.count, r.Occurrences)
	case NoEnd:
		s.endless = true
	case EndDate:
	}
}

// day is the day of occurrence k, which may lie beyond the last one.
func (s *series) day(k int) day {
	p, n := k+s.skip, s.pattern.Interval
	switch s.pattern.Type {
	case Daily:
		return s.first + day(k*n)
	case Weekly:
		week, i := p/len(s.offsets), p%len(s.offsets)
		return s.week0 + day(week*n*7+s.offsets[i])
	case AbsoluteMonthly, RelativeMonthly:
		months := s.month + p*n
		return s.dayIn(s.year+months/12, time.Month(months%12+1))
	case AbsoluteYearly, RelativeYearly:
		return s.dayIn(s.year+p*n, time.Month(s.pattern.Month))
	}
	return s.first // No other type validates.
}

// dayIn is the pattern's day in a month.
func (s *series) dayIn(year int, month time.Month) day {
	begin, length := dayNumber(year, month, 1), daysIn(year, month)
	if s.pattern.Type == AbsoluteMonthly || s.pattern.Type == AbsoluteYearly {
		return begin + day(min(s.pattern.DayOfMonth, length)-1)
	}
	if s.pattern.Index == Last {
		d := begin + day(length-1)
		for !s.on[d.weekday()] {
			d--
		}
		return d
	}
	d := begin
	for left := int(s.pattern.Index); ; d++ {
		if s.on[d.weekday()] {
			if left == 0 {
				return d
			}
			left--
		}
	}
}

// notBefore is the number of the first occurrence on or after d, counted
// as if the series had no end.
func (s *series) notBefore(d day) int {
	if d <= s.first {
		return 0
	}
	n, k := s.pattern.Interval, 0
	switch s.pattern.Type {
	case Daily:
		k = int(d-s.first) / n
	case Weekly:
		k = int(d-s.week0)/(7*n)*len(s.offsets) - s.skip
	case AbsoluteMonthly, RelativeMonthly:
		on := d.date()
		k = ((on.Year-s.year)*12+int(on.Month)-1-s.month)/n - s.skip
	case AbsoluteYearly, RelativeYearly:
		k = (d.date().Year-s.year)/n - s.skip
	}
	// The period of k begins on or before d, so at most one period is left.
	for k = max(k, 0); s.day(k) < d; k++ {
	}
	return k
}

// widestGap is a number of days that two neighbours are apart at most.
func (s *series) widestGap() int {
	n := s.pattern.Interval
	switch s.pattern.Type {
	case Daily:
		return n
	case Weekly:
		widest := 7*n - s.offsets[len(s.offsets)-1] + s.offsets[0]
		for i := 1; i < len(s.offsets); i++ {
			widest = max(widest, s.offsets[i]-s.offsets[i-1])
		}
		return widest
	case AbsoluteMonthly:
		return 31 * n
	case RelativeMonthly:
		return 31*n + 7
	case AbsoluteYearly:
		return 366 * n
	case RelativeYearly:
		return 366*n + 7
	}
	return 0
}

// start is the instant at which occurrence k begins. It never falls as k grows.
func (s *series) start(k int) time.Time { return s.clock.on(s.day(k), s.loc) }

// reach is the instant up to which the occurrences 0 to k cover what follows
// the start of k. It never falls as k grows.
func (s *series) reach(k int) time.Time {
	end := s.length.AddTo(s.start(k))
	if s.length.months == 0 {
		return end
	}
	for j := max(k-clampDays, 0); j < k; j++ {
		end = later(end, s.length.AddTo(s.start(j)))
	}
	return end
}

// end is the end of the last occurrence, zero for a series without one.
func (s *series) end() time.Time {
	if s.endless {
		return time.Time{}
	}
	return s.reach(s.count - 1)
}

// last is the number of the last occurrence that begins at or before t, -1 if none does.
func (s *series) last(t time.Time) int {
	// Whatever the clocks do, a day that begins two days later has not begun.
	k := min(s.notBefore(dayOf(t.In(s.loc))+2), s.count) - 1
	for k >= 0 && s.start(k).After(t) {
		k--
	}
	return k
}

// covers tells whether occurrences hold at t, where k is last(t).
func (s *series) covers(k int, t time.Time) bool { return k >= 0 && s.reach(k).After(t) }

// hole tells whether nothing holds between occurrence k and the next.
func (s *series) hole(k int) bool { return s.start(k + 1).After(s.reach(k)) }

// holdLast is the last of the occurrences that follow k without a hole.
// Where occurrences are long enough to touch by the calendar, only those
// around a change of the clocks are looked at.
func (s *series) holdLast(k int) int {
	changes := maxChanges
	for range maxSteps {
		if k >= s.count-1 || s.slack >= offsetSpan {
			break
		}
		if s.hole(k) {
			return k
		}
		k++
		if s.slack < 0 {
			continue
		}
		change, ok := s.setBackAfter(s.start(k), &changes)
		if !ok {
			break
		}
		k = max(k, s.last(change.Add(-1)))
	}
	return s.count - 1
}

// holdEnd is the end of the hold that k belongs to, zero for never.
func (s *series) holdEnd(k int) time.Time {
	k = s.holdLast(k)
	if k == s.count-1 {
		return s.end()
	}
	return s.reach(k)
}

// holdFirst is the first of the occurrences that k follows without a hole,
// looking back no further than to the one that begins at or before limit.
func (s *series) holdFirst(k int, limit time.Time) int {
	changes := maxChanges
	for range maxSteps {
		if k <= 0 || s.slack >= offsetSpan {
			break
		}
		if !s.start(k).After(limit) || s.hole(k-1) {
			return k
		}
		k--
		if s.slack < 0 {
			continue
		}
		change, ok := s.setBackBefore(s.start(k), limit, &changes)
		if !ok {
			break
		}
		k = min(k, s.last(change.Add(-1))+1)
	}
	return 0
}

// setBackAfter is the first change of the clocks after t by which they, all
// changes since t taken together, may be set back by more than the slack.
func (s *series) setBackAfter(t time.Time, changes *int) (time.Time, bool) {
	t = t.In(s.loc)
	_, ahead := t.Zone()
	for ; *changes > 0; *changes-- {
		change, ok := changeAfter(t)
		if !ok {
			return time.Time{}, false
		}
		t = change
		_, offset := t.Zone()
		if int64(ahead-offset) > s.slack {
			return change, true
		}
		ahead = max(ahead, offset)
	}
	return time.Time{}, false
}

// setBackBefore is the same looking back from t, no further than to limit.
func (s *series) setBackBefore(t, limit time.Time, changes *int) (time.Time, bool) {
	t = t.In(s.loc)
	_, behind := t.Zone()
	for ; *changes > 0; *changes-- {
		change, _ := t.ZoneBounds()
		if change.IsZero() || change.Before(limit) {
			return time.Time{}, false
		}
		t = change.Add(-1)
		_, offset := t.Zone()
		if int64(offset-behind) > s.slack {
			return change, true
		}
		behind = min(behind, offset)
	}
	return time.Time{}, false
}

// changeAfter is an instant after t up to which clocks in t's zone do not
// change; false if they never will again.
func changeAfter(t time.Time) (time.Time, bool) {
	_, change := t.ZoneBounds()
	if change.IsZero() {
		return time.Time{}, false
	}
	if !change.After(t) {
		// Package time ends a zone with the 365th day of the year where only
		// a rule is left, and does not come past the last day of a leap year.
		// No rule changes clocks there.
		return t.Add(secondsPerDay * time.Second), true
	}
	return change, true
}
