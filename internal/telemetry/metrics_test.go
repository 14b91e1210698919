package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"portcullis/internal/telemetry"
)

// scrape asks for the metrics as Prometheus does, and gives those of ours by name and labels.
func scrape(t *testing.T, m *telemetry.Metrics, log *slog.Logger) map[string]string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler(log).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != 200 {
		t.Fatalf("got %d: %s", rec.Code, rec.Body)
	}
	got := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^(portcullis_\S+(?:\{[^}]*\})?) (\S+)$`).FindAllStringSubmatch(rec.Body.String(), -1) {
		got[line[1]] = line[2]
	}
	return got
}

func labels() telemetry.Labels {
	return telemetry.Labels{
		Version: "v1.2.3", Surfaces: []string{"graph"}, Reasons: []string{"none", "activation"}, Actions: []string{"selfActivate"},
		Doors: []string{"payroll"}, Limits: []string{"caller"},
	}
}

func TestWhatIsCounted(t *testing.T) {
	m := telemetry.NewMetrics(labels(), telemetry.Readings{})
	m.Request("graph", 200, 3*time.Millisecond)
	m.Request("graph", 429, 20*time.Microsecond)
	m.Limited("caller")
	m.Check("activation")
	m.Check("activation")
	m.Check("made up by somebody")
	m.Decision("selfActivate", "", 4*time.Millisecond)
	m.Decision("selfActivate", "policy failed", 2*time.Millisecond)
	m.Decision("scheduleDue", "", 0)
	m.Deadline(7*time.Millisecond, nil)
	m.Deadline(-time.Second, errors.New("no"))
	m.Effect("payroll", telemetry.EffectUsable, time.Millisecond, 40*time.Millisecond)
	m.Effect("payroll", telemetry.EffectFailed, 2*time.Second, 0)
	m.Effect("payroll", telemetry.EffectGone, time.Millisecond, 90*time.Second)
	got := scrape(t, m, slog.New(slog.DiscardHandler))
	for name, want := range map[string]string{
		`portcullis_build_info{version="v1.2.3"}`:                                 "1",
		`portcullis_requests_total{status="200",surface="graph"}`:                 "1",
		`portcullis_requests_total{status="429",surface="graph"}`:                 "1",
		`portcullis_request_duration_seconds_bucket{surface="graph",le="0.0001"}`: "1",
		`portcullis_request_duration_seconds_bucket{surface="graph",le="0.005"}`:  "2",
		`portcullis_limited_total{limit="caller"}`:                                "1",
		`portcullis_checks_total{reason="activation"}`:                            "2",
		`portcullis_checks_total{reason="none"}`:                                  "0",
		`portcullis_checks_total{reason="other"}`:                                 "1",
		`portcullis_decisions_total{action="selfActivate",code="ok"}`:             "1",
		`portcullis_decisions_total{action="selfActivate",code="policy failed"}`:  "1",
		`portcullis_decisions_total{action="scheduleDue",code="ok"}`:              "1",
		`portcullis_decision_duration_seconds_count`:                              "2",
		`portcullis_deadlines_total{result="ok"}`:                                 "1",
		`portcullis_deadlines_total{result="failed"}`:                             "1",
		`portcullis_deadline_lag_seconds_sum`:                                     "0.007",
		`portcullis_effect_tries_total{door="payroll",result="usable"}`:           "1",
		`portcullis_effect_tries_total{door="payroll",result="stuck"}`:            "0",
		`portcullis_effect_lag_seconds_count`:                                     "3",
		`portcullis_lapse_until_usable_seconds_count`:                             "1",
		`portcullis_lapse_until_usable_seconds_bucket{le="0.05"}`:                 "1",
		`portcullis_lapse_until_usable_seconds_bucket{le="0.025"}`:                "0",
		`portcullis_lapse_until_gone_seconds_sum`:                                 "90",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
}

func TestWhatIsRead(t *testing.T) {
	lag, stuck, down := 2*time.Second, 3, error(nil)
	m := telemetry.NewMetrics(labels(), telemetry.Readings{
		Feed: func() (bool, time.Duration) { return lag < 5*time.Second, lag }, Grants: func() int { return 17 }, Leads: func() bool { return true },
		Foreign: func() int64 { return 1 }, Missing: func() int64 { return 2 },
		Stuck: func(ctx context.Context) (int, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("asking the store is not bounded in time")
			}
			return stuck, down
		},
		Overdue: func(context.Context) (time.Duration, error) { return time.Minute, down },
	})
	var log strings.Builder
	to := slog.New(slog.NewTextHandler(&log, nil))
	for _, c := range []struct {
		lag  time.Duration
		down error
		want map[string]string
	}{
		{2 * time.Second, nil, map[string]string{
			"portcullis_feed_lag_seconds": "2", "portcullis_leads": "1", "portcullis_fresh": "1", "portcullis_index_grants": "17", "portcullis_foreign_privileges": "1",
			"portcullis_missing_privileges": "2", "portcullis_effects_stuck": "3", "portcullis_deadline_overdue_seconds": "60",
		}},
		// A store that is away takes none of the others with it.
		{6 * time.Second, errors.New("the store is away"), map[string]string{
			"portcullis_feed_lag_seconds": "6", "portcullis_fresh": "0", "portcullis_effects_stuck": "", "portcullis_deadline_overdue_seconds": "",
			"portcullis_index_grants": "17",
		}},
	} {
		lag, down = c.lag, c.down
		got := scrape(t, m, to)
		for name, want := range c.want {
			if got[name] != want {
				t.Errorf("%s: got %q, want %q", name, got[name], want)
			}
		}
	}
	if !strings.Contains(log.String(), "the store is away") {
		t.Errorf("the log does not say what is missing: %s", log.String())
	}
}

func TestMetricsThatAreOff(t *testing.T) {
	var m *telemetry.Metrics
	m.Request("graph", 200, time.Second)
	m.Limited("caller")
	m.Check("none")
	m.Decision("deny", "", time.Second)
	m.Deadline(0, nil)
	m.Effect("d", telemetry.EffectGone, 0, 0)
}

func BenchmarkCheck(b *testing.B) {
	m := telemetry.NewMetrics(labels(), telemetry.Readings{})
	b.ReportAllocs()
	for b.Loop() {
		m.Check("activation")
		m.Request("graph", 200, 30*time.Microsecond)
	}
}
