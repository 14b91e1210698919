package sqlstore

import (
	"context"
	"sync/atomic"
)

// Plans that were made while the tables were almost empty use any index. PostgreSQL looks at tables anew a minute after
// they have grown; a new tenant may have a hundred thousand rows by then. So the store itself has the tables looked at
// whenever it has written five times as much as the last time.
const (
	firstLook  = 200 // commits
	growthStep = 5
)

// growth counts commits and tells when to look.
type growth struct {
	written atomic.Int64
	next    atomic.Int64
	look    chan struct{}
	stop    chan struct{}
}

func newGrowth() growth {
	return growth{look: make(chan struct{}, 1), stop: make(chan struct{})}
}

func (g *growth) add(commits int) {
	n := g.written.Add(int64(commits))
	was := g.next.Load()
	if n < max(was, firstLook) || !g.next.CompareAndSwap(was, growthStep*n) {
		return
	}
	select {
	case g.look <- struct{}{}:
	default: // one look is waiting already
	}
}

// learn looks at the tables until the engine is closed.
func (e *postgresEngine) learn() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		select {
		case <-e.growth.stop:
			return
		case <-e.growth.look:
		}
		done := make(chan error, 1)
		go func() {
			_, err := e.lists.Exec(ctx, "ANALYZE tenants, cases, requests, schedules, effects, events, policies, objects, links")
			done <- err
		}()
		select {
		case err := <-done:
			if err != nil {
				e.log.Warn("the tables could not be looked at; queries may be slow for a minute", "error", err)
			}
		case <-e.growth.stop:
			cancel()
			<-done
			return
		}
	}
}
