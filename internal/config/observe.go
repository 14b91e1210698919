package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strings"
)

// Limits bound how many calls are served a second, on each node. Zero means what is said; a negative number that there is no limit.
// Whoever was still may do more at once: as much as in two seconds, for failures four. More is answered 429 with Retry-After.
type Limits struct {
	// Calls are for what reads and writes the store: 1,000 a second for each caller, 5,000 for a tenant.
	Calls Rates `koanf:"calls"`
	// Checks are for questions that are answered from memory: 50,000 a second for each caller, 200,000 for a tenant.
	Checks Rates `koanf:"checks"`
	// Failures are calls a second from one network address that do not prove who calls: 50.
	Failures float64 `koanf:"failures"`
}

// Rates are calls a second.
type Rates struct {
	Caller float64 `koanf:"caller"`
	Tenant float64 `koanf:"tenant"`
}

func (l Limits) validate() []error {
	for _, r := range []float64{l.Calls.Caller, l.Calls.Tenant, l.Checks.Caller, l.Checks.Tenant, l.Failures} {
		if math.IsNaN(r) {
			return []error{errors.New("limits: a limit is not a number")}
		}
	}
	return nil
}

// Metrics are for Prometheus.
type Metrics struct {
	// Listen is the address to serve them at, host:port, by plain HTTP and to whoever reaches it: an address of the machine or of a
	// network of its own, such as 127.0.0.1:9464. Empty: they are not served.
	Listen string `koanf:"listen"`
}

func (m Metrics) validate() []error {
	if m.Listen == "" {
		return nil
	}
	if _, port, err := net.SplitHostPort(m.Listen); err != nil || port == "" {
		return []error{fmt.Errorf("metrics.listen: %q is no address; write host:port, such as 127.0.0.1:9464", m.Listen)}
	}
	return nil
}

// Tracing sends traces to a collector by OTLP over HTTP.
type Tracing struct {
	// Endpoint is the collector's address, such as https://otel.example.org:4318. Empty: no traces are made.
	Endpoint string `koanf:"endpoint"`
	// CAFile holds authorities to believe instead of the system's.
	CAFile string `koanf:"caFile"`
	// HeadersFile is a file of headers for the collector, a line each: "Authorization: Bearer …".
	HeadersFile string `koanf:"headersFile"`
	// Ratio is the part of the traces that is sent, above 0 and up to 1. Zero: all.
	Ratio float64 `koanf:"ratio"`
}

func (t Tracing) validate() []error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if t.Endpoint == "" {
		if t != (Tracing{}) {
			bad("tracing: endpoint is missing; without it no traces are sent")
		}
		return wrong
	}
	if u, err := url.Parse(t.Endpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		bad("tracing.endpoint: must be http://host:port or https://host:port, perhaps with a path; names and passwords go into headersFile")
	}
	if math.IsNaN(t.Ratio) || t.Ratio < 0 || t.Ratio > 1 {
		bad("tracing.ratio: %g is not between 0 and 1", t.Ratio)
	}
	return wrong
}

// Headers are those of the file, read now.
func (t Tracing) Headers() (map[string]string, error) {
	text, err := secret("", t.HeadersFile)
	if err != nil {
		return nil, fmt.Errorf("tracing.headersFile: %w", err)
	}
	headers := map[string]string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("tracing.headersFile: a line of %s is no header; write name: value", t.HeadersFile)
		}
		headers[name] = strings.TrimSpace(value)
	}
	return headers, nil
}
