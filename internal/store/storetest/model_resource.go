package storetest

import (
	"context"

	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Resources implements store.Resources.
func (m *Model) Resources(context.Context, store.Query) (store.Page[resource.Node], error) {
	return store.Page[resource.Node]{}, nil
}

// ResourcesByScope implements store.Resources.
func (m *Model) ResourcesByScope(context.Context, pim.TenantID, []pim.Scope) ([]resource.Node, error) {
	return nil, nil
}

// Denials implements store.Resources.
func (m *Model) Denials(context.Context, store.Query) (store.Page[store.Denial], error) {
	return store.Page[store.Denial]{}, nil
}

// LiveResources implements store.Resources.
func (m *Model) LiveResources(context.Context, func(resource.Node) error, func(pim.TenantID, rbac.Role) error, func(store.Denial) error) error {
	return nil
}
