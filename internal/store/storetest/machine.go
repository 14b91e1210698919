package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// machine does the same random things to a store and to the model, and compares what they say.
type machine struct {
	world
	real  store.Store
	model *Model
	// events counts, so that ids of events are new.
	events int
	// claims are effects that were claimed, by holder.
	claims map[string][]pim.Effect
}

// randomUse runs the machine. One store and one model serve all runs, each in tenants of its own: what spans tenants is
// compared as well.
func randomUse(t *testing.T, s store.Store) {
	model := &Model{}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &machine{world: newWorld(fmt.Sprintf("t%04d", run)), real: s, model: model, claims: map[string][]pim.Effect{}}
		ctx := t.Context()
		act := func(f func(*rapid.T, context.Context)) func(*rapid.T) { return func(rt *rapid.T) { f(rt, ctx) } }
		rt.Repeat(map[string]func(*rapid.T){
			"commit":     act(m.commit),
			"commits":    act(m.commits),
			"directory":  act(m.changeDirectory),
			"resources":  act(m.changeResources),
			"policy":     act(m.editPolicy),
			"claim":      act(m.claim),
			"settle":     act(m.settle),
			"due":        act(m.due),
			"list":       act(m.list),
			"cases":      act(m.cases),
			"links":      act(m.listLinks),
			"credential": act(m.replaceCredential),
			"secret":     act(m.useSecret),
		})
		m.compareAll(rt, ctx)
	})
}

// options compare what a store returns: instants by their microsecond in UTC, no slice and an empty one alike.
func options() cmp.Options {
	return cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b schedule.Duration) bool { return a.Equal(b) })}
}

// kind reduces an error to what callers tell apart.
func kindOf(err error) error {
	for _, k := range []error{store.ErrNotFound, store.ErrStale, store.ErrConflict, store.ErrUnavailable, store.ErrCursor, context.Canceled} {
		if errors.Is(err, k) {
			return k
		}
	}
	if err != nil {
		return errors.New("fault")
	}
	return nil
}

// same compares two answers.
func same[T any](t interface {
	Helper()
	Fatalf(string, ...any)
}, what string, got, want T, gotErr, wantErr error) {
	t.Helper()
	if g, w := fmt.Sprint(kindOf(gotErr)), fmt.Sprint(kindOf(wantErr)); g != w {
		t.Fatalf("%s: got error %v, want %v", what, gotErr, wantErr)
	}
	if d := cmp.Diff(want, got, options()); d != "" {
		t.Fatalf("%s: -want +got\n%s", what, d)
	}
}

func (m *machine) both(t *rapid.T, what string, do func(store.Store) error) error {
	t.Helper()
	got, want := do(m.real), do(m.model)
	same(t, what, 0, 0, got, want)
	return want
}

// version is what the case has, or sometimes something else.
func (m *machine) version(t *rapid.T, k pim.Key) int64 {
	v := m.model.versions[k]
	if rapid.IntRange(0, 5).Draw(t, "wrong version") == 0 {
		v += int64(rapid.SampledFrom([]int{-1, 1, 2}).Draw(t, "off by"))
	}
	return max(v, 0)
}

func (m *machine) touches(t *rapid.T, tenant pim.TenantID, what string) (ts []pim.Touch) {
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, what) {
		k := m.key(t, tenant)
		ts = append(ts, pim.Touch{Key: k, Version: m.version(t, k)})
	}
	return ts
}

