package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// A node reads the feed when it hears of a commit, and besides: often where it cannot hear; often enough to stay certain where
	// somebody asks it; else rarely, for whoever asks first has it read anyway.
	deafEvery, idleEvery = 100 * time.Millisecond, 30 * time.Second
	certainPart          = 4 // of the bound
	// Where much is committed a node rests twice as long as its last reading took, and longestRest at most, before it follows what
	// it has heard of meanwhile: several groups of commits then come with one reading.
	restsFor, longestRest = 2, 5 * time.Millisecond
	// listenAgain is the pause after listening broke off.
	listenAgain = time.Second
	// followWithin bounds one reading, which may have to read everything anew. The application bounds those of the feed alone.
	followWithin = time.Minute
	// changesKept is for how long a change is kept. A node that is behind by more reads everything anew.
	changesKept = time.Hour
)

// follow keeps what this node knows up with the store, until the context ends.
func (s *Server) follow(ctx context.Context) {
	heard := make(chan struct{}, 1)
	var listening atomic.Bool
	var listener sync.WaitGroup
	listener.Go(func() { s.listenToFeed(ctx, heard, &listening) })
	defer listener.Wait()
	for {
		timer := time.NewTimer(s.nextReading(listening.Load()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-heard:
			timer.Stop()
		case <-timer.C:
		}
		began := time.Now()
		call, cancel := context.WithTimeout(ctx, followWithin)
		err := s.App.CatchUp(call)
		cancel()
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "the feed of changes cannot be read; it is tried again", "error", err, "behind", s.App.Behind())
		}
		pause(ctx, min(restsFor*time.Since(began), longestRest))
	}
}

// pause waits, or until the context ends.
func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// nextReading is how long to wait for the next reading where nothing is heard.
func (s *Server) nextReading(listening bool) time.Duration {
	switch {
	case !listening:
		return deafEvery
	case s.App.Asked():
		return s.settings.Staleness / certainPart
	default:
		return idleEvery
	}
}

// listenToFeed has the feed read when others commit.
func (s *Server) listenToFeed(ctx context.Context, heard chan<- struct{}, listening *atomic.Bool) {
	for ctx.Err() == nil {
		wake := func() {
			select {
			case heard <- struct{}{}:
			default: // one is enough
			}
		}
		err := s.Store.Listen(ctx, func() {
			listening.Store(true)
			wake()
		})
		listening.Store(false)
		wake() // from now on by reading alone
		if ctx.Err() != nil {
			return
		}
		s.Log.WarnContext(ctx, "other nodes' commits are not heard of at once; the feed is read instead", "error", err)
		pause(ctx, listenAgain)
	}
}

// forgetChanges deletes those that every node that still runs has read long ago.
func (s *Server) forgetChanges(ctx context.Context) error {
	return purge(func() (int, error) { return s.Store.PurgeChanges(ctx, s.real().Add(-changesKept), tidyLimit) })
}

// storeClock is the real clock of a node: the machine's, set right by the store's, so that no two nodes disagree about what has ended.
type storeClock struct {
	machine func() time.Time
	offset  atomic.Int64 // nanoseconds
}

// Now is the time.
func (c *storeClock) Now() time.Time { return c.machine().Add(time.Duration(c.offset.Load())) }

// clockSlack is how far a reading may be off for reasons that have nothing to do with the clock.
const clockSlack = 5 * time.Millisecond

// synchronise takes in that the store's clock said an instant within the time that a call has just taken. It returns by how much the
// clock was set; zero: it was right, as far as that can be told.
func (c *storeClock) synchronise(store time.Time, took time.Duration) time.Duration {
	now := c.Now()
	least, most := store.Sub(now)-clockSlack, store.Add(took).Sub(now)+clockSlack
	if least <= 0 && most >= 0 {
		return 0
	}
	off := store.Add(took / 2).Sub(now)
	c.offset.Add(int64(off))
	return off
}

// notable is by how much a clock is off that somebody should look after.
const notable = 2 * time.Second

func (s *Server) synchronise(store, began, ended time.Time) {
	if off := s.nodeClock.synchronise(store, ended.Sub(began)); off.Abs() > notable {
		s.Log.Warn("this machine's clock differs from the database's, which counts", "by", off.Round(time.Millisecond))
	}
}

// setClock goes by the store's clock before anything is written.
func (s *Server) setClock(ctx context.Context) error {
	began := time.Now()
	now, err := s.Store.Now(ctx)
	if err != nil {
		return unable(ExitUnusable, "the store cannot be read: %w", err)
	}
	if !now.IsZero() {
		s.synchronise(now, began, time.Now())
	}
	return nil
}
