package arm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Resources of any type, at any depth, and what calls about the tree have in common (reference arm-pim §14).

func (s *Surface) resourceRoutes() []route {
	var out []route
	for _, at := range []string{"/subscriptions/{subscription}/resourceGroups/{group}", "/subscriptions/{subscription}",
		"/providers/Microsoft.Management/managementGroups/{group}"} {
		path := at + "/providers/{path...}"
		out = append(out, route{get, path, getResource}, route{put, path, putResource},
			route{patch, path, patchResource}, route{del, path, deleteResource})
	}
	groups := "/subscriptions/{subscription}/resourceGroups/{group}"
	return append(out,
		route{get, "/subscriptions/{subscription}/resources", listResources},
		route{get, groups + "/resources", listResources},
		route{post, groups + "/moveResources", moveResources},
		route{post, groups + "/validateMoveResources", validateMoveResources},
	)
}

// addressed reads the scope that the address names, as it was sent, without its last segments: the frame spells segments that are
// words of this dialect as the dialect does, and names are the caller's own. The error is a *problem.
func (c *call) addressed(without int) (resource.Node, error) {
	var segments []string
	for raw := range strings.SplitSeq(c.Sent.EscapedPath(), "/") {
		s, err := url.PathUnescape(raw)
		if err != nil || strings.Contains(s, "/") {
			return resource.Node{}, &problem{Status: http.StatusBadRequest, Code: "InvalidResourceName", Message: "A name in the address cannot be so."}
		}
		if s != "" {
			segments = append(segments, s)
		}
	}
	n, err := resource.ParseFor(c.Tenant, strings.Join(segments[:len(segments)-without], "/"))
	if err != nil {
		return n, notAddressed(segments, err)
	}
	return n, nil
}

// there is what is at the scope that the address names without its last segments, if the caller may read it.
func (c *call) there(without int) (resource.Node, error) {
	n, err := c.addressed(without)
	if err != nil {
		return n, err
	}
	return c.read(n)
}

// read is what is at a place, if the caller may read it.
func (c *call) read(n resource.Node) (resource.Node, error) {
	found, err := c.app.Node(c.Context(), c.Caller, c.Tenant, n.Scope)
	if err != nil {
		return n, c.treeProblem(c.named(n), err)
	}
	return found, nil
}

// notAddressed says what is wrong with an address that names nothing.
func notAddressed(segments []string, err error) *problem {
	if len(segments) > 1 && strings.EqualFold(segments[0], "subscriptions") && !wire.IsGUID(segments[1]) {
		return invalidSubscription(segments[1])
	}
	return &problem{Status: http.StatusNotFound, Code: "InvalidResourceType", Message: "The address names no resource: " + err.Error() + "."}
}

// absent says that nothing is at a scope that the caller may look at.
func absent(n resource.Node) *problem {
	p := &problem{Status: http.StatusNotFound}
	switch n.Kind {
	case resource.ManagementGroup, resource.Root:
		p.Code, p.Message = "NotFound", "The management group '"+n.Name+"' cannot be found."
	case resource.Subscription:
		p.Code, p.Message = "SubscriptionNotFound", "The subscription '"+n.Name+"' could not be found."
	case resource.Group:
		p.Code, p.Message = "ResourceGroupNotFound", "Resource group '"+n.Name+"' could not be found."
	case resource.Resource:
		p.Code, p.Message = "ResourceNotFound", "The Resource '"+n.Type+"/"+n.Name+"' was not found."
	default:
		p.Code, p.Message = "NotFound", "There is nothing at this address."
	}
	return p
}

// treeProblem tells a refusal that concerns a place in the tree; what else is wrong is told as everywhere.
func (c *call) treeProblem(n resource.Node, err error) error {
	r, ok := refusalOf(err)
	if !ok {
		return err
	}
	switch r.Code { //nolint:exhaustive // the others do not come from the tree
	case pim.Forbidden, pim.Constrained, pim.DeniedByAssignment:
		return c.unauthorizedAt(r, n)
	case pim.UnknownScope:
		if r.Field != "parent" {
			return absent(n)
		}
		parent, _ := resource.Parse(string(n.Parent))
		p := absent(parent)
		if parent.Kind == resource.Resource {
			p.Code = "ParentResourceNotFound"
		}
		return p
	case pim.ScopeInUse:
		return &problem{Status: http.StatusBadRequest, Code: "BadRequest", Message: "The request was refused: " + r.Detail + "."}
	case pim.InvalidScope:
		return &problem{Status: http.StatusBadRequest, Code: "InvalidResourceName", Message: "The request was refused: " + r.Detail + "."}
	case pim.InvalidRequest:
		return &problem{Status: http.StatusBadRequest, Code: "InvalidRequestContent", Message: "The request content was invalid: " + r.Detail + "."}
	case pim.AlreadyThere:
		return &problem{Status: http.StatusConflict, Code: "Conflict", Message: "The request was refused: " + r.Detail + "."}
	}
	return err
}

