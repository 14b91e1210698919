package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"portcullis/internal/pim"
)

// The names of the databases of rows 2a to 2c and 2e.
const (
	activationDatabase = "activations"
	referenceDatabase  = "reference"
)

// fresh hands out activations that nobody has asked for, as requests that are ready to be sent.
type fresh struct {
	organisation
	eligible int64
	tokens   []string
	next     atomic.Int64
}

const (
	activationScope = "RoleAssignmentSchedule.ReadWrite.Directory"
	activationPath  = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests"
)

// freshActivations makes an access token for each person.
func (b *bench) freshActivations(o organisation, eligible int) (*fresh, error) {
	f := &fresh{organisation: o, eligible: int64(eligible)}
	for _, p := range o.people {
		token, err := b.issuer.token(p, activationScope)
		if err != nil {
			return nil, err
		}
		f.tokens = append(f.tokens, token)
	}
	return f, nil
}

var errUsedUp = errors.New("every eligibility is used up: the machine is faster than this program thought")

func (f *fresh) request() ([]byte, error) {
	_, request, err := f.draw()
	return request, err
}

// draw also says whose activation it is.
func (f *fresh) draw() (pim.Key, []byte, error) {
	n := f.next.Add(1) - 1
	if n >= f.eligible {
		return pim.Key{}, nil, errUsedUp
	}
	k := f.key(int(n))
	return k, post(activationPath, f.tokens[int(n)%len(f.people)], `{"action":"selfActivate","principalId":"`+string(k.Principal)+
		`","roleDefinitionId":"`+string(k.Role)+`","directoryScopeId":"/","justification":"`+reason+
		`","scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT2H"}}}`), nil
}

// turns are the figures of one side over all rounds.
type turns struct{ perSecond, p99, mean, database []float64 }

// add notes a turn; database is the CPU time that PostgreSQL used for each activation.
func (t *turns) add(perSecond float64, p99, mean, database time.Duration) {
	t.database = append(t.database, database.Seconds())
	t.perSecond = append(t.perSecond, perSecond)
	t.p99 = append(t.p99, p99.Seconds())
	t.mean = append(t.mean, mean.Seconds())
}

func (t turns) String() string {
	return fmt.Sprintf("rounds %s/s, mean %s ms, PostgreSQL's CPU %s ms each", figureList(t.perSecond), figure(1000*median(t.mean), ""),
		figure(1000*median(t.database), ""))
}

// activations measures rows 2a, 2b, 2c and 2e.
func (b *bench) activations(ctx context.Context, base *base) error {
	if err := errors.Join(b.copyOf(ctx, baseDatabase, activationDatabase), b.copyOf(ctx, baseDatabase, referenceDatabase)); err != nil {
		return err
	}
	if err := b.exec(ctx, referenceDatabase, "CREATE SEQUENCE bench_pair MINVALUE 0 CACHE 10"); err != nil {
		return err
	}
	trips, statement := filepath.Join(b.dir, "trips.sql"), filepath.Join(b.dir, "statement.sql")
	err := errors.Join(os.WriteFile(trips, []byte(strings.Join(base.example.trips(), "\n")+"\n"), 0o600),
		os.WriteFile(statement, []byte(base.example.statement()+"\n"), 0o600))
	if err != nil {
		return err
	}
	asks, err := b.freshActivations(base.organisation, base.eligible-1) // the last pair was the example
	if err != nil {
		return err
	}
	server, err := b.start(ctx, "activations", filepath.Join(b.dir, "activations"), b.pg.URL(activationDatabase), false)
	if err != nil {
		return err
	}
	m := activationTurns{bench: b, asks: asks, server: server, trips: trips, statement: statement}
	err = m.all(ctx)
	if err := errors.Join(err, server.stop()); err != nil {
		return err
	}
	if err := b.checkReference(ctx, base); err != nil {
		return err
	}
	m.tell(len(base.example.trips()))
	return b.drop(ctx, activationDatabase, referenceDatabase)
}

// activationTurns are the rounds of rows 2a to 2c and 2e.
type activationTurns struct {
	*bench
	asks             *fresh
	server           *process
	trips, statement string

	many, one, manyTrips, oneTrips, manyStatement turns
	loads                                         []load
	loadsOfOne                                    []load
}

