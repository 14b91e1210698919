package armauthorization

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// tokenClaims are the parts of an access token that clients of Resource Manager look at.
type tokenClaims struct {
	Object  string   `json:"oid"`
	Tenant  string   `json:"tid"`
	Name    string   `json:"unique_name"`
	Scope   string   `json:"scp"`
	Kind    string   `json:"idtyp"`
	Methods []string `json:"amr"`
}

func readToken(t *testing.T, token string) tokenClaims {
	t.Helper()
	parts := strings.Split(token, ".")
	rows(t, "parts of the access token", parts, 3)
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, "read the access token", err)
	var c tokenClaims
	must(t, "read the access token", json.Unmarshal(body, &c))
	return c
}

func TestTokensForResourceManager(t *testing.T) {
	app := readToken(t, sample.owner(t).token(t, ""))
	equal(t, "tenant of an application's token", app.Tenant, sample.TenantID)
	equal(t, "object of an application's token", app.Object, sample.Client.ObjectID)
	equal(t, "kind of an application's token", app.Kind, "app")

	bob := sample.Someone(t, "bob")
	signedIn := sample.signIn(t, bob).credential
	for _, audience := range []string{sample.URL, "https://management.azure.com", "https://management.azure.com/", "https://management.core.windows.net/"} {
		a := sample.connectFor(t, signedIn, audience)
		p := readToken(t, a.token(t, ""))
		equal(t, "object of a person's token", p.Object, bob.ID)
		equal(t, "name of a person's token", p.Name, bob.UserPrincipalName)
		contains(t, "scope of a person's token", p.Scope, "user_impersonation")
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