// outcome draws a commit about a case.
func (m *machine) outcome(t *rapid.T, tenant pim.TenantID) store.Commit {
	k := m.key(t, tenant)
	c := store.Commit{Outcome: pim.Outcome{
		Key: k, Version: m.version(t, k), Touches: m.touches(t, tenant, "touches"), Relies: m.touches(t, tenant, "relies"),
	}}
	if rapid.Bool().Draw(t, "request") {
		r := m.request(t, k)
		c.Request, c.NewRequest = &r, rapid.Bool().Draw(t, "new")
		if old, ok := m.model.requests[rowOf(tenant, r.ID)]; ok {
			r.Key = old.Key // the key of a request never changes
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "schedules") {
		s := m.schedule(t, k)
		// The key of a schedule never changes. Of resources, where callers choose ids, somebody may try.
		if old, ok := m.model.schedules[rowOf(tenant, s.ID)]; ok && (k.Provider != pim.Resource || rapid.IntRange(0, 3).Draw(t, "other key") > 0) {
			s.Key = old.Key
		}
		if i := slices.IndexFunc(c.Schedules, func(other pim.Schedule) bool { return other.ID == s.ID }); i >= 0 {
			s.Key = c.Schedules[i].Key
		}
		c.Schedules = append(c.Schedules, s)
	}
	for range rapid.IntRange(0, 2).Draw(t, "effects") {
		c.Effects = append(c.Effects, m.sameAs(c.Effects, m.effect(t, k)))
	}
	for range rapid.IntRange(0, 2).Draw(t, "events") {
		c.Entries = append(c.Entries, m.nextEntry(t, k))
	}
	return c
}

// sameAs lets an effect be about what it was about before: that never changes.
func (m *machine) sameAs(before []pim.Effect, e pim.Effect) pim.Effect {
	if old, ok := m.model.effects[rowOf(e.Tenant, e.ID)]; ok {
		before = append([]pim.Effect{old.Effect}, before...)
	}
	for _, old := range before {
		if old.ID == e.ID {
			e.Schedule, e.Key = old.Schedule, old.Key
		}
	}
	return e
}

func (m *machine) nextEntry(t *rapid.T, k pim.Key) store.Entry {
	if m.events == 0 || rapid.IntRange(0, 9).Draw(t, "used event") > 0 {
		m.events++
	}
	return m.entry(t, k, m.events)
}

func (m *machine) tenant(t *rapid.T) pim.TenantID { return pick(t, m.tenants, "tenant") }

func (m *machine) commit(t *rapid.T, ctx context.Context) {
	c := m.outcome(t, m.tenant(t))
	_ = m.both(t, "commit", func(s store.Store) error { return s.Commit(ctx, c) })
}

func (m *machine) commits(t *rapid.T, ctx context.Context) {
	// The commits of a bulk are about different cases and things: one about each tenant is enough to tell them apart.
	cs := []store.Commit{m.outcome(t, m.tenants[0]), m.outcome(t, m.tenants[1])}
	got, want := m.real.CommitAll(ctx, cs), m.model.CommitAll(ctx, cs)
	if len(got) != len(cs) {
		t.Fatalf("CommitAll: got %d errors for %d commits", len(got), len(cs))
	}
	for i := range cs {
		same(t, "commit all", 0, 0, got[i], want[i])
	}
}

func (m *machine) changeDirectory(t *rapid.T, ctx context.Context) {
	tenant := m.tenant(t)
	c := store.Commit{Objects: []directory.Object{m.object(t, tenant)}}
	for range rapid.IntRange(0, 3).Draw(t, "links") {
		c.Links = append(c.Links, m.link(t, tenant))
	}
	if rapid.IntRange(0, 3).Draw(t, "unlink") == 0 {
		c.Unlinks = append(c.Unlinks, m.link(t, tenant))
	}
	if rapid.IntRange(0, 5).Draw(t, "delete") == 0 {
		c.Deleted = append(c.Deleted, m.object(t, tenant))
	}
	if rapid.IntRange(0, 5).Draw(t, "make tenant") == 0 {
		c.Tenant = &directory.Tenant{ID: tenant, Name: word(t), Domain: "example.com", Created: m.instant(t)}
	}
	if rapid.Bool().Draw(t, "credential") {
		c.Credentials = append(c.Credentials, m.credential(t, tenant))
	}
	_ = m.both(t, "change the directory", func(s store.Store) error { return s.Commit(ctx, c) })
}

func (m *machine) changeResources(t *rapid.T, ctx context.Context) {
	tenant := m.tenant(t)
	var c store.Commit
	for range rapid.IntRange(0, 3).Draw(t, "nodes") {
		c.Resources = append(c.Resources, m.node(t, tenant))
	}
	if rapid.IntRange(0, 4).Draw(t, "clear") == 0 {
		c.Cleared = append(c.Cleared, store.Place{Tenant: tenant, Scope: pick(t, append(m.nodes, "/", "/sub", "/sub/s/r", ""), "cleared")})
	}
	if rapid.Bool().Draw(t, "deny") {
		c.Denials = append(c.Denials, m.denial(t, tenant))
	}
	if rapid.IntRange(0, 3).Draw(t, "undeny") == 0 {
		c.Undenied = append(c.Undenied, m.denial(t, tenant))
	}
	_ = m.both(t, "change resources", func(s store.Store) error { return s.Commit(ctx, c) })
	some := []pim.Scope{pick(t, m.nodes, "node"), pick(t, m.nodes, "node"), "/nowhere"}
	sorted := func(s store.Store) ([]resource.Node, error) {
		ns, err := s.ResourcesByScope(ctx, tenant, some)
		slices.SortFunc(ns, func(a, b resource.Node) int { return strings.Compare(string(a.Scope), string(b.Scope)) })
		return ns, err
	}
	got, gotErr := sorted(m.real)
	want, wantErr := sorted(m.model)
	same(t, "resources by scope", got, want, gotErr, wantErr)
}

func (m *machine) editPolicy(t *rapid.T, ctx context.Context) {
	k := m.key(t, m.tenant(t)).Policy()
	v := m.model.policies[k].Version + 1 + int64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "off by"))
	c := store.Commit{Policy: &store.PolicyEdit{Key: k, Policy: m.policy(t, v)}}
	_ = m.both(t, "edit a policy", func(s store.Store) error { return s.Commit(ctx, c) })
}

