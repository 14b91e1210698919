package msgraph

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"portcullis/test/clients/house"
)

func TestAnApplicationSignsInWithItsSecret(t *testing.T) {
	app := sample.application(t)
	token := app.token(t, "")
	house.Equal(t, "tenant of the token", token.Tenant, sample.TenantID)
	house.Equal(t, "kind of the token", token.Kind, "app")
	if id := app.role(t, "Global Administrator"); id != "62e90394-69f5-4237-9190-012177145e10" {
		t.Errorf("Global Administrator: got id %s", id)
	}
}

func TestAWrongSecretIsRefused(t *testing.T) {
	_, err := sample.Secret(t, "not the secret").GetToken(t.Context(), policy.TokenRequestOptions{Scopes: sample.Scopes()})
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v (%T), want an AuthenticationFailedError", err, err)
	}
	if !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("got %v, want it to say invalid_client", err)
	}
}

func TestAPersonSignsInByDeviceCode(t *testing.T) {
	mia := sample.Someone(t, "mia")
	browser := sample.NewBrowser(mia)
	g := sample.connect(t, sample.Device(t, browser))

	token := g.token(t, "")
	house.Equal(t, "steps without a second factor", strings.Join(browser.Asked, " "), "code password confirm")
	house.Equal(t, "person of the token", token.Object, mia.ID)
	house.Equal(t, "account of the token", token.Account, mia.UserPrincipalName)
	if slices.Contains(token.Methods, "mfa") {
		t.Errorf("methods without a second factor: got %q", token.Methods)
	}
	me, err := g.Me().Get(t.Context(), nil)
	must(t, "read me", err)
	house.Equal(t, "me", house.Value(me.GetUserPrincipalName()), mia.UserPrincipalName)

	// The same credential, asked for more: the refresh token does not do, so the person is asked again.
	browser.Asked = nil
	token = g.token(t, house.ClaimsMFA)
	house.Equal(t, "steps with a second factor", strings.Join(browser.Asked, " "), "code totp confirm")
	house.Equal(t, "person of the second token", token.Object, mia.ID)
	if !slices.Contains(token.Methods, "mfa") {
		t.Errorf("methods with a second factor: got %q, want mfa among them", token.Methods)
	}
	if token = g.token(t, ""); !slices.Contains(token.Methods, "mfa") {
		t.Errorf("methods of the token that the SDK goes on with: got %q, want mfa among them", token.Methods)
	}
}

func TestATenantGoesByItsDomainOrByThePerson(t *testing.T) {
	nora := sample.Someone(t, "nora")
	for _, tenant := range []string{sample.Domain, ""} {
		g := sample.connect(t, sample.DeviceAt(t, tenant, sample.NewBrowser(nora)))
		token := g.token(t, "")
		house.Equal(t, "person of the token at "+tenant, token.Object, nora.ID)
		house.Equal(t, "tenant of the token at "+tenant, token.Tenant, sample.TenantID)
		_, err := g.Me().Get(t.Context(), nil)
		must(t, "read me", err)
	}
}

func TestAPersonRefusesADevice(t *testing.T) {
	browser := sample.NewBrowser(sample.Someone(t, "owen"))
	browser.Refuses = true
	_, err := sample.Device(t, browser).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: sample.Scopes()})
	house.Equal(t, "steps", strings.Join(browser.Asked, " "), "code password confirm")
	// The SDK has read the answer before it shows it, so that its status alone is left: a device that waits goes on asking.
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil {
		t.Fatalf("got %v (%T), want an AuthenticationFailedError with its answer", err, err)
	}
	house.Equal(t, "status of the token endpoint", failed.RawResponse.StatusCode, http.StatusBadRequest)
}

// forged is a credential with a token that nobody issued.
type forged struct{}

func (forged) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	const token = "eyJhbGciOiJub25lIn0.eyJvaWQiOiJub2JvZHkifQ."
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestAForgedTokenIsRefused(t *testing.T) {
	_, err := sample.connect(t, forged{}).Me().Get(t.Context(), nil)
	r := refused(t, "read me", err, http.StatusUnauthorized, "InvalidAuthenticationToken")
	house.Equal(t, "error of the challenge", readChallenge(t, r.wwwAuthenticate)["error"], "invalid_token") // RFC 6750 §3.1
}
