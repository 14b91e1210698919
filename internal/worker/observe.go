package worker

import (
	"context"
	"time"

	"portcullis/internal/pim"
)

// Observer is told what a Worker does, for metrics and traces. Nil fields are told nothing. They do not wait for anything.
type Observer struct {
	// Asked is told of each ask of the clock how late it was made, by PIM's time, and its error.
	Asked func(late time.Duration, err error)
	// Carried is told of each try at an effect that was written down: what it was, what it is now, and when it began, by PIM's time.
	Carried func(before, after pim.Effect, began time.Time)
	// Span begins a step within that of the context, with attributes in pairs of name and value, and returns what ends it, with the
	// error by which it failed.
	Span func(ctx context.Context, name string, attributes ...string) (context.Context, func(code string, failed error))
}

func (o Observer) asked(late time.Duration, err error) {
	if o.Asked != nil {
		o.Asked(late, err)
	}
}

func (o Observer) carried(before, after pim.Effect, began time.Time) {
	if o.Carried != nil {
		o.Carried(before, after, began)
	}
}

// Lapse is how long an effect took to be proved usable, from its decision, or gone, from the end of the grant: that is the instant of
// its end, where it came by itself, and else the decision to revoke. Zero: it is neither.
func Lapse(e pim.Effect) time.Duration {
	switch e.State {
	case pim.Usable:
		return e.UsableAt.Sub(e.Decided)
	case pim.Gone:
		end := e.Decided
		if !e.Until.IsZero() && e.Until.Before(end) {
			end = e.Until
		}
		return e.GoneAt.Sub(end)
	case pim.EffectPending, pim.Revoking:
		return 0
	default:
		return 0
	}
}

func (o Observer) span(ctx context.Context, name string, attributes ...string) (context.Context, func(code string, failed error)) {
	if o.Span == nil {
		return ctx, func(string, error) {}
	}
	return o.Span(ctx, name, attributes...)
}
