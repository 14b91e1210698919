package idp

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"portcullis/internal/auth"
	"portcullis/internal/store"
)

// userRealm answers which kind of account a name is (reference client-requirements §3, the password grant). It tells of
// domains, not of people.
func (p *Provider) userRealm(w http.ResponseWriter, r *http.Request, at place, name string) {
	_, domain, _ := strings.Cut(name, "@")
	answer := map[string]string{
		"ver": "1.0", "account_type": "Unknown", "domain_name": domain,
		"cloud_instance_name": hostOf(at.origin), "cloud_audience_urn": "urn:federation:MicrosoftOnline",
	}
	if domain != "" {
		switch _, err := p.tenant(r.Context(), domain); {
		case err == nil:
			answer["account_type"] = "Managed"
		case !errors.Is(err, store.ErrNotFound):
			op.WriteError(w, r, p.fault(r.Context(), err), nil)
			return
		}
	}
	writeJSON(w, http.StatusOK, answer)
}

func hostOf(origin string) string { return strings.TrimPrefix(origin, "https://") }

// network is one entry of the instance discovery.
type network struct {
	Network string   `json:"preferred_network"`
	Cache   string   `json:"preferred_cache"`
	Aliases []string `json:"aliases"`
}

// instance tells clients that the host they know is one of this server's names (reference client-requirements §3).
func (p *Provider) instance(w http.ResponseWriter, r *http.Request, at place, _ string) {
	asked, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	hosts := append([]string{hostOf(p.origin)}, p.Aliases...)
	known := err == nil && asked.Scheme == "https" &&
		slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, asked.Host) })
	if !known {
		writeOAuthError(w, http.StatusBadRequest, "invalid_instance", "The authority is not one of this server's.")
		return
	}
	segment, _, _ := strings.Cut(strings.Trim(asked.Path, "/"), "/")
	if segment == "" {
		segment = segmentCommon
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": at.origin + "/" + url.PathEscape(segment) + "/v2.0" + pathDiscovery,
		"api-version":               "1.1",
		"metadata":                  []network{{hostOf(at.origin), hostOf(at.origin), hosts}},
	})
}

// cloud is the metadata document by which Terraform and the Azure CLI know a cloud (reference client-requirements §2).
type cloud struct {
	Name            string            `json:"name"`
	Portal          string            `json:"portal"`
	ResourceManager string            `json:"resourceManager"`
	Graph           string            `json:"graph"`
	GraphAudience   string            `json:"graphAudience"`
	MicrosoftGraph  string            `json:"microsoftGraphResourceId"`
	Gallery         string            `json:"gallery"`
	Batch           string            `json:"batch"`
	Media           string            `json:"media"`
	Authentication  cloudSignIn       `json:"authentication"`
	Suffixes        map[string]string `json:"suffixes"`
}

type cloudSignIn struct {
	LoginEndpoint    string   `json:"loginEndpoint"`
	Audiences        []string `json:"audiences"`
	Tenant           string   `json:"tenant"`
	IdentityProvider string   `json:"identityProvider"`
}

func (p *Provider) metadata(w http.ResponseWriter, r *http.Request, at place, _ string) {
	host := hostOf(at.origin)
	doc := cloud{
		Name: "Portcullis", Portal: at.origin, ResourceManager: at.origin, MicrosoftGraph: at.origin,
		Authentication: cloudSignIn{
			LoginEndpoint: at.origin, Audiences: append([]string{at.origin}, auth.ManagementAudiences()...),
			Tenant: segmentCommon, IdentityProvider: "AAD",
		},
		// The services are not there; the clients want the names all the same.
		Suffixes: map[string]string{
			"storage": "storage." + host, "keyVaultDns": "vault." + host, "acrLoginServer": "registry." + host,
			"sqlServerHostname": "database." + host,
		},
	}
	// Versions before 2020 answered a list of clouds.
	if version := r.URL.Query().Get("api-version"); version != "" && version < "2020" {
		writeJSON(w, http.StatusOK, []cloud{doc})
		return
	}
	writeJSON(w, http.StatusOK, doc)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client is gone if this fails: there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}

// writeOAuthError answers as RFC 6749 §5.2 says.
func writeOAuthError(w http.ResponseWriter, status int, code, text string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": text})
}

// fail answers a request whose tenant cannot be told.
func (p *Provider) fail(w http.ResponseWriter, r *http.Request, t target, err error) {
	page := t.library == pathAuthorize || t.library == ""
	switch {
	case errors.Is(err, store.ErrNotFound) && page:
		p.showError(w, r, http.StatusNotFound, "There is no such organisation.")
	case errors.Is(err, store.ErrNotFound):
		writeOAuthError(w, http.StatusBadRequest, "invalid_tenant", "There is no such tenant.")
	case page:
		p.showFault(w, r, err)
	default:
		op.WriteError(w, r, p.fault(r.Context(), err), nil)
	}
}

// finish shows the page, if the library refused.
func (e *errorScreen) finish(p *Provider, r *http.Request) {
	if e.status < http.StatusBadRequest {
		return
	}
	var refusal oidc.Error
	text := "The sign-in cannot be started."
	if err := json.Unmarshal(e.body, &refusal); err == nil && refusal.Description != "" {
		text = refusal.Description
	}
	p.showError(e.ResponseWriter, r, e.status, text)
}
