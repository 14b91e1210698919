package app

import (
	"context"
	"slices"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Bounds of one list: how many rows a store is asked for at once and how often, and how many scopes narrow the question.
const (
	mostPages  = 60
	mostScopes = 500
)

// NodesWhere is Nodes for those that a test lets pass; nil: all.
func (a *App) NodesWhere(ctx context.Context, by pim.Caller, q store.Query, keep func(resource.Node) bool) (store.Page[resource.Node], error) {
	if err := a.counts(ctx, by, q.Tenant); err != nil {
		return store.Page[resource.Node]{}, err
	}
	wanted := q.Limit
	if wanted <= 0 {
		wanted = 100
	}
	seen := a.containersSeen(by, q.Tenant)
	if where := a.sight(by, q.Tenant, seen); where != nil {
		q.Where = narrowed(q.Where, where)
	}
	q.Limit, q.Count = min(max(2*wanted, 100), most), false
	out := store.Page[resource.Node]{Count: -1}
	for range mostPages {
		page, err := a.Store.Resources(ctx, q)
		if err != nil {
			return out, err
		}
		for _, n := range page.Rows {
			if len(out.Rows) == wanted {
				return out, nil
			}
			if (keep == nil || keep(n)) && mayReadNode(by, n, seen) {
				out.Rows = append(out.Rows, n)
			}
			out.Next = store.CursorOf(q.Order, nodeColumn(n))
		}
		if out.Next = page.Next; len(page.Next) == 0 {
			return out, nil
		}
		q.After = page.Next
	}
	return out, nil
}

func mayReadNode(by pim.Caller, n resource.Node, seen []pim.Scope) bool {
	_, container := slices.BinarySearch(seen, n.Scope)
	return container || pim.MayDo(by, n.Type+readNode, n.Scope) == nil
}

// containersSeen are the management groups, subscriptions, resource groups and the root at which the caller holds a role now, or
// below which: whoever may do something somewhere sees what contains it. They are ordered.
func (a *App) containersSeen(by pim.Caller, t pim.TenantID) []pim.Scope {
	var all []pim.Scope
	for _, h := range by.Roles {
		if h.Provider != pim.Resource {
			continue
		}
		for _, s := range append([]pim.Scope{h.Scope}, a.Index.Above(t, h.Scope)...) {
			if resource.KindOf(s) != resource.Resource {
				all = append(all, s)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// sight narrows a list to what the caller may see at all: nil is everything. It saves looking at rows; whether one may be read is
// asked of each.
func (a *App) sight(by pim.Caller, t pim.TenantID, seen []pim.Scope) store.Filter {
	var held []pim.Scope
	for _, h := range by.Roles {
		switch {
		case h.Provider != pim.Resource:
		case h.Scope == pim.Everywhere:
			return nil
		default:
			held = append(held, h.Scope)
		}
	}
	if len(held) == 0 {
		return store.Or{}
	}
	below := a.below(t, held...)
	if under, ok := below.(store.Under); ok && len(under.Scopes) > mostScopes || len(seen) > mostScopes {
		return nil
	}
	values := make([]string, len(seen))
	for i, s := range seen {
		values[i] = string(s)
	}
	return store.Or{below, store.In{Field: store.FieldScope, Values: values}}
}

// nodeColumn tells the columns by which nodes are listed.
func nodeColumn(n resource.Node) func(store.Field) any {
	return func(f store.Field) any {
		switch f { //nolint:exhaustive // nodes have no others
		case store.FieldID, store.FieldScope:
			return string(n.Scope)
		case store.FieldAlias:
			return resource.GovernanceID(n.Scope)
		case store.FieldParent:
			return textOrNone(string(n.Parent))
		case store.FieldResourceKind:
			return int(n.Kind)
		case store.FieldResourceType:
			return textOrNone(n.Type)
		case store.FieldDisplayName:
			return textOrNone(n.Title())
		}
		return nil
	}
}

// NodeRights are what a caller may do to a node.
type NodeRights struct{ Read, Write, Delete bool }

// NodeRights says what the caller may do to a node now, by roles at it or above it.
func (a *App) NodeRights(by pim.Caller, n resource.Node) NodeRights {
	may := func(verb string) bool { return pim.MayDo(by, typeAt(n.Scope)+verb, n.Scope) == nil }
	return NodeRights{Read: may(readNode), Write: may(writeNode), Delete: may(deleteNode)}
}

// Ancestors are the management groups above a management group or a subscription, the nearest first and the root last. It asks no
// right: it is for the names of what the caller sees.
func (a *App) Ancestors(ctx context.Context, t pim.TenantID, s pim.Scope) ([]resource.Node, error) {
	above := a.Index.Above(t, s)
	found, err := a.NodesByScope(ctx, t, above)
	if err != nil {
		return nil, err
	}
	var out []resource.Node
	for _, s := range above {
		if n, ok := found[s]; ok {
			out = append(out, n)
		}
	}
	return out, nil
}
