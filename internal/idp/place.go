package idp

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// The paths under which the library's handler is reached, once the tenant is cut off.
const (
	pathAuthorize  = "/authorize"
	pathToken      = "/token"
	pathDeviceCode = "/devicecode"
	pathKeys       = "/keys"
	pathRevoke     = "/revoke"
	pathDiscovery  = "/.well-known/openid-configuration"
)

const (
	segmentCommon        = "common"
	segmentOrganizations = "organizations"
	maxForm              = 64 << 10
	maxQuery             = 16 << 10
)

// target is one of the provider's addresses.
type target struct {
	// segment is the tenant as the path names it; empty: the default tenant.
	segment string
	// library is the path at the library's handler, if it serves the target.
	library string
	// serve serves it otherwise. rest is what follows in the path.
	serve func(p *Provider, w http.ResponseWriter, r *http.Request, at place, rest string)
	rest  string
	// anywhere says that no tenant is involved.
	anywhere bool
}

// place is where a request came to: the origin its client knows the server by, and the tenant it is about.
type place struct {
	origin string
	// tenant is empty for "common" and "organizations".
	tenant pim.TenantID
	// segment is how links name the tenant.
	segment string
}

// base is the beginning of the tenant's addresses.
func (at place) base() string { return at.origin + "/" + at.segment }

// issuer is the iss of a tenant's tokens.
func (at place) issuer(t pim.TenantID) string { return at.origin + "/" + string(t) + "/v2.0" }

type placeKey struct{}

func placeOf(ctx context.Context) place {
	at, _ := ctx.Value(placeKey{}).(place)
	return at
}

// Owns says whether a path is the provider's to serve. Letter case does not matter.
func (p *Provider) Owns(path string) bool {
	_, ok := find(path)
	return ok
}

// find reads a path. Segments compare without letter case.
func find(path string) (target, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	lower := strings.ToLower(strings.Join(parts, "/"))
	switch lower {
	case "signin":
		return target{serve: (*Provider).signIn, anywhere: true}, true
	case "signin/style.css", "signin/submit.js":
		return target{serve: (*Provider).asset, rest: parts[1], anywhere: true}, true
	case "device":
		return target{serve: (*Provider).devicePage, anywhere: true}, true
	case "metadata/endpoints":
		return target{serve: (*Provider).metadata, anywhere: true}, true
	case "oauth2/keys":
		return target{library: pathKeys}, true
	case "oidc/userinfo":
		return target{serve: (*Provider).userInfo, anywhere: true}, true
	}
	if t, ok := tenantTarget(lower, parts[len(parts)-1]); ok {
		return t, true
	}
	segment, rest, ok := strings.Cut(lower, "/")
	if !ok || segment == "v1.0" || segment == "beta" {
		return target{}, false
	}
	t, ok := tenantTarget(rest, parts[len(parts)-1])
	t.segment = segment
	return t, ok
}

// tenantTarget reads what follows the tenant in a path.
func tenantTarget(rest, last string) (target, bool) {
	switch rest {
	case "oauth2/v2.0/authorize", "oauth2/authorize":
		return target{library: pathAuthorize}, true
	case "oauth2/v2.0/token", "oauth2/token":
		return target{library: pathToken}, true
	case "oauth2/v2.0/devicecode", "oauth2/devicecode":
		return target{library: pathDeviceCode}, true
	case "oauth2/v2.0/logout", "oauth2/logout":
		return target{serve: (*Provider).logout}, true
	case "oauth2/v2.0/revoke", "oauth2/revoke":
		return target{library: pathRevoke}, true
	case "discovery/v2.0/keys":
		return target{library: pathKeys}, true
	case "openid/userinfo":
		return target{serve: (*Provider).userInfo, anywhere: true}, true
	case "v2.0/.well-known/openid-configuration", ".well-known/openid-configuration":
		return target{library: pathDiscovery}, true
	case "discovery/instance":
		return target{serve: (*Provider).instance, anywhere: true}, true
	case "device":
		return target{serve: (*Provider).devicePage, anywhere: true}, true
	}
	if name, ok := strings.CutPrefix(rest, "userrealm/"); ok && name != "" && !strings.Contains(name, "/") {
		return target{serve: (*Provider).userRealm, rest: last, anywhere: true}, true
	}
	return target{}, false
}

