package graph

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// The older face of directory roles: directoryRole and directoryRoleTemplate (learn.microsoft.com/graph/api/resources,
// pages of these names). They are views: a built-in role is its own template and is always switched on; its members are
// those who hold it now.

func directoryRoleProperties(template bool) []odata.Property {
	out := append([]odata.Property{idProperty("id"), sortable("displayName"), textProperty("description")}, listing.PlainProperties("deletedDateTime")...)
	if !template {
		out = append(out, idProperty("roleTemplateId"))
	}
	return out
}

func writeDirectoryRole(_ *call, o *object, r app.RoleDefinition) {
	writeRoleTemplate(nil, o, r)
	o.Text("roleTemplateId", templateID(r))
}

func writeRoleTemplate(_ *call, o *object, r app.RoleDefinition) {
	o.Text("id", string(r.ID))
	o.Null("deletedDateTime")
	o.Text("description", r.Description)
	o.Text("displayName", r.Name)
}

func directoryRoleValue(c *call, r app.RoleDefinition, path []string) any {
	if path[0] == "roleTemplateId" {
		return templateID(r)
	}
	return roleValue(c, r, path)
}

func (c *call) builtInRoles() ([]app.RoleDefinition, error) {
	all, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return nil, err
	}
	var out []app.RoleDefinition
	for _, r := range all {
		if r.BuiltIn {
			out = append(out, r)
		}
	}
	return out, nil
}

func listBuiltIn(of func(*call) *kind[app.RoleDefinition]) handler {
	return func(c *call) (api.Answer, error) {
		roles, err := c.builtInRoles()
		if err != nil {
			return api.Answer{}, err
		}
		return listAll(c, of(c), roles)
	}
}

func getBuiltIn(of func(*call) *kind[app.RoleDefinition]) handler {
	return func(c *call) (api.Answer, error) {
		r, err := c.builtIn()
		if err != nil {
			return api.Answer{}, err
		}
		return listing.One(c, of(c), http.StatusOK, r)
	}
}

// builtIn is the built-in role that the path names, by id or as directoryRoles(roleTemplateId='…').
func (c *call) builtIn() (app.RoleDefinition, error) {
	id := c.id("id")
	if id == "" {
		var err error
		if id, err = c.key("roleTemplateId"); err != nil {
			return app.RoleDefinition{}, err
		}
	}
	r, err := c.findRole(id)
	if err == nil && !r.BuiltIn {
		err = notFound(id)
	}
	return r, err
}

func directoryRolesKind(c *call) *kind[app.RoleDefinition] { return &c.directoryRole }

func roleTemplatesKind(c *call) *kind[app.RoleDefinition] { return &c.roleTemplate }

// roleMembers lists who was given a role for the tenant and holds it now.
func roleMembers(c *call) (api.Answer, error) {
	r, err := c.builtIn()
	if err != nil {
		return api.Answer{}, err
	}
	ids, err := c.holders(store.And{
		store.Is(store.FieldRole, string(r.ID)), store.Is(store.FieldScope, string(pim.Everywhere)),
		store.Is(store.FieldMember, int(pim.Direct)),
	})
	if err != nil {
		return api.Answer{}, err
	}
	return c.listObjects(ids)
}

// scopedMembers lists who was given a role at an administrative unit and holds it now.
func scopedMembers(c *call) (api.Answer, error) {
	r, err := c.builtIn()
	if err != nil {
		return api.Answer{}, err
	}
	rows, err := c.scoped(store.Is(store.FieldRole, string(r.ID)))
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.scopedMember, rows)
}

// activateRole switches a built-in role on, which it always is (Graph: "Activate directoryRole").
func activateRole(c *call) (api.Answer, error) {
	var in struct {
		RoleTemplateID string `json:"roleTemplateId"`
	}
	if err := listing.Decode(c, &c.directoryRole, &in); err != nil {
		return api.Answer{}, err
	}
	if !pim.MayAdminister(c.Caller, pim.Key{Tenant: c.Tenant, Provider: pim.Directory}, pim.GroupFacts{}) {
		return api.Answer{}, &pim.Refusal{Code: pim.Forbidden}
	}
	r, err := c.findRole(strings.ToLower(in.RoleTemplateID))
	if err != nil || !r.BuiltIn {
		return api.Answer{}, badRequest("roleTemplateId is not the id of a directoryRoleTemplate.")
	}
	return listing.One(c, &c.directoryRole, http.StatusCreated, r)
}

// addRoleMember gives a role for the whole tenant, outside PIM.
func addRoleMember(c *call) (api.Answer, error) {
	who, err := c.reference()
	if err != nil {
		return api.Answer{}, err
	}
	r, err := c.builtIn()
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.assignOutside(memberKey(c, r, who)); err != nil {
		return api.Answer{}, err
	}
	return noContent()
}

func removeRoleMember(c *call) (api.Answer, error) {
	r, err := c.builtIn()
	if err != nil {
		return api.Answer{}, err
	}
	return c.removeOutside(memberKey(c, r, pim.PrincipalID(c.id("member"))))
}

func memberKey(c *call, r app.RoleDefinition, who pim.PrincipalID) pim.Key {
	return pim.Key{Tenant: c.Tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: r.ID, Principal: who}
}
