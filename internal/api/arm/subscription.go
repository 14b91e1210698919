package arm

import (
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
func fromSubscription(b []byte, n resource.Node) []byte {
	o := wire.New(b, nil)
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

func listSubscriptions(c *call) (api.Answer, error) {
	a, err := c.listNodes(store.Is(store.FieldResourceKind, int(resource.Subscription)), fromSubscription)
	if err != nil {
		return a, err
	}
	var page struct {
		Value []json.RawMessage `json:"value"`
		Next  string            `json:"nextLink,omitempty"`
		Count struct {
			Type  string `json:"type"`
			Value int    `json:"value"`
		} `json:"count"`
	}
	if err := json.Unmarshal(a.Body, &page); err != nil {
		return a, err
	}
	page.Count.Type, page.Count.Value = "Total", len(page.Value)
	a.Body = wire.MustJSON(page)
	return a, nil
}

func getSubscription(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	found, err := c.app.Node(c.Context(), c.Caller, c.Tenant, n.Scope)
	if err != nil {
		return api.Answer{}, c.treeProblem(n, err)
	}
	return c.json(http.StatusOK, fromSubscription(nil, found)), nil
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
	parent := first(in.ManagementGroupID, in.ParentID)
	if p := in.Properties; p != nil {
		in.DisplayName, parent = first(in.DisplayName, p.DisplayName), first(parent, p.ManagementGroupID)
	}
	n.DisplayName = first(in.DisplayName, in.SubscriptionName, n.DisplayName)
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

// first is the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
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
	return c.json(statusOf(created), fromSubscription(nil, made)), nil
}

// upsert changes a node, or makes it as the change leaves an empty one.
func (c *call) upsert(n resource.Node, edit func(*resource.Node) error) (after resource.Node, created bool, err error) {
	known, err := c.app.NodesByScope(c.Context(), c.Tenant, []pim.Scope{n.Scope})
	if err != nil {
		return n, false, err
	}
	if _, there := known[n.Scope]; there {
		after, err = c.editNode(n, edit)
		return after, false, err
	}
	if err := edit(&n); err != nil {
		return n, false, err
	}
	after, created, err = c.app.PutNode(c.Context(), c.Caller, n)
	return after, created, c.treeProblem(n, err)
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
		return fromSubscription(nil, n)
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
	body, err := c.Body()
	if err == nil && len(body) > 0 {
		err = api.DecodeBytes(body, &in)
	}
	if err != nil {
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
	n, err := c.addressed(1)
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.app.Node(c.Context(), c.Caller, c.Tenant, n.Scope); err != nil {
		return api.Answer{}, c.treeProblem(n, err)
	}
	o := wire.New(nil, nil)
	o.Str("id", n.ID+"/locations/"+elsewhere)
	o.Str("subscriptionId", n.Name)
	o.Str("name", elsewhere)
	o.Str("type", "Region")
	o.Str("displayName", "Global")
	o.Str("regionalDisplayName", "Global")
	o.Raw("metadata", []byte(`{"regionType":"Logical","regionCategory":"Other","geographyGroup":"Global"}`))
	return c.json(http.StatusOK, wrapped(o.End())), nil
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

// aliasOf finds the subscription that an alias stands for.
func (c *call) aliasOf(name string) (resource.Node, error) {
	var found resource.Node
	err := c.eachNode(store.Is(store.FieldResourceKind, int(resource.Subscription)), func(n resource.Node) {
		if f := factsOf(n); f.Alias != "" && strings.EqualFold(f.Alias, name) {
			found = n
		}
	})
	if err == nil && found.Kind == 0 {
		err = &problem{Status: http.StatusNotFound, Code: "SubscriptionNotFound", Message: "The alias '" + printable(name) + "' was not found."}
	}
	return found, err
}

func listAliases(c *call) (api.Answer, error) {
	var rows [][]byte
	err := c.eachNode(store.Is(store.FieldResourceKind, int(resource.Subscription)), func(n resource.Node) {
		if f := factsOf(n); f.Alias != "" {
			rows = append(rows, fromAlias(nil, f.Alias, n))
		}
	})
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, wrapped(rows...)), nil
}

func getAlias(c *call) (api.Answer, error) {
	n, err := c.aliasOf(c.PathValue("alias"))
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
	if had, err := c.aliasOf(name); err == nil {
		if p.SubscriptionID != "" && !strings.EqualFold(p.SubscriptionID, had.Name) {
			return api.Answer{}, &problem{Status: http.StatusConflict, Code: "Conflict", Message: "The alias is that of another subscription."}
		}
		p.SubscriptionID = had.Name
	}
	n, err := resource.ParseFor(c.Tenant, "/subscriptions/"+first(p.SubscriptionID, app.SubscriptionOf(c.Tenant, name)))
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
	n, err := c.aliasOf(c.PathValue("alias"))
	if p, ok := err.(*problem); ok && p.Status == http.StatusNotFound { //nolint:errorlint // made right above
		return api.Answer{Status: http.StatusNoContent}, nil
	}
	if err != nil {
		return api.Answer{}, err
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
