package pimv2

import (
	"net/http"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Resources: governanceResource (learn.microsoft.com/graph/api/resources/governanceresource).

// place is a resource: the tenant, a group, a node of the tree, or what a role of the directory is narrowed to.
type place struct {
	// key has no role.
	key pim.RoleKey
	// id is governance.ResourceID(key), but for what lies below the tenant.
	id, externalID, typ, name string
	// registered is since when it is under PIM by name, itself or by what contains it, whose external id root then is.
	registered time.Time
	root       string
	// parent is the scope of what contains it; empty: nothing does.
	parent pim.Scope
	// What follows is there only where it is selected.
	reaching                 app.Reaching
	assignments, definitions int
}

// active is the state of every resource: nothing here is ever locked (reference pim-v2 §3).
const active = "Active"

func (k *kinds) setResources() {
	schema := &odata.Schema{Properties: append(resourceProperties(), listing.PlainProperties("permissions")...)}
	schema.Navigations = []odata.Navigation{{Name: "parent", Schema: schema}}
	k.resource = kind[place]{
		Set: "governanceResources", Type: "governanceResource", Schema: schema, Columns: nodeColumns(),
		Key: func(p place) string { return p.id }, Write: writeResource, Value: resourceValue, Relate: relateResources,
	}
}

func resourceProperties() []odata.Property {
	return []odata.Property{
		listing.IDProperty("id"), listing.IDProperty("externalId"), listing.IDProperty("type"), listing.TextProperty("displayName"),
		listing.EnumProperty("status", active, "Locked"), listing.TimeProperty("registeredDateTime"), listing.IDProperty("registeredRoot"),
		listing.TimeProperty("onboardDateTime"), listing.TimeProperty("managedAt"), listing.IDProperty("originTenantId"),
		listing.NumberProperty("roleAssignmentCount"), listing.NumberProperty("roleDefinitionCount"),
	}
}

func writeResource(c *call, o *object, p place) {
	o.Str("id", p.id)
	o.Str("externalId", p.externalID)
	o.Str("type", p.typ)
	o.Str("displayName", p.name)
	o.Str("status", active)
	o.Time("registeredDateTime", p.registered)
	o.Text("registeredRoot", p.root)
	if c.host {
		o.Time("onboardDateTime", p.registered)
		o.Time("managedAt", p.registered)
		o.Str("originTenantId", string(p.key.Tenant))
	}
	if o.Sel["roleAssignmentCount"] {
		o.Int("roleAssignmentCount", p.assignments)
	}
	if o.Sel["roleDefinitionCount"] {
		o.Int("roleDefinitionCount", p.definitions)
	}
	if o.Sel["permissions"] {
		o.Raw("permissions", wire.MustJSON(permissionOf(p.reaching)))
	}
}

// permission is governancePermission.
type permission struct {
	AccessLevel string `json:"accessLevel"`
	IsActive    bool   `json:"isActive"`
	IsEligible  bool   `json:"isEligible"`
}

func permissionOf(r app.Reaching) permission {
	return permission{levelName(r.Level), r.Active, r.Eligible}
}

func levelName(l app.Level) string {
	switch l {
	case app.UserRead:
		return "UserRead"
	case app.AdminRead:
		return "AdminRead"
	case app.AdminReadWrite:
		return "AdminReadWrite"
	case app.None:
	}
	return "None"
}

func resourceValue(_ *call, p place, path []string) any {
	switch path[0] {
	case "id":
		return p.id
	case "externalId":
		return p.externalID
	case "type":
		return p.typ
	case "displayName":
		return p.name
	case "status":
		return active
	case "registeredDateTime", "onboardDateTime", "managedAt":
		return listing.TimeValue(p.registered)
	case "registeredRoot":
		return listing.TextValue(p.root)
	case "originTenantId":
		return string(p.key.Tenant)
	}
	return nil
}

// nodeColumns are what a store knows of nodes of the tree and of groups alike; azureColumns and groupColumns add what one of the
// two has.
func nodeColumns() listing.Columns {
	return listing.Columns{"displayName": listing.TextColumn(store.FieldDisplayName)}
}

func azureColumns(t pim.TenantID) listing.Columns {
	cs := nodeColumns()
	cs["id"] = listing.IDColumn(store.FieldAlias)
	cs["externalId"] = listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		text, ok := v.(odata.String)
		if !ok || op != odata.Eq {
			return nil, false
		}
		n, err := resource.ParseFor(t, string(text))
		if err != nil {
			return store.Or{}, true // nothing is called so
		}
		return store.Is(store.FieldScope, string(n.Scope)), true
	}}
	cs["type"] = listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		text, ok := v.(odata.String)
		if !ok || op != odata.Eq {
			return nil, false
		}
		return nodesOfType(string(text)), true
	}}
	return cs
}

