package arm

import (
	"portcullis/internal/api"
	"portcullis/internal/api/wire"
)

func (s *Surface) tenantRoutes() []route {
	return []route{{get, "/tenants", listTenants}}
}

// listTenants tells of the caller's tenant: a token is for one.
func listTenants(c *call) (api.Answer, error) {
	t, err := c.app.Tenant(c.Context(), c.Tenant)
	if err != nil {
		return api.Answer{}, err
	}
	o := wire.New(nil, nil)
	o.Str("id", "/tenants/"+string(t.ID))
	o.Str("tenantId", string(t.ID))
	o.Str("displayName", t.Name)
	o.Str("defaultDomain", t.Domain)
	o.Str("tenantType", "AAD")
	o.Str("tenantCategory", "Home")
	o.Null("countryCode")
	o.Texts("domains", []string{t.Domain})
	return c.page([][]byte{o.End()}, nil), nil
}
