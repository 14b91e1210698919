package arm

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

// Deny assignments: DenyAssignment (reference arm-pim §10).

const denyAssignments = "denyAssignments"

func denyAssignmentRoutes() []route {
	return []route{
		{get, under(denyAssignments), listDenyAssignments},
		{get, under(denyAssignments + "/{name}"), getDenyAssignment},
		{put, under(denyAssignments + "/{name}"), putDenyAssignment},
		{del, under(denyAssignments + "/{name}"), deleteDenyAssignment},
	}
}

// appendDenial writes one. bare leaves only what is told to who asks for the traces of a person.
func (c *call) appendDenial(b []byte, d rbac.Denial, scope string, bare bool) []byte {
	o := wire.New(b, nil)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("denyAssignmentName", d.Name)
	p.Str("description", d.Description)
	if bare {
		p.Null("permissions", "scope", "doNotApplyToChildScopes", "principals", "excludePrincipals", "isSystemProtected")
	} else {
		c.writeDenial(&p, d, scope)
	}
	o.B = p.End()
	o.Str("id", idIn(scope, denyAssignments, d.ID))
	o.Str("type", typeOf(denyAssignments))
	o.Str("name", d.ID)
	return o.End()
}

func (c *call) writeDenial(p *wire.Object, d rbac.Denial, scope string) {
	p.Name("permissions")
	p.B = appendPermissions(p.B, d.Permissions, true)
	p.Str("scope", scope)
	p.Bool("doNotApplyToChildScopes", d.NotBelow)
	principals := d.Principals
	if d.Everybody {
		principals = append([]rbac.Named{{ID: rbac.Everyone, Type: "SystemDefined"}}, principals...)
	}
	newer := c.since("2024-07-01")
	p.Name("principals")
	p.B = appendNamed(p.B, principals, !newer)
	p.Name("excludePrincipals")
	p.B = appendNamed(p.B, d.Except, !newer)
	p.Bool("isSystemProtected", d.System)
	if !newer {
		return
	}
	p.Text("condition", d.Condition)
	p.Text("conditionVersion", d.ConditionVersion)
	p.Str("denyAssignmentEffect", denialEffects()[boolIndex(d.Audit)])
	p.Time("createdOn", d.Created)
	p.Time("updatedOn", d.Updated)
	p.Text("createdBy", d.CreatedBy)
	p.Text("updatedBy", d.UpdatedBy)
}

func denialEffects() []string { return []string{"enforced", "audit"} }

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// appendNamed writes principals; the older versions have members for names and addresses, which are never filled.
func appendNamed(b []byte, list []rbac.Named, older bool) []byte {
	return wire.AppendEach(b, list, func(b []byte, n rbac.Named) []byte {
		o := wire.New(b, nil)
		o.Str("id", n.ID)
		o.Text("type", n.Type)
		if older {
			o.Null("displayName", "email")
		}
		return o.End()
	})
}

func (c *call) appendedDenials(list []rbac.Denial, bare bool) ([][]byte, error) {
	refs := make([]reference, len(list))
	for i, d := range list {
		refs[i].scope = pim.Scope(d.Scope)
	}
	x, err := c.expand(refs...)
	if err != nil {
		return nil, err
	}
	rows := make([][]byte, len(list))
	for i, d := range list {
		rows[i] = c.appendDenial(nil, d, x.place(pim.Scope(d.Scope)), bare)
	}
	return rows, nil
}

func (c *call) oneDenial(status int, d rbac.Denial) (api.Answer, error) {
	rows, err := c.appendedDenials([]rbac.Denial{d}, false)
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(status, rows[0]), nil
}

func listDenyAssignments(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	f, err := c.filter(filterWords{functions: []string{"atScope", "assignedTo(id)"}, members: []string{"denyAssignmentName", "principalId", "gdprExportPrincipalId"}})
	if err != nil {
		return api.Answer{}, err
	}
	q := app.DenialQuery{Scope: n.Scope, AtScope: f.has("atScope"), Assignee: pim.PrincipalID(f.argument("assignedTo"))}
	q.Tenant, q.Limit = c.Tenant, perPage
	if q.After, err = c.after(); err != nil {
		return api.Answer{}, err
	}
	q.Name, _ = f.is("denyAssignmentName")
	if id, ok := f.is("principalId"); ok {
		q.Principal = pim.PrincipalID(strings.ToLower(id))
	}
	traces, bare := f.is("gdprExportPrincipalId")
	if bare {
		q.Principal, q.Excepted = pim.PrincipalID(strings.ToLower(traces)), true
	}
	page, err := c.app.Denials(c.Context(), c.Caller, q)
	if err != nil {
		return api.Answer{}, c.at(n, err)
	}
	rows, err := c.appendedDenials(page.Rows, bare)
	if err != nil {
		return api.Answer{}, err
	}
	return c.page(rows, page.Next), nil
}

