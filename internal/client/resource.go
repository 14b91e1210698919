package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The tree of resources, in the words of Azure Resource Manager.

// Versions of the interfaces that are asked.
const (
	groupsVersion        = "2021-04-01"
	resourcesVersion     = "2021-04-01"
	subscriptionsVersion = "2022-12-01"
)

// Node is a place in the tree: a management group, a subscription, a resource group or a resource.
type Node struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Location string            `json:"location"`
	Tags     map[string]string `json:"tags"`
	// Title is the display name of a subscription.
	Title string `json:"displayName"`
	// Properties have the display name of a management group.
	Properties struct {
		Title string `json:"displayName"`
	} `json:"properties"`
}

// Nodes lists the management groups, subscriptions and resource groups that the person may see, and the resources in these
// subscriptions too where that is wanted.
func (c *Client) Nodes(ctx context.Context, resources bool) ([]Node, error) {
	nodes, err := all[Node](ctx, c, with("/providers/Microsoft.Management/managementGroups", "api-version", groupsVersion))
	if err != nil {
		return nil, err
	}
	subscriptions, err := all[Node](ctx, c, with("/subscriptions", "api-version", subscriptionsVersion))
	if err != nil {
		return nil, err
	}
	for _, n := range subscriptions {
		n.Type = "Microsoft.Resources/subscriptions"
		nodes = append(nodes, n)
		lists := []string{"/resourceGroups", "/resources"}
		if !resources {
			lists = lists[:1]
		}
		for _, list := range lists {
			rows, err := all[Node](ctx, c, with(escaped(n.ID)+list, "api-version", resourcesVersion))
			if err != nil {
				return nil, err
			}
			if nodes = append(nodes, rows...); len(nodes) > maxNodes {
				return nil, fmt.Errorf("there are more than %d nodes", maxNodes)
			}
		}
	}
	return nodes, nil
}

// maxNodes bounds a tree that is read whole.
const maxNodes = 100_000

// Node reads one node as the server tells it; NodeID says by what it may be named.
func (c *Client) Node(ctx context.Context, id string) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodGet, nodePath(id), nil, &raw)
	return raw, err
}

// DeleteNode deletes a node with all below it.
func (c *Client) DeleteNode(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, nodePath(id), nil, nil)
}

// MoveNode puts a subscription or a management group into another management group, or a resource into another resource group.
func (c *Client) MoveNode(ctx context.Context, id, onto string) error {
	id, onto = NodeID(id), NodeID(onto)
	parts := strings.Split(strings.Trim(id, "/"), "/")
	switch {
	case len(parts) == 2 && strings.EqualFold(parts[0], "subscriptions"):
		return c.call(ctx, http.MethodPatch, nodePath(id), map[string]string{"managementGroupId": onto}, nil)
	case isManagementGroup(id):
		return c.call(ctx, http.MethodPatch, nodePath(id), map[string]string{"parentGroupId": onto}, nil)
	case len(parts) > 5 && strings.EqualFold(parts[2], "resourceGroups"):
		group := "/" + strings.Join(parts[:4], "/")
		return c.call(ctx, http.MethodPost, with(escaped(group)+"/moveResources", "api-version", resourcesVersion),
			map[string]any{"resources": []string{id}, "targetResourceGroup": onto}, nil)
	}
	return fmt.Errorf("%s cannot be moved: subscriptions and management groups move into management groups, and resources into resource groups", id)
}

// Import writes nodes, which are as ARM answers with them, and says how many were new or changed.
func (c *Client) Import(ctx context.Context, nodes []json.RawMessage) (int, error) {
	var out struct {
		Written int `json:"written"`
	}
	err := c.call(ctx, http.MethodPost, with("/providers/Portcullis.Resources/import", "api-version", resourcesVersion),
		map[string]any{"nodes": nodes}, &out)
	return out.Written, err
}

const managementGroups = "/providers/Microsoft.Management/managementGroups/"

func isManagementGroup(id string) bool {
	return len(id) > len(managementGroups) && strings.EqualFold(id[:len(managementGroups)], managementGroups)
}

// NodeID is the id of a node that is named by it, by the id of a subscription alone, or by the name of a management group.
func NodeID(text string) string {
	switch {
	case strings.Contains(text, "/"):
		return "/" + strings.Trim(text, "/")
	case len(text) == 36 && strings.Count(text, "-") == 4:
		return "/subscriptions/" + text
	}
	return managementGroups + text
}

func nodePath(id string) string {
	return with(escaped(NodeID(id)), "api-version", resourcesVersion)
}

// escaped is an id as an address has it.
func escaped(id string) string {
	parts := strings.Split(id, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
