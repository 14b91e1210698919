package arm

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
)

// Role definitions: RoleDefinition (reference arm-pim §10).

const roleDefinitions = "roleDefinitions"

func roleDefinitionRoutes() []route {
	return []route{
		{get, under(roleDefinitions), listRoleDefinitions},
		{get, under(roleDefinitions + "/{name}"), getRoleDefinition},
		{put, under(roleDefinitions + "/{name}"), putRoleDefinition},
		{del, under(roleDefinitions + "/{name}"), deleteRoleDefinition},
	}
}

// appendRole writes a definition as it is seen at a scope.
func (c *call) appendRole(b []byte, at pim.Scope, r rbac.Role, x expansion) []byte {
	newer := c.since("2022-05-01")
	o := wire.New(b, nil)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("roleName", r.Name)
	p.Str("type", roleType(r))
	p.Str("description", r.Description)
	scopes := make([]string, len(r.Assignable))
	for i, s := range r.Assignable {
		scopes[i] = x.place(pim.Scope(s))
	}
	p.Texts("assignableScopes", scopes)
	p.Name("permissions")
	p.B = appendPermissions(p.B, r.Permissions, newer)
	if newer {
		p.Time("createdOn", r.Created)
		p.Time("updatedOn", r.Updated)
		p.Text("createdBy", r.CreatedBy)
		p.Text("updatedBy", r.UpdatedBy)
	}
	o.B = p.End()
	o.Str("id", roleID(string(at), pim.RoleID(r.ID)))
	o.Str("type", typeOf(roleDefinitions))
	o.Str("name", r.ID)
	return o.End()
}

// appendedRoles writes definitions.
func (c *call) appendedRoles(at pim.Scope, roles []rbac.Role) ([][]byte, error) {
	var refs []reference
	for _, r := range roles {
		for _, s := range r.Assignable {
			refs = append(refs, reference{scope: pim.Scope(s)})
		}
	}
	x, err := c.expand(refs...)
	if err != nil {
		return nil, err
	}
	rows := make([][]byte, len(roles))
	for i, r := range roles {
		rows[i] = c.appendRole(nil, at, r, x)
	}
	return rows, nil
}

func (c *call) oneRole(status int, at pim.Scope, r rbac.Role) (api.Answer, error) {
	rows, err := c.appendedRoles(at, []rbac.Role{r})
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(status, rows[0]), nil
}

func listRoleDefinitions(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	f, err := c.filter(filterWords{functions: []string{"atScope", "atScopeAndBelow"}, members: []string{"roleName", "type"}})
	if err != nil {
		return api.Answer{}, err
	}
	all, err := c.app.ResourceRoles(c.Context(), c.Caller, c.Tenant, n.Scope, f.has("atScopeAndBelow"))
	if err != nil {
		return api.Answer{}, c.at(n, err)
	}
	name, byName := f.is("roleName")
	kind, byKind := f.is("type")
	var roles []rbac.Role
	for _, r := range all {
		if (!byName || strings.EqualFold(name, r.Name)) && (!byKind || strings.EqualFold(kind, roleType(r))) {
			roles = append(roles, r)
		}
	}
	rows, err := c.appendedRoles(n.Scope, roles)
	if err != nil {
		return api.Answer{}, err
	}
	return c.page(rows, nil), nil
}

func getRoleDefinition(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	r, err := c.app.ResourceRole(c.Context(), c.Caller, c.Tenant, pim.RoleID(c.id("name")))
	if err != nil {
		return api.Answer{}, roleProblem(err)
	}
	return c.oneRole(http.StatusOK, n.Scope, r)
}

// roleDefinitionIn is a definition as callers send it; what only answers have is not listened to.
type roleDefinitionIn struct {
	RoleName         string         `json:"roleName"`
	Description      string         `json:"description"`
	AssignableScopes []string       `json:"assignableScopes"`
	Permissions      []permissionIn `json:"permissions"`
}

func putRoleDefinition(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	var in roleDefinitionIn
	if err := c.properties(&in); err != nil {
		return api.Answer{}, err
	}
	r, err := c.app.PutResourceRole(c.Context(), c.Caller, c.Tenant, rbac.Role{
		ID: c.id("name"), Name: strings.TrimSpace(in.RoleName), Description: in.Description, Assignable: in.AssignableScopes,
		Permissions: toPermissions(in.Permissions),
	})
	if err != nil {
		return api.Answer{}, roleProblem(err)
	}
	// Also where it was there before: the published answer is this one alone, and clients accept no other.
	return c.oneRole(http.StatusCreated, n.Scope, r)
}

// roleProblem tells what of a definition is wrong.
func roleProblem(err error) error {
	if r, ok := refusalOf(err); ok && (r.Code == pim.InvalidRequest || r.Code == pim.UnknownScope) {
		return &problem{Status: http.StatusBadRequest, Code: "InvalidRoleDefinition", Message: "The role definition is invalid: " + sentence(r.Field, r.Detail) + "."}
	}
	return err
}

func deleteRoleDefinition(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	r, err := c.app.DeleteResourceRole(c.Context(), c.Caller, c.Tenant, pim.RoleID(c.id("name")))
	if wire.Refused(err, pim.UnknownRole) {
		return api.Answer{Status: http.StatusNoContent}, nil
	}
	if err != nil {
		return api.Answer{}, roleProblem(err)
	}
	return c.oneRole(http.StatusOK, n.Scope, r)
}
