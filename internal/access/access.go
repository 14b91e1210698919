// Package access knows who holds what now, why, and until when.
//
// The Index keeps all live schedules and all memberships of groups in memory. It is filled at the start, and anew whenever
// following the store breaks off, fed by what the store tells of its commits, and asked without any I/O: an answer is
// computed from intervals at the moment of asking, so that a grant ends by itself at its instant, whatever else is down
// (promise P3). An activation is measured again at every asking by what it rests on: its own window, its eligibility and
// each membership on the way to that (promise P2).
//
// Readers never wait: each tenant is one immutable snapshot under an atomic pointer, and a change copies what it
// touches. A question sees all of a publication or nothing of it. Tenants share nothing (promise P10).
//
// A schedule never changes its key. Instants count in whole microseconds, as stores keep them. What lies within a scope
// is known of the directory's "/", which contains all scopes of the tenant, and of the tree of resources: what contains a
// resource or a resource group is told by its path, and what contains a subscription or a management group is made known
// like everything else. Any other scope contains itself alone.
//
// Of resources the index also knows what roles allow and what is denied, so that it answers, too, whether somebody may do
// an action now (Rights, Allowed).
package access

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// Index is the index of live intervals of all tenants. Make it with New; all methods may be called at once.
type Index struct {
	writer  sync.Mutex // held while a change is made
	tenants atomic.Pointer[map[pim.TenantID]*tenant]
	// added is signalled when a tenant comes.
	added signal
}

// New returns an empty index: nobody holds anything.
func New() *Index {
	ix := &Index{}
	ix.tenants.Store(&map[pim.TenantID]*tenant{})
	return ix
}

// Question asks whether a principal holds a role at a scope.
type Question struct {
	Tenant    pim.TenantID
	Principal pim.PrincipalID
	Provider  pim.Provider
	Role      pim.RoleID
	Scope     pim.Scope
}

// Answer says whether, and why.
type Answer struct {
	Held bool
	// Until is the instant up to which the role certainly is held if nothing is committed meanwhile: ask again then.
	// Zero: no end, or not held.
	Until time.Time
	// Next is the instant before which a no stays one if nothing is committed meanwhile. Zero: for ever, or held.
	Next   time.Time
	Reason Reason
	// Scope is where the role is held: the one in question, or one that contains it; empty if it is not held.
	Scope pim.Scope
	// Via is the way from the principal to the group that the schedule names, the nearest group first and that group last;
	// empty for the principal's own. It is shared with the index: read it, do not change it.
	Via []pim.PrincipalID
	// Ground is the schedule by which the role is held: the principal's own rather than a group's, and of those the one that
	// holds longest.
	Ground
}

// Reason says why a role is held or not. The zero value: nothing is known that would give it.
type Reason int

// The reasons. Of several that deny, the one that names what is nearest to holding is told.
const (
	// NoGrant: no schedule gives the role at this scope.
	NoGrant Reason = iota
	// Over: there was one, and its time is over.
	Over
	// Later: there is one, and it will hold at another time.
	Later
	// NotActivated: the principal is eligible now.
	NotActivated
	// Undermined: there is an activation in its time, but what it rests on does not hold.
	Undermined
	// ByAssignment and ByActivation: held.
	ByAssignment
	ByActivation
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{NoGrant, Over, Later, NotActivated, Undermined, ByAssignment, ByActivation}
}

// String is the word for the reason in answers.
func (r Reason) String() string {
	switch r {
	case Over:
		return "over"
	case Later:
		return "later"
	case NotActivated:
		return "notActivated"
	case Undermined:
		return "undermined"
	case ByAssignment:
		return "assignment"
	case ByActivation:
		return "activation"
	case NoGrant:
	}
	return "none"
}

// Check answers a question as of now.
func (ix *Index) Check(now time.Time, q Question) Answer {
	s := ix.snapshot(q.Tenant)
	if s == nil {
		return Answer{}
	}
	return s.check(now, q)
}

// Held lists all roles that the principal holds now, by own schedules and by those of groups, each once, ordered by
// provider, role and scope.
func (ix *Index) Held(now time.Time, t pim.TenantID, p pim.PrincipalID) []pim.HeldRole {
	s := ix.snapshot(t)
	if s == nil {
		return nil
	}
	return s.held(now, p)
}

// GroupsAbove lists the groups of which the principal is a member now, directly or by other groups, ordered by id. In a
// circle of groups each is above itself.
func (ix *Index) GroupsAbove(now time.Time, t pim.TenantID, p pim.PrincipalID) []pim.PrincipalID {
	s := ix.snapshot(t)
	if s == nil {
		return nil
	}
	return s.groupsAbove(now, p)
}

// Members lists who is a member of the group now, directly or by other groups: users, service principals and groups,
// ordered by id.
func (ix *Index) Members(now time.Time, t pim.TenantID, group pim.PrincipalID) []pim.PrincipalID {
	s := ix.snapshot(t)
	if s == nil {
		return nil
	}
	return s.members(now, group)
}

