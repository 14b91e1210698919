package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/audit"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

const nodesDatabase = "nodes"

// commitRate is how many commits a second rows 6a and 6b are measured under.
const commitRate = 1000

// relay is two nodes over one database: who activates at the first is asked for at the second.
type relay struct {
	*bench
	asks          *fresh
	token         string
	first, second *process
}

// propagation measures rows 6a and 6b.
func (b *bench) propagation(ctx context.Context, base *base) (err error) {
	if err := b.copyOf(ctx, baseDatabase, nodesDatabase); err != nil {
		return err
	}
	r := relay{bench: b}
	if r.asks, err = b.freshActivations(base.organisation, base.eligible-1); err != nil {
		return err
	}
	if r.token, err = b.issuer.application(evaluationPermission); err != nil {
		return err
	}
	if r.first, err = b.start(ctx, "first", filepath.Join(b.dir, "first"), b.pg.URL(nodesDatabase), false); err != nil {
		return err
	}
	if r.second, err = b.start(ctx, "second", filepath.Join(b.dir, "second"), b.pg.URL(nodesDatabase), false); err != nil {
		return errors.Join(err, r.first.stop())
	}
	err = r.rounds(ctx)
	return errors.Join(err, r.first.stop(), r.second.stop(), b.drop(ctx, nodesDatabase))
}

func (r *relay) rounds(ctx context.Context) error {
	r.note("6a, 6b: two nodes in processes of their own. An activation goes to the first over HTTPS, and the second is asked for it over HTTPS all the time, a"+
		" quarter of a millisecond after each answer (6b: eight at once, 2 ms). It counts from the instant at which PostgreSQL committed (pg_xact_commit_timestamp, which is before"+
		" the commit is flushed) to that at which a yes has arrived. The load is other people's activations at the first node over HTTPS, %d a second"+
		" wanted. In 6b whatever connection listens is ended by the server, every 10 ms.", commitRate)
	if r.wanted("6a") {
		idle, err := r.idle(ctx)
		if err != nil {
			return err
		}
		p99, raw, err := r.loaded(ctx, 1, oftenAsked, nil)
		if err != nil {
			return err
		}
		r.measured("6a", p99, append([]string{"nothing else happens: " + idle}, raw...)...)
	}
	if !r.wanted("6b") {
		return nil
	}
	var cut atomic.Int64
	p99, raw, err := r.loaded(ctx, 8, rarelyAsked, func(ctx context.Context) error { return r.deafen(ctx, &cut) })
	if err != nil {
		return err
	}
	r.measured("6b", p99, append(raw, fmt.Sprintf("%d listening connections were cut", cut.Load()))...)
	return nil
}

// The second node is asked again so long after each answer: where much is followed at once, less often, lest asking be the load.
const oftenAsked, rarelyAsked = time.Millisecond / 4, 2 * time.Millisecond

// relayed is one activation that was followed from node to node.
type relayed struct {
	key               pim.Key
	answered, decided time.Time
}

// follow activates at the first node and asks at the second until it says yes.
func (r *relay) follow(first, second *client, pause time.Duration) (one relayed, err error) {
	key, request, err := r.asks.draw()
	if err != nil {
		return one, err
	}
	question := post(evaluationPath, r.token, `{"subject":{"type":"user","id":"`+string(key.Principal)+`"},"action":{"name":"`+string(key.Role)+
		`"},"resource":{"type":"directory","id":"/"}}`)
	one.key = key
	var asking sync.WaitGroup
	var askErr error
	asking.Go(func() { one.decided, askErr = awaited(second, question, pause) })
	status, body, err := first.do(request)
	one.answered = time.Now()
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("the first node: %d %.300s", status, body)
	}
	asking.Wait()
	return one, errors.Join(err, askErr)
}

// awaited asks until the answer is yes, and says when that came.
func awaited(c *client, question []byte, pause time.Duration) (time.Time, error) {
	const within = 20 * time.Second
	for began := time.Now(); ; time.Sleep(pause) {
		held, err := evaluated(c, question)
		if err != nil || held {
			return time.Now(), err
		}
		if time.Since(began) > within {
			return time.Time{}, fmt.Errorf("the second node does not know within %s", within)
		}
	}
}

// pair is a connection to each node.
func (r *relay) pair(ctx context.Context) (first, second *client, err error) {
	if first, err = r.first.dial(ctx); err != nil {
		return nil, nil, err
	}
	if second, err = r.second.dial(ctx); err != nil {
		first.close()
	}
	return first, second, err
}

