package pimtest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// Story tells what people do, one sentence a line. People, groups and roles come to be by being named. A sentence that
// is refused fails the test, unless it was said that it would be.
type Story struct {
	t     testing.TB
	World *World
	Now   time.Time
	// Last is the outcome of the last sentence that was taken.
	Last pim.Outcome
	// Refused is the last refusal that was expected.
	Refused *pim.Refusal
}

// Tell begins a story at an instant, given as "2026-03-02T09:00Z". The tenant has one permanent Global Administrator
// named root.
func Tell(t testing.TB, start string) *Story {
	t.Helper()
	now, err := time.Parse("2006-01-02T15:04Z07:00", start)
	if err != nil {
		t.Fatal(err)
	}
	s := &Story{t: t, World: NewWorld(), Now: now}
	s.World.Roles[pim.GlobalAdministrator] = pim.Role{ID: pim.GlobalAdministrator, Name: "Global Administrator", BuiltIn: true, Enabled: true}
	root := s.Person("root")
	s.World.Schedules["root"] = pim.Schedule{
		ID: "root", Kind: pim.Assignment, Type: pim.Assigned, Open: true, Window: schedule.Window{Start: now.AddDate(-1, 0, 0)},
		Key: s.key("root", "Global Administrator"),
	}
	_ = root
	return s
}

// Person returns the id of a person, who comes to be if new.
func (s *Story) Person(name string) pim.PrincipalID {
	id := pim.PrincipalID(name)
	if _, ok := s.World.Principals[id]; !ok {
		s.World.Principals[id] = pim.Principal{
			ID: id, Kind: pim.UserPrincipal, Name: name, Account: name + "@example.com", Enabled: true,
		}
	}
	return id
}

// Group makes a role-assignable group of members, who may be groups too.
func (s *Story) Group(name string, members ...string) {
	s.World.Principals[pim.PrincipalID(name)] = pim.Principal{
		ID: pim.PrincipalID(name), Kind: pim.GroupPrincipal, Name: name, Enabled: true, RoleAssignable: true,
	}
	s.World.Groups[pim.PrincipalID(name)] = pim.GroupFacts{ID: pim.PrincipalID(name), Name: name, RoleAssignable: true}
	for _, m := range members {
		if s.World.Principals[pim.PrincipalID(m)].Kind != pim.GroupPrincipal {
			s.Person(m)
		}
		s.belongs(m, "member of "+name, schedule.Window{Start: s.Now})
	}
}

// GroupIs changes what is known of a group.
func (s *Story) GroupIs(name string, change func(*pim.GroupFacts)) {
	g := s.World.Groups[pim.PrincipalID(name)]
	change(&g)
	s.World.Groups[g.ID] = g
	p := s.World.Principals[g.ID]
	p.RoleAssignable = g.RoleAssignable
	s.World.Principals[g.ID] = p
}

// belongs makes somebody a member or owner outside PIM, as the directory was before the story.
func (s *Story) belongs(who, as string, when schedule.Window) {
	k := s.key(who, as)
	id := pim.ScheduleID(string(k.Role) + " " + who + " of " + string(k.Scope))
	s.World.Schedules[id] = pim.Schedule{
		ID: id, Key: k, Kind: pim.Assignment, Type: pim.Assigned, Window: when, Created: s.Now, Open: true, Due: when.End,
	}
}

// MemberUntil makes somebody a member of a group up to an end, after the present instant.
func (s *Story) MemberUntil(group, member, after string) {
	s.Person(member)
	s.belongs(member, "member of "+group, schedule.Window{Start: s.Now, End: s.Now.Add(s.span(after))})
}

// Is changes what is known of a principal.
func (s *Story) Is(name string, change func(*pim.Principal)) {
	s.Person(name)
	p := s.World.Principals[pim.PrincipalID(name)]
	change(&p)
	s.World.Principals[p.ID] = p
}

// Policy changes the rules of a role.
func (s *Story) Policy(role string, change func(*policy.Rules)) {
	k := s.key("root", role).Policy()
	p := s.World.policy(k)
	p.Rules = p.Rules.Clone()
	change(&p.Rules)
	p.Version++
	if err := pim.ValidRules(s.Now, k, p.Rules); err != nil {
		s.t.Helper()
		s.t.Fatalf("policy of %s: %v", role, err)
	}
	s.World.Policies[k] = p
}

