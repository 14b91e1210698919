package pimtest

import (
	"slices"
	"strings"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/schedule"
)

// Resources makes places, named by their paths, such as "/one/rg-1", with all that contains them. Root is Owner of everything then.
// Roles of resources are told as "Reader on /one/rg-1"; Owner, Access Administrator and Reader allow something.
func (s *Story) Resources(paths ...string) {
	for _, p := range paths {
		for _, at := range around(pim.Scope(p)) {
			s.World.Places[at] = true
		}
	}
	for name, action := range map[string]string{"Owner": "*", "Access Administrator": "Microsoft.Authorization/*", "Reader": "*/read"} {
		id := s.resourceRole(name)
		s.World.Definitions[id] = rbac.Role{ID: string(id), Permissions: []rbac.Permission{{Actions: []string{action}}}}.Compiled()
	}
	s.has("root", "Owner on /", "")
}

// has gives somebody a role of resources outside PIM, as it was before the story, under a condition or, if that is empty, none.
func (s *Story) has(who, role, condition string) {
	s.Person(who)
	k := s.key(who, role)
	id := pim.ScheduleID(who + " is " + role)
	s.World.Schedules[id] = pim.Schedule{ID: id, Key: k, Kind: pim.Assignment, Type: pim.Assigned, Open: true,
		Window: schedule.Window{Start: s.Now}, Created: s.Now, Condition: condition}
}

// Delegates makes somebody an Access Administrator who may give and take only what a condition allows.
func (s *Story) Delegates(who, at, condition string) {
	s.has(who, "Access Administrator on "+at, condition)
}

func (s *Story) resourceRole(name string) pim.RoleID {
	id := pim.RoleID("resource-" + strings.ReplaceAll(strings.ToLower(name), " ", "-"))
	if _, ok := s.World.Roles[id]; !ok {
		s.World.Roles[id] = pim.Role{ID: id, Name: name, BuiltIn: true, Enabled: true}
	}
	return id
}

// RoleIs changes what is known of a role.
func (s *Story) RoleIs(role string, change func(*pim.Role)) {
	r := s.World.Roles[s.key("root", role).Role]
	change(&r)
	s.World.Roles[r.ID] = r
}

// around are a place and all that contains it, the nearest first.
func around(at pim.Scope) []pim.Scope {
	out := []pim.Scope{at}
	for at != pim.Everywhere {
		up := at[:strings.LastIndexByte(string(at), '/')]
		if at = up; at == "" {
			at = pim.Everywhere
		}
		out = append(out, at)
	}
	return out
}

// reaches says whether what is held by one key is held where another one is.
func reaches(held, k pim.Key) bool {
	if held.Role != k.Role || held.Provider != k.Provider {
		return false
	}
	switch k.Provider {
	case pim.Directory:
		return true
	case pim.Group:
		return held.Scope == k.Scope
	case pim.Resource:
		return slices.Contains(around(k.Scope), held.Scope)
	}
	return false
}

// rights are what somebody may do to resources by what a world tells.
type rights struct {
	*World
	who pim.PrincipalID
	now time.Time
}

// May implements pim.Rights.
func (r rights) May(op rbac.Operation, at pim.Scope, about abac.Attributes) rbac.Verdict {
	var grants []rbac.Grant
	above := r.Above(r.who, r.now)
	for _, s := range r.sorted() {
		role := r.Definitions[s.Key.Role]
		if role == nil || s.Kind != pim.Assignment || !s.Holds(r.now) || !slices.Contains(above, s.Key.Principal) || !slices.Contains(around(at), s.Key.Scope) {
			continue
		}
		g := rbac.Grant{Role: role}
		if s.Condition != "" {
			g.Condition = abac.Stored(s.Condition)
		}
		grants = append(grants, g)
	}
	return rbac.Decide(nil, grants, op, about)
}
