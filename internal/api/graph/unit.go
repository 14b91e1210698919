package graph

import (
	"net/http"
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

// Administrative units: administrativeUnit and scopedRoleMembership (learn.microsoft.com/graph/api/resources, pages of
// these names).

func unitProperties() []odata.Property {
	return append(append(commonObjectProperties(), textProperty("visibility")),
		listing.PlainProperties("isMemberManagementRestricted", "membershipRule", "membershipRuleProcessingState", "membershipType")...)
}

func writeUnit(o *object, d directory.Object) {
	o.Time("deletedDateTime", d.Deleted)
	o.Text("displayName", d.DisplayName)
	o.Text("description", d.Description)
	o.Bool("isMemberManagementRestricted", false)
	o.Null("membershipRule", "membershipRuleProcessingState", "membershipType")
	o.Text("visibility", visibility(d))
}

func visibility(d directory.Object) string {
	if d.Unit == nil {
		return ""
	}
	return d.Unit.Visibility
}

func unitsKind(c *call) *kind[directory.Object] { return &c.unit }

// scopedRow is one assignment at a unit.
type scopedRow struct {
	id     string
	unit   string
	role   pim.RoleID
	member directory.Object
}

func scopedProperties() []odata.Property {
	return append([]odata.Property{exactProperty("id"), idProperty("administrativeUnitId"), idProperty("roleId")}, listing.PlainProperties("roleMemberInfo")...)
}

func writeScoped(_ *call, o *object, r scopedRow) {
	o.Str("id", r.id)
	o.Str("administrativeUnitId", r.unit)
	o.Str("roleId", string(r.role))
	if o.Member("roleMemberInfo") {
		o.B = append(o.B, `{"id":`...)
		o.B = api.AppendText(o.B, string(r.member.ID))
		o.B = append(o.B, `,"displayName":`...)
		o.B = wire.AppendText(o.B, r.member.DisplayName)
		o.B = append(o.B, '}')
	}
}

func scopedValue(_ *call, r scopedRow, path []string) any {
	switch path[0] {
	case "id":
		return r.id
	case "administrativeUnitId":
		return r.unit
	case "roleId":
		return string(r.role)
	}
	return nil
}

// scopedRoleMembers lists the active assignments at a unit.
func scopedRoleMembers(c *call) (api.Answer, error) {
	u, err := c.objectOf(directory.KindAdministrativeUnit)
	if err != nil {
		return api.Answer{}, err
	}
	rows, err := c.scoped(store.Is(store.FieldScope, string(pim.AdministrativeUnit(string(u.ID)))))
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.scopedMember, rows)
}

// scoped are the active assignments at units that match.
func (c *call) scoped(where store.Filter) ([]scopedRow, error) {
	instances, err := c.allGrants(pim.Assignment, true, listing.Every(where, store.Is(store.FieldMember, int(pim.Direct))))
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, i := range instances {
		ids[string(i.Principal)] = true
	}
	objects, err := c.objectsByID(keys(ids))
	if err != nil {
		return nil, err
	}
	byID := map[pim.PrincipalID]directory.Object{}
	for _, o := range objects {
		byID[o.ID] = o
	}
	var rows []scopedRow
	for _, i := range instances {
		if unit, ok := i.Schedule.Key.Scope.Unit(); ok {
			rows = append(rows, scopedRow{grantID(i), unit, i.Schedule.Key.Role, byID[i.Principal]})
		}
	}
	return rows, nil
}

func getUnitMember(c *call) (api.Answer, error) {
	u, err := c.objectOf(directory.KindAdministrativeUnit)
	if err != nil {
		return api.Answer{}, err
	}
	members, err := c.linked(directory.UnitMember, u.ID, "")
	if err != nil {
		return api.Answer{}, err
	}
	for _, m := range members {
		if string(m.ID) == c.id("member") {
			return listing.One(c, &c.object, http.StatusOK, m)
		}
	}
	return api.Answer{}, notFound(c.id("member"))
}

// unitIn is an administrative unit as callers make or change one (Graph: "Create administrativeUnit").
type unitIn struct {
	DisplayName patched[string] `json:"displayName"`
	Description patched[string] `json:"description"`
	Visibility  patched[string] `json:"visibility"`
	Members     bindings        `json:"members@odata.bind"`
}

func (in unitIn) apply(o *directory.Object) error {
	if o.Unit == nil {
		o.Unit = &directory.Unit{}
	}
	in.DisplayName.to(&o.DisplayName)
	in.Description.to(&o.Description)
	in.Visibility.to(&o.Unit.Visibility)
	return nil
}

