package pimv2

import (
	"maps"
	"strings"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// Where resources are found: in the directory and in the tree, by their ids and by the keys of the core.

// tenantPlace is the one resource of directory roles.
func (c *call) tenantPlace() (place, error) {
	t, err := c.app.Tenant(c.Context(), c.Tenant)
	if err != nil {
		return place{}, err
	}
	return place{
		key: pim.RoleKey{Tenant: c.Tenant, Provider: pim.Directory, Scope: pim.Everywhere},
		id:  string(t.ID), externalID: string(t.ID), typ: "Directory", name: t.Name, registered: t.Created,
	}, nil
}

// groupPlace is a group as a resource.
func groupPlace(o directory.Object) place {
	p := place{
		key: pim.RoleKey{Tenant: o.Tenant, Provider: pim.Group, Scope: pim.Scope(o.ID)},
		id:  string(o.ID), externalID: string(o.ID), typ: "Security", name: o.DisplayName,
	}
	if o.Group != nil {
		p.registered = o.Group.Registered
	}
	return p
}

// nodePlaces are nodes as resources. What contains them is read along, for since when they are under PIM.
func (c *call) nodePlaces(nodes []resource.Node) ([]place, error) {
	around, err := c.containers(nodes)
	if err != nil {
		return nil, err
	}
	out := make([]place, len(nodes))
	for i, n := range nodes {
		out[i] = place{
			key: pim.RoleKey{Tenant: c.Tenant, Provider: pim.Resource, Scope: n.Scope},
			id:  resource.GovernanceID(n.Scope), externalID: externalIDOf(n), typ: typeOfNode(n), name: n.Title(),
			parent: n.Parent,
		}
		for at, ok := n, true; ok; at, ok = around[at.Parent] {
			if !at.Registered.IsZero() {
				out[i].registered, out[i].root = at.Registered, externalIDOf(at)
				break
			}
		}
	}
	return out, nil
}

// nodes reads those of the scopes at which something is: each once in a call, for what stands above one row stands above its
// neighbours too, and above the place that the address names.
func (c *call) nodes(scopes []pim.Scope) (map[pim.Scope]resource.Node, error) {
	out := make(map[pim.Scope]resource.Node, len(scopes))
	var ask []pim.Scope
	for _, s := range scopes {
		if n, ok := c.seen[s]; ok {
			out[s] = n
		} else {
			ask = append(ask, s)
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	found, err := c.app.NodesByScope(c.Context(), c.Tenant, ask)
	maps.Copy(c.seen, found)
	maps.Copy(out, found)
	return out, err
}

// deepest bounds how far up the tree is followed.
const deepest = 40

// containers reads what lies above nodes, level by level.
func (c *call) containers(nodes []resource.Node) (map[pim.Scope]resource.Node, error) {
	around := map[pim.Scope]resource.Node{}
	next := nodes
	for range deepest {
		wanted := map[pim.Scope]bool{}
		for _, n := range next {
			if _, known := around[n.Parent]; !known && n.Parent != "" && n.Kind != resource.Root {
				wanted[n.Parent] = true
			}
		}
		if len(wanted) == 0 {
			return around, nil
		}
		found, err := c.nodes(keysOf(wanted))
		if err != nil {
			return nil, err
		}
		next = nil
		for s, n := range found {
			around[s] = n
			next = append(next, n)
		}
	}
	return around, nil
}

func unknownResource() error {
	return &pim.Refusal{Code: pim.UnknownScope, Detail: "there is no such resource"}
}

// place is the resource with an id, for who can reach it. What they cannot reach and what is not there answer alike.
func (c *call) place(id string) (place, error) {
	p, err := c.anyPlace(id)
	if err != nil {
		return place{}, err
	}
	reaching, err := c.app.MayReach(c.Context(), c.Caller, p.key)
	if err == nil && reaching.Level == app.None {
		err = unknownResource()
	}
	p.reaching = reaching
	return p, err
}

// anyPlace is the resource with an id. Nothing is asked of the caller: whoever uses it asks.
func (c *call) anyPlace(id string) (place, error) {
	id = strings.ToLower(strings.TrimSpace(id))
	switch c.provider {
	case pim.Directory:
		if id == strings.ToLower(string(c.Tenant)) {
			return c.tenantPlace()
		}
	case pim.Group:
		found, err := c.places(map[pim.RoleKey]bool{{Tenant: c.Tenant, Provider: pim.Group, Scope: pim.Scope(id)}: true})
		for _, p := range found {
			return p, err
		}
		if err != nil {
			return place{}, err
		}
	case pim.Resource:
		found, err := c.app.NodesByGovernanceID(c.Context(), c.Tenant, []string{id})
		if err != nil {
			return place{}, err
		}
		if n, ok := found[id]; ok {
			c.seen[n.Scope] = n
			rows, err := c.nodePlaces([]resource.Node{n})
			if err != nil {
				return place{}, err
			}
			return rows[0], nil
		}
	}
	return place{}, unknownResource()
}

// places reads the resources of keys, which have no role.
func (c *call) places(keys map[pim.RoleKey]bool) (map[pim.RoleKey]place, error) {
	out := make(map[pim.RoleKey]place, len(keys))
	objects, nodes := map[pim.PrincipalID]bool{}, map[pim.Scope]bool{}
	for k := range keys {
		switch k.Provider {
		case pim.Directory:
			if k.Scope == pim.Everywhere {
				p, err := c.tenantPlace()
				if err != nil {
					return nil, err
				}
				out[k] = p
			} else {
				objects[pim.PrincipalID(scopedResource(k))] = true
			}
		case pim.Group:
			objects[pim.PrincipalID(k.Scope)] = true
		case pim.Resource:
			nodes[k.Scope] = true
		}
	}
	if err := c.objectPlaces(out, keys, objects); err != nil || len(nodes) == 0 {
		return out, err
	}
	found, err := c.nodes(keysOf(nodes))
	if err != nil {
		return nil, err
	}
	list := make([]resource.Node, 0, len(found))
	for _, n := range found {
		list = append(list, n)
	}
	rows, err := c.nodePlaces(list)
	for _, p := range rows {
		out[p.key] = p
	}
	return out, err
}

// objectPlaces adds those of the keys that name an object of the directory.
func (c *call) objectPlaces(out map[pim.RoleKey]place, keys map[pim.RoleKey]bool, ids map[pim.PrincipalID]bool) error {
	found, err := c.subjects(ids)
	for k := range keys {
		switch k.Provider {
		case pim.Directory:
			if o, ok := found[pim.PrincipalID(scopedResource(k))]; ok {
				out[k] = place{key: k, id: string(o.ID), externalID: string(k.Scope), typ: scopedType(o), name: o.DisplayName}
			}
		case pim.Group:
			if o, ok := found[pim.PrincipalID(k.Scope)]; ok && o.Kind == directory.KindGroup && o.Deleted.IsZero() {
				out[k] = groupPlace(o)
			}
		case pim.Resource:
		}
	}
	return err
}

// scopedResource is the id of what a role of the directory is narrowed to; empty: nothing.
func scopedResource(k pim.RoleKey) string {
	if k.Provider != pim.Directory {
		return ""
	}
	if unit, ok := k.Scope.Unit(); ok {
		return unit
	}
	id, _ := k.Scope.Object()
	return id
}

func scopedType(o directory.Object) string {
	if o.Kind == directory.KindAdministrativeUnit {
		return "AdministrativeUnit"
	}
	return subjectType(o)
}

// resourceKey is a key without its role and, for directory roles, at the tenant.
func resourceKey(k pim.RoleKey) pim.RoleKey {
	if k.Role = ""; k.Provider == pim.Directory {
		k.Scope = pim.Everywhere
	}
	return k
}
