package arm

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Policies and their binding to roles: RoleManagementPolicy and RoleManagementPolicyAssignment (reference arm-pim §9). Every role
// has one of each at every scope but the root, from the first look.

const (
	policies          = "roleManagementPolicies"
	policyAssignments = "roleManagementPolicyAssignments"
)

func policyRoutes() []route {
	// The published examples spell the collection of assignments both ways.
	one := strings.TrimSuffix(policyAssignments, "s")
	return []route{
		{get, under(policies), listPolicies((*call).appendPolicy)},
		{get, under(policies + "/{name}"), getPolicy},
		{patch, under(policies + "/{name}"), patchPolicy},
		{del, under(policies + "/{name}"), deletePolicy},
		{get, under(policyAssignments), listPolicies((*call).appendPolicyAssignment)},
		{get, under(policyAssignments + "/{name}"), getPolicyAssignment},
		{put, under(policyAssignments + "/{name}"), putPolicyAssignment},
		{del, under(policyAssignments + "/{name}"), deletePolicyAssignment},
		{get, under(one), listPolicies((*call).appendPolicyAssignment)},
		{get, under(one + "/{name}"), getPolicyAssignment},
		{put, under(one + "/{name}"), putPolicyAssignment},
		{del, under(one + "/{name}"), deletePolicyAssignment},
	}
}

// policyRow is a role's policy at a scope.
type policyRow struct {
	key    pim.RoleKey
	policy policy.Policy
}

func (r policyRow) reference() reference {
	return reference{scope: r.key.Scope, role: r.key.Role, principal: pim.PrincipalID(r.policy.ModifiedBy)}
}

func (r policyRow) assignmentName() string { return r.policy.ID + "_" + string(r.key.Role) }

// writeModified tells who changed a policy, and when; nobody and never for the default.
func (r policyRow) writeModified(o *wire.Object, x expansion) {
	o.Name("lastModifiedBy")
	by := wire.New(o.B, nil)
	if r.policy.ModifiedBy == "" {
		by.Null("id", "displayName", "type", "email")
	} else {
		id := pim.PrincipalID(r.policy.ModifiedBy)
		by.Str("id", r.policy.ModifiedBy)
		by.Text("displayName", r.policy.ModifiedByName)
		by.Str("type", x.principalType(id))
		by.Text("email", x.mail(id))
	}
	o.B = by.End()
	o.Time("lastModifiedDateTime", r.policy.Modified)
}

func (c *call) appendPolicy(b []byte, r policyRow, x expansion) []byte {
	place, rules := x.place(r.key.Scope), c.rules(r.policy.Rules)
	o := wire.New(b, nil)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("scope", place)
	p.Null("displayName", "description")
	p.Bool("isOrganizationDefault", false)
	r.writeModified(&p, x)
	p.Raw("rules", rules)
	p.Raw("effectiveRules", rules) // wider scopes enforce nothing
	p.Name("policyProperties")
	of := wire.New(p.B, nil)
	x.writeScope(&of, r.key.Scope)
	p.B = of.End()
	o.B = p.End()
	o.Str("id", idIn(place, policies, r.policy.ID))
	o.Str("name", r.policy.ID)
	o.Str("type", typeOf(policies))
	return o.End()
}

func (c *call) appendPolicyAssignment(b []byte, r policyRow, x expansion) []byte {
	place := x.place(r.key.Scope)
	o := wire.New(b, nil)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("scope", place)
	p.Str("roleDefinitionId", roleID(place, r.key.Role))
	p.Str("policyId", idIn(place, policies, r.policy.ID))
	p.Raw("effectiveRules", c.rules(r.policy.Rules))
	p.Name("policyAssignmentProperties")
	of := wire.New(p.B, nil)
	x.writeScope(&of, r.key.Scope)
	x.writeRole(&of, r.key.Scope, r.key.Role)
	of.Name("policy")
	bound := wire.New(of.B, nil)
	bound.Str("id", idIn(place, policies, r.policy.ID))
	r.writeModified(&bound, x)
	of.B = bound.End()
	p.B = of.End()
	o.B = p.End()
	o.Str("id", idIn(place, policyAssignments, r.assignmentName()))
	o.Str("name", r.assignmentName())
	o.Str("type", typeOf(policyAssignments))
	return o.End()
}

func (c *call) onePolicy(status int, append func(*call, []byte, policyRow, expansion) []byte, r policyRow) (api.Answer, error) {
	x, err := c.expand(r.reference())
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(status, append(c, nil, r, x)), nil
}

// policiesPerPage bounds a page of policies, each of which is long.
const policiesPerPage = 50

