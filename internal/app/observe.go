package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"portcullis/internal/pim"
)

// Observer is told what an App does, for metrics and traces. Nil fields are told nothing. They do not wait for anything.
type Observer struct {
	// Decided is told of each ask that was decided: its action by name (ActionNames), the code it was refused with, empty where it was
	// not, and how long it took to read, decide and commit; zero where it was decided with many others.
	Decided func(action string, code pim.Code, took time.Duration)
	// Span begins a step within that of the context, with attributes in pairs of name and value, and returns what ends it: with the code
	// of a refusal, or the error by which it failed.
	Span func(ctx context.Context, name string, attributes ...string) (context.Context, func(code string, failed error))
}

// actionNames are the names of actions, as metrics and traces tell them. The core has none, and dialects have their own.
var actionNames = [...]string{
	pim.AdminAssign: "adminAssign", pim.AdminUpdate: "adminUpdate", pim.AdminRemove: "adminRemove", pim.AdminExtend: "adminExtend",
	pim.AdminRenew: "adminRenew", pim.SelfActivate: "selfActivate", pim.SelfDeactivate: "selfDeactivate", pim.SelfExtend: "selfExtend",
	pim.SelfRenew: "selfRenew", pim.Cancel: "cancel", pim.Approve: "approve", pim.Deny: "deny", pim.ScheduleDue: "scheduleDue",
	pim.RequestDue: "requestDue", pim.AssignOutside: "assignOutside", pim.RemoveOutside: "removeOutside", pim.Depart: "depart",
	pim.Aftermath: "aftermath", pim.Rerooted: "rerooted", pim.Realign: "realign",
}

// ActionNames are the names that Observer.Decided may be told.
func ActionNames() []string { return slices.Clone(actionNames[pim.AdminAssign:]) }

// actionName is the name of an action; callers of the core cannot ask for others than there are, but a zero one is refused by name, too.
func actionName(a pim.Action) string {
	if a <= 0 || int(a) >= len(actionNames) {
		return "none"
	}
	return actionNames[a]
}

// deciding begins to decide asks as one, and returns what tells how it ended.
func (a *App) deciding(ctx context.Context, asks ...pim.Ask) (context.Context, func(error)) {
	if a.Decided == nil && a.Span == nil || len(asks) == 0 {
		return ctx, func(error) {}
	}
	began := time.Now()
	ctx, end := a.span(ctx, "decide", "action", actionName(asks[0].Action))
	return ctx, func(err error) {
		code, failed := codeOf(err)
		end(string(code), failed)
		if failed != nil {
			return // nothing was decided
		}
		if code != "" {
			asks = asks[:1] // one refused them all
		}
		for _, ask := range asks {
			a.told(ask.Action, code, time.Since(began))
		}
	}
}

func (a *App) told(action pim.Action, code pim.Code, took time.Duration) {
	if a.Decided != nil {
		a.Decided(actionName(action), code, took)
	}
}

// codeOf is the code of a refusal; another error is a failure.
func codeOf(err error) (pim.Code, error) {
	if r, ok := errors.AsType[*pim.Refusal](err); ok {
		return r.Code, nil
	}
	return "", err
}

func (a *App) span(ctx context.Context, name string, attributes ...string) (context.Context, func(code string, failed error)) {
	if a.Span == nil {
		return ctx, func(string, error) {}
	}
	return a.Span(ctx, name, attributes...)
}

// tellDecided tells of asks that were decided together, but for those that are decided again.
func (a *App) tellDecided(asks []pim.Ask, errs []error, again []int) {
	if a.Decided == nil {
		return
	}
	still := map[int]bool{}
	for _, i := range again {
		still[i] = true
	}
	for i, ask := range asks {
		if code, failed := codeOf(errs[i]); failed == nil && !still[i] {
			a.told(ask.Action, code, 0)
		}
	}
}
