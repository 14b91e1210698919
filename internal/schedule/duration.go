package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Bounds of what ParseDuration takes: the length of the text, and a thousand
// years in every part, so that no sum of parts leaves the calendar.
const (
	maxDurationText = 64
	maxYears        = 1000
	secondsPerDay   = 24 * 60 * 60
	maxExactSeconds = maxYears * 366 * secondsPerDay
)

// Duration is an ISO 8601 duration that remembers its text: years and months
// are counted on the calendar, everything below is exact. The zero value is
// "no duration given".
type Duration struct {
	text    string
	months  int   // years and months
	seconds int64 // weeks, days, hours, minutes and whole seconds
	nanos   int64 // below the second
}

// durationPart is one designator of ISO 8601 in the order in which the
// parts must come.
type durationPart struct {
	letter  byte
	inTime  bool
	months  int64
	seconds int64
}

func durationParts() [7]durationPart {
	return [7]durationPart{
		{letter: 'Y', months: 12},
		{letter: 'M', months: 1},
		{letter: 'W', seconds: 7 * secondsPerDay},
		{letter: 'D', seconds: secondsPerDay},
		{letter: 'H', inTime: true, seconds: 3600},
		{letter: 'M', inTime: true, seconds: 60},
		{letter: 'S', inTime: true, seconds: 1},
	}
}

// ParseDuration reads PnYnMnWnDTnHnMnS with any mix of parts in this order,
// weeks beside the others (as Kiota writes them) and values above the next
// unit (PT480M) included. Only the seconds may have a fraction, after a dot
// and of at most nine digits. Signs, lower case, a missing T (P1H) and a T
// with nothing after it are refused, and so is a part above a thousand years
// and a text above 64 bytes.
func ParseDuration(text string) (Duration, error) {
	if len(text) > maxDurationText {
		return Duration{}, fmt.Errorf("duration: longer than %d bytes", maxDurationText)
	}
	d := Duration{text: text}
	rest, ok := strings.CutPrefix(text, "P")
	if !ok {
		return Duration{}, fmt.Errorf("duration %q: does not begin with P", text)
	}
	date, clock, hasClock := strings.Cut(rest, "T")
	if rest == "" || (hasClock && clock == "") {
		return Duration{}, fmt.Errorf("duration %q: has no parts", text)
	}
	if err := d.addParts(date, false); err != nil {
		return Duration{}, fmt.Errorf("duration %q: %w", text, err)
	}
	if err := d.addParts(clock, true); err != nil {
		return Duration{}, fmt.Errorf("duration %q: %w", text, err)
	}
	return d, nil
}

// addParts reads the parts before the T (inTime false) or after it.
func (d *Duration) addParts(s string, inTime bool) error {
	for _, p := range durationParts() {
		if p.inTime != inTime {
			continue
		}
		number, rest, ok := cutNumber(s, p.letter)
		if !ok {
			continue
		}
		if err := d.addPart(number, p); err != nil {
			return err
		}
		s = rest
	}
	if s != "" {
		return fmt.Errorf("%q is not a part that may stand there", s)
	}
	return nil
}

