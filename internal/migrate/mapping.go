package migrate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// Overrides say by hand what of a source is what at the target: ids by ids, in any letter case.
type Overrides struct {
	// Principals are users, groups (also as the places of their members and owners) and applications.
	Principals map[string]string `json:"principals"`
	// Roles are role definitions of directory roles and of resources.
	Roles map[string]string `json:"roles"`
	// Units are administrative units.
	Units map[string]string `json:"units"`
}

// maxOverrides bounds a file of overrides, in bytes.
const maxOverrides = 64 << 20

// ReadOverrides reads a file of overrides: a JSON object with the members principals, roles and units, each of them an object
// that leads from ids of the source to ids of the target.
func ReadOverrides(r io.Reader) (Overrides, error) {
	var o Overrides
	d := json.NewDecoder(io.LimitReader(r, maxOverrides))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return o, fmt.Errorf("the mapping is no object with principals, roles and units: %w", err)
	}
	for _, list := range []*map[string]string{&o.Principals, &o.Roles, &o.Units} {
		lower := make(map[string]string, len(*list))
		for from, to := range *list {
			lower[strings.ToLower(from)] = strings.ToLower(to)
		}
		*list = lower
	}
	return o, nil
}

// Mapping says what of a source is what at a target. What is not in it has no counterpart there, and a note says so.
type Mapping struct {
	// Principals and Roles lead from what the source names to what that is at the target.
	Principals map[string]string
	Roles      map[RoleRef]pim.RoleID
	// Notes say what has no counterpart, or several.
	Notes []Note
	units map[string]string
}

// Match finds what of a source is what at a target, which knows at least the principals and roles that Lookup adds. The same id is
// the same thing. Else a user is found by account, an application by its application id or its name, a group by its name, and a
// role by its name, where exactly one at the target has it. Custom roles that come with their definition count as found: they
// are made. What is said by hand stands above all of that.
func Match(source, target *Estate, by Overrides) Mapping {
	m := Mapping{Principals: map[string]string{}, Roles: map[RoleRef]pim.RoleID{}, units: by.Units}
	m.matchPrincipals(source, target, by.Principals)
	m.matchRoles(source, target, by.Roles)
	return m
}

// named is an index by name of what may not be unique.
type named map[string][]string

func (n named) add(kind any, name, id string) {
	if name != "" {
		key := fmt.Sprint(kind, "\x00", strings.ToLower(name))
		n[key] = append(n[key], id)
	}
}

func (n named) find(kind any, name string) []string {
	if name == "" {
		return nil
	}
	return n[fmt.Sprint(kind, "\x00", strings.ToLower(name))]
}

func (m *Mapping) matchPrincipals(source, target *Estate, by map[string]string) {
	accounts, names, twice := named{}, named{}, named{}
	for id, p := range target.Principals {
		accounts.add(p.Kind, p.Account, id)
		names.add(p.Kind, p.Name, id)
	}
	for id, p := range source.Principals {
		twice.add(p.Kind, p.Name, id)
	}
	for _, id := range slices.Sorted(maps.Keys(source.Principals)) {
		p := source.Principals[id]
		if to := by[strings.ToLower(id)]; to != "" {
			m.Principals[id] = to
			continue
		}
		if have, ok := target.Principals[id]; ok && (have.Kind == p.Kind || p.Kind == 0) {
			m.Principals[id] = id
			continue
		}
		found := accounts.find(p.Kind, p.Account)
		// A person's name names nobody for sure.
		if len(found) == 0 && p.Kind != pim.UserPrincipal && len(twice.find(p.Kind, p.Name)) == 1 {
			found = names.find(p.Kind, p.Name)
		}
		m.found(Unresolved, principalItem(p), found, func(to string) { m.Principals[id] = to })
	}
}

// found takes the one counterpart that there is, or notes that there is none or several.
func (m *Mapping) found(s Severity, item string, found []string, take func(string)) {
	switch len(found) {
	case 1:
		take(found[0])
	case 0:
		m.Notes = append(m.Notes, Note{s, item, "NotAtTarget", "nothing at the target has this id, account or name"})
	default:
		m.Notes = append(m.Notes, Note{s, item, "Ambiguous", fmt.Sprintf("%d at the target have this name", len(found))})
	}
}

