package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.id, b.id))
}

// compareDue sorts by instant; of one instant, schedules come first.
func compareDue(a, b store.Due) int {
	rank := func(d store.Due) int {
		if d.Request != "" {
			return 1
		}
		return 0
	}
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Key.Tenant, b.Key.Tenant),
		cmp.Compare(a.Schedule, b.Schedule), cmp.Compare(a.Request, b.Request))
}

// Case implements store.Cases.
func (m *Model) Case(ctx context.Context, n pim.Need) (pim.Case, error) {
	cs, err := m.Cases(ctx, []pim.Need{n})
	if err != nil {
		return pim.Case{}, err
	}
	if cs[0].Key == (pim.Key{}) {
		return pim.Case{}, store.ErrNotFound
	}
	return cs[0], nil
}

// Cases implements store.Cases.
func (m *Model) Cases(ctx context.Context, needs []pim.Need) ([]pim.Case, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	cs := make([]pim.Case, len(needs))
	for i, n := range needs {
		cs[i] = kept(m.read(n))
	}
	return cs, nil
}

func (m *Model) read(n pim.Need) pim.Case {
	k := n.Key
	if n.Request != "" {
		k = m.requests[rowOf(n.Key.Tenant, n.Request)].Key
	} else if n.Schedule != "" {
		k = m.schedules[rowOf(n.Key.Tenant, n.Schedule)].Key
	}
	c := pim.Case{Key: k}
	if n.Key.Principal != "" && k != n.Key {
		return pim.Case{}
	}
	if k == (pim.Key{}) {
		return c
	}
	c.Version = m.versions[k]
	c.Principal = m.principal(k.Tenant, k.Principal)
	c.Policy = m.policies[k.Policy()]
	c.Schedules = m.schedulesWhere(func(s pim.Schedule) bool {
		renewable := s.Ending == pim.Expired && s.Type == pim.Assigned
		return s.Key == k && (s.Ending == pim.NotEnded || renewable || s.ID == n.Schedule && n.Request == "")
	})
	for _, r := range m.requests {
		if r.Key == k && (r.Status.Open() || r.ID == n.Request) {
			c.Requests = append(c.Requests, r)
		}
	}
	slices.SortFunc(c.Requests, func(a, b pim.Request) int { return cmp.Compare(a.ID, b.ID) })
	c.Effects = m.openEffects(func(e pim.Effect) bool { return e.Key == k })
	if !n.Clock {
		c.Actor = m.principal(k.Tenant, n.Actor)
		c.Memberships = m.climb(k.Tenant, k.Principal, n.Actor)
		m.readRole(&c)
		m.readScope(&c)
	}
	if n.Backing {
		c.Backing = m.backing(k)
	}
	if n.Dependents {
		c.Dependents = m.dependents(k)
	}
	if n.Administrators {
		c.Administrators = m.standings(k.Tenant)
		c.AdministratorsVersion = m.versions[pim.AdministratorsKey(k.Tenant)]
	}
	return c
}

// schedulesWhere returns schedules ordered by their ids.
func (m *Model) schedulesWhere(which func(pim.Schedule) bool) []pim.Schedule {
	var ss []pim.Schedule
	for _, s := range m.schedules {
		if which(s) {
			ss = append(ss, s)
		}
	}
	slices.SortFunc(ss, func(a, b pim.Schedule) int { return cmp.Compare(a.ID, b.ID) })
	return ss
}

func (m *Model) principal(t pim.TenantID, id pim.PrincipalID) pim.Principal {
	if o, ok := m.objects[rowOf(t, id)]; ok {
		return o.Principal()
	}
	return pim.Principal{}
}

func (m *Model) openEffects(which func(pim.Effect) bool) (es []pim.Effect) {
	for _, e := range m.effects {
		if e.State != pim.Gone && which(e.Effect) {
			es = append(es, e.Effect)
		}
	}
	slices.SortFunc(es, func(a, b pim.Effect) int { return cmp.Compare(a.ID, b.ID) })
	return es
}

// climb follows memberships up until nothing new is found.
func (m *Model) climb(t pim.TenantID, from ...pim.PrincipalID) []pim.Membership {
	reached := map[pim.PrincipalID]bool{}
	for _, id := range from {
		reached[id] = id != ""
	}
	found := map[edge]pim.Membership{}
	for n := -1; n != len(found); {
		n = len(found)
		for k, l := range m.links {
			if l.Tenant == t && l.Relation == directory.MemberOf && reached[l.To] {
				reached[l.From] = true
				found[k] = l.Membership()
			}
		}
	}
	var ms []pim.Membership
	for _, e := range found {
		e.Version = m.versions[membershipKey(t, e.Member, e.Group)]
		ms = append(ms, e)
	}
	slices.SortFunc(ms, func(a, b pim.Membership) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Member, b.Member), cmp.Compare(a.Schedule, b.Schedule))
	})
	return ms
}

func membershipKey(t pim.TenantID, member, group pim.PrincipalID) pim.Key {
	return pim.Key{Tenant: t, Provider: pim.Group, Scope: pim.Scope(group), Role: pim.Member, Principal: member}
}

func (m *Model) readRole(c *pim.Case) {
	o := m.objects[rowOf(c.Key.Tenant, c.Key.Role)]
	switch {
	case c.Key.Provider == pim.Resource:
		if r := o.ResourceRole; r != nil {
			c.Role = pim.Role{ID: c.Key.Role, Name: o.DisplayName, Enabled: o.Enabled}
			for _, s := range r.Assignable {
				c.Role.Assignable = append(c.Role.Assignable, pim.Scope(s))
			}
		}
	case o.Role != nil:
		c.Role = pim.Role{ID: c.Key.Role, Name: o.DisplayName, Enabled: o.Role.Enabled}
	}
}

