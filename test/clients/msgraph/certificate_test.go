package msgraph

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

func newCertificate(t *testing.T) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, "make a key", err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nightly job"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, "make a certificate", err)
	cert, err := x509.ParseCertificate(der)
	must(t, "read the certificate", err)
	return cert, key
}

// certificate is a credential that signs the sample's application in with a certificate.
func (s server) certificate(t *testing.T, cert *x509.Certificate, key crypto.PrivateKey) azcore.TokenCredential {
	t.Helper()
	credential, err := azidentity.NewClientCertificateCredential(s.TenantID, s.Client.ID, []*x509.Certificate{cert}, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: s.Identity(), DisableInstanceDiscovery: true})
	must(t, "make a credential", err)
	return credential
}

// TestAnApplicationSignsInWithItsCertificate registers one by the SDK, signs in with it, and takes it away again.
func TestAnApplicationSignsInWithItsCertificate(t *testing.T) {
	app := sample.application(t)
	cert, key := newCertificate(t)
	refusedYet := func(what string) {
		t.Helper()
		_, err := sample.certificate(t, cert, key).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: sample.Scopes()})
		var failed *azidentity.AuthenticationFailedError
		if !errors.As(err, &failed) {
			t.Errorf("%s: got %v (%T), want an AuthenticationFailedError", what, err, err)
		}
	}
	refusedYet("before it is registered")

	set := func(list []models.KeyCredentialable) {
		t.Helper()
		change := models.NewApplication()
		change.SetKeyCredentials(list)
		_, err := app.Applications().ByApplicationId(sample.Client.ObjectID).Patch(t.Context(), change, nil)
		must(t, "change the application", err)
	}
	credential := models.NewKeyCredential()
	credential.SetDisplayName(new("nightly job"))
	credential.SetKey(cert.Raw)
	credential.SetTypeEscaped(new("AsymmetricX509Cert"))
	credential.SetUsage(new("Verify"))
	set([]models.KeyCredentialable{credential})

	got, err := app.Applications().ByApplicationId(sample.Client.ObjectID).Get(t.Context(), &applications.ApplicationItemRequestBuilderGetRequestConfiguration{
		QueryParameters: &applications.ApplicationItemRequestBuilderGetQueryParameters{Select: []string{"keyCredentials"}},
	})
	must(t, "read the application", err)
	list := got.GetKeyCredentials()
	if len(list) != 1 || house.Value(list[0].GetDisplayName()) != "nightly job" || !list[0].GetEndDateTime().Equal(cert.NotAfter) {
		t.Fatalf("got %d certificates, want the one that was registered", len(list))
	}

	signedIn := sample.connect(t, sample.certificate(t, cert, key))
	token := signedIn.token(t, "")
	house.Equal(t, "kind of the token", token.Kind, "app")
	house.Equal(t, "object of the token", token.Object, sample.Client.ObjectID)
	if id := signedIn.role(t, "Global Administrator"); id == "" {
		t.Error("nothing can be read with the token")
	}

	set([]models.KeyCredentialable{})
	refusedYet("after it is taken away")
}
