// Package pimtest is for telling stories about package pim: people do things, time passes, facts are checked.
//
// A World is the simplest thing that can answer what a decision needs to know and keep what follows. It is not a store:
// it keeps no versions and serves one story at a time.
package pimtest

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
)

// Tenant is the one tenant of a world.
const Tenant pim.TenantID = "7e4a0001-0000-4000-8000-000000000001"

// World keeps the facts of a story.
type World struct {
	Principals map[pim.PrincipalID]pim.Principal
	Roles      map[pim.RoleID]pim.Role
	Policies   map[pim.RoleKey]policy.Policy
	Groups     map[pim.PrincipalID]pim.GroupFacts
	// Places are the scopes of resources that are there, beside the root. What contains them is told by their paths.
	Places map[pim.Scope]bool
	// Definitions say what roles of resources allow; those that are not there allow nothing.
	Definitions map[pim.RoleID]*rbac.Role
	// Memberships are those that follow from no schedule.
	Memberships []pim.Membership
	Schedules   map[pim.ScheduleID]pim.Schedule
	Requests    map[pim.RequestID]pim.Request
	Effects     map[string]pim.Effect
	Events      []pim.Event
	Notices     []pim.Notice
	Doors       []pim.Door
	ids         int
}

// NewWorld returns a world in which nobody is and nothing holds.
func NewWorld() *World {
	return &World{
		Principals:  map[pim.PrincipalID]pim.Principal{},
		Roles:       map[pim.RoleID]pim.Role{pim.Member: {ID: pim.Member, Name: "member", Enabled: true}, pim.Owner: {ID: pim.Owner, Name: "owner", Enabled: true}},
		Groups:      map[pim.PrincipalID]pim.GroupFacts{},
		Places:      map[pim.Scope]bool{pim.Everywhere: true},
		Definitions: map[pim.RoleID]*rbac.Role{},
		Policies:    map[pim.RoleKey]policy.Policy{},
		Schedules:   map[pim.ScheduleID]pim.Schedule{},
		Requests:    map[pim.RequestID]pim.Request{},
		Effects:     map[string]pim.Effect{},
	}
}

// NewID makes ids in order, so that a story is the same each time it is told.
func (w *World) NewID() string {
	w.ids++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", w.ids)
}

// Case answers what a decision needs to know.
func (w *World) Case(n pim.Need) pim.Case {
	k := n.Key
	if r, ok := w.Requests[n.Request]; ok {
		k = r.Key
	}
	if s, ok := w.Schedules[n.Schedule]; ok {
		k = s.Key
	}
	c := pim.Case{
		Key: k, Principal: w.Principals[k.Principal], Actor: w.Principals[n.Actor], Role: w.Roles[k.Role],
		ScopeKnown: true, Policy: w.policy(k.Policy()), Memberships: w.memberships(),
	}
	for _, d := range w.Doors {
		if d.Provider == k.Provider && d.Role == k.Role && (k.Provider != pim.Resource || slices.Contains(around(d.Scope), k.Scope)) {
			c.Doors = append(c.Doors, d)
		}
	}
	switch {
	case k.Provider == pim.Group:
		c.Onto = w.Groups[pim.PrincipalID(k.Scope)]
		c.ScopeKnown = c.Onto.ID != ""
	case k.Provider == pim.Resource:
		c.ScopeKnown, c.Wider = w.Places[k.Scope], around(k.Scope)[1:]
	case k.Scope != pim.Everywhere:
		c.Wider = []pim.Scope{pim.Everywhere}
	}
	rests := w.resting(k)
	for _, s := range w.sorted() {
		w.file(&c, n, s, rests[s.ID])
	}
	for _, r := range w.Requests {
		if r.ID == n.Request || r.Key == k && r.Status.Open() {
			c.Requests = append(c.Requests, r)
		}
	}
	return c
}

// file puts a schedule where it belongs in a case.
func (w *World) file(c *pim.Case, n pim.Need, s pim.Schedule, rests bool) {
	k := c.Key
	if s.Key == k {
		c.Schedules = append(c.Schedules, s)
		c.Effects = append(c.Effects, w.effects(s.ID)...)
	}
	if n.Backing && s.Kind == pim.Eligibility && reaches(s.Key, k) && s.Ending == pim.NotEnded {
		b := pim.Backing{Schedule: s}
		if k.Provider == pim.Resource {
			b.Policy = w.policy(s.Key.Policy())
		}
		c.Backing = append(c.Backing, b)
	}
	if n.Dependents && rests {
		d := pim.Dependent{Schedule: s, Principal: w.Principals[s.Key.Principal], Effects: w.effects(s.ID)}
		if r, ok := w.Requests[s.Request]; ok && r.Status.Open() {
			d.Request = &r
		}
		c.Dependents = append(c.Dependents, d)
	}
	p := w.Principals[s.Key.Principal]
	standing := s.Key.Role == pim.GlobalAdministrator && s.Key.Scope == pim.Everywhere && s.Ending == pim.NotEnded &&
		s.Type == pim.Assigned && p.Kind == pim.UserPrincipal && p.Enabled
	if n.Administrators && standing {
		c.Administrators = append(c.Administrators, pim.Standing{Schedule: s.ID, Kind: s.Kind, During: s.Window})
	}
}

