package storetest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

func (m *Model) writeResources(c store.Commit) {
	for _, p := range c.Cleared {
		maps.DeleteFunc(m.resources, func(_ row, n resource.Node) bool {
			return n.Tenant == p.Tenant && resource.Within(n.Scope, p.Scope)
		})
		maps.DeleteFunc(m.policies, func(k pim.RoleKey, _ policy.Policy) bool {
			return k.Tenant == p.Tenant && k.Provider == pim.Resource && resource.Within(k.Scope, p.Scope)
		})
	}
	for _, n := range c.Resources {
		m.resources[rowOf(n.Tenant, n.Scope)] = n
	}
	for _, d := range c.Undenied {
		delete(m.denials, rowOf(d.Tenant, d.ID))
	}
	for _, d := range c.Denials {
		m.denials[rowOf(d.Tenant, d.ID)] = d
	}
}

// containing lists what contains a key's scope, the nearest first, up to the root, which contains everything else. Of a
// circle each is named once.
func (m *Model) containing(k pim.Key) (scopes []pim.Scope) {
	if k.Scope == pim.Everywhere {
		return nil
	}
	for at := k.Scope; ; {
		n, there := m.resources[rowOf(k.Tenant, at)]
		if !there || n.Parent == "" || n.Parent == pim.Everywhere || n.Parent == k.Scope || slices.Contains(scopes, n.Parent) {
			return append(scopes, pim.Everywhere)
		}
		scopes = append(scopes, n.Parent)
		at = n.Parent
	}
}

// Resources implements store.Resources.
func (m *Model) Resources(ctx context.Context, q store.Query) (store.Page[resource.Node], error) {
	return listOf(ctx, m, q, func() map[row]resource.Node { return m.resources }, nodeFields)
}

func nodeFields(n resource.Node) fields {
	return fields{
		store.FieldID: textOf(n.Scope), store.FieldScope: textOf(n.Scope), store.FieldAlias: textOf(resource.GovernanceID(n.Scope)), store.FieldParent: textOf(n.Parent),
		store.FieldResourceKind: intOf(n.Kind), store.FieldResourceType: textOf(strings.ToLower(n.Type)),
		store.FieldDisplayName: foldedOf(n.Title()),
	}
}

// ResourcesByScope implements store.Resources.
func (m *Model) ResourcesByScope(ctx context.Context, t pim.TenantID, scopes []pim.Scope) ([]resource.Node, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var ns []resource.Node
	for k, n := range m.resources {
		if k.tenant == t && slices.Contains(scopes, n.Scope) {
			ns = append(ns, kept(n))
		}
	}
	return ns, nil
}

// Denials implements store.Resources.
func (m *Model) Denials(ctx context.Context, q store.Query) (store.Page[store.Denial], error) {
	return listOf(ctx, m, q, func() map[row]store.Denial { return m.denials }, denialFields)
}

func denialFields(d store.Denial) fields {
	return fields{store.FieldID: textOf(d.ID), store.FieldScope: textOf(d.Scope)}
}

// LiveResources implements store.Resources. The functions are called without the lock.
func (m *Model) LiveResources(ctx context.Context, containers func(resource.Node) error, roles func(pim.TenantID, rbac.Role) error, denials func(store.Denial) error) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	var ns []resource.Node
	for _, n := range m.resources {
		if n.Kind == resource.ManagementGroup || n.Kind == resource.Subscription {
			ns = append(ns, kept(n))
		}
	}
	var os []directory.Object
	for _, o := range m.objects {
		os = append(os, kept(o))
	}
	var ds []store.Denial
	for _, d := range m.denials {
		ds = append(ds, kept(d))
	}
	leave()
	for _, n := range ns {
		if err := containers(n); err != nil {
			return err
		}
	}
	for _, o := range os {
		if r, ok := o.Definition(); ok {
			if err := roles(o.Tenant, r); err != nil {
				return err
			}
		}
	}
	for _, d := range ds {
		if err := denials(d); err != nil {
			return err
		}
	}
	return nil
}