func (m *Mapping) matchRoles(source, target *Estate, by map[string]string) {
	names := named{}
	for ref, r := range target.Roles {
		names.add(ref.Provider, r.Name, string(ref.Role))
	}
	for ref, r := range source.Roles {
		switch to := by[strings.ToLower(string(ref.Role))]; {
		case ref.Provider == pim.Group:
			m.Roles[ref] = ref.Role
			continue
		case to != "":
			m.Roles[ref] = pim.RoleID(to)
			continue
		}
		if _, ok := target.Roles[ref]; ok {
			m.Roles[ref] = ref.Role
			continue
		}
		found := names.find(ref.Provider, r.Name)
		if len(found) == 0 && r.Custom && r.Definition != nil {
			found = []string{string(ref.Role)}
		}
		m.found(Unresolved, roleItem(ref, r.Name), found, func(to string) { m.Roles[ref] = pim.RoleID(to) })
	}
}

// place is a place of the source as it is at the target; false: it has none there.
func (m Mapping) place(p Place) (Place, bool) {
	role, ok := m.Roles[RoleRef{p.Provider, p.Role}]
	if !ok && p.Provider == pim.Group {
		role, ok = p.Role, true
	}
	if !ok {
		return p, false
	}
	p.Role = role
	p.Scope, ok = m.scope(p.Provider, p.Scope)
	return p, ok
}

func (m Mapping) scope(p pim.Provider, s pim.Scope) (pim.Scope, bool) {
	switch p {
	case pim.Group:
		to, ok := m.Principals[string(s)]
		return pim.Scope(to), ok
	case pim.Directory:
		if unit, ok := s.Unit(); ok {
			if to := m.units[unit]; to != "" {
				return pim.AdministrativeUnit(to), true
			}
			return s, true
		}
		if object, ok := s.Object(); ok {
			if to := m.Principals[object]; to != "" {
				return pim.Scope("/" + to), true
			}
		}
		return s, true
	case pim.Resource:
	}
	return s, true
}

// rules are rules of the source as they are at the target, and the ids of those whom they name and the target does not have.
func (m Mapping) rules(r policy.Rules) (policy.Rules, []string) {
	r = r.Clone()
	var missing []string
	mapped := func(list []policy.Approver) []policy.Approver {
		out := make([]policy.Approver, 0, len(list))
		for _, a := range list {
			if a.Kind != policy.RequestorManager {
				to, ok := m.Principals[a.ID]
				if !ok {
					missing = append(missing, a.ID)
					continue
				}
				a.ID = to
			}
			out = append(out, a)
		}
		return out
	}
	for i := range r.Approval.Stages {
		s := &r.Approval.Stages[i]
		s.Approvers, s.Escalated = mapped(s.Approvers), mapped(s.Escalated)
	}
	for _, s := range []*policy.Set{&r.AdminEligibility, &r.AdminAssignment, &r.EndUserAssignment} {
		s.Expiration.Exceptions = mapped(s.Expiration.Exceptions)
	}
	var excluded []policy.Excluded
	for _, e := range r.PIMOnly.Excluded {
		to, ok := m.Principals[e.ID]
		if !ok {
			missing = append(missing, e.ID)
			continue
		}
		e.ID = to
		excluded = append(excluded, e)
	}
	r.PIMOnly.Excluded = excluded
	return r, missing
}

func kindWord(k pim.PrincipalKind) string {
	switch k {
	case pim.UserPrincipal:
		return "user"
	case pim.GroupPrincipal:
		return "group"
	case pim.ServicePrincipal:
		return "application"
	}
	return "principal"
}

func principalItem(p Principal) string {
	return strings.TrimSpace(kindWord(p.Kind) + " " + p.ID + " " + cmp.Or(p.Account, p.Name))
}

func roleItem(ref RoleRef, name string) string {
	return strings.TrimSpace(string(ref.Provider) + " role " + string(ref.Role) + " " + name)
}