func (m *Model) readScope(c *pim.Case) {
	k := c.Key
	there := func(id string, kind directory.Kind) bool {
		o, ok := m.objects[rowOf(k.Tenant, id)]
		return ok && (kind == 0 || o.Kind == kind)
	}
	switch k.Provider {
	case pim.Directory:
		if k.Scope == pim.Everywhere {
			c.ScopeKnown = true
			return
		}
		if unit, ok := k.Scope.Unit(); ok {
			c.ScopeKnown = there(unit, directory.KindAdministrativeUnit)
		} else if id, ok := k.Scope.Object(); ok {
			c.ScopeKnown = there(id, 0)
		}
		c.Wider = m.wider(k)
	case pim.Group:
		c.ScopeKnown = there(string(k.Scope), directory.KindGroup)
		c.Onto = m.objects[rowOf(k.Tenant, k.Scope)].GroupFacts()
	case pim.Resource:
		_, there := m.resources[rowOf(k.Tenant, k.Scope)]
		c.ScopeKnown, c.Wider = there || k.Scope == pim.Everywhere, m.wider(k)
	}
}

// wider lists the scopes that contain the key's: the units of the object, or what contains the resource, and the whole tenant.
func (m *Model) wider(k pim.Key) (scopes []pim.Scope) {
	if k.Provider == pim.Resource {
		return m.containing(k)
	}
	if k.Provider != pim.Directory || k.Scope == pim.Everywhere {
		return nil
	}
	if id, ok := k.Scope.Object(); ok {
		for _, l := range m.links {
			if l.Tenant == k.Tenant && l.Relation == directory.UnitMember && string(l.To) == id {
				scopes = append(scopes, pim.AdministrativeUnit(string(l.From)))
			}
		}
	}
	slices.Sort(scopes)
	return append(scopes, pim.Everywhere)
}

func (m *Model) backing(k pim.Key) (bs []pim.Backing) {
	holders := map[pim.PrincipalID]bool{k.Principal: true}
	for _, e := range m.climb(k.Tenant, k.Principal) {
		holders[e.Group] = true
	}
	scopes := append(m.wider(k), k.Scope)
	for _, s := range m.schedulesWhere(func(s pim.Schedule) bool {
		return s.Kind == pim.Eligibility && s.Ending == pim.NotEnded && s.Key.Tenant == k.Tenant && s.Key.Provider == k.Provider &&
			s.Key.Role == k.Role && holders[s.Key.Principal] && slices.Contains(scopes, s.Key.Scope)
	}) {
		bs = append(bs, pim.Backing{Schedule: s, Version: m.versions[s.Key]})
	}
	return bs
}

// dependents follows what rests on the case's eligibilities and, of members of groups, on the membership and on each that
// rests on it in turn.
func (m *Model) dependents(k pim.Key) (ds []pim.Dependent) {
	member := func(k pim.Key) bool { return k.Provider == pim.Group && k.Role == pim.Member }
	lost := map[[2]pim.PrincipalID]bool{}
	if member(k) {
		lost[[2]pim.PrincipalID{k.Principal, pim.PrincipalID(k.Scope)}] = true
	}
	rests := map[pim.ScheduleID]bool{}
	for n := -1; n != len(rests); {
		n = len(rests)
		for _, s := range m.schedulesWhere(func(s pim.Schedule) bool {
			return s.Key.Tenant == k.Tenant && s.Ending == pim.NotEnded && s.Type == pim.Activated
		}) {
			e, ok := m.schedules[rowOf(k.Tenant, s.Eligibility)]
			resting := ok && e.Key == k && e.Kind == pim.Eligibility
			for l := range lost {
				resting = resting || s.GoesBy(l[0], l[1]) && m.below(k, s.Key.Principal)
			}
			if resting {
				rests[s.ID] = true
				if member(k) && member(s.Key) && s.Kind == pim.Assignment {
					lost[[2]pim.PrincipalID{s.Key.Principal, pim.PrincipalID(s.Key.Scope)}] = true
				}
			}
		}
	}
	for _, s := range m.schedulesWhere(func(s pim.Schedule) bool { return s.Key.Tenant == k.Tenant && rests[s.ID] }) {
		d := pim.Dependent{
			Schedule: s, Version: m.versions[s.Key], Principal: m.principal(k.Tenant, s.Key.Principal),
			Effects: m.openEffects(func(f pim.Effect) bool { return f.Tenant == k.Tenant && f.Schedule == s.ID }),
		}
		if r, ok := m.requests[rowOf(k.Tenant, s.Request)]; ok && r.Status.Open() {
			d.Request = &r
		}
		ds = append(ds, d)
	}
	return ds
}

// below says whether somebody is the case's principal, or linked into it by whatever time.
func (m *Model) below(k pim.Key, p pim.PrincipalID) bool {
	return p == k.Principal || slices.ContainsFunc(m.climb(k.Tenant, p), func(e pim.Membership) bool { return e.Group == k.Principal })
}

func (m *Model) standings(t pim.TenantID) (ss []pim.Standing) {
	all := pim.AdministratorsKey(t)
	for _, s := range m.schedulesWhere(func(s pim.Schedule) bool {
		k := all
		k.Principal = s.Key.Principal
		o, ok := m.objects[rowOf(t, s.Key.Principal)]
		return s.Key == k && s.Ending == pim.NotEnded && s.Type == pim.Assigned && ok && o.Kind == directory.KindUser && o.Enabled
	}) {
		ss = append(ss, pim.Standing{Schedule: s.ID, Kind: s.Kind, During: s.Window})
	}
	return ss
}

func fold(s string) string { return strings.ToLower(s) }
