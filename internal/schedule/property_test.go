package schedule_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portcullis/internal/schedule"
)

// The oracle knows a series only as Graph's documentation tells it: it asks
// every day of some years whether the pattern names it, and finds the instant
// of a wall-clock time by looking at the clock every quarter of an hour. The
// zones and times below are such that a quarter of an hour is fine enough.

type oracle struct{ holds []schedule.Interval }

const grain = 15 * time.Minute

func oracleZones() []string {
	return []string{"UTC", "Europe/Berlin", "America/New_York", "W. Europe Standard Time", "Australia/Lord_Howe",
		"Pacific/Apia", "Asia/Katmandu", "Africa/Casablanca", "America/Sao_Paulo", "Europe/Moscow"}
}

// location asks the embedded zones, as the machine's may be of another year.
func location(name string) *time.Location {
	loc, err := schedule.Zone(name)
	if err != nil {
		panic(err)
	}
	return loc
}

func newOracle(w schedule.Window, horizon time.Time) oracle {
	r := *w.Recurrence
	loc := location(r.Range.TimeZone)
	anchor := w.Anchor
	if anchor.IsZero() {
		anchor = w.Start
	}
	h, m, _ := anchor.In(loc).Clock()
	var o oracle
	n := 0
	start := time.Date(r.Range.StartDate.Year, r.Range.StartDate.Month, r.Range.StartDate.Day, 0, 0, 0, 0, time.UTC)
	for day := start; day.Before(horizon); day = day.AddDate(0, 0, 1) {
		if r.Range.Type == schedule.EndDate && day.Format(time.DateOnly) > r.Range.EndDate.String() {
			break
		}
		if !named(r.Pattern, start, day) {
			continue
		}
		if n++; r.Range.Type == schedule.Numbered && n > r.Range.Occurrences {
			break
		}
		begin := wallInstant(day, h, m, loc)
		o.add(w, schedule.Interval{Start: begin, End: w.Length.AddTo(begin)})
	}
	return o
}

func (o *oracle) add(w schedule.Window, iv schedule.Interval) {
	iv, ok := iv.Intersect(schedule.Interval{Start: w.Start, End: w.End})
	if !ok {
		return
	}
	if n := len(o.holds); n > 0 && !iv.Start.After(o.holds[n-1].End) {
		if iv.End.After(o.holds[n-1].End) {
			o.holds[n-1].End = iv.End
		}
		return
	}
	o.holds = append(o.holds, iv)
}

func (o oracle) at(t time.Time) (schedule.Interval, bool) {
	for _, iv := range o.holds {
		if iv.Contains(t) {
			return iv, true
		}
	}
	return schedule.Interval{}, false
}

func (o oracle) next(t time.Time) (schedule.Interval, bool) {
	for _, iv := range o.holds {
		if iv.Start.After(t) {
			return iv, true
		}
	}
	return schedule.Interval{}, false
}

// named tells whether the pattern names the day.
func named(p schedule.Pattern, start, day time.Time) bool {
	months := func(t time.Time) int { return t.Year()*12 + int(t.Month()) }
	due := func(periods int) bool { return periods%p.Interval == 0 }
	switch p.Type {
	case schedule.Daily:
		return due(int(day.Sub(start).Hours()) / 24)
	case schedule.Weekly:
		weekOf := func(t time.Time) time.Time {
			for t.Weekday() != p.FirstDayOfWeek {
				t = t.AddDate(0, 0, -1)
			}
			return t
		}
		return slices.Contains(p.DaysOfWeek, day.Weekday()) && due(int(weekOf(day).Sub(weekOf(start)).Hours())/24/7)
	case schedule.AbsoluteMonthly:
		return due(months(day)-months(start)) && absolute(p, day)
	case schedule.AbsoluteYearly:
		return due(day.Year()-start.Year()) && int(day.Month()) == p.Month && absolute(p, day)
	case schedule.RelativeMonthly:
		return due(months(day)-months(start)) && relative(p, day)
	case schedule.RelativeYearly:
		return due(day.Year()-start.Year()) && int(day.Month()) == p.Month && relative(p, day)
	}
	return false
}

func absolute(p schedule.Pattern, day time.Time) bool {
	lastOfMonth := day.AddDate(0, 0, 1).Day() == 1
	return day.Day() == p.DayOfMonth || lastOfMonth && p.DayOfMonth > day.Day()
}