// unauthorizedAt says that the caller may not do something at a place, whether or not something is there.
func (c *call) unauthorizedAt(r *pim.Refusal, n resource.Node) *problem {
	code := "AuthorizationFailed"
	if r.Code == pim.DeniedByAssignment {
		code = "DenyAssignmentAuthorizationFailed"
	}
	action := r.Field
	if size := len(n.Type); size > 0 && len(action) > size && strings.EqualFold(action[:size], n.Type) {
		action = n.Type + action[size:] // as the caller spells the type
	}
	return &problem{Status: http.StatusForbidden, Code: code,
		Message: unauthorized(c.Request, "does not have authorization to perform action", action, n.ID)}
}

// members reads those of the object that was sent, by their names in the dialect's own spelling. The error is an *api.Fault.
func (c *call) members(known ...string) (map[string]json.RawMessage, error) {
	var in map[string]json.RawMessage
	if err := api.Decode(c.Request, &in); err != nil {
		return nil, err
	}
	return spelled(in, known...), nil
}

// spelled gives members the names that are known, whatever letter case they came in. A null is none.
func spelled(in map[string]json.RawMessage, known ...string) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(in))
	for name, v := range in {
		if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
			name = known[i]
		}
		if !bytes.Equal(v, []byte("null")) {
			out[name] = v
		}
	}
	return out
}

// genericMembers are those that resources of all types have.
func genericMembers() []string {
	return []string{"id", "name", "type", "location", "tags", "properties", "kind", "sku", "plan", "identity", "managedBy", "zones",
		"extendedLocation", "systemData", "etag", "scope"}
}

// apply brings what was sent into a node. whole says that what was not sent is no more; else it stays, and objects are merged
// (RFC 7396).
func apply(n *resource.Node, in map[string]json.RawMessage, whole bool) error {
	if v, ok := in["location"]; ok {
		if json.Unmarshal(v, &n.Location) != nil {
			return badMember("location", "a text")
		}
	}
	if v, ok := in["tags"]; ok || whole {
		n.Tags = nil
		if ok && json.Unmarshal(v, &n.Tags) != nil {
			return badMember("tags", "an object of texts")
		}
	}
	further := map[string]json.RawMessage{}
	if !whole && len(n.Further) > 0 {
		if err := json.Unmarshal(n.Further, &further); err != nil {
			return err
		}
	}
	for name, v := range in {
		switch name {
		case "id", "name", "type", "location", "tags", "systemData", "etag", "scope":
			continue // told by the address, or read-only
		}
		if further[name] = v; !whole && name == "properties" {
			further[name] = merge(n.Further, name, v)
		}
	}
	n.Further = nil
	if len(further) > 0 {
		n.Further = wire.MustJSON(further)
	}
	return nil
}

func badMember(name, wants string) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "InvalidRequestContent", Message: "The request content was invalid: '" + name + "' is " + wants + "."}
}

// merge brings a patch into a member of an object (RFC 7396).
func merge(object []byte, member string, with json.RawMessage) json.RawMessage {
	var before map[string]any
	var patch any
	if json.Unmarshal(object, &before) != nil || json.Unmarshal(with, &patch) != nil {
		return with
	}
	return wire.MustJSON(patched(before[member], patch))
}

func patched(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := target.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for name, v := range changes {
		if v == nil {
			delete(out, name)
		} else {
			out[name] = patched(out[name], v)
		}
	}
	return out
}

// elsewhere is what resources have for a location where nobody names one.
const elsewhere = "global"

// fromResource writes a resource. brief leaves its properties out, as lists do.
func fromResource(b []byte, n resource.Node, brief bool) []byte {
	o := wire.New(b, nil)
	o.Str("id", n.ID)
	o.Str("name", n.Name)
	o.Str("type", n.Type)
	o.Str("location", cmp.Or(n.Location, elsewhere))
	if n.Tags != nil {
		o.Raw("tags", wire.MustJSON(n.Tags))
	}
	further := map[string]json.RawMessage{}
	_ = json.Unmarshal(n.Further, &further) // an object, or nothing
	for _, name := range slices.Sorted(maps.Keys(further)) {
		if name != "properties" || !brief {
			o.Raw(name, settled(name, further[name]))
		}
	}
	if _, ok := further["properties"]; !ok && !brief {
		o.Raw("properties", []byte("{}"))
	}
	return o.End()
}

// settled is a member as it is told. Nothing is under way here: clients that wait for an end of provisioning find it reached.
func settled(name string, v json.RawMessage) json.RawMessage {
	var properties map[string]json.RawMessage
	if name != "properties" || !bytes.Contains(v, []byte("provisioningState")) || json.Unmarshal(v, &properties) != nil {
		return v
	}
	if _, ok := properties["provisioningState"]; ok {
		properties["provisioningState"] = json.RawMessage(`"Succeeded"`)
	}
	return wire.MustJSON(properties)
}

func getResource(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		if of, ok := c.collection(); ok {
			return listOfType(c, of)
		}
		return api.Answer{}, err
	}
	found, err := c.read(n)
	if err != nil {
		return api.Answer{}, err
	}
	return c.found(fromResource(nil, found, false)), nil
}

