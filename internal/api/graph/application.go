package graph

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/directory"
	"portcullis/internal/store"
)

// Applications: servicePrincipal, and application as a view on it (learn.microsoft.com/graph/api/resources, pages of
// these names).

func servicePrincipalProperties() []odata.Property {
	return append(append(commonObjectProperties(),
		idProperty("appId"), boolProperty("accountEnabled"), textProperty("appDisplayName"), textProperty("servicePrincipalType"),
		idProperty("appOwnerOrganizationId"), textProperty("signInAudience"), boolProperty("appRoleAssignmentRequired"),
		odata.Property{Name: "servicePrincipalNames", Kind: odata.KindCollection, Element: odata.KindString},
		odata.Property{Name: "alternativeNames", Kind: odata.KindCollection, Element: odata.KindString},
		odata.Property{Name: "tags", Kind: odata.KindCollection, Element: odata.KindString},
	), plainProperties(absentServicePrincipal()...)...)
}

func absentServicePrincipal() []string {
	return []string{"appDescription", "applicationTemplateId", "disabledByMicrosoftStatus", "homepage", "notes", "deletedDateTime"}
}

var absentServicePrincipalNames = absentServicePrincipal()

func writeServicePrincipal(c *call, o *object, d directory.Object) {
	o.bool("accountEnabled", d.Enabled)
	o.texts("alternativeNames", nil)
	o.text("appDisplayName", d.DisplayName)
	o.text("appId", d.App.ClientID)
	o.text("appOwnerOrganizationId", string(c.Tenant))
	o.bool("appRoleAssignmentRequired", false)
	o.text("description", d.Description)
	o.text("displayName", d.DisplayName)
	o.texts("servicePrincipalNames", []string{d.App.ClientID})
	o.str("servicePrincipalType", "Application")
	o.str("signInAudience", "AzureADMyOrg")
	o.texts("tags", nil)
	o.null(absentServicePrincipalNames...)
}

func servicePrincipalValue(d directory.Object, path []string) any {
	switch strings.Join(path, "/") {
	case "appId":
		return textValue(d.App.ClientID)
	case "appDisplayName":
		return textValue(d.DisplayName)
	case "servicePrincipalType":
		return "Application"
	case "signInAudience":
		return "AzureADMyOrg"
	case "appOwnerOrganizationId":
		return string(d.Tenant)
	}
	return nil
}

func servicePrincipalsKind(c *call) *kind[directory.Object] { return &c.servicePrincipal }

func applicationProperties() []odata.Property {
	return append(append(commonObjectProperties(), idProperty("appId"), textProperty("signInAudience"), textProperty("publisherDomain"),
		odata.Property{Name: "identifierUris", Kind: odata.KindCollection, Element: odata.KindString},
		odata.Property{Name: "tags", Kind: odata.KindCollection, Element: odata.KindString},
	), plainProperties("disabledByMicrosoftStatus")...)
}

func writeApplication(_ *call, o *object, d directory.Object) {
	o.str("id", string(d.ID))
	o.text("appId", d.App.ClientID)
	o.time("createdDateTime", d.Created)
	o.text("description", d.Description)
	o.text("displayName", d.DisplayName)
	o.texts("identifierUris", nil)
	o.null("publisherDomain", "disabledByMicrosoftStatus", "deletedDateTime")
	o.str("signInAudience", "AzureADMyOrg")
	o.texts("tags", nil)
}

func applicationsKind(c *call) *kind[directory.Object] { return &c.application }

// byAppID serves servicePrincipals(appId='…').
func byAppID(of func(*call) *kind[directory.Object]) handler {
	return func(c *call) (api.Answer, error) {
		id, err := c.key("appId")
		if err != nil {
			return api.Answer{}, err
		}
		o, err := c.findObject(directory.KindServicePrincipal, store.FieldClientID, strings.ToLower(id))
		if err != nil {
			return api.Answer{}, err
		}
		return one(c, of(c), http.StatusOK, o)
	}
}

// key is the value of an alternate key of the path.
func (c *call) key(name string) (string, error) {
	_, args, _, err := odata.ParseFunction("f(" + c.Arguments + ")")
	if err != nil {
		return "", err
	}
	text, ok := args.Text(name)
	if !ok || len(args) != 1 {
		return "", badRequest("The key must be %s, a text in quotes.", name)
	}
	return text, nil
}
