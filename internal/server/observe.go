package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/arm"
	"portcullis/internal/api/authzen"
	"portcullis/internal/api/graph"
	"portcullis/internal/api/native"
	"portcullis/internal/api/pimv1"
	"portcullis/internal/api/pimv2"
	"portcullis/internal/api/scim"
	"portcullis/internal/app"
	"portcullis/internal/config"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/telemetry"
	"portcullis/internal/telemetry/tracing"
	"portcullis/internal/worker"
)

// The surfaces that are no dialects, as metrics name them.
const (
	surfaceSignIn = "signIn"
	surfaceOwn    = "own"
)

// nameOf is a surface as metrics name it.
func nameOf(s api.Surface) string {
	switch s.(type) {
	case *graph.Surface:
		return "graph"
	case *arm.Surface:
		return "arm"
	case *pimv1.Surface:
		return "pimv1"
	case *pimv2.Surface:
		return "pimv2"
	case *scim.Surface:
		return "scim"
	case *native.Surface:
		return "native"
	case *authzen.Surface:
		return "access"
	}
	return s.Prefixes()[0]
}

// reasons are those of answers to questions whether somebody may.
func reasons() []string {
	all := append(authzen.Reasons(), native.Reasons()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// openMetrics makes the metrics and takes their address.
func (s *Server) openMetrics(ctx context.Context) error {
	if s.settings.Metrics.Listen == "" {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.settings.Metrics.Listen)
	if err != nil {
		return unable(ExitFailure, "cannot serve metrics at %s: %w", s.settings.Metrics.Listen, err)
	}
	s.metricsAt = l
	labels := telemetry.Labels{
		Version: s.options.Version, Surfaces: []string{surfaceSignIn, surfaceOwn}, Reasons: reasons(), Actions: app.ActionNames(),
		Limits: []string{string(api.LimitedCaller), string(api.LimitedTenant), string(api.LimitedAddress)},
	}
	for _, one := range s.surfaces {
		labels.Surfaces = append(labels.Surfaces, nameOf(one))
		switch one := one.(type) {
		case *native.Surface:
			one.Checked = s.checked
		case *authzen.Surface:
			one.Checked = s.checked
		}
	}
	for _, d := range s.settings.Doors {
		labels.Doors = append(labels.Doors, d.Name)
	}
	s.metrics = telemetry.NewMetrics(labels, telemetry.Readings{
		Feed: s.feedState, Grants: s.App.Index.Loaded,
		Stuck: s.stuck, Overdue: s.overdue, Leads: func() bool { return s.worker != nil && s.worker.Leads() },
		Foreign: func() int64 { return s.workerStats().Foreign }, Missing: func() int64 { return s.workerStats().Missing },
	})
	return nil
}

// feedState says whether this node is fresh, and by how much it is behind then: a node that nobody asked for a while looks first.
func (s *Server) feedState() (fresh bool, behind time.Duration) {
	fresh = s.App.Fresh() == nil
	return fresh, s.App.Behind()
}

// checked counts the answer to a question.
func (s *Server) checked(reason string) { s.metrics.Check(reason) }

func (s *Server) workerStats() worker.Stats {
	if s.worker == nil {
		return worker.Stats{}
	}
	return s.worker.Stats()
}

// stuck counts the effects of all tenants that are stuck.
func (s *Server) stuck(ctx context.Context) (int, error) {
	tenants, err := s.Store.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	all := 0
	for _, t := range tenants {
		page, err := s.Store.Effects(ctx, store.Query{Tenant: t.ID, Where: store.Is(store.FieldStuck, true), Limit: 1, Count: true})
		if err != nil {
			return 0, err
		}
		all += page.Count
	}
	return all, nil
}

// overdue is for how long that of the clock's asks has been due which has been the longest.
func (s *Server) overdue(ctx context.Context) (time.Duration, error) {
	now := s.App.Time()
	due, _, err := s.Store.Due(ctx, now, 1)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	return now.Sub(due[0].At), nil
}

// openTracing makes what sends traces.
func (s *Server) openTracing(ctx context.Context) error {
	t := s.settings.Tracing
	if t.Endpoint == "" {
		return nil
	}
	headers, err := t.Headers()
	if err != nil {
		return unable(ExitSettings, "%w", err)
	}
	ratio := t.Ratio
	if ratio == 0 {
		ratio = 1
	}
	node, err := os.Hostname()
	if err != nil {
		node = hostOf(s.url)
	}
	s.tracing, err = tracing.New(ctx, tracing.Options{
		Endpoint: t.Endpoint, CAFile: t.CAFile, Headers: headers, Ratio: ratio, Node: node, Version: s.options.Version, Log: s.Log,
	})
	if err != nil {
		return unable(ExitSettings, "tracing: %w", err)
	}
	return nil
}

// issuerClient fetches keys of issuers, and carries traces on to them; nil: without traces anybody's will do.
func (s *Server) issuerClient() *http.Client {
	if s.tracing == nil {
		return nil
	}
	return &http.Client{Timeout: issuerWithin, Transport: s.tracing.Transport(nil)}
}

// issuerWithin bounds the time that an issuer takes to give its keys.
const issuerWithin = 5 * time.Second

// lastTraces sends what is kept of traces.
func (s *Server) lastTraces() {
	ctx, cancel := context.WithTimeout(context.Background(), keepUsesWithin)
	defer cancel()
	if err := s.tracing.Close(ctx); err != nil {
		s.Log.Warn("the last traces are lost", "error", err)
	}
}

// observe has the application tell what it does.
func (s *Server) observe(context.Context) error {
	if s.metrics != nil {
		s.App.Decided = func(action string, code pim.Code, took time.Duration) { s.metrics.Decision(action, string(code), took) }
	}
	if s.tracing != nil {
		s.App.Span = s.tracing.Span
	}
	return nil
}

// observer is told what the worker does.
func (s *Server) observer() worker.Observer {
	var o worker.Observer
	if s.metrics != nil {
		o.Asked, o.Carried = s.metrics.Deadline, s.carried
	}
	if s.tracing != nil {
		o.Span = s.tracing.Span
	}
	return o
}

// carried counts a try at an effect.
func (s *Server) carried(before, after pim.Effect, began time.Time) {
	result := ""
	switch {
	case after.State == pim.Usable:
		result = telemetry.EffectUsable
	case after.State == pim.Gone:
		result = telemetry.EffectGone
	case after.Stuck && !before.Stuck:
		result = telemetry.EffectStuck
	case after.Attempts > before.Attempts:
		result = telemetry.EffectFailed
	default:
		return // it waits
	}
	door := before.Door
	if !slices.ContainsFunc(s.settings.Doors, func(d config.Door) bool { return d.Name == door }) {
		door = "other" // one that is in the settings no more
	}
	s.metrics.Effect(door, result, began.Sub(before.Due), worker.Lapse(after))
}

// answered counts a call of a surface, and names its trace.
func (s *Server) answered(call *api.Request, of api.Surface, status int) {
	s.metrics.Request(nameOf(of), status, s.real().Sub(call.Began))
	s.tracing.Route(call.Context(), call.Pattern, status)
}

// limits are those of the settings.
func (s *Server) limits() *api.Limits {
	l := s.settings.Limits
	return &api.Limits{Calls: api.Rates(l.Calls), Checks: api.Rates(l.Checks), Failures: l.Failures}
}

// metricsServer serves the metrics at an address of their own.
func (s *Server) metricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler(s.Log))
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: headerWithin, ReadTimeout: readWithin, WriteTimeout: writeWithin, IdleTimeout: idleWithin,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}

// serveMetrics serves the metrics until the context ends. The error says why it had to stop before.
func (s *Server) serveMetrics(ctx context.Context) error {
	web := s.metricsServer()
	stop := context.AfterFunc(ctx, func() { _ = web.Close() }) // what it closes is served no more
	defer stop()
	if err := web.Serve(s.metricsAt); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics at %s: %w", s.metricsAt.Addr(), err)
	}
	return nil
}

// MetricsURL is where the metrics are; empty: nowhere.
func (s *Server) MetricsURL() string {
	if s.metricsAt == nil {
		return ""
	}
	return "http://" + s.metricsAt.Addr().String() + "/metrics"
}

// otherwise counts and bounds what is served besides the surfaces.
func (s *Server) otherwise(name string, w http.ResponseWriter, r *http.Request, next http.Handler) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), ownWithin)
	defer cancel()
	counted := &telemetry.Answer{ResponseWriter: w}
	next.ServeHTTP(counted, r.WithContext(ctx))
	s.metrics.Request(name, counted.Status(), time.Since(began))
	s.tracing.Route(ctx, "", counted.Status())
}

// ownWithin bounds the time of a call that is no surface's.
const ownWithin = 30 * time.Second
