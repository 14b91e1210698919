package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// DeleteNode deletes a node with all that lies below it by its path, and whatever is held, waited for, forbidden or ruled there:
// what is made under the same name later begins anew, with the rules that all begin with. A few
// hundred nodes go at once; more of them go in steps from below, so that an end in between leaves nothing half done. Refusals:
// what pim.MayDo says, whether or not the node is there; UnknownScope; ScopeInUse for a management group that contains others or
// subscriptions.
func (a *App) DeleteNode(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope) error {
	if err := pim.MayDo(by, typeAt(scope)+deleteNode, scope); err != nil {
		return err
	}
	if scope == pim.Everywhere {
		return &pim.Refusal{Code: pim.ScopeInUse, Field: "scope", Detail: "the root of the tree cannot be deleted"}
	}
	for {
		left, err := a.deleteSome(ctx, by, t, scope)
		if err != nil {
			return err
		}
		if !left {
			return a.departedFrom(ctx, by, t, scope)
		}
	}
}

// deleteSome deletes a node with all below it, or, if that is too much for one commit, what is lowest of it, and says whether
// anything is left.
func (a *App) deleteSome(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope) (left bool, err error) {
	err = a.writeTree(ctx, by, t, func(p *planting) error {
		below, err := a.Store.Resources(ctx, store.Query{Tenant: t, Limit: inOneGo, Order: []store.Order{{Field: store.FieldScope, Desc: true}},
			Where: store.Under{Field: store.FieldScope, Scopes: []pim.Scope{scope}}})
		if err != nil {
			return err
		}
		left = len(below.Next) > 0
		// Versions come before nodes: what is read here anew may be less than what was listed, and not more.
		if err := p.read(ctx, append(below.Rows, resource.Node{Scope: scope})); err != nil {
			return err
		}
		n, there := p.nodes[scope]
		if !there {
			return unknownNode()
		}
		if err := p.empty(ctx, n); err != nil {
			return err
		}
		gone := slices.DeleteFunc(below.Rows, func(n resource.Node) bool { return p.nodes[n.Scope].Kind == 0 })
		if left {
			return p.clear(ctx, gone)
		}
		return p.clear(ctx, gone, scope)
	})
	return left, err
}

// empty refuses a management group that contains others or subscriptions.
func (p *planting) empty(ctx context.Context, n resource.Node) error {
	if n.Kind != resource.ManagementGroup {
		return nil
	}
	page, err := p.Store.Resources(ctx, store.Query{Tenant: p.t, Limit: 1, Where: store.And{store.Is(store.FieldParent, string(n.Scope)),
		store.Compare{Field: store.FieldResourceKind, Op: store.Lt, Value: int(resource.Group)}}})
	if err == nil && len(page.Rows) > 0 {
		err = &pim.Refusal{Code: pim.ScopeInUse, Field: "scope", Detail: "the management group is not empty"}
	}
	return err
}

// clear takes nodes out of the tree with what is held there. whole are scopes below which nothing else is; none: each of the nodes
// is one.
func (p *planting) clear(ctx context.Context, gone []resource.Node, whole ...pim.Scope) error {
	scopes := whole
	for _, n := range gone {
		if len(whole) == 0 {
			scopes = append(scopes, n.Scope)
		}
		p.touch(nodeKey(p.t, n.Scope))
		if n.Kind == resource.ManagementGroup || n.Kind == resource.Subscription {
			p.touch(treeKey(p.t))
		}
		p.w.with.Events = append(p.w.with.Events, p.nodeEvent(p.by, p.now, n, "deleted", nil))
	}
	for _, s := range scopes {
		p.w.with.Cleared = append(p.w.with.Cleared, store.Place{Tenant: p.t, Scope: s})
	}
	if err := p.undeny(ctx, scopes); err != nil {
		return err
	}
	asks, err := p.departuresFrom(ctx, p.by, p.now, p.t, scopes)
	p.w.asks = append(p.w.asks, asks...)
	return err
}

// undeny takes the deny assignments with it that are at scopes or below.
func (p *planting) undeny(ctx context.Context, scopes []pim.Scope) error {
	for some := range slices.Chunk(scopes, mostScopes) {
		q := store.Query{Tenant: p.t, Limit: most, Where: store.Under{Field: store.FieldScope, Scopes: some}}
		for {
			page, err := p.Store.Denials(ctx, q)
			if err != nil {
				return err
			}
			for _, d := range page.Rows {
				p.w.with.Undenied = append(p.w.with.Undenied, d)
				e := p.nodeEvent(p.by, p.now, resource.Node{Tenant: p.t, Scope: pim.Scope(d.Scope), Name: d.Name}, "deleted", nil)
				e.Details[0] = "deny assignment"
				p.w.with.Events = append(p.w.with.Events, e)
			}
			if q.After = page.Next; len(page.Next) == 0 {
				break
			}
		}
	}
	return nil
}

