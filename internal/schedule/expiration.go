package schedule

import (
	"fmt"
	"strings"
	"time"
)

// ExpirationKind says how a schedule ends (microsoft.graph.expirationPatternType).
type ExpirationKind int

// The kinds of expiration. NotSpecified leaves the end to the policy.
const (
	NotSpecified ExpirationKind = iota
	NoExpiration
	AfterDateTime
	AfterDuration
)

func expirationKinds() []string {
	return []string{"notSpecified", "noExpiration", "afterDateTime", "afterDuration"}
}

// String is Graph's spelling.
func (k ExpirationKind) String() string { return enumName(expirationKinds(), int(k), "ExpirationKind") }

// ParseExpirationKind reads Graph's spelling, letter case ignored.
func ParseExpirationKind(s string) (ExpirationKind, error) {
	i, err := parseEnum(expirationKinds(), s, "expiration type")
	return ExpirationKind(i), err
}

// Expiration says when a schedule ends. End counts for AfterDateTime,
// Duration for AfterDuration, and each is ignored otherwise.
type Expiration struct {
	Kind     ExpirationKind
	End      time.Time
	Duration Duration
}

// Info is a schedule as asked for (microsoft.graph.requestSchedule). A zero
// Start means at once.
type Info struct {
	Start      time.Time
	Expiration Expiration
	Recurrence *Recurrence
}

// Error says which part of a schedule cannot be, and why. Field is a path of
// nouns: "start", "expiration", "expiration.end", "expiration.duration",
// "recurrence", "recurrence.pattern.interval", and so on below pattern and range.
type Error struct{ Field, Detail string }

func (e *Error) Error() string { return e.Field + ": " + e.Detail }

// Resolve says what an Info means when it is asked at now: a Window.
// A Start that is missing or past becomes now. NotSpecified ends never here;
// the policy cuts it.
//
// With a recurrence, occurrences begin at the time of day that the Start as
// asked for (also a past one) shows in the range's time zone. Each lasts the
// expiration's Duration (AfterDuration) or the time from the Start as asked
// for to the End (AfterDateTime); the other kinds are refused. The Window's
// Start is the first instant at which it holds, its End the end of the last
// occurrence, zero if the series has no end. An occurrence that had begun
// before now holds for the rest of its time.
//
// The error is an *Error.
func Resolve(now time.Time, in Info) (Window, error) {
	now = trim(now)
	asked := now
	if !in.Start.IsZero() {
		asked = trim(in.Start)
	}
	start := later(asked, now)
	if start.Year() > lastYear {
		return Window{}, &Error{"start", fmt.Sprintf("is after the year %d", lastYear)}
	}
	if in.Recurrence != nil {
		return resolveSeries(asked, start, in)
	}
	end, err := in.Expiration.end(start)
	if err != nil {
		return Window{}, err
	}
	return Window{Start: start, End: end}, nil
}

// end is the end of what begins at start; zero is for ever.
func (e Expiration) end(start time.Time) (time.Time, error) {
	switch e.Kind {
	case NotSpecified, NoExpiration:
		return time.Time{}, nil
	case AfterDateTime:
		return e.endAfter(start)
	case AfterDuration:
		if e.Duration.IsZero() {
			return time.Time{}, &Error{"expiration.duration", "is missing or nothing"}
		}
		end := trim(e.Duration.AddTo(start))
		if !end.After(start) {
			return time.Time{}, &Error{"expiration.duration", "is shorter than a microsecond"}
		}
		if end.Year() > lastYear {
			return time.Time{}, &Error{"expiration.duration", fmt.Sprintf("ends after the year %d", lastYear)}
		}
		return end, nil
	}
	return time.Time{}, &Error{"expiration", "is of no known type"}
}

func (e Expiration) endAfter(start time.Time) (time.Time, error) {
	end := trim(e.End)
	switch {
	case e.End.IsZero():
		return time.Time{}, &Error{"expiration.end", "is missing"}
	case !end.After(start):
		return time.Time{}, &Error{"expiration.end", "is not after the start"}
	case end.Year() > lastYear:
		return time.Time{}, &Error{"expiration.end", fmt.Sprintf("is after the year %d", lastYear)}
	}
	return end, nil
}

func resolveSeries(asked, start time.Time, in Info) (Window, error) {
	if err := in.Recurrence.Validate(); err != nil {
		return Window{}, err
	}
	length, err := in.Expiration.length(asked)
	if err != nil {
		return Window{}, err
	}
	w := Window{Start: start, Length: length, Recurrence: in.Recurrence.clone(), Anchor: asked}
	s, ok := w.series()
	if !ok {
		return Window{}, &Error{"recurrence", "never occurs"}
	}
	w.End = s.end()
	if w.End.Year() > lastYear {
		return Window{}, &Error{"recurrence.range", fmt.Sprintf("ends after the year %d", lastYear)}
	}
	first, ok := w.At(start)
	if !ok {
		first, ok = w.Next(start)
	}
	if !ok {
		return Window{}, &Error{"recurrence", "never occurs after the start"}
	}
	w.Start = first.Start
	if wallClockOf(first.Start.In(s.loc)) == s.clock {
		w.Anchor = time.Time{}
	}
	return w, nil
}

// length is how long each occurrence lasts.
func (e Expiration) length(asked time.Time) (Duration, error) {
	end, err := e.end(asked)
	if err != nil {
		return Duration{}, err
	}
	switch e.Kind {
	case AfterDuration:
		return e.Duration, nil
	case AfterDateTime:
		elapsed := end.Sub(asked)
		if !asked.Add(elapsed).Equal(end) {
			return Duration{}, &Error{"expiration.end", "is too far from the start for one occurrence"}
		}
		return FromTime(elapsed), nil
	case NotSpecified, NoExpiration:
	}
	return Duration{}, &Error{"expiration", "must say how long each occurrence lasts"}
}

// trim gives an instant the form that both databases keep.
func trim(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// enumName is names[i], or what the value is when it is none of them.
func enumName(names []string, i int, kind string) string {
	if i < 0 || i >= len(names) || names[i] == "" {
		return fmt.Sprintf("%s(%d)", kind, i)
	}
	return names[i]
}

// parseEnum finds s among names, letter case ignored.
func parseEnum(names []string, s, what string) (int, error) {
	for i, name := range names {
		if name != "" && strings.EqualFold(name, s) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s %.40q is not known", what, s)
}
