package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/audit"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// The promises of the design (docs/design.md), each as a property of a random life of a tenant, on both stores. A life
// is a row of random asks by random people, with time passing between them and the clock looked at now and then.

// life is one random life under way.
type life struct {
	*house
	rt     *rapid.T
	tenant int
	ledger *ledger
}

// ledger is a store that looks at what passes through it: what changes somebody's standing has to be told of in the
// same commit.
type ledger struct {
	store.Store
	requests  map[pim.RequestID]pim.Status
	schedules map[pim.ScheduleID]standing
	untold    []string
}

// standing is what of a schedule matters to people.
type standing struct {
	ending pim.Ending
	open   bool
	end    time.Time
}

func (l *ledger) Commit(ctx context.Context, c store.Commit) error {
	err := l.Store.Commit(ctx, c)
	if err == nil {
		l.look(c)
	}
	return err
}

func (l *ledger) CommitAll(ctx context.Context, cs []store.Commit) []error {
	errs := l.Store.CommitAll(ctx, cs)
	for i, err := range errs {
		if err == nil {
			l.look(cs[i])
		}
	}
	return errs
}

func (l *ledger) look(c store.Commit) {
	if c.Tenant != nil {
		return // the beginning of a tenant is told as a whole
	}
	told := map[pim.RequestID]bool{}
	for _, e := range c.Entries {
		told[e.Event.Request] = true
	}
	requests := c.More
	if c.Request != nil {
		requests = append(slices.Clone(requests), *c.Request)
	}
	for _, r := range requests {
		if l.requests[r.ID] != r.Status && !told[r.ID] {
			l.untold = append(l.untold, fmt.Sprintf("request %s went from %d to %d", r.ID, l.requests[r.ID], r.Status))
		}
		l.requests[r.ID] = r.Status
	}
	for _, s := range c.Schedules {
		is := standing{s.Ending, s.Open, s.Window.End}
		if _, known := l.schedules[s.ID]; l.schedules[s.ID] != is && len(c.Entries) == 0 && (known || !sinceEver(s.ID)) {
			l.untold = append(l.untold, fmt.Sprintf("schedule %s went from %v to %v", s.ID, l.schedules[s.ID], is))
		}
		l.schedules[s.ID] = is
	}
	if len(c.Effects) > 0 && len(c.Entries) == 0 {
		l.untold = append(l.untold, fmt.Sprintf("effect %s was decided", c.Effects[0].ID))
	}
}

// sinceEver says whether a schedule is one of those that are there since a tenant was settled, of which nothing tells.
func sinceEver(s pim.ScheduleID) bool {
	_, n, _ := strings.Cut(string(s), "-0000-4000-8000-000000000")
	return n >= "900" && n <= "919"
}

// lives runs random lives on both engines and checks each after every spell of a few steps. Tenants are new for each life, so one
// database serves all.
func lives(t *testing.T, check func(*life)) {
	onBoth(t, func(t *testing.T, s store.Store) {
		next := 0
		log := &ledger{Store: s, requests: map[pim.RequestID]pim.Status{}, schedules: map[pim.ScheduleID]standing{}}
		h := newHouse(t, log)
		h.Doors = append(h.Doors, app.Binding{Door: "files", Provider: pim.Resource, Role: contributor, Scope: database, Privilege: "writer"})
		rapid.Check(t, func(rt *rapid.T) {
			next++
			l := &life{house: h, rt: rt, tenant: next, ledger: log}
			h.settle(next)
			h.grow(next)
			l.begin()
			for range rapid.IntRange(2, 5).Draw(rt, "spells") {
				for range rapid.IntRange(1, 6).Draw(rt, "steps") {
					l.step()
				}
				check(l)
			}
		})
	})
}

