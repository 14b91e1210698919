package arm

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// Entities: management groups and subscriptions in one list, with what the caller may do to each (reference arm-pim §14).

func (s *Surface) entityRoutes() []route {
	return []route{{post, "/providers/Microsoft.Management/getEntities", listEntities}}
}

// listEntities lists the root, management groups and subscriptions that the caller may read.
func listEntities(c *call) (api.Answer, error) {
	skip, err := c.number("$skip", 0)
	if err != nil {
		return api.Answer{}, err
	}
	top, err := c.number("$top", mostNodes)
	if err != nil {
		return api.Answer{}, err
	}
	keep, err := nodeFilter(c.option("$filter"))
	if err != nil {
		return api.Answer{}, err
	}
	all, err := c.entities()
	if err != nil {
		return api.Answer{}, err
	}
	if keep != nil {
		all.list = slices.DeleteFunc(all.list, func(n resource.Node) bool { return !keep(n) })
	}
	if group := c.option("groupName"); group != "" {
		all.list = slices.DeleteFunc(all.list, func(n resource.Node) bool {
			return !strings.EqualFold(n.Name, group) && !slices.ContainsFunc(all.above(n), func(a resource.Node) bool { return strings.EqualFold(a.Name, group) })
		})
	}
	from := min(skip, len(all.list))
	to := min(from+min(max(top, 0), mostNodes), len(all.list))
	rows := make([][]byte, 0, to-from)
	for _, n := range all.list[from:to] {
		rows = append(rows, all.write(n))
	}
	o := wire.New(nil, nil)
	o.Name("value")
	o.B = wire.AppendList(o.B, rows)
	o.Int("count", len(all.list))
	if to < len(all.list) {
		o.Str("nextLink", c.again("$skip", strconv.Itoa(to)))
	}
	return c.json(http.StatusOK, o.End()), nil
}

// number is a query parameter that is a whole number.
func (c *call) number(name string, otherwise int) (int, error) {
	text := c.option(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &problem{Status: http.StatusBadRequest, Code: "BadRequest", Message: "The parameter '" + name + "' is a whole number from 0."}
	}
	return n, nil
}

// entities are all that the caller may read, and their places.
type entities struct {
	*call
	list     []resource.Node
	at       map[pim.Scope]resource.Node
	children map[pim.Scope][]resource.Node
}

func (c *call) entities() (entities, error) {
	e := entities{call: c, at: map[pim.Scope]resource.Node{}, children: map[pim.Scope][]resource.Node{}}
	root, err := c.app.Node(c.Context(), c.Caller, c.Tenant, pim.Everywhere)
	if err == nil {
		e.list, e.at[pim.Everywhere] = append(e.list, root), root
	} else if _, ok := refusalOf(err); !ok {
		return e, err
	}
	for n, err := range c.eachNode(containers()) {
		if err != nil {
			return e, err
		}
		e.list, e.at[n.Scope] = append(e.list, n), n
		e.children[n.Parent] = append(e.children[n.Parent], n)
	}
	return e, nil
}

// above are the entities that contain one, the nearest first.
func (e *entities) above(n resource.Node) []resource.Node {
	var out []resource.Node
	for up, ok := e.at[n.Parent]; ok && n.Kind != resource.Root && len(out) < mostNodes; up, ok = e.at[n.Parent] {
		out = append(out, up)
		n = up
	}
	return out
}

// below counts what is below an entity, and its management groups and all that are directly in it.
func (e *entities) below(n resource.Node) (all, direct, groups int) {
	for queue := slices.Clone(e.children[n.Scope]); len(queue) > 0 && all <= len(e.list); queue = queue[1:] {
		all++
		queue = append(queue, e.children[queue[0].Scope]...)
	}
	for _, d := range e.children[n.Scope] {
		direct++
		if d.Kind == resource.ManagementGroup {
			groups++
		}
	}
	return all, direct, groups
}

// permission is the most that the caller may do to a node.
func (e *entities) permission(n resource.Node) string {
	switch may := e.app.NodeRights(e.Caller, n); {
	case may.Delete:
		return "delete"
	case may.Write:
		return "edit"
	case may.Read:
		return "view"
	}
	return "noaccess"
}

func (e *entities) write(n resource.Node) []byte {
	above := e.above(n)
	inherited := "noaccess"
	if len(above) > 0 {
		inherited = e.permission(above[0])
	}
	names, titles := []string{}, []string{}
	for _, a := range reversed(above) {
		names, titles = append(names, a.Name), append(titles, a.Title())
	}
	all, direct, groups := e.below(n)
	o := wire.New(nil, nil)
	o.Str("id", idOf(n))
	o.Str("type", childType(n))
	o.Str("name", n.Name)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("tenantId", string(n.Tenant))
	p.Str("displayName", n.Title())
	var parent []byte
	if n.Kind != resource.Root {
		parent = parentOf(n)
	}
	p.Raw("parent", parent)
	p.Str("permissions", e.permission(n))
	p.Str("inheritedPermissions", inherited)
	p.Int("numberOfDescendants", all)
	p.Int("numberOfChildren", direct)
	p.Int("numberOfChildGroups", groups)
	p.Texts("parentNameChain", names)
	p.Texts("parentDisplayNameChain", titles)
	o.B = p.End()
	return o.End()
}
