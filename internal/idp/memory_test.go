package idp_test

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// memory is the model store. It remembers everything that was ever written to the vault, and can be out of reach.
type memory struct {
	storetest.Model
	down atomic.Bool

	mu      sync.Mutex
	written []string
}

func (m *memory) note(texts ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.written = append(m.written, texts...)
}

func (m *memory) vault() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.written
}

func (m *memory) Tenants(ctx context.Context) ([]directory.Tenant, error) {
	if m.down.Load() {
		return nil, store.ErrUnavailable
	}
	return m.Model.Tenants(ctx)
}

func (m *memory) PutSecret(ctx context.Context, kind, key string, value []byte, expires time.Time) error {
	m.note(kind + " " + key + " " + string(value))
	return m.Model.PutSecret(ctx, kind, key, value, expires)
}

func (m *memory) GetSecret(ctx context.Context, kind, key string, now time.Time) ([]byte, error) {
	if m.down.Load() {
		return nil, store.ErrUnavailable
	}
	return m.Model.GetSecret(ctx, kind, key, now)
}

func (m *memory) SwapSecret(ctx context.Context, kind, key string, before, after []byte, expires time.Time) error {
	m.note(kind + " " + key + " " + string(after))
	return m.Model.SwapSecret(ctx, kind, key, before, after, expires)
}

// credential reads what somebody proves themselves by.
func (w *world) credential(id pim.PrincipalID) directory.Credential {
	w.t.Helper()
	c, err := w.store.Credential(w.t.Context(), contoso, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) commit(c store.Commit) {
	w.t.Helper()
	if err := w.store.Commit(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
}
