// Package scim lets a directory elsewhere keep up the people and groups of a tenant by SCIM 2.0 (RFC 7643, RFC 7644), in
// the shapes that Microsoft Entra's provisioning service sends and that the standard's own examples show.
//
// Addresses are below /scim/v2. A caller is a directory source, by the token that it was given (see Tokens), or any
// application whose access token carries SCIM.ReadWrite.All; the tenant follows from the token. What bodies may hold is
// checked by a SCIM library against the schemas that /Schemas shows; what clients are known to write otherwise is brought
// to the standard's form before (see normal.go); what follows is decided by the application.
//
// Who is in a group by PIM is none of a source's business: members are those whom the directory itself put there. A
// source neither sees nor takes what was activated or assigned by PIM. It changes no group that may hold directory roles.
// A user who is deleted or made inactive loses all that they hold in the same commit.
//
// What is told of resources and their lists is written here: the library knows no attributes, sorting, ETags or bulk
// requests.
package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	lib "github.com/elimity-com/scim"
	liberrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"

	"portcullis/internal/api"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Permission is what a caller's token must carry.
const Permission = "SCIM.ReadWrite.All"

const (
	base        = "/scim/v2"
	contentType = "application/scim+json"
)

// Application is what the surface asks of the application; *app.App is one.
type Application interface {
	Time() time.Time
	CreateUser(context.Context, pim.Caller, pim.TenantID, app.NewUser) (directory.Object, error)
	UpdateUser(context.Context, pim.Caller, pim.TenantID, pim.PrincipalID, func(*directory.Object) error) (directory.Object, error)
	DeleteUser(context.Context, pim.Caller, pim.TenantID, pim.PrincipalID) error
	CreateGroup(context.Context, pim.Caller, pim.TenantID, app.NewGroup) (directory.Object, error)
	UpdateGroup(context.Context, pim.Caller, pim.TenantID, pim.PrincipalID, func(*directory.Object) error, app.MembershipChange) (directory.Object, error)
	DeleteGroup(context.Context, pim.Caller, pim.TenantID, pim.PrincipalID) error
}

// Reader is what the surface reads from the store.
type Reader interface {
	Objects(context.Context, store.Query) (store.Page[directory.Object], error)
	ObjectsByID(context.Context, pim.TenantID, []pim.PrincipalID) ([]directory.Object, error)
	Schedules(context.Context, store.Query) (store.Page[pim.Schedule], error)
}

// Surface serves the addresses. Make one with New.
type Surface struct {
	// Log is told of faults within bulk requests; nil: nobody is.
	Log *slog.Logger

	app    Application
	read   Reader
	users  *kind
	groups *kind
	places places
}

// New makes the surface.
func New(a Application, r Reader) *Surface {
	return &Surface{app: a, read: r, users: userKind(), groups: groupKind()}
}

var _ api.Surface = (*Surface)(nil)

func (s *Surface) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// Prefixes are the first segments of the addresses.
func (s *Surface) Prefixes() []string { return []string{"scim"} }

// Routes are the operations.
func (s *Surface) Routes() []api.Route {
	var routes []api.Route
	add := func(method, path string, h api.Handler) {
		routes = append(routes, api.Route{Method: method, Pattern: base + path, Access: api.Access{Application: []string{Permission}}, Handle: h})
	}
	for _, k := range []*kind{s.users, s.groups} {
		add(http.MethodGet, k.endpoint, s.resources(k))
		add(http.MethodPost, k.endpoint, s.resources(k))
		add(http.MethodPost, k.endpoint+"/.search", s.searched(k))
		for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			add(m, k.endpoint+"/{id}", s.resources(k))
		}
	}
	add(http.MethodPost, "/.search", s.searched(nil))
	add(http.MethodPost, "/Bulk", s.bulk)
	add(http.MethodGet, "/ServiceProviderConfig", s.serviceProviderConfig)
	for _, name := range []string{"/ResourceTypes", "/ResourceTypes/{id}", "/Schemas", "/Schemas/{id}"} {
		add(http.MethodGet, name, s.discovery)
	}
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		add(m, "/Me", func(*api.Request) (api.Answer, error) {
			return api.Answer{}, &problem{status: http.StatusNotImplemented, detail: "A source is no user: there is no /Me here."}
		})
	}
	return routes
}

// resource is a SCIM resource in its JSON form, its members under their canonical names.
type resource = map[string]any

// call is one operation on one resource type under way.
type call struct {
	*api.Request
	s *Surface
	k *kind
	// version is the condition of If-Match; empty: none.
	version string
	// What came of it: one of these is set.
	err  error
	made *reply
}

// reply is a resource, or a list of them, as it goes back.
type reply struct {
	status int
	body   resource
}

// resources serves the operations of a resource type on what the body of the call says.
func (s *Surface) resources(k *kind) api.Handler {
	return func(r *api.Request) (api.Answer, error) {
		body, err := bodyOf(r)
		if err != nil {
			return api.Answer{}, err
		}
		c := &call{Request: r, s: s, k: k, version: r.Header.Get("If-Match")}
		if err := c.run(r.Method, strings.TrimPrefix(r.URL.Path, base), body); err != nil {
			return api.Answer{}, err
		}
		return c.answer()
	}
}

