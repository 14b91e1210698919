package scim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	lib "github.com/elimity-com/scim"
	parser "github.com/scim2/filter-parser/v2"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Members are those whom the directory put into a group: grants without a request, of people and groups. What PIM gave
// for a time is neither shown nor taken.

// chunk is how many ids one question to the store names.
const chunk = 500

// memberships lists the memberships made outside PIM that match, that hold now.
func (c *call) memberships(where ...store.Filter) ([]pim.Key, error) {
	now := c.s.app.Time()
	q := store.Query{Tenant: c.Tenant, Limit: 1000, Where: append(store.And{
		store.Is(store.FieldProvider, string(pim.Group)), store.Is(store.FieldRole, string(pim.Member)),
		store.Is(store.FieldKind, int(pim.Assignment)), store.Is(store.FieldType, int(pim.Assigned)), store.LiveAt(now),
	}, where...)}
	var keys []pim.Key
	for {
		page, err := c.s.read.Schedules(c.Context(), q)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Rows {
			if s.Request == "" && s.Window.Contains(now) {
				keys = append(keys, s.Key)
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return keys, nil
		}
	}
}

// objectsByID reads many objects.
func (c *call) objectsByID(ids []pim.PrincipalID) (map[pim.PrincipalID]directory.Object, error) {
	out := make(map[pim.PrincipalID]directory.Object, len(ids))
	for part := range slices.Chunk(ids, chunk) {
		found, err := c.s.read.ObjectsByID(c.Context(), c.Tenant, part)
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			out[o.ID] = o
		}
	}
	return out, nil
}

// members are the members of groups as they are told.
func (c *call) members(of []directory.Object) (map[pim.PrincipalID][]any, error) {
	var keys []pim.Key
	for part := range slices.Chunk(of, chunk) {
		ids := make([]string, len(part))
		for i, o := range part {
			ids[i] = string(o.ID)
		}
		// A single group is asked for by itself: the store has an index for that.
		where := store.Filter(store.In{Field: store.FieldScope, Values: ids})
		if len(ids) == 1 {
			where = store.Is(store.FieldScope, ids[0])
		}
		some, err := c.memberships(where)
		if err != nil {
			return nil, err
		}
		keys = append(keys, some...)
	}
	ids := map[pim.PrincipalID]bool{}
	for _, k := range keys {
		ids[k.Principal] = true
	}
	objects, err := c.objectsByID(slices.Sorted(maps.Keys(ids)))
	if err != nil {
		return nil, err
	}
	out := map[pim.PrincipalID][]any{}
	for _, k := range keys {
		if m := c.member(objects[k.Principal]); m != nil {
			group := pim.PrincipalID(k.Scope)
			out[group] = append(out[group], m)
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(valueOf(a.(resource)), valueOf(b.(resource))) })
	}
	return out, nil
}

// member is one member as it is told; nil for what SCIM has no word for.
func (c *call) member(o directory.Object) resource {
	for _, k := range []*kind{c.s.users, c.s.groups} {
		if k.object == o.Kind && o.ID != "" {
			return resource{"value": string(o.ID), "type": k.name, "display": o.DisplayName, "$ref": c.location(k, o.ID)}
		}
	}
	return nil
}

// groupsOfUser are the groups that a user is in directly.
func (c *call) groupsOfUser(id pim.PrincipalID) ([]any, error) {
	keys, err := c.memberships(store.Is(store.FieldPrincipal, string(id)))
	if err != nil {
		return nil, err
	}
	ids := make([]pim.PrincipalID, len(keys))
	for i, k := range keys {
		ids[i] = pim.PrincipalID(k.Scope)
	}
	objects, err := c.objectsByID(ids)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, id := range ids {
		if o, ok := objects[id]; ok {
			out = append(out, resource{"value": string(id), "display": o.DisplayName, "type": "direct", "$ref": c.location(c.s.groups, id)})
		}
	}
	return out, nil
}

// groupsWith is the filter for the groups that somebody is in.
func (c *call) groupsWith(member string) (store.Filter, error) {
	keys, err := c.memberships(store.Is(store.FieldPrincipal, member))
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return store.Is(store.FieldID, "none"), nil
	}
	if len(keys) > maxCount {
		return nil, tooMany()
	}
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = string(k.Scope)
	}
	return store.In{Field: store.FieldID, Values: ids}, nil
}