func relative(p schedule.Pattern, day time.Time) bool {
	if !slices.Contains(p.DaysOfWeek, day.Weekday()) {
		return false
	}
	matching := func(step int) (n int) {
		for d := day.AddDate(0, 0, step); d.Month() == day.Month(); d = d.AddDate(0, 0, step) {
			if slices.Contains(p.DaysOfWeek, d.Weekday()) {
				n++
			}
		}
		return n
	}
	if p.Index == schedule.Last {
		return matching(1) == 0
	}
	return matching(-1) == int(p.Index-schedule.First)
}

func wallInstant(day time.Time, h, m int, loc *time.Location) time.Time {
	want := day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute).Format(time.DateTime)
	for t := day.Add(-15 * time.Hour); ; t = t.Add(grain) {
		// The first instant that shows the time or, after a gap, a later one.
		if t.In(loc).Format(time.DateTime) >= want {
			return t
		}
	}
}

func genDuration() *rapid.Generator[schedule.Duration] {
	return rapid.Custom(func(t *rapid.T) schedule.Duration {
		text := "P"
		for _, p := range []struct {
			letter string
			most   int
		}{{"Y", 20}, {"M", 30}, {"W", 60}, {"D", 400}} {
			if n := rapid.IntRange(-p.most, p.most).Draw(t, p.letter); n >= 0 {
				text += fmt.Sprint(n) + p.letter
			}
		}
		clock := ""
		for _, letter := range []string{"H", "M", "S"} {
			if n := rapid.IntRange(-100, 100).Draw(t, "T"+letter); n >= 0 {
				clock += fmt.Sprint(n) + letter
			}
		}
		if clock != "" {
			text += "T" + clock
		}
		if text == "P" {
			return schedule.Duration{}
		}
		return schedule.MustDuration(text)
	})
}

func genInstant() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		quarters := rapid.Int64Range(0, 12*366*96).Draw(t, "quarters since 2009")
		return at("2009-01-01T00:00Z").Add(time.Duration(quarters) * grain)
	})
}

func genPattern() *rapid.Generator[schedule.Pattern] {
	return rapid.Custom(func(t *rapid.T) schedule.Pattern {
		p := schedule.Pattern{
			Type:           schedule.PatternType(rapid.IntRange(1, 6).Draw(t, "type")),
			Interval:       rapid.SampledFrom([]int{1, 1, 1, 2, 3, 5}).Draw(t, "interval"),
			Month:          rapid.IntRange(1, 12).Draw(t, "month"),
			DayOfMonth:     rapid.IntRange(1, 31).Draw(t, "day"),
			FirstDayOfWeek: time.Weekday(rapid.IntRange(0, 6).Draw(t, "week from")),
			Index:          schedule.Index(rapid.IntRange(0, 4).Draw(t, "index")),
		}
		for _, d := range rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 1, 7, rapid.ID[int]).Draw(t, "days") {
			p.DaysOfWeek = append(p.DaysOfWeek, time.Weekday(d))
		}
		if p.Type == schedule.AbsoluteYearly {
			p.DayOfMonth = min(p.DayOfMonth, []int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[p.Month-1])
		}
		return p
	})
}

func genRange(from time.Time) *rapid.Generator[schedule.Range] {
	return rapid.Custom(func(t *rapid.T) schedule.Range {
		date := func(d time.Time) schedule.Date {
			y, m, dd := d.Date()
			return schedule.Date{Year: y, Month: m, Day: dd}
		}
		begin := from.AddDate(0, 0, rapid.IntRange(-40, 40).Draw(t, "begin"))
		return schedule.Range{
			Type:        schedule.RangeType(rapid.IntRange(1, 3).Draw(t, "range")),
			StartDate:   date(begin),
			EndDate:     date(begin.AddDate(0, 0, rapid.IntRange(0, 900).Draw(t, "days"))),
			TimeZone:    rapid.SampledFrom(oracleZones()).Draw(t, "zone"),
			Occurrences: rapid.IntRange(1, 60).Draw(t, "occurrences"),
		}
	})
}

// genLength favours lengths at which neighbours just touch or just do not.
func genLength() *rapid.Generator[schedule.Duration] {
	return rapid.Custom(func(t *rapid.T) schedule.Duration {
		if rapid.IntRange(0, 3).Draw(t, "months?") == 0 {
			return schedule.MustDuration(rapid.SampledFrom([]string{"P1M", "P2M", "P1Y", "P1MT1H", "P28D", "P31D", "P365D", "P366D"}).Draw(t, "length"))
		}
		hours := 24*rapid.SampledFrom([]int{0, 1, 1, 2, 3, 5, 6, 7, 14}).Draw(t, "days") + rapid.IntRange(-1, 26).Draw(t, "hours")
		return schedule.FromTime(max(time.Duration(hours)*time.Hour+time.Duration(rapid.IntRange(0, 3).Draw(t, "quarters"))*grain, grain))
	})
}

