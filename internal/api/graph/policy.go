package graph

import (
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
	"portcullis/internal/policy"
)

// Policies and their binding to roles: unifiedRoleManagementPolicy and unifiedRoleManagementPolicyAssignment
// (learn.microsoft.com/graph/api/resources, pages of these names).

// The scope types. Those of directory roles are the same policies under two names (reference graph-pim §11.1); a group has
// a policy for each of its sides.
const (
	scopeDirectoryRole = "DirectoryRole"
	scopeDirectory     = "Directory"
	scopeGroup         = "Group"
)

// policyRow is a role's policy under one of its names.
type policyRow struct {
	key       pim.RoleKey
	policy    policy.Policy
	scopeType string
}

func (r policyRow) id() string {
	of := string(r.key.Tenant)
	if r.scopeType == scopeGroup {
		of = string(r.key.Scope)
	}
	return r.scopeType + "_" + of + "_" + r.policy.ID
}

func (r policyRow) assignmentID() string { return r.id() + "_" + string(r.key.Role) }

func policyProperties() []odata.Property {
	return append([]odata.Property{
		idProperty("id"), textProperty("displayName"), textProperty("description"), boolProperty("isOrganizationDefault"),
		idProperty("scopeId"), enumProperty("scopeType", scopeDirectoryRole, scopeDirectory, scopeGroup),
		timeProperty("lastModifiedDateTime", false),
	}, listing.PlainProperties("lastModifiedBy")...)
}

func writePolicy(_ *call, o *object, r policyRow) {
	o.Str("id", r.id())
	o.Str("displayName", r.scopeType)
	o.Str("description", r.scopeType)
	o.Bool("isOrganizationDefault", false)
	o.Str("scopeId", string(r.key.Scope))
	o.Str("scopeType", r.scopeType)
	o.Time("lastModifiedDateTime", r.policy.Modified)
	if o.Member("lastModifiedBy") {
		o.B = append(o.B, `{"displayName":`...)
		o.B = wire.AppendText(o.B, r.policy.ModifiedByName)
		o.B = append(o.B, `,"id":`...)
		o.B = wire.AppendText(o.B, r.policy.ModifiedBy)
		o.B = append(o.B, '}')
	}
}

func policyValue(_ *call, r policyRow, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return r.id()
	case "displayName", "description", "scopeType":
		return r.scopeType
	case "isOrganizationDefault":
		return false
	case "scopeId":
		return string(r.key.Scope)
	case "lastModifiedDateTime":
		return listing.TimeValue(r.policy.Modified)
	}
	return nil
}

// relatePolicies writes the rules within policies. The wider scopes enforce nothing, so the effective ones are the same.
func relatePolicies(c *call, expands []odata.Expand, rows []policyRow) ([]related, error) {
	var out []related
	for _, e := range expands {
		lists := make([][][]byte, len(rows))
		for i, r := range rows {
			var err error
			if lists[i], err = c.encodeRules(r, e.Query); err != nil {
				return nil, err
			}
		}
		list := relateList(e.Path, func(i int) [][]byte { return lists[i] })
		list.Context = func(i int) string {
			return "policies/roleManagementPolicies('" + rows[i].id() + "')/" + e.Path + listing.Shape(e.Query)
		}
		out = append(out, list)
	}
	return out, nil
}

func (c *call) encodeRules(r policyRow, q odata.Query) ([][]byte, error) {
	rules, err := c.rule.Sifted(c, q, rulesOf(r))
	if err != nil {
		return nil, err
	}
	return listing.Encode(c, &c.rule, q, false, rules)
}

func policyAssignmentProperties() []odata.Property {
	return []odata.Property{
		idProperty("id"), idProperty("policyId"), idProperty("roleDefinitionId"), idProperty("scopeId"),
		enumProperty("scopeType", scopeDirectoryRole, scopeDirectory, scopeGroup),
	}
}

func writePolicyAssignment(_ *call, o *object, r policyRow) {
	o.Str("id", r.assignmentID())
	o.Str("policyId", r.id())
	o.Str("scopeId", string(r.key.Scope))
	o.Str("scopeType", r.scopeType)
	o.Text("roleDefinitionId", string(r.key.Role))
}

