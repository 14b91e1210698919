package sqlstore

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// channel is where nodes tell one another that something was committed.
	channel = "portcullis_changes"
	// tellEvery is the least time between two of a node's notices. Each is a transaction of its own behind the commits, which wait
	// for none: a notice within a transaction keeps all others that have one from being committed beside it.
	tellEvery = 2 * time.Millisecond
	// tellWithin bounds one, and the question whether a connection lives. Nodes that hear nothing read anyway.
	tellWithin = 5 * time.Second
	// present is for how long a listener's name is good, which it says anew each third of that; so it learns, too, whether its connection
	// still is one. lookEvery is how often a node that commits looks whether others listen: to those who came since it is late by so
	// much, or until they read by themselves. A node that is alone spares the notices.
	present   = time.Minute
	lookEvery = time.Second
	listeners = "listener "
)

const (
	sayPresent = `/* listening */ INSERT INTO leases (name, holder, until_at) VALUES ($1, $2, ` + postgresNow + ` + $3)
		ON CONFLICT (name) DO UPDATE SET until_at = excluded.until_at`
	forgetPresent = `DELETE FROM leases WHERE name LIKE $1 AND until_at < ` + postgresNow
	othersPresent = `SELECT EXISTS (SELECT 1 FROM leases WHERE name LIKE $1 AND holder <> $2 AND until_at >= ` + postgresNow + `)`
)

// herald tells other nodes of commits.
type herald struct {
	// name tells this process' notices from others'.
	name   string
	wanted chan struct{}
	stop   chan struct{}
	// heeded says whether others listened when that was looked last. Both belong to the goroutine that announces.
	heeded bool
	looked time.Time
}

func newHerald() herald {
	return herald{name: rand.Text(), wanted: make(chan struct{}, 1), stop: make(chan struct{})}
}

// tell has others told of commits, unless nothing in them is theirs to know.
func (h *herald) tell(members []*change) {
	for _, c := range members {
		if len(c.rows[feedChanges]) == 0 {
			continue
		}
		select {
		case h.wanted <- struct{}{}:
		default: // one notice is enough
		}
		return
	}
}

// announce sends notices until the engine is closed. One that could not be sent is no harm: others read now and then.
func (e *postgresEngine) announce() {
	whenever(e.herald.wanted, e.herald.stop, tellEvery, func(ctx context.Context) {
		if !e.heeded(ctx) {
			return
		}
		if err := e.notify(ctx); err != nil && ctx.Err() == nil {
			e.log.DebugContext(ctx, "other nodes were not told of a commit", "error", err)
		}
	})
}

// heeded says whether others listen, as far as this node knows.
func (e *postgresEngine) heeded(ctx context.Context) bool {
	h := &e.herald
	if time.Since(h.looked) < lookEvery {
		return h.heeded
	}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	h.looked = time.Now()
	if err := e.hot.QueryRow(ctx, othersPresent, listeners+"%", h.name).Scan(&h.heeded); err != nil {
		h.heeded = true
	}
	return h.heeded
}

func (e *postgresEngine) notify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	_, err := e.hot.Exec(ctx, "SELECT pg_notify($1, $2)", channel, e.herald.name)
	return err
}

// listen has a connection of its own.
func (e *postgresEngine) listen(ctx context.Context, heard func()) error {
	conn, err := pgx.ConnectConfig(ctx, e.hot.Config().ConnConfig)
	if err != nil {
		return fromPostgres(ctx, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return fromPostgres(ctx, err)
	}
	if _, err := conn.Exec(ctx, forgetPresent, listeners+"%"); err != nil {
		return fromPostgres(ctx, err)
	}
	if err := e.sayPresent(ctx, conn); err != nil {
		return fromPostgres(ctx, err)
	}
	heard() // what was committed before
	next, known := time.Now().Add(2*lookEvery), false
	for ctx.Err() == nil {
		if err := e.await(ctx, conn, time.Until(next), heard); err != nil {
			return fromPostgres(ctx, err)
		}
		if time.Now().Before(next) {
			continue
		}
		if !known { // from here on every node that commits knows that this one listens
			known = true
			heard()
		}
		if err := e.sayPresent(ctx, conn); err != nil {
			return fromPostgres(ctx, err)
		}
		next = time.Now().Add(present / 3)
	}
	return nil
}

func (e *postgresEngine) sayPresent(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	_, err := conn.Exec(ctx, sayPresent, listeners+e.herald.name, e.herald.name, present.Microseconds())
	return err
}

// await waits for one notice, and no longer than a time.
func (e *postgresEngine) await(ctx context.Context, conn *pgx.Conn, length time.Duration, heard func()) error {
	quiet, cancel := context.WithTimeout(ctx, max(length, time.Millisecond))
	defer cancel()
	n, err := conn.WaitForNotification(quiet)
	switch {
	case ctx.Err() != nil, quiet.Err() != nil && !conn.IsClosed():
		return nil
	case err == nil:
		if n.Payload != e.herald.name {
			heard()
		}
		return nil
	default:
		return err
	}
}
