package pim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"portcullis/internal/schedule"
)

// Decide says what follows when a is asked about c at the time now. It never fails for lack of something to read: what
// it needs is in c, as a.Needs says. newID makes UUIDs.
//
// The error is a *Refusal, which people may see and which changes nothing, or a fault in this program.
func Decide(now time.Time, c Case, a Ask, newID func() string) (Outcome, error) {
	d := &decision{now: now, c: c, a: a, newID: newID}
	d.out.Key, d.out.Version, d.out.ValidationOnly = c.Key, c.Version, a.ValidationOnly
	err := d.decide()
	if err != nil {
		return Outcome{}, err
	}
	d.notices()
	return d.out, nil
}

// decision is one call of Decide under way.
type decision struct {
	now   time.Time
	c     Case
	a     Ask
	newID func() string
	out   Outcome
}

func (d *decision) decide() error {
	switch d.a.Action {
	case AdminAssign, AdminUpdate, AdminRemove, AdminExtend, AdminRenew, SelfActivate, SelfDeactivate, SelfExtend, SelfRenew:
		return d.request()
	case Cancel:
		return d.cancel()
	case Approve, Deny:
		return d.answer()
	case ScheduleDue:
		return d.scheduleDue()
	case RequestDue:
		return d.requestDue()
	case AssignOutside, RemoveOutside:
		return d.outside()
	case Depart:
		return d.depart()
	case Aftermath:
		return d.aftermath()
	case Rerooted:
		return d.rerooted()
	case Realign:
		return d.realign()
	default:
		return refuse(InvalidRequest, "action", "the action is missing or unknown")
	}
}

// request decides the asks that make a request. The order of the checks is that of reference graph-pim §9, but for one:
// who may not administer a role learns nothing about what is there.
func (d *decision) request() error {
	for _, check := range []func() error{d.wellFormed, d.mayAsk, d.known, d.suitable, d.readable, d.unnamed} {
		if err := check(); err != nil {
			return err
		}
	}
	switch d.a.Action {
	case AdminAssign:
		return d.assign()
	case AdminUpdate, AdminExtend:
		return d.change()
	case AdminRenew:
		return d.renew()
	case AdminRemove:
		return d.remove()
	case SelfActivate:
		return d.activate()
	case SelfDeactivate:
		return d.deactivate()
	case SelfExtend, SelfRenew:
		return d.askAdministrator()
	case Cancel, Approve, Deny, ScheduleDue, RequestDue, AssignOutside, RemoveOutside, Depart, Aftermath, Rerooted, Realign:
	}
	return fmt.Errorf("action %d makes no request", d.a.Action)
}

// self says whether an action is done by the principal itself.
func (a Action) self() bool {
	switch a {
	case SelfActivate, SelfDeactivate, SelfExtend, SelfRenew:
		return true
	case AdminAssign, AdminUpdate, AdminRemove, AdminExtend, AdminRenew, Cancel, Approve, Deny, ScheduleDue, RequestDue,
		AssignOutside, RemoveOutside, Depart, Aftermath, Rerooted, Realign:
		return false
	default:
		return false
	}
}

// MakesRequest says whether an action makes a request.
func (a Action) MakesRequest() bool {
	return a.self() || a == AdminAssign || a == AdminUpdate || a == AdminRemove || a == AdminExtend || a == AdminRenew
}

func (d *decision) wellFormed() error {
	k := d.a.Key
	switch {
	case k.Tenant == "" || k.Provider == "":
		return errors.New("the ask names no tenant or provider")
	case k.Principal == "":
		return refuse(InvalidRequest, "principal", "the principal is missing")
	case k.Role == "":
		return refuse(InvalidRequest, "role", "the role is missing")
	case k.Scope == "":
		return refuse(InvalidRequest, "scope", "the scope is missing")
	case d.a.Kind != Eligibility && d.a.Kind != Assignment:
		return errors.New("the ask names neither eligibility nor assignment")
	case d.a.Kind == Eligibility && (d.a.Action == SelfActivate || d.a.Action == SelfDeactivate):
		return refuse(InvalidRequest, "action", "eligibilities are not activated themselves: activation is asked of assignments")
	}
	return nil
}

func (d *decision) mayAsk() error {
	if !d.actorCounts() {
		return refuse(Forbidden, "", "the account is unknown or disabled")
	}
	if d.a.Carried {
		return d.mayCarry()
	}
	if d.a.Action.self() {
		if d.a.By.App() || d.a.By.Principal != d.a.Key.Principal {
			return refuse(Forbidden, "principal", "only the person concerned can ask for this")
		}
		return nil
	}
	// Whoever may make a group says who is in it from the beginning.
	if d.c.Fresh {
		return nil
	}
	return d.mayAdminister()
}

