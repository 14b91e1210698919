package worker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"portcullis/internal/connector"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

var (
	errNoDoor    = fmt.Errorf("the door is not configured: %w", connector.ErrConfiguration)
	errNotUsable = errors.New("the target was told, but does not show the privilege as usable")
)

// carry tries until a deadline to make an effect so, and returns it as it is then, with the audit events that tell of it.
func (w *Worker) carry(ctx context.Context, e pim.Effect, deadline time.Time) (pim.Effect, []pim.Event) {
	call, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	var err error
	heirs := ""
	switch e.State {
	case pim.EffectPending:
		if !e.Until.IsZero() && !w.now().Before(e.Until) {
			// Its time passed before the door was opened. It stays shut; the clock's ask will say so.
			e.Due = w.now().Add(firstPause)
			return e, nil
		}
		err = w.open(call, e)
	case pim.Revoking:
		heirs, err = w.shut(call, e)
	case pim.Usable, pim.Gone:
		e.Due = time.Time{}
		return e, nil
	default:
		e.Due = time.Time{}
		return e, nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return e, nil
		}
		return w.notDone(ctx, e, err)
	}
	return w.done(e, heirs)
}

// done says that reading back has proved the effect.
func (w *Worker) done(e pim.Effect, heirs string) (pim.Effect, []pim.Event) {
	now := w.now()
	e.Due, e.Problem, e.Stuck = time.Time{}, "", false
	what := pim.DoorOpened
	if e.State == pim.EffectPending {
		e.State, e.UsableAt = pim.Usable, now
	} else {
		e.State, e.GoneAt = pim.Gone, now
		what = pim.DoorClosed
	}
	event := pim.EffectEvent(now, e, what, w.newID)
	if heirs != "" {
		event.Details = append(event.Details, "still held by", heirs)
	}
	return e, []pim.Event{event}
}

// notDone says that the effect is not proved, and when it is tried next. It is told in the audit log once that it is
// stuck, and stays open.
func (w *Worker) notDone(ctx context.Context, e pim.Effect, err error) (pim.Effect, []pim.Event) {
	now := w.now()
	lasting := errors.Is(err, connector.ErrConfiguration)
	e.Attempts++
	e.Problem = shown(err)
	first := firstPause
	if lasting {
		first *= 10 // people mend it
	}
	e.Due = now.Add(pause(first, e.Attempts))
	w.log().WarnContext(ctx, "an effect is not carried out", "effect", e.ID, "door", e.Door, "attempts", e.Attempts, "problem", e.Problem)
	if e.Stuck || !lasting && e.Attempts < w.limits().StuckAfter {
		return e, nil
	}
	e.Stuck = true
	return e, []pim.Event{pim.EffectEvent(now, e, pim.DoorStuck, w.newID)}
}

// open grants the privilege and reads it back.
func (w *Worker) open(ctx context.Context, e pim.Effect) error {
	door := w.Connectors[e.Door]
	if door == nil {
		return errNoDoor
	}
	same, err := w.same(ctx, e)
	if err != nil {
		return err
	}
	return w.grant(ctx, door, append(same, e))
}

// grant gives what several effects want alike, until the latest of their ends.
func (w *Worker) grant(ctx context.Context, door connector.Connector, effects []pim.Effect) error {
	a := w.access(effects[0])
	for _, e := range effects[1:] {
		if until := w.access(e).Until; until.IsZero() || !a.Until.IsZero() && until.After(a.Until) {
			a.Until = until
		}
	}
	if err := door.Grant(ctx, a); err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	held, err := door.List(ctx, a.Account)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if !connector.Usable(held, a) {
		return errNotUsable
	}
	return nil
}

// access is what an effect wants of its door, in real time.
func (w *Worker) access(e pim.Effect) connector.Access {
	a := connector.Access{Account: e.Account, Privilege: e.Privilege}
	if !e.Until.IsZero() {
		a.Until = e.Until.Add(-w.offset()).UTC().Truncate(time.Microsecond)
	}
	return a
}

