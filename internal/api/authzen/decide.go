package authzen

import (
	"context"
	"errors"
	"strings"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
)

// The reasons of decisions, beside those of the index. They may be added to.
const (
	reasonDenied          = "denied"      // a deny assignment forbids it
	reasonConstrained     = "constrained" // a condition does not hold
	reasonUnknownSubject  = "unknownSubject"
	reasonUnknownAction   = "unknownAction"
	reasonUnknownResource = "unknownResource"
	reasonStale           = "stale"     // this node cannot know
	reasonBehind          = "behind"    // this node does not see yet what the token names
	reasonForbidden       = "forbidden" // the caller may not ask this; in one of several evaluations
)

// Reasons are all that decisions tell.
func Reasons() []string {
	all := []string{
		reasonDenied, reasonConstrained, reasonUnknownSubject, reasonUnknownAction, reasonUnknownResource, reasonStale, reasonBehind, reasonForbidden,
	}
	for _, r := range access.Reasons() {
		all = append(all, r.String())
	}
	return all
}

// decision is the answer to one question.
type decision struct {
	yes    bool
	reason string
	// until is, of a yes, up to when it certainly stays if nothing is committed meanwhile; next, of a no, when it may change by
	// itself. Zero: never.
	until, next time.Time
	// What it is held by.
	by    access.Ground
	via   []pim.PrincipalID
	scope pim.Scope
}

func no(reason string) decision { return decision{reason: reason} }

// asking is one call that asks questions, all as of one instant.
type asking struct {
	*Surface
	call *api.Request
	// now is when the questions are about, token what this node saw when it had looked, and stale that it cannot know.
	now   time.Time
	token string
	stale bool
	// completed says that the caller's own roles are known, which only questions about others need.
	completed bool
}

// begin looks at the time and at whether this node can know. It stands behind all waiting.
func (s *Surface) begin(call *api.Request) asking {
	stale := s.app.Fresh() != nil
	return asking{Surface: s, call: call, now: s.app.Time(), stale: stale}
}

// looked stands behind the last look at the index: the token covers all that was seen there.
func (a *asking) looked() { a.token = a.app.Token() }

// await waits until this node sees what a token names. False: it does not come to see it in time.
func (s *Surface) await(ctx context.Context, token string) (bool, error) {
	if token == "" {
		return true, nil
	}
	switch err := s.app.Await(ctx, token); {
	case err == nil:
		return true, nil
	case errors.Is(err, app.ErrToken):
		return false, malformed("context.consistencyToken is not a consistency token.")
	default: // whatever keeps it from seeing that, it does not see it
		return false, nil
	}
}

// decide answers a question. The error is a refusal where the caller may not ask, or a fault.
func (a *asking) decide(q *asked) (decision, error) {
	to, reason, err := a.target(q)
	if err != nil || reason != "" {
		return no(reason), err
	}
	who, reason, err := a.subject(q.subject, to)
	if err != nil || reason != "" {
		return no(reason), err
	}
	return a.answer(who, to), nil
}

// answer asks the index, unless this node cannot know.
func (a *asking) answer(who pim.PrincipalID, to target) decision {
	if a.stale {
		return no(reasonStale)
	}
	if to.operation != "" {
		return fromAllowed(a.index.Allowed(a.now, to.allowed(a.call.Tenant, who)))
	}
	d := fromHeld(a.index.Check(a.now, to.question(a.call.Tenant, who)))
	if !d.yes && to.provider == pim.Group && to.role == pim.Member {
		return a.plainMember(who, to, d)
	}
	return d
}

// plainMember looks for a membership that no schedule of PIM's gives. Until is then the earliest that anything about the principal
// changes.
func (a *asking) plainMember(who pim.PrincipalID, to target, d decision) decision {
	for _, g := range a.index.GroupsAbove(a.now, a.call.Tenant, who) {
		if g == pim.PrincipalID(to.scope) {
			return decision{yes: true, reason: access.ByAssignment.String(), until: a.index.NextChange(a.now, a.call.Tenant, who), scope: to.scope}
		}
	}
	return d
}

func (t target) question(of pim.TenantID, who pim.PrincipalID) access.Question {
	return access.Question{Tenant: of, Principal: who, Provider: t.provider, Role: t.role, Scope: t.scope}
}

func (t target) allowed(of pim.TenantID, who pim.PrincipalID) access.ResourceQuestion {
	return access.ResourceQuestion{Tenant: of, Principal: who, Operation: rbac.Operation{Action: t.operation, Data: t.data}, Scope: t.scope}
}

