package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"portcullis/internal/catalog"
	"portcullis/internal/store"
)

const (
	estateDatabase  = "estate"
	openfgaDatabase = "openfga"

	evaluationPath  = "/access/v1/evaluation"
	evaluationsPath = "/access/v1/evaluations"
	// batchSize is how many questions a batch has.
	batchSize = 50
	// evaluationPermission lets an application ask about anybody.
	evaluationPermission = "AccessEvaluation.Read.All"
)

// The numbers of clients of rows 1a to 1d.
var crowds = []int{1, 16, 64}

// checks measures rows 1a to 1e and 1g.
func (b *bench) checks(ctx context.Context) error {
	parts := b.sized(1, 10)
	e, err := newEstate(smallEstate(parts), time.Now())
	if err != nil {
		return err
	}
	t := &checkTurns{bench: b, estate: e, questions: e.questions(b.sized(20_000, 2000))}
	t.want = e.oracle(t.questions, e.began.UnixMicro())
	b.say("writing %d people, %d teams, %d places, %d grants", len(e.people), len(e.teams), len(e.places), len(e.held))
	if err := b.fillEstate(ctx, e, estateDatabase); err != nil {
		return err
	}
	defer t.stop()
	if err := t.start(ctx); err != nil {
		return err
	}
	if err := errors.Join(t.right(ctx), t.all(ctx)); err != nil {
		return err
	}
	t.tell()
	return b.drop(context.WithoutCancel(ctx))
}

// fillEstate makes a database with an estate in it.
func (b *bench) fillEstate(ctx context.Context, e *estate, name string) error {
	if err := b.pg.CreateDatabase(ctx, name); err != nil {
		return err
	}
	err := withStore(ctx, b.pg.URL(name), func(st store.Store) error {
		if err := e.fillWhere(ctx, st); err != nil {
			return err
		}
		return e.fillGrants(ctx, st)
	})
	return errors.Join(err, b.exec(ctx, name, "VACUUM ANALYZE", "CHECKPOINT"))
}

// checkTurns are the rounds of rows 1a to 1e.
type checkTurns struct {
	*bench
	*estate
	questions     []question
	want          []bool
	singly, batch [][]byte
	server, echo  *process
	plain, cached *openfga // nil: there is none

	// By number of clients; batches are asked by 16.
	ours, echoed, copied, openfga, remembered map[int][]load
	batches                                   []load
}

// start runs all sides.
func (t *checkTurns) start(ctx context.Context) (err error) {
	t.server, err = t.bench.start(ctx, "checks", filepath.Join(t.dir, "checks"), t.pg.URL(estateDatabase), true)
	if err != nil {
		return err
	}
	token, err := t.issuer.application(evaluationPermission)
	if err != nil {
		return err
	}
	t.singly, t.batch = t.evaluations(token, t.questions), t.batchesOf(token, t.questions)
	size, err := t.answerSize(ctx)
	if err != nil {
		return err
	}
	if t.echo, err = t.startEcho(ctx, size); err != nil {
		return err
	}
	t.note("1a, 1d: the echo is net/http in a process of its own, over HTTPS with the same connections and requests, tokens and all; it decodes a"+
		" question and encodes an answer of %d bytes, the mean of Portcullis', with encoding/json. Portcullis verifies who asks, keeps limits and counts.", size)
	if !t.wanted("1b", "1c") {
		return nil
	}
	if program := t.openfgaProgram(); program != "" {
		return t.startOpenFGA(ctx, program)
	}
	return nil
}

func (t *checkTurns) startOpenFGA(ctx context.Context, program string) (err error) {
	if err := t.migrateOpenFGA(ctx, program, openfgaDatabase); err != nil {
		return err
	}
	if t.plain, err = t.bench.startOpenFGA(ctx, program, openfgaDatabase, false); err != nil {
		return err
	}
	t.say("writing the same into OpenFGA, through its interface")
	if err := t.plain.fill(ctx, t.estate); err != nil {
		return fmt.Errorf("fill OpenFGA: %w", err)
	}
	if err := t.exec(ctx, openfgaDatabase, "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return err
	}
	if t.cached, err = t.bench.startOpenFGA(ctx, program, openfgaDatabase, true); err != nil {
		return err
	}
	t.cached.store, t.cached.model = t.plain.store, t.plain.model
	t.note("1b, 1c: %s on the same PostgreSQL, over HTTPS and JSON, with weighted_graph_check; without caches, and with its query and iterator caches"+
		" for %s, after as long as %s of the same questions. The caches then give answers that may be that old.", openfgaVersion(program), cachedFor, t.warming())
	return nil
}

func (t *checkTurns) warming() time.Duration { return t.lasting(30*time.Second, 3*time.Second) }

func (t *checkTurns) stop() {
	for _, p := range []*process{t.server, t.echo} {
		if p != nil {
			_ = p.stop() // what it measured is told
		}
	}
	for _, o := range []*openfga{t.plain, t.cached} {
		if o != nil {
			_ = o.stop() // as above
		}
	}
}