func (w *World) sorted() []pim.Schedule {
	var out []pim.Schedule
	for _, s := range w.Schedules {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b pim.Schedule) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out
}

func (w *World) effects(of pim.ScheduleID) []pim.Effect {
	var out []pim.Effect
	for _, e := range w.Effects {
		if e.Schedule == of && e.State != pim.Gone {
			out = append(out, e)
		}
	}
	return out
}

func (w *World) policy(k pim.RoleKey) policy.Policy {
	if p, ok := w.Policies[k]; ok {
		return p
	}
	switch k.Provider {
	case pim.Group:
		return policy.Policy{Rules: policy.ForGroup()}
	case pim.Resource:
		return policy.Policy{Rules: policy.ForResource()}
	case pim.Directory:
	}
	return policy.Policy{Rules: policy.ForDirectoryRole()}
}

// Keep takes up what follows from an ask.
func (w *World) Keep(o pim.Outcome) {
	if o.ValidationOnly {
		return
	}
	for _, r := range o.More {
		w.Requests[r.ID] = r
	}
	if o.Request != nil {
		w.Requests[o.Request.ID] = *o.Request
	}
	for _, s := range o.Schedules {
		w.Schedules[s.ID] = s
	}
	for _, e := range o.Effects {
		w.Effects[e.ID] = e
	}
	w.Events = append(w.Events, o.Events...)
	w.Notices = append(w.Notices, o.Notices...)
}

// Holds says whether a principal holds a role at an instant: by an assignment of its own, or of a group that it is in.
func (w *World) Holds(k pim.Key, at time.Time) bool {
	above := w.Above(k.Principal, at)
	for _, s := range w.Schedules {
		if s.Kind == pim.Assignment && reaches(s.Key, k) && slices.Contains(above, s.Key.Principal) && s.Holds(at) {
			return true
		}
	}
	return false
}

// Edges are all memberships, those that follow from schedules included.
func (w *World) Edges() iter.Seq[pim.Membership] { return slices.Values(w.memberships()) }

// memberships are all edges.
func (w *World) memberships() []pim.Membership {
	out := slices.Clone(w.Memberships)
	for _, s := range w.sorted() {
		if m, ok := s.Membership(); ok && s.Ending == pim.NotEnded {
			out = append(out, m)
		}
	}
	return out
}

// resting are the live activations that rest on what a case holds, and on each other in turn.
func (w *World) resting(k pim.Key) map[pim.ScheduleID]bool {
	edges := []pim.Key{k}
	rests := map[pim.ScheduleID]bool{}
	for n := -1; n != len(rests); {
		n = len(rests)
		for _, s := range w.Schedules {
			if s.Ending != pim.NotEnded || s.Type != pim.Activated || rests[s.ID] {
				continue
			}
			goesBy := slices.ContainsFunc(edges, func(e pim.Key) bool {
				return e.Provider == pim.Group && e.Role == pim.Member && s.GoesBy(e.Principal, pim.PrincipalID(e.Scope))
			})
			if goesBy || w.Schedules[s.Eligibility].Key == k {
				rests[s.ID] = true
				edges = append(edges, s.Key)
			}
		}
	}
	return rests
}

// Above returns a principal and all groups that it is in at an instant.
func (w *World) Above(p pim.PrincipalID, at time.Time) []pim.PrincipalID {
	out := []pim.PrincipalID{p}
	for i := 0; i < len(out); i++ {
		for _, m := range w.memberships() {
			if _, holds := m.At(at); m.Member == out[i] && holds && !slices.Contains(out, m.Group) {
				out = append(out, m.Group)
			}
		}
	}
	return out
}

// holders are the members of a group at an instant, as doors know them: by their names.
func (w *World) holders(group pim.PrincipalID, at time.Time, doors []pim.Door) []pim.Holder {
	var out []pim.Holder
	for id, p := range w.Principals {
		if p.Kind == pim.GroupPrincipal || !p.Enabled || !slices.Contains(w.Above(id, at), group) {
			continue
		}
		h := pim.Holder{Principal: id, Doors: slices.Clone(doors)}
		for i := range h.Doors {
			h.Doors[i].Account = string(id)
		}
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b pim.Holder) int { return strings.Compare(string(a.Principal), string(b.Principal)) })
	return out
}

// Due returns the clock's asks that are due at an instant, the earliest first.
func (w *World) Due(at time.Time) []pim.Ask {
	type due struct {
		at  time.Time
		ask pim.Ask
	}
	var all []due
	clock := pim.Caller{Actor: pim.Actor{Clock: true}}
	for _, s := range w.sorted() {
		if !s.Due.IsZero() && !s.Due.After(at) {
			all = append(all, due{s.Due, pim.Ask{By: clock, Action: pim.ScheduleDue, Target: s.ID}})
		}
	}
	for _, r := range w.Requests {
		if !r.Due.IsZero() && !r.Due.After(at) {
			all = append(all, due{r.Due, pim.Ask{By: clock, Action: pim.RequestDue, Request: r.ID}})
		}
	}
	slices.SortFunc(all, func(a, b due) int { return a.at.Compare(b.at) })
	asks := make([]pim.Ask, len(all))
	for i, d := range all {
		asks[i] = d.ask
	}
	return asks
}
