package storetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Model is a store in memory that is too simple to be wrong: maps, loops and one lock. The suite compares every other
// store with it; packages that need a store in their tests may use it. Its zero value is an empty store.
type Model struct {
	mu     sync.Mutex
	closed bool
	state
}

var _ store.Store = (*Model)(nil)

// state is all that is kept.
type state struct {
	versions    map[pim.Key]int64
	requests    map[row]pim.Request
	schedules   map[row]pim.Schedule
	effects     map[row]claimed
	events      map[row]store.Entry
	mails       map[row]sending
	policies    map[pim.RoleKey]policy.Policy
	tenants     map[pim.TenantID]directory.Tenant
	objects     map[row]directory.Object
	bin         map[row]directory.Object
	links       map[edge]directory.Link
	resources   map[row]resource.Node
	denials     map[row]store.Denial
	credentials map[row]directory.Credential
	secrets     map[[2]string]secret
	uses        map[call]store.Use

	changes         []fed
	numbers, purged int64
	leases          map[string]held
}

// row names something in a tenant.
type row struct {
	tenant pim.TenantID
	id     string
}

type edge struct {
	tenant   pim.TenantID
	relation directory.Relation
	from, to pim.PrincipalID
	schedule pim.ScheduleID
}

func edgeOf(l directory.Link) edge { return edge{l.Tenant, l.Relation, l.From, l.To, l.Schedule} }

type claimed struct {
	pim.Effect
	holder string
	lease  time.Time
}

// wake is when the effect may be claimed; zero: never.
func (c claimed) wake() time.Time {
	if !c.Due.IsZero() && c.holder != "" && c.lease.After(c.Due) {
		return c.lease
	}
	return c.Due
}

type secret struct {
	value   []byte
	expires time.Time
}

func rowOf[ID ~string](t pim.TenantID, id ID) row { return row{t, string(id)} }

// enter takes the lock where the store can be used.
func (m *Model) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, fmt.Errorf("%w: it is closed", store.ErrUnavailable)
	}
	if m.versions == nil {
		m.state = newState()
	}
	return m.mu.Unlock, nil
}

func newState() state {
	return state{
		versions: map[pim.Key]int64{}, requests: map[row]pim.Request{}, schedules: map[row]pim.Schedule{},
		effects: map[row]claimed{}, events: map[row]store.Entry{}, mails: map[row]sending{}, policies: map[pim.RoleKey]policy.Policy{},
		tenants: map[pim.TenantID]directory.Tenant{}, objects: map[row]directory.Object{}, bin: map[row]directory.Object{}, links: map[edge]directory.Link{},
		resources: map[row]resource.Node{}, denials: map[row]store.Denial{},
		credentials: map[row]directory.Credential{}, secrets: map[[2]string]secret{},
		uses: map[call]store.Use{}, leases: map[string]held{},
	}
}

// kept returns a value as a store keeps it: a copy that shares nothing with the original, its instants in UTC and whole
// microseconds, its empty slices none.
func kept[T any](v T) T {
	keep(reflect.ValueOf(&v).Elem())
	return v
}

func keep(v reflect.Value) {
	if t, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(t.UTC().Truncate(time.Microsecond)))
		return
	}
	if k := v.Kind(); k == reflect.Pointer && !v.IsNil() {
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(v.Elem())
		v.Set(c)
		keep(c.Elem())
	} else if k == reflect.Slice {
		keepSlice(v)
	} else if k == reflect.Map && v.Len() > 0 {
		c := reflect.MakeMapWithSize(v.Type(), v.Len())
		for _, key := range v.MapKeys() {
			c.SetMapIndex(key, v.MapIndex(key))
		}
		v.Set(c)
	} else if k == reflect.Struct {
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				keep(v.Field(i))
			}
		}
	}
}

func keepSlice(v reflect.Value) {
	if v.Len() == 0 {
		v.SetZero()
		return
	}
	c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	reflect.Copy(c, v)
	v.Set(c)
	for i := range v.Len() {
		keep(v.Index(i))
	}
}

