package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// together decides asks about different cases as of one instant and commits what follows with a change of the directory,
// all or nothing. The asks make no requests. Whether the change itself is allowed has been decided before: the first
// refusal of an ask refuses the whole, and is audited.
func (a *App) together(ctx context.Context, asks []pim.Ask, with store.Commit) (_ pim.Outcome, err error) {
	ctx, end := a.deciding(ctx, asks...)
	defer func() { end(err) }()
	grant := false
	for _, ask := range asks {
		grant = grant || grants(ask.Action)
	}
	for range attempts {
		now, err := a.clock.at(a.now(), grant)
		if err != nil {
			return pim.Outcome{}, err
		}
		out, err := a.tryTogether(ctx, now, asks, with)
		if !errors.Is(err, store.ErrStale) {
			return out, err
		}
		if err := ctx.Err(); err != nil {
			return pim.Outcome{}, err
		}
	}
	return pim.Outcome{}, store.ErrUnavailable
}

func (a *App) tryTogether(ctx context.Context, now time.Time, asks []pim.Ask, with store.Commit) (pim.Outcome, error) {
	needs := make([]pim.Need, len(asks))
	for i, ask := range asks {
		needs[i] = ask.Needs()
	}
	cases, err := a.Store.Cases(ctx, needs)
	if err != nil {
		return pim.Outcome{}, err
	}
	outs := make([]pim.Outcome, len(asks))
	ended := map[pim.ScheduleID]bool{}
	for i, ask := range asks {
		a.complete(&cases[i])
		// Each is judged by what those before it leave (promise P6).
		cases[i].Administrators = slices.DeleteFunc(cases[i].Administrators, func(s pim.Standing) bool { return ended[s.Schedule] })
		knowGroup(&cases[i], with.Objects)
		if outs[i], err = pim.Decide(now, cases[i], ask, a.newID); err != nil {
			if a.outdated(ctx, with.Touches) {
				return pim.Outcome{}, store.ErrStale
			}
			return pim.Outcome{}, a.refused(ctx, now, cases[i], ask, err)
		}
		for _, s := range outs[i].Schedules {
			ended[s.ID] = ended[s.ID] || s.Ending != pim.NotEnded
		}
	}
	out := pim.Together(outs)
	out.Events = append(out.Events, with.Events...)
	out.Touches = append(out.Touches, with.Touches...)
	out.Relies = append(out.Relies, with.Relies...)
	with.Outcome = out
	if err := a.commit(ctx, with); err != nil {
		return out, err
	}
	keys := make([]pim.Key, len(cases))
	for i := range cases {
		keys[i] = cases[i].Key
	}
	for i, ask := range asks {
		if err := a.slipped(ctx, ask, cases[i]); err != nil {
			return out, err
		}
	}
	a.aftermath(ctx, keys, asks)
	return out, nil
}

// aftermath looks once more at what rests on cases, after asks by which that may have lost its ground. A failure is logged,
// not told: what was asked for is done, and the access index denies what has no ground in any case.
func (a *App) aftermath(ctx context.Context, keys []pim.Key, after []pim.Ask) {
	var asks []pim.Ask
	for i, ask := range after {
		if ask.Action != pim.Aftermath && ask.Needs().Dependents {
			asks = append(asks, pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Action: pim.Aftermath, Key: keys[i]})
		}
	}
	if len(asks) == 0 {
		return
	}
	// Whoever asked may be gone, and yet this belongs to what they did.
	ctx = context.WithoutCancel(ctx)
	for i, err := range a.DoAll(ctx, asks) {
		if err != nil && a.Log != nil {
			a.Log.ErrorContext(ctx, "what rests on a grant that has ended could not be looked at again", "case", asks[i].Key, "error", err)
		}
	}
}

// knowGroup tells a case about members or owners of a group that is made or changed by the same commit what the group
// will be.
func knowGroup(c *pim.Case, objects []directory.Object) {
	if c.Key.Provider != pim.Group {
		return
	}
	if o, ok := objectByID(objects, pim.PrincipalID(c.Key.Scope)); ok && o.Deleted.IsZero() {
		c.Fresh = !c.ScopeKnown
		c.ScopeKnown, c.Onto = true, o.GroupFacts()
	}
}

// outdated says whether an object has changed since it was read, so that what was asked because of it need not be what
// would be asked now: a refusal of that is none.
func (a *App) outdated(ctx context.Context, read []pim.Touch) bool {
	needs := make([]pim.Need, len(read))
	for i, t := range read {
		needs[i] = pim.Need{Key: t.Key, Clock: true}
	}
	cases, err := a.Store.Cases(ctx, needs)
	if err != nil {
		return false // the refusal stands
	}
	for i, t := range read {
		if cases[i].Version != t.Version {
			return true
		}
	}
	return false
}