// departuresFrom are the asks by which all is lost that is held and waited for at scopes and below.
func (a *App) departuresFrom(ctx context.Context, by pim.Caller, now time.Time, t pim.TenantID, scopes []pim.Scope) ([]pim.Ask, error) {
	var where []store.Filter
	for some := range slices.Chunk(scopes, mostScopes) {
		where = append(where, store.And{store.Is(store.FieldProvider, string(pim.Resource)), store.Under{Field: store.FieldScope, Scopes: some}})
	}
	return a.departing(ctx, by, now, t, where)
}

// departedFrom looks once more after scopes have gone: what was granted between the reading and the commit goes too.
func (a *App) departedFrom(ctx context.Context, by pim.Caller, t pim.TenantID, scopes ...pim.Scope) error {
	return a.untilNone(ctx, func(ctx context.Context) ([]pim.Ask, error) { return a.departuresFrom(ctx, by, a.Time(), t, scopes) })
}

// MoveResources puts resources of one resource group, with what lies below them by their paths, into another of the same tenant.
// Whatever is held, waited for or forbidden at them is lost: it was given where they were. Refusals: what pim.MayDo says of moving
// out of the one and of writing into the other; InvalidRequest for what is no resource directly in a resource group, and for more
// than some hundred at once; UnknownScope; AlreadyThere where the other group has such a resource.
func (a *App) MoveResources(ctx context.Context, by pim.Caller, t pim.TenantID, scopes []pim.Scope, onto pim.Scope) ([]resource.Node, error) {
	var moved []resource.Node
	err := a.writeTree(ctx, by, t, func(p *planting) (err error) {
		if err := p.mayMove(scopes, onto); err != nil {
			return err
		}
		moved, err = p.move(ctx, scopes, onto)
		return err
	})
	if err != nil {
		return nil, err
	}
	return moved, a.departedFrom(ctx, by, t, scopes...)
}

// ValidateMove says what MoveResources would, and moves nothing.
func (a *App) ValidateMove(ctx context.Context, by pim.Caller, t pim.TenantID, scopes []pim.Scope, onto pim.Scope) error {
	err := a.writeTree(ctx, by, t, func(p *planting) error {
		if err := p.mayMove(scopes, onto); err != nil {
			return err
		}
		if _, err := p.move(ctx, scopes, onto); err != nil {
			return err
		}
		return errFine
	})
	if errors.Is(err, errFine) {
		return nil
	}
	return err
}

// errFine ends a change that was only to be looked at.
var errFine = errors.New("nothing stands in the way")

func (p *planting) mayMove(scopes []pim.Scope, onto pim.Scope) error {
	if resource.KindOf(onto) != resource.Group {
		return badProperty("targetResourceGroup", "resources move into a resource group")
	}
	if len(scopes) == 0 {
		return badProperty("resources", "the resources to move are missing")
	}
	if err := pim.MayDo(p.by, resource.GroupType+writeNode, onto); err != nil {
		return err
	}
	for _, s := range scopes {
		from, _ := resource.Above(s)
		if resource.KindOf(s) != resource.Resource || resource.KindOf(from) != resource.Group || from == onto {
			return badProperty("resources", "only what lies directly in a resource group moves, and into another one: "+string(s))
		}
		if err := pim.MayDo(p.by, moveResources, from); err != nil {
			return err
		}
	}
	return nil
}

// move notes that resources come to another resource group. It returns the resources themselves as they are there.
func (p *planting) move(ctx context.Context, scopes []pim.Scope, onto pim.Scope) ([]resource.Node, error) {
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	nodes, err := p.below(ctx, scopes)
	if err != nil {
		return nil, err
	}
	if err := p.read(ctx, append(nodes, resource.Node{Scope: onto})); err != nil {
		return nil, err
	}
	// Once more, now that their versions are known: one that was made meanwhile has raised none of these.
	if nodes, err = p.below(ctx, scopes); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(nodes, func(n resource.Node) bool { return !p.looked[n.Scope] }) {
		return nil, store.ErrStale
	}
	group, there := p.nodes[onto]
	for _, s := range scopes {
		_, known := p.nodes[s]
		there = there && known
	}
	if !there {
		return nil, unknownNode()
	}
	for i, n := range nodes {
		p.touch(nodeKey(p.t, n.Scope))
		if nodes[i], err = inGroup(n, group); err != nil {
			return nil, &pim.Refusal{Code: pim.InvalidScope, Field: "scope", Detail: err.Error()}
		}
	}
	if err := p.read(ctx, nodes); err != nil {
		return nil, err
	}
	return p.carry(ctx, nodes, scopes)
}

