package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/store"
)

// together measures row 6d, and how late effects are where very much ends in the same second.
func (b *bench) together(ctx context.Context, base *base) error {
	const name = "together"
	count := min(b.sized(100_000, 10_000), base.eligible-1)
	if err := b.copyOf(ctx, baseDatabase, name); err != nil {
		return err
	}
	b.say("writing %d activations that end in the same second", count)
	var late []time.Duration
	var before, after int
	err := withStore(ctx, b.pg.URL(name), func(st store.Store) (err error) {
		e := ends{count: count, first: time.Now().Add(time.Duration(count/1000+25) * time.Second), apart: time.Second / time.Duration(count)}
		e.meanwhile = func(a *app.App) (err error) {
			before, after, err = askAtOnce(ctx, a.Index, base, e)
			return err
		}
		late, err = b.watchEnds(ctx, st, base, e)
		return err
	})
	if err != nil {
		return err
	}
	if before != count {
		return fmt.Errorf("before the ends %d of %d checks said yes", before, count)
	}
	slices.Sort(late)
	decided, err := b.decidedLate(ctx, name)
	if err != nil {
		return err
	}
	b.note("6d: %d activations, each with a door in memory, that end one after the other within one second. Checks ask the index in this process,"+
		" as of a microsecond before each end, as of each end, and a millisecond after the last, while the worker has hardly begun.", count)
	b.measured("6d", []float64{float64(after)}, fmt.Sprintf("%d checks said yes a microsecond before the end, %d at the end or after", before, after),
		fmt.Sprintf("effects of %d ends in one second: p50 %s late, p99 %s, the latest %s (%.0f a second); of that until it was decided: %s", count,
			ms(percentile(late, 50)), ms(percentile(late, 99)), ms(late[len(late)-1]), float64(count)/late[len(late)-1].Seconds(), decided))
	return b.drop(ctx, name)
}

// askAtOnce counts what holds shortly before the first end, then what does not: a check that is asked as of a microsecond before an
// end must say yes, and as of the end no. Right after the last end it asks again.
func askAtOnce(ctx context.Context, index *access.Index, base *base, e ends) (before, after int, err error) {
	held := func(n int, now time.Time) bool {
		k := base.key(n)
		return index.Check(now, access.Question{Tenant: tenant, Principal: k.Principal, Provider: k.Provider, Role: k.Role, Scope: k.Scope}).Held
	}
	if err := sleepUntil(ctx, e.first.Add(-2*time.Second)); err != nil {
		return 0, 0, err
	}
	for n := range e.count {
		if held(n, e.of(n).Add(-time.Microsecond)) {
			before++
		}
		if held(n, e.of(n)) {
			after++
		}
	}
	if time.Now().After(e.first) {
		return 0, 0, errors.New("the machine is slower than this program thought: the first ends have passed")
	}
	last := e.of(e.count - 1).Add(time.Millisecond)
	if err := sleepUntil(ctx, last); err != nil {
		return 0, 0, err
	}
	for n := range e.count {
		if held(n, last) {
			after++
		}
	}
	return before, after, nil
}
