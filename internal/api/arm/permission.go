package arm

import (
	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/rbac"
)

// What the caller may do at a scope: Permission (reference arm-pim §10).

func permissionRoutes() []route {
	return []route{{get, under("permissions"), listPermissions}}
}

func listPermissions(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	list, err := c.app.PermissionsAt(c.Context(), c.Caller, c.Tenant, n.Scope)
	if err != nil {
		return api.Answer{}, c.at(n, err)
	}
	rows := make([][]byte, len(list))
	for i, p := range list {
		rows[i] = appendPermission(nil, p, false)
	}
	return c.page(rows, nil), nil
}

// appendPermission writes one entry of a role; conditions are for the versions that know them there.
func appendPermission(b []byte, p rbac.Permission, conditions bool) []byte {
	o := wire.New(b, nil)
	o.Texts("actions", p.Actions)
	o.Texts("notActions", p.NotActions)
	o.Texts("dataActions", p.DataActions)
	o.Texts("notDataActions", p.NotDataActions)
	if conditions {
		o.Text("condition", p.Condition)
		o.Text("conditionVersion", p.ConditionVersion)
	}
	return o.End()
}

func appendPermissions(b []byte, list []rbac.Permission, conditions bool) []byte {
	return wire.AppendEach(b, list, func(b []byte, p rbac.Permission) []byte { return appendPermission(b, p, conditions) })
}

// permissionIn is an entry as callers send it.
type permissionIn struct {
	Actions          []string `json:"actions"`
	NotActions       []string `json:"notActions"`
	DataActions      []string `json:"dataActions"`
	NotDataActions   []string `json:"notDataActions"`
	Condition        string   `json:"condition"`
	ConditionVersion string   `json:"conditionVersion"`
}

func toPermissions(in []permissionIn) []rbac.Permission {
	out := make([]rbac.Permission, len(in))
	for i, p := range in {
		out[i] = rbac.Permission(p)
	}
	return out
}
