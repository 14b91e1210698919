package wire

import (
	"encoding/json"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// The schedule of a request: in Microsoft Graph requestSchedule, expirationPattern and patternedRecurrence
// (learn.microsoft.com/graph/api/resources, pages of these names), in Azure Resource Manager scheduleInfo, which knows no
// recurrence.

// Instant is a time as callers send it. An explicit null and an empty text are none.
type Instant struct{ time.Time }

// UnmarshalJSON reads ISO 8601 with Z or an offset.
func (t *Instant) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil {
		return BadBody("A time is not a text.")
	}
	if text == nil || strings.TrimSpace(*text) == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, strings.ToUpper(strings.TrimSpace(*text)))
	if err != nil || at.Year() > 9999 {
		return BadBody("A time is not ISO 8601 with Z or an offset, such as 2026-01-02T03:04:05Z.")
	}
	// Documented sentinel for never: the service itself writes the first day of the calendar.
	if at.Year() > 1 {
		t.Time = at.UTC()
	}
	return nil
}

// BadBody is the fault of a body that is not what is wanted. Its text may be shown.
func BadBody(detail string) *api.Fault { return &api.Fault{Problem: api.BadBody, Detail: detail} }

// Schedule is the schedule of a request as callers send it.
type Schedule struct {
	StartDateTime Instant       `json:"startDateTime"`
	Expiration    *expirationIn `json:"expiration"`
	Recurrence    *recurrenceIn `json:"recurrence"`
}

type expirationIn struct {
	Type        string  `json:"type"`
	EndDateTime Instant `json:"endDateTime"`
	Duration    string  `json:"duration"`
}

type recurrenceIn struct {
	Pattern *patternIn `json:"pattern"`
	Range   *rangeIn   `json:"range"`
}

type patternIn struct {
	Type           string   `json:"type"`
	Interval       int      `json:"interval"`
	Month          int      `json:"month"`
	DayOfMonth     int      `json:"dayOfMonth"`
	DaysOfWeek     []string `json:"daysOfWeek"`
	FirstDayOfWeek string   `json:"firstDayOfWeek"`
	Index          string   `json:"index"`
}

type rangeIn struct {
	Type                string `json:"type"`
	StartDate           string `json:"startDate"`
	EndDate             string `json:"endDate"`
	RecurrenceTimeZone  string `json:"recurrenceTimeZone"`
	NumberOfOccurrences int    `json:"numberOfOccurrences"`
}

func badSchedule(field string, err error) error {
	return &pim.Refusal{Code: pim.InvalidSchedule, Field: field, Detail: err.Error()}
}

// Info reads the schedule; nil is none. Whether it makes sense is for the core to say. The error is a *pim.Refusal.
func (in *Schedule) Info() (schedule.Info, error) {
	if in == nil {
		return schedule.Info{}, nil
	}
	info := schedule.Info{Start: in.StartDateTime.Time}
	var err error
	if info.Expiration, err = in.Expiration.toExpiration(); err != nil {
		return info, err
	}
	info.Recurrence, err = in.Recurrence.toRecurrence()
	return info, err
}

func (in *expirationIn) toExpiration() (schedule.Expiration, error) {
	var e schedule.Expiration
	if in == nil {
		return e, nil
	}
	var err error
	if in.Duration != "" {
		if e.Duration, err = schedule.ParseDuration(in.Duration); err != nil {
			return e, badSchedule("scheduleInfo/expiration/duration", err)
		}
	}
	e.End = in.EndDateTime.Time
	switch {
	case in.Type != "":
		if e.Kind, err = schedule.ParseExpirationKind(in.Type); err != nil {
			return e, badSchedule("scheduleInfo/expiration/type", err)
		}
	case in.Duration != "":
		e.Kind = schedule.AfterDuration
	case !e.End.IsZero():
		e.Kind = schedule.AfterDateTime
	}
	// What the type does not use is not kept: it would be read back as if it counted.
	if e.Kind != schedule.AfterDuration {
		e.Duration = schedule.Duration{}
	}
	if e.Kind != schedule.AfterDateTime {
		e.End = time.Time{}
	}
	return e, nil
}

func (in *recurrenceIn) toRecurrence() (*schedule.Recurrence, error) {
	if in == nil || in.Pattern == nil && in.Range == nil {
		return nil, nil
	}
	if in.Pattern == nil || in.Range == nil {
		return nil, &pim.Refusal{Code: pim.InvalidSchedule, Field: "scheduleInfo/recurrence", Detail: "a recurrence has a pattern and a range"}
	}
	pattern, err := in.Pattern.toPattern()
	if err != nil {
		return nil, badSchedule("scheduleInfo/recurrence/pattern", err)
	}
	span, err := in.Range.toRange()
	if err != nil {
		return nil, badSchedule("scheduleInfo/recurrence/range", err)
	}
	return &schedule.Recurrence{Pattern: pattern, Range: span}, nil
}

