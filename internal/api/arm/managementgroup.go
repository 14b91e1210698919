package arm

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Management groups (reference arm-pim §14). The root of the tree is the one that has the tenant's id for its name.

func (s *Surface) managementGroupRoutes() []route {
	const all = "/providers/Microsoft.Management/managementGroups"
	const one = all + "/{group}"
	return []route{
		{get, all, listManagementGroups},
		{get, one, getManagementGroup},
		{put, one, putManagementGroup},
		{patch, one, patchManagementGroup},
		{del, one, deleteManagementGroup},
		{get, one + "/descendants", listDescendants},
		{get, one + "/subscriptions", listPlacedSubscriptions},
		{get, one + "/subscriptions/{subscription}", getPlacedSubscription},
		{put, one + "/subscriptions/{subscription}", placeSubscription},
		{del, one + "/subscriptions/{subscription}", unplaceSubscription},
		{post, "/providers/Microsoft.Management/checkNameAvailability", checkName},
	}
}

// managementGroupID is the id of a management group, or of the root, as clients know it.
func managementGroupID(t pim.TenantID, s pim.Scope) string {
	if s == pim.Everywhere || s == "" {
		return rootID(t)
	}
	n, err := resource.Parse(string(s))
	if err != nil {
		return string(s) // only nodes come here, and these have been parsed
	}
	return n.ID
}

// parentOf is what management groups and subscriptions tell of where they are.
func parentOf(n resource.Node) []byte {
	o := wire.New(nil, nil)
	o.Str("id", managementGroupID(n.Tenant, n.Parent))
	return o.End()
}

func idOf(n resource.Node) string {
	if n.Kind == resource.Root {
		return rootID(n.Tenant)
	}
	return n.ID
}

// fromManagementGroup writes a management group. More, if given, writes further properties.
func fromManagementGroup(b []byte, n resource.Node, more func(*wire.Object)) []byte {
	o := wire.New(b, nil)
	o.Str("id", idOf(n))
	o.Str("type", resource.ManagementGroupType)
	o.Str("name", n.Name)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("tenantId", string(n.Tenant))
	p.Str("displayName", n.Title())
	if more != nil {
		more(&p)
	}
	o.B = p.End()
	return o.End()
}

// listManagementGroups lists the root and all others that the caller may read.
func listManagementGroups(c *call) (api.Answer, error) {
	var rows [][]byte
	if len(c.option(skipToken)) == 0 {
		root, err := c.app.Node(c.Context(), c.Caller, c.Tenant, pim.Everywhere)
		if err == nil {
			rows = append(rows, fromManagementGroup(nil, root, nil))
		} else if _, ok := refusalOf(err); !ok {
			return api.Answer{}, err
		}
	}
	return c.listNodes(store.Is(store.FieldResourceKind, int(resource.ManagementGroup)), func(b []byte, n resource.Node) []byte {
		return fromManagementGroup(b, n, nil)
	}, rows...)
}

// named gives the root the id by which it was asked for.
func (c *call) named(n resource.Node) resource.Node {
	if n.Kind == resource.Root {
		n.ID, n.Name = rootID(c.Tenant), string(c.Tenant)
	}
	return n
}

func getManagementGroup(c *call) (api.Answer, error) {
	n, err := c.there(0)
	if err != nil {
		return api.Answer{}, err
	}
	body, err := c.wholeGroup(n)
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, body), nil
}

// wholeGroup writes a management group with its place in the tree, and what $expand asks for.
func (c *call) wholeGroup(n resource.Node) ([]byte, error) {
	above, err := c.app.Ancestors(c.Context(), c.Tenant, n.Scope)
	if err != nil {
		return nil, err
	}
	expand := strings.ToLower(c.option("$expand"))
	var children []byte
	if strings.Contains(expand, "children") {
		if children, err = c.children(n); err != nil {
			return nil, err
		}
	}
	return fromManagementGroup(nil, n, func(p *wire.Object) {
		p.Name("details")
		d := wire.New(p.B, nil)
		d.Int("version", 1)
		if !n.Modified.IsZero() {
			d.Time("updatedTime", n.Modified)
		}
		if len(above) > 0 {
			d.Raw("parent", placeInfo(above[0]))
		}
		if strings.Contains(expand, "path") {
			d.Raw("path", placeInfos(reversed(above)))
		}
		if strings.Contains(expand, "ancestors") {
			names := []string{}
			for _, a := range above {
				names = append(names, a.Name)
			}
			d.Texts("managementGroupAncestors", names)
			d.Raw("managementGroupAncestorsChain", chain(above))
		}
		p.B = d.End()
		p.Raw("children", children)
	}), nil
}

func reversed(nodes []resource.Node) []resource.Node {
	out := slices.Clone(nodes)
	slices.Reverse(out)
	return out
}

// placeInfo is a management group as others refer to it.
func placeInfo(n resource.Node) []byte {
	o := wire.New(nil, nil)
	o.Str("id", idOf(n))
	o.Str("name", n.Name)
	o.Str("displayName", n.Title())
	return o.End()
}

