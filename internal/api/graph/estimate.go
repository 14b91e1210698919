package graph

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
)

// Whether an action would be allowed to the caller: estimateAccess (beta).

// accessCheckIn is unifiedRbacResourceAuthorizationCheck, as callers send it.
type accessCheckIn struct {
	Scope  string `json:"directoryScopeId"`
	Action string `json:"resourceAction"`
}

// accessCheckOut is the answer to one.
type accessCheckOut struct {
	Decision string  `json:"accessDecision"`
	Scope    *string `json:"directoryScopeId"`
	Action   string  `json:"resourceAction"`
}

// estimateAccess says of actions whether the roles that the caller holds now allow them.
func estimateAccess(c *call) (api.Answer, error) {
	var in struct {
		Checks []accessCheckIn `json:"resourceActionAuthorizationChecks"`
	}
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	if len(in.Checks) == 0 || len(in.Checks) > maxBindings {
		return api.Answer{}, badRequest("resourceActionAuthorizationChecks has 1 to %d checks.", maxBindings)
	}
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return api.Answer{}, err
	}
	actions := map[pim.RoleID][]string{}
	for _, r := range roles {
		actions[r.ID] = r.Actions
		for _, from := range r.Inherits {
			i := slices.IndexFunc(roles, func(r app.RoleDefinition) bool { return string(r.ID) == from })
			if i >= 0 {
				actions[r.ID] = slices.Concat(actions[r.ID], roles[i].Actions)
			}
		}
	}
	out := make([]accessCheckOut, len(in.Checks))
	for i, check := range in.Checks {
		out[i] = accessCheckOut{"notAllowed", wire.Optional(check.Scope), check.Action}
		if c.allows(actions, check) {
			out[i].Decision = "allowed"
		}
	}
	o := wire.New(nil, nil)
	if c.Meta != listing.None {
		o.Name("@odata.context")
		o.B = api.AppendText(o.B, c.Base()+"/$metadata#Collection(microsoft.graph.unifiedRbacResourceActionAuthorizationCheckResult)")
	}
	o.Name("value")
	o.B = append(o.B, wire.MustJSON(out)...)
	return c.JSON(http.StatusOK, o.End()), nil
}

// allows says whether a role that the caller holds for the tenant, or at the very scope, has the action.
func (c *call) allows(actions map[pim.RoleID][]string, check accessCheckIn) bool {
	scope, ok := parseScope(check.Scope)
	if !ok && check.Scope != "" {
		return false
	}
	return slices.ContainsFunc(c.Caller.Roles, func(h pim.HeldRole) bool {
		return h.Provider == pim.Directory && (h.Scope == pim.Everywhere || h.Scope == scope) &&
			slices.ContainsFunc(actions[h.Role], func(a string) bool { return strings.EqualFold(a, check.Action) })
	})
}
