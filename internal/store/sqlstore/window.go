package sqlstore

import (
	"fmt"
	"time"

	"portcullis/internal/schedule"
)

// storedInfo is a schedule as it was asked for.
type storedInfo struct {
	Start      *int64            `json:"s,omitempty"`
	Kind       int               `json:"k,omitempty"`
	End        *int64            `json:"e,omitempty"`
	Duration   string            `json:"d,omitempty"`
	Recurrence *storedRecurrence `json:"r,omitempty"`
}

func fromInfo(i schedule.Info) *storedInfo {
	return &storedInfo{
		Start: optionalStamp(i.Start), Kind: int(i.Expiration.Kind), End: optionalStamp(i.Expiration.End),
		Duration: i.Expiration.Duration.String(), Recurrence: fromRecurrence(i.Recurrence),
	}
}

func (s *storedInfo) info() (schedule.Info, error) {
	if s == nil {
		return schedule.Info{}, nil
	}
	d, err := duration(s.Duration)
	return schedule.Info{
		Start: optionalInstant(s.Start),
		Expiration: schedule.Expiration{
			Kind: schedule.ExpirationKind(s.Kind), End: optionalInstant(s.End), Duration: d,
		},
		Recurrence: s.Recurrence.recurrence(),
	}, err
}

// storedRecurrence is a series.
type storedRecurrence struct {
	Type        int           `json:"t,omitempty"`
	Interval    int           `json:"i,omitempty"`
	Month       int           `json:"m,omitempty"`
	Day         int           `json:"d,omitempty"`
	Days        []int         `json:"w,omitempty"`
	First       int           `json:"f,omitempty"`
	Index       int           `json:"x,omitempty"`
	Range       int           `json:"rt,omitempty"`
	Start       schedule.Date `json:"rs"`
	End         schedule.Date `json:"re"`
	Zone        string        `json:"z,omitempty"`
	Occurrences int           `json:"n,omitempty"`
}

func fromRecurrence(r *schedule.Recurrence) *storedRecurrence {
	if r == nil {
		return nil
	}
	p := r.Pattern
	s := &storedRecurrence{
		Type: int(p.Type), Interval: p.Interval, Month: p.Month, Day: p.DayOfMonth, First: int(p.FirstDayOfWeek),
		Index: int(p.Index), Range: int(r.Range.Type), Start: r.Range.StartDate, End: r.Range.EndDate,
		Zone: r.Range.TimeZone, Occurrences: r.Range.Occurrences,
	}
	for _, d := range p.DaysOfWeek {
		s.Days = append(s.Days, int(d))
	}
	return s
}

func (s *storedRecurrence) recurrence() *schedule.Recurrence {
	if s == nil {
		return nil
	}
	r := &schedule.Recurrence{
		Pattern: schedule.Pattern{
			Type: schedule.PatternType(s.Type), Interval: s.Interval, Month: s.Month, DayOfMonth: s.Day,
			FirstDayOfWeek: time.Weekday(s.First), Index: schedule.Index(s.Index),
		},
		Range: schedule.Range{
			Type: schedule.RangeType(s.Range), StartDate: s.Start, EndDate: s.End, TimeZone: s.Zone,
			Occurrences: s.Occurrences,
		},
	}
	for _, d := range s.Days {
		r.Pattern.DaysOfWeek = append(r.Pattern.DaysOfWeek, time.Weekday(d))
	}
	return r
}

// duration reads a stored duration; the empty text is none.
func duration(text string) (schedule.Duration, error) {
	if text == "" {
		return schedule.Duration{}, nil
	}
	d, err := schedule.ParseDuration(text)
	if err != nil {
		return schedule.Duration{}, fmt.Errorf("a stored duration cannot be read: %w", err)
	}
	return d, nil
}
