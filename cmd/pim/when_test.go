package main

import (
	"errors"
	"regexp"
	"testing"
	"time"
)

// TestSpan is a page of lengths of time as people write them.
func TestSpan(t *testing.T) {
	for text, want := range map[string]string{
		"90m": "PT1H30M", "2h": "PT2H", "1h30m": "PT1H30M", "45s": "PT45S", "7d": "P7D", "2w": "P14D", "1w2d": "P9D",
		"1d12h": "P1DT12H", " 8H ": "PT8H", "PT8H": "PT8H", "p30d": "P30D", "P1DT2H": "P1DT2H", "24h": "PT24H",
		"": "", "0": "", "0s": "", "-1h": "", "P": "", "PT": "", "P1DT": "", "soon": "", "1x": "", "1.5d": "", "1500ms": "",
		"99999999w": "", "d": "", "2d1w": "",
	} {
		got, err := span(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
		if f, ok := errors.AsType[*failure](err); err != nil && (!ok || f.code != exitUsage) {
			t.Errorf("%q: the error is %#v, want one of usage", text, err)
		}
	}
}

// TestInstant is a page of moments as people write them, on a Monday morning in Berlin.
func TestInstant(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, berlin)
	for _, c := range []struct {
		text     string
		endOfDay bool
		want     string // RFC 3339; empty: no time
	}{
		{"15:04", false, "2026-03-02T15:04:00+01:00"},
		{"09:30", false, "2026-03-03T09:30:00+01:00"}, // it is that already
		{"2026-07-01 08:00", false, "2026-07-01T08:00:00+02:00"},
		{"2026-07-01T08:00", false, "2026-07-01T08:00:00+02:00"},
		{"2026-03-31", false, "2026-03-31T00:00:00+02:00"},
		{"2026-03-31", true, "2026-04-01T00:00:00+02:00"},
		{"+90m", false, "2026-03-02T11:00:00+01:00"},
		{"2026-03-02T08:30:05Z", true, "2026-03-02T09:30:05+01:00"},
		{"", false, ""}, {"now", false, ""}, {"25:00", false, ""}, {"2026-02-30", false, ""}, {"+", false, ""}, {"+-1h", false, ""},
	} {
		got, err := instant(c.text, now, c.endOfDay)
		if c.want == "" {
			if err == nil {
				t.Errorf("%q is %v, want no time", c.text, got)
			}
			continue
		}
		if err != nil || got.In(berlin).Format(time.RFC3339) != c.want {
			t.Errorf("%q is %v, %v; want %s", c.text, got.In(berlin), err, c.want)
		}
	}
}

func TestTimesAreToldWithTheirZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, berlin)
	soon, summer := now.Add(20*time.Second).UTC(), time.Date(2026, 7, 1, 6, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at         *time.Time
		want, left string
	}{
		{nil, "no end", "no end"},
		{&soon, "2026-03-02 09:30:20 CET", "20s"},
		{&summer, "2026-07-01 08:00 CEST", "120d"},
		{&now, "2026-03-02 09:30:00 CET", "over"},
	} {
		if got := moment(c.at, now); got != c.want {
			t.Errorf("%v is told as %q, want %q", c.at, got, c.want)
		}
		if got := left(c.at, now); got != c.left {
			t.Errorf("until %v is %q, want %q", c.at, got, c.left)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 61 * time.Second: "1m 1s", 2 * time.Hour: "2h",
		2*time.Hour + time.Minute: "2h 1m", 24 * time.Hour: "1d", 26 * time.Hour: "1d 2h", 100 * time.Hour: "4d",
	} {
		if got := length(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// FuzzSpan: whatever is typed, what comes out is ISO 8601 or a refusal.
func FuzzSpan(f *testing.F) {
	for _, s := range []string{"1h30m", "2w", "P1DT2H", "1d12h", "-1h"} {
		f.Add(s)
	}
	iso := regexp.MustCompile(`^P(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?$`)
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := span(text); err == nil && (!iso.MatchString(got) || got == "P" || got[len(got)-1] == 'T') {
			t.Errorf("%q is %q", text, got)
		}
	})
}
