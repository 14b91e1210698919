package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/localpg"
)

// newUUID makes an id in the order of time, as the product's are: 48 bits of the time, the rest at random.
const newUUID = "(SELECT substr(t, 1, 8) || '-' || substr(t, 9, 4) || '-7' || substr(u, 16) FROM " +
	"(SELECT lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') AS t, gen_random_uuid()::text AS u) x)"

// nextPair finds the next eligibility that nobody has activated, by a sequence.
const nextPair = "(SELECT nextval('bench_pair') AS n) x JOIN schedules e ON e.tenant = '" + tenant + "' AND e.id = '" +
	eligibilityKind + "-0000-4000-8000-' || lpad(to_hex(x.n), 12, '0')"

// raised is how a case's version is raised.
const raised = " ON CONFLICT (tenant, principal, role, scope, provider) DO UPDATE SET version = cases.version + 1"

// expressions put the ids of an activation into its rows. Where they come from is told by the prefix.
func (e example) expressions(prefix string) (request, schedule, version map[string]string, events []map[string]string) {
	who := func(more ...string) map[string]string {
		m := map[string]string{"principal": prefix + "pid", "role": prefix + "rid"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = prefix + more[i+1]
		}
		return m
	}
	request = who("id", "q", "target", "q", "eligibility", "eid", "created_by", "pid")
	schedule = who("id", "q", "request", "q", "eligibility", "eid")
	for i := range e.events {
		events = append(events, who("id", "v"+strconv.Itoa(i), "request", "q", "schedule", "q", "actor", "pid"))
	}
	return request, schedule, who(), events
}

// ids are the ids of a new activation.
func (e example) ids() string {
	ids := "e.id AS eid, e.principal AS pid, e.role AS rid, " + newUUID + " AS q"
	for i := range e.events {
		ids += ", " + newUUID + " AS v" + strconv.Itoa(i)
	}
	return ids
}

// trips is an activation as a plain program writes it: a statement, an answer, and so on.
func (e example) trips() []string {
	request, schedule, version, events := e.expressions(":")
	list := []string{
		"BEGIN;",
		"SELECT " + e.ids() + " FROM " + nextPair + " \\gset",
		"SELECT o.enabled, o.doc, COALESCE(p.doc, '') FROM objects o LEFT JOIN policies p ON p.tenant = o.tenant AND p.provider = 'directory'" +
			" AND p.scope = '/' AND p.role = :rid WHERE o.tenant = '" + tenant + "' AND o.id = :pid;",
		"SELECT version, (SELECT count(*) FROM schedules s WHERE s.kept AND s.tenant = c.tenant AND s.principal = c.principal AND" +
			" s.role = c.role AND s.scope = c.scope AND s.provider = c.provider) FROM cases c WHERE tenant = '" + tenant +
			"' AND principal = :pid AND role = :rid AND scope = '/' AND provider = 'directory';",
		e.request.insert(request) + ";",
		e.schedule.insert(schedule) + ";",
	}
	for i, r := range e.events {
		list = append(list, r.insert(events[i])+";")
	}
	return append(list, e.version.insert(version)+raised+";", "COMMIT;")
}

// statement is an activation in one statement that reads nothing but who and what it is about.
func (e example) statement() string {
	request, schedule, version, events := e.expressions("n.")
	var b strings.Builder
	fmt.Fprintf(&b, "WITH n AS MATERIALIZED (SELECT %s FROM %s), r AS (%s FROM n), s AS (%s FROM n)", e.ids(), nextPair,
		e.request.insert(request), e.schedule.insert(schedule))
	for i, r := range e.events {
		fmt.Fprintf(&b, ", e%d AS (%s FROM n)", i, r.insert(events[i]))
	}
	// A join's ON and ON CONFLICT are told apart by the WHERE.
	fmt.Fprintf(&b, " %s FROM n WHERE true%s;", e.version.insert(version), raised)
	return b.String()
}

// pgbenchResult is what a run of pgbench told.
type pgbenchResult struct {
	perSecond    float64
	mean         time.Duration
	transactions int
}

var (
	tpsLine     = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	latencyLine = regexp.MustCompile(`(?m)^latency average = ([0-9.]+) ms`)
	doneLine    = regexp.MustCompile(`(?m)^number of transactions actually processed: ([0-9]+)`)
	failedLine  = regexp.MustCompile(`(?m)^number of failed transactions: ([0-9]+)`)
)

// pgbench runs a script with prepared statements, from so many clients at once.
func (b *bench) pgbench(ctx context.Context, database, script string, clients int, last time.Duration) (pgbenchResult, error) {
	var r pgbenchResult
	program, err := pgbenchProgram()
	if err != nil {
		return r, err
	}
	u, err := url.Parse(b.pg.URL(database))
	if err != nil {
		return r, err
	}
	password, _ := u.User.Password()
	cmd := exec.CommandContext(ctx, program, "-n", "-M", "prepared", "-f", script, "-c", strconv.Itoa(clients),
		"-j", strconv.Itoa(min(clients, 2)), "-T", strconv.Itoa(int(last.Seconds())))
	cmd.Env = append(os.Environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGUSER="+u.User.Username(), "PGPASSWORD="+password,
		"PGDATABASE="+database, "PGSSLMODE=disable")
	out, err := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("expected one row, got 0")) {
		return r, fmt.Errorf("pgbench: %w", errUsedUp)
	}
	if err != nil {
		return r, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	tps, latency, done := tpsLine.FindSubmatch(out), latencyLine.FindSubmatch(out), doneLine.FindSubmatch(out)
	if failed := failedLine.FindSubmatch(out); tps == nil || latency == nil || done == nil || failed == nil || string(failed[1]) != "0" {
		return r, fmt.Errorf("pgbench said what was not expected: %s", out)
	}
	if r.transactions, err = strconv.Atoi(string(done[1])); err != nil {
		return r, err
	}
	if r.perSecond, err = strconv.ParseFloat(string(tps[1]), 64); err != nil {
		return r, err
	}
	mean, err := strconv.ParseFloat(string(latency[1]), 64)
	r.mean = time.Duration(mean * float64(time.Millisecond))
	return r, err
}

// pgbenchProgram finds the pgbench that belongs to the server's binaries, also where PATH has links to some of them.
func pgbenchProgram() (string, error) {
	bindir, err := localpg.Find()
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(filepath.Join(bindir, "postgres"))
	if err != nil {
		return "", err
	}
	for _, dir := range []string{bindir, filepath.Dir(real)} {
		program := filepath.Join(dir, "pgbench")
		if _, err := os.Stat(program); err == nil {
			return program, nil
		}
	}
	return "", fmt.Errorf("there is no pgbench in %s; on Debian it comes with the package postgresql", bindir)
}
