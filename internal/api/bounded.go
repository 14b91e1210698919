package api

import (
	"context"
	"sync"
	"time"
)

// bounded is the context of a call: it ends when a time is over, as that of context.WithTimeout does, but has a timer only once
// somebody waits for its end. Calls that are answered from memory need none.
type bounded struct {
	context.Context //nolint:containedctx // it is one
	deadline        time.Time

	mu     sync.Mutex
	timed  context.Context //nolint:containedctx // the same with a timer; nil: nobody has waited
	cancel context.CancelFunc
	over   bool
}

func within(parent context.Context, d time.Duration) *bounded {
	return &bounded{Context: parent, deadline: time.Now().Add(d)}
}

// end ends the context and what was derived from it.
func (b *bounded) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.cancel != nil {
		b.cancel()
	}
}

func (b *bounded) timer() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.cancel = context.WithDeadline(b.Context, b.deadline)
		if b.over {
			b.cancel()
		}
	}
	return b.timed
}

// Deadline is when it ends, or the parent does, if that is sooner.
func (b *bounded) Deadline() (time.Time, bool) {
	if d, ok := b.Context.Deadline(); ok && d.Before(b.deadline) {
		return d, true
	}
	return b.deadline, true
}

// Done is closed when it has ended.
func (b *bounded) Done() <-chan struct{} { return b.timer().Done() }

// Err says why it has ended; nil: it has not.
func (b *bounded) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.timed != nil:
		return b.timed.Err()
	case b.over:
		return context.Canceled
	case b.Context.Err() != nil:
		return b.Context.Err()
	case !time.Now().Before(b.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// AfterFunc lets package context derive contexts from this one without a goroutine for each.
func (b *bounded) AfterFunc(f func()) func() bool { return context.AfterFunc(b.timer(), f) }