func (in patternIn) toPattern() (schedule.Pattern, error) {
	p := schedule.Pattern{Interval: in.Interval, Month: in.Month, DayOfMonth: in.DayOfMonth}
	var err error
	if p.Type, err = schedule.ParsePatternType(in.Type); err != nil {
		return p, err
	}
	for _, d := range in.DaysOfWeek {
		day, err := schedule.ParseWeekday(d)
		if err != nil {
			return p, err
		}
		p.DaysOfWeek = append(p.DaysOfWeek, day)
	}
	if in.FirstDayOfWeek != "" {
		if p.FirstDayOfWeek, err = schedule.ParseWeekday(in.FirstDayOfWeek); err != nil {
			return p, err
		}
	}
	if in.Index != "" {
		p.Index, err = schedule.ParseIndex(in.Index)
	}
	return p, err
}

func (in rangeIn) toRange() (schedule.Range, error) {
	r := schedule.Range{TimeZone: in.RecurrenceTimeZone, Occurrences: in.NumberOfOccurrences}
	var err error
	if r.Type, err = schedule.ParseRangeType(in.Type); err != nil {
		return r, err
	}
	if in.StartDate != "" {
		if r.StartDate, err = schedule.ParseDate(in.StartDate); err != nil {
			return r, err
		}
	}
	// SDKs send the first day of the calendar for none.
	if in.EndDate != "" && !strings.HasPrefix(in.EndDate, "0001-") {
		r.EndDate, err = schedule.ParseDate(in.EndDate)
	}
	return r, err
}

// AppendSchedule writes requestSchedule, with the recurrence that Microsoft Graph knows.
func AppendSchedule(b []byte, in schedule.Info) []byte {
	b = append(b, `{"startDateTime":`...)
	b = AppendTime(b, in.Start)
	b = append(b, `,"recurrence":`...)
	b = appendRecurrence(b, in.Recurrence)
	b = append(b, `,"expiration":`...)
	return append(AppendExpiration(b, in.Expiration), '}')
}

// AppendExpiration writes the expiration of a schedule.
func AppendExpiration(b []byte, e schedule.Expiration) []byte {
	b = append(b, `{"type":`...)
	b = api.AppendText(b, e.Kind.String())
	b = append(b, `,"endDateTime":`...)
	b = AppendTime(b, e.End)
	b = append(b, `,"duration":`...)
	b = AppendText(b, e.Duration.String())
	return append(b, '}')
}

func appendRecurrence(b []byte, r *schedule.Recurrence) []byte {
	if r == nil {
		return append(b, "null"...)
	}
	return append(b, MustJSON(FromRecurrence(*r))...)
}

// The forms in which a recurrence goes out.
type (
	// RecurrenceOut is a recurrence as it goes out.
	RecurrenceOut struct {
		Pattern patternOut `json:"pattern"`
		Range   rangeOut   `json:"range"`
	}
	patternOut struct {
		Type           string   `json:"type"`
		Interval       int      `json:"interval"`
		Month          int      `json:"month"`
		DayOfMonth     int      `json:"dayOfMonth"`
		DaysOfWeek     []string `json:"daysOfWeek"`
		FirstDayOfWeek string   `json:"firstDayOfWeek"`
		Index          string   `json:"index"`
	}
	rangeOut struct {
		Type                string  `json:"type"`
		StartDate           *string `json:"startDate"`
		EndDate             *string `json:"endDate"`
		RecurrenceTimeZone  *string `json:"recurrenceTimeZone"`
		NumberOfOccurrences int     `json:"numberOfOccurrences"`
	}
)

// FromRecurrence brings a recurrence into the form in which it goes out.
func FromRecurrence(r schedule.Recurrence) RecurrenceOut {
	out := RecurrenceOut{
		Pattern: patternOut{
			Type: r.Pattern.Type.String(), Interval: r.Pattern.Interval, Month: r.Pattern.Month, DayOfMonth: r.Pattern.DayOfMonth,
			DaysOfWeek: []string{}, FirstDayOfWeek: schedule.FormatWeekday(r.Pattern.FirstDayOfWeek), Index: r.Pattern.Index.String(),
		},
		Range: rangeOut{
			Type: r.Range.Type.String(), StartDate: Optional(r.Range.StartDate.String()), EndDate: Optional(r.Range.EndDate.String()),
			RecurrenceTimeZone: Optional(r.Range.TimeZone), NumberOfOccurrences: r.Range.Occurrences,
		},
	}
	for _, d := range r.Pattern.DaysOfWeek {
		out.Pattern.DaysOfWeek = append(out.Pattern.DaysOfWeek, schedule.FormatWeekday(d))
	}
	return out
}

// Optional is nil for the empty text.
func Optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