func groupColumns() listing.Columns {
	cs := nodeColumns()
	cs["id"], cs["externalId"] = listing.IDColumn(store.FieldID), listing.IDColumn(store.FieldID)
	return cs
}

// nodesOfType is the condition by which nodes of a type are found.
func nodesOfType(typ string) store.Filter {
	for kind, name := range containerTypes() {
		if strings.EqualFold(name, typ) {
			kinds := store.Or{store.Is(store.FieldResourceKind, int(kind))}
			if kind == resource.ManagementGroup {
				kinds = append(kinds, store.Is(store.FieldResourceKind, int(resource.Root)))
			}
			return kinds
		}
	}
	return store.And{store.Is(store.FieldResourceKind, int(resource.Resource)), store.Is(store.FieldResourceType, strings.ToLower(typ))}
}

// containerTypes are what the containers are called (reference pim-v2 §3): clients compare these in lower case.
func containerTypes() map[resource.Kind]string {
	return map[resource.Kind]string{
		resource.ManagementGroup: "managementgroup", resource.Subscription: "subscription", resource.Group: "resourcegroup",
	}
}

// typeOfNode is a node's type as it is shown.
func typeOfNode(n resource.Node) string {
	if n.Kind == resource.Root {
		return containerTypes()[resource.ManagementGroup]
	}
	if name := containerTypes()[n.Kind]; name != "" {
		return name
	}
	return n.Type
}

// externalIDOf is the id of a node for Azure Resource Manager; the root's is that of the management group by which it goes there.
func externalIDOf(n resource.Node) string {
	if n.Kind == resource.Root {
		return "/providers/" + resource.ManagementGroupType + "/" + string(n.Tenant)
	}
	return n.ID
}

func keysOf[K comparable](set map[K]bool) []K {
	out := make([]K, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	return out
}

// listResources lists what the caller can reach (reference pim-v2 §2).
func listResources(c *call) (api.Answer, error) {
	k := c.kinds.resource
	var fetch listing.Fetcher[place]
	switch c.provider {
	case pim.Directory:
		return c.listTenant(&k)
	case pim.Group:
		k.Columns, fetch = groupColumns(), c.fetchGroups
	case pim.Resource:
		k.Columns, fetch = azureColumns(c.Tenant), c.fetchNodes
	}
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := listing.Read(c, &k, q, fetch)
	if err == nil {
		err = c.complete(q, p.Rows)
	}
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Finish(c, &k, q, p)
}

// listTenant lists the one resource of directory roles, for who can reach it.
func (c *call) listTenant(k *kind[place]) (api.Answer, error) {
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	var rows []place
	switch p, err := c.place(string(c.Tenant)); {
	case err == nil:
		rows = append(rows, p)
	case !isNotThere(err):
		return api.Answer{}, err
	}
	p, err := k.PageOf(c, q, rows)
	if err == nil {
		err = c.complete(q, p.Rows)
	}
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Finish(c, k, q, p)
}

func (c *call) fetchGroups(q store.Query) (store.Page[place], error) {
	page, err := c.app.ReachGroups(c.Context(), c.Caller, q)
	out := store.Page[place]{Next: page.Next, Count: page.Count}
	for _, o := range page.Rows {
		out.Rows = append(out.Rows, groupPlace(o))
	}
	return out, err
}

// fetchNodes reads nodes of the tree, the root first: where it is not among them, it is told by the first word of a cursor that it was
// dealt with.
func (c *call) fetchNodes(q store.Query) (store.Page[place], error) {
	nodes, next := []resource.Node(nil), store.Cursor{"below"}
	root, shown, err := c.root(q)
	if err != nil {
		return store.Page[place]{}, err
	}
	switch {
	case len(q.After) > 1:
		q.After = q.After[1:]
	case len(q.After) == 1:
		q.After = nil
	case shown:
		nodes = append(nodes, root)
	}
	out := store.Page[place]{Count: -1}
	if limit := q.Limit - len(nodes); limit > 0 || q.Count {
		q.Limit = max(limit, 1)
		page, err := c.app.Reach(c.Context(), c.Caller, q)
		if err != nil {
			return store.Page[place]{}, err
		}
		if out.Count = page.Count; shown && q.Count && page.Count >= 0 {
			out.Count++
		}
		if limit > 0 {
			nodes = append(nodes, page.Rows...)
			if len(page.Next) > 0 {
				out.Next = append(next, page.Next...)
			}
			out.Rows, err = c.nodePlaces(nodes)
			return out, err
		}
	}
	out.Next = next
	out.Rows, err = c.nodePlaces(nodes)
	return out, err
}

// root is the root of the tree, where the caller sees it and a condition lets it pass.
func (c *call) root(q store.Query) (resource.Node, bool, error) {
	n, err := c.app.Node(c.Context(), c.Caller, c.Tenant, pim.Everywhere)
	if isForbidden(err) || isMissing(err) {
		return n, false, nil
	}
	shown := q.Where == nil || store.Match(q.Where, func(f store.Field) any {
		switch f { //nolint:exhaustive // what resources are filtered by
		case store.FieldAlias:
			return resource.GovernanceID(n.Scope)
		case store.FieldScope:
			return string(n.Scope)
		case store.FieldResourceKind:
			return int(n.Kind)
		case store.FieldDisplayName:
			return n.Title()
		}
		return nil
	})
	return n, shown, err
}

// judge fills in what the caller may at each place.
func (c *call) judge(rows []place) error {
	keys := make([]pim.RoleKey, len(rows))
	for i, p := range rows {
		keys[i] = p.key
	}
	each, err := c.app.MayReachEach(c.Context(), c.Caller, keys)
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].reaching = each[i]
	}
	return nil
}

