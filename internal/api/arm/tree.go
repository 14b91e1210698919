package arm

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/resource"
)

// Bringing in a tree. Azure Resource Manager has no call for many nodes at once, so this one is our own:
//
//	POST /providers/Portcullis.Resources/import?api-version=…
//	{"nodes": [{"id": "/subscriptions/…", "displayName": "…", "parent": "/providers/Microsoft.Management/managementGroups/…"}, …]}
//
// A node is written as the calls of Azure Resource Manager answer with it: id says what it is and where; location, tags,
// properties, kind, sku and whatever else resources carry are kept. Management groups and subscriptions have a displayName and a
// parent, which is the id or the name of a management group; none is the root. Nodes may come in any order, but what contains them
// is there or comes with them. Nothing is deleted. The same nodes again change nothing.
//
// The answer is {"written": 3}: how many nodes are new or changed. A refusal names the node, and of the nodes that come with it
// none, or some hundred that stand before it in the order of the tree, are written.

func (s *Surface) treeRoutes() []route {
	return []route{{post, "/providers/Portcullis.Resources/import", importTree}}
}

// mostImported bounds the nodes of one call.
const mostImported = 5000

func importTree(c *call) (api.Answer, error) {
	var in struct{ Nodes []map[string]json.RawMessage }
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	if len(in.Nodes) > mostImported {
		return api.Answer{}, badMember("nodes", "a list of at most 5000 nodes")
	}
	nodes := make([]resource.Node, len(in.Nodes))
	for i, raw := range in.Nodes {
		n, err := c.toNode(raw)
		if err != nil {
			return api.Answer{}, err
		}
		nodes[i] = n
	}
	written, err := c.app.ImportTree(c.Context(), c.Caller, c.Tenant, nodes)
	if err != nil {
		return api.Answer{}, c.importProblem(err)
	}
	o := wire.New(nil, nil)
	o.Int("written", written)
	return c.json(http.StatusOK, o.End()), nil
}

// importProblem tells a refusal of one node among many, which its detail names.
func (c *call) importProblem(err error) error {
	r, ok := refusalOf(err)
	if !ok {
		return err
	}
	p, ok := c.treeProblem(resource.Node{ID: "of a node"}, err).(*problem) //nolint:errorlint // made right there
	if !ok {
		return err
	}
	if p.Status != http.StatusForbidden {
		p.Message = "The import was refused: " + r.Detail + "."
		if p.Status == http.StatusNotFound {
			p.Status = http.StatusBadRequest // what is missing is a part of what was sent
		}
		return p
	}
	id, _, _ := strings.Cut(r.Detail, ": ")
	return c.unauthorizedAt(r, resource.Node{ID: id})
}

// toNode reads a node as it is written in an import.
func (c *call) toNode(raw map[string]json.RawMessage) (resource.Node, error) {
	in := spelled(raw, append(genericMembers(), "parent", "displayName", "tenantId", "subscriptionId", "resourceGroup")...)
	var id string
	if json.Unmarshal(in["id"], &id) != nil || id == "" {
		return resource.Node{}, badMember("id", "the id of a node, which every node has")
	}
	n, err := resource.ParseFor(c.Tenant, id)
	if err != nil {
		return n, &problem{Status: http.StatusBadRequest, Code: "InvalidRequestContent", Message: "The request content was invalid: " + err.Error() + "."}
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(in[name], &s) // what is no text is none
		return s
	}
	title, parent := text("displayName"), in["parent"]
	for _, name := range []string{"parent", "displayName", "tenantId", "subscriptionId", "resourceGroup"} {
		delete(in, name)
	}
	if n.Kind == resource.Group || n.Kind == resource.Resource {
		return n, apply(&n, in, true)
	}
	return c.toContainer(n, in, title, parent)
}

// toContainer reads what management groups and subscriptions have, also as their own calls answer with it.
func (c *call) toContainer(n resource.Node, in map[string]json.RawMessage, title string, parent json.RawMessage) (resource.Node, error) {
	var p struct {
		DisplayName string
		Parent      json.RawMessage
		Details     struct{ Parent json.RawMessage }
	}
	_ = json.Unmarshal(in["properties"], &p) // what is something else tells nothing
	n.DisplayName = cmp.Or(title, p.DisplayName)
	if v, ok := in["tags"]; ok && json.Unmarshal(v, &n.Tags) != nil {
		return n, badMember("tags", "an object of texts")
	}
	for _, v := range []json.RawMessage{parent, p.Parent, p.Details.Parent} {
		var id string
		var object struct{ ID string }
		if json.Unmarshal(v, &id) != nil {
			_ = json.Unmarshal(v, &object) // what is neither is none
			id = object.ID
		}
		if id != "" {
			above, err := c.managementGroup(id)
			n.Parent = above.Scope
			return n, err
		}
	}
	return n, nil
}
