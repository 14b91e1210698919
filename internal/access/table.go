package access

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"portcullis/internal/pim"
)

// table numbers keys in the order in which they are met. Numbers are never given back. Snapshots share the slots and the
// array below the keys, and each knows its own keys only: whoever reads an older snapshot meets numbers of keys that it
// does not have, and passes them by. One writer adds while any number read.
type table[K comparable] struct {
	// slots hold number+1, found by open addressing; zero: free. Its length is a power of two.
	slots []atomic.Uint32
	keys  []K
}

func (t *table[K]) find(hash uint64, k K) (uint32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		n := t.slots[i].Load()
		if n == 0 {
			return 0, false
		}
		if n <= uint32(len(t.keys)) && t.keys[n-1] == k {
			return n - 1, true
		}
	}
}

// add numbers a key that is not there. hash is asked again for all keys when the slots grow.
func (t *table[K]) add(k K, hash func(K) uint64) uint32 {
	t.keys = append(t.keys, k)
	n := uint32(len(t.keys))
	if 2*len(t.keys) > len(t.slots) {
		t.slots = make([]atomic.Uint32, max(16, 2*len(t.slots)))
		for i, k := range t.keys {
			t.put(hash(k), uint32(i+1))
		}
		return n - 1
	}
	t.put(hash(k), n)
	return n - 1
}

func (t *table[K]) put(hash uint64, n uint32) {
	mask := uint64(len(t.slots) - 1)
	i := hash & mask
	for t.slots[i].Load() != 0 {
		i = (i + 1) & mask
	}
	t.slots[i].Store(n)
}

// role is what a grant gives, wherever it holds.
type role struct {
	provider pim.Provider
	id       pim.RoleID
}

// names number everything that grants speak of.
type names struct {
	seed       maphash.Seed
	principals table[pim.PrincipalID]
	roles      table[role]
	scopes     table[pim.Scope]
}

func newNames() names {
	n := names{seed: maphash.MakeSeed()}
	n.scope(pim.Everywhere)
	return n
}

// everywhere is the number of the scope "/": the first that newNames gives.
const everywhere = 0

func (n *names) hashPrincipal(p pim.PrincipalID) uint64 { return maphash.String(n.seed, string(p)) }
func (n *names) hashScope(s pim.Scope) uint64           { return maphash.String(n.seed, string(s)) }

// hashRole leaves the provider out: roles of the same id in two of them are few.
func (n *names) hashRole(r role) uint64 { return maphash.String(n.seed, string(r.id)) }

func (n *names) findPrincipal(p pim.PrincipalID) (uint32, bool) {
	return n.principals.find(n.hashPrincipal(p), p)
}

// Keys are copied, lest a name keeps the row alive that it came in.

func (n *names) principal(p pim.PrincipalID) uint32 {
	if i, ok := n.findPrincipal(p); ok {
		return i
	}
	return n.principals.add(pim.PrincipalID(strings.Clone(string(p))), n.hashPrincipal)
}

func (n *names) role(r role) uint32 {
	if i, ok := n.roles.find(n.hashRole(r), r); ok {
		return i
	}
	r = role{pim.Provider(strings.Clone(string(r.provider))), pim.RoleID(strings.Clone(string(r.id)))}
	return n.roles.add(r, n.hashRole)
}

func (n *names) scope(s pim.Scope) uint32 {
	if i, ok := n.scopes.find(n.hashScope(s), s); ok {
		return i
	}
	return n.scopes.add(pim.Scope(strings.Clone(string(s))), n.hashScope)
}
