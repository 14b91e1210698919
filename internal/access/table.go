package access

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// table numbers keys in the order in which they are met. Numbers are never given back. Snapshots share the slots and the
// array below the keys, and each knows its own keys only: whoever reads an older snapshot meets numbers of keys that it
// does not have, and passes them by. One writer adds while any number read.
type table[K comparable] struct {
	slots slots
	keys  []K
}

func (t *table[K]) find(hash uint64, k K) (uint32, bool) {
	for i := t.slots.first(hash); ; {
		var n uint32
		if n, i = t.slots.next(hash, i); n == 0 {
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
	if !t.slots.full(len(t.keys)) {
		t.slots.put(hash(k), n)
		return n - 1
	}
	t.slots = makeSlots(len(t.keys))
	for i, k := range t.keys {
		t.slots.put(hash(k), uint32(i+1))
	}
	return n - 1
}

// slots find numbers from one on by hashes, by open addressing. Their count is a power of two, and larger than any number. Each
// holds a number and, in the bits above, a part of its hash, so that few numbers are looked at in vain; zero: free. There is always
// a free one.
type slots []atomic.Uint32

func makeSlots(numbers int) slots {
	n := 16
	for 4*numbers > 3*n {
		n *= 2
	}
	return make(slots, n)
}

// full says whether there is no room for so many numbers.
func (s slots) full(numbers int) bool { return 4*numbers > 3*len(s) }

// first is where to look first.
func (s slots) first(hash uint64) uint64 { return hash }

// next returns a number that has the hash, most likely, and where to look for another; zero: there is none.
func (s slots) next(hash, i uint64) (number uint32, after uint64) {
	if len(s) == 0 {
		return 0, 0
	}
	mask := uint32(len(s) - 1)
	for want := uint32(hash>>32) &^ mask; ; i++ {
		v := s[uint32(i)&mask].Load()
		if v == 0 {
			return 0, i
		}
		if v&^mask == want {
			return v & mask, i + 1
		}
	}
}

func (s slots) put(hash uint64, number uint32) {
	mask := uint32(len(s) - 1)
	i := uint32(hash) & mask
	for s[i].Load() != 0 {
		i = (i + 1) & mask
	}
	s[i].Store(uint32(hash>>32)&^mask | number)
}

// role is what a grant gives, wherever it holds.
type role struct {
	provider pim.Provider
	id       pim.RoleID
}

// names number everything that grants speak of.
type names struct {
	seed       maphash.Seed
	principals table[uid]
	roles      table[role]
	scopes     table[pim.Scope]
	// within are the numbers of the scopes that directly contain those, by their path; a scope's own: its path does not tell.
	within []uint32
	texts  table[string] // ids that are no UUID
}

func newNames() names {
	n := names{seed: maphash.MakeSeed()}
	n.scope(pim.Everywhere)
	return n
}

// everywhere is the number of the scope "/": the first that newNames gives.
const everywhere = 0

func (n *names) hashUID(u uid) uint64         { return maphash.Bytes(n.seed, u[:]) }
func (n *names) hashText(s string) uint64     { return maphash.String(n.seed, s) }
func (n *names) hashScope(s pim.Scope) uint64 { return maphash.String(n.seed, string(s)) }

func (n *names) hashFolded(name []byte) uint64 { return maphash.Bytes(n.seed, name) }

// hashRole leaves the provider out: roles of the same id in two of them are few.
func (n *names) hashRole(r role) uint64 { return maphash.String(n.seed, string(r.id)) }

func (n *names) findPrincipal(p pim.PrincipalID) (uint32, bool) {
	u, ok := n.findUID(string(p))
	if !ok {
		return 0, false
	}
	return n.principals.find(n.hashUID(u), u)
}

func (n *names) principal(u uid) uint32 {
	if i, ok := n.principals.find(n.hashUID(u), u); ok {
		return i
	}
	return n.principals.add(u, n.hashUID)
}

// principalID is the id of the principal of a number.
func (n *names) principalID(i uint32) pim.PrincipalID {
	return pim.PrincipalID(n.text(n.principals.keys[i]))
}

// Keys are copied, lest a name keeps the row alive that it came in.

func (n *names) role(r role) uint32 {
	if i, ok := n.roles.find(n.hashRole(r), r); ok {
		return i
	}
	r = role{pim.Provider(strings.Clone(string(r.provider))), pim.RoleID(strings.Clone(string(r.id)))}
	return n.roles.add(r, n.hashRole)
}

// scope numbers a scope, after those that contain it by its path.
func (n *names) scope(s pim.Scope) uint32 {
	if i, ok := n.scopes.find(n.hashScope(s), s); ok {
		return i
	}
	above, told := resource.Above(s)
	at := uint32(0)
	if told {
		at = n.scope(above)
	}
	i := n.scopes.add(pim.Scope(strings.Clone(string(s))), n.hashScope)
	if !told {
		at = i
	}
	n.within = append(n.within, at)
	return i
}
