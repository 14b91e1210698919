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
	// listenAlive is how often a silent connection is asked whether it still is one.
	listenAlive = time.Minute
)

// herald tells other nodes of commits.
type herald struct {
	// name tells this process' notices from others'.
	name   string
	wanted chan struct{}
	stop   chan struct{}
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-e.herald.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.herald.wanted:
		}
		if err := e.notify(ctx); err != nil && ctx.Err() == nil {
			e.log.DebugContext(ctx, "other nodes were not told of a commit", "error", err)
		}
		pause := time.NewTimer(tellEvery)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
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
	heard() // what was committed before
	for ctx.Err() == nil {
		if err := e.await(ctx, conn, heard); err != nil {
			return fromPostgres(ctx, err)
		}
	}
	return nil
}

// await waits for one notice, or finds out that nothing is to be heard any more.
func (e *postgresEngine) await(ctx context.Context, conn *pgx.Conn, heard func()) error {
	quiet, cancel := context.WithTimeout(ctx, listenAlive)
	defer cancel()
	n, err := conn.WaitForNotification(quiet)
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		if n.Payload != e.herald.name {
			heard()
		}
		return nil
	case quiet.Err() != nil && !conn.IsClosed():
		alive, cancel := context.WithTimeout(ctx, tellWithin)
		defer cancel()
		return conn.Ping(alive)
	default:
		return err
	}
}
