package access

// filter tells without looking at a node's grants that none of them is the one in question: most questions about members of many
// groups end here. It has a bit for each role, and for each role at a scope, that there is a grant of, by what they hash to.
type filter struct {
	roles uint64
	pairs [4]uint64
}

func roleBit(role uint32) uint64 { return 1 << (role % 64) }

// add notes a grant.
func (f *filter) add(role, scope uint32) {
	f.roles |= roleBit(role)
	bit := (uint64(role)<<32 | uint64(scope)) * 0x9e3779b97f4a7c15 >> 56
	f.pairs[bit/64] |= 1 << (bit % 64)
}

// misses says that no grant is any of those that another filter has.
func (f *filter) misses(other *filter) bool {
	a, b := &f.pairs, &other.pairs
	return f.roles&other.roles == 0 || a[0]&b[0]|a[1]&b[1]|a[2]&b[2]|a[3]&b[3] == 0
}

// wanted is a role at any of some scopes, the nearest first.
type wanted struct {
	role   uint32
	places []uint32
	filter
}

func want(role uint32, places []uint32) wanted {
	w := wanted{role: role, places: places}
	for _, scope := range places {
		w.add(role, scope)
	}
	return w
}
