package schedule_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/schedule"
)

func TestResolve(t *testing.T) {
	now := at("2026-06-01T12:00:00.1234567Z")
	kept := at("2026-06-01T12:00:00.123456Z")
	check := func(name string, in schedule.Info, want schedule.Window) {
		t.Helper()
		got, err := schedule.Resolve(now, in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	after := func(d string) schedule.Expiration {
		return schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration(d)}
	}
	until := func(end string) schedule.Expiration {
		return schedule.Expiration{Kind: schedule.AfterDateTime, End: at(end)}
	}
	check("nothing said", schedule.Info{}, schedule.Window{Start: kept})
	check("no end", schedule.Info{Expiration: schedule.Expiration{Kind: schedule.NoExpiration}}, schedule.Window{Start: kept})
	check("past start", schedule.Info{Start: at("2026-05-01T00:00Z"), Expiration: after("PT8H")},
		schedule.Window{Start: kept, End: at("2026-06-01T20:00:00.123456Z")})
	check("future start", schedule.Info{Start: at("2026-07-01T02:00:00.9999999+02:00"), Expiration: after("P1M")},
		schedule.Window{Start: at("2026-07-01T00:00:00.999999Z"), End: at("2026-08-01T00:00:00.999999Z")})
	check("end", schedule.Info{Expiration: until("2026-06-01T14:00:01+02:00")},
		schedule.Window{Start: kept, End: at("2026-06-01T12:00:01Z")})
	check("what the kind does not use is ignored",
		schedule.Info{Expiration: schedule.Expiration{End: at("2001-01-01T00:00Z"), Duration: schedule.MustDuration("PT1H")}},
		schedule.Window{Start: kept})
}

func TestResolveRefuses(t *testing.T) {
	now := at("2026-06-01T12:00Z")
	check := func(name string, in schedule.Info, field string) {
		t.Helper()
		w, err := schedule.Resolve(now, in)
		e, ok := errors.AsType[*schedule.Error](err)
		if !ok || e.Field != field || e.Detail == "" || e.Error() != field+": "+e.Detail {
			t.Errorf("%s: got %v, want an Error about %s", name, err, field)
		}
		if !cmp.Equal(w, schedule.Window{}) {
			t.Errorf("%s: refused and yet %v", name, w)
		}
	}
	of := func(kind schedule.ExpirationKind, end, d string) schedule.Expiration {
		e := schedule.Expiration{Kind: kind}
		if end != "" {
			e.End = at(end)
		}
		if d != "" {
			e.Duration = schedule.MustDuration(d)
		}
		return e
	}
	tomorrow := at("2026-06-02T12:00Z")
	check("end missing", schedule.Info{Expiration: of(schedule.AfterDateTime, "", "PT1H")}, "expiration.end")
	check("end past", schedule.Info{Expiration: of(schedule.AfterDateTime, "2026-05-01T00:00Z", "")}, "expiration.end")
	check("end at the start", schedule.Info{Start: tomorrow, Expiration: of(schedule.AfterDateTime, "2026-06-02T12:00Z", "")}, "expiration.end")
	check("end before the start", schedule.Info{Start: tomorrow, Expiration: of(schedule.AfterDateTime, "2026-06-02T11:00Z", "")}, "expiration.end")
	check("end after the calendar", schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDateTime, End: at("9999-12-31T00:00Z").AddDate(1, 0, 0)}}, "expiration.end")
	check("duration missing", schedule.Info{Expiration: of(schedule.AfterDuration, "2026-07-01T00:00Z", "")}, "expiration.duration")
	check("duration nothing", schedule.Info{Expiration: of(schedule.AfterDuration, "", "PT0S")}, "expiration.duration")
	check("duration next to nothing", schedule.Info{Expiration: of(schedule.AfterDuration, "", "PT0.0000001S")}, "expiration.duration")
	check("duration out of the calendar", schedule.Info{Start: at("9999-12-31T00:00Z"), Expiration: of(schedule.AfterDuration, "", "P2D")}, "expiration.duration")
	check("start out of the calendar", schedule.Info{Start: at("9999-12-31T00:00Z").AddDate(1, 0, 0)}, "start")
	check("kind unknown", schedule.Info{Expiration: schedule.Expiration{Kind: 4}}, "expiration")
	check("kind below", schedule.Info{Expiration: schedule.Expiration{Kind: -1}}, "expiration")

	daily := everyDay()
	check("recurrence for ever", schedule.Info{Recurrence: daily}, "expiration")
	check("recurrence without expiration", schedule.Info{Recurrence: daily, Expiration: of(schedule.NoExpiration, "", "PT1H")}, "expiration")
	check("recurrence of unknown kind", schedule.Info{Recurrence: daily, Expiration: of(9, "", "PT1H")}, "expiration")
	check("recurrence without duration", schedule.Info{Recurrence: daily, Expiration: of(schedule.AfterDuration, "", "")}, "expiration.duration")
	check("recurrence with end before the start", schedule.Info{Start: tomorrow, Recurrence: daily, Expiration: of(schedule.AfterDateTime, "2026-06-02T11:00Z", "")}, "expiration.end")
	check("recurrence with occurrences of three centuries", schedule.Info{Recurrence: daily, Expiration: of(schedule.AfterDateTime, "2326-06-02T11:00Z", "")}, "expiration.end")
	check("recurrence of no type", schedule.Info{Recurrence: &schedule.Recurrence{}, Expiration: of(schedule.AfterDuration, "", "PT1H")}, "recurrence.pattern.type")
}