// complete fills in what rows have only where it is selected.
func (c *call) complete(q odata.Query, rows []place) error {
	sel := listing.Selected(q)
	if sel["permissions"] {
		if err := c.judge(rows); err != nil {
			return err
		}
	}
	for i := range rows {
		var err error
		p := &rows[i]
		if sel["roleAssignmentCount"] && err == nil {
			p.assignments, err = c.countAssignments(*p)
		}
		if sel["roleDefinitionCount"] && err == nil {
			var roles []role
			roles, err = c.rolesAt(*p)
			p.definitions = len(roles)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// getResource answers with the resource that the path names.
func getResource(c *call) (api.Answer, error) {
	p, err := c.place(c.id("resource"))
	if err != nil {
		return api.Answer{}, err
	}
	q, err := c.Query(c.kinds.resource.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	one := []place{p}
	if err := c.complete(q, one); err != nil {
		return api.Answer{}, err
	}
	return oneThatMatches(c, &c.kinds.resource, one[0])
}

// oneThatMatches answers with a row that a filter beside its id has to let pass (reference pim-v2 §8).
func oneThatMatches[T any](c *call, k *kind[T], row T) (api.Answer, error) {
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	if rows, err := k.Sifted(c, odata.Query{Filter: q.Filter}, []T{row}); err != nil || len(rows) == 0 {
		if err == nil {
			err = listing.NotFound(k.Key(row))
		}
		return api.Answer{}, err
	}
	return listing.One(c, k, http.StatusOK, row)
}

// getParent answers with what contains the resource.
func getParent(c *call) (api.Answer, error) {
	p, err := c.place(c.id("resource"))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Navigate(c, &c.kinds.resource, p, "parent")
}

// relateResources loads what contains resources. Its name is told to whoever sees what it contains; nothing else is.
func relateResources(c *call, expands []odata.Expand, rows []place) ([]related, error) {
	var out []related
	for _, e := range expands {
		wanted := map[pim.RoleKey]bool{}
		parent := func(i int) pim.RoleKey {
			key := rows[i].key
			key.Scope = rows[i].parent
			return key
		}
		for i, p := range rows {
			if p.parent != "" {
				wanted[parent(i)] = true
			}
		}
		found, err := c.placesFor(e.Query)(wanted)
		if err != nil {
			return nil, err
		}
		at, err := encodedBy(c, &c.kinds.resource, e.Query, found)
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: func(i int) []byte { return at[parent(i)] }})
	}
	return out, nil
}

// register puts what the body names under PIM (learn.microsoft.com/graph/api/governanceresource-register). It binds nothing:
// whatever is here is under PIM from the beginning.
func register(c *call) (api.Answer, error) {
	var in struct {
		ExternalID string `json:"externalId"`
	}
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	key, err := c.external(in.ExternalID)
	if err == nil {
		err = c.app.Register(c.Context(), c.Caller, key)
	}
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{Status: http.StatusOK, Header: http.Header{"Odata-Version": {"4.0"}}}, nil
}

// external is the place that an external id names; nothing says yet that it is there.
func (c *call) external(id string) (pim.RoleKey, error) {
	id = strings.TrimSpace(id)
	key := pim.RoleKey{Tenant: c.Tenant, Provider: c.provider}
	switch c.provider {
	case pim.Directory:
		if key.Scope = pim.Everywhere; !strings.EqualFold(id, string(c.Tenant)) {
			return key, unknownResource()
		}
	case pim.Group:
		if key.Scope = pim.Scope(strings.ToLower(id)); !wire.IsGUID(string(key.Scope)) {
			return key, api.BadRequest("externalId: the object id of a group is wanted.")
		}
	case pim.Resource:
		n, err := resource.ParseFor(c.Tenant, id)
		if err != nil || id == "" {
			return key, api.BadRequest("externalId: the id of a management group, a subscription, a resource group or a resource is wanted.")
		}
		key.Scope = n.Scope
	}
	return key, nil
}
