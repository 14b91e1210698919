package pim

import (
	"strings"
	"time"

	"portcullis/internal/policy"
)

// openApproval gives a request the stages that its role's policy demands, and opens the first, or all where the mode
// says so.
func (d *decision) openApproval(r *Request) {
	rule := d.c.Policy.Rules.Approval
	r.Approval = &Approval{}
	for i, setting := range rule.Stages {
		id := StageID(r.ID)
		if i > 0 {
			id = StageID(d.newID())
		}
		r.Approval.Stages = append(r.Approval.Stages, Stage{ID: id, Setting: setting})
		if i == 0 || rule.Mode == policy.Parallel {
			d.openStage(r, i)
		}
	}
	r.Due = r.Approval.due()
}

func (d *decision) openStage(r *Request, i int) {
	s := &r.Approval.Stages[i]
	s.Status, s.Opened, s.Lapses = InProgress, d.now, d.now.Add(s.Setting.Timeout())
	if s.Setting.Escalation {
		s.Escalates = d.now.Add(time.Duration(s.Setting.EscalationMinutes) * time.Minute)
	}
	d.event(ApprovalRequested, *r, nil, "stage", string(s.ID))
}

// due is when the clock has to look at the approval again.
func (a *Approval) due() time.Time {
	var due time.Time
	for _, s := range a.Stages {
		if s.Status != InProgress {
			continue
		}
		due = earlier(due, s.Lapses)
		if s.Setting.Escalation && !s.Escalated {
			due = earlier(due, s.Escalates)
		}
	}
	return due
}

// answer takes an approver's yes or no.
func (d *decision) answer() error {
	r, err := d.asked()
	if err != nil {
		return err
	}
	if err := d.mayAnswer(r); err != nil {
		return err
	}
	s, err := d.stage(r)
	if err != nil {
		return err
	}
	if !s.Setting.NoApproverJustification && strings.TrimSpace(d.a.Justification) == "" {
		return refuse(JustificationMissing, "justification", "approvers of this role give a reason")
	}
	s.Decisions = append(s.Decisions, Decision{
		By: d.a.By.Actor, Person: d.c.Actor.Person, At: d.now,
		Approved: d.a.Action == Approve, Justification: d.a.Justification,
	})
	if d.a.Action == Deny {
		d.denied(r, s)
	} else {
		d.approved(r, s)
	}
	d.out.Request = r
	return nil
}

// asked returns a copy of the request that the ask is about, with an approval of its own to change.
func (d *decision) asked() (*Request, error) {
	for _, r := range d.c.Requests {
		if r.ID != d.a.Request {
			continue
		}
		if r.Approval != nil {
			a := Approval{Stages: append([]Stage(nil), r.Approval.Stages...)}
			for i := range a.Stages {
				a.Stages[i].Decisions = append([]Decision(nil), a.Stages[i].Decisions...)
			}
			r.Approval = &a
		}
		return &r, nil
	}
	return nil, refuse(UnknownRequest, "", "the request does not exist")
}

// mayAnswer says whether the caller can be an approver of the request at all. Nobody decides on their own request, by
// no path (P5): not as the same account, not as another account of the same person, not as a member of a group.
func (d *decision) mayAnswer(r *Request) error {
	switch {
	case r.Approval == nil:
		return refuse(UnknownRequest, "", "the request needs no approval")
	case d.a.By.App():
		return refuse(Forbidden, "", "an application decides nothing")
	case !d.actorCounts():
		return refuse(Forbidden, "", "the account is unknown or disabled")
	case d.own(r):
		return refuse(Forbidden, "", "nobody decides on their own request")
	}
	return nil
}

func (d *decision) own(r *Request) bool {
	return ownRequest(*r, d.c.Principal, d.c.Actor)
}

// ownRequest says whether an account belongs to the person whom a request is for or who made it. requester is the
// principal that the request is for.
func ownRequest(r Request, requester, actor Principal) bool {
	return actor.ID == r.By.Principal || actor.ID == r.Key.Principal || actor.SamePerson(requester)
}

