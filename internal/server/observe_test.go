package server_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knadh/koanf/parsers/yaml"

	"portcullis/internal/config"
	"portcullis/internal/localpg"
	"portcullis/internal/server"
)

// metrics are what a node exports: values by name and labels, and the types of the families by name.
type metrics struct {
	values   map[string]float64
	families map[string]string
	labels   map[string]bool
}

var (
	sampleLine = regexp.MustCompile(`(?m)^([a-z_]+)(\{([^}]*)\})? (\S+)$`)
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	labelName  = regexp.MustCompile(`([a-z_]+)="`)
)

func (n *node) metrics() metrics {
	n.t.Helper()
	status, header, text := n.read(http.Get(n.MetricsURL()))
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/plain; version=0.0.4") {
		n.t.Fatalf("metrics: got %d, %s: %s", status, header.Get("Content-Type"), text)
	}
	m := metrics{map[string]float64{}, map[string]string{}, map[string]bool{}}
	for _, line := range sampleLine.FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseFloat(line[4], 64)
		if err != nil {
			n.t.Fatalf("%s: %v", line[0], err)
		}
		m.values[line[1]+line[2]] = value
		for _, l := range labelName.FindAllStringSubmatch(line[3], -1) {
			m.labels[l[1]] = true
		}
	}
	for _, line := range typeLine.FindAllStringSubmatch(text, -1) {
		m.families[line[1]] = line[2]
	}
	return m
}

// TestMetricsOfADoor: what happens at a real door is counted and measured, and everything else is there from the start.
func TestMetricsOfADoor(t *testing.T) {
	p := openPayroll(t, false, true)
	before := p.metrics()
	schedule := p.activate()
	p.until(schedule, "usable")
	alice := p.token("alice")
	if status, body := p.as(alice, "/portcullis/v1/check?role="+helpdesk); status != http.StatusOK {
		t.Fatalf("check: got %d %s", status, body)
	}
	if status, _ := p.as("nonsense", "/v1.0/me"); status != http.StatusUnauthorized {
		t.Fatalf("got %d, want 401", status)
	}
	p.move("PT1H")
	p.until(schedule, "gone")
	after := p.metrics()
	for _, c := range []struct {
		name        string
		least, most float64
	}{
		{`portcullis_decisions_total{action="adminAssign",code="ok"}`, 1, 1},
		{`portcullis_decisions_total{action="selfActivate",code="ok"}`, 1, 1},
		{`portcullis_decisions_total{action="scheduleDue",code="ok"}`, 1, 3},
		{`portcullis_decision_duration_seconds_count`, 2, 99},
		{`portcullis_deadlines_total{result="ok"}`, 1, 3},
		{`portcullis_deadlines_total{result="failed"}`, 0, 0},
		{`portcullis_effect_tries_total{door="payroll",result="usable"}`, 1, 1},
		{`portcullis_effect_tries_total{door="payroll",result="gone"}`, 1, 1},
		{`portcullis_lapse_until_usable_seconds_count`, 1, 1},
		{`portcullis_lapse_until_usable_seconds_sum`, 0, 30},
		{`portcullis_lapse_until_gone_seconds_count`, 1, 1},
		{`portcullis_lapse_until_gone_seconds_sum`, 0, 60},
		{`portcullis_effect_lag_seconds_count`, 2, 99},
		{`portcullis_checks_total{reason="activation"}`, 1, 1},
		{`portcullis_requests_total{status="200",surface="native"}`, 3, 9999},
		{`portcullis_requests_total{status="201",surface="graph"}`, 2, 2},
		{`portcullis_requests_total{status="401",surface="graph"}`, 1, 1},
		{`portcullis_requests_total{status="200",surface="signIn"}`, 3, 99},
		{`portcullis_requests_total{status="200",surface="own"}`, 1, 99},
		{`portcullis_effects_stuck`, 0, 0},
		{`portcullis_fresh`, 0, 0}, // as before: 1
		{`portcullis_index_grants`, 0, 9},
	} {
		got, ok := after.values[c.name]
		if got -= before.values[c.name]; !ok || got < c.least || got > c.most {
			t.Errorf("%s: rose by %g (there: %v), want %g to %g", c.name, got, ok, c.least, c.most)
		}
	}
	if before.values["portcullis_fresh"] != 1 || before.values["portcullis_index_grants"] == 0 {
		t.Errorf("at the start: fresh %g, grants %g", before.values["portcullis_fresh"], before.values["portcullis_index_grants"])
	}
}