// Door binds a role to a privilege of a target.
func (s *Story) Door(role, door, privilege string) {
	k := s.key("root", role)
	s.World.Doors = append(s.World.Doors, pim.Door{
		Name: door, Provider: k.Provider, Role: k.Role, Scope: k.Scope, Privilege: privilege, Account: "login",
	})
}

func (s *Story) role(name string) pim.RoleID {
	if name == "Global Administrator" {
		return pim.GlobalAdministrator
	}
	id := pim.RoleID(strings.ReplaceAll(strings.ToLower(name), " ", "-"))
	if _, ok := s.World.Roles[id]; !ok {
		s.World.Roles[id] = pim.Role{ID: id, Name: name, BuiltIn: true, Enabled: true, ForUnits: true, ForObjects: true}
	}
	return id
}

// key reads "Role", "Role at /scope", "member of group", "owner of group", or "Role on /place" for roles of resources.
func (s *Story) key(principal, role string) pim.Key {
	if name, place, ok := strings.Cut(role, " on "); ok {
		return pim.Key{Tenant: Tenant, Provider: pim.Resource, Scope: pim.Scope(place), Role: s.resourceRole(name), Principal: pim.PrincipalID(principal)}
	}
	if side, group, ok := strings.Cut(role, " of "); ok && (side == string(pim.Member) || side == string(pim.Owner)) {
		return pim.Key{Tenant: Tenant, Provider: pim.Group, Scope: pim.Scope(group), Role: pim.RoleID(side), Principal: pim.PrincipalID(principal)}
	}
	name, scope, at := strings.Cut(role, " at ")
	if !at {
		scope = string(pim.Everywhere)
	}
	return pim.Key{
		Tenant: Tenant, Provider: pim.Directory, Scope: pim.Scope(scope), Role: s.role(name), Principal: pim.PrincipalID(principal),
	}
}

func (s *Story) span(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Helper()
		s.t.Fatal(err)
	}
	return d
}

// Actor is somebody about to do something.
type Actor struct {
	s   *Story
	by  pim.Caller
	not pim.Code // the refusal that is expected; empty: none
}

// As says who does the next thing: somebody signed in with a second factor.
func (s *Story) As(name string) *Actor {
	id := s.Person(name)
	p := s.World.Principals[id]
	by := pim.Caller{MFA: true, Actor: pim.Actor{Principal: id, Kind: p.Kind, Name: p.Name, Account: p.Account}}
	above := s.World.Above(id, s.Now)
	for _, x := range s.World.sorted() {
		if x.Kind == pim.Assignment && x.Holds(s.Now) && slices.Contains(above, x.Key.Principal) {
			by.Roles = append(by.Roles, pim.HeldRole{Provider: x.Key.Provider, Role: x.Key.Role, Scope: x.Key.Scope})
		}
	}
	by.Rights = rights{s.World, id, s.Now}
	return &Actor{s: s, by: by}
}

// Caller is who is about to do something, as package pim sees them.
func (a *Actor) Caller() pim.Caller { return a.by }

// WithoutMFA says that the actor proved no second factor.
func (a *Actor) WithoutMFA() *Actor { a.by.MFA = false; return a }

// WithContext says that the actor proved an authentication context.
func (a *Actor) WithContext(c string) *Actor { a.by.Contexts = append(a.by.Contexts, c); return a }

// AsApp says that the actor is an application.
func (a *Actor) AsApp() *Actor { a.by.Kind = pim.ServicePrincipal; return a }

// Cannot says that the next thing is refused, and why.
func (a *Actor) Cannot(why pim.Code) *Actor { a.not = why; return a }

// Asks does anything: words are a justification, a ticket "ticket 4711", times "for 2h", "from 3h", "until 24h",
// "for ever", a condition "under …", the id of a request or of a grant outside PIM "named …", a description "about …".
func (a *Actor) Asks(action pim.Action, kind pim.Kind, whom, role string, words ...string) {
	a.s.t.Helper()
	ask := pim.Ask{By: a.by, Action: action, Kind: kind, Key: a.s.key(whom, role)}
	a.s.Person(whom)
	for _, w := range words {
		a.s.word(&ask, w)
	}
	a.do(ask)
}