// NextChange is an instant after now before which neither what the principal holds nor its groups change, if nothing is
// committed meanwhile. Zero: never.
func (ix *Index) NextChange(now time.Time, t pim.TenantID, p pim.PrincipalID) time.Time {
	s := ix.snapshot(t)
	if s == nil {
		return time.Time{}
	}
	return s.nextChange(now, p)
}

// Sweep forgets what was over at now: where the clock's asks are late, what has ended stays until then and takes room. It
// changes no answer about now or later but the reason for a no.
func (ix *Index) Sweep(now time.Time) {
	ix.change(func(e *edits) {
		for t := range *ix.tenants.Load() {
			e.of(t).sweep(now)
		}
	}, 1)
}

// Changed returns a channel that is closed when something becomes known about the tenant. Take the channel first, then ask, then
// wait: nothing is missed so.
func (ix *Index) Changed(t pim.TenantID) <-chan struct{} {
	// In this order: whoever finds no tenant is told by a channel from before it came.
	added := ix.added.wait()
	if tenant := (*ix.tenants.Load())[t]; tenant != nil {
		return tenant.changed.wait()
	}
	return added
}

// Loaded is how many schedules are known that hold or will hold.
func (ix *Index) Loaded() int {
	n := 0
	for _, t := range *ix.tenants.Load() {
		n += t.now.Load().grants
	}
	return n
}

// Fill replaces all that is known by what read adds, at once and only if read succeeds; else it returns its error.
// Other changes wait meanwhile, so read must make none; questions are answered as before.
func (ix *Index) Fill(read func(*Loader) error) error {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	l := &Loader{tenants: map[pim.TenantID]*filling{}}
	if err := read(l); err != nil {
		return err
	}
	fresh := map[pim.TenantID]*tenant{}
	for t, f := range l.tenants {
		fresh[t] = &tenant{}
		fresh[t].now.Store(f.done())
	}
	former := *ix.tenants.Load()
	ix.tenants.Store(&fresh)
	ix.added.fire()
	for _, t := range former {
		t.changed.end()
	}
	return nil
}

// tenant is what is known of one tenant.
type tenant struct {
	now     atomic.Pointer[snapshot]
	changed signal
}

func (ix *Index) snapshot(t pim.TenantID) *snapshot {
	tenant := (*ix.tenants.Load())[t]
	if tenant == nil {
		return nil
	}
	return tenant.now.Load()
}

// change makes a change of n things and publishes it, tenant by tenant.
func (ix *Index) change(make func(*edits), n int) {
	if n == 0 {
		return
	}
	ix.writer.Lock()
	defer ix.writer.Unlock()
	tenants := *ix.tenants.Load()
	e := &edits{from: tenants, tenants: map[pim.TenantID]*edit{}}
	make(e)
	var added map[pim.TenantID]*tenant
	for t, edit := range e.tenants {
		if known := tenants[t]; known != nil {
			known.now.Store(edit.done())
			known.changed.fire()
			continue
		}
		if added == nil {
			added = cloneMap(tenants)
		}
		added[t] = &tenant{}
		added[t].now.Store(edit.done())
	}
	if added != nil {
		ix.tenants.Store(&added)
		ix.added.fire()
	}
}

func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m)+1)
	for k, v := range m {
		c[k] = v
	}
	return c
}

// edits are the changes that become visible together in each tenant.
type edits struct {
	from    map[pim.TenantID]*tenant
	tenants map[pim.TenantID]*edit
}

func (e *edits) of(t pim.TenantID) *edit {
	if d := e.tenants[t]; d != nil {
		return d
	}
	t = cloned(t)
	var before *snapshot
	if known := e.from[t]; known != nil {
		before = known.now.Load()
	}
	e.tenants[t] = newEdit(before)
	return e.tenants[t]
}

const (
	always = math.MinInt64
	never  = math.MaxInt64 // as an end: none
)

// micros is an instant in microseconds, and that of none as given.
func micros(t time.Time, none int64) int64 {
	if t.IsZero() {
		return none
	}
	return t.UnixMicro()
}

// instant is an end as callers know it.
func instant(end int64) time.Time {
	if end == never {
		return time.Time{}
	}
	return time.UnixMicro(end).UTC()
}

// span is a stretch of time in microseconds, up to but not including its end.
type span struct{ start, end int64 }

func spanOf(i schedule.Interval) span {
	return span{micros(i.Start, always), micros(i.End, never)}
}

func (s span) contains(t int64) bool { return s.start <= t && t < s.end }

// next is the first end of the span after t, if it has one.
func (s span) next(t int64) int64 {
	switch {
	case s.start >= s.end:
		return never
	case t < s.start:
		return s.start
	case t < s.end:
		return s.end
	}
	return never
}

func sortedIDs(ids []pim.PrincipalID) []pim.PrincipalID {
	slices.Sort(ids)
	return ids
}