func everyDay() *schedule.Recurrence {
	return &schedule.Recurrence{
		Pattern: schedule.Pattern{Type: schedule.Daily, Interval: 1},
		Range:   schedule.Range{Type: schedule.NoEnd, StartDate: schedule.Date{Year: 2026, Month: 6, Day: 1}, TimeZone: "Europe/Berlin"},
	}
}

// With an end instead of a duration, each occurrence lasts from the start as
// asked for to that end, also when the start is already past.
func TestResolveRecurrenceUntilDateTime(t *testing.T) {
	in := schedule.Info{Start: at("2026-06-01T07:00Z"), Recurrence: everyDay(),
		Expiration: schedule.Expiration{Kind: schedule.AfterDateTime, End: at("2026-06-01T15:30Z")}}
	check := func(now string, want schedule.Window) {
		t.Helper()
		want.Length, want.Recurrence = schedule.MustDuration("PT8H30M"), everyDay()
		got, err := schedule.Resolve(at(now), in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("asked at %s (-want +got):\n%s", now, diff)
		}
	}
	check("2026-05-01T00:00Z", schedule.Window{Start: at("2026-06-01T07:00Z")})
	// The start moves into the occurrence, so the anchor keeps the time of day.
	check("2026-06-01T10:00Z", schedule.Window{Start: at("2026-06-01T10:00Z"), Anchor: at("2026-06-01T07:00Z")})
	check("2026-06-01T15:30Z", schedule.Window{Start: at("2026-06-02T07:00Z")})
	check("2026-12-01T00:00Z", schedule.Window{Start: at("2026-12-01T08:00Z")})
}

func TestResolveKeepsNothingOfTheAsker(t *testing.T) {
	r := everyDay()
	r.Pattern.Type, r.Pattern.DaysOfWeek = schedule.Weekly, []time.Weekday{time.Monday}
	w, err := schedule.Resolve(at("2026-06-01T00:00Z"), schedule.Info{Recurrence: r,
		Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("PT1H")}})
	if err != nil {
		t.Fatal(err)
	}
	r.Pattern.DaysOfWeek[0] = time.Friday
	if got := w.Recurrence.Pattern.DaysOfWeek[0]; got != time.Monday {
		t.Errorf("the asker's change reaches the window: %v", got)
	}
}

func TestWindowThatNeverHolds(t *testing.T) {
	start, later := at("2026-06-01T00:00Z"), at("2026-06-02T00:00Z")
	hour := schedule.MustDuration("PT1H")
	always := schedule.Window{Start: at("2000-01-01T00:00Z")}
	for name, w := range map[string]schedule.Window{
		"zero value":              {},
		"no start":                {End: later},
		"end at the start":        {Start: start, End: start},
		"end before the start":    {Start: later, End: start},
		"recurrence of no type":   {Start: start, Length: hour, Recurrence: &schedule.Recurrence{}},
		"recurrence of no time":   {Start: start, Recurrence: everyDay()},
		"less than a microsecond": {Start: start, Length: schedule.MustDuration("PT0.0000009S"), Recurrence: everyDay()},
		"recurrence, no start":    {Length: hour, Recurrence: everyDay()},
	} {
		for _, m := range []time.Time{{}, start.Add(-1), start, start.Add(time.Minute), later, later.AddDate(100, 0, 0)} {
			if w.Contains(m) || !w.Over(m) || w.Span().Contains(m) {
				t.Errorf("%s: holds at %v or will, or spans it", name, m)
			}
			if _, ok := w.At(m); ok {
				t.Errorf("%s: At(%v)", name, m)
			}
			if next, ok := w.NextChange(m); ok {
				t.Errorf("%s: NextChange(%v) = %v", name, m, next)
			}
		}
		if w.Overlaps(always) || always.Overlaps(w) || w.Overlaps(w) {
			t.Errorf("%s: overlaps something", name)
		}
	}
}