// mayCarry says whether the caller may carry a request over: who could give the role at once, and never for themselves, since they
// would be free of proving who they are.
func (d *decision) mayCarry() error {
	switch {
	case d.a.Action != SelfActivate && d.a.Action != SelfExtend && d.a.Action != SelfRenew:
		return refuse(InvalidRequest, "action", "only what waits for a decision is carried over")
	case d.a.By.Principal == d.a.Key.Principal || d.c.Actor.SamePerson(d.c.Principal):
		return refuse(Forbidden, "principal", "nobody carries over a request of their own")
	}
	return d.mayAdminister()
}

func (d *decision) mayAdminister() error {
	switch k := d.a.Key; {
	case k.Provider == Resource && d.a.Action.takes():
		return MayTake(d.a.By, k, d.c.Principal.Kind)
	case k.Provider == Resource:
		return MayGive(d.a.By, k, d.c.Principal.Kind)
	case !MayAdminister(d.a.By, k, d.c.Onto):
		return refuse(Forbidden, "", "the caller holds no active role that administers this one")
	}
	return nil
}

// takes says whether an administrator's action only takes what is there.
func (a Action) takes() bool { return a == AdminRemove || a == RemoveOutside }

// actorCounts says whether the account behind the caller is there and enabled: a token outlives neither.
func (d *decision) actorCounts() bool {
	return d.c.Actor.ID != "" && d.c.Actor.ID == d.a.By.Principal && d.c.Actor.Enabled
}

func (d *decision) known() error {
	switch {
	case d.c.Role.ID == "" || !d.c.Role.Enabled:
		return refuse(UnknownRole, "role", "the role definition does not exist or is disabled")
	case d.c.Principal.ID == "":
		return refuse(UnknownPrincipal, "principal", "the principal does not exist")
	case !d.c.ScopeKnown && d.a.Key.Provider == Resource:
		return refuse(UnknownScope, "scope", "there is nothing at this scope")
	case !d.c.ScopeKnown:
		return refuse(InvalidScope, "scope", "the scope does not exist")
	case d.a.Key.Provider == Directory && !d.a.Action.takes() && !d.c.Role.takes(d.a.Key.Scope):
		return refuse(InvalidScope, "scope", "the role cannot be assigned at such a scope")
	case d.a.Key.Provider == Resource && !d.a.Action.takes() && !d.assignable():
		return refuse(InvalidScope, "scope", "the role cannot be assigned at this scope")
	}
	return nil
}

// assignable says whether the case's scope is one at which its role of resources can be held.
func (d *decision) assignable() bool {
	return d.c.Role.Assignable == nil || slices.ContainsFunc(d.c.Role.Assignable, d.covers)
}

// unnamed says whether the id that the caller chose for a request is free among what the case has: the request's schedule will
// have it too. What else has it is found when the outcome is committed.
func (d *decision) unnamed() error {
	if _, taken := d.scheduleByID(ScheduleID(d.a.Request)); taken && d.a.Request != "" && !d.a.ValidationOnly {
		return refuse(RequestExists, "request", "the id is taken")
	}
	return nil
}

// suitable says whether this principal may be given this role. Removing what it has is always possible.
func (d *decision) suitable() error {
	if d.a.Action == AdminRemove || d.a.Action == SelfDeactivate || d.a.Action == RemoveOutside {
		return nil
	}
	switch d.a.Key.Provider {
	case Directory:
		return d.suitableForRole()
	case Group:
		return d.suitableForGroup()
	case Resource:
		if d.c.Principal.Kind == ServicePrincipal && d.a.Kind == Eligibility {
			return cannotActivate
		}
		return nil
	default:
		return nil
	}
}

func (d *decision) suitableForRole() error {
	p := d.c.Principal
	switch {
	case p.Kind == GroupPrincipal && !p.RoleAssignable:
		return refuse(Unsuitable, "principal", "the group cannot be assigned to roles")
	case p.Kind == ServicePrincipal && d.a.Kind == Eligibility:
		return cannotActivate
	}
	return nil
}

var cannotActivate = refuse(Unsuitable, "principal", "a service principal cannot activate, so it cannot be eligible")

