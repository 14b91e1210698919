package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/schedule"
)

// spelled checks that each value is written as Graph writes it and read back
// in any letter case.
func spelled[T interface{ ~int }](t *testing.T, first T, names string, write func(T) string, parse func(string) (T, error)) {
	t.Helper()
	for i, name := range strings.Fields(names) {
		value := first + T(i)
		if got := write(value); got != name {
			t.Errorf("%d is written %q, want %q", value, got, name)
		}
		for _, text := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			if got, err := parse(text); err != nil || got != value {
				t.Errorf("%q is read as %v, %v, want %d", text, got, err, value)
			}
		}
	}
	for _, text := range []string{"", " ", "unknownFutureValue", "daily ", "0", "1", strings.Repeat("x", 1000)} {
		if got, err := parse(text); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.40q is read as %v, %v", text, got, err)
		}
	}
	for _, value := range []T{-1, 99} {
		if got := write(value); !strings.Contains(got, "(") {
			t.Errorf("%d is written %q", value, got)
		}
	}
}

func TestSpelling(t *testing.T) {
	spelled(t, schedule.Daily, "daily weekly absoluteMonthly relativeMonthly absoluteYearly relativeYearly",
		schedule.PatternType.String, schedule.ParsePatternType)
	spelled(t, schedule.EndDate, "endDate noEnd numbered", schedule.RangeType.String, schedule.ParseRangeType)
	spelled(t, schedule.First, "first second third fourth last", schedule.Index.String, schedule.ParseIndex)
	spelled(t, time.Sunday, "sunday monday tuesday wednesday thursday friday saturday",
		schedule.FormatWeekday, schedule.ParseWeekday)
	spelled(t, schedule.NotSpecified, "notSpecified noExpiration afterDateTime afterDuration",
		schedule.ExpirationKind.String, schedule.ParseExpirationKind)
}

