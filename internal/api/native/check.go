package native

import (
	"strings"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/pim"
)

// held answers a check as it is written.
type held struct {
	Held bool `json:"held"`
	// At is the instant that the answer is about, and Until the one up to which the role certainly is held if nothing
	// is changed meanwhile; null: no end, or not held.
	At    time.Time  `json:"dateTime"`
	Until *time.Time `json:"until"`
	// Reason is assignment or activation where it is held, and else what is nearest to it: notActivated, later, over,
	// undermined or none.
	Reason    string `json:"reason"`
	Principal string `json:"principalId"`
	Role      string `json:"roleDefinitionId"`
	Scope     string `json:"scopeId"`
	Schedule  string `json:"scheduleId,omitempty"`
	// Via are the groups by which it is held, the nearest first.
	Via []pim.PrincipalID `json:"via"`
}

// checkRole says whether a principal holds a directory role at this moment.
func (s *Surface) checkRole(r *api.Request) (api.Answer, error) {
	o, err := readOptions(r, "role", "scope", "principal")
	if err != nil {
		return api.Answer{}, err
	}
	role := o.id("role")
	if role == "" {
		return api.Answer{}, api.BadRequest("The parameter 'role' is missing: the id of a role definition.")
	}
	who := o.principal()
	if who == "" {
		who = r.Caller.Principal
	}
	if who != r.Caller.Principal && !pim.MayRead(r.Caller, pim.Directory) {
		return api.Answer{}, &pim.Refusal{Code: pim.Forbidden, Detail: "the caller may ask about themselves only"}
	}
	q := access.Question{
		Tenant: r.Tenant, Principal: who, Provider: pim.Directory, Role: pim.RoleID(role), Scope: scopeOf(o.values.Get("scope")),
	}
	now := s.app.Time()
	a := s.check.Check(now, q)
	s.checked(a.Reason.String())
	via := a.Via
	if via == nil {
		via = []pim.PrincipalID{}
	}
	return answer(held{
		Held: a.Held, At: now.UTC(), Until: instant(a.Until), Reason: a.Reason.String(), Principal: string(who),
		Role: role, Scope: string(q.Scope), Schedule: string(a.Schedule()), Via: via,
	})
}

// scopeOf reads a scope as it is kept. Nothing is held at one that does not exist.
func scopeOf(text string) pim.Scope {
	const units = "/administrativeunits/"
	lower := strings.ToLower(text)
	if lower == "" {
		return pim.Everywhere
	}
	if id, ok := strings.CutPrefix(lower, units); ok {
		return pim.AdministrativeUnit(id)
	}
	return pim.Scope(lower)
}
