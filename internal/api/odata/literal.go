package odata

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A Literal is a value in a filter: String, Number, Bool, Null, Time, Duration or Guid.
type Literal interface {
	Operand
	literal()
}

// String is text; its quotes are doubled on the wire.
type String string

// Number is a finite number.
type Number float64

// Bool is true or false.
type Bool bool

// Null is the absent value.
type Null struct{}

// Time is an instant, UTC, in microseconds.
type Time struct{ At time.Time }

// Duration is a length of time of days and less.
type Duration time.Duration

// Guid is an unquoted guid, in lower case.
type Guid string

func (String) operand()   {}
func (Number) operand()   {}
func (Bool) operand()     {}
func (Null) operand()     {}
func (Time) operand()     {}
func (Duration) operand() {}
func (Guid) operand()     {}

func (String) literal()   {}
func (Number) literal()   {}
func (Bool) literal()     {}
func (Null) literal()     {}
func (Time) literal()     {}
func (Duration) literal() {}
func (Guid) literal()     {}

func (v String) String() string { return "'" + strings.ReplaceAll(string(v), "'", "''") + "'" }

// String avoids an exponent where it can: its sign is a '+', which some callers' libraries turn into a blank.
func (v Number) String() string {
	f := float64(v)
	if math.Abs(f) < 1e15 && (f == 0 || math.Abs(f) > 1e-6) {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

func (v Bool) String() string { return strconv.FormatBool(bool(v)) }

func (Null) String() string { return "null" }

func (v Time) String() string { return v.At.UTC().Format("2006-01-02T15:04:05.999999Z") }

func (v Guid) String() string { return string(v) }

func (v Duration) String() string {
	var b strings.Builder
	d := uint64(v)
	b.WriteString("duration'")
	if v < 0 {
		b.WriteByte('-')
		d = -d
	}
	b.WriteString("PT")
	if d == 0 {
		b.WriteString("0S")
	}
	part := func(unit time.Duration, letter byte) {
		if n := d / uint64(unit); n > 0 {
			b.WriteString(strconv.FormatUint(n, 10))
			b.WriteByte(letter)
			d -= n * uint64(unit)
		}
	}
	part(time.Hour, 'H')
	part(time.Minute, 'M')
	if d > 0 {
		b.WriteString(strconv.FormatUint(d/uint64(time.Second), 10))
		if frac := d % uint64(time.Second); frac > 0 {
			digits := strconv.FormatUint(frac+uint64(time.Second), 10)[1:]
			b.WriteString("." + strings.TrimRight(digits, "0"))
		}
		b.WriteByte('S')
	}
	b.WriteByte('\'')
	return b.String()
}

// isGuid says whether s begins with a guid that no name or digit continues.
func isGuid(s string) bool {
	if len(s) < 36 || len(s) > 36 && (isNameByte(s[36]) || s[36] == '-') {
		return false
	}
	for i := range 36 {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}

// timeLength is the length of the date, or the time with its offset, that s begins with; 0 for none. It goes by shape
// alone, because a '+' after a time may be an offset or a blank.
func timeLength(s string) int {
	if !shaped(s, "0000-00-00") {
		return 0
	}
	n := 10
	if n == len(s) || s[n] != 'T' && s[n] != 't' {
		return n
	}
	if !shaped(s[n+1:], "00:00") {
		return 0
	}
	n += 6
	if shaped(s[n:], ":00") {
		n += 3
		if shaped(s[n:], ".0") {
			for n++; n < len(s) && isDigit(s[n]); n++ {
			}
		}
	}
	switch {
	case n < len(s) && (s[n] == 'Z' || s[n] == 'z'):
		return n + 1
	case shaped(s[n:], "+00:00"), shaped(s[n:], "-00:00"), shaped(s[n:], " 00:00"):
		return n + 6
	}
	return n
}

// shaped says whether s begins with the pattern, in which 0 stands for a digit.
func shaped(s, pattern string) bool {
	if len(s) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] == '0' && !isDigit(s[i]) || pattern[i] != '0' && s[i] != pattern[i] {
			return false
		}
	}
	return true
}

// parseTime reads a date (midnight UTC) or a time with an offset, seconds optional. The offset's '+' may have become a
// blank on the way, as happens to callers who do not encode it.
func parseTime(s string) (Time, bool) {
	if timeLength(s) != len(s) || s == "" {
		return Time{}, false
	}
	if len(s) > 6 && s[len(s)-6] == ' ' {
		s = s[:len(s)-6] + "+" + s[len(s)-5:]
	}
	s = strings.ToUpper(s)
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		// An offset can carry the first and last days of the calendar out of the years that can be written.
		if at, err := time.Parse(layout, s); err == nil {
			at = at.UTC().Truncate(time.Microsecond)
			return Time{at}, at.Year() >= 0 && at.Year() <= 9999
		}
	}
	return Time{}, false
}

// parseDuration reads an ISO 8601 duration of weeks and less (P2W6D, PT8H, -PT1.5S). Years and months have no fixed
// length and are refused, as OData's dayTimeDuration does; weeks are taken because an SDK writes them.
func parseDuration(s string) (Duration, bool) {
	s = strings.ToUpper(s)
	s, negative := strings.CutPrefix(s, "-")
	s, ok := strings.CutPrefix(s, "P")
	if !ok {
		return 0, false
	}
	date, clock, timed := strings.Cut(s, "T")
	total, parts := int64(0), 0
	if !addParts(&total, &parts, date, "WD") || !addParts(&total, &parts, clock, "HMS") {
		return 0, false
	}
	if parts == 0 || timed && clock == "" {
		return 0, false
	}
	if negative {
		total = -total
	}
	return Duration(total), true
}

// addParts adds the parts of s, each a number and one of the letters, in their order and each at most once.
func addParts(total *int64, parts *int, s, letters string) bool {
	for s != "" {
		end := strings.IndexAny(s, letters)
		if end <= 0 {
			return false
		}
		at := strings.IndexByte(letters, s[end])
		n, ok := scaled(s[:end], durationUnit(s[end]), s[end] == 'S')
		if !ok || n > math.MaxInt64-*total {
			return false
		}
		*total += n
		*parts++
		letters, s = letters[at+1:], s[end+1:]
		if letters == "" {
			return s == ""
		}
	}
	return true
}

func durationUnit(letter byte) time.Duration {
	switch letter {
	case 'W':
		return 7 * 24 * time.Hour
	case 'D':
		return 24 * time.Hour
	case 'H':
		return time.Hour
	case 'M':
		return time.Minute
	}
	return time.Second
}

// scaled is digits times unit in nanoseconds; only seconds have a fraction.
func scaled(digits string, unit time.Duration, fraction bool) (int64, bool) {
	whole, frac, dotted := strings.Cut(digits, ".")
	if dotted && (!fraction || frac == "" || len(frac) > 9) || !allDigits(whole) || !allDigits(frac) {
		return 0, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > math.MaxInt64/int64(unit) {
		return 0, false
	}
	n *= int64(unit)
	if dotted {
		f, err := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
		if err != nil || f > math.MaxInt64-n {
			return 0, false
		}
		n += f
	}
	return n, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}