func TestDate(t *testing.T) {
	for _, text := range []string{"2026-06-01", "0001-01-01", "9999-12-31", "2028-02-29"} {
		d, err := schedule.ParseDate(text)
		if err != nil || d.String() != text || d.IsZero() {
			t.Errorf("ParseDate(%q) = %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "2026-6-1", "2027-02-29", "2026-13-01", "2026-00-01", "0000-01-01", "2026-06-01T00:00:00Z", "20260601", "+2026-06-01", "2026-06-31"} {
		if d, err := schedule.ParseDate(text); err == nil {
			t.Errorf("ParseDate(%q) = %v, want an error", text, d)
		}
	}
	if got := (schedule.Date{}).String(); got != "" {
		t.Errorf("the zero date is written %q", got)
	}
}

func TestValidateNamesTheField(t *testing.T) {
	check := func(change func(r *schedule.Recurrence), field string) {
		t.Helper()
		r := schedule.Recurrence{
			Pattern: schedule.Pattern{Type: schedule.Weekly, Interval: 1, DaysOfWeek: []time.Weekday{time.Monday}, Month: 2, DayOfMonth: 29},
			Range:   schedule.Range{Type: schedule.NoEnd, StartDate: schedule.Date{Year: 2026, Month: 6, Day: 1}, TimeZone: "UTC"},
		}
		change(&r)
		err := r.Validate()
		if field == "" {
			if err != nil {
				t.Errorf("%+v: %v", r, err)
			}
			return
		}
		if e, ok := errors.AsType[*schedule.Error](err); !ok || e.Field != "recurrence."+field || e.Detail == "" {
			t.Errorf("%+v: got %v, want an error about %s", r, err, field)
		}
	}
	week := []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	check(func(*schedule.Recurrence) {}, "")
	check(func(r *schedule.Recurrence) { r.Pattern.Interval = 999 }, "")
	check(func(r *schedule.Recurrence) { r.Pattern.DaysOfWeek = week }, "")
	check(func(r *schedule.Recurrence) { r.Pattern.Type = schedule.AbsoluteYearly }, "")
	check(func(r *schedule.Recurrence) { r.Range.Type, r.Range.Occurrences = schedule.Numbered, 10000 }, "")
	check(func(r *schedule.Recurrence) { r.Range.Type, r.Range.EndDate = schedule.EndDate, r.Range.StartDate }, "")
	check(func(r *schedule.Recurrence) { r.Range.TimeZone = "" }, "")
	// A daily pattern takes no notice of what it does not use.
	check(func(r *schedule.Recurrence) {
		r.Pattern = schedule.Pattern{Type: schedule.Daily, Interval: 1, Month: 77, Index: 99}
	}, "")
	check(func(r *schedule.Recurrence) { r.Pattern.Type = 0 }, "pattern.type")
	check(func(r *schedule.Recurrence) { r.Pattern.Type = 7 }, "pattern.type")
	check(func(r *schedule.Recurrence) { r.Pattern.Interval = -1 }, "pattern.interval")
	check(func(r *schedule.Recurrence) { r.Pattern.FirstDayOfWeek = 7 }, "pattern.firstDayOfWeek")
	check(func(r *schedule.Recurrence) { r.Pattern.FirstDayOfWeek = -1 }, "pattern.firstDayOfWeek")
	check(func(r *schedule.Recurrence) { r.Pattern.DaysOfWeek = nil }, "pattern.daysOfWeek")
	check(func(r *schedule.Recurrence) { r.Pattern.DaysOfWeek = append(week, 0) }, "pattern.daysOfWeek")
	check(func(r *schedule.Recurrence) { r.Pattern.DaysOfWeek = []time.Weekday{7} }, "pattern.daysOfWeek")
	check(func(r *schedule.Recurrence) { r.Pattern.Type, r.Pattern.Index = schedule.RelativeMonthly, 5 }, "pattern.index")
	check(func(r *schedule.Recurrence) { r.Pattern.Type, r.Pattern.Month = schedule.RelativeYearly, 0 }, "pattern.month")
	check(func(r *schedule.Recurrence) { r.Pattern.Type, r.Pattern.DayOfMonth = schedule.AbsoluteYearly, 30 }, "pattern.dayOfMonth")
	check(func(r *schedule.Recurrence) { r.Range.Type = 0 }, "range.type")
	check(func(r *schedule.Recurrence) { r.Range.Type = 4 }, "range.type")
	check(func(r *schedule.Recurrence) { r.Range.StartDate = schedule.Date{} }, "range.startDate")
	check(func(r *schedule.Recurrence) { r.Range.StartDate.Day = 31 }, "range.startDate")
	check(func(r *schedule.Recurrence) { r.Range.StartDate.Year = 1969 }, "range.startDate")
	check(func(r *schedule.Recurrence) { r.Range.StartDate.Year = 10000 }, "range.startDate")
	check(func(r *schedule.Recurrence) { r.Range.Type = schedule.EndDate }, "range.endDate")
	check(func(r *schedule.Recurrence) { r.Range.TimeZone = "../../etc/passwd" }, "range.timeZone")
	check(func(r *schedule.Recurrence) { r.Range.TimeZone = strings.Repeat("x", 1<<20) }, "range.timeZone")
}

func TestRecurrenceEqual(t *testing.T) {
	base := func() schedule.Recurrence {
		r := *everyDay()
		r.Pattern.DaysOfWeek = []time.Weekday{time.Monday, time.Friday}
		return r
	}
	check := func(want bool, change func(r *schedule.Recurrence)) {
		t.Helper()
		r := base()
		change(&r)
		if got := base().Equal(r); got != want || r.Equal(base()) != want || cmp.Equal(base(), r) != want {
			t.Errorf("%+v equal: %v, want %v", r, got, want)
		}
	}
	check(true, func(*schedule.Recurrence) {})
	check(true, func(r *schedule.Recurrence) {
		r.Pattern.DaysOfWeek = []time.Weekday{time.Friday, time.Monday, time.Monday}
	})
	check(false, func(r *schedule.Recurrence) { r.Pattern.DaysOfWeek = []time.Weekday{time.Friday} })
	check(false, func(r *schedule.Recurrence) { r.Pattern.Type = schedule.Weekly })
	check(false, func(r *schedule.Recurrence) { r.Pattern.Interval = 2 })
	check(false, func(r *schedule.Recurrence) { r.Pattern.Month = 2 })
	check(false, func(r *schedule.Recurrence) { r.Pattern.DayOfMonth = 2 })
	check(false, func(r *schedule.Recurrence) { r.Pattern.Index = schedule.Last })
	check(false, func(r *schedule.Recurrence) { r.Pattern.FirstDayOfWeek = time.Monday })
	check(false, func(r *schedule.Recurrence) { r.Range.StartDate.Day++ })
	check(false, func(r *schedule.Recurrence) { r.Range.TimeZone = "UTC" })
	check(false, func(r *schedule.Recurrence) { r.Range.Occurrences++ })
}

func TestZones(t *testing.T) {
	check := func(name, want string) {
		t.Helper()
		loc, err := schedule.Zone(name)
		if err != nil || loc.String() != want {
			t.Errorf("zone %q = %v, %v, want %s", name, loc, err, want)
		}
	}
	check("", "UTC")
	check("utc", "UTC")
	check("Europe/Berlin", "Europe/Berlin")
	check("EUROPE/berlin", "Europe/Berlin")
	check("Pacific Standard Time", "America/Los_Angeles")
	check("W. Europe Standard Time", "Europe/Berlin")
	check("w. europe standard time", "Europe/Berlin")
	check("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires")
	for _, name := range []string{"Local", "local", "Europe", "Europe/", "/Europe/Berlin", "Europe/Berlin\x00", "..", "Nowhere Standard Time"} {
		if loc, err := schedule.Zone(name); err == nil {
			t.Errorf("zone %q = %v, want an error", name, loc)
		}
	}
	for windows, iana := range schedule.WindowsZones() {
		check(windows, iana)
	}
	if n := len(schedule.WindowsZones()); n < 40 {
		t.Errorf("%d Windows names", n)
	}
}

// The machine's own zone files and settings must not matter.
func TestZonesDoNotDependOnTheMachine(t *testing.T) {
	t.Setenv("ZONEINFO", t.TempDir())
	t.Setenv("TZ", "Asia/Tokyo")
	loc, err := schedule.Zone("Antarctica/Troll")
	if err != nil {
		t.Fatal(err)
	}
	if got := at("2026-07-01T00:00Z").In(loc).Format(time.RFC3339); got != "2026-07-01T02:00:00+02:00" {
		t.Errorf("Troll in July shows %s", got)
	}
}

// FuzzRecurrence: whatever validates answers every question, quickly and
// without contradiction; whatever does not, never holds.
func FuzzRecurrence(f *testing.F) {
	f.Add(1, 1, 1, 1, uint8(0), 0, 0, 2, 2026, 3, 1, 2026, 4, 1, "Europe/Berlin", 10, "PT24H", int64(1_774_000_000), int64(0))
	f.Add(2, 2, 1, 1, uint8(0x2a), 1, 0, 3, 2026, 3, 1, 2026, 4, 1, "Pacific Standard Time", 10000, "P1M", int64(1_774_000_000), int64(1_900_000_000))
	f.Add(3, 1, 1, 31, uint8(0), 0, 0, 1, 2026, 1, 31, 9999, 12, 31, "", 1, "P1M", int64(1_774_000_000), int64(0))
	f.Add(4, 999, 1, 31, uint8(0x7f), 0, 4, 2, 1, 1, 1, 1, 1, 1, "Pacific/Apia", 1, "PT1S", int64(-62_000_000_000), int64(0))
	f.Add(6, 1, 2, 29, uint8(0x02), 0, 2, 2, 9999, 12, 31, 1, 1, 1, "Africa/Casablanca", 1, "P1000Y", int64(253_000_000_000), int64(0))
	f.Add(1, 1, 1, 1, uint8(0), 0, 0, 2, 2026, 3, 1, 2026, 4, 1, "Europe/Berlin", 10, "PT36H", int64(1_774_000_000), int64(0))
	// A daily pattern that brings days of the week which are none, and does not use them.
	f.Add(1, 25, 2, 29, uint8(0x8d), -63, 2, 2, 9999, 12, 31, 1, -35, 1, "", 1, "P1Y", int64(253_000_000_000), int64(0))
	f.Fuzz(func(t *testing.T, kind, interval, month, dayOfMonth int, dayMask uint8, first, index, rangeType,
		y, m, d, ey, em, ed int, zone string, times int, length string, start, anchor int64) {
		dur, err := schedule.ParseDuration(length)
		if err != nil {
			return
		}
		r := schedule.Recurrence{
			Pattern: schedule.Pattern{Type: schedule.PatternType(kind), Interval: interval, Month: month, DayOfMonth: dayOfMonth,
				FirstDayOfWeek: time.Weekday(first), Index: schedule.Index(index)},
			Range: schedule.Range{Type: schedule.RangeType(rangeType), StartDate: schedule.Date{Year: y, Month: time.Month(m), Day: d},
				EndDate: schedule.Date{Year: ey, Month: time.Month(em), Day: ed}, TimeZone: zone, Occurrences: times},
		}
		for i := range 8 {
			if dayMask&(1<<i) != 0 {
				r.Pattern.DaysOfWeek = append(r.Pattern.DaysOfWeek, time.Weekday(i))
			}
		}
		const calendar = 253_402_300_800 // seconds from 1970 to the year 10000
		w := schedule.Window{Start: time.Unix(start%calendar, 0).UTC(), Length: dur, Recurrence: &r}
		if anchor != 0 {
			w.Anchor = time.Unix(anchor%calendar, 1000).UTC()
		}
		questions(t, w, r.Validate() == nil)
		resolved, err := schedule.Resolve(w.Start, schedule.Info{Start: w.Start, Recurrence: &r,
			Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: dur}})
		if err == nil && !resolved.Contains(resolved.Start) {
			t.Fatalf("resolved to %+v, which does not begin", resolved)
		}
	})
}

func questions(t *testing.T, w schedule.Window, valid bool) {
	t.Helper()
	if w.Overlaps(w.Until(w.Start)) {
		t.Fatal("overlaps an empty window")
	}
	m := w.Start.Add(-1)
	for range 8 {
		held := w.Contains(m)
		if held && !valid {
			t.Fatalf("holds at %v without being valid", m)
		}
		iv, ok := w.At(m)
		if ok != held || ok && !iv.Contains(m) {
			t.Fatalf("At(%v) = %v %v, Contains = %v", m, iv, ok, held)
		}
		next, ok := w.NextChange(m)
		if w.Over(m) != (!held && !ok) {
			t.Fatalf("Over(%v) = %v, NextChange %v %v", m, w.Over(m), next, ok)
		}
		if !ok {
			break
		}
		if !next.After(m) || w.Contains(next) == held || w.Contains(next.Add(-1)) != held {
			t.Fatalf("NextChange(%v) = %v, Contains %v before and %v at it", m, next, w.Contains(next.Add(-1)), w.Contains(next))
		}
		if w.Overlaps(schedule.Window{Start: m, End: next}) != (held && m.Before(next)) {
			t.Fatalf("held %v from %v to %v, and overlap says otherwise", held, m, next)
		}
		m = next
	}
}

func BenchmarkWindow(b *testing.B) {
	window := func(length string) schedule.Window {
		return schedule.Window{Start: at("2026-06-01T07:00Z"), Length: schedule.MustDuration(length), Recurrence: everyDay()}
	}
	now := at("2030-01-01T12:00Z")
	for _, length := range []string{"PT8H", "PT24H", "PT36H", "P1M"} {
		w := window(length)
		b.Run("Contains/"+length, func(b *testing.B) {
			for b.Loop() {
				w.Contains(now)
			}
		})
		b.Run("NextChange/"+length, func(b *testing.B) {
			for b.Loop() {
				w.NextChange(now)
			}
		})
	}
	morning, evening := window("PT1H"), window("PT1H")
	evening.Start = at("2026-06-01T17:00Z")
	b.Run("Overlaps", func(b *testing.B) {
		for b.Loop() {
			morning.Overlaps(evening)
		}
	})
}
