package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis/internal/schedule"
)

func at(text string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04Z", time.RFC3339Nano} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	panic("not an instant: " + text)
}

func TestDurationAddsTo(t *testing.T) {
	check := func(duration, from, want string) {
		t.Helper()
		d, err := schedule.ParseDuration(duration)
		if err != nil {
			t.Errorf("ParseDuration(%q): %v", duration, err)
			return
		}
		if got := d.AddTo(at(from)); !got.Equal(at(want)) || got.Location() != time.UTC {
			t.Errorf("%s + %s = %v, want %s", from, duration, got, want)
		}
		if d.String() != duration {
			t.Errorf("ParseDuration(%q).String() = %q", duration, d)
		}
	}
	// What clients send.
	check("PT8H", "2026-01-02T03:04Z", "2026-01-02T11:04Z")
	check("PT480M", "2026-01-02T03:04Z", "2026-01-02T11:04Z")
	check("PT28800S", "2026-01-02T03:04Z", "2026-01-02T11:04Z")
	check("P2W6D", "2026-01-01T00:00Z", "2026-01-21T00:00Z")
	check("P365D", "2027-06-01T12:00Z", "2028-05-31T12:00Z")
	check("P1DT12H30M", "2026-02-28T12:00Z", "2026-03-02T00:30Z")
	check("PT08H", "2026-01-02T03:04Z", "2026-01-02T11:04Z")
	check("PT0S", "2026-01-02T03:04Z", "2026-01-02T03:04Z")
	// Fractions of a second.
	check("PT0.5S", "2026-01-01T00:00Z", "2026-01-01T00:00:00.5Z")
	check("PT1.000001S", "2026-01-01T00:00Z", "2026-01-01T00:00:01.000001Z")
	check("PT0.123456789S", "2026-01-01T00:00Z", "2026-01-01T00:00:00.123456789Z")
	// The calendar: a shorter month ends the addition.
	check("P1M", "2026-01-31T10:00Z", "2026-02-28T10:00Z")
	check("P1M", "2028-01-31T10:00Z", "2028-02-29T10:00Z")
	check("P13M", "2026-01-31T10:00Z", "2027-02-28T10:00Z")
	check("P1Y", "2028-02-29T10:00Z", "2029-02-28T10:00Z")
	check("P4Y", "2028-02-29T10:00Z", "2032-02-29T10:00Z")
	check("P1Y1M", "2027-01-31T00:00Z", "2028-02-29T00:00Z")
	check("P1M1D", "2026-01-31T00:00Z", "2026-03-01T00:00Z")
	check("P1Y2M3W4DT5H6M7.8S", "2026-01-01T00:00Z", "2027-03-26T05:06:07.8Z")
	check("P2M", "2026-12-31T23:59Z", "2027-02-28T23:59Z")
	// The end of February is counted once, on the sum of years and months.
	check("P1Y12M", "2026-02-28T00:00Z", "2028-02-28T00:00Z")
	// An instant in another zone is taken as the instant that it is.
	check("P1M", "2026-03-31T01:00:00+02:00", "2026-04-30T23:00Z")
	// The largest parts together stay in the calendar.
	check("P1000Y12000M", "2026-01-01T00:00Z", "4026-01-01T00:00Z")
}

func TestDurationRefuses(t *testing.T) {
	for _, text := range []string{
		"", "P", "PT", "P1DT", "1H", "PT1", "P1", "P1H", "P1S", "PT1D", "PT1W", "PT1Y",
		"-P1D", "+P1D", "P-1D", "PT-1H", "p1d", "PT1h", "P1D ", " P1D", "P1D1D", "P1D1M", "PT1M1H", "PT1S1M",
		"P1.5D", "PT1.5H", "PT0.5M", "P0.5Y", "PT1.S", "PT.5S", "PT1.2.3S", "PT1,5S", "PT0.1234567890S",
		"P1001Y", "P12001M", "P99999999999999999999D", "PT9223372036854775807S", "PT1HT1M", "PTT1H",
		"P١D", "P1D\x00", "PnYnM", "P1Y" + strings.Repeat("0", 64) + "D", "P" + strings.Repeat("0", 62) + "1D",
	} {
		if d, err := schedule.ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %q, want an error", text, d)
		}
	}
}

