package app

import (
	"context"
	"errors"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// InOrder decides asks of one caller about one case, whose whole key each names, one after the other as of one instant, each on what
// those before leave, and commits what follows from all of them together. The outcomes are as each was decided. It is for what
// older dialects ask for at once and the core in steps: to be made eligible instead of active. Where the first is only to be
// validated all are, and nothing is kept. Only the first may choose the id of its request.
//
// The errors are those of Do; the first refusal refuses the whole, and it alone is audited.
func (a *App) InOrder(ctx context.Context, asks []pim.Ask) (_ []pim.Outcome, err error) {
	if len(asks) == 0 {
		return nil, nil
	}
	ctx, end := a.deciding(ctx, asks...)
	defer func() { end(err) }()
	grant := false
	for i, ask := range asks {
		switch {
		case ask.Key != asks[0].Key || ask.By.Principal != asks[0].By.Principal || ask.ValidationOnly != asks[0].ValidationOnly:
			return nil, errors.New("asks in order are of one caller about one case")
		case !ask.Action.MakesRequest() && ask.Action != pim.Cancel:
			return nil, errors.New("asks in order make requests or cancel them")
		case i > 0 && ask.Request != "" && ask.Action.MakesRequest():
			return nil, errors.New("of asks in order the first alone chooses the id of its request")
		}
		grant = grant || grants(ask.Action)
	}
	now, err := a.clock.at(a.now(), grant)
	if err != nil {
		return nil, err
	}
	for range attempts {
		outs, err := a.tryInOrder(ctx, now, asks)
		if !errors.Is(err, store.ErrStale) {
			return outs, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, store.ErrUnavailable
}

func (a *App) tryInOrder(ctx context.Context, now time.Time, asks []pim.Ask) ([]pim.Outcome, error) {
	read, err := a.Store.Case(ctx, needsOf(asks))
	if errors.Is(err, store.ErrNotFound) {
		return nil, &pim.Refusal{Code: pim.UnknownRequest}
	}
	if err != nil {
		return nil, err
	}
	a.complete(&read)
	outs := make([]pim.Outcome, len(asks))
	c := read
	for i, ask := range asks {
		if err := a.know(ctx, &c, ask); err != nil {
			return nil, err
		}
		if outs[i], err = pim.Decide(now, c, ask, a.newID); err != nil {
			return nil, a.refused(ctx, now, c, ask, err)
		}
		c = c.After(outs[i])
	}
	out := pim.InOrder(outs)
	if asks[0].ValidationOnly || !out.Changed() {
		return outs, nil
	}
	if err := a.commit(ctx, store.Commit{Outcome: out}); err != nil {
		if outs[0].NewRequest && asks[0].Request != "" {
			err = a.taken(ctx, now, read, asks[0], err)
		}
		return nil, err
	}
	keys := make([]pim.Key, len(asks))
	for i, ask := range asks {
		keys[i] = read.Key
		if err := a.slipped(ctx, ask, read); err != nil {
			return nil, err
		}
	}
	a.aftermath(ctx, keys, asks)
	return outs, nil
}

// needsOf are the facts that any of the asks rests on.
func needsOf(asks []pim.Ask) pim.Need {
	all := asks[0].Needs()
	for _, ask := range asks[1:] {
		n := ask.Needs()
		if all.Request == "" {
			all.Request = n.Request
		}
		all.Backing = all.Backing || n.Backing
		all.Dependents = all.Dependents || n.Dependents
		all.Administrators = all.Administrators || n.Administrators
	}
	return all
}
