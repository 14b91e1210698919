package native

import (
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

// allowed answers a question about a resource as it is written.
type allowed struct {
	Allowed bool `json:"allowed"`
	// Verdict is allowed, denied (a deny assignment forbids it), constrained (a condition does not hold) or none.
	Verdict string `json:"verdict"`
	// At is the instant that the answer is about, and Until the one up to which it certainly is allowed if nothing is changed
	// meanwhile and no condition looks at the time; null: no end, or not allowed.
	At        time.Time  `json:"dateTime"`
	Until     *time.Time `json:"until"`
	Principal string     `json:"principalId"`
	Action    string     `json:"action"`
	Data      bool       `json:"isDataAction"`
	Scope     string     `json:"scope"`
	Schedule  string     `json:"scheduleId,omitempty"`
	// Via are the groups by which it is allowed, the nearest first.
	Via []pim.PrincipalID `json:"via"`
}

// checkAction says whether a principal may do an action to a resource at this moment.
func (s *Surface) checkAction(r *api.Request) (api.Answer, error) {
	q, err := questionOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	if q.Principal != r.Caller.Principal {
		if pim.MayDo(r.Caller, pim.ReadRoleAssignments, q.Scope) != nil {
			return api.Answer{}, &pim.Refusal{Code: pim.Forbidden, Detail: "the caller may ask about themselves only"}
		}
	}
	now := s.app.Time()
	a := s.check.Allowed(now, q)
	s.checked(verdictName(a.Verdict))
	via := a.Via
	if via == nil {
		via = []pim.PrincipalID{}
	}
	return answer(allowed{
		Allowed: a.Verdict == rbac.Allowed, Verdict: verdictName(a.Verdict), At: now.UTC(), Until: instant(a.Until),
		Principal: string(q.Principal), Action: q.Operation.Action, Data: q.Operation.Data, Scope: string(q.Scope),
		Schedule: string(a.Schedule()), Via: via,
	})
}

func questionOf(r *api.Request) (access.ResourceQuestion, error) {
	o, err := readOptions(r, "action", "data", "scope", "principal")
	if err != nil {
		return access.ResourceQuestion{}, err
	}
	q := access.ResourceQuestion{Tenant: r.Tenant, Principal: o.principal(),
		Operation: rbac.Operation{Action: o.values.Get("action"), Data: o.values.Get("data") == "true"}}
	if q.Principal == "" {
		q.Principal = r.Caller.Principal
	}
	n, err := resource.ParseFor(r.Tenant, o.values.Get("scope"))
	switch data := o.values.Get("data"); {
	case err != nil:
		return q, api.BadRequest("The parameter 'scope' is not a scope of resources: %s.", err)
	case q.Operation.Action == "":
		return q, api.BadRequest("The parameter 'action' is missing: what is to be done, such as 'Microsoft.Sql/servers/databases/read'.")
	case data != "" && data != "true" && data != "false":
		return q, api.BadRequest("The parameter 'data' is true or false.")
	}
	q.Scope = n.Scope
	return q, nil
}

// Reasons are all by which checks and actions are counted.
func Reasons() []string {
	var all []string
	for _, v := range []rbac.Verdict{rbac.Allowed, rbac.Denied, rbac.Constrained, rbac.NotAllowed} {
		all = append(all, verdictName(v))
	}
	for _, r := range access.Reasons() {
		all = append(all, r.String())
	}
	return all
}

func verdictName(v rbac.Verdict) string {
	switch v {
	case rbac.Allowed:
		return "allowed"
	case rbac.Denied:
		return "denied"
	case rbac.Constrained:
		return "constrained"
	case rbac.NotAllowed:
	}
	return "none"
}