// bodyOf reads the body of a call that has one.
func bodyOf(r *api.Request) ([]byte, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		return nil, nil
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		media, _, err := mime.ParseMediaType(t)
		if err != nil || media != contentType && media != "application/json" {
			return nil, &problem{status: http.StatusUnsupportedMediaType, detail: "The body must be " + contentType + " or application/json."}
		}
	}
	return r.Body()
}

// run serves one operation: the library checks it and calls the kind's handler.
func (c *call) run(method, path string, body []byte) error {
	body, err := c.k.normal(method, body)
	if err != nil {
		return err
	}
	server, err := c.s.library(c)
	if err != nil {
		return err
	}
	inner, err := http.NewRequestWithContext(c.Context(), method, path, bytes.NewReader(body))
	if err != nil {
		return &api.Fault{Problem: api.NoSuchAddress, Detail: "There is nothing at this address."}
	}
	rec := &recorder{}
	server.ServeHTTP(rec, inner)
	switch {
	case c.err != nil:
		return c.err
	case rec.status >= http.StatusBadRequest:
		return rec.problem()
	}
	return nil
}

// library is the library's server with the handlers of one call, nil for none. What it answers is used where it refuses,
// and for what it knows by itself.
func (s *Surface) library(c *call) (lib.Server, error) {
	types := []lib.ResourceType{s.users.library(users{c}), s.groups.library(groups{c})}
	server, err := lib.NewServer(&lib.ServerArgs{ServiceProviderConfig: &lib.ServiceProviderConfig{MaxResults: maxCount}, ResourceTypes: types})
	if err != nil {
		return server, fmt.Errorf("the SCIM library: %w", err)
	}
	return server, nil
}

// library tells the library of the kind.
func (k *kind) library(h lib.ResourceHandler) lib.ResourceType {
	t := lib.ResourceType{
		ID: optional.NewString(k.name), Name: k.name, Description: optional.NewString(k.describe), Endpoint: k.endpoint,
		Schema: k.core, Handler: h,
	}
	if k.extension.ID != "" {
		t.SchemaExtensions = []lib.SchemaExtension{{Schema: k.extension}}
	}
	return t
}

// failed keeps an error for the surface to tell, and gives the library one that it passes on.
func (c *call) failed(err error) error {
	c.err = err
	return liberrors.ScimError{Status: http.StatusInternalServerError}
}

// done keeps what goes back. The library's own form of it is not used.
func (c *call) done(status int, body resource) (lib.Resource, error) {
	c.made = &reply{status, body}
	return lib.Resource{Attributes: lib.ResourceAttributes{"id": ""}}, nil
}

// answer prints what came of the call, as much of it as is asked for.
func (c *call) answer() (api.Answer, error) {
	if c.made == nil {
		return api.Answer{Status: http.StatusNoContent}, nil
	}
	header := http.Header{}
	if meta, ok := c.made.body["meta"].(resource); ok {
		tag, _ := meta["version"].(string)
		location, _ := meta["location"].(string)
		header.Set("ETag", tag)
		header.Set("Content-Location", location)
		if c.made.status == http.StatusCreated {
			header.Set("Location", location)
		}
		if c.Method == http.MethodGet && matches(c.Header.Get("If-None-Match"), tag) {
			return api.Answer{Status: http.StatusNotModified, Header: header}, nil
		}
		p, err := projectionOf(c.k, c.URL.Query())
		if err != nil {
			return api.Answer{}, err
		}
		c.made.body = p.apply(c.made.body)
	}
	return answer(c.made.status, header, c.made.body)
}

func answer(status int, header http.Header, v any) (api.Answer, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return api.Answer{}, fmt.Errorf("write the answer: %w", err)
	}
	return api.Answer{Status: status, Type: contentType, Header: header, Body: b.Bytes()}, nil
}

// recorder takes what the library answers.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.body.Write(b)
}

// problem is the library's refusal.
func (r *recorder) problem() error {
	var e liberrors.ScimError
	if err := json.Unmarshal(r.body.Bytes(), &e); err != nil {
		return fmt.Errorf("the SCIM library answered %d with %q: %w", r.status, r.body.String(), err)
	}
	return &problem{status: e.Status, kind: string(e.ScimType), detail: e.Detail}
}

// object reads the resource that an operation is about.
func (c *call) object(id string) (directory.Object, error) {
	found, err := c.s.read.ObjectsByID(c.Context(), c.Tenant, []pim.PrincipalID{pim.PrincipalID(id)})
	if err != nil {
		return directory.Object{}, err
	}
	if len(found) == 0 || found[0].Kind != c.k.object {
		return directory.Object{}, c.k.missing(id)
	}
	return found[0], nil
}

// location is the address of a resource.
func (c *call) location(k *kind, id pim.PrincipalID) string {
	return c.Origin + base + k.endpoint + "/" + string(id)
}

// changed says that an error about a resource that was there a moment ago is about what it refers to.
func changed(err error) error {
	if r, ok := errors.AsType[*pim.Refusal](err); ok && r.Code == pim.UnknownPrincipal {
		return invalidValue("A member or manager that is named does not exist.")
	}
	return err
}
