package arm

import (
	"encoding/json"
	"strings"
	"testing"

	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

func TestMend(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":{"b":1}}`: `{"a":{"b":1}}`, `{"a":{"b":1}`: `{"a":{"b":1}}`, `{"a":{"b":1`: `{"a":{"b":1}}`,
		`{"a":{"b":{"c":1`: `{"a":{"b":{"c":1`, `{"a":`: `{"a":`, ``: ``, `{"a":"b`: `{"a":"b`, `{"a":[1}`: `{"a":[1}`,
	} {
		if got := string(mend([]byte(text))); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestScheduleOfARequest: what clients send of a schedule, and what it means for an eligibility and for an assignment.
func TestScheduleOfARequest(t *testing.T) {
	for _, c := range []struct{ sent, eligibility, assignment string }{
		{`null`, "NoExpiration", "NoExpiration"},
		{`{}`, "NoExpiration", "NoExpiration"},
		{`{"expiration": null}`, "NoExpiration", "NoExpiration"},
		{`{"expiration": {"type": "null"}}`, "NoExpiration", "NoExpiration"},
		{`{"expiration": {"type": "null", "duration": "PT1H"}}`, "AfterDuration PT1H", "AfterDuration PT1H"},
		{`{"Expiration": {"Type": "afterduration", "Duration": "PT480M", "EndDateTime": null}}`, "AfterDuration PT480M", "AfterDuration PT480M"},
		{`{"expiration": {"type": "AfterDuration", "duration": null}}`, "NoExpiration", "a refusal"},
		{`{"expiration": {"type": "AfterDuration", "duration": ""}}`, "NoExpiration", "a refusal"},
		{`{"expiration": {"type": "NoExpiration", "duration": "P30D"}}`, "NoExpiration", "NoExpiration"},
		{`{"expiration": {"endDateTime": "2026-01-02T03:04:05.0000000+01:00"}}`, "AfterDateTime 2026-01-02T02:04:05Z", "AfterDateTime 2026-01-02T02:04:05Z"},
		{`{"expiration": {"type": "Sometime"}}`, "a refusal", "a refusal"},
		{`{"recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-01-01"}}}`, "NoExpiration", "NoExpiration"},
	} {
		for kind, want := range map[pim.Kind]string{pim.Eligibility: c.eligibility, pim.Assignment: c.assignment} {
			var in struct{ ScheduleInfo scheduleIn }
			if err := json.Unmarshal([]byte(`{"scheduleInfo": `+c.sent+`}`), &in); err != nil {
				t.Fatal(err)
			}
			info, err := in.ScheduleInfo.info(kind)
			got := "a refusal"
			if err == nil {
				got = words(t, info)
			}
			if got != want || info.Recurrence != nil {
				t.Errorf("%s of kind %d: got %s, want %s", c.sent, kind, got, want)
			}
		}
	}
}

// words are the members of a schedule's end as they are written, without those that are null.
func words(t *testing.T, info schedule.Info) string {
	t.Helper()
	var out struct {
		Expiration struct {
			Type                  string
			EndDateTime, Duration *string
		}
	}
	if err := json.Unmarshal(appendSchedule(nil, info), &out); err != nil {
		t.Fatal(err)
	}
	text := []string{out.Expiration.Type}
	for _, s := range []*string{out.Expiration.EndDateTime, out.Expiration.Duration} {
		if s != nil {
			text = append(text, *s)
		}
	}
	return strings.Join(text, " ")
}
