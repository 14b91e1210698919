package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/config"
)

func TestLimitsMetricsAndTracing(t *testing.T) {
	got, err := config.Load(write(t, `
limits: {calls: {caller: 100, tenant: -1}, checks: {caller: 2.5}, failures: 10}
metrics: {listen: "127.0.0.1:9464"}
tracing: {endpoint: "https://otel.example.org:4318", caFile: ca.pem, headersFile: h, ratio: 0.25}
`), []string{"PIM_LIMITS_CHECKS_TENANT=7", "PIM_METRICS_LISTEN=127.0.0.1:9999"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Settings{
		Limits:  config.Limits{Calls: config.Rates{Caller: 100, Tenant: -1}, Checks: config.Rates{Caller: 2.5, Tenant: 7}, Failures: 10},
		Metrics: config.Metrics{Listen: "127.0.0.1:9999"},
		Tracing: config.Tracing{Endpoint: "https://otel.example.org:4318", CAFile: "ca.pem", HeadersFile: "h", Ratio: .25},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	for _, c := range []struct{ file, want string }{
		{"metrics: {listen: '9464'}", "metrics.listen:"},
		{"tracing: {ratio: 0.5}", "tracing: endpoint is missing"},
		{"tracing: {endpoint: 'otel:4318'}", "tracing.endpoint:"},
		{"tracing: {endpoint: 'https://u:geheim@otel'}", "tracing.endpoint:"},
		{"tracing: {endpoint: 'https://otel', ratio: 2}", "tracing.ratio:"},
		{"tracing: {endpoint: 'https://otel', ratio: .nan}", "tracing.ratio:"},
		{"limits: {failures: .nan}", "limits:"},
		{"limits: {calls: {callers: 1}}", `did you mean "limits.calls.caller"`},
	} {
		_, err := config.Load(write(t, c.file), nil, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: got %v, want %s", c.file, err, c.want)
		}
	}
}

func TestHeadersOfTracing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	for _, c := range []struct {
		text string
		want map[string]string
	}{
		{"Authorization: Bearer geheim:1\n\n X-Scope : a \n", map[string]string{"Authorization": "Bearer geheim:1", "X-Scope": "a"}},
		{"geheim\n", nil},
		{": geheim\n", nil},
		{"a b: geheim\n", nil},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := config.Tracing{HeadersFile: file}.Headers()
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.want != nil) {
			t.Errorf("%q: got %v, %v; want %v", c.text, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: the error tells a secret: %v", c.text, err)
		}
	}
}