// Ping implements store.Store.
func (m *Model) Ping(ctx context.Context) error {
	leave, err := m.enter(ctx)
	if err == nil {
		leave()
	}
	return err
}

// Close implements store.Store.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// Commit implements store.Cases.
func (m *Model) Commit(ctx context.Context, c store.Commit) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return m.commit(c)
}

// CommitAll implements store.Cases.
func (m *Model) CommitAll(ctx context.Context, cs []store.Commit) []error {
	errs := make([]error, len(cs))
	leave, err := m.enter(ctx)
	for i, c := range cs {
		if errs[i] = err; err == nil {
			errs[i] = m.commit(c)
		}
	}
	if err == nil {
		leave()
	}
	return errs
}

func (m *Model) commit(c store.Commit) error {
	if c.ValidationOnly {
		return fmt.Errorf("an outcome that is only a validation is not committed")
	}
	if slices.ContainsFunc(c.Cleared, func(p store.Place) bool { return p.Scope == "" }) {
		return fmt.Errorf("what is to be cleared has no scope")
	}
	c = kept(c)
	if err := m.check(c); err != nil {
		return err
	}
	m.write(c)
	return nil
}

// check says what speaks against a commit, staleness before conflicts. Afterwards nothing can go wrong.
func (m *Model) check(c store.Commit) error {
	for _, t := range slices.Concat(raises(c.Outcome), c.Relies) {
		if m.versions[t.Key] != t.Version {
			return store.ErrStale
		}
	}
	if p := c.Policy; p != nil && m.policies[p.Key].Version != p.Policy.Version-1 {
		return store.ErrStale
	}
	if c.Tenant != nil {
		if _, there := m.tenants[c.Tenant.ID]; there {
			return store.ErrConflict
		}
	}
	if len(c.Objects) > 0 && !unique(m.changed(c)) {
		return store.ErrConflict
	}
	if r := c.Request; r != nil && c.NewRequest {
		if _, there := m.requests[rowOf(r.Key.Tenant, r.ID)]; there {
			return store.ErrConflict
		}
	}
	for _, s := range c.Schedules {
		if old, there := m.schedules[rowOf(s.Key.Tenant, s.ID)]; there && s.Key.Provider == pim.Resource && old.Key != s.Key {
			return store.ErrStale
		}
	}
	return m.checkEntries(c.Entries)
}

// raises are the cases whose version a commit raises.
func raises(o pim.Outcome) []pim.Touch {
	if o.Key == (pim.Key{}) {
		return o.Touches
	}
	return append([]pim.Touch{{Key: o.Key, Version: o.Version}}, o.Touches...)
}

// checkEntries wants every event to be new.
func (m *Model) checkEntries(entries []store.Entry) error {
	seen := map[row]bool{}
	for _, e := range entries {
		at := rowOf(e.Event.Tenant, e.Event.ID)
		if _, there := m.events[at]; there || seen[at] {
			return store.ErrConflict
		}
		seen[at] = true
	}
	return nil
}

func (m *Model) write(c store.Commit) {
	for _, t := range raises(c.Outcome) {
		m.versions[t.Key] = t.Version + 1
	}
	if p := c.Policy; p != nil {
		m.policies[p.Key] = p.Policy
	}
	m.writeDirectory(c)
	m.writeResources(c)
	if r := c.Request; r != nil {
		m.requests[rowOf(r.Key.Tenant, r.ID)] = *r
	}
	for _, r := range c.More {
		m.requests[rowOf(r.Key.Tenant, r.ID)] = r
	}
	for _, s := range c.Schedules {
		m.schedules[rowOf(s.Key.Tenant, s.ID)] = s
	}
	for _, e := range c.Effects {
		at := rowOf(e.Tenant, e.ID)
		old := m.effects[at]
		m.effects[at] = claimed{e, old.holder, old.lease} // a lease goes on
	}
	m.post(mailsOf(c.Notices))
	m.log(c.Entries)
	m.feed(c)
}

