package pimv2

import (
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
)

// Role definitions: governanceRoleDefinition (learn.microsoft.com/graph/api/resources/governanceroledefinition).

// role is a role as one resource has it.
type role struct {
	// key names the resource and the role.
	key pim.RoleKey
	// externalID is the role's id where it comes from, and template the GUID within it.
	externalID, template, name string
	// typ is BuiltInRole or CustomRole; empty for the sides of groups.
	typ string
	// What follows is there only where it is selected or sorted by.
	subjects, eligible, active int
}

// The types of roles (reference pim-v2 §3).
const (
	builtInRole = "BuiltInRole"
	customRole  = "CustomRole"
)

func (k *kinds) setRoleDefinitions() {
	k.roleDefinition = kind[role]{
		Set: "governanceRoleDefinitions", Type: "governanceRoleDefinition",
		Schema: &odata.Schema{
			Properties:  append(roleDefinitionProperties(), listing.Within("resource", resourceProperties()...)),
			Navigations: k.navigations("resource"),
		},
		Key:   func(r role) string { return governance.RoleDefinitionID(r.key) },
		Write: writeRoleDefinition, Value: roleDefinitionValue, Relate: relateRoleDefinitions,
		Deep: deep(role.reference, roleDefinitionValue),
	}
}

func (r role) reference() reference { return reference{key: r.key} }

func roleDefinitionProperties() []odata.Property {
	return []odata.Property{
		listing.IDProperty("id"), listing.IDProperty("resourceId"), listing.IDProperty("externalId"), listing.IDProperty("templateId"), listing.TextProperty("displayName"),
		listing.EnumProperty("type", builtInRole, customRole), listing.BoolProperty("isbuiltIn"),
		listing.NumberProperty("subjectCount"), listing.NumberProperty("eligibleAssignmentCount"), listing.NumberProperty("activeAssignmentCount"),
	}
}

func writeRoleDefinition(_ *call, o *object, r role) {
	o.Str("id", governance.RoleDefinitionID(r.key))
	o.Str("resourceId", governance.ResourceID(r.key))
	o.Str("externalId", r.externalID)
	o.Str("templateId", r.template)
	o.Str("displayName", r.name)
	o.Text("type", r.typ)
	if o.Sel["isbuiltIn"] {
		o.Bool("isbuiltIn", r.typ != customRole)
	}
	if o.Sel["subjectCount"] {
		o.Int("subjectCount", r.subjects)
	}
	if o.Sel["eligibleAssignmentCount"] {
		o.Int("eligibleAssignmentCount", r.eligible)
	}
	if o.Sel["activeAssignmentCount"] {
		o.Int("activeAssignmentCount", r.active)
	}
}

func roleDefinitionValue(_ *call, r role, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return governance.RoleDefinitionID(r.key)
	case "resourceId", "resource/id":
		return governance.ResourceID(r.key)
	case "externalId":
		return r.externalID
	case "templateId":
		return r.template
	case "displayName":
		return r.name
	case "type":
		return listing.TextValue(r.typ)
	case "isbuiltIn":
		return r.typ != customRole
	case "subjectCount":
		return r.subjects
	case "eligibleAssignmentCount":
		return r.eligible
	case "activeAssignmentCount":
		return r.active
	}
	return nil
}

// directoryRole is a role of the directory at the tenant.
func directoryRole(t pim.TenantID, r app.RoleDefinition) role {
	template := r.TemplateID
	if template == "" {
		template = string(r.ID)
	}
	out := role{key: pim.RoleKey{Tenant: t, Provider: pim.Directory, Scope: pim.Everywhere, Role: r.ID},
		externalID: template, template: template, name: r.Name, typ: customRole}
	if r.BuiltIn {
		out.typ = builtInRole
	}
	return out
}

// groupSides are the two roles of a group.
func groupSides(at pim.RoleKey) []role {
	member, owner := at, at
	member.Role, owner.Role = pim.Member, pim.Owner
	out := []role{{key: member, name: "Member"}, {key: owner, name: "Owner"}}
	for i := range out {
		id := governance.RoleDefinitionID(out[i].key)
		out[i].externalID, out[i].template = id, id
	}
	return out
}

// resourceRole is a role of Azure resources at a node.
func resourceRole(at pim.RoleKey, r rbac.Role) role {
	at.Role = pim.RoleID(r.ID)
	out := role{key: at, externalID: azureRoleID(at), template: r.ID, name: r.Name, typ: customRole}
	if r.BuiltIn {
		out.typ = builtInRole
	}
	return out
}

