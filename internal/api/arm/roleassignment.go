package arm

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// Role assignments: RoleAssignment (reference arm-pim §10). They are the assignment schedules in force now, whoever made them:
// by PIM, by activation, or here.

const roleAssignments = "roleAssignments"

func roleAssignmentRoutes() []route {
	return []route{
		{get, under(roleAssignments), listRoleAssignments},
		{get, under(roleAssignments + "/{name}"), getRoleAssignment},
		{put, under(roleAssignments + "/{name}"), putRoleAssignment},
		{del, under(roleAssignments + "/{name}"), deleteRoleAssignment},
		{post, under(roleAssignments + "/{name}/validate"), validateRoleAssignment},
	}
}

func appendRoleAssignment(b []byte, s pim.Schedule, x expansion) []byte {
	place := x.place(s.Key.Scope)
	o := wire.New(b, nil)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("roleDefinitionId", roleID(place, s.Key.Role))
	p.Str("principalId", string(s.Key.Principal))
	p.Str("principalType", x.principalType(s.Key.Principal))
	p.Str("scope", place)
	p.Text("condition", s.Condition)
	p.Text("conditionVersion", s.ConditionVersion)
	p.Time("createdOn", s.Created)
	updated, by := s.Modified, s.ModifiedBy
	if updated.IsZero() {
		updated, by = s.Created, s.CreatedBy
	}
	p.Time("updatedOn", updated)
	p.Text("createdBy", string(s.CreatedBy))
	p.Text("updatedBy", string(by))
	p.Text("description", s.Description)
	p.Null("delegatedManagedIdentityResourceId")
	o.B = p.End()
	o.Str("id", idIn(place, roleAssignments, string(s.ID)))
	o.Str("type", typeOf(roleAssignments))
	o.Str("name", string(s.ID))
	return o.End()
}

func (c *call) appendedRoleAssignments(list []pim.Schedule) ([][]byte, error) {
	if err := c.creators(len(list), func(i int) *pim.Schedule { return &list[i] }); err != nil {
		return nil, err
	}
	refs := make([]reference, len(list))
	for i, s := range list {
		refs[i] = reference{scope: s.Key.Scope, principal: s.Key.Principal}
	}
	x, err := c.expand(refs...)
	if err != nil {
		return nil, err
	}
	rows := make([][]byte, len(list))
	for i, s := range list {
		rows[i] = appendRoleAssignment(nil, s, x)
	}
	return rows, nil
}

func (c *call) oneRoleAssignment(status int, s pim.Schedule) (api.Answer, error) {
	rows, err := c.appendedRoleAssignments([]pim.Schedule{s})
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(status, rows[0]), nil
}

func listRoleAssignments(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	f, err := c.filter(filterWords{functions: []string{"atScope", "asTarget", "assignedTo(id)"}, members: []string{"principalId", "roleDefinitionId"}})
	if err != nil {
		return api.Answer{}, err
	}
	q, err := c.resourceQuery(n.Scope, pim.Assignment, f)
	if err != nil {
		return api.Answer{}, err
	}
	q.Instances = true
	page, err := c.app.ResourceGrants(c.Context(), c.Caller, q)
	if err != nil {
		return api.Answer{}, c.at(n, err)
	}
	list := make([]pim.Schedule, len(page.Rows))
	for i, r := range page.Rows {
		list[i] = r.Schedule
	}
	rows, err := c.appendedRoleAssignments(list)
	if err != nil {
		return api.Answer{}, err
	}
	return c.page(rows, page.Next), nil
}

// findRoleAssignment returns the one that the address names.
func (c *call) findRoleAssignment() (pim.Schedule, error) {
	n, err := c.place()
	if err != nil {
		return pim.Schedule{}, err
	}
	row, err := c.app.ResourceGrant(c.Context(), c.Caller, c.Tenant, pim.Assignment, true, n.Scope, pim.ScheduleID(c.id("name")))
	return row.Schedule, c.at(n, err)
}

func getRoleAssignment(c *call) (api.Answer, error) {
	s, err := c.findRoleAssignment()
	if wire.Refused(err, pim.UnknownGrant) {
		return api.Answer{}, &problem{Status: http.StatusNotFound, Code: "RoleAssignmentNotFound",
			Message: "The role assignment '" + printable(c.id("name")) + "' is not found."}
	}
	if err != nil {
		return api.Answer{}, err
	}
	return c.oneRoleAssignment(http.StatusOK, s)
}

// roleAssignmentIn is an assignment as callers send it. The type of the principal is known here.
type roleAssignmentIn struct {
	RoleDefinitionID string `json:"roleDefinitionId"`
	PrincipalID      string `json:"principalId"`
	Description      string `json:"description"`
	Condition        string `json:"condition"`
	ConditionVersion string `json:"conditionVersion"`
}

