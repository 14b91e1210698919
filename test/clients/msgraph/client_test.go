package msgraph

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
	msgraphsdk "github.com/microsoftgraph/msgraph-sdk-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go-core/authentication"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"portcullis/test/clients/house"
)

// graph is the SDK's client for one caller.
type graph struct {
	*msgraphsdk.GraphServiceClient
	adapter    *msgraphsdk.GraphRequestAdapter
	credential azcore.TokenCredential
	wire       *wire
}

// wire is the transport below the SDK's middleware. It counts what matters about it.
type wire struct {
	http.RoundTripper
	compressed, refused atomic.Int64
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Content-Encoding") == "gzip" {
		w.compressed.Add(1)
	}
	answer, err := w.RoundTripper.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusUnsupportedMediaType {
		w.refused.Add(1)
	}
	return answer, err
}

// connect makes the SDK's client with its default middleware.
func (s server) connect(t *testing.T, credential azcore.TokenCredential) *graph {
	t.Helper()
	origin, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := authentication.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(
		credential, s.Scopes(), []string{origin.Hostname()})
	if err != nil {
		t.Fatal(err)
	}
	options := msgraphsdk.GetDefaultClientOptions()
	w := &wire{RoundTripper: s.Transport}
	client := core.GetDefaultClient(&options)
	client.Transport = khttp.NewCustomTransportWithParentTransport(w, core.GetDefaultMiddlewaresWithOptions(&options)...)
	adapter, err := msgraphsdk.NewGraphRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		provider, nil, nil, client)
	if err != nil {
		t.Fatal(err)
	}
	adapter.SetBaseUrl(s.URL + "/v1.0")
	return &graph{msgraphsdk.NewGraphServiceClient(adapter), adapter, credential, w}
}

// application signs the sample's application in with its secret. It may do everything that needs no person.
func (s server) application(t *testing.T) *graph {
	t.Helper()
	return s.connect(t, s.Secret(t, s.Client.Secret))
}

// signIn signs a person in with a new browser, with name and password alone.
func (s server) signIn(t *testing.T, p *person) *graph {
	t.Helper()
	g := s.connect(t, s.Device(t, s.NewBrowser(p)))
	g.token(t, "")
	return g
}

// signInWithMFA signs a person in with a second factor too.
func (s server) signInWithMFA(t *testing.T, p *person) *graph {
	t.Helper()
	g := s.connect(t, s.Device(t, s.NewBrowser(p)))
	g.token(t, house.ClaimsMFA)
	return g
}

// token gets a token from the credential as the SDK does, with claims that it has to satisfy, and returns what it says.
// Later calls of the SDK use the same token.
func (g *graph) token(t *testing.T, claims string) house.Claims {
	t.Helper()
	token, err := g.credential.GetToken(t.Context(), policy.TokenRequestOptions{
		Scopes: sample.Scopes(), Claims: claims, EnableCAE: true,
	})
	if err != nil {
		t.Fatalf("get a token: %v", err)
	}
	return house.ReadToken(t, token.Token)
}

// errorFactories make the SDK's error of a failed answer, as its own calls do. Batches know ranges of statuses only.
var errorFactories = abstractions.ErrorMappings{
	"4XX": odataerrors.CreateODataErrorFromDiscriminatorValue, "5XX": odataerrors.CreateODataErrorFromDiscriminatorValue,
}

func (g *graph) betaCall(t *testing.T, method abstractions.HttpMethod, path string, body any) *abstractions.RequestInformation {
	t.Helper()
	address, err := url.Parse(sample.URL + "/beta/" + path)
	if err != nil {
		t.Fatal(err)
	}
	info := abstractions.NewRequestInformation()
	info.Method = method
	info.SetUri(*address)
	info.Headers.Add("Accept", "application/json")
	if body != nil {
		content, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		info.SetStreamContentAndContentType(content, "application/json")
	}
	return info
}

// readBeta reads an address that only beta has through the SDK's adapter.
func (g *graph) readBeta(t *testing.T, path string, into any) error {
	t.Helper()
	got, err := g.adapter.SendPrimitive(t.Context(), g.betaCall(t, abstractions.GET, path, nil), "[]byte", errorFactories)
	if err != nil {
		return err
	}
	text, ok := got.([]byte)
	if !ok {
		t.Fatalf("GET %s: got %T, want bytes", path, got)
	}
	return json.Unmarshal(text, into)
}

// patchBeta changes what only beta has through the SDK's adapter.
func (g *graph) patchBeta(t *testing.T, path string, body any) error {
	t.Helper()
	return g.adapter.SendNoContent(t.Context(), g.betaCall(t, abstractions.PATCH, path, body), errorFactories)
}

// refusal is what the SDK tells of a refused call.
type refusal struct {
	status          int
	code, message   string
	wwwAuthenticate string
}

// refused checks that a call was refused with that status and code, and returns what was said.
func refused(t *testing.T, what string, err error, status int, code string) refusal {
	t.Helper()
	var e *odataerrors.ODataError
	if !errors.As(err, &e) {
		t.Fatalf("%s: got %v (%T), want an ODataError %d %s", what, err, err, status, code)
	}
	r := refusal{status: e.GetStatusCode()}
	if inner := e.GetErrorEscaped(); inner != nil {
		r.code, r.message = house.Value(inner.GetCode()), house.Value(inner.GetMessage())
	}
	if h := e.GetResponseHeaders(); h != nil {
		r.wwwAuthenticate = strings.Join(h.Get("WWW-Authenticate"), "\n")
	}
	if r.status != status || r.code != code {
		t.Fatalf("%s: got %d %s (%s), want %d %s", what, r.status, r.code, r.message, status, code)
	}
	return r
}

// explain is an error with the code that the SDK's own text leaves out.
func explain(err error) string {
	var e *odataerrors.ODataError
	if !errors.As(err, &e) {
		return fmt.Sprintf("%v (%T)", err, err)
	}
	code := ""
	if inner := e.GetErrorEscaped(); inner != nil {
		code = house.Value(inner.GetCode())
	}
	return fmt.Sprintf("%d %s: %v", e.GetStatusCode(), code, err)
}