// roleName is how a role is named to doors.
func (e *estate) roleName(role int) string {
	if r, ok := catalog.AzureRole(e.roles[role]); ok {
		return r.Name
	}
	return e.roles[role]
}

// evaluation is a question in AuthZEN's words.
func (e *estate) evaluation(q question) string {
	return `{"subject":{"type":"user","id":"` + e.people[q.person].id + `"},"action":{"name":` + strconv.Quote(e.roleName(q.role)) +
		`},"resource":{"type":"azure","id":"` + e.places[q.place].ID + `"}}`
}

func (e *estate) evaluations(token string, list []question) [][]byte {
	out := make([][]byte, len(list))
	for i, q := range list {
		out[i] = post(evaluationPath, token, e.evaluation(q))
	}
	return out
}

func (e *estate) batchesOf(token string, list []question) (out [][]byte) {
	for from := 0; from < len(list); from += batchSize {
		var parts []string
		for _, q := range list[from:min(from+batchSize, len(list))] {
			parts = append(parts, e.evaluation(q))
		}
		out = append(out, post(evaluationsPath, token, `{"evaluations":[`+strings.Join(parts, ",")+`]}`))
	}
	return out
}

// answerSize is the mean length of the first answers.
func (t *checkTurns) answerSize(ctx context.Context) (int, error) {
	c, err := t.server.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer c.close()
	sum, n := 0, min(200, len(t.singly))
	for _, r := range t.singly[:n] {
		status, body, err := c.do(r)
		if err != nil {
			return 0, err
		}
		if status != http.StatusOK {
			return 0, fmt.Errorf("%s: %d %.300s", evaluationPath, status, body)
		}
		sum += len(body)
	}
	return sum / n, nil
}

const (
	yes = `"decision":true`
	no  = `"decision":false`
)

// right measures row 1g: every question, singly and in batches, and some put to OpenFGA, too.
func (t *checkTurns) right(ctx context.Context) error {
	c, err := t.server.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	singly, err := differences(c, t.singly, t.want, 1)
	if err != nil {
		return err
	}
	batched, err := differences(c, t.batch, t.want, batchSize)
	if err != nil {
		return err
	}
	held := 0
	for _, w := range t.want {
		if w {
			held++
		}
	}
	t.measured("1g", []float64{float64(singly + batched)}, fmt.Sprintf("%d questions over HTTPS, %d of them to be answered with yes: singly %d differ, in batches %d",
		len(t.want), held, singly, batched))
	if t.plain == nil {
		return nil
	}
	return t.openfgaRight(ctx)
}

// differences counts the answers that are not as they should be, of requests with so many questions each.
func differences(c *client, requests [][]byte, want []bool, each int) (wrong int, _ error) {
	for i, r := range requests {
		status, body, err := c.do(r)
		if err != nil {
			return wrong, err
		}
		if status != http.StatusOK {
			return wrong, fmt.Errorf("%d %.300s", status, body)
		}
		for k, w := range want[i*each : min((i+1)*each, len(want))] {
			at := bytes.Index(body, []byte(`"decision":`))
			if at < 0 {
				return wrong, fmt.Errorf("there is no answer to the question %d: %.300s", i*each+k, body)
			}
			body = body[at:]
			if bytes.HasPrefix(body, []byte(yes)) != w || bytes.HasPrefix(body, []byte(no)) == w {
				wrong++
			}
			body = body[len(yes):]
		}
	}
	return wrong, nil
}

// openfgaRight makes sure that OpenFGA knows the same: else there is nothing to compare.
func (t *checkTurns) openfgaRight(ctx context.Context) error {
	c, err := t.plain.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	for i, r := range t.plain.requests(t.estate, t.questions[:min(500, len(t.questions))], time.Now()) {
		status, body, err := c.do(r)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("OpenFGA: %d %.300s", status, body)
		}
		if got := bytes.Contains(body, []byte(`"allowed":true`)); got != t.want[i] {
			return fmt.Errorf("OpenFGA answers the question %d with %v: %.300s", i, got, body)
		}
	}
	return nil
}

// around hands out requests one after the other, and begins anew behind the last.
func around(requests [][]byte) func() ([]byte, error) {
	var next atomic.Int64
	return func() ([]byte, error) { return requests[int(next.Add(1)-1)%len(requests)], nil }
}

// all makes the rounds.
func (t *checkTurns) all(ctx context.Context) error {
	t.ours, t.echoed, t.copied = map[int][]load{}, map[int][]load{}, map[int][]load{}
	t.openfga, t.remembered = map[int][]load{}, map[int][]load{}
	if !t.wanted("1a", "1b", "1c", "1d", "1e") {
		return nil
	}
	last := t.lasting(4*time.Second, time.Second)
	if err := t.warm(ctx, last); err != nil {
		return err
	}
	for round := range rounds {
		t.say("checks, round %d of %d", round+1, rounds)
		for _, clients := range crowds {
			if err := t.turn(ctx, clients, last); err != nil {
				return err
			}
		}
		l, err := t.server.drive(ctx, 16, last, http.StatusOK, around(t.batch))
		if err != nil {
			return err
		}
		t.batches = append(t.batches, l)
	}
	return nil
}

