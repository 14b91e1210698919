package governance_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// TestScheduleShapes: every form in which callers send when something shall hold (reference pim-v2 §3, §4, §8 and §10).
func TestScheduleShapes(t *testing.T) {
	nine := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	eight := schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("PT480M")}
	until := schedule.Expiration{Kind: schedule.AfterDateTime, End: nine}
	never := schedule.Expiration{Kind: schedule.NoExpiration}
	for _, f := range []struct {
		text  string
		start time.Time
		want  schedule.Expiration
	}{
		{`null`, time.Time{}, schedule.Expiration{}},
		{`{}`, time.Time{}, never},
		{`{"type":"Once","startDateTime":null,"endDateTime":null,"duration":null}`, time.Time{}, never},
		{`{"type":"once","startDateTime":"2026-03-02T10:00:00+01:00","duration":"PT480M"}`, nine, eight},
		{`{"startDateTime":"2026-03-02T02:00:00.0000000-07:00","endDateTime":"0001-01-01T00:00:00Z","duration":"PT480M"}`, nine, eight},
		{`{"startDateTime":"2026-03-02T09:00:00","endDateTime":"","duration":"PT480M"}`, nine, eight},
		{`{"startDateTime":"0001-01-01T00:00:00Z","endDateTime":"2026-03-02T09:00:00Z","duration":"PT0S"}`, time.Time{}, until},
		// An end counts before a duration, and is also called stopDateTime.
		{`{"endDateTime":"2026-03-02T09:00:00.000Z","duration":"PT480M"}`, time.Time{}, until},
		{`{"stopDateTime":"2026-03-02T09:00:00Z"}`, time.Time{}, until},
		{`{"StartDateTime":"0001-01-01T00:00:00","EndDateTime":"2026-03-02t09:00:00z","StopDateTime":"2027-01-01T00:00:00Z"}`, time.Time{}, until},
		{`{"duration":"PT0S"}`, time.Time{}, never},
	} {
		var in *governance.Schedule
		if err := json.Unmarshal([]byte(f.text), &in); err != nil {
			t.Errorf("%s: %v", f.text, err)
			continue
		}
		got, err := in.Info()
		if err != nil || !got.Start.Equal(f.start) || got.Expiration != f.want || got.Recurrence != nil {
			t.Errorf("%s: got %v, %v, want %v, %v", f.text, got, err, f.start, f.want)
		}
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, text := range []string{
		`{"type":"Weekly"}`, `{"duration":"8h"}`, `{"duration":"08:00:00"}`, `{"duration":"-PT1H"}`, `{"startDateTime":"tomorrow"}`,
		`{"endDateTime":5}`, `{"startDateTime":"2026-02-30T00:00:00"}`, `{"startDateTime":"10000-01-01T00:00:00Z"}`,
	} {
		var in *governance.Schedule
		err := json.Unmarshal([]byte(text), &in)
		if err == nil {
			_, err = in.Info()
		}
		_, refused := errors.AsType[*pim.Refusal](err)
		_, fault := errors.AsType[*api.Fault](err)
		if !refused && !fault {
			t.Errorf("%s: got %v, want it refused", text, err)
		}
	}
}

// FuzzSchedule: whatever is sent as a schedule is read or refused, and what is read is written in a form that is read alike.
func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{`{}`, `{"type":"Once","startDateTime":"2026-03-02T09:00:00+01:00","endDateTime":null,"duration":"PT9H"}`,
		`{"stopDateTime":"2026-03-02T09:00:00.1234567Z"}`, `{"endDateTime":"0001-01-01T00:00:00Z","duration":"P1M"}`, `{"startDateTime":"9999-12-31T23:59:59"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var in governance.Schedule
		if json.Unmarshal([]byte(text), &in) != nil {
			return
		}
		want, err := in.Info()
		if err != nil {
			return
		}
		want.Start, want.Expiration.End = want.Start.Truncate(time.Microsecond), want.Expiration.End.Truncate(time.Microsecond)
		var again governance.Schedule
		written := governance.AppendInfo(nil, want)
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		got, err := again.Info()
		if err != nil || !got.Start.Equal(want.Start) || got.Expiration.Kind != want.Expiration.Kind ||
			!got.Expiration.End.Equal(want.Expiration.End) || got.Expiration.Duration != want.Expiration.Duration {
			t.Errorf("%s: got %v, %v, want %v", written, got, err, want)
		}
	})
}