func policyAssignmentValue(_ *call, r policyRow, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return r.assignmentID()
	case "policyId":
		return r.id()
	case "scopeId":
		return string(r.key.Scope)
	case "scopeType":
		return r.scopeType
	case "roleDefinitionId":
		return string(r.key.Role)
	}
	return nil
}

func relatePolicyAssignments(c *call, expands []odata.Expand, rows []policyRow) ([]related, error) {
	var out []related
	for _, e := range expands {
		encoded, err := listing.Encode(c, &c.policy, e.Query, false, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: func(i int) []byte { return encoded[i] }})
	}
	return out, nil
}

// policyRows reads policies.
func (c *call) policyRows(scopeType string, keys []pim.RoleKey) ([]policyRow, error) {
	policies, err := c.app.Policies(c.Context(), c.Caller, keys)
	if err != nil {
		return nil, err
	}
	rows := make([]policyRow, len(keys))
	for i, k := range keys {
		rows[i] = policyRow{k, policies[k], scopeType}
	}
	return rows, nil
}

// listPolicies serves both sets: which policies are meant is told by a filter that must be there (reference graph-pim
// §3.10).
func listPolicies(of func(*call) *kind[policyRow]) handler {
	return func(c *call) (api.Answer, error) {
		k := of(c)
		q, err := c.Query(k.Schema)
		if err != nil {
			return api.Answer{}, err
		}
		scopeID, hasID := pinnedText(q.Filter, "scopeId")
		scopeType, hasType := pinnedText(q.Filter, "scopeType")
		if !hasID || !hasType {
			return api.Answer{}, badRequest("A $filter on scopeId and scopeType is required, such as scopeId eq '/' and scopeType eq 'DirectoryRole'.")
		}
		if err := c.permit(policyPermissions(providerOf(scopeType), false)); err != nil {
			return api.Answer{}, err
		}
		keys, err := c.policyKeys(scopeType, scopeID)
		if err != nil {
			return api.Answer{}, err
		}
		if role, pinned := pinnedText(q.Filter, "roleDefinitionId"); pinned {
			keys = slices.DeleteFunc(keys, func(k pim.RoleKey) bool { return !strings.EqualFold(role, string(k.Role)) })
		}
		rows, err := c.policyRows(scopeType, keys)
		if err != nil {
			return api.Answer{}, err
		}
		return listAll(c, k, rows)
	}
}

// providerOf is the provider whose roles a scope type is of.
func providerOf(scopeType string) pim.Provider {
	if scopeType == scopeGroup {
		return pim.Group
	}
	return pim.Directory
}

// policyKeys are the roles whose policies a scope holds: none for a scope that is not there.
func (c *call) policyKeys(scopeType, scopeID string) ([]pim.RoleKey, error) {
	switch {
	case scopeType == scopeGroup:
		return c.sidesOf(scopeID)
	case scopeID != string(pim.Everywhere) || scopeType != scopeDirectoryRole && scopeType != scopeDirectory:
		return nil, nil
	}
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return nil, err
	}
	keys := make([]pim.RoleKey, len(roles))
	for i, r := range roles {
		keys[i] = pim.RoleKey{Tenant: c.Tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: r.ID}
	}
	return keys, nil
}

// sidesOf are the two sides of a group, which have policies from the first look; none for a group that is not there.
func (c *call) sidesOf(group string) ([]pim.RoleKey, error) {
	if !wire.IsGUID(group) {
		return nil, nil
	}
	objects, err := c.objectsByID([]string{group})
	if err != nil || len(objects) == 0 || objects[0].Kind != directory.KindGroup {
		return nil, err
	}
	k := pim.RoleKey{Tenant: c.Tenant, Provider: pim.Group, Scope: pim.Scope(objects[0].ID), Role: pim.Member}
	owner := k
	owner.Role = pim.Owner
	return []pim.RoleKey{k, owner}, nil
}

func pinnedText(e odata.Expr, name string) (string, bool) {
	v, ok := odata.Pinned(e, name)
	text, isText := v.(odata.String)
	return string(text), ok && isText
}

