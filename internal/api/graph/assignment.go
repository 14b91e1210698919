package graph

import (
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Plain assignments: unifiedRoleAssignment (learn.microsoft.com/graph/api/resources/unifiedroleassignment). They are
// the directory's own view of what holds now: one row for each principal that a grant names, none for members of groups.

func roleAssignments() grantSet {
	return grantSet{
		kind: func(c *call) *kind[pim.Instance] { return &c.roleAssignment }, of: pim.Assignment, instances: true,
		where: store.Is(store.FieldMember, int(pim.Direct)),
	}
}

func assignmentColumns() columns {
	cs := grantColumns()
	cs["id"] = instanceIDColumn(pim.Assignment)
	return cs
}

func writeRoleAssignment(c *call, o *object, i pim.Instance) {
	o.grantID("id", i)
	writeGrant(o, i)
	if c.beta {
		o.text("resourceScope", string(i.Schedule.Key.Scope))
	}
	o.text("principalOrganizationId", string(c.Tenant))
	o.null("condition")
}

func roleAssignmentValue(c *call, i pim.Instance, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return grantID(i)
	case "resourceScope":
		return string(i.Schedule.Key.Scope)
	case "principalOrganizationId":
		return string(c.Tenant)
	}
	return grantValue(i, path)
}

func relateRoleAssignments(c *call, expands []odata.Expand, rows []pim.Instance) ([]related, error) {
	refs := make([]reference, len(rows))
	for i, r := range rows {
		refs[i] = referenceOf(r)
	}
	return relateReferences(c, expands, refs)
}

// transitiveRoleAssignments lists what a principal holds by itself and by its groups, as the rows of who was given it
// (reference graph-pim §3.10: three things must be there).
func transitiveRoleAssignments(c *call) (api.Answer, error) {
	q, err := c.query(c.roleAssignment.schema)
	if err != nil {
		return api.Answer{}, err
	}
	principal, pinned := odata.Pinned(q.Filter, "principalId")
	text, isText := principal.(odata.String)
	if !pinned || !isText || !q.Count || !strings.EqualFold(c.Header.Get("ConsistencyLevel"), "eventual") {
		return api.Answer{}, unsupported("transitiveRoleAssignments needs $filter on principalId, $count=true and the header ConsistencyLevel: eventual.")
	}
	return c.heldBy(string(text))
}

// heldBy lists the assignments that a principal holds, each as the row of the principal or group that was given it.
func (c *call) heldBy(principal string) (api.Answer, error) {
	rows, err := c.allGrants(pim.Assignment, true, store.Is(store.FieldPrincipal, strings.ToLower(principal)))
	if err != nil {
		return api.Answer{}, err
	}
	for i := range rows {
		rows[i].Principal, rows[i].Member = rows[i].Schedule.Key.Principal, pim.Direct
	}
	k := c.roleAssignment
	k.value = func(c *call, i pim.Instance, path []string) any {
		if len(path) == 1 && path[0] == "principalId" {
			return principal // the filter asks for the holder, the row names who was given it
		}
		return roleAssignmentValue(c, i, path)
	}
	k.deep = nil
	return listAll(c, &k, rows)
}

// mixed are the beta functions that list assignments and eligibilities of one key together.
func mixed(instances bool) handler {
	return func(c *call) (api.Answer, error) {
		_, args, _, err := odata.ParseFunction("f(" + c.Arguments + ")")
		if err != nil {
			return api.Answer{}, err
		}
		where, ok := mixedFilter(args)
		if !ok {
			return api.Answer{}, badRequest("The function needs directoryScopeId, appScopeId, principalId and roleDefinitionId, texts in quotes.")
		}
		c.function = true
		var rows []pim.Instance
		for _, k := range []pim.Kind{pim.Assignment, pim.Eligibility} {
			some, err := c.allGrants(k, instances, where)
			if err != nil {
				return api.Answer{}, err
			}
			rows = append(rows, some...)
		}
		k := &c.mixedSchedule
		if instances {
			k = &c.mixedInstance
		}
		return listAll(c, k, rows)
	}
}

// mixedFilter reads the four arguments; empty ones ask for anything.
func mixedFilter(args odata.Arguments) (store.Filter, bool) {
	var where store.And
	for _, name := range []string{"directoryScopeId", "appScopeId", "principalId", "roleDefinitionId"} {
		text, ok := args.Text(name)
		switch {
		case !ok:
			return nil, false
		case text == "":
		case name == "directoryScopeId":
			scope, _ := parseScope(text)
			where = append(where, store.Is(store.FieldScope, string(scope)))
		case name == "appScopeId":
			where = append(where, store.Or{}) // nothing of PIM has one
		case name == "principalId":
			where = append(where, store.Is(store.FieldPrincipal, strings.ToLower(text)))
		default:
			where = append(where, store.Is(store.FieldRole, strings.ToLower(text)))
		}
	}
	return where, true
}

// assignedPrincipals lists who holds a role: the principals it was given to, or with transitive the members of groups too.
func assignedPrincipals(c *call) (api.Answer, error) {
	_, args, _, err := odata.ParseFunction("f(" + c.Arguments + ")")
	if err != nil {
		return api.Answer{}, err
	}
	where := store.And{store.Is(store.FieldRole, c.id("id"))}
	if transitive, _ := args.Get("transitive"); transitive != odata.Bool(true) {
		where = append(where, store.Is(store.FieldMember, int(pim.Direct)))
	}
	ids, err := c.holders(where)
	if err != nil {
		return api.Answer{}, err
	}
	c.function = true
	return c.listObjects(ids)
}

// holders are the ids of the principals of all active assignments that match.
func (c *call) holders(where store.Filter) ([]string, error) {
	rows, err := c.allGrants(pim.Assignment, true, where)
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, r := range rows {
		ids[string(r.Principal)] = true
	}
	return keys(ids), nil
}
