package pimv2

import (
	"maps"
	"strings"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// candidates are the roles of a place whose settings can pass a filter. There are hundreds of roles, and callers ask for the few that
// somebody edited, or for some by their ids: the settings of the others need not be made to be thrown away.
type candidates struct {
	// all says that nothing is known of them; else they are those that somebody edited and those with the ids.
	all, edited bool
	ids         map[string]bool
}

// candidatesOf reads them off a checked filter. A role that is none of them does not pass; one that is may still not.
func candidatesOf(e odata.Expr) candidates {
	switch e := e.(type) {
	case odata.And:
		out := candidates{all: true}
		for _, x := range e {
			if c := candidatesOf(x); c.fewerThan(out) {
				out = c
			}
		}
		return out
	case odata.Or:
		out := candidates{}
		for _, x := range e {
			out = out.with(candidatesOf(x))
		}
		return out
	case odata.In:
		return candidatesIn(e)
	case odata.Compare:
		if id, ok := equals(e, namesRole); ok {
			return candidates{ids: map[string]bool{id: true}}
		}
		if is, ok := e.Value.(odata.Bool); ok && e.Path.Wrap == odata.Plain && e.Path.Name() == "isDefault" &&
			(e.Op == odata.Eq && !bool(is) || e.Op == odata.Ne && bool(is)) {
			return candidates{edited: true}
		}
	case odata.Not, odata.Call, odata.Any, odata.All:
	}
	return candidates{all: true}
}

func candidatesIn(e odata.In) candidates {
	if e.Path.Wrap != odata.Plain || !namesRole(e.Path.Name()) {
		return candidates{all: true}
	}
	out := candidates{ids: map[string]bool{}}
	for _, v := range e.Values {
		if id, ok := v.(odata.String); ok { // no role is null
			out.ids[strings.ToLower(string(id))] = true
		}
	}
	return out
}

func (s candidates) with(other candidates) candidates {
	out := candidates{all: s.all || other.all, edited: s.edited || other.edited, ids: maps.Clone(s.ids)}
	if out.ids == nil {
		out.ids = map[string]bool{}
	}
	maps.Copy(out.ids, other.ids)
	return out
}

// fewerThan says which of two is worth looking at: ids cost least, and all the most.
func (s candidates) fewerThan(other candidates) bool { return s.cost() < other.cost() }

func (s candidates) cost() int {
	switch {
	case s.all:
		return 2
	case s.edited:
		return 1
	}
	return 0
}

// candidates are the settings of those at a place, in the order of the roles.
func (c *call) candidates(p place, some candidates) ([]setting, error) {
	found := map[pim.RoleKey]policy.Policy{}
	if some.edited {
		edited, err := c.app.EditedPolicies(c.Context(), c.Caller, p.key)
		if err != nil {
			return nil, err
		}
		found = edited
	}
	if len(found) == 0 && len(some.ids) == 0 {
		return nil, nil
	}
	keys, err := c.keysAt(p)
	if err != nil {
		return nil, err
	}
	var named []pim.RoleKey
	for _, k := range keys {
		if _, ok := found[k]; !ok && len(some.ids) > 0 && some.ids[governance.RoleDefinitionID(k)] {
			named = append(named, k)
		}
	}
	others, err := c.app.Policies(c.Context(), c.Caller, named)
	if err != nil {
		return nil, err
	}
	maps.Copy(found, others)
	var rows []setting
	for _, k := range keys {
		if p, ok := found[k]; ok {
			rows = append(rows, setting{key: k, policy: p})
		}
	}
	return rows, nil
}