// begin makes people and groups eligible for some hours, so that much can happen; billing asks for approval. Group 13 can
// activate the vault, and who may become its member is eligible for that: two steps.
func (l *life) begin() {
	l.editPolicy(billing, true, 8)
	for _, whom := range []int{2, 4, 5, 11, 12} {
		for _, r := range []pim.RoleID{vault, billing} {
			hours := rapid.IntRange(1, 10).Draw(l.rt, "eligible for hours")
			l.must(pim.Ask{By: l.as(l.tenant, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Justification: "on call",
				Key: key(l.tenant, whom, r), Schedule: lasting(time.Duration(hours) * time.Hour)})
		}
	}
	l.editGroupPolicy(false)
	for _, whom := range []int{2, 3, 5, 12} {
		hours := rapid.IntRange(1, 10).Draw(l.rt, "member for hours")
		l.must(pim.Ask{By: l.as(l.tenant, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Justification: "on call",
			Key: groupKey(l.tenant, whom, 13, pim.Member), Schedule: lasting(time.Duration(hours) * time.Hour)})
	}
	l.must(pim.Ask{By: l.as(l.tenant, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Justification: "on call",
		Key: key(l.tenant, 13, vault), Schedule: lasting(8 * time.Hour)})
	l.beginResources()
}

// step does one random thing.
func (l *life) step() {
	switch rapid.IntRange(0, 22).Draw(l.rt, "step") {
	case 0, 1:
		l.pass(time.Duration(rapid.IntRange(1, 90).Draw(l.rt, "minutes")) * time.Minute)
		if rapid.IntRange(0, 11).Draw(l.rt, "the next day") == 0 {
			l.pass(22 * time.Hour)
		}
	case 2:
		l.tick()
	case 3:
		l.editGroupPolicy(rapid.Bool().Draw(l.rt, "approval of members"))
		l.editPolicy(rapid.SampledFrom([]pim.RoleID{vault, billing, pim.GlobalAdministrator}).Draw(l.rt, "policy of"),
			rapid.Bool().Draw(l.rt, "approval"), rapid.IntRange(1, 8).Draw(l.rt, "hours"))
	case 4, 5:
		l.answer()
	case 10, 11:
		l.activateMembership()
	case 12:
		l.askOfGroup()
	case 13:
		l.change()
	case 14, 15, 16:
		l.activateResource()
	case 17, 18:
		l.askOfResource()
	case 19:
		l.putRoleAssignment()
	case 20:
		l.changeResources()
	case 21, 22:
		l.inOrder()
	default:
		l.ask()
	}
}

// activateMembership makes somebody a member for a time, and sometimes lets them do at once what members may.
func (l *life) activateMembership() {
	whom := rapid.IntRange(2, 5).Draw(l.rt, "activates")
	a := l.activation(l.tenant, whom, vault, time.Duration(rapid.IntRange(5, 480).Draw(l.rt, "minutes"))*time.Minute)
	a.Key = groupKey(l.tenant, whom, 13, pim.Member)
	if rapid.IntRange(0, 3).Draw(l.rt, "later") == 0 {
		a.Schedule.Start = l.Time().Add(time.Duration(rapid.IntRange(1, 300).Draw(l.rt, "start")) * time.Minute)
	}
	if l.try(a) && rapid.Bool().Draw(l.rt, "and the vault") {
		b := l.activation(l.tenant, whom, vault, time.Duration(rapid.IntRange(5, 480).Draw(l.rt, "minutes"))*time.Minute)
		b.Schedule.Start = a.Schedule.Start
		l.try(b)
	}
}

// askOfGroup makes a random request about members and owners of groups.
func (l *life) askOfGroup() {
	whom := rapid.SampledFrom([]int{2, 3, 4, 5, 11, 12}).Draw(l.rt, "whom")
	a := pim.Ask{
		Action: rapid.SampledFrom([]pim.Action{
			pim.AdminAssign, pim.AdminUpdate, pim.AdminRemove, pim.AdminRemove, pim.AdminExtend, pim.SelfDeactivate,
		}).Draw(l.rt, "action"),
		Kind:          rapid.SampledFrom([]pim.Kind{pim.Eligibility, pim.Assignment}).Draw(l.rt, "kind"),
		Justification: "ticket 4711", Schedule: l.times(),
		Key: groupKey(l.tenant, whom, rapid.SampledFrom([]int{11, 12, 13, 13}).Draw(l.rt, "group"),
			rapid.SampledFrom([]pim.RoleID{pim.Member, pim.Member, pim.Owner}).Draw(l.rt, "side")),
	}
	by := rapid.SampledFrom([]int{1, 1, 2, 5}).Draw(l.rt, "by")
	if a.Action == pim.SelfDeactivate {
		by, a.Kind = whom, pim.Assignment
	}
	a.By = l.as(l.tenant, by)
	l.try(a)
}

// change changes grants outside PIM, several at once.
func (l *life) change() {
	var asks []pim.Ask
	for range rapid.IntRange(1, 3).Draw(l.rt, "changes") {
		whom := rapid.SampledFrom([]int{1, 2, 3, 4, 5, 11}).Draw(l.rt, "whom")
		k := groupKey(l.tenant, whom, rapid.SampledFrom([]int{11, 12, 13}).Draw(l.rt, "group"), pim.Member)
		switch rapid.IntRange(0, 4).Draw(l.rt, "of a role") {
		case 0, 1:
			k = key(l.tenant, whom, rapid.SampledFrom([]pim.RoleID{vault, pim.GlobalAdministrator}).Draw(l.rt, "role"))
		case 2:
			k = resourceKey(l.tenant, whom, l.resourceRole(), l.place())
		}
		asks = append(asks, pim.Ask{By: l.as(l.tenant, 1), Kind: pim.Assignment, Key: k,
			Action: rapid.SampledFrom([]pim.Action{pim.AssignOutside, pim.RemoveOutside, pim.Depart}).Draw(l.rt, "action")})
	}
	slices.SortFunc(asks, func(a, b pim.Ask) int { return strings.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key)) })
	asks = slices.CompactFunc(asks, func(a, b pim.Ask) bool { return a.Key == b.Key })
	_, err := l.Together(context.Background(), asks, store.Commit{})
	if _, ok := errors.AsType[*pim.Refusal](err); err != nil && !ok {
		l.rt.Fatalf("%+v: fault: %v", asks, err)
	}
}

// editGroupPolicy gives members of group 13 other rules.
func (l *life) editGroupPolicy(approval bool) {
	_, err := l.EditPolicy(context.Background(), l.as(l.tenant, 1), groupKey(l.tenant, 1, 13, pim.Member).Policy(), func(r *policy.Rules) error {
		r.AdminEligibility.Expiration.Required, r.AdminAssignment.Expiration.Required = false, false
		r.Approval.Required = approval
		r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{
			{Kind: policy.User, ID: string(person(l.tenant, 5))}, {Kind: policy.Group, ID: string(person(l.tenant, 11))},
		}}}
		return nil
	})
	if _, ok := errors.AsType[*pim.Refusal](err); err != nil && !ok {
		l.rt.Fatal(err)
	}
}