func getDenyAssignment(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	d, err := c.app.Denial(c.Context(), c.Caller, c.Tenant, n.Scope, c.id("name"))
	if wire.Refused(err, pim.UnknownGrant) {
		return api.Answer{}, &problem{Status: http.StatusNotFound, Code: "DenyAssignmentNotFound",
			Message: "The deny assignment '" + printable(c.id("name")) + "' is not found."}
	}
	if err != nil {
		return api.Answer{}, err
	}
	return c.oneDenial(http.StatusOK, d)
}

// denyAssignmentIn is one as callers send it.
type denyAssignmentIn struct {
	Name             string         `json:"denyAssignmentName"`
	Description      string         `json:"description"`
	Permissions      []permissionIn `json:"permissions"`
	NotBelow         bool           `json:"doNotApplyToChildScopes"`
	Principals       []namedIn      `json:"principals"`
	Except           []namedIn      `json:"excludePrincipals"`
	Condition        string         `json:"condition"`
	ConditionVersion string         `json:"conditionVersion"`
	Effect           string         `json:"denyAssignmentEffect"`
}

type namedIn struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// toDenial reads the body. The error is a *problem.
func (in denyAssignmentIn) toDenial(scope pim.Scope, id string) (rbac.Denial, error) {
	effect := 0
	if in.Effect != "" {
		if effect = wire.IndexFold(denialEffects(), in.Effect); effect < 0 {
			return rbac.Denial{}, &problem{Status: http.StatusBadRequest, Code: "InvalidRequestContent", Message: "denyAssignmentEffect is enforced or audit."}
		}
	}
	return rbac.Denial{
		ID: id, Scope: string(scope), Name: strings.TrimSpace(in.Name), Description: in.Description, NotBelow: in.NotBelow,
		Principals: toNamed(in.Principals), Except: toNamed(in.Except), Permissions: toPermissions(in.Permissions),
		Condition: in.Condition, ConditionVersion: in.ConditionVersion, Audit: effect == 1,
	}, nil
}

func toNamed(in []namedIn) []rbac.Named {
	var out []rbac.Named
	for _, n := range in {
		out = append(out, rbac.Named{ID: strings.ToLower(n.ID), Type: n.Type})
	}
	return out
}

func putDenyAssignment(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	var in denyAssignmentIn
	if err := c.properties(&in); err != nil {
		return api.Answer{}, err
	}
	d, err := in.toDenial(n.Scope, c.id("name"))
	if err != nil {
		return api.Answer{}, err
	}
	d, created, err := c.app.PutDenial(c.Context(), c.Caller, c.Tenant, d)
	if err != nil {
		return api.Answer{}, c.denialProblem(n, err)
	}
	return c.oneDenial(statusOf(created), d)
}

// denialProblem tells what of a deny assignment is wrong.
func (c *call) denialProblem(n resource.Node, err error) error {
	r, ok := refusalOf(err)
	switch {
	case ok && r.Code == pim.InvalidRequest:
		return &problem{Status: http.StatusBadRequest, Code: "InvalidDenyAssignment", Message: "The deny assignment is invalid: " + sentence(r.Field, r.Detail) + "."}
	case ok && r.Code == pim.RequestExists:
		return &problem{Status: http.StatusConflict, Code: "Conflict", Message: "A deny assignment of this id exists at another scope."}
	case ok && r.Code == pim.UnknownPrincipal:
		return &problem{Status: http.StatusBadRequest, Code: "PrincipalNotFound", Message: "A principal does not exist in the directory."}
	}
	return c.at(n, err)
}

func deleteDenyAssignment(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	d, err := c.app.DeleteDenial(c.Context(), c.Caller, c.Tenant, n.Scope, c.id("name"))
	if wire.Refused(err, pim.UnknownGrant) {
		return api.Answer{Status: http.StatusNoContent}, nil
	}
	if err != nil {
		return api.Answer{}, err
	}
	return c.oneDenial(http.StatusOK, d)
}
