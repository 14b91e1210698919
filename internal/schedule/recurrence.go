package schedule

import (
	"fmt"
	"slices"
	"time"
)

// PatternType says by what a series repeats (microsoft.graph.recurrencePatternType).
// The zero value is none of them and does not validate.
type PatternType int

// The pattern types.
const (
	Daily PatternType = iota + 1
	Weekly
	AbsoluteMonthly
	RelativeMonthly
	AbsoluteYearly
	RelativeYearly
)

func patternTypes() []string {
	return []string{"", "daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"}
}

// String is Graph's spelling.
func (p PatternType) String() string { return enumName(patternTypes(), int(p), "PatternType") }

// ParsePatternType reads Graph's spelling, letter case ignored.
func ParsePatternType(s string) (PatternType, error) {
	i, err := parseEnum(patternTypes(), s, "recurrence pattern type")
	return PatternType(i), err
}

// RangeType says when a series ends (microsoft.graph.recurrenceRangeType).
// The zero value is none of them and does not validate.
type RangeType int

// The range types.
const (
	EndDate RangeType = iota + 1
	NoEnd
	Numbered
)

func rangeTypes() []string { return []string{"", "endDate", "noEnd", "numbered"} }

// String is Graph's spelling.
func (r RangeType) String() string { return enumName(rangeTypes(), int(r), "RangeType") }

// ParseRangeType reads Graph's spelling, letter case ignored.
func ParseRangeType(s string) (RangeType, error) {
	i, err := parseEnum(rangeTypes(), s, "recurrence range type")
	return RangeType(i), err
}

// Index picks one of a month's matching days (microsoft.graph.weekIndex).
// The zero value is First, as Graph's default is.
type Index int

// The indexes.
const (
	First Index = iota
	Second
	Third
	Fourth
	Last
)

func indexes() []string { return []string{"first", "second", "third", "fourth", "last"} }

// String is Graph's spelling.
func (x Index) String() string { return enumName(indexes(), int(x), "Index") }

// ParseIndex reads Graph's spelling, letter case ignored.
func ParseIndex(s string) (Index, error) {
	i, err := parseEnum(indexes(), s, "week index")
	return Index(i), err
}

func weekdays() []string {
	return []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
}

// ParseWeekday reads Graph's spelling (microsoft.graph.dayOfWeek), letter case ignored.
func ParseWeekday(s string) (time.Weekday, error) {
	i, err := parseEnum(weekdays(), s, "day of week")
	return time.Weekday(i), err
}

// FormatWeekday is Graph's spelling of a day of the week, which
// time.Weekday's own String is not.
func FormatWeekday(d time.Weekday) string { return enumName(weekdays(), int(d), "Weekday") }

// Pattern says on which days a series has occurrences
// (microsoft.graph.recurrencePattern). Fields that the Type does not use are
// ignored.
//
// The period (day, week, month, year) of the range's start date is the first,
// then every Interval-th follows. Weekly: each of DaysOfWeek, in weeks that
// begin on FirstDayOfWeek. Absolute: DayOfMonth, or the last day of a month
// that is shorter; so do Exchange and Outlook (EWS reference,
// AbsoluteMonthlyRecurrence: "the last day of the month is assumed"; CDO,
// RecurrencePattern.DayOfMonth: 28 February for the 29th in years that are
// not leap years). Relative: of the month's days that fall on one of
// DaysOfWeek the one that Index picks.
type Pattern struct {
	Type           PatternType
	Interval       int // 1 to 999
	Month          int // 1 to 12, of the yearly types
	DayOfMonth     int // 1 to 31, of the absolute types
	DaysOfWeek     []time.Weekday
	FirstDayOfWeek time.Weekday
	Index          Index
}

// Range says from when until when a series runs (microsoft.graph.recurrenceRange).
// Dates are those of TimeZone and inclusive. TimeZone is an IANA name or one
// of the common Windows names; none means UTC. The start date sets the phase,
// and Numbered counts from it, whether or not the schedule starts later.
type Range struct {
	Type        RangeType
	StartDate   Date // from 1970 on
	EndDate     Date // of EndDate
	TimeZone    string
	Occurrences int // 1 to 10000, of Numbered
}

// Recurrence is a series of occurrences (microsoft.graph.patternedRecurrence).
type Recurrence struct {
	Pattern Pattern
	Range   Range
}