// cutNumber takes a number and its designator off the front of s.
func cutNumber(s string, letter byte) (number, rest string, ok bool) {
	i := 0
	for i < len(s) && (s[i] == '.' || '0' <= s[i] && s[i] <= '9') {
		i++
	}
	if i == 0 || i == len(s) || s[i] != letter {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func (d *Duration) addPart(number string, p durationPart) error {
	whole, fraction, hasFraction := strings.Cut(number, ".")
	if hasFraction && (!p.inTime || p.letter != 'S') {
		return fmt.Errorf("a fraction in a part other than the seconds")
	}
	limit := int64(maxYears * 12)
	if p.seconds > 0 {
		limit = maxExactSeconds / p.seconds
	} else {
		limit /= p.months
	}
	n, ok := digits(whole, limit)
	if !ok {
		return fmt.Errorf("%q%c is not a whole number up to %d", whole, p.letter, limit)
	}
	d.months += int(n * p.months)
	d.seconds += n * p.seconds
	if !hasFraction {
		return nil
	}
	if len(fraction) > 9 {
		return fmt.Errorf("a fraction of more than nine digits")
	}
	n, ok = digits(fraction, int64(time.Second))
	if !ok {
		return fmt.Errorf("%q is not a fraction", fraction)
	}
	for range 9 - len(fraction) {
		n *= 10
	}
	d.nanos += n
	return nil
}

// digits reads a decimal number of at least one digit, at most limit.
func digits(s string, limit int64) (int64, bool) {
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
		if n > limit {
			return 0, false
		}
	}
	return n, s != ""
}

// MustDuration is ParseDuration for literals in tables and tests. It panics
// on a text that is not a duration, so it must not be given input.
func MustDuration(text string) Duration {
	d, err := ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

// FromTime is the Duration of an elapsed time, written in days, hours,
// minutes and seconds. Nothing and less than nothing give the zero Duration,
// for ISO 8601 as used here has no sign.
func FromTime(elapsed time.Duration) Duration {
	if elapsed <= 0 {
		return Duration{}
	}
	d := Duration{seconds: int64(elapsed / time.Second), nanos: int64(elapsed % time.Second)}
	d.text = d.canonical()
	return d
}

// canonical writes the exact part of d; FromTime has no other.
func (d Duration) canonical() string {
	var b strings.Builder
	b.WriteByte('P')
	if days := d.seconds / secondsPerDay; days > 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	rest := d.seconds % secondsPerDay
	if rest == 0 && d.nanos == 0 {
		return b.String()
	}
	b.WriteByte('T')
	if h := rest / 3600; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
	}
	if m := rest / 60 % 60; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
	}
	if d.nanos > 0 {
		fmt.Fprintf(&b, "%d.%sS", rest%60, strings.TrimRight(fmt.Sprintf("%09d", d.nanos), "0"))
	} else if s := rest % 60; s > 0 {
		fmt.Fprintf(&b, "%dS", s)
	}
	return b.String()
}

// String is the text as it was parsed, or the canonical one that FromTime
// gave; "" for the zero value.
func (d Duration) String() string { return d.text }

// IsZero tells whether d has no length: it was not given, or says so (PT0S).
func (d Duration) IsZero() bool { return d.months == 0 && d.seconds == 0 && d.nanos == 0 }

// Equal tells whether d and e are written alike; PT60M and PT1H are not equal.
func (d Duration) Equal(e Duration) bool { return d == e }

// AddTo is the instant d after t, in UTC. Years and months go first and stop
// at the last day of a shorter month (31 January + P1M is 28 February); all
// other parts are exact.
func (d Duration) AddTo(t time.Time) time.Time {
	t = addMonths(t.UTC(), d.months)
	return t.AddDate(0, 0, int(d.seconds/secondsPerDay)).
		Add(time.Duration(d.seconds%secondsPerDay)*time.Second + time.Duration(d.nanos))
}

func addMonths(t time.Time, months int) time.Time {
	if months == 0 {
		return t
	}
	y, m, day := t.Date()
	first := time.Date(y, m+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	day = min(day, daysIn(first.Year(), first.Month()))
	clock := t.Sub(time.Date(y, m, t.Day(), 0, 0, 0, 0, time.UTC))
	return first.AddDate(0, 0, day-1).Add(clock)
}

// Longer tells whether d lasts longer than the other when both begin at from.
// It must be asked at an instant because a month has no length of its own.
func (d Duration) Longer(than Duration, from time.Time) bool {
	return d.AddTo(from).After(than.AddTo(from))
}

// shortest is a number of seconds that d lasts at least, whenever it begins.
func (d Duration) shortest() int64 {
	return int64(d.months/12*365+d.months%12*28)*secondsPerDay + d.seconds
}
