package app

import (
	"context"
	"slices"
	"strings"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// The tree of resources: management groups, subscriptions, resource groups and resources. Who may read and write a node is told
// by the roles held at it or above it, as with everything else there. Whoever holds a role at something also sees what contains
// it. treeread.go reads it, treewrite.go changes it, and treegone.go takes out of it.

// Verbs of the operations by which nodes are read and written: an operation is the type of the node and one of these.
const (
	readNode   = "/read"
	writeNode  = "/write"
	deleteNode = "/delete"
)

// moveResources is the operation on a resource group by which resources leave it.
const moveResources = resource.GroupType + "/moveResources/action"

// treeRoot is the root of a tenant's tree, which is in no store. Clients call it the tenant's root management group.
func treeRoot(t pim.TenantID) resource.Node {
	return resource.Node{Tenant: t, Scope: pim.Everywhere, ID: "/", Kind: resource.Root, Name: string(t),
		DisplayName: "Tenant Root Group", Type: resource.ManagementGroupType}
}

// typeAt is the type of what a scope names: by the path, whether it is there or not.
func typeAt(s pim.Scope) string {
	if n, err := resource.Parse(string(s)); err == nil && n.Kind != resource.Root {
		return n.Type
	}
	return resource.ManagementGroupType
}

// nodeKey is the case that stands for a node: it has a version, which every change of the node raises, and no rows. What is made
// below it relies on it.
func nodeKey(t pim.TenantID, s pim.Scope) pim.Key {
	return pim.Key{Tenant: t, Provider: pim.Resource, Scope: s, Role: "node"}
}

// treeKey stands for the shape of a tenant's management groups and subscriptions: every change of it raises its version, so that
// none is decided on a shape that is no more.
func treeKey(t pim.TenantID) pim.Key {
	return pim.Key{Tenant: t, Provider: pim.Resource, Scope: pim.Everywhere, Role: "tree"}
}

// Node returns a node that the caller may read. The root is always there. Refusals: what pim.MayDo says, whether or not the node
// is there, then UnknownScope.
func (a *App) Node(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope) (resource.Node, error) {
	// What a caller may do is known of her own tenant: elsewhere it must not be asked.
	if err := a.counts(ctx, by, t); err != nil {
		return resource.Node{}, err
	}
	n, there, err := a.node(ctx, t, scope)
	if err != nil {
		return n, err
	}
	if there && slices.Contains(a.containersSeen(by, t), scope) {
		return n, nil
	}
	if err := pim.MayDo(by, typeAt(scope)+readNode, scope); err != nil {
		return resource.Node{}, err
	}
	if !there {
		return resource.Node{}, unknownNode()
	}
	return n, nil
}

func (a *App) node(ctx context.Context, t pim.TenantID, s pim.Scope) (n resource.Node, there bool, err error) {
	found, err := a.NodesByScope(ctx, t, []pim.Scope{s})
	n, there = found[s]
	return n, there, err
}

func unknownNode() *pim.Refusal {
	return &pim.Refusal{Code: pim.UnknownScope, Field: "scope", Detail: "there is nothing at this scope"}
}

// NodesByScope returns those of the scopes that are there, the root included. It asks no right: it is for the names of what the
// caller sees.
func (a *App) NodesByScope(ctx context.Context, t pim.TenantID, scopes []pim.Scope) (map[pim.Scope]resource.Node, error) {
	out := make(map[pim.Scope]resource.Node, len(scopes))
	var ask []pim.Scope
	for _, s := range scopes {
		if s == pim.Everywhere {
			out[s] = treeRoot(t)
		} else {
			ask = append(ask, s)
		}
	}
	slices.Sort(ask)
	ask = slices.Compact(ask)
	for some := range slices.Chunk(ask, most) {
		found, err := a.Store.ResourcesByScope(ctx, t, some)
		if err != nil {
			return nil, err
		}
		for _, n := range found {
			out[n.Scope] = n
		}
	}
	return out, nil
}

// PutNode makes a node, or writes it anew: what it has from before are its spelling and, unless it names one, its parent. An empty
// parent of a new management group or subscription is the root. Refusals: what pim.MayDo says of writing it, or of making it
// below its parent and, where that changes, of moving it; InvalidScope and InvalidRequest for what cannot be; UnknownScope, of
// the field parent, where what shall contain it is not there.
func (a *App) PutNode(ctx context.Context, by pim.Caller, n resource.Node) (node resource.Node, created bool, err error) {
	var change planted
	err = a.writeTree(ctx, by, n.Tenant, func(p *planting) (err error) {
		if err := p.read(ctx, []resource.Node{n}); err != nil {
			return err
		}
		change, err = p.put(n)
		return err
	})
	return change.after, change.created, err
}

// EditNode changes a node as edit says, which may be called again. Refusals as of PutNode, and UnknownScope.
func (a *App) EditNode(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope, edit func(*resource.Node) error) (resource.Node, error) {
	var after resource.Node
	err := a.writeTree(ctx, by, t, func(p *planting) error {
		if err := pim.MayDo(by, typeAt(scope)+writeNode, scope); err != nil {
			return err
		}
		if err := p.read(ctx, []resource.Node{{Scope: scope}}); err != nil {
			return err
		}
		n, there := p.nodes[scope]
		if !there || scope == pim.Everywhere {
			return unknownNode()
		}
		if err := edit(&n); err != nil {
			return err
		}
		if err := p.read(ctx, []resource.Node{n}); err != nil {
			return err
		}
		change, err := p.put(n)
		after = change.after
		return err
	})
	return after, err
}

// MoveNode puts a management group or a subscription below another management group or the root, or a resource into another
// resource group. Refusals as of PutNode and MoveResources.
func (a *App) MoveNode(ctx context.Context, by pim.Caller, t pim.TenantID, scope, onto pim.Scope) (resource.Node, error) {
	if resource.KindOf(scope) == resource.Resource {
		moved, err := a.MoveResources(ctx, by, t, []pim.Scope{scope}, onto)
		if err != nil {
			return resource.Node{}, err
		}
		return moved[0], nil
	}
	return a.EditNode(ctx, by, t, scope, func(n *resource.Node) error {
		n.Parent = onto
		return nil
	})
}

// inOneGo is how many nodes are written by one commit.
const inOneGo = 500

// ImportTree writes many nodes, in any order, and says how many of them were new or changed. It goes in steps of some hundred
// nodes, what contains others first, each of them whole or not at all: the same import again goes on where one broke off, and
// changes nothing that is so already. Refusals as of PutNode, the field naming the node that was refused.
func (a *App) ImportTree(ctx context.Context, by pim.Caller, t pim.TenantID, nodes []resource.Node) (int, error) {
	sorted, err := containersFirst(nodes)
	if err != nil {
		return 0, err
	}
	done := 0
	for some := range slices.Chunk(sorted, inOneGo) {
		changes, err := a.putNodes(ctx, by, t, some)
		if err != nil {
			return done, err
		}
		for _, c := range changes {
			if c.created || c.changed {
				done++
			}
		}
	}
	return done, nil
}

// Nodes lists the nodes that the caller may read, by scope unless another order is asked for. A page may have fewer rows than its
// limit and be followed by another. None of the tenant's people is refused: who may read nothing is shown nothing.
func (a *App) Nodes(ctx context.Context, by pim.Caller, q store.Query) (store.Page[resource.Node], error) {
	return a.NodesWhere(ctx, by, q, nil)
}

// Tenant returns a tenant as its people know it. Any of them may.
func (a *App) Tenant(ctx context.Context, t pim.TenantID) (directory.Tenant, error) {
	all, err := a.Store.Tenants(ctx)
	if err != nil {
		return directory.Tenant{}, err
	}
	for _, tenant := range all {
		if tenant.ID == t {
			return tenant, nil
		}
	}
	return directory.Tenant{}, store.ErrNotFound
}

// SubscriptionOf is the id of the subscription that is made for an alias, where none is named: the same alias, the same
// subscription.
func SubscriptionOf(t pim.TenantID, alias string) string {
	return derivedID("subscription", string(t), strings.ToLower(alias))
}

// ContainersBelow lists the management groups and subscriptions at and below a management group or the root.
func (a *App) ContainersBelow(t pim.TenantID, s pim.Scope) []pim.Scope {
	return a.Index.ContainersBelow(t, s)
}
