package governance

import (
	"encoding/json"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// ZeroDate is how an instant that is not set is written, in JSON, where a null would say something else.
const ZeroDate = `"0001-01-01T00:00:00Z"`

// noDuration is how a duration that is not set is written.
const noDuration = "PT0S"

// Instant is a time as callers of the older iterations send it. A null, an empty text and the first day of the calendar are none;
// what tells no offset is UTC.
type Instant struct{ time.Time }

// UnmarshalJSON reads ISO 8601.
func (t *Instant) UnmarshalJSON(b []byte) error {
	var text *string
	if json.Unmarshal(b, &text) == nil && text != nil {
		// At most seven digits of a second are sent, and read like any other number of them.
		if at, err := time.Parse("2006-01-02T15:04:05", strings.ToUpper(strings.TrimSpace(*text))); err == nil {
			if at.Year() > 1 {
				t.Time = at
			}
			return nil
		}
	}
	var in wire.Instant
	if err := in.UnmarshalJSON(b); err != nil {
		return err
	}
	t.Time = in.Time
	return nil
}

// Schedule is governanceSchedule as callers send it, in all its shapes: the end is also called stopDateTime, and what is not set
// may be absent, null, the first day of the calendar or PT0S.
type Schedule struct {
	Type     string  `json:"type"`
	Start    Instant `json:"startDateTime"`
	End      Instant `json:"endDateTime"`
	Stop     Instant `json:"stopDateTime"`
	Duration string  `json:"duration"`
}

// Info reads the schedule; nil says nothing about times. An end counts before a duration, and neither means no end (reference
// pim-v2 §4). The error is a *pim.Refusal.
func (in *Schedule) Info() (schedule.Info, error) {
	if in == nil {
		return schedule.Info{}, nil
	}
	if in.Type != "" && !strings.EqualFold(strings.TrimSpace(in.Type), "Once") {
		return schedule.Info{}, badSchedule("type", "is not Once")
	}
	var length schedule.Duration
	if text := strings.TrimSpace(in.Duration); text != "" {
		var err error
		if length, err = schedule.ParseDuration(text); err != nil {
			return schedule.Info{}, badSchedule("duration", err.Error())
		}
	}
	end := in.End.Time
	if end.IsZero() {
		end = in.Stop.Time
	}
	info := schedule.Info{Start: in.Start.Time, Expiration: schedule.Expiration{Kind: schedule.NoExpiration}}
	switch {
	case !end.IsZero():
		info.Expiration = schedule.Expiration{Kind: schedule.AfterDateTime, End: end}
	case !length.IsZero():
		info.Expiration = schedule.Expiration{Kind: schedule.AfterDuration, Duration: length}
	}
	return info, nil
}

func badSchedule(member, detail string) error {
	return &pim.Refusal{Code: pim.InvalidSchedule, Field: "schedule/" + member, Detail: detail}
}

// AppendSchedule writes the schedule that a request asks for, with the start that came of it: null for removals, and where
// nothing was said about times.
func AppendSchedule(b []byte, r pim.Request) []byte {
	asked := r.Asked
	if wire.Removal(r.Action) || asked.Expiration.Kind == schedule.NotSpecified {
		return append(b, "null"...)
	}
	if !r.Start.IsZero() {
		asked.Start = r.Start
	}
	return AppendInfo(b, asked)
}

// AppendInfo writes a schedule. An end that a duration stands for is the first day of the calendar, one that never comes is null.
func AppendInfo(b []byte, in schedule.Info) []byte {
	o := wire.New(b, nil)
	o.Str("type", "Once")
	o.Time("startDateTime", in.Start)
	length := noDuration
	switch in.Expiration.Kind {
	case schedule.AfterDuration:
		o.Raw("endDateTime", []byte(ZeroDate))
		length = in.Expiration.Duration.String()
	case schedule.AfterDateTime:
		o.Time("endDateTime", in.Expiration.End)
	case schedule.NoExpiration, schedule.NotSpecified:
		o.Null("endDateTime")
	}
	o.Name("duration")
	o.B = api.AppendText(o.B, length)
	return o.End()
}

// EndOf is when what a request asked for ends, from the start that came of it; zero: never, or not yet known.
func EndOf(r pim.Request) time.Time {
	switch e := r.Asked.Expiration; e.Kind {
	case schedule.AfterDateTime:
		return e.End
	case schedule.AfterDuration:
		if !r.Start.IsZero() {
			return e.Duration.AddTo(r.Start)
		}
	case schedule.NoExpiration, schedule.NotSpecified:
	}
	return time.Time{}
}
