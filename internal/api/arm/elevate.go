package arm

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/resource"
)

// How a Global Administrator takes access to resources, and the administrators of an older kind, whom there are none of (reference
// arm-pim §4, §10).

func elevateRoutes() []route {
	return []route{
		{post, under("elevateAccess"), elevateAccess},
		{get, under("classicAdministrators"), listNothing},
	}
}

func elevateAccess(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	if n.Kind != resource.Root {
		return api.Answer{}, &problem{Status: http.StatusNotFound, Code: "InvalidResourceType", Message: "Access is elevated for the whole tenant, at /."}
	}
	return api.Answer{Status: http.StatusOK}, c.app.ElevateAccess(c.Context(), c.Caller, c.Tenant)
}