func createUnit(c *call) (api.Answer, error) {
	var in unitIn
	if err := listing.Decode(c, &c.unit, &in); err != nil {
		return api.Answer{}, err
	}
	if len(in.Members) > maxBindings {
		return api.Answer{}, badRequest("A body binds at most %d members.", maxBindings)
	}
	o, err := c.editor.CreateUnit(c.Context(), c.Caller, c.Tenant, app.NewUnit{
		DisplayName: in.DisplayName.value, Description: in.Description.value, Visibility: in.Visibility.value, Members: in.Members,
	})
	if err != nil {
		return api.Answer{}, writeProblem(err, "administrativeUnit")
	}
	return listing.One(c, &c.unit, http.StatusCreated, o)
}

func updateUnit(c *call) (api.Answer, error) {
	var in unitIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	o, err := c.objectOf(directory.KindAdministrativeUnit)
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.editor.UpdateUnit(c.Context(), c.Caller, c.Tenant, o.ID, in.apply, app.MembershipChange{}); err != nil {
		return api.Answer{}, writeProblem(err, "administrativeUnit")
	}
	return noContent()
}

func deleteUnit(c *call) (api.Answer, error) {
	o, err := c.objectOf(directory.KindAdministrativeUnit)
	if err != nil {
		return api.Answer{}, err
	}
	if err := c.editor.DeleteUnit(c.Context(), c.Caller, c.Tenant, o.ID); err != nil {
		return api.Answer{}, writeProblem(err, string(o.ID))
	}
	return noContent()
}

func addUnitMember(c *call) (api.Answer, error) {
	who, err := c.reference()
	if err != nil {
		return api.Answer{}, err
	}
	return c.changeUnit(app.MembershipChange{AddMembers: []pim.PrincipalID{who}}, "members", who)
}

func removeUnitMember(c *call) (api.Answer, error) {
	who := pim.PrincipalID(c.id("member"))
	return c.changeUnit(app.MembershipChange{RemoveMembers: []pim.PrincipalID{who}}, string(who), who)
}

func (c *call) changeUnit(m app.MembershipChange, what string, who pim.PrincipalID) (api.Answer, error) {
	o, err := c.objectOf(directory.KindAdministrativeUnit)
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.editor.UpdateUnit(c.Context(), c.Caller, c.Tenant, o.ID, nil, m); err != nil {
		if wire.Refused(err, pim.UnknownPrincipal) {
			what = string(who)
		}
		return api.Answer{}, writeProblem(err, what)
	}
	return noContent()
}

// createInUnit makes a group in an administrative unit.
func createInUnit(c *call) (api.Answer, error) {
	u, err := c.objectOf(directory.KindAdministrativeUnit)
	if err != nil {
		return api.Answer{}, err
	}
	if err := c.demand("Group.ReadWrite.All", "Directory.ReadWrite.All", "Group.Create"); err != nil {
		return api.Answer{}, err
	}
	o, err := c.createGroup(u.ID)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.object, http.StatusCreated, o)
}

// scopedIn is the body of a scopedRoleMembership.
type scopedIn struct {
	RoleID         string `json:"roleId"`
	RoleMemberInfo struct {
		ID string `json:"id"`
	} `json:"roleMemberInfo"`
}

// createScoped gives a role at an administrative unit, outside PIM.
func createScoped(c *call) (api.Answer, error) {
	var in scopedIn
	if err := listing.Decode(c, &c.scopedMember, &in); err != nil {
		return api.Answer{}, err
	}
	u, err := c.objectOf(directory.KindAdministrativeUnit)
	if err != nil {
		return api.Answer{}, err
	}
	i, err := c.assignOutside(pim.Key{Tenant: c.Tenant, Provider: pim.Directory, Scope: pim.AdministrativeUnit(string(u.ID)),
		Role: pim.RoleID(strings.ToLower(in.RoleID)), Principal: pim.PrincipalID(strings.ToLower(in.RoleMemberInfo.ID))})
	if err != nil {
		return api.Answer{}, err
	}
	who, err := c.objectByID(string(i.Principal))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.scopedMember, http.StatusCreated, scopedRow{grantID(i), string(u.ID), i.Schedule.Key.Role, who})
}

// scopedByID is the assignment at an administrative unit that the path names.
func (c *call) scopedByID() (scopedRow, error) {
	u, err := c.objectOf(directory.KindAdministrativeUnit)
	if err != nil {
		return scopedRow{}, err
	}
	rows, err := c.scoped(store.Is(store.FieldScope, string(pim.AdministrativeUnit(string(u.ID)))))
	if err != nil {
		return scopedRow{}, err
	}
	for _, r := range rows {
		if r.id == c.PathValue("member") {
			return r, nil
		}
	}
	return scopedRow{}, notFound(c.PathValue("member"))
}

func getScoped(c *call) (api.Answer, error) {
	r, err := c.scopedByID()
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.scopedMember, http.StatusOK, r)
}

func deleteScoped(c *call) (api.Answer, error) {
	r, err := c.scopedByID()
	if err != nil {
		return api.Answer{}, err
	}
	return c.removeOutside(pim.Key{Tenant: c.Tenant, Provider: pim.Directory, Scope: pim.AdministrativeUnit(r.unit), Role: r.role, Principal: r.member.ID})
}
