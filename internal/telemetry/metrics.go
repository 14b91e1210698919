package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics count and measure what a node does, in the form of Prometheus. No label holds what callers choose: each has few values, all
// of them ours or the operator's. The methods may be called at once; those of a nil Metrics do nothing.
type Metrics struct {
	registry *prometheus.Registry

	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	usual        map[string]usual
	refused      *prometheus.CounterVec
	checks       *prometheus.CounterVec
	reasons      map[string]prometheus.Counter
	otherReason  prometheus.Counter
	decisions    *prometheus.CounterVec
	decisionTime prometheus.Histogram
	deadlines    *prometheus.CounterVec
	deadlineLag  prometheus.Histogram
	effects      *prometheus.CounterVec
	effectLag    prometheus.Histogram
	usable, gone prometheus.Histogram
}

// usual are a surface's metrics of calls that are answered 200, found once.
type usual struct {
	answered prometheus.Counter
	time     prometheus.Observer
}

// Labels are the values that are exported from the start, so that what has not happened yet reads as zero and not as missing.
type Labels struct {
	// Version is this program's.
	Version string
	// Surfaces answer requests, Reasons are those of checks, Actions are asked of the core, Doors are configured, and Limits refuse.
	Surfaces, Reasons, Actions, Doors, Limits []string
}

// Readings are what is read when somebody asks for the metrics. Nil fields are not exported.
type Readings struct {
	// Feed says whether this node knows what was committed within its bound, and how long ago it certainly knew everything.
	Feed func() (fresh bool, lag time.Duration)
	// Leads says whether this node does what one does for all: the clock's asks, and comparing targets.
	Leads func() bool
	// Grants is how many grants the access index holds.
	Grants func() int
	// Stuck is how many effects of all tenants are stuck, and Overdue for how long that has been due of the clock's asks which has been
	// the longest. They are asked of the store; a reading that fails is not exported.
	Stuck   func(context.Context) (int, error)
	Overdue func(context.Context) (time.Duration, error)
	// Foreign and Missing are what the last comparison with the targets found: held though nobody granted it, and granted but not held.
	Foreign, Missing func() int64
}

const (
	namespace = "portcullis"
	// readWithin bounds what is asked of the store for one answer.
	readWithin = 3 * time.Second
	// metricsWithin and mostAtOnce bound the answers themselves.
	metricsWithin = 10 * time.Second
	mostAtOnce    = 3

	okCode      = "ok"
	otherReason = "other"
)

// The buckets, in seconds. A check takes microseconds, a commit milliseconds, a door seconds, and what is broken hours.
var (
	callBuckets  = []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30}
	lagBuckets   = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 60, 300, 3600}
	lapseBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400}
)

// NewMetrics makes metrics with a registry of their own.
func NewMetrics(l Labels, r Readings) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), usual: map[string]usual{}, reasons: map[string]prometheus.Counter{}}
	m.ofCalls()
	m.ofDecisions()
	m.ofEffects()
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGaugeVec(gauge("build_info", "1, with the version of the program."), []string{"version"})
	info.WithLabelValues(l.Version).Set(1)
	m.registry.MustRegister(info)
	m.known(l)
	m.read(r)
	return m
}

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}
}

func (m *Metrics) ofCalls() {
	m.requests = prometheus.NewCounterVec(counter("requests_total", "Calls answered, by surface and status. A part of a batch is a call."), []string{"surface", "status"})
	m.requestTime = prometheus.NewHistogramVec(histogram("request_duration_seconds",
		"Time from a call to its answer, or to the beginning of one that is streamed.", callBuckets), []string{"surface"})
	m.refused = prometheus.NewCounterVec(counter("limited_total", "Calls refused with 429, by the limit: caller, tenant or address."), []string{"limit"})
	m.checks = prometheus.NewCounterVec(counter("checks_total", "Questions whether somebody may, by the reason of the answer."), []string{"reason"})
	m.registry.MustRegister(m.requests, m.requestTime, m.refused, m.checks)
}

func (m *Metrics) ofDecisions() {
	m.decisions = prometheus.NewCounterVec(counter("decisions_total", "Asks decided, by action and code; ok: not refused."), []string{"action", "code"})
	m.decisionTime = prometheus.NewHistogram(histogram("decision_duration_seconds", "Time to read, decide and commit an ask.", callBuckets))
	m.deadlines = prometheus.NewCounterVec(counter("deadlines_total", "Asks that the clock made, by result: ok or failed."), []string{"result"})
	m.deadlineLag = prometheus.NewHistogram(histogram("deadline_lag_seconds", "How late the clock's asks are made.", lagBuckets))
	m.registry.MustRegister(m.decisions, m.decisionTime, m.deadlines, m.deadlineLag)
}

func (m *Metrics) ofEffects() {
	m.effects = prometheus.NewCounterVec(counter("effect_tries_total", "Tries at effects, by door and result: usable, gone, failed or stuck."), []string{"door", "result"})
	m.effectLag = prometheus.NewHistogram(histogram("effect_lag_seconds", "How long after it is due a try at an effect begins.", lagBuckets))
	m.usable = prometheus.NewHistogram(histogram("lapse_until_usable_seconds",
		"Lapse from the decision that opens a door until reading the target back proves it open.", lapseBuckets))
	m.gone = prometheus.NewHistogram(histogram("lapse_until_gone_seconds",
		"Lapse from the end of a grant until reading the target back proves its door shut.", lapseBuckets))
	m.registry.MustRegister(m.effects, m.effectLag, m.usable, m.gone)
}

// The results of tries at effects.
const (
	EffectUsable = "usable"
	EffectGone   = "gone"
	EffectFailed = "failed"
	EffectStuck  = "stuck"
)

