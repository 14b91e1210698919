package graph

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Plain assignments: unifiedRoleAssignment (learn.microsoft.com/graph/api/resources/unifiedroleassignment). They are
// the directory's own view of what holds now: one row for each principal that a grant names, none for members of groups.

func roleAssignments() grantSet {
	return grantSet{
		provider: pim.Directory, kind: func(c *call) *kind[pim.Instance] { return &c.roleAssignment }, of: pim.Assignment, instances: true,
		where: store.Is(store.FieldMember, int(pim.Direct)),
	}
}

func assignmentColumns() listing.Columns {
	cs := grantColumns()
	cs["id"] = instanceIDColumn(directoryWords(), pim.Assignment)
	return cs
}

func writeRoleAssignment(c *call, o *object, i pim.Instance) {
	appendGrant(o, "id", i)
	writeKey(o, i.Schedule.Key, i.Principal)
	if c.beta {
		o.Text("resourceScope", string(i.Schedule.Key.Scope))
	}
	o.Text("principalOrganizationId", string(c.Tenant))
	o.Null("condition")
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
	q, err := c.Query(c.roleAssignment.Schema)
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
	k.Value = func(c *call, i pim.Instance, path []string) any {
		if len(path) == 1 && path[0] == "principalId" {
			return principal // the filter asks for the holder, the row names who was given it
		}
		return roleAssignmentValue(c, i, path)
	}
	k.Deep = nil
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
		c.Function = true
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
	c.Function = true
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

// assignmentIn is a plain assignment as callers make one (Graph: "Create unifiedRoleAssignment").
type assignmentIn struct {
	PrincipalID      string   `json:"principalId"`
	RoleDefinitionID string   `json:"roleDefinitionId"`
	DirectoryScopeID string   `json:"directoryScopeId"`
	AppScopeID       string   `json:"appScopeId"`
	Principal        bindings `json:"principal@odata.bind"`
}

// toKey says what the assignment is about. The error is a *problem.
func (in assignmentIn) toKey(t pim.TenantID) (pim.Key, error) {
	scope, ok := parseScope(in.DirectoryScopeID)
	if in.PrincipalID == "" && len(in.Principal) == 1 {
		in.PrincipalID = string(in.Principal[0])
	}
	switch {
	case in.AppScopeID != "":
		return pim.Key{}, badRequest("appScopeId is not offered; name a directoryScopeId.")
	case in.PrincipalID == "" || in.RoleDefinitionID == "" || in.DirectoryScopeID == "":
		return pim.Key{}, badRequest("principalId, roleDefinitionId and directoryScopeId are required.")
	case !ok:
		return pim.Key{}, &problem{Status: http.StatusBadRequest, Code: "Request_BadRequest", Message: "directoryScopeId: the scope is not /, /administrativeUnits/{id} or /{id}."}
	}
	return pim.Key{Tenant: t, Provider: pim.Directory, Scope: scope, Role: pim.RoleID(strings.ToLower(in.RoleDefinitionID)),
		Principal: pim.PrincipalID(strings.ToLower(in.PrincipalID))}, nil
}

// createAssignment gives a role at once and without end, outside PIM (reference graph-pim §3.1).
func createAssignment(c *call) (api.Answer, error) {
	var in assignmentIn
	if err := listing.Decode(c, &c.roleAssignment, &in); err != nil {
		return api.Answer{}, err
	}
	k, err := in.toKey(c.Tenant)
	if err != nil {
		return api.Answer{}, err
	}
	i, err := c.assignOutside(k)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.roleAssignment, http.StatusCreated, i)
}

// deleteAssignment takes a role away, however it was given.
func deleteAssignment(c *call) (api.Answer, error) {
	row, err := roleAssignments().find(c)
	if err != nil {
		return api.Answer{}, err
	}
	return c.removeOutside(row.Schedule.Key)
}

// assignOutside gives what the key names outside PIM, and returns the row of it.
func (c *call) assignOutside(k pim.Key) (pim.Instance, error) {
	if r, err := c.app.Role(c.Context(), c.Tenant, k.Role); err == nil {
		k.Role = r.ID // a role goes by its template's id too
	}
	out, err := c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: pim.AssignOutside, Kind: pim.Assignment, Key: k})
	if wire.Refused(err, pim.AlreadyThere) {
		err = &problem{Status: http.StatusBadRequest, Code: "Request_BadRequest",
			Message: "A conflicting object with one or more of the specified property values is present in the directory."}
	}
	if err != nil {
		return pim.Instance{}, writeProblem(err, string(k.Principal))
	}
	s := out.Schedules[0] // an assignment outside PIM is one schedule
	during, _ := s.Window.At(c.now)
	return pim.Instance{Schedule: s, Principal: k.Principal, Member: pim.Direct, During: during}, nil
}

func (c *call) removeOutside(k pim.Key) (api.Answer, error) {
	_, err := c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: pim.RemoveOutside, Kind: pim.Assignment, Key: k})
	if err != nil {
		return api.Answer{}, writeProblem(err, string(k.Principal))
	}
	return noContent()
}