// try does an ask that may be refused, and says whether it was taken.
func (l *life) try(a pim.Ask) bool {
	_, err := l.Do(context.Background(), a)
	if _, ok := errors.AsType[*pim.Refusal](err); err != nil && !ok {
		l.rt.Fatalf("%+v: fault: %v", a, err)
	}
	return err == nil
}

// inOrder makes random requests about one case at once, such as by which somebody is made eligible instead of active.
func (l *life) inOrder() {
	whom := rapid.SampledFrom([]int{1, 2, 3, 4, 5, 11, 12}).Draw(l.rt, "whom")
	k := rapid.SampledFrom([]pim.Key{
		key(l.tenant, whom, vault), key(l.tenant, whom, billing), key(l.tenant, whom, pim.GlobalAdministrator),
		groupKey(l.tenant, whom, 13, pim.Member), resourceKey(l.tenant, whom, contributor, rg),
	}).Draw(l.rt, "case")
	by := rapid.SampledFrom([]int{1, 1, 1, whom}).Draw(l.rt, "by")
	var asks []pim.Ask
	for range rapid.IntRange(2, 3).Draw(l.rt, "asks") {
		asks = append(asks, pim.Ask{By: l.as(l.tenant, by), Key: k, Justification: "ticket 4711", Schedule: l.times(),
			Kind: rapid.SampledFrom([]pim.Kind{pim.Eligibility, pim.Assignment}).Draw(l.rt, "kind"),
			Action: rapid.SampledFrom([]pim.Action{
				pim.AdminAssign, pim.AdminAssign, pim.AdminUpdate, pim.AdminRemove, pim.AdminRenew, pim.SelfActivate, pim.SelfDeactivate, pim.SelfExtend,
			}).Draw(l.rt, "action")})
	}
	_, err := l.InOrder(context.Background(), asks)
	if _, ok := errors.AsType[*pim.Refusal](err); err != nil && !ok {
		l.rt.Fatalf("%+v: fault: %v", asks, err)
	}
}