// ServeHTTP serves the provider's addresses; any other is not found.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = hurried{w}
	t, ok := find(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	harden(w.Header())
	// What a sign-in asks for is kept until it ends: it is not for the sender to say how much that is.
	if len(r.URL.RawQuery) > maxQuery {
		http.Error(w, "The address is too long.", http.StatusRequestURITooLong)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	at, err := p.placeFor(r, t)
	if err != nil {
		p.fail(w, r, t, err)
		return
	}
	if t.serve != nil {
		t.serve(p, w, r, at, t.rest)
		return
	}
	p.serveLibrary(w, r, t, at)
}

// harden sets the headers of every answer; pages add to them.
func harden(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
}

func (p *Provider) serveLibrary(w http.ResponseWriter, r *http.Request, t target, at place) {
	r = r.Clone(context.WithValue(r.Context(), placeKey{}, at))
	r.URL.Path, r.URL.RawPath = t.library, ""
	switch t.library {
	case pathAuthorize:
		screen := &errorScreen{ResponseWriter: w}
		p.library.ServeHTTP(screen, r)
		screen.finish(p, r)
		return
	case pathToken, pathDeviceCode, pathRevoke:
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			writeOAuthError(w, http.StatusMethodNotAllowed, "invalid_request", "The request must be a POST.")
			return
		}
		// Clients put their request ids into the query. What counts comes in the body alone (RFC 6749 §2.3.1).
		r.URL.RawQuery = ""
		// A form that cannot be read is the library's to refuse.
		if err := r.ParseForm(); err == nil && t.library == pathToken {
			respell(r)
			if p.servePassword(w, r) {
				return
			}
		}
	}
	p.library.ServeHTTP(w, r)
}

// placeFor tells origin and tenant of a request. The error wraps store.ErrNotFound for an unknown tenant.
func (p *Provider) placeFor(r *http.Request, t target) (place, error) {
	at := place{origin: p.origin}
	if host := strings.ToLower(r.Host); p.aliases[host] {
		at.origin = "https://" + host
	}
	if t.anywhere {
		at.segment = segmentCommon
		return at, nil
	}
	if t.segment == segmentCommon || t.segment == segmentOrganizations {
		at.segment = t.segment
		return at, nil
	}
	tenant, err := p.tenant(r.Context(), t.segment)
	if err != nil {
		return place{}, err
	}
	at.tenant, at.segment = tenant.ID, string(tenant.ID)
	return at, nil
}

// tenant finds a tenant by id or domain; an empty name is the default one.
func (p *Provider) tenant(ctx context.Context, name string) (directory.Tenant, error) {
	list, err := p.Store.Tenants(ctx)
	if err != nil {
		return directory.Tenant{}, fmt.Errorf("find the tenant: %w", err)
	}
	var oldest *directory.Tenant
	for i, t := range list {
		switch {
		case name != "" && (strings.EqualFold(string(t.ID), name) || strings.EqualFold(t.Domain, name)):
			return t, nil
		case name == "" && p.DefaultTenant != "" && t.ID == p.DefaultTenant:
			return t, nil
		}
		if oldest == nil || t.Created.Before(oldest.Created) {
			oldest = &list[i]
		}
	}
	if name == "" && p.DefaultTenant == "" && oldest != nil {
		return *oldest, nil
	}
	return directory.Tenant{}, fmt.Errorf("tenant %w", store.ErrNotFound)
}

// respell gives the device code's grant its standard name: MSAL for Go has an older one.
func respell(r *http.Request) {
	if r.Form.Get("grant_type") == "device_code" {
		r.Form.Set("grant_type", string(oidc.GrantTypeDeviceCode))
	}
}

// hurried tells clients when to come again, wherever an answer says that the server cannot serve them now.
type hurried struct{ http.ResponseWriter }

func (h hurried) WriteHeader(status int) {
	if status == http.StatusServiceUnavailable {
		h.Header().Set("Retry-After", "5")
	}
	h.ResponseWriter.WriteHeader(status)
}
