package worker

import (
	"context"
	"slices"
	"time"

	"portcullis/internal/connector"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// pageSize is how many effects are read at once.
const pageSize = 1000

// runReconcile compares the targets with what was granted, now and then.
func (w *Worker) runReconcile(ctx context.Context) {
	r := reconciler{Worker: w, told: map[string]bool{}}
	for {
		w.align(ctx)
		if err := r.runOnce(ctx); err != nil && ctx.Err() == nil {
			w.log().WarnContext(ctx, "cannot compare targets with what was granted", "error", err)
		}
		if !wait(ctx, w.limits().Reconcile, time.Time{}, nil) {
			return
		}
	}
}

// align has doors brought in line with what is held.
func (w *Worker) align(ctx context.Context) {
	if w.Align == nil {
		return
	}
	if err := w.Align(ctx); err != nil && ctx.Err() == nil {
		w.log().WarnContext(ctx, "cannot bring doors in line with what is held; it is tried again", "error", err)
	}
}

// reconciler reports what it finds once, and again when it was away in between.
type reconciler struct {
	*Worker
	told map[string]bool
}

// runOnce looks at all doors. The targets are read first: what is held then was written down before.
func (r *reconciler) runOnce(ctx context.Context) error {
	held := map[string][]connector.Held{}
	started := r.now()
	for name := range r.Connectors {
		if list, err := r.everybody(ctx, name); err != nil {
			r.log().WarnContext(ctx, "cannot read a target", "door", name, "problem", shown(err))
		} else {
			held[name] = list
		}
	}
	open, err := r.open(ctx)
	if err != nil {
		return err
	}
	now := map[string]bool{}
	var foreign, missing int64
	for name, list := range held {
		foreign += r.foreign(ctx, name, list, open[name], now)
		missing += r.missing(ctx, name, list, open[name], started, now)
	}
	r.stats.foreign.Store(foreign)
	r.stats.missing.Store(missing)
	r.told = now
	return nil
}

func (r *reconciler) everybody(ctx context.Context, name string) ([]connector.Held, error) {
	call, cancel := context.WithTimeout(ctx, r.limits().Call)
	defer cancel()
	return r.Connectors[name].List(call, "")
}

// open lists all effects that are not gone, by door.
func (r *reconciler) open(ctx context.Context) (map[string][]pim.Effect, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tenants, err := r.Store.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	open := map[string][]pim.Effect{}
	for _, t := range tenants {
		q := store.Query{Tenant: t.ID, Limit: pageSize, Where: store.Or{
			store.Is(store.FieldState, int(pim.EffectPending)), store.Is(store.FieldState, int(pim.Usable)),
			store.Is(store.FieldState, int(pim.Revoking)),
		}}
		for {
			page, err := r.Store.Effects(ctx, q)
			if err != nil {
				return nil, err
			}
			for _, e := range page.Rows {
				open[e.Door] = append(open[e.Door], e)
			}
			if q.After = page.Next; len(q.After) == 0 {
				break
			}
		}
	}
	return open, nil
}

// foreign reports what nobody granted. What was revoked while we read is none: the target is asked a second time.
func (r *reconciler) foreign(ctx context.Context, name string, held []connector.Held, open []pim.Effect, now map[string]bool) int64 {
	ours := make([]connector.Access, len(open))
	for i, e := range open {
		ours[i] = connector.Access{Account: e.Account, Privilege: e.Privilege}
	}
	found := connector.Foreign(held, ours)
	if len(found) == 0 {
		return 0
	}
	again, err := r.everybody(ctx, name)
	if err != nil {
		again = held
	}
	n := int64(0)
	for _, h := range found {
		if !slices.ContainsFunc(again, func(o connector.Held) bool { return sameHold(o, h) }) {
			continue
		}
		n++
		if r.tell("foreign", name, h.Account, h.Privilege, now) {
			r.log().WarnContext(ctx, "a privilege is held that nobody granted", "door", name, "account", h.Account,
				"privilege", h.Privilege, "direct", h.Direct, "via", h.Via)
		}
	}
	return n
}

func sameHold(a, b connector.Held) bool {
	return a.Account == b.Account && a.Privilege == b.Privilege && a.Direct == b.Direct && slices.Equal(a.Via, b.Via)
}

// missing reports what was granted and proved before the target was read, and is not there.
func (r *reconciler) missing(ctx context.Context, name string, held []connector.Held, open []pim.Effect, started time.Time, now map[string]bool) int64 {
	n := int64(0)
	for _, e := range open {
		settled := e.State == pim.Usable && e.UsableAt.Before(started) && (e.Until.IsZero() || started.Before(e.Until))
		want := connector.Access{Account: e.Account, Privilege: e.Privilege}
		direct := func(h connector.Held) bool {
			return h.Account == want.Account && h.Privilege == want.Privilege && h.Direct
		}
		if !settled || slices.ContainsFunc(held, direct) {
			continue
		}
		n++
		if r.tell("missing", name, e.Account, e.Privilege, now) {
			r.log().WarnContext(ctx, "a privilege that was granted is not held any more", "door", name, "account", e.Account,
				"privilege", e.Privilege, "effect", e.ID)
		}
	}
	return n
}

// tell says whether something found is new since the last time.
func (r *reconciler) tell(what, door, account, privilege string, now map[string]bool) bool {
	key := what + "\x00" + door + "\x00" + account + "\x00" + privilege
	now[key] = true
	return !r.told[key]
}
