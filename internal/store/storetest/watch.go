package storetest

import (
	"context"
	"fmt"
	"sync"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Watched is a store that counts what it is asked for reading lists and names, and that can be gone from one such question on. Make
// one with Watch.
type Watched struct {
	store.Store

	mu    sync.Mutex
	asked map[string]int
	// left are the questions that are still answered; negative: all.
	left int
}

// Watch watches a store.
func Watch(s store.Store) *Watched { return &Watched{Store: s, asked: map[string]int{}, left: -1} }

// GoneAfter lets so many more questions be answered; negative: all.
func (w *Watched) GoneAfter(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = n
}

// Since is what was asked since it was called last, by method, and how much that is together.
func (w *Watched) Since() (by map[string]int, all int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	by, w.asked = w.asked, map[string]int{}
	for _, n := range by {
		all += n
	}
	return by, all
}

func (w *Watched) note(method string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[method]++
	switch {
	case w.left == 0:
		return fmt.Errorf("%s: %w", method, store.ErrUnavailable)
	case w.left > 0:
		w.left--
	}
	return nil
}

func noted[Q, A any](ctx context.Context, w *Watched, method string, q Q, ask func(context.Context, Q) (A, error)) (A, error) {
	if err := w.note(method); err != nil {
		var none A
		return none, err
	}
	return ask(ctx, q)
}

// Requests implements store.Lists.
func (w *Watched) Requests(ctx context.Context, q store.Query) (store.Page[pim.Request], error) {
	return noted(ctx, w, "Requests", q, w.Store.Requests)
}

// Schedules implements store.Lists.
func (w *Watched) Schedules(ctx context.Context, q store.Query) (store.Page[pim.Schedule], error) {
	return noted(ctx, w, "Schedules", q, w.Store.Schedules)
}

// Events implements store.Lists.
func (w *Watched) Events(ctx context.Context, q store.Query) (store.Page[pim.Event], error) {
	return noted(ctx, w, "Events", q, w.Store.Events)
}

// Policies implements store.Lists.
func (w *Watched) Policies(ctx context.Context, t pim.TenantID, keys []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	return noted(ctx, w, "Policies", keys, func(ctx context.Context, keys []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
		return w.Store.Policies(ctx, t, keys)
	})
}

// PoliciesAt implements store.Lists.
func (w *Watched) PoliciesAt(ctx context.Context, at pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	return noted(ctx, w, "PoliciesAt", at, w.Store.PoliciesAt)
}

// Tenants implements store.Directory.
func (w *Watched) Tenants(ctx context.Context) ([]directory.Tenant, error) {
	return noted(ctx, w, "Tenants", struct{}{}, func(ctx context.Context, _ struct{}) ([]directory.Tenant, error) { return w.Store.Tenants(ctx) })
}

// Objects implements store.Directory.
func (w *Watched) Objects(ctx context.Context, q store.Query) (store.Page[directory.Object], error) {
	return noted(ctx, w, "Objects", q, w.Store.Objects)
}

// ObjectsByID implements store.Directory.
func (w *Watched) ObjectsByID(ctx context.Context, t pim.TenantID, ids []pim.PrincipalID) ([]directory.Object, error) {
	return noted(ctx, w, "ObjectsByID", ids, func(ctx context.Context, ids []pim.PrincipalID) ([]directory.Object, error) {
		return w.Store.ObjectsByID(ctx, t, ids)
	})
}

// Resources implements store.Resources.
func (w *Watched) Resources(ctx context.Context, q store.Query) (store.Page[resource.Node], error) {
	return noted(ctx, w, "Resources", q, w.Store.Resources)
}

// ResourcesByScope implements store.Resources.
func (w *Watched) ResourcesByScope(ctx context.Context, t pim.TenantID, scopes []pim.Scope) ([]resource.Node, error) {
	return noted(ctx, w, "ResourcesByScope", scopes, func(ctx context.Context, scopes []pim.Scope) ([]resource.Node, error) {
		return w.Store.ResourcesByScope(ctx, t, scopes)
	})
}