// ask makes a random request: half of them activations, which need some luck to be taken.
func (l *life) ask() {
	if rapid.Bool().Draw(l.rt, "activate") {
		l.activate()
		return
	}
	a := pim.Ask{
		Action: rapid.SampledFrom([]pim.Action{
			pim.AdminAssign, pim.AdminUpdate, pim.AdminRemove, pim.AdminRemove, pim.AdminExtend, pim.AdminRenew,
			pim.SelfDeactivate, pim.SelfExtend, pim.SelfRenew,
		}).Draw(l.rt, "action"),
		Kind:          rapid.SampledFrom([]pim.Kind{pim.Eligibility, pim.Eligibility, pim.Assignment}).Draw(l.rt, "kind"),
		Justification: "ticket 4711",
	}
	whom := rapid.SampledFrom([]int{1, 2, 3, 4, 5, 11, 12}).Draw(l.rt, "whom")
	by := whom
	switch a.Action { //nolint:exhaustive // the others are asked by the person itself
	case pim.AdminAssign, pim.AdminUpdate, pim.AdminRemove, pim.AdminExtend, pim.AdminRenew:
		by = rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(l.rt, "by")
	case pim.SelfDeactivate:
		a.Kind = pim.Assignment
	}
	a.By = l.as(l.tenant, by)
	a.Key = key(l.tenant, whom, rapid.SampledFrom([]pim.RoleID{vault, billing, pim.GlobalAdministrator}).Draw(l.rt, "role"))
	if rapid.IntRange(0, 5).Draw(l.rt, "carried") == 0 {
		a.By, a.Carried = l.as(l.tenant, rapid.SampledFrom([]int{1, 2}).Draw(l.rt, "carries")), true
	}
	a.Schedule = l.times()
	l.try(a)
}

func (l *life) activate() {
	whom := rapid.IntRange(2, 5).Draw(l.rt, "activates")
	a := l.activation(l.tenant, whom, rapid.SampledFrom([]pim.RoleID{vault, billing}).Draw(l.rt, "role"),
		time.Duration(rapid.IntRange(5, 480).Draw(l.rt, "minutes"))*time.Minute)
	if rapid.IntRange(0, 2).Draw(l.rt, "narrower") == 0 {
		a.Key.Scope = pim.AdministrativeUnit(id(l.tenant, 21))
	}
	if rapid.IntRange(0, 3).Draw(l.rt, "later") == 0 {
		a.Schedule.Start = l.Time().Add(time.Duration(rapid.IntRange(1, 300).Draw(l.rt, "start")) * time.Minute)
	}
	l.try(a)
}

func (l *life) times() schedule.Info {
	var in schedule.Info
	if rapid.IntRange(0, 3).Draw(l.rt, "later") == 0 {
		in.Start = l.Time().Add(time.Duration(rapid.IntRange(1, 300).Draw(l.rt, "start")) * time.Minute)
	}
	switch rapid.IntRange(0, 3).Draw(l.rt, "end") {
	case 3:
		l.daily(&in)
	case 0:
		in.Expiration.Kind = schedule.NoExpiration
	case 1:
		in.Expiration = schedule.Expiration{Kind: schedule.AfterDateTime,
			End: l.Time().Add(time.Duration(rapid.IntRange(1, 900).Draw(l.rt, "minutes")) * time.Minute)}
	}
	return in
}