// stage finds the open stage that the ask means and the caller may decide.
func (d *decision) stage(r *Request) (*Stage, error) {
	ways := waysUp(d.c.Memberships, d.c.Actor.ID, d.now)
	inGroup := func(g PrincipalID) bool { _, ok := ways[g]; return ok }
	named := d.a.Stage != "" && d.a.Stage != StageID(r.ID)
	known := !named
	decided := false
	for i := range r.Approval.Stages {
		s := &r.Approval.Stages[i]
		if named && s.ID != d.a.Stage {
			continue
		}
		known = true
		if !s.approver(r.Key, d.c.Principal, d.c.Actor, d.a.By, inGroup) {
			continue
		}
		if s.Status != InProgress || !d.now.Before(s.Lapses) || s.answered(d.c.Actor) {
			decided = true
			continue
		}
		return s, nil
	}
	switch {
	case !known:
		return nil, refuse(UnknownStage, "", "the approval has no such stage")
	case decided:
		return nil, refuse(AlreadyDecided, "", "the stage was decided, has lapsed, or is not open yet")
	default:
		return nil, refuse(Forbidden, "", "the caller is not an approver of this request")
	}
}

// asks are the approvers that the stage asks now: those it names, its backups where it names nobody else or the requestor
// has no manager who could decide, and the escalation approvers once it has escalated. standIn says that nobody is named
// whom it could ask, so that those who administer the role decide.
func (s Stage) asks(requester Principal) (named []policy.Approver, standIn bool) {
	listed := s.Setting.Approvers
	if s.Escalated {
		listed = append(append([]policy.Approver(nil), listed...), s.Setting.Escalated...)
	}
	var backups []policy.Approver
	managerless := false
	for _, a := range listed {
		switch {
		case a.Kind == policy.RequestorManager && requester.Manager == "":
			managerless = true
		case a.Backup:
			backups = append(backups, a)
		default:
			named = append(named, a)
		}
	}
	if managerless || len(named) == 0 {
		named = append(named, backups...)
	}
	return named, len(named) == 0 || managerless && len(backups) == 0
}

// approver says whether somebody may decide the stage: as a named approver, a member of a named group, the requestor's
// manager, or, once escalated, one of the escalation approvers. Where a stage names nobody who exists, those who
// administer directory roles stand in, and for a group its owners as well (reference graph-pim §11.3); for resources those who
// may give the role.
func (s Stage) approver(k Key, requester, actor Principal, by Caller, inGroup func(PrincipalID) bool) bool {
	asked, standIn := s.asks(requester)
	for _, a := range asked {
		switch a.Kind {
		case policy.User:
			if PrincipalID(a.ID) == actor.ID {
				return true
			}
		case policy.Group:
			if inGroup(PrincipalID(a.ID)) {
				return true
			}
		case policy.RequestorManager:
			if requester.Manager == actor.ID {
				return true
			}
		default:
		}
	}
	return standIn && standsIn(by, k, requester)
}

// standsIn says whether the caller decides where nobody is named.
func standsIn(by Caller, k Key, requester Principal) bool {
	if k.Provider == Resource {
		return MayGive(by, k, requester.Kind) == nil
	}
	return administers(by) || owns(by, k)
}

// answered says whether the person behind an account has answered the stage.
func (s Stage) answered(actor Principal) bool {
	for _, x := range s.Decisions {
		if actor.SamePerson(Principal{ID: x.By.Principal, Person: x.Person}) {
			return true
		}
	}
	return false
}

// CanDecide says whether the caller could answer the request's open stage now, as Approve and Deny would judge it. A request to
// extend or renew a role of resources has no stage, and waits for whoever may give the role: AdminExtend, AdminRenew and Cancel
// answer it.
// requester is the principal that the request is for, actor the caller's own; inGroup tells of the actor's groups.
func CanDecide(now time.Time, r Request, requester, actor Principal, by Caller, inGroup func(PrincipalID) bool) bool {
	if by.App() || !actor.Enabled || ownRequest(r, requester, actor) {
		return false
	}
	if r.Status == PendingAdminDecision && r.Key.Provider == Resource {
		return standsIn(by, r.Key, requester)
	}
	if r.Status != PendingApproval || r.Approval == nil {
		return false
	}
	for _, s := range r.Approval.Stages {
		if s.Status == InProgress && now.Before(s.Lapses) && !s.answered(actor) && s.approver(r.Key, requester, actor, by, inGroup) {
			return true
		}
	}
	return false
}

