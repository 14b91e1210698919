package graph

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
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
		keyCredentialsProperty(),
	), listing.PlainProperties(absentServicePrincipal()...)...)
}

func absentServicePrincipal() []string {
	return []string{"appDescription", "applicationTemplateId", "disabledByMicrosoftStatus", "homepage", "notes"}
}

var absentServicePrincipalNames = absentServicePrincipal()

func writeServicePrincipal(c *call, o *object, d directory.Object) {
	o.Bool("accountEnabled", d.Enabled)
	o.Texts("alternativeNames", nil)
	o.Text("appDisplayName", d.DisplayName)
	o.Text("appId", d.App.ClientID)
	o.Text("appOwnerOrganizationId", string(c.Tenant))
	o.Bool("appRoleAssignmentRequired", false)
	o.Text("description", d.Description)
	o.Text("displayName", d.DisplayName)
	o.Texts("servicePrincipalNames", []string{d.App.ClientID})
	o.Str("servicePrincipalType", "Application")
	o.Str("signInAudience", "AzureADMyOrg")
	o.Texts("tags", nil)
	o.Time("deletedDateTime", d.Deleted)
	o.Null(absentServicePrincipalNames...)
	writeKeyCredentials(o, d.App)
}

func servicePrincipalValue(d directory.Object, path []string) any {
	switch strings.Join(path, "/") {
	case "appId":
		return listing.TextValue(d.App.ClientID)
	case "appDisplayName":
		return listing.TextValue(d.DisplayName)
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
		keyCredentialsProperty(),
	), listing.PlainProperties("disabledByMicrosoftStatus")...)
}

func writeApplication(_ *call, o *object, d directory.Object) {
	o.Str("id", string(d.ID))
	o.Text("appId", d.App.ClientID)
	o.Time("createdDateTime", d.Created)
	o.Text("description", d.Description)
	o.Text("displayName", d.DisplayName)
	o.Texts("identifierUris", nil)
	o.Time("deletedDateTime", d.Deleted)
	o.Null("publisherDomain", "disabledByMicrosoftStatus")
	o.Str("signInAudience", "AzureADMyOrg")
	o.Texts("tags", nil)
	writeKeyCredentials(o, d.App)
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
		return listing.One(c, of(c), http.StatusOK, o)
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

// applicationIn is an application or service principal as callers make or change one (Graph: "Create application",
// "Create servicePrincipal").
type applicationIn struct {
	AppID                  string          `json:"appId"`
	DisplayName            patched[string] `json:"displayName"`
	Description            patched[string] `json:"description"`
	AccountEnabled         patched[bool]   `json:"accountEnabled"`
	IsFallbackPublicClient patched[bool]   `json:"isFallbackPublicClient"`
	Web                    *redirectsIn    `json:"web"`
	PublicClient           *redirectsIn    `json:"publicClient"`
	Owners                 bindings        `json:"owners@odata.bind"`

	KeyCredentials *[]keyCredentialIn `json:"keyCredentials"`
}

type redirectsIn struct {
	RedirectURIs *[]string `json:"redirectUris"`
}

func (in applicationIn) apply(o *directory.Object) error {
	in.DisplayName.to(&o.DisplayName)
	in.Description.to(&o.Description)
	in.AccountEnabled.to(&o.Enabled)
	in.IsFallbackPublicClient.to(&o.App.Public)
	for _, r := range []*redirectsIn{in.Web, in.PublicClient} {
		if r != nil && r.RedirectURIs != nil {
			o.App.Redirects = *r.RedirectURIs
		}
	}
	return in.applyKeys(o.App)
}

// createApplication makes an application with its service principal: here they are one object.
func createApplication(c *call) (api.Answer, error) {
	var in applicationIn
	if err := listing.Decode(c, &c.application, &in); err != nil {
		return api.Answer{}, err
	}
	if in.DisplayName.value == "" {
		return api.Answer{}, badRequest("displayName is required.")
	}
	in.AppID = "" // it is given, not chosen
	o, err := c.createApp(in)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.application, http.StatusCreated, o)
}

func createServicePrincipal(c *call) (api.Answer, error) {
	var in applicationIn
	if err := listing.Decode(c, &c.servicePrincipal, &in); err != nil {
		return api.Answer{}, err
	}
	if !wire.IsGUID(in.AppID) {
		return api.Answer{}, badRequest("appId is required, and is a GUID.")
	}
	if in.DisplayName.value == "" {
		in.DisplayName = patched[string]{true, in.AppID}
	}
	o, err := c.createApp(in)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.servicePrincipal, http.StatusCreated, o)
}

func (c *call) createApp(in applicationIn) (directory.Object, error) {
	if len(in.Owners) > maxBindings {
		return directory.Object{}, badRequest("A body binds at most %d owners.", maxBindings)
	}
	o := directory.Object{Enabled: true, App: &directory.App{ClientID: strings.ToLower(in.AppID)}}
	if err := in.apply(&o); err != nil {
		return o, err
	}
	if len(in.Owners) == 0 {
		in.Owners = bindings{c.Caller.Principal}
	}
	o, err := c.editor.CreateApplication(c.Context(), c.Caller, c.Tenant, app.NewApplication{
		DisplayName: o.DisplayName, Description: o.Description, Enabled: o.Enabled, App: *o.App, Owners: in.Owners,
	})
	if err != nil {
		return o, writeProblem(err, c.missing(err, in.Owners))
	}
	return o, nil
}

func updateApplication(c *call) (api.Answer, error) {
	var in applicationIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	o, err := c.objectOf(directory.KindServicePrincipal)
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.editor.UpdateApplication(c.Context(), c.Caller, c.Tenant, o.ID, in.apply, app.MembershipChange{}); err != nil {
		return api.Answer{}, writeProblem(err, "application")
	}
	return noContent()
}

func deleteApplication(c *call) (api.Answer, error) {
	o, err := c.objectOf(directory.KindServicePrincipal)
	if err != nil {
		return api.Answer{}, err
	}
	if err := c.editor.DeleteApplication(c.Context(), c.Caller, c.Tenant, o.ID); err != nil {
		return api.Answer{}, writeProblem(err, string(o.ID))
	}
	return noContent()
}

func addApplicationOwner(c *call) (api.Answer, error) {
	who, err := c.reference()
	if err != nil {
		return api.Answer{}, err
	}
	return c.changeOwners(app.MembershipChange{AddOwners: []pim.PrincipalID{who}}, "owners", who)
}

func removeApplicationOwner(c *call) (api.Answer, error) {
	who := pim.PrincipalID(c.id("member"))
	return c.changeOwners(app.MembershipChange{RemoveOwners: []pim.PrincipalID{who}}, string(who), who)
}

func (c *call) changeOwners(m app.MembershipChange, what string, who pim.PrincipalID) (api.Answer, error) {
	o, err := c.objectOf(directory.KindServicePrincipal)
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.editor.UpdateApplication(c.Context(), c.Caller, c.Tenant, o.ID, nil, m); err != nil {
		if wire.Refused(err, pim.UnknownPrincipal) {
			what = string(who)
		}
		return api.Answer{}, writeProblem(err, what)
	}
	return noContent()
}
