package idp

import (
	"sync"
	"time"
)

const (
	guessWindow      = time.Minute
	guessesPerWindow = 10
	maxMetered       = 8192
)

// meter counts how often something was done by each key within a window, on this node. It forgets the oldest when too
// many are counted, so what is sent cannot fill the memory.
type meter struct {
	window time.Duration
	most   int
	now    func() time.Time
	mu     sync.Mutex
	counts map[string]count
}

type count struct {
	since time.Time
	n     int
}

func newMeter(window time.Duration, most int, now func() time.Time) *meter {
	return &meter{window: window, most: most, now: now, counts: map[string]count{}}
}

// full says whether a key has used up its window.
func (m *meter) full(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts[key]
	return m.now().Sub(c.since) < m.window && c.n >= m.most
}

// add counts one more.
func (m *meter) add(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if len(m.counts) >= maxMetered {
		m.sweep(now)
	}
	c := m.counts[key]
	if now.Sub(c.since) >= m.window {
		c = count{since: now}
	}
	c.n++
	m.counts[key] = c
}

func (m *meter) sweep(now time.Time) {
	for k, c := range m.counts {
		if now.Sub(c.since) >= m.window {
			delete(m.counts, k)
		}
	}
	if len(m.counts) >= maxMetered {
		clear(m.counts)
	}
}
