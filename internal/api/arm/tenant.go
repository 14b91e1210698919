package arm

import (
	"net/http"

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
	return c.json(http.StatusOK, wrapped(o.End())), nil
}

// wrapped is a list of rows that has no further pages.
func wrapped(rows ...[]byte) []byte {
	o := wire.New(nil, nil)
	o.Name("value")
	o.B = wire.AppendList(o.B, rows)
	return o.End()
}