// azureRoleID is the id of a role for Azure Resource Manager: under its subscription, where it is in one (reference pim-v2 §3).
func azureRoleID(k pim.RoleKey) string {
	root := ""
	if rest, ok := strings.CutPrefix(string(k.Scope), "/subscriptions/"); ok {
		id, _, _ := strings.Cut(rest, "/")
		root = "/subscriptions/" + id
	}
	return root + "/providers/Microsoft.Authorization/roleDefinitions/" + string(k.Role)
}

// rolesAt are the roles that can be held at a place, for who can reach it. Who may not read all definitions there sees those that
// everybody may read.
func (c *call) rolesAt(p place) ([]role, error) {
	var out []role
	switch c.provider {
	case pim.Directory:
		roles, err := c.app.Roles(c.Context(), c.Tenant)
		if err != nil {
			return nil, err
		}
		for _, r := range roles {
			out = append(out, directoryRole(c.Tenant, r))
		}
	case pim.Group:
		out = groupSides(p.key)
	case pim.Resource:
		roles, err := c.app.ResourceRoles(c.Context(), c.Caller, c.Tenant, p.key.Scope, false)
		if isForbidden(err) {
			roles, err = c.app.ResourceRoles(c.Context(), c.Caller, c.Tenant, pim.Everywhere, false)
		}
		if err != nil {
			return nil, err
		}
		for _, r := range roles {
			out = append(out, resourceRole(p.key, r))
		}
	}
	return out, nil
}

// roles reads the roles of keys. It asks no right: it is for the names of what the caller sees.
func (c *call) roles(keys map[pim.RoleKey]bool) (map[pim.RoleKey]role, error) {
	out := make(map[pim.RoleKey]role, len(keys))
	var ids []pim.RoleID
	for k := range keys {
		ids = append(ids, k.Role)
	}
	switch {
	case len(ids) == 0:
	case c.provider == pim.Directory:
		all, err := c.app.Roles(c.Context(), c.Tenant)
		if err != nil {
			return nil, err
		}
		byID := make(map[pim.RoleID]role, len(all))
		for _, r := range all {
			byID[r.ID] = directoryRole(c.Tenant, r)
		}
		for k := range keys {
			if r, ok := byID[k.Role]; ok {
				out[k] = r
			}
		}
	case c.provider == pim.Group:
		for k := range keys {
			for _, r := range groupSides(k) {
				if r.key.Role == k.Role {
					out[k] = r
				}
			}
		}
	case c.provider == pim.Resource:
		found := c.app.ResourceRolesByID(c.Tenant, ids)
		for k := range keys {
			if r, ok := found[k.Role]; ok {
				out[k] = resourceRole(k, r)
			}
		}
	}
	return out, nil
}

// roleID is the role that an id names at a place: the id that the dialect gives it, or the one that it has where it comes from,
// bare or within a longer one; for groups the word for the side too. An id that nothing can have is unknown; whether a role has it
// is for the core to say.
func roleID(at pim.RoleKey, id string) (pim.RoleID, bool) {
	id = strings.ToLower(strings.Trim(strings.TrimSpace(id), "/"))
	id = id[strings.LastIndexByte(id, '/')+1:]
	if at.Provider != pim.Group {
		return pim.RoleID(id), id != ""
	}
	for _, r := range groupSides(at) {
		if id == strings.ToLower(r.name) || id == r.template {
			return r.key.Role, true
		}
	}
	return "", false
}

// roleAt is the role with an id at a place. Refusal: UnknownRole.
func (c *call) roleAt(at pim.RoleKey, id string) (pim.RoleKey, error) {
	name, ok := roleID(at, id)
	at.Role = name
	if !ok {
		return at, unknownRole()
	}
	found, err := c.roles(map[pim.RoleKey]bool{at: true})
	if err != nil {
		return at, err
	}
	if r, ok := found[at]; ok {
		return r.key, nil
	}
	if at.Provider == pim.Resource {
		if role, ok := c.derivedRole(at, string(name)); ok {
			at.Role = role
			return at, nil
		}
	}
	return at, unknownRole()
}

// derivedRole finds the role of Azure resources whose id at a place is the given one.
func (c *call) derivedRole(at pim.RoleKey, id string) (pim.RoleID, bool) {
	roles, err := c.app.ResourceRoles(c.Context(), c.Caller, c.Tenant, at.Scope, false)
	if err != nil {
		// Of others than who may read there, built-in roles and those that they may read elsewhere are looked at.
		if roles, err = c.app.ResourceRoles(c.Context(), c.Caller, c.Tenant, pim.Everywhere, true); err != nil {
			return "", false
		}
	}
	for _, r := range roles {
		at.Role = pim.RoleID(r.ID)
		if governance.RoleDefinitionID(at) == id {
			return at.Role, true
		}
	}
	return "", false
}

