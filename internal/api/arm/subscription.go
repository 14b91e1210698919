package arm

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Subscriptions, and the aliases by which they are made (reference arm-pim §14). A subscription is whatever a site wants to bundle:
// nothing is paid for.

func (s *Surface) subscriptionRoutes() []route {
	const one = "/subscriptions/{subscription}"
	const alias = "/providers/Microsoft.Subscription/aliases/{alias}"
	return []route{
		{get, "/subscriptions", listSubscriptions},
		{get, one, getSubscription},
		{put, one, putSubscription},
		{patch, one, patchSubscription},
		{del, one, deleteSubscription},
		{get, one + "/locations", listLocations},
		{post, one + "/providers/Microsoft.Subscription/rename", renameSubscription},
		{post, one + "/providers/Microsoft.Subscription/cancel", setState("Disabled")},
		{post, one + "/providers/Microsoft.Subscription/enable", setState("Enabled")},
		{get, "/providers/Microsoft.Subscription/aliases", listAliases},
		{get, alias, getAlias},
		{put, alias, putAlias},
		{del, alias, deleteAlias},
	}
}

// subscriptionFacts are what subscriptions carry beside what all nodes have.
type subscriptionFacts struct {
	State string `json:"state,omitempty"`
	Alias string `json:"alias,omitempty"`
}

func factsOf(n resource.Node) subscriptionFacts {
	var f subscriptionFacts
	_ = json.Unmarshal(n.Further, &f) // what cannot be read tells nothing
	if f.State == "" {
		f.State = "Enabled"
	}
	return f
}

// subscription reads the id of one.
func (c *call) subscription(id string) (resource.Node, error) {
	n, err := resource.ParseFor(c.Tenant, "/subscriptions/"+id)
	if err != nil || n.Kind != resource.Subscription {
		return n, invalidSubscription(id)
	}
	return n, nil
}

func invalidSubscription(id string) *problem {
	return &problem{Status: http.StatusNotFound, Code: "InvalidSubscriptionId",
		Message: "The provided subscription identifier '" + printable(id) + "' is malformed or invalid."}
}

// fromSubscription writes a subscription.
func fromSubscription(n resource.Node) []byte {
	o := wire.New(nil, nil)
	o.Str("id", n.ID)
	o.Str("authorizationSource", "RoleBased")
	o.Texts("managedByTenants", nil)
	o.Str("subscriptionId", n.Name)
	o.Str("tenantId", string(n.Tenant))
	o.Str("displayName", n.Title())
	o.Str("state", factsOf(n).State)
	o.Raw("subscriptionPolicies", []byte(`{"locationPlacementId":"Public_2014-09-01","quotaId":"PayAsYouGo_2014-09-01","spendingLimit":"Off"}`))
	if n.Tags != nil {
		o.Raw("tags", wire.MustJSON(n.Tags))
	}
	return o.End()
}

// subscriptions holds for subscriptions.
func subscriptions() store.Filter {
	return store.Is(store.FieldResourceKind, int(resource.Subscription))
}

func listSubscriptions(c *call) (api.Answer, error) {
	page, err := c.nodePage(subscriptions())
	if err != nil {
		return api.Answer{}, err
	}
	rows := make([][]byte, len(page.Rows))
	for i, n := range page.Rows {
		rows[i] = fromSubscription(n)
	}
	o := c.openPage(rows, page.Next)
	o.Name("count")
	count := wire.New(o.B, nil)
	count.Str("type", "Total")
	count.Int("value", len(rows))
	o.B = count.End()
	return c.json(http.StatusOK, o.End()), nil
}

func getSubscription(c *call) (api.Answer, error) {
	n, err := c.there(0)
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, fromSubscription(n)), nil
}

// subscriptionIn is what is written of one.
type subscriptionIn struct {
	DisplayName      string
	SubscriptionName string
	Tags             *map[string]string
	// ManagementGroup is the id or the name of the one that it shall be in.
	ManagementGroupID string `json:"managementGroupId"`
	ParentID          string `json:"parentId"`
	Properties        *struct {
		DisplayName       string
		ManagementGroupID string `json:"managementGroupId"`
	}
}

// apply brings what was sent into a subscription.
func (in subscriptionIn) apply(c *call, n *resource.Node) error {
	parent := cmp.Or(in.ManagementGroupID, in.ParentID)
	if p := in.Properties; p != nil {
		in.DisplayName, parent = cmp.Or(in.DisplayName, p.DisplayName), cmp.Or(parent, p.ManagementGroupID)
	}
	n.DisplayName = cmp.Or(in.DisplayName, in.SubscriptionName, n.DisplayName)
	if in.Tags != nil {
		n.Tags = *in.Tags
	}
	if parent == "" {
		return nil
	}
	above, err := c.managementGroup(parent)
	n.Parent = above.Scope
	return err
}