// warm makes the first calls, which do not count.
func (t *checkTurns) warm(ctx context.Context, last time.Duration) error {
	_, err := t.server.drive(ctx, 16, last, http.StatusOK, around(t.singly))
	_, other := t.echo.drive(ctx, 16, last, http.StatusOK, around(to(echoPath, t.singly)))
	if err := errors.Join(err, other); err != nil || t.cached == nil {
		return err
	}
	t.say("warming OpenFGA's caches")
	_, err = t.cached.drive(ctx, 16, t.warming(), http.StatusOK, around(t.cached.requests(t.estate, t.questions, t.estate.began)))
	return err
}

// to sends the same requests to another path.
func to(path string, requests [][]byte) [][]byte {
	out := make([][]byte, len(requests))
	for i, r := range requests {
		out[i] = bytes.Replace(r, []byte(evaluationPath), []byte(path), 1)
	}
	return out
}

// turn asks each side for a while.
func (t *checkTurns) turn(ctx context.Context, clients int, last time.Duration) error {
	type side struct {
		name     string
		p        *process
		requests [][]byte
		into     map[int][]load
	}
	sides := []side{
		{"the echo", t.echo, to(echoPath, t.singly), t.echoed},
		{"Portcullis", t.server, t.singly, t.ours},
		{"copied bytes", t.echo, to(bytesPath, t.singly), t.copied},
	}
	if t.plain != nil {
		sides = append(sides, side{"OpenFGA", t.plain.process, t.plain.requests(t.estate, t.questions, time.Now()), t.openfga},
			side{"OpenFGA with caches", t.cached.process, t.cached.requests(t.estate, t.questions, t.estate.began), t.remembered})
	}
	for _, s := range sides {
		l, err := s.p.drive(ctx, clients, last, http.StatusOK, around(s.requests))
		if err != nil {
			return fmt.Errorf("%s, %d clients: %w", s.name, clients, err)
		}
		t.say("%s, %d clients: %s", s.name, clients, l)
		s.into[clients] = append(s.into[clients], l)
	}
	return nil
}

func rates(list []load) []float64 {
	out := make([]float64, len(list))
	for i, l := range list {
		out[i] = l.perSecond
	}
	return out
}

func costs(list []load) []float64 {
	out := make([]float64, len(list))
	for i, l := range list {
		out[i] = float64(l.cpuPerRequest)
	}
	return out
}

// tell gives what came out.
func (t *checkTurns) tell() {
	if len(t.batches) == 0 {
		return
	}
	byRate := func(other map[int][]load, clients int) []float64 {
		return each(rates(t.ours[clients]), rates(other[clients]), ratio)
	}
	byCost := func(clients int) []float64 { return each(costs(t.ours[clients]), costs(t.echoed[clients]), ratio) }
	var raw []string
	for _, clients := range crowds {
		raw = append(raw, fmt.Sprintf("%d clients: Portcullis %s; the echo %s; Portcullis ÷ echo %s, ÷ copied bytes %s", clients, median3(t.ours[clients]),
			median3(t.echoed[clients]), figureList(byRate(t.echoed, clients)), figureList(byRate(t.copied, clients))))
	}
	t.measured("1a", each(byRate(t.echoed, 16), byRate(t.echoed, 64), func(a, b float64) float64 { return min(a, b) }), raw...)
	if t.plain != nil {
		t.measured("1b", byRate(t.openfga, 16), t.beside("OpenFGA", t.openfga)...)
		t.measured("1c", byRate(t.remembered, 16), t.beside("OpenFGA with caches", t.remembered)...)
	}
	t.measured("1d", each(byCost(16), byCost(64), func(a, b float64) float64 { return max(a, b) }),
		fmt.Sprintf("server CPU of Portcullis ÷ of the echo: 1 client %s, 16 %s, 64 %s", figureList(byCost(1)), figureList(byCost(16)), figureList(byCost(64))))
	batched := each(rates(t.batches), rates(t.ours[16]), func(a, b float64) float64 { return a * batchSize / b })
	t.measured("1e", batched, fmt.Sprintf("16 clients, batches of %d: %s", batchSize, median3(t.batches)))
}

func (t *checkTurns) beside(name string, other map[int][]load) (raw []string) {
	for _, clients := range crowds {
		raw = append(raw, fmt.Sprintf("%s, %d clients: %s; Portcullis ÷ that %s", name, clients, median3(other[clients]),
			figureList(each(rates(t.ours[clients]), rates(other[clients]), ratio))))
	}
	return raw
}