func (m *Model) log(entries []store.Entry) {
	for _, e := range entries {
		m.events[rowOf(e.Event.Tenant, e.Event.ID)] = e
	}
}

func (m *Model) writeDirectory(c store.Commit) {
	if t := c.Tenant; t != nil {
		m.tenants[t.ID] = *t
	}
	if len(c.Objects)+len(c.Deleted) > 0 {
		m.objects = m.changed(c)
	}
	for _, o := range c.Deleted {
		delete(m.bin, rowOf(o.Tenant, o.ID))
	}
	for _, o := range slices.Concat(c.Deleted, binned(c)) {
		delete(m.credentials, rowOf(o.Tenant, o.ID))
		for k, l := range m.links {
			if l.Tenant == o.Tenant && (l.From == o.ID || l.To == o.ID) {
				delete(m.links, k)
			}
		}
	}
	for _, o := range binned(c) {
		m.bin[rowOf(o.Tenant, o.ID)] = o
	}
	for _, l := range c.Unlinks {
		delete(m.links, edgeOf(l))
	}
	for _, l := range c.Links {
		m.links[edgeOf(l)] = l
	}
	for _, k := range c.Credentials {
		m.credentials[rowOf(k.Tenant, k.Principal)] = k
	}
}

// changed are the objects as they are after a commit.
func (m *Model) changed(c store.Commit) map[row]directory.Object {
	objects := maps.Clone(m.objects)
	for _, o := range slices.Concat(c.Deleted, binned(c)) {
		delete(objects, rowOf(o.Tenant, o.ID))
	}
	for _, o := range c.Objects {
		if o.Deleted.IsZero() {
			objects[rowOf(o.Tenant, o.ID)] = o
		}
	}
	return objects
}

// binned are the objects that a commit puts into the bin.
func binned(c store.Commit) []directory.Object {
	return slices.DeleteFunc(slices.Clone(c.Objects), func(o directory.Object) bool { return o.Deleted.IsZero() })
}

// unique says whether no two users have one name and no two applications one client id.
func unique(objects map[row]directory.Object) bool {
	names, clients := map[row]bool{}, map[row]bool{}
	for _, o := range objects {
		if o.User != nil && o.User.PrincipalName != "" {
			k := rowOf(o.Tenant, fold(o.User.PrincipalName))
			if names[k] {
				return false
			}
			names[k] = true
		}
		if o.App != nil && o.App.ClientID != "" {
			k := rowOf(o.Tenant, o.App.ClientID)
			if clients[k] {
				return false
			}
			clients[k] = true
		}
	}
	return true
}

// Due implements store.Work.
func (m *Model) Due(ctx context.Context, now time.Time, limit int) ([]store.Due, time.Time, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer leave()
	var all []store.Due
	for _, s := range m.schedules {
		all = append(all, store.Due{At: s.Due, Key: s.Key, Schedule: s.ID})
	}
	for _, r := range m.requests {
		all = append(all, store.Due{At: r.Due, Key: r.Key, Request: r.ID})
	}
	var due []store.Due
	var next time.Time
	for _, d := range all {
		switch {
		case d.At.IsZero():
		case !d.At.After(now):
			due = append(due, d)
		default:
			next = earlier(next, d.At)
		}
	}
	slices.SortFunc(due, compareDue)
	return due[:min(len(due), limit)], next, nil
}