// memberIDs are the ids in a list of members.
func memberIDs(v any) ([]pim.PrincipalID, error) {
	var out []pim.PrincipalID
	for _, m := range elements(v) {
		id := valueOf(m)
		if id == "" {
			return nil, invalidValue("members: a member has a value, which is an id.")
		}
		if strings.HasPrefix(strings.ToLower(id), bulkPrefix) {
			return nil, invalidValue("members: " + shortened(id) + " names no operation of a bulk request.")
		}
		out = append(out, pim.PrincipalID(id))
	}
	return out, nil
}

// suitable refuses members that are not there, or that SCIM has no word for.
func (c *call) suitable(ids []pim.PrincipalID) error {
	objects, err := c.objectsByID(ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if c.member(objects[id]) == nil {
			return invalidValue(fmt.Sprintf("members: %s is neither a user nor a group here.", shortened(string(id))))
		}
	}
	return nil
}

// membership is what operations, one after the other, say of a group's members.
type membership struct {
	// whole says that the members shall be exactly these; else these come and those go.
	whole      bool
	come, gone map[pim.PrincipalID]bool
}

func newMembership() *membership {
	return &membership{come: map[pim.PrincipalID]bool{}, gone: map[pim.PrincipalID]bool{}}
}

func (m *membership) replace(with []pim.PrincipalID) {
	m.whole = true
	clear(m.come)
	clear(m.gone)
	m.add(with)
}

func (m *membership) add(ids []pim.PrincipalID) {
	for _, id := range ids {
		m.come[id] = true
		delete(m.gone, id)
	}
}

func (m *membership) remove(ids []pim.PrincipalID) {
	for _, id := range ids {
		delete(m.come, id)
		m.gone[id] = true
	}
}

// apply takes an operation on all members.
func (m *membership) apply(op string, value any) error {
	ids, err := memberIDs(value)
	switch {
	case err != nil:
		return err
	case op == lib.PatchOperationAdd:
		m.add(ids)
	case op == lib.PatchOperationRemove && value != nil:
		m.remove(ids)
	default: // replaced, or removed without saying which
		m.replace(ids)
	}
	return nil
}

// some takes an operation on the members that a filter names by their ids.
func (m *membership) some(op string, filter parser.Expression) error {
	ids, ok := idsIn(filter)
	switch {
	case !ok:
		return bad(kindPath, `Members are named by their ids: members[value eq "…"].`)
	case op != lib.PatchOperationRemove:
		return bad(kindMutability, "A member is added and removed as a whole.")
	}
	m.remove(ids)
	return nil
}

// idsIn are the ids in a filter that says nothing else: value eq "a" or value eq "b".
func idsIn(e parser.Expression) ([]pim.PrincipalID, bool) {
	switch e := e.(type) {
	case *parser.AttributeExpression:
		id, ok := e.CompareValue.(string)
		return []pim.PrincipalID{pim.PrincipalID(id)}, ok && e.Operator == parser.EQ && strings.EqualFold(e.AttributePath.String(), "value")
	case *parser.LogicalExpression:
		left, ok := idsIn(e.Left)
		right, also := idsIn(e.Right)
		return append(left, right...), ok && also && e.Operator == parser.OR
	}
	return nil, false
}

// outstanding is what a membership says beyond what is so.
func (g groups) outstanding(o directory.Object, m *membership) (app.MembershipChange, error) {
	todo := app.MembershipChange{Lenient: true, Outside: true}
	todo.AddMembers, todo.RemoveMembers = slices.Sorted(maps.Keys(m.come)), slices.Sorted(maps.Keys(m.gone))
	if !m.whole {
		return todo, nil
	}
	have, err := g.members([]directory.Object{o})
	if err != nil {
		return todo, err
	}
	there := map[pim.PrincipalID]bool{}
	todo.RemoveMembers = nil
	for _, each := range elements(have[o.ID]) {
		id := pim.PrincipalID(valueOf(each))
		if there[id] = true; !m.come[id] {
			todo.RemoveMembers = append(todo.RemoveMembers, id)
		}
	}
	todo.AddMembers = slices.DeleteFunc(todo.AddMembers, func(id pim.PrincipalID) bool { return there[id] })
	return todo, nil
}
