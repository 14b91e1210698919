package worker_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// ledger is a store that can be made unreachable, counts how often it is called, and can be written to directly.
type ledger struct {
	t testing.TB
	storetest.Model
	calls atomic.Int64
	down  atomic.Bool
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{t: t}
	l.commit(store.Commit{Tenant: &directory.Tenant{ID: "t", Domain: "t.example"}})
	return l
}

func (l *ledger) enter() error {
	l.calls.Add(1)
	if l.down.Load() {
		return store.ErrUnavailable
	}
	return nil
}

func (l *ledger) Due(ctx context.Context, now time.Time, limit int) ([]store.Due, time.Time, error) {
	if err := l.enter(); err != nil {
		return nil, time.Time{}, err
	}
	return l.Model.Due(ctx, now, limit)
}

func (l *ledger) ClaimEffects(ctx context.Context, holder string, now, until time.Time, limit int) ([]pim.Effect, time.Time, error) {
	if err := l.enter(); err != nil {
		return nil, time.Time{}, err
	}
	return l.Model.ClaimEffects(ctx, holder, now, until, limit)
}

func (l *ledger) Settle(ctx context.Context, holder string, before, after pim.Effect, entries []store.Entry) error {
	if err := l.enter(); err != nil {
		return err
	}
	return l.Model.Settle(ctx, holder, before, after, entries)
}

func (l *ledger) Effects(ctx context.Context, q store.Query) (store.Page[pim.Effect], error) {
	if err := l.enter(); err != nil {
		return store.Page[pim.Effect]{}, err
	}
	return l.Model.Effects(ctx, q)
}

func (l *ledger) Tenants(ctx context.Context) ([]directory.Tenant, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	return l.Model.Tenants(ctx)
}

func (l *ledger) commit(c store.Commit) {
	l.t.Helper()
	if err := l.Commit(l.t.Context(), c); err != nil {
		l.t.Errorf("commit: %v", err)
	}
}

// intend commits effects with a new intent, as a decision does.
func (l *ledger) intend(state pim.EffectState, effects ...pim.Effect) {
	l.t.Helper()
	for i := range effects {
		e := &effects[i]
		e.State, e.Decided, e.Due = state, time.Now(), time.Now()
		e.Attempts, e.Stuck, e.Problem = 0, false, ""
	}
	l.commit(store.Commit{Outcome: pim.Outcome{Effects: effects}})
}

func (l *ledger) effect(e pim.Effect) pim.Effect {
	l.t.Helper()
	p, err := l.Model.Effects(l.t.Context(), store.Query{Tenant: e.Tenant, Where: store.Is(store.FieldID, e.ID)})
	if err != nil || len(p.Rows) != 1 {
		l.t.Fatalf("effect %s: got %d rows, %v", e.ID, len(p.Rows), err)
	}
	return p.Rows[0]
}

// told lists the activities of the events about a schedule, the earliest first.
func (l *ledger) told(s pim.ScheduleID) []pim.Activity {
	l.t.Helper()
	p, err := l.Events(l.t.Context(), store.Query{Tenant: "t", Where: store.Is(store.FieldSchedule, string(s))})
	if err != nil {
		l.t.Fatal(err)
	}
	slices.SortFunc(p.Rows, func(a, b pim.Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Activity, b.Activity)) })
	var all []pim.Activity
	for _, e := range p.Rows {
		all = append(all, e.Activity)
	}
	return all
}

func scheduleDue(id pim.ScheduleID, due time.Time) pim.Schedule {
	return pim.Schedule{
		ID: id, Kind: pim.Assignment, Type: pim.Assigned, Due: due, Window: schedule.Window{Start: time.Now()},
		Key: pim.Key{Tenant: "t", Provider: pim.Directory, Scope: "/", Role: "r", Principal: "amira"},
	}
}

// plan makes schedules due.
func (l *ledger) plan(schedules ...pim.Schedule) {
	l.t.Helper()
	l.commit(store.Commit{Outcome: pim.Outcome{Schedules: schedules}})
}

// clockAsks notes what the clock asks, and when, and does what follows.
type clockAsks struct {
	mu    sync.Mutex
	calls [][]pim.Ask
	at    map[pim.ScheduleID][]time.Time
	// follow makes the changes that the asks lead to.
	follow func([]pim.Ask) []error
	// await, where set, is called instead, and the asks fail.
	await func(context.Context)
}

func (c *clockAsks) DoAll(ctx context.Context, asks []pim.Ask) []error {
	if c.await != nil {
		c.await(ctx)
		return slices.Repeat([]error{store.ErrUnavailable}, len(asks))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[pim.ScheduleID][]time.Time{}
	}
	c.calls = append(c.calls, asks)
	for _, a := range asks {
		c.at[a.Target] = append(c.at[a.Target], time.Now())
	}
	return c.follow(asks)
}

func (c *clockAsks) asked(s pim.ScheduleID) []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.at[s])
}