// managementGroup reads the id or the name of a management group.
func (c *call) managementGroup(text string) (resource.Node, error) {
	if !strings.Contains(text, "/") {
		text = "/providers/" + resource.ManagementGroupType + "/" + text
	}
	n, err := resource.ParseFor(c.Tenant, text)
	if err != nil || n.Kind != resource.ManagementGroup && n.Kind != resource.Root {
		return n, badMember("managementGroupId", "the id of a management group")
	}
	return n, nil
}

// putSubscription makes a subscription, or changes it as it is told: what is not sent stays.
func putSubscription(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	var in subscriptionIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	made, created, err := c.upsert(n, func(n *resource.Node) error { return in.apply(c, n) })
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(statusOf(created), fromSubscription(made)), nil
}

// upsert changes a node, or makes it as the change leaves an empty one.
func (c *call) upsert(n resource.Node, edit func(*resource.Node) error) (after resource.Node, created bool, err error) {
	fresh := n
	if err := edit(&fresh); err != nil { // before it is known what is there, which a refusal must not tell
		return n, false, err
	}
	known, err := c.app.NodesByScope(c.Context(), c.Tenant, []pim.Scope{n.Scope})
	if err != nil {
		return n, false, err
	}
	if _, there := known[n.Scope]; there {
		after, err = c.editNode(n, edit)
		return after, false, err
	}
	after, created, err = c.app.PutNode(c.Context(), c.Caller, fresh)
	return after, created, c.treeProblem(fresh, err)
}

// editNode changes a node that is there. The error is one that callers may see, or a fault.
func (c *call) editNode(n resource.Node, edit func(*resource.Node) error) (resource.Node, error) {
	after, err := c.app.EditNode(c.Context(), c.Caller, c.Tenant, n.Scope, func(at *resource.Node) error {
		err := edit(at)
		n.Parent = at.Parent // which may be what is not there
		return err
	})
	return after, c.treeProblem(n, err)
}

func patchSubscription(c *call) (api.Answer, error) {
	return c.editSubscription(0, func(in subscriptionIn, n *resource.Node) error { return in.apply(c, n) }, func(n resource.Node) []byte {
		return fromSubscription(n)
	})
}

// renameSubscription answers as Microsoft.Subscription does: with the id alone.
func renameSubscription(c *call) (api.Answer, error) {
	return c.editSubscription(3, func(in subscriptionIn, n *resource.Node) error {
		if n.DisplayName = in.SubscriptionName; n.DisplayName == "" {
			return badMember("subscriptionName", "a text that is not empty")
		}
		return nil
	}, onlyID)
}

func onlyID(n resource.Node) []byte {
	o := wire.New(nil, nil)
	o.Str("subscriptionId", n.Name)
	return o.End()
}

// editSubscription changes the subscription that the address names without its last segments. A body may be missing.
func (c *call) editSubscription(without int, edit func(subscriptionIn, *resource.Node) error, write func(resource.Node) []byte) (api.Answer, error) {
	n, err := c.addressed(without)
	if err != nil {
		return api.Answer{}, err
	}
	var in subscriptionIn
	if err := c.optional(&in); err != nil {
		return api.Answer{}, err
	}
	after, err := c.editNode(n, func(n *resource.Node) error { return edit(in, n) })
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, write(after)), nil
}

// setState makes the handler that cancels a subscription or takes that back. It is a mark that people see: what is held there stays.
func setState(state string) handler {
	return func(c *call) (api.Answer, error) {
		return c.editSubscription(3, func(_ subscriptionIn, n *resource.Node) error {
			f := factsOf(*n)
			f.State = state
			n.Further = wire.MustJSON(f)
			return nil
		}, onlyID)
	}
}

func deleteSubscription(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	return c.deleteNode(n, http.StatusNoContent)
}

// listLocations tells of the one place there is: nothing is anywhere else.
func listLocations(c *call) (api.Answer, error) {
	n, err := c.there(1)
	if err != nil {
		return api.Answer{}, err
	}
	o := wire.New(nil, nil)
	o.Str("id", n.ID+"/locations/"+elsewhere)
	o.Str("subscriptionId", n.Name)
	o.Str("name", elsewhere)
	o.Str("type", "Region")
	o.Str("displayName", "Global")
	o.Str("regionalDisplayName", "Global")
	o.Raw("metadata", []byte(`{"regionType":"Logical","regionCategory":"Other","geographyGroup":"Global"}`))
	return c.page([][]byte{o.End()}, nil), nil
}