func TestDurationOfElapsedTime(t *testing.T) {
	check := func(elapsed time.Duration, want string) {
		t.Helper()
		d := schedule.FromTime(elapsed)
		if got := d.String(); got != want {
			t.Errorf("FromTime(%v) = %q, want %q", elapsed, got, want)
		}
		if d.IsZero() != (want == "") {
			t.Errorf("FromTime(%v).IsZero() = %v", elapsed, d.IsZero())
		}
	}
	check(0, "")
	check(-time.Hour, "")
	check(8*time.Hour, "PT8H")
	check(90*time.Minute, "PT1H30M")
	check(24*time.Hour, "P1D")
	check(365*24*time.Hour, "P365D")
	check(25*time.Hour+time.Second, "P1DT1H1S")
	check(time.Millisecond, "PT0.001S")
	check(61*time.Second+1500*time.Microsecond, "PT1M1.0015S")
	check(1, "PT0.000000001S")
}

func TestDurationIsZero(t *testing.T) {
	if !(schedule.Duration{}).IsZero() || !schedule.MustDuration("PT0S").IsZero() || !schedule.MustDuration("P0Y0DT0M").IsZero() {
		t.Error("a duration of nothing is not zero")
	}
	if schedule.MustDuration("PT0.000000001S").IsZero() || schedule.MustDuration("P1M").IsZero() {
		t.Error("a duration of something is zero")
	}
}

func TestDurationLonger(t *testing.T) {
	check := func(d, than, from string, want bool) {
		t.Helper()
		if got := schedule.MustDuration(d).Longer(schedule.MustDuration(than), at(from)); got != want {
			t.Errorf("%s longer than %s from %s = %v, want %v", d, than, from, got, want)
		}
	}
	check("P1M", "P30D", "2026-01-01T00:00Z", true)
	check("P1M", "P30D", "2026-02-01T00:00Z", false)
	check("P30D", "P1M", "2026-04-01T00:00Z", false)
	check("PT60M", "PT1H", "2026-01-01T00:00Z", false)
	check("PT1H", "PT60M", "2026-01-01T00:00Z", false)
	check("PT1H0.000001S", "PT1H", "2026-01-01T00:00Z", true)
	check("P1Y", "P365D", "2027-03-01T00:00Z", true)
	check("P1Y", "P365D", "2026-03-01T00:00Z", false)
}

func TestMustDurationPanicsOnNonsense(t *testing.T) {
	defer func() {
		err, _ := recover().(error)
		if err == nil || errors.Unwrap(err) == nil {
			t.Errorf("MustDuration panicked with %v, want the wrapped error", err)
		}
	}()
	schedule.MustDuration("P1H")
}

func TestDurationNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDuration().Draw(t, "d")
		from := genInstant().Draw(t, "from")
		end := d.AddTo(from)
		if end.Before(from) || end.Equal(from) != d.IsZero() {
			t.Fatalf("%v + %s = %v", from, d, end)
		}
		again, err := schedule.ParseDuration(d.String())
		if d.String() != "" && (err != nil || !again.Equal(d)) {
			t.Fatalf("%q parses to %v, %v", d, again, err)
		}
		if elapsed := end.Sub(from); from.Add(elapsed).Equal(end) {
			if made := schedule.FromTime(elapsed); !made.AddTo(from).Equal(end) {
				t.Fatalf("FromTime(%v) = %s adds to %v, want %v", elapsed, made, made.AddTo(from), end)
			}
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"PT8H", "P2W6D", "PT480M", "P1Y2M3W4DT5H6M7.8S", "P1H", "PT0.000000001S", "P1000Y12000M52285W366000DT8784000H527040000M31622400000S"} {
		f.Add(s)
	}
	from := at("2026-11-30T23:59:59.999999Z")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := schedule.ParseDuration(text)
		if err != nil {
			if !d.IsZero() || d.String() != "" {
				t.Fatalf("%q is refused and yet %v", text, d)
			}
			return
		}
		if d.String() != text || len(text) > 64 {
			t.Fatalf("%q became %q", text, d)
		}
		end := d.AddTo(from)
		if end.Before(from) || end.Equal(from) != d.IsZero() || end.Year() > 9999 {
			t.Fatalf("%q ends %v", text, end)
		}
		if d.Longer(d, from) {
			t.Fatalf("%q is longer than itself", text)
		}
	})
}