// daily makes times recur each day, for some hours, a few times or for ever.
func (l *life) daily(in *schedule.Info) {
	if in.Start.IsZero() {
		in.Start = l.Time()
	}
	in.Expiration = schedule.Expiration{Kind: schedule.AfterDuration,
		Duration: schedule.FromTime(time.Duration(rapid.IntRange(5, 1500).Draw(l.rt, "each for minutes")) * time.Minute)}
	year, month, day := in.Start.Date()
	days := schedule.Range{Type: schedule.NoEnd, StartDate: schedule.Date{Year: year, Month: month, Day: day}, TimeZone: "UTC"}
	if n := rapid.IntRange(0, 3).Draw(l.rt, "days"); n > 0 {
		days.Type, days.Occurrences = schedule.Numbered, n
	}
	in.Recurrence = &schedule.Recurrence{Pattern: schedule.Pattern{Type: schedule.Daily, Interval: 1}, Range: days}
}

// answer lets somebody answer, cancel or try to answer an open request.
func (l *life) answer() {
	var open []pim.Request
	for _, r := range l.requests(l.tenant) {
		if r.Status.Open() {
			open = append(open, r)
		}
	}
	if len(open) == 0 {
		return
	}
	r := rapid.SampledFrom(open).Draw(l.rt, "request")
	l.try(pim.Ask{By: l.as(l.tenant, rapid.SampledFrom([]int{2, 3, 4, 5, 5, 5}).Draw(l.rt, "answered by")), Request: r.ID, Key: r.Key, Kind: r.Kind,
		Action:        rapid.SampledFrom([]pim.Action{pim.Approve, pim.Approve, pim.Deny, pim.Cancel}).Draw(l.rt, "answer"),
		Justification: "needed"})
}

// editPolicy gives a role other rules.
func (l *life) editPolicy(role pim.RoleID, approval bool, hours int) {
	k := key(l.tenant, 1, role).Policy()
	_, err := l.EditPolicy(context.Background(), l.as(l.tenant, 1), k, func(r *policy.Rules) error {
		r.EndUserAssignment.Expiration.Maximum = schedule.FromTime(time.Duration(hours) * time.Hour)
		r.Approval.Required = approval
		r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{
			{Kind: policy.User, ID: string(person(l.tenant, 5))}, {Kind: policy.Group, ID: string(person(l.tenant, 12))},
		}}}
		return nil
	})
	if _, ok := errors.AsType[*pim.Refusal](err); err != nil && !ok {
		l.rt.Fatal(err)
	}
}

func TestP1NothingWithoutRequestDecisionAndAudit(t *testing.T) {
	lives(t, func(l *life) {
		if len(l.ledger.untold) > 0 {
			l.rt.Fatalf("not in the audit log: %v", l.ledger.untold)
		}
		told := map[pim.RequestID]bool{}
		outside := map[pim.ScheduleID]bool{}
		for _, e := range l.events(l.tenant) {
			told[e.Request] = true
			outside[e.Schedule] = outside[e.Schedule] || e.Activity == pim.AssignedOutside
			if back, err := audit.Decode(audit.Canonical(e)); err != nil || !cmp.Equal(back, e) {
				l.rt.Fatalf("the event %v does not survive the log: %v", e, err)
			}
		}
		asked := map[pim.RequestID]pim.Request{}
		for _, r := range l.requests(l.tenant) {
			asked[r.ID] = r
			if !told[r.ID] {
				l.rt.Fatalf("request %s is not in the audit log", r.ID)
			}
		}
		schedules := map[pim.ScheduleID]bool{}
		for _, s := range l.schedules(l.tenant) {
			schedules[s.ID] = true
			if _, ok := asked[s.Request]; !ok && s.Request != "" {
				l.rt.Fatalf("schedule %s has no request", s.ID)
			}
			if s.Request == "" && !sinceEver(s.ID) && !outside[s.ID] {
				l.rt.Fatalf("schedule %s was made outside PIM, and nothing tells of it", s.ID)
			}
		}
		for _, e := range l.effects(l.tenant) {
			if !schedules[e.Schedule] {
				l.rt.Fatalf("effect %s has no schedule", e.ID)
			}
		}
	})
}