func genRecurrentWindow() *rapid.Generator[schedule.Window] {
	return rapid.Custom(func(t *rapid.T) schedule.Window {
		start := genInstant().Draw(t, "start")
		w := schedule.Window{Start: start, Length: genLength().Draw(t, "length"), Recurrence: &schedule.Recurrence{
			Pattern: genPattern().Draw(t, "pattern"), Range: genRange(start).Draw(t, "range"),
		}}
		if rapid.Bool().Draw(t, "anchored") {
			w.Anchor = genInstant().Draw(t, "anchor")
		}
		if rapid.Bool().Draw(t, "cut") {
			w.End = start.Add(time.Duration(rapid.IntRange(0, 400*96).Draw(t, "quarters")) * grain)
		}
		return w
	})
}

func genWindow() *rapid.Generator[schedule.Window] {
	return rapid.Custom(func(t *rapid.T) schedule.Window {
		if rapid.IntRange(0, 3).Draw(t, "recurrent?") > 0 {
			return genRecurrentWindow().Draw(t, "recurrent")
		}
		w := schedule.Window{Start: genInstant().Draw(t, "start")}
		if rapid.Bool().Draw(t, "ends") {
			w.End = w.Start.Add(time.Duration(rapid.IntRange(-10, 4000).Draw(t, "quarters")) * grain)
		}
		return w
	})
}

// moment is an instant worth asking about: near the start, or on a hold's edge.
func moment(t *rapid.T, w schedule.Window) time.Time {
	m := w.Start.Add(time.Duration(rapid.IntRange(-500, 96*500).Draw(t, "quarters from start")) * grain)
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		if next, ok := w.NextChange(m); ok && next.Before(w.Start.AddDate(3, 0, 0)) {
			m = next
		}
	}
	return m.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "microseconds")) * time.Microsecond)
}

func TestWindowAgreesWithTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genRecurrentWindow().Draw(t, "window")
		horizon := w.Start.AddDate(12, 0, 0)
		if w.Recurrence.Pattern.Type <= schedule.Weekly {
			horizon = w.Start.AddDate(5, 0, 0)
		}
		o := newOracle(w, horizon)
		for range 6 {
			m := moment(t, w)
			want, wantOK := o.at(m)
			got, ok := w.At(m)
			if w.Contains(m) != wantOK {
				t.Fatalf("Contains(%v) = %v, want %v", m, !wantOK, wantOK)
			}
			compareHolds(t, "At", m, got, want, ok, wantOK, horizon)
			want, wantOK = o.next(m)
			got, ok = w.Next(m)
			compareHolds(t, "Next", m, got, want, ok, wantOK, horizon)
		}
	})
}

// compareHolds leaves out what happens near the horizon and after it, where
// the oracle stops looking.
func compareHolds(t *rapid.T, what string, m time.Time, got, want schedule.Interval, ok, wantOK bool, horizon time.Time) {
	t.Helper()
	seen := horizon.AddDate(-2, 0, 0)
	if !wantOK && ok && got.Start.After(seen) {
		return
	}
	if wantOK && want.Start.After(seen) {
		return
	}
	if wantOK && want.End.After(seen) && (got.End.IsZero() || got.End.After(seen)) {
		want.End = got.End
	}
	if ok != wantOK || !cmp.Equal(got, want) {
		t.Fatalf("%s(%v) = %v %v, want %v %v", what, m, got, ok, want, wantOK)
	}
}

func TestNextChangeAgreesWithContains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow().Draw(t, "window")
		m := moment(t, w)
		now := w.Contains(m)
		change, ok := w.NextChange(m)
		if ok {
			if !change.After(m) || w.Contains(change) == now || w.Contains(change.Add(-1)) != now {
				t.Fatalf("NextChange(%v) = %v where Contains goes from %v to %v", m, change, w.Contains(change.Add(-1)), w.Contains(change))
			}
		}
		if w.Over(m) != (!now && !ok) {
			t.Fatalf("Over(%v) = %v; holds: %v, changes: %v", m, w.Over(m), now, ok)
		}
		for s := m; s.Before(m.AddDate(0, 2, 0)) && (!ok || s.Before(change)); s = s.Add(grain) {
			if w.Contains(s) != now {
				t.Fatalf("Contains changes by %v, NextChange(%v) = %v %v", s, m, change, ok)
			}
		}
	})
}

func TestAtAndNextAreConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow().Draw(t, "window")
		m := moment(t, w)
		iv, ok := w.At(m)
		if ok != w.Contains(m) || ok && !iv.Contains(m) {
			t.Fatalf("At(%v) = %v %v", m, iv, ok)
		}
		if ok {
			again, ok := w.At(iv.Start)
			if !ok || !cmp.Equal(again, iv) {
				t.Fatalf("At(%v) = %v, but at its start %v %v", m, iv, again, ok)
			}
			if w.Contains(iv.Start.Add(-1)) || !iv.End.IsZero() && w.Contains(iv.End) {
				t.Fatalf("At(%v) = %v is not the whole hold", m, iv)
			}
		}
		if next, ok := w.Next(m); ok {
			again, ok := w.At(next.Start)
			if !next.Start.After(m) || !ok || !cmp.Equal(again, next) {
				t.Fatalf("Next(%v) = %v, but At its start %v %v", m, next, again, ok)
			}
		}
		span := w.Span()
		if w.Contains(m) && !span.Contains(m) {
			t.Fatalf("holds at %v outside of its span %v", m, span)
		}
	})
}

func TestUntilNeverLengthens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow().Draw(t, "window")
		end := moment(t, w)
		cut := w.Until(end)
		if !cmp.Equal(w.Until(time.Time{}), w) {
			t.Fatal("Until(zero) changes the window")
		}
		for range 5 {
			m := moment(t, w)
			if want := w.Contains(m) && m.Before(end); cut.Contains(m) != want {
				t.Fatalf("cut at %v: Contains(%v) = %v, want %v", end, m, !want, want)
			}
			if later := cut.Until(end.Add(time.Hour)); later.Contains(m) != cut.Contains(m) {
				t.Fatalf("a later end gives back %v", m)
			}
		}
		if !cut.Over(end) {
			t.Fatalf("not over at its end %v", end)
		}
	})
}

func TestOverlapsMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genWindow().Draw(t, "a"), genWindow().Draw(t, "b")
		if rapid.Bool().Draw(t, "near") {
			b.Start = a.Start.Add(time.Duration(rapid.IntRange(-400, 400).Draw(t, "quarters")) * grain)
		}
		got := a.Overlaps(b)
		if got != b.Overlaps(a) {
			t.Fatalf("a overlaps b: %v, b overlaps a: %v", got, !got)
		}
		common := false
		m := a.Start
		if b.Start.After(m) {
			m = b.Start
		}
		for range 300 {
			if a.Contains(m) && b.Contains(m) {
				common = true
				break
			}
			next, ok := a.NextChange(m)
			if other, okB := b.NextChange(m); okB && (!ok || other.Before(next)) {
				next, ok = other, true
			}
			if !ok {
				if got {
					t.Fatalf("said to overlap, and never do")
				}
				break
			}
			m = next
		}
		if common && !got {
			t.Fatalf("both hold at %v and are said not to overlap", m)
		}
	})
}

func TestResolveBeginsWhereItHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asked := genWindow().Draw(t, "asked")
		now := moment(t, asked)
		in := schedule.Info{Start: asked.Start, Recurrence: asked.Recurrence,
			Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: genLength().Draw(t, "duration")}}
		w, err := schedule.Resolve(now, in)
		if err != nil {
			if in.Recurrence == nil {
				t.Fatalf("Resolve: %v", err)
			}
			return
		}
		if w.Start.Before(now.Truncate(time.Microsecond)) || !w.Contains(w.Start) || w.Over(w.Start) {
			t.Fatalf("asked at %v, resolved to %+v", now, w)
		}
		if !w.End.IsZero() && (w.Contains(w.End) || !w.Over(w.End) || !w.Contains(w.End.Add(-1))) {
			t.Fatalf("resolved to %+v, and that is not its end", w)
		}
		// What was cut off in front changes nothing behind.
		full := schedule.Window{Start: asked.Start, Length: w.Length, Recurrence: w.Recurrence}
		if m := moment(t, w); w.Recurrence != nil && !m.Before(w.Start) && w.Contains(m) != full.Contains(m) {
			t.Fatalf("at %v: resolved %v, as asked %v", m, w.Contains(m), full.Contains(m))
		}
	})
}