func (m *machine) now(t *rapid.T) time.Time {
	return m.start.Add(time.Duration(rapid.IntRange(-2, 7).Draw(t, "now")) * time.Hour)
}

type dueAnswer struct {
	Due  []store.Due
	Next time.Time
}

func (m *machine) due(t *rapid.T, ctx context.Context) {
	now, limit := m.now(t), pick(t, []int{1, 3, 100000}, "limit")
	gotDue, gotNext, gotErr := m.real.Due(ctx, now, limit)
	wantDue, wantNext, wantErr := m.model.Due(ctx, now, limit)
	same(t, "due", dueAnswer{gotDue, gotNext}, dueAnswer{wantDue, wantNext}, gotErr, wantErr)
}

type claimAnswer struct {
	Effects []pim.Effect
	Next    time.Time
}

func (m *machine) claim(t *rapid.T, ctx context.Context) {
	now, limit := m.now(t), pick(t, []int{1, 3, 100000}, "limit")
	until := now.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "lease")) * time.Hour)
	holder := pick(t, []string{"one", "two"}, "holder")
	got, gotNext, gotErr := m.real.ClaimEffects(ctx, holder, now, until, limit)
	want, wantNext, wantErr := m.model.ClaimEffects(ctx, holder, now, until, limit)
	same(t, "claim", claimAnswer{got, gotNext}, claimAnswer{want, wantNext}, gotErr, wantErr)
	m.claims[holder] = append(m.claims[holder], want...)
}

func (m *machine) settle(t *rapid.T, ctx context.Context) {
	holder := pick(t, []string{"one", "two"}, "holder")
	if len(m.claims[holder]) == 0 {
		return
	}
	before := pick(t, m.claims[holder], "effect")
	after := m.effect(t, before.Key)
	after.ID, after.Tenant = before.ID, before.Tenant
	// What an effect is about never changes.
	after.Schedule, after.Key = before.Schedule, before.Key
	entries := []store.Entry{m.nextEntry(t, before.Key)}
	_ = m.both(t, "settle", func(s store.Store) error { return s.Settle(ctx, holder, before, after, entries) })
}