func placeInfos(nodes []resource.Node) []byte {
	rows := make([][]byte, len(nodes))
	for i, n := range nodes {
		rows[i] = placeInfo(n)
	}
	return wire.AppendList(nil, rows)
}

func chain(nodes []resource.Node) []byte {
	rows := make([][]byte, len(nodes))
	for i, n := range nodes {
		o := wire.New(nil, nil)
		o.Str("name", n.Name)
		o.Str("displayName", n.Title())
		rows[i] = o.End()
	}
	return wire.AppendList(nil, rows)
}

// children writes what is in a management group that the caller may read: directly, or with $recurse at any depth.
func (c *call) children(n resource.Node) ([]byte, error) {
	deep := strings.EqualFold(c.option("$recurse"), "true")
	filter := strings.ToLower(strings.Join(strings.Fields(c.option("$filter")), " "))
	noSubscriptions := strings.Contains(filter, "childtype ne") && strings.Contains(filter, "subscription")
	where := store.And{containers()}
	if !deep {
		where = append(where, store.Is(store.FieldParent, string(n.Scope)))
	}
	below := map[pim.Scope][]resource.Node{}
	for n, err := range c.eachNode(where) {
		if err != nil {
			return nil, err
		}
		if n.Kind != resource.Subscription || !noSubscriptions {
			below[n.Parent] = append(below[n.Parent], n)
		}
	}
	return writeChildren(below, n.Scope, deep), nil
}

func writeChildren(below map[pim.Scope][]resource.Node, of pim.Scope, deep bool) []byte {
	list := below[of]
	if len(list) == 0 {
		return nil
	}
	delete(below, of) // each is written once, whatever the shape
	rows := make([][]byte, len(list))
	for i, n := range list {
		o := wire.New(nil, nil)
		o.Str("id", n.ID)
		o.Str("type", childType(n))
		o.Str("name", n.Name)
		o.Str("displayName", n.Title())
		var children []byte
		if deep && n.Kind == resource.ManagementGroup {
			children = writeChildren(below, n.Scope, deep)
		}
		o.Raw("children", children)
		rows[i] = o.End()
	}
	return wire.AppendList(nil, rows)
}

// childType is the type of what lies in a management group, as its calls name it.
func childType(n resource.Node) string {
	if n.Kind == resource.Subscription {
		return "/subscriptions"
	}
	return resource.ManagementGroupType
}

// managementGroupIn is what is written of one.
type managementGroupIn struct {
	DisplayName   string
	ParentID      string `json:"parentId"`
	ParentGroupID string `json:"parentGroupId"`
	Properties    *struct {
		DisplayName string
		Details     *struct {
			Parent *struct{ ID string }
		}
	}
}

func (in managementGroupIn) apply(c *call, n *resource.Node) error {
	parent := cmp.Or(in.ParentGroupID, in.ParentID)
	if p := in.Properties; p != nil {
		in.DisplayName = cmp.Or(in.DisplayName, p.DisplayName)
		if p.Details != nil && p.Details.Parent != nil {
			parent = cmp.Or(parent, p.Details.Parent.ID)
		}
	}
	n.DisplayName = cmp.Or(in.DisplayName, n.DisplayName)
	if parent == "" {
		return nil
	}
	above, err := c.managementGroup(parent)
	n.Parent = above.Scope
	return err
}

// putManagementGroup makes a management group or changes it. The answer is 200 in both cases: clients take no 201 here.
func putManagementGroup(c *call) (api.Answer, error) {
	return c.writeManagementGroup(c.upsert)
}

func patchManagementGroup(c *call) (api.Answer, error) {
	return c.writeManagementGroup(func(n resource.Node, edit func(*resource.Node) error) (resource.Node, bool, error) {
		after, err := c.editNode(n, edit)
		return after, false, err
	})
}

func (c *call) writeManagementGroup(write func(resource.Node, func(*resource.Node) error) (resource.Node, bool, error)) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	var in managementGroupIn
	if err := c.optional(&in); err != nil {
		return api.Answer{}, err
	}
	if n.Kind == resource.Root {
		return api.Answer{}, &problem{Status: http.StatusBadRequest, Code: "BadRequest", Message: "The root management group cannot be changed."}
	}
	after, _, err := write(n, func(n *resource.Node) error { return in.apply(c, n) })
	if err != nil {
		return api.Answer{}, err
	}
	whole, err := c.wholeGroup(after)
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, whole), nil
}

// deleteManagementGroup answers 204 whether there was one or not: clients take no 200 here.
func deleteManagementGroup(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	a, err := c.deleteNode(c.named(n), http.StatusNoContent)
	a.Status = http.StatusNoContent
	return a, err
}

// listDescendants lists the management groups and subscriptions below one.
func listDescendants(c *call) (api.Answer, error) {
	n, err := c.there(1)
	if err != nil {
		return api.Answer{}, err
	}
	return c.listNodes(c.below(n), func(b []byte, d resource.Node) []byte {
		o := wire.New(b, nil)
		o.Str("id", d.ID)
		o.Str("type", childType(d))
		o.Str("name", d.Name)
		o.Name("properties")
		p := wire.New(o.B, nil)
		p.Str("displayName", d.Title())
		p.Raw("parent", parentOf(d))
		o.B = p.End()
		return o.End()
	})
}

