package native

import (
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// effect is something outside as it is written.
type effect struct {
	ID         string `json:"id"`
	ScheduleID string `json:"scheduleId"`
	Principal  string `json:"principalId"`
	Role       string `json:"roleDefinitionId"`
	Scope      string `json:"scopeId"`
	Provider   string `json:"provider"`
	Door       string `json:"door"`
	Privilege  string `json:"privilege"`
	Account    string `json:"account"`
	// State is pending, usable, revoking or gone. Stuck effects stay open and are tried on.
	State    string `json:"state"`
	Stuck    bool   `json:"stuck"`
	Problem  string `json:"problem"`
	Attempts int    `json:"attempts"`
	// Decided is when the present intent was decided, Next when it is tried next, Until when the door shuts by itself.
	Decided *time.Time `json:"decidedDateTime"`
	Next    *time.Time `json:"nextAttemptDateTime"`
	Until   *time.Time `json:"untilDateTime"`
	// Usable and Gone are when reading the target back proved it.
	Usable *time.Time `json:"usableDateTime"`
	Gone   *time.Time `json:"goneDateTime"`
}

func fromEffect(e pim.Effect) effect {
	return effect{
		ID: e.ID, ScheduleID: string(e.Schedule), Principal: string(e.Key.Principal), Role: string(e.Key.Role),
		Scope: string(e.Key.Scope), Provider: string(e.Key.Provider), Door: e.Door, Privilege: e.Privilege,
		Account: e.Account, State: stateName(e.State), Stuck: e.Stuck, Problem: e.Problem, Attempts: e.Attempts,
		Decided: instant(e.Decided), Next: instant(e.Due), Until: instant(e.Until), Usable: instant(e.UsableAt),
		Gone: instant(e.GoneAt),
	}
}

func stateName(s pim.EffectState) string {
	switch s {
	case pim.EffectPending:
		return "pending"
	case pim.Usable:
		return "usable"
	case pim.Revoking:
		return "revoking"
	case pim.Gone:
		return "gone"
	default:
		return "unknown"
	}
}

func stateOf(name string) (pim.EffectState, bool) {
	for _, s := range []pim.EffectState{pim.EffectPending, pim.Usable, pim.Revoking, pim.Gone} {
		if strings.EqualFold(name, stateName(s)) {
			return s, true
		}
	}
	return 0, false
}

// effects lists what doors were told.
func (s *Surface) effects(r *api.Request) (api.Answer, error) {
	o, err := readOptions(r, "schedule", "principal", "state", "stuck")
	if err != nil {
		return api.Answer{}, err
	}
	var q store.Query
	if err := o.page(&q); err != nil {
		return api.Answer{}, err
	}
	if q.Where, err = effectFilter(o); err != nil {
		return api.Answer{}, err
	}
	page, err := s.app.Effects(r.Context(), r.Caller, q)
	if err != nil {
		return api.Answer{}, err
	}
	return rows(o, page, fromEffect)
}

func effectFilter(o options) (store.Filter, error) {
	var where store.And
	if id := o.id("schedule"); id != "" {
		where = append(where, store.Is(store.FieldSchedule, id))
	}
	if id := o.principal(); id != "" {
		where = append(where, store.Is(store.FieldPrincipal, string(id)))
	}
	if name := o.values.Get("state"); name != "" {
		state, ok := stateOf(name)
		if !ok {
			return nil, api.BadRequest("The parameter 'state' must be pending, usable, revoking or gone.")
		}
		where = append(where, store.Is(store.FieldState, int(state)))
	}
	switch strings.ToLower(o.values.Get("stuck")) {
	case "":
	case "true":
		where = append(where, store.Is(store.FieldStuck, true))
	case "false":
		where = append(where, store.Is(store.FieldStuck, false))
	default:
		return nil, api.BadRequest("The parameter 'stuck' must be true or false.")
	}
	return where, nil
}