const (
	maxInterval    = 999
	maxOccurrences = 10000
	// firstYear keeps series out of the time in which zones crossed the date
	// line backwards, and refuses 0001-01-01, which .NET clients send for "none".
	firstYear = 1970
)

// Validate tells whether r is within bounds; the error is an *Error.
func (r Recurrence) Validate() error {
	if err := r.Pattern.validate(); err != nil {
		return err
	}
	return r.Range.validate()
}

func (p Pattern) validate() error {
	fail := func(field, format string, args ...any) error {
		return &Error{"recurrence.pattern." + field, fmt.Sprintf(format, args...)}
	}
	if p.Type < Daily || p.Type > RelativeYearly {
		return fail("type", "is missing or not known")
	}
	if p.Interval < 1 || p.Interval > maxInterval {
		return fail("interval", "must be 1 to %d", maxInterval)
	}
	switch p.Type {
	case Daily:
	case Weekly:
		if p.FirstDayOfWeek < time.Sunday || p.FirstDayOfWeek > time.Saturday {
			return fail("firstDayOfWeek", "is no day of the week")
		}
		return p.validateDays(fail)
	case AbsoluteMonthly:
		if p.DayOfMonth < 1 || p.DayOfMonth > 31 {
			return fail("dayOfMonth", "must be 1 to 31")
		}
	case AbsoluteYearly:
		if p.Month < 1 || p.Month > 12 {
			return fail("month", "must be 1 to 12")
		}
		const leap = 2000
		if last := daysIn(leap, time.Month(p.Month)); p.DayOfMonth < 1 || p.DayOfMonth > last {
			return fail("dayOfMonth", "must be 1 to %d in this month", last)
		}
	case RelativeMonthly, RelativeYearly:
		if p.Type == RelativeYearly && (p.Month < 1 || p.Month > 12) {
			return fail("month", "must be 1 to 12")
		}
		if p.Index < First || p.Index > Last {
			return fail("index", "is not known")
		}
		return p.validateDays(fail)
	}
	return nil
}

// usesDays tells whether DaysOfWeek counts, and so has been validated.
func (p Pattern) usesDays() bool {
	return p.Type == Weekly || p.Type == RelativeMonthly || p.Type == RelativeYearly
}

func (p Pattern) validateDays(fail func(field, format string, args ...any) error) error {
	if len(p.DaysOfWeek) < 1 || len(p.DaysOfWeek) > 7 {
		return fail("daysOfWeek", "must name 1 to 7 days")
	}
	for _, d := range p.DaysOfWeek {
		if d < time.Sunday || d > time.Saturday {
			return fail("daysOfWeek", "names a day that is none")
		}
	}
	return nil
}

func (r Range) validate() error {
	fail := func(field, format string, args ...any) error {
		return &Error{"recurrence.range." + field, fmt.Sprintf(format, args...)}
	}
	if r.Type < EndDate || r.Type > Numbered {
		return fail("type", "is missing or not known")
	}
	if !r.StartDate.valid() || r.StartDate.Year < firstYear {
		return fail("startDate", "is missing or no date since %d", firstYear)
	}
	if _, err := zone(r.TimeZone); err != nil {
		return fail("timeZone", "%v", err)
	}
	switch r.Type {
	case EndDate:
		if !r.EndDate.valid() {
			return fail("endDate", "is missing or no date")
		}
		if r.EndDate.day() < r.StartDate.day() {
			return fail("endDate", "is before the start date")
		}
	case Numbered:
		if r.Occurrences < 1 || r.Occurrences > maxOccurrences {
			return fail("occurrences", "must be 1 to %d", maxOccurrences)
		}
	case NoEnd:
	}
	return nil
}

// Equal tells whether r and q are written alike; the order and the repetition
// of DaysOfWeek do not matter.
func (r Recurrence) Equal(q Recurrence) bool {
	p, o := r.Pattern, q.Pattern
	return r.Range == q.Range && p.Type == o.Type && p.Interval == o.Interval &&
		p.Month == o.Month && p.DayOfMonth == o.DayOfMonth &&
		p.FirstDayOfWeek == o.FirstDayOfWeek && p.Index == o.Index &&
		slices.Equal(distinct(p.DaysOfWeek), distinct(o.DaysOfWeek))
}

func distinct(days []time.Weekday) []time.Weekday {
	return slices.Compact(slices.Sorted(slices.Values(days)))
}

func (r Recurrence) clone() *Recurrence {
	r.Pattern.DaysOfWeek = slices.Clone(r.Pattern.DaysOfWeek)
	return &r
}