func TestP2AnActivationNeverOutlivesWhatItRestsOn(t *testing.T) {
	lives(t, func(l *life) {
		all := map[pim.ScheduleID]pim.Schedule{}
		var instants []time.Time
		for _, s := range l.schedules(l.tenant) {
			all[s.ID] = s
			instants = append(instants, s.Window.Start, s.End(), l.Time())
		}
		asked := map[pim.RequestID]pim.Request{}
		for _, r := range l.requests(l.tenant) {
			asked[r.ID] = r
		}
		for _, s := range all {
			if s.Type != pim.Activated {
				continue
			}
			r := asked[s.Request]
			if most := r.Maximum.AddTo(s.Window.Start); s.Window.End.IsZero() || s.Window.End.After(most) {
				l.rt.Fatalf("activation %s lasts from %s to %s, past the maximum of %s", s.ID, s.Window.Start, s.Window.End, r.Maximum)
			}
			for _, at := range instants {
				if at.Before(l.Time()) || !s.Holds(at) {
					continue
				}
				below(l, all[s.Eligibility], s)
				if !all[s.Eligibility].Holds(at) {
					l.rt.Fatalf("activation %s holds at %s, its eligibility %+v does not", s.ID, at, all[s.Eligibility])
				}
				member := s.Key.Principal
				for _, g := range s.Via {
					if !belongs(all, member, g, at) {
						l.rt.Fatalf("activation %+v holds at %s, when %s is no member of %s", s, at, member, g)
					}
					member = g
				}
			}
		}
	})
}

// belongs says whether a grant makes somebody a member of a group at an instant.
func belongs(all map[pim.ScheduleID]pim.Schedule, member, group pim.PrincipalID, at time.Time) bool {
	for _, s := range all {
		if m, ok := s.Membership(); ok && m.Member == member && m.Group == group && s.Holds(at) {
			return true
		}
	}
	return false
}

// groupsAbove walks up by what the store has.
func groupsAbove(all map[pim.ScheduleID]pim.Schedule, p pim.PrincipalID, at time.Time) []pim.PrincipalID {
	var groups []pim.PrincipalID
	for queue := []pim.PrincipalID{p}; len(queue) > 0; queue = queue[1:] {
		for _, s := range all {
			m, ok := s.Membership()
			if ok && m.Member == queue[0] && s.Holds(at) && !slices.Contains(groups, m.Group) {
				groups, queue = append(groups, m.Group), append(queue, m.Group)
			}
		}
	}
	slices.Sort(groups)
	return groups
}

func TestP3FromTheInstantOfEndEveryNodeDenies(t *testing.T) {
	lives(t, func(l *life) {
		// Nobody ticks here: the index alone must know, at the end of each window and just before.
		instants := []time.Time{l.Time()}
		all := map[pim.ScheduleID]pim.Schedule{}
		for _, s := range l.schedules(l.tenant) {
			all[s.ID] = s
			if end := s.End(); end.After(l.Time()) {
				instants = append(instants, end, end.Add(-time.Microsecond))
			}
		}
		for _, at := range instants {
			for n := 2; n <= 5; n++ {
				who := person(l.tenant, n)
				above := groupsAbove(all, who, at)
				if got := l.Index.GroupsAbove(at, tenantID(l.tenant), who); !slices.Equal(got, above) {
					l.rt.Fatalf("at %s the index knows %s in %v, want %v", at, who, got, above)
				}
				for _, s := range all {
					deniesAt(l, all, at, who, above, s.Key)
				}
			}
		}
	})
}

// deniesAt says that the index gives somebody no role that they have neither by an own grant nor by one of their groups.
func deniesAt(l *life, all map[pim.ScheduleID]pim.Schedule, at time.Time, who pim.PrincipalID, above []pim.PrincipalID, k pim.Key) {
	got := l.Index.Check(at, access.Question{Tenant: k.Tenant, Principal: who, Provider: k.Provider, Role: k.Role, Scope: k.Scope})
	if !got.Held {
		return
	}
	for _, s := range all {
		scope := s.Key.Scope == k.Scope || k.Provider == pim.Directory && s.Key.Scope == pim.Everywhere ||
			k.Provider == pim.Resource && slices.Contains(l.Index.Above(k.Tenant, k.Scope), s.Key.Scope)
		mine := s.Key.Principal == who || slices.Contains(above, s.Key.Principal)
		if s.Kind == pim.Assignment && s.Key.Provider == k.Provider && s.Key.Role == k.Role && scope && mine && s.Holds(at) {
			return
		}
	}
	l.rt.Fatalf("at %s the index says that %s holds %v by %s", at, who, k, got.Schedule())
}

