package pimv2

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
)

// Providers: privilegedAccess (learn.microsoft.com/graph/api/resources/privilegedaccess).

func (k *kinds) setProviders() {
	k.provider = kind[pim.Provider]{
		Set: "privilegedAccess", Type: "privilegedAccess", Key: governance.Provider,
		Schema: &odata.Schema{Properties: []odata.Property{listing.IDProperty("id"), listing.TextProperty("displayName")}},
		Write: func(_ *call, o *object, p pim.Provider) {
			o.Str("id", governance.Provider(p))
			o.Str("displayName", providerName(p))
		},
		Value: func(_ *call, p pim.Provider, path []string) any {
			if path[0] == "id" {
				return governance.Provider(p)
			}
			return providerName(p)
		},
	}
}

// providerName is what people read.
func providerName(p pim.Provider) string {
	switch p {
	case pim.Directory:
		return "Directory roles"
	case pim.Group:
		return "Groups"
	case pim.Resource:
		return "Azure resources"
	}
	return ""
}

// listProviders lists those that are not switched off.
func listProviders(c *call) (api.Answer, error) {
	var rows []pim.Provider
	for _, p := range governance.Providers() {
		if c.Modes[p] != api.Off {
			rows = append(rows, p)
		}
	}
	return listing.All(c, &c.kinds.provider, rows)
}

func getProvider(c *call) (api.Answer, error) {
	return listing.One(c, &c.kinds.provider, http.StatusOK, c.provider)
}