// shut revokes the privilege and reads back that it is gone. Where other effects want the same privilege for the same
// account, it stays for them, up to their end, and they are named.
func (w *Worker) shut(ctx context.Context, e pim.Effect) (heirs string, err error) {
	door := w.Connectors[e.Door]
	if door == nil {
		return "", errNoDoor
	}
	same, err := w.same(ctx, e)
	if err != nil {
		return "", err
	}
	if len(same) > 0 {
		return schedulesOf(same), w.grant(ctx, door, same)
	}
	a := w.access(e)
	if err := door.Revoke(ctx, a); err != nil {
		return "", fmt.Errorf("revoke: %w", err)
	}
	// Another worker may have opened the same meanwhile and counts on it.
	if same, err = w.same(ctx, e); err != nil {
		return "", err
	}
	if len(same) > 0 {
		return schedulesOf(same), w.grant(ctx, door, same)
	}
	held, err := door.List(ctx, a.Account)
	if err != nil {
		return "", fmt.Errorf("read back: %w", err)
	}
	if !connector.Gone(held, a) {
		return "", stillHeld(held, a)
	}
	return "", nil
}

// holders are those by whose grants an effect's principal may have its privilege: itself, and the groups that it is in, or will be or
// was until lately.
func (w *Worker) holders(ctx context.Context, e pim.Effect) ([]string, error) {
	links, err := w.Store.GroupsAbove(ctx, e.Tenant, e.Holder())
	if err != nil {
		return nil, err
	}
	ids := []string{string(e.Key.Principal), string(e.Holder())}
	for _, l := range links {
		ids = append(ids, string(l.From))
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// same lists other effects that want the same privilege for the same account now, by whichever grant the principal has it.
func (w *Worker) same(ctx context.Context, e pim.Effect) ([]pim.Effect, error) {
	holders, err := w.holders(ctx, e)
	if err != nil {
		return nil, err
	}
	q := store.Query{Tenant: e.Tenant, Limit: pageSize, Where: store.And{
		store.In{Field: store.FieldPrincipal, Values: holders},
		store.Or{store.Is(store.FieldState, int(pim.EffectPending)), store.Is(store.FieldState, int(pim.Usable))},
	}}
	now := w.now()
	var same []pim.Effect
	for {
		page, err := w.Store.Effects(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Rows {
			alike := o.Door == e.Door && o.Account == e.Account && o.Privilege == e.Privilege && o.ID != e.ID
			if alike && (o.Until.IsZero() || now.Before(o.Until)) {
				same = append(same, o)
			}
		}
		if len(page.Next) == 0 {
			return same, nil
		}
		q.After = page.Next
	}
}

func schedulesOf(effects []pim.Effect) string {
	ids := make([]string, len(effects))
	for i, e := range effects {
		ids[i] = string(e.Schedule)
	}
	return strings.Join(ids, " ")
}

// stillHeld says what is left after a revocation.
func stillHeld(held []connector.Held, a connector.Access) error {
	for _, h := range held {
		if h.Account != a.Account {
			continue
		}
		switch {
		case h.Privilege == "":
			return fmt.Errorf("revoked, but the account can still get in or has %d sessions", h.Sessions)
		case h.Privilege == a.Privilege && !h.Direct:
			return fmt.Errorf("revoked, but still held by way of %s", strings.Join(h.Via, ", "))
		}
	}
	return errors.New("revoked, but the target still shows the privilege")
}

var secrets = regexp.MustCompile(`(?i)(://)[^/\s@]*@|\b((?:password|passwd|pwd|secret|token)\s*[=:]\s*)("[^"]*"|'[^']*'|\S+)`)

// maxProblem bounds a problem in bytes.
const maxProblem = 500

// shown is an error as people may see it: one short line without what looks like a password.
func shown(err error) string {
	s := secrets.ReplaceAllString(strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " "), "$1$2***")
	if len(s) <= maxProblem {
		return s
	}
	cut := maxProblem
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
