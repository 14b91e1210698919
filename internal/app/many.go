package app

import (
	"context"
	"errors"
	"strconv"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// DoAll decides many asks of the clock, reading and committing them together. The result has one error, or nil, for
// each. Asks about one case are decided one after the other.
func (a *App) DoAll(ctx context.Context, asks []pim.Ask) []error {
	errs := make([]error, len(asks))
	now, _ := a.clock.at(a.now(), false)
	needs := make([]pim.Need, len(asks))
	for i, ask := range asks {
		needs[i] = ask.Needs()
	}
	cases, err := a.Store.Cases(ctx, needs)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	b := batch{App: a, seen: map[pim.Key]bool{}}
	var again []int
	for i, ask := range asks {
		switch {
		case cases[i].Key.Tenant == "": // gone meanwhile: nothing is due
		case b.seen[cases[i].Key]:
			again = append(again, i)
		default:
			errs[i] = b.add(i, cases[i], ask, now)
		}
	}
	again = append(again, b.commit(ctx, errs)...)
	a.tellDecided(asks, errs, again)
	for _, i := range again {
		_, errs[i] = a.Do(ctx, asks[i])
	}
	return errs
}

// batch gathers the outcomes of different cases.
type batch struct {
	*App
	seen    map[pim.Key]bool
	commits []store.Commit
	of      []int
}

func (b *batch) add(i int, c pim.Case, ask pim.Ask, now time.Time) error {
	b.complete(&c)
	b.seen[c.Key] = true
	out, err := pim.Decide(now, c, ask, b.newID)
	if err != nil || !out.Changed() {
		return err
	}
	b.commits = append(b.commits, b.withNotices(withLinks(store.Commit{Outcome: out, Entries: Entries(out.Events)})))
	b.of = append(b.of, i)
	return nil
}

// commit writes the outcomes, notes the errors, and returns the asks whose case has changed meanwhile.
func (b *batch) commit(ctx context.Context, errs []error) (again []int) {
	if len(b.commits) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // as App.commit
	if err := b.certain(ctx); err != nil {
		for _, i := range b.of {
			errs[i] = err
		}
		return nil
	}
	var written store.Commit
	var done []store.Commit
	writing, end := b.span(ctx, "commit", "commits", strconv.Itoa(len(b.commits)))
	results := b.Store.CommitAll(writing, b.commits)
	end("", nil)
	for n, err := range results {
		switch {
		case errors.Is(err, store.ErrStale):
			again = append(again, b.of[n])
		case err != nil:
			errs[b.of[n]] = err
			if errors.Is(err, store.ErrUnavailable) {
				b.doubted(b.commits[n])
			}
		default:
			c := b.commits[n]
			done = append(done, c)
			written.Schedules = append(written.Schedules, c.Schedules...)
			written.Effects = append(written.Effects, c.Effects...)
			written.Links = append(written.Links, c.Links...)
			written.Unlinks = append(written.Unlinks, c.Unlinks...)
		}
	}
	if err := b.follow(ctx, done...); err != nil {
		for i := range errs {
			errs[i] = errors.Join(errs[i], err)
		}
		return nil
	}
	b.aligned(ctx, written)
	return again
}