func (m *machine) need(t *rapid.T, k pim.Key) pim.Need {
	n := pim.Need{
		Key: k, Actor: m.principal(t), Clock: rapid.Bool().Draw(t, "clock"), Backing: rapid.Bool().Draw(t, "backing"),
		Dependents: rapid.Bool().Draw(t, "dependents"), Administrators: rapid.Bool().Draw(t, "administrators"),
	}
	switch rapid.IntRange(0, 3).Draw(t, "named") {
	case 0:
		n.Request = pim.RequestID(m.id(t))
	case 1:
		n.Schedule = pim.ScheduleID(m.id(t))
	default:
		return n
	}
	if rapid.Bool().Draw(t, "by the tenant alone") {
		n.Key = pim.Key{Tenant: k.Tenant}
	}
	return n
}

func (m *machine) cases(t *rapid.T, ctx context.Context) {
	var needs []pim.Need
	for range rapid.IntRange(1, 4).Draw(t, "needs") {
		needs = append(needs, m.need(t, m.key(t, m.tenant(t))))
	}
	got, gotErr := m.real.Cases(ctx, needs)
	want, wantErr := m.model.Cases(ctx, needs)
	same(t, fmt.Sprintf("cases %+v", needs), got, want, gotErr, wantErr)
	one, oneErr := m.real.Case(ctx, needs[0])
	oneWant, oneWantErr := m.model.Case(ctx, needs[0])
	same(t, "case", one, oneWant, oneErr, oneWantErr)
}

func (m *machine) listLinks(t *rapid.T, ctx context.Context) {
	tenant, id := m.tenant(t), m.principal(t)
	r := pick(t, []directory.Relation{directory.MemberOf, directory.UnitMember}, "relation")
	got, gotErr := m.real.Links(ctx, tenant, r, id, "")
	want, wantErr := m.model.Links(ctx, tenant, r, id, "")
	same(t, "links from", got, want, gotErr, wantErr)
	got, gotErr = m.real.Links(ctx, tenant, r, "", id)
	want, wantErr = m.model.Links(ctx, tenant, r, "", id)
	same(t, "links to", got, want, gotErr, wantErr)
	got, gotErr = m.real.GroupsAbove(ctx, tenant, id)
	want, wantErr = m.model.GroupsAbove(ctx, tenant, id)
	same(t, "groups above", got, want, gotErr, wantErr)
	got, gotErr = m.real.MembersBelow(ctx, tenant, id)
	want, wantErr = m.model.MembersBelow(ctx, tenant, id)
	same(t, "members below", got, want, gotErr, wantErr)
}

func (m *machine) replaceCredential(t *rapid.T, ctx context.Context) {
	tenant, id := m.tenant(t), m.principal(t)
	got, gotErr := m.real.Credential(ctx, tenant, id)
	want, wantErr := m.model.Credential(ctx, tenant, id)
	same(t, "credential", got, want, gotErr, wantErr)
	before, after := want, m.credential(t, tenant)
	if wantErr != nil || rapid.IntRange(0, 3).Draw(t, "other") == 0 {
		before = m.credential(t, tenant)
	}
	after.Principal = before.Principal
	_ = m.both(t, "replace a credential", func(s store.Store) error { return s.ReplaceCredential(ctx, before, after) })
}

func (m *machine) useSecret(t *rapid.T, ctx context.Context) {
	kind := string(m.tenant(t)) // the secrets of one run are its own
	key := pick(t, []string{"k", "l"}, "key")
	now, expires := m.now(t), m.now(t)
	value := func() []byte { return []byte(pick(t, []string{"", "v", "w\x00"}, "value")) }
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0, 1:
		v := value()
		_ = m.both(t, "put", func(s store.Store) error { return s.PutSecret(ctx, kind, key, v, expires) })
	case 2:
		got, gotErr := m.real.GetSecret(ctx, kind, key, now)
		want, wantErr := m.model.GetSecret(ctx, kind, key, now)
		same(t, "get", got, want, gotErr, wantErr)
	case 3:
		got, gotErr := m.real.TakeSecret(ctx, kind, key, now)
		want, wantErr := m.model.TakeSecret(ctx, kind, key, now)
		same(t, "take", got, want, gotErr, wantErr)
	case 4:
		before, after := value(), value()
		_ = m.both(t, "swap", func(s store.Store) error { return s.SwapSecret(ctx, kind, key, before, after, expires) })
	case 5:
		got, gotErr := m.real.PurgeSecrets(ctx, now, 100000)
		want, wantErr := m.model.PurgeSecrets(ctx, now, 100000)
		same(t, "purge", got, want, gotErr, wantErr)
	case 6:
		added := value()
		_ = m.both(t, "add", func(s store.Store) error { return s.AddSecret(ctx, kind, key, added, expires, now) })
	}
}