func unknownRole() error {
	return &pim.Refusal{Code: pim.UnknownRole, Detail: "there is no such role definition"}
}

// listRoleDefinitions lists the roles of the resource that path or filter name; of the directory there is one alone.
func listRoleDefinitions(c *call) (api.Answer, error) {
	k := &c.kinds.roleDefinition
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	p, rows, err := c.roleRows(q)
	if err == nil && len(rows) > 0 && asksForCounts(q) {
		err = c.tally(p, rows)
	}
	if err != nil {
		return api.Answer{}, err
	}
	page, err := k.PageOf(c, q, rows)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Finish(c, k, q, page)
}

// roleRows are the roles of the resource that path or filter name, before the filter.
func (c *call) roleRows(q odata.Query) (place, []role, error) {
	t, err := c.narrow(q.Filter)
	if err != nil {
		return place{}, nil, err
	}
	switch {
	case t.nothing:
		return place{}, nil, nil
	case t.place == nil && c.provider != pim.Directory:
		return place{}, nil, api.BadRequest("A $filter on resourceId is required, such as resourceId eq '{id}'.")
	case t.place == nil:
		p, err := c.tenantPlace()
		if err != nil {
			return place{}, nil, err
		}
		t.place = &p
	}
	rows, err := c.rolesAt(*t.place)
	return *t.place, rows, err
}

// asksForCounts says whether a query selects, sorts by or filters by the counts of roles.
func asksForCounts(q odata.Query) bool {
	counts := func(name string) bool { return strings.HasSuffix(name, "Count") }
	inPath := func(p odata.Path) bool { return counts(p.Name()) }
	return slices.ContainsFunc(q.Select, counts) || odata.Mentions(q.Filter, inPath) ||
		slices.ContainsFunc(q.OrderBy, func(o odata.Order) bool { return inPath(o.Path) })
}

// tally fills in the counts of roles at a place: of the rows that the caller may see.
func (c *call) tally(p place, rows []role) error {
	type counts struct {
		subjects         map[pim.PrincipalID]bool
		eligible, active int
	}
	found := map[pim.RoleID]*counts{}
	only := pim.RoleID("")
	if len(rows) == 1 {
		only = rows[0].key.Role
	}
	err := c.eachAt(p, only, func(r row) {
		t := found[r.Schedule.Key.Role]
		if t == nil {
			t = &counts{subjects: map[pim.PrincipalID]bool{}}
			found[r.Schedule.Key.Role] = t
		}
		if t.subjects[r.Principal] = true; r.Schedule.Kind == pim.Eligibility {
			t.eligible++
		} else {
			t.active++
		}
	})
	for i := range rows {
		if t := found[rows[i].key.Role]; t != nil {
			rows[i].subjects, rows[i].eligible, rows[i].active = len(t.subjects), t.eligible, t.active
		}
	}
	return err
}

// roleDefinition is the role that the path names, at the resource that path or filter name.
func (c *call) roleDefinition(q odata.Query) (role, error) {
	p, rows, err := c.roleRows(q)
	if err != nil {
		return role{}, err
	}
	for _, r := range rows {
		id, ok := roleID(p.key, c.PathValue("id"))
		if ok && r.key.Role == id || governance.RoleDefinitionID(r.key) == c.id("id") {
			one := []role{r}
			if asksForCounts(q) {
				err = c.tally(p, one)
			}
			return one[0], err
		}
	}
	return role{}, listing.NotFound(c.PathValue("id"))
}

func getRoleDefinition(c *call) (api.Answer, error) {
	q, err := c.Query(c.kinds.roleDefinition.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	r, err := c.roleDefinition(q)
	if err != nil {
		return api.Answer{}, err
	}
	return oneThatMatches(c, &c.kinds.roleDefinition, r)
}

// navigateRoleDefinition answers with what a role leads to.
func navigateRoleDefinition(name string) handler {
	return func(c *call) (api.Answer, error) {
		q, err := c.withOptions(isFilter).Query(c.kinds.roleDefinition.Schema)
		if err != nil {
			return api.Answer{}, err
		}
		r, err := c.roleDefinition(q)
		if err != nil {
			return api.Answer{}, err
		}
		return c.navigated(name, r.reference())
	}
}

func relateRoleDefinitions(c *call, expands []odata.Expand, rows []role) ([]related, error) {
	refs := references(rows, role.reference)
	out, err := relateReferences(c, expands, refs)
	for _, e := range expands {
		if err == nil && e.Path == "roleSetting" {
			var at func(int) []byte
			at, err = relatedTo(c, &c.kinds.setting, e.Query, refs, ofRole, c.settingsByKey)
			out = append(out, related{Name: e.Path, At: at})
		}
	}
	return out, err
}