func TestP5NobodyDecidesOnTheirOwnRequest(t *testing.T) {
	lives(t, func(l *life) {
		same := func(a, b pim.PrincipalID) bool {
			four, five := person(l.tenant, 4), person(l.tenant, 5)
			return a == b || (a == four || a == five) && (b == four || b == five)
		}
		for _, r := range l.requests(l.tenant) {
			if r.Approval == nil {
				continue
			}
			for _, s := range r.Approval.Stages {
				for _, d := range s.Decisions {
					if same(d.By.Principal, r.Key.Principal) || same(d.By.Principal, r.By.Principal) {
						l.rt.Fatalf("%s decided on the request %s of %s", d.By.Principal, r.ID, r.Key.Principal)
					}
				}
			}
			if r.Status == pim.Provisioned && len(r.Approval.Stages[0].Decisions) == 0 {
				l.rt.Fatalf("request %s was provisioned without a decision", r.ID)
			}
		}
	})
}

func TestP6ThereIsAlwaysAnAdministrator(t *testing.T) {
	lives(t, func(l *life) {
		schedules := l.schedules(l.tenant)
		k := pim.AdministratorsKey(tenantID(l.tenant)).Policy()
		stored, err := l.Store.Policies(context.Background(), k.Tenant, []pim.RoleKey{k})
		if err != nil {
			l.rt.Fatal(err)
		}
		usable := func(at time.Time) bool {
			return slices.ContainsFunc(schedules, func(s pim.Schedule) bool {
				person := s.Key.Principal <= person(l.tenant, 5)
				alone := s.Kind == pim.Assignment || !stored[k].Rules.Approval.Required
				return person && alone && s.Key.Role == pim.GlobalAdministrator && s.Key.Scope == pim.Everywhere &&
					s.Type == pim.Assigned && s.Holds(at)
			})
		}
		instants := []time.Time{l.Time(), l.Time().AddDate(100, 0, 0)}
		for _, s := range schedules {
			if end := s.End(); end.After(l.Time()) {
				instants = append(instants, end)
			}
		}
		for _, at := range instants {
			if !usable(at) {
				l.rt.Fatalf("at %s nobody can administer the tenant", at)
			}
		}
	})
}

func TestP10NothingOfOneTenantTouchesAnother(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		const other = 1_000_000
		h.settle(other)
		h.grow(other)
		h.eligible(other, 2, vault)
		h.must(h.giving(other, 2, contributor, corp))
		h.must(h.activatingAt(other, 2, contributor, rg, 8*time.Hour))
		h.must(h.activation(other, 2, vault, 8*time.Hour))
		h.must(pim.Ask{By: h.as(other, 1), Action: pim.AssignOutside, Kind: pim.Assignment, Key: groupKey(other, 4, 13, pim.Member)})
		snapshot := func() []any {
			links, err := h.Store.Links(context.Background(), tenantID(other), directory.MemberOf, person(other, 13), "")
			if err != nil {
				t.Fatal(err)
			}
			tree, err := h.Store.Resources(context.Background(), store.Query{Tenant: tenantID(other)})
			if err != nil {
				t.Fatal(err)
			}
			return []any{h.schedules(other), h.requests(other), h.events(other), h.effects(other), links, tree.Rows,
				h.Index.Above(tenantID(other), database)}
		}
		before := snapshot()
		next := 0
		rapid.Check(t, func(rt *rapid.T) {
			next++
			l := &life{house: h, rt: rt, tenant: next}
			h.settle(next)
			h.grow(next)
			l.beginResources()
			for range rapid.IntRange(1, 10).Draw(rt, "steps") {
				l.ask()
				l.answer()
				l.activateMembership()
				l.askOfGroup()
				l.change()
				l.activateResource()
				l.askOfResource()
				l.putRoleAssignment()
				l.changeResources()
				// A foreign administrator is nobody here, whatever roles they claim.
				foreign := h.as(other, 1)
				if l.try(pim.Ask{By: foreign, Action: pim.AdminAssign, Kind: pim.Eligibility, Key: key(l.tenant, 2, vault), Justification: "mine"}) {
					rt.Fatal("an administrator of another tenant made somebody eligible")
				}
				of := l.giving(l.tenant, 2, l.resourceRole(), l.place())
				of.By = foreign
				if l.try(of) {
					rt.Fatal("an owner of another tenant's resources made somebody eligible")
				}
			}
			if diff := cmp.Diff(before, snapshot()); diff != "" {
				rt.Fatalf("another tenant's life changed this one (-before +after):\n%s", diff)
			}
		})
	})
}

