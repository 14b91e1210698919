package scim

import (
	"net/http"
	"slices"
	"strings"

	"github.com/elimity-com/scim/schema"
	parser "github.com/scim2/filter-parser/v2"

	"portcullis/internal/api"
	"portcullis/internal/directory"
)

// The names of the messages of the protocol (RFC 7644 §8.2).
const (
	listResponse  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	searchRequest = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	bulkRequest   = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	bulkResponse  = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
	patchOp       = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	enterprise    = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// kind is a resource type.
type kind struct {
	name, describe, endpoint string
	object                   directory.Kind
	core                     schema.Schema
	// extension is the schema of further attributes, zero for none.
	extension schema.Schema
	// common are the attributes that all resources have and that stand in no schema.
	common schema.Attributes
}

// The attributes of the standard's schema of users that are kept here; what else is sent is left out of what is kept, as
// the standard permits (RFC 7644 §3.3).
func userAttributes() []string {
	return []string{"userName", "name", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone",
		"active", "emails", "phoneNumbers", "addresses", "groups"}
}

func userKind() *kind {
	core := schema.CoreUserSchema()
	var kept schema.Attributes
	for _, a := range core.Attributes {
		if a.Name() == "groups" { // costs a look at the groups of each
			a = a.WithReturned(schema.AttributeReturnedRequest())
		}
		if slices.Contains(userAttributes(), a.Name()) {
			kept = append(kept, a)
		}
	}
	core.Attributes = kept
	return &kind{name: "User", describe: "People's accounts", endpoint: "/Users", object: directory.KindUser, core: core,
		extension: schema.ExtensionEnterpriseUser(), common: schema.CommonAttributes()}
}

func groupKind() *kind {
	return &kind{name: "Group", describe: "Groups of people and of groups", endpoint: "/Groups", object: directory.KindGroup,
		core: schema.CoreGroupSchema(), common: schema.CommonAttributes()}
}

// schemas are the ids of the schemas that a resource follows.
func (k *kind) schemas() []any {
	if k.extension.ID == "" {
		return []any{k.core.ID}
	}
	return []any{k.core.ID, k.extension.ID}
}

func (k *kind) missing(id string) error {
	return &problem{status: http.StatusNotFound, detail: k.name + " " + shortened(id) + " does not exist."}
}

// shortened is a text of a caller as it is told back.
func shortened(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}

// attribute is a place in a resource that a path names.
type attribute struct {
	// extension is the id of the schema whose object the attribute stands in; empty: the resource itself.
	extension string
	schema.CoreAttribute
	// sub is the part of a complex attribute that is meant; nil: all of it.
	sub *schema.CoreAttribute
}

// is says whether the attribute is the one of that name, not of an extension.
func (a attribute) is(name string) bool { return a.extension == "" && a.Name() == name }

// leaf is what the path ends at: for a complex attribute of which no part is named its value, if it has one.
func (a attribute) leaf() schema.CoreAttribute {
	if a.sub != nil {
		return *a.sub
	}
	if value, ok := a.SubAttributes().ContainsAttribute("value"); ok {
		return value
	}
	return a.CoreAttribute
}

// resolve finds the attribute that a path names. Attributes of the extension need no prefix, as some clients send none.
func (k *kind) resolve(p parser.AttributePath, sub string) (attribute, bool) {
	if sub == "" {
		sub = p.SubAttributeName()
	}
	for _, place := range []struct {
		extension, uri string
		list           schema.Attributes
	}{
		{"", k.core.ID, k.core.Attributes}, {"", k.core.ID, k.common}, {k.extension.ID, k.extension.ID, k.extension.Attributes},
	} {
		if uri := p.URI(); uri != "" && !strings.EqualFold(uri, place.uri) {
			continue
		}
		found, ok := place.list.ContainsAttribute(p.AttributeName)
		if !ok {
			continue
		}
		a := attribute{extension: place.extension, CoreAttribute: found}
		if sub == "" {
			return a, true
		}
		part, ok := found.SubAttributes().ContainsAttribute(sub)
		a.sub = &part
		return a, ok
	}
	return attribute{}, false
}

// container is the object that the attribute stands in: the resource or that of its extension; nil: there is none.
func (a attribute) container(r resource) resource {
	if a.extension == "" {
		return r
	}
	inner, _ := r[a.extension].(resource)
	return inner
}

// values are all that the resource has at the attribute.
func (a attribute) values(r resource) []any {
	in, ok := a.container(r)[a.Name()]
	if !ok || in == nil {
		return nil
	}
	list, many := in.([]any)
	if !many {
		list = []any{in}
	}
	var out []any
	for _, v := range list {
		m, complexValue := v.(resource)
		if complexValue && a.AttributeType() == "complex" {
			v = m[a.leaf().Name()]
		}
		if v != nil {
			out = append(out, v)
		}
	}
	return out
}

// discovery serves what the library tells of types and schemas (RFC 7644 §4).
func (s *Surface) discovery(r *api.Request) (api.Answer, error) {
	if r.URL.Query().Has("filter") {
		return api.Answer{}, &problem{status: http.StatusForbidden, detail: "Filters are not offered here (RFC 7644 §4)."}
	}
	server, err := s.library(nil)
	if err != nil {
		return api.Answer{}, err
	}
	inner, err := http.NewRequestWithContext(r.Context(), http.MethodGet, strings.TrimPrefix(r.URL.EscapedPath(), base), nil)
	if err != nil {
		return api.Answer{}, &api.Fault{Problem: api.NoSuchAddress, Detail: "There is nothing at this address."}
	}
	rec := &recorder{}
	server.ServeHTTP(rec, inner)
	if rec.status >= http.StatusBadRequest {
		return api.Answer{}, rec.problem()
	}
	return s.described(r, rec)
}

// described completes what the library tells: where it is found, and of lists how many there are.
func (s *Surface) described(r *api.Request, rec *recorder) (api.Answer, error) {
	body, err := object(rec.body.Bytes())
	if err != nil {
		return api.Answer{}, err
	}
	list, isList := body["Resources"].([]any)
	name := strings.Split(strings.TrimPrefix(r.URL.Path, base+"/"), "/")[0]
	if !isList {
		located(r, name, body)
		return answer(http.StatusOK, nil, body)
	}
	for _, each := range list {
		if m, ok := each.(resource); ok {
			located(r, name, m)
		}
	}
	body["itemsPerPage"] = len(list)
	return answer(http.StatusOK, nil, body)
}

func located(r *api.Request, name string, body resource) {
	id, _ := body["id"].(string)
	body["meta"] = resource{"resourceType": strings.TrimSuffix(name, "s"), "location": r.Origin + base + "/" + name + "/" + id}
}

// serviceProviderConfig tells what is offered (RFC 7643 §5).
func (s *Surface) serviceProviderConfig(r *api.Request) (api.Answer, error) {
	yes, no := resource{"supported": true}, resource{"supported": false}
	return answer(http.StatusOK, nil, resource{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":   yes, "sort": yes, "etag": yes, "changePassword": no,
		"bulk":   resource{"supported": true, "maxOperations": maxOperations, "maxPayloadSize": api.MaxBody},
		"filter": resource{"supported": true, "maxResults": maxCount},
		"authenticationSchemes": []any{resource{
			"type": "oauthbearertoken", "name": "OAuth Bearer Token", "primary": true, "specUri": "https://www.rfc-editor.org/info/rfc6750",
			"description": "The token of a directory source, or an access token with the permission " + Permission,
		}},
		"meta": resource{"resourceType": "ServiceProviderConfig", "location": r.Origin + base + "/ServiceProviderConfig"},
	})
}
