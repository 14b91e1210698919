package schedule

import (
	"fmt"
	"time"
)

// Date is a day of the calendar, without a time of day and without a zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads YYYY-MM-DD.
func ParseDate(text string) (Date, error) {
	if len(text) > len(time.DateOnly) {
		return Date{}, fmt.Errorf("date: longer than YYYY-MM-DD")
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 {
		return Date{}, fmt.Errorf("date %q: not of the form YYYY-MM-DD", text)
	}
	return dayOf(t).date(), nil
}

// String is the form that ParseDate reads; "" for the zero value.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// IsZero tells whether no date was given.
func (d Date) IsZero() bool { return d == Date{} }

// valid tells whether the calendar has the date, in the years 1 to 9999.
func (d Date) valid() bool {
	return d.Year >= 1 && d.Year <= lastYear && d.Month >= 1 && d.Month <= 12 &&
		d.Day >= 1 && d.Day <= daysIn(d.Year, d.Month)
}

func (d Date) day() day { return dayNumber(d.Year, d.Month, d.Day) }

// lastYear is the end of the calendar here: the last year that RFC 3339 and
// both databases can write. Nothing recurs after it.
const lastYear = 9999

// day counts days since 1 January 1970.
type day int64

func dayNumber(year int, month time.Month, d int) day {
	return day(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

// dayOf is the day that t shows in its own zone.
func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return dayNumber(y, m, d)
}

func (d day) time() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

func (d day) date() Date {
	y, m, dd := d.time().Date()
	return Date{y, m, dd}
}

func (d day) weekday() time.Weekday { return time.Weekday(((int64(d)+4)%7 + 7) % 7) }

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
