package tracing_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"portcullis/internal/telemetry/tracing"
)

// collected is a collector that keeps what it is sent.
type collected struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	spans   map[string]*trace.Span // by name
	text    string
	headers http.Header
	status  int
}

func newCollector(t *testing.T) *collected {
	c := &collected{t: t, spans: map[string]*trace.Span{}, status: http.StatusOK}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != http.StatusOK {
		w.WriteHeader(c.status)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			c.t.Error(err)
			return
		}
	}
	sent, err := io.ReadAll(body)
	if err != nil {
		c.t.Error(err)
		return
	}
	in := new(collector.ExportTraceServiceRequest)
	if err := proto.Unmarshal(sent, in); err != nil || r.URL.Path != "/v1/traces" || r.Method != http.MethodPost {
		c.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	c.text += in.String()
	c.headers = r.Header
	for _, of := range in.ResourceSpans {
		for _, in := range of.ScopeSpans {
			for _, s := range in.Spans {
				c.spans[s.Name] = s
			}
		}
	}
}

// attribute is one of a span, as text.
func attribute(s *trace.Span, name string) string {
	for _, a := range s.GetAttributes() {
		if a.Key != name {
			continue
		}
		if n, ok := a.Value.Value.(*common.AnyValue_IntValue); ok {
			return string(rune('0'+n.IntValue/100)) + "xx"
		}
		return a.Value.GetStringValue()
	}
	return ""
}

func TestATraceFromTheCallerToTheCommit(t *testing.T) {
	c := newCollector(t)
	tr, err := tracing.New(t.Context(), tracing.Options{Endpoint: c.URL, Ratio: 0, Headers: map[string]string{"X-Key": "geheim"}, Node: "one", Version: "v9"})
	if err != nil {
		t.Fatal(err)
	}
	var onward string
	next := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { onward += r.Header.Get("Traceparent") }))
	defer next.Close()
	h := tr.Requests(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" {
			return
		}
		ctx, end := tr.Span(r.Context(), "decide", "action", "selfActivate")
		_, committed := tr.Span(ctx, "commit")
		committed("", errors.New("password geheim"))
		end("policy failed", nil)
		client := &http.Client{Transport: tr.Transport(nil)}
		out, err := http.NewRequestWithContext(ctx, http.MethodGet, next.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := client.Do(out)
		if err != nil {
			t.Error(err)
			return
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		tr.Route(r.Context(), "POST /v1.0/{rest...}", http.StatusBadRequest)
		w.WriteHeader(http.StatusBadRequest)
	}), "/livez")
	const whole, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, path := range []string{"/v1.0/me?code=geheim", "/livez"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("geheim"))
		r.Header.Set("Traceparent", "00-"+whole+"-"+caller+"-01")
		r.Header.Set("Authorization", "Bearer geheim")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	request, decide, commit := c.spans["POST /v1.0/{rest...}"], c.spans["decide"], c.spans["commit"]
	if request == nil || decide == nil || commit == nil {
		t.Fatalf("got spans %v", c.spans)
	}
	for _, s := range []*trace.Span{request, decide, commit} {
		if got := hex.EncodeToString(s.TraceId); got != whole {
			t.Errorf("%s is in trace %s, want the caller's", s.Name, got)
		}
	}
	if got := hex.EncodeToString(request.ParentSpanId); got != caller {
		t.Errorf("the request's parent is %s, want the caller's span", got)
	}
	if string(decide.ParentSpanId) != string(request.SpanId) || string(commit.ParentSpanId) != string(decide.SpanId) {
		t.Error("the decision is not in the request, or the commit not in the decision")
	}
	if !strings.HasPrefix(onward, "00-"+whole+"-") || !strings.HasSuffix(onward, "-01") {
		t.Errorf("who is called is told traceparent %q, want the caller's trace", onward)
	}
	if got := attribute(decide, "code"); got != "policy failed" || decide.Status.GetCode() == trace.Status_STATUS_CODE_ERROR {
		t.Errorf("the decision: code %q, status %v; a refusal is no error", got, decide.Status)
	}
	if got := attribute(decide, "action"); got != "selfActivate" {
		t.Errorf("the decision: action %q", got)
	}
	if commit.Status.GetCode() != trace.Status_STATUS_CODE_ERROR {
		t.Error("the commit that failed is not told as an error")
	}
	if got := attribute(request, "http.response.status_code"); got != "4xx" {
		t.Errorf("the request: status %q", got)
	}
	if strings.Contains(c.text, "geheim") {
		t.Errorf("a trace tells a secret: %s", c.text)
	}
	if c.headers.Get("X-Key") != "geheim" {
		t.Error("the headers for the collector are missing")
	}
	if c.spans["POST"] != nil {
		t.Error("a quiet path has a span")
	}
	if !strings.Contains(c.text, "service.instance.id") || !strings.Contains(c.text, "v9") {
		t.Errorf("the traces do not say whose they are: %s", c.text)
	}
}

func TestWithoutACallersTraceTheRatioCounts(t *testing.T) {
	for ratio, want := range map[float64]int{0: 0, 1: 1} {
		c := newCollector(t)
		tr, err := tracing.New(t.Context(), tracing.Options{Endpoint: c.URL, Ratio: ratio})
		if err != nil {
			t.Fatal(err)
		}
		_, end := tr.Span(t.Context(), "effect", "door", "payroll", "odd")
		end("failed", nil)
		if err := tr.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(c.spans) != want {
			t.Errorf("ratio %g: %d spans, want %d", ratio, len(c.spans), want)
		}
	}
}

// TestACollectorThatIsAway: nobody waits for it, and the log says so once.
func TestACollectorThatIsAway(t *testing.T) {
	c := newCollector(t)
	c.status = http.StatusForbidden // which is not tried again
	var log strings.Builder
	tr, err := tracing.New(t.Context(), tracing.Options{Endpoint: c.URL + "/v1/traces", Ratio: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		_, end := tr.Span(context.Background(), "decide")
		end("", nil)
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	if n := strings.Count(log.String(), "cannot be sent"); n != 1 {
		t.Errorf("the log says so %d times, want once: %s", n, log.String())
	}
}

func TestOptionsThatCannotBeUsed(t *testing.T) {
	if _, err := tracing.New(t.Context(), tracing.Options{Endpoint: "https://127.0.0.1:1", CAFile: t.TempDir() + "/none"}); err == nil {
		t.Error("a file of authorities that is not there was taken")
	}
}

func TestTracingThatIsOff(t *testing.T) {
	var tr *tracing.Tracing
	ctx, end := tr.Span(t.Context(), "decide")
	end("", nil)
	tr.Route(ctx, "GET /", 200)
	rec := httptest.NewRecorder()
	tr.Requests(http.NotFoundHandler()).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if rec.Code != http.StatusNotFound || tr.Transport(http.DefaultTransport) != http.DefaultTransport || tr.Close(ctx) != nil {
		t.Error("what is off changes something")
	}
}