// fromAlias writes the alias of a subscription.
func fromAlias(b []byte, name string, n resource.Node) []byte {
	o := wire.New(b, nil)
	o.Str("id", "/providers/Microsoft.Subscription/aliases/"+name)
	o.Str("name", name)
	o.Str("type", "Microsoft.Subscription/aliases")
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("subscriptionId", n.Name)
	p.Str("displayName", n.Title())
	p.Str("provisioningState", "Succeeded")
	p.Str("acceptOwnershipState", "Completed")
	p.Str("managementGroupId", managementGroupID(n.Tenant, n.Parent))
	if n.Tags != nil {
		p.Raw("tags", wire.MustJSON(n.Tags))
	}
	o.B = p.End()
	return o.End()
}

// aliasOf finds the subscription that an alias stands for: the one that was made for it, whose id follows from it, or else another
// that was given it.
func (c *call) aliasOf(name string) (n resource.Node, there bool, err error) {
	made := resource.SubscriptionScope(app.SubscriptionOf(c.Tenant, name))
	for _, where := range []store.Filter{store.And{subscriptions(), store.Is(store.FieldScope, string(made))}, subscriptions()} {
		for n, err := range c.eachNode(where) {
			if err != nil {
				return n, false, err
			}
			if f := factsOf(n); f.Alias != "" && strings.EqualFold(f.Alias, name) {
				return n, true, nil
			}
		}
	}
	return n, false, nil
}

func listAliases(c *call) (api.Answer, error) {
	var rows [][]byte
	for n, err := range c.eachNode(subscriptions()) {
		if err != nil {
			return api.Answer{}, err
		}
		if f := factsOf(n); f.Alias != "" {
			rows = append(rows, fromAlias(nil, f.Alias, n))
		}
	}
	return c.page(rows, nil), nil
}

func getAlias(c *call) (api.Answer, error) {
	name := c.PathValue("alias")
	n, there, err := c.aliasOf(name)
	if err == nil && !there {
		err = &problem{Status: http.StatusNotFound, Code: "SubscriptionNotFound", Message: "The alias '" + printable(name) + "' was not found."}
	}
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, fromAlias(nil, factsOf(n).Alias, n)), nil
}

// aliasIn is what is written of one.
type aliasIn struct {
	Properties struct {
		DisplayName, SubscriptionID string
		AdditionalProperties        struct {
			ManagementGroupID string
			Tags              *map[string]string
		}
	}
}

// putAlias makes a subscription, or gives one that is there an alias.
func putAlias(c *call) (api.Answer, error) {
	var in aliasIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	p, name := in.Properties, c.PathValue("alias")
	had, there, err := c.aliasOf(name)
	if err != nil {
		return api.Answer{}, err
	}
	if there {
		if p.SubscriptionID != "" && !strings.EqualFold(p.SubscriptionID, had.Name) {
			return api.Answer{}, &problem{Status: http.StatusConflict, Code: "Conflict", Message: "The alias is that of another subscription."}
		}
		p.SubscriptionID = had.Name
	}
	n, err := resource.ParseFor(c.Tenant, "/subscriptions/"+cmp.Or(p.SubscriptionID, app.SubscriptionOf(c.Tenant, name)))
	if err != nil || n.Kind != resource.Subscription {
		return api.Answer{}, badMember("subscriptionId", "the id of a subscription")
	}
	wanted := subscriptionIn{DisplayName: p.DisplayName, ManagementGroupID: p.AdditionalProperties.ManagementGroupID, Tags: p.AdditionalProperties.Tags}
	made, created, err := c.upsert(n, func(n *resource.Node) error {
		f := factsOf(*n)
		f.Alias = name
		n.Further = wire.MustJSON(f)
		return wanted.apply(c, n)
	})
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(statusOf(created), fromAlias(nil, name, made)), nil
}

// deleteAlias takes the name away; the subscription stays.
func deleteAlias(c *call) (api.Answer, error) {
	n, there, err := c.aliasOf(c.PathValue("alias"))
	if err != nil {
		return api.Answer{}, err
	}
	if !there {
		return api.Answer{Status: http.StatusNoContent}, nil
	}
	_, err = c.editNode(n, func(n *resource.Node) error {
		f := factsOf(*n)
		f.Alias = ""
		n.Further = wire.MustJSON(f)
		return nil
	})
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{Status: http.StatusOK}, nil
}