// compareAll compares everything that can be read of the run's tenants, page by page.
func (m *machine) compareAll(t *rapid.T, ctx context.Context) {
	for _, tenant := range m.tenants {
		for _, l := range m.lists() {
			l.all(t, ctx, store.Query{Tenant: tenant, Limit: 2})
		}
		for k := range m.model.versions {
			if k.Tenant != tenant {
				continue
			}
			n := pim.Need{Key: k, Actor: "bob", Backing: true, Dependents: true, Administrators: true}
			got, gotErr := m.real.Case(ctx, n)
			want, wantErr := m.model.Case(ctx, n)
			same(t, "case", got, want, gotErr, wantErr)
		}
	}
	got, gotErr := m.real.Tenants(ctx)
	want, wantErr := m.model.Tenants(ctx)
	same(t, "tenants", got, want, gotErr, wantErr)
	m.compareLive(t, ctx)
}

// linkFields is a link with its recurrence written out.
func linkFields(l directory.Link) string {
	series := l.Window.Recurrence
	l.Window.Recurrence = nil
	if series == nil {
		return fmt.Sprint(l)
	}
	return fmt.Sprint(l, *series)
}

// liveFields is a schedule with its recurrence written out.
func liveFields(s pim.Schedule) string {
	series := s.Window.Recurrence
	s.Window.Recurrence = nil
	if series == nil {
		return fmt.Sprint(s)
	}
	return fmt.Sprint(s, *series)
}

// compareLive compares what is read at the start of the program, as sets.
func (m *machine) compareLive(t *rapid.T, ctx context.Context) {
	read := func(s store.Store) (all []string) {
		err := errors.Join(
			s.LiveSchedules(ctx, m.start.Add(time.Hour), func(s pim.Schedule) error {
				all = append(all, liveFields(s))
				return nil
			}),
			s.LiveLinks(ctx, func(l directory.Link) error {
				all = append(all, linkFields(l))
				return nil
			}))
		if err != nil {
			t.Fatalf("live: %v", err)
		}
		slices.Sort(all)
		return all
	}
	if d := cmp.Diff(read(m.model), read(m.real)); d != "" {
		t.Fatalf("live: -want +got\n%s", d)
	}
	if d := cmp.Diff(liveResources(t, ctx, m.model), liveResources(t, ctx, m.real)); d != "" {
		t.Fatalf("live resources: -want +got\n%s", d)
	}
	stop := errors.New("stop")
	for _, err := range []error{
		m.real.LiveSchedules(ctx, m.start, func(pim.Schedule) error { return stop }),
		m.real.LiveLinks(ctx, func(directory.Link) error { return stop }),
	} {
		if err != nil && !errors.Is(err, stop) {
			t.Fatalf("live: got %v, want the error of the function it calls", err)
		}
	}
}

// liveResources is all that the access index learns of resources, written out.
func liveResources(t *rapid.T, ctx context.Context, s store.Store) (all []string) {
	err := s.LiveResources(ctx,
		func(n resource.Node) error {
			all = append(all, fmt.Sprint(n))
			return nil
		},
		func(t pim.TenantID, r rbac.Role) error {
			all = append(all, fmt.Sprint(t, r))
			return nil
		},
		func(d store.Denial) error {
			all = append(all, fmt.Sprint(d))
			return nil
		})
	if err != nil {
		t.Fatalf("live resources: %v", err)
	}
	slices.Sort(all)
	return all
}