// known exports what can be told from the start.
func (m *Metrics) known(l Labels) {
	for _, s := range l.Surfaces {
		m.usual[s] = usual{m.requests.WithLabelValues(s, strconv.Itoa(http.StatusOK)), m.requestTime.WithLabelValues(s)}
	}
	for _, r := range l.Reasons {
		m.reasons[r] = m.checks.WithLabelValues(r)
	}
	m.otherReason = m.checks.WithLabelValues(otherReason)
	for _, a := range l.Actions {
		m.decisions.WithLabelValues(a, okCode)
	}
	for _, d := range l.Doors {
		for _, r := range []string{EffectUsable, EffectGone, EffectFailed, EffectStuck} {
			m.effects.WithLabelValues(d, r)
		}
	}
	for _, n := range l.Limits {
		m.refused.WithLabelValues(n)
	}
	for _, r := range []string{okCode, EffectFailed} {
		m.deadlines.WithLabelValues(r)
	}
}

// read exports what is read when it is asked for.
func (m *Metrics) read(r Readings) {
	value := func(name, help string, f func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(gauge(name, help), f))
	}
	if r.Leads != nil {
		value("leads", "1 on the node that makes the clock's asks and compares targets for all.", func() float64 { return oneIf(r.Leads()) })
	}
	if r.Grants != nil {
		value("index_grants", "Grants that the access index of this node holds.", func() float64 { return float64(r.Grants()) })
	}
	if r.Foreign != nil {
		value("foreign_privileges", "Privileges that targets hold and nobody granted, at the last comparison.", func() float64 { return float64(r.Foreign()) })
	}
	if r.Missing != nil {
		value("missing_privileges", "Privileges that were granted and targets do not hold, at the last comparison.", func() float64 { return float64(r.Missing()) })
	}
	m.registry.MustRegister(asked(r))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Request counts a call that was answered.
func (m *Metrics) Request(surface string, status int, took time.Duration) {
	if m == nil {
		return
	}
	if u, ok := m.usual[surface]; ok && status == http.StatusOK {
		u.answered.Inc()
		u.time.Observe(took.Seconds())
		return
	}
	m.requests.WithLabelValues(surface, strconv.Itoa(status)).Inc()
	m.requestTime.WithLabelValues(surface).Observe(took.Seconds())
}

// Limited counts a call that a limit refused.
func (m *Metrics) Limited(limit string) {
	if m != nil {
		m.refused.WithLabelValues(limit).Inc()
	}
}

// Check counts a question by the reason of its answer. One that is not among the Labels counts as "other".
func (m *Metrics) Check(reason string) {
	if m == nil {
		return
	}
	if c := m.reasons[reason]; c != nil {
		c.Inc()
		return
	}
	m.otherReason.Inc()
}

// Decision counts an ask that was decided; an empty code says that it was not refused. Of one that was decided with many others the
// time is zero, and not measured.
func (m *Metrics) Decision(action, code string, took time.Duration) {
	if m == nil {
		return
	}
	if code == "" {
		code = okCode
	}
	m.decisions.WithLabelValues(action, code).Inc()
	if took > 0 {
		m.decisionTime.Observe(took.Seconds())
	}
}

// Deadline counts an ask of the clock, and how late it was made.
func (m *Metrics) Deadline(late time.Duration, err error) {
	if m == nil {
		return
	}
	result := okCode
	if err != nil {
		result = EffectFailed
	}
	m.deadlines.WithLabelValues(result).Inc()
	m.deadlineLag.Observe(max(0, late.Seconds()))
}

// Effect counts a try at an effect of a door, and how late it began; lapse is that until it is usable or gone, and counts for these
// results alone.
func (m *Metrics) Effect(door, result string, late, lapse time.Duration) {
	if m == nil {
		return
	}
	m.effects.WithLabelValues(door, result).Inc()
	m.effectLag.Observe(max(0, late.Seconds()))
	switch result {
	case EffectUsable:
		m.usable.Observe(max(0, lapse.Seconds()))
	case EffectGone:
		m.gone.Observe(max(0, lapse.Seconds()))
	}
}

// Handler answers with all metrics, in the text format of Prometheus or the one that is asked for.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: mostAtOnce, Timeout: metricsWithin,
	})
}

// asked are readings that take a moment: one of the feed may read it, the others ask the store.
type asked Readings

var (
	freshDesc   = desc("fresh", "1 while this node knows what was committed within its bound, else 0: then it answers no.")
	lagDesc     = desc("feed_lag_seconds", "How long ago this node certainly knew everything that was committed.")
	stuckDesc   = desc("effects_stuck", "Effects that are stuck, of all tenants; the same on every node.")
	overdueDesc = desc("deadline_overdue_seconds",
		"For how long that of the clock's asks has been due which has been the longest; the same on every node.")
)

func desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil)
}

// Describe implements prometheus.Collector.
func (a asked) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{freshDesc, lagDesc, stuckDesc, overdueDesc} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (a asked) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	tell := func(d *prometheus.Desc, v float64, err error) {
		if err != nil {
			to <- prometheus.NewInvalidMetric(d, fmt.Errorf("the store cannot be asked: %w", err))
			return
		}
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	if a.Feed != nil {
		fresh, lag := a.Feed()
		tell(freshDesc, oneIf(fresh), nil)
		tell(lagDesc, lag.Seconds(), nil)
	}
	if a.Stuck != nil {
		n, err := a.Stuck(ctx)
		tell(stuckDesc, float64(n), err)
	}
	if a.Overdue != nil {
		late, err := a.Overdue(ctx)
		tell(overdueDesc, late.Seconds(), err)
	}
}
