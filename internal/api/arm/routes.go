package arm

import (
	"net/http"
	"slices"

	"portcullis/internal/api"
)

// route is one operation.
type route struct {
	method, path string
	handle       handler
}

// user is what a person's token for Azure Resource Manager permits. What an application may do is told by its roles alone.
var user = api.Access{Delegated: []string{"user_impersonation"}, ApplicationAny: true}

const (
	get   = http.MethodGet
	put   = http.MethodPut
	post  = http.MethodPost
	patch = http.MethodPatch
	del   = http.MethodDelete
	head  = http.MethodHead
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
func (s *Surface) table() [][]route { return nil }

// under is an address under Microsoft.Authorization.
func under(path string) string { return "/providers/" + authorization + "/" + path }