// assignAsk reads the body as what it asks for.
func (c *call) assignAsk() (pim.Ask, error) {
	n, err := c.place()
	if err != nil {
		return pim.Ask{}, err
	}
	var in roleAssignmentIn
	if err := c.properties(&in); err != nil {
		return pim.Ask{}, err
	}
	name := c.id("name")
	role, ok := lastGUID(in.RoleDefinitionID)
	switch {
	case !wire.IsGUID(name):
		return pim.Ask{}, &problem{Status: http.StatusBadRequest, Code: "InvalidRoleAssignmentId", Message: "The role assignment ID '" + printable(name) + "' is not valid. The role assignment ID must be a GUID."}
	case !ok:
		return pim.Ask{}, &problem{Status: http.StatusBadRequest, Code: "InvalidRoleDefinitionId", Message: "The role definition ID '" + printable(in.RoleDefinitionID) + "' is not valid."}
	case !wire.IsGUID(in.PrincipalID):
		return pim.Ask{}, &problem{Status: http.StatusBadRequest, Code: "InvalidPrincipalId", Message: "The principal ID '" + printable(in.PrincipalID) + "' is not valid. Principal ID must be a GUID."}
	}
	return pim.Ask{
		By: c.Caller, Action: pim.AssignOutside, Kind: pim.Assignment, Target: pim.ScheduleID(name),
		Key: pim.Key{Tenant: c.Tenant, Provider: pim.Resource, Scope: n.Scope, Role: pim.RoleID(role),
			Principal: pim.PrincipalID(strings.ToLower(in.PrincipalID))},
		Condition: in.Condition, ConditionVersion: in.ConditionVersion, Description: in.Description,
	}, nil
}

func putRoleAssignment(c *call) (api.Answer, error) {
	ask, err := c.assignAsk()
	if err != nil {
		return api.Answer{}, err
	}
	out, err := c.app.Do(c.Context(), ask)
	if err != nil {
		return api.Answer{}, c.roleAssignmentProblem(err)
	}
	for _, s := range out.Schedules {
		switch {
		case s.ID != ask.Target:
		case s.Modified.IsZero():
			return c.oneRoleAssignment(http.StatusCreated, s)
		default:
			return c.oneRoleAssignment(http.StatusOK, s)
		}
	}
	// Nothing was to be changed.
	s, err := c.findRoleAssignment()
	if err != nil {
		return api.Answer{}, err
	}
	return c.oneRoleAssignment(http.StatusOK, s)
}

// roleAssignmentProblem tells those refusals that role assignments have other words for than requests.
func (c *call) roleAssignmentProblem(err error) error {
	bad := func(status int, code, message string) error {
		return &problem{Status: status, Code: code, Message: message}
	}
	switch {
	case wire.Refused(err, pim.AlreadyThere):
		return bad(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists.")
	case wire.Refused(err, pim.UnknownPrincipal):
		return bad(http.StatusBadRequest, "PrincipalNotFound", "The principal does not exist in the directory.")
	}
	n, _ := c.place() // which was read before
	return c.at(n, err)
}

func deleteRoleAssignment(c *call) (api.Answer, error) {
	s, err := c.findRoleAssignment()
	if err == nil {
		_, err = c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: pim.RemoveOutside, Kind: pim.Assignment, Key: s.Key, Target: s.ID})
	}
	switch {
	case wire.Refused(err, pim.UnknownGrant, pim.NotThere):
		return api.Answer{Status: http.StatusNoContent}, nil
	case err != nil:
		return api.Answer{}, err
	}
	return c.oneRoleAssignment(http.StatusOK, s)
}

// validateRoleAssignment says whether a PUT would do, and changes nothing (reference arm-pim §12).
func validateRoleAssignment(c *call) (api.Answer, error) {
	ask, err := c.assignAsk()
	if err == nil {
		ask.ValidationOnly = true
		_, err = c.app.Do(c.Context(), ask)
		err = c.roleAssignmentProblem(err)
	}
	o := wire.New(nil, nil)
	o.Bool("isValid", err == nil)
	o.Name("errorInfo")
	if err == nil {
		o.B = append(o.B, "null"...)
		return c.json(http.StatusOK, o.End()), nil
	}
	p := c.problemOf(c.Request, err)
	if p.Status != http.StatusBadRequest && p.Status != http.StatusConflict && !wire.Refused(err, pim.UnknownRole) {
		return api.Answer{}, err
	}
	e := wire.New(o.B, nil)
	e.Str("code", p.Code)
	e.Str("message", p.Message)
	o.B = e.End()
	return c.json(http.StatusOK, o.End()), nil
}