func TestP4TwiceIsOnce(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		h.settle(1)
		h.grow(1)
		h.must(h.giving(1, 2, reader, one))
		h.eligible(1, 2, pim.ReportsReader) // opens no door: nobody closes them here
		h.eligible(1, 2, billing)
		h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: groupKey(1, 2, 13, pim.Member),
			Schedule: lasting(300 * 24 * time.Hour), Justification: "on call"})
		_, err := h.EditPolicy(t.Context(), h.as(1, 1), key(1, 2, billing).Policy(), func(r *policy.Rules) error {
			r.Approval.Required = true
			r.Approval.Stages[0].Approvers = []policy.Approver{
				{Kind: policy.User, ID: string(person(1, 3))}, {Kind: policy.User, ID: string(person(1, 4))},
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for round := range rounds {
			twoActivations(h, round, key(1, 2, pim.ReportsReader))
			twoActivations(h, round, groupKey(1, 2, 13, pim.Member))
			twoActivations(h, round, resourceKey(1, 2, reader, rgTen))
			twoNames(h, round)
			twoApprovers(h, round)
			h.pass(10 * time.Minute)
			h.tick()
		}
	})
}

// twoActivations asks for the same activation twice at once: exactly one is taken.
func twoActivations(h *house, round int, k pim.Key) {
	h.Helper()
	activate := func() error {
		a := h.activation(1, 2, k.Role, 5*time.Minute)
		a.Key = k
		_, err := h.Do(h.Context(), a)
		return err
	}
	taken := atOnce(activate, activate)
	if got := count(h, taken, pim.AlreadyThere); got != 1 {
		h.Fatalf("round %d: %d of two activations were taken: %v", round, got, taken)
	}
}

// twoApprovers approve one request at once: exactly one completes it, and one activation stands.
func twoApprovers(h *house, round int) {
	h.Helper()
	r := h.must(h.activation(1, 2, billing, 5*time.Minute)).Request
	answer := func(n int) func() error {
		return func() error {
			_, err := h.Do(h.Context(), pim.Ask{By: h.as(1, n), Action: pim.Approve, Request: r.ID, Key: r.Key, Kind: r.Kind, Justification: "fine"})
			return err
		}
	}
	taken := atOnce(answer(3), answer(4))
	if got := count(h, taken, pim.AlreadyDecided); got != 1 {
		h.Fatalf("round %d: %d of two approvals were taken: %v", round, got, taken)
	}
	if !h.holds(2, billing) {
		h.Fatalf("round %d: the approved activation does not hold", round)
	}
}

func atOnce(do ...func() error) []error {
	errs := make([]error, len(do))
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i, f := range do {
		wg.Go(func() { <-start; errs[i] = f() })
	}
	close(start)
	wg.Wait()
	return errs
}

// count counts what was taken; what was not must have been refused with the code.
func count(h *house, errs []error, code pim.Code) (taken int) {
	h.Helper()
	for _, err := range errs {
		refusal, ok := errors.AsType[*pim.Refusal](err)
		switch {
		case err == nil:
			taken++
		case !ok || refusal.Code != code:
			h.Fatalf("refused with %v, want %q", err, code)
		}
	}
	return taken
}