// TestDeployedFilesNameWhatIsExported: whatever the dashboard and the alert rules ask for is exported by a server that has just started,
// so that a panel without data means that nothing happens and not that it has the wrong name.
func TestDeployedFilesNameWhatIsExported(t *testing.T) {
	o := sampleOptions(filepath.Join(t.TempDir(), "data"))
	o.Settings.Metrics.Listen = "127.0.0.1:0"
	o.Settings.Doors = []config.Door{{Name: "away", Type: "postgres", URL: "postgres://nobody@127.0.0.1:1/none", Bindings: []config.Binding{
		{Role: helpdesk, Privilege: "reader"},
	}}}
	n := start(t, o)
	exported := n.metrics()
	name := regexp.MustCompile(`\b(?:portcullis|process|go)_[a-z_]+\b`)
	by := regexp.MustCompile(`by \(([^)]*)\)|([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	given := map[string]bool{"job": true, "instance": true, "le": true} // by Prometheus, or by every histogram
	for file, expressions := range map[string][]string{
		"grafana-dashboard.json": dashboard(t), "prometheus-alerts.yml": alerts(t),
	} {
		if len(expressions) < 10 {
			t.Errorf("%s: found %d expressions; the test does not read it rightly", file, len(expressions))
		}
		for _, e := range expressions {
			names := name.FindAllString(e, -1)
			if len(names) == 0 {
				t.Errorf("%s: no metric in %q", file, e)
			}
			for _, m := range names {
				family := m
				for _, part := range []string{"_bucket", "_sum", "_count"} {
					if base, ok := strings.CutSuffix(m, part); ok && exported.families[base] == "histogram" {
						family = base
					}
				}
				kind, ok := exported.families[family]
				if !ok {
					t.Errorf("%s: %s is not exported: %s", file, m, e)
				}
				if rated := strings.Contains(e, "rate("+m); rated != (kind != "gauge") {
					t.Errorf("%s: a rate of a %s, or a %s without one: %s", file, kind, kind, e)
				}
			}
			for _, found := range by.FindAllStringSubmatch(e, -1) {
				for l := range strings.SplitSeq(found[1]+found[2], ",") {
					if l = strings.TrimSpace(l); !given[l] && !exported.labels[l] {
						t.Errorf("%s: no metric has the label %q: %s", file, l, e)
					}
				}
			}
		}
	}
}

const deployed = "../../deploy/"

// dashboard are the expressions of the panels.
func dashboard(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile(deployed + "grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		UID    string
		Panels []struct {
			ID          int
			Title, Type string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
			Datasource  struct{ Type string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && (len(p.Targets) == 0 || p.Datasource.Type != "prometheus") {
			t.Errorf("panel %d %q is not well formed", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			expressions = append(expressions, q.Expr)
		}
	}
	return expressions
}

// alerts are the expressions of the rules.
func alerts(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile(deployed + "prometheus-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	read, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := json.Unmarshal(again, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			severity := r.Labels["severity"]
			if r.Alert == "" || r.For == "" || severity != "page" && severity != "ticket" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("rule %q lacks something", r.Alert)
			}
			expressions = append(expressions, r.Expr)
		}
	}
	return expressions
}

// TestMetricsAreAtTheirOwnAddressAlone: nobody who reaches the APIs reads them, and off they cost nothing.
func TestMetricsAreAtTheirOwnAddressAlone(t *testing.T) {
	o := sampleOptions(filepath.Join(t.TempDir(), "data"))
	n := start(t, o)
	if n.MetricsURL() != "" {
		t.Errorf("metrics are served at %s though nobody asked for it", n.MetricsURL())
	}
	n.end()
	o.Settings.Metrics.Listen = "127.0.0.1:0"
	n = start(t, o)
	if status, _, _ := n.get("/metrics"); status != http.StatusNotFound {
		t.Errorf("/metrics at the address of the APIs: got %d, want 404", status)
	}
	at := strings.TrimSuffix(n.MetricsURL(), "/metrics")
	for _, path := range []string{"/", "/v1.0/users", "/livez", "/debug/pprof/"} {
		if status, _, _ := n.read(http.Get(at + path)); status != http.StatusNotFound {
			t.Errorf("%s at the address of the metrics: got %d, want 404", path, status)
		}
	}
	if status, _, _ := n.read(http.Post(n.MetricsURL(), "text/plain", strings.NewReader("x"))); status != http.StatusMethodNotAllowed {
		t.Errorf("POST of metrics: got %d, want 405", status)
	}
	o.Settings.Data, o.Settings.Metrics.Listen = filepath.Join(t.TempDir(), "other"), strings.TrimPrefix(at, "http://")
	if _, err := server.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "cannot serve metrics at") {
		t.Errorf("an address in use: got %v", err)
	}
}

// TestAStaleNodeSaysSo: a node that does not hear from the database is not ready, and tells Prometheus without it.
func TestAStaleNodeSaysSo(t *testing.T) {
	pg, err := localpg.Start(t.Context(), localpg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := pg.CreateDatabase(t.Context(), "portcullis"); err != nil {
		t.Fatal(err)
	}
	o := sampleOptions(filepath.Join(t.TempDir(), "data"))
	o.Settings.Database, o.Settings.Staleness, o.Settings.Metrics.Listen = pg.URL("portcullis"), time.Second, "127.0.0.1:0"
	n := start(t, o)
	if status, _, text := n.get("/readyz"); status != http.StatusOK || text != "ready\n" {
		t.Fatalf("before: got %d %s", status, text)
	}
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	n.ready(http.StatusServiceUnavailable, "stale\n")
	m := n.metrics()
	_, stuck := m.values["portcullis_effects_stuck"]
	if m.values["portcullis_fresh"] != 0 || m.values["portcullis_feed_lag_seconds"] < 1 || stuck {
		t.Errorf("stale: fresh %g, lag %g s, stuck effects told: %v", m.values["portcullis_fresh"], m.values["portcullis_feed_lag_seconds"], stuck)
	}
	if err := pg.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.ready(http.StatusOK, "ready\n")
	if m := n.metrics(); m.values["portcullis_fresh"] != 1 || m.values["portcullis_feed_lag_seconds"] > 1 {
		t.Errorf("with the database again: fresh %g, lag %g s", m.values["portcullis_fresh"], m.values["portcullis_feed_lag_seconds"])
	}
}

// ready waits until /readyz says something.
func (n *node) ready(status int, text string) {
	n.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		got, _, said := n.get("/readyz")
		if got == status && said == text {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("readyz: got %d %q, want %d %q", got, said, status, text)
		}
	}
}

// TestLimitsInEveryDialect: whoever calls too often is told so in the shape of the dialect, and when to come again.
func TestLimitsInEveryDialect(t *testing.T) {
	o := sampleOptions(filepath.Join(t.TempDir(), "data"))
	o.Settings.Metrics.Listen = "127.0.0.1:0"
	o.Settings.Limits = config.Limits{Calls: config.Rates{Caller: 0.05}, Checks: config.Rates{Caller: 0.05}, Failures: 0.05}
	n := start(t, o)
	for _, c := range []struct{ who, path, says string }{
		{"alice", "/v1.0/me", `"code":"TooManyRequests"`},
		{"alice", "/subscriptions?api-version=2020-01-01", `"code":"TooManyRequests"`},
		{"alice", "/beta/privilegedAccess/aadRoles/resources", `"code":"TooManyRequests"`},
		{"alice", "/beta/privilegedRoles", `"code":"TooManyRequests"`},
		{"alice", "/portcullis/v1/approvers", `"code":"TooManyRequests"`},
		{"aud", "/portcullis/v1/check?role=" + helpdesk, `"code":"TooManyRequests"`},
		{"", "/v1.0/me", `"code":"TooManyRequests"`},
		{"", "/scim/v2/Users", `"status":"429"`},
	} {
		token := "nonsense"
		if c.who != "" {
			token = n.someone(c.who)
		}
		for calls := 0; ; calls++ {
			status, header, body := n.ask(http.MethodGet, c.path, token, "")
			if status != http.StatusTooManyRequests {
				if calls == 3 {
					t.Fatalf("GET %s as %q: got %d again and again", c.path, c.who, status)
				}
				continue
			}
			if again, err := strconv.Atoi(header.Get("Retry-After")); err != nil || again < 1 || again > 20 || !strings.Contains(body, c.says) {
				t.Errorf("GET %s as %q: Retry-After %q, %s; want %s", c.path, c.who, header.Get("Retry-After"), body, c.says)
			}
			break
		}
	}
	m := n.metrics()
	for _, limit := range []string{"caller", "address"} {
		if name := `portcullis_limited_total{limit="` + limit + `"}`; m.values[name] == 0 {
			t.Errorf("%s is %g", name, m.values[name])
		}
	}
}

// collected is what a collector of traces was sent.
type collected struct {
	mu  sync.Mutex
	all []byte
}

func (c *collected) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what is missing is found missing
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, body...)
}

func (c *collected) has(text []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.all, text)
}

// TestTracesOfARunningServer: a call with a trace of its own goes on in it, down to the commit; what is secret is not told.
func TestTracesOfARunningServer(t *testing.T) {
	c := new(collected)
	collector := httptest.NewServer(c)
	defer collector.Close()
	o := sampleOptions(filepath.Join(t.TempDir(), "data"))
	o.Settings.Tracing = config.Tracing{Endpoint: collector.URL}
	o.Version = "v9.9.9"
	n := start(t, o)
	token := n.someone("aud")
	const whole = "4bf92f3577b34da6a3ce929d0e0e4736"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL()+"/v1.0/roleManagement/directory/roleAssignmentScheduleRequests",
		strings.NewReader(`{"action":"selfActivate","principalId":"`+n.URL()+`","roleDefinitionId":"`+helpdesk+`","directoryScopeId":"/","justification":"geheim"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Traceparent", "00-"+whole+"-00f067aa0ba902b7-01")
	if status, _, text := n.read(n.Do(r)); status < 400 || status >= 500 {
		t.Fatalf("got %d %s, want a refusal", status, text)
	}
	if status, _ := n.as(token, "/v1.0/me?geheim=1"); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	n.end() // the last of it is sent at the end
	trace, err := hex.DecodeString(whole)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{
		"the caller's trace": trace, "the route": []byte("POST /v1.0/roleManagement/directory/roleAssignmentScheduleRequests"), "another route": []byte("GET /v1.0/me"),
		"the decision": []byte("decide"), "the action": []byte("selfActivate"), "the commit": []byte("commit"), "the version": []byte("v9.9.9"),
	} {
		if !c.has(text) {
			t.Errorf("the traces do not tell %s", what)
		}
	}
	for _, secret := range [][]byte{[]byte("geheim"), []byte(token), []byte("Bearer")} {
		if c.has(secret) {
			t.Errorf("the traces tell %q", secret[:min(6, len(secret))])
		}
	}
	o.Settings.Tracing.HeadersFile = filepath.Join(t.TempDir(), "none")
	if _, err := server.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "headersFile") {
		t.Errorf("headers that are not there: got %v", err)
	}
}
