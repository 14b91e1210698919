package abac

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// valueKind is a kind of value, which the operator decides.
type valueKind int

const (
	text valueKind = iota
	number
	truth
	guid
	instant
	timeOfDay
)

// String says what is compared, for people.
func (k valueKind) String() string {
	switch k {
	case text:
		return "texts in quotes"
	case number:
		return "whole numbers"
	case truth:
		return "true and false"
	case guid:
		return "GUIDs"
	case instant:
		return "instants such as '2026-03-02T09:00:00Z'"
	case timeOfDay:
		return "times of day such as '09:00'"
	}
	return ""
}

// value is a value that was read. Numbers, truth values, GUIDs and times are in high and low, so that one order serves all.
type value struct {
	text string
	high int64
	low  uint64
}

func (v value) order(w value) int {
	return cmp.Or(cmp.Compare(v.high, w.high), cmp.Compare(v.low, w.low), strings.Compare(v.text, w.text))
}

// literal reads a value of a condition: texts and times in quotes, numbers and truth values without, GUIDs either way.
func (k valueKind) literal(t token) (value, bool) {
	switch k {
	case text, instant, timeOfDay:
		if t.kind != quoted {
			return value{}, false
		}
	case number, truth:
		if t.kind != word {
			return value{}, false
		}
	case guid:
	}
	return k.read(t.text)
}

// read reads a value as attributes have it.
func (k valueKind) read(s string) (value, bool) {
	switch k {
	case text:
		return value{text: s}, true
	case number:
		n, err := strconv.ParseInt(s, 10, 64)
		return value{high: n}, err == nil
	case truth:
		return readTruth(s)
	case guid:
		return readGUID(s)
	case instant:
		return readInstant(s)
	case timeOfDay:
		return readTimeOfDay(s)
	}
	return value{}, false
}

func readTruth(s string) (value, bool) {
	switch {
	case strings.EqualFold(s, "true"):
		return value{high: 1}, true
	case strings.EqualFold(s, "false"):
		return value{}, true
	}
	return value{}, false
}

// readGUID takes 32 hexadecimal digits, or 36 characters with dashes where they belong.
func readGUID(s string) (value, bool) {
	if len(s) != 32 && len(s) != 36 {
		return value{}, false
	}
	var high, low uint64
	for i := range len(s) {
		b := lowerByte(s[i])
		switch {
		case len(s) == 36 && (i == 8 || i == 13 || i == 18 || i == 23):
			if b != '-' {
				return value{}, false
			}
			continue
		case '0' <= b && b <= '9':
			b -= '0'
		case 'a' <= b && b <= 'f':
			b -= 'a' - 10
		default:
			return value{}, false
		}
		high, low = high<<4|low>>60, low<<4|uint64(b)
	}
	return value{high: int64(high), low: low}, true
}

// readInstant takes RFC 3339. An offset may lead out of the years that can be written.
func readInstant(s string) (value, bool) {
	at, err := time.Parse(time.RFC3339, s)
	year := at.UTC().Year()
	return value{high: at.Unix(), low: uint64(at.Nanosecond())}, err == nil && year >= 0 && year <= 9999
}

// readTimeOfDay takes hours and minutes, with seconds or without, or the time of day, in UTC, of an instant.
func readTimeOfDay(s string) (value, bool) {
	if len(s) > 8 && s[4] == '-' {
		at, err := time.Parse(time.RFC3339, s)
		at = at.UTC()
		return value{high: int64(at.Hour()*3600 + at.Minute()*60 + at.Second()), low: uint64(at.Nanosecond())}, err == nil
	}
	s = strings.TrimSuffix(s, "Z")
	layout := "15:04"
	if len(s) > len(layout) {
		layout = "15:04:05"
	}
	at, err := time.Parse(layout, s)
	return value{high: int64(at.Hour()*3600 + at.Minute()*60 + at.Second()), low: uint64(at.Nanosecond())}, err == nil
}

// print writes a value so that literal reads it again.
func (k valueKind) print(v value) string {
	switch k {
	case text:
		return "'" + strings.ReplaceAll(v.text, "'", "''") + "'"
	case number:
		return strconv.FormatInt(v.high, 10)
	case truth:
		return strconv.FormatBool(v.high == 1)
	case guid:
		h := uint64(v.high)
		return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", h>>32, h>>16&0xffff, h&0xffff, v.low>>48, v.low&(1<<48-1))
	case instant:
		return "'" + time.Unix(v.high, int64(v.low)).UTC().Format(time.RFC3339Nano) + "'"
	case timeOfDay:
		return "'" + time.Unix(v.high, int64(v.low)).UTC().Format("15:04:05.999999999") + "'"
	}
	return ""
}
