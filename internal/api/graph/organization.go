package graph

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
)

// The tenant itself: organization and domain (learn.microsoft.com/graph/api/resources, pages of these names).

func organizationProperties() []odata.Property {
	return append([]odata.Property{idProperty("id"), textProperty("displayName"), timeProperty("createdDateTime", false), textProperty("tenantType")},
		listing.PlainProperties("countryLetterCode", "deletedDateTime", "securityComplianceNotificationMails", "technicalNotificationMails", "verifiedDomains")...)
}

// verifiedDomainOut is verifiedDomain.
type verifiedDomainOut struct {
	Capabilities string `json:"capabilities"`
	IsDefault    bool   `json:"isDefault"`
	IsInitial    bool   `json:"isInitial"`
	Name         string `json:"name"`
	Type         string `json:"type"`
}

const domainCapabilities = "Email, OfficeCommunicationsOnline"

func writeOrganization(_ *call, o *object, t directory.Tenant) {
	o.Str("id", string(t.ID))
	o.Null("deletedDateTime", "countryLetterCode")
	o.Time("createdDateTime", t.Created)
	o.Text("displayName", t.Name)
	o.Texts("securityComplianceNotificationMails", nil)
	o.Texts("technicalNotificationMails", nil)
	o.Str("tenantType", "AAD")
	if o.Member("verifiedDomains") {
		o.B = append(o.B, wire.MustJSON([]verifiedDomainOut{{domainCapabilities, true, true, t.Domain, "Managed"}})...)
	}
}

func organizationValue(_ *call, t directory.Tenant, path []string) any {
	switch path[0] {
	case "id":
		return string(t.ID)
	case "displayName":
		return t.Name
	case "createdDateTime":
		return listing.TimeValue(t.Created)
	}
	return nil
}

// tenant is the caller's own; there is no other for them.
func (c *call) tenant() (directory.Tenant, error) {
	all, err := c.directory.Tenants(c.Context())
	if err != nil {
		return directory.Tenant{}, err
	}
	for _, t := range all {
		if t.ID == c.Tenant {
			return t, nil
		}
	}
	return directory.Tenant{}, notFound(string(c.Tenant))
}

func listOrganization(c *call) (api.Answer, error) {
	t, err := c.tenant()
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.organization, []directory.Tenant{t})
}

func getOrganization(c *call) (api.Answer, error) {
	t, err := c.tenant()
	if err != nil {
		return api.Answer{}, err
	}
	if c.id("id") != string(t.ID) {
		return api.Answer{}, notFound(c.id("id"))
	}
	return listing.One(c, &c.organization, http.StatusOK, t)
}

func domainProperties() []odata.Property {
	return append([]odata.Property{idProperty("id"), boolProperty("isDefault"), boolProperty("isInitial"), boolProperty("isVerified"),
		boolProperty("isRoot"), boolProperty("isAdminManaged"), textProperty("authenticationType")},
		listing.PlainProperties("supportedServices", "availabilityStatus", "state", "manufacturer", "model",
			"passwordNotificationWindowInDays", "passwordValidityPeriodInDays")...)
}

func writeDomain(_ *call, o *object, t directory.Tenant) {
	o.Str("id", t.Domain)
	o.Str("authenticationType", "Managed")
	o.Null("availabilityStatus")
	o.Bool("isAdminManaged", true)
	o.Bool("isDefault", true)
	o.Bool("isInitial", true)
	o.Bool("isRoot", true)
	o.Bool("isVerified", true)
	o.Null("manufacturer", "model", "passwordNotificationWindowInDays", "passwordValidityPeriodInDays")
	o.Texts("supportedServices", []string{"Email", "OfficeCommunicationsOnline"})
	o.Null("state")
}

func domainValue(_ *call, t directory.Tenant, path []string) any {
	switch path[0] {
	case "id":
		return t.Domain
	case "authenticationType":
		return "Managed"
	}
	return true // all that is left to filter by are the switches, which are on
}

func listDomains(c *call) (api.Answer, error) {
	t, err := c.tenant()
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.domain, []directory.Tenant{t})
}

func getDomain(c *call) (api.Answer, error) {
	t, err := c.tenant()
	if err != nil {
		return api.Answer{}, err
	}
	if !strings.EqualFold(c.PathValue("id"), t.Domain) {
		return api.Answer{}, notFound(c.PathValue("id"))
	}
	return listing.One(c, &c.domain, http.StatusOK, t)
}

// Authentication contexts: authenticationContextClassReference. Any token may carry them; which of them mean something
// is for the issuers to say, so all are there and none is described.

// maxContext is the last of the ids c1, c2, … (reference graph-pim §3.7).
const maxContext = 99

func contextProperties() []odata.Property {
	return []odata.Property{idProperty("id"), textProperty("displayName"), textProperty("description"), boolProperty("isAvailable")}
}

func writeContext(_ *call, o *object, id string) {
	o.Str("id", id)
	o.Str("displayName", "Authentication context "+id)
	o.Null("description")
	o.Bool("isAvailable", true)
}

func contextValue(_ *call, id string, path []string) any {
	switch path[0] {
	case "id":
		return id
	case "displayName":
		return "Authentication context " + id
	case "isAvailable":
		return true
	}
	return nil
}

func contextIDs() []string {
	out := make([]string, maxContext)
	for i := range out {
		out[i] = "c" + string(wire.AppendInt(nil, i+1))
	}
	return out
}

func listContexts(c *call) (api.Answer, error) { return listAll(c, &c.context, contextIDs()) }

func getContext(c *call) (api.Answer, error) {
	for _, id := range contextIDs() {
		if id == c.id("id") {
			return listing.One(c, &c.context, http.StatusOK, id)
		}
	}
	return api.Answer{}, notFound(c.id("id"))
}
