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
// What is added is kept as it comes, by numbers and in blocks without pointers, and put together at the end, by as many as there are
// processors: so there are never two of anything but that.
type Loader struct {
	mu      sync.Mutex
	tenants map[pim.TenantID]*filling
}

// filling is what was added of a tenant.
type filling struct {
	mu     sync.Mutex
	edit   *edit
	grants blocks[grantRecord]
	edges  blocks[edgeRecord]
	// more and windows are what few of them have.
	more    []more
	windows []tie
}

type grantRecord struct {
	principal uint32
	more      uint32 // place in more, from one
	right     right
	scope     uint32
	span
	id, request, eligibility uid
	activated                bool
}

type edgeRecord struct {
	member, group uint32
	span
	schedule uid
	window   uint32 // place in windows, from one
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
	r := grantRecord{
		principal: f.edit.principal(f.edit.uid(string(s.Key.Principal))), right: g.right, scope: g.scope, span: g.span,
		id: g.id, request: g.request, eligibility: g.eligibility, activated: g.activated,
	}
	if g.more != (more{}) {
		f.more = append(f.more, g.more)
		r.more = uint32(len(f.more))
	}
	f.grants.add(r)
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
	r := edgeRecord{member: f.edit.principal(f.edit.uid(string(e.Member))), group: group, span: m.span, schedule: m.schedule}
	if m.window != nil {
		f.windows = append(f.windows, m.tie)
		r.window = uint32(len(f.windows))
	}
	f.edges.add(r)
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
	grants := ordered(n, f.grants.size, func(i int) uint32 { return f.grants.at(i).principal })
	edges := ordered(n, f.edges.size, func(i int) uint32 { return f.edges.at(i).member })
	e.chunks = make([]*chunk, (n+chunkSize-1)/chunkSize)
	var next atomic.Int64
	work := func() {
		d := &draft{}
		for c := int(next.Add(1)) - 1; c < len(e.chunks); c = int(next.Add(1)) - 1 {
			e.chunks[c] = &chunk{edit: e.edit}
			for i := range min(chunkSize, n-c*chunkSize) {
				f.gather(d, grants.of(c*chunkSize+i), edges.of(c*chunkSize+i))
				e.chunks[c].nodes[i] = d.pack()
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

// gather unpacks into a draft what was added of one principal; of what was added twice the later is taken.
func (f *filling) gather(d *draft, grants, edges []uint32) {
	d.grants, d.above = d.grants[:0], d.above[:0]
	for _, at := range grants {
		r := f.grants.at(int(at))
		g := rough{
			right: r.right, scope: r.scope, span: r.span, id: r.id, request: r.request, activated: r.activated, eligibility: r.eligibility,
		}
		if r.more > 0 {
			g.more = f.more[r.more-1]
		}
		d.grants = append(d.grants, g)
	}
	for _, at := range edges {
		r := f.edges.at(int(at))
		m := membership{to: r.group, span: r.span, tie: tie{schedule: r.schedule}}
		if r.window > 0 {
			m.tie = f.windows[r.window-1]
		}
		d.above = append(d.above, m)
	}
	d.grants = latest(d.grants, func(g *rough) uid { return g.id })
	type between struct {
		group uint32
		by    uid
	}
	d.above = latest(d.above, func(m *membership) between { return between{m.to, m.schedule} })
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

// order is the places of things by a number that they have.
type order struct{ ends, places []uint32 }

// ordered orders n things by numbers below most, and otherwise as they are.
func ordered(most, n int, number func(int) uint32) order {
	o := order{make([]uint32, most+1), make([]uint32, n)}
	for i := range n {
		o.ends[number(i)+1]++
	}
	for i := 1; i <= most; i++ {
		o.ends[i] += o.ends[i-1]
	}
	for i := range n {
		at := &o.ends[number(i)]
		o.places[*at] = uint32(i)
		*at++
	}
	return o
}

// of returns the places of the things of a number.
func (o order) of(number int) []uint32 {
	from := uint32(0)
	if number > 0 {
		from = o.ends[number-1]
	}
	return o.places[from:o.ends[number]]
}

// blocks are a list that grows without being copied.
type blocks[T any] struct {
	list [][]T
	size int
}

const blockSize = 4096

func (b *blocks[T]) add(v T) {
	last := b.size / blockSize
	switch {
	case last == len(b.list) && last == 0:
		b.list = append(b.list, nil) // small tenants need not have a whole one
	case last == len(b.list):
		b.list = append(b.list, make([]T, 0, blockSize))
	}
	b.list[last] = append(b.list[last], v)
	b.size++
}

func (b *blocks[T]) at(i int) *T { return &b.list[i/blockSize][i%blockSize] }