// some follows one activation after the other until told to stop.
func (r *relay) some(ctx context.Context, pause time.Duration, more func(done int) bool) (list []relayed, _ error) {
	first, second, err := r.pair(ctx)
	if err != nil {
		return nil, err
	}
	defer first.close()
	defer second.close()
	for more(len(list)) {
		one, err := r.follow(first, second, pause)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, ctx.Err()
}

// idle follows activations with pauses, while nothing else happens.
func (r *relay) idle(ctx context.Context) (string, error) {
	list, err := r.some(ctx, oftenAsked, func(done int) bool {
		return done < r.sized(300, 50) && sleepUntil(ctx, time.Now().Add(10*time.Millisecond+rand.N(20*time.Millisecond))) == nil
	})
	if err != nil {
		return "", err
	}
	_, text, err := r.lateness(ctx, list)
	return text, err
}

// loaded follows activations under load, so many at once, while something else goes on as well, and gives the 99th percentile of
// each round in milliseconds.
func (r *relay) loaded(ctx context.Context, atOnce int, pause time.Duration, meanwhile func(context.Context) error) (p99 []float64, raw []string, _ error) {
	last := r.lasting(10*time.Second, 3*time.Second)
	for round := range rounds {
		r.say("from node to node under load, round %d of %d", round+1, rounds)
		list, l, err := r.loadedOnce(ctx, last, atOnce, pause, meanwhile)
		if err != nil {
			return nil, nil, err
		}
		late, text, err := r.lateness(ctx, list)
		if err != nil {
			return nil, nil, err
		}
		p99 = append(p99, millis(late))
		raw = append(raw, fmt.Sprintf("under %.0f commits a second: %s", l.perSecond, text))
		if l.perSecond < 0.95*commitRate {
			r.say("the machine did not make %d commits a second beside this, but %.0f", commitRate, l.perSecond)
		}
	}
	return p99, raw, nil
}

func (r *relay) loadedOnce(ctx context.Context, last time.Duration, atOnce int, pause time.Duration, meanwhile func(context.Context) error,
) (list []relayed, l load, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var errs [2]error
	var all sync.WaitGroup
	began := time.Now()
	all.Go(func() {
		l, errs[0] = r.first.drive(ctx, 64, last, http.StatusCreated, paced(ctx, began, r.asks.request))
	})
	background, end := context.WithCancel(ctx)
	if meanwhile != nil {
		all.Go(func() { errs[1] = meanwhile(background) })
	}
	// The first moments are those of the load's beginning.
	if err = sleepUntil(ctx, began.Add(last/10)); err == nil {
		list, err = r.several(ctx, atOnce, pause, began.Add(last))
	}
	end()
	all.Wait()
	return list, l, errors.Join(err, errs[0], errs[1])
}

// several follows so many activations at once until an instant.
func (r *relay) several(ctx context.Context, atOnce int, pause time.Duration, until time.Time) ([]relayed, error) {
	lists, errs := make([][]relayed, atOnce), make([]error, atOnce)
	var all sync.WaitGroup
	for i := range atOnce {
		all.Go(func() {
			lists[i], errs[i] = r.some(ctx, pause, func(int) bool { return time.Now().Before(until) })
		})
	}
	all.Wait()
	return slices.Concat(lists...), errors.Join(errs...)
}

// paced hands out requests no faster than commitRate.
func paced(ctx context.Context, began time.Time, next func() ([]byte, error)) func() ([]byte, error) {
	var n atomic.Int64
	return func() ([]byte, error) {
		if err := sleepUntil(ctx, began.Add(time.Duration(n.Add(1))*time.Second/commitRate)); err != nil {
			return nil, err
		}
		return next()
	}
}

// deafen ends every connection that listens, again and again.
func (r *relay) deafen(ctx context.Context, cut *atomic.Int64) error {
	conn, err := pgx.Connect(ctx, r.pg.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for sleepUntil(ctx, time.Now().Add(10*time.Millisecond)) == nil {
		var n int64
		err := conn.QueryRow(context.WithoutCancel(ctx), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = $1 AND (query LIKE 'LISTEN %' OR query LIKE '/* listening */%') AND pid <> pg_backend_pid()`, nodesDatabase).Scan(&n)
		if err != nil {
			return err
		}
		cut.Add(n)
	}
	return nil
}

// lateness is the 99th percentile, and the rest in words.
func (r *relay) lateness(ctx context.Context, list []relayed) (p99 time.Duration, text string, _ error) {
	committed, err := r.committed(ctx, list)
	if err != nil {
		return 0, "", err
	}
	var late, behind []time.Duration
	for i, one := range list {
		late = append(late, one.decided.Sub(committed[i]))
		behind = append(behind, max(0, one.decided.Sub(one.answered)))
	}
	if len(late) == 0 {
		return 0, "", errors.New("no activation was followed")
	}
	slices.Sort(late)
	slices.Sort(behind)
	p99 = percentile(late, 99)
	return p99, fmt.Sprintf("p50 %s, p99 %s, the latest %s of %d; after the first node's answer p50 %s, p99 %s", ms(percentile(late, 50)), ms(p99),
		ms(late[len(late)-1]), len(late), ms(percentile(behind, 50)), ms(percentile(behind, 99))), nil
}

// committed finds out when PostgreSQL committed each.
func (r *relay) committed(ctx context.Context, list []relayed) ([]time.Time, error) {
	conn, err := pgx.Connect(ctx, r.pg.URL(nodesDatabase))
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	out := make([]time.Time, len(list))
	for i, one := range list {
		err := conn.QueryRow(ctx, "SELECT pg_xact_commit_timestamp(xmin) FROM requests WHERE tenant = $1 AND principal = $2 AND role = $3", tenant,
			string(one.key.Principal), string(one.key.Role)).Scan(&out[i])
		if err != nil {
			return nil, fmt.Errorf("when was it committed: %w", err)
		}
	}
	return out, nil
}

// commits measures row 6c.
func (b *bench) commits(ctx context.Context, base *base) (err error) {
	const followed, alone = "followed", "alone"
	if err := errors.Join(b.copyOf(ctx, baseDatabase, followed), b.copyOf(ctx, baseDatabase, alone)); err != nil {
		return err
	}
	if err := b.exec(ctx, alone, "CREATE RULE nobody_is_told AS ON INSERT TO changes DO INSTEAD NOTHING"); err != nil {
		return err
	}
	var nodes [2]*process
	for i := range nodes {
		name := fmt.Sprintf("follower-%d", i+1)
		p, err := b.start(ctx, name, filepath.Join(b.dir, name), b.pg.URL(followed), true)
		if err != nil {
			return err
		}
		defer func() { _ = p.stop() }() // what it measured is told
	}
	var with, without []float64
	used := 0
	for round := range rounds {
		b.say("commits, round %d of %d", round+1, rounds)
		one, n, err := b.commitFor(ctx, base, alone, used)
		if err != nil {
			return err
		}
		other, m, err := b.commitFor(ctx, base, followed, used)
		if err != nil {
			return err
		}
		used += max(n, m)
		without, with = append(without, one), append(with, other)
	}
	b.note("6c: 64 goroutines in this process commit activations (schedule, case, audit entry) through the store, one after the other." +
		" With propagation: the feed's row in each group, notices, and two nodes in processes of their own that listen and follow. Without:" +
		" the same program on a database where a rule of PostgreSQL's throws the feed's row away, and nobody listens. The processor time of the followers" +
		" is thus a part of what propagation costs, on a machine that they share.")
	b.measured("6c", each(with, without, ratio), fmt.Sprintf("with %s/s, without %s/s", figureList(with), figureList(without)))
	return b.drop(ctx, alone)
}

// commitFor commits activations of pairs from a number on for a while.
func (b *bench) commitFor(ctx context.Context, base *base, database string, from int) (perSecond float64, done int, _ error) {
	last := b.lasting(5*time.Second, 2*time.Second)
	var next, count atomic.Int64
	next.Store(int64(from))
	errs := make([]error, 64)
	var elapsed time.Duration
	err := withStore(ctx, b.pg.URL(database), func(st store.Store) error {
		var all sync.WaitGroup
		began := time.Now()
		for i := range errs {
			all.Go(func() {
				for errs[i] == nil && time.Since(began) < last {
					if errs[i] = base.commitOne(ctx, st, int(next.Add(1)-1), base.eligible); errs[i] == nil {
						count.Add(1)
					}
				}
			})
		}
		all.Wait()
		elapsed = time.Since(began)
		return errors.Join(errs...)
	})
	return float64(count.Load()) / elapsed.Seconds(), int(next.Load()) - from, err
}

// commitOne writes one activation.
func (o organisation) commitOne(ctx context.Context, st store.Store, n, eligible int) error {
	if n >= eligible-1 {
		return errUsedUp
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	out := o.activation(n, now, now.Add(2*time.Hour), "")
	c := store.Commit{Outcome: out}
	for _, e := range out.Events {
		canonical := audit.Canonical(e)
		c.Entries = append(c.Entries, store.Entry{Event: e, Canonical: canonical, Leaf: audit.Leaf(canonical)})
	}
	return st.Commit(ctx, c)
}
