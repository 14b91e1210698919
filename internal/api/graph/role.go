package graph

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Role definitions: unifiedRoleDefinition (learn.microsoft.com/graph/api/resources/unifiedroledefinition).

func roleProperties(beta bool) []odata.Property {
	list := []odata.Property{
		idProperty("id"),
		{Name: "displayName", Kind: odata.KindText, Filterable: true, Sortable: true},
		textProperty("description"),
		boolProperty("isBuiltIn"), boolProperty("isEnabled"),
		idProperty("templateId"), textProperty("version"),
		{Name: "resourceScopes", Kind: odata.KindCollection, Element: odata.KindString},
		{Name: "rolePermissions", Kind: odata.KindCollection, Element: odata.KindString},
	}
	if beta {
		list = append(list, boolProperty("isPrivileged"), enumProperty("allowedPrincipalTypes", "user", "servicePrincipal", "group"))
	}
	return list
}

// permissionOut is unifiedRolePermission.
type permissionOut struct {
	Allowed   []string `json:"allowedResourceActions"`
	Excluded  []string `json:"excludedResourceActions"`
	Condition *string  `json:"condition"`
}

func writeRole(c *call, o *object, r app.RoleDefinition) {
	o.Text("id", string(r.ID))
	o.Text("description", r.Description)
	o.Text("displayName", r.Name)
	o.Bool("isBuiltIn", r.BuiltIn)
	o.Bool("isEnabled", r.Enabled)
	o.Texts("resourceScopes", []string{"/"})
	o.Text("templateId", templateID(r))
	o.Text("version", roleVersion(r))
	if o.Member("rolePermissions") {
		o.B = append(o.B, wire.MustJSON(permissionsOf(r))...)
	}
	if c.beta {
		o.Bool("isPrivileged", r.Privileged)
		o.Str("allowedPrincipalTypes", "user,servicePrincipal,group")
	}
}

// permissionsOf are the actions of a role in the blocks in which they came: callers compare them with what they sent.
func permissionsOf(r app.RoleDefinition) []permissionOut {
	rest, blocks := r.Actions, r.Blocks
	if len(blocks) == 0 {
		blocks = []int{len(rest)}
	}
	out := make([]permissionOut, 0, len(blocks))
	for _, n := range blocks {
		n = min(n, len(rest))
		out = append(out, permissionOut{Allowed: append([]string{}, rest[:n]...), Excluded: []string{}})
		rest = rest[n:]
	}
	return out
}

// writeExpandedRole writes a role beside a row of PIM, where the service leaves its permissions out.
func writeExpandedRole(c *call, o *object, r app.RoleDefinition) {
	o.Text("id", string(r.ID))
	o.Text("description", r.Description)
	o.Text("displayName", r.Name)
	o.Bool("isBuiltIn", r.BuiltIn)
	o.Bool("isEnabled", r.Enabled)
	o.Texts("resourceScopes", nil)
	o.Text("templateId", templateID(r))
	o.Null("version")
	o.Texts("rolePermissions", nil)
	if c.beta {
		o.Bool("isPrivileged", r.Privileged)
		o.Str("allowedPrincipalTypes", "user,servicePrincipal,group")
	}
}

func templateID(r app.RoleDefinition) string {
	if r.TemplateID == "" {
		return string(r.ID)
	}
	return r.TemplateID
}

func roleVersion(r app.RoleDefinition) string {
	if r.BuiltIn {
		return "1"
	}
	return r.Version
}

func roleValue(_ *call, r app.RoleDefinition, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return string(r.ID)
	case "displayName":
		return r.Name
	case "description":
		return listing.TextValue(r.Description)
	case "isBuiltIn":
		return r.BuiltIn
	case "isEnabled":
		return r.Enabled
	case "templateId":
		return templateID(r)
	case "version":
		return listing.TextValue(roleVersion(r))
	case "isPrivileged":
		return r.Privileged
	}
	return nil
}

// relateRolesInherited loads the roles that roles inherit from.
func relateRolesInherited(c *call, expands []odata.Expand, rows []app.RoleDefinition) ([]related, error) {
	var out []related
	for _, e := range expands {
		wanted := map[pim.RoleID]bool{}
		for _, r := range rows {
			for _, id := range r.Inherits {
				wanted[pim.RoleID(id)] = true
			}
		}
		roles, err := c.rolesOf(wanted)
		if err != nil {
			return nil, err
		}
		encoded, err := listing.Encode(c, &c.roleDefinition, e.Query, false, roles)
		if err != nil {
			return nil, err
		}
		out = append(out, relateList(e.Path, func(i int) [][]byte {
			var list [][]byte
			for n, r := range roles {
				if slices.Contains(rows[i].Inherits, string(r.ID)) {
					list = append(list, encoded[n])
				}
			}
			return list
		}))
	}
	return out, nil
}

func listRoles(c *call) (api.Answer, error) {
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.roleDefinition, roles)
}

// findRole returns the role with an id or template id.
func (c *call) findRole(id string) (app.RoleDefinition, error) {
	r, err := c.app.Role(c.Context(), c.Tenant, pim.RoleID(id))
	if wire.Refused(err, pim.UnknownRole) {
		return r, notFound(id)
	}
	return r, err
}

