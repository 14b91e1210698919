package sqlstore

import (
	"context"
	"sync"
	"time"

	"portcullis/internal/pim"
)

const (
	// readings is how many groups of cases are read at once: while one waits for its round trip the other gathers.
	readings = 2
	// readWithin bounds the reading of a group, whose callers may be gone.
	readWithin = 30 * time.Second
)

// gathering reads cases in groups, as commits are written: a case that is asked for while others are being read waits
// for them, and all that wait are read together by the same few questions. A case on its own is read at once.
type gathering struct {
	mu      sync.Mutex
	closed  bool
	running int
	waiting []*wanted
	idle    sync.Cond // of mu: running may have become 0
}

type reader func(context.Context, []pim.Need) ([]pim.Case, error)

// wanted is a case that somebody waits for.
type wanted struct {
	need pim.Need
	got  pim.Case
	err  error
	done chan struct{}
}

func newGathering() *gathering {
	g := &gathering{}
	g.idle.L = &g.mu
	return g
}

// read returns a case as it is after the call began.
func (g *gathering) read(ctx context.Context, n pim.Need, read reader) (pim.Case, error) {
	w := &wanted{need: n, done: make(chan struct{})}
	first, err := g.join(w)
	if err != nil {
		return pim.Case{}, err
	}
	if first {
		readGroup(context.WithoutCancel(ctx), []*wanted{w}, read)
		if group := g.next(); len(group) > 0 {
			go g.follow(group, read) // close waits for it
		}
	}
	select {
	case <-w.done:
		return w.got, w.err
	case <-ctx.Done():
		return pim.Case{}, ctx.Err()
	}
}

// join waits with the others, or says that the caller is to read at once.
func (g *gathering) join(w *wanted) (first bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return false, errClosed
	case g.running == readings:
		g.waiting = append(g.waiting, w)
		return false, nil
	}
	g.running++
	return true, nil
}

// next returns all that wait, or ends a reader for whom nobody does.
func (g *gathering) next() []*wanted {
	g.mu.Lock()
	defer g.mu.Unlock()
	group := g.waiting[:min(len(g.waiting), largestGroup)]
	g.waiting = g.waiting[len(group):]
	if len(group) == 0 {
		g.running--
		g.idle.Broadcast()
	}
	return group
}

// follow reads groups for as long as somebody waits.
func (g *gathering) follow(group []*wanted, read reader) {
	for ; len(group) > 0; group = g.next() {
		readGroup(context.Background(), group, read)
	}
}

// close answers those who wait, and takes no more.
func (g *gathering) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for g.running > 0 {
		g.idle.Wait()
	}
}

// readGroup reads a group. One whose need cannot be asked about, such as a text that the database does not take, must
// not fail the others, so that after an error each is read alone.
func readGroup(ctx context.Context, group []*wanted, read reader) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	needs := make([]pim.Need, len(group))
	for i, w := range group {
		needs[i] = w.need
	}
	cases, err := read(ctx, needs)
	if err != nil && len(group) > 1 {
		for _, w := range group {
			readGroup(ctx, []*wanted{w}, read)
		}
		return
	}
	for i, w := range group {
		if w.err = err; err == nil {
			w.got = cases[i]
		}
		close(w.done)
	}
}