// listPolicies serves both sets. A filter on the role gives exactly one row, if there is the role; ours may name several, joined by or.
func listPolicies(append func(*call, []byte, policyRow, expansion) []byte) handler {
	return func(c *call) (api.Answer, error) {
		n, err := c.place()
		if err != nil {
			return api.Answer{}, err
		}
		f, err := c.filter(filterWords{functions: []string{"atScope"}, members: []string{"roleDefinitionId"}, or: true})
		if err != nil {
			return api.Answer{}, err
		}
		keys, next, err := c.policyKeys(n, f)
		if err != nil {
			return api.Answer{}, err
		}
		list, err := c.app.Policies(c.Context(), c.Caller, keys)
		if err != nil {
			return api.Answer{}, c.at(n, err)
		}
		refs := make([]reference, len(keys))
		for i, k := range keys {
			refs[i] = policyRow{k, list[k]}.reference()
		}
		x, err := c.expand(refs...)
		if err != nil {
			return api.Answer{}, err
		}
		rows := make([][]byte, len(keys))
		for i, k := range keys {
			rows[i] = append(c, nil, policyRow{k, list[k]}, x)
		}
		return c.page(rows, next), nil
	}
}

func (c *call) roleKey(at pim.Scope, role string) pim.RoleKey {
	return pim.RoleKey{Tenant: c.Tenant, Provider: pim.Resource, Scope: at, Role: pim.RoleID(role)}
}

// policyKeys are the roles whose policies a list is of, by id. The root has none.
func (c *call) policyKeys(n resource.Node, f filter) (keys []pim.RoleKey, next store.Cursor, err error) {
	after, err := c.after()
	if err != nil || n.Kind == resource.Root {
		return nil, nil, err
	}
	if ids := f.members["roleDefinitionId"]; len(ids) > 0 {
		keys, err = c.namedPolicies(n, ids)
		return keys, nil, err
	}
	roles, err := c.app.ResourceRoles(c.Context(), c.Caller, c.Tenant, n.Scope, false)
	if err != nil {
		return nil, nil, c.at(n, err)
	}
	for _, r := range roles {
		if len(after) == 0 || r.ID > after[0] {
			keys = append(keys, c.roleKey(n.Scope, r.ID))
		}
	}
	slices.SortFunc(keys, func(a, b pim.RoleKey) int { return cmp.Compare(a.Role, b.Role) })
	if len(keys) > policiesPerPage {
		keys = keys[:policiesPerPage]
		next = store.Cursor{string(keys[policiesPerPage-1].Role)}
	}
	return keys, next, nil
}

// namedPolicies are the policies of roles that a filter names, as far as there are such roles.
func (c *call) namedPolicies(n resource.Node, ids []string) ([]pim.RoleKey, error) {
	if len(ids) > policiesPerPage {
		return nil, filterRefused("more than 50 roles are named")
	}
	var keys []pim.RoleKey
	for _, id := range ids {
		role, ok := lastGUID(id)
		if !ok {
			return nil, filterRefused("roleDefinitionId is compared with the id of a role definition")
		}
		_, err := c.app.ResourceRole(c.Context(), c.Caller, c.Tenant, pim.RoleID(role))
		switch {
		case wire.Refused(err, pim.UnknownRole):
		case err != nil:
			return nil, err
		case !slices.Contains(keys, c.roleKey(n.Scope, role)):
			keys = append(keys, c.roleKey(n.Scope, role))
		}
	}
	return keys, nil
}

func absentPolicy() *problem {
	return &problem{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "The role management policy is not found."}
}

// policyNamed finds the role whose policy at the call's scope has a name. The name is computed from scope and role, so that those
// that the caller may know are tried.
func (c *call) policyNamed(name string) (resource.Node, pim.RoleKey, error) {
	n, err := c.place()
	if err != nil {
		return n, pim.RoleKey{}, err
	}
	if n.Kind == resource.Root {
		return n, pim.RoleKey{}, absentPolicy()
	}
	roles, err := c.app.ResourceRoles(c.Context(), c.Caller, c.Tenant, pim.Everywhere, true)
	if err != nil {
		return n, pim.RoleKey{}, err
	}
	for _, r := range roles {
		if k := c.roleKey(n.Scope, r.ID); app.PolicyID(k) == name {
			return n, k, nil
		}
	}
	own, err := c.app.ResourceGrants(c.Context(), c.Caller, app.ResourceQuery{Kind: pim.Eligibility, View: app.Mine, Scope: n.Scope, AtScope: true,
		Query: store.Query{Tenant: c.Tenant, Limit: perPage}})
	if err != nil {
		return n, pim.RoleKey{}, c.at(n, err)
	}
	for _, row := range own.Rows {
		if k := c.roleKey(n.Scope, string(row.Schedule.Key.Role)); app.PolicyID(k) == name {
			return n, k, nil
		}
	}
	return n, pim.RoleKey{}, absentPolicy()
}