// below lists what is at scopes and below them by its path.
func (p *planting) below(ctx context.Context, scopes []pim.Scope) ([]resource.Node, error) {
	page, err := p.Store.Resources(ctx, store.Query{Tenant: p.t, Limit: most, Where: store.Under{Field: store.FieldScope, Scopes: scopes}})
	if err == nil && len(page.Next) > 0 {
		err = badProperty("resources", fmt.Sprintf("at most %d resources move at once", most))
	}
	return page.Rows, err
}

// carry writes nodes at their new places and clears the old ones.
func (p *planting) carry(ctx context.Context, nodes []resource.Node, from []pim.Scope) ([]resource.Node, error) {
	if err := p.clear(ctx, nil, from...); err != nil {
		return nil, err
	}
	var tops []resource.Node
	for _, n := range nodes {
		if p.nodes[n.Scope].Kind != 0 {
			return nil, &pim.Refusal{Code: pim.AlreadyThere, Field: "scope", Detail: "the resource group has such a resource: " + n.ID}
		}
		if resource.KindOf(n.Parent) == resource.Group {
			tops = append(tops, n)
		}
		n.Modified = later(p.now, n.Modified)
		p.note(n, resource.Node{}, "moved", nil)
	}
	return tops, nil
}

// inGroup is a resource of a resource group, or one below it, as it is called in another group.
func inGroup(n, group resource.Node) (resource.Node, error) {
	from := n.Scope
	for resource.KindOf(from) == resource.Resource {
		from, _ = resource.Above(from)
	}
	path, err := resource.Parse(group.ID + n.ID[len(from):])
	if err != nil {
		return n, err
	}
	n.Scope, n.ID, n.Parent = path.Scope, path.ID, path.Parent
	return n, nil
}

// uproot adds to a change of the tree that activations fall whose eligibility is not above them any more.
func (p *planting) uproot(ctx context.Context) error {
	if len(p.moved) == 0 {
		return nil
	}
	asks, err := p.reroots(ctx, p.by, p.now, p.t, p.above)
	p.w.asks = append(p.w.asks, asks...)
	return err
}

// above are the scopes that contain one when the change is done, and whether one of what is moved is among them.
func (p *planting) above(s pim.Scope) (wide []pim.Scope, moved bool) {
	for at := s; at != pim.Everywhere && len(wide) < deepest; {
		moved = moved || slices.Contains(p.moved, at)
		up, ok := resource.Above(at)
		if n, known := p.nodes[at]; !ok && known {
			up, ok = n.Parent, true
		}
		if !ok {
			up = pim.Everywhere
			if known := p.Index.Above(p.t, at); len(known) > 0 {
				up = known[0]
			}
		}
		wide = append(wide, up)
		at = up
	}
	return wide, moved
}

// reroots are the asks about all activations below what was moved, as above tells of each.
func (a *App) reroots(ctx context.Context, by pim.Caller, now time.Time, t pim.TenantID, above func(pim.Scope) ([]pim.Scope, bool)) ([]pim.Ask, error) {
	q := store.Query{Tenant: t, Limit: most, Where: store.And{store.Is(store.FieldProvider, string(pim.Resource)),
		store.Is(store.FieldType, int(pim.Activated)), store.LiveAt(now)}}
	var asks []pim.Ask
	seen := map[pim.Key]bool{}
	for {
		page, err := a.Store.Schedules(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Rows {
			wide, below := above(s.Key.Scope)
			if below && !seen[s.Key] {
				seen[s.Key] = true
				asks = append(asks, pim.Ask{By: by, Action: pim.Rerooted, Kind: pim.Assignment, Key: s.Key, Within: wide})
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return asks, nil
		}
	}
}

// rerooted looks once more after the tree has changed: what was activated between the reading and the commit falls too.
func (a *App) rerooted(ctx context.Context, by pim.Caller, t pim.TenantID, moved []pim.Scope) error {
	above := func(s pim.Scope) ([]pim.Scope, bool) {
		wide := a.Index.Above(t, s)
		return wide, slices.ContainsFunc(append([]pim.Scope{s}, wide...), func(at pim.Scope) bool { return slices.Contains(moved, at) })
	}
	asks, err := a.reroots(ctx, by, a.Time(), t, above)
	if err != nil {
		return err
	}
	for _, err := range a.DoAll(context.WithoutCancel(ctx), asks) {
		if err != nil {
			return err
		}
	}
	return nil
}
