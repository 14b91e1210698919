package graph

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Administrative units: administrativeUnit and scopedRoleMembership (learn.microsoft.com/graph/api/resources, pages of
// these names).

func unitProperties() []odata.Property {
	return append(append(commonObjectProperties(), textProperty("visibility")),
		plainProperties("isMemberManagementRestricted", "membershipRule", "membershipRuleProcessingState", "membershipType")...)
}

func writeUnit(o *object, d directory.Object) {
	o.null("deletedDateTime")
	o.text("displayName", d.DisplayName)
	o.text("description", d.Description)
	o.bool("isMemberManagementRestricted", false)
	o.null("membershipRule", "membershipRuleProcessingState", "membershipType", "visibility")
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
	return append([]odata.Property{exactProperty("id"), idProperty("administrativeUnitId"), idProperty("roleId")}, plainProperties("roleMemberInfo")...)
}

func writeScoped(_ *call, o *object, r scopedRow) {
	o.str("id", r.id)
	o.str("administrativeUnitId", r.unit)
	o.str("roleId", string(r.role))
	if o.member("roleMemberInfo") {
		o.b = append(o.b, `{"id":`...)
		o.b = api.AppendText(o.b, string(r.member.ID))
		o.b = append(o.b, `,"displayName":`...)
		o.b = appendText(o.b, r.member.DisplayName)
		o.b = append(o.b, '}')
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
	instances, err := c.allGrants(pim.Assignment, true, and(where, store.Is(store.FieldMember, int(pim.Direct))))
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
			return one(c, &c.object, http.StatusOK, m)
		}
	}
	return api.Answer{}, notFound(c.id("member"))
}