func (m *activationTurns) all(ctx context.Context) error {
	last, lastOfOne := m.lasting(6*time.Second, 4*time.Second), m.lasting(4*time.Second, 2*time.Second)
	// The first calls fill caches on both sides: they do not count.
	if err := errors.Join(m.ours(ctx, 64, time.Second, nil, nil), m.reference(ctx, m.trips, 64, 3*time.Second, nil)); err != nil {
		return err
	}
	for round := range rounds {
		m.say("activations on PostgreSQL, round %d of %d", round+1, rounds)
		err := errors.Join(
			m.reference(ctx, m.trips, 64, last, &m.manyTrips),
			m.ours(ctx, 64, last, &m.many, &m.loads),
			m.reference(ctx, m.statement, 64, last, &m.manyStatement),
			m.reference(ctx, m.trips, 1, lastOfOne, &m.oneTrips),
			m.ours(ctx, 1, lastOfOne, &m.one, &m.loadsOfOne),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *activationTurns) ours(ctx context.Context, clients int, last time.Duration, into *turns, loads *[]load) error {
	cpu := m.postgresCPU()
	l, err := m.server.drive(ctx, clients, last, http.StatusCreated, m.asks.request)
	if err != nil || into == nil {
		return err
	}
	cpu = (m.postgresCPU() - cpu) / time.Duration(max(1, l.calls))
	m.say("Portcullis, %d clients: %s, PostgreSQL's CPU %s", clients, l, ms(cpu))
	into.add(l.perSecond, l.p99, l.mean, cpu)
	*loads = append(*loads, l)
	return nil
}

func (m *activationTurns) reference(ctx context.Context, script string, clients int, last time.Duration, into *turns) error {
	cpu := m.postgresCPU()
	r, err := m.pgbench(ctx, referenceDatabase, script, clients, last)
	if err != nil || into == nil {
		return err
	}
	cpu = (m.postgresCPU() - cpu) / time.Duration(max(1, r.transactions))
	m.say("%s, %d clients: %.0f/s, mean %s, PostgreSQL's CPU %s", filepath.Base(script), clients, r.perSecond, ms(r.mean), ms(cpu))
	into.add(r.perSecond, 0, r.mean, cpu)
	return nil
}

func (m *activationTurns) tell(trips int) {
	m.note("2a–2c, 2e: %d round trips as pgbench's script of BEGIN, reads, inserts and COMMIT, prepared; the one statement writes the same rows"+
		" and reads only the eligibility. Rows are those of a real activation, byte for byte but for the ids. Neither reference locks the"+
		" eligibility's case, checks a version, or decides anything. Every activation is of a fresh pair of person and role, default policy"+
		" (MFA, justification), RS256 token of an issuer outside; a token that was verified is remembered by the server.", trips)
	m.measured("2a", each(m.many.perSecond, m.manyTrips.perSecond, ratio),
		fmt.Sprintf("Portcullis, 64 clients: %s; %s", median3(m.loads), m.many), fmt.Sprintf("ten trips, 64 clients: %s", m.manyTrips))
	m.measured("2b", each(m.many.perSecond, m.manyStatement.perSecond, ratio), fmt.Sprintf("one statement, 64 clients: %s", m.manyStatement))
	m.measured("2c", each(m.one.perSecond, m.oneTrips.perSecond, ratio),
		fmt.Sprintf("Portcullis, 1 client: %s; %s", median3(m.loadsOfOne), m.one), fmt.Sprintf("ten trips, 1 client: %s", m.oneTrips))
	m.measured("2e", each(m.many.p99, m.manyTrips.mean, ratio))
}

// median3 is the load of the round that was neither the best nor the worst.
func median3(loads []load) load {
	rates := make([]float64, len(loads))
	for i, l := range loads {
		rates[i] = l.perSecond
	}
	for _, l := range loads {
		if l.perSecond == median(rates) {
			return l
		}
	}
	return load{}
}

// checkReference makes sure that the reference found an eligibility for each of its turns: without one it writes nothing.
func (b *bench) checkReference(ctx context.Context, base *base) error {
	var used int
	if err := b.query(ctx, referenceDatabase, "SELECT last_value FROM bench_pair", &used); err != nil {
		return err
	}
	if used >= base.eligible-1 {
		return fmt.Errorf("the reference: %w", errUsedUp)
	}
	return nil
}
