package app

import (
	"context"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Uses tells those who may read the audit log who still calls dialects that are on their way out. Refusal: Forbidden.
func (a *App) Uses(ctx context.Context, by pim.Caller, t pim.TenantID) ([]store.Use, error) {
	if !pim.MayAudit(by) {
		return nil, forbidden
	}
	if err := a.counts(ctx, by, t); err != nil {
		return nil, err
	}
	return a.Store.Uses(ctx, t)
}

// AddUses adds calls to those that are kept.
func (a *App) AddUses(ctx context.Context, uses []store.Use) error {
	return a.Store.AddUses(ctx, uses)
}