// suitableForGroup is the same for members and owners of groups (reference graph-pim §20). Groups may be in each other in
// a circle: every walk through them ends. A group is never in itself.
func (d *decision) suitableForGroup() error {
	p, onto := d.c.Principal, d.c.Onto
	group, active := p.Kind == GroupPrincipal, d.a.Kind == Assignment
	switch {
	case onto.Dynamic:
		return refuse(Unsuitable, "scope", "the members of a dynamic group follow from its rule")
	case p.ID == onto.ID:
		return refuse(Unsuitable, "principal", "a group cannot be in itself")
	case p.Kind == ServicePrincipal && !active:
		return cannotActivate
	case group && d.a.Key.Role == Owner:
		return refuse(Unsuitable, "principal", "a group cannot own another")
	case group && active && onto.RoleAssignable:
		return refuse(Unsuitable, "principal", "a group that can be assigned to roles takes no group as an active member")
	}
	return nil
}

// live returns the case's schedules of a kind and type that are not over.
func (d *decision) live(k Kind, t AssignmentType) []Schedule {
	var out []Schedule
	for _, s := range d.c.Schedules {
		if s.Kind == k && s.Type == t && s.Live(d.now) {
			out = append(out, s)
		}
	}
	return out
}

// pending returns the open request of the case for an action of a kind, or nil.
func (d *decision) pending(k Kind, actions ...Action) *Request {
	for i, r := range d.c.Requests {
		if r.Kind != k || r.Status != PendingApproval && r.Status != PendingAdminDecision {
			continue
		}
		for _, a := range actions {
			if r.Action == a {
				return &d.c.Requests[i]
			}
		}
	}
	return nil
}

// newRequest makes the request that the ask becomes.
func (d *decision) newRequest(status Status) Request {
	id := d.a.Request
	if id == "" {
		id = RequestID(d.newID())
	}
	return Request{
		ID: id, Key: d.c.Key, Kind: d.a.Kind, Action: d.a.Action, Status: status,
		Asked: d.a.Schedule, Justification: d.a.Justification, Ticket: d.a.Ticket,
		Condition: d.a.Condition, ConditionVersion: d.a.ConditionVersion,
		By: d.a.By.Actor, Created: d.now, PolicyVersion: d.c.Policy.Version,
	}
}

// take puts the request of the ask into the outcome.
func (d *decision) take(r Request) {
	if d.a.ValidationOnly {
		r.Status, r.Target = Granted, ""
	}
	d.out.Request, d.out.NewRequest = &r, true
}

// provision makes the schedule of a request: at once, or planned for its later start.
func (d *decision) provision(r *Request, s Schedule) {
	s.ID, s.Key, s.Kind, s.Request = ScheduleID(r.ID), r.Key, r.Kind, r.ID
	s.Created = r.Created
	s.Open = s.Window.Contains(d.now)
	s.Due = nextDue(d.now, s)
	r.Target, r.Start, r.Eligibility, r.Due = s.ID, s.Window.Start, s.Eligibility, time.Time{}
	r.Status, r.Completed = Provisioned, d.now
	if s.Window.Start.After(d.now) {
		r.Status, r.Completed, r.Due = Granted, s.Window.Start, s.Window.Start
	}
	d.out.Schedules = append(d.out.Schedules, s)
	if s.Open {
		d.openDoors(s, d.c.Effects)
		d.event(CompletedRequest, *r, &s)
	}
}

// end ends a schedule of the case, or of a dependent one, shuts its doors, and returns it as it is then.
func (d *decision) end(s Schedule, why Ending, effects []Effect) Schedule {
	s.Ending, s.Ended, s.Modified, s.Due, s.Open = why, d.now, d.now, time.Time{}, false
	d.put(s)
	d.shutDoors(s.ID, effects, "")
	return s
}

// put puts a schedule into the outcome, in the place of what the outcome said of it before.
func (d *decision) put(s Schedule) {
	for i := range d.out.Schedules {
		if d.out.Schedules[i].ID == s.ID {
			d.out.Schedules[i] = s
			return
		}
	}
	d.out.Schedules = append(d.out.Schedules, s)
}

// present is a schedule that was read, as the outcome has it so far.
func (d *decision) present(s Schedule) Schedule {
	for _, changed := range d.out.Schedules {
		if changed.ID == s.ID {
			return changed
		}
	}
	return s
}

// window resolves the times that were asked for, as bound by a set's expiration rule when they name no end.
func (d *decision) window(expiration expirationRule) (schedule.Window, error) {
	in := d.a.Schedule
	if in.Expiration.Kind == schedule.NotSpecified && in.Recurrence == nil && expiration.required {
		in.Expiration = schedule.Expiration{Kind: schedule.AfterDuration, Duration: expiration.maximum}
	}
	w, err := schedule.Resolve(d.now, in)
	if bad, ok := errors.AsType[*schedule.Error](err); ok {
		return schedule.Window{}, refuse(InvalidSchedule, bad.Field, bad.Detail)
	}
	return w, err
}