func TestWindowSpan(t *testing.T) {
	start, end := at("2026-06-03T07:30Z"), at("2026-06-10T00:00Z")
	check := func(name string, w schedule.Window, want schedule.Interval) {
		t.Helper()
		if diff := cmp.Diff(want, w.Span()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	check("plain", schedule.Window{Start: start, End: end}, schedule.Interval{Start: start, End: end})
	check("for ever", schedule.Window{Start: start}, schedule.Interval{Start: start})
	hour := schedule.MustDuration("PT1H")
	check("series without end", schedule.Window{Start: start, Length: hour, Recurrence: everyDay()}, schedule.Interval{Start: start})
	check("series that is cut", schedule.Window{Start: start, End: end, Length: hour, Recurrence: everyDay()}, schedule.Interval{Start: start, End: end})
	five := everyDay()
	five.Range.Type, five.Range.Occurrences = schedule.Numbered, 5
	check("series that ends by itself", schedule.Window{Start: start, Length: hour, Recurrence: five},
		schedule.Interval{Start: start, End: at("2026-06-05T08:30Z")})
}

func TestWindowOverlaps(t *testing.T) {
	daily := func(start, length string) schedule.Window {
		return schedule.Window{Start: at(start), Length: schedule.MustDuration(length), Recurrence: everyDay()}
	}
	check := func(name string, a, b schedule.Window, want bool) {
		t.Helper()
		if got, back := a.Overlaps(b), b.Overlaps(a); got != want || back != want {
			t.Errorf("%s: Overlaps = %v and %v, want %v", name, got, back, want)
		}
	}
	morning := daily("2026-06-01T06:00Z", "PT4H")
	check("one stretch between two occurrences", morning, schedule.Window{Start: at("2026-06-01T10:00Z"), End: at("2026-06-02T06:00Z")}, false)
	check("one stretch over a microsecond of one", morning, schedule.Window{Start: at("2026-06-01T10:00Z"), End: at("2026-06-02T06:00:00.000001Z")}, true)
	check("a stretch long after", morning, schedule.Window{Start: at("2040-06-01T06:30Z"), End: at("2040-06-01T06:31Z")}, true)
	check("two stretches", schedule.Window{Start: at("2026-06-01T10:00Z")}, schedule.Window{Start: at("2026-06-01T09:00Z"), End: at("2026-06-01T10:00Z")}, false)
	check("morning and noon", morning, daily("2026-06-01T09:00Z", "PT1H"), true)
	evening := daily("2026-06-01T16:00Z", "PT4H")
	check("morning and evening of one month", morning.Until(at("2026-07-01T00:00Z")), evening.Until(at("2026-07-01T00:00Z")), false)
	check("morning and evening for ever are not told apart", morning, evening, true)
	check("one ends before the other begins", morning.Until(at("2026-07-01T00:00Z")), daily("2026-07-02T06:00Z", "PT1H"), false)
	third, fourth := daily("2026-06-01T06:00Z", "PT1H"), daily("2026-06-03T06:30Z", "PT1H")
	third.Recurrence.Pattern.Interval, fourth.Recurrence.Pattern.Interval = 3, 7
	check("every third day meets every seventh", third, fourth, true)
}

func TestInterval(t *testing.T) {
	iv := func(start, end string) schedule.Interval {
		i := schedule.Interval{Start: at(start)}
		if end != "" {
			i.End = at(end)
		}
		return i
	}
	one, two, three := "2026-06-01T00:00Z", "2026-06-02T00:00Z", "2026-06-03T00:00Z"
	check := func(a, b schedule.Interval, want schedule.Interval, wantOK bool) {
		t.Helper()
		for _, pair := range [][2]schedule.Interval{{a, b}, {b, a}} {
			got, ok := pair[0].Intersect(pair[1])
			if ok != wantOK || !cmp.Equal(got, want) || pair[0].Overlaps(pair[1]) != wantOK {
				t.Errorf("%v and %v share %v %v, want %v %v", pair[0], pair[1], got, ok, want, wantOK)
			}
		}
	}
	check(iv(one, three), iv(two, ""), iv(two, three), true)
	check(iv(one, ""), iv(two, ""), iv(two, ""), true)
	check(iv(one, three), iv(one, two), iv(one, two), true)
	check(iv(one, two), iv(two, three), schedule.Interval{}, false)
	check(iv(one, two), iv(two, ""), schedule.Interval{}, false)
	check(iv(one, three), iv(two, two), schedule.Interval{}, false)
	check(iv(one, ""), iv(three, two), schedule.Interval{}, false)
	for text, want := range map[string]bool{one: true, two: false, "2026-06-01T23:59:59.999999999Z": true, "2026-05-31T23:59:59.999999999Z": false} {
		if got := iv(one, two).Contains(at(text)); got != want {
			t.Errorf("Contains(%s) = %v", text, got)
		}
	}
	if !iv(one, "").Contains(at("9999-01-01T00:00Z")) || iv(one, one).Contains(at(one)) {
		t.Error("for ever ends, or nothing contains something")
	}
}
