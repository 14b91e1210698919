package access

import (
	"runtime"
	"sync"
	"sync/atomic"

	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

// Loader fills an index. Its methods may be called by several at once.
//
// What is added is kept as it comes, in few bytes and without pointers, and put together at the end, by as many as there are
// processors, some principals after the others: so there are never two of anything but of these.
type Loader struct {
	mu      sync.Mutex
	tenants map[pim.TenantID]*filling
}

// filling is what was added of a tenant.
type filling struct {
	mu   sync.Mutex
	edit *edit
	// staged are what was added of the principals of each chunk.
	staged []staged
	// more and windows are what few have.
	more    []more
	windows []tie
}

// at returns where to add what belongs to a principal.
func (f *filling) at(principal uint32) (*staged, uint8) {
	for len(f.staged) <= int(principal/chunkSize) {
		f.staged = append(f.staged, staged{})
	}
	return &f.staged[principal/chunkSize], uint8(principal % chunkSize)
}

func (l *Loader) of(t pim.TenantID) *filling {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.tenants[t]
	if f == nil {
		f = &filling{edit: newEdit(nil)}
		l.tenants[cloned(t)] = f
	}
	return f
}

// Schedule adds a schedule; those that are ended are left out. The error is always nil, so that it can be handed to a
// reader of rows.
func (l *Loader) Schedule(s pim.Schedule) error {
	f := l.of(s.Key.Tenant)
	f.mu.Lock()
	defer f.mu.Unlock()
	g, live := f.edit.roughOf(&s)
	if !live {
		return nil
	}
	place := 0
	if g.more != (more{}) {
		f.more = append(f.more, g.more)
		place = len(f.more)
	}
	to, of := f.at(f.edit.principal(f.edit.uid(string(s.Key.Principal))))
	to.grant(of, &g, uint32(place))
	return nil
}

// Link adds a membership. The error is always nil.
func (l *Loader) Link(e Edge) error {
	if e.Group == "" || e.Member == "" {
		return nil
	}
	f := l.of(e.Tenant)
	f.mu.Lock()
	defer f.mu.Unlock()
	group := f.edit.principal(f.edit.uid(string(e.Group)))
	m := f.edit.membershipOf(e.Membership, group)
	place := 0
	if m.window != nil {
		f.windows = append(f.windows, m.tie)
		place = len(f.windows)
	}
	to, of := f.at(f.edit.principal(f.edit.uid(string(e.Member))))
	to.edge(of, &m, uint32(place))
	return nil
}

// Name adds what a principal is called. The error is always nil.
func (l *Loader) Name(n Name) error {
	l.edit(n.Tenant, func(e *edit) { e.name(&n) })
	return nil
}

// Container adds a management group or a subscription. The error is always nil.
func (l *Loader) Container(n resource.Node) error {
	l.edit(n.Tenant, func(e *edit) { e.contain(n) })
	return nil
}

// ResourceRole adds a custom role of resources. The error is always nil.
func (l *Loader) ResourceRole(t pim.TenantID, r rbac.Role) error {
	l.edit(t, func(e *edit) { e.customRole(r) })
	return nil
}

// Denial adds a deny assignment. The error is always nil.
func (l *Loader) Denial(t pim.TenantID, d rbac.Denial) error {
	l.edit(t, func(e *edit) { e.deny(d) })
	return nil
}

func (l *Loader) edit(t pim.TenantID, do func(*edit)) {
	f := l.of(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f.edit)
}

// done puts together what was added.
func (f *filling) done() *snapshot {
	e := f.edit
	n := len(e.principals.keys)
	e.chunks = make([]*chunk, (n+chunkSize-1)/chunkSize)
	var next atomic.Int64
	work := func() {
		d := new([chunkSize]draft)
		for c := int(next.Add(1)) - 1; c < len(e.chunks); c = int(next.Add(1)) - 1 {
			e.chunks[c] = &chunk{edit: e.edit}
			if c < len(f.staged) {
				f.gather(d, &f.staged[c])
				f.staged[c] = staged{}
			}
			for i := range d {
				e.chunks[c].nodes[i] = d[i].pack()
				d[i] = draft{grants: d[i].grants[:0], above: d[i].above[:0]}
			}
		}
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(e.chunks)) - 1 {
		workers.Go(work)
	}
	work()
	workers.Wait()
	e.assemble()
	return e.done()
}

// gather unpacks into drafts what was added of the principals of a chunk; of what was added twice the later is taken.
func (f *filling) gather(d *[chunkSize]draft, from *staged) {
	from.each(func(of uint8, g rough, place uint32) {
		if place > 0 {
			g.more = f.more[place-1]
		}
		d[of].grants = append(d[of].grants, g)
	}, func(of uint8, m membership, place uint32) {
		if place > 0 {
			m.tie = f.windows[place-1]
		}
		d[of].above = append(d[of].above, m)
	})
	type between struct {
		group uint32
		by    uid
	}
	for i := range d {
		d[i].grants = latest(d[i].grants, func(g *rough) uid { return g.id })
		d[i].above = latest(d[i].above, func(m *membership) between { return between{m.to, m.schedule} })
	}
}

// few are looked at one by one.
const few = 32

// latest leaves of those of the same key the last.
func latest[T any, K comparable](list []T, key func(*T) K) []T {
	kept := list[:0]
	var seen map[K]int
	place := func(k K) (int, bool) {
		if seen != nil {
			at, there := seen[k]
			return at, there
		}
		for i := range kept {
			if key(&kept[i]) == k {
				return i, true
			}
		}
		return 0, false
	}
	if len(list) > few {
		seen = make(map[K]int, len(list))
	}
	for i := range list {
		k := key(&list[i])
		if at, there := place(k); there {
			kept[at] = list[i]
			continue
		}
		if seen != nil {
			seen[k] = len(kept)
		}
		kept = append(kept, list[i])
	}
	return kept
}

// assemble gives groups their members, and counts.
func (e *edit) assemble() {
	sizes := make([]uint32, len(e.principals.keys))
	e.eachNode(func(_ uint32, n *node) {
		e.grants += len(n.grants)
		for i := range n.above {
			sizes[n.above[i].to]++
		}
	})
	for i, size := range sizes {
		if size > 0 {
			at := &e.chunks[i/chunkSize].nodes[i%chunkSize]
			if *at == nil {
				*at = &node{}
			}
			(*at).unusual().group = &group{name: []pim.PrincipalID{e.principalID(uint32(i))}, below: make([]uint32, 0, size)}
		}
	}
	e.eachNode(func(member uint32, n *node) {
		for i := range n.above {
			g := e.node(n.above[i].to).group()
			g.below = append(g.below, member)
		}
	})
}

func (s *snapshot) eachNode(visit func(uint32, *node)) {
	for c, chunk := range s.chunks {
		for i, n := range chunk.nodes {
			if n != nil {
				visit(uint32(c*chunkSize+i), n)
			}
		}
	}
}