func (s *Story) word(ask *pim.Ask, w string) {
	verb, rest, _ := strings.Cut(w, " ")
	switch verb {
	case "for":
		ask.Schedule.Expiration = schedule.Expiration{Kind: schedule.NoExpiration}
		if rest != "ever" {
			ask.Schedule.Expiration = schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.FromTime(s.span(rest))}
		}
	case "until":
		ask.Schedule.Expiration = schedule.Expiration{Kind: schedule.AfterDateTime, End: s.Now.Add(s.span(rest))}
	case "from":
		ask.Schedule.Start = s.Now.Add(s.span(rest))
	case "ticket":
		ask.Ticket.Number = rest
		ask.Justification = w
	case "under":
		ask.Condition = rest
	case "named":
		ask.Request, ask.Target = pim.RequestID(rest), pim.ScheduleID(rest)
	case "about":
		ask.Description = rest
	case "only": // "only validation"
		ask.ValidationOnly = true
	default:
		ask.Justification = w
	}
}

func (a *Actor) do(ask pim.Ask) {
	s := a.s
	s.t.Helper()
	c := s.World.Case(ask.Needs())
	if named, ok := s.World.Schedules[ask.Target]; ok && ask.Action == pim.AssignOutside {
		c.Named = &named
	}
	if ask.Action == pim.Realign && c.Principal.Kind == pim.GroupPrincipal {
		c.Holders = s.World.holders(c.Principal.ID, s.Now, c.Doors)
	}
	out, err := pim.Decide(s.Now, c, ask, s.World.NewID)
	refusal, refused := errors.AsType[*pim.Refusal](err)
	switch {
	case err != nil && !refused:
		s.t.Fatalf("%s: %s asks %v of %v: fault: %v", s.Now, a.by.Name, ask.Action, ask.Key, err)
	case refused && a.not == "":
		s.t.Fatalf("%s: %s asks %v of %v: refused: %v", s.Now, a.by.Name, ask.Action, ask.Key, err)
	case refused && refusal.Code != a.not:
		s.t.Fatalf("%s: %s asks %v of %v: refused as %q, want %q", s.Now, a.by.Name, ask.Action, ask.Key, refusal.Code, a.not)
	case !refused && a.not != "":
		s.t.Fatalf("%s: %s asks %v of %v: taken, want refusal %q", s.Now, a.by.Name, ask.Action, ask.Key, a.not)
	case refused:
		s.Refused = refusal
	default:
		s.Last = out
		s.World.Keep(out)
	}
}

// MakesEligible makes somebody, or a group, eligible.
func (a *Actor) MakesEligible(whom, role string, words ...string) {
	a.s.t.Helper()
	a.Asks(pim.AdminAssign, pim.Eligibility, whom, role, words...)
}

// Assigns gives somebody a role outright.
func (a *Actor) Assigns(whom, role string, words ...string) {
	a.s.t.Helper()
	a.Asks(pim.AdminAssign, pim.Assignment, whom, role, words...)
}

// Activates activates the actor's own role.
func (a *Actor) Activates(role string, words ...string) {
	a.s.t.Helper()
	a.Asks(pim.SelfActivate, pim.Assignment, string(a.by.Principal), role, words...)
}

// Deactivates ends the actor's own activation.
func (a *Actor) Deactivates(role string) {
	a.s.t.Helper()
	a.Asks(pim.SelfDeactivate, pim.Assignment, string(a.by.Principal), role)
}

// Approves, Denies and Cancels answer the open request of somebody for a role.
func (a *Actor) Approves(whom, role string, words ...string) {
	a.s.t.Helper()
	a.answer(pim.Approve, whom, role, words)
}

// Denies says no to it.
func (a *Actor) Denies(whom, role string, words ...string) {
	a.s.t.Helper()
	a.answer(pim.Deny, whom, role, words)
}

// Cancels withdraws it.
func (a *Actor) Cancels(whom, role string) {
	a.s.t.Helper()
	a.answer(pim.Cancel, whom, role, nil)
}

func (a *Actor) answer(action pim.Action, whom, role string, words []string) {
	a.s.t.Helper()
	r := a.s.Request(whom, role)
	ask := pim.Ask{By: a.by, Action: action, Request: r.ID, Key: r.Key, Kind: r.Kind, Justification: "it is needed"}
	for _, w := range words {
		a.s.word(&ask, w)
	}
	a.do(ask)
}

// Request returns the latest request of somebody for a role.
func (s *Story) Request(whom, role string) pim.Request {
	s.t.Helper()
	k := s.key(whom, role)
	var last pim.Request
	for _, r := range s.World.Requests {
		if r.Key == k && (last.ID == "" || r.ID > last.ID) {
			last = r
		}
	}
	if last.ID == "" {
		s.t.Fatalf("%s has asked nothing about %s", whom, role)
	}
	return last
}

