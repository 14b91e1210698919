package access

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

// tree is what is known of a tenant's resources. Like the snapshot that it belongs to it is never changed once published;
// a change copies the maps that it touches.
type tree struct {
	// parents and children are those of management groups and subscriptions. A list of children is ordered.
	parents  map[pim.Scope]pim.Scope
	children map[pim.Scope][]pim.Scope
	// roles are the custom ones. They and the denials are compiled.
	roles map[pim.RoleID]*rbac.Role
	// denials are those at each scope, and deniedAt says at which one is.
	denials  map[pim.Scope][]*rbac.Denial
	deniedAt map[string]pim.Scope
}

// depth is how many scopes are above one another where no more room is needed: as many as a path has segments, and as many
// management groups as sites have above one another.
const depth = 48

// deepest bounds every way up, so that containers in a circle, which no decision lets come about, do no harm.
const deepest = 256

// upwards yields a scope and what contains it, up to "/".
func (t *tree) upwards(s pim.Scope) iter.Seq[pim.Scope] {
	return func(yield func(pim.Scope) bool) {
		for range deepest {
			if !yield(s) || s == pim.Everywhere {
				return
			}
			s = t.parent(s)
		}
		yield(pim.Everywhere)
	}
}

// parent is what directly contains a scope. What nobody knows lies in "/".
func (t *tree) parent(s pim.Scope) pim.Scope {
	if above, ok := resource.Above(s); ok {
		return above
	}
	if above := t.parents[s]; above != "" {
		return above
	}
	return pim.Everywhere
}

// places returns the numbers of the scopes that contain a scope of a provider, the nearest first, as far as any grant names
// them.
func (s *snapshot) places(room []uint32, p pim.Provider, at pim.Scope) []uint32 {
	add := func(scope pim.Scope) {
		if n, named := s.scopes.find(s.hashScope(scope), scope); named {
			room = append(room, n)
		}
	}
	switch {
	case p == pim.Resource:
		return s.placesAbove(room, at)
	case p == pim.Directory && at != pim.Everywhere:
		add(at)
		add(pim.Everywhere)
	default:
		add(at)
	}
	return room
}

// placesAbove does so for scopes of resources. What contains a numbered scope by its path is numbered, too, and found without looking at
// its name.
func (s *snapshot) placesAbove(room []uint32, at pim.Scope) []uint32 {
	for range deepest {
		n, named := s.scopes.find(s.hashScope(at), at)
		if named {
			room = append(room, n)
			for above := s.within[n]; above != n; above = s.within[n] {
				n = above
				room = append(room, n)
			}
			at = s.scopes.keys[n]
		}
		if at == pim.Everywhere {
			return room
		}
		at = s.tree.parent(at)
	}
	return append(room, everywhere)
}

// below lists the containers at or below one, ordered.
func (t *tree) below(s pim.Scope) []pim.Scope {
	var all []pim.Scope
	if s == pim.Everywhere {
		return slices.Sorted(maps.Keys(t.parents))
	}
	if _, known := t.parents[s]; !known {
		return nil
	}
	seen := map[pim.Scope]bool{s: true}
	for queue := []pim.Scope{s}; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		for _, c := range t.children[queue[0]] {
			if !seen[c] {
				seen[c] = true
				queue = append(queue, c)
			}
		}
	}
	slices.Sort(all)
	return all
}

// treeEdit says which parts of the tree are the edit's own: the others are those of older snapshots, which are copied before
// they are changed.
type treeEdit struct {
	tree, containers, roles, denials, called bool
	children                                 map[pim.Scope]bool
}

// ownTree returns the tree for changing.
func (e *edit) ownTree() *tree {
	if !e.mine.tree {
		t := *e.tree
		e.tree, e.mine.tree = &t, true
	}
	return e.tree
}

func (e *edit) ownContainers() *tree {
	t := e.ownTree()
	if !e.mine.containers {
		t.parents, t.children = cloneMap(t.parents), cloneMap(t.children)
		e.mine.containers, e.mine.children = true, map[pim.Scope]bool{}
	}
	return t
}

// contain puts a management group or a subscription into its place.
func (e *edit) contain(n resource.Node) {
	if n.Kind != resource.ManagementGroup && n.Kind != resource.Subscription {
		return
	}
	parent := n.Parent
	if parent == "" {
		parent = pim.Everywhere
	}
	if was, known := e.tree.parents[n.Scope]; known && was == parent {
		return
	}
	e.clear(n.Scope)
	t := e.ownContainers()
	scope := cloned(n.Scope)
	parent = cloned(parent)
	t.parents[scope] = parent
	t.children[parent] = append(e.ownChildren(parent), scope)
}

func (e *edit) ownChildren(of pim.Scope) []pim.Scope {
	list := e.tree.children[of]
	if !e.mine.children[of] {
		e.mine.children[of] = true
		list = slices.Clone(list)
	}
	return list
}

// clear takes a container out of the tree.
func (e *edit) clear(s pim.Scope) {
	parent, known := e.tree.parents[s]
	if !known {
		return
	}
	t := e.ownContainers()
	delete(t.parents, s)
	left := slices.DeleteFunc(e.ownChildren(parent), func(c pim.Scope) bool { return c == s })
	if t.children[parent] = left; len(left) == 0 {
		delete(t.children, parent)
	}
}

// customRole puts a custom role in the place of what was known of it.
func (e *edit) customRole(r rbac.Role) {
	e.ownRoles().roles[pim.RoleID(r.ID)] = r.Compiled()
}

func (e *edit) forgetRole(id pim.RoleID) {
	if _, known := e.tree.roles[id]; known {
		delete(e.ownRoles().roles, id)
	}
}

func (e *edit) ownRoles() *tree {
	t := e.ownTree()
	if !e.mine.roles {
		t.roles, e.mine.roles = cloneMap(t.roles), true
	}
	return t
}

// deny puts a deny assignment in the place of what was known of it.
func (e *edit) deny(d rbac.Denial) {
	e.undeny(d.ID)
	t := e.ownDenials()
	scope := pim.Scope(d.Scope)
	t.denials[scope] = append(slices.Clone(t.denials[scope]), d.Compiled())
	t.deniedAt[d.ID] = scope
}

func (e *edit) undeny(id string) {
	at, known := e.tree.deniedAt[id]
	if !known {
		return
	}
	t := e.ownDenials()
	delete(t.deniedAt, id)
	left := slices.DeleteFunc(slices.Clone(t.denials[at]), func(d *rbac.Denial) bool { return d.ID == id })
	if t.denials[at] = left; len(left) == 0 {
		delete(t.denials, at)
	}
}

func (e *edit) ownDenials() *tree {
	t := e.ownTree()
	if !e.mine.denials {
		t.denials, t.deniedAt, e.mine.denials = cloneMap(t.denials), cloneMap(t.deniedAt), true
	}
	return t
}

// cloned is a copy of a text, lest it keeps the row alive that it came in.
func cloned[T ~string](s T) T { return T(strings.Clone(string(s))) }
