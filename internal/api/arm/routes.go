package arm

import (
	"net/http"
	"slices"

	"portcullis/internal/api"
	"portcullis/internal/auth"
)

// route is one operation.
type route struct {
	method, path string
	handle       handler
}

// user is what a person's token for Azure Resource Manager permits. What an application may do is told by its roles alone.
var user = api.Access{Delegated: []string{auth.UserImpersonation}, ApplicationAny: true, NotMadeFor: auth.BesidesManagement()}

const (
	get   = http.MethodGet
	put   = http.MethodPut
	post  = http.MethodPost
	patch = http.MethodPatch
	del   = http.MethodDelete
)

// Routes are all operations. Those under Microsoft.Authorization are found with the scope cut off.
func (s *Surface) Routes() []api.Route {
	var out []api.Route
	for _, r := range slices.Concat(s.table()...) {
		out = append(out, api.Route{Method: r.method, Pattern: r.path, Access: user, Handle: s.as(r.handle)})
	}
	return out
}

// table is what the dialect offers (reference arm-pim §4 and §14).
func (s *Surface) table() [][]route {
	return [][]route{
		s.tenantRoutes(), s.subscriptionRoutes(), s.groupRoutes(), s.resourceRoutes(), s.managementGroupRoutes(), s.entityRoutes(),
		s.queryRoutes(), s.providerRoutes(), s.treeRoutes(),
		requestRoutes(), grantRoutes(), childRoutes(), batchRoutes(),
		policyRoutes(), approvalRoutes(), roleAssignmentRoutes(), roleDefinitionRoutes(), denyAssignmentRoutes(), permissionRoutes(),
		providerOperationRoutes(), elevateRoutes(), alertRoutes(), reviewRoutes(),
	}
}

// under is an address under Microsoft.Authorization.
func under(path string) string { return "/providers/" + authorization + "/" + path }