// policyOf reads a policy.
func (c *call) policyOf(n resource.Node, k pim.RoleKey) (policyRow, error) {
	list, err := c.app.Policies(c.Context(), c.Caller, []pim.RoleKey{k})
	return policyRow{k, list[k]}, c.at(n, err)
}

func getPolicy(c *call) (api.Answer, error) {
	n, k, err := c.policyNamed(c.id("name"))
	if err != nil {
		return api.Answer{}, err
	}
	row, err := c.policyOf(n, k)
	if err != nil {
		return api.Answer{}, err
	}
	return c.onePolicy(http.StatusOK, (*call).appendPolicy, row)
}

// policyIn is a policy as callers send it. Only its rules can be changed.
type policyIn struct {
	Rules wire.Rules[wire.ARMRule] `json:"rules"`
}

// apply changes the rules that are named; the others stay.
func (in policyIn) apply(r *policy.Rules) error {
	for _, rule := range in.Rules {
		if err := rule.Apply(r); err != nil {
			return err
		}
	}
	return nil
}

// edit changes a policy.
func (c *call) edit(n resource.Node, k pim.RoleKey, edit func(*policy.Rules) error) (policyRow, error) {
	p, err := c.app.EditPolicy(c.Context(), c.Caller, k, edit)
	return policyRow{k, p}, c.at(n, err)
}

func patchPolicy(c *call) (api.Answer, error) {
	var in policyIn
	if err := c.properties(&in); err != nil {
		return api.Answer{}, err
	}
	n, k, err := c.policyNamed(c.id("name"))
	if err != nil {
		return api.Answer{}, err
	}
	row, err := c.edit(n, k, in.apply)
	if err != nil {
		return api.Answer{}, err
	}
	return c.onePolicy(http.StatusOK, (*call).appendPolicy, row)
}

// reset brings a policy back to the default, as a policy cannot be gone.
func (c *call) reset(n resource.Node, k pim.RoleKey) (api.Answer, error) {
	_, err := c.edit(n, k, func(r *policy.Rules) error {
		*r = policy.ForResource()
		return nil
	})
	return api.Answer{Status: http.StatusOK}, err
}

func deletePolicy(c *call) (api.Answer, error) {
	n, k, err := c.policyNamed(c.id("name"))
	if err != nil {
		return api.Answer{}, err
	}
	return c.reset(n, k)
}

// policyBound finds the role that the name of a binding ends in: its name is that of the policy and that of the role.
func (c *call) policyBound() (resource.Node, pim.RoleKey, error) {
	n, err := c.place()
	if err != nil {
		return n, pim.RoleKey{}, err
	}
	name, role, ok := strings.Cut(c.id("name"), "_")
	k := c.roleKey(n.Scope, role)
	if !ok || n.Kind == resource.Root || app.PolicyID(k) != name {
		return n, k, absentPolicy()
	}
	_, err = c.app.ResourceRole(c.Context(), c.Caller, c.Tenant, k.Role)
	return n, k, err
}

func getPolicyAssignment(c *call) (api.Answer, error) {
	n, k, err := c.policyBound()
	if err != nil {
		return api.Answer{}, err
	}
	row, err := c.policyOf(n, k)
	if err != nil {
		return api.Answer{}, err
	}
	return c.onePolicy(http.StatusOK, (*call).appendPolicyAssignment, row)
}

// policyAssignmentIn is a binding as callers send it.
type policyAssignmentIn struct {
	PolicyID         string `json:"policyId"`
	RoleDefinitionID string `json:"roleDefinitionId"`
}

// putPolicyAssignment takes the binding that there is anyway, and no other: each role has one policy at a scope.
func putPolicyAssignment(c *call) (api.Answer, error) {
	var in policyAssignmentIn
	if err := c.properties(&in); err != nil {
		return api.Answer{}, err
	}
	n, k, err := c.policyBound()
	if err != nil {
		return api.Answer{}, err
	}
	id, _ := lastGUID(in.PolicyID)
	role, _ := lastGUID(in.RoleDefinitionID)
	bound := (in.PolicyID == "" || id == app.PolicyID(k)) && (in.RoleDefinitionID == "" || role == string(k.Role))
	row, err := c.edit(n, k, func(*policy.Rules) error {
		if !bound {
			return wire.InvalidPolicy("policyId", "a role has the policy of its own at each scope, and no other")
		}
		return nil
	})
	if err != nil {
		return api.Answer{}, err
	}
	return c.onePolicy(http.StatusCreated, (*call).appendPolicyAssignment, row)
}

func deletePolicyAssignment(c *call) (api.Answer, error) {
	n, k, err := c.policyBound()
	if err != nil {
		return api.Answer{}, err
	}
	return c.reset(n, k)
}