// below is the condition that a node is a management group or a subscription below one.
func (c *call) below(n resource.Node) store.Filter {
	if n.Kind == resource.Root {
		return containers()
	}
	var scopes []string
	for _, s := range c.app.ContainersBelow(c.Tenant, n.Scope) {
		if s != n.Scope {
			scopes = append(scopes, string(s))
		}
	}
	return store.In{Field: store.FieldScope, Values: scopes}
}

// fromPlacedSubscription writes a subscription as it lies in a management group.
func fromPlacedSubscription(b []byte, n resource.Node) []byte {
	o := wire.New(b, nil)
	o.Str("id", managementGroupID(n.Tenant, n.Parent)+"/subscriptions/"+n.Name)
	o.Str("type", resource.ManagementGroupType+"/subscriptions")
	o.Str("name", n.Name)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("tenant", string(n.Tenant))
	p.Str("displayName", n.Title())
	p.Raw("parent", parentOf(n))
	state := factsOf(n).State
	if state == "Enabled" {
		state = "Active"
	}
	p.Str("state", state)
	o.B = p.End()
	return o.End()
}

func listPlacedSubscriptions(c *call) (api.Answer, error) {
	n, err := c.there(1)
	if err != nil {
		return api.Answer{}, err
	}
	return c.listNodes(store.And{store.Is(store.FieldParent, string(n.Scope)),
		store.Is(store.FieldResourceKind, int(resource.Subscription))}, fromPlacedSubscription)
}

// placement reads both ends of …/managementGroups/{group}/subscriptions/{subscription}.
func (c *call) placement() (group, subscription resource.Node, err error) {
	if group, err = c.addressed(2); err != nil {
		return group, subscription, err
	}
	subscription, err = c.subscription(c.PathValue("subscription"))
	return group, subscription, err
}

func getPlacedSubscription(c *call) (api.Answer, error) {
	group, n, err := c.placement()
	if err != nil {
		return api.Answer{}, err
	}
	found, err := c.read(n)
	if err != nil {
		return api.Answer{}, err
	}
	if found.Parent != group.Scope {
		return api.Answer{}, absent(n)
	}
	return c.json(http.StatusOK, fromPlacedSubscription(nil, found)), nil
}

// placeSubscription puts a subscription into a management group.
func placeSubscription(c *call) (api.Answer, error) {
	group, n, err := c.placement()
	if err != nil {
		return api.Answer{}, err
	}
	after, err := c.app.MoveNode(c.Context(), c.Caller, c.Tenant, n.Scope, group.Scope)
	if err != nil {
		n.Parent = group.Scope
		return api.Answer{}, c.treeProblem(n, err)
	}
	return c.json(http.StatusOK, fromPlacedSubscription(nil, after)), nil
}

// unplaceSubscription puts a subscription that is in a management group back into the root.
func unplaceSubscription(c *call) (api.Answer, error) {
	group, n, err := c.placement()
	if err != nil {
		return api.Answer{}, err
	}
	found, err := c.app.Node(c.Context(), c.Caller, c.Tenant, n.Scope)
	switch {
	case wire.Refused(err, pim.UnknownScope) || err == nil && found.Parent != group.Scope:
		return api.Answer{Status: http.StatusNoContent}, nil
	case err != nil:
		return api.Answer{}, c.treeProblem(n, err)
	}
	if _, err := c.app.MoveNode(c.Context(), c.Caller, c.Tenant, n.Scope, pim.Everywhere); err != nil {
		return api.Answer{}, c.treeProblem(n, err)
	}
	return api.Answer{Status: http.StatusOK}, nil
}

// mayMakeGroups says whether there is a place at which the caller may make management groups. The error is a *pim.Refusal.
func (c *call) mayMakeGroups() error {
	const write = resource.ManagementGroupType + "/write"
	for _, h := range c.Caller.Roles {
		if h.Provider == pim.Resource && resource.KindOf(h.Scope) == resource.ManagementGroup && pim.MayDo(c.Caller, write, h.Scope) == nil {
			return nil
		}
	}
	return pim.MayDo(c.Caller, write, pim.Everywhere)
}

// checkName says whether a name of a management group is free, to those who may make one somewhere and would learn it by trying:
// nobody else shall know what there is.
func checkName(c *call) (api.Answer, error) {
	var in struct{ Name string }
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	n, err := c.managementGroup(in.Name)
	if err != nil {
		return api.Answer{}, err
	}
	if err := c.mayMakeGroups(); err != nil {
		return api.Answer{}, c.treeProblem(c.named(n), err)
	}
	found, err := c.app.NodesByScope(c.Context(), c.Tenant, []pim.Scope{n.Scope})
	if err != nil {
		return api.Answer{}, err
	}
	o := wire.New(nil, nil)
	o.Bool("nameAvailable", len(found) == 0)
	if len(found) > 0 {
		o.Str("reason", "AlreadyExists")
		o.Str("message", "The name is taken.")
	}
	return c.json(http.StatusOK, o.End()), nil
}
