package arm

import (
	"slices"

	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

// reference is what a row points to.
type reference struct {
	scope     pim.Scope
	role      pim.RoleID
	principal pim.PrincipalID
}

// expansion is what the rows of a page point to, each thing read once.
type expansion struct {
	nodes      map[pim.Scope]resource.Node
	roles      map[pim.RoleID]rbac.Role
	principals map[pim.PrincipalID]directory.Object
}

// expand reads what rows point to. What is empty or gone is told without a name.
func (c *call) expand(refs ...reference) (expansion, error) {
	var scopes []pim.Scope
	var roles []pim.RoleID
	var principals []pim.PrincipalID
	for _, r := range refs {
		scopes, roles, principals = append(scopes, r.scope), append(roles, r.role), append(principals, r.principal)
	}
	x := expansion{principals: map[pim.PrincipalID]directory.Object{}, roles: c.app.ResourceRolesByID(c.Tenant, distinct(roles))}
	var err error
	if x.nodes, err = c.app.NodesByScope(c.Context(), c.Tenant, distinct(scopes)); err != nil {
		return x, err
	}
	objects, err := c.app.Store.ObjectsByID(c.Context(), c.Tenant, distinct(principals))
	for _, o := range objects {
		x.principals[o.ID] = o
	}
	return x, err
}

// distinct are the different ids of a list that are not empty.
func distinct[T ~string](ids []T) []T {
	ids = slices.DeleteFunc(ids, func(id T) bool { return id == "" })
	slices.Sort(ids)
	return slices.Compact(ids)
}

// node is what is at a scope, or what its path tells of it.
func (x expansion) node(s pim.Scope) resource.Node {
	if n, ok := x.nodes[s]; ok {
		return n
	}
	n, err := resource.Parse(string(s))
	if err != nil { // scopes are paths that were parsed
		n.ID = string(s)
	}
	return n
}

// place is a scope in the spelling in which it is shown.
func (x expansion) place(s pim.Scope) string { return x.node(s).ID }

// principalType is the kind of a principal, for one that is gone the one that most are of.
func (x expansion) principalType(id pim.PrincipalID) string {
	switch x.principals[id].Kind { //nolint:exhaustive // the others are no principals
	case directory.KindGroup:
		return "Group"
	case directory.KindServicePrincipal:
		return "ServicePrincipal"
	}
	return "User"
}

// scopeType is the word for what a scope names (reference arm-pim §2).
func scopeType(n resource.Node) string {
	switch n.Kind {
	case resource.Root:
		return "directory"
	case resource.ManagementGroup:
		return "managementgroup"
	case resource.Subscription:
		return "subscription"
	case resource.Group:
		return "resourcegroup"
	case resource.Resource:
	}
	return n.Type
}

// writeScope writes what a row says of its scope.
func (x expansion) writeScope(o *wire.Object, s pim.Scope) {
	n := x.node(s)
	o.Name("scope")
	of := wire.New(o.B, nil)
	of.Str("id", n.ID)
	if _, there := x.nodes[s]; there {
		of.Str("displayName", n.Title())
	} else {
		of.Null("displayName")
	}
	of.Str("type", scopeType(n))
	o.B = of.End()
}

// writeRole writes what a row at a scope says of its role.
func (x expansion) writeRole(o *wire.Object, s pim.Scope, id pim.RoleID) {
	role := x.roles[id]
	o.Name("roleDefinition")
	of := wire.New(o.B, nil)
	writeRoleID(&of, "id", string(s), id)
	of.Text("displayName", role.Name)
	of.Str("type", roleType(role))
	o.B = of.End()
}

// roleType is the word for where a role comes from.
func roleType(r rbac.Role) string {
	if r.BuiltIn {
		return "BuiltInRole"
	}
	return "CustomRole"
}

// mail is the address of a person, or the name by which they sign in; empty for all others.
func (x expansion) mail(id pim.PrincipalID) string {
	u := x.principals[id].User
	switch {
	case u == nil:
		return ""
	case u.Mail == "":
		return u.PrincipalName
	}
	return u.Mail
}

// writePrincipal writes what a row says of its principal.
func (x expansion) writePrincipal(o *wire.Object, id pim.PrincipalID) {
	o.Name("principal")
	of := wire.New(o.B, nil)
	of.Str("id", string(id))
	of.Text("displayName", x.principals[id].DisplayName)
	of.Text("email", x.mail(id))
	of.Str("type", x.principalType(id))
	o.B = of.End()
}

// write writes expandedProperties, which clients look into without asking whether anything is there.
func (x expansion) write(o *wire.Object, r reference) {
	o.Name("expandedProperties")
	e := wire.New(o.B, nil)
	x.writeScope(&e, r.scope)
	x.writeRole(&e, r.scope, r.role)
	x.writePrincipal(&e, r.principal)
	o.B = e.End()
}