func (d *decision) denied(r *Request, s *Stage) {
	s.Status = Completed
	r.Status, r.Completed, r.Due = Denied, d.now, time.Time{}
	d.decisionEvent(DeniedByApprover, *r, s)
}

// approved counts a yes; with enough of them the next stage opens, and after the last one the activation stands.
func (d *decision) approved(r *Request, s *Stage) {
	d.decisionEvent(Approved, *r, s)
	yes := 0
	for _, x := range s.Decisions {
		if x.Approved {
			yes++
		}
	}
	if yes >= s.Setting.Quorum() {
		s.Status = Completed
	}
	if r.Approval.Current() == nil && !d.openNext(r) {
		d.passed(r)
		return
	}
	r.Due = r.Approval.due()
}

// openNext opens the first stage that waits, if there is one.
func (d *decision) openNext(r *Request) bool {
	for i, s := range r.Approval.Stages {
		if s.Status == Waiting {
			d.openStage(r, i)
			return true
		}
	}
	return false
}

// passed provisions an approved activation: its time counts from now, and what it rests on must still be there.
func (d *decision) passed(r *Request) {
	d.a.Schedule = r.Asked
	w, err := d.window(expirationRule{required: true, maximum: r.Maximum})
	if err != nil {
		d.fail(r, "the time that was asked for has passed")
		return
	}
	ground, ok := d.ground(wish{window: w, condition: r.Condition})
	if ok && d.bindBy(ground) != nil {
		ok = false // cannot be: whoever reads a case of an approval reads the policies of its grounds
	}
	switch {
	case !ok:
		d.fail(r, "no valid eligibility was found")
	case !d.c.Principal.Enabled:
		d.fail(r, "the account is disabled")
	case len(d.live(Assignment, Activated)) > 0:
		d.fail(r, "the role is active already")
	default:
		d.stand(r, ground, w)
	}
}

// fail ends a request whose ground is gone.
func (d *decision) fail(r *Request, why string) {
	r.Status, r.Completed, r.Due = Failed, d.now, time.Time{}
	d.event(FailedRequest, *r, nil, "reason", why)
}

// mayCancel says whether the caller administers what a request is about.
func (d *decision) mayCancel(r *Request) bool {
	if r.Key.Provider != Resource {
		return MayAdminister(d.a.By, r.Key, d.c.Onto)
	}
	kind := d.c.Principal.Kind
	return MayGive(d.a.By, r.Key, kind) == nil || MayTake(d.a.By, r.Key, kind) == nil
}

// cancel withdraws a request that is still open. Who did not make it, is not meant by it and does not administer the
// role is told that it is not there.
func (d *decision) cancel() error {
	r, err := d.asked()
	if err != nil {
		return err
	}
	mine := d.a.By.Principal == r.By.Principal || d.a.By.Principal == r.Key.Principal
	switch {
	case !d.actorCounts():
		return refuse(Forbidden, "", "the account is unknown or disabled")
	case !mine && !d.mayCancel(r):
		return refuse(UnknownRequest, "", "the request does not exist")
	case !r.Status.Open() || r.Status == Granted && !r.Start.After(d.now):
		return refuse(NotCancelable, "", "the request is done")
	}
	was := r.Status
	r.Status, r.Completed, r.Due = Canceled, d.now, time.Time{}
	switch {
	case was == PendingAdminDecision && !mine && !d.c.Actor.SamePerson(d.c.Principal):
		r.Status = Denied
	case r.Kind == Eligibility:
		r.Status = Revoked
	}
	if r.Approval != nil {
		for i := range r.Approval.Stages {
			if r.Approval.Stages[i].Status == InProgress {
				r.Approval.Stages[i].Status = Completed
			}
		}
	}
	var ended []ScheduleID
	for _, s := range d.c.Schedules {
		if s.Request == r.ID && s.Ending == NotEnded {
			d.end(s, Removed, d.c.Effects)
			ended = append(ended, s.ID)
		}
	}
	d.undermineResting(ended)
	d.cutPaths()
	what := CanceledRequest
	if r.Status == Denied {
		what = DeniedByApprover
	}
	d.event(what, *r, nil)
	d.out.Request = r
	return nil
}