func getRole(c *call) (api.Answer, error) {
	r, err := c.findRole(c.id("id"))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.roleDefinition, http.StatusOK, r)
}

func inheritsPermissionsFrom(c *call) (api.Answer, error) {
	r, err := c.findRole(c.id("id"))
	if err != nil {
		return api.Answer{}, err
	}
	wanted := map[pim.RoleID]bool{}
	for _, id := range r.Inherits {
		wanted[pim.RoleID(id)] = true
	}
	roles, err := c.rolesOf(wanted)
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.roleDefinition, roles)
}

// roleIn is the body of a custom role definition. Members that are absent stay as they are.
type roleIn struct {
	DisplayName     *string        `json:"displayName"`
	Description     *string        `json:"description"`
	IsEnabled       *bool          `json:"isEnabled"`
	TemplateID      *string        `json:"templateId"`
	Version         *string        `json:"version"`
	ResourceScopes  *[]string      `json:"resourceScopes"`
	RolePermissions []permissionIn `json:"rolePermissions"`
}

type permissionIn struct {
	Allowed   []string `json:"allowedResourceActions"`
	Condition *string  `json:"condition"`
}

// Bounds of a custom role.
const (
	maxName    = 256
	maxText    = 1024
	maxActions = 1000
)

// apply changes a definition. The error is a *problem.
func (in roleIn) apply(o *directory.Object) error {
	if in.DisplayName != nil {
		o.DisplayName = strings.TrimSpace(*in.DisplayName)
	}
	if in.Description != nil {
		o.Description = *in.Description
	}
	if o.DisplayName == "" || len(o.DisplayName) > maxName || len(o.Description) > maxText {
		return badRequest("displayName must have 1 to %d bytes, description at most %d.", maxName, maxText)
	}
	if o.Role == nil {
		o.Role = &directory.Role{}
	}
	if in.IsEnabled != nil {
		o.Role.Enabled = *in.IsEnabled
	}
	if in.Version != nil {
		o.Role.Version = *in.Version
	}
	if in.TemplateID != nil && *in.TemplateID != "" {
		o.Role.TemplateID = strings.ToLower(*in.TemplateID)
	}
	return in.applyPermissions(o.Role)
}

func (in roleIn) applyPermissions(r *directory.Role) error {
	if in.RolePermissions == nil {
		return nil
	}
	var actions []string
	var blocks []int
	for _, p := range in.RolePermissions {
		block := slices.Clone(p.Allowed)
		slices.Sort(block)
		block = slices.Compact(block)
		actions, blocks = append(actions, block...), append(blocks, len(block))
		if p.Condition != nil && *p.Condition != "" {
			r.Condition = *p.Condition
		}
	}
	if len(actions) > maxActions {
		return badRequest("A role has at most %d actions.", maxActions)
	}
	for _, a := range actions {
		if a == "" || len(a) > maxName || !strings.Contains(a, "/") {
			return badRequest("'%.100s' is not a resource action.", a)
		}
	}
	if len(blocks) == 1 {
		blocks = nil
	}
	r.Actions, r.Blocks = actions, blocks
	return nil
}

func createRole(c *call) (api.Answer, error) {
	var in roleIn
	if err := listing.Decode(c, &c.roleDefinition, &in); err != nil {
		return api.Answer{}, err
	}
	if in.DisplayName == nil || in.IsEnabled == nil || in.RolePermissions == nil {
		return api.Answer{}, badRequest("displayName, isEnabled and rolePermissions are required.")
	}
	r, err := c.editor.CreateRole(c.Context(), c.Caller, c.Tenant, in.apply)
	if err != nil {
		return api.Answer{}, roleProblem(err)
	}
	return listing.One(c, &c.roleDefinition, http.StatusCreated, r)
}

func updateRole(c *call) (api.Answer, error) {
	var in roleIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	if _, err := c.findRole(c.id("id")); err != nil {
		return api.Answer{}, err
	}
	if _, err := c.editor.UpdateRole(c.Context(), c.Caller, c.Tenant, pim.RoleID(c.id("id")), in.apply); err != nil {
		return api.Answer{}, roleProblem(err)
	}
	return noContent()
}

func deleteRole(c *call) (api.Answer, error) {
	if _, err := c.findRole(c.id("id")); err != nil {
		return api.Answer{}, err
	}
	if err := c.editor.DeleteRole(c.Context(), c.Caller, c.Tenant, pim.RoleID(c.id("id"))); err != nil {
		return api.Answer{}, roleProblem(err)
	}
	return noContent()
}

// roleProblem tells a refusal of an edit as plain directory calls do.
func roleProblem(err error) error {
	if r, ok := errors.AsType[*pim.Refusal](err); ok && r.Code == pim.InvalidRequest {
		return &problem{Status: http.StatusBadRequest, Code: "Request_BadRequest", Message: "The role definition cannot be changed so: " + sentence(r.Field, r.Detail) + "."}
	}
	if errors.Is(err, store.ErrConflict) {
		return &problem{Status: http.StatusConflict, Code: "RoleDefinitionExists", Message: "A role definition with this name or id exists."}
	}
	return err
}
