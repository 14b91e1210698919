package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// isoDuration is what the interfaces take (ISO 8601), as far as people write it.
var isoDuration = regexp.MustCompile(`^P(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?$`)

// span is a length of time as people write it (90m, 8h, 1h30m, 7d, 2w), or as ISO 8601 does, in ISO 8601.
func span(text string) (string, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	if isoDuration.MatchString(upper) && upper != "P" && !strings.HasSuffix(upper, "T") {
		return upper, nil
	}
	wrong := usagef("%q is no length of time: write 90m, 8h, 1h30m, 7d or PT8H", text)
	rest, days := strings.ToLower(strings.TrimSpace(text)), 0
	for _, unit := range []struct {
		name string
		days int
	}{{"w", 7}, {"d", 1}} {
		n, after, ok := strings.Cut(rest, unit.name)
		if !ok {
			continue
		}
		count, err := strconv.Atoi(n)
		if err != nil || count < 0 || count > 10_000 {
			return "", wrong
		}
		days, rest = days+count*unit.days, after
	}
	if rest == "" && days > 0 {
		return fmt.Sprintf("P%dD", days), nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < time.Second || d%time.Second != 0 {
		return "", wrong
	}
	return isoOf(days, d), nil
}

func isoOf(days int, d time.Duration) string {
	var b strings.Builder
	b.WriteString("P")
	if days > 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	b.WriteString("T")
	for _, part := range []struct {
		n    time.Duration
		unit string
	}{{d / time.Hour, "H"}, {d % time.Hour / time.Minute, "M"}, {d % time.Minute / time.Second, "S"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, "%d%s", part.n, part.unit)
		}
	}
	return b.String()
}

// instant reads a moment as people write it, in the local zone: 15:04 (the next one), 2006-01-02 15:04, +30m, or
// RFC 3339. A day alone is its beginning, or its end where endOfDay says so.
func instant(text string, now time.Time, endOfDay bool) (time.Time, error) {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "+"); ok {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return time.Time{}, usagef("%q is no length of time: write +30m or +2h", text)
		}
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if t, err := time.ParseInLocation("2006-01-02", text, now.Location()); err == nil {
		if endOfDay {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	if t, err := time.ParseInLocation("15:04", text, now.Location()); err == nil {
		at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, now.Location())
		if !at.After(now) {
			at = at.AddDate(0, 0, 1)
		}
		return at, nil
	}
	return time.Time{}, usagef("%q is no time: write 15:04, 2006-01-02, \"2006-01-02 15:04\", +30m or 2006-01-02T15:04:05Z", text)
}

// moment is an instant in the local zone, with the zone's name. Seconds are shown where they matter: near now.
func moment(t *time.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return "no end"
	}
	local := t.In(now.Location())
	if away := t.Sub(now).Abs(); away < time.Hour {
		return local.Format("2006-01-02 15:04:05 MST")
	}
	return local.Format("2006-01-02 15:04 MST")
}

// left is how long it is until an instant.
func left(t *time.Time, now time.Time) string {
	switch {
	case t == nil || t.IsZero():
		return "no end"
	case !t.After(now):
		return "over"
	}
	return length(t.Sub(now))
}

// length is a length of time in two units at most.
func length(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes, seconds := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case days >= 3 || days > 0 && hours == 0:
		return fmt.Sprintf("%dd", days)
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0 && minutes == 0:
		return fmt.Sprintf("%dh", hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case minutes > 0 && seconds == 0:
		return fmt.Sprintf("%dm", minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	}
	return fmt.Sprintf("%ds", seconds)
}
