package house

import (
	"context"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// ClaimsMFA asks for a token with a second factor.
const ClaimsMFA = `{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}`

// Scopes ask for a token for all that the server serves.
func (s *Server) Scopes() []string { return []string{s.URL + "/.default"} }

// Identity is how azidentity is pointed at the server.
func (s *Server) Identity() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: s.URL},
		Transport: &http.Client{Transport: s.Transport},
	}
}

// Secret makes a credential of the sample's application.
func (s *Server) Secret(t *testing.T, secret string) azcore.TokenCredential {
	t.Helper()
	credential, err := azidentity.NewClientSecretCredential(s.TenantID, s.Client.ID, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: s.Identity(), DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return credential
}

// Someone is the person with that key.
func (s *Server) Someone(t *testing.T, key string) *Person {
	t.Helper()
	p := s.People[key]
	if p == nil {
		t.Fatalf("the sample has no %q", key)
	}
	return p
}

// Device makes a credential that signs a person in by device code, in that browser.
func (s *Server) Device(t *testing.T, b *Browser) *azidentity.DeviceCodeCredential {
	t.Helper()
	return s.DeviceAt(t, s.TenantID, b)
}

// DeviceAt does so at a tenant, by its id or domain; empty: the SDK leaves it to the person's name.
func (s *Server) DeviceAt(t *testing.T, tenant string, b *Browser) *azidentity.DeviceCodeCredential {
	t.Helper()
	credential, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
		ClientOptions: s.Identity(), DisableInstanceDiscovery: true, TenantID: tenant, ClientID: s.Client.ID,
		UserPrompt: func(ctx context.Context, m azidentity.DeviceCodeMessage) error {
			return b.Enter(ctx, m.VerificationURL, m.UserCode)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return credential
}