// findPolicy returns the policy with an id, to read it or to change it: its kind, whose it is (the tenant's id or the
// group's) and its own.
func (c *call) findPolicy(id string, write bool) (policyRow, error) {
	parts := strings.Split(id, "_")
	scopeTypes := []string{scopeDirectoryRole, scopeDirectory, scopeGroup}
	if len(parts) != 3 || wire.IndexFold(scopeTypes, parts[0]) < 0 {
		return policyRow{}, notFound(id)
	}
	scopeType, scopeID := scopeTypes[wire.IndexFold(scopeTypes, parts[0])], string(pim.Everywhere)
	if err := c.permit(policyPermissions(providerOf(scopeType), write)); err != nil {
		return policyRow{}, err
	}
	if scopeType == scopeGroup {
		scopeID = parts[1]
	} else if !strings.EqualFold(parts[1], string(c.Tenant)) {
		return policyRow{}, notFound(id)
	}
	keys, err := c.policyKeys(scopeType, scopeID)
	if err != nil {
		return policyRow{}, err
	}
	for _, k := range keys {
		if !strings.EqualFold(parts[2], app.PolicyID(k)) {
			continue
		}
		rows, err := c.policyRows(scopeType, []pim.RoleKey{k})
		if err != nil {
			return policyRow{}, err
		}
		return rows[0], nil
	}
	return policyRow{}, notFound(id)
}

// findPolicyAssignment returns the binding with an id: the policy's id and the role's.
func (c *call) findPolicyAssignment(id string) (policyRow, error) {
	i := strings.LastIndexByte(id, '_')
	if i < 0 {
		return policyRow{}, notFound(id)
	}
	row, err := c.findPolicy(id[:i], false)
	if err != nil {
		return policyRow{}, err
	}
	if !strings.EqualFold(id[i+1:], string(row.key.Role)) {
		return policyRow{}, notFound(id)
	}
	return row, nil
}

func getPolicy(c *call) (api.Answer, error) {
	row, err := c.findPolicy(c.PathValue("id"), false)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.policy, http.StatusOK, row)
}

func getPolicyAssignment(c *call) (api.Answer, error) {
	row, err := c.findPolicyAssignment(c.PathValue("id"))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.policyAssignment, http.StatusOK, row)
}

func getPolicyOfAssignment(c *call) (api.Answer, error) {
	row, err := c.findPolicyAssignment(c.PathValue("id"))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.policy, http.StatusOK, row)
}

func listRules(c *call) (api.Answer, error) {
	row, err := c.findPolicy(c.PathValue("id"), false)
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.rule, rulesOf(row))
}

func getRule(c *call) (api.Answer, error) {
	row, err := c.findPolicy(c.PathValue("id"), false)
	if err != nil {
		return api.Answer{}, err
	}
	for _, r := range rulesOf(row) {
		if strings.EqualFold(r.rule.Name, c.PathValue("rule")) {
			return listing.One(c, &c.rule, http.StatusOK, r)
		}
	}
	return api.Answer{}, notFound(c.PathValue("rule"))
}

// policyIn is the body of a policy's PATCH.
type policyIn struct {
	Rules wire.Rules[wire.Rule] `json:"rules"`
}

func patchPolicy(c *call) (api.Answer, error) {
	var in policyIn
	if err := listing.Decode(c, &c.policy, &in); err != nil {
		return api.Answer{}, err
	}
	row, err := c.findPolicy(c.PathValue("id"), true)
	if err != nil {
		return api.Answer{}, err
	}
	if row.policy, err = c.app.EditPolicy(c.Context(), c.Caller, row.key, in.apply); err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.policy, http.StatusOK, row)
}

func patchRule(c *call) (api.Answer, error) {
	var in wire.Rule
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	row, err := c.findPolicy(c.PathValue("id"), true)
	if err != nil {
		return api.Answer{}, err
	}
	name := c.PathValue("rule")
	if _, ok := wire.FindRule(name); !ok {
		return api.Answer{}, notFound(name)
	}
	if in.ID != "" && !strings.EqualFold(in.ID, name) {
		return api.Answer{}, wire.InvalidPolicy(name, "the body names another rule")
	}
	in.ID = name
	edit := func(r *policy.Rules) error { return in.Apply(wire.GraphRules{}, r) }
	if _, err := c.app.EditPolicy(c.Context(), c.Caller, row.key, edit); err != nil {
		return api.Answer{}, err
	}
	return noContent()
}

// apply changes the rules that are named; the others stay.
func (in policyIn) apply(r *policy.Rules) error {
	for _, rule := range in.Rules {
		if err := rule.Apply(wire.GraphRules{}, r); err != nil {
			return err
		}
	}
	return nil
}
