// Package tracing sends traces of what a node does to a collector, by OTLP over HTTP (OpenTelemetry protocol 1.x).
//
// It is apart from package telemetry because it brings much with it. A trace begins with a request, or goes on with that of the caller
// (W3C Trace Context, header traceparent); in it are the decisions, the commits and, in traces of their own, the effects. Spans carry
// methods, routes, statuses, actions and codes: no address as it was sent, no header, no id of a person, no secret.
//
// Nothing waits for a collector: spans are kept up to a bound and dropped beyond it. Nothing of it is global.
package tracing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

// Options say where traces are sent.
type Options struct {
	// Endpoint is the collector's address, such as https://otel.example.org:4318; without a path: /v1/traces.
	Endpoint string
	// CAFile holds authorities to believe instead of the system's; empty: the system's.
	CAFile string
	// Headers go with every call to the collector. They may hold secrets.
	Headers map[string]string
	// Ratio is the part of the traces that begin here which is sent, from 0 to 1. Callers who sample theirs have them sent all the same.
	Ratio float64
	// Node and Version are told of this process.
	Node, Version string
	Log           *slog.Logger
}

const (
	sendWithin = 10 * time.Second
	// mostKept bounds the spans that wait to be sent, sendEvery says how soon they are.
	mostKept, mostSent = 4096, 512
	sendEvery          = 2 * time.Second
	// mostAttributes and longestAttribute bound a span.
	mostAttributes, longestAttribute = 32, 256
)

// Tracing makes spans. The methods of a nil Tracing do nothing.
type Tracing struct {
	provider *trace.TracerProvider
	tracer   api.Tracer
	carry    propagation.TraceContext
}

// New makes tracing. The error says what of the options cannot be used; whether the collector answers is not asked.
func New(ctx context.Context, o Options) (*Tracing, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	at, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, errors.New("the address of the collector is not well formed")
	}
	if at.Path == "" || at.Path == "/" {
		at.Path = "/v1/traces"
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(at.String()), otlptracehttp.WithTimeout(sendWithin), otlptracehttp.WithHeaders(o.Headers),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: sendWithin}),
	}
	if o.CAFile != "" {
		trust, err := authorities(o.CAFile)
		if err != nil {
			return nil, err
		}
		options = append(options, otlptracehttp.WithTLSClientConfig(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trust}))
	}
	exporter, err := otlptrace.New(ctx, otlptracehttp.NewClient(options...))
	if err != nil {
		return nil, fmt.Errorf("traces cannot be sent to %s: %w", o.Endpoint, err)
	}
	limits := trace.NewSpanLimits()
	limits.AttributeCountLimit, limits.AttributeValueLengthLimit = mostAttributes, longestAttribute
	provider := trace.NewTracerProvider(
		trace.WithBatcher(&quiet{SpanExporter: exporter, log: o.Log}, trace.WithMaxQueueSize(mostKept), trace.WithMaxExportBatchSize(mostSent),
			trace.WithBatchTimeout(sendEvery), trace.WithExportTimeout(sendWithin)),
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(o.Ratio))), trace.WithRawSpanLimits(limits),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "portcullis"), attribute.String("service.version", o.Version),
			attribute.String("service.instance.id", o.Node))))
	return &Tracing{provider: provider, tracer: provider.Tracer("portcullis")}, nil
}

func authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authorities of the collector: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// quiet keeps failures to send from the library, which would write them to the standard error, and logs when they begin and end.
type quiet struct {
	trace.SpanExporter
	log    *slog.Logger
	failed atomic.Bool
}

func (q *quiet) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !q.failed.Swap(true):
		q.log.WarnContext(ctx, "traces cannot be sent; they are dropped until they can be", "error", err)
	case err == nil && q.failed.Swap(false):
		q.log.InfoContext(ctx, "traces are sent again")
	}
	return nil
}

// Close sends what is kept, as long as the context lets it.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// Requests makes a span for each request but those for the quiet paths, within the caller's trace where the request names one. It is
// called by its method until Route names it better.
func (t *Tracing) Requests(next http.Handler, quiet ...string) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(quiet, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		ctx := t.carry.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		method := known(r.Method)
		ctx, span := t.tracer.Start(ctx, method, api.WithSpanKind(api.SpanKindServer), api.WithAttributes(attribute.String("http.request.method", method)))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// known is a method as it is told: callers may make up others.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "_OTHER"
}

// Route names the span of a request by its route, such as "GET /v1.0/users/{id}", and says with which status it was answered. A part of
// a batch has the span of the whole: the last one names it.
func (t *Tracing) Route(ctx context.Context, route string, status int) {
	if t == nil {
		return
	}
	span := api.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	if route != "" {
		span.SetName(route)
		span.SetAttributes(attribute.String("http.route", route))
	}
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
}

// Span begins a span within that of the context, with attributes in pairs of name and value, and returns a function that ends it: with
// the code that a refusal has, and with an error where it failed. Nothing of the error is sent: its text may be nobody else's business.
func (t *Tracing) Span(ctx context.Context, name string, attributes ...string) (context.Context, func(code string, failed error)) {
	if t == nil {
		return ctx, func(string, error) {}
	}
	ctx, span := t.tracer.Start(ctx, name)
	if span.IsRecording() {
		for i := 0; i+1 < len(attributes); i += 2 {
			span.SetAttributes(attribute.String(attributes[i], attributes[i+1]))
		}
	}
	return ctx, func(code string, failed error) {
		if code != "" {
			span.SetAttributes(attribute.String("code", code))
		}
		if failed != nil {
			span.SetStatus(codes.Error, "failed")
		}
		span.End()
	}
}

// Transport carries the trace on to whom this node calls, in the header traceparent; next nil: http.DefaultTransport.
func (t *Tracing) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	if t == nil {
		return next
	}
	return outgoing{t, next}
}

type outgoing struct {
	*Tracing
	next http.RoundTripper
}

func (o outgoing) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := o.tracer.Start(r.Context(), known(r.Method), api.WithSpanKind(api.SpanKindClient), api.WithAttributes(attribute.String("server.address", r.URL.Hostname())))
	defer span.End()
	r = r.Clone(ctx) // a RoundTripper must not change what it is given
	o.carry.Inject(ctx, propagation.HeaderCarrier(r.Header))
	answer, err := o.next.RoundTrip(r)
	if err != nil {
		span.SetStatus(codes.Error, "failed")
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", answer.StatusCode))
	return answer, nil
}