// After lets time pass; the clock asks whatever falls due on the way, at its instant.
func (s *Story) After(span string) {
	s.t.Helper()
	end := s.Now.Add(s.span(span))
	for range 10_000 {
		due := s.next(end)
		if due.IsZero() {
			s.Now = end
			return
		}
		s.Now = due
		s.tick()
	}
	s.t.Fatal("the clock finds no end of what is due")
}

// WithoutClock lets time pass while nobody looks at the clock.
func (s *Story) WithoutClock(span string) { s.Now = s.Now.Add(s.span(span)) }

// next is the earliest instant up to end at which something is due; not before now.
func (s *Story) next(end time.Time) time.Time {
	var first time.Time
	take := func(t time.Time) {
		if !t.IsZero() && !t.After(end) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	for _, x := range s.World.Schedules {
		take(x.Due)
	}
	for _, r := range s.World.Requests {
		take(r.Due)
	}
	if !first.IsZero() && first.Before(s.Now) {
		return s.Now
	}
	return first
}

func (s *Story) tick() {
	s.t.Helper()
	for _, ask := range s.World.Due(s.Now) {
		(&Actor{s: s, by: ask.By}).do(ask)
	}
}

// Realigns lets the clock ask whether somebody's grants of a role, or a group's, open the doors that they should.
func (s *Story) Realigns(whom, role string) {
	s.t.Helper()
	clock := pim.Caller{Actor: pim.Actor{Clock: true}}
	(&Actor{s: s, by: clock}).do(pim.Ask{By: clock, Action: pim.Realign, Kind: pim.Assignment, Key: s.key(whom, role)})
}

// Inside says for whom a door is open, or about to be, by their accounts there, ordered; that of who holds a role by no group is
// "login".
func (s *Story) Inside(door string, want ...string) {
	s.t.Helper()
	var got []string
	for _, e := range s.World.Effects {
		if e.Door == door && (e.State == pim.EffectPending || e.State == pim.Usable) {
			got = append(got, e.Account)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Errorf("%s: the door %s is open for %v, want %v", s.Now, door, got, want)
	}
}

// Holds says that somebody holds a role now.
func (s *Story) Holds(whom, role string) {
	s.t.Helper()
	if !s.World.Holds(s.key(whom, role), s.Now) {
		s.t.Errorf("%s: %s does not hold %s", s.Now, whom, role)
	}
}

// HoldsNot says the opposite.
func (s *Story) HoldsNot(whom, role string) {
	s.t.Helper()
	if s.World.Holds(s.key(whom, role), s.Now) {
		s.t.Errorf("%s: %s holds %s", s.Now, whom, role)
	}
}

// Status says what has become of somebody's latest request.
func (s *Story) Status(whom, role string, want pim.Status) {
	s.t.Helper()
	if got := s.Request(whom, role).Status; got != want {
		s.t.Errorf("%s: the request of %s for %s has status %d, want %d", s.Now, whom, role, got, want)
	}
}

// DoorIs says in which state the latest effect for somebody on a door is.
func (s *Story) DoorIs(whom, door string, want pim.EffectState) {
	s.t.Helper()
	var last pim.Effect
	for _, e := range s.World.Effects {
		if e.Door == door && e.Key.Principal == pim.PrincipalID(whom) && e.Decided.After(last.Decided) {
			last = e
		}
	}
	if last.State != want {
		s.t.Errorf("%s: the door %s for %s is in state %d, want %d", s.Now, door, whom, last.State, want)
	}
}

// Audited says that the log tells of an activity.
func (s *Story) Audited(what pim.Activity) {
	s.t.Helper()
	if !slices.ContainsFunc(s.World.Events, func(e pim.Event) bool { return e.Activity == what }) {
		s.t.Errorf("the audit log has no activity %d", what)
	}
}

// Schedules asks for something with times of its own, such as recurrent ones.
func (a *Actor) Schedules(action pim.Action, kind pim.Kind, whom, role string, when schedule.Info) {
	a.s.t.Helper()
	a.s.Person(whom)
	a.do(pim.Ask{By: a.by, Action: action, Kind: kind, Key: a.s.key(whom, role), Schedule: when, Justification: "as planned"})
}