// found answers with what is there, or, to HEAD, that it is there. (A route for GET serves HEAD, too.)
func (c *call) found(body []byte) api.Answer {
	if c.Method == http.MethodHead {
		return api.Answer{Status: http.StatusNoContent}
	}
	return c.json(http.StatusOK, body)
}

// collection reads an address that ends in a type: what it names are the resources of that type.
func (c *call) collection() (resource.Node, bool) {
	of, err := resource.ParseFor(c.Tenant, c.Sent.Path+"/x")
	return of, err == nil && of.Kind == resource.Resource
}

// listOfType lists the resources of a type in what the address names; of a type directly below a subscription, those of all its
// resource groups.
func listOfType(c *call, of resource.Node) (api.Answer, error) {
	within := store.Is(store.FieldParent, string(of.Parent))
	if resource.KindOf(of.Parent) == resource.Subscription {
		within = store.Under{Field: store.FieldScope, Scopes: []pim.Scope{of.Parent}}
	}
	return c.listNodes(store.And{within, store.Is(store.FieldResourceType, strings.ToLower(of.Type))}, func(b []byte, n resource.Node) []byte {
		return fromResource(b, n, false)
	})
}

func putResource(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	in, err := c.members(genericMembers()...)
	if err != nil {
		return api.Answer{}, err
	}
	if err := apply(&n, in, true); err != nil {
		return api.Answer{}, err
	}
	made, created, err := c.app.PutNode(c.Context(), c.Caller, n)
	if err != nil {
		return api.Answer{}, c.treeProblem(n, err)
	}
	return c.json(statusOf(created), fromResource(nil, made, false)), nil
}

// statusOf is the status of a PUT.
func statusOf(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}

func patchResource(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	after, err := c.patchNode(n)
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, fromResource(nil, after, false)), nil
}

func (c *call) patchNode(n resource.Node) (resource.Node, error) {
	in, err := c.members(genericMembers()...)
	if err != nil {
		return n, err
	}
	return c.editNode(n, func(n *resource.Node) error { return apply(n, in, false) })
}

func deleteResource(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	return c.deleteNode(n, http.StatusNoContent)
}

// deleteNode deletes a node: 200, or, where there is none, the status that is told.
func (c *call) deleteNode(n resource.Node, otherwise int) (api.Answer, error) {
	err := c.app.DeleteNode(c.Context(), c.Caller, c.Tenant, n.Scope)
	if wire.Refused(err, pim.UnknownScope) && otherwise == http.StatusNoContent {
		return api.Answer{Status: otherwise}, nil
	}
	if err != nil {
		return api.Answer{}, c.treeProblem(n, err)
	}
	return api.Answer{Status: http.StatusOK}, nil
}

// listResources lists those of a subscription or a resource group, with what is below them.
func listResources(c *call) (api.Answer, error) {
	at, err := c.there(1)
	if err != nil {
		return api.Answer{}, err
	}
	where := store.And{store.Is(store.FieldResourceKind, int(resource.Resource)), store.Under{Field: store.FieldScope, Scopes: []pim.Scope{at.Scope}}}
	whole := strings.Contains(strings.ToLower(c.option("$expand")), "properties")
	return c.listNodes(where, func(b []byte, n resource.Node) []byte { return fromResource(b, n, !whole) })
}

// moving is a call to move resources.
type moving struct {
	Resources []string
	Target    string `json:"targetResourceGroup"`
}

func (c *call) moving() (from resource.Node, scopes []pim.Scope, onto pim.Scope, err error) {
	if from, err = c.addressed(1); err != nil {
		return from, nil, "", err
	}
	var in moving
	if err = api.Decode(c.Request, &in); err != nil {
		return from, nil, "", err
	}
	target, err := resource.ParseFor(c.Tenant, in.Target)
	if err != nil || target.Kind != resource.Group {
		return from, nil, "", badMember("targetResourceGroup", "the id of a resource group")
	}
	for _, id := range in.Resources {
		n, err := resource.ParseFor(c.Tenant, id)
		if err != nil || n.Parent != from.Scope {
			return from, nil, "", badMember("resources", "a list of ids of resources of this resource group")
		}
		scopes = append(scopes, n.Scope)
	}
	return from, scopes, target.Scope, nil
}

func moveResources(c *call) (api.Answer, error) {
	from, scopes, onto, err := c.moving()
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.app.MoveResources(c.Context(), c.Caller, c.Tenant, scopes, onto); err != nil {
		return api.Answer{}, c.treeProblem(from, err)
	}
	return api.Answer{Status: http.StatusNoContent}, nil
}

func validateMoveResources(c *call) (api.Answer, error) {
	from, scopes, onto, err := c.moving()
	if err != nil {
		return api.Answer{}, err
	}
	if err := c.app.ValidateMove(c.Context(), c.Caller, c.Tenant, scopes, onto); err != nil {
		return api.Answer{}, c.treeProblem(from, err)
	}
	return api.Answer{Status: http.StatusNoContent}, nil
}