// ClaimEffects implements store.Work.
func (m *Model) ClaimEffects(ctx context.Context, holder string, now, until time.Time, limit int) ([]pim.Effect, time.Time, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer leave()
	if holder == "" {
		return nil, time.Time{}, fmt.Errorf("a claim needs the name of its holder")
	}
	var ready []row
	for k, e := range m.effects {
		if w := e.wake(); !w.IsZero() && !w.After(now) {
			ready = append(ready, k)
		}
	}
	slices.SortFunc(ready, func(a, b row) int {
		if c := m.effects[a].wake().Compare(m.effects[b].wake()); c != 0 {
			return c
		}
		return compareRows(a, b)
	})
	var effects []pim.Effect
	for _, k := range ready[:min(len(ready), limit)] {
		e := m.effects[k]
		e.holder, e.lease = holder, kept(until)
		m.effects[k] = e
		effects = append(effects, kept(e.Effect))
	}
	var next time.Time
	for _, e := range m.effects {
		if w := e.wake(); w.After(now) {
			next = earlier(next, w)
		}
	}
	slices.SortFunc(effects, func(a, b pim.Effect) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return compareRows(rowOf(a.Tenant, a.ID), rowOf(b.Tenant, b.ID))
	})
	return effects, next, nil
}

// Settle implements store.Work.
func (m *Model) Settle(ctx context.Context, holder string, before, after pim.Effect, entries []store.Entry) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	at := rowOf(before.Tenant, before.ID)
	e, there := m.effects[at]
	if !there || holder == "" || e.holder != holder || rowOf(after.Tenant, after.ID) != at {
		return store.ErrStale
	}
	if e.State != before.State || !e.Decided.Equal(before.Decided) {
		m.effects[at] = claimed{Effect: e.Effect} // the holder is done, so the new intent need not wait for it
		return store.ErrStale
	}
	if err := m.checkEntries(entries); err != nil {
		return err
	}
	m.effects[at] = claimed{Effect: kept(after)}
	m.log(kept(entries))
	return nil
}

// PutSecret implements store.Vault.
func (m *Model) PutSecret(ctx context.Context, kind, key string, value []byte, expires time.Time) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	m.secrets[[2]string{kind, key}] = secret{bytes.Clone(value), expires}
	return nil
}

// GetSecret implements store.Vault.
func (m *Model) GetSecret(ctx context.Context, kind, key string, now time.Time) ([]byte, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, there := m.secrets[[2]string{kind, key}]
	if !there || s.over(now) {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(s.value), nil
}

// over says whether the secret has expired: at the instant itself it has. A zero end is none.
func (s secret) over(now time.Time) bool { return !s.expires.IsZero() && !s.expires.After(now) }

// TakeSecret implements store.Vault.
func (m *Model) TakeSecret(ctx context.Context, kind, key string, now time.Time) ([]byte, error) {
	v, err := m.GetSecret(ctx, kind, key, now)
	if err != nil {
		return nil, err
	}
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if _, there := m.secrets[[2]string{kind, key}]; !there {
		return nil, store.ErrNotFound // somebody else took it in between
	}
	delete(m.secrets, [2]string{kind, key})
	return v, nil
}

// AddSecret implements store.Vault.
func (m *Model) AddSecret(ctx context.Context, kind, key string, value []byte, expires, now time.Time) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if s, there := m.secrets[[2]string{kind, key}]; there && !s.over(now) {
		return store.ErrStale
	}
	m.secrets[[2]string{kind, key}] = secret{bytes.Clone(value), expires}
	return nil
}

// SwapSecret implements store.Vault.
func (m *Model) SwapSecret(ctx context.Context, kind, key string, before, after []byte, expires time.Time) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	s, there := m.secrets[[2]string{kind, key}]
	if !there || !bytes.Equal(s.value, before) {
		return store.ErrStale
	}
	m.secrets[[2]string{kind, key}] = secret{bytes.Clone(after), expires}
	return nil
}

// DeleteSecret implements store.Vault.
func (m *Model) DeleteSecret(ctx context.Context, kind, key string) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	delete(m.secrets, [2]string{kind, key})
	return nil
}

// PurgeSecrets implements store.Vault.
func (m *Model) PurgeSecrets(ctx context.Context, now time.Time, limit int) (int, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	n := 0
	for k, s := range m.secrets {
		if n < limit && s.over(now) {
			delete(m.secrets, k)
			n++
		}
	}
	return n, nil
}
