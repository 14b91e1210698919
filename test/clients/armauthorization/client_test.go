package armauthorization

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/managementgroups/armmanagementgroups"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armsubscriptions"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/subscription/armsubscription"

	"portcullis/test/clients/house"
)

// azure is the SDK's clients for one caller.
type azure struct {
	*armauthorization.ClientFactory
	subscriptions *armsubscriptions.ClientFactory
	aliases       *armsubscription.AliasClient
	groups        *armmanagementgroups.ClientFactory
	plain         *arm.Client
	credential    azcore.TokenCredential
	options       *arm.ClientOptions
}

// resourceManager is how the SDK is pointed at the server: audience is whom its tokens are for.
func (s *server) resourceManager(audience string) *arm.ClientOptions {
	options := s.Identity()
	options.Cloud.Services = map[cloud.ServiceName]cloud.ServiceConfiguration{
		cloud.ResourceManager: {Audience: audience, Endpoint: s.URL},
	}
	return &arm.ClientOptions{ClientOptions: options}
}

func (s *server) connect(t *testing.T, credential azcore.TokenCredential) *azure {
	t.Helper()
	return s.connectFor(t, credential, s.URL)
}

// connectFor makes the clients with tokens for an audience.
func (s *server) connectFor(t *testing.T, credential azcore.TokenCredential, audience string) *azure {
	t.Helper()
	a := &azure{credential: credential, options: s.resourceManager(audience)}
	var errs [5]error
	a.ClientFactory, errs[0] = armauthorization.NewClientFactory("", credential, a.options)
	a.subscriptions, errs[1] = armsubscriptions.NewClientFactory(credential, a.options)
	a.aliases, errs[2] = armsubscription.NewAliasClient(credential, a.options)
	a.groups, errs[3] = armmanagementgroups.NewClientFactory(credential, a.options)
	a.plain, errs[4] = arm.NewClient("portcullis", "v0.0.0", credential, a.options)
	must(t, "make the clients", errors.Join(errs[:]...))
	return a
}

// within are the clients for what is in a subscription.
func (a *azure) within(t *testing.T, subscription string) (*armauthorization.ClientFactory, *armresources.ClientFactory) {
	t.Helper()
	roles, err := armauthorization.NewClientFactory(subscription, a.credential, a.options)
	must(t, "make the clients", err)
	resources, err := armresources.NewClientFactory(subscription, a.credential, a.options)
	must(t, "make the clients", err)
	return roles, resources
}

// signIn signs a person in with name and password alone, once for all tests.
func (s *server) signIn(t *testing.T, p *person) *azure {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signedIn[p] == nil {
		s.signedIn[p] = s.connect(t, s.Device(t, s.NewBrowser(p)))
		s.signedIn[p].token(t, "")
	}
	return s.signedIn[p]
}

// signInWithMFA signs a person in with a second factor too.
func (s *server) signInWithMFA(t *testing.T, p *person) *azure {
	t.Helper()
	a := s.connect(t, s.Device(t, s.NewBrowser(p)))
	a.token(t, house.ClaimsMFA)
	return a
}

// token gets a token as the SDK does, which has to satisfy the claims. Later calls use the same token.
func (a *azure) token(t *testing.T, claims string) string {
	t.Helper()
	scope := a.options.Cloud.Services[cloud.ResourceManager].Audience + "/.default"
	token, err := a.credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}, Claims: claims, EnableCAE: true})
	must(t, "get a token", err)
	return token.Token
}

const (
	ownerRole         = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	tenantRoles       = "/providers/Microsoft.Authorization/roleDefinitions/"
	versionApprovals  = "2021-01-01-preview"
	versionDenials    = "2024-07-01-preview"
	versionOwnThings  = "2024-01-01"
	authorizationPath = "/providers/Microsoft.Authorization/"
)

// owner is the sample's application, which owns all that is there. The first call makes it so, as an organisation begins: a Global
// Administrator takes access to everything, gives it away and lays her own down.
func (s *server) owner(t *testing.T) *azure {
	t.Helper()
	app := s.connect(t, s.Secret(t, s.Client.Secret))
	s.owns.Do(func() {
		grace := s.signIn(t, s.Someone(t, "grace"))
		_, err := grace.NewGlobalAdministratorClient().ElevateAccess(t.Context(), nil)
		must(t, "elevate the access of a Global Administrator", err)
		assignments := grace.NewRoleAssignmentsClient()
		_, err = assignments.Create(t.Context(), "", newID(), roleFor(s.Client.ObjectID, tenantRoles+ownerRole), nil)
		must(t, "make the application the owner of everything", err)
		own := all(t, "own assignments", assignments.NewListForScopePager("", &armauthorization.RoleAssignmentsClientListForScopeOptions{
			Filter: new("assignedTo('" + s.Someone(t, "grace").ID + "')"),
		}), func(page armauthorization.RoleAssignmentsClientListForScopeResponse) []*armauthorization.RoleAssignment {
			return page.Value
		})
		_, err = assignments.DeleteByID(t.Context(), house.Value(house.Rows(t, "own assignments", own, 1)[0].ID), nil)
		must(t, "lay elevated access down", err)
	})
	return app
}

func roleFor(principal, role string) armauthorization.RoleAssignmentCreateParameters {
	return armauthorization.RoleAssignmentCreateParameters{
		Properties: &armauthorization.RoleAssignmentProperties{PrincipalID: &principal, RoleDefinitionID: &role},
	}
}

// call goes to an address that the SDK has no type for, through its pipeline. The answer is read into what is not nil.
func (a *azure) call(t *testing.T, method, path, version string, body, into any) error {
	t.Helper()
	request, err := runtime.NewRequest(t.Context(), method, runtime.JoinPaths(a.plain.Endpoint(), path))
	must(t, "make a request", err)
	query := request.Raw().URL.Query()
	query.Set("api-version", version)
	request.Raw().URL.RawQuery = query.Encode()
	if body != nil {
		must(t, "write the body", runtime.MarshalAsJSON(request, body))
	}
	answer, err := a.plain.Pipeline().Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if !runtime.HasStatusCode(answer, http.StatusOK, http.StatusCreated, http.StatusNoContent) {
		return runtime.NewResponseError(answer)
	}
	if into == nil {
		return nil
	}
	return runtime.UnmarshalAsJSON(answer, into)
}

// all reads all pages of a list.
func all[P, R any](t *testing.T, what string, pager *runtime.Pager[P], read func(P) []R) []R {
	t.Helper()
	var list []R
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		must(t, "list "+what, err)
		list = append(list, read(page)...)
	}
	return list
}

// done waits until what was begun is done.
func done[T any](t *testing.T, what string, poller *runtime.Poller[T], err error) T {
	t.Helper()
	must(t, what, err)
	got, err := poller.PollUntilDone(t.Context(), nil)
	must(t, what, err)
	return got
}

// refused checks that a call was refused with that status and code, and returns what was said.
func refused(t *testing.T, what string, err error, status int, code string) string {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) {
		t.Fatalf("%s: got %v (%T), want a ResponseError %d %s", what, err, err, status, code)
	}
	if e.StatusCode != status || e.ErrorCode != code {
		t.Fatalf("%s: got %d %s, want %d %s:\n%v", what, e.StatusCode, e.ErrorCode, status, code, err)
	}
	return e.Error()
}

// newID is a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// must checks that a call succeeded.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
