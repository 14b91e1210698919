package pimv1

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
)

// Roles: privilegedRole (reference pim-v2 §11). Custom roles are among them: a list that left out what somebody holds would read
// as nobody holding it.

func roleProperties() []odata.Property {
	return []odata.Property{listing.IDProperty("id"), listing.TextProperty("name")}
}

func roleKind(setting *kind[settingRow], summary *kind[summaryRow], assignment *kind[assignmentRow]) kind[app.RoleDefinition] {
	return kind[app.RoleDefinition]{
		Set: roleSet, Type: "privilegedRole",
		Schema: &odata.Schema{Properties: roleProperties(), Navigations: []odata.Navigation{
			{Name: "settings", Schema: setting.Schema}, {Name: "summary", Schema: summary.Schema}, {Name: "assignments", Schema: assignment.Schema},
		}},
		Key: func(r app.RoleDefinition) string { return string(r.ID) },
		Write: func(_ *call, o *object, r app.RoleDefinition) {
			o.Str("id", string(r.ID))
			o.Str("name", r.Name)
		},
		Value: func(_ *call, r app.RoleDefinition, path []string) any {
			if path[0] == "name" {
				return r.Name
			}
			return string(r.ID)
		},
		Relate: relateRoles,
	}
}

// mayRead refuses who may not read everybody's rows.
func (c *call) mayRead() error {
	if pim.MayRead(c.Caller, pim.Directory) {
		return nil
	}
	return &pim.Refusal{Code: pim.Forbidden, Detail: "the caller holds no active role that may read this"}
}

func listRoles(c *call) (api.Answer, error) {
	if err := c.mayRead(); err != nil {
		return api.Answer{}, err
	}
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.All(c, &c.kinds.role, roles)
}

// findRole returns the role that the path names.
func (c *call) findRole() (app.RoleDefinition, error) {
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return app.RoleDefinition{}, err
	}
	id := pim.RoleID(c.id("id"))
	if i := slices.IndexFunc(roles, func(r app.RoleDefinition) bool { return r.ID == id }); i >= 0 {
		return roles[i], nil
	}
	return app.RoleDefinition{}, listing.NotFound(c.PathValue("id"))
}

// readRole is findRole for those who may read.
func (c *call) readRole() (app.RoleDefinition, error) {
	if err := c.mayRead(); err != nil {
		return app.RoleDefinition{}, err
	}
	return c.findRole()
}

func getRole(c *call) (api.Answer, error) {
	role, err := c.readRole()
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.kinds.role, http.StatusOK, role)
}

// navigateRole answers with what a role leads to, to those who may read.
func navigateRole(name string) handler {
	return func(c *call) (api.Answer, error) {
		role, err := c.readRole()
		if err != nil {
			return api.Answer{}, err
		}
		return listing.Navigate(c, &c.kinds.role, role, name)
	}
}

func listRoleAssignments(c *call) (api.Answer, error) {
	role, err := c.readRole()
	if err != nil {
		return api.Answer{}, err
	}
	return c.listAssignments(app.Everybody, roleIs(role.ID))
}

func getRoleAssignment(c *call) (api.Answer, error) {
	role, err := c.readRole()
	if err != nil {
		return api.Answer{}, err
	}
	_, of, ok := splitAssignmentID(c.id("assignment"))
	if !ok || of != role.ID {
		return api.Answer{}, listing.NotFound(c.PathValue("assignment"))
	}
	row, err := c.findAssignment(c.id("assignment"))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.kinds.assignment, http.StatusOK, row)
}

// relateRoles loads settings, summaries and assignments of roles, each for all roles at once.
func relateRoles(c *call, expands []odata.Expand, rows []app.RoleDefinition) ([]related, error) {
	ids := make([]pim.RoleID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	var out []related
	for _, e := range expands {
		relate := map[string]func(odata.Query, []pim.RoleID) (func(int) []byte, error){
			"settings": c.relateSettings, "summary": c.relateSummaries, "assignments": c.relateAssignments,
		}[e.Path]
		at, err := relate(e.Query, ids)
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: at})
	}
	return out, nil
}

// relateAssignments loads the assignments of roles.
func (c *call) relateAssignments(q odata.Query, ids []pim.RoleID) (func(int) []byte, error) {
	byRole, err := c.assignmentsOf(ids)
	if err != nil {
		return nil, err
	}
	lists := make([][][]byte, len(ids))
	for i, id := range ids {
		rows, err := c.kinds.assignment.Sifted(c, q, byRole[id])
		if err != nil {
			return nil, err
		}
		if lists[i], err = listing.Encode(c, &c.kinds.assignment, q, false, rows); err != nil {
			return nil, err
		}
	}
	return func(i int) []byte { return wire.AppendList(nil, lists[i]) }, nil
}

// relateRoleInfo loads the role of each row: the one navigation property that rows of all other types have.
func (c *call) relateRoleInfo(q odata.Query, of func(int) pim.RoleID) (func(int) []byte, error) {
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return nil, err
	}
	encoded, err := listing.Encode(c, &c.kinds.role, q, false, roles)
	if err != nil {
		return nil, err
	}
	found := make(map[pim.RoleID][]byte, len(roles))
	for i, r := range roles {
		found[r.ID] = encoded[i]
	}
	return func(i int) []byte { return found[of(i)] }, nil
}

// roleName is the name of a role in lists that tell names; the id where there is none any more.
func roleName(roles []app.RoleDefinition, id pim.RoleID) string {
	for _, r := range roles {
		if r.ID == id {
			return r.Name
		}
	}
	return strings.ToLower(string(id))
}
