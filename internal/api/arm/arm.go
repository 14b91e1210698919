// Package arm speaks Azure Resource Manager: PIM for resources and role-based access control under Microsoft.Authorization, and
// the calls by which clients find and keep the tree of management groups, subscriptions, resource groups and resources.
//
// It is a translator: it turns a call into an ask or a query of the application, and the outcome into the words of Azure
// Resource Manager. No rule of PIM is decided here. Shapes are those of the published specification; behaviour is that of the
// reference arm-pim, and every known difference stands in docs/divergences-arm.md, by its section.
//
// Whole classes of small things are done in one place: letter case, doubled slashes and the scope before an address by the
// frame (package api) and scope.go, versions by version.go, errors by problem.go, filters by filter.go, lists by list.go, ids
// by id.go, lenient bodies by body.go.
package arm

import (
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/app"
)

// Surface serves the dialect. Make one with New.
type Surface struct {
	// Authority is the address that callers without a good token are sent to for one; empty: the issuer's, at the host they used.
	Authority string

	app *app.App
}

// New makes the surface.
func New(a *app.App) *Surface { return &Surface{app: a} }

var (
	_ api.Surface = (*Surface)(nil)
	_ api.Cutter  = (*Surface)(nil)
)

// Prefixes are the first segments of all addresses.
func (s *Surface) Prefixes() []string {
	return []string{"subscriptions", "providers", "tenants", "batch"}
}

const authorization = "Microsoft.Authorization"

// Cut takes the scope off the front of an address under Microsoft.Authorization: what stands before its last
// /providers/Microsoft.Authorization (reference arm-pim §2). Where nothing follows, or register, that is the resource provider
// itself, and of a subscription.
func (s *Surface) Cut(segments []string) (off, rest []string) {
	for i := len(segments) - 2; i > 0; i-- {
		if strings.EqualFold(segments[i], "providers") && strings.EqualFold(segments[i+1], authorization) {
			if ofProvider(segments[i+2:]) {
				break
			}
			return segments[:i], segments[i:]
		}
	}
	return nil, segments
}

func ofProvider(rest []string) bool {
	return len(rest) == 0 || len(rest) == 1 && (strings.EqualFold(rest[0], "register") || strings.EqualFold(rest[0], "unregister"))
}

// call is one call as the handlers of this dialect see it.
type call struct {
	*api.Request
	*Surface
	// version is the api-version, in lower case.
	version string
	// now is the one instant by which the answer is written.
	now time.Time
}

// handler is what a route of this dialect runs.
type handler func(*call) (api.Answer, error)

// as makes the handler of a route, with the steps that every call of this dialect goes through.
func (s *Surface) as(h handler) api.Handler {
	return func(r *api.Request) (api.Answer, error) {
		version, err := versionOf(r)
		if err != nil {
			return api.Answer{}, err
		}
		a, err := h(&call{Request: r, Surface: s, version: version, now: s.app.Time()})
		if err == nil {
			addHeaders(r, &a)
		}
		return a, err
	}
}

// id is the value of the path's wildcard of that name, as ids are kept.
func (c *call) id(name string) string { return strings.ToLower(c.PathValue(name)) }

// json is an answer with a JSON body.
func (c *call) json(status int, body []byte) api.Answer {
	return api.Answer{Status: status, Type: contentType, Body: body}
}

const contentType = "application/json; charset=utf-8"
