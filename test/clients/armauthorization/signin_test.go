package armauthorization

import (
	"net/http"
	"testing"

	"portcullis/test/clients/house"
)

func TestTokensForResourceManager(t *testing.T) {
	app := house.ReadToken(t, sample.owner(t).token(t, ""))
	house.Equal(t, "tenant of an application's token", app.Tenant, sample.TenantID)
	house.Equal(t, "object of an application's token", app.Object, sample.Client.ObjectID)
	house.Equal(t, "kind of an application's token", app.Kind, "app")

	bob := sample.Someone(t, "bob")
	signedIn := sample.signIn(t, bob).credential
	for _, audience := range []string{sample.URL, "https://management.azure.com", "https://management.azure.com/", "https://management.core.windows.net/"} {
		a := sample.connectFor(t, signedIn, audience)
		p := house.ReadToken(t, a.token(t, ""))
		house.Equal(t, "object of a person's token", p.Object, bob.ID)
		house.Equal(t, "name of a person's token", p.Name, bob.UserPrincipalName)
		house.Contains(t, "scope of a person's token", p.Scope, "user_impersonation")
		_ = all(t, "subscriptions", a.subscriptions.NewClient().NewListPager(nil), subscriptionRows)
	}
}

// A token is for whom it says it is: one for Microsoft Graph alone opens nothing here, and one for Resource Manager alone nothing there.
func TestATokenForOneOpensNotTheOther(t *testing.T) {
	signedIn := sample.signIn(t, sample.Someone(t, "bob")).credential
	graph := sample.connectFor(t, signedIn, "https://graph.microsoft.com")
	_, err := graph.subscriptions.NewClient().NewListPager(nil).NextPage(t.Context())
	refused(t, "list subscriptions with a token for Graph", err, http.StatusUnauthorized, "InvalidAuthenticationToken")

	management := sample.connectFor(t, signedIn, "https://management.azure.com")
	err = management.call(t, http.MethodGet, "/v1.0/me", versionOwnThings, nil, nil)
	refused(t, "read me with a token for Resource Manager", err, http.StatusUnauthorized, "InvalidAuthenticationToken")
}
