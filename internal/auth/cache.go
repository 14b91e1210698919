package auth

import (
	"container/list"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// entry is a token that was verified, and by what. It does not change.
type entry struct {
	token Token
	from  *issuer
	key   *jose.JSONWebKey
}

// cache remembers the verified tokens that were used last. An ended token stays until it is pushed out: whoever reads
// it looks at the time.
type cache struct {
	mu    sync.Mutex
	size  int
	order *list.List // of *slot, the last used first
	slots map[[32]byte]*list.Element
}

type slot struct {
	hash [32]byte
	*entry
}

func newCache(size int) *cache {
	return &cache{size: size, order: list.New(), slots: make(map[[32]byte]*list.Element)}
}

// get finds what is remembered; nil: nothing.
func (c *cache) get(hash [32]byte) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.slots[hash]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*slot).entry
}

func (c *cache) put(hash [32]byte, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.slots[hash]; ok {
		old.Value.(*slot).entry = e
		c.order.MoveToFront(old)
		return
	}
	c.slots[hash] = c.order.PushFront(&slot{hash, e})
	if c.order.Len() > c.size {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.slots, last.Value.(*slot).hash)
	}
}