// target finds what a question is about; else the reason for a no.
func (a *asking) target(q *asked) (target, string, error) {
	to := target{data: q.data}
	ok := false
	if to.provider, to.scope, ok = place(a.call.Tenant, q.resource, q.scope); !ok {
		return to, reasonUnknownResource, nil
	}
	if strings.Contains(q.action, "/") {
		if to.scope == pim.Everywhere {
			to.provider = pim.Resource // the root of both; the directory has no such actions here
		}
		to.operation = q.action
		if to.provider != pim.Resource {
			return to, reasonUnknownAction, nil
		}
		return to, "", nil
	}
	var err error
	if to.role, err = a.role(to.provider, q.action); err == nil && to.role == "" {
		return to, reasonUnknownAction, nil
	}
	return to, "", err
}

// role finds a role of a provider by its id or name; empty: there is none.
func (a *asking) role(p pim.Provider, name string) (pim.RoleID, error) {
	switch p {
	case pim.Directory:
		return a.roles.ofDirectory(a.call.Context(), a.call.Tenant, name)
	case pim.Group:
		return ofGroup(name), nil
	case pim.Resource:
		return a.azureRole(a.call.Tenant, name), nil
	}
	return "", nil
}

// subject finds whom a question is about; else the reason for a no. It refuses callers who may not ask about them, whether they are
// there or not.
func (a *asking) subject(e entity, about target) (pim.PrincipalID, string, error) {
	who, kind, known := a.index.Find(a.call.Tenant, e.id)
	if known && !fits(e.kind, kind) {
		who, known = "", false
	}
	if err := a.mayAsk(who, about); err != nil {
		return "", "", err
	}
	switch {
	case !known && a.stale: // somebody may have been made elsewhere
		return "", reasonStale, nil
	case !known:
		return "", reasonUnknownSubject, nil
	}
	return who, "", nil
}

// fits says whether a principal is what the type of a subject says. Types that are not ours say nothing.
func fits(typ string, k pim.PrincipalKind) bool {
	switch {
	case strings.EqualFold(typ, "user"):
		return k == pim.UserPrincipal
	case strings.EqualFold(typ, "group"):
		return k == pim.GroupPrincipal
	case strings.EqualFold(typ, "servicePrincipal"), strings.EqualFold(typ, "application"):
		return k == pim.ServicePrincipal
	}
	return true
}

// mayAsk refuses callers who may ask about themselves only. Others need the permission; people need, besides, to be allowed to read
// what the question is about.
func (a *asking) mayAsk(who pim.PrincipalID, about target) error {
	by := &a.call.Caller
	if who != "" && who == by.Principal {
		return nil
	}
	if !a.call.Token.Permits(Permission) {
		return &api.Fault{Problem: api.MissingPermission, Detail: "Without the permission " + Permission + " callers may ask about themselves only.",
			Needs: []string{Permission}}
	}
	if by.App() {
		return nil
	}
	if !a.completed {
		a.call.Complete()
		a.completed = true
	}
	key := pim.Key{Tenant: a.call.Tenant, Provider: about.provider, Scope: about.scope, Role: about.role, Principal: who}
	// Whether the group can hold roles of the directory is not in memory: it is taken for one that can.
	if !pim.MayReadAt(*by, key, pim.GroupFacts{ID: pim.PrincipalID(about.scope), RoleAssignable: true}) {
		return &pim.Refusal{Code: pim.Forbidden, Detail: "the caller may ask about themselves only"}
	}
	return nil
}

func fromHeld(a access.Answer) decision {
	return decision{yes: a.Held, reason: a.Reason.String(), until: a.Until, next: a.Next, by: a.Ground, via: a.Via, scope: a.Scope}
}

func fromAllowed(a access.ResourceAnswer) decision {
	d := decision{yes: a.Verdict == rbac.Allowed, until: a.Until, next: a.Next, by: a.Ground, via: a.Via, scope: a.Scope}
	switch a.Verdict {
	case rbac.Allowed:
		d.reason = access.ByAssignment.String()
		if a.Eligibility() != "" {
			d.reason = access.ByActivation.String()
		}
	case rbac.Denied:
		d.reason = reasonDenied
	case rbac.Constrained:
		d.reason = reasonConstrained
	case rbac.NotAllowed:
		d.reason = access.NoGrant.String()
	}
	return d
}
